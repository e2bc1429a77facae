r"""Dynamic equicorrelation, in blocks: likelihood, score, adjoint, path and simulation (Engle & Kelly 2012).

With Q_t of DCC or of cDCC and :math:`p_{it}=q_{ii,t}^{-1/2}`, the correlation of blocks k and l is the mean over their
pairs :math:`i\ne j`,

.. math:: \rho_{kl,t}=\frac1{n_{kl}}\sum_{i\in k,\,j\in l} p_{it}\,p_{jt}\,q_{ij,t} .

A matrix of such blocks needs no N×N factor (Archakov & Hansen 2024): an orthogonal rotation makes it

.. math:: \operatorname{diag}\{A,(1-\rho_{11})I_{n_1-1},\dots,(1-\rho_{KK})I_{n_K-1}\},\qquad
          A_{kk}=1+(n_k-1)\rho_{kk},\quad A_{kl}=\sqrt{n_kn_l}\,\rho_{kl},

so that, with :math:`y_k=n_k^{-1/2}\sum_{i\in k}z_i`,

.. math:: \ln|R|=\ln|A|+\sum_k(n_k-1)\ln(1-\rho_{kk}),\qquad
          z'R^{-1}z=y'A^{-1}y+\sum_k\frac{\sum_{i\in k}z_i^2-y_k^2}{1-\rho_{kk}} .

``star`` (T, N) is the news, z itself for DCC and :math:`z^*` for cDCC (``corrected`` = 1), ``half`` half the
log-derivatives of q_ii by a and b as `cdcc_star` returns them. :math:`Q_1` is the target ``s``, whose derivatives by
a and b are ``by_a, by_b``. ``block`` (N,) numbers the blocks and ``sizes`` (K,) counts them. Each date costs O(N^2).
"""

import math

import numpy as np

from . import kernel
from .dcc import _factor, _inverse, _tail

__all__ = ["deco_adjoint", "deco_filter", "deco_path", "deco_simulate"]


@kernel
def _counts(sizes):
    """Number of pairs in each block of pairs, (K, K)."""
    k = sizes.shape[0]
    out = np.empty((k, k))
    for r in range(k):
        for c in range(k):
            out[r, c] = sizes[r] * sizes[c]
        out[r, r] = 0.5 * sizes[r] * (sizes[r] - 1.0)
    return out


@kernel
def _means(q, block, counts, p, sums, rho):
    """Put 1/sqrt(q_ii) into ``p``, sum_{i in k, i != j} p_i q_ij into ``sums`` (K, N) and the means into ``rho``."""
    n = q.shape[0]
    kinds = rho.shape[0]
    for k in range(kinds):
        for j in range(n):
            sums[k, j] = 0.0
    for i in range(n):
        p[i] = 1.0 / math.sqrt(q[i, i])
    for i in range(n):
        k = block[i]
        f = p[i]
        own = sums[k, i]
        for j in range(n):
            sums[k, j] += f * q[i, j]
        sums[k, i] = own
    for k in range(kinds):
        for m in range(kinds):
            rho[k, m] = 0.0
    for j in range(n):
        for k in range(block[j] + 1):
            rho[block[j], k] += p[j] * sums[k, j]
    for k in range(kinds):
        for m in range(k):
            rho[k, m] /= counts[k, m]
            rho[m, k] = rho[k, m]
        # the pairs within a block were met twice; a block of one has none
        rho[k, k] = 0.5 * rho[k, k] / counts[k, k] if counts[k, k] > 0.0 else 0.0


@kernel
def _density(rho, zt, block, sizes, nu, const, room, work, slope, gz, want):
    """Log density of z_t and its slope by nu; where wanted the slopes by rho_kl (k <= l alike) and by z.

    ``room`` (3, K, K) and ``work`` (4, K) are scratch space. -inf where R is not positive definite.
    """
    kinds = rho.shape[0]
    n = zt.shape[0]
    low, inv, spare = room[0], room[1], room[2]
    y, squares, v, u = work[0], work[1], work[2], work[3]
    for k in range(kinds):
        y[k] = 0.0
        squares[k] = 0.0
    for i in range(n):
        y[block[i]] += zt[i]
        squares[block[i]] += zt[i] * zt[i]
    logdet = 0.0
    quad = 0.0
    for k in range(kinds):
        y[k] /= math.sqrt(sizes[k])
        rest = 1.0 - rho[k, k]
        if not rest > 0.0:
            return -np.inf, 0.0
        logdet += (sizes[k] - 1.0) * math.log(rest)
        quad += (squares[k] - y[k] * y[k]) / rest
        low[k, k] = 1.0 + (sizes[k] - 1.0) * rho[k, k]
        for m in range(k):
            low[k, m] = math.sqrt(sizes[k] * sizes[m]) * rho[k, m]
    if not _factor(low, kinds):
        return -np.inf, 0.0
    for k in range(kinds):
        value = y[k]
        for m in range(k):
            value -= low[k, m] * v[m]
        v[k] = value / low[k, k]
        quad += v[k] * v[k]
        logdet += 2.0 * math.log(low[k, k])
    value, weight, dnu = _tail(nu, const, float(n), quad)
    value -= 0.5 * logdet
    if want > 0:
        _inverse(low, inv, spare, kinds)
        for k in range(kinds):
            u[k] = 0.0
            for m in range(kinds):
                u[k] += inv[k, m] * y[m]
        for k in range(kinds):
            for m in range(k):
                slope[k, m] = (weight * u[k] * u[m] - inv[k, m]) * math.sqrt(sizes[k] * sizes[m])
                slope[m, k] = slope[k, m]
            rest = 1.0 - rho[k, k]
            spread = (sizes[k] - 1.0) - weight * (squares[k] - y[k] * y[k]) / rest
            slope[k, k] = 0.5 * ((sizes[k] - 1.0) * (weight * u[k] * u[k] - inv[k, k]) + spread / rest)
        for i in range(n):
            k = block[i]
            root = math.sqrt(sizes[k])
            gz[i] = -weight * (u[k] / root + (zt[i] - y[k] / root) / (1.0 - rho[k, k]))
    return value, dnu


@kernel
def _advance(a, b, s, star, t, q):
    """From Q_{t-1} to Q_t in place; Q_1 is the target."""
    n = q.shape[0]
    if t == 0:
        return
    rest = 1.0 - a - b
    for i in range(n):
        f = a * star[t - 1, i]
        for j in range(n):
            q[i, j] = rest * s[i, j] + f * star[t - 1, j] + b * q[i, j]


@kernel
def deco_filter(a, b, nu, const, z, star, half, corrected, s, by_a, by_b, block, sizes, want):
    """Loglik (T,), score (T, 2 or 3) or (0, ·)."""
    nobs, n = z.shape
    kinds = sizes.shape[0]
    loglik = np.empty(nobs)
    score = np.empty((nobs if want > 0 else 0, 3 if nu > 0.0 else 2))
    counts = _counts(sizes)
    q = s.copy()
    da = by_a.copy()
    db = by_b.copy()
    p = np.empty(n)
    sums = np.empty((kinds, n))
    moved = np.empty((2, kinds, n))
    rho = np.empty((kinds, kinds))
    slope = np.zeros((kinds, kinds))
    room = np.zeros((3, kinds, kinds))
    work = np.zeros((4, kinds))
    gz = np.zeros(n)
    ha = np.zeros(n)
    hb = np.zeros(n)
    rest = 1.0 - a - b
    for t in range(nobs):
        if want > 0 and t > 0:
            if corrected > 0:
                for i in range(n):
                    ha[i] = half[0, t - 1, i]
                    hb[i] = half[1, t - 1, i]
            for i in range(n):
                f = star[t - 1, i]
                fa, fb = 1.0 + a * ha[i], a * hb[i]
                for j in range(i + 1):
                    news = f * star[t - 1, j]
                    da[i, j] = news * (fa + a * ha[j]) - s[i, j] + rest * by_a[i, j] + b * da[i, j]
                    db[i, j] = news * (fb + a * hb[j]) - s[i, j] + rest * by_b[i, j] + q[i, j] + b * db[i, j]
        _advance(a, b, s, star, t, q)
        _means(q, block, counts, p, sums, rho)
        loglik[t], dnu = _density(rho, z[t], block, sizes, nu, const, room, work, slope, gz, want)
        if want > 0:
            for k in range(kinds):
                for j in range(n):
                    moved[0, k, j] = 0.0
                    moved[1, k, j] = 0.0
            for i in range(n):
                k = block[i]
                f = p[i]
                for j in range(i):
                    moved[0, k, j] += f * da[i, j]
                    moved[1, k, j] += f * db[i, j]
            sa = 0.0
            sb = 0.0
            for j in range(n):
                pull = 0.0  # d ell / d p_j
                for k in range(kinds):
                    if counts[k, block[j]] > 0.0:
                        f = slope[k, block[j]] / counts[k, block[j]]
                        sa += f * p[j] * moved[0, k, j]
                        sb += f * p[j] * moved[1, k, j]
                        pull += f * sums[k, j]
                f = -0.5 * pull * p[j] / q[j, j]
                sa += f * da[j, j]
                sb += f * db[j, j]
            score[t, 0] = sa
            score[t, 1] = sb
            if nu > 0.0:
                score[t, 2] = dnu
    return loglik, score


@kernel
def deco_adjoint(a, b, nu, const, z, star, corrected, s, block, sizes):
    r"""Gradient of the total log-likelihood by z (T, N), the target held fixed, and by the target (N, N) symmetric.

    Off its diagonal :math:`\partial\ell_t/\partial Q_t` is :math:`\tfrac12C_{kl}p_ip_j`: what a date leaves for the
    backward pass is O(N + K^2), and no matrix of a date is kept.
    """
    nobs, n = z.shape
    kinds = sizes.shape[0]
    counts = _counts(sizes)
    ps = np.empty((nobs, n))
    own = np.empty((nobs, n))
    slopes = np.zeros((nobs, kinds, kinds))
    dz = np.empty((nobs, n))
    q = s.copy()
    p = np.empty(n)
    sums = np.empty((kinds, n))
    rho = np.empty((kinds, kinds))
    slope = np.zeros((kinds, kinds))
    room = np.zeros((3, kinds, kinds))
    work = np.zeros((4, kinds))
    gz = np.zeros(n)
    for t in range(nobs):
        _advance(a, b, s, star, t, q)
        _means(q, block, counts, p, sums, rho)
        _density(rho, z[t], block, sizes, nu, const, room, work, slope, gz, 1)
        for k in range(kinds):
            for m in range(kinds):
                slopes[t, k, m] = slope[k, m] / counts[k, m] if counts[k, m] > 0.0 else 0.0
        for j in range(n):
            pull = 0.0
            for k in range(kinds):
                pull += slopes[t, k, block[j]] * sums[k, j]
            own[t, j] = -0.5 * pull * p[j] / q[j, j]
            ps[t, j] = p[j]
            dz[t, j] = gz[j]
    ds = np.zeros((n, n))
    lam = np.zeros((n, n))
    back = np.empty(n)
    for t in range(nobs - 1, -1, -1):
        # lam is Lambda_{t+1}; by way of the news it reaches z_t and, for cDCC, the diagonal of Q_t
        for j in range(n):
            back[j] = 0.0
        for i in range(n):
            f = star[t, i]
            for j in range(n):
                back[j] += f * lam[i, j]
        rest = 1.0 - a - b if t > 0 else 1.0
        for i in range(n):
            pull = 2.0 * a * back[i]
            if corrected > 0:
                own[t, i] += 0.5 * pull * z[t, i] * ps[t, i]
                pull /= ps[t, i]
            dz[t, i] += pull
        for i in range(n):
            f = 0.5 * ps[t, i]
            k = block[i]
            for j in range(n):
                lam[i, j] = f * slopes[t, k, block[j]] * ps[t, j] + b * lam[i, j]
            lam[i, i] += own[t, i] - f * slopes[t, k, k] * ps[t, i]
            for j in range(n):
                ds[i, j] += rest * lam[i, j]
    return dz, ds


@kernel
def deco_path(a, b, star, s, block, sizes):
    """Correlations of the blocks at t = 1 ... T+1, (T+1, K, K), and Q_{T+1}."""
    nobs, n = star.shape
    kinds = sizes.shape[0]
    counts = _counts(sizes)
    path = np.empty((nobs + 1, kinds, kinds))
    q = s.copy()
    p = np.empty(n)
    sums = np.empty((kinds, n))
    for t in range(nobs + 1):
        _advance(a, b, s, star, t, q)
        _means(q, block, counts, p, sums, path[t])
    return path, q


@kernel
def deco_simulate(a, b, s, shocks, first, corrected, block, sizes):
    """Residuals z_t = L_t u_t (H, N) and correlations of the blocks (H, K, K); ``first`` is Q_1."""
    nobs, n = shocks.shape
    kinds = sizes.shape[0]
    counts = _counts(sizes)
    z = np.empty((nobs, n))
    path = np.empty((nobs, kinds, kinds))
    q = first.copy()
    low = np.zeros((n, n))
    p = np.empty(n)
    sums = np.empty((kinds, n))
    news = np.empty((1, n))
    for t in range(nobs):
        if t > 0:
            _advance(a, b, s, news, 1, q)
        _means(q, block, counts, p, sums, path[t])
        for i in range(n):
            for j in range(i):
                low[i, j] = path[t, block[i], block[j]]
            low[i, i] = 1.0
        _factor(low, n)
        for i in range(n):
            total = 0.0
            for m in range(i + 1):
                total += low[i, m] * shocks[t, m]
            z[t, i] = total
            news[0, i] = total / p[i] if corrected > 0 else total
    return z, path
