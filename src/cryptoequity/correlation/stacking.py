r"""Standard errors of a correlation model that count the margins and the target estimated before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..estimation.inference import FreePart, free_part, sandwich
from ..estimation.optimize import Optimum
from ..estimation.params import Array
from .model import PathModel

__all__ = ["contracted_covariance", "stacked_covariance", "stacked_moments"]


def stacked_covariance(
    lik: PathModel,
    optimum: Optimum | None,
    parts: Sequence[FreePart],
    dzs: Sequence[Array],
    *,
    cov_type: str,
    target_noise: str,
    lags: int | None = None,
) -> tuple[Array, FreePart | None]:
    r"""Covariance of margins, target and correlation parameters from their stacked moment conditions.

    The moments are the margins' scores :math:`s_{it}`, the target's influence
    :math:`m_{ij,t}=z_iz_j/\sqrt{M_{ii}M_{jj}}-\tfrac12\bar R_{ij}(z_i^2/M_{ii}+z_j^2/M_{jj})` and the scores
    :math:`u_t` of the correlation parameters; their mean derivative is block lower triangular,

    .. math:: A=\begin{pmatrix}A_{11}&&\\A_{21}&-I&\\A_{31}&A_{32}&A_{33}\end{pmatrix},\qquad
              V=A^{-1}BA^{-\top}/T .

    :math:`A_{31},A_{32}` come from differencing the adjoint pass in the correlation parameters
    (Newey & McFadden 1994, theorem 6.1; Engle & Sheppard 2001).

    The target's influence is autocorrelated, for :math:`\operatorname{E}_{t-1}m_t=R_t-\bar R`. Summing the
    recursion gives :math:`\sum m_t\approx\frac{1-b}{1-a-b}\sum\{m_t-(R_t-\bar R)\}`, whose terms are martingale
    differences, and it is these that enter :math:`B`: at a persistence of .97 the error of the target is
    more than twice what :math:`m_t` itself would say, and Newey–West with the usual few lags is no cure.

    Where the target moves with the parameters (cDCC), scores and :math:`A_{33}` are total derivatives, and the
    covariance is that of the part of the target that does not move; `PathModel.nuisance_slope` gives the rest.

    ``target_noise`` is "exact" (as above), "moment" (:math:`m_t` itself, and the diagonal that scales the target
    taken as known in :math:`m_t` but not in :math:`A_{21}`, as the MFE toolbox does: at a correlation of .9 its
    errors of the target are three times too large) or "none" (target taken as known). With "classic" each
    step has minus its inverse Hessian, blind to the steps before it.

    Returns
    -------
    covariance over (free margin coordinates, target if ``target_noise``, free correlation coordinates),
    and the correlation step's `FreePart` (None when it has no parameters).
    """
    bread, moments, last, edges = stacked_moments(lik, optimum, parts, dzs, target_noise)
    if cov_type == "classic":
        steps = np.zeros_like(bread)
        for first, stop in pairwise(edges):
            steps[first:stop, first:stop] = bread[first:stop, first:stop]
        bread = steps
    return sandwich(bread, moments, cov_type, lags), last


def stacked_moments(
    lik: PathModel,
    optimum: Optimum | None,
    parts: Sequence[FreePart],
    dzs: Sequence[Array],
    target_noise: str,
) -> tuple[Array, Array, FreePart | None, list[int]]:
    """A (K, K) and the moments (T, K) of `stacked_covariance`, the last step, and where each step begins."""
    sizes = [part.hessian.shape[0] for part in parts]
    k1 = sum(sizes)
    k2 = 0 if target_noise == "none" else lik.nuisance.size
    last = free_part(lik, replace(optimum, pinned=lik.loose(optimum))) if optimum is not None else None
    k3 = 0 if last is None else last.hessian.shape[0]
    bread = np.zeros((k1 + k2 + k3, k1 + k2 + k3))
    moments = np.empty((lik.nobs, k1 + k2 + k3))
    ends: list[int] = np.cumsum([0, *sizes]).tolist()
    for part, first, stop in zip(parts, ends[:-1], ends[1:], strict=True):
        bread[first:stop, first:stop] = part.hessian
        moments[:, first:stop] = part.score
    theta = np.empty(0) if optimum is None else optimum.theta
    if k2:
        moments[:, k1 : k1 + k2] = lik.nuisance_moments(theta, target_noise)
        bread[k1 : k1 + k2, k1 : k1 + k2] = -np.eye(k2)
        for first, stop, block in zip(ends[:-1], ends[1:], lik.nuisance_tangent(theta, dzs), strict=True):
            bread[k1 : k1 + k2, first:stop] = block
    if last is not None and optimum is not None:
        bottom = k1 + k2
        moments[:, bottom:] = last.score
        bread[bottom:, bottom:] = last.hessian
        for k, (by_margin, by_nuisance) in enumerate(_cross_slopes(lik, optimum, last, dzs)):
            for i, slope in enumerate(by_margin):
                bread[bottom + k, ends[i] : ends[i + 1]] = slope
            if k2:
                bread[bottom + k, k1:bottom] = by_nuisance
        ranks = lik.margin_noise(theta)
        if ranks is not None:
            if k2:
                moments[:, k1:bottom] += ranks[0]
            moments[:, bottom:] += ranks[1] @ last.jacobian
    return bread, moments, last, [*ends, k1 + k2, k1 + k2 + k3]


def _cross_slopes(
    lik: PathModel, optimum: Optimum, last: FreePart, dzs: Sequence[Array]
) -> Iterator[tuple[list[Array], Array]]:
    """For each free correlation coordinate, the slope of its mean score by every margin and by the nuisance."""
    for j in np.flatnonzero(last.free).tolist():
        sides = []
        for sign in (1.0, -1.0):
            point = optimum.box.copy()
            point[j] = np.clip(point[j] + sign * last.steps[j], lik.layout.lower[j], lik.layout.upper[j])
            sides.append((point[j], *lik.by_margins(lik.layout.natural(point), dzs)))
        gap = (sides[0][0] - sides[1][0]) * lik.nobs
        yield (
            [(up - down) / gap for up, down in zip(sides[0][1], sides[1][1], strict=True)],
            (sides[0][2] - sides[1][2]) / gap,
        )


def contracted_covariance(
    lik: PathModel,
    optimum: Optimum,
    parts: Sequence[FreePart],
    dzs: Sequence[Array],
    *,
    cov_type: str,
    target_noise: str,
    lags: int | None = None,
) -> tuple[Array, FreePart]:
    r"""Covariance of the correlation parameters alone, equal to their block of `stacked_covariance`.

    Only their influence function is formed,

    .. math:: \psi_{3t}=-A_{33}^{-1}\{u_t+A_{32}m_t+(A_{31}+A_{32}A_{21})\psi_{1t}\},\qquad
              \psi_{1t}=-A_{11}^{-1}s_t,

    with :math:`A_{32}m_t` and :math:`A_{32}A_{21}` contracted by the model before anything of the target's size is
    built; memory is O(T N + N^2) where the stack takes O(T N^2 + N^4).

    Returns
    -------
    covariance over the free correlation coordinates, and the step's `FreePart`.
    """
    last = free_part(lik, replace(optimum, pinned=lik.loose(optimum)))
    if cov_type == "classic" or last.hessian.size == 0:
        return sandwich(last.hessian, last.score, cov_type, lags), last
    by_margin: list[list[Array]] = []
    by_nuisance: list[Array] = []
    for slopes, targets in _cross_slopes(lik, optimum, last, dzs):
        by_margin.append(slopes)
        by_nuisance.append(targets)
    moments = last.score.copy()
    noisy = target_noise != "none" and lik.nuisance.size > 0
    weights = np.array(by_nuisance)
    if noisy:
        moments += lik.contracted_moments(optimum.theta, target_noise, weights)
        through = lik.contracted_tangent(optimum.theta, dzs, weights)
    ranks = lik.margin_noise(optimum.theta)
    if ranks is not None:
        moments += ranks[1] @ last.jacobian
        if noisy:
            moments += ranks[0] @ weights.T
    for i, part in enumerate(parts):
        if part.hessian.size == 0:
            continue
        slope = np.array([row[i] for row in by_margin])
        if noisy:
            slope = slope + through[i]
        moments -= part.score @ np.linalg.solve(part.hessian, slope.T)
    return sandwich(last.hessian, moments, cov_type, lags), last
