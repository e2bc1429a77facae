r"""Markov-switching GARCH: variances by regime, Hamilton filter and scores in one forward pass.

With :math:`\varepsilon_t=y_t-\mu` and news :math:`\nu_{jt}=\omega_j+(\alpha_j+\gamma_j1\{\varepsilon_t<0\})
\varepsilon_t^2`, the variance of regime j tomorrow is :math:`\nu_{jt}+\beta_j\bar h_{jt}`, where :math:`\bar h_{jt}` is

* ``PARALLEL``: its own variance today (Haas, Mittnik & Paolella 2004);
* ``GRAY``: :math:`\sum_i\Pr(S_t=i\mid Y_{t-1})h_{it}`, the same for every regime (Gray 1996);
* ``KLAASSEN``: :math:`\sum_i\Pr(S_t=i\mid S_{t+1}=j,Y_t)h_{it}` (Klaassen 2002).

The last two need the filter's probabilities of the date, so recursion and filter go through the dates together, and
the derivatives of both by every parameter are carried along.
"""

from __future__ import annotations

import math

import numpy as np

from . import kernel

__all__ = ["GRAY", "KLAASSEN", "PARALLEL", "switching_garch", "switching_garch_simulate"]

PARALLEL, GRAY, KLAASSEN = 0, 1, 2
TINY = 1e-290


@kernel
def _add_chain(weight, p, z, logit, inside, out):
    """Add the part of d(sum_i weight_i p_ij)/d(transition parameters) that is in p to out (k, size)."""
    k, q = p.shape[0], z.shape[0]
    block = (k - 1) * q
    for i in range(k):
        a = inside + i * block
        for m in range(k):
            if m == i:
                continue
            for r in range(q):
                if logit:
                    base = weight[i] * p[i, m] * z[r]
                    for j in range(k):
                        out[j, a] -= base * p[i, j]
                    out[m, a] += base
                else:
                    out[m, a] += weight[i]
                    out[i, a] -= weight[i]
                a += 1


@kernel
def switching_garch(
    y, mu, par, nu, const, places, p, z, logit, inside, start, dstart, first, dfirst, method, hold, want,
    loglik, predicted, filtered, density, variance, slopes, score,
):  # fmt: skip
    """Fill every output; return False where a density is not finite.

    Parameters
    ----------
    par : (k, 4) omega, alpha, gamma, beta. nu : (k,) degrees of freedom, 0 for normal. const : (k, 2) constant of the
        log-density and its derivative by nu.
    places : (k, 6) positions of (mu, omega, alpha, gamma, beta, nu) in the parameters, -1 for none.
    p : (1 or T, k, k). z : (T, q). first, dfirst : (k,) variances of the first date and (k, size) their derivatives.
    hold : dates at the beginning that feed the recursion and count with a likelihood of one.
    want : 1 for ``slopes`` (T, k, size), the derivatives of the log-densities by all parameters, and ``score``.
    """
    nobs, k = predicted.shape
    size = dstart.shape[1]
    varying = p.shape[0] > 1
    h, dh = first.copy(), dfirst.copy()
    dpred, dfilt = dstart.copy(), np.zeros((k, size))
    bar, dbar = np.zeros(k), np.zeros((k, size))
    weight, ratio = np.empty(k), np.empty(k)
    for j in range(k):
        predicted[0, j] = start[j]
    for t in range(nobs):
        e = y[t] - mu
        square = e * e
        top = -np.inf
        for j in range(k):
            variance[t, j] = h[j]
            if not (h[j] > 0.0) or not np.isfinite(h[j]):
                return False
            d = square / h[j]
            if nu[j] > 0.0:
                w = (nu[j] + 1.0) / (nu[j] - 2.0 + d)
                grown = math.log1p(d / (nu[j] - 2.0))
                value = const[j, 0] - 0.5 * math.log(h[j]) - 0.5 * (nu[j] + 1.0) * grown
            else:
                w, grown = 1.0, 0.0
                value = const[j, 0] - 0.5 * math.log(h[j]) - 0.5 * d
            if t < hold:
                value = 0.0
            density[t, j] = value
            top = max(top, value)
            if want > 0 and t >= hold:
                by_h = 0.5 * (w * d - 1.0) / h[j]
                for a in range(size):
                    slopes[t, j, a] = by_h * dh[j, a]
                if places[j, 0] >= 0:
                    slopes[t, j, places[j, 0]] += w * e / h[j]
                if places[j, 5] >= 0:
                    slopes[t, j, places[j, 5]] += const[j, 1] - 0.5 * grown + 0.5 * w * d / (nu[j] - 2.0)
            elif want > 0:
                for a in range(size):
                    slopes[t, j, a] = 0.0
        if not np.isfinite(top):
            return False
        total = 0.0
        for j in range(k):
            filtered[t, j] = predicted[t, j] * math.exp(density[t, j] - top)
            total += filtered[t, j]
        if total < TINY:
            # the only regime with a density worth the name has next to no probability: in logs
            top = -np.inf
            for j in range(k):
                if predicted[t, j] > 0.0:
                    top = max(top, math.log(predicted[t, j]) + density[t, j])
            if not np.isfinite(top):
                return False
            total = 0.0
            for j in range(k):
                value = 0.0
                if predicted[t, j] > 0.0:
                    value = math.exp(math.log(predicted[t, j]) + density[t, j] - top)
                filtered[t, j] = value
                total += value
        for j in range(k):
            filtered[t, j] /= total
        loglik[t] = top + math.log(total)
        if want > 0:
            for j in range(k):
                ratio[j] = math.exp(density[t, j] - loglik[t])
            for a in range(size):
                s = 0.0
                for j in range(k):
                    s += dpred[j, a] * ratio[j] + filtered[t, j] * slopes[t, j, a]
                score[t, a] = s
                for j in range(k):
                    dfilt[j, a] = dpred[j, a] * ratio[j] + filtered[t, j] * (slopes[t, j, a] - s)
        if t == nobs - 1:
            break
        # what a regime's variance goes on from: Gray's before the prediction moves on, Klaassen's with it
        if method == 0:
            for j in range(k):
                bar[j] = h[j]
                if want > 0:
                    for a in range(size):
                        dbar[j, a] = dh[j, a]
        elif method == 1:
            mixed = 0.0
            for i in range(k):
                mixed += predicted[t, i] * h[i]
            for j in range(k):
                bar[j] = mixed
            if want > 0:
                for a in range(size):
                    s = 0.0
                    for i in range(k):
                        s += dpred[i, a] * h[i] + predicted[t, i] * dh[i, a]
                    for j in range(k):
                        dbar[j, a] = s
        m = t + 1 if varying else 0
        if method == 2:
            for i in range(k):
                weight[i] = filtered[t, i] * h[i]
            for j in range(k):
                s = 0.0
                for i in range(k):
                    s += weight[i] * p[m, i, j]
                bar[j] = s
            if want > 0:
                for j in range(k):
                    for a in range(size):
                        s = 0.0
                        for i in range(k):
                            s += (dfilt[i, a] * h[i] + filtered[t, i] * dh[i, a]) * p[m, i, j]
                        dbar[j, a] = s
                _add_chain(weight, p[m], z[t + 1], logit, inside, dbar)
        for j in range(k):
            s = 0.0
            for i in range(k):
                s += filtered[t, i] * p[m, i, j]
            predicted[t + 1, j] = s
        if want > 0:
            for j in range(k):
                for a in range(size):
                    s = 0.0
                    for i in range(k):
                        s += dfilt[i, a] * p[m, i, j]
                    dpred[j, a] = s
            for i in range(k):
                weight[i] = filtered[t, i]
            _add_chain(weight, p[m], z[t + 1], logit, inside, dpred)
        if method == 2:
            for j in range(k):
                chance = predicted[t + 1, j]
                if chance > TINY:
                    bar[j] /= chance
                    if want > 0:
                        for a in range(size):
                            dbar[j, a] = (dbar[j, a] - bar[j] * dpred[j, a]) / chance
                else:
                    # nothing leads into this regime: any past will do, since its density has no weight
                    s = 0.0
                    for i in range(k):
                        s += filtered[t, i] * h[i]
                    bar[j] = s
                    for a in range(size):
                        dbar[j, a] = 0.0
        for j in range(k):
            slope = par[j, 1] + (par[j, 2] if e < 0.0 else 0.0)
            h[j] = par[j, 0] + slope * square + par[j, 3] * bar[j]
            if want > 0:
                for a in range(size):
                    dh[j, a] = par[j, 3] * dbar[j, a]
                if places[j, 0] >= 0:
                    dh[j, places[j, 0]] -= 2.0 * slope * e
                dh[j, places[j, 1]] += 1.0
                dh[j, places[j, 2]] += square
                if places[j, 3] >= 0 and e < 0.0:
                    dh[j, places[j, 3]] += square
                dh[j, places[j, 4]] += bar[j]
    return True


@kernel
def switching_garch_simulate(mu, par, shocks, states, p, first, law, method, nu, const, out, variance):
    """Fill ``out`` (T,) from unit-variance ``shocks`` (T,) and ``states`` (T,), and variances (T, k).

    ``first`` (k,) are the variances of the first date, ``law`` (k,) what its regime is predicted by. The collapsed
    recursions read the probabilities an observer would have, so the filter runs along.
    """
    nobs, k = shocks.size, par.shape[0]
    varying = p.shape[0] > 1
    h, pred = first.copy(), law.copy()
    filt, bar, logd = np.empty(k), np.empty(k), np.empty(k)
    for t in range(nobs):
        for j in range(k):
            variance[t, j] = h[j]
        e = math.sqrt(h[states[t]]) * shocks[t]
        out[t] = mu + e
        if t == nobs - 1:
            break
        m = t + 1 if varying else 0
        if method == 0:
            for j in range(k):
                bar[j] = h[j]
        else:
            top = -np.inf
            for j in range(k):
                d = e * e / h[j]
                if nu[j] > 0.0:
                    tail = 0.5 * (nu[j] + 1.0) * math.log1p(d / (nu[j] - 2.0))
                else:
                    tail = 0.5 * d
                logd[j] = const[j, 0] - 0.5 * math.log(h[j]) - tail + (math.log(pred[j]) if pred[j] > 0.0 else -np.inf)
                top = max(top, logd[j])
            total = mixed = 0.0
            for j in range(k):
                filt[j] = math.exp(logd[j] - top)
                total += filt[j]
                mixed += pred[j] * h[j]
            for j in range(k):
                filt[j] /= total
            for j in range(k):
                chance = joint = plain = 0.0
                for i in range(k):
                    chance += filt[i] * p[m, i, j]
                    joint += filt[i] * p[m, i, j] * h[i]
                    plain += filt[i] * h[i]
                pred[j] = chance
                if method == 1:
                    bar[j] = mixed
                else:
                    bar[j] = joint / chance if chance > TINY else plain
        for j in range(k):
            slope = par[j, 1] + (par[j, 2] if e < 0.0 else 0.0)
            h[j] = par[j, 0] + slope * e * e + par[j, 3] * bar[j]
