"""Estimates by regime of a system, and the law of the dates between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ..estimation.params import Array
from .systems import System, coefficients_of, common_coefficients

__all__ = ["Regimes", "date_law", "regimes_of"]


@dataclass(frozen=True, eq=False)
class Regimes:
    """Estimates of m + 1 regimes.

    Attributes
    ----------
    coefficients, coefficient_errors : (m + 1, N, K). covariances : (m + 1, N, N). volatilities : (m + 1, N).
    correlations, correlation_errors : (m + 1, N (N - 1) / 2), pairs (0, 1), (0, 2), ….
    """

    coefficients: Array = field(repr=False)
    coefficient_errors: Array = field(repr=False)
    covariances: Array = field(repr=False)
    volatilities: Array = field(repr=False)
    correlations: Array = field(repr=False)
    correlation_errors: Array = field(repr=False)


def regimes_of(system: System, positions: tuple[int, ...], changes: str, cov_type: str) -> Regimes:
    """Estimates at given dates; a parameter that does not break is that of the whole sample in every regime.

    ``cov_type="robust"`` takes standard errors from the sample's fourth moments and heteroskedasticity, "gaussian"
    from those of normal errors.
    """
    y, x = system.y, system.x
    nobs, n = y.shape
    parts = list(pairwise((0, *positions, nobs)))
    if changes == "covariance":
        common = common_coefficients(y, x, positions)[0]
        stack = [common] * len(parts)
    else:
        stack = [coefficients_of(y[a:b], x[a:b]) for a, b in parts]
    residuals = np.concatenate([y[a:b] - x[a:b] @ one for (a, b), one in zip(parts, stack, strict=True)])
    groups = [(0, nobs)] * len(parts) if changes == "mean" else parts
    covariances = np.stack([residuals[a:b].T @ residuals[a:b] / (b - a) for a, b in groups])
    volatilities = np.sqrt(np.einsum("jii->ji", covariances))
    rows, cols = np.triu_indices(n, 1)
    correlations = covariances[:, rows, cols] / (volatilities[:, rows] * volatilities[:, cols])
    errors = np.empty_like(correlations)
    for j, (a, b) in enumerate(groups):
        rho = correlations[j]
        if cov_type == "gaussian":
            errors[j] = (1.0 - rho**2) / np.sqrt(b - a)
        else:
            z = residuals[a:b] / volatilities[j]
            influence = z[:, rows] * z[:, cols] - 0.5 * rho * (z[:, rows] ** 2 + z[:, cols] ** 2)
            errors[j] = np.sqrt(np.mean(influence**2, axis=0) / (b - a))
    coefficient_errors = (
        _common_errors(residuals, x, parts, covariances, cov_type)
        if changes == "covariance"
        else np.stack(
            [
                _errors(residuals[a:b], x[a:b], covariance, cov_type)
                for (a, b), covariance in zip(parts, covariances, strict=True)
            ]
        )
    )
    coefficients = np.stack([one.T for one in stack])
    return Regimes(coefficients, coefficient_errors, covariances, volatilities, correlations, errors)


def _errors(residuals: Array, x: Array, covariance: Array, cov_type: str) -> Array:
    bread = np.linalg.inv(x.T @ x)
    if cov_type == "gaussian":
        out: Array = np.sqrt(np.outer(np.diag(covariance), np.diag(bread)))
        return out
    rows = []
    for u in residuals.T:
        scores = x * u[:, None]
        rows.append(np.sqrt(np.diag(bread @ (scores.T @ scores) @ bread)))
    return np.stack(rows)


def _common_errors(
    residuals: Array, x: Array, parts: list[tuple[int, int]], covariances: Array, cov_type: str
) -> Array:
    n, width = residuals.shape[1], x.shape[1]
    bread, meat = np.zeros((width * n,) * 2), np.zeros((width * n,) * 2)
    for (a, b), covariance in zip(parts, covariances, strict=True):
        precision = np.linalg.inv(covariance)
        bread += np.kron(x[a:b].T @ x[a:b], precision)
        scores = (x[a:b, :, None] * (residuals[a:b] @ precision)[:, None, :]).reshape(b - a, -1)
        meat += scores.T @ scores
    inverse = np.linalg.inv(bread)
    cov = inverse if cov_type == "gaussian" else inverse @ meat @ inverse
    one = np.sqrt(np.diag(cov)).reshape(width, n).T
    return np.stack([one] * len(parts))


def date_law(
    system: System, regimes: Regimes, positions: tuple[int, ...], j: int, cov_type: str
) -> tuple[float, float, float]:
    r"""Scale, drift ratio and variance ratio of the law of date ``j``, as `date_interval` takes them.

    On the side of regime i the log-likelihood falls by :math:`\kappa_i` a row, the Kullback–Leibler distance to the
    other regime, with variance :math:`v_i`; the scale is :math:`4\kappa_1^2/v_1`, the ratios
    :math:`\kappa_2/\kappa_1` and :math:`v_2/v_1`.
    """
    edges = (0, *positions, system.nobs)
    drifts, variances = [], []
    for own, other, first, end in ((j, j + 1, edges[j], edges[j + 1]), (j + 1, j, edges[j + 1], edges[j + 2])):
        y, x = system.y[first:end], system.x[first:end]
        moves = _density(y, x, regimes, other) - _density(y, x, regimes, own)
        drifts.append(-float(moves.mean()))
        if cov_type == "robust":
            variances.append(float(moves.var()))
            continue
        mine = regimes.covariances[own]
        theirs = np.linalg.inv(regimes.covariances[other])
        ratio = theirs @ mine - np.eye(mine.shape[0])
        shift = x @ (regimes.coefficients[own] - regimes.coefficients[other]).T @ theirs
        variances.append(float(0.5 * np.trace(ratio @ ratio) + np.mean(np.sum((shift @ mine) * shift, axis=1))))
    if not (min(drifts) > 0.0 and min(variances) > 0.0):
        return float("nan"), 1.0, 1.0
    return 4.0 * drifts[0] ** 2 / variances[0], drifts[1] / drifts[0], variances[1] / variances[0]


def _density(y: Array, x: Array, regimes: Regimes, j: int) -> Array:
    left = y - x @ regimes.coefficients[j].T
    factor = np.linalg.cholesky(regimes.covariances[j])
    white = np.linalg.solve(factor, left.T)
    out: Array = -0.5 * np.sum(white**2, axis=0) - float(np.log(np.diag(factor)).sum())
    return out
