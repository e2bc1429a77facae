r"""Markov-switching vector autoregressions (Krolzig 1997).

.. math:: y_t=c_{S_t}+\sum_iA_{i,S_t}y_{t-i}+u_t\qquad\text{or}\qquad
          y_t-\mu_{S_t}=\sum_iA_{i,S_t}(y_{t-i}-\mu_{S_{t-i}})+u_t,\qquad u_t\mid S_t=j\sim(0,\Sigma_j)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.params import Array
from .history import DeviationEmission, HistoryChain
from .linear import LinearEmission
from .regression import ORDERS, LinearSpec, regression_rank
from .spec import RegimeSpec, estimate_regimes, make_chain
from .system import (
    LinearRegimeFit,
    after_lags,
    check_exog,
    check_response,
    count_parameters,
    lagged_columns,
    switching_columns,
)

__all__ = ["MarkovVAR", "check_lags", "estimate_system"]


def check_lags(name: str, value: int) -> None:
    """Refuse a number of lags that is none."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise SpecError(f"{name}={value!r}: at least one lag; without lags see MarkovRegression and MarkovCovariance.")


def estimate_system(
    spec: RegimeSpec,
    data: pd.DataFrame,
    exog: pd.Series | pd.DataFrame | None,
    *,
    lags: int,
    form: str,
    constant: str,
    lag_switching: bool,
    slopes: list[bool],
    scale: bool,
    corr: bool,
    search: dict[str, Any],
) -> LinearRegimeFit:
    """Estimate an autoregression of one series or several.

    Parameters
    ----------
    constant : "switching", "common" or "zero". lag_switching, scale, corr : what else switches. slopes : of ``exog``.
    search : arguments of `estimate_regimes`.
    """
    index = data.index
    regressors, names = check_exog(exog, index)
    columns = tuple(map(str, data.columns))
    n = len(columns)
    has_constant = constant != "zero"
    plain = [*([constant == "switching"] if has_constant else []), *slopes]
    switching = [*plain, *[lag_switching] * (lags * n)]
    if not any(switching) and not scale and not corr:
        raise SpecError("nothing switches: let the mean, the lags or the covariance do so.")
    if form == "mean" and not any(plain):
        raise SpecError('no mean switches: form="intercept" is the same model then, with fewer states.')
    drivers = search["drivers"]
    moved = 0 if drivers is None else (1 if isinstance(drivers, pd.Series) else drivers.shape[1])
    values = check_response(
        data,
        what="data",
        lags=lags,
        parameters=count_parameters(spec.k, n, switching, scale, spec.dist == "t", moved),
        spread=scale,
    )
    own = np.column_stack([np.ones(len(values)), regressors]) if has_constant else regressors
    law: dict[str, Any] = {
        "scale": "switching" if scale else "common",
        "corr": "switching" if corr else "common",
        "student": spec.dist == "t",
        "rank_by": regression_rank(spec.order_by, scale, switching, has_constant),
    }
    chain, lagged = make_chain(spec, index, drivers)
    emission: DeviationEmission | LinearEmission
    if form == "mean":
        emission = DeviationEmission(
            values,
            own,
            columns,
            (*(("mean",) if has_constant else ()), *names),
            spec.k,
            lags,
            mean_switching=np.array(plain, bool),
            lag_switching=lag_switching,
            **law,
        )
        chain = HistoryChain(
            spec.k,
            chain.z[lags:],
            chain.names,
            chain.driven,
            chain.initial,
            chain.penalty,
            lags,
            chain.z[1 : lags + 1],
        )
    else:
        tags = [f"ar{i}" if n == 1 else f"L{i}.{name}" for i in range(1, lags + 1) for name in columns]
        emission = LinearEmission(
            values[lags:],
            np.hstack([own[lags:], lagged_columns(values, lags)]),
            columns,
            (*(("const",) if has_constant else ()), *names, *tags),
            spec.k,
            switching=np.array(switching, bool),
            presample=values[:lags],
            **law,
        )
        chain = after_lags(chain, lags)
    fit = estimate_regimes(
        spec,
        emission,
        index[lags:],
        columns,
        result=LinearRegimeFit,
        made=(chain, None if lagged is None else lagged.iloc[lags:]),
        exog=names,
        constant=has_constant,
        **search,
    )
    assert isinstance(fit, LinearRegimeFit)
    return fit


@dataclass(frozen=True)
class MarkovVAR(LinearSpec):
    r"""Vector autoregression whose constants, lag matrices and error covariance switch with a hidden Markov chain.

    In Krolzig's (1997) names: MSI has a switching intercept, MSM a switching mean, A switching lag matrices, H a
    switching (heteroskedastic) covariance; MSIAH switches all. `name` says which model a specification is.

    Parameters
    ----------
    k : regimes. lags : p. form : "intercept" or "mean"; the latter needs k^(p+1) states.
    intercept : "switching", "common" or "zero": the intercepts, or the means with ``form="mean"``.
    coefficients : "switching" or "common" lag matrices.
    covariance : "switching", "common", or "volatility" or "correlation" for only one of the two to switch.
    dist, initial, penalty, driver_lag, order_by : see `MarkovRegression`.

    Notes
    -----
    The parameter ``L1.A[2].B`` is the coefficient of the first lag of A in the equation of B in regime 2.

    Each regime estimates up to N + pN² + N(N + 1)/2 parameters from its own dates: with eight lags of four series no
    regime of a year identifies them. Volatility that clusters makes regimes of any model whose covariance is common;
    lag matrices that switch together with a covariance that does not should not be believed.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> model = ce.MarkovVAR(k=2, lags=1, covariance="switching")
    >>> model.name
    'MSIH(2)-VAR(1)'
    >>> fit = model.fit(returns)
    >>> fit.lag_matrices().shape
    (2, 1, 2, 2)
    """

    k: int = 2
    lags: int = 1
    form: str = "intercept"
    intercept: str = "switching"
    coefficients: str = "common"
    covariance: str = "common"
    switching_exog: bool | tuple[str, ...] = False
    dist: str = "normal"
    initial: str | tuple[float, ...] = "ergodic"
    penalty: float = float("inf")
    driver_lag: int = 1
    order_by: str = "auto"
    orders: ClassVar[tuple[str, ...]] = ORDERS
    references: ClassVar[tuple[str, ...]] = ("krolzig1997", "hamilton1989")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_lags("lags", self.lags)
        check_option("form", self.form, ("intercept", "mean"))
        check_option("intercept", self.intercept, ("switching", "common", "zero"))
        check_option("coefficients", self.coefficients, ("switching", "common"))
        check_option("covariance", self.covariance, ("switching", "common", "volatility", "correlation"))

    @property
    def name(self) -> str:
        """Krolzig's name, with -t for t errors."""
        switch = "M" if self.form == "mean" else "I"
        letters = "MS" + (switch if self.intercept == "switching" else "")
        letters += "A" if self.coefficients == "switching" else ""
        letters += "H" if self.covariance != "common" else ""
        return f"{letters}({self.k})-VAR({self.lags})" + ("-t" if self.dist == "t" else "")

    def fit(
        self,
        data: pd.DataFrame,
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
        """Fit to series (p + T, N), of which the first p dates are conditioned on.

        Other parameters and errors are those of `MarkovRegression.fit`.
        """
        if not isinstance(data, pd.DataFrame) or data.shape[1] < 2:
            raise DataError("data: a DataFrame of at least two columns; for one series see MarkovAutoregression.")
        _, names = check_exog(exog, data.index)
        return estimate_system(
            self,
            data,
            exog,
            lags=self.lags,
            form=self.form,
            constant=self.intercept,
            lag_switching=self.coefficients == "switching",
            slopes=switching_columns(self.switching_exog, names, "switching_exog"),
            scale=self.covariance in ("switching", "volatility"),
            corr=self.covariance in ("switching", "correlation"),
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
