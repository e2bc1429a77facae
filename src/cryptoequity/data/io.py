"""Read daily or hourly prices from a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from .checks import check_prices, check_zone, day

__all__ = ["read_prices"]

_DATE = ("date", "datetime", "timestamp", "time", "day", "observation_date")
_ASSET = ("asset", "symbol", "ticker")
_PRICE = ("price", "close", "adj close", "adj_close", "adjclose", "adjusted_close")
_CLOCK_WITH_ZONE = re.compile(r"\d:\d\d.*(?:[Zz]|[+-]\d\d:?\d\d)$")
_EXTRA = "pip install 'cryptoequity[data]'"


def read_prices(
    path: str | Path,
    *,
    date: str | None = None,
    layout: Literal["auto", "wide", "long"] = "auto",
    columns: Sequence[str] | None = None,
    tz: str | None = None,
) -> pd.DataFrame:
    """Read prices from a CSV or parquet file.

    Parameters
    ----------
    path : path
        Ends in ``.csv``, ``.csv.gz``, ``.parquet`` or ``.pq``. Dates are ISO 8601 (2024-01-31,
        2024-01-31T16:00Z).
    date : str, optional
        The date column. By default the one called date, datetime, timestamp, time or day, a first column
        without a name, or a parquet file's date index.
    layout : {"auto", "wide", "long"}
        ``wide``: one column per asset. ``long``: one row per date and asset, with a column called asset,
        symbol or ticker and one called price or close. ``auto`` looks at the column names.
    columns : sequence of str, optional
        Assets to keep, in this order; by default all.
    tz : str, optional
        Time zone of the index: dates without one are taken to be in it, dates with one are converted to it.

    Returns
    -------
    DataFrame, shape (T, N)
        Float prices on a sorted `DatetimeIndex` named ``date``, as checked by `check_prices`. A file that
        runs from the newest row to the oldest is turned around.

    Raises
    ------
    DataError
        Unreadable dates or numbers (by column and row), mixed time zones, duplicates, prices that are not
        positive.
    SpecError
        Unknown file type, layout or column.
    ImportError
        A parquet file without pyarrow.
    """
    check_option("layout", layout, ("auto", "wide", "long"))
    if tz is not None:
        check_zone(tz)
    path = Path(path)
    table = _load(path)
    if table.empty:
        raise DataError(f"{path.name}: the file has no rows.")
    key = _find_date(table, date, path.name)
    names = [str(name) for name in table.columns if name != key]
    asset, price = _find_long(names)
    if layout == "auto":
        layout = "long" if asset is not None and price else "wide"
    dates = parse_dates(table[key], key, path.name, tz)
    if layout == "long":
        if asset is None or len(price) != 1:
            found = f"found {asset!r} and {price!r}" if asset or price else f"found {names!r}"
            raise DataError(
                f"{path.name}: the long layout needs one column of names ({', '.join(_ASSET)}) and one of "
                f"prices (price or close); {found}. Rename or drop columns, or pass layout='wide'."
            )
        values = _to_numbers(table[price[0]], price[0], dates, path.name)
        frame = _pivot(dates, table[asset], values, path.name)
        frame = frame[_select(columns, list(frame.columns), path.name)]
    else:
        kept = _select(columns, names, path.name)
        if {"open", "high", "low", "close"} <= {name.lower() for name in kept}:
            raise DataError(
                f"{path.name}: columns {kept!r} are the open, high, low and close of one asset, not one "
                "price per asset; read one of them, e.g. columns=['Close'], and rename it."
            )
        numbers = {name: _to_numbers(table[name], name, dates, path.name) for name in kept}
        frame = pd.DataFrame(numbers, index=dates)
        if len(dates) > 1 and dates.is_monotonic_decreasing and dates.is_unique:
            frame = frame.iloc[::-1]
    return check_prices(frame.rename_axis(index="date", columns=None))


def _load(path: Path) -> pd.DataFrame:
    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        try:
            return pd.read_csv(path, dtype=str, skipinitialspace=True)
        except pd.errors.EmptyDataError:
            raise DataError(f"{path.name}: the file is empty.") from None
    if name.endswith((".parquet", ".pq")):
        try:
            import_module("pyarrow")
        except ImportError:
            raise ImportError(f"Reading {path.name} needs pyarrow: {_EXTRA}.") from None
        table = pd.read_parquet(path)
        if not isinstance(table.index, pd.RangeIndex):
            table = table.rename_axis(index=str(table.index.name or "date")).reset_index()
        table.columns = [str(name) for name in table.columns]
        return table
    raise SpecError(f"{path.name}: the suffix says neither CSV nor parquet; use .csv, .csv.gz, .parquet or .pq.")


def _find_date(table: pd.DataFrame, date: str | None, file: str) -> str:
    names = [str(name) for name in table.columns]
    if date is not None:
        if date not in names:
            raise SpecError(f"date={date!r} is not a column of {file}; the columns are {names!r}.")
        return date
    found = [name for name in names if name.lower() in _DATE]
    if len(found) == 1:
        return found[0]
    if not found and names[0].startswith("Unnamed:"):
        return names[0]
    said = f"several could be it: {found!r}" if found else f"the columns are {names!r}"
    raise DataError(f"{file}: no date column stands out ({said}); name it with date=.")


def _find_long(names: list[str]) -> tuple[str | None, list[str]]:
    asset = next((name for name in names if name.lower() in _ASSET), None)
    return asset, [name for name in names if name.lower() in _PRICE]


def _select(columns: Sequence[str] | None, names: list[str], file: str) -> list[str]:
    if columns is None:
        return names
    if isinstance(columns, str):
        raise SpecError(f"columns={columns!r} is one text; pass a list of names, [{columns!r}].")
    absent = [name for name in columns if name not in names]
    if absent:
        raise SpecError(f"columns={absent!r} are not in {file}; it has {names!r}.")
    return list(columns)


def parse_dates(raw: pd.Series[Any], name: str, file: str, tz: str | None) -> pd.DatetimeIndex:
    """Turn a column of ISO dates into an index in one time zone, or in none."""
    if raw.isna().any():
        row = int(np.flatnonzero(raw.isna())[0])
        raise DataError(f"{file}: the date in row {row + 1} of column {name!r} is blank; drop the row or fill it in.")
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        return _place(pd.DatetimeIndex(raw), tz, file)
    text = raw.astype(str).str.strip()
    zoned = np.array([bool(_CLOCK_WITH_ZONE.search(entry)) for entry in text])
    if zoned.any() and not zoned.all():
        row = int(np.flatnonzero(zoned != zoned[0])[0])
        raise DataError(
            f"{file}: dates with and without a time zone are mixed ({text.iloc[0]!r} in row 1, "
            f"{text.iloc[row]!r} in row {row + 1}); write all of them one way."
        )
    parsed = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    if parsed.isna().any():
        row = int(np.flatnonzero(parsed.isna())[0])
        raise DataError(
            f"{file}: {text.iloc[row]!r} in row {row + 1} of column {name!r} is not an ISO date; "
            "write dates as 2024-01-31 or 2024-01-31T16:00:00Z."
        )
    index = pd.DatetimeIndex(parsed)
    if not zoned.any():
        return _place(index.tz_localize(None), tz, file)
    if tz is not None:
        return index.tz_convert(tz)
    offsets = text.str.extract(r"([Zz]|[+-]\d\d:?\d\d)$")[0]
    kinds = list(offsets.unique())
    if len(kinds) > 1:
        row = int(np.flatnonzero(offsets != kinds[0])[0])
        raise DataError(
            f"{file}: the dates carry different UTC offsets ({', '.join(map(str, kinds))}; first change in "
            f"row {row + 1}, {text.iloc[row]!r}); say which time zone you want, e.g. tz='America/New_York' "
            "or tz='UTC'."
        )
    return index if kinds[0] in ("Z", "z") else index.tz_convert(pd.Timestamp(text.iloc[0]).tz)


def _place(index: pd.DatetimeIndex, tz: str | None, file: str) -> pd.DatetimeIndex:
    if tz is None:
        return index
    if index.tz is not None:
        return index.tz_convert(tz)
    placed = index.tz_localize(tz, ambiguous="NaT", nonexistent="NaT")
    if placed.hasnans:
        row = int(np.flatnonzero(placed.isna())[0])
        raise DataError(
            f"{file}: {index[row]} in row {row + 1} happened twice or never in {tz}, where the clocks changed; write "
            "the dates in UTC and pass tz='UTC'."
        )
    return placed


def _to_numbers(raw: pd.Series[Any], name: str, dates: pd.DatetimeIndex, file: str) -> pd.Series[float]:
    numbers = pd.to_numeric(raw, errors="coerce")
    bad = np.flatnonzero(numbers.isna() & raw.notna())
    if len(bad):
        row = int(bad[0])
        raise DataError(
            f"{file}: column {name!r} holds {raw.iloc[row]!r} at {day(dates[row])} (row {row + 1}), which "
            f"is not a number ({len(bad)} such rows); correct it, or leave the column out with columns=."
        )
    return pd.Series(numbers.to_numpy(dtype=np.float64, na_value=np.nan), index=dates)


def _pivot(dates: pd.DatetimeIndex, assets: pd.Series[Any], values: pd.Series[float], file: str) -> pd.DataFrame:
    if assets.isna().any():
        row = int(np.flatnonzero(assets.isna())[0])
        raise DataError(f"{file}: the asset in row {row + 1} ({day(dates[row])}) is blank; fill in its name.")
    table = pd.DataFrame({"date": dates, "asset": assets.astype(str).to_numpy(), "price": values.to_numpy()})
    twice = table.duplicated(["date", "asset"])
    if twice.any():
        first = table[twice].iloc[0]
        raise DataError(
            f"{file}: {first['asset']!r} has more than one price on {day(first['date'])} "
            f"({int(twice.sum())} such rows); keep one."
        )
    wide = table.set_index(["date", "asset"])["price"].unstack("asset")  # noqa: PD010  duplicates are refused above
    return wide[list(dict.fromkeys(table["asset"]))]
