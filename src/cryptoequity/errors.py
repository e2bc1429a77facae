"""What can go wrong, as types: every message names the thing, the number and the cure."""

from __future__ import annotations

from collections.abc import Collection

__all__ = [
    "BoundaryWarning",
    "ConvergenceError",
    "ConvergenceWarning",
    "CryptoEquityError",
    "CryptoEquityWarning",
    "DataError",
    "FilteredSeriesWarning",
    "LevelsWarning",
    "PlanChangedError",
    "SpecError",
    "check_option",
]


class CryptoEquityError(Exception):
    """Anything this library refuses; catch this to catch them all."""


class DataError(CryptoEquityError, ValueError):
    """The data cannot be used as they are; the message names the column and the number."""


class SpecError(CryptoEquityError, ValueError):
    """A choice is unknown or the choices contradict each other."""


class PlanChangedError(SpecError):
    """The plan is not the one that was registered; the message names each choice that changed, old and new."""


class ConvergenceError(CryptoEquityError, RuntimeError):
    """An optimiser stopped short and the caller asked for that to be an error (``strict=True``)."""


class CryptoEquityWarning(UserWarning):
    """The result stands, and there is something to know about it."""


class LevelsWarning(CryptoEquityWarning):
    """Price levels, or another near-unit-root series, were passed where returns belong."""


class FilteredSeriesWarning(CryptoEquityWarning):
    """A rolling or filtered path was passed where raw observations belong: such a path breaks by construction."""


class ConvergenceWarning(CryptoEquityWarning):
    """An optimiser stopped short; the estimate is the best point it saw."""


class BoundaryWarning(CryptoEquityWarning):
    """A parameter sits on its bound: it has no standard error and its χ² tests are not valid."""


def check_option(name: str, value: object, allowed: Collection[object]) -> None:
    """Raise `SpecError` unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        choices = ", ".join(repr(item) for item in allowed)
        raise SpecError(f"{name}={value!r} is not known here; choose one of {choices}.")
