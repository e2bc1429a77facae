r"""Greedy segmentation: binary, and wild binary (Fryzlewicz 2014) over random intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..estimation.params import Array
from ..kernels.change_points import best_splits, segment_cost

__all__ = ["GreedyPath", "greedy_path", "least_criterion", "random_intervals", "total_cost"]

Ints = npt.NDArray[np.int64]
LONGEST = 50  # breaks a criterion is compared over


@dataclass(frozen=True, eq=False)
class GreedyPath:
    """Breaks in the order they were found: ``positions`` (P,) and what each saved when it was, ``gains`` (P,)."""

    positions: tuple[int, ...]
    gains: Array = field(repr=False)

    def first(self, count: int) -> tuple[int, ...]:
        """The first ``count`` breaks, in order of date."""
        return tuple(sorted(self.positions[:count]))


def random_intervals(nobs: int, count: int, min_size: int, rng: int | np.random.Generator) -> tuple[Ints, Ints]:
    """Firsts and ends of ``count`` intervals with uniform ends, each long enough for one break."""
    draw = np.random.default_rng(rng)
    ends = np.sort(draw.integers(0, nobs + 1, size=(2 * count, 2)), axis=1)
    for _ in range(60):
        ends = ends[ends[:, 1] - ends[:, 0] >= 2 * min_size]
        if len(ends) >= count:
            break
        ends = np.concatenate([ends, np.sort(draw.integers(0, nobs + 1, size=(4 * count, 2)), axis=1)])
    return np.ascontiguousarray(ends[:count, 0]), np.ascontiguousarray(ends[:count, 1])


def greedy_path(
    kind: int,
    z: Array,
    min_size: int,
    *,
    most: int,
    threshold: float = 0.0,
    weight: float = 0.0,
    intervals: tuple[Ints, Ints] | None = None,
) -> GreedyPath:
    """Split the segment with the largest gain, again and again, until no gain exceeds ``threshold``.

    Parameters
    ----------
    z : (T, D) data of the cost ``kind``, see the kernels. most : breaks at most.
    weight : of ln(rows / T) in the cost of a segment.
    intervals : firsts and ends; a segment is then split where the best of the intervals inside it, or the segment
        itself, says. Without them the segment alone decides.
    """
    nobs = z.shape[0]
    firsts, ends = intervals if intervals is not None else (np.empty(0, np.int64), np.empty(0, np.int64))
    places, values = best_splits(kind, z, firsts, ends, weight, min_size)

    def best_of(first: int, end: int) -> tuple[float, int, int, int]:
        where, gain = best_splits(kind, z, np.array([first]), np.array([end]), weight, min_size)
        at, saved = int(where[0]), float(gain[0])
        inside = np.flatnonzero((firsts >= first) & (ends <= end) & (places >= first + min_size))
        inside = inside[places[inside] <= end - min_size]
        if inside.size:
            top = inside[np.argmax(values[inside])]
            if values[top] > saved:
                at, saved = int(places[top]), float(values[top])
        return saved, at, first, end

    segments = [best_of(0, nobs)]
    positions: list[int] = []
    gains: list[float] = []
    while len(positions) < most:
        k = max(range(len(segments)), key=lambda i: segments[i][0])
        gain, at, first, end = segments[k]
        if at < 0 or not gain > threshold:
            break
        positions.append(at)
        gains.append(gain)
        segments[k] = best_of(first, at)
        segments.append(best_of(at, end))
    return GreedyPath(tuple(positions), np.array(gains))


def total_cost(kind: int, z: Array, positions: tuple[int, ...]) -> float:
    """Sum of the costs of the segments between ``positions``."""
    edges = [0, *positions, z.shape[0]]
    return float(sum(segment_cost(kind, z, first, end) for first, end in pairwise(edges)))


def least_criterion(
    kind: int, z: Array, path: GreedyPath, penalty: float, weight: float
) -> tuple[tuple[int, ...], Array]:
    """The start of a path with the least cost and penalty, and the criterion by number of breaks."""
    nobs = z.shape[0]
    values = []
    for count in range(len(path.positions) + 1):
        positions = path.first(count)
        lengths = np.diff([0, *positions, nobs])
        extra = weight * float(np.log(lengths / nobs).sum()) if weight else 0.0
        values.append(total_cost(kind, z, positions) + penalty * count + extra)
    return path.first(int(np.argmin(values))), np.array(values)
