"""Regimes and breaks of the tested pair, fitted for the picture and its table."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..breaks import BaiPerron, BaiPerronFit
from ..breaks.results import label
from ..claim import Verdict
from ..correlation import CorrelationFit
from ..errors import CryptoEquityError, CryptoEquityWarning
from ..regimes import RSDC, RSDCFit
from ..table import Table, format_number

__all__ = ["Timeline", "fit_timeline", "timeline_table"]

DESCRIPTION = (
    "A description, which tests nothing: regimes and breaks are dated from the same data, and a correlation that "
    "wanders without any break makes both."
)


@dataclass(frozen=True, eq=False)
class Timeline:
    """What stands under each other on one axis of time.

    Attributes
    ----------
    path : DCC of the pair on the whole sample. regimes, breaks : the fits, or why there is none.
    remarks : what the fits warned of.
    """

    path: CorrelationFit
    regimes: RSDCFit | str
    breaks: BaiPerronFit | str
    remarks: tuple[str, ...] = ()


def fit_timeline(verdict: Verdict) -> Timeline:
    """Fit two regimes of correlation, and breaks in the mean product of residuals, to the whole sample.

    A fit that fails leaves its reason in its place, and one that did not converge says so in ``remarks``.

    Parameters
    ----------
    verdict : of `test_claim`.
    """
    sample = verdict.sample
    path = verdict.dcc() if sample.break_date is None else verdict.dcc_full()
    remarks: list[str] = []
    regimes: RSDCFit | str
    breaks: BaiPerronFit | str
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CryptoEquityWarning)
        try:
            regimes = RSDC(k=2, dist=verdict.plan.dist).fit(path.margins)
            if not regimes.converged:
                remarks.append("the fit of the regimes did not converge.")
        except (CryptoEquityError, np.linalg.LinAlgError) as error:
            regimes = f"regimes could not be fitted: {error}"
        try:
            product = pd.Series(sample.residuals[:, 0] * sample.residuals[:, 1], sample.full.index, name="product")
            breaks = BaiPerron(cov_type="HAC").fit(product)
            breaks.conf_int()
        except (CryptoEquityError, np.linalg.LinAlgError) as error:
            breaks = f"breaks could not be dated: {error}"
    remarks += [str(one.message) for one in caught if issubclass(one.category, CryptoEquityWarning)]
    for other in caught:
        if not issubclass(other.category, CryptoEquityWarning):
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    return Timeline(path, regimes, breaks, tuple(dict.fromkeys(remarks)))


def timeline_table(timeline: Timeline) -> Table:
    """Levels and durations of the regimes, dates of the breaks with intervals and means."""
    rows: list[tuple[str, str, str]] = []
    notes = [DESCRIPTION]
    if isinstance(timeline.regimes, str):
        notes.append(f"{timeline.regimes.rstrip('.')}.")
    else:
        levels = timeline.regimes.regime_correlations()[:, 0, 1]
        shares = timeline.regimes.probabilities("smoothed").mean()
        for name, level, share in zip(shares.index, levels, shares, strict=True):
            rows.append((str(name), f"correlation {level:.2f}", f"{share:.0%} of sessions"))
    if isinstance(timeline.breaks, str):
        notes.append(f"{timeline.breaks.rstrip('.')}.")
    else:
        fit = timeline.breaks
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptoEquityWarning)  # said in the remarks
            intervals = fit.conf_int() if fit.m else pd.DataFrame()
        means = fit.params.iloc[:, 0].to_numpy(float)
        for k, (_, row) in enumerate(intervals.iterrows()):
            ends = [_end(row, side, fit.nobs) for side in ("lower", "upper")]
            moved = f"mean product {format_number(float(means[k]), 2)} to {format_number(float(means[k + 1]), 2)}"
            rows.append((f"break {label(row['break'])}", moved, f"{ends[0]} to {ends[1]}"))
        if not fit.m:
            rows.append(("breaks", f"none; mean product {means[0]:.2f}", ""))
    notes += [f"{remark.rstrip('.')}." for remark in timeline.remarks]
    return Table("Regimes and breaks of the whole sample", ("", "level", "share or 95 % interval"), tuple(rows),
                 tuple(notes))  # fmt: skip


def _end(row: pd.Series, side: str, nobs: int) -> str:
    position = float(row[f"{side}_position"])
    if np.isnan(position):
        return "not pinned"
    if position < 0:
        return "before the sample"
    return "after the sample" if position > nobs - 1 else label(row[side])
