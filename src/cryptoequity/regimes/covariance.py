r"""Markov-switching means and covariances of several columns.

.. math:: y_t\mid S_t=j\sim(\mu_j,\ D_jR_jD_j),\qquad \Pr(S_t=j\mid S_{t-1}=i)=p_{ij}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from ..errors import check_option
from ..estimation.params import Array
from .fit import RegimeFit
from .gaussian import GaussianEmission
from .spec import RegimeSpec, check_columns, estimate_regimes

__all__ = ["MarkovCovariance"]


@dataclass(frozen=True)
class MarkovCovariance(RegimeSpec):
    r"""Means, volatilities and correlations that switch with a hidden Markov chain.

    Every group may be common instead. Volatility and correlation that switch together are confounded: a
    regime of high volatility shows a high correlation with the same exposure to a common factor (Forbes & Rigobon
    2002), so read the correlations next to those of `RSDC` on residuals.

    Parameters
    ----------
    k : regimes. dist : "normal" or "t" (one number of degrees of freedom).
    mean : "switching", "common" or "zero". volatility, correlation : "switching" or "common".
    order_by : "variance", "mean" or "correlation". initial, penalty, driver_lag : see `RegimeSpec`.

    Notes
    -----
    A regime's variance may not fall below 1e-4 of the sample's (Hathaway 1985): the likelihood of normal mixtures is
    unbounded without such a limit. Starts that end there are discarded and counted.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> fit = ce.MarkovCovariance(k=2).fit(returns)
    >>> fit.converged
    True
    """

    k: int = 2
    dist: str = "normal"
    mean: str = "switching"
    volatility: str = "switching"
    correlation: str = "switching"
    initial: str | tuple[float, ...] = "ergodic"
    penalty: float = float("inf")
    driver_lag: int = 1
    order_by: str = "variance"
    references: ClassVar[tuple[str, ...]] = ("hamilton1989",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("mean", self.mean, ("switching", "common", "zero"))
        check_option("volatility", self.volatility, ("switching", "common"))
        check_option("correlation", self.correlation, ("switching", "common"))

    def emission(self, y: Array, names: tuple[str, ...]) -> GaussianEmission:
        """Densities of returns ``y`` (T, N)."""
        return GaussianEmission(
            y,
            names,
            self.k,
            mean=self.mean,
            scale=self.volatility,
            corr=self.correlation,
            student=self.dist == "t",
            order_by=self.order_by,
        )

    def fit(
        self,
        returns: pd.DataFrame | pd.Series,
        *,
        drivers: pd.DataFrame | pd.Series | None = None,
        starts: int | str = 20,
        rng: int | np.random.Generator = 0,
        cov_type: str = "robust",
        hac_lags: int | None = None,
        strict: bool = False,
    ) -> RegimeFit:
        """Fit to percent returns (T, N).

        Parameters
        ----------
        drivers : what moves the odds of the transitions, by date; lagged by ``driver_lag``.
        starts, rng : starts of the search and their seed; "replicated" for batches of twenty until three climbs
            agree, two hundred at most. With too many regimes for the data a hundred starts find the top of one column
            and seldom that of several (``benchmarks/regime_robustness.py``); a top found once is a warning.
        cov_type : "robust", "hac", "classic", "opg" or "none".
        strict : raise `ConvergenceError` where the optimiser stops short.

        Raises
        ------
        DataError : returns or drivers that cannot be used. ConvergenceError : every start is degenerate.
        """
        frame = check_columns(returns, what="returns")
        names = tuple(map(str, frame.columns))
        return estimate_regimes(
            self,
            self.emission(frame.to_numpy(float), names),
            frame.index,
            names,
            drivers=drivers,
            starts=starts,
            rng=rng,
            cov_type=cov_type,
            hac_lags=hac_lags,
            strict=strict,
        )
