"""Score tests against a variable: statistics written out by hand, their law, what they must find and refuse."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cryptoequity.correlation import CCC, DCC
from cryptoequity.correlation.stcc import STCC, BerbenJansen
from cryptoequity.diagnostics.driver_directions import driver_directions
from cryptoequity.diagnostics.null_fit import fitted_null
from cryptoequity.diagnostics.null_statistics import adjusted, quadratic
from cryptoequity.diagnostics.null_world import Outcome, conclude
from cryptoequity.diagnostics.transition_tests import (
    _transition_statistic,
    berben_jansen_test,
    driver_test,
    second_transition_test,
    stcc_test,
)
from cryptoequity.errors import DataError, SpecError
from cryptoequity.kernels.dcc import dcc_filter, pair_shift_simulate
from cryptoequity.volatility import GARCH, fit_margins
from diagnostics.null_samples import constant, correlated, dynamic, known, margins_from, persistent

NOBS = 900


@pytest.fixture(scope="module")
def margins():
    return margins_from(constant(NOBS, 2, np.random.default_rng(3)))


@pytest.fixture(scope="module")
def moving():
    return margins_from(dynamic(NOBS, 2, np.random.default_rng(11), 0.06, 0.9, 6.0))


@pytest.fixture(scope="module")
def driver(margins):
    s = persistent(NOBS, np.random.default_rng(7))
    return pd.Series(s, margins.std_resid.index, name="spread")


@pytest.fixture(scope="module")
def regimes(margins):
    """Margins whose correlation has one transition, in ``first``, and another variable, ``second``."""
    rng = np.random.default_rng(19)
    index = margins.std_resid.index
    first, second = persistent(NOBS, rng, 0.9), persistent(NOBS, rng, 0.9)
    z = correlated(0.4 + 0.4 * np.tanh(first / 2.0), 2, rng)
    return margins_from(z), pd.Series(first, index, name="first"), pd.Series(second, index, name="second")


@pytest.fixture(scope="module")
def dcc(moving):
    return DCC().fit(moving)


# --- constant correlation against a variable


@pytest.mark.parametrize("robust", [True, False])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_pvalues_are_uniform_when_the_residuals_are_known(robust, order):
    rng = np.random.default_rng(50 + order)
    pvalues = []
    for _ in range(300):
        null = known(constant(800, 3, rng))
        s = persistent(800, rng, 0.9)
        unit = (s - s.mean()) / s.std()
        powers = np.stack([unit**k - np.mean(unit**k) for k in range(1, order + 1)])
        pvalues.append(float(stats.chi2.sf(_transition_statistic(null, powers, robust), 3 * order)))
    assert 0.015 < np.mean(np.array(pvalues) <= 0.05) < 0.1
    assert stats.kstest(pvalues, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("robust", [True, False])
def test_what_moves_is_found(margins, robust):
    rng = np.random.default_rng(60)
    s = persistent(2000, rng)
    margins = margins_from(correlated(np.where(s > 0, 0.6, 0.3), 3, rng))
    assert stcc_test(margins, s, robust=robust).pvalue < 1e-4
    assert stcc_test(margins, rng.standard_normal(2000), robust=robust).pvalue > 0.01
    step = margins_from(correlated(np.where(np.arange(2000) < 1000, 0.3, 0.6), 2, rng))
    assert berben_jansen_test(step, robust=robust).pvalue < 1e-4


def test_higher_orders_find_what_is_not_monotone():
    rng = np.random.default_rng(61)
    s = rng.standard_normal(3000)
    margins = margins_from(correlated(np.where(np.abs(s) > 0.67, 0.7, 0.1), 2, rng))
    assert stcc_test(margins, s).pvalue > 0.01
    assert stcc_test(margins, s, order=2).pvalue < 1e-4


def test_berben_jansen_is_the_test_with_time(margins):
    time = np.arange(1, NOBS + 1) / NOBS
    for order in (1, 2):
        one, two = berben_jansen_test(margins, order=order), stcc_test(margins, time, order=order)
        assert one.statistic == pytest.approx(two.statistic, rel=1e-10)
        assert one.reference == f"chi2({order})"


@pytest.mark.parametrize("robust", [True, False])
def test_units_of_the_driver_and_order_of_the_columns_do_not_matter(margins, driver, robust):
    value = stcc_test(margins, driver, robust=robust).statistic
    assert stcc_test(margins, 1e6 - 3e4 * driver, robust=robust).statistic == pytest.approx(value, rel=1e-7)
    assert stcc_test(margins.select("B", "A"), driver, robust=robust).statistic == pytest.approx(value, rel=1e-8)
    assert stcc_test(margins, driver.to_numpy(), robust=robust).statistic == value
    assert stcc_test(margins, driver.to_frame(), robust=robust).statistic == value
    longer = pd.concat([driver, pd.Series([9.0], driver.index[-1:] + pd.Timedelta(days=9))])
    assert stcc_test(margins, longer, robust=robust).statistic == value
    nano = driver.copy()
    nano.index = pd.DatetimeIndex(nano.index).as_unit("ns")
    assert stcc_test(margins, nano, robust=robust).statistic == value


def test_what_cannot_be_computed_is_a_value_with_its_reason():
    moments = np.random.default_rng(1).standard_normal((50, 2))
    twice = np.column_stack([moments, moments[:, 0]])
    assert np.isnan(quadratic(twice.sum(axis=0), twice.T @ twice))
    assert np.isfinite(quadratic(moments.sum(axis=0), moments.T @ moments))
    null = known(constant(50, 2, np.random.default_rng(2)))
    outcome = Outcome("a test", "nothing moves.", "chi2(1)", float("nan"), float("nan"), {})
    result = conclude(outcome, null, None, lambda null: 0.0, bootstrap=19, shocks="fhs", rng=1, n_jobs=None)
    assert np.isnan(result.pvalue)
    assert "carry the same information" in result.reason
    assert "carry the same information" in str(result.summary())


# --- a second transition


def numerical_slope(fit, weights: np.ndarray) -> np.ndarray:
    """Mean derivative of the weighted scores by margins, then by the model's own free coordinates."""
    null = fitted_null(fit)
    lik, theta, optimum = fit.likelihood, fit.theta, fit.optimum

    def mean_score(z, point):
        rho = lik.fixed(z, lik.driver).path(point, [0], [1])[:, 0]
        quad = (z[:, 0] ** 2 + z[:, 1] ** 2 - 2 * rho * z[:, 0] * z[:, 1]) / (1 - rho**2)
        v = (rho + z[:, 0] * z[:, 1] - rho * quad) / (1 - rho**2)
        return (weights * v[:, None]).mean(axis=0)

    columns = []
    for i, margin in enumerate(fit.margins.fits):
        filters = Filter(margin)
        for k in np.flatnonzero(margin.part.free):
            ends = []
            for sign in (1.0, -1.0):
                z = null.z.copy()
                z[:, i] = filters(k, sign * 1e-5)
                ends.append(mean_score(z, theta))
            columns.append((ends[0] - ends[1]) / 2e-5)
    for k in np.flatnonzero(null.own_part.free):
        ends = []
        for sign in (1.0, -1.0):
            box = optimum.box.copy()
            box[k] += sign * 1e-5
            ends.append(mean_score(null.z, lik.layout.natural(box)))
        columns.append((ends[0] - ends[1]) / 2e-5)
    return np.stack(columns, axis=1)


class Filter:
    """Residuals of a margin at box coordinates moved by a step."""

    def __init__(self, margin):
        from cryptoequity.volatility.likelihood import MarginLikelihood

        self.lik = MarginLikelihood(margin.spec, margin.returns.to_numpy(float), margin.hold_back)
        self.box = margin.optimum.box

    def __call__(self, k: int, step: float) -> np.ndarray:
        box = self.box.copy()
        box[k] += step
        _, variance, residual, _, _ = self.lik.filter(self.lik.layout.natural(box), 0)
        return residual / np.sqrt(variance)


def test_second_transition_written_out(regimes):
    margins, first, second = regimes
    fit = STCC().fit(margins, driver=first)
    g = fit.transition.to_numpy()
    s = second.to_numpy()
    s = (s - s.mean()) / s.std()
    for additive in (False, True):
        weights = s[:, None] if additive else np.stack([s * (1 - g), s * g], axis=1)
        null = fitted_null(fit)
        moments = weights * null.scores[0]
        star = adjusted(moments, numerical_slope(fit, weights), null)
        total = moments.sum(axis=0)
        by_hand = total @ np.linalg.solve(star.T @ star, total)
        result = second_transition_test(fit, second, additive=additive)
        assert result.statistic == pytest.approx(by_hand, rel=1e-4)
        assert result.reference == ("chi2(1)" if additive else "chi2(2)")


def test_second_transition_has_its_size_and_finds_what_is_there(regimes):
    margins, first, second = regimes
    fit = STCC().fit(margins, driver=first)
    assert stcc_test(margins, first).pvalue < 1e-6
    for robust in (True, False):
        assert second_transition_test(fit, second, robust=robust).pvalue > 0.01
        assert second_transition_test(margins, second, first=first, robust=robust).pvalue > 0.01
    rng = np.random.default_rng(71)
    one, two = persistent(2000, rng, 0.9), persistent(2000, rng, 0.9)
    rho = 0.35 + 0.3 * np.tanh(one / 2.0) + 0.25 * np.tanh(two)
    both = margins_from(correlated(rho, 2, rng))
    index = both.std_resid.index
    for robust in (True, False):
        result = second_transition_test(
            both, pd.Series(two, index), first=pd.Series(one, index), robust=robust, additive=True
        )
        assert result.pvalue < 1e-3


def test_second_transition_after_time(margins):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = BerbenJansen().fit(margins)
    s = persistent(NOBS, np.random.default_rng(8))
    assert 0 < second_transition_test(fit, s).pvalue <= 1


def test_second_transition_bootstrap_draws_from_the_first(regimes):
    margins, first, second = regimes
    fit = STCC().fit(margins, driver=first)
    result = second_transition_test(fit, second, additive=True, bootstrap=19, rng=2)
    assert "STCC" in result.reference
    assert result.pvalue > 0.05


# --- DCC-X


def shifted(fit, c: float, x: np.ndarray, k: np.ndarray, z: np.ndarray | None = None) -> np.ndarray:
    """Log-likelihood of each date (T,) of a DCC with c (x_t - mean) K in its recursion, one date at a time."""
    z = fit.likelihood.z if z is None else z
    a, b = fit.theta[:2]
    target = fit.likelihood.target
    q, out = target.copy(), np.empty(len(z))
    news = target
    for t in range(len(z)):
        q = (1 - a - b) * target + a * news + b * q + c * x[t] * k
        root = np.sqrt(np.diag(q))
        r = q / np.outer(root, root)
        out[t] = -0.5 * np.linalg.slogdet(r)[1] - 0.5 * z[t] @ np.linalg.solve(r, z[t])
        news = np.outer(z[t], z[t])
    return out


@pytest.mark.parametrize("loading", ["common", "pairs"])
def test_the_score_of_a_driver_is_the_derivative_of_the_likelihood(dcc, driver, loading):
    x = driver.to_numpy()
    x = (x - x.mean()) / x.std()
    k = np.ones((2, 2)) if loading == "common" else np.array([[0.0, 1.0], [1.0, 0.0]])
    null = fitted_null(dcc)
    by_hand = (shifted(dcc, 1e-6, x, k) - shifted(dcc, -1e-6, x, k)) / 2e-6
    directions = driver_directions(null, x, k[None])
    np.testing.assert_allclose((directions[0] * null.scores[0]).sum(axis=1), by_hand, atol=1e-5)


def test_the_slope_of_a_driver_is_the_derivative_of_its_mean_score(dcc, driver):
    """By a and b, by the target, and along each margin, all by differences of the likelihood written out."""
    null = fitted_null(dcc)
    x = driver.to_numpy()
    x = (x - x.mean()) / x.std()
    directions = driver_directions(null, x, np.ones((1, 2, 2)))
    slope = null.score_slope(lambda v: np.einsum("ltp,tp->tl", directions, v))[0]
    lik = dcc.likelihood

    def mean_score(z, theta, target):
        path = lik.fixed(z, None, target).path(theta, [0], [1])[:, 0]
        quad = (z[:, 0] ** 2 + z[:, 1] ** 2 - 2 * path * z[:, 0] * z[:, 1]) / (1 - path**2)
        return float(np.mean(directions[0, :, 0] * (path + z[:, 0] * z[:, 1] - path * quad) / (1 - path**2)))

    def along(move):
        return (mean_score(*move(1e-5)) - mean_score(*move(-1e-5))) / 2e-5

    expected = []
    for i, margin in enumerate(dcc.margins.fits):
        filters = Filter(margin)
        for k in np.flatnonzero(margin.part.free):

            def moved(step, i=i, k=k, filters=filters):
                z = null.z.copy()
                z[:, i] = filters(k, step)
                return z, dcc.theta, lik.nuisance

            expected.append(along(moved))
    expected.append(along(lambda step: (null.z, dcc.theta, lik.nuisance + step)))
    for k in range(2):

        def own(step, k=k):
            box = dcc.optimum.box.copy()
            box[k] += step
            return null.z, lik.layout.natural(box), lik.nuisance

        expected.append(along(own))
    np.testing.assert_allclose(slope, expected, rtol=2e-3, atol=1e-5)


def test_driver_is_found_in_a_correlation_that_has_memory():
    rng = np.random.default_rng(80)
    x = persistent(3000, rng, 0.9)
    z, _ = pair_shift_simulate(0.04, 0.9, 0.4, rng.standard_normal((3000, 2)), 0.2 * np.tanh(x))
    fit = DCC().fit(margins_from(z))
    for robust in (True, False):
        assert driver_test(fit, x, robust=robust).pvalue < 0.01
        assert driver_test(fit, rng.permutation(x), robust=robust).pvalue > 0.001


def test_driver_test_of_a_constant_correlation_is_that_of_a_transition(margins, driver):
    """Without recursion and with K off the diagonal the two alternatives are one."""
    ccc = CCC().fit(margins)
    one = driver_test(ccc, driver, loading="pairs").statistic
    assert one == pytest.approx(stcc_test(margins, driver).statistic, rel=0.02)
    assert driver_test(ccc, driver, loading="pairs", robust=False).statistic == pytest.approx(one, rel=0.25)


def test_driver_test_for_t_errors_and_given_loadings(moving, driver):
    fit = DCC(dist="t").fit(moving)
    k = np.array([[0.0, 2.0], [2.0, 0.0]])
    pairs, given = driver_test(fit, driver, loading="pairs"), driver_test(fit, driver, loading=k)
    assert given.statistic == pytest.approx(pairs.statistic, rel=1e-8)
    assert 0 < driver_test(fit, driver, robust=False).pvalue <= 1


def test_driver_bootstrap_draws_from_the_dcc(dcc, driver):
    one = driver_test(dcc, driver, bootstrap=19, rng=4)
    assert 0 < one.pvalue <= 1
    assert "DCC(1,1)" in one.reference


def test_filter_and_recursion_agree(dcc):
    """The likelihood written out above, without a driver, is the library's."""
    a, b = dcc.theta[:2]
    lik = dcc.likelihood
    loglik = dcc_filter(a, b, 0.0, np.array([0.0, 0.0]), lik.z, lik.target, lik.start, lik.start, 0)[0]
    np.testing.assert_allclose(shifted(dcc, 0.0, np.zeros(NOBS), np.eye(2)), loglik, atol=1e-10)


# --- input


def refused(error, match):
    return pytest.raises(error, match=match)


def test_drivers_that_cannot_be_used(margins, driver):
    with refused(DataError, "driver has 899 rows, the residuals 900"):
        stcc_test(margins, driver.to_numpy()[:-1])
    with refused(DataError, r"no row for 1 of the 900 dates.*first 2015-01-12"):
        stcc_test(margins, driver.drop(driver.index[5]))
    with refused(DataError, r"driver 'spread': not finite at 2015-01-12"):
        stcc_test(margins, driver.where(np.arange(NOBS) != 5))
    with refused(DataError, r"driver 'spread': not finite at 2015-01-12"):
        stcc_test(margins, driver.where(np.arange(NOBS) != 5, np.inf))
    with refused(DataError, "constant"):
        stcc_test(margins, driver * 0 + 3.0)
    with refused(DataError, "occurs twice"):
        stcc_test(margins, pd.concat([driver, driver.iloc[:1]]))
    with refused(DataError, "'spread' is not numeric"):
        stcc_test(margins, driver.astype(str))
    with refused(SpecError, r"shape \(900, 2\)"):
        stcc_test(margins, np.ones((NOBS, 2)))
    with refused(SpecError, "1 to 1 driver column"):
        stcc_test(margins, pd.concat([driver, driver.rename("again")], axis=1))
    with refused(DataError, "no row for 900 of the 900"):
        stcc_test(margins, driver.tz_localize("UTC"))
    switch = (driver > 0).astype(float)
    assert 0 < stcc_test(margins, switch).pvalue <= 1
    with refused(DataError, "the driver takes 2 values only.*use order=1"):
        stcc_test(margins, switch, order=2)
    with refused(SpecError, "order=4"):
        stcc_test(margins, driver, order=4)


def test_nulls_that_cannot_be_used(margins, dcc, driver):
    with refused(SpecError, r"driver_test needs a fitted model.*DCC\(\)\.fit"):
        driver_test(margins, driver)
    with refused(SpecError, "loading='all'"):
        driver_test(dcc, driver, loading="all")
    with refused(SpecError, "symmetric"):
        driver_test(dcc, driver, loading=np.array([[0.0, 1.0], [0.0, 0.0]]))
    with refused(SpecError, "no element off the diagonal"):
        driver_test(dcc, driver, loading=np.eye(2))
    with refused(SpecError, "margins alone have no first transition"):
        second_transition_test(margins, driver)
    with refused(SpecError, "first= is for margins"):
        second_transition_test(dcc, driver, first=driver)
    with refused(SpecError, r"DCC\(1,1\)-normal has no transition"):
        second_transition_test(dcc, driver)
    returns = pd.DataFrame({fit.name: fit.returns for fit in dcc.margins.fits})
    with refused(SpecError, "filtered, not fitted"):
        driver_test(dcc.filter(returns.iloc[:500]), driver.iloc[:500])
    stcc = STCC()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = stcc.fit(margins, driver=driver)
    with refused(SpecError, "driver_test is for DCC and CCC, not STCC"):
        driver_test(fit, driver)


def test_margins_with_lags_share_the_dates_of_their_residuals(driver):
    returns = pd.DataFrame(
        {fit.name: fit.returns for fit in margins_from(constant(400, 2, np.random.default_rng(1))).fits}
    )
    margins = fit_margins(returns, GARCH(mean="ar", lags=2))
    s = pd.Series(np.arange(400.0), returns.index)
    assert stcc_test(margins, s).statistic == pytest.approx(berben_jansen_test(margins).statistic, rel=1e-8)
    with refused(DataError, "driver has 400 rows, the residuals 398"):
        stcc_test(margins, s.to_numpy())
    assert 0 < stcc_test(margins, s, bootstrap=19, rng=1).pvalue <= 1
