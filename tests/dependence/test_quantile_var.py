"""Quantile regressions against linear programming and statsmodels; quantile connectedness and its contrast."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from statsmodels.regression.quantile_regression import QuantReg

from cryptoequity.dependence.connectedness_contrast import connectedness_contrast_test
from cryptoequity.dependence.decomposition import connectedness, quantile_connectedness
from cryptoequity.dependence.quantile_var import fit_quantile_rows, quantile_regression
from cryptoequity.dependence.rolling_decomposition import rolling_connectedness
from cryptoequity.dependence.var import lag_rows
from cryptoequity.errors import DataError, SpecError


def regression(seed, nobs=200, width=4):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(nobs), rng.standard_t(4, (nobs, width - 1))])
    y = x @ np.arange(1.0, width + 1) + rng.standard_t(3, nobs) * (1 + 0.3 * np.abs(x[:, -1]))
    return y, x


def loss(y, x, tau, b):
    u = y - x @ b
    return float(np.sum(u * (tau - (u < 0))))


def program(y, x, tau):
    """The textbook linear program, by HiGHS."""
    n, k = x.shape
    cost = np.concatenate([np.zeros(2 * k), np.full(n, tau), np.full(n, 1 - tau)])
    done = linprog(cost, A_eq=np.hstack([x, -x, np.eye(n), -np.eye(n)]), b_eq=y, method="highs")
    return done.x[:k] - done.x[k : 2 * k]


def returns(seed, nobs=600, rho=0.4, cross=0.0):
    rng = np.random.default_rng(seed)
    u = rng.standard_t(5, (nobs, 2))
    y = np.column_stack([u[:, 0], np.multiply(rho, u[:, 0]) + np.sqrt(1 - np.square(rho)) * u[:, 1]])
    y[1:, 1] += cross * y[:-1, 0]
    return pd.DataFrame(y, pd.bdate_range("2015-01-01", periods=nobs), ["COIN", "TECH"])


@pytest.mark.parametrize("tau", [0.01, 0.05, 0.25, 0.5, 0.95])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_it_is_the_solution_of_the_linear_program(tau, width):
    y, x = regression(width, width=width)
    b = quantile_regression(y, x, tau)
    wanted = program(y, x, tau)
    assert loss(y, x, tau, b) == pytest.approx(loss(y, x, tau, wanted), rel=1e-10)
    if width > 1:  # a quantile of 200 numbers alone is an interval
        np.testing.assert_allclose(b, wanted, atol=1e-8)


@pytest.mark.parametrize("tau", [0.05, 0.5, 0.95])
def test_it_agrees_with_statsmodels(tau):
    y, x = regression(7, nobs=301)
    b = quantile_regression(y, x, tau)
    np.testing.assert_allclose(b, QuantReg(y, x).fit(q=tau, p_tol=1e-10, max_iter=5000).params, atol=1e-6)
    # statsmodels holds residuals 1e-6 away from zero; in smaller units of y that is next to nothing
    fine = QuantReg(1e4 * y, x).fit(q=tau, p_tol=1e-10, max_iter=5000).params / 1e4
    np.testing.assert_allclose(b, fine, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.05, 0.2, 0.5, 0.9]),
    st.floats(1e-3, 1e3),
    st.lists(st.floats(-5, 5), min_size=3, max_size=3),
)
def test_scale_shift_and_reflection(seed, tau, scale, shift):
    y, x = regression(seed, nobs=101, width=3)
    b = quantile_regression(y, x, tau)
    moved = quantile_regression(scale * y + x @ np.array(shift), x, tau)
    np.testing.assert_allclose(moved, scale * b + np.array(shift), atol=1e-6 * max(1.0, scale))
    mirrored = quantile_regression(-y, x, 1 - tau)
    np.testing.assert_allclose(mirrored, -b, atol=1e-6)


def test_ties_and_repeated_rows_do_no_harm():
    rng = np.random.default_rng(3)
    y, x = np.round(rng.standard_normal(40)), np.column_stack([np.ones(40), rng.integers(0, 3, 40)])
    rows = rng.integers(0, 40, 400)
    for tau in (0.05, 0.5, 0.9):
        b = quantile_regression(y[rows], x[rows], tau)
        assert loss(y[rows], x[rows], tau, b) <= loss(y[rows], x[rows], tau, program(y[rows], x[rows], tau)) + 1e-5


@pytest.mark.parametrize(
    ("y", "x", "match"),
    [
        (np.ones(30), np.ones((30, 1)), "equal values"),
        (np.arange(30.0), np.ones((30, 2)), "linearly dependent"),
        (np.arange(2.0), np.ones((2, 2)), "2 rows"),
    ],
)
def test_what_has_no_regression_quantile_is_refused(y, x, match):
    with pytest.raises(DataError, match=match):
        quantile_regression(y, x, 0.5)


# --- connectedness


def test_every_equation_is_its_quantile_regression():
    data = returns(0, 300)
    target, design = lag_rows(data.to_numpy(), 2)
    fit = fit_quantile_rows(target, design, 0.2)
    for i in range(2):
        b = program(target[:, i], design, 0.2)
        np.testing.assert_allclose([fit.intercept[i], *fit.coefficients[0][i], *fit.coefficients[1][i]], b, atol=1e-7)
    np.testing.assert_allclose(fit.cov, np.cov(fit.residuals.T) * 297 / (298 - 5), atol=1e-10)
    assert np.mean(fit.residuals[:, 0] < 0) == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("tau", [0.05, 0.5, 0.95])
def test_independent_columns_are_not_connected_in_the_tails(tau):
    data = returns(1, 1500, rho=0.0)
    assert quantile_connectedness(data, tau).total < 2
    plain = quantile_connectedness(data, tau, center=False).total
    # the product of two means: nothing at the median, most of it in the tails
    assert (plain < 2) if tau == 0.5 else (plain > 20)


def test_at_the_median_it_is_close_to_the_mean():
    data = returns(2, 2000, cross=0.3)
    assert quantile_connectedness(data, 0.5, lags=1).total == pytest.approx(connectedness(data, lags=1).total, abs=1.5)


def test_a_fall_that_is_passed_on_shows_in_the_lower_tail_alone():
    rng = np.random.default_rng(3)
    n = 4000
    x, y = rng.standard_normal(n), rng.standard_normal(n)
    # a fall of the first pulls down the lower quantiles of the second on the next day, not its median
    y[1:] *= np.where(y[1:] < 0, 1 + 1.5 * np.clip(-x[:-1], 0, None), 1.0)
    data = pd.DataFrame({"COIN": x, "TECH": y}, pd.bdate_range("2010", periods=n))
    low, middle, high = (quantile_connectedness(data, tau).between("COIN", "TECH") for tau in (0.05, 0.5, 0.95))
    assert low > 5
    assert low > 5 * max(middle, high)
    assert quantile_connectedness(data, 0.05).between("TECH", "COIN") < 2


def test_the_result_names_its_quantile():
    fit = quantile_connectedness(returns(4), 0.95)
    assert "quantile 0.95" in str(fit.summary())
    assert "ando2022" in fit.cite()
    assert fit.to_dict()["tau"] == 0.95


@pytest.mark.parametrize("how", ["shift", "block"])
def test_the_contrast_in_the_tail(how):
    dummy = np.tile(np.repeat([0.0, 1.0], 100), 4)
    data = returns(5, 800, np.where(dummy == 1, 0.8, 0.0))
    test = connectedness_contrast_test(data, dummy, tau=0.05, pvalue=how, draws=59)
    assert test.pvalue <= 0.05
    assert test.inside.tau == 0.05
    assert test.estimates.loc["total", "inside"] == pytest.approx(test.inside.total)
    assert test.detail["failed draws"] == 0


def test_rolling_quantiles_are_the_fits_of_their_rows():
    data = returns(6, 300)
    rolling = rolling_connectedness(data, window=150, step=75, tau=0.1)
    assert rolling.total.iloc[1] == pytest.approx(quantile_connectedness(data.iloc[75:225], 0.1).total, abs=1e-8)


@pytest.mark.parametrize("tau", [0.0, 1.0, -1, 2, "0.5", True, np.nan])
def test_bad_quantiles_are_refused(tau):
    with pytest.raises(SpecError, match="tau"):
        quantile_connectedness(returns(7), tau)


def test_a_quantile_autoregression_needs_lags_and_rows():
    with pytest.raises(SpecError, match="at least one"):
        quantile_connectedness(returns(8), 0.5, lags=0)
    with pytest.raises(DataError, match="30 rows"):
        quantile_connectedness(returns(8).iloc[:30], 0.5)
