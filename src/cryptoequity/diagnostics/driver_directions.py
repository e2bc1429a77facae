r"""How a variable in the recursion of DCC moves every correlation, and the statistic of that; see `driver_test`."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from ..correlation.likelihood import CorrelationLikelihood
from ..errors import SpecError, check_option
from ..estimation.params import Array
from .null_fit import NullFit
from .null_statistics import opg_statistic, robust_statistic

__all__ = ["driver_directions", "driver_statistic", "read_loadings", "standardized"]


def standardized(x: Array) -> Array:
    """Zero mean and unit variance: what remains of a driver that matters here."""
    centered = x - x.mean()
    out: Array = centered / np.sqrt(np.mean(centered**2))
    return out


def read_loadings(loading: str | Array, model: CorrelationLikelihood) -> Array:
    """Matrices K, (L, N, N)."""
    n = model.n
    if isinstance(loading, str):
        check_option("loading", loading, ("common", "pairs"))
        if loading == "common":
            return np.ones((1, n, n))
        rows, cols = model.pairs
        out = np.zeros((rows.size, n, n))
        out[range(rows.size), rows, cols] = out[range(rows.size), cols, rows] = 1.0
        return out
    matrix = np.asarray(loading, float)
    if matrix.shape != (n, n) or not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T):
        raise SpecError(f"loading: a symmetric ({n}, {n}) matrix, 'common' or 'pairs'; this is {matrix.shape}.")
    rows, cols = model.pairs
    if not np.any(matrix[rows, cols] != 0.0):
        raise SpecError("loading: no element off the diagonal, so no correlation would move.")
    return matrix[None]


def driver_directions(null: NullFit, x: Array, loadings: Array) -> Array:
    """Derivative of every correlation by every c, (L, T, P); see `driver_test`."""
    model = null.model
    if not isinstance(model, CorrelationLikelihood):
        raise SpecError("driver_test is for DCC and CCC.")
    a, b, _, _ = model.split(null.theta)
    f = lfilter([1.0], [1.0, -b], standardized(x))
    q = np.ones_like(model.z)
    if model.dynamic:
        # the diagonal of Q_t: a recursion of its own in the squared residuals
        news = np.concatenate([np.diag(model.start)[None], model.z[:-1] ** 2])
        head = b * np.diag(model.start)[None]
        q = lfilter([1.0], [1.0, -b], 1.0 - a - b + a * news, axis=0, zi=head)[0]
    rows, cols = model.pairs
    path = model.path(null.theta, rows, cols)
    out = np.empty((loadings.shape[0], *path.shape))
    for k, matrix in enumerate(loadings):
        diagonal = np.diag(matrix) / q
        out[k] = matrix[rows, cols] / np.sqrt(q[:, rows] * q[:, cols])
        out[k] -= 0.5 * path * (diagonal[:, rows] + diagonal[:, cols])
        out[k] *= f[:, None]
    return out


def driver_statistic(null: NullFit, x: Array, loadings: Array, robust: bool) -> float:
    """Statistic of `driver_test`."""
    directions = driver_directions(null, x, loadings)

    def project(scores: Array) -> Array:
        out: Array = np.einsum("ltp,tp->tl", directions, scores)
        return out

    moments = project(null.scores[0])
    if robust:
        return robust_statistic(moments, null.score_slope(project), null)
    own = null.own_part
    blocks = [own.score] if own is not None else []
    if not null.model.dynamic:
        blocks.append(null.scores[0])
    return opg_statistic(moments, np.concatenate(blocks, axis=1))
