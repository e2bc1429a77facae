"""The full pipeline as one function of a sample: re-date, refit margins, refit DCC, recompute every statistic.

The same code measures the data and each bootstrap draw, so that what is estimated is estimated again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..correlation.dcc import DCC
from ..correlation.likelihood import CorrelationLikelihood
from ..correlation.spec import climb_correlation
from ..errors import ConvergenceError, DataError
from ..estimation.bootstrap import standardize_shocks
from ..estimation.optimize import Optimum
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..kernels.dcc import dcc_whiten, pair_score
from .dating import RuleDating
from .statistics import (
    beta_interaction,
    contrast,
    correlation,
    correlation_contrast,
    forbes_rigobon,
    score_contrast,
)
from .world import DRAW_TOL, NullWorld, residuals

if TYPE_CHECKING:
    from .headline import Headline

UNDATED = "draws whose episodes could not be dated"

__all__ = ["UNDATED", "Draws", "Extra", "PairFit", "Pipeline", "Redating", "attach", "fit_pair", "own_world"]


@dataclass(frozen=True, eq=False)
class PairFit:
    """A DCC of two columns: its path, the score of each date in its own correlation, the information."""

    likelihood: CorrelationLikelihood = field(repr=False)
    optimum: Optimum
    path: Array = field(repr=False)
    score: Array = field(repr=False)
    information: Array = field(repr=False)


def fit_pair(z: Array, dist: str, warm: Optimum | None = None, tol: float = 1e-8) -> PairFit:
    """Fit DCC(1,1) to residuals (T, 2) and differentiate each date's likelihood by its correlation."""
    start = None if warm is None else warm.theta
    curvature = None if warm is None else warm.curvature
    lik, optimum = climb_correlation(DCC(dist=dist), np.ascontiguousarray(z), start=start, curvature=curvature, tol=tol)
    assert optimum is not None  # a DCC always has parameters
    assert isinstance(lik, CorrelationLikelihood)
    nu, const = lik.density(optimum.theta)
    path = np.ascontiguousarray(lik.path(optimum.theta, [0], [1])[:, 0])
    score, information = pair_score(lik.z, path, nu, const)
    return PairFit(lik, optimum, path, score, information)


@dataclass(frozen=True, eq=False)
class Redating:
    """How a drawn sample moves the episodes: the rule, the observed past and the tested window.

    Attributes
    ----------
    dating : the rule on its own calendar of D days. path : (D,) observed log(tech / market), or log(tech).
    first : position of the first tested session on that calendar; the path up to it stays as observed.
    tech, market : columns of the world; ``market`` is −1 for a rule that reads tech alone.
    """

    dating: RuleDating
    path: Array = field(repr=False)
    first: int
    tech: int
    market: int

    def signed(self, returns: Array) -> Array:
        """Episode sign (T,): +1, 0, −1 on the tested window under drawn percent ``returns`` (T, N)."""
        stop = self.first + returns.shape[0]
        return self.dating.signed(self.drawn(returns), stop)[self.first : stop]

    def intensity(self, returns: Array) -> Array:
        """Signed intensity in force (T,), NaN where the rule says nothing, under drawn percent ``returns`` (T, N)."""
        stop = self.first + returns.shape[0]
        return self.dating.intensity(self.drawn(returns), stop)[self.first : stop]

    def drawn(self, returns: Array) -> Array:
        """Path (D,) with the drawn window in its place; after the window no news: the ratio stays where it ended."""
        path = self.path.copy()
        stop = self.first + returns.shape[0]
        moves = returns[:, self.tech] if self.market < 0 else returns[:, self.tech] - returns[:, self.market]
        anchor = path[self.first - 1] if self.first else 0.0
        path[self.first : stop] = anchor + np.cumsum(moves) / 100.0
        path[stop:] = path[stop - 1]
        return path


@dataclass(frozen=True, eq=False)
class Draws:
    """Statistics of every draw by name, each (B,)."""

    values: dict[str, Array] = field(repr=False)

    def __getitem__(self, name: str) -> Array:
        return self.values[name]

    def __len__(self) -> int:
        return next(iter(self.values.values())).size


class Extra(Protocol):
    """Further statistics of a sample; picklable, and without state that a draw could change."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the statistics."""

    def __call__(self, z: Array, returns: Array, signed: Array, fit: PairFit) -> Mapping[str, float]:
        """Statistics by name of residuals of the tested pair (T, 2), returns (T, N), episode signs (T,) and its DCC."""


@dataclass(frozen=True, eq=False)
class Pipeline:
    """From a sample of percent returns to the statistics of the claim.

    Attributes
    ----------
    world : the null. signed : (T,) observed episode sign; NaN in guard bands. redating : None for fixed dates.
    dist : errors of the DCC. crypto, equity, market, placebos, large : column positions; −1 where the plan names none.
    warm : pair optima of the data by pair, the climbs' warm starts.
    minimal : only the headline contrasts of the tested pair. extras : what else is read off the pair and its DCC.
    """

    world: NullWorld
    signed: Array = field(repr=False)
    redating: Redating | None
    dist: str
    crypto: int
    equity: int
    market: int = -1
    placebos: tuple[int, ...] = ()
    large: int = -1
    warm: dict[tuple[int, ...], Optimum] = field(default_factory=dict, repr=False)
    minimal: bool = False
    extras: tuple[Extra, ...] = ()

    def observed(self) -> tuple[dict[str, float], dict[tuple[int, ...], PairFit]]:
        """Statistics of the data and the pair fits behind them."""
        fits: dict[tuple[int, ...], PairFit] = {}
        return self._measure(self.world.z, self.world.returns, self.signed, fits, 1e-8), fits

    def __call__(self, seed: np.random.SeedSequence) -> dict[str, float]:
        """Statistics of one draw."""
        returns = self.world.draw(np.random.default_rng(seed))
        if self.redating is None:
            return self.measure(returns, self.signed)
        try:
            signed = self.redating.signed(returns)
        except (DataError, ConvergenceError):
            # without episodes no contrast is defined; the draw is counted, not left out
            return {**self.measure(returns, np.zeros(returns.shape[0])), UNDATED: 1.0}
        return self.measure(returns, signed)

    def measure(self, returns: Array, signed: Array) -> dict[str, float]:
        """Statistics of a sample of percent returns (T, N), margins and DCC refitted from warm starts."""
        used = self._columns()
        z = np.empty_like(returns)
        for i in used:
            z[:, i], _, _ = residuals(self.world.specs[i], returns[:, i], self.world.optima[i], tol=DRAW_TOL)
        return self._measure(z, returns, signed, {}, DRAW_TOL)

    def _columns(self) -> tuple[int, ...]:
        own = [self.crypto, self.equity]
        if not self.minimal:
            own += [self.market] if self.market >= 0 else []
            own += list(self.placebos)
            own += [self.large] if self.large >= 0 else []
        return tuple(dict.fromkeys(own))

    def _pair(self, z: Array, i: int, j: int, fits: dict[tuple[int, ...], PairFit], tol: float) -> PairFit:
        if (i, j) not in fits:
            fits[i, j] = fit_pair(z[:, [i, j]], self.dist, self.warm.get((i, j)), tol)
        return fits[i, j]

    def _measure(
        self,
        z: Array,
        returns: Array,
        signed: Array,
        fits: dict[tuple[int, ...], PairFit],
        tol: float,
    ) -> dict[str, float]:
        c, e, m = self.crypto, self.equity, self.market
        dummy = np.abs(signed)
        main = self._pair(z, c, e, fits, tol)
        out = {
            "score": score_contrast(main.score, main.information, dummy),
            "correlation": correlation_contrast(z[:, c], z[:, e], dummy),
            "product": contrast(z[:, c] * z[:, e], dummy),
        }
        for extra in self.extras:
            out.update(extra(z[:, [c, e]], returns, signed, main))
        if self.minimal:
            return out
        out["level"] = correlation(z[:, c], z[:, e])
        for name, state in (("inside", 1.0), ("outside", 0.0)):
            chosen = dummy == state
            out[f"level.{name}"] = correlation(z[chosen, c], z[chosen, e]) if chosen.sum() > 10 else float("nan")
        if self.large >= 0:
            out["level.large"] = correlation(z[:, c], z[:, self.large])
        for side, sign in (("up", 1.0), ("down", -1.0)):
            # days of the other side belong to neither group
            only = np.where(signed == -sign, np.nan, dummy)
            empty = not (only == 1.0).any()
            out[f"{side}.score"] = float("nan") if empty else score_contrast(main.score, main.information, only)
            out[f"{side}.correlation"] = correlation_contrast(z[:, c], z[:, e], only)
        out["sides.correlation"] = out["up.correlation"] - out["down.correlation"]
        groups = min((dummy == 1.0).sum(), (dummy == 0.0).sum())
        out["beta"], out["beta.t"] = (
            beta_interaction(returns[:, c], returns[:, e], dummy) if groups > 10 else (np.nan, np.nan)
        )
        if groups > 10:
            inside, outside, adjusted = forbes_rigobon(returns[:, c], returns[:, e], dummy)
            out["bound"], out["raw"] = adjusted - outside, inside - outside
        else:
            out["bound"] = out["raw"] = float("nan")
        if m >= 0:
            partial, x, y = self._partial(z, fits, tol)
            out["partial.score"] = score_contrast(partial.score, partial.information, dummy)
            out["partial.correlation"] = correlation_contrast(x, y, dummy)
        for k in self.placebos:
            fit = self._pair(z, c, k, fits, tol)
            out[f"placebo.{k}.score"] = score_contrast(fit.score, fit.information, dummy)
            out[f"placebo.{k}.correlation"] = correlation_contrast(z[:, c], z[:, k], dummy)
        return out

    def _partial(self, z: Array, fits: dict[tuple[int, ...], PairFit], tol: float) -> tuple[PairFit, Array, Array]:
        r"""Partial correlation given the market, from conditional projections.

        :math:`e_{i,t}=(z_{i,t}-\rho_{im,t}z_{m,t})/\sqrt{1-\rho_{im,t}^2}` for the crypto asset and the equity, with
        the correlations of two pair DCCs; the conditional correlation of the two is the partial correlation.
        """
        key = (self.crypto, self.equity, self.market)  # the pair given the market
        market = z[:, self.market]
        clean = []
        for i in (self.crypto, self.equity):
            rho = self._pair(z, i, self.market, fits, tol).path
            clean.append((z[:, i] - rho * market) / np.sqrt(1.0 - rho**2))
        pair = np.stack(clean, axis=1)
        if key not in fits:
            fits[key] = fit_pair(pair, self.dist, self.warm.get(key), tol)
        return fits[key], clean[0], clean[1]


def own_world(main: Headline) -> NullWorld:
    """Return the null world with the news and memory (a, b) of the tested pair's own DCC, for all columns.

    One pair of numbers for many columns is a compromise: among equities that hardly move against each other a joint
    DCC has little news, and a crypto asset that wanders against them all would stand still in its draws. What is read
    off the tested pair's path needs draws in which that pair moves as it does in the data.
    """
    world, own = main.pipeline.world, main.main.optimum.theta
    theta = world.correlation.theta.copy()
    theta[:2] = own[:2]
    a, b = float(own[0]), float(own[1])
    white = dcc_whiten(a, b, np.ascontiguousarray(world.z), world.target, world.target, world.target)
    return replace(world, correlation=replace(world.correlation, theta=theta), shocks=standardize_shocks(white))


def attach(
    main: Headline,
    extras: tuple[Extra, ...],
    seed: np.random.SeedSequence,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
    label: str = "further statistics",
) -> None:
    """Add statistics of the tested pair, and their law over draws of `own_world`, to a bootstrap that lacks them.

    There are as many draws as in ``main``. The margins of the pair and its DCC are refitted in each, and episodes dated
    by a rule are dated again. Extras attached together share their draws. An extra is drawn again when what is there
    under its names is not what it says of the data: another dose, or another driver of the same name.
    """
    own = own_world(main)
    observed, _ = replace(main.pipeline, world=own, minimal=True, extras=extras).observed()
    wanted = tuple(one for one in extras if not all(_known(main, name, observed[name]) for name in one.names))
    if not wanted:
        return
    pipeline = replace(main.pipeline, world=own, minimal=True, extras=wanted)
    results = map_draws(pipeline, spawn(seed, len(main.draws)), n_jobs=n_jobs, progress=progress, label=label)
    for name in (name for one in wanted for name in one.names):
        main.statistics[name] = observed[name]
        main.draws.values[name] = np.array([one[name] for one in results])


def _known(main: Headline, name: str, value: float) -> bool:
    """Whether the bootstrap holds draws of this statistic of these data; a second climb differs in its last digits."""
    if name not in main.draws.values or name not in main.statistics:
        return False
    return bool(np.isclose(main.statistics[name], value, rtol=1e-4, atol=1e-8, equal_nan=True))
