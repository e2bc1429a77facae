"""Turning points on arrays: local extremes and their censoring, and Bry and Boschan's smoothed search."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..estimation.params import Array
from ..kernels.phases import censor, extremes

__all__ = ["bry_boschan_turns", "window_turns"]

Rows = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.int8]
# Spencer's 15-point formula, exact for cubics
SPENCER: Array = np.array([-3.0, -6, -5, 3, 21, 46, 67, 74, 67, 46, 21, 3, -5, -6, -3]) / 320.0
EXTREME = 3.5  # standard deviations from the Spencer curve beyond which a value is replaced by it


def window_turns(
    y: Array, window: int, edge: int, min_phase: int, min_cycle: int, override: float
) -> tuple[Rows, Kinds]:
    """Censored turns of ``y`` (T,), log levels, that are extremes within ``window`` observations on either side."""
    values = np.ascontiguousarray(y)
    margin = max(window, edge)
    rows, kinds = censor(
        values, extremes(values, window), margin, values.size - margin, min_phase, min_cycle, float(override), True
    )
    return rows, kinds


def bry_boschan_turns(x: Array, window: int, edge: int, min_phase: int, min_cycle: int) -> tuple[Rows, Kinds]:
    """Turns of the monthly program of Bry and Boschan (1971) in ``x`` (T,), positive levels."""
    log = np.log(np.ascontiguousarray(x))
    nobs = x.size
    clean = replace_extremes(x)
    average = centered_average(clean, 12)
    rows, kinds = censor(average, extremes(average, window), 0, nobs, 1, 2, np.inf, False)
    curve = smooth(clean, SPENCER)
    rows, kinds = follow(curve, rows, kinds, window, min_cycle)
    months = cyclical_dominance(x)
    short = centered_average(x, min(max(months, 3), 6))
    rows, kinds = follow(short, rows, kinds, window, 2)
    reach = max(months, 4)
    marks = np.zeros(nobs, np.int8)
    for row, kind in zip(*nearby(x, rows, kinds, reach), strict=True):
        marks[row] = kind
    rows, kinds = censor(log, marks, edge, nobs - edge, min_phase, min_cycle, np.inf, True)
    return rows, kinds


def follow(y: Array, rows: Rows, kinds: Kinds, reach: int, min_cycle: int) -> tuple[Rows, Kinds]:
    """Turns of the curve ``y`` next to given ones, alternating, with cycles of ``min_cycle``."""
    marks = np.zeros(y.size, np.int8)
    for row, kind in zip(*nearby(y, rows, kinds, reach), strict=True):
        marks[row] = kind
    out: tuple[Rows, Kinds] = censor(np.ascontiguousarray(y), marks, 0, y.size, 1, min_cycle, np.inf, False)
    return out


def nearby(y: Array, rows: Rows, kinds: Kinds, reach: int) -> tuple[Rows, Kinds]:
    """Row of the highest value within ``reach`` of each peak, the lowest for troughs; the first of equal ones."""
    out = np.empty_like(rows)
    for i, (row, kind) in enumerate(zip(rows.tolist(), kinds.tolist(), strict=True)):
        first = max(row - reach, 0)
        out[i] = first + int(np.argmax(kind * y[first : row + reach + 1]))
    return out, kinds


def smooth(x: Array, weights: Array) -> Array:
    """Symmetric average of ``x``; beyond its ends stand its first and last value."""
    half = weights.size // 2
    return np.convolve(np.pad(x, half, mode="edge"), weights, mode="valid")


def centered_average(x: Array, order: int) -> Array:
    """Centered moving average; an even order has half weights at both ends."""
    if order % 2:
        return smooth(x, np.full(order, 1.0 / order))
    weights = np.full(order + 1, 1.0 / order)
    weights[[0, -1]] *= 0.5
    return smooth(x, weights)


def replace_extremes(x: Array) -> Array:
    """Values 3.5 standard deviations or more off the Spencer curve are replaced by the curve."""
    curve = smooth(x, SPENCER)
    gap = np.log(x / curve) if (curve > 0).all() else x - curve
    spread = float(gap.std())
    if not spread > 0.0:
        return x.copy()
    return np.where(np.abs(gap - gap.mean()) >= EXTREME * spread, curve, x)


def cyclical_dominance(x: Array) -> int:
    """Months of cyclical dominance: the shortest span over which the curve moves more than what is around it.

    Six, the longest average of the program, where no span up to it does.
    """
    curve = smooth(x, SPENCER)
    rest = x - curve
    for span in range(1, 7):
        if np.abs(rest[span:] - rest[:-span]).sum() < np.abs(curve[span:] - curve[:-span]).sum():
            return span
    return 6
