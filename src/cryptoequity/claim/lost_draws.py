"""Draws without a statistic: how many a p-value may lose, and what it can still say."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from .headline import Headline
from .hypotheses import Evidence

__all__ = ["MOST_LOST", "refuse_lost"]

MOST_LOST = 0.05  # share of draws a p-value may go without
# loops whose failures concern some hypotheses alone; a label that begins with a key concerns that hypothesis
CONCERNS: dict[str, set[str]] = {
    "break": {"H1"},
    "altcoins": {"H6"},
    "after publication": {"H11"},
    "detectable effect": set(),
    "constant correlation": {"H0m"},
    "movement": {"H0m"},
    "peaks inside": {"H2p"},
    "dose": {"H2x"},
    "regimes and dose": {"H2x"},
    "volatility": {"H3"},
    "each episode": {"H8"},
    "drivers": {"H9"},
    "net of holders": {"H2"},
    "further statistics": {"H0m", "H2p", "H2x", "H3", "H8", "H9"},
}
APART = {"H6", "H11"}  # have draws of their own
STATISTICS = {
    "H1": ("level",),
    "H2": ("score",),
    "H3": ("bound",),
    "H0m": ("path.sd",),
    "H2p": ("peaks.days",),
    "H2x": ("dose.score",),
    "H4": ("partial.score",),
    "H5": ("level", "level.large"),
    "H7": ("up.score", "down.score"),
    "H10": ("specific.score",),
}


def refuse_lost(
    evidence: Mapping[str, Evidence], failures: pd.DataFrame, main: Headline, later: Headline | None
) -> dict[str, Evidence]:
    r"""Evidence with a p-value only where enough draws have a statistic.

    A p-value over the B − L draws that have one is :math:`p=(1+k)/(1+B-L)`; had the L others been drawn, it would lie
    between :math:`(1+k)/(1+B)` and :math:`(1+k+L)/(1+B)`. Up to `MOST_LOST` of the draws these bounds are noted in the
    detail; beyond it the p-value is withdrawn, with the reason, for draws seldom fail at random.

    Parameters
    ----------
    evidence : by hypothesis. failures : of the run, one row a label. main, later : bootstraps, whose draws may also
        be NaN without an error.
    """
    return {key: _judged(one, *_lost(key, one, failures, main, later)) for key, one in evidence.items()}


def _judged(one: Evidence, lost: int, count: int, error: str) -> Evidence:
    if not lost or math.isnan(one.pvalue):
        return one
    reached = one.pvalue * (1 + count - lost)  # 1 + k
    low, high = reached / (1 + count), (reached + lost) / (1 + count)
    detail = {**one.detail, "draws without a statistic": lost, "pvalue lowest": low, "pvalue highest": min(1.0, high)}
    if lost <= MOST_LOST * count:
        return replace(one, detail=detail)
    first = f", the first with '{error}'" if error else ""
    reason = (
        f"{lost} of {count} draws ({lost / count:.1%}) gave no statistic{first}; at most {MOST_LOST:.0%} may. Whatever "
        f"they would have said, p lies between {low:.3f} and {min(1.0, high):.3f}."
    )
    return replace(one, pvalue=math.nan, detail=detail, reason=reason)


def _lost(
    key: str, one: Evidence, failures: pd.DataFrame, main: Headline, later: Headline | None
) -> tuple[int, int, str]:
    """Draws lost to a hypothesis, of how many, and the first error; of several loops the worst share counts."""
    found = [(0, 1, "")]
    for label, row in failures.iterrows():
        if row["failed"] and _concerns(str(label), key):
            found.append((int(row["failed"]), int(row["draws"]), str(row["first error"])))
    own = later if key == "H11" else main
    if own is not None:
        names = [f"level.{side}" for side in ("inside", "outside") if key == "H1" and side in one.detail]
        for name in (*STATISTICS.get("H2" if key == "H11" else key, ()), *names):
            if name in own.draws.values:
                values = own.draws[name]
                found.append((int(np.sum(~np.isfinite(values))), values.size, ""))
    noted = one.detail.get("draws without a statistic", 0)
    if noted:
        found.append((int(noted), len(main.draws) if own is None else len(own.draws), ""))
    lost, count, error = max(found, key=lambda each: (each[0] / each[1], each[2]))
    return lost, count, error


def _concerns(label: str, key: str) -> bool:
    if label in CONCERNS:
        return key in CONCERNS[label]
    named = re.match(r"H\d+[a-z]?\b", label)
    if named:
        return key == named.group()
    # the bootstrap, and whatever else is drawn: on the side of caution, all that has no draws of its own
    return key not in APART
