"""Sample crypto at the instant the exchange closes, so that both returns cover the same hours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, SpecError, check_option
from .checks import check_prices, check_zone, day

__all__ = ["at_close"]

IntArray = npt.NDArray[np.int64]


def at_close(
    hourly: pd.DataFrame | pd.Series[float],
    sessions: pd.DatetimeIndex,
    *,
    tz: str = "America/New_York",
    close: str = "16:00",
    early_closes: Literal["auto"] | Mapping[str | pd.Timestamp, str] | None = "auto",
    max_age: str | pd.Timedelta = "60min",
    label: Literal["start", "end"] = "start",
    bar: str | pd.Timedelta | None = None,
    on_missing: Literal["raise", "nan"] = "raise",
) -> pd.DataFrame:
    """Last price at or before each session's close.

    A crypto "daily close" at 24:00 UTC comes 3 or 4 hours after a 16:00 New York close, depending on the
    season: the gap weakens same-day correlations, most of all on days of after-hours news, and makes crypto
    seem to lead.

    Parameters
    ----------
    hourly : DataFrame or Series, shape (T, N)
        Bar closes on an index with a time zone.
    sessions : DatetimeIndex
        Dates of the sessions.
    tz, close : str
        Time zone of the exchange and its regular closing time there; daylight saving is handled.
    early_closes : "auto", mapping or None
        Closing times of short sessions by date, e.g. ``{"2024-11-29": "13:00"}``. ``"auto"`` takes those of
        the New York Stock Exchange from `exchange_calendars`; None says there are none.
    max_age : str or Timedelta
        How long before the close the last bar may have ended.
    label : {"start", "end"}
        Whether a bar is stamped with its start (it then closes one bar later) or its end. Getting this wrong
        looks an hour ahead: check it against your source.
    bar : str or Timedelta, optional
        Length of a bar; by default the most common step of the index. Used where ``label="start"``.
    on_missing : {"raise", "nan"}
        What becomes of sessions without a bar young enough.

    Returns
    -------
    DataFrame, shape (sessions, N)
        Indexed by session date (no time zone), ready to be joined to daily equity prices.
        ``attrs["cryptoequity"]["close"]`` says in words how it was sampled.

    Raises
    ------
    DataError
        No time zone, irregular bars, or a session whose last bar is too old (by date, with its age).
    SpecError
        Unknown options, time zone or clock time; ``early_closes="auto"`` for another exchange.
    ImportError
        ``early_closes="auto"`` without `exchange_calendars`.
    """
    check_option("label", label, ("start", "end"))
    check_option("on_missing", on_missing, ("raise", "nan"))
    frame = check_prices(hourly)
    index = pd.DatetimeIndex(frame.index)
    if index.tz is None:
        raise DataError(
            "hourly prices have no time zone, so the close cannot be found in them; say which clock they "
            "are on, e.g. hourly.index.tz_localize('UTC')."
        )
    days = _session_dates(sessions)
    closing = _closing_times(days, tz, close, early_closes)
    ends = index.tz_convert("UTC").as_unit("ns").asi8
    if label == "start":
        ends = ends + (_usual_step(ends) if bar is None else pd.Timedelta(bar).value)
    oldest = pd.Timedelta(max_age)
    instants = closing.tz_convert("UTC").as_unit("ns").asi8
    values = np.full((len(days), frame.shape[1]), np.nan)
    for i, name in enumerate(frame.columns):
        prices = frame[name].to_numpy()
        last = _last_seen(prices, ends, instants)
        age = np.where(last >= 0, instants - ends[last], np.iinfo(np.int64).max)
        young = (last >= 0) & (age <= oldest.value)
        if on_missing == "raise" and not young.all():
            _refuse_old(str(name), days, closing, last, age, young, oldest)
        values[young, i] = prices[last[young]]
    result = pd.DataFrame(values, index=days.rename("date"), columns=frame.columns)
    words = ", short sessions as given" if early_closes else ""
    if isinstance(early_closes, str):
        words = ", short sessions of the New York Stock Exchange"
    result.attrs = {
        **frame.attrs,
        "cryptoequity": {
            "close": f"last price at or before {close} {tz}{words}, at most {oldest} old, bars labeled by their {label}"
        },
    }
    return result


def _session_dates(sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
    if not isinstance(sessions, pd.DatetimeIndex):
        raise SpecError(
            f"sessions must be a DatetimeIndex of dates, e.g. equities.index, not {type(sessions).__name__}."
        )
    days = sessions.tz_localize(None)
    clocked = np.flatnonzero(np.asarray(days != days.normalize()))
    if len(clocked):
        raise DataError(
            f"sessions must be dates, and {sessions[clocked[0]]} has a clock time; use sessions.normalize()."
        )
    if not (days.is_monotonic_increasing and days.is_unique):
        raise DataError("sessions must be sorted and unique; use sessions.unique().sort_values().")
    if len(days) == 0:
        raise DataError("sessions are empty.")
    return days


def _closing_times(
    days: pd.DatetimeIndex, tz: str, close: str, early: Literal["auto"] | Mapping[str | pd.Timestamp, str] | None
) -> pd.DatetimeIndex:
    """Instants at which the sessions close, in the exchange's time zone."""
    check_zone(tz)
    minutes = np.full(len(days), _minutes(close))
    if isinstance(early, str):
        check_option("early_closes", early, ("auto",))
        if (tz, close) != ("America/New_York", "16:00"):
            raise SpecError(
                "early_closes='auto' knows the New York Stock Exchange (16:00 America/New_York), not "
                f"{close} {tz}; pass a mapping of dates to times, or None where there are no short sessions."
            )
        early = _new_york_early_closes(days)
    for when, time in (early or {}).items():
        date = pd.Timestamp(when).tz_localize(None).normalize()
        minutes[days == date] = _minutes(time)
    clocks = pd.DatetimeIndex(days + pd.to_timedelta(minutes, unit="min"))
    closing = clocks.tz_localize(tz, ambiguous="NaT", nonexistent="NaT")
    if closing.hasnans:
        when = clocks[closing.isna()][0]
        raise DataError(
            f"sessions: {when} happened twice or never in {tz}, where the clocks changed; correct the close."
        )
    return closing


def _minutes(time: str) -> int:
    hour, _, minute = str(time).partition(":")
    if not (hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
        raise SpecError(f"closing time {time!r} is no clock time; write it as '16:00'.")
    return 60 * int(hour) + int(minute)


def _new_york_early_closes(days: pd.DatetimeIndex) -> dict[str | pd.Timestamp, str]:
    try:
        import exchange_calendars
    except ImportError:
        raise ImportError(
            "early_closes='auto' needs exchange_calendars: pip install 'cryptoequity[data]'; or pass a mapping like "
            "{'2024-11-29': '13:00'}, or None to use the regular close every day."
        ) from None
    calendar = exchange_calendars.get_calendar(
        "XNYS", start=days[0] - pd.Timedelta(days=10), end=days[-1] + pd.Timedelta(days=10)
    )
    closed = days[~days.isin(calendar.sessions)]
    if len(closed):
        raise DataError(
            f"sessions: {day(closed[0])} is no session of the New York Stock Exchange ({len(closed)} such "
            "dates); drop them, or pass early_closes as a mapping for another exchange."
        )
    ends = calendar.closes.reindex(days).dt.tz_convert("America/New_York")
    short = ends[ends.dt.strftime("%H:%M") != "16:00"]
    return {pd.Timestamp(date): end.strftime("%H:%M") for date, end in short.items()}


def _usual_step(stamps: IntArray) -> int:
    if len(stamps) < 3:
        raise DataError(f"hourly prices have {len(stamps)} rows, too few to see the length of a bar; pass bar=.")
    steps, counts = np.unique(np.diff(stamps), return_counts=True)
    best = int(counts.argmax())
    if counts[best] < 0.9 * counts.sum():
        raise DataError(
            f"hourly prices have irregular steps (the most common one, {pd.Timedelta(int(steps[best]))}, "
            f"makes up {100 * counts[best] / counts.sum():.0f} % of them); pass bar= the length of a bar, "
            "or label='end'."
        )
    return int(steps[best])


def _last_seen(prices: npt.NDArray[np.float64], ends: IntArray, instants: IntArray) -> IntArray:
    """Row of the last price observed at or before each instant; -1 where there is none."""
    rows = np.where(np.isnan(prices), -1, np.arange(len(prices)))
    latest = np.maximum.accumulate(rows)
    position = np.searchsorted(ends, instants, side="right") - 1
    return np.where(position >= 0, latest[position], -1).astype(np.int64)


def _refuse_old(
    name: str,
    days: pd.DatetimeIndex,
    closing: pd.DatetimeIndex,
    last: IntArray,
    age: IntArray,
    young: npt.NDArray[np.bool_],
    oldest: pd.Timedelta,
) -> None:
    first = int(np.flatnonzero(~young)[0])
    said = (
        "there is none before it" if last[first] < 0 else f"the last one ended {pd.Timedelta(int(age[first]))} earlier"
    )
    raise DataError(
        f"hourly: column {name!r} has no bar within {oldest} before the close of session {day(days[first])} "
        f"({closing[first]}): {said} ({int((~young).sum())} of {len(days)} sessions). Complete the bars, "
        "restrict the sessions, raise max_age, or pass on_missing='nan'."
    )
