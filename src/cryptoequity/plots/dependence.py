"""Dependence beyond correlation: connectedness, tails, lags between closing times; and overlap of definitions."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..claim import ReRating
from ..claim.overlap import Overlap
from ..dependence import (
    ConnectednessFit,
    CrossDayCorrelation,
    ExceedanceCorrelation,
    RollingConnectedness,
    TailDependence,
)
from ..errors import SpecError
from ..estimation.params import Array
from .canvas import COLORS, cycle, date_axis, heading, key, paper, shade, styled

__all__ = [
    "connectedness_path",
    "connectedness_table",
    "cross_day",
    "exceedance_curve",
    "overlap_matrix",
    "tail_coefficients",
]

MOST_WRITTEN = 9  # columns up to which a matrix 4 inches wide has room for its numbers
_STYLES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (7, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (9, 2)), (0, (3, 3)))


def _matrix(ax: Any, values: Array, rows: list[str], columns: list[str], top: float, form: str) -> None:
    """Cells from white to dark, with their numbers where there is room; a blank cell has no value."""
    from matplotlib.colors import LinearSegmentedColormap

    ramp = LinearSegmentedColormap.from_list("blues", ["#FFFFFF", COLORS["sky"], "#08306B"])
    image = ax.imshow(np.ma.masked_invalid(values), cmap=ramp, vmin=0.0, vmax=top, aspect="auto")
    if len(columns) <= MOST_WRITTEN:
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                ax.text(j, i, form.format(value), ha="center", va="center", fontsize=7.5,
                        color="white" if value > 0.6 * top else COLORS["black"])  # fmt: skip
    else:
        ax.figure.colorbar(image, ax=ax, shrink=0.8)
    longest = max(map(len, columns))
    turn = {"rotation": 90} if longest * len(columns) > 40 else {}
    ax.set_xticks(range(len(columns)), columns, **turn)
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(length=0.0)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)


@styled
def connectedness_table(fit: ConnectednessFit, *, ax: Any = None) -> Any:
    """Where the forecast-error variance of each column (row) comes from, per cent.

    Parameters
    ----------
    fit : of `connectedness` or `quantile_connectedness`. ax : where to draw.

    Returns
    -------
    Axes
    """
    names = list(fit.names)
    ax = paper(ax, 4.0, 1.4 + 0.3 * len(names))
    values = fit.table.to_numpy(float)
    _matrix(ax, values, names, names, 100.0, "{:.0f}")
    ax.set_xlabel("share that comes from, %")
    model = "" if fit.tau is None else f", quantile {fit.tau:g}"
    heading(ax, f"Total connectedness {fit.total:.1f} %{model}",
            f"VAR({fit.lags}), {fit.horizon} steps, {fit.method}, n = {fit.nobs:,}")  # fmt: skip
    return ax


@styled
def connectedness_path(fit: RollingConnectedness, *, episodes: ReRating | None = None, ax: Any = None) -> Any:
    """Total connectedness by window and, below, what each column gives net; to look at, not to test.

    Parameters
    ----------
    fit : of `rolling_connectedness`. episodes : spells to shade. ax : draw the total alone, here.

    Returns
    -------
    Figure, or ``ax``.

    Raises
    ------
    SpecError : no window has a decomposition.
    """
    if not fit.total.notna().any():
        raise SpecError(f"no window has a decomposition to draw: {fit.reason}")
    if ax is not None:
        return _total(fit, episodes, ax)
    from .drawing import Drawing

    figure = Drawing(figsize=(4.0, 4.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    _total(fit, episodes, upper)
    net = fit.net
    _shaded(lower, episodes, net.index)
    for k, (name, color) in enumerate(zip(net.columns, cycle(net.shape[1]), strict=True)):
        lower.plot(
            _ticks(net.index), net[name].to_numpy(), color=color, ls=_STYLES[k % len(_STYLES)], lw=1.0, label=str(name)
        )
    lower.axhline(0.0, color=COLORS["black"], lw=0.5)
    date_axis(lower, _plain(net.index))
    lower.set_ylabel("given − received, %")
    heading(lower, "Net by column")
    key(lower)
    return figure


def _total(fit: RollingConnectedness, episodes: ReRating | None, ax: Any) -> Any:
    _shaded(ax, episodes, fit.total.index)
    ax.plot(_ticks(fit.total.index), fit.total.to_numpy(), color=COLORS["blue"], lw=1.0)
    date_axis(ax, _plain(fit.total.index))
    ax.set_ylabel("total, %")
    lost = f", {fit.failed} failed" if fit.failed else ""
    heading(ax, "Rolling connectedness", f"{len(fit.total):,} windows of {fit.window} rows{lost}")
    return ax


def _plain(index: pd.Index) -> pd.Index:
    """Index an axis can hold."""
    return index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index


def _ticks(index: pd.Index) -> Any:
    return _plain(index).to_numpy()


def _shaded(ax: Any, episodes: ReRating | None, index: pd.Index) -> None:
    if episodes is not None:
        shade(ax, episodes, _plain(index))


@styled
def exceedance_curve(fit: ExceedanceCorrelation, *, ax: Any = None) -> Any:
    """Exceedance correlations by threshold with intervals, and those of a normal pair of the same correlation.

    Parameters
    ----------
    fit : of `exceedance_correlation`. ax : where to draw.

    Returns
    -------
    Axes
    """
    ax = paper(ax)
    most = 0.0
    for tail, sign, color, marker in (("lower", -1.0, "vermillion", "v"), ("upper", 1.0, "blue", "^")):
        part = fit.table[fit.table["tail"] == tail].sort_values("threshold")
        # both tails start at zero: they are set apart by a hair
        x = sign * (part["threshold"].to_numpy(float) + 0.02)
        most = max(most, float(np.abs(x).max()))
        _whiskers(ax, x, part[["correlation", "lower", "upper"]], COLORS[color], marker, f"{tail} tail")
        ax.plot(x, part["normal"].to_numpy(), color=COLORS["black"], ls="--", lw=0.9,
                label="normal pair" if sign > 0 else None)  # fmt: skip
    ax.axhline(0.0, color=COLORS["black"], lw=0.5)
    ax.set_xlim(-most - 0.1, most + 0.1)
    ax.set_xlabel("threshold, standard deviations")
    ax.set_ylabel("correlation beyond")
    heading(ax, f"{fit.names[0]} and {fit.names[1]}: exceedance correlation",
            f"correlation {fit.rho:.2f}, {fit.level:.0%} intervals, n = {fit.nobs:,}")  # fmt: skip
    key(ax)
    return ax


def _whiskers(ax: Any, x: Array, frame: pd.DataFrame, color: str, marker: str, label: str) -> None:
    """Points with intervals; a point without one stands alone, a missing one is left out."""
    values, low, high = frame.to_numpy(float).T
    ax.vlines(x, low, high, color=color, lw=1.1)
    ax.plot(x, values, marker, color=color, ms=5.0, label=label)


@styled
def tail_coefficients(fit: TailDependence, *, ax: Any = None) -> Any:
    """Share of joint extremes by the size of the tail, with intervals and the value of a normal copula.

    Parameters
    ----------
    fit : of `tail_dependence`. ax : where to draw.

    Returns
    -------
    Axes
    """
    ax = paper(ax)
    for tail, side, color, marker in (("lower", -1.0, "vermillion", "v"), ("upper", 1.0, "blue", "^")):
        part = fit.table[fit.table["tail"] == tail].sort_values("q")
        q = part["q"].to_numpy(float)
        # the tails share their grid: each is moved off it by a hair
        _whiskers(ax, q * (1.0 + 0.02 * side), part[["chi", "chi lower", "chi upper"]], COLORS[color], marker,
                  f"{tail} tail")  # fmt: skip
        if side > 0:
            ax.plot(q, part["chi normal"].to_numpy(), color=COLORS["black"], ls="--", lw=0.9, label="normal copula")
            ax.plot(q, q, color=COLORS["gray"], ls=":", lw=1.2, label="independence")
    ax.set_xscale("log")
    levels = sorted(set(fit.table["q"]))
    from matplotlib.ticker import NullLocator

    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(levels, [f"{level:g}" for level in levels])
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("share q of each series that is its tail")
    ax.set_ylabel("χ(q)")
    heading(ax, f"{fit.names[0]} and {fit.names[1]}: tail dependence", f"{fit.level:.0%} intervals, n = {fit.nobs:,}")
    key(ax, 2)
    return ax


@styled
def cross_day(fit: CrossDayCorrelation, *, ax: Any = None) -> Any:
    """Cross-correlations by lag with 95 % intervals, and the correlation that allows for unequal closing times.

    Parameters
    ----------
    fit : of `aggregated_correlation` or `overlapping_correlation`. ax : where to draw.

    Returns
    -------
    Axes
    """
    ax = paper(ax)
    frame = fit.correlations
    lags, values = frame.index.to_numpy(float), frame["correlation"].to_numpy(float)
    half = stats.norm.ppf(0.975) * frame["std err"].to_numpy(float)
    ax.vlines(lags, values - half, values + half, color=COLORS["blue"], lw=1.1)
    ax.plot(lags, values, "o", color=COLORS["blue"], ms=5.0, label="by lag")
    low, high = fit.conf_int()
    ax.axhspan(low, high, color=COLORS["orange"], alpha=0.25, lw=0.0, zorder=0)
    ax.axhline(fit.estimate, color=COLORS["orange"], lw=1.3, ls="--", label=f"allowing for it, {fit.estimate:.2f}")
    ax.axhline(0.0, color=COLORS["black"], lw=0.5)
    ax.set_xticks(lags, [f"{lag:+.0f}".replace("-", "−") if lag else "0" for lag in lags])
    ax.set_xlim(lags[0] - 0.5, lags[-1] + 0.5)
    ax.set_xlabel(f"lag, days {fit.crypto or 'crypto'} is earlier")
    ax.set_ylabel("correlation, 95 %")
    heading(ax, f"{fit.crypto} and {fit.equity}", fit.method, f"same day {fit.same_day:.2f}, n = {fit.nobs:,}")
    key(ax, 2)
    return ax


@styled
def overlap_matrix(overlap: Overlap, *, ax: Any = None) -> Any:
    """Jaccard index of every pair of definitions: sessions both call an episode over sessions either does.

    Parameters
    ----------
    overlap : of `overlap_table`. ax : where to draw.

    Returns
    -------
    Axes
    """
    names = [str(name) for name in overlap.jaccard.index]
    covers = overlap.definitions["coverage"].to_numpy(float)
    labels = [
        textwrap.fill(f"{k} {name}, {cover:.0%}", 20)
        for k, (name, cover) in enumerate(zip(names, covers, strict=True), 1)
    ]
    ax = paper(ax, 4.0, 1.5 + 0.17 * sum(1 + one.count("\n") for one in labels) + 0.15 * len(names))
    values = overlap.jaccard.to_numpy(float)
    _matrix(ax, values, labels, [str(k) for k in range(1, len(names) + 1)], 1.0, "{:.2f}")
    ax.set_xlabel("definition, with its share of the sessions")
    heading(ax, "Overlap: Jaccard index", f"n = {overlap.sessions:,}, spells: {overlap.side}")
    return ax
