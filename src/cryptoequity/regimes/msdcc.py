r"""Markov-switching DCC: correlations that move within regimes and jump between them, on residuals of GARCH margins.

.. math:: Q_{j,t}=(1-a_j-b_j)\bar R_j+a_jz_{t-1}z_{t-1}'+b_j\tilde Q_{j,t-1}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from ..errors import check_option
from ..estimation.params import Array
from ..volatility import EGARCH, GARCH, Margins
from .chain import Chain
from .msdcc_fit import MSDCCFit
from .recursion_search import climb_recursions
from .spec import RegimeSpec, make_chain
from .switching_dcc import METHODS, SWITCHING, DccRegimes, SwitchingDCCLikelihood
from .two_step import estimate_correlations, margins_of

__all__ = ["MSDCC"]


@dataclass(frozen=True)
class MSDCC(RegimeSpec):
    r"""DCC whose level, or level and dynamics, switch with a hidden Markov chain.

    Parameters
    ----------
    k : regimes, numbered by the mean correlation of their levels.
    switching : "all", levels :math:`\bar R_j` and dynamics :math:`(a_j,b_j)`; "level", levels with one (a, b).
    method : what a regime's matrix goes on from. "parallel": its own matrix of yesterday, k recursions side by side,
        the likelihood exact. "collapse": the matrix of whatever regime yesterday was in (Billio & Caporin 2005), which
        depends on the whole path; the :math:`k^2` matrices of a date are collapsed to k by Kim's (1994) weights
        :math:`\Pr(S_{t-1}=i\mid S_t=j,Y_t)`. An APPROXIMATION, as name and summary say.
    dist : "t" (joint, one number of degrees of freedom) or "normal".
    initial, penalty, driver_lag : of the chain, see `RSDC`.

    Notes
    -----
    Levels are parameters: with regimes that are not seen there is no sample moment to target. The search climbs the
    likelihood with exact scores. Standard errors count the margins: slopes of the likelihood by the margins' parameters
    run through residuals, recursions and filter.

    Regimes and a persistent DCC compete for the same slow movements. With :math:`a_j=0` the model is `RSDC`, in which
    :math:`b_j` is not identified; errors of :math:`b_j` next to an :math:`a_j` near zero mean nothing.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> fit = ce.MSDCC(k=2, switching="level", dist="normal").fit(returns, starts=4)
    >>> fit.correlations().shape
    (1, 2)
    """

    k: int = 2
    switching: str = "all"
    method: str = "parallel"
    dist: str = "t"
    initial: str | tuple[float, ...] = "ergodic"
    penalty: float = float("inf")
    driver_lag: int = 1
    order_by: str = "correlation"
    orders: ClassVar[tuple[str, ...]] = ("correlation",)
    references: ClassVar[tuple[str, ...]] = (
        "billiocaporin2005",
        "haas2004",
        "kim1994",
        "hamilton1989",
        "neweymcfadden1994",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("switching", self.switching, SWITCHING)
        check_option("method", self.method, tuple(METHODS))

    @property
    def name(self) -> str:
        """Name of the model in the field's terms."""
        tail = "" if self.method == "parallel" else ", collapsed (approximate)"
        return f"MS-DCC-{self.dist}{tail}"

    def likelihood(self, z: Array, names: tuple[str, ...], chain: Chain) -> SwitchingDCCLikelihood:
        """Second step on residuals ``z`` (T, N)."""
        own = DccRegimes(z, names, self.k, switching=self.switching, student=self.dist == "t")
        return SwitchingDCCLikelihood(own, chain, self.method)

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
    ) -> MSDCCFit:
        """Fit to margins, or to percent returns whose margins are fitted first.

        Parameters
        ----------
        margins : margin specification(s) when ``data`` are returns; ``GARCH()`` by default.
        drivers : what moves the odds of the transitions, by date; lagged by ``driver_lag``.
        starts, rng : starts of the search and their seed.
        cov_type : "robust", "hac" or "classic"; the first two count the estimation of the margins.

        Raises
        ------
        DataError : fewer than two columns, or data that cannot be used. ConvergenceError : every start is degenerate.
        """
        data = margins_of(data, margins, cov_type, strict)
        return estimate_correlations(
            self,
            data,
            make_chain(self, data.std_resid.index, drivers),
            build=self.likelihood,
            climb=climb_recursions,
            result=MSDCCFit,
            starts=starts,
            rng=rng,
            cov_type=cov_type,
            hac_lags=hac_lags,
            strict=strict,
            keep=self.climbs(starts),
        )
