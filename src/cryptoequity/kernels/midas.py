r"""Realized correlations of blocks of dates, their adjoint, and simulation of DCC around their weighted average.

The realized correlation of block k is :math:`C_k=\operatorname{diag}(S_k)^{-1/2}S_k\operatorname{diag}(S_k)^{-1/2}`
with :math:`S_k=\sum z_tz_t'` over its ``size`` dates. Only complete blocks have one.
"""

import math

import numpy as np

from . import kernel
from .dccx import driven_draw

__all__ = ["block_adjoint", "block_correlations", "midas_simulate"]


@kernel
def _block(z, first, size, out):
    """Put the correlation of rows first, ..., first + size - 1 of ``z`` into ``out``; NaN where a column is zero."""
    n = z.shape[1]
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for t in range(first, first + size):
                total += z[t, i] * z[t, j]
            out[i, j] = total
    for i in range(n):
        for j in range(i):
            value = out[i, j] / math.sqrt(out[i, i] * out[j, j])
            out[i, j] = value
            out[j, i] = value
    for i in range(n):
        out[i, i] = 1.0 if out[i, i] > 0.0 else np.nan


@kernel
def block_correlations(z, size):
    """Realized correlations of the complete blocks of ``z`` (T, N), (T // size, N, N)."""
    count = z.shape[0] // size
    out = np.empty((count, z.shape[1], z.shape[1]))
    for k in range(count):
        _block(z, k * size, size, out[k])
    return out


@kernel
def block_adjoint(z, size, blocks, slopes):
    r"""Gradient by z (T, N) of a function of the realized correlations, ``slopes`` (B, N, N) its symmetric gradient.

    With :math:`w_{it}=z_{it}/\sqrt{S_{ii}}`,
    :math:`\partial/\partial z_{it}=\frac2{\sqrt{S_{ii}}}\sum_{j\ne i}\Gamma_{ij}(w_{jt}-C_{ij}w_{it})`.
    """
    n = z.shape[1]
    out = np.zeros(z.shape)
    root = np.empty(n)
    for k in range(blocks.shape[0]):
        first = k * size
        for i in range(n):
            total = 0.0
            for t in range(first, first + size):
                total += z[t, i] * z[t, i]
            root[i] = math.sqrt(total)
        for i in range(n):
            for j in range(n):
                if i != j:
                    weight = 2.0 * slopes[k, i, j] / root[i]
                    for t in range(first, first + size):
                        out[t, i] += weight * (z[t, j] / root[j] - blocks[k, i, j] * z[t, i] / root[i])
    return out


@kernel
def midas_simulate(a, b, weights, size, past, shocks, history, start, start_q):
    """Residuals z (H, N) from uncorrelated unit-variance ``shocks`` (H, N); the level follows the draws themselves.

    past : (T, N) residuals before the first draw, on the same count of blocks. history : realized correlations of the
    blocks 0, 1, ... after K entries that stand for blocks before the sample; those of ``past`` are filled in, the
    rest is scratch. weights : (K,), the most recent block first. start, start_q : z_T z_T' and Q_T.
    """
    before, n = past.shape
    nobs = shocks.shape[0]
    lags = weights.shape[0]
    out = np.full((nobs, n), np.nan)
    z = np.empty((before + nobs, n))
    z[:before] = past
    q = start_q.copy()
    s = start.copy()
    level = np.empty((n, n))
    low = np.zeros((n, n))
    keep = 1.0 - a - b
    for t in range(before, before + nobs):
        block = t // size
        if t == before or t % size == 0:
            if t % size == 0 and t > before:
                _block(z, t - size, size, history[lags + block - 1])
            for i in range(n):
                for j in range(n):
                    total = 0.0
                    for m in range(lags):
                        total += weights[m] * history[lags + block - 1 - m, i, j]
                    level[i, j] = total
        for i in range(n):
            for j in range(i + 1):
                q[i, j] = keep * level[i, j] + a * s[i, j] + b * q[i, j]
                q[j, i] = q[i, j]
        if not driven_draw(q, low, shocks[t - before], z[t]):
            break
        out[t - before] = z[t]
        for i in range(n):
            for j in range(i + 1):
                s[i, j] = z[t, i] * z[t, j]
                s[j, i] = s[i, j]
    return out
