r"""Wald statistics of one break at every candidate date, from cumulated moments; functionals of their limit.

With :math:`X` (T, K) of orthonormal columns, :math:`\hat u` the residuals without a break and :math:`XB` (T, q) the
regressors that may break, let :math:`A=\sum_{t<d}x_tx_t'` and :math:`c=B'\sum_{t\ge d}x_t\hat u_t`. The break of the
model with :math:`x_t'B\,1\{t\ge d\}` added is

.. math:: \hat\delta = N^{-1}c, \qquad N = B'A(I-A)B, \qquad SSR_0-SSR_u = c'N^{-1}c ,

for all q of K coefficients that may break: nothing has to be fitted again. The added regressors net of the others are
:math:`H_1'x_t=-B'(I-A)x_t` before d and :math:`H_2'x_t=B'Ax_t` after it, which gives the heteroskedasticity-consistent

.. math::

    W = c'\Bigl(\sum_j H_j'M_jH_j\Bigr)^{-1}c, \qquad
    M_j=\sum_{t\in j}x_tx_t'(\hat u_t-x_t'H_j\hat\delta)^2 ,

and :math:`M_j` follows from cumulated :math:`x\otimes x\otimes(\hat u^2,\hat ux,x\otimes x)`.
"""

import math

import numpy as np

from . import kernel

__all__ = ["limit_functionals", "sup_wald_path"]


@kernel
def _factor(a, q, tol):
    """Cholesky factor of the (q, q) ``a`` in place, lower triangle; False where a pivot is lost.

    The diagonal holds one over the pivots: the solves multiply where they would wait for a division.
    """
    for j in range(q):
        whole = a[j, j]
        pivot = whole
        for m in range(j):
            pivot -= a[j, m] * a[j, m]
        if not pivot > tol * whole:
            return False
        inverse = 1.0 / math.sqrt(pivot)
        a[j, j] = inverse
        for i in range(j + 1, q):
            value = a[i, j]
            for m in range(j):
                value -= a[i, m] * a[j, m]
            a[i, j] = value * inverse
    return True


@kernel
def _forward(a, q, c, out):
    """Solve L out = c; returns the square of out, which is c'(LL')^{-1}c."""
    total = 0.0
    for i in range(q):
        value = c[i]
        for m in range(i):
            value -= a[i, m] * out[m]
        out[i] = value * a[i, i]
        total += out[i] * out[i]
    return total


@kernel
def _backward(a, q, out):
    """Solve L'x = out in place."""
    for i in range(q - 1, -1, -1):
        value = out[i]
        for m in range(i + 1, q):
            value -= a[m, i] * out[m]
        out[i] = value * a[i, i]


@kernel
def _add_meat(h, g, s4, s3, s2, k, q, meat, inner, work):
    """Add H'MH to ``meat``, M = S2 - 2 S3 g + S4 (g x g), moments over the pairs a <= b; of S4 the lower half."""
    pair = 0
    for a in range(k):
        for b in range(a, k):
            value = s2[pair]
            for m in range(k):
                value -= 2.0 * s3[pair, m] * g[m]
            other = 0
            for m in range(k):
                for n in range(m, k):
                    twice = g[m] * g[n] if m == n else 2.0 * g[m] * g[n]
                    value += (s4[pair, other] if other <= pair else s4[other, pair]) * twice
                    other += 1
            inner[a, b] = value
            inner[b, a] = value
            pair += 1
    for a in range(k):
        for j in range(q):
            value = 0.0
            for b in range(k):
                value += inner[a, b] * h[b, j]
            work[a, j] = value
    for i in range(q):
        for j in range(i + 1):
            value = 0.0
            for a in range(k):
                value += h[a, i] * work[a, j]
            meat[i, j] += value


@kernel
def sup_wald_path(x, basis, resid, first, last, robust):
    """Wald statistic of a break at d = first..last, d the first row of the new regime; NaN where it is singular.

    ``x`` (T, K) orthonormal, ``basis`` (K, q), ``resid`` (T,) orthogonal to ``x``; ``robust`` 0 for
    T - K - q times (SSR_0 - SSR_u) / SSR_u, 1 for HC0.
    """
    nobs, k = x.shape
    q = basis.shape[1]
    out = np.full(last - first + 1, np.nan)
    pairs = k * (k + 1) // 2 if robust == 1 else 0
    left = np.zeros((k, k))
    score = np.zeros(k)
    l4, l3, l2 = np.zeros((pairs, pairs)), np.zeros((pairs, k)), np.zeros(pairs)
    r4, r3, r2 = np.zeros((pairs, pairs)), np.zeros((pairs, k)), np.zeros(pairs)
    v = np.empty(pairs)
    ssr = 0.0
    for t in range(nobs):
        u = resid[t]
        ssr += u * u
        if robust == 1:
            pair = 0
            for a in range(k):
                for b in range(a, k):
                    v[pair] = x[t, a] * x[t, b]
                    pair += 1
            for i in range(pairs):
                r2[i] += v[i] * u * u
                for m in range(k):
                    r3[i, m] += v[i] * x[t, m] * u
                for j in range(i + 1):
                    r4[i, j] += v[i] * v[j]
    h1, h2 = np.empty((k, q)), np.empty((k, q))
    g1, g2 = np.empty(k), np.empty(k)
    n, meat = np.empty((q, q)), np.empty((q, q))
    inner, work = np.empty((k, k)), np.empty((k, q))
    c, solved = np.empty(q), np.empty(q)
    for d in range(1, last + 1):
        t = d - 1
        u = resid[t]
        for a in range(k):
            score[a] += x[t, a] * u
            for b in range(a, k):
                left[a, b] += x[t, a] * x[t, b]
                left[b, a] = left[a, b]
        if robust == 1:
            pair = 0
            for a in range(k):
                for b in range(a, k):
                    v[pair] = x[t, a] * x[t, b]
                    pair += 1
            for i in range(pairs):
                step = v[i] * u * u
                l2[i] += step
                r2[i] -= step
                for m in range(k):
                    step = v[i] * x[t, m] * u
                    l3[i, m] += step
                    r3[i, m] -= step
                for j in range(i + 1):
                    step = v[i] * v[j]
                    l4[i, j] += step
                    r4[i, j] -= step
        if d < first:
            continue
        for a in range(k):
            for j in range(q):
                value = 0.0
                for b in range(k):
                    value += left[a, b] * basis[b, j]
                h2[a, j] = value
                h1[a, j] = value - basis[a, j]
        for j in range(q):
            value = 0.0
            for a in range(k):
                value -= basis[a, j] * score[a]
            c[j] = value
            for i in range(j, q):
                value = 0.0
                for a in range(k):
                    value -= h2[a, i] * h1[a, j]
                n[i, j] = value
        if not _factor(n, q, 1e-9):
            continue
        drop = _forward(n, q, c, solved)
        # at an exact fit of both regimes the difference is rounding, and the statistic has no value
        if not ssr - drop > 1e-12 * ssr:
            continue
        if robust == 0:
            out[d - first] = drop / (ssr - drop) * (nobs - k - q)
            continue
        _backward(n, q, solved)
        for a in range(k):
            one, two = 0.0, 0.0
            for j in range(q):
                one += h1[a, j] * solved[j]
                two += h2[a, j] * solved[j]
            g1[a], g2[a] = one, two
        meat[:] = 0.0
        _add_meat(h1, g1, l4, l3, l2, k, q, meat, inner, work)
        _add_meat(h2, g2, r4, r3, r2, k, q, meat, inner, work)
        if _factor(meat, q, 1e-9):
            out[d - first] = _forward(meat, q, c, solved)
    return out


@kernel
def limit_functionals(normals, edges):
    r"""Sup, mean and log mean exponential of :math:`\|B_k(\lambda)\|^2/(\lambda(1-\lambda))` for k = 1..q.

    ``normals`` (q, N) are independent standard normals, the increments of q paths; ``edges`` (M,) are first steps,
    decreasing: functional m is over steps ``edges[m]`` .. N - ``edges[m]``. Returns (3, q, M).
    """
    q, steps = normals.shape
    count = edges.size
    out = np.empty((3, q, count))
    square = np.zeros(steps + 1)
    for k in range(q):
        drift = 0.0
        for t in range(steps):
            drift += normals[k, t]
        drift /= steps
        bridge = 0.0
        for t in range(1, steps):
            bridge += normals[k, t - 1] - drift
            square[t] += bridge * bridge * steps / (t * (steps - t))
        top, total, scaled = 0.0, 0.0, 0.0
        low, high = edges[0], edges[0]
        for m in range(count):
            # windows are nested: each adds the steps on its two sides
            for side in range(2):
                if side == 0:
                    begin, end = edges[m], (steps - edges[m] + 1 if m == 0 else low)
                elif m == 0:
                    continue
                else:
                    begin, end = high, steps - edges[m] + 1
                for t in range(begin, end):
                    value = square[t]
                    total += value
                    if value > top:
                        scaled = scaled * math.exp(0.5 * (top - value)) + 1.0
                        top = value
                    else:
                        scaled += math.exp(0.5 * (value - top))
            low, high = edges[m], steps - edges[m] + 1
            width = high - low
            out[0, k, m] = top
            out[1, k, m] = total / width
            out[2, k, m] = 0.5 * top + math.log(scaled / width)
    return out
