r"""Correlation matrices that maximise a weighted likelihood, by Fisher scoring.

For a moment S of residuals with unit variance, :math:`Q(R)=-\tfrac12\{\log|R|+\operatorname{tr}(R^{-1}S)\}` has no
closed maximum over correlation matrices beyond two columns. Its slope and information by elements above the diagonal,

.. math:: \frac{\partial Q}{\partial\rho_{ab}}=(R^{-1}SR^{-1}-R^{-1})_{ab},\qquad
          \mathcal I_{ab,cd}=R^{-1}_{ac}R^{-1}_{bd}+R^{-1}_{ad}R^{-1}_{bc},

give steps that rise, halved until the matrix is positive definite and Q higher. Near the maximum, which is where EM
calls, one or two are all it takes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..estimation.params import Array

__all__ = ["correlation_of_moment", "fit_value", "slope_and_information"]

Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
HALVINGS = 25
FLOOR = 1e-5  # smallest eigenvalue of a start


def fit_value(corr: Array, moment: Array) -> float:
    """Q of a matrix; -inf where it is not positive definite."""
    try:
        low = np.linalg.cholesky(corr)
    except np.linalg.LinAlgError:
        return -np.inf
    return float(-np.log(np.diag(low)).sum() - 0.5 * np.trace(np.linalg.solve(corr, moment)))


def slope_and_information(corr: Array, moment: Array, pairs: Pairs) -> tuple[Array, Array]:
    """Slope (M,) and information (M, M) of Q by the elements at ``pairs``."""
    inverse = np.linalg.inv(corr)
    rows, cols = pairs
    slope = (inverse @ moment @ inverse - inverse)[rows, cols]
    information = (
        inverse[np.ix_(rows, rows)] * inverse[np.ix_(cols, cols)]
        + inverse[np.ix_(rows, cols)] * inverse[np.ix_(cols, rows)]
    )
    return slope, information


def correlation_of_moment(moment: Array, start: Array | None, steps: int) -> Array:
    """The matrix that maximises Q, after at most ``steps`` steps from ``start`` or from the scaled moment."""
    n = moment.shape[0]
    pairs = np.triu_indices(n, 1)
    if start is None:
        scale = np.sqrt(np.diag(moment))
        start = moment / np.outer(scale, scale)
        lowest = float(np.linalg.eigvalsh(start)[0])
        if lowest < FLOOR:  # too few observations for a matrix of full rank: begin inside
            start = start + (FLOOR - lowest) / (1.0 - lowest) * (np.eye(n) - start)
    corr: Array = start.copy()
    value = fit_value(corr, moment)
    for _ in range(steps):
        slope, information = slope_and_information(corr, moment, pairs)
        step = np.linalg.solve(information, slope)
        rise = float(slope @ step)
        if rise < 1e-14:
            break
        length = 1.0
        for _ in range(HALVINGS):
            trial = corr.copy()
            trial[pairs] += length * step
            trial[pairs[1], pairs[0]] = trial[pairs]
            new = fit_value(trial, moment)
            if new > value:
                break
            length *= 0.5
        else:
            break
        corr, value = trial, new
    return corr
