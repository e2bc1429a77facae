r"""Coefficients of regimes, their covariance, and Wald statistics of their equality, under stated assumptions.

With :math:`\bar Z` the breaking regressors regime by regime and X those that stay,

.. math:: \hat V=(W'W)^{-1}\,\hat\Phi\,(W'W)^{-1},\qquad W=(\bar Z,X),

where :math:`\hat\Phi` estimates the variance of :math:`\sum_t w_tu_t`: a variance of the errors times the regressors'
products ("nonrobust"), the outer products of :math:`w_tu_t` ("HC") or their long-run covariance ("HAC"). Where every
coefficient breaks, it is estimated regime by regime; ``het_errors=False`` estimates one for all regimes, and
``het_regressors=False`` one matrix of regressors' moments.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from scipy.linalg import block_diag

from ..errors import DataError, SpecError, check_option
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from ..kernels.segment import orthogonalize
from .partitions import regime_design
from .sample import Regression

__all__ = ["BreakCovariance", "RegimeEstimate", "estimate_regimes", "scaled_f"]

COV_TYPES = ("nonrobust", "HC", "HAC")
# outer products alone, with the divisor of the sums that have lags
OUTER = LongRun(bandwidth=0.0)
PREWHITENED = LongRun(prewhiten=True)
LEAST = 1e-12  # eigenvalue of a matrix of correlations below which it is singular


@dataclass(frozen=True)
class BreakCovariance:
    """Assumptions on errors and regressors.

    Attributes
    ----------
    cov_type : "nonrobust", "HC" or "HAC". long_run : kernel, bandwidth and prewhitening of "HAC".
    het_errors : their variance (or that of x u) differs between regimes.
    het_regressors : the moments of the regressors differ between regimes.
    """

    cov_type: str = "HC"
    long_run: LongRun = PREWHITENED
    het_errors: bool = True
    het_regressors: bool = True

    def __post_init__(self) -> None:
        check_option("cov_type", self.cov_type, COV_TYPES)
        check_option("het_errors", self.het_errors, (True, False))
        check_option("het_regressors", self.het_regressors, (True, False))

    @property
    def fewest(self) -> int:
        """Rows a regime needs beyond its coefficients."""
        if self.cov_type == "nonrobust":
            return 1
        return 4 if self.cov_type == "HAC" and self.long_run.prewhiten else 3

    def moments(self, x: Array, residuals: Array) -> Array:
        """Variance (K, K) of x u per row."""
        if self.cov_type == "nonrobust":
            product: Array = x.T @ x * (float(residuals @ residuals) / x.shape[0] ** 2)
            return product
        rule = self.long_run if self.cov_type == "HAC" else OUTER
        return rule.covariance(x * residuals[:, None], dof=x.shape[1])


@dataclass(frozen=True, eq=False)
class RegimeEstimate:
    """Least squares given the dates.

    Attributes
    ----------
    regimes : (m + 1, q) breaking coefficients. common : (p,) those that stay. residuals : (T,).
    cov : ((m + 1) q + p,) squared, of the breaking ones by regime, then the common ones.
    """

    positions: tuple[int, ...]
    regimes: Array = field(repr=False)
    common: Array = field(repr=False)
    residuals: Array = field(repr=False)
    cov: Array = field(repr=False)

    @property
    def ssr(self) -> float:
        """Sum of squared residuals."""
        return float(self.residuals @ self.residuals)


def estimate_regimes(regression: Regression, positions: tuple[int, ...], rule: BreakCovariance) -> RegimeEstimate:
    """Coefficients and covariance of the regimes that start at ``positions``.

    Raises
    ------
    DataError : a regime without variance of its errors where one is needed, named.
    """
    _check_rule(regression, rule)
    theta, residuals = _coefficients(regression, positions)
    split = (len(positions) + 1) * regression.q
    based, back = _conditioned(regression, rule)
    if regression.constant.size:
        cov = _partial_covariance(based, positions, residuals, rule, partialled=False)
    else:
        cov = _pure_covariance(based, positions, residuals, rule)
    if back is not None:
        turn = block_diag(*[back[0]] * (len(positions) + 1), back[1])
        cov = turn @ cov @ turn.T
    return RegimeEstimate(positions, theta[:split].reshape(-1, regression.q), theta[split:], residuals, cov)


def scaled_f(regression: Regression, positions: tuple[int, ...], rule: BreakCovariance) -> float:
    r"""Statistic of equal coefficients in all regimes, on the scale of Bai and Perron's tables (q times their F).

    .. math:: \frac{T-(m+1)q-p}{Tm}\,\hat\delta'R'(R\hat VR')^{-1}R\hat\delta

    NaN where its covariance is singular.
    """
    _check_rule(regression, rule)
    # the statistic is that of any basis of the regressors
    regression, _ = _conditioned(regression, rule)
    theta, residuals = _coefficients(regression, positions)
    m, q, p = len(positions), regression.q, regression.constant.shape[1]
    delta = theta[: (m + 1) * q].reshape(m + 1, q)
    gaps = np.diff(delta, axis=0).ravel()
    cov = (
        _partial_covariance(regression, positions, residuals, rule, partialled=True)
        if p
        else _pure_covariance(regression, positions, residuals, rule)
    )
    contrast = np.kron(np.diff(np.eye(m + 1), axis=0), np.eye(q))
    spread = contrast @ cov @ contrast.T
    size = np.sqrt(np.maximum(np.diag(spread), 0.0))
    if not (np.isfinite(spread).all() and (size > 0.0).all()):
        return float("nan")
    spread = spread / np.outer(size, size)
    if np.linalg.eigvalsh(spread)[0] <= LEAST:
        return float("nan")
    wald = float((gaps / size) @ np.linalg.solve(spread, gaps / size))
    return float((regression.nobs - (m + 1) * q - p) / (regression.nobs * m) * wald)


def _conditioned(regression: Regression, rule: BreakCovariance) -> tuple[Regression, tuple[Array, Array] | None]:
    """The regression on orthogonal columns, with the matrices that bring coefficients back.

    Products of nearly dependent columns lose twice the digits. Lags are chosen from the columns as they are, so with
    "HAC" they stay, and None is returned for the matrices.
    """
    if rule.cov_type == "HAC":
        return regression, None
    columns, back = regression.x.copy(), []
    for which in (regression.varies, ~regression.varies):
        q = orthogonalize(np.ascontiguousarray(regression.x[:, which]))
        columns[:, which] = q
        back.append(np.linalg.inv(q.T @ regression.x[:, which] / regression.nobs))
    return replace(regression, x=columns), (back[0], back[1])


def _check_rule(regression: Regression, rule: BreakCovariance) -> None:
    if regression.constant.size and not rule.het_regressors:
        raise SpecError(
            "het_regressors=False with coefficients that stay (vary): after these are partialled out no regressor has "
            "the same moments in every regime; use het_regressors=True."
        )


def _coefficients(regression: Regression, positions: tuple[int, ...]) -> tuple[Array, Array]:
    if not regression.constant.size:
        theta, residuals = [], np.empty(regression.nobs)
        for first, end in pairwise((0, *positions, regression.nobs)):
            y, x = regression.y[first:end], regression.breaking[first:end]
            beta = np.asarray(np.linalg.lstsq(x, y, rcond=None)[0], np.float64)
            theta.append(beta)
            residuals[first:end] = y - x @ beta
        return np.concatenate(theta), residuals
    design = np.hstack([regime_design(regression.breaking, positions), regression.constant])
    beta = np.asarray(np.linalg.lstsq(design, regression.y, rcond=None)[0], np.float64)
    return beta, regression.y - design @ beta


def _regime_moments(
    x: Array, residuals: Array, regression: Regression, first: int, end: int, rule: BreakCovariance
) -> Array:
    """Variance of x u per row within a regime; the message names the regime where there is none."""
    try:
        return rule.moments(x[first:end], residuals[first:end])
    except DataError as error:
        raise DataError(
            f"regime from {regression.index[first]} to {regression.index[end - 1]} ({end - first} rows): {error}"
        ) from error


def _pure_covariance(
    regression: Regression, positions: tuple[int, ...], residuals: Array, rule: BreakCovariance
) -> Array:
    x, q = regression.breaking, regression.q
    out = np.zeros(((len(positions) + 1) * q,) * 2)
    pooled_bread = x.T @ x / regression.nobs
    pooled = None if rule.het_errors else rule.moments(x, residuals)
    variance = float(residuals @ residuals) / regression.nobs
    for i, (first, end) in enumerate(pairwise((0, *positions, regression.nobs))):
        nobs, inside = end - first, x[first:end]
        bread = inside.T @ inside / nobs if rule.het_regressors else pooled_bread
        if rule.cov_type == "nonrobust":
            # a variance of the errors times whichever moments the bread has
            own = float(residuals[first:end] @ residuals[first:end]) / nobs if rule.het_errors else variance
            meat = own * bread
        else:
            meat = _regime_moments(x, residuals, regression, first, end, rule) if pooled is None else pooled
        block = slice(i * q, (i + 1) * q)
        out[block, block] = _sandwich(bread, meat) / nobs
    return out


def _partial_covariance(
    regression: Regression, positions: tuple[int, ...], residuals: Array, rule: BreakCovariance, partialled: bool
) -> Array:
    """Of all coefficients, or of the breaking ones from regressors with the others partialled out.

    The two agree but for what lags and divisors see; Bai and Perron test with the second.
    """
    design = regime_design(regression.breaking, positions)
    common = regression.constant
    nobs, width = regression.nobs, design.shape[1]
    if partialled:
        w = design - common @ np.linalg.lstsq(common, design, rcond=None)[0]
    else:
        w = np.hstack([design, common])
    bread = w.T @ w / nobs
    if rule.cov_type != "nonrobust":
        meat = rule.moments(w, residuals)
    elif not rule.het_errors:
        meat = float(residuals @ residuals) / nobs * bread
    else:
        meat = np.zeros_like(bread)
        for first, end in pairwise((0, *positions, nobs)):
            own = float(residuals[first:end] @ residuals[first:end]) / (end - first)
            meat += own * w[first:end].T @ w[first:end] / nobs
    cov = _sandwich(bread, meat) / nobs
    return cov[:width, :width] if partialled else cov


def _sandwich(bread: Array, meat: Array) -> Array:
    # by the diagonal, so that units of the regressors do not matter
    size = np.sqrt(np.diag(bread))
    scaled = bread / np.outer(size, size)
    left = np.linalg.solve(scaled, meat / np.outer(size, size))
    cov: Array = np.linalg.solve(scaled, left.T).T
    out: Array = 0.5 * (cov + cov.T) / np.outer(size, size)
    return out
