"""Dependence between two persistent 0/1 series: circular shifts, fixed-b t-statistics, random blocks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.fft import irfft, rfft

from ..estimation.long_run import autocovariance_sum
from ..estimation.params import Array
from .episodes import Bits

__all__ = [
    "correlation_of",
    "fixed_b_pvalue",
    "hac_tstat",
    "holm",
    "mean_duration",
    "resample_blocks",
    "shift_pvalue",
    "shifted_matches",
]


def shifted_matches(x: Array, y: Array) -> Array:
    """Sum of x_{t-s} y_t for every circular shift s = 0, …, T - 1, by one Fourier transform."""
    out: Array = irfft(np.conj(rfft(x)) * rfft(y), x.size)
    return out


def correlation_of(x: Bits, y: Bits, matches: float) -> float:
    """Correlation of two 0/1 series with ``matches`` common ones."""
    mx, my = float(x.mean()), float(y.mean())
    return float((matches / x.size - mx * my) / np.sqrt(mx * (1.0 - mx) * my * (1.0 - my)))


def shift_pvalue(x: Bits, y: Bits, side: str) -> tuple[float, Array]:
    """Share of the circular shifts, the observed one included, as extreme as it; correlations (T,) by shift."""
    matches = np.rint(shifted_matches(x.astype(float), y.astype(float))).astype(np.int64)
    gap = x.size * matches - int(x.sum()) * int(y.sum())  # whole numbers: ties are exact
    if side == "two":
        extreme = np.abs(gap) >= abs(int(gap[0]))
    else:
        extreme = gap >= gap[0] if side == "upper" else gap <= gap[0]
    mx, my = x.mean(), y.mean()
    scale = x.size**2 * np.sqrt(mx * (1.0 - mx) * my * (1.0 - my))
    return float(extreme.mean()), gap / scale


def hac_tstat(x: Bits, y: Bits, lags: int) -> float:
    """t-statistic of the slope of y on x with Bartlett weights up to ``lags``."""
    a, b = x - x.mean(), y - y.mean()
    slope = float(a @ b / (a @ a))
    moment = a * (b - slope * a)
    variance = float(autocovariance_sum(moment[:, None], "bartlett", lags + 1.0)[0, 0]) * x.size / float(a @ a) ** 2
    return slope / float(np.sqrt(variance)) if variance > 0.0 else float("nan")


@lru_cache(maxsize=64)
def _bridge_variances(share: float) -> Array:
    """Long-run variances of demeaned white noise with a Bartlett bandwidth of ``share`` of the sample, (4000,)."""
    steps, count = 500, 4000
    noise = np.random.default_rng(20061132).standard_normal((count, steps))
    noise -= noise.mean(axis=1, keepdims=True)
    total = np.einsum("it,it->i", noise, noise)
    width = share * steps
    for lag in range(1, min(steps - 1, int(np.ceil(width)) - 1) + 1):
        total += 2.0 * (1.0 - lag / width) * np.einsum("it,it->i", noise[:, lag:], noise[:, :-lag])
    out: Array = np.maximum(total, 0.0) / steps
    return out


def fixed_b_pvalue(t: float, share: float, side: str) -> float:
    r"""P-value of a t-statistic whose Bartlett bandwidth is a fixed share of the sample (Kiefer & Vogelsang 2005).

    The numerator is normal and independent of the variance, so the p-value is the mean of :math:`\Phi(-t\sqrt v)` over
    draws of the variance v; the draws are the same at every call.
    """
    if not np.isfinite(t):
        return float("nan")
    root = np.sqrt(_bridge_variances(round(min(share, 1.0), 4)))
    if side == "two":
        return float(np.mean(2.0 * stats.norm.sf(abs(t) * root)))
    return float(np.mean(stats.norm.sf((t if side == "upper" else -t) * root)))


def resample_blocks(size: int, length: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Rows (size,) of a stationary bootstrap with mean block ``length``, around the circle."""
    fresh = rng.random(size) < 1.0 / length
    fresh[0] = True
    begins = rng.integers(0, size, size)
    last = np.maximum.accumulate(np.where(fresh, np.arange(size), 0))
    out: npt.NDArray[np.int64] = (begins[last] + np.arange(size) - last) % size
    return out


def mean_duration(bits: Bits) -> float:
    """Longer of the mean lengths of the runs of ones and of zeros."""
    runs = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(bits.astype(np.int8))) + 1, [bits.size]]))
    return float(max(runs[::2].mean(), runs[1::2].mean() if runs.size > 1 else 0.0))


def holm(pvalues: Array) -> Array:
    """Holm's (1979) adjusted p-values."""
    order = np.argsort(pvalues, kind="stable")
    count = pvalues.size
    stepped = np.maximum.accumulate((count - np.arange(count)) * pvalues[order])
    out = np.empty(count)
    out[order] = np.minimum(stepped, 1.0)
    return out
