"""The plan: every choice made before the data are fitted, frozen, hashed and printed with the verdict."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ..errors import SpecError, check_option
from ..volatility import EGARCH, GARCH
from ..volatility.garch import spec_from_dict
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
    break_date : first day of the new correlation level; "estimate" finds it, None tests the whole sample.
    published : last day of the sample the claim was made on; later data are H11's.
    start, end : bounds of the sample.
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
        for name in ("altcoins", "placebos", "alternatives"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise SpecError(f"{name}={value!r}: pass a tuple of names, e.g. ({value!r},).")
            object.__setattr__(self, name, tuple(value))
        check_option("dist", self.dist, ("normal", "t"))
        check_option("weekend", self.weekend, ("compound", "drop"))
        if not isinstance(self.episodes, ReRating):
            raise SpecError("episodes must be a ReRating, e.g. ReRating.press().")
        if not 0.0 < self.alpha < 0.5:
            raise SpecError(f"alpha={self.alpha}: a level lies between 0 and .5.")
        if not 0.0 < self.sesoi < 1.0:
            raise SpecError(f"sesoi={self.sesoi}: a difference of correlations lies between 0 and 1.")
        if self.draws < 19:
            raise SpecError(f"draws={self.draws}: fewer than 19 draws cannot reach a p-value of 5 %.")
        if not isinstance(self.rng, int) or isinstance(self.rng, bool) or self.rng < 0:
            raise SpecError(f"rng={self.rng!r}: a plan holds its seed, a non-negative int.")
        if len(set(self.columns)) != len(self.columns):
            twice = next(name for name in self.columns if self.columns.count(name) > 1)
            raise SpecError(f"column {twice!r} has two parts in this plan that must differ.")
        for name in ("start", "end", "published"):
            self._date(name)
        if self.break_date not in (None, "estimate"):
            self._date("break_date")
        if self.episodes.by_data and (self.tech is None or self.market is None):
            raise SpecError("episodes dated by a rule are re-dated in every draw: name the tech and market columns.")
        if self.episodes.by_data and pd.Timedelta(self.guard) != pd.Timedelta(0):
            raise SpecError(f"guard={self.guard!r} is for fixed episodes; rules that are re-dated take no guard band.")

    def _date(self, name: str) -> None:
        value = getattr(self, name)
        if value is None:
            return
        try:
            pd.Timestamp(value)
        except ValueError as error:
            raise SpecError(f"{name}={value!r} is not a date; write it as 2020-03-16.") from error

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the plan reads, the tested pair first; a column may serve as equity and tech, or large and tech."""
        named = [self.crypto, self.equity, *self.altcoins, *self.placebos]
        for name in (self.tech, self.market, self.large):
            if name is not None and name not in named:
                named.append(name)
        return tuple(named)

    @property
    def core(self) -> tuple[str, ...]:
        """Columns every test but H6 shares a sample on: all but the altcoins, which may be younger."""
        return tuple(name for name in self.columns if name not in self.altcoins)

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
        values = dict(content)
        values["episodes"] = ReRating.from_json(json.dumps(values["episodes"]))
        values["alternatives"] = tuple(ReRating.from_json(json.dumps(v)) for v in values.get("alternatives", ()))
        for name in ("crypto_margin", "equity_margin"):
            if name in values:
                values[name] = spec_from_dict(values[name])
        return cls(**values)

    def to_json(self) -> str:
        """JSON text."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Rebuild from `to_json`."""
        return cls.from_dict(json.loads(text))

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON: two plans with one hash make the same choices."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_toml(cls, path: str | Path, **overrides: Any) -> Plan:
        """Read a plan whose episodes are a fixed list.

        ``[episodes]`` holds either ``press = true``, ``years = [2020, 2022, 2024]``, or ``spells``, a list of
        ``[start, end, sign]``. Other keys are the parameters of `Plan`; ``crypto_margin`` and ``equity_margin``
        are tables such as ``{model = "GARCH", dist = "t"}``. Keyword arguments win over the file.
        """
        try:
            content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise SpecError(f"{Path(path).name} is not TOML: {error}") from error
        content.update({key: value for key, value in overrides.items() if value is not None})
        episodes = content.pop("episodes", None)
        if isinstance(episodes, ReRating):
            chosen = episodes
        elif not isinstance(episodes, dict) or len(episodes) != 1:
            raise SpecError(
                "[episodes] must hold one of press = true, years = [...] or spells = [[start, end, sign], …]."
            )
        elif "press" in episodes:
            chosen = ReRating.press()
        elif "years" in episodes:
            chosen = ReRating.press(years=tuple(episodes["years"]))
        elif "spells" in episodes:
            chosen = ReRating.from_dates([tuple(spell) for spell in episodes["spells"]], name="plan file")
        else:
            raise SpecError(f"[episodes] does not know {next(iter(episodes))!r}; use press, years or spells.")
        for name in ("crypto_margin", "equity_margin"):
            if name in content:
                content[name] = spec_from_dict(content[name])
        known = {one.name for one in fields(cls)} - {"alternatives", "episodes"}
        unknown = sorted(set(content) - known)
        if unknown:
            raise SpecError(f"{Path(path).name}: a plan has no choice named {unknown[0]!r}.")
        dates = {key: str(value) for key, value in content.items() if key in _DATES and value is not None}
        return cls(**{**content, **dates}, episodes=chosen)


_DATES = ("break_date", "published", "start", "end")
