"""The plan: every choice made before the data are fitted, frozen, hashed and printed with the verdict."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import tomllib
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import SpecError, check_option
from ..volatility import EGARCH, GARCH
from ..volatility.garch import spec_from_dict
from .dating import whole_days
from .rerating import ReRating

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
    events: int = 20
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
        """JSON-able content."""
        out: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, ReRating):
                value = json.loads(value.to_json())
            elif isinstance(value, GARCH | EGARCH):
                value = value.to_dict()
            elif isinstance(value, tuple):
                value = [json.loads(v.to_json()) if isinstance(v, ReRating) else v for v in value]
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
        values["episodes"] = ReRating.from_json(json.dumps(values["episodes"]))
        values["alternatives"] = tuple(ReRating.from_json(json.dumps(v)) for v in values.get("alternatives", ()))
        if values.get("dose") is not None:
            values["dose"] = ReRating.from_json(json.dumps(values["dose"]))
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
        """Hash of the canonical JSON: two plans with one hash make the same choices."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_toml(cls, path: str | Path, **overrides: Any) -> Plan:
        """Read a plan whose episodes are a fixed list.

        ``[episodes]`` holds either ``press = true``, ``years = [2020, 2022, 2024]``, or ``spells``, a list of
        ``[start, end, sign]``. Other keys are the parameters of `Plan`; ``crypto_margin`` and ``equity_margin``
        are tables such as ``{model = "GARCH", dist = "t"}``; ``break_date = "none"`` tests the whole sample, as
        TOML has no None. Keyword arguments win over the file, unless they are None.
        """
        name = Path(path).name
        try:
            content: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SpecError(f"{name} is not TOML: {error}") from error
        if "alternatives" in content:
            raise SpecError(f"{name}: alternatives cannot be written in a file; pass them as an argument.")
        content.update({key: value for key, value in overrides.items() if value is not None})
        episodes = content.pop("episodes", None)
        chosen = episodes if isinstance(episodes, ReRating) else _listed(episodes)
        known = {one.name for one in fields(cls)} - {"episodes"}
        unknown = sorted(set(content) - known)
        if unknown:
            raise SpecError(f"{name}: a plan has no choice named {unknown[0]!r}; it has {', '.join(sorted(known))}.")
        absent = [key for key in ("crypto", "equity") if key not in content]
        if absent:
            raise SpecError(f"{name}: a plan must name {absent[0]!r}.")
        for key in ("crypto_margin", "equity_margin"):
            if key in content and not isinstance(content[key], GARCH | EGARCH):
                content[key] = _margin(key, content[key])
        if content.get("break_date") == "none":
            content["break_date"] = None
        return cls(**content, episodes=chosen)


_DATES = ("break_date", "published", "start", "end")


def _listed(episodes: object) -> ReRating:
    """Episodes of a plan file."""
    if not isinstance(episodes, dict) or len(episodes) != 1:
        raise SpecError("[episodes] must hold one of press = true, years = [...] or spells = [[start, end, sign], …].")
    ((kind, value),) = episodes.items()
    check_option("[episodes]", kind, ("press", "years", "spells"))
    if kind == "press":
        check_option("press", value, (True,))
        return ReRating.press()
    if not isinstance(value, list):
        raise SpecError(f"[episodes] {kind}={value!r} must be a list.")
    return ReRating.press(years=value) if kind == "years" else ReRating.from_dates(value, name="plan file")


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
    if isinstance(value, str | dt.date | np.datetime64):
        try:
            stamp = pd.Timestamp(value)
        except ValueError:
            stamp = None
        if stamp is not None and not pd.isna(stamp) and stamp.tz is None and stamp == stamp.normalize():
            return stamp.strftime("%Y-%m-%d")
    raise SpecError(f"{name}={value!r} is not a date; write it as 2020-03-16, without a clock time or zone.")
