r"""Dating by Markov states: how probable the regime of large changes is, by reading.

.. math:: \Delta y_t=\mu_{S_t}+\sigma_{S_t}u_t,\qquad \Pr(S_t=j\mid S_{t-1}=i)=p_{ij},\qquad
          y=\log(\text{tech}/\text{market})
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, cast

import numpy as np

from cryptoequity.claim.dating import Floats, RuleDating, States
from cryptoequity.claim.sampling import check_number, check_whole, hold, stands_still, until
from cryptoequity.errors import ConvergenceError, DataError, check_option
from cryptoequity.kernels.dating import keep_spells
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.likelihood import RegimeLikelihood, climb_regimes
from cryptoequity.regimes.linear import LinearEmission

__all__ = ["MarkovDating", "MarkovRule", "MarkovStates", "fit_states"]

SPARE = 20  # changes for each parameter, the fewest two regimes are told apart with
FILLED = 0.01  # share of changes that are exactly zero; more is a filled calendar


@dataclass(frozen=True)
class MarkovRule:
    """Choices of `ReRating.from_markov`, which describes them; every ``step``-th reading is used."""

    clock: Literal["sessions", "days"]
    of: Literal["prices", "multiples"]
    relative: bool
    step: int
    k: int
    switching: str
    dist: str
    probability: str
    threshold: float
    starts: int
    rng: int
    min_length: int
    merge: int
    lag: int
    report_lag: int
    real_time: bool = False

    def __post_init__(self) -> None:
        check_option("clock", self.clock, ("sessions", "days"))
        check_option("of", self.of, ("prices", "multiples"))
        check_option("switching", self.switching, ("variance", "mean"))
        check_option("dist", self.dist, ("normal", "t"))
        check_option("probability", self.probability, ("smoothed", "filtered"))
        check_option("real_time", self.real_time, (False,))
        check_option("k", self.k, (2, 3, 4))
        for name, least in (
            ("step", 1),
            ("starts", 1),
            ("rng", 0),
            ("min_length", 1),
            ("merge", 0),
            ("lag", 0),
            ("report_lag", 0),
        ):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), least))
        object.__setattr__(self, "threshold", check_number("threshold", self.threshold, 0.0, 1.0))

    def to_dict(self) -> dict[str, object]:
        """Return the choices by name."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class MarkovStates:
    """A fitted chain on changes.

    Attributes
    ----------
    theta : parameters, regimes numbered by variance or mean. probability : (m,) of the regime that is an episode,
        signed where the mean switches. loglik : maximum.
    """

    theta: Floats
    probability: Floats
    loglik: float


def fit_states(changes: Floats, rule: MarkovRule, warm: Floats | None = None) -> MarkovStates:
    """Fit the chain to percent changes (m,), from ``rule.starts`` starts or from the parameters of an earlier fit.

    Raises
    ------
    DataError : too few changes, changes that are constant or often exactly zero.
    ConvergenceError : every start is degenerate, or the climb stopped short.
    """
    spread = rule.switching == "variance"
    inside = (1 + rule.k) if spread else (rule.k + 1)
    need = SPARE * (inside + rule.k * (rule.k - 1) + (rule.dist == "t"))
    if changes.size < need:
        raise DataError(
            f"{changes.size} sampled changes, and {rule.k} regimes need at least {need}; give a longer history, a "
            "smaller step or fewer regimes."
        )
    if not float(np.ptp(changes)) > 0.0:
        raise DataError("the changes of the ratio are constant: there are no regimes in them.")
    zeros = float(np.mean(changes == 0.0))
    if zeros > FILLED:
        raise DataError(
            f"{zeros:.1%} of the changes of the ratio are exactly zero; closes were filled over days the market was "
            "shut, and a regime of their own with no variance would win. Use the sessions both series share."
        )
    emission = LinearEmission(
        np.ascontiguousarray(changes[:, None]),
        np.ones((changes.size, 1)),
        ("change",),
        ("const",),
        rule.k,
        switching=np.array([not spread]),
        scale="switching" if spread else "common",
        student=rule.dist == "t",
        rank_by="variance" if spread else "mean",
    )
    likelihood = RegimeLikelihood(emission, Chain(rule.k, np.ones((changes.size, 1))))
    starts = rule.starts if warm is None else 2  # a warm start, and two of the sample's own so that it is not a trap
    optimum, _ = climb_regimes(likelihood, starts, rule.rng, warm=warm, keep=3 if warm is None else 1)
    if not optimum.converged:
        raise ConvergenceError(f"the regimes of the changes were not found: {optimum.reason}.")
    _, order = likelihood.ordered(optimum.theta)
    found = likelihood.infer(optimum.theta)
    by_state = found.smooth()[0] if rule.probability == "smoothed" else found.filtered
    by_state = np.asarray(by_state, dtype=np.float64)[:, order]
    if spread:
        probability = by_state[:, -1]
    elif rule.k == 2:
        # of two means the rarer regime's is the farther from the average
        rare = int(np.argmin(by_state.mean(axis=0)))
        probability = (1.0 if rare else -1.0) * by_state[:, rare]
    else:
        low, high = by_state[:, 0], by_state[:, -1]
        probability = np.where(high >= low, high, -low)
    return MarkovStates(optimum.theta, probability, optimum.loglik)


@dataclass(frozen=True, eq=False)
class MarkovDating(RuleDating):
    """A `MarkovRule` laid on readings; see `RuleDating`. New paths are fitted from the parameters of its own.

    Raises
    ------
    DataError : too few readings, or changes no regimes can be told from.
    ConvergenceError : the regimes of the readings' own path were not found.
    """

    rule: MarkovRule

    def __post_init__(self) -> None:
        stands_still(self.readings)
        try:
            _ = self.found
        except DataError as error:
            dates = self.readings.dates
            raise DataError(f"readings from {dates[0]} to {dates[-1]}: {error}") from error
        if self.effective.size == 0:
            raise DataError(f"a lag of {self.rule.lag} leaves none of the {self.readings.dates.size} sessions.")

    @cached_property
    def found(self) -> MarkovStates:
        """The chain fitted to the readings' own path."""
        return self.fit(self.readings.log_ratio)

    def fit(self, log_ratio: Floats, warm: Floats | None = None) -> MarkovStates:
        """Fit the chain to the sampled changes of a path (n,)."""
        return fit_states(100.0 * np.diff(log_ratio[:: self.rule.step]), self.rule, warm)

    def of_path(self, log_ratio: Floats | None) -> tuple[Floats, MarkovStates]:
        """Return a path, or the readings' own, and the chain fitted to it."""
        if log_ratio is None:
            return self.readings.log_ratio, self.found
        return log_ratio, self.fit(log_ratio, self.found.theta)

    def spread(self, values: Floats | States, size: int) -> Floats | States:
        """Spread values by change, (m,), over readings (n,): smoothed ones back to the change's start, else forward."""
        step = self.rule.step
        if self.rule.probability == "smoothed":
            rows = np.arange(0, size, step, dtype=np.int64)
            return cast("Floats | States", until(np.concatenate([values[:1] * 0, values]), rows, size))
        return cast("Floats | States", hold(np.concatenate([values[:1] * 0, values]), step, size))

    def signs(self, log_ratio: Floats, found: MarkovStates) -> States:
        """Return the sign of the spell each sampled change belongs to, or 0; (m,)."""
        rule = self.rule
        size = np.abs(found.probability)
        flags = (size >= rule.threshold).astype(np.int8)
        clock = np.arange(flags.size, dtype=np.float64)
        if rule.switching == "mean":
            flags = np.where(flags == 1, np.sign(found.probability), 0.0).astype(np.int8)
        kept = keep_spells(flags, clock, 1.0, float(rule.min_length), float(rule.merge), False)
        if rule.switching == "mean":
            return cast(States, kept)
        # a regime of large changes has no direction of its own: that of the ratio over the spell
        level = log_ratio[:: rule.step]
        out = np.zeros(kept.size, dtype=np.int8)
        edges = np.flatnonzero(np.diff(kept, prepend=0, append=0))
        for first, stop in pairwise(edges.tolist()):
            if kept[first]:
                out[first:stop] = 1 if level[stop] >= level[first] else -1
        return out

    def states(self, log_ratio: Floats | None = None) -> States:
        """Return the sign of the spell each reading belongs to, or 0; (n,)."""
        path, found = self.of_path(log_ratio)
        return cast(States, self.spread(self.signs(path, found), path.size))

    def scaled(self, log_ratio: Floats | None = None) -> Floats:
        """Return the signed probability of the episodes' regime; NaN before the first change; (n,).

        Inside a spell it has the spell's sign, elsewhere that of the change.
        """
        path, found = self.of_path(log_ratio)
        signs = self.signs(path, found).astype(np.float64)
        if self.rule.switching == "mean":
            signed = found.probability
        else:
            own = np.sign(np.diff(path[:: self.rule.step]))
            signed = found.probability * np.where(signs != 0.0, signs, own)
        out = np.array(self.spread(signed, path.size), dtype=np.float64)
        out[: 1 if self.rule.probability == "smoothed" else self.rule.step] = np.nan
        return out

    def moves(self) -> Floats:
        """Return the move of the ratio over the spell each reading lies in, in log points, 0 outside; (n,)."""
        level = self.readings.log_ratio[:: self.rule.step]
        kept = self.signs(self.readings.log_ratio, self.found)
        out = np.zeros(kept.size)
        edges = np.flatnonzero(np.diff(kept, prepend=0, append=0))
        for first, stop in pairwise(edges.tolist()):
            if kept[first]:
                out[first:stop] = level[stop] - level[first]
        return cast(Floats, self.spread(out, self.readings.dates.size))
