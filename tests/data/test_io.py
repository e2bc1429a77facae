import importlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.data import read_prices
from cryptoequity.errors import DataError, SpecError

WIDE = "date,BTC,QQQ\n2024-01-02,45000.5,400\n2024-01-03,42000,\n2024-01-04,44000,401.5\n"
LONG = "Date,Symbol,Close\n2024-01-02,QQQ,400\n2024-01-03,QQQ,399\n2024-01-02,BTC,45000\n2024-01-04,BTC,44000\n"


@pytest.fixture
def file(tmp_path):
    def write(text, name="prices.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refuse(path, message, error=DataError, **kw):
    with pytest.raises(error, match=message):
        read_prices(path, **kw)


def test_wide_csv(file):
    prices = read_prices(file(WIDE))
    assert list(prices.columns) == ["BTC", "QQQ"]
    assert prices.index.name == "date"
    assert prices.index[0] == pd.Timestamp("2024-01-02")
    assert (prices.dtypes == np.float64).all()
    assert prices["BTC"].tolist() == [45000.5, 42000.0, 44000.0]
    assert np.isnan(prices["QQQ"].iloc[1])


def test_long_csv_keeps_the_order_of_the_assets(file):
    prices = read_prices(file(LONG))
    assert list(prices.columns) == ["QQQ", "BTC"]
    assert len(prices) == 3
    assert np.isnan(prices.loc[pd.Timestamp("2024-01-03"), "BTC"])
    assert read_prices(file(LONG), layout="long", columns=["BTC"]).shape == (3, 1)


def test_newest_first_is_turned_around(file):
    head, *rows = WIDE.strip().split("\n")
    turned = read_prices(file("\n".join([head, *rows[::-1]])))
    pd.testing.assert_frame_equal(turned, read_prices(file(WIDE)))
    refuse(file("\n".join([head, rows[1], rows[0], rows[2]])), r"not sorted: row 1 \(2024-01-02\)")


def test_columns_and_date_may_be_named(file):
    path = file("when,open day,BTC,QQQ,note\n2024-01-02,x,1,2,a\n2024-01-03,y,2,3,b\n")
    refuse(path, r"no date column stands out \(the columns are \['when'.*date=")
    refuse(
        path,
        r"'open day' holds 'x' at 2024-01-02 \(row 1\), which is not a number \(2 such rows\).*columns=",
        date="when",
    )
    assert list(read_prices(path, date="when", columns=["QQQ", "BTC"]).columns) == ["QQQ", "BTC"]
    refuse(path, r"date='day' is not a column", SpecError, date="day")
    refuse(path, r"columns=\['ETH'\] are not in prices.csv", SpecError, date="when", columns=["ETH"])
    refuse(path, r"pass a list of names, \['BTC'\]", SpecError, date="when", columns="BTC")


def test_unnamed_first_column_is_the_date(file):
    assert read_prices(file(WIDE.replace("date", "", 1))).shape == (3, 2)


def test_parquet_wide_long_and_indexed(file, tmp_path):
    wide = read_prices(file(WIDE))
    path = tmp_path / "p.parquet"
    wide.to_parquet(path)
    pd.testing.assert_frame_equal(read_prices(path), wide)
    wide.reset_index().to_parquet(path, index=False)
    pd.testing.assert_frame_equal(read_prices(path), wide)
    aware = wide.tz_localize("UTC")
    aware.to_parquet(path)
    pd.testing.assert_frame_equal(read_prices(path), aware)
    long = pd.read_csv(file(LONG), parse_dates=["Date"])
    long.to_parquet(path, index=False)
    pd.testing.assert_frame_equal(read_prices(path), read_prices(file(LONG)))


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "p.parquet"
    path.write_bytes(b"PAR1")
    real = importlib.import_module

    def absent(name, *args):
        if name == "pyarrow":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr("cryptoequity.data.io.import_module", absent)
    refuse(path, r"needs pyarrow: pip install 'cryptoequity\[data\]'", ImportError)


def test_time_zones(file):
    utc = "date,BTC\n2024-03-10T06:00Z,1\n2024-03-10T07:00Z,2\n"
    assert str(read_prices(file(utc)).index.tz) == "UTC"
    york = read_prices(file(utc), tz="America/New_York")
    assert [stamp.hour for stamp in york.index] == [1, 3]
    assert read_prices(file(WIDE), tz="UTC").index[0] == pd.Timestamp("2024-01-02", tz="UTC")
    fixed = read_prices(file("date,BTC\n2024-03-10T06:00-05:00,1\n2024-03-11T07:00-05:00,2\n"))
    assert fixed.index[0] == pd.Timestamp("2024-03-10T11:00Z")
    both = "date,BTC\n2024-03-09T12:00-05:00,1\n2024-03-11T12:00-04:00,2\n"
    refuse(file(both), r"different UTC offsets \(-05:00, -04:00; first change in row 2, .*tz='America/New_York'")
    assert read_prices(file(both), tz="UTC").index[1].hour == 16
    refuse(
        file("date,BTC\n2024-03-09T12:00Z,1\n2024-03-11T12:00,2\n"), r"with and without a time zone are mixed .*row 2\)"
    )
    twice = "date,BTC\n2024-11-03T01:30,1\n2024-11-03T03:30,2\n"
    refuse(
        file(twice),
        r"2024-11-03 01:30:00 in row 1 happened twice or never in America/New_York.*write",
        tz="America/New_York",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the file is empty"),
        ("date,BTC\n", r"the file has no rows"),
        ("date,BTC\n01/02/2024,1\n02/02/2024,2\n", r"'01/02/2024' in row 1 of column 'date' is not an ISO date; write"),
        ("date,BTC\n1704153600,1\n", r"'1704153600' in row 1"),
        ("date,BTC\n2024-01-02,1\n,2\n", r"date in row 2 of column 'date' is blank"),
        ("date,BTC\n2024-01-02,1\n2024-01-02,2\n", r"2024-01-02 appears more than once"),
        ('date,BTC\n2024-01-02,"1,000"\n', r"'BTC' holds '1,000' at 2024-01-02"),
        ("date,BTC\n2024-01-02,-1\n", r"'BTC' is -1 at 2024-01-02"),
        ("date,BTC\n2024-01-02,inf\n", r"'BTC' is infinite"),
        ("date,time,BTC\n2024-01-02,10:00,1\n", r"several could be it: \['date', 'time'\]"),
        (
            "Date,Open,High,Low,Close,Volume\n2024-01-02,1,2,1,2,9\n",
            r"open, high, low and close of one asset.*\['Close'\]",
        ),
        ("date,symbol,price\n2024-01-02,A,1\n2024-01-02,A,2\n", r"'A' has more than one price on 2024-01-02 \(1 such"),
        ("date,symbol,price\n2024-01-02,,1\n", r"asset in row 1 \(2024-01-02\) is blank"),
        ("date,symbol,close,adj close\n2024-01-02,A,1,1\n", r"found 'symbol' and \['close', 'adj close'\]"),
    ],
)
def test_bad_files_are_refused_with_the_place(file, text, message):
    refuse(file(text), message)


def test_bad_choices(file):
    refuse(file(WIDE), r"needs one column of names .*found \['BTC', 'QQQ'\]", layout="long")
    refuse(file(WIDE), r"layout='tall'", SpecError, layout="tall")
    refuse(file(WIDE), r"tz='Mars/Olympus' is no time zone", SpecError, tz="Mars/Olympus")
    refuse(file(WIDE, "prices.xlsx"), r"neither CSV nor parquet", SpecError)
    with pytest.raises(FileNotFoundError):
        read_prices("no-such-file.csv")


@settings(max_examples=20, deadline=None)
@given(
    values=st.lists(st.floats(1e-6, 1e9), min_size=2, max_size=20, unique=True),
    names=st.lists(st.text("ABCDEFGHIJKL", min_size=1, max_size=5), min_size=1, max_size=3, unique=True),
)
def test_round_trip(tmp_path_factory, values, names):
    dates = pd.date_range("2024-01-01", periods=len(values), name="date", unit="us")
    frame = pd.DataFrame({name: np.array(values) * (i + 1) for i, name in enumerate(names)}, index=dates)
    path = tmp_path_factory.mktemp("io") / "x.csv"
    frame.to_csv(path)
    pd.testing.assert_frame_equal(read_prices(path), frame, check_freq=False, rtol=1e-15, check_index_type=False)
    long = frame.melt(ignore_index=False, var_name="asset", value_name="price").reset_index()
    long.to_csv(path, index=False)
    pd.testing.assert_frame_equal(read_prices(path), frame, check_freq=False, rtol=1e-15, check_index_type=False)
