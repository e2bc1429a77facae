"""Tests that decide nothing: break matching against a loop, the rows, and what becomes of a test that refuses."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cryptoequity as ce
from claim.bootstraps import bootstrap
from cryptoequity.claim.battery import Battery, _row, battery, break_distances, break_matching_test, edges_of
from cryptoequity.errors import CryptoEquityWarning, DataError
from cryptoequity.estimation.results import TestResult

DATES = pd.bdate_range("2019-01-01", periods=400)


def series(values) -> pd.Series:
    return pd.Series(np.asarray(values, float), DATES[: len(values)], name="product")


def steps(seed: int = 0, size: float = 1.5) -> tuple[pd.Series, pd.Series]:
    """A series whose mean is higher inside one episode, and the episode."""
    inside = np.repeat([0.0, 1.0, 0.0], [120, 140, 140])
    return series(size * inside + np.random.default_rng(seed).standard_normal(400)), series(inside)


# --- edges and distances


def test_edges_are_the_first_days_of_either_side():
    np.testing.assert_array_equal(edges_of(np.array([0, 0, 1, 1, 0, 1.0])), [2, 4, 5])
    assert edges_of(np.ones(5)).size == 0


@given(st.lists(st.integers(0, 99), min_size=1, max_size=6))
def test_distances_are_on_a_circle(breaks):
    found = break_distances(breaks, 100)
    slow = [min(min(abs(t - b), 100 - abs(t - b)) for b in breaks) for t in range(100)]
    np.testing.assert_array_equal(found, slow)


# --- the test


def test_edges_on_breaks_are_found_and_misplaced_ones_are_not():
    product, dummy = steps()
    hit = break_matching_test(product, dummy)
    assert hit.statistic < 10.0
    assert hit.pvalue < 0.05
    # one rotation of the edges by half the sample
    away = series(np.roll(dummy.to_numpy(), 200))
    missed = break_matching_test(product, away)
    assert missed.pvalue > 0.5
    assert missed.statistic > hit.statistic


def test_the_law_is_that_of_a_loop():
    product, dummy = steps(1)
    test = break_matching_test(product, dummy)
    rows = [product.index.get_loc(pd.Timestamp(day)) for day in test.detail["breaks"]]
    distance = break_distances(rows, 400)
    edges = edges_of(dummy.to_numpy())
    law = np.array([distance[(edges + k) % 400].mean() for k in range(400)])
    np.testing.assert_allclose(test.detail["null"], law)
    assert test.pvalue == np.mean(law <= law[0] + 1e-9)


def test_nothing_found_is_nothing_matched():
    noise = series(np.random.default_rng(3).standard_normal(400))
    test = break_matching_test(noise, steps()[1], spec=ce.BaiPerron(select=0))
    assert math.isnan(test.pvalue)
    assert "no break" in test.reason


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_episodes_without_an_edge(value):
    test = break_matching_test(steps()[0], series(np.full(400, value)))
    assert math.isnan(test.pvalue)
    assert "no edge" in test.reason


def test_what_cannot_be_used_is_refused():
    product, dummy = steps()
    with pytest.raises(DataError, match="300"):
        break_matching_test(product, dummy.iloc[:300])
    bad = dummy.copy()
    bad.iloc[5] = np.nan
    with pytest.raises(DataError, match="row 5"):
        break_matching_test(product, bad)
    with pytest.raises(DataError, match="Series"):
        break_matching_test(product.to_numpy(), dummy)
    with pytest.raises(DataError, match="constant"):
        break_matching_test(series(np.ones(400)), dummy)
    with pytest.raises(DataError, match="too few"):
        break_matching_test(product.iloc[:10], series([0.0] * 5 + [1.0] * 5))


def test_noise_is_matched_as_often_as_it_should_be():
    """Breaks of independent series, dated by a fixed number, against one episode: 5 % of them, in 80."""
    rng = np.random.default_rng(11)
    dummy = steps()[1]
    spec = ce.BaiPerron(select=1, max_breaks=1, min_size=30)
    hits = [break_matching_test(series(rng.standard_normal(400)), dummy, spec=spec).pvalue <= 0.05 for _ in range(80)]
    assert np.mean(hits) <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / 80)


# --- rows


def test_a_refusal_is_a_row_with_its_reason():
    def refuse() -> TestResult:
        raise DataError("the column 'x' has 3 blanks.")

    row, found = _row("E", refuse)
    assert found is None
    assert row[-1] == "the column 'x' has 3 blanks."
    assert math.isnan(row[2])


def test_a_warning_is_a_note():
    def warn() -> TestResult:
        warnings.warn("few transitions.", CryptoEquityWarning, stacklevel=1)
        return TestResult("t", "n", 1.0, 0.5, "")

    row, found = _row("F", warn)
    assert found is not None
    assert row == ("F", 1.0, 0.5, True, "few transitions.")


def test_other_errors_are_not_swallowed():
    def fail() -> TestResult:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _row("E", fail)


@pytest.fixture(scope="module")
def rows() -> Battery:
    boot = bootstrap("peaks")
    return battery(boot.plan, boot.sample, boot.main, boot.prices, np.random.SeedSequence(1))


def test_every_row_decides_nothing(rows):
    frame = rows.to_frame()
    assert list(frame["part"]) == ["E", "E", "F", "F", "G"]
    assert frame["decides nothing"].all()
    assert set(rows.tests) <= set(frame.index)
    assert frame["pvalue"].dropna().between(0.0, 1.0).all()
    for name, test in rows.tests.items():
        assert frame.loc[name, "statistic"] == test.statistic or math.isnan(test.statistic)


def test_the_table_says_so(rows):
    text = str(rows.summary())
    assert "decides" in text
    assert json.loads(json.dumps(rows.to_dict(), allow_nan=False)).keys() == set(rows.frame.index)


def test_the_regime_row_is_a_difference_of_probabilities(rows):
    value = rows.frame.loc["high-correlation regime inside the episodes", "statistic"]
    assert -1.0 <= value <= 1.0
