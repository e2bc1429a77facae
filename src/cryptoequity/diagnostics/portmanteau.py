r"""Portmanteau tests of a fitted correlation model: Hosking, Li–McLeod, Ling–Li.

Residuals are whitened by the fitted path, :math:`e_t=R_t^{-1/2}z_t` (symmetric root). When margins and correlation are
right, :math:`e_t` has no memory in levels, in products :math:`e_te_t'`, nor in its squared length :math:`e_t'e_t`.
The residuals are estimated, and :math:`\chi^2` counts their autocorrelations as if they were not. Three p-values are
offered: the uncorrected one (``correct=False``), one that counts the estimation (the default), and that of the
bootstrap. The correction is large-sample and no cure for fat tails, whose high moments it needs: where residuals
are far from normal, or columns more than two, use the bootstrap.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from scipy import stats

from ..correlation.fit import CorrelationFit
from ..correlation.model import PathModel
from ..errors import SpecError, check_option
from ..estimation.inference import mean_outer
from ..estimation.params import Array
from ..estimation.results import TestResult
from ..volatility import Margins
from .constancy import check_lags, inverse_root, read
from .null_fit import NullFit, fitted_null
from .null_statistics import quadratic, satterthwaite_tail
from .null_world import Outcome, conclude

__all__ = ["hosking_test", "li_mcleod_test", "ling_li_test", "whitened"]

OF = ("products", "levels", "length")
# dates whitened at once
_CHUNK = 512
_NULLS = {
    "products": "products of the whitened residuals have no memory: variances and correlations are right.",
    "levels": "the whitened residuals have no memory: means are right.",
    "length": "the squared length of the whitened residuals has no memory: the covariance path is right.",
}


def hosking_test(
    fit: Margins | CorrelationFit,
    *,
    lags: int = 10,
    of: str = "products",
    correct: bool = True,
    bootstrap: int = 0,
    shocks: str = "fhs",
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TestResult:
    r"""Hosking's (1980) portmanteau statistic of whitened residuals or of their products.

    With :math:`C_l=\frac1T\sum_t(y_t-\bar y)(y_{t-l}-\bar y)'`,

    .. math:: Q=T^2\sum_{l=1}^s\frac1{T-l}\operatorname{tr}(C_l'C_0^{-1}C_lC_0^{-1}) .

    If :math:`y_t` were observed Q would be :math:`\chi^2(sK^2)`, K its length. It is made of estimates: its law
    is that of a weighted sum of :math:`\chi^2(1)`, whose weights are the eigenvalues of the covariance of the
    autocorrelations less what estimation takes from them. ``correct=True`` estimates the sum of the weights and of
    their squares, whatever the density, and reads the p-value from the scaled :math:`\chi^2` law with this mean and
    variance.

    Parameters
    ----------
    fit : a fitted model; margins stand for a constant correlation between them.
    lags : s. of : "products" (:math:`y_t`: the N(N+1)/2 elements of :math:`e_te_t'`), "levels" (:math:`e_t`).
    correct : count the estimation of margins and correlation; False for :math:`\chi^2(sK^2)`.
    bootstrap : draws of the fitted model, everything fitted again in each, for the p-value.
    shocks, rng, n_jobs : as in `engle_sheppard_test`.

    Returns
    -------
    TestResult : ``detail`` holds both asymptotic p-values.

    Notes
    -----
    Size at 5 %, measured with estimated margins (``benchmarks/constancy.py``), over normal and over t(5) residuals:
    of products, corrected 5.1–12.5 % and 5.9–37.5 %, uncorrected 3.6–7.5 % and 10.8–20.0 %, both beyond two standard
    errors with t(5) and, corrected, for more than two columns: use ``bootstrap`` (measured for two columns). Of levels,
    corrected 5.1–6.6 % and 4.5–7.9 %, uncorrected 4.4–6.2 % and 4.1–6.0 %.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> dcc = ce.DCC(dist="t").fit(returns, margins=ce.GARCH(dist="t"))
    >>> ce.hosking_test(dcc, lags=5).detail["terms"]
    45
    """
    check_option("of", of, ("products", "levels"))
    return _portmanteau(fit, "Hosking", lags, of, correct, bootstrap, shocks, rng, n_jobs)


def li_mcleod_test(
    fit: Margins | CorrelationFit,
    *,
    lags: int = 10,
    of: str = "products",
    correct: bool = True,
    bootstrap: int = 0,
    shocks: str = "fhs",
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TestResult:
    r"""Li and McLeod's (1981) portmanteau statistic.

    .. math:: Q=T\sum_{l=1}^s\operatorname{tr}(C_l'C_0^{-1}C_lC_0^{-1})+\frac{K^2s(s+1)}{2T},

    `hosking_test` with another correction for small samples.

    Parameters
    ----------
    fit, lags, of, correct : as in `hosking_test`.
    bootstrap, shocks, rng, n_jobs : as in `hosking_test`.

    Notes
    -----
    Size at 5 %, measured with estimated margins (``benchmarks/constancy.py``), over normal and over t(5) residuals:
    of products, corrected 5.1–12.5 % and 5.9–37.5 %, uncorrected 3.6–7.0 % and 10.8–20.0 %; see `hosking_test`.
    """
    check_option("of", of, ("products", "levels"))
    return _portmanteau(fit, "Li–McLeod", lags, of, correct, bootstrap, shocks, rng, n_jobs)


def ling_li_test(
    fit: Margins | CorrelationFit,
    *,
    lags: int = 10,
    correct: bool = True,
    weighted: bool = False,
    bootstrap: int = 0,
    shocks: str = "fhs",
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TestResult:
    r"""Ling and Li's (1997) test of the autocorrelations of :math:`\xi_t=z_t'R_t^{-1}z_t`.

    .. math:: Q=T\,\hat r'\hat r,\qquad \hat r_l=\frac{\sum_t(\xi_t-\bar\xi)(\xi_{t-l}-\bar\xi)}
              {\sum_t(\xi_t-\bar\xi)^2}

    against the law of a weighted sum of :math:`\chi^2(1)` as in `hosking_test`, or, with ``weighted``, the published
    :math:`T\hat r'\hat\Omega^{-1}\hat r` against :math:`\chi^2(s)`, :math:`\hat\Omega` from the moments of the two
    steps rather than from joint maximum likelihood as in the paper. :math:`\hat\Omega` holds eighth moments of the
    residuals, and with fat tails its inverse rejects far too often: read the weighted form where residuals are close
    to normal. Blind to a correlation that is wrong where the length of the whitened residuals does not feel it.

    Parameters
    ----------
    fit, lags, correct, bootstrap, shocks, rng, n_jobs : as in `hosking_test`.
    weighted : the published form; ``correct`` then has no effect.

    Notes
    -----
    Size at 5 %, measured with estimated margins (``benchmarks/constancy.py``), over normal and over t(5) residuals:
    corrected 5.3–6.7 % and 5.2–9.6 %, uncorrected 3.7–4.4 % and 3.9–5.1 %, weighted 4.5–7.0 % and 12.3–14.4 %.
    Corrected is beyond two standard errors (6.4 %) in most cells of t(5), weighted in all of them: use ``bootstrap``,
    or ``correct=False``, which errs towards too few rejections.
    """
    return _portmanteau(fit, "Ling–Li", lags, "length", correct, bootstrap, shocks, rng, n_jobs, weighted)


def whitened(model: PathModel, theta: Array) -> Array:
    """Residuals :math:`R_t^{-1/2}z_t` by the symmetric root, (T, N); no T×N×N array."""
    rows, cols = model.pairs
    z = model.z
    if not model.dynamic:
        return np.asarray(z @ inverse_root(model.matrix(model.nuisance)))
    path = model.path(theta, rows, cols)
    out = np.empty_like(z)
    if model.n == 2:
        # eigenvectors (1, 1) and (1, -1): sums and differences, each scaled
        plus = (z[:, 0] + z[:, 1]) / np.sqrt(1.0 + path[:, 0])
        minus = (z[:, 0] - z[:, 1]) / np.sqrt(1.0 - path[:, 0])
        out[:, 0], out[:, 1] = 0.5 * (plus + minus), 0.5 * (plus - minus)
        return out
    for first in range(0, model.nobs, _CHUNK):
        part = slice(first, first + _CHUNK)
        block = np.empty((z[part].shape[0], model.n, model.n))
        block[:, rows, cols] = block[:, cols, rows] = path[part]
        block[:, range(model.n), range(model.n)] = 1.0
        values, vectors = np.linalg.eigh(block)
        along = np.einsum("tnk,tn->tk", vectors, z[part]) / np.sqrt(values)
        out[part] = np.einsum("tnk,tk->tn", vectors, along)
    return out


def observed(model: PathModel, theta: Array, of: str) -> Array:
    """What has no memory under the null, (T, K)."""
    return _of(whitened(model, theta), of)


def _of(e: Array, of: str) -> Array:
    """Whitened residuals themselves, their products, or their squared length, (T, K)."""
    if of == "levels":
        return e
    if of == "length":
        return np.asarray((e**2).sum(axis=1, keepdims=True))
    rows, cols = np.triu_indices(e.shape[1])
    return np.asarray(e[:, rows] * e[:, cols])


def _change(e: Array, move: Array, of: str) -> Array:
    """Derivative of `_of` along ``move`` (T, N)."""
    if of == "levels":
        return move
    if of == "length":
        return np.asarray(2.0 * (e * move).sum(axis=1, keepdims=True))
    rows, cols = np.triu_indices(e.shape[1])
    return np.asarray(move[:, rows] * e[:, cols] + e[:, rows] * move[:, cols])


def white_variations(null: NullFit) -> Iterator[Array]:
    """Derivatives (T, N) of the whitened residuals by what was estimated; in closed form for a constant correlation."""
    model = null.model
    if model.dynamic or null.theta.size:
        yield from null.variations(whitened)
        return
    values, vectors = np.linalg.eigh(model.matrix(model.nuisance))
    root = np.sqrt(values)
    inverse = (vectors / root) @ vectors.T
    for i, one in enumerate(null.columns):
        for k in range(one.dz.shape[1]):
            yield one.dz[:, [k]] * inverse[i]
    if null.noise == "none":
        return
    # d R^{-1/2} in the eigenvectors of R: entries of dR times -1 / (r_k r_l (r_k + r_l)), r the roots
    factor = -1.0 / (root[:, None] * root * (root[:, None] + root))
    for i, j in zip(*model.pairs, strict=True):
        inner = np.outer(vectors[i], vectors[j])
        yield null.z @ (vectors @ (factor * (inner + inner.T)) @ vectors.T)


def _standardized(y: Array) -> tuple[Array, Array]:
    """Rows with mean zero and covariance I, (T, K), and the root that made them, (K, K)."""
    centered = y - y.mean(axis=0)
    root = inverse_root(mean_outer(centered))
    return centered @ root, root


def _autocorrelations(unit: Array, lags: int) -> Array:
    """Autocorrelations (lags, K, K) of rows whose covariance is I."""
    nobs = unit.shape[0]
    return np.stack([unit[lag:].T @ unit[: nobs - lag] / nobs for lag in range(1, lags + 1)])


def _total(kind: str, correlations: Array, nobs: int) -> float:
    """The statistic, from autocorrelations (lags, K, K)."""
    squares = (correlations**2).sum(axis=(1, 2))
    lags, k = correlations.shape[:2]
    if kind == "Hosking":
        return float((squares * nobs**2 / (nobs - np.arange(1, lags + 1))).sum())
    if kind == "Li–McLeod":
        return float(nobs * squares.sum() + k * k * lags * (lags + 1) / (2.0 * nobs))
    return float(nobs * squares.sum())


def adjusted_products(null: NullFit, of: str, lags: int) -> Iterator[Array]:
    r"""The terms :math:`y_t\otimes y_{t-l}` of the autocorrelations lag by lag, (T, K²), less what estimation takes.

    Only :math:`y_t` is differentiated: given the past it has mean zero, so the derivative of :math:`y_{t-l}` drops out.
    """
    e = whitened(null.model, null.theta)
    unit, root = _standardized(_of(e, of))
    nobs, k = unit.shape
    moves = np.stack([_change(e, move, of) for move in white_variations(null)])  # (parameters, T, K)
    moves = (moves - moves.mean(axis=1, keepdims=True)) @ root
    per = np.linalg.inv(null.bread)  # (parameters, moments)
    for lag in range(1, lags + 1):
        slope = np.einsum("pta,tb->abp", moves[:, lag:], unit[:-lag], optimize=True).reshape(k * k, -1) / nobs
        terms = -(null.moments @ (slope @ per).T)
        terms[lag:] += (unit[lag:, :, None] * unit[:-lag, None, :]).reshape(nobs - lag, k * k)
        yield terms


def weights_of(null: NullFit, of: str, lags: int) -> tuple[float, float]:
    r"""Sum, and sum of squares, of the weights of the law of the statistic.

    They are the traces of :math:`\Sigma` and :math:`\Sigma^2`, :math:`\Sigma` the covariance of the adjusted products
    :math:`g_t^*`. The second is the mean of :math:`(g_s^{*\prime}g_t^*)^2` over s ≠ t: with as many products as
    observations, the terms s = t would be most of it and no part of :math:`\Sigma^2`.
    """
    parts = list(adjusted_products(null, of, lags))
    nobs = parts[0].shape[0]
    size = sum((part**2).sum(axis=1) for part in parts)
    if lags * parts[0].shape[1] <= nobs:
        whole = np.concatenate(parts, axis=1)
        gram = whole.T @ whole
    else:
        gram = np.zeros((nobs, nobs))
        for part in parts:
            gram += part @ part.T
    second = (float((gram**2).sum()) - float(np.sum(size**2))) / (nobs * (nobs - 1.0))
    return float(np.mean(size)), second


def _statistic(null: NullFit, kind: str, lags: int, of: str, weighted: bool) -> float:
    unit, _ = _standardized(observed(null.model, null.theta, of))
    correlations = _autocorrelations(unit, lags)
    if not weighted:
        return _total(kind, correlations, null.model.nobs)
    star = np.concatenate(list(adjusted_products(null, of, lags)), axis=1)
    return quadratic(null.model.nobs * correlations.ravel(), star.T @ star)


def _portmanteau(
    fit: Margins | CorrelationFit,
    kind: str,
    lags: int,
    of: str,
    correct: bool,
    bootstrap: int,
    shocks: str,
    rng: int | np.random.Generator,
    n_jobs: int | None,
    weighted: bool = False,
) -> TestResult:
    null = read(fit) if isinstance(fit, Margins) else fitted_null(fit)
    check_lags(lags, null.model.nobs)
    n = null.model.n
    k = {"products": n * (n + 1) // 2, "levels": n, "length": 1}[of]
    if k >= null.model.nobs:
        raise SpecError(f"{k} products of {null.model.nobs} observations: use of='levels', or fewer columns.")
    terms = lags * k * k
    statistic = partial(_statistic, kind=kind, lags=lags, of=of, weighted=weighted)
    value = statistic(null)
    plain = float(stats.chi2.sf(value, terms))
    detail: dict[str, float | int] = {"lags": lags, "terms": terms}
    reason = ""
    chosen, reference = plain, f"chi2({terms})"
    if weighted:
        reference += ", weighted by the covariance of estimated autocorrelations"
    else:
        corrected = satterthwaite_tail(value, *weights_of(null, of, lags))
        detail["uncorrected p-value"] = plain
        detail["corrected p-value"] = corrected
        if correct:
            chosen = corrected
            reference = f"weighted sum of {terms} chi2(1), estimation counted (chi2 with its mean and variance)"
            if not np.isfinite(chosen):
                reason = "the estimated weights of the statistic are not those of a law; use bootstrap=."
    outcome = Outcome(f"{kind} portmanteau test", _NULLS[of], reference, value, chosen, detail, reason)
    spec = None if isinstance(fit, Margins) else fit.spec
    return conclude(outcome, null, spec, statistic, bootstrap=bootstrap, shocks=shocks, rng=rng, n_jobs=n_jobs)
