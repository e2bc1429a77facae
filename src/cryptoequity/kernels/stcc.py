r"""Smooth transitions between correlation matrices: likelihood, score and slope by the residuals.

With :math:`M` transitions (0, 1 or 2), each driven by its own variable,

.. math::

    G_{m,t} = \{1+e^{-\gamma_m(x_{m,t}-k_m)}\}^{-1}, \qquad
    R_t = (1-G_{1,t})\{(1-G_{2,t})R_{11}+G_{2,t}R_{12}\} + G_{1,t}\{(1-G_{2,t})R_{21}+G_{2,t}R_{22}\},

where :math:`x_{m,t}=s_{m,t}/\sigma_{s_m}` and :math:`k_m=c_m/\sigma_{s_m}` are driver and place of the transition
in standard deviations. One transition is :math:`(1-G_t)R_1+G_tR_2`, none is a constant R. A mixture of correlation
matrices with weights that sum to one is one: nothing has to be rescaled.

Parameters are stacked (regimes × pairs, (gamma, k) of each transition[, nu]); the score by :math:`c_m` is that by
:math:`k_m` over :math:`\sigma_{s_m}`, taken by the caller. Densities are those of `cryptoequity.kernels.dcc`.
"""

import math

import numpy as np

from . import kernel
from .dcc import _density_and_slope, _factor, _pair_density

__all__ = [
    "transition_filter",
    "transition_filter_pair",
    "transition_moments",
    "transition_simulate",
    "transition_slopes",
    "transition_weights",
]


@kernel
def _logistic(gamma, distance):
    """Value and derivative by its argument of the logistic function at gamma * distance."""
    value = 1.0 / (1.0 + math.exp(-gamma * distance))
    return value, value * (1.0 - value)


@kernel
def transition_weights(gamma, k, x):
    """Transitions G (T, M) and the weights of the regimes (T, 2^M), in the order 11, 12, 21, 22."""
    nobs, m = x.shape
    values = np.empty((nobs, m))
    weights = np.ones((nobs, 1 << m))
    for t in range(nobs):
        for i in range(m):
            values[t, i], _ = _logistic(gamma[i], x[t, i] - k[i])
        if m == 1:
            weights[t, 0] = 1.0 - values[t, 0]
            weights[t, 1] = values[t, 0]
        elif m == 2:
            for first in range(2):
                for second in range(2):
                    one = values[t, 0] if first == 1 else 1.0 - values[t, 0]
                    two = values[t, 1] if second == 1 else 1.0 - values[t, 1]
                    weights[t, 2 * first + second] = one * two
    return values, weights


@kernel
def transition_moments(weights, products):
    """Sums of w w' (K, K) and of w times the products of residuals (K, Q), for weights (T, K) and products (T, Q)."""
    nobs, regimes = weights.shape
    width = products.shape[1]
    square = np.zeros((regimes, regimes))
    cross = np.zeros((regimes, width))
    for t in range(nobs):
        for i in range(regimes):
            w = weights[t, i]
            for j in range(regimes):
                square[i, j] += w * weights[t, j]
            for q in range(width):
                cross[i, q] += w * products[t, q]
    return square, cross


@kernel
def transition_filter_pair(flat, gamma, k, nu, const, z, x, want):
    """N = 2 in closed form: loglik (T,), score (T, K) or (0, K), slope of each loglik by z (T, 2) or (0, 2).

    ``flat`` (2^M,) holds the correlation of each regime; ``want`` is 0 (value), 1 (score) or 2 (slope by z).
    """
    nobs = z.shape[0]
    m = x.shape[1]
    regimes = 1 << m
    size = regimes + 2 * m + (1 if nu > 0.0 else 0)
    loglik = np.empty(nobs)
    score = np.empty((nobs if want == 1 else 0, size))
    by_z = np.empty((nobs if want == 2 else 0, 2))
    # rows low and high of the first transition, columns of the second; equal columns when there is none
    r11 = flat[0]
    r12 = flat[1] if m == 2 else flat[0]
    r21 = flat[m] if m > 0 else flat[0]
    r22 = flat[3] if m == 2 else r21
    for r in (r11, r12, r21, r22):
        if not (r > -1.0 and r < 1.0):
            loglik[:] = -np.inf
            score[:] = 0.0
            by_z[:] = 0.0
            return loglik, score, by_z
    g1 = g2 = d1 = d2 = 0.0
    for t in range(nobs):
        if m > 0:
            g1, d1 = _logistic(gamma[0], x[t, 0] - k[0])
        if m > 1:
            g2, d2 = _logistic(gamma[1], x[t, 1] - k[1])
        low = r11 + g2 * (r12 - r11)
        high = r21 + g2 * (r22 - r21)
        rho = low + g1 * (high - low)
        loglik[t], drho, dnu, dz1, dz2 = _pair_density(z[t, 0], z[t, 1], rho, nu, const)
        if want == 1:
            if m == 0:
                score[t, 0] = drho
            elif m == 1:
                score[t, 1] = drho * g1
                score[t, 0] = drho - score[t, 1]
                by_g = drho * (high - low) * d1
                score[t, 2] = by_g * (x[t, 0] - k[0])
                score[t, 3] = -by_g * gamma[0]
            else:
                score[t, 0] = drho * (1.0 - g1) * (1.0 - g2)
                score[t, 1] = drho * (1.0 - g1) * g2
                score[t, 2] = drho * g1 * (1.0 - g2)
                score[t, 3] = drho * g1 * g2
                by_g = drho * (high - low) * d1
                score[t, 4] = by_g * (x[t, 0] - k[0])
                score[t, 5] = -by_g * gamma[0]
                by_g = drho * (r12 - r11 + g1 * (r22 - r21 - r12 + r11)) * d2
                score[t, 6] = by_g * (x[t, 1] - k[1])
                score[t, 7] = -by_g * gamma[1]
            if nu > 0.0:
                score[t, size - 1] = dnu
        elif want == 2:
            by_z[t, 0] = dz1
            by_z[t, 1] = dz2
    return loglik, score, by_z


@kernel
def _mix(flat, w, r):
    """Fill r (N, N) with the mixture of the regimes ``flat`` (K, P) under the weights ``w`` (K,)."""
    n = r.shape[0]
    p = 0
    for i in range(n):
        r[i, i] = 1.0
        for j in range(i + 1, n):
            total = 0.0
            for regime in range(flat.shape[0]):
                total += w[regime] * flat[regime, p]
            r[i, j] = total
            r[j, i] = total
            p += 1


@kernel
def transition_filter(flat, gamma, k, nu, const, z, x, values, weights):
    """Any N: loglik (T,) and score (T, K). ``flat`` (2^M, P); ``values, weights`` from `transition_weights`.

    A mixture that cannot be factored has log-likelihood minus infinity and score zero.
    """
    nobs, n = z.shape
    m = x.shape[1]
    regimes, pairs = flat.shape
    head = regimes * pairs
    size = head + 2 * m + (1 if nu > 0.0 else 0)
    loglik = np.empty(nobs)
    score = np.zeros((nobs, size))
    r = np.zeros((n, n))
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    g = np.zeros((n, n))
    gz = np.zeros(n)
    by_weight = np.zeros(regimes)
    for t in range(nobs):
        _mix(flat, weights[t], r)
        loglik[t], dnu = _density_and_slope(r, z[t], nu, const, room, vectors, g, gz, 1)
        if loglik[t] == -np.inf:
            continue
        for regime in range(regimes):
            by_weight[regime] = 0.0
        p = 0
        for i in range(n):
            for j in range(i + 1, n):
                slope = 2.0 * g[i, j]
                for regime in range(regimes):
                    score[t, regime * pairs + p] = slope * weights[t, regime]
                    by_weight[regime] += slope * flat[regime, p]
                p += 1
        for i in range(m):
            # d weights / d G_i: the regimes above the transition less those below it, times the other's weight
            if m == 1:
                by_g = by_weight[1] - by_weight[0]
            elif i == 0:
                g2 = values[t, 1]
                by_g = (1.0 - g2) * (by_weight[2] - by_weight[0]) + g2 * (by_weight[3] - by_weight[1])
            else:
                g1 = values[t, 0]
                by_g = (1.0 - g1) * (by_weight[1] - by_weight[0]) + g1 * (by_weight[3] - by_weight[2])
            by_g *= values[t, i] * (1.0 - values[t, i])
            score[t, head + 2 * i] = by_g * (x[t, i] - k[i])
            score[t, head + 2 * i + 1] = -by_g * gamma[i]
        if nu > 0.0:
            score[t, size - 1] = dnu
    return loglik, score


@kernel
def transition_slopes(flat, nu, const, z, weights, want):
    """Any N: loglik (T,) and its slope by the residuals (T, N), or (0, N) where ``want`` is 0."""
    nobs, n = z.shape
    loglik = np.empty(nobs)
    by_z = np.zeros((nobs if want > 0 else 0, n))
    r = np.zeros((n, n))
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    g = np.zeros((n, n))
    gz = np.zeros(n)
    for t in range(nobs):
        _mix(flat, weights[t], r)
        loglik[t], _ = _density_and_slope(r, z[t], nu, const, room, vectors, g, gz, want)
        if want > 0 and loglik[t] > -np.inf:
            for i in range(n):
                by_z[t, i] = gz[i]
    return loglik, by_z


@kernel
def transition_simulate(flat, weights, shocks):
    """Residuals z_t = L_t u_t (T, N) from ``shocks`` u (T, N), R_t = L_t L_t' the mixture; NaN where it has no root."""
    nobs, n = shocks.shape
    z = np.empty((nobs, n))
    low = np.zeros((n, n))
    for t in range(nobs):
        _mix(flat, weights[t], low)
        fine = _factor(low, n)
        for i in range(n):
            total = 0.0
            for j in range(i + 1):
                total += low[i, j] * shocks[t, j]
            z[t, i] = total if fine else np.nan
    return z
