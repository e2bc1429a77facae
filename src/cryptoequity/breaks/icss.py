"""Breaks in a variance: tests by cumulative sums of squares, and the iterated segmentation of Inclán and Tiao (ICSS).

Theory and measured sizes: the page "Breaks in a variance".
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ConvergenceWarning, DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.params import Array
from ..table import Table, format_number
from ..volatility import EGARCH, GARCH
from .limits import LEVELS
from .results import BreakTest, DatedMixin, label
from .sample import Series, read_series
from .variance_sums import CALIBRATIONS, Calibration, calibrate, check_bandwidth, peak, segment, variance_process

__all__ = ["ICSS", "ICSSFit", "variance_break_test"]

NAMES = {"it": "Inclán–Tiao test", "kappa1": "κ1 test", "kappa2": "κ2 test"}
KEYS = {"it": ("inclantiao1994",), "kappa1": ("sanso2004",), "kappa2": ("sanso2004",)}
# T = 1000, nominal 5 %, 200 samples: t(5); GARCH(.08, .90) normal; GARCH(.12, .87) t(5); power against a standard
# deviation that doubles at mid-sample, in independent t(5) returns and in GARCH ones with alpha + beta .88 and .98
ROBUST = {
    "garch": (
        "Measured size at 5 %, kappa1 and kappa2: 2.5-7.5 % at T = 1000, 2-6 % at 2500. But a GARCH fitted through a "
        "break takes it for persistence: a doubled standard deviation is found in 46-59 % of independent samples and "
        "6-16 % of GARCH ones at T = 1000, 58-75 % and 24-56 % at 2500. A large p-value says little where the "
        "persistence of the fitted null is near one."
    ),
    "garch-split": (
        "Measured size at 5 %, kappa1 and kappa2: 3.5 % with t(5) and 10.5-13 % under GARCH with persistence .98-.99 "
        "at T = 1000, 3-7 % at 2500: removing the best break removes some persistence too. Power against a doubled "
        "standard deviation 80-99 % and 95-100 %. More than one split rejects GARCH samples without a break far too "
        "often."
    ),
    "asymptotic": (
        "Measured size at 5 %, T = 1000: kappa1 and kappa2 3-3.5 % with independent t(5), 74-93 % under GARCH without "
        "a break; the Inclán-Tiao form 40 % and 92-100 %. Not for returns."
    ),
    "residuals": (
        "Measured size at 5 %, kappa1 and kappa2, T = 1000: .5-3.5 %. The fitted GARCH absorbs the break: power "
        "against a doubled standard deviation 1-9.5 %. It tests the GARCH, not the unconditional variance."
    ),
}
NULL = GARCH(dist="t")


def variance_break_test(
    returns: Any,
    *,
    test: str = "kappa2",
    bandwidth: int | str | None = None,
    pvalue: str = "garch",
    null: GARCH | EGARCH = NULL,
    min_size: int = 20,
    center: bool = True,
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> BreakTest:
    r"""Test of a constant unconditional variance against one break, by cumulative sums of squares.

    .. math:: \max_k|D_k|,\qquad D_k=\frac{C_k-\frac kTC_T}{\sqrt{T\hat\eta}},\qquad C_k=\sum_{t\le k}e_t^2

    "it" (Inclán and Tiao 1994) has :math:`\hat\eta=2\hat\sigma^4`, right for independent normal observations, "kappa1"
    the variance of :math:`e_t^2`, right for independent ones, and "kappa2" their long-run variance (Sansó, Aragó and
    Carrion 2004).

    Parameters
    ----------
    returns : series (T,). center : subtract the mean.
    test : "it", "kappa1" or "kappa2". bandwidth : lags of "kappa2", "andrews", or None for 4(T/100)^(2/9).
    pvalue : "garch", samples of a GARCH fitted to the whole series with its own residuals resampled; "garch-split", the
        same fitted after the variances on both sides of the date have been made equal; "asymptotic", Kolmogorov's law;
        "residuals", the statistic of the GARCH's standardized residuals, with Kolmogorov's law.
    null : the GARCH of the null, with a constant or zero mean.
    min_size : observations that must lie on either side of a date.
    draws, rng, n_jobs : samples, seed and workers of "garch".

    Returns
    -------
    BreakTest : ``detail`` has the persistence of the fitted null; ``detail["variance before"]`` and ``"after"`` are
        those of the returns on either side of the date.

    Raises
    ------
    DataError : a series that is unusable or shorter than twice ``min_size``.

    Notes
    -----
    Measured at 5 %, T = 1000, "kappa1" and "kappa2": Kolmogorov's law rejects 74-93 % of GARCH samples without a break,
    "garch" 3-7.5 %, "garch-split" 10.5-13 %. A doubled standard deviation at mid-sample of GARCH returns is found by
    "garch" in 6-16 % of samples, for a GARCH fitted through a break takes it for persistence, by "garch-split" in
    80-96 %, by "residuals" in 1.5-9.5 %. At T = 2500 "garch-split" rejects 3-7 % without a break and finds 95-100 %.

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> returns = np.random.default_rng(1).standard_normal(600)
    >>> returns[400:] *= 3
    >>> test = ce.variance_break_test(returns, pvalue="garch-split", draws=99)
    >>> test.pvalue, bool(abs(test.position - 400) < 10)
    (0.01, True)
    """
    series, e = _read(returns, test, bandwidth, min_size, center)
    law = calibrate(
        series.values,
        pvalue,
        test,
        bandwidth,
        min_size,
        null=null,
        center=center,
        draws=draws,
        rng=rng,
        n_jobs=n_jobs,
        segments=False,
    )
    _warn(law, series.name)
    used = e if law.kind != "residuals" or law.null is None else law.null.residuals
    at, statistic = peak(used, test, bandwidth, min_size)
    height = np.abs(variance_process(used, test, bandwidth))[min_size - 1 : used.size - min_size]
    labels = series.index[min_size : series.nobs - min_size + 1]
    critical = {level: law.critical(series.nobs, level) for level in LEVELS if _reached(law, level)}
    bound = law.critical(series.nobs, 0.05)
    detail: dict[str, Any] = {
        "variance before": float(np.mean(e[:at] ** 2)),
        "variance after": float(np.mean(e[at:] ** 2)),
    }
    if law.null is not None:
        detail["persistence of the fitted null"] = law.null.persistence
    if law.draws.size:
        detail["draws that failed"] = law.failed
    return BreakTest(
        name=f"{NAMES[test]} of a constant variance" + (", of GARCH residuals" if law.kind == "residuals" else ""),
        null="the unconditional variance is constant.",
        statistic=statistic,
        pvalue=law.pvalue(statistic, series.nobs),
        reference=law.words,
        detail=detail,
        alternative="it changes once.",
        critical_values=critical,
        path=pd.Series(height, labels, name="statistic"),
        boundary=pd.Series(np.full(height.size, bound), labels, name="boundary"),
        position=at,
        break_date=series.index[at],
        last_date=series.index[at - 1],
        nobs=series.nobs,
        options={"test": test, "bandwidth": bandwidth, "pvalue": pvalue, "null": null.name, "min_size": min_size},
        robustness=ROBUST[law.kind],
        keys=KEYS[test] + (("kulpergeryu2005",) if law.kind == "residuals" else ()),
    )


@dataclass(frozen=True)
class ICSS:
    """Breaks in a variance by iterated cumulative sums of squares (Inclán and Tiao 1994).

    A test of the whole sample is followed by tests before and after the date it points to, until none rejects; every
    date is then tested again between its neighbors, until none moves by more than two observations.

    Parameters
    ----------
    test, bandwidth : the statistic, as in `variance_break_test`.
    alpha : level of each test, and thus of the whole procedure where nothing breaks.
    calibration : "garch" (critical values from samples of a fitted GARCH, for the length of each segment),
        "garch-split" (the GARCH fitted after the largest break has been removed), "asymptotic" (Kolmogorov) or
        "residuals" (Kolmogorov, for the GARCH's standardized residuals). What each does is measured in
        `variance_break_test`.
    splits : breaks that "garch-split" removes first. With one, a rise that is followed by a fall remains in part and
        may be taken for persistence; with more, persistence is taken for breaks: measured size at T = 1000 under
        GARCH(.08, .90) 10.5 % with one, 22 % with two. A doubled standard deviation over the middle fifth is noticed by
        the first test in 0-.5 % of samples with "garch", .5-2.5 % with one split, 20-89 % with two.
    null : the GARCH of the null. min_size : fewest observations of a regime. center : subtract the mean.
    draws, rng, n_jobs : samples, seed and workers of "garch".

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> returns = np.random.default_rng(3).standard_normal(900)
    >>> returns[400:600] *= 2.5
    >>> fit = ce.ICSS(calibration="asymptotic").fit(returns)
    >>> len(fit.positions), bool(abs(fit.positions[0] - 400) < 10)
    (2, True)
    """

    test: str = "kappa2"
    bandwidth: int | str | None = None
    alpha: float = 0.05
    calibration: str = "garch"
    null: GARCH | EGARCH = NULL
    min_size: int = 20
    center: bool = True
    draws: int = 499
    rng: int | np.random.Generator = 0
    n_jobs: int | None = None
    splits: int = 1

    def __post_init__(self) -> None:
        check_bandwidth(self.test, self.bandwidth)
        check_option("calibration", self.calibration, CALIBRATIONS)
        if not isinstance(self.splits, int) or isinstance(self.splits, bool) or self.splits < 1:
            raise SpecError(f"splits={self.splits!r}: a whole number of at least 1.")
        if self.splits > 1 and self.calibration != "garch-split":
            raise SpecError(f"splits={self.splits} is for calibration='garch-split'.")
        if not 0.0 < self.alpha <= 0.5:
            raise SpecError(f"alpha={self.alpha!r}: a probability up to .5.")
        if self.calibration.startswith("garch") and self.alpha * (self.draws + 1) < 1.0:
            raise SpecError(f"draws={self.draws}: a level of {self.alpha} needs {int(1 / self.alpha)} at least.")

    def fit(self, returns: Any) -> ICSSFit:
        """Segment ``returns`` (T,).

        Raises
        ------
        DataError : a series that is unusable or shorter than twice ``min_size``.
        """
        series, e = _read(returns, self.test, self.bandwidth, self.min_size, self.center)
        law = calibrate(
            series.values,
            self.calibration,
            self.test,
            self.bandwidth,
            self.min_size,
            null=self.null,
            center=self.center,
            draws=self.draws,
            rng=self.rng,
            n_jobs=self.n_jobs,
            segments=True,
            splits=self.splits,
        )
        _warn(law, series.name)
        used = e if law.kind != "residuals" or law.null is None else law.null.residuals

        def statistic(first: int, end: int) -> tuple[int, float, float]:
            at, value = peak(used[first:end], self.test, self.bandwidth, self.min_size)
            return first + at, value, law.critical(end - first, self.alpha)

        positions, passes, converged = segment(statistic, series.nobs, self.min_size)
        edges = [0, *positions, series.nobs]
        rows = []
        for j, position in enumerate(positions):
            first, end = edges[j], edges[j + 2]
            _, value, critical = statistic(first, end)
            p = law.pvalue(value, end - first)
            rows.append((series.index[position], value, critical, p, end - first))
        columns = ["break_date", "statistic", "critical", "pvalue", "nobs"]
        return ICSSFit(
            spec=self,
            returns=pd.Series(series.values, series.index, name=series.name),
            positions=tuple(positions),
            index=series.index,
            tests=pd.DataFrame(rows, columns=columns, index=pd.RangeIndex(1, len(rows) + 1, name="break")),
            calibration=law,
            signed_path=pd.Series(
                variance_process(used, self.test, self.bandwidth), series.index[1:], name="statistic"
            ),
            squares=e * e,
            passes=passes,
            converged=converged,
        )


@dataclass(frozen=True, eq=False)
class ICSSFit(DatedMixin):
    """Regimes of a variance.

    Attributes
    ----------
    spec : the choices. returns : the series. positions, index : see `DatedMixin`.
    tests : by break, the test between its neighbors: statistic, critical value, p-value, observations. These p-values
        are of tests made after the dates had been chosen.
    calibration : the law used, with the fitted null. signed_path : D_k of the whole sample, by the label of row k.
    squares : (T,) squared centered returns. passes : rounds of the last step; converged : whether it came to rest.
    """

    spec: ICSS
    returns: pd.Series = field(repr=False)
    positions: tuple[int, ...]
    index: pd.Index = field(repr=False)
    tests: pd.DataFrame = field(repr=False)
    calibration: Calibration = field(repr=False)
    signed_path: pd.Series = field(repr=False)
    squares: Array = field(repr=False)
    passes: int
    converged: bool

    @property
    def path(self) -> pd.Series:
        """Absolute values of D_k of the whole sample, by the label of the first observation of the new regime."""
        return self.signed_path.abs()

    @property
    def boundary(self) -> pd.Series:
        """Critical value of the whole sample, along `path`."""
        bound = self.calibration.critical(self.returns.size, self.spec.alpha)
        return pd.Series(bound, self.path.index, name="boundary")

    @property
    def pvalue(self) -> float:
        """Of the test of the whole sample, which comes first."""
        inner = self.path.to_numpy()[self.spec.min_size - 1 : self.returns.size - self.spec.min_size]
        return self.calibration.pvalue(float(inner.max()), self.returns.size)

    @property
    def variances(self) -> pd.DataFrame:
        """First and last label, observations, variance and standard deviation of each regime."""
        frame = self.spans
        frame["variance"] = [float(np.mean(self.squares[first:end])) for first, end in self.bounds]
        frame["sd"] = np.sqrt(frame["variance"])
        return frame

    @property
    def volatility(self) -> pd.Series:
        """Standard deviation of its regime at each date."""
        sd = self.variances["sd"].to_numpy()
        return pd.Series(sd[self.labels.to_numpy() - 1], self.index, name="volatility")

    def to_frame(self) -> pd.DataFrame:
        """Regimes with their variances."""
        return self.variances

    def summary(self) -> Table:
        """Return the regimes as a table."""
        rows = [
            (str(number), label(row["first"]), label(row["last"]), str(row["nobs"]), format_number(float(row["sd"])))
            for number, row in self.variances.iterrows()
        ]
        notes = [
            f"H0: the unconditional variance is constant; p-value of the whole sample {format_number(self.pvalue)}.",
            f"{NAMES[self.spec.test]} at {self.spec.alpha:g}; law: {self.calibration.words}.",
        ]
        if self.calibration.null is not None:
            notes.append(f"persistence of the fitted null {format_number(self.calibration.null.persistence)}")
        if not self.converged:
            notes.append(f"NOT CONVERGED: the dates still moved after {self.passes} rounds.")
        notes.append(ROBUST[self.calibration.kind])
        head = ("regime", "first", "last", "observations", "sd")
        return Table("Breaks in the variance (ICSS)", head, tuple(rows), tuple(note for note in notes if note))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; paths are left out."""
        return {
            "test": self.spec.test,
            "calibration": self.spec.calibration,
            "alpha": self.spec.alpha,
            "positions": list(self.positions),
            "break_dates": [label(when) for when in self.break_dates],
            "last_dates": [label(when) for when in self.last_dates],
            "variances": [float(value) for value in self.variances["variance"]],
            "statistics": [float(value) for value in self.tests["statistic"]],
            "pvalues": [float(value) for value in self.tests["pvalue"]],
            "pvalue": self.pvalue,
            "converged": self.converged,
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        more = ("kulpergeryu2005",) if self.calibration.kind == "residuals" else ()
        return citation("inclantiao1994", *KEYS[self.spec.test], *more)


def _read(returns: Any, test: str, bandwidth: int | str | None, min_size: int, center: bool) -> tuple[Series, Array]:
    check_bandwidth(test, bandwidth)
    if not isinstance(min_size, int | np.integer) or isinstance(min_size, bool) or min_size < 2:
        raise SpecError(f"min_size={min_size!r}: a whole number of observations, at least 2.")
    series = read_series(returns, "returns")
    if series.nobs < 2 * min_size:
        raise DataError(
            f"{series.name!r}: {series.nobs} rows do not hold two regimes of {min_size}; use a smaller min_size."
        )
    return series, series.values - series.values.mean() if center else series.values


def _reached(law: Calibration, level: float) -> bool:
    return not law.draws.size or level * (law.draws.shape[0] - law.failed + 1) >= 1.0


def _warn(law: Calibration, name: str) -> None:
    if law.null is not None and not law.null.optimum.converged:
        warnings.warn(
            f"{name}: the GARCH of the null did not converge ({law.null.optimum.reason}).",
            ConvergenceWarning,
            stacklevel=3,
        )
