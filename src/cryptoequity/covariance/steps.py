r"""What a model of H_t must tell, and the stacked covariance of mean, targets and parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..estimation.inference import free_part, mean_outer, sandwich
from ..estimation.optimize import Optimum
from ..estimation.params import Array, Layout

__all__ = ["CovarianceLikelihood", "Targets", "mean_slopes", "stacked_covariance"]


class CovarianceLikelihood(Protocol):
    """What a model of H_t must tell; built on deviations from the mean, (T, N) percent."""

    @property
    def layout(self) -> Layout:
        """Names and constraints; a name that ends in "nu" is the degrees of freedom of joint t shocks."""

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood of each date (T,), minus infinity where H_t is singular; scores (T, K) when ``want``."""

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """H_{ij,t} of the pairs at t = 1 … T, (T, pairs); H_t uses information up to t - 1."""

    def next_covariance(self, theta: Array) -> Array:
        """H_{T+1}, (N, N)."""

    def simulate(self, theta: Array, shocks: Array, *, warm: bool = False) -> tuple[Array, Array | None]:
        """Deviations (H, N) driven by uncorrelated unit-variance ``shocks`` (H, N).

        They start at H_{T+1} when ``warm``, else at the unconditional state. The second item is the
        covariances along the path, (H, N, N), or None; a model may leave them out.
        """

    def expected(self, theta: Array, horizon: int) -> Array:
        """E[H_{T+h}] given the sample, h = 1 … horizon, (horizon, N, N)."""

    def on(self, deviations: Array) -> CovarianceLikelihood:
        """Return the same model with the same targets on other deviations (T', N)."""

    def starts(self) -> Iterator[Array]:
        """Starting values."""


@dataclass(frozen=True)
class Targets:
    """Moments that a model takes from the sample before its likelihood is maximised.

    Attributes
    ----------
    names : names such as "cov.A.B". values : (M,).
    influence : (T, M) influence of each date, as martingale differences where the model allows.
    slopes : (K, M) derivative of the mean score by the targets.
    """

    names: tuple[str, ...]
    values: Array
    influence: Array = field(repr=False)
    slopes: Array = field(repr=False)


def mean_slopes(lik: CovarianceLikelihood, theta: Array, deviations: Array) -> Array:
    """Derivative of the mean score by the mean of each column, targets held fixed: (K, N)."""
    n = deviations.shape[1]
    out = np.empty((theta.size, n))
    for j in range(n):
        step = 1e-4 * float(np.sqrt(np.mean(deviations[:, j] ** 2)))
        ends = []
        for sign in (1.0, -1.0):
            moved = deviations.copy()
            moved[:, j] -= sign * step
            ends.append(lik.on(moved).evaluate(theta, 1)[1].mean(axis=0))
        out[:, j] = (ends[0] - ends[1]) / (2.0 * step)
    return out


def stacked_covariance(
    lik: CovarianceLikelihood,
    optimum: Optimum | None,
    deviations: Array,
    mean_noise: bool,
    targets: Targets | None,
    cov_type: str,
    lags: int | None = None,
) -> tuple[Array, Array]:
    r"""Covariance of mean, targets and free box coordinates from their stacked moments, and its Jacobian.

    .. math:: A=\begin{pmatrix}-I&&\\0&-I&\\A_{31}&A_{32}&A_{33}\end{pmatrix},\qquad V=A^{-1}BA^{-\top}/T

    (Newey & McFadden 1994, theorem 6.1). A second moment about the sample mean does not move with the mean to first
    order, hence the zero; :math:`A_{31}` comes from central differences of the analytic mean score.
    """
    nobs, n = deviations.shape
    k1 = n if mean_noise else 0
    k2 = 0 if targets is None else targets.values.size
    last = None if optimum is None else free_part(lik, optimum)
    k3 = 0 if last is None else last.hessian.shape[0]
    total = k1 + k2 + k3
    bread = -np.eye(total)
    moments = np.empty((nobs, total))
    if k1:
        moments[:, :k1] = deviations
    if targets is not None:
        moments[:, k1 : k1 + k2] = targets.influence
    if last is not None and optimum is not None:
        bottom = k1 + k2
        moments[:, bottom:] = last.score
        bread[bottom:, bottom:] = last.hessian
        if targets is not None:
            bread[bottom:, k1:bottom] = last.jacobian.T @ targets.slopes
        if k1:
            bread[bottom:, :k1] = last.jacobian.T @ mean_slopes(lik, optimum.theta, deviations)
    if cov_type == "classic":
        # each step by itself: the moments have their own variance, the likelihood its Hessian
        head = k1 + k2
        cov = np.zeros((total, total))
        cov[:head, :head] = mean_outer(moments[:, :head]) / nobs
        if last is not None:
            cov[head:, head:] = sandwich(last.hessian, last.score, "classic")
    else:
        cov = sandwich(bread, moments, cov_type, lags)
    height = k1 + k2 + lik.layout.size
    jacobian = np.zeros((height, total))
    jacobian[: k1 + k2, : k1 + k2] = np.eye(k1 + k2)
    if last is not None:
        jacobian[k1 + k2 :, k1 + k2 :] = last.jacobian
    return cov, jacobian
