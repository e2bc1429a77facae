"""Index membership: the weight is found from the stock's own news, and a link without membership is left alone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import cryptoequity as ce
from cryptoequity.claim.holders import WINDOW, membership_weights, net_of_holders, net_returns, small_net_of_holders
from cryptoequity.claim.hypotheses import Evidence
from cryptoequity.claim.verdict import test_claim as claim_verdict
from cryptoequity.errors import DataError

WEIGHT = 0.08


def returns_with(weight, nobs=2000, seed=3):
    rng = np.random.default_rng(seed)
    coin, market, other = rng.standard_normal((3, nobs))
    holder = 3.0 * coin + 1.5 * rng.standard_normal(nobs)
    equity = 0.4 * coin + 0.8 * market + other + weight * holder
    index = pd.bdate_range("2015-01-05", periods=nobs)
    return pd.DataFrame({"C": 3.0 * coin, "M": market, "H": holder, "E": equity}, index)


@pytest.mark.parametrize("weight", [0.0, WEIGHT])
def test_the_weight_is_that_of_the_index(weight):
    weights = membership_weights(returns_with(weight, 16_000), "E", ("H",), ("C", "M"))["H"]
    assert weights.iloc[:WINDOW].isna().all()
    # four standard errors of a regression over all of it
    assert weights.mean() == pytest.approx(weight, abs=4 / (1.5 * np.sqrt(16_000)))


def test_a_weight_knows_the_past_alone():
    data = returns_with(WEIGHT)
    changed = data.copy()
    changed.iloc[1000:] *= 7.0
    first, second = (membership_weights(one, "E", ("H",), ("C", "M")) for one in (data, changed))
    pd.testing.assert_frame_equal(first.iloc[:1001], second.iloc[:1001])
    assert not np.allclose(first.iloc[1002:], second.iloc[1002:])


def test_without_the_coin_the_link_itself_is_taken_for_membership():
    naive = membership_weights(returns_with(0.0), "E", ("H",), ("M",))["H"].mean()
    assert naive > 0.08  # why the coin is held fixed


def test_collinear_and_short_samples_are_refused():
    data = returns_with(WEIGHT, 300)
    with pytest.raises(DataError, match="too few"):
        membership_weights(data.iloc[:100], "E", ("H",), ("C",))
    with pytest.raises(DataError, match="collinear"):
        membership_weights(data.assign(H=1.0), "E", ("H",), ("C",))


def prices_of(world, seed=2):
    return world.simulate(seed)


def plan_of(prices, **changes):
    choices = {
        "crypto": "COIN",
        "equity": "SMALL_TECH",
        "large": "LARGE_TECH",
        "market": "MARKET",
        "episodes": ce.ReRating.press(),
        "break_date": None,
        "start": "2020-03-23",
        "draws": 39,
    }
    return ce.Plan(**{**choices, **changes})


@pytest.fixture(scope="module")
def contaminated():
    prices = prices_of(ce.World.step() + ce.World.contamination(0.10))
    plan = plan_of(prices, holders=("HOLDER",))
    return prices, plan, claim_verdict(prices, plan)


def test_net_returns_give_back_the_index_without_the_stock(contaminated):
    prices, plan, _ = contaminated
    net = net_returns(plan, prices, ("SMALL_TECH",))
    raw = 100.0 * np.log(prices).diff().loc[net.index]
    without = raw["SMALL_TECH"] - 0.10 * raw["HOLDER"]
    assert net["SMALL_TECH"].corr(without) > 0.98
    late = net.index >= "2020-03-23"
    coin = raw["COIN"][late]
    gross, clean = coin.corr(raw["SMALL_TECH"][late]), coin.corr(net["SMALL_TECH"][late])
    assert clean < gross - 0.03
    assert clean == pytest.approx(coin.corr(without[late]), abs=0.03)


def test_an_advantage_that_is_membership_is_not_supported(contaminated):
    _, _, verdict = contaminated
    one = verdict.evidence["H5"]
    assert one.pvalue <= 0.05
    assert one.detail["net of holders"] < 0.6 * one.estimate
    assert verdict.verdict_of("H5") != "supported"
    assert "net of holders pvalue" in verdict.evidence["H2"].detail


def test_no_holders_no_change(contaminated):
    prices, plan, verdict = contaminated
    bare = replace(plan, holders=())
    one = Evidence("H2", 0.1, 0.0, 0.2, 0.01, 0.1, 100, "m")
    seed = np.random.SeedSequence(0)
    assert net_of_holders(bare, verdict.sample, prices, one, seed) is one
    assert small_net_of_holders(bare, verdict.sample, prices, one, seed) is one


def test_holders_that_are_too_young_leave_membership_open(contaminated):
    prices, plan, verdict = contaminated
    young = prices.copy()
    young.loc[:"2024-06-30", "HOLDER"] = np.nan
    one = Evidence("H2", 0.1, 0.0, 0.2, 0.01, 0.1, 100, "m")
    for clean in (net_of_holders, small_net_of_holders):
        out = clean(plan, verdict.sample, young, one, np.random.SeedSequence(0))
        assert np.isnan(out.detail["net of holders pvalue"])
        assert "are needed" in out.detail["net of holders, why not"]
