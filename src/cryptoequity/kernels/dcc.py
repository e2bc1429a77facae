r"""Scalar DCC(1,1): likelihood, score, adjoint and simulation.

.. math::

    Q_t = (1-a-b)\bar Q + a\,z_{t-1}z_{t-1}' + b\,Q_{t-1}, \qquad
    R_t = \operatorname{diag}(Q_t)^{-1/2}\,Q_t\,\operatorname{diag}(Q_t)^{-1/2}.

``start`` holds :math:`z_0z_0'` and ``start_q`` :math:`Q_0`; with both equal to :math:`\bar Q`,
:math:`Q_1=\bar Q`. It is :math:`Q` that is factored, not :math:`R`: :math:`\ln|R|=\ln|Q|-\sum\ln q_{ii}` and
:math:`z'R^{-1}z = y'Q^{-1}y` with :math:`y_i=z_i\sqrt{q_{ii}}`.

The density of :math:`z_t` given the past is Gaussian, or Student's t with unit variances when
``nu > 0``: :math:`\ell_t = c(\nu) - \tfrac12\ln|R_t| - \tfrac{\nu+N}{2}\ln\{1+z'R^{-1}z/(\nu-2)\}`.
``const`` is :math:`(c, dc/d\nu)`. Parameters are stacked (a, b[, nu]).
"""

import math

import numpy as np

from . import kernel

__all__ = [
    "dcc_adjoint",
    "dcc_adjoint_pair",
    "dcc_filter",
    "dcc_filter_pair",
    "dcc_last",
    "dcc_path",
    "dcc_simulate",
    "dcc_total_pair",
    "dcc_whiten",
    "pair_score",
    "pair_shift_simulate",
]


@kernel
def _tail(nu, const, n, quad):
    """Value, weight and d/dnu of the elliptical density, given z'R^{-1}z.

    ``weight`` is -2 d value/d quad: 1 for the normal.
    """
    if nu > 0.0:
        grow = math.log1p(quad / (nu - 2.0))
        weight = (nu + n) / (nu - 2.0 + quad)
        value = const[0] - 0.5 * (nu + n) * grow
        dnu = const[1] - 0.5 * grow + 0.5 * weight * quad / (nu - 2.0)
        return value, weight, dnu
    return const[0] - 0.5 * quad, 1.0, 0.0


@kernel
def _pair_density(z1, z2, rho, nu, const):
    r"""Log density of a pair given its correlation, with its slopes by :math:`\rho`, :math:`\nu`, z_1 and z_2.

    :math:`\partial\ell/\partial\rho=\rho/(1-\rho^2)+w\{z_1z_2-\rho\,z'R^{-1}z\}/(1-\rho^2)`, where :math:`w`
    is 1 for the normal;
    under normality this is the familiar
    :math:`\rho/(1-\rho^2)+[z_1z_2(1+\rho^2)-\rho(z_1^2+z_2^2)]/(1-\rho^2)^2`.
    """
    per_det = 1.0 / ((1.0 - rho) * (1.0 + rho))
    quad = (z1 * z1 - 2.0 * rho * z1 * z2 + z2 * z2) * per_det
    value, weight, dnu = _tail(nu, const, 2.0, quad)
    value += 0.5 * math.log(per_det)
    drho = (rho + weight * (z1 * z2 - rho * quad)) * per_det
    by_z = -weight * per_det
    return value, drho, dnu, by_z * (z1 - rho * z2), by_z * (z2 - rho * z1)


@kernel
def dcc_filter_pair(a, b, nu, const, z, target, start, start_q, want):
    """N = 2 in closed form: loglik (T,), correlation (T,), score (T, 2 or 3) or (0, ·).

    ``target, start, start_q`` are (3,): elements 11, 12, 22.
    """
    nobs = z.shape[0]
    k = 3 if nu > 0.0 else 2
    loglik = np.empty(nobs)
    path = np.empty(nobs)
    score = np.empty((nobs if want > 0 else 0, k))
    c = 1.0 - a - b
    q11, q12, q22 = start_q[0], start_q[1], start_q[2]
    s11, s12, s22 = start[0], start[1], start[2]
    # derivatives of Q_t by a and by b
    a11 = a12 = a22 = b11 = b12 = b22 = 0.0
    for t in range(nobs):
        if want > 0:
            a11 = s11 - target[0] + b * a11
            a12 = s12 - target[1] + b * a12
            a22 = s22 - target[2] + b * a22
            b11 = q11 - target[0] + b * b11
            b12 = q12 - target[1] + b * b12
            b22 = q22 - target[2] + b * b22
        q11 = c * target[0] + a * s11 + b * q11
        q12 = c * target[1] + a * s12 + b * q12
        q22 = c * target[2] + a * s22 + b * q22
        z1, z2 = z[t, 0], z[t, 1]
        s11, s12, s22 = z1 * z1, z1 * z2, z2 * z2
        per_root = 1.0 / math.sqrt(q11 * q22)
        rho = q12 * per_root
        path[t] = rho
        loglik[t], drho, dnu, _, _ = _pair_density(z1, z2, rho, nu, const)
        if want > 0:
            h1, h2 = 0.5 * rho / q11, 0.5 * rho / q22
            score[t, 0] = drho * (a12 * per_root - h1 * a11 - h2 * a22)
            score[t, 1] = drho * (b12 * per_root - h1 * b11 - h2 * b22)
            if nu > 0.0:
                score[t, 2] = dnu
    return loglik, path, score


@kernel
def dcc_total_pair(a, b, nu, const, z, target, start, start_q):
    """Sum of the log-likelihoods of `dcc_filter_pair`: one logarithm for sixteen dates, nothing stored."""
    c = 1.0 - a - b
    q11, q12, q22 = start_q[0], start_q[1], start_q[2]
    s11, s12, s22 = start[0], start[1], start[2]
    per = 1.0 / (nu - 2.0) if nu > 0.0 else 0.0
    dets, tails, total, quads = 1.0, 1.0, 0.0, 0.0
    for t in range(z.shape[0]):
        q11 = c * target[0] + a * s11 + b * q11
        q12 = c * target[1] + a * s12 + b * q12
        q22 = c * target[2] + a * s22 + b * q22
        z1, z2 = z[t, 0], z[t, 1]
        s11, s12, s22 = z1 * z1, z1 * z2, z2 * z2
        rho = q12 / math.sqrt(q11 * q22)
        per_det = 1.0 / ((1.0 - rho) * (1.0 + rho))
        quad = (s11 - 2.0 * rho * s12 + s22) * per_det
        dets *= per_det
        quads += quad
        tails *= 1.0 + per * quad
        if t % 16 == 15:
            total += 0.5 * math.log(dets) - 0.5 * (nu + 2.0) * math.log(tails)
            dets, tails = 1.0, 1.0
    total += 0.5 * math.log(dets) - 0.5 * (nu + 2.0) * math.log(tails)
    return z.shape[0] * const[0] + total - (0.0 if nu > 0.0 else 0.5 * quads)


@kernel
def dcc_adjoint_pair(a, b, nu, const, z, target, start, start_q):
    """`dcc_adjoint` for N = 2: the likelihood depends on Q_t through one correlation only.

    Returns dz (T, 2), dtarget, dstart and dstart_q as (2, 2); see `dcc_adjoint`.
    """
    nobs = z.shape[0]
    slopes = np.empty((nobs, 3))
    dz = np.empty((nobs, 2))
    c = 1.0 - a - b
    q11, q12, q22 = start_q[0], start_q[1], start_q[2]
    s11, s12, s22 = start[0], start[1], start[2]
    for t in range(nobs):
        q11 = c * target[0] + a * s11 + b * q11
        q12 = c * target[1] + a * s12 + b * q12
        q22 = c * target[2] + a * s22 + b * q22
        z1, z2 = z[t, 0], z[t, 1]
        s11, s12, s22 = z1 * z1, z1 * z2, z2 * z2
        per_root = 1.0 / math.sqrt(q11 * q22)
        rho = q12 * per_root
        _, drho, _, dz[t, 0], dz[t, 1] = _pair_density(z1, z2, rho, nu, const)
        slopes[t, 0] = -0.5 * drho * rho / q11
        slopes[t, 1] = 0.5 * drho * per_root  # half of d ell/d q12: the matrix gradient holds it twice
        slopes[t, 2] = -0.5 * drho * rho / q22
    l11 = l12 = l22 = 0.0
    t11 = t12 = t22 = 0.0
    for t in range(nobs - 1, -1, -1):
        z1, z2 = z[t, 0], z[t, 1]
        dz[t, 0] += 2.0 * a * (l11 * z1 + l12 * z2)
        dz[t, 1] += 2.0 * a * (l12 * z1 + l22 * z2)
        l11 = slopes[t, 0] + b * l11
        l12 = slopes[t, 1] + b * l12
        l22 = slopes[t, 2] + b * l22
        t11 += l11
        t12 += l12
        t22 += l22
    total = np.array([[t11, t12], [t12, t22]])
    last = np.array([[l11, l12], [l12, l22]])
    return dz, c * total, a * last, b * last


@kernel
def pair_score(z, path, nu, const):
    r"""Score of each observation in its own correlation: d ell_t / d rho_t, and its mean information.

    The information is :math:`(1+\rho^2)/(1-\rho^2)^2` for the normal and, for the t, its exact counterpart
    :math:`[(\nu+2)(1+\rho^2)/(\nu+4)-2\rho^2/(\nu+4)]/(1-\rho^2)^2`.
    """
    nobs = z.shape[0]
    score = np.empty(nobs)
    info = np.empty(nobs)
    for t in range(nobs):
        rho = path[t]
        _, score[t], _, _, _ = _pair_density(z[t, 0], z[t, 1], rho, nu, const)
        det = (1.0 - rho) * (1.0 + rho)
        if nu > 0.0:
            info[t] = (1.0 + rho * rho) * (nu + 2.0) / (nu + 4.0) - 2.0 * rho * rho / (nu + 4.0)
        else:
            info[t] = 1.0 + rho * rho
        info[t] /= det * det
    return score, info


# Sums run over four rows at a time, written out: a single sum waits for its own last addition, and the order of
# summation is the program's, not the machine's. Indices come from ranges, which numba knows not to be negative.


@kernel
def _factor(low, n):
    """Cholesky in place of the lower triangle; False when not positive definite."""
    for j in range(n):
        total = low[j, j]
        for m in range(j):
            total -= low[j, m] * low[j, m]
        if not total > 0.0:
            return False
        root = math.sqrt(total)
        per = 1.0 / root
        low[j, j] = root
        stop = n - (n - j - 1) % 4
        for i in range(j + 1, stop, 4):
            s0 = low[i, j]
            s1 = low[i + 1, j]
            s2 = low[i + 2, j]
            s3 = low[i + 3, j]
            for m in range(j):
                f = low[j, m]
                s0 -= low[i, m] * f
                s1 -= low[i + 1, m] * f
                s2 -= low[i + 2, m] * f
                s3 -= low[i + 3, m] * f
            low[i, j] = s0 * per
            low[i + 1, j] = s1 * per
            low[i + 2, j] = s2 * per
            low[i + 3, j] = s3 * per
        for i in range(stop, n):
            total = low[i, j]
            for m in range(j):
                total -= low[i, m] * low[j, m]
            low[i, j] = total * per
    return True


@kernel
def _inverse(low, inv, work, n):
    """Put (LL')^{-1} into ``inv``, symmetric; ``work`` (N, N) takes L^{-1}, and its transpose above the diagonal."""
    even = n - n % 4
    # row i of work from its diagonal on: column i of L^{-1}
    for i in range(0, even, 4):
        for k in range(i, i + 4):
            for m in range(i, k):
                work[k, m] = 0.0
        for r in range(i, n):
            s0 = 0.0
            s1 = 0.0
            s2 = 0.0
            s3 = 0.0
            for m in range(i, r):
                f = low[r, m]
                s0 += work[i, m] * f
                s1 += work[i + 1, m] * f
                s2 += work[i + 2, m] * f
                s3 += work[i + 3, m] * f
            per = 1.0 / low[r, r]
            work[i, r] = per if r == i else -s0 * per
            work[i + 1, r] = per if r == i + 1 else -s1 * per
            work[i + 2, r] = per if r == i + 2 else -s2 * per
            work[i + 3, r] = per if r == i + 3 else -s3 * per
    for i in range(even, n):
        work[i, i] = 1.0 / low[i, i]
        for r in range(i + 1, n):
            total = 0.0
            for m in range(i, r):
                total += work[i, m] * low[r, m]
            work[i, r] = -total / low[r, r]
    for i in range(n):
        stop = i + 1 - (i + 1) % 4
        for j in range(0, stop, 4):
            s0 = 0.0
            s1 = 0.0
            s2 = 0.0
            s3 = 0.0
            for m in range(i, n):
                f = work[i, m]
                s0 += work[j, m] * f
                s1 += work[j + 1, m] * f
                s2 += work[j + 2, m] * f
                s3 += work[j + 3, m] * f
            inv[i, j] = s0
            inv[i, j + 1] = s1
            inv[i, j + 2] = s2
            inv[i, j + 3] = s3
        for j in range(stop, i + 1):
            total = 0.0
            for m in range(i, n):
                total += work[i, m] * work[j, m]
            inv[i, j] = total
        for j in range(i):
            inv[j, i] = inv[i, j]
    for i in range(n):
        for j in range(i):
            work[i, j] = work[j, i]


@kernel
def _density_and_slope(q, zt, nu, const, room, vectors, g, gz, want):
    """Log density of z_t given Q_t and its slope by nu; where wanted G = d ell/d Q (symmetric) and d ell/d z.

    ``room`` (3, N, N) and ``vectors`` (3, N) are scratch space: nothing is allocated inside the loop over t.
    """
    n = q.shape[0]
    low, inv, work = room[0], room[1], room[2]
    root, v, w = vectors[0], vectors[1], vectors[2]
    for i in range(n):
        for j in range(i + 1):
            low[i, j] = q[i, j]
    if not _factor(low, n):
        return -np.inf, 0.0
    # one logarithm for sixteen factors, none of which is far from one
    logdet = 0.0
    grown = 1.0
    for i in range(n):
        root[i] = math.sqrt(q[i, i])
        w[i] = 1.0 / low[i, i]
    for i in range(n):
        grown *= low[i, i] / root[i]
        if i % 16 == 15:
            logdet += math.log(grown)
            grown = 1.0
    logdet += math.log(grown)
    # forward solve L v = y, y_i = z_i sqrt(q_ii); four sums side by side, since one would wait for itself
    quad = 0.0
    for i in range(n):
        s0 = zt[i] * root[i]
        s1 = 0.0
        s2 = 0.0
        s3 = 0.0
        stop = i - i % 4
        for m in range(0, stop, 4):
            s0 -= low[i, m] * v[m]
            s1 -= low[i, m + 1] * v[m + 1]
            s2 -= low[i, m + 2] * v[m + 2]
            s3 -= low[i, m + 3] * v[m + 3]
        for m in range(stop, i):
            s0 -= low[i, m] * v[m]
        v[i] = ((s0 + s1) + (s2 + s3)) * w[i]
        quad += v[i] * v[i]
    value, weight, dnu = _tail(nu, const, float(n), quad)
    value -= logdet
    if want > 0:
        _inverse(low, inv, work, n)
        # w = Q^{-1} y = L^{-T} v
        for i in range(n):
            w[i] = 0.0
        for m in range(n):
            for i in range(m + 1):
                w[i] += work[m, i] * v[m]
        for i in range(n):
            f = weight * w[i]
            for j in range(n):
                g[i, j] = 0.5 * (f * w[j] - inv[i, j])
        for i in range(n):
            for j in range(i):
                g[j, i] = g[i, j]  # symmetric to the last bit
            g[i, i] += 0.5 / q[i, i] - 0.5 * weight * w[i] * zt[i] / root[i]
            gz[i] = -weight * w[i] * root[i]
    return value, dnu


@kernel
def dcc_filter(a, b, nu, const, z, target, start, start_q, want):
    """Any N: loglik (T,), score (T, 2 or 3) or (0, ·), and Q_{T+1} (N, N); nothing T×N×N is stored."""
    nobs, n = z.shape
    loglik = np.empty(nobs)
    score = np.empty((nobs if want > 0 else 0, 3 if nu > 0.0 else 2))
    da = np.zeros((n, n))
    db = np.zeros((n, n))
    q = start_q.copy()
    news = start.copy()
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    g = np.zeros((n, n))
    gz = np.zeros(n)
    c = 1.0 - a - b
    for t in range(nobs + 1):
        # lower triangles, a row at a time
        for i in range(n):
            if want > 0:
                for j in range(i + 1):
                    da[i, j] = news[i, j] - target[i, j] + b * da[i, j]
                for j in range(i + 1):
                    db[i, j] = q[i, j] - target[i, j] + b * db[i, j]
            for j in range(i + 1):
                q[i, j] = c * target[i, j] + a * news[i, j] + b * q[i, j]
        if t == nobs:
            break
        loglik[t], dnu = _density_and_slope(q, z[t], nu, const, room, vectors, g, gz, want)
        if want > 0:
            sa = 0.0
            sb = 0.0
            for i in range(n):
                ra = 0.0
                rb = 0.0
                for j in range(i):
                    ra += g[i, j] * da[i, j]
                    rb += g[i, j] * db[i, j]
                sa += 2.0 * ra + g[i, i] * da[i, i]
                sb += 2.0 * rb + g[i, i] * db[i, i]
            score[t, 0] = sa
            score[t, 1] = sb
            if nu > 0.0:
                score[t, 2] = dnu
        for i in range(n):
            zi = z[t, i]
            for j in range(i + 1):
                news[i, j] = zi * z[t, j]
    for i in range(n):
        for j in range(i):
            q[j, i] = q[i, j]
    return loglik, score, q


@kernel
def _step(a, b, c, z, t, target, start, q):
    """From Q_{t-1} to Q_t in place, c = 1 - a - b."""
    n = q.shape[0]
    for i in range(n):
        for j in range(i + 1):
            shock = start[i, j] if t == 0 else z[t - 1, i] * z[t - 1, j]
            q[i, j] = c * target[i, j] + a * shock + b * q[i, j]
            q[j, i] = q[i, j]


@kernel
def dcc_adjoint(a, b, nu, const, z, target, start, start_q):
    r"""Gradient of the total log-likelihood in everything the parameters do not hold.

    Backward recursion :math:`\Lambda_t = G_t + b\Lambda_{t+1}` with :math:`G_t=\partial\ell_t/\partial Q_t`; then
    :math:`\partial L/\partial\bar Q=(1-a-b)\sum\Lambda_t`, :math:`\partial L/\partial (z_tz_t') = a\Lambda_{t+1}`.

    Returns
    -------
    dz : (T, N); dtarget : (N, N); dstart : (N, N), by z_0 z_0'; dstart_q : (N, N), by Q_0.
    Matrix gradients are symmetric: the derivative along dX is ``sum(gradient * dX)``.
    """
    nobs, n = z.shape
    # Q at the start of every chunk of dates is kept, and each chunk run through again: 2 sqrt(T) matrices, not T
    size = int(math.sqrt(nobs)) + 1
    chunks = (nobs + size - 1) // size
    kept = np.empty((chunks, n, n))
    slopes = np.empty((size, n, n))
    dz = np.empty((nobs, n))
    q = start_q.copy()
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    gz = np.zeros(n)
    c = 1.0 - a - b
    for t in range((chunks - 1) * size + 1):
        if t % size == 0:
            kept[t // size] = q
        _step(a, b, c, z, t, target, start, q)
    tail = np.zeros((n, n))
    total = np.zeros((n, n))
    for chunk in range(chunks - 1, -1, -1):
        first, stop = chunk * size, min((chunk + 1) * size, nobs)
        q[:] = kept[chunk]
        for t in range(first, stop):
            _step(a, b, c, z, t, target, start, q)
            _density_and_slope(q, z[t], nu, const, room, vectors, slopes[t - first], gz, 1)
            for i in range(n):
                dz[t, i] = gz[i]
        for t in range(stop - 1, first - 1, -1):
            # tail is Lambda_{t+1}
            for i in range(n):
                for j in range(n):
                    dz[t, i] += 2.0 * a * tail[i, j] * z[t, j]
            for i in range(n):
                for j in range(n):
                    tail[i, j] = slopes[t - first, i, j] + b * tail[i, j]
                    total[i, j] += tail[i, j]
    return dz, c * total, a * tail, b * tail


@kernel
def dcc_last(a, b, z, target, start, start_q):
    """Q_{T+1}, (N, N), in O(T N^2): the recursion alone."""
    nobs, n = z.shape
    q = start_q.copy()
    c = 1.0 - a - b
    for t in range(nobs + 1):
        for i in range(n):
            if t == 0:
                for j in range(n):
                    q[i, j] = c * target[i, j] + a * start[i, j] + b * q[i, j]
            else:
                for j in range(n):
                    q[i, j] = c * target[i, j] + a * (z[t - 1, i] * z[t - 1, j]) + b * q[i, j]
    return q


@kernel
def dcc_path(a, b, z, target, start, start_q, rows, cols):
    """Correlations of the pairs (rows[k], cols[k]) at t = 1 … T+1: (T+1, K)."""
    nobs = z.shape[0]
    npairs = rows.shape[0]
    path = np.empty((nobs + 1, npairs))
    c = 1.0 - a - b
    for k in range(npairs):
        i, j = rows[k], cols[k]
        qii, qij, qjj = start_q[i, i], start_q[i, j], start_q[j, j]
        sii, sij, sjj = start[i, i], start[i, j], start[j, j]
        for t in range(nobs + 1):
            qii = c * target[i, i] + a * sii + b * qii
            qij = c * target[i, j] + a * sij + b * qij
            qjj = c * target[j, j] + a * sjj + b * qjj
            path[t, k] = qij / math.sqrt(qii * qjj)
            if t < nobs:
                sii = z[t, i] * z[t, i]
                sij = z[t, i] * z[t, j]
                sjj = z[t, j] * z[t, j]
    return path


@kernel
def dcc_simulate(a, b, target, shocks, start_q):
    """Standardized residuals z (T, N) driven by uncorrelated unit-variance ``shocks`` (T, N).

    ``start_q`` is Q_1. A (T, N) array only: the correlations are those `dcc_path` gives back.
    """
    nobs, n = shocks.shape
    z = np.empty((nobs, n))
    q = start_q.copy()
    low = np.zeros((n, n))
    c = 1.0 - a - b
    for t in range(nobs):
        if t > 0:
            for i in range(n):
                for j in range(i + 1):
                    q[i, j] = c * target[i, j] + a * z[t - 1, i] * z[t - 1, j] + b * q[i, j]
        for i in range(n):
            for j in range(i + 1):
                low[i, j] = q[i, j]
        _factor(low, n)
        for i in range(n):
            total = 0.0
            for m in range(i + 1):
                total += low[i, m] * shocks[t, m]
            z[t, i] = total / math.sqrt(q[i, i])
    return z


@kernel
def dcc_whiten(a, b, z, target, start, start_q):
    """Invert `dcc_simulate`: shocks u with z_t = L_t u_t, L_t the Cholesky factor of R_t."""
    nobs, n = z.shape
    out = np.empty((nobs, n))
    q = start_q.copy()
    low = np.zeros((n, n))
    c = 1.0 - a - b
    for t in range(nobs):
        for i in range(n):
            for j in range(i + 1):
                shock = start[i, j] if t == 0 else z[t - 1, i] * z[t - 1, j]
                q[i, j] = c * target[i, j] + a * shock + b * q[i, j]
        for i in range(n):
            for j in range(i + 1):
                low[i, j] = q[i, j]
        _factor(low, n)
        for i in range(n):
            value = z[t, i] * math.sqrt(q[i, i])
            for m in range(i):
                value -= low[i, m] * out[t, m]
            out[t, i] = value / low[i, i]
    return out


@kernel
def pair_shift_simulate(a, b, target, shocks, shift):
    r"""Residuals (T, 2) whose correlation is a null DCC path plus ``shift`` (T,), and that path.

    The DCC path :math:`\rho^0_t` is driven by the residuals the null itself would have produced from the same
    shocks, so the shift does not feed back into it; :math:`\rho_t=\rho^0_t+\text{shift}_t`. A sum outside
    (-1, 1) gives NaN from there on.
    """
    nobs = shocks.shape[0]
    z = np.empty((nobs, 2))
    path = np.empty(nobs)
    c = 1.0 - a - b
    q11, q12, q22 = 1.0, target, 1.0
    y1, y2 = 0.0, 0.0
    for t in range(nobs):
        if t > 0:
            q11 = c + a * y1 * y1 + b * q11
            q12 = c * target + a * y1 * y2 + b * q12
            q22 = c + a * y2 * y2 + b * q22
        null = q12 / math.sqrt(q11 * q22)
        y1 = shocks[t, 0]
        y2 = null * shocks[t, 0] + math.sqrt(1.0 - null * null) * shocks[t, 1]
        rho = null + shift[t]
        if not (rho > -1.0 and rho < 1.0):
            for s in range(t, nobs):
                path[s] = np.nan
                z[s, 0] = np.nan
                z[s, 1] = np.nan
            break
        path[t] = rho
        z[t, 0] = y1
        z[t, 1] = rho * shocks[t, 0] + math.sqrt(1.0 - rho * rho) * shocks[t, 1]
    return z, path
