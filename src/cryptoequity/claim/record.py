"""Episodes as JSON: plain records, one canonical text, one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TypeAlias, cast

from cryptoequity.claim.spells import Spell, read_spells
from cryptoequity.errors import DataError, SpecError

__all__ = ["FORMAT", "Choice", "digest", "frozen", "parse", "spell_from_record", "spell_to_record"]

Choice: TypeAlias = "str | int | float | bool | tuple[Choice, ...] | None"
FORMAT = 1  # of the record; it enters the hash


def frozen(value: object) -> Choice:
    """Turn lists into tuples, so that params are hashable and survive JSON."""
    if isinstance(value, (list, tuple)):
        return tuple(frozen(item) for item in value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise SpecError(f"the parameter value {value!r} cannot be written to JSON; use text, numbers, or tuples of them.")


def digest(record: Mapping[str, object]) -> str:
    """Return the SHA-256 of the canonical JSON of a record: sorted keys, no spaces, ASCII."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def parse(text: str) -> dict[str, object]:
    """Return the record in a JSON text, without its hash; refuse one incomplete or not matching its hash."""
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"this is not JSON: {error}.") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise DataError(f"this is not a re-rating record of format {FORMAT}; write it with to_json().")
    parts = ("name", "definition", "params", "spells", "readings", "real_time", "circularity", "sha256")
    absent = [part for part in parts if part not in record]
    if absent:
        raise DataError(f"the re-rating record has no {', '.join(absent)}; write it with to_json().")
    claimed = record.pop("sha256")
    found = digest(record)
    if found != claimed:
        raise DataError(
            f"the record says sha256 {str(claimed)[:12]}… but its content has {found[:12]}…: it was "
            "changed after it was written; build the episodes anew."
        )
    return record


def spell_to_record(spell: Spell) -> dict[str, object]:
    """Return one spell as plain values."""
    return {**spell._asdict(), "start": spell.start.isoformat(), "end": spell.end.isoformat()}


def spell_from_record(row: Mapping[str, object]) -> Spell:
    """Undo `spell_to_record`."""
    (spell,) = read_spells([(row["start"], row["end"], row["sign"])])
    return spell._replace(amplitude=cast("float | None", row["amplitude"]), source=cast("str | None", row["source"]))
