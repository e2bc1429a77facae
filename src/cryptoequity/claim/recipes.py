"""Episodes as a file names them: press years, lists of spells, and recipes, rules dated once prices are there."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..errors import DataError, SpecError, check_option
from .record import Choice, frozen
from .rerating import ReRating

__all__ = ["Recipe", "episodes_record", "from_record", "identity", "read_episodes", "recipe_of", "rules", "to_record"]

KINDS = ("press", "years", "spells", "rule", "record")
_OWN = ("rule", "tech", "market", "prices")


def rules() -> dict[str, Callable[..., ReRating]]:
    """Return the constructors of `ReRating` that date episodes from series, by rule."""
    out: dict[str, Callable[..., ReRating]] = {}
    for name, maker in inspect.getmembers(ReRating, inspect.ismethod):
        if name.startswith("from_") and "tech" in inspect.signature(maker).parameters:
            out[name.removeprefix("from_").replace("_", "-")] = maker
    return out


@dataclass(frozen=True)
class Recipe:
    """A rule that dates episodes, and the columns it reads: what a plan holds of them before any price is known.

    Episodes made by `date` remember their recipe, and the hash of a plan covers the recipe in place of the spells
    and the series: more prices do not change the plan, another rule, column or option does.

    Attributes
    ----------
    rule : "relative-strength", "valuation" or another constructor ``ReRating.from_…``.
    tech, market : columns of the prices, for "valuation" of the multiples; market None where the rule needs none.
    options : further arguments of the constructor by name, a mapping or pairs; kept as pairs, those left out with their
        defaults.
    prices : for "valuation": the columns of the prices behind the two multiples, or None.
    """

    rule: str
    tech: str
    market: str | None = None
    options: tuple[tuple[str, Choice], ...] | Mapping[str, Choice] = ()
    prices: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        known = rules()
        check_option("rule", self.rule, sorted(known))
        arguments = inspect.signature(known[self.rule]).parameters
        for part in ("tech", "market"):
            value = getattr(self, part)
            needed = part in arguments and arguments[part].default is inspect.Parameter.empty
            if (value is None and needed) or (value is not None and (not isinstance(value, str) or not value)):
                raise SpecError(f"rule {self.rule!r}: {part}={value!r} must be the name of a column.")
        if self.market is not None and "market" not in arguments:
            raise SpecError(f"rule {self.rule!r} reads no market; leave it out.")
        if self.prices is not None:
            if "prices" not in arguments:
                raise SpecError(f"rule {self.rule!r} takes no prices besides its columns; leave them out.")
            pair = tuple(self.prices)
            if len(pair) != 2 or not all(isinstance(name, str) and name for name in pair):
                raise SpecError(f"rule {self.rule!r}: prices={self.prices!r} must be two columns, tech and market.")
            object.__setattr__(self, "prices", pair)
        # defaults are written out: a later library with another default would date otherwise, and the hash must say so
        filled = {name: one.default for name, one in arguments.items() if name not in ("tech", "market", "prices")}
        # a mapping is what one writes first
        given = self.options.items() if isinstance(self.options, Mapping) else self.options
        for name, value in given:
            check_option(f"rule {self.rule!r}: the option", name, sorted(filled))
            filled[name] = value
        object.__setattr__(self, "options", tuple(sorted((name, frozen(value)) for name, value in filled.items())))

    @property
    def of_multiples(self) -> bool:
        """Whether the columns are multiples, not prices."""
        return self.rule == "valuation"

    def date(self, prices: pd.DataFrame, sessions: str, multiples: pd.DataFrame | None = None) -> ReRating:
        """Date the episodes.

        Parameters
        ----------
        prices : (T, N) daily closes, one column an asset.
        sessions : column whose days are the sessions, the tested equity.
        multiples : (n, M) for "valuation".

        Raises
        ------
        DataError : columns that are not there, blanks within the series, no multiples where the rule reads them.
        """
        columns = (self.tech,) if self.market is None else (self.tech, self.market)
        options: dict[str, Any] = dict(self.options)
        if self.of_multiples:
            if multiples is None:
                raise DataError(f"rule {self.rule!r} reads multiples: pass multiples=, a frame with {columns}.")
            source = _columns(multiples, columns, "multiples").dropna(how="all")
            if self.prices is not None:
                behind = _sessions(prices, self.prices, sessions)
                options["prices"] = (behind[self.prices[0]], behind[self.prices[1]])
        else:
            source = _sessions(prices, columns, sessions)
        made = rules()[self.rule](*(source[name] for name in columns), **options)
        # beside the fields, as the dating is: whatever is derived from these episodes has another recipe, or none
        made.__dict__["recipe"] = self
        return made

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content, as a plan file writes it."""
        out: dict[str, Any] = {"rule": self.rule, "tech": self.tech}
        if self.market is not None:
            out["market"] = self.market
        if self.prices is not None:
            out["prices"] = list(self.prices)
        options: dict[str, Any] = dict(self.options)
        out.update({name: json.loads(json.dumps(value)) for name, value in options.items()})
        return out

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Recipe:
        """Rebuild from `to_dict`."""
        if "tech" not in content:
            raise SpecError(f"rule {content.get('rule')!r}: name the column it reads, tech = …")
        options = tuple((str(name), value) for name, value in content.items() if name not in _OWN)
        return cls(content["rule"], content["tech"], content.get("market"), options, content.get("prices"))


def recipe_of(episodes: ReRating) -> Recipe | None:
    """Return the recipe the episodes were dated by; None for lists and for series passed by hand."""
    made: Recipe | None = vars(episodes).get("recipe")
    return made


def to_record(episodes: ReRating) -> dict[str, Any]:
    """Everything of episodes, JSON-able."""
    out: dict[str, Any] = json.loads(episodes.to_json())
    recipe = recipe_of(episodes)
    return out if recipe is None else {**out, "recipe": recipe.to_dict()}


def from_record(record: Any) -> ReRating:
    """Undo `to_record`."""
    if not isinstance(record, dict) or "recipe" not in record:
        return ReRating.from_json(json.dumps(record))
    recipe = Recipe.from_dict(record["recipe"])
    episodes = ReRating.from_json(json.dumps({key: value for key, value in record.items() if key != "recipe"}))
    if not episodes.by_data or rules()[recipe.rule].__name__ != f"from_{episodes.definition.replace('-', '_')}":
        raise DataError(f"the record says rule {recipe.rule!r}, its episodes are of '{episodes.definition}'.")
    episodes.__dict__["recipe"] = recipe
    return episodes


def identity(episodes: ReRating) -> dict[str, Any]:
    """What tells episodes from others, without series: the recipe, or the record with the hash of the series."""
    recipe = recipe_of(episodes)
    if recipe is not None:
        return {"recipe": recipe.to_dict()}
    out: dict[str, Any] = json.loads(episodes.to_json())
    if episodes.by_data:
        del out["readings"]  # the user's data
    return out


def _columns(frame: pd.DataFrame, names: tuple[str, ...], what: str) -> pd.DataFrame:
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise DataError(f"the {what} have no column {absent[0]!r}; they have {', '.join(map(str, frame.columns))}.")
    return frame[list(names)]


def _sessions(prices: pd.DataFrame, names: tuple[str, ...], sessions: str) -> pd.DataFrame:
    """Columns on the sessions of a column, from the first day on which all are there to the last."""
    days = _columns(prices, (sessions,), "prices")[sessions].dropna().index
    found = _columns(prices, names, "prices").reindex(days)
    full = found.notna().all(axis=1).to_numpy()
    if not full.any():
        raise DataError(f"{', '.join(map(repr, names))} have no common day with {sessions!r}.")
    first, last = int(full.argmax()), len(full) - int(full[::-1].argmax())
    return found.iloc[first:last]


def episodes_record(episodes: ReRating) -> dict[str, Any]:
    """Return episodes as a plan file writes them, in the first of these ways that reads back to the same episodes.

    A recipe; the press; its calendar years; a list of ``[start, end, sign]`` with name and circularity; or the whole
    record as JSON text, which for a rule dated by hand holds the series it was dated from.
    """
    made = recipe_of(episodes)
    if made is not None:
        written = {name: value for name, value in made.to_dict().items() if value is not None}
        if Recipe.from_dict(written) != made:
            raise SpecError(f"rule {made.rule!r}: an option is None where the default is not; TOML has no None.")
        return written
    choices = dict(episodes.params)
    tries: list[dict[str, Any]] = []
    if episodes.definition == "press":
        tries.append({"press": True})
        years = choices.get("years")
        if isinstance(years, tuple):
            tries.append({"years": list(years)})
    if episodes.definition == "dates":
        rows = [[spell.start.isoformat(), spell.end.isoformat(), spell.sign] for spell in episodes.dated]
        tries.append({"spells": rows, "name": episodes.name, "circularity": episodes.circularity})
    for record in tries:
        if read_episodes(record, "[episodes]") == episodes:
            return record
    return {"record": episodes.to_json()}


def read_episodes(
    record: object,
    where: str,
    *,
    prices: pd.DataFrame | None = None,
    sessions: str | None = None,
    multiples: pd.DataFrame | None = None,
) -> ReRating:
    """Episodes of a plan file; ``where`` is the table they stand in. Recipes need ``prices`` and ``sessions``."""
    if not isinstance(record, Mapping):
        raise SpecError(f"{where} must hold one of press = true, years = [...] or spells = [[start, end, sign], …].")
    found = [kind for kind in KINDS if kind in record]
    if not found and len(record) == 1:
        check_option(where, next(iter(record)), KINDS)
    if len(found) != 1:
        raise SpecError(
            f'{where} must hold one of press = true, years = [...], spells = [[start, end, sign], …] or rule = "…"; '
            f"it has {', '.join(map(str, record)) or 'nothing'}."
        )
    kind = found[0]
    value = record[kind]
    if kind == "rule":
        recipe = Recipe.from_dict(record)
        if prices is None or sessions is None:
            raise SpecError(f"{where}: rule {value!r} is dated from prices: pass prices=, the frame of daily closes.")
        return recipe.date(prices, sessions, multiples)
    beside = {"name", "circularity"} if kind == "spells" else set()
    for other in record:
        check_option(where, other, (kind, *sorted(beside)))
    if kind == "press":
        check_option("press", value, (True,))
        return ReRating.press()
    if kind == "record":
        if not isinstance(value, str):
            raise SpecError(f"{where}: record must be the JSON text of the episodes, written by to_json().")
        return ReRating.from_json(value)
    if not isinstance(value, list):
        raise SpecError(f"{where} {kind}={value!r} must be a list.")
    if kind == "years":
        return ReRating.press(years=value)
    name, circularity = record.get("name", "plan file"), record.get("circularity", "none")
    return ReRating.from_dates(value, name=name, circularity=circularity)
