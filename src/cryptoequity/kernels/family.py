r"""DCC(p, q), symmetric or not: likelihood, score, adjoint and simulation.

With :math:`n_t=\min(z_t,0)`,

.. math::

    Q_t = (1-\textstyle\sum a_i-\sum b_j)\bar Q - \sum g_i\bar N
        + \sum_i a_i z_{t-i}z_{t-i}' + \sum_i g_i n_{t-i}n_{t-i}' + \sum_j b_jQ_{t-j}.

Before the sample stand ``start_s`` for :math:`zz'`, ``start_n`` for :math:`nn'` and ``start_q`` for Q. Parameters are
stacked (a, g, b[, nu]). Densities are those of `cryptoequity.kernels.dcc`. The adjoint keeps Q at the starts of chunks
of dates and runs through each chunk again, so that no array of T matrices is held.
"""

import math

import numpy as np

from . import kernel
from .dcc import _density_and_slope, _factor

__all__ = ["CHUNK", "emit", "family_adjoint", "family_filter", "family_path", "family_simulate"]

# dates between two kept states of an adjoint pass
CHUNK = 64


@kernel
def _news(z, t, i, j, start_s):
    """Element of z_t z_t', before the sample that of ``start_s``."""
    return z[t, i] * z[t, j] if t >= 0 else start_s[i, j]


@kernel
def _falls(z, t, i, j, start_n):
    """Element of n_t n_t', n = min(z, 0)."""
    if t < 0:
        return start_n[i, j]
    return z[t, i] * z[t, j] if z[t, i] < 0.0 and z[t, j] < 0.0 else 0.0


@kernel
def _family_step(a, g, b, z, t, target, ntarget, start_s, start_n, qs, slots, out):
    """Put Q_t into ``out``; lag j of Q is ``qs[(t - j) % slots]``."""
    n = z.shape[1]
    rest = 1.0
    for k in range(a.shape[0]):
        rest -= a[k]
    for k in range(b.shape[0]):
        rest -= b[k]
    gsum = 0.0
    for k in range(g.shape[0]):
        gsum += g[k]
    for i in range(n):
        for j in range(i + 1):
            value = rest * target[i, j] - gsum * ntarget[i, j]
            for k in range(a.shape[0]):
                value += a[k] * _news(z, t - 1 - k, i, j, start_s)
            for k in range(g.shape[0]):
                value += g[k] * _falls(z, t - 1 - k, i, j, start_n)
            for k in range(b.shape[0]):
                value += b[k] * qs[(t - 1 - k) % slots, i, j]
            out[i, j] = value
            out[j, i] = value


@kernel
def family_filter(a, g, b, nu, const, z, target, ntarget, start_s, start_n, start_q, want):
    """Loglik (T,), score (T, K) or (0, ·), and the lags of Q the next date needs, newest first.

    ``last[0]`` is Q_{T+1} and ``last[k]`` Q_{T+1-k}: (q + 1, N, N).
    """
    nobs, n = z.shape
    p, o, q = a.shape[0], g.shape[0], b.shape[0]
    kinds = p + o + q
    slots = q + 1
    qs = np.empty((slots, n, n))
    for k in range(slots):
        qs[k] = start_q
    width = kinds if want > 0 else 0
    ds = np.zeros((width, slots, n, n))
    loglik = np.empty(nobs)
    score = np.empty((nobs if want > 0 else 0, kinds + (1 if nu > 0.0 else 0)))
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    slope = np.zeros((n, n))
    gz = np.zeros(n)
    for t in range(nobs + 1):
        here = t % slots
        for m in range(width):
            for i in range(n):
                for j in range(i + 1):
                    if m < p:
                        value = _news(z, t - 1 - m, i, j, start_s) - target[i, j]
                    elif m < p + o:
                        value = _falls(z, t - 1 - (m - p), i, j, start_n) - ntarget[i, j]
                    else:
                        value = qs[(t - 1 - (m - p - o)) % slots, i, j] - target[i, j]
                    for k in range(q):
                        value += b[k] * ds[m, (t - 1 - k) % slots, i, j]
                    ds[m, here, i, j] = value
        _family_step(a, g, b, z, t, target, ntarget, start_s, start_n, qs, slots, qs[here])
        if t == nobs:
            break
        loglik[t], dnu = _density_and_slope(qs[here], z[t], nu, const, room, vectors, slope, gz, want)
        if want > 0:
            for m in range(kinds):
                total = 0.0
                for i in range(n):
                    total += slope[i, i] * ds[m, here, i, i]
                    for j in range(i):
                        total += 2.0 * slope[i, j] * ds[m, here, i, j]
                score[t, m] = total
            if nu > 0.0:
                score[t, kinds] = dnu
    last = np.empty((slots, n, n))
    for k in range(slots):
        last[k] = qs[(nobs - k) % slots]
    return loglik, score, last


@kernel
def family_adjoint(a, g, b, nu, const, z, target, ntarget, start_s, start_n, start_q):
    r"""Gradient of the total log-likelihood in everything the parameters do not hold.

    :math:`\Lambda_t=G_t+\sum_jb_j\Lambda_{t+j}` with :math:`G_t=\partial\ell_t/\partial Q_t`.

    Returns dz (T, N), dtarget, dntarget, dstart_s, dstart_n, dstart_q: symmetric (N, N), so that the derivative along
    dX is ``sum(gradient * dX)``.
    """
    nobs, n = z.shape
    p, o, q = a.shape[0], g.shape[0], b.shape[0]
    reach = max(p, o, q, 1)
    slots = q + 1
    chunks = (nobs + CHUNK - 1) // CHUNK
    kept = np.empty((chunks, slots, n, n))
    qs = np.empty((slots, n, n))
    for k in range(slots):
        qs[k] = start_q
    for t in range(nobs):
        if t % CHUNK == 0:
            kept[t // CHUNK] = qs
        _family_step(a, g, b, z, t, target, ntarget, start_s, start_n, qs, slots, qs[t % slots])
    dz = np.zeros((nobs, n))
    dtarget = np.zeros((n, n))
    dntarget = np.zeros((n, n))
    ds = np.zeros((n, n))
    dn = np.zeros((n, n))
    dq = np.zeros((n, n))
    rest = 1.0 - a.sum() - b.sum()
    gsum = g.sum()
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    slopes = np.empty((CHUNK, n, n))
    gzs = np.empty((CHUNK, n))
    ring = np.zeros((reach + 1, n, n))  # Lambda of the dates after t
    for chunk in range(chunks - 1, -1, -1):
        first = chunk * CHUNK
        stop = min(first + CHUNK, nobs)
        qs[:] = kept[chunk]
        for t in range(first, stop):
            _family_step(a, g, b, z, t, target, ntarget, start_s, start_n, qs, slots, qs[t % slots])
            _density_and_slope(qs[t % slots], z[t], nu, const, room, vectors, slopes[t - first], gzs[t - first], 1)
        for t in range(stop - 1, first - 1, -1):
            here = t % (reach + 1)
            for i in range(n):
                for j in range(n):
                    value = slopes[t - first, i, j]
                    for k in range(q):
                        if t + 1 + k < nobs:
                            value += b[k] * ring[(t + 1 + k) % (reach + 1), i, j]
                    ring[here, i, j] = value
                    dtarget[i, j] += rest * value
                    dntarget[i, j] -= gsum * value
                    for k in range(p):
                        if t - 1 - k < 0:
                            ds[i, j] += a[k] * value
                    for k in range(o):
                        if t - 1 - k < 0:
                            dn[i, j] += g[k] * value
                    for k in range(q):
                        if t - 1 - k < 0:
                            dq[i, j] += b[k] * value
            for i in range(n):
                value = gzs[t - first, i]
                for j in range(n):
                    news = 0.0
                    for k in range(p):
                        if t + 1 + k < nobs:
                            news += a[k] * ring[(t + 1 + k) % (reach + 1), i, j]
                    value += 2.0 * news * z[t, j]
                    if z[t, i] < 0.0 and z[t, j] < 0.0:
                        falls = 0.0
                        for k in range(o):
                            if t + 1 + k < nobs:
                                falls += g[k] * ring[(t + 1 + k) % (reach + 1), i, j]
                        value += 2.0 * falls * z[t, j]
                dz[t, i] = value
    return dz, dtarget, dntarget, ds, dn, dq


@kernel
def family_path(a, g, b, z, target, ntarget, start_s, start_n, start_q, rows, cols):
    """Correlations of the pairs at t = 1 ... T+1: (T+1, K)."""
    nobs = z.shape[0]
    path = np.empty((nobs + 1, rows.shape[0]))
    slots = b.shape[0] + 1
    qs = np.empty((slots, 2, 2))
    two = np.empty((nobs, 2))
    at = np.empty(2, np.int64)
    small = np.empty((5, 2, 2))
    for k in range(rows.shape[0]):
        at[0], at[1] = rows[k], cols[k]
        for i in range(2):
            for t in range(nobs):
                two[t, i] = z[t, at[i]]
            for j in range(2):
                small[0, i, j] = target[at[i], at[j]]
                small[1, i, j] = ntarget[at[i], at[j]]
                small[2, i, j] = start_s[at[i], at[j]]
                small[3, i, j] = start_n[at[i], at[j]]
                small[4, i, j] = start_q[at[i], at[j]]
        for m in range(slots):
            qs[m] = small[4]
        for t in range(nobs + 1):
            here = qs[t % slots]
            _family_step(a, g, b, two, t, small[0], small[1], small[2], small[3], qs, slots, here)
            path[t, k] = here[0, 1] / math.sqrt(here[0, 0] * here[1, 1])
    return path


@kernel
def emit(q, shock, low, z, path, rows, cols):
    """Z = D^{-1/2} L u with Q = LL' and D its diagonal; correlations of the pairs into ``path``."""
    n = q.shape[0]
    for i in range(n):
        for j in range(i + 1):
            low[i, j] = q[i, j]
    _factor(low, n)
    for i in range(n):
        total = 0.0
        for m in range(i + 1):
            total += low[i, m] * shock[m]
        z[i] = total / math.sqrt(q[i, i])
    for k in range(rows.shape[0]):
        path[k] = q[rows[k], cols[k]] / math.sqrt(q[rows[k], rows[k]] * q[cols[k], cols[k]])


@kernel
def family_simulate(a, g, b, target, ntarget, shocks, past_s, past_n, past_q, rows, cols):
    """Residuals (H, N) and correlations (H, K); ``past_*`` hold the lags before the first date, newest first."""
    nobs, n = shocks.shape
    p, o, q = a.shape[0], g.shape[0], b.shape[0]
    z = np.empty((nobs, n))
    path = np.empty((nobs, rows.shape[0]))
    slots = q + 1
    qs = np.zeros((slots, n, n))
    for k in range(q):
        qs[(-1 - k) % slots] = past_q[k]
    low = np.zeros((n, n))
    rest = 1.0 - a.sum() - b.sum()
    gsum = g.sum()
    for t in range(nobs):
        here = qs[t % slots]
        for i in range(n):
            for j in range(i + 1):
                value = rest * target[i, j] - gsum * ntarget[i, j]
                for k in range(p):
                    lag = t - 1 - k
                    value += a[k] * (z[lag, i] * z[lag, j] if lag >= 0 else past_s[-1 - lag, i, j])
                for k in range(o):
                    lag = t - 1 - k
                    if lag < 0:
                        value += g[k] * past_n[-1 - lag, i, j]
                    elif z[lag, i] < 0.0 and z[lag, j] < 0.0:
                        value += g[k] * z[lag, i] * z[lag, j]
                for k in range(q):
                    value += b[k] * qs[(t - 1 - k) % slots, i, j]
                here[i, j] = value
        for i in range(n):
            for j in range(i):
                here[j, i] = here[i, j]
        emit(here, shocks[t], low, z[t], path[t], rows, cols)
    return z, path
