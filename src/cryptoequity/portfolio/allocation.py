"""Minimum variance under bounds: a small quadratic program, solved exactly by an active set."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..estimation.params import Array

__all__ = ["minimum_variance_bounded"]


def minimum_variance_bounded(cov: Array, lower: Array, upper: Array, start: Array | None = None) -> Array:
    r"""Minimize :math:`w'Hw` subject to :math:`\sum w=1` and :math:`l\le w\le u`.

    The primal active-set method: on the free coordinates the equality-constrained solution is a linear system;
    walk there, stop at the first bound met and keep it, and once nothing is met let go of a bound whose
    multiplier has the wrong sign. H is positive definite, so the minimum is unique and is reached in finitely many
    steps.

    Parameters
    ----------
    cov : (n, n) positive definite. lower, upper : (n,), infinite where free. start : (n,) a feasible point, such as
        the solution of the day before.

    Raises
    ------
    DataError : the walk does not end, which means ``cov`` is singular to working accuracy.
    """
    n = lower.size
    w = _feasible(lower, upper) if start is None else start.copy()
    fixed = (w <= lower) | (w >= upper)
    for _ in range(100 * (n + 1)):
        free = np.flatnonzero(~fixed)
        gradient = cov @ w
        if free.size > 1:
            # on the face: cov_FF step - lambda 1 = -gradient_F, sum of steps zero
            inverse = np.linalg.solve(cov[np.ix_(free, free)], np.stack([gradient[free], np.ones(free.size)], axis=1))
            step = -inverse[:, 0] + inverse[:, 0].sum() / inverse[:, 1].sum() * inverse[:, 1]
            with np.errstate(divide="ignore", invalid="ignore"):
                room = np.where(step < 0.0, (lower[free] - w[free]) / step, (upper[free] - w[free]) / step)
            room = np.where(step == 0.0, np.inf, room)
            k = int(np.argmin(room))
            if room[k] < 1.0:
                w[free] += max(float(room[k]), 0.0) * step
                w[free[k]] = lower[free[k]] if step[k] < 0.0 else upper[free[k]]
                fixed[free[k]] = True
                continue
            w[free] += step
            gradient = cov @ w
        leave = _wrong(gradient, w, lower, upper, fixed)
        if leave.size == 0:
            w[free] += (1.0 - w.sum()) / max(free.size, 1)  # rounding of many steps
            return w
        fixed[leave] = False
    raise DataError("the minimum-variance weights were not found: the covariance is singular to working accuracy.")


def _wrong(gradient: Array, w: Array, lower: Array, upper: Array, fixed: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Coordinates to let go: none at the solution, else the worst one (two when no coordinate is free)."""
    tol = 1e-10 * float(np.abs(gradient).max())
    low, high = fixed & (w <= lower) & (lower < upper), fixed & (w >= upper) & (lower < upper)
    free = np.flatnonzero(~fixed)
    if free.size:
        price = float(gradient[free].mean())
        pull = np.where(low, price - gradient, np.where(high, gradient - price, -np.inf))
        worst = int(np.argmax(pull))
        return np.array([worst]) if pull[worst] > tol else np.empty(0, np.intp)
    # nothing is free: move weight from where it is dear (at the upper bound) to where it is cheap (at the lower)
    up = np.where(low, gradient, np.inf)
    down = np.where(high, gradient, -np.inf)
    gain = float(down.max() - up.min())
    return np.array([int(np.argmin(up)), int(np.argmax(down))]) if gain > tol else np.empty(0, np.intp)


def _feasible(lower: Array, upper: Array) -> Array:
    """Any point with sum one between the bounds."""
    w: Array = np.clip(np.full(lower.size, 1.0 / lower.size), lower, upper)
    for k in range(lower.size):
        w[k] = min(max(w[k] + 1.0 - w.sum(), lower[k]), upper[k])
    return w
