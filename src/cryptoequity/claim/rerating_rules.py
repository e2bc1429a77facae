"""Definitions by rule: multiples, relative strength, explosive roots, cycle phases, Markov states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import pandas as pd

from cryptoequity.breaks.explosive_paths import default_window
from cryptoequity.claim.cycle_dating import CycleDating, CycleRule
from cryptoequity.claim.dating import (
    Dating,
    Readings,
    Rule,
    RuleDating,
    log_relative,
    read_series_of,
    whole_days,
    with_prices,
)
from cryptoequity.claim.explosive_dating import ExplosiveDating, ExplosiveRule
from cryptoequity.claim.markov_dating import MarkovDating, MarkovRule
from cryptoequity.claim.record import Choice
from cryptoequity.claim.sampling import check_whole
from cryptoequity.errors import SpecError, check_option

__all__ = ["RULES", "DatedByRule", "Stated", "rule_of"]

Stated: TypeAlias = Literal["none", "low", "high"]
Prices: TypeAlias = "tuple[pd.Series, pd.Series] | pd.Series | None"

SLOW = 182  # days over which expected earnings move enough that a change of the multiple is not a return
# days until the accounts behind a multiple are published; 0 where nothing is waited for
REPORTED = {"forward-pe": 0, "trailing-pe": 45, "ev-sales": 45, "cape": 45}


@dataclass(frozen=True)
class Laid:
    """A rule with its choices and the readings it is laid on, and what its intensity is measured in."""

    rule: type[Any]
    dating: type[RuleDating]
    unit: str


RULES: dict[str, Laid] = {
    "valuation": Laid(Rule, Dating, "past standard deviations"),
    "relative-strength": Laid(Rule, Dating, "past standard deviations"),
    "explosive": Laid(ExplosiveRule, ExplosiveDating, "BSADF above its critical value"),
    "cycle": Laid(CycleRule, CycleDating, "log move of the phase"),
    "markov": Laid(MarkovRule, MarkovDating, "probability of the regime"),
}


@dataclass(frozen=True)
class Choices:
    """The rule of a stored definition, ready to be laid on readings."""

    definition: str
    rule: Any

    def lay(self, readings: Readings) -> RuleDating:
        """Return the rule laid on readings."""
        return RULES[self.definition].dating(self.rule, readings)


def rule_of(definition: str, params: Mapping[str, Choice]) -> Choices:
    """Rebuild the rule of a definition from its stored choices."""
    check_option("definition by rule", definition, tuple(RULES))
    kind = RULES[definition].rule
    known = {one.name for one in fields(kind)}
    return Choices(definition, kind(**{key: value for key, value in params.items() if key in known}))


class DatedByRule:
    """Constructors of `ReRating` that date episodes from series."""

    @classmethod
    def by_rule(
        cls,
        name: str,
        definition: str,
        rule: Any,
        readings: Readings,
        circularity: Stated,
        extra: Mapping[str, Choice] | None = None,
    ) -> Self:
        """Apply ``rule`` to ``readings``: what the constructors by rule and `redate` share.

        ``extra`` are choices to remember that the rule itself does not read.
        """
        dating = Choices(definition, rule).lay(readings)
        params = tuple({**rule.to_dict(), **(extra or {})}.items())
        made = cls(  # type: ignore[call-arg]
            name, definition, params, dating.spells(), readings, bool(rule.real_time), circularity
        )
        made.__dict__["dating"] = dating  # fill the cached property
        return made

    @classmethod
    def from_valuation(
        cls,
        tech: pd.Series,
        market: pd.Series,
        *,
        kind: str | None = None,
        horizon: str | int = "26W",
        quantile: float = 0.70,
        min_length: str | int = "8W",
        merge: str | int = "4W",
        lag: str | int = "1W",
        report_lag: str | int | None = None,
        min_history: str | int = "52W",
        real_time: bool = False,
        prices: tuple[pd.Series, pd.Series] | None = None,
        name: str = "relative multiple",
    ) -> Self:
        """Date episodes by the size of the move in a relative valuation multiple, M_tech / M_market.

        The rule is written out in `Rule`; lengths are calendar time (an integer is days), so the multiples
        may be daily, weekly or monthly: a move starts from the latest reading at or before t − horizon, and
        a reading is in force until the next takes effect (the last one for the median distance between
        readings).

        Parameters
        ----------
        tech, market : Series by date
            Multiples (price/earnings, EV/sales …), positive, on the same dates.
        kind : {"forward-pe", "trailing-pe", "ev-sales", "cape"}, optional
            What the multiples are. All but the first divide by accounts, which are published late: ``report_lag``
            is then 45 days, and less is refused.
        horizon, quantile, min_length, merge, lag
            See `Rule`.
        report_lag : str or int, optional
            Delay until a reading is known, on top of ``lag``; by default what ``kind`` asks for, without it none.
        min_history : str or int
            Time after the first move before anything is dated: until then there is no episode.
        real_time : bool
            ``False`` dates a spell back to its first reading once it has lasted (so ``min_length`` and
            ``merge`` look that far ahead); ``True`` asks on each day what the rule would have said with the
            data of that day.
        prices : (tech, market) Series by session, optional
            Prices behind the multiples. Their relative earnings path, log P − log M, is stored, and
            `redate` can then date new prices with earnings held fixed. The latest price at or before a
            reading belongs to it.
        name : str

        Notes
        -----
        ``circularity`` is "low" from a horizon of 26 weeks and "high" below: over weeks expected earnings
        hardly move, and a change of the multiple is then a return under another name. It is "high" for
        ``kind="cape"`` at any horizon: an average of many years' earnings moves as little in half a year.

        Raises
        ------
        SpecError : an unknown ``kind``, or accounts said to be known in less than 45 days.
        DataError : multiples that are missing or not positive, on different dates, too short for the rule.
        """
        delay = report_delay(kind, report_lag)
        rule = Rule(
            "days",
            whole_days("horizon", horizon),
            quantile,
            whole_days("min_length", min_length),
            whole_days("merge", merge),
            whole_days("lag", lag),
            delay,
            whole_days("min_history", min_history),
            real_time,
        )
        readings = Readings(*log_relative(tech, market, "multiple"))
        if prices is not None:
            sessions, log_price = log_relative(*prices, "price")
            readings = with_prices(readings, sessions, log_price)
        slow = rule.horizon >= SLOW and kind != "cape"
        extra: dict[str, Choice] = {} if kind is None else {"kind": kind}
        return cls.by_rule(name, "valuation", rule, readings, "low" if slow else "high", extra)

    @classmethod
    def from_relative_strength(
        cls,
        tech: pd.Series,
        market: pd.Series,
        *,
        horizon: int = 126,
        quantile: float = 0.70,
        min_length: int = 40,
        merge: int = 20,
        lag: int = 1,
        min_history: int = 252,
        real_time: bool = False,
        name: str = "relative strength",
    ) -> Self:
        """Date episodes by the size of the move in the relative price, P_tech / P_market.

        The rule of `from_valuation` with every length in sessions (rows). The dates come from prices, so
        ``circularity`` is "high": a test must date again in each bootstrap draw.

        Parameters
        ----------
        tech, market : Series by session
            Price levels, positive, on the same dates.
        horizon, quantile, min_length, merge, lag, min_history, real_time, name
            See `from_valuation`.
        """
        rule = Rule("sessions", horizon, quantile, min_length, merge, lag, 0, min_history, real_time)
        readings = Readings(*log_relative(tech, market, "price"))
        return cls.by_rule(name, "relative-strength", rule, readings, "high")

    @classmethod
    def from_explosive(
        cls,
        tech: pd.Series,
        market: pd.Series | None = None,
        *,
        of: Literal["prices", "multiples"] = "prices",
        prices: Prices = None,
        step: int | None = None,
        window: int | None = None,
        adf_lags: int = 0,
        null: str = "wild",
        critical: str = "psy",
        level: float = 0.05,
        draws: int = 199,
        rng: int = 0,
        min_length: int = 4,
        merge: int = 2,
        lag: int = 1,
        report_lag: str | int = "0D",
        real_time: bool = True,
        name: str = "explosive",
    ) -> Self:
        r"""Date episodes by explosive roots in log(tech / market): Phillips, Shi and Yu (2015) in real time.

        With :math:`y_t` every ``step``-th log ratio and :math:`\mathrm{BSADF}_t` the supremum of Dickey–Fuller
        t-statistics over the windows that end at t (`gsadf_test`), a reading is marked when

        .. math:: \mathrm{BSADF}_t>c_t,\qquad x_t=\max(0,\ \mathrm{BSADF}_t-c_t),

        with the sign of :math:`y_t-y_{r_1(t)}`, :math:`r_1(t)` the first date of the window that attains the supremum:
        a collapse is as explosive as a bubble. The critical values have the lag and the window of the statistic.

        Parameters
        ----------
        tech, market : Series by date
            Prices by session, or multiples by date; without ``market`` the log of ``tech`` itself.
        of : {"prices", "multiples"}
            What they are.
        prices : (tech, market) Series by session, or one Series, optional
            Prices behind the multiples, as in `from_valuation`.
        step : int, optional
            Use every so many readings; by default 5 for prices (a reading a week) and 1 for multiples. The statistic
            costs O((T/step)²) in every draw of a bootstrap.
        window : int, optional
            Fewest rows of a regression, in sampled readings; by default a year of prices, 36 multiples, and with
            ``real_time=False`` the integer part of (.01 + 1.8/√T)T, which knows how long the sample will be.
        adf_lags : int
            Lagged differences in the regression.
        null : {"wild", "simulated"}
            Draws behind the critical values: the changes so far times random signs, made again for each path dated,
            or a normal walk, made once for a length. Under GARCH or fat tails the second marks too often.
        critical : {"psy", "pointwise"}
            Quantile of SADF in a sample that ends at t, as published, or the lower quantile of BSADF at t itself.
        level, draws, rng : float, int, int
            Level (.10, .05 or .01), draws and seed of the critical values.
        min_length, merge : int
            Sampled readings: shorter spells are dropped, marks of one sign closer than ``merge`` are one spell.
        lag, report_lag : int, str or int
            When a reading takes effect: sessions for prices, days for multiples, plus the delay of the accounts.
        real_time : bool
            Whether a spell counts from the reading at which it is long enough, or in hindsight from its first.
        name : str

        Notes
        -----
        Critical values at t read nothing after t, with either ``null``. Explosive roots in the ratio are what PSY
        calls exuberance; fundamentals that take off look the same. A slow re-rating is not found at all, and a
        sample may well have no spell: look at ``spells`` first. ``circularity`` is "high" for prices.

        Raises
        ------
        SpecError : a choice that is unknown or contradicts another.
        DataError : series too short for the window, or that stand still.
        """
        readings = read_series_of(of, tech, market, prices)
        every = (5 if of == "prices" else 1) if step is None else check_whole("step", step, 1)
        rows = window
        if rows is None and real_time:
            rows = max(26, 252 // every) if of == "prices" else 36
        elif rows is None:
            rows = default_window(-(-readings.dates.size // every))
        rule = ExplosiveRule(
            "sessions" if of == "prices" else "days",
            of,
            market is not None,
            every,
            rows,
            adf_lags,
            null,
            critical,
            level,
            draws,
            rng,
            min_length,
            merge,
            lag,
            price_delay(of, report_lag),
            real_time,
        )
        span = rule.window * rule.step * float(np.median(np.diff(readings.dates).astype(np.int64)))
        return cls.by_rule(name, "explosive", rule, readings, "low" if of == "multiples" and span >= SLOW else "high")

    @classmethod
    def from_cycle(
        cls,
        tech: pd.Series,
        market: pd.Series | None = None,
        *,
        method: str = "pagan-sossounov",
        frequency: str | None = None,
        min_amplitude: float = 0.20,
        of: Literal["prices", "multiples"] = "prices",
        prices: Prices = None,
        lag: int = 0,
        report_lag: str | int = "0D",
        name: str = "cycle phases",
    ) -> Self:
        """Date episodes by the bull and bear phases of tech / market that move by ``min_amplitude`` or more.

        The turning points are those of `PaganSossounov`, `BryBoschan` or `LundeTimmermann`; the observation of a turn
        belongs to the phase it ends, and the intensity is the log move of the whole phase.

        Parameters
        ----------
        tech, market : Series by date
            See `from_explosive`.
        method : {"pagan-sossounov", "bry-boschan", "lunde-timmermann"}
            The second is monthly. The third has no window: it turns when the ratio has come back by
            ``min_amplitude``, up or down.
        frequency : {"daily", "monthly"}, optional
            Readings the rule sees: all sessions, or the last of each calendar month, which then stands for its month.
            By default daily for prices, except for "bry-boschan", and monthly for multiples.
        min_amplitude : float
            Smallest change of the ratio from turn to turn, as a share. A phase cut by the end of the sample counts
            once it has moved as far.
        of, prices : see `from_explosive`.
        lag, report_lag : int, str or int
            See `from_explosive`; 0 because the dates are hindsight anyway.
        name : str

        Notes
        -----
        Dated with the whole sample in view: a peak is known only when the fall after it has lasted, eight months with
        windows. ``real_time`` is False; it describes, and is no driver of a model of the next day. On a random walk it
        finds phases too. ``circularity`` is "high" for prices, "low" for multiples.

        Raises
        ------
        SpecError : a choice that is unknown or contradicts another.
        DataError : series too short for the rule, months without a reading.
        """
        check_option("of", of, ("prices", "multiples"))
        often = frequency or ("monthly" if of == "multiples" or method == "bry-boschan" else "daily")
        clock: Literal["sessions", "days"] = "sessions" if of == "prices" else "days"
        rule = CycleRule(clock, of, market is not None, method, often, min_amplitude, lag, price_delay(of, report_lag))
        readings = read_series_of(of, tech, market, prices)
        return cls.by_rule(name, "cycle", rule, readings, "high" if of == "prices" else "low")

    @classmethod
    def from_markov(
        cls,
        tech: pd.Series,
        market: pd.Series | None = None,
        *,
        k: int = 2,
        switching: str = "variance",
        probability: str = "smoothed",
        threshold: float = 0.5,
        dist: str = "normal",
        of: Literal["prices", "multiples"] = "prices",
        prices: Prices = None,
        step: int | None = None,
        starts: int = 20,
        rng: int = 0,
        min_length: int = 2,
        merge: int = 2,
        lag: int | None = None,
        report_lag: str | int = "0D",
        name: str = "Markov states",
    ) -> Self:
        r"""Date episodes by a hidden Markov chain on the changes of log(tech / market) (Hamilton 1989).

        .. math:: \Delta y_t=\mu_{S_t}+\sigma_{S_t}u_t,\qquad I_t=1\{\Pr(S_t=k\mid\cdot)\ge\text{threshold}\}

        with :math:`y_t` every ``step``-th log ratio. With ``switching="variance"`` the mean is common, the episode
        is the regime of the largest changes; a spell has the sign of the ratio's move over it. With "mean"
        the variance is common; the episodes are the regimes of the lowest and the highest mean, of two the rarer, with
        the sign of the distance from the average.

        Parameters
        ----------
        tech, market : Series by date
            See `from_explosive`.
        k : {2, 3, 4}
            Regimes.
        switching : {"variance", "mean"}
            What switches. Under GARCH or fat tails a switching mean with a common variance follows outliers.
        probability : {"smoothed", "filtered"}
            Given the whole sample, or given the data until then; both at parameters of the whole sample.
        threshold : float
            Smallest probability of an episode.
        dist : {"normal", "t"}
            Errors.
        of, prices, step : see `from_explosive`.
        starts, rng : int
            Starts of the search and their seed.
        min_length, merge : int
            Sampled changes: shorter spells are dropped, marks closer than ``merge`` are one spell.
        lag, report_lag : int, str or int
            See `from_explosive`; by default 0 for smoothed and 1 for filtered probabilities.
        name : str

        Notes
        -----
        The probability is estimated: a second step that takes it for data has standard errors that are too small, and
        only a bootstrap that fits the chain again in every draw is right about them. Two regimes are found in any
        sample, in GARCH without regimes too; they date volatility, which moves correlations by arithmetic.
        ``real_time`` is False, also for filtered probabilities. ``circularity`` is "high".

        Raises
        ------
        SpecError : a choice that is unknown or contradicts another.
        DataError : too few changes, or changes that are often exactly zero.
        ConvergenceError : the regimes were not found.
        """
        check_option("of", of, ("prices", "multiples"))
        late = (0 if probability == "smoothed" else 1) if lag is None else lag
        rule = MarkovRule(
            "sessions" if of == "prices" else "days",
            of,
            market is not None,
            (5 if of == "prices" else 1) if step is None else step,
            k,
            switching,
            dist,
            probability,
            threshold,
            starts,
            rng,
            min_length,
            merge,
            late,
            price_delay(of, report_lag),
        )
        return cls.by_rule(name, "markov", rule, read_series_of(of, tech, market, prices), "high")


def report_delay(kind: str | None, report_lag: str | int | None) -> int:
    """Days until the accounts behind a multiple are known."""
    if kind is None:
        return 0 if report_lag is None else whole_days("report_lag", report_lag)
    check_option("kind", kind, tuple(REPORTED))
    least = REPORTED[kind]
    days = least if report_lag is None else whole_days("report_lag", report_lag)
    if days < least:
        raise SpecError(
            f"report_lag={report_lag!r} with kind={kind!r}: accounts are published {least} days after the period or "
            f"later, and earlier is a look ahead; use report_lag='{least}D' or more."
        )
    return days


def price_delay(of: str, report_lag: str | int) -> int:
    """Days of delay of multiples; prices have none."""
    days = whole_days("report_lag", report_lag)
    if of == "prices" and days:
        raise SpecError(f"report_lag={report_lag!r} is the delay of accounts, and prices wait for none; use lag=.")
    return days
