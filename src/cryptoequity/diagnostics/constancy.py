r"""Tests of a constant correlation against unspecified movement: Engle–Sheppard, Tse, Bera–Kim.

Theory and measured sizes: the page "Tests of constant correlation".
"""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import stats

from ..correlation.bootstrap import SHOCKS
from ..correlation.fit import CorrelationFit
from ..errors import DataError, SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import TestResult
from ..volatility import Margins
from .null_fit import Column, NullFit, constant_null, margins_of
from .null_statistics import opg_statistic, quadratic, robust_statistic
from .null_world import Outcome, conclude

__all__ = ["bera_kim_test", "engle_sheppard_test", "pooled_regression", "tse_test", "weighted_statistic"]

PRODUCTS = ("residuals", "standardized")


def engle_sheppard_test(
    fit: Margins | CorrelationFit,
    *,
    lags: int = 5,
    robust: bool = True,
    bootstrap: int = 0,
    shocks: str = "fhs",
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TestResult:
    r"""Engle and Sheppard's (2001) regression of whitened products on their own past.

    With :math:`e_t=\bar R^{-1/2}z_t` (symmetric root) and :math:`y_{ij,t}=e_{it}e_{jt}`, i < j, the pooled regression

    .. math:: y_{ij,t}=\delta_0+\textstyle\sum_{l\le s}\delta_l\,y_{ij,t-l}+u_{ij,t}

    has :math:`\delta=0` when the correlation is constant. ``robust=False`` is the published statistic
    :math:`\hat\delta'X'X\hat\delta/\hat\sigma^2` on :math:`\chi^2(s)`, not on the published :math:`\chi^2(s+1)`: with
    :math:`\bar R` the correlation of the same residuals the constant is zero by construction and adds nothing to it.
    ``robust=True`` tests the moments :math:`\sum_{i<j}y_{ij,t}y_{ij,t-l}` with a variance that is summed by date,
    whatever the density, and that counts the estimation of the margins.

    Parameters
    ----------
    fit : margins, or a fitted model of which only the margins are read.
    lags : s.
    robust : see above.
    bootstrap : draws of the fitted constant-correlation world for the p-value; 0 for the asymptotic one.
    shocks : "fhs" (resampled) or "parametric", see `bootstrap`. rng, n_jobs : seed and workers of the bootstrap.

    Returns
    -------
    TestResult : ``detail`` holds the published p-value on s + 1 degrees of freedom where ``robust`` is False.

    Notes
    -----
    Size at 5 %, measured with estimated margins (``benchmarks/constancy.py``), over normal and over t(5) residuals:
    robust 4.2–6.3 % and 6.2–7.5 %, the latter beyond two standard errors (6.4 %) in most cells; ``robust=False``
    4.2–5.8 % and 4.5–5.8 %, but about twice its level at 1 % with t(5). ``bootstrap`` is there for both.

    Raises
    ------
    DataError : fewer than two columns, collinear columns, more lags than the sample bears.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> ce.engle_sheppard_test(ce.fit_margins(returns, ce.GARCH(dist="t"))).reference
    'chi2(5)'
    """
    null = read(fit)
    check_lags(lags, null.model.nobs)
    statistic = partial(engle_sheppard_statistic, lags=lags, robust=robust)
    value = statistic(null)
    detail: dict[str, float | int] = {"lags": lags}
    if not robust:
        detail["p-value on lags + 1 degrees of freedom"] = float(stats.chi2.sf(value, lags + 1))
    outcome = Outcome(
        "Engle–Sheppard test of constant correlation",
        "the correlation is constant: products of whitened residuals do not depend on their past.",
        f"chi2({lags})",
        value,
        float(stats.chi2.sf(value, lags)),
        detail,
    )
    return conclude(outcome, null, None, statistic, bootstrap=bootstrap, shocks=shocks, rng=rng, n_jobs=n_jobs)


def tse_test(
    fit: Margins | CorrelationFit,
    *,
    products: str = "residuals",
    robust: bool = True,
    bootstrap: int = 0,
    shocks: str = "fhs",
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TestResult:
    r"""Tse's (2000) LM test: correlations that follow yesterday's product of residuals.

    The alternative is :math:`\rho_{ij,t}=\rho_{ij}+\delta_{ij}\varepsilon_{i,t-1}\varepsilon_{j,t-1}`; at
    :math:`\delta=0` the scores are :math:`\varepsilon_{i,t-1}\varepsilon_{j,t-1}v_{ij,t}`, and the statistic is
    :math:`\chi^2(N(N-1)/2)`. ``robust=False`` takes the variance from the outer product of all joint Gaussian scores,
    as the paper does; it needs normal residuals. ``robust=True`` does not.

    The margins are those of the first step, not of joint maximum likelihood: at such estimates the outer-product form
    is Neyman's :math:`C(\alpha)` statistic, and equals Tse's where the joint scores vanish.

    Parameters
    ----------
    fit : margins, or a fitted model of which only the margins are read.
    products : of "residuals" in percent (the paper) or "standardized" ones, whose tails are thinner.
    robust : see above.
    bootstrap, shocks, rng, n_jobs : as in `engle_sheppard_test`.

    Notes
    -----
    Size at 5 %, measured with estimated margins (``benchmarks/constancy.py``), over normal and over t(5) residuals:
    robust, of residuals, 4.2–6.0 % and 4.9–7.5 %; robust, standardized, 4.7–6.0 % and 4.4–7.8 %: within two standard
    errors (6.4 %) but for five columns with t(5). ``robust=False`` does not hold its size: 5.1–9.2 % and 7.6–25.3 %
    of residuals, 5.4–9.6 % and 7.4–27.4 % standardized. Use ``bootstrap`` there.

    Raises
    ------
    DataError : fewer than two columns, collinear columns.
    SpecError : ``robust=False`` with an arch margin that is not normal.
    """
    check_option("products", products, PRODUCTS)
    null = read(fit)
    statistic = partial(tse_statistic, products=products, robust=robust)
    value = statistic(null)
    pairs = null.scores[0].shape[1]
    outcome = Outcome(
        "Tse's LM test of constant correlation",
        "the correlation is constant: it does not move with the previous day's product of residuals.",
        f"chi2({pairs})",
        value,
        float(stats.chi2.sf(value, pairs)),
        {"pairs": pairs},
    )
    return conclude(outcome, null, None, statistic, bootstrap=bootstrap, shocks=shocks, rng=rng, n_jobs=n_jobs)


def bera_kim_test(
    fit: Margins | CorrelationFit,
    *,
    robust: bool = True,
    bootstrap: int = 0,
    shocks: str = "parametric",
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TestResult:
    r"""Bera and Kim's (2002) information matrix test of a constant correlation, two columns.

    With :math:`u_i=(z_i-\rho z_j)/\sqrt{1-\rho^2}`, whose correlation is :math:`-\rho`, the information matrix equality
    for :math:`\rho` says :math:`\operatorname{E}q_t=0` for

    .. math:: q_t=u_1^2u_2^2-u_1^2-u_2^2+4\rho u_1u_2+1+2\rho^2 .

    A correlation that varies at random makes it positive. At joint maximum likelihood the sums of the terms of second
    order are known and :math:`\sum q_t=\sum(u_1^2u_2^2-1-2\rho^2)`, the published form. ``robust=False`` divides
    :math:`(\sum q_t)^2` by :math:`4T(1+4\rho^2+\rho^4)`; ``robust=True`` studentizes it, margins' estimation counted.

    **Its null is normality too.** Fat tails alone make :math:`\operatorname{E}q_t\ne0`, and no variance repairs
    a mean. ``bootstrap`` replaces it by joint t residuals, whose degrees of freedom are estimated and may be many.
    Their samples must be drawn from that density: resampled shocks bring the sample's own :math:`\operatorname{E}q_t`
    into every draw, the statistic then sits in the middle of its own law whatever the truth, and nothing is tested.

    Parameters
    ----------
    fit : margins of two columns, or a fitted model of which only the margins are read.
    robust, bootstrap, rng, n_jobs : as in `engle_sheppard_test`.
    shocks : "parametric" only.

    Notes
    -----
    Size at 5 %, measured with estimated margins (``benchmarks/constancy.py``), over normal and over t(5) residuals:
    robust 6.4–7.4 % and 93.4–94.9 %; ``robust=False`` 4.0–5.8 % and 99.9–100.0 %. Without ``bootstrap`` a rejection
    says nothing about the correlation of daily returns.

    Raises
    ------
    SpecError : not two columns; ``shocks="fhs"``.
    """
    check_option("shocks", shocks, SHOCKS)
    if shocks != "parametric":
        raise SpecError(
            f"shocks={shocks!r}: resampled shocks carry the very moment this test is about, and it would never reject; "
            "use shocks='parametric'."
        )
    null = read(fit)
    if null.model.n != 2:
        raise SpecError(
            f"the information matrix test is for two columns, not {null.model.n}; test the pairs one by one "
            "(margins.select(...)), or use tse_test."
        )
    statistic = partial(bera_kim_statistic, robust=robust)
    value = statistic(null)
    rho = float(null.model.nuisance[0])
    outcome = Outcome(
        "Bera–Kim information matrix test of constant correlation",
        "the correlation is constant and the residuals are normal.",
        "chi2(1)",
        value,
        float(stats.chi2.sf(value, 1)),
        {"correlation": rho, "mean moment": float(_bera_kim_moment(null.z, rho).mean())},
    )
    return conclude(outcome, null, None, statistic, bootstrap=bootstrap, shocks=shocks, rng=rng, n_jobs=n_jobs)


def read(fit: Margins | CorrelationFit) -> NullFit:
    """Margins with a constant correlation between them."""
    return constant_null(tuple(Column.of(one) for one in margins_of(fit).fits))


def check_lags(lags: int, nobs: int) -> None:
    """Refuse lags that are not a whole number between 1 and a third of the sample."""
    if not isinstance(lags, int | np.integer) or isinstance(lags, bool) or lags < 1:
        raise SpecError(f"lags={lags!r}: a whole number of at least 1.")
    if 3 * lags > nobs:
        raise DataError(f"lags={lags} of {nobs} observations: use at most {nobs // 3}.")


def pooled_regression(products: Array, lags: int) -> tuple[float, Array, float]:
    """Regression of all columns of ``products`` (T, P) on a constant and their own lags, pooled.

    Returns
    -------
    delta'X'X delta / sigma^2, delta (1 + lags,), sigma^2 (divisor: rows).
    """
    y = products[lags:].ravel()
    nobs = products.shape[0]
    x = np.stack([np.ones(y.size), *(products[lags - lag : nobs - lag].ravel() for lag in range(1, lags + 1))], axis=1)
    delta = np.asarray(np.linalg.lstsq(x, y, rcond=None)[0], np.float64)
    fitted = x @ delta
    variance = float(np.mean((y - fitted) ** 2))
    return float(fitted @ fitted) / variance, delta, variance


def inverse_root(matrix: Array) -> Array:
    """Symmetric inverse square root."""
    values, vectors = np.linalg.eigh(matrix)
    out: Array = (vectors / np.sqrt(values)) @ vectors.T
    return out


def engle_sheppard_statistic(null: NullFit, lags: int, robust: bool) -> float:
    """See `engle_sheppard_test`."""
    rows, cols = null.model.pairs
    root = inverse_root(null.model.matrix(null.model.nuisance))
    e = null.z @ root
    products = e[:, rows] * e[:, cols]
    if not robust:
        return pooled_regression(products, lags)[0]
    nobs = products.shape[0]
    moments = np.empty((nobs, lags))
    slope = np.zeros((lags, null.bread.shape[0]))
    past = np.zeros((lags, *products.shape))
    for lag in range(1, lags + 1):
        past[lag - 1, lag:] = products[:-lag] - products[:-lag].mean(axis=0)
        moments[:, lag - 1] = (past[lag - 1] * products).sum(axis=1)
    first = 0
    for i, one in enumerate(null.columns):
        by_z = root[i, rows] * e[:, cols] + root[i, cols] * e[:, rows]  # (T, P)
        for lag in range(lags):
            slope[lag, first : first + one.dz.shape[1]] = (past[lag] * by_z).sum(axis=1) @ one.dz / nobs
        first += one.dz.shape[1]
    # by the correlation the expected slope is a constant times the mean of the past, which is zero
    return robust_statistic(moments, slope, null)


def weighted_statistic(null: NullFit, weights: list[Array], robust: bool) -> float:
    """LM statistic of the moments x_t v_t for every ``weights`` (T, P), known before the date and of zero mean."""
    v = null.scores[0]
    moments = np.concatenate([one * v for one in weights], axis=1)
    if robust:
        slope = np.concatenate([null.weighted_slope(one) for one in weights], axis=0)
        return robust_statistic(moments, slope, null)
    own = null.own_part
    nuisance = [null.joint_scores(), v if own is None else own.score]
    return opg_statistic(moments, np.concatenate(nuisance, axis=1))


def tse_statistic(null: NullFit, products: str, robust: bool) -> float:
    """See `tse_test`."""
    x = null.residuals if products == "residuals" else null.z
    rows, cols = null.model.pairs
    past = x[:-1, rows] * x[:-1, cols]
    weights = np.zeros((x.shape[0], rows.size))
    weights[1:] = (past - past.mean(axis=0)) / past.std(axis=0)
    return weighted_statistic(null, [weights], robust)


def _bera_kim_moment(z: Array, rho: float) -> Array:
    scale = np.sqrt(1.0 - rho * rho)
    u1, u2 = (z[:, 0] - rho * z[:, 1]) / scale, (z[:, 1] - rho * z[:, 0]) / scale
    moment: Array = u1**2 * u2**2 - u1**2 - u2**2 + 4.0 * rho * u1 * u2 + 1.0 + 2.0 * rho**2
    return moment


def bera_kim_statistic(null: NullFit, robust: bool) -> float:
    """See `bera_kim_test`."""
    z, rho = null.z, float(null.model.nuisance[0])
    moment = _bera_kim_moment(z, rho)
    if not robust:
        return float(moment.sum() ** 2 / (4.0 * z.shape[0] * (1.0 + 4.0 * rho**2 + rho**4)))
    det = 1.0 - rho * rho
    scale = np.sqrt(det)
    u1, u2 = (z[:, 0] - rho * z[:, 1]) / scale, (z[:, 1] - rho * z[:, 0]) / scale
    by_u1, by_u2 = 2.0 * u1 * u2**2 - 2.0 * u1 + 4.0 * rho * u2, 2.0 * u2 * u1**2 - 2.0 * u2 + 4.0 * rho * u1
    by_z = (by_u1 - rho * by_u2) / scale, (by_u2 - rho * by_u1) / scale
    slopes = [(one @ column.dz) / z.shape[0] for one, column in zip(by_z, null.columns, strict=True)]
    if null.noise != "none":
        du1, du2 = rho * u1 / det - z[:, 1] / scale, rho * u2 / det - z[:, 0] / scale
        by_rho = by_u1 * du1 + by_u2 * du2 + 4.0 * u1 * u2 + 4.0 * rho
        slopes.append(np.array([by_rho.mean()]))
    star = moment[:, None] - null.moments @ np.linalg.solve(null.bread.T, np.concatenate(slopes)[:, None])
    return quadratic(np.array([moment.sum()]), star.T @ star)
