r"""What a driver does to a correlation in the long run, with delta-method errors, and the test that it does nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import SpecError, check_option
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array
from ..estimation.results import TestResult
from .bootstrap import NullDraws, draws_from
from .driven import DrivenLikelihood, FisherLikelihood
from .model import PathModel, second_moment_target

if TYPE_CHECKING:
    from .dccx import DCCX
    from .fit import CorrelationFit

__all__ = ["effect_draws", "effect_frame", "score_effect_test", "wald_test"]

# climbs on drawn samples stop here: a thousandth of what would move a p-value
TOL = 1e-5


class LongRun(Protocol):
    """A model that says where its correlations settle when the drivers stay where they are."""

    def long_run(self, theta: Array, nuisance: Array, driver: Array) -> Array:
        """Correlations (P,) at drivers ``driver`` (M,)."""


def effect_frame(fit: CorrelationFit, level: float = 0.95, spread: Array | None = None) -> pd.DataFrame:
    """Long-run change of each correlation for one standard deviation of each driver; see `DCCXFit.driver_effects`."""
    if not 0.0 < level < 1.0:
        raise SpecError(f"level={level}: a level lies between 0 and 1, e.g. 0.95.")
    model: Any = fit.likelihood
    if fit.driver is None or not hasattr(model, "long_run"):
        raise SpecError(f"{fit.spec.name} is not driven by anything; fit a model with driver=.")
    labels = [str(name) for name in fit.driver.columns]
    center: Array = np.asarray(model.center, float)
    size = fit.driver.to_numpy(float).std(axis=0, ddof=1) if spread is None else spread
    count = model.nuisance.size + fit.theta.size
    point = np.concatenate([model.nuisance, fit.theta])
    cov = fit.estimate.cov[-count:, -count:] if fit.estimate.cov.shape[0] >= count else np.full((count, count), np.nan)
    quantile = float(stats.norm.isf((1.0 - level) / 2.0))
    rows, records = [], []
    for m, label in enumerate(labels):
        low, high = center.copy(), center.copy()
        low[m] -= 0.5 * size[m]
        high[m] += 0.5 * size[m]
        effect = _change(model, point, low, high)
        error = _delta_errors(model, point, low, high, cov)
        own = [name.endswith((f".c{m + 1}", ".theta")) for name in model.layout.names]
        if np.isnan(np.diag(cov)[model.nuisance.size :][own]).any():
            error = np.full_like(error, np.nan)
        for k, (i, j) in enumerate(zip(*model.pairs, strict=True)):
            rows.append((label, fit.names[i], fit.names[j]))
            half = quantile * error[k]
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = effect[k] / error[k]
            records.append((effect[k], error[k], ratio, effect[k] - half, effect[k] + half, low[m], high[m]))
    index = pd.MultiIndex.from_tuples(rows, names=["driver", "i", "j"])
    return pd.DataFrame(records, index, ["effect", "std err", "t", "lower", "upper", "from", "to"])


def _change(model: Any, point: Array, low: Array, high: Array) -> Array:
    """Long-run correlations (P,) at ``high`` less those at ``low``."""
    first = model.nuisance.size
    nuisance, theta = point[:first], point[first:]
    out: Array = model.long_run(theta, nuisance, high) - model.long_run(theta, nuisance, low)
    return out


def _delta_errors(model: Any, point: Array, low: Array, high: Array, cov: Array) -> Array:
    """Standard errors (P,) by central differences; parameters without an error, on their bounds, are taken as known."""
    scale = np.sqrt(np.diag(cov))
    slopes = np.zeros((model.pairs[0].size, point.size))
    for k in range(point.size):
        step = 1e-5 * max(abs(point[k]), float(scale[k]) if scale[k] > 0.0 else 0.0, 1e-8)
        ends = []
        for sign in (1.0, -1.0):
            moved = point.copy()
            moved[k] += sign * step
            ends.append(_change(model, moved, low, high))
        slopes[:, k] = (ends[0] - ends[1]) / (2.0 * step)
    known = np.isfinite(scale)
    part = slopes[:, known]
    variance = np.einsum("pk,kl,pl->p", part, cov[np.ix_(known, known)], part)
    return np.where(~np.isfinite(slopes).all(axis=1), np.nan, np.sqrt(np.maximum(variance, 0.0)))


@dataclass(frozen=True, eq=False)
class Warm:
    """Where climbs on a drawn sample begin: the optima of the data."""

    null: Optimum
    full: Optimum


@dataclass(frozen=True, eq=False)
class _Effect:
    """Statistics of no effect of the tested drivers, of residuals; picklable. ``wanted``: "score", "lr" or both."""

    spec: DCCX
    names: tuple[str, ...]
    tested: tuple[int, ...]
    target: Array | None = field(repr=False)
    wanted: tuple[str, ...]

    def models(self, z: Array, driver: Array) -> tuple[DrivenLikelihood | FisherLikelihood, PathModel]:
        """Return the likelihood with all drivers and the one without those tested."""
        kept = [m for m in range(driver.shape[1]) if m not in self.tested]
        full = self.spec.model(z, names=self.names, driver=driver, target=self.target)
        rest = self.spec.without(self.tested, driver.shape[1])
        return full, rest.model(z, names=self.names, driver=driver[:, kept], target=self.target)

    def embed(self, theta: Array, drivers: int) -> Array:
        """Parameters of the full model with no effect of the tested drivers, from those of the null."""
        kept = [2 + m for m in range(drivers) if m not in self.tested]
        out = np.zeros(theta.size + len(self.tested))
        out[[0, 1, *kept, *range(2 + drivers, out.size)]] = theta
        return out

    def __call__(self, z: Array, driver: Array | None, warm: Warm | None) -> Mapping[str, float]:
        """Statistics by name; climbs start where those of the data ended, the full model's at the null as well."""
        if driver is None or warm is None:
            raise SpecError("the test of drivers needs the drivers and the optima of the data.")
        full, null = self.models(z, driver)
        below = maximize(null, [warm.null.theta], tol=TOL, curvature=warm.null.curvature)
        point = self.embed(below.theta, driver.shape[1])
        out = {}
        if "score" in self.wanted:
            out["score"] = self.score(full, point)
        if "lr" in self.wanted:
            above = maximize(full, [point, warm.full.theta], polish=2, tol=TOL, curvature=warm.full.curvature)
            out["lr"] = 2.0 * (above.loglik - below.loglik)
        return out

    def score(self, full: PathModel, theta: Array) -> float:
        """Sum of e_t squared over its own variance, e_t the scores of the effects less what the others explain."""
        scores = full.evaluate(theta, 1)[1]
        at = [2 + m for m in self.tested]
        rest = np.delete(scores, at, axis=1)
        # a direction without information (b when a = 0) projects to nothing
        size = np.sqrt(np.einsum("tk,tk->k", rest, rest))
        rest = rest[:, size > 1e-9 * max(float(size.max(initial=0.0)), 1e-300)]
        own = scores[:, at]
        if rest.shape[1]:
            own = own - rest @ np.linalg.lstsq(rest, own, rcond=None)[0]
        total = own.sum(axis=0)
        return float(total @ np.linalg.solve(own.T @ own, total))


def score_effect_test(
    fit: CorrelationFit,
    *columns: str,
    statistic: str = "score",
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
    shocks: str = "fhs",
    progress: bool = False,
) -> TestResult:
    r"""Bootstrap test that drivers have no effect on the correlation.

    Samples are drawn from the model fitted without the tested drivers (a DCC, or the DCC-X of the others), margins are
    fitted again on each, and so is the correlation model; the p-value is (1 + draws at least as large)/(1 + draws).
    The drivers are those observed, in every draw: the test is conditional on their history, and it takes them to
    be exogenous to the residuals.

    ``statistic="score"`` is the robust score statistic at the null,
    :math:`(\sum e_t)'(\sum e_te_t')^{-1}(\sum e_t)` with :math:`e_t` the scores of the effects less their projection
    on the other scores. It carries its own scale: with the normal quasi-likelihood of fat-tailed residuals its law
    stays close to χ² where that of the likelihood ratio ("lr") spreads. Beside them stands the Wald test of the
    long-run multipliers on the stacked covariance.

    Parameters
    ----------
    fit : a fitted `DCCX`.
    columns : drivers to test jointly; all by default.
    statistic : "score" or "lr".
    draws, rng, n_jobs, shocks, progress : see `cryptoequity.correlation.bootstrap.null_draws`.

    Returns
    -------
    TestResult : ``detail`` holds the "degrees of freedom", the statistic's asymptotic p-value ("chi2 pvalue"), the Wald
        statistic and its p-value ("wald", "wald pvalue"), the bootstrap's "critical value 5 %", the number of
        "draws" and of those that "failed", and their values ("null").
    """
    from .dccx import DCCX

    check_option("statistic", statistic, ("score", "lr"))
    spec = fit.spec
    if not isinstance(spec, DCCX) or fit.driver is None:
        raise SpecError(f"{spec.name}: the test of a driver's effect is for a fitted DCCX.")
    if fit.optimum is None:
        raise SpecError("this fit was filtered, not fitted, on these dates; test on its own sample.")
    labels = [str(name) for name in fit.driver.columns]
    chosen = list(columns) or labels
    for name in chosen:
        if name not in labels:
            raise SpecError(f"no driver {name!r} in this fit; there are {', '.join(labels)}.")
    tested = tuple(sorted({labels.index(name) for name in chosen}))
    law = effect_draws(fit, tested, (statistic,), draws, rng, n_jobs, shocks, progress)
    value, df = law.observed[statistic], len(tested)
    wald, wald_pvalue = wald_test(fit, tested)
    what = ", ".join(labels[m] for m in tested)
    return TestResult(
        name=f"{'Score' if statistic == 'score' else 'Likelihood-ratio'} test of drivers of the correlation",
        null=f"{what} {'has' if df == 1 else 'have'} no effect on the correlation",
        statistic=value,
        pvalue=law.pvalue(statistic),
        reference=law.reference,
        detail={
            "degrees of freedom": df,
            "chi2 pvalue": float(stats.chi2.sf(max(value, 0.0), df)),
            "wald": wald,
            "wald pvalue": wald_pvalue,
            "critical value 5 %": law.quantile(0.95, statistic),
            "draws": draws,
            "failed": law.failed[statistic],
            "null": law.values[statistic],
        },
    )


def effect_draws(
    fit: CorrelationFit,
    tested: tuple[int, ...],
    wanted: tuple[str, ...],
    draws: int,
    rng: int | np.random.Generator,
    n_jobs: int | None = None,
    shocks: str = "fhs",
    progress: bool = False,
) -> NullDraws:
    """Statistics ``wanted`` ("score", "lr") of no effect of the drivers at positions ``tested``, and their null law."""
    spec: Any = fit.spec
    if fit.driver is None or fit.optimum is None:
        raise SpecError("the test needs a fit on its own sample, with its drivers.")
    driver, model = fit.driver.to_numpy(float), fit.likelihood
    effect = _Effect(spec, fit.names, tested, _given_target(model), wanted)
    _, null = effect.models(model.z, driver)
    below = maximize(null, list(null.starts()), polish=null.polish)
    return draws_from(
        fit.margins,
        null,
        below.theta,
        effect,
        draws,
        rng,
        n_jobs,
        shocks,
        driver=driver,
        warm=Warm(below, fit.optimum),
        progress=progress,
    )


def _given_target(model: PathModel) -> Array | None:
    """The target where it is not the sample's own, to be kept in every draw."""
    if not isinstance(model, DrivenLikelihood):
        return None
    own = second_moment_target(model.z)[0]
    return None if np.array_equal(own, model.target) else model.target


def wald_test(fit: CorrelationFit, tested: Sequence[int]) -> tuple[float, float]:
    r"""Wald statistic of the long-run multipliers :math:`c_m/(1-a-b)`, in Fisher's z :math:`c_m/(1-b)`; its p-value.

    The multipliers are zero when the effects are, and far better known where b is not. NaN where one is at its limit.
    """
    places = [0, 1, *(2 + m for m in tested)]
    names = list(fit.likelihood.layout.names)
    chosen = [names[k] for k in places]
    cov = fit.cov.loc[chosen, chosen].to_numpy(float)
    known = np.isfinite(np.diag(cov))
    if not known[2:].all():
        return float("nan"), float("nan")
    a, b = fit.theta[:2]
    news = 1.0 if isinstance(fit.likelihood, DrivenLikelihood) else 0.0
    room = 1.0 - news * a - b
    c = fit.theta[places[2:]]
    slopes = np.zeros((c.size, len(places)))
    slopes[:, 0], slopes[:, 1] = news * c / room**2, c / room**2
    slopes[:, 2:] = np.eye(c.size) / room
    slopes, cov = slopes[:, known], cov[np.ix_(known, known)]
    value = c / room
    statistic = float(value @ np.linalg.solve(slopes @ cov @ slopes.T, value))
    return statistic, float(stats.chi2.sf(statistic, c.size))
