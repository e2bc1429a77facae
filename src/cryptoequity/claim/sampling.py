"""Readings taken every so often: what the rules that date from sampled series share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptoequity.claim.dating import Floats, Ints, Readings
from cryptoequity.claim.spells import Days
from cryptoequity.errors import DataError, SpecError

__all__ = ["check_number", "check_whole", "hold", "month_ends", "stands_still", "until"]


def hold(values: NDArray[Any], step: int, size: int) -> NDArray[Any]:
    """Spread values of every ``step``-th reading, the first among them, forward over (size,) readings."""
    return np.repeat(values, step)[:size]


def until(values: NDArray[Any], rows: Ints, size: int) -> NDArray[Any]:
    """Spread values of the readings at ``rows`` back to the one before; readings after the last hold its value."""
    at = np.minimum(np.searchsorted(rows, np.arange(size), side="left"), rows.size - 1)
    return values[at]


def month_ends(days: Days) -> Ints:
    """Return the positions of the last reading in each calendar month."""
    months = days.astype("datetime64[M]")
    return np.append(np.flatnonzero(months[1:] != months[:-1]), days.size - 1).astype(np.int64)


def stands_still(readings: Readings) -> None:
    """Refuse log ratios that never move."""
    ratio: Floats = readings.log_ratio
    if not float(np.ptp(ratio)) > 0.0:
        raise DataError(
            f"the ratio is the same on all {ratio.size:,} readings from {readings.dates[0]} to {readings.dates[-1]}: "
            "nothing can be dated from it; are tech and market one series?"
        )


def check_whole(name: str, value: object, least: int) -> int:
    """Return a whole number of at least ``least``, or refuse it."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise SpecError(f"{name}={value!r} must be a whole number of at least {least}.")
    return int(value)


def check_number(name: str, value: object, low: float, high: float) -> float:
    """Return a number strictly between ``low`` and ``high``, or refuse it."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise SpecError(f"{name}={value!r} must be a number.")
    if not low < value < high:
        raise SpecError(f"{name}={value!r} must lie strictly between {low:g} and {high:g}.")
    return float(value)
