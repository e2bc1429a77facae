"""Forward and backward passes of a constant chain whose probabilities are scaled only when they become small.

Rabiner (1989) scales every date, and each date then waits for the division of the one before it. Where a date is
hopeless for every state within reach the passes give up, and the caller takes those that scale every date.
"""

from __future__ import annotations

import numpy as np

from . import kernel

__all__ = ["SAFE", "lazy_backward", "lazy_densities", "lazy_forward"]

SAFE = 1e-150  # a product of two numbers above it does not underflow
SMALL = 1e-20  # sums of lazily scaled probabilities go back to one below it
SCANT = 1e-250  # a sum below it is no longer known to full precision


@kernel
def lazy_densities(y, mean, inverse, constant, ratio):
    """Fill ratio (T, k) with densities over the largest of their date; returns the sum of the logs of the largest."""
    nobs, n = y.shape
    k = mean.shape[0]
    tops = 0.0
    if n == 1:
        # one column is what most searches are made of: no factor to multiply with, and with two regimes no loops
        if k == 2:
            m0, m1, s0, s1 = mean[0, 0], mean[1, 0], inverse[0, 0, 0], inverse[1, 0, 0]
            c0, c1 = constant[0], constant[1]
            for t in range(nobs):
                u0 = s0 * (y[t, 0] - m0)
                u1 = s1 * (y[t, 0] - m1)
                f0 = c0 - 0.5 * u0 * u0
                f1 = c1 - 0.5 * u1 * u1
                small = np.exp(-abs(f0 - f1))
                if f0 >= f1:
                    tops += f0
                    ratio[t, 0] = 1.0
                    ratio[t, 1] = small
                else:
                    tops += f1
                    ratio[t, 0] = small
                    ratio[t, 1] = 1.0
            return tops
        for t in range(nobs):
            top = -np.inf
            for j in range(k):
                u = inverse[j, 0, 0] * (y[t, 0] - mean[j, 0])
                value = constant[j] - 0.5 * u * u
                ratio[t, j] = value
                if value > top:
                    top = value
            for j in range(k):
                gap = ratio[t, j] - top
                ratio[t, j] = 1.0 if gap == 0.0 else np.exp(gap)
            tops += top
        return tops
    for t in range(nobs):
        top = -np.inf
        for j in range(k):
            total = 0.0
            for a in range(n):
                inner = 0.0
                for b in range(a + 1):
                    inner += inverse[j, a, b] * (y[t, b] - mean[j, b])
                total += inner * inner
            value = constant[j] - 0.5 * total
            ratio[t, j] = value
            if value > top:
                top = value
        for j in range(k):
            gap = ratio[t, j] - top
            ratio[t, j] = 1.0 if gap == 0.0 else np.exp(gap)
        tops += top
    return tops


@kernel
def lazy_forward(ratio, p, first, alpha):
    """Fill alpha (T, k), proportional to the filtered probabilities; returns the log-likelihood of ``ratio``.

    Probabilities are scaled to a sum of one only where the sum has become small, which spares the division every date
    would wait for. NaN where a date is hopeless for every state that can be reached: it has to be done in logs.
    """
    nobs, k = ratio.shape
    logs = 0.0
    before = 1.0
    if k == 2:
        p00, p01, p10, p11 = p[0, 0], p[0, 1], p[1, 0], p[1, 1]
        x0, x1 = first[0], first[1]
        for t in range(nobs):
            if t > 0:
                a0 = x0 * p00 + x1 * p10
                a1 = x0 * p01 + x1 * p11
            else:
                a0, a1 = x0, x1
            x0 = a0 * ratio[t, 0]
            x1 = a1 * ratio[t, 1]
            total = x0 + x1
            if not total >= before * SAFE:
                return np.nan
            if total < SMALL:
                logs += np.log(total)
                x0 /= total
                x1 /= total
                total = 1.0
            alpha[t, 0] = x0
            alpha[t, 1] = x1
            before = total
        return logs + np.log(before)
    for t in range(nobs):
        total = 0.0
        for j in range(k):
            chance = 0.0
            if t > 0:
                for i in range(k):
                    chance += alpha[t - 1, i] * p[i, j]
            else:
                chance = first[j]
            alpha[t, j] = chance * ratio[t, j]
            total += alpha[t, j]
        if not total >= before * SAFE:
            return np.nan
        if total < SMALL:
            logs += np.log(total)
            for j in range(k):
                alpha[t, j] /= total
            total = 1.0
        before = total
    return logs + np.log(before)


@kernel
def lazy_backward(y, center, p, ratio, alpha, total, one, two, moves, now):
    """Fill the sums of `normal_backward` from `lazy_forward`; False where they cannot be had to full precision."""
    nobs, n = y.shape
    k = total.size
    total[:] = 0.0
    one[:] = 0.0
    two[:] = 0.0
    moves[:] = 0.0
    if n == 1 and k == 2:
        p00, p01, p10, p11 = p[0, 0], p[0, 1], p[1, 0], p[1, 1]
        n00 = n01 = n10 = n11 = 0.0
        t0 = t1 = e0 = e1 = q0 = q1 = g0 = g1 = 0.0
        b0 = b1 = 1.0
        v0 = v1 = 0.0
        for t in range(nobs - 1, -1, -1):
            x0, x1 = alpha[t, 0], alpha[t, 1]
            g0 = x0 * b0
            g1 = x1 * b1
            weight = g0 + g1
            if not weight > SCANT:
                return False
            weight = 1.0 / weight
            g0 *= weight
            g1 *= weight
            if t < nobs - 1:
                x0 *= weight
                x1 *= weight
                n00 += x0 * v0
                n01 += x0 * v1
                n10 += x1 * v0
                n11 += x1 * v1
            e = y[t, 0] - center[0]
            u0 = g0 * e
            u1 = g1 * e
            t0 += g0
            t1 += g1
            e0 += u0
            e1 += u1
            q0 += u0 * e
            q1 += u1 * e
            v0 = ratio[t, 0] * b0
            v1 = ratio[t, 1] * b1
            b0 = p00 * v0 + p01 * v1
            b1 = p10 * v0 + p11 * v1
            if b0 + b1 < SMALL:
                scale = 1.0 / (b0 + b1)
                if not scale < 1.0 / SAFE:
                    return False
                b0 *= scale
                b1 *= scale
                v0 *= scale
                v1 *= scale
        moves[0, 0], moves[0, 1], moves[1, 0], moves[1, 1] = n00 * p00, n01 * p01, n10 * p10, n11 * p11
        total[0], total[1] = t0, t1
        one[0, 0], one[1, 0] = e0, e1
        two[0, 0, 0], two[1, 0, 0] = q0, q1
        now[0], now[1] = g0, g1
        return True
    beta = np.ones(k)
    after = np.zeros(k)
    for t in range(nobs - 1, -1, -1):
        weight = 0.0
        for j in range(k):
            now[j] = alpha[t, j] * beta[j]
            weight += now[j]
        if not weight > SCANT:
            return False
        weight = 1.0 / weight
        for j in range(k):
            w = now[j] * weight
            now[j] = w
            total[j] += w
            for a in range(n):
                e = w * (y[t, a] - center[a])
                one[j, a] += e
                for b in range(a + 1):
                    two[j, a, b] += e * (y[t, b] - center[b])
            if t < nobs - 1:
                w = alpha[t, j] * weight
                for m in range(k):
                    moves[j, m] += w * after[m]
        for j in range(k):
            after[j] = ratio[t, j] * beta[j]
        size = 0.0
        for i in range(k):
            value = 0.0
            for j in range(k):
                value += p[i, j] * after[j]
            beta[i] = value
            size += value
        if size < SMALL:
            size = 1.0 / size
            if not size < 1.0 / SAFE:
                return False
            for j in range(k):
                beta[j] *= size
                after[j] *= size
    for i in range(k):
        for j in range(k):
            moves[i, j] *= p[i, j]
    return True
