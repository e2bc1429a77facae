"""Loops of fluctuation tests: recursive residuals by rotations, crossing of a band by uniform order statistics."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cryptoequity.kernels import kernel

__all__ = ["order_statistics_inside", "recursive_residuals"]

Floats = NDArray[np.float64]


@kernel
def recursive_residuals(y: Floats, x: Floats) -> tuple[Floats, Floats, Floats]:
    r"""Recursive residuals :math:`w_t=(y_t-x_t'b_{t-1})/\sqrt{1+x_t'(X_{t-1}'X_{t-1})^{-1}x_t}`.

    Rows enter a triangle by Givens rotations; what is left of ``y_t`` after its row has been annihilated is
    :math:`w_t`. Nothing is inverted, so that the first rows, which determine the coefficients exactly, do no harm.

    Parameters
    ----------
    y : (T,). x : (T, K), T > K.

    Returns
    -------
    w : (T,), zero in the first K rows where they identify the coefficients.
    b : (T, K), the least-squares coefficients of the rows up to each, zero before row K - 1.
    diagonal : (K,) of the triangle after K rows; a zero means that they do not identify the coefficients.
    """
    nobs, width = x.shape
    triangle = np.zeros((width, width))
    right = np.zeros(width)
    row = np.empty(width)
    out = np.empty(nobs)
    coefficients = np.zeros((nobs, width))
    diagonal = np.zeros(width)
    for t in range(nobs):
        row[:] = x[t]
        rest = y[t]
        for i in range(width):
            if row[i] == 0.0:
                continue
            if triangle[i, i] == 0.0:
                # the row fills a place of the triangle: it determines a coefficient and leaves no residual
                for j in range(i, width):
                    triangle[i, j] = row[j]
                    row[j] = 0.0
                right[i] = rest
                rest = 0.0
                break
            length = math.hypot(triangle[i, i], row[i])
            c, s = abs(triangle[i, i]) / length, row[i] / length
            if triangle[i, i] < 0.0:
                # with a positive diagonal all cosines are positive and the residual keeps its sign
                for j in range(i, width):
                    triangle[i, j] = -triangle[i, j]
                right[i] = -right[i]
            for j in range(i, width):
                above = triangle[i, j]
                triangle[i, j] = c * above + s * row[j]
                row[j] = c * row[j] - s * above
            above = right[i]
            right[i] = c * above + s * rest
            rest = c * rest - s * above
        out[t] = rest
        if t == width - 1:
            for i in range(width):
                diagonal[i] = abs(triangle[i, i])
        if t >= width - 1:
            for i in range(width - 1, -1, -1):
                value = right[i]
                for j in range(i + 1, width):
                    value -= triangle[i, j] * coefficients[t, j]
                coefficients[t, i] = value / triangle[i, i] if triangle[i, i] != 0.0 else 0.0
    return out, coefficients, diagonal


@kernel
def order_statistics_inside(count: int, half: float) -> float:
    r"""Probability that :math:`|U_{(j)}-j/(n+1)|\le c` for all of n uniform order statistics.

    A Poisson process of rate n is carried from one edge of the band to the next over the counts allowed there, and
    conditioned on n points in all; O(n times the width of the band).

    Parameters
    ----------
    count : n. half : c.
    """
    edges = np.empty(2 * count + 1)
    for j in range(count):
        middle = (j + 1) / (count + 1.0)
        edges[j] = min(max(middle - half, 0.0), 1.0)
        edges[count + j] = min(max(middle + half, 0.0), 1.0)
    edges[2 * count] = 1.0
    edges = np.sort(edges)
    mass = np.zeros(count + 1)
    moved = np.zeros(count + 1)
    mass[0] = 1.0
    first, last = 0, 0  # counts with mass
    here = 0.0
    low, high = 0, 0
    for e in range(edges.size):
        there = edges[e]
        # counts allowed: at least the statistics that must have come, at most those that may have
        while low < count and (low + 1.0) / (count + 1.0) + half <= there:
            low += 1
        while high < count and (high + 1.0) / (count + 1.0) - half < there:
            high += 1
        if there == 1.0:
            low, high = count, count
        rate = count * (there - here)
        if rate > 0.0 or there == 1.0:
            for b in range(first, high + 1):
                moved[b] = 0.0
            start = math.exp(-rate)
            for a in range(first, last + 1):
                weight = mass[a] * start
                for b in range(a, high + 1):
                    moved[b] += weight
                    weight *= rate / (b - a + 1.0)
                    if weight < 1e-40:
                        break
            for b in range(first, low):
                moved[b] = 0.0
            first, last = max(first, low), high
            if first > last:
                return 0.0
            for b in range(first, last + 1):
                mass[b] = moved[b]
            here = there
        if there == 1.0:
            break
    # divided by the probability of n points, n^n e^-n / n!
    return mass[count] * math.exp(math.lgamma(count + 1.0) - count * math.log(count) + count)
