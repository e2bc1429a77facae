"""Quantile regression by the interior point method of Portnoy and Koenker, finished at a vertex."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryptoequity.kernels import kernel

__all__ = ["quantile_point"]

Floats = NDArray[np.float64]


@kernel
def _steps(x: Floats, dx: Floats, z: Floats, dz: Floats, s: Floats, w: Floats, dw: Floats) -> tuple[float, float]:
    """Longest primal and dual step that keep ``x``, ``s = 1 - x``, ``z`` and ``w`` positive, shortened by .9995."""
    primal = 1e20
    dual = 1e20
    for i in range(x.size):
        if dx[i] < 0.0:
            primal = min(primal, -x[i] / dx[i])
        elif dx[i] > 0.0:
            primal = min(primal, s[i] / dx[i])
        if dz[i] < 0.0:
            dual = min(dual, -z[i] / dz[i])
        if dw[i] < 0.0:
            dual = min(dual, -w[i] / dw[i])
    return min(0.9995 * primal, 1.0), min(0.9995 * dual, 1.0)


@kernel
def _weighted(design: Floats, q: Floats, right: Floats) -> Floats:
    """Solution of (X'QX) v = X'Q r."""
    width = design.shape[1]
    cross = np.zeros((width, width))
    side = np.zeros(width)
    for i in range(design.shape[0]):
        for j in range(width):
            scaled = q[i] * design[i, j]
            side[j] += scaled * right[i]
            for k in range(j + 1):
                cross[j, k] += scaled * design[i, k]
    for j in range(width):
        for k in range(j):
            cross[k, j] = cross[j, k]
    return np.linalg.solve(cross, side).astype(np.float64)


@kernel
def quantile_point(design: Floats, y: Floats, tau: float, tol: float, most: int) -> tuple[Floats, float, int]:
    r"""Minimize :math:`\sum_t\varrho_\tau(y_t-x_t'b)`, :math:`\varrho_\tau(u)=u(\tau-1\{u<0\})`.

    The dual, :math:`\max_d y'd` over :math:`X'd=(1-\tau)X'1`, :math:`0\le d\le1`, is followed along its central path
    with Mehrotra's corrector (Portnoy and Koenker 1997).

    Parameters
    ----------
    design : (T, K) of full rank, columns of comparable size. y : (T,), of a size near one. tau : in (0, 1).
    tol : gap between primal and dual objective at which to stop. most : iterations at most.

    Returns
    -------
    b : (K,). gap : what is left between the objectives. iterations : how many were made.
    """
    nobs = y.size
    x = np.full(nobs, 1.0 - tau)
    s = np.full(nobs, tau)
    start = _weighted(design, np.ones(nobs), y)
    # in the minimization of -y'd the multipliers are -b
    r = np.empty(nobs)
    z = np.empty(nobs)
    w = np.empty(nobs)
    multiplier = -start
    for i in range(nobs):
        value = -y[i]
        for k in range(start.size):
            value -= design[i, k] * multiplier[k]
        z[i] = max(value, 0.0)
        w[i] = z[i] - value
        # only their difference is given; both must be positive to start with
        z[i] += 0.001
        w[i] += 0.001
    q = np.empty(nobs)
    dx = np.empty(nobs)
    dz = np.empty(nobs)
    dw = np.empty(nobs)
    xi = np.empty(nobs)
    gap = 1e300
    count = 0
    while count < most:
        gap = 0.0
        for i in range(nobs):
            gap += z[i] * x[i] + w[i] * s[i]
        if gap < tol:
            break
        count += 1
        for i in range(nobs):
            q[i] = 1.0 / (z[i] / x[i] + w[i] / s[i])
            r[i] = z[i] - w[i]
        step = _weighted(design, q, r)
        for i in range(nobs):
            along = 0.0
            for k in range(step.size):
                along += design[i, k] * step[k]
            dx[i] = q[i] * (along - r[i])
            dz[i] = -z[i] * (1.0 + dx[i] / x[i])
            dw[i] = -w[i] * (1.0 - dx[i] / s[i])
        primal, dual = _steps(x, dx, z, dz, s, w, dw)
        if min(primal, dual) < 1.0:
            ahead = 0.0
            for i in range(nobs):
                ahead += (z[i] + dual * dz[i]) * (x[i] + primal * dx[i])
                ahead += (w[i] + dual * dw[i]) * (s[i] - primal * dx[i])
            mu = gap * (ahead / gap) ** 3 / (2.0 * nobs)
            for i in range(nobs):
                xi[i] = mu * (1.0 / x[i] - 1.0 / s[i]) - dx[i] * dz[i] / x[i] - dx[i] * dw[i] / s[i]
                r[i] -= xi[i]
            step = _weighted(design, q, r)
            for i in range(nobs):
                along = 0.0
                for k in range(step.size):
                    along += design[i, k] * step[k]
                old = dx[i]
                dx[i] = q[i] * (along - r[i])
                new_z = (mu - z[i] * dx[i] - old * dz[i]) / x[i] - z[i]
                new_w = (mu + w[i] * dx[i] + old * dw[i]) / s[i] - w[i]
                dz[i] = new_z
                dw[i] = new_w
            primal, dual = _steps(x, dx, z, dz, s, w, dw)
        for i in range(nobs):
            x[i] += primal * dx[i]
            s[i] -= primal * dx[i]
            z[i] += dual * dz[i]
            w[i] += dual * dw[i]
        for k in range(step.size):
            multiplier[k] += dual * step[k]
    return -multiplier, gap, count
