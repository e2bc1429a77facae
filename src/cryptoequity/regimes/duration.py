r"""Regimes whose end depends on their age: Durland and McCurdy's (1994) model, and the test that it does not.

.. math:: \log\frac{\Pr(S_t=j\mid S_{t-1}=i,D_{t-1}=d)}{\Pr(S_t=i\mid S_{t-1}=i,D_{t-1}=d)}
          =\delta_{ij,0}+\delta_{ij,1}\min(d,D)

A Markov chain forgets how long a regime has lasted: its durations are geometric. Theory: the page "Driven regimes".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import FitMixin
from ..volatility import EGARCH, GARCH, Margins
from .chain import Chain
from .duration_chain import DurationChain, DurationLikelihood, climb_durations
from .fit import RegimeFit, draw_states
from .gaussian import GaussianEmission
from .rsdc import RSDCLikelihood
from .spec import RegimeSpec, check_columns, estimate_regimes
from .two_step import estimate_correlations, margins_of

__all__ = ["DurationDependence", "DurationFit"]

DENSITIES = ("covariance", "correlation")


class DurationCorrelations(DurationLikelihood, RSDCLikelihood):
    """Second step on residuals of margins, with durations."""


@dataclass(frozen=True, eq=False)
class DurationFit(RegimeFit):
    """A fitted `DurationDependence`; see `RegimeFit`. Probabilities are those of the regimes, ages summed out.

    Attributes
    ----------
    margins : the fitted margins, where the densities are those of their residuals.
    """

    margins: Margins | None = field(default=None, repr=False)

    @property
    def chain(self) -> DurationChain:
        """The hidden chain, on arrays."""
        chain = self.likelihood.chain
        assert isinstance(chain, DurationChain)
        return chain

    @property
    def _outer(self) -> Array:
        return self.likelihood.split(self.theta)[1]

    @property
    def loglik_obs(self) -> pd.Series:
        """Log-likelihood by date; joint with the margins where there are any."""
        plain = super().loglik_obs
        if self.margins is None:
            return plain
        jacobian = np.log(self.margins.volatility.to_numpy(float)).sum(axis=1)
        return pd.Series(plain.to_numpy() - jacobian, self.index, name="loglik")

    @property
    def ergodic_probabilities(self) -> pd.Series:
        """Long-run shares of the regimes."""
        law = self.chain.ergodic(self._outer)[0].reshape(self.k, -1).sum(axis=1)
        return pd.Series(law, self.regime_names, name="ergodic")

    def hazards(self, level: float = 0.95) -> pd.DataFrame:
        """Probability that a regime ends, by the days it has lasted: columns (regime, "hazard", "lower", "upper").

        Intervals are on the log odds of ending, by the delta method.
        """
        p = self.chain.by_day(self._outer)
        cov = self.estimate.cov[-self.chain.size :, -self.chain.size :]
        half = float(stats.norm.isf((1.0 - level) / 2.0))
        columns: dict[tuple[str, str], Array] = {}
        for i, name in enumerate(self.regime_names):
            leave = 1.0 - p[i, :, i]
            slope = np.zeros((self.chain.longest, self.chain.size))
            for n, (a, j) in enumerate(self.chain.pairs):
                if a == i:
                    # log odds of leaving: log of the sum of the odds of every exit
                    slope[:, 2 * n : 2 * n + 2] = (p[i, :, j] / leave)[:, None] * self.chain.days
            error = np.sqrt(np.einsum("ds,st,dt->d", slope, cov, slope))
            odds = np.log(leave / (1.0 - leave))
            columns[name, "hazard"] = leave
            columns[name, "lower"] = 1.0 / (1.0 + np.exp(-(odds - half * error)))
            columns[name, "upper"] = 1.0 / (1.0 + np.exp(-(odds + half * error)))
        return pd.DataFrame(columns, pd.RangeIndex(1, self.chain.longest + 1, name="day"))

    def ages(self, kind: str = "filtered") -> pd.DataFrame:
        """Expected days the regime of each date has lasted, counted up to the longest, (T, k); given the regime."""
        check_option("kind", kind, ("filtered", "predicted", "smoothed"))
        states = self.inference._states()  # type: ignore[attr-defined]
        p = states.smooth()[0] if kind == "smoothed" else getattr(states, kind)
        weight = p.reshape(len(p), self.k, -1)
        total = weight.sum(axis=2)
        mean = np.einsum("tkd,d->tk", weight, self.chain.days[:, 1]) / np.where(total > 0, total, np.nan)
        return pd.DataFrame(mean, self.index, self.regime_names)

    def expected_durations(self, level: float = 0.95) -> pd.DataFrame:
        r"""Expected days a regime lasts, :math:`\sum_d\Pr(\text{lasts at least }d)`, with an interval on their log."""
        cov = self.estimate.cov[-self.chain.size :, -self.chain.size :]
        half = float(stats.norm.isf((1.0 - level) / 2.0))
        rows = []
        for i in range(self.k):
            mean, slope = _mean_life(self.chain, self._outer, i)
            variance = float(slope @ cov @ slope)
            error = np.sqrt(variance) / mean if variance >= 0 else np.nan
            rows.append((mean, mean * np.exp(-half * error), mean * np.exp(half * error)))
        return pd.DataFrame(rows, self.regime_names, ["duration", "lower", "upper"])

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Wald intervals at level ``1 - alpha``; the transition parameters are log odds."""
        return FitMixin.conf_int(self, alpha)

    def _ahead(self, horizon: int, drivers: pd.DataFrame | pd.Series | None) -> Array:
        """Probabilities (H, k) of the regimes of the next dates."""
        if drivers is not None:
            raise SpecError("the odds of this model move with duration alone; there are no drivers.")
        if not isinstance(horizon, int) or isinstance(horizon, bool) or horizon < 1:
            raise SpecError(f"horizon={horizon!r}: a whole number of dates, at least 1.")
        p = self.chain.expanded(self._outer)
        now = self.inference._states().filtered[-1]  # type: ignore[attr-defined]
        out = np.empty((horizon, self.k))
        for h in range(horizon):
            now = now @ p
            out[h] = now.reshape(self.k, -1).sum(axis=1)
        return out

    def simulate(self, nobs: int | None = None, *, rng: int | np.random.Generator) -> tuple[pd.DataFrame, pd.Series]:
        """Draw data (nobs, N) and regimes (nobs,), numbered from 1."""
        count = len(self.index) if nobs is None else nobs
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise SpecError(f"nobs={nobs!r}: a whole number of dates, at least 1.")
        generator = np.random.default_rng(rng)
        states = draw_states(self.chain.expanded(self._outer)[None], self.chain.law(self._outer)[0], count, generator)
        regimes = states // self.chain.longest
        data = self.emission.simulate(self.likelihood.split(self.theta)[0], regimes, generator)
        index = self.index if count == len(self.index) else pd.RangeIndex(count)
        return pd.DataFrame(data, index, list(self.names)), pd.Series(regimes + 1, index, name="regime")


def _mean_life(chain: DurationChain, theta: Array, i: int) -> tuple[float, Array]:
    """Expected days in regime i and its derivative."""
    p = chain.by_day(theta)[i]
    stay = p[:, i]
    slope = np.zeros((chain.longest, chain.size))  # of log stay
    for n, (a, j) in enumerate(chain.pairs):
        if a == i:
            slope[:, 2 * n : 2 * n + 2] = -p[:, j][:, None] * chain.days
    alive = np.concatenate([[1.0], np.cumprod(stay[:-1])])  # lasts at least d days, d = 1, ..., D
    drift = np.concatenate([np.zeros((1, chain.size)), np.cumsum(slope[:-1], axis=0)])
    tail = 1.0 / (1.0 - stay[-1])
    weight = alive.copy()
    weight[-1] *= tail
    change = weight @ drift + alive[-1] * tail**2 * stay[-1] * slope[-1]
    return float(weight.sum()), change


@dataclass(frozen=True)
class DurationDependence(RegimeSpec):
    r"""Regimes whose chance of ending depends on how long they have lasted.

    Parameters
    ----------
    k : regimes. dist : "normal" or "t". longest : D, the day from which on the odds no longer change.
    densities : "covariance", means, volatilities and correlations of returns as in `MarkovCovariance`; "correlation",
        correlations of residuals of margins as in `RSDC`.
    mean, volatility, correlation : of "covariance", see `MarkovCovariance`.
    initial : "ergodic" (of regimes and their ages), "uniform" or probabilities of the regimes.
    order_by : "variance", "mean" or "correlation".

    Notes
    -----
    The filter runs over k D states and its cost grows with their number squared: D of 20 to 60 days is enough, since
    the odds of a regime that has lasted longer are seldom visible. A positive :math:`\delta_{ij,1}` ends long
    regimes, a negative one keeps them; in few and short regimes neither can be told (`duration_dependence_test`).

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> fit = ce.DurationDependence(longest=10).fit(returns, starts=4)
    >>> fit.hazards().shape
    (10, 6)
    """

    k: int = 2
    dist: str = "normal"
    longest: int = 20
    densities: str = "covariance"
    mean: str = "switching"
    volatility: str = "switching"
    correlation: str = "switching"
    initial: str | tuple[float, ...] = "ergodic"
    penalty: float = float("inf")
    driver_lag: int = 1
    order_by: str = "variance"
    references: ClassVar[tuple[str, ...]] = ("durlandmccurdy1994", "hamilton1989")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("densities", self.densities, DENSITIES)
        check_option("mean", self.mean, ("switching", "common", "zero"))
        check_option("volatility", self.volatility, ("switching", "common"))
        check_option("correlation", self.correlation, ("switching", "common"))
        if np.isfinite(self.penalty):
            raise SpecError("penalty= is for drivers, and this chain has none.")
        self._chain(10)

    def _chain(self, nobs: int) -> DurationChain:
        initial: str | Array = self.initial if isinstance(self.initial, str) else np.asarray(self.initial, float)
        return DurationChain(self.k, np.ones((nobs, 1)), initial=initial, longest=self.longest)

    def fit(
        self,
        data: Margins | pd.DataFrame | pd.Series,
        *,
        margins: GARCH | EGARCH | dict[str, GARCH | EGARCH] | None = None,
        starts: int = 20,
        rng: int | np.random.Generator = 0,
        cov_type: str = "robust",
        hac_lags: int | None = None,
        strict: bool = False,
    ) -> DurationFit:
        """Fit to percent returns, or, with ``densities="correlation"``, to margins or returns whose margins are fitted.

        Parameters
        ----------
        starts, rng : starts of the search without durations, and their seed; its optimum is where this one starts.
        cov_type : "robust", "hac", "classic"; for returns also "opg" and "none". Margins are counted as in `RSDC`.
        strict : raise `ConvergenceError` where the optimizer stops short.

        Raises
        ------
        DataError : data that cannot be used. ConvergenceError : every start is degenerate.
        """
        if self.densities == "correlation":
            data = margins_of(data, margins, cov_type, strict)
            return estimate_correlations(
                self,
                data,
                (self._chain(len(data.std_resid)), None),
                build=self._correlations,
                climb=climb_durations,
                result=DurationFit,
                starts=starts,
                rng=rng,
                cov_type=cov_type,
                hac_lags=hac_lags,
                strict=strict,
            )
        if margins is not None or isinstance(data, Margins):
            raise SpecError("densities='covariance' is of returns; use densities='correlation' for margins.")
        frame = check_columns(data, what="returns")
        names = tuple(map(str, frame.columns))
        emission = GaussianEmission(
            frame.to_numpy(float),
            names,
            self.k,
            mean=self.mean,
            scale=self.volatility,
            corr=self.correlation,
            student=self.dist == "t",
            order_by=self.order_by,
        )
        fit = estimate_regimes(
            self,
            emission,
            frame.index,
            names,
            drivers=None,
            starts=starts,
            rng=rng,
            cov_type=cov_type,
            hac_lags=hac_lags,
            strict=strict,
            result=DurationFit,
            made=(self._chain(len(frame)), None),
            build=DurationLikelihood,
            climb=climb_durations,
        )
        assert isinstance(fit, DurationFit)
        return fit

    def _correlations(self, z: Array, names: tuple[str, ...], chain: Chain) -> DurationCorrelations:
        student = self.dist == "t"
        emission = GaussianEmission(
            z, names, self.k, mean="zero", scale="unit", student=student, order_by="correlation"
        )
        return DurationCorrelations(emission, chain)
