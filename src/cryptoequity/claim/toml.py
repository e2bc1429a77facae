"""Plain content as TOML text; the standard library reads TOML and does not write it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import SpecError

__all__ = ["toml_text"]


def toml_text(content: Mapping[str, Any]) -> str:
    """TOML of a mapping of texts, numbers, lists and tables: plain keys first, then tables, lists of tables last.

    Raises
    ------
    SpecError : None and other values TOML has no form for.
    """
    plain = {key: value for key, value in content.items() if not (isinstance(value, Mapping) or _tables(value))}
    lines = [f"{_key(key)} = {_value(value, key)}" for key, value in plain.items()]
    for key, value in content.items():
        if key in plain:
            continue
        for part, head in (
            [(value, f"[{_key(key)}]")] if isinstance(value, Mapping) else [(one, f"[[{_key(key)}]]") for one in value]
        ):
            lines += [
                "",
                head,
                *(f"{_key(name)} = {_value(one, name)}" for name, one in part.items()),
            ]
    return "\n".join(lines) + "\n"


def _tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _text(name)


def _text(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SpecError(f"{value!r} is no valid text; TOML cannot write it.") from error
    # JSON leaves the one control character beyond its range as it is
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)  # the shortest text that reads back to the same number
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(one, name) for one in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(one, key)}" for key, one in value.items()) + "}"
    raise SpecError(f"{name}={value!r} cannot be written to TOML.")
