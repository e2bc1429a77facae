"""Loops that date re-ratings: an expanding quantile, runs kept or dropped, an expanding scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryptoequity.kernels import kernel

__all__ = ["date_states", "flag_moves", "keep_spells", "scale_moves"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
States = NDArray[np.int8]


@kernel
def push(heap: Floats, count: int, value: float) -> int:
    """Add ``value`` to the min-heap ``heap[:count]`` in place; return the new count."""
    child = count
    while child > 0:
        parent = (child - 1) // 2
        if heap[parent] <= value:
            break
        heap[child] = heap[parent]
        child = parent
    heap[child] = value
    return count + 1


@kernel
def drop_smallest(heap: Floats, count: int) -> int:
    """Remove ``heap[0]`` from the min-heap ``heap[:count]`` in place; return the new count."""
    count -= 1
    value = heap[count]
    parent = 0
    while 2 * parent + 1 < count:
        child = 2 * parent + 1
        if child + 1 < count and heap[child + 1] < heap[child]:
            child += 1
        if value <= heap[child]:
            break
        heap[parent] = heap[child]
        parent = child
    heap[parent] = value
    return count


@kernel
def flag_moves(log_ratio: Floats, base: Ints, clock: Floats, quantile: float, min_history: float) -> States:
    """Mark the readings whose move is large against every earlier move.

    With Δ_t = r_t − r_{base(t)} and Q_{t−1} the ``quantile`` of {|Δ_s| : s < t} (linear interpolation
    between order statistics, as `numpy.quantile`), the mark is ``sign(Δ_t) · 1{|Δ_t| ≥ Q_{t−1}}``. A move
    of exactly zero is never marked, and nothing is marked before ``min_history`` has passed on the clock
    since the first move.

    Parameters
    ----------
    log_ratio : float64 (n,)
        r_t, the log of tech over market.
    base : int64 (n,)
        Position of the reading each move starts from; −1 where there is none yet.
    clock : float64 (n,)
        Increasing time of each reading, in the unit of ``min_history``.
    quantile, min_history : float

    Returns
    -------
    int8 (n,)
        −1, 0 or +1.
    """
    n = log_ratio.size
    state = np.zeros(n, dtype=np.int8)
    # the earlier |Δ| in two heaps that meet at the quantile: a sorted array would cost O(n²) moves
    below = np.empty(n)  # min-heap of −|Δ|: its top is the largest of the lower part
    above = np.empty(n)
    n_below, n_above = 0, 0
    first = -1
    for t in range(n):
        if base[t] < 0:
            continue
        move = log_ratio[t] - log_ratio[base[t]]
        size = abs(move)
        if first < 0:
            first = t
        if n_below > 0 and size > 0.0 and clock[t] - clock[first] >= min_history:
            place = quantile * (n_below + n_above - 1)
            weight = place - np.floor(place)
            low = -below[0]
            high = above[0] if n_above > 0 else low
            # the two forms numpy uses, so that both give the same last digit
            cut = low + (high - low) * weight if weight < 0.5 else high - (high - low) * (1.0 - weight)
            if size >= cut:
                state[t] = 1 if move > 0.0 else -1
        if n_below > 0 and size <= -below[0]:
            n_below = push(below, n_below, -size)
        else:
            n_above = push(above, n_above, size)
        wanted = int(np.floor(quantile * (n_below + n_above - 1))) + 1
        while n_below < wanted:
            n_below = push(below, n_below, -above[0])
            n_above = drop_smallest(above, n_above)
        while n_below > wanted:
            n_above = push(above, n_above, -below[0])
            n_below = drop_smallest(below, n_below)
    return state


@kernel
def keep_spells(
    state: States, clock: Floats, spacing: float, min_length: float, merge: float, real_time: bool
) -> States:
    """Join marks across short gaps, then keep the spells that last.

    A spell is a run of marks of one sign; runs of the same sign whose gap is shorter than ``merge`` are one
    spell, and spells shorter than ``min_length`` are dropped. A reading is in force until the next one, the
    last for ``spacing``.

    With ``real_time`` the answer at t is the one this rule gives when the sample stops at t: a spell counts
    from the reading at which it is long enough, and the days of a gap, not yet known to be short, are
    outside.

    Parameters
    ----------
    state : int8 (n,)
        −1, 0 or +1.
    clock : float64 (n,)
    spacing, min_length, merge : float
        In the unit of ``clock``.
    real_time : bool

    Returns
    -------
    int8 (n,)
        The sign of the spell each reading belongs to, or 0.
    """
    n = state.size
    kept = np.zeros(n, dtype=np.int8)
    start, last, sign = -1, -1, 0
    for t in range(n + 1):
        ended = t == n
        if not ended:
            if state[t] == 0:
                continue
            goes_on = state[t] == sign and (last == t - 1 or clock[t] - clock[last + 1] < merge)
        if ended or not goes_on:
            if start >= 0 and not real_time:
                until = clock[last + 1] if last + 1 < n else clock[last] + spacing
                if until - clock[start] >= min_length:
                    kept[start : last + 1] = sign
            if ended:
                break
            start, sign = t, state[t]
        last = t
        if real_time and clock[t] + spacing - clock[start] >= min_length:
            kept[t] = sign
    return kept


@kernel
def date_states(
    log_ratio: Floats,
    base: Ints,
    clock: Floats,
    spacing: float,
    quantile: float,
    min_history: float,
    min_length: float,
    merge: float,
    real_time: bool,
) -> States:
    """Return `keep_spells` of `flag_moves`: the whole rule from path to dated readings, int8 (n,)."""
    state = flag_moves(log_ratio, base, clock, quantile, min_history)
    return keep_spells(state, clock, spacing, min_length, merge, real_time)


@kernel
def scale_moves(log_ratio: Floats, base: Ints, clock: Floats, min_history: float) -> Floats:
    """Divide each move by the standard deviation of the earlier ones: Δ_t / sd{Δ_s : s < t}.

    Parameters
    ----------
    log_ratio, base, clock, min_history
        As in `flag_moves`.

    Returns
    -------
    float64 (n,)
        NaN before ``min_history`` has passed; infinite (or NaN) where the earlier moves never varied.
    """
    n = log_ratio.size
    scaled = np.full(n, np.nan)
    mean, squares = 0.0, 0.0  # Welford's running mean and sum of squared deviations
    count = 0
    first = -1
    for t in range(n):
        if base[t] < 0:
            continue
        move = log_ratio[t] - log_ratio[base[t]]
        if first < 0:
            first = t
        if count > 1 and clock[t] - clock[first] >= min_history:
            scaled[t] = move / np.sqrt(squares / (count - 1))
        count += 1
        step = move - mean
        mean += step / count
        squares += step * (move - mean)
    return scaled
