"""Recursive Dickey–Fuller regressions over every window of a series, by rank-one updates: O(T²) time, O(T) memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryptoequity.kernels import kernel

__all__ = ["adf_paths", "adf_paths_lagged", "adf_paths_walk", "adf_prefixes"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDING = 8.0 * 2.220446049250313e-16  # a move below so much of the level is rounding, not a move


@kernel
def absorb(root: Floats, mean: Floats, row: Floats, count: int) -> float:
    """Add ``row`` to a regression with a constant; return what its sum of squared residuals grows by.

    ``root`` (k, k + 1) is the triangular factor of the centered regressors with their projection of the target in its
    last column, ``mean`` (k + 1,) the means, ``count`` the rows with this one. ``row`` (regressors, target) is spent.
    Rotations of the factor, not sums of squares: in an explosive window regressors and target are nearly collinear.
    """
    width = row.size - 1
    weight = np.sqrt((count - 1.0) / count)
    for c in range(width + 1):
        gap = row[c] - mean[c]
        mean[c] += gap / count
        row[c] = weight * gap
    for c in range(width):
        new = row[c]
        if new == 0.0:
            continue
        old = root[c, c]
        length = np.sqrt(old * old + new * new)
        cosine, sine = old / length, new / length
        root[c, c] = length
        for m in range(c + 1, width + 1):
            kept = root[c, m]
            root[c, m] = cosine * kept + sine * row[m]
            row[m] = cosine * row[m] - sine * kept
    return row[width] * row[width]


@kernel
def signed_square(root: Floats, ssr: float, count: int, size: float) -> float:
    """The t-statistic of the level, squared with its sign; NaN where the regression is not defined.

    The level is the last regressor, so its rotated target over the residual standard deviation is its t-statistic.
    ``size`` is the largest level in the window, against which rounding is judged.
    """
    width = root.shape[0]
    floor = count * (ROUNDING * size) ** 2
    for c in range(width):
        if root[c, c] * root[c, c] <= floor:
            return np.nan
    if ssr <= floor:
        return np.nan
    shift = root[width - 1, width]
    return shift * abs(shift) * (count - width - 1) / ssr


@kernel
def signed_root(square: float) -> float:
    """The number whose signed square this is."""
    return np.sqrt(square) if square >= 0.0 else -np.sqrt(-square)


@kernel
def adf_paths(y: Floats, lag: int, window: int, first: int) -> tuple[Floats, Floats, Ints, int, int]:
    """t-statistics of the level over all windows of at least ``window`` rows, by the last observation of the window.

    Row t regresses y_t - y_{t-1} on 1, y_{t-1} and ``lag`` lagged differences. From the last row backward one row
    after another is added, so a value depends on nothing after its date.

    Parameters
    ----------
    y : float64 (T,)
    first : int
        First observation to end a window at, at least lag + window.

    Returns
    -------
    of windows from the first row, (T - first,); the supremum over starts; the first observation of the window that
    attains it (the lags before it not counted); windows without a statistic, and where the first of them ends.
    """
    nobs = y.size
    many = nobs - first
    whole = np.full(many, np.nan)
    best = np.full(many, np.nan)
    begin = np.full(many, -1, dtype=np.int64)
    width = lag + 1
    row = np.empty(width + 1)
    singular, where = 0, -1
    for j in range(many):
        end = first + j
        root = np.zeros((width, width + 1))
        mean = np.zeros(width + 1)
        base, size, ssr, top = y[end], abs(y[end]), 0.0, -np.inf
        for t in range(end, lag, -1):
            for i in range(lag):
                row[i] = y[t - 1 - i] - y[t - 2 - i]
            row[lag] = y[t - 1] - base  # what the constant takes, left out before anything is squared
            row[width] = y[t] - y[t - 1]
            size = max(size, abs(y[t - 1]))
            count = end - t + 1
            ssr += absorb(root, mean, row, count)
            if count >= window:
                square = signed_square(root, ssr, count, size)
                if np.isnan(square):
                    singular += 1
                    if where < 0:
                        where = end
                    continue
                if t == lag + 1:
                    whole[j] = signed_root(square)
                if square > top:
                    top = square
                    begin[j] = t - 1
        if begin[j] >= 0:
            best[j] = signed_root(top)
    return whole, best, begin, singular, where


@kernel
def adf_prefixes(y: Floats, lag: int, window: int) -> Floats:
    """t-statistics of the level over the windows from the first row, (T - lag - window,), in O(T)."""
    nobs = y.size
    out = np.full(nobs - lag - window, np.nan)
    width = lag + 1
    row = np.empty(width + 1)
    root = np.zeros((width, width + 1))
    mean = np.zeros(width + 1)
    base, size, ssr = y[lag], 0.0, 0.0
    for t in range(lag + 1, nobs):
        for i in range(lag):
            row[i] = y[t - 1 - i] - y[t - 2 - i]
        row[lag] = y[t - 1] - base
        row[width] = y[t] - y[t - 1]
        size = max(size, abs(y[t - 1]))
        count = t - lag
        ssr += absorb(root, mean, row, count)
        if count >= window:
            out[count - window] = signed_root(signed_square(root, ssr, count, size))
    return out


@kernel
def adf_paths_walk(changes: Floats, window: int) -> tuple[Floats, Floats]:
    """Like `adf_paths` without lags, for a walk with these ``changes`` (T - 1,): the leaner loop of the null's draws.

    All windows that end at one date advance together, so the processor takes several at a time. The sums are of
    squares, centered as they grow: enough for a walk, whose level explains next to nothing of its changes.

    Returns
    -------
    of windows from the first row, (T - window,); the supremum over starts.
    """
    rows = changes.size
    whole = np.full(rows - window + 1, np.nan)
    best = np.full(rows - window + 1, np.nan)
    level_mean, change_mean = np.zeros(rows), np.zeros(rows)
    xx, xd, dd = np.zeros(rows), np.zeros(rows), np.zeros(rows)
    square = np.empty(rows)
    inverse, weight = np.ones(rows + 1), np.zeros(rows + 1)
    for n in range(1, rows + 1):
        inverse[n] = 1.0 / n
        weight[n] = (n - 1.0) / n
    level = 0.0
    for end in range(rows):
        change = changes[end]
        for start in range(end + 1):
            n = end - start + 1
            gap, move = level - level_mean[start], change - change_mean[start]
            level_mean[start] += gap * inverse[n]
            change_mean[start] += move * inverse[n]
            part = weight[n] * gap
            xx[start] += part * gap
            xd[start] += part * move
            dd[start] += weight[n] * move * move
        if end >= window - 1:
            last = end - window + 2
            for start in range(last):
                n = end - start + 1
                square[start] = xd[start] * abs(xd[start]) * (n - 2) / (xx[start] * dd[start] - xd[start] * xd[start])
            top = -np.inf
            for start in range(last):
                if square[start] > top:
                    top = square[start]
            at = end - window + 1
            whole[at] = signed_root(square[0])
            if top > -np.inf:
                best[at] = signed_root(top)
        level += change
    return whole, best


@kernel
def adf_paths_lagged(y: Floats, lag: int, window: int) -> tuple[Floats, Floats]:
    """Like `adf_paths`, for draws under the null with any number of lags; see `adf_paths_walk`.

    For every start the centered cross-products of (lagged differences, level, change) grow row by row, and the lags
    are eliminated from a copy of them.

    Returns
    -------
    of windows from the first row, (T - lag - window,); the supremum over starts.
    """
    rows = y.size - lag - 1
    size = lag + 2
    whole = np.full(rows - window + 1, np.nan)
    best = np.full(rows - window + 1, np.nan)
    mean, gap, part = np.zeros((size, rows)), np.empty((size, rows)), np.empty((size, rows))
    sums, work = np.zeros((size, size, rows)), np.empty((size, size, rows))
    square = np.empty(rows)
    value = np.empty(size)
    inverse, weight = np.ones(rows + 1), np.zeros(rows + 1)
    for n in range(1, rows + 1):
        inverse[n] = 1.0 / n
        weight[n] = (n - 1.0) / n
    for end in range(rows):
        t = end + lag + 1
        for i in range(lag):
            value[i] = y[t - 1 - i] - y[t - 2 - i]
        value[lag] = y[t - 1]
        value[lag + 1] = y[t] - y[t - 1]
        for a in range(size):
            new, gaps, means, parts = value[a], gap[a], mean[a], part[a]
            for start in range(end + 1):
                gaps[start] = new - means[start]
                means[start] += gaps[start] * inverse[end - start + 1]
                parts[start] = weight[end - start + 1] * gaps[start]
        for a in range(size):
            for b in range(a, size):
                total, parts, gaps = sums[a, b], part[a], gap[b]
                for start in range(end + 1):
                    total[start] += parts[start] * gaps[start]
        if end < window - 1:
            continue
        many = end - window + 2
        for a in range(size):
            for b in range(a, size):
                total, copy = sums[a, b], work[a, b]
                for start in range(many):
                    copy[start] = total[start]
        for c in range(lag):
            for a in range(c + 1, size):
                share, cross, own = square, work[c, a], work[c, c]
                for start in range(many):
                    share[start] = cross[start] / own[start]
                for b in range(a, size):
                    copy, other = work[a, b], work[c, b]
                    for start in range(many):
                        copy[start] -= share[start] * other[start]
        xx, xd, dd = work[lag, lag], work[lag, lag + 1], work[lag + 1, lag + 1]
        for start in range(many):
            free = end - start - lag - 1  # rows less the constant, the lags and the level
            square[start] = xd[start] * abs(xd[start]) * free / (xx[start] * dd[start] - xd[start] * xd[start])
        top = -np.inf
        for start in range(many):
            if square[start] > top:
                top = square[start]
        at = end - window + 1
        whole[at] = signed_root(square[0])
        if top > -np.inf:
            best[at] = signed_root(top)
    return whole, best
