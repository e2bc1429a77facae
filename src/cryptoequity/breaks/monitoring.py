r"""Monitoring a regression while data come in: false alarms are held at a level over the whole time.

Coefficients are estimated on a history of n observations taken to be stable; every later date is compared with them
and an alarm is raised where the process leaves its boundary (Chu, Stinchcombe and White 1996).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, LevelsWarning, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from ..estimation.results import Drawn
from ..table import Table, format_number
from . import fluctuation_processes as processes
from .fluctuation_laws import law_of_cusum, monitoring_critical
from .results import label
from .sample import Regression, read_regression

__all__ = ["Monitor", "MonitorFit"]

KINDS = ("ols-cusum", "ols-mosum", "re", "me")
# 200 samples a cell; beside the mean, a beta whose regressor has the same law as the errors
ROBUST = (
    "False alarms measured with 250 rows of history and period 4, nominal 5 %, of a mean: cumulative 7 % with t(5) "
    "errors, 6.5 % under GARCH(.08, .90), 19 % under GARCH(.12, .87) with t(5); moving 2.5 %, 14.5 %, 24.5 %. Where "
    "the standard deviation doubles after the history 13.5 % and 56 %: an alarm may be a louder market. Estimates of a"
    " beta are worse (3.5-81 %). Watch standardized residuals, or take a longer history."
)


@dataclass(frozen=True)
class Monitor:
    r"""How a regression is to be watched.

    With :math:`\hat\beta_n,\hat\sigma` of the history and :math:`n_h=\lfloor nh\rfloor`, the processes for k > n are

    .. math::
        \text{ols-cusum: }\frac1{\hat\sigma\sqrt n}\sum_{t\le k}(y_t-x_t'\hat\beta_n),\qquad
        \text{re: }\frac k{\hat\sigma\sqrt n}\hat Q^{1/2}(\hat\beta_k-\hat\beta_n),

    and for "ols-mosum" and "me" the same over the last :math:`n_h` observations. The boundaries are, with t = k/n,

    .. math:: \sqrt{t(t-1)\{a^2+\ln\tfrac t{t-1}\}}\quad\text{(cumulative)},\qquad
              \lambda\sqrt{2\max(1,\ln t)}\quad\text{(moving)}.

    Parameters
    ----------
    kind : "ols-cusum", "ols-mosum", "re" or "me".
    period : end of monitoring in units of the history, n included; None for no end (cumulative kinds).
    alpha : probability of a false alarm over the whole period.
    bandwidth : h of the moving kinds, between .1 and 1, a share of the history.
    rescale : moments of the rows in use (True) or of the history (kinds "re" and "me").
    long_run : long-run variance of the residuals, for errors with memory.
    constant : put a constant among the regressors.

    Notes
    -----
    Cumulative processes find an early change fast and a late one slowly; moving ones react alike at all times.
    The constant a for no end is exact (Robbins and Siegmund), the others are simulated. Columns of "re" and "me" share
    alpha as independent processes do. The variance is that of the history: measured false alarms under GARCH, and after
    a rise of the variance alone, are far above alpha, most with moving sums; see `MonitorFit.summary`.

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> y = np.random.default_rng(1).standard_normal(400)
    >>> watch = ce.Monitor(kind="ols-cusum", period=4).fit(y[:100]).update(y[100:200])
    >>> watch.detected
    False
    >>> watch.update(y[200:] + 1.5).crossing_position < 260
    True
    """

    kind: str = "ols-cusum"
    period: float | None = 10.0
    alpha: float = 0.05
    bandwidth: float = 0.5
    rescale: bool = True
    long_run: LongRun | None = None
    constant: bool = True

    def __post_init__(self) -> None:
        check_option("kind", self.kind, KINDS)
        if not 0.001 <= self.alpha <= 0.5:
            raise SpecError(f"alpha={self.alpha!r}: a probability between .001 and .5.")
        # the grid of the simulated boundaries is checked before there are data
        monitoring_critical(self.shape, self.alpha, 1, self.period, self.bandwidth)

    @property
    def shape(self) -> str:
        """Of the boundary: "cumulative" or "moving"."""
        return "moving" if self.kind in ("ols-mosum", "me") else "cumulative"

    def fit(self, y: Any, exog: Any = None) -> MonitorFit:
        """Estimate the history; the fit watches from the row after it.

        Parameters
        ----------
        y : history, series (n,). exog : its regressors beside the constant.

        Raises
        ------
        DataError : unusable data, or a moving window too short for the coefficients.
        """
        history = read_regression(y, exog, constant=self.constant)
        labeled = isinstance(y, pd.Series | pd.DataFrame)
        nobs, width = history.x.shape
        if self.shape == "moving":
            size = processes.window(self.bandwidth, nobs) if self.bandwidth < 1.0 else nobs
            if self.kind == "me" and size <= width:
                raise DataError(f"a window of {size} observations cannot identify {width} coefficients.")
        residuals = processes.ols_residuals(history.y, history.x)
        sigma = float(np.sqrt(processes.error_variance(residuals, width, self.long_run)))
        coefficients = np.linalg.lstsq(history.x, history.y, rcond=None)[0]
        columns = width if self.kind in ("re", "me") else 1
        past = float(np.abs(processes.sums(residuals)).max() / (sigma * np.sqrt(nobs)))
        return MonitorFit(
            spec=self,
            data=history,
            history_size=nobs,
            labeled=labeled,
            coefficients=pd.Series(coefficients, list(history.names), name="history"),
            sigma=sigma,
            critical=monitoring_critical(self.shape, self.alpha, columns, self.period, self.bandwidth),
            history_pvalue=law_of_cusum("max", 1).pvalue(past),
            process=pd.DataFrame(np.empty((0, columns)), history.index[:0], columns=self._columns(history)),
        )

    def _columns(self, history: Regression) -> list[str]:
        return list(history.names) if self.kind in ("re", "me") else ["residuals"]


@dataclass(frozen=True, eq=False)
class MonitorFit(Drawn):
    """What has been watched so far; `update` returns another.

    Attributes
    ----------
    spec : the choices. data : all rows so far, history first. history_size : n.
    coefficients : of the history. sigma : their errors' standard deviation. critical : constant of the boundary.
    history_pvalue : of the OLS-CUSUM test of the history; where it is small, monitoring has no stable past to build on.
    process : (M, P) signed process at the M rows watched, by their labels.
    """

    spec: Monitor
    data: Regression = field(repr=False)
    history_size: int
    labeled: bool = field(repr=False)
    coefficients: pd.Series = field(repr=False)
    sigma: float
    critical: float
    history_pvalue: float
    process: pd.DataFrame = field(repr=False)

    @property
    def index(self) -> pd.Index:
        """Labels of all rows so far."""
        return self.data.index

    @property
    def monitored(self) -> int:
        """Rows watched."""
        return len(self.process)

    @property
    def horizon(self) -> int | None:
        """Row at which monitoring ends; None for no end."""
        return None if self.spec.period is None else int(self.spec.period * self.history_size + 1e-9)

    @property
    def path(self) -> pd.Series:
        """Largest absolute value of the process over its columns, by date."""
        return self.process.abs().max(axis=1).rename("statistic")

    @property
    def boundary(self) -> pd.Series:
        """The boundary at the rows watched."""
        n = self.history_size
        t = np.arange(n + 1, n + 1 + self.monitored) / n
        return pd.Series(boundary_at(self.spec.shape, self.critical, t), self.process.index, name="boundary")

    @property
    def crossing_position(self) -> int | None:
        """Row of the first alarm, counted from the start of the history; None without one."""
        beyond = np.flatnonzero(self.path.to_numpy() > self.boundary.to_numpy())
        return self.history_size + int(beyond[0]) if beyond.size else None

    @property
    def crossing_date(self) -> Any:
        """Label of the first alarm; the change itself came before. None without one."""
        position = self.crossing_position
        return None if position is None else self.index[position]

    @property
    def detected(self) -> bool:
        """Whether there has been an alarm."""
        return self.crossing_position is not None

    def update(self, y: Any, exog: Any = None) -> MonitorFit:
        """Watch further rows; values at rows already watched do not change.

        Parameters
        ----------
        y : the rows after the last, series or array (m,); labels must continue. exog : their regressors.

        Raises
        ------
        DataError : rows that do not continue, or lie beyond the period the boundary was made for.
        """
        data = self._extended(y, exog)
        if self.horizon is not None and data.nobs > self.horizon:
            raise DataError(
                f"{data.nobs} rows, and the boundary holds its level up to row {self.horizon} (period "
                f"{self.spec.period:g} of {self.history_size}); give {self.horizon - self.data.nobs} rows at most, "
                "or start again with a newer history."
            )
        first = self.data.nobs
        values = process_at(self.spec, data, self.history_size, self.coefficients.to_numpy(), self.sigma, first)
        new = pd.DataFrame(values, data.index[first:], columns=self.process.columns)
        process = new if self.process.empty else pd.concat([self.process, new])
        return replace(self, data=data, process=process)

    def _extended(self, y: Any, exog: Any) -> Regression:
        named = isinstance(y, pd.Series | pd.DataFrame)
        if named != self.labeled:
            have, got = ("a labeled series", "an array") if self.labeled else ("an array", "a labeled series")
            raise DataError(f"the history is {have} and the new rows are {got}; give both in the same form.")
        new = y.iloc[:, 0] if isinstance(y, pd.DataFrame) else pd.Series(np.atleast_1d(y)) if not named else y
        if new.empty:
            raise DataError("no new rows.")
        old = pd.Series(self.data.y, self.index if named else None, name=self.data.name)
        if named and isinstance(self.index, pd.DatetimeIndex) and not new.index[0] > self.index[-1]:
            raise DataError(
                f"the new rows begin at {label(new.index[0])}, not after {label(self.index[-1])}, the last watched."
            )
        joined = pd.concat([old, new.rename(self.data.name)], ignore_index=not named)
        names = [name for name in self.data.names if not (self.spec.constant and name == "const")]
        if (exog is None) != (not names):
            raise DataError(f"the history has the regressors {names}; give the same for the new rows.")
        frame = None
        if exog is not None:
            if isinstance(exog, pd.Series):
                exog = exog.to_frame("x1" if exog.name is None else str(exog.name))
            rows = exog if isinstance(exog, pd.DataFrame) else pd.DataFrame(np.asarray(exog).reshape(len(new), -1))
            if not isinstance(exog, pd.DataFrame):
                rows = rows.set_axis(new.index)
            if rows.shape[1] != len(names) or (
                isinstance(exog, pd.DataFrame) and [str(name) for name in rows.columns] != names
            ):
                raise DataError(f"exog has the columns {list(rows.columns)}; the history has {names}.")
            if named and not rows.index.equals(new.index):
                raise DataError("y and exog of the new rows have different labels.")
            past = pd.DataFrame(self.data.x[:, -len(names) :], old.index, columns=names)
            frame = pd.concat([past, rows.set_axis(names, axis=1)], ignore_index=not named)
            if not named:
                frame.index = joined.index
        with warnings.catch_warnings():
            # a series that has left its regime may look like a level; that is what is being watched for
            warnings.simplefilter("ignore", LevelsWarning)
            data = read_regression(joined, frame, constant=self.spec.constant, filtered="ignore")
        return data

    def to_frame(self) -> pd.DataFrame:
        """Process, its largest column, the boundary, and whether it is crossed, by date."""
        frame = self.process.copy()
        frame["statistic"], frame["boundary"] = self.path, self.boundary
        frame["crossed"] = frame["statistic"] > frame["boundary"]
        return frame

    def summary(self) -> Table:
        """Return what has been watched as a table."""
        spec = self.spec
        end = "no end" if self.horizon is None else f"row {self.horizon} (period {spec.period:g})"
        rows = [
            (
                "history",
                f"{self.history_size} rows, {label(self.index[0])} to {label(self.index[self.history_size - 1])}",
            ),
            ("p-value of a stable history (OLS-CUSUM)", format_number(self.history_pvalue)),
            ("rows watched", str(self.monitored)),
            ("end of monitoring", end),
            ("constant of the boundary", format_number(self.critical)),
            ("first alarm", label(self.crossing_date) if self.detected else "none"),
        ]
        notes = (
            f"H0: the coefficients stay as in the history; a false alarm at any time has probability {spec.alpha:g}.",
            ROBUST,
        )
        return Table(f"Monitoring by {spec.kind}", ("", "value"), tuple(rows), notes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; the path is left out."""
        return {
            "kind": self.spec.kind,
            "alpha": self.spec.alpha,
            "period": self.spec.period,
            "bandwidth": self.spec.bandwidth,
            "history_size": self.history_size,
            "monitored": self.monitored,
            "critical": self.critical,
            "sigma": self.sigma,
            "coefficients": {str(key): float(value) for key, value in self.coefficients.items()},
            "history_pvalue": self.history_pvalue,
            "crossing_position": self.crossing_position,
            "crossing_date": label(self.crossing_date) if self.detected else None,
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        one = "leischhornikkuan2000" if self.spec.shape == "moving" else "chustinchcombewhite1996"
        return citation(one, "zeileis2005")


def boundary_at(shape: str, critical: float, t: Array) -> Array:
    """Boundary at t = k/n > 1, see `Monitor`."""
    if shape == "moving":
        moving: Array = critical * np.sqrt(2.0 * np.maximum(1.0, np.log(t)))
        return moving
    cumulative: Array = np.sqrt(t * (t - 1.0) * (critical**2 + np.log(t / (t - 1.0))))
    return cumulative


def process_at(spec: Monitor, data: Regression, nobs: int, coefficients: Array, sigma: float, first: int) -> Array:
    """Process at the rows ``first``, …, T - 1 of ``data``, each from the rows up to it alone."""
    scale = sigma * np.sqrt(nobs)
    size = nobs if spec.bandwidth >= 1.0 else int(spec.bandwidth * nobs + 1e-9)
    if spec.kind in ("ols-cusum", "ols-mosum"):
        total = processes.sums(data.y - data.x @ coefficients)
        ends = np.arange(first + 1, data.nobs + 1)
        start = ends - size if spec.kind == "ols-mosum" else np.zeros_like(ends)
        out: Array = (total[ends] - total[start])[:, None] / scale
        return out
    width = data.x.shape[1]
    # in coordinates in which the history is orthonormal, few digits are lost
    _, r = np.linalg.qr(data.x[:nobs])
    q = np.linalg.solve(r.T, data.x.T).T
    errors = data.y - data.x @ coefficients
    products = processes.sums(np.einsum("ti,tj->tij", q, q))
    moments = processes.sums(q * errors[:, None])
    ends = np.arange(first + 1, data.nobs + 1)
    if spec.kind == "me":
        products, moments = products[ends] - products[ends - size], moments[ends] - moments[ends - size]
        counts = np.full(ends.size, size)
        values = np.linalg.eigvalsh(products)
        bad = values[:, 0] <= 1e-10 * values[:, -1]
        if bad.any():
            when = data.index[int(ends[int(np.argmax(bad))]) - 1]
            raise DataError(f"the regressors are linearly dependent in the {size} rows up to {label(when)}.")
    else:
        products, moments, counts = products[ends], moments[ends], ends
    moves = np.linalg.solve(r, np.linalg.solve(products, moments[..., None])[..., 0].T).T
    if spec.rescale:
        roots = processes.symmetric_root(r.T @ products @ r / counts[:, None, None])
    else:
        roots = np.broadcast_to(processes.symmetric_root(r.T @ r / nobs), (ends.size, width, width))
    turned: Array = np.einsum("tij,tj->ti", roots, moves) * (counts / scale)[:, None]
    return turned
