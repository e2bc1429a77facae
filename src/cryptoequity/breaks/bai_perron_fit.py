"""A regression cut into regimes: estimates, intervals of the dates, and the tests behind their number."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import CryptoEquityWarning, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.params import Array
from ..table import Table, format_number
from .break_covariance import RegimeEstimate, estimate_regimes
from .date_intervals import ROUNDINGS, date_interval
from .partitions import Partitions, repartition
from .results import BreakTest, DatedMixin, label
from .sample import Regression

if TYPE_CHECKING:
    from .bai_perron import BaiPerron

__all__ = ["BaiPerronFit"]

KEYS = ("baiperron1998", "baiperron2003", "bai1997", "bai1997one")
CRITERION_KEYS = {"lwz": "liuwuzidek1997", "bic": "yao1988", "kt": "kurozumi2011"}


@dataclass(frozen=True, eq=False)
class BaiPerronFit(DatedMixin):
    """A regression cut into regimes.

    Attributes
    ----------
    positions : 0-based first rows of the new regimes, for the selected number of breaks; see `DatedMixin`.
    tests : by name: supF(1), …, UDmax, WDmax, supF(2|1), …; a table of them is ``tests_frame``.
    criteria : SSR, BIC, LWZ and KT by number of breaks.
    sequential_positions : the breaks found one at a time (Bai 1997b), while the test rejects.
    min_size : fewest rows of a regime. estimate : the coefficients, residuals and covariance behind the tables.
    """

    spec: BaiPerron
    name: str
    index: pd.Index = field(repr=False)
    positions: tuple[int, ...]
    regression: Regression = field(repr=False)
    partition: Partitions = field(repr=False)
    estimate: RegimeEstimate = field(repr=False)
    tests: Mapping[str, BreakTest] = field(repr=False)
    criteria: pd.DataFrame = field(repr=False)
    sequential_positions: tuple[int, ...]
    min_size: int

    @property
    def m(self) -> int:
        """Breaks selected."""
        return len(self.positions)

    @property
    def nobs(self) -> int:
        """Observations."""
        return self.regression.nobs

    @property
    def ssr(self) -> float:
        """Sum of squared residuals."""
        return self.estimate.ssr

    @property
    def exact(self) -> bool:
        """Whether the dates are the global minimum for certain."""
        return self.partition.exact[self.m]

    @property
    def converged(self) -> bool:
        """Whether the iteration behind the dates settled; True where there was none."""
        return self.partition.converged[self.m]

    @property
    def partitions(self) -> pd.DataFrame:
        """Best partition by number of breaks: criteria, dates, and how it was found."""
        frame = self.criteria.copy()
        part = self.partition
        dates = [None if where is None else tuple(self.index[list(where)]) for where in part.positions]
        frame["dates"] = pd.Series(dates, frame.index, dtype=object)
        frame["exact"], frame["converged"] = part.exact, part.converged
        frame["rounds"], frame["agreed"], frame["starts"] = part.rounds, part.agreed, part.starts
        return frame

    @property
    def tests_frame(self) -> pd.DataFrame:
        """Statistics, p-values and critical values of the tests."""
        rows = []
        for name, test in self.tests.items():
            critical = {f"critical {100 * level:g} %": value for level, value in sorted(test.critical_values.items())}
            rows.append(pd.Series({"statistic": test.statistic, "p-value": test.pvalue} | critical, name=name))
        return pd.DataFrame(rows).rename_axis("test")

    def _blocks(self, values: Array) -> pd.DataFrame:
        names = [name for name, varies in zip(self.regression.names, self.regression.varies, strict=True) if varies]
        return pd.DataFrame(values, pd.RangeIndex(1, self.m + 2, name="regime"), names)

    @property
    def params(self) -> pd.DataFrame:
        """Coefficients that break, by regime."""
        return self._blocks(self.estimate.regimes)

    @property
    def std_err(self) -> pd.DataFrame:
        """Their standard errors, given the dates."""
        count = self.estimate.regimes.size
        return self._blocks(np.sqrt(np.diag(self.estimate.cov))[:count].reshape(self.estimate.regimes.shape))

    @property
    def common(self) -> pd.DataFrame:
        """Coefficients that stay, with standard errors; empty where all break."""
        names = [name for name, varies in zip(self.regression.names, self.regression.varies, strict=True) if not varies]
        errors = np.sqrt(np.diag(self.estimate.cov))[self.estimate.regimes.size :]
        return pd.DataFrame({"params": self.estimate.common, "std_err": errors}, names)

    @property
    def residuals(self) -> pd.Series:
        """Residuals given the dates."""
        return pd.Series(self.estimate.residuals, self.index, name="residual")

    @property
    def fitted(self) -> pd.Series:
        """Fitted values given the dates."""
        return pd.Series(self.regression.y - self.estimate.residuals, self.index, name="fitted")

    @property
    def repartition_positions(self) -> tuple[int, ...]:
        """Each of ``sequential_positions`` estimated again between its neighbors, which makes them efficient."""
        return repartition(self.regression, self.sequential_positions, self.min_size)

    def with_breaks(self, breaks: int) -> BaiPerronFit:
        """The same fit with another number of breaks.

        Raises
        ------
        SpecError : more breaks than were looked for, or than fit.
        """
        known = self.partition.positions
        where = known[breaks] if 0 <= breaks < len(known) else None
        if where is None:
            raise SpecError(
                f"breaks={breaks}: there are partitions for {[m for m, w in enumerate(known) if w is not None]}."
            )
        return self.with_positions(where)

    def with_positions(self, positions: tuple[int, ...]) -> BaiPerronFit:
        """The same fit at other dates, such as ``repartition_positions``; tests and partitions stay those of the fit.

        Raises
        ------
        SpecError : positions out of order, or regimes below ``min_size``.
        """
        where = tuple(int(one) for one in positions)
        if any(end - first < self.min_size for first, end in pairwise((0, *where, self.nobs))):
            raise SpecError(f"positions={where}: every regime needs {self.min_size} of the {self.nobs} rows, in order.")
        estimate = estimate_regimes(self.regression, where, self.spec.covariance)
        return replace(self, positions=where, estimate=estimate)

    def conf_int(self, level: float = 0.95, *, rounding: str = "outer") -> pd.DataFrame:
        r"""Intervals of the dates (Bai 1997), asymmetric, with what ``het_errors`` and ``het_regressors`` allow.

        Parameters
        ----------
        level : coverage. rounding : "outer" as strucchange, "nearest" as Bai and Perron's program.

        Returns
        -------
        pd.DataFrame : ``lower``, ``break``, ``upper`` (labels of first rows of the new regime; missing beyond the
            sample) and ``lower_position``, ``position``, ``upper_position``, which may lie beyond it.

        Notes
        -----
        The law is that of breaks that shrink as the sample grows; for small breaks the intervals cover too little.
        Where the law of a date has less than half of 1 - ``level`` on one side of the estimate (errors or regressors
        differ much between the regimes) the ends are NaN, with a warning.
        """
        check_option("rounding", rounding, ROUNDINGS)
        if not 0.0 < level < 1.0:
            raise SpecError(f"level={level!r}: between 0 and 1.")
        rows = []
        for number, (scale, xi, omega) in enumerate(self.date_laws()):
            low, high = date_interval(self.positions[number], scale, xi, omega, level, rounding)
            if np.isnan(low):
                when = label(self.index[self.positions[number]])
                warnings.warn(
                    f"break {number + 1} ({when}): the law of the date does not pin an interval of {level:.0%}; errors "
                    "or regressors differ too much between the regimes.",
                    CryptoEquityWarning,
                    stacklevel=2,
                )
            rows.append((low, float(self.positions[number]), high))
        frame = pd.DataFrame(
            rows,
            columns=["lower_position", "position", "upper_position"],
            index=pd.RangeIndex(1, self.m + 1, name="break"),
            dtype=float,
        )
        labels = pd.DataFrame(
            {
                "lower": [self._label(value) for value in frame["lower_position"]],
                "break": [self._label(value) for value in frame["position"]],
                "upper": [self._label(value) for value in frame["upper_position"]],
            },
            frame.index,
        )
        return pd.concat([labels, frame], axis=1)

    def _label(self, position: float) -> Any:
        # a missing label beats the label of another date
        return self.index[int(position)] if 0 <= position < self.nobs else pd.NaT if self._dated else pd.NA

    @property
    def _dated(self) -> bool:
        return isinstance(self.index, pd.DatetimeIndex)

    def date_laws(self) -> list[tuple[float, float, float]]:
        r"""For each break the scale :math:`(\delta'Q_1\delta)^2/\delta'\Omega_1\delta`, and xi and omega of its law."""
        rule = self.spec.covariance
        z, u, edges = self.regression.breaking, self.estimate.residuals, (0, *self.positions, self.nobs)
        pooled_q = z.T @ z / self.nobs
        variance = self.ssr / self.nobs
        moments, spreads = [], []
        for first, end in pairwise(edges):
            inside, errors = z[first:end], u[first:end]
            q = inside.T @ inside / (end - first) if rule.het_regressors else pooled_q
            if rule.cov_type == "nonrobust":
                omega = (float(errors @ errors) / (end - first) if rule.het_errors else variance) * q
            else:
                omega = rule.moments(inside, errors) if rule.het_errors else rule.moments(z, u)
            moments.append(q)
            spreads.append(omega)
        out = []
        for i, shift in enumerate(np.diff(self.estimate.regimes, axis=0)):
            before, after = shift @ moments[i] @ shift, shift @ moments[i + 1] @ shift
            noise, later = shift @ spreads[i] @ shift, shift @ spreads[i + 1] @ shift
            sound = min(before, after, noise, later) > 0.0
            out.append((before**2 / noise, after / before, later / noise) if sound else (float("nan"), 1.0, 1.0))
        return out

    def summary(self) -> Table:
        """Return regimes, dates with their 95 % intervals, and the tests as a table."""
        values, errors = self.estimate.regimes, self.std_err.to_numpy()
        head = ("regime", "from", "to", "nobs", *(f"{name} (s.e.)" for name in self.params))
        rows = [
            (
                str(i + 1),
                label(self.index[first]),
                label(self.index[end - 1]),
                str(end - first),
                *(
                    f"{format_number(float(value))} ({format_number(float(error))})"
                    for value, error in zip(values[i], errors[i], strict=True)
                ),
            )
            for i, (first, end) in enumerate(self.bounds)
        ]
        notes = [
            f"selected by {self.spec.select}; errors {self.spec.cov_type}; regimes of at least {self.min_size} rows; "
            f"sum of squares {format_number(self.ssr)}"
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptoEquityWarning)
            intervals = self.conf_int()
        for i, where in enumerate(self.positions):
            low, high = (float(intervals[end].iloc[i]) for end in ("lower_position", "upper_position"))
            ends = [label(self.index[int(v)]) if 0 <= v < self.nobs else "beyond the sample" for v in (low, high)]
            span = "interval not pinned" if np.isnan(low) else f"95 % interval {ends[0]} to {ends[1]}"
            notes.append(f"break {i + 1}: {label(self.index[where])}; {span}")
        common = self.common
        for name, value, error in zip(common.index, common["params"], common["std_err"], strict=True):
            notes.append(f"{name} (does not break): {format_number(float(value))} ({format_number(float(error))})")
        for name, test in self.tests.items():
            critical = test.critical_values.get(self.spec.alpha, float("nan"))
            notes.append(
                f"{name}: {format_number(test.statistic)}, p-value {format_number(test.pvalue)}, critical value "
                f"{format_number(critical)}" + (f" ({test.reason})" if test.reason else "")
            )
        if not self.exact:
            part = self.partition
            notes.append(f"dates from an iteration: {part.agreed[self.m]} of {part.starts[self.m]} starts agree")
        return Table(f"{self.m} break(s) in {self.name}", head, tuple(rows), tuple(notes))

    def to_frame(self) -> pd.DataFrame:
        """The series, its fit, the residual and the number of the regime, by date."""
        series = pd.Series(self.regression.y, self.index, name=self.name)
        return pd.concat([series, self.fitted, self.residuals, self.labels], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; series are left out."""
        return {
            "name": self.name,
            "nobs": self.nobs,
            "positions": list(self.positions),
            "break_dates": [label(when) for when in self.break_dates],
            "last_dates": [label(when) for when in self.last_dates],
            "selected_by": str(self.spec.select),
            "min_size": self.min_size,
            "ssr": self.ssr,
            "exact": self.exact,
            "converged": self.converged,
            "params": self.params.to_dict("list"),
            "std_err": self.std_err.to_dict("list"),
            "common": self.common.to_dict("list") | {"names": list(self.common.index)},
            "sequential_positions": list(self.sequential_positions),
            "criteria": {str(m): row.to_dict() for m, row in self.criteria.iterrows()},
            "tests": {name: test.to_dict() for name, test in self.tests.items()},
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        keys = [
            *KEYS,
            *({"lwz": ["liuwuzidek1997"], "bic": ["yao1988"], "kt": ["kurozumi2011"]}.get(str(self.spec.select), [])),
        ]
        return citation(*keys)
