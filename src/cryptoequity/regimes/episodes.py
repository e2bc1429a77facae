"""States and episodes as zeros and ones on the same dates; what cannot be compared is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.params import Array
from .fit import RegimeFit

__all__ = ["Bits", "read_episodes", "read_states", "spells_of"]

SHORTEST = 50
Bits = npt.NDArray[np.bool_]


def spells_of(bits: Bits) -> list[tuple[int, int]]:
    """(first, last) rows of the runs of ones."""
    edges = np.diff(np.concatenate([[0], bits.astype(np.int8), [0]]))
    first, end = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(a), int(b) - 1) for a, b in zip(first, end, strict=True)]


def read_states(
    states: RegimeFit | pd.Series, *, kind: str, regime: int | None, threshold: float, min_length: int
) -> tuple[Bits, pd.Index]:
    """0/1 states by date: a fit's regime where its probability exceeds ``threshold``, or a series."""
    if not 0.0 < threshold < 1.0:
        raise SpecError(f"threshold={threshold!r}: a probability between 0 and 1.")
    if not isinstance(min_length, int) or isinstance(min_length, bool) or min_length < 1:
        raise SpecError(f"min_length={min_length!r}: a whole number of dates, at least 1.")
    if isinstance(states, RegimeFit):
        check_option("kind", kind, ("filtered", "smoothed"))
        number = states.k if regime is None else regime
        if not isinstance(number, int) or not 1 <= number <= states.k:
            raise SpecError(f"regime={regime!r}: a number from 1 to {states.k}.")
        values = states.probabilities(kind).to_numpy()[:, number - 1]
        index = states.index
    else:
        if regime is not None:
            raise SpecError("regime= chooses a regime of a fit; a series holds one already.")
        values, index = _zero_to_one(states, "states")
    bits = values > threshold
    if min_length > 1:
        for first, last in spells_of(bits):
            if last - first + 1 < min_length:
                bits[first : last + 1] = False
    if len(bits) < SHORTEST:
        raise DataError(f"states: {len(bits)} dates are too few, at least {SHORTEST} are needed.")
    if bits.all() or not bits.any():
        raise DataError(
            f"states: the regime is {'on' if bits.all() else 'off'} at every date (threshold {threshold:g}); nothing "
            "can coincide with it. Use another threshold, regime or min_length."
        )
    return bits, index


def _zero_to_one(series: Any, what: str) -> tuple[Array, pd.Index]:
    if not isinstance(series, pd.Series):
        raise SpecError(f"{what}: pass a pandas Series of 0 and 1 by date, not {type(series).__name__}.")
    if not series.index.is_unique:
        raise DataError(f"{what}: {series.index[series.index.duplicated()][0]} appears twice; a date needs one row.")
    if not series.index.is_monotonic_increasing:
        raise DataError(f"{what}: the dates are not in order; use .sort_index().")
    values = series.to_numpy(dtype=float, na_value=np.nan)
    bad = ~((values >= 0.0) & (values <= 1.0))
    if bad.any():
        raise DataError(f"{what}: {values[bad][0]!r} at {series.index[bad][0]} is not within 0 and 1.")
    return values, series.index


def read_episodes(episodes: Any, index: pd.Index) -> Bits:
    """0/1 episodes on the rows of ``index``: a series by date, or spells with both ends included.

    Spells are a frame with columns start and end (or first and last), or pairs.
    """
    if isinstance(episodes, pd.Series):
        values, own = _zero_to_one(episodes, "episodes")
        missing = index.difference(own)
        if len(missing):
            raise DataError(
                f"episodes: no row for {len(missing)} of the {len(index)} dates, first {missing[0]}; give every date "
                "a 0 or a 1, or pass spells."
            )
        if not np.isin(values, (0.0, 1.0)).all():
            raise DataError("episodes: 0 or 1 by date; an episode is dated, not probable.")
        bits = episodes.loc[index].to_numpy(dtype=float) > 0.5
    else:
        bits = np.zeros(len(index), bool)
        for first, last in _pairs(episodes):
            begin, end = (pd.Timestamp(one) if isinstance(index, pd.DatetimeIndex) else one for one in (first, last))
            if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
                begin, end = (one.tz_localize(index.tz) if one.tz is None else one for one in (begin, end))
            if isinstance(end, pd.Timestamp) and end == end.normalize():
                end += pd.Timedelta(days=1, nanoseconds=-1)  # a day ends with its last bar
            if end < begin:
                raise DataError(f"episodes: the spell from {first} ends before, at {last}.")
            bits |= np.asarray((index >= begin) & (index <= end))
    if bits.all() or not bits.any():
        raise DataError(
            f"episodes: {'every' if bits.all() else 'no'} date of the sample lies in an episode; there is nothing to "
            "compare."
        )
    return bits


def _pairs(episodes: Any) -> list[tuple[Any, Any]]:
    if isinstance(episodes, pd.DataFrame):
        for first, last in (("start", "end"), ("first", "last")):
            if {first, last} <= set(episodes.columns):
                return list(zip(episodes[first], episodes[last], strict=True))
        raise SpecError(f"episodes: a frame of spells needs columns start and end, not {list(episodes.columns)}.")
    try:
        pairs = [(first, last) for first, last in episodes]
    except (TypeError, ValueError):
        raise SpecError("episodes: a 0/1 Series by date, a frame with start and end, or pairs of dates.") from None
    return pairs
