r"""Limit laws of break tests: quantiles simulated by the scripts in ``benchmarks/limits``, and p-values from them.

A table holds, for one functional of Brownian motion, the quantiles of R simulated paths of N steps at a fixed grid of
probabilities. P-values are interpolated between them, linearly in the logarithm of the tail; none is below
1 / (R + 1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from ..errors import SpecError
from ..estimation.params import Array

__all__ = ["LEVELS", "LimitLaw", "limit_law", "limit_laws", "write_limits"]

LEVELS = (0.10, 0.05, 0.01)
# dense where decisions are made
PROBABILITIES: Array = np.unique(
    np.round(
        np.concatenate([np.arange(0.005, 0.9, 0.015), np.arange(0.9, 0.99, 0.0025), np.arange(0.99, 0.9996, 0.0005)]), 6
    )
)


@dataclass(frozen=True, eq=False)
class LimitLaw:
    """The law of a statistic under its null.

    Attributes
    ----------
    probabilities, quantiles : (P,), increasing. draws : R, how many values stand behind them. steps : N of each path;
        0 where the draws are of the statistic itself.
    """

    probabilities: Array = field(repr=False)
    quantiles: Array = field(repr=False)
    draws: int
    steps: int = 0

    @classmethod
    def of_draws(cls, draws: Array, steps: int = 0) -> LimitLaw:
        """Law with the quantiles of simulated values (R,)."""
        values = draws[np.isfinite(draws)]
        return cls(PROBABILITIES, np.quantile(values, PROBABILITIES), values.size, steps)

    def pvalue(self, statistic: float) -> float:
        """Upper tail beyond ``statistic``; never below 1 / (draws + 1), and NaN for a statistic that is NaN."""
        if np.isnan(statistic):
            return float("nan")
        least = 1.0 / (self.draws + 1)
        if statistic >= self.quantiles[-1]:
            # beyond the grid the tail goes on at the slope of its last decile of points, down to what was simulated
            run = self.quantiles[-1] - self.quantiles[-9]
            if not run > 0:
                return least
            fall = np.log((1 - self.probabilities[-1]) / (1 - self.probabilities[-9])) / run
            return float(max(least, (1 - self.probabilities[-1]) * np.exp(fall * (statistic - self.quantiles[-1]))))
        log_tail = np.interp(statistic, self.quantiles, np.log1p(-self.probabilities))
        if statistic < self.quantiles[0]:
            return 1.0
        return float(max(least, np.exp(log_tail)))

    def critical(self, alpha: float = 0.05) -> float:
        """Value exceeded with probability ``alpha``.

        Raises
        ------
        SpecError : a level outside what was simulated.
        """
        if not 1 - self.probabilities[-1] <= alpha <= 1 - self.probabilities[0]:
            raise SpecError(
                f"alpha={alpha}: the simulated law covers levels from {1 - self.probabilities[-1]:.4g} to "
                f"{1 - self.probabilities[0]:.4g}."
            )
        # linear in the log of the tail, as the p-value, so that each inverts the other
        return float(np.interp(-np.log(alpha), -np.log1p(-self.probabilities), self.quantiles))

    def critical_values(self, levels: tuple[float, ...] = LEVELS) -> dict[float, float]:
        """Critical values by level."""
        return {level: self.critical(level) for level in levels}

    def precision(self, alpha: float = 0.05) -> float:
        """Monte-Carlo standard error of the critical value, from the slope of the quantiles around it."""
        low, high = max(alpha * 0.8, 1 - self.probabilities[-1]), min(alpha * 1.2, 1 - self.probabilities[0])
        slope = (self.critical(low) - self.critical(high)) / (high - low)
        return float(slope * np.sqrt(alpha * (1 - alpha) / self.draws))


def limit_laws(family: str) -> Mapping[str, LimitLaw]:
    """Every law of a table by its key."""
    return _load(family)


def limit_law(family: str, key: str) -> LimitLaw:
    """One law; see ``limit_laws(family)`` for the keys."""
    laws = _load(family)
    if key not in laws:
        raise SpecError(f"no simulated law {key!r} in the table {family!r}; it has {sorted(laws)}.")
    return laws[key]


@cache
def _load(family: str) -> dict[str, LimitLaw]:
    source = resources.files("cryptoequity.breaks") / "tables" / f"{family}.npz"
    with resources.as_file(source) as path, np.load(path, allow_pickle=False) as stored:
        about = json.loads(str(stored["about"]))
        table = stored["quantiles"].astype(float)
        probabilities = stored["probabilities"]
    return {
        key: LimitLaw(probabilities, row, int(draws), int(steps))
        for key, row, draws, steps in zip(about["keys"], table, about["draws"], about["steps"], strict=True)
    }


def write_limits(path: Path, laws: Mapping[str, LimitLaw], seed: int, script: str) -> None:
    """Store laws compactly, with the seed and the script that made them."""
    about = {
        "keys": list(laws),
        "draws": [law.draws for law in laws.values()],
        "steps": [law.steps for law in laws.values()],
        "seed": seed,
        "script": script,
    }
    np.savez_compressed(
        path,
        about=np.array(json.dumps(about)),
        probabilities=PROBABILITIES,
        quantiles=np.stack([law.quantiles for law in laws.values()]).astype(np.float32),
    )
