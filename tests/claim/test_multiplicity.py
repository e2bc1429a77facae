"""Step-down maxima: the procedure by force, the bounds every adjustment keeps, and the family-wise error."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from statsmodels.stats.multitest import multipletests

from cryptoequity.claim.multiplicity import holm, romano_wolf_test, step_down
from cryptoequity.errors import DataError, SpecError


def rejected_at(alpha, statistics, draws):
    """Romano and Wolf's loop as published: reject, drop what is rejected, look again with what remains."""
    left = set(range(statistics.size))
    while left:
        keep = sorted(left)
        largest = [max(row[k] for k in keep) for row in draws]
        new = {k for k in keep if 1 + sum(m >= statistics[k] for m in largest) <= alpha * (1 + len(draws)) + 1e-9}
        if not new:
            break
        left -= new
    return set(range(statistics.size)) - left


def by_force(statistics, draws):
    """The smallest level at which each hypothesis falls."""
    out = np.full(statistics.size, np.nan)
    for count in range(1, len(draws) + 2):
        for k in rejected_at(count / (1 + len(draws)), statistics, draws):
            if np.isnan(out[k]):
                out[k] = count / (1 + len(draws))
    return out


@st.composite
def families(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    nobs, width = draw(st.integers(9, 25)), draw(st.integers(1, 6))
    common = rng.standard_normal((nobs, 1)) * draw(st.sampled_from([0.0, 1.0, 5.0]))
    table = common + rng.standard_normal((nobs, width))
    statistics = rng.standard_normal(width) * 2.0 + draw(st.sampled_from([0.0, 2.0]))
    if draw(st.booleans()):  # ties, between statistics and with draws
        table, statistics = np.round(table), np.round(statistics)
    return statistics, table


@given(families())
@settings(max_examples=40, deadline=None)
def test_equals_the_published_loop(family):
    assert_allclose(step_down(*family), by_force(*family), atol=1e-12)


@given(families())
@settings(max_examples=100, deadline=None)
def test_bounds_and_order(family):
    statistics, table = family
    adjusted = step_down(statistics, table)
    alone = (1 + (table >= statistics).sum(axis=0)) / (1 + len(table))
    assert (adjusted >= alone - 1e-12).all()
    assert (adjusted >= 1 / (1 + len(table)) - 1e-12).all()
    assert (adjusted <= 1.0).all()
    # the larger of two statistics never has the larger p-value
    order = np.argsort(-statistics, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    # a maximum over columns is reached no oftener than all columns together: Bonferroni's bound, monotone
    union = (1 + (table[:, :, None] >= statistics).sum(axis=(0, 1))) / (1 + len(table))
    assert (adjusted <= np.maximum.accumulate(np.minimum(1.0, union)[order])[np.argsort(order)] + 1e-12).all()
    # and single-step maxima are never below the step-down
    single = (1 + (table.max(axis=1)[:, None] >= statistics).sum(axis=0)) / (1 + len(table))
    assert (adjusted <= single + 1e-12).all()


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(values):
    assert_allclose(holm(np.array(values)), multipletests(values, method="holm")[1])


def test_holm_leaves_out_what_is_missing():
    assert_allclose(holm(np.array([0.01, np.nan, 0.04])), [0.02, np.nan, 0.04])


def test_one_column_repeated_costs_nothing():
    draws = np.random.default_rng(1).standard_normal(399)
    statistic = 1.9
    result = romano_wolf_test(np.full(8, statistic), np.tile(draws[:, None], 8))
    alone = (1 + (draws >= statistic).sum()) / 400
    assert_allclose(result.frame["romano_wolf"], alone)
    assert_allclose(result.frame["holm"], min(1.0, 8 * alone))


def test_scale_and_side():
    rng = np.random.default_rng(2)
    draws = rng.standard_normal((199, 4))
    t = np.array([3.0, 1.5, -0.2, -2.5])
    plain = romano_wolf_test(t, draws)
    units = np.array([1e-4, 1.0, 50.0, 1e6])
    assert_allclose(romano_wolf_test(t * units, draws * units).frame["romano_wolf"], plain.frame["romano_wolf"])
    lower = romano_wolf_test(-t, -draws, side="lower")
    assert_allclose(lower.frame["romano_wolf"], plain.frame["romano_wolf"])
    two = romano_wolf_test(t, draws, side="two").frame
    assert_allclose(two["romano_wolf"], romano_wolf_test(-t, -draws, side="two").frame["romano_wolf"])
    assert two["romano_wolf"].iloc[3] < 0.2 < plain.frame["romano_wolf"].iloc[3]
    assert not romano_wolf_test(t, draws, studentize=False).studentized


def test_names_are_matched_and_kept():
    rng = np.random.default_rng(3)
    draws = pd.DataFrame(rng.standard_normal((99, 3)), columns=["b", "a", "c"])
    result = romano_wolf_test({"a": 9.0, "b": 0.0, "c": 0.0}, draws)
    assert list(result.frame.index) == ["a", "b", "c"]
    assert result.rejected() == ("a",)
    mapping = romano_wolf_test(pd.Series({"a": 9.0, "b": 0.0, "c": 0.0}), {k: draws[k].to_numpy() for k in draws})
    assert_array_equal(mapping.frame.to_numpy(), result.frame.to_numpy())
    assert "999" not in result.summary().to_text()
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["hypotheses"]["a"]["romano_wolf"] == 0.01
    assert "romanowolf2005" in result.cite()


def test_missing_statistics_and_lost_draws_are_told():
    rng = np.random.default_rng(4)
    draws = rng.standard_normal((120, 3))
    draws[:15, 0] = np.nan
    draws[:, 2] = np.nan  # belongs to a statistic that is missing itself
    result = romano_wolf_test({"a": 2.5, "b": 0.1, "c": np.nan}, draws)
    assert (result.draws, result.lost) == (105, 15)
    assert set(result.reasons) == {"c"}
    assert np.isnan(result.frame.loc["c", "romano_wolf"])
    assert result.to_dict()["hypotheses"]["c"]["pvalue"] is None
    assert "15 draws" in result.summary().to_text()
    pair = romano_wolf_test({"a": 2.5, "b": 0.1}, draws[15:, :2])
    assert_array_equal(result.frame["romano_wolf"].iloc[:2], pair.frame["romano_wolf"])


@pytest.mark.parametrize(
    ("statistics", "draws", "match"),
    [
        ([], np.zeros((30, 0)), "at least one"),
        ([np.nan], np.zeros((30, 1)), "none of the 1"),
        ([1.0, 2.0], np.zeros((30, 3)), r"\(30, 3\)"),
        ([1.0], np.zeros((30, 1)), "no law"),
        ([1.0], np.full((30, 1), np.nan), "no finite draw"),
        ([1.0], np.arange(18.0)[:, None], "draw more"),
        ({"a": 1.0}, {"b": np.arange(30.0)}, "no draws of 'a'"),
        ({"a": 1.0, "b": 1.0}, {"a": np.arange(30.0), "b": np.arange(29.0)}, "shapes"),
        (pd.Series([1.0, 2.0], ["a", "a"]), np.zeros((30, 2)), "two hypotheses"),
        (["x"], np.zeros((30, 1)), "not numbers"),
    ],
)
def test_refusals(statistics, draws, match):
    with pytest.raises(DataError, match=match):
        romano_wolf_test(statistics, draws)


def test_unknown_choices():
    draws = np.random.default_rng(5).standard_normal((30, 1))
    with pytest.raises(SpecError, match="side"):
        romano_wolf_test([1.0], draws, side="both")
    with pytest.raises(SpecError, match="alpha"):
        romano_wolf_test([1.0], draws).rejected(5.0)


@pytest.mark.parametrize("link", [0.0, 0.9])
def test_family_wise_error_in_the_strong_sense(link):
    """Two of six nulls are false and loud: the four true ones are still rejected together in 10 % of worlds."""
    rng = np.random.default_rng(6)
    worlds, nobs, width = 1500, 99, 6
    shift = np.array([6.0, 6.0, 0.0, 0.0, 0.0, 0.0])
    mix = np.linalg.cholesky((1 - link) * np.eye(width) + link)
    false = hits = 0
    for _ in range(worlds):
        sample = rng.standard_normal((1 + nobs, width)) @ mix.T
        adjusted = step_down(sample[0] + shift, sample[1:])
        false += bool((adjusted[2:] <= 0.1).any())
        hits += bool((adjusted[:2] <= 0.1).all())
    assert hits > 0.95 * worlds
    # statistic and draws are exchangeable, so the error is .10 up to the noise of 1500 worlds (.0077)
    assert 0.10 - 4 * 0.0077 < false / worlds < 0.10 + 4 * 0.0077
