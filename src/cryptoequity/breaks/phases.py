r"""Bull and bear markets, expansions and recessions: turning points of a level, dated by rule.

The rules are Pagan and Sossounov's (2003) for equity prices, Bry and Boschan's (1971) for monthly and Harding and
Pagan's (2002) for quarterly activity, and Lunde and Timmermann's (2004) filter. They describe a path that has been
seen whole; none of them tests anything. Theory: the page "Market phases".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.params import Array
from ..kernels.phases import filter_turns
from ..table import Table, format_number
from .results import DatedMixin, label
from .sample import read_series
from .turning_points import bry_boschan_turns, window_turns

__all__ = ["BryBoschan", "LundeTimmermann", "PaganSossounov", "PhasesFit"]

Rows = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.int8]
SPACING = {"monthly": (25.0, 35.0), "quarterly": (80.0, 100.0)}  # days between rows
NAMES = {1: "bull", -1: "bear"}


class PhaseSpec(Protocol):
    """What a dating rule offers its fit."""

    name: ClassVar[str]
    keys: ClassVar[tuple[str, ...]]

    def date(self, prices: Array) -> Dated:
        """Turning points of ``prices`` (T,)."""


@dataclass(frozen=True, eq=False)
class Dated:
    """What a rule finds: ``rows`` and ``kinds`` (1 peak, -1 trough) of the turns, and the phase at the end.

    Attributes
    ----------
    closing : 1 bull, -1 bear, 0 unknown. known : rows at which each turn was beyond dispute; None where a later
        observation can still remove it, so that only a repetition of the dating can tell.
    """

    rows: Rows
    kinds: Kinds
    closing: int
    known: Rows | None = None


@dataclass(frozen=True)
class PaganSossounov:
    """Pagan and Sossounov's (2003) rule for bull and bear markets.

    A peak (trough) is the highest (lowest) price within ``window`` observations on either side. Turns must alternate;
    those within ``edge`` observations of either end go, and outer turns that a price nearer to the end exceeds; cycles
    shorter than ``min_cycle``, then phases shorter than ``min_phase`` go, unless prices moved by more than ``override``
    within the phase. All durations are in observations, and the defaults are for monthly prices.

    Parameters
    ----------
    window, min_phase, min_cycle, edge : in observations, from turn to turn. override : share; None for no exception.
    frequency : what the rows must be, "monthly" or "quarterly"; None where the durations were given for other rows,
        e.g. ``daily()``.

    Notes
    -----
    Of equal prices the first is the turn. Elimination goes from the shortest on: of a short cycle the less extreme of
    its two equal turns is dropped, and of the neighbors this leaves side by side the less extreme; of a short phase,
    the smallest of the three swings around it. Phases in the wrong direction go too. The authors do not say in what
    order turns fall, and programs differ there.

    It does not test anything: on a random walk it finds bull and bear markets too, and their mean durations are close
    to those of equity prices (Pagan and Sossounov 2003).

    Examples
    --------
    >>> import cryptoequity as ce
    >>> prices = ce.load_sample("step")["COIN"]
    >>> fit = ce.PaganSossounov.daily().fit(prices)
    >>> set(fit.phases["kind"]) <= {"bull", "bear"}
    True
    """

    window: int = 8
    min_phase: int = 4
    min_cycle: int = 16
    override: float | None = 0.20
    edge: int = 6
    frequency: str | None = "monthly"

    name: ClassVar[str] = "Pagan–Sossounov phases"
    keys: ClassVar[tuple[str, ...]] = ("pagansossounov2003",)

    def __post_init__(self) -> None:
        check_option("frequency", self.frequency, (*SPACING, None))
        _check_durations(self.window, self.min_phase, self.min_cycle, self.edge)
        if self.override is not None and not 0.0 < self.override < np.inf:
            raise SpecError(f"override={self.override!r}: a share such as 0.2 for 20 %, or None for no exception.")

    @classmethod
    def daily(cls, days: int = 21, override: float | None = 0.20) -> PaganSossounov:
        """The rule for daily prices: every duration times ``days``, the sessions of a month (30 for crypto)."""
        if not isinstance(days, int | np.integer) or isinstance(days, bool) or days < 1:
            raise SpecError(f"days={days!r}: sessions of a month, 21 for equities and 30 for crypto.")
        return cls(8 * days, 4 * days, 16 * days, override, 6 * days, None)

    def fit(self, prices: Any) -> PhasesFit:
        """Date the phases of a series of positive prices (levels, not returns)."""
        return _fit(self, prices, 2 * max(self.window, self.edge) + 1, self.frequency)

    def date(self, prices: Array) -> Dated:
        """Turning points of ``prices`` (T,)."""
        override = np.inf if self.override is None else self.override
        rows, kinds = window_turns(np.log(prices), self.window, self.edge, self.min_phase, self.min_cycle, override)
        return Dated(rows, kinds, _closing(kinds))


@dataclass(frozen=True)
class BryBoschan:
    """Bry and Boschan's (1971) monthly rule and Harding and Pagan's (2002) quarterly one.

    "quarterly": a peak is the highest of two quarters on either side; phases last two quarters, cycles five.
    "monthly": extremes are replaced, turns are found in a 12-month average and followed through the Spencer curve
    (cycles of 15 months enforced), a short average of the months of cyclical dominance and the series itself; then
    turns within six months of the ends, outer turns that a value nearer to the end exceeds, cycles below 15 months and
    phases below 5 go. ``smooth=False`` leaves the averages out: a peak is the highest of five months on either side.

    Parameters
    ----------
    frequency : "quarterly" or "monthly". smooth : the averages of the monthly program; quarterly data have none.
    window, min_phase, min_cycle, edge : other durations than those; None for them.

    Notes
    -----
    The averages repeat the first and the last value beyond the ends. How turns are eliminated: see `PaganSossounov`;
    a short phase goes however far it moves.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> from statsmodels.datasets import macrodata
    >>> data = macrodata.load_pandas().data
    >>> quarters = [f"{y:.0f}Q{q:.0f}" for y, q in zip(data["year"], data["quarter"])]
    >>> gdp = data["realgdp"].set_axis(quarters)
    >>> fit = ce.BryBoschan().fit(gdp)
    >>> list(fit.peaks)
    ['1960Q1', '1969Q3', '1973Q4', '1980Q1', '1981Q3', '1990Q2', '2008Q2']
    """

    frequency: str = "quarterly"
    smooth: bool = True
    window: int | None = None
    min_phase: int | None = None
    min_cycle: int | None = None
    edge: int | None = None

    name: ClassVar[str] = "Bry–Boschan phases"
    keys: ClassVar[tuple[str, ...]] = ("bryboschan1971", "hardingpagan2002")

    def __post_init__(self) -> None:
        check_option("frequency", self.frequency, tuple(SPACING))
        _check_durations(*self.durations)

    @property
    def durations(self) -> tuple[int, int, int, int]:
        """Window, shortest phase, shortest cycle and edge that are used."""
        defaults = (2, 2, 5, 2) if self.frequency == "quarterly" else (5, 5, 15, 6)
        given = (self.window, self.min_phase, self.min_cycle, self.edge)
        window, phase, cycle, edge = (b if a is None else a for a, b in zip(given, defaults, strict=True))
        return window, phase, cycle, edge

    def fit(self, series: Any) -> PhasesFit:
        """Date the phases of a positive series in levels."""
        window, _, _, edge = self.durations
        least = 2 * max(window, edge) + 1
        if self.frequency == "monthly" and self.smooth:
            least = max(least, 36)
        return _fit(self, series, least, self.frequency)

    def date(self, prices: Array) -> Dated:
        """Turning points of ``prices`` (T,)."""
        window, phase, cycle, edge = self.durations
        if self.frequency == "monthly" and self.smooth:
            rows, kinds = bry_boschan_turns(prices, window, edge, phase, cycle)
        else:
            rows, kinds = window_turns(np.log(prices), window, edge, phase, cycle, np.inf)
        return Dated(rows, kinds, _closing(kinds))


@dataclass(frozen=True)
class LundeTimmermann:
    r"""Lunde and Timmermann's (2004) filter of rises and falls.

    A bull market ends at its maximum once prices have fallen by ``down`` from it; a bear market ends at its minimum
    once they have risen by ``up`` from it:

    .. math:: P_t\le(1-\lambda_2)\max_{s\le t}P_s \quad\text{(bull)},\qquad P_t\ge(1+\lambda_1)\min_{s\le t}P_s
              \quad\text{(bear)}.

    There is no window and no shortest duration, and a turn once found stays. The state before the first move
    of either size is not known; the first move decides, and the rows before its start count as the other phase, an
    incomplete one. Daily crypto prices make moves of 20 % within a phase that
    nobody would call another: use ``LundeTimmermann(up=.30, down=.30)``, or more.

    Parameters
    ----------
    up, down : shares; ``down`` below 1.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> fit = ce.LundeTimmermann(up=.2, down=.15).fit([100.0, 110, 121, 100, 90, 100, 109, 120])
    >>> fit.phases[["kind", "start", "end"]].values.tolist()
    [['bull', 0, 2], ['bear', 3, 4], ['bull', 5, 7]]
    """

    up: float = 0.20
    down: float = 0.15

    name: ClassVar[str] = "Lunde–Timmermann phases"
    keys: ClassVar[tuple[str, ...]] = ("lundetimmermann2004",)

    def __post_init__(self) -> None:
        if not 0.0 < self.up < np.inf or not 0.0 < self.down < 1.0:
            raise SpecError(f"up={self.up!r}, down={self.down!r}: positive shares, e.g. 0.2 for 20 %; down below 1.")

    def fit(self, prices: Any) -> PhasesFit:
        """Date the phases of a series of positive prices (levels, not returns)."""
        return _fit(self, prices, 2, None)

    def date(self, prices: Array) -> Dated:
        """Turning points of ``prices`` (T,)."""
        rows, kinds, known, closing = filter_turns(np.ascontiguousarray(prices), float(self.up), float(self.down))
        return Dated(rows, kinds, int(closing), known)


@dataclass(frozen=True, eq=False)
class PhasesFit(DatedMixin):
    """Phases of a series.

    A new phase starts with the observation after the peak or trough, which belongs to the phase it ends.

    Attributes
    ----------
    spec : the rule. prices : the series. name : its name.
    rows, kinds : rows of the turning points, 1 for a peak and -1 for a trough.
    positions, break_dates, last_dates : first rows of the new phases, their labels, and the labels of the turns.
    """

    spec: PaganSossounov | BryBoschan | LundeTimmermann
    prices: pd.Series = field(repr=False)
    dated: Dated = field(repr=False)

    @property
    def index(self) -> pd.Index:  # type: ignore[override]
        """Labels of the rows."""
        return self.prices.index

    @property
    def name(self) -> str:
        """Name of the series."""
        return str(self.prices.name)

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of the turning points."""
        return tuple(int(row) for row in self.dated.rows)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Whether each turning point is a "peak" or a "trough"."""
        return tuple("peak" if kind > 0 else "trough" for kind in self.dated.kinds)

    @property
    def positions(self) -> tuple[int, ...]:  # type: ignore[override]
        """First rows of the new phases."""
        return tuple(row + 1 for row in self.rows)

    @property
    def peaks(self) -> pd.Index:
        """Labels of the peaks."""
        return self.index[self.dated.rows[self.dated.kinds > 0]]

    @property
    def troughs(self) -> pd.Index:
        """Labels of the troughs."""
        return self.index[self.dated.rows[self.dated.kinds < 0]]

    @property
    def closing(self) -> str:
        """Phase at the end of the series: "bull", "bear", or "" where no turn tells."""
        return NAMES.get(self.dated.closing, "")

    @cached_property
    def known_rows(self) -> tuple[int, ...]:
        """Row from which on every sample that ends there or later has the turn.

        For rules with windows the dating is repeated on the samples that end at each row.
        """
        if self.dated.known is not None:
            return tuple(int(row) for row in self.dated.known)
        values = self.prices.to_numpy(float)
        waiting = {turn: len(values) - 1 for turn in zip(self.rows, self.dated.kinds.tolist(), strict=True)}
        known = dict(waiting)
        for nobs in range(len(values) - 1, 0, -1):
            if not waiting:
                break
            if nobs < self._least:
                break
            there = self.spec.date(values[:nobs])
            found = set(zip(there.rows.tolist(), there.kinds.tolist(), strict=True))
            for turn in list(waiting):
                if turn in found:
                    known[turn] = nobs - 1
                else:
                    del waiting[turn]
        return tuple(known[turn] for turn in known)

    @property
    def _least(self) -> int:
        # no sample shorter than the first turn and one observation can have it
        return min(self.rows, default=0) + 2

    @cached_property
    def turning_points(self) -> pd.DataFrame:
        """Turning points by label: kind, price, ``known_on`` and ``lag``.

        ``known_on`` is the label of the first observation from which on the rule reports this turn and goes on
        reporting it; ``lag`` counts the observations until then. A state that is used before that date looks ahead.
        """
        known = np.asarray(self.known_rows, int)
        rows = np.asarray(self.rows, int)
        return pd.DataFrame(
            {
                "kind": pd.Series(self.kinds, self.index[rows], dtype=object),
                "price": self.prices.to_numpy(float)[rows],
                "known_on": self.index[known],
                "lag": known - rows,
            },
            index=self.index[rows],
        )

    @cached_property
    def phases(self) -> pd.DataFrame:
        """Phases in order, numbered from 1.

        Columns: kind; start and end, labels of the first and last observation; duration, observations from turn to
        turn; amplitude, the change of the price from turn to turn as a share of the price at the first; complete,
        whether both ends are turns; known_on, when the turn that ends it was known (missing where none does).
        """
        values = self.prices.to_numpy(float)
        last = len(values) - 1
        begins = [0, *self.rows]
        finishes = [*self.rows, last]
        names = self._phase_names()
        known: list[Any] = [*self.turning_points["known_on"], pd.NaT if self._dates else None]
        records = []
        for i, (one, two) in enumerate(zip(begins, finishes, strict=True)):
            if i and one == last:
                break  # the series ends with the turn
            records.append(
                {
                    "kind": names[i],
                    "start": self.index[0] if i == 0 else self.index[one + 1],
                    "end": self.index[two],
                    "duration": two - one,
                    "amplitude": values[two] / values[one] - 1.0,
                    "complete": 0 < i < len(self.rows),
                    "known_on": known[i],
                }
            )
        return pd.DataFrame(records, index=pd.RangeIndex(1, len(records) + 1, name="phase"))

    @property
    def _dates(self) -> bool:
        return isinstance(self.index, pd.DatetimeIndex | pd.PeriodIndex)

    def _phase_names(self) -> list[str]:
        if not self.rows:
            return [self.closing]
        return [NAMES[int(kind)] for kind in self.dated.kinds] + [NAMES[-int(self.dated.kinds[-1])]]

    @property
    def state(self) -> pd.Series:
        """State by row, "bull" or "bear", the whole sample seen; missing where there is no turn to tell."""
        names = self._phase_names()
        lengths = [end - first for first, end in self.bounds]
        column = np.repeat(np.array([name or None for name in names[: len(lengths)]], object), lengths)
        return pd.Series(column, self.index, name="state")

    @property
    def averages(self) -> pd.DataFrame:
        """Number, mean duration and mean amplitude of the complete phases of each kind."""
        whole = self.phases[self.phases["complete"].astype(bool)]
        groups = whole.groupby("kind")
        return pd.DataFrame(
            {"phases": groups.size(), "duration": groups["duration"].mean(), "amplitude": groups["amplitude"].mean()}
        )

    def summary(self) -> Table:
        """Return the phases as a table."""
        rows = tuple(
            (
                str(number),
                str(row["kind"]) or "?",
                label(row["start"]),
                label(row["end"]),
                str(row["duration"]),
                f"{100 * row['amplitude']:.1f} %",
                "" if number > len(self.rows) else label(row["known_on"]),
            )
            for number, (_, row) in enumerate(self.phases.iterrows(), 1)
        )
        choices = ", ".join(f"{key}={value}" for key, value in asdict(self.spec).items() if value is not None)
        notes = [
            f"{self.name}, {len(self.prices)} observations; {choices}",
            "A phase starts with the observation after the peak or trough. The first and the last phase are cut by "
            "the sample.",
            "Dated with the whole sample in view: the end of a phase was not known before the date in the last column.",
        ]
        if not self.rows:
            notes.append("No turning point.")
        head = ("phase", "kind", "first", "last", "duration", "amplitude", "end known on")
        return Table(self.spec.name, head, rows, tuple(notes))

    def to_frame(self) -> pd.DataFrame:
        """Return `phases`."""
        return self.phases

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "rule": self.spec.name,
            "options": asdict(self.spec),
            "name": self.name,
            "nobs": len(self.prices),
            "turning_points": [
                {
                    "date": label(when),
                    "row": row,
                    "kind": kind,
                    "price": float(self.prices.iloc[row]),
                    "known_on": label(on),
                }
                for when, row, kind, on in zip(
                    self.last_dates, self.rows, self.kinds, self.turning_points["known_on"], strict=True
                )
            ],
            "phases": [
                {
                    "kind": str(row["kind"]),
                    "start": label(row["start"]),
                    "end": label(row["end"]),
                    "duration": int(row["duration"]),
                    "amplitude": float(row["amplitude"]),
                    "complete": bool(row["complete"]),
                }
                for _, row in self.phases.iterrows()
            ],
        }

    def cite(self) -> str:
        """BibTeX of the paper behind the rule."""
        return citation(*self.spec.keys)

    def __str__(self) -> str:
        return str(self.summary())


def _fit(
    spec: PaganSossounov | BryBoschan | LundeTimmermann, prices: Any, least: int, frequency: str | None
) -> PhasesFit:
    if isinstance(prices, list | tuple):
        prices = np.asarray(prices, float)
    series = read_series(prices, "prices", min_obs=least, filtered="ignore", levels="ignore")
    low = np.flatnonzero(series.values <= 0.0)
    if low.size:
        raise DataError(
            f"{series.name!r} is {format_number(float(series.values[low[0]]))} at {label(series.index[low[0]])} "
            f"({low.size} such rows): phases are of positive levels. Pass prices, not returns."
        )
    _check_spacing(series.index, frequency, spec)
    return PhasesFit(spec, pd.Series(series.values, series.index, name=series.name), spec.date(series.values))


def _check_spacing(index: pd.Index, frequency: str | None, spec: object) -> None:
    """Refuse dates whose spacing is not that of the durations: eight months are not eight days."""
    stamps = index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index
    if frequency is None or not isinstance(stamps, pd.DatetimeIndex):
        return
    gap = float(np.median(np.diff(stamps.to_numpy("datetime64[s]").astype(np.int64)))) / 86400.0
    low, high = SPACING[frequency]
    if not low <= gap <= high:
        rule = "ME" if frequency == "monthly" else "QE"
        other = (
            " or give durations in observations with frequency=None, as PaganSossounov.daily() does"
            if isinstance(spec, PaganSossounov)
            else ""
        )
        raise DataError(
            f"the rows are {gap:.3g} days apart, and the durations are for {frequency} data: take "
            f"prices.resample({rule!r}).last(){other}."
        )


def _check_durations(window: int, min_phase: int, min_cycle: int, edge: int) -> None:
    for name, value, least in (
        ("window", window, 1),
        ("min_phase", min_phase, 1),
        ("min_cycle", min_cycle, 2),
        ("edge", edge, 0),
    ):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise SpecError(f"{name}={value!r}: a whole number of observations, at least {least}.")


def _closing(kinds: Kinds) -> int:
    return -int(kinds[-1]) if kinds.size else 0
