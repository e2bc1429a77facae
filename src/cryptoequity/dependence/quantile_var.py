r"""Vector autoregressions by quantile regression: the propagation of large falls, of large rises, and of ordinary days.

Equation i is the regression quantile

.. math:: \min_{c_i,\phi_i}\sum_t\varrho_\tau\Bigl(y_{it}-c_i-\sum_k\phi_{ik}'y_{t-k}\Bigr),\qquad
          \varrho_\tau(u)=u\,(\tau-1\{u<0\}) .
"""

from __future__ import annotations

import numpy as np

from ..errors import ConvergenceError, DataError, SpecError
from ..estimation.params import Array
from ..kernels.quantile import quantile_point
from .var import Autoregression, assemble

__all__ = ["fit_quantile_rows", "quantile_regression", "read_tau"]

_TOL = 1e-9  # gap of the objectives, of the order of one observation's absolute deviation
_MOST = 200


def read_tau(tau: float) -> float:
    """Refuse a quantile outside (0, 1)."""
    if not isinstance(tau, int | float | np.floating) or isinstance(tau, bool) or not 0.0 < tau < 1.0:
        raise SpecError(f"tau={tau!r}: a probability between 0 and 1.")
    return float(tau)


def quantile_regression(y: Array, design: Array, tau: float) -> Array:
    r"""Coefficients (K,) of a regression quantile (Koenker and Bassett 1978).

    An interior point method (Portnoy and Koenker 1997) closes the gap between the objective and its bound; then the K
    observations with the smallest residuals are interpolated, and if the subgradient allows it that vertex, which is
    the exact solution, is returned.

    Parameters
    ----------
    y : (n,). design : (n, K). tau : quantile.

    Raises
    ------
    DataError : too few observations, regressors that are linearly dependent. ConvergenceError : the gap did not close.
    """
    nobs, width = design.shape
    if nobs <= width:
        raise DataError(f"{nobs} rows cannot give {width} coefficients of a quantile regression.")
    spread = float(np.mean(np.abs(y - np.median(y))))
    if not spread > 0.0:
        raise DataError(f"{nobs} equal values have no regression quantile other than themselves.")
    scale = np.sqrt(np.mean(design**2, axis=0))
    scale[scale == 0.0] = 1.0
    x = np.ascontiguousarray(design / scale)
    target = np.ascontiguousarray(y / spread)
    if np.linalg.matrix_rank(x) < width:
        raise DataError(f"the {width} regressors are linearly dependent on these {nobs} rows.")
    try:
        point, gap, _ = quantile_point(x, target, tau, _TOL, _MOST)
    except np.linalg.LinAlgError as error:  # pragma: no cover - the rank was checked; rounding at the very end
        raise ConvergenceError(f"quantile regression at tau={tau:g}: {error}.") from error
    vertex = _vertex(x, target, tau, point)
    if vertex is None and not gap < 1e-6:
        raise ConvergenceError(
            f"quantile regression at tau={tau:g}: the objectives are still {gap:.2g} apart after {_MOST} iterations."
        )
    best = point if vertex is None else vertex
    out: Array = best * spread / scale
    return out


def _vertex(x: Array, y: Array, tau: float, point: Array) -> Array | None:
    """The basic solution next to ``point`` if it is optimal, else None."""
    width = x.shape[1]
    residuals = y - x @ point
    basis = np.argpartition(np.abs(residuals), width - 1)[:width]
    chosen = x[basis]
    if np.linalg.matrix_rank(chosen) < width:
        return None
    solution = np.asarray(np.linalg.solve(chosen, y[basis]), dtype=np.float64)
    residuals = y - x @ solution
    rest = np.ones(y.size, bool)
    rest[basis] = False
    # the subgradient of the interpolated observations must lie in [tau - 1, tau]
    pull = x[rest].T @ np.where(residuals[rest] < 0.0, tau - 1.0, tau)
    weights = np.linalg.solve(chosen.T, -pull)
    inside = bool(np.all(weights >= tau - 1.0 - 1e-9) and np.all(weights <= tau + 1e-9))
    return solution if inside else None


def fit_quantile_rows(target: Array, design: Array, tau: float, *, center: bool = True) -> Autoregression:
    r"""Regression quantiles of rows made by `var.lag_rows`, equation by equation.

    Parameters
    ----------
    target : (n, N). design : (n, 1 + Np). tau : quantile of every equation.
    center : take the residuals' mean off before their covariance is computed. At :math:`\tau\ne1/2` residuals do not
        have mean zero (at .05 nearly all are positive), and the mean of their products is then a covariance plus the
        product of two means: it would make independent columns look connected in the tails.
    """
    if target.shape[0] <= design.shape[1] + target.shape[1]:
        raise DataError(
            f"{target.shape[0]} rows cannot give {design.shape[1]} coefficients an equation and a covariance of "
            f"{target.shape[1]} errors; use fewer lags, fewer columns or a longer sample."
        )
    solution = np.stack([quantile_regression(column, design, tau) for column in target.T], axis=1)
    return assemble(solution, target, design, center=center)
