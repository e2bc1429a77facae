"""Limit laws that depend on the trimming: tabulated at a few shares of the sample, interpolated between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ..errors import SpecError
from .limits import LEVELS, LimitLaw, limit_laws

__all__ = ["TrimmedLaw", "tabulated_trims", "trimmed_law"]


@dataclass(frozen=True, eq=False)
class TrimmedLaw:
    """A law at one trimming, linear in the trimming between the two tables around it.

    Attributes
    ----------
    laws, weights : the tables and their shares. scale : the statistic is this many times the tabulated one.
    reason : why there is no law; "" otherwise.
    """

    laws: tuple[LimitLaw, ...] = field(default=(), repr=False)
    weights: tuple[float, ...] = ()
    scale: float = 1.0
    reason: str = ""

    def pvalue(self, statistic: float) -> float:
        """Upper tail; NaN without a law."""
        if self.reason:
            return float("nan")
        value = statistic / self.scale
        return float(sum(w * law.pvalue(value) for w, law in zip(self.weights, self.laws, strict=True)))

    def critical(self, alpha: float) -> float:
        """Value exceeded with probability ``alpha``; NaN without a law or outside what was simulated."""
        if self.reason:
            return float("nan")
        try:
            values = [law.critical(alpha) for law in self.laws]
        except SpecError:
            return float("nan")
        return float(self.scale * sum(w * value for w, value in zip(self.weights, values, strict=True)))

    def critical_values(self, levels: tuple[float, ...] = LEVELS) -> dict[float, float]:
        """Critical values by level; none without a law."""
        return {} if self.reason else {level: self.critical(level) for level in levels}


def tabulated(family: str) -> Mapping[str, LimitLaw]:
    """Every law of a table; none where the table is not installed."""
    try:
        return limit_laws(family)
    except FileNotFoundError:
        return {}


def tabulated_trims(family: str, stem: str) -> tuple[float, ...]:
    """Trimmings at which ``stem`` is tabulated, in order."""
    return _trims_by_stem(family).get(stem, ())


@cache
def _trims_by_stem(family: str) -> dict[str, tuple[float, ...]]:
    pattern = re.compile(r"(.+)\.trim(\d\.\d+)$")
    found: dict[str, list[float]] = {}
    for match in filter(None, map(pattern.match, tabulated(family))):
        found.setdefault(match.group(1), []).append(float(match.group(2)))
    return {stem: tuple(sorted(trims)) for stem, trims in found.items()}


def trimmed_law(
    family: str, stem: str, trim: float, *, scale: float = 1.0, end: Callable[[float], str] | None = None
) -> TrimmedLaw:
    """Law ``stem`` at ``trim``; ``end`` is what follows the trimming in a key, which may depend on it."""
    trims = tabulated_trims(family, stem)
    missing = f"no law {stem!r} was simulated"
    if not trims:
        return TrimmedLaw(reason=missing + ".")
    near = int(np.argmin(np.abs(np.array(trims) - trim)))
    if abs(trims[near] - trim) < 1e-9:
        corners, weights = [trims[near]], [1.0]
    elif not trims[0] < trim < trims[-1]:
        return TrimmedLaw(
            reason=f"{missing} for a trimming of {trim:.3f}; there are laws from {trims[0]} to {trims[-1]}."
        )
    else:
        above = int(np.searchsorted(trims, trim))
        corners = list(trims[above - 1 : above + 1])
        share = (trim - corners[0]) / (corners[1] - corners[0])
        weights = [1.0 - share, share]
    table = tabulated(family)
    keys = [f"{stem}.trim{corner:.2f}{end(corner) if end else ''}" for corner in corners]
    if any(key not in table for key in keys):
        return TrimmedLaw(reason=f"{missing} for a trimming of {trim:.3f}.")
    return TrimmedLaw(tuple(table[key] for key in keys), tuple(weights), scale)
