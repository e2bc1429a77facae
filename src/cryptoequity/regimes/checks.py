r"""Is the density of tomorrow right? Probability integral transforms given the past, and tests of them.

With several columns the transforms of each column on its own say nothing of their correlation. Rosenblatt's (1952) do:
column n is transformed given the past *and the columns before it*,

.. math:: u_{nt}=\frac{\sum_jw_{jnt}\,F_j(y_{nt}\mid y_{1t},\dots,y_{n-1,t})}{\sum_jw_{jnt}},\qquad
          w_{jnt}=\Pr(S_t=j\mid Y_{t-1})\,f_j(y_{1t},\dots,y_{n-1,t}),

and all of them are uniform and independent, over dates and columns, when the model is right.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from scipy import special, stats

from ..errors import DataError, SpecError
from ..estimation.params import Array
from ..estimation.results import TestResult
from .gaussian import GaussianEmission

__all__ = ["berkowitz_test", "density_checks", "normal_quantiles", "rosenblatt"]


def normal_quantiles(pit: Array) -> Array:
    """Standard normal quantiles of probabilities, finite at zero and one."""
    out: Array = stats.norm.ppf(np.clip(pit, np.finfo(float).tiny, 1.0 - 1e-16))
    return out


def rosenblatt(emission: GaussianEmission, theta: Array, predicted: Array) -> Array:
    """Rosenblatt transforms (T, N) of normal or t densities mixed with probabilities ``predicted`` (T, k)."""
    mean, sd, corr, nu = emission.unpack(theta)
    cov = corr * sd[:, :, None] * sd[:, None, :]
    out = np.empty((emission.nobs, emission.n))
    for n in range(emission.n):
        logf = np.zeros((emission.nobs, emission.k))
        cdf = np.empty((emission.nobs, emission.k))
        for j in range(emission.k):
            e = emission.y - mean[j]
            if n == 0:
                center, scale, df = np.zeros(emission.nobs), np.full(emission.nobs, sd[j, 0]), nu
                d = np.zeros(emission.nobs)
            else:
                inside, across = cov[j, :n, :n], cov[j, :n, n]
                coefficients = np.linalg.solve(inside, across)
                center = e[:, :n] @ coefficients
                scale = np.full(emission.nobs, np.sqrt(cov[j, n, n] - across @ coefficients))
                low = np.linalg.cholesky(inside)
                d = (np.linalg.solve(low, e[:, :n].T) ** 2).sum(axis=0)
                logf[:, j] = -np.log(np.diag(low)).sum() + _log_kernel(d, n, nu)
                df = nu + n
            u = (e[:, n] - center) / scale
            if nu:
                # given the first n columns a t vector is t with nu + n degrees of freedom and a scale that knows d
                cdf[:, j] = stats.t.cdf(u * np.sqrt(df / (nu - 2.0 + d)), df)
            else:
                cdf[:, j] = stats.norm.cdf(u)
        logw = logf - logf.max(axis=1, keepdims=True)
        w = predicted * np.exp(logw)
        out[:, n] = (w * cdf).sum(axis=1) / w.sum(axis=1)
    return out


def _log_kernel(d: Array, n: int, nu: float) -> Array:
    """Log-density of n columns at squared distances ``d``, without the determinant."""
    if not nu:
        return np.asarray(-0.5 * (n * np.log(2.0 * np.pi) + d))
    constant = special.gammaln((nu + n) / 2) - special.gammaln(nu / 2) - 0.5 * n * np.log(np.pi * (nu - 2.0))
    out: Array = constant - 0.5 * (nu + n) * np.log1p(d / (nu - 2.0))
    return out


def berkowitz_test(residuals: pd.Series | Array) -> TestResult:
    r"""Likelihood-ratio test that normal quantiles of PITs are independent and standard normal (Berkowitz 2001).

    :math:`u_t-\mu=\rho(u_{t-1}-\mu)+\varepsilon_t,\ \varepsilon_t\sim N(0,\sigma^2)` against
    :math:`(\mu,\rho,\sigma)=(0,0,1)`: chi-squared with three degrees of freedom.

    It sees a wrong mean, a wrong variance and serial correlation, and neither tails nor dependence of the squares:
    conditional variances that are missed (GARCH) are the business of Ljung–Box on squares. The parameters of the model
    are taken as known; where they were estimated on the same sample the test rejects less often than its level.

    Parameters
    ----------
    residuals : (T,) normal quantiles of probability integral transforms, e.g. a column of
        ``fit.generalized_residuals()``.

    Raises
    ------
    DataError : fewer than 20 values, values that are not finite, or a constant series.

    References
    ----------
    Berkowitz, J. (2001). Testing density forecasts, with applications to risk management. Journal of Business and
    Economic Statistics 19, 465-474.

    Examples
    --------
    >>> import numpy as np
    >>> from cryptoequity.regimes.checks import berkowitz_test
    >>> bool(berkowitz_test(np.random.default_rng(0).standard_normal(500)).pvalue > 0.05)
    True
    """
    u = np.asarray(residuals, float)
    if u.ndim != 1 or u.size < 20:
        raise DataError(f"residuals of shape {u.shape}: one series of at least 20 values.")
    if not np.isfinite(u).all():
        raise DataError(f"residuals: value {int(np.flatnonzero(~np.isfinite(u))[0])} is not finite.")
    if not float(np.ptp(u)) > 0.0:
        raise DataError("residuals: a constant series has no density.")
    x = np.column_stack([np.ones(u.size - 1), u[:-1]])
    coefficients = np.linalg.lstsq(x, u[1:], rcond=None)[0]
    rest = u[1:] - x @ coefficients
    variance = float(rest @ rest / rest.size)
    free = -0.5 * rest.size * (np.log(variance) + 1.0)
    null = -0.5 * float(u[1:] @ u[1:])
    statistic = max(0.0, 2.0 * (free - null))
    rho = float(coefficients[1])
    return TestResult(
        "Berkowitz test",
        "the residuals are independent and standard normal",
        statistic,
        float(stats.chi2.sf(statistic, 3)),
        "chi-squared, 3 degrees of freedom",
        {"mean": float(coefficients[0] / (1.0 - rho)), "rho": rho, "sigma": float(np.sqrt(variance))},
    )


def density_checks(residuals: pd.DataFrame, lags: int, *, products: bool = True) -> pd.DataFrame:
    """Statistics and p-values by (series, test) for normal quantiles of PITs, (T, N); see `RegimeFit.diagnostics`."""
    from statsmodels.stats.diagnostic import acorr_ljungbox

    if not isinstance(lags, int) or isinstance(lags, bool) or not 1 <= lags < len(residuals) // 4:
        raise SpecError(f"lags={lags!r}: a whole number between 1 and a quarter of the {len(residuals)} dates.")
    rows: dict[tuple[str, str], tuple[float, float]] = {}

    def box(series: Array) -> tuple[float, float]:
        found = acorr_ljungbox(series, lags=[lags])
        return float(found["lb_stat"].iloc[0]), float(found["lb_pvalue"].iloc[0])

    for name in residuals.columns:
        u = residuals[name].to_numpy(float)
        rows[str(name), "Ljung-Box"] = box(u)
        rows[str(name), "Ljung-Box, squares"] = box(u**2)
        kolmogorov = stats.kstest(u, "norm")
        rows[str(name), "Kolmogorov-Smirnov"] = float(kolmogorov.statistic), float(kolmogorov.pvalue)
        berkowitz = berkowitz_test(u)
        rows[str(name), "Berkowitz"] = berkowitz.statistic, berkowitz.pvalue
    for one, other in itertools.combinations(residuals.columns, 2) if products else ():
        rows[f"{one} x {other}", "Ljung-Box"] = box((residuals[one] * residuals[other]).to_numpy(float))
    index = pd.MultiIndex.from_tuples(list(rows), names=["series", "test"])
    return pd.DataFrame(list(rows.values()), index, ["statistic", "pvalue"])
