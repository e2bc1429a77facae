"""The best sector: the arch package on the same blocks, ties, a clear winner, and luck of the winner."""

import json

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import MCS, StationaryBootstrap
from numpy.testing import assert_allclose

import cryptoequity as ce
from cryptoequity.claim.sectors import best_sector_test, eliminate, winner_bias
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.bootstrap import confidence_set


def losses(seed, shift, nobs=400):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((nobs, 1)) + rng.standard_normal((nobs, len(shift))) + np.asarray(shift)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.0, 0.1, 0.2, 0.5), (0.0, 0.0, 1.0)])
@pytest.mark.parametrize("block", [1, 8])
def test_confidence_set_is_that_of_arch(shift, block):
    data = losses(1, shift)
    mine = confidence_set(data, block, 199, 7)
    theirs = MCS(data, 0.1, 199, block, seed=np.random.default_rng(7))
    theirs.compute()
    expected = theirs.pvalues["Pvalue"].sort_index().to_numpy()
    assert_allclose(mine, (1 + expected * 199) / 200)
    assert (mine > 0).all()
    assert mine.max() == 1.0


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.0, 0.1, 0.2, 0.5), (0.0, 0.0, 0.05, 0.08, 0.3)])
def test_elimination_is_that_of_arch_on_its_own_draws(shift):
    data = losses(2, shift)
    sampler = StationaryBootstrap(5, data, seed=np.random.default_rng(3))
    means = np.stack([rows[0][0].mean(axis=0) for rows in sampler.bootstrap(299)])
    found = eliminate(data.mean(axis=0), means - data.mean(axis=0))
    assert_allclose(found, confidence_set(data, 5, 299, 3))


def test_confidence_set_refusals():
    data = losses(4, (0.0, 0.0))
    with pytest.raises(DataError, match="two columns"):
        confidence_set(data[:, :1], 5, 199, 1)
    with pytest.raises(DataError, match="missing"):
        confidence_set(np.where(data > 3, np.nan, data), 5, 199, 1)
    with pytest.raises(DataError, match="differ by a constant"):
        confidence_set(data[:, [0, 0]], 5, 199, 1)
    with pytest.raises(SpecError, match="draws"):
        confidence_set(data, 5, 50, 1)
    with pytest.raises(SpecError, match="block"):
        confidence_set(data, 400, 199, 1)


def market(nobs, loads, seed):
    """A coin and sectors with a common factor; ``loads`` on the coin."""
    rng = np.random.default_rng(seed)
    coin, common = rng.standard_normal((2, nobs))
    other = np.sqrt(1 - np.square(loads))
    own = np.sqrt(0.7) * common[:, None] + np.sqrt(0.3) * rng.standard_normal((nobs, len(loads)))
    values = np.column_stack([coin, coin[:, None] * loads + own * other])
    names = ["COIN", *(f"S{k}" for k in range(len(loads)))]
    return pd.DataFrame(values, pd.bdate_range("2015-01-01", periods=nobs), names)


@pytest.mark.filterwarnings("ignore:.*squares are autocorrelated")  # one sample in a thousand looks so
def test_ties_stay_together():
    """Four equal sectors: all are in the 90 % set in at least 90 % of worlds, less the noise of 80."""
    every = 0
    for seed in range(80):
        data = market(400, np.full(4, 0.4), seed)
        test = best_sector_test(
            data, "COIN", list(data.columns[1:]), alpha=0.1, filter=None, pvalue="bootstrap", block=2, draws=99
        )
        every += len(test.members) == 4
    assert every / 80 > 0.90 - 4 * 0.0335


def test_a_clear_winner_is_alone():
    data = market(800, np.array([0.2, 0.7, 0.2, 0.1]), 5)
    test = best_sector_test(data, "COIN", ["S0", "S1", "S2", "S3"], filter=None, pvalue="bootstrap", draws=199)
    assert test.members == ("S1",)
    assert test.pvalue == pytest.approx(1 / 200)
    assert test.frame.loc["S1", "wins"] == 1.0
    assert abs(test.curse) < 0.01
    z = data / np.sqrt((data**2).mean())
    for name in test.frame.index:
        assert test.frame.loc[name, "correlation"] == pytest.approx((z["COIN"] * z[name]).mean())
    assert list(test.frame["rank"]) == [1, 2, 3, 4]
    assert (np.diff(test.frame["correlation"]) <= 0).all()


def test_the_winner_of_equals_owes_its_rank_to_luck():
    # the largest of K independent N(0, s²) errors exceeds its mean by s times a known constant
    rng = np.random.default_rng(6)
    noise = 0.05 * rng.standard_normal((40000, 3))
    bias, wins = winner_bias(np.zeros(3), noise)
    assert bias == pytest.approx(0.05 * 3 / (2 * np.sqrt(np.pi)), rel=0.02)
    assert_allclose(wins, 1 / 3, atol=0.012)
    bias, wins = winner_bias(np.array([1.0, 0.0, 0.0]), noise)
    assert abs(bias) < 0.001
    assert_allclose(wins, [1.0, 0.0, 0.0])


def test_draws_of_a_dcc():
    returns = ce.to_returns(ce.load_sample("peaks")).loc["2021":"2022"]
    sectors = ["SMALL_TECH", "TECH", "GOLD"]
    test = best_sector_test(returns, "COIN", sectors, draws=99, rng=2)
    assert "GOLD" not in test.members
    assert test.members[0] == test.frame.index[0]
    assert "DCC" in test.reference
    assert test.lost == 0
    assert "hansenlundenason2011" in test.cite()
    assert "politisromano1994" not in test.cite()
    content = json.loads(json.dumps(test.to_dict(), allow_nan=False))
    assert content["sectors"]["GOLD"]["in_set"] is False
    assert test.frame.index[0] in test.summary().to_text()


def test_refusals():
    data = market(300, np.array([0.2, 0.3]), 7)
    with pytest.raises(SpecError, match="two or more"):
        best_sector_test(data, "COIN", ["S0"])
    with pytest.raises(SpecError, match="two or more"):
        best_sector_test(data, "COIN", ["S0", "COIN"])
    with pytest.raises(SpecError, match="alpha"):
        best_sector_test(data, "COIN", ["S0", "S1"], alpha=1.0)
    with pytest.raises(SpecError, match="pvalue"):
        best_sector_test(data, "COIN", ["S0", "S1"], pvalue="normal")
    with pytest.raises(DataError, match="no column"):
        best_sector_test(data, "COIN", ["S0", "X"])
    with pytest.raises(DataError, match="S1"):
        best_sector_test(data.assign(S1=np.nan), "COIN", ["S0", "S1"], filter=None)
    with pytest.raises(DataError, match="S1"):
        best_sector_test(data.assign(S1=2.0), "COIN", ["S0", "S1"], filter=None)
    with pytest.raises(DataError):
        best_sector_test(data.iloc[:20], "COIN", ["S0", "S1"], filter=None)
    with pytest.raises(DataError, match="collinear"):
        best_sector_test(data.assign(S1=data["S0"]), "COIN", ["S0", "S1"], filter=None)
