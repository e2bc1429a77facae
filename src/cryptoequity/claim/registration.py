"""Registered plans: a hash written down before the data are looked at, and what became of it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import DataError, PlanChangedError, SpecError

if TYPE_CHECKING:
    from .plan import Plan
    from .verdict import Verdict

__all__ = [
    "Change",
    "Registration",
    "check_registration",
    "compare_verdicts",
    "read_registration",
    "write_registration",
]

FORMAT = 1
NUMBERS = ("estimate", "lower", "upper", "pvalue", "pvalue_adjusted", "mde", "nobs", "coverage", "spells")
WORDS = ("verdict", "reason")


@dataclass(frozen=True)
class Change:
    """One choice that is not what was registered.

    Attributes
    ----------
    name : the choice. old, new : as JSON text, shortened where it is long.
    """

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.name}: {self.old} → {self.new}"


@dataclass(frozen=True)
class Registration:
    """What was registered, and how the plan that ran differs from it.

    Attributes
    ----------
    sha256 : hash of the registered plan. version : of the library that registered it.
    time : when, as the one who registered it said; None when not said.
    changes : choices that are not what was registered. amendment : the reason given for them, "" without changes.
    choices : the registered plan's choices.
    """

    sha256: str
    version: str
    time: str | None
    changes: tuple[Change, ...] = ()
    amendment: str = ""
    choices: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def sentence(self) -> str:
        """What every output says of it."""
        when = f" on {self.time}" if self.time else ""
        start = f"Plan {self.sha256[:12]} was registered{when}"
        if not self.changes:
            return f"{start} and not changed."
        what = "; ".join(map(str, self.changes))
        return f"{start} and AMENDED before this run ({what}), because: {self.amendment.rstrip('.')}."

    def amended(self, plan: Plan, reason: str) -> Registration:
        """The same registration under another plan, with the reason beside those given before."""
        reasons = "; ".join(one for one in (self.amendment, reason) if one)
        changes = plan_changes(self.choices, plan.choices())
        return replace(self, changes=changes, amendment=reasons if changes else "")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "sha256": self.sha256,
            "version": self.version,
            "time": self.time,
            "changes": [{"name": one.name, "old": one.old, "new": one.new} for one in self.changes],
            "amendment": self.amendment,
        }


def library_version() -> str:
    """Version of this library; "unknown" in a source tree that was never installed."""
    try:
        return installed("cryptoequity")
    except PackageNotFoundError:
        return "unknown"


def plan_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Choices that differ between two `Plan.choices`; a choice one of them does not know is written as "absent"."""
    out = []
    for name in dict.fromkeys((*new, *old)):
        texts = [_short(one[name]) if name in one else "absent" for one in (old, new)]
        whole = [_canonical(one[name]) if name in one else None for one in (old, new)]
        if whole[0] != whole[1]:
            if texts[0] == texts[1]:  # long values that differ beyond what is shown
                texts = [f"{text} ({_sha(value or '')[:8]})" for text, value in zip(texts, whole, strict=True)]
            out.append(Change(name, *texts))
    return tuple(out)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _short(value: Any) -> str:
    """JSON text of a choice, episodes by their name or recipe."""
    if isinstance(value, Mapping) and "sha256" in value:
        return f"'{value['name']}' ({value['definition']}, {value['sha256'][:8]})"
    if isinstance(value, Mapping) and "recipe" in value:
        return _short(value["recipe"])
    if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        return f"[{', '.join(map(_short, value))}]"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:400]}…"


def write_registration(plan: Plan, path: str | Path, time: object = None) -> str:
    """Write a plan's choices and their hash to a new JSON file; return the hash.

    Parameters
    ----------
    plan : to be registered. path : of a file that does not exist yet.
    time : text, date or datetime, as the caller wants it read; None leaves it out. The clock is not asked.

    Raises
    ------
    SpecError : a file that exists, for a registration is written once; a time that is none.
    """
    where = Path(path)
    said = None
    if time is not None:
        if isinstance(time, str):
            said = time.strip()
        elif isinstance(time, dt.date):  # datetimes are dates
            said = time.isoformat()
        if not said:
            raise SpecError(f"time={time!r}: say it as a text such as '2026-01-31', or as a date.")
    content = {
        "format": FORMAT,
        "sha256": plan.sha256,
        "version": library_version(),
        "time": said,
        "plan": plan.choices(),
    }
    try:
        with where.open("x", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    except FileExistsError as error:
        raise SpecError(f"{where.name} exists: a registration is written once; choose another name.") from error
    return plan.sha256


def read_registration(path: str | Path) -> Registration:
    """Read a registration.

    Raises
    ------
    DataError : no such file, a file that is no registration, or one whose plan does not have the hash it states.
    """
    where = Path(path)
    try:
        content = json.loads(where.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"there is no registration {where.name!r}; write one with plan.register(path).") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{where.name} is no registration: {error}.") from error
    parts = {"sha256": str, "version": str, "plan": dict}
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"{where.name} is no registration of format {FORMAT}; write one with plan.register(path).")
    for name, kind in parts.items():
        if not isinstance(content.get(name), kind):
            raise DataError(f"{where.name} is no registration: it has no {name}.")
    found = _sha(_canonical(content["plan"]))
    if found != content["sha256"]:
        raise DataError(
            f"{where.name} states the hash {content['sha256'][:12]}, its plan has {found[:12]}: the file was changed "
            "after it was written."
        )
    return Registration(content["sha256"], content["version"], content.get("time"), choices=content["plan"])


def check_registration(plan: Plan, registration: str | Path | None, amendment: str | None) -> Registration | None:
    """Return what was registered; refuse a plan that was changed since, unless a reason is given.

    Raises
    ------
    PlanChangedError : choices differ and no amendment is given.
    SpecError : an amendment without a registration, without a change, or without words.
    """
    if amendment is not None and (not isinstance(amendment, str) or not amendment.strip()):
        raise SpecError(f"amendment={amendment!r}: say in words why the plan was changed.")
    if registration is None:
        if amendment is not None:
            raise SpecError("an amendment changes a registered plan: pass its file, registration=.")
        return None
    found = read_registration(registration)
    if plan.sha256 == found.sha256:
        if amendment is not None:
            raise SpecError(f"the plan is the registered one, {found.sha256[:12]}: there is nothing to amend.")
        return found
    changes = plan_changes(found.choices, plan.choices())
    if amendment is None:
        raise PlanChangedError(
            f"the plan {plan.sha256[:12]} is not the registered one, {found.sha256[:12]}: "
            f"{'; '.join(map(str, changes))}. Run the registered plan, or pass amendment='why it was changed', which "
            "every output will show."
        )
    return replace(found, changes=changes, amendment=" ".join(amendment.split()))


def compare_verdicts(first: Verdict, second: Verdict) -> pd.DataFrame:
    """What differs between two verdicts, one row a difference.

    Columns: part ("plan", "data", "versions", "registration", or a hypothesis), what, first, second. Numbers differ
    when any bit does; missing on both sides is no difference. No rows mean that all of this is the same.
    """
    rows: list[tuple[str, str, object, object]] = [
        ("plan", change.name, change.old, change.new)
        for change in plan_changes(first.plan.choices(), second.plan.choices())
    ]
    pairs: list[tuple[str, str, object, object]] = [
        ("data", "sha256", first.data_sha256, second.data_sha256),
        ("registration", "sentence", _said(first), _said(second)),
    ]
    for name in dict.fromkeys((*first.versions, *second.versions)):
        pairs.append(("versions", name, first.versions.get(name, "absent"), second.versions.get(name, "absent")))
    for key in dict.fromkeys(map(str, (*first.table.index, *second.table.index))):
        for what in (*NUMBERS, *WORDS):
            pairs.append((key, what, _entry(first, key, what), _entry(second, key, what)))
    rows += [one for one in pairs if not _same(one[2], one[3])]
    return pd.DataFrame(rows, columns=["part", "what", "first", "second"])


def _said(verdict: Verdict) -> str:
    return "none" if verdict.registration is None else verdict.registration.sentence


def _entry(verdict: Verdict, key: str, what: str) -> object:
    if key not in verdict.table.index:
        return "absent"
    value: object = verdict.table[what].loc[key]
    return value


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    return bool(one == other)
