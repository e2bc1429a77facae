import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.data import read_prices, to_returns
from cryptoequity.errors import DataError, SpecError

ROOT = Path(__file__).parents[2]


def world(seed=0, days=460, crypto=("BTC",), equities=("QQQ", "SPY"), start="2020-01-01"):
    """Coins seven days a week, equities on weekdays except one Wednesday in twenty-five."""
    rng = np.random.default_rng(seed)
    dates = pd.date_range(start, periods=days, name="date")
    names = [*crypto, *equities]
    steps = rng.standard_normal((days, len(names))) * np.where(np.arange(len(names)) < len(crypto), 3.0, 1.2)
    prices = pd.DataFrame(100 * np.exp(np.cumsum(steps, axis=0) / 100), index=dates, columns=names)
    closed = (dates.dayofweek >= 5) | (np.arange(days) % 175 == 7)
    prices.loc[closed, list(equities)] = np.nan
    return prices


def refuse(prices, message, error=DataError, **kw):
    with pytest.raises(error, match=message):
        to_returns(prices, **kw)


def test_weekends_are_compounded_into_the_next_session():
    prices = world()
    returns = to_returns(prices)
    monday = pd.Timestamp("2020-01-13")
    friday = pd.Timestamp("2020-01-10")
    expected = 100 * np.log(prices.loc[monday, "BTC"] / prices.loc[friday, "BTC"])
    assert returns.loc[monday, "BTC"] == pytest.approx(expected, abs=1e-12)
    assert returns.index.equals(prices["QQQ"].dropna().index[1:])
    assert returns.index.name == "date"


def test_weekend_drop_starts_on_the_eve():
    prices = world()
    drop, keep = to_returns(prices, weekend="drop"), to_returns(prices)
    monday, sunday = pd.Timestamp("2020-01-13"), pd.Timestamp("2020-01-12")
    expected = 100 * np.log(prices.loc[monday, "BTC"] / prices.loc[sunday, "BTC"])
    assert drop.loc[monday, "BTC"] == pytest.approx(expected, abs=1e-12)
    pd.testing.assert_frame_equal(drop[["QQQ", "SPY"]], keep[["QQQ", "SPY"]])
    plain = keep.index[1:][np.diff(keep.index) == pd.Timedelta(days=1)]
    np.testing.assert_allclose(drop.loc[plain, "BTC"], keep.loc[plain, "BTC"])
    assert drop.attrs["cryptoequity"]["weekend"] == "drop"


def test_the_policy_travels_as_json():
    policy = to_returns(world()).attrs["cryptoequity"]
    assert json.loads(json.dumps(policy)) == policy
    assert policy["sessions"] == "QQQ"
    assert policy["equities"] == ["QQQ", "SPY"]
    assert policy["crypto"] == ["BTC"]
    assert (policy["first"], policy["last"]) == ("2020-01-01", "2021-04-02")
    assert policy["unit"] == "percent log"
    assert policy["span"] == "equal"
    assert policy["rows_dropped"] == 0
    assert policy["n"] == len(to_returns(world()))
    assert "UTC" in policy["close"]
    assert to_returns(world(), close="all at 16:00").attrs["cryptoequity"]["close"] == "all at 16:00"
    assert to_returns(world(), scale=1e4).attrs["cryptoequity"]["unit"] == "10000 x log"


def test_without_weekends_every_column_shares_the_sessions():
    prices = world().dropna()
    returns = to_returns(prices)
    assert len(returns) == len(prices) - 1
    assert returns.attrs["cryptoequity"]["crypto"] == []
    refuse(prices, r"weekend='drop' has nothing to drop.*equities=", weekend="drop")
    refuse(prices, r"needs the close of 'BTC' on the day before.*2020-01-05", weekend="drop", equities=["QQQ", "SPY"])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), factor=st.floats(1e-3, 1e3))
def test_returns_add_up_scale_and_permute(seed, factor):
    prices = world(seed, crypto=("BTC", "ETH"))
    returns = to_returns(prices)
    sessions = prices["QQQ"].dropna().index
    total = 100 * np.log(prices.loc[sessions[-1]] / prices.loc[sessions[0]])
    np.testing.assert_allclose(returns.sum(), total, atol=1e-9)
    np.testing.assert_allclose(to_returns(prices * factor), returns, atol=1e-9)
    order = list(np.random.default_rng(seed).permutation(prices.columns))
    pd.testing.assert_frame_equal(to_returns(prices[order]), returns[order])


def test_the_longest_equity_gives_the_sessions():
    prices = world()
    prices.loc[:"2020-01-20", "QQQ"] = np.nan
    returns = to_returns(prices, span="common")
    policy = returns.attrs["cryptoequity"]
    assert policy["sessions"] == "SPY"
    assert policy["first"] == "2020-01-21"
    assert policy["rows_dropped"] == 13
    refuse(
        prices,
        r"'QQQ' lives from 2020-01-21 to 2021-04-02, but the sessions run from 2020-01-01 to .*span='common'",
    )


def test_a_coin_of_another_life_span_is_named():
    late = world()
    late.loc[:"2020-02-01", "BTC"] = np.nan
    refuse(late, r"'BTC' lives from 2020-02-02 .*\(\d+ of \d+ sessions\). Pass span='common'")
    early = world()
    early.loc[:"2020-02-01", ["QQQ", "SPY"]] = np.nan
    refuse(early, r"'BTC' lives from 2020-01-01")
    assert to_returns(early, span="common").attrs["cryptoequity"]["first"] == "2020-02-03"
    few_days = world()
    few_days.loc[:"2020-01-05", ["QQQ", "SPY"]] = np.nan  # within a week: a holiday, not a listing
    assert to_returns(few_days).attrs["cryptoequity"]["first"] == "2020-01-06"


def test_holes_are_named():
    hole = world()
    hole.loc["2020-06-10", "SPY"] = np.nan
    refuse(hole, r"'SPY' is blank on 1 sessions inside its life \(2020-06-10\).*do not fill forward.*sessions='SPY'")
    hole = world()
    hole.loc["2020-06-09":"2020-06-10", "BTC"] = np.nan
    refuse(hole, r"'BTC' is blank on 2 sessions .*\(2020-06-09, 2020-06-10\)")
    weekend = world()
    weekend.loc["2020-06-13", "BTC"] = np.nan  # a Saturday
    to_returns(weekend)


def test_calendars_that_contradict_each_other_are_refused():
    prices = world()
    extra = pd.Timestamp("2020-01-08")
    assert np.isnan(prices.loc[extra, "SPY"])
    prices.loc[extra, "SPY"] = 101.0
    prices.loc["2020-06-10":"2020-06-11", "SPY"] = np.nan
    refuse(prices, r"'SPY' has closes on 1 dates .*\(2020-01-08\).*sessions=")
    prices = world()
    prices.loc[extra, "SPY"] = 101.0
    chosen = to_returns(prices, sessions="QQQ")
    assert chosen.attrs["cryptoequity"]["off_session"] == {"SPY": 1}
    assert extra not in chosen.index


def test_sessions_may_be_given():
    prices = world()
    dates = prices["QQQ"].dropna().index[20:320]
    returns = to_returns(prices, sessions=dates)
    assert returns.index.equals(dates[1:])
    assert returns.attrs["cryptoequity"]["sessions"] == "given dates"
    refuse(
        prices,
        r"1 of 301 dates have no row in the prices \(2030-01-01\)",
        sessions=dates.append(pd.DatetimeIndex(["2030-01-01"])),
    )
    refuse(prices, r"sorted and unique", sessions=dates[::-1])
    refuse(prices, r"time zone UTC and prices None", sessions=dates.tz_localize("UTC"))
    refuse(prices, r"sessions='XYZ' is not a column", SpecError, sessions="XYZ")
    refuse(prices, r"column name or a DatetimeIndex, not list", SpecError, sessions=[1, 2])
    daily = to_returns(prices[["BTC"]].assign(ETH=world(9)["BTC"]), sessions="BTC")
    assert len(daily) == 459


def test_unknown_choices():
    prices = world()
    refuse(prices, r"weekend='skip' is not known.*'compound', 'drop'", SpecError, weekend="skip")
    refuse(prices, r"span='any'", SpecError, span="any")
    refuse(prices, r"scale=-1", SpecError, scale=-1)
    refuse(prices, r"equities=\['X'\] are not columns", SpecError, equities=["X"])
    refuse(prices, r"no column carries an equity calendar", equities=[])
    refuse(prices[["BTC"]], r"every one trades at weekends.*equities=\[...\].*sessions=")


def test_gaps_short_samples_and_no_overlap():
    prices = world()
    gap = prices.drop(prices.loc["2020-05-04":"2020-05-15"].index)
    refuse(gap, r"no session for 17 calendar days between 2020-05-01 and 2020-05-18 \(1 such gaps, limit 7 days\)")
    assert len(to_returns(gap, max_gap=17)) == len(to_returns(prices)) - 10
    refuse(prices.iloc[:300], r"\d+ sessions from 2020-01-01 to .* at least 250 are needed; use a longer sample")
    prices.loc["2020-06-01":, "QQQ"] = np.nan
    prices.loc[:"2020-06-30", "BTC"] = np.nan
    refuse(prices, r"'BTC' \(2020-07-01 to .*\) and 'QQQ' \(2020-01-01 to 2020-05-29\) have no session in common")


def test_forward_filled_equities_are_found_without_being_named():
    prices = world()
    prices["SPY"] = prices["SPY"].ffill()
    refuse(prices, r"'SPY' repeats its previous close on \d+ of \d+ weekend dates: it was forward-filled")
    holidays = world()
    weekday = holidays.index.dayofweek < 5
    holidays.loc[weekday, ["QQQ", "SPY"]] = holidays.loc[weekday, ["QQQ", "SPY"]].ffill()
    every = pd.date_range("2020-01-01", periods=460)
    assert holidays.loc[every[weekday], "SPY"].notna().all()
    to_returns(holidays)  # 3 repeats in 460 days are not a pattern
    for date in every[weekday][12::60]:
        holidays.loc[date, "SPY"] = holidays["SPY"].shift(1).loc[date]
    refuse(holidays, r"'SPY' repeats its previous close on \d of \d+ dates .*limit 1 %", equities=["QQQ", "SPY"])
    assert len(to_returns(holidays, max_repeated=0.05)) > 250


def test_one_close_a_day():
    prices = world()
    evening = prices.rename(lambda date: date + pd.Timedelta(hours=16))
    refuse(pd.concat([prices, evening]).sort_index(), r"2020-01-01 has 2 rows.*at_close.*normalize")


def test_time_zone_is_kept():
    prices = world().tz_localize("America/New_York")
    assert str(to_returns(prices).index.tz) == "America/New_York"


def test_collinear_columns_are_refused():
    prices = world()
    refuse(prices.assign(VOO=prices.SPY / 2), r"'SPY' and 'VOO' are perfectly collinear")


def test_the_measured_prices_make_sensible_returns():
    """Against files that do not ship: bitcoin with one small-cap and two large-cap funds."""
    folder = Path(os.environ.get("CRYPTOEQUITY_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "equity_daily.csv").exists():
        pytest.skip("set CRYPTOEQUITY_DATA to a folder with equity_daily.csv and crypto_daily.csv")
    equities = read_prices(folder / "equity_daily.csv", columns=["PSCT", "QQQ", "SPY"])
    prices = equities.join(read_prices(folder / "crypto_daily.csv", columns=["BTC"]), how="outer")
    with pytest.raises(DataError, match=r"'PSCT' lives from 2010-04-07.*'BTC' lives from 2013-04-29.*span='common'"):
        to_returns(prices)
    returns = to_returns(prices, span="common")
    policy = returns.attrs["cryptoequity"]
    assert policy["crypto"] == ["BTC"]
    assert policy["equities"] == ["PSCT", "QQQ", "SPY"]
    years = (returns.index[-1] - returns.index[0]).days / 365.25
    assert len(returns) / years == pytest.approx(251.7, abs=1)
    after = returns.loc["2020-03-23":"2025-01-29"].corr()
    before = returns.loc["2016":"2020-02"].corr()
    assert after.loc["BTC", "PSCT"] == pytest.approx(0.36, abs=0.05)
    assert abs(before.loc["BTC", "PSCT"]) < 0.06
    filled = prices.assign(QQQ=prices["QQQ"].ffill())
    with pytest.raises(DataError, match=r"'QQQ' repeats"):
        to_returns(filled, span="common")
