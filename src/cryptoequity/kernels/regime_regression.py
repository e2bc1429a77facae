"""Switching regressions and autoregressions: distances, scores and weighted moments of residuals by state, paths.

Residuals e (T, M, N) belong to states; ``own`` (M,) is the regime whose error law a state has. In the deviation form a
state holds the regimes of today and of p days before, ``digits`` (M, p + 1), today first.
"""

from __future__ import annotations

import numpy as np

from . import kernel

__all__ = [
    "deviation_lag_moments",
    "deviation_mean_moments",
    "deviation_residuals",
    "deviation_slopes",
    "residual_distances",
    "residual_moments",
    "residual_slopes",
    "switching_path",
]


@kernel
def residual_distances(e, root, own, out):
    """Fill out (T, M) with |L^{-1} e|^2, ``root`` (k, N, N) the lower-triangular L^{-1} of the regimes."""
    nobs, states, n = e.shape
    for t in range(nobs):
        for s in range(states):
            total = 0.0
            for a in range(n):
                inner = 0.0
                for b in range(a + 1):
                    inner += root[own[s], a, b] * e[t, s, b]
                total += inner * inner
            out[t, s] = total


@kernel
def residual_slopes(e, own, sd, inverse, nu, at_scale, at_corr, at_nu, slope_nu, pull, out):
    """Fill pull (T, M, N), the derivative of the log-density by the mean, and out (T, M, E) by the error law.

    ``inverse`` (k, N, N) are inverses of correlation matrices; ``at_...`` (k, width) say where a regime's parameters
    stand in E; ``slope_nu`` is the part of the derivative by ``nu`` that no date changes. ``out`` is zero before.
    """
    nobs, states, n = e.shape
    u = np.empty(n)
    v = np.empty(n)
    for t in range(nobs):
        for s in range(states):
            j = own[s]
            for a in range(n):
                u[a] = e[t, s, a] / sd[j, a]
            d = 0.0
            for a in range(n):
                total = 0.0
                for b in range(n):
                    total += inverse[j, a, b] * u[b]
                v[a] = total
                d += total * u[a]
            w = (nu + n) / (nu - 2.0 + d) if nu > 0.0 else 1.0
            for a in range(n):
                pull[t, s, a] = w * v[a] / sd[j, a]
            for a in range(at_scale.shape[1]):
                out[t, s, at_scale[j, a]] = (w * u[a] * v[a] - 1.0) / sd[j, a]
            if at_corr.shape[1] > 0:
                pair = 0
                for a in range(n):
                    for b in range(a + 1, n):
                        out[t, s, at_corr[j, pair]] = w * v[a] * v[b] - inverse[j, a, b]
                        pair += 1
            if nu > 0.0:
                tail = 0.5 * (nu + n) * d / ((nu - 2.0) * (nu - 2.0 + d))
                out[t, s, at_nu] = slope_nu - 0.5 * np.log1p(d / (nu - 2.0)) + tail


@kernel
def residual_moments(e, weights, own, second):
    """Add to second (k, N, N) the sums over dates and states of w e e'."""
    nobs, states, n = e.shape
    for t in range(nobs):
        for s in range(states):
            w = weights[t, s]
            for a in range(n):
                left = w * e[t, s, a]
                for b in range(n):
                    second[own[s], a, b] += left * e[t, s, b]


@kernel
def deviation_residuals(y, mu, lags, digits, out):
    """Fill out (T, M, N) with y_t - mu_t - sum_i A_i (y_{t-i} - mu_{t-i}).

    y (T + p, N) and mu (T + p, k, N) begin p dates earlier; ``lags`` (k, p, N, N) are those of today's regime.
    """
    nobs, states, n = out.shape
    order = lags.shape[1]
    for t in range(nobs):
        for s in range(states):
            j = digits[s, 0]
            for a in range(n):
                total = y[t + order, a] - mu[t + order, j, a]
                for i in range(order):
                    at = t + order - 1 - i
                    for b in range(n):
                        total -= lags[j, i, a, b] * (y[at, b] - mu[at, digits[s, i + 1], b])
                out[t, s, a] = total


@kernel
def deviation_slopes(y, mu, x, lags, digits, pull, at_mean, at_lag, out):
    """Add to out (T, M, E) the derivatives of the log-densities by coefficients of the means and by lag matrices.

    ``at_mean`` (k, N, m) and ``at_lag`` (k, p, N, N) say where they stand in E; x (T + p, m).
    """
    nobs, states, n = pull.shape
    order, width = lags.shape[1], x.shape[1]
    for t in range(nobs):
        for s in range(states):
            j = digits[s, 0]
            for a in range(n):
                for m in range(width):
                    out[t, s, at_mean[j, a, m]] += pull[t, s, a] * x[t + order, m]
            for i in range(order):
                at, before = t + order - 1 - i, digits[s, i + 1]
                for b in range(n):
                    gap = y[at, b] - mu[at, before, b]
                    back = 0.0
                    for a in range(n):
                        out[t, s, at_lag[j, i, a, b]] += pull[t, s, a] * gap
                        back += pull[t, s, a] * lags[j, i, a, b]
                    for m in range(width):
                        out[t, s, at_mean[before, b, m]] -= back * x[at, m]


@kernel
def deviation_mean_moments(y, x, lags, digits, weights, precision, at_mean, left, right):
    """Add to left (C, C) and right (C,) the normal equations of the coefficients of the means, given lag matrices."""
    nobs, states = weights.shape
    order, n, width = lags.shape[1], y.shape[1], x.shape[1]
    size = right.size
    design = np.empty((n, size))
    target = np.empty(n)
    scaled = np.empty((n, size))
    for t in range(nobs):
        for s in range(states):
            w = weights[t, s]
            if w == 0.0:
                continue
            j = digits[s, 0]
            design[:] = 0.0
            for a in range(n):
                target[a] = y[t + order, a]
                for m in range(width):
                    design[a, at_mean[j, a, m]] += x[t + order, m]
                for i in range(order):
                    at, before = t + order - 1 - i, digits[s, i + 1]
                    for b in range(n):
                        target[a] -= lags[j, i, a, b] * y[at, b]
                        for m in range(width):
                            design[a, at_mean[before, b, m]] -= lags[j, i, a, b] * x[at, m]
            for a in range(n):
                for c in range(size):
                    total = 0.0
                    for b in range(n):
                        total += precision[j, a, b] * design[b, c]
                    scaled[a, c] = w * total
            for c in range(size):
                for a in range(n):
                    right[c] += scaled[a, c] * target[a]
                    value = scaled[a, c]
                    if value != 0.0:
                        for d in range(size):
                            left[c, d] += value * design[a, d]


@kernel
def deviation_lag_moments(y, mu, digits, weights, left, right):
    """Add to left (k, pN, pN) and right (k, pN, N) the moments of lagged and current deviations, by today's regime."""
    nobs, states = weights.shape
    order, n = digits.shape[1] - 1, y.shape[1]
    z = np.empty(order * n)
    for t in range(nobs):
        for s in range(states):
            w = weights[t, s]
            j = digits[s, 0]
            for i in range(order):
                at = t + order - 1 - i
                for b in range(n):
                    z[i * n + b] = y[at, b] - mu[at, digits[s, i + 1], b]
            for c in range(z.size):
                value = w * z[c]
                for d in range(z.size):
                    left[j, c, d] += value * z[d]
                for a in range(n):
                    right[j, c, a] += value * (y[t + order, a] - mu[t + order, j, a])


@kernel
def switching_path(level, lags, states, shocks, out):
    """Fill out (p + T, N) from row p on: y_t = level[t, S_t] + sum_i A_i[S_t] y_{t-i} + shock_t."""
    order, n = lags.shape[1], out.shape[1]
    for t in range(states.size):
        s = states[t]
        for a in range(n):
            total = level[t, s, a] + shocks[t, a]
            for i in range(order):
                for b in range(n):
                    total += lags[s, i, a, b] * out[order + t - 1 - i, b]
            out[order + t, a] = total
