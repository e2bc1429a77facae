"""Placement tests: all shifts by brute force, p-values under exchangeable series, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

import cryptoequity as ce
from cryptoequity.claim.placement import placebo_test, shift_contrasts, shift_test
from cryptoequity.claim.statistics import contrast
from cryptoequity.errors import DataError, SpecError


def spells(nobs, *pairs):
    dummy = np.zeros(nobs)
    for first, stop in pairs:
        dummy[first:stop] = 1.0
    return dummy


def by_force(series, dummy):
    out = []
    for k in range(series.size):
        moved = np.roll(dummy, k)
        out.append(series[moved == 1.0].mean() - series[moved == 0.0].mean())
    return np.array(out)


@given(st.integers(0, 2**31), st.integers(5, 120))
@settings(max_examples=60, deadline=None)
def test_all_rotations_by_force(seed, nobs):
    rng = np.random.default_rng(seed)
    series = rng.standard_t(3, nobs) * 10.0 ** rng.integers(-3, 4)
    dummy = (rng.random(nobs) < 0.4).astype(float)
    dummy[:2] = 0.0, 1.0
    expected = by_force(series, dummy)
    assert_allclose(shift_contrasts(series, dummy), expected, atol=1e-10 * np.abs(series).max())
    result = shift_test(series, dummy)
    assert_allclose(result.statistic, expected[0], atol=1e-10 * np.abs(series).max())
    assert_allclose(result.pvalue, np.mean(expected >= expected[0] - 1e-9 * np.abs(series).max()), atol=1e-12)
    assert 1.0 / nobs <= result.pvalue <= 1.0


def test_linear_shift_by_force():
    rng = np.random.default_rng(1)
    series, dummy = rng.standard_normal(103), spells(103, (30, 50), (70, 80))
    result = shift_test(series, dummy, kind="linear")
    reach = 20
    middle = series[reach : 103 - reach]
    values = []
    for k in range(-reach, reach + 1):
        window = dummy[reach + k : 103 - reach + k]
        values.append(middle[window == 1.0].mean() - middle[window == 0.0].mean())
    assert_allclose(result.detail["null"], values, rtol=1e-12)
    assert_allclose(result.statistic, values[reach])
    expected = min(1.0, np.sum(np.array(values) >= values[reach]) / (reach + 1))
    assert_allclose(result.pvalue, expected)
    assert result.pvalue >= 1.0 / (reach + 1)


def pvalues(kind, seed, worlds=400):
    rng = np.random.default_rng(seed)
    dummy = spells(200, (30, 60), (90, 110), (130, 150))
    return np.array([shift_test(rng.standard_normal(200), dummy, kind=kind).pvalue for _ in range(worlds)])


def test_circular_pvalues_are_uniform_when_the_series_is_exchangeable():
    assert stats.kstest(pvalues("circular", 2), "uniform").pvalue > 0.01


def test_linear_pvalues_are_conservative():
    p = pvalues("linear", 3)
    for level in (0.05, 0.1, 0.25, 0.5):
        assert np.mean(p <= level) <= level + 2.0 * np.sqrt(level * (1.0 - level) / p.size)


def test_a_planted_rise_is_found():
    dummy = spells(500, (100, 160), (250, 330), (400, 430))
    series = np.random.default_rng(4).standard_normal(500) + 2.0 * dummy
    assert shift_test(series, dummy).pvalue == 1.0 / 500
    assert shift_test(series, dummy, kind="linear").pvalue < 0.05
    assert shift_test(-series, dummy).pvalue > 0.9


def test_a_constant_series_has_nothing_to_say():
    assert shift_test(np.ones(50), spells(50, (10, 20))).pvalue == 1.0
    assert shift_test(np.ones(50), spells(50, (10, 20)), kind="linear").pvalue == 1.0


@pytest.mark.parametrize("kind", ["circular", "linear"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_none_and_all_have_no_pvalue_and_a_reason(kind, value):
    result = shift_test(np.arange(40.0), np.full(40, value), kind=kind)
    assert np.isnan(result.pvalue)
    assert result.reason == "the episodes cover none or all of the sample"


def test_episodes_outside_the_middle_have_no_linear_shift():
    result = shift_test(np.arange(100.0), spells(100, (0, 10)), kind="linear")
    assert np.isnan(result.pvalue)
    assert "middle three fifths" in result.reason


def test_a_guard_band_has_a_reason_of_its_own():
    dummy = spells(100, (20, 40))
    dummy[40:45] = np.nan
    result = shift_test(np.arange(100.0), dummy)
    assert np.isnan(result.pvalue)
    assert "leaves 5 sessions" in result.reason


def test_series_of_pandas_are_read_by_position():
    index = pd.bdate_range("2020-01-01", periods=60)
    series = pd.Series(np.random.default_rng(5).standard_normal(60), index)
    dummy = pd.Series(spells(60, (10, 25)), index)
    for kind in ("circular", "linear"):
        assert shift_test(series, dummy, kind=kind).pvalue == shift_test(series.to_numpy(), dummy, kind=kind).pvalue


@pytest.mark.parametrize(
    ("series", "dummy", "words"),
    [
        (np.zeros(10), np.zeros(9), r"shape \(10,\) and the dummy \(9,\)"),
        (np.zeros((10, 2)), np.zeros((10, 2)), "one number a session"),
        (np.array([0.0, np.nan, np.inf, 1.0]), np.array([0.0, 1.0, 0.0, 0.0]), "2 missing or infinite values.*row 1"),
        (np.zeros(4), np.array([0.0, -1.0, 0.0, 1.0]), "dummy is -1 in row 1"),
    ],
)
def test_bad_arrays_are_refused(series, dummy, words):
    # a series with a hole would otherwise have no shift above it, and a p-value of zero
    with pytest.raises(DataError, match=words):
        shift_test(series, dummy)


def test_unknown_kind_is_refused():
    with pytest.raises(SpecError, match="kind='spiral'"):
        shift_test(np.zeros(10), spells(10, (2, 4)), kind="spiral")


# --- placebo episodes

DAYS = pd.bdate_range("2020-01-01", periods=400)
LIST = ce.ReRating.from_dates([(DAYS[40], DAYS[99], 1), (DAYS[150], DAYS[179], -1), (DAYS[300], DAYS[369], 1)])


def test_placebo_contrasts_are_those_of_simulated_lists():
    series = np.random.default_rng(1).standard_normal(400)
    test = placebo_test(series, LIST, DAYS, draws=25, rng=3)
    rng = np.random.default_rng(3)
    null = [contrast(series, LIST.simulate(DAYS, rng).dummy(DAYS).to_numpy(float)) for _ in range(25)]
    assert_allclose(test.detail["null"], null)
    inside = LIST.dummy(DAYS).to_numpy() == 1.0
    assert_allclose(test.statistic, series[inside].mean() - series[~inside].mean())
    assert test.pvalue == (1 + np.sum(np.array(null) >= test.statistic)) / 26


def test_a_series_that_follows_the_list_is_found():
    series = np.random.default_rng(2).standard_normal(400) + LIST.dummy(DAYS).to_numpy(float)
    assert placebo_test(series, LIST, DAYS, draws=99, rng=1).pvalue == 1 / 100
    assert placebo_test(-series, LIST, DAYS, draws=99, rng=1).pvalue == 1.0


def test_noise_has_nothing_to_do_with_the_list():
    rng = np.random.default_rng(4)
    p = [placebo_test(rng.standard_normal(400), LIST, DAYS, draws=19, rng=k).pvalue for k in range(30)]
    # multiples of 1/20, uniform: binomial(30, .05) exceeds 6 in one case of three thousand
    assert np.sum(np.array(p) <= 0.05) <= 6
    assert 6 <= np.sum(np.array(p) <= 0.5) <= 24


def test_guard_days_count_for_neither_side():
    series = np.random.default_rng(5).standard_normal(400)
    guarded = placebo_test(series, LIST, DAYS, draws=19, rng=1, guard="14D")
    dummy = LIST.dummy(DAYS, guard="14D").to_numpy(float)
    assert np.isnan(dummy).any()
    assert guarded.statistic == contrast(series, dummy)


def test_a_list_that_covers_everything_has_no_placebo():
    whole = ce.ReRating.from_dates([(DAYS[0], DAYS[-1], 1)])
    test = placebo_test(np.arange(400.0), whole, DAYS, draws=19, rng=1)
    assert np.isnan(test.pvalue)
    assert test.reason == "the contrast is not defined on this sample"
