import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.data import at_close, to_returns
from cryptoequity.errors import DataError, SpecError


def clocked(start="2024-02-26", end="2024-04-06", step="1h"):
    """Each price is the hours since 2000 at which its bar starts: the price tells which bar was taken."""
    index = pd.date_range(start, end, freq=step, tz="UTC", name="date")
    hours = np.asarray((index - pd.Timestamp("2000-01-01", tz="UTC")) / pd.Timedelta("1h"))
    return pd.DataFrame({"BTC": hours}, index=index)


def hour_of(stamp):
    return (pd.Timestamp(stamp, tz="UTC") - pd.Timestamp("2000-01-01", tz="UTC")) / pd.Timedelta("1h")


SESSIONS = pd.DatetimeIndex(["2024-03-08", "2024-03-11", "2024-03-28"])


def test_daylight_saving_and_labels():
    by_start = at_close(clocked(), SESSIONS)
    # 16:00 New York is 21:00 UTC before 10 March and 20:00 UTC after; a bar stamped 20:00 closes at 21:00
    assert by_start.loc[pd.Timestamp("2024-03-08"), "BTC"] == hour_of("2024-03-08 20:00")
    assert by_start.loc[pd.Timestamp("2024-03-11"), "BTC"] == hour_of("2024-03-11 19:00")
    by_end = at_close(clocked(), SESSIONS, label="end")
    assert by_end.loc[pd.Timestamp("2024-03-08"), "BTC"] == hour_of("2024-03-08 21:00")
    assert by_start.index.tz is None
    assert by_start.index.name == "date"
    assert "16:00 America/New_York" in by_start.attrs["cryptoequity"]["close"]
    assert "start" in by_start.attrs["cryptoequity"]["close"]


def test_any_time_zone_of_the_bars_gives_the_same():
    tokyo = clocked().tz_convert("Asia/Tokyo")
    pd.testing.assert_frame_equal(at_close(tokyo, SESSIONS), at_close(clocked(), SESSIONS))
    pd.testing.assert_frame_equal(
        at_close(clocked()["BTC"], SESSIONS.tz_localize("America/New_York")), at_close(clocked(), SESSIONS)
    )


def test_early_closes_from_the_exchange_calendar():
    pytest.importorskip("exchange_calendars")
    bars = clocked("2024-11-25", "2024-12-27")
    days = pd.DatetimeIndex(["2024-11-27", "2024-11-29", "2024-12-24"])
    auto = at_close(bars, days)
    assert auto["BTC"].tolist() == [
        hour_of("2024-11-27 20:00"),
        hour_of("2024-11-29 17:00"),
        hour_of("2024-12-24 17:00"),
    ]
    given_times = at_close(bars, days, early_closes={"2024-11-29": "13:00", pd.Timestamp("2024-12-24"): "13:00"})
    pd.testing.assert_frame_equal(auto, given_times)
    assert "as given" in given_times.attrs["cryptoequity"]["close"]
    never = at_close(bars, days, early_closes=None)
    assert never["BTC"].iloc[1] == hour_of("2024-11-29 20:00")
    with pytest.raises(DataError, match=r"2024-11-28 is no session of the New York Stock Exchange \(1 such dates\)"):
        at_close(bars, pd.DatetimeIndex(["2024-11-27", "2024-11-28"]))


def test_without_exchange_calendars_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "exchange_calendars", None)
    with pytest.raises(ImportError, match=r"cryptoequity\[data\].*mapping.*None"):
        at_close(clocked(), SESSIONS)
    at_close(clocked(), SESSIONS, early_closes=None)


def test_another_exchange():
    frankfurt = at_close(clocked(), SESSIONS, tz="Europe/Berlin", close="17:30", early_closes=None)
    assert frankfurt["BTC"].iloc[0] == hour_of("2024-03-08 15:00")  # 16:30 UTC: the last full bar ended at 16:00
    with pytest.raises(SpecError, match=r"knows the New York Stock Exchange.*not 17:30 Europe/Berlin; pass a mapping"):
        at_close(clocked(), SESSIONS, tz="Europe/Berlin", close="17:30")


def test_old_bars_are_refused_or_blank():
    bars = clocked()
    gap = bars.drop(bars.loc["2024-03-11 15:00":"2024-03-11 22:00"].index)
    with pytest.raises(
        DataError,
        match=r"'BTC' has no bar within 0 days 01:00:00 before the close of session 2024-03-11 "
        r"\(2024-03-11 16:00:00-04:00\): the last one ended 0 days 05:00:00 earlier "
        r"\(1 of 3 sessions\).*on_missing='nan'",
    ):
        at_close(gap, SESSIONS)
    blank = at_close(gap, SESSIONS, on_missing="nan")
    assert blank["BTC"].isna().tolist() == [False, True, False]
    old = at_close(gap, SESSIONS, max_age="6h")
    assert old["BTC"].iloc[1] == hour_of("2024-03-11 14:00")
    with pytest.raises(DataError, match=r"there is none before it \(2 of 5 sessions\)"):
        at_close(bars, pd.bdate_range("2024-02-22", "2024-02-28"))


def test_a_blank_bar_is_not_a_price():
    bars = clocked()
    bars.loc["2024-03-08 20:00", "BTC"] = np.nan
    assert at_close(bars, SESSIONS)["BTC"].iloc[0] == hour_of("2024-03-08 19:00")


def test_bar_length():
    halves = clocked(step="30min")
    assert at_close(halves, SESSIONS)["BTC"].iloc[0] == hour_of("2024-03-08 20:30")
    assert at_close(halves, SESSIONS, bar="1h")["BTC"].iloc[0] == hour_of("2024-03-08 20:00")
    rng = np.random.default_rng(3)
    ragged = halves[rng.random(len(halves)) < 0.5]
    with pytest.raises(DataError, match=r"irregular steps \(the most common one, 0 days 00:30:00, makes up .*bar="):
        at_close(ragged, SESSIONS, max_age="1D")
    with pytest.raises(DataError, match=r"2 rows, too few to see the length of a bar; pass bar="):
        at_close(halves.iloc[:2], SESSIONS)


@pytest.mark.parametrize(
    ("kw", "error", "message"),
    [
        ({"label": "middle"}, SpecError, r"label='middle'"),
        ({"on_missing": "drop"}, SpecError, r"on_missing='drop'"),
        ({"tz": "New York", "early_closes": None}, SpecError, r"tz='New York' is no time zone"),
        ({"close": "4pm", "early_closes": None}, SpecError, r"'4pm' is no clock time; write it as '16:00'"),
        ({"early_closes": "often"}, SpecError, r"early_closes='often'"),
    ],
)
def test_bad_choices(kw, error, message):
    with pytest.raises(error, match=message):
        at_close(clocked(), SESSIONS, **kw)


def test_bad_input():
    with pytest.raises(DataError, match=r"2024-03-10 02:30:00 happened twice or never in America/New_York"):
        at_close(clocked(), pd.DatetimeIndex(["2024-03-10"]), close="02:30", early_closes=None)
    with pytest.raises(DataError, match=r"no time zone.*tz_localize\('UTC'\)"):
        at_close(clocked().tz_localize(None), SESSIONS)
    with pytest.raises(SpecError, match=r"sessions must be a DatetimeIndex"):
        at_close(clocked(), ["2024-03-08"])
    with pytest.raises(DataError, match=r"has a clock time; use sessions.normalize"):
        at_close(clocked(), SESSIONS + pd.Timedelta("16h"))
    with pytest.raises(DataError, match=r"sorted and unique"):
        at_close(clocked(), SESSIONS[::-1])
    with pytest.raises(DataError, match=r"sessions are empty"):
        at_close(clocked(), SESSIONS[:0])


@settings(max_examples=20, deadline=None)
@given(shift=st.integers(0, 23), seed=st.integers(0, 1000))
def test_the_last_bar_is_never_in_the_future(shift, seed):
    days = pd.bdate_range("2024-03-01", "2024-03-28")
    close = f"{shift:02d}:00"
    if shift == 2:  # does not exist on the day the clocks change, which is a Sunday: no session
        close = "02:30"
    bars = clocked()
    taken = at_close(bars, days, close=close, early_closes=None)["BTC"]
    instants = (days + pd.Timedelta(hours=shift, minutes=30 * (shift == 2))).tz_localize("America/New_York")
    hours = np.asarray((instants - pd.Timestamp("2000-01-01", tz="UTC")) / pd.Timedelta("1h"))
    assert (taken.to_numpy() + 1 <= hours).all()
    assert (taken.to_numpy() + 2 > hours).all()


def test_sampled_closes_join_equities():
    rng = np.random.default_rng(2)
    index = pd.date_range("2021-01-01", "2022-06-30", freq="h", tz="UTC")
    bars = pd.DataFrame({"BTC": 3e4 * np.exp(np.cumsum(rng.standard_normal(len(index)) * 0.007))}, index=index)
    days = pd.bdate_range("2021-01-04", "2022-06-29", name="date")
    equity = pd.DataFrame({"QQQ": 300 * np.exp(np.cumsum(rng.standard_normal(len(days)) * 0.012))}, index=days)
    sampled = at_close(bars, days, early_closes=None)
    returns = to_returns(equity.join(sampled), close=sampled.attrs["cryptoequity"]["close"])
    assert len(returns) == len(days) - 1
    assert "16:00 America/New_York" in returns.attrs["cryptoequity"]["close"]
    assert (
        to_returns(sampled.assign(ETH=sampled["BTC"] ** 0.5 * equity["QQQ"]))
        .attrs["cryptoequity"]["close"]
        .startswith("last price")
    )
