r"""t scores as a smooth function of normal scores.

The unit-variance t score of a residual whose normal score is n is :math:`x_\nu(n)=G_\nu^{-1}\{\Phi(n)\}`, an odd
function. :math:`\ln\{x_\nu(n)/n\}` is smooth in :math:`n^2` however far into the tail n lies, and so is its derivative
by :math:`\nu`: two Chebyshev series stand for both, made anew for every :math:`\nu` from exact values at their nodes
and long enough that their last terms are at rounding error. Thousands of quantiles then cost what their nodes cost.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from ..estimation.params import Array
from ..kernels.copula import series_sums
from ..volatility.pit import log_normal, log_t, t_tail, t_tail_slope

__all__ = ["FARTHEST", "exact_t_scores", "normal_scores", "t_scores"]

# a normal score beyond this leaves 1e-138 of probability, of which the t quantile loses its digits
FARTHEST = 25.0
# normal scores up to here are read off the series: all but one in 10^10 of a normal margin's
_WIDTH = 6.5
_ORDERS = (32, 64, 128)
_EXACT = 1e-12


def exact_t_scores(n: Array, nu: float) -> tuple[Array, Array]:
    r"""Unit-variance t scores of normal scores ``n`` > 0 and their derivative by nu, quantile by quantile.

    The quantile is polished by Newton steps of the log tail in log x, which are exact for a power law, and reaches
    where quantile functions stop short; its slope is that of the implicit function :math:`G_\nu(x)=\Phi(n)`.
    """
    tail = special.ndtr(-n)
    x = -special.stdtrit(nu, tail) * np.sqrt((nu - 2.0) / nu)
    for _ in range(2):
        reached = t_tail(x, nu)
        x = x * np.exp(reached * np.log(reached / tail) / (x * np.exp(log_t(x, nu)[0])))
    return x, t_tail_slope(x, nu) / np.exp(log_t(x, nu)[0])


def t_scores(n: Array, nu: float, want: int) -> tuple[Array, Array, Array]:
    """Student t scores of normal scores ``n`` (any shape), dx/dn, and, with ``want`` = 1, dx/dnu (else empty).

    Each depends on its own n only: those beyond the series' range are found one by one, those beyond `FARTHEST` NaN.
    """
    flat = np.ascontiguousarray(n).ravel()
    size = np.abs(flat)
    far = ~(size <= _WIDTH)
    sums = series_sums(_series(nu, want), np.where(far, 0.0, size * size), _WIDTH**2)
    if far.any():
        known = far & (size <= FARTHEST)
        sums[:, far] = np.nan
        x, x_nu = exact_t_scores(size[known], nu)
        sums[:, known] = np.stack([np.log(x / size[known]), x_nu / x])[: len(sums)]
    scores = flat * np.exp(sums[0])
    by_n = np.exp(log_normal(flat) - log_t(scores, nu)[0])
    by_nu = (scores * sums[1]).reshape(n.shape) if want else np.empty(0)
    return scores.reshape(n.shape), by_n.reshape(n.shape), by_nu


def _series(nu: float, want: int) -> Array:
    """Chebyshev terms of ln(x/n) and, where wanted, of its derivative by nu, (1 or 2, M)."""
    for order in _ORDERS:
        angle = np.pi * (np.arange(order) + 0.5) / order
        nodes = _WIDTH * np.sqrt(0.5 * (1.0 + np.cos(angle)))
        x, x_nu = exact_t_scores(nodes, nu)
        values = np.stack([np.log(x / nodes), x_nu / x])[: 1 + want]
        terms: Array = values @ np.cos(np.outer(angle, np.arange(order))) * (2.0 / order)
        terms[:, 0] *= 0.5
        largest = np.maximum(np.abs(terms).max(axis=1), 1e-3)
        if (np.abs(terms[:, -4:]).max(axis=1) <= _EXACT * largest).all():
            break
    return np.ascontiguousarray(terms)


def normal_scores(x: Array, nu: float) -> Array:
    """Inverse of `t_scores` in n."""
    out: Array = -np.sign(x) * special.ndtri(t_tail(x, nu))
    return out
