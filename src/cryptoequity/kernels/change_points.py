r"""Partitions of a sample that minimise a sum of segment costs: exact, pruned, and greedy.

A segment is a short state vector that takes in one row at a time (running means and squares, a triangular factor), not
a difference of cumulative sums: a small variance far from the sample mean keeps all its digits.

Kinds of cost, with D columns: 0 mean, 1 variance about zero, 2 mean and variance, 3 correlation of two columns with
unit variance, 4 regression of the last column on the others, 5 multivariate normal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryptoequity.kernels import kernel

__all__ = [
    "best_splits",
    "correlation_estimate",
    "first_singular",
    "fixed_number",
    "penalized",
    "segment_cost",
    "state_size",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NOTHING = 1e-20  # variance below which a standardized segment is constant


@kernel
def state_size(kind: int, columns: int) -> int:
    """Length of the state of a segment."""
    if kind == 0:
        return 2 + columns
    if kind == 1:
        return 1 + columns
    if kind == 2:
        return 1 + 2 * columns
    if kind == 3:
        return 4
    if kind == 4:
        return 1 + columns * columns
    return 1 + columns + columns * columns


@kernel
def absorb(kind: int, state: Floats, row: Floats, work: Floats) -> None:
    """Take ``row`` (D,) into the segment; ``work`` (2, D) is scratch."""
    columns = row.size
    state[0] += 1.0
    count = state[0]
    if kind == 0:
        for j in range(columns):
            gap = row[j] - state[2 + j]
            state[2 + j] += gap / count
            state[1] += gap * (row[j] - state[2 + j])
    elif kind == 1:
        for j in range(columns):
            state[1 + j] += row[j] * row[j]
    elif kind == 2:
        for j in range(columns):
            gap = row[j] - state[1 + j]
            state[1 + j] += gap / count
            state[1 + columns + j] += gap * (row[j] - state[1 + j])
    elif kind == 3:
        state[1] += row[0] * row[0]
        state[2] += row[1] * row[1]
        state[3] += row[0] * row[1]
    elif kind == 4:
        # rotations bring [x, y] back to a triangle; its last element is the residual norm
        new = work[0]
        new[:] = row
        for i in range(columns):
            if new[i] == 0.0:
                continue
            base = 1 + i * columns
            size = np.hypot(state[base + i], new[i])
            cos, sin = state[base + i] / size, new[i] / size
            for j in range(i, columns):
                above = state[base + j]
                state[base + j] = cos * above + sin * new[j]
                new[j] = cos * new[j] - sin * above
    else:
        gaps = work[0]
        for j in range(columns):
            gaps[j] = row[j] - state[1 + j]
            state[1 + j] += gaps[j] / count
        share = (count - 1.0) / count
        for i in range(columns):
            for j in range(i + 1):
                state[1 + columns + i * columns + j] += share * gaps[i] * gaps[j]


@kernel
def correlation_loss(first: float, second: float, cross: float, r: float) -> float:
    """ln(1 - r²) + (first + second - 2 r cross) / (1 - r²)."""
    rest = 1.0 - r * r
    return np.log(rest) + (first + second - 2.0 * r * cross) / rest


@kernel
def correlation_estimate(first: float, second: float, cross: float) -> float:
    """The r in (-1, 1) with the least ln(1 - r²) + (first + second - 2 r cross) / (1 - r²).

    It is a root of r³ - cross r² + (first + second - 1) r - cross. NaN where the two columns agree, up to sign, and
    there is no minimum.
    """
    if first + second - 2.0 * abs(cross) <= 1e-12 * (first + second):
        return np.nan
    b, c, d = -cross, first + second - 1.0, -cross
    shift = -b / 3.0
    p = c - b * b / 3.0
    q = 2.0 * b * b * b / 27.0 - b * c / 3.0 + d
    disc = 0.25 * q * q + p * p * p / 27.0
    roots = np.empty(3)
    if disc >= 0.0:
        size = np.sqrt(disc)
        # the larger of the two cubes has no cancellation; the other follows from their product
        big = -0.5 * q - size if q > 0.0 else -0.5 * q + size
        one = np.cbrt(big)
        roots[:] = shift + one + (-p / (3.0 * one) if one != 0.0 else 0.0)
    else:
        size = 2.0 * np.sqrt(-p / 3.0)
        angle = np.arccos(min(1.0, max(-1.0, 3.0 * q / (p * size))))
        for k in range(3):
            roots[k] = shift + size * np.cos((angle - 2.0 * np.pi * k) / 3.0)
    least, at = np.inf, np.nan
    for k in range(3):
        r = roots[k]
        # the closed form loses digits near a double root: two steps of Newton restore them
        for _ in range(2):
            slope = 3.0 * r * r + 2.0 * b * r + c
            if slope != 0.0:
                r -= (((r + b) * r + c) * r + d) / slope
        if abs(r) < 1.0:
            value = correlation_loss(first, second, cross, r)
            if value < least:
                least = value
                at = r
    return at


@kernel
def cost_of(kind: int, columns: int, state: Floats, work: Floats) -> float:
    """Cost of the segment: a sum of squares, or -2 log-likelihood less what is the same for every partition.

    inf where the segment does not identify its parameters; ``work`` (2, D²) is scratch.
    """
    count = state[0]
    if kind == 0:
        return state[1]
    if kind == 1 or kind == 2:
        base = 1 if kind == 1 else 1 + columns
        total = 0.0
        for j in range(columns):
            variance = state[base + j] / count
            if variance <= NOTHING:
                return np.inf
            total += np.log(variance)
        return count * total
    if kind == 3:
        first, second, cross = state[1] / count, state[2] / count, state[3] / count
        r = correlation_estimate(first, second, cross)
        return np.inf if np.isnan(r) else count * correlation_loss(first, second, cross, r)
    if kind == 4:
        for j in range(columns - 1):
            size = 0.0
            for i in range(j + 1):
                size += state[1 + i * columns + j] ** 2
            if not state[1 + j * columns + j] ** 2 > 1e-20 * size:
                return np.inf
        return state[columns * columns] ** 2
    factor = work[1]
    log_det = 0.0
    for i in range(columns):
        for j in range(i + 1):
            value = state[1 + columns + i * columns + j] / count
            for k in range(j):
                value -= factor[i * columns + k] * factor[j * columns + k]
            if i == j:
                whole = state[1 + columns + i * columns + i] / count
                if value <= NOTHING or value <= 1e-12 * whole:
                    return np.inf
                factor[i * columns + i] = np.sqrt(value)
                log_det += np.log(value)
            else:
                factor[i * columns + j] = value / factor[j * columns + j]
    return count * log_det


@kernel
def segment_cost(kind: int, z: Floats, first: int, end: int) -> float:
    """Cost of the rows [first, end) of ``z`` (T, D)."""
    columns = z.shape[1]
    state = np.zeros(state_size(kind, columns))
    work = np.empty((2, columns * columns))
    for t in range(first, end):
        absorb(kind, state, z[t], work[:, :columns])
    return cost_of(kind, columns, state, work)


@kernel
def first_singular(kind: int, z: Floats, min_size: int) -> int:
    """First row of the first window of ``min_size`` rows without a finite cost; -1 if there is none.

    Longer segments contain such windows, and identify what these do.
    """
    for first in range(z.shape[0] - min_size + 1):
        if not np.isfinite(segment_cost(kind, z, first, first + min_size)):
            return first
    return -1


@kernel
def fixed_number(kind: int, z: Floats, breaks: int, min_size: int) -> tuple[Floats, Ints]:
    """Exact partitions with 0, …, ``breaks`` breaks by dynamic programming, one start at a time.

    When the segments that start at s are reached, every partition of the first s rows is final: nothing of size T x T
    is kept.

    Returns
    -------
    least costs (breaks + 1,), inf where so many do not fit; first rows of the last segments (breaks + 1, T + 1).
    """
    nobs, columns = z.shape
    cost = np.full((breaks + 1, nobs + 1), np.inf)
    start = np.full((breaks + 1, nobs + 1), -1, np.int64)
    size = state_size(kind, columns)
    state = np.empty(size)
    work = np.empty((2, columns * columns))
    for s in range(nobs - min_size + 1):
        if s > 0 and s < min_size:
            continue
        state[:] = 0.0
        for e in range(s + 1, nobs + 1):
            absorb(kind, state, z[e - 1], work[:, :columns])
            if e - s < min_size:
                continue
            value = cost_of(kind, columns, state, work)
            if s == 0:
                cost[0, e] = value
                start[0, e] = 0
                continue
            for m in range(1, breaks + 1):
                total = cost[m - 1, s] + value
                if total < cost[m, e]:
                    cost[m, e] = total
                    start[m, e] = s
    return cost[:, nobs].copy(), start


@kernel
def penalized(
    kind: int, z: Floats, penalty: float, weight: float, min_size: int, prune: bool
) -> tuple[float, Ints, int]:
    """Exact partition with the least sum of costs and ``penalty`` a break.

    ``weight`` times ln(rows / T) joins the cost of a segment. With ``prune`` a start s is given up once a later start
    b is known to beat it: F(s) + C(s, b) > F(b) implies F(s) + C(s, e) > F(b) + C(b, e) for every end e, but b can be
    a start only of segments with ``min_size`` rows, hence s leaves at e = b + min_size and not before.

    Returns
    -------
    least total; first row of the last segment, (T + 1,), of every optimal partition; cost evaluations.
    """
    nobs, columns = z.shape
    best = np.full(nobs + 1, np.inf)
    start = np.full(nobs + 1, -1, np.int64)
    best[0] = -penalty
    states = np.zeros((nobs + 1, state_size(kind, columns)))
    work = np.empty((2, columns * columns))
    active = np.empty(nobs + 1, np.int64)
    leaves = np.full(nobs + 1, nobs + 1, np.int64)
    values = np.empty(nobs + 1)
    active[0] = 0
    count = 1
    evaluations = 0
    for e in range(1, nobs + 1):
        kept = 0
        for i in range(count):
            s = active[i]
            if leaves[s] <= e:
                continue
            active[kept] = s
            absorb(kind, states[s], z[e - 1], work[:, :columns])
            values[kept] = np.inf
            if e - s >= min_size:
                evaluations += 1
                value = best[s] + cost_of(kind, columns, states[s], work)
                if weight != 0.0:
                    value += weight * np.log((e - s) / nobs)
                values[kept] = value
                if value + penalty < best[e]:
                    best[e] = value + penalty
                    start[e] = s
            kept += 1
        count = kept
        if np.isfinite(best[e]) and e + min_size <= nobs:
            if prune:
                for i in range(count):
                    if np.isfinite(values[i]) and values[i] > best[e]:
                        leaves[active[i]] = min(leaves[active[i]], e + min_size)
            active[count] = e
            count += 1
    return float(best[nobs]), start, evaluations


@kernel
def best_splits(kind: int, z: Floats, firsts: Ints, ends: Ints, weight: float, min_size: int) -> tuple[Ints, Floats]:
    """For every interval [first, end) the row that splits it best and the cost it saves.

    -1 and -inf where the interval is too short for two segments. ``weight`` as in `penalized`.
    """
    nobs, columns = z.shape
    where = np.full(firsts.size, -1, np.int64)
    gains = np.full(firsts.size, -np.inf)
    left = np.empty(nobs + 1)
    state = np.empty(state_size(kind, columns))
    work = np.empty((2, columns * columns))
    for k in range(firsts.size):
        first, end = firsts[k], ends[k]
        if end - first < 2 * min_size:
            continue
        state[:] = 0.0
        for t in range(first, end):
            absorb(kind, state, z[t], work[:, :columns])
            if t + 1 - first >= min_size:
                left[t + 1] = cost_of(kind, columns, state, work)
                if weight != 0.0:
                    left[t + 1] += weight * np.log((t + 1 - first) / nobs)
        whole = left[end]
        state[:] = 0.0
        for t in range(end - 1, first + min_size - 1, -1):
            absorb(kind, state, z[t], work[:, :columns])
            if end - t < min_size:
                continue
            right = cost_of(kind, columns, state, work)
            if weight != 0.0:
                right += weight * np.log((end - t) / nobs)
            gain = whole - left[t] - right
            # ties go to the earliest row, as in the exact searches
            if gain >= gains[k]:
                gains[k] = gain
                where[k] = t
    return where, gains
