"""EM of switching normal densities with a constant chain: every iteration in one pass forward and one backward.

The same steps as filter, smoother, moments and shares one after the other; weights are used as they are made and
nothing by date is kept but the probabilities.
"""

from __future__ import annotations

import numpy as np

from . import kernel
from .regime_lazy import SAFE, lazy_backward, lazy_densities, lazy_forward

__all__ = ["COLLAPSED", "EMPTY", "HOPELESS", "normal_em"]

HOPELESS, EMPTY, COLLAPSED = 1, 2, 3
LOG_TWO_PI = 1.8378770664093453


@kernel
def lower_root(matrix, floor, scale, out):
    """Cholesky factor of ``matrix`` / (scale scale') less ``floor`` times the identity; False where there is none."""
    n = matrix.shape[0]
    for a in range(n):
        for b in range(a + 1):
            value = matrix[a, b] / (scale[a] * scale[b])
            if a == b:
                value -= floor
            for c in range(b):
                value -= out[a, c] * out[b, c]
            if a == b:
                if not value > 0.0:
                    return False
                out[a, a] = np.sqrt(value)
            else:
                out[a, b] = value / out[b, b]
                out[b, a] = 0.0
    return True


@kernel
def lower_inverse(root, out):
    """Inverse of a lower-triangular matrix."""
    n = root.shape[0]
    out[:] = 0.0
    for b in range(n):
        out[b, b] = 1.0 / root[b, b]
        for a in range(b + 1, n):
            total = 0.0
            for c in range(b, a):
                total += root[a, c] * out[c, b]
            out[a, b] = -total / root[a, a]


@kernel
def normal_forward(y, mean, inverse, constant, p, first, predicted, filtered, ratio):
    """Filter; fills predicted, filtered (T, k) and ratio, work of the same shape; returns the log-likelihood."""
    nobs, n = y.shape
    k = mean.shape[0]
    tops = 0.0
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
        if not np.isfinite(top):
            return -np.inf
        # densities relative to the largest of the date, whose own needs no exponential
        for j in range(k):
            gap = ratio[t, j] - top
            filtered[t, j] = 1.0 if gap == 0.0 else np.exp(gap)
        tops += top
    logs = 0.0
    product = 1.0
    for t in range(nobs):
        total = 0.0
        for j in range(k):
            chance = 0.0
            if t == 0:
                chance = first[j]
            else:
                for i in range(k):
                    chance += filtered[t - 1, i] * p[i, j]
            predicted[t, j] = chance
            filtered[t, j] *= chance
            total += filtered[t, j]
        if total < SAFE:
            # the only state with a density worth the name has next to no probability: in logs
            top = -np.inf
            best = -np.inf
            for j in range(k):
                best = max(best, ratio[t, j])
                if predicted[t, j] > 0.0:
                    top = max(top, np.log(predicted[t, j]) + ratio[t, j])
            if not np.isfinite(top):
                return -np.inf
            total = 0.0
            for j in range(k):
                value = np.exp(np.log(predicted[t, j]) + ratio[t, j] - top) if predicted[t, j] > 0.0 else 0.0
                filtered[t, j] = value
                total += value
            logs += top - best + np.log(total)
        else:
            # one logarithm for many dates
            product *= total
            if product < SAFE:
                logs += np.log(product)
                product = 1.0
        scale = 1.0 / total
        for j in range(k):
            filtered[t, j] *= scale
    return tops + logs + np.log(product)


@kernel
def normal_backward(y, center, p, predicted, filtered, total, one, two, moves, now):
    """Smoother; fills sums of weights (k,), of first and second moments about ``center``, and of moves (k, k).

    ``now`` (k,) ends as the smoothed law of the first state.
    """
    nobs, n = y.shape
    k = total.size
    total[:] = 0.0
    one[:] = 0.0
    two[:] = 0.0
    moves[:] = 0.0
    after = np.empty(k)
    for j in range(k):
        now[j] = filtered[nobs - 1, j]
    for t in range(nobs - 1, -1, -1):
        if t < nobs - 1:
            for j in range(k):
                after[j] = now[j]
                now[j] = 0.0
            for j in range(k):
                chance = predicted[t + 1, j]
                if chance > SAFE:
                    share = after[j] / chance
                    for i in range(k):
                        joint = filtered[t, i] * p[i, j] * share
                        moves[i, j] += joint
                        now[i] += joint
                elif chance > 0.0:
                    for i in range(k):
                        joint = after[j] * (filtered[t, i] * p[i, j] / chance)
                        moves[i, j] += joint
                        now[i] += joint
        for j in range(k):
            w = now[j]
            total[j] += w
            for a in range(n):
                e = w * (y[t, a] - center[a])
                one[j, a] += e
                for b in range(a + 1):
                    two[j, a, b] += e * (y[t, b] - center[b])


@kernel
def normal_em(y, center, spread, floor, fewest, free_mean, gain, mean, cov, p, first, path):
    """EM in place on mean (k, N), cov (k, N, N), p (k, k) and the law of the first state (k,).

    ``spread`` (N,) are the sample's deviations: a regime's covariance in their units may have no eigenvalue below
    ``floor``, and no regime fewer than ``fewest`` expected observations. ``path`` is filled with log-likelihoods
    before each iteration; stops when one gains less than ``gain``. Returns (log-likelihoods filled, 0 or what went
    wrong, expected observations of an empty regime).
    """
    nobs, n = y.shape
    k = mean.shape[0]
    unit = np.ones(n)
    root = np.zeros((n, n))
    inverse = np.zeros((k, n, n))
    constant = np.empty(k)
    predicted = np.empty((nobs, k))
    filtered = np.empty((nobs, k))
    ratio = np.empty((nobs, k))
    total = np.empty(k)
    one = np.empty((k, n))
    two = np.empty((k, n, n))
    moves = np.empty((k, k))
    now = np.empty(k)
    for it in range(path.size):
        for j in range(k):
            if not lower_root(cov[j], 0.0, unit, root):
                return it, COLLAPSED, 0.0
            constant[j] = -0.5 * n * LOG_TWO_PI
            for a in range(n):
                constant[j] -= np.log(root[a, a])
            lower_inverse(root, inverse[j])
        value = lazy_densities(y, mean, inverse, constant, ratio)
        value += lazy_forward(ratio, p, first, filtered)
        done = False
        if np.isfinite(value):
            done = lazy_backward(y, center, p, ratio, filtered, total, one, two, moves, now)
        if not done:
            # a date that is hopeless for every state within reach: every date scaled, that one in logs
            value = normal_forward(y, mean, inverse, constant, p, first, predicted, filtered, ratio)
            if not np.isfinite(value):
                return it, HOPELESS, 0.0
            normal_backward(y, center, p, predicted, filtered, total, one, two, moves, now)
        for j in range(k):
            if total[j] < fewest:
                return it, EMPTY, total[j]
            if not lower_root(cov[j], floor, spread, root):
                return it, COLLAPSED, 0.0
        path[it] = value
        if it > 0 and path[it] - path[it - 1] < gain:
            return it + 1, 0, 0.0
        for j in range(k):
            for a in range(n):
                mean[j, a] = center[a] + one[j, a] / total[j] if free_mean else 0.0
            for a in range(n):
                at = mean[j, a] - center[a]
                for b in range(a + 1):
                    bt = mean[j, b] - center[b]
                    moment = two[j, a, b] - one[j, a] * bt - at * one[j, b] + total[j] * at * bt
                    cov[j, a, b] = cov[j, b, a] = moment / total[j]
            row = 0.0
            for m in range(k):
                row += moves[j, m]
            away = 0.0
            for m in range(k):
                if m != j:
                    p[j, m] = moves[j, m] / row if row > 0.0 else 0.0
                    away += p[j, m]
            p[j, j] = max(0.0, 1.0 - away)
            first[j] = now[j]
    return path.size, 0, 0.0
