r"""What a copula adds to the DCC kernels: the t scores of the data, and the likelihood's slope when they move.

`series_sums` evaluates Chebyshev series at many points. `dcc_tangent` is the derivative of each log density of
`kernels.dcc.dcc_filter` along a direction :math:`(\dot x,\dot{\bar Q})`,

.. math::

    \dot Q_t = (1-a-b)\dot{\bar Q} + a(\dot x_{t-1}x_{t-1}'+x_{t-1}\dot x_{t-1}') + b\dot Q_{t-1}, \qquad
    \dot\ell_t = \operatorname{tr}(G_t\dot Q_t) + \dot x_t'\,\partial\ell_t/\partial x_t ,

with :math:`Q_1=\bar Q`.
"""

import numpy as np

from . import kernel
from .dcc import _density_and_slope

__all__ = ["dcc_tangent", "series_sums"]


@kernel
def series_sums(coefficients, points, width):
    """Sums (R, ...) of R Chebyshev series (R, M) in 2 s / width - 1 at s = ``points`` (K,), by Clenshaw: (R, K)."""
    rows, order = coefficients.shape
    out = np.empty((rows, points.shape[0]))
    for k in range(points.shape[0]):
        twice = 4.0 * points[k] / width - 2.0
        for r in range(rows):
            ahead = 0.0
            after = 0.0
            for j in range(order - 1, 0, -1):
                now = coefficients[r, j] + twice * ahead - after
                after = ahead
                ahead = now
            out[r, k] = coefficients[r, 0] + 0.5 * twice * ahead - after
    return out


@kernel
def dcc_tangent(a, b, nu, const, x, dx, target, dtarget):
    """Derivative of every log density along ``dx`` (T, N) and ``dtarget`` (N, N): (T,)."""
    nobs, n = x.shape
    out = np.empty(nobs)
    q = target.copy()
    dq = dtarget.copy()
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    g = np.zeros((n, n))
    gx = np.zeros(n)
    c = 1.0 - a - b
    for t in range(nobs):
        if t > 0:
            for i in range(n):
                for j in range(i + 1):
                    q[i, j] = c * target[i, j] + a * x[t - 1, i] * x[t - 1, j] + b * q[i, j]
                    q[j, i] = q[i, j]
                    news = dx[t - 1, i] * x[t - 1, j] + x[t - 1, i] * dx[t - 1, j]
                    dq[i, j] = c * dtarget[i, j] + a * news + b * dq[i, j]
        _density_and_slope(q, x[t], nu, const, room, vectors, g, gx, 1)
        total = 0.0
        for i in range(n):
            total += gx[i] * dx[t, i] + g[i, i] * dq[i, i]
            for j in range(i):
                total += 2.0 * g[i, j] * dq[i, j]
        out[t] = total
    return out
