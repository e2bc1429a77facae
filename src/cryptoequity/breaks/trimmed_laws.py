"""Limit laws that depend on the trimming: tabulated at a few shares of the sample, interpolated between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

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


def tabulated_trims(family: str, stem: str) -> list[float]:
    """Trimmings at which ``stem`` is tabulated."""
    pattern = re.compile(re.escape(stem) + r"\.trim(\d\.\d+)$")
    found = (pattern.match(key) for key in tabulated(family))
    return sorted({float(match.group(1)) for match in found if match})


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
        corners = trims[above - 1 : above + 1]
        share = (trim - corners[0]) / (corners[1] - corners[0])
        weights = [1.0 - share, share]
    table = tabulated(family)
    keys = [f"{stem}.trim{corner:.2f}{end(corner) if end else ''}" for corner in corners]
    if any(key not in table for key in keys):
        return TrimmedLaw(reason=f"{missing} for a trimming of {trim:.3f}.")
    return TrimmedLaw(tuple(table[key] for key in keys), tuple(weights), scale)
