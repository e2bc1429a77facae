"""What break tests and dated fits look like; one convention for dates.

A break is named by the **first observation of the new regime**: ``positions`` (0-based rows), ``break_dates`` (labels).
``last_dates`` holds the last observation of the regime before, which is how strucchange and Bai and Perron print it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from ..estimation.bibliography import citation
from ..estimation.results import Drawn, TestResult
from ..table import Table, format_number

__all__ = ["BreakTest", "DatedMixin", "label"]

_NONE: Mapping[Any, Any] = MappingProxyType({})


def label(when: Any) -> str:
    """Text of a row's label: a date without its clock where the clock is midnight."""
    if isinstance(when, pd.Timestamp):
        return when.strftime("%Y-%m-%d") if when == when.normalize() else str(when)
    return str(when)


@dataclass(frozen=True, eq=False)
class BreakTest(TestResult, Drawn):
    """A test of stability with the path of its statistic and the date it points to.

    Attributes
    ----------
    alternative : what it looks for, a sentence.
    critical_values : by level, e.g. ``{0.10: …, 0.05: …, 0.01: …}``.
    path : the statistic at every candidate, by the label of the first observation of the new regime; None without.
    boundary : critical values along ``path`` at 5 %, with its labels (a constant is repeated); None without.
    position, break_date, last_date : first row of the new regime, its label, and the label of the row before; None
        where the test points to no date. They are where the statistic peaks, significant or not.
    nobs : observations. options : the choices made, by name.
    robustness : how the test fares under heteroskedasticity and fat tails.
    keys : keys of the papers for `cite`.
    """

    alternative: str = ""
    critical_values: Mapping[float, float] = field(default_factory=lambda: _NONE)
    path: pd.Series | None = field(default=None, repr=False)
    boundary: pd.Series | None = field(default=None, repr=False)
    position: int | None = None
    break_date: Any = None
    last_date: Any = None
    nobs: int = 0
    options: Mapping[str, Any] = field(default_factory=lambda: _NONE)
    robustness: str = ""
    keys: tuple[str, ...] = ()

    def summary(self) -> Table:
        """Return the test as a table."""
        plain = super().summary()
        rows = list(plain.rows)
        rows += [
            (f"critical value, {level:.4g}", format_number(float(value)))
            for level, value in sorted(self.critical_values.items(), reverse=True)
        ]
        if self.position is not None:
            rows.append(("first observation of the new regime", label(self.break_date)))
            rows.append(("last observation before it", label(self.last_date)))
        rows.append(("observations", str(self.nobs)))
        notes = list(plain.notes)
        if self.alternative:
            notes.insert(1, f"H1: {self.alternative}")
        if self.robustness:
            notes.append(self.robustness)
        return Table(plain.title, plain.head, tuple(rows), tuple(notes))

    def to_frame(self) -> pd.DataFrame:
        """The path of the statistic with its 5 % boundary, by date; empty where the test has no path."""
        if self.path is None:
            return pd.DataFrame({"statistic": pd.Series(dtype=float)})
        frame = pd.DataFrame({"statistic": self.path})
        if self.boundary is not None:
            frame["boundary"] = self.boundary
        return frame

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; arrays are left out."""
        return super().to_dict() | {
            "alternative": self.alternative,
            "critical_values": {str(key): float(value) for key, value in self.critical_values.items()},
            "position": self.position,
            "break_date": None if self.position is None else label(self.break_date),
            "last_date": None if self.position is None else label(self.last_date),
            "nobs": self.nobs,
            "options": {
                key: value if isinstance(value, int | float | bool) else str(value)
                for key, value in self.options.items()
            },
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation(*self.keys)


class DatedMixin(Drawn):
    """Dates of a fit that cuts a sample; subclasses hold ``positions`` (0-based first rows) and ``index``."""

    positions: tuple[int, ...]
    index: pd.Index

    @property
    def break_dates(self) -> pd.Index:
        """Labels of the first observation of each new regime."""
        return self.index[list(self.positions)]

    @property
    def last_dates(self) -> pd.Index:
        """Labels of the last observation before each break."""
        return self.index[[position - 1 for position in self.positions]]

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """Rows [first, end) of the regimes."""
        edges = [0, *self.positions, len(self.index)]
        return list(pairwise(edges))

    @property
    def spans(self) -> pd.DataFrame:
        """First and last label and observations of each regime."""
        rows = [(self.index[first], self.index[end - 1], end - first) for first, end in self.bounds]
        return pd.DataFrame(
            rows, columns=["first", "last", "nobs"], index=pd.RangeIndex(1, len(rows) + 1, name="regime")
        )

    @property
    def labels(self) -> pd.Series:
        """Number of the regime, from 1, by date."""
        numbers = np.repeat(np.arange(1, len(self.positions) + 2), [end - first for first, end in self.bounds])
        return pd.Series(numbers, self.index, name="regime")
