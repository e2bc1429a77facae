r"""Segments of a system of equations: log-determinants and weighted squares of residuals, and optimal partitions.

Rows enter one at a time by Gentleman's (1974) rotations without square roots, as in `segment`: regressors and
equations are rotated together, and the squared diagonal that belongs to the equations is the factored matrix of
residual products.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import kernel
from .segment import extend_partitions, full_rank, rotate_in, trace_partitions

__all__ = ["determinant_row", "squares_row", "system_dp"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def determinant_row(z: Floats, width: int, start: int, out: Floats) -> None:
    r"""Write into ``out[t]`` the cost :math:`\tfrac n2\ln|\hat\Sigma|` of the n rows ``start``, …, ``t``.

    :math:`\hat\Sigma` is the mean product of the residuals of the last columns of ``z`` on the first ``width``.

    Parameters
    ----------
    z : (T, width + N). out : (T,), written from ``start`` on; inf where the products are singular.
    """
    nobs, total = z.shape
    d = np.zeros(total)
    r = np.zeros((total, total))
    row = np.empty(total)
    squares = np.zeros(total)
    full = False
    for t in range(start, nobs):
        for i in range(total):
            row[i] = z[t, i]
            squares[i] += row[i] * row[i]
        rotate_in(row, d, r)
        count = t - start + 1
        if not full:
            full = full_rank(count, d, squares)
        if full:
            product = 1.0
            for i in range(width, total):
                product *= d[i] / count
            out[t] = 0.5 * count * np.log(product)
        else:
            out[t] = np.inf


@kernel
def squares_row(z: Floats, width: int, start: int, out: Floats) -> None:
    """Write into ``out[t]`` half the squared residuals of the last columns of ``z`` on the first ``width``.

    Parameters
    ----------
    z : (T, width + N). out : (T,), written from ``start`` on; inf where the regressors are singular.
    """
    nobs, total = z.shape
    d = np.zeros(width)
    r = np.zeros((width, total))
    row = np.empty(total)
    squares = np.zeros(width)
    ssr = 0.0
    full = False
    for t in range(start, nobs):
        for i in range(total):
            row[i] = z[t, i]
        for i in range(width):
            squares[i] += row[i] * row[i]
        weight = rotate_in(row, d, r)
        for j in range(width, total):
            ssr += weight * row[j] * row[j]
        if not full:
            full = full_rank(t - start + 1, d, squares)
        out[t] = 0.5 * ssr if full else np.inf


@kernel
def system_dp(z: Floats, width: int, h: int, breaks: int, determinant: bool) -> tuple[Floats, Ints, int]:
    """Partitions that minimize the sum of the segments' costs, for 0, …, ``breaks`` breaks at once.

    Starts are taken in order, so that one row of costs is held at a time: O(T breaks) memory. The first of equal
    minima wins.

    Parameters
    ----------
    z : (T, width + N), regressors first. h : fewest rows of a segment. breaks : M >= 0.
    determinant : the costs of `determinant_row`, or those of `squares_row`.

    Returns
    -------
    cost : (M + 1,), inf where m breaks do not fit, or only into singular segments.
    positions : (M, M); row m - 1 holds the m first rows of the new segments, -1 beyond them.
    singular : how many segments of at least h rows were singular.
    """
    nobs = z.shape[0]
    cost = np.full((breaks + 1, nobs + 1), np.inf)
    origin = np.full((breaks + 1, nobs + 1), -1, np.int64)
    row = np.empty(nobs)
    singular = 0
    for start in range(nobs - h + 1):
        if start != 0 and (start < h or breaks == 0):
            continue
        if determinant:
            determinant_row(z, width, start, row)
        else:
            squares_row(z, width, start, row)
        for end in range(start + h, nobs + 1):
            if row[end - 1] == np.inf:
                singular += 1
        extend_partitions(row, start, h, cost, origin)
    return cost[:, nobs].copy(), trace_partitions(origin), singular
