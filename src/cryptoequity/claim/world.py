r"""The null world: margins and a joint DCC fitted without the episodes, from which whole samples are drawn.

Filtered historical simulation: residuals are whitened by the fitted correlation path,
:math:`u_t=L_t^{-1}z_t` with :math:`R_t=L_tL_t'`, standardized exactly, resampled in rows with replacement, and sent
back through the same recursions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..correlation.dcc import DCC
from ..correlation.likelihood import CorrelationLikelihood
from ..correlation.spec import climb_correlation
from ..estimation.bootstrap import resample, standardize_shocks
from ..estimation.optimize import Optimum
from ..estimation.params import Array
from ..kernels.dcc import dcc_simulate, dcc_whiten
from ..volatility import EGARCH, GARCH
from ..volatility.garch import climb_margin, simulate_margin

__all__ = ["DRAW_TOL", "NullWorld", "residuals"]

Spec = GARCH | EGARCH
# refits of draws stop within 1e-4 of the top log-likelihood: statistics then differ by less than .01 of their spread
DRAW_TOL = 1e-4


def residuals(spec: Spec, y: Array, warm: Optimum | None = None, tol: float = 1e-8) -> tuple[Array, Array, Optimum]:
    """Standardized residuals and volatility (T,), and the optimum; a warm start shortens the climb."""
    start = None if warm is None else warm.theta
    curvature = None if warm is None else warm.curvature
    lik, optimum = climb_margin(spec, y, start=start, curvature=curvature, tol=tol)
    _, variance, resid, _, _ = lik.filter(optimum.theta, 0)
    sigma = np.sqrt(variance)
    return resid / sigma, sigma, optimum


@dataclass(frozen=True, eq=False)
class NullWorld:
    """Everything needed to draw samples in which the episodes have no effect.

    Attributes
    ----------
    names : columns. specs : their margins. returns : (T, N) percent. optima : the margins' optima, with warm starts.
    z, volatility : (T, N) of the data. correlation : optimum of the joint DCC. target : (N, N).
    shocks : (T, N) whitened residuals with zero mean and unit covariance.
    """

    names: tuple[str, ...]
    specs: tuple[Spec, ...]
    returns: Array = field(repr=False)
    optima: tuple[Optimum, ...]
    z: Array = field(repr=False)
    volatility: Array = field(repr=False)
    correlation: Optimum
    target: Array = field(repr=False)
    shocks: Array = field(repr=False)

    @classmethod
    def fit(cls, returns: pd.DataFrame, specs: Mapping[str, Spec], dist: str = "t") -> NullWorld:
        """Fit margins and a joint DCC to percent returns (T, N)."""
        names = tuple(str(name) for name in returns.columns)
        chosen = tuple(specs[name] for name in names)
        fitted = [residuals(spec, returns[name].to_numpy(float)) for spec, name in zip(chosen, names, strict=True)]
        z = np.ascontiguousarray(np.stack([one[0] for one in fitted], axis=1))
        lik, optimum = climb_correlation(DCC(dist=dist), z)
        assert optimum is not None  # a DCC always has parameters
        assert isinstance(lik, CorrelationLikelihood)
        a, b, _, _ = lik.split(optimum.theta)
        white = dcc_whiten(a, b, lik.z, lik.target, lik.start, lik.start)
        return cls(
            names,
            chosen,
            returns.to_numpy(float),
            tuple(one[2] for one in fitted),
            z,
            np.stack([one[1] for one in fitted], axis=1),
            optimum,
            lik.target,
            standardize_shocks(white),
        )

    @property
    def converged(self) -> bool:
        """Whether every climb converged."""
        return self.correlation.converged and all(optimum.converged for optimum in self.optima)

    def draw(self, rng: np.random.Generator, nobs: int | None = None) -> Array:
        """One sample of percent returns, (T, N), of the data's length or of ``nobs``."""
        a, b = float(self.correlation.theta[0]), float(self.correlation.theta[1])
        z = dcc_simulate(a, b, self.target, resample(self.shocks, rng, nobs), self.target)
        return self.to_returns(z)

    def to_returns(self, z: Array) -> Array:
        """Percent returns (T, N) whose standardized residuals are ``z``; volatility starts at its sample mean."""
        columns = []
        for i, spec in enumerate(self.specs):
            mean = float(np.mean(self.volatility[:, i] ** 2))
            start = float(np.log(mean)) if spec.exponential else mean
            columns.append(simulate_margin(spec, self.optima[i].theta, np.ascontiguousarray(z[:, i]), start)[0])
        return np.stack(columns, axis=1)
