"""A hash of what a function computes with: its name and the numbers it carries, the same in every process."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["fingerprint"]

DEPTH = 60  # of nesting; what lies deeper holds itself


def fingerprint(value: object) -> str | None:
    """Hash of a value: of a seed, of a sample, of a callable object with its fields; None where there is none.

    Dataclasses are told by their fields, so that what they remember between calls does not matter. Closures,
    generators and whatever holds state elsewhere have no fingerprint.
    """
    digest = hashlib.sha256()
    try:
        _walk(digest, value, 0)
    except TypeError:
        return None
    return digest.hexdigest()


def _walk(digest: Any, value: Any, depth: int) -> None:
    if depth > DEPTH:
        raise TypeError("nested too deeply")

    def say(kind: str, text: str | bytes = "") -> None:
        data = text if isinstance(text, bytes) else text.encode()
        digest.update(f"{kind}:{len(data)}:".encode())
        digest.update(data)

    def down(*parts: Any) -> None:
        for part in parts:
            _walk(digest, part, depth + 1)

    if value is None or isinstance(value, bool | int | str | bytes):
        say(type(value).__name__, value if isinstance(value, str | bytes) else repr(value))
    elif isinstance(value, float):
        say("float", value.hex())
    elif isinstance(value, np.ndarray | np.generic):
        if value.dtype.hasobject:
            raise TypeError("objects in an array")
        say("array", f"{value.dtype.str}{value.shape}")
        say("bytes", np.ascontiguousarray(value).tobytes())
    elif isinstance(value, np.random.SeedSequence):
        say("seed", f"{value.entropy} {value.spawn_key} {value.pool_size}")
    elif isinstance(value, list | tuple):
        say(type(value).__name__, str(len(value)))
        down(*value)
    elif isinstance(value, Mapping):
        say("mapping", str(len(value)))
        for key in sorted(value, key=repr):
            down(key, value[key])
    elif isinstance(value, set | frozenset):
        say("set", str(len(value)))
        down(*sorted(value, key=repr))
    elif isinstance(value, Enum | type):
        say("name", f"{value!r}" if isinstance(value, Enum) else f"{value.__module__}.{value.__qualname__}")
    elif isinstance(value, dt.date | dt.timedelta | PurePath | np.dtype):
        say("text", repr(value))
    elif isinstance(value, pd.Series | pd.DataFrame):
        say(type(value).__name__)
        down(value.index, list(value.columns) if isinstance(value, pd.DataFrame) else value.name)
        down(*([value[name] for name in value] if isinstance(value, pd.DataFrame) else [_values(value)]))
    elif isinstance(value, pd.Index):
        say("index", str(value.dtype))
        down(_values(value))
    elif isinstance(value, functools.partial):
        say("partial")
        down(value.func, value.args, value.keywords)
    elif isinstance(value, types.MethodType):
        say("method", value.__func__.__qualname__)
        down(value.__self__)
    elif isinstance(value, types.FunctionType | types.BuiltinFunctionType | np.ufunc):
        _function(say, value)
    elif is_dataclass(value):
        say("dataclass", f"{type(value).__module__}.{type(value).__qualname__}")
        for one in fields(value):
            down(one.name, getattr(value, one.name))
    elif hasattr(value, "py_func"):  # compiled by numba
        down(value.py_func)
    else:
        raise TypeError(f"a {type(value).__name__}")


def _function(say: Any, value: Any) -> None:
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}"
    if "<" in name:  # a lambda or a closure: its name does not tell what it does
        raise TypeError(name)
    say("function", name)


def _values(value: Any) -> Any:
    array = value.to_numpy()
    return list(array) if array.dtype.hasobject else array
