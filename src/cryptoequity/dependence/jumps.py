r"""Joint jumps: days on which both series move by more than a threshold, against what their dependence gives anyway.

A series jumps on day t when :math:`|z_t|` exceeds a threshold: a share of its own days ("quantile"), a number of
standard deviations ("sd"), or Lee and Mykland's (2008) critical value for the largest of T returns over a local
volatility by bipower variation ("lee-mykland"). Theory: the page "Dependence in the tails".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from ..errors import DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.bootstrap import pvalue as drawn_pvalue
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import TestResult
from ..regimes.episodes import read_episodes, spells_of
from ..regimes.shifts import resample_blocks, shifted_matches
from ..volatility import EGARCH, GARCH
from .pair_world import PairWorld, draw_law, filter_pair
from .pairs import check_block, check_draws, check_share, read_pair

__all__ = ["CojumpTest", "cojump_episode_test", "cojump_test", "jump_days", "lee_mykland_statistic"]

RULES = ("quantile", "sd", "lee-mykland")
COUNT_PVALUES = ("shift", "hypergeometric", "dcc")
EPISODE_PVALUES = ("dcc", "block", "shift")
WINDOW = 16  # days of bipower variation that Lee and Mykland take for daily returns
FEWEST_JUMPS = 5
Bits = npt.NDArray[np.bool_]


# --- numbers on arrays


def lee_mykland_statistic(returns: Array, window: int = WINDOW) -> Array:
    r"""Returns over the root of the bipower variation of the days before (Lee & Mykland 2008), (T,).

    .. math:: L_t=r_t/\hat\sigma_t,\qquad
              \hat\sigma_t^2=\frac1{K-2}\sum_{j=t-K+2}^{t-1}|r_j||r_{j-1}| ,

    with K = ``window``; the first K - 1 days have none and are NaN, as are days after K days without a move.
    """
    r = np.abs(np.asarray(returns, dtype=np.float64))
    if not isinstance(window, int | np.integer) or isinstance(window, bool) or not 3 <= window < r.size:
        raise SpecError(f"window={window!r}: a whole number of days from 3 to {r.size - 1}.")
    products = r[1:] * r[:-1]  # entry j is |r_{j+1}||r_j|
    total = np.convolve(products, np.ones(window - 2), "valid")
    out = np.full(r.size, np.nan)
    variance = total[: r.size - window + 1] / (window - 2)
    root = np.sqrt(variance)
    out[window - 1 :] = np.asarray(returns, float)[window - 1 :] / np.where(root > 0.0, root, np.nan)
    return out


def _critical_value(nobs: int, alpha: float) -> float:
    r"""Lee and Mykland's :math:`C_n+S_n\beta`, with :math:`\beta=-\ln(-\ln(1-\alpha))`."""
    c = np.sqrt(2.0 / np.pi)
    root = np.sqrt(2.0 * np.log(nobs))
    center = root / c - (np.log(np.pi) + np.log(np.log(nobs))) / (2.0 * c * root)
    return float(center - np.log(-np.log(1.0 - alpha)) / (c * root))


def jump_days(values: Array, rule: str = "quantile", level: float = 0.05, window: int = WINDOW) -> Bits:
    """Days (T,) on which a series jumps.

    Parameters
    ----------
    values : (T,) returns or residuals.
    rule : "quantile": the share ``level`` of days with the largest moves, as many whatever their law; "sd": moves of
        more than ``level`` standard deviations; "lee-mykland": moves beyond the value that the largest of T days
        exceeds with probability ``level`` when nothing jumps.
    window : days of local volatility of "lee-mykland"; the days before it has any never count.
    """
    check_option("rule", rule, RULES)
    x = np.asarray(values, dtype=np.float64)
    if rule == "sd":
        if not level > 0.0:
            raise SpecError(f"level={level!r}: a positive number of standard deviations.")
        beyond: Bits = np.abs(x - x.mean()) > level * x.std()
        return beyond
    if rule == "quantile":
        check_share("level", level)
        count = int(np.rint(level * x.size))
        out = np.zeros(x.size, bool)
        out[np.argsort(-np.abs(x - np.median(x)), kind="stable")[:count]] = True
        return out
    check_share("level", level)
    found = np.abs(lee_mykland_statistic(x, window))
    bits: Bits = np.nan_to_num(found, nan=0.0) > _critical_value(x.size, level)
    return bits


@dataclass(frozen=True)
class _Rule:
    """What counts as a jump, and what of two jumps."""

    rule: str
    level: float
    window: int
    same_sign: bool

    def days(self, values: Array) -> tuple[Bits, Bits, Bits]:
        """Jump days of x, of y, and joint ones; with ``same_sign`` only those in one direction."""
        one, two = (jump_days(values[:, i], self.rule, self.level, self.window) for i in (0, 1))
        joint = one & two
        if self.same_sign:
            joint &= values[:, 0] * values[:, 1] > 0.0
        return one, two, joint


# --- how many


@dataclass(frozen=True, eq=False)
class CojumpTest(TestResult):
    """Outcome of `cojump_test` and `cojump_episode_test`.

    Attributes
    ----------
    days : the joint jumps: date, both moves, whether in one direction and, of an episode test, whether inside.
    """

    days: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    def to_frame(self) -> pd.DataFrame:
        """The joint jumps, one row a day."""
        return self.days

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation(*(("leemykland2008",) if self.detail.get("rule") == "lee-mykland" else ()), "engle2002")


@dataclass(frozen=True)
class _Count:
    """Joint jumps of a sample, (1,)."""

    rule: _Rule

    def __call__(self, values: Array) -> Array:
        return np.array([float(self.rule.days(values)[2].sum())])


def _listed(values: Array, index: pd.Index, names: tuple[str, str], joint: Bits) -> pd.DataFrame:
    frame = pd.DataFrame(values[joint], index[joint], list(names))
    frame["same direction"] = values[joint, 0] * values[joint, 1] > 0.0
    return frame


def cojump_test(
    x: Any,
    y: Any,
    *,
    rule: str = "quantile",
    level: float = 0.05,
    window: int = WINDOW,
    same_sign: bool = False,
    margins: GARCH | EGARCH | None = None,
    pvalue: str = "shift",
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> CojumpTest:
    r"""Test that two series jump on the same days no more often than their dependence gives.

    The statistic is the number of days on which both jump. What it is held against is ``pvalue``:

    * "shift": nothing joins the two. All circular shifts of one against the other keep the clusters of either;
    * "hypergeometric": nothing joins the two and jumps come without clusters,
      :math:`P(N=k)=\binom{n_1}{k}\binom{T-n_1}{n_2-k}/\binom{T}{n_2}`;
    * "dcc": a moving correlation with joint t shocks joins them, and nothing else does. Samples are drawn from the
      fitted margins and DCC, with the t density and not with the sample's own shocks, which hold its joint jumps.

    Parameters
    ----------
    x, y : returns or residuals with the same rows.
    rule, level, window : what a jump is; see `jump_days`.
    same_sign : count joint jumps in one direction only.
    margins : filter both by this volatility model first; None takes them as they are.
    pvalue : "shift", rotations of one series against the other; "hypergeometric", independent days; "dcc", draws.
    draws, rng, n_jobs : of "dcc".

    Returns
    -------
    CojumpTest : ``detail`` has the count expected under the law used and under independence; ``days`` the dates.

    Notes
    -----
    **Robustness.** Two series whose volatility rises together jump together with no link between shocks: on raw returns
    "shift" and "hypergeometric" then reject for the volatility; pass ``margins=GARCH(dist="t")``. "hypergeometric" is
    too small where jumps cluster. Shifts ask for stationary series. A correlation alone brings joint jumps: rejecting
    independence says no more than that; "dcc" asks for more than correlation. Without ``same_sign`` a joint jump may be
    in opposite directions. For sizes see ``benchmarks/dependence_sizes.py``.

    Raises
    ------
    DataError : series that do not match, are too short or blank; fewer than five jumps in one of them.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("peaks"))
    >>> test = ce.cojump_test(returns["COIN"], returns["SMALL_TECH"], level=0.1)
    >>> test.pvalue < 0.05
    True
    """
    check_option("pvalue", pvalue, COUNT_PVALUES)
    check_draws(draws)
    pair = read_pair(x, y)
    chosen = _Rule(rule, level, window, same_sign)
    values = filter_pair(pair.values, margins)
    index = pair.index[pair.nobs - values.shape[0] :]
    nobs = int(values.shape[0])
    one, two, joint = chosen.days(values)
    _require_jumps(one, two, pair.names, chosen)
    count = int(joint.sum())
    detail = _detail(one, two, joint, values, chosen)
    law = np.empty(0)
    failed = 0
    null = "jumps of the one have nothing to do with those of the other"
    if pvalue == "hypergeometric":
        if same_sign:
            raise SpecError("pvalue='hypergeometric' knows days, not directions; use pvalue='shift' with same_sign.")
        chance = float(stats.hypergeom.sf(count - 1, nobs, int(one.sum()), int(two.sum())))
        reference = f"hypergeometric: {int(one.sum())} and {int(two.sum())} jumps on {nobs} days"
        detail["expected"] = detail["expected if independent"]
    elif pvalue == "shift":
        if same_sign:
            up, down = values > 0.0, values < 0.0
            law = sum(
                np.rint(shifted_matches((one & side[:, 0]).astype(float), (two & side[:, 1]).astype(float)))
                for side in (up, down)
            )  # type: ignore[assignment]
        else:
            law = np.rint(shifted_matches(one.astype(float), two.astype(float)))
        chance = float(np.mean(law >= law[0]))  # the unshifted calendar is one of them
        reference = f"{nobs} circular shifts"
        detail["expected"] = float(law.mean())
    else:
        world = PairWorld.fit(pair.values, margins, "parametric")
        law = draw_law(world, _Count(chosen), draws, rng, n_jobs)[:, 0]
        failed = int((~np.isfinite(law)).sum())
        detail["draws that failed"], detail["null converged"] = failed, world.converged
        detail["expected"] = float(np.nanmean(law)) if failed < draws else float("nan")
        chance = drawn_pvalue(float(count), law)
        reference = f"{draws - failed} {world.reference}"
        null = "the two jump together as a moving correlation with joint t shocks makes them"
    detail["null"] = law
    reason = ""
    if failed > 0.1 * draws:
        chance, reason = float("nan"), f"{failed} of {draws} draws could not be computed"
    return CojumpTest(
        "Joint jumps", null, float(count), chance, reference, detail, reason, _listed(values, index, pair.names, joint)
    )


def _require_jumps(one: Bits, two: Bits, names: tuple[str, str], rule: _Rule) -> None:
    for bits, name in ((one, names[0]), (two, names[1])):
        if int(bits.sum()) < FEWEST_JUMPS:
            raise DataError(
                f"{name!r} jumps on {int(bits.sum())} of {bits.size} days by rule={rule.rule!r}, level={rule.level:g}; "
                f"{FEWEST_JUMPS} are needed. Choose a level that counts more days."
            )


def _detail(one: Bits, two: Bits, joint: Bits, values: Array, rule: _Rule) -> dict[str, Any]:
    both = one & two
    alike = int((values[both, 0] * values[both, 1] > 0.0).sum())
    return {
        "jumps of x": int(one.sum()),
        "jumps of y": int(two.sum()),
        "joint jumps": int(joint.sum()),
        "expected if independent": float(one.sum()) * float(two.sum()) / one.size,
        "days": int(one.size),
        "in one direction": alike,
        "rule": rule.rule,
        "level": rule.level,
    }


# --- inside and outside


@dataclass(frozen=True, eq=False)
class _Rate:
    """Share of the jumps of y that x joins, inside minus outside, (1,); NaN where y does not jump in one of them."""

    rule: _Rule
    inside: Bits = field(repr=False)

    def __call__(self, values: Array) -> Array:
        _, two, joint = self.rule.days(values)
        return np.array([_rate_gap(two, joint, self.inside)])


@dataclass(frozen=True, eq=False)
class _BlockRate:
    """The contrast of resampled rows under the episodes as they are."""

    values: Array = field(repr=False)
    rate: _Rate
    block: float

    def __call__(self, seed: np.random.SeedSequence) -> float:
        rows = resample_blocks(self.values.shape[0], self.block, np.random.default_rng(seed))
        return float(self.rate(self.values[rows])[0])


def _rate_gap(two: Bits, joint: Bits, inside: Bits) -> float:
    within, without = int((two & inside).sum()), int((two & ~inside).sum())
    if not within or not without:
        return float("nan")
    return float((joint & inside).sum()) / within - float((joint & ~inside).sum()) / without


def cojump_episode_test(
    x: Any,
    y: Any,
    episodes: Any,
    *,
    rule: str = "quantile",
    level: float = 0.1,
    window: int = WINDOW,
    same_sign: bool = True,
    side: str = "upper",
    margins: GARCH | EGARCH | None = None,
    pvalue: str = "dcc",
    block: float | None = None,
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> CojumpTest:
    """Test that x joins the jumps of y as often inside episodes as outside.

    The statistic is the share of the jumps of y on which x jumps too, inside minus outside: more jumps of y inside,
    which is what a re-rating is, do not raise it by themselves.

    Parameters
    ----------
    x, y : returns or residuals with the same rows; y is the one whose jumps are followed (tech, where x is crypto).
    episodes : 0/1 Series by date, or spells.
    rule, level, window : what a jump is; see `jump_days`. same_sign : x must jump in the direction of y.
    side : "upper" (more inside), "lower" or "two".
    margins : filter both by this volatility model first; None takes them for residuals.
    pvalue : "dcc", "block" or "shift", as in `tail_equality_test`. block : mean block, by default the root of T.
    draws, rng, n_jobs : of "dcc" and "block".

    Returns
    -------
    CojumpTest : ``detail`` has both shares with the counts; ``days`` the joint jumps, inside or not.

    Notes
    -----
    **Robustness.** Thresholds are those of the whole sample: on raw returns a volatile episode makes x jump more often
    for its volatility alone. Filter (``margins=GARCH(dist="t")``). A higher correlation inside raises the share; this
    tells co-movement of large moves, not a law of jumps. A break in correlation is taken for an effect of episodes that
    lie on one side of it, and episodes dated from the tested series make the p-values too small. Few jumps inside make
    a coarse statistic: see the counts. Sizes in ``benchmarks/dependence_sizes.py``.

    Raises
    ------
    DataError : series that do not match, are too short or blank; fewer than five jumps of y inside or outside.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("peaks")).loc["2020-03-16":]
    >>> spells = [(one["start"], one["end"]) for one in ce.load_truth("peaks")["spells"]]
    >>> test = ce.cojump_episode_test(returns["COIN"], returns["SMALL_TECH"], spells, pvalue="block", draws=99)
    >>> 0 < test.pvalue <= 1
    True
    """
    check_option("pvalue", pvalue, EPISODE_PVALUES)
    check_option("side", side, ("upper", "lower", "two"))
    check_draws(draws)
    pair = read_pair(x, y)
    bits = read_episodes(episodes, pair.index)
    chosen = _Rule(rule, level, window, same_sign)
    values = filter_pair(pair.values, margins)
    nobs = int(values.shape[0])
    index, inside = pair.index[pair.nobs - nobs :], bits[pair.nobs - nobs :]
    one, two, joint = chosen.days(values)
    _require_jumps(one, two, pair.names, chosen)
    detail = _detail(one, two, joint, values, chosen)
    for where, part in (("inside", inside), ("outside", ~inside)):
        count = int((two & part).sum())
        if count < FEWEST_JUMPS:
            raise DataError(
                f"{pair.names[1]!r} jumps on {count} days {where} the episodes by rule={rule!r}, level={level:g}; "
                f"{FEWEST_JUMPS} are needed. Choose a level that counts more days, or longer episodes."
            )
        detail[f"jumps of y {where}"] = count
        detail[f"joined {where}"] = int((joint & part).sum())
        detail[f"share joined {where}"] = float((joint & part).sum()) / count
    detail["spells"] = len(spells_of(inside))
    observed = _rate_gap(two, joint, inside)
    rate = _Rate(chosen, inside)
    failed = 0
    if pvalue == "shift":
        law = _shifted_gaps(two, joint, inside)
        usable = law[np.isfinite(law)]
        center = float(np.median(usable))
        gap = {"upper": usable - observed, "lower": observed - usable,
               "two": np.abs(usable - center) - abs(observed - center)}[side]  # fmt: skip
        chance = float(np.mean(gap >= -1e-12))
        failed = int(law.size - usable.size)
        reference = f"{usable.size} circular shifts of {detail['spells']} spells"
    elif pvalue == "block":
        length = check_block(block, nobs)
        detail["mean block"] = length
        task = _BlockRate(values, rate, length)
        law = np.array(map_draws(task, spawn(rng, draws), n_jobs=n_jobs, label="null draws"), dtype=np.float64)
        failed = int((~np.isfinite(law)).sum())
        chance = drawn_pvalue(observed, law, side)
        reference = f"{draws - failed} stationary bootstraps of the rows"
    else:
        world = PairWorld.fit(pair.values, margins, "fhs")
        law = draw_law(world, rate, draws, rng, n_jobs)[:, 0]
        failed = int((~np.isfinite(law)).sum())
        detail["null converged"] = world.converged
        chance = drawn_pvalue(observed, law, side)
        reference = f"{draws - failed} {world.reference}"
    detail["draws that failed"] = failed
    detail["null"] = law
    reason = ""
    if failed > 0.1 * law.size:
        chance, reason = float("nan"), f"{failed} of {law.size} draws could not be computed"
    days = _listed(values, index, pair.names, joint)
    days["inside"] = inside[joint]
    return CojumpTest(
        "Joint jumps inside and outside episodes",
        f"{pair.names[0]} joins the jumps of {pair.names[1]} as often inside the episodes as outside",
        observed,
        chance,
        reference,
        detail,
        reason,
        days,
    )


def _shifted_gaps(two: Bits, joint: Bits, inside: Bits) -> Array:
    """Contrast of the shares at every circular shift of the episodes, (T,); entry 0 is unshifted."""
    calendar = inside.astype(float)
    within = np.rint(shifted_matches(two.astype(float), calendar))
    hits = np.rint(shifted_matches(joint.astype(float), calendar))
    without, misses = two.sum() - within, joint.sum() - hits
    safe = (within > 0) & (without > 0)
    out = np.full(two.size, np.nan)
    out[safe] = hits[safe] / within[safe] - misses[safe] / without[safe]
    return out
