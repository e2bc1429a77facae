"""`World`: a truth to test the tests on, composed of effects and drawn as daily prices."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..correlation.fit import draw_shocks
from ..errors import DataError, SpecError
from ..estimation.params import Array
from ..kernels.dcc import dcc_path, dcc_simulate
from ..volatility import GARCH
from ..volatility.garch import simulate_margin
from .rerating import ReRating
from .spells import ambiguous
from .world_effects import (
    ASSETS,
    COINS,
    COLUMNS,
    EQUITIES,
    HOLDER_NOISE,
    MARGINS,
    MARKET_SHARE,
    AltcoinsWeaker,
    Clusters,
    CoCrashes,
    Contamination,
    CryptoLeads,
    DoseResponse,
    Effect,
    FatTails,
    LateCloses,
    MarketBeta,
    Peaks,
    Persistent,
    ReRatingDrift,
    SmallOverLarge,
    Step,
    Trend,
    Unrelated,
    Volatility,
    core_matrix,
    effect_from_dict,
    position,
)
from .world_path import Stage, cross_correlations, exposure, held, links, relative_strength, scales, slopes
from .world_truth import truths

__all__ = ["World"]

_NE, _FIRST = len(EQUITIES), position(COINS[0])
_CRYPTO = [position(name) for name in COINS]
_DRIFTS = {"TECH": 1.0, "LARGE_TECH": 0.73, "SMALL_TECH": 0.6}  # shares of a re-rating's drift
_NU = 6.0
# pairs of effects that say two things about one number
_CONFLICTS: tuple[tuple[type[Effect], type[Effect], str], ...] = (
    (Step, Trend, "both set the level of the correlation"),
    (MarketBeta, Peaks, "technology has nothing of its own when crypto loads on the market alone"),
    (MarketBeta, Unrelated, "technology has nothing of its own when crypto loads on the market alone"),
    (MarketBeta, DoseResponse, "technology has nothing of its own when crypto loads on the market alone"),
    (MarketBeta, SmallOverLarge, "technology has nothing of its own when crypto loads on the market alone"),
    (DoseResponse, CryptoLeads, "relative strength would depend on the coins it drives"),
)
_SETTINGS = ("start", "end", "break_date", "episodes", "level")


@dataclass(frozen=True)
class World:
    r"""A simulated truth: daily prices of two coins, four equities and gold in which every answer is known.

    Worlds are added: ``World.step() + World.peaks(.3) + World.fat_tails(4)``. What is not said is as close to fits of
    real prices as the bundled samples: GARCH margins (asymmetric for equities), shocks jointly t with six degrees of
    freedom, correlations of .8 to .97 among equities, .75 between the coins, and ``level`` between coins and technology
    (6/7 of it with the market, .10 with gold), constant.

    Parameters
    ----------
    effects : what happens, each at most once; see the class methods, which make worlds of one effect.
    start, end : bounds of the calendar of weekdays.
    break_date : first day of the new level; effects of episodes act from it on. None: from the first session.
    episodes : a fixed list; where the effects of episodes lie. A plan may look elsewhere.
    level : correlation of the coins with technology where neither step nor trend sets it.

    Raises
    ------
    SpecError : effects that contradict each other, numbers out of range, correlations that no matrix has.

    Notes
    -----
    Shocks of the coins are :math:`B_tz_t+L_tu_t`, with :math:`z_t` those of equities and gold, so the link is a slope
    and volatility is another matter: `volatility` multiplies :math:`z_t` and leaves :math:`B_t`. Persistent correlation
    is a joint DCC at the level, mapped session by session to the wanted matrix. Returns are GARCH volatility times
    shock; jumps, scales and index holdings do not feed back into the recursions.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> world = ce.World.step(0.02, 0.40) + ce.World.volatility(2.0)
    >>> world.truth["H1"]["holds"], world.truth["H2"]["holds"]
    (True, 'mechanical')
    >>> world.simulate(rng=1).shape
    (2368, 7)
    """

    effects: tuple[Effect, ...] = ()
    start: str = "2016-01-04"
    end: str = "2025-01-29"
    break_date: str | None = "2020-03-23"
    episodes: ReRating = ReRating.press()  # noqa: RUF009 - frozen, hashable
    level: float = 0.35

    def __post_init__(self) -> None:
        given = (self.effects,) if isinstance(self.effects, Effect) else tuple(self.effects)
        for one in given:
            if not isinstance(one, Effect) or type(one) is Effect:
                raise SpecError(
                    f"effects hold {one!r}; make worlds with World.peaks(.3), World.step(), … and add them."
                )
        kinds = [type(one) for one in given]
        for kind in kinds:
            if kinds.count(kind) > 1:
                both = " and ".join(str(one) for one in given if type(one) is kind)
                raise SpecError(f"{both}: an effect may be in a world once.")
        for first, second, why in _CONFLICTS:
            if first in kinds and second in kinds:
                raise SpecError(f"{held(given, first)} and {held(given, second)} contradict each other: {why}.")
        object.__setattr__(self, "effects", given)
        if not isinstance(self.episodes, ReRating):
            raise SpecError(f"episodes={self.episodes!r} must be a ReRating, e.g. ReRating.press().")
        if self.episodes.by_data:
            raise SpecError(
                "a world has a fixed list of episodes, ReRating.press() or from_dates; a plan may date them by rule."
            )
        if not isinstance(self.level, int | float) or not -0.9 < self.level < 0.9:
            raise SpecError(f"level={self.level!r}: a correlation; give a number between -0.9 and 0.9.")
        for name in ("start", "end", "break_date"):
            value = getattr(self, name)
            if value is None and name == "break_date":
                continue
            if ambiguous(value):
                raise SpecError(f"{name}={value!r}: is the day or the month first? Write it as 'YYYY-MM-DD'.")
            try:
                stamp = pd.Timestamp(value)
            except (TypeError, ValueError) as error:
                raise SpecError(f"{name}={value!r} is not a day; write it as 'YYYY-MM-DD'.") from error
            object.__setattr__(self, name, str(stamp.date()))
        if self.start >= self.end:
            raise SpecError(f"start={self.start!r} is not before end={self.end!r}.")

    # --- worlds of one effect

    @classmethod
    def nothing(cls) -> World:
        """Return the world in which correlation is constant; ``+ World.persistent()`` lets it wander."""
        return cls()

    @classmethod
    def step(cls, before: float = 0.02, after: float = 0.40, date: str | None = None) -> World:
        """Correlation steps up once, at the break or on ``date``; see `world_effects.Step`."""
        return cls((Step(before, after, date),))

    @classmethod
    def trend(cls, first: float = 0.0, last: float = 0.5) -> World:
        """Correlation rises in a straight line; see `world_effects.Trend`."""
        return cls((Trend(first, last),))

    @classmethod
    def peaks(cls, size: float = 0.30, side: str = "both") -> World:
        """Correlation is higher by ``size`` in the episodes of ``side`` "both", "up" or "down"; the claim."""
        return cls((Peaks(size, side),))

    @classmethod
    def unrelated(cls, size: float = 0.30) -> World:
        """Correlation has peaks, in spells that have nothing to do with the episodes."""
        return cls((Unrelated(size),))

    @classmethod
    def dose(cls, size: float = 0.15, horizon: int = 126) -> World:
        """Correlation follows lagged relative strength; see `world_effects.DoseResponse`."""
        return cls((DoseResponse(size, horizon),))

    @classmethod
    def volatility(cls, factor: float = 2.0) -> World:
        """Equity volatility alone rises in the episodes: raw correlation follows by arithmetic."""
        return cls((Volatility(factor),))

    @classmethod
    def clusters(cls, factor: float = 2.0, days: int = 60) -> World:
        """Equity volatility comes in random clusters, which episodes dated by a rule select."""
        return cls((Clusters(factor, days),))

    @classmethod
    def market(cls, size: float = 0.35) -> World:
        """Crypto loads on the market alone, more so in the episodes."""
        return cls((MarketBeta(size),))

    @classmethod
    def crashes(cls, days: int = 8, size: float = 4.0) -> World:
        """All assets but gold crash together on a few days of the episodes; correlation is otherwise constant."""
        return cls((CoCrashes(days, size),))

    @classmethod
    def small(cls, gap: float = 0.10) -> World:
        """Small-cap technology correlates more than large-cap."""
        return cls((SmallOverLarge(gap),))

    @classmethod
    def contamination(cls, weight: float = 0.05, when: str = "always") -> World:
        """The small-cap index holds a crypto stock, HOLDER; see `world_effects.Contamination`."""
        return cls((Contamination(weight, when),))

    @classmethod
    def altcoins(cls, gap: float = 0.10) -> World:
        """Altcoins correlate less than the main coin."""
        return cls((AltcoinsWeaker(gap),))

    @classmethod
    def leads(cls, size: float = 0.20) -> World:
        """Equities answer the coin a day later."""
        return cls((CryptoLeads(size),))

    @classmethod
    def closes(cls, hours: float = 4.0) -> World:
        """Coins close some hours after equities."""
        return cls((LateCloses(hours),))

    @classmethod
    def persistent(cls, a: float = 0.02, b: float = 0.97) -> World:
        """Correlation wanders as a DCC(a, b)."""
        return cls((Persistent(a, b),))

    @classmethod
    def fat_tails(cls, nu: float = 4.0) -> World:
        """Shocks are jointly t with ``nu`` degrees of freedom."""
        return cls((FatTails(nu),))

    @classmethod
    def drift(cls, size: float = 0.10) -> World:
        """Technology drifts up or down inside the episodes, so that rules can see them."""
        return cls((ReRatingDrift(size),))

    # --- composing

    def __add__(self, other: object) -> World:
        """Both worlds' effects; a setting one of them changed from its default is kept, two changes are refused."""
        if not isinstance(other, World):
            return NotImplemented
        plain, values = World(), {}
        for name in _SETTINGS:
            mine, theirs, default = (getattr(one, name) for one in (self, other, plain))
            if mine not in (default, theirs) and theirs != default:
                raise SpecError(
                    f"the worlds differ in {name}: {mine!r} and {theirs!r}; set it once, with on({name}=...)."
                )
            values[name] = theirs if mine == default else mine
        return World(self.effects + other.effects, **values)

    def on(self, **settings: Any) -> World:
        """Return the same effects with another calendar, break, list of episodes or level."""
        unknown = sorted(set(settings) - set(_SETTINGS))
        if unknown:
            raise SpecError(f"a world has no setting {unknown[0]!r}; it has {', '.join(_SETTINGS)}.")
        return replace(self, **settings)

    def __str__(self) -> str:
        return " + ".join(map(str, self.effects)) or "nothing()"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "effects": [one.to_dict() for one in self.effects],
            "start": self.start,
            "end": self.end,
            "break_date": self.break_date,
            "episodes": json.loads(self.episodes.to_json()),
            "level": self.level,
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> World:
        """Rebuild from `to_dict`."""
        unknown = sorted(set(content) - {"effects", *_SETTINGS})
        if unknown:
            raise SpecError(f"a world has no setting {unknown[0]!r}; it has effects, {', '.join(_SETTINGS)}.")
        values = dict(content)
        values["effects"] = tuple(effect_from_dict(one) for one in values.get("effects", ()))
        if "episodes" in values:
            values["episodes"] = ReRating.from_json(json.dumps(values["episodes"]))
        return cls(**values)

    # --- what is true

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a sample: those of the bundled samples, and HOLDER where an index holds crypto."""
        return COLUMNS if held(self.effects, Contamination) is None else (*COLUMNS, "HOLDER")

    def calendar(self) -> pd.DatetimeIndex:
        """Return the weekdays from ``start`` to ``end``."""
        return pd.bdate_range(self.start, self.end, name="date")

    def stage(self, index: pd.DatetimeIndex | None = None) -> Stage:
        """Return the calendar with the episodes laid on it."""
        index = self.calendar() if index is None else index
        return Stage.of(index, self.episodes, self.break_date, self.level)

    @property
    def truth(self) -> dict[str, dict[str, Any]]:
        """Hypothesis to ``{"holds", "effect", "contrast"}`` for COIN and SMALL_TECH; see `truth_for`."""
        return self.truth_for()

    def truth_for(
        self,
        crypto: str = "COIN",
        equity: str = "SMALL_TECH",
        *,
        large: str | None = "LARGE_TECH",
        market: str | None = "MARKET",
        altcoins: tuple[str, ...] = ("ALTCOIN",),
        placebos: tuple[str, ...] = ("GOLD",),
        episodes: ReRating | None = None,
        first: str | None = None,
        last: str | None = None,
    ) -> dict[str, dict[str, Any]]:
        """What is true of each hypothesis when these columns are tested, plain JSON types.

        ``holds`` is True, False, "mechanical" (the contrast is there and something other than the claim makes it), or
        None where the world cannot say. ``contrast`` is what the plan's estimator converges to, in units of correlation
        and for H3 the Forbes–Rigobon bound; ``effect`` the same without whatever only imitates the claim. None where
        they differ from sample to sample.

        ``episodes`` are those the test looks at, the world's own if None; ``first`` and ``last`` bound its sessions,
        from the break to the end if None. Of episodes dated by a rule the dates are each sample's own.
        """
        for name in (crypto, equity, large, market, *altcoins, *placebos):
            if name is not None and name not in COLUMNS:
                raise SpecError(f"a world has no column {name!r}; it has {', '.join(COLUMNS)}.")
        roles = {
            "crypto": crypto,
            "equity": equity,
            "large": large,
            "market": market,
            "altcoins": altcoins,
            "placebos": placebos,
        }
        stage, looked = self.stage(), self.episodes if episodes is None else episodes
        begin, end = first or self.break_date, last or self.end
        view = Stage.of(stage.index, self.episodes if looked.by_data else looked, begin, self.level)
        inside = np.asarray(stage.index <= pd.Timestamp(end))
        view = replace(view, late=view.late & inside, signed=np.where(inside, view.signed, 0.0))
        if not view.late.any():
            raise SpecError(f"no session of the world lies between {begin} and {end}.")
        return truths(self.effects, stage, view, roles, by_rule=looked.by_data)

    # --- drawing

    def simulate(self, rng: int | np.random.Generator, index: pd.DatetimeIndex | None = None) -> pd.DataFrame:
        """One sample of daily closes, (T, N), with the columns of `columns`.

        Parameters
        ----------
        rng : seed or generator. index : sessions, without time zone; the weekdays from ``start`` to ``end`` if None.
        """
        generator = np.random.default_rng(rng)
        stage = self.stage(_checked(index) if index is not None else None)
        nobs = len(stage.index)
        raw, conditional = self._shocks(generator, nobs)
        volatility = np.empty((nobs, len(ASSETS)))
        returns = np.empty_like(volatility)
        factor = scales(self.effects, stage, generator)
        for i, name in enumerate(ASSETS[:_FIRST]):
            volatility[:, i] = _volatility(name, raw[:, i])
            returns[:, i] = volatility[:, i] * raw[:, i] * (factor if i < _NE else 1.0)
        dose = held(self.effects, DoseResponse)
        added = None
        if isinstance(dose, DoseResponse):
            moves = returns[:, position("TECH")] - returns[:, position("MARKET")]
            added = relative_strength(dose, moves)
        cross = cross_correlations(links(self.effects, stage, generator, added))
        slope, coins = self._coins(raw, conditional, cross, stage)
        for k, i in enumerate(_CRYPTO):
            volatility[:, i] = _volatility(ASSETS[i], coins[:, k])
            # a constant slope: what the equities' scale adds to their shock, the coin feels by its slope
            extra = (slope[:, k, :_NE] * raw[:, :_NE]).sum(axis=1) * (factor - 1.0)
            returns[:, i] = volatility[:, i] * (coins[:, k] + extra)
        holder = self._disturb(returns, volatility, coins, stage, generator)
        prices = _prices(returns, stage.index)
        if holder is not None:
            prices["HOLDER"] = 50.0 * np.exp(np.cumsum(np.where(np.arange(nobs) > 0, holder, 0.0)) / 100.0)
        return prices

    def _shocks(self, rng: np.random.Generator, nobs: int) -> tuple[Array, Array | None]:
        """Unit-variance shocks at the world's level (T, 7); their conditional correlations (T, 7, 7) if they move."""
        tails, wander = held(self.effects, FatTails), held(self.effects, Persistent)
        shocks = draw_shocks(rng, nobs, len(ASSETS), tails.nu if isinstance(tails, FatTails) else _NU)
        base = self._base()
        if not isinstance(wander, Persistent):
            return shocks @ np.linalg.cholesky(base).T, None
        z = dcc_simulate(wander.a, wander.b, base, shocks, base)
        rows, cols = np.triu_indices(len(ASSETS), 1)
        path = dcc_path(wander.a, wander.b, z, base, base, base, rows, cols)[:-1]
        conditional = np.repeat(np.eye(len(ASSETS))[None], nobs, axis=0)
        conditional[:, rows, cols] = conditional[:, cols, rows] = path
        return z, conditional

    def _base(self) -> Array:
        base = core_matrix()
        level = self.level * np.array([1.0, 1.0, 1.0, MARKET_SHARE])
        base[_FIRST:, :_NE], base[:_NE, _FIRST:] = level, level[:, None]
        return base

    def _coins(self, raw: Array, conditional: Array | None, cross: Array, stage: Stage) -> tuple[Array, Array]:
        """Slopes (T, 2, 5) and unit-variance shocks (T, 2) of the coins with correlations ``cross`` on average."""
        slope, factor = slopes(cross, stage.index)
        base = self._base()
        at_base, root = slopes(base[None, _FIRST:, :_FIRST], stage.index[:1])
        weight = factor @ np.linalg.inv(root)  # (T, 2, 2)
        map_ = np.concatenate([slope - weight @ at_base, weight], axis=2)  # (T, 2, 7)
        coins = np.einsum("tij,tj->ti", map_, raw)
        if conditional is not None:
            variance = np.einsum("tij,tjk,tik->ti", map_, conditional, map_)
            coins /= np.sqrt(variance)
        return slope, coins

    def _disturb(
        self, returns: Array, volatility: Array, coins: Array, stage: Stage, rng: np.random.Generator
    ) -> Array | None:
        """Leads, crashes, index holdings, closes and drifts, in place; percent returns of HOLDER where it exists."""
        holder = None
        leads, crashes = held(self.effects, CryptoLeads), held(self.effects, CoCrashes)
        if isinstance(leads, CryptoLeads):
            before = np.concatenate([[0.0], coins[:-1, COINS.index("COIN")]])
            returns[:, :_NE] *= np.sqrt(1.0 - leads.size**2)
            returns[:, :_NE] += leads.size * volatility[:, :_NE] * before[:, None]
        if isinstance(crashes, CoCrashes):
            places = np.flatnonzero(stage.inside)
            if places.size < crashes.days:
                raise SpecError(
                    f"{crashes}: the episodes have {places.size} sessions on this calendar, fewer than the crashes."
                )
            hit = rng.choice(places, crashes.days, replace=False)
            falling = [*range(_NE), *_CRYPTO]
            returns[np.ix_(hit, falling)] -= crashes.size * volatility[np.ix_(hit, falling)]
        holds, closes = held(self.effects, Contamination), held(self.effects, LateCloses)
        if isinstance(holds, Contamination):
            holder = returns[:, position("COIN")] + HOLDER_NOISE * rng.standard_normal(len(returns))
            returns[:, position("SMALL_TECH")] += exposure(holds, stage) * holder
        if isinstance(closes, LateCloses):
            share = closes.hours / 24.0
            spread = np.sqrt(share * (1.0 - share))
            corner = np.linalg.cholesky(core_matrix()[_FIRST:, _FIRST:])
            noise = volatility[:, _CRYPTO] * (rng.standard_normal((len(returns), len(COINS))) @ corner.T)
            early = share * returns[:, _CRYPTO] + spread * noise
            # the first hours of the day after the last
            late = np.sqrt(share) * volatility[-1, _CRYPTO] * (corner @ rng.standard_normal(len(COINS)))
            returns[:, _CRYPTO] += np.vstack([early[1:], late[None]]) - early
        drift = held(self.effects, ReRatingDrift)
        for i, name in enumerate(ASSETS):
            returns[:, i] += MARGINS[name][4]
            if isinstance(drift, ReRatingDrift) and name in _DRIFTS:
                returns[:, i] += drift.size * _DRIFTS[name] * stage.signed
        return holder


def _volatility(name: str, z: Array) -> Array:
    """GJR-GARCH volatility (T,) of a column driven by shocks of unit variance, started at its mean."""
    sd, alpha, gamma, beta, _, _ = MARGINS[name]
    omega = sd**2 * (1.0 - alpha - gamma / 2.0 - beta)
    theta = np.array([omega, alpha, gamma, beta])
    _, variance = simulate_margin(_MARGIN, theta, np.ascontiguousarray(z), sd**2)
    return np.sqrt(variance)


_MARGIN = GARCH(asymmetric=True, mean="zero")


def _prices(returns: Array, index: pd.DatetimeIndex) -> pd.DataFrame:
    moves = returns.copy()
    moves[0] = 0.0
    level = np.array([MARGINS[name][5] for name in ASSETS]) * np.exp(np.cumsum(moves, axis=0) / 100.0)
    return pd.DataFrame(level, index, list(ASSETS))[list(COLUMNS)]


def _checked(index: object) -> pd.DatetimeIndex:
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(f"index is a {type(index).__name__}; pass the sessions as a DatetimeIndex.")
    if index.tz is not None or not (index == index.normalize()).all():
        raise DataError("index has a time zone or clock times; pass whole days without a zone.")
    if len(index) < 2 or not (index.is_monotonic_increasing and index.is_unique):
        raise DataError(f"index has {len(index)} sessions; it needs at least 2, increasing, each once.")
    return index.rename("date")
