"""What prices and returns must look like before anything is computed from them.

Every refusal names the column, the date, the number and the cure. Nothing is repaired here.
"""

from __future__ import annotations

import datetime as dt
import numbers
import warnings
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, LevelsWarning, SpecError

__all__ = ["check_prices", "check_returns"]

FloatArray = npt.NDArray[np.float64]

MIN_OBS = 250  # one year of sessions: below it no correlation path is worth fitting
SMALLEST_SD = 0.1  # percent a day; daily decimal returns of any risky asset lie below, percent ones above
LARGEST_AR1 = 0.98  # daily returns have |AR(1)| < 0.2; price levels > 0.99
COLLINEAR = 1e-8  # 1 - |corr| below this is the same series twice
SINGULAR = 1e-10  # smallest eigenvalue of a correlation matrix that still counts as full rank
# Repeated closes. A genuine exchange series misses about 9 weekdays a year (holidays), so a column quoted on
# every weekday whose closes repeat was filled. A series with a coarse tick may honestly repeat up to 4-5 % of
# its closes (a currency fund at 25 dollars with a one-cent tick), so a column with holidays gets that room.
REPEATED_FILLED = 0.01
REPEATED_TICK = 0.05
EVERY_WEEKDAY = 0.99


def day(when: object) -> str:
    """Text of a date: without the clock where the clock is midnight."""
    stamp = pd.Timestamp(when)  # type: ignore[arg-type]
    return stamp.strftime("%Y-%m-%d") if stamp == stamp.normalize() else str(stamp)


def number(value: float) -> str:
    """Text of a number as a user would type it."""
    return f"{value:.6g}"


def check_zone(tz: str) -> None:
    """Refuse a name that is no time zone."""
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SpecError(f"tz={tz!r} is no time zone; use a name like 'America/New_York' or 'UTC'.") from None


def check_prices(
    prices: pd.DataFrame | pd.Series[float],
    *,
    equities: Collection[str] = (),
    max_repeated: float | None = None,
) -> pd.DataFrame:
    """Return ``prices`` as a float frame, or refuse them with the reason.

    Parameters
    ----------
    prices : DataFrame, shape (T, N)
        Positive prices, one named column per asset, on a sorted `DatetimeIndex` without duplicates. Blanks
        are allowed (not listed yet, delisted, closed that day); `to_returns` decides which of them matter.
    equities : collection of str
        Columns traded on an exchange; these are screened for forward-filled closes.
    max_repeated : float, optional
        Share of closes of an equity that may repeat the previous close exactly. By default 1 % for a column
        quoted on every weekday (an exchange has holidays, so such a column was filled) and 5 % for the others
        (a coarse tick repeats closes honestly).

    Returns
    -------
    DataFrame, shape (T, N)
        The same prices as float64, index named ``date``; ``attrs`` are kept.

    Raises
    ------
    DataError
        Names the column, the date, the number and the cure.
    """
    if isinstance(prices, pd.Series):
        prices = _named_frame(prices, "prices")
    if not isinstance(prices, pd.DataFrame):  # callers without a type checker
        raise DataError(
            f"prices must be a DataFrame with one named column per asset, not {type(prices).__name__}; "
            "wrap them: pd.DataFrame(prices, index=dates, columns=names)."
        )
    _check_names(prices.columns, "prices")
    unknown = [name for name in equities if name not in prices.columns]
    if unknown:
        raise SpecError(
            f"equities={unknown!r} are not columns of the prices; the columns are {list(prices.columns)!r}."
        )
    if max_repeated is not None and not 0 <= max_repeated < 1:
        raise SpecError(f"max_repeated={max_repeated!r} is a share of closes; give a number in [0, 1).")
    index = _check_dates(prices.index)
    columns = {str(name): _price_column(prices.iloc[:, i], index) for i, name in enumerate(prices.columns)}
    frame = pd.DataFrame(columns, index=index.rename("date"))
    frame.attrs = dict(prices.attrs)
    for name in equities:
        _check_repeats(name, frame[name].dropna(), max_repeated)
    return frame


def check_returns(
    returns: pd.DataFrame | pd.Series[float], *, what: str = "returns", min_obs: int = MIN_OBS
) -> pd.DataFrame:
    """Return ``returns`` as a float frame fit to be modeled, or refuse them with the reason.

    Refused: unnamed arrays, text, duplicate or unsorted dates, fewer than ``min_obs`` rows, NaN and
    infinities, constant columns, columns that are a linear combination of others, and decimal (not percent)
    returns. Price levels are flagged, not refused.

    Parameters
    ----------
    returns : DataFrame, shape (T, N), or Series with a name
        Percent returns or standardized residuals.
    what : str
        What the caller calls them; opens every message.
    min_obs : int
        Fewest rows accepted.

    Returns
    -------
    DataFrame, shape (T, N)
        Float64. It is the very object passed in where nothing had to be converted.

    Raises
    ------
    DataError
        Names the column, the date, the number and the cure.

    Warns
    -----
    LevelsWarning
        A first-order autocorrelation beyond ±0.98: these look like price levels, and correlations between
        levels are spurious (Granger and Newbold, 1974).
    """
    if isinstance(returns, pd.Series):
        returns = _named_frame(returns, what)
    if not isinstance(returns, pd.DataFrame):
        shape = (  # type: ignore[unreachable]
            f" of shape {np.shape(returns)}" if isinstance(returns, np.ndarray) else ""
        )
        raise DataError(
            f"{what} must be a DataFrame with one named column per asset, not "
            f"{type(returns).__name__}{shape}; wrap them: pd.DataFrame(array, index=dates, columns=names)."
        )
    _check_names(returns.columns, what)
    values = _as_floats(returns, what)
    if isinstance(returns.index, pd.DatetimeIndex):
        _check_dates(returns.index, what)
    elif any(isinstance(item, dt.datetime) for item in returns.index):
        _refuse_index(returns.index, what)  # dates in more than one zone, or never converted
    screen_returns(values, list(returns.columns), returns.index, what=what, min_obs=min_obs)
    if all(dtype == np.float64 for dtype in returns.dtypes):
        return returns
    frame = pd.DataFrame(values, index=returns.index, columns=returns.columns)
    frame.attrs = dict(returns.attrs)
    return frame


def screen_returns(
    values: FloatArray,  # (T, N)
    names: Sequence[object],
    index: pd.Index,
    *,
    what: str,
    min_obs: int,
    smallest_sd: float = SMALLEST_SD,
) -> None:
    """Raise or warn on an array of returns; the numbers behind `check_returns`."""
    nobs, width = values.shape
    if nobs < min_obs:
        raise DataError(
            f"{what}: {nobs} rows are too few, at least {min_obs} are needed (a year of sessions has about "
            "252); use a longer sample."
        )
    if not np.isfinite(values).all():
        _refuse_blanks(values, names, index, what)
    centered = values - values.mean(axis=0)
    squares = np.einsum("ti,ti->i", centered, centered)
    sd = np.sqrt(squares / max(nobs - 1, 1))
    for i in map(int, np.flatnonzero(sd <= 1e-12 * np.maximum(np.abs(values).max(axis=0), 1e-300))):
        raise DataError(
            f"{what}: column {names[i]!r} is constant at {number(float(values[0, i]))}; "
            "it has no correlation with anything, leave it out."
        )
    for i in map(int, np.flatnonzero(sd < smallest_sd)):
        raise DataError(
            f"{what}: column {names[i]!r} looks like decimal returns (standard deviation {sd[i]:.4g}): this "
            "library works in percent, multiply by 100. (A daily standard deviation truly below 0.1 % is a "
            "cash-like asset; leave it out.)"
        )
    ar1 = np.einsum("ti,ti->i", centered[1:], centered[:-1]) / squares
    for i in map(int, np.flatnonzero(np.abs(ar1) > LARGEST_AR1)):
        warnings.warn(
            LevelsWarning(
                f"{what}: column {names[i]!r} has first-order autocorrelation {ar1[i]:.4f}: these look like "
                "price levels, whose correlations are spurious; pass returns, e.g. from to_returns(prices)."
            ),
            stacklevel=3,
        )
    if width > 1:
        unit = centered / np.sqrt(squares)
        _refuse_collinear(unit.T @ unit, names, what, len(values))


def _refuse_blanks(values: FloatArray, names: Sequence[object], index: pd.Index, what: str) -> None:
    bad = ~np.isfinite(values)
    i = int(np.flatnonzero(bad.any(axis=0))[0])
    t = int(np.flatnonzero(bad[:, i])[0])
    kind = "NaN" if np.isnan(values[t, i]) else "infinite"
    where = day(index[t]) if isinstance(index, pd.DatetimeIndex) else f"row {index[t]}"
    raise DataError(
        f"{what}: column {names[i]!r} is {kind} at {where} ({int(bad[:, i].sum())} such rows of "
        f"{len(values)}); build returns with to_returns(prices), or drop the rows yourself and say so."
    )


def _refuse_collinear(corr: FloatArray, names: Sequence[object], what: str, nobs: int) -> None:
    above = np.triu(np.abs(corr), 1)
    if above.max() > 1 - COLLINEAR:
        i, j = (int(k) for k in np.unravel_index(int(above.argmax()), above.shape))
        raise DataError(
            f"{what}: columns {names[i]!r} and {names[j]!r} are perfectly collinear "
            f"(correlation {corr[i, j]:.10f}): they are one series; keep one of them."
        )
    if len(corr) < 3 or len(corr) >= nobs:
        return  # as many columns as rows have no full rank, whatever they are: who needs one must shrink
    eigenvalues, vectors = np.linalg.eigh(corr)
    if eigenvalues[0] < SINGULAR:
        weight = np.abs(vectors[:, 0])
        involved = [names[i] for i in np.argsort(-weight) if weight[i] > 1e-3 * weight.max()]
        raise DataError(
            f"{what}: the {len(corr)} columns have rank below {len(corr)} (smallest eigenvalue of their "
            f"correlation matrix {eigenvalues[0]:.1e}): {', '.join(map(repr, involved))} are linearly "
            "dependent; leave one of them out."
        )


def _named_frame(series: pd.Series[float], what: str) -> pd.DataFrame:
    if series.name is None:
        raise DataError(f"{what}: the Series has no name; give it one with .rename('BTC').")
    frame = series.to_frame()
    frame.attrs = dict(series.attrs)
    return frame


def _check_names(columns: pd.Index, what: str) -> None:
    if isinstance(columns, pd.MultiIndex):
        raise DataError(
            f"{what}: the columns have {columns.nlevels} levels, e.g. {columns[0]!r}; "
            "select one field, e.g. prices['Close']."
        )
    if len(columns) == 0:
        raise DataError(f"{what} have no columns.")
    if not columns.is_unique:
        twice = columns[columns.duplicated()][0]
        raise DataError(f"{what}: column name {twice!r} appears twice; rename or drop one.")
    unnamed = [name for name in columns if not isinstance(name, str)]
    if unnamed:
        raise DataError(
            f"{what}: column name {unnamed[0]!r} is not text; name the assets, e.g. frame.columns = ['BTC', 'QQQ']."
        )


def _check_dates(index: pd.Index, what: str = "prices") -> pd.DatetimeIndex:
    """Refuse an index that is not a sorted `DatetimeIndex` of unique dates."""
    if not isinstance(index, pd.DatetimeIndex):
        _refuse_index(index, what)
    if index.is_monotonic_increasing and index.is_unique and not index.hasnans:
        return index
    if index.hasnans:
        row = int(np.flatnonzero(index.isna())[0])
        raise DataError(f"{what}: the date in row {row} is blank; drop the row or fill in its date.")
    if not index.is_unique:
        twice = index[index.duplicated()]
        raise DataError(
            f"{what}: date {day(twice[0])} appears more than once ({len(twice)} duplicate rows in all); "
            "keep one row per date, e.g. prices[~prices.index.duplicated(keep='last')]."
        )
    row = int(np.flatnonzero(np.diff(index.asi8) < 0)[0]) + 1
    raise DataError(
        f"{what}: dates are not sorted: row {row} ({day(index[row])}) comes before its predecessor "
        f"({day(index[row - 1])}); sort them with prices.sort_index()."
    )


def _refuse_index(index: pd.Index, what: str) -> NoReturn:
    stamps = [item for item in index if isinstance(item, dt.datetime)]
    zones = {str(stamp.tzinfo) for stamp in stamps}
    if len(zones) > 1:
        first = next(i for i, stamp in enumerate(stamps) if str(stamp.tzinfo) != str(stamps[0].tzinfo))
        listed = ", ".join(sorted("no time zone" if zone == "None" else zone for zone in zones))
        raise DataError(
            f"{what}: the dates mix time zones ({listed}; first change at row {first}, {stamps[first]}); "
            "bring them to one, e.g. pd.to_datetime(prices.index, utc=True), or drop the zone from daily "
            "dates."
        )
    sample = f", first entry {index[0]!r}" if len(index) else ""
    raise DataError(
        f"{what} need a DatetimeIndex, not {type(index).__name__} of {index.dtype}{sample}; "
        "use read_prices(path), or prices.index = pd.to_datetime(prices.index)."
    )


def _as_floats(frame: pd.DataFrame, what: str) -> FloatArray:
    """Return the numbers of a frame, refusing text and truth values by column name."""
    if all(dtype == np.float64 for dtype in frame.dtypes):
        return frame.to_numpy()
    for i, name in enumerate(frame.columns):
        _check_number_column(frame.iloc[:, i], str(name), what)
    return frame.to_numpy(dtype=np.float64, na_value=np.nan)


def _check_number_column(column: pd.Series[Any], name: str, what: str) -> None:
    if pd.api.types.is_bool_dtype(column.dtype):
        raise DataError(f"{what}: column {name!r} holds true/false, not numbers.")
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        return
    for when, value in column.items():
        fine = isinstance(value, (numbers.Real, Decimal)) and not isinstance(value, bool)
        if not fine and not (value is None or value is pd.NA or value is pd.NaT):
            where = day(when) if isinstance(when, dt.datetime) else f"row {when}"
            raise DataError(
                f"{what}: column {name!r} holds {value!r} at {where}, which is not a number; "
                f"convert it, e.g. pd.to_numeric(frame[{name!r}]), or leave the column out."
            )


def _price_column(column: pd.Series[Any], index: pd.DatetimeIndex) -> FloatArray:
    name = str(column.name)
    _check_number_column(column, name, "prices")
    values: FloatArray = np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    seen = np.flatnonzero(~np.isnan(values))
    if len(seen) == 0:
        raise DataError(f"prices: column {name!r} has no observation; leave it out.")
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise DataError(
            f"prices: column {name!r} is infinite at {day(index[infinite[0]])} ({len(infinite)} such rows); "
            "correct it at the source or leave it blank (NaN)."
        )
    low = seen[values[seen] <= 0]
    if len(low):
        raise DataError(
            f"prices: column {name!r} is {number(float(values[low[0]]))} at {day(index[low[0]])} "
            f"({len(low)} such rows); prices must be positive, and a missing price is NaN, not zero."
        )
    if len(seen) > 1 and np.ptp(values[seen]) == 0:
        raise DataError(
            f"prices: column {name!r} is constant at {number(float(values[seen[0]]))} over {len(seen)} "
            "observations; it has no returns, leave it out."
        )
    return values


def _check_repeats(name: str, seen: pd.Series[float], max_repeated: float | None) -> None:
    """Refuse an equity whose closes were forward-filled."""
    closes = seen.to_numpy()
    repeated = np.flatnonzero(closes[1:] == closes[:-1]) + 1
    share = len(repeated) / max(len(closes) - 1, 1)
    if max_repeated is None:
        index = pd.DatetimeIndex(seen.index)
        weekdays = len(pd.bdate_range(index[0].normalize(), index[-1].normalize()))
        quoted = int((index.day_of_week < 5).sum()) / max(weekdays, 1)
        limit = REPEATED_FILLED if quoted > EVERY_WEEKDAY else REPEATED_TICK
    else:
        limit = max_repeated
    if share > limit:
        raise DataError(
            f"prices: column {name!r} repeats its previous close on {len(repeated)} of {len(closes)} dates "
            f"({100 * share:.1f} %, limit {100 * limit:g} %; first {day(seen.index[repeated[0]])}): it was "
            "forward-filled. Zero returns on days without trading pull correlations toward zero: rebuild it "
            "on the exchange's own sessions and do not ffill (if its tick really is that coarse, raise "
            "max_repeated)."
        )
