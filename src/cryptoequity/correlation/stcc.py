r"""Smooth-transition conditional correlation: STCC, DSTCC and the time-driven model of Berben and Jansen.

.. math::

    R_t=(1-G_t)R_1+G_tR_2,\qquad G_t=\frac1{1+\exp\{-\gamma(s_t-c)/\hat\sigma_s\}},\quad\gamma>0,

so that :math:`R_1` is where the driver is low and :math:`R_2` where it is high. Regimes, :math:`\gamma` and :math:`c`
are estimated together by maximum likelihood after the margins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import SpecError, check_option
from ..estimation.params import Array
from ..volatility import Margins
from .fit import CorrelationFit
from .spec import CorrelationSpec
from .transition import REGIMES, TransitionLikelihood

__all__ = ["DSTCC", "STCC", "BerbenJansen", "TransitionFit"]


@dataclass(frozen=True, eq=False)
class TransitionFit(CorrelationFit):
    """A fitted smooth-transition correlation: a `CorrelationFit` that knows its transitions and regimes.

    Attributes are those of `CorrelationFit`.
    """

    @property
    def _lik(self) -> TransitionLikelihood:
        assert isinstance(self.likelihood, TransitionLikelihood)  # what the specifications of this module build
        return self.likelihood

    @property
    def drivers(self) -> tuple[str, ...]:
        """Names of what drives the transitions: the driver's columns, and "time"."""
        columns = () if self.driver is None else tuple(str(name) for name in self.driver.columns)
        return (*columns, "time") if self._lik.timed else columns

    @property
    def states(self) -> pd.DataFrame:
        """Values of the drivers by date, (T, M); time is t / T."""
        return pd.DataFrame(self._lik.states, self.std_resid.index, list(self.drivers))

    @property
    def transition(self) -> pd.Series | pd.DataFrame:
        """G_t by date: 0 in the low regime, 1 in the high one; (T,), or (T, 2) with two transitions."""
        values = self._lik.weigh(self.theta)[0]
        frame = pd.DataFrame(values, self.std_resid.index, list(self.drivers))
        return frame.iloc[:, 0].rename(f"G({self.drivers[0]})") if self._lik.count == 1 else frame

    @property
    def regime_weights(self) -> pd.DataFrame:
        """Weights of the regimes by date, (T, 2 or 4); rows sum to one."""
        return pd.DataFrame(self._lik.weigh(self.theta)[1], self.std_resid.index, list(REGIMES[self._lik.count]))

    @property
    def regime_correlations(self) -> pd.DataFrame:
        """Correlation of every pair (rows i, j) in every regime (columns r1, r2 or r11, r12, r21, r22)."""
        flat = self._lik.split(self.theta)[0]
        return pd.DataFrame(flat.T, self._pairs(), list(REGIMES[self._lik.count]))

    def _pairs(self) -> pd.MultiIndex:
        rows, cols = self._lik.pairs
        pairs = [(self.names[i], self.names[j]) for i, j in zip(rows, cols, strict=True)]
        return pd.MultiIndex.from_tuples(pairs, names=["i", "j"])

    @property
    def center(self) -> pd.Series:
        """Where each transition is halfway, in units of its driver; time is t / T. See `center_date`."""
        return pd.Series(self._lik.split(self.theta)[2], list(self.drivers), name="center")

    @property
    def center_date(self) -> Any:
        """Date at which the transition in time is halfway: the first on which G is at least one half."""
        if not self._lik.timed:
            raise SpecError(f"{self.spec.name} is not driven by time; see center.")
        index, frame = self.std_resid.index, self._lik.frame
        row = int(np.ceil(self.center["time"] * frame.length - 1e-9)) - 1 - frame.first
        if not 0 <= row < len(index):
            raise SpecError("the transition in time is halfway outside these dates.")
        return index[row]

    def driver_effect(self, alpha: float = 0.05) -> pd.DataFrame:
        r"""Difference between regimes, :math:`R_2-R_1`, for every pair, with delta-method errors.

        Rows (effect, i, j); with two transitions, each driver's effect where the other is low and where it is high.
        Columns estimate, std_err, lower, upper. It is the whole way from one limit to the other; `curve` gives the
        correlation at values the driver has taken.

        There is no p-value of zero here: with equal regimes :math:`\gamma` and :math:`c` are not identified and the
        t-ratio is not normal. `driver_effect_test` asks that question.
        """
        effects = ((0, 1),) if self._lik.count == 1 else ((0, 2), (1, 3), (0, 1), (2, 3))
        names, size = REGIMES[self._lik.count], self._lik.pair_count
        own = len(self.estimate.names) - self.theta.size
        cov = self.estimate.cov[own:, own:]
        rows, keys = [], []
        for low, high in effects:
            for p, pair in enumerate(self._pairs()):
                a, b = low * size + p, high * size + p
                gap = self.theta[b] - self.theta[a]
                error = (
                    float(np.sqrt(max(cov[a, a] + cov[b, b] - 2.0 * cov[a, b], 0.0))) if _known(cov, a, b) else np.nan
                )
                half = float(stats.norm.isf(alpha / 2)) * error
                rows.append((gap, error, gap - half, gap + half))
                keys.append((f"{names[high]} - {names[low]}", *pair))
        index = pd.MultiIndex.from_tuples(keys, names=["effect", "i", "j"])
        return pd.DataFrame(rows, index, ["estimate", "std_err", "lower", "upper"])

    def curve(
        self,
        i: str,
        j: str,
        values: Sequence[float] | Array | None = None,
        *,
        other: float | None = None,
        driver: str | None = None,
        alpha: float = 0.05,
    ) -> pd.DataFrame:
        """Correlation of a pair as a function of a driver, with pointwise delta-method errors.

        Parameters
        ----------
        i, j : columns. values : of the driver; 101 between its extremes in the sample by default.
        driver : which one moves, the first by default. other : where the second one stands, its median by default.
        alpha : of the interval.

        Returns
        -------
        DataFrame indexed by the driver's value: estimate, std_err, lower, upper. A transition on a bound or not
        identified counts as known; where a regime without a standard error has more than 1 % of the weight, the
        curve has none either.
        """
        lik = self._lik
        driver = self.drivers[0] if driver is None else driver
        if driver not in self.drivers:
            raise SpecError(f"no driver {driver!r} in this fit; there are {', '.join(self.drivers)}.")
        at = self.drivers.index(driver)
        if other is not None and lik.count == 1:
            raise SpecError("other= is for two transitions; there is one.")
        known = lik.states[:, at]
        grid = np.linspace(known.min(), known.max(), 101) if values is None else np.asarray(values, float)
        states = np.empty((grid.size, lik.count))
        states[:, at] = grid
        if lik.count == 2:
            states[:, 1 - at] = float(np.median(lik.states[:, 1 - at])) if other is None else other
        rows, cols = [self._position(i)], [self._position(j)]
        estimate = lik.path_at(self.theta, states, rows, cols)[:, 0]
        own = len(self.estimate.names) - self.theta.size
        cov = self.estimate.cov[own:, own:]
        slope = np.zeros((grid.size, self.theta.size))
        unknown = ~np.isfinite(np.diag(cov))
        for k in range(self.theta.size):
            if unknown[k] and k >= lik.head:
                continue  # an abrupt switch, or regimes that do not differ: taken as known
            step = 1e-5 * max(1e-3, abs(float(self.theta[k])))
            ends = []
            for sign in (1.0, -1.0):
                theta = self.theta.copy()
                theta[k] += sign * step
                ends.append(lik.path_at(theta, states, rows, cols)[:, 0])
            slope[:, k] = (ends[0] - ends[1]) / (2.0 * step)
        variance = np.einsum("hk,kl,hl->h", slope, np.where(np.isfinite(cov), cov, 0.0), slope)
        error = np.sqrt(np.maximum(variance, 0.0))
        error[np.abs(slope[:, unknown]).max(axis=1, initial=0.0) > 0.01] = np.nan
        half = stats.norm.isf(alpha / 2) * error
        frame = {"estimate": estimate, "std_err": error, "lower": estimate - half, "upper": estimate + half}
        return pd.DataFrame(frame, pd.Index(grid, name=driver))


def _known(cov: Array, *places: int) -> bool:
    return bool(np.isfinite(cov[np.ix_(places, places)]).all())


@dataclass(frozen=True)
class STCC(CorrelationSpec):
    r"""Smooth-transition conditional correlation (Silvennoinen & Teräsvirta 2015).

    :math:`R_t=(1-G_t)R_1+G_tR_2` with :math:`G_t` logistic in one ``driver``; :math:`\gamma\in[0.1,500]` per standard
    deviation of the driver, :math:`c` between its 10 % and 90 % quantiles.

    Parameters
    ----------
    dist : "normal" or "t" errors of the standardized residuals.

    Examples
    --------
    >>> import warnings, numpy as np, pandas as pd, cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> trend = pd.Series(np.linspace(0.0, 1.0, len(returns)), returns.index, name="adoption")
    >>> with warnings.catch_warnings():  # the sample's step is abrupt; the fit says so
    ...     warnings.simplefilter("ignore")
    ...     fit = ce.STCC(dist="t").fit(returns, margins=ce.GARCH(dist="t"), driver=trend)
    >>> list(fit.regime_correlations.columns)
    ['r1', 'r2']
    >>> bool(fit.driver_effect()["estimate"].iloc[0] > 0.2)
    True
    """

    dist: str = "normal"
    drivers: ClassVar[tuple[int, int]] = (1, 1)
    references: ClassVar[tuple[str, ...]] = ("silvennoinenterasvirta2015",)
    result: ClassVar[type[CorrelationFit]] = TransitionFit

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> TransitionLikelihood:
        """Build the likelihood on ``z`` (T, N)."""
        del margins
        _no_target(self.name, target)
        return TransitionLikelihood(z, dist=self.dist, prefix="stcc", names=names, driver=driver)


@dataclass(frozen=True)
class DSTCC(CorrelationSpec):
    r"""Double smooth-transition conditional correlation (Silvennoinen & Teräsvirta 2009).

    :math:`R_t=(1-G_{1t})\{(1-G_{2t})R_{11}+G_{2t}R_{12}\}+G_{1t}\{(1-G_{2t})R_{21}+G_{2t}R_{22}\}`.

    Parameters
    ----------
    dist : "normal" or "t" errors of the standardized residuals.
    second : "driver" (two driver columns) or "time" (one driver column, and t / T drives the second transition).

    Examples
    --------
    >>> import warnings, numpy as np, pandas as pd, cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> wave = pd.Series(np.sin(np.arange(len(returns)) / 40.0), returns.index, name="wave")
    >>> with warnings.catch_warnings():  # the sample's step is abrupt; the fit says so
    ...     warnings.simplefilter("ignore")
    ...     fit = ce.DSTCC(second="time").fit(returns, driver=wave)
    >>> fit.drivers
    ('wave', 'time')
    """

    dist: str = "normal"
    second: str = "driver"
    drivers: ClassVar[tuple[int, int]] = (1, 2)
    references: ClassVar[tuple[str, ...]] = ("silvennoinenterasvirta2009", "silvennoinenterasvirta2015")
    result: ClassVar[type[CorrelationFit]] = TransitionFit

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("second", self.second, ("driver", "time"))

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> TransitionLikelihood:
        """Build the likelihood on ``z`` (T, N)."""
        del margins
        _no_target(self.name, target)
        timed = self.second == "time"
        count = 0 if driver is None else driver.shape[1]
        if count != (1 if timed else 2):
            cure = "one column; time is the second" if timed else "two columns, or one and second='time'"
            raise SpecError(f"{self.name} with second={self.second!r} has {count} driver column(s); pass {cure}.")
        return TransitionLikelihood(z, dist=self.dist, prefix="dstcc", names=names, driver=driver, time=timed)


@dataclass(frozen=True)
class BerbenJansen(CorrelationSpec):
    r"""Correlation that moves smoothly with time (Berben & Jansen 2005): STCC with :math:`s_t=t/T`.

    Their speed is :math:`\gamma/\hat\sigma_s` here, about :math:`3.46\gamma`, for they do not divide by the
    standard deviation of :math:`t/T`.

    Parameters
    ----------
    dist : "normal" or "t" errors of the standardized residuals.

    Examples
    --------
    >>> import warnings, cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> with warnings.catch_warnings():  # the sample's step is abrupt; the fit says so
    ...     warnings.simplefilter("ignore")
    ...     fit = ce.BerbenJansen(dist="t").fit(returns, margins=ce.GARCH(dist="t"))
    >>> fit.center_date.year
    2020
    """

    dist: str = "normal"
    references: ClassVar[tuple[str, ...]] = ("berbenjansen2005",)
    result: ClassVar[type[CorrelationFit]] = TransitionFit

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> TransitionLikelihood:
        """Build the likelihood on ``z`` (T, N)."""
        del margins, driver
        _no_target(self.name, target)
        return TransitionLikelihood(z, dist=self.dist, prefix="bj", names=names, time=True)


def _no_target(name: str, target: Array | None) -> None:
    if target is not None:
        raise SpecError(f"{name} estimates its correlation matrices and has no target; leave target= out.")
