r"""Mixtures of exponentially weighted covariances: likelihood, score, path and simulation.

.. math::

    H_t = \sum_k w_k S_{k,t}, \quad S_{k,t} = (1-\lambda_k)\,\varepsilon_{t-1}\varepsilon_{t-1}' + \lambda_k S_{k,t-1} .

One component is the EWMA of RiskMetrics (1996), many are RiskMetrics 2006. ``decay`` (K,) holds :math:`\lambda_k`,
``weight`` (K,) holds :math:`w_k`, ``start`` (K, N, N) the :math:`S_{k,1}`. Nothing T×N×N is stored.
"""

import math

import numpy as np

from . import kernel
from .dcc import _factor, _inverse

__all__ = ["ewma_filter", "ewma_path", "ewma_simulate"]


@kernel
def _mix(weight, state, h):
    """Put the lower triangle of sum_k w_k S_k into ``h``."""
    n = h.shape[0]
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for k in range(weight.shape[0]):
                total += weight[k] * state[k, i, j]
            h[i, j] = total


@kernel
def _news(decay, state, e):
    """Let the lower triangles of the components pass one date."""
    for k in range(decay.shape[0]):
        for i in range(e.shape[0]):
            for j in range(i + 1):
                state[k, i, j] = (1.0 - decay[k]) * e[i] * e[j] + decay[k] * state[k, i, j]


@kernel
def ewma_filter(decay, weight, start, e, want):
    """Gaussian loglik (T,), score (T,) by the first decay or (0,), and the components at T + 1, (K, N, N).

    Where H_t is singular ``loglik`` is minus infinity and the score zero.
    """
    nobs, n = e.shape
    loglik = np.empty(nobs)
    score = np.zeros(nobs if want > 0 else 0)
    state = start.copy()
    h = np.zeros((n, n))
    slope = np.zeros((n, n))  # d S_1 / d lambda_1
    inv = np.zeros((n, n))
    work = np.zeros((n, n))
    v = np.zeros(n)
    w = np.zeros(n)
    base = -0.5 * n * math.log(2.0 * math.pi)
    for t in range(nobs):
        _mix(weight, state, h)
        if _factor(h, n):
            value = base
            for i in range(n):
                total = e[t, i]
                for m in range(i):
                    total -= h[i, m] * v[m]
                v[i] = total / h[i, i]
                value -= math.log(h[i, i]) + 0.5 * v[i] * v[i]
            loglik[t] = value
            if want > 0 and t > 0:
                _inverse(h, inv, work, n)
                for i in range(n):  # w = H^{-1} e = L^{-T} v
                    w[i] = 0.0
                    for m in range(i, n):
                        w[i] += work[m, i] * v[m]
                total = 0.0
                for i in range(n):
                    total += 0.5 * (w[i] * w[i] - inv[i, i]) * slope[i, i]
                    for j in range(i):
                        total += (w[i] * w[j] - inv[i, j]) * slope[i, j]
                score[t] = weight[0] * total
        else:
            loglik[t] = -np.inf
        if want > 0:
            for i in range(n):
                for j in range(i + 1):
                    slope[i, j] = state[0, i, j] - e[t, i] * e[t, j] + decay[0] * slope[i, j]
        _news(decay, state, e[t])
    for k in range(decay.shape[0]):
        for i in range(n):
            for j in range(i):
                state[k, j, i] = state[k, i, j]
    return loglik, score, state


@kernel
def ewma_path(decay, weight, start, e, rows, cols):
    """H_{ij,t} of the pairs (rows[m], cols[m]) at t = 1 … T: (T, M)."""
    nobs = e.shape[0]
    path = np.zeros((nobs, rows.shape[0]))
    for m in range(rows.shape[0]):
        i, j = rows[m], cols[m]
        for k in range(decay.shape[0]):
            s = start[k, i, j]
            for t in range(nobs):
                path[t, m] += weight[k] * s
                s = (1.0 - decay[k]) * e[t, i] * e[t, j] + decay[k] * s
    return path


@kernel
def ewma_simulate(decay, weight, start, shocks, keep):
    """Deviations (T, N) driven by uncorrelated unit-variance ``shocks``; covariances (T, N, N) when ``keep``."""
    nobs, n = shocks.shape
    e = np.empty((nobs, n))
    along = np.empty((nobs if keep > 0 else 0, n, n))
    state = start.copy()
    h = np.zeros((n, n))
    for t in range(nobs):
        _mix(weight, state, h)
        if keep > 0:
            for i in range(n):
                for j in range(i + 1):
                    along[t, i, j] = h[i, j]
                    along[t, j, i] = h[i, j]
        if not _factor(h, n):
            e[t:] = np.nan
            along[t:] = np.nan
            break
        for i in range(n):
            total = 0.0
            for m in range(i + 1):
                total += h[i, m] * shocks[t, m]
            e[t, i] = total
        _news(decay, state, e[t])
    return e, along
