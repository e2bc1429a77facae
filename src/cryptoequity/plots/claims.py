"""Evidence: null laws with their statistics, hypotheses with their intervals, the specification curve."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..claim import Verdict
from ..claim.specifications import SpecificationCurve, own_specification
from ..errors import SpecError
from ..estimation.params import Array
from ..estimation.results import TestResult
from .canvas import COLORS, heading, key, paper, span, styled
from .forest import forest

__all__ = ["hypotheses", "null_distribution", "null_panels", "specification_curve"]


@styled
def null_distribution(result: Verdict | TestResult, *, ax: Any = None) -> Any:
    """Law of a statistic when nothing happens, and the value the data gave.

    For a verdict also the critical value and where the statistic falls, on average, when the effect is the
    smallest one the design could see.

    Parameters
    ----------
    result : a verdict, or a test with the draws in ``detail["null"]``. ax : where to draw.

    Returns
    -------
    Axes
    """
    if isinstance(result, TestResult):
        return _null_of_test(result, ax)
    ax = paper(ax)
    plan = result.plan
    null = result.null[np.isfinite(result.null)]
    critical = float(np.quantile(null, 1.0 - plan.alpha))
    _histogram(ax, null, f"{null.size:,} draws of the null")
    ax.axvline(critical, color=COLORS["black"], ls="--", lw=0.9, label=f"{plan.alpha:.0%} critical value")
    expected = _expected_score(result)
    if not math.isnan(expected):
        ax.axvline(
            expected,
            color=COLORS["green"],
            ls=":",
            lw=1.6,
            label=f"mean at Δρ = {result.detectable.effect:.2f} ({result.detectable.power:.0%} power)",
        )
    ax.axvline(
        result.statistic, color=COLORS["vermillion"], lw=1.6, label=f"data, p = {_p(result.main.pvalue('score'))}"
    )
    ax.set_xlabel("score contrast, inside minus outside")
    ax.set_ylabel("density")
    heading(ax, f"H2, {plan.crypto} and {plan.equity}", span(result.main.index))
    key(ax, 2)
    return ax


def _expected_score(verdict: Verdict) -> float:
    """Mean of the statistic at the detectable effect, on the line through the simulated effects."""
    one = verdict.detectable
    if math.isnan(one.effect) or any(math.isnan(value) for value in one.means):
        return math.nan
    null = verdict.null[np.isfinite(verdict.null)]
    deltas, means = (0.0, *one.deltas), (float(null.mean()), *one.means)
    if one.effect <= deltas[-1]:
        return float(np.interp(one.effect, deltas, means))
    slope = (means[-1] - means[-2]) / (deltas[-1] - deltas[-2])
    return means[-1] + slope * (one.effect - deltas[-1])


def _null_of_test(result: TestResult, ax: Any) -> Any:
    if "null" not in result.detail:
        raise SpecError(f"{result.name!r} keeps no draws of its null, so there is no distribution to draw.")
    null = np.asarray(result.detail["null"], float)
    null = null[np.isfinite(null)]
    if null.size == 0 or math.isnan(result.statistic):
        raise SpecError(f"{result.name!r} has no distribution to draw: {result.reason or 'all draws are missing'}")
    ax = paper(ax)
    _histogram(ax, null, "null")
    ax.axvline(result.statistic, color=COLORS["vermillion"], lw=1.6, label=f"data, p = {_p(result.pvalue)}")
    ax.set_xlabel("statistic")
    ax.set_ylabel("density")
    heading(ax, result.name[:1].upper() + result.name[1:], result.reference)
    key(ax, 2)
    return ax


def _histogram(ax: Any, null: Array, label: str) -> None:
    bins = int(np.clip(np.sqrt(null.size), 8, 40))
    ax.hist(null, bins=bins, density=True, color=COLORS["gray"], alpha=0.45, lw=0.0, label=label)


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


# hypothesis -> statistics of the bootstrap whose law under the null its p-value is read from
_LAWS = {
    "H2p": (("peaks.days", "highest days inside"),),
    "H2x": (("dose.score", "dose"),),
    "H3": (("bound", "adjusted contrast"),),
    "H4": (("partial.score", "given the market"),),
    "H7": (("up.score", "up"), ("down.score", "down")),
    "H10": (("specific.score", "beyond placebos"),),
}


@styled
def null_panels(verdict: Verdict, hypotheses: Sequence[str] | None = None) -> Any:
    """Laws of the other statistics when nothing happens, and the values the data gave, one panel each.

    Parameters
    ----------
    verdict : of `test_claim`. hypotheses : rows to show; by default H2p, H2x, H3, H4, H7 and H10 where the verdict has
        them, and H11 where it was tested. One that was not tested says why.

    Returns
    -------
    Figure

    Raises
    ------
    SpecError : a row that no draws of the bootstrap belong to, or none at all.
    """
    from .drawing import Drawing

    if isinstance(hypotheses, str):
        raise SpecError(f"hypotheses={hypotheses!r} is one text; pass a tuple, ({hypotheses!r},).")
    rows = list(verdict.table.index)
    known = [name for name in rows if name in _LAWS or (name == "H11" and verdict.later is not None)]
    asked = known if hypotheses is None else list(hypotheses)
    unknown = [name for name in asked if name not in known]
    if unknown or not asked:
        what = repr(unknown[0]) if unknown else "nothing"
        raise SpecError(f"{what} has no law over draws to show; there are {', '.join(map(repr, known)) or 'none'}.")
    panels: list[tuple[str, str, str]] = []
    for name in asked:
        tested = verdict.verdict_of(name) != "not testable"
        laws = (("score", "inside − outside"),) if name == "H11" else _LAWS[name]
        panels += [(name, *law) for law in laws] if tested else [(name, "", "")]
    count = (len(panels) + 1) // 2
    figure = Drawing(figsize=(4.0, 1.62 * count + 0.45), layout="constrained")
    axes = figure.subplots(count, 2, squeeze=False).ravel()
    for ax, (name, statistic, words) in zip(axes, panels, strict=False):
        ax.set_yticks([])
        if not statistic:
            _untested(ax, name, str(verdict.table.at[name, "reason"]))
            continue
        main = verdict.later if name == "H11" else verdict.main
        assert main is not None  # H11 is shown only where it was tested
        null = main.draws[statistic]
        _histogram(ax, null[np.isfinite(null)], "draws of the null")
        ax.axvline(main.statistics[statistic], color=COLORS["vermillion"], lw=1.6, label="data")
        critical = float(np.quantile(null[np.isfinite(null)], 1.0 - verdict.plan.alpha))
        ax.axvline(critical, color=COLORS["black"], ls="--", lw=0.9, label=f"{verdict.plan.alpha:.0%} critical value")
        ax.locator_params(axis="x", nbins=4)
        heading(ax, f"{name}: {words}", f"p = {_p(main.pvalue(statistic))}")
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    legend = next((ax.get_legend_handles_labels() for ax in axes if ax.get_legend_handles_labels()[0]), None)
    if legend is not None:
        figure.legend(*legend, loc="outside lower center", ncols=3)
    return figure


def _untested(ax: Any, name: str, reason: str) -> None:
    ax.set_xticks([])
    lines = textwrap.wrap(reason, 30)
    lines = lines if len(lines) <= 6 else [*lines[:5], f"{lines[5][:29]}…"]
    ax.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", fontsize=7.5, transform=ax.transAxes)
    heading(ax, f"{name}: not testable")


@styled
def hypotheses(verdict: Verdict, *, ax: Any = None) -> Any:
    """Draw the `forest` of a verdict.

    Parameters
    ----------
    verdict : of `test_claim`. ax : where to draw.

    Returns
    -------
    Axes
    """
    return forest(verdict, ax=ax)


@styled
def specification_curve(result: Verdict | SpecificationCurve, *, ax: Any = None) -> Any:
    """In/out contrasts under every choice, sorted; marks below say which.

    Filled points have a circular-shift p-value of at most the level. These p-values are for orientation: they are too
    small for definitions dated from the tested sample, and none is picked out; the joint p-values of a
    `SpecificationCurve` stand in the title.

    Parameters
    ----------
    result : of `test_claim`, or of `SpecificationCurve.fit`. ax : where to draw; a given panel shows the marks of
        definition, edges and equity only, paper of its own also coin, sample and model.

    Returns
    -------
    Axes
    """
    source = result.frame if isinstance(result, SpecificationCurve) else result.specifications
    if source.empty:
        raise SpecError("the specification curve is empty: no definition leaves 30 sessions on either side.")
    alpha = result.alpha if isinstance(result, SpecificationCurve) else result.plan.alpha
    index = result.index if isinstance(result, SpecificationCurve) else result.main.index
    own = result.own if isinstance(result, SpecificationCurve) else own_specification(source, result.plan)
    names = ["definition", "edges", "equity"]
    if ax is None:
        # a choice that was made once needs no row
        names += [name for name in ("coin", "sample", "model") if len(set(source[name])) > 1]
    groups = [(name, list(dict.fromkeys(source[name]))) for name in names]
    rows = sum(len(values) for _, values in groups)
    ax = paper(ax, 4.0, 2.6 + 0.135 * (rows + 0.5 * len(groups)))
    order = np.argsort(source["estimate"].to_numpy(), kind="stable")
    frame = source.iloc[order].reset_index(drop=True)
    place = None if own is None else int(np.flatnonzero(order == own)[0])
    x = np.arange(len(frame))
    small = frame["pvalue"].to_numpy() <= alpha
    top = frame["estimate"].to_numpy()
    low, high = min(0.0, float(top.min())), max(0.0, float(top.max()))
    room = max(high - low, 0.1)
    low, high = low - 0.06 * room, high + 0.06 * room
    # rows of marks share the axis with the curve, below it, so that every label is an ordinary tick label
    step = 0.09 * (high - low)
    y, ticks, labels = low - 0.8 * step, [], []
    many = len(frame) > 150
    for column, values in groups:
        for value in values:
            y -= step
            here = (frame[column] == value).to_numpy()
            ax.plot(x[here], np.full(int(here.sum()), y), "|", color=COLORS["blue"], ms=4.0, mew=0.3 if many else 0.9)
            if place is not None and here[place]:
                ax.plot(x[place], y, "|", color=COLORS["vermillion"], ms=6.0, mew=1.8)
            ticks.append(y)
            labels.append(_edges(int(value)) if column == "edges" else str(value))
        y -= 0.5 * step
    ax.axhline(low - 0.6 * step, color=COLORS["black"], lw=0.5)
    ax.hlines(0.0, -0.5, len(frame) - 0.5, color=COLORS["black"], lw=0.5)
    for flag, face, label in ((True, COLORS["blue"], f"shift p ≤ {alpha:.2f}"), (False, "white", "larger p")):
        ax.plot(
            x[small == flag],
            top[small == flag],
            "o",
            ms=2.2 if many else 3.2,
            mfc=face,
            mec=COLORS["blue"],
            mew=0.4 if many else 0.7,
            label=label if (small == flag).any() else None,
        )
    if place is not None:
        ax.plot(x[place], top[place], "D", ms=5.0, color=COLORS["vermillion"], label="the plan's own")
    marks = _round_ticks(low, high)
    ax.set_yticks([*marks, *ticks], [*(f"{mark:+.2f}".replace("-", "−") if mark else "0" for mark in marks), *labels])
    ax.set_ylim(y, high)
    margin = max(1.0, 0.012 * len(frame))
    ax.set_xlim(-margin, len(frame) - 1 + margin)
    ax.set_xticks([])
    ax.set_xlabel(f"{len(frame):,} specifications; edges in sessions")
    coins = ", ".join(dict.fromkeys(map(str, source["coin"])))
    heading(ax, "Correlation inside minus outside", f"{coins}, {span(index)}", *_joint(result))
    key(ax)
    return ax


def _joint(result: Verdict | SpecificationCurve) -> tuple[str, ...]:
    """The joint p-values of the definitions with fixed dates, in a line of the title."""
    if not isinstance(result, SpecificationCurve) or "fixed" not in result.joint.index.get_level_values(0):
        return ()
    column = result.joint.loc["fixed"]["pvalue"]
    each = ", ".join(f"{name} {_p(float(value))}" for name, value in column.items())
    return "joint p under fixed dates:", each


def _edges(moved: int) -> str:
    return f"edges {moved:+d}".replace("-", "−") if moved else "edges as dated"


def _round_ticks(low: float, high: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    values = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(round(value, 10)) + 0.0 for value in values if low <= value <= high]
