r"""DCC recursions that switch with a hidden chain: filter, scores and simulation.

.. math:: Q_{j,t}=(1-a_j-b_j)\bar R_j+a_jz_{t-1}z_{t-1}'+b_j\tilde Q_{j,t-1},\qquad Q_{j,1}=\bar R_j

* method 0, parallel: :math:`\tilde Q_{j,t-1}=Q_{j,t-1}`, k recursions side by side.
* method 1, collapse: the regime of yesterday chooses :math:`\tilde Q`, so that there are :math:`k^2` matrices
  :math:`Q_{ij,t}` a date, which are collapsed to k by
  :math:`Q_{j,t}=\sum_i\Pr(S_{t-1}=i\mid S_t=j,Y_t)Q_{ij,t}` (Kim 1994).

Derivatives by all parameters, and along given directions of the residuals, are carried forward with the filter.
"""

from __future__ import annotations

import math

import numpy as np

from . import kernel
from .dcc import _density_and_slope, _factor

__all__ = ["switching_dcc", "switching_dcc_simulate"]

TINY = 1e-290


@kernel
def switching_dcc(
    z, level, a, b, nu, const, rows, cols, at_level, at_ab, at_nu, p, x, logit, inside, start, dstart, dz, column,
    method, want, loglik, predicted, filtered, density, corr, last, score,
):  # fmt: skip
    """Fill every output; return False where a density is not finite.

    Parameters
    ----------
    level : (k, N, N). rows, cols : (M,) of the pairs. at_level (k, M), at_ab (k, 2), at_nu : positions in the
        parameters. x : (T, q) regressors of the chain. dstart : (k, K) derivative of ``start`` (k,) by the parameters.
    dz, column : (T, E) directions of the residuals and the column (E,) each moves; scores (T, K + E) end with them.
    corr : (T, k, N, N) correlations given the regime and the past, or of length 0. last : (k, N, N) Q of the last date.
    """
    nobs, n = z.shape
    k = level.shape[0]
    size = dstart.shape[1]
    extra = dz.shape[1]
    width = size + extra
    block = (k - 1) * x.shape[1]
    varying = p.shape[0] > 1
    pairs = rows.size
    paths = corr.shape[0] > 0
    carry = k if method == 1 else 1
    w = width if want > 0 else 0
    q = np.zeros((k, n, n))
    new = np.zeros((k, carry, n, n))
    dq = np.zeros((k, w, n, n))
    dnew = np.zeros((k, carry, w, n, n))
    logs = np.empty((k, carry))
    slope = np.zeros((k, carry, w))
    chance = np.empty((k, carry))  # Pr(S_{t-1} = i, S_t = j | past), summed over i when parallel
    dchance = np.zeros((k, carry, w))
    post = np.empty((k, carry))
    dpost = np.zeros((k, carry, w))
    dfilt = np.zeros((k, w))
    room, vectors = np.zeros((3, n, n)), np.zeros((3, n))
    g, gz = np.zeros((n, n)), np.zeros(n)
    for t in range(nobs):
        ways = carry if t > 0 else 1
        m = t if varying else 0
        for j in range(k):
            stay = 1.0 - a[j] - b[j]
            for i in range(ways):
                old = i if method == 1 else j
                if t == 0:
                    for r in range(n):
                        for c in range(n):
                            new[j, 0, r, c] = level[j, r, c]
                    if want > 0:
                        for v in range(pairs):
                            dnew[j, 0, at_level[j, v], rows[v], cols[v]] = 1.0
                            dnew[j, 0, at_level[j, v], cols[v], rows[v]] = 1.0
                    continue
                for r in range(n):
                    for c in range(n):
                        new[j, i, r, c] = stay * level[j, r, c] + a[j] * z[t - 1, r] * z[t - 1, c] + b[j] * q[old, r, c]
                if want > 0:
                    for v in range(width):
                        for r in range(n):
                            for c in range(n):
                                dnew[j, i, v, r, c] = b[j] * dq[old, v, r, c]
                    for v in range(pairs):
                        dnew[j, i, at_level[j, v], rows[v], cols[v]] += stay
                        dnew[j, i, at_level[j, v], cols[v], rows[v]] += stay
                    for r in range(n):
                        for c in range(n):
                            dnew[j, i, at_ab[j, 0], r, c] += z[t - 1, r] * z[t - 1, c] - level[j, r, c]
                            dnew[j, i, at_ab[j, 1], r, c] += q[old, r, c] - level[j, r, c]
                    for e in range(extra):
                        moved = a[j] * dz[t - 1, e]
                        for r in range(n):
                            dnew[j, i, size + e, r, column[e]] += moved * z[t - 1, r]
                            dnew[j, i, size + e, column[e], r] += moved * z[t - 1, r]
        top = -np.inf
        for j in range(k):
            for i in range(ways):
                value, dnu = _density_and_slope(new[j, i], z[t], nu, const, room, vectors, g, gz, want)
                if not np.isfinite(value):
                    return False
                logs[j, i] = value
                top = max(top, value)
                if want > 0:
                    for v in range(width):
                        s = 0.0
                        for r in range(n):
                            s += g[r, r] * dnew[j, i, v, r, r]
                            for c in range(r):
                                s += 2.0 * g[r, c] * dnew[j, i, v, r, c]
                        slope[j, i, v] = s
                    if at_nu >= 0:
                        slope[j, i, at_nu] += dnu
                    for e in range(extra):
                        slope[j, i, size + e] += gz[column[e]] * dz[t, e]
        # chances of today's regimes, and of yesterday's with them where the matrices depend on both
        for j in range(k):
            predicted[t, j] = 0.0
            for i in range(ways):
                chance[j, i] = 0.0
                for v in range(w):
                    dchance[j, i, v] = 0.0
            if t == 0:
                predicted[0, j] = chance[j, 0] = start[j]
                if want > 0:
                    for v in range(size):
                        dchance[j, 0, v] = dstart[j, v]
                continue
            for i in range(k):
                to = i if method == 1 else 0
                chance[j, to] += filtered[t - 1, i] * p[m, i, j]
                predicted[t, j] += filtered[t - 1, i] * p[m, i, j]
                for v in range(w):
                    dchance[j, to, v] += dfilt[i, v] * p[m, i, j]
        if want > 0 and t > 0:
            for i in range(k):
                to = i if method == 1 else 0
                v = inside + i * block
                for other in range(k):
                    if other == i:
                        continue
                    for r in range(x.shape[1]):
                        if logit:
                            base = filtered[t - 1, i] * p[m, i, other] * x[t, r]
                            for j in range(k):
                                dchance[j, to, v] -= base * p[m, i, j]
                            dchance[other, to, v] += base
                        else:
                            dchance[other, to, v] += filtered[t - 1, i]
                            dchance[i, to, v] -= filtered[t - 1, i]
                        v += 1
        total = 0.0
        for j in range(k):
            for i in range(ways):
                post[j, i] = chance[j, i] * math.exp(logs[j, i] - top)
                total += post[j, i]
        if total < TINY:
            top = -np.inf
            for j in range(k):
                for i in range(ways):
                    if chance[j, i] > 0.0:
                        top = max(top, math.log(chance[j, i]) + logs[j, i])
            if not np.isfinite(top):
                return False
            total = 0.0
            for j in range(k):
                for i in range(ways):
                    value = 0.0
                    if chance[j, i] > 0.0:
                        value = math.exp(math.log(chance[j, i]) + logs[j, i] - top)
                    post[j, i] = value
                    total += value
        loglik[t] = top + math.log(total)
        for j in range(k):
            filtered[t, j] = 0.0
            for i in range(ways):
                post[j, i] /= total
                filtered[t, j] += post[j, i]
            if ways == 1:
                density[t, j] = logs[j, 0]
            else:
                # density of the date given today's regime: yesterday's is summed out
                high = -np.inf
                for i in range(ways):
                    high = max(high, logs[j, i])
                mixed = 0.0
                for i in range(ways):
                    share = chance[j, i] / predicted[t, j] if predicted[t, j] > 0.0 else 1.0 / ways
                    mixed += share * math.exp(logs[j, i] - high)
                density[t, j] = high + math.log(mixed)
            if paths:
                for r in range(n):
                    for c in range(n):
                        s = 0.0
                        for i in range(ways):
                            share = 1.0
                            if ways > 1:
                                share = chance[j, i] / predicted[t, j] if predicted[t, j] > 0.0 else 1.0 / ways
                            s += share * new[j, i, r, c] / math.sqrt(new[j, i, r, r] * new[j, i, c, c])
                        corr[t, j, r, c] = s
        if want > 0:
            for v in range(width):
                s = 0.0
                for j in range(k):
                    for i in range(ways):
                        moved = dchance[j, i, v] * math.exp(logs[j, i] - loglik[t]) + post[j, i] * slope[j, i, v]
                        dpost[j, i, v] = moved
                        s += moved
                score[t, v] = s
                for j in range(k):
                    dfilt[j, v] = 0.0
                    for i in range(ways):
                        dpost[j, i, v] -= post[j, i] * s
                        dfilt[j, v] += dpost[j, i, v]
        for j in range(k):
            if ways == 1:
                for r in range(n):
                    for c in range(n):
                        q[j, r, c] = new[j, 0, r, c]
                        for v in range(w):
                            dq[j, v, r, c] = dnew[j, 0, v, r, c]
                continue
            known = filtered[t, j] > TINY
            for r in range(n):
                for c in range(n):
                    s = 0.0
                    for i in range(ways):
                        share = post[j, i] / filtered[t, j] if known else 1.0 / ways
                        s += share * new[j, i, r, c]
                    q[j, r, c] = s
            if want > 0:
                for v in range(width):
                    for r in range(n):
                        for c in range(n):
                            dq[j, v, r, c] = 0.0
                    for i in range(ways):
                        share = post[j, i] / filtered[t, j] if known else 1.0 / ways
                        dshare = (dpost[j, i, v] - share * dfilt[j, v]) / filtered[t, j] if known else 0.0
                        for r in range(n):
                            for c in range(n):
                                dq[j, v, r, c] += share * dnew[j, i, v, r, c] + dshare * new[j, i, r, c]
    for j in range(k):
        for r in range(n):
            for c in range(n):
                last[j, r, c] = q[j, r, c]
    return True


@kernel
def switching_dcc_simulate(level, a, b, states, shocks, q, before, method, begun, yesterday, z, corr):
    """Fill residuals z (T, N) and their correlations (T, N, N) from unit-variance uncorrelated ``shocks`` (T, N).

    With method 1 there is one matrix, which follows the regimes drawn: the path-dependent model that the collapse
    approximates. ``begun`` 1 goes on from ``q`` (k, N, N), the residuals ``before`` (N,) and the regime ``yesterday``.
    """
    nobs, n = shocks.shape
    k = level.shape[0]
    low = np.zeros((n, n))
    now = q.copy()
    for t in range(nobs):
        s = states[t]
        if t > 0 or begun > 0:
            old = yesterday if t == 0 else states[t - 1]
            for j in range(k):
                if method == 1 and j != s:
                    continue
                for r in range(n):
                    for c in range(n):
                        news = before[r] * before[c] if t == 0 else z[t - 1, r] * z[t - 1, c]
                        past = now[old, r, c] if method == 1 else now[j, r, c]
                        now[j, r, c] = (1.0 - a[j] - b[j]) * level[j, r, c] + a[j] * news + b[j] * past
        for r in range(n):
            for c in range(r + 1):
                low[r, c] = now[s, r, c] / math.sqrt(now[s, r, r] * now[s, c, c])
                corr[t, r, c] = corr[t, c, r] = low[r, c]
        _factor(low, n)
        for r in range(n):
            total = 0.0
            for c in range(r + 1):
                total += low[r, c] * shocks[t, c]
            z[t, r] = total
