"""Simulated laws: p-values and critical values that invert each other, and Bai and Perron's limits by brute force."""

from __future__ import annotations

import json
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.breaks.limits import LEVELS, PROBABILITIES, LimitLaw, limit_law, limit_laws, write_limits
from cryptoequity.breaks.partition_laws import (
    MOST,
    TRIMS,
    PartitionLaws,
    gains_of_path,
    of_draws,
    partition_laws,
    weighted_maximum,
)
from cryptoequity.errors import DataError, SpecError

ORACLE = Path(__file__).parents[1] / "oracles" / "mbreaks.json"


@pytest.fixture(scope="module")
def chi2():
    """A law whose truth is known: 100,000 exact draws of chi2(3), stratified."""
    draws = stats.chi2.ppf((np.arange(100_000) + 0.5) / 100_000, 3)
    return LimitLaw.of_draws(draws)


def test_pvalues_and_critical_values_are_those_of_the_law(chi2):
    for alpha in (0.9, 0.5, 0.2, 0.1, 0.05, 0.025, 0.01, 0.001):
        assert chi2.critical(alpha) == pytest.approx(stats.chi2.isf(alpha, 3), rel=2e-3)
    for value in (0.5, 2.0, 5.0, 7.8, 11.3, 16.0):
        assert chi2.pvalue(value) == pytest.approx(stats.chi2.sf(value, 3), rel=5e-3)


@given(st.floats(0.0006, 0.99))
def test_each_inverts_the_other(alpha):
    law = limit_law("bai_perron", "supF.q2.m2.trim0.15")
    assert law.pvalue(law.critical(alpha)) == pytest.approx(alpha, rel=1e-9)


@given(st.floats(-5.0, 200.0), st.floats(0.0, 50.0))
def test_pvalues_fall_and_are_never_zero(value, more):
    law = limit_law("bai_perron", "supF.q1.m1.trim0.15")
    first, second = law.pvalue(value), law.pvalue(value + more)
    assert 1.0 / (law.draws + 1) <= second <= first <= 1.0


def test_the_tail_goes_on_beyond_the_grid_without_a_jump(chi2):
    end = chi2.quantiles[-1]
    assert chi2.pvalue(end) == pytest.approx(chi2.pvalue(end - 1e-9), rel=1e-6)
    assert chi2.pvalue(end + 2.0) == pytest.approx(stats.chi2.sf(end + 2.0, 3), rel=0.1)
    assert chi2.pvalue(1e6) == 1.0 / 100_001


def test_what_has_no_value_has_no_pvalue(chi2):
    assert np.isnan(chi2.pvalue(float("nan")))
    assert chi2.pvalue(-1.0) == 1.0
    for alpha in (0.0001, 0.999, 1.5):
        with pytest.raises(SpecError, match="covers levels from"):
            chi2.critical(alpha)
    with pytest.raises(SpecError, match=r"no simulated law 'supF\.q99' in the table 'bai_perron'"):
        limit_law("bai_perron", "supF.q99")


def test_the_precision_is_the_spread_of_repeated_simulations():
    rng = np.random.default_rng(3)
    laws = [LimitLaw.of_draws(rng.chisquare(3, 2000)) for _ in range(200)]
    spread = np.std([law.critical(0.05) for law in laws])
    assert np.mean([law.precision(0.05) for law in laws]) == pytest.approx(spread, rel=0.25)


def test_draws_that_are_not_finite_are_not_counted():
    law = LimitLaw.of_draws(np.array([1.0, 2.0, np.nan, 3.0, np.inf]))
    assert law.draws == 3


def test_a_table_comes_back_as_it_was_written(tmp_path, chi2):
    path = tmp_path / "some.npz"
    write_limits(path, {"a": chi2, "b": LimitLaw(PROBABILITIES, chi2.quantiles + 1.0, 7, 9)}, 3, "some script")
    with np.load(path) as stored:
        about = json.loads(str(stored["about"]))
        assert about == {"keys": ["a", "b"], "draws": [100_000, 7], "steps": [0, 9], "seed": 3, "script": "some script"}
        np.testing.assert_allclose(stored["quantiles"][0], chi2.quantiles, rtol=1e-6)
        np.testing.assert_array_equal(stored["probabilities"], PROBABILITIES)


@pytest.mark.parametrize("family", ["bai_perron", "sup_wald", "fluctuation"])
def test_every_law_of_every_table_rises(family):
    for key, law in limit_laws(family).items():
        assert np.isfinite(law.quantiles).all(), key
        assert (np.diff(law.quantiles) >= 0).all(), key
        assert law.draws >= 1000, key


# ---- Bai and Perron's limits


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(14, 26))
def test_gains_are_the_best_of_all_partitions(seed, steps):
    source = np.random.SeedSequence(seed)
    found = gains_of_path(source, steps, 2, (0.1, 0.2), (3, 3))
    shocks = np.random.default_rng(source).standard_normal((2, steps))
    for q in (1, 2):
        e = shocks[:q]
        base = (e.sum(axis=1) ** 2).sum() / steps
        for k, trim in enumerate((0.1, 0.2)):
            h = int(trim * steps + 1e-9)
            for m in (1, 2, 3):
                best = max(
                    sum((e[:, a:b].sum(axis=1) ** 2).sum() / (b - a) for a, b in pairwise((0, *cut, steps)))
                    for cut in combinations(range(h, steps - h + 1), m)
                    if all(b - a >= h for a, b in pairwise((0, *cut, steps)))
                )
                assert found[q - 1, k, m - 1] == pytest.approx(best - base, rel=1e-9, abs=1e-9)


def test_the_last_dimension_alone_is_the_same():
    source = np.random.SeedSequence(5)
    every = gains_of_path(source, 60, 4, (0.15,), (2,))
    last = gains_of_path(source, 60, 4, (0.15,), (2,), first=4)
    np.testing.assert_array_equal(every[-1:], last)


# Bai and Perron's (1998, 2003) 5 % values at a trim of .15, on their scale: q times ours
PUBLISHED = {
    1: (8.58, 7.22, 5.96, 4.99, 3.91),
    2: (11.47, 9.75, 8.36, 7.19, 5.85),
    3: (13.98, 11.99, 10.39, 9.05, 7.46),
}


@pytest.mark.parametrize("q", PUBLISHED)
def test_published_values_are_within_the_error_of_their_simulation(q):
    """Theirs are of 10,000 paths of as many steps."""
    laws = partition_laws(q, 0.15, 5)
    for law, published in zip(laws.single, PUBLISHED[q], strict=True):
        error = q * law.precision(0.05) * np.sqrt(1.0 + law.draws / 10_000)
        assert abs(q * law.critical(0.05) - published) < 3.5 * error
        assert abs(q * law.critical(0.05) - published) < 0.2


def test_double_maximum_of_one_coefficient_is_as_published():
    laws = partition_laws(1, 0.15, 5)
    for level, value in {0.10: 7.46, 0.05: 8.88, 0.01: 12.37}.items():
        assert laws.largest.critical(level) == pytest.approx(value, abs=0.2)
    assert laws.weighted.critical(0.05) == pytest.approx(9.91, abs=0.15)


def test_values_of_the_r_program_are_near():
    """Every critical value mbreaks prints for q = 1."""
    table = json.loads(ORACLE.read_text(encoding="utf-8"))

    def blocks(node):
        for key, value in node.items() if isinstance(node, dict) else ():
            if key == "cv_supF" and "m5" in value.get("5", {}) and value["5"]["m1"] == 8.58:
                yield value
            else:
                yield from blocks(value)

    found = list(blocks(table))
    if not found:
        pytest.skip("the committed figures hold no critical values")
    laws = partition_laws(1, 0.15, 5)
    for level, row in found[0].items():
        for m, law in enumerate(laws.single, 1):
            assert law.critical(float(level) / 100) == pytest.approx(row[f"m{m}"], abs=0.2)


def test_one_break_agrees_with_the_finer_simulation_of_its_own():
    """Another family, 3,600 steps: a finer path has the larger supremum, by a little."""
    fine = limit_laws("sup_wald")
    for q in (1, 2, 5, 10):
        law, other = partition_laws(q, 0.15, 1).single[0], fine[f"sup.q{q}.trim0.15"]
        error = np.hypot(q * law.precision(0.05), other.precision(0.05))
        above = other.critical(0.05) - q * law.critical(0.05)
        assert -3.0 * error < above < 0.035 * other.critical(0.05) + 3.0 * error


@pytest.mark.parametrize("trim", TRIMS)
@pytest.mark.parametrize("q", [1, 4, 10])
def test_order_of_the_laws(q, trim):
    laws = partition_laws(q, trim, MOST[TRIMS.index(trim)])
    values = [law.critical(0.05) for law in laws.single]
    assert (np.diff(values) < 0).all()  # per break, more breaks gain less
    assert laws.largest.critical(0.05) >= values[0]
    assert laws.weighted.critical(0.05) >= laws.largest.critical(0.05)
    if trim > TRIMS[0]:
        finer = partition_laws(q, TRIMS[TRIMS.index(trim) - 1], len(values))
        assert all(one.critical(0.05) < two.critical(0.05) for one, two in zip(laws.single, finer.single, strict=True))


def test_weights_of_a_level_are_stored_for_that_level():
    for level in LEVELS:
        fixed = limit_law("bai_perron", f"WDmax.q2.trim0.15@{level}")
        assert fixed.critical(level) == pytest.approx(partition_laws(2, 0.15, 5).weighted.critical(level), rel=2e-3)


def test_between_two_trims_lies_between_them():
    low, middle, high = (partition_laws(2, trim, 3) for trim in (0.10, 0.13, 0.15))
    for one, two, three in zip(low.single, middle.single, high.single, strict=True):
        mixed = 0.4 * one.critical(0.05) + 0.6 * three.critical(0.05)
        assert two.critical(0.05) == pytest.approx(mixed, rel=1e-9)
    assert high.largest.critical(0.05) < middle.largest.critical(0.05) < low.largest.critical(0.05)


def test_the_weighted_pvalue_is_the_level_at_which_the_weighted_test_starts_to_reject():
    laws = partition_laws(1, 0.15, 5)
    for level in LEVELS:
        critical = np.array([law.critical(level) for law in laws.single])
        # at the edge of rejection by its third component
        edge = np.full(5, 0.1)
        edge[2] = laws.weighted.critical(level) * critical[2] / critical[0]
        assert laws.weighted_statistics(edge)[level] == pytest.approx(laws.weighted.critical(level), rel=1e-9)
        assert laws.weighted_pvalue(edge) == pytest.approx(level, rel=0.02)
    assert laws.weighted_pvalue(np.zeros(5)) == 1.0
    assert laws.weighted_pvalue(np.full(5, 500.0)) == pytest.approx(1.0 / (laws.weighted.draws + 1))
    assert np.isnan(laws.weighted_pvalue(np.array([1.0, np.nan, 1.0, 1.0, 1.0])))


def test_weighted_pvalues_are_uniform_under_the_null():
    rng = np.random.default_rng(4)
    draws = rng.chisquare(2, (4000, 3)).cumsum(axis=1) / np.arange(1, 4)
    laws = of_draws(draws, 1, 0.15, 0)
    fresh = rng.chisquare(2, (600, 3)).cumsum(axis=1) / np.arange(1, 4)
    values = [laws.weighted_pvalue(one) for one in fresh]
    assert stats.kstest(values, "uniform").pvalue > 0.01


def test_the_curve_of_the_weighted_maximum_by_hand():
    draws = np.random.default_rng(1).chisquare(3, (3000, 2))
    curves = np.quantile(draws, PROBABILITIES, axis=0).T
    place = int(np.argmin(np.abs(PROBABILITIES - 0.95)))
    by_hand = np.quantile(np.maximum(draws[:, 0], draws[:, 1] * curves[0, place] / curves[1, place]), 0.95)
    assert weighted_maximum(draws, curves)[place] == pytest.approx(by_hand)


@pytest.mark.slow
def test_what_is_not_tabulated_is_simulated():
    laws = partition_laws(11, 0.15, 2)
    assert isinstance(laws, PartitionLaws)
    assert laws.single[0].steps == 500
    # continues the table: 10 coefficients below, and a fresh simulation of 10 at a trim of its own near them
    assert laws.single[0].critical(0.05) < partition_laws(10, 0.15, 2).single[0].critical(0.05)
    wide = partition_laws(1, 0.30, 1).single[0].critical(0.05)
    assert stats.chi2.isf(0.05, 1) < wide < partition_laws(1, 0.25, 1).single[0].critical(0.05)


def test_refusals():
    with pytest.raises(SpecError, match="both are at least 1"):
        partition_laws(0, 0.15, 1)
    with pytest.raises(SpecError, match=r"trim=0\.6"):
        partition_laws(1, 0.6, 1)
    with pytest.raises(DataError, match=r"6 break\(s\) do not fit with a trim of 0\.15"):
        partition_laws(1, 0.15, 6)
