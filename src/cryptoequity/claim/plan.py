"""The plan: every choice made before the data are fitted, frozen, hashed and printed with the verdict."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import SpecError, check_option
from ..volatility import EGARCH, GARCH
from ..volatility.garch import spec_from_dict
from .dating import whole_days
from .recipes import episodes_record, from_record, identity, read_episodes, recipe_of, to_record
from .rerating import ReRating
from .spells import ambiguous
from .toml import toml_text

__all__ = ["Plan"]

Spec = GARCH | EGARCH


@dataclass(frozen=True)
class Plan:
    """What will be tested, on what, how, and what would count.

    Parameters
    ----------
    crypto, equity : the tested pair, columns of the prices.
    episodes : when technology was re-rated.
    tech, market : the sector and the market; ``market`` is needed for H4, both for re-dating episodes by rule.
    large : large-cap technology, for H5. altcoins : for H6. placebos : for H10.
    sectors : further equities, among which H5 asks for the best. holders : stocks that hold crypto themselves, which
        are projected out of the equity to see what of H2 and H5 is index membership.
    drivers : columns of the drivers passed to `test_claim`, for H9. volatility : the driver that measures market
        volatility, such as VIX, for H3. dose : the intensity of H2x; None takes the episodes' own, or else the
        126-session relative strength of tech against market. events : weekly moves of tech H8 looks at.
    break_date : first day of the new correlation level; "estimate" finds it, None tests the whole sample.
    published : last day of the sample the claim was made on; later data are H11's.
    start, end : bounds of the sample. Dates are days without a zone, kept as text such as "2020-03-16".
    alternatives : further definitions of episodes, for the specification curve.
    crypto_margin, equity_margin : volatility models.
    dist : errors of the DCC, "t" or "normal".
    alpha : level of every test. sesoi : smallest effect of interest, in units of correlation.
    draws : bootstrap draws. rng : seed, an int, so that the plan can be hashed.
    guard : days on either side of an edge that count neither inside nor outside, e.g. "31D"; fixed dates only.
    weekend : "compound" or "drop", see `to_returns`.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> plan = ce.Plan(crypto="BTC", equity="PSCT", tech="XLK", market="SPY", episodes=ce.ReRating.press())
    >>> plan.sha256 == ce.Plan.from_json(plan.to_json()).sha256
    True
    """

    crypto: str
    equity: str
    episodes: ReRating
    tech: str | None = None
    market: str | None = None
    large: str | None = None
    altcoins: tuple[str, ...] = ()
    placebos: tuple[str, ...] = ()
    sectors: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    volatility: str | None = None
    dose: ReRating | None = None
    events: int = 40
    break_date: str | None = "2020-03-16"
    published: str | None = None
    start: str | None = None
    end: str | None = None
    alternatives: tuple[ReRating, ...] = ()
    crypto_margin: Spec = GARCH(dist="t")  # noqa: RUF009 - frozen, hashable
    equity_margin: Spec = GARCH(asymmetric=True, dist="t")  # noqa: RUF009
    dist: str = "t"
    alpha: float = 0.05
    sesoi: float = 0.10
    draws: int = 499
    rng: int = 20261122
    guard: str = "0D"
    weekend: Literal["compound", "drop"] = "compound"

    def __post_init__(self) -> None:
        for name in ("altcoins", "placebos", "sectors", "holders", "drivers", "alternatives"):
            value = getattr(self, name)
            if isinstance(value, str | ReRating):
                raise SpecError(f"{name}={value!r}: pass a tuple, e.g. ({value!r},).")
            object.__setattr__(self, name, tuple(value))
        self._check_columns()
        check_option("dist", self.dist, ("normal", "t"))
        check_option("weekend", self.weekend, ("compound", "drop"))
        for name in ("crypto_margin", "equity_margin"):
            if not isinstance(getattr(self, name), GARCH | EGARCH):
                raise SpecError(f"{name}={getattr(self, name)!r}: pass a margin, e.g. GARCH(dist='t').")
        if not all(isinstance(one, ReRating) for one in (self.episodes, *self.alternatives)):
            raise SpecError("episodes and alternatives must be ReRating, e.g. ReRating.press().")
        _check_number("alpha", self.alpha, 0.5, "a level lies between 0 and .5")
        _check_number("sesoi", self.sesoi, 1.0, "a difference of correlations lies between 0 and 1")
        if self.dose is not None and not (isinstance(self.dose, ReRating) and self.dose.by_data):
            raise SpecError("dose must be a ReRating with an intensity, e.g. ReRating.from_relative_strength(...).")
        whys = {
            "draws": "fewer draws cannot reach a p-value of 5 %",
            "rng": "a plan holds its seed",
            "events": "fewer moves have no p-value of 5 %",
        }
        for name, least in (("draws", 19), ("rng", 0), ("events", 5)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                why = whys[name]
                raise SpecError(f"{name}={value!r}: {why}; give an int of at least {least}.")
        if self.alpha * (1 + self.draws) < 1.0 - 1e-9:
            raise SpecError(
                f"draws={self.draws}: the smallest p-value is {1 / (1 + self.draws):.3g}, above alpha={self.alpha}; "
                f"draw at least {math.ceil(1.0 / self.alpha - 1e-9) - 1}."
            )
        self._check_dates()
        if self.episodes.by_data and (self.tech is None or self.market is None):
            raise SpecError("episodes dated by a rule are re-dated in every draw: name the tech and market columns.")
        guard = whole_days("guard", self.guard)
        if guard < 0:
            raise SpecError(f"guard={self.guard!r} is negative; a guard band lies outside the edges.")
        if guard and self.episodes.by_data:
            raise SpecError(f"guard={self.guard!r} is for fixed episodes; rules that are re-dated take no guard band.")

    def _check_columns(self) -> None:
        parts = {name: getattr(self, name) for name in ("crypto", "equity", "tech", "market", "large")}
        named = {key: value for key, value in parts.items() if value is not None or key in ("crypto", "equity")}
        for key, value in [*named.items(), *(("altcoins", v) for v in self.altcoins)]:
            if not isinstance(value, str) or not value:
                raise SpecError(f"{key}={value!r}: a column has a name, a text.")
        for many in ("placebos", "sectors", "holders", "drivers"):
            if any(not isinstance(value, str) or not value for value in getattr(self, many)):
                raise SpecError(f"{many}={getattr(self, many)!r}: a column has a name, a text.")
        if self.volatility is not None and self.volatility not in self.drivers:
            raise SpecError(f"volatility={self.volatility!r} must be one of the drivers, {self.drivers!r}.")
        coins = (self.crypto, *self.altcoins)
        exclusive = (*coins, self.equity, *self.placebos, *self.sectors, *self.holders)
        twice = [name for name in exclusive if exclusive.count(name) > 1]
        twice += [name for name in (self.tech, self.market, self.large) if name in coins]
        twice += [self.equity] if self.large == self.equity else []
        if twice:
            raise SpecError(f"column {twice[0]!r} has two parts in this plan that must differ.")

    def _check_dates(self) -> None:
        for name in _DATES:
            value = getattr(self, name)
            if value is not None and not (name == "break_date" and value == "estimate"):
                object.__setattr__(self, name, _date(name, value))
        given = [(name, getattr(self, name)) for name in ("start", "published", "end") if getattr(self, name)]
        for (first, early), (second, late) in pairwise(given):
            # publication on the last day leaves nothing after it, which H11 says in its own words
            if early > late or (early == late and first == "start"):
                raise SpecError(f"{first}={early!r} is not before {second}={late!r}.")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the plan reads, the tested pair first; a column may serve as equity and tech, or large and tech."""
        named = [self.crypto, self.equity, *self.altcoins, *self.placebos]
        for name in (self.tech, self.market, self.large, *self.sectors, *self.holders):
            if name is not None and name not in named:
                named.append(name)
        return tuple(named)

    @property
    def core(self) -> tuple[str, ...]:
        """Columns the headline shares a sample on: all but altcoins, sectors and holders, which may be younger."""
        apart = (*self.altcoins, *self.sectors, *self.holders)
        return tuple(name for name in self.columns if name not in apart)

    @property
    def equities(self) -> tuple[str, ...]:
        """Columns that trade on the exchange."""
        return tuple(name for name in self.columns if name != self.crypto and name not in self.altcoins)

    def margin(self, name: str) -> Spec:
        """Volatility model of a column."""
        return self.crypto_margin if name == self.crypto or name in self.altcoins else self.equity_margin

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; of episodes dated by a rule the series too, for they are needed to date again."""
        return self._content(to_record)

    def choices(self) -> dict[str, Any]:
        """Content that makes the hash, and that a registration holds: no series is in it.

        Lists stand as they are. Of episodes dated by a `Recipe` the recipe stands there, so that later prices leave
        the plan the same plan; of a rule applied to series passed by hand, its record without them, and their hash.
        """
        return self._content(identity)

    def _content(self, write: Callable[[ReRating], dict[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, ReRating):
                value = write(value)
            elif isinstance(value, GARCH | EGARCH):
                value = value.to_dict()
            elif isinstance(value, tuple):
                value = [write(v) if isinstance(v, ReRating) else v for v in value]
            out[one.name] = value
        return out

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Plan:
        """Rebuild from `to_dict`."""
        known = {one.name for one in fields(cls)}
        unknown = sorted(set(content) - known)
        if unknown:
            raise SpecError(f"a plan has no choice named {unknown[0]!r}; it has {', '.join(sorted(known))}.")
        absent = [name for name in ("crypto", "equity", "episodes") if name not in content]
        if absent:
            raise SpecError(f"a plan must name {absent[0]!r}.")
        values = dict(content)
        values["episodes"] = from_record(values["episodes"])
        values["alternatives"] = tuple(from_record(one) for one in values.get("alternatives", ()))
        if values.get("dose") is not None:
            values["dose"] = from_record(values["dose"])
        for name in ("crypto_margin", "equity_margin"):
            if name in values:
                values[name] = _margin(name, values[name])
        return cls(**values)

    def to_json(self) -> str:
        """JSON text."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Rebuild from `to_json`."""
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise SpecError(f"this is not JSON: {error}.") from error
        if not isinstance(content, dict):
            raise SpecError("this JSON is not a plan; write one with to_json().")
        return cls.from_dict(content)

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON of `choices`: two plans with one hash make the same choices."""
        return _digest(self.choices())

    @property
    def law_sha256(self) -> str:
        """Hash of every choice but the number of draws: the draws of plans that share it continue each other."""
        return _digest({name: value for name, value in self.choices().items() if name != "draws"})

    def on(self, prices: pd.DataFrame, multiples: pd.DataFrame | None = None) -> Plan:
        """The same plan with the episodes of its recipes dated on ``prices``; its hash stays.

        Recipes that read multiples are dated again when ``multiples`` are given. Episodes without a recipe stay.
        """

        def dated(episodes: ReRating) -> ReRating:
            recipe = recipe_of(episodes)
            if recipe is None or (recipe.of_multiples and multiples is None):
                return episodes
            return recipe.date(prices, self.equity, multiples)

        if not any(map(recipe_of, self._rerated())):
            return self
        return replace(
            self,
            episodes=dated(self.episodes),
            alternatives=tuple(map(dated, self.alternatives)),
            dose=None if self.dose is None else dated(self.dose),
        )

    def _rerated(self) -> tuple[ReRating, ...]:
        return (self.episodes, *self.alternatives, *(() if self.dose is None else (self.dose,)))

    def register(self, path: str | Path, time: object = None) -> str:
        """Write the plan and its hash to a new file, to be kept where its age can be proved; return the hash.

        `test_claim` refuses another plan under this registration. ``time`` is what the caller says it is; the clock
        is not asked. See `cryptoequity.claim.registration`.
        """
        from .registration import write_registration  # it reads plans, this writes them

        return write_registration(self, path, time)

    def to_toml(self) -> str:
        """TOML text that `from_toml` reads back to a plan with the same hash.

        Rules are written as recipes; episodes dated from series passed by hand are written with these series, as
        JSON text under ``record``. What is None is left out, but for ``break_date = "none"``.
        """
        content = self._content(episodes_record)
        if content["break_date"] is None:
            content["break_date"] = "none"
        return toml_text({name: value for name, value in content.items() if value is not None})

    @classmethod
    def from_toml(
        cls,
        path: str | Path,
        *,
        prices: pd.DataFrame | None = None,
        multiples: pd.DataFrame | None = None,
        **overrides: Any,
    ) -> Plan:
        """Read a plan from a file.

        ``[episodes]`` holds ``press = true``, ``years = [2020, 2022, 2024]``, ``spells``, a list of
        ``[start, end, sign]``, or a recipe, a rule with its columns and options such as
        ``{rule = "relative-strength", tech = "XLK", market = "SPY", horizon = 126}``, which is dated on ``prices``
        (``rule = "valuation"`` on columns of ``multiples``). ``[dose]`` is a recipe, ``[[alternatives]]`` are tables
        like ``[episodes]``. Other keys are the parameters of `Plan`; ``crypto_margin`` and ``equity_margin`` are
        tables such as ``{model = "GARCH", dist = "t"}``; ``break_date = "none"`` tests the whole sample, as TOML
        has no None. Keyword arguments win over the file, unless they are None.
        """
        name = Path(path).name
        try:
            content: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SpecError(f"{name} is not TOML: {error}") from error
        content.update({key: value for key, value in overrides.items() if value is not None})
        known = {one.name for one in fields(cls)}
        unknown = sorted(set(content) - known)
        if unknown:
            raise SpecError(f"{name}: a plan has no choice named {unknown[0]!r}; it has {', '.join(sorted(known))}.")
        absent = [key for key in ("crypto", "equity") if key not in content]
        if absent:
            raise SpecError(f"{name}: a plan must name {absent[0]!r}.")

        def read(record: object, where: str) -> ReRating:
            if isinstance(record, ReRating):
                return record
            return read_episodes(record, where, prices=prices, sessions=content["equity"], multiples=multiples)

        content["episodes"] = read(content.get("episodes"), "[episodes]")
        if "dose" in content:
            content["dose"] = read(content["dose"], "[dose]")
        others = content.get("alternatives", ())
        if not isinstance(others, list | tuple):
            raise SpecError(f"{name}: alternatives={others!r} must be a list of tables, [[alternatives]].")
        content["alternatives"] = tuple(read(one, f"[[alternatives]] {k}") for k, one in enumerate(others, 1))
        for key in ("crypto_margin", "equity_margin"):
            if key in content and not isinstance(content[key], GARCH | EGARCH):
                content[key] = _margin(key, content[key])
        if content.get("break_date") == "none":
            content["break_date"] = None
        return cls(**content)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


_DATES = ("break_date", "published", "start", "end")


def _margin(name: str, choices: object) -> Spec:
    """Margin of a plan file or of a plan's JSON."""
    if not isinstance(choices, dict):
        raise SpecError(f'{name}={choices!r}: write a table such as {{model = "GARCH", dist = "t"}}.')
    check_option(f"{name}: model", choices.get("model"), ("GARCH", "EGARCH"))
    allowed = {one.name for one in fields(GARCH if choices["model"] == "GARCH" else EGARCH)} | {"model"}
    for key in choices:
        check_option(f"{name}: the choice", key, sorted(allowed))
    return spec_from_dict(choices)


def _check_number(name: str, value: object, upper: float, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < upper:
        raise SpecError(f"{name}={value!r}: {what}.")


def _date(name: str, value: object) -> str:
    """Return a date as 2020-03-16, the one way a plan writes it."""
    if ambiguous(value):
        raise SpecError(f"{name}={value!r}: is the day or the month first? Write it as 2020-03-16.")
    if isinstance(value, str | dt.date | np.datetime64):
        try:
            stamp = pd.Timestamp(value)
        except ValueError:
            stamp = None
        if stamp is not None and not pd.isna(stamp) and stamp.tz is None and stamp == stamp.normalize():
            return stamp.strftime("%Y-%m-%d")
    raise SpecError(f"{name}={value!r} is not a date; write it as 2020-03-16, without a clock time or zone.")
