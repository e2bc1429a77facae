"""The search of Galeano and Wied: segments tested once each, binary segmentation, refinement."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ..estimation.bootstrap import pvalue as tail
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from .correlation_null import Columns, default_block, long_run_of, model_draws
from .results import label
from .wied import Fluctuation, fluctuation, fluctuation_draws, peak

if TYPE_CHECKING:
    from .galeano_wied import GaleanoWied

__all__ = ["Search", "Tested"]

ROUNDS = 25  # of refinement; two or three are the rule


@dataclass(frozen=True)
class Tested:
    """Test of one segment: its first row, end, the peak that leaves both regimes their rows, and the p-value."""

    first: int
    end: int
    statistic: float
    pvalue: float
    position: int


@dataclass(frozen=True, eq=False)
class Search:
    """The search with what it has tested."""

    spec: GaleanoWied
    columns: Columns
    seed: int
    n_jobs: int | None
    known: dict[tuple[int, int], Tested]
    history: list[dict[str, Any]]

    def test(self, first: int, end: int) -> Tested | None:
        """Test of the rows [first, end); None where two regimes do not fit."""
        size = self.spec.min_size
        if end - first < 2 * size:
            return None
        if (first, end) not in self.known:
            x, y = (np.ascontiguousarray(self.columns.z[first:end, i]) for i in (0, 1))
            long_run = long_run_of(self.spec.long_run, end - first)
            found = fluctuation(x, y, self.spec.first, long_run)
            inner = found.path[size : end - first - size + 1]
            at = first + size + int(np.argmax(inner))
            value = self._pvalue(x, y, found, long_run, first, end)
            self.known[first, end] = Tested(first, end, found.statistic, value, at)
        return self.known[first, end]

    def _pvalue(self, x: Array, y: Array, found: Fluctuation, long_run: LongRun, first: int, end: int) -> float:
        spec = self.spec
        if spec.pvalue == "asymptotic":
            return float(stats.kstwobign.sf(found.statistic))
        if spec.pvalue == "dcc":
            at = self.columns.positions[:2] or (0, 1)
            statistic = _SegmentPeak((at[0], at[1]), spec.first, long_run, first, end)
            drawn, _ = model_draws(self.columns, statistic, spec.draws, self.seed, self.n_jobs)
            return drawn.pvalue()
        length = default_block(x.size, spec.block)
        null = fluctuation_draws(x, y, found, spec.first, long_run, spec.pvalue, length, spec.draws, self.seed)
        return tail(found.statistic, null)

    def note(self, step: str, tested: Tested, level: float, action: str) -> None:
        """Keep what was done."""
        index = self.columns.index
        self.history.append(
            {
                "step": step,
                "first": index[tested.first],
                "last": index[tested.end - 1],
                "statistic": tested.statistic,
                "pvalue": tested.pvalue,
                "level": level,
                "action": action,
            }
        )

    def cut(self) -> list[int]:
        """Binary segmentation; every pass adds a break, and no more than T / min_size fit."""
        positions: list[int] = []
        for _ in range(self.columns.nobs // self.spec.min_size):
            edges = [0, *positions, self.columns.nobs]
            tested = [self.test(a, b) for a, b in pairwise(edges)]
            open_ones = [one for one in tested if one is not None]
            if not open_ones:
                break
            level = self.spec.level(len(positions) + 1)
            best = min(open_ones, key=lambda one: (one.pvalue, -one.statistic))
            if not best.pvalue <= level:
                self.note("segmentation", best, level, "no further break")
                break
            self.note("segmentation", best, level, f"break at {label(self.columns.index[best.position])}")
            positions = sorted([*positions, best.position])
        return positions

    def refine(self, positions: list[int]) -> tuple[list[int], int, bool]:
        """Test every break between its neighbors, until nothing changes; the dates, rounds, whether it settled."""
        for rounds in range(1, ROUNDS + 1):
            before = list(positions)
            place = 0
            while place < len(positions):
                edges = [0, *positions, self.columns.nobs]
                tested = self.test(edges[place], edges[place + 2])
                level = self.spec.level(len(positions))
                if tested is None or not tested.pvalue <= level:
                    dropped = positions.pop(place)
                    if tested is not None:
                        self.note("refinement", tested, level, f"drop {label(self.columns.index[dropped])}")
                    continue
                if tested.position != positions[place]:
                    self.note("refinement", tested, level, f"move to {label(self.columns.index[tested.position])}")
                    positions[place] = tested.position
                place += 1
            if positions == before:
                return positions, rounds, True
        return positions, ROUNDS, False


@dataclass(frozen=True)
class _SegmentPeak:
    """The statistic of some rows of two columns, as `bootstrap.null_draws` calls it."""

    columns: tuple[int, int]
    least: int
    long_run: LongRun
    first: int
    end: int

    def __call__(self, z: Array, driver: Array | None, warm: Any) -> float:
        """Return the statistic."""
        del driver, warm
        x, y = (np.ascontiguousarray(z[self.first : self.end, i]) for i in self.columns)
        return peak(x, y, self.least, self.long_run)
