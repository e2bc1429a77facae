"""What a simulated world can be made of: one small frozen record an effect, each with its numbers checked.

Columns of every world, in the order of simulation, are `ASSETS`; the margins and the correlations that never change
are those of the bundled samples, close to fits of real prices.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import SpecError, check_option
from ..estimation.params import Array

__all__ = [
    "ASSETS",
    "COINS",
    "COLUMNS",
    "EQUITIES",
    "HOLDER_NOISE",
    "MARGINS",
    "MARKET_SHARE",
    "PEAK_SHARES",
    "AltcoinsWeaker",
    "Clusters",
    "CoCrashes",
    "Contamination",
    "CryptoLeads",
    "DoseResponse",
    "Effect",
    "FatTails",
    "LateCloses",
    "MarketBeta",
    "Peaks",
    "Persistent",
    "ReRatingDrift",
    "SmallOverLarge",
    "Step",
    "Trend",
    "Unrelated",
    "Volatility",
    "core_matrix",
    "effect_from_dict",
    "position",
]

# equities and gold first: the coins are built from their shocks
ASSETS = ("SMALL_TECH", "LARGE_TECH", "TECH", "MARKET", "GOLD", "ALTCOIN", "COIN")
COLUMNS = ("COIN", "ALTCOIN", "SMALL_TECH", "LARGE_TECH", "TECH", "MARKET", "GOLD")
EQUITIES = ASSETS[:4]
COINS = ASSETS[5:]

# unconditional sd (percent a day), alpha, gamma (GJR), beta, mean (percent a day), first price
MARGINS: dict[str, tuple[float, float, float, float, float, float]] = {
    "COIN": (3.5, 0.09, 0.0, 0.88, 0.10, 300.0),
    "ALTCOIN": (4.8, 0.10, 0.0, 0.86, 0.08, 5.0),
    "SMALL_TECH": (1.7, 0.03, 0.10, 0.89, 0.035, 50.0),
    "LARGE_TECH": (1.4, 0.03, 0.12, 0.88, 0.04, 100.0),
    "TECH": (1.45, 0.03, 0.12, 0.88, 0.04, 40.0),
    "MARKET": (1.1, 0.03, 0.14, 0.87, 0.03, 200.0),
    "GOLD": (0.95, 0.04, 0.0, 0.94, 0.02, 115.0),
}
_CORE = {
    ("SMALL_TECH", "LARGE_TECH"): 0.80,
    ("SMALL_TECH", "TECH"): 0.80,
    ("SMALL_TECH", "MARKET"): 0.82,
    ("LARGE_TECH", "TECH"): 0.97,
    ("LARGE_TECH", "MARKET"): 0.93,
    ("TECH", "MARKET"): 0.92,
    ("SMALL_TECH", "GOLD"): 0.05,
    ("LARGE_TECH", "GOLD"): 0.05,
    ("TECH", "GOLD"): 0.05,
    ("MARKET", "GOLD"): 0.05,
    ("ALTCOIN", "GOLD"): 0.10,
    ("COIN", "GOLD"): 0.10,
    ("COIN", "ALTCOIN"): 0.75,
}
MARKET_SHARE = 6.0 / 7.0  # of the level: crypto with the market over crypto with technology
HOLDER_NOISE = 3.0  # percent a day, of a stock that holds crypto, beside the coin's own move
PEAK_SHARES = (1.0, 1.0, 1.0, 0.7)  # of a peak, by equity: the market shares less of it


def position(name: str) -> int:
    """Return the place of a column in the order of simulation."""
    return ASSETS.index(name)


def core_matrix() -> Array:
    """Return the (7, 7) correlations that never change, zeros between coins and equities."""
    matrix = np.eye(len(ASSETS))
    for (a, b), rho in _CORE.items():
        i, j = position(a), position(b)
        matrix[i, j] = matrix[j, i] = rho
    return matrix


@dataclass(frozen=True)
class Effect:
    """One thing a world does; `call` is how `World` names it."""

    call: ClassVar[str] = ""

    def to_dict(self) -> dict[str, Any]:
        """Return its call and its numbers, JSON-able."""
        return {"effect": self.call, **asdict(self)}

    def __str__(self) -> str:
        inner = ", ".join(f"{key}={value!r}" for key, value in asdict(self).items() if value is not None)
        return f"{self.call}({inner})"


def _number(name: str, value: object, low: float, high: float, why: str) -> None:
    """Refuse anything but a number with ``low < value < high``."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (good and low < float(value) < high):  # type: ignore[arg-type]
        raise SpecError(f"{name}={value!r}: {why}; give a number between {low:g} and {high:g}.")


def _count(name: str, value: object, least: int, why: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SpecError(f"{name}={value!r}: {why}; give a whole number of at least {least}.")


def _day(name: str, value: str | None) -> None:
    if value is None:
        return
    try:
        dt.date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{name}={value!r} is not a day; write it as 'YYYY-MM-DD'.") from error


_RHO = "a correlation"
_GAP = "a difference of correlations"


@dataclass(frozen=True)
class Step(Effect):
    """Correlation of the coins with technology goes from ``before`` to ``after`` on ``date`` (the break)."""

    call: ClassVar[str] = "step"
    before: float = 0.02
    after: float = 0.40
    date: str | None = None

    def __post_init__(self) -> None:
        _number("before", self.before, -0.9, 0.9, _RHO)
        _number("after", self.after, -0.9, 0.9, _RHO)
        _day("date", self.date)


@dataclass(frozen=True)
class Trend(Effect):
    """Correlation goes in a straight line from ``first`` to ``last`` over the calendar."""

    call: ClassVar[str] = "trend"
    first: float = 0.0
    last: float = 0.5

    def __post_init__(self) -> None:
        _number("first", self.first, -0.9, 0.9, _RHO)
        _number("last", self.last, -0.9, 0.9, _RHO)


@dataclass(frozen=True)
class Peaks(Effect):
    """Correlation is higher by ``size`` inside the episodes (of one ``side``), centered so that its mean stays."""

    call: ClassVar[str] = "peaks"
    size: float = 0.30
    side: str = "both"

    def __post_init__(self) -> None:
        _number("size", self.size, -1.0, 1.0, _GAP)
        check_option("side", self.side, ("both", "up", "down"))


@dataclass(frozen=True)
class Unrelated(Effect):
    """Correlation is higher by ``size`` in spells placed afresh in every sample, of the episodes' lengths."""

    call: ClassVar[str] = "unrelated"
    size: float = 0.30

    def __post_init__(self) -> None:
        _number("size", self.size, -1.0, 1.0, _GAP)


@dataclass(frozen=True)
class DoseResponse(Effect):
    r"""Correlation follows yesterday's relative strength of technology over ``horizon`` sessions.

    It adds ``size`` :math:`\tanh\{(u_{t-1}-.80)/.60\}`, with :math:`u` the size of the move over its standard
    deviation: near the mean, ``size`` a standard deviation of :math:`u`, and bounded.
    """

    call: ClassVar[str] = "dose"
    size: float = 0.15
    horizon: int = 126

    def __post_init__(self) -> None:
        _number("size", self.size, -1.0, 1.0, _GAP)
        _count("horizon", self.horizon, 1, "a move has a length in sessions")


@dataclass(frozen=True)
class Volatility(Effect):
    """Equity volatility is ``factor`` times higher inside the episodes; slope and the coins' own variance stay."""

    call: ClassVar[str] = "volatility"
    factor: float = 2.0

    def __post_init__(self) -> None:
        _number("factor", self.factor, 0.1, 10.0, "a ratio of standard deviations")


@dataclass(frozen=True)
class Clusters(Effect):
    """Equity volatility is ``factor`` times higher in random spells of ``days`` on average, a third of the time.

    Slopes stay. Episodes dated by a rule from prices fall on such spells: they select volatility.
    """

    call: ClassVar[str] = "clusters"
    factor: float = 2.0
    days: int = 60

    def __post_init__(self) -> None:
        _number("factor", self.factor, 0.1, 10.0, "a ratio of standard deviations")
        _count("days", self.days, 2, "a spell has a mean length in sessions")


@dataclass(frozen=True)
class MarketBeta(Effect):
    """Coins load on the market alone, by ``size`` more inside the episodes; technology adds nothing of its own."""

    call: ClassVar[str] = "market"
    size: float = 0.35

    def __post_init__(self) -> None:
        _number("size", self.size, -1.0, 1.0, _GAP)


@dataclass(frozen=True)
class CoCrashes(Effect):
    """All equities and coins fall ``size`` of their standard deviations on ``days`` random days of the episodes."""

    call: ClassVar[str] = "crashes"
    days: int = 8
    size: float = 4.0

    def __post_init__(self) -> None:
        _count("days", self.days, 1, "crashes are counted")
        _number("size", self.size, 0.0, 30.0, "standard deviations")


@dataclass(frozen=True)
class SmallOverLarge(Effect):
    """The coins' correlation with large-cap technology, and the sector, is lower by ``gap`` than with small-cap."""

    call: ClassVar[str] = "small"
    gap: float = 0.10

    def __post_init__(self) -> None:
        _number("gap", self.gap, -0.5, 0.5, _GAP)


@dataclass(frozen=True)
class Contamination(Effect):
    """The small-cap index holds a stock that holds crypto: its return gains ``weight`` times that of HOLDER.

    HOLDER, a column of its own in such a world, is the coin plus noise of 3 percent a day.
    ``when`` is "always", "episodes", or two days "2023-01-01/2024-06-28".
    """

    call: ClassVar[str] = "contamination"
    weight: float = 0.05
    when: str = "always"

    def __post_init__(self) -> None:
        _number("weight", self.weight, 0.0, 1.0, "a weight in an index")
        if self.when in ("always", "episodes"):
            return
        parts = str(self.when).split("/")
        if len(parts) != 2:
            raise SpecError(
                f"when={self.when!r} must be 'always', 'episodes' or two days such as '2023-01-01/2024-06-28'."
            )
        for part in parts:
            _day("when", part)
        if dt.date.fromisoformat(parts[0]) > dt.date.fromisoformat(parts[1]):
            raise SpecError(f"when={self.when!r}: the first day comes after the last.")


@dataclass(frozen=True)
class AltcoinsWeaker(Effect):
    """Correlation of altcoins with every equity is lower by ``gap`` than the main coin's."""

    call: ClassVar[str] = "altcoins"
    gap: float = 0.10

    def __post_init__(self) -> None:
        _number("gap", self.gap, -0.5, 0.5, _GAP)


@dataclass(frozen=True)
class CryptoLeads(Effect):
    """Equities answer the coin the day after: correlation ``size`` with yesterday's shock of the coin."""

    call: ClassVar[str] = "leads"
    size: float = 0.20

    def __post_init__(self) -> None:
        _number("size", self.size, -0.9, 0.9, _RHO)


@dataclass(frozen=True)
class LateCloses(Effect):
    """Coins close ``hours`` after equities; news comes evenly round the clock, the most such a gap can cost.

    The share hours/24 of each day's coin return, drawn as the first part of a bridge, is booked a day early.
    """

    call: ClassVar[str] = "closes"
    hours: float = 4.0

    def __post_init__(self) -> None:
        _number("hours", self.hours, 0.0, 24.0, "hours between two closes of a day")


@dataclass(frozen=True)
class Persistent(Effect):
    """Correlations wander as a DCC(a, b) around their level."""

    call: ClassVar[str] = "persistent"
    a: float = 0.02
    b: float = 0.97

    def __post_init__(self) -> None:
        _number("a", self.a, 0.0, 1.0, "a DCC parameter")
        _number("b", self.b, 0.0, 1.0, "a DCC parameter")
        if self.a + self.b >= 1.0:
            raise SpecError(f"a={self.a!r} and b={self.b!r} add up to 1 or more: the correlation has no mean.")


@dataclass(frozen=True)
class FatTails(Effect):
    """Shocks are jointly t with ``nu`` degrees of freedom; without this effect six."""

    call: ClassVar[str] = "fat_tails"
    nu: float = 4.0

    def __post_init__(self) -> None:
        _number("nu", self.nu, 2.0, 1000.0, "a t law has a variance above 2 degrees of freedom")


@dataclass(frozen=True)
class ReRatingDrift(Effect):
    """Technology drifts by ``size`` percent a day times the sign of the spell, so that a rule can see the episodes."""

    call: ClassVar[str] = "drift"
    size: float = 0.10

    def __post_init__(self) -> None:
        _number("size", self.size, 0.0, 2.0, "percent a day")


_KINDS: dict[str, type[Effect]] = {
    kind.call: kind
    for kind in (
        Step,
        Trend,
        Peaks,
        Unrelated,
        DoseResponse,
        Volatility,
        Clusters,
        MarketBeta,
        CoCrashes,
        SmallOverLarge,
        Contamination,
        AltcoinsWeaker,
        CryptoLeads,
        LateCloses,
        Persistent,
        FatTails,
        ReRatingDrift,
    )
}


def effect_from_dict(content: dict[str, Any]) -> Effect:
    """Rebuild an effect from `Effect.to_dict`."""
    check_option("effect", content.get("effect"), tuple(_KINDS))
    kind = _KINDS[content["effect"]]
    try:
        return kind(**{key: value for key, value in content.items() if key != "effect"})
    except TypeError as error:
        raise SpecError(f"effect {content['effect']!r}: {error}.") from error
