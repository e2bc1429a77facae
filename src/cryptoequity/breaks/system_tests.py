"""Tests of the number of breaks in a system: m against none, any number against none, l + 1 against l."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from ..kernels.qu_perron import system_dp
from .limits import LEVELS
from .partition_laws import PartitionLaws, partition_laws
from .results import BreakTest, label
from .systems import Search, System, likelihood_path, search, split_path, whitened_gains

__all__ = ["SystemTests"]

KEYS = ("quperron2007", "baiperron1998")
WHAT = {"mean": "coefficients", "covariance": "covariances", "both": "coefficients or covariances"}
# sizes of sup LR(1) at 5 %: 200 samples, T = 1000, two columns correlated .4, iid t(5) | residuals of an estimated
# GARCH(.08, .90), normal | of an estimated GARCH(.12, .87), t(5)
GARCH_FAILS = (
    "On raw returns with GARCH every version rejects (98 to 100 %) where covariances may break: pass fitted margins. A "
    "GARCH fitted through a break in variance absorbs it nearly whole; a correlation that wanders is not constant."
)
ROBUSTNESS = {
    (
        "gaussian",
        "mean",
    ): "Level under fat tails (5 % with t(5)), GARCH raw 7 to 13 %, on GARCH residuals 5 %; a break in "
    "variance is not allowed for.",
    ("robust", "mean"): "Level under fat tails (5 % with t(5)), GARCH raw 7 to 12 %, on GARCH residuals 5 %.",
    (
        "gaussian",
        "covariance",
    ): "Needs normal errors: at 5 % it rejects a true null in 65 % of samples with t(5) errors, "
    "raw or residuals of GARCH. " + GARCH_FAILS,
    (
        "gaussian",
        "both",
    ): "Needs normal errors: at 5 % it rejects a true null in 55 % of samples with t(5) errors, raw or "
    "residuals of GARCH. " + GARCH_FAILS,
    ("robust", "covariance"): "Holds under fat tails: 4.5 % with t(5), 2.5 to 3.5 % on GARCH residuals, at 5 %. "
    + GARCH_FAILS,
    ("robust", "both"): "Holds under fat tails: 3.5 % with t(5), 3 to 4 % on GARCH residuals, at 5 %. " + GARCH_FAILS,
}


@dataclass(frozen=True, eq=False)
class SystemTests:
    """The tests of one system.

    Attributes
    ----------
    found : its partitions. h : fewest rows of a regime. most : breaks that fit.
    changes, cov_type, long_run : as in `QuPerron`.
    """

    system: System = field(repr=False)
    found: Search = field(repr=False)
    h: int
    most: int
    changes: str
    cov_type: str
    long_run: LongRun | None

    def all(self) -> dict[str, BreakTest]:
        """Every test by its name."""
        trim = self.h / self.system.nobs
        values, positions, path = self._whole()
        laws = partition_laws(self.system.breaking(self.changes), trim, self.most)
        tests = [self._against_none(m, values, positions, path, laws) for m in range(1, self.most + 1)]
        if self.most > 1:
            tests += self._double(values, laws)
        single = partition_laws(laws.q, trim, 1)
        tests += [self._one_more(count, single) for count in range(1, self.most)]
        return {test.name: test for test in tests}

    def _whole(self) -> tuple[Array, tuple[tuple[int, ...], ...], Array]:
        """Statistics for 1, …, M breaks, their dates, and the path of the first."""
        y, x = self.system.y, self.system.x
        if self.cov_type == "gaussian":
            path = likelihood_path(y, x, self.h, self.changes, self.found.positions[1])
            return -2.0 * self.found.cost[1:], self.found.positions[1:], path
        z = whitened_gains(y, x, self.changes, self.long_run)
        cost, found, _ = system_dp(z, 1, self.h, self.most, False)
        positions = tuple(tuple(int(p) for p in found[m - 1, :m]) for m in range(1, self.most + 1))
        return 2.0 * (cost[0] - cost[1:]), positions, split_path(z, 1, self.h, False)

    def _against_none(
        self, m: int, values: Array, positions: tuple[tuple[int, ...], ...], path: Array, laws: PartitionLaws
    ) -> BreakTest:
        law, scale = laws.single[m - 1], float(m * laws.q)
        critical = {level: scale * value for level, value in law.critical_values().items()}
        value = float(values[m - 1])
        dates = ", ".join(label(self.system.index[p]) for p in positions[m - 1])
        more: dict[str, Any] = {}
        if m == 1:
            fine = np.isfinite(path)
            index = self.system.index[fine]
            more = self._at(positions[0][0]) | {
                "path": pd.Series(path[fine], index, name="LR"),
                "boundary": pd.Series(critical[0.05], index, name="boundary"),
            }
        return self._test(
            f"sup LR({m})",
            f"{m} break(s)",
            value,
            law.pvalue(value / scale),
            f"sup over partitions, q = {laws.q}, trim {laws.trim:.3g}, simulated",
            critical_values=critical,
            options=self._options() | {"dates": dates},
            **more,
        )

    def _double(self, values: Array, laws: PartitionLaws) -> list[BreakTest]:
        q, counts = laws.q, np.arange(1, self.most + 1)
        scaled = values[: self.most] / (q * counts)
        up_to = f"any number of breaks up to {self.most}"
        plain = float(scaled.max())
        by_level = laws.weighted_statistics(scaled)
        return [
            self._test(
                "UDmax",
                up_to,
                q * plain,
                laws.largest.pvalue(plain),
                f"largest of LR(m) / m, q = {q}, trim {laws.trim:.3g}, simulated",
                critical_values={level: q * value for level, value in laws.largest.critical_values().items()},
                options=self._options() | {"breaks at the largest": int(np.argmax(scaled)) + 1},
            ),
            self._test(
                "WDmax",
                up_to,
                q * by_level[0.05],
                laws.weighted_pvalue(scaled),
                f"largest of LR(m) c(1) / (m c(m)), weights of 5 %, q = {q}, trim {laws.trim:.3g}, simulated",
                critical_values={level: q * value for level, value in laws.weighted.critical_values().items()},
                detail={f"statistic, weights of {100 * level:.0f} %": q * by_level[level] for level in LEVELS},
                options=self._options() | {"breaks at the largest": int(np.argmax(scaled * laws.weights(0.05))) + 1},
            ),
        ]

    def _one_more(self, count: int, laws: PartitionLaws) -> BreakTest:
        """Test ``count`` + 1 breaks against ``count``: one break within each regime of the best partition."""
        edges = (0, *self.found.positions[count], self.system.nobs)
        best, where, skipped = float("-inf"), None, 0
        for first, end in pairwise(edges):
            result = self._within(first, end)
            if result is None:
                skipped += 1
            elif result[0] > best:
                best, where = result[0], first + result[1]
        name, null = f"sup LR({count + 1}|{count})", f"{count + 1} breaks"
        options = self._options() | {"regimes too short to split": skipped}
        reference = f"largest of {count + 1} suprema, q = {laws.q}, trim {laws.trim:.3g}, simulated"
        if where is None:
            reason = f"no regime of the partition into {count + 1} is long enough for two of {self.h} observations."
            return self._test(
                name, null, float("nan"), float("nan"), reference, count=count, reason=reason, options=options
            )
        law, tries = laws.single[0], count + 1
        critical = {level: laws.q * law.critical(1.0 - (1.0 - level) ** (1.0 / tries)) for level in LEVELS}
        tail = law.pvalue(best / laws.q)
        # 1 - (1 - p)^tries without loss for a small p
        pvalue = float(-np.expm1(tries * np.log1p(-tail))) if tail < 1.0 else 1.0
        return self._test(
            name,
            null,
            best,
            pvalue,
            reference,
            count=count,
            critical_values=critical,
            options=options,
            **self._at(where),
        )

    def _within(self, first: int, end: int) -> tuple[float, int] | None:
        """Statistic and row of one break within a regime; None where it cannot be split."""
        if end - first < 2 * self.h:
            return None
        y, x = self.system.y[first:end], self.system.x[first:end]
        if np.linalg.matrix_rank(x) < x.shape[1]:
            return None
        if self.cov_type == "gaussian":
            part = search(y, x, self.h, 1, self.changes)
            return (-2.0 * float(part.cost[1]), part.positions[1][0]) if np.isfinite(part.cost[1]) else None
        try:
            z = whitened_gains(y, x, self.changes, self.long_run)
        except DataError:  # too short for the covariance of its moments
            return None
        cost, found, _ = system_dp(z, 1, self.h, 1, False)
        return 2.0 * float(cost[0] - cost[1]), int(found[0, 0])

    def _at(self, position: int) -> dict[str, Any]:
        index = self.system.index
        return {"position": position, "break_date": index[position], "last_date": index[position - 1]}

    def _options(self) -> dict[str, Any]:
        long_run = "none" if self.long_run is None else self.long_run.kernel
        return {"changes": self.changes, "cov_type": self.cov_type, "min_size": self.h, "long_run": long_run}

    def _test(
        self, name: str, other: str, value: float, pvalue: float, reference: str, *, count: int = 0, **more: Any
    ) -> BreakTest:
        so_far = "do not break" if count == 0 else f"break {count} time(s)"
        return BreakTest(
            name,
            f"the {WHAT[self.changes]} {so_far}.",
            value,
            pvalue,
            reference,
            alternative=f"{other} in the {WHAT[self.changes]}.",
            nobs=self.system.nobs,
            robustness=ROBUSTNESS[self.cov_type, self.changes],
            keys=KEYS,
            **more,
        )
