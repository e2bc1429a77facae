r"""The likelihood of correlations that move smoothly between constant matrices with a driver, or with time.

.. math::

    R_t=(1-G_t)R_1+G_tR_2,\qquad G_t=\frac1{1+\exp\{-\gamma(s_t-c)/\hat\sigma_s\}},

and its double form with four matrices and two drivers. :math:`\hat\sigma_s`, the driver's standard deviation in the
sample of the fit, makes :math:`\gamma` a pure number; it is a constant, kept when the model is moved to other data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from ..errors import DataError, SpecError
from ..estimation.inference import free_part, sandwich, spread
from ..estimation.optimize import Optimum
from ..estimation.params import Array, Block, Layout, correlation, interval, positive
from ..kernels.stcc import (
    transition_filter,
    transition_filter_pair,
    transition_simulate,
    transition_slopes,
    transition_weights,
)
from .model import PathModel, nu_block

__all__ = ["GAMMA_BOUNDS", "REGIMES", "Frame", "TransitionLikelihood"]

GAMMA_BOUNDS = (0.1, 500.0)
QUANTILES = (0.1, 0.9)
FEW = 5.0  # observations, in sum of weights, below which nothing is said about a regime or the inside of a transition
# names of the regimes by number of transitions
REGIMES: dict[int, tuple[str, ...]] = {0: ("r",), 1: ("r1", "r2"), 2: ("r11", "r12", "r21", "r22")}


@dataclass(frozen=True, eq=False)
class Frame:
    """What ties the parameters to a driver's units; a matter of the fitted sample.

    Attributes
    ----------
    scale, lower, upper : (M,) standard deviation of each driver, and between which values its transition may lie.
    length : dates of the fitted sample, over which time runs from 1/length to 1.
    first : row of that sample at which this one begins.
    """

    scale: Array
    lower: Array
    upper: Array
    length: int
    first: int = 0


class TransitionLikelihood(PathModel):
    """Normal or t log-likelihood of z (T, N) under none, one or two smooth transitions.

    Parameters
    ----------
    z : (T, N). prefix : of the parameters' names. names : columns.
    driver : (T, D) exogenous variables or None. time : whether t / T is a further driver, the last.
    frame, layout : those of the model this one is a copy of; found from the data by default.

    Raises
    ------
    DataError : a driver with too few values to trace a transition, two drivers that are one.
    """

    def __init__(
        self,
        z: Array,
        *,
        dist: str,
        prefix: str,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        time: bool = False,
        frame: Frame | None = None,
        layout: Layout | None = None,
    ) -> None:
        super().__init__(z, dist=dist, names=names, driver=driver)
        self.timed = time
        self.prefix = prefix
        length, first = (self.nobs, 0) if frame is None else (frame.length, frame.first)
        self.states: Array = self.drive(self.driver, self.nobs, length, first)  # (T, M)
        self.count: int = self.states.shape[1]
        self.frame = _measure(self.states) if frame is None else frame
        self.x: Array = np.ascontiguousarray(self.states / self.frame.scale)
        self.layout = self._names() if layout is None else layout
        self.pair_count = self.n * (self.n - 1) // 2
        self.head = self.pair_count << self.count  # where the transitions' parameters begin
        self._judged: tuple[Optimum, tuple[bool, ...], tuple[str, ...]] | None = None

    polish = 11

    def drive(self, driver: Array | None, nobs: int, length: int, first: int) -> Array:
        """Driver columns and, where time drives, t / length for rows first + 1, ..., as (T, M)."""
        parts = [np.empty((nobs, 0)) if driver is None else driver]
        if self.timed:
            parts.append(((first + np.arange(1.0, nobs + 1.0)) / length)[:, None])
        return np.hstack(parts)

    def _names(self) -> Layout:
        blocks: list[Block] = [correlation(*self.pair_names(f"{self.prefix}.{r}")) for r in REGIMES[self.count]]
        for m in range(self.count):
            tail = "" if self.count == 1 else str(m + 1)
            low, high = GAMMA_BOUNDS
            blocks.append(positive(f"{self.prefix}.gamma{tail}", lower=low, upper=high))
            ends = float(self.frame.lower[m]), float(self.frame.upper[m])
            blocks.append(interval(f"{self.prefix}.c{tail}", *ends))
        if self.student:
            blocks.append(nu_block(f"{self.prefix}.nu"))
        return Layout(blocks)

    @property
    def dynamic(self) -> bool:
        """False without a transition."""
        return self.count > 0

    # --- parameters

    def split(self, theta: Array) -> tuple[Array, Array, Array]:
        """Regimes (2^M, P), gamma (M,) and c (M,)."""
        flat = np.ascontiguousarray(theta[: self.head]).reshape(1 << self.count, self.pair_count)
        rest = theta[self.head : self.head + 2 * self.count]
        return flat, np.ascontiguousarray(rest[::2]), np.ascontiguousarray(rest[1::2])

    def weigh(self, theta: Array, states: Array | None = None) -> tuple[Array, Array]:
        """Transitions G (T, M) and weights of the regimes (T, 2^M), in the sample or at ``states`` (T, M)."""
        _, gamma, c = self.split(theta)
        x = self.x if states is None else np.ascontiguousarray(states / self.frame.scale)
        values, weights = transition_weights(gamma, c / self.frame.scale, x)
        return values, weights

    # --- the contract

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-density (T,) and scores (T, K)."""
        flat, gamma, c = self.split(theta)
        k = c / self.frame.scale
        nu, const = self.density(theta)
        score: Array
        if self.n == 2:
            loglik, score, _ = transition_filter_pair(flat[:, 0].copy(), gamma, k, nu, const, self.z, self.x, want)
        else:
            values, weights = transition_weights(gamma, k, self.x)
            if want == 0:
                loglik, _ = transition_slopes(flat, nu, const, self.z, weights, 0)
                return loglik, np.empty((0, self.layout.size))
            loglik, score = transition_filter(flat, gamma, k, nu, const, self.z, self.x, values, weights)
        for m in range(self.count):
            score[:, self.head + 2 * m + 1] /= self.frame.scale[m]
        return loglik, score

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the pairs by date, (T, pairs)."""
        return self.path_at(theta, self.states, rows, cols)

    def path_at(self, theta: Array, states: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the pairs at the driver values ``states`` (H, M), (H, pairs)."""
        matrices = np.stack([self.matrix(one) for one in self.split(theta)[0]])
        out: Array = self.weigh(theta, states)[1] @ matrices[:, np.asarray(rows), np.asarray(cols)]
        return out

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, N); there is no nuisance."""
        flat, gamma, c = self.split(theta)
        nu, const = self.density(theta)
        k = c / self.frame.scale
        if self.n == 2:
            by_z = transition_filter_pair(flat[:, 0].copy(), gamma, k, nu, const, self.z, self.x, 2)[2]
        else:
            by_z = transition_slopes(flat, nu, const, self.z, self.weigh(theta)[1], 1)[1]
        return by_z, np.empty(0)

    def starts(self) -> Iterator[Array]:
        """The best points of a grid over the transitions, the regimes fitted to each; see `transition_starts`."""
        from .transition_starts import transition_starts

        return transition_starts(self)

    def simulate(
        self,
        theta: Array,
        shocks: Array,
        rows: npt.ArrayLike = (),
        cols: npt.ArrayLike = (),
        *,
        driver: Array | None = None,
        warm: bool = False,
    ) -> tuple[Array, Array]:
        """Residuals and correlations; nothing but the driver is carried from one date to the next."""
        states = self._ahead(driver, shocks.shape[0], warm)
        weights = self.weigh(theta, states)[1]
        z = transition_simulate(self.split(theta)[0], weights, np.ascontiguousarray(shocks, float))
        return z, self.path_at(theta, states, np.asarray(rows, np.int64), np.asarray(cols, np.int64))

    def _ahead(self, driver: Array | None, nobs: int, warm: bool) -> Array:
        """States of ``nobs`` dates from the start of the sample or, ``warm``, after its end, (H, M)."""
        if (self.driver is None) != (driver is None):
            raise SpecError("the model needs its driver's values for every date it is simulated on, and no others.")
        if driver is not None and driver.shape[0] != nobs:
            raise SpecError(f"the driver has {driver.shape[0]} rows for {nobs} dates.")
        first = self.frame.first + (self.nobs if warm else 0)
        return self.drive(driver, nobs, self.frame.length, first)

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        """Exact for every method: given the driver ahead, R_{T+h} is known, (H, N, N)."""
        del method
        flat = self.path_at(theta, self._ahead(driver, horizon, True), *self.pairs)
        return np.stack([self.matrix(one) for one in flat])

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> TransitionLikelihood:
        """Return the same model on other residuals and driver values, its units kept."""
        del nuisance
        return self._copy(z, driver, self.frame)

    def since(self, first: int) -> TransitionLikelihood:
        """Return the model with its row 0 at row ``first`` of the sample it was fitted to."""
        return self._copy(self.z, self.driver, replace(self.frame, first=first))

    def _copy(self, z: Array, driver: Array | None, frame: Frame) -> TransitionLikelihood:
        dist = "t" if self.student else "normal"
        return TransitionLikelihood(
            z,
            dist=dist,
            prefix=self.prefix,
            names=self.names,
            driver=driver,
            time=self.timed,
            frame=frame,
            layout=self.layout,
        )

    def constant(self) -> TransitionLikelihood:
        """The model without its transitions: a constant R, estimated by maximum likelihood."""
        dist = "t" if self.student else "normal"
        return TransitionLikelihood(self.z, dist=dist, prefix="ccc", names=self.names)

    def explicit(self) -> TransitionLikelihood:
        """The same model with time, where it drives, written out as a driver's column."""
        if not self.timed:
            return self
        dist = "t" if self.student else "normal"
        return TransitionLikelihood(
            self.z,
            dist=dist,
            prefix=self.prefix,
            names=self.names,
            driver=self.states,
            frame=self.frame,
            layout=self.layout,
        )

    def alone(self, m: int) -> TransitionLikelihood:
        """The model with transition ``m`` only."""
        if self.count == 1:
            return self
        f = self.frame
        frame = Frame(f.scale[m : m + 1], f.lower[m : m + 1], f.upper[m : m + 1], f.length, f.first)
        timed = self.timed and m == self.count - 1
        driver = None if timed or self.driver is None else np.ascontiguousarray(self.driver[:, m : m + 1])
        dist = "t" if self.student else "normal"
        return TransitionLikelihood(
            self.z, dist=dist, prefix=self.prefix, names=self.names, driver=driver, time=timed, frame=frame
        )

    # --- what the estimate does not identify

    def loose(self, optimum: Optimum) -> tuple[bool, ...]:
        """Coordinates on their bound, and those the data do not speak about; `concerns` says why."""
        return self._judge(optimum)[0]

    def concerns(self, optimum: Optimum) -> tuple[str, ...]:
        """Abrupt or hardly begun transitions, regimes without observations, regimes that do not differ."""
        return self._judge(optimum)[1]

    def _judge(self, optimum: Optimum) -> tuple[tuple[bool, ...], tuple[str, ...]]:
        if self._judged is not None and self._judged[0] is optimum:
            return self._judged[1:]
        loose = np.array(optimum.pinned, bool)
        texts: list[str] = []
        values, weights = self.weigh(optimum.theta)
        for m in range(self.count):
            texts += self._judge_transition(optimum, m, values[:, m], loose)
        for regime, name in enumerate(REGIMES[self.count]):
            total = float(weights[:, regime].sum())
            if self.count and total < FEW:
                loose[regime * self.pair_count : (regime + 1) * self.pair_count] = True
                texts.append(f"{self.prefix}.{name} rests on {total:.1f} observations and is not identified")
        for m in range(self.count):
            at = self.head + 2 * m
            level = self._contrast_pvalue(optimum, m, loose)
            if level > 0.05:
                loose[at : at + 2] = True
                gamma, c = self.layout.names[at : at + 2]
                texts.append(
                    f"the regimes of {gamma} hardly differ (p = {level:.2f} even if {gamma} and {c} were known), so "
                    f"{gamma} and {c} are not identified"
                )
        self._judged = (optimum, tuple(loose.tolist()), tuple(texts))
        return self._judged[1:]

    def _judge_transition(self, optimum: Optimum, m: int, values: Array, loose: npt.NDArray[np.bool_]) -> Iterator[str]:
        """Mark what transition ``m`` leaves open, and say it."""
        at = self.head + 2 * m
        gamma, c = self.layout.names[at : at + 2]
        place = float(optimum.theta[at + 1])
        inside = float(4.0 * (values * (1.0 - values)).sum())
        if (optimum.pinned[at] and optimum.theta[at] > 1.0) or inside < FEW:
            loose[at : at + 2] = True
            known = np.sort(self.states[:, m])
            k = int(np.clip(np.searchsorted(known, place), 1, known.size - 1))
            yield (
                f"the transition of {gamma} is an abrupt switch with {inside:.1f} observations inside it: {gamma} has "
                f"no upper end, and {c} is known at best to lie between two neighboring observed values, "
                f"{known[k - 1]:.6g} and {known[k]:.6g}"
            )
        elif optimum.pinned[at]:
            yield (
                f"{gamma} is on its lower bound: the correlation is close to linear in the driver, and the regimes "
                "are extrapolations"
            )
        if optimum.pinned[at + 1]:
            low, high = (f"{100 * q:.0f} %" for q in QUANTILES)
            side = low if place <= float(self.frame.lower[m]) else high
            yield f"{c} is on the {side} quantile of the driver: the transition may lie beyond it"

    def _contrast_pvalue(self, optimum: Optimum, m: int, loose: npt.NDArray[np.bool_]) -> float:
        """P-value of equal regimes across transition ``m``, were all gamma and c known (robust Wald)."""
        known = loose.copy()
        known[self.head : self.head + 2 * self.count] = True
        part = free_part(self, replace(optimum, pinned=tuple(known.tolist())))
        if part.hessian.shape[0] == 0:
            return 0.0
        cov = spread(sandwich(part.hessian, part.score), part.jacobian)
        regimes, pairs = 1 << self.count, self.pair_count
        turn = regimes >> (m + 1)  # how far apart two regimes lie that differ in transition m alone
        rows = []
        for regime in range(regimes):
            if regime & turn:
                continue
            for p in range(pairs):
                low, high = regime * pairs + p, (regime + turn) * pairs + p
                if np.isfinite(cov[low, low]) and np.isfinite(cov[high, high]):
                    row = np.zeros(self.layout.size)
                    row[low], row[high] = -1.0, 1.0
                    rows.append(row)
        if not rows:
            return 0.0
        contrast = np.stack(rows)
        gap = contrast @ optimum.theta
        spreads = contrast @ np.where(np.isfinite(cov), cov, 0.0) @ contrast.T
        return float(stats.chi2.sf(gap @ np.linalg.pinv(spreads, hermitian=True) @ gap, len(rows)))


def _measure(states: Array) -> Frame:
    """Scale and bounds of each driver in the sample of the fit."""
    ends: Array = np.quantile(states, QUANTILES, axis=0) if states.size else np.empty((2, 0))
    lower, upper = ends
    for m in range(states.shape[1]):
        label = "the driver" if states.shape[1] == 1 else f"driver {m + 1}"
        values = np.unique(states[:, m])
        if values.size < 4:
            raise DataError(
                f"{label} takes only {values.size} values: two regimes, a place and a speed need four at least; "
                "for a dummy compare the two groups instead."
            )
        if not lower[m] < upper[m]:
            raise DataError(
                f"{label} has the value {lower[m]:g} from its 10 % to its 90 % quantile: nothing traces a transition; "
                "take a driver that moves."
            )
    scale: Array = states.std(axis=0)
    if states.shape[1] == 2:
        r = float(np.mean(np.prod((states - states.mean(axis=0)) / scale, axis=1)))
        if abs(r) > 1.0 - 1e-8:
            raise DataError("the two drivers are one (their correlation is ±1): drop one and use STCC.")
    return Frame(scale, lower, upper, states.shape[0])
