r"""Sums of squares of every segment of a regression, and the partitions that minimise their sum.

Rows enter one at a time by Gentleman's (1974) rotations without square roots: the triangular factor, not the inverse
of the cross products, is carried along, so that a segment whose first rows are singular costs no accuracy later.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryptoequity.kernels import kernel

__all__ = ["orthogonalize", "product_rows", "segment_dp", "ssr_row"]

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
def ssr_row(y: Floats, x: Floats, start: int, out: Floats) -> None:
    """Write into ``out[t]`` the sum of squared residuals of ``y`` on ``x`` over the rows ``start``, …, ``t``.

    Parameters
    ----------
    y : (T,). x : (T, K); orthogonal columns over the whole sample (`orthogonalize`) keep the recursion exact.
    out : (T,), written from ``start`` on: inf while the rows are fewer than K or singular.
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
            full = t - start + 1 >= width
            for i in range(width):
                full = full and d[i] > SINGULAR * squares[i]
        out[t] = ssr if full else np.inf


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
        if start == 0:
            for end in range(h, nobs + 1):
                cost[0, end] = row[end - 1]
            continue
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
    positions = np.full((breaks, breaks), -1, np.int64)
    for m in range(1, breaks + 1):
        end = nobs
        for level in range(m, 0, -1):
            if end < 0 or origin[level, end] < 0:
                break
            end = origin[level, end]
            positions[m - 1, level - 1] = end
    return cost[:, nobs].copy(), positions


@kernel
def product_rows(w: Floats, x: Floats, out: Floats) -> None:
    """Write into ``out[t]`` the (R, R) products of the residuals of ``w`` (T, R) on ``x`` (T, K), rows 0, …, t.

    NaN while the rows are fewer than K or singular. With w = (other regressors, y) these are what concentrating the
    coefficients out of a partition with several segments needs: they add up over segments.
    """
    nobs, width = x.shape
    many = w.shape[1]
    d = np.zeros(width)
    r = np.zeros((width, width))
    theta = np.zeros((width, many))
    row = np.empty(width)
    rest = np.empty(many)
    squares = np.zeros(width)
    total_products = np.zeros((many, many))
    full = False
    for t in range(nobs):
        weight = 1.0
        for i in range(width):
            row[i] = x[t, i]
        for c in range(many):
            rest[c] = w[t, c]
        for i in range(width):
            value = row[i]
            if value == 0.0:
                continue
            push = weight * value
            total = d[i] + push * value
            if total <= 0.0:
                continue
            keep, turn = d[i] / total, push / total
            d[i] = total
            weight *= keep
            for j in range(i + 1, width):
                other = row[j]
                row[j] = other - value * r[i, j]
                r[i, j] = keep * r[i, j] + turn * other
            for c in range(many):
                other = rest[c]
                rest[c] = other - value * theta[i, c]
                theta[i, c] = keep * theta[i, c] + turn * other
            if weight == 0.0:
                break
        for a in range(many):
            for b in range(many):
                total_products[a, b] += weight * rest[a] * rest[b]
        if not full:
            for i in range(width):
                squares[i] += x[t, i] * x[t, i]
            full = t + 1 >= width
            for i in range(width):
                full = full and d[i] > SINGULAR * squares[i]
        for a in range(many):
            for b in range(many):
                out[t, a, b] = total_products[a, b] if full else np.nan
