"""One optimiser for every likelihood: BFGS on a box, started from the outer product of the scores.

Failure is a value with a sentence in it; raising is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..errors import ConvergenceError
from .params import Array, Layout

__all__ = ["Likelihood", "Optimum", "maximize"]


class Likelihood(Protocol):
    """All a model must tell the shared machinery."""

    @property
    def layout(self) -> Layout:
        """Names and constraints of the parameters."""

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood of each observation (T,), and the scores (T, K) when ``want`` is 1."""


@dataclass(frozen=True)
class Optimum:
    """Where the optimiser stopped, and why.

    Attributes
    ----------
    theta, box : estimate in the model's coordinates and in the box.
    loglik : log-likelihood at ``theta``.
    converged : whether another Newton step promises less than ``tol`` of log-likelihood.
    reason : "" when converged, else a sentence.
    gradient : largest absolute derivative of the mean log-likelihood along a free box coordinate.
    agreement : share of the starts that reached this log-likelihood (within 1e-4).
    pinned : box coordinates that sit on their bound with the likelihood rising beyond it.
    evaluations : number of likelihood evaluations.
    curvature : (K, K) the optimiser's estimate of minus the mean Hessian in the box; a warm start.
    """

    theta: Array
    box: Array
    loglik: float
    converged: bool
    reason: str
    gradient: float
    agreement: float
    pinned: tuple[bool, ...]
    evaluations: int
    curvature: Array = field(repr=False)


def maximize(
    lik: Likelihood,
    starts: Sequence[Array] | Array,
    *,
    polish: int = 1,
    tol: float = 1e-8,
    max_iter: int = 200,
    curvature: Array | None = None,
    strict: bool = False,
) -> Optimum:
    """Maximise ``lik`` over its box.

    Parameters
    ----------
    lik : Likelihood
    starts : rows of parameter vectors. All are evaluated, the best ``polish`` are climbed from.
    tol : stop when the next Newton step promises less than this much total log-likelihood.
    max_iter : iterations allowed per start.
    curvature : (K, K) warm start for minus the mean Hessian in the box, e.g. ``Optimum.curvature``.
    strict : raise `ConvergenceError` instead of returning an optimum that did not converge.
    """
    layout = lik.layout
    rows = [np.asarray(start, float) for start in starts]
    count = 0
    if len(rows) > polish:
        values = []
        whole = getattr(lik, "total", None)  # a likelihood may have a quicker way to its sum
        for row in rows:
            total = float(lik.evaluate(row, 0)[0].sum()) if whole is None else whole(row)
            values.append(total if np.isfinite(total) else -np.inf)
            count += 1
        rows = [rows[i] for i in np.argsort(values)[::-1][:polish]]
    climbs = [_climb(lik, layout, layout.box(row), tol, max_iter, curvature) for row in rows]
    best = max(climbs, key=lambda climb: climb.loglik)
    near = [climb.loglik > best.loglik - 1e-4 for climb in climbs]
    optimum = Optimum(
        best.theta,
        best.box,
        best.loglik,
        best.converged,
        best.reason,
        best.gradient,
        sum(near) / len(near),
        best.pinned,
        count + sum(climb.evaluations for climb in climbs),
        best.curvature,
    )
    if strict and not optimum.converged:
        raise ConvergenceError(optimum.reason)
    return optimum


def _climb(lik: Likelihood, layout: Layout, u: Array, tol: float, max_iter: int, curvature: Array | None) -> Optimum:
    """BFGS with projection from one start; minimises f = minus the mean log-likelihood."""
    lower, upper = layout.lower, layout.upper
    size = layout.size

    def evaluate(point: Array) -> tuple[float, Array, Array, float]:
        """Minus the mean, scores, the Jacobian of the box and the total log-likelihood."""
        theta, jac = layout.map(point)
        loglik, score = lik.evaluate(theta, 1)
        total = float(loglik.sum())
        return -total / loglik.shape[0], score, jac, total

    value, score, jac, loglik = evaluate(u)
    count = 1
    if not np.isfinite(value):
        # nothing to climb: say so and let another start win
        nan = np.full((size, size), np.nan)
        sentence = "the likelihood is not finite at the starting values"
        return Optimum(layout.natural(u), u, -np.inf, False, sentence, np.nan, 0.0, (False,) * size, count, nan)
    nobs = score.shape[0]
    mean = np.full(nobs, 1.0 / nobs)  # a product is several times faster here than score.mean(axis=0)
    grad = -(mean @ score @ jac)
    hess = _outer_product(score @ jac) if curvature is None else curvature
    reason = f"no convergence in {max_iter} iterations"
    converged = False
    refreshed = curvature is None
    for _ in range(max_iter):
        active = ((u <= lower) & (grad > 0)) | ((u >= upper) & (grad < 0))
        free = ~active
        step = np.zeros(size)
        if free.all():
            step = _solve(hess, grad)
        elif free.any():
            step[free] = _solve(hess[np.ix_(free, free)], grad[free])
        decrement = -0.5 * nobs * float(grad @ step)
        if decrement < tol:
            converged, reason = True, ""
            break
        length, done = 1.0, False
        for _ in range(40):
            trial = np.clip(u + length * step, lower, upper)
            moved = trial - u
            slope = float(grad @ moved)
            new_value, new_score, new_jac, new_loglik = evaluate(trial)
            count += 1
            if np.isfinite(new_value) and new_value <= value + 1e-4 * slope and slope < 0:
                done = True
                break
            if np.isfinite(new_value) and slope < 0:
                # minimum of the parabola through the two values and the slope, kept in [.1, .5]
                curve = new_value - value - slope
                ratio = -0.5 * slope / curve if curve > 0 else 0.5
                length *= min(max(ratio, 0.1), 0.5)
            else:
                length *= 0.25
        if not done:
            if not refreshed:
                hess, refreshed = _outer_product(score @ jac), True
                continue
            if decrement < 1e-4:  # rounding error ends the climb this close to the top
                converged, reason = True, ""
            else:
                reason = "the line search found no higher point"
            break
        new_grad = -(mean @ new_score @ new_jac)
        hess = _bfgs(hess, moved, new_grad - grad)
        u, value, score, jac, loglik, grad = trial, new_value, new_score, new_jac, new_loglik, new_grad
    active = ((u <= lower) & (grad > 0)) | ((u >= upper) & (grad < 0))
    largest = float(np.abs(grad[~active]).max()) if (~active).any() else 0.0
    return Optimum(
        layout.natural(u),
        u,
        loglik,
        converged,
        reason,
        largest,
        1.0,
        tuple(bool(flag) for flag in active),
        count,
        hess,
    )


def _outer_product(score: Array) -> Array:
    """Mean outer product of scores with its small eigenvalues lifted, so that it can be inverted."""
    matrix = score.T @ score / score.shape[0]
    scale = np.diag(matrix).copy()
    scale[scale == 0] = 1.0
    lifted: Array = matrix + np.diag(1e-6 * scale)
    return lifted


def _solve(hess: Array, grad: Array) -> Array:
    down: Array = -grad / max(1.0, float(np.abs(np.diag(hess)).max()))
    try:
        step = np.asarray(-np.linalg.solve(hess, grad), dtype=np.float64)
    except np.linalg.LinAlgError:
        return down
    return step if float(grad @ step) < 0 else down


def _bfgs(hess: Array, moved: Array, change: Array) -> Array:
    """Powell-damped BFGS update: stays positive definite when the likelihood is not concave there."""
    hs = hess @ moved
    shs = float(moved @ hs)
    sy = float(moved @ change)
    if shs <= 0.0:
        return hess
    if sy < 0.1 * shs:
        mix = 0.9 * shs / (shs - sy)
        change = mix * change + (1.0 - mix) * hs
        sy = float(moved @ change)
    if sy <= 0.0:
        return hess
    updated: Array = hess - np.outer(hs, hs) / shs + np.outer(change, change) / sy
    return updated
