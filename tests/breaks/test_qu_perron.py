"""Breaks in systems against every partition written out, against Bai and Perron for one equation, and on data."""

from __future__ import annotations

import json
import warnings
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize

import cryptoequity as ce
from cryptoequity.breaks.date_intervals import date_interval
from cryptoequity.breaks.partition_laws import partition_laws
from cryptoequity.breaks.qu_perron import QuPerron, QuPerronFit
from cryptoequity.breaks.system_regimes import date_law, regimes_of
from cryptoequity.breaks.systems import (
    common_coefficients,
    likelihood_path,
    moments_of,
    read_system,
    search,
    split_path,
    whitened_gains,
)
from cryptoequity.errors import CryptoEquityWarning, DataError, FilteredSeriesWarning, SpecError
from cryptoequity.estimation.long_run import LongRun
from cryptoequity.estimation.results import mark_filtered
from cryptoequity.kernels.qu_perron import determinant_row, squares_row, system_dp
from cryptoequity.kernels.segment import residual_products, segment_dp


def cuts(nobs, h, m):
    """Every partition with m breaks and regimes of at least h rows."""
    for cut in combinations(range(h, nobs - h + 1), m):
        if all(b - a >= h for a, b in pairwise((0, *cut, nobs))):
            yield cut


def residual_matrix(y, x):
    left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return left.T @ left


def likelihood(y, x, cut, changes):
    """Twice the Gaussian log-likelihood of a partition, without its constant, written out."""
    nobs = len(y)
    parts = list(pairwise((0, *cut, nobs)))
    if changes == "mean":
        pooled = sum(residual_matrix(y[a:b], x[a:b]) for a, b in parts)
        return -nobs * np.linalg.slogdet(pooled / nobs)[1]
    if changes == "both":
        return -sum((b - a) * np.linalg.slogdet(residual_matrix(y[a:b], x[a:b]) / (b - a))[1] for a, b in parts)

    def cost(theta):
        left = y - x @ theta.reshape(x.shape[1], y.shape[1])
        return sum((b - a) * np.linalg.slogdet(left[a:b].T @ left[a:b] / (b - a))[1] for a, b in parts)

    start = np.linalg.lstsq(x, y, rcond=None)[0].ravel()
    found = minimize(cost, start, method="BFGS", options={"gtol": 1e-7})
    return -found.fun


def sample(seed, nobs, columns=2):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((nobs, columns)) @ rng.standard_normal((columns, columns))
    third = nobs // 3
    y[third:] += rng.standard_normal(columns)
    y[2 * third :] *= 2.0
    return y


# ---- kernels


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3))
def test_rows_of_costs_are_those_of_regressions(seed, width, columns):
    rng = np.random.default_rng(seed)
    x = np.concatenate([np.ones((25, 1)), rng.standard_normal((25, width - 1))], axis=1)
    y = rng.standard_normal((25, columns)) @ rng.standard_normal((columns, columns))
    z = np.ascontiguousarray(np.concatenate([x, y], axis=1))
    determinants, squares = np.full((2, 25), np.nan)
    products = np.empty((25, columns, columns))
    start = int(rng.integers(0, 5))
    determinant_row(z, width, start, determinants)
    squares_row(z, width, start, squares)
    residual_products(z, width, products)
    for t in range(start + width + columns - 1, 25):
        part = slice(start, t + 1)
        matrix = residual_matrix(y[part], x[part])
        count = t + 1 - start
        assert determinants[t] == pytest.approx(0.5 * count * np.linalg.slogdet(matrix / count)[1], rel=1e-8, abs=1e-8)
        assert squares[t] == pytest.approx(0.5 * np.trace(matrix), rel=1e-9)
        np.testing.assert_allclose(products[t], residual_matrix(y[: t + 1], x[: t + 1]), atol=1e-9)
    assert np.isinf(determinants[start : start + width + columns - 1]).all()


def test_the_squares_of_one_equation_are_those_of_segment_dp():
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(80), rng.standard_normal(80)])
    y = rng.standard_normal(80) + 2.0 * (np.arange(80) >= 30)
    cost, positions, singular = system_dp(np.column_stack([x, y]), 2, 8, 3, False)
    expected, where = segment_dp(y, x, 8, 3)
    np.testing.assert_allclose(2.0 * cost, expected, rtol=1e-10)
    np.testing.assert_array_equal(positions, where)
    assert singular == 0


# ---- partitions


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_partitions_of_everything_are_the_best_of_all(seed, columns):
    y = sample(seed, 26, columns)
    x = np.ones((26, 1))
    found = search(y, x, 5, 3, "both")
    base = likelihood(y, x, (), "both")
    for m in (1, 2, 3):
        values = {cut: likelihood(y, x, cut, "both") for cut in cuts(26, 5, m)}
        best = max(values, key=values.get)
        assert found.positions[m] == best
        assert -2.0 * found.cost[m] == pytest.approx(values[best] - base, rel=1e-8)


@pytest.mark.parametrize("changes", ["mean", "covariance"])
@pytest.mark.parametrize("seed", range(5))
def test_partitions_with_a_shared_parameter_against_every_partition(seed, changes):
    y = sample(seed, 24)
    x = np.ones((24, 1))
    found = search(y, x, 6, 2, changes)
    base = likelihood(y, x, (), changes)
    for m in (1, 2):
        gains = sorted(likelihood(y, x, cut, changes) - base for cut in cuts(24, 6, m))
        own = likelihood(y, x, found.positions[m], changes) - base
        assert -2.0 * found.cost[m] == pytest.approx(own, rel=1e-5)
        if changes == "mean" and m == 1:
            assert own == pytest.approx(gains[-1], rel=1e-9)  # exhaustive
        # improved in turn from several starts: the best, or within a sliver of it
        assert own >= gains[-1] - 0.05 * abs(gains[-1])
        assert found.converged[m]


def test_regressors_break_too():
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(28), rng.standard_normal(28)])
    slope = np.where(np.arange(28)[:, None] < 14, [1.0, 0.0], [-1.0, 2.0])
    y = slope * x[:, 1:] + 0.5 * rng.standard_normal((28, 2))
    found = search(y, x, 7, 1, "both")
    values = {cut: likelihood(y, x, cut, "both") for cut in cuts(28, 7, 1)}
    assert found.positions[1] == max(values, key=values.get)


def test_one_equation_with_a_break_in_the_mean_is_bai_and_perron():
    from statsmodels.datasets import nile

    y = nile.load_pandas().data["volume"]
    fit = QuPerron(changes="mean", cov_type="gaussian", max_breaks=5).fit(y)
    assert fit.positions == (28,)
    ssr, where = segment_dp(y.to_numpy(), np.ones((100, 1)), 15, 5)
    for m in range(1, 6):
        assert fit.search.positions[m] == tuple(where[m - 1, :m])
        assert fit.tests[f"sup LR({m})"].statistic == pytest.approx(100 * np.log(ssr[0] / ssr[m]), rel=1e-9)
    assert ssr[1] == pytest.approx(1597457, rel=1e-6)
    test = fit.tests["sup LR(1)"]
    assert test.pvalue == pytest.approx(partition_laws(1, 0.15, 5).single[0].pvalue(test.statistic))
    assert fit.coefficients[("volume", "const")].to_list() == pytest.approx([1097.75, 849.9722], rel=1e-5)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from(["mean", "covariance", "both"]), st.sampled_from(["gaussian", "robust"]))
def test_nothing_depends_on_units_or_on_the_choice_of_columns(seed, changes, cov_type):
    rng = np.random.default_rng(seed)
    y = sample(seed, 90)
    mix = rng.standard_normal((2, 2)) + 2.0 * np.eye(2)
    spec = QuPerron(max_breaks=2, trim=0.2, changes=changes, cov_type=cov_type)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptoEquityWarning)
        one, two = spec.fit(y), spec.fit(1e3 + 50.0 * y @ mix)
    for name, test in one.tests.items():
        assert two.tests[name].statistic == pytest.approx(test.statistic, rel=1e-6, abs=1e-6)
    assert one.positions == two.positions


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.sampled_from(["mean", "both"]))
def test_time_backward_gives_the_same_statistics(seed, changes):
    y = sample(seed, 80)
    x = np.ones((80, 1))
    forth, back = (search(one, x, 12, 2, changes) for one in (y, np.ascontiguousarray(y[::-1])))
    assert back.cost[1] == pytest.approx(forth.cost[1], rel=1e-8)
    assert back.positions[1] == tuple(80 - p for p in forth.positions[1][::-1])


def test_costs_fall_with_breaks_and_with_what_may_break():
    y, x = sample(8, 120), np.ones((120, 1))
    found = {changes: search(y, x, 20, 3, changes).cost for changes in ("mean", "covariance", "both")}
    for cost in found.values():
        assert (np.diff(cost) <= 1e-9).all()
    assert (found["both"] <= found["mean"] + 1e-9).all()
    assert (found["both"] <= found["covariance"] + 1e-9).all()


# ---- statistics


def test_paths_peak_at_their_statistics():
    y, x = sample(5, 100), np.ones((100, 1))
    for changes in ("mean", "covariance", "both"):
        found = search(y, x, 15, 1, changes)
        path = likelihood_path(y, x, 15, changes, found.positions[1])
        assert np.nanmax(path) == pytest.approx(-2.0 * found.cost[1], rel=1e-6)
        assert int(np.nanargmax(path)) == found.positions[1][0]
        assert np.isnan(path[:15]).all()
        assert np.isnan(path[86:]).all()
    z = whitened_gains(y, x, "both", None)
    cost, positions, _ = system_dp(z, 1, 15, 1, False)
    path = split_path(z, 1, 15, False)
    assert np.nanmax(path) == pytest.approx(2.0 * (cost[0] - cost[1]), rel=1e-10)
    assert int(np.nanargmax(path)) == positions[0, 0]


def test_the_robust_statistic_written_out():
    y, x = sample(9, 60), np.ones((60, 1))
    u = y - y.mean(axis=0)
    parts = [u, np.stack([u[:, 0] ** 2, u[:, 0] * u[:, 1], u[:, 1] ** 2], axis=1)]
    m = np.concatenate([parts[0], parts[1] - parts[1].mean(axis=0)], axis=1)
    omega = np.linalg.inv(m.T @ m / 60)
    best = max(
        sum((b - a) * m[a:b].mean(axis=0) @ omega @ m[a:b].mean(axis=0) for a, b in pairwise((0, *cut, 60)))
        for cut in cuts(60, 12, 1)
    )
    fit = QuPerron(max_breaks=1, min_size=12).fit(y)
    assert fit.tests["sup LR(1)"].statistic == pytest.approx(best, rel=1e-9)
    assert moments_of(y, x, "both").shape == (60, 5)
    assert moments_of(y, x, "covariance").shape == (60, 3)


def test_a_long_run_covariance_takes_memory_out():
    rng = np.random.default_rng(0)
    shocks = rng.standard_normal((500, 2))
    y = shocks.copy()
    for t in range(1, 500):
        y[t] += 0.6 * y[t - 1]
    plain = QuPerron(max_breaks=1, changes="mean").fit(y).tests["sup LR(1)"]
    long = QuPerron(max_breaks=1, changes="mean", long_run=LongRun(prewhiten=True)).fit(y).tests["sup LR(1)"]
    assert long.statistic < 0.5 * plain.statistic


@pytest.mark.parametrize("changes", ["mean", "covariance", "both"])
@pytest.mark.parametrize("cov_type", ["gaussian", "robust"])
def test_pvalues_are_uniform_under_normal_observations(changes, cov_type):
    rng = np.random.default_rng(11)
    spec = QuPerron(max_breaks=1, changes=changes, cov_type=cov_type)
    values = [spec.fit(rng.standard_normal((300, 2))).tests["sup LR(1)"].pvalue for _ in range(80)]
    assert stats.kstest(values, "uniform").pvalue > 0.005
    assert np.mean(np.array(values) <= 0.05) <= 0.13


@pytest.mark.slow
def test_fat_tails_break_the_gaussian_law_and_not_the_robust_one():
    rng = np.random.default_rng(12)
    low = {"gaussian": 0, "robust": 0}
    for _ in range(100):
        y = rng.standard_t(5, (800, 2))
        for kind in low:
            low[kind] += (
                QuPerron(max_breaks=1, changes="covariance", cov_type=kind).fit(y).tests["sup LR(1)"].pvalue <= 0.05
            )
    assert low["gaussian"] > 40
    assert low["robust"] <= 12


def test_one_more_break_is_tested_within_the_regimes():
    y = sample(4, 200)
    fit = QuPerron(max_breaks=2, cov_type="gaussian").fit(y)
    test = fit.tests["sup LR(2|1)"]
    first = fit.search.positions[1][0]
    parts = [(a, b) for a, b in ((0, first), (first, 200)) if b - a >= 60]
    inside = [-2.0 * search(y[a:b], np.ones((b - a, 1)), 30, 1, "both").cost[1] for a, b in parts]
    assert test.statistic == pytest.approx(max(inside), rel=1e-9)
    law = partition_laws(5, 0.15, 1).single[0]
    assert test.pvalue == pytest.approx(1.0 - (1.0 - law.pvalue(max(inside) / 5)) ** 2)
    for level, value in test.critical_values.items():
        assert 1.0 - (1.0 - law.pvalue(value / 5)) ** 2 == pytest.approx(level, rel=1e-6)


def test_a_regime_too_short_to_split_is_said():
    y = np.random.default_rng(0).standard_normal((60, 2))
    fit = QuPerron(max_breaks=2, min_size=20).fit(y)
    test = fit.tests["sup LR(2|1)"]
    assert test.options["regimes too short to split"] >= 1
    fit = QuPerron(max_breaks=2, min_size=20).fit(np.where(np.arange(60)[:, None] < 30, 0.0, 9.0) + y)
    test = fit.tests["sup LR(2|1)"]
    assert np.isnan(test.pvalue)
    assert "long enough for two of 20" in test.reason
    assert fit.n_breaks == 1


# ---- the fit


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    index = pd.bdate_range("2020-01-01", periods=500)
    z = rng.standard_normal((500, 2))
    z[300:, 1] = 0.8 * z[300:, 0] + 0.6 * z[300:, 1]
    z[120:, 0] += 0.9
    return QuPerron(max_breaks=3).fit(pd.DataFrame(z, index, ["COIN", "TECH"]))


def test_dates_are_found_and_named_by_the_first_observation(fitted):
    assert fitted.n_breaks == 2
    assert abs(fitted.positions[0] - 120) <= 8
    assert abs(fitted.positions[1] - 300) <= 8
    assert list(fitted.break_dates) == [fitted.index[p] for p in fitted.positions]
    assert list(fitted.last_dates) == [fitted.index[p - 1] for p in fitted.positions]
    assert fitted.tests["UDmax"].pvalue < 0.01
    assert fitted.tests["WDmax"].pvalue < 0.01
    assert fitted.converged


def test_estimates_are_those_of_the_regimes(fitted):
    y = fitted.data.to_numpy()
    for j, (a, b) in enumerate(fitted.bounds):
        np.testing.assert_allclose(fitted.coefficients.iloc[j], y[a:b].mean(axis=0))
        np.testing.assert_allclose(fitted.volatilities.iloc[j], y[a:b].std(axis=0))
        np.testing.assert_allclose(fitted.correlations.iloc[j, 0], np.corrcoef(y[a:b].T)[0, 1])
        np.testing.assert_allclose(fitted.covariances[j + 1], np.cov(y[a:b].T, bias=True))
        np.testing.assert_allclose(fitted.coefficient_errors.iloc[j], y[a:b].std(axis=0) / np.sqrt(b - a))
    total = sum(
        stats.multivariate_normal(y[a:b].mean(axis=0), np.cov(y[a:b].T, bias=True)).logpdf(y[a:b]).sum()
        for a, b in fitted.bounds
    )
    assert fitted.loglikelihood == pytest.approx(total, rel=1e-10)
    bic = -2.0 * total + (3 * 5 + 2) * np.log(500)
    assert fitted.partitions["BIC"].iloc[2] == pytest.approx(bic, rel=1e-10)


def test_a_parameter_that_does_not_break_is_common():
    y = sample(3, 150)
    mean = QuPerron(max_breaks=2, changes="mean", select=2).fit(y)
    np.testing.assert_allclose(mean.volatilities.iloc[0], mean.volatilities.iloc[2])
    cov = QuPerron(max_breaks=2, changes="covariance", select=2).fit(y)
    np.testing.assert_allclose(cov.coefficients.iloc[0], cov.coefficients.iloc[2])
    common, cost, settled = common_coefficients(y, np.ones((150, 1)), cov.positions)
    assert settled
    np.testing.assert_allclose(cov.coefficients.iloc[0], common[0])
    # at the optimum the weighted residuals of all regimes sum to zero
    score = sum(
        np.linalg.solve(cov.covariances[j + 1], (y[a:b] - common).sum(axis=0)) for j, (a, b) in enumerate(cov.bounds)
    )
    np.testing.assert_allclose(score, 0.0, atol=1e-4)
    assert np.isfinite(cost)


@pytest.mark.slow
@pytest.mark.parametrize("changes", ["mean", "covariance", "both"])
@pytest.mark.parametrize("cov_type", ["gaussian", "robust"])
def test_standard_errors_and_intervals_cover(changes, cov_type):
    """Of normal observations with one break: errors are the spread of the estimates, intervals hold the date."""
    rng = np.random.default_rng(5)
    inside, means, errors, rhos, rho_errors = 0, [], [], [], []
    samples = 150
    for _ in range(samples):
        z = rng.standard_normal((300, 2))
        if changes != "covariance":
            z[150:] += 0.7
        if changes != "mean":
            z[150:, 1] = 0.7 * z[150:, 0] + np.sqrt(0.51) * z[150:, 1]
        fit = QuPerron(max_breaks=1, changes=changes, cov_type=cov_type, select=1).fit(z)
        row = fit.conf_int().iloc[0]
        inside += row["lower_position"] <= 150 <= row["upper_position"]
        known = regimes_of(fit.system, (150,), changes, cov_type)
        means.append(known.coefficients[1, 0, 0])
        errors.append(known.coefficient_errors[1, 0, 0])
        rhos.append(known.correlations[1, 0])
        rho_errors.append(known.correlation_errors[1, 0])
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.2)
    assert np.mean(rho_errors) == pytest.approx(np.std(rhos), rel=0.2)
    assert 0.86 <= inside / samples


def test_the_interval_of_one_mean_is_bais(fitted):
    """One equation, a break in the mean: scale (shift / sd)^2, equal sides."""
    rng = np.random.default_rng(1)
    y = rng.standard_normal(200) + 1.0 * (np.arange(200) >= 100)
    fit = QuPerron(max_breaks=1, changes="mean", cov_type="gaussian").fit(y)
    scale, xi, omega = date_law(fit.system, fit.regimes, fit.positions, 0, "gaussian")
    shift = float(np.diff(fit.coefficients.to_numpy()[:, 0])[0])
    assert scale == pytest.approx((shift / fit.volatilities.iloc[0, 0]) ** 2, rel=1e-9)
    assert (xi, omega) == (pytest.approx(1.0), pytest.approx(1.0))
    row = fit.conf_int().iloc[0]
    assert (row["lower_position"], row["upper_position"]) == date_interval(fit.positions[0], scale)
    wide = fitted.conf_int(0.99)
    narrow = fitted.conf_int(0.8)
    assert (wide["upper_position"] >= narrow["upper_position"]).all()
    assert (narrow["lower_position"] <= narrow["position"]).all()


def test_interval_that_the_law_does_not_pin_is_nan_with_a_warning():
    rng = np.random.default_rng(2)
    y = rng.standard_normal((200, 1)) * np.where(np.arange(200) < 100, 1.0, 200.0)[:, None]
    fit = QuPerron(max_breaks=1, changes="covariance", cov_type="gaussian").fit(y)
    assert fit.n_breaks == 1
    with pytest.warns(CryptoEquityWarning, match="does not pin an interval of 95%"):
        frame = fit.conf_int()
    assert np.isnan(frame["lower_position"].iloc[0])
    assert "interval not pinned" in str(fit.summary())


def test_number_of_breaks_as_asked_for(fitted):
    data = fitted.data
    assert QuPerron(max_breaks=3, select=1).fit(data).n_breaks == 1
    assert QuPerron(max_breaks=3, select=0).fit(data).positions == ()
    assert QuPerron(max_breaks=3, select="bic").fit(data).n_breaks == 2
    quiet = QuPerron().fit(np.random.default_rng(0).standard_normal((300, 2)))
    assert quiet.n_breaks == 0
    assert quiet.conf_int().empty
    assert len(quiet.spans) == 1


def test_what_is_said_and_kept(fitted):
    text = str(fitted.summary())
    assert "sup LR(2|1)" in text
    assert "95 % interval" in text
    assert "corr COIN, TECH" in text
    assert json.loads(json.dumps(fitted.to_dict()))["positions"] == list(fitted.positions)
    assert {"mean COIN", "sd TECH", "corr COIN, TECH"} <= set(fitted.to_frame().columns)
    assert "quperron2007" in fitted.cite()
    test = fitted.tests["sup LR(1)"]
    assert test.path is not None
    assert test.boundary.iloc[0] == pytest.approx(test.critical_values[0.05])
    assert test.break_date == fitted.index[test.position]
    assert test.robustness
    assert "quperron2007" in test.cite()
    assert isinstance(fitted, QuPerronFit)


def test_margins_stand_for_their_standardized_residuals():
    returns = ce.to_returns(ce.load_sample("step"))[["COIN", "MARKET"]].iloc[:500]
    margins = ce.fit_margins(returns, ce.GARCH())
    spec = QuPerron(max_breaks=1, changes="covariance")
    one, two = spec.fit(margins), spec.fit(margins.std_resid)
    assert one.tests["sup LR(1)"].statistic == two.tests["sup LR(1)"].statistic
    assert one.names == ("COIN", "MARKET")


def test_regressors_by_name():
    rng = np.random.default_rng(3)
    x = pd.DataFrame(rng.standard_normal((200, 1)), columns=["rate"])
    y = pd.DataFrame(rng.standard_normal((200, 2)), columns=["a", "b"])
    y["a"] += np.where(np.arange(200) < 100, 1.5, -1.5) * x["rate"]
    fit = QuPerron(max_breaks=1, changes="mean").fit(y, x)
    assert fit.positions[0] == pytest.approx(100, abs=3)
    assert list(fit.coefficients.columns) == [("a", "const"), ("a", "rate"), ("b", "const"), ("b", "rate")]
    np.testing.assert_allclose(fit.coefficients[("a", "rate")], [1.5, -1.5], atol=0.3)
    assert fit.tests["sup LR(1)"].reference.startswith("sup over partitions, q = 4")


# ---- what it refuses


def test_bad_choices_are_refused():
    for options, match in (
        ({"changes": "all"}, "changes='all'"),
        ({"cov_type": "HC"}, "cov_type='HC'"),
        ({"max_breaks": 0}, "max_breaks=0"),
        ({"max_breaks": 2.0}, r"max_breaks=2\.0"),
        ({"alpha": 5}, "alpha=5"),
        ({"select": "aic"}, "select='aic'"),
        ({"select": 4}, "select=4"),
        ({"cov_type": "gaussian", "long_run": LongRun()}, "long_run belongs to cov_type='robust'"),
    ):
        with pytest.raises(SpecError, match=match):
            QuPerron(**options)
    with pytest.raises(SpecError, match="give one of trim"):
        QuPerron(trim=0.2, min_size=30).fit(np.random.default_rng(0).standard_normal((100, 2)))
    with pytest.raises(SpecError, match="level=95"):
        QuPerron(max_breaks=1, select=1).fit(np.random.default_rng(0).standard_normal((100, 2))).conf_int(95)


def test_bad_data_are_refused_by_column_and_number():
    rng = np.random.default_rng(0)
    good = pd.DataFrame(rng.standard_normal((100, 2)), columns=["a", "b"])
    spec = QuPerron(max_breaks=1)
    hole = good.copy()
    hole.loc[17, "b"] = np.nan
    with pytest.raises(DataError, match="'b' has 1 missing or infinite value"):
        spec.fit(hole)
    with pytest.raises(DataError, match="'b' is constant"):
        spec.fit(good.assign(b=3.0))
    with pytest.raises(DataError, match="collinear"):
        spec.fit(good.assign(c=good["a"] - 2.0 * good["b"]))
    with pytest.raises(DataError, match="too few"):
        spec.fit(good.iloc[:15])
    with pytest.raises(DataError, match=r"3 break\(s\) with at least 30"):
        QuPerron(max_breaks=3, trim=0.3).fit(good)
    with pytest.raises(DataError, match="cannot identify"):
        QuPerron(max_breaks=1, min_size=2).fit(good)
    with pytest.raises(DataError, match="two columns are called 'a'"):
        spec.fit(good.set_axis(["a", "a"], axis=1))
    with pytest.raises(DataError, match="two dimensions"):
        spec.fit(np.zeros((3, 3, 3)))
    with pytest.raises(DataError, match="explained exactly"):
        spec.fit(good, good[["a"]].rename(columns={"a": "x"}))
    with pytest.raises(DataError, match="100 rows and exog 90"):
        spec.fit(good, rng.standard_normal(90))
    with pytest.raises(DataError, match="cannot be estimated from 60 observations"):
        QuPerron(max_breaks=1, min_size=20).fit(rng.standard_normal((60, 11)))


def test_filtered_paths_are_refused():
    rng = np.random.default_rng(0)
    path = mark_filtered(pd.Series(np.tanh(0.1 * rng.standard_normal(200).cumsum()), name="rho"))
    with pytest.raises(DataError, match="persistent by construction"):
        QuPerron(max_breaks=1).fit(path)
    slow = np.zeros(300)
    for t in range(1, 300):
        slow[t] = 0.95 * slow[t - 1] + 0.1 * rng.standard_normal()
    with pytest.warns(FilteredSeriesWarning, match="looks like a path"):
        read_system(np.tanh(slow), None, 20)


def test_singular_regimes_are_left_out_with_a_warning():
    rng = np.random.default_rng(1)
    y = rng.standard_normal((120, 2))
    y[:50, 1] = 0.0
    with pytest.warns(CryptoEquityWarning, match="are singular"):
        fit = QuPerron(max_breaks=1, min_size=20).fit(y)
    assert fit.search.positions[1][0] > 50
    # two rows that move, never both regimes with both
    still = np.zeros((120, 2))
    still[5], still[70] = (1.0, 2.0), (3.0, -1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptoEquityWarning)
        with pytest.raises(DataError, match="every possible regime is singular"):
            QuPerron(max_breaks=3, min_size=24).fit(still)
