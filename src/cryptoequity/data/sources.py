"""Fetch prices and series from public sources, once: a second call reads the cache and checks its sha256.

Nothing fetched here ships with the library; whether you may redistribute it is between you and the source.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError
from .cache import LONGEST_PAUSE, Cache, DownloadError, download
from .checks import check_prices, day
from .io import parse_dates, read_prices

__all__ = ["csv_url", "fred", "yahoo"]

FRED = "https://fred.stlouisfed.org/graph/fredgraph.csv"


def csv_url(
    url: str,
    *,
    sha256: str | None = None,
    date: str | None = None,
    layout: Literal["auto", "wide", "long"] = "auto",
    columns: Sequence[str] | None = None,
    tz: str | None = None,
    cache: str | Path | None = None,
    refresh: bool = False,
    timeout: float = 30.0,
    retries: int = 4,
    pause: float = 1.0,
) -> pd.DataFrame:
    """Prices from a CSV or parquet file on the web.

    Parameters
    ----------
    url : str
        Address of the file; one without a known suffix is read as CSV.
    sha256 : str, optional
        Checksum the file must have: pins the data of a paper.
    date, layout, columns, tz
        As in `read_prices`.
    cache : path, optional
        Folder; by default the environment variable ``CRYPTOEQUITY_CACHE``, else ``~/.cache/cryptoequity``.
    refresh : bool
        Fetch again even if cached.
    timeout, retries, pause : float, int, float
        Seconds to wait for an answer, further attempts, and seconds before the first of them (doubling).

    Returns
    -------
    DataFrame
        As `read_prices`; ``attrs["source"]`` holds ``key sha256 retrieved bytes``.

    Raises
    ------
    DownloadError
        The server did not deliver.
    DataError
        The cached copy was altered, the checksum differs, or the file does not hold prices.
    """
    name = urlsplit(url).path.lower()
    suffix = next((s for s in (".csv.gz", ".parquet", ".pq") if name.endswith(s)), ".csv")
    path, entry = Cache.at(cache).fetch(
        url,
        lambda: _pinned(download(url, timeout=timeout, retries=retries, pause=pause), sha256, url),
        suffix=suffix,
        refresh=refresh,
    )
    _pinned(path.read_bytes(), sha256, url)
    frame = read_prices(path, date=date, layout=layout, columns=columns, tz=tz)
    frame.attrs["source"] = _said(url, entry)
    return frame


def fred(
    series: str | Sequence[str],
    start: str | None = None,
    end: str | None = None,
    *,
    base_url: str = FRED,
    cache: str | Path | None = None,
    refresh: bool = False,
    timeout: float = 30.0,
    retries: int = 4,
    pause: float = 1.0,
) -> pd.DataFrame:
    """Series of the Federal Reserve Bank of St. Louis, as published: yields may be negative, gaps stay blank.

    Parameters
    ----------
    series : str or sequence of str
        Identifiers, e.g. ``["DGS10", "DFF"]``.
    start, end : str, optional
        First and last date.
    base_url : str
        Address of the CSV service.
    cache, refresh, timeout, retries, pause
        As in `csv_url`.

    Returns
    -------
    DataFrame
        One column per series on the union of their dates; ``attrs["source"]`` lists one entry per series.
    """
    names = _names(series, "series")
    store, columns, sources = Cache.at(cache), {}, []
    for name in names:
        query = {"id": name, "cosd": start, "coed": end}
        url = f"{base_url}?{urlencode({k: v for k, v in query.items() if v is not None})}"

        def get(url: str = url, name: str = name) -> bytes:
            body = download(url, timeout=timeout, retries=retries, pause=pause)
            _parse_fred(body, name)  # a page that is not data must not enter the cache
            return body

        path, entry = store.fetch(url, get, refresh=refresh)
        columns[name] = _parse_fred(path.read_bytes(), name)
        sources.append(_said(url, entry))
    frame = pd.DataFrame(columns).sort_index()
    frame.index.name = "date"
    frame.attrs["source"] = sources
    return frame


def yahoo(
    tickers: str | Sequence[str],
    start: str,
    end: str,
    *,
    cache: str | Path | None = None,
    refresh: bool = False,
    retries: int = 4,
    pause: float = 1.0,
) -> pd.DataFrame:
    """Daily closes from Yahoo Finance, adjusted for splits and dividends, through `yfinance`.

    Adjusted closes are revised with every dividend, so the date of retrieval is part of the data: it is kept
    in ``attrs["source"]``. Coins close at 24:00 UTC, exchange-traded assets at their exchange's close.

    Parameters
    ----------
    tickers : str or sequence of str
        Yahoo symbols, e.g. ``["BTC-USD", "QQQ"]``.
    start, end : str
        First and last date, both included. ``end`` must be past: the bar of a running day is not a close.
    cache, refresh, retries, pause
        As in `csv_url`.

    Returns
    -------
    DataFrame
        One column per ticker on the union of their dates, blank where a ticker did not trade.

    Raises
    ------
    DownloadError
        Yahoo refused, or knows no prices of a ticker in that span.
    ImportError
        `yfinance` is not installed.
    """
    names = _names(tickers, "tickers")
    first, last = _span(start, end)
    store, columns, sources = Cache.at(cache), {}, []
    for name in names:
        key = f"yahoo:{name}:{day(first)}:{day(last)}:adjusted"

        def get(name: str = name) -> bytes:
            return _from_yahoo(name, first, last, retries, pause)

        path, entry = store.fetch(key, get, refresh=refresh)
        columns[name] = read_prices(path)["close"]
        sources.append(_said(key, entry))
    frame = check_prices(pd.DataFrame(columns).sort_index())
    frame.attrs["source"] = sources
    return frame


def _names(given: str | Sequence[str], what: str) -> list[str]:
    names = [given] if isinstance(given, str) else list(given)
    if not names or len(set(names)) < len(names) or not all(isinstance(n, str) and n.strip() for n in names):
        raise SpecError(f"{what}={given!r} must be one or more different names.")
    return names


def _span(start: str, end: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    try:
        first, last = pd.Timestamp(start).normalize(), pd.Timestamp(end).normalize()
    except ValueError:
        raise SpecError(f"start={start!r} and end={end!r} must be dates like '2024-01-31'.") from None
    today = pd.Timestamp(datetime.now(UTC).date())
    if first > last:
        raise SpecError(f"start={start!r} comes after end={end!r}.")
    if last >= today:
        raise SpecError(
            f"end={end!r} is not over (it is {day(today)} in UTC), and the bar of a running day is not a "
            f"close; use end='{day(today - pd.Timedelta(days=1))}'."
        )
    return first, last


def _said(key: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {"key": key, "sha256": entry["sha256"], "retrieved": entry["retrieved"], "bytes": entry["bytes"]}


def _pinned(body: bytes, sha256: str | None, url: str) -> bytes:
    found = hashlib.sha256(body).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise DataError(
            f"{url}: the file has sha256 {found}, not {sha256}: the source changed it. Take the new file by "
            "changing sha256=, or find the old one."
        )
    return body


def _parse_fred(body: bytes, name: str) -> pd.Series[float]:
    text = body.decode("utf-8", errors="replace")
    try:
        table = pd.read_csv(io.StringIO(text), dtype=str)
    except pd.errors.ParserError:
        table = pd.DataFrame()
    if name not in table.columns or table.shape[1] != 2:
        raise DownloadError(
            f"fred: the answer for {name!r} is not a CSV with a column of that name (it begins "
            f"{text[:60]!r}); check the identifier."
        )
    dates = parse_dates(table.iloc[:, 0], str(table.columns[0]), f"fred {name}", None)
    raw = table[name].where(table[name] != ".")
    values = pd.to_numeric(raw, errors="coerce")
    bad = np.flatnonzero(values.isna() & raw.notna())
    if len(bad):
        raise DataError(f"fred: series {name!r} holds {raw.iloc[bad[0]]!r} at {day(dates[bad[0]])}, not a number.")
    return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=dates, name=name)


def _from_yahoo(name: str, first: pd.Timestamp, last: pd.Timestamp, retries: int, pause: float) -> bytes:
    """Return a CSV of date and close, the digits as they came."""
    try:
        yfinance = importlib.import_module("yfinance")
    except ImportError:
        raise ImportError("ce.sources.yahoo needs yfinance: pip install 'cryptoequity[data]'.") from None
    after = last + pd.Timedelta(days=1)  # Yahoo excludes its end
    reason = ""
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(min(pause * 2 ** (attempt - 1), LONGEST_PAUSE))
        try:
            history = yfinance.Ticker(name).history(start=day(first), end=day(after), auto_adjust=True)
        except Exception as error:
            # yfinance passes on the exceptions of whatever HTTP library it uses; all but refusals are final
            reason = f"{type(error).__name__}: {error}"
            passing = ("ratelimit", "timeout", "connection")
            if not any(word in type(error).__name__.lower() for word in passing):
                raise DownloadError(f"yahoo: {name!r}: {reason}") from error
            continue
        known = "Close" in getattr(history, "columns", ())
        closes = history["Close"].dropna() if known else pd.Series(dtype=float)
        if closes.empty:
            raise DownloadError(
                f"yahoo: no prices of {name!r} from {day(first)} to {day(last)}; check the symbol and the dates."
            )
        dates = pd.DatetimeIndex(closes.index).tz_localize(None).normalize()
        rows = [f"{day(date)},{float(close)!r}" for date, close in zip(dates, closes, strict=True)]
        return ("date,close\n" + "\n".join(rows) + "\n").encode()
    raise DownloadError(f"yahoo: {name!r}: {reason}, after {retries + 1} attempts; try again later.")
