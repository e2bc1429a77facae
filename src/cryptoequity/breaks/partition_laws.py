r"""Limit laws of the best partition into m + 1 regimes: of sup F(m), of its largest, plain and weighted.

With q coefficients that break, and partitions whose regimes hold a share of at least ``trim``,

.. math:: \sup F(m)\to\sup\frac1{mq}\sum_{i=1}^{m}
          \frac{\|\lambda_iW(\lambda_{i+1})-\lambda_{i+1}W(\lambda_i)\|^2}{\lambda_i\lambda_{i+1}(\lambda_{i+1}-\lambda_i)}

(Bai and Perron 1998). **Scale**: per break and per coefficient. Bai and Perron's printed tables are q times as large
for q > 1 (11.47 against 5.74 for q = 2, m = 1, a trim of .15, 5 %).

Tabulated are q of 1 to 10, trims .05, .10, .15, .20, .25 and at most 5, 5, 5, 3, 2 breaks; between those trims
quantiles are interpolated, and everything else is simulated when asked for, once a session, by fewer paths. The paths
have 1,000 steps (500 on demand), as Bai and Perron's. On 4,000 steps of the same paths sup F(m) of one coefficient,
with a trim of .15, is larger by .08 to .12 on average: a sample of 1,000 has the law of 1,000 steps, and a longer one
rejects a little more often than it should.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ..errors import DataError, SpecError
from ..estimation.parallel import spawn
from ..estimation.params import Array
from ..kernels.limit_paths import segment_gains
from .limits import LEVELS, PROBABILITIES, LimitLaw, limit_laws

__all__ = ["MOST", "TRIMS", "PartitionLaws", "gains_of_path", "partition_laws", "weighted_maximum"]

FAMILY = "bai_perron"
TRIMS = (0.05, 0.10, 0.15, 0.20, 0.25)
MOST = (5, 5, 5, 3, 2)  # breaks at each trim: of five at most, those that leave the dates any freedom
DIMENSIONS = 10
DEMAND_PATHS, DEMAND_STEPS, DEMAND_SEED = 4000, 500, 7


@dataclass(frozen=True, eq=False)
class PartitionLaws:
    """Laws for one q and one trim.

    Attributes
    ----------
    single : law of sup F(m), m = 1, …, M. largest : of UDmax.
    weighted : critical values of WDmax; its quantile at probability 1 - a belongs to the weights of level a.
    """

    q: int
    trim: float
    single: tuple[LimitLaw, ...] = field(repr=False)
    largest: LimitLaw = field(repr=False)
    weighted: LimitLaw = field(repr=False)

    def weights(self, alpha: float) -> Array:
        """Weights c(alpha, 1) / c(alpha, m) of WDmax, (M,)."""
        values = np.array([law.critical(alpha) for law in self.single])
        out: Array = values[0] / values
        return out

    def weighted_statistics(self, values: Array, levels: tuple[float, ...] = LEVELS) -> dict[float, float]:
        """WDmax of sup F(m) ``values`` (M,) by level: the weights depend on it."""
        return {level: float(np.max(values * self.weights(level))) for level in levels}

    def weighted_pvalue(self, values: Array) -> float:
        r"""P-value of WDmax: the smallest level at which the test with the weights of that level rejects.

        .. math:: p=\inf\{a:\ \max_mF(m)\,c(b,1)/c(b,m)>k(b)\ \text{for all}\ b\ge a\}

        Bai and Perron tabulate k(a) for a few levels a and have no p-value.
        """
        values = np.asarray(values, float)
        if np.isnan(values).any():
            return float("nan")
        curves = np.stack([law.quantiles for law in self.single])
        gap = np.max(values[:, None] * (curves[0] / curves), axis=0) - self.weighted.quantiles
        stops = np.flatnonzero(gap <= 0.0)
        tails = 1.0 - self.weighted.probabilities
        if not stops.size:  # rejected at the smallest level there is: on from there as with fixed weights
            return self.weighted.pvalue(float(np.max(values * curves[0, -1] / curves[:, -1])))
        first = int(stops[0])
        if first == 0:
            return 1.0
        share = gap[first - 1] / (gap[first - 1] - gap[first])
        return float(np.exp((1.0 - share) * np.log(tails[first - 1]) + share * np.log(tails[first])))


def weighted_maximum(values: Array, curves: Array) -> Array:
    """Critical values of WDmax at every probability, (P,), from draws ``values`` (R, M) and quantiles (M, P)."""
    out = np.empty(PROBABILITIES.size)
    for p, probability in enumerate(PROBABILITIES):
        out[p] = np.quantile(np.max(values * (curves[0, p] / curves[:, p]), axis=1), probability)
    # the weights are estimates too: where that makes the curve dip, its values are put in order
    return np.sort(out)


def gains_of_path(
    seed: np.random.SeedSequence, steps: int, dims: int, trims: tuple[float, ...], most: tuple[int, ...], first: int = 1
) -> Array:
    """Gains in fit (dims - first + 1, trims, M) of one simulated path in ``first``, …, ``dims`` dimensions."""
    walk = np.zeros((dims, steps + 1))
    np.cumsum(np.random.default_rng(seed).standard_normal((dims, steps)), axis=1, out=walk[:, 1:])
    bridge = walk - np.arange(steps + 1) / steps * walk[:, -1:]
    gains = np.empty((dims, len(trims), max(most)))
    # a product such as .15 * 20 falls just below the integer it stands for
    sizes = np.array([int(trim * steps + 1e-9) for trim in trims], float)
    segment_gains(bridge, sizes, np.array(most, float), first, gains)
    out: Array = gains[first - 1 :]
    return out


def of_draws(values: Array, q: int, trim: float, steps: int) -> PartitionLaws:
    """Laws of simulated sup F(m) ``values`` (R, M)."""
    single = tuple(LimitLaw.of_draws(values[:, m], steps) for m in range(values.shape[1]))
    curves = np.stack([law.quantiles for law in single])
    return PartitionLaws(
        q,
        trim,
        single,
        LimitLaw.of_draws(values.max(axis=1), steps),
        LimitLaw(PROBABILITIES, weighted_maximum(values, curves), values.shape[0], steps),
    )


def partition_laws(q: int, trim: float, breaks: int) -> PartitionLaws:
    """Laws for q coefficients, a trim and up to ``breaks`` breaks; read, interpolated or simulated.

    Raises
    ------
    SpecError : q or breaks below one, a trim outside (0, .5). DataError : breaks that do not fit.
    """
    if q < 1 or breaks < 1:
        raise SpecError(f"q={q}, breaks={breaks}: both are at least 1.")
    if not 0.0 < trim < 0.5:
        raise SpecError(f"trim={trim!r}: a share of the sample between 0 and .5.")
    if (breaks + 1) * trim > 1.0 + 1e-9:
        raise DataError(f"{breaks} break(s) do not fit with a trim of {trim:.4g}; use fewer or a smaller trim.")
    return _laws(int(q), round(float(trim), 6), int(breaks))


@cache
def _laws(q: int, trim: float, breaks: int) -> PartitionLaws:
    fits = [k for k in range(len(TRIMS)) if MOST[k] >= breaks]
    inside = fits and TRIMS[fits[0]] - 1e-9 <= trim <= TRIMS[fits[-1]] + 1e-9
    if q > DIMENSIONS or not inside:
        return _simulate(q, trim, breaks)
    table = limit_laws(FAMILY)
    upper = next(k for k in fits if TRIMS[k] >= trim - 1e-9)
    if abs(TRIMS[upper] - trim) < 1e-9:
        return _read(table, q, upper, breaks)
    low, high = _read(table, q, upper - 1, breaks), _read(table, q, upper, breaks)
    share = (trim - TRIMS[upper - 1]) / (TRIMS[upper] - TRIMS[upper - 1])
    return PartitionLaws(
        q,
        trim,
        tuple(_between(one, two, share) for one, two in zip(low.single, high.single, strict=True)),
        _between(low.largest, high.largest, share),
        _between(low.weighted, high.weighted, share),
    )


def _read(table: Mapping[str, LimitLaw], q: int, place: int, breaks: int) -> PartitionLaws:
    trim = TRIMS[place]
    single = tuple(table[f"supF.q{q}.m{m}.trim{trim:.2f}"] for m in range(1, breaks + 1))
    if breaks == 1:  # one break leaves nothing to maximize over
        return PartitionLaws(q, trim, single, single[0], single[0])
    end = "" if breaks == MOST[place] else f".max{breaks}"
    name = f"q{q}.trim{trim:.2f}{end}"
    return PartitionLaws(q, trim, single, table[f"UDmax.{name}"], table[f"WDmax.{name}"])


def _between(low: LimitLaw, high: LimitLaw, share: float) -> LimitLaw:
    mixed = (1.0 - share) * low.quantiles + share * high.quantiles
    return LimitLaw(low.probabilities, mixed, min(low.draws, high.draws), low.steps)


def _simulate(q: int, trim: float, breaks: int) -> PartitionLaws:
    gains = np.stack(
        [
            gains_of_path(seed, DEMAND_STEPS, q, (trim,), (breaks,), first=q)[0, 0]
            for seed in spawn(DEMAND_SEED, DEMAND_PATHS)
        ]
    )
    return of_draws(gains / (q * np.arange(1, breaks + 1)), q, trim, DEMAND_STEPS)
