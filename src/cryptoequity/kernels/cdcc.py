r"""Corrected DCC(1,1) (Aielli 2013): likelihood, score, adjoint and simulation.

.. math::

    Q_t=(1-a-b)S+a z^*_{t-1}z^{*\prime}_{t-1}+bQ_{t-1},\qquad z^*_{it}=z_{it}\sqrt{q_{ii,t}},

so that :math:`\operatorname{E}_{t-1}z^*_tz^{*\prime}_t=Q_t` exactly. S has unit diagonal; :math:`Q_1=S`.
"""

import math

import numpy as np

from . import kernel
from .dcc import _density_and_slope
from .family import CHUNK, emit

__all__ = ["cdcc_adjoint", "cdcc_filter", "cdcc_path", "cdcc_simulate", "cdcc_star", "cdcc_star_adjoint"]


@kernel
def cdcc_star(a, b, z, want):
    r"""Residuals in the units of Q, :math:`z^*_{it}=z_{it}\sqrt{q_{ii,t}}`, which needs only the diagonal recursion.

    Returns z* (T, N) and, where wanted, half the log-derivative of q_ii by a and b, (2, T, N).
    """
    nobs, n = z.shape
    star = np.empty((nobs, n))
    half = np.zeros((2 if want > 0 else 0, nobs, n))
    for i in range(n):
        q = 1.0
        s = 1.0
        qa = 0.0
        qb = 0.0
        sa = 0.0
        sb = 0.0
        for t in range(nobs):
            if want > 0:
                qa, qb = s - 1.0 + a * sa + b * qa, q - 1.0 + a * sb + b * qb
            q = 1.0 - a - b + a * s + b * q
            star[t, i] = z[t, i] * math.sqrt(q)
            s = star[t, i] * star[t, i]
            if want > 0:
                half[0, t, i] = 0.5 * qa / q
                half[1, t, i] = 0.5 * qb / q
                sa = z[t, i] * z[t, i] * qa
                sb = z[t, i] * z[t, i] * qb
    return star, half


@kernel
def cdcc_star_adjoint(a, b, z, weight):
    """Gradient by z (T, N) of sum(weight * z*): the diagonal recursion of `cdcc_star`, backwards."""
    nobs, n = z.shape
    dz = np.empty((nobs, n))
    root = np.empty(nobs)
    for i in range(n):
        q = 1.0
        s = 1.0
        for t in range(nobs):
            q = 1.0 - a - b + a * s + b * q
            root[t] = math.sqrt(q)
            s = z[t, i] * z[t, i] * q
        later = 0.0  # by q_ii of the date after
        for t in range(nobs - 1, -1, -1):
            pull = weight[t, i] + 2.0 * a * z[t, i] * root[t] * later
            dz[t, i] = pull * root[t]
            later = 0.5 * pull * z[t, i] / root[t] + b * later
    return dz


@kernel
def cdcc_filter(a, b, nu, const, z, star, half, s, by_a, by_b, want):
    """Loglik (T,), score (T, 2 or 3) and Q_{T+1}; ``s`` is the target and ``by_a, by_b`` its own derivatives."""
    nobs, n = z.shape
    loglik = np.empty(nobs)
    score = np.empty((nobs if want > 0 else 0, 3 if nu > 0.0 else 2))
    q = s.copy()
    da = by_a.copy()
    db = by_b.copy()
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    slope = np.zeros((n, n))
    gz = np.zeros(n)
    rest = 1.0 - a - b
    for t in range(nobs + 1):
        if t > 0:
            for i in range(n):
                for j in range(i + 1):
                    news = star[t - 1, i] * star[t - 1, j]
                    if want > 0:
                        ha = half[0, t - 1, i] + half[0, t - 1, j]
                        hb = half[1, t - 1, i] + half[1, t - 1, j]
                        da[i, j] = news * (1.0 + a * ha) - s[i, j] + rest * by_a[i, j] + b * da[i, j]
                        db[i, j] = a * news * hb + q[i, j] - s[i, j] + rest * by_b[i, j] + b * db[i, j]
                    q[i, j] = rest * s[i, j] + a * news + b * q[i, j]
                    q[j, i] = q[i, j]
        if t == nobs:
            break
        loglik[t], dnu = _density_and_slope(q, z[t], nu, const, room, vectors, slope, gz, want)
        if want > 0:
            ua = 0.0
            ub = 0.0
            for i in range(n):
                ua += slope[i, i] * da[i, i]
                ub += slope[i, i] * db[i, i]
                for j in range(i):
                    ua += 2.0 * slope[i, j] * da[i, j]
                    ub += 2.0 * slope[i, j] * db[i, j]
            score[t, 0] = ua
            score[t, 1] = ub
            if nu > 0.0:
                score[t, 2] = dnu
    return loglik, score, q


@kernel
def cdcc_adjoint(a, b, nu, const, z, star, s):
    """Gradient of the total log-likelihood by z (T, N), S held fixed, and by S (N, N) symmetric."""
    nobs, n = z.shape
    chunks = (nobs + CHUNK - 1) // CHUNK
    kept = np.empty((chunks, n, n))
    q = s.copy()
    rest = 1.0 - a - b
    for t in range(nobs):
        if t > 0:
            for i in range(n):
                for j in range(n):
                    q[i, j] = rest * s[i, j] + a * star[t - 1, i] * star[t - 1, j] + b * q[i, j]
        if t % CHUNK == 0:
            kept[t // CHUNK] = q
    dz = np.zeros((nobs, n))
    ds = np.zeros((n, n))
    lam = np.zeros((n, n))
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    slopes = np.empty((CHUNK, n, n))
    gzs = np.empty((CHUNK, n))
    diagonal = np.empty((CHUNK, n))
    for chunk in range(chunks - 1, -1, -1):
        first = chunk * CHUNK
        stop = min(first + CHUNK, nobs)
        q[:] = kept[chunk]
        for t in range(first, stop):
            if t > first:
                for i in range(n):
                    for j in range(n):
                        q[i, j] = rest * s[i, j] + a * star[t - 1, i] * star[t - 1, j] + b * q[i, j]
            _density_and_slope(q, z[t], nu, const, room, vectors, slopes[t - first], gzs[t - first], 1)
            for i in range(n):
                diagonal[t - first, i] = q[i, i]
        for t in range(stop - 1, first - 1, -1):
            # lam is Lambda_{t+1}; by way of z*_t it reaches z_t and the diagonal of Q_t
            for i in range(n):
                pull = 0.0
                for j in range(n):
                    pull += lam[i, j] * star[t, j]
                pull *= 2.0 * a
                root = math.sqrt(diagonal[t - first, i])
                dz[t, i] = gzs[t - first, i] + pull * root
                slopes[t - first, i, i] += 0.5 * pull * z[t, i] / root
            for i in range(n):
                for j in range(n):
                    lam[i, j] = slopes[t - first, i, j] + b * lam[i, j]
                    ds[i, j] += (rest if t > 0 else 1.0) * lam[i, j]
    return dz, ds


@kernel
def cdcc_path(a, b, star, s, rows, cols):
    """Q of the pairs at t = 1 ... T+1: correlation, q_ij, q_ii, q_jj, (4, T+1, K)."""
    nobs = star.shape[0]
    out = np.empty((4, nobs + 1, rows.shape[0]))
    rest = 1.0 - a - b
    for k in range(rows.shape[0]):
        i, j = rows[k], cols[k]
        qij = s[i, j]
        qii = 1.0
        qjj = 1.0
        for t in range(nobs + 1):
            if t > 0:
                qij = rest * s[i, j] + a * star[t - 1, i] * star[t - 1, j] + b * qij
                qii = rest + a * star[t - 1, i] * star[t - 1, i] + b * qii
                qjj = rest + a * star[t - 1, j] * star[t - 1, j] + b * qjj
            out[0, t, k] = qij / math.sqrt(qii * qjj)
            out[1, t, k] = qij
            out[2, t, k] = qii
            out[3, t, k] = qjj
    return out


@kernel
def cdcc_simulate(a, b, s, shocks, first, rows, cols):
    """Residuals (H, N) and correlations (H, K); ``first`` is Q_1."""
    nobs, n = shocks.shape
    z = np.empty((nobs, n))
    path = np.empty((nobs, rows.shape[0]))
    q = first.copy()
    low = np.zeros((n, n))
    star = np.empty(n)
    rest = 1.0 - a - b
    for t in range(nobs):
        if t > 0:
            for i in range(n):
                star[i] = z[t - 1, i] * math.sqrt(q[i, i])
            for i in range(n):
                for j in range(n):
                    q[i, j] = rest * s[i, j] + a * star[i] * star[j] + b * q[i, j]
        emit(q, shocks[t], low, z[t], path[t], rows, cols)
    return z, path
