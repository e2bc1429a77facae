r"""Regime switching dynamic correlation: correlations that jump between levels, on residuals of GARCH margins.

.. math:: r_t=\mu_t+D_tz_t,\qquad z_t\mid S_t=j\sim(0,R_j),\qquad \Pr(S_t=j\mid S_{t-1}=i)=p_{ij,t}

with a matrix :math:`R_j` of its own in each regime, or one matrix at switching strength,
:math:`R_j=\Gamma\lambda_j+I(1-\lambda_j)`.

Volatility has been taken out by the margins, so a regime of high correlation is not one of high volatility in disguise.
The standard errors count the margins: their scores and those of the correlation step are stacked (Newey & McFadden
1994).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from ..errors import check_option
from ..estimation.optimize import Optimum
from ..estimation.params import Array
from ..volatility import EGARCH, GARCH, Margins
from .gaussian import GaussianEmission
from .identification import loose_coordinates
from .likelihood import RegimeLikelihood, climb_regimes
from .rsdc_fit import RSDCFit, emission_of
from .spec import RegimeSpec, make_chain
from .two_step import estimate_correlations, margins_of

__all__ = ["RSDC", "RSDCFit", "RSDCLikelihood"]

STRUCTURES = ("full", "scaled")


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
        """Coordinates without a standard error: on a bound, or with a likelihood that is flat along them."""
        return loose_coordinates(self, optimum)

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


@dataclass(frozen=True)
class RSDC(RegimeSpec):
    r"""Regime switching dynamic correlation (Pelletier 2006), with transition odds that drivers may move.

    Parameters
    ----------
    k : regimes, numbered by their mean correlation, or by their strength.
    dist : "t" with one number of degrees of freedom, or "normal". Under normal densities the fat tails of the residuals
        make regimes of a few days; levels that last are then lost.
    structure : "full", a matrix in each regime; "scaled", one matrix whose share in the regime is
        :math:`\lambda_j\in[0,1]`, that of the strongest regime one (Pelletier 2006): k - 1 parameters more than a
        constant correlation however many columns there are. Correlations of a pair then share a sign in all regimes.
    initial : law of the first state: "ergodic", "estimated", "uniform" or probabilities.
    penalty : standard deviation of a normal penalty on the drivers' effects, per standard deviation of the driver; it
        keeps them finite where a driver separates the transitions (few events).
    driver_lag : at least 1: yesterday's driver acts on the transition into today.

    Notes
    -----
    Measured with T = 1,500 and estimated GARCH margins (200 samples; correlations .20 and .70, regimes of 50 and 33
    days): 95 % intervals of correlations and transition probabilities hold the truth in 92 to 98 % of the samples when
    the density is right. Leaving the margins out shortens errors of the degrees of freedom by a sixth and those of the
    correlations by at most four percent. Normal densities under t shocks with six degrees of freedom put the truth into
    74 % of the intervals of correlations and 55 to 61 % of those of probabilities. Do not read regimes of a few days as
    levels, nor two regimes as evidence against a constant correlation: their number needs a test of its own.

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
    structure: str = "full"
    orders: ClassVar[tuple[str, ...]] = ("correlation",)
    references: ClassVar[tuple[str, ...]] = ("pelletier2006", "hamilton1989", "neweymcfadden1994")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("structure", self.structure, STRUCTURES)

    def emission(self, z: Array, names: tuple[str, ...]) -> GaussianEmission:
        """Densities of residuals ``z`` (T, N)."""
        return emission_of(z, names, self.k, structure=self.structure, student=self.dist == "t")

    def fit(
        self,
        data: Margins | pd.DataFrame,
        *,
        margins: GARCH | EGARCH | dict[str, GARCH | EGARCH] | None = None,
        drivers: pd.DataFrame | pd.Series | None = None,
        starts: int | str = 20,
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
        starts, rng : starts of the search, or "replicated" (until three climbs agree), and their seed.
        cov_type : "robust", "hac" or "classic"; the first two count the estimation of the margins.

        Raises
        ------
        DataError : fewer than two columns, or data that cannot be used.
        """
        data = margins_of(data, margins, cov_type, strict)
        return estimate_correlations(
            self,
            data,
            make_chain(self, data.std_resid.index, drivers),
            build=lambda z, names, chain: RSDCLikelihood(self.emission(z, names), chain),
            climb=climb_regimes,
            result=RSDCFit,
            starts=starts,
            rng=rng,
            cov_type=cov_type,
            hac_lags=hac_lags,
            strict=strict,
        )
