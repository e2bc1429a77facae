"""Distances and weighted moments of switching normal and t densities, one pass over the dates each."""

from __future__ import annotations

import numpy as np

from . import kernel

__all__ = ["freedom_sums", "regime_distances", "regime_moments", "regime_slopes"]


@kernel
def regime_distances(y, mean, root, out):
    """Fill out (T, k) with |L_j^{-1}(y_t - mu_j)|^2, ``root`` (k, N, N) the lower-triangular L_j^{-1}."""
    nobs, n = y.shape
    for j in range(mean.shape[0]):
        for t in range(nobs):
            total = 0.0
            for a in range(n):
                inner = 0.0
                for b in range(a + 1):
                    inner += root[j, a, b] * (y[t, b] - mean[j, b])
                total += inner * inner
            out[t, j] = total


@kernel
def regime_moments(y, center, weights, total, first, second):
    """Fill sums of weights (k,), of w (y - center) (k, N) and of w (y - center)(y - center)' (k, N, N)."""
    nobs, n = y.shape
    total[:] = 0.0
    first[:] = 0.0
    second[:] = 0.0
    for t in range(nobs):
        for j in range(total.size):
            w = weights[t, j]
            total[j] += w
            for a in range(n):
                e = w * (y[t, a] - center[a])
                first[j, a] += e
                for b in range(a + 1):
                    second[j, a, b] += e * (y[t, b] - center[b])
    for j in range(total.size):
        for a in range(n):
            for b in range(a):
                second[j, b, a] = second[j, a, b]


@kernel
def freedom_sums(d, weights, m):
    """Sums over (T, k) of w log(1 + d/m), w d/(m + d) and w d(2m + d)/(m + d)^2, at m = nu - 2."""
    logs = 0.0
    first = 0.0
    second = 0.0
    for t in range(d.shape[0]):
        for j in range(d.shape[1]):
            w = weights[t, j]
            share = d[t, j] / (m + d[t, j])
            logs += w * np.log1p(d[t, j] / m)
            first += w * share
            second += w * share * (2.0 - share)
    return logs, first, second


@kernel
def regime_slopes(y, mean, sd, inverse, nu, at_mean, at_scale, at_corr, at_nu, slope_nu, out):
    """Fill out (T, k, E), zero before, with the derivatives of the log-densities.

    ``inverse`` (k, N, N) are the inverses of the correlation matrices; ``at_...`` (k, width) say where a regime's
    parameters stand in E (width 0 for none); ``slope_nu`` is the part of the derivative by ``nu`` that no date changes.
    """
    nobs, n = y.shape
    u = np.empty(n)
    v = np.empty(n)
    for j in range(mean.shape[0]):
        for t in range(nobs):
            for a in range(n):
                u[a] = (y[t, a] - mean[j, a]) / sd[j, a]
            d = 0.0
            for a in range(n):
                total = 0.0
                for b in range(n):
                    total += inverse[j, a, b] * u[b]
                v[a] = total
                d += total * u[a]
            w = (nu + n) / (nu - 2.0 + d) if nu > 0.0 else 1.0
            for a in range(at_mean.shape[1]):
                out[t, j, at_mean[j, a]] = w * v[a] / sd[j, a]
            for a in range(at_scale.shape[1]):
                out[t, j, at_scale[j, a]] = (w * u[a] * v[a] - 1.0) / sd[j, a]
            if at_corr.shape[1] > 0:
                pair = 0
                for a in range(n):
                    for b in range(a + 1, n):
                        out[t, j, at_corr[j, pair]] = w * v[a] * v[b] - inverse[j, a, b]
                        pair += 1
            if nu > 0.0:
                tail = 0.5 * (nu + n) * d / ((nu - 2.0) * (nu - 2.0 + d))
                out[t, j, at_nu] = slope_nu - 0.5 * np.log1p(d / (nu - 2.0)) + tail
