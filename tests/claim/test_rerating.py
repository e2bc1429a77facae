"""Episodes: the dates a rule gives, what does not move them, and what a list of dates must answer."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from cryptoequity.claim.coverage import check_coverage
from cryptoequity.claim.dating import Dating, Readings, Rule
from cryptoequity.claim.rerating import ReRating
from cryptoequity.errors import DataError, SpecError
from cryptoequity.kernels.dating import flag_moves, keep_spells

SESSIONS = pd.bdate_range("2016-01-01", "2025-01-29")
POST = pd.bdate_range("2020-03-23", "2025-01-29")
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# a rule short enough for small samples
SHORT = {"horizon": 10, "min_length": 5, "merge": 3, "min_history": 30}


def walk(seed, n=300, start="2018-01-01", columns=("tech", "market")):
    rng = np.random.default_rng(seed)
    index = pd.bdate_range(start, periods=n)
    return pd.DataFrame(100 * np.exp(rng.normal(0, 0.015, (n, 2)).cumsum(axis=0)), index, list(columns))


def log_ratio(prices):
    return np.log(prices["tech"].to_numpy()) - np.log(prices["market"].to_numpy())


def month_ends(frame):
    return frame.groupby(frame.index.to_period("M")).tail(1)


@st.composite
def lists(draw, index=POST, most=6):
    """Disjoint spells on `index`, perhaps touching, perhaps reaching its ends."""
    n = draw(st.integers(1, most))
    edges = sorted(draw(st.lists(st.integers(0, len(index) - 1), min_size=2 * n, max_size=2 * n, unique=True)))
    signs = draw(st.lists(st.sampled_from([-1, 1]), min_size=n, max_size=n))
    return ReRating.from_dates(
        [(index[a], index[b], s) for a, b, s in zip(edges[::2], edges[1::2], signs, strict=True)]
    )


# --- an independent reading of the rule -----------------------------------------------------------------


def plain_flags(path, base, clock, quantile, min_history):
    moves = np.array([path[t] - path[b] if b >= 0 else np.nan for t, b in enumerate(base)])
    first = np.flatnonzero(~np.isnan(moves))[0]
    flags = np.zeros(len(path), dtype=int)
    for t in range(first + 1, len(path)):
        if clock[t] - clock[first] >= min_history and moves[t] != 0:
            flags[t] = np.sign(moves[t]) * (abs(moves[t]) >= np.quantile(np.abs(moves[first:t]), quantile))
    return flags


def plain_keep(flags, clock, spacing, min_length, merge):
    ends = np.append(clock[1:], clock[-1] + spacing)
    runs = []  # [first, last, sign]
    for t, sign in enumerate(flags):
        if sign and runs and runs[-1][1] == t - 1 and runs[-1][2] == sign:
            runs[-1][1] = t
        elif sign:
            runs.append([t, t, sign])
    joined = []
    for run in runs:
        if joined and joined[-1][2] == run[2] and clock[run[0]] - ends[joined[-1][1]] < merge:
            joined[-1][1] = run[1]
        else:
            joined.append(run)
    kept = np.zeros(len(flags), dtype=int)
    for first, last, sign in joined:
        if ends[last] - clock[first] >= min_length:
            kept[first : last + 1] = sign
    return kept


@QUICK
@given(st.integers(0, 10**6), st.floats(0.05, 0.95), st.integers(1, 15), st.integers(1, 20), st.booleans())
def test_flags_follow_the_expanding_quantile(seed, quantile, horizon, min_history, tied):
    rng = np.random.default_rng(seed)
    path = rng.normal(size=80).cumsum()
    path = np.round(path) if tied else path
    clock = np.arange(80.0)
    base = np.arange(80) - horizon
    base[base < 0] = -1
    got = flag_moves(path, base, clock, quantile, float(min_history))
    assert_array_equal(got, plain_flags(path, base, clock, quantile, min_history))


@QUICK
@given(
    st.lists(st.sampled_from([-1, 0, 0, 1, 1]), min_size=1, max_size=60),
    st.integers(0, 8),
    st.integers(0, 5),
    st.integers(0, 10**6),
)
def test_spells_are_merged_then_dropped_and_real_time_is_the_truncated_answer(flags, least, merge, seed):
    state = np.array(flags, dtype=np.int8)
    clock = np.random.default_rng(seed).integers(1, 4, len(flags)).cumsum().astype(float)
    settled = keep_spells(state, clock, 1.0, float(least), float(merge), False)
    assert_array_equal(settled, plain_keep(flags, clock, 1.0, least, merge))
    live = keep_spells(state, clock, 1.0, float(least), float(merge), True)
    said = [plain_keep(flags[: t + 1], clock[: t + 1], 1.0, least, merge)[-1] for t in range(len(flags))]
    assert_array_equal(live, said)


# --- rules on series ----------------------------------------------------------------------------------


@QUICK
@given(st.integers(0, 10**6), st.sampled_from([0, 1, 4]), st.booleans())
def test_relative_strength_is_the_rule_on_log_prices(seed, lag, real_time):
    real_time = real_time and lag > 0
    prices = walk(seed)
    episodes = ReRating.from_relative_strength(prices.tech, prices.market, lag=lag, real_time=real_time, **SHORT)
    clock = np.arange(300.0)
    base = np.where(clock >= 10, clock - 10, -1).astype(int)
    flags = plain_flags(log_ratio(prices), base, clock, 0.7, 30)
    if real_time:
        kept = np.array([plain_keep(flags[: t + 1], clock[: t + 1], 1, 5, 3)[-1] for t in range(300)])
    else:
        kept = plain_keep(flags, clock, 1, 5, 3)
    expected = np.concatenate([np.zeros(lag), kept[: 300 - lag]])
    assert_array_equal(episodes.dummy(prices.index), expected != 0)
    assert_array_equal(episodes.dummy(prices.index, "up"), expected > 0)
    assert_array_equal(episodes.dummy(prices.index, "down"), expected < 0)
    # nothing during the warm-up: horizon, history, lag
    assert not episodes.dummy(prices.index).to_numpy()[: 10 + 30 + lag].any()


@QUICK
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_the_fast_path_is_the_slow_path(seed, other, real_time):
    prices, new = walk(seed), walk(other)
    episodes = ReRating.from_relative_strength(prices.tech, prices.market, real_time=real_time, **SHORT)
    fast = episodes.redate_dummy(log_ratio(new))
    again = episodes.redate(new.tech, new.market)
    assert_array_equal(fast, again.dummy(episodes.index))
    assert_array_equal(fast, again.redate_dummy(log_ratio(new)))
    assert fast.dtype == np.float64
    assert set(fast) <= {0.0, 1.0}
    assert_array_equal(episodes.redate_dummy(log_ratio(prices)), episodes.dummy(prices.index))
    assert episodes.redate(prices.tech, prices.market) == episodes


@QUICK
@given(st.integers(0, 10**6), st.integers(120, 290), st.sampled_from(["sessions", "days"]))
def test_a_real_time_dummy_does_not_know_the_future(seed, t, clock):
    prices = walk(seed)
    changed = prices.copy()
    changed.iloc[t + 1 :] *= np.exp(np.random.default_rng(seed + 1).normal(0, 0.3, (299 - t, 2)))
    if clock == "sessions":
        made = [ReRating.from_relative_strength(p.tech, p.market, real_time=True, **SHORT) for p in (prices, changed)]
    else:
        lengths = {"horizon": "4W", "min_length": "2W", "merge": "1W", "min_history": "8W", "real_time": True}
        made = [ReRating.from_valuation(p.tech, p.market, **lengths) for p in (prices, changed)]
    assert all(episodes.real_time for episodes in made)
    # yesterday's reading decides today: the first changed one can matter from the day after it on
    known = prices.index[: t + 2]
    assert_array_equal(made[0].dummy(known), made[1].dummy(known))
    assert_array_equal(made[0].driver(known), made[1].driver(known))


@QUICK
@given(st.integers(0, 10**6), st.integers(120, 290))
def test_a_settled_dummy_looks_ahead_no_further_than_its_lengths(seed, t):
    prices = walk(seed)
    changed = prices.copy()
    changed.iloc[t + 1 :, 0] *= 3.0
    made = [ReRating.from_relative_strength(p.tech, p.market, **SHORT) for p in (prices, changed)]
    assert not made[0].real_time
    known = prices.index[: t + 1 - SHORT["min_length"] - SHORT["merge"]]
    assert_array_equal(made[0].dummy(known), made[1].dummy(known))


def test_the_intensity_is_the_move_in_past_standard_deviations():
    prices = walk(3)
    episodes = ReRating.from_relative_strength(prices.tech, prices.market, lag=2, **SHORT)
    move = pd.Series(log_ratio(prices), prices.index).diff(10)
    expected = (move / move.expanding().std().shift(1)).iloc[40:].to_numpy()
    assert_allclose(episodes.signed, expected[:-2], rtol=1e-10)
    assert_array_equal(episodes.signed.index, prices.index[42:])
    assert_array_equal(episodes.intensity, episodes.signed.abs())
    assert (episodes.intensity >= 0).all()
    driver = episodes.driver(prices.index)
    assert driver.iloc[:42].isna().all()
    assert_array_equal(driver.iloc[42:], episodes.intensity)


def test_amplitude_is_the_largest_move_and_has_the_sign_of_the_spell():
    prices = walk(5, 600)
    episodes = ReRating.from_relative_strength(prices.tech, prices.market, **SHORT)
    move = pd.Series(log_ratio(prices), prices.index).diff(10).shift(1)
    assert len(episodes.spells) > 3
    for row in episodes.spells.itertuples():
        inside = move[row.start : row.end]
        assert_allclose(row.amplitude, inside.loc[inside.abs().idxmax()])
        assert row.days == (row.end - row.start).days + 1
        assert row.sign in (-1, 1)


def test_tech_rising_against_the_market_is_an_up_spell():
    index = pd.bdate_range("2018-01-01", periods=400)
    noise = np.random.default_rng(0).normal(0, 0.001, 400)
    path = noise.cumsum()
    path[200:260] += np.linspace(0, 0.5, 60)
    path[260:] += 0.5
    market = pd.Series(100.0, index)
    rise = ReRating.from_relative_strength(market * np.exp(path), market, **SHORT)
    fall = ReRating.from_relative_strength(market, market * np.exp(path), **SHORT)
    day = index[230:231]
    assert rise.dummy(day, "up").item() == 1
    assert rise.dummy(day, "down").item() == 0
    assert fall.dummy(day, "down").item() == 1
    assert fall.dummy(day, "up").item() == 0
    assert_array_equal(rise.dummy(index), fall.dummy(index))
    assert_allclose(rise.signed, -fall.signed)


def test_a_quiet_series_after_a_storm_is_never_marked():
    index = pd.bdate_range("2018-01-01", periods=300)
    path = np.random.default_rng(0).normal(0, 0.02, 300).cumsum()
    path[150:] = path[149]
    tech, market = pd.Series(np.exp(path), index), pd.Series(1.0, index)
    episodes = ReRating.from_relative_strength(tech, market, **SHORT)
    assert not episodes.dummy(index[165:]).any()


# --- multiples at any frequency -------------------------------------------------------------------------


def test_monthly_multiples_move_from_the_reading_at_or_before_the_horizon():
    monthly = month_ends(walk(11, 2000))
    episodes = ReRating.from_valuation(monthly.tech, monthly.market)
    ratio = pd.Series(log_ratio(monthly), monthly.index)
    start = [ratio[: day - pd.Timedelta("26W")] for day in ratio.index]
    move = np.array([r - s.iloc[-1] if len(s) else np.nan for r, s in zip(ratio, start, strict=True)])
    first = int(np.argmax(~np.isnan(move)))
    clock = (monthly.index - monthly.index[0]).days.to_numpy().astype(float)
    base = np.array([len(s) - 1 for s in start])
    flags = plain_flags(ratio.to_numpy(), base, clock, 0.7, 364)
    kept = plain_keep(flags, clock, np.median(np.diff(clock)), 56, 28)
    # each reading rules from a week after its date to the day before the next one does
    daily = pd.date_range(monthly.index[0], monthly.index[-1] + pd.Timedelta("7D"))
    state = pd.Series(kept, monthly.index + pd.Timedelta("7D")).reindex(daily, method="ffill").fillna(0)
    assert (kept != 0).any()
    assert_array_equal(episodes.dummy(daily), state != 0)
    assert_array_equal(episodes.dummy(daily, "up"), state > 0)
    assert episodes.intensity.index[0] >= monthly.index[first] + pd.Timedelta("52W")


@pytest.mark.parametrize("step", [1, 5])
def test_lengths_are_calendar_time_at_daily_and_weekly_frequency(step):
    multiples = walk(2, 1500).iloc[::step]
    lengths = {"horizon": "12W", "min_length": "4W", "merge": "2W"}
    episodes = ReRating.from_valuation(multiples.tech, multiples.market, **lengths)
    assert len(episodes.spells) > 2
    spells = episodes.spells
    assert (spells.days >= 28).all()
    gaps = spells.start.diff().dt.days.to_numpy()[1:] - spells.days.to_numpy()[:-1]
    same = spells.sign.diff().to_numpy()[1:] == 0
    assert same.any()
    assert (gaps[same] >= 14).all()
    # the same choice in other words is the same object
    days = {"horizon": 84, "min_length": "28D", "merge": pd.Timedelta("14D")}
    assert ReRating.from_valuation(multiples.tech, multiples.market, **days) == episodes


def test_a_report_lag_moves_every_edge_later():
    monthly = month_ends(walk(11, 2000))
    now, later = (ReRating.from_valuation(monthly.tech, monthly.market, report_lag=lag) for lag in ("0D", "45D"))
    assert_array_equal(later.spells.start - now.spells.start, np.timedelta64(45, "D"))
    assert_array_equal(later.spells.end - now.spells.end, np.timedelta64(45, "D"))


def test_circularity_and_real_time_are_stated():
    prices = walk(0, 600)
    assert ReRating.from_valuation(prices.tech, prices.market).circularity == "low"
    assert ReRating.from_valuation(prices.tech, prices.market, horizon="12W").circularity == "high"
    assert ReRating.from_relative_strength(prices.tech, prices.market).circularity == "high"
    assert ReRating.press().circularity == "none"
    assert not ReRating.press().real_time
    assert ReRating.from_dates([("2020-01-01", "2020-02-01")], circularity="high").circularity == "high"


@QUICK
@given(st.integers(0, 10**6), st.booleans())
def test_new_prices_redate_a_valuation_with_earnings_held_fixed(seed, monthly):
    prices, new = walk(seed, 500), walk(seed + 1, 500)
    earnings = np.exp(np.random.default_rng(seed).normal(0, 0.01, 500).cumsum())
    multiples = prices.assign(tech=prices.tech / earnings)
    multiples = month_ends(multiples) if monthly else multiples
    rule = {"horizon": "13W", "min_history": "26W"}
    episodes = ReRating.from_valuation(multiples.tech, multiples.market, prices=(prices.tech, prices.market), **rule)
    assert_array_equal(episodes.index, prices.index)
    redated = episodes.redate(new.tech, new.market)
    assert_array_equal(episodes.redate_dummy(log_ratio(new)), redated.dummy(prices.index))
    assert_array_equal(episodes.redate_dummy(log_ratio(prices)), episodes.dummy(prices.index))
    assert episodes.redate(prices.tech, prices.market) == episodes
    # the same multiples, worked out by hand
    by_hand = new.assign(tech=new.tech / earnings).loc[multiples.index]
    assert_array_equal(
        ReRating.from_valuation(by_hand.tech, by_hand.market, **rule).dummy(prices.index), redated.dummy(prices.index)
    )
    without = episodes.redate(by_hand.tech, by_hand.market, of="multiples")
    assert_array_equal(without.dummy(prices.index), redated.dummy(prices.index))


def test_multiples_alone_cannot_be_redated_from_prices():
    prices = walk(0, 600)
    episodes = ReRating.from_valuation(prices.tech, prices.market)
    with pytest.raises(SpecError, match="prices="):
        episodes.redate(prices.tech, prices.market)
    with pytest.raises(SpecError, match="prices="):
        episodes.redate_dummy(log_ratio(prices))
    strength = ReRating.from_relative_strength(prices.tech, prices.market)
    with pytest.raises(SpecError, match="multiples"):
        strength.redate(prices.tech, prices.market, of="multiples")


def test_stale_or_missing_prices_are_refused():
    prices = walk(0, 600)
    for part in (prices.iloc[:400], prices.iloc[100:]):
        with pytest.raises(DataError, match="have no price in the week before"):
            ReRating.from_valuation(prices.tech, prices.market, prices=(part.tech, part.market))


def test_fixed_lists_do_not_move_with_the_data():
    prices = walk(0)
    press = ReRating.press()
    assert press.redate(prices.tech, prices.market) is press
    assert not press.by_data
    for ask in (lambda: press.intensity, lambda: press.index, lambda: press.redate_dummy(np.zeros(3))):
        with pytest.raises(SpecError, match="fixed list"):
            ask()
    assert_array_equal(press.driver(SESSIONS), press.dummy(SESSIONS))
    assert_array_equal(press.driver(SESSIONS, signed=True), press.dummy(SESSIONS, "up") - press.dummy(SESSIONS, "down"))


def test_redate_dummy_refuses_other_lengths_and_gaps():
    prices = walk(0)
    episodes = ReRating.from_relative_strength(prices.tech, prices.market, **SHORT)
    with pytest.raises(DataError, match=r"shape \(299,\).*300 sessions"):
        episodes.redate_dummy(np.zeros(299))
    path = log_ratio(prices)
    path[7] = np.nan
    with pytest.raises(DataError, match="1 missing"):
        episodes.redate_dummy(path)


# --- the press --------------------------------------------------------------------------------------------


def test_press_dates():
    table = ReRating.press().spells
    assert table.start.dt.strftime("%F").tolist() == ["2020-03-23", "2022-01-03", "2024-01-01"]
    assert table.end.dt.strftime("%F").tolist() == ["2021-11-19", "2022-10-14", "2024-12-31"]
    assert table.sign.tolist() == [1, -1, 1]
    assert table.days.tolist() == [607, 285, 366]
    assert table.amplitude.isna().all()
    # the shares that make the post-pandemic sample the honest one
    assert ReRating.press().coverage(pd.bdate_range("2016-01-01", "2024-12-31")) == pytest.approx(0.384, abs=5e-4)
    assert ReRating.press().coverage(POST) == pytest.approx(0.715, abs=5e-3)


def test_press_by_calendar_year():
    episodes = ReRating.press(years=(2020, 2022, 2024))
    assert_array_equal(episodes.dummy(SESSIONS), np.isin(SESSIONS.year, (2020, 2022, 2024)))
    assert_array_equal(episodes.dummy(SESSIONS, "down"), SESSIONS.year == 2022)
    assert ReRating.press(years=[2024, 2020, 2022]) == episodes != ReRating.press()
    with pytest.raises(SpecError, match="2023"):
        ReRating.press(years=(2023,))
    with pytest.raises(SpecError, match="published"):
        ReRating.press("2024-01-01")


def test_hashes_are_pinned():
    # a change here means that stored records can no longer be read
    assert ReRating.press().sha256 == "28aa6c7504b42f78c15890ef8f6f3633a0198cd3f4ddd0aefd3f7ddbf8ecef4a"
    assert len({ReRating.press(), ReRating.press(), ReRating.press(years=(2020,))}) == 2


def test_days_outside_the_index_are_not_covered():
    early = pd.bdate_range("2010-01-01", "2012-12-31")
    assert ReRating.press().coverage(early) == 0.0
    assert ReRating.press().n_spells(early) == 0


# --- dates and events -----------------------------------------------------------------------------------


@QUICK
@given(lists())
def test_dummies_are_zero_or_one_and_coverage_is_their_mean(episodes):
    dummy = episodes.dummy(POST)
    assert set(dummy) <= {0.0, 1.0}
    assert episodes.coverage(POST) == dummy.mean()
    by_hand = sum(((POST >= r.start) & (POST <= r.end)).astype(float) for r in episodes.spells.itertuples())
    assert_array_equal(dummy, by_hand)
    assert_array_equal(dummy, episodes.dummy(POST, "up") + episodes.dummy(POST, "down"))
    assert episodes.n_spells(POST) == len(episodes.spells)
    assert dummy.index.equals(POST)


@QUICK
@given(lists(), st.integers(0, 60))
def test_guard_bands_blank_the_outer_side_of_each_edge(episodes, guard):
    got = episodes.dummy(POST, guard=f"{guard}D").to_numpy()
    plain = episodes.dummy(POST).to_numpy()
    near = np.zeros(len(POST), dtype=bool)
    for row in episodes.spells.itertuples():
        near |= (POST >= row.start - pd.Timedelta(days=guard)) & (POST <= row.end + pd.Timedelta(days=guard))
    assert_array_equal(got == 1, plain == 1)
    assert_array_equal(np.isnan(got), near & (plain == 0))


def test_guard_by_hand():
    index = pd.date_range("2020-01-01", periods=10)
    episodes = ReRating.from_dates([("2020-01-05", "2020-01-06", 1)])
    assert_array_equal(episodes.dummy(index, guard="2D"), [0, 0, np.nan, np.nan, 1, 1, np.nan, np.nan, 0, 0])
    with pytest.raises(SpecError, match="negative"):
        episodes.dummy(index, guard="-2D")


def test_frames_of_spells_and_spells_without_direction():
    frame = pd.DataFrame({"start": ["2020-02-03", "2021-01-04"], "end": ["2020-03-02", "2021-06-01"]})
    episodes = ReRating.from_dates(frame, name="mine")
    assert episodes == ReRating.from_dates([("2021-01-04", "2021-06-01"), ("2020-02-03", "2020-03-02")], name="mine")
    assert episodes.spells.sign.tolist() == [0, 0]
    with pytest.raises(SpecError, match="2 of the 2 spells of 'mine' have no direction"):
        episodes.dummy(SESSIONS, "up")
    with pytest.raises(SpecError, match="no direction"):
        episodes.driver(SESSIONS, signed=True)
    signed = ReRating.from_dates(frame.assign(sign=[1, -1], source=["a", None]))
    assert signed.spells.source.tolist()[0] == "a"
    assert signed.dummy(SESSIONS, "down").sum() == len(pd.bdate_range("2021-01-04", "2021-06-01"))


def test_intraday_rows_belong_to_their_day():
    hours = pd.date_range("2020-01-01", periods=96, freq="h")
    dummy = ReRating.from_dates([("2020-01-02", "2020-01-03")]).dummy(hours)
    assert_array_equal(dummy, np.isin(hours.day, (2, 3)))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_resolution_of_dates_does_not_matter(unit):
    prices = walk(1)
    want = ReRating.from_relative_strength(prices.tech, prices.market, **SHORT)
    other = prices.set_axis(prices.index.as_unit(unit))
    got = ReRating.from_relative_strength(other.tech, other.market, **SHORT)
    assert got == want
    assert_array_equal(got.dummy(other.index), want.dummy(prices.index))


def test_event_windows_count_sessions():
    index = pd.bdate_range("2025-01-01", "2025-06-30")
    events = pd.DataFrame(
        {"date": ["2025-01-27", "2025-04-05"], "sign": [-1, -1], "source": ["new model", "tariffs, on a Saturday"]}
    )
    episodes = ReRating.from_events(events, before=1, after=3, index=index)
    assert episodes.spells.start.dt.strftime("%F").tolist() == ["2025-01-24", "2025-04-04"]
    assert episodes.spells.end.dt.strftime("%F").tolist() == ["2025-01-30", "2025-04-10"]
    assert episodes.spells.source.tolist() == ["new model", "tariffs, on a Saturday"]
    assert episodes.dummy(index, "down").sum() == 2 * 5
    assert not episodes.real_time
    assert ReRating.from_events(events, index=index).real_time
    assert ReRating.from_json(episodes.to_json()) == episodes


def test_event_windows_of_one_sign_join_and_of_two_signs_clash():
    index = pd.bdate_range("2025-01-01", "2025-02-28")
    events = pd.DataFrame({"date": ["2025-01-15", "2025-01-08", "2025-02-27"], "source": ["b", "a", "c"]})
    episodes = ReRating.from_events(events, after=10, index=index)
    assert episodes.spells.source.tolist() == ["a; b", "c"]
    assert episodes.spells.start.dt.strftime("%F").tolist() == ["2025-01-08", "2025-02-27"]
    assert episodes.spells.end.dt.strftime("%F").tolist() == ["2025-01-29", "2025-02-28"]
    with pytest.raises(DataError, match=r"2025-01-08 → 2025-01-22 and 2025-01-15 → 2025-01-29 overlap"):
        ReRating.from_events(events.assign(sign=[1, -1, 1]), after=10, index=index)
    with pytest.raises(DataError, match=r"1 of 3 events are outside the index.*2025-02-27"):
        ReRating.from_events(events, index=index[:20])
    with pytest.raises(DataError, match="no column 'date'"):
        ReRating.from_events(events.rename(columns={"date": "day"}), index=index)
    with pytest.raises(SpecError, match="after=-1"):
        ReRating.from_events(events, after=-1, index=index)


# --- agreement -------------------------------------------------------------------------------------------


def test_overlap_by_hand():
    index = pd.date_range("2020-01-01", periods=10)
    a = ReRating.from_dates([("2020-01-01", "2020-01-04")])
    b = ReRating.from_dates([("2020-01-03", "2020-01-08")])
    got = a.overlap(b, index)
    # both 2, either 8; agree on 2 + 2 of 10, by chance .4·.6 + .6·.4 = .48
    assert got["jaccard"] == pytest.approx(2 / 8)
    assert got["kappa"] == pytest.approx((0.4 - 0.48) / 0.52)
    assert a.overlap(a, index) == {"jaccard": 1.0, "kappa": 1.0}
    nowhere = ReRating.from_dates([("2019-01-01", "2019-01-04")])
    assert np.isnan(list(nowhere.overlap(nowhere, index).values())).all()


@QUICK
@given(lists(), lists())
def test_overlap_is_symmetrical_and_bounded(a, b):
    one, two = a.overlap(b, POST), b.overlap(a, POST)
    assert_allclose(list(one.values()), list(two.values()))
    assert 0 <= one["jaccard"] <= 1
    assert -1 <= one["kappa"] <= 1 + 1e-12


# --- placements ------------------------------------------------------------------------------------------


@QUICK
@given(lists(), st.integers(-3000, 3000), st.integers(-3000, 3000))
def test_circular_shifts_keep_coverage_and_compose(episodes, j, k):
    dummy = episodes.dummy(POST).to_numpy()
    once = episodes.shift(POST, j)
    assert_array_equal(once.dummy(POST), np.roll(dummy, j))
    assert once.coverage(POST) == episodes.coverage(POST)
    assert_array_equal(once.shift(POST, k).dummy(POST), episodes.shift(POST, j + k).dummy(POST))
    assert_array_equal(once.dummy(POST, "up"), np.roll(episodes.dummy(POST, "up").to_numpy(), j))
    assert len(once.spells) - len(episodes.spells) in (0, 1)


@QUICK
@given(lists(), st.integers(-1500, 1500))
def test_linear_shifts_cut_what_leaves(episodes, k):
    dummy = episodes.dummy(POST)
    assert_array_equal(episodes.shift(POST, k, "linear").dummy(POST), dummy.shift(k, fill_value=0.0))


@QUICK
@given(lists(), st.integers(0, 2**32 - 1))
def test_placebos_keep_the_number_and_the_lengths_of_spells(episodes, seed):
    drawn = episodes.simulate(POST, seed)
    assert drawn == episodes.simulate(POST, np.random.default_rng(seed))

    def lengths(which):
        rows = which.spells.itertuples()
        return sorted((int(((POST >= r.start) & (POST <= r.end)).sum()), r.sign) for r in rows)

    assert lengths(drawn) == lengths(episodes)
    assert drawn.n_spells(POST) == episodes.n_spells(POST)
    assert drawn.dummy(POST).sum() == episodes.dummy(POST).sum()


def test_placebos_are_drawn_uniformly():
    index = pd.date_range("2020-01-01", periods=9)
    # lengths 1 and 2, gaps 2 between and 4 at the edges: 2 orders × 2 orders of gaps × 8 cuts, halved by symmetry
    episodes = ReRating.from_dates([("2020-01-03", "2020-01-03"), ("2020-01-06", "2020-01-07")])
    rng = np.random.default_rng(1)
    draws = pd.Series([tuple(episodes.simulate(index, rng).dummy(index)) for _ in range(1600)]).value_counts()
    assert len(draws) == 16
    assert tuple(episodes.dummy(index)) in draws.index
    # χ²(15): 37.7 is its 99.9 % point
    assert ((draws - 100) ** 2 / 100).sum() < 37.7


def test_moved_episodes_are_dates_that_remember_where_they_came_from():
    prices = walk(0)
    episodes = ReRating.from_relative_strength(prices.tech, prices.market, **SHORT)
    for moved in (episodes.shift(prices.index, 5), episodes.simulate(prices.index, 0)):
        assert moved.definition == "dates"
        assert not moved.by_data
        assert dict(moved.params)["of"] == episodes.sha256
        assert moved.redate(prices.tech, prices.market) is moved
    with pytest.raises(SpecError, match="kind='sideways'"):
        episodes.shift(prices.index, 5, "sideways")
    with pytest.raises(SpecError, match=r"k=1\.5"):
        episodes.shift(prices.index, 1.5)
    with pytest.raises(DataError, match="no spell covers a session"):
        ReRating.press().simulate(pd.bdate_range("2010-01-01", "2011-01-01"), 0)


# --- coverage --------------------------------------------------------------------------------------------


def test_coverage_of_none_or_all_is_refused():
    press = ReRating.press()
    inside = pd.bdate_range("2024-01-01", "2024-12-31")
    with pytest.raises(DataError, match=r"100 % of the 262 sessions from 2024-01-01 to 2024-12-31: nothing is left"):
        check_coverage(press, inside)
    with pytest.raises(DataError, match=r"0 % of the 1,043 sessions.*3 spells run from 2020-03-23 to 2024-12-31"):
        check_coverage(press, pd.bdate_range("2016-01-01", "2019-12-31"))
    with pytest.raises(DataError, match=r"\(down\) cover 0 %"):
        check_coverage(press, pd.bdate_range("2023-01-01", "2024-12-31"), "down")


def test_one_spell_and_silent_days_are_noted():
    assert check_coverage(ReRating.press(), POST).note == ""
    one = check_coverage(ReRating.press(), pd.bdate_range("2023-01-02", "2024-12-31"))
    assert one.spells == 1
    assert "one spell only" in one.note
    assert one.share == one.inside / one.sessions == pytest.approx(0.5, abs=0.01)
    prices = walk(0)
    rule = check_coverage(ReRating.from_relative_strength(prices.tech, prices.market, **SHORT), prices.index)
    assert "says nothing on 41 sessions" in rule.note


# --- circularity -----------------------------------------------------------------------------------------


def test_circularity_shows_where_the_intensity_comes_from():
    rng = np.random.default_rng(0)
    index = pd.bdate_range("2012-01-01", periods=2500)
    volatility = np.exp(0.8 * np.sin(np.arange(2500) / 120))
    tech = volatility * rng.normal(0, 0.01, 2500)
    returns = pd.DataFrame({"tech": tech, "other": rng.normal(0, 0.01, 2500)}, index)
    price = pd.Series(np.exp(tech.cumsum()), index)
    episodes = ReRating.from_relative_strength(price, price * 0 + 1, horizon=63)
    got = episodes.diagnose_circularity(returns)
    table = got.to_frame()
    assert list(table.columns) == ["volatility", "move", "share", "pvalue", "level", "nobs"]
    assert got["share"]["tech"] > 0.5 > 0.1 > got["share"]["other"]
    assert table.level.to_dict() == {"tech": "high", "other": "none"}
    assert got["pvalue"]["tech"] < 0.01
    assert got.level == got.label == got.stated == "high"
    assert not got.understated
    assert got["move"]["tech"] > 0.7
    assert got["volatility"]["tech"] > 0.2
    x = episodes.driver(index)
    v = returns.tech.pow(2).rolling(63).mean().pow(0.5)
    assert got["volatility"]["tech"] == pytest.approx(x.corr(v))
    assert got["nobs"]["tech"] == (x.notna() & v.notna()).sum()
    pd.testing.assert_frame_equal(episodes.diagnose_circularity(returns.tech).to_frame(), table.loc[["tech"]])
    scaled = episodes.diagnose_circularity(returns * 100).to_frame()
    assert (scaled[["volatility", "share"]] - table[["volatility", "share"]]).abs().max().max() < 1e-8
    with pytest.raises(DataError, match="'tech' have 1 missing"):
        episodes.diagnose_circularity(returns.where(returns.tech != tech[5]))
    with pytest.raises(SpecError, match="window=1"):
        episodes.diagnose_circularity(returns, window=1)


# --- identity --------------------------------------------------------------------------------------------


@QUICK
@given(lists())
def test_json_round_trip_of_lists(episodes):
    back = ReRating.from_json(episodes.to_json())
    assert back == episodes
    assert back.sha256 == episodes.sha256
    assert hash(back) == hash(episodes)
    pd.testing.assert_frame_equal(back.spells, episodes.spells)


@pytest.mark.parametrize("with_prices", [False, True])
def test_json_round_trip_of_rules(with_prices):
    prices = walk(4, 600)
    monthly = month_ends(prices)
    for episodes in (
        ReRating.from_relative_strength(prices.tech, prices.market, real_time=True, **SHORT),
        ReRating.from_valuation(
            monthly.tech, monthly.market, prices=(prices.tech, prices.market) if with_prices else None
        ),
    ):
        back = ReRating.from_json(episodes.to_json(indent=1))
        assert back == episodes
        assert_array_equal(back.dummy(prices.index), episodes.dummy(prices.index))
        pd.testing.assert_series_equal(back.intensity, episodes.intensity)
        assert back.params == episodes.params
        assert back.real_time == episodes.real_time
        # the stored spells are those the stored rule gives
        assert Dating(Rule(**dict(back.params)), back.readings).spells() == back.dated


def test_a_changed_record_is_refused():
    record = json.loads(ReRating.press().to_json())
    record["spells"][0]["end"] = "2021-11-30"
    with pytest.raises(DataError, match="changed after it was written"):
        ReRating.from_json(json.dumps(record))
    with pytest.raises(DataError, match="not JSON"):
        ReRating.from_json("{")
    with pytest.raises(DataError, match="not a re-rating record"):
        ReRating.from_json("[]")
    del record["readings"]
    with pytest.raises(DataError, match="has no readings"):
        ReRating.from_json(json.dumps(record))


def test_objects_do_not_change():
    prices = walk(0)
    episodes = ReRating.from_relative_strength(prices.tech, prices.market, **SHORT)
    before = ReRating.from_json(episodes.to_json())
    with pytest.raises(AttributeError):
        episodes.name = "other"
    with pytest.raises(ValueError, match="read-only"):
        episodes.readings.log_ratio[0] = 1.0
    prices.iloc[5:] = 1.0
    table = episodes.spells
    table.loc[0, "sign"] = 9
    assert episodes == before
    assert episodes.sha256 == before.sha256
    given_by_hand = np.zeros(3)
    readings = Readings(np.array(["2020-01-01", "2020-01-02", "2020-01-03"], "datetime64[D]"), given_by_hand)
    given_by_hand[0] = 5.0
    assert readings.log_ratio[0] == 0.0


def test_repr_is_short():
    text = repr(ReRating.press())
    assert text == "<ReRating 'press 2025-01-30': press, 3 spells, 2020-03-23 → 2024-12-31, 28aa6c75>"
    assert "<table" in ReRating.press()._repr_html_()
    assert ReRating.press() != "press"


# --- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.iloc[::-1], "not sorted"),
        (lambda s: pd.concat([s.iloc[:1], s]), "1 duplicate dates, the first is 2018-01-01"),
        (lambda s: s.where(s.index != s.index[4]), "1 values that are missing, infinite or not positive.*2018-01-05"),
        (lambda s: s - s.iloc[2], "not positive"),
        (lambda s: s.astype(str) + "x", "not numeric"),
        (lambda s: s.tz_localize("America/New_York"), "time zone America/New_York"),
        (lambda s: s.reset_index(drop=True), "need a DatetimeIndex"),
        (lambda s: s.to_period("D"), "need a DatetimeIndex"),
        (lambda s: s.iloc[:0], "is empty"),
        (lambda s: s.iloc[1:], "differ on 1 dates.*2018-01-01"),
        (lambda s: s.to_list(), "must be a Series"),
        (lambda s: s.set_axis(s.index[:1].append(s.index[:-1] + pd.Timedelta("6h"))), "several rows on 2018-01-01"),
    ],
)
def test_bad_series_are_named(spoil, message):
    prices = walk(0)
    for build in (ReRating.from_relative_strength, ReRating.from_valuation):
        with pytest.raises(DataError, match=message):
            build(spoil(prices.tech), prices.market)


def test_samples_too_short_or_without_moves_are_refused():
    prices = walk(0, 300)
    with pytest.raises(DataError, match=r"299 sessions.*horizon 126 \+ min_history 252 \+ lag 1 = 379"):
        ReRating.from_relative_strength(prices.tech, prices.market)
    with pytest.raises(DataError, match="longer history"):
        ReRating.from_relative_strength(prices.tech, prices.market, horizon=1000)
    with pytest.raises(DataError, match=r"days.*horizon 182 \+ min_history 364"):
        ReRating.from_valuation(prices.tech, prices.market)
    with pytest.raises(DataError, match="constant or stale"):
        ReRating.from_relative_strength(prices.tech, prices.tech, **SHORT)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"quantile": 1.0}, "quantile=1.0"),
        ({"quantile": 0.0}, "quantile=0.0"),
        ({"quantile": "high"}, "quantile='high'"),
        ({"horizon": 0}, "horizon=0 sessions is too short"),
        ({"horizon": 12.5}, "horizon=12.5"),
        ({"horizon": "26W"}, "whole number of sessions"),
        ({"merge": -1}, "merge=-1"),
        ({"real_time": "yes"}, "real_time='yes'"),
        ({"real_time": True, "lag": 0}, "lag of at least one"),
        ({"name": ""}, "name=''"),
    ],
)
def test_bad_choices_are_named(choice, message):
    prices = walk(0)
    with pytest.raises(SpecError, match=message):
        ReRating.from_relative_strength(prices.tech, prices.market, **{**SHORT, **choice})


@pytest.mark.parametrize("length", ["1M", "fortnight", "36h", None])
def test_calendar_lengths_are_whole_days(length):
    prices = walk(0, 600)
    with pytest.raises(SpecError, match="horizon="):
        ReRating.from_valuation(prices.tech, prices.market, horizon=length)


@pytest.mark.parametrize(
    ("spells", "message"),
    [
        ([("2020-02-01", "2020-01-01")], "2020-02-01 → 2020-01-01 ends before it starts"),
        (
            [("2020-01-01", "2020-02-01"), ("2020-02-01", "2020-03-01")],
            "2020-01-01 → 2020-02-01 and 2020-02-01 → 2020-03-01 overlap",
        ),
        ([("2020-01-01", "2020-02-01", 2)], "sign 2"),
        ([("2020-01-01", "soon")], "'soon', which is not a date"),
        ([("01.05.2020", "01.06.2020")], "spell 0: start is '01.05.2020': is the day or the month first"),
        ([("2020-01-01", "5/6/20")], "is the day or the month first"),
        ([("2020-01-01", None)], "missing"),
        ([("2020-01-01", "2020-02-01 16:00")], "whole days"),
        ([("2020-01-01", pd.Timestamp("2020-02-01", tz="UTC"))], "time zone"),
        ([("2020-01-01",)], "a spell is"),
        (["2020-01-01"], "a spell is"),
        ([], "no spells"),
        (pd.DataFrame({"from": ["2020-01-01"]}), r"no column \['start', 'end'\]"),
    ],
)
def test_bad_spells_are_named(spells, message):
    with pytest.raises(DataError, match=message):
        ReRating.from_dates(spells)


def test_bad_questions_are_named():
    press = ReRating.press()
    with pytest.raises(SpecError, match="side='left'"):
        press.dummy(SESSIONS, "left")
    with pytest.raises(DataError, match="tz_localize"):
        press.dummy(SESSIONS.tz_localize("UTC"))
    with pytest.raises(DataError, match="missing dates"):
        press.dummy(SESSIONS.insert(3, pd.NaT))
    with pytest.raises(DataError, match="several rows"):
        press.shift(pd.date_range("2020-01-01", periods=96, freq="h"), 1)
    with pytest.raises(SpecError, match="circularity='some'"):
        ReRating.from_dates([("2020-01-01", "2020-02-01")], circularity="some")
