r"""DCC whose intercept moves: by a slow level, by exogenous variables, or by both.

.. math::

    Q_t = (1-a-b)M_{\tau(t)} + \sum_m c_m x_{mt}K_m + a\,z_{t-1}z_{t-1}' + b\,Q_{t-1}, \qquad
    R_t = \operatorname{diag}(Q_t)^{-1/2}\,Q_t\,\operatorname{diag}(Q_t)^{-1/2},

with :math:`z_0z_0'=Q_0=M_0`. The level :math:`M_\tau` is constant over blocks of ``size`` dates, :math:`\tau(t)` the
block of t: one block for DCC-X, many for DCC-MIDAS. Row t of ``x`` acts on :math:`Q_t`. ``slopes`` holds the
derivatives of the levels by the E parameters behind them. Parameters are stacked (a, b, those E, c[, nu]); ``nu`` and
``const`` are as in `kernels.dcc`. A matrix that is not positive definite gives a log-likelihood of minus infinity
from its date on.

The second half is the form in Fisher's z for a pair, :math:`\rho_t=\tanh f_t`,

.. math:: f_t = \lambda + b(f_{t-1}-\lambda) + a\,s_{t-1} + \textstyle\sum_m c_m x_{mt}, \qquad f_0=\lambda,\ s_0=0,

with :math:`s_t` the score of date t in :math:`f_t` over its information (`kernels.gas.gas_step`).
"""

import math

import numpy as np

from . import kernel
from .dcc import _density_and_slope, _factor, _pair_density
from .gas import gas_step

__all__ = [
    "driven_adjoint",
    "driven_adjoint_pair",
    "driven_draw",
    "driven_filter",
    "driven_filter_pair",
    "driven_limits",
    "driven_path",
    "driven_simulate",
    "fisher_adjoint",
    "fisher_filter",
    "fisher_simulate",
    "spend_room",
]


@kernel
def driven_limits(a, b, x, top, cap, sample):
    r"""Largest effects of either sign that leave Q positive semidefinite, each driver alone, with slopes by a and b.

    Without ``sample``: for any drivers inside the range of ``x`` (T, M), :math:`|c|\,\lambda\,\max|x|\le` cap - a - b
    with the maximum on the side that counts. With it: for the drivers as they are. Summing the recursion without
    news, :math:`Q_t\succeq D_t\bar Q+c\,k_tK` where :math:`D_t=bD_{t-1}+` cap - a - b (a more on the first date, for
    the start) and :math:`k_t=bk_{t-1}+x_t`, so that :math:`|c|\,\lambda\,\max|k_t/D_t|\le1`; never more than twenty
    times the limit by the range, for :math:`k_t` may have one sign only. ``top`` holds the :math:`\lambda`.

    Returns
    -------
    limits : (M, 2) of the negative and of the positive effects, both > 0. slopes : (M, 2, 2), the last axis a and b.
    """
    drivers = top.shape[0]
    limits = np.empty((drivers, 2))
    slopes = np.empty((drivers, 2, 2))
    room = max(cap - a - b, 0.0)
    for m in range(drivers):
        ends = np.zeros(2)
        turn = np.zeros((2, 2))
        for side in range(2):
            sign = 1.0 if side == 0 else -1.0
            for t in range(x.shape[0]):
                ends[side] = max(ends[side], sign * x[t, m])
        widest = np.zeros(2)
        if sample:
            for side in range(2):
                widest[side] = 0.05 * ends[side] / room if room > 0.0 else np.inf
                turn[side, 0] = turn[side, 1] = widest[side] / room if room > 0.0 else 0.0
            k = kb = da = db = 0.0
            d = 1.0
            for t in range(x.shape[0]):
                kb = k + b * kb
                k = b * k + x[t, m]
                first = 1.0 if t == 0 else 0.0
                da = b * da - 1.0 + first
                db = d + b * db - 1.0
                d = b * d + room + a * first
                for side in range(2):
                    value = (1.0 if side == 0 else -1.0) * k / d
                    if value > widest[side]:
                        widest[side] = value
                        turn[side, 0] = -value * da / d
                        turn[side, 1] = ((1.0 if side == 0 else -1.0) * kb - value * db) / d
        for side in range(2):
            if sample:
                limit = 1.0 / (top[m] * widest[side])
                limits[m, side] = limit
                slopes[m, side, 0] = -limit * turn[side, 0] / widest[side]
                slopes[m, side, 1] = -limit * turn[side, 1] / widest[side]
            else:
                limits[m, side] = room / (top[m] * ends[side])
                slopes[m, side, 0] = slopes[m, side, 1] = -1.0 / (top[m] * ends[side])
    return limits, slopes


@kernel
def spend_room(theta, limits, slopes):
    """From shares to effects: theta (K,) and d theta / d shares (K, K).

    Element 2 + m of ``theta`` comes as a share of the interval of effects that ``limits`` allows driver m, reduced by
    what the drivers before it have spent of theirs.
    """
    size = theta.shape[0]
    out = theta.copy()
    jac = np.eye(size)
    left = 1.0
    by_left = np.zeros(size)
    by_unit = np.zeros(size)
    for m in range(limits.shape[0]):
        k = 2 + m
        low, high, share = limits[m, 0], limits[m, 1], theta[k]
        unit = (low + high) * share - low
        by_unit[:] = 0.0
        for j in range(2):
            by_unit[j] = (slopes[m, 0, j] + slopes[m, 1, j]) * share - slopes[m, 0, j]
        by_unit[k] = low + high
        out[k] = left * unit
        for j in range(size):
            jac[k, j] = by_left[j] * unit + left * by_unit[j]
        if not (low > 0.0 and high > 0.0):
            continue  # a and b have left no room at all
        spent = unit / high if unit > 0.0 else -unit / low
        rest = max(1.0 - spent, 0.0)
        for j in range(size):
            if unit > 0.0:
                by_spent = (by_unit[j] - (spent * slopes[m, 1, j] if j < 2 else 0.0)) / high
            else:
                by_spent = (-by_unit[j] - (spent * slopes[m, 0, j] if j < 2 else 0.0)) / low
            by_left[j] = by_left[j] * rest - left * by_spent
        left *= rest
    return out, jac


@kernel
def _stop(loglik, score, t):
    """Minus infinity from date t on; the scores that are left are zero."""
    for s in range(t, loglik.shape[0]):
        loglik[s] = -np.inf
    for s in range(t, score.shape[0]):
        for k in range(score.shape[1]):
            score[s, k] = 0.0


@kernel
def driven_filter_pair(a, b, c, nu, const, z, levels, slopes, size, x, blocks, want):
    """N = 2: loglik (T,), score (T, 2 + E + M [+ 1]) or (0, ·), and Q_T as its elements 11, 12, 22.

    levels (B, 3), slopes (E, B, 3) and blocks (M, 3) hold these elements too.
    """
    nobs = z.shape[0]
    extra, drivers = slopes.shape[0], c.shape[0]
    count = 2 + extra + drivers
    loglik = np.empty(nobs)
    score = np.empty((nobs if want > 0 else 0, count + (1 if nu > 0.0 else 0)))
    q = levels[0].copy()
    s = levels[0].copy()
    # derivatives of Q_t by a, b and the parameters of the level; by c_m it is a number times K_m
    d = np.zeros((2 + extra, 3))
    for e in range(extra):
        for i in range(3):
            d[2 + e, i] = slopes[e, 0, i]
    by_c = np.zeros(drivers)
    keep = 1.0 - a - b
    for t in range(nobs):
        level = levels[t // size]
        if want > 0:
            for i in range(3):
                d[0, i] = s[i] - level[i] + b * d[0, i]
                d[1, i] = q[i] - level[i] + b * d[1, i]
            for e in range(extra):
                for i in range(3):
                    first = a * slopes[e, 0, i] if t == 0 else 0.0
                    d[2 + e, i] = keep * slopes[e, t // size, i] + first + b * d[2 + e, i]
            for m in range(drivers):
                by_c[m] = x[t, m] + b * by_c[m]
        for i in range(3):
            q[i] = keep * level[i] + a * s[i] + b * q[i]
            for m in range(drivers):
                q[i] += c[m] * x[t, m] * blocks[m, i]
        if not (q[0] > 0.0 and q[2] > 0.0 and q[0] * q[2] > q[1] * q[1]):
            _stop(loglik, score, t)
            break
        z1, z2 = z[t, 0], z[t, 1]
        s[0], s[1], s[2] = z1 * z1, z1 * z2, z2 * z2
        per_root = 1.0 / math.sqrt(q[0] * q[2])
        rho = q[1] * per_root
        if not (rho > -1.0 and rho < 1.0):
            _stop(loglik, score, t)
            break
        loglik[t], drho, dnu, _, _ = _pair_density(z1, z2, rho, nu, const)
        if want > 0:
            g1, g3 = -0.5 * drho * rho / q[0], -0.5 * drho * rho / q[2]
            g2 = drho * per_root
            for k in range(2 + extra):
                score[t, k] = g1 * d[k, 0] + g2 * d[k, 1] + g3 * d[k, 2]
            for m in range(drivers):
                along = g1 * blocks[m, 0] + g2 * blocks[m, 1] + g3 * blocks[m, 2]
                score[t, 2 + extra + m] = by_c[m] * along
            if nu > 0.0:
                score[t, count] = dnu
    return loglik, score, q


@kernel
def driven_adjoint_pair(a, b, c, nu, const, z, levels, size, x, blocks):
    """`driven_adjoint` for N = 2; levels (B, 3), gradient by the levels as (B, 2, 2)."""
    nobs = z.shape[0]
    slopes = np.empty((nobs, 3))
    dz = np.empty((nobs, 2))
    keep = 1.0 - a - b
    q = levels[0].copy()
    s = levels[0].copy()
    for t in range(nobs):
        level = levels[t // size]
        for i in range(3):
            q[i] = keep * level[i] + a * s[i] + b * q[i]
            for m in range(c.shape[0]):
                q[i] += c[m] * x[t, m] * blocks[m, i]
        z1, z2 = z[t, 0], z[t, 1]
        s[0], s[1], s[2] = z1 * z1, z1 * z2, z2 * z2
        per_root = 1.0 / math.sqrt(q[0] * q[2])
        rho = q[1] * per_root
        _, drho, _, dz[t, 0], dz[t, 1] = _pair_density(z1, z2, rho, nu, const)
        slopes[t, 0] = -0.5 * drho * rho / q[0]
        slopes[t, 1] = 0.5 * drho * per_root  # half of d ell/d q12: the matrix gradient holds it twice
        slopes[t, 2] = -0.5 * drho * rho / q[2]
    l11 = l12 = l22 = 0.0
    total = np.zeros((levels.shape[0], 2, 2))
    for t in range(nobs - 1, -1, -1):
        z1, z2 = z[t, 0], z[t, 1]
        dz[t, 0] += 2.0 * a * (l11 * z1 + l12 * z2)
        dz[t, 1] += 2.0 * a * (l12 * z1 + l22 * z2)
        l11 = slopes[t, 0] + b * l11
        l12 = slopes[t, 1] + b * l12
        l22 = slopes[t, 2] + b * l22
        part = total[t // size]
        weight = keep if t > 0 else 1.0  # the start adds a + b of the first level
        part[0, 0] += weight * l11
        part[0, 1] += weight * l12
        part[1, 0] += weight * l12
        part[1, 1] += weight * l22
    return dz, total


@kernel
def _advance(a, b, c, q, s, level, x, t, blocks):
    """Move Q_{t-1} in ``q`` to Q_t."""
    n = q.shape[0]
    keep = 1.0 - a - b
    for i in range(n):
        for j in range(i + 1):
            value = keep * level[i, j] + a * s[i, j] + b * q[i, j]
            for m in range(c.shape[0]):
                value += c[m] * x[t, m] * blocks[m, i, j]
            q[i, j] = value
            q[j, i] = value


@kernel
def _square(z, t, s):
    for i in range(s.shape[0]):
        for j in range(i + 1):
            s[i, j] = z[t, i] * z[t, j]
            s[j, i] = s[i, j]


@kernel
def _along(g, d):
    """Sum of the products of two symmetric matrices' elements, from their lower triangles."""
    total = 0.0
    for i in range(g.shape[0]):
        total += g[i, i] * d[i, i]
        for j in range(i):
            total += 2.0 * g[i, j] * d[i, j]
    return total


@kernel
def driven_filter(a, b, c, nu, const, z, levels, slopes, size, x, blocks, want):
    """Any N: loglik (T,), score (T, 2 + E + M [+ 1]) or (0, ·), and Q_T (N, N).

    levels (B, N, N), slopes (E, B, N, N), x (T, M), blocks (M, N, N).
    """
    nobs, n = z.shape
    extra, drivers = slopes.shape[0], c.shape[0]
    count = 2 + extra + drivers
    loglik = np.empty(nobs)
    score = np.empty((nobs if want > 0 else 0, count + (1 if nu > 0.0 else 0)))
    q = levels[0].copy()
    s = levels[0].copy()
    d = np.zeros((2 + extra, n, n))
    for e in range(extra):
        for i in range(n):
            for j in range(n):
                d[2 + e, i, j] = slopes[e, 0, i, j]
    by_c = np.zeros(drivers)
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    g = np.zeros((n, n))
    gz = np.zeros(n)
    keep = 1.0 - a - b
    for t in range(nobs):
        level = levels[t // size]
        if want > 0:
            for i in range(n):
                for j in range(i + 1):
                    d[0, i, j] = s[i, j] - level[i, j] + b * d[0, i, j]
                    d[1, i, j] = q[i, j] - level[i, j] + b * d[1, i, j]
                    for e in range(extra):
                        first = a * slopes[e, 0, i, j] if t == 0 else 0.0
                        d[2 + e, i, j] = keep * slopes[e, t // size, i, j] + first + b * d[2 + e, i, j]
            for m in range(drivers):
                by_c[m] = x[t, m] + b * by_c[m]
        _advance(a, b, c, q, s, level, x, t, blocks)
        loglik[t], dnu = _density_and_slope(q, z[t], nu, const, room, vectors, g, gz, want)
        if not loglik[t] > -np.inf:
            _stop(loglik, score, t)
            break
        if want > 0:
            for k in range(2 + extra):
                score[t, k] = _along(g, d[k])
            for m in range(drivers):
                score[t, 2 + extra + m] = by_c[m] * _along(g, blocks[m])
            if nu > 0.0:
                score[t, count] = dnu
        _square(z, t, s)
    return loglik, score, q


@kernel
def driven_adjoint(a, b, c, nu, const, z, levels, size, x, blocks):
    r"""Gradient of the total log-likelihood by z (T, N) and by every level (B, N, N), the start included.

    Backward recursion :math:`\Lambda_t = G_t + b\Lambda_{t+1}`; :math:`\partial L/\partial M_\tau=(1-a-b)\sum\Lambda_t`
    over the block, plus :math:`(a+b)\Lambda_1` for the first. Q is kept at about :math:`\sqrt T` dates and the
    slopes between two of them are computed again, so that nothing T×N×N is stored. Gradients by matrices are symmetric:
    the derivative along dX is ``sum(gradient * dX)``.
    """
    nobs, n = z.shape
    stride = max(1, int(math.sqrt(nobs)))
    chunks = (nobs + stride - 1) // stride
    kept = np.empty((chunks, n, n))
    slopes = np.empty((stride, n, n))
    dz = np.empty((nobs, n))
    total = np.zeros(levels.shape)
    q = levels[0].copy()
    s = levels[0].copy()
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    g = np.zeros((n, n))
    gz = np.zeros(n)
    for t in range(nobs):
        if t % stride == 0:
            kept[t // stride] = q
        _advance(a, b, c, q, s, levels[t // size], x, t, blocks)
        _square(z, t, s)
    tail = np.zeros((n, n))
    keep = 1.0 - a - b
    for chunk in range(chunks - 1, -1, -1):
        first = chunk * stride
        stop = min(first + stride, nobs)
        q[:] = kept[chunk]
        if first == 0:
            s[:] = levels[0]
        else:
            _square(z, first - 1, s)
        for t in range(first, stop):
            _advance(a, b, c, q, s, levels[t // size], x, t, blocks)
            _square(z, t, s)
            _density_and_slope(q, z[t], nu, const, room, vectors, g, gz, 1)
            for i in range(n):
                dz[t, i] = gz[i]
                for j in range(n):
                    slopes[t - first, i, j] = g[i, j]
        for t in range(stop - 1, first - 1, -1):
            # tail is Lambda_{t+1}
            for i in range(n):
                for j in range(n):
                    dz[t, i] += 2.0 * a * tail[i, j] * z[t, j]
            part = total[t // size]
            weight = keep if t > 0 else 1.0
            for i in range(n):
                for j in range(n):
                    tail[i, j] = slopes[t - first, i, j] + b * tail[i, j]
                    part[i, j] += weight * tail[i, j]
    return dz, total


@kernel
def driven_path(a, b, c, z, levels, size, x, blocks, start, start_q, rows, cols):
    """Correlations of the pairs (rows[k], cols[k]), (T, K), from z_0 z_0' = ``start`` and Q_0 = ``start_q``.

    NaN from the date on at which the elements of a pair are those of no positive semidefinite matrix.
    """
    nobs = z.shape[0]
    path = np.full((nobs, rows.shape[0]), np.nan)
    keep = 1.0 - a - b
    for k in range(rows.shape[0]):
        i, j = rows[k], cols[k]
        qii, qij, qjj = start_q[i, i], start_q[i, j], start_q[j, j]
        sii, sij, sjj = start[i, i], start[i, j], start[j, j]
        for t in range(nobs):
            level = levels[t // size]
            qii = keep * level[i, i] + a * sii + b * qii
            qij = keep * level[i, j] + a * sij + b * qij
            qjj = keep * level[j, j] + a * sjj + b * qjj
            for m in range(c.shape[0]):
                news = c[m] * x[t, m]
                qii += news * blocks[m, i, i]
                qij += news * blocks[m, i, j]
                qjj += news * blocks[m, j, j]
            if not (qii > 0.0 and qjj > 0.0):
                break
            rho = qij / math.sqrt(qii * qjj)
            if not abs(rho) <= 1.0 + 1e-12:
                break
            path[t, k] = rho
            sii = z[t, i] * z[t, i]
            sij = z[t, i] * z[t, j]
            sjj = z[t, j] * z[t, j]
    return path


@kernel
def driven_draw(q, low, shock, out):
    """Fill ``out`` with L u for R = LL' the correlation of Q; False where Q is not positive definite."""
    n = q.shape[0]
    for i in range(n):
        for j in range(i + 1):
            low[i, j] = q[i, j]
    if not _factor(low, n):
        return False
    for i in range(n):
        total = 0.0
        for m in range(i + 1):
            total += low[i, m] * shock[m]
        out[i] = total / math.sqrt(q[i, i])
    return True


@kernel
def driven_simulate(a, b, c, shocks, levels, size, x, blocks, start, start_q):
    """Residuals z (H, N) from uncorrelated unit-variance ``shocks``; NaN from the first Q_t not positive definite."""
    nobs, n = shocks.shape
    z = np.full((nobs, n), np.nan)
    q = start_q.copy()
    s = start.copy()
    low = np.zeros((n, n))
    for t in range(nobs):
        _advance(a, b, c, q, s, levels[t // size], x, t, blocks)
        if not driven_draw(q, low, shocks[t], z[t]):
            break
        _square(z, t, s)
    return z


@kernel
def fisher_filter(level, a, b, c, nu, const, z, x, want):
    """Return loglik (T,), f (T,), score (T, 2 + M + 1 [+ 1]) by a, b, c, level[, nu], or (0, ·), and s_T."""
    nobs = z.shape[0]
    drivers = c.shape[0]
    at = 2 + drivers
    loglik = np.empty(nobs)
    f = np.full(nobs, np.nan)
    score = np.empty((nobs if want > 0 else 0, at + (2 if nu > 0.0 else 1)))
    d = np.zeros(at + 2)
    d[at] = 1.0
    now, step, step_f, step_nu = level, 0.0, 0.0, 0.0
    for t in range(nobs):
        if want > 0:
            carry = b + a * step_f
            d[0] = carry * d[0] + step
            d[1] = carry * d[1] + now - level
            for m in range(drivers):
                d[2 + m] = carry * d[2 + m] + x[t, m]
            d[at] = carry * d[at] + 1.0 - b
            d[at + 1] = carry * d[at + 1] + a * step_nu
        now = level + b * (now - level) + a * step
        for m in range(drivers):
            now += c[m] * x[t, m]
        rho = math.tanh(now)
        if not (rho > -1.0 and rho < 1.0):
            step = np.nan
            _stop(loglik, score, t)
            break
        f[t] = now
        loglik[t], _, dnu, _, _ = _pair_density(z[t, 0], z[t, 1], rho, nu, const)
        step, step_f, step_nu, _, _, plain, _ = gas_step(z[t, 0], z[t, 1], rho, nu, 1.0)
        if want > 0:
            for k in range(at + 1):
                score[t, k] = plain * d[k]
            if nu > 0.0:
                score[t, at + 1] = plain * d[at + 1] + dnu
    return loglik, f, score, step


@kernel
def fisher_adjoint(level, a, b, c, nu, const, z, x):
    """Gradient of the total log-likelihood by every residual, (T, 2): the recursion run backwards."""
    nobs = z.shape[0]
    dz = np.empty((nobs, 2))
    back = np.empty((nobs, 4))  # slope of f_{t+1} by f_t, z_1 and z_2, and d ell / d f_t
    now, step = level, 0.0
    for t in range(nobs):
        now = level + b * (now - level) + a * step
        for m in range(c.shape[0]):
            now += c[m] * x[t, m]
        rho = math.tanh(now)
        _, _, _, dz[t, 0], dz[t, 1] = _pair_density(z[t, 0], z[t, 1], rho, nu, const)
        step, step_f, _, step_1, step_2, plain, _ = gas_step(z[t, 0], z[t, 1], rho, nu, 1.0)
        back[t, 0] = b + a * step_f
        back[t, 1] = a * step_1
        back[t, 2] = a * step_2
        back[t, 3] = plain
    after = 0.0  # d L / d f_{t+1}
    for t in range(nobs - 1, -1, -1):
        dz[t, 0] += after * back[t, 1]
        dz[t, 1] += after * back[t, 2]
        after = back[t, 3] + after * back[t, 0]
    return dz


@kernel
def fisher_simulate(level, a, b, c, nu, shocks, x, before, step):
    """Residuals z (H, 2) and f (H,) from ``shocks`` (H, 2); f_0 = ``before`` and s_0 = ``step``."""
    nobs = shocks.shape[0]
    z = np.empty((nobs, 2))
    f = np.empty(nobs)
    now = before
    for t in range(nobs):
        now = level + b * (now - level) + a * step
        for m in range(c.shape[0]):
            now += c[m] * x[t, m]
        f[t] = now
        rho = math.tanh(now)
        z[t, 0] = shocks[t, 0]
        z[t, 1] = rho * shocks[t, 0] + shocks[t, 1] / math.cosh(now)
        step, _, _, _, _, _, _ = gas_step(z[t, 0], z[t, 1], rho, nu, 1.0)
    return z, f
