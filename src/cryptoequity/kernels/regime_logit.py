"""Multinomial logit of a driven chain: transition matrices, and value, slope and curvature of one row's M-step."""

from __future__ import annotations

import numpy as np

from . import kernel

__all__ = ["logit_matrices", "logit_row"]


@kernel
def logit_matrices(theta, z, out):
    """Fill out (T, k, k) with p_ij proportional to exp(z_t'delta_ij), delta_ii = 0; theta by row i, then j != i."""
    nobs, q = z.shape
    k = out.shape[1]
    for t in range(nobs):
        at = 0
        for i in range(k):
            top = 0.0
            for j in range(k):
                odds = 0.0
                if j != i:
                    for r in range(q):
                        odds += z[t, r] * theta[at + r]
                    at += q
                    if odds > top:
                        top = odds
                out[t, i, j] = odds
            total = 0.0
            for j in range(k):
                # one of the exponents is zero: a logit of two regimes costs one exponential
                value = np.exp(out[t, i, j] - top) if out[t, i, j] != top else 1.0
                out[t, i, j] = value
                total += value
            for j in range(k):
                out[t, i, j] /= total


@kernel
def logit_row(point, z, moves, row, ridge, grad, hess):
    """Expected log-likelihood of the transitions from ``row``; fills grad (W,) and minus the Hessian (W, W).

    ``moves`` (T, k, k) are expected transitions, the first date without any; ``ridge`` (q,) a penalty on squares.
    """
    nobs, q = z.shape
    k = moves.shape[1]
    others = k - 1
    odds = np.empty(others)
    p = np.empty(others)
    grad[:] = 0.0
    hess[:] = 0.0
    value = 0.0
    for t in range(1, nobs):
        total = 0.0
        for j in range(k):
            total += moves[t, row, j]
        if total == 0.0:
            continue
        top = 0.0
        for a in range(others):
            odds[a] = 0.0
            for r in range(q):
                odds[a] += z[t, r] * point[a * q + r]
            if odds[a] > top:
                top = odds[a]
        norm = np.exp(-top) if top != 0.0 else 1.0
        for a in range(others):
            p[a] = np.exp(odds[a] - top) if odds[a] != top else 1.0
            norm += p[a]
        value -= total * (top + np.log(norm))
        for a in range(others):
            p[a] /= norm
            count = moves[t, row, a if a < row else a + 1]
            value += count * odds[a]
            for r in range(q):
                grad[a * q + r] += z[t, r] * (count - total * p[a])
            for b in range(a + 1):
                w = -total * p[a] * p[b]
                if a == b:
                    w += total * p[a]
                for r in range(q):
                    for s in range(q):
                        hess[a * q + r, b * q + s] += w * z[t, r] * z[t, s]
    for a in range(others):
        for r in range(q):
            c = a * q + r
            value -= 0.5 * ridge[r] * point[c] * point[c]
            grad[c] -= ridge[r] * point[c]
            hess[c, c] += ridge[r]
            for b in range(a):
                for s in range(q):
                    hess[b * q + s, c] = hess[c, b * q + s]
    return value
