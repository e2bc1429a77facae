"""Bootstrap arithmetic: p-values that are never zero, intervals from a null law, whitened shocks, dated rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from .params import Array

__all__ = [
    "block_length",
    "confidence_set",
    "null_interval",
    "pvalue",
    "resample",
    "standardize_shocks",
    "stationary_draws",
]

FEWEST = 19  # draws, the fewest that can reach a p-value of 5 %


def pvalue(statistic: float, null: Array, side: str = "upper") -> float:
    """(1 + #{null as extreme as the statistic}) / (1 + B), over the finite draws; NaN without any.

    ``side`` is "upper", "lower" or "two"; two-sided distances are measured from the median of the draws.
    """
    check_option("side", side, ("upper", "lower", "two"))
    finite = null[np.isfinite(null)]
    if not np.isfinite(statistic) or not finite.size:
        return float("nan")
    if side == "two":
        center = float(np.median(finite))
        count = int(np.sum(np.abs(finite - center) >= abs(statistic - center)))
    else:
        count = int(np.sum(finite >= statistic)) if side == "upper" else int(np.sum(finite <= statistic))
    return (1 + count) / (1 + finite.size)


def null_interval(estimate: float, null: Array, level: float = 0.95) -> tuple[float, float]:
    """Interval that inverts the null law of the estimate, shifted: estimate minus its upper and lower quantiles.

    NaN with fewer than `FEWEST` finite draws.
    """
    finite = null[np.isfinite(null)]
    if not np.isfinite(estimate) or finite.size < FEWEST:
        return float("nan"), float("nan")
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(finite, [tail, 1.0 - tail])
    return estimate - float(high), estimate - float(low)


def standardize_shocks(shocks: Array) -> Array:
    """Shocks (T, N) with exactly zero mean and unit covariance, so that resampling them keeps the null exact."""
    centered = shocks - shocks.mean(axis=0)
    cov = centered.T @ centered / centered.shape[0]
    try:
        factor = np.linalg.cholesky(cov)
    except np.linalg.LinAlgError as error:
        raise DataError("the shocks are collinear: two columns carry the same information; drop one.") from error
    return np.ascontiguousarray(np.linalg.solve(factor, centered.T).T)


def resample(shocks: Array, rng: np.random.Generator, nobs: int | None = None) -> Array:
    """Rows of ``shocks`` drawn with replacement: cross dependence beyond correlation is kept, serial is not."""
    count = shocks.shape[0] if nobs is None else nobs
    return shocks[rng.integers(0, shocks.shape[0], count)]


def block_length(x: Array) -> float:
    """Mean block length of the stationary bootstrap for the mean of ``x`` (T,), at least 1.

    Politis & White (2004) with the correction of Patton, Politis & White (2009), as in the ``arch`` package.

    Raises
    ------
    DataError : fewer than 20 observations, or a constant series.
    """
    from arch.bootstrap import optimal_block_length

    if x.size < 20:
        raise DataError(f"a block length needs 20 observations; there are {x.size}.")
    if not float(np.ptp(x)) > 0.0:
        raise DataError("a constant series has no block length.")
    return max(1.0, float(optimal_block_length(pd.Series(x))["stationary"].iloc[0]))


def stationary_draws(
    statistic: Callable[[Array], Array], data: Array, block: float, draws: int, rng: int | np.random.Generator
) -> Array:
    """Statistics (draws, K) of rows of ``data`` (T, M) resampled by the stationary bootstrap (Politis & Romano 1994).

    Blocks have geometric length with mean ``block``; the ``arch`` package draws them.
    """
    from arch.bootstrap import StationaryBootstrap

    if draws < 99:
        raise SpecError(f"draws={draws}: the ends of an interval need 99 draws at least.")
    if not 1.0 <= block < data.shape[0]:
        raise SpecError(f"block={block}: a mean block length lies between 1 and the {data.shape[0]} observations.")
    # arch takes whole mean lengths
    sampler = StationaryBootstrap(max(1, round(block)), data, seed=np.random.default_rng(rng))
    return np.stack([statistic(rows[0]) for rows, _ in sampler.bootstrap(draws)])


def confidence_set(losses: Array, block: float, draws: int, rng: int | np.random.Generator) -> Array:
    r"""P-values (K,) of the Model Confidence Set of Hansen, Lunde & Nason (2011): one is in the set while p > size.

    Columns are eliminated one after the other by the range of their studentized mean differences, with the stationary
    bootstrap of the ``arch`` package; its share of draws m/B is reported as (1 + m)/(1 + B), which is never zero.

    Parameters
    ----------
    losses : (T, K), smaller is better. block : mean block length, rounded to a whole number. draws : B.

    Raises
    ------
    DataError : fewer than two columns, missing values, or two columns whose difference does not vary.
    SpecError : fewer than 99 draws, a block that does not fit the sample.
    """
    from arch.bootstrap import MCS

    if losses.ndim != 2 or losses.shape[1] < 2:
        raise DataError(f"losses of shape {losses.shape}: a confidence set needs two columns at least.")
    if not np.isfinite(losses).all():
        raise DataError(f"{int((~np.isfinite(losses)).sum())} losses are missing or infinite; drop these rows.")
    if draws < 99:
        raise SpecError(f"draws={draws}: a confidence set needs 99 draws at least.")
    if not 1.0 <= block < losses.shape[0]:
        raise SpecError(f"block={block}: a mean block length lies between 1 and the {losses.shape[0]} observations.")
    for i in range(losses.shape[1]):
        same = np.flatnonzero(np.ptp(losses[:, i + 1 :] - losses[:, [i]], axis=0) == 0.0)
        if same.size:
            raise DataError(f"the losses of columns {i} and {i + 1 + same[0]} differ by a constant; drop one of them.")
    test = MCS(losses, 0.05, draws, max(1, round(block)), seed=np.random.default_rng(rng))
    test.compute()
    found = test.pvalues
    out = np.empty(losses.shape[1])
    out[found.index.to_numpy(int)] = (1.0 + found["Pvalue"].to_numpy(float) * draws) / (1.0 + draws)
    return out
