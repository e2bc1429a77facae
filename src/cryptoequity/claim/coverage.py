"""Whether a set of episodes leaves something to compare with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cryptoequity.claim.rerating import ReRating, Side
from cryptoequity.claim.spells import days_of
from cryptoequity.errors import DataError

__all__ = ["Coverage", "check_coverage"]


@dataclass(frozen=True)
class Coverage:
    """How much of a sample the episodes cover.

    Attributes
    ----------
    share : of the sessions, between 0 and 1. inside, sessions : how many. spells : that cover at least one.
    note : what to know about it, or empty.
    """

    share: float
    inside: int
    sessions: int
    spells: int
    note: str


def check_coverage(episodes: ReRating, index: pd.DatetimeIndex, side: Side = "both") -> Coverage:
    """Return how much of ``index`` the episodes cover; refuse none and all, which leave nothing to compare.

    One spell is allowed and noted: a single stretch cannot be told from anything else that happened in it.
    Sessions on which a rule says nothing are noted too: they count as outside.

    Parameters
    ----------
    episodes : the definition. index : the sessions, without time zone.
    side : "both", "up" or "down", which spells count.

    Returns
    -------
    Coverage

    Raises
    ------
    DataError : the episodes cover none or all of the sessions.

    Examples
    --------
    >>> import pandas as pd
    >>> import cryptoequity as ce
    >>> coverage = ce.check_coverage(ce.ReRating.press(), pd.bdate_range("2020-03-23", "2024-12-31"))
    >>> coverage.spells, round(coverage.share, 2)
    (3, 0.72)
    """
    dummy = episodes.dummy(index, side).to_numpy()
    sessions, inside = dummy.size, int(dummy.sum())
    days = days_of(index)
    sample = f"the {sessions:,} sessions from {days[0]} to {days[-1]}"
    which = f"the episodes '{episodes.name}'" + ("" if side == "both" else f" ({side})")
    if inside == 0:
        run = [spell for spell in episodes.dated if side == "both" or spell.sign == (1 if side == "up" else -1)]
        where = f"its {len(run)} spells run from {run[0].start} to {run[-1].end}" if run else "it has no such spell"
        raise DataError(
            f"{which} cover 0 % of {sample}: there is nothing to compare with ({where}); "
            "lengthen the sample or choose another definition."
        )
    if inside == sessions:
        raise DataError(
            f"{which} cover 100 % of {sample}: nothing is left to compare with; "
            "lengthen the sample or choose a narrower definition."
        )
    spells = episodes.n_spells(index, side)
    notes = []
    if spells == 1:
        notes.append("one spell only: whatever else happened in it cannot be told apart from the re-rating")
    if episodes.by_data:
        silent = int(np.isnan(episodes.driver(index).to_numpy()).sum())
        if silent:
            notes.append(
                f"the rule says nothing on {silent:,} sessions (warm-up, or after its data); they count as outside"
            )
    return Coverage(inside / sessions, inside, sessions, spells, "; ".join(notes))
