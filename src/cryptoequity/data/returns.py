"""Prices of assets with different calendars become returns between the same instants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from .checks import (
    MIN_OBS,
    SMALLEST_SD,
    FloatArray,
    check_prices,
    day,
    screen_returns,
)

__all__ = ["to_returns"]

POLICY = "cryptoequity"  # key of the record in `returns.attrs`
_CLOSE = (
    "each column at its own daily close as dated in the source; crypto closes at 24:00 UTC come 3 to 4 "
    "hours after a 16:00 New York close of the same date (at_close samples both at one instant)"
)
_LISTED = 5  # dates spelled out in a message
_WEEK = 7


def to_returns(
    prices: pd.DataFrame,
    *,
    equities: Sequence[str] | None = None,
    sessions: str | pd.DatetimeIndex | None = None,
    weekend: Literal["compound", "drop"] = "compound",
    span: Literal["equal", "common"] = "equal",
    scale: float = 100.0,
    max_gap: int = 7,
    max_repeated: float | None = None,
    close: str | None = None,
) -> pd.DataFrame:
    r"""Log returns between consecutive sessions of the equity calendar, in percent.

    With sessions :math:`t_0 < t_1 < \dots < t_n` and prices :math:`P_{i}(t)`,

    .. math:: r_{ik} = 100 \, \log \frac{P_i(t_k)}{P_i(t_{k-1})} .

    A coin that trades at weekends therefore carries its whole move from Friday to Monday in Monday's return
    (``weekend="compound"``), as the equity does. ``weekend="drop"`` measures the coin from the last calendar
    day before the session, :math:`100 \log P_i(t_k)/P_i(t_k - 1\,\text{day})`: a robustness check that throws
    the weekend away.

    Parameters
    ----------
    prices : DataFrame, shape (T, N)
        Daily prices; see `check_prices`. Coins may have rows on days on which the exchange is closed.
    equities : sequence of str, optional
        Columns traded on an exchange. By default those never observed on a Saturday or Sunday while some
        other column is; where nothing is observed at weekends, all columns.
    sessions : str or DatetimeIndex, optional
        The sessions, or the column whose observed dates are the sessions. By default the first among the
        ``equities`` with the most observations.
    weekend : {"compound", "drop"}
        What becomes of crypto moves on days without a session.
    span : {"equal", "common"}
        Columns listed or delisted inside the sample are an error under ``"equal"``; ``"common"`` keeps the
        sessions on which every column exists and records how many were dropped.
    scale : float
        100 for percent, which the rest of the library expects.
    max_gap : int
        Longest gap between consecutive sessions, in calendar days.
    max_repeated : float, optional
        Share of repeated closes accepted in an equity; see `check_prices`.
    close : str, optional
        A sentence on when the columns close, for the record; joining frames loses the one `at_close` leaves
        in ``attrs``, so pass it on from there.

    Returns
    -------
    DataFrame, shape (n, N)
        Indexed by the session that ends each return. ``attrs["cryptoequity"]`` holds the choices made, as
        plain JSON types: ``sessions n first last weekend span rows_dropped unit close equities crypto
        off_session``.

    Raises
    ------
    DataError
        Missing prices inside a column's life, unequal life spans, no overlap, long gaps, fewer than 250
        returns, forward-filled equities, collinear columns.
    SpecError
        Unknown names or options.
    """
    check_option("weekend", weekend, ("compound", "drop"))
    check_option("span", span, ("equal", "common"))
    if not (np.isfinite(scale) and scale > 0):
        raise SpecError(f"scale={scale!r} must be a positive number; 100 gives percent.")
    frame = check_prices(prices)
    _refuse_several_a_day(pd.DatetimeIndex(frame.index))
    listed = _find_equities(frame) if equities is None else list(equities)
    if not listed and sessions is None:
        raise DataError(
            "prices: no column carries an equity calendar, for every one trades at weekends; add an equity, name the "
            "exchange-traded columns with equities=[...], or pass sessions= (a DatetimeIndex or a column name)."
        )
    frame = check_prices(frame, equities=listed, max_repeated=max_repeated)
    crypto = [name for name in frame.columns if name not in listed]

    days, source = _find_sessions(frame, listed, sessions)
    off_session = _off_session(frame, listed, days, strict=sessions is None)
    # dates chosen by the caller are the sample; a column that outlives them is no surprise
    kept = _common_span(frame, crypto, days, span, whole=not isinstance(sessions, pd.DatetimeIndex))
    _check_gaps(kept, max_gap)
    closes = frame.loc[kept].to_numpy()  # (n + 1, N)
    _refuse_holes(closes, list(frame.columns), kept)
    if len(kept) - 1 < MIN_OBS:
        raise DataError(
            f"prices: {len(kept)} sessions from {day(kept[0])} to {day(kept[-1])} give {len(kept) - 1} "
            f"returns, at least {MIN_OBS} are needed; use a longer sample, or leave out the column with the "
            "shortest life."
        )
    starts = closes[:-1].copy()
    if weekend == "drop":
        _start_on_the_eve(starts, frame, crypto, kept)
    values: FloatArray = scale * np.log(closes[1:] / starts)
    screen_returns(
        values,
        list(frame.columns),
        kept[1:],
        what="returns",
        min_obs=MIN_OBS,
        smallest_sd=SMALLEST_SD * scale / 100,
    )
    returns = pd.DataFrame(values, index=kept[1:].rename("date"), columns=frame.columns)
    before = prices.attrs.get(POLICY)
    if close is None:
        close = before.get("close", _CLOSE) if isinstance(before, dict) else _CLOSE
    policy: dict[str, Any] = {
        "sessions": source,
        "n": len(returns),
        "first": day(kept[0]),
        "last": day(kept[-1]),
        "weekend": weekend,
        "span": span,
        "rows_dropped": len(days) - len(kept),
        "unit": "percent log" if scale == 100 else f"{scale:g} x log",
        "close": close,
        "equities": list(listed),
        "crypto": crypto,
        "off_session": off_session,
    }
    returns.attrs = {**prices.attrs, POLICY: policy}
    return returns


def _listing(dates: pd.DatetimeIndex) -> str:
    text = ", ".join(day(date) for date in dates[:_LISTED])
    return text if len(dates) <= _LISTED else f"{text} and {len(dates) - _LISTED} more"


def _refuse_several_a_day(index: pd.DatetimeIndex) -> None:
    dates = index.normalize()
    if not dates.is_unique:
        twice = dates[dates.duplicated()][0]
        raise DataError(
            f"prices: {day(twice)} has {int((dates == twice).sum())} rows; to_returns takes one close a "
            "day: sample hourly prices at the exchange close with at_close(hourly, sessions, ...), and "
            "bring equities and coins to the same time stamp, e.g. prices.index.normalize()."
        )


def _find_equities(frame: pd.DataFrame) -> list[str]:
    """Columns never observed at weekends: all of them where none is, none where all are."""
    at_weekends: dict[str, int] = {}
    for name in frame.columns:
        seen = frame[name].dropna()
        repeated = np.concatenate(([False], seen.to_numpy()[1:] == seen.to_numpy()[:-1]))
        resting = np.asarray(pd.DatetimeIndex(seen.index).day_of_week >= 5)
        at_weekends[str(name)] = int(resting.sum())
        # A coin moves on Saturdays; an equity carried over the weekend repeats Friday's close
        if resting.sum() >= 4 and repeated[resting].mean() >= 0.9 and repeated[~resting].mean() < 0.5:
            raise DataError(
                f"prices: column {name!r} repeats its previous close on {int(repeated[resting].sum())} of "
                f"{int(resting.sum())} weekend dates: it was forward-filled. Rebuild it on the exchange's "
                "own sessions and do not ffill; blanks at weekends are expected."
            )
    return [name for name, count in at_weekends.items() if count == 0]


def _find_sessions(
    frame: pd.DataFrame, equities: list[str], sessions: str | pd.DatetimeIndex | None
) -> tuple[pd.DatetimeIndex, str]:
    index = pd.DatetimeIndex(frame.index)
    if sessions is None:
        counts = [int(frame[name].notna().sum()) for name in equities]
        sessions = equities[int(np.argmax(counts))]
    if isinstance(sessions, str):
        if sessions not in frame.columns:
            raise SpecError(f"sessions={sessions!r} is not a column; the columns are {list(frame.columns)!r}.")
        return index[frame[sessions].notna().to_numpy()], sessions
    if not isinstance(sessions, pd.DatetimeIndex):
        raise SpecError(f"sessions must be a column name or a DatetimeIndex, not {type(sessions).__name__}.")
    if (sessions.tz is None) != (index.tz is None):
        raise DataError(
            f"sessions have time zone {sessions.tz} and prices {index.tz}; give both the same, "
            "e.g. sessions.tz_localize(None)."
        )
    if not (sessions.is_monotonic_increasing and sessions.is_unique):
        raise DataError("sessions must be sorted and unique; use sessions.unique().sort_values().")
    absent = sessions[~sessions.isin(index)]
    if len(absent):
        raise DataError(
            f"sessions: {len(absent)} of {len(sessions)} dates have no row in the prices "
            f"({_listing(absent)}); restrict the sessions to the sample, or complete the prices."
        )
    return index[index.isin(sessions)], "given dates"


def _off_session(frame: pd.DataFrame, equities: list[str], days: pd.DatetimeIndex, *, strict: bool) -> dict[str, int]:
    """Count equity closes on dates that are not sessions; under the default calendar they contradict it."""
    index = pd.DatetimeIndex(frame.index)
    inside = (index >= days[0]) & (index <= days[-1]) & ~index.isin(days)
    counts: dict[str, int] = {}
    for name in equities:
        extra = index[inside & frame[name].notna().to_numpy()]
        if len(extra) == 0:
            continue
        if strict:
            raise DataError(
                f"prices: column {name!r} has closes on {len(extra)} dates on which the equity with the "
                f"most observations has none ({_listing(extra)}): the equities do not share one calendar; "
                "correct them, or say with sessions= (a column name or dates) which calendar governs."
            )
        counts[name] = len(extra)
    return counts


def _common_span(
    frame: pd.DataFrame, crypto: list[str], days: pd.DatetimeIndex, span: str, *, whole: bool
) -> pd.DatetimeIndex:
    """Sessions on which every column lives; unequal lives are an error unless ``span="common"``."""
    lives: dict[str, tuple[pd.Timestamp, pd.Timestamp]] = {}
    for name in frame.columns:
        seen = pd.DatetimeIndex(frame[name].dropna().index)
        lives[str(name)] = (seen[0], seen[-1])
    last_to_start = max(lives, key=lambda name: lives[name][0])
    first_to_end = min(lives, key=lambda name: lives[name][1])
    start = max(lives[last_to_start][0], days[0])
    end = min(lives[first_to_end][1], days[-1])
    kept = days[(days >= start) & (days <= end)]
    if len(kept) == 0:
        a, b = last_to_start, first_to_end
        raise DataError(
            f"prices: {a!r} ({day(lives[a][0])} to {day(lives[a][1])}) and {b!r} ({day(lives[b][0])} to "
            f"{day(lives[b][1])}) have no session in common (sessions run from {day(days[0])} to "
            f"{day(days[-1])}); leave one of them out."
        )
    if span == "common":
        return kept
    odd = []
    for name, (first, last) in lives.items():
        # a coin may open on New Year's Day and end on a Sunday: within a week is the same span
        slack = pd.Timedelta(days=_WEEK if name in crypto else 0)
        short = (kept[0] > days[0] and first > days[0]) or (kept[-1] < days[-1] and last < days[-1])
        long = whole and (first < days[0] - slack or last > days[-1] + slack)
        if short or long:
            odd.append(f"{name!r} lives from {day(first)} to {day(last)}")
    if odd:
        raise DataError(
            f"prices: column {', column '.join(odd)}, but the sessions run from {day(days[0])} to "
            f"{day(days[-1])}; all columns exist from {day(kept[0])} to {day(kept[-1])} ({len(kept)} of "
            f"{len(days)} sessions). Pass span='common' to use those, or leave a column out."
        )
    return kept


def _check_gaps(kept: pd.DatetimeIndex, max_gap: int) -> None:
    gaps = np.asarray((kept[1:] - kept[:-1]) / pd.Timedelta(days=1))
    long = np.flatnonzero(gaps > max_gap)
    if len(long):
        k = int(long[0])
        raise DataError(
            f"prices: no session for {gaps[k]:.0f} calendar days between {day(kept[k])} and "
            f"{day(kept[k + 1])} ({len(long)} such gaps, limit {max_gap} days): check the data for missing "
            "rows; if the exchange really was closed that long, raise max_gap."
        )


def _refuse_holes(closes: FloatArray, names: list[str], kept: pd.DatetimeIndex) -> None:
    holes = np.isnan(closes)
    for i in np.flatnonzero(holes.any(axis=0)):
        dates = kept[holes[:, i]]
        raise DataError(
            f"prices: column {names[i]!r} is blank on {len(dates)} sessions inside its life "
            f"({_listing(dates)}); complete it from its source or drop these dates from every column, and "
            "do not fill forward; if its exchange was closed then, let its calendar govern: "
            f"sessions={names[i]!r}."
        )


def _start_on_the_eve(starts: FloatArray, frame: pd.DataFrame, crypto: list[str], kept: pd.DatetimeIndex) -> None:
    """Measure coins from the close of the last calendar day before each session."""
    if not crypto:
        raise DataError(
            "prices: weekend='drop' has nothing to drop, for no column trades on days without a session; use "
            "weekend='compound', or name the exchange-traded columns with equities=[...]."
        )
    gapped = np.asarray((kept[1:] - kept[:-1]) > pd.Timedelta(days=1))
    eves = kept[1:][gapped] - pd.DateOffset(days=1)
    columns = [frame.columns.get_loc(name) for name in crypto]
    at_eve = frame.reindex(eves)[crypto].to_numpy()
    for j, name in enumerate(crypto):
        blank = eves[np.isnan(at_eve[:, j])]
        if len(blank):
            raise DataError(
                f"prices: weekend='drop' needs the close of {name!r} on the day before each session, and it "
                f"is blank on {len(blank)} of them ({_listing(blank)}); use daily prices seven days a week, "
                "or weekend='compound'."
            )
        starts[gapped, columns[j]] = at_eve[:, j]
