import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptoequity.data import load_multiples, load_sample, load_truth, to_returns
from cryptoequity.errors import SpecError

SCRIPT = Path(__file__).parents[2] / "tools" / "make_samples.py"
COLUMNS = ["COIN", "ALTCOIN", "SMALL_TECH", "LARGE_TECH", "TECH", "MARKET", "GOLD"]
WORLDS = ("step", "peaks")


@pytest.fixture(scope="module")
def maker():
    if not SCRIPT.exists():
        pytest.skip("tools/make_samples.py is part of the repository, not of the distribution")
    spec = importlib.util.spec_from_file_location("make_samples", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", WORLDS)
def test_the_script_makes_the_stored_files(maker, name):
    prices, multiples = maker.simulate(name, maker.SEED)
    for stored, made in ((load_sample(name), prices), (load_multiples(name), multiples)):
        assert list(stored.columns) == list(made)
        for column in stored:
            # one tick of freedom: the last digit may round differently on another processor
            np.testing.assert_allclose(
                stored[column], made[column], rtol=1e-9, atol=1.01e-2 if column == "COIN" else 1.01e-4
            )
    assert load_sample(name).attrs["truth"] == json.loads(json.dumps(maker.truth(name, maker.SEED)))
    assert load_sample(name).index.equals(maker.calendar())


def test_the_seed_is_the_first_representative_one(maker):
    assert maker.is_representative(maker.SEED)
    assert not any(maker.is_representative(seed) for seed in range(maker.FIRST_SEED, maker.SEED))


@pytest.mark.parametrize("name", WORLDS)
def test_prices_are_usable(name):
    prices = load_sample(name)
    assert list(prices.columns) == COLUMNS
    assert prices.shape == (2826, 7)
    assert prices.index[0] == pd.Timestamp("2015-01-02")
    assert prices.index.name == "date"
    returns = to_returns(prices)
    assert returns.attrs["cryptoequity"]["n"] == 2825
    assert (returns == 0).mean().max() < 0.002
    assert returns.attrs["truth"]["world"] == name
    multiples = load_multiples(name)
    assert list(multiples.columns) == ["TECH_PE", "MARKET_PE"]
    assert multiples.to_numpy().min() > 8
    assert multiples.to_numpy().max() < 60


@pytest.mark.parametrize("name", WORLDS)
def test_every_true_matrix_is_a_correlation_matrix(name):
    truth = load_truth(name)
    assert truth["assets"] == COLUMNS
    assert set(truth["correlation"]) == {"before", "after"} if name == "step" else {"before", "outside", "inside"}
    for matrix in map(np.array, truth["correlation"].values()):
        np.testing.assert_array_equal(matrix, matrix.T)
        np.testing.assert_array_equal(np.diag(matrix), 1)
        assert np.linalg.eigvalsh(matrix)[0] > 0.02


def partial(matrix, a, b, given):
    rows = [COLUMNS.index(name) for name in (a, b, given)]
    precision = np.linalg.inv(np.array(matrix)[np.ix_(rows, rows)])
    return -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])


def test_the_truth_says_what_the_worlds_are():
    step, peaks = load_truth("step"), load_truth("peaks")
    assert json.loads(json.dumps(peaks)) == peaks
    assert set(step["rho"]) == {0.03, 0.35}
    assert set(peaks["rho"]) == {0.03, 0.25, 0.60}
    assert step["delta_rho"]["COIN"]["SMALL_TECH"] == 0
    assert peaks["delta_rho"]["COIN"] == {"SMALL_TECH": 0.35, "LARGE_TECH": 0.35, "TECH": 0.35, "MARKET": 0.25}
    assert peaks["delta_rho"]["ALTCOIN"]["SMALL_TECH"] == 0.30
    first_after = step["rho"].index(0.35)
    assert step["dates"][first_after] == step["break_date"] == "2020-03-16"
    inside = partial(peaks["correlation"]["inside"], "COIN", "SMALL_TECH", "MARKET")
    outside = partial(peaks["correlation"]["outside"], "COIN", "SMALL_TECH", "MARKET")
    assert (round(outside, 2), round(inside, 2)) == (0.15, 0.45)


def test_spells_alternate_and_cover_the_time_after_the_break():
    truth = load_truth("peaks")
    after = [spell for spell in truth["spells"] if spell["after_break"]]
    assert [spell["sign"] for spell in after] == [1, -1, 1, -1, 1]
    assert len(truth["spells"]) == 8
    sign, regime = np.array(truth["sign"]), np.array(truth["regime"])
    assert 0.40 < np.mean(sign[regime != "before"] != 0) < 0.45
    np.testing.assert_array_equal(regime == "inside", (sign != 0) & (regime != "before"))


def test_draws_show_their_truth():
    """Raw correlations inside and outside spells after the break: equal in one world, 0.35 apart in the other."""
    for name, delta in (("step", 0.0), ("peaks", 0.35)):
        truth = load_truth(name)
        returns = to_returns(load_sample(name))
        after = (np.array(truth["regime"]) != "before")[1:]
        inside = (np.array(truth["sign"]) != 0)[1:]
        rho_in, rho_out = (returns[after & rows].corr().loc["COIN", "SMALL_TECH"] for rows in (inside, ~inside))
        assert rho_in - rho_out == pytest.approx(delta, abs=0.05)
        assert abs(returns[~after].corr().loc["COIN", "MARKET"]) < 0.08


def test_worlds_differ_in_the_coins_alone_and_after_the_break_alone():
    step, peaks = load_sample("step"), load_sample("peaks")
    pd.testing.assert_frame_equal(step[COLUMNS[2:]], peaks[COLUMNS[2:]])
    pd.testing.assert_frame_equal(load_multiples("step"), load_multiples("peaks"))
    pd.testing.assert_frame_equal(step.loc[:"2020-03-15"], peaks.loc[:"2020-03-15"], check_freq=False)
    assert (step.loc["2020-03-17":, "COIN"] != peaks.loc["2020-03-17":, "COIN"]).mean() > 0.99


def test_margins_have_the_stated_volatility_and_cluster():
    truth = load_truth("step")
    returns = to_returns(load_sample("step"))
    for name, margin in truth["margins"].items():
        persistence = margin["alpha"] + margin["gamma"] / 2 + margin["beta"]
        assert margin["omega"] / (1 - persistence) == pytest.approx(margin["sd"] ** 2)
        assert persistence < 1
        assert returns[name].std() == pytest.approx(margin["sd"], rel=0.25)
        size = returns[name].abs()
        assert np.corrcoef(size.iloc[1:], size.iloc[:-1])[0, 1] > 0.05
        assert returns[name].kurt() > 1


def test_the_multiples_carry_the_drift_of_the_spells():
    truth = load_truth("step")
    multiples, prices = load_multiples("step"), load_sample("step")
    relative = np.log(multiples["TECH_PE"] / multiples["MARKET_PE"]).diff()
    gap = np.log(prices["TECH"] / prices["MARKET"]).diff() - relative
    assert gap.dropna().std() < 1e-5  # earnings grow smoothly
    sign = np.array(truth["sign"])
    for direction in (1, -1):
        assert 100 * relative[sign == direction].mean() == pytest.approx(0.30 * direction, abs=0.08)


def test_unknown_world():
    for load in (load_sample, load_multiples, load_truth):
        with pytest.raises(SpecError, match=r"name='flat' is not known here; choose one of 'step', 'peaks'"):
            load("flat")
