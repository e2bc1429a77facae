"""Tests of a constant correlation against statistics written out by hand, their law, and what they must find."""

from __future__ import annotations

import os
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.signal import lfilter

from cryptoequity.correlation import DCC
from cryptoequity.diagnostics.constancy import (
    bera_kim_statistic,
    bera_kim_test,
    engle_sheppard_statistic,
    engle_sheppard_test,
    pooled_regression,
    tse_statistic,
    tse_test,
)
from cryptoequity.diagnostics.null_fit import Column, constant_null
from cryptoequity.diagnostics.null_world import NullWorld, bootstrap_null
from cryptoequity.diagnostics.transition_tests import stcc_test
from cryptoequity.errors import DataError, SpecError
from cryptoequity.volatility import EGARCH, GARCH, fit_margins
from diagnostics.null_samples import constant, correlated, dynamic, known, margins_from, persistent, returns_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def margins():
    return margins_from(constant(700, 2, np.random.default_rng(3), 6.0))


@pytest.fixture(scope="module")
def three():
    return margins_from(constant(600, 3, np.random.default_rng(4)))


# --- the full likelihood, written out: CCC with GARCH(1,1) margins, N = 2


def garch(theta: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals and volatility of GARCH(1,1) with the back-cast of the arch package."""
    mu, omega, alpha, beta = theta
    weights = 0.94 ** np.arange(75)
    back = float(weights @ (y - y.mean())[:75] ** 2 / weights.sum())
    e = y - mu
    news = omega + alpha * np.concatenate([[back], e[:-1] ** 2])
    variance = lfilter([1.0], [1.0, -beta], news, zi=[beta * back])[0]
    return e, np.sqrt(variance)


def joint(eta: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Log-likelihood of each date, (T,): eta = (margin 1, margin 2, rho, delta), rho_t = rho + delta x_t."""
    (e1, s1), (e2, s2) = garch(eta[:4], y[:, 0]), garch(eta[4:8], y[:, 1])
    z1, z2 = e1 / s1, e2 / s2
    rho = eta[8] + eta[9] * x
    quad = (z1**2 + z2**2 - 2 * rho * z1 * z2) / (1 - rho**2)
    return -np.log(s1) - np.log(s2) - 0.5 * np.log(1 - rho**2) - 0.5 * quad


def differences(function, eta: np.ndarray) -> np.ndarray:
    """Central differences of a function of eta, one column a parameter."""
    columns = []
    for k in range(eta.size):
        h = 1e-5 * max(abs(eta[k]), 1e-2)
        up, down = eta.copy(), eta.copy()
        up[k] += h
        down[k] -= h
        columns.append((function(up) - function(down)) / (2 * h))
    return np.stack(columns, axis=-1)


def estimates(margins) -> tuple[np.ndarray, np.ndarray, float]:
    y = np.stack([fit.returns.to_numpy() for fit in margins.fits], axis=1)
    z = margins.std_resid.to_numpy()
    rho = float(z[:, 0] @ z[:, 1] / np.sqrt((z[:, 0] @ z[:, 0]) * (z[:, 1] @ z[:, 1])))
    return y, np.concatenate([fit.estimate.theta for fit in margins.fits]), rho


def explained(regressors: np.ndarray) -> float:
    """Explained sum of squares of one on the regressors."""
    ones = np.ones(regressors.shape[0])
    fitted = regressors @ np.linalg.lstsq(regressors, ones, rcond=None)[0]
    return float(fitted @ fitted)


@pytest.mark.parametrize("which", ["tse", "stcc"])
def test_outer_product_form_is_a_regression_on_numerical_scores_of_the_joint_likelihood(margins, which):
    y, theta, rho = estimates(margins)
    e = np.stack([garch(theta[4 * i : 4 * i + 4], y[:, i])[0] for i in (0, 1)], axis=1)
    if which == "tse":
        x = np.concatenate([[0.0], e[:-1, 0] * e[:-1, 1]])
        x[0] = x[1:].mean()  # a date without a yesterday has the mean product
        result = tse_test(margins, robust=False)
    else:
        x = persistent(len(y), np.random.default_rng(5))
        result = stcc_test(margins, x, robust=False)
    x = (x - x.mean()) / x.std()
    score = differences(lambda eta: joint(eta, y, x), np.concatenate([theta, [rho, 0.0]]))
    assert result.statistic == pytest.approx(explained(score) - explained(score[:, :9]), rel=1e-4)
    assert result.pvalue == pytest.approx(stats.chi2.sf(result.statistic, 1))


@pytest.mark.parametrize("which", ["tse", "stcc"])
def test_robust_form_is_the_two_step_variance_with_numerical_derivatives(margins, which):
    y, theta, rho = estimates(margins)
    nobs = len(y)

    def margin(eta, i):
        e, s = garch(eta, y[:, i])
        return -np.log(s) - 0.5 * (e / s) ** 2

    e = np.stack([garch(theta[4 * i : 4 * i + 4], y[:, i])[0] for i in (0, 1)], axis=1)
    if which == "tse":
        past = e[:-1, 0] * e[:-1, 1]
        x = np.concatenate([[0.0], (past - past.mean()) / past.std()])
        result = tse_test(margins)
    else:
        x = persistent(nobs, np.random.default_rng(5))
        x = (x - x.mean()) / x.std()
        result = stcc_test(margins, x)
    star = np.zeros(nobs)

    def moment(both):
        """x_t v_t with the weights held fixed."""
        z1, z2 = (np.divide(*garch(both[4 * i : 4 * i + 4], y[:, i])) for i in (0, 1))
        quad = (z1**2 + z2**2 - 2 * rho * z1 * z2) / (1 - rho**2)
        return x * (rho + z1 * z2 - rho * quad) / (1 - rho**2)

    star = moment(theta)
    total = star.sum()
    slope = differences(lambda both: moment(both).mean(), theta)
    for i in (0, 1):
        own = theta[4 * i : 4 * i + 4]
        score = differences(lambda eta, i=i: margin(eta, i), own)
        hessian = differences(lambda eta, i=i: differences(lambda one: margin(one, i).mean(), eta), own)
        star = star - score @ np.linalg.solve(hessian.T, slope[4 * i : 4 * i + 4])
    # the weights have mean zero: the expected slope by rho is zero, and its noise has no part in the variance
    assert result.statistic == pytest.approx(total**2 / float(star @ star), rel=2e-3)


def test_log_slope_is_the_derivative_of_log_volatility_for_every_density():
    returns = returns_of(constant(400, 2, np.random.default_rng(8), 5.0))["A"]
    for spec in (GARCH(asymmetric=True, dist="t"), EGARCH(dist="normal"), GARCH(dist="skewt", mean="ar", lags=1)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = spec.fit(returns)
        column = Column.of(fit)
        lik = column.likelihood
        slopes = []
        for k in range(fit.estimate.theta.size):
            h = 1e-6 * max(abs(fit.estimate.theta[k]), 1e-2)
            ends = []
            for sign in (1.0, -1.0):
                theta = fit.estimate.theta.copy()
                theta[k] += sign * h
                ends.append(0.5 * np.log(lik.filter(theta, 0)[1]))
            slopes.append((ends[0] - ends[1]) / (2 * h))
        natural = np.stack(slopes, axis=1) @ fit.part.jacobian
        np.testing.assert_allclose(column.log_slope, natural, atol=1e-5 * np.abs(natural).max())


# --- Engle and Sheppard


def textbook(whitened: np.ndarray, lags: int) -> float:
    """delta'X'X delta / sigma^2 of the stacked regression, one row at a time."""
    nobs, n = whitened.shape
    rows, y = [], []
    for i in range(n):
        for j in range(i + 1, n):
            p = whitened[:, i] * whitened[:, j]
            for t in range(lags, nobs):
                rows.append([1.0, *p[t - lags : t][::-1]])
                y.append(p[t])
    x, y = np.array(rows), np.array(y)
    delta = np.linalg.solve(x.T @ x, x.T @ y)
    residual = y - x @ delta
    return float(delta @ x.T @ x @ delta / np.mean(residual**2))


def symmetric_root(r: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(r)
    return vectors @ np.diag(values**-0.5) @ vectors.T


@pytest.mark.parametrize("lags", [1, 5])
def test_engle_sheppard_is_the_textbook_regression(three, lags):
    z = three.std_resid.to_numpy()
    moment = z.T @ z / len(z)
    r = moment / np.sqrt(np.outer(np.diag(moment), np.diag(moment)))
    result = engle_sheppard_test(three, lags=lags, robust=False)
    assert result.statistic == pytest.approx(textbook(z @ symmetric_root(r), lags), rel=1e-10)
    assert result.pvalue == pytest.approx(stats.chi2.sf(result.statistic, lags))
    published = result.detail["p-value on lags + 1 degrees of freedom"]
    assert published == pytest.approx(stats.chi2.sf(result.statistic, lags + 1))


def test_textbook_values_on_the_residuals_another_program_used(oracle):
    stored = oracle("engle_sheppard_dji")
    default = ROOT.parent / "shared" / "reference"
    path = Path(os.environ.get("CRYPTOEQUITY_REFERENCE", default)) / "data" / "dcctest_Z_3_dji.csv"
    if not path.exists():
        pytest.skip("set CRYPTOEQUITY_REFERENCE to a folder with data/dcctest_Z_3_dji.csv")
    e = pd.read_csv(path).to_numpy()
    rows, cols = np.triu_indices(3, 1)
    for one in stored["values"]:
        statistic, delta, variance = pooled_regression(e[:, rows] * e[:, cols], one["lags"])
        assert statistic == pytest.approx(one["statistic"], rel=1e-10)
        np.testing.assert_allclose(delta, one["delta"], rtol=1e-8)
        assert variance == pytest.approx(one["variance"], rel=1e-12)
        assert reversed_statistic(e[:, rows] * e[:, cols], one["lags"]) == pytest.approx(one["reversed"], rel=1e-8)


def reversed_statistic(products: np.ndarray, lags: int) -> float:
    """The form in circulation: X regressed on y, and the standard deviation where the variance belongs."""
    nobs = products.shape[0]
    y = products[lags:].T.ravel()
    past = (products[lags - k : nobs - k].T.ravel() for k in range(1, lags + 1))
    x = np.stack([np.ones(y.size), *past], axis=1)
    beta = y @ x / (y @ y)
    residual = y - x @ beta
    return float(beta @ x.T @ x @ beta / np.sqrt(np.mean(residual**2)))


def test_robust_engle_sheppard_written_out(margins):
    y, theta, rho = estimates(margins)
    nobs, lags = len(y), 2
    root = symmetric_root(np.array([[1.0, rho], [rho, 1.0]]))

    def product(both):
        z = np.stack([np.divide(*garch(both[4 * i : 4 * i + 4], y[:, i])) for i in (0, 1)], axis=1)
        e = z @ root
        return e[:, 0] * e[:, 1]

    p = product(theta)
    past = np.zeros((nobs, lags))
    for lag in range(1, lags + 1):
        past[lag:, lag - 1] = p[:-lag] - p[:-lag].mean()
    moments = past * p[:, None]
    slope = differences(lambda both: (past * product(both)[:, None]).mean(axis=0), theta)
    star = moments.copy()
    for i in (0, 1):

        def margin(eta, i=i):
            e, s = garch(eta, y[:, i])
            return -np.log(s) - 0.5 * (e / s) ** 2

        own = theta[4 * i : 4 * i + 4]
        hessian = differences(lambda eta, f=margin: differences(lambda one: f(one).mean(), eta), own)
        star -= differences(margin, own) @ np.linalg.solve(hessian.T, slope[:, 4 * i : 4 * i + 4].T)
    total = moments.sum(axis=0)
    by_hand = total @ np.linalg.solve(star.T @ star, total)
    assert engle_sheppard_test(margins, lags=lags).statistic == pytest.approx(by_hand, rel=2e-3)


# --- Bera and Kim


def test_bera_kim_moment_is_the_information_matrix_equality(margins):
    """q_t / (1 - rho^2)^2 equals score^2 + second derivative of the log density in rho."""
    y, theta, rho = estimates(margins)
    x = np.zeros(len(y))
    eta = np.concatenate([theta, [rho, 0.0]])

    def at(r):
        eta[8] = r
        return joint(eta, y, x)

    h = 1e-4
    first = (at(rho + h) - at(rho - h)) / (2 * h)
    second = (at(rho + h) - 2 * at(rho) + at(rho - h)) / h**2
    by_hand = (first**2 + second).sum() * (1 - rho**2) ** 2
    result = bera_kim_test(margins, robust=False)
    assert result.detail["mean moment"] * len(y) == pytest.approx(by_hand, rel=1e-4)
    variance = 4 * len(y) * (1 + 4 * rho**2 + rho**4)
    assert result.statistic == pytest.approx(by_hand**2 / variance, rel=1e-3)


def test_bera_kim_variance_is_that_of_the_moment_under_normality():
    """Moments of the normal by Gauss–Hermite quadrature, exact for these polynomials."""
    rho = 0.5
    node, weight = np.polynomial.hermite_e.hermegauss(12)
    a, b = np.meshgrid(node, node)
    w = np.outer(weight, weight) / (2 * np.pi)
    u1, u2 = a, -rho * a + np.sqrt(1 - rho**2) * b
    q = u1**2 * u2**2 - u1**2 - u2**2 + 4 * rho * u1 * u2 + 1 + 2 * rho**2
    assert (w * q).sum() == pytest.approx(0.0, abs=1e-12)
    assert (w * q**2).sum() == pytest.approx(4 * (1 + 4 * rho**2 + rho**4), rel=1e-12)
    for second_order in (u1**2, u2**2, u1 * u2):  # orthogonal to all that margins and correlation estimate
        assert (w * q * second_order).sum() == pytest.approx(0.0, abs=1e-11)


def test_bera_kim_takes_fat_tails_for_movement_and_t_samples_do_not():
    heavy = margins_from(constant(1200, 2, np.random.default_rng(12), 5.0))
    assert bera_kim_test(heavy, robust=False).pvalue < 1e-4
    result = bera_kim_test(heavy, robust=False, bootstrap=99, rng=1)
    assert result.pvalue > 0.05
    assert result.detail["asymptotic p-value"] < 1e-4
    assert "99 samples" in result.reference
    assert "fitted density" in result.reference
    # and they still find a correlation that moves
    rho = np.where(np.arange(1200) % 400 < 200, 0.85, -0.3)
    moving = margins_from(correlated(rho, 2, np.random.default_rng(2)))
    assert bera_kim_test(moving, bootstrap=99, rng=1).pvalue <= 0.05


def test_bera_kim_is_not_tested_against_its_own_moment():
    """Resampled shocks have the sample's moment as their truth: the statistic would be its own median."""
    rho = np.where(np.arange(1000) % 400 < 200, 0.85, -0.3)
    margins = margins_from(correlated(rho, 2, np.random.default_rng(2)))
    null = constant_null(tuple(Column.of(fit) for fit in margins.fits))
    draws = bootstrap_null(NullWorld.of(null, None, "fhs"), partial(bera_kim_statistic, robust=True), 59, 1, None)
    assert 0.2 < np.mean(draws >= bera_kim_statistic(null, True)) < 0.8  # of a correlation that moves a great deal
    with pytest.raises(SpecError, match=r"would never reject.*shocks='parametric'"):
        bera_kim_test(margins, bootstrap=19, shocks="fhs")


# --- law and power


def rejections(pvalues: list[float], level: float) -> float:
    return float(np.mean(np.array(pvalues) <= level))


LAWS = {
    "engle-sheppard": (lambda null, robust: engle_sheppard_statistic(null, 3, robust), 3),
    "tse": (lambda null, robust: tse_statistic(null, "standardized", robust), 3),
}


@pytest.mark.parametrize("name", list(LAWS))
@pytest.mark.parametrize("robust", [True, False])
def test_pvalues_are_uniform_when_the_residuals_are_known(name, robust):
    statistic, df = LAWS[name]
    rng = np.random.default_rng(21)
    pvalues = [float(stats.chi2.sf(statistic(known(constant(1500, 3, rng)), robust), df)) for _ in range(300)]
    assert stats.kstest(pvalues, "uniform").pvalue > 0.001
    assert 0.02 < rejections(pvalues, 0.05) < 0.09


def test_bera_kim_is_uniform_under_normality():
    rng = np.random.default_rng(22)
    nulls = [known(constant(1500, 2, rng)) for _ in range(300)]
    for robust in (True, False):
        pvalues = [float(stats.chi2.sf(bera_kim_statistic(null, robust), 1)) for null in nulls]
        assert 0.01 < rejections(pvalues, 0.05) < 0.12
        assert stats.kstest(pvalues, "uniform").pvalue > 1e-4


def test_the_constant_adds_no_degree_of_freedom_and_the_reversed_regression_is_not_chi_squared():
    """t(5), true residuals: chi2(s) holds its size, chi2(s + 1) stays below, the reversed form goes far beyond."""
    rng = np.random.default_rng(1)
    counts = {"ours": [], "published": [], "reversed": []}
    for _ in range(400):
        z = constant(1500, 3, rng, 5.0)
        null = known(z)
        value = engle_sheppard_statistic(null, 1, False)
        counts["ours"].append(stats.chi2.sf(value, 1))
        counts["published"].append(stats.chi2.sf(value, 2))
        e = z @ symmetric_root(null.model.target)
        rows, cols = np.triu_indices(3, 1)
        five = reversed_statistic(e[:, rows] * e[:, cols], 5)
        counts["reversed"].append(stats.chi2.sf(five, 6))
    rate = {name: rejections(values, 0.05) for name, values in counts.items()}
    assert 0.025 < rate["ours"] < 0.085
    assert rate["published"] < 0.04
    assert rate["reversed"] > 0.1


@pytest.mark.parametrize("robust", [True, False])
def test_a_correlation_that_moves_is_found(robust):
    rng = np.random.default_rng(31)
    margins = margins_from(dynamic(2500, 3, rng, 0.06, 0.92))
    assert engle_sheppard_test(margins, lags=5, robust=robust).pvalue < 0.01
    assert tse_test(margins, robust=robust).pvalue < 0.01
    slow = margins_from(correlated(np.where(np.arange(2500) % 500 < 250, 0.85, -0.3), 2, rng))
    assert bera_kim_test(slow, robust=robust).pvalue < 0.01


@pytest.mark.parametrize("robust", [True, False])
def test_order_and_scale_of_the_columns_do_not_matter(three, robust):
    turned = three.select("C", "A", "B")
    returns = pd.DataFrame({fit.name: fit.returns for fit in three.fits})
    bigger = fit_margins(returns * np.array([3.0, 1.0, 0.5]))
    for test in (engle_sheppard_test, tse_test):
        value = test(three, robust=robust).statistic
        assert test(turned, robust=robust).statistic == pytest.approx(value, rel=1e-8)
        assert test(bigger, robust=robust).statistic == pytest.approx(value, rel=2e-3)
    pair = three.select("B", "A")
    assert bera_kim_test(pair, robust=robust).statistic == pytest.approx(
        bera_kim_test(three.select("A", "B"), robust=robust).statistic, rel=1e-8
    )


def test_a_fitted_model_is_read_for_its_margins(three):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = DCC().fit(three)
    assert tse_test(fit).statistic == tse_test(three).statistic
    assert engle_sheppard_test(fit).statistic == engle_sheppard_test(three).statistic


# --- bootstrap


def test_bootstrap_does_not_depend_on_the_workers_and_counts_itself(margins):
    one = tse_test(margins, bootstrap=39, rng=7)
    two = tse_test(margins, bootstrap=39, rng=7, n_jobs=2)
    assert one.pvalue == two.pvalue
    assert one.pvalue * 40 == pytest.approx(round(one.pvalue * 40))
    assert one.detail["draws"] == 39
    assert one.statistic == tse_test(margins).statistic
    assert one.detail["asymptotic p-value"] == tse_test(margins).pvalue
    drawn = tse_test(margins, bootstrap=39, rng=7, shocks="parametric")
    assert "fitted density" in drawn.reference
    assert 0 < drawn.pvalue <= 1


def test_bootstrap_finds_what_is_there():
    margins = margins_from(dynamic(1500, 2, np.random.default_rng(40), 0.08, 0.9))
    result = engle_sheppard_test(margins, lags=5, bootstrap=39, rng=1)
    assert result.pvalue == pytest.approx(1 / 40)


def test_bootstrap_serves_margins_with_lags_and_fat_tails():
    spec = {"A": GARCH(mean="ar", lags=2, dist="t"), "B": EGARCH(dist="t")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        margins = fit_margins(returns_of(constant(500, 2, np.random.default_rng(41), 6.0)), spec)
        for shocks in ("fhs", "parametric"):
            result = engle_sheppard_test(margins, bootstrap=19, rng=1, shocks=shocks)
            assert 0 < result.pvalue <= 1
            assert result.detail["draws"] == 19


# --- input


def test_what_cannot_be_tested_is_refused(margins, three):
    with pytest.raises(SpecError, match="two columns, not 3"):
        bera_kim_test(three)
    with pytest.raises(SpecError, match="lags=0"):
        engle_sheppard_test(margins, lags=0)
    with pytest.raises(DataError, match="lags=400 of 700"):
        engle_sheppard_test(margins, lags=400)
    with pytest.raises(SpecError, match="products='squares'"):
        tse_test(margins, products="squares")
    with pytest.raises(SpecError, match="bootstrap=5"):
        tse_test(margins, bootstrap=5)
    with pytest.raises(SpecError, match="shocks='wild'"):
        tse_test(margins, shocks="wild")
    with pytest.raises(DataError, match="two columns"):
        tse_test(margins.select("A"))
    with pytest.raises(SpecError, match="pass margins"):
        tse_test(margins.std_resid)
    filtered = margins["A"].filter(margins["A"].returns.iloc[:500])
    other = margins["B"].filter(margins["B"].returns.iloc[:500])
    from cryptoequity.volatility.margins import gather

    with pytest.raises(SpecError, match="A: the margin was filtered"):
        tse_test(gather([filtered, other]))


def test_margins_of_the_arch_package():
    from arch import arch_model

    returns = returns_of(constant(600, 2, np.random.default_rng(9)))
    fitted = {name: arch_model(returns[name]).fit(disp="off") for name in returns}
    adapted, own = fit_margins(fitted), fit_margins(returns)
    for robust in (True, False):
        assert tse_test(adapted, robust=robust).statistic == pytest.approx(
            tse_test(own, robust=robust).statistic, rel=0.02
        )
    with pytest.raises(SpecError, match="A: bootstrap= draws from margins of this library"):
        tse_test(adapted, bootstrap=19)
    heavy = fit_margins({name: arch_model(returns[name], dist="t").fit(disp="off") for name in returns})
    assert 0 < tse_test(heavy).pvalue <= 1
    with pytest.raises(SpecError, match="robust=False is built from Gaussian scores"):
        tse_test(heavy, robust=False)


def test_results_print_and_serialize(margins):
    result = engle_sheppard_test(margins, robust=False)
    text = str(result.summary())
    assert "H0: the correlation is constant" in text
    assert result.to_dict()["detail"]["lags"] == 5
