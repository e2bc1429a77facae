r"""GARCH, GJR and EGARCH recursions with their densities and scores.

One forward pass gives the log-likelihood of every observation, its score and the derivative of the
standardized residual. With :math:`\varepsilon_t = y_t - x_t'\varphi` and :math:`z_t = \varepsilon_t/\sigma_t`,

.. math::

    \sigma_t^2 = \omega + \sum_{i\le p}\alpha_i\varepsilon_{t-i}^2
        + \sum_{j\le o}\gamma_j\varepsilon_{t-j}^2 1(\varepsilon_{t-j}<0) + \sum_{k\le q}\beta_k\sigma_{t-k}^2,

or, for EGARCH,

.. math::

    \ln\sigma_t^2 = \omega + \sum_i\alpha_i\bigl(|z_{t-i}|-\sqrt{2/\pi}\bigr) + \sum_j\gamma_j z_{t-j}
        + \sum_k\beta_k\ln\sigma_{t-k}^2 .

Parameters are stacked (mean, omega, alpha, gamma, beta, shape). Before the sample GARCH uses
``presample[0]`` for the squares (half of it for :math:`\gamma`) and ``presample[1]`` for the variance;
EGARCH omits the news and uses ``presample[1]`` for :math:`\ln\sigma^2`, as the ``arch`` package does.

``dist`` is 0 for the normal, 1 for Student's t, 2 for Hansen's (1994) skewed t, all with unit variance.
``const`` carries what depends on the shape only (see ``volatility.density.constants``):
``c, dc/dnu, dc/dlam, a, da/dnu, da/dlam, b, db/dnu, db/dlam``.
"""

import functools
import math

import numpy as np

from . import kernel

__all__ = ["garch_filter", "garch_simulate"]

_ABS_NORMAL = math.sqrt(2.0 / math.pi)
_LOG_MAX = 500.0


@functools.lru_cache(maxsize=64)
def garch_filter(m, p, o, q, exponential, dist):
    """Compile the recursion for ``m`` mean parameters, orders (p, o, q), the (log) variance and the density.

    The orders are constants of the compiled code, so that its inner loops unroll: two to three times faster
    than the same loop with orders as arguments.

    Returns
    -------
    A kernel of (theta, y, x, const, presample, want):
    theta (K,) as above; y (T,) returns; x (T, m) regressors of the mean; const (9,); presample (2,) square and
    (log) variance before the sample; want 0 for values, 1 for scores too, 2 for dz/dtheta too. It returns
    loglik (T,), variance (T,), residual (T,), score (T, K) or (0, K), dz (T, K) or (0, K).
    A variance that is not positive and finite makes ``loglik`` minus infinity from there on.
    """
    alpha, gamma = m + 1, m + 1 + p
    beta = gamma + o
    size = beta + q
    k = size + dist
    lag = max(p, o, q, 1)

    def filter_once(theta, y, x, const, presample, want):
        nobs = y.shape[0]
        loglik = np.empty(nobs)
        variance = np.empty(nobs)
        residual = np.empty(nobs)
        score = np.empty((nobs if want > 0 else 0, k))
        dz = np.zeros((nobs if want > 1 else 0, k))
        # rings of the last derivatives of the (log) variance and, for EGARCH, of z
        dh = np.zeros((lag, size))
        dnews = np.zeros((lag, size))
        now = np.zeros(size)
        log2pi = math.log(2.0 * math.pi)
        nu = theta[size] if dist > 0 else 0.0
        lam = theta[size + 1] if dist > 1 else 0.0
        per_nu = 1.0 / (nu - 2.0) if dist > 0 else 0.0
        slot = -1  # row of the rings that holds t - 1
        for t in range(nobs):
            e = y[t]
            for j in range(m):
                e -= x[t, j] * theta[j]
            residual[t] = e
            # --- (log) variance and its derivative
            h = theta[m]
            if want > 0:
                for j in range(size):
                    now[j] = 0.0
                now[m] = 1.0
            for i in range(p):
                s = t - 1 - i
                row = 0 if lag == 1 else (slot - i if slot >= i else slot - i + lag)
                if exponential:
                    if s >= 0:
                        zs = residual[s] / math.sqrt(variance[s])
                        news = abs(zs) - _ABS_NORMAL
                        h += theta[alpha + i] * news
                        if want > 0:
                            now[alpha + i] += news
                            sign = 1.0 if zs > 0 else (-1.0 if zs < 0 else 0.0)
                            for j in range(size):
                                now[j] += theta[alpha + i] * sign * dnews[row, j]
                else:
                    es = residual[s] if s >= 0 else 0.0
                    square = es * es if s >= 0 else presample[0]
                    h += theta[alpha + i] * square
                    if want > 0:
                        now[alpha + i] += square
                        if s >= 0:
                            for j in range(m):
                                now[j] -= 2.0 * theta[alpha + i] * es * x[s, j]
            for i in range(o):
                s = t - 1 - i
                row = 0 if lag == 1 else (slot - i if slot >= i else slot - i + lag)
                if exponential:
                    if s >= 0:
                        zs = residual[s] / math.sqrt(variance[s])
                        h += theta[gamma + i] * zs
                        if want > 0:
                            now[gamma + i] += zs
                            for j in range(size):
                                now[j] += theta[gamma + i] * dnews[row, j]
                else:
                    es = residual[s] if s >= 0 and residual[s] < 0 else 0.0
                    square = es * es if s >= 0 else 0.5 * presample[0]
                    h += theta[gamma + i] * square
                    if want > 0:
                        now[gamma + i] += square
                        if s >= 0:
                            for j in range(m):
                                now[j] -= 2.0 * theta[gamma + i] * es * x[s, j]
            for i in range(q):
                s = t - 1 - i
                row = 0 if lag == 1 else (slot - i if slot >= i else slot - i + lag)
                if s < 0:
                    back = presample[1]
                else:
                    back = math.log(variance[s]) if exponential else variance[s]
                h += theta[beta + i] * back
                if want > 0:
                    now[beta + i] += back
                    if s >= 0:
                        for j in range(size):
                            now[j] += theta[beta + i] * dh[row, j]
            if exponential:
                v = math.exp(h) if abs(h) < _LOG_MAX else -1.0
            else:
                v = h
            if not (v > 0.0 and v < 1e300):
                for s in range(t, nobs):
                    loglik[s] = -np.inf
                    variance[s] = np.nan
                    residual[s] = np.nan
                    if want > 0:
                        for j in range(k):
                            score[s, j] = 0.0
                    if want > 1:
                        for j in range(size):
                            dz[s, j] = 0.0
                return loglik, variance, residual, score, dz
            variance[t] = v
            per_sigma = 1.0 / math.sqrt(v)
            z = e * per_sigma
            # --- density: value, d/dz and d/dshape at fixed z
            dlam = 0.0
            if dist == 0:
                value = -0.5 * (log2pi + z * z)
                dval = -z
                dnu = 0.0
            elif dist == 1:
                grow = math.log1p(z * z * per_nu)
                weight = (nu + 1.0) / (nu - 2.0 + z * z)
                value = const[0] - 0.5 * (nu + 1.0) * grow
                dval = -weight * z
                dnu = const[1] - 0.5 * grow + 0.5 * weight * z * z * per_nu
            else:
                a, b = const[3], const[6]
                side = 1.0 if b * z + a >= 0 else -1.0
                scale = 1.0 + side * lam
                g = (b * z + a) / scale
                grow = math.log1p(g * g * per_nu)
                weight = (nu + 1.0) / (nu - 2.0 + g * g)
                value = const[0] - 0.5 * (nu + 1.0) * grow
                slope = -weight * g
                dval = slope * b / scale
                dnu = const[1] - 0.5 * grow + 0.5 * weight * g * g * per_nu
                dnu += slope * (const[7] * z + const[4]) / scale
                dlam = const[2] + slope * ((const[8] * z + const[5]) / scale - g * side / scale)
            loglik[t] = value - 0.5 * (h if exponential else math.log(v))
            if want > 0:
                # d loglik / d log-variance at fixed residual; GARCH stores dv, EGARCH d log v
                per = 1.0 if exponential else per_sigma * per_sigma
                dlogv = -0.5 * (1.0 + dval * z) * per
                if lag > 1:
                    slot = slot + 1 if slot + 1 < lag else 0
                else:
                    slot = 0
                for j in range(size):
                    score[t, j] = dlogv * now[j]
                    dh[slot, j] = now[j]
                for j in range(m):
                    score[t, j] -= dval * x[t, j] * per_sigma
                if exponential or want > 1:
                    for j in range(size):
                        slope_z = -0.5 * z * now[j] * per
                        if j < m:
                            slope_z -= x[t, j] * per_sigma
                        if exponential:
                            dnews[slot, j] = slope_z
                        if want > 1:
                            dz[t, j] = slope_z
                if dist > 0:
                    score[t, size] = dnu
                if dist > 1:
                    score[t, size + 1] = dlam
        return loglik, variance, residual, score, dz

    # compiled code is stored under this name: two closures that shared one would overwrite each other
    name = f"garch_filter_{m}_{p}_{o}_{q}_{int(exponential)}_{dist}"
    filter_once.__name__ = filter_once.__qualname__ = name
    return kernel(filter_once)


@kernel
def garch_simulate(theta, shocks, m, lags, orders, exponential, start_return, start_variance):
    """Returns and variances driven by unit-variance ``shocks``.

    Parameters
    ----------
    theta : (K,) as in `garch_filter`; trailing shape parameters are ignored.
    shocks : (T,) standardized innovations.
    m, lags : number of mean parameters (constant first when ``m > lags``) and of AR lags.
    start_return, start_variance : value of returns and of (log) variance before the sample.

    Returns
    -------
    y (T,), variance (T,).
    """
    nobs = shocks.shape[0]
    p, o, q = orders[0], orders[1], orders[2]
    y = np.empty(nobs)
    residual = np.empty(nobs)
    variance = np.empty(nobs)
    state = np.empty(nobs)  # variance, or its log
    base = math.exp(start_variance) if exponential else start_variance
    constant = m - lags
    for t in range(nobs):
        h = theta[m]
        pos = m + 1
        for i in range(p):
            s = t - 1 - i
            if exponential:
                if s >= 0:
                    h += theta[pos] * (abs(shocks[s]) - _ABS_NORMAL)
            else:
                h += theta[pos] * (residual[s] * residual[s] if s >= 0 else base)
            pos += 1
        for i in range(o):
            s = t - 1 - i
            if exponential:
                if s >= 0:
                    h += theta[pos] * shocks[s]
            elif s >= 0:
                if residual[s] < 0:
                    h += theta[pos] * residual[s] * residual[s]
            else:
                h += theta[pos] * 0.5 * base
            pos += 1
        for i in range(q):
            s = t - 1 - i
            h += theta[pos] * (state[s] if s >= 0 else start_variance)
            pos += 1
        state[t] = h
        variance[t] = math.exp(h) if exponential else h
        residual[t] = math.sqrt(variance[t]) * shocks[t]
        mean = theta[0] if constant > 0 else 0.0
        for i in range(lags):
            s = t - 1 - i
            mean += theta[constant + i] * (y[s] if s >= 0 else start_return)
        y[t] = mean + residual[t]
    return y, variance
