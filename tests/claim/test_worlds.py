"""Simulated worlds: what they say is true is what long samples show, and what a plan says in them is counted."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import cryptoequity as ce
from cryptoequity.claim import world_effects, world_path
from cryptoequity.claim.design import OneSample, Power, power, simulated_mde
from cryptoequity.claim.world_effects import ASSETS, COLUMNS, MARGINS, Effect, Peaks, Step, core_matrix
from cryptoequity.claim.worlds import World
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.parallel import spawn

LONG = pd.bdate_range("1700-01-01", periods=60_000, name="date")
# three sessions in five inside, up and down in turn
SPELLS = ce.ReRating.from_dates(
    [(LONG[k].date(), LONG[k + 599].date(), 1 if (k // 1000) % 2 else -1) for k in range(0, 60_000, 1_000)]
)
PRESS = ce.ReRating.press()
EVERY = [
    World.nothing(),
    World.step(0.05, 0.40),
    World.trend(0.0, 0.5),
    World.peaks(0.3),
    World.peaks(0.3, "down"),
    World.peaks(0.3, "up"),
    World.unrelated(0.3),
    World.dose(0.15),
    World.volatility(2.0),
    World.clusters(2.0),
    World.market(0.35),
    World.crashes(),
    World.small(0.1),
    World.contamination(0.05),
    World.contamination(0.05, "episodes"),
    World.contamination(0.05, "2022-01-01/2022-12-31"),
    World.altcoins(0.1),
    World.leads(0.2),
    World.closes(8.0),
    World.persistent(),
    World.fat_tails(4.0),
    World.drift(0.1),
]


def at_length(world):
    return world.on(start="1700-01-01", end=str(LONG[-1].date()), break_date=None, episodes=SPELLS)


@pytest.fixture
def constant(monkeypatch):
    """Margins of constant volatility, so that returns over their standard deviation are the shocks."""
    for name, (sd, _, _, _, mu, start) in list(MARGINS.items()):
        monkeypatch.setitem(world_effects.MARGINS, name, (sd, 0.0, 0.0, 0.0, mu, start))


def shocks(world, seed=1, index=LONG):
    prices = world.simulate(seed, index)
    returns = 100.0 * np.log(prices).diff().iloc[1:]
    sd = pd.Series({name: MARGINS[name][0] for name in COLUMNS})
    mu = pd.Series({name: MARGINS[name][4] for name in COLUMNS})
    return (returns[list(COLUMNS)] - mu) / sd


def correlation(frame, a, b):
    x, y = frame[a].to_numpy(), frame[b].to_numpy()
    return x @ y / np.sqrt((x @ x) * (y @ y))


def masks(index=LONG):
    inside = SPELLS.dummy(index).to_numpy()[1:] == 1.0
    return inside, ~inside


def contrast(frame, a="COIN", b="SMALL_TECH"):
    inside, outside = masks()
    return correlation(frame[inside], a, b) - correlation(frame[outside], a, b)


# --- the truth is what long samples show


@pytest.mark.parametrize(
    "world",
    [
        World.nothing(),
        World.peaks(0.3),
        World.peaks(-0.2),
        World.volatility(2.0),
        World.market(0.35),
        World.small(0.1) + World.altcoins(0.12),
        World.contamination(0.05),
        World.contamination(0.05, "episodes"),
        World.leads(0.2),
        World.closes(8.0),
        World.peaks(0.2) + World.volatility(1.5) + World.closes(4.0) + World.contamination(0.03),
        World.persistent(0.02, 0.95) + World.peaks(0.3),
    ],
    ids=str,
)
def test_long_samples_show_the_contrasts_of_the_truth(world, constant):
    long = at_length(world + World.fat_tails(20.0))
    truth = long.on(end=str(LONG[9_999].date())).truth  # the pattern of the episodes repeats
    z = shocks(long)
    # four standard errors of a difference of two correlations near zero; a wandering correlation adds to it
    inside, outside = masks()
    loose = 4.0 * np.sqrt(1.0 / inside.sum() + 1.0 / outside.sum()) * (1.5 if "persistent" in str(world) else 1.0)
    assert abs(contrast(z) - truth["H2"]["contrast"]) < loose
    levels = [[correlation(z[rows], "COIN", name) for rows in masks()] for name in ("SMALL_TECH", "LARGE_TECH")]
    weight = masks()[0].mean()
    averages = [weight * high + (1.0 - weight) * low for high, low in levels]
    assert abs(averages[0] - truth["H1"]["contrast"]) < loose
    assert abs(averages[0] - averages[1] - truth["H5"]["contrast"]) < 0.012
    other = [correlation(z[rows], "ALTCOIN", "SMALL_TECH") for rows in masks()]
    assert abs(averages[0] - weight * other[0] - (1.0 - weight) * other[1] - truth["H6"]["contrast"]) < 0.015
    assert abs(contrast(z) - contrast(z, b="GOLD") - truth["H10"]["contrast"]) < 1.5 * loose
    partial = []
    for rows in masks():
        inverse = np.linalg.inv(z[rows][["COIN", "SMALL_TECH", "MARKET"]].cov().to_numpy())
        partial.append(-inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1]))
    assert abs(partial[0] - partial[1] - truth["H4"]["contrast"]) < loose


def test_crashes_raise_the_correlation_by_what_the_truth_says(constant):
    world = at_length(World.crashes(days=324, size=4.0) + World.fat_tails(20.0))
    z = shocks(world)
    assert abs(contrast(z) - world.truth["H2"]["contrast"]) < 0.03
    # without the days of the crashes nothing is left
    calm = (z[["COIN", "ALTCOIN", "SMALL_TECH", "MARKET"]] > -2.5).any(axis=1).to_numpy()
    inside, outside = masks()
    rest = correlation(z[inside & calm], "COIN", "SMALL_TECH") - correlation(z[outside & calm], "COIN", "SMALL_TECH")
    assert abs(rest) < 0.03


def test_one_side_of_the_episodes(constant):
    for side in ("up", "down"):
        world = at_length(World.peaks(0.3, side))
        z = shocks(world)
        signed = np.where(SPELLS.dummy(LONG, "up") == 1.0, 1.0, -SPELLS.dummy(LONG, "down"))[1:]
        rho = {sign: correlation(z[signed == sign], "COIN", "SMALL_TECH") for sign in (-1.0, 0.0, 1.0)}
        wanted = 0.3 if side == "up" else -0.3
        assert abs(rho[1.0] - rho[-1.0] - wanted) < 0.03
        truth = world.on(end=str(LONG[9_999].date())).truth
        assert truth["H7"] == {"holds": False, "effect": pytest.approx(wanted), "contrast": pytest.approx(wanted)}
        assert abs(truth["H2"]["contrast"] - 0.15) < 0.01
    assert World.peaks(0.3).truth["H7"]["holds"] is True


def test_volatility_leaves_slope_and_the_rest_of_the_coin(constant):
    z = shocks(at_length(World.volatility(2.0) + World.fat_tails(20.0)))
    slope, rest, spread = [], [], []
    for rows in masks():
        x, y = z[rows]["SMALL_TECH"].to_numpy(), z[rows]["COIN"].to_numpy()
        others = z[rows][["SMALL_TECH", "LARGE_TECH", "TECH", "MARKET", "GOLD"]].to_numpy()
        slope.append(x @ y / (x @ x))
        rest.append((y - others @ np.linalg.lstsq(others, y)[0]).std())
        spread.append(x.std())
    assert abs(spread[0] / spread[1] - 2.0) < 0.05
    assert abs(slope[0] - slope[1]) < 0.02
    assert abs(rest[0] / rest[1] - 1.0) < 0.02
    truth = World.volatility(2.0).truth
    assert truth["H2"]["holds"] == "mechanical"
    assert truth["H2"]["effect"] == 0.0
    # Forbes and Rigobon's adjustment takes all of it away, and somewhat more: the coin follows all the equities
    assert -0.03 < truth["H3"]["contrast"] <= 0.0


def test_volatility_in_the_closed_form():
    # one equity: rho becomes k rho / sqrt(1 + (k^2 - 1) R^2) with R^2 that of all equities
    world = World.volatility(1.5).on(break_date=None, level=0.30)
    slope = np.linalg.solve(core_matrix()[:5, :5], np.array([0.3, 0.3, 0.3, 0.3 * 6 / 7, 0.1]))
    equities = core_matrix()[:4, :4]
    explained = slope[:4] @ equities @ slope[:4]
    crossing = 2.0 * 1.5 * slope[:4] @ core_matrix()[:4, 4] * slope[4]
    before = 2.0 * slope[:4] @ core_matrix()[:4, 4] * slope[4]
    variance = 1.0 + 1.25 * explained + crossing - before
    covariance = 1.5 * slope[:4] @ equities[:, 0] + slope[4] * core_matrix()[4, 0]
    inside = covariance / np.sqrt(variance)
    assert_allclose(world.truth["H2"]["contrast"], inside - 0.3, atol=1e-9)


def test_market_beta_leaves_nothing_given_the_market():
    truth = World.market(0.35).truth
    assert truth["H4"] == {"holds": False, "effect": 0.0, "contrast": 0.0}
    assert truth["H2"]["holds"] == "mechanical"
    assert_allclose(truth["H2"]["contrast"], 0.35 * 0.82, atol=1e-9)


def test_equities_answer_a_day_later(constant):
    z = shocks(at_length(World.leads(0.2)))
    today, next_day = z.iloc[:-1]["COIN"].to_numpy(), z.iloc[1:]["SMALL_TECH"].to_numpy()
    assert abs(np.corrcoef(today, next_day)[0, 1] - 0.2) < 0.02
    assert abs(np.corrcoef(z["COIN"][1:], z["SMALL_TECH"][:-1])[0, 1]) < 0.02
    assert abs(z["SMALL_TECH"].std() - 1.0) < 0.03


def test_late_closes_move_the_link_to_the_neighboring_day_and_lose_nothing(constant):
    z = shocks(at_length(World.closes(8.0) + World.fat_tails(30.0)))
    coin, equity = z["COIN"].to_numpy(), z["SMALL_TECH"].to_numpy()
    lags = [np.corrcoef(coin[1:-1], equity[1 + k : len(equity) - 1 + k])[0, 1] for k in (-1, 0, 1)]
    assert_allclose(lags, [0.0, 0.35 * 2 / 3, 0.35 / 3], atol=0.02)
    assert abs(coin.std() - 1.0) < 0.03
    assert abs(np.corrcoef(coin[1:], coin[:-1])[0, 1]) < 0.02
    assert abs(correlation(z, "COIN", "ALTCOIN") - 0.75) < 0.02


def test_dose_follows_the_move_of_the_day_before(constant):
    long = at_length(World.dose(0.15, horizon=50) + World.fat_tails(20.0))
    prices = long.simulate(2, LONG)
    z = shocks(long, 2)
    move = np.log(prices["TECH"] / prices["MARKET"]).diff(50).abs().shift(1).iloc[1:].fillna(0.0)
    ranks = move.rank(pct=True)
    low, high = ((ranks < 0.25).to_numpy(), (ranks > 0.75).to_numpy())
    rise = correlation(z[high], "COIN", "SMALL_TECH") - correlation(z[low], "COIN", "SMALL_TECH")
    size = stats.norm.ppf(0.5 + np.array([0.125, 0.875]) / 2.0)  # typical moves in the two quarters
    wanted = 0.15 * np.diff(np.tanh((size - 0.798) / 0.603))[0]
    assert abs(rise - wanted) < 0.05
    assert World.dose(0.15).truth["H2x"] == {"holds": True, "effect": 0.15, "contrast": 0.15}


def test_dose_uses_no_move_of_its_own_day():
    moves = np.random.default_rng(3).standard_normal(300)
    effect = world_effects.DoseResponse(0.2, 20)
    first = world_path.relative_strength(effect, moves)
    moves[200] += 50.0
    second = world_path.relative_strength(effect, moves)
    assert_array_equal(first[:201], second[:201])
    assert second[201] > first[201]
    assert_array_equal(first[:20], 0.0)
    assert np.abs(first).max() <= 0.2


def test_clusters_are_a_third_of_the_time_and_last():
    stage = at_length(World.clusters(3.0, days=40)).stage(LONG)
    high = world_path.scales(World.clusters(3.0, days=40).effects, stage, np.random.default_rng(4)) == 3.0
    assert abs(high.mean() - 1 / 3) < 0.05
    spells = np.flatnonzero(np.diff(high.astype(int)) == 1).size
    assert abs(high.sum() / spells - 40.0) < 6.0


def test_episodes_dated_by_a_rule_select_the_clusters():
    world = World.clusters(2.5, days=80).on(start="1980-01-01", end="2020-01-01", break_date=None)
    prices = world.simulate(5)
    rule = ce.ReRating.from_relative_strength(prices["TECH"], prices["MARKET"])
    returns = 100.0 * np.log(prices).diff().iloc[1:]
    dummy = rule.dummy(returns.index).to_numpy()
    # without clusters the ratio is about one
    plain = World.nothing().on(start="1980-01-01", end="2020-01-01", break_date=None).simulate(5)
    calm = ce.ReRating.from_relative_strength(plain["TECH"], plain["MARKET"])
    quiet = 100.0 * np.log(plain).diff().iloc[1:]
    other = calm.dummy(quiet.index).to_numpy()
    ratio = returns["SMALL_TECH"][dummy == 1].std() / returns["SMALL_TECH"][dummy == 0].std()
    plain_ratio = quiet["SMALL_TECH"][other == 1].std() / quiet["SMALL_TECH"][other == 0].std()
    assert ratio > 1.15
    assert ratio > plain_ratio + 0.05


def test_unrelated_spells_differ_from_sample_to_sample_and_keep_their_share():
    world = World.unrelated(0.3)
    stage = world.stage()
    paths = [world_path.links(world.effects, stage, np.random.default_rng(seed))[:, 1, 0] for seed in (1, 2)]
    assert not np.array_equal(*paths)
    assert_allclose([path[stage.late].mean() for path in paths], 0.35, atol=1e-12)
    assert_allclose([np.ptp(path[stage.late]) for path in paths], 0.3, atol=1e-12)
    assert_array_equal(paths[0][~stage.late], 0.35)
    assert world.truth["H2"] == {"holds": False, "effect": 0.0, "contrast": None}


def test_step_and_trend(constant):
    world = World.step(0.05, 0.40).on(start="1700-01-01", end=str(LONG[-1].date()), break_date="1800-01-01")
    z = shocks(world)
    late = np.asarray(z.index >= "1800-01-01")
    assert abs(correlation(z[late], "COIN", "LARGE_TECH") - 0.40) < 0.02
    assert abs(correlation(z[~late], "COIN", "LARGE_TECH") - 0.05) < 0.02
    truth = World.step(0.02, 0.40).truth
    assert truth["H1"]["holds"] is True
    assert truth["H2"] == {"holds": False, "effect": 0.0, "contrast": 0.0}
    drifting = World.trend(0.0, 0.5).truth["H2"]
    assert drifting["holds"] is False
    assert drifting["effect"] == 0.0
    assert abs(drifting["contrast"]) > 0.02


def test_margins_are_those_of_the_parameters():
    world = World.nothing().on(start="1980-01-01", end="2020-01-01", break_date=None)
    returns = 100.0 * np.log(world.simulate(6)).diff().iloc[1:]
    for name in ("SMALL_TECH", "COIN", "GOLD"):
        sd, alpha, gamma, beta, mu, _ = MARGINS[name]
        shock = (returns[name] - mu).to_numpy()
        h = np.empty_like(shock)
        h[0] = sd**2
        for t in range(1, len(h)):
            pushed = (alpha + gamma * (shock[t - 1] < 0)) * shock[t - 1] ** 2
            h[t] = sd**2 * (1 - alpha - gamma / 2 - beta) + pushed + beta * h[t - 1]
        z = (shock / np.sqrt(h))[300:]
        assert abs(z.std() - 1.0) < 0.05
        assert abs(np.corrcoef(z[1:] ** 2, z[:-1] ** 2)[0, 1]) < 0.06
        # six degrees of freedom
        assert 3.5 < stats.kurtosis(z, fisher=False) < 12.0


def test_persistent_correlation_is_a_dcc_of_the_level():
    # the pair of a joint DCC at the level: nothing else is mapped, so the library's own fit finds its parameters
    world = World.persistent(0.04, 0.92).on(start="1980-01-01", end="2020-01-01", break_date=None)
    z, conditional = world._shocks(np.random.default_rng(7), 10_000)
    coins = world._coins(
        z,
        conditional,
        world_path.cross_correlations(np.full((10_000, 2, 4), 0.35) * [1, 1, 1, 6 / 7]),
        world.stage(LONG[:10_000]),
    )[1]
    assert_allclose(coins, z[:, 5:], atol=1e-9)
    assert_allclose(np.diagonal(conditional, axis1=1, axis2=2), 1.0)
    path = conditional[:, 0, 6]
    assert 0.05 < path.std() < 0.25
    product = z[:, 0] * z[:, 6]
    assert abs(np.polyfit(path, product, 1)[0] - 1.0) < 0.35


# --- composing


@pytest.mark.parametrize("world", EVERY, ids=str)
def test_every_world_is_simulated_described_and_written(world):
    prices = world.simulate(3)
    assert tuple(prices.columns) == world.columns
    assert np.isfinite(prices.to_numpy()).all()
    assert (prices.to_numpy() > 0.0).all()
    assert_array_equal(prices.to_numpy(), world.simulate(np.random.default_rng(3)).to_numpy())
    truth = json.loads(json.dumps(world.truth, allow_nan=False))
    assert set(truth) == {"H0m", "H1", "H2", "H2x", "H3", "H4", "H5", "H6", "H7", "H8", "H10"}
    assert all(row["holds"] in (True, False, "mechanical") for row in truth.values())
    again = World.from_dict(json.loads(json.dumps(world.to_dict())))
    assert again == world
    assert_array_equal(again.simulate(3).to_numpy(), prices.to_numpy())


def test_only_worlds_of_the_claim_hold_the_claim():
    genuine = {str(one) for one in EVERY if one.truth["H2"]["holds"] is True}
    assert genuine == {str(World.peaks(0.3, side)) for side in ("both", "up", "down")}
    assert World.peaks(-0.3).truth["H2"]["holds"] is False
    both = (World.peaks(0.3) + World.volatility(2.0)).truth["H2"]
    assert both["holds"] is True
    assert both["contrast"] > both["effect"] > 0.25


@settings(max_examples=8, deadline=None)
@given(st.permutations([World.step(), World.peaks(0.2), World.fat_tails(4.0), World.altcoins(0.1)]))
def test_the_order_of_adding_changes_nothing(parts):
    made = parts[0]
    for one in parts[1:]:
        made = made + one
    plain = World.step() + World.peaks(0.2) + World.fat_tails(4.0) + World.altcoins(0.1)
    index = pd.bdate_range("2019-06-03", periods=400)
    assert_array_equal(made.simulate(1, index).to_numpy(), plain.simulate(1, index).to_numpy())
    assert made.truth == plain.truth


def test_nothing_is_the_neutral_element_and_settings_are_kept():
    world = World.peaks(0.2).on(level=0.2, end="2024-06-28")
    assert World.nothing() + world == world == world + World.nothing()
    assert (world + World.fat_tails()).level == 0.2
    with pytest.raises(SpecError, match="differ in level"):
        world + World.fat_tails().on(level=0.3)
    with pytest.raises(TypeError):
        world + 1


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: World.step() + World.step(0.1, 0.3), "once"),
        (lambda: World.step() + World.trend(), "contradict"),
        (lambda: World.market() + World.peaks(), "contradict"),
        (lambda: World.market() + World.small(), "contradict"),
        (lambda: World.dose() + World.leads(), "contradict"),
        (lambda: World((Effect(),)), "make worlds"),
        (lambda: World(("peaks",)), "make worlds"),
        (lambda: World.peaks(1.2), "size=1.2"),
        (lambda: World.peaks(math.nan), "size=nan"),
        (lambda: World.peaks("much"), "size='much'"),
        (lambda: World.peaks(0.2, "left"), "side='left'"),
        (lambda: World.step(date="soon"), "not a day"),
        (lambda: World.persistent(0.1, 0.95), "add up"),
        (lambda: World.fat_tails(2.0), "nu=2.0"),
        (lambda: World.closes(24.0), "hours=24.0"),
        (lambda: World.crashes(0), "days=0"),
        (lambda: World.contamination(0.1, "sometimes"), "when='sometimes'"),
        (lambda: World.contamination(0.1, "2023-01-01/2022-01-01"), "comes after"),
        (lambda: World.nothing().on(level=2.0), "level=2.0"),
        (lambda: World.nothing().on(width=2.0), "no setting 'width'"),
        (lambda: World.nothing().on(start="2025-02-01"), "not before"),
        (lambda: World.nothing().on(end="later"), "not a day"),
        (lambda: World.nothing().on(episodes="press"), "must be a ReRating"),
        (lambda: World.from_dict({"effects": [{"effect": "magic"}]}), "magic"),
        (lambda: World.from_dict({"effects": [{"effect": "peaks", "width": 1}]}), "width"),
        (lambda: World.from_dict({"mood": 1}), "mood"),
        (lambda: World.nothing().truth_for(equity="OIL"), "no column 'OIL'"),
        (lambda: World.step().on(break_date=None).truth, "needs a day"),
    ],
)
def test_what_is_refused(make, match):
    with pytest.raises(SpecError, match=match):
        make()


def test_correlations_no_matrix_has_are_refused_with_their_date():
    with pytest.raises(SpecError, match=r"asks for correlations .* of COIN"):
        World.peaks(0.9).on(level=0.7).simulate(1)
    with pytest.raises(SpecError, match="no correlation matrix"):
        _ = World.peaks(0.9).on(level=0.7).truth


def test_calendars_that_cannot_be_used():
    world = World.nothing()
    with pytest.raises(DataError, match="DatetimeIndex"):
        world.simulate(1, [1, 2, 3])
    with pytest.raises(DataError, match="time zone"):
        world.simulate(1, pd.bdate_range("2020-01-01", periods=5, tz="UTC"))
    with pytest.raises(DataError, match="0 sessions"):
        world.simulate(1, pd.DatetimeIndex([]))
    with pytest.raises(DataError, match="increasing"):
        world.simulate(1, pd.bdate_range("2020-01-01", periods=5)[::-1])
    with pytest.raises(SpecError, match="0 sessions on this calendar"):
        World.crashes().simulate(1, pd.bdate_range("2016-01-01", periods=300))
    rule = ce.ReRating.from_relative_strength(*(world.simulate(1)[name] for name in ("TECH", "MARKET")))
    with pytest.raises(SpecError, match="fixed list"):
        world.on(episodes=rule)


def test_a_step_has_its_own_day_or_the_break():
    world = World((Step(0.0, 0.4, "2022-01-03"),))
    stage = world.stage()
    path = world_path.links(world.effects, stage)[:, 1, 0]
    assert stage.index[np.argmax(path > 0.2)] == pd.Timestamp("2022-01-03")
    assert World(Peaks(0.1)) == World.peaks(0.1)
    assert len(ASSETS) == len(COLUMNS)


# --- what a plan says in them


SHORT = {"start": "2021-06-01", "end": "2023-06-01", "break_date": None}


def small_plan(**options):
    return ce.Plan(
        **{
            "crypto": "COIN",
            "equity": "SMALL_TECH",
            "episodes": PRESS,
            "break_date": None,
            "draws": 19,
            **options,
        }
    )


@pytest.fixture(scope="module")
def measured():
    return power(small_plan(), World.peaks(0.5).on(**SHORT), samples=3, rng=5)


def test_power_counts_what_the_verdicts_say(measured):
    frame = measured.to_frame()
    assert measured.samples == 3
    assert measured.failures == ()
    assert len(measured.records) == 3 * len(frame)
    row = frame.loc["H2"]
    shares = row[["supported", "contradicted", "mechanical", "inconclusive", "not testable"]].astype(float)
    assert_allclose(shares.sum(), 1.0)
    mine = measured.records[measured.records["hypothesis"] == "H2"]
    assert_allclose(row["estimate"], mine["estimate"].mean())
    assert_allclose(row["bias"], mine["estimate"].mean() - 0.5, atol=1e-9)
    assert_allclose(row["rejects"], (mine["pvalue"] <= 0.05).mean())
    assert row["mde printed"] == mine["mde"].median()
    covered = (mine["lower"] <= 0.5) & (mine["upper"] >= 0.5)
    assert_allclose(row["covers"], covered.mean())
    assert row["holds"] == "True"


def test_samples_differ_and_so_do_their_draws(measured):
    assert measured.records.query("hypothesis == 'H2'")["estimate"].nunique() == 3
    task = OneSample(small_plan(), World.nothing())
    seeds = {task.planned(World.nothing().simulate(k), k).rng for k in range(3)}
    assert seeds == {0, 1, 2}


def test_one_sample_is_what_the_verdict_of_its_prices_says(measured):
    seed = spawn(5, 3)[1]
    draw, boot = spawn(seed, 2)
    prices = measured.world.simulate(np.random.default_rng(draw))
    verdict = ce.test_claim(prices, replace(measured.plan, rng=int(boot.generate_state(1)[0])))
    mine = measured.records.query("sample == 1").set_index("hypothesis")
    assert mine["verdict"].to_dict() == verdict.table["verdict"].to_dict()
    assert_allclose(mine["estimate"].astype(float), verdict.table["estimate"].astype(float))


def test_the_answer_survives_json_and_a_table(measured):
    content = json.loads(json.dumps(measured.to_dict(), allow_nan=False))
    assert content["samples"] == 3
    assert content["plan_sha256"] == measured.plan.sha256
    assert World.from_dict(content["world"]) == measured.world
    assert len(content["records"]) == len(measured.records)
    text = str(measured.summary())
    assert "peaks(size=0.5" in text
    assert "Supported although it does not hold" in text


def test_false_confirmations_are_counted_where_nothing_holds():
    results = [
        [
            {
                "hypothesis": "H2",
                "verdict": verdict,
                "estimate": 0.1,
                "lower": 0.0,
                "upper": 0.2,
                "pvalue": p,
                "pvalue_adjusted": p,
                "mde": 0.3,
                "break_date": None,
            }
        ]
        for verdict, p in (("supported", 0.01), ("inconclusive", 0.4), ("supported", 0.02), ("mechanical", 0.03))
    ]
    results.append([{"failure": "DataError: too short"}])
    fooled = Power.of(small_plan(), World.volatility(2.0), results)
    assert fooled.false_confirmations == {"H2": 2}
    assert fooled.failures == ("DataError: too short",)
    row = fooled.to_frame().loc["H2"]
    assert (row["n"], row["supported"], row["mechanical"]) == (4, 0.5, 0.25)
    assert_allclose(row["se"], 0.25)
    assert_allclose(row["rejects"], 0.75)
    assert row["holds"] == "mechanical"
    assert "could not be tested" in str(fooled.summary())
    true = Power.of(small_plan(), World.peaks(0.3), results)
    assert true.false_confirmations == {}


def test_no_sample_could_be_tested():
    plan = small_plan(start="2016-01-04", end="2018-06-01")  # no episode in it
    nothing = power(plan, World.nothing(), samples=2)
    assert len(nothing.failures) == 2
    assert "DataError" in nothing.failures[0]
    assert nothing.to_frame().empty
    assert "2 samples could not be tested" in str(nothing.summary())
    assert json.loads(json.dumps(nothing.to_dict()))["records"] == []


def test_rules_are_applied_to_the_prices_of_each_sample():
    world = World.clusters()
    any_prices = world.simulate(99)
    rule = ce.ReRating.from_relative_strength(any_prices["TECH"], any_prices["MARKET"])
    plan = small_plan(episodes=rule, tech="TECH", market="MARKET", dose=rule, alternatives=(PRESS, rule))
    task = OneSample(plan, world)
    prices = world.simulate(1)
    made = task.planned(prices, 7)
    own = ce.ReRating.from_relative_strength(prices["TECH"], prices["MARKET"])
    assert made.episodes == own == made.dose == made.alternatives[1]
    assert made.alternatives[0] == PRESS
    assert made.episodes != rule


def test_the_truth_is_that_of_the_episodes_and_sessions_a_plan_looks_at():
    world = World.step(0.02, 0.40) + World.peaks(0.3)
    stage = world.stage()
    path = pd.Series(world_path.links(world.effects, stage)[:, 1, 0], stage.index)
    years = ce.ReRating.press(years=[2020, 2022, 2024])
    for episodes, first, last in ((years, "2020-03-23", "2025-01-29"), (PRESS, "2016-01-04", "2023-12-29")):
        seen = path.loc[first:last]
        inside = episodes.dummy(seen.index) == 1.0
        wanted = seen[inside].mean() - seen[~inside].mean()
        truth = world.truth_for(episodes=episodes, first=first, last=last)["H2"]
        assert_allclose(truth["contrast"], wanted, atol=1e-9)
    # a plan that ignores the step sees it in the contrast, and it is no effect
    ignoring = Power.of(small_plan(), World.step(), []).truth["H2"]
    assert ignoring["holds"] is False
    assert ignoring["effect"] == 0.0
    assert ignoring["contrast"] > 0.15
    assert Power.of(small_plan(break_date="estimate"), World.step(), []).truth["H2"]["contrast"] == 0.0
    with pytest.raises(SpecError, match="no session"):
        world.truth_for(first="2025-01-28", last="2025-01-02")


def test_what_a_rule_finds_is_the_claim_only_where_relative_strength_drives_the_correlation():
    prices = World.nothing().simulate(1)
    rule = ce.ReRating.from_relative_strength(prices["TECH"], prices["MARKET"])

    def h2(world):
        return world.truth_for(episodes=rule)["H2"]

    assert h2(World.dose(0.15)) == {"holds": True, "effect": None, "contrast": None}
    assert World.dose(0.15).truth["H2"]["holds"] is False  # not in the episodes of the press
    assert h2(World.peaks(0.3)) == {"holds": None, "effect": None, "contrast": None}
    assert h2(World.clusters())["holds"] == "mechanical"
    assert h2(World.step())["contrast"] == 0.0
    assert h2(World.persistent())["holds"] is False


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: power(small_plan(equity="IWM"), World.nothing(), samples=1), "IWM"),
        (lambda: power(small_plan(drivers=("VIX",)), World.nothing(), samples=1), "drivers"),
        (lambda: power(small_plan(), World.nothing(), samples=0), "samples=0"),
        (lambda: power("plan", World.nothing(), samples=1), "str"),
        (lambda: power(small_plan(), {}, samples=1), "dict"),
        (lambda: power(small_plan(), World.nothing(), samples=True), "samples=True"),
    ],
)
def test_questions_that_cannot_be_asked(make, match):
    with pytest.raises(SpecError, match=match):
        make()


def test_valuations_are_not_simulated():
    days = pd.bdate_range("2016-01-04", "2025-01-29")
    walk = np.random.default_rng(1).standard_normal((2, len(days))).cumsum(axis=1) / 100.0
    rated = ce.ReRating.from_valuation(pd.Series(np.exp(walk[0]), days), pd.Series(np.exp(walk[1]), days))
    plan = small_plan(episodes=rated, tech="TECH", market="MARKET")
    with pytest.raises(SpecError, match="valuation"):
        OneSample(plan, World.nothing())


@given(st.floats(0.05, 0.5), st.floats(0.06, 0.5), st.floats(0.01, 0.05))
def test_the_simulated_mde_inverts_the_normal_power_curve(effect, mde, alpha):
    critical = stats.norm.isf(alpha)
    # the rate at `effect` of a test with power .8 at `mde`
    rate = stats.norm.sf(critical - (critical + stats.norm.ppf(0.8)) * effect / mde)
    found = simulated_mde(effect, rate, alpha)
    if rate > 1.0 - 1e-9:
        return
    assert_allclose(found, mde, rtol=1e-5)


def test_no_mde_where_nothing_or_everything_is_found():
    assert math.isnan(simulated_mde(0.2, 1.0, 0.05))
    assert math.isnan(simulated_mde(0.2, 0.04, 0.05))
    assert math.isnan(simulated_mde(0.0, 0.5, 0.05))
    assert math.isnan(simulated_mde(math.nan, 0.5, 0.05))
