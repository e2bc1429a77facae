r"""Names, values and covariance of everything a correlation fit estimates: margins, target, correlation parameters.

Up to `FULL_MOST` columns the covariance is joint, target included. Beyond, the target alone has more elements than
anyone reads and the stack of their moment conditions grows like :math:`N^4`: the table then holds the margins, each
with the covariance of its own fit, and the correlation parameters, with theirs; covariances between these blocks
are not computed (NaN), and the target is without errors. The errors of the correlation parameters count
the margins and the target all the same; see `stacking.contracted_covariance`.
"""

from __future__ import annotations

import numpy as np

from ..estimation.inference import sandwich, spread
from ..estimation.optimize import Optimum
from ..estimation.params import Array
from ..volatility import Margins
from .model import PathModel
from .stacking import contracted_covariance, stacked_covariance

__all__ = ["FULL_MOST", "named_covariance"]

FULL_MOST = 30


def named_covariance(
    lik: PathModel,
    optimum: Optimum | None,
    margins: Margins,
    *,
    cov_type: str,
    target_noise: str,
    lags: int | None = None,
    full: bool | None = None,
) -> tuple[tuple[str, ...], Array, Array]:
    """Names (K), estimates (K,) and covariance (K, K).

    Parameters
    ----------
    lik : the model at its optimum. full : the joint covariance with the target; by default up to `FULL_MOST` columns.
    """
    theta = np.empty(0) if optimum is None else optimum.theta
    names = tuple(f"{fit.name}.{name}" for fit in margins.fits for name in fit.estimate.names)
    values = [fit.estimate.theta for fit in margins.fits]
    if lik.n <= FULL_MOST if full is None else full:
        cov = _joint(lik, optimum, margins, cov_type, target_noise, lags)
        return (*names, *lik.nuisance_names(), *lik.layout.names), np.concatenate([*values, lik.nuisance, theta]), cov
    cov = _by_steps(lik, optimum, margins, cov_type, target_noise, lags)
    return (*names, *lik.layout.names), np.concatenate([*values, theta]), cov


def _joint(
    lik: PathModel, optimum: Optimum | None, margins: Margins, cov_type: str, target_noise: str, lags: int | None
) -> Array:
    """Covariance of margins, target and correlation parameters together."""
    parts = [fit.part for fit in margins.fits]
    dzs = [fit.dz for fit in margins.fits]
    cov, last = stacked_covariance(lik, optimum, parts, dzs, cov_type=cov_type, target_noise=target_noise, lags=lags)
    moments, noisy = lik.nuisance.size, target_noise != "none"
    blocks = [part.jacobian for part in parts]
    blocks.append(np.eye(moments) if noisy else np.zeros((moments, 0)))
    blocks.append(np.zeros((lik.layout.size, 0)) if last is None else last.jacobian)
    jacobian = np.zeros((sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)))
    i = j = 0
    for block in blocks:
        jacobian[i : i + block.shape[0], j : j + block.shape[1]] = block
        i, j = i + block.shape[0], j + block.shape[1]
    if noisy and last is not None and optimum is not None:
        slope = lik.nuisance_slope(optimum.theta)
        if slope is not None:
            first = sum(part.jacobian.shape[0] for part in parts)
            width = last.jacobian.shape[1]
            jacobian[first : first + moments, jacobian.shape[1] - width :] = slope @ last.jacobian
    return spread(cov, jacobian)


def _by_steps(
    lik: PathModel, optimum: Optimum | None, margins: Margins, cov_type: str, target_noise: str, lags: int | None
) -> Array:
    """Covariance of each margin and of the correlation parameters, block by block; NaN between the blocks."""
    parts = [fit.part for fit in margins.fits]
    blocks = [spread(sandwich(part.hessian, part.score, cov_type, lags), part.jacobian) for part in parts]
    if optimum is not None:
        dzs = [fit.dz for fit in margins.fits]
        cov, last = contracted_covariance(
            lik, optimum, parts, dzs, cov_type=cov_type, target_noise=target_noise, lags=lags
        )
        blocks.append(spread(cov, last.jacobian))
    size = sum(len(block) for block in blocks)
    out: Array = np.full((size, size), np.nan)
    i = 0
    for block in blocks:
        out[i : i + len(block), i : i + len(block)] = block
        i += len(block)
    return out
