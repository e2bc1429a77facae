r"""Samples drawn from the fitted null, and the p-value they give.

As in `bootstrap`, shocks are the sample's own, resampled in rows ("fhs"), or drawn from the fitted density
("parametric"); they go back through :math:`R_t` and the margins, and margins are fitted again from the parameters that
drew the sample. A score test reads more of a sample than its residuals: the margins' scores and slopes, and the
correlation model fitted again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..correlation.bootstrap import SHOCKS, TOL
from ..correlation.dcc import CCC
from ..correlation.fit import draw_shocks, whiten
from ..correlation.model import PathModel
from ..correlation.spec import CorrelationSpec, climb_correlation
from ..errors import SpecError, check_option
from ..estimation.bootstrap import FEWEST, pvalue, resample, standardize_shocks
from ..estimation.optimize import Optimum
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import TestResult
from ..volatility import EGARCH, GARCH
from ..volatility.garch import climb_margin, simulate_margin
from .null_fit import Column, NullFit, constant_null

__all__ = ["NullWorld", "Outcome", "Statistic", "bootstrap_null", "conclude"]

Statistic = Callable[[NullFit], float]


@dataclass(frozen=True, eq=False)
class _Margin:
    """What draws and refits one column; ``start`` is the mean variance, or its log for EGARCH."""

    name: str
    spec: GARCH | EGARCH
    optimum: Optimum = field(repr=False)
    start: float


@dataclass(frozen=True, eq=False)
class NullWorld:
    """A fitted null from which whole samples can be drawn.

    Attributes
    ----------
    margins : what draws and refits the columns. held : observations used as lags only.
    model, theta, optimum, noise : the correlation model, as in `NullFit`. spec : its specification, None for the
        constant null.
    shocks : (T, N) standardized shocks to resample, None to draw them from the density with ``nu`` degrees of
        freedom (0: normal).
    """

    margins: tuple[_Margin, ...]
    held: int
    model: PathModel = field(repr=False)
    theta: Array
    optimum: Optimum | None = field(repr=False)
    noise: str
    spec: CorrelationSpec | None
    shocks: Array | None = field(repr=False)
    nu: float

    @classmethod
    def of(cls, null: NullFit, spec: CorrelationSpec | None, shocks: str) -> NullWorld:
        """Take ``null`` for the truth; ``shocks`` is "fhs" or "parametric"."""
        check_option("shocks", shocks, SHOCKS)
        if null.given:
            raise SpecError(
                "bootstrap= fits every sample with the sample's own target, which this fit does not have; fit it with "
                "target='sample', or read the asymptotic p-value."
            )
        margins = []
        for one in null.columns:
            if one.likelihood is None or one.optimum is None:
                raise SpecError(f"{one.name}: bootstrap= draws from margins of this library, not from an arch result.")
            mean = float(np.mean(one.volatility**2))
            start = float(np.log(mean)) if one.likelihood.exponential else mean
            margins.append(_Margin(one.name, one.likelihood.spec, one.optimum, start))
        rows: Array | None = None
        nu = 0.0
        if shocks == "fhs":
            rows = standardize_shocks(whiten(null.model, null.theta))
        elif spec is not None:
            nu, _ = null.model.density(null.theta)
        else:
            # the constant null is fitted as a quasi-likelihood, which claims no density: joint t shocks, their
            # degrees of freedom by maximum likelihood
            optimum = climb_correlation(CCC(dist="t"), null.z)[1]
            nu = 0.0 if optimum is None else float(optimum.theta[-1])
        held = max(one.held for one in null.columns)
        return cls(tuple(margins), held, null.model, null.theta, null.optimum, null.noise, spec, rows, nu)

    def draw(self, rng: np.random.Generator) -> list[Array]:
        """One sample of percent returns by column, as long as the data with the lags they hold back."""
        count = self.model.nobs + self.held
        if self.shocks is None:
            u = draw_shocks(rng, count, self.model.n, self.nu)
        else:
            u = resample(self.shocks, rng, count)
        driver = self.model.driver
        if driver is not None and self.held:
            # dates that serve as lags only come before the first the drivers are known for
            driver = np.concatenate([np.repeat(driver[:1], self.held, axis=0), driver])
        z, _ = self.model.simulate(self.theta, u, driver=driver)
        return [
            simulate_margin(one.spec, one.optimum.theta, np.ascontiguousarray(z[:, i]), one.start)[0]
            for i, one in enumerate(self.margins)
        ]

    def refit(self, returns: list[Array]) -> NullFit:
        """Fit a drawn sample, starting from the parameters that drew it."""
        columns = []
        for one, y in zip(self.margins, returns, strict=True):
            warm = one.optimum
            lik, optimum = climb_margin(
                one.spec, y, hold_back=self.held, start=warm.theta, curvature=warm.curvature, tol=TOL
            )
            columns.append(Column.drawn(one.name, lik, optimum, self.held))
        if self.spec is None:
            return constant_null(tuple(columns))
        z = np.stack([one.z for one in columns], axis=1)
        warm_theta = None if self.optimum is None else self.optimum.theta
        curvature = None if self.optimum is None else self.optimum.curvature
        model, best = climb_correlation(self.spec, z, start=warm_theta, curvature=curvature, driver=self.model.driver)
        theta = np.empty(0) if best is None else best.theta
        model.settle(theta)
        return NullFit(tuple(columns), model, theta, best, self.noise)


@dataclass(frozen=True, eq=False)
class _Draw:
    """Statistic of one drawn sample, NaN where it has none; a picklable task."""

    world: NullWorld
    statistic: Statistic

    def __call__(self, seed: np.random.SeedSequence) -> float:
        try:
            return self.statistic(self.world.refit(self.world.draw(np.random.default_rng(seed))))
        except np.linalg.LinAlgError:
            return float("nan")


def bootstrap_null(
    world: NullWorld, statistic: Statistic, draws: int, rng: int | np.random.Generator, n_jobs: int | None
) -> Array:
    """Statistics of ``draws`` samples from the null, (draws,); the same for any number of workers."""
    if not isinstance(draws, int) or isinstance(draws, bool) or draws < FEWEST:
        raise SpecError(f"bootstrap={draws!r}: 0, or at least {FEWEST} draws; with fewer no p-value reaches 5 %.")
    values = map_draws(_Draw(world, statistic), spawn(rng, draws), n_jobs=n_jobs)
    return np.array(values, float)


@dataclass(frozen=True)
class Outcome:
    """A test before its bootstrap: what `conclude` prints.

    Attributes
    ----------
    name, hypothesis, reference : text of the result. statistic, pvalue : numbers. detail : further numbers.
    reason : why there is no p-value.
    """

    name: str
    hypothesis: str
    reference: str
    statistic: float
    pvalue: float
    detail: Mapping[str, Any]
    reason: str = ""


def conclude(
    outcome: Outcome,
    null: NullFit,
    spec: CorrelationSpec | None,
    statistic: Statistic,
    *,
    bootstrap: int,
    shocks: str,
    rng: int | np.random.Generator,
    n_jobs: int | None,
) -> TestResult:
    """Result with its asymptotic p-value or, with ``bootstrap``, that of draws from the fitted null."""
    check_option("shocks", shocks, SHOCKS)
    reason = outcome.reason
    if not np.isfinite(outcome.statistic) and not reason:
        reason = "the variance of the moments is singular: two of them carry the same information."
    detail = dict(outcome.detail)
    value, reference = outcome.pvalue, outcome.reference
    if bootstrap and np.isfinite(outcome.statistic):
        values = bootstrap_null(NullWorld.of(null, spec, shocks), statistic, bootstrap, rng, n_jobs)
        usable = int(np.isfinite(values).sum())
        detail["asymptotic p-value"] = value
        detail["draws"] = usable
        value = pvalue(outcome.statistic, values)
        how = "shocks resampled" if shocks == "fhs" else "shocks from the fitted density"
        model = "constant-correlation model" if spec is None else f"{spec.name} model"
        reference = f"{usable} samples of the fitted {model} ({how}), margins fitted again in each"
        if usable < bootstrap:
            reason = f"{bootstrap - usable} of {bootstrap} drawn samples gave no statistic."
    return TestResult(outcome.name, outcome.hypothesis, outcome.statistic, value, reference, detail, reason)
