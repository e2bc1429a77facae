"""Take any fitted result of the `arch` package as a margin, by its public interface only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..errors import DataError
from ..estimation.inference import FreePart, sandwich, spread
from ..estimation.params import Array
from ..estimation.results import Estimate, FitMixin

__all__ = ["ArchMargin", "is_arch_result"]


def is_arch_result(candidate: object) -> bool:
    """Whether ``candidate`` is a result of the arch package, fitted or at given parameters."""
    from arch.univariate.base import ARCHModelFixedResult

    return isinstance(candidate, ARCHModelFixedResult)


@dataclass(frozen=True, eq=False)
class ArchMargin(FitMixin):
    """A fitted ``arch`` model seen as a margin; scores and dz/dtheta by central differences.

    Attributes are those of `MarginFit`, ``spec`` being a description.
    """

    _title: ClassVar[str] = "arch"

    spec: str
    name: str
    _estimate: Estimate = field(repr=False)
    _converged: bool
    volatility: pd.Series = field(repr=False)
    std_resid: pd.Series = field(repr=False)
    part: FreePart = field(repr=False)
    dz: Array = field(repr=False)

    @classmethod
    def of(cls, result: Any, name: str | None = None) -> ArchMargin:
        """Adapt ``result``; ``name`` defaults to the series' own name."""
        model = result.model
        theta = np.asarray(result.params, float)
        label = str(name if name is not None else getattr(model._y_series, "name", None) or "y")
        # a result at given parameters (``model.fix``) has no estimation window
        start, stop = getattr(result, "fit_start", None), getattr(result, "fit_stop", None)
        keep = np.isfinite(np.asarray(result.conditional_volatility, float))
        inside = np.zeros(keep.size, bool)
        inside[start:stop] = True
        keep &= inside
        if not keep.any():
            raise DataError(f"{label}: the arch result holds no conditional volatility.")

        def run(point: Array) -> tuple[Array, Array]:
            fixed = model.fix(point, first_obs=start, last_obs=stop)
            sigma = np.asarray(fixed.conditional_volatility, float)[keep]
            resid = np.asarray(fixed.resid, float)[keep]
            shape = point[point.size - model.distribution.num_params :]
            loglik = model.distribution.loglikelihood(shape, resid, sigma**2, individual=True)
            return np.asarray(loglik, float), resid / sigma

        loglik, z = run(theta)
        steps = 1e-5 * np.maximum(np.abs(theta), 1e-3)
        score, dz = np.empty((z.size, theta.size)), np.empty((z.size, theta.size))
        for j in range(theta.size):
            up, down = theta.copy(), theta.copy()
            up[j] += steps[j]
            down[j] -= steps[j]
            (lu, zu), (ld, zd) = run(up), run(down)
            score[:, j] = (lu - ld) / (2 * steps[j])
            dz[:, j] = (zu - zd) / (2 * steps[j])
        # a small part of a standard error: far above rounding, far below the scale of the curvature itself
        wide = 0.04 / np.sqrt(np.maximum((score**2).sum(axis=0), 1e-300))
        hessian = _hessian(lambda point: float(run(point)[0].mean()), theta, wide)
        cov = spread(sandwich(hessian, score), np.eye(theta.size))
        names = tuple(str(one) for one in result.params.index)
        estimate = Estimate(names, theta, cov, float(loglik.sum()), z.size, theta.size, "robust", None, ())
        index = pd.Index(result.conditional_volatility.index)[keep]
        sigma = np.asarray(result.conditional_volatility, float)[keep]
        part = FreePart(np.ones(theta.size, bool), steps, np.eye(theta.size), score, hessian)
        return cls(
            spec=f"{model.name} / {model.volatility.name} / {model.distribution.name}",
            name=label,
            _estimate=estimate,
            _converged=getattr(result, "convergence_flag", 0) == 0,
            volatility=pd.Series(sigma, index, name=label),
            std_resid=pd.Series(z, index, name=label),
            part=part,
            dz=dz,
        )

    @property
    def estimate(self) -> Estimate:
        """Named parameters and their covariance."""
        return self._estimate

    @property
    def converged(self) -> bool:
        """Whether arch's optimiser reported success."""
        return self._converged

    def _title_line(self) -> str:
        return f"{self.spec}: {self.name}"


def _hessian(mean_loglik: Any, theta: Array, steps: Array) -> Array:
    """Central second differences of a mean log-likelihood with ``steps`` (K,)."""
    k = theta.size
    out = np.empty((k, k))
    for i in range(k):
        for j in range(i + 1):
            total = 0.0
            for si in (1.0, -1.0):
                for sj in (1.0, -1.0):
                    point = theta.copy()
                    point[i] += si * steps[i]
                    point[j] += sj * steps[j]
                    total += si * sj * mean_loglik(point)
            out[i, j] = out[j, i] = total / (4 * steps[i] * steps[j])
    return out
