r"""Autoregressions around a mean that switches: densities given the regimes of today and of p days before, their chain.

.. math:: y_t-\mu_{S_t}(t)=\sum_{i=1}^pA_{i,S_t}\{y_{t-i}-\mu_{S_{t-i}}(t-i)\}+u_t

A state is :math:`(S_t,S_{t-1},\dots,S_{t-p})`, today first: k^(p+1) of them, each of which moves to k others with the
probabilities of the k x k chain (Hamilton 1989).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..errors import SpecError
from ..estimation.params import Array, Block, real
from ..kernels.regime_regression import (
    deviation_lag_moments,
    deviation_mean_moments,
    deviation_residuals,
    deviation_slopes,
)
from .chain import Chain
from .emission import Integers
from .error_law import ErrorLaw, RegressionDensities, coefficient_places
from .linear import STAYS, least_squares, regression_splits, solve_normal
from .system import extend, run_path

__all__ = ["DeviationEmission", "HistoryChain"]

MOST_STATES = 1024
PASSES = 3  # of the conditional M-steps from a start, whose coefficients are unknown


@dataclass(frozen=True, eq=False)
class HistoryChain(Chain):
    """A chain of k regimes whose states also hold the regimes of ``order`` days before.

    Attributes
    ----------
    order : p. early : (p, q) regressors of the transitions into the p dates up to the first: the law of the first
        state is that of the regime p days before (``initial``), moved on by these.
    """

    order: int = 1
    early: Array = field(default_factory=lambda: np.ones((1, 1)), repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.states > MOST_STATES:
            raise SpecError(
                f"{self.k} regimes with {self.order} lags around a switching mean make {self.states} states, more than "
                f'{MOST_STATES}; use fewer, or form="intercept", which needs {self.k}.'
            )
        if self.early.shape != (self.order, self.z.shape[1]):
            raise SpecError(f"early: shape {self.early.shape}, not {(self.order, self.z.shape[1])}.")

    @property
    def states(self) -> int:
        """k^(p+1)."""
        return int(self.k ** (self.order + 1))

    @property
    def now(self) -> Integers:
        """Today's regime of each state."""
        out: Integers = np.arange(self.states) // self.k**self.order
        return out

    @property
    def successor(self) -> Integers:
        """State that follows when tomorrow's regime is m: the oldest day drops out."""
        out: Integers = np.arange(self.k) * self.k**self.order + np.arange(self.states)[:, None] // self.k
        return out

    def marginal(self, probabilities: Array) -> Array:
        """Probabilities of today's regimes (T, k)."""
        out: Array = probabilities.reshape(len(probabilities), self.k, -1).sum(axis=2)
        return out

    def lift(self, p: Array) -> Array:
        """Transition matrices of the states from those of the regimes, (n, k, k)."""
        out = np.zeros((len(p), self.states, self.states))
        out[:, np.arange(self.states)[:, None], self.successor] = p[:, self.now]
        return out

    def start(self, theta: Array, first: Array | None = None) -> tuple[Array, Array]:
        """Law of the first state (states,) and its derivative (states, size).

        "estimated" is the best single history of p + 1 days.
        """
        if isinstance(self.initial, str) and self.initial == "estimated":
            best = np.zeros(self.states)
            best[0 if first is None else int(np.argmax(first))] = 1.0
            return best, np.zeros((self.states, self.size))
        law, change = super().start(theta, first)
        for row in self.early:
            p, slope = self.at(theta, row[None])[0], self.slope(theta, row)
            # newest regime first: state = (new, newest so far, ...)
            width = law.size // self.k
            old, moved = law.reshape(self.k, width), change.reshape(self.k, width, -1)
            law = np.einsum("iw,im->miw", old, p).ravel()
            change = np.einsum("iws,im->miws", moved, p) + np.einsum("iw,ims->miws", old, slope)
            change = change.reshape(law.size, -1)
        return law, change

    def mstep(self, moves: Array, theta: Array) -> Array:
        """M-step of the k x k chain: moves of states are added up to moves of regimes."""
        taken = moves[:, np.arange(self.states)[:, None], self.successor]
        return super().mstep(taken.reshape(len(moves), self.k, -1, self.k).sum(axis=2), theta)


class DeviationEmission(RegressionDensities):
    """See the module; ``k`` counts states.

    Parameters
    ----------
    y : (p + T, N). x : (p + T, m) regressors of the mean, a constant first where there is one.
    mean_switching : (m,) which coefficients of the mean switch. lag_switching : whether the lag matrices do.
    own_lags : the labels of the lags ("ar" for one series).
    """

    stays = STAYS

    def __init__(
        self,
        y: Array,
        x: Array,
        names: tuple[str, ...],
        labels: tuple[str, ...],
        regimes: int,
        order: int,
        *,
        mean_switching: Array,
        lag_switching: bool,
        scale: str = "common",
        corr: str = "common",
        student: bool = False,
        rank_by: str | int = "mean",
    ) -> None:
        self.full, self.x = np.ascontiguousarray(y), np.ascontiguousarray(x)
        self.y, self.presample = self.full[order:], self.full[:order]
        self.names, self.labels = names, labels
        self.regimes, self.order, self.memory = regimes, order, order
        self.k = regimes ** (order + 1)
        self.n, self.m = y.shape[1], x.shape[1]
        self.switching, self.lag_switching = np.asarray(mean_switching, bool), lag_switching
        self.rank_by = rank_by
        steps = regimes ** np.arange(order, -1, -1)
        self.digits = np.ascontiguousarray(np.arange(self.k)[:, None] // steps % regimes)
        self.own = np.ascontiguousarray(self.digits[:, 0])
        self.flat, deviations = least_squares(self.full, self.x, names, labels)
        lagged = np.hstack([deviations[order - i : len(y) - i] for i in range(1, order + 1)])
        tags = tuple(f"lag {i} of {name}" for i in range(1, order + 1) for name in names)
        self.resid = least_squares(deviations[order:], lagged, names, tags)[1]
        self.deviations = deviations
        self.errors = ErrorLaw(self.resid, names, regimes, scale=scale, corr=corr, student=student, rank_by=rank_by)
        self.at_mean, self.at_lag = self._make_places()
        self.inside = int(self.at_lag.max()) + 1
        self.mean_size = int(self.at_mean.max()) + 1 if self.m else 0
        self._blocks = (*self._coefficient_blocks(), *self.errors.blocks())

    # --- parameters

    def _make_places(self) -> tuple[Integers, Integers]:
        """Positions of the coefficients of the mean (k, N, m) and of the lag matrices (k, p, N, N)."""
        k, n = self.regimes, self.n
        mean = coefficient_places(k, n, self.switching)
        first = int(mean.max()) + 1 if mean.size else 0
        block = np.arange(self.order * n * n).reshape(self.order, n, n)
        step = block.size if self.lag_switching else 0
        return mean, np.stack([first + j * step + block for j in range(k)])

    def _coefficient_blocks(self) -> tuple[Block, ...]:
        tail = [""] if self.n == 1 else [f".{name}" for name in self.names]
        names = [""] * self.inside
        for j in range(self.regimes):
            for a in range(self.n):
                for m, label in enumerate(self.labels):
                    names[self.at_mean[j, a, m]] = f"{label}{f'[{j + 1}]' if self.switching[m] else ''}{tail[a]}"
                tag = f"[{j + 1}]" if self.lag_switching else ""
                for i in range(self.order):
                    for b in range(self.n):
                        label = f"ar{i + 1}" if self.n == 1 else f"L{i + 1}.{self.names[b]}"
                        names[self.at_lag[j, i, a, b]] = f"{label}{tag}{tail[a]}"
        return (real(*names),)

    def coefficients(self, theta: Array) -> Array:
        """Coefficients of the mean, (regimes, N, m)."""
        out: Array = theta[: self.inside][self.at_mean]
        return out

    def _lags(self, theta: Array) -> Array:
        """Lag matrices of the regimes, (regimes, p, N, N)."""
        out: Array = theta[: self.inside][self.at_lag]
        return out

    def means(self, theta: Array, x: Array | None = None) -> Array:
        """Means of the regimes, (p + T, regimes, N), or at rows of ``x``."""
        rows = self.x if x is None else x
        part = self.coefficients(theta).reshape(-1, self.m)
        return np.ascontiguousarray((rows @ part.T).reshape(len(rows), self.regimes, self.n))

    def residuals(self, theta: Array) -> Array:
        """Residuals (T, states, N)."""
        out = np.empty((self.nobs, self.k, self.n))
        deviation_residuals(self.full, self.means(theta), self._lags(theta), self.digits, out)
        return out

    # --- likelihood and EM

    def slopes(self, theta: Array) -> Array:
        """Derivatives of the log-densities, (T, states, E)."""
        pull, out = self.errors.pulls(self.residuals(theta), self.own, theta[self.inside :], self.inside)
        lags = self._lags(theta)
        deviation_slopes(self.full, self.means(theta), self.x, lags, self.digits, pull, self.at_mean, self.at_lag, out)
        return out

    def mstep(self, weights: Array, theta: Array | None) -> Array:
        """Means given lags, lags given means, then the law of the errors: each raises the weighted log-density."""
        if theta is not None:
            return self._conditional_steps(weights, theta, theta[self.inside :])
        out = np.zeros(self.inside + self.errors.layout.size)
        law: Array | None = None
        for _ in range(PASSES):
            out = self._conditional_steps(weights, out, law)
            law = out[self.inside :]
        return out

    def _conditional_steps(self, weights: Array, theta: Array, law: Array | None) -> Array:
        gained = weights
        if law is not None:
            gained = weights * self.errors.gains(self.residuals(theta), self.own, law)
        precision = self.errors.precision(law)
        out = theta.copy()
        if self.mean_size:
            left, right = np.zeros((self.mean_size, self.mean_size)), np.zeros(self.mean_size)
            deviation_mean_moments(
                self.full, self.x, self._lags(out), self.digits, gained, precision, self.at_mean, left, right
            )
            out[: self.mean_size] = solve_normal(left, right[:, None])[:, 0]
        width = self.order * self.n
        xx, xy = np.zeros((self.regimes, width, width)), np.zeros((self.regimes, width, self.n))
        deviation_lag_moments(self.full, self.means(out), self.digits, gained, xx, xy)
        self._solve_lags(out, xx, xy, precision)
        out[self.inside :] = self.errors.update(self.residuals(out), self.own, weights, gained, law)
        return out

    def _solve_lags(self, out: Array, xx: Array, xy: Array, precision: Array) -> None:
        """Write the lag matrices into ``out``."""
        n, width = self.n, self.order * self.n
        # rows of the solution are (lag, column), which is how a place (p, N, N) reads once its equation comes last
        places = self.at_lag.transpose(0, 1, 3, 2).reshape(self.regimes, width, n)
        if self.lag_switching:
            for j in range(self.regimes):
                out[places[j]] = solve_normal(xx[j], xy[j])
            return
        left, right = np.zeros((n, width, n, width)), np.zeros((n, width))
        for j in range(self.regimes):
            left += np.einsum("ab,cd->acbd", precision[j], xx[j])
            right += np.einsum("ab,cb->ac", precision[j], xy[j])
        solved = solve_normal(left.reshape(n * width, n * width), right.reshape(-1, 1))
        out[places[0]] = solved.reshape(n, width).T

    def weak(self, theta: Array, weights: Array) -> str:
        """Collapsed variances and empty regimes."""
        merged = weights.reshape(len(weights), self.regimes, -1).sum(axis=2)
        return self.errors.weak(theta[self.inside :], merged)

    def splits(self, count: int, rng: np.random.Generator) -> Iterator[Array]:
        """Bands of deviations from one mean and of their squares, over all p + T dates; a history is their product."""
        law = ErrorLaw(
            self.deviations, self.names, self.regimes, scale=self.errors.scale, corr=self.errors.corr, student=False
        )
        regressors = self.x[:, np.flatnonzero(self.switching)]
        if not regressors.shape[1] and self.lag_switching:
            regressors = np.ones((len(self.full), 1))
        for weights in regression_splits(law, self.deviations, regressors, self.regimes, count, rng):
            out = np.ones((self.nobs, self.k))
            for i in range(self.order + 1):
                out *= weights[self.order - i : len(weights) - i][:, self.digits[:, i]]
            yield out

    # --- what a fit reads

    def lag_matrices(self, theta: Array) -> Array:
        """Matrices of the lags by state, (states, p, N, N)."""
        return np.ascontiguousarray(self._lags(theta)[self.own])

    def level(self, theta: Array, x: Array) -> Array:
        """What is not lags, by state, at rows of regressors (p + H, m), p dates early: (H, states, N)."""
        mu, lags, p = self.means(theta, x), self._lags(theta), self.order
        out = np.array(mu[p:, self.own])
        for i in range(1, p + 1):
            before = mu[p - i : len(mu) - i][:, self.digits[:, i]]
            out -= np.einsum("sab,tsb->tsa", lags[self.own, i - 1], before)
        return out

    @property
    def regressors(self) -> Array:
        """Rows of regressors of the mean, (p + T, m)."""
        return self.x

    @property
    def past(self) -> Array:
        """The last values a forecast goes on from, (p, N), newest last."""
        return self.full[len(self.full) - self.order :]

    def simulate(self, theta: Array, states: Integers, rng: np.random.Generator) -> Array:
        """Data (len(states), N) given the regressors and the values before the first date."""
        rows = states.size + self.order
        x = extend(self.x, rows) if rows > len(self.x) else self.x[:rows]
        return run_path(self, theta, self.level(theta, x), states, rng)

    # --- labels

    def relabel(self, order: Integers) -> Integers:
        """Positions of the parameters under new numbers of the regimes."""
        out = np.arange(self.inside + self.errors.layout.size)
        for new, old in enumerate(order):
            out[self.at_mean[new]] = self.at_mean[int(old)]
            out[self.at_lag[new]] = self.at_lag[int(old)]
        out[self.inside :] = self.inside + self.errors.relabel(order)
        return out
