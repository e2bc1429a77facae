r"""The hidden chain: constant transition probabilities, or a multinomial logit on drivers known the day before.

Constant: parameters :math:`p_{ij}`, i ≠ j, with :math:`\sum_{j\ne i}p_{ij}\le1`; zero and one are in the box. Driven:

.. math:: p_{ij,t}=\frac{\exp(z_{t-1}'\delta_{ij})}{\sum_m\exp(z_{t-1}'\delta_{im})},\qquad \delta_{ii}=0,

so that a coefficient moves the log odds of leaving i for j against staying. Rows sum to one: ``p[i, j]`` is
Pr(S_t = j | S_{t-1} = i).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..errors import DataError, SpecError, check_option
from ..estimation.params import Array, Block, interval, subsimplex
from ..kernels.regime_logit import logit_matrices, logit_row
from .emission import Integers

__all__ = ["INITIAL", "Chain"]

INITIAL = ("ergodic", "estimated", "uniform")
FARTHEST = 16.0  # log odds; beyond it a probability is within 1e-7 of zero or one
COLLINEAR = 1e-10  # smallest eigenvalue of the drivers' correlations that still counts as full rank
REDUCIBLE = 1e-12  # a chain of two states that moves less has no one law to settle in, as far as numbers can tell
NEWTON = 1  # steps of an M-step: it must rise, and EM repeats it


@dataclass(frozen=True, eq=False)
class Chain:
    """Transition law of ``k`` states over the dates of a sample.

    Attributes
    ----------
    z : (T, q) regressors of the logit, row t being what is known before date t, a constant first; (T, 1) of ones for
        constant probabilities. names : of the columns of ``z``.
    initial : "ergodic" (of the transition matrix; of the matrix at the mean of ``z`` where it moves), "estimated"
        (the best single state, which is where that likelihood peaks), "uniform", or probabilities (k,).
    penalty : standard deviation of a normal penalty on the drivers' coefficients times their standard deviations;
        infinite for none.
    """

    k: int
    z: Array = field(repr=False)
    names: tuple[str, ...] = ("const",)
    driven: bool = False
    initial: str | Array = "ergodic"
    penalty: float = np.inf

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or isinstance(self.k, bool) or self.k < 2:
            raise SpecError(f"k={self.k!r}: at least two regimes.")
        if isinstance(self.initial, str):
            check_option("initial", self.initial, INITIAL)
        else:
            given = np.asarray(self.initial, float)
            if given.shape != (self.k,) or (given < 0).any() or abs(given.sum() - 1.0) > 1e-8:
                raise SpecError(
                    f"initial={self.initial!r}: {self.k} probabilities that sum to one, or one of {INITIAL}."
                )
        if not self.penalty > 0:
            raise SpecError(f"penalty={self.penalty!r}: a positive standard deviation, or infinity for none.")
        if self.driven:
            spread = self.z[:, 1:].std(axis=0)
            for name, sd in zip(self.names[1:], spread, strict=True):
                if not sd > 0:
                    raise DataError(f"the driver {name!r} is constant over the sample: it cannot move the odds.")
            scaled = (self.z[:, 1:] - self.z[:, 1:].mean(axis=0)) / spread
            values, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
            if values[0] < COLLINEAR:
                guilty = np.flatnonzero(np.abs(vectors[:, 0]) > 0.1)
                raise DataError(
                    f"the drivers {', '.join(repr(self.names[1 + i]) for i in guilty)} are collinear (smallest "
                    f"eigenvalue of their correlations {values[0]:.1e}): leave one of them out."
                )

    @property
    def nobs(self) -> int:
        """Dates."""
        return len(self.z)

    @property
    def states(self) -> int:
        """States the densities tell apart: the regimes, unless a state also holds those of days before."""
        return self.k

    @property
    def now(self) -> Integers:
        """Today's regime of each state, (states,)."""
        return np.arange(self.k)

    @property
    def successor(self) -> Integers:
        """State that follows each state when tomorrow's regime is m, (states, k)."""
        return np.tile(np.arange(self.k), (self.k, 1))

    def marginal(self, probabilities: Array) -> Array:
        """Probabilities of today's regimes (T, k) from those of the states (T, states)."""
        return probabilities

    @property
    def size(self) -> int:
        """Transition parameters."""
        return int(self.k * (self.k - 1) * self.z.shape[1])

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(from, to) in the order of the parameters."""
        return [(i, j) for i in range(self.k) for j in range(self.k) if i != j]

    def blocks(self) -> tuple[Block, ...]:
        """Names and constraints of the parameters; regimes are numbered from 1."""
        out: list[Block] = []
        if not self.driven:
            for i in range(self.k):
                out.append(subsimplex(*(f"p[{i + 1},{j + 1}]" for j in range(self.k) if j != i), cap=1.0))
            return tuple(out)
        spread = self.z[:, 1:].std(axis=0)
        center = np.abs(self.z[:, 1:].mean(axis=0))
        bounds = [FARTHEST * (1.0 + float(np.sum(center / spread))), *(FARTHEST / sd for sd in spread)]
        for i, j in self.pairs:
            for name, bound in zip(self.names, bounds, strict=True):
                out.append(interval(f"delta[{i + 1},{j + 1}].{name}", -float(bound), float(bound)))
        return tuple(out)

    def matrices(self, theta: Array) -> Array:
        """Transition matrices (1, k, k), or (T, k, k) where drivers move them."""
        k = self.k
        if not self.driven:
            p = np.zeros((1, k, k))
            for value, (i, j) in zip(theta, self.pairs, strict=True):
                p[0, i, j] = value
            for i in range(k):
                p[0, i, i] = max(0.0, 1.0 - p[0, i].sum())
            return p
        return self._logit(theta, self.z)

    def state_matrices(self, theta: Array) -> Array:
        """Transition matrices of the states, (1 or T, states, states)."""
        return self.lift(self.matrices(theta))

    def lift(self, p: Array) -> Array:
        """Transition matrices of the states from those of the regimes, (n, k, k)."""
        return p

    def at(self, theta: Array, z: Array) -> Array:
        """Transition matrices (len(z), k, k) for rows of regressors, a constant first."""
        if not self.driven:
            return np.repeat(self.matrices(theta), z.shape[0], axis=0)
        return self._logit(theta, z)

    def _logit(self, theta: Array, z: Array) -> Array:
        out = np.empty((z.shape[0], self.k, self.k))
        logit_matrices(np.ascontiguousarray(theta), np.ascontiguousarray(z), out)
        return out

    def slope(self, theta: Array, z: Array) -> Array:
        """Derivative of the transition matrix at one row of regressors, (k, k, size)."""
        k, q = self.k, self.z.shape[1]
        out = np.zeros((k, k, self.size))
        p = self.at(theta, z[None])[0]
        for n, (i, m) in enumerate(self.pairs):
            if not self.driven:
                out[i, m, n], out[i, i, n] = 1.0, -1.0
                continue
            for j in range(k):
                out[i, j, n * q : (n + 1) * q] = p[i, j] * (float(j == m) - p[i, m]) * z
        return out

    def start(self, theta: Array, first: Array | None = None) -> tuple[Array, Array]:
        """Law of the first state (k,) and its derivative by the transition parameters (k, size).

        ``first`` (k,) says for "estimated" how much better a state explains the sample from the first date on.
        """
        k = self.k
        flat = np.zeros((k, self.size))
        if not isinstance(self.initial, str):
            return np.asarray(self.initial, float), flat
        if self.initial == "uniform":
            return np.full(k, 1.0 / k), flat
        if self.initial == "estimated":
            best = np.zeros(k)
            best[0 if first is None else int(np.argmax(first))] = 1.0
            return best, flat
        middle = self.z.mean(axis=0)
        p = self.at(theta, middle[None])[0]
        if k == 2 and p[0, 1] + p[1, 0] > REDUCIBLE:
            # in closed form, which loses nothing where the chain hardly moves
            leave, back = p[0, 1], p[1, 0]
            total = leave + back
            slope = self.slope(theta, middle)
            tilt = (leave * slope[1, 0] - back * slope[0, 1]) / total**2
            return np.array([back, leave]) / total, np.stack([tilt, -tilt])
        inverse = np.linalg.pinv(np.eye(k) - p + 1.0)  # of a chain with several closed classes: one of its laws
        law = np.maximum(inverse.sum(axis=0), 0.0)
        law /= law.sum()
        # pi = 1'M^{-1} with M = I - P + 11', hence d pi = pi dP M^{-1}
        change = np.einsum("i,ijs,jm->ms", law, self.slope(theta, middle), inverse)
        return law, change

    def mstep(self, moves: Array, theta: Array) -> Array:
        """Transition parameters that maximise the expected log-likelihood of the transitions.

        ``moves`` is summed, (1, k, k), or by date, (T, k, k). Constant probabilities are shares; a driven chain takes
        a Newton step on each of k concave multinomial logits, halved until it does not fall: EM repeats it.
        """
        if not self.driven:
            total = moves.sum(axis=0)
            out = np.zeros(self.size)
            for n, (i, j) in enumerate(self.pairs):
                row = total[i].sum()
                out[n] = total[i, j] / row if row > 0 else 0.0
            return out
        k, q = self.k, self.z.shape[1]
        out = theta.copy()
        width = (k - 1) * q
        ridge = self._ridge
        z = np.ascontiguousarray(self.z)
        grad, hess = np.empty(width), np.empty((width, width))
        for i in range(k):
            own = slice(i * width, (i + 1) * width)
            lower, upper = self._bounds[0][own], self._bounds[1][own]
            point = out[own].copy()
            value = float(logit_row(point, z, moves, i, ridge, grad, hess))
            for _ in range(NEWTON):
                # what sits on a bound and would leave the box stays, so that the others are not held back by it
                free = ~(((point <= lower) & (grad < 0)) | ((point >= upper) & (grad > 0)))
                step = np.zeros(width)
                lift = 1e-8 * (np.diag(hess).mean() + 1e-12)
                part = hess[np.ix_(free, free)] + lift * np.eye(int(free.sum()))
                step[free] = np.linalg.solve(part, grad[free])
                length = 1.0
                for _ in range(20):
                    trial = np.clip(point + length * step, lower, upper)
                    new = float(logit_row(trial, z, moves, i, ridge, grad, hess))
                    if new >= value:
                        break
                    length *= 0.5
                else:
                    break
                gain, point, value = new - value, trial, new
                if gain < 1e-8:
                    break
            out[own] = point
        return out

    @cached_property
    def _bounds(self) -> tuple[Array, Array]:
        blocks = self.blocks()
        return np.array([end for b in blocks for end in b.lower]), np.array([end for b in blocks for end in b.upper])

    @cached_property
    def _ridge(self) -> Array:
        ridge = np.zeros(self.z.shape[1])
        if self.driven and np.isfinite(self.penalty):
            ridge[1:] = self.z[:, 1:].var(axis=0) / self.penalty**2
        return ridge

    def penalize(self, theta: Array) -> tuple[float, Array]:
        """Penalty on the log-likelihood and its derivative, both zero without drivers or penalty."""
        if not self.driven or not np.isfinite(self.penalty):
            return 0.0, np.zeros(self.size)
        weights = np.tile(self._ridge, self.k * (self.k - 1))
        return 0.5 * float(weights @ theta**2), weights * theta

    def relabel(self, order: Integers) -> Integers:
        """Positions of the parameters after new state n becomes old state ``order[n]``."""
        q = self.z.shape[1]
        old = {pair: n for n, pair in enumerate(self.pairs)}
        found = [old[(int(order[i]), int(order[j]))] for i, j in self.pairs]
        return np.concatenate([np.arange(n * q, (n + 1) * q) for n in found])
