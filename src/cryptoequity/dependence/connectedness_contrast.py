r"""Is connectedness higher inside the episodes than outside? Tests whose null laws move the dates, not the formula.

The standard errors of a variance decomposition are of little use here: the shares are squares, biased upwards the more
the fewer the rows, so that the smaller of two groups looks more connected when nothing differs. Both nulls of this file
compare groups of the very same sizes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import ConvergenceError, DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.bootstrap import FEWEST
from ..estimation.bootstrap import pvalue as tail
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import Drawn, TestResult
from ..table import Table
from .decomposition import ConnectednessFit, decompose, fit_system, group_share, of_rows
from .quantile_var import read_tau
from .var import lag_rows, read_dummy, read_group, read_horizon, read_lags, read_system

__all__ = ["ConnectednessContrast", "connectedness_contrast", "connectedness_contrast_test"]

KINDS = ("shift", "block")
SIDES = {"greater": "upper", "less": "lower", "two-sided": "two"}
QUANTITIES = ("total", "forward", "backward", "net")
MIN_GROUP = 40  # rows inside or outside, below which a decomposition says nothing

Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class ConnectednessContrast(TestResult, Drawn):
    """A test of connectedness inside against outside the episodes.

    Attributes
    ----------
    inside, outside : the two tables. groups : names of the columns of "source" and "target", empty without.
    estimates : frame with the quantities as rows; inside, outside, contrast, mean of the contrast under the null (its
        bias), the contrast less that bias, and the p-value of each quantity alone.
    draws : contrasts under the null by quantity, (B, Q).
    options : the choices made, by name. robustness : how the test fares under GARCH and persistent correlation.
    keys : keys of the papers for `cite`.
    """

    inside: ConnectednessFit | None = field(default=None, repr=False)
    outside: ConnectednessFit | None = field(default=None, repr=False)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    estimates: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    draws: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    robustness: str = ""
    keys: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """The estimates with their null means and p-values."""
        return self.estimates.copy()

    def summary(self) -> Table:
        """Return the estimates as a table."""
        notes = [f"H0: {self.null}", f"p-value of {self.options['what']}: {self.pvalue:.4f}; {self.reference}"]
        if self.reason:
            notes.append(self.reason)
        if self.robustness:
            notes.append(self.robustness)
        return Table.of(self.name + ", per cent", self.estimates, notes=notes, digits={"P": 4})

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; the draws are left out."""
        estimates = json.loads(self.estimates.to_json(orient="index"))
        return super().to_dict() | {
            "estimates": estimates,
            "groups": {key: list(value) for key, value in self.groups.items()},
            "options": dict(self.options),
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation(*self.keys)


def connectedness_contrast(
    target: Array,
    design: Array,
    dummy: Array,
    *,
    horizon: int = 10,
    tau: float | None = None,
    source: Positions | None = None,
    towards: Positions | None = None,
) -> Array:
    """Quantities inside and outside the episodes, (2, Q), in per cent; the arrays behind `connectedness_contrast_test`.

    Q is one, the total; or four, with "forward" (from ``source`` to ``towards``), "backward" and "net" (their
    difference) besides.

    Parameters
    ----------
    target, design : (n, N) and (n, 1 + Np) of `var.lag_rows`. dummy : (n,) of 1, 0 and NaN for neither.
    horizon, tau : of the decomposition. source, towards : positions of two groups of columns.
    """
    rows = []
    for state in (1.0, 0.0):
        chosen = dummy == state
        table = 100.0 * decompose(fit_system(target[chosen], design[chosen], tau), horizon)
        total = 100.0 - float(np.trace(table)) / len(table)
        if source is None or towards is None:
            rows.append([total])
            continue
        forward, backward = group_share(table, source, towards), group_share(table, towards, source)
        rows.append([total, forward, backward, forward - backward])
    return np.array(rows)


@dataclass(frozen=True, eq=False)
class _Null:
    """Contrasts (Q,) of one draw: dates moved, or rows resampled under dates that stay."""

    target: Array
    design: Array
    dummy: Array
    measure: Any
    block: float = 0.0

    def __call__(self, task: int | np.random.SeedSequence) -> Array | None:
        target, design, dummy = self.target, self.design, self.dummy
        if isinstance(task, np.random.SeedSequence):
            rows = stationary_rows(len(dummy), self.block, np.random.default_rng(task))
            target, design = target[rows], design[rows]
        else:
            dummy = np.roll(dummy, task)
        try:
            both = self.measure(target, design, dummy)
        except (DataError, ConvergenceError):
            return None  # counted by the caller
        out: Array = both[0] - both[1]
        return out


def stationary_rows(nobs: int, block: float, rng: np.random.Generator) -> Positions:
    """Rows of the stationary bootstrap (Politis, Romano 1994): circular blocks, geometric lengths of mean ``block``."""
    fresh = rng.random(nobs) < 1.0 / block
    fresh[0] = True
    starts = rng.integers(0, nobs, nobs)
    since = np.flatnonzero(fresh)
    which = np.cumsum(fresh) - 1
    out: Positions = ((starts[since][which] + np.arange(nobs) - since[which]) % nobs).astype(np.intp)
    return out


def connectedness_contrast_test(
    returns: pd.DataFrame,
    dummy: Any,
    *,
    source: str | Sequence[str] | None = None,
    target: str | Sequence[str] | None = None,
    what: str = "total",
    lags: int | str = 1,
    horizon: int = 10,
    tau: float | None = None,
    alternative: str = "greater",
    pvalue: str = "shift",
    draws: int = 999,
    block: float | None = None,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> ConnectednessContrast:
    r"""Test that connectedness is the same inside and outside given episodes.

    An autoregression is fitted to the rows inside and another to the rows outside, each row with the lags of the dates
    really before it, and the contrast of the two tables is compared with what the same calculation gives when the
    episodes have nothing to do with the returns:

    ``pvalue="shift"``
        the episodes are rotated along the sample; data stay. Valid for a stationary system that owes the episodes
        nothing, whatever its GARCH, tails or persistent correlation, as far as there are many more positions than
        spells: with one long spell there are few different rotations, and no test can know much.
    ``pvalue="block"``
        rows (each with its lags) are drawn in blocks from the whole sample, episodes stay. Valid if blocks are long
        against the memory of volatility and correlation, and short against the spells: with slow correlations and few
        long spells no length is both, and it rejects too often. Prefer rotations there.

    Parameters
    ----------
    returns : (T, N) percent returns, standardized residuals (recommended), or log variances.
    dummy : 1 inside, 0 outside, NaN for neither, on the rows of ``returns``.
    source, target : columns of two groups, e.g. the crypto assets and the technology equities; of two columns the first
        and the second by default. Without, only the total is compared.
    what : the quantity whose p-value is the test's: "total", "forward" (share of the target's variance that comes from
        the source), "backward", "net" (forward minus backward). All are reported.
    lags : of the autoregression, or a criterion that chooses them once from all rows. horizon : steps ahead.
    tau : quantile of a quantile autoregression; None for the mean.
    alternative : "greater" (more connected inside), "less", "two-sided".
    pvalue : how, see above. draws : rotations (all of them where there are no more) or bootstrap samples.
    block : mean length of the blocks; by default :math:`2.5\,T^{1/2}`.
    rng, n_jobs : seed and workers; the numbers do not depend on the workers.

    Returns
    -------
    ConnectednessContrast : with ``inside`` and ``outside``, and ``estimates`` by quantity.

    Raises
    ------
    DataError : data or dummy that cannot be used, fewer than 40 rows inside or outside. SpecError : an unknown choice.

    Notes
    -----
    Do not use it (i) with episodes dated from these returns or anything that shares their volatility: dating selects
    the days; (ii) across a known break of the correlation, for instance March 2020, that coincides with the first
    episode: a step alone is then a contrast; (iii) as evidence beside a test of the correlation: at daily lags the
    quantities are functions of squared correlations (see `connectedness`); (iv) on raw returns to learn of the link
    rather than of volatility. The p-values by quantity are not adjusted for their number.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> late = (returns.index >= "2020-03-16").astype(float)
    >>> test = ce.connectedness_contrast_test(returns, late, draws=99)
    >>> bool(test.inside.total > test.outside.total)
    True
    """
    check_option("what", what, QUANTITIES)
    check_option("alternative", alternative, tuple(SIDES))
    check_option("pvalue", pvalue, KINDS)
    if not isinstance(draws, int | np.integer) or isinstance(draws, bool) or draws < FEWEST:
        raise SpecError(f"draws={draws!r}: a whole number of at least {FEWEST}.")
    y, frame = read_system(returns)
    names = [str(name) for name in frame.columns]
    one, two, groups = _groups(source, target, what, names)
    count, steps = read_lags(lags, y), read_horizon(horizon)
    quantile = None if tau is None else read_tau(tau)
    if quantile is not None and count < 1:
        raise SpecError("lags=0: a quantile autoregression without lags is a list of quantiles; use at least one.")
    left, design = lag_rows(y, count)
    state = read_dummy(dummy, frame.index)[count:]
    for label, value in (("inside", 1.0), ("outside", 0.0)):
        rows = int(np.sum(state == value))
        if rows < MIN_GROUP:
            raise DataError(
                f"dummy: {rows} rows are {label} the episodes; at least {MIN_GROUP} are needed on each side."
            )
    measure = partial(connectedness_contrast, horizon=steps, tau=quantile, source=one, towards=two)
    both = measure(left, design, state)
    null, tasks, reference, length = _tasks(pvalue, left, design, state, measure, int(draws), block, rng)
    done = map_draws(null, tasks, n_jobs=n_jobs, label="draws")
    width = both.shape[1]
    drawn = np.stack([np.full(width, np.nan) if one_draw is None else one_draw for one_draw in done])
    failed = sum(one_draw is None for one_draw in done)
    contrast = both[0] - both[1]
    labels = list(QUANTITIES[:width])
    p = [tail(float(contrast[k]), drawn[:, k], SIDES[alternative]) for k in range(width)]
    kept = drawn[np.isfinite(drawn).all(axis=1)]
    bias = kept.mean(axis=0) if len(kept) else np.full(width, np.nan)
    estimates = pd.DataFrame(
        {
            "inside": both[0],
            "outside": both[1],
            "contrast": contrast,
            "null mean": bias,
            "less bias": contrast - bias,
            "P": p,
        },
        labels,
    )
    k = labels.index(what)
    fits = [
        of_rows(left[state == value], design[state == value], names, steps, "generalized", quantile)
        for value in (1.0, 0.0)
    ]
    detail: dict[str, Any] = {}
    for i, name in enumerate(labels):
        detail[f"{name}, inside"], detail[f"{name}, outside"] = float(both[0, i]), float(both[1, i])
        detail[f"{name}, contrast"], detail[f"{name}, null mean"] = float(contrast[i]), float(bias[i])
        detail[f"{name}, p-value"] = p[i]
    detail["null sd"] = float(kept[:, k].std()) if len(kept) else math.nan
    detail["rows inside"], detail["rows outside"] = int(np.sum(state == 1.0)), int(np.sum(state == 0.0))
    detail["spells"] = spells(state)
    detail["failed draws"] = failed
    detail["null"] = drawn[:, k]
    reasons = []
    if failed:
        reasons.append(f"{failed} of {len(done)} draws gave no decomposition.")
    for where, fit in zip(("inside", "outside"), fits, strict=True):
        if fit.radius >= 1.0:
            reasons.append(f"the autoregression {where} is not stationary (largest root {fit.radius:.4f}).")
    if detail["spells"] == 1:
        reasons.append("The episodes are one spell: any single change of the connectedness near it looks like this.")
    words = {"greater": "higher inside", "less": "lower inside", "two-sided": "different inside"}[alternative]
    return ConnectednessContrast(
        "Connectedness inside and outside the episodes",
        f"the {_WORDS[what]} has nothing to do with where the episodes lie; against: {words}",
        float(contrast[k]),
        p[k],
        reference,
        detail,
        " ".join(reasons),
        inside=fits[0],
        outside=fits[1],
        groups=groups,
        estimates=estimates,
        draws=pd.DataFrame(drawn, columns=labels),
        options={
            "what": what,
            "lags": count,
            "horizon": steps,
            "tau": quantile,
            "alternative": alternative,
            "pvalue": pvalue,
            "draws": len(done),
            "block": length,
        },
        robustness=_ROBUST,
        keys=_keys(pvalue, quantile),
    )


_WORDS = {
    "total": "total connectedness",
    "forward": "share of the target's variance that comes from the source",
    "backward": "share of the source's variance that comes from the target",
    "net": "net connectedness from source to target",
}
_ROBUST = (
    "Rotations allow for GARCH, fat tails and correlations that wander, if the system is stationary and the episodes "
    "were not dated from it; blocks only as far as they outlast that memory. Not for a sample with a break of the "
    "correlation."
)


def _keys(pvalue: str, tau: float | None) -> tuple[str, ...]:
    keys = ["dieboldyilmaz2012", "pesaranshin1998"]
    keys += ["ando2022", "koenkerbassett1978"] if tau is not None else []
    keys += ["harris2020"] if pvalue == "shift" else ["politisromano1994"]
    return tuple(keys)


def _groups(
    source: str | Sequence[str] | None, target: str | Sequence[str] | None, what: str, names: Sequence[str]
) -> tuple[Positions | None, Positions | None, dict[str, tuple[str, ...]]]:
    """Positions of the two groups and their names; both, or neither."""
    if (source is None) != (target is None):
        raise SpecError("name the columns of source and of target, or of neither.")
    if source is None and len(names) == 2:
        source, target = names[0], names[1]
    one, two = read_group(source, names, "source"), read_group(target, names, "target")
    if one is None or two is None:
        if what != "total":
            raise SpecError(f"what={what!r} needs source= and target= among the columns {', '.join(names)}.")
        return None, None, {}
    if np.intersect1d(one, two).size:
        raise SpecError(f"source={source!r} and target={target!r} have a column in common.")
    return one, two, {"source": tuple(names[i] for i in one), "target": tuple(names[i] for i in two)}


def _tasks(
    pvalue: str,
    left: Array,
    design: Array,
    state: Array,
    measure: Any,
    draws: int,
    block: float | None,
    rng: int | np.random.Generator,
) -> tuple[_Null, list[Any], str, float]:
    """The null, one task a draw, what to call it, and the length of its blocks (zero for rotations)."""
    nobs = len(state)
    tasks: list[Any]
    if pvalue == "shift":
        if block is not None:
            raise SpecError("block= belongs to pvalue='block'; rotations have none.")
        every = np.arange(1, nobs)
        if draws < every.size:
            every = np.sort(np.random.default_rng(spawn(rng, 1)[0]).choice(every, draws, replace=False))
        tasks = [int(k) for k in every]
        return _Null(left, design, state, measure), tasks, f"{len(tasks)} rotations of the episodes", 0.0
    length = min(2.5 * math.sqrt(nobs), nobs / 4.0) if block is None else float(block)
    if not 1.0 <= length < nobs:
        raise SpecError(f"block={block!r}: a mean block length lies between 1 and the {nobs} rows.")
    tasks = list(spawn(rng, draws))
    return _Null(left, design, state, measure, length), tasks, f"{draws} samples in blocks of mean {length:.1f}", length


def spells(state: Array) -> int:
    """Number of runs of rows inside."""
    inside = state == 1.0
    return int(inside[0]) + int(np.sum(inside[1:] & ~inside[:-1]))
