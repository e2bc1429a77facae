"""Scores by date of a chain whose odds of leaving depend on how long the regime has lasted.

State ``i * longest + d`` is regime i on its day d + 1; the last one holds every later day. From it the chain stays,
which moves d one on, or leaves for the first day of another regime.
"""

from __future__ import annotations

import numpy as np

from . import kernel

__all__ = ["duration_scores"]


@kernel
def duration_scores(density, inner, p, dstart, loglik, filtered, score):
    """Fill score (T, P): derivative of log f(y_t | past) by (density parameters, transition parameters).

    ``density`` (T, k) and ``inner`` (T, k, E) belong to the regimes, ``p`` (k, longest, k) is the probability of each
    regime tomorrow, ``filtered`` (T, k * longest) and ``dstart`` (k * longest, P) belong to the states. Transition
    parameters come by regime i, then regime m != i: constant and slope in days of the log odds of leaving i for m.
    """
    nobs, k = density.shape
    longest = p.shape[1]
    states = k * longest
    inside = inner.shape[2]
    size = score.shape[1]
    dpred = np.empty((states, size))
    dfilt = np.empty((states, size))
    ratio = np.empty(k)
    for t in range(nobs):
        if t == 0:
            for s in range(states):
                for a in range(size):
                    dpred[s, a] = dstart[s, a]
        else:
            dpred[:] = 0.0
            for i in range(k):
                for d in range(longest):
                    s = i * longest + d
                    onward = i * longest + min(d + 1, longest - 1)
                    weight = filtered[t - 1, s]
                    for m in range(k):
                        to = onward if m == i else m * longest
                        chance = p[i, d, m]
                        for a in range(size):
                            dpred[to, a] += dfilt[s, a] * chance
                    place = inside + 2 * (k - 1) * i
                    for m in range(k):
                        if m == i:
                            continue
                        base = weight * p[i, d, m]
                        for r in range(2):
                            value = base * (d + 1.0 if r == 1 else 1.0)
                            for n in range(k):
                                to = onward if n == i else n * longest
                                dpred[to, place] -= value * p[i, d, n]
                            dpred[m * longest, place] += value
                            place += 1
        for j in range(k):
            ratio[j] = np.exp(density[t, j] - loglik[t])
        for a in range(size):
            total = 0.0
            for j in range(k):
                own = inner[t, j, a] if a < inside else 0.0
                for d in range(longest):
                    s = j * longest + d
                    total += dpred[s, a] * ratio[j] + filtered[t, s] * own
            score[t, a] = total
            for j in range(k):
                own = inner[t, j, a] if a < inside else 0.0
                for d in range(longest):
                    s = j * longest + d
                    dfilt[s, a] = dpred[s, a] * ratio[j] + filtered[t, s] * (own - total)
