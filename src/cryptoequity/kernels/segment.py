r"""Sums of squares of every segment of a regression, and the partitions that minimise their sum.

Rows enter one at a time by Gentleman's (1974) rotations without square roots: the triangular factor, not the inverse
of the cross products, is carried along, so that a segment whose first rows are singular costs no accuracy later.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryptoequity.kernels import kernel

__all__ = [
    "extend_partitions",
    "full_rank",
    "orthogonalize",
    "residual_products",
    "rotate_in",
    "segment_dp",
    "ssr_row",
    "trace_partitions",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SINGULAR = 1e-13  # share of a column's squares that the columns before it must leave, for a segment to have full rank


@kernel
def orthogonalize(x: Floats) -> Floats:
    """Columns that span those of ``x`` (T, K), orthogonal, each with mean square one; a dependent column becomes zero.

    Gram–Schmidt, every projection twice: once is not enough where columns nearly agree.
    """
    nobs, width = x.shape
    q = x.copy()
    for j in range(width):
        size = 0.0
        for t in range(nobs):
            size += q[t, j] * q[t, j]
        for _ in range(2):
            for i in range(j):
                product = 0.0
                for t in range(nobs):
                    product += q[t, i] * q[t, j]
                product /= nobs
                for t in range(nobs):
                    q[t, j] -= product * q[t, i]
        left = 0.0
        for t in range(nobs):
            left += q[t, j] * q[t, j]
        # what rounding leaves of a dependent column is no direction
        scale = np.sqrt(nobs / left) if left > 1e-26 * size else 0.0
        for t in range(nobs):
            q[t, j] *= scale
    return q


@kernel
def rotate_in(row: Floats, d: Floats, r: Floats) -> float:
    """Let ``row`` (total,) into the factor of its first columns; return the weight of what is left of the others.

    ``d`` (width,) holds the squares of the factor's diagonal, ``r`` (width, total) its rows to the right of it. On
    return ``row[width:]`` are residuals on the factor, whose squares count with the weight returned.
    """
    weight = 1.0
    for i in range(d.size):
        value = row[i]
        if value == 0.0:
            continue
        push = weight * value
        whole = d[i] + push * value
        if whole <= 0.0:  # underflow: the value is zero to the machine
            continue
        keep, turn = d[i] / whole, push / whole
        d[i] = whole
        weight *= keep
        for j in range(i + 1, row.size):
            other = row[j]
            row[j] = other - value * r[i, j]
            r[i, j] = keep * r[i, j] + turn * other
        if weight == 0.0:
            break
    return weight


@kernel
def full_rank(count: int, d: Floats, squares: Floats) -> bool:
    """Whether ``count`` rows determine every direction: none is left with less than `SINGULAR` of its squares."""
    full = count >= d.size
    for i in range(d.size):
        full = full and d[i] > SINGULAR * squares[i]
    return full


@kernel
def ssr_row(y: Floats, x: Floats, start: int, out: Floats) -> None:
    """Write into ``out[t]`` the sum of squared residuals of ``y`` on ``x`` over the rows ``start``, …, ``t``.

    Parameters
    ----------
    y : (T,). x : (T, K); orthogonal columns over the whole sample (`orthogonalize`) keep the recursion exact.
    out : (T,), written from ``start`` on: inf while the rows are fewer than K or singular.

    Notes
    -----
    The rotations of `rotate_in` once more, in place: a partition spends its time here, and the call costs half of it.
    """
    nobs, width = x.shape
    d = np.zeros(width)  # squares of the diagonal of the factor
    r = np.zeros((width, width))
    theta = np.zeros(width)
    row = np.empty(width)
    squares = np.zeros(width)
    ssr = 0.0
    full = False
    for t in range(start, nobs):
        weight, rest = 1.0, y[t]
        for i in range(width):
            row[i] = x[t, i]
        for i in range(width):
            value = row[i]
            if value == 0.0:
                continue
            push = weight * value
            total = d[i] + push * value
            if total <= 0.0:  # underflow: the value is zero to the machine
                continue
            keep, turn = d[i] / total, push / total
            d[i] = total
            weight *= keep
            for j in range(i + 1, width):
                other = row[j]
                row[j] = other - value * r[i, j]
                r[i, j] = keep * r[i, j] + turn * other
            other = rest
            rest = other - value * theta[i]
            theta[i] = keep * theta[i] + turn * other
            if weight == 0.0:
                break
        ssr += weight * rest * rest
        if not full:
            for i in range(width):
                squares[i] += x[t, i] * x[t, i]
            full = full_rank(t - start + 1, d, squares)
        out[t] = ssr if full else np.inf


@kernel
def extend_partitions(row: Floats, start: int, h: int, cost: Floats, origin: Ints) -> None:
    """Let segments that begin at ``start``, of costs ``row[end - 1]``, end the partitions of every size.

    ``cost[m, e]`` is the least cost of rows 0, …, e - 1 with m breaks, ``origin[m, e]`` where its last segment begins.
    """
    breaks, nobs = cost.shape[0] - 1, cost.shape[1] - 1
    if start == 0:
        for end in range(h, nobs + 1):
            cost[0, end] = row[end - 1]
        return
    for m in range(1, breaks + 1):
        base = cost[m - 1, start]
        if base == np.inf:
            continue
        # the last segment of the largest partition ends with the sample
        first = start + h if m < breaks else nobs
        for end in range(first, nobs + 1):
            total = base + row[end - 1]
            if total < cost[m, end]:
                cost[m, end] = total
                origin[m, end] = start


@kernel
def trace_partitions(origin: Ints) -> Ints:
    """First rows of the new segments for m = 1, …, M breaks, (M, M), -1 beyond m; read back from ``origin``."""
    breaks, nobs = origin.shape[0] - 1, origin.shape[1] - 1
    positions = np.full((breaks, breaks), -1, np.int64)
    for m in range(1, breaks + 1):
        end = nobs
        for level in range(m, 0, -1):
            if end < 0 or origin[level, end] < 0:
                break
            end = origin[level, end]
            positions[m - 1, level - 1] = end
    return positions


@kernel
def segment_dp(y: Floats, x: Floats, h: int, breaks: int) -> tuple[Floats, Ints]:
    r"""Partitions of the sample that minimise the sum of squared residuals, for 0, …, ``breaks`` breaks at once.

    .. math:: C_m(e)=\min_{s}\,C_{m-1}(s)+\mathrm{SSR}(s,e),\qquad e-s\ge h

    Starts s are taken in order; when one is reached every :math:`C_{m-1}(s)` is final, so that one row of sums of
    squares is held at a time: O(T breaks) memory. The first of equal minima wins.

    Parameters
    ----------
    y : (T,). x : (T, K), of any conditioning: it is orthogonalized here.
    h : fewest rows of a segment. breaks : M >= 0.

    Returns
    -------
    cost : (M + 1,) least sums for m breaks; inf where m breaks do not fit, or only into singular segments.
    positions : (M, M); row m - 1 holds the m first rows (0-based) of the new segments, -1 beyond them.
    """
    nobs = y.size
    q = orthogonalize(x)
    cost = np.full((breaks + 1, nobs + 1), np.inf)
    origin = np.full((breaks + 1, nobs + 1), -1, np.int64)
    row = np.empty(nobs)
    for start in range(nobs - h + 1):
        if start != 0 and (start < h or breaks == 0):
            continue
        ssr_row(y, q, start, row)
        extend_partitions(row, start, h, cost, origin)
    return cost[:, nobs].copy(), trace_partitions(origin)


@kernel
def residual_products(z: Floats, width: int, out: Floats) -> None:
    """Write into ``out[t]`` the (N, N) products of the residuals of the last columns of ``z`` on the first ``width``.

    Over rows 0, …, t; NaN while these are fewer than ``width`` or singular. With other regressors and the target for
    last columns these are what concentrating coefficients out of a partition needs: they add up over segments.
    """
    nobs, total = z.shape
    d = np.zeros(width)
    r = np.zeros((width, total))
    row = np.empty(total)
    squares = np.zeros(width)
    products = np.zeros((total - width, total - width))
    full = False
    for t in range(nobs):
        for i in range(total):
            row[i] = z[t, i]
        weight = rotate_in(row, d, r)
        for i in range(total - width):
            for j in range(total - width):
                products[i, j] += weight * row[width + i] * row[width + j]
        if not full:
            for i in range(width):
                squares[i] += z[t, i] * z[t, i]
            full = full_rank(t + 1, d, squares)
        for i in range(total - width):
            for j in range(total - width):
                out[t, i, j] = products[i, j] if full else np.nan
