"""Dating by cycle phases: rises and falls of the relative level, from turning point to turning point."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from cryptoequity.breaks.phases import BryBoschan, LundeTimmermann, PaganSossounov
from cryptoequity.claim.dating import Floats, Ints, RuleDating, States
from cryptoequity.claim.sampling import check_number, check_whole, month_ends, stands_still, until
from cryptoequity.errors import DataError, SpecError, check_option

__all__ = ["CycleDating", "CycleRule"]

Turns: TypeAlias = "BryBoschan | LundeTimmermann | PaganSossounov"

METHODS = ("pagan-sossounov", "bry-boschan", "lunde-timmermann")
SESSIONS_A_MONTH = 21


@dataclass(frozen=True)
class CycleRule:
    """Choices of `ReRating.from_cycle`, which describes them."""

    clock: Literal["sessions", "days"]
    of: Literal["prices", "multiples"]
    relative: bool
    method: str
    frequency: str
    min_amplitude: float
    lag: int
    report_lag: int
    real_time: bool = False

    def __post_init__(self) -> None:
        check_option("clock", self.clock, ("sessions", "days"))
        check_option("of", self.of, ("prices", "multiples"))
        check_option("method", self.method, METHODS)
        check_option("frequency", self.frequency, ("daily", "monthly"))
        check_option("real_time", self.real_time, (False,))
        for name in ("lag", "report_lag"):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), 0))
        object.__setattr__(self, "min_amplitude", check_number("min_amplitude", self.min_amplitude, 0.0, 1.0))
        if self.method == "bry-boschan" and self.frequency == "daily":
            raise SpecError("method='bry-boschan' is a monthly program; use frequency='monthly', or 'pagan-sossounov'.")

    def to_dict(self) -> dict[str, object]:
        """Return the choices by name."""
        return asdict(self)

    @property
    def turns(self) -> Turns:
        """The rule that finds turning points."""
        if self.method == "lunde-timmermann":
            return LundeTimmermann(up=self.min_amplitude, down=self.min_amplitude)
        if self.method == "bry-boschan":
            return BryBoschan(frequency="monthly")
        return PaganSossounov() if self.frequency == "monthly" else PaganSossounov.daily(SESSIONS_A_MONTH)

    @property
    def shortest(self) -> int:
        """Fewest sampled readings the rule can work on."""
        if self.method == "lunde-timmermann":
            return 2
        if self.method == "bry-boschan":
            return 36
        months = 1 if self.frequency == "monthly" else SESSIONS_A_MONTH
        return 2 * 8 * months + 1


def phases(y: Floats, rule: CycleRule) -> tuple[Ints, Floats]:
    """Return the direction (m,) of the phase of each sampled log level, 0 where unknown, and its whole move (m,).

    The observation of a turn belongs to the phase it ends; the first and the last phase are cut by the sample and move
    as far as was seen.
    """
    dated = rule.turns.date(np.exp(y - y[0]))
    rows = dated.rows.astype(np.int64)
    last = y.size - 1
    ends = rows if rows.size and rows[-1] == last else np.append(rows, last)
    begins = np.concatenate([[0], rows])[: ends.size]
    kinds = dated.kinds.astype(np.int64)
    if rows.size:
        signs = np.append(kinds, -kinds[-1])[: ends.size]
    else:
        signs = np.array([dated.closing], dtype=np.int64)
    moves = y[ends] - y[begins]
    lengths = np.diff(ends, prepend=-1)
    return np.repeat(signs, lengths), np.repeat(moves, lengths)


@dataclass(frozen=True, eq=False)
class CycleDating(RuleDating):
    """A `CycleRule` laid on readings; see `RuleDating`.

    Raises
    ------
    DataError : too few readings for the rule, readings rarer than its durations, or a series that stands still.
    """

    rule: CycleRule

    def __post_init__(self) -> None:
        stands_still(self.readings)
        dates, rule = self.readings.dates, self.rule
        gap = float(np.median(np.diff(dates).astype(np.int64)))
        if rule.frequency == "daily" and gap > 4.0:
            raise DataError(
                f"the readings are {gap:g} days apart from {dates[0]} on, and frequency='daily' counts sessions; "
                "use frequency='monthly'."
            )
        if rule.frequency == "monthly":
            months = dates[self.rows(dates.size)].astype("datetime64[M]").astype(np.int64)
            holes = np.flatnonzero(np.diff(months) > 1)
            if holes.size:
                raise DataError(
                    f"{holes.size} months have no reading, the first after {dates[self.rows(dates.size)][holes[0]]}; "
                    "a monthly rule needs one in every month."
                )
        self.check_length(self.rows(dates.size).size)
        if self.effective.size == 0:
            raise DataError(f"a lag of {rule.lag} leaves none of the {dates.size} sessions; give longer data.")

    def check_length(self, count: int) -> None:
        """Refuse fewer sampled readings than the rule works on."""
        if count < self.rule.shortest:
            unit = "months" if self.rule.frequency == "monthly" else "sessions"
            raise DataError(
                f"{count} {unit} of readings, and method={self.rule.method!r} needs at least {self.rule.shortest}; "
                "give a longer history."
            )

    def rows(self, size: int) -> Ints:
        """Return the positions of the readings the rule is applied to, of the first ``size``."""
        if self.rule.frequency == "daily":
            return np.arange(size, dtype=np.int64)
        return month_ends(self.readings.dates[:size])

    def phase_of(self, log_ratio: Floats) -> tuple[Ints, Floats]:
        """Return the direction and the whole move of the phase of each reading, (n,) both."""
        rows = self.rows(log_ratio.size)
        self.check_length(rows.size)
        signs, moves = phases(np.ascontiguousarray(log_ratio[rows]), self.rule)
        return until(signs, rows, log_ratio.size), until(moves, rows, log_ratio.size)

    @cached_property
    def found(self) -> tuple[Ints, Floats]:
        """`phase_of` the readings' own path."""
        return self.phase_of(self.readings.log_ratio)

    def states(self, log_ratio: Floats | None = None) -> States:
        """Return the sign of the spell each reading belongs to, or 0; (n,)."""
        signs, moves = self.found if log_ratio is None else self.phase_of(log_ratio)
        # a phase cut by the sample may not have moved the way it is called
        kept = (np.abs(np.expm1(moves)) >= self.rule.min_amplitude) & (signs * moves > 0.0)
        return np.where(kept, signs, 0).astype(np.int8)

    def scaled(self, log_ratio: Floats | None = None) -> Floats:
        """Return the log move of the phase each reading lies in, NaN where no turn tells; (n,)."""
        signs, moves = self.found if log_ratio is None else self.phase_of(log_ratio)
        return np.where(signs == 0, np.nan, moves)

    def moves(self) -> Floats:
        """Return the log move of the phase each reading lies in; (n,)."""
        return self.found[1]
