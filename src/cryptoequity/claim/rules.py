"""From evidence to verdicts: one rule a hypothesis, and what hypotheses say of each other."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
from statsmodels.stats.multitest import multipletests

from .associations import judge_associations
from .dose import judge_dose
from .dynamics import judge_varies, nothing_to_peak
from .every import judge_every
from .hypotheses import FAMILY, STATEMENTS, Evidence, adjusted_away, judge
from .peaks_inside import judge_peaks_inside
from .plan import Plan

__all__ = ["COLUMNS", "holm_adjusted", "weigh"]

COLUMNS = (
    "statement",
    "estimate",
    "lower",
    "upper",
    "pvalue",
    "pvalue_adjusted",
    "mde",
    "nobs",
    "coverage",
    "spells",
    "verdict",
    "reason",
)


def holm_adjusted(evidence: Mapping[str, Evidence]) -> dict[str, float]:
    """P-value of each hypothesis: Holm's within the family, the plain one outside it."""
    adjusted = {key: one.pvalue for key, one in evidence.items()}
    family = [key for key in FAMILY if key in evidence and not math.isnan(evidence[key].pvalue)]
    if family:
        values = multipletests([evidence[key].pvalue for key in family], method="holm")[1]
        # six times 1/120 is .05: a last bit must not decide
        adjusted.update({key: round(float(value), 12) for key, value in zip(family, values, strict=True)})
    return adjusted


def _rule(key: str, evidence: Mapping[str, Evidence], adjusted: float, plan: Plan) -> tuple[str, str]:
    one, alpha, sesoi = evidence[key], plan.alpha, plan.sesoi
    if key == "H0m":
        return judge_varies(one, adjusted, alpha=alpha, sesoi=sesoi)
    if key == "H2p":
        return judge_peaks_inside(one, adjusted, alpha=alpha)
    if key == "H2x":
        return judge_dose(one, adjusted, alpha=alpha, sesoi=sesoi)
    if key == "H8":
        return judge_every(one, adjusted, alpha=alpha, sesoi=sesoi)
    if key == "H9":
        return judge_associations(one, adjusted, alpha=alpha)
    return judge(one, adjusted, evidence, alpha=alpha, sesoi=sesoi)


def _holdings(one: Evidence, verdict: str, reason: str, alpha: float) -> tuple[str, str]:
    """A supported H2 or H5 is mechanical where nothing significant is left once crypto-holding stocks are out."""
    net = one.detail.get("net of holders pvalue")
    if net is None:
        return verdict, reason
    if math.isnan(net):
        why = one.detail["net of holders, why not"]
        text = f"{reason.rstrip('.')}; index membership cannot be excluded: {why}"
        return ("inconclusive" if verdict == "supported" else verdict), text
    left = f"net of the stocks that hold crypto {one.detail['net of holders']:+.2f}, p = {net:.3f}"
    if verdict == "supported" and not net <= alpha:
        return "mechanical", f"index membership may be all there is: {reason.rstrip('.')}; {left}."
    return verdict, f"{reason.rstrip('.')}; {left}."


def _p_of(one: Evidence) -> str:
    return "p = n/a" if math.isnan(one.pvalue) else f"p = {one.pvalue:.3f}"


def _lean(
    key: str,
    verdict: str,
    reason: str,
    verdicts: Mapping[str, tuple[str, str]],
    evidence: Mapping[str, Evidence],
    plan: Plan,
) -> tuple[str, str]:
    """Take back what says nothing without something else.

    A link that rises (H3) where the contrast it qualifies does not reject is one of two tests of the same thing. A
    peak given the market (H4) that does not survive the variance adjustment is no better than H2 without it, and
    neither is one, nor a rise of the link (H3), that goes with the stocks that hold crypto. Peaks on both sides (H7),
    in every episode (H8), at the highest points (H2p), beyond placebos (H10) are features of a peak that H2 has to show
    first: volatility and market beta make them too.
    """
    if verdict != "supported":
        return verdict, reason
    text = reason.rstrip(".")
    net = evidence["H2"].detail.get("net of holders pvalue") if "H2" in evidence else None
    if key in ("H3", "H4") and net is not None and math.isnan(net):
        return "inconclusive", f"{text}; but index membership cannot be excluded, see H2."
    if key in ("H3", "H4") and net is not None and net > plan.alpha:
        return "mechanical", f"{text}; but net of the stocks that hold crypto no peak can be shown, see H2."
    if key == "H3" and not evidence["H2"].pvalue <= plan.alpha:
        return (
            "inconclusive",
            f"{text}; but the contrast of residuals does not reject, {_p_of(evidence['H2'])}, see H2.",
        )
    if key == "H4":
        link = evidence["H3"]
        if link.pvalue <= plan.alpha:
            return verdict, reason
        kind = "mechanical" if adjusted_away(link) else "inconclusive"
        return kind, f"{text}; but volatility is not excluded, see H3."
    peak = verdicts["H2"][0]
    if key in ("H2p", "H7", "H8", "H10") and peak != "supported":
        kind = "mechanical" if peak == "mechanical" else "inconclusive"
        return kind, f"{text}; but H2 is {peak}, and this is a property of a peak that it has to show first."
    return verdict, reason


def _again(one: Evidence, verdict: str, reason: str, alpha: float) -> tuple[str, str]:
    """H11 has the qualifications of H2, on the later sample."""
    if verdict != "supported":
        return verdict, reason
    for name, what in (("bound pvalue", "volatility"), ("partial pvalue", "market beta")):
        p = one.detail.get(name)
        if p is not None and not p <= alpha:
            return "inconclusive", f"{reason.rstrip('.')}; but {what} is not excluded there (p = {p:.3f})."
    return verdict, reason


def weigh(evidence: Mapping[str, Evidence], plan: Plan) -> pd.DataFrame:
    """One row a hypothesis, with its verdict and the reason."""
    adjusted = holm_adjusted(evidence)
    verdicts: dict[str, tuple[str, str]] = {}
    for key, one in evidence.items():
        verdict, reason = _rule(key, evidence, adjusted[key], plan)
        if key in ("H2", "H5") and not math.isnan(one.pvalue):
            verdict, reason = _holdings(one, verdict, reason, plan.alpha)
        if key == "H11":
            verdict, reason = _again(one, verdict, reason, plan.alpha)
        if key == "H2" and "H0m" in evidence:
            still = nothing_to_peak(evidence["H0m"], alpha=plan.alpha)
            reason = f"{reason} {still[:1].upper()}{still[1:]}" if still else reason
        verdicts[key] = verdict, reason
    rows = {}
    for key, one in evidence.items():
        verdict, reason = _lean(key, *verdicts[key], verdicts, evidence, plan)
        numbers = (one.estimate, one.lower, one.upper, one.pvalue, adjusted[key], one.mde)
        rows[key] = (STATEMENTS[key], *numbers, one.nobs, one.coverage, one.spells, verdict, reason)
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(COLUMNS)).rename_axis("hypothesis")
