r"""H0m, "not static": whether the correlation moves at all. What does not move cannot peak.

The null is a constant correlation between fitted margins, and its law that of whole samples drawn from it, margins
refitted in each. Two statistics are taken:

* the score of a DCC at a constant correlation. With :math:`\varepsilon_t=z_{1t}z_{2t}-\bar\rho\,(z_{1t}^2+z_{2t}^2)/2`

  .. math:: LM=\sup_{b}\frac{\sum_t s_tf_t(b)}{\{\sum_t s_t^2f_t(b)^2\}^{1/2}},\qquad f_t(b)=\varepsilon_{t-1}+bf_{t-1},

  :math:`s_t` the score of each date in its own correlation, t errors included. The decay b does not exist under the
  null (Davies 1987), so that LM has no :math:`\chi^2` law, and it is one-sided as a is not negative;
* the fluctuation statistic of Wied, Krämer and Dehling (2012), for a change of level.

Their p-values are joined by the smaller one, compared with its own law over the same draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from ..breaks.correlation_null import long_run_of
from ..breaks.wied import peak
from ..correlation.dcc import CCC
from ..correlation.spec import climb_correlation
from ..errors import DataError
from ..estimation.bootstrap import null_interval, pvalue, standardize_shocks
from ..estimation.optimize import Optimum
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..kernels.dcc import dcc_whiten, pair_score
from .headline import Headline, Sample, headline_pair
from .hypotheses import Evidence
from .pipeline import PairFit, attach
from .plan import Plan
from .world import DRAW_TOL, NullWorld, residuals

__all__ = [
    "Constancy",
    "ConstantDraw",
    "constancy_statistics",
    "constant_world",
    "decay_score",
    "joint_pvalue",
    "judge_varies",
    "nothing_to_peak",
    "varies",
]

DECAYS = (0.8, 0.9, 0.95, 0.97, 0.985, 0.995)
FIRST = 10  # observations before the first fluctuation
STATISTICS = ("constancy.lm", "constancy.wied")


def decay_score(z: Array, nu: float, const: Array, decays: tuple[float, ...] = DECAYS) -> float:
    """Largest studentized score of a DCC over ``decays`` at a constant correlation; NaN where it has no variance.

    Parameters
    ----------
    z : (T, 2) residuals. nu, const : degrees of freedom (0: normal) and the density's constants.
    """
    rho = float(z[:, 0] @ z[:, 1] / np.sqrt((z[:, 0] @ z[:, 0]) * (z[:, 1] @ z[:, 1])))
    if not abs(rho) < 1.0:
        return float("nan")
    score, _ = pair_score(z, np.full(z.shape[0], rho), nu, const)
    score = score - score.mean()  # the level is estimated
    scale = z / np.sqrt((z**2).mean(axis=0))
    news = scale[:, 0] * scale[:, 1] - 0.5 * rho * (scale**2).sum(axis=1)
    past = np.concatenate([[0.0], news[:-1]])
    best = -math.inf
    for decay in decays:
        moments = score * lfilter([1.0], [1.0, -decay], past)
        size = float(np.sqrt(moments @ moments))
        if not size > 0.0:
            return float("nan")
        best = max(best, float(moments.sum()) / size)
    return best


def constancy_statistics(z: Array, dist: str, warm: Optimum | None = None) -> dict[str, float]:
    """Both statistics of residuals (T, 2), the degrees of freedom fitted with a constant correlation first."""
    z = np.ascontiguousarray(z)
    lik, optimum = climb_correlation(CCC(dist=dist), z, start=None if warm is None else warm.theta)
    theta = np.empty(0) if optimum is None else optimum.theta
    nu, const = lik.density(theta)
    x, y = np.ascontiguousarray(z[:, 0]), np.ascontiguousarray(z[:, 1])
    wied = float(peak(x, y, FIRST, long_run_of(None, z.shape[0])))
    return {"constancy.lm": decay_score(z, nu, const), "constancy.wied": wied}


@dataclass(frozen=True)
class Constancy:
    """Movement of the correlation in a sample: an extra of `Pipeline`.

    Over draws of the fitted DCC it says how often the tests would have found the movement that was fitted.

    Attributes
    ----------
    dist : errors.
    """

    dist: str = "t"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the statistics."""
        return ("path.sd", *STATISTICS)

    def __call__(self, z: Array, returns: Array, signed: Array, fit: PairFit) -> Mapping[str, float]:
        """Standard deviation of the DCC path and both statistics of constancy."""
        del returns, signed
        return {"path.sd": float(fit.path.std()), **constancy_statistics(z, self.dist)}


def constant_world(world: NullWorld) -> NullWorld:
    """Return the world with a = b = 0: the same margins and level, and shocks whitened by the constant correlation.

    Raises
    ------
    DataError : collinear columns.
    """
    z = np.ascontiguousarray(world.z)
    white = dcc_whiten(0.0, 0.0, z, world.target, world.target, world.target)
    theta = world.correlation.theta.copy()
    theta[:2] = 0.0
    return replace(world, correlation=replace(world.correlation, theta=theta), shocks=standardize_shocks(white))


@dataclass(frozen=True, eq=False)
class ConstantDraw:
    """Both statistics of one sample with a constant correlation, margins refitted; a picklable task.

    Attributes
    ----------
    world : of the pair, with a = b = 0. dist : errors.
    """

    world: NullWorld
    dist: str

    def __call__(self, seed: np.random.SeedSequence) -> Array:
        """Statistics (2,) in the order of `STATISTICS`; NaN where the sample has none."""
        world = self.world
        returns = world.draw(np.random.default_rng(seed))
        z = np.empty_like(returns)
        for i in range(2):
            z[:, i] = residuals(world.specs[i], returns[:, i], world.optima[i], tol=DRAW_TOL)[0]
        try:
            found = constancy_statistics(z, self.dist)
        except (DataError, np.linalg.LinAlgError):
            return np.full(2, np.nan)
        return np.array([found[name] for name in STATISTICS])


def joint_pvalue(observed: Array, null: Array) -> float:
    """P-value of the smallest of several p-values, by the draws all of them share.

    Data and draws are ranked together in every column, each takes its smallest rank, and the data's is compared with
    the draws': exact under exchangeability, ties counted against the data.

    Parameters
    ----------
    observed : (K,) statistics, large against the null. null : (B, K) draws; rows with a NaN are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from cryptoequity.claim.dynamics import joint_pvalue
    >>> null = np.random.default_rng(0).standard_normal((99, 2))
    >>> joint_pvalue(np.array([9.0, 0.0]), null) <= 0.02
    True
    """
    kept = null[np.isfinite(null).all(axis=1)]
    if not kept.shape[0] or not np.isfinite(observed).all():
        return float("nan")
    pooled = np.concatenate([observed[None], kept])
    count = pooled.shape[0]
    ranks = np.empty(pooled.shape)
    for k in range(pooled.shape[1]):
        ranks[:, k] = count - np.searchsorted(np.sort(pooled[:, k]), pooled[:, k], side="left")
    least = ranks.min(axis=1)
    return float(np.mean(least <= least[0]))


def varies(
    plan: Plan,
    sample: Sample,
    main: Headline,
    prices: pd.DataFrame,
    seed: np.random.SeedSequence,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Evidence:
    r"""Evidence on H0m; see the module. "Supported" means that the correlation moves.

    The estimate is the standard deviation of the fitted DCC path, with an interval from draws of that DCC.

    Parameters
    ----------
    plan, sample, main, prices : of `test_claim`. seed : of the draws. n_jobs, progress : as in `test_claim`.

    Notes
    -----
    **Robustness.** GARCH and fat tails are in the null: margins are refitted in every draw and shocks are the
    sample's own. A margin that is wrong about volatility (a break in the variance) leaves residuals whose products
    move, and is taken for movement of the correlation; so is a level that steps once, which is why the window
    begins after the break. Do not read it on the full sample.
    """
    del sample, prices
    constancy = Constancy(plan.dist)
    driven, constant = spawn(seed, 2)
    attach(main, (constancy,), driven, n_jobs=n_jobs, progress=progress, label="movement")
    pair = headline_pair(main).world
    task = ConstantDraw(constant_world(pair), plan.dist)
    null = np.array(
        map_draws(task, spawn(constant, plan.draws), n_jobs=n_jobs, progress=progress, label="constant correlation")
    )
    observed = np.array([main.statistics[name] for name in STATISTICS])
    p = joint_pvalue(observed, null)
    detail: dict[str, Any] = {
        "score of a DCC": float(observed[0]),
        "score of a DCC pvalue": pvalue(float(observed[0]), null[:, 0]),
        "Wied-Kraemer-Dehling": float(observed[1]),
        "Wied-Kraemer-Dehling pvalue": pvalue(float(observed[1]), null[:, 1]),
        "draws lost": int(np.sum(~np.isfinite(null).all(axis=1))),
        "power at the fitted DCC": _power(main, null, plan.alpha),
    }
    value = main.statistics["path.sd"]
    # draws of the fitted DCC lie around what was fitted
    noise = main.draws["path.sd"] - value
    lower, upper = null_interval(value, noise)
    low90, high90 = null_interval(value, noise, 0.90)
    return Evidence(
        "H0m",
        value,
        lower,
        upper,
        p,
        math.nan,
        len(main.index),
        f"smaller p of a score of DCC and of Wied, Krämer and Dehling's fluctuations; {len(null)} draws with a "
        "constant correlation, margins refitted; estimate is the standard deviation of the DCC path",
        low90=low90,
        high90=high90,
        detail=detail,
        reason="the statistics cannot be computed on this sample." if math.isnan(p) else "",
    )


def _power(main: Headline, null: Array, alpha: float) -> float:
    """Share of the samples of the fitted DCC in which one of the statistics passes its Bonferroni critical value."""
    kept = null[np.isfinite(null).all(axis=1)]
    if not kept.shape[0]:
        return float("nan")
    critical = np.quantile(kept, 1.0 - alpha / kept.shape[1], axis=0)
    drawn = np.stack([main.draws[name] for name in STATISTICS], axis=1)
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    return float(np.mean((drawn > critical).any(axis=1))) if drawn.shape[0] else float("nan")


def judge_varies(one: Evidence, adjusted: float, *, alpha: float, sesoi: float) -> tuple[str, str]:
    """Verdict on H0m and its reason.

    *supported*: constancy is rejected. *contradicted*: it is not, and twice the upper end of the 90 % interval of
    the path's standard deviation lies below the smallest effect of interest. *inconclusive*: anything else, with the
    power the test would have had if the fitted DCC were true.
    """
    if math.isnan(one.pvalue):
        return "not testable", one.reason or "the statistic cannot be computed on this sample."
    if adjusted <= alpha:
        return "supported", (
            f"a constant correlation is rejected, p = {adjusted:.3f}; the fitted path has a standard deviation of "
            f"{one.estimate:.2f}."
        )
    if 2.0 * one.high90 < sesoi:
        return "contradicted", (
            f"a constant correlation is not rejected, p = {adjusted:.3f}, and the path moves by less than the smallest "
            f"effect of interest of {sesoi:.2f}: its standard deviation is at most {one.high90:.3f}."
        )
    return "inconclusive", (
        f"a constant correlation is not rejected, p = {adjusted:.3f}; were the fitted DCC true (standard deviation of "
        f"its path {one.estimate:.2f}), the test would see it in {one.detail['power at the fitted DCC']:.0%} of the "
        "samples."
    )


def nothing_to_peak(one: Evidence, *, alpha: float) -> str:
    """What H2's sentence adds where the correlation cannot be shown to move; empty where it can."""
    if math.isnan(one.pvalue) or one.pvalue <= alpha:
        return ""
    return f"the correlation cannot be shown to move at all (p = {one.pvalue:.3f}): there may be nothing to peak."
