"""Gains in fit of segmented means on one path of a Brownian bridge: the limits behind Bai and Perron's tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import kernel

__all__ = ["segment_gains"]

Floats = NDArray[np.float64]


@kernel
def segment_gains(bridge: Floats, sizes: Floats, breaks: Floats, first: int, gains: Floats) -> None:
    """Largest gain of a piecewise constant mean, for the first q dimensions, every trim and every number of breaks.

    With S the bridge at the steps 0, 1, …, N, a segment (s, t] gains |S(t) - S(s)|^2 / (t - s), summed over its
    dimensions; the sums over partitions are maximized by an exact dynamic program over starts in increasing order.

    Parameters
    ----------
    bridge : (Q, N + 1), zero at both ends. sizes : (H,) whole numbers, shortest segment of each trim.
    breaks : (H,) whole numbers, most breaks of each trim.
    first : fewest dimensions asked for.
    gains : (Q, H, M), written from dimension ``first`` on; NaN elsewhere and beyond ``breaks``.
    """
    dims, points = bridge.shape
    last = points - 1
    trims = sizes.size
    most = gains.shape[2]
    gains[:] = np.nan
    best = np.full((dims, trims, most, points), -np.inf)
    ends = np.full((dims, trims, most), -np.inf)
    row = np.empty(points)
    smallest = last
    for k in range(trims):
        smallest = min(smallest, int(sizes[k]))
    inverse = np.empty(points)
    inverse[0] = 0.0
    for t in range(1, points):
        inverse[t] = 1.0 / t
    for s in range(0, last - smallest + 1):
        if 0 < s < smallest:
            continue
        begin = s + smallest
        for t in range(begin, points):
            row[t] = 0.0
        for d in range(dims):
            base = bridge[d, s]
            for t in range(begin, points):
                move = bridge[d, t] - base
                row[t] += move * move * inverse[t - s]
            if d + 1 < first:
                continue
            for k in range(trims):
                h = int(sizes[k])
                count = int(breaks[k])
                # best[..., m, t]: the first t steps cut into m + 1 segments; those that end the path are in ends
                if s == 0:
                    for t in range(h, last - h + 1):
                        best[d, k, 0, t] = row[t]
                    continue
                if s < h or s > last - h:
                    continue
                for m in range(count):
                    before = best[d, k, m, s]
                    if before == -np.inf:
                        break
                    whole = before + row[last]
                    if whole > ends[d, k, m]:
                        ends[d, k, m] = whole
                    if m + 1 < count:
                        into = best[d, k, m + 1]
                        for t in range(s + h, last - h + 1):
                            value = before + row[t]
                            into[t] = value if value > into[t] else into[t]
    for d in range(first - 1, dims):
        for k in range(trims):
            for m in range(int(breaks[k])):
                gains[d, k, m] = ends[d, k, m]
