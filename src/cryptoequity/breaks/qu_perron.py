"""Breaks in the means and covariances of several series at once: Qu and Perron (2007)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import CryptoEquityWarning, DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from ..table import Table, format_number
from .date_intervals import date_interval
from .results import BreakTest, DatedMixin, label
from .sample import minimum_segment
from .system_regimes import Regimes, date_law, regimes_of
from .system_tests import SystemTests
from .systems import CHANGES, Search, System, read_system, search

__all__ = ["QuPerron", "QuPerronFit"]

COV_TYPES = ("robust", "gaussian")
SELECT = ("sequential", "bic")
KEYS = ("quperron2007", "baiperron1998")


@dataclass(frozen=True)
class QuPerron:
    r"""Breaks at unknown dates in a system of equations with the same regressors.

    .. math:: y_t = B_j'x_t + u_t,\qquad \operatorname{E}u_tu_t'=\Sigma_j,\qquad T_{j-1}<t\le T_j

    Dates maximize the Gaussian quasi-likelihood over all partitions with at least ``trim`` of the sample in every
    regime; the statistic of m breaks is twice the gain in log-likelihood over none.

    Parameters
    ----------
    max_breaks : M, most breaks looked for.
    trim, min_size : shortest regime, as a share of the sample or in observations; one of the two.
    changes : what breaks: "mean" (the coefficients), "covariance" (volatilities and correlations), or "both".
    cov_type : "gaussian" compares the likelihood ratio with its law under normal errors. "robust" finds the largest
        gain over the same partitions in the moments :math:`m_t=(x_t\otimes u_t,\operatorname{vech}(u_tu_t'-\Sigma))`
        weighted by their own covariance, whose law needs fourth moments but no normality; dates stay those of the
        likelihood.
    long_run : with "robust", a long-run covariance of the moments instead of that of serially independent ones.
    alpha : level of the sequential tests.
    select : "sequential" (l + 1 against l breaks, from l = 0 until one is not rejected), "bic", or a number of breaks.

    Notes
    -----
    **Robustness.** Rejections at 5 %, without a break but in the last two rows, for "covariance" and "both" (200
    samples, T = 1000, two columns correlated .4; a rate of 5 % has a standard error of 1.5 points):

    ================================================== ========== ========
    \                                                  gaussian   robust
    ================================================== ========== ========
    iid normal                                         6.5, 4     6.5, 4.5
    iid t(5)                                           65, 55     4.5, 3.5
    GARCH(.08, .90), normal, raw returns               99, 99     99, 98
    residuals of that GARCH, estimated                 3.5, 2     3.5, 3
    GARCH(.12, .87), t(5), raw returns                 100, 100   99, 98
    residuals of that GARCH, estimated                 70, 59     2.5, 4
    sd doubles at T/2 (a break), raw                   100, 100   100, 100
    residuals of a GARCH fitted through it             20, 9      10, 5
    ================================================== ========== ========

    Use "robust", and pass fitted margins instead of returns. A GARCH fitted through a break in variance absorbs it
    nearly whole, and a correlation that wanders (a DCC) is not a constant one: the null is then false without a
    break. Changes in the mean alone hold their size in all of these worlds but raw GARCH with t(5) (12 %). Breaks in
    correlation and in volatility are not told apart by the statistic; look at `correlations` and `volatilities` by
    regime. Do not use it on prices or on rolling or filtered correlations.

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> rng = np.random.default_rng(0)
    >>> y = rng.standard_normal((400, 2))
    >>> y[250:, 1] = 0.8 * y[250:, 0] + 0.6 * y[250:, 1]
    >>> fit = ce.QuPerron(max_breaks=2, trim=0.15, changes="covariance").fit(y)
    >>> fit.n_breaks
    1
    """

    max_breaks: int = 3
    trim: float | None = None
    min_size: int | None = None
    changes: str = "both"
    cov_type: str = "robust"
    long_run: LongRun | None = None
    alpha: float = 0.05
    select: str | int = "sequential"

    def __post_init__(self) -> None:
        check_option("changes", self.changes, CHANGES)
        check_option("cov_type", self.cov_type, COV_TYPES)
        whole = isinstance(self.max_breaks, int) and not isinstance(self.max_breaks, bool)
        if not whole or not 1 <= self.max_breaks <= 10:
            raise SpecError(f"max_breaks={self.max_breaks!r}: a whole number between 1 and 10.")
        if self.trim is None and self.min_size is None:
            object.__setattr__(self, "trim", 0.15)
        if not 0.0 < self.alpha < 1.0:
            raise SpecError(f"alpha={self.alpha!r}: a level between 0 and 1.")
        if isinstance(self.select, str):
            check_option("select", self.select, SELECT)
        elif isinstance(self.select, bool) or not 0 <= self.select <= self.max_breaks:
            raise SpecError(f"select={self.select!r}: 'sequential', 'bic', or a number from 0 to {self.max_breaks}.")
        if self.long_run is not None and self.cov_type != "robust":
            raise SpecError("long_run belongs to cov_type='robust'.")

    @property
    def name(self) -> str:
        """Name in pictures and tables."""
        return f"Qu–Perron, {'mean and covariance' if self.changes == 'both' else self.changes}"

    def fit(self, data: Any, exog: Any = None) -> QuPerronFit:
        """Date the breaks and test for them.

        Parameters
        ----------
        data : frame or array (T, N) of series without volatility clusters, or fitted margins, whose standardized
            residuals are taken. exog : frame or array (T, K - 1) of regressors in every equation, beside the constant.

        Raises
        ------
        DataError : missing values, constant or collinear columns, too few observations for the breaks asked for.
        """
        system = read_system(data, exog, min_obs=20)
        equations, width = system.y.shape[1], system.x.shape[1]
        h = minimum_segment(system.nobs, self.trim, self.min_size, width + equations - 1, self.max_breaks)
        found = search(system.y, system.x, h, self.max_breaks, self.changes)
        if found.singular:
            warnings.warn(
                f"{found.singular} of the possible regimes are singular (a column or regressor constant within them) "
                "and were left out of the search.",
                CryptoEquityWarning,
                stacklevel=2,
            )
        feasible = max(m for m in range(self.max_breaks + 1) if math.isfinite(found.cost[m]))
        if not feasible:
            raise DataError("every possible regime is singular: a column hardly ever moves; drop it.")
        tests = SystemTests(system, found, h, feasible, self.changes, self.cov_type, self.long_run).all()
        count = self._number(tests, found, system, feasible)
        regimes = regimes_of(system, found.positions[count], self.changes, self.cov_type)
        return QuPerronFit(self, system, found, found.positions[count], tests, regimes, h)

    def _number(self, tests: Mapping[str, BreakTest], found: Search, system: System, feasible: int) -> int:
        if not isinstance(self.select, str):
            if self.select > feasible:
                raise DataError(f"select={self.select}: only {feasible} break(s) fit without a singular regime.")
            return int(self.select)
        if self.select == "bic":
            return int(np.argmin(criterion(found, system, self.changes)[: feasible + 1]))
        count = 0
        while count < feasible:
            name = "sup LR(1)" if count == 0 else f"sup LR({count + 1}|{count})"
            if not tests[name].pvalue <= self.alpha:
                break
            count += 1
        return count


def criterion(found: Search, system: System, changes: str) -> Array:
    """BIC by number of breaks, (M + 1,): every date counts as a parameter."""
    base = loglikelihood(system, 0.0)
    counts = np.array([system.counted(changes, m) for m in range(found.cost.size)])
    out: Array = -2.0 * (base - found.cost) + counts * np.log(system.nobs)
    return out


def loglikelihood(system: System, cost: float) -> float:
    """Gaussian log-likelihood with its constants, from a cost relative to no break."""
    left = system.y - system.x @ np.linalg.lstsq(system.x, system.y, rcond=None)[0]
    nobs, n = left.shape
    log_det = float(np.linalg.slogdet(left.T @ left / nobs)[1])
    return float(-0.5 * nobs * (n * (1.0 + math.log(2.0 * math.pi)) + log_det) - cost)


@dataclass(frozen=True, eq=False)
class QuPerronFit(DatedMixin):
    """Dates and regimes of a system.

    Attributes
    ----------
    positions : first row of every new regime. tests : by name: "sup LR(m)" of m breaks against none, "UDmax" and
        "WDmax" of any number, "sup LR(l+1|l)". regimes : estimates by regime. search : the partitions found.
    h : fewest observations of a regime.
    """

    spec: QuPerron
    system: System = field(repr=False)
    search: Search = field(repr=False)
    positions: tuple[int, ...]
    tests: Mapping[str, BreakTest] = field(repr=False)
    regimes: Regimes = field(repr=False)
    h: int

    @property
    def index(self) -> pd.Index:  # type: ignore[override]
        """Labels of the rows."""
        return self.system.index

    @property
    def names(self) -> tuple[str, ...]:
        """Columns."""
        return self.system.names

    @property
    def n_breaks(self) -> int:
        """Breaks of the partition that was chosen."""
        return len(self.positions)

    @property
    def nobs(self) -> int:
        """Observations."""
        return self.system.nobs

    @property
    def data(self) -> pd.DataFrame:
        """What was cut, (T, N)."""
        return pd.DataFrame(self.system.y, self.index, list(self.names))

    @property
    def converged(self) -> bool:
        """Whether dates and shared parameters settled in the partition chosen."""
        return self.search.converged[self.n_breaks]

    @property
    def loglikelihood(self) -> float:
        """Gaussian log-likelihood of the partition chosen."""
        return loglikelihood(self.system, float(self.search.cost[self.n_breaks]))

    @property
    def partitions(self) -> pd.DataFrame:
        """Every number of breaks: log-likelihood, BIC, how the search ended, and dates."""
        base, bic = loglikelihood(self.system, 0.0), criterion(self.search, self.system, self.spec.changes)
        rows = [
            {
                "loglikelihood": base - float(cost),
                "BIC": float(bic[m]),
                "converged": self.search.converged[m],
                "agreement": self.search.agreement[m],
                "dates": ", ".join(label(self.index[p]) for p in self.search.positions[m]),
            }
            for m, cost in enumerate(self.search.cost)
        ]
        return pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="breaks"))

    @property
    def coefficients(self) -> pd.DataFrame:
        """Coefficients by regime, columns (equation, regressor); means where there is only a constant."""
        return self._by_regime(self.regimes.coefficients, self._equations())

    @property
    def coefficient_errors(self) -> pd.DataFrame:
        """Their standard errors."""
        return self._by_regime(self.regimes.coefficient_errors, self._equations())

    @property
    def volatilities(self) -> pd.DataFrame:
        """Standard deviations of the residuals by regime, (m + 1, N)."""
        return self._by_regime(self.regimes.volatilities, pd.Index(self.names))

    @property
    def correlations(self) -> pd.DataFrame:
        """Correlations of the residuals by regime, columns (first, second)."""
        return self._by_regime(self.regimes.correlations, self._pairs())

    @property
    def correlation_errors(self) -> pd.DataFrame:
        """Their standard errors."""
        return self._by_regime(self.regimes.correlation_errors, self._pairs())

    @property
    def covariances(self) -> dict[int, pd.DataFrame]:
        """Covariance of the residuals by number of the regime, from 1."""
        names = list(self.names)
        return {j + 1: pd.DataFrame(one, names, names) for j, one in enumerate(self.regimes.covariances)}

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        r"""Intervals of the dates, from the law of the argmax of the likelihood around each.

        Moving the date by one row changes the log-likelihood by :math:`\ell_t(\theta_{j+1})-\ell_t(\theta_j)`, with a
        mean that is minus a Kullback–Leibler distance and a variance; normed by them the estimate follows Bai's (1997)
        argmax. The variance is that of normal errors with "gaussian", that of the sample with "robust".

        Returns
        -------
        pd.DataFrame : ``lower``, ``break``, ``upper`` (labels of first rows of the new regime; missing beyond the
            sample) and ``lower_position``, ``position``, ``upper_position``, which may lie beyond it; NaN, with a
            warning, where one side's share of the law is below the tail asked for.
        """
        if not 0.0 < level < 1.0:
            raise SpecError(f"level={level!r}: between 0 and 1, e.g. 0.95.")
        rows = []
        for j, position in enumerate(self.positions):
            scale, xi, omega = date_law(self.system, self.regimes, self.positions, j, self.spec.cov_type)
            low, high = date_interval(position, scale, xi, omega, level)
            if math.isnan(low):
                warnings.warn(
                    f"break {j + 1} ({label(self.index[position])}): the law of the date does not pin an interval of "
                    f"{level:.0%}; the regimes differ too much in variance.",
                    CryptoEquityWarning,
                    stacklevel=2,
                )
            rows.append((self._label(low), self.index[position], self._label(high), low, float(position), high))
        columns = ["lower", "break", "upper", "lower_position", "position", "upper_position"]
        return pd.DataFrame(rows, columns=columns, index=pd.RangeIndex(1, len(rows) + 1, name="break"))

    def _label(self, position: float) -> Any:
        # a missing label beats the label of another date
        if 0 <= position < self.nobs:
            return self.index[int(position)]
        return pd.NaT if isinstance(self.index, pd.DatetimeIndex) else pd.NA

    def summary(self) -> Table:
        """Return dates, tests and regimes as a table."""
        rows = [(name, format_number(one.statistic), format_number(one.pvalue)) for name, one in self.tests.items()]
        notes = [f"breaks chosen ({self.spec.select}): {self.n_breaks}"]
        if self.positions:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CryptoEquityWarning)
                bounds = self.conf_int()
            for j, position in enumerate(self.positions):
                ends = [float(bounds[end].iloc[j]) for end in ("lower_position", "upper_position")]
                words = [label(self.index[int(v)]) if 0 <= v < self.nobs else "beyond the sample" for v in ends]
                span = "interval not pinned" if math.isnan(ends[0]) else f"95 % interval {words[0]} to {words[1]}"
                notes.append(f"break {j + 1}: {label(self.index[position])}; {span}")
        frame = self.to_frame()
        for place, number in enumerate(frame.index):
            parts = [f"{key} {format_number(float(frame[key].iloc[place]), 3)}" for key in frame.columns[3:]]
            first, last = frame["first"].iloc[place], frame["last"].iloc[place]
            notes.append(f"regime {number} ({label(first)} to {label(last)}): {', '.join(parts)}")
        if not self.converged:
            notes.append("NOT CONVERGED: dates and shared parameters still moved; the partition is the best one seen")
        notes.append(f"observations {self.nobs}, at least {self.h} in a regime; tests: {self.spec.cov_type}")
        return Table(self.spec.name, ("test", "statistic", "p-value"), tuple(rows), tuple(notes))

    def to_frame(self) -> pd.DataFrame:
        """One row a regime: its span, coefficients, volatilities and correlations."""
        frame = self.spans
        flat = self.coefficients
        single = self.system.x.shape[1] == 1
        for place, (name, regressor) in enumerate(self._equations()):
            frame[f"mean {name}" if single else f"{name}: {regressor}"] = flat.iloc[:, place]
        for name, column in self.volatilities.items():
            frame[f"sd {name}"] = column
        for place, (one, two) in enumerate(self._pairs()):
            frame[f"corr {one}, {two}"] = self.correlations.iloc[:, place]
        return frame

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        frame = self.to_frame().drop(columns=["first", "last"])
        return {
            "name": self.spec.name,
            "spec": {
                "max_breaks": self.spec.max_breaks,
                "trim": self.spec.trim,
                "min_size": self.spec.min_size,
                "changes": self.spec.changes,
                "cov_type": self.spec.cov_type,
                "alpha": self.spec.alpha,
                "select": self.spec.select,
            },
            "nobs": self.nobs,
            "positions": list(self.positions),
            "break_dates": [label(when) for when in self.break_dates],
            "last_dates": [label(when) for when in self.last_dates],
            "tests": {name: one.to_dict() for name, one in self.tests.items()},
            "regimes": {str(key): {str(k): float(v) for k, v in row.items()} for key, row in frame.iterrows()},
            "loglikelihood": self.loglikelihood,
            "converged": self.converged,
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation(*KEYS)

    def _equations(self) -> pd.Index:
        pairs = [(name, regressor) for name in self.names for regressor in self.system.regressors]
        return pd.MultiIndex.from_tuples(pairs, names=["equation", "regressor"])

    def _pairs(self) -> pd.Index:
        n = len(self.names)
        pairs = [(self.names[i], self.names[j]) for i in range(n) for j in range(i + 1, n)]
        return pd.MultiIndex.from_tuples(pairs, names=["first", "second"])

    def _by_regime(self, values: Array, columns: pd.Index) -> pd.DataFrame:
        index = pd.RangeIndex(1, self.n_breaks + 2, name="regime")
        return pd.DataFrame(values.reshape(len(index), len(columns)), index, columns)
