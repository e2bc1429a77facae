r"""Long-run covariances with a data-driven bandwidth: Bartlett and quadratic spectral kernels, prewhitening.

.. math:: \hat\Omega=\frac{T}{T-d}\sum_{|j|<T}k(j/S)\,\hat\Gamma_j,\qquad
          \hat\Gamma_j=\frac1T\sum_{t>j}m_tm_{t-j}'

`long_run_covariance` in `inference` is the Bartlett sum with a given whole number of lags.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from ..errors import DataError, SpecError, check_option
from .params import Array

__all__ = ["LongRun", "andrews_bandwidth", "autocovariance_sum", "quadratic_spectral"]


def quadratic_spectral(x: Array) -> Array:
    r"""Kernel :math:`k(x)=\frac{3}{\delta^2}(\frac{\sin\delta}{\delta}-\cos\delta)`, :math:`\delta=6\pi x/5`."""
    delta = 1.2 * np.pi * np.asarray(x, float)
    small = np.abs(delta) < 1e-3
    safe = np.where(small, 1.0, delta)
    # the series avoids the difference of two numbers that agree
    out: Array = np.where(small, 1.0 - delta**2 / 10.0, 3.0 / safe**2 * (np.sin(safe) / safe - np.cos(safe)))
    return out


def andrews_bandwidth(moments: Array, kernel: str, weights: Array | None = None) -> float:
    r"""Andrews' (1991) bandwidth from an AR(1) in each column of ``moments`` (T, K).

    Quadratic spectral: :math:`1.3221\{\alpha(2)T\}^{1/5}`; Bartlett: :math:`1.1447\{\alpha(1)T\}^{1/3}`, with
    :math:`\alpha(2)=\sum w4\rho^2\sigma^4(1-\rho)^{-8}/\sum w\sigma^4(1-\rho)^{-4}` and
    :math:`\alpha(1)=\sum w4\rho^2\sigma^4(1-\rho)^{-6}(1+\rho)^{-2}/\sum w\sigma^4(1-\rho)^{-4}`.

    Parameters
    ----------
    weights : (K,) of the columns; equal by default, as in Bai and Perron's program. Andrews gives the constant none.
    """
    check_option("kernel", kernel, ("bartlett", "qs"))
    nobs = moments.shape[0]
    past, now = moments[:-1], moments[1:]
    power = np.einsum("tk,tk->k", past, past)
    if not (power > 0.0).all():
        raise DataError("a moment is zero at every date: its long-run variance is zero, there is nothing to test.")
    rho = np.einsum("tk,tk->k", past, now) / power
    # an estimate at one makes the bandwidth infinite; .97 is Andrews and Monahan's (1992) bound
    rho = np.clip(rho, -0.97, 0.97)
    variance = np.mean((now - rho * past) ** 2, axis=0)
    w = np.ones(rho.size) if weights is None else np.asarray(weights, float)
    base = float(np.sum(w * variance**2 / (1.0 - rho) ** 4))
    if kernel == "qs":
        alpha = float(np.sum(w * 4.0 * rho**2 * variance**2 / (1.0 - rho) ** 8)) / base
        return float(1.3221 * (alpha * nobs) ** 0.2)
    alpha = float(np.sum(w * 4.0 * rho**2 * variance**2 / ((1.0 - rho) ** 6 * (1.0 + rho) ** 2))) / base
    return float(1.1447 * (alpha * nobs) ** (1.0 / 3.0))


def autocovariance_sum(moments: Array, kernel: str, bandwidth: float) -> Array:
    """Kernel-weighted sum of the autocovariances, (K, K)."""
    nobs, width = moments.shape
    total: Array = moments.T @ moments / nobs
    if bandwidth <= 0.0:
        return total
    if kernel == "bartlett":
        last = min(nobs - 1, int(np.ceil(bandwidth)) - 1)
        for lag in range(1, last + 1):
            gamma = moments[lag:].T @ moments[:-lag] / nobs
            total = total + (1.0 - lag / bandwidth) * (gamma + gamma.T)
        return total
    # every lag has weight: all autocovariances at once
    size = next_fast_len(2 * nobs, real=True)
    spectrum = rfft(moments, size, axis=0)
    weights = quadratic_spectral(np.arange(1, nobs) / bandwidth) / nobs
    out = np.empty((width, width))
    for i in range(width):
        for j in range(i, width):
            gamma = irfft(spectrum[:, i] * np.conj(spectrum[:, j]), size)
            # lag l of (i, j) sits at l, lag l of (j, i) at size - l
            both = gamma[1:nobs] + gamma[: size - nobs : -1]
            out[i, j] = out[j, i] = total[i, j] + float(weights @ both)
    return out


@dataclass(frozen=True)
class LongRun:
    """How a long-run covariance is estimated.

    Attributes
    ----------
    kernel : "bartlett" or "qs". bandwidth : S, or "andrews" for the AR(1) rule; Bartlett's S is its lags plus one.
    prewhiten : filter the moments by a VAR(1) without constant first and recolor after.
    cap : bound on the singular values of that VAR, of moments scaled to unit size (Andrews and Monahan 1992); None for
        none, as Bai and Perron.
    center : subtract the mean of the moments first.
    constant_weight : weight of the first column in the bandwidth rule; 0 where it is a constant's, as Andrews has it.
    """

    kernel: str = "qs"
    bandwidth: float | str = "andrews"
    prewhiten: bool = False
    cap: float | None = 0.97
    center: bool = False
    constant_weight: float = 1.0

    def __post_init__(self) -> None:
        check_option("kernel", self.kernel, ("bartlett", "qs"))
        if isinstance(self.bandwidth, str):
            check_option("bandwidth", self.bandwidth, ("andrews",))
        elif not (np.isfinite(self.bandwidth) and self.bandwidth >= 0):
            raise SpecError(f"bandwidth={self.bandwidth!r}: a number of at least 0, or 'andrews'.")
        if self.cap is not None and not 0 < self.cap < 1:
            raise SpecError(f"cap={self.cap!r}: a bound between 0 and 1, or None.")

    def covariance(self, moments: Array, dof: int = 0) -> Array:
        """Long-run covariance (K, K) of ``moments`` (T, K), divided by T - ``dof``.

        Raises
        ------
        DataError : fewer than K + 3 rows, a moment that is zero at every date, or a VAR(1) with a unit root and no cap.
        """
        m = np.asarray(moments, float)
        nobs, width = m.shape
        if nobs < width + 3 or nobs <= dof:
            raise DataError(f"a long-run covariance of {width} moments needs {width + 3} rows; there are {nobs}.")
        if self.center:
            m = m - m.mean(axis=0)
        recolor = np.eye(width)
        if self.prewhiten:
            past, now = m[:-1], m[1:]
            slope = np.linalg.lstsq(past, now, rcond=None)[0].T
            if self.cap is not None:
                # of moments of unit size: singular values, unlike eigenvalues, depend on units
                size = np.sqrt(np.mean(m**2, axis=0))
                size[size == 0.0] = 1.0
                left, values, right = np.linalg.svd(slope * size / size[:, None])
                slope = (left * np.minimum(values, self.cap)) @ right * size[:, None] / size
            try:
                recolor = np.linalg.inv(np.eye(width) - slope)
            except np.linalg.LinAlgError as error:
                raise DataError("the prewhitening VAR(1) has a unit root; set a cap such as 0.97.") from error
            m = now - past @ slope.T
        bandwidth = self.bandwidth
        if isinstance(bandwidth, str):
            weights = np.ones(width)
            weights[0] = self.constant_weight if width > 1 else 1.0
            bandwidth = andrews_bandwidth(m, self.kernel, weights)
        inner = autocovariance_sum(m, self.kernel, float(bandwidth))
        # the sum runs over the rows there are: one fewer after prewhitening
        out: Array = recolor @ inner @ recolor.T * (m.shape[0] / (m.shape[0] - dof))
        return out
