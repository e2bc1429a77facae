"""The rules that turn numbers into verdicts, one branch at a time."""

import math
from dataclasses import replace

import pytest

from cryptoequity.claim.hypotheses import FAMILY, STATEMENTS, VERDICTS, Evidence, judge, not_testable
from cryptoequity.errors import SpecError

NAN = math.nan


def evidence(key, pvalue=0.5, estimate=0.2, **more):
    bounds = {"lower": 0.05, "upper": 0.35, "low90": 0.08, "high90": 0.32, "mde": 0.15, "nobs": 1000, "method": "m"}
    return Evidence(key=key, estimate=estimate, pvalue=pvalue, **{**bounds, **more})


def sides(up, down, p_up, p_down, p_difference, **more):
    detail = {"up": up, "down": down, "up.pvalue": p_up, "down.pvalue": p_down, "difference.pvalue": p_difference}
    return evidence("H7", max(p_up, p_down), up - down, detail=detail, **more)


PEAK = {"H2": evidence("H2", 0.001), "H3": evidence("H3", 0.01), "H4": evidence("H4", 0.01)}


def verdict(one, adjusted=None, others=PEAK, alpha=0.05, sesoi=0.1):
    answer, reason = judge(one, one.pvalue if adjusted is None else adjusted, others, alpha=alpha, sesoi=sesoi)
    assert answer in VERDICTS
    assert reason.endswith((".", ")"))
    assert "nan" not in reason
    return answer, reason


# --- any hypothesis


@pytest.mark.parametrize("key", list(STATEMENTS))
def test_nothing_computed_is_not_testable(key):
    assert verdict(not_testable(key, "because.")) == ("not testable", "because.")
    answer, reason = verdict(evidence(key, NAN))
    assert answer == "not testable"
    assert "cannot be computed" in reason


@pytest.mark.parametrize("key", ["H1", "H3", "H4", "H5", "H6", "H10", "H11"])
def test_a_small_adjusted_pvalue_supports(key):
    answer, reason = verdict(evidence(key, 0.004), adjusted=0.024)
    assert answer == "supported"
    assert "+0.20 [+0.05, +0.35], p = .004, .024 after Holm" in reason


@pytest.mark.parametrize("key", ["H1", "H2", "H3", "H4", "H5", "H6", "H10", "H11"])
def test_an_interval_below_the_smallest_effect_of_interest_contradicts(key):
    answer, reason = verdict(evidence(key, 0.6, 0.01, low90=-0.07, high90=0.09))
    assert answer == "contradicted"
    assert "the 90 % interval [-0.07, +0.09] lies below the smallest effect of interest of 0.10" in reason


@pytest.mark.parametrize("key", ["H1", "H2", "H3", "H4", "H5", "H6", "H10", "H11"])
def test_anything_else_is_inconclusive_and_says_what_could_be_seen(key):
    answer, reason = verdict(evidence(key, 0.2, 0.05, high90=0.1))
    assert answer == "inconclusive"
    assert "the smallest effect this design could see (80 % power) is 0.15" in reason
    assert "is unknown" in verdict(evidence(key, 0.2, mde=NAN))[1]


@pytest.mark.parametrize("key", ["H1", "H2", "H4", "H5", "H6"])
def test_it_is_the_adjusted_pvalue_that_counts(key):
    assert verdict(evidence(key, 0.01), adjusted=0.06)[0] == "inconclusive"
    assert verdict(evidence(key, 0.01), adjusted=0.06, alpha=0.1)[0] == "supported"


def test_the_level_itself_rejects():
    assert verdict(evidence("H5", 0.05))[0] == "supported"


def test_the_smallest_effect_of_interest_is_the_plans():
    one = evidence("H5", 0.6, 0.01, low90=-0.1, high90=0.15)
    assert verdict(one, sesoi=0.1)[0] == "inconclusive"
    assert verdict(one, sesoi=0.2)[0] == "contradicted"


def test_a_small_effect_above_zero_is_not_contradicted():
    one = evidence("H6", 0.018, 0.05, low90=0.01, high90=0.09)
    assert verdict(one, adjusted=0.054)[0] == "inconclusive"
    assert verdict(one, adjusted=0.036)[0] == "supported"


def test_tiny_pvalues_are_bounded_and_missing_bounds_said():
    reason = verdict(evidence("H6", 1e-9, lower=NAN, upper=NAN), adjusted=6e-9)[1]
    assert "[n/a], p < .001, < .001 after Holm" in reason
    assert "p = 1.000" in verdict(evidence("H6", 1.0))[1]


def test_only_levels_that_were_tested_are_claimed():
    both = verdict(evidence("H1", 0.001, detail={"inside": 0.4, "outside": 0.3}))[1]
    one = verdict(evidence("H1", 0.001, detail={"outside": 0.3}))[1]
    none = verdict(evidence("H1", 0.001))[1]
    assert both.startswith("positive after the break, inside and outside the episodes:")
    assert one.startswith("positive after the break, outside the episodes:")
    assert none.startswith("positive after the break:")


# --- H2 hangs on H3 and H4


def test_a_peak_that_survives_everything():
    answer, reason = verdict(PEAK["H2"])
    assert answer == "supported"
    assert "survives the variance adjustment and the market" in reason


RAW = {"raw contrast": 0.2}


@pytest.mark.parametrize("left", [(0.3, 0.05), (0.01, -0.05), (0.01, 0.0)])
def test_a_peak_that_volatility_explains(left):
    answer, reason = verdict(PEAK["H2"], others={**PEAK, "H3": evidence("H3", *left, detail=RAW)})
    assert answer == "mechanical"
    assert "volatility may explain it" in reason


def test_a_peak_most_of_which_survives_is_not_called_mechanical():
    answer, reason = verdict(PEAK["H2"], others={**PEAK, "H3": evidence("H3", 0.3, 0.15, detail=RAW)})
    assert answer == "inconclusive"
    assert "volatility is not excluded" in reason


@pytest.mark.parametrize("link", [evidence("H3", NAN), evidence("H3", 0.01, NAN), not_testable("H3", "no days.")])
def test_a_peak_whose_link_cannot_be_tested(link):
    answer, reason = verdict(PEAK["H2"], others={**PEAK, "H3": link})
    assert answer == "inconclusive"
    assert "cannot be told" in reason


def test_a_peak_that_may_be_market_beta():
    answer, reason = verdict(PEAK["H2"], others={**PEAK, "H4": evidence("H4", 0.06)})
    assert answer == "inconclusive"
    assert "cannot be told from market beta" in reason


@pytest.mark.parametrize("why", ["the plan names no market.", "the market 'SPY' is itself the tested equity."])
def test_a_peak_without_a_market_says_so(why):
    answer, reason = verdict(PEAK["H2"], others={**PEAK, "H4": not_testable("H4", why)})
    assert answer == "supported"
    assert reason.endswith(f"market beta is not excluded, because {why}")


def test_no_peak_no_matter_what_the_others_say():
    assert verdict(evidence("H2", 0.4))[0] == "inconclusive"


# --- H3


@pytest.mark.parametrize("left", [-0.02, 0.05])
def test_a_link_of_which_little_is_left_is_mechanical(left):
    answer, reason = verdict(evidence("H3", 0.4, left, detail=RAW))
    assert answer == "mechanical"
    assert "goes with the variance adjustment" in reason


def test_without_a_peak_there_is_nothing_mechanical():
    others = {**PEAK, "H2": evidence("H2", 0.4)}
    assert verdict(evidence("H3", 0.4, -0.02), others=others)[0] == "inconclusive"


# --- H7


def test_both_sides_rise():
    answer, reason = verdict(sides(0.2, 0.25, 0.01, 0.02, 0.7))
    assert answer == "supported"
    assert "up +0.20 (p = .010), down +0.25 (p = .020)" in reason


@pytest.mark.parametrize(("up", "down", "which"), [(0.3, 0.0, "up-ratings"), (0.0, 0.3, "down-ratings")])
def test_sides_that_differ(up, down, which):
    answer, reason = verdict(sides(up, down, 0.01, 0.01, 0.03))
    assert answer == "contradicted"
    assert which in reason


def test_one_side_alone_is_not_enough():
    answer, reason = verdict(sides(0.2, 0.1, 0.01, 0.2, 0.3))
    assert answer == "inconclusive"
    assert "the sides can be told apart from 0.15" in reason
    assert verdict(sides(0.2, 0.2, 0.01, 0.02, 0.7), adjusted=0.08)[0] == "inconclusive"


def test_sides_without_a_power_say_so():
    assert "n/a" in verdict(sides(0.2, 0.1, 0.01, 0.2, 0.3, mde=NAN))[1]


# --- bookkeeping


def test_the_family_is_of_hypotheses():
    assert set(FAMILY) < set(STATEMENTS)
    with pytest.raises(SpecError, match="key='H99'"):
        judge(replace(evidence("H1", 0.001), key="H99"), 0.001, PEAK, alpha=0.05, sesoi=0.1)
