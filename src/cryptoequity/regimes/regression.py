r"""Markov-switching regression.

.. math:: y_t=x_t'\beta_{S_t}+w_t'\delta+\sigma_{S_t}u_t,\qquad \Pr(S_t=j\mid S_{t-1}=i)=p_{ij}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from ..errors import SpecError, check_option
from ..estimation.params import Array
from .linear import LinearEmission
from .spec import RegimeSpec, estimate_regimes
from .system import LinearRegimeFit, check_exog, check_response, count_parameters, switching_columns

__all__ = ["ORDERS", "LinearSpec", "MarkovRegression", "regression_rank"]

ORDERS = ("auto", "variance", "mean")


def regression_rank(order_by: str, variance: bool, switching: list[bool], constant: bool) -> str | int:
    """What regimes are numbered by: the variance or the constant where it switches, else the first slope that does."""
    if order_by != "auto":
        return order_by
    if variance:
        return "variance"
    if constant and switching[0]:
        return "mean"
    # with nothing else left to switch it is the correlation of the errors
    return switching.index(True) if any(switching) else "correlation"


class LinearSpec(RegimeSpec):
    """Base of the specifications whose regimes need not last: more of the starts are climbed to the end."""

    def climbs(self, starts: int | str) -> int:
        """A quarter of the starts, and eight at least."""
        return 8 if isinstance(starts, str) else max(8, starts // 4)


@dataclass(frozen=True)
class MarkovRegression(LinearSpec):
    r"""Regression whose constant, slopes and error variance switch with a hidden Markov chain (Goldfeld & Quandt 1973).

    Parameters
    ----------
    k : regimes. mean : "switching", "common" or "zero": the constant.
    switching_exog : whether the slopes switch: all, none, or the names of those that do.
    switching_variance : whether the variance of the errors does.
    dist : "normal" or "t" errors, with one number of degrees of freedom.
    initial : law of the first state: "ergodic", "estimated", "uniform" or probabilities.
    penalty, driver_lag : of drivers of the transitions, see `RegimeSpec`.
    order_by : "variance", "mean" (the fitted value at mean regressors), or "auto": the variance where it switches, else
        the constant, else the first slope that switches.

    Notes
    -----
    Under GARCH errors or fat tails, regimes of a common variance and normal errors follow the outliers:
    they date volatility, not the regression. Let the variance switch, or use ``dist="t"``, and look at
    `RegimeFit.diagnostics`. That two regimes fit better than one is no test: the transition probabilities are not
    identified under one regime, and the usual :math:`\chi^2` rejects far too often.

    Parameters of a regime stand as ``const[1]``, ``x[1]``, ``sd[1]``; common ones without a number.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.MarkovRegression(k=2, switching_variance=True).fit(returns["COIN"], returns[["SMALL_TECH"]])
    >>> list(fit.coefficients().loc["COIN"].index)
    ['const', 'SMALL_TECH']
    """

    k: int = 2
    mean: str = "switching"
    switching_exog: bool | tuple[str, ...] = True
    switching_variance: bool = False
    dist: str = "normal"
    initial: str | tuple[float, ...] = "ergodic"
    penalty: float = float("inf")
    driver_lag: int = 1
    order_by: str = "auto"
    orders: ClassVar[tuple[str, ...]] = ORDERS
    references: ClassVar[tuple[str, ...]] = ("hamilton1989", "goldfeldquandt1973")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("mean", self.mean, ("switching", "common", "zero"))
        check_option("switching_variance", self.switching_variance, (True, False))

    def fit(
        self,
        y: pd.Series,
        exog: pd.Series | pd.DataFrame | None = None,
        *,
        drivers: pd.DataFrame | pd.Series | None = None,
        starts: int = 20,
        rng: int | np.random.Generator = 0,
        cov_type: str = "robust",
        hac_lags: int | None = None,
        strict: bool = False,
        warm: Array | None = None,
    ) -> LinearRegimeFit:
        """Fit to a series (T,) and regressors (T, M) on its dates.

        Parameters
        ----------
        exog : regressors of the same date (lag what should be lagged). drivers : what moves the odds of the
            transitions, by date; lagged by ``driver_lag``.
        starts, rng : starts of the search and their seed. warm : parameters to start from besides.
        cov_type : "robust", "hac", "classic", "opg" or "none".

        Raises
        ------
        DataError : data that cannot be used: not finite, too few, collinear regressors, an exact fit.
        SpecError : nothing switches. ConvergenceError : every start is degenerate.
        """
        if not isinstance(y, pd.Series):
            raise SpecError(f"y: one pandas Series, not {type(y).__name__}; for several see MarkovVAR.")
        name = "y" if y.name is None else str(y.name)
        regressors, names = check_exog(exog, y.index)
        constant = self.mean != "zero"
        labels = (*(("const",) if constant else ()), *names)
        slopes = switching_columns(self.switching_exog, names, "switching_exog")
        switching = [*([self.mean == "switching"] if constant else []), *slopes]
        if not any(switching) and not self.switching_variance:
            raise SpecError("nothing switches: let the mean, a slope or the variance do so.")
        moved = 0 if drivers is None else (1 if isinstance(drivers, pd.Series) else drivers.shape[1])
        values = check_response(
            y.rename(name),
            what="y",
            lags=0,
            parameters=count_parameters(self.k, 1, switching, self.switching_variance, self.dist == "t", moved),
            spread=self.switching_variance,
        )
        x = np.column_stack([np.ones(len(values)), regressors]) if constant else regressors
        emission = LinearEmission(
            values,
            x,
            (name,),
            labels,
            self.k,
            switching=np.array(switching, bool),
            scale="switching" if self.switching_variance else "common",
            student=self.dist == "t",
            rank_by=regression_rank(self.order_by, self.switching_variance, switching, constant),
        )
        fit = estimate_regimes(
            self,
            emission,
            y.index,
            (name,),
            drivers=drivers,
            starts=starts,
            rng=rng,
            cov_type=cov_type,
            hac_lags=hac_lags,
            strict=strict,
            result=LinearRegimeFit,
            warm=warm,
            exog=names,
            constant=constant,
        )
        assert isinstance(fit, LinearRegimeFit)
        return fit
