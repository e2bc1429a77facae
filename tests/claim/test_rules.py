"""What hypotheses say of each other: a property of a peak is nothing without the peak."""

import math

import pytest

import cryptoequity as ce
from cryptoequity.claim.hypotheses import FAMILY, STATEMENTS, Evidence, not_testable
from cryptoequity.claim.rules import holm_adjusted, weigh

PLAN = ce.Plan(crypto="C", equity="E", episodes=ce.ReRating.press(), draws=999)


def one(key, pvalue=0.001, estimate=0.2, **detail):
    extra = {
        "H3": {"raw contrast": 0.2},
        "H7": {"up": 0.2, "down": 0.2, "up.pvalue": pvalue, "down.pvalue": pvalue, "difference.pvalue": 0.9},
        "H8": {
            "counter-examples": 0,
            "episodes": 3,
            "weakest": "2020",
            "each episode pvalue": pvalue,
            "moves": 40,
            "moves that agree": 30,
            "moves pvalue": pvalue,
        },
        "H2p": {
            "maxima": 5,
            "maxima inside": 5,
            "maxima pvalue": pvalue,
            "highest days pvalue": pvalue,
            "share of the highest days inside": 1.0,
            "share of all days inside": 0.5,
            "pvalue were all maxima inside": 0.01,
        },
    }
    return Evidence(
        key,
        estimate,
        0.05,
        0.35,
        pvalue,
        0.15,
        1000,
        "m",
        low90=0.08,
        high90=0.32,
        detail={**extra.get(key, {}), **detail},
    )


def table(**changes):
    keys = ("H1", "H2", "H2p", "H3", "H4", "H5", "H6", "H7", "H8", "H10", "H11")
    evidence = {key: one(key) for key in keys} | changes
    return weigh(evidence, PLAN)


def test_with_a_peak_everything_stands():
    assert set(table()["verdict"]) == {"supported"}


@pytest.mark.parametrize("key", ["H2p", "H7", "H8", "H10"])
@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"H2": one("H2", 0.4)}, "inconclusive"),
        ({"H3": one("H3", 0.4, 0.02)}, "mechanical"),
        ({"H4": one("H4", 0.4)}, "inconclusive"),
        ({"H2": not_testable("H2", "why.")}, "inconclusive"),
    ],
)
def test_properties_of_a_peak_need_one(key, changes, answer):
    row = table(**changes).loc[key]
    assert row["verdict"] == answer
    assert "has to show first" in row["reason"]


def test_given_the_market_volatility_still_counts():
    frame = table(H3=one("H3", 0.4, 0.02))
    assert frame.at["H4", "verdict"] == "mechanical"
    frame = table(H3=one("H3", 0.4, 0.15))
    assert frame.at["H4", "verdict"] == "inconclusive"
    assert frame.at["H2", "verdict"] == "inconclusive"


@pytest.mark.parametrize("key", ["H2", "H5"])
def test_index_membership(key):
    left = {"net of holders": 0.01, "net of holders pvalue": 0.4}
    row = table(**{key: one(key, **left)}).loc[key]
    assert row["verdict"] == "mechanical"
    assert "index membership" in row["reason"]
    kept = {"net of holders": 0.15, "net of holders pvalue": 0.01}
    assert table(**{key: one(key, **kept)}).at[key, "verdict"] == "supported"
    unknown = {"net of holders": math.nan, "net of holders pvalue": math.nan, "net of holders, why not": "too young."}
    assert table(**{key: one(key, **unknown)}).at[key, "verdict"] == "inconclusive"


def test_a_link_that_goes_with_the_holders_is_mechanical():
    left = {"net of holders": 0.01, "net of holders pvalue": 0.4}
    frame = table(H2=one("H2", **left))
    assert frame.at["H3", "verdict"] == frame.at["H4", "verdict"] == "mechanical"


def test_a_link_needs_the_contrast_it_qualifies():
    row = table(H2=one("H2", 0.2)).loc["H3"]
    assert row["verdict"] == "inconclusive"
    assert "the contrast of residuals does not reject" in row["reason"]


def test_unknown_membership_leaves_the_link_open():
    unknown = {"net of holders": math.nan, "net of holders pvalue": math.nan, "net of holders, why not": "too young."}
    frame = table(H2=one("H2", **unknown))
    assert frame.at["H3", "verdict"] == frame.at["H4", "verdict"] == "inconclusive"


def test_six_times_the_smallest_pvalue_of_119_draws_is_the_level():
    frame = weigh({key: one(key, 1 / 120) for key in ("H1", "H2", "H3", "H4", "H5", "H6", "H7")}, PLAN)
    assert (frame["pvalue_adjusted"] <= 0.05).all()


@pytest.mark.parametrize("name", ["bound pvalue", "partial pvalue"])
def test_the_later_sample_has_the_same_qualifications(name):
    assert table(H11=one("H11", **{name: 0.01})).at["H11", "verdict"] == "supported"
    assert table(H11=one("H11", **{name: 0.2})).at["H11", "verdict"] == "inconclusive"


def test_nothing_to_peak_is_said_with_h2():
    still = one("H0m", 0.6, **{"power at the fitted DCC": 0.4})
    assert "nothing to peak" in table(H0m=still).at["H2", "reason"]
    assert "nothing to peak" not in table(H0m=one("H0m")).at["H2", "reason"]


def test_only_the_family_is_adjusted():
    keys = ("H1", "H2", "H3", "H10")
    adjusted = holm_adjusted({key: one(key, 0.02) for key in keys})
    for key in keys:
        assert adjusted[key] == pytest.approx(0.04 if key in FAMILY else 0.02)
    assert set(FAMILY) <= set(STATEMENTS)
