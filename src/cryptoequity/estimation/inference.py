r"""Covariances of M-estimators: Hessian, outer product, sandwich, stacked steps, HAC, fixed-b.

Everything is computed in box coordinates (see `params`), over the coordinates that are free, and carried to
the parameters by the Jacobian; a parameter on its bound gets NaN and the others keep correct errors.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import stats

from ..errors import DataError, check_option
from .long_run import autocovariance_sum
from .optimize import Likelihood, Optimum
from .params import Array

__all__ = [
    "FreePart",
    "ewc_test",
    "free_part",
    "long_run_covariance",
    "mean_outer",
    "newey_west_lags",
    "newey_west_mean",
    "sandwich",
    "spread",
    "t_interval",
]

COV_TYPES = ("robust", "hac", "classic")


@dataclass(frozen=True)
class FreePart:
    """The free box coordinates of an optimum with what the sandwich needs of them.

    Attributes
    ----------
    free : (K,) bool, coordinates neither pinned nor without curvature.
    steps : (K,) step sizes for differences in the box.
    jacobian : (K, F) d theta / d free box coordinates.
    score : (T, F) scores in free box coordinates.
    hessian : (F, F) mean Hessian there.
    """

    free: npt.NDArray[np.bool_]
    steps: Array = field(repr=False)
    jacobian: Array = field(repr=False)
    score: Array = field(repr=False)
    hessian: Array = field(repr=False)


def free_part(
    lik: Likelihood,
    optimum: Optimum,
    score: Array | None = None,
    kinked: npt.NDArray[np.bool_] | None = None,
) -> FreePart:
    """Scores and Hessian (central differences of the analytic scores) over the free coordinates.

    Parameters
    ----------
    score : (T, K) scores at the optimum in the model's coordinates, where they are known already.
    kinked : (K,) coordinates in which single scores jump. The step there is half a standard error, so that
        the jumps of many observations average out; one jump within a tiny step would be a huge curvature.
    """
    layout = lik.layout
    u = optimum.box
    jacobian = layout.jacobian(u)
    score = (lik.evaluate(optimum.theta, 1)[1] if score is None else score) @ jacobian
    mean = np.full(score.shape[0], 1.0 / score.shape[0])  # a product is several times faster than score.mean(axis=0)
    size = np.sqrt(np.einsum("tk,tk->k", score, score) / score.shape[0])
    # a coordinate whose score vanishes has no effect here (b when a = 0): it is not identified
    free = ~np.asarray(optimum.pinned) & (size > 1e-9 * max(float(size.max()), 1e-300))
    steps = np.where(free, 1e-4 / np.where(size > 0, size, 1.0), 0.0)
    if kinked is not None:
        steps = np.where(kinked, steps * 0.5e4 / np.sqrt(score.shape[0]), steps)
    where = np.flatnonzero(free)
    hessian = np.empty((where.size, where.size))
    for column, j in enumerate(where):
        ends = []
        for sign in (1.0, -1.0):
            point = u.copy()
            point[j] = min(max(u[j] + sign * steps[j], layout.lower[j]), layout.upper[j])
            theta, jac = layout.map(point)
            slope = mean @ lik.evaluate(theta, 1)[1] @ jac
            ends.append((point[j], slope[where]))
        hessian[:, column] = (ends[0][1] - ends[1][1]) / (ends[0][0] - ends[1][0])
    hessian = 0.5 * (hessian + hessian.T)
    return FreePart(free, steps, jacobian[:, where], score[:, where], hessian)


def mean_outer(moments: Array) -> Array:
    """Mean outer product of the rows of ``moments`` (T, K)."""
    product: Array = moments.T @ moments / moments.shape[0]
    return product


def newey_west_lags(nobs: int) -> int:
    """The lag rule of the MFE toolbox for moment conditions: the integer part of 1.2 T^(1/3)."""
    return int(1.2 * nobs ** (1 / 3))


def long_run_covariance(moments: Array, lags: int) -> Array:
    """Newey–West (1987) covariance of the mean's root-T limit, Bartlett weights, not demeaned: (K, K)."""
    return autocovariance_sum(moments, "bartlett", lags + 1.0)


def sandwich(bread: Array, moments: Array, cov_type: str = "robust", lags: int | None = None) -> Array:
    r"""Covariance :math:`A^{-1}BA^{-\top}/T` of the root of stacked moment conditions.

    Parameters
    ----------
    bread : (K, K) mean derivative of the moments by the parameters; need not be symmetric.
    moments : (T, K) moment conditions at the estimate.
    cov_type : "robust" (B is the mean outer product), "hac" (Newey–West) or "classic" (-A^{-1}/T).
    lags : lags of "hac"; by default the integer part of 1.2 T^(1/3).
    """
    check_option("cov_type", cov_type, COV_TYPES)
    nobs = moments.shape[0]
    if bread.size == 0:
        return np.empty((0, 0))
    if cov_type == "classic":
        classic: Array = -np.linalg.inv(bread) / nobs
        return 0.5 * (classic + classic.T)
    if cov_type == "hac":
        meat = long_run_covariance(moments, newey_west_lags(nobs) if lags is None else lags)
    else:
        meat = mean_outer(moments)
    left = np.linalg.solve(bread, meat)
    cov: Array = np.linalg.solve(bread, left.T).T / nobs
    return 0.5 * (cov + cov.T)


def spread(part_cov: Array, jacobian: Array) -> Array:
    """Carry a covariance of free box coordinates to the parameters; NaN where nothing is free."""
    cov = jacobian @ part_cov @ jacobian.T
    cov = 0.5 * (cov + cov.T)  # symmetric to the last bit
    fixed = ~np.any(jacobian != 0.0, axis=1)
    cov[fixed, :] = np.nan
    cov[:, fixed] = np.nan
    out: Array = cov
    return out


def newey_west_mean(series: Array, lags: int) -> float:
    """Newey–West standard error of the mean of ``series`` (T,)."""
    return float(np.sqrt(long_run_covariance((series - series.mean())[:, None], lags)[0, 0] / series.size))


def ewc_test(moments: Array, terms: int | None = None) -> tuple[float, int]:
    r"""Standard error of a mean by equal-weighted cosines, with the degrees of freedom of its t law.

    :math:`\hat\Omega=\frac1\nu\sum_{j\le\nu}\Lambda_j^2`,
    :math:`\Lambda_j=\sqrt{2/T}\sum_t (x_t-\bar x)\cos\{\pi j(t-1/2)/T\}`; the t-statistic is t with
    :math:`\nu` degrees of freedom under fixed-b asymptotics, and :math:`\nu=0.4T^{2/3}` by default
    (Lazarus, Lewis, Stock & Watson 2018).

    Parameters
    ----------
    moments : (T,) series whose mean is asked about.

    Returns
    -------
    standard error of the mean, degrees of freedom.
    """
    nobs = moments.size
    count = int(0.4 * nobs ** (2 / 3)) if terms is None else terms
    if not 1 <= count < nobs:
        raise DataError(f"the cosine estimator needs between 1 and {nobs - 1} terms, not {count}")
    grid = np.pi * (np.arange(nobs) + 0.5) / nobs
    basis = np.cos(np.outer(np.arange(1, count + 1), grid))
    coefficients = np.sqrt(2.0 / nobs) * basis @ (moments - moments.mean())
    return float(np.sqrt(np.mean(coefficients**2) / nobs)), count


def t_interval(center: float, error: float, df: int, level: float = 0.95) -> tuple[float, float]:
    """Two-sided t interval."""
    half = float(stats.t.isf((1 - level) / 2, df)) * error
    return center - half, center + half
