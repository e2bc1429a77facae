r"""Do the largest moves of tech show in crypto? Signs of the N largest moves, and how often they agree.

.. math:: S_N=\frac1N\sum_{t\in E_N}1\{\operatorname{sign}c_t=\operatorname{sign}m_t\},

with :math:`E_N` the periods of the N largest :math:`|m_t|`, m the move of tech, or of tech less the market. Theory: the
page "Dependence in the tails".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from ..errors import DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.params import Array
from ..estimation.results import TestResult
from .pairs import read_pair

__all__ = ["MoveConcordanceTest", "move_concordance_test", "period_moves"]

PVALUES = ("shift", "binomial")
# rule of a period's end and the sessions that make one at either end of the sample whole
PERIODS = {"D": ("D", 1), "W": ("W-FRI", 4), "M": ("M", 15)}
FEWEST_PERIODS = 30


@dataclass(frozen=True, eq=False)
class MoveConcordanceTest(TestResult):
    """Outcome of `move_concordance_test`.

    Attributes
    ----------
    events : the N periods, from the largest move down: both moves and whether their signs agree.
    """

    events: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    def to_frame(self) -> pd.DataFrame:
        """The events, from the largest move down."""
        return self.events

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation("clopperpearson1934", "harris2020")


def period_moves(returns: pd.DataFrame, frequency: str = "W") -> tuple[pd.DataFrame, int]:
    """Sums of log returns over periods that do not overlap, and how many sessions at the ends were left out.

    Parameters
    ----------
    returns : by session, with a DatetimeIndex unless ``frequency`` is "D".
    frequency : "W": weeks that end on Friday; "M": calendar months; "D": the rows as they are. A first or last week of
        fewer than four sessions, or month of fewer than fifteen, is not whole and is left out; a week with a holiday
        inside the sample stays.

    Returns
    -------
    moves, labelled by the last session of the period; sessions left out.
    """
    check_option("frequency", frequency, tuple(PERIODS))
    if frequency == "D":
        return returns, 0
    rule, whole = PERIODS[frequency]
    if not isinstance(returns.index, pd.DatetimeIndex):
        raise DataError(
            f"frequency={frequency!r} needs rows with dates, not {type(returns.index).__name__}; pass frequency='D' "
            "for rows that are periods already."
        )
    index = returns.index.tz_localize(None) if returns.index.tz is not None else returns.index
    period = index.to_period(rule)
    number = np.cumsum(np.concatenate([[True], period[1:] != period[:-1]])) - 1
    size = np.bincount(number)
    last = np.cumsum(size) - 1
    moves = pd.DataFrame(
        np.stack([np.bincount(number, weights=returns[name].to_numpy(float)) for name in returns.columns], axis=1),
        returns.index[last],
        returns.columns,
    )
    keep = np.ones(size.size, bool)
    keep[[0, -1]] = size[[0, -1]] >= whole
    return moves[keep], int(size[~keep].sum())


def _interval(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share."""
    tail = (1.0 - level) / 2.0
    low = float(stats.beta.ppf(tail, hits, count - hits + 1)) if hits else 0.0
    high = float(stats.beta.isf(tail, hits + 1, count - hits)) if hits < count else 1.0
    return low, high


def move_concordance_test(
    crypto: Any,
    tech: Any,
    market: Any = None,
    *,
    events: int = 20,
    frequency: str = "W",
    pvalue: str = "shift",
    side: str = "upper",
) -> MoveConcordanceTest:
    r"""Test whether crypto moves in the direction of the largest moves of tech more often than by chance.

    Chance is not one half where both drift: with :math:`p_+` the share of all periods in which crypto rises and u of
    the N events up, agreements are expected in :math:`\pi=\{u p_++(N-u)(1-p_+)\}/N` of them.

    Parameters
    ----------
    crypto, tech, market : log returns with the same rows; with ``market`` the move is that of tech less the market.
    events : N, the largest absolute moves that count; at most half the periods.
    frequency : "W" (weeks to Friday), "M" or "D"; see `period_moves`. Periods do not overlap.
    pvalue : "shift": all circular shifts of crypto against the events, which keeps drift, clusters and the spacing of
        the events; "binomial": N independent signs that agree with probability :math:`\pi`.
    side : "upper" (more agreement), "lower" or "two".

    Returns
    -------
    MoveConcordanceTest : the statistic is the share of agreements. ``detail`` has the count, chance, both binomial
        p-values (:math:`\pi` and one half), and Clopper and Pearson's 95 % interval of the share; ``events`` the dates.

    Notes
    -----
    "Every major move resonates" is refuted by one event without agreement; the upper end of the interval says how far
    the share in the long run can be from one. A crypto move of exactly zero agrees with nothing.

    **Robustness.** Signs need no moments, and the events are chosen by tech alone: fat tails do no harm, and neither
    does volatility in common. Signs of returns hardly depend on each other over time, so that both p-values are close
    to their level under GARCH and DCC (``benchmarks/dependence_sizes.py``). A positive correlation at all dates gives
    agreement: a rejection says the two move together in large moves, not that they do so more than otherwise. With ten
    events only nine agreements or more are significant. Do not use it for overlapping windows.

    Raises
    ------
    DataError : series that do not match or are blank, fewer than thirty periods, ties at the N-th largest move.
    SpecError : more events than half the periods.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("peaks")).loc["2020-03-16":]
    >>> test = ce.move_concordance_test(returns["COIN"], returns["TECH"], returns["MARKET"], events=20)
    >>> test.detail["events"]
    20
    """
    check_option("pvalue", pvalue, PVALUES)
    check_option("side", side, ("upper", "lower", "two"))
    check_option("frequency", frequency, tuple(PERIODS))
    if not isinstance(events, int | np.integer) or isinstance(events, bool) or events < 5:
        raise SpecError(f"events={events!r}: a whole number, at least 5; fewer cannot be significant.")
    pair = read_pair(crypto, tech, min_obs=FEWEST_PERIODS)
    frame = pd.DataFrame({"crypto": pair.values[:, 0], "move": pair.values[:, 1]}, pair.index)
    label = pair.names[1]
    if market is not None:
        other = read_pair(tech, market, min_obs=FEWEST_PERIODS)
        frame["move"] = other.values[:, 0] - other.values[:, 1]
        label = f"{other.names[0]} less {other.names[1]}"
    moves, left_out = period_moves(frame, frequency)
    count = len(moves)
    if count < FEWEST_PERIODS:
        raise DataError(
            f"{pair.names[0]!r} and {label!r}: {count} periods at frequency={frequency!r} are too few, at least "
            f"{FEWEST_PERIODS} are needed."
        )
    if events > count // 2:
        raise SpecError(f"events={events}: of {count} periods at most {count // 2} are large; use fewer.")
    c, m = moves["crypto"].to_numpy(float), moves["move"].to_numpy(float)
    order = np.argsort(-np.abs(m), kind="stable")
    if abs(m[order[events - 1]]) == abs(m[order[events]]):
        raise DataError(
            f"{label!r}: the moves of rank {events} and {events + 1} are both {abs(m[order[events]]):g} in size; "
            "choose another number of events."
        )
    chosen = order[:events]
    signs = np.sign(c).astype(np.int64)
    wanted = np.sign(m[chosen]).astype(np.int64)
    agree: npt.NDArray[np.bool_] = signs[chosen] == wanted
    hits = int(agree.sum())
    rising, falling = float((signs > 0).mean()), float((signs < 0).mean())
    ups = int((wanted > 0).sum())
    chance = (ups * rising + (events - ups) * falling) / events
    law = _shifted_hits(signs, wanted, chosen, count)
    by_law = {
        "binomial, chance": _binomial(hits, events, chance, side),
        "binomial, one half": _binomial(hits, events, 0.5, side),
        "shift": _share_as_extreme(law, hits, side),
    }
    low, high = _interval(hits, events)
    detail: dict[str, Any] = {
        "agreements": hits,
        "events": int(events),
        "share expected by chance": chance,
        "share, 95% lower": low,
        "share, 95% upper": high,
        "events up": ups,
        "periods": count,
        "sessions left out at the ends": left_out,
        "crypto moves of zero": int((signs == 0).sum()),
        "smallest event": float(abs(m[chosen[-1]])),
        **{f"p-value, {name}": value for name, value in by_law.items()},
        "null": law / events,
    }
    table = pd.DataFrame({label: m[chosen], pair.names[0]: c[chosen], "agree": agree}, moves.index[chosen])
    shifted = pvalue == "shift"
    return MoveConcordanceTest(
        "Agreement of signs in the largest moves",
        f"{pair.names[0]} moves in the direction of the {events} largest moves of {label} as often as by chance",
        hits / events,
        by_law["shift" if shifted else "binomial, chance"],
        f"{count} circular shifts" if shifted else f"binomial({events}, {chance:.3f})",
        detail,
        "",
        table,
    )


def _shifted_hits(signs: Array, wanted: Array, chosen: npt.NDArray[np.int64], count: int) -> Array:
    """Agreements at every circular shift of crypto, (T,); entry 0 is unshifted."""
    shifts = np.arange(count)
    rows = (chosen[None, :] + shifts[:, None]) % count
    out: Array = (signs[rows] == wanted[None, :]).sum(axis=1).astype(np.float64)
    return out


def _share_as_extreme(law: Array, hits: int, side: str) -> float:
    if side == "two":
        center = float(np.mean(law))
        return float(np.mean(np.abs(law - center) >= abs(hits - center) - 1e-9))
    return float(np.mean(law >= hits if side == "upper" else law <= hits))


def _binomial(hits: int, count: int, chance: float, side: str) -> float:
    """Exact p-value; NaN where chance is 0 or 1, as of a coin that never falls."""
    if not 0.0 < chance < 1.0:
        return float("nan")
    kinds: dict[str, Literal["greater", "less", "two-sided"]] = {
        "upper": "greater",
        "lower": "less",
        "two": "two-sided",
    }
    return float(stats.binomtest(hits, count, chance, alternative=kinds[side]).pvalue)
