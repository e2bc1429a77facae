"""Definitions by explosive roots, cycles and Markov states; valuations by kind; overlap; circularity of plans."""

import json
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import cryptoequity as ce
from claim.worlds import SPECS, prices_of, sample
from cryptoequity.breaks.phases import BryBoschan, LundeTimmermann, PaganSossounov
from cryptoequity.claim.circularity import rotations_of, same_series_notes
from cryptoequity.claim.explosive_dating import ExplosiveRule, critical_path
from cryptoequity.claim.headline import _redating
from cryptoequity.claim.overlap import overlap_table
from cryptoequity.claim.pipeline import UNDATED, Pipeline, Redating
from cryptoequity.claim.rerating import ReRating
from cryptoequity.claim.world import NullWorld
from cryptoequity.errors import ConvergenceError, CryptoEquityWarning, DataError, SpecError
from cryptoequity.estimation.parallel import spawn

FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# rules short enough for samples of 300 to 700 sessions
EXPLOSIVE = {"step": 5, "window": 12, "draws": 99, "min_length": 1}
MARKOV = {"step": 2, "starts": 4}
# definition by prices, and what it takes
BY_PRICES = {
    "explosive": (ReRating.from_explosive, EXPLOSIVE),
    "explosive, simulated": (ReRating.from_explosive, {**EXPLOSIVE, "null": "simulated", "critical": "pointwise"}),
    "explosive, hindsight": (ReRating.from_explosive, {**EXPLOSIVE, "real_time": False, "merge": 3}),
    "cycle": (ReRating.from_cycle, {"method": "lunde-timmermann", "min_amplitude": 0.12}),
    "cycle, windows": (ReRating.from_cycle, {"min_amplitude": 0.55}),
    "cycle, monthly": (ReRating.from_cycle, {"method": "bry-boschan", "min_amplitude": 0.55}),
    "markov": (ReRating.from_markov, MARKOV),
    "markov, filtered": (ReRating.from_markov, {**MARKOV, "probability": "filtered"}),
    "markov, mean": (ReRating.from_markov, {**MARKOV, "k": 3, "switching": "mean"}),
}
every = pytest.mark.parametrize("which", BY_PRICES)


def walk(seed, n=800, sd=0.012, start="2018-01-01"):
    """Prices whose ratio has calm and wild stretches."""
    rng = np.random.default_rng(seed)
    scale = np.where((np.arange(n) // 150) % 2 == 0, 0.4, 1.6)[:, None]
    path = (scale * rng.normal(0, sd, (n, 2))).cumsum(axis=0)
    return pd.DataFrame(100 * np.exp(path), pd.bdate_range(start, periods=n), ["tech", "market"])


def trends(seed, n=800):
    """Prices whose ratio drifts for two stretches in five, up and then down."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.005, (n, 2))
    moves[200:300, 0] += 0.012
    moves[500:560, 0] -= 0.012
    return pd.DataFrame(100 * np.exp(moves.cumsum(axis=0)), pd.bdate_range("2018-01-01", periods=n), ["tech", "market"])


def series(which, seed):
    """Prices the definition finds something in."""
    return trends(seed) if "mean" in which else walk(seed)


def log_ratio(prices):
    return np.log(prices.tech.to_numpy()) - np.log(prices.market.to_numpy())


def made(which, prices):
    maker, options = BY_PRICES[which]
    return maker(prices.tech, prices.market, **options)


def bubble(n=400, first=200, length=70, growth=0.03, sign=1):
    """A ratio that walks, explodes for a while, and walks on."""
    rng = np.random.default_rng(8)
    y = np.empty(n)
    y[0] = 1.0
    for t in range(1, n):
        root = 1.0 + growth if first <= t < first + length else 1.0
        y[t] = root * y[t - 1] + rng.normal(0, 0.01)
    index = pd.bdate_range("2019-01-01", periods=n)
    return pd.DataFrame({"tech": np.exp(sign * (y - 1.0)), "market": 1.0}, index)


# --- what all definitions by prices share ----------------------------------------------------------------


@every
def test_the_same_series_give_the_same_episodes(which):
    prices = series(which, 3)
    episodes = made(which, prices)
    assert episodes.by_data
    assert episodes.circularity == "high"
    assert not episodes.of_multiples
    assert episodes.unit
    assert len(episodes.dated) > 0
    assert 0.0 < episodes.coverage(prices.index) < 1.0
    assert made(which, prices).sha256 == episodes.sha256
    assert episodes.redate(prices.tech, prices.market) == episodes
    assert_array_equal(episodes.redate_dummy(log_ratio(prices)), episodes.dummy(prices.index))
    back = ReRating.from_json(episodes.to_json(indent=1))
    assert back == episodes
    assert back.unit == episodes.unit
    assert_array_equal(back.intensity, episodes.intensity)
    assert_array_equal(back.dating.spells(), episodes.dated)
    assert pickle.loads(pickle.dumps(episodes)) == episodes
    json.dumps(episodes.to_dict(), allow_nan=False)


@every
def test_other_series_give_other_episodes(which):
    prices, other = series(which, 3), series(which, 4)
    episodes = made(which, prices)
    again = episodes.redate(other.tech, other.market)
    assert again.sha256 != episodes.sha256
    assert again.params == episodes.params
    # a draw climbs from the data's parameters, `redate` from starts of its own: the same maximum, a hair apart
    agree = again.dummy(prices.index) == episodes.redate_dummy(log_ratio(other))
    assert agree.mean() > (0.98 if "markov" in which else 0.9999)
    maker, options = BY_PRICES[which]
    assert maker(prices.tech, prices.market, **options, name="another name").sha256 != episodes.sha256


@every
def test_signs_amplitudes_and_intensities_belong_together(which):
    prices = series(which, 3)
    episodes = made(which, prices)
    turned = BY_PRICES[which][0](prices.market, prices.tech, **BY_PRICES[which][1])
    driver = episodes.driver(prices.index, signed=True)
    assert_allclose(episodes.driver(prices.index), driver.abs())
    assert (episodes.intensity >= 0).all()
    for row in episodes.spells.itertuples():
        assert np.sign(row.amplitude) == row.sign
        inside = driver[row.start : row.end].dropna()
        assert (np.sign(inside) == row.sign).mean() > 0.7
    if "cycle" in which:  # rises and falls of 20 % are not mirror images, and ties go to the first
        return
    assert_array_equal(turned.dummy(prices.index), episodes.dummy(prices.index))
    assert_array_equal(turned.dummy(prices.index, "up"), episodes.dummy(prices.index, "down"))
    assert_allclose(turned.driver(prices.index, signed=True), -driver, atol=1e-4)


@every
def test_tech_alone_is_read_alone(which):
    prices = series(which, 3)
    maker, options = BY_PRICES[which]
    alone = maker(prices.tech, **options)
    against = maker(prices.tech, prices.market * 0 + 1.0, **options)
    assert_array_equal(alone.dummy(prices.index), against.dummy(prices.index))
    assert not alone.dating.relative
    assert alone.redate(prices.tech) == alone
    with pytest.raises(SpecError, match="tech alone: leave market out"):
        alone.redate(prices.tech, prices.market)
    with pytest.raises(SpecError, match="tech against market: pass both"):
        against.redate(prices.tech)


@every
def test_a_level_of_the_ratio_does_not_matter(which):
    prices = series(which, 3)
    maker, options = BY_PRICES[which]
    larger = maker(prices.tech * 7.0, prices.market, **options)
    assert_array_equal(larger.dummy(prices.index), made(which, prices).dummy(prices.index))


@every
def test_series_that_cannot_be_dated_are_refused(which):
    prices = series(which, 3)
    maker, options = BY_PRICES[which]
    with pytest.raises(DataError, match=r"the same on all 800 readings.*one series"):
        maker(prices.tech, prices.tech, **options)
    with pytest.raises(DataError, match=r"missing, infinite or not positive.*first is nan on 2018"):
        maker(prices.tech.where(np.arange(800) != 7), prices.market, **options)
    with pytest.raises(DataError, match=r"the tech and market prices differ on 1 dates"):
        maker(prices.tech, prices.market.iloc[:-1], **options)
    few = prices.iloc[: 1 if which == "cycle" else 9]
    with pytest.raises(DataError, match=r"at least|needs \d+|1 readings"):
        maker(few.tech, few.market, **options)
    with pytest.raises(DataError, match="empty"):
        maker(prices.tech.iloc[:0], prices.market.iloc[:0], **options)


def test_prices_beside_prices_and_wrong_options_are_refused():
    prices = walk(3)
    for maker in (ReRating.from_explosive, ReRating.from_cycle, ReRating.from_markov):
        with pytest.raises(SpecError, match="prices already"):
            maker(prices.tech, prices.market, prices=(prices.tech, prices.market))
        with pytest.raises(SpecError, match="of='returns'"):
            maker(prices.tech, prices.market, of="returns")
        with pytest.raises(SpecError, match="delay of accounts"):
            maker(prices.tech, prices.market, report_lag="45D")
        with pytest.raises(SpecError, match=r"lag=-1"):
            maker(prices.tech, prices.market, lag=-1)
    for option, value, text in (
        ("step", 0, "step=0"),
        ("step", "week", "step='week'"),
        ("window", 2, "window=2"),
        ("adf_lags", 1.5, "adf_lags=1.5"),
        ("level", 0.2, "level=0.2"),
        ("null", "sieve", "null='sieve'"),
        ("critical", "family", "critical='family'"),
        ("draws", 50, "draws=50"),
        ("lag", 0, "real_time=True with lag=0"),
    ):
        with pytest.raises(SpecError, match=text):
            ReRating.from_explosive(prices.tech, prices.market, **{option: value})
    for option, value, text in (
        ("method", "eye", "method='eye'"),
        ("frequency", "weekly", "frequency='weekly'"),
        ("min_amplitude", 0.0, "min_amplitude=0.0"),
        ("min_amplitude", True, "min_amplitude=True"),
    ):
        with pytest.raises(SpecError, match=text):
            ReRating.from_cycle(prices.tech, prices.market, **{option: value})
    with pytest.raises(SpecError, match="monthly program"):
        ReRating.from_cycle(prices.tech, prices.market, method="bry-boschan", frequency="daily")
    for option, value, text in (
        ("k", 1, "k=1"),
        ("threshold", 1.0, r"threshold=1\.0"),
        ("switching", "slope", "switching='slope'"),
        ("probability", "predicted", "probability='predicted'"),
        ("starts", 0, "starts=0"),
    ):
        with pytest.raises(SpecError, match=text):
            ReRating.from_markov(prices.tech, prices.market, **{option: value})


# --- explosive roots ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_a_bubble_is_dated_with_its_direction(sign):
    prices = bubble(sign=sign)
    episodes = ReRating.from_explosive(prices.tech, prices.market, step=1, window=30, level=0.01, min_length=5)
    inside = episodes.dummy(prices.index, "up" if sign > 0 else "down")
    assert inside.iloc[230:270].mean() > 0.9
    assert inside.iloc[:200].mean() < 0.1
    assert episodes.dummy(prices.index, "down" if sign > 0 else "up").iloc[200:270].sum() == 0
    longest = episodes.spells.loc[episodes.spells.days.idxmax()]
    assert longest.sign == sign
    assert abs(longest.amplitude) > 0.5


def test_the_statistic_and_its_critical_values_are_those_of_the_test():
    prices = walk(5, 600)
    options = {"step": 5, "window": 20, "adf_lags": 1, "null": "wild", "draws": 99, "rng": 4}
    y = log_ratio(prices)[::5]
    test = ce.gsadf_test(y, lag=1, window=20, pvalue="wild", draws=99, rng=4)
    for critical in ("psy", "pointwise"):
        episodes = ReRating.from_explosive(prices.tech, prices.market, **options, critical=critical)
        found = episodes.dating.found
        assert_allclose(found.bsadf[21:], test.bsadf, rtol=1e-12)
        assert_allclose(found.critical[21:], test.critical(critical), rtol=1e-9)
        assert_array_equal(found.starts[21:], test.starts)
        assert np.isnan(found.bsadf[:21]).all()
        excess = np.maximum(test.bsadf - test.critical(critical), 0.0).to_numpy()
        # a reading rules from the session after it to the next one's
        driver = episodes.driver(prices.index).to_numpy()
        assert np.isnan(driver[: 21 * 5 + 1]).all()
        assert_allclose(driver[21 * 5 + 1 :], np.repeat(excess, 5)[: 600 - 21 * 5 - 1], atol=1e-9)


@FEW
@given(st.integers(0, 10**6), st.integers(150, 390), st.sampled_from(["wild", "simulated"]), st.booleans())
def test_an_explosive_dummy_does_not_know_the_future(seed, t, null, pointwise):
    prices = walk(seed, 400)
    options = {**EXPLOSIVE, "null": null, "critical": "pointwise" if pointwise else "psy", "merge": 3}
    whole = ReRating.from_explosive(prices.tech, prices.market, **options)
    part = ReRating.from_explosive(prices.tech.iloc[: t + 1], prices.market.iloc[: t + 1], **options)
    assert whole.real_time
    known = prices.index[: t + 1]
    assert_array_equal(whole.dummy(known), part.dummy(known))
    assert_array_equal(whole.driver(known, signed=True), part.driver(known, signed=True))


def test_critical_values_of_a_shorter_sample_begin_those_of_a_longer():
    rule = ExplosiveRule("sessions", "prices", True, 1, 15, 1, "simulated", "psy", 0.05, 99, 0, 1, 0, 1, 0, True)
    y = np.random.default_rng(0).normal(size=120).cumsum()
    for one in (rule, replace(rule, null="wild"), replace(rule, critical="pointwise")):
        assert_array_equal(critical_path(y[:80], one), critical_path(y, one)[: 80 - 16])


def test_hindsight_may_use_the_window_of_the_sample():
    prices = walk(5, 600)
    options = {"step": 5, "draws": 99}
    real = ReRating.from_explosive(prices.tech, prices.market, **options)
    assert dict(real.params)["window"] == 50
    told = ReRating.from_explosive(prices.tech, prices.market, **options, real_time=False)
    assert dict(told.params)["window"] == int((0.01 + 1.8 / np.sqrt(120)) * 120)
    assert not told.real_time


def test_prices_that_stand_still_over_a_window_are_refused():
    prices = walk(5, 400)
    prices.iloc[200:330] = prices.iloc[200].to_numpy()
    with pytest.raises(DataError, match=r"have no regression.*stands still"):
        ReRating.from_explosive(prices.tech, prices.market, **EXPLOSIVE)


# --- cycles ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lunde-timmermann", "pagan-sossounov", "bry-boschan"])
@pytest.mark.parametrize("frequency", ["daily", "monthly"])
def test_cycles_are_the_phases_of_the_rule(method, frequency):
    if method == "bry-boschan" and frequency == "daily":
        return
    prices = walk(21, 1500)
    ratio = prices.tech / prices.market
    seen = ratio if frequency == "daily" else ratio.groupby(ratio.index.to_period("M")).tail(1)
    rule = {
        "lunde-timmermann": LundeTimmermann(up=0.1, down=0.1),
        "bry-boschan": BryBoschan(frequency="monthly"),
        "pagan-sossounov": PaganSossounov.daily() if frequency == "daily" else PaganSossounov(),
    }[method]
    phases = rule.fit(seen).phases
    kept = phases[phases.amplitude.abs() >= 0.1]
    episodes = ReRating.from_cycle(prices.tech, prices.market, method=method, frequency=frequency, min_amplitude=0.1)
    assert len(kept) > 1
    assert len(episodes.spells) == len(kept)
    assert_array_equal(episodes.spells.sign, np.where(kept.kind == "bull", 1, -1))
    assert_allclose(np.expm1(episodes.spells.amplitude), kept.amplitude, rtol=1e-9)
    assert_array_equal(episodes.spells.end, pd.DatetimeIndex(kept.end))
    if frequency == "daily":
        assert_array_equal(episodes.spells.start, pd.DatetimeIndex(kept.start))
    else:  # a month's last session speaks for its month
        first = [prices.index[prices.index > end][0] for end in pd.DatetimeIndex(kept.end)[:-1]]
        follows = kept.index.to_numpy()[1:] == kept.index.to_numpy()[:-1] + 1
        assert_array_equal(episodes.spells.start[1:][follows], pd.DatetimeIndex(first)[follows])
    assert not episodes.real_time


def test_a_ratio_without_a_turn_has_no_cycle():
    index = pd.bdate_range("2018-01-01", periods=900)
    quiet = pd.Series(np.exp(0.01 * np.sin(np.arange(900.0))), index)
    episodes = ReRating.from_cycle(quiet, method="lunde-timmermann")
    assert episodes.dated == ()
    assert episodes.driver(index).isna().all()
    assert episodes.coverage(index) == 0.0
    with pytest.raises(DataError, match="0 %"):
        ce.check_coverage(episodes, index)


def test_frequencies_that_do_not_fit_the_readings_are_refused():
    prices = walk(2, 900)
    weekly = prices.iloc[::5]
    with pytest.raises(DataError, match="7 days apart"):
        ReRating.from_cycle(weekly.tech, weekly.market)
    holes = prices[prices.index.month != 3]
    with pytest.raises(DataError, match="4 months have no reading, the first after 2018-02-28"):
        ReRating.from_cycle(holes.tech, holes.market, frequency="monthly")
    with pytest.raises(DataError, match=r"24 months of readings.*at least 36"):
        ReRating.from_cycle(prices.tech.iloc[:510], method="bry-boschan")


# --- Markov states --------------------------------------------------------------------------------------


def test_markov_states_are_those_of_the_regression():
    prices = walk(6, 900)
    changes = pd.Series(100 * np.diff(log_ratio(prices)[::2]))
    smoothed = ReRating.from_markov(prices.tech, prices.market, step=2)
    fit = ce.MarkovRegression(k=2, mean="common", switching_variance=True).fit(changes, cov_type="none")
    want = fit.smoothed_probabilities.iloc[:, -1].to_numpy()
    assert_allclose(np.abs(smoothed.dating.found.probability), want, atol=2e-4)
    filtered = ReRating.from_markov(prices.tech, prices.market, step=2, probability="filtered")
    assert_allclose(filtered.dating.found.probability, fit.filtered_probabilities.iloc[:, -1], atol=2e-4)
    # the wild stretches of the walk
    wild = (np.arange(900) // 150) % 2 == 1
    assert (smoothed.dummy(prices.index).to_numpy() == wild).mean() > 0.9
    # a smoothed change stands for its sessions, a filtered one for those after it
    assert_allclose(smoothed.driver(prices.index).iloc[1:], np.append(np.repeat(want, 2), want[-1]), atol=2e-4)
    late = fit.filtered_probabilities.iloc[:, -1].to_numpy()
    assert_allclose(filtered.driver(prices.index).iloc[3:], np.repeat(late, 2)[: 900 - 3], atol=2e-4)


def test_a_switching_mean_has_its_own_direction():
    rng = np.random.default_rng(2)
    moves = rng.normal(0, 0.01, 900)
    moves[300:380] += 0.03
    moves[600:640] -= 0.03
    prices = pd.DataFrame({"tech": np.exp(moves.cumsum()), "market": 1.0}, pd.bdate_range("2018-01-01", periods=900))
    three = ReRating.from_markov(prices.tech, prices.market, step=1, k=3, switching="mean")
    assert three.dummy(prices.index, "up").iloc[305:375].mean() > 0.95
    assert three.dummy(prices.index, "down").iloc[605:635].mean() > 0.95
    assert three.coverage(prices.index[:290]) < 0.02
    two = ReRating.from_markov(prices.tech.iloc[:550], prices.market.iloc[:550], step=1, switching="mean")
    assert two.dummy(prices.index, "up").iloc[305:375].mean() > 0.95


def test_filled_closes_and_short_samples_have_no_states():
    prices = walk(3)
    filled = prices.copy()
    filled.iloc[1::10] = filled.iloc[::10].to_numpy()
    with pytest.raises(DataError, match="exactly zero; closes were filled"):
        ReRating.from_markov(filled.tech, filled.market, step=1)
    with pytest.raises(DataError, match="99 sampled changes, and 2 regimes need at least 100"):
        ReRating.from_markov(prices.tech.iloc[:500], prices.market.iloc[:500])


# --- multiples ------------------------------------------------------------------------------------------


def test_multiples_of_accounts_are_known_late():
    prices = walk(0, 800)
    for kind in ("trailing-pe", "ev-sales", "cape"):
        late = ReRating.from_valuation(prices.tech, prices.market, kind=kind)
        assert dict(late.params)["report_lag"] == 45
        assert dict(late.params)["kind"] == kind
        plain = ReRating.from_valuation(prices.tech, prices.market, report_lag="45D")
        assert_array_equal(late.dummy(prices.index), plain.dummy(prices.index))
        assert late != plain
        assert ReRating.from_json(late.to_json()) == late
        assert late.redate(prices.tech, prices.market, of="multiples") == late
        with pytest.raises(SpecError, match=r"report_lag='30D' with kind=.*use report_lag='45D' or more"):
            ReRating.from_valuation(prices.tech, prices.market, kind=kind, report_lag="30D")
    assert ReRating.from_valuation(prices.tech, prices.market, kind="cape").circularity == "high"
    assert ReRating.from_valuation(prices.tech, prices.market, kind="ev-sales").circularity == "low"
    forward = ReRating.from_valuation(prices.tech, prices.market, kind="forward-pe")
    assert dict(forward.params)["report_lag"] == 0
    with pytest.raises(SpecError, match="kind='pe'"):
        ReRating.from_valuation(prices.tech, prices.market, kind="pe")


@pytest.mark.parametrize("which", ["explosive", "cycle", "markov"])
def test_multiples_can_be_dated_by_every_rule_and_again_from_prices(which):
    prices, new = walk(3), walk(4)
    rng = np.random.default_rng(1)
    earnings = np.exp(rng.normal(0, 0.003, 800).cumsum())
    multiples = prices.assign(tech=prices.tech / earnings)
    maker, options = {
        "explosive": (ReRating.from_explosive, {**EXPLOSIVE, "step": 5}),
        "cycle": (ReRating.from_cycle, {"method": "lunde-timmermann", "min_amplitude": 0.12, "frequency": "daily"}),
        "markov": (ReRating.from_markov, {**MARKOV, "step": 2}),
    }[which]
    pair = (prices.tech, prices.market)
    episodes = maker(multiples.tech, multiples.market, of="multiples", prices=pair, **options)
    assert episodes.of_multiples
    assert episodes.redate(*pair) == episodes
    again = episodes.redate(new.tech, new.market)
    by_hand = new.assign(tech=new.tech / earnings)
    other = episodes.redate(by_hand.tech, by_hand.market, of="multiples")
    assert (again.dummy(prices.index) == other.dummy(prices.index)).all()
    bare = maker(multiples.tech, multiples.market, of="multiples", **options)
    with pytest.raises(SpecError, match="prices="):
        bare.redate(*pair)
    with pytest.raises(SpecError, match="prices="):
        bare.redate_dummy(log_ratio(prices))
    with pytest.raises(SpecError, match="must match the multiples"):
        maker(multiples.tech, multiples.market, of="multiples", prices=prices.tech, **options)


def test_accounts_behind_multiples_delay_every_rule():
    monthly = walk(3, 2000).iloc[::21]
    options = {"of": "multiples", "method": "lunde-timmermann", "min_amplitude": 0.1}
    now = ReRating.from_cycle(monthly.tech, monthly.market, **options)
    late = ReRating.from_cycle(monthly.tech, monthly.market, **options, report_lag="45D")
    assert now.circularity == "low"
    assert_array_equal(late.spells.start - now.spells.start, np.timedelta64(45, "D"))


# --- inside a plan --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    full = sample(900, 21, ("COIN", "SMALL", "TECH", "MARKET"))
    prices = prices_of(full)
    return full, prices, NullWorld.fit(full.iloc[300:], SPECS)


def plan_of(episodes, **options):
    roles = {"crypto": "COIN", "equity": "SMALL", "tech": "TECH", "market": "MARKET", "break_date": None, "draws": 19}
    return ce.Plan(episodes=episodes, **{**roles, **options})


IN_PLANS = {
    "explosive": (
        ReRating.from_explosive,
        {"window": 26, "draws": 99, "critical": "pointwise", "level": 0.10, "min_length": 2},
    ),
    "cycle": (ReRating.from_cycle, {"method": "lunde-timmermann", "min_amplitude": 0.05}),
    "markov": (ReRating.from_markov, {"step": 2}),
}


@pytest.mark.parametrize("which", IN_PLANS)
def test_every_rule_is_dated_again_in_every_draw(world, which):
    full, prices, null = world
    maker, options = IN_PLANS[which]
    episodes = maker(prices.TECH, prices.MARKET, **options)
    redating = _redating(plan_of(episodes), prices, full.iloc[300:])
    assert redating is not None
    observed = redating.signed(full.iloc[300:].to_numpy())
    # the window is the end of the calendar, so that the data give back the episodes
    assert (np.abs(observed) == episodes.dummy(full.index[300:]).to_numpy()).mean() >= (
        0.98 if which == "markov" else 1
    )
    pipeline = Pipeline(null, observed, redating, "t", 0, 1, 3, minimal=True)
    seeds = spawn(5, 12)
    drawn = [redating.signed(null.draw(np.random.default_rng(seed))) for seed in seeds]
    assert all(one.shape == (600,) and set(np.unique(one)) <= {-1.0, 0.0, 1.0} for one in drawn)
    told = [k for k, one in enumerate(drawn) if 0.0 < np.abs(one).mean() < 1.0]
    assert len(told) > 2
    assert all((drawn[k] != observed).any() for k in told)
    first = pipeline(seeds[told[0]])
    assert np.isfinite(list(first.values())).all()
    assert first == pickle.loads(pickle.dumps(pipeline))(seeds[told[0]])
    assert first == pipeline.measure(null.draw(np.random.default_rng(seeds[told[0]])), drawn[told[0]])
    x = redating.intensity(full.iloc[300:].to_numpy())
    assert_allclose(x, episodes.driver(full.index[300:], signed=True), atol=1e-3)


@pytest.mark.parametrize("which", IN_PLANS)
def test_what_comes_after_the_window_does_not_date_it(world, which):
    full, prices, _ = world
    maker, options = IN_PLANS[which]
    changed = prices.copy()
    changed.iloc[801:] *= np.exp(np.random.default_rng(0).normal(0, 0.1, (100, 4)).cumsum(axis=0))
    window = full.iloc[200:800]
    dated = []
    for frame in (prices, changed):
        episodes = maker(frame.TECH, frame.MARKET, **options)
        dated.append(_redating(plan_of(episodes), frame, window).signed(window.to_numpy()))
    # a chain climbs from other parameters, to the same maximum
    assert (dated[0] == dated[1]).mean() > (0.98 if which == "markov" else 0.9999)


def test_draws_that_cannot_be_dated_are_counted(world):
    full, prices, null = world
    episodes = ReRating.from_markov(prices.TECH, prices.MARKET, step=2)
    redating = _redating(plan_of(episodes), prices, full.iloc[300:])

    class Broken(Redating):
        def signed(self, returns):
            raise ConvergenceError("every start is degenerate")

    broken = Broken(redating.dating, redating.path, redating.first, redating.tech, redating.market)
    pipeline = Pipeline(null, redating.signed(null.returns), broken, "t", 0, 1, 3, minimal=True)
    one = pipeline(spawn(1, 1)[0])
    assert one[UNDATED] == 1.0
    assert np.isnan([one["score"], one["correlation"], one["product"]]).all()
    assert UNDATED not in replace(pipeline, redating=redating)(spawn(1, 1)[0])


def test_a_rule_on_tech_alone_moves_with_tech_alone(world):
    full, prices, _ = world
    episodes = ReRating.from_cycle(prices.TECH, method="lunde-timmermann", min_amplitude=0.1)
    redating = _redating(plan_of(episodes), prices, full.iloc[300:])
    returns = full.iloc[300:].to_numpy().copy()
    before = redating.signed(returns)
    returns[:, 3] = 0.0
    assert_array_equal(redating.signed(returns), before)
    assert_array_equal(np.abs(before), episodes.dummy(full.index[300:]))


def test_episodes_of_other_series_than_the_plans_are_refused(world):
    full, prices, _ = world
    other = ReRating.from_relative_strength(prices.SMALL, prices.MARKET, horizon=60, min_history=120)
    with pytest.raises(DataError, match="dated from other series than 'TECH' and 'MARKET'"):
        _redating(plan_of(other), prices, full.iloc[300:])
    own = ReRating.from_relative_strength(prices.TECH * 3.0, prices.MARKET, horizon=60, min_history=120)
    assert _redating(plan_of(own), prices, full.iloc[300:]) is not None  # a factor is no other series
    bare = ReRating.from_valuation(prices.TECH, prices.MARKET, horizon="12W", min_history="26W")
    with pytest.raises(SpecError, match="no earnings path"):
        _redating(plan_of(bare), prices, full.iloc[300:])


# --- overlap and circularity ----------------------------------------------------------------------------


@FEW
@given(st.integers(0, 10**6), st.sampled_from(["both", "up", "down"]))
def test_the_overlap_table_is_every_overlap(seed, side):
    rng = np.random.default_rng(seed)
    index = pd.bdate_range("2020-01-01", periods=200)
    definitions = []
    for k in range(4):
        cuts = np.sort(rng.choice(200, 6, replace=False))
        rows = [(index[a], index[b - 1], int(s)) for a, b, s in zip(cuts[::2], cuts[1::2], (1, -1, 1), strict=True)]
        definitions.append(ReRating.from_dates(rows, name=f"d{k}"))
    table = overlap_table(definitions, index, side)
    for a in definitions:
        assert table.definitions.loc[a.name, "coverage"] == pytest.approx(a.coverage(index, side))
        assert table.definitions.loc[a.name, "spells"] == a.n_spells(index, side)
        for b in definitions:
            if side == "both":
                want = a.overlap(b, index)
                assert table.jaccard.loc[a.name, b.name] == pytest.approx(want["jaccard"])
                assert table.kappa.loc[a.name, b.name] == pytest.approx(want["kappa"])
    assert_allclose(np.diag(table.jaccard), 1.0)
    assert_allclose(table.kappa, table.kappa.T)
    assert len(table.to_frame()) == 6


def test_the_overlap_table_says_what_it_compares():
    prices = walk(3)
    strength = ReRating.from_relative_strength(prices.tech, prices.market, horizon=20, min_history=60, min_length=5)
    press = ReRating.press()
    table = overlap_table([strength, press, ReRating.from_dates([("1990-01-01", "1990-02-01")])], prices.index)
    assert table.definitions.circularity.tolist() == ["high", "none", "none"]
    assert table.definitions.silent.iloc[0] == pytest.approx(81 / 800)
    assert np.isnan(table.jaccard.loc["dates", "dates"])
    assert table.jaccard.loc["dates", "relative strength"] == 0.0
    text = str(table)
    assert "says nothing on 10%" in text
    assert "relative strength" in table._repr_html_()
    content = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert content["sessions"] == 800
    assert len(content["pairs"]) == 3
    with pytest.raises(SpecError, match="1 definition"):
        overlap_table([press], prices.index)
    with pytest.raises(SpecError, match="two definitions are called 'press"):
        overlap_table([press, press], prices.index)
    with pytest.raises(SpecError, match="must be ReRating"):
        overlap_table([press, "press"], prices.index)


@FEW
@given(st.integers(0, 10**6))
def test_rotations_are_regressions_of_rotated_series(seed):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=37), rng.normal(size=(37, 2))
    x, z = x - x.mean(), z - z.mean(axis=0)
    got = rotations_of(x, z)
    for k in range(37):
        turned = np.roll(x, k)
        rest = turned - z @ np.linalg.lstsq(z, turned, rcond=None)[0]
        assert 1.0 - (rest @ rest) / (x @ x) == pytest.approx(got[k], abs=1e-10)
    flat = np.column_stack([z[:, 0], np.zeros(37)])
    assert_allclose(rotations_of(x, flat), rotations_of(x, z[:, :1]), atol=1e-12)


def test_unrelated_assets_are_rarely_called_circular():
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        index = pd.bdate_range("2015-01-01", periods=900)
        x = np.repeat(rng.integers(0, 2, 30), 30)
        spells = [(index[a], index[a + 29]) for a in np.flatnonzero(np.diff(x, prepend=0) == 1)]
        r = pd.Series(rng.normal(size=900) * np.exp(0.5 * np.sin(np.arange(900) / 60 + rng.uniform(0, 6))), index)
        hits += ReRating.from_dates(spells).diagnose_circularity(r, window=21)["pvalue"].iloc[0] <= 0.05
    # a binomial(60, .05) exceeds 9 with probability 1e-3
    assert hits <= 9


def test_a_list_read_off_volatility_is_found_out():
    rng = np.random.default_rng(4)
    index = pd.bdate_range("2015-01-01", periods=1500)
    wild = (np.arange(1500) // 100) % 3 == 0
    r = pd.DataFrame({"tech": rng.normal(size=1500) * np.where(wild, 2.0, 1.0), "other": rng.normal(size=1500)}, index)
    edges = np.flatnonzero(np.diff(wild.astype(int), prepend=0, append=0))
    picked = ReRating.from_dates([(index[a], index[b - 1]) for a, b in zip(edges[::2], edges[1::2], strict=True)])
    found = picked.diagnose_circularity(r, window=21)
    assert found.to_frame().level.to_dict() == {"tech": "high", "other": "none"}
    assert found.stated == "none"
    assert found.understated
    assert found.label == "high"
    assert "dated again" in str(found)
    assert "tech" in found._repr_html_()
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["assets"]["tech"]["level"] == "high"
    nowhere = ReRating.from_dates([("1990-01-01", "1990-02-01")]).diagnose_circularity(r)
    assert nowhere.level == ""
    assert nowhere.label == "none"
    json.dumps(nowhere.to_dict(), allow_nan=False)


def test_plans_on_the_series_behind_their_episodes_are_told(world):
    full, _, _ = world
    read_off = ReRating.from_dates([("2019-01-01", "2019-12-31")], circularity="high")
    innocent = ReRating.from_dates([("2019-01-01", "2019-12-31")])
    twin = full.assign(SMALL=full.TECH + 0.1 * full.SMALL)
    assert same_series_notes(plan_of(read_off), full) == ()
    assert same_series_notes(plan_of(innocent, equity="TECH"), full) == ()
    (same,) = same_series_notes(plan_of(read_off, equity="TECH"), full)
    assert "the tested equity is the series behind them" in same
    (near,) = same_series_notes(plan_of(read_off), twin)
    assert "have a correlation of 0.9" in near or "have a correlation of 1.00" in near
    (nameless,) = same_series_notes(plan_of(read_off, tech=None), full)
    assert "no tech column is named" in nameless
    rule = ReRating.from_relative_strength(
        *(prices_of(full)[name] for name in ("TECH", "MARKET")), horizon=60, min_history=120
    )
    assert same_series_notes(plan_of(rule, equity="TECH"), full) == ()


def test_the_warning_reaches_the_user(world):
    full, prices, _ = world
    read_off = ReRating.from_dates([("2019-01-01", "2019-12-31"), ("2020-06-01", "2020-12-31")], circularity="high")
    from cryptoequity.claim.headline import headline

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        headline(plan_of(read_off, equity="TECH"), full, prices, seed=np.random.SeedSequence(1), minimal=True)
    assert any(issubclass(one.category, CryptoEquityWarning) and "too small" in str(one.message) for one in seen)
