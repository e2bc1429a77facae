"""The smallest effect the design could see: simulated worlds in which the claim is true."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from ..estimation.bootstrap import resample, standardize_shocks
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..kernels.dcc import dcc_whiten, pair_shift_simulate
from .pipeline import PairFit, Pipeline

__all__ = ["Detectable", "detectable_effect", "normal_mde"]

_SMALLEST_REACH = 0.02  # a correlation this close to its bound leaves no effect to simulate


@dataclass(frozen=True)
class Detectable:
    """Minimum detectable effect of the score test.

    Attributes
    ----------
    effect : the episode effect in units of correlation found with ``power``; NaN when none below the cap is.
    power : asked for. deltas, means, sds : simulated effects with the statistic's mean and standard deviation.
    """

    effect: float
    power: float
    deltas: tuple[float, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class _ShiftedWorld:
    """Samples of the tested pair in which correlation is higher by ``delta`` inside the episodes."""

    pipeline: Pipeline
    a: float
    b: float
    target: float
    shocks: Array = field(repr=False)

    def __call__(self, task: tuple[float, np.random.SeedSequence]) -> float:
        delta, seed = task
        dummy = np.abs(np.nan_to_num(self.pipeline.signed))
        shocks = np.ascontiguousarray(resample(self.shocks, np.random.default_rng(seed)))
        shift = delta * (dummy - dummy.mean())
        z, _ = pair_shift_simulate(self.a, self.b, self.target, shocks, shift)
        if np.isnan(z).any():
            return float("nan")
        return self.pipeline.measure(self.pipeline.world.to_returns(z), self.pipeline.signed)["score"]


def detectable_effect(
    pipeline: Pipeline,
    pair: PairFit,
    null: Array,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    draws: int = 100,
    rng: int | np.random.SeedSequence = 0,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Detectable:
    """Effect that the one-sided score test at ``alpha`` finds with probability ``power``.

    The null path of the fitted DCC is kept and ``delta`` (times the centered dummy) is added to it; the
    pipeline refits everything in each of ``draws`` samples at two effects. The statistic's mean and standard
    deviation are interpolated in delta and power is read off a normal law. NaN where the path is so close to
    one that nothing can be added to it, or too few draws have a statistic.

    Parameters
    ----------
    pipeline : of the tested pair alone (columns 0 and 1 of its world). pair : its DCC.
    null : (B,) null draws of the score statistic.
    """
    lik, theta = pair.likelihood, pair.optimum.theta
    a, b, _, _ = lik.split(theta)
    white = standardize_shocks(dcc_whiten(a, b, lik.z, lik.target, lik.start, lik.start))
    world = _ShiftedWorld(pipeline, a, b, float(lik.target[0, 1]), white)
    null = null[np.isfinite(null)]
    dummy = np.abs(np.nan_to_num(pipeline.signed))
    # keep the shifted path inside (−1, 1) with room to spare
    room = 0.95 - float(np.max(np.abs(pair.path)))
    reach = room / max(float(dummy.mean()), 1.0 - float(dummy.mean()))
    if not null.size or reach < _SMALLEST_REACH:
        nan = (float("nan"),) * 2
        return Detectable(float("nan"), power, nan, nan, nan)
    critical = float(np.quantile(null, 1.0 - alpha))
    deltas = tuple(round(min(delta, reach * share), 6) for delta, share in ((0.15, 0.5), (0.30, 1.0)))
    seeds = spawn(rng, 2 * draws)
    tasks = [(delta, seed) for delta, part in zip(deltas, (seeds[:draws], seeds[draws:]), strict=True) for seed in part]
    values = np.array(map_draws(world, tasks, n_jobs=n_jobs, progress=progress, label="detectable effect"))
    columns = [values[:draws], values[draws:]]
    columns = [column[np.isfinite(column)] for column in columns]
    if min(column.size for column in columns) < draws // 2:
        nan = (float("nan"),) * 2
        return Detectable(float("nan"), power, deltas, nan, nan)
    means = (float(null.mean()), *(float(column.mean()) for column in columns))
    sds = (float(null.std()), *(float(column.std()) for column in columns))
    knots = (0.0, *deltas)
    grid = np.linspace(0.0, 0.9, 901)
    # beyond the largest simulated effect the mean goes on at its last slope and the spread stays
    slope = (means[2] - means[1]) / (deltas[1] - deltas[0])
    mean = np.where(grid <= deltas[1], np.interp(grid, knots, means), means[2] + slope * (grid - deltas[1]))
    spread = np.interp(grid, knots, sds)
    reached = stats.norm.sf((critical - mean) / spread) >= power
    effect = float(grid[np.argmax(reached)]) if reached.any() else float("nan")
    return Detectable(effect, power, deltas, means[1:], sds[1:])


def normal_mde(null: Array, alpha: float, power: float = 0.8) -> float:
    """Smallest shift of the null law that is found with this power: quantile plus a normal margin."""
    finite = null[np.isfinite(null)]
    if not finite.size:
        return float("nan")
    return float(np.quantile(finite, 1 - alpha) - np.mean(finite) + stats.norm.isf(1.0 - power) * finite.std())
