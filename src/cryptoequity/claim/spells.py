"""Spells as plain records: reading them in, laying them on sessions, moving and shuffling them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptoequity.errors import DataError

__all__ = [
    "Spell",
    "days_of",
    "event_windows",
    "order_spells",
    "place",
    "read_spells",
    "shift_spells",
    "shuffle_spells",
]

Days = NDArray[np.datetime64]  # datetime64[D], (T,)

# 01.06.2020 and 1/6/20: pandas takes the month first where it can, and the day first where it must
_AMBIGUOUS = re.compile(r"\s*\d{1,2}\s*[./\-\s]\s*\d{1,2}\s*[./\-\s]\s*\d{2,4}\b")


class Spell(NamedTuple):
    """One episode: both days belong to it. ``sign`` is +1 up, −1 down, 0 direction unknown."""

    start: dt.date
    end: dt.date
    sign: int = 0
    amplitude: float | None = None
    source: str | None = None


def ambiguous(value: object) -> bool:
    """Tell whether a text is a date in numbers that begins with its day or its month, nobody knows which."""
    return isinstance(value, str) and _AMBIGUOUS.match(value) is not None


def as_day(value: object, what: str) -> dt.date:
    """Return ``value`` as a calendar day; refuse times of day, time zones, missing values and 01.06.2020."""
    if ambiguous(value):
        raise DataError(f"{what} is {value!r}: is the day or the month first? Write it as 'YYYY-MM-DD'.")
    try:
        stamp = pd.Timestamp(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} is {value!r}, which is not a date; write it as 'YYYY-MM-DD'.") from error
    if not isinstance(stamp, pd.Timestamp):  # NaT
        raise DataError(f"{what} is missing; give every spell its dates.")
    if stamp.tz is not None or stamp != stamp.normalize():
        raise DataError(f"{what} is {stamp}; episodes are dated in whole days without a time zone: pass its .date().")
    return stamp.date()


def as_sign(value: object, what: str) -> int:
    """Return ``value`` as −1, 0 or +1."""
    if value not in (-1, 0, 1):
        raise DataError(f"{what} has sign {value!r}; use +1 (up), -1 (down) or 0 (direction unknown).")
    return int(value)


def days_of(index: pd.DatetimeIndex, what: str = "index", *, daily: bool = False) -> Days:
    """Return the calendar days of an increasing index without time zone; with ``daily`` one entry a day.

    Raises
    ------
    DataError
        Not a `pandas.DatetimeIndex`, empty, with a time zone, a missing date, or dates that do not increase.
    """
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(
            f"{what} is a {type(index).__name__}, episodes need a DatetimeIndex; convert it with "
            "pd.to_datetime, or .to_timestamp(how='end').normalize() for periods."
        )
    if index.tz is not None:
        raise DataError(
            f"{what} carries the time zone {index.tz}; episodes are days of a session calendar: "
            "pass index.tz_localize(None), which keeps the local date."
        )
    if len(index) == 0:
        raise DataError(f"{what} is empty.")
    if index.hasnans:
        raise DataError(f"{what} has {int(np.isnat(index.to_numpy()).sum())} missing dates; drop those rows.")
    if not index.is_unique:
        twice = index[index.duplicated()]
        raise DataError(f"{what} has {len(twice)} duplicate dates, the first is {twice[0]}; keep one row a date.")
    if not index.is_monotonic_increasing:
        raise DataError(f"{what} is not sorted by date; use .sort_index().")
    days = index.to_numpy().astype("datetime64[D]")
    if daily and np.any(days[1:] == days[:-1]):
        day = days[1:][days[1:] == days[:-1]][0]
        raise DataError(f"{what} has several rows on {day}; this needs one row a day.")
    return days


def order_spells(spells: Iterable[Spell]) -> tuple[Spell, ...]:
    """Return the spells by date; refuse an end before its start and spells that overlap."""
    ordered = tuple(sorted(spells, key=lambda spell: (spell.start, spell.end)))
    for spell in ordered:
        if spell.end < spell.start:
            raise DataError(f"the spell {spell.start} → {spell.end} ends before it starts; swap the two dates.")
    for before, after in pairwise(ordered):
        if after.start <= before.end:
            raise DataError(
                f"the spells {before.start} → {before.end} and {after.start} → {after.end} overlap; "
                "join them or cut one (both days of a spell belong to it)."
            )
    return ordered


def read_spells(spells: pd.DataFrame | Iterable[Sequence[object]]) -> tuple[Spell, ...]:
    """Read (start, end[, sign]) rows, or a frame with ``start``, ``end`` and perhaps ``sign``, ``source``."""
    read = []
    if isinstance(spells, pd.DataFrame):
        absent = [column for column in ("start", "end") if column not in spells]
        if absent:
            raise DataError(f"the frame of spells has no column {absent}; it has {list(spells.columns)}.")
        signs = spells["sign"] if "sign" in spells else [0] * len(spells)
        sources = spells["source"] if "source" in spells else [None] * len(spells)
        rows = [
            (*row, None if missing(note) else str(note))
            for *row, note in zip(spells["start"], spells["end"], signs, sources, strict=True)
        ]
    else:
        rows = []
        for row in spells:
            if isinstance(row, str) or not 2 <= len(row) <= 3:
                raise DataError(f"a spell is (start, end) or (start, end, sign), not {row!r}.")
            rows.append((row[0], row[1], row[2] if len(row) == 3 else 0, None))
    for k, (start, end, sign, source) in enumerate(rows):
        what = f"spell {k}"
        read.append(
            Spell(
                as_day(start, f"{what}: start"),
                as_day(end, f"{what}: end"),
                as_sign(sign, what),
                None,
                source,
            )
        )
    if not read:
        raise DataError("there are no spells; give at least one (start, end).")
    return order_spells(read)


def missing(value: object) -> bool:
    """Tell whether a cell of a frame is empty (None, NaN, NaT, NA)."""
    return value is None or bool(pd.isna(value))  # type: ignore[call-overload]


def event_windows(events: pd.DataFrame, index: pd.DatetimeIndex, before: int, after: int) -> tuple[Spell, ...]:
    """Open a window of sessions around each event; windows of one sign that overlap become one spell.

    An event on a day without a session belongs to the next session. Windows stop at the ends of ``index``.

    Raises
    ------
    DataError
        No ``date`` column, an event outside the index, or overlapping windows of different sign.
    """
    days = days_of(index, "index", daily=True)
    if "date" not in events:
        raise DataError(f"the frame of events has no column 'date'; it has {list(events.columns)}.")
    if len(events) == 0:
        raise DataError("the frame of events is empty.")
    signs = events["sign"] if "sign" in events else [0] * len(events)
    sources = events["source"] if "source" in events else [None] * len(events)
    windows: list[tuple[int, int, Spell]] = []
    dated = [
        (as_day(date, f"event {k}: date"), sign, source)
        for k, (date, sign, source) in enumerate(zip(events["date"], signs, sources, strict=True))
    ]
    outside = [str(day) for day, _, _ in dated if not days[0] <= np.datetime64(day) <= days[-1]]
    if outside:
        raise DataError(
            f"{len(outside)} of {len(dated)} events are outside the index ({days[0]} to {days[-1]}): "
            f"{', '.join(outside[:5])}{' …' if len(outside) > 5 else ''}; drop them or lengthen the index."
        )
    for day, sign, source in sorted(dated, key=lambda event: event[0]):
        at = int(np.searchsorted(days, np.datetime64(day)))
        first, last = max(at - before, 0), min(at + after, days.size - 1)
        note = None if missing(source) else str(source)
        spell = Spell(days[first].item(), days[last].item(), as_sign(sign, f"event {day}"), None, note)
        if windows and first <= windows[-1][1] and spell.sign == windows[-1][2].sign:
            opened, _, held = windows.pop()
            notes = list(dict.fromkeys(n for n in (held.source, note) if n is not None))
            spell = spell._replace(start=held.start, source="; ".join(notes) or None)
            first = opened
        windows.append((first, last, spell))
    return order_spells(spell for _, _, spell in windows)


def place(spells: Iterable[Spell], days: Days) -> list[tuple[int, int, Spell]]:
    """Return (first, last, spell) in positions of ``days`` for the spells that cover at least one of them."""
    placed = []
    for spell in spells:
        first = int(np.searchsorted(days, np.datetime64(spell.start), side="left"))
        last = int(np.searchsorted(days, np.datetime64(spell.end), side="right")) - 1
        if first <= last:
            placed.append((first, last, spell))
    return placed


def shift_spells(spells: Iterable[Spell], days: Days, k: int, *, circular: bool) -> tuple[Spell, ...]:
    """Move every spell ``k`` sessions later (earlier if negative).

    Circular: what leaves at one end enters at the other, a spell across the seam becomes two. Linear: what
    leaves is cut, and the sessions that enter are outside.
    """
    size = days.size
    pieces: list[tuple[int, int, Spell]] = []
    for first, last, spell in place(spells, days):
        a, b = first + k, last + k
        if circular:
            a, b = a % size, b % size
            pieces += [(a, b, spell)] if a <= b else [(a, size - 1, spell), (0, b, spell)]
        elif b >= 0 and a < size:
            pieces.append((max(a, 0), min(b, size - 1), spell))
    return order_spells(spell._replace(start=days[a].item(), end=days[b].item()) for a, b, spell in pieces)


def shuffle_spells(spells: Iterable[Spell], days: Days, rng: np.random.Generator) -> tuple[Spell, ...]:
    """Draw placebo spells: the same lengths and gaps in another order, at another place, none cut in two.

    With n spells on the window there are n gaps, the last one made of the sessions before the first spell
    and after the last. Both sets of lengths are permuted and laid on a circle, which is then cut at a place
    drawn uniformly from those not inside a spell. Every arrangement is equally likely, the observed one
    among them.
    """
    placed = place(spells, days)
    if not placed:
        raise DataError(f"no spell covers a session from {days[0]} to {days[-1]}: there is nothing to place elsewhere.")
    firsts = np.array([first for first, _, _ in placed])
    lasts = np.array([last for _, last, _ in placed])
    edges = firsts[0] + days.size - 1 - lasts[-1]
    gaps = rng.permutation(np.append(firsts[1:] - lasts[:-1] - 1, edges))
    order = rng.permutation(len(placed))
    # a gap of g sessions can be cut in g + 1 places
    cut = int(rng.integers(int(np.sum(gaps + 1))))
    opened = int(np.searchsorted(np.cumsum(gaps + 1), cut, side="right"))
    kept_back = cut - int(np.sum(gaps[:opened] + 1))  # sessions of the opened gap that close the window
    gaps, order = np.roll(gaps, -opened - 1), np.roll(order, -opened - 1)
    at = int(gaps[-1]) - kept_back
    drawn = []
    for which, gap in zip(order, gaps, strict=True):
        length = int(lasts[which] - firsts[which])
        spell = placed[which][2]
        drawn.append(spell._replace(start=days[at].item(), end=days[at + length].item()))
        at += length + 1 + int(gap)
    return order_spells(drawn)
