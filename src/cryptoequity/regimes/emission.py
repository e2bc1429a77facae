"""The contract between a switching model and the chain: densities by regime, their scores, one M-step, starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..estimation.params import Array, Block

Integers = npt.NDArray[np.int64]

__all__ = ["Emission", "Integers", "responsibilities", "rolling_splits"]


class Emission(Protocol):
    """Densities of y_t in each of ``k`` regimes given the past; the chain knows no more of a model.

    Parameters ``theta`` are those of the densities only, in the order of ``blocks``.
    """

    k: int

    # --- likelihood and EM

    @property
    def nobs(self) -> int:
        """Dates."""

    def blocks(self) -> tuple[Block, ...]:
        """Names and constraints; a regime's number, from 1, stands in square brackets after the name."""

    def density(self, theta: Array) -> Array:
        """Log-densities (T, k); -inf where ``theta`` is not feasible."""

    def slopes(self, theta: Array) -> Array:
        """Derivatives of the log-densities, (T, k, E)."""

    def mstep(self, weights: Array, theta: Array | None) -> Array:
        """Parameters with a weighted log-likelihood sum(weights * density) not below that of ``theta``.

        ``theta`` is None at a start, where ``weights`` (T, k) is all there is.
        """

    def weak(self, theta: Array, weights: Array) -> str:
        """Why these estimates are degenerate (a variance that collapses, a regime without observations), or ""."""

    def splits(self, count: int, rng: np.random.Generator) -> Iterator[Array]:
        """``count`` sets of weights (T, k) to start from, the most promising first."""

    # --- what a fit reads

    def moments(self, theta: Array) -> tuple[Array, Array]:
        """Means and covariances given the past and the regime: (k, N) and (k, N, N), or (T, k, N) and (T, k, N, N)."""

    def margins_cdf(self, theta: Array) -> Array:
        """Distribution functions of each column given the past and the regime, at the data, (T, k, N)."""

    def simulate(self, theta: Array, states: Integers, rng: np.random.Generator) -> Array:
        """Data (len(states), N) of a path of regimes, from the model's stationary start."""

    # --- labels

    def rank(self, theta: Array) -> Array:
        """What regimes are numbered by, (k,), ascending."""

    def relabel(self, order: Integers) -> Integers:
        """Positions in ``theta`` of the parameters after new regime n becomes old regime ``order[n]``."""


def responsibilities(level: Array, k: int, cuts: Array | None = None, firm: float = 0.9) -> Array:
    """Weights (T, k) from a score by date: ``firm`` for the band between ``cuts`` (quantiles) it falls into."""
    edges = np.quantile(level, np.arange(1, k) / k if cuts is None else np.sort(cuts))
    band = np.searchsorted(edges, level, side="right")
    out = np.full((level.size, k), (1.0 - firm) / (k - 1))
    out[np.arange(level.size), band] = firm
    return out


def rolling_splits(scores: list[Array], k: int, count: int, rng: np.random.Generator) -> Iterator[Array]:
    """Starts from smoothed ``scores`` (T,) of the data, e.g. squares and products: quantile bands, then random ones.

    A split by a rolling mean is worth more than many random starts, because regimes persist; after the plain ones
    come random windows with random quantiles, and every third start is blocks of random regimes.
    """
    nobs = scores[0].size
    made = 0
    windows = [w for w in (20, 60, 8, 150) if w <= nobs // (2 * k)] or [max(2, nobs // (4 * k))]
    for window in windows:
        for score in scores:
            if made == count:
                return
            yield responsibilities(rolling_mean(score, window), k)
            made += 1
    while made < count:
        if made % 3 == 2:
            length = max(5, int(nobs / (k * rng.integers(2, 12))))
            states = np.repeat(rng.integers(0, k, nobs // length + 1), length)[:nobs]
            out = np.full((nobs, k), 0.1 / (k - 1))
            out[np.arange(nobs), states] = 0.9
            yield out
        else:
            score = scores[int(rng.integers(len(scores)))]
            window = int(np.exp(rng.uniform(np.log(3.0), np.log(max(4.0, nobs / (2 * k))))))
            cuts = np.sort(rng.dirichlet(np.ones(k)).cumsum()[:-1]) if k > 2 else rng.uniform(0.1, 0.9, 1)
            yield responsibilities(rolling_mean(score, window), k, np.clip(cuts, 0.02, 0.98))
        made += 1


def rolling_mean(x: Array, window: int) -> Array:
    """Centered mean over ``window`` dates, shorter at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(x)])
    first = np.maximum(np.arange(x.size) - window // 2, 0)
    last = np.minimum(np.arange(x.size) + window - window // 2, x.size)
    out: Array = (sums[last] - sums[first]) / (last - first)
    return out
