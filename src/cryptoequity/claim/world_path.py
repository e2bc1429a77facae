r"""Paths of a simulated world by session: correlation of coins with equities, scales, and the covariance they imply.

Shocks of equities and gold have one correlation matrix :math:`S` throughout. With :math:`C_t` (2, 5) the correlations
of the coins with them, a coin's shock is :math:`B_tz_t+L_tu_t`, :math:`B_t=C_tS^{-1}` and
:math:`L_tL_t'=R_{cc}-B_tC_t'`: the slopes :math:`B_t` are what "the link" means.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import SpecError
from ..estimation.params import Array
from .rerating import ReRating
from .world_effects import (
    ASSETS,
    COINS,
    EQUITIES,
    HOLDER_NOISE,
    MARGINS,
    MARKET_SHARE,
    PEAK_SHARES,
    AltcoinsWeaker,
    Clusters,
    CoCrashes,
    Contamination,
    CryptoLeads,
    DoseResponse,
    Effect,
    LateCloses,
    MarketBeta,
    Peaks,
    SmallOverLarge,
    Step,
    Trend,
    Unrelated,
    Volatility,
    core_matrix,
    position,
)

__all__ = [
    "Stage",
    "cross_correlations",
    "exposure",
    "held",
    "implied_covariance",
    "links",
    "relative_strength",
    "scales",
    "slopes",
]

_SMALL, _MARKET, _COIN = position("SMALL_TECH"), position("MARKET"), position("COIN")
_NE = len(EQUITIES)
_FIRST = position(COINS[0])  # coins come last
_ROOM = 1e-6


@dataclass(frozen=True, eq=False)
class Stage:
    """The calendar of a world with its episodes.

    Attributes
    ----------
    index : (T,) sessions. signed : (T,) sign of the episode a session lies in, from the break on, else 0 (a spell
        without direction counts +1). late : (T,) whether a session lies on or after the break. level : of the
        correlation without step or trend. episodes : the list. break_date : the world's break.
    """

    index: pd.DatetimeIndex
    signed: Array = field(repr=False)
    late: npt.NDArray[np.bool_] = field(repr=False)
    level: float
    episodes: ReRating
    break_date: str | None

    @classmethod
    def of(cls, index: pd.DatetimeIndex, episodes: ReRating, break_date: str | None, level: float) -> Stage:
        """Lay episodes and break on a calendar."""
        late = np.ones(len(index), dtype=bool) if break_date is None else np.asarray(index >= pd.Timestamp(break_date))
        inside = episodes.dummy(index).to_numpy() * late
        if any(spell.sign == 0 for spell in episodes.dated):
            return cls(index, inside, late, level, episodes, break_date)
        up = episodes.dummy(index, side="up").to_numpy() * late
        return cls(index, np.where(up == 1.0, 1.0, -inside), late, level, episodes, break_date)

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """Whether a session lies in an episode after the break."""
        return np.asarray(self.signed != 0.0)

    def side(self, side: str) -> npt.NDArray[np.bool_]:
        """Sessions of one side of the episodes."""
        if side == "both":
            return self.inside
        return np.asarray(self.signed == (1.0 if side == "up" else -1.0))

    def centered(self, chosen: npt.NDArray[np.bool_]) -> Array:
        """Return 1 on chosen sessions less their share after the break; 0 before it."""
        if not self.late.any():
            return np.zeros(len(self.index))
        return np.where(self.late, chosen.astype(float) - float(chosen[self.late].mean()), 0.0)


def held(effects: Iterable[Effect], kind: type[Effect]) -> Effect | None:
    """Return the effect of a kind, or None."""
    return next((one for one in effects if type(one) is kind), None)


def _levels(effects: tuple[Effect, ...], stage: Stage) -> Array:
    nobs = len(stage.index)
    step, trend = held(effects, Step), held(effects, Trend)
    if isinstance(step, Step):
        date = step.date or stage.break_date
        if date is None:
            raise SpecError("a step needs a day: give step(date=...) or the world a break_date.")
        return np.where(stage.index >= pd.Timestamp(date), step.after, step.before)
    if isinstance(trend, Trend):
        return np.linspace(trend.first, trend.last, nobs)
    return np.full(nobs, stage.level)


def links(
    effects: tuple[Effect, ...], stage: Stage, rng: np.random.Generator | None = None, dose: Array | None = None
) -> Array:
    """Return the correlations of the two coins with the four equities, (T, 2, 4), without the scales.

    ``rng`` places unrelated spells and ``dose`` (T,) is what relative strength adds; without them they add nothing.
    """
    level = _levels(effects, stage)
    market = held(effects, MarketBeta)
    if isinstance(market, MarketBeta):
        loading = level * MARKET_SHARE + market.size * stage.centered(stage.inside)
        block = loading[:, None] * core_matrix()[_MARKET, :_NE]
    else:
        rise = np.zeros(len(stage.index))
        peaks, unrelated = held(effects, Peaks), held(effects, Unrelated)
        if isinstance(peaks, Peaks):
            rise += peaks.size * stage.centered(stage.side(peaks.side))
        if isinstance(unrelated, Unrelated) and rng is not None:
            chosen = np.zeros(len(stage.index), dtype=bool)
            late = stage.index[stage.late]
            chosen[stage.late] = stage.episodes.simulate(late, rng).dummy(late).to_numpy() == 1.0
            rise += unrelated.size * stage.centered(chosen)
        if dose is not None:
            rise += dose
        block = level[:, None] * np.array([1.0, 1.0, 1.0, MARKET_SHARE]) + rise[:, None] * np.array(PEAK_SHARES)
        small = held(effects, SmallOverLarge)
        if isinstance(small, SmallOverLarge):
            block[:, 1:] -= small.gap
    both = np.repeat(block[:, None, :], len(COINS), axis=1)
    weaker = held(effects, AltcoinsWeaker)
    if isinstance(weaker, AltcoinsWeaker):
        both[:, COINS.index("ALTCOIN")] -= weaker.gap
    return both


def cross_correlations(links: Array) -> Array:
    """Return the correlations of the coins with equities and gold, (T, 2, 5)."""
    gold = core_matrix()[_FIRST:, _NE:_FIRST]
    return np.concatenate([links, np.broadcast_to(gold, (len(links), *gold.shape))], axis=2)


def slopes(cross: Array, dates: pd.DatetimeIndex) -> tuple[Array, Array]:
    """Return the slopes (T, 2, 5) of the coins and the Cholesky factors (T, 2, 2) of what they leave.

    Raises `SpecError` where no such correlation matrix exists.
    """
    core = core_matrix()
    slope = cross @ np.linalg.inv(core[:_FIRST, :_FIRST])
    rest = core[_FIRST:, _FIRST:] - slope @ np.swapaxes(cross, 1, 2)
    least = np.linalg.eigvalsh(rest)[:, 0]
    bad = np.flatnonzero(least < _ROOM)
    if bad.size:
        row = int(bad[np.argmin(least[bad])])
        asked = np.round(cross[row, COINS.index("COIN"), :_NE], 2).tolist()
        raise SpecError(
            f"on {dates[row].date()} the world asks for correlations {asked} of COIN with {', '.join(EQUITIES)}, which "
            f"no correlation matrix has ({bad.size} of {len(least)} sessions): make level or effects smaller."
        )
    root = np.asarray(np.linalg.cholesky(rest), dtype=np.float64)
    return slope, root


def scales(effects: tuple[Effect, ...], stage: Stage, rng: np.random.Generator | None = None) -> Array:
    """Return the factor on the volatility of all equities, (T,); ``rng`` places the clusters."""
    factor = np.ones(len(stage.index))
    volatility, clusters = held(effects, Volatility), held(effects, Clusters)
    if isinstance(volatility, Volatility):
        factor[stage.inside] = volatility.factor
    if isinstance(clusters, Clusters) and rng is not None:
        # two states with geometric stays of mean ``days`` and twice that
        draws = rng.random(len(factor))
        high = draws[0] < 1.0 / 3.0
        for t in range(len(factor)):
            if t:
                leave = 1.0 / clusters.days if high else 0.5 / clusters.days
                high = not high if draws[t] < leave else high
            factor[t] *= clusters.factor if high else 1.0
    return factor


def exposure(contamination: Contamination, stage: Stage) -> Array:
    """Return the weight of crypto in the small-cap index by session, (T,)."""
    if contamination.when == "always":
        on = np.ones(len(stage.index), dtype=bool)
    elif contamination.when == "episodes":
        on = stage.inside
    else:
        first, last = contamination.when.split("/")
        on = np.asarray((stage.index >= pd.Timestamp(first)) & (stage.index <= pd.Timestamp(last)))
    return np.where(on, contamination.weight, 0.0)


def implied_covariance(effects: tuple[Effect, ...], stage: Stage) -> Array:
    r"""Covariance (T, 7, 7) of the returns over the GARCH volatilities, expected over everything random.

    Of unrelated spells, clusters and relative strength nothing is in it. Crashes enter by their expected share of the
    episodes' sessions, index holdings at the ratio of the unconditional volatilities.
    """
    cross = cross_correlations(links(effects, stage))
    slope, _ = slopes(cross, stage.index)
    nobs, n = len(stage.index), len(ASSETS)
    cov = np.repeat(core_matrix()[None], nobs, axis=0)
    cov[:, _FIRST:, :_FIRST], cov[:, :_FIRST, _FIRST:] = cross, np.swapaxes(cross, 1, 2)
    extra = scales(effects, stage) - 1.0
    # x = G z: the equities grow, and the coins by their slope times that
    grow = np.repeat(np.eye(n)[None], nobs, axis=0)
    grow[:, range(_NE), range(_NE)] += extra[:, None]
    grow[:, _FIRST:, :_NE] += slope[:, :, :_NE] * extra[:, None, None]
    cov = grow @ cov @ np.swapaxes(grow, 1, 2)
    leads, crashes = held(effects, CryptoLeads), held(effects, CoCrashes)
    if isinstance(leads, CryptoLeads):
        keep = np.ones(n)
        keep[:_NE] = np.sqrt(1.0 - leads.size**2)
        cov = cov * np.outer(keep, keep)
        cov[:, :_NE, :_NE] += leads.size**2
    if isinstance(crashes, CoCrashes) and stage.inside.any():
        hit = np.ones(n)
        hit[position("GOLD")] = 0.0
        power = crashes.size**2 * crashes.days / stage.inside.sum()
        cov = cov + np.where(stage.inside, power, 0.0)[:, None, None] * np.outer(hit, hit)
    holds, closes = held(effects, Contamination), held(effects, LateCloses)
    if isinstance(holds, Contamination):
        held_by = np.repeat(np.eye(n)[None], nobs, axis=0)
        weight = exposure(holds, stage) / MARGINS["SMALL_TECH"][0]
        held_by[:, _SMALL, _COIN] = weight * MARGINS["COIN"][0]
        cov = held_by @ cov @ np.swapaxes(held_by, 1, 2)
        cov[:, _SMALL, _SMALL] += (weight * HOLDER_NOISE) ** 2
    if isinstance(closes, LateCloses):
        same_day = 1.0 - closes.hours / 24.0
        cov[:, _FIRST:, :_FIRST] *= same_day
        cov[:, :_FIRST, _FIRST:] *= same_day
    return cov


def relative_strength(effect: DoseResponse, moves: Array) -> Array:
    """Return what the dose adds on each session, from daily percent moves (T,) of technology less the market.

    Zero until a whole horizon has passed; on session t only moves up to t − 1 are used.
    """
    tech, market = MARGINS["TECH"][0], MARGINS["MARKET"][0]
    rho = core_matrix()[position("TECH"), _MARKET]
    daily = np.sqrt(tech**2 + market**2 - 2.0 * rho * tech * market)
    path = np.concatenate([[0.0], np.cumsum(moves)])
    out = np.zeros(moves.size)
    h = effect.horizon
    if moves.size > h:
        size = np.abs(path[h:-1] - path[: -h - 1]) / (daily * np.sqrt(h))
        # mean and standard deviation of |N(0, 1)|
        out[h:] = effect.size * np.tanh((size - np.sqrt(2.0 / np.pi)) / np.sqrt(1.0 - 2.0 / np.pi))
    return out
