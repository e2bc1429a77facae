r"""Series without explosive roots, drawn many times, and the recursive Dickey–Fuller statistics of the draws.

Two worlds: the walk whose steps are those of the sample, or the residuals of their autoregression, times random signs
in their order (`BootstrapWalk`), and the walk with independent normal steps (`PlainWalk`).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Protocol

import numpy as np
from scipy.signal import lfilter, lfiltic

from ..errors import DataError, SpecError, check_option
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..kernels.explosive import adf_paths_lagged, adf_paths_walk, adf_prefixes

__all__ = [
    "BootstrapWalk",
    "NullPaths",
    "PlainWalk",
    "World",
    "autoregression_of_steps",
    "both_paths",
    "multipliers",
    "null_paths",
    "sieve_walk",
    "simulated_paths",
    "threads",
    "wild_walk",
]

MULTIPLIERS = ("rademacher", "normal")
FEWEST_DRAWS = 99  # the fewest that reach a level of 1 %


class World(Protocol):
    """A null that can be drawn from."""

    def draw(self, rng: np.random.Generator) -> Array:
        """Changes of one series, (T - 1,)."""
        ...


def multipliers(kind: str, count: int, rng: np.random.Generator) -> Array:
    """Independent numbers with mean 0 and variance 1, (count,): signs or standard normals."""
    check_option("multiplier", kind, MULTIPLIERS)
    if kind == "rademacher":
        return 2.0 * rng.integers(0, 2, count).astype(np.float64) - 1.0
    return rng.standard_normal(count)


@dataclass(frozen=True, eq=False)
class BootstrapWalk:
    r"""Changes :math:`\Delta y^*_t=\sum_j\hat\phi_j\Delta y^*_{t-j}+w_t\hat e_t`, begun at the changes observed.

    The volatility of every date stays at its date, whatever made it. `wild_walk` has no autoregression and
    :math:`\hat e_t=\Delta y_t` (Harvey, Leybourne, Sollis and Taylor 2016).

    Attributes
    ----------
    phi : (p,). residuals : (T - 1 - p,) of the autoregression of the changes. start : (p,) first changes.
    future : further changes, whose shocks are drawn with replacement from the residuals and multiplied.
    resample : draw all shocks with replacement, not in their order (Phillips and Shi 2020, as published).
    """

    phi: Array
    residuals: Array = field(repr=False)
    start: Array = field(repr=False)
    multiplier: str = "rademacher"
    resample: bool = False
    future: int = 0

    def draw(self, rng: np.random.Generator) -> Array:
        """Changes of one series, (T - 1 + future,)."""
        count = self.residuals.size
        known = self.residuals[rng.integers(0, count, count)] if self.resample else self.residuals
        drawn = self.residuals[rng.integers(0, count, self.future)]
        shocks = np.concatenate([known, drawn])
        shocks *= multipliers(self.multiplier, shocks.size, rng)
        if not self.phi.size:
            return shocks
        poly = np.concatenate([[1.0], -self.phi])
        state = lfiltic([1.0], poly, self.start[::-1])
        return np.concatenate([self.start, lfilter([1.0], poly, shocks, zi=state)[0]])


def wild_walk(changes: Array, multiplier: str = "rademacher", future: int = 0) -> BootstrapWalk:
    """The changes themselves times random numbers."""
    none = np.empty(0)
    return BootstrapWalk(none, changes, none, multiplier, future=future)


def sieve_walk(
    changes: Array, lag: int, multiplier: str = "rademacher", resample: bool = False, future: int = 0
) -> BootstrapWalk:
    """The autoregression of the changes, its residuals times random numbers; see `autoregression_of_steps`."""
    phi, residuals = autoregression_of_steps(changes, lag)
    return BootstrapWalk(phi, residuals, changes[:lag], multiplier, resample, future)


@dataclass(frozen=True)
class PlainWalk:
    r"""Changes :math:`T^{-1}+e_t`, independent standard normal (Phillips, Shi and Yu 2015)."""

    nobs: int

    def draw(self, rng: np.random.Generator) -> Array:
        """Changes of one series, (T - 1,)."""
        return 1.0 / self.nobs + rng.standard_normal(self.nobs - 1)


def autoregression_of_steps(changes: Array, lag: int) -> tuple[Array, Array]:
    """Autoregression of the changes with a constant, the unit root imposed.

    Returns
    -------
    coefficients (p,), residuals (T - 1 - p,).

    Raises
    ------
    DataError : a root at or beyond one; the series drawn would explode, and so would the critical values.
    """
    target = changes[lag:]
    design = np.column_stack([np.ones(target.size), *(changes[lag - i : changes.size - i] for i in range(1, lag + 1))])
    beta = np.asarray(np.linalg.lstsq(design, target, rcond=None)[0], np.float64)
    phi = beta[1:]
    largest = float(np.abs(np.roots(np.concatenate([[1.0], -phi]))).max(initial=0.0))
    if largest >= 1.0:
        raise DataError(
            f"the autoregression of the changes with {lag} lag(s) has a root of {largest:.3f}: series drawn from it "
            "explode, and nothing could be found against them. Use pvalue='wild' or lag=0."
        )
    return phi, target - design @ beta


@dataclass(frozen=True, eq=False)
class NullPaths:
    """Statistics of the draws by date: ``badf`` (B, M) from the first row, ``bsadf`` (B, M) over all starts or None."""

    badf: Array = field(repr=False)
    bsadf: Array | None = field(repr=False)

    def path(self, kind: str) -> Array:
        """The sequence behind a statistic: "gsadf" or one of "sadf", "adf"."""
        if kind != "gsadf":
            return self.badf
        if self.bsadf is None:
            raise SpecError("the backward suprema of the null were not drawn.")
        return self.bsadf

    def statistics(self, kind: str) -> Array:
        """The statistic of every draw, (B,)."""
        path = self.path(kind)
        out: Array = path[:, -1] if kind == "adf" else np.fmax.reduce(path, axis=1)
        return out


def _one(seed: np.random.SeedSequence, world: World, lag: int, window: int, both: bool) -> tuple[Array, Array | None]:
    changes = world.draw(np.random.default_rng(seed))
    if both:
        return both_paths(changes, lag, window)
    return adf_prefixes(_walk(changes), lag, window), None


def _walk(changes: Array) -> Array:
    return np.concatenate([[0.0], np.cumsum(changes)])


def both_paths(changes: Array, lag: int, window: int) -> tuple[Array, Array]:
    """BADF and BSADF, each (M,), of a walk with these changes (T - 1,)."""
    whole, best = adf_paths_walk(changes, window) if lag == 0 else adf_paths_lagged(_walk(changes), lag, window)
    return whole, best


def null_paths(
    world: World,
    lag: int,
    window: int,
    draws: int,
    rng: int | np.random.Generator,
    n_jobs: int | None = None,
    both: bool = True,
) -> NullPaths:
    """Recursive statistics of ``draws`` series of a world, with the lag and the window of the statistic tested.

    Parameters
    ----------
    both : the suprema over all starts too, O(T²) a draw; without, O(T).
    n_jobs : threads; the loops run outside the interpreter's lock.

    Raises
    ------
    SpecError : fewer than 99 draws.
    """
    if not isinstance(draws, int | np.integer) or isinstance(draws, bool) or draws < FEWEST_DRAWS:
        raise SpecError(f"draws={draws!r}: critical values down to 1 % need a whole number of at least {FEWEST_DRAWS}.")
    task = partial(_one, world=world, lag=lag, window=window, both=both)
    with threads(n_jobs):
        out = map_draws(task, spawn(rng, int(draws)), n_jobs=n_jobs)
    backward = [best for _, best in out if best is not None]
    return NullPaths(np.stack([whole for whole, _ in out]), np.stack(backward) if backward else None)


def threads(n_jobs: int | None) -> Any:
    """Context in which `map_draws` uses threads for an explicit ``n_jobs``."""
    # None leaves the choice to the caller's own joblib configuration
    if n_jobs is None:
        return nullcontext()
    from joblib import parallel_config

    return parallel_config(backend="threading")


@lru_cache(maxsize=16)
def _simulated(nobs: int, lag: int, window: int, draws: int, seed: int, n_jobs: int | None, both: bool) -> NullPaths:
    return null_paths(PlainWalk(nobs), lag, window, draws, seed, n_jobs, both)


def simulated_paths(
    nobs: int,
    lag: int,
    window: int,
    draws: int,
    rng: int | np.random.Generator,
    n_jobs: int | None = None,
    both: bool = True,
) -> NullPaths:
    """Statistics under the walk with independent normal steps; kept for the process where the seed is an integer."""
    if isinstance(rng, np.random.Generator):
        return null_paths(PlainWalk(nobs), lag, window, draws, rng, n_jobs, both)
    return _simulated(nobs, lag, window, draws, int(rng), n_jobs, both)
