r"""Wald and likelihood-ratio tests of restrictions, and the reasons why their :math:`\chi^2` law may not hold.

Three things spoil it. *On the boundary*: when the null puts a parameter on its bound the estimate falls on the bound
half of the time, and the law of one such restriction is :math:`\tfrac12\chi^2_0+\tfrac12\chi^2_1` (Self & Liang 1987).
*Not identified*: when parameters have no effect under the null (b of a DCC when a = 0, the location of a transition
without height), there is no law to look up; use a test of constant correlation. *Steps*: a likelihood ratio of
models whose margins or targets were fixed beforehand is a weighted sum of :math:`\chi^2_1` even in a correct model,
for the curvature of the last step is not its estimation error (Foutz & Srivastava 1977). Wald tests with the
covariance of all steps are free of the last problem.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from ..errors import SpecError
from ..estimation.inference import free_part, spread
from ..estimation.params import Array
from ..estimation.results import TestResult
from .comparison import check_same_sample, own_parameters
from .linear import NullPoint, Restrictions, null_point, read_restrictions

__all__ = ["likelihood_ratio_test", "wald_test", "weighted_chi2_sf"]

_HALF = "half chi2(0), half chi2(1): the parameter is on its bound under the null"
_CONSTANT = "use a test of constant correlation (engle_sheppard_test, tse_test) or simulate the null"
_SIMULATE = "simulate the null"


def wald_test(fit: Any, restrictions: Restrictions) -> TestResult:
    r"""Wald test of linear restrictions on any parameters of a fit.

    .. math:: W=(R\hat\theta-q)'(R\hat VR')^{-1}(R\hat\theta-q)

    with the fit's own covariance, which counts every step of the estimation.

    Parameters
    ----------
    fit : a fitted model. restrictions : equations such as "dcc.a + dcc.b = 0.99" or "A.beta = B.beta", values by
        name, or (R, q).

    Returns
    -------
    TestResult : :math:`\chi^2(m)`; half of it for one restriction on the boundary. No p-value, and the reason, for
        several with one on the boundary, for parameters that are not identified under the null, and for parameters
        without a standard error.

    Raises
    ------
    SpecError : restrictions that cannot be read or cannot hold.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> from cryptoequity.diagnostics.restrictions import wald_test
    >>> fit = ce.DCC().fit(ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]])
    >>> wald_test(fit, "dcc.a = 0").reason[:20]
    'dcc.b has no effect '
    """
    estimate = fit.estimate
    matrix, values, words = read_restrictions(estimate.names, restrictions)
    null = "; ".join(words)
    where = null_point(fit, matrix, values)
    used = np.any(matrix != 0.0, axis=0)
    gap = matrix @ estimate.theta - values
    cov = estimate.cov[np.ix_(used, used)]
    blind = [
        name for name, use, v in zip(estimate.names, used, np.diag(estimate.cov), strict=True) if use and np.isnan(v)
    ]
    m = values.size
    detail: dict[str, Any] = {"restrictions": m}
    if where.lost:
        statistic = math.nan if blind else _quadratic(gap, matrix[:, used], cov)
        return TestResult("Wald", null, statistic, math.nan, "none", detail, _lost(fit, where))
    if blind and not (m == 1 and where.edge and abs(gap[0]) < 1e-8):
        reason = f"{', '.join(blind)}: no standard error (on a bound, not identified, or taken as known)."
        return TestResult("Wald", null, math.nan, math.nan, "none", detail, reason)
    # an estimate that sits on the bound itself agrees with the null as well as an estimate can
    statistic = 0.0 if blind else _quadratic(gap, matrix[:, used], cov)
    detail["chi2 p-value"] = float(stats.chi2.sf(statistic, m))
    if not where.edge:
        return TestResult("Wald", null, statistic, detail["chi2 p-value"], f"chi2({m})", detail)
    if m == 1:
        p = 1.0 if statistic == 0.0 else 0.5 * detail["chi2 p-value"]
        return TestResult("Wald", null, statistic, p, _HALF, detail)
    return TestResult("Wald", null, statistic, math.nan, "none", detail, _edge(where, words))


def likelihood_ratio_test(
    restricted: Any,
    unrestricted: Any,
    *,
    restrictions: Restrictions | None = None,
    df: int | None = None,
) -> TestResult:
    r"""Likelihood-ratio test of nested models fitted to one sample.

    :math:`\mathrm{LR}=2(\ell_1-\ell_0)` is :math:`\chi^2` when both likelihoods are maximized over everything, with the
    right density. When margins or targets are fixed beforehand, and margins are the same in both models, its law
    under restrictions :math:`R\theta=q` of the last step is that of
    :math:`\sum_k\lambda_k\chi^2_1`, :math:`\lambda` the eigenvalues of
    :math:`(RCR')^{-1}RVR'` with V the covariance of all steps and C the inverse curvature of the last alone; name
    the ``restrictions`` of the unrestricted model to have it computed.

    Parameters
    ----------
    restricted, unrestricted : fitted models of the same returns.
    restrictions : what turns the unrestricted model into the restricted one, on its own parameters, as in `wald_test`.
    df : number of restrictions; by default those named, else the difference in the number of parameters.

    Returns
    -------
    TestResult : no p-value, and every reason, where no law is known. ``detail["chi2 p-value"]`` is what the textbook
        would say.

    Raises
    ------
    DataError : the fits are on different samples.
    SpecError : the unrestricted model has no more parameters, or restrictions that are not its own.
    """
    check_same_sample({"restricted": restricted, "unrestricted": unrestricted})
    statistic = 2.0 * (unrestricted.loglikelihood - restricted.loglikelihood)
    null = f"{_title(restricted)} within {_title(unrestricted)}"
    matrix: Array | None = None
    values: Array | None = None
    words: tuple[str, ...] = ()
    where: NullPoint | None = None
    if restrictions is not None:
        matrix, values, words = read_restrictions(unrestricted.estimate.names, restrictions)
        own = len(own_parameters(unrestricted))
        if np.any(matrix[:, : matrix.shape[1] - own] != 0.0):
            raise SpecError("restrictions of a likelihood ratio must be on the parameters of the last step alone.")
        null = "; ".join(words)
        where = null_point(unrestricted, matrix, values)
    extra = unrestricted.estimate.free_count - restricted.estimate.free_count
    count = df if df is not None else (extra if values is None else values.size)
    if count < 1:
        raise SpecError(
            f"the unrestricted model has {unrestricted.estimate.free_count} parameters and the restricted one "
            f"{restricted.estimate.free_count}: nothing is restricted (swap them, or give df=)."
        )
    detail: dict[str, Any] = {
        "restrictions": count,
        "log-likelihood, restricted": float(restricted.loglikelihood),
        "log-likelihood, unrestricted": float(unrestricted.loglikelihood),
        "chi2 p-value": float(stats.chi2.sf(max(statistic, 0.0), count)),
    }
    shape = _density_alone(restricted, unrestricted)
    problems = _fatal(restricted, unrestricted, statistic, shape)
    if where is not None and where.lost:
        problems.append(_lost(unrestricted, where))
    if where is not None and where.edge and count > 1:
        problems.append(_edge(where, words))
    stepwise = len(own_parameters(unrestricted)) < unrestricted.estimate.free_count
    if not problems and stepwise and not shape and matrix is None:
        problems.append(
            "margins, means or targets were estimated before the last step, so the ratio is a weighted sum of chi2(1); "
            "name the restrictions= to have the weights computed, or use wald_test."
        )
    if not stepwise and matrix is None and not shape and _bounded(unrestricted):
        problems.append("the unrestricted estimate is on a bound; name the restrictions=.")
    if problems:
        return TestResult("Likelihood ratio", null, statistic, math.nan, "none", detail, " ".join(problems))
    statistic = max(statistic, 0.0)
    half = 0.5 if shape or (where is not None and where.edge) else 1.0
    if shape:
        reference = "half chi2(0), half chi2(1): the normal is the t with infinite degrees of freedom"
        p = float(stats.chi2.sf(statistic, 1))
    elif stepwise and matrix is not None:
        weights = _weights(unrestricted, matrix)
        detail["weights"] = weights
        p = weighted_chi2_sf(statistic, weights)
        listed = ", ".join(f"{weight:.3f}" for weight in weights)
        reference = f"weighted sum of {weights.size} chi2(1), weights {listed}"
        if half < 1.0:
            reference = (
                f"half chi2(0), half {float(np.max(weights)):.3f} chi2(1): on the bound under the null, later step"
            )
    else:
        p = float(stats.chi2.sf(statistic, count))
        reference = f"chi2({count}), if the density is right" if half == 1.0 else _HALF
    p = (1.0 if statistic == 0.0 else half * p) if half < 1.0 else p
    return TestResult("Likelihood ratio", null, statistic, p, reference, detail)


def weighted_chi2_sf(x: float, weights: Array) -> float:
    r"""P(:math:`\sum_k\lambda_k\chi^2_1>x`) for positive weights, as a mixture of :math:`\chi^2` laws.

    With :math:`\beta=\min\lambda` the sum is :math:`\beta\chi^2_{m+2k}` with probability :math:`c_k`,

    .. math:: c_0=\prod_j\sqrt{\beta/\lambda_j},\qquad c_k=\frac1k\sum_{r<k}g_{k-r}c_r,\qquad
        g_k=\tfrac12\sum_j(1-\beta/\lambda_j)^k

    (Ruben 1962). The :math:`c_k` are positive and add up to one, so what is left out is known.

    Parameters
    ----------
    x : at which to evaluate. weights : (m,) positive.

    Raises
    ------
    SpecError : weights that are not positive, or so unequal (beyond about 1 to 500) that the series is too long.
    """
    lam = np.asarray(weights, float)
    if lam.ndim != 1 or lam.size == 0 or not np.all(lam > 0.0):
        raise SpecError(f"weights {np.array2string(lam, precision=4)}: give positive numbers.")
    if x <= 0.0:
        return 1.0
    beta = float(lam.min())
    share = 1.0 - beta / lam
    longest = 12_000
    g = np.empty(longest)
    c = np.empty(longest)
    c[0] = math.sqrt(float(np.prod(beta / lam)))
    powers = np.ones_like(lam)
    total, k = c[0], 0
    while 1.0 - total > 1e-10 and k + 1 < longest:
        k += 1
        powers = powers * share
        g[k] = 0.5 * float(powers.sum())
        c[k] = float(g[k:0:-1] @ c[:k]) / k
        total += c[k]
    if 1.0 - total > 1e-6:
        raise SpecError(f"weights from {beta:.3g} to {lam.max():.3g} are too unequal for the series of their sum.")
    tails = np.asarray(stats.chi2.sf(x / beta, lam.size + 2 * np.arange(k + 1)), float)
    return float(min(1.0, c[: k + 1] @ tails + (1.0 - total) * tails[-1]))


def _quadratic(gap: Array, matrix: Array, cov: Array) -> float:
    return float(gap @ np.linalg.solve(matrix @ cov @ matrix.T, gap))


def _weights(fit: Any, matrix: Array) -> Array:
    """Eigenvalues of (R C R')^{-1} R V R' over the last step, descending."""
    own = len(own_parameters(fit))
    r = matrix[:, matrix.shape[1] - own :]
    part = free_part(fit.likelihood, fit.optimum)
    curvature = spread(np.linalg.inv(-part.hessian) / fit.nobs, part.jacobian)
    used = np.any(r != 0.0, axis=0)
    r = r[:, used]
    c = r @ curvature[np.ix_(used, used)] @ r.T
    v = r @ fit.estimate.cov[-own:, -own:][np.ix_(used, used)] @ r.T
    if not (np.isfinite(c).all() and np.isfinite(v).all()):
        raise SpecError("a restricted parameter has no standard error: it is on a bound in the unrestricted model.")
    values = np.linalg.eigvals(np.linalg.solve(c, v)).real
    out: Array = np.sort(values)[::-1]
    return out


def _fatal(restricted: Any, unrestricted: Any, statistic: float, shape: bool) -> list[str]:
    """What leaves a ratio without a meaning."""
    problems = []
    for label, fit in (("restricted", restricted), ("unrestricted", unrestricted)):
        if not fit.converged:
            problems.append(f"the {label} fit did not converge.")
        if fit.optimum is None and len(own_parameters(fit)):
            problems.append(f"the {label} fit was filtered with given parameters: its likelihood is not a maximum.")
    # the largest degrees of freedom allowed are not quite a normal
    if statistic < -1e-6 and not (shape and own_parameters(unrestricted)[-1] in unrestricted.at_bound):
        problems.append(
            f"the restricted model fits better by {-0.5 * statistic:.3g}: the models are not nested, or the steps "
            "before the last differ."
        )
    one, other = (getattr(fit, "margins", None) for fit in (restricted, unrestricted))
    if (one is None) != (other is None):
        problems.append("one model rests on fitted margins and the other does not: they are not nested step by step.")
    elif one is not None and other is not None:
        same = one.params.index.equals(other.params.index[: len(one.params)]) and len(one.params) == len(other.params)
        if not same or not np.allclose(one.params.to_numpy(), other.params.to_numpy(), rtol=1e-6, atol=1e-9):
            problems.append(
                "the margins differ, and each was maximized on its own: the ratio mixes their fit with that of the "
                "correlation; fit both models on the same margins."
            )
    if _moves(unrestricted) and not _moves(restricted):
        problems.append(
            f"under constant correlation parameters of {_title(unrestricted)} are not identified (such as b when "
            f"a = 0) and others are on their bound: the ratio has no chi2 law; {_CONSTANT}."
        )
    return problems


def _moves(fit: Any) -> bool:
    return bool(getattr(fit.likelihood, "dynamic", True))


def _density_alone(restricted: Any, unrestricted: Any) -> bool:
    """Whether the models differ by the degrees of freedom of their errors and nothing else."""
    bare = [[name.rpartition(".")[2] for name in own_parameters(fit)] for fit in (restricted, unrestricted)]
    same = type(restricted.spec) is type(unrestricted.spec)
    return same and bare[1] == [*bare[0], "nu"]


def _bounded(fit: Any) -> bool:
    return any(name in own_parameters(fit) for name in fit.at_bound)


def _title(fit: Any) -> str:
    return str(fit.spec.name)


def _lost(fit: Any, where: NullPoint) -> str:
    return (
        f"{', '.join(where.lost)} {'has' if len(where.lost) == 1 else 'have'} no effect on the likelihood under the "
        f"null and cannot be identified there: the statistic has no chi2 law; "
        f"{_CONSTANT if hasattr(fit, 'margins') else _SIMULATE}."
    )


def _edge(where: NullPoint, words: tuple[str, ...]) -> str:
    listed = "; ".join(words[k] if k < len(words) else f"row {k + 1}" for k in where.edge)
    return (
        f"on the boundary of the parameter space under the null: {listed}. With {len(where.edge)} such among several "
        "restrictions the law is no chi2; test them one at a time, or simulate the null."
    )
