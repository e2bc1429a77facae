"""`ReRating`: the episodes in which a sector was valued anew, as an object to store, hash and cite."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cryptoequity.claim.circularity import Circularity, explain_driver
from cryptoequity.claim.dating import Readings, RuleDating, log_relative, price_positions, whole_days
from cryptoequity.claim.record import (
    FORMAT,
    Choice,
    digest,
    frozen,
    parse,
    spell_from_record,
    spell_to_record,
)
from cryptoequity.claim.rerating_rules import RULES, DatedByRule, Stated, rule_of
from cryptoequity.claim.spells import (
    Spell,
    days_of,
    event_windows,
    order_spells,
    place,
    read_spells,
    shift_spells,
    shuffle_spells,
)
from cryptoequity.errors import DataError, SpecError, check_option

__all__ = ["ReRating", "Side"]

Side: TypeAlias = Literal["both", "up", "down"]

DEFINITIONS = ("press", *RULES, "events", "dates")
SIDES = ("both", "up", "down")
PUBLISHED = {
    "2025-01-30": (
        ("2020-03-23", "2021-11-19", 1),
        ("2022-01-03", "2022-10-14", -1),
        ("2024-01-01", "2024-12-31", 1),
    )
}
PRESS_YEARS = {2020: 1, 2022: -1, 2024: 1}


@dataclass(frozen=True, eq=False, repr=False)
class ReRating(DatedByRule):
    """Dated episodes of re-rating, and how they were dated.

    Make one with `press`, `from_valuation`, `from_relative_strength`, `from_explosive`, `from_cycle`, `from_markov`,
    `from_events` or `from_dates`. Two objects are equal when their `sha256` is. Days are calendar days: both ends of a
    spell belong to it, and a session belongs to a spell when its date does. Days before a rule has enough history, and
    after its data, are outside every spell.

    Attributes
    ----------
    name : str
    definition : {"press", "valuation", "relative-strength", "explosive", "cycle", "markov", "events", "dates"}
    params : tuple of (str, value)
        The choices behind the dates, by name.
    dated : tuple of Spell
        The spells as plain records; `spells` is the same as a frame.
    readings : Readings or None
        The log ratios a rule was applied to.
    real_time : bool
        Whether each day's answer was known the day before, from the data alone.
    circularity : {"none", "low", "high"}
        How far the dates are read off the prices whose correlation is to be tested. Test "high" only with
        the episodes dated again in every bootstrap draw (`redate`, `redate_dummy`).
    """

    name: str
    definition: str
    params: tuple[tuple[str, Choice], ...]
    dated: tuple[Spell, ...]
    readings: Readings | None
    real_time: bool
    circularity: Stated

    def __post_init__(self) -> None:
        check_option("definition", self.definition, DEFINITIONS)
        check_option("circularity", self.circularity, ("none", "low", "high"))
        check_option("real_time", self.real_time, (True, False))
        if not isinstance(self.name, str) or not self.name:
            raise SpecError(f"name={self.name!r} must be a text; it is how tables call these episodes.")
        object.__setattr__(self, "dated", order_spells(self.dated))
        object.__setattr__(self, "params", tuple(sorted((str(key), frozen(value)) for key, value in self.params)))

    # --- definitions

    @classmethod
    def press(cls, published: str = "2025-01-30", *, years: Sequence[int] | None = None) -> ReRating:
        """Return the episodes the press named: a fixed list, in the author's knowledge of the outcome.

        Parameters
        ----------
        published : {"2025-01-30"}
            Date of the article; the edges are 2020-03-23 → 2021-11-19 (up), 2022-01-03 → 2022-10-14 (down)
            and 2024-01-01 → 2024-12-31 (up).
        years : subset of (2020, 2022, 2024), optional
            Whole calendar years instead, as the report behind the article reasons (up, down, up).
        """
        check_option("published", published, tuple(PUBLISHED))
        rows: Iterable[Sequence[object]] = PUBLISHED[published]
        params: tuple[tuple[str, Choice], ...] = (("published", published),)
        name = f"press {published}"
        if years is not None:
            named = tuple(years)
            for year in named:
                check_option("year", year, tuple(PRESS_YEARS))
            rows = [(f"{year}-01-01", f"{year}-12-31", PRESS_YEARS[year]) for year in named]
            params = (*params, ("years", tuple(sorted(int(year) for year in named))))
            name += " by calendar year"
        return cls(name, "press", params, read_spells(rows), None, False, "none")

    @classmethod
    def from_events(
        cls,
        events: pd.DataFrame,
        before: int = 0,
        after: int = 10,
        *,
        index: pd.DatetimeIndex,
        name: str = "events",
    ) -> ReRating:
        """Return windows of sessions around dated events.

        Parameters
        ----------
        events : DataFrame
            Column ``date``; optional ``sign`` (+1, −1, 0) and ``source``.
        before, after : int
            Sessions before and after the event's own (the next one, if the market was closed).
        index : DatetimeIndex
            The sessions. Windows stop at its ends; an event outside it is an error.
        name : str

        Notes
        -----
        Windows of one sign that overlap become one spell; overlapping windows of opposite sign are an
        error. No price is used, but a list made with hindsight is still a selection: ``real_time`` says
        only that no window opens before its event.
        """
        for what, length in (("before", before), ("after", after)):
            if isinstance(length, bool) or not isinstance(length, (int, np.integer)) or length < 0:
                raise SpecError(f"{what}={length!r} must be a whole number of sessions, 0 or more.")
        spells = event_windows(events, index, int(before), int(after))
        params = (("before", int(before)), ("after", int(after)), ("events", len(events)))
        return cls(name, "events", params, spells, None, before == 0, "none")

    @classmethod
    def from_dates(
        cls,
        spells: pd.DataFrame | Iterable[Sequence[object]],
        *,
        name: str = "dates",
        circularity: Stated = "none",
    ) -> ReRating:
        """Return the episodes given as (start, end) or (start, end, sign), or a frame with these columns.

        Say ``circularity="high"`` if the dates were read off the equity prices that are to be tested.
        """
        return cls(name, "dates", (), read_spells(spells), None, False, circularity)

    # --- what it says

    @property
    def spells(self) -> pd.DataFrame:
        """One row a spell: start, end, sign, days (both ends counted), amplitude; source where known.

        Amplitude is the largest log move over the rule's horizon within the spell; NaN where no rule dated
        it.
        """
        starts = np.array([spell.start for spell in self.dated], dtype="datetime64[D]")
        ends = np.array([spell.end for spell in self.dated], dtype="datetime64[D]")
        table: dict[str, object] = {
            "start": starts.astype("datetime64[ns]"),
            "end": ends.astype("datetime64[ns]"),
            "sign": np.array([spell.sign for spell in self.dated], dtype=np.int64),
            "days": (ends - starts).astype(np.int64) + 1,
            "amplitude": np.array([np.nan if s.amplitude is None else s.amplitude for s in self.dated], dtype=float),
        }
        if any(spell.source is not None for spell in self.dated):
            table["source"] = [spell.source for spell in self.dated]
        return pd.DataFrame(table)

    @cached_property
    def dating(self) -> RuleDating:
        """The rule laid on its readings; `SpecError` for definitions without one."""
        if self.readings is None:
            raise SpecError(
                f"'{self.name}' is a fixed list ({self.definition}): it has no series behind it; "
                "use dummy(index), or a definition by rule (from_valuation, from_relative_strength)."
            )
        return rule_of(self.definition, dict(self.params)).lay(self.readings)

    @property
    def by_data(self) -> bool:
        """Whether a rule dated the spells, so that `intensity` exists and `redate` moves them."""
        return self.readings is not None

    @property
    def of_multiples(self) -> bool:
        """Whether the rule reads valuation multiples, not prices."""
        return self.definition == "valuation" or dict(self.params).get("of") == "multiples"

    @property
    def unit(self) -> str:
        """What `intensity` is measured in; empty for fixed lists."""
        return RULES[self.definition].unit if self.definition in RULES else ""

    @property
    def index(self) -> pd.DatetimeIndex:
        """The sessions of the rule: `redate_dummy` takes one log relative price for each of them."""
        return pd.DatetimeIndex(self.dating.sessions.astype("datetime64[ns]"))

    @property
    def signed(self) -> pd.Series:
        """The intensity with its direction by the day it takes effect (already lagged), where the rule speaks.

        Valuation and relative strength: Δ_t / sd{Δ_s : s < t}. Explosive: ± the excess of BSADF over its critical
        value, 0 below it. Cycle: the log move of the whole phase. Markov: ± the probability of the episodes' regime.
        """
        dating = self.dating
        scaled = dating.scaled()[: dating.effective.size]
        known = ~np.isnan(scaled)
        days = pd.DatetimeIndex(dating.effective[known].astype("datetime64[ns]"))
        return pd.Series(scaled[known], index=days, name=self.name)

    @property
    def intensity(self) -> pd.Series:
        """x_t ≥ 0, in `unit`; the absolute value of `signed`."""
        return self.signed.abs()

    def driver(self, index: pd.DatetimeIndex, *, signed: bool = False) -> pd.Series:
        """Return the intensity in force on each session: `intensity` for a rule, the dummy for a fixed list.

        NaN where a rule says nothing (warm-up, after its data). With ``signed`` it keeps its direction.
        """
        days = days_of(index)
        if self.readings is None:
            values = np.zeros(days.size)
            self.of_side("up" if signed else "both")  # a signed driver needs a sign on every spell
            for first, last, spell in place(self.dated, days):
                values[first : last + 1] = spell.sign if signed else 1.0
        else:
            at = self.dating.in_force(days)
            values = np.where(at >= 0, self.dating.scaled()[at], np.nan)
            values = values if signed else np.abs(values)
        return pd.Series(values, index=index, name=self.name)

    def of_side(self, side: Side) -> tuple[Spell, ...]:
        """Return the spells of one direction; refuse to choose when some have none."""
        check_option("side", side, SIDES)
        if side == "both":
            return self.dated
        unsigned = sum(spell.sign == 0 for spell in self.dated)
        if unsigned:
            raise SpecError(
                f"{unsigned} of the {len(self.dated)} spells of '{self.name}' have no direction (sign 0); "
                "give them a sign, or ask for side='both'."
            )
        return tuple(spell for spell in self.dated if spell.sign == (1 if side == "up" else -1))

    def dummy(self, index: pd.DatetimeIndex, side: Side = "both", guard: str | int = "0D") -> pd.Series:
        """Return 1.0 on the sessions inside an episode and 0.0 outside.

        Parameters
        ----------
        index : DatetimeIndex
            Sessions, without time zone. Spells outside it are simply not covered.
        side : {"both", "up", "down"}
            Which spells count; with one side, the other side's spells are outside.
        guard : str or int
            Calendar time on the outer side of each edge left undecided (NaN), so that a window of that
            length does not straddle it. Days inside another spell stay 1.
        """
        days = days_of(index)
        band = np.timedelta64(whole_days("guard", guard), "D")
        if band < np.timedelta64(0, "D"):
            raise SpecError(f"guard={guard!r} is negative; a guard band lies outside the edges.")
        values = np.zeros(days.size)
        for value, reach in ((np.nan, band), (1.0, np.timedelta64(0, "D"))):
            for spell in self.of_side(side):
                first = np.searchsorted(days, np.datetime64(spell.start, "D") - reach, side="left")
                stop = np.searchsorted(days, np.datetime64(spell.end, "D") + reach, side="right")
                values[first:stop] = value
        return pd.Series(values, index=index, name=self.name)

    def coverage(self, index: pd.DatetimeIndex, side: Side = "both") -> float:
        """Return the share of sessions inside an episode."""
        return float(self.dummy(index, side).mean())

    def n_spells(self, index: pd.DatetimeIndex, side: Side = "both") -> int:
        """Count the spells that cover at least one session of ``index``."""
        return len(place(self.of_side(side), days_of(index)))

    def overlap(self, other: ReRating, index: pd.DatetimeIndex) -> dict[str, float]:
        """Return how far two definitions agree on the sessions.

        ``jaccard`` is ``|A ∩ B| / |A ∪ B|``, and Cohen's ``kappa`` = (p_o − p_e) / (1 − p_e) with p_o the share
        of sessions on which they agree and p_e the share expected if they were independent. NaN where the
        ratio is 0/0.
        """
        mine, theirs = (who.dummy(index).to_numpy() == 1.0 for who in (self, other))
        either = int((mine | theirs).sum())
        agree = float((mine == theirs).mean())
        a, b = float(mine.mean()), float(theirs.mean())
        chance = a * b + (1.0 - a) * (1.0 - b)
        return {
            "jaccard": int((mine & theirs).sum()) / either if either else float("nan"),
            "kappa": (agree - chance) / (1.0 - chance) if chance < 1.0 else float("nan"),
        }

    def diagnose_circularity(self, returns: pd.Series | pd.DataFrame, window: int = 63) -> Circularity:
        """Measure how far the intensity is a statement about the returns that are to be tested.

        With x_t the `driver`, v_t the realised volatility of an asset over ``window`` sessions and m_t the
        size of its return over the same sessions, one row an asset: ``volatility`` = corr(x_t, v_t),
        ``move`` = corr(x_t, m_t), ``share`` = R² of x_t on (1, v_t, m_t), the share of Var(x) the asset
        explains, its ``pvalue`` among all rotations of x_t, a ``level``, and ``nobs``.

        Parameters
        ----------
        returns : Series or DataFrame (T, N)
            Returns by session, without gaps.
        window : int
            Sessions, at least 2.

        Returns
        -------
        Circularity
        """
        frame = returns.to_frame() if isinstance(returns, pd.Series) else returns
        driver = self.driver(cast(pd.DatetimeIndex, frame.index))
        table = explain_driver(driver.to_numpy(), frame, window)
        return Circularity(self.name, self.circularity, table, int(window))

    # --- other dates, same lengths

    def shift(self, index: pd.DatetimeIndex, k: int, kind: Literal["circular", "linear"] = "circular") -> ReRating:
        """Return the episodes ``k`` sessions later on ``index``.

        Circular: sessions leaving at one end enter at the other, a spell across the seam becomes two.
        Linear: the part of a spell that leaves is cut, the sessions that enter are outside, and coverage is
        not kept. Spells outside ``index`` are not carried along. The result is a list of dates, whatever
        defined the original.
        """
        check_option("kind", kind, ("circular", "linear"))
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
            raise SpecError(f"k={k!r} must be a whole number of sessions.")
        moved = shift_spells(self.dated, days_of(index, daily=True), int(k), circular=kind == "circular")
        params = (("of", self.sha256), ("shift", int(k)), ("kind", kind))
        return replace(
            self,
            name=f"{self.name}, {kind} shift {int(k)}",
            definition="dates",
            params=params,
            dated=moved,
            readings=None,
            real_time=False,
        )

    def simulate(self, index: pd.DatetimeIndex, rng: int | np.random.Generator) -> ReRating:
        """Draw placebo episodes: the lengths of spells and gaps, in another order and place.

        The number of spells, their lengths in sessions and the coverage of ``index`` are kept, no spell is
        cut in two, and all arrangements are equally likely (see `shuffle_spells`). Spells outside ``index``
        are not carried along.
        """
        drawn = shuffle_spells(self.dated, days_of(index, daily=True), np.random.default_rng(rng))
        return replace(
            self,
            name=f"{self.name}, placebo",
            definition="dates",
            params=(("of", self.sha256), ("kind", "placebo")),
            dated=drawn,
            readings=None,
            real_time=False,
            circularity="none",
        )

    # --- same rule, new data

    def redate(
        self, tech: pd.Series, market: pd.Series | None = None, *, of: Literal["prices", "multiples"] = "prices"
    ) -> ReRating:
        """Apply the same rule to new series, as each draw of a bootstrap must.

        * dated from prices: ``tech`` and ``market`` are prices;
        * dated from multiples, ``of="prices"``: prices again; the earnings path stored at construction is held fixed,
          log M* = log P* − log E, at the dates of the original readings;
        * dated from multiples, ``of="multiples"``: new multiples; no earnings path is carried over;
        * press, events and dates do not depend on the series: the object itself is returned.

        Leave ``market`` out where the rule was given tech alone.

        Raises
        ------
        SpecError
            Prices for multiples without a stored earnings path, multiples for a rule on prices, one series where the
            rule compares two, or two where it reads one.
        """
        check_option("of", of, ("prices", "multiples"))
        if self.readings is None:
            return self
        if self.dating.relative != (market is not None):
            reads = "tech against market: pass both" if self.dating.relative else "tech alone: leave market out"
            raise SpecError(f"'{self.name}' was dated from {reads}.")
        if of == "multiples":
            if not self.of_multiples:
                raise SpecError(f"'{self.name}' was dated from prices, not multiples; use of='prices'.")
            readings = Readings(*log_relative(tech, market, "multiple"))
        elif self.of_multiples:
            sessions, log_price = log_relative(tech, market, "price")
            earnings = self.need_earnings()
            at = price_positions(self.readings.dates, sessions)
            readings = Readings(self.readings.dates, log_price[at] - earnings, sessions, earnings)
        else:
            readings = Readings(*log_relative(tech, market, "price"))
        rule = self.dating.rule
        extra = {key: value for key, value in self.params if key not in rule.to_dict()}
        return ReRating.by_rule(self.name, self.definition, rule, readings, self.circularity, extra)

    def redate_dummy(self, log_ratio: ArrayLike) -> NDArray[np.float64]:
        """Return the dummy of the same rule on a new path of log(P_tech / P_market): `redate` on arrays.

        A Markov rule starts its climb from the parameters of the original path, so that it may end a hair from where
        `redate` ends.

        Parameters
        ----------
        log_ratio : (T,)
            One value for each day of `index`, finite; log P_tech where the rule reads tech alone.

        Returns
        -------
        float64 (T,)
            1 inside an episode, 0 outside, the lag applied; equal to ``redate(...).dummy(self.index)``.
        """
        dating = self.dating
        if self.of_multiples:
            self.need_earnings()
        path = np.ascontiguousarray(log_ratio, dtype=np.float64)
        if path.shape != dating.sessions.shape:
            raise DataError(
                f"log_ratio has shape {path.shape}, the rule stands on {dating.sessions.size:,} sessions "
                f"({dating.sessions[0]} to {dating.sessions[-1]}); give one value a session of .index."
            )
        if not np.isfinite(path).all():
            raise DataError(f"log_ratio has {int((~np.isfinite(path)).sum())} missing or infinite values.")
        return dating.dummy(path)

    def need_earnings(self) -> NDArray[np.float64]:
        """Return the stored relative log-earnings path, or say how to store one."""
        if self.readings is None or self.readings.log_earnings is None:
            raise SpecError(
                f"'{self.name}' holds multiples but no earnings path, so new prices cannot be turned into "
                "multiples; build it with prices=(tech_prices, market_prices) beside the multiples."
            )
        return self.readings.log_earnings

    # --- identity

    def to_dict(self) -> dict[str, object]:
        """Return the whole object as plain, JSON-able values, without the hash."""
        return {
            "format": FORMAT,
            "name": self.name,
            "definition": self.definition,
            "params": dict(self.params),
            "spells": [spell_to_record(spell) for spell in self.dated],
            "readings": None if self.readings is None else self.readings.to_dict(),
            "real_time": self.real_time,
            "circularity": self.circularity,
        }

    @cached_property
    def sha256(self) -> str:
        """Hash of the canonical JSON: the same object has the same hash on any machine."""
        return digest(self.to_dict())

    def to_json(self, indent: int | None = None) -> str:
        """Return the object and its hash as JSON."""
        return json.dumps({**self.to_dict(), "sha256": self.sha256}, indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> ReRating:
        """Read `to_json` back; refuse a record that does not match its hash."""
        record: dict[str, Any] = parse(text)
        return cls(
            record["name"],
            record["definition"],
            tuple(record["params"].items()),
            tuple(spell_from_record(row) for row in record["spells"]),
            None if record["readings"] is None else Readings.from_dict(record["readings"]),
            record["real_time"],
            record["circularity"],
        )

    def __eq__(self, other: object) -> bool:
        return self.sha256 == other.sha256 if isinstance(other, ReRating) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        where = f", {self.dated[0].start} → {self.dated[-1].end}" if self.dated else ""
        many = "spell" if len(self.dated) == 1 else "spells"
        return f"<ReRating '{self.name}': {self.definition}, {len(self.dated)} {many}{where}, {self.sha256[:8]}>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.spells.to_html(index=False)}"
