r"""Markov-switching GARCH: a variance recursion of its own in each regime of a hidden chain.

.. math:: h_{j,t+1}=\omega_j+(\alpha_j+\gamma_j1\{\varepsilon_t<0\})\varepsilon_t^2+\beta_jh_{jt},\qquad
          y_t=\mu+\sqrt{h_{S_t,t}}\,z_t
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from .fit import RegimeFit
from .msgarch_fit import MSGARCHFit
from .recursion_search import climb_recursions
from .spec import RegimeSpec, check_columns, estimate_regimes
from .switching_garch import METHODS, GarchRegimes, SwitchingGarchLikelihood

__all__ = ["MSGARCH"]


@dataclass(frozen=True)
class MSGARCH(RegimeSpec):
    r"""GARCH(1,1) or GJR whose parameters switch with a hidden Markov chain.

    Parameters
    ----------
    k : regimes, numbered by the level of their variance at the sample's mean square.
    dist : "normal" or "t". Under normal errors a regime of a few days takes over what fat tails would explain.
    nu : "common" or "switching" degrees of freedom.
    asymmetric : slopes of their own after falls (GJR).
    method : what a regime's variance goes on from. "parallel" (Haas, Mittnik & Paolella 2004): its own, k recursions
        side by side, the likelihood exact. In the older model it is the variance of whatever regime yesterday was in,
        which depends on the whole path; "gray" (1996) replaces it by :math:`\sum_i\Pr(S_t=i\mid Y_{t-1})h_{it}` and
        "klaassen" (2002) by :math:`\sum_i\Pr(S_t=i\mid S_{t+1}=j,Y_t)h_{it}`: APPROXIMATIONS of the path-dependent
        model, as the summary says (and exact likelihoods of models of their own).
    mean : "constant", common to the regimes, or "zero".
    variance_start : variances of the first date: "sample" (the sample's in every regime), "stationary" (their
        expectations, which restricts the spectral radius to below one) or "regime" (:math:`\omega_j/(1-\alpha_j-
        \gamma_j/2-\beta_j)`, which restricts every regime to be stationary by itself; the convention of MSGARCH for R).
    hold : dates at the beginning that feed the recursion and are not in the likelihood (1 in MSGARCH for R).
    initial, penalty, driver_lag : of the chain, see `RegimeSpec`.

    Notes
    -----
    A regime may have :math:`\alpha_j+\beta_j\ge1`: the variance is finite when the spectral radius of the transfer
    matrix is below one (`MSGARCHFit.spectral_radius`), which with "sample" is reported and not imposed. GARCH has no
    closed M-step; the search climbs the likelihood with exact scores from every start, the best ``keep`` to the end.

    The number of regimes cannot be tested by a likelihood ratio with :math:`\chi^2` critical values. Measured on 30
    samples of T = 1500 from one GARCH(1,1) (``benchmarks/switching_garch.py``): with t(5) shocks BIC takes two normal
    regimes in all samples and two t regimes in none, while :math:`\chi^2` at 5 % rejects one t regime in 20 %. Take
    ``dist="t"`` first, and distrust a regime that lasts a day or two. Not for a single known date of change, nor for
    samples in which a regime is visited once.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN"]]
    >>> fit = ce.MSGARCH(k=2, dist="t").fit(returns, starts=4)
    >>> fit.variances.shape[1]
    2
    """

    k: int = 2
    dist: str = "normal"
    asymmetric: bool = False
    method: str = "parallel"
    mean: str = "constant"
    nu: str = "common"
    variance_start: str = "sample"
    hold: int = 0
    initial: str | tuple[float, ...] = "ergodic"
    penalty: float = float("inf")
    driver_lag: int = 1
    order_by: str = "variance"
    orders: ClassVar[tuple[str, ...]] = ("variance",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("method", self.method, tuple(METHODS))
        check_option("mean", self.mean, ("constant", "zero"))
        check_option("nu", self.nu, ("common", "switching"))
        check_option("variance_start", self.variance_start, ("sample", "stationary", "regime"))
        if self.variance_start == "stationary" and self.method != "parallel":
            raise SpecError(
                'variance_start="stationary" is for parallel recursions; the collapsed ones have no such moments.'
            )
        if not isinstance(self.hold, int) or isinstance(self.hold, bool) or not 0 <= self.hold <= 50:
            raise SpecError(f"hold={self.hold!r}: a whole number of dates from 0 to 50.")

    @property
    def references(self) -> tuple[str, ...]:  # type: ignore[override]
        """Keys of the papers behind these choices."""
        more = {"parallel": (), "gray": ("gray1996",), "klaassen": ("klaassen2002",)}[self.method]
        return ("haas2004", *more, "hamilton1989")

    @property
    def name(self) -> str:
        """Name of the model in the field's terms."""
        kind = "GJR" if self.asymmetric else "GARCH"
        tail = {"parallel": "", "gray": ", Gray's approximation", "klaassen": ", Klaassen's approximation"}
        return f"MS-{kind}-{self.dist}{tail[self.method]}"

    def fit(
        self,
        returns: pd.DataFrame | pd.Series,
        *,
        drivers: pd.DataFrame | pd.Series | None = None,
        starts: int = 20,
        rng: int | np.random.Generator = 0,
        cov_type: str = "robust",
        hac_lags: int | None = None,
        strict: bool = False,
    ) -> MSGARCHFit:
        """Fit to one column of percent returns.

        Parameters
        ----------
        drivers : what moves the odds of the transitions, by date; lagged by ``driver_lag``.
        starts, rng : starts of the search and their seed.
        cov_type : "robust", "hac", "classic", "opg" or "none".
        strict : raise `ConvergenceError` where the optimiser stops short.

        Raises
        ------
        DataError : more than one column, or data that cannot be used. ConvergenceError : every start is degenerate.
        """
        frame = check_columns(returns, what="returns", min_obs=250)
        if frame.shape[1] != 1:
            raise DataError(
                f"MSGARCH is a model of one series; the data have {frame.shape[1]} columns, pass one of them."
            )
        names = tuple(map(str, frame.columns))
        emission = GarchRegimes(
            frame.to_numpy(float),
            names,
            self.k,
            mean=self.mean,
            student=self.dist == "t",
            switching_nu=self.nu == "switching",
            asymmetric=self.asymmetric,
            variance_start=self.variance_start,
        )
        fit: RegimeFit = estimate_regimes(
            self,
            emission,  # type: ignore[arg-type]
            frame.index,
            names,
            drivers=drivers,
            starts=starts,
            rng=rng,
            cov_type=cov_type,
            hac_lags=hac_lags,
            strict=strict,
            result=MSGARCHFit,
            build=partial(SwitchingGarchLikelihood, method=self.method, hold=self.hold),
            climb=climb_recursions,
        )
        assert isinstance(fit, MSGARCHFit)
        return fit
