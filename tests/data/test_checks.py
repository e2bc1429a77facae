import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.data import check_prices, check_returns
from cryptoequity.errors import DataError, LevelsWarning, SpecError


@pytest.fixture
def prices():
    rng = np.random.default_rng(1)
    dates = pd.bdate_range("2020-01-02", periods=300, name="date")
    steps = rng.standard_normal((300, 2)) * [3.0, 1.0]
    return pd.DataFrame(100 * np.exp(np.cumsum(steps, axis=0) / 100), index=dates, columns=["BTC", "QQQ"])


@pytest.fixture
def returns(prices):
    return 100 * np.log(prices).diff().iloc[1:]


def test_good_prices_pass_unchanged(prices):
    out = check_prices(prices, equities=["QQQ"])
    pd.testing.assert_frame_equal(out, prices, check_freq=False)
    assert out.index.name == "date"


def test_integers_and_decimals_become_floats(prices):
    prices = prices.round().astype(int)
    prices["EXACT"] = pd.Series([Decimal(i + 1) for i in range(300)], index=prices.index, dtype=object)
    out = check_prices(prices)
    assert (out.dtypes == np.float64).all()
    assert out["EXACT"].iloc[-1] == 300


def test_blanks_are_allowed_and_attrs_kept(prices):
    prices.iloc[:5, 0] = np.nan
    prices.attrs["note"] = "mine"
    out = check_prices(prices)
    assert out["BTC"].isna().sum() == 5
    assert out.attrs == {"note": "mine"}


def refuse(prices, message, error=DataError, **kw):
    with pytest.raises(error, match=message):
        check_prices(prices, **kw)


def test_prices_must_be_a_named_frame(prices):
    refuse(prices.to_numpy(), r"DataFrame with one named column per asset, not ndarray; wrap them")
    refuse(prices["BTC"].rename(None), r"Series has no name; give it one")
    refuse(prices.set_axis(["A", "A"], axis=1), r"column name 'A' appears twice; rename or drop")
    refuse(prices.set_axis([0, 1], axis=1), r"column name 0 is not text; name the assets")
    refuse(prices.iloc[:, :0], r"have no columns")
    refuse(pd.concat({"Close": prices}, axis=1), r"2 levels.*select one field")
    refuse(prices, r"equities=\['SPY'\] are not columns.*'BTC', 'QQQ'", SpecError, equities=["SPY"])
    refuse(prices, r"max_repeated=1.5 is a share", SpecError, equities=["QQQ"], max_repeated=1.5)
    assert list(check_prices(prices["BTC"]).columns) == ["BTC"]


def test_dates_must_be_dates(prices):
    refuse(prices.reset_index(drop=True), r"DatetimeIndex, not RangeIndex.*read_prices")
    refuse(prices.set_axis([str(d) for d in prices.index]), r"first entry '2020-01-02.*pd.to_datetime")
    blank = prices.set_axis(prices.index.where(np.arange(300) != 7))
    refuse(blank, r"date in row 7 is blank; drop the row")


def test_dates_must_be_sorted_and_unique(prices):
    refuse(prices.iloc[[0, 1, 3, 2, 4]], r"not sorted: row 3 \(2020-01-06\).*\(2020-01-07\); sort them")
    refuse(prices.iloc[[0, 1, 1, 2]], r"2020-01-03 appears more than once \(1 duplicate.*keep one row per date")


def test_time_zones_must_not_mix(prices):
    naive = list(prices.index[:150])
    aware = [d.tz_localize("UTC") for d in prices.index[150:]]
    refuse(
        prices.set_axis(pd.Index(naive + aware, dtype=object)),
        r"mix time zones \(UTC, no time zone; first change at row 150, 2020-07-30.*utc=True",
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.inf, r"'BTC' is infinite at 2020-01-07 \(1 such rows\); correct it"),
        (0.0, r"'BTC' is 0 at 2020-01-07 \(1 such rows\); prices must be positive.*NaN, not zero"),
        (-2.5, r"'BTC' is -2.5 at 2020-01-07"),
    ],
)
def test_values_must_be_positive_and_finite(prices, value, message):
    prices.iloc[3, 0] = value
    refuse(prices, message)


def test_values_must_be_numbers(prices):
    text = prices.astype(object)
    text.iloc[4, 1] = "n.a."
    refuse(text, r"'QQQ' holds 'n.a.' at 2020-01-08, which is not a number; convert it")
    refuse(prices.assign(UP=prices.BTC > 100), r"'UP' holds true/false")


def test_constant_and_empty_columns_are_refused(prices):
    refuse(prices.assign(USD=1.0), r"'USD' is constant at 1 over 300 observations.*leave it out")
    refuse(prices.assign(NEW=np.nan), r"'NEW' has no observation; leave it out")


def test_forward_filled_equities_are_refused_by_name(prices):
    holidays = prices.index[40::40]
    filled = prices.copy()
    filled.loc[holidays, "QQQ"] = np.nan
    filled["QQQ"] = filled["QQQ"].ffill()
    refuse(
        filled,
        r"'QQQ' repeats its previous close on 7 of 300 dates \(2.3 %, limit 1 %; first 2020-02-27\)"
        r".*forward-filled.*do not ffill",
        equities=["QQQ"],
    )
    check_prices(filled)  # a coin is not screened
    check_prices(filled, equities=["QQQ"], max_repeated=0.03)


def test_a_coarse_tick_is_no_forward_fill(prices):
    """Closes of a series with holidays may repeat up to 5 %, for a coarse tick does that."""
    with_holidays = prices.drop(prices.index[10::25])
    tick = with_holidays["QQQ"].copy()
    tick.iloc[20:300:30] = tick.iloc[19:299:30].to_numpy()
    share = (tick.diff() == 0).mean()
    assert 0.02 < share < 0.05
    check_prices(tick.to_frame(), equities=["QQQ"])
    tick.iloc[5:300:12] = tick.iloc[4:299:12].to_numpy()
    refuse(tick.to_frame(), r"limit 5 %", equities=["QQQ"])


def test_good_returns_are_returned_as_they_are(returns):
    assert check_returns(returns) is returns
    assert check_returns(returns["BTC"]).columns.tolist() == ["BTC"]
    single = check_returns(returns.astype(np.float32))
    assert (single.dtypes == np.float64).all()


def refuse_returns(returns, message, **kw):
    with pytest.raises(DataError, match=message):
        check_returns(returns, **kw)


def test_returns_must_be_named_and_numeric(returns):
    refuse_returns(returns.to_numpy(), r"returns must be a DataFrame.*not ndarray of shape \(299, 2\); wrap")
    refuse_returns(returns["BTC"].rename(None), r"residuals: the Series has no name", what="residuals")
    refuse_returns(returns.astype(str), r"'BTC' holds '.*' at 2020-01-03, which is not a number")
    refuse_returns(returns.iloc[::-1], r"returns: dates are not sorted")


def test_returns_must_be_long_enough(returns):
    refuse_returns(returns.iloc[:249], r"249 rows are too few, at least 250 .*longer sample")
    check_returns(returns.iloc[:250])
    check_returns(returns.iloc[:50], min_obs=50)


def test_blank_and_infinite_returns_are_located(returns):
    returns.iloc[[5, 9], 1] = np.nan
    refuse_returns(returns, r"'QQQ' is NaN at 2020-01-10 \(2 such rows of 299\); build returns with to_returns")
    returns.iloc[[5, 9], 1] = np.inf
    refuse_returns(returns, r"'QQQ' is infinite at 2020-01-10")
    refuse_returns(returns.reset_index(drop=True), r"at row 5")


def test_constant_returns_are_refused(returns):
    refuse_returns(returns.assign(PEG=0.25), r"'PEG' is constant at 0.25.*leave it out")


def test_decimal_returns_are_refused(returns):
    refuse_returns(returns / 100, r"'BTC' looks like decimal returns \(standard deviation 0.0\d+\).*multiply by 100")


def test_collinear_returns_are_refused_by_name(returns):
    refuse_returns(returns.assign(COPY=returns.QQQ), r"'QQQ' and 'COPY' are perfectly collinear \(correlation 1.0")
    refuse_returns(returns.assign(SHORT=-2 * returns.QQQ), r"'QQQ' and 'SHORT'.*-1.0")
    refuse_returns(
        returns.assign(MIX=0.5 * returns.BTC + 0.5 * returns.QQQ),
        r"3 columns have rank below 3.*'BTC'.*linearly dependent; leave one of them out",
    )


def test_levels_are_flagged_not_refused():
    rng = np.random.default_rng(5)
    levels = pd.DataFrame({"BTC": 1e4 + 100 * np.cumsum(rng.standard_normal(1000))})
    with pytest.warns(LevelsWarning, match=r"'BTC' has first-order autocorrelation 0\.9\d+.*price levels.*to_returns"):
        check_returns(levels)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(1, 5), scale=st.floats(0.5, 20))
def test_any_white_noise_passes_in_any_order(seed, width, scale):
    rng = np.random.default_rng(seed)
    names = [f"A{i}" for i in range(width)]
    noise = pd.DataFrame(scale * rng.standard_normal((260, width)), columns=names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_returns(noise) is noise
        permuted = noise[list(rng.permutation(names))]
        assert check_returns(permuted) is permuted
