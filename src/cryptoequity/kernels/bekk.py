r"""BEKK(1,1) covariances: likelihood, score, adjoint, path and simulation.

.. math::

    H_t = C + A'\varepsilon_{t-1}\varepsilon_{t-1}'A + G'\eta_{t-1}\eta_{t-1}'G + B'H_{t-1}B,
    \qquad \eta_t=\min(\varepsilon_t,0),

with full matrices (``full``), or its element by element form
:math:`H_t = C + \alpha\circ\varepsilon\varepsilon' + \gamma\circ\eta\eta' + \beta\circ H_{t-1}`, which is the scalar
model when :math:`\alpha,\gamma,\beta` are constant and the diagonal one when :math:`\alpha_{ij}=a_ia_j` and so on. In
both cases the three matrices are called ``a, g, b``.

``start_s, start_n, start_h`` are :math:`\varepsilon_0\varepsilon_0', \eta_0\eta_0', H_0`; with ``fixed`` the first
covariance is :math:`H_1` = ``start_h`` instead, whatever the parameters. Under targeting
:math:`C=\bar S-A'\bar SA-G'\bar NG-B'\bar SB`, and ``base_s, base_n`` hold :math:`\bar S,\bar N`; zero without.

The density given the past is Gaussian, or Student's t with covariance :math:`H_t` when ``nu > 0``; ``const`` as in
`cryptoequity.kernels.dcc`. A covariance that is not positive definite, or not finite, ends the filter: the
log-likelihood is ``-inf`` from there on. Half-vectorizations run down the columns of the lower triangle.
"""

import math

import numpy as np

from . import kernel
from .dcc import _factor, _inverse, _tail

__all__ = [
    "bekk_adjoint",
    "bekk_filter_elements",
    "bekk_filter_full",
    "bekk_path",
    "bekk_simulate",
]


@kernel
def _sandwich(m, x, room):
    """Put m'x into ``room[0]`` and m'xm into ``room[1]``."""
    n = x.shape[0]
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += m[k, i] * x[k, j]
            room[0, i, j] = total
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for k in range(n):
                total += room[0, i, k] * m[k, j]
            room[1, i, j] = total
            room[1, j, i] = total


@kernel
def _advance(full, c, a, g, b, s, neg, h, room):
    """One step of the recursion: h becomes the next covariance. ``room`` (2, N, N) is scratch space."""
    n = h.shape[0]
    if not full:
        for i in range(n):
            for j in range(i + 1):
                h[i, j] = c[i, j] + a[i, j] * s[i, j] + g[i, j] * neg[i, j] + b[i, j] * h[i, j]
                h[j, i] = h[i, j]
        return
    _sandwich(b, h, room)
    for i in range(n):
        for j in range(n):
            h[i, j] = c[i, j] + room[1, i, j]
    _sandwich(a, s, room)
    for i in range(n):
        for j in range(n):
            h[i, j] += room[1, i, j]
    _sandwich(g, neg, room)
    for i in range(n):
        for j in range(n):
            h[i, j] += room[1, i, j]


@kernel
def _outer_products(e, s, neg):
    """Put the outer products of e (N,) and of its negative part into s and neg."""
    n = e.shape[0]
    for i in range(n):
        for j in range(n):
            s[i, j] = e[i] * e[j]
            neg[i, j] = min(e[i], 0.0) * min(e[j], 0.0)


@kernel
def _density(h, e, nu, const, room, vectors, slope, want):
    """Log density of e (N,) given H and its derivative by nu; where wanted d/dH in ``slope``, d/de in ``vectors[1]``.

    ``room`` (3, N, N) and ``vectors`` (2, N) are scratch space. The value is -inf where H is not positive definite.
    """
    n = h.shape[0]
    low, inv, work = room[0], room[1], room[2]
    v, w = vectors[0], vectors[1]
    for i in range(n):
        for j in range(i + 1):
            low[i, j] = h[i, j]
    if not _factor(low, n):
        return -np.inf, 0.0
    logdet = 0.0
    quad = 0.0
    for i in range(n):
        logdet += math.log(low[i, i])
        value = e[i]
        for k in range(i):
            value -= low[i, k] * v[k]
        v[i] = value / low[i, i]
        quad += v[i] * v[i]
    value, weight, dnu = _tail(nu, const, float(n), quad)
    value -= logdet
    if not value > -np.inf:  # overflow: inf - inf is no number either
        return -np.inf, 0.0
    if want > 0:
        _inverse(low, inv, work, n)
        for i in range(n):
            total = 0.0
            for k in range(i, n):
                total += work[k, i] * v[k]
            w[i] = total
        for i in range(n):
            for j in range(i + 1):
                slope[i, j] = 0.5 * (weight * w[i] * w[j] - inv[i, j])
                slope[j, i] = slope[i, j]
        for i in range(n):
            w[i] *= -weight
    return value, dnu


@kernel
def _give_up(loglik, score, t):
    """Mark everything from t on as infeasible."""
    for later in range(t, loglik.shape[0]):
        loglik[later] = -np.inf
        if score.shape[0] > 0:
            for k in range(score.shape[1]):
                score[later, k] = 0.0


@kernel
def bekk_filter_elements(
    c, a, g, b, low, weights, news, base_s, base_n, nu, const, e, start_s, start_n, start_h, fixed, want
):
    r"""Scalar and diagonal models: loglik (T,), score (T, K) or (0, K), and H_{T+1}.

    Every element runs by itself, :math:`\partial h_{ij,t}/\partial\alpha_{ij}=s_{ij,t-1}-\bar s_{ij}+\beta_{ij}\,
    \partial h_{ij,t-1}/\partial\alpha_{ij}` and so on, and the scores are sums over elements.

    Parameters
    ----------
    low : (N, N), C = LL' is estimated and its vech(L) leads the parameters; (0, 0) when C is targeted.
    weights : (3, N) the vectors a, g, b of the diagonal model, scores by a_i, …; (3, 0) for the scalar model, scores
        by the constants in a, g and b.
    news : 2 with the asymmetric term, else 1: the parameters are (a[, g], b).
    """
    nobs, n = e.shape
    pooled = weights.shape[1] == 0
    width = 1 if pooled else n
    free = low.shape[0] > 0
    lead = n * (n + 1) // 2 if free else 0
    k = lead + (news + 1) * width + (1 if nu > 0.0 else 0)
    loglik = np.empty(nobs)
    score = np.zeros((nobs if want > 0 else 0, k))
    h = start_h.copy()
    s = start_s.copy()
    neg = start_n.copy()
    room = np.zeros((3, n, n))
    vectors = np.zeros((2, n))
    slope = np.zeros((n, n))
    move = np.zeros((4, n, n))  # derivatives of each element by its own alpha, gamma, beta and c
    for t in range(nobs + 1):
        if t > 0 or not fixed:
            if want > 0:
                for i in range(n):
                    for j in range(i + 1):
                        move[0, i, j] = s[i, j] - base_s[i, j] + b[i, j] * move[0, i, j]
                        move[2, i, j] = h[i, j] - base_s[i, j] + b[i, j] * move[2, i, j]
                        if news > 1:
                            move[1, i, j] = neg[i, j] - base_n[i, j] + b[i, j] * move[1, i, j]
                        if free:
                            move[3, i, j] = 1.0 + b[i, j] * move[3, i, j]
            _advance(False, c, a, g, b, s, neg, h, room)
        if t == nobs:
            break
        loglik[t], dnu = _density(h, e[t], nu, const, room, vectors, slope, want)
        if loglik[t] == -np.inf:
            _give_up(loglik, score, t)
            break
        if want > 0:
            at = lead
            for family in range(3):
                if family == 1 and news == 1:
                    continue
                for i in range(n):
                    for j in range(i + 1):
                        value = slope[i, j] * move[family, i, j]
                        if pooled:
                            score[t, at] += value if i == j else 2.0 * value
                        else:
                            score[t, at + i] += 2.0 * value * weights[family, j]
                            if i != j:
                                score[t, at + j] += 2.0 * value * weights[family, i]
                at += width
            if free:
                # d/dL = 2 (G o dC) L on and below the diagonal
                at = 0
                for q in range(n):
                    for p in range(q, n):
                        total = 0.0
                        for r in range(q, n):
                            i, j = max(p, r), min(p, r)
                            total += slope[i, j] * move[3, i, j] * low[r, q]
                        score[t, at] = 2.0 * total
                        at += 1
            if nu > 0.0:
                score[t, k - 1] = dnu
        _outer_products(e[t], s, neg)
    return loglik, score, h


@kernel
def _half(n):
    """Position of element (i, j) in the half-vectorization, (N, N)."""
    at = np.empty((n, n), np.int64)
    count = 0
    for j in range(n):
        for i in range(j, n):
            at[i, j] = count
            at[j, i] = count
            count += 1
    return at


@kernel
def _press(products, move, at, first):
    """Add the direct effect of the entries of a matrix M on vech(M'XM): ``products`` is M'X.

    Column ``first + jN + i`` of ``move`` belongs to :math:`m_{ij}`: row and column j of :math:`dM'XM` are
    column i of M'X, twice where they cross.
    """
    n = products.shape[0]
    for j in range(n):
        for i in range(n):
            k = first + j * n + i
            for r in range(n):
                move[at[r, j], k] += products[r, i] if r != j else 2.0 * products[r, i]


@kernel
def bekk_filter_full(c, a, g, b, low, news, base_s, base_n, nu, const, e, start_s, start_n, start_h, fixed, want):
    r"""Full BEKK: loglik (T,), score (T, K) or (0, K), and H_{T+1}.

    Parameters are ([vech L,] vec A[, vec G], vec B[, nu]), matrices by columns. Forward recursion over all of them,
    :math:`D_t = \mathcal B D_{t-1} + \text{direct effects}`, :math:`D_t=\partial\operatorname{vech}H_t/\partial\theta'`
    and :math:`\mathcal B\operatorname{vech}X=\operatorname{vech}B'XB`; arguments as in `bekk_filter_elements`.
    """
    nobs, n = e.shape
    m = n * (n + 1) // 2
    free = low.shape[0] > 0
    lead = m if free else 0
    moving = lead + (news + 1) * n * n
    k = moving + (1 if nu > 0.0 else 0)
    loglik = np.empty(nobs)
    score = np.zeros((nobs if want > 0 else 0, k))
    at = _half(n)
    carry = np.zeros((m, m))
    constant = np.zeros((m, lead))
    if want > 0:
        for i in range(n):
            for j in range(i + 1):
                for p in range(n):
                    for q in range(p + 1):
                        value = b[p, i] * b[q, j]
                        if p != q:
                            value += b[q, i] * b[p, j]
                        carry[at[i, j], at[p, q]] = value
        if free:
            for q in range(n):
                for p in range(q, n):
                    for r in range(n):
                        effect = low[r, q] if r >= q else 0.0
                        constant[at[p, r], at[p, q]] = effect if r != p else 2.0 * effect
    move = np.zeros((m, moving))
    moved = np.zeros((m, moving))
    h = start_h.copy()
    s = start_s.copy()
    neg = start_n.copy()
    gap = np.zeros((n, n))
    room = np.zeros((3, n, n))
    vectors = np.zeros((2, n))
    slope = np.zeros((n, n))
    for t in range(nobs + 1):
        if t > 0 or not fixed:
            if want > 0:
                for row in range(m):
                    for col in range(moving):
                        moved[row, col] = 0.0
                    for col in range(lead):
                        moved[row, col] = constant[row, col]
                    for mid in range(m):
                        factor = carry[row, mid]
                        for col in range(moving):
                            moved[row, col] += factor * move[mid, col]
                first = lead
                for family in range(3):
                    if family == 1 and news == 1:
                        continue
                    for i in range(n):
                        for j in range(n):
                            if family == 0:
                                gap[i, j] = s[i, j] - base_s[i, j]
                            elif family == 1:
                                gap[i, j] = neg[i, j] - base_n[i, j]
                            else:
                                gap[i, j] = h[i, j] - base_s[i, j]
                    _sandwich(a if family == 0 else (g if family == 1 else b), gap, room)
                    _press(room[0], moved, at, first)
                    first += n * n
                move, moved = moved, move
            _advance(True, c, a, g, b, s, neg, h, room)
        if t == nobs:
            break
        loglik[t], dnu = _density(h, e[t], nu, const, room, vectors, slope, want)
        if loglik[t] == -np.inf:
            _give_up(loglik, score, t)
            break
        if want > 0:
            for i in range(n):
                for j in range(i + 1):
                    weight = slope[i, j] if i == j else 2.0 * slope[i, j]
                    row = at[i, j]
                    for col in range(moving):
                        score[t, col] += weight * move[row, col]
            if nu > 0.0:
                score[t, k - 1] = dnu
        _outer_products(e[t], s, neg)
    return loglik, score, h


@kernel
def _pull_back(full, m, x, room):
    """Adjoint of the step: MXM' for full matrices, M o X element by element; the result is ``room[1]``."""
    n = x.shape[0]
    if not full:
        for i in range(n):
            for j in range(n):
                room[1, i, j] = m[i, j] * x[i, j]
        return
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += m[i, k] * x[k, j]
            room[0, i, j] = total
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for k in range(n):
                total += room[0, i, k] * m[j, k]
            room[1, i, j] = total
            room[1, j, i] = total


@kernel
def bekk_adjoint(full, c, a, g, b, nu, const, e, start_s, start_n, start_h, fixed):
    r"""Gradient of the total log-likelihood in everything the parameters do not hold.

    Backward recursion :math:`\Lambda_t=\partial\ell_t/\partial H_t+B\Lambda_{t+1}B'`; then
    :math:`\partial L/\partial C=\sum\Lambda_t` and
    :math:`\partial L/\partial(\varepsilon_t\varepsilon_t')=A\Lambda_{t+1}A'`.

    Returns
    -------
    de : (T, N); dc, dstart_s, dstart_n, dstart_h : (N, N), symmetric: the derivative along dX is
    ``sum(gradient * dX)``. With ``fixed`` the first covariance belongs to ``dstart_h``.
    """
    nobs, n = e.shape
    m = n * (n + 1) // 2
    slopes = np.empty((nobs, m))
    de = np.empty((nobs, n))
    h = start_h.copy()
    s = start_s.copy()
    neg = start_n.copy()
    room = np.zeros((3, n, n))
    vectors = np.zeros((2, n))
    slope = np.zeros((n, n))
    for t in range(nobs):
        if t > 0 or not fixed:
            _advance(full, c, a, g, b, s, neg, h, room)
        _density(h, e[t], nu, const, room, vectors, slope, 1)
        count = 0
        for j in range(n):
            de[t, j] = vectors[1, j]
            for i in range(j, n):
                slopes[t, count] = slope[i, j]
                count += 1
        _outer_products(e[t], s, neg)
    tail = np.zeros((n, n))
    total = np.zeros((n, n))
    for t in range(nobs - 1, -1, -1):
        # tail is Lambda_{t+1}
        _pull_back(full, a, tail, room)
        for i in range(n):
            for j in range(n):
                de[t, i] += 2.0 * room[1, i, j] * e[t, j]
        _pull_back(full, g, tail, room)
        for i in range(n):
            if e[t, i] < 0.0:
                for j in range(n):
                    de[t, i] += 2.0 * room[1, i, j] * min(e[t, j], 0.0)
        _pull_back(full, b, tail, room)
        count = 0
        for j in range(n):
            for i in range(j, n):
                tail[i, j] = slopes[t, count] + room[1, i, j]
                tail[j, i] = tail[i, j]
                count += 1
        if t > 0 or not fixed:
            for i in range(n):
                for j in range(n):
                    total[i, j] += tail[i, j]
    out = np.zeros((3, n, n))
    if fixed:
        out[2] = tail
    else:
        _pull_back(full, a, tail, room)
        out[0] = room[1]
        _pull_back(full, g, tail, room)
        out[1] = room[1]
        _pull_back(full, b, tail, room)
        out[2] = room[1]
    return de, total, out[0], out[1], out[2]


@kernel
def bekk_path(full, c, a, g, b, e, start_s, start_n, start_h, fixed, rows, cols):
    """Covariances of the pairs (rows[k], cols[k]) at t = 1 … T+1: (T+1, K)."""
    nobs, n = e.shape
    path = np.empty((nobs + 1, rows.shape[0]))
    h = start_h.copy()
    s = start_s.copy()
    neg = start_n.copy()
    room = np.zeros((2, n, n))
    for t in range(nobs + 1):
        if t > 0 or not fixed:
            _advance(full, c, a, g, b, s, neg, h, room)
        for k in range(rows.shape[0]):
            path[t, k] = h[rows[k], cols[k]]
        if t < nobs:
            _outer_products(e[t], s, neg)
    return path


@kernel
def bekk_simulate(full, c, a, g, b, shocks, first):
    """Residuals (T, N), e_t = L_t u_t with H_t = L_tL_t', from uncorrelated unit-variance ``shocks``; H_1 = ``first``.

    NaN from the date on at which the covariance is not positive definite or not finite.
    """
    nobs, n = shocks.shape
    e = np.empty((nobs, n))
    h = first.copy()
    s = np.zeros((n, n))
    neg = np.zeros((n, n))
    low = np.zeros((n, n))
    room = np.zeros((2, n, n))
    for t in range(nobs):
        if t > 0:
            _advance(full, c, a, g, b, s, neg, h, room)
        for i in range(n):
            for j in range(i + 1):
                low[i, j] = h[i, j]
        if not _factor(low, n):
            for later in range(t, nobs):
                for i in range(n):
                    e[later, i] = np.nan
            break
        for i in range(n):
            total = 0.0
            for k in range(i + 1):
                total += low[i, k] * shocks[t, k]
            e[t, i] = total
        _outer_products(e[t], s, neg)
    return e
