r"""Tests for explosive roots: recursive right-tailed Dickey–Fuller regressions (Phillips, Shi and Yu 2015).

.. math:: \Delta y_t=\alpha+\beta y_{t-1}+\textstyle\sum_{i\le p}\phi_i\Delta y_{t-i}+\varepsilon_t,\qquad
          t=r_1,\dots,r_2

with the t-statistic of :math:`\beta` over every window :math:`[r_1,r_2]` of at least w rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import SpecError, check_option
from ..estimation.bootstrap import pvalue as share_beyond
from ..table import Table, format_number
from .bubble_dates import date_episodes, episode_frame, shortest_episode
from .explosive_null import MULTIPLIERS, NullPaths, null_paths, sieve_walk, simulated_paths, wild_walk
from .explosive_paths import ExplosivePaths, explosive_paths, read_lag, read_levels, read_window
from .limits import LEVELS
from .results import BreakTest, label
from .sample import Series

__all__ = ["ExplosiveTest", "gsadf_test"]

KINDS = ("gsadf", "sadf", "adf")
PVALUES = ("wild", "sieve", "simulated")
CRITICAL = ("pointwise", "psy", "family")

_NAMES = {
    "gsadf": "GSADF test of an explosive root",
    "sadf": "SADF test of an explosive root",
    "adf": "Right-tailed ADF test of an explosive root",
}
_ALTERNATIVES = {
    "gsadf": "the root is above one in some stretch of the sample, or in several.",
    "sadf": "the root is above one in some stretch of the sample.",
    "adf": "the root is above one over the whole sample.",
}
_KEYS = {
    "wild": ("phillipsshiyu2015", "hlst2016"),
    "sieve": ("phillipsshiyu2015", "phillipsshi2020"),
    "simulated": ("phillipsshiyu2015",),
}
_ROBUSTNESS = {
    "wild": (
        "Keeps its size under GARCH, fat tails and changes of variance (3.5 to 6.0 % measured at 5 %). Changes that "
        "are autocorrelated need lags (30 % without, 7 % with one). Steps that swell within the bubble cost power."
    ),
    "sieve": (
        "Keeps its size under GARCH, fat tails and changes of variance (2.8 to 6.0 % measured at 5 %), but for "
        "resample=True (20 % where the standard deviation triples). Changes that are autocorrelated need lags."
    ),
    "simulated": (
        "For independent steps of one variance only: 16 % measured at 5 % under GARCH(.12, .87) with t(5), 31 % where "
        "the standard deviation triples. Use pvalue='wild'."
    ),
}


@dataclass(frozen=True, eq=False)
class ExplosiveTest(BreakTest):
    """What `gsadf_test` found.

    ``path`` is the sequence behind the statistic (`bsadf`, or `badf` for "sadf"; None for "adf") and ``boundary`` the
    constant it stays below at all dates together with probability 95 % under the null.

    Attributes
    ----------
    adf, sadf, gsadf : the three statistics, whichever was asked for.
    badf, bsadf : their sequences, by the last date of the window.
    starts : label of the first observation of the window behind each `bsadf`.
    pointwise : critical values of each date alone, one column a level.
    psy : quantiles of SADF by sample size, the sequence of Phillips, Shi and Yu; empty unless for "gsadf".
    levels : the series tested.
    lag, window : lagged differences, and fewest rows of a regression.
    """

    adf: float = math.nan
    sadf: float = math.nan
    gsadf: float = math.nan
    badf: pd.Series = field(default_factory=lambda: pd.Series(dtype=float), repr=False)
    bsadf: pd.Series = field(default_factory=lambda: pd.Series(dtype=float), repr=False)
    starts: pd.Series = field(default_factory=lambda: pd.Series(dtype=object), repr=False)
    pointwise: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    psy: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    levels: pd.Series = field(default_factory=lambda: pd.Series(dtype=float), repr=False)
    lag: int = 0
    window: int = 0

    def critical(self, critical: str = "pointwise", level: float = 0.05) -> pd.Series:
        """Critical sequence by date.

        Parameters
        ----------
        critical : "pointwise" is exceeded with probability ``level`` at each date, hence somewhere far more often;
            "family" is the constant exceeded anywhere with probability ``level``; "psy" lies between them: Phillips,
            Shi and Yu (2015) and exuber compare BSADF at a date with the quantile of SADF for a sample that ends
            there, which is not the quantile of BSADF itself but larger (about 1.27 against .58 for T = 100, 5 %).
        level : .10, .05 or .01.

        Raises
        ------
        SpecError : "psy" for another test than "gsadf".
        """
        check_option("critical", critical, CRITICAL)
        check_option("level", level, LEVELS)
        if critical == "psy":
            if self.psy.empty:
                raise SpecError("critical='psy' is the sequence for BSADF; use kind='gsadf', or critical='pointwise'.")
            return self.psy[level].rename("psy")
        if critical == "family":
            return pd.Series(self.critical_values[level], self.pointwise.index, name="family")
        return self.pointwise[level].rename("pointwise")

    def episodes(
        self, min_duration: str | int = "log", critical: str = "pointwise", level: float = 0.05
    ) -> pd.DataFrame:
        """Stretches in which the sequence is above its critical values.

        Parameters
        ----------
        min_duration : shortest stretch in dates; "log" is log T.
        critical, level : see `critical`. With "pointwise" a sample without any explosive root has such stretches too;
            with "family" one sample in twenty has.

        Returns
        -------
        DataFrame : ``start`` (first date above), ``peak``, ``last`` (last date above), ``end`` (first date below
            again, missing while ``open``), ``duration`` (dates above), ``move`` ("up" or "down": the statistic is the
            same for a bubble and for a collapse), ``change`` of the series to the peak, ``open``.

        Raises
        ------
        SpecError : for ``kind="adf"``, which dates nothing.
        """
        if self.path is None:
            raise SpecError("kind='adf' looks at the whole sample only and dates nothing; use kind='gsadf'.")
        runs = date_episodes(
            self.path.to_numpy(),
            self.critical(critical, level).to_numpy(),
            shortest_episode(min_duration, self.nobs),
        )
        many = len(self.path)
        return episode_frame(runs, self.levels.to_numpy()[-many - 1 :], self.path.index)

    def to_frame(self) -> pd.DataFrame:
        """The sequences with their 5 % critical values and the window behind each supremum, by date."""
        frame = pd.DataFrame({"badf": self.badf, "bsadf": self.bsadf, "window start": self.starts})
        if self.path is not None:
            frame["pointwise"] = self.critical("pointwise")
            if len(self.psy):
                frame["psy"] = self.critical("psy")
            frame["family"] = self.critical("family")
        return frame

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; arrays are left out."""
        return super().to_dict() | {"adf": self.adf, "sadf": self.sadf, "gsadf": self.gsadf}

    def summary(self) -> Table:
        """Return the test as a table."""
        plain = super().summary()
        rows = list(plain.rows)
        if self.path is not None:
            peak = int(np.argmax(self.path.to_numpy()))
            rows.append(("largest at", label(self.path.index[peak])))
            if self.path is self.bsadf:
                rows.append(("in the window from", label(self.starts.iloc[peak])))
            for critical in CRITICAL if len(self.psy) else ("pointwise", "family"):
                found = self.episodes(critical=critical)
                rows.append((f"episodes, 5 % {critical}", format_number(len(found))))
        return Table(plain.title, plain.head, tuple(rows), plain.notes)


def gsadf_test(
    y: Any,
    *,
    lag: int | str = 0,
    window: int | None = None,
    kind: str = "gsadf",
    pvalue: str = "wild",
    draws: int = 499,
    multiplier: str = "rademacher",
    resample: bool = False,
    max_lag: int | None = None,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> ExplosiveTest:
    r"""Test a unit root against explosive stretches (Phillips, Wu and Yu 2011; Phillips, Shi and Yu 2015).

    With :math:`\mathrm{ADF}_{r_1}^{r_2}` the t-statistic of :math:`\beta` in

    .. math:: \Delta y_t=\alpha+\beta y_{t-1}+\textstyle\sum_{i\le p}\phi_i\Delta y_{t-i}+\varepsilon_t,\quad
              t=r_1,\dots,r_2,

    the sequences and statistics are

    .. math:: \mathrm{BADF}_{r_2}=\mathrm{ADF}_1^{r_2},\quad
              \mathrm{BSADF}_{r_2}=\sup_{r_1\le r_2-w+1}\mathrm{ADF}_{r_1}^{r_2},\quad
              \mathrm{SADF}=\sup_{r_2}\mathrm{BADF}_{r_2},\quad
              \mathrm{GSADF}=\sup_{r_2}\mathrm{BSADF}_{r_2}.

    All are the same for :math:`a+by`, any :math:`b\ne0`: a collapse counts as well as a bubble, and
    `ExplosiveTest.episodes` says which it was.

    Parameters
    ----------
    y : levels: log prices, or a ratio such as price to dividend. Not returns.
    lag : p, the same in every window, in the draws and in the critical values; "bic" or "aic" chooses it once, over
        the whole sample.
    window : w, fewest **rows of the regression**; by default the integer part of (.01 + 1.8/√T)T. The R package exuber
        counts rows too; psymonitor counts observations, of which a row without lags uses two: its ``swindow0`` is
        w + 1 here.
    kind : "gsadf", "sadf" (windows from the first row: one bubble at most) or "adf" (the whole sample).
    pvalue : "wild": changes times random signs, in their order (Harvey, Leybourne, Sollis and Taylor 2016), whatever
        ``lag``; "sieve": the autoregression of the changes with ``lag`` lags, residuals times random signs (Phillips
        and Shi 2020), for changes that are autocorrelated; "simulated": a normal walk with drift 1/T.
    draws : B. multiplier : "rademacher" (signs) or "normal".
    resample : the residuals of the sieve are drawn with replacement, as published; it loses the order of volatility.
    max_lag : largest lag "bic" and "aic" look at; by default the integer part of 4(T/100)^(1/4).
    rng, n_jobs : seed, and threads. Draws of "simulated" are kept while the process lives.

    Returns
    -------
    ExplosiveTest

    Notes
    -----
    Size at 5 %, measured at T = 200 without lags (400 samples; 99 draws, 499 simulated):

    ========================  =====  =====  =================  =========
    steps                     wild   sieve  sieve, resampled*  simulated
    ========================  =====  =====  =================  =========
    iid normal                3.5 %  2.8 %  1.3 %              2.2 %
    iid t(5)                  4.3 %  4.3 %  2.2 %              4.3 %
    GARCH(.08, .90)           6.0 %  6.0 %  5.0 %              8.7 %
    GARCH(.12, .87), t(5)     5.0 %  6.0 %  10.7 %             15.8 %
    deviation doubles at T/2  4.8 %  5.8 %  11.0 %             16.3 %
    deviation triples at T/2  5.0 %  5.5 %  20.0 %             31.0 %
    AR(1) of .3               30 %   31 %   22 %               31 %
    ========================  =====  =====  =================  =========

    (* with normal multipliers, as published.) With one lag the last row is 6.8, 5.2 and 6.8 % for wild, sieve and
    simulated: autocorrelated changes need ``lag``, whatever the draws. A root of 1.01 for 30 of 200 dates, from 100
    with unit steps, is found in 78 % of samples by "wild" and in 93 % by "simulated"; lags cost power (57 % with one).
    Normal multipliers reject less than signs (0.7 % of iid normal walks).

    Do not use it on returns or correlations, nor to tell a bubble from a fundamental that explodes: it reads one
    series. Prices quoted so rarely that they stand still over a window have no regression there and are refused.

    Raises
    ------
    DataError : missing values, a series too short for the window, a window in which the regression is not defined, an
        explosive sieve.
    SpecError : an unknown option.

    Examples
    --------
    >>> import numpy as np, cryptoequity as ce
    >>> walk = np.random.default_rng(1).standard_normal(200).cumsum()
    >>> test = ce.gsadf_test(walk, draws=99)
    >>> bool(test.gsadf >= test.sadf >= test.adf)
    True
    """
    check_option("kind", kind, KINDS)
    check_option("pvalue", pvalue, PVALUES)
    check_option("multiplier", multiplier, MULTIPLIERS)
    if resample and pvalue != "sieve":
        raise SpecError(f"resample=True belongs to pvalue='sieve', not to {pvalue!r}.")
    series = read_levels(y)
    lags = read_lag(series.values, lag, max_lag)
    rows = read_window(series, window, lags)
    paths = explosive_paths(series, lags, rows)
    both = kind == "gsadf"
    if pvalue == "simulated":
        null = simulated_paths(series.nobs, lags, rows, draws, rng, n_jobs, both)
    else:
        changes = np.diff(series.values)
        wild = pvalue == "wild"
        world = wild_walk(changes, multiplier) if wild else sieve_walk(changes, lags, multiplier, resample)
        null = null_paths(world, lags, rows, draws, rng, n_jobs, both)
    options = {"lag": lags, "window": rows, "kind": kind, "pvalue": pvalue, "draws": draws}
    if pvalue != "simulated":
        options["multiplier"] = multiplier
    if pvalue == "sieve":
        options["resample"] = resample
    if isinstance(lag, str):
        options["lag chosen by"] = lag
    return _result(series, paths, null, kind, pvalue, options)


def _result(
    series: Series, paths: ExplosivePaths, null: NullPaths, kind: str, pvalue: str, options: Mapping[str, Any]
) -> ExplosiveTest:
    index = series.index[paths.lag + paths.window :]
    statistics = {"adf": paths.badf[-1], "sadf": paths.badf.max(), "gsadf": paths.bsadf.max()}
    drawn = null.statistics(kind)
    family = {level: float(np.nanquantile(drawn, 1.0 - level)) for level in LEVELS}
    tails = [1.0 - level for level in LEVELS]
    bands = np.nanquantile(null.path(kind), tails, axis=0)
    running = np.nanquantile(np.fmax.accumulate(null.badf, axis=1), tails, axis=0) if kind == "gsadf" else None
    badf = pd.Series(paths.badf, index, name="badf")
    bsadf = pd.Series(paths.bsadf, index, name="bsadf")
    path = {"gsadf": bsadf, "sadf": badf, "adf": None}[kind]
    how = {"wild": "wild bootstrap", "sieve": "sieve bootstrap", "simulated": "simulated normal walk"}[pvalue]
    return ExplosiveTest(
        name=_NAMES[kind],
        null="a unit root throughout; volatility may change." if pvalue != "simulated" else "a walk with iid steps.",
        statistic=float(statistics[kind]),
        pvalue=share_beyond(float(statistics[kind]), drawn),
        reference=f"{how}, {drawn.size} draws",
        detail={"lag": paths.lag, "window, rows": paths.window},
        alternative=_ALTERNATIVES[kind],
        critical_values=family,
        path=path,
        boundary=None if path is None else pd.Series(family[0.05], index, name="boundary"),
        nobs=series.nobs,
        options=dict(options),
        robustness=_ROBUSTNESS[pvalue],
        keys=_KEYS[pvalue] if kind == "gsadf" else ("phillipswuyu2011", *_KEYS[pvalue][1:]),
        adf=float(statistics["adf"]),
        sadf=float(statistics["sadf"]),
        gsadf=float(statistics["gsadf"]),
        badf=badf,
        bsadf=bsadf,
        starts=pd.Series(series.index[paths.starts], index, name="window start"),
        pointwise=pd.DataFrame(bands.T, index, list(LEVELS)),
        psy=pd.DataFrame() if running is None else pd.DataFrame(running.T, index, list(LEVELS)),
        levels=pd.Series(series.values, series.index, name=series.name),
        lag=paths.lag,
        window=paths.window,
    )
