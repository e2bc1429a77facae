r"""Partitions of a regression into regimes with the least sum of squared residuals, pure and partial.

Where every coefficient may break the minimum is exact for every number of breaks. Where some stay, sums of squares of
regimes do not add up: one break, and two in samples of up to `PAIRED` rows, are found by trying every date with the
common coefficients concentrated out; more by Bai and Perron's (2003) iteration from several starts, each followed by
moving one break at a time, exactly, until none moves. Then the minimum is the best found, and what the starts agreed
on is reported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ..errors import DataError
from ..estimation.params import Array
from ..kernels.segment import orthogonalize, residual_products, segment_dp, ssr_row
from .sample import Regression

__all__ = ["Partitions", "find_partitions", "one_break", "regime_design", "repartition", "singular_windows"]

PAIRED = 700  # rows up to which every pair of dates is tried
MOST_ROUNDS = 50  # of an iteration or of sweeps over the breaks
CHECK = 1e-8  # relative difference allowed between the recursion and least squares on the chosen regimes


@dataclass(frozen=True, eq=False)
class Partitions:
    """Best partitions into 1, …, M + 1 regimes.

    Attributes
    ----------
    ssr : (M + 1,), by number of breaks; inf where that many do not fit.
    positions : first rows of the new regimes, by number of breaks; None where that many do not fit.
    exact : whether the minimum is global for certain. converged : whether the iteration ended by itself.
    rounds : iterations of the best start. agreed : starts that ended at the best partition, of ``starts``.
    """

    ssr: Array = field(repr=False)
    positions: tuple[tuple[int, ...] | None, ...]
    exact: tuple[bool, ...]
    converged: tuple[bool, ...]
    rounds: tuple[int, ...]
    agreed: tuple[int, ...]
    starts: tuple[int, ...]


def regime_design(x: Array, positions: tuple[int, ...]) -> Array:
    """Columns of ``x`` (T, K) regime by regime, (T, K (m + 1)), zero outside their own."""
    nobs, width = x.shape
    out = np.zeros((nobs, width * (len(positions) + 1)))
    for i, (first, end) in enumerate(pairwise((0, *positions, nobs))):
        out[first:end, i * width : (i + 1) * width] = x[first:end]
    return out


def singular_windows(x: Array, h: int) -> int:
    """How many windows of ``h`` rows have linearly dependent columns; a regime that short cannot be estimated there."""
    q = orthogonalize(np.ascontiguousarray(x))
    sums = np.concatenate([np.zeros((1, q.shape[1], q.shape[1])), np.cumsum(q[:, :, None] * q[:, None, :], axis=0)])
    values = np.linalg.eigvalsh((sums[h:] - sums[:-h]) / h)
    return int(np.sum(values[:, 0] <= 1e-12 * values[:, -1]))


def _partition_ssr(regression: Regression, positions: tuple[int, ...]) -> float:
    if not regression.constant.size:
        edges = pairwise((0, *positions, regression.nobs))
        return sum(_ssr(regression.y[first:end], regression.x[first:end]) for first, end in edges)
    return _ssr(regression.y, np.hstack([regime_design(regression.breaking, positions), regression.constant]))


def _ssr(y: Array, x: Array) -> float:
    residuals = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return float(residuals @ residuals)


def _concentrated(products: Array) -> Array:
    """Sums of squares (N,) left by regressing the last column on the others, from products (N, p + 1, p + 1)."""
    inner, cross, total = products[:, :-1, :-1], products[:, :-1, -1], products[:, -1, -1]
    out = np.full(total.shape, np.inf)
    good = np.isfinite(products).all(axis=(1, 2))
    if good.any():
        # by their diagonal, so that units do not matter; a singular one is given no sum rather than any sum
        size = np.sqrt(np.einsum("nii->ni", inner[good]))
        size[size == 0.0] = 1.0
        scaled = inner[good] / (size[:, :, None] * size[:, None, :])
        sound = np.linalg.eigvalsh(scaled)[:, 0] > 1e-12
        side = cross[good] / size
        gain = np.full(sound.shape, -np.inf)
        solved = np.linalg.solve(scaled[sound], side[sound][:, :, None])[:, :, 0]
        gain[sound] = np.einsum("ni,ni->n", side[sound], solved)
        out[good] = total[good] - gain
    return out


def _products(w: Array, x: Array, backward: bool = False) -> Array:
    """Residual products of the rows 0, …, t of the arrays, or of t, …, T - 1 with ``backward``."""
    out = np.empty((w.shape[0], w.shape[1], w.shape[1]))
    joint = np.column_stack([x, w])
    residual_products(np.ascontiguousarray(joint[::-1] if backward else joint), x.shape[1], out)
    return out[::-1] if backward else out


class _Sample:
    """Arrays of a regression with orthogonal columns, which leave every sum of squares as it is."""

    def __init__(self, regression: Regression) -> None:
        self.regression = regression
        self.y = regression.y
        self.x = orthogonalize(regression.breaking)
        common = regression.constant
        self.common = orthogonalize(common) if common.size else common
        self.w = np.ascontiguousarray(np.column_stack([self.common, self.y]))
        self.partial = bool(common.size)

    def one_break(self, first: int, end: int, h: int) -> Array:
        """Sums (n,) of two regimes within rows [first, end), for positions first + h, …, end - h."""
        inside = slice(first, end)
        if not self.partial:
            y, x = self.y[inside], self.x[inside]
            left, right = np.empty(y.size), np.empty(y.size)
            ssr_row(y, x, 0, left)
            ssr_row(np.ascontiguousarray(y[::-1]), np.ascontiguousarray(x[::-1]), 0, right)
            return left[h - 1 : y.size - h] + right[::-1][h : y.size - h + 1]
        left = _products(self.w[inside], self.x[inside])
        right = _products(self.w[inside], self.x[inside], backward=True)
        nobs = end - first
        return _concentrated(left[h - 1 : nobs - h] + right[h : nobs - h + 1])

    def moved(self, positions: tuple[int, ...], which: int, h: int) -> tuple[float, tuple[int, ...]]:
        """Best partition when one break may move between its neighbors and the others stay."""
        edges = (0, *positions, self.y.size)
        first, end = edges[which], edges[which + 2]
        fixed = np.zeros((self.w.shape[1], self.w.shape[1]))
        for start, stop in pairwise(edges):
            if stop <= first or start >= end:
                fixed += _products(self.w[start:stop], self.x[start:stop])[-1]
        left = _products(self.w[first:end], self.x[first:end])
        right = _products(self.w[first:end], self.x[first:end], backward=True)
        sums = _concentrated(left[h - 1 : end - first - h] + right[h : end - first - h + 1] + fixed)
        best = int(np.argmin(sums))
        return float(sums[best]), (*positions[:which], first + h + best, *positions[which + 1 :])


def one_break(regression: Regression, h: int, first: int = 0, end: int | None = None) -> tuple[Array, int]:
    """Sums of squares (n,) of two regimes within rows [first, end), and the position where they start.

    The coefficients that stay are those of these rows. Entry i puts the first row of the second regime at start + i;
    empty where two regimes of ``h`` rows do not fit.
    """
    last = regression.nobs if end is None else end
    if last - first < 2 * h:
        return np.empty(0), first + h
    return _Sample(regression).one_break(first, last, h), first + h


def repartition(regression: Regression, positions: tuple[int, ...], h: int) -> tuple[int, ...]:
    """Each break estimated again between its neighbors, all from the given ones (Bai 1997b)."""
    edges = (0, *positions, regression.nobs)
    out = []
    for before, after in zip(edges[:-2], edges[2:], strict=True):
        sums, start = one_break(regression, h, before, after)
        out.append(start + int(np.argmin(sums)))
    return tuple(out)


def find_partitions(regression: Regression, h: int, breaks: int) -> Partitions:
    """Best partitions into up to ``breaks`` + 1 regimes of at least ``h`` rows.

    Raises
    ------
    DataError : no admissible partition, or sums of squares that least squares does not confirm.
    """
    sample = _Sample(regression)
    if not sample.partial:
        cost, rows = segment_dp(sample.y, sample.x, h, breaks)
        positions: list[tuple[int, ...] | None] = [()]
        positions += [tuple(map(int, row[: m + 1])) if row[0] >= 0 else None for m, row in enumerate(rows)]
        facts = (1, True, 0, 1, 1)
        found = [(float(cost[m]), positions[m], facts) for m in range(breaks + 1)]
    else:
        found = [(_partition_ssr(regression, ()), (), (1, True, 0, 1, 1))]
        for m in range(1, breaks + 1):
            found.append(_partial(sample, h, m, found[-1][1]))
    for m, (total, where, _) in enumerate(found):
        if where is None:
            if m == 1:
                raise DataError(
                    f"no date splits the sample into two regimes of {h} rows whose regressors are not linearly "
                    "dependent; use a larger trim or min_size, or drop a regressor."
                )
            continue
        check = _partition_ssr(regression, where)
        # sums that vanish beside that of y itself are rounding
        scale = max(check, 1e-10 * float(np.sum((regression.y - regression.y.mean()) ** 2)))
        if abs(check - total) > CHECK * scale:
            raise DataError(
                f"the sum of squares of the partition with {m} break(s), {total:.10g}, is not that of least squares, "
                f"{check:.10g}: the regressors are too nearly dependent within a regime; drop or rescale one."
            )
    exact, converged, rounds, agreed, starts = zip(*(facts for _, _, facts in found), strict=True)
    return Partitions(
        np.array([total for total, _, _ in found]),
        tuple(where for _, where, _ in found),
        tuple(map(bool, exact)),
        tuple(map(bool, converged)),
        rounds,
        agreed,
        starts,
    )


Found = tuple[float, tuple[int, ...] | None, tuple[int, bool, int, int, int]]


def _partial(sample: _Sample, h: int, m: int, fewer: tuple[int, ...] | None) -> Found:
    """Best partition with m breaks where some coefficients stay; ``fewer`` is that with m - 1."""
    nobs = sample.y.size
    if (m + 1) * h > nobs:
        return float("inf"), None, (1, True, 0, 0, 0)
    if m == 1:
        sums = sample.one_break(0, nobs, h)
        best = int(np.argmin(sums))
        if not np.isfinite(sums[best]):
            return float("inf"), None, (1, True, 0, 0, 0)
        return float(sums[best]), (h + best,), (1, True, 0, 1, 1)
    if m == 2 and nobs <= PAIRED:
        total, pair = _best_pair(sample, h)
        return total, pair, (1, True, 0, 1, 1)
    ends = [_settle(sample, h, start) for start in _starts(sample, h, m, fewer)]
    ends = [one for one in ends if np.isfinite(one[0])]
    if not ends:
        return float("inf"), None, (0, False, 0, 0, 0)
    total, where, rounds, converged = min(ends, key=lambda one: one[0])
    agreed = sum(one[1] == where for one in ends)
    return total, where, (0, converged, rounds, agreed, len(ends))


def _best_pair(sample: _Sample, h: int) -> tuple[float, tuple[int, int] | None]:
    nobs = sample.y.size
    left, right = _products(sample.w, sample.x), _products(sample.w, sample.x, backward=True)
    best, where = float("inf"), None
    for start in range(h, nobs - 2 * h + 1):
        middle = _products(sample.w[start:], sample.x[start:])
        sums = _concentrated(left[start - 1] + middle[h - 1 : nobs - start - h] + right[start + h : nobs - h + 1])
        one = int(np.argmin(sums))
        if sums[one] < best:
            best, where = float(sums[one]), (start, start + h + one)
    return best, where


def _starts(sample: _Sample, h: int, m: int, fewer: tuple[int, ...] | None) -> list[tuple[int, ...]]:
    """Dates when everything breaks, when the common coefficients are those without breaks, and one more than before."""
    out: list[tuple[int, ...]] = []
    everything = orthogonalize(np.column_stack([sample.x, sample.common]))
    common = np.linalg.lstsq(np.column_stack([sample.x, sample.common]), sample.y, rcond=None)[0][sample.x.shape[1] :]
    for y, x in ((sample.y, everything), (sample.y - sample.common @ common, sample.x)):
        row = segment_dp(y, x, max(h, x.shape[1] + 1), m)[1][m - 1]
        out.append(tuple(map(int, row)))
    if fewer is not None:
        edges = (0, *fewer, sample.y.size)
        added = []
        for first, end in pairwise(edges):
            if end - first >= 2 * h:
                sums = sample.one_break(first, end, h)
                gain = _products(sample.w[first:end], sample.x[first:end])[-1][None]
                where = int(np.argmin(sums))
                added.append((sums[where] - _concentrated(gain)[0], first + h + where))
        if added:
            out.append(tuple(sorted((*fewer, min(added)[1]))))
    spread = sample.y.size // (m + 1)
    out.append(tuple(spread * (i + 1) for i in range(m)))
    return [one for one in dict.fromkeys(out) if min(one) > 0]


def _settle(sample: _Sample, h: int, positions: tuple[int, ...]) -> tuple[float, tuple[int, ...], int, bool]:
    """Bai and Perron's iteration from a start, then single moves, each until nothing changes."""
    where, settled, rounds = positions, False, 0
    m = len(where)
    while not settled and rounds < MOST_ROUNDS:
        design = np.column_stack([regime_design(sample.x, where), sample.common])
        common = np.linalg.lstsq(design, sample.y, rcond=None)[0][-sample.common.shape[1] :]
        row = segment_dp(sample.y - sample.common @ common, sample.x, h, m)[1][m - 1]
        after = tuple(map(int, row))
        if min(after) < 0:
            return float("inf"), where, rounds, False
        settled, where, rounds = after == where, after, rounds + 1
    best, settled = float("inf"), False
    while not settled and rounds < 2 * MOST_ROUNDS:
        settled, rounds = True, rounds + 1
        for which in range(m):
            total, after = sample.moved(where, which, h)
            if after != where and total < best * (1.0 - 1e-12):
                where, settled = after, False
            best = min(best, total)
    return best, where, rounds, settled
