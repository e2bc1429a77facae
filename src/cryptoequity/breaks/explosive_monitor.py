"""Real-time detection of explosive roots: the critical values are fixed before the data arrive."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.params import Array
from ..estimation.results import Drawn
from ..table import Table, format_number
from .bubble_dates import date_episodes, episode_frame, shortest_episode
from .explosive import PVALUES
from .explosive_null import MULTIPLIERS, World, null_paths, sieve_walk, simulated_paths, wild_walk
from .explosive_paths import ExplosivePaths, explosive_paths, read_lag, read_levels, read_window
from .limits import LEVELS
from .results import label
from .sample import Series

__all__ = ["ExplosiveMonitor", "ExplosiveMonitoring"]


@dataclass(frozen=True)
class ExplosiveMonitor:
    r"""Watch a series for an explosive root (Phillips and Shi 2020).

    At each new date :math:`\mathrm{BSADF}_t` is the supremum of t-statistics over all windows that end there (see
    `gsadf_test`). A series of the history's length and ``control`` dates more is drawn under the null many times; the
    sequence is compared with

    * "family": the constant that the maximum of :math:`\mathrm{BSADF}` over the ``control`` dates exceeds with
      probability ``level``;
    * "pointwise": what it exceeds with that probability at each date alone; false alarms add up.

    In the draws history keeps the order of its volatility, and the dates to come take residuals of the history at
    random. Phillips and Shi draw a series as long as the shortest window and the control window together and use its
    maximum at all dates, however many windows end there; here the draws have as many as the monitor has.

    Parameters
    ----------
    control : dates to watch, after which the monitor must be fitted anew.
    lag, window, max_lag : as in `gsadf_test`; what follows from the sample is set by the history.
    null : "wild", "sieve" or "simulated", as ``pvalue`` of `gsadf_test`.
    critical, level : see above; a level is .10, .05 or .01.
    draws, multiplier, rng, n_jobs : as in `gsadf_test`.

    Notes
    -----
    Alarms at 5 % measured in calm series, 24 dates after a history of 150 (200 samples, 99 draws, "wild"): 4.5 % with
    iid normal or t(5) steps, 6.0 % where the standard deviation doubles within the history, 7.5 % under GARCH(.12, .87)
    with t(5), 9.5 % under GARCH(.08, .90), and 19.5 % where it doubles as the watch begins: nothing in the history
    tells of that. With "pointwise" 22 to 33 % of calm series set off an alarm. A root of 1.02 from the first date
    watched, at 100 with unit steps, was always found, at the fifth date in the median. Do not fit it to a history that
    holds a bubble: the draws then have its steps.

    Examples
    --------
    >>> import numpy as np, cryptoequity as ce
    >>> walk = np.random.default_rng(1).standard_normal(160).cumsum()
    >>> watch = ce.ExplosiveMonitor(control=20, draws=99).fit(walk[:150]).update(walk[150:])
    >>> len(watch.bsadf), watch.left
    (10, 10)
    """

    control: int = 24
    lag: int | str = 0
    window: int | None = None
    max_lag: int | None = None
    null: str = "wild"
    critical: str = "family"
    level: float = 0.05
    draws: int = 499
    multiplier: str = "rademacher"
    rng: int = 0
    n_jobs: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_option("null", self.null, PVALUES)
        check_option("critical", self.critical, ("family", "pointwise"))
        check_option("level", self.level, LEVELS)
        check_option("multiplier", self.multiplier, MULTIPLIERS)
        if not isinstance(self.control, int | np.integer) or isinstance(self.control, bool) or self.control < 1:
            raise SpecError(f"control={self.control!r}: a whole number of dates, at least 1.")
        if not isinstance(self.rng, int | np.integer) or isinstance(self.rng, bool):
            raise SpecError(f"rng={self.rng!r}: a whole number, so that the same history gives the same monitor.")

    def fit(self, history: Any) -> ExplosiveMonitoring:
        """Set the critical values from ``history``, a series of levels without an explosive root.

        Raises
        ------
        DataError : as `gsadf_test`.
        """
        series = read_levels(history)
        lag = read_lag(series.values, self.lag, self.max_lag)
        window = read_window(series, self.window, lag)
        explosive_paths(series, lag, window)  # refuses a history with windows that have no regression
        changes = np.diff(series.values)
        if self.null == "simulated":
            nobs = series.nobs + self.control
            null = simulated_paths(nobs, lag, window, self.draws, self.rng, self.n_jobs)
        else:
            world: World = (
                wild_walk(changes, self.multiplier, self.control)
                if self.null == "wild"
                else sieve_walk(changes, lag, self.multiplier, future=self.control)
            )
            null = null_paths(world, lag, window, self.draws, self.rng, self.n_jobs)
        ahead = null.path("gsadf")[:, -self.control :]
        family = {one: float(np.nanquantile(np.fmax.reduce(ahead, axis=1), 1.0 - one)) for one in LEVELS}
        bands = np.nanquantile(ahead, [1.0 - one for one in LEVELS], axis=0).T
        sequence = np.full(self.control, family[self.level]) if self.critical == "family" else bands[:, _at(self.level)]
        empty = np.empty(0)
        return ExplosiveMonitoring(
            self, series.values, series.index, series.name, series.nobs, lag, window, sequence, empty
        )


def _at(level: float) -> int:
    return LEVELS.index(level)


@dataclass(frozen=True, eq=False)
class ExplosiveMonitoring(Drawn):
    """A monitor with its critical values and what it has seen since; `update` returns a longer one.

    Attributes
    ----------
    spec : the choices. history : observations the critical values were made from.
    lag, window : as used. boundary : (control,) critical values of the dates to come, known before them.
    """

    spec: ExplosiveMonitor
    values: Array = field(repr=False)
    index: pd.Index = field(repr=False)
    name: str
    history: int
    lag: int
    window: int
    boundary: Array = field(repr=False)
    _seen: Array = field(repr=False)

    def update(self, new: Any) -> ExplosiveMonitoring:
        """Go on with ``new`` observations; what was found at earlier dates stays.

        Raises
        ------
        DataError : missing values, labels that do not follow, or more dates than the control window has left.
        """
        fresh, index = _read_new(new, self.name, self.index)
        if fresh.size > self.left:
            raise DataError(
                f"{fresh.size} new observations and {self.left} of {self.spec.control} dates left in the control "
                "window; fit the monitor anew with the history so far, or use a larger control."
            )
        values = np.concatenate([self.values, fresh])
        index = self.index.append(index)
        series = Series(values, index, self.name)
        paths: ExplosivePaths = explosive_paths(series, self.lag, self.window, self.values.size)
        return replace(self, values=values, index=index, _seen=np.concatenate([self._seen, paths.bsadf]))

    @property
    def left(self) -> int:
        """Dates left in the control window."""
        return self.spec.control - self._seen.size

    @property
    def bsadf(self) -> pd.Series:
        """The statistic of each date watched."""
        return pd.Series(self._seen, self.index[self.history :], name="bsadf")

    @property
    def critical(self) -> pd.Series:
        """The critical value of each date watched."""
        return pd.Series(self.boundary[: self._seen.size], self.index[self.history :], name="critical")

    @property
    def alarm(self) -> bool:
        """Whether the statistic has been above its critical value."""
        return bool((self.bsadf > self.critical).any())

    @property
    def first_alarm(self) -> Any:
        """Label of the first date above; None without."""
        return self.index[self.history + self._first] if self.alarm else None

    @property
    def position(self) -> int | None:
        """Row of the first date above, counted from the start of the history; None without."""
        return self.history + self._first if self.alarm else None

    @property
    def _first(self) -> int:
        return int(np.argmax(self._seen > self.boundary[: self._seen.size]))

    def episodes(self, min_duration: str | int = 1) -> pd.DataFrame:
        """Stretches above the critical values; columns as in `ExplosiveTest.episodes`."""
        shortest = shortest_episode(min_duration, self.values.size)
        runs = date_episodes(self._seen, self.boundary[: self._seen.size], shortest)
        return episode_frame(runs, self.values[self.history - 1 :], self.index[self.history :])

    def to_frame(self) -> pd.DataFrame:
        """Series, statistic, critical value and alarm by date watched."""
        frame = pd.DataFrame(
            {"y": self.values[self.history :], "bsadf": self.bsadf, "critical": self.critical},
            self.index[self.history :],
        )
        frame["above"] = frame["bsadf"] > frame["critical"]
        return frame

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; arrays are left out."""
        return {
            "history": self.history,
            "watched": int(self._seen.size),
            "left": self.left,
            "lag": self.lag,
            "window": self.window,
            "null": self.spec.null,
            "critical": self.spec.critical,
            "level": self.spec.level,
            "alarm": self.alarm,
            "first_alarm": label(self.first_alarm) if self.alarm else None,
            "statistic": float(self._seen[-1]) if self._seen.size else None,
        }

    def summary(self) -> Table:
        """Return the state of the monitor as a table."""
        rows = [
            ("history, observations", str(self.history)),
            ("dates watched", str(self._seen.size)),
            ("dates left", str(self.left)),
            ("lag", str(self.lag)),
            ("window, rows", str(self.window)),
            (f"critical value, {self.spec.level:.4g} {self.spec.critical}, next", self._next()),
            ("statistic now", format_number(float(self._seen[-1])) if self._seen.size else ""),
            ("first alarm", label(self.first_alarm) if self.alarm else "none"),
        ]
        notes = (f"H0: a unit root in the history and after; {self.spec.null} null, {self.spec.draws} draws",)
        return Table(f"Monitor for an explosive root: {self.name}", ("", "value"), tuple(rows), notes)

    def _next(self) -> str:
        return format_number(float(self.boundary[self._seen.size])) if self.left else ""

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation("phillipsshi2020", "phillipsshiyu2015", *(["hlst2016"] if self.spec.null == "wild" else []))


def _read_new(new: Any, name: str, index: pd.Index) -> tuple[Array, pd.Index]:
    """New observations and their labels, which must follow those seen; a single one is enough."""
    if isinstance(new, pd.DataFrame):
        if new.shape[1] != 1:
            raise DataError(f"{name!r}: one column is wanted, the frame has {new.shape[1]}: {list(new.columns)}.")
        new = new.iloc[:, 0]
    labeled = isinstance(new, pd.Series)
    try:
        values = np.atleast_1d(np.asarray(new, dtype=float))
    except (TypeError, ValueError) as error:
        raise DataError(f"{name!r}: new observations must be numbers ({error}).") from error
    if values.ndim != 1 or not values.size:
        raise DataError(f"{name!r}: new observations must have one dimension and a row, not shape {values.shape}.")
    labels: pd.Index
    if labeled:
        labels = new.index
    elif isinstance(index, pd.RangeIndex):
        labels = pd.RangeIndex(index.stop, index.stop + values.size * index.step, index.step)
    else:
        raise DataError(f"{name!r}: the history has labels; give the new observations as a Series with theirs.")
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f"{name!r}: the new observation at {label(labels[row])} is missing or infinite; drop it.")
    try:
        follows = bool(labels[0] > index[-1]) and labels.is_monotonic_increasing and labels.is_unique
    except TypeError as error:
        raise DataError(f"{name!r}: new labels are not of the kind of the history's ({error}).") from error
    if not follows:
        raise DataError(f"{name!r}: {label(labels[0])} does not follow {label(index[-1])}; give new dates in order.")
    return values, labels
