"""Bootstrap arithmetic: p-values that are never zero, intervals, exact moments of the shocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.bootstrap import null_interval, pvalue, resample, standardize_shocks

QUICK = settings(max_examples=50, deadline=None)
draws = st.lists(st.floats(-5, 5), min_size=1, max_size=60).map(np.array)


def test_pvalue_counts_the_statistic_itself():
    null = np.arange(1.0, 100.0)
    assert pvalue(99.5, null) == 0.01
    assert pvalue(95.0, null) == 0.06
    assert pvalue(0.0, null) == 1.0
    assert pvalue(0.0, null, "lower") == 0.01
    assert pvalue(50.0, null, "lower") == 0.51


@given(draws, st.floats(-10, 10), st.sampled_from(["upper", "lower", "two"]))
@QUICK
def test_pvalue_lies_between_one_draw_and_one(null, statistic, side):
    p = pvalue(statistic, null, side)
    assert 1.0 / (null.size + 1) <= p <= 1.0


@given(draws, st.floats(-10, 10))
@QUICK
def test_sides_mirror(null, statistic):
    assert pvalue(statistic, null, "lower") == pvalue(-statistic, -null, "upper")
    assert_allclose(pvalue(statistic, null, "two"), pvalue(-statistic, -null, "two"))


def test_two_sides_are_measured_from_the_median_of_the_null():
    null = 10.0 + np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
    assert pvalue(13.0, null, "two") == 3 / 8
    assert pvalue(7.0, null, "two") == 3 / 8
    assert pvalue(0.0, null, "two") == 1 / 8
    assert pvalue(10.0, null, "two") == 1.0


def test_draws_without_a_statistic_are_left_out():
    null = np.array([1.0, np.nan, 2.0, np.inf, 3.0])
    assert pvalue(2.5, null) == pvalue(2.5, np.array([1.0, 2.0, 3.0]))
    assert np.isnan(pvalue(1.0, np.full(3, np.nan)))
    assert np.isnan(pvalue(np.nan, null))
    assert np.isnan(pvalue(1.0, np.empty(0)))


def test_unknown_side_is_refused():
    with pytest.raises(SpecError, match="side='both'"):
        pvalue(1.0, np.zeros(20), "both")


def test_null_interval_inverts_the_law():
    null = np.linspace(-1.0, 3.0, 4001)
    lower, upper = null_interval(2.0, null, 0.9)
    assert_allclose([lower, upper], [2.0 - 2.8, 2.0 + 0.8], atol=1e-9)
    wide = null_interval(2.0, null)
    assert wide[0] < lower < upper < wide[1]


def test_null_interval_covers_at_its_level():
    # a shift family with a skewed, biased null: the interval centers on estimate minus bias
    rng = np.random.default_rng(1)
    covered = 0
    null = rng.exponential(size=5_000) - 0.3
    for _ in range(2_000):
        lower, upper = null_interval(0.7 + rng.exponential() - 0.3, null)
        covered += lower <= 0.7 <= upper
    assert abs(covered / 2_000 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2_000)


def test_the_fewest_draws_a_plan_allows_give_an_interval_and_fewer_none():
    assert np.isfinite(null_interval(0.0, np.arange(19.0))).all()
    assert np.isnan(null_interval(0.0, np.arange(18.0))).all()
    assert np.isnan(null_interval(0.0, np.full(50, np.nan))).all()
    assert np.isnan(null_interval(np.nan, np.arange(50.0))).all()


@given(st.integers(0, 2**31), st.integers(1, 5))
@QUICK
def test_standardized_shocks_have_exact_moments(seed, width):
    rng = np.random.default_rng(seed)
    raw = rng.standard_t(4, (80, width)) @ rng.standard_normal((width, width)) + rng.normal(size=width)
    if np.linalg.cond(np.cov(raw.T).reshape(width, width)) > 1e8:
        return
    shocks = standardize_shocks(raw)
    assert_allclose(shocks.mean(axis=0), 0.0, atol=1e-9)
    assert_allclose(shocks.T @ shocks / 80, np.eye(width), atol=1e-9)
    assert shocks.flags.c_contiguous


def test_standardizing_twice_changes_nothing():
    shocks = standardize_shocks(np.random.default_rng(2).standard_normal((100, 3)))
    assert_allclose(standardize_shocks(shocks), shocks, atol=1e-12)


def test_collinear_shocks_are_refused():
    x = np.random.default_rng(3).standard_normal(50)
    with pytest.raises(DataError, match="collinear"):
        standardize_shocks(np.stack([x, 0.0 * x], axis=1))


def test_resample_draws_whole_rows():
    shocks = np.arange(40.0).reshape(20, 2)
    out = resample(shocks, np.random.default_rng(4))
    assert out.shape == (20, 2)
    assert_array_equal(out[:, 1] - out[:, 0], 1.0)
    assert resample(shocks, np.random.default_rng(4), 7).shape == (7, 2)
    assert_array_equal(out, resample(shocks, np.random.default_rng(4)))


def test_resample_reaches_every_row_alike():
    counts = np.bincount(resample(np.arange(10)[:, None], np.random.default_rng(5), 50_000)[:, 0], minlength=10)
    assert np.all(np.abs(counts - 5_000) < 5 * np.sqrt(5_000 * 0.9))
