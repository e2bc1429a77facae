r"""A chain whose odds of leaving a regime depend on how long it has lasted (Durland & McCurdy 1994).

With :math:`D_t` the days the regime of date t has lasted, counted up to a longest D,

.. math:: \frac{p_{ij}(d)}{p_{ii}(d)}=\exp(\delta_{ij,0}+\delta_{ij,1}d),\qquad d=\min(D_{t-1},D),

which is a chain of k D states. A positive :math:`\delta_{ij,1}` ends long regimes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import SpecError
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array, Block, interval
from ..kernels.regime_duration import duration_scores
from .chain import FARTHEST, Chain
from .emission import Integers
from .likelihood import Inference, RegimeLikelihood, Start, climb_regimes, infer

__all__ = ["DurationChain", "DurationInference", "DurationLikelihood", "climb_durations", "plain_chain"]

MOST_STATES = 400


@dataclass(frozen=True, eq=False)
class DurationChain(Chain):
    """See the module.

    Attributes
    ----------
    longest : D, the day from which on the odds no longer change.
    """

    longest: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.longest, int) or isinstance(self.longest, bool) or self.longest < 2:
            raise SpecError(f"longest={self.longest!r}: a whole number of days, at least 2.")
        if self.k * self.longest > MOST_STATES:
            raise SpecError(
                f"{self.k} regimes of {self.longest} days make {self.k * self.longest} states, more than "
                f"{MOST_STATES}; use a smaller longest."
            )
        if isinstance(self.initial, str) and self.initial == "estimated":
            raise SpecError(
                "initial='estimated' is not known here: how long has it lasted? Use 'ergodic' or 'uniform'."
            )

    @property
    def days(self) -> Array:
        """Regressors of the odds by day, (D, 2)."""
        return np.column_stack([np.ones(self.longest), np.arange(1.0, self.longest + 1.0)])

    @property
    def size(self) -> int:
        """Transition parameters."""
        return 2 * self.k * (self.k - 1)

    def blocks(self) -> tuple[Block, ...]:
        """Names and constraints: over the D days the log odds may move by `FARTHEST` either way."""
        out: list[Block] = []
        for i, j in self.pairs:
            out.append(interval(f"delta[{i + 1},{j + 1}].const", -2.0 * FARTHEST, 2.0 * FARTHEST))
            bound = FARTHEST / (self.longest - 1.0)
            out.append(interval(f"delta[{i + 1},{j + 1}].duration", -bound, bound))
        return tuple(out)

    def by_day(self, theta: Array) -> Array:
        """Probability of each regime tomorrow by regime and day, (k, D, k)."""
        odds = np.zeros((self.k, self.longest, self.k))
        for n, (i, j) in enumerate(self.pairs):
            odds[i, :, j] = self.days @ theta[2 * n : 2 * n + 2]
        odds -= odds.max(axis=2, keepdims=True)
        p = np.exp(odds)
        out: Array = p / p.sum(axis=2, keepdims=True)
        return out

    def expanded(self, theta: Array) -> Array:
        """Transition matrix of the states, (kD, kD)."""
        k, longest = self.k, self.longest
        p = self.by_day(theta)
        out = np.zeros((k * longest, k * longest))
        for i in range(k):
            rows = i * longest + np.arange(longest)
            for m in range(k):
                to = i * longest + np.minimum(np.arange(longest) + 1, longest - 1) if m == i else m * longest
                out[rows, to] += p[i, :, m]
        return out

    def ergodic(self, theta: Array) -> tuple[Array, Array]:
        """Long-run law of the states (kD,) and its derivative (kD, size)."""
        k, longest = self.k, self.longest
        p, big = self.by_day(theta), self.expanded(theta)
        inverse = np.linalg.pinv(np.eye(k * longest) - big + 1.0)
        law = np.maximum(inverse.sum(axis=0), 0.0)
        law /= law.sum()
        weight = law.reshape(k, longest)
        flow = np.zeros((self.size, k * longest))  # pi dP, one row a parameter
        for n, (i, j) in enumerate(self.pairs):
            for r in range(2):
                base = weight[i] * p[i, :, j] * self.days[:, r]
                row = flow[2 * n + r]
                row[j * longest] += base.sum()
                for m in range(k):
                    if m == i:
                        np.add.at(
                            row, i * longest + np.minimum(np.arange(longest) + 1, longest - 1), -base * p[i, :, i]
                        )
                    else:
                        row[m * longest] -= float(base @ p[i, :, m])
        # pi = 1'M^{-1} with M = I - P + 11', hence d pi = pi dP M^{-1}
        return law, (flow @ inverse).T

    def law(self, theta: Array) -> tuple[Array, Array]:
        """Law of the first state (kD,) and its derivative; given probabilities of the regimes keep their durations."""
        law, change = self.ergodic(theta)
        if isinstance(self.initial, str) and self.initial == "ergodic":
            return law, change
        wanted = np.full(self.k, 1.0 / self.k) if isinstance(self.initial, str) else np.asarray(self.initial, float)
        weight, moved = law.reshape(self.k, -1), change.reshape(self.k, self.longest, -1)
        total, shift = weight.sum(axis=1), moved.sum(axis=1)
        share = weight / total[:, None]
        turned = (moved - share[:, :, None] * shift[:, None, :]) / total[:, None, None]
        return (wanted[:, None] * share).ravel(), (wanted[:, None, None] * turned).reshape(law.size, -1)

    def matrices(self, theta: Array) -> Array:
        """Transition matrix of the regimes averaged over the days they have lasted in the long run, (1, k, k)."""
        weight = self.ergodic(theta)[0].reshape(self.k, self.longest)
        out: Array = np.einsum("id,idm->im", weight / weight.sum(axis=1, keepdims=True), self.by_day(theta))
        return out[None]

    def start(self, theta: Array, first: Array | None = None) -> tuple[Array, Array]:
        """Law of the first regime (k,) and its derivative."""
        del first
        law, change = self.law(theta)
        return law.reshape(self.k, -1).sum(axis=1), change.reshape(self.k, self.longest, -1).sum(axis=1)

    def relabel(self, order: Integers) -> Integers:
        """Positions of the parameters after new state n becomes old state ``order[n]``."""
        old = {pair: n for n, pair in enumerate(self.pairs)}
        found = [old[(int(order[i]), int(order[j]))] for i, j in self.pairs]
        return np.concatenate([np.arange(2 * n, 2 * n + 2) for n in found])


def plain_chain(chain: DurationChain) -> Chain:
    """The chain without dependence on duration."""
    return Chain(chain.k, chain.z, initial=chain.initial)


@dataclass(frozen=True, eq=False)
class DurationInference(Inference):
    """Filter of the regimes (T, k), with that of the k D states in ``inner``."""

    inner: Inference | None = None

    def _states(self) -> Inference:
        assert self.inner is not None
        return self.inner

    def smooth(self, by_date: bool = False) -> tuple[Array, Array]:
        """Smoothed probabilities (T, k) and expected transitions between regimes, (1 or T, k, k)."""
        smoothed, moves = self._states().smooth(by_date)
        k = self.filtered.shape[1]
        folded = moves.reshape(len(moves), k, -1, k, moves.shape[1] // k).sum(axis=(2, 4))
        return fold(smoothed, k), folded

    def viterbi(self) -> tuple[Integers, float]:
        """Most probable path of regimes, (T,) from 0, and its log-probability together with the data."""
        inner = self._states()
        with np.errstate(divide="ignore"):
            path, value = inner.viterbi()
        return path // (inner.filtered.shape[1] // self.filtered.shape[1]), value


def fold(probabilities: Array, k: int) -> Array:
    """Probabilities of the regimes (T, k) from those of the states."""
    out: Array = probabilities.reshape(len(probabilities), k, -1).sum(axis=2)
    return out


class DurationLikelihood(RegimeLikelihood):
    """Likelihood with a `DurationChain`; the states' filter stays inside."""

    chain: DurationChain

    def infer(self, theta: Array, first: Array | None = None) -> DurationInference:
        """Filter at ``theta``; ``first`` (k D,) replaces the chain's own law of the first state."""
        inner, outer = self.split(theta)
        density = self.emission.density(inner)
        law = self.chain.law(outer)[0] if first is None else first
        k = self.chain.k
        found = infer(np.repeat(density, self.chain.longest, axis=1), self.chain.expanded(outer)[None], law)
        return DurationInference(
            found.loglik,
            fold(found.predicted, k),
            fold(found.filtered, k),
            density,
            self.chain.matrices(outer),
            law.reshape(k, -1).sum(axis=1),
            found,
        )

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood by date (T,), and scores (T, K) when ``want`` is 1."""
        inner, outer = self.split(theta)
        found = self.infer(theta)
        if not want:
            return found.loglik, np.empty((0, 0))
        score = np.zeros((self.nobs, self.layout.size))
        if not np.isfinite(found.loglik[-1]):
            return found.loglik, score
        dstart = np.zeros((self.chain.k * self.chain.longest, self.layout.size))
        dstart[:, self.inside :] = self.chain.law(outer)[1]
        states = found._states()
        slopes = self.emission.slopes(inner)
        duration_scores(found.density, slopes, self.chain.by_day(outer), dstart, found.loglik, states.filtered, score)
        return found.loglik, score

    def settle(self, theta: Array) -> None:
        """The law of the first state is never estimated here."""
        del theta

    def embed(self, theta: Array) -> Array:
        """Parameters of the plain chain as those of this one, without dependence on duration."""
        inner, outer = self.split(theta)
        p = np.clip(plain_chain(self.chain).matrices(outer)[0], 1e-7, 1.0)
        odds = np.zeros(self.chain.size)
        for n, (i, j) in enumerate(self.chain.pairs):
            odds[2 * n] = np.log(p[i, j] / p[i, i])
        return np.concatenate([inner, odds])


def climb_durations(
    lik: DurationLikelihood,
    starts: int = 20,
    rng: int | np.random.Generator = 0,
    *,
    warm: Array | None = None,
    keep: int = 3,
) -> tuple[Optimum, list[Start]]:
    """Maximise from the plain chain's optimum, with odds that are flat, rise and fall with duration in each regime."""
    plain = RegimeLikelihood(lik.emission, plain_chain(lik.chain))
    best, tried = climb_regimes(plain, starts, rng, keep=keep)
    flat = lik.embed(best.theta)
    rows = [flat] if warm is None else [warm, flat]
    k, longest = lik.chain.k, lik.chain.longest
    for i in range(k):
        own = [lik.inside + 2 * n for n, (a, _) in enumerate(lik.chain.pairs) if a == i]
        for total in (-2.0, 2.0):
            row = flat.copy()
            for place in own:
                row[place + 1] = total / longest
                row[place] -= 0.5 * total  # the odds of the middle day stay
            rows.append(row)
    optimum = maximize(lik, rows, polish=max(keep, 1 + (warm is not None)))
    if optimum.loglik < best.loglik - 1e-6:
        # the flat start was not among the best of the rows; it can only gain
        again = maximize(lik, [flat])
        optimum = again if again.loglik > optimum.loglik else optimum
    return replace(optimum, agreement=max(optimum.agreement, 1.0 / keep)), tried
