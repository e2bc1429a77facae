"""The methods paragraph of a paper: what the plan chose and what was run, with citations."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ..claim import Verdict
from ..claim.hypotheses import FAMILY
from ..estimation.bibliography import citation
from ..regimes import RSDCFit
from ..volatility import EGARCH, GARCH
from .references import cited
from .timeline import Timeline

__all__ = ["methods", "references"]


def methods(verdict: Verdict, timeline: Timeline) -> tuple[str, ...]:
    """Paragraphs with marks [@key]: data, models, inference on the peak, the other hypotheses, description, record.

    Nothing is said of what was not run: a hypothesis that was not tested is named as such with its reason.

    Parameters
    ----------
    verdict : of `test_claim`. timeline : fits for the picture.
    """
    return (_data(verdict), _models(verdict), _peak(verdict), _others(verdict), _described(timeline), _record(verdict))


def references(verdict: Verdict, paragraphs: Sequence[str], *fits: str) -> str:
    """BibTeX of what the paragraphs cite and of what the verdict and further ``fits`` (BibTeX) rest on, once each."""
    keys = cited(" ".join(paragraphs))
    for text in (verdict.cite(), *fits):
        keys += re.findall(r"^@\w+\{([^,\s]+),", text, flags=re.MULTILINE)
    return citation(*keys)


def _data(verdict: Verdict) -> str:
    plan, sample = verdict.plan, verdict.sample
    window = verdict.main.index
    out = [
        f"We use daily closes of {_list(plan.columns)}. They become percent log returns on the sessions of the "
        f"equities; moves of {plan.crypto} on days without a session are "
        f"{'compounded into the next return' if plan.weekend == 'compound' else 'dropped'}.",
        f"The sample runs from {sample.full.index[0].date()} to {sample.full.index[-1].date()} "
        f"({len(sample.full):,} sessions).",
    ]
    if sample.break_test is not None:
        found = "is not significant, and the whole sample is tested" if sample.break_date is None else "cuts the sample"
        out.append(
            f"A break in the level of correlation is looked for at an unknown date [@andrews1993]; it has "
            f"p = {sample.break_test.pvalue:.3f} by simulation and {found}."
        )
    elif sample.break_date is not None:
        out.append(f"A break in the level of correlation is placed at {sample.break_date.date()} by the plan.")
    out.append(f"Tests use the {len(window):,} sessions from {window[0].date()} to {window[-1].date()}.")
    episodes, cover = plan.episodes, verdict.main.coverage
    how = "dated by a rule from prices and dated again in every draw" if episodes.by_data else "a fixed list"
    out.append(
        f"Episodes are '{episodes.name}' ({episodes.definition}; {how}): {cover.spells:.0f} spells that cover "
        f"{cover.share:.0%} of these sessions."
    )
    return " ".join(out)


def _margin(spec: GARCH | EGARCH) -> str:
    if isinstance(spec, EGARCH):
        name, keys = f"EGARCH({spec.p},{spec.q})", ["nelson1991"]
    elif spec.asymmetric:
        name, keys = f"GJR-GARCH({spec.p},{spec.q})", ["glosten1993"]
    else:
        name, keys = f"GARCH({spec.p},{spec.q})", ["bollerslev1986"]
    errors = {"t": "Student t", "normal": "normal", "skewt": "skewed t"}.get(spec.dist, spec.dist)
    keys += {"t": ["bollerslev1987"], "skewt": ["hansen1994"]}.get(spec.dist, [])
    return f"{name} with {errors} errors {_mark(*keys)}"


def _models(verdict: Verdict) -> str:
    plan = verdict.plan
    errors = {"t": "Student t", "normal": "normal"}[plan.dist]
    return (
        f"Volatilities follow {_margin(plan.crypto_margin)} for crypto assets and {_margin(plan.equity_margin)} for "
        f"equities. Correlation of the standardized residuals follows a DCC(1,1) with {errors} errors, estimated in "
        "two steps [@engle2002; @englesheppard2001]."
    )


def _peak(verdict: Verdict) -> str:
    plan, main = verdict.plan, verdict.main
    redated = "with episodes dated again" if main.pipeline.redating is not None else "with the episodes where they are"
    out = [
        "The statistic of H2 is the contrast of the score of the DCC likelihood in each day's correlation between "
        f"sessions inside and outside the episodes. Its law without episode effects comes from {plan.draws:,} samples "
        "of a fitted world, the margins and a DCC with resampled residuals, in each of which all parameters are "
        f"estimated again, {redated}; p-values are (1 + k)/(1 + B), k being the number of draws at least as large, and "
        "intervals invert this law."
    ]
    if main.undated:
        out.append(f"In {main.undated} draws the rule found no episodes; they have no contrast.")
    beside = []
    if any("shift" in name for name in verdict.placement):
        beside.append("tests that move the episodes and leave the data where they are [@harris2020]")
    if any("cosine" in name for name in verdict.placement):
        beside.append("a t-test with equal-weighted cosines [@lazarus2018]")
    if beside:
        out.append(f"Beside it stand {' and '.join(beside)}.")
    one = verdict.detectable
    if math.isnan(one.effect):
        out.append(f"No effect that keeps the path a correlation is found with {one.power:.0%} power.")
    else:
        out.append(
            f"In simulated samples an effect of {one.effect:.2f} is found with {one.power:.0%} power at the "
            f"{plan.alpha:.0%} level; the smallest effect of interest was set at {plan.sesoi:.2f}."
        )
    return " ".join(out)


# papers behind the test of a hypothesis, where they are not those of the peak
_KEYS = {"H0m": ("wied2012",), "H3": ("forbesrigobon2002",)}
# and behind numbers that stand in the detail when they were computed
_DETAILS = {"stcc": "silvennoinenterasvirta2015", "rsdc": "pelletier2006"}


def _others(verdict: Verdict) -> str:
    out, untold = [], []
    for key, row in verdict.table.iterrows():
        name = str(key)
        if row["verdict"] == "not testable":
            untold.append(f"{name} ({_bare(str(row['reason']))})")
            continue
        if name == "H2":
            continue
        one = verdict.evidence[name]
        keys = [*_KEYS.get(name, ())]
        keys += [paper for what, paper in _DETAILS.items() if what in one.detail]
        out.append(f"{name}, {row['statement']}: {one.method}{f' {_mark(*keys)}' if keys else ''}.")
    family = [name for name in FAMILY if name in verdict.evidence and not math.isnan(verdict.evidence[name].pvalue)]
    if family:
        out.append(f"P-values of {_list(family)} are adjusted for each other [@holm1979]; the others are not.")
    if untold:
        out.append(f"Not testable: {'; '.join(untold)}.")
    curve = verdict.specifications
    if not curve.empty:
        out.append(
            f"A specification curve shows {len(curve):,} choices, tested together under common rotations of the "
            "episodes [@simonsohn2020; @romanowolf2005]."
        )
    return " ".join(out)


def _described(timeline: Timeline) -> str:
    parts = []
    if isinstance(timeline.regimes, RSDCFit):
        parts.append("two regimes of correlation [@pelletier2006; @hamilton1989]")
    if not isinstance(timeline.breaks, str):
        parts.append(
            "breaks in the mean product of residuals, with heteroskedasticity- and autocorrelation-consistent errors "
            "and intervals for the dates [@baiperron1998; @baiperron2003; @andrews1991; @bai1997]"
        )
    if not parts:
        return "Regimes and breaks could not be fitted."
    return f"For description, not as a test, we fit {' and '.join(parts)} to the whole sample."


def _record(verdict: Verdict) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in verdict.versions.items())
    out = [
        f"The seed is {verdict.plan.rng}; the plan has SHA-256 {verdict.plan.sha256} and the returns "
        f"{verdict.data_sha256}. Versions: {versions}."
    ]
    registration = getattr(verdict, "registration", None)
    out.append("The plan was not registered." if registration is None else str(registration.sentence))
    failures = getattr(verdict, "failures", None)
    if failures is not None and len(failures):
        lost, made = int(failures["failed"].sum()), int(failures["draws"].sum())
        out.append(f"Of {made:,} draws in all loops {lost:,} failed.")
    return " ".join(out)


def _mark(*keys: str) -> str:
    return f"[{'; '.join(f'@{key}' for key in dict.fromkeys(keys))}]" if keys else ""


def _list(names: Sequence[str]) -> str:
    names = list(names)
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)


def _bare(reason: str) -> str:
    return reason.strip().removeprefix("not testable here:").strip().rstrip(".")
