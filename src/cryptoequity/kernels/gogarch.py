r"""Factors with unit-variance GARCH(1,1): likelihood, scores by rotation angles and by dynamics, simulation.

.. math::

    \varepsilon_t = Z f_t,\qquad h_{i,t} = (1-\alpha_i-\beta_i) + \alpha_i f_{i,t-1}^2 + \beta_i h_{i,t-1},\qquad
    H_t = Z\operatorname{diag}(h_t)Z' .

Before the sample :math:`f_{i,0}^2=h_{i,0}=\sum_s\omega_sf_{i,s}^2` with the ``weights`` :math:`\omega_s`.

The log-likelihood reacts to a linear change of all factors, :math:`f_t\to f_t+\epsilon\,Ef_t`, by
:math:`\sum_{ij}E_{ij}A_{ij,t}` with

.. math::

    A_{ij,t} = -\frac{f_{i,t}f_{j,t}}{h_{i,t}}
        + \tfrac12\Bigl(\frac{f_{i,t}^2}{h_{i,t}^2}-\frac1{h_{i,t}}\Bigr)\kappa_{ij,t},\qquad
    \kappa_{ij,t} = 2\alpha_if_{i,t-1}f_{j,t-1}+\beta_i\kappa_{ij,t-1} .

An angle is such a change with a skew :math:`E` (its *generator*), and so is a change of the whitening matrix.
"""

import math

import numpy as np

from . import kernel

__all__ = ["gogarch_filter", "gogarch_simulate", "gogarch_variance"]


@kernel
def gogarch_variance(alpha, beta, f, weights):
    """Conditional variances of the factors f (T, N) at t = 1 … T+1: (T+1, N)."""
    nobs, n = f.shape
    h = np.empty((nobs + 1, n))
    for i in range(n):
        back = 0.0
        for s in range(weights.shape[0]):
            back += weights[s] * f[s, i] * f[s, i]
        square = back
        value = back
        for t in range(nobs + 1):
            value = 1.0 - alpha[i] - beta[i] + alpha[i] * square + beta[i] * value
            h[t, i] = value
            if t < nobs:
                square = f[t, i] * f[t, i]
    return h


@kernel
def gogarch_filter(alpha, beta, f, weights, turning, moving, base, want):
    """Gaussian loglik (T,), score (T, M + 2 moving) or (0, ·), and the mean of A (N, N).

    The first M columns of the score, M = N(N-1)/2 when ``turning`` and else 0, are A_ij - A_ji for i > j, rows of
    the lower triangle one after the other: the derivative along the skew change that is 1 at (i, j). Then come
    (alpha_1, beta_1, …) of the first ``moving`` factors.

    Parameters
    ----------
    alpha, beta : (N,) dynamics; both zero for a factor of constant unit variance.
    f : (T, N) factors with unit second moments. weights : (B,) of the back-cast.
    base : what is added to every date, -N/2 ln(2 pi) - ln|det Z|.

    Notes
    -----
    A variance that is not positive makes ``loglik`` minus infinity at that date.
    """
    nobs, n = f.shape
    m = n * (n - 1) // 2 if turning > 0 else 0
    loglik = np.empty(nobs)
    score = np.zeros((nobs if want > 0 else 0, m + 2 * moving))
    total = np.zeros((n, n))
    a = np.zeros((n, n))
    kappa = np.zeros((n, n))
    dalpha = np.zeros(n)
    dbeta = np.zeros(n)
    h = np.zeros(n)
    news = np.zeros(n)
    for i in range(n):
        for s in range(weights.shape[0]):
            news[i] += weights[s] * f[s, i] * f[s, i]
            if want > 0:
                for j in range(n):
                    kappa[i, j] += 2.0 * weights[s] * f[s, i] * f[s, j]
        h[i] = news[i]
    for t in range(nobs):
        value = base
        fine = True
        for i in range(n):
            if want > 0:
                dalpha[i] = news[i] - 1.0 + beta[i] * dalpha[i]
                dbeta[i] = h[i] - 1.0 + beta[i] * dbeta[i]
                for j in range(n):
                    if t == 0:
                        kappa[i, j] = (alpha[i] + beta[i]) * kappa[i, j]
                    else:
                        kappa[i, j] = 2.0 * alpha[i] * f[t - 1, i] * f[t - 1, j] + beta[i] * kappa[i, j]
            h[i] = 1.0 - alpha[i] - beta[i] + alpha[i] * news[i] + beta[i] * h[i]
            news[i] = f[t, i] * f[t, i]
            if h[i] > 0.0:
                value -= 0.5 * (math.log(h[i]) + news[i] / h[i])
            else:
                fine = False
        if not fine:
            loglik[t] = -np.inf
            continue
        loglik[t] = value
        if want > 0:
            for i in range(n):
                by_h = 0.5 * (news[i] / h[i] - 1.0) / h[i]
                if i < moving:
                    score[t, m + 2 * i] = by_h * dalpha[i]
                    score[t, m + 2 * i + 1] = by_h * dbeta[i]
                for j in range(n):
                    a[i, j] = by_h * kappa[i, j] - f[t, i] * f[t, j] / h[i]
                    total[i, j] += a[i, j]
            if turning > 0:
                k = 0
                for i in range(n):
                    for j in range(i):
                        score[t, k] = a[i, j] - a[j, i]
                        k += 1
    return loglik, score, total / nobs


@kernel
def gogarch_simulate(alpha, beta, first, shocks):
    """Factors and variances, (T, N) each, driven by uncorrelated unit-variance ``shocks``; h_1 is ``first`` (N,)."""
    nobs, n = shocks.shape
    f = np.empty((nobs, n))
    h = np.empty((nobs, n))
    for i in range(n):
        value = first[i]
        for t in range(nobs):
            if t > 0:
                value = 1.0 - alpha[i] - beta[i] + alpha[i] * f[t - 1, i] * f[t - 1, i] + beta[i] * value
            h[t, i] = value
            f[t, i] = math.sqrt(value) * shocks[t, i]
    return f, h
