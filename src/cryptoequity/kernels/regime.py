"""Hidden Markov recursions: filter, smoother, best path, scores by date.

Log-densities ``logd`` (T, k); transition matrices ``p`` (1 or T, k, k) with ``p[t, i, j]`` = Pr(S_t = j | S_{t-1} = i),
rows that sum to one; ``start`` (k,) the law of the first state. Densities are divided by the largest of their date
before they are exponentiated, and where even so every predicted state is hopeless the date is done in logs.
"""

from __future__ import annotations

import numpy as np

from . import kernel

__all__ = ["regime_filter", "regime_scores", "regime_smoother", "regime_viterbi", "state_scores"]

TINY = 1e-290


@kernel
def regime_filter(logd, p, start, loglik, predicted, filtered):
    """Fill loglik (T,), predicted and filtered (T, k); -inf from the first date without a finite density on."""
    nobs, k = logd.shape
    varying = p.shape[0] > 1
    for t in range(nobs):
        if t == 0:
            for j in range(k):
                predicted[0, j] = start[j]
        else:
            m = t if varying else 0
            for j in range(k):
                total = 0.0
                for i in range(k):
                    total += filtered[t - 1, i] * p[m, i, j]
                predicted[t, j] = total
        top = -np.inf
        for j in range(k):
            if logd[t, j] > top:
                top = logd[t, j]
        if not np.isfinite(top):
            for s in range(t, nobs):
                loglik[s] = -np.inf
                for j in range(k):
                    predicted[s, j] = filtered[s, j] = np.nan
            return
        total = 0.0
        for j in range(k):
            # the largest density of the date needs no exponential
            value = predicted[t, j] * np.exp(logd[t, j] - top) if logd[t, j] != top else predicted[t, j]
            filtered[t, j] = value
            total += value
        if total < TINY:
            # the only state with a density worth the name has next to no probability: in logs
            top = -np.inf
            for j in range(k):
                if predicted[t, j] > 0.0:
                    value = np.log(predicted[t, j]) + logd[t, j]
                    if value > top:
                        top = value
            if not np.isfinite(top):
                for s in range(t, nobs):
                    loglik[s] = -np.inf
                    for j in range(k):
                        predicted[s, j] = filtered[s, j] = np.nan
                return
            total = 0.0
            for j in range(k):
                value = np.exp(np.log(predicted[t, j]) + logd[t, j] - top) if predicted[t, j] > 0.0 else 0.0
                filtered[t, j] = value
                total += value
        for j in range(k):
            filtered[t, j] /= total
        loglik[t] = top + np.log(total)


@kernel
def regime_smoother(p, predicted, filtered, smoothed, moves):
    """Fill smoothed (T, k) and ``moves``: expected transitions, summed (1, k, k) or by date (T, k, k).

    The share filtered_i p_ij / predicted_j is a probability, so nothing can overflow.
    """
    nobs, k = filtered.shape
    varying = p.shape[0] > 1
    apart = moves.shape[0] > 1
    moves[:] = 0.0
    for j in range(k):
        smoothed[nobs - 1, j] = filtered[nobs - 1, j]
    for t in range(nobs - 2, -1, -1):
        m = t + 1 if varying else 0
        n = t + 1 if apart else 0
        for i in range(k):
            total = 0.0
            for j in range(k):
                if predicted[t + 1, j] > 0.0:
                    joint = smoothed[t + 1, j] * (filtered[t, i] * p[m, i, j] / predicted[t + 1, j])
                    moves[n, i, j] += joint
                    total += joint
            smoothed[t, i] = total


@kernel
def regime_viterbi(logd, p, start, path):
    """Fill ``path`` (T,) with the most probable sequence of states; return its log-probability with the data."""
    nobs, k = logd.shape
    varying = p.shape[0] > 1
    back = np.zeros((nobs, k), np.int64)
    best = np.log(start) + logd[0]
    after = np.empty(k)
    for t in range(1, nobs):
        m = t if varying else 0
        for j in range(k):
            top, where = -np.inf, 0
            for i in range(k):
                value = best[i] + np.log(p[m, i, j])
                if value > top:
                    top, where = value, i
            after[j] = top + logd[t, j]
            back[t, j] = where
        for j in range(k):
            best[j] = after[j]
    last = 0
    for j in range(k):
        if best[j] > best[last]:
            last = j
    value = best[last]
    path[nobs - 1] = last
    for t in range(nobs - 1, 0, -1):
        last = back[t, last]
        path[t - 1] = last
    return value


@kernel
def state_scores(logd, inner, p, z, logit, dstart, loglik, filtered, now, successor, score):
    r"""`regime_scores` of a chain whose states hold more than today's regime.

    State i is in regime ``now[i]`` and moves to state ``successor[i, m]`` when tomorrow's regime is m, with the
    probability of the transition from ``now[i]`` to m. Parameters and probabilities of the transitions belong to the
    regimes, p to the states; everywhere else p is zero, which keeps the work at k x (regimes) a date.
    """
    nobs, k = logd.shape
    inside = inner.shape[2]
    q = z.shape[1]
    size = score.shape[1]
    regimes = successor.shape[1]
    block = (regimes - 1) * q
    varying = p.shape[0] > 1
    dpred = np.empty((k, size))
    dfilt = np.empty((k, size))
    ratio = np.empty(k)
    predicted = np.zeros(k)
    for t in range(nobs):
        if t == 0:
            for j in range(k):
                for a in range(size):
                    dpred[j, a] = dstart[j, a]
        else:
            at = t if varying else 0
            dpred[:] = 0.0
            predicted[:] = 0.0
            for i in range(k):
                for m in range(regimes):
                    j = successor[i, m]
                    chance = p[at, i, j]
                    predicted[j] += filtered[t - 1, i] * chance
                    for a in range(size):
                        dpred[j, a] += dfilt[i, a] * chance
            for i in range(k):
                weight = filtered[t - 1, i]
                stay = successor[i, now[i]]
                a = inside + now[i] * block
                for m in range(regimes):
                    if m == now[i]:
                        continue
                    other = successor[i, m]
                    for r in range(q):
                        if logit:
                            base = weight * p[at, i, other] * z[t, r]
                            for n in range(regimes):
                                j = successor[i, n]
                                dpred[j, a] -= base * p[at, i, j]
                            dpred[other, a] += base
                        else:
                            dpred[other, a] += weight
                            dpred[stay, a] -= weight
                        a += 1
        for j in range(k):
            # density over that of the mixture: filtered over predicted, where the latter is a number to divide by
            ratio[j] = filtered[t, j] / predicted[j] if predicted[j] > 1e-200 else np.exp(logd[t, j] - loglik[t])
        for a in range(size):
            total = 0.0
            for j in range(k):
                total += dpred[j, a] * ratio[j]
            if a < inside:
                for j in range(k):
                    total += filtered[t, j] * inner[t, j, a]
            score[t, a] = total
            for j in range(k):
                own = inner[t, j, a] if a < inside else 0.0
                dfilt[j, a] = dpred[j, a] * ratio[j] + filtered[t, j] * (own - total)


@kernel
def regime_scores(logd, inner, p, z, logit, dstart, loglik, filtered, score):
    r"""Fill score (T, P): derivative of log f(y_t | past) by (density parameters, transition parameters).

    The derivative of the predicted probabilities is carried forward (Lystig & Hughes 2002), so that the score of
    a date uses nothing after it.

    ``inner`` (T, k, E) is the derivative of the log-densities; ``dstart`` (k, P) that of the first law. Transition
    parameters come by row i, then state m != i, then regressor r. With ``logit`` they are :math:`\delta_{imr}` of
    :math:`p_{im}\propto\exp(z_t'\delta_{im})`, :math:`\delta_{ii}=0`; without, the probabilities :math:`p_{im}`.
    """
    k = logd.shape[1]
    now = np.arange(k)
    successor = np.empty((k, k), np.int64)
    for i in range(k):
        for m in range(k):
            successor[i, m] = m
    state_scores(logd, inner, p, z, logit, dstart, loglik, filtered, now, successor, score)
