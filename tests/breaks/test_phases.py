"""Market phases against a second implementation, constructed series, and what every dating must satisfy."""

from __future__ import annotations

import json
import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.datasets import macrodata

from cryptoequity.breaks.phases import BryBoschan, LundeTimmermann, PaganSossounov, PhasesFit
from cryptoequity.breaks.turning_points import centered_average, cyclical_dominance, replace_extremes, smooth
from cryptoequity.errors import DataError, SpecError
from cryptoequity.kernels.phases import extremes


def walk(seed: int, nobs: int, sd: float = 0.05) -> np.ndarray:
    return 100.0 * np.exp(np.cumsum(sd * np.random.default_rng(seed).standard_normal(nobs)))


def zigzag(turns: list[tuple[int, float]]) -> np.ndarray:
    """Prices on straight lines of their logarithm through (row, price)."""
    rows, prices = zip(*turns, strict=True)
    return np.exp(np.interp(np.arange(rows[-1] + 1), rows, np.log(prices)))


# --- a second implementation, on lists


def local_extremes(y, w):
    found = []
    for t in range(w, len(y) - w):
        before, after = y[t - w : t], y[t + 1 : t + w + 1]
        if max(before) < y[t] and max(after) <= y[t]:
            found.append((t, 1))
        elif min(before) > y[t] and min(after) >= y[t]:
            found.append((t, -1))
    return found


def alternate(y, turns):
    out = []
    for row, kind in turns:
        if out and out[-1][1] == kind:
            if kind * y[row] > kind * y[out[-1][0]]:
                out[-1] = (row, kind)
        else:
            out.append((row, kind))
    return out


def by_hand(prices, w, edge, phase, cycle, override):
    """Censoring by dropping single turns and letting the alternation choose, rather than by swings."""
    y = np.log(prices)
    margin = max(w, edge)
    turns = [one for one in local_extremes(y, w) if margin <= one[0] < len(y) - margin]
    turns = alternate(y, turns)
    while turns:
        while turns and any(turns[0][1] * v > turns[0][1] * y[turns[0][0]] for v in y[: turns[0][0]]):
            turns.pop(0)
        while turns and any(turns[-1][1] * v > turns[-1][1] * y[turns[-1][0]] for v in y[turns[-1][0] + 1 :]):
            turns.pop()
        swing = [abs(y[b[0]] - y[a[0]]) for a, b in pairwise(turns)]
        short = [
            (c[0] - a[0], min(swing[i], swing[i + 1]), i)
            for i, (a, c) in enumerate(zip(turns, turns[2:], strict=False))
            if c[0] - a[0] < cycle
        ]
        if short:
            i = min(short)[2]
            kind = turns[i][1]
            worse = i if kind * y[turns[i + 2][0]] > kind * y[turns[i][0]] else i + 2
            turns = alternate(y, turns[:worse] + turns[worse + 1 :])
            continue
        wrong = [i for i, (a, b) in enumerate(pairwise(turns)) if b[1] * (y[b[0]] - y[a[0]]) <= 0]
        brief = [
            (b[0] - a[0], swing[i], i)
            for i, (a, b) in enumerate(pairwise(turns))
            if b[0] - a[0] < phase and abs(prices[b[0]] / prices[a[0]] - 1) <= override
        ]
        if not wrong and not brief:
            break
        i = wrong[0] if wrong else min(brief)[2]
        # of the ways to end with two turns less, the one that leaves the widest swing between neighbors
        if len(turns) == 2:
            return []
        options = []
        for gone in ([i - 1, i], [i, i + 1], [i + 1, i + 2]):
            if gone[0] < 0 or gone[1] >= len(turns):
                continue
            size = turns[gone[1]][1] * (y[turns[gone[1]][0]] - y[turns[gone[0]][0]])
            options.append((size, gone))
        middle = turns[i + 1][1] * (y[turns[i + 1][0]] - y[turns[i][0]])
        size, gone = min(options, key=lambda one: (one[0], one[1] == [i, i + 1]))
        if size >= middle:
            gone = [0] if i == 0 else [len(turns) - 1] if i + 2 == len(turns) else [i, i + 1]
        turns = [one for k, one in enumerate(turns) if k not in gone]
    return turns


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("override", [0.2, None])
def test_pagan_sossounov_equals_the_rules_applied_to_lists(seed, override):
    prices = walk(seed, 400)
    spec = PaganSossounov(window=4, min_phase=4, min_cycle=12, override=override, edge=3, frequency=None)
    fit = spec.fit(prices)
    expected = by_hand(prices, 4, 3, 4, 12, np.inf if override is None else override)
    assert list(zip(fit.rows, fit.dated.kinds.tolist(), strict=True)) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 6), st.integers(4, 16), st.integers(0, 8))
def test_what_every_dating_satisfies(seed, window, phase, cycle, edge):
    prices = walk(seed, 250)
    fit = PaganSossounov(window, phase, cycle, None, edge, None).fit(prices)
    rows, kinds = np.array(fit.rows), fit.dated.kinds
    assert (np.diff(kinds) != 0).all()
    if len(rows):
        assert rows.min() >= max(window, edge)
        assert rows.max() < 250 - max(window, edge)
        assert kinds[0] * prices[rows[0]] >= (kinds[0] * prices[: rows[0]]).max()
        assert kinds[-1] * prices[rows[-1]] >= (kinds[-1] * prices[rows[-1] :]).max()
    assert (np.diff(rows) >= phase).all()
    assert (rows[2:] - rows[:-2] >= cycle).all()
    assert (kinds[1:] * np.diff(prices[rows]) > 0).all()  # prices rise into a peak and fall into a trough
    again = PaganSossounov(window, phase, cycle, None, edge, None).fit(17.0 * prices)
    assert again.rows == fit.rows


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_a_series_read_backward_turns_at_the_same_rows(seed):
    prices = walk(seed, 300)
    spec = PaganSossounov(4, 4, 12, None, 3, None)
    there, back = spec.fit(prices), spec.fit(prices[::-1].copy())
    assert tuple(299 - row for row in back.rows[::-1]) == there.rows
    mirrored = spec.fit(1e4 / prices)  # peaks become troughs
    assert mirrored.rows == there.rows
    assert mirrored.kinds == tuple({"peak": "trough", "trough": "peak"}[kind] for kind in there.kinds)


def test_of_equal_prices_the_first_turns():
    y = np.array([0.0, 1, 2, 3, 3, 3, 2, 1, 0, 0, 1, 2])
    assert np.flatnonzero(extremes(y, 2) == 1).tolist() == [3]
    assert np.flatnonzero(extremes(y, 2) == -1).tolist() == [8]
    assert not extremes(np.ones(30), 3).any()


# --- constructed series


def test_a_zigzag_is_dated_exactly():
    prices = zigzag([(0, 100), (30, 200), (50, 120), (90, 300), (110, 150), (140, 250)])
    index = pd.date_range("2000-01-31", periods=len(prices), freq="ME")
    fit = PaganSossounov().fit(pd.Series(prices, index, name="stock"))
    assert fit.rows == (30, 50, 90, 110)
    assert fit.kinds == ("peak", "trough", "peak", "trough")
    assert fit.positions == (31, 51, 91, 111)
    assert list(fit.last_dates) == [index[i] for i in (30, 50, 90, 110)]
    assert list(fit.break_dates) == [index[i] for i in (31, 51, 91, 111)]
    phases = fit.phases
    assert phases["kind"].tolist() == ["bull", "bear", "bull", "bear", "bull"]
    assert phases["duration"].tolist() == [30, 20, 40, 20, 30]
    np.testing.assert_allclose(phases["amplitude"], [1.0, -0.4, 1.5, -0.5, 2 / 3], atol=1e-12)
    assert phases["complete"].tolist() == [False, True, True, True, False]
    assert phases["start"].tolist() == [index[0], *fit.break_dates]
    assert phases["end"].tolist() == [*fit.last_dates, index[-1]]
    assert (fit.turning_points["lag"] == 8).all()  # a full window after the turn
    assert fit.turning_points["known_on"].tolist() == [index[i + 8] for i in fit.rows]
    assert fit.state.iloc[30] == "bull"  # the peak belongs to the rise
    assert fit.state.iloc[31] == "bear"
    assert fit.closing == "bull"
    assert fit.averages.loc["bear", "duration"] == 20
    assert fit.averages.loc["bull", "phases"] == 1
    assert fit.labels.iloc[[0, 31, 140]].tolist() == [1, 2, 5]


def test_short_phases_go_unless_prices_move_far():
    # a fall of three months by 15 % or by 30 % within a long rise
    for depth, survives in ((0.85, False), (0.70, True)):
        prices = zigzag([(0, 100), (30, 200), (33, 200 * depth), (70, 400), (100, 200), (130, 300)])
        spec = PaganSossounov(window=2, edge=2, frequency=None)
        assert ((30 in spec.fit(prices).rows) and (33 in spec.fit(prices).rows)) is survives
        never = PaganSossounov(window=2, edge=2, override=None, frequency=None).fit(prices)
        assert 33 not in never.rows


def test_short_cycles_lose_the_lower_peak():
    prices = zigzag([(0, 100), (30, 200), (36, 150), (42, 220), (80, 100), (110, 150)])
    fit = PaganSossounov(window=3, edge=3, frequency=None).fit(prices)
    assert fit.rows == (42, 80)
    assert PaganSossounov(window=3, edge=3, min_cycle=12, frequency=None).fit(prices).rows == (30, 36, 42, 80)


def test_a_trend_has_no_turn():
    fit = PaganSossounov(frequency=None).fit(np.exp(0.01 * np.arange(100)))
    assert fit.rows == ()
    assert fit.closing == ""
    assert fit.state.isna().all()
    assert len(fit.phases) == 1
    assert fit.phases["kind"].tolist() == [""]
    assert "No turning point." in str(fit.summary())
    assert fit.to_dict()["turning_points"] == []
    assert len(fit.turning_points) == 0
    assert len(fit.averages) == 0


# --- what was known when


@pytest.mark.parametrize("spec", [PaganSossounov(4, 4, 12, 0.2, 3, None), BryBoschan(), LundeTimmermann(0.2, 0.15)])
def test_known_on_is_when_the_turn_came_to_stay(spec):
    prices = walk(5, 160)
    fit = spec.fit(prices)
    assert fit.rows
    for row, kind, known in zip(fit.rows, fit.kinds, fit.known_rows, strict=True):
        assert known > row
        for last in range(known, 160):
            shorter = spec.fit(prices[: last + 1])
            assert (row, kind) in set(zip(shorter.rows, shorter.kinds, strict=True))
        try:
            before = spec.fit(prices[:known])
        except DataError:
            continue
        assert (row, kind) not in set(zip(before.rows, before.kinds, strict=True))


# --- Lunde and Timmermann


def filter_by_hand(prices, up, down):
    """First passages: the first row, after the last turn was known, at which the next move is complete."""
    turns, start, known, state = [], 0, 0, 0
    while True:
        ahead = range(known + 1, len(prices))
        falls = [t for t in ahead if prices[t] <= (1 - down) * prices[start : t + 1].max()]
        rises = [t for t in ahead if prices[t] >= (1 + up) * prices[start : t + 1].min()]
        fall = falls[0] if falls and state >= 0 else len(prices)
        rise = rises[0] if rises and state <= 0 else len(prices)
        known = min(fall, rise)
        if known == len(prices):
            return turns, state
        part = prices[start : known + 1]
        start += int(np.argmax(part) if fall < rise else np.argmin(part))
        state = -1 if fall < rise else 1
        if start > 0:
            turns.append((start, -state, known))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.6), st.floats(0.05, 0.5))
def test_lunde_timmermann_equals_its_first_passages(seed, up, down):
    prices = walk(seed, 300, 0.04)
    fit = LundeTimmermann(up, down).fit(prices)
    expected, state = filter_by_hand(prices, up, down)
    assert list(zip(fit.rows, fit.dated.kinds.tolist(), fit.known_rows, strict=True)) == expected
    assert fit.dated.closing == state
    whole = fit.phases[fit.phases["complete"].astype(bool)]
    assert (whole.loc[whole["kind"] == "bull", "amplitude"] >= up - 1e-12).all()
    assert (whole.loc[whole["kind"] == "bear", "amplitude"] <= -down + 1e-12).all()
    assert LundeTimmermann(up, down).fit(prices * 8.0).rows == fit.rows  # a power of two: exact


def test_lunde_timmermann_by_rows():
    fit = LundeTimmermann(up=0.2, down=0.15).fit([100.0, 110, 121, 100, 90, 100, 109, 120])
    assert fit.rows == (2, 4)
    assert fit.known_rows == (3, 6)
    assert fit.phases["kind"].tolist() == ["bull", "bear", "bull"]
    still = LundeTimmermann(0.5, 0.5).fit([100.0, 110, 121, 100, 90])
    assert still.rows == ()
    assert still.closing == ""
    falling = LundeTimmermann(0.2, 0.15).fit([100.0, 90, 80, 70])
    assert falling.rows == ()  # the first price is no peak
    assert falling.closing == "bear"
    assert (falling.state == "bear").all()


# --- Bry and Boschan


def gdp() -> pd.Series:
    data = macrodata.load_pandas().data
    index = pd.PeriodIndex.from_fields(year=data["year"].astype(int), quarter=data["quarter"].astype(int), freq="Q")
    return data["realgdp"].set_axis(index)


def test_quarterly_dates_of_united_states_output():
    """Within two quarters of the committee's dates but for 2001, when output did not fall two quarters running."""
    fit = BryBoschan().fit(gdp())
    committee = ["1960Q2", "1969Q4", "1973Q4", "1980Q1", "1981Q3", "1990Q3", "2007Q4"]
    lows = ["1961Q1", "1970Q4", "1975Q1", "1980Q3", "1982Q4", "1991Q1"]
    assert len(fit.peaks) == len(committee)
    for ours, theirs in zip(fit.peaks, pd.PeriodIndex(committee, freq="Q"), strict=True):
        assert abs((ours - theirs).n) <= 2
    assert len(fit.troughs) == len(lows)
    for ours, theirs in zip(fit.troughs, pd.PeriodIndex(lows, freq="Q"), strict=True):
        assert abs((ours - theirs).n) <= 3
    # Harding and Pagan (2002) print these peaks of output
    assert [str(one) for one in fit.peaks[:6]] == ["1960Q1", "1969Q3", "1973Q4", "1980Q1", "1981Q3", "1990Q2"]
    assert (fit.turning_points["lag"] == 2).all()


def test_monthly_program_follows_a_cycle_through_noise():
    t = np.arange(240)
    rng = np.random.default_rng(3)
    clean = 100 * np.exp(0.1 * np.sin(2 * np.pi * t / 60))
    noisy = clean * np.exp(0.003 * rng.standard_normal(240))
    noisy[100] *= 1.5  # an extreme value, to be replaced before anything is dated
    index = pd.date_range("1990-01-31", periods=240, freq="ME")
    fit = BryBoschan("monthly").fit(pd.Series(noisy, index))
    peaks = np.array([row for row, kind in zip(fit.rows, fit.kinds, strict=True) if kind == "peak"])
    troughs = np.array([row for row, kind in zip(fit.rows, fit.kinds, strict=True) if kind == "trough"])
    np.testing.assert_allclose(peaks, [15, 75, 135, 195], atol=4)
    np.testing.assert_allclose(troughs, [45, 105, 165, 225], atol=5)
    raw = BryBoschan("monthly", smooth=False).fit(pd.Series(noisy, index))
    assert 100 in raw.rows  # without the averages the extreme is a peak


def test_averages_of_the_program():
    cubic = 5.0 + np.arange(60.0) - 0.02 * np.arange(60.0) ** 2 + 1e-4 * np.arange(60.0) ** 3
    curve = smooth(cubic, np.array([-3.0, -6, -5, 3, 21, 46, 67, 74, 67, 46, 21, 3, -5, -6, -3]) / 320)
    np.testing.assert_allclose(curve[7:-7], cubic[7:-7])  # Spencer's formula keeps cubics
    line = np.arange(40.0)
    for order in (3, 4, 5, 6, 12):
        np.testing.assert_allclose(centered_average(line, order)[6:-6], line[6:-6])
    season = np.tile(np.arange(12.0), 5)
    np.testing.assert_allclose(centered_average(season, 12)[6:-6], 5.5)
    assert cyclical_dominance(np.exp(np.sin(np.arange(200) / 20))) == 1
    jagged = np.exp(0.05 * np.sin(np.arange(200) / 20) + 0.02 * (-1.0) ** np.arange(200))
    assert cyclical_dominance(jagged) == 2
    spike = np.full(80, 100.0) + np.sin(np.arange(80))
    spike[40] = 200
    assert replace_extremes(spike)[40] < 160
    np.testing.assert_array_equal(np.delete(replace_extremes(spike), 40), np.delete(spike, 40))


# --- input and output


def test_what_cannot_be_dated_is_refused():
    monthly = pd.Series(walk(1, 100), pd.date_range("2000-01-31", periods=100, freq="ME"), name="P")
    daily = monthly.set_axis(pd.bdate_range("2000-01-03", periods=100))
    with pytest.raises(DataError, match=r"1 days apart.*resample\('ME'\)"):
        PaganSossounov().fit(daily)
    with pytest.raises(DataError, match=r"resample\('QE'\)"):
        BryBoschan().fit(monthly)
    with pytest.raises(DataError, match=r"'P' is -0\.01.*not returns"):
        LundeTimmermann().fit(monthly.pct_change().fillna(0.01).mask(monthly.index == monthly.index[3], -0.01) + 0.0)
    with pytest.raises(DataError, match="constant"):
        LundeTimmermann().fit(np.full(50, 3.0))
    holed = monthly.copy()
    holed.iloc[7] = np.nan
    with pytest.raises(DataError, match="missing or infinite"):
        PaganSossounov().fit(holed)
    with pytest.raises(DataError, match="at least 17 are needed"):
        PaganSossounov().fit(monthly.iloc[:16])
    with pytest.raises(DataError, match="at least 36 are needed"):
        BryBoschan("monthly").fit(monthly.iloc[:30])
    for bad in ({"window": 0}, {"min_phase": 1.5}, {"edge": -1}, {"override": -0.2}, {"frequency": "weekly"}):
        with pytest.raises(SpecError):
            PaganSossounov(**bad)
    for up, down in ((0.0, 0.1), (0.2, 1.0), (np.nan, 0.1)):
        with pytest.raises(SpecError, match="positive shares"):
            LundeTimmermann(up, down)
    with pytest.raises(SpecError, match="days=0"):
        PaganSossounov.daily(0)
    with pytest.raises(SpecError, match="min_cycle=1"):
        BryBoschan(min_cycle=1)


def test_levels_are_what_is_wanted_and_no_warning_comes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = PaganSossounov.daily(30).fit(walk(2, 1500, 0.03))
    assert fit.spec.window == 240
    assert isinstance(fit, PhasesFit)


def test_results_print_serialize_and_cite():
    fit = PaganSossounov().fit(pd.Series(walk(8, 300), pd.date_range("1990-01-31", periods=300, freq="ME"), name="X"))
    text = str(fit)
    assert "end known on" in text
    assert "was not known before" in text
    content = json.loads(json.dumps(fit.to_dict()))
    assert len(content["phases"]) == len(content["turning_points"]) + 1
    assert content["options"]["window"] == 8
    assert "pagansossounov2003" in fit.cite()
    pd.testing.assert_frame_equal(fit.to_frame(), fit.phases)
    assert fit.spans["nobs"].sum() == 300
    assert sum(fit.phases["duration"]) == 299
    assert "hardingpagan2002" in BryBoschan().fit(gdp()).cite()
    assert "lundetimmermann2004" in LundeTimmermann().fit(gdp()).cite()
