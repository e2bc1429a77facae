"""What one does with correlations: models side by side, news impact, hedges, and losses against the value at risk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..claim import ReRating
from ..errors import DataError, SpecError
from ..portfolio.backtests import exceedances
from ..portfolio.paths import PathFit
from .canvas import COLORS, cycle, date_axis, heading, key, paper, shade, span, styled

__all__ = ["correlation_paths", "hedge_path", "news_impact_surface", "risk_backtest"]

# beyond this lines cannot be told apart
MOST = 8


@styled
def correlation_paths(
    fits: Mapping[str, PathFit],
    i: str | None = None,
    j: str | None = None,
    *,
    episodes: ReRating | None = None,
    ax: Any = None,
) -> Any:
    """Correlation of one pair under several models, on one axis.

    Parameters
    ----------
    fits : label -> fitted correlation or covariance model. i, j : columns; the first two when left out.
    episodes : spells to shade. ax : where to draw.

    Returns
    -------
    Axes
    """
    if not 1 <= len(fits) <= MOST:
        raise SpecError(f"{len(fits)} models: one picture shows 1 to {MOST} lines that can be told apart.")
    if (i is None) != (j is None):
        raise SpecError("name both columns of the pair, or neither.")
    names = next(iter(fits.values())).names
    first, second = (names[0], names[1]) if i is None or j is None else (i, j)
    paths = {label: fit.correlation(first, second) for label, fit in fits.items()}
    index = next(iter(paths.values())).index
    for label, path in paths.items():
        if not path.index.equals(index):
            raise DataError(
                f"{label!r} ({len(path)} dates) is on another sample than {next(iter(paths))!r} ({len(index)} dates); "
                "draw fits of the same dates together."
            )
    ax = paper(ax)
    shade(ax, episodes, index)
    # line styles differ too, for gray print
    styles = ("-", "--", "-.", ":")
    for k, ((label, path), color) in enumerate(zip(paths.items(), cycle(len(paths)), strict=True)):
        ax.plot(
            index.to_numpy(),
            path.to_numpy(),
            color=color,
            ls=styles[k % 4],
            lw=0.8 if k else 1.0,
            label=label,
            alpha=0.9,
        )
    ax.axhline(0.0, color=COLORS["black"], lw=0.5)
    date_axis(ax, index)
    ax.set_ylabel("correlation")
    heading(ax, f"Correlation of {first} and {second}", span(index))
    key(ax, 3)
    return ax


@styled
def news_impact_surface(surface: pd.DataFrame, *, levels: int = 9, ax: Any = None) -> Any:
    """Contours of the next correlation over the shocks of today.

    Parameters
    ----------
    surface : of `news_impact`, shocks as labels of rows and columns. levels : contours, about. ax : where to draw.

    Returns
    -------
    Axes
    """
    values = surface.to_numpy(float)
    rows, cols = surface.index.to_numpy(float), surface.columns.to_numpy(float)
    if min(values.shape) < 2:
        raise SpecError(f"a surface of shape {values.shape} has no contours; give a grid of at least two shocks.")
    ax = paper(ax, 3.4, 3.3)
    if np.ptp(values) <= 1e-12:
        # a constant correlation: one flat color says it, contours would be noise
        ax.set_facecolor("#DDE7EF")
        ax.text(
            0.5, 0.5, f"{values[0, 0]:.3f} everywhere", transform=ax.transAxes, ha="center", va="center", fontsize=8.0
        )
        ax.set_xlim(cols[0], cols[-1])
        ax.set_ylim(rows[0], rows[-1])
    else:
        ax.contourf(cols, rows, values, levels=levels, cmap="cividis", alpha=0.55)
        lines = ax.contour(cols, rows, values, levels=levels, colors=COLORS["black"], linewidths=0.6)
        ax.clabel(lines, fontsize=6.5, fmt="%.2f")
    ax.axhline(0.0, color=COLORS["black"], lw=0.4)
    ax.axvline(0.0, color=COLORS["black"], lw=0.4)
    ax.set_xlabel(f"{surface.columns.name or 'second shock'}, s.d.")
    ax.set_ylabel(f"{surface.index.name or 'first shock'}, s.d.")
    heading(ax, "Correlation after the news", f"between {values.min():.3f} and {values.max():.3f}")
    return ax


@styled
def risk_backtest(returns: pd.Series, var: pd.Series, es: pd.Series | None = None, *, ax: Any = None) -> Any:
    """Returns of a portfolio, minus its value at risk (and expected shortfall), and the days that exceed it.

    Parameters
    ----------
    returns : percent returns; dates before the first of ``var`` are left out. var, es : value at risk and expected
        shortfall, positive for losses. ax : where to draw.

    Returns
    -------
    Axes
    """
    beyond = exceedances(returns, var)
    own = returns.loc[var.index]
    dates = var.index.to_numpy()
    ax = paper(ax)
    ax.plot(dates, own.to_numpy(), color=COLORS["gray"], lw=0.4, label="return")
    ax.plot(dates, -var.to_numpy(), color=COLORS["blue"], lw=0.9, label=f"−{var.name or 'VaR'}")
    if es is not None:
        if not es.index.equals(var.index):
            raise DataError(f"expected shortfall ({len(es)} dates) and value at risk ({len(var)}) have other dates.")
        ax.plot(dates, -es.to_numpy(), color=COLORS["green"], lw=0.9, ls="--", label=f"−{es.name or 'ES'}")
    where = beyond.to_numpy(bool)
    ax.plot(dates[where], own.to_numpy()[where], "x", ms=3.5, color=COLORS["vermillion"], label="exceedance")
    date_axis(ax, var.index)
    ax.set_ylabel("% a session")
    count = int(where.sum())
    heading(ax, f"{count} exceedances, {count / len(where):.2%} of days", span(var.index))
    key(ax, 4 if es is not None else 3)
    return ax


@styled
def hedge_path(ratio: pd.Series | pd.DataFrame, *, constant: float | None = None, ax: Any = None) -> Any:
    """Hedge ratio by date, and where wanted the constant one.

    Parameters
    ----------
    ratio : of `hedge_ratio`; a frame draws a line a hedge. constant : a ratio to compare with, drawn as a level.
    ax : where to draw.

    Returns
    -------
    Axes
    """
    frame = ratio.to_frame() if isinstance(ratio, pd.Series) else ratio
    if not 1 <= frame.shape[1] <= MOST:
        raise SpecError(f"{frame.shape[1]} hedges: one picture shows 1 to {MOST} lines that can be told apart.")
    ax = paper(ax, 4.0, 2.6)
    for name, color in zip(frame.columns, cycle(frame.shape[1]), strict=True):
        ax.plot(frame.index.to_numpy(), frame[name].to_numpy(), color=color, lw=0.9, label=str(name))
    if constant is not None:
        ax.axhline(constant, color=COLORS["black"], lw=0.8, ls="--", label=f"constant, {constant:.2f}")
    ax.axhline(0.0, color=COLORS["black"], lw=0.5)
    date_axis(ax, frame.index)
    ax.set_ylabel("units sold per unit held")
    heading(ax, "Hedge ratio", span(frame.index))
    key(ax, 3)
    return ax
