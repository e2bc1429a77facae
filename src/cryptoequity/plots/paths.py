"""Paths of fits: volatility, residuals, correlation."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from ..claim import ReRating
from ..correlation import CorrelationFit
from ..errors import SpecError
from ..estimation.params import Array
from ..volatility import ArchMargin, MarginFit, Margins
from ..volatility.density import constants, shape_start
from .canvas import COLORS, cycle, date_axis, heading, key, paper, shade, span, styled

__all__ = ["correlation_path", "margin", "volatilities"]


@styled
def margin(fit: MarginFit | ArchMargin, *, ax: Any = None) -> Any:
    """Returns with a band of two volatilities, and residuals against the quantiles of the fitted density.

    Parameters
    ----------
    fit : a margin. ax : draw the first panel alone, here.

    Returns
    -------
    Figure, or ``ax``.
    """
    if ax is not None:
        return _returns(fit, ax)
    from .drawing import Drawing

    figure = Drawing(figsize=(6.6, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1.0])
    _returns(fit, left)
    _quantiles(fit, right)
    return figure


def _returns(fit: MarginFit | ArchMargin, ax: Any) -> Any:
    index = fit.volatility.index
    sigma, z = fit.volatility.to_numpy(float), fit.std_resid.to_numpy(float)
    ax.plot(index.to_numpy(), sigma * z, color=COLORS["gray"], lw=0.4, label="demeaned returns")
    for sign in (1.0, -1.0):
        ax.plot(
            index.to_numpy(),
            sign * 2.0 * sigma,
            color=COLORS["blue"],
            lw=0.9,
            label="± 2 volatilities" if sign > 0 else None,
        )
    date_axis(ax, index)
    ax.set_ylabel("% a session")
    heading(ax, fit._title_line(), span(index))
    key(ax)
    return ax


def _quantiles(fit: MarginFit | ArchMargin, ax: Any) -> Any:
    z = np.sort(fit.std_resid.to_numpy(float))
    share = (np.arange(z.size) + 0.5) / z.size
    theory, name = _density_quantiles(fit, share)
    ax.plot(theory, z, ".", ms=2.5, color=COLORS["blue"])
    ends = (min(theory[0], z[0]), max(theory[-1], z[-1]))
    ax.plot(ends, ends, color=COLORS["black"], lw=0.7)
    ax.set_xlabel(f"quantile of {name}")
    ax.set_ylabel("standardized residual")
    heading(ax, "Residuals against the density")
    return ax


def _density_quantiles(fit: MarginFit | ArchMargin, share: Array) -> tuple[Array, str]:
    """Quantiles (T,) of the fitted unit-variance density and its name."""
    if isinstance(fit, ArchMargin) or fit.spec.dist == "normal":
        return stats.norm.ppf(share), "the normal"
    shape = fit.estimate.theta[-len(shape_start(fit.spec.dist)) :]
    nu = float(shape[0])
    scale = np.sqrt((nu - 2.0) / nu)
    if fit.spec.dist == "t":
        return stats.t.ppf(share, nu) * scale, f"t, {nu:.1f} d.f."
    lam = float(shape[1])
    const = constants("skewt", shape)
    a, b = const[3], const[6]
    # Hansen's density: the share (1 - lambda)/2 lies left, stretched by 1 - lambda, the rest right by 1 + lambda
    cut = 0.5 * (1.0 - lam)
    left = (1.0 - lam) * stats.t.ppf(np.minimum(share, cut) / (1.0 - lam), nu)
    right = (1.0 + lam) * stats.t.ppf(0.5 + np.maximum(share - cut, 0.0) / (1.0 + lam), nu)
    return (np.where(share < cut, left, right) * scale - a) / b, f"skewed t, {nu:.1f} d.f., λ = {lam:.2f}"


@styled
def volatilities(margins: Margins, *, ax: Any = None) -> Any:
    """Conditional volatility of every column on one logarithmic axis.

    Parameters
    ----------
    margins : fitted margins. ax : where to draw.

    Returns
    -------
    Axes
    """
    ax = paper(ax, 4.0, 2.9)
    frame = margins.volatility
    for name, color in zip(frame.columns, cycle(frame.shape[1]), strict=True):
        ax.plot(frame.index.to_numpy(), frame[name].to_numpy(), color=color, lw=0.9, label=str(name))
    ax.set_yscale("log")
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel("volatility, % a session")
    date_axis(ax, frame.index)
    heading(ax, "Conditional volatility", span(frame.index))
    key(ax)
    return ax


@styled
def correlation_path(
    fit: CorrelationFit,
    i: str | None = None,
    j: str | None = None,
    *,
    episodes: ReRating | None = None,
    band: bool = True,
    level: float = 0.95,
    draws: int = 500,
    rng: int | np.random.Generator = 0,
    ax: Any = None,
) -> Any:
    """Conditional correlation of a pair by date.

    Parameters
    ----------
    fit : CCC or DCC. i, j : columns; the first two when left out. episodes : spells to shade.
    band : draw the pointwise band for estimated parameters, see `CorrelationFit.correlation_band`.
    level, draws, rng : of the band. ax : where to draw.

    Returns
    -------
    Axes
    """
    if (i is None) != (j is None):
        raise SpecError("name both columns of the pair, or neither.")
    first, second = (fit.names[0], fit.names[1]) if i is None or j is None else (i, j)
    ax = paper(ax)
    path = fit.correlation(first, second)
    dates = path.index.to_numpy()
    shade(ax, episodes, path.index)
    if band:
        edges = fit.correlation_band(first, second, level=level, draws=draws, rng=rng)
        ax.fill_between(
            dates,
            edges["lower"].to_numpy(),
            edges["upper"].to_numpy(),
            color=COLORS["blue"],
            alpha=0.25,
            lw=0.0,
            label=f"{level:.0%} band",
        )
    ax.plot(dates, path.to_numpy(), color=COLORS["blue"], lw=1.0, label=fit.spec.name)
    ax.axhline(0.0, color=COLORS["black"], lw=0.5)
    date_axis(ax, path.index)
    ax.set_ylabel("correlation")
    heading(ax, f"Correlation of {first} and {second}", span(path.index))
    key(ax, 4)
    return ax
