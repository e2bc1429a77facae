"""Likelihood ratios of k against fewer regimes on arrays, and their law under the null, one seed a draw."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import ConvergenceError
from ..estimation.optimize import Optimum
from ..estimation.params import Array
from .chain import Chain
from .emission import Emission
from .fit import draw_states
from .likelihood import RegimeLikelihood, begin, climb_regimes
from .one_regime import fit_one, place

__all__ = ["Match", "NullDraw", "Ratio"]

TRIES = 2  # searches of a model; the second has three times the starts
EQUAL = 1e-6  # a ratio below minus this much is a search that failed


@dataclass(frozen=True, eq=False)
class Ratio:
    """A likelihood ratio.

    Attributes
    ----------
    value : twice the difference, never negative: the null is among the alternatives. null, alternative : the optima,
        the alternative None where no sound one above the null was found. searches : of the alternative.
    regimes : of the null's optimum, fewer than asked for where every solution with more leaves some empty.
    reason : why every solution of the last search was degenerate.
    """

    value: float
    null: Optimum = field(repr=False)
    alternative: Optimum | None = field(repr=False)
    searches: int
    regimes: int = 1
    reason: str = ""

    @property
    def degenerate(self) -> bool:
        """Whether every search ended below the null or without a sound solution, so that the ratio is zero."""
        return self.alternative is None


@dataclass(frozen=True, eq=False)
class Match:
    """``wide`` regimes against ``narrow`` of the same densities (``template``), one rule for every sample.

    Both models are climbed from ``starts`` starts of their own; the wider one also from the narrower one's regimes with
    the most frequent of them cut in two. Two equal regimes are one, hence the ratio cannot be negative: where it comes
    out so, or where every solution is degenerate (a regime without observations, a variance that collapses), the search
    is repeated with three times the starts, and after that the ratio is zero. A null without a sound solution is, for
    the same reason, the one with fewer regimes.
    """

    template: Emission = field(repr=False)
    narrow: int
    wide: int
    starts: int
    initial: str = "ergodic"

    def likelihood(self, y: Array, k: int) -> RegimeLikelihood:
        """Likelihood of ``k`` >= 2 regimes on data ``y``."""
        return RegimeLikelihood(place(self.template, y, k), Chain(k, np.ones((len(y), 1)), initial=self.initial))

    def null(self, y: Array, rng: np.random.Generator) -> tuple[Optimum, int]:
        """Optimum of the null, and its regimes: fewer than asked for where every solution leaves some of them empty."""
        for k in range(self.narrow, 1, -1):
            lik = self.likelihood(y, k)
            for attempt in range(TRIES):
                try:
                    return climb_regimes(lik, self.starts * 3**attempt, rng)[0], k
                except (ConvergenceError, np.linalg.LinAlgError):
                    continue
        return fit_one(place(self.template, y, 1)), 1

    def ratio(self, y: Array, rng: np.random.Generator) -> Ratio:
        """Likelihood ratio on data ``y`` (T, N)."""
        null, regimes = self.null(y, rng)
        lik = self.likelihood(y, self.wide)
        warm = self._cut(y, null.theta, lik, rng) if regimes == self.narrow else None
        reason = ""
        for attempt in range(TRIES):
            try:
                found = climb_regimes(lik, self.starts * 3**attempt, rng, warm=warm)[0]
            except (ConvergenceError, np.linalg.LinAlgError) as error:
                reason = str(error)
                continue
            reason = ""
            if found.loglik > null.loglik - EQUAL:
                return Ratio(max(0.0, 2.0 * (found.loglik - null.loglik)), null, found, attempt + 1, regimes)
        return Ratio(0.0, null, None, TRIES, regimes, reason)

    def _cut(self, y: Array, theta: Array, lik: RegimeLikelihood, rng: np.random.Generator) -> Array | None:
        """Start of the wider model: regimes of the null, the most frequent of them cut in two by a rolling score."""
        if self.narrow == 1:
            return None
        smoothed = self.likelihood(y, self.narrow).infer(theta).smooth()[0]
        halves = next(place(self.template, y, 2).splits(1, rng))
        most = int(np.argmax(smoothed.sum(axis=0)))
        own = smoothed[:, most, None]
        parts = [np.delete(smoothed, most, axis=1), own * halves]
        extra = self.wide - self.narrow - 1
        if extra:
            # more than one regime is added: the second half is shared out evenly and EM pulls the parts apart
            parts[1] = np.column_stack(
                [own * halves[:, :1], np.repeat(own * halves[:, 1:], extra + 1, 1) / (extra + 1)]
            )
            parts[1][:, 1:] *= rng.uniform(0.5, 1.5, (len(y), extra + 1))
        weights = np.column_stack(parts)
        return begin(lik, weights / weights.sum(axis=1, keepdims=True))

    def simulate(self, theta: Array, nobs: int, rng: np.random.Generator) -> Array:
        """Data (T, N) of the null at ``theta``."""
        emission = place(self.template, self._data(), self.narrow)
        if self.narrow == 1:
            return emission.simulate(theta, np.zeros(nobs, np.int64), rng)
        lik = self.likelihood(self._data(), self.narrow)
        inner, outer = lik.split(theta)
        lik.settle(theta)
        law = lik.chain.start(outer, lik.best_first)[0]
        states = draw_states(lik.chain.matrices(outer), law, nobs, rng)
        return emission.simulate(inner, states, rng)

    def _data(self) -> Array:
        return np.asarray(self.template.y, np.float64)  # type: ignore[attr-defined]


@dataclass(frozen=True, eq=False)
class NullDraw:
    """One draw of the ratio under the null at ``theta``."""

    match: Match
    theta: Array = field(repr=False)

    def __call__(self, seed: np.random.SeedSequence) -> tuple[float, int, bool]:
        """(Ratio, searches of the alternative, whether it was degenerate) of the draw of ``seed``."""
        rng = np.random.default_rng(seed)
        found = self.match.ratio(self.match.simulate(self.theta, self.match.template.nobs, rng), rng)
        return found.value, found.searches, found.degenerate
