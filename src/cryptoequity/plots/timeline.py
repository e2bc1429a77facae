"""Episodes, correlation, regimes and breaks on one axis of time."""

from __future__ import annotations

import textwrap
import warnings
from typing import Any

import numpy as np
import pandas as pd

from ..breaks.bai_perron_fit import BaiPerronFit
from ..breaks.results import label
from ..claim import Verdict
from ..correlation import CorrelationFit
from ..errors import CryptoEquityWarning
from ..regimes import RSDCFit
from .canvas import COLORS, date_axis, heading, key, shade, span, styled

__all__ = ["timeline"]


@styled
def timeline(verdict: Verdict, path: CorrelationFit, regimes: RSDCFit | str, breaks: BaiPerronFit | str) -> Any:
    """Correlation path, regimes and breaks of the tested pair under each other, episodes shaded in each.

    Nothing of it tests the claim: regimes and breaks are dated from the data, and correlation that wanders makes both.

    Parameters
    ----------
    verdict : of `test_claim`. path : its ``dcc_full()`` or ``dcc()``.
    regimes : fit of the pair, of which the smoothed probability of the last regime is drawn; or why there is none.
    breaks : breaks in the mean of the product of standardized residuals; or why there are none.

    Returns
    -------
    Figure
    """
    from .drawing import Drawing

    plan = verdict.plan
    figure = Drawing(figsize=(4.0, 5.4), layout="constrained")
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=[1.15, 0.8, 1.05])
    line = path.correlation(plan.crypto, plan.equity)
    index = pd.DatetimeIndex(line.index)
    for ax in (upper, middle, lower):
        shade(ax, plan.episodes, index)
        if verdict.sample.break_date is not None:
            when = verdict.sample.break_date
            ax.axvline(
                when, color=COLORS["black"], lw=0.9, ls="--", label="break of the level" if ax is upper else None
            )
    upper.plot(index.to_numpy(), line.to_numpy(), color=COLORS["blue"], lw=0.9, label=f"correlation, {path.spec.name}")
    upper.axhline(0.0, color=COLORS["black"], lw=0.5)
    upper.set_ylabel("correlation")
    heading(upper, f"{plan.crypto} and {plan.equity}", span(index))
    _regimes(middle, regimes)
    _breaks(lower, breaks)
    date_axis(lower, index)
    parts = [ax.get_legend_handles_labels() for ax in (upper, middle, lower)]
    found: dict[str, Any] = {}
    for handles, labels in parts:
        for handle, words in zip(handles, labels, strict=True):
            found.setdefault(words, handle)
    key(lower, 2, handles=list(found.values()), labels=list(found))
    return figure


def _regimes(ax: Any, regimes: RSDCFit | str) -> None:
    ax.set_ylim(0.0, 1.0)
    ax.set_yticks([0.0, 0.5, 1.0])
    ax.set_ylabel("probability")
    if isinstance(regimes, str):
        _missing(ax, "Regimes", regimes)
        return
    frame = regimes.probabilities("smoothed")
    ticks, values = frame.index.to_numpy(), frame.iloc[:, -1].to_numpy(float)
    ax.fill_between(
        ticks, 0.0, values, facecolor=COLORS["purple"], alpha=0.35, hatch="....", edgecolor=COLORS["purple"], lw=0.0
    )
    ax.plot(ticks, values, color=COLORS["purple"], lw=0.9, label="high regime, smoothed probability")
    levels = regimes.regime_correlations()[:, 0, 1]
    heading(ax, f"Regimes of correlation {', '.join(f'{level:.2f}' for level in levels)}")


def _breaks(ax: Any, breaks: BaiPerronFit | str) -> None:
    ax.set_ylabel("mean product")
    if isinstance(breaks, str):
        ax.set_ylim(0.0, 1.0)
        ax.set_yticks([])
        _missing(ax, "Breaks", breaks)
        return
    index, edges = breaks.index, (0, *breaks.positions, breaks.nobs)
    means, errors = breaks.params.iloc[:, 0].to_numpy(float), breaks.std_err.iloc[:, 0].to_numpy(float)
    for number, (mean, error) in enumerate(zip(means, errors, strict=True)):
        ends = index[[edges[number], edges[number + 1] - 1]].to_numpy()
        ax.fill_between(ends, mean - 1.96 * error, mean + 1.96 * error, color=COLORS["green"], alpha=0.25, lw=0.0)
        ax.plot(ends, [mean, mean], color=COLORS["green"], lw=1.6, label=None if number else "mean of the regime, 95 %")
    low, high = float((means - 1.96 * errors).min()), float((means + 1.96 * errors).max())
    room = max(high - low, 0.05)
    y = low - 0.2 * room
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptoEquityWarning)  # an interval that is not pinned is drawn as none
        intervals = breaks.conf_int() if breaks.m else pd.DataFrame()
    for number, (_, row) in enumerate(intervals.iterrows()):
        when = index[int(row["position"])]
        ax.plot(when, y, "D", ms=4.5, color=COLORS["vermillion"], label=None if number else "break, 95 % interval")
        if np.isnan(row["lower_position"]) or np.isnan(row["upper_position"]):
            continue
        first, last = (int(np.clip(row[name], 0, breaks.nobs - 1)) for name in ("lower_position", "upper_position"))
        ax.plot(index[[first, last]].to_numpy(), [y, y], color=COLORS["vermillion"], lw=1.6)
        # an end beyond the sample is an arrow
        if row["lower_position"] < 0:
            ax.plot(index[0], y, "<", ms=4.5, color=COLORS["vermillion"], clip_on=False)
        if row["upper_position"] > breaks.nobs - 1:
            ax.plot(index[-1], y, ">", ms=4.5, color=COLORS["vermillion"], clip_on=False)
    ax.axhline(0.0, color=COLORS["black"], lw=0.5)
    ax.set_ylim(min(y - 0.2 * room, -0.05 * room), high + 0.12 * room)
    found = ", ".join(label(when) for when in breaks.break_dates)
    heading(ax, f"Breaks in the product of residuals: {found or 'none found'}")


def _missing(ax: Any, what: str, why: str) -> None:
    heading(ax, f"{what}: not fitted")
    ax.text(
        0.5,
        0.5,
        "\n".join(textwrap.wrap(why, 52)[:4]),
        ha="center",
        va="center",
        fontsize=7.5,
        transform=ax.transAxes,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 2.0},
    )
