r"""Diagonal asymmetric generalized DCC (Cappiello, Engle & Sheppard 2006): likelihood, score, adjoint, simulation.

.. math::

    Q_{ij,t} = C_{ij}+a_ia_jz_{i,t-1}z_{j,t-1}+g_ig_jn_{i,t-1}n_{j,t-1}+b_ib_jQ_{ij,t-1},\qquad
    C_{ij} = (1-a_ia_j-b_ib_j)\bar Q_{ij}-g_ig_j\bar N_{ij},

with :math:`n_t=\min(z_t,0)`; before the first date :math:`zz'=Q=\bar Q` and :math:`nn'=\bar N`. C must be positive
definite.
"""

import math

import numpy as np

from . import kernel
from .dcc import _density_and_slope, _factor
from .family import CHUNK, emit

__all__ = ["agdcc_adjoint", "agdcc_filter", "agdcc_path", "agdcc_simulate"]


@kernel
def _agdcc_intercept(a, g, b, target, ntarget, out):
    """C, and whether it is positive definite; ``out`` (2, N, N) holds C and scratch space."""
    n = target.shape[0]
    for i in range(n):
        for j in range(n):
            out[0, i, j] = (1.0 - a[i] * a[j] - b[i] * b[j]) * target[i, j] - g[i] * g[j] * ntarget[i, j]
            out[1, i, j] = out[0, i, j]
    return _factor(out[1], n)


@kernel
def _agdcc_step(a, g, b, c, news, falls, q):
    """Turn Q_{t-1} into Q_t in place; ``news`` and ``falls`` are z z' and n n' of the date before."""
    n = q.shape[0]
    for i in range(n):
        for j in range(n):
            q[i, j] = c[i, j] + a[i] * a[j] * news[i, j] + g[i] * g[j] * falls[i, j] + b[i] * b[j] * q[i, j]


@kernel
def _outer(zt, news, falls):
    """Z z' and n n' of one date."""
    n = zt.shape[0]
    for i in range(n):
        for j in range(n):
            news[i, j] = zt[i] * zt[j]
            falls[i, j] = news[i, j] if zt[i] < 0.0 and zt[j] < 0.0 else 0.0


@kernel
def agdcc_filter(a, g, b, nu, const, z, target, ntarget, want):
    """Loglik (T,), score (T, 3N or 3N + 1) in the order (a, g, b[, nu]), and Q_{T+1}; -inf where C is not definite."""
    nobs, n = z.shape
    loglik = np.empty(nobs)
    score = np.zeros((nobs if want > 0 else 0, 3 * n + (1 if nu > 0.0 else 0)))
    c = np.empty((2, n, n))
    q = target.copy()
    if not _agdcc_intercept(a, g, b, target, ntarget, c):
        loglik[:] = -np.inf
        return loglik, score, q
    news = target.copy()
    falls = ntarget.copy()
    # d[0, i, j] is the derivative of Q_ij by a_i, d[1] by g_i, d[2] by b_i; that by a_j stands at (j, i)
    d = np.zeros((3, n, n))
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    slope = np.zeros((n, n))
    gz = np.zeros(n)
    for t in range(nobs + 1):
        if want > 0:
            for i in range(n):
                for j in range(n):
                    twice = 2.0 if i == j else 1.0
                    keep = b[i] * b[j]
                    d[0, i, j] = twice * a[j] * (news[i, j] - target[i, j]) + keep * d[0, i, j]
                    d[1, i, j] = twice * g[j] * (falls[i, j] - ntarget[i, j]) + keep * d[1, i, j]
                    d[2, i, j] = twice * b[j] * (q[i, j] - target[i, j]) + keep * d[2, i, j]
        _agdcc_step(a, g, b, c[0], news, falls, q)
        if t == nobs:
            break
        loglik[t], dnu = _density_and_slope(q, z[t], nu, const, room, vectors, slope, gz, want)
        if want > 0:
            for m in range(3):
                for i in range(n):
                    total = slope[i, i] * d[m, i, i]
                    for j in range(n):
                        if j != i:
                            total += 2.0 * slope[i, j] * d[m, i, j]
                    score[t, m * n + i] = total
            if nu > 0.0:
                score[t, 3 * n] = dnu
        _outer(z[t], news, falls)
    return loglik, score, q


@kernel
def agdcc_adjoint(a, g, b, nu, const, z, target, ntarget):
    """Gradient by z (T, N), by the target and by the moment of falls (N, N), starts included."""
    nobs, n = z.shape
    chunks = (nobs + CHUNK - 1) // CHUNK
    kept = np.empty((chunks, n, n))
    c = np.empty((2, n, n))
    _agdcc_intercept(a, g, b, target, ntarget, c)
    q = target.copy()
    news = target.copy()
    falls = ntarget.copy()
    for t in range(nobs):
        if t % CHUNK == 0:
            kept[t // CHUNK] = q
        if t > 0:
            _outer(z[t - 1], news, falls)
        _agdcc_step(a, g, b, c[0], news, falls, q)
    dz = np.zeros((nobs, n))
    dtarget = np.zeros((n, n))
    dntarget = np.zeros((n, n))
    lam = np.zeros((n, n))
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    slopes = np.empty((CHUNK, n, n))
    gzs = np.empty((CHUNK, n))
    for chunk in range(chunks - 1, -1, -1):
        first = chunk * CHUNK
        stop = min(first + CHUNK, nobs)
        q[:] = kept[chunk]
        for t in range(first, stop):
            if t > 0:
                _outer(z[t - 1], news, falls)
            else:
                news[:] = target
                falls[:] = ntarget
            _agdcc_step(a, g, b, c[0], news, falls, q)
            _density_and_slope(q, z[t], nu, const, room, vectors, slopes[t - first], gzs[t - first], 1)
        for t in range(stop - 1, first - 1, -1):
            for i in range(n):
                value = gzs[t - first, i]
                for j in range(n):
                    weight = a[i] * a[j]
                    if z[t, i] < 0.0 and z[t, j] < 0.0:
                        weight += g[i] * g[j]
                    value += 2.0 * weight * lam[i, j] * z[t, j]
                dz[t, i] = value
            for i in range(n):
                for j in range(n):
                    lam[i, j] = slopes[t - first, i, j] + b[i] * b[j] * lam[i, j]
                    dtarget[i, j] += (1.0 - a[i] * a[j] - b[i] * b[j]) * lam[i, j]
                    dntarget[i, j] -= g[i] * g[j] * lam[i, j]
                    if t == 0:
                        dtarget[i, j] += (a[i] * a[j] + b[i] * b[j]) * lam[i, j]
                        dntarget[i, j] += g[i] * g[j] * lam[i, j]
    return dz, dtarget, dntarget


@kernel
def agdcc_path(a, g, b, z, target, ntarget, rows, cols):
    """Correlations of the pairs at t = 1 ... T+1: (T+1, K)."""
    nobs = z.shape[0]
    path = np.empty((nobs + 1, rows.shape[0]))
    at = np.empty(2, np.int64)
    two = np.empty((2, 2))
    q = np.empty((2, 2))
    for k in range(rows.shape[0]):
        at[0], at[1] = rows[k], cols[k]
        for i in range(2):
            for j in range(2):
                q[i, j] = target[at[i], at[j]]
        for t in range(nobs + 1):
            for i in range(2):
                for j in range(2):
                    x, y = at[i], at[j]
                    if t == 0:
                        two[0, 0] = target[x, y]
                        two[0, 1] = ntarget[x, y]
                    else:
                        two[0, 0] = z[t - 1, x] * z[t - 1, y]
                        two[0, 1] = two[0, 0] if z[t - 1, x] < 0.0 and z[t - 1, y] < 0.0 else 0.0
                    c = (1.0 - a[x] * a[y] - b[x] * b[y]) * target[x, y] - g[x] * g[y] * ntarget[x, y]
                    q[i, j] = c + a[x] * a[y] * two[0, 0] + g[x] * g[y] * two[0, 1] + b[x] * b[y] * q[i, j]
            path[t, k] = q[0, 1] / math.sqrt(q[0, 0] * q[1, 1])
    return path


@kernel
def agdcc_simulate(a, g, b, target, ntarget, shocks, first, rows, cols):
    """Residuals (H, N) and correlations (H, K); ``first`` is Q_1."""
    nobs, n = shocks.shape
    z = np.empty((nobs, n))
    path = np.empty((nobs, rows.shape[0]))
    c = np.empty((2, n, n))
    _agdcc_intercept(a, g, b, target, ntarget, c)
    q = first.copy()
    news = np.empty((n, n))
    falls = np.empty((n, n))
    low = np.zeros((n, n))
    for t in range(nobs):
        if t > 0:
            _outer(z[t - 1], news, falls)
            _agdcc_step(a, g, b, c[0], news, falls, q)
        emit(q, shocks[t], low, z[t], path[t], rows, cols)
    return z, path
