"""Bands around a correlation path: what is not known of the parameters, carried through the filters."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError
from ..estimation.params import Array, Layout
from ..volatility import ArchMargin, MarginFit
from ..volatility.likelihood import MarginLikelihood
from .model import PathModel
from .named_covariance import FULL_MOST

if TYPE_CHECKING:
    from .fit import CorrelationFit

__all__ = ["correlation_band"]

# parameters near a bound lose draws beyond it; past this many a band would describe the bound, not the estimate
_TRIES = 50


def correlation_band(
    fit: CorrelationFit,
    i: str,
    j: str,
    *,
    level: float = 0.95,
    draws: int = 500,
    rng: int | np.random.Generator = 0,
) -> pd.DataFrame:
    r"""Pointwise band of :math:`\rho_{ij,t}` for parameters that are estimated.

    Parameters of both margins, the target :math:`\bar R_{ij}` and the correlation parameters are drawn together
    from :math:`N(\hat\theta,\hat V)`, :math:`\hat V` the stacked covariance of the fit; the returns are filtered again
    under each draw, and the band runs between quantiles of the paths at each date. Draws outside the
    parameter space are rejected and drawn anew; parameters on a bound stay there. For margins of the ``arch``
    package residuals move linearly with the parameters.

    The band says how well the *filter* is known. It holds the model for true and says nothing of the
    distance between the filtered correlation and a latent one.

    Parameters
    ----------
    fit : a fitted CCC or DCC. i, j : columns. level : pointwise. draws : accepted draws. rng : seed or generator.

    Returns
    -------
    DataFrame (T, 3) : ``lower``, ``estimate``, ``upper``; ``attrs`` holds ``level``, ``draws`` and ``rejected``.

    Raises
    ------
    SpecError : unknown column, the same column twice, ``level`` outside (0, 1), fewer than 50 draws.
    DataError : fewer than one draw in fifty is feasible.
    """
    if not 0.0 < level < 1.0:
        raise SpecError(f"level={level}: a level lies between 0 and 1, e.g. 0.95.")
    if len(fit.names) > FULL_MOST:
        raise SpecError(
            f"a band needs the joint covariance of margins, target and parameters, which a fit of {len(fit.names)} "
            f"columns does not hold (up to {FULL_MOST}): fit the pair with fewer others."
        )
    if draws < 50:
        raise SpecError(f"draws={draws}: quantiles of fewer than 50 paths are noise.")
    estimate = fit.correlation(i, j)
    if i == j:
        raise SpecError(f"the correlation of {i!r} with itself is 1 and has no band.")
    at = sorted((fit.names.index(i), fit.names.index(j)))
    model: PathModel = fit.likelihood
    # what the path of this pair reads: its own two margins and target, or everything
    keep = at if model.pairwise else list(range(len(fit.names)))
    filters = [_residuals_at(fit.margins[fit.names[k]]) for k in keep]
    est = fit.estimate
    # names run: every margin's parameters, the nuisance, the correlation's own
    ends = np.cumsum([0, *(len(margin.estimate.names) for margin in fit.margins.fits)]).tolist()
    groups = [list(range(ends[k], ends[k + 1])) for k in keep]
    rows, cols = model.pairs
    if model.pairwise:
        targets = [ends[-1] + int(k) for k in np.flatnonzero((rows == at[0]) & (cols == at[1]))]
        pair = (0, 1)
    else:
        targets = list(range(ends[-1], ends[-1] + model.nuisance.size))
        pair = (at[0], at[1])
    own = list(range(len(est.names) - fit.theta.size, len(est.names)))
    part = [place for group in groups for place in group] + targets + own
    sizes = [len(group) for group in groups]
    center, cov = est.theta[part], est.cov[np.ix_(part, part)]
    free = np.isfinite(np.diag(cov))
    root = _square_root(cov[np.ix_(free, free)])
    generator = np.random.default_rng(rng)
    paths = np.empty((draws, len(estimate)))
    accepted = tried = 0
    while accepted < draws:
        if tried >= _TRIES * draws:
            raise DataError(
                f"only {accepted} of {tried:,} draws of the parameters of {i!r} and {j!r} are feasible: the "
                "estimates sit at a bound with wide errors; the path has no band by this route."
            )
        tried += 1
        theta = center.copy()
        theta[free] += root @ generator.standard_normal(int(free.sum()))
        path = _path(fit, filters, theta, sizes, len(targets), pair)
        if path is not None:
            paths[accepted] = path
            accepted += 1
    tail = 0.5 * (1.0 - level)
    lower, upper = np.quantile(paths, [tail, 1.0 - tail], axis=0)
    band = pd.DataFrame({"lower": lower, "estimate": estimate.to_numpy(), "upper": upper}, index=estimate.index)
    band.attrs = {"level": level, "draws": draws, "rejected": tried - draws}
    return band


Residuals = Callable[[Array], Array | None]


def _residuals_at(margin: MarginFit | ArchMargin) -> Residuals:
    """Standardized residuals (T,) as a function of the margin's parameters; None where infeasible."""
    z = margin.std_resid.to_numpy(float)
    theta = margin.estimate.theta
    if isinstance(margin, ArchMargin):
        dz = margin.dz
        return lambda point: z + dz @ (point - theta)
    lik = MarginLikelihood(margin.spec, margin.returns.to_numpy(float), margin.hold_back)

    def residuals(point: Array) -> Array | None:
        if not _feasible(lik.layout, point):
            return None
        _, variance, resid, _, _ = lik.filter(point, 0)
        out: Array = resid / np.sqrt(variance)
        return out if np.isfinite(out).all() else None

    return residuals


def _feasible(layout: Layout, theta: Array) -> bool:
    """Whether the box holds ``theta``: there and back again changes nothing."""
    return layout.size == 0 or bool(np.allclose(layout.natural(layout.box(theta)), theta, rtol=1e-8, atol=1e-10))


def _path(
    fit: CorrelationFit,
    filters: list[Residuals],
    theta: Array,
    sizes: list[int],
    targets: int,
    pair: tuple[int, int],
) -> Array | None:
    """Path of the pair under drawn parameters (margins, nuisance, own), (T,); None where infeasible."""
    ends = np.cumsum([0, *sizes, targets]).tolist()
    nuisance, own = theta[ends[-2] : ends[-1]], theta[ends[-1] :]
    if not (np.abs(nuisance) < 1.0).all() or not _feasible(fit.likelihood.layout, own):
        return None
    columns = []
    for residuals, first, stop in zip(filters, ends[:-2], ends[1:-1], strict=True):
        z = residuals(theta[first:stop])
        if z is None:
            return None
        columns.append(z)
    lik = fit.likelihood.fixed(np.stack(columns, axis=1), fit.likelihood.driver, nuisance)
    lik = lik.reshaped([theta[first:stop] for first, stop in pairwise(ends[:-1])])
    path: Array = lik.path(own, [pair[0]], [pair[1]])[:, 0]
    return path if np.isfinite(path).all() else None


def _square_root(cov: Array) -> Array:
    """Symmetric square root; eigenvalues that rounding made negative count as zero."""
    scale = np.sqrt(np.diag(cov))
    values, vectors = np.linalg.eigh(cov / np.outer(scale, scale))
    root: Array = scale[:, None] * ((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
    return root
