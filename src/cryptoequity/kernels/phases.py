"""Loops that date market phases: local extremes, the censoring of turning points, a filter of rises and falls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryptoequity.kernels import kernel

__all__ = ["censor", "extremes", "filter_turns"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Kinds = NDArray[np.int8]


@kernel
def extremes(y: Floats, window: int) -> Kinds:
    """Mark local extremes: 1 for a peak, -1 for a trough, 0 elsewhere.

    A peak is higher than each of the ``window`` values before it and not lower than each of the ``window`` after it,
    so that of equal values the first counts; troughs likewise. Both windows must be complete.

    Parameters
    ----------
    y : float64 (T,). window : at least 1.
    """
    nobs = y.size
    kinds = np.zeros(nobs, np.int8)
    for t in range(window, nobs - window):
        peak = True
        trough = True
        for j in range(1, window + 1):
            before = y[t - j]
            after = y[t + j]
            if before >= y[t] or after > y[t]:
                peak = False
            if before <= y[t] or after < y[t]:
                trough = False
            if not (peak or trough):
                break
        if peak:
            kinds[t] = 1
        elif trough:
            kinds[t] = -1
    return kinds


@kernel
def remove(rows: Ints, kinds: Kinds, count: int, first: int, how_many: int) -> int:
    """Close the gap of ``how_many`` turns from ``first`` in place; return the new count."""
    for i in range(first, count - how_many):
        rows[i] = rows[i + how_many]
        kinds[i] = kinds[i + how_many]
    return count - how_many


@kernel
def drop_turn(y: Floats, rows: Ints, kinds: Kinds, count: int, turn: int) -> int:
    """Remove one turn and restore alternation: of its two neighbors, which are of one kind, the more extreme stays."""
    if turn == 0 or turn == count - 1:
        return remove(rows, kinds, count, turn, 1)
    left = kinds[turn - 1] * y[rows[turn - 1]]
    right = kinds[turn + 1] * y[rows[turn + 1]]
    return remove(rows, kinds, count, turn - 1 if right > left else turn, 2)


@kernel
def drop_phase(y: Floats, rows: Ints, kinds: Kinds, count: int, first: int) -> int:
    """Remove the phase between turns ``first`` and ``first + 1``.

    Of three successive swings with this phase in the middle the smallest is dropped, both its ends: that leaves the
    widest swing the four turns allow. At the ends of the sequence, where there is no third swing, the outer turn goes.
    """
    if count == 2:
        return 0
    size = kinds[first + 1] * (y[rows[first + 1]] - y[rows[first]])
    before = np.inf
    after = np.inf
    if first > 0:
        before = kinds[first] * (y[rows[first]] - y[rows[first - 1]])
    if first + 2 < count:
        after = kinds[first + 2] * (y[rows[first + 2]] - y[rows[first + 1]])
    if before < size and before <= after:
        return remove(rows, kinds, count, first - 1, 2)
    if after < size:
        return remove(rows, kinds, count, first + 1, 2)
    if first == 0:
        return remove(rows, kinds, count, 0, 1)
    if first + 2 == count:
        return remove(rows, kinds, count, first + 1, 1)
    return remove(rows, kinds, count, first, 2)


@kernel
def trim_ends(y: Floats, rows: Ints, kinds: Kinds, count: int) -> int:
    """Drop outer peaks lower (troughs higher) than a value nearer to the end of the series."""
    while count > 0:
        sign = kinds[0]
        bad = False
        for t in range(rows[0]):
            if sign * y[t] > sign * y[rows[0]]:
                bad = True
                break
        if not bad:
            break
        count = remove(rows, kinds, count, 0, 1)
    while count > 0:
        last = count - 1
        sign = kinds[last]
        bad = False
        for t in range(rows[last] + 1, y.size):
            if sign * y[t] > sign * y[rows[last]]:
                bad = True
                break
        if not bad:
            break
        count -= 1
    return count


@kernel
def short_cycle(y: Floats, rows: Ints, count: int, least: int) -> int:
    """Turn that opens the shortest cycle below ``least``, of equally short ones that with the smallest swing; or -1."""
    found = -1
    shortest = least
    smallest = np.inf
    for i in range(count - 2):
        length = rows[i + 2] - rows[i]
        if length >= least:
            continue
        swing = min(abs(y[rows[i + 1]] - y[rows[i]]), abs(y[rows[i + 2]] - y[rows[i + 1]]))
        if length < shortest or (length == shortest and swing < smallest):
            found, shortest, smallest = i, length, swing
    return found


@kernel
def short_phase(y: Floats, rows: Ints, kinds: Kinds, count: int, least: int, override: float) -> int:
    """Turn that opens the shortest phase below ``least``, a phase in the wrong direction before any; or -1."""
    found = -1
    shortest = least
    smallest = np.inf
    for i in range(count - 1):
        move = y[rows[i + 1]] - y[rows[i]]
        if kinds[i + 1] * move <= 0.0:
            return i
        length = rows[i + 1] - rows[i]
        if length >= least or abs(np.expm1(move)) > override:
            continue
        if length < shortest or (length == shortest and abs(move) < smallest):
            found, shortest, smallest = i, length, abs(move)
    return found


@kernel
def censor(
    y: Floats, candidates: Kinds, first: int, end: int, min_phase: int, min_cycle: int, override: float, ends: bool
) -> tuple[Ints, Kinds]:
    """Turning points that survive: alternating, consistent with the ends, cycles and phases long enough.

    Parameters
    ----------
    y : float64 (T,), log prices. candidates : int8 (T,), 1 peak, -1 trough. first, end : rows [first, end) considered.
    min_phase, min_cycle : fewest observations between turns, and between turns of one kind.
    override : a phase that moves by more than this share survives however short; inf for none.
    ends : whether outer turns must be more extreme than every value nearer to the end.

    Returns
    -------
    rows (m,), kinds (m,).
    """
    rows = np.empty(max(end - first, 1), np.int64)
    kinds = np.empty(max(end - first, 1), np.int8)
    count = 0
    for t in range(first, end):
        kind = candidates[t]
        if kind == 0:
            continue
        if count and kinds[count - 1] == kind:
            if kind * y[t] > kind * y[rows[count - 1]]:
                rows[count - 1] = t
            continue
        rows[count] = t
        kinds[count] = kind
        count += 1
    # every pass that does not end drops a turn
    while count > 0:
        if ends:
            count = trim_ends(y, rows, kinds, count)
        at = short_cycle(y, rows, count, min_cycle)
        if at >= 0:
            one = kinds[at] * y[rows[at]]
            two = kinds[at] * y[rows[at + 2]]
            count = drop_turn(y, rows, kinds, count, at if two > one else at + 2)
            continue
        at = short_phase(y, rows, kinds, count, min_phase, override)
        if at < 0:
            break
        count = drop_phase(y, rows, kinds, count, at)
    return rows[:count].copy(), kinds[:count].copy()


@kernel
def filter_turns(prices: Floats, up: float, down: float) -> tuple[Ints, Kinds, Ints, int]:
    """Turning points of a filter: a bull market ends at the maximum from which prices have fallen by ``down``.

    Returns
    -------
    rows (m,), kinds (m,), known (m,) rows at which the move was complete, and the state at the end: 1 bull, -1 bear,
    0 where prices have moved too little for either.
    """
    nobs = prices.size
    rows = np.empty(nobs, np.int64)
    kinds = np.empty(nobs, np.int8)
    known = np.empty(nobs, np.int64)
    count = 0
    state = 0
    high = 0
    low = 0
    for t in range(1, nobs):
        if state >= 0:
            if prices[t] > prices[high]:
                high = t
        if state <= 0:
            if prices[t] < prices[low]:
                low = t
        if state >= 0 and prices[t] <= (1.0 - down) * prices[high]:
            # a market that falls from its first price on has no peak before it
            if high > 0:
                rows[count] = high
                kinds[count] = 1
                known[count] = t
                count += 1
            state = -1
            low = t
        elif state <= 0 and prices[t] >= (1.0 + up) * prices[low]:
            if low > 0:
                rows[count] = low
                kinds[count] = -1
                known[count] = t
                count += 1
            state = 1
            high = t
    return rows[:count].copy(), kinds[:count].copy(), known[:count].copy(), state
