r"""The specification curve: the same contrast under other choices, and one placement test of all of them together.

Definitions, edges, coins, equities, samples and models multiply to hundreds of contrasts. Each is compared with the
same contrast at every rotation of the episodes, and the rotation is common to all: the curve is computed again
for each placement, so that its median, the share of it that looks significant and its maximum have a law of
their own (Simonsohn, Simmons & Nelson 2020). One Fourier transform a series gives every rotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import fft, stats

from ..errors import CryptoEquityError, SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import Drawn, TestResult, citation
from ..table import Table
from .headline import MIN_SESSIONS, Sample, sessions_of
from .multiplicity import step_down
from .pipeline import fit_pair
from .plan import Plan
from .rerating import ReRating
from .world import residuals

__all__ = [
    "SpecificationCurve",
    "own_specification",
    "rotated_contrasts",
    "specification_curve",
    "specification_test",
]

EDGES = (-21, -10, 0, 10, 21)
MODELS = ("correlation", "product", "score", "rank-normal")
SAMPLES = ("window", "ex-crash", "after publication", "from start")
STATISTICS = ("median", "share", "maximum")
MIN_SIDE = 30  # fewest sessions inside and outside
CRASH = 0.05  # share of the window's sessions, those of highest volatility, that "ex-crash" leaves out
COLUMNS = [
    "definition",
    "equity",
    "edges",
    "coin",
    "sample",
    "model",
    "estimate",
    "pvalue",
    "pvalue_adjusted",
    "coverage",
    "sessions",
    "defined",
    "circularity",
    "joint",
]
# rotations that repeat a placement give the same contrast up to the rounding of the transform
_SLACK = 1e-9

Flags = npt.NDArray[np.bool_]
Shifts = npt.NDArray[np.int64]


def rotated_contrasts(parts: Array, inside: Array, outside: Array, shifts: Shifts) -> Array:
    r"""Contrasts of P pairs under the four models at every shift of the episodes: (P, 4, S).

    With sums over the sessions inside and outside the shifted episodes: the difference of the correlations
    :math:`\sum xy/\sqrt{\sum x^2\sum y^2}` of residuals; that of the means of the products; the score contrast of
    `statistics.score_contrast`; and the first again on normal scores of the ranks. NaN where fewer than 30 sessions
    are left on either side.

    Parameters
    ----------
    parts : (P, 9, T): the sessions used (0 or 1) and, zero elsewhere, x², y², xy, the same three of the normal scores,
        score and information. inside, outside : (T,) 0 or 1; a session of a guard band is neither.
    shifts : (S,) sessions the episodes are moved later, past the end into the beginning.
    """
    nobs = inside.size
    spectrum = fft.rfft(parts, axis=-1)
    sums = [
        fft.irfft(spectrum * np.conj(fft.rfft(side)), nobs, axis=-1)[..., shifts % nobs] for side in (inside, outside)
    ]
    count_in, count_out = np.rint(sums[0][:, 0]), np.rint(sums[1][:, 0])
    out = np.empty((parts.shape[0], len(MODELS), len(shifts)))
    with np.errstate(divide="ignore", invalid="ignore"):
        for model, first in ((0, 1), (3, 4)):
            ends = [s[:, first + 2] / np.sqrt(s[:, first] * s[:, first + 1]) for s in sums]
            out[:, model] = ends[0] - ends[1]
        out[:, 1] = sums[0][:, 3] / count_in - sums[1][:, 3] / count_out
        share = count_in / (count_in + count_out)
        slope = (1.0 - share) * sums[0][:, 7] - share * sums[1][:, 7]
        out[:, 2] = slope / ((1.0 - share) ** 2 * sums[0][:, 8] + share**2 * sums[1][:, 8])
    out[np.broadcast_to(((count_in < MIN_SIDE) | (count_out < MIN_SIDE))[:, None], out.shape)] = np.nan
    return out


@dataclass(frozen=True, eq=False)
class SpecificationCurve(Drawn):
    """Contrasts under every choice, with the law of the whole curve under rotations of the episodes.

    Attributes
    ----------
    frame : one row a specification: definition, equity, edges (sessions the episodes are moved), coin, sample, model,
        estimate, pvalue (rotations, one-sided), pvalue_adjusted (Romano–Wolf over all joint rows), coverage, sessions,
        defined (share of the rotations with a contrast), circularity of the definition, joint (whether the row is
        in the joint family). The plan's own comes first.
    joint : by family and statistic: observed, pvalue, specifications. The family "fixed" leaves out definitions dated
        from prices, "all" does not.
    rotations : (R, family and statistic) the joint statistics at every rotation, the observed placement first.
    alpha : level of "significant". index : sessions of the tested window. own : row of the plan's own specification;
        None where it leaves too few sessions on a side. failures : pairs without a score, and why. unconverged :
        margins and pair models whose climb stopped short.
    """

    frame: pd.DataFrame = field(repr=False)
    joint: pd.DataFrame
    rotations: pd.DataFrame = field(repr=False)
    alpha: float
    index: pd.DatetimeIndex = field(repr=False)
    own: int | None = None
    failures: tuple[str, ...] = ()
    unconverged: int = 0

    @classmethod
    def fit(cls, plan: Plan, sample: Sample, *, edges: Sequence[int] = EDGES) -> SpecificationCurve:
        """Compute the curve of a plan on its sample.

        Samples: the tested window; "ex-crash", without the 5 % of its sessions on which the volatility of the market
        (of the equity, where the plan names none) was expected to be highest; "after publication"; and "from start",
        with the years before the break, which is shown and never enters the joint test, because there the step
        passes for an effect. Altcoins join where they have 250 sessions of the window.

        Parameters
        ----------
        plan : its definitions, columns, margins, level and seed. sample : of `headline.prepare`.
        edges : sessions by which all episodes are moved.
        """
        moves = tuple(int(one) for one in edges)
        if not moves or len(set(moves)) != len(moves):
            raise SpecError(f"edges={tuple(edges)!r}: give one or more different numbers of sessions.")
        notes = _Notes()
        segments = _segments(plan, sample, notes)
        rows: list[dict[str, Any]] = []
        values: list[Array] = []
        calendar = pd.DatetimeIndex([*sample.full.index, *sample.after.index])
        for number, segment in enumerate(segments):
            shifts = _shifts(number, segments, plan.rng)
            for episodes in (plan.episodes, *plan.alternatives):
                guard = "0D" if episodes.by_data else plan.guard
                whole = episodes.dummy(calendar, guard=guard).to_numpy(float)
                for moved in moves:
                    dummy = _moved(whole, moved)[calendar.get_indexer(segment.index)]
                    found = rotated_contrasts(
                        segment.parts, (dummy == 1.0).astype(float), (dummy == 0.0).astype(float), shifts
                    )
                    _collect(rows, values, segment, episodes, moved, dummy, found)
        return _judged(plan, segments[0].index, rows, values, notes)

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the rows."""
        return self.frame.copy()

    def summary(self) -> Table:
        """Return the joint tests as a table."""
        rotations = len(self.rotations)
        out = int((~self.frame["joint"]).sum())
        notes = [
            f"{len(self.frame)} specifications; the whole curve at each of {rotations} rotations of the episodes, the "
            "same rotation for all. Median: of the estimates. Share: positive with a rotation p-value of at most "
            f"{self.alpha:g}. Maximum: of the studentized estimates.",
        ]
        if out:
            notes.append(f"{out} specifications contain the break in the level and stay outside the joint tests.")
        if len(self.frame) and (self.frame["circularity"] == "high").any():
            notes.append(
                "The family 'all' holds definitions dated from prices, which rotations cannot judge: its p-values are "
                "too small."
            )
        notes += [f"no score for {one}" for one in self.failures]
        if self.unconverged:
            notes.append(f"{self.unconverged} margins and pair models stopped short of their optimum.")
        rows = self.joint.set_axis([f"{family}: {name}" for family, name in self.joint.index])
        return Table.of("Specification curve, tested jointly", rows, digits=3, notes=notes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; missing numbers are None."""

        def clean(frame: pd.DataFrame) -> list[dict[str, Any]]:
            records = frame.to_dict(orient="records")
            return [{str(k): None if v != v else v for k, v in record.items()} for record in records]

        return {
            "specifications": clean(self.frame),
            "joint": clean(self.joint.reset_index()),
            "rotations": len(self.rotations),
            "alpha": self.alpha,
            "failures": list(self.failures),
            "unconverged": self.unconverged,
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation("simonsohn2020", "romanowolf2005", "hemerikgoeman2018")


def specification_curve(plan: Plan, sample: Sample) -> pd.DataFrame:
    """Rows of `SpecificationCurve.fit`: contrasts under other definitions, edges, pairs, samples and models."""
    return SpecificationCurve.fit(plan, sample).frame


def specification_test(curve: SpecificationCurve, statistic: str = "median") -> TestResult:
    r"""Test that none of the specifications has an effect, by the curve as a whole (Simonsohn et al. 2020).

    The statistic of the observed curve is compared with that of the curve at every common rotation of the
    episodes: :math:`p=\#\{k:S_k\ge S_0\}/R`, the observed placement among them, hence never 0 (Hemerik & Goeman 2018).

    Parameters
    ----------
    curve : of `SpecificationCurve.fit`.
    statistic : "median" of the estimates, "share" of them that is positive and significant, or "maximum" of the
        studentized ones.

    Returns
    -------
    TestResult, one-sided, over the definitions with fixed dates; ``detail`` has the statistic at every rotation
    ("null"), the number of specifications, and p-values of the other statistics.

    Notes
    -----
    Exact when the residuals are exchangeable under rotation whatever their dependence across columns; close under
    GARCH, fat tails and a stationary persistent correlation. Not valid for a correlation that drifts or steps inside
    the window, which any rotation test takes for an effect, nor for definitions dated from the tested prices: these
    are left out, and where no other is left there is no p-value. It says that *some* specification has an effect.

    Raises
    ------
    SpecError : an unknown statistic.
    """
    check_option("statistic", statistic, STATISTICS)
    name = f"specification curve, {statistic}"
    null = "the placement of the episodes has nothing to do with the correlation, under any specification"
    if ("fixed", statistic) not in curve.joint.index:
        reason = (
            "every definition is dated from prices: rotations do not judge those"
            if ("all", statistic) in curve.joint.index
            else f"no specification leaves {MIN_SIDE} sessions on either side"
        )
        return TestResult(name, null, float("nan"), float("nan"), "", reason=reason)
    rows = curve.joint.loc["fixed"]
    detail: dict[str, Any] = {"specifications": int(rows["specifications"].iloc[0])}
    detail |= {f"{one} pvalue": float(rows["pvalue"].loc[one]) for one in STATISTICS}
    draws = curve.rotations["fixed", statistic].to_numpy(float)
    detail["null"] = draws
    reference = f"{len(draws)} common rotations of the episodes"
    found = rows["observed"].loc[statistic], rows["pvalue"].loc[statistic]
    return TestResult(name, null, float(found[0]), float(found[1]), reference, detail)


# --- what the contrasts are taken of


@dataclass(eq=False)
class _Notes:
    failures: list[str] = field(default_factory=list)
    unconverged: int = 0


@dataclass(frozen=True, eq=False)
class _Segment:
    """One calendar on which episodes rotate, with its pairs: (sample, coin, equity) for each block of ``parts``."""

    name: str
    index: pd.DatetimeIndex
    keys: list[tuple[str, str, str]]
    parts: Array = field(repr=False)


def _segments(plan: Plan, sample: Sample, notes: _Notes) -> list[_Segment]:
    equities = [plan.equity, *[name for name in (plan.tech, plan.large, plan.market) if name is not None]]
    equities = list(dict.fromkeys(equities))
    frames = [("window", sample.window)]
    if len(sample.after) >= MIN_SESSIONS:
        frames.append(("after publication", sample.after))
    if len(sample.full) > len(sample.window):
        frames.append(("from start", sample.full))
    out = []
    for name, returns in frames:
        z, volatility = {}, {}
        for column in [plan.crypto, *equities]:
            z[column], volatility[column], optimum = residuals(plan.margin(column), returns[column].to_numpy(float))
            notes.unconverged += not optimum.converged
        every = np.ones(len(returns), bool)
        masks = {name: every}
        coins: dict[str, Flags] = {plan.crypto: every}
        if name == "window":
            sigma = volatility[plan.market if plan.market is not None else plan.equity]
            masks["ex-crash"] = sigma <= np.quantile(sigma, 1.0 - CRASH)
            coins |= _altcoins(plan, sample, returns, z, notes)
        keys, blocks = [], []
        for coin, known in coins.items():
            for equity in equities:
                where = f"{coin} and {equity}, {name}"
                block = _parts(z[coin], z[equity], known, plan.dist, where, notes)
                for label, mask in masks.items():
                    keys.append((label, coin, equity))
                    blocks.append(block * mask)
        out.append(_Segment(name, sessions_of(returns), keys, np.stack(blocks)))
    return out


def _altcoins(
    plan: Plan, sample: Sample, returns: pd.DataFrame, z: dict[str, Array], notes: _Notes
) -> dict[str, Flags]:
    """Put the altcoins' residuals on the calendar of the window; return the sessions each is known on."""
    coins = sample.coins
    if coins is None:
        return {}
    at = sessions_of(returns).get_indexer(sessions_of(coins))
    if (at >= 0).sum() < MIN_SESSIONS:
        return {}
    out = {}
    for name in plan.altcoins:
        found, _, optimum = residuals(plan.margin(name), coins[name].to_numpy(float))
        notes.unconverged += not optimum.converged
        z[name], known = np.zeros(len(returns)), np.zeros(len(returns), bool)
        z[name][at[at >= 0]] = found[at >= 0]
        known[at[at >= 0]] = True
        out[name] = known
    return out


def _parts(x: Array, y: Array, known: Flags, dist: str, where: str, notes: _Notes) -> Array:
    """Columns (9, T) of which `rotated_contrasts` takes sums; zero on sessions without both residuals."""
    pair = np.ascontiguousarray(np.stack([x[known], y[known]], axis=1))
    ranks = stats.norm.ppf(stats.rankdata(pair, axis=0) / (len(pair) + 1.0))
    try:
        fitted = fit_pair(pair, dist)
        score, information = fitted.score, fitted.information
        notes.unconverged += not fitted.optimum.converged
    except (CryptoEquityError, np.linalg.LinAlgError) as error:
        notes.failures.append(f"{where}: {error}")
        score = information = np.full(len(pair), np.nan)
    out = np.zeros((9, x.size))
    columns = [np.ones(len(pair))]
    columns += [one for a in (pair, ranks) for one in (a[:, 0] ** 2, a[:, 1] ** 2, a[:, 0] * a[:, 1])]
    out[:, known] = np.stack([*columns, score, information])
    return out


# --- placements


def _shifts(number: int, segments: list[_Segment], seed: int) -> Shifts:
    """Rotations of one calendar, the observed placement first.

    All of the window's; with data after publication each of these comes with a rotation of that calendar drawn
    for it, which keeps the test exact: the pairs are closed under any rotation but for a relabelling of draws.
    """
    nobs = len(segments[number].index)
    if segments[number].name != "after publication":
        return np.arange(nobs)
    # the stream of these draws is its own: the key is ASCII for "spec"
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0x73706563]))
    drawn: Shifts = rng.integers(0, nobs, len(segments[0].index))
    drawn[0] = 0
    return drawn


def _moved(dummy: Array, sessions: int) -> Array:
    """Episodes ``sessions`` later; what enters at an end is outside."""
    out = np.zeros_like(dummy)
    if sessions >= 0:
        out[sessions:] = dummy[: dummy.size - sessions]
    else:
        out[:sessions] = dummy[-sessions:]
    return out


def _collect(
    rows: list[dict[str, Any]],
    values: list[Array],
    segment: _Segment,
    episodes: ReRating,
    moved: int,
    dummy: Array,
    found: Array,
) -> None:
    """Append the rows of one definition and one move whose contrast exists as observed."""
    for (label, coin, equity), part, contrasts in zip(segment.keys, segment.parts, found, strict=True):
        used = part[0] == 1.0
        inside, sessions = int((dummy[used] == 1.0).sum()), int(np.isfinite(dummy[used]).sum())
        for model, series in zip(MODELS, contrasts, strict=True):
            if np.isnan(series[0]):
                continue
            rows.append(
                {
                    "definition": episodes.name,
                    "equity": equity,
                    "edges": moved,
                    "coin": coin,
                    "sample": label,
                    "model": model,
                    "estimate": float(series[0]),
                    "coverage": inside / sessions,
                    "sessions": sessions,
                    "defined": float(np.isfinite(series).mean()),
                    "circularity": episodes.circularity,
                    "joint": segment.name != "from start",
                }
            )
            values.append(series)


def _judged(
    plan: Plan, index: pd.DatetimeIndex, rows: list[dict[str, Any]], values: list[Array], notes: _Notes
) -> SpecificationCurve:
    """P-values of each row alone, of all joint rows together, and of the curve."""
    order = sorted(
        range(len(rows)),
        key=lambda k: (
            SAMPLES.index(rows[k]["sample"]),
            rows[k]["coin"] != plan.crypto,
            MODELS.index(rows[k]["model"]),
        ),
    )
    frame = pd.DataFrame([rows[k] for k in order], columns=COLUMNS)
    values = [values[k] for k in order]
    ranks = [_ranks(one) for one in values]
    frame["pvalue"] = [float(one[0]) for one in ranks]
    frame["pvalue_adjusted"] = np.nan
    frame["joint"] = frame["joint"].astype(bool)
    chosen = np.flatnonzero(frame["joint"])
    joint: dict[tuple[str, str], dict[str, float]] = {}
    rotations: dict[tuple[str, str], Array] = {}
    if chosen.size:
        table = np.stack([values[k] for k in chosen], axis=1)
        small = np.stack([ranks[k] for k in chosen], axis=1) <= plan.alpha
        scaled = table / np.nanstd(table, axis=0)
        adjusted = step_down(scaled[0] - _SLACK, np.where(np.isnan(scaled[1:]), -np.inf, scaled[1:]))
        # a row without a contrast at some rotations has fewer to be compared with alone than in the family
        frame.loc[chosen, "pvalue_adjusted"] = np.maximum(adjusted, frame.loc[chosen, "pvalue"])
        fixed = (frame.loc[chosen, "circularity"] != "high").to_numpy()
        families = {"fixed": fixed, "all": np.ones(chosen.size, bool)}
        if fixed.all():
            del families["all"]
        for family, keep in families.items():
            if not keep.any():
                continue
            for name, series in _statistics(table[:, keep], small[:, keep], scaled[:, keep]).items():
                p = float(np.mean(series >= series[0] - _SLACK))
                joint[family, name] = {"observed": float(series[0]), "pvalue": p, "specifications": int(keep.sum())}
                rotations[family, name] = series
    keys = pd.MultiIndex.from_tuples(list(joint), names=["family", "statistic"]) if joint else _EMPTY
    table_of = pd.DataFrame(list(joint.values()), keys, ["observed", "pvalue", "specifications"])
    drawn = pd.DataFrame(rotations) if rotations else pd.DataFrame(columns=_EMPTY)
    own = own_specification(frame, plan)
    return SpecificationCurve(frame, table_of, drawn, plan.alpha, index, own, tuple(notes.failures), notes.unconverged)


def own_specification(frame: pd.DataFrame, plan: Plan) -> int | None:
    """Position of the plan's own specification among the rows of a curve, None where it is not there."""
    chosen = {"definition": plan.episodes.name, "edges": 0, "equity": plan.equity, "coin": plan.crypto}
    chosen |= {"sample": "window", "model": "correlation"}
    own = np.logical_and.reduce([(frame[name] == value).to_numpy() for name, value in chosen.items()])
    return int(np.flatnonzero(own)[0]) if own.any() else None


_EMPTY = pd.MultiIndex.from_arrays([[], []], names=["family", "statistic"])


def _ranks(series: Array) -> Array:
    """Share of the rotations whose contrast is at least that of each rotation; one where there is none."""
    known = np.isfinite(series)
    ordered = np.sort(series[known])
    slack = _SLACK * float(ordered.std())
    out = np.ones(series.size)
    out[known] = (ordered.size - np.searchsorted(ordered, series[known] - slack, side="left")) / ordered.size
    return out


def _statistics(table: Array, small: Flags, scaled: Array) -> dict[str, Array]:
    """Joint statistics at every rotation, (R,) each; minus infinity where no specification has a contrast."""
    known = np.isfinite(table)
    count = known.sum(axis=1)
    some = count > 0
    out = {name: np.full(len(table), -np.inf) for name in STATISTICS}
    out["median"][some] = np.nanmedian(table[some], axis=1)
    out["share"][some] = ((table > 0.0) & small)[some].sum(axis=1) / count[some]
    out["maximum"][some] = np.nanmax(scaled[some], axis=1)
    return out
