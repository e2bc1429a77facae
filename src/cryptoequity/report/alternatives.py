"""What each figure shows, in words and numbers, for readers who do not see it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ..breaks.results import label
from ..claim import Verdict
from ..claim.specifications import SpecificationCurve
from ..correlation import CorrelationFit
from ..plots.forest import what_is_estimated
from ..plots.placebos import placebo_contrasts
from ..regimes import RSDCFit
from .timeline import Timeline

__all__ = [
    "curve_words",
    "forest_words",
    "null_words",
    "panel_words",
    "path_words",
    "placebo_words",
    "price_words",
    "timeline_words",
]  # fmt: skip


def forest_words(verdict: Verdict) -> str:
    """Estimate, interval, detectable effect and verdict of every hypothesis."""
    parts = []
    for name, row in verdict.table.iterrows():
        what = f"{name}, {what_is_estimated(str(name), str(row['statement']))}"
        if row["verdict"] == "not testable" or math.isnan(row["estimate"]):
            parts.append(f"{what}: {row['verdict']}, no estimate")
            continue
        between = "" if math.isnan(row["lower"]) else f" ({row['lower']:+.2f} to {row['upper']:+.2f})"
        seen = "" if math.isnan(row["mde"]) else f", detectable from {row['mde']:.2f}"
        parts.append(f"{what}: {row['estimate']:+.2f}{between}{seen}, {row['verdict']}")
    return (
        f"Forest plot of {len(verdict.table)} hypotheses with 95 % intervals; the smallest effect of interest is "
        f"{verdict.plan.sesoi:.2f}. {'; '.join(parts)}."
    )


def path_words(verdict: Verdict, fit: CorrelationFit) -> str:
    """Range of the path, its mean inside and outside."""
    plan = verdict.plan
    path = fit.correlation(plan.crypto, plan.equity)
    index = pd.DatetimeIndex(path.index)
    inside = plan.episodes.dummy(index).to_numpy() == 1.0
    values = path.to_numpy(float)
    means = [f"{values[side].mean():.2f} {word}" for side, word in ((inside, "inside"), (~inside, "outside"))
             if side.any()]  # fmt: skip
    return (
        f"Line of the conditional correlation of {plan.crypto} and {plan.equity}, {_span(index)}: between "
        f"{values.min():.2f} on {index[int(values.argmin())].date()} and {values.max():.2f} on "
        f"{index[int(values.argmax())].date()}, on average {' and '.join(means)} the "
        f"{plan.episodes.n_spells(index)} shaded episodes."
    )


def timeline_words(verdict: Verdict, timeline: Timeline) -> str:
    """The path, then the levels of the regimes and the dates of the breaks."""
    parts = [f"Three panels on one axis of time. {path_words(verdict, timeline.path)}"]
    if isinstance(timeline.regimes, RSDCFit):
        levels = timeline.regimes.regime_correlations()[:, 0, 1]
        high = timeline.regimes.probabilities("smoothed").iloc[:, -1]
        share = float((high > 0.5).mean())
        parts.append(
            f"Two regimes of correlation {levels[0]:.2f} and {levels[1]:.2f}; the high one is the likelier in "
            f"{share:.0%} of the sessions."
        )
    else:
        parts.append(f"{timeline.regimes[:1].upper()}{timeline.regimes[1:].rstrip('.')}.")
    if isinstance(timeline.breaks, str):
        parts.append(f"{timeline.breaks[:1].upper()}{timeline.breaks[1:].rstrip('.')}.")
    else:
        dates = ", ".join(label(when) for when in timeline.breaks.break_dates)
        means = ", ".join(f"{mean:.2f}" for mean in timeline.breaks.params.iloc[:, 0])
        parts.append(f"Breaks in the mean product of residuals: {dates or 'none'}; means {means}.")
    return " ".join(parts)


def null_words(verdict: Verdict) -> str:
    """Critical value and value of the headline statistic."""
    null = verdict.null[np.isfinite(verdict.null)]
    critical = float(np.quantile(null, 1.0 - verdict.plan.alpha))
    return (
        f"Histogram of the headline statistic in {null.size:,} samples without episode effects, from {null.min():.3f} "
        f"to {null.max():.3f}, with its {verdict.plan.alpha:.0%} critical value {critical:.3f}; the data give "
        f"{verdict.statistic:.3f}, p = {verdict.main.pvalue('score'):.3f}."
    )


def panel_words(verdict: Verdict) -> str:
    """P-values of the hypotheses whose laws are shown."""
    parts = []
    for name in ("H2p", "H2x", "H3", "H4", "H7", "H10", "H11"):
        one = verdict.evidence.get(name)
        if one is not None:
            parts.append(f"{name} not testable" if math.isnan(one.pvalue) else f"{name} p = {one.pvalue:.3f}")
    return f"Histograms of further statistics in samples without episode effects, the data marked: {'; '.join(parts)}."


def placebo_words(verdict: Verdict) -> str:
    """Contrast of every asset."""
    parts = []
    for asset, row in placebo_contrasts(verdict).iterrows():
        between = "" if math.isnan(row["lower"]) else f" ({row['lower']:+.2f} to {row['upper']:+.2f})"
        p = "not defined" if math.isnan(row["pvalue"]) else f"{row['pvalue']:.3f}"
        estimate = "no contrast" if math.isnan(row["estimate"]) else f"{row['estimate']:+.2f}"
        parts.append(f"{asset!s} {estimate}{between}, p = {p}")
    return (
        f"Contrasts of the correlation with {verdict.plan.crypto}, inside minus outside, with 95 % intervals; the "
        f"tested equity first: {'; '.join(parts)}."
    )


def price_words(verdict: Verdict) -> str:
    """Start and end of the levels."""
    plan, full = verdict.plan, verdict.sample.full
    ends = [f"{name} from 100 to {100.0 * math.exp(float(full[name].sum()) / 100.0):,.0f}"
            for name in (plan.crypto, plan.equity)]  # fmt: skip
    index = pd.DatetimeIndex(full.index)
    return f"Lines of the prices, {_span(index)}: {' and '.join(ends)}; episodes shaded."


def curve_words(curve: SpecificationCurve) -> str:
    """Range of the estimates, how many p-values are small, and the joint p-values of fixed definitions."""
    frame = curve.frame
    small = int((frame["pvalue"] <= curve.alpha).sum())
    own = "" if curve.own is None else f"; the plan's own has {frame['estimate'].iloc[curve.own]:+.2f}"
    joint = ""
    if "fixed" in curve.joint.index.get_level_values(0):
        column = curve.joint.loc["fixed"]["pvalue"]
        joint = f" Joint p-values: {', '.join(f'{name} {float(value):.3f}' for name, value in column.items())}."
    return (
        f"Sorted contrasts of {len(frame):,} specifications from {frame['estimate'].min():+.2f} to "
        f"{frame['estimate'].max():+.2f}, median {frame['estimate'].median():+.2f}; {small:,} have a shift p-value of "
        f"at most {curve.alpha:g}{own}.{joint}"
    )


def _span(index: pd.DatetimeIndex) -> str:
    return f"{index[0].date()} to {index[-1].date()}"
