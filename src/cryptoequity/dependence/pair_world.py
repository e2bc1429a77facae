r"""Samples of a pair whose dependence has nothing to do with episodes: margins and a DCC with t errors, drawn from.

Shocks :math:`u_t=L_t^{-1}z_t`, :math:`R_t=L_tL_t'`, are standardized exactly and

* resampled in rows ("fhs"): the tails and asymmetries of the sample stay;
* resampled in rows with a random sign each ("symmetric"): :math:`u\overset d=-u`, so that both tails are alike, with
  the sample's own fat tails;
* drawn from the fitted joint t ("parametric"): one number of degrees of freedom for both.

They go back through the DCC and through the margins, and the margins are fitted again in every draw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from ..correlation.dcc import DCC
from ..correlation.fit import draw_shocks
from ..correlation.likelihood import CorrelationLikelihood
from ..correlation.spec import climb_correlation
from ..errors import CryptoEquityError, DataError, SpecError, check_option
from ..estimation.bootstrap import resample, standardize_shocks
from ..estimation.optimize import Optimum
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..kernels.dcc import dcc_simulate, dcc_whiten
from ..volatility import EGARCH, GARCH
from ..volatility.garch import climb_margin, simulate_margin

__all__ = ["PairWorld", "SampleStatistic", "draw_law", "filter_pair"]

SHOCKS = ("fhs", "symmetric", "parametric")
MIN_FIT = 250
# a refit stops when another step promises less log-likelihood than this: far below the noise of any draw
TOL = 1e-6
Spec: TypeAlias = GARCH | EGARCH
SampleStatistic: TypeAlias = Callable[[Array], Array]


def _residuals(spec: Spec, y: Array, held: int, warm: Optimum | None = None) -> tuple[Array, Array, Optimum]:
    """Standardized residuals and variances of one column, and the optimum."""
    start = None if warm is None else warm.theta
    curvature = None if warm is None else warm.curvature
    tol = 1e-8 if warm is None else TOL
    lik, optimum = climb_margin(spec, y, hold_back=held, start=start, curvature=curvature, tol=tol)
    _, variance, resid, _, _ = lik.filter(optimum.theta, 0)
    return resid / np.sqrt(variance), variance, optimum


def _held(spec: Spec) -> int:
    """First rows that serve as lags of the mean only."""
    return spec.lags if spec.mean == "ar" else 0


def check_margins(margins: object) -> None:
    """Refuse what is neither None nor a specification of a margin."""
    if margins is not None and not isinstance(margins, GARCH | EGARCH):
        raise SpecError(
            f"margins={type(margins).__name__}: a specification such as GARCH(dist='t'), or None for series that are "
            "tested as they are."
        )


def filter_pair(values: Array, margins: Spec | None) -> Array:
    """Residuals (T, 2) of ``margins`` fitted to each column, or the values themselves; AR lags shorten them."""
    check_margins(margins)
    if margins is None:
        return values
    if values.shape[0] < MIN_FIT:
        raise DataError(f"margins= fits a GARCH to {values.shape[0]} rows; it needs {MIN_FIT}. Use margins=None.")
    held = _held(margins)
    columns = [_residuals(margins, np.ascontiguousarray(values[:, i]), held)[0] for i in (0, 1)]
    return np.ascontiguousarray(np.stack(columns, axis=1))


@dataclass(frozen=True, eq=False)
class PairWorld:
    """Margins and a DCC-t of a pair, from which samples of residuals are drawn.

    Attributes
    ----------
    spec : of both margins, None where residuals are the data. optima, starts : of the margins, with mean variances
        (their logs for EGARCH). held : rows that serve as lags only. z : (T, 2) residuals of the data.
    a, b, nu, target : of the DCC. pool : (T, 2) or (2T, 2) shocks to resample, None for t shocks. shocks : which.
    converged : whether every climb did.
    """

    spec: Spec | None
    optima: tuple[Optimum, ...] = field(repr=False)
    starts: tuple[float, ...] = field(repr=False)
    held: int
    z: Array = field(repr=False)
    a: float
    b: float
    nu: float
    target: Array = field(repr=False)
    pool: Array | None = field(repr=False)
    shocks: str
    converged: bool

    @classmethod
    def fit(cls, values: Array, margins: Spec | None, shocks: str = "fhs") -> PairWorld:
        """Fit it to a pair (T, 2)."""
        check_option("shocks", shocks, SHOCKS)
        check_margins(margins)
        if values.shape[0] < MIN_FIT:
            raise DataError(
                f"pvalue='dcc' fits a DCC to {values.shape[0]} rows; it needs {MIN_FIT}. Use another p-value."
            )
        optima: list[Optimum] = []
        starts: list[float] = []
        held = 0 if margins is None else _held(margins)
        if margins is None:
            sd = values.std(axis=0)
            if (np.abs(sd - 1.0) > 0.25).any():
                raise DataError(
                    f"pvalue='dcc' takes series without margins= for standardized residuals, and theirs are not: the "
                    f"standard deviations are {sd[0]:.3g} and {sd[1]:.3g}. Say margins=GARCH(dist='t') for returns."
                )
            z = values
        else:
            columns = []
            for i in (0, 1):
                resid, variance, optimum = _residuals(margins, np.ascontiguousarray(values[:, i]), held)
                columns.append(resid)
                optima.append(optimum)
                mean = float(variance.mean())
                starts.append(float(np.log(mean)) if margins.exponential else mean)
            z = np.ascontiguousarray(np.stack(columns, axis=1))
        lik, optimum_dcc = climb_correlation(DCC(dist="t"), z)
        if optimum_dcc is None or not isinstance(lik, CorrelationLikelihood):
            raise SpecError("a DCC has parameters.")
        a, b, nu, _ = lik.split(optimum_dcc.theta)
        pool: Array | None = None
        if shocks != "parametric":
            pool = standardize_shocks(dcc_whiten(a, b, lik.z, lik.target, lik.start, lik.start))
            if shocks == "symmetric":
                pool = standardize_shocks(np.concatenate([pool, -pool]))
        converged = optimum_dcc.converged and all(one.converged for one in optima)
        return cls(
            margins, tuple(optima), tuple(starts), held, z, float(a), float(b), float(nu), lik.target, pool, shocks,
            converged,
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Array:
        """Residuals (T, 2) of one sample, by margins fitted again where there are margins."""
        nobs = self.z.shape[0] + self.held
        shocks = draw_shocks(rng, nobs, 2, self.nu) if self.pool is None else resample(self.pool, rng, nobs)
        z: Array = dcc_simulate(self.a, self.b, self.target, np.ascontiguousarray(shocks), self.target)
        if self.spec is None:
            return z
        columns = []
        for i in (0, 1):
            y, _ = simulate_margin(self.spec, self.optima[i].theta, np.ascontiguousarray(z[:, i]), self.starts[i])
            if not np.isfinite(y).all():
                raise DataError("a drawn sample is not finite")
            columns.append(_residuals(self.spec, y, self.held, self.optima[i])[0])
        return np.ascontiguousarray(np.stack(columns, axis=1))

    @property
    def reference(self) -> str:
        """The law, in words."""
        kind = {
            "fhs": "resampled shocks",
            "symmetric": "resampled shocks with random signs",
            "parametric": f"joint t({self.nu:.1f}) shocks",
        }[self.shocks]
        how = "residuals taken for data" if self.spec is None else "margins fitted again in each"
        return f"samples of DCC(a={self.a:.3f}, b={self.b:.3f}) with {kind}, {how}"


@dataclass(frozen=True, eq=False)
class _Draw:
    """Statistics of one sample, NaN where it has none; a picklable task."""

    world: PairWorld
    statistic: SampleStatistic
    width: int

    def __call__(self, seed: np.random.SeedSequence) -> Array:
        try:
            return np.atleast_1d(self.statistic(self.world.draw(np.random.default_rng(seed))))
        except (np.linalg.LinAlgError, CryptoEquityError):
            return np.full(self.width, np.nan)


def draw_law(
    world: PairWorld,
    statistic: SampleStatistic,
    draws: int,
    rng: int | np.random.Generator,
    n_jobs: int | None,
    width: int = 1,
) -> Array:
    """Statistics (draws, width) of samples of a world; a failed draw is a row of NaN.

    Parameters
    ----------
    statistic : picklable function of residuals (T, 2) that gives (width,) numbers.
    """
    rows = map_draws(_Draw(world, statistic, width), spawn(rng, draws), n_jobs=n_jobs, label="null draws")
    return np.array(rows, dtype=np.float64)
