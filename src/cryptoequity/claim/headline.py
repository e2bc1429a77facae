"""The tested window and its bootstrap: cut the sample, fit the null world, run the pipeline on data and draws."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ..errors import CryptoEquityWarning, DataError, SpecError
from ..estimation.bootstrap import pvalue
from ..estimation.optimize import Optimum
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import TestResult
from .circularity import same_series_notes
from .coverage import Coverage, check_coverage
from .level import Level, LevelWorld, find_break, level_draws
from .pipeline import UNDATED, Draws, Extra, PairFit, Pipeline, Redating, own_world
from .plan import Plan
from .rerating import ReRating
from .statistics import correlation
from .world import NullWorld, residuals

__all__ = [
    "MIN_SESSIONS",
    "Headline",
    "Sample",
    "headline",
    "headline_pair",
    "prepare",
    "sessions_of",
]

MIN_SESSIONS = 250
SAME_PATH = 1e-6  # log points by which the series of a rule and the plan's columns may differ


@dataclass(frozen=True, eq=False)
class Sample:
    """The tested window with what surrounds it.

    Attributes
    ----------
    full : percent returns from the plan's start to the claim's publication. window : after the break.
    after : returns after publication, possibly empty. coins : the tested pair and the altcoins on the window,
        as far as the shortest coin goes; None without altcoins. break_test : of a break at an unknown
        date; None unless the date was estimated. step, step_pvalue : rise of the correlation at the break.
    break_date : first day of ``window``; residuals : (T, 2) of the tested pair over ``full``.
    """

    full: pd.DataFrame = field(repr=False)
    window: pd.DataFrame = field(repr=False)
    after: pd.DataFrame = field(repr=False)
    coins: pd.DataFrame | None = field(repr=False)
    break_date: pd.Timestamp | None
    break_test: TestResult | None
    step: Level | None
    step_pvalue: float
    residuals: Array = field(repr=False)


@dataclass(frozen=True, eq=False)
class Headline:
    """The bootstrap of one window: statistics of the data, of the draws, and what was fitted.

    ``undated`` counts the draws whose episodes could not be dated again; they have no contrast.
    """

    pipeline: Pipeline = field(repr=False)
    statistics: dict[str, float]
    draws: Draws = field(repr=False)
    pairs: dict[tuple[int, ...], PairFit] = field(repr=False)
    coverage: Coverage
    index: pd.DatetimeIndex = field(repr=False)
    undated: int = 0

    def pvalue(self, name: str, side: str = "upper") -> float:
        """Bootstrap p-value of a statistic."""
        return pvalue(self.statistics[name], self.draws[name], side)

    @property
    def main(self) -> PairFit:
        """DCC of the tested pair."""
        return self.pairs[self.pipeline.crypto, self.pipeline.equity]


def prepare(
    returns: pd.DataFrame,
    plan: Plan,
    coins: pd.DataFrame | None = None,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Sample:
    """Cut the sample at the plan's dates and at the break; ``coins`` are the returns H6 is asked on."""
    lower = returns.index[0] if plan.start is None else pd.Timestamp(plan.start)
    upper = returns.index[-1] if plan.end is None else pd.Timestamp(plan.end)
    kept = returns.loc[lower:upper]
    published = None if plan.published is None else pd.Timestamp(plan.published)
    full = kept if published is None else kept.loc[:published]
    after = kept.iloc[len(full) :]
    if len(full) < MIN_SESSIONS:
        raise DataError(
            f"{len(full)} sessions from {lower.date()} to {(published or upper).date()}; the tests need at least "
            f"{MIN_SESSIONS}: move start, end or published, or bring a longer sample."
        )
    z = np.stack(
        [residuals(plan.margin(name), full[name].to_numpy(float))[0] for name in (plan.crypto, plan.equity)], axis=1
    )
    found = None
    if plan.break_date == "estimate":
        found = find_break(z[:, 0] * z[:, 1], keep=MIN_SESSIONS)
        break_date = full.index[found.position]
    elif plan.break_date is None:
        break_date = None
    else:
        break_date = pd.Timestamp(plan.break_date)
        if not full.index[0] < break_date <= full.index[-1]:
            raise SpecError(
                f"break_date={plan.break_date!r} is outside the sample {full.index[0].date()} to "
                f"{full.index[-1].date()}; use None when the sample starts after it."
            )
    window = full if break_date is None else full.loc[break_date:]
    if len(window) < MIN_SESSIONS:
        raise DataError(
            f"only {len(window)} sessions from the break on {break_date.date() if break_date else ''} to "
            f"{full.index[-1].date()}; the tests need at least {MIN_SESSIONS}: move the break or the end of the "
            "sample, or bring a longer one."
        )
    step, step_pvalue, break_test = None, float("nan"), None
    if break_date is not None:
        step, step_pvalue, sup = _step(plan, full, window, z, n_jobs, progress)
        if found is not None:
            break_test = TestResult(
                "sup-F for one break in the mean product of residuals",
                "the correlation has no break in its level",
                found.statistic,
                pvalue(found.statistic, sup),
                f"{sup.size} draws of the DCC fitted after the candidate break",
                {"position": found.position, "step": found.step},
            )
            if break_test.pvalue > plan.alpha:
                window, break_date = full, None
    if coins is not None:
        coins = coins.loc[window.index[0] : window.index[-1]]
    return Sample(full, window, after, coins, break_date, break_test, step, step_pvalue, z)


def _step(
    plan: Plan, full: pd.DataFrame, window: pd.DataFrame, z: Array, n_jobs: int | None, progress: bool
) -> tuple[Level, float, Array]:
    """Rise of the correlation at the break, its p-value, and the draws of the sup statistic.

    The null has one level throughout and the persistence of the correlation after the break: a DCC fitted
    across a break takes the break for persistence and would find nothing.
    """
    position, nobs = len(full) - len(window), len(full)
    late = np.arange(nobs) >= position
    pair = [plan.crypto, plan.equity]
    world = NullWorld.fit(window[pair], {name: plan.margin(name) for name in pair}, plan.dist)
    task = LevelWorld(world, ((0, 1), (0, 1)), (late, ~late), nobs, plan.break_date == "estimate", MIN_SESSIONS)
    seeds = spawn(spawn(plan.rng, 5)[3], plan.draws)
    draws = level_draws(task, seeds, n_jobs=n_jobs, progress=progress, label="break")
    estimate = correlation(z[late, 0], z[late, 1]) - correlation(z[~late, 0], z[~late, 1])
    gap = draws[:, 0] - draws[:, 1]
    sup = draws[:, 2] if draws.shape[1] > 2 else np.empty(0)
    return Level(estimate, gap), pvalue(estimate, gap), sup


def sessions_of(frame: pd.DataFrame) -> pd.DatetimeIndex:
    """Return the dates of a frame of returns."""
    return pd.DatetimeIndex(frame.index)


def _signed(episodes: ReRating, index: pd.DatetimeIndex, guard: str) -> Array:
    """Episode sign by session, +1 where a spell has none; NaN in guard bands."""
    if any(spell.sign == 0 for spell in episodes.dated):
        return episodes.dummy(index, guard=guard).to_numpy(float)
    up = episodes.dummy(index, side="up", guard=guard).to_numpy(float)
    both = episodes.dummy(index, guard=guard).to_numpy(float)
    return np.where(np.isnan(both), np.nan, np.where(both == 1.0, np.where(up == 1.0, 1.0, -1.0), 0.0))


def _redating(plan: Plan, prices: pd.DataFrame, window: pd.DataFrame) -> Redating | None:
    if not plan.episodes.by_data:
        return None
    dating = plan.episodes.dating
    days = plan.episodes.index
    how = "."
    if plan.episodes.of_multiples:
        how = f": ReRating.from_{plan.episodes.definition}(..., prices=(tech, market))."
    tech, market = str(plan.tech), str(plan.market)  # the plan refuses a rule without both
    read = [tech, market] if dating.relative else [tech]
    observed = prices[read].reindex(days)
    missing = observed.isna()
    if missing.to_numpy().any():
        column = str(observed.columns[missing.any()][0])
        when = days[missing[column].to_numpy()][0].date()
        raise DataError(
            f"the episodes are dated on {when}, where {column!r} has no price: date them from the tech and "
            f"market columns of the prices passed here{how}"
        )
    place = days.searchsorted(window.index)
    if place[-1] >= len(days) or not days[place].equals(window.index) or np.any(np.diff(place) != 1):
        raise DataError(
            "the sessions of the returns and of the episodes differ: date the episodes from the tech and market "
            f"columns of the prices passed here, on the equity's sessions{how}"
        )
    if plan.episodes.of_multiples:
        plan.episodes.need_earnings()  # without it drawn prices would be taken for multiples
    ratio = np.log(observed[tech].to_numpy(float))
    if dating.relative:
        ratio = np.log(observed[tech].to_numpy(float) / observed[market].to_numpy(float))
    dated_from = dating.readings.log_ratio
    gap = dating.reprice(ratio) - dated_from
    # adjusted prices may differ by a factor, which no rule sees
    gap = np.abs(gap - np.median(gap))
    if gap.max() > SAME_PATH:
        raise DataError(
            f"the episodes '{plan.episodes.name}' were dated from other series than {' and '.join(map(repr, read))}: "
            f"the log ratios differ by up to {gap.max():.2g}, most on {dating.readings.dates[int(np.argmax(gap))]}. "
            f"Draws would be dated from other series than the data were; date both from the prices passed here{how}"
        )
    columns = list(window.columns)
    second = columns.index(market) if dating.relative else -1
    return Redating(dating, ratio, int(place[0]), columns.index(tech), second)


def headline(
    plan: Plan,
    window: pd.DataFrame,
    prices: pd.DataFrame,
    *,
    seed: np.random.SeedSequence,
    minimal: bool = False,
    n_jobs: int | None = None,
    progress: bool = False,
    label: str = "bootstrap",
    extras_of: Callable[[Headline], tuple[Extra, ...]] | None = None,
) -> Headline:
    """Fit the null world on ``window`` and run the full pipeline on the data and on every draw.

    Draws move as the tested pair does: with the news and memory of its own DCC, see `own_world`. ``extras_of`` says, of
    the data, what else is read off the pair in every draw.
    """
    coverage = check_coverage(plan.episodes, sessions_of(window))
    for note in same_series_notes(plan, window):
        warnings.warn(note, CryptoEquityWarning, stacklevel=3)
    needed = [plan.crypto, plan.equity]
    for name in (plan.tech, plan.market, *(() if minimal else (*plan.placebos, plan.large))):
        if name is not None and name not in needed:
            needed.append(name)
    redating = _redating(plan, prices, window[needed])
    if redating is None and minimal:
        needed = needed[:2]
    world = NullWorld.fit(window[needed], {name: plan.margin(name) for name in needed}, plan.dist)
    market = -1
    if plan.market in needed and plan.market not in (plan.crypto, plan.equity):
        market = needed.index(plan.market)
    # dated from the window's own returns, as every draw is: nothing after the window moves an episode inside it
    dated = None if redating is None else redating.signed(world.returns)
    pipeline = Pipeline(
        world,
        _signed(plan.episodes, sessions_of(window), plan.guard) if dated is None else dated,
        redating,
        plan.dist,
        0,
        1,
        market,
        () if minimal else tuple(needed.index(name) for name in plan.placebos),
        -1 if minimal or plan.large is None else needed.index(plan.large),
        minimal=minimal,
    )
    index = sessions_of(window)
    observed, pairs = pipeline.observed()
    pipeline = replace(pipeline, warm={key: pair.optimum for key, pair in pairs.items()})
    seen = Headline(pipeline, observed, Draws({}), pairs, coverage, index)
    pipeline = replace(pipeline, world=own_world(seen))
    if extras_of is not None:
        pipeline = replace(pipeline, extras=extras_of(seen))
        observed, _ = pipeline.observed()
    results = map_draws(pipeline, spawn(seed, plan.draws), n_jobs=n_jobs, progress=progress, label=label)
    draws = Draws({name: np.array([one[name] for one in results]) for name in observed})
    undated = sum(UNDATED in one for one in results)
    return Headline(pipeline, observed, draws, pairs, coverage, index, undated)


def headline_pair(main: Headline) -> Pipeline:
    """Return the pipeline of the tested pair alone, its episodes fixed as observed."""
    old = main.pipeline
    keep = [old.crypto, old.equity]
    world = old.world
    small = NullWorld(
        tuple(world.names[i] for i in keep),
        tuple(world.specs[i] for i in keep),
        world.returns[:, keep],
        tuple(world.optima[i] for i in keep),
        world.z[:, keep],
        world.volatility[:, keep],
        world.correlation,
        world.target[np.ix_(keep, keep)],
        world.shocks[:, keep],
    )
    warm: dict[tuple[int, ...], Optimum] = {(0, 1): old.warm[old.crypto, old.equity]}
    return Pipeline(small, old.signed, None, old.dist, 0, 1, warm=warm, minimal=True)
