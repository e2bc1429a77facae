"""Episodes: when technology was re-rated, and the prices it shows in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..claim import ReRating, Verdict
from ..errors import SpecError
from .canvas import COLORS, date_axis, heading, key, paper, shade, span, styled

__all__ = ["prices_and_relative_strength", "rerating"]


@styled
def rerating(episodes: ReRating, *, index: pd.DatetimeIndex | None = None, ax: Any = None) -> Any:
    """Spells, and for episodes dated by a rule the intensity that dated them.

    Parameters
    ----------
    episodes : dated episodes. index : sessions to show; by default the rule's own, or the days of the list.
    ax : where to draw.

    Returns
    -------
    Axes
    """
    if index is None:
        if episodes.by_data:
            index = episodes.index
        elif episodes.dated:
            first, last = episodes.dated[0].start, episodes.dated[-1].end
            index = pd.date_range(first, last)
        else:
            raise SpecError(f"'{episodes.name}' has no spell to draw; pass index= to show the empty sample.")
    ax = paper(ax, 4.0, 2.4)
    shade(ax, episodes, index)
    if episodes.by_data:
        moves = episodes.driver(index, signed=True)
        ax.plot(index.to_numpy(), moves.to_numpy(), color=COLORS["black"], lw=0.8, label="signed intensity")
        ax.axhline(0.0, color=COLORS["black"], lw=0.5)
        ax.set_ylabel(episodes.unit)
    else:
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    date_axis(ax, index)
    count = episodes.n_spells(index)
    inside = episodes.coverage(index)
    heading(
        ax,
        f"Episodes: {episodes.name}",
        f"{index[0].date()} to {index[-1].date()}: {count} spells cover {inside:.0%} of {len(index):,} days",
    )
    key(ax)
    return ax


@styled
def prices_and_relative_strength(verdict: Verdict, *, ax: Any = None) -> Any:
    """Prices of the tested pair and, below, technology over the market, episodes shaded.

    Parameters
    ----------
    verdict : of `test_claim`. ax : two axes to draw on; only the first is used when the plan names no technology
        or market column.

    Returns
    -------
    Figure, or ``ax``.
    """
    plan = verdict.plan
    ratio = plan.tech is not None and plan.market is not None
    if ax is None:
        from .drawing import Drawing

        figure = Drawing(figsize=(4.0, 3.9 if ratio else 2.6), layout="constrained")
        panels = figure.subplots(2 if ratio else 1, 1, sharex=ratio, squeeze=False)[:, 0].tolist()
    else:
        panels = [ax] if hasattr(ax, "plot") else list(ax)
        if len(panels) < 1 + ratio:
            raise SpecError("prices and relative strength take two axes: pass ax=[upper, lower].")
    index = pd.DatetimeIndex(verdict.sample.full.index)
    # level rebuilt from the returns that were tested: what is shown is what was used
    for name, color, ls in ((plan.crypto, COLORS["vermillion"], "-"), (plan.equity, COLORS["blue"], (0, (5, 1)))):
        level = np.exp(np.cumsum(verdict.sample.full[name].to_numpy(float)) / 100.0)
        panels[0].plot(index.to_numpy(), 100.0 * level / level[0], color=color, ls=ls, lw=0.9, label=name)
    shade(panels[0], plan.episodes, index)
    from matplotlib.ticker import StrMethodFormatter

    panels[0].set_yscale("log")
    panels[0].yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    panels[0].set_ylabel("price, start = 100")
    date_axis(panels[0], index)
    covered = plan.episodes.coverage(index)
    heading(panels[0], f"{plan.crypto} and {plan.equity}, {covered:.0%} of days in episodes", span(index))
    last = panels[0]
    if ratio:
        last = panels[1]
        moves = (verdict.sample.full[plan.tech] - verdict.sample.full[plan.market]).to_numpy(float)
        shade(last, plan.episodes, index)
        line = np.exp(np.cumsum(moves) / 100.0)
        last.plot(index.to_numpy(), 100.0 * line / line[0], color=COLORS["green"], lw=0.9)
        date_axis(last, index)
        last.set_ylabel("start = 100")
        heading(last, f"Relative strength, {plan.tech} over {plan.market}")
    for panel in panels[: 1 + ratio]:
        if verdict.sample.break_date is not None:
            panel.axvline(verdict.sample.break_date, color=COLORS["black"], lw=0.8, ls="--", label="break")
    handles, labels = panels[0].get_legend_handles_labels()
    key(last, handles=handles, labels=labels)
    return figure if ax is None else ax
