r"""Markov-switching autoregressions, around a switching mean (Hamilton 1989) or with a switching intercept.

.. math:: y_t-\mu_{S_t}=\sum_i\phi_{i,S_t}(y_{t-i}-\mu_{S_{t-i}})+\sigma_{S_t}u_t
          \qquad\text{or}\qquad y_t=c_{S_t}+\sum_i\phi_{i,S_t}y_{t-i}+\sigma_{S_t}u_t
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from ..errors import SpecError, check_option
from ..estimation.params import Array
from .regression import ORDERS, LinearSpec
from .system import LinearRegimeFit, check_exog, switching_columns
from .vector import check_lags, estimate_system

__all__ = ["MarkovAutoregression"]


@dataclass(frozen=True)
class MarkovAutoregression(LinearSpec):
    r"""Autoregression whose mean, lags and error variance switch with a hidden Markov chain.

    The two forms are different models. In the deviation form (``form="mean"``) the mean jumps at once to its new
    level; with an intercept it goes there gradually, as after any shock. The first needs the regimes of p
    days before in the state, k^(p+1) states, and is slower.

    Parameters
    ----------
    k : regimes. order : lags. form : "mean" (Hamilton 1989) or "intercept".
    mean : "switching", "common" or "zero": the mean or the intercept.
    switching_ar, switching_variance : whether lags and error variance switch.
    switching_exog : whether the slopes of other regressors switch: all, none, or the names of those that do. With
        ``form="mean"`` they belong to the mean, so that their lags matter too.
    dist, initial, penalty, driver_lag, order_by : see `MarkovRegression`.

    Notes
    -----
    Conditional on the first ``order`` values. With ``initial="ergodic"`` the regime p days before the first date has
    the ergodic law and the chain goes on from there.

    Nothing keeps a regime from being explosive on its own; `LinearRegimeFit.stability` says which is. Under GARCH
    errors a model with a common variance spends its regimes on volatility.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> model = ce.MarkovAutoregression(k=2, order=1, form="intercept", switching_variance=True)
    >>> fit = model.fit(returns["COIN"])
    >>> fit.forecast(5).mean.shape
    (5, 1)
    """

    k: int = 2
    order: int = 1
    form: str = "mean"
    mean: str = "switching"
    switching_ar: bool = False
    switching_exog: bool | tuple[str, ...] = False
    switching_variance: bool = False
    dist: str = "normal"
    initial: str | tuple[float, ...] = "ergodic"
    penalty: float = float("inf")
    driver_lag: int = 1
    order_by: str = "auto"
    orders: ClassVar[tuple[str, ...]] = ORDERS
    references: ClassVar[tuple[str, ...]] = ("hamilton1989",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_lags("order", self.order)
        check_option("form", self.form, ("mean", "intercept"))
        check_option("mean", self.mean, ("switching", "common", "zero"))
        check_option("switching_ar", self.switching_ar, (True, False))
        check_option("switching_variance", self.switching_variance, (True, False))
        if self.form == "mean" and self.mean == "zero" and not self.switching_exog:
            raise SpecError('form="mean" without a mean is form="intercept", which needs fewer states.')

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
        """Fit to a series (p + T,), of which the first p values are conditioned on.

        Parameters and errors are those of `MarkovRegression.fit`.
        """
        if not isinstance(y, pd.Series):
            raise SpecError(f"y: one pandas Series, not {type(y).__name__}; for several see MarkovVAR.")
        name = "y" if y.name is None else str(y.name)
        _, names = check_exog(exog, y.index)
        return estimate_system(
            self,
            y.rename(name).to_frame(),
            exog,
            lags=self.order,
            form=self.form,
            constant=self.mean,
            lag_switching=self.switching_ar,
            slopes=switching_columns(self.switching_exog, names, "switching_exog"),
            scale=self.switching_variance,
            corr=False,
            search={
                "drivers": drivers,
                "starts": starts,
                "rng": rng,
                "cov_type": cov_type,
                "hac_lags": hac_lags,
                "strict": strict,
                "warm": warm,
            },
        )
