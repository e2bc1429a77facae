r"""H9 and the second driver of H3: variables from outside, alone and beside the episodes.

With :math:`s_t` the score of each date in its own correlation at a DCC fitted without anything, :math:`i_t` its
information, :math:`I_t` the episodes and :math:`d_{t-1}` a driver of the session before, one Newton step from no effect
of both in :math:`\rho_t=\rho^{DCC}_t+\delta I_t+\gamma d_{t-1}` is

.. math:: (\hat\delta,\hat\gamma)'=\Bigl(\sum_t i_tw_tw_t'\Bigr)^{-1}\sum_tw_ts_t,\qquad
          w_t=(I_t-\bar I,\;d_{t-1}-\bar d)',

and what a driver takes away from the episodes is the difference between :math:`\hat\delta` without and with it. Drivers
are as observed in every draw. Nothing here identifies a cause: a driver and the episodes may both answer to a third
thing, and so every sentence says "associated".
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests
from statsmodels.tsa.stattools import adfuller

from ..errors import DataError, LevelsWarning, SpecError
from ..estimation.bootstrap import null_interval, pvalue
from ..estimation.params import Array
from .detectable import normal_mde
from .headline import Headline, Sample, sessions_of
from .hypotheses import Evidence, not_testable
from .pipeline import PairFit, attach
from .plan import Plan

__all__ = [
    "Drivers",
    "associations",
    "judge_associations",
    "lagged_drivers",
    "newton_step",
    "share_taken",
    "volatility_detail",
]

UNIT_ROOT = 0.05  # level of the augmented Dickey-Fuller test that a driver is asked to pass


def newton_step(score: Array, information: Array, *directions: Array) -> Array:
    """Joint Newton step (K,) from no effect of ``directions`` (T,), each centered; NaN where they are collinear."""
    w = np.stack(directions, axis=1)
    w = w - w.mean(axis=0)
    size = np.sqrt((w**2).mean(axis=0))
    if not (size > 0.0).all():
        return np.full(w.shape[1], np.nan)
    w = w / size
    gram = (w * information[:, None]).T @ w
    if np.linalg.cond(gram) > 1e10:
        return np.full(w.shape[1], np.nan)
    out: Array = np.linalg.solve(gram, w.T @ score) / size
    return out


@dataclass(frozen=True, eq=False)
class Drivers:
    """Effects of drivers alone and beside the episodes; an extra of `Pipeline`.

    Effects of drivers are for two standard deviations, comparable with a contrast between two halves of a sample.

    Attributes
    ----------
    labels : what statistics are called by. values : (T, M), row t known before session t.
    """

    labels: tuple[str, ...]
    values: Array = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the statistics."""
        parts = ("alone", "given", "whole", "episodes", "taken")
        return tuple(f"driver.{label}.{part}" for label in self.labels for part in parts)

    def __call__(self, z: Array, returns: Array, signed: Array, fit: PairFit) -> dict[str, float]:
        """Each driver "alone" and "given" the episodes; their "whole" effect, "episodes" given it, what is "taken"."""
        del z, returns
        dummy = np.abs(signed)
        valid = ~np.isnan(dummy)
        score, information, dummy = fit.score[valid], fit.information[valid], dummy[valid]
        own = float(newton_step(score, information, dummy)[0])
        out: dict[str, float] = {}
        for label, values in zip(self.labels, self.values.T, strict=True):
            x = values[valid]
            spread = 2.0 * float(x.std())
            alone = float(newton_step(score, information, x)[0])
            beside, given = newton_step(score, information, dummy, x)
            out[f"driver.{label}.alone"] = spread * alone
            out[f"driver.{label}.given"] = spread * float(given)
            out[f"driver.{label}.whole"], out[f"driver.{label}.episodes"] = own, float(beside)
            out[f"driver.{label}.taken"] = own - float(beside)
        return out


def lagged_drivers(
    plan: Plan, sample: Sample, prices: pd.DataFrame, drivers: pd.DataFrame, names: tuple[str, ...] | None = None
) -> pd.DataFrame:
    """Return the drivers known before each session of the tested window, (T, M): those of the session before.

    Parameters
    ----------
    plan, sample, prices : of `test_claim`. drivers : by date. names : columns; the plan's, or all where it names none.

    Raises
    ------
    SpecError : drivers that are no frame by date. DataError : a column that is absent, not numeric, missing on a
        session or constant.

    Warns
    -----
    LevelsWarning : a driver in which a unit root is not rejected.
    """
    if not isinstance(drivers, pd.DataFrame):
        raise SpecError(
            f"drivers must be a DataFrame by date with one named column each, not {type(drivers).__name__}."
        )
    if not isinstance(drivers.index, pd.DatetimeIndex) or drivers.index.tz is not None:
        raise SpecError("drivers: the index must hold dates without a time zone.")
    if not drivers.index.is_unique:
        twice = drivers.index[drivers.index.duplicated()][0]
        raise DataError(f"drivers: {twice.date()} occurs twice; keep one row a date.")
    wanted = names if names is not None else (plan.drivers or tuple(map(str, drivers.columns)))
    frame = drivers.rename(columns=str)
    for name in wanted:
        if name not in frame.columns:
            raise DataError(f"drivers: no column {name!r}; there are {', '.join(map(repr, frame.columns))}.")
        if not pd.api.types.is_numeric_dtype(frame[name]) or pd.api.types.is_bool_dtype(frame[name]):
            raise DataError(f"driver {name!r} is not numeric (dtype {frame[name].dtype}); convert it to numbers.")
    window = sessions_of(sample.window)
    sessions = pd.DatetimeIndex(prices.index[prices[plan.equity].notna()]).sort_values()
    place = sessions.searchsorted(window) - 1  # the session before each of the window's
    if place[0] < 0:
        raise DataError(f"prices begin at {window[0].date()}, the first tested session: there is none before it.")
    before = sessions[place]
    read = frame[list(wanted)].reindex(before)
    for name in wanted:
        values = read[name].to_numpy(float, na_value=np.nan)
        bad = ~np.isfinite(values)
        if bad.any():
            raise DataError(
                f"driver {name!r}: missing or infinite on {int(bad.sum())} of {values.size} sessions, the first "
                f"{before[bad][0].date()}; give each session the value known at its close (a monthly figure: the last "
                "one published), or start later."
            )
        if not float(np.ptp(values)) > 1e-12 * float(np.abs(values).max()):
            raise DataError(
                f"driver {name!r} is constant ({values[0]:g}) over the tested sessions: it explains nothing."
            )
        root = _unit_root(values)
        if root > UNIT_ROOT:
            warnings.warn(
                f"driver {name!r}: a unit root is not rejected over the tested sessions (augmented Dickey-Fuller "
                f"p = {root:.2f}); a level that wanders looks related to anything that wanders: pass its change, or "
                "its distance from a trailing mean.",
                LevelsWarning,
                stacklevel=2,
            )
    return read.set_axis(window, axis=0).astype(float)


def _unit_root(values: Array) -> float:
    """P-value of the augmented Dickey-Fuller test with a constant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # that a tuple becomes a record: both are read
        found: Any = adfuller(values, regression="c", autolag="BIC")
    return float(found.pvalue if hasattr(found, "pvalue") else found[1])


def share_taken(main: Headline, label: str, level: float = 0.95) -> tuple[float, float, float]:
    r"""Share of the episode effect a driver takes away, :math:`1-\hat\delta_{|d}/\hat\delta`, with its interval.

    The law of both effects is that of the draws around their means, moved to the estimates. Where the interval of the
    episode effect itself holds zero the share has no meaning, and all three are NaN.

    Parameters
    ----------
    main : bootstrap with `Drivers` attached. label : the driver. level : of the interval.
    """
    nan = float("nan")
    whole, left = main.statistics[f"driver.{label}.whole"], main.statistics[f"driver.{label}.episodes"]
    null = np.stack([main.draws[f"driver.{label}.whole"], main.draws[f"driver.{label}.episodes"]], axis=1)
    null = null[np.isfinite(null).all(axis=1)]
    lower, upper = null_interval(whole, null[:, 0], level)
    if not (lower > 0.0 or upper < 0.0) or not np.isfinite(left):
        return nan, nan, nan
    law = np.array([whole, left]) + null - null.mean(axis=0)
    # an effect drawn on the other side of zero would turn the share around
    law = law[np.sign(law[:, 0]) == np.sign(whole)]
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(1.0 - law[:, 1] / law[:, 0], [tail, 1.0 - tail])
    return 1.0 - left / whole, float(low), float(high)


def associations(
    plan: Plan,
    sample: Sample,
    main: Headline,
    prices: pd.DataFrame,
    drivers: pd.DataFrame | None,
    seed: np.random.SeedSequence,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Evidence:
    """Evidence on H9; see the module.

    The p-value is the smallest over the drivers after Holm, two-sided, each driver alone; the estimate is the effect of
    that driver, for two standard deviations of it.

    Parameters
    ----------
    plan, sample, main, prices : of `test_claim`. drivers : by date, row t known at the close of t; lagged one session
        here. seed : of the draws. n_jobs, progress : as in `test_claim`.

    Raises
    ------
    SpecError, DataError : see `lagged_drivers`.

    Notes
    -----
    **Robustness.** Scores of a DCC are uncorrelated over time when the DCC is right, and the draws are of that
    DCC with the drivers' own history: a persistent driver costs power, not size. A driver that answers to the tested
    returns (a volatility index) keeps a link in the data that the draws cut; lagging does not mend it.
    """
    nobs = len(main.index)
    if drivers is None:
        named = f"the plan names {', '.join(plan.drivers)}: pass drivers=." if plan.drivers else ""
        return not_testable("H9", f"not testable here: no driver was given{f'; {named}' if named else '.'}", nobs)
    lagged = lagged_drivers(plan, sample, prices, drivers)
    extra = Drivers(tuple(lagged.columns), lagged.to_numpy())
    attach(main, (extra,), seed, n_jobs=n_jobs, progress=progress, label="drivers")
    raw = {label: main.pvalue(f"driver.{label}.alone", "two") for label in extra.labels}
    usable = [label for label in extra.labels if not math.isnan(raw[label])]
    if not usable:
        return not_testable("H9", "no driver has a statistic on this sample.", nobs)
    adjusted = dict(
        zip(usable, map(float, multipletests([raw[label] for label in usable], method="holm")[1]), strict=True)
    )
    detail: dict[str, Any] = {"label": "associational", "drivers": list(extra.labels)}
    for label in extra.labels:
        detail[f"{label} effect"] = main.statistics[f"driver.{label}.alone"]
        detail[f"{label} pvalue"] = raw[label]
        detail[f"{label} pvalue after Holm"] = adjusted.get(label, math.nan)
        detail[f"{label} given the episodes"] = main.statistics[f"driver.{label}.given"]
        detail[f"{label} given the episodes pvalue"] = main.pvalue(f"driver.{label}.given", "two")
        share, low, high = share_taken(main, label)
        detail[f"{label} share of the episode effect"] = share
        detail[f"{label} share lower"], detail[f"{label} share upper"] = low, high
    best = min(usable, key=lambda label: adjusted[label])
    detail["strongest"] = best
    name = f"driver.{best}.alone"
    value, null = main.statistics[name], main.draws[name]
    lower, upper = null_interval(value, null)
    low90, high90 = null_interval(value, null, 0.90)
    mde = normal_mde(null, plan.alpha / (2.0 * len(usable)))
    return Evidence(
        "H9",
        value,
        lower,
        upper,
        adjusted[best],
        mde,
        nobs,
        f"score of each of {len(usable)} driver(s) of the session before in a DCC, two-sided, Holm; {len(main.draws)} "
        "draws; associational",
        main.coverage.share,
        main.coverage.spells,
        low90,
        high90,
        detail,
    )


def judge_associations(one: Evidence, adjusted: float, *, alpha: float) -> tuple[str, str]:
    """Verdict on H9 and its reason: an association, never a cause.

    *supported*: a driver is associated with the correlation after Holm over the drivers. *inconclusive*: none is, with
    the smallest effect the design could see. *not testable*: no driver was given. Never *contradicted*: other
    drivers may be.
    """
    if math.isnan(one.pvalue):
        return "not testable", one.reason or "the statistic cannot be computed on this sample."
    d, best = one.detail, one.detail["strongest"]
    effect = f"{one.estimate:+.2f} [{one.lower:+.2f}, {one.upper:+.2f}] for two standard deviations"
    if adjusted > alpha:
        return "inconclusive", (
            f"associational: no driver is associated with the correlation; the strongest, {best}, has {effect}, "
            f"p = {adjusted:.3f}; the smallest effect this design could see (80 % power) is {one.mde:.2f}."
        )
    share = d[f"{best} share of the episode effect"]
    taken = (
        "the episodes have no effect of their own to be taken away"
        if math.isnan(share)
        else f"it takes away {share:.0%} [{d[f'{best} share lower']:.0%}, {d[f'{best} share upper']:.0%}] of the "
        "episodes' effect"
    )
    return "supported", (
        f"associational, not causal: {best} of the session before goes with the correlation, {effect}, "
        f"p = {adjusted:.3f} after Holm over the drivers; {taken}."
    )


def volatility_detail(
    plan: Plan,
    sample: Sample,
    main: Headline,
    prices: pd.DataFrame,
    drivers: pd.DataFrame | None,
    seed: np.random.SeedSequence,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Episode effect given the log of yesterday's market volatility, for the detail of H3; empty without one.

    Parameters
    ----------
    plan : ``volatility`` names the column. sample, main, prices : of `test_claim`. drivers : by date.
    seed : of the draws. n_jobs, progress : as in `test_claim`.

    Returns
    -------
    dict : effect of the episodes with and without volatility beside them, one-sided p-value, and the share taken.

    Raises
    ------
    DataError : a volatility that is zero or negative, and what `lagged_drivers` refuses.
    """
    if plan.volatility is None:
        return {}
    if drivers is None:
        raise DataError(f"the plan measures volatility by {plan.volatility!r}: pass drivers= with that column.")
    name = plan.volatility
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LevelsWarning)  # it is nuisance here, and H9 has said it
        lagged = lagged_drivers(plan, sample, prices, drivers, (name,))[name]
    if not (lagged > 0.0).all():
        raise DataError(
            f"driver {name!r} is {lagged.min():g} on the session before {lagged.index[int(lagged.argmin())].date()}: a "
            "volatility is positive, and its log is what enters."
        )
    label = f"log {name}"
    extra = Drivers((label,), np.log(lagged.to_numpy())[:, None])
    attach(main, (extra,), seed, n_jobs=n_jobs, progress=progress, label="volatility")
    share, low, high = share_taken(main, label)
    return {
        "volatility": name,
        "episode effect": main.statistics[f"driver.{label}.whole"],
        "episode effect given volatility": main.statistics[f"driver.{label}.episodes"],
        "episode effect given volatility pvalue": pvalue(
            main.statistics[f"driver.{label}.episodes"], main.draws[f"driver.{label}.episodes"]
        ),
        "volatility effect given the episodes": main.statistics[f"driver.{label}.given"],
        "volatility effect given the episodes pvalue": main.pvalue(f"driver.{label}.given", "two"),
        "share taken by volatility": share,
        "share taken by volatility, lower": low,
        "share taken by volatility, upper": high,
    }
