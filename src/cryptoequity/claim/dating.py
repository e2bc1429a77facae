"""Dating by rule: from log tech-to-market ratios to spells, with only the past in the threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptoequity.claim.spells import Days, Spell, days_of
from cryptoequity.errors import DataError, SpecError, check_option
from cryptoequity.kernels.dating import date_states, scale_moves

__all__ = ["Dating", "Readings", "Rule", "RuleDating", "log_relative", "read_series_of", "whole_days"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
States = NDArray[np.int8]


@dataclass(frozen=True)
class Rule:
    """|Δ_h log(tech/market)| at or above its expanding quantile, in spells that last.

    With r_t = log(tech_t / market_t) and b(t) the latest reading at or before t − ``horizon``,

        Δ_t = r_t − r_{b(t)},   marked when |Δ_t| ≥ Q_{t−1},   Q_{t−1} = ``quantile`` of {|Δ_s| : s < t};

    marks of one sign closer than ``merge`` are one spell, spells shorter than ``min_length`` are dropped,
    and a spell takes effect ``lag`` (plus ``report_lag``, the delay until a reading is published) after its
    readings. Gaps are merged before short spells are dropped, so that one day under the threshold does not
    cut a spell.

    ``clock`` says what the lengths count: ``"sessions"`` (rows) or ``"days"`` (calendar days).
    """

    clock: Literal["sessions", "days"]
    horizon: int
    quantile: float
    min_length: int
    merge: int
    lag: int
    report_lag: int
    min_history: int
    real_time: bool

    def __post_init__(self) -> None:
        check_option("clock", self.clock, ("sessions", "days"))
        for name, least in (
            ("horizon", 1),
            ("min_history", 1),
            ("min_length", 0),
            ("merge", 0),
            ("lag", 0),
            ("report_lag", 0),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise SpecError(f"{name}={value!r} must be a whole number of {self.clock}.")
            if value < least:
                raise SpecError(f"{name}={value} {self.clock} is too short; it must be at least {least}.")
            object.__setattr__(self, name, int(value))
        if isinstance(self.quantile, bool) or not isinstance(self.quantile, (int, float)):
            raise SpecError(f"quantile={self.quantile!r} must be a number.")
        if not 0.0 < self.quantile < 1.0:
            raise SpecError(f"quantile={self.quantile!r} must lie strictly between 0 and 1; the usual choice is 0.70.")
        object.__setattr__(self, "quantile", float(self.quantile))
        check_option("real_time", self.real_time, (True, False))
        object.__setattr__(self, "real_time", bool(self.real_time))
        if self.real_time and self.lag == 0:
            raise SpecError("real_time=True with lag=0 uses the reading of the day itself; give a lag of at least one.")

    def to_dict(self) -> dict[str, object]:
        """Return the choices by name."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Readings:
    """What a rule is applied to: log ratios by day, and the prices that carry them when these were given.

    ``log_ratio`` (n,) belongs to ``dates`` (n,). ``sessions`` (T,) are the days of a relative price path
    and ``log_earnings`` (n,) = log relative price − log relative multiple, the part held fixed when prices
    are redrawn.
    """

    dates: Days
    log_ratio: Floats
    sessions: Days | None = None
    log_earnings: Floats | None = None

    def __post_init__(self) -> None:
        for name in ("dates", "log_ratio", "sessions", "log_earnings"):
            array = getattr(self, name)
            if array is not None:
                own = np.array(array)
                own.flags.writeable = False
                object.__setattr__(self, name, own)

    def to_dict(self) -> dict[str, list[str] | list[float] | None]:
        """Return plain lists, for JSON."""
        return {
            "dates": self.dates.astype(str).tolist(),
            "log_ratio": self.log_ratio.tolist(),
            "sessions": None if self.sessions is None else self.sessions.astype(str).tolist(),
            "log_earnings": None if self.log_earnings is None else self.log_earnings.tolist(),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, list[str] | list[float] | None]) -> Readings:
        """Undo `to_dict`."""

        def days(name: str) -> Days | None:
            return None if record[name] is None else np.array(record[name], dtype="datetime64[D]")

        def numbers(name: str) -> Floats | None:
            return None if record[name] is None else np.array(record[name], dtype=np.float64)

        return cls(
            cast(Days, days("dates")),
            cast(Floats, numbers("log_ratio")),
            days("sessions"),
            numbers("log_earnings"),
        )


@dataclass(frozen=True, eq=False)
class RuleDating:
    """A rule laid on the days of some `Readings`; subclasses say which readings belong to a spell.

    A rule has ``clock``, ``lag``, ``report_lag`` and ``real_time``. Dates and lengths are worked out once; `states` may
    be asked for another path over the same days.
    """

    rule: Any
    readings: Readings

    @property
    def relative(self) -> bool:
        """Whether the rule reads log(tech / market), not log(tech) alone."""
        return bool(getattr(self.rule, "relative", True))

    @cached_property
    def clock(self) -> Floats:
        """Time of each reading in the rule's unit, (n,)."""
        if self.rule.clock == "sessions":
            return np.arange(self.readings.dates.size, dtype=np.float64)
        return self.readings.dates.astype(np.int64).astype(np.float64)

    @cached_property
    def spacing(self) -> int:
        """How long the last reading is in force: one row, or the median distance in days."""
        if self.rule.clock == "sessions" or self.clock.size < 2:
            return 1
        return max(1, int(np.median(np.diff(self.clock))))

    @cached_property
    def sessions(self) -> Days:
        """The days on which `dummy` answers, (T,)."""
        return self.readings.dates if self.readings.sessions is None else self.readings.sessions

    @cached_property
    def effective(self) -> Days:
        """The day each reading takes effect; absent for readings whose effect is after the last row."""
        rule, dates = self.rule, self.readings.dates
        if rule.clock == "sessions":
            return dates[rule.lag :]
        return dates + np.timedelta64(rule.lag + rule.report_lag, "D")

    @cached_property
    def last_day(self) -> np.datetime64:
        """The last day on which the rule says anything."""
        held = 1 if self.rule.clock == "sessions" else self.spacing
        return cast(np.datetime64, self.effective[-1] + np.timedelta64(held - 1, "D"))

    def in_force(self, days: Days) -> Ints:
        """Return the position of the reading in force on each day, −1 where there is none."""
        at = np.searchsorted(self.effective, days, side="right").astype(np.int64) - 1
        return np.where(days <= self.last_day, at, -1)

    @cached_property
    def taken(self) -> Ints:
        """`in_force` on the sessions."""
        return self.in_force(self.sessions)

    @cached_property
    def price_at(self) -> Ints:
        """Position of the session whose price belongs to each reading: the latest at or before it, (n,)."""
        return np.searchsorted(self.sessions, self.readings.dates, side="right").astype(np.int64) - 1

    def states(self, log_ratio: Floats | None = None) -> States:
        """Return the sign of the spell each reading belongs to, or 0; (n,)."""
        raise NotImplementedError

    def scaled(self, log_ratio: Floats | None = None) -> Floats:
        """Return the intensity of each reading with its sign, NaN where the rule says nothing; (n,)."""
        raise NotImplementedError

    def moves(self) -> Floats:
        """Return the move, in log points, the amplitude of a spell is the largest of; (n,)."""
        raise NotImplementedError

    def states_until(self, log_ratio: Floats, seen: int) -> States:
        """Return `states` (n,) of the sample that ends with the first ``seen`` readings; 0 after them."""
        states = np.zeros(self.readings.dates.size, dtype=np.int8)
        states[:seen] = self.states(log_ratio[:seen])
        return states

    def scaled_until(self, log_ratio: Floats, seen: int) -> Floats:
        """Return `scaled` (n,) of the sample that ends with the first ``seen`` readings; NaN after them."""
        scaled = np.full(self.readings.dates.size, np.nan)
        scaled[:seen] = self.scaled(log_ratio[:seen])
        return scaled

    def reprice(self, log_price: Floats) -> Floats:
        """Turn a relative log price path (T,) into log ratios by reading (n,), earnings held fixed."""
        if self.readings.log_earnings is None:
            return log_price
        ratio: Floats = log_price[self.price_at] - self.readings.log_earnings
        return ratio

    def signed(self, log_price: Floats, stop: int | None = None) -> Floats:
        """Return +1 or −1 on the sessions inside a spell dated from this path (T,), 0 outside; (T,).

        With ``stop`` the sample ends before that session, and what stands after it is not read.
        """
        ratio = self.reprice(log_price)
        states = self.states(ratio) if stop is None else self.states_until(ratio, self.seen(stop))
        return np.where(self.taken >= 0, states[self.taken], 0).astype(np.float64)

    def intensity(self, log_price: Floats, stop: int | None = None) -> Floats:
        """Return the signed intensity in force on the sessions under this path (T,), NaN where unknown; (T,)."""
        ratio = self.reprice(log_price)
        scaled = self.scaled(ratio) if stop is None else self.scaled_until(ratio, self.seen(stop))
        return np.where(self.taken >= 0, scaled[self.taken], np.nan)

    def seen(self, stop: int) -> int:
        """Return how many readings are of a session before ``stop``."""
        return int(np.searchsorted(self.price_at, stop, side="left"))

    def dummy(self, log_price: Floats) -> Floats:
        """Return 1 on the sessions inside a spell dated from this path (T,), 0 outside; (T,)."""
        out: Floats = np.abs(self.signed(log_price))
        return out

    def spells(self) -> tuple[Spell, ...]:
        """Return the spells; ``amplitude`` is the largest of `moves` in each, in log points."""
        states = self.states()
        moves = self.moves()
        edges = np.flatnonzero(np.diff(states, prepend=0, append=0))
        found = []
        for first, stop in pairwise(edges.tolist()):
            if states[first] == 0 or first >= self.effective.size:
                continue
            inside = moves[first:stop]
            if self.rule.clock == "sessions":
                end = self.effective[min(stop, self.effective.size) - 1]
            else:
                end = self.effective[stop] - np.timedelta64(1, "D") if stop < states.size else self.last_day
            found.append(
                Spell(
                    self.effective[first].item(),
                    end.item(),
                    int(states[first]),
                    float(inside[np.argmax(np.abs(inside))]),
                )
            )
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Dating(RuleDating):
    """A `Rule` laid on the days of some `Readings`: what does not depend on the ratios is worked out once.

    Raises
    ------
    DataError
        The readings are too short for ``horizon`` and ``min_history``, or the ratio never moves.
    """

    rule: Rule

    def __post_init__(self) -> None:
        rule, dates, clock = self.rule, self.readings.dates, self.clock
        able = (self.base >= 0) & (clock - clock[int(np.argmax(self.base >= 0))] >= rule.min_history)
        late = rule.lag if rule.clock == "sessions" else 0  # rows whose effect would fall after the last one
        if not able[: dates.size - late].any():
            needs = f"horizon {rule.horizon:,} + min_history {rule.min_history:,}" + (f" + lag {late}" if late else "")
            raise DataError(
                f"the ratio is known for {int(clock[-1] - clock[0]):,} {rule.clock} after its first reading "
                f"({dates[0]} to {dates[-1]}, {dates.size:,} readings), but the rule needs {needs} = "
                f"{rule.horizon + rule.min_history + late:,}; give a longer history or a shorter rule."
            )
        scaled = self.scaled()[able]
        if not np.isfinite(scaled).all():
            raise DataError(
                f"the moves of the ratio over {rule.horizon} {rule.clock} do not vary before "
                f"{dates[able][0]}, so a move has no scale; the series are constant or stale, "
                "or min_history is too short."
            )

    @cached_property
    def base(self) -> Ints:
        """Position of the latest reading at or before t − horizon, −1 where there is none; (n,)."""
        return np.searchsorted(self.clock, self.clock - self.rule.horizon, side="right").astype(np.int64) - 1

    def states(self, log_ratio: Floats | None = None) -> States:
        """Return the sign of the spell each reading belongs to, or 0; (n,)."""
        rule = self.rule
        path = self.readings.log_ratio if log_ratio is None else log_ratio
        states: States = date_states(
            path,
            self.base,
            self.clock,
            float(self.spacing),
            rule.quantile,
            float(rule.min_history),
            float(rule.min_length),
            float(rule.merge),
            rule.real_time,
        )
        return states

    def states_until(self, log_ratio: Floats, seen: int) -> States:
        """Return `states` (n,) with the ratio standing still after the first ``seen`` readings."""
        still = log_ratio.copy()
        still[seen:] = still[max(seen - 1, 0)]
        return self.states(still)

    def scaled(self, log_ratio: Floats | None = None) -> Floats:
        """Return Δ_t / sd{Δ_s : s < t} by reading, NaN in the warm-up; (n,)."""
        path = self.readings.log_ratio if log_ratio is None else log_ratio
        scaled: Floats = scale_moves(path, self.base, self.clock, float(self.rule.min_history))
        return scaled

    def scaled_until(self, log_ratio: Floats, seen: int) -> Floats:
        """Return `scaled` (n,); a move reads nothing after its date."""
        del seen
        return self.scaled(log_ratio)

    def moves(self) -> Floats:
        """Return Δ_t, in log points; (n,)."""
        path = self.readings.log_ratio
        moves: Floats = path - path[self.base]  # wrong where base is −1, and never used there
        return moves


def whole_days(name: str, length: str | int | pd.Timedelta) -> int:
    """Return a calendar length such as ``"26W"`` or ``"45D"`` as whole days."""
    try:
        step = pd.Timedelta(f"{length}D" if isinstance(length, (int, np.integer)) else length)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{name}={length!r} is not a length; write weeks or days, such as '26W' or '45D'.") from error
    if not isinstance(step, pd.Timedelta) or step != step.floor("D"):
        raise SpecError(f"{name}={length!r} is not a whole number of days.")
    return step.days


def log_relative(tech: pd.Series, market: pd.Series | None, what: str) -> tuple[Days, Floats]:
    """Return the common days and log(tech/market) of two positive series on the same dates; log(tech) of one.

    Raises
    ------
    DataError
        Dates that differ, are unsorted or double, or values that are missing, infinite, zero or negative.
    """
    days: list[Days] = []
    logs: list[Floats] = []
    for role, series in (("tech", tech), ("market", market)):
        if role == "market" and series is None:
            continue
        if not isinstance(series, pd.Series):
            raise DataError(f"the {role} {what} must be a Series by date, not a {type(series).__name__}.")
        name = f"{role} {what} {series.name!r}" if series.name is not None else f"{role} {what}"
        days.append(days_of(cast(pd.DatetimeIndex, series.index), f"the index of the {name}", daily=True))
        try:
            values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise DataError(f"the {name} is not numeric (dtype {series.dtype}).") from error
        bad = ~(np.isfinite(values) & (np.nan_to_num(values) > 0.0))
        if bad.any():
            k = int(np.argmax(bad))
            cure = "drop those dates" if market is None else "drop those dates from both series"
            raise DataError(
                f"the {name} has {int(bad.sum())} values that are missing, infinite or not positive, "
                f"the first is {values[k]} on {days[-1][k]}; its log does not exist: {cure}."
            )
        logs.append(np.log(values))
    if market is None:
        return days[0], logs[0]
    if not np.array_equal(days[0], days[1]):
        differ = np.setxor1d(days[0], days[1])
        raise DataError(
            f"the tech and market {what}s differ on {differ.size:,} dates (the first is {differ[0]}); "
            "keep the common ones: both = pd.concat([tech, market], axis=1, join='inner')."
        )
    return days[0], logs[0] - logs[1]


def read_series_of(
    of: str,
    tech: pd.Series,
    market: pd.Series | None,
    prices: tuple[pd.Series, pd.Series] | pd.Series | None = None,
) -> Readings:
    """Return readings of prices or of multiples; ``prices`` behind multiples are stored as their earnings path.

    Raises
    ------
    SpecError : an unknown ``of``, or prices beside prices, or another number of price series than of multiples.
    """
    check_option("of", of, ("prices", "multiples"))
    readings = Readings(*log_relative(tech, market, "price" if of == "prices" else "multiple"))
    if prices is None:
        return readings
    if of == "prices":
        raise SpecError("prices= are those behind multiples; with of='prices' the series are prices already.")
    pair = (prices, None) if isinstance(prices, pd.Series) else tuple(prices)
    if len(pair) != 2 or (pair[1] is None) != (market is None):
        raise SpecError(
            "prices= must match the multiples: (tech_prices, market_prices) beside two, one Series beside tech alone."
        )
    return with_prices(readings, *log_relative(pair[0], pair[1], "price"))


def price_positions(dates: Days, sessions: Days) -> NDArray[np.int64]:
    """Return the position of the latest session at or before each reading; refuse prices a week old."""
    at = np.searchsorted(sessions, dates, side="right").astype(np.int64) - 1
    stale = (at < 0) | (dates - sessions[at] > np.timedelta64(7, "D"))
    if stale.any():
        raise DataError(
            f"{int(stale.sum())} of {dates.size} multiples, the first on {dates[stale][0]}, have no price in "
            f"the week before them (prices run from {sessions[0]} to {sessions[-1]}); give prices for the "
            "whole history, or multiples for the days with prices."
        )
    return at


def with_prices(readings: Readings, sessions: Days, log_price: NDArray[np.float64]) -> Readings:
    """Store the relative log-earnings path, log E = log P − log M, beside the multiples."""
    at = price_positions(readings.dates, sessions)
    earnings = log_price[at] - readings.log_ratio
    # written as redating writes it, so that the observed prices give back the observed dates
    return Readings(readings.dates, log_price[at] - earnings, sessions, earnings)
