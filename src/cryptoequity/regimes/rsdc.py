r"""Regime switching dynamic correlation: correlations that jump between levels, on residuals of GARCH margins.

.. math:: r_t=\mu_t+D_tz_t,\qquad z_t\mid S_t=j\sim(0,R_j),\qquad \Pr(S_t=j\mid S_{t-1}=i)=p_{ij,t}

Volatility has been taken out by the margins, so a regime of high correlation is not one of high volatility in disguise.
The standard errors count the margins: their scores and those of the correlation step are stacked (Newey & McFadden
1994).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd

from ..correlation.named_covariance import named_covariance
from ..errors import BoundaryWarning, ConvergenceError, ConvergenceWarning, DataError, SpecError, check_option
from ..estimation.optimize import Optimum
from ..estimation.params import Array
from ..estimation.results import Estimate
from ..volatility import EGARCH, GARCH, Margins, fit_margins
from ..volatility.margins import residual_arrays
from .fit import RegimeFit
from .gaussian import GaussianEmission
from .likelihood import RegimeLikelihood, climb_regimes
from .spec import RegimeSpec, check_columns, make_chain, reorder

__all__ = ["RSDC", "RSDCFit", "RSDCLikelihood"]


class RSDCLikelihood(RegimeLikelihood):
    """Second step of `RSDC`: what the stacking of the two steps reads besides."""

    nuisance: Array = np.empty(0)

    @property
    def n(self) -> int:
        """Columns."""
        emission = self.emission
        assert isinstance(emission, GaussianEmission)
        return int(emission.n)

    def nuisance_names(self) -> tuple[str, ...]:
        """No target is estimated beside the parameters."""
        return ()

    def loose(self, optimum: Optimum) -> tuple[bool, ...]:
        """Coordinates without a standard error: those on a bound."""
        return optimum.pinned

    def margin_noise(self, theta: Array) -> None:
        """Margins are parametric: their noise is in their scores."""

    def by_margins(self, theta: Array, dzs: Sequence[Array]) -> tuple[list[Array], Array]:
        """Derivative of the total log-likelihood by the parameters of each margin, through the residuals.

        By Fisher's identity it is the smoothed mean of the derivatives of the log-densities by z_t.
        """
        emission = self.emission
        assert isinstance(emission, GaussianEmission)
        inner, _ = self.split(theta)
        smoothed, _ = self.infer(theta).smooth()
        slopes = np.einsum("tk,tkn->tn", smoothed, emission.data_slopes(inner))
        return [slopes[:, i] @ dz for i, dz in enumerate(dzs)], np.empty(0)


@dataclass(frozen=True, eq=False)
class RSDCFit(RegimeFit):
    """A fitted `RSDC`; see `RegimeFit`. Parameters are those of the margins, the correlations and the chain.

    Attributes
    ----------
    margins : the fitted margins.
    """

    margins: Margins | None = field(default=None, repr=False)

    @property
    def loglik_obs(self) -> pd.Series:
        """Joint log-likelihood by date."""
        assert self.margins is not None
        jacobian = np.log(self.margins.volatility.to_numpy(float)).sum(axis=1)
        return pd.Series(self.inference.loglik - jacobian, self.index, name="loglik")

    @property
    def std_resid(self) -> pd.DataFrame:
        """Standardized residuals z, (T, N)."""
        assert self.margins is not None
        return self.margins.std_resid

    def correlation(self, i: str, j: str, kind: str = "predicted") -> pd.Series:
        """Correlation of two columns by date, (T,); see `conditional_correlation`."""
        return self.conditional_correlation(i, j, kind)

    def correlations(self) -> pd.DataFrame:
        """Correlation of every pair in each regime, (pairs, k)."""
        _, cov = self.emission.moments(self.likelihood.split(self.theta)[0])
        rows, cols = np.triu_indices(len(self.names), 1)
        pairs = pd.MultiIndex.from_tuples([(self.names[i], self.names[j]) for i, j in zip(rows, cols, strict=True)])
        return pd.DataFrame(cov[:, rows, cols].T, pairs, self.regime_names)


@dataclass(frozen=True)
class RSDC(RegimeSpec):
    r"""Regime switching dynamic correlation (Pelletier 2006), with transition odds that drivers may move.

    Parameters
    ----------
    k : regimes, numbered by their mean correlation.
    dist : "t" with one number of degrees of freedom, or "normal". Under normal densities the fat tails of the residuals
        make regimes of a few days; levels that last are then lost.
    initial : law of the first state: "ergodic", "estimated", "uniform" or probabilities.
    penalty : standard deviation of a normal penalty on the drivers' effects, per standard deviation of the driver; it
        keeps them finite where a driver separates the transitions (few events).
    driver_lag : at least 1: yesterday's driver acts on the transition into today.

    Notes
    -----
    With two columns the M-step of a correlation is the root of a cubic; the weighted correlation that is often used
    instead is not the maximum.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> fit = ce.RSDC(k=2).fit(returns)
    >>> fit.correlations().shape
    (1, 2)
    """

    k: int = 2
    dist: str = "t"
    initial: str | tuple[float, ...] = "ergodic"
    penalty: float = float("inf")
    driver_lag: int = 1
    order_by: str = "correlation"
    orders: ClassVar[tuple[str, ...]] = ("correlation",)
    references: ClassVar[tuple[str, ...]] = ("pelletier2006", "hamilton1989", "neweymcfadden1994")

    def likelihood(self, z: Array, names: tuple[str, ...], index: pd.Index, drivers: object = None) -> RSDCLikelihood:
        """Build the second step on residuals ``z`` (T, N)."""
        emission = GaussianEmission(
            z, names, self.k, mean="zero", scale="unit", student=self.dist == "t", order_by="correlation"
        )
        chain, _ = make_chain(self, index, drivers)  # type: ignore[arg-type]
        return RSDCLikelihood(emission, chain)

    def fit(
        self,
        data: Margins | pd.DataFrame,
        *,
        margins: GARCH | EGARCH | dict[str, GARCH | EGARCH] | None = None,
        drivers: pd.DataFrame | pd.Series | None = None,
        starts: int = 20,
        rng: int | np.random.Generator = 0,
        cov_type: str = "robust",
        hac_lags: int | None = None,
        strict: bool = False,
    ) -> RSDCFit:
        """Fit to margins, or to percent returns whose margins are fitted first.

        Parameters
        ----------
        margins : margin specification(s) when ``data`` are returns; ``GARCH()`` by default.
        drivers : what moves the odds of the transitions, by date; lagged by ``driver_lag``.
        starts, rng : starts of the search and their seed.
        cov_type : "robust", "hac" or "classic"; the first two count the estimation of the margins.

        Raises
        ------
        DataError : fewer than two columns, or data that cannot be used.
        """
        check_option("cov_type", cov_type, ("robust", "hac", "classic"))
        if not isinstance(data, Margins):
            frame = check_columns(data, what="returns", min_obs=250)
            data = fit_margins(frame, margins, cov_type=cov_type, strict=strict)
        elif margins is not None:
            raise SpecError("margins= is for returns; the data passed are fitted margins already.")
        if len(data.names) < 2:
            raise DataError(f"a correlation needs two columns; there is only {data.names[0]!r}.")
        z, volatility = residual_arrays(data)
        index = data.std_resid.index
        lik = self.likelihood(z, data.names, index, drivers)
        optimum, tried = climb_regimes(lik, starts, rng)
        optimum = reorder(lik, optimum)
        lik.settle(optimum.theta)
        # the stack reads a model by what it needs of it, which this likelihood offers
        names, theta, cov = named_covariance(
            lik,  # type: ignore[arg-type]
            optimum,
            data,
            cov_type=cov_type,
            target_noise="none",
            lags=hac_lags,
        )
        bounded = tuple(name for name, value in zip(names, np.diag(cov), strict=True) if np.isnan(value))
        loglik = float(lik.infer(optimum.theta).loglik.sum() - np.log(volatility).sum())
        estimate = Estimate(names, theta, cov, loglik, len(index), theta.size, cov_type, optimum, bounded)
        if not optimum.converged:
            if strict:
                raise ConvergenceError(optimum.reason)
            warnings.warn(f"{self.name}: {optimum.reason}", ConvergenceWarning, stacklevel=2)
        own = [name for name in bounded if name in lik.layout.names]
        if own:
            warnings.warn(
                f"{self.name}: on the bound or not identified, no standard error: {', '.join(own)}",
                BoundaryWarning,
                stacklevel=2,
            )
        _, lagged = make_chain(self, index, drivers)
        return RSDCFit(self, estimate, optimum.theta, lik, index, data.names, tuple(tried), lagged, [], data)
