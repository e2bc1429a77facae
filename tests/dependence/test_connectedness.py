"""Connectedness: statsmodels and plain loops as references, invariances, rolling windows, the contrast of episodes."""

from __future__ import annotations

import json
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.tsa.api import VAR

from cryptoequity.breaks.sample import read_series
from cryptoequity.dependence.connectedness_contrast import (
    connectedness_contrast,
    connectedness_contrast_test,
    spells,
    stationary_rows,
)
from cryptoequity.dependence.decomposition import connectedness, decompose
from cryptoequity.dependence.rolling_decomposition import rolling_connectedness
from cryptoequity.dependence.var import (
    Autoregression,
    choose_lags,
    fit_rows,
    lag_rows,
    moving_average,
    read_dummy,
    spectral_radius,
)
from cryptoequity.dependence.variance_series import log_variances
from cryptoequity.errors import DataError, FilteredSeriesWarning, SpecError
from cryptoequity.volatility import GARCH, fit_margins


def system(seed, nobs=500, *, rho=0.5, cross=0.2, n=3):
    """A stationary VAR(2) with correlated errors."""
    rng = np.random.default_rng(seed)
    cov = np.full((n, n), rho) + (1 - rho) * np.eye(n)
    u = rng.standard_normal((nobs + 50, n)) @ np.linalg.cholesky(cov).T
    y = np.zeros_like(u)
    first = 0.3 * np.eye(n) + cross * np.eye(n, k=1)
    second = -0.2 * np.eye(n)
    for t in range(2, len(y)):
        y[t] = first @ y[t - 1] + second @ y[t - 2] + u[t]
    return pd.DataFrame(y[50:], pd.bdate_range("2015-01-01", periods=nobs), list("ABC")[:n])


def pair(seed, nobs=400, rho=0.4):
    rng = np.random.default_rng(seed)
    u = rng.standard_normal((nobs, 2))
    rho = np.broadcast_to(rho, nobs)
    y = np.stack([u[:, 0], rho * u[:, 0] + np.sqrt(1 - rho**2) * u[:, 1]], axis=1)
    return pd.DataFrame(y, pd.bdate_range("2015-01-01", periods=nobs), ["COIN", "TECH"])


def loops(fit, horizon):
    """The generalized decomposition written out index by index, from statsmodels' estimates."""
    ma, sigma = fit.ma_rep(horizon - 1), np.asarray(fit.sigma_u)
    n = sigma.shape[0]
    theta = np.zeros((n, n))
    for i in range(n):
        whole = sum(ma[h][i] @ sigma @ ma[h][i] for h in range(horizon))
        for j in range(n):
            theta[i, j] = sum((ma[h][i] @ sigma[:, j]) ** 2 for h in range(horizon)) / sigma[j, j] / whole
    return theta / theta.sum(axis=1, keepdims=True)


# --- autoregression


@pytest.mark.parametrize("lags", [1, 2, 4])
def test_autoregression_is_that_of_statsmodels(lags):
    data = system(0)
    reference = VAR(data.to_numpy()).fit(lags, trend="c")
    fit = fit_rows(*lag_rows(data.to_numpy(), lags))
    np.testing.assert_allclose(fit.coefficients, reference.coefs, atol=1e-10)
    np.testing.assert_allclose(fit.intercept, reference.intercept, atol=1e-10)
    np.testing.assert_allclose(fit.cov, reference.sigma_u, atol=1e-10)
    np.testing.assert_allclose(moving_average(fit.coefficients, 8), reference.ma_rep(7), atol=1e-10)
    assert spectral_radius(fit.coefficients) == pytest.approx(1 / np.abs(reference.roots).min(), abs=1e-10)


@pytest.mark.parametrize("criterion", ["aic", "bic", "hq"])
def test_lags_are_those_statsmodels_selects(criterion):
    data = system(1).to_numpy()
    table = VAR(data).select_order(6, trend="c").ics[{"hq": "hqic"}.get(criterion, criterion)]
    lags, values = choose_lags(data, criterion, 6)
    np.testing.assert_allclose(values, table, atol=1e-10)
    assert lags == int(np.argmin(table))


def test_rows_that_are_left_out_do_not_touch_the_lags_of_those_that_stay():
    data = system(2).to_numpy()
    target, design = lag_rows(data, 2)
    chosen = np.random.default_rng(0).random(len(target)) < 0.4
    fit = fit_rows(target[chosen], design[chosen])
    at = np.flatnonzero(chosen) + 2
    x = np.column_stack([np.ones(at.size), data[at - 1], data[at - 2]])
    beta = np.linalg.solve(x.T @ x, x.T @ data[at])
    np.testing.assert_allclose(fit.coefficients[0], beta[1:4].T, atol=1e-10)
    np.testing.assert_allclose(fit.coefficients[1], beta[4:].T, atol=1e-10)


# --- decomposition


@pytest.mark.parametrize(("lags", "horizon"), [(1, 1), (2, 10), (3, 5)])
def test_generalized_decomposition_is_the_formula_in_loops(lags, horizon):
    data = system(3)
    fit = connectedness(data, lags=lags, horizon=horizon)
    wanted = 100 * loops(VAR(data.to_numpy()).fit(lags, trend="c"), horizon)
    np.testing.assert_allclose(fit.table, wanted, atol=1e-9)


def test_cholesky_decomposition_is_that_of_statsmodels():
    data = system(4)
    reference = VAR(data.to_numpy()).fit(2, trend="c").fevd(10).decomp[:, -1, :]
    np.testing.assert_allclose(
        connectedness(data, lags=2, horizon=10, method="cholesky").table, 100 * reference, atol=1e-8
    )


def test_without_lags_the_table_is_one_of_squared_correlations():
    data = pair(5)
    rho = np.corrcoef(data.T)[0, 1]
    fit = connectedness(data, lags=0, horizon=10)
    assert fit.total == pytest.approx(100 * rho**2 / (1 + rho**2), abs=1e-10)
    assert fit.net.abs().max() < 1e-10


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10**6),
    st.permutations([0, 1, 2]),
    st.lists(st.floats(0.5, 20.0), min_size=3, max_size=3),
    st.integers(0, 3),
    st.integers(1, 12),
)
def test_order_and_units_do_not_matter_and_the_accounts_balance(seed, order, scale, lags, horizon):
    data = system(seed, 200)
    fit = connectedness(data, lags=lags, horizon=horizon)
    again = connectedness(data.iloc[:, order] * np.array(scale), lags=lags, horizon=horizon)
    np.testing.assert_allclose(again.table.loc[list("ABC"), list("ABC")], fit.table, atol=1e-7)
    np.testing.assert_allclose(fit.table.sum(axis=1), 100.0, atol=1e-9)
    assert (fit.table.to_numpy() >= 0).all()
    assert abs(fit.net.sum()) < 1e-9
    assert fit.total == pytest.approx(fit.from_others.mean(), abs=1e-9)
    assert fit.total == pytest.approx(fit.to_others.mean(), abs=1e-9)
    np.testing.assert_allclose(fit.pairwise, -fit.pairwise.T, atol=1e-12)
    np.testing.assert_allclose(fit.pairwise.sum(axis=1), fit.net, atol=1e-9)
    assert fit.between("A", ["B", "C"]) == pytest.approx(float(fit.table.loc[["B", "C"], "A"].mean()))


def test_a_lagged_effect_makes_the_giver_net_positive():
    data = system(6, 3000, rho=0.0, cross=0.4)  # B acts on A, C on B
    net = connectedness(data, lags=2).net
    assert net["A"] < -5 < 5 < net["C"]


def test_results_of_a_fit_are_complete():
    fit = connectedness(system(7), lags="bic")
    assert json.dumps(fit.to_dict())
    assert "total connectedness" in str(fit.summary())
    assert "dieboldyilmaz2012" in fit.cite()
    assert fit.to_frame().shape == (5, 4)
    assert fit.nobs == 500 - fit.lags


def test_an_unstable_system_says_so():
    rng = np.random.default_rng(8)
    values = rng.standard_normal((120, 2))
    for t in range(1, 120):
        values[t] += 1.05 * values[t - 1]
    data = pd.DataFrame(values, pd.bdate_range("2015", periods=120), ["A", "B"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # these are levels, and it is said so
        fit = connectedness(data, lags=1)
    assert fit.radius > 1
    assert "NOT STATIONARY" in str(fit.summary())
    explosive = Autoregression(np.zeros(2), np.array([[[3.0, 0.1], [0.2, 3.0]]]), np.eye(2), np.zeros((9, 2)))
    with pytest.raises(DataError, match="explosive"):
        decompose(explosive, 1000)
    exact = Autoregression(np.zeros(2), np.zeros((0, 2, 2)), np.diag([1.0, 0.0]), np.zeros((9, 2)))
    with pytest.raises(DataError, match="without error"):
        decompose(exact, 3)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda d: d.iloc[:30], DataError, "30 rows"),
        (lambda d: d[["A"]], DataError, "two columns"),
        (lambda d: d.assign(B=1.0), DataError, "constant"),
        (lambda d: d.assign(B=d["A"]), DataError, "collinear"),
        (lambda d: d.assign(C=d["C"].where(d.index != d.index[5])), DataError, "NaN"),
        (lambda d: d.iloc[:0], DataError, "0 rows"),
        (lambda d: d.to_numpy(), DataError, "DataFrame"),
    ],
)
def test_bad_data_are_refused(change, error, match):
    with pytest.raises(error, match=match):
        connectedness(change(system(9)))


@pytest.mark.parametrize(
    "options",
    [{"lags": -1}, {"lags": 1.5}, {"lags": "best"}, {"horizon": 0}, {"horizon": True}, {"method": "girf"}],
)
def test_bad_choices_are_refused(options):
    with pytest.raises(SpecError):
        connectedness(system(10), **options)


def test_too_many_coefficients_are_refused():
    with pytest.raises(DataError, match="fewer"):
        connectedness(system(10, 65), lags=25)


# --- rolling windows and log variances


def test_rolling_windows_are_the_fits_of_their_rows_and_are_marked():
    data = system(11, 300)
    rolling = rolling_connectedness(data, window=120, step=45, lags=2, horizon=6)
    for k, first in enumerate(range(0, 181, 45)):
        one = connectedness(data.iloc[first : first + 120], lags=2, horizon=6)
        assert rolling.total.index[k] == data.index[first + 119]
        assert rolling.total.iloc[k] == pytest.approx(one.total, abs=1e-9)
        np.testing.assert_allclose(rolling.net.iloc[k], one.net, atol=1e-9)
    assert rolling.failed == 0
    with pytest.raises(DataError, match="path of conditional correlations"):
        read_series(rolling.total, min_obs=3)
    with joblib.parallel_config(backend="threading"):
        again = rolling_connectedness(data, window=120, step=45, lags=2, horizon=6, n_jobs=2)
    pd.testing.assert_series_equal(rolling.total, again.total)
    assert "by construction" in str(rolling.summary())
    assert json.dumps(rolling.to_dict())
    assert "pesaranshin1998" in rolling.cite()


def test_a_window_without_movement_is_counted_not_dropped():
    data = system(12, 300)
    data.iloc[50:120, 1] = 0.25
    rolling = rolling_connectedness(data, window=60, step=10)
    assert rolling.failed == rolling.total.isna().sum() > 0
    assert "no decomposition" in str(rolling.summary())


@pytest.mark.parametrize("options", [{"window": 10}, {"window": 10**6}, {"step": 0}, {"window": 1.5}])
def test_bad_windows_are_refused(options):
    with pytest.raises(SpecError):
        rolling_connectedness(system(13), **options)


def test_paths_that_are_passed_on_as_data_are_warned_about():
    rolling = rolling_connectedness(system(14, 400), window=60)
    with pytest.warns(FilteredSeriesWarning, match="moves slowly by construction"):
        connectedness(rolling.to_others)


def test_realized_log_variances_are_sums_of_squares_of_whole_periods():
    data = system(15, 503, n=2)
    variances = log_variances(data, window=5)
    assert len(variances) == 100
    assert variances.attrs["cryptoequity"]["rows left out"] == 3
    assert variances.index[-1] == data.index[-1]
    assert variances.iloc[0, 1] == pytest.approx(np.log((data.iloc[3:8, 1] ** 2).sum()))
    data.iloc[-5:, 0] = 0.0
    with pytest.raises(DataError, match="'A' does not move"):
        log_variances(data)


def test_garch_log_variances_are_those_of_the_margins():
    data = system(16, 400, n=2)
    margins = fit_margins(data, GARCH())
    np.testing.assert_allclose(log_variances(margins, method="garch"), np.log(margins.volatility**2))
    with pytest.raises(SpecError, match="percent returns"):
        log_variances(margins)


# --- inside against outside the episodes


def test_the_contrast_is_that_of_two_fits_and_rotations_are_all_tried():
    data = pair(17, 150)
    dummy = np.zeros(150)
    dummy[30:80] = 1.0
    test = connectedness_contrast_test(data, dummy, lags=2, horizon=4, what="forward", alternative="two-sided")
    y, state = data.to_numpy(), dummy[2:]
    n = 148

    def contrast(where):
        out = []
        for value in (1.0, 0.0):
            at = np.flatnonzero(where == value) + 2
            x = np.column_stack([np.ones(at.size), y[at - 1], y[at - 2]])
            beta = np.linalg.solve(x.T @ x, x.T @ y[at])
            u = y[at] - x @ beta
            sigma = u.T @ u
            ma = [np.eye(2)]
            phi = [beta[1:3].T, beta[3:].T]
            for h in range(1, 4):
                ma.append(sum(phi[k] @ ma[h - 1 - k] for k in range(min(h, 2))))
            theta = np.array(
                [[sum((m[i] @ sigma[:, j]) ** 2 for m in ma) / sigma[j, j] for j in range(2)] for i in range(2)]
            )
            out.append(100 * theta[1, 0] / theta[1].sum())
        return out[0] - out[1]

    every = np.array([contrast(np.roll(state, k)) for k in range(n)])
    assert test.statistic == pytest.approx(every[0], abs=1e-8)
    np.testing.assert_allclose(np.sort(test.draws["forward"]), np.sort(every[1:]), atol=1e-8)
    center = np.median(every[1:])
    reached = np.sum(np.abs(every[1:] - center) >= abs(every[0] - center))
    assert test.pvalue == pytest.approx((1 + reached) / n)
    assert test.estimates.loc["net", "contrast"] == pytest.approx(
        test.estimates.loc["forward", "contrast"] - test.estimates.loc["backward", "contrast"]
    )
    assert test.detail["spells"] == 1
    assert "one spell" in test.reason


@pytest.mark.parametrize("how", ["shift", "block"])
def test_a_link_that_is_stronger_inside_is_found(how):
    dummy = np.tile(np.repeat([0.0, 1.0], 100), 5)
    data = pair(18, 1000, np.where(dummy == 1, 0.7, 0.1))
    test = connectedness_contrast_test(data, dummy, pvalue=how, draws=199)
    assert test.pvalue <= 0.02
    assert test.inside.total > 25 > 10 > test.outside.total
    assert connectedness_contrast_test(data, dummy, pvalue=how, draws=99, alternative="less").pvalue > 0.9
    assert json.dumps(test.to_dict())
    assert test.to_frame().loc["total", "inside"] == pytest.approx(test.inside.total)
    assert "null mean" in str(test.summary())
    assert test.cite().count("@article") == 3


@pytest.mark.parametrize("how", ["shift", "block"])
def test_size_where_nothing_differs(how):
    dummy = np.zeros(300)
    dummy[20:60] = dummy[200:240] = 1.0
    p = [
        connectedness_contrast_test(
            pair(1000 + seed, 300), dummy, pvalue=how, draws=19, block=10 if how == "block" else None
        ).pvalue
        for seed in range(100)
    ]
    rejected = int(np.sum(np.array(p) <= 0.10))
    low, high = stats.binom.ppf([0.001, 0.999], 100, 0.10)
    assert low <= rejected <= high


def test_the_smaller_group_is_biased_upwards_and_the_null_knows():
    dummy = np.zeros(600)
    dummy[100:150] = 1.0
    test = connectedness_contrast_test(pair(19, 600, 0.0), dummy, draws=299)
    # a squared correlation of n rows has mean 1 / n without any
    assert 0.5 < test.estimates.loc["total", "null mean"] < 8
    assert test.estimates.loc["total", "less bias"] < test.estimates.loc["total", "contrast"]


def test_groups_of_columns_and_the_numbers_for_any_workers():
    data = system(20, 400)
    dummy = pd.Series(np.tile(np.repeat([1.0, 0.0], 50), 4), data.index)
    dummy.iloc[:10] = np.nan
    options = {"source": "A", "target": ["B", "C"], "what": "net", "draws": 39, "pvalue": "block", "rng": 5}
    test = connectedness_contrast_test(data, dummy, **options)
    with joblib.parallel_config(backend="threading"):
        again = connectedness_contrast_test(data, dummy, **options, n_jobs=2)
    pd.testing.assert_frame_equal(test.draws, again.draws)
    assert test.pvalue == again.pvalue
    assert test.groups == {"source": ("A",), "target": ("B", "C")}
    assert test.detail["rows inside"] + test.detail["rows outside"] == 390
    assert test.inside.between("A", ["B", "C"]) == pytest.approx(test.estimates.loc["forward", "inside"])
    other = connectedness_contrast_test(data, dummy, **(options | {"rng": 6}))
    assert not np.allclose(other.draws, test.draws)
    shifted = {**options, "pvalue": "shift", "draws": 100}
    with joblib.parallel_config(backend="threading"):
        two = connectedness_contrast_test(data, dummy, **shifted, n_jobs=2)
    pd.testing.assert_frame_equal(connectedness_contrast_test(data, dummy, **shifted).draws, two.draws)


def test_without_groups_only_the_total_is_compared():
    test = connectedness_contrast_test(system(21), np.tile(np.repeat([1.0, 0.0], 50), 5), draws=19)
    assert list(test.estimates.index) == ["total"]


@pytest.mark.parametrize(
    ("dummy", "options", "match"),
    [
        (np.zeros(400), {}, "0 rows are inside"),
        (np.ones(400), {}, "0 rows are outside"),
        (np.ones(10), {}, "shape"),
        (np.full(400, 2.0), {}, "is 2 at"),
        (["a"] * 400, {}, "numbers 0 and 1"),
        (pd.Series(np.ones(400)), {}, "labels"),
        (np.repeat([1, 0], 200), {"source": "COIN"}, "of neither"),
        (np.repeat([1, 0], 200), {"source": "COIN", "target": "GOLD"}, "not among the columns"),
        (np.repeat([1, 0], 200), {"source": "COIN", "target": ["COIN"]}, "in common"),
        (np.repeat([1, 0], 200), {"what": "all"}, "what"),
        (np.repeat([1, 0], 200), {"pvalue": "hac"}, "pvalue"),
        (np.repeat([1, 0], 200), {"draws": 5}, "draws"),
        (np.repeat([1, 0], 200), {"block": 5}, "rotations have none"),
        (np.repeat([1, 0], 200), {"pvalue": "block", "block": 0.5}, "block"),
        (np.repeat([1, 0], 200), {"tau": 0.5, "lags": 0}, "at least one"),
    ],
)
def test_bad_episodes_and_choices_are_refused(dummy, options, match):
    with pytest.raises((DataError, SpecError), match=match):
        connectedness_contrast_test(pair(22), dummy, **options)


def test_no_group_no_direction():
    with pytest.raises(SpecError, match="needs source="):
        connectedness_contrast_test(system(23), np.repeat([1, 0], 250), what="net")


def test_stationary_rows_come_in_blocks_of_the_mean_length():
    rng = np.random.default_rng(0)
    rows = np.concatenate([stationary_rows(1000, 20.0, rng) for _ in range(50)])
    assert rows.min() >= 0
    assert rows.max() < 1000
    ends = np.mean((np.diff(rows) % 1000) != 1)
    assert ends == pytest.approx(1 / 20, rel=0.1)


def test_arrays_give_what_the_test_gives():
    data = pair(24)
    dummy = read_dummy(np.tile(np.repeat([1, 0], 50), 4), data.index)
    target, design = lag_rows(data.to_numpy(), 1)
    both = connectedness_contrast(target, design, dummy[1:], source=np.array([0]), towards=np.array([1]))
    test = connectedness_contrast_test(data, dummy, draws=19)
    np.testing.assert_allclose(both[0], test.estimates["inside"])
    np.testing.assert_allclose(both[1], test.estimates["outside"])
    assert spells(np.array([1.0, 0, 1, 1, np.nan, 1])) == 3
