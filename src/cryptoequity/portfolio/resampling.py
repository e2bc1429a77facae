r"""The stationary bootstrap: intervals of statistics of dependent observations.

Blocks of geometric length, mean :math:`b`, start anywhere and wrap around (Politis & Romano 1994); :math:`b` is chosen
from the data by Politis & White (2004) with the correction of Patton, Politis & White (2009).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..errors import DataError, SpecError
from ..estimation.params import Array

__all__ = ["block_length", "stationary_draws", "stationary_indices"]


def block_length(x: Array) -> float:
    r"""Mean block length of the stationary bootstrap for the mean of ``x`` (T,).

    :math:`b=(g^2/\hat\sigma^4)^{1/3}T^{1/3}` with :math:`g=\sum_k\lambda(k/m)|k|\hat\gamma_k`,
    :math:`\hat\sigma^2=\sum_k\lambda(k/m)\hat\gamma_k` and the flat-top window
    :math:`\lambda(x)=\min\{1,2(1-|x|)\}`. m is twice the first lag after which
    :math:`\max(5,\lfloor\log_{10}T\rfloor)` autocorrelations in a row stay within :math:`2\sqrt{\log_{10}(T)/T}`.
    Never below 1 (independent draws) nor above :math:`\min(3\sqrt T, T/3)`.

    Raises
    ------
    DataError : fewer than 20 observations, or a constant series.
    """
    nobs = x.size
    if nobs < 20:
        raise DataError(f"a block length needs 20 observations; there are {nobs}.")
    e = x - x.mean()
    if not float(e @ e) > 0.0:
        raise DataError("a constant series has no block length.")
    run = max(5, int(math.log10(nobs)))
    longest = math.ceil(math.sqrt(nobs)) + run
    band = 2.0 * math.sqrt(math.log10(nobs) / nobs)
    cov = np.empty(longest + 1)
    size = np.empty(longest + 1)
    for k in range(longest + 1):
        cross = float(e[k:] @ e[: nobs - k])
        cov[k] = cross / nobs
        scale = math.sqrt(float(e[k + 1 :] @ e[k + 1 :]) * float(e[: nobs - k - 1] @ e[: nobs - k - 1]))
        size[k] = abs(cross) / scale if scale > 0.0 else math.inf
    first = next((k - run for k in range(run, longest + 1) if np.all(size[k - run : k] < band)), None)
    m = longest if first is None else min(2 * max(first, 1), longest)
    lags = np.arange(1, m + 1)
    window = np.minimum(1.0, 2.0 * (1.0 - lags / m))
    g = 2.0 * float(np.sum(window * lags * cov[1 : m + 1]))
    variance = cov[0] + 2.0 * float(np.sum(window * cov[1 : m + 1]))
    cap = math.ceil(min(3.0 * math.sqrt(nobs), nobs / 3.0))
    if variance == 0.0:
        return float(cap)
    return float(max(1.0, min((g**2 / variance**2 * nobs) ** (1.0 / 3.0), cap)))


def stationary_indices(nobs: int, block: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """One draw of row numbers (T,): runs of geometric length with mean ``block``, wrapping around."""
    fresh = rng.random(nobs) < 1.0 / block
    fresh[0] = True
    starts = np.flatnonzero(fresh)
    group = np.cumsum(fresh) - 1
    first = rng.integers(0, nobs, starts.size)
    rows: npt.NDArray[np.int64] = (first[group] + np.arange(nobs) - starts[group]) % nobs
    return rows


def stationary_draws(
    statistic: Callable[[Array], Array], data: Array, block: float, draws: int, rng: int | np.random.Generator
) -> Array:
    """Statistics (draws, K) of resampled rows of ``data`` (T, M)."""
    if draws < 99:
        raise SpecError(f"draws={draws}: the ends of an interval need 99 draws at least.")
    if not 1.0 <= block < data.shape[0]:
        raise SpecError(f"block={block}: a mean block length lies between 1 and the {data.shape[0]} observations.")
    generator = np.random.default_rng(rng)
    return np.stack([statistic(data[stationary_indices(data.shape[0], block, generator)]) for _ in range(draws)])
