"""Regimes of the correlation in two steps: margins first, then the regimes of their residuals, errors of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from ..correlation.named_covariance import named_covariance
from ..correlation.spec import _check_collinear
from ..errors import DataError, SpecError, check_option
from ..estimation.optimize import Optimum
from ..estimation.params import Array
from ..estimation.results import Estimate
from ..volatility import EGARCH, GARCH, Margins, fit_margins
from ..volatility.margins import residual_arrays
from .chain import Chain
from .fit import RegimeFit
from .identification import without_negative
from .likelihood import RegimeLikelihood, Start
from .remarks import remark_on_search
from .spec import RegimeSpec, check_columns, reorder
from .stored import found_for, taken

__all__ = ["estimate_correlations", "margins_of"]

Fit = TypeVar("Fit", bound=RegimeFit)


def margins_of(
    data: Margins | pd.DataFrame | pd.Series,
    margins: GARCH | EGARCH | dict[str, GARCH | EGARCH] | None,
    cov_type: str,
    strict: bool,
) -> Margins:
    """Fitted margins of at least two columns, from themselves or from percent returns.

    Raises
    ------
    SpecError : an unknown ``cov_type``; specifications of margins that are fitted already.
    DataError : returns that cannot be used, one column only, columns that are the same.
    """
    check_option("cov_type", cov_type, ("robust", "hac", "classic"))
    if not isinstance(data, Margins):
        frame = check_columns(data, what="returns", min_obs=250)
        data = fit_margins(frame, margins, cov_type=cov_type, strict=strict)
    elif margins is not None:
        raise SpecError("margins= is for returns; the data passed are fitted margins already.")
    if len(data.names) < 2:
        raise DataError(f"a correlation needs two columns; there is only {data.names[0]!r}.")
    _check_collinear(data)
    return data


def estimate_correlations(
    spec: RegimeSpec,
    data: Margins,
    chain: tuple[Chain, pd.DataFrame | None],
    *,
    build: Callable[[Array, tuple[str, ...], Chain], RegimeLikelihood],
    climb: Callable[..., tuple[Optimum, list[Start]]],
    result: Callable[..., Fit],
    starts: int | str,
    rng: int | np.random.Generator,
    cov_type: str,
    hac_lags: int | None,
    strict: bool,
    **search: Any,
) -> Fit:
    """Estimate the regimes of the residuals of ``data``, with errors that count the margins.

    Parameters
    ----------
    chain : the chain and its lagged drivers. build : the likelihood of residuals (T, N), their names and a chain.
    climb : the search; ``search`` is passed to it. result : the type of the fit.
    """
    z, volatility = residual_arrays(data)
    index = data.std_resid.index
    own, lagged = chain
    lik = build(z, data.names, own)
    jacobian = -float(np.log(volatility).sum())
    margin_names = tuple(f"{fit.name}.{name}" for fit in data.fits for name in fit.estimate.names)
    known = found_for(spec, (*margin_names, *lik.layout.names))
    if known is not None:
        if known.first is not None:
            lik = build(z, data.names, replace(own, initial=known.first))
        theta = known.estimate.theta[-lik.layout.size :]
        lik.settle(theta)
        estimate = taken(known, lik, jacobian)
        return result(spec, estimate, theta, lik, index, data.names, known.starts, lagged, margins=data)
    optimum, tried = climb(lik, starts, rng, **search)
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
    cov = without_negative(cov)
    bounded = tuple(name for name, value in zip(names, np.diag(cov), strict=True) if np.isnan(value))
    loglik = float(lik.infer(optimum.theta).loglik.sum()) + jacobian
    estimate = Estimate(names, theta, cov, loglik, len(index), theta.size, cov_type, optimum, bounded)
    told = [name for name in bounded if name in lik.layout.names]  # margins have spoken for themselves
    remark_on_search(spec.name, optimum, tried, told, strict=strict)
    return result(spec, estimate, optimum.theta, lik, index, data.names, tuple(tried), lagged, margins=data)
