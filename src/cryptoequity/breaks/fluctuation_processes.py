r"""Empirical fluctuation processes of a regression, as arrays.

.. math:: y_t=x_t'\beta_t+u_t,\qquad H_0:\ \beta_t=\beta

A process over the sample has T + 1 rows, the first and the last of them for no observation and for all. Every process
is invariant to :math:`y\to a y+Xb`, a > 0. Conventions are those of the strucchange package for R.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError, SpecError
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from ..kernels import fluctuation as kernels

__all__ = [
    "error_variance",
    "moving_estimates",
    "moving_sums",
    "ols_residuals",
    "recursive_estimates",
    "recursive_part",
    "score_sums",
    "sums",
    "symmetric_root",
    "window",
]


def ols_residuals(y: Array, x: Array) -> Array:
    """Residuals of least squares (T,)."""
    residuals: Array = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return check_residuals(residuals, y)


def check_residuals(residuals: Array, y: Array) -> Array:
    """Refuse residuals of a regression that fits perfectly."""
    if not np.abs(residuals).max() > 1e-10 * np.abs(y).max():
        raise DataError("the regression fits y exactly: there are no residuals to test. Is y among the exog?")
    return residuals


def error_variance(residuals: Array, dof: int, long_run: LongRun | None) -> float:
    """Variance e'e / (T - ``dof``), or the long-run variance of ``residuals`` (T,)."""
    if long_run is None:
        return float(residuals @ residuals) / (residuals.size - dof)
    value = float(long_run.covariance(residuals[:, None], dof)[0, 0])
    if not value > 0.0:
        raise DataError(f"the long-run variance is estimated at {value:.4g}; use the Bartlett or QS kernel, wider.")
    return value


def recursive_part(y: Array, x: Array) -> tuple[Array, Array]:
    """Recursive residuals (T - K,) and recursive coefficients (T - K + 1, K), from row K - 1 on.

    Raises
    ------
    DataError : the first K rows do not identify the K coefficients.
    """
    width = x.shape[1]
    w, coefficients, diagonal = kernels.recursive_residuals(y, x)
    small = diagonal <= 1e-10 * np.sqrt(np.einsum("tk,tk->k", x, x) / x.shape[0])
    if small.any():
        raise DataError(
            f"the first {width} rows do not identify the {width} coefficients (column {int(np.argmax(small))} of the "
            "regressors carries nothing of its own there), so there is no recursion; start the sample later, or use "
            "a test of OLS residuals or scores."
        )
    return check_residuals(w[width:], y), coefficients[width - 1 :]


def window(bandwidth: float, nobs: int) -> int:
    """Observations in a window, the integer part of ``bandwidth`` times ``nobs``.

    Raises
    ------
    SpecError : not a share of the sample. DataError : a window of fewer than 2 rows.
    """
    if not 0.0 < bandwidth < 1.0:
        raise SpecError(f"bandwidth={bandwidth!r}: a share of the sample between 0 and 1.")
    size = int(bandwidth * nobs + 1e-9)
    if size < 2:
        raise DataError(f"bandwidth={bandwidth} of {nobs} observations is a window of {size}; use at least 2.")
    return size


def sums(values: Array) -> Array:
    """Cumulative sums from zero: (T,) to (T + 1,), or (T, K) to (T + 1, K)."""
    out = np.zeros((values.shape[0] + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=out[1:])
    return out


def moving_sums(values: Array, size: int) -> Array:
    """Sums over windows of ``size`` rows, T - size + 1 of them."""
    total = sums(values)
    out: Array = total[size:] - total[:-size]
    return out


def symmetric_root(matrices: Array) -> Array:
    """Symmetric roots of positive semidefinite matrices (..., K, K)."""
    values, vectors = np.linalg.eigh(matrices)
    out: Array = (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return out


def recursive_estimates(y: Array, x: Array, rescale: bool, long_run: LongRun | None) -> Array:
    r"""Recursive-estimates process (T + 1, K) of Ploberger, Krämer and Kontrus (1989).

    .. math:: Y_t=\frac t{\hat\sigma\sqrt T}\Bigl(\frac{X_t'X_t}t\Bigr)^{1/2}(\hat\beta_t-\hat\beta_T)

    ``rescale=False`` takes :math:`X'X/T` for the moment matrix. Rows before K are zero.
    """
    nobs, width = x.shape
    _, coefficients = recursive_part(y, x)
    variance = error_variance(ols_residuals(y, x), width, long_run)
    moves = coefficients - coefficients[-1]
    times = np.arange(width, nobs + 1)
    products = sums(np.einsum("ti,tj->tij", x, x))
    moment = products[width:] / times[:, None, None] if rescale else products[-1:] / nobs
    out = np.zeros((nobs + 1, width))
    turned = np.einsum("tij,tj->ti", np.broadcast_to(symmetric_root(moment), (times.size, width, width)), moves)
    out[width:] = turned * (times / np.sqrt(variance * nobs))[:, None]
    return out


def moving_estimates(y: Array, x: Array, size: int, rescale: bool, long_run: LongRun | None) -> Array:
    r"""Moving-estimates process (T - size + 1, K) of Chu, Hornik and Kuan (1995).

    :math:`\frac{n_h}{\hat\sigma\sqrt T}(X_w'X_w/n_h)^{1/2}(\hat\beta_w-\hat\beta_T)` over windows w of :math:`n_h`
    rows; ``rescale`` as in `recursive_estimates`.
    """
    nobs, width = x.shape
    if size <= width:
        raise DataError(
            f"a window of {size} observations cannot identify {width} coefficients; use a larger bandwidth or sample."
        )
    # orthonormal regressors: the normal equations of a window lose as few digits as they can
    q, r = np.linalg.qr(x)
    products = moving_sums(np.einsum("ti,tj->tij", q, q), size)
    values = np.linalg.eigvalsh(products)
    bad = values[:, 0] <= 1e-10 * values[:, -1]
    if bad.any():
        first = int(np.argmax(bad))
        raise DataError(
            f"the regressors are linearly dependent in the window of rows {first} to {first + size - 1}; "
            "use a larger bandwidth, or recursive estimates."
        )
    moved = np.linalg.solve(products, moving_sums(q * y[:, None], size)[..., None])[..., 0] - q.T @ y
    moves = np.linalg.solve(r, moved.T).T
    variance = error_variance(ols_residuals(y, x), width, long_run)
    moment = r.T @ products @ r / size if rescale else (x.T @ x / nobs)[None]
    roots = np.broadcast_to(symmetric_root(moment), products.shape)
    out: Array = np.einsum("tij,tj->ti", roots, moves) * (size / np.sqrt(variance * nobs))
    return out


def score_sums(y: Array, x: Array, variance: bool, long_run: LongRun | None, size: int | None) -> Array:
    r"""Sums of decorrelated scores, cumulative (T + 1, P) or over windows of ``size`` rows (T - size + 1, P).

    :math:`\hat J^{-1/2}T^{-1/2}\sum\psi_t` with :math:`\psi_t=(x_t\hat u_t,\ \hat u_t^2-\hat\sigma^2)`, the second part
    with ``variance`` only; :math:`\hat J` is the mean outer product of the scores, or their long-run covariance.
    """
    residuals = ols_residuals(y, x)
    scores = x * residuals[:, None]
    if variance:
        squares = residuals**2
        scores = np.column_stack([scores, squares - squares.mean()])
    nobs = scores.shape[0]
    outer = scores.T @ scores / nobs if long_run is None else long_run.covariance(scores)
    values, vectors = np.linalg.eigh(outer)
    # scores of different units: dependence is judged on their correlation
    scale = np.sqrt(np.diag(outer))
    if not np.linalg.eigvalsh(outer / np.outer(scale, scale))[0] > 1e-12:
        raise DataError("the scores are linearly dependent; drop a regressor, or use variance=False.")
    white = scores @ ((vectors / np.sqrt(values)) @ vectors.T) / np.sqrt(nobs)
    return sums(white) if size is None else moving_sums(white, size)
