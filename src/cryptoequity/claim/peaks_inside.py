r"""H2p, "peaks" taken literally: whether the highest points of the correlation lie inside the episodes.

Of the path :math:`\rho_t` of the tested pair's DCC, fitted without the episodes,

.. math:: S_1=\frac1k\#\{\text{k highest separated maxima inside}\},\qquad
          S_2=\frac{\#\{t\text{ inside}:\rho_t\ge Q_{.9}(\rho)\}}{\#\{t:\rho_t\ge Q_{.9}(\rho)\}},

a separated maximum being a date that is the highest within ``REACH`` sessions on either side. With one maximum the
chance of a hit is the episodes' share of the sample, which is why ``COUNT`` are asked for. Both laws are those of
worlds in which the episodes do nothing, the path fitted again in each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import SpecError
from ..estimation.params import Array
from ..regimes.peaks import correlation_peaks_test, local_peaks
from .headline import Headline, Sample
from .hypotheses import Evidence, not_testable
from .pipeline import PairFit, attach
from .plan import Plan

__all__ = ["PeaksInside", "judge_peaks_inside", "peaks_inside", "shifted_peaks"]

COUNT = 5  # maxima counted
REACH = 63  # sessions on either side within which a maximum is the highest
HIGHEST = 0.10  # share of the sessions called the highest


@dataclass(frozen=True)
class PeaksInside:
    """Where the highest points of a path lie; an extra of `Pipeline`.

    Attributes
    ----------
    count : maxima asked for. reach : sessions on either side within which each is the highest.
    highest : share of the sessions called the highest.
    """

    count: int = COUNT
    reach: int = REACH
    highest: float = HIGHEST

    def __post_init__(self) -> None:
        for name in ("count", "reach"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise SpecError(f"{name}={value!r}: a whole number of at least 1.")
        if not 0.0 < self.highest < 1.0:
            raise SpecError(f"highest={self.highest!r}: a share of the sessions, between 0 and 1, e.g. 0.10.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the statistics."""
        return ("peaks.found", "peaks.maxima", "peaks.days")

    def summits(self, path: Array, valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        """Rows of the (at most ``count``) highest separated maxima that lie on valid days, the highest first."""
        if path.size <= 2 * self.reach:
            return np.empty(0, np.intp)
        rows = np.flatnonzero(local_peaks(path, self.reach) & valid)
        return rows[np.argsort(-path[rows], kind="stable")][: self.count]

    def days(self, path: Array, valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        """Rows of the highest valid days, as many as ``highest`` says, rounded up."""
        rows = np.flatnonzero(valid)
        keep = math.ceil(self.highest * rows.size)
        return rows[np.argsort(-path[rows], kind="stable")][:keep]

    def __call__(self, z: Array, returns: Array, signed: Array, fit: PairFit) -> dict[str, float]:
        """Maxima found, share of them inside, and share of the highest days inside; NaN where there are none."""
        del z, returns
        return self.of_path(fit.path, np.abs(signed))

    def of_path(self, path: Array, dummy: Array) -> dict[str, float]:
        """See `__call__`; days of a guard band (NaN) count for neither side."""
        valid = ~np.isnan(dummy)
        nan = float("nan")
        one_sided = not 0.0 < float(dummy[valid].sum()) < float(valid.sum())
        if one_sided or not float(np.ptp(path)) > 1e-12:  # no episode to lie in, or no highest day
            return {"peaks.found": 0.0, "peaks.maxima": nan, "peaks.days": nan}
        tops, days = self.summits(path, valid), self.days(path, valid)
        return {
            "peaks.found": float(tops.size),
            "peaks.maxima": float(dummy[tops].mean()) if tops.size else nan,
            "peaks.days": float(dummy[days].mean()) if days.size else nan,
        }


def shifted_peaks(path: Array, dummy: Array, extra: PeaksInside) -> tuple[float, float]:
    """P-values of both shares over every circular shift of the episodes, ties counted.

    For fixed episodes only, and for a path without drift.

    Parameters
    ----------
    path : (T,) correlations. dummy : (T,) zeros and ones. extra : what is counted.

    Raises
    ------
    SpecError : a dummy with days that count for neither side.
    """
    if np.isnan(dummy).any():
        raise SpecError("a dummy with guard bands (NaN) cannot be shifted; use guard='0D'.")
    everywhere = np.ones(path.size, bool)
    out = []
    for rows in (extra.summits(path, everywhere), extra.days(path, everywhere)):
        if not rows.size:
            out.append(float("nan"))
            continue
        marks = np.zeros(path.size)
        marks[rows] = 1.0
        # marks inside at every rotation of the episodes, a whole number each
        hits = np.rint(np.fft.irfft(np.fft.rfft(marks) * np.conj(np.fft.rfft(dummy)), path.size))
        out.append(float(np.mean(hits >= hits[0])))
    return out[0], out[1]


def peaks_inside(
    plan: Plan,
    sample: Sample,
    main: Headline,
    prices: pd.DataFrame,
    seed: np.random.SeedSequence,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Evidence:
    """Evidence on H2p; see the module.

    The p-value is that of the share of the highest days: the count of maxima takes six values, and with episodes that
    cover two fifths of a sample it rejects next to nothing whatever is true. Its own p-value is reported. The
    estimate is the share of the highest days inside beyond the share of all days inside. Beside the bootstrap stand
    circular shifts of fixed episodes, for these shares and for the statistics of `correlation_peaks_test`.

    Parameters
    ----------
    plan, sample, main, prices : of `test_claim`. seed : of the draws, where ``main`` lacks these statistics.
    n_jobs, progress : as in `test_claim`.

    Returns
    -------
    Evidence : without a p-value where the path has fewer than `COUNT` separated maxima.
    """
    del plan, sample, prices  # all that is needed is in the bootstrap
    extra = PeaksInside()
    attach(main, (extra,), seed, n_jobs=n_jobs, progress=progress, label="peaks inside")
    found, maxima, days = (main.statistics[name] for name in extra.names)
    dummy = np.abs(main.pipeline.signed)
    valid = ~np.isnan(dummy)
    coverage = float(dummy[valid].mean())
    nobs = len(main.index)
    if found < extra.count:
        return not_testable(
            "H2p",
            f"the path has {found:.0f} maxima separated by {extra.reach} sessions, and {extra.count} are needed: with "
            "fewer, a hit is worth little more than the episodes' share of the sample.",
            nobs,
        )
    null = {name: main.draws[name] for name in ("peaks.maxima", "peaks.days")}
    still = int(np.sum(~np.isfinite(null["peaks.maxima"])))
    if 2 * still > len(main.draws):
        return not_testable(
            "H2p",
            f"in {still} of {len(main.draws)} worlds like this one the fitted path has no maximum or no episode: it "
            "hardly moves, and there is little to peak.",
            nobs,
        )
    pieces = {name: main.pvalue(name) for name in null}
    least = (1.0 + float(np.sum(null["peaks.maxima"] >= 1.0))) / (
        1.0 + float(np.sum(np.isfinite(null["peaks.maxima"])))
    )
    tops = extra.summits(main.main.path, valid)
    finite = null["peaks.days"][np.isfinite(null["peaks.days"])]
    low, high = (float(value) for value in np.quantile(finite, [0.025, 0.975])) if finite.size else (math.nan,) * 2
    detail: dict[str, Any] = {
        "maxima": int(found),
        "maxima inside": round(maxima * found),
        "dates of the maxima": [str(main.index[row].date()) for row in tops],
        "share of the highest days inside": days,
        "share of all days inside": coverage,
        "null 95 % range of the highest days inside, lower": low,
        "null 95 % range of the highest days inside, upper": high,
        "maxima pvalue": pieces["peaks.maxima"],
        "highest days pvalue": pieces["peaks.days"],
        "pvalue were all maxima inside": least,
        "draws without a maximum": still,
    }
    if main.pipeline.redating is None and valid.all():
        by_shift = shifted_peaks(main.main.path, dummy, extra)
        detail["circular shift, maxima pvalue"], detail["circular shift, highest days pvalue"] = by_shift
        test = correlation_peaks_test(pd.Series(main.main.path, main.index), pd.Series(dummy, main.index))
        for name, row in test.parts.iterrows():
            detail[f"circular shift, {name} pvalue"] = float(row["pvalue"])
    p = pieces["peaks.days"]
    dated = "episodes re-dated" if main.pipeline.redating is not None else "episodes fixed"
    nan = math.nan
    return Evidence(
        "H2p",
        days - coverage,
        nan,
        nan,
        p,
        nan,
        nobs,
        f"share of the highest {extra.highest:.0%} of days inside, {extra.count} highest maxima beside it; "
        f"full-pipeline bootstrap, {len(main.draws)} draws, {dated}",
        main.coverage.share,
        main.coverage.spells,
        detail=detail,
        reason="the share is not defined on this sample." if math.isnan(p) else "",
    )


def judge_peaks_inside(one: Evidence, adjusted: float, *, alpha: float) -> tuple[str, str]:
    """Verdict on H2p and its reason.

    *supported*: the highest days lie inside more often than in worlds without an effect, and the share of the
    maxima inside is larger than that of all days. *inconclusive*: anything else that was computed; where even all
    maxima inside would not have rejected, the sentence says that their count is a description. *not testable*: too few
    separated maxima. Never *contradicted*: maxima elsewhere do not show that there is no rise.
    """
    if math.isnan(one.pvalue):
        return "not testable", one.reason or "the statistic cannot be computed on this sample."
    d = one.detail
    text = (
        f"{d['share of the highest days inside']:.0%} of the highest days inside against "
        f"{d['share of all days inside']:.0%} of all days (p = {adjusted:.3f}); {d['maxima inside']} of the "
        f"{d['maxima']} highest maxima inside (p = {d['maxima pvalue']:.3f})"
    )
    least = d["pvalue were all maxima inside"]
    if least > alpha:
        text += f", a description: even {d['maxima']} of {d['maxima']} would have p = {least:.3f}"
    if adjusted > alpha:
        return "inconclusive", f"{text}: not more than worlds without any effect show."
    if d["maxima inside"] <= d["maxima"] * d["share of all days inside"]:
        return "inconclusive", f"{text}: the highest days are inside, the separate maxima are not."
    return "supported", f"{text}."
