r"""Several hypotheses asked of the same draws: step-down maxima, which know how the statistics depend on each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.bootstrap import FEWEST
from ..estimation.bootstrap import pvalue as tail
from ..estimation.params import Array
from ..estimation.results import citation
from ..table import Table

__all__ = ["MultipleTest", "holm", "romano_wolf_test", "step_down"]

SIDES = ("upper", "lower", "two")


def step_down(statistics: Array, draws: Array) -> Array:
    r"""Adjusted p-values (K,) of the step-down max-T procedure, large values against the null.

    With :math:`t_{(1)}\ge\dots\ge t_{(K)}` and :math:`t^*_{(j)}` the draws of the same columns,

    .. math:: \tilde p_{(j)}=\max_{i\le j}\frac{1+\#\{b:\max_{k\ge i}t^{*b}_{(k)}\ge t_{(i)}\}}{1+B}

    (Romano & Wolf 2005, in the form of 2016). Equal statistics get equal p-values.

    Parameters
    ----------
    statistics : (K,) finite. draws : (B, K) of their joint null law, comparable between columns; minus infinity where
        a draw has no such statistic.
    """
    order = np.argsort(-statistics, kind="stable")
    ordered = draws[:, order]
    # column j becomes the largest of columns j, j + 1, …
    largest = np.maximum.accumulate(ordered[:, ::-1], axis=1)[:, ::-1]
    raw = (1.0 + np.sum(largest >= statistics[order], axis=0)) / (1.0 + draws.shape[0])
    out = np.empty(statistics.size)
    out[order] = np.maximum.accumulate(raw)
    return out


def holm(pvalues: Array) -> Array:
    r"""Holm's (1979) adjusted p-values (K,), :math:`\max_{i\le j}\min\{(K-i+1)p_{(i)},1\}`; NaN stays, uncounted."""
    out = np.full(pvalues.size, np.nan)
    known = np.flatnonzero(np.isfinite(pvalues))
    order = known[np.argsort(pvalues[known], kind="stable")]
    factor = np.arange(order.size, 0, -1)
    out[order] = np.minimum(1.0, np.maximum.accumulate(factor * pvalues[order]))
    return out


@dataclass(frozen=True, eq=False)
class MultipleTest:
    """Several hypotheses with p-values that hold for all of them at once.

    Attributes
    ----------
    frame : one row a hypothesis: statistic, pvalue (of it alone), holm, romano_wolf.
    side : "upper", "lower" or "two". studentized : whether statistics were divided by the deviation of their draws.
    draws : draws used, those with every statistic. lost : draws left out because one was missing.
    reasons : why a hypothesis has no p-value, by name.
    """

    frame: pd.DataFrame
    side: str
    studentized: bool
    draws: int
    lost: int
    reasons: Mapping[str, str] = field(default_factory=dict)

    def rejected(self, alpha: float = 0.05) -> tuple[str, ...]:
        """Return the hypotheses rejected with a family-wise error of at most ``alpha``."""
        if not 0.0 < alpha < 1.0:
            raise SpecError(f"alpha={alpha}: a level lies between 0 and 1.")
        return tuple(str(name) for name in self.frame.index[self.frame["romano_wolf"] <= alpha])

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the rows."""
        return self.frame.copy()

    def summary(self) -> Table:
        """Return the rows as a table."""
        scale = "studentized" if self.studentized else "as they are"
        notes = [
            f"Step-down maxima over {self.draws} joint draws, statistics {scale}, side: {self.side}; Holm beside them. "
            f"No p-value lies below {1.0 / (1 + self.draws):.2g}."
        ]
        if self.lost:
            notes.append(f"{self.lost} draws lacked a statistic and were left out of all.")
        notes += [f"{name}: {reason}" for name, reason in self.reasons.items()]
        return Table.of("Several hypotheses at once", self.frame, digits=3, notes=notes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; missing numbers are None."""
        rows = {
            str(name): {str(key): float(value) if math.isfinite(value) else None for key, value in row.items()}
            for name, row in self.frame.iterrows()
        }
        return {
            "hypotheses": rows,
            "side": self.side,
            "studentized": self.studentized,
            "draws": self.draws,
            "lost": self.lost,
            "reasons": dict(self.reasons),
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation("romanowolf2005", "romanowolf2016", "holm1979")


def romano_wolf_test(
    statistics: Mapping[str, float] | pd.Series | Sequence[float] | Array,
    draws: Mapping[str, Array] | pd.DataFrame | Array,
    *,
    side: str = "upper",
    studentize: bool = True,
) -> MultipleTest:
    r"""Test several hypotheses with draws of their joint null law, family-wise error controlled (Romano & Wolf 2005).

    The largest statistic is compared with the law of the largest draw, the second with that of the largest of the
    remaining ones, and so on: see `step_down`. Unlike Holm's it uses that the statistics move together, and gains
    most where they nearly coincide.

    Parameters
    ----------
    statistics : K numbers; a mapping or a series names the hypotheses, otherwise they are "1", "2", ….
    draws : (B, K) statistics of the SAME draws under the null, centered there: for an estimate drawn around itself
        subtract the estimate, or the mean of the draws, first. A mapping or a frame is matched by name.
    side : "upper", "lower", or "two", distances from the median of the draws.
    studentize : divide each statistic by the standard deviation of its draws, so that a noisy one does not
        dominate the maximum. Without it the statistics must be on one scale already.

    Returns
    -------
    MultipleTest : a statistic that is NaN gets no p-value and is not counted in the family; draws in which one of the
        others is missing are left out of all and counted.

    Raises
    ------
    DataError : shapes or names that differ, a column without variation, fewer than 19 complete draws.
    SpecError : an unknown side.

    Notes
    -----
    Controls the error in the strong sense as far as the draws have the joint law of the statistics: GARCH, fat tails
    and persistent correlation matter exactly as much as they are in the draws. Draws of a stationary bootstrap with
    short blocks have too little persistence, and then this is as oversized as each single test. Do not use it on
    hypotheses that were picked by their p-values: the family is what was looked at.

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> draws = np.random.default_rng(1).standard_normal((999, 1)) + np.zeros(3)
    >>> ce.romano_wolf_test({"a": 2.0, "b": 2.0, "c": 0.0}, draws).frame["holm"].round(2).tolist()
    [0.06, 0.06, 0.49]
    >>> ce.romano_wolf_test({"a": 2.0, "b": 2.0, "c": 0.0}, draws).rejected(0.05)
    ('a', 'b')
    """
    check_option("side", side, SIDES)
    check_option("studentize", studentize, (True, False))
    names, values = _named(statistics)
    table = _matched(draws, names)
    known = np.isfinite(values)
    reasons = {name: "the statistic is not defined on this sample" for name in np.array(names)[~known].tolist()}
    if not known.any():
        raise DataError(f"none of the {values.size} statistics is a number; there is nothing to test.")
    for k in np.flatnonzero(known):
        if not np.isfinite(table[:, k]).any():
            raise DataError(f"{names[k]!r} has no finite draw; leave this hypothesis out or draw it again.")
    complete = np.isfinite(table[:, known]).all(axis=1)
    used = table[np.ix_(complete, known)]
    lost = int((~complete).sum())
    if len(used) < FEWEST:
        raise DataError(
            f"{len(used)} of {len(table)} draws have every statistic; {FEWEST} is the fewest that reach 5 %: draw more."
        )
    center = np.median(used, axis=0) if side == "two" else np.zeros(used.shape[1])
    spread = used.std(axis=0)
    flat = np.flatnonzero(~(spread > 1e-12 * np.abs(used).max(axis=0)))
    if flat.size:
        name = np.array(names)[known][flat[0]]
        raise DataError(f"all draws of {str(name)!r} are {used[0, flat[0]]:g}: they have no law to compare with.")
    scale = spread if studentize else np.ones_like(spread)
    observed, null = (values[known] - center) / scale, (used - center) / scale
    if side != "upper":
        observed, null = (-observed, -null) if side == "lower" else (np.abs(observed), np.abs(null))
    columns = {"statistic": values}
    columns |= {name: np.full(values.size, np.nan) for name in ("pvalue", "holm", "romano_wolf")}
    columns["pvalue"][known] = [tail(float(t), null[:, k]) for k, t in enumerate(observed)]
    columns["holm"] = holm(columns["pvalue"])
    columns["romano_wolf"][known] = step_down(observed, null)
    return MultipleTest(pd.DataFrame(columns, names), side, studentize, len(used), lost, reasons)


def _named(statistics: Mapping[str, float] | pd.Series | Sequence[float] | Array) -> tuple[list[str], Array]:
    """Names and numbers of the hypotheses."""
    if isinstance(statistics, Mapping | pd.Series):
        names = [str(name) for name in statistics.keys()]
        given: Any = list(statistics.values()) if isinstance(statistics, Mapping) else statistics.to_numpy()
    else:
        given = statistics
        names = [str(k + 1) for k in range(np.size(given))]
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("the statistics are not numbers; pass one a hypothesis.") from error
    if values.ndim != 1 or not values.size:
        raise DataError(f"statistics of shape {values.shape}: pass one number a hypothesis, at least one.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"two hypotheses are called {twice[0]!r}; give each its name.")
    return names, values


def _matched(draws: Mapping[str, Array] | pd.DataFrame | Array, names: list[str]) -> Array:
    """Draws (B, K) in the order of the names."""
    if isinstance(draws, Mapping | pd.DataFrame):
        found = {str(name): np.asarray(column, dtype=np.float64) for name, column in draws.items()}
        missing = [name for name in names if name not in found]
        if missing:
            raise DataError(f"there are no draws of {missing[0]!r}; there are {', '.join(found) or 'none'}.")
        sizes = {name: found[name].shape for name in names}
        if len(set(sizes.values())) != 1 or len(next(iter(sizes.values()))) != 1:
            raise DataError(f"the draws have shapes {sizes}: each hypothesis needs one number from every draw.")
        return np.stack([found[name] for name in names], axis=1)
    table = np.asarray(draws, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(names):
        raise DataError(f"draws of shape {table.shape} for {len(names)} statistics: pass (draws, {len(names)}).")
    return table
