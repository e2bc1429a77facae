r"""Likelihood of a hidden Markov model: filter, smoother, scores; and its maximisation by EM from many starts.

.. math:: \ell=\sum_t\log\sum_j\Pr(S_t=j\mid Y_{t-1})\,f(y_t\mid S_t=j,Y_{t-1})

EM runs with a free law of the first state, whose M-step is closed; the best of its ends are climbed by BFGS under the
law the chain asks for. Degenerate ends, where a variance collapses and the likelihood is unbounded, are discarded and
counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from ..errors import ConvergenceError, SpecError
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array, Layout
from ..kernels.regime import regime_filter, regime_smoother, regime_viterbi, state_scores
from .chain import Chain
from .emission import Emission, Integers

__all__ = ["Inference", "RegimeLikelihood", "Start", "climb_regimes", "expectation", "replicated", "run_em"]

SHORT = 12  # EM iterations of every start before the best are kept
RUNGS, MIDDLE = 4, 10  # times, and more iterations each time, of the better half
LONG = 200  # iterations at most of those that are kept
PERSIST = 0.95  # chance of staying that the first start begins with
STAYS = (PERSIST, 0.5)  # of starts, in turn
BATCH, BATCHES, AGREE = 20, 10, 3  # starts at a time, batches at most and climbs that must agree, until replicated
SAME = 1e-4  # log-likelihoods closer than this are one maximum


@dataclass(frozen=True, eq=False)
class Inference:
    """Filter at given parameters.

    Attributes
    ----------
    loglik : (T,). predicted, filtered : (T, k), Pr(S_t | Y_{t-1}) and Pr(S_t | Y_t). density : (T, k) log-densities.
    transitions : (1 or T, k, k). first : (k,) law of the first state.
    """

    loglik: Array = field(repr=False)
    predicted: Array = field(repr=False)
    filtered: Array = field(repr=False)
    density: Array = field(repr=False)
    transitions: Array = field(repr=False)
    first: Array

    def smooth(self, by_date: bool = False) -> tuple[Array, Array]:
        """Smoothed probabilities (T, k) and expected transitions, summed (1, k, k) or by date (T, k, k)."""
        nobs, k = self.filtered.shape
        smoothed = np.empty((nobs, k))
        moves = np.empty((nobs if by_date else 1, k, k))
        regime_smoother(self.transitions, self.predicted, self.filtered, smoothed, moves)
        return smoothed, moves

    def viterbi(self) -> tuple[Integers, float]:
        """Most probable path of regimes, (T,) from 0, and its log-probability together with the data."""
        path = np.empty(self.filtered.shape[0], np.int64)
        # a probability of zero has the logarithm -inf, which is what is meant
        value = regime_viterbi(self.density, self.transitions, self.first, path)
        return path, float(value)


def infer(density: Array, transitions: Array, first: Array) -> Inference:
    """Run the filter."""
    nobs, k = density.shape
    loglik = np.empty(nobs)
    predicted, filtered = np.empty((nobs, k)), np.empty((nobs, k))
    regime_filter(density, transitions, first, loglik, predicted, filtered)
    return Inference(loglik, predicted, filtered, density, transitions, first)


class RegimeLikelihood:
    """An emission and a chain as one likelihood; parameters are the emission's, then the chain's.

    Attributes
    ----------
    best_first : (k,) how well each state explains the sample from its first date on; read by ``initial="estimated"``.
    """

    def __init__(self, emission: Emission, chain: Chain) -> None:
        if emission.nobs != chain.nobs or emission.k != chain.states:
            raise SpecError(
                f"{emission.k} regimes over {emission.nobs} dates, a chain of {chain.states} over {chain.nobs}: they "
                "differ."
            )
        self.emission, self.chain = emission, chain
        blocks = emission.blocks()
        self.inside = sum(len(block.names) for block in blocks)
        self.layout = Layout([*blocks, *chain.blocks()])
        self.best_first: Array | None = None

    @property
    def nobs(self) -> int:
        """Dates."""
        return self.emission.nobs

    @property
    def k(self) -> int:
        """States: regimes, or what a chain with a memory tells apart (`Chain.states`)."""
        return self.emission.k

    def split(self, theta: Array) -> tuple[Array, Array]:
        """Parameters of the densities and of the chain."""
        return theta[: self.inside], theta[self.inside :]

    def infer(self, theta: Array, first: Array | None = None) -> Inference:
        """Filter at ``theta``; ``first`` replaces the chain's own law of the first state."""
        inner, outer = self.split(theta)
        law = self.chain.start(outer, self.best_first)[0] if first is None else first
        return infer(self.emission.density(inner), self.chain.state_matrices(outer), law)

    def settle(self, theta: Array) -> None:
        """Find the first state that explains the sample best, where the law of the first state is estimated."""
        if isinstance(self.chain.initial, str) and self.chain.initial == "estimated":
            flat = np.full(self.k, 1.0 / self.k)
            self.best_first = self.infer(theta, flat).smooth()[0][0]

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood by date (T,), less its share of a penalty, and scores (T, K) when ``want`` is 1."""
        inner, outer = self.split(theta)
        law, by_chain = self.chain.start(outer, self.best_first)
        found = self.infer(theta, law)
        penalty, pull = self.chain.penalize(outer)
        loglik = found.loglik - penalty / self.nobs
        if not want:
            return loglik, np.empty((0, 0))
        score = np.zeros((self.nobs, self.layout.size))
        if not np.isfinite(found.loglik[-1]):
            return loglik, score
        dstart = np.zeros((self.k, self.layout.size))
        dstart[:, self.inside :] = by_chain
        state_scores(
            found.density,
            self.emission.slopes(inner),
            found.transitions,
            self.chain.z,
            self.chain.driven,
            dstart,
            found.loglik,
            found.filtered,
            self.chain.now,
            self.chain.successor,
            score,
        )
        score[:, self.inside :] -= pull / self.nobs
        return loglik, score

    def total(self, theta: Array) -> float:
        """Sum of the log-likelihood."""
        return float(self.evaluate(theta, 0)[0].sum())

    def ordered(self, theta: Array) -> tuple[Integers, Integers]:
        """(positions, order): ``theta[positions]`` has its regimes numbered by the emission's rank."""
        inner, _ = self.split(theta)
        order = np.argsort(self.emission.rank(inner), kind="stable")
        inside = self.emission.relabel(order)
        return np.concatenate([inside, self.inside + self.chain.relabel(order)]), order


def expectation(lik: RegimeLikelihood, theta: Array, first: Array) -> tuple[float, Array, Array]:
    """E-step: log-likelihood, smoothed probabilities (T, k), expected transitions."""
    found = lik.infer(theta, first)
    total = float(found.loglik.sum())
    if not np.isfinite(total):
        return -np.inf, np.empty((0, 0)), np.empty((0, 0, 0))
    smoothed, moves = found.smooth(lik.chain.driven)
    penalty, _ = lik.chain.penalize(lik.split(theta)[1])
    return total - penalty, smoothed, moves


@dataclass(frozen=True, eq=False)
class Start:
    """One start: where EM went, in how many iterations, and why it was given up if it was.

    Attributes
    ----------
    path : log-likelihood before each iteration, with a free law of the first state; it never falls.
    end : log-likelihood its climb ended at; None for a start that was not climbed, or fell into a degenerate solution.
    """

    theta: Array = field(repr=False)
    first: Array = field(repr=False)
    path: Array = field(repr=False)
    reason: str = ""
    end: float | None = None

    @property
    def loglik(self) -> float:
        """Last log-likelihood; -inf for a degenerate start."""
        return float(self.path[-1]) if self.path.size and not self.reason else -np.inf


def run_em(lik: RegimeLikelihood, theta: Array, first: Array, max_iter: int, tol: float = 1e-7) -> Start:
    """EM from ``theta``; stops when an iteration gains less than ``tol`` per cent of a point or after ``max_iter``."""
    compiled = getattr(lik.emission, "compiled_em", None)
    if compiled is not None and type(lik).infer is RegimeLikelihood.infer:
        done = compiled(lik.chain, *lik.split(theta), first, max_iter, tol * 100.0)
        if done is not None:
            return Start(np.concatenate(done[:2]), done[2], done[3], done[4])
    path = []
    reason = ""
    for _ in range(max_iter):
        total, weights, moves = expectation(lik, theta, first)
        if not np.isfinite(total):
            reason = "the likelihood is not finite"
            break
        inner, outer = lik.split(theta)
        reason = lik.emission.weak(inner, weights)
        if reason:
            break
        path.append(total)
        if len(path) > 1 and path[-1] - path[-2] < tol * 100.0:
            break
        new = lik.emission.mstep(weights, inner)
        theta = np.concatenate([new, lik.chain.mstep(moves, outer)])
        first = weights[0]
    return Start(theta, first, np.array(path), reason)


def begin(lik: RegimeLikelihood, weights: Array, stay: float = PERSIST) -> Array:
    """Parameters of a start: an M-step on ``weights``, and a chain that stays with probability ``stay``."""
    inner = lik.emission.mstep(weights, None)
    k, q = lik.chain.k, lik.chain.z.shape[1]
    away = (1.0 - stay) / (k - 1)
    outer = np.zeros(lik.chain.size)
    outer[::q] = np.log(away / stay) if lik.chain.driven else away
    return np.concatenate([inner, outer])


def climb_regimes(
    lik: RegimeLikelihood,
    starts: int | str = 20,
    rng: int | np.random.Generator = 0,
    *,
    warm: Array | None = None,
    keep: int = 3,
    tol: float = 1e-8,
) -> tuple[Optimum, list[Start]]:
    """Maximise from ``starts`` data-driven and random starts (and ``warm``, parameters of an earlier fit).

    Every start takes `SHORT` steps of EM; the better half, without those that are where a better one is, `RUNGS` times
    `MIDDLE` more, the best quarter up to `LONG` more, and the ``keep`` best that differ, or an eighth of the starts,
    are climbed by BFGS. Where only one of these reaches the top, up to ``keep`` more starts are climbed, those that
    began most like it first, until another gets there. With ``starts="replicated"`` batches of `BATCH` starts follow
    one another until `AGREE` climbs have reached the top or `BATCHES` are spent.

    Returns
    -------
    the optimum, whose ``agreement`` is the share of the climbs that reached it, and every start with where its own
    climb ended.

    Raises
    ------
    ConvergenceError : every start was degenerate, with the cause.
    """
    until = starts == "replicated"
    count = BATCH * BATCHES if until else starts
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
        raise SpecError(f'starts={starts!r}: a number of starts, at least one, or "replicated".')
    generator = np.random.default_rng(rng)
    flat = np.full(lik.k, 1.0 / lik.k)
    tried: list[Start] = []
    optima: list[Optimum] = []
    causes: set[str] = set()
    # most regimes of returns persist, but the best of too many regimes often holds one that does not
    stays = getattr(lik.emission, "stays", STAYS)
    source = enumerate(lik.emission.splits(int(count), generator))
    while True:
        batch = [] if warm is None or tried else [run_em(lik, warm, lik.infer(warm).first, SHORT)]
        for number, weights in islice(source, BATCH if until else int(count)):
            batch.append(run_em(lik, begin(lik, weights, stays[number % len(stays)]), flat, SHORT))
        if not batch:
            break
        found, causes_here = _ascend(lik, batch, keep, tol)
        causes |= causes_here
        optima += found
        tried += batch
        top = max((one.loglik for one in optima), default=-np.inf)
        if not until or len(_at(tried, top)) >= AGREE:
            break
    if not optima:
        alive = any(np.isfinite(start.loglik) for start in tried)
        sentence = (
            "every climb ended in a degenerate solution"
            if alive
            else f"all {len(tried)} starts ended in a degenerate solution"
        )
        raise ConvergenceError(f"{sentence}: {'; '.join(sorted(causes))}.")
    best = max(optima, key=lambda one: one.loglik)
    top = best.loglik
    for _ in range(3):
        before = lik.best_first
        lik.settle(best.theta)
        if before is None or lik.best_first is None or np.argmax(before) == np.argmax(lik.best_first):
            break
        best = maximize(lik, [best.theta], tol=tol)
    ends = [start.end for start in tried if start.end is not None]
    agreement = sum(end > top - SAME for end in ends) / len(ends)
    return replace(best, agreement=agreement, evaluations=sum(one.evaluations for one in optima)), tried


def _ascend(lik: RegimeLikelihood, tried: list[Start], keep: int, tol: float) -> tuple[list[Optimum], set[str]]:
    """Climb from the starts that promise most; writes where each climb ended into ``tried``."""
    causes = {start.reason for start in tried if start.reason}
    alive = [at for at, start in enumerate(tried) if np.isfinite(start.loglik)]

    def go_on(where: list[int], here: dict[int, Start], steps: int, gain: float) -> dict[int, Start]:
        out = {}
        for at in where:
            more = run_em(lik, here[at].theta, here[at].first, steps, gain)
            if np.isfinite(more.loglik):
                out[at] = more
            else:
                causes.add(more.reason)
                tried[at] = replace(tried[at], reason=more.reason)
        return out

    def climb(at: int, start: Start) -> None:
        one = maximize(lik, [start.theta], tol=tol)
        cause = _weakness(lik, one.theta)
        if cause:
            causes.add(cause)
            tried[at] = replace(tried[at], reason=cause)
        else:
            optima.append(one)
            tried[at] = replace(tried[at], end=one.loglik)

    optima: list[Optimum] = []
    here = {at: tried[at] for at in alive}
    for _ in range(RUNGS):  # those that meet on the way go on as one
        here = go_on(_different(here, max(keep, len(tried) // 2)), here, MIDDLE, 1e-4)
    here = go_on(_different(here, max(keep, len(tried) // 4)), here, LONG, 1e-4)
    if here:
        lik.settle(max(here.values(), key=lambda start: start.loglik).theta)
    for at in _different(here, max(keep, len(tried) // 8)):
        climb(at, here[at])
    for _ in range(keep):
        top = max((one.loglik for one in optima), default=-np.inf)
        reached = _at(tried, top)
        if len(reached) > 1:
            break
        rest = [at for at in alive if tried[at].end is None and not tried[at].reason]
        if not rest:
            break
        # what has come as high already first, then what began most like it
        level = tried[reached[0]].loglik if reached else np.inf
        near = min(rest, key=lambda at: (at not in here or here[at].loglik < top - 0.1, abs(tried[at].loglik - level)))
        more = here if near in here else go_on([near], {near: tried[near]}, LONG, 1e-4)
        if near in more:
            climb(near, more[near])
    return optima, causes


def replicated(tried: Sequence[Start]) -> tuple[int, int]:
    """Climbs that reached the best log-likelihood, and climbs."""
    ends = [start.end for start in tried if start.end is not None]
    return sum(end > max(ends) - SAME for end in ends), len(ends)


def _at(tried: list[Start], top: float) -> list[int]:
    """Starts whose climb reached ``top``."""
    return [at for at, start in enumerate(tried) if start.end is not None and start.end > top - SAME]


def _different(starts: dict[int, Start], count: int) -> list[int]:
    """The ``count`` best starts; those equal to a better one within 1e-6 of the log-likelihood are one with it."""
    out: list[int] = []
    for at in sorted(starts, key=lambda at: -starts[at].loglik):
        here = starts[at].loglik
        if all(abs(here - starts[other].loglik) > 1e-6 * (1.0 + abs(here)) for other in out):
            out.append(at)
        if len(out) == count:
            break
    return out


def _weakness(lik: RegimeLikelihood, theta: Array) -> str:
    """Why an optimum is degenerate, or ""."""
    return lik.emission.weak(lik.split(theta)[0], lik.infer(theta).smooth()[0])
