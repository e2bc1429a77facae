r"""Samples from a fitted correlation model, the whole pipeline refitted on each: the law of a statistic under a null.

Shocks :math:`u_t=L_t^{-1}z_t`, :math:`R_t=L_tL_t'`, are the sample's own, standardized exactly and resampled in rows
("fhs", filtered historical simulation: fat tails and dependence beyond correlation stay), or drawn from the
fitted density ("parametric"). They go back through :math:`R_t` and through every margin; margins are fitted again
from the parameters that drew them, and the statistic is computed from the new residuals. Drivers stay as
observed: the law is that of samples with this history of the drivers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ..errors import CryptoEquityError, SpecError, check_option
from ..estimation.bootstrap import FEWEST, pvalue, resample, standardize_shocks
from ..estimation.optimize import Optimum
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..volatility import EGARCH, GARCH, ArchMargin, Margins
from ..volatility.garch import climb_margin, simulate_margin
from .fit import CorrelationFit, draw_shocks, whiten
from .model import PathModel

__all__ = ["NullDraws", "SampleStatistic", "draws_from", "null_draws"]

SHOCKS = ("fhs", "parametric")
# a refit stops when another step promises less log-likelihood than this: far below the noise of any draw
TOL = 1e-6

SampleStatistic: TypeAlias = Callable[[Array, Array | None, Any], float | Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class NullDraws:
    """A statistic of the data and of samples drawn from the null.

    Attributes
    ----------
    observed : the statistic(s) of the data by name; a statistic that is one number is called "statistic".
    values : by name, (B,) of the draws; NaN where it could not be computed.
    failed : by name, how many draws are NaN.
    shocks : "fhs" or "parametric". refitted : whether margins were fitted again in every draw; margins of the ``arch``
        package cannot be drawn from, and their residuals are then taken for data.
    """

    observed: dict[str, float]
    values: dict[str, Array] = field(repr=False)
    failed: dict[str, int]
    shocks: str
    refitted: bool

    def pvalue(self, name: str = "statistic", side: str = "upper") -> float:
        """(1 + draws at least as extreme) / (1 + draws), over the finite draws."""
        return pvalue(self.observed[name], self.values[name], side)

    def quantile(self, level: float, name: str = "statistic") -> float:
        """Quantile of the finite draws: the critical value of a test of size 1 - level; NaN without any."""
        finite = self.values[name][np.isfinite(self.values[name])]
        return float(np.quantile(finite, level)) if finite.size else float("nan")

    @property
    def reference(self) -> str:
        """The law used, in words."""
        kind = {"fhs": "resampled shocks", "parametric": "shocks of the fitted density"}[self.shocks]
        how = "margins refitted in each" if self.refitted else "residuals of the margins taken for data"
        return f"{len(next(iter(self.values.values())))} samples of the null from {kind}, {how}"


@dataclass(frozen=True, eq=False)
class _Margin:
    """What draws and refits one column; ``start`` is the mean variance, or its log for EGARCH."""

    spec: GARCH | EGARCH
    optimum: Optimum = field(repr=False)
    start: float


@dataclass(frozen=True, eq=False)
class _Draw:
    """One sample of the null and its statistic, as a picklable function of a seed."""

    model: PathModel = field(repr=False)
    theta: Array
    margins: tuple[_Margin, ...]
    held: int
    pool: Array | None = field(repr=False)
    driver: Array | None = field(repr=False)
    model_driver: Array | None = field(repr=False)
    statistic: SampleStatistic = field(repr=False)
    warm: Any = field(repr=False)

    def __call__(self, seed: np.random.SeedSequence) -> dict[str, float]:
        """Statistics of one draw by name; empty where the sample admits none."""
        try:
            z = self.sample(np.random.default_rng(seed))
            return as_record(self.statistic(z, self.driver, self.warm)) if z is not None else {}
        except (np.linalg.LinAlgError, CryptoEquityError):
            return {}

    def sample(self, rng: np.random.Generator) -> Array | None:
        """Standardized residuals (T, N) of margins refitted on a drawn sample; None if not finite."""
        nobs = self.model.nobs + self.held
        nu = self.model.density(self.theta)[0]
        if self.pool is None:
            shocks = draw_shocks(rng, nobs, self.model.n, nu)
        else:
            shocks = resample(self.pool, rng, nobs)
        driver = self.model_driver
        if driver is not None and self.held:
            # dates that serve as lags only come before the first the drivers are known for
            driver = np.vstack([np.repeat(driver[:1], self.held, axis=0), driver])
        z, _ = self.model.simulate(self.theta, shocks, driver=driver)
        if not self.margins:
            return z if np.isfinite(z).all() else None
        out = np.empty((self.model.nobs, self.model.n))
        for i, margin in enumerate(self.margins):
            column = np.ascontiguousarray(z[:, i])
            y, _ = simulate_margin(margin.spec, margin.optimum.theta, column, margin.start)
            if not np.isfinite(y).all():
                return None
            lik, optimum = climb_margin(
                margin.spec,
                y,
                hold_back=self.held,
                start=margin.optimum.theta,
                curvature=margin.optimum.curvature,
                tol=TOL,
            )
            _, variance, resid, _, _ = lik.filter(optimum.theta, 0)
            out[:, i] = resid / np.sqrt(variance)
        return out if np.isfinite(out).all() else None


def as_record(value: float | Mapping[str, float]) -> dict[str, float]:
    """One number or several by name, as several by name."""
    if isinstance(value, Mapping):
        return {str(name): float(one) for name, one in value.items()}
    return {"statistic": float(value)}


def null_draws(
    fit: CorrelationFit,
    statistic: SampleStatistic,
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
    shocks: str = "fhs",
    *,
    driver: Array | None = None,
    warm: Any = None,
    progress: bool = False,
) -> NullDraws:
    """Draw samples from a fitted null model, refit the margins on each, and compute a statistic of the residuals.

    Parameters
    ----------
    fit : the null model, fitted.
    statistic : picklable function of (z (T, N), driver (T, M) or None, warm) that returns one number or several by
        name. It is called on the data first, then on every draw: the same code measures both.
    draws : samples, at least 19. rng : seed or generator; the numbers do not depend on ``n_jobs``.
    shocks : "fhs" (resampled residual shocks) or "parametric" (the fitted density).
    driver : what the statistic reads, (T, M); the fit's own drivers by default. Held fixed over the draws.
    warm : passed on to the statistic, e.g. the optima of the data.

    Raises
    ------
    SpecError : fewer than 19 draws, an unknown kind of shocks, a fit that was only filtered.
    """
    if fit.optimum is None and fit.theta.size:
        raise SpecError("this fit was filtered, not fitted, on these dates: the null must be fitted on its own sample.")
    own = None if fit.driver is None else fit.driver.to_numpy(float)
    return draws_from(
        fit.margins,
        fit.likelihood,
        fit.theta,
        statistic,
        draws,
        rng,
        n_jobs,
        shocks,
        driver=own if driver is None else driver,
        warm=warm,
        progress=progress,
    )


def draws_from(
    margins: Margins,
    model: PathModel,
    theta: Array,
    statistic: SampleStatistic,
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
    shocks: str = "fhs",
    *,
    driver: Array | None = None,
    warm: Any = None,
    progress: bool = False,
) -> NullDraws:
    """As `null_draws`, for a null that is a model at ``theta`` rather than a fit of its own."""
    check_option("shocks", shocks, SHOCKS)
    if draws < FEWEST:
        raise SpecError(f"draws={draws}: fewer than {FEWEST} samples cannot reach a p-value of 5 %.")
    pool = standardize_shocks(whiten(model, theta)) if shocks == "fhs" else None
    own: list[_Margin] = []
    for fit in margins.fits:
        if isinstance(fit, ArchMargin):
            own = []
            break
        if fit.optimum is None:
            raise SpecError(f"{fit.name}: the margin was filtered, not fitted, on these dates; fit it on them.")
        own.append(_Margin(fit.spec, fit.optimum, fit.start_variance))
    first = margins.fits[0]
    held = 0 if isinstance(first, ArchMargin) or not own else first.hold_back
    draw = _Draw(model, theta, tuple(own), held, pool, driver, model.driver, statistic, warm)
    observed = as_record(statistic(model.z, driver, warm))
    records = map_draws(draw, spawn(rng, draws), n_jobs=n_jobs, progress=progress, label="null draws")
    values = {name: np.array([record.get(name, np.nan) for record in records]) for name in observed}
    failed = {name: int((~np.isfinite(one)).sum()) for name, one in values.items()}
    return NullDraws(observed, values, failed, shocks, bool(own))
