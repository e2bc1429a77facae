"""Partitions, covariances and intervals of dates against brute force, simulation and algebra."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.breaks import partitions as module
from cryptoequity.breaks.break_covariance import BreakCovariance, estimate_regimes, scaled_f
from cryptoequity.breaks.date_intervals import argmax_cdf, argmax_quantile, date_interval
from cryptoequity.breaks.partitions import find_partitions, one_break, regime_design, repartition, singular_windows
from cryptoequity.breaks.sample import Regression, read_regression
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.long_run import LongRun
from cryptoequity.kernels.segment import orthogonalize, residual_products, segment_dp, ssr_row

SEEDS = st.integers(0, 2**32 - 1)
WIDTHS = st.sampled_from([1, 2, 5])


def draw(seed: int, nobs: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(nobs), rng.standard_normal((nobs, width - 1))])
    shift = rng.standard_normal((3, width)) * rng.choice([0.0, 1.0])
    y = np.einsum("tk,tk->t", x, np.repeat(shift, [nobs // 3, nobs // 3, nobs - 2 * (nobs // 3)], axis=0))
    return y + rng.standard_normal(nobs), x


def ssr(y: np.ndarray, x: np.ndarray) -> float:
    residuals = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return float(residuals @ residuals)


def total(y: np.ndarray, x: np.ndarray, positions: tuple[int, ...]) -> float:
    return sum(ssr(y[a:b], x[a:b]) for a, b in pairwise((0, *positions, y.size)))


def admissible(nobs: int, h: int, m: int) -> list[tuple[int, ...]]:
    cuts = combinations(range(h, nobs - h + 1), m)
    return [one for one in cuts if all(b - a >= h for a, b in pairwise((0, *one, nobs)))]


def regression_of(y: np.ndarray, x: np.ndarray, vary: list[int] | None = None) -> Regression:
    names = ["const", *(f"x{i}" for i in range(1, x.shape[1]))]
    return read_regression(
        y, x[:, 1:] if x.shape[1] > 1 else None, vary=None if vary is None else [names[i] for i in vary]
    )


# --- kernels


@given(SEEDS, WIDTHS, st.integers(0, 10))
@settings(max_examples=30, deadline=None)
def test_a_row_is_least_squares(seed, width, start):
    y, x = draw(seed, 30, width)
    out = np.full(30, -1.0)
    ssr_row(y, x, start, out)
    assert (out[:start] == -1.0).all()
    assert np.isinf(out[start : start + width - 1]).all()
    for t in range(start + width, 30):
        np.testing.assert_allclose(out[t], ssr(y[start : t + 1], x[start : t + 1]), rtol=1e-9, atol=1e-10)


def test_a_row_that_starts_singular_is_exact_later():
    """A dummy is zero for twenty rows: no sum until it moves, and the least squares sum from there."""
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(60), np.r_[np.zeros(20), np.ones(20), np.zeros(20)]])
    y = rng.standard_normal(60) + 3 * x[:, 1]
    for columns in (x, orthogonalize(x), orthogonalize(x * [1.0, 1e8])):
        out = np.empty(60)
        ssr_row(y, columns, 0, out)
        assert np.isinf(out[:20]).all()
        for t in range(21, 60):
            np.testing.assert_allclose(out[t], ssr(y[: t + 1], x[: t + 1]), rtol=1e-10)
        ssr_row(y, columns, 40, out)
        assert np.isinf(out[40:]).all()


@given(SEEDS, WIDTHS)
@settings(max_examples=20, deadline=None)
def test_orthogonal_columns_span_the_same(seed, width):
    _, x = draw(seed, 40, width)
    q = orthogonalize(x)
    np.testing.assert_allclose(q.T @ q / 40, np.eye(width), atol=1e-12)
    np.testing.assert_allclose(q @ np.linalg.lstsq(q, x, rcond=None)[0], x, atol=1e-10)


def test_a_dependent_column_has_no_direction():
    x = np.column_stack([np.ones(30), np.arange(30.0), 2.0 * np.arange(30.0) - 7.0])
    assert (orthogonalize(x)[:, 2] == 0.0).all()
    assert np.isinf(segment_dp(np.arange(30.0) ** 2, x, 5, 2)[0]).all()


@given(SEEDS, WIDTHS, st.integers(24, 36))
@settings(max_examples=12, deadline=None)
def test_streaming_program_is_brute_force(seed, width, nobs):
    y, x = draw(seed, nobs, width)
    h = 7
    cost, rows = segment_dp(y, x, h, 3)
    for m in range(4):
        choices = admissible(nobs, h, m)
        if not choices:
            assert np.isinf(cost[m])
            assert (rows[m - 1] == -1).all()
            continue
        totals = [total(y, x, one) for one in choices]
        np.testing.assert_allclose(cost[m], min(totals), rtol=1e-9)
        if m:
            where = tuple(int(v) for v in rows[m - 1, :m])
            np.testing.assert_allclose(total(y, x, where), min(totals), rtol=1e-9)
            assert (rows[m - 1, m:] == -1).all()


@given(SEEDS, WIDTHS)
@settings(max_examples=15, deadline=None)
def test_sums_are_invariant_to_the_basis(seed, width):
    y, x = draw(seed, 80, width)
    turn = np.random.default_rng(seed + 1).standard_normal((width, width)) + 3 * np.eye(width)
    one, two = segment_dp(y, x, 10, 4), segment_dp(y, x @ turn * 1e6, 10, 4)
    np.testing.assert_allclose(one[0], two[0], rtol=1e-8)
    np.testing.assert_array_equal(one[1], two[1])


@given(SEEDS, WIDTHS, st.floats(-1e3, 1e3), st.floats(0.01, 100.0))
@settings(max_examples=15, deadline=None)
def test_dates_do_not_depend_on_units(seed, width, a, b):
    y, x = draw(seed, 80, width)
    one, two = segment_dp(y, x, 10, 4), segment_dp(a - b * y, x, 10, 4)
    np.testing.assert_allclose(two[0], b**2 * one[0], rtol=1e-6)
    np.testing.assert_array_equal(one[1], two[1])


@given(SEEDS, WIDTHS)
@settings(max_examples=15, deadline=None)
def test_time_may_run_backward(seed, width):
    y, x = draw(seed, 80, width)
    one, two = segment_dp(y, x, 10, 3), segment_dp(y[::-1].copy(), x[::-1].copy(), 10, 3)
    np.testing.assert_allclose(one[0], two[0], rtol=1e-9)
    for m in range(1, 4):
        np.testing.assert_array_equal(one[1][m - 1, :m], 80 - two[1][m - 1, :m][::-1])


@given(SEEDS, WIDTHS)
@settings(max_examples=20, deadline=None)
def test_one_more_break_helps_where_a_segment_can_be_split(seed, width):
    y, x = draw(seed, 80, width)
    cost, rows = segment_dp(y, x, 12, 5)
    for m in range(5):
        where = tuple(int(v) for v in rows[m - 1, :m]) if m else ()
        if m and where[0] < 0:
            continue
        if max(b - a for a, b in pairwise((0, *where, 80))) >= 24:
            assert cost[m + 1] <= cost[m] * (1 + 1e-12)


def test_ties_go_to_the_first_date():
    y = np.array([0.0, 0, 1, 1, 0, 0, 1, 1, 0, 0])
    assert segment_dp(y, np.ones((10, 1)), 2, 1)[1][0, 0] == 2


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_products_of_residuals(seed):
    y, x = draw(seed, 30, 3)
    w = np.column_stack([x[:, 2], y])
    out = np.empty((30, 2, 2))
    residual_products(np.ascontiguousarray(np.column_stack([x[:, :2], w])), 2, out)
    assert np.isnan(out[0]).all()
    for t in (3, 10, 29):
        z = x[: t + 1, :2]
        rest = w[: t + 1] - z @ np.linalg.lstsq(z, w[: t + 1], rcond=None)[0]
        np.testing.assert_allclose(out[t], rest.T @ rest, rtol=1e-9, atol=1e-12)


# --- partitions


@pytest.mark.parametrize("seed", range(4))
def test_partial_change_is_brute_force(seed, monkeypatch):
    """One and two breaks by trying them all; the iteration reaches the same minimum for two and three."""
    y, x = draw(seed, 42, 3)
    regression = regression_of(y, x, [0, 1])

    def brute(m):
        def whole(where):
            return ssr(y, np.column_stack([regime_design(x[:, :2], where), x[:, 2:]]))

        return min((whole(one), one) for one in admissible(42, 8, m))

    exact = find_partitions(regression, 8, 3)
    assert exact.exact == (True, True, True, False)
    monkeypatch.setattr(module, "PAIRED", 0)
    iterated = find_partitions(regression, 8, 3)
    assert iterated.exact == (True, True, False, False)
    assert all(iterated.converged)
    for m in (1, 2, 3):
        best, where = brute(m)
        np.testing.assert_allclose(exact.ssr[m], best, rtol=1e-9)
        assert exact.positions[m] == iterated.positions[m] == where
    assert 1 <= iterated.agreed[3] <= iterated.starts[3]


def test_no_common_coefficient_is_pure_change():
    y, x = draw(3, 60, 2)
    pure, partial = find_partitions(regression_of(y, x), 10, 2), find_partitions(regression_of(y, x, [1]), 10, 2)
    assert pure.exact == (True, True, True)
    assert (partial.ssr >= pure.ssr * (1 - 1e-12)).all()


def test_one_break_and_repartition():
    y, x = draw(5, 60, 2)
    regression = regression_of(y, x)
    sums, start = one_break(regression, 10)
    assert start == 10
    np.testing.assert_allclose(sums, [total(y, x, (t,)) for t in range(10, 51)], rtol=1e-10)
    sums, start = one_break(regression, 10, 5, 40)
    np.testing.assert_allclose(
        sums, [total(y[5:40], x[5:40], (t - 5,)) for t in range(start, start + sums.size)], rtol=1e-9
    )
    assert one_break(regression, 10, 0, 19)[0].size == 0
    first = 15 + int(np.argmin([0]))
    again = repartition(regression, (first, 40), 10)
    assert again[0] == 10 + int(np.argmin([total(y[:40], x[:40], (t,)) for t in range(10, 31)]))


def test_singular_windows_are_counted_and_no_date_is_put_there():
    rng = np.random.default_rng(0)
    dummy = np.r_[np.zeros(50), rng.standard_normal(50)]
    x = np.column_stack([np.ones(100), dummy])
    assert singular_windows(x, 10) == 41
    assert singular_windows(x[50:], 10) == 0
    regression = regression_of(rng.standard_normal(100), x)
    found = find_partitions(regression, 10, 3)
    assert found.positions[1][0] > 50
    flat = np.column_stack([np.ones(100), np.r_[np.zeros(95), 1.0, -1.0, 2.0, 0.0, 1.0]])
    with pytest.raises(DataError, match="no date splits the sample into two regimes of 10 rows"):
        find_partitions(regression_of(rng.standard_normal(100), flat), 10, 1)


# --- covariances


@given(SEEDS, st.sampled_from(["nonrobust", "HC", "HAC"]), st.booleans(), st.booleans())
@settings(max_examples=25, deadline=None)
def test_statistics_do_not_depend_on_units(seed, cov_type, het_errors, het_regressors):
    """Without a bandwidth rule, which weighs moments as they are."""
    y, x = draw(seed, 90, 2)
    rule = BreakCovariance(cov_type, LongRun(bandwidth=3.0, prewhiten=True), het_errors, het_regressors)
    one = scaled_f(regression_of(y, x), (30, 60), rule)
    two = scaled_f(regression_of(5.0 - 3.0 * y, x * [1.0, 1e5]), (30, 60), rule)
    np.testing.assert_allclose(one, two, rtol=1e-7)


def test_homoskedastic_statistic_is_chow():
    y, x = draw(8, 90, 2)
    rule = BreakCovariance("nonrobust", het_errors=False)
    value = scaled_f(regression_of(y, x), (40,), rule)
    rest = total(y, x, (40,))
    chow = (ssr(y, x) - rest) / 2 / (rest / 86)
    np.testing.assert_allclose(value, 2 * chow, rtol=1e-10)  # printed tables are q times F


def test_partial_statistic_is_the_gain_of_fit():
    y, x = draw(8, 90, 3)
    rule = BreakCovariance("nonrobust", het_errors=False)
    value = scaled_f(regression_of(y, x, [0, 1]), (30, 60), rule)
    rest = ssr(y, np.column_stack([regime_design(x[:, :2], (30, 60)), x[:, 2]]))
    np.testing.assert_allclose(value, (ssr(y, x) - rest) / 2 / (rest / 83), rtol=1e-10)


def test_heteroskedastic_errors_of_a_mean():
    y, _ = draw(2, 60, 1)
    regression = regression_of(y, np.ones((60, 1)))
    parts = y[:20], y[20:]
    estimate = estimate_regimes(regression, (20,), BreakCovariance("nonrobust"))
    np.testing.assert_allclose(np.diag(estimate.cov), [part.var() / part.size for part in parts], rtol=1e-12)
    estimate = estimate_regimes(regression, (20,), BreakCovariance("HC"))
    np.testing.assert_allclose(np.diag(estimate.cov), [part.var(ddof=1) / part.size for part in parts], rtol=1e-12)
    for het_regressors in (True, False):  # a constant has the same moments everywhere
        rule = BreakCovariance("HC", het_errors=False, het_regressors=het_regressors)
        pooled = np.sum(estimate.residuals**2) / 59
        np.testing.assert_allclose(
            np.diag(estimate_regimes(regression, (20,), rule).cov), [pooled / 20, pooled / 40], rtol=1e-12
        )


def test_outer_products_of_a_slope():
    y, x = draw(2, 80, 2)
    estimate = estimate_regimes(regression_of(y, x), (30,), BreakCovariance("HC"))
    inside = x[30:]
    bread = np.linalg.inv(inside.T @ inside)
    scores = inside * estimate.residuals[30:, None]
    np.testing.assert_allclose(estimate.cov[2:, 2:], bread @ scores.T @ scores @ bread * 50 / 48, rtol=1e-10)
    assert (estimate.cov[:2, 2:] == 0).all()


def test_partial_covariances_agree_where_divisors_do():
    """From all regressors, or with the common ones partialled out first."""
    y, x = draw(6, 90, 3)
    regression = regression_of(y, x, [0, 1])
    estimate = estimate_regimes(regression, (40,), BreakCovariance("nonrobust"))
    gaps = np.diff(estimate.regimes, axis=0).ravel()
    contrast = np.hstack([-np.eye(2), np.eye(2), np.zeros((2, 1))])
    wald = gaps @ np.linalg.solve(contrast @ estimate.cov @ contrast.T, gaps)
    np.testing.assert_allclose(scaled_f(regression, (40,), BreakCovariance("nonrobust")), 85 / 90 * wald, rtol=1e-9)
    with pytest.raises(SpecError, match="het_regressors=False"):
        estimate_regimes(regression, (40,), BreakCovariance("HC", het_regressors=False))


def test_a_regime_without_noise_is_named():
    y = np.r_[np.zeros(40), np.random.default_rng(0).standard_normal(40)]
    with pytest.raises(DataError, match="regime from 0 to 39"):
        scaled_f(regression_of(y, np.ones((80, 1))), (40,), BreakCovariance("HAC"))


# --- intervals of dates


def test_symmetric_law():
    """Half-widths of Bai (1997): 7.687, 11.033, 19.767."""
    np.testing.assert_allclose([argmax_quantile(p) for p in (0.95, 0.975, 0.995)], [7.687, 11.033, 19.767], atol=5e-4)
    assert argmax_cdf(0.0) == 0.5


@given(st.floats(0.05, 20.0), st.floats(0.05, 20.0), st.floats(0.01, 0.99))
@settings(max_examples=60, deadline=None)
def test_quantiles_invert_the_law(xi, omega, probability):
    v = argmax_quantile(probability, xi, omega)
    assert abs(argmax_cdf(v, xi, omega) - probability) < 1e-8
    # backward in time, in the other side's units
    mirrored = -argmax_quantile(1 - probability, 1 / xi, 1 / omega) * omega / xi**2
    np.testing.assert_allclose(v, mirrored, rtol=1e-5, atol=1e-7)
    grid = [argmax_cdf(u, xi, omega) for u in np.linspace(v - 5, v + 5, 41)]
    assert (np.diff(grid) >= -1e-9).all()


def test_law_of_the_argmax_by_simulation():
    """Two-sided walks with drift; a step of .01 moves probabilities by less than .02."""
    rng = np.random.default_rng(3)
    xi, omega, step, count = 2.0, 0.5, 0.01, 1500
    drift = step * np.arange(1, 3001) / 2
    left = np.cumsum(rng.standard_normal((count, 3000)) * np.sqrt(step), axis=1) - drift
    right = np.cumsum(rng.standard_normal((count, 3000)) * np.sqrt(step * omega), axis=1) - xi * drift
    a, b = left.max(axis=1), right.max(axis=1)
    where = np.where(a > b, -(left.argmax(axis=1) + 1), right.argmax(axis=1) + 1) * step
    where[np.maximum(a, b) < 0] = 0.0
    for v in (-6.0, -3.0, -1.5, 0.6, 1.0):
        assert abs(np.mean(where <= v) - argmax_cdf(v, xi, omega)) < 0.02 + 2.5 * np.sqrt(0.25 / count) / 2


def test_intervals():
    assert date_interval(50, 1.0) == (38.0, 62.0)
    assert date_interval(50, 1.0, rounding="nearest") == (39.0, 62.0)
    assert date_interval(50, 1.0, level=0.9) == (42.0, 58.0)
    low, high = date_interval(50, 1.0, xi=1.0, omega=4.0)
    assert 50 - low > high - 50  # more noise after the break, which dates it late: the truth may well be earlier
    assert np.isnan(date_interval(50, 1.0, xi=1.0, omega=100.0)).all()
    assert np.isnan(date_interval(50, float("nan"))).all()
    with pytest.raises(SpecError, match="both must be positive"):
        argmax_cdf(0.0, xi=-1.0)
    with pytest.raises(SpecError, match="between 0 and 1"):
        argmax_quantile(1.0)
