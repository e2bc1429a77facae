r"""H2x, dose and response: whether the correlation is the higher, the larger the re-rating.

.. math:: \rho_t=\rho^{DCC}_t+\gamma\,(x_{t-1}-\bar x),\qquad H_0:\gamma=0,\quad H_1:\gamma>0,

with :math:`x` the size of the move in tech against the market. It is made of prices, and so is what it is to explain:
in each draw of the null world it is computed again from the drawn tech and market. Three classes of model are asked,
each through one statistic with a sign, and each with its law over the same kind of worlds, a DCC in which x does
nothing:

* **DCC-X**: the score of :math:`\gamma` at a DCC fitted without x (the statistic of H2, with a dose for the dummy);
  beside it the score of x inside the recursion of Q, which enters through :math:`f_t=x_t-\bar x+bf_{t-1}`;
* **STCC**: the score of the first-order expansion of a smooth transition at a constant correlation (Silvennoinen &
  Teräsvirta 2015), :math:`\sum(x_t-\bar x)s_t(\bar\rho)`; and given a transition in time (DSTCC), x less its
  projection on time;
* **RSDC**: the effect of x on the log odds of the high regime, :math:`\delta_{12}-\delta_{21}` per standard deviation
  of x, of a regime model with a normal penalty on the effects (a driver that separates few transitions has no finite
  maximum otherwise).

The usual laws of the last two believe the correlation to be constant, or constant within regimes; a correlation that
wanders like a DCC is then taken for a response. Here it is in the null.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from ..errors import ConvergenceError, DataError, SpecError, check_option
from ..estimation.bootstrap import null_interval, pvalue
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..kernels.dcc import pair_score
from ..regimes.likelihood import climb_regimes
from ..regimes.rsdc import RSDC, RSDCLikelihood
from ..regimes.spec import make_chain, reorder
from .detectable import normal_mde
from .headline import Headline, Sample, _redating
from .hypotheses import Evidence, not_testable
from .pipeline import PairFit, Pipeline, Redating, attach, own_world
from .plan import Plan
from .statistics import correlation_influence
from .world import DRAW_TOL, residuals

__all__ = ["Dose", "DoseRule", "DoseStrength", "RegimeDose", "dose_of", "dose_response", "judge_dose"]

MODELS = ("dcc-x", "stcc", "rsdc")
HORIZON = 126  # sessions of the relative strength where the plan names no dose
LAG = 1
LEAST_DOSED = 250  # sessions with a dose below which nothing is tested
REGIME_DRAWS = 99  # of the regime model, whose fits take tenths of a second
FEWEST_DRAWS = 200  # of the plan, below which the slow model is left out
STARTS = 4
PENALTY = 1.0  # standard deviation of an effect on log odds, per standard deviation of x


class Intensity(Protocol):
    """The dose of a sample: what a drawn world does to it."""

    def __call__(self, returns: Array) -> Array:
        """Dose (T,) known before each session, of percent ``returns`` (T, N); NaN where it is not known."""


@dataclass(frozen=True, eq=False)
class DoseStrength:
    """Size of the move of log(tech / market) over ``horizon`` sessions, ``lag`` sessions ago.

    Attributes
    ----------
    past : (H,) observed log(tech / market) up to the session before the window. tech, market : columns of the world.
    horizon, lag : sessions.
    """

    past: Array = field(repr=False)
    tech: int
    market: int
    horizon: int = HORIZON
    lag: int = LAG

    def __call__(self, returns: Array) -> Array:
        """Dose (T,) of percent returns (T, N); NaN before there are ``horizon`` + ``lag`` sessions of history."""
        moves = np.cumsum(returns[:, self.tech] - returns[:, self.market]) / 100.0
        path = np.concatenate([self.past, (self.past[-1] if self.past.size else 0.0) + moves])
        back = self.horizon + self.lag
        out = np.full(path.size, np.nan)
        out[back:] = np.abs(path[self.horizon : path.size - self.lag] - path[: path.size - back])
        return out[self.past.size :]


@dataclass(frozen=True, eq=False)
class DoseRule:
    """Intensity of a `ReRating` dated by a rule, computed again from a drawn sample.

    Attributes
    ----------
    redating : the rule, the observed past and the tested window.
    """

    redating: Redating

    def __call__(self, returns: Array) -> Array:
        """Dose (T,) of percent returns (T, N): the size of the move in force, in past standard deviations."""
        out: Array = np.abs(self.redating.intensity(returns))
        return out


@dataclass(frozen=True, eq=False)
class Dose:
    r"""Statistics of a dose; an extra of `Pipeline`.

    ``dose.score`` is one Newton step of :math:`\gamma` and ``dose.correlation`` the slope of the correlation's
    influence on x, both for two standard deviations of x, so that they compare with a contrast between two halves of
    the sample; ``dose.dccx``, ``dose.stcc`` and ``dose.dstcc`` are studentized scores.

    Attributes
    ----------
    intensity : the dose of a sample.
    """

    intensity: Intensity

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the statistics."""
        return ("dose.score", "dose.correlation", "dose.dccx", "dose.stcc", "dose.dstcc", "dose.sessions")

    def __call__(self, z: Array, returns: Array, signed: Array, fit: PairFit) -> dict[str, float]:
        """Statistics by name; NaN where the dose does not move."""
        del signed
        out = dict.fromkeys(self.names, float("nan"))
        try:
            x = self.intensity(returns)
        except (DataError, ConvergenceError):  # a drawn world its rule cannot date: lost, and counted
            return {**out, "dose.sessions": 0.0}
        known = np.isfinite(x)
        out["dose.sessions"] = float(known.sum())
        if known.sum() < 3 or not float(np.ptp(x[known])) > 0.0:
            return out
        unit = np.where(known, x - x[known].mean(), 0.0) / x[known].std()
        weight = float(unit**2 @ fit.information)
        out["dose.score"] = 2.0 * float(unit @ fit.score) / weight
        pair, own = z[known], unit[known]
        out["dose.correlation"] = 2.0 * float(own @ correlation_influence(pair[:, 0], pair[:, 1])) / own.size
        out["dose.dccx"] = _recursion_score(fit, unit)
        lik = fit.likelihood
        nu, const = lik.density(fit.optimum.theta)
        level = np.full(own.size, float(pair[:, 0] @ pair[:, 1] / np.sqrt(np.prod((pair**2).sum(axis=0)))))
        flat, _ = pair_score(np.ascontiguousarray(pair), level, nu, const)
        flat = flat - flat.mean()  # the score of the level itself, estimated with it
        time = np.flatnonzero(known).astype(float)
        time = (time - time.mean()) / time.std()
        out["dose.stcc"] = _studentized(own * flat)
        rest = own - time * float(time @ own) / own.size
        if float(rest @ rest) > 1e-16 * own.size:  # a dose that is time leaves rounding, which has no score
            out["dose.dstcc"] = _studentized(rest * flat)
        return out


def _studentized(moments: Array) -> float:
    size = float(np.sqrt(moments @ moments))
    return float(moments.sum()) / size if size > 0.0 else float("nan")


def _recursion_score(fit: PairFit, unit: Array) -> float:
    r"""Studentized score of c in :math:`Q_t=\dots+c\,x_tK`, K all ones, less its projection on the other scores."""
    lik, theta = fit.likelihood, fit.optimum.theta
    a, b, _, _ = lik.split(theta)
    f = lfilter([1.0], [1.0, -b], unit)
    news = np.concatenate([np.ones((1, 2)), lik.z[:-1] ** 2])
    q = lfilter([1.0], [1.0, -b], 1.0 - a - b + a * news, axis=0, zi=np.full((1, 2), b))[0]
    by_c = f * (1.0 / np.sqrt(q[:, 0] * q[:, 1]) - 0.5 * fit.path * (1.0 / q[:, 0] + 1.0 / q[:, 1]))
    own = by_c * fit.score
    rest = lik.evaluate(theta, 1)[1]
    size = np.sqrt(np.einsum("tk,tk->k", rest, rest))
    rest = rest[:, size > 1e-9 * max(float(size.max(initial=0.0)), 1e-300)]  # b has no score where a = 0
    if rest.shape[1]:
        own = own - rest @ np.linalg.lstsq(rest, own, rcond=None)[0]
    return _studentized(own)


@dataclass(frozen=True, eq=False)
class RegimeDose:
    """Effect of the dose on the odds of the high regime, of one draw; a picklable task.

    Attributes
    ----------
    pipeline : the null world and the tested pair. intensity : the dose of a sample. dist : densities by regime.
    starts, penalty : of the regime model's search.
    """

    pipeline: Pipeline
    intensity: Intensity
    dist: str = "t"
    starts: int = STARTS
    penalty: float = PENALTY

    def __call__(self, seed: np.random.SeedSequence) -> float:
        """Effect in the world drawn from ``seed``, margins and regimes refitted; NaN where there is none."""
        world = self.pipeline.world
        drawing, search = spawn(seed, 2)
        returns = world.draw(np.random.default_rng(drawing))
        pair = (self.pipeline.crypto, self.pipeline.equity)
        z = np.stack([residuals(world.specs[i], returns[:, i], world.optima[i], tol=DRAW_TOL)[0] for i in pair], axis=1)
        try:
            x = self.intensity(returns)
        except (DataError, ConvergenceError):
            return float("nan")
        return self.effect(z, x, search)[0]

    def effect(self, z: Array, x: Array, seed: np.random.SeedSequence) -> tuple[float, bool]:
        """Log-odds effect of one standard deviation of ``x`` (T,) on residuals (T, 2); whether the climb converged."""
        known = np.isfinite(x)
        z, x = np.ascontiguousarray(z[known]), x[known]
        if x.size < 3 or not float(np.ptp(x)) > 0.0:
            return float("nan"), True
        spec = RSDC(dist=self.dist, penalty=self.penalty)
        index = pd.RangeIndex(x.size)
        # the model lags a driver by one date, and this one is lagged already
        ahead = np.append(x[1:], x[-1])
        driver = pd.DataFrame({"dose": (ahead - x.mean()) / x.std()}, index)
        chain, _ = make_chain(spec, index, driver)
        lik = RSDCLikelihood(spec.emission(z, ("crypto", "equity")), chain)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                optimum, _ = climb_regimes(lik, self.starts, np.random.default_rng(seed))
                optimum = reorder(lik, optimum)
        except (np.linalg.LinAlgError, DataError, ConvergenceError):
            return float("nan"), False
        values = dict(zip(lik.layout.names, optimum.theta, strict=True))
        return float(values["delta[1,2].dose"] - values["delta[2,1].dose"]), bool(optimum.converged)


def dose_of(plan: Plan, sample: Sample, main: Headline, prices: pd.DataFrame) -> tuple[Intensity | None, str]:
    """Return the plan's dose on the tested window and what it is in words, or None and why there is none.

    Parameters
    ----------
    plan : ``dose``, else the episodes' own intensity, else the relative strength of ``tech`` against ``market``.
    sample, main, prices : of `test_claim`.

    Raises
    ------
    DataError : prices that lack a session of the rule behind the dose.
    """
    if plan.tech is None or plan.market is None:
        missing = "tech" if plan.tech is None else "market"
        return None, f"the plan names no {missing} column, and a dose is computed again in every draw."
    if plan.tech == plan.market:
        return None, f"tech and market are the same column, {plan.tech!r}: their ratio does not move."
    names = main.pipeline.world.names
    if plan.dose is not None:
        rule = _redating(replace(plan, episodes=plan.dose, guard="0D"), prices, sample.window[list(names)])
        assert rule is not None  # a plan refuses a dose without a rule
        return DoseRule(rule), f"intensity of '{plan.dose.name}'"
    if main.pipeline.redating is not None:
        return DoseRule(main.pipeline.redating), f"intensity of '{plan.episodes.name}'"
    both = prices[[plan.tech, plan.market]].dropna()
    before = both.loc[both.index < sample.window.index[0]]
    values = before.to_numpy(float)
    bad = ~(np.isfinite(values) & (values > 0.0)).all(axis=1)
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} prices of {plan.tech!r} or {plan.market!r} before {sample.window.index[0].date()} are "
            f"not positive and finite, the first on {before.index[bad][0].date()}: correct them, or name a dose."
        )
    past = np.log(values[:, 0] / values[:, 1])
    return DoseStrength(
        past, names.index(plan.tech), names.index(plan.market)
    ), f"|{HORIZON}-session log {plan.tech}/{plan.market}|, lagged one session"


def dose_response(
    plan: Plan,
    sample: Sample,
    main: Headline,
    prices: pd.DataFrame,
    seed: np.random.SeedSequence,
    *,
    models: Sequence[str] = MODELS,
    regime_draws: int = REGIME_DRAWS,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Evidence:
    """Evidence on H2x; see the module.

    The p-value is that of the primary class, DCC-X. The estimate is the change of the correlation of standardized
    residuals for two standard deviations of the dose.

    Parameters
    ----------
    plan, sample, main, prices : of `test_claim`. seed : of the draws.
    models : classes asked, "dcc-x" among them; "rsdc", whose fits are slow, is left out of plans with fewer than 200
        draws, and the result says so.
    regime_draws : draws of "rsdc". n_jobs, progress : as in `test_claim`.

    Raises
    ------
    SpecError : an unknown class, no "dcc-x". DataError : see `dose_of`.
    """
    if isinstance(models, str):
        raise SpecError(f"models={models!r}: pass a tuple, e.g. ({models!r},).")
    for name in models:
        check_option("models", name, MODELS)
    if "dcc-x" not in models:
        raise SpecError("models: 'dcc-x' is the primary class and cannot be left out.")
    nobs = len(main.index)
    intensity, what = dose_of(plan, sample, main, prices)
    if intensity is None:
        return not_testable("H2x", what, nobs)
    drawing, regimes = spawn(seed, 2)
    intensity(main.pipeline.world.returns)  # what a rule refuses in the data is said, not counted
    dose = Dose(intensity)
    attach(main, (dose,), drawing, n_jobs=n_jobs, progress=progress, label="dose")
    known = int(main.statistics["dose.sessions"])
    if known < LEAST_DOSED:
        return not_testable("H2x", f"only {known} sessions have a dose; {LEAST_DOSED} are needed.", nobs)
    detail: dict[str, Any] = {
        "dose": what,
        "sessions with a dose": known,
        "score": main.statistics["dose.score"],
        "dcc-x pvalue": main.pvalue("dose.score"),
        "dcc-x lower pvalue": main.pvalue("dose.score", "lower"),
        "dcc-x, in the recursion": main.statistics["dose.dccx"],
        "dcc-x, in the recursion pvalue": main.pvalue("dose.dccx"),
    }
    if "stcc" in models:
        detail["stcc"] = main.statistics["dose.stcc"]
        detail["stcc pvalue"] = main.pvalue("dose.stcc")
        detail["stcc lower pvalue"] = main.pvalue("dose.stcc", "lower")
        detail["stcc given time"] = main.statistics["dose.dstcc"]
        detail["stcc given time pvalue"] = main.pvalue("dose.dstcc")
    if "rsdc" in models and plan.draws < FEWEST_DRAWS:
        detail["rsdc left out"] = f"the plan has {plan.draws} draws, fewer than {FEWEST_DRAWS}"
    elif "rsdc" in models:
        task = RegimeDose(replace(main.pipeline, world=own_world(main)), intensity, plan.dist)
        own, drawn = spawn(regimes, 2)
        pair = [main.pipeline.crypto, main.pipeline.equity]
        effect, converged = task.effect(main.pipeline.world.z[:, pair], intensity(main.pipeline.world.returns), own)
        law = np.array(
            map_draws(task, spawn(drawn, regime_draws), n_jobs=n_jobs, progress=progress, label="regimes and dose")
        )
        detail["rsdc"], detail["rsdc converged"] = effect, converged
        detail["rsdc pvalue"], detail["rsdc lower pvalue"] = pvalue(effect, law), pvalue(effect, law, "lower")
        detail["rsdc draws"], detail["rsdc draws lost"] = law.size, int(np.sum(~np.isfinite(law)))
    p = main.pvalue("dose.score")
    lost = int(np.sum(~np.isfinite(main.draws["dose.score"])))
    if lost:
        detail["draws without a statistic"] = lost
    value, null = main.statistics["dose.correlation"], main.draws["dose.correlation"]
    lower, upper = null_interval(value, null)
    low90, high90 = null_interval(value, null, 0.90)
    return Evidence(
        "H2x",
        value,
        lower,
        upper,
        p,
        normal_mde(null, plan.alpha),
        known,
        f"score of the dose in a DCC, computed again with the dose in {len(main.draws)} draws; estimate is the change "
        f"for two standard deviations of {what}",
        low90=low90,
        high90=high90,
        detail=detail,
        reason="the dose does not move on this sample." if math.isnan(p) else "",
    )


def judge_dose(one: Evidence, adjusted: float, *, alpha: float, sesoi: float) -> tuple[str, str]:
    """Verdict on H2x and its reason.

    *supported*: the primary class rejects after adjustment, the estimate is positive, at least two classes reject
    at ``alpha``, and none rejects in the other direction. *contradicted*: the 90 % interval lies below the smallest
    effect of interest and holds zero or less. *inconclusive*: anything else.
    """
    if math.isnan(one.pvalue):
        return "not testable", one.reason or "the statistic cannot be computed on this sample."
    d = one.detail
    asked = [name for name in MODELS if not math.isnan(d.get(f"{name} pvalue", math.nan))]
    agree = [name for name in asked if d[f"{name} pvalue"] <= alpha]
    against = [name for name in asked if d[f"{name} lower pvalue"] <= alpha]
    each = ", ".join(f"{name} p = {d[f'{name} pvalue']:.3f}" for name in asked)
    effect = f"{one.estimate:+.2f} [{one.lower:+.2f}, {one.upper:+.2f}] for two standard deviations of the dose"
    if adjusted <= alpha and one.estimate > 0 and len(agree) >= 2 and not against:
        return "supported", f"{effect}; {len(agree)} of {len(asked)} model classes agree: {each}."
    if adjusted <= alpha and not against:
        missing = f"; {d['rsdc left out']}, so that class was not asked" if "rsdc left out" in d else ""
        return "inconclusive", (
            f"the primary test rejects, but not two model classes with a positive effect do: {effect}; {each}{missing}."
        )
    if against:
        return "inconclusive", f"{', '.join(against)} finds a fall, not a rise: {effect}; {each}."
    if one.high90 < sesoi and not one.low90 > 0:
        return "contradicted", (
            f"the 90 % interval [{one.low90:+.2f}, {one.high90:+.2f}] lies below the smallest effect of interest of "
            f"{sesoi:.2f}; {each}."
        )
    return "inconclusive", f"{effect}; {each}; the smallest effect this design could see (80 % power) is {one.mde:.2f}."
