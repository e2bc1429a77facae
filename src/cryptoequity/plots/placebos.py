"""Placebo assets: the contrast of the tested pair beside those of assets that should not show it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from ..claim import Verdict
from ..errors import SpecError
from ..estimation.bootstrap import null_interval
from .canvas import COLORS, heading, key, paper, span, styled

__all__ = ["placebo_contrasts", "placebos"]


def placebo_contrasts(verdict: Verdict) -> pd.DataFrame:
    """Contrast of correlations of the crypto asset with the tested equity and with each placebo, inside and outside.

    Parameters
    ----------
    verdict : of `test_claim`.

    Returns
    -------
    pd.DataFrame : one row an asset, the tested one first: estimate, lower and upper (95 %), pvalue (of the score).

    Raises
    ------
    SpecError : the plan names no placebo.
    """
    plan, main = verdict.plan, verdict.main
    if not plan.placebos:
        raise SpecError("the plan names no placebo asset; give it some, e.g. Plan(..., placebos=('GLD',)).")
    rows = {}
    for name, prefix in [
        (plan.equity, ""),
        *((name, f"placebo.{k}.") for name, k in zip(plan.placebos, main.pipeline.placebos, strict=True)),
    ]:
        estimate, draws = main.statistics[f"{prefix}correlation"], main.draws[f"{prefix}correlation"]
        rows[name] = (estimate, *null_interval(estimate, draws), main.pvalue(f"{prefix}score"))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "lower", "upper", "pvalue"])


@styled
def placebos(verdict: Verdict, *, ax: Any = None) -> Any:
    """Contrast inside minus outside of the tested pair and of the crypto asset with every placebo, 95 % intervals.

    Intervals invert the law of the contrast over the draws of the bootstrap, in which everything is estimated again.

    Parameters
    ----------
    verdict : of `test_claim`, with placebos in its plan. ax : where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    SpecError : the plan names no placebo.
    """
    frame = placebo_contrasts(verdict)
    ax = paper(ax, 4.0, 1.5 + 0.3 * len(frame))
    places = np.arange(len(frame))[::-1]
    for number, (y, (_, row)) in enumerate(zip(places, frame.iterrows(), strict=True)):
        color, marker = ("blue", "D") if number == 0 else ("orange", "o")
        words = "tested pair" if number == 0 else "placebo" if number == 1 else None
        if not math.isnan(row["lower"]):
            ax.plot([row["lower"], row["upper"]], [y, y], color=COLORS[color], lw=1.4 if number == 0 else 1.1)
        if not math.isnan(row["estimate"]):
            ax.plot(row["estimate"], y, marker, color=COLORS[color], ms=5.5, label=words, ls="none")
    ax.axvline(0.0, color=COLORS["black"], lw=0.6, zorder=0)
    ax.axvline(
        verdict.plan.sesoi,
        color=COLORS["black"],
        lw=0.9,
        ls=":",
        label=f"of interest, {verdict.plan.sesoi:.2f}",
        zorder=0,
    )
    ax.set_yticks(places, [f"{name}, p {_p(row['pvalue'])}" for name, row in frame.iterrows()])
    ax.set_ylim(-0.6, len(frame) - 0.4)
    ax.set_xlabel("inside − outside, 95 % interval")
    heading(ax, f"{verdict.plan.crypto} with each asset", span(verdict.main.index))
    key(ax, 2)
    return ax


def _p(value: float) -> str:
    return "n/a" if math.isnan(value) else f"= {value:.3f}" if value >= 0.001 else "< 0.001"
