"""Smooth transitions: the correlation as a function of its driver, and over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..claim import ReRating
from ..correlation.stcc import TransitionFit
from ..errors import SpecError
from .canvas import COLORS, cycle, date_axis, heading, key, paper, shade, span, styled

__all__ = ["transition", "transition_curve", "transition_path"]


def _pair(fit: TransitionFit, i: str | None, j: str | None) -> tuple[str, str]:
    if not isinstance(fit, TransitionFit):
        raise SpecError("this picture is of a smooth transition: draw a fitted STCC, DSTCC or BerbenJansen.")
    if (i is None) != (j is None):
        raise SpecError("name both columns of the pair, or neither.")
    return (fit.names[0], fit.names[1]) if i is None or j is None else (i, j)


@styled
def transition(
    fit: TransitionFit, i: str | None = None, j: str | None = None, *, episodes: ReRating | None = None
) -> Any:
    """Draw both pictures of a smooth transition: `transition_curve` on the left, `transition_path` on the right.

    Parameters
    ----------
    fit : STCC, DSTCC or BerbenJansen. i, j : columns; the first two when left out. episodes : spells to shade.

    Returns
    -------
    Figure
    """
    from .drawing import Drawing

    figure = Drawing(figsize=(7.2, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.0, 1.35])
    transition_curve(fit, i, j, ax=left)
    transition_path(fit, i, j, episodes=episodes, ax=right)
    return figure


@styled
def transition_curve(
    fit: TransitionFit,
    i: str | None = None,
    j: str | None = None,
    *,
    driver: str | None = None,
    level: float = 0.95,
    ax: Any = None,
) -> Any:
    """Correlation of a pair against a driver, with its pointwise band, and a rug of the values the driver took.

    With two transitions there is one curve for the other driver at its 10 % and one at its 90 % quantile. A curve is
    worth what the rug under it is worth: where there are no marks it is the logistic function that speaks.

    Parameters
    ----------
    fit : STCC, DSTCC or BerbenJansen. i, j : columns; the first two when left out.
    driver : the one on the axis, the first by default. level : of the band. ax : where to draw.

    Returns
    -------
    Axes
    """
    first, second = _pair(fit, i, j)
    if not 0.0 < level < 1.0:
        raise SpecError(f"level={level}: a level lies between 0 and 1, e.g. 0.95.")
    ax = paper(ax, 3.4, 2.9)
    driver = fit.drivers[0] if driver is None else driver
    states = fit.states
    lines: list[tuple[str, float | None]] = [(fit.spec.name, None)]
    if len(fit.drivers) == 2:
        other = next(name for name in fit.drivers if name != driver)
        low, high = np.quantile(states[other], [0.1, 0.9])
        lines = [(f"{other} = {low:.3g} (10 %)", float(low)), (f"{other} = {high:.3g} (90 %)", float(high))]
    for (label, place), color, style in zip(lines, cycle(len(lines)), ("-", "--"), strict=False):
        curve = fit.curve(first, second, driver=driver, other=place, alpha=1.0 - level)
        x = curve.index.to_numpy()
        # a band of a normal approximation may leave [-1, 1]; a correlation cannot
        edges = [np.clip(curve[edge].to_numpy(), -1.0, 1.0) for edge in ("lower", "upper")]
        ax.fill_between(x, *edges, color=color, alpha=0.2, lw=0.0)
        ax.plot(x, curve["estimate"].to_numpy(), color=color, ls=style, label=label)
    values = states[driver].to_numpy()
    marks = values if values.size <= 400 else np.quantile(values, (np.arange(400) + 0.5) / 400)
    ax.plot(
        marks,
        np.full(marks.size, 0.015),
        "|",
        color=COLORS["black"],
        ms=5,
        mew=0.3,
        alpha=0.6,
        transform=ax.get_xaxis_transform(),
    )
    ax.axvline(float(fit.center[driver]), color=COLORS["gray"], lw=0.7, ls=":")
    ax.set_xlim(values.min(), values.max())
    ax.set_xlabel("time, share of the sample" if driver == "time" and fit.likelihood.timed else driver)
    ax.set_ylabel("correlation")
    heading(ax, f"{first} and {second}", f"{level:.0%} band, rug of the data")
    key(ax, 1)
    return ax


@styled
def transition_path(
    fit: TransitionFit,
    i: str | None = None,
    j: str | None = None,
    *,
    episodes: ReRating | None = None,
    ax: Any = None,
) -> Any:
    """Correlation of a pair and the transitions G by date, on one axis.

    Parameters
    ----------
    fit : STCC, DSTCC or BerbenJansen. i, j : columns; the first two when left out. episodes : spells to shade.
    ax : where to draw.

    Returns
    -------
    Axes
    """
    first, second = _pair(fit, i, j)
    ax = paper(ax)
    path = fit.correlation(first, second)
    dates = path.index.to_numpy()
    shade(ax, episodes, path.index)
    values = fit.transition
    frame = values.to_frame(fit.drivers[0]) if isinstance(values, pd.Series) else values
    for name, color, style in zip(frame.columns, ("gray", "orange"), ("-", "--"), strict=False):
        ax.plot(dates, frame[name].to_numpy(), color=COLORS[color], ls=style, lw=0.6, label=f"G({name})")
    ax.plot(dates, path.to_numpy(), color=COLORS["blue"], lw=1.0, label="correlation")
    ax.axhline(0.0, color=COLORS["black"], lw=0.5)
    date_axis(ax, path.index)
    ax.set_ylabel("correlation; G")
    heading(ax, f"{fit.spec.name}: {first} and {second}", span(path.index))
    key(ax, 3)
    return ax
