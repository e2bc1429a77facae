r"""Gaussian quasi-likelihood of a system of equations in regimes: the best partitions, robust moments, date laws.

With y (T, N) on x (T, K) in every equation and regimes of n rows with residual products :math:`W_j=\sum uu'`, the
costs that partitions minimize are, up to constants that no partition changes,

.. math:: \text{both: }\sum_j\tfrac{n_j}2\ln|W_j/n_j|,\qquad \text{mean: }\tfrac T2\ln|\textstyle\sum_jW_j/T|,\qquad
          \text{covariance: }\min_B\sum_j\tfrac{n_j}2\ln|W_j(B)/n_j| .

The first is a sum over regimes and solved exactly. The other two share a parameter (the covariance, the coefficients):
given it they are sums too, and dates and shared parameter are improved in turn, from several starts. Every step raises
the likelihood; one break in the mean is searched exhaustively.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from ..kernels.qu_perron import determinant_row, squares_row, system_dp
from ..kernels.segment import orthogonalize, residual_products
from ..volatility import Margins
from .sample import read_regression, read_series

__all__ = ["Search", "System", "coefficients_of", "moments_of", "read_system", "search", "split_path", "whitened_gains"]

ROUNDS = 50  # of dates and shared parameter in turn
TOLERANCE = 1e-10  # of the cost, per observation
CHANGES = ("mean", "covariance", "both")
Improve = Callable[[Array, Array, tuple[int, ...], int, int], tuple[float, tuple[int, ...], bool]]


@dataclass(frozen=True, eq=False)
class System:
    """Equations ``y`` (T, N) on the same regressors ``x`` (T, K), the first a constant."""

    y: Array = field(repr=False)
    x: Array = field(repr=False)
    index: pd.Index = field(repr=False)
    names: tuple[str, ...]
    regressors: tuple[str, ...]

    @property
    def nobs(self) -> int:
        """Observations."""
        return int(self.y.shape[0])

    def breaking(self, changes: str) -> int:
        """Parameters that may break."""
        n, k = int(self.y.shape[1]), int(self.x.shape[1])
        return (changes != "covariance") * n * k + (changes != "mean") * n * (n + 1) // 2

    def counted(self, changes: str, breaks: int) -> int:
        """Parameters and dates of a partition, as the information criterion counts them."""
        n, k = int(self.y.shape[1]), int(self.x.shape[1])
        fixed = n * k + n * (n + 1) // 2
        return fixed + breaks * (self.breaking(changes) + 1)


@dataclass(frozen=True, eq=False)
class Search:
    """Best partitions for 0, …, M breaks.

    Attributes
    ----------
    cost : (M + 1,) half of minus twice the log-likelihood, relative to no break; inf where nothing fits.
    positions : first rows of the new regimes, by breaks. converged, agreement : (M + 1,) whether dates and shared
        parameter settled, and the share of starts that ended at the best. singular : segments left out as singular.
    """

    cost: Array
    positions: tuple[tuple[int, ...], ...]
    converged: tuple[bool, ...]
    agreement: tuple[float, ...]
    singular: int


def read_system(data: Any, exog: Any, min_obs: int) -> System:
    """Return equations and regressors as arrays, or refuse them with the reason.

    Parameters
    ----------
    data : frame or array (T, N); fitted margins stand for their standardized residuals.
    """
    if isinstance(data, Margins):
        data = data.std_resid
    if isinstance(data, pd.Series):
        data = data.to_frame("y1" if data.name is None else str(data.name))
    if not isinstance(data, pd.DataFrame):
        array: Any = np.asarray(data)
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2:
            raise DataError(f"data must have two dimensions, observations and columns, not shape {array.shape}.")
        data = pd.DataFrame(array, columns=[f"y{i + 1}" for i in range(array.shape[1])])
    names = tuple(str(name) for name in data.columns)
    if not names:
        raise DataError("data has no column.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"data: two columns are called {twice!r}; rename one.")
    columns = [read_series(data.iloc[:, i], "data", min_obs=min_obs) for i in range(len(names))]
    design = read_regression(data.iloc[:, 0], exog, min_obs=min_obs, filtered="ignore")
    y = np.ascontiguousarray(np.stack([one.values for one in columns], axis=1))
    left = y - design.x @ np.linalg.lstsq(design.x, y, rcond=None)[0]
    scale = np.sqrt(np.mean(left**2, axis=0))
    flat = scale <= 1e-10 * np.abs(y).max(axis=0)
    if flat.any():
        raise DataError(f"{names[int(np.argmax(flat))]!r} is explained exactly by the regressors; nothing can break.")
    if np.linalg.matrix_rank(left / scale, tol=1e-8 * np.sqrt(y.shape[0])) < len(names):
        raise DataError(f"the columns {list(names)} are collinear: one is a combination of the others; drop it.")
    return System(y, design.x, columns[0].index, names, design.names)


def coefficients_of(y: Array, x: Array) -> Array:
    """Least-squares coefficients (K, N)."""
    return np.asarray(np.linalg.lstsq(x, y, rcond=None)[0], np.float64)


def _whiten(y: Array, covariance: Array) -> Array:
    return np.ascontiguousarray(np.linalg.solve(np.linalg.cholesky(covariance), y.T).T)


def _standard(y: Array, x: Array) -> tuple[Array, Array]:
    """Residuals with unit covariance and orthogonal regressors: no cost changes but by a constant."""
    left = y - x @ coefficients_of(y, x)
    return _whiten(left, left.T @ left / y.shape[0]), orthogonalize(np.ascontiguousarray(x))


def _log_det(matrix: Array) -> float:
    sign, value = np.linalg.slogdet(matrix)
    return float(value) if sign > 0 else float("inf")


def _segments(positions: tuple[int, ...], nobs: int) -> list[tuple[int, int]]:
    return list(pairwise((0, *positions, nobs)))


def search(y: Array, x: Array, h: int, breaks: int, changes: str) -> Search:
    """Partitions of the largest likelihood with at least ``h`` rows in every regime, see the head of this file."""
    u, q = _standard(y, x)
    joint = np.concatenate([q, u], axis=1)
    cost, found, singular = system_dp(joint, q.shape[1], h, breaks, True)
    positions = [tuple(int(p) for p in found[m - 1, :m]) if np.isfinite(cost[m]) else () for m in range(breaks + 1)]
    positions[0] = ()
    if changes == "both":
        return Search(cost, tuple(positions), (True,) * (breaks + 1), (1.0,) * (breaks + 1), singular)
    improve: Improve = _mean_rounds if changes == "mean" else _covariance_rounds
    best_cost = np.full(breaks + 1, np.inf)
    best_cost[0] = 0.0
    best: list[tuple[int, ...]] = [()] * (breaks + 1)
    settled, agree = [True] * (breaks + 1), [1.0] * (breaks + 1)
    for m in range(1, breaks + 1):
        if changes == "mean" and m == 1:
            path = _pooled_path(joint, q.shape[1], h)
            where = int(np.argmin(path))
            runs: list[tuple[float, tuple[int, ...], bool]] = [(float(path[where]), (where,), True)]
        else:
            # from no break, from the best with every parameter free, and from the best with one break fewer
            runs = [improve(u, q, start, h, m) for start in dict.fromkeys([(), positions[m], best[m - 1]])]
        costs = np.array([run[0] for run in runs])
        winner = int(np.argmin(costs))
        best_cost[m], best[m], settled[m] = runs[winner]
        if np.isfinite(best_cost[m]):
            agree[m] = float(np.mean(costs <= best_cost[m] + 1e-6))
    return Search(best_cost, tuple(best), tuple(settled), tuple(agree), singular)


def _pooled_path(joint: Array, width: int, h: int) -> Array:
    """Cost of one break in the coefficients at every row, (T,); inf where it is not admitted."""
    nobs, equations = joint.shape[0], joint.shape[1] - width
    forward, backward = np.empty((2, nobs, equations, equations))
    residual_products(joint, width, forward)
    residual_products(np.ascontiguousarray(joint[::-1]), width, backward)
    path = np.full(nobs, np.inf)
    rows = np.arange(h, nobs - h + 1)
    total = (forward[rows - 1] + backward[::-1][rows]) / nobs
    fine = np.isfinite(total).all(axis=(1, 2))
    sign, value = np.linalg.slogdet(total[fine])
    path[rows[fine]] = np.where(sign > 0, 0.5 * nobs * value, np.inf)
    return path


def _pooled(u: Array, q: Array, positions: tuple[int, ...]) -> Array:
    total = np.zeros((u.shape[1], u.shape[1]))
    for first, end in _segments(positions, u.shape[0]):
        left = u[first:end] - q[first:end] @ coefficients_of(u[first:end], q[first:end])
        total += left.T @ left
    out: Array = total / u.shape[0]
    return out


def _mean_rounds(
    u: Array, q: Array, positions: tuple[int, ...], h: int, breaks: int
) -> tuple[float, tuple[int, ...], bool]:
    """Dates given the covariance, the covariance given the dates, until neither moves."""
    nobs, cost = u.shape[0], np.inf
    for _ in range(ROUNDS):
        covariance = _pooled(u, q, positions)
        joint = np.concatenate([q, _whiten(u, covariance)], axis=1)
        found = system_dp(joint, q.shape[1], h, breaks, False)
        if not np.isfinite(found[0][breaks]):
            return np.inf, (), True
        positions = tuple(int(p) for p in found[1][breaks - 1])
        now = 0.5 * nobs * _log_det(_pooled(u, q, positions))
        if now >= cost - TOLERANCE * nobs:
            return min(now, cost), positions, True
        cost = now
    return cost, positions, False


def _covariance_rounds(
    u: Array, q: Array, positions: tuple[int, ...], h: int, breaks: int
) -> tuple[float, tuple[int, ...], bool]:
    """Dates given the coefficients, coefficients and covariances given the dates, until neither moves."""
    nobs, cost = u.shape[0], np.inf
    for _ in range(ROUNDS):
        coefficients, _, settled = common_coefficients(u, q, positions)
        left = np.ascontiguousarray(u - q @ coefficients)
        found = system_dp(left, 0, h, breaks, True)
        if not np.isfinite(found[0][breaks]):
            return np.inf, (), True
        positions = tuple(int(p) for p in found[1][breaks - 1])
        _, now, settled = common_coefficients(u, q, positions)
        if now >= cost - TOLERANCE * nobs:
            return min(now, cost), positions, settled
        cost = now
    return cost, positions, False


def common_coefficients(y: Array, x: Array, positions: tuple[int, ...]) -> tuple[Array, float, bool]:
    r"""Coefficients (K, N) common to regimes with covariances of their own, by iterated generalized least squares.

    Returns
    -------
    coefficients, cost :math:`\sum_j\tfrac{n_j}2\ln|\hat\Sigma_j|` at them, whether they settled.
    """
    parts = _segments(positions, y.shape[0])
    coefficients = coefficients_of(y, x)
    width, equations = coefficients.shape
    for _ in range(4 * ROUNDS):
        bread, side, cost = np.zeros((width * equations,) * 2), np.zeros(width * equations), 0.0
        for first, end in parts:
            yy, xx = y[first:end], x[first:end]
            left = yy - xx @ coefficients
            covariance = left.T @ left / (end - first)
            cost += 0.5 * (end - first) * _log_det(covariance)
            precision = np.linalg.inv(covariance)
            bread += np.kron(xx.T @ xx, precision)
            side += (xx.T @ yy @ precision).ravel()
        if not parts[1:]:
            return coefficients, cost, True
        before, coefficients = coefficients, np.linalg.solve(bread, side).reshape(width, equations)
        # a move of the fitted values, against the residuals of the last regime
        if np.abs(x @ (coefficients - before)).max() <= 1e-9 * float(np.sqrt(np.trace(covariance))):
            return coefficients, cost, True
    return coefficients, cost, False


def moments_of(y: Array, x: Array, changes: str) -> Array:
    """Moments (T, q) whose mean moves when what ``changes`` names does: products x u, and vech(uu' - S)."""
    left = y - x @ coefficients_of(y, x)
    parts = []
    if changes != "covariance":
        parts.append((x[:, :, None] * left[:, None, :]).reshape(y.shape[0], -1))
    if changes != "mean":
        rows, cols = np.tril_indices(y.shape[1])
        products = left[:, rows] * left[:, cols]
        parts.append(products - products.mean(axis=0))
    return np.concatenate(parts, axis=1)


def whitened_gains(y: Array, x: Array, changes: str, long_run: LongRun | None) -> Array:
    """`moments_of` with unit covariance (long-run covariance with ``long_run``), regressors' column of ones first."""
    u, q = _standard(y, x)
    moments = moments_of(u, q, changes)
    nobs, count = moments.shape
    if nobs <= count + 1:
        raise DataError(
            f"the robust covariance of {count} moments cannot be estimated from {nobs} observations; use fewer columns."
        )
    omega = moments.T @ moments / nobs if long_run is None else long_run.covariance(moments)
    try:
        white = _whiten(moments, omega)
    except np.linalg.LinAlgError as error:
        raise DataError(
            "the moments that may break are collinear; drop a column, or use cov_type='gaussian'."
        ) from error
    return np.ascontiguousarray(np.concatenate([np.ones((nobs, 1)), white], axis=1))


def split_path(z: Array, width: int, h: int, determinant: bool) -> Array:
    """Twice the gain of one break at every row over none, (T,); NaN where it is not admitted."""
    nobs = z.shape[0]
    row = determinant_row if determinant else squares_row
    forward, backward = np.full((2, nobs), np.inf)
    row(z, width, 0, forward)
    row(np.ascontiguousarray(z[::-1]), width, 0, backward)
    path = np.full(nobs, np.nan)
    rows = np.arange(h, nobs - h + 1)
    value = 2.0 * (forward[-1] - forward[rows - 1] - backward[::-1][rows])
    path[rows] = np.where(np.isfinite(value), value, np.nan)
    return path


def likelihood_path(y: Array, x: Array, h: int, changes: str, positions: tuple[int, ...]) -> Array:
    """Likelihood ratio of one break at every row, (T,); "covariance" at the coefficients that go with ``positions``."""
    u, q = _standard(y, x)
    joint = np.concatenate([q, u], axis=1)
    if changes == "both":
        return split_path(joint, q.shape[1], h, True)
    if changes == "mean":
        path = -2.0 * _pooled_path(joint, q.shape[1], h)
        path[~np.isfinite(path)] = np.nan
        return path
    coefficients = common_coefficients(u, q, positions)[0]
    left = np.ascontiguousarray(u - q @ coefficients)
    # twice the likelihood with one break, over that of the common least-squares fit
    return split_path(left, 0, h, True) - 2.0 * _whole(left)


def _whole(left: Array) -> float:
    return 0.5 * float(left.shape[0]) * _log_det(left.T @ left / left.shape[0])
