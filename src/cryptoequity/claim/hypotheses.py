"""The hypotheses: what the press said, as estimands with a null, and the rule that turns numbers into a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import check_option

__all__ = ["FAMILY", "STATEMENTS", "VERDICTS", "Evidence", "adjusted_away", "judge", "not_testable"]

VERDICTS = ("supported", "contradicted", "mechanical", "inconclusive", "not testable")

STATEMENTS = {
    "H0m": "the correlation moves at all",
    "H1": "correlation is structurally positive since the pandemic",
    "H2": "correlation peaks when technology is re-rated",
    "H2p": "its highest points lie inside the re-ratings",
    "H2x": "the larger the re-rating, the higher the correlation",
    "H3": "the link rises, not only the volatility",
    "H4": "technology carries the peak, not market beta",
    "H5": "small-cap technology correlates more than large-cap",
    "H6": "altcoins correlate less than the main coin",
    "H7": "re-ratings up and down raise correlation alike",
    "H8": "every major fluctuation in technology resonates in crypto",
    "H9": "named drivers go with the correlation (associational)",
    "H10": "the peak is specific: placebo assets do not show it",
    "H11": "the peak appears again after publication",
}
# Holm's family; the others qualify its members and are reported at their own level
FAMILY = ("H1", "H2", "H4", "H5", "H6", "H7")


@dataclass(frozen=True)
class Evidence:
    """What the data say of one hypothesis.

    Attributes
    ----------
    key : "H2". estimate, lower, upper : in units of correlation, 95 % interval. low90, high90 : 90 % interval.
    pvalue : of the null; NaN when not testable. mde : smallest effect found with power .8.
    coverage, spells : share of sessions inside the episodes, number of spells; NaN where none are used.
    nobs : sessions. method : the test in words. detail : further numbers for the report. reason : why there is none.
    """

    key: str
    estimate: float
    lower: float
    upper: float
    pvalue: float
    mde: float
    nobs: int
    method: str
    coverage: float = math.nan
    spells: float = math.nan
    low90: float = math.nan
    high90: float = math.nan
    detail: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


def not_testable(key: str, reason: str, nobs: int = 0) -> Evidence:
    """Evidence that says why there is none."""
    nan = math.nan
    return Evidence(key, nan, nan, nan, nan, nan, nobs, "none", reason=reason)


def judge(
    one: Evidence, adjusted: float, others: Mapping[str, Evidence], *, alpha: float, sesoi: float
) -> tuple[str, str]:
    """Verdict and its reason in one sentence.

    *supported*: the adjusted p-value is at most ``alpha``; for H2 also H3 and H4 at ``alpha``. *mechanical*: H2
    rejects, and less than half of the raw contrast is left after the variance adjustment, not significantly.
    *contradicted*: the 90 % interval lies below the smallest effect of interest and holds zero or less, or the
    two sides of H7 differ.
    *inconclusive*: anything else, with the effect the design could have seen.
    """
    if math.isnan(one.pvalue):
        return "not testable", one.reason or "the statistic cannot be computed on this sample."
    rejects = adjusted <= alpha
    p = _p(one.pvalue) + (f", {_p(adjusted, '')} after Holm" if adjusted != one.pvalue else "")
    effect = f"{one.estimate:+.2f} " + _interval(one.lower, one.upper)
    if one.key == "H2" and rejects:
        return _judge_peak(effect, p, others, alpha)
    if one.key == "H7":
        return _judge_sides(one, effect, p, rejects, alpha)
    if one.key == "H3" and not rejects and others["H2"].pvalue <= alpha and adjusted_away(one):
        return "mechanical", (
            f"most of the rise of raw returns, {one.detail['raw contrast']:+.2f}, goes with the variance adjustment: "
            f"left {effect}, {p}."
        )
    if rejects:
        return "supported", f"{_positive(one)} {effect}, {p}."
    if one.high90 < sesoi and not one.low90 > 0:
        return "contradicted", (
            f"the 90 % interval {_interval(one.low90, one.high90)} lies below the smallest effect of interest "
            f"of {sesoi:.2f}; {p}."
        )
    seen = _number(one.mde, "unknown")
    return "inconclusive", f"estimate {effect}, {p}; the smallest effect this design could see (80 % power) is {seen}."


def adjusted_away(link: Evidence) -> bool:
    """Whether less than half of the raw contrast is left after the variance adjustment."""
    return link.estimate < 0.5 * float(link.detail.get("raw contrast", 0.0)) or link.estimate <= 0.0


def _judge_peak(effect: str, p: str, others: Mapping[str, Evidence], alpha: float) -> tuple[str, str]:
    link, partial = others["H3"], others["H4"]
    if math.isnan(link.pvalue) or math.isnan(link.estimate):
        return "inconclusive", (
            f"correlation is higher inside, {effect}, {p}, but whether volatility explains it cannot be told: "
            f"{link.reason or 'the adjusted contrast cannot be computed on this sample.'}"
        )
    if link.pvalue > alpha or link.estimate <= 0.0:
        left = f"variance-adjusted contrast of raw returns {link.estimate:+.2f}, {_p(link.pvalue)}"
        if adjusted_away(link):
            return "mechanical", f"correlation is higher inside, {effect}, {p}, but volatility may explain it: {left}."
        return "inconclusive", f"correlation is higher inside, {effect}, {p}, but volatility is not excluded: {left}."
    if math.isnan(partial.pvalue):
        return "supported", (
            f"higher inside by {effect}, {p}; survives the variance adjustment; market beta is not excluded, because "
            f"{partial.reason or 'the partial contrast cannot be computed on this sample.'}"
        )
    if partial.pvalue > alpha:
        return "inconclusive", (
            f"correlation is higher inside, {effect}, {p}, but it cannot be told from market beta: partial "
            f"contrast {partial.estimate:+.2f}, {_p(partial.pvalue)}."
        )
    return "supported", f"higher inside by {effect}, {p}; survives the variance adjustment and the market."


def _judge_sides(one: Evidence, effect: str, p: str, rejects: bool, alpha: float) -> tuple[str, str]:
    up, down = one.detail["up"], one.detail["down"]
    sides = f"up {up:+.2f} ({_p(one.detail['up.pvalue'])}), down {down:+.2f} ({_p(one.detail['down.pvalue'])})"
    if one.detail["difference.pvalue"] <= alpha:
        which = "up-" if up > down else "down-"
        return "contradicted", f"the two sides differ, {effect}: only {which}ratings stand out; {sides}."
    if rejects:
        return "supported", f"both sides rise: {sides}; joint {p}."
    return (
        "inconclusive",
        f"not both sides can be shown to rise: {sides}; the sides can be told apart from {_number(one.mde)}.",
    )


def _positive(one: Evidence) -> str:
    check_option("key", one.key, tuple(STATEMENTS))
    # a side of the episodes with few sessions is not tested, and not claimed
    sides = " and ".join(name for name in ("inside", "outside") if name in one.detail)
    return {
        "H1": f"positive after the break{f', {sides} the episodes' if sides else ''}:",
        "H3": "after the variance adjustment the contrast is",
        "H4": "given the market the contrast is",
        "H5": "small minus large",
        "H6": "main coin minus altcoins",
        "H10": "contrast beyond the placebos",
    }.get(one.key, "higher inside by")


def _p(value: float, name: str = "p ") -> str:
    """Return "p = .042", or "p < .001"; without a name ".042" and "< .001"."""
    equals = "= " if name else ""
    if math.isnan(value):
        return f"{name}{equals}n/a"
    return f"{name}< .001" if value < 0.001 else f"{name}{equals}{value:.3f}".replace("0.", ".", 1)


def _interval(lower: float, upper: float) -> str:
    return "[n/a]" if math.isnan(lower) or math.isnan(upper) else f"[{lower:+.2f}, {upper:+.2f}]"


def _number(value: float, missing: str = "n/a") -> str:
    return missing if math.isnan(value) else f"{value:.2f}"
