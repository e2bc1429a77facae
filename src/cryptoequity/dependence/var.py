r"""Vector autoregressions on arrays: least squares over chosen rows, lag choice, moving-average coefficients.

.. math:: y_t=c+\Phi_1y_{t-1}+\dots+\Phi_py_{t-p}+\varepsilon_t ,\qquad \operatorname{Var}\varepsilon_t=\Sigma .

Rows may be left out of the regression (those outside an episode, say) without touching the lags of those that stay:
the regressors of a row are always the observations of the dates just before it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..data.checks import check_returns
from ..errors import DataError, FilteredSeriesWarning, SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import FILTERED

__all__ = [
    "Autoregression",
    "choose_lags",
    "fit_rows",
    "lag_rows",
    "moving_average",
    "read_dummy",
    "read_group",
    "read_horizon",
    "read_lags",
    "read_system",
    "spectral_radius",
]

CRITERIA = ("aic", "bic", "hq")
MIN_OBS = 60  # rows of a system, below which a variance decomposition is noise
MAX_LAGS = 10  # of a search; daily returns have hardly any


@dataclass(frozen=True, eq=False)
class Autoregression:
    """Coefficients of a vector autoregression.

    Attributes
    ----------
    intercept : (N,). coefficients : (p, N, N), row i of each is the equation of column i. cov : (N, N) of the errors.
    residuals : (n, N) of the rows used. nobs : rows used.
    """

    intercept: Array
    coefficients: Array
    cov: Array
    residuals: Array = field(repr=False)

    @property
    def nobs(self) -> int:
        """Rows used."""
        return int(self.residuals.shape[0])

    @property
    def lags(self) -> int:
        """Lags p."""
        return int(self.coefficients.shape[0])


def lag_rows(y: Array, lags: int) -> tuple[Array, Array]:
    """Left side (T - p, N) and regressors (T - p, 1 + Np): a one, then the columns at lag 1, at lag 2, ….

    Parameters
    ----------
    y : (T, N). lags : p, zero allowed.
    """
    nobs = y.shape[0]
    parts = [np.ones((nobs - lags, 1))] + [y[lags - k : nobs - k] for k in range(1, lags + 1)]
    return np.ascontiguousarray(y[lags:]), np.ascontiguousarray(np.concatenate(parts, axis=1))


def fit_rows(target: Array, design: Array) -> Autoregression:
    """Least squares of rows made by `lag_rows`, or of some of them.

    Parameters
    ----------
    target : (n, N). design : (n, 1 + Np).

    Raises
    ------
    DataError : fewer rows than coefficients, or regressors that are linearly dependent on these rows.
    """
    nobs, width = design.shape
    size = target.shape[1]
    if nobs <= width + size:
        raise DataError(
            f"{nobs} rows cannot give {width} coefficients an equation and a covariance of {size} errors; use fewer "
            "lags, fewer columns or a longer sample."
        )
    scale = np.sqrt(np.mean(design**2, axis=0))
    scale[scale == 0.0] = 1.0
    solution, _, rank, _ = np.linalg.lstsq(design / scale, target, rcond=None)
    if rank < width:
        raise DataError(
            f"the {width} regressors of the autoregression have rank {rank} on these {nobs} rows; use fewer lags, or "
            "drop a column."
        )
    return assemble(solution / scale[:, None], target, design, center=True)


def assemble(solution: Array, target: Array, design: Array, *, center: bool) -> Autoregression:
    """Coefficients (1 + Np, N) as an `Autoregression`; ``center`` subtracts the mean of the residuals in their cov."""
    size = target.shape[1]
    residuals = target - design @ solution
    errors = residuals - residuals.mean(axis=0) if center else residuals
    cov = errors.T @ errors / (target.shape[0] - design.shape[1])
    lags = (design.shape[1] - 1) // size
    # block k of the rows holds the transposed matrix of lag k
    coefficients = np.ascontiguousarray(solution[1:].reshape(lags, size, size).transpose(0, 2, 1))
    return Autoregression(solution[0].copy(), coefficients, cov, residuals)


def moving_average(coefficients: Array, horizon: int) -> Array:
    r"""Matrices :math:`A_0=I`, :math:`A_h=\sum_{k\le\min(h,p)}\Phi_kA_{h-k}` of the moving average, (H, N, N).

    Parameters
    ----------
    coefficients : (p, N, N). horizon : H, how many matrices.
    """
    lags, size = coefficients.shape[0], coefficients.shape[1]
    out = np.zeros((horizon, size, size))
    out[0] = np.eye(size)
    with np.errstate(over="ignore", invalid="ignore"):  # an explosive system; `decompose` refuses what overflows
        for h in range(1, horizon):
            for k in range(1, min(h, lags) + 1):
                out[h] += coefficients[k - 1] @ out[h - k]
    return out


def spectral_radius(coefficients: Array) -> float:
    """Largest modulus of the eigenvalues of the companion matrix; below one the system is stationary."""
    lags, size = coefficients.shape[0], coefficients.shape[1]
    if lags == 0:
        return 0.0
    companion = np.zeros((lags * size, lags * size))
    companion[:size] = coefficients.transpose(1, 0, 2).reshape(size, lags * size)
    companion[size:, :-size] = np.eye((lags - 1) * size)
    return float(np.abs(np.linalg.eigvals(companion)).max())


def choose_lags(y: Array, criterion: str = "bic", most: int = MAX_LAGS) -> tuple[int, Array]:
    r"""Lags with the smallest :math:`\ln\det\hat\Sigma_p+c_n\,pN^2/n`, all fitted to the same rows.

    Parameters
    ----------
    y : (T, N). criterion : "aic" (:math:`c_n=2`), "bic" (:math:`\ln n`) or "hq" (:math:`2\ln\ln n`).
    most : largest number of lags tried; zero lags are tried too.

    Returns
    -------
    lags, and the criterion by number of lags, (most + 1,).
    """
    check_option("lags", criterion, CRITERIA)
    nobs, size = y.shape[0] - most, y.shape[1]
    penalty = {"aic": 2.0, "bic": float(np.log(nobs)), "hq": 2.0 * float(np.log(np.log(nobs)))}[criterion]
    values = np.empty(most + 1)
    for p in range(most + 1):
        target, design = lag_rows(y[most - p :], p)
        errors = fit_rows(target, design).residuals
        _, logdet = np.linalg.slogdet(errors.T @ errors / nobs)
        values[p] = logdet + penalty * (p * size**2 + size) / nobs
    return int(values.argmin()), values


def read_lags(lags: int | str, y: Array) -> int:
    """Lags as a number, chosen by a criterion where ``lags`` names one."""
    if isinstance(lags, str):
        return choose_lags(y, lags)[0]
    if not isinstance(lags, int | np.integer) or isinstance(lags, bool) or lags < 0:
        raise SpecError(f"lags={lags!r}: a whole number of at least zero, or one of {', '.join(CRITERIA)}.")
    return int(lags)


def read_horizon(horizon: int) -> int:
    """Refuse a horizon that is no whole number between 1 and 1000."""
    if not isinstance(horizon, int | np.integer) or isinstance(horizon, bool) or not 1 <= horizon <= 1000:
        raise SpecError(f"horizon={horizon!r}: a whole number of steps between 1 and 1000.")
    return int(horizon)


def read_system(returns: Any, what: str = "returns", *, min_obs: int = MIN_OBS) -> tuple[Array, pd.DataFrame]:
    """Return the columns of a system as floats (T, N) with the frame they came from, or refuse them with the reason.

    A frame marked as a filtered path is warned about: its dependence over time is that of the filter.
    """
    if isinstance(returns, pd.DataFrame) and FILTERED in returns.attrs:
        warnings.warn(
            f"{what} are a {returns.attrs[FILTERED]}: a filter moves slowly by construction, and its dependence over "
            "time is not that of the markets; use returns, standardized residuals or variances of disjoint periods.",
            FilteredSeriesWarning,
            stacklevel=3,
        )
    frame = check_returns(returns, what=what, min_obs=min_obs)
    if frame.shape[1] < 2:
        raise DataError(f"{what}: a system needs two columns; there is only {frame.columns[0]!r}.")
    return np.ascontiguousarray(frame.to_numpy(float)), frame


def read_dummy(dummy: Any, index: pd.Index, what: str = "dummy") -> Array:
    """Return episodes as 1, 0 and NaN (neither side) on the rows of ``index``, or refuse them with the reason."""
    if isinstance(dummy, pd.DataFrame):
        raise DataError(f"{what} must be one column, not a frame of {dummy.shape[1]}.")
    if isinstance(dummy, pd.Series) and not dummy.index.equals(index):
        raise DataError(
            f"{what} has {len(dummy)} rows whose labels are not those of the {len(index)} returns; build it on their "
            "index, e.g. episodes.dummy(returns.index)."
        )
    try:
        values = np.asarray(dummy, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} must be numbers 0 and 1 ({error}).") from error
    if values.shape != (len(index),):
        raise DataError(f"{what} has shape {values.shape}; it must be one number for each of the {len(index)} rows.")
    other = np.flatnonzero(~(np.isnan(values) | (values == 0.0) | (values == 1.0)))
    if other.size:
        raise DataError(
            f"{what} is {values[other[0]]:g} at {index[other[0]]}; it must be 1 inside an episode and 0 outside (NaN "
            "for neither)."
        )
    return values


def read_group(group: str | Sequence[str] | None, names: Sequence[str], what: str) -> npt.NDArray[np.intp] | None:
    """Positions of the columns of a group, or the reason why not."""
    if group is None:
        return None
    chosen = [group] if isinstance(group, str) else [str(name) for name in group]
    unknown = [name for name in chosen if name not in names]
    if unknown or not chosen:
        said = repr(unknown[0]) if unknown else "an empty list"
        raise SpecError(f"{what}={group!r}: {said} is not among the columns {', '.join(names)}.")
    if len(set(chosen)) < len(chosen):
        raise SpecError(f"{what}={group!r} names a column twice.")
    return np.array([list(names).index(name) for name in chosen], dtype=np.intp)
