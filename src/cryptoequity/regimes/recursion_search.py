"""Maximisation of likelihoods whose densities are recursions: no M-step in closed form, so no EM.

Every start is climbed a little with exact scores, the best are climbed to the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Protocol

import numpy as np

from ..errors import ConvergenceError, SpecError
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array
from .chain import Chain
from .likelihood import Inference, RegimeLikelihood, Start, replicated

__all__ = ["Recursions", "RecursiveLikelihood", "chain_start", "climb_recursions"]

SHORT = 12  # iterations of every start before the best are kept


class Recursions(Protocol):
    """What the search reads of a model's densities."""

    k: int
    dynamics: ClassVar[tuple[tuple[float, float], ...]]

    def begin(self, weights: Array, first: float, second: float, /) -> Array:
        """Parameters of a start from weights (T, k) and a pair of ``dynamics``."""

    def splits(self, count: int, rng: np.random.Generator) -> Iterator[Array]:
        """``count`` sets of weights (T, k), the most promising first."""


class RecursiveLikelihood(RegimeLikelihood):
    """A likelihood that filters and recurs in one pass."""

    def run(self, theta: Array, want: int, first: Array | None = None) -> tuple[Inference, Array, Array, Array] | None:
        """Filter, two things of the model's own, and scores (T, K) when ``want`` is 1; None where a recursion fails."""
        raise NotImplementedError

    def infer(self, theta: Array, first: Array | None = None) -> Inference:
        """Filter at ``theta``; ``first`` replaces the chain's own law of the first state."""
        found = self.run(theta, 0, first)
        if found is not None:
            return found[0]
        nan, law = np.full((self.nobs, self.k), np.nan), np.full(self.k, 1.0 / self.k)
        p = self.chain.matrices(self.split(theta)[1])
        return Inference(np.full(self.nobs, -np.inf), nan, nan, nan, p, law)

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood by date (T,), less its share of a penalty, and scores (T, K) when ``want`` is 1."""
        found = self.run(theta, want)
        if found is None:
            return np.full(self.nobs, -np.inf), np.zeros((self.nobs if want else 0, self.layout.size))
        penalty, pull = self.chain.penalize(self.split(theta)[1])
        score = found[3]
        if want:
            score[:, self.inside :] -= pull / self.nobs
        return found[0].loglik - penalty / self.nobs, score

    def weakness(self, theta: Array) -> str:
        """Why an optimum is degenerate, or ""."""
        raise NotImplementedError


def climb_recursions(
    lik: RecursiveLikelihood,
    starts: int = 20,
    rng: int | np.random.Generator = 0,
    *,
    warm: Array | None = None,
    keep: int = 3,
    tol: float = 1e-8,
) -> tuple[Optimum, list[Start]]:
    """Maximise from ``starts`` data-driven and random starts: all are climbed a little, the best ``keep`` to the end.

    Where the best ``keep`` all end in degenerate solutions, the others are climbed in turn until one does not.

    Raises
    ------
    ConvergenceError : every start ended in a degenerate solution, with the cause.
    """
    if not isinstance(starts, int) or isinstance(starts, bool) or starts < 1:
        raise SpecError(f"starts={starts!r}: at least one.")
    generator = np.random.default_rng(rng)
    own: Recursions = lik.emission  # type: ignore[assignment]
    chain = lik.chain
    flat = np.full(own.k, 1.0 / own.k)
    begins = [] if warm is None else [warm]
    for number, weights in enumerate(own.splits(starts, generator)):
        inner = own.begin(weights, *own.dynamics[number // 2 % len(own.dynamics)])
        begins.append(np.concatenate([inner, chain_start(chain, weights)]))
    tried: list[Start] = []
    for theta in begins:
        optimum = maximize(lik, [theta], tol=1e-4, max_iter=SHORT)
        reason = lik.weakness(optimum.theta)
        path = np.array([float(lik.evaluate(theta, 0)[0].sum()), optimum.loglik])
        tried.append(Start(optimum.theta, flat, path, reason))
    alive = sorted((at for at, one in enumerate(tried) if np.isfinite(one.loglik)), key=lambda at: -tried[at].loglik)
    if not alive:
        causes = "; ".join(sorted({one.reason for one in tried}))
        raise ConvergenceError(f"all {len(tried)} starts ended in a degenerate solution: {causes}.")
    lik.settle(tried[alive[0]].theta)
    climbed: list[tuple[float, float]] = []  # heights of short climbs and where the long one from there ended
    optima: list[Optimum] = []
    sound: list[Optimum] = []
    for at in alive:
        one = tried[at]
        # two short climbs at the same height are one, and end where it does
        met = [end for height, end in climbed if abs(one.loglik - height) <= 1e-6 * (1.0 + abs(height))]
        if met:
            tried[at] = replace(one, end=met[0] if np.isfinite(met[0]) else None)
            continue
        if len(optima) >= keep and sound:
            # of the rest only those that met a climb on the way count. Data of one regime send the best starts to a
            # second one that is never visited: then the next have their turn
            continue
        optima.append(maximize(lik, [one.theta], tol=tol, max_iter=500))
        reason = lik.weakness(optima[-1].theta)
        if reason:
            tried[at] = replace(one, reason=reason)
        else:
            sound.append(optima[-1])
            tried[at] = replace(one, end=optima[-1].loglik)
        climbed.append((one.loglik, -np.inf if reason else optima[-1].loglik))
    if not sound:
        causes = "; ".join(sorted({lik.weakness(one.theta) for one in optima}))
        raise ConvergenceError(
            f"every climb ended in a degenerate solution: {causes}. The data may have fewer regimes; try k smaller, "
            "or more starts."
        )
    best = max(sound, key=lambda one: one.loglik)
    for _ in range(3):
        before = lik.best_first
        lik.settle(best.theta)
        if before is None or lik.best_first is None or np.argmax(before) == np.argmax(lik.best_first):
            break
        best = maximize(lik, [best.theta], tol=tol, max_iter=500)
    reached, climbs = replicated(tried)
    agreement = reached / climbs
    return replace(best, agreement=agreement, evaluations=sum(one.evaluations for one in optima)), tried


def chain_start(chain: Chain, weights: Array) -> Array:
    """Transition parameters from how often the likeliest regime of ``weights`` (T, k) changes, kept off the edges."""
    k, q = chain.k, chain.z.shape[1]
    state = weights.argmax(axis=1)
    counts = np.full((k, k), 1.0) + 19.0 * np.eye(k)
    np.add.at(counts, (state[:-1], state[1:]), 1.0)
    p = counts / counts.sum(axis=1, keepdims=True)
    out = np.zeros(chain.size)
    for n, (i, j) in enumerate(chain.pairs):
        out[n * q] = np.log(p[i, j] / p[i, i]) if chain.driven else p[i, j]
    return out
