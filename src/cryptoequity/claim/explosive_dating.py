r"""Dating by explosive roots: the backward sup ADF statistic above critical values known at its date.

.. math:: x_t=\operatorname{sign}(y_t-y_{r_1(t)})\,\max(0,\ \mathrm{BSADF}_t-c_t)

for y the log of tech over market,
with :math:`r_1(t)` the first observation of the window that attains the supremum.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Literal, cast

import numpy as np

from cryptoequity.breaks.explosive_null import World, null_paths, wild_walk
from cryptoequity.breaks.limits import LEVELS
from cryptoequity.claim.dating import Floats, Ints, RuleDating, States
from cryptoequity.claim.sampling import check_number, check_whole, hold, stands_still
from cryptoequity.errors import DataError, SpecError, check_option
from cryptoequity.kernels.dating import keep_spells
from cryptoequity.kernels.explosive import adf_paths

__all__ = ["ExplosiveDating", "ExplosiveRule", "critical_path"]


@dataclass(frozen=True)
class ExplosiveRule:
    """Choices of `ReRating.from_explosive`, which describes them; every ``step``-th reading is used."""

    clock: Literal["sessions", "days"]
    of: Literal["prices", "multiples"]
    relative: bool
    step: int
    window: int
    adf_lags: int
    null: str
    critical: str
    level: float
    draws: int
    rng: int
    min_length: int
    merge: int
    lag: int
    report_lag: int
    real_time: bool

    def __post_init__(self) -> None:
        check_option("clock", self.clock, ("sessions", "days"))
        check_option("of", self.of, ("prices", "multiples"))
        check_option("null", self.null, ("wild", "simulated"))
        check_option("critical", self.critical, ("psy", "pointwise"))
        check_option("level", self.level, LEVELS)
        for name, least in (
            ("step", 1),
            ("adf_lags", 0),
            ("draws", 99),
            ("rng", 0),
            ("min_length", 1),
            ("merge", 0),
            ("lag", 0),
            ("report_lag", 0),
        ):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), least))
        object.__setattr__(self, "window", check_whole("window", self.window, self.adf_lags + 3))
        object.__setattr__(self, "level", check_number("level", self.level, 0.0, 1.0))
        check_option("real_time", self.real_time, (True, False))
        if self.real_time and self.lag == 0:
            raise SpecError("real_time=True with lag=0 uses the reading of the day itself; give a lag of at least one.")

    def to_dict(self) -> dict[str, object]:
        """Return the choices by name."""
        return asdict(self)


@dataclass(frozen=True)
class DriftlessWalk:
    """Independent standard normal steps without drift: a longer sample begins with the shorter one."""

    nobs: int

    def draw(self, rng: np.random.Generator) -> Floats:
        """Changes of one series, (T - 1,)."""
        return rng.standard_normal(self.nobs - 1)


def quantiles(world: World, rule: ExplosiveRule) -> Floats:
    """Critical values by date, (M,), from ``rule.draws`` series of a world."""
    psy = rule.critical == "psy"
    null = null_paths(world, rule.adf_lags, rule.window, rule.draws, rule.rng, both=not psy)
    # the largest BADF so far has the law of SADF in a sample that ends there
    drawn = np.fmax.accumulate(null.badf, axis=1) if psy else null.path("gsadf")
    return np.asarray(np.nanquantile(drawn, 1.0 - rule.level, axis=0), dtype=np.float64)


@lru_cache(maxsize=16)
def simulated_quantiles(nobs: int, rule: ExplosiveRule) -> Floats:
    """Critical values under `DriftlessWalk`, which depend on the length and on the rule only; kept for the process."""
    values = quantiles(DriftlessWalk(nobs), rule)
    values.flags.writeable = False
    return values


def critical_path(y: Floats, rule: ExplosiveRule) -> Floats:
    """Critical values of each date, (M,): element m belongs to the sample that ends at it and looks no further."""
    if rule.null == "simulated":
        return simulated_quantiles(y.size, rule)
    return quantiles(wild_walk(np.diff(y)), rule)


@dataclass(frozen=True, eq=False)
class Explosive:
    """The statistic on every sampled reading, NaN and −1 before the first window: (m,) each."""

    bsadf: Floats
    critical: Floats
    starts: Ints
    move: Floats

    @property
    def sign(self) -> Floats:
        """Direction of the series since the start of the window that attains the supremum."""
        return np.sign(self.move)


def explosive_path(y: Floats, rule: ExplosiveRule) -> Explosive:
    """Return BSADF, critical values and moves of sampled log ratios (m,).

    Raises
    ------
    DataError : a series too short for one window, or one that stands still over a whole window.
    """
    first = rule.adf_lags + rule.window
    if y.size < first + 2:
        raise DataError(
            f"{y.size} sampled readings, and a window of {rule.window} rows with {rule.adf_lags} lag(s) needs "
            f"{first + 2}; give a longer history, a shorter window or a smaller step."
        )
    _, best, begin, singular, where = adf_paths(np.ascontiguousarray(y), rule.adf_lags, rule.window, first)
    if singular:
        raise DataError(
            f"{singular} window(s) of {rule.window} readings have no regression, the first ends at sampled reading "
            f"{where}: there the series stands still or moves without error. Use a longer window."
        )
    bsadf, critical = np.full(y.size, np.nan), np.full(y.size, np.nan)
    bsadf[first:] = best
    critical[first:] = critical_path(y, rule)
    starts = np.full(y.size, -1, dtype=np.int64)
    starts[first:] = begin
    move = np.where(starts >= 0, y - y[starts], 0.0)
    return Explosive(bsadf, critical, starts, move)


@dataclass(frozen=True, eq=False)
class ExplosiveDating(RuleDating):
    """An `ExplosiveRule` laid on readings; see `RuleDating`.

    Raises
    ------
    DataError : readings too short for the window, or a series that stands still.
    """

    rule: ExplosiveRule

    def __post_init__(self) -> None:
        stands_still(self.readings)
        # what is wrong with the series is said here, with its dates
        try:
            found = self.found
        except DataError as error:
            dates = self.readings.dates
            raise DataError(f"readings from {dates[0]} to {dates[-1]}: {error}") from error
        if self.effective.size <= int(np.argmax(~np.isnan(found.bsadf))) * self.rule.step:
            raise DataError(f"a lag of {self.rule.lag} leaves no session on which the rule speaks; give longer data.")

    @cached_property
    def found(self) -> Explosive:
        """The statistic on the readings' own path."""
        return explosive_path(self.readings.log_ratio[:: self.rule.step], self.rule)

    def of_path(self, log_ratio: Floats | None) -> tuple[Explosive, int]:
        """Return the statistic of a path, or of the readings' own, and the number of readings."""
        if log_ratio is None:
            return self.found, self.readings.dates.size
        return explosive_path(log_ratio[:: self.rule.step], self.rule), log_ratio.size

    def states(self, log_ratio: Floats | None = None) -> States:
        """Return the sign of the spell each reading belongs to, or 0; (n,)."""
        rule = self.rule
        found, size = self.of_path(log_ratio)
        with np.errstate(invalid="ignore"):
            flags = np.where(found.bsadf > found.critical, found.sign, 0.0).astype(np.int8)
        clock = np.arange(flags.size, dtype=np.float64)
        kept = keep_spells(flags, clock, 1.0, float(rule.min_length), float(rule.merge), rule.real_time)
        return cast(States, hold(kept, rule.step, size))

    def scaled(self, log_ratio: Floats | None = None) -> Floats:
        """Return the signed excess of BSADF over its critical value, NaN before the first window; (n,)."""
        found, size = self.of_path(log_ratio)
        excess = found.sign * np.fmax(found.bsadf - found.critical, 0.0)
        excess[np.isnan(found.bsadf)] = np.nan
        return cast(Floats, hold(excess, self.rule.step, size))

    def moves(self) -> Floats:
        """Return the move since the start of the window behind each supremum, in log points; (n,)."""
        return cast(Floats, hold(self.found.move, self.rule.step, self.readings.dates.size))
