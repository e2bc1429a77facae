"""Sandwiches, long-run variances and the cosine test against statsmodels and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.inference import (
    ewc_test,
    long_run_covariance,
    mean_outer,
    newey_west_lags,
    newey_west_mean,
    sandwich,
    spread,
    t_interval,
)


def regression(nobs=400, seed=0):
    rng = np.random.default_rng(seed)
    x = sm.add_constant(rng.standard_normal((nobs, 2)))
    e = rng.standard_normal(nobs) * (1 + np.abs(x[:, 1]))
    e[1:] += 0.5 * e[:-1]
    y = x @ [1.0, 2.0, -1.0] + e
    return x, y, sm.OLS(y, x)


def test_robust_and_hac_equal_statsmodels():
    x, _, model = regression()
    fit = model.fit()
    moments = x * np.asarray(fit.resid)[:, None]
    bread = -(x.T @ x) / len(x)
    np.testing.assert_allclose(sandwich(bread, moments), fit.get_robustcov_results("HC0").cov_params(), rtol=1e-10)
    hac = fit.get_robustcov_results("HAC", maxlags=7).cov_params()
    np.testing.assert_allclose(sandwich(bread, moments, "hac", 7), hac, rtol=1e-10)
    default = fit.get_robustcov_results("HAC", maxlags=newey_west_lags(len(x))).cov_params()
    np.testing.assert_allclose(sandwich(bread, moments, "hac"), default, rtol=1e-10)


def test_the_second_factor_is_transposed():
    """A of stacked steps is not symmetric: A^-1 B A^-1 without the transpose is another matrix, not symmetric."""
    rng = np.random.default_rng(0)
    bread = np.array([[-1.0, 0.0], [0.7, -2.0]])
    moments = rng.standard_normal((500, 2))
    inverse = np.linalg.inv(bread)
    wanted = inverse @ mean_outer(moments) @ inverse.T / 500
    got = sandwich(bread, moments)
    np.testing.assert_allclose(got, wanted, rtol=1e-12)
    np.testing.assert_array_equal(got, got.T)
    assert np.linalg.eigvalsh(got)[0] > 0
    wrong = inverse @ mean_outer(moments) @ inverse / 500
    assert abs(wrong[1, 1] / got[1, 1] - 1) > 0.05


def test_newey_west_mean_equals_statsmodels():
    rng = np.random.default_rng(1)
    series = rng.standard_normal(300).cumsum() * 0.1 + rng.standard_normal(300)
    fit = sm.OLS(series, np.ones(300)).fit(cov_type="HAC", cov_kwds={"maxlags": 5})
    np.testing.assert_allclose(newey_west_mean(series, 5), fit.bse[0], rtol=1e-10)
    np.testing.assert_allclose(long_run_covariance(series[:, None], 0)[0, 0], (series**2).mean())


def test_lag_rule_of_the_toolbox():
    assert [newey_west_lags(n) for n in (1000, 2000, 5030)] == [11, 15, 20]
    assert newey_west_lags(999) == int(1.2 * 999 ** (1 / 3))


def test_unknown_covariance():
    with pytest.raises(SpecError, match="cov_type='white' is not known here; choose one of 'robust'"):
        sandwich(np.eye(1), np.ones((5, 1)), "white")


def test_spread_marks_what_is_not_free():
    cov = spread(np.array([[4.0]]), np.array([[0.0], [0.5]]))
    assert np.isnan(cov[0]).all()
    assert cov[1, 1] == 1.0


def test_cosine_test_keeps_its_level_under_autocorrelation():
    """Fixed-b: 5 % of tests of a true mean reject where a naive t-test rejects a third."""
    rng = np.random.default_rng(2)
    count, reject, naive = 1000, 0, 0
    for _ in range(count):
        shocks = rng.standard_normal(450)
        series = np.empty(450)
        series[0] = shocks[0]
        for t in range(1, 450):
            series[t] = 0.5 * series[t - 1] + shocks[t]
        series = series[50:]
        error, df = ewc_test(series)
        reject += abs(series.mean()) > stats.t.isf(0.025, df) * error
        naive += abs(series.mean()) > 1.96 * series.std() / 20
    assert 0.03 < reject / count < 0.085
    assert naive / count > 0.2


def test_cosine_test_refuses_nonsense():
    with pytest.raises(DataError, match="between 1 and 9 terms, not 20"):
        ewc_test(np.arange(10.0), 20)


def test_t_interval():
    low, high = t_interval(1.0, 2.0, 10)
    np.testing.assert_allclose([low, high], stats.t.interval(0.95, 10, 1.0, 2.0))
