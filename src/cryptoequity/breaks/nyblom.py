"""Constancy of coefficients against slow movement: the cumulated scores of Nyblom and Hansen, with their exact law."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq, minimize_scalar

from ..errors import CryptoEquityWarning, DataError, SpecError
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from .chow import check_fit
from .limits import LEVELS
from .results import BreakTest
from .sample import Regression, read_regression

__all__ = ["cumulated_scores", "nyblom_critical", "nyblom_hansen_test", "nyblom_tail"]

VARIANCE = "variance"
EDGE = 0.5 * np.pi**2  # the law's Laplace transform is analytic to the right of minus this
STRAIGHT = 8  # coefficients from which on the path of integration is a straight line
ROBUSTNESS = {
    "HC": "Measured at 5 %, T = 1000, over iid t(5), GARCH(.08, .90), GARCH(.12, .87) with t(5) and a "
    "standard deviation that doubles half-way: 5.3-6.3 % for the mean, 3.0-6.3 % for a slope on an "
    "independent return. Not for correlations: between two GARCH returns with a constant correlation the "
    "slope moves, and the test rejects (37-42 %).",
    "HAC": "For serially correlated errors. Measured at 5 % for the mean, T = 400, 120 samples, with "
    "LongRun(prewhiten=True): 5.8-8.3 % over iid t(5), two GARCH and a standard deviation that doubles "
    "half-way; 5.0 % with an autocorrelation of .5, where without it is 38 %.",
    "variance": "The variance is among what is tested: under GARCH, where the level of volatility persists "
    "and nothing breaks, this rejects (75-87 % measured at 5 %, T = 1000). That says nothing about the "
    "coefficients; use variance=False for them.",
}


def nyblom_hansen_test(
    y: Any,
    exog: Any = None,
    *,
    variance: bool = False,
    coefficients: Sequence[str] | None = None,
    long_run: LongRun | None = None,
    constant: bool = True,
) -> BreakTest:
    r"""Nyblom's (1989) test of constant coefficients, for a regression as in Hansen (1992).

    With the scores :math:`f_t=x_t\hat u_t` and their partial sums :math:`S_t`,

    .. math:: L=\frac1T\sum_tS_t'V^{-1}S_t, \qquad V=\sum_tf_tf_t',
        \qquad L\Rightarrow\sum_{j\ge1}\frac{\chi^2_q(j)}{(\pi j)^2} .

    It is the locally best test against coefficients that follow a random walk, and has power against any slow or
    lasting movement. It needs no trimming and no date, and estimates none.

    Parameters
    ----------
    y : pd.Series or array (T,). exog : regressors (T, k - 1), or None for the mean alone.
    variance : test the variance of the errors as well, by the scores :math:`\hat u_t^2-\hat\sigma^2`, as
        ``statsmodels.stats.diagnostic.breaks_hansen`` always does.
    coefficients : names that are tested jointly ("variance" is one of them); all by default. Whatever is tested, all
        coefficients are estimated once, over the sample.
    long_run : V from a long-run covariance, for serially correlated errors; by default V is as above.
    constant : put a constant among the regressors.

    Returns
    -------
    BreakTest : ``path`` holds :math:`S_t'V^{-1}S_t` by the first observation after t; no date is read off it.
        ``detail`` holds the statistic and p-value of every coefficient by itself.

    Notes
    -----
    V is White's: heteroskedasticity of the errors does not disturb the test of coefficients, as long as regressors and
    errors are stationary over the sample. P-values invert the law's Laplace transform,
    :math:`(\sqrt{2s}/\sinh\sqrt{2s})^{q/2}`, and are exact in the limit for any number of coefficients. Not for
    trending regressors.

    A true null of a constant mean or of a constant slope on an independent return was rejected in 3.0 to 6.3 % of 300
    samples of 1000 days at 5 %, over iid t(5), GARCH(.08, .90), GARCH(.12, .87) with t(5), and a standard deviation
    that doubles half-way. With ``variance=True`` it is rejected in 75 to 87 % under GARCH, and always when the
    variance breaks; a warning says so. The slope between two GARCH returns with a constant correlation moves, and is
    found to, in 37 to 42 %. See the page "One break in a regression".

    Raises
    ------
    DataError : a score that is zero at every date. SpecError : a name that is not a coefficient.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> from statsmodels.datasets import nile
    >>> flow = nile.load_pandas().data.set_index("year")["volume"]
    >>> round(ce.nyblom_hansen_test(flow).statistic, 4)
    2.5265
    """
    reg = read_regression(y, exog, constant=constant)
    names = [*reg.names, *([VARIANCE] if variance else [])]
    wanted = names if coefficients is None else list(coefficients)
    if isinstance(coefficients, str) or not wanted or any(name not in names for name in wanted):
        hint = "" if variance else " ('variance' with variance=True)"
        raise SpecError(f"coefficients={coefficients!r}: a list of names among {names}{hint}.")
    if variance and VARIANCE in reg.names:
        raise SpecError("exog has a column called 'variance'; rename it, the name stands for that of the errors.")
    chosen = np.array([name in wanted for name in names])
    sums, covariance = cumulated_scores(reg, variance, long_run)
    each = _statistics(sums, covariance)
    joint = covariance[np.ix_(chosen, chosen)]
    path = _path(sums[:, chosen], joint, [name for name in names if name in wanted])
    statistic = float(path.mean())
    q = int(chosen.sum())
    detail: dict[str, Any] = {}
    for name, value in zip(names, each, strict=True):
        detail[f"L, {name}"] = float(value)
        detail[f"p-value, {name}"] = nyblom_tail(float(value), 1)
    kind = "variance" if VARIANCE in wanted and variance else "HC" if long_run is None else "HAC"
    if variance:
        warnings.warn(ROBUSTNESS["variance"], CryptoEquityWarning, stacklevel=2)
    listed = ", ".join(name for name in names if name in wanted)
    return BreakTest(
        name="Nyblom–Hansen test of constant coefficients",
        null=f"constant over the sample: {listed}.",
        statistic=statistic,
        pvalue=nyblom_tail(statistic, q),
        reference=f"sum of chi2({q}) / (pi j)^2, exact",
        detail=detail,
        alternative=f"{listed} follow a random walk, or move lastingly in another way.",
        critical_values={level: nyblom_critical(level, q) for level in LEVELS},
        path=pd.Series(path[:-1], reg.index[1:], name="S'V^{-1}S"),
        nobs=reg.nobs,
        options={"variance": variance, "coefficients": listed, "covariance": "HC" if long_run is None else "HAC"},
        robustness=ROBUSTNESS[kind],
        keys=("nyblom1989", "hansen1992") + (() if long_run is None else ("andrews1991",)),
    )


def cumulated_scores(reg: Regression, variance: bool = False, long_run: LongRun | None = None) -> tuple[Array, Array]:
    r"""Partial sums :math:`S_t` (T, K or K + 1) of the scores, and their covariance V (the sum, not the mean)."""
    left, _ = np.linalg.qr(reg.x / np.sqrt(np.einsum("tk,tk->k", reg.x, reg.x)))
    resid = reg.y - left @ (left.T @ reg.y)
    resid = resid - left @ (left.T @ resid)  # the first projection leaves rounding of the size of y
    check_fit(float(resid @ resid), reg)
    # in units of the errors, so that the two kinds of score are of one size
    resid = resid / np.sqrt(resid @ resid / reg.nobs)
    scores = reg.x / np.sqrt(np.einsum("tk,tk->k", reg.x, reg.x) / reg.nobs) * resid[:, None]
    if variance:
        scores = np.concatenate([scores, resid[:, None] ** 2 - 1.0], axis=1)
    covariance = scores.T @ scores if long_run is None else reg.nobs * long_run.covariance(scores)
    return np.cumsum(scores, axis=0), covariance


def _statistics(sums: Array, covariance: Array) -> Array:
    scale = np.diag(covariance)
    if not (scale > 1e-20 * sums.shape[0]).all():
        raise DataError("a score is zero at every date: where its regressor moves there are no errors to test by.")
    each: Array = np.mean(sums**2, axis=0) / scale
    return each


def _path(sums: Array, covariance: Array, names: list[str]) -> Array:
    scale = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    if not values[0] > 1e-12 * values[-1]:
        raise DataError(
            f"the scores of {names} are linearly dependent (as where a regressor is not zero on a few dates only, or "
            "the errors have one absolute value); name fewer with coefficients=[…]."
        )
    rotated = (sums / scale) @ vectors
    path: Array = np.sum(rotated**2 / values, axis=1)
    return path


def nyblom_tail(statistic: float, q: int) -> float:
    r"""P-value of :math:`\sum_j(\pi j)^{-2}\chi^2_q(j)`, the integral of q squared Brownian bridges.

    The Laplace transform :math:`\phi(s)=(\sqrt{2s}/\sinh\sqrt{2s})^{q/2}` of the density is analytic but for a cut left
    of :math:`-\pi^2/2`, and the tail is

    .. math:: P(L>x) = -\frac1{2\pi i}\int e^{sx}\phi(s)\frac{ds}s

    along a line between the cut and zero, or one minus the same integral right of zero. It is bent around the cut into
    a parabola through its saddle point, on which the trapezoidal rule converges exponentially.

    Examples
    --------
    >>> from cryptoequity.breaks.nyblom import nyblom_tail
    >>> round(nyblom_tail(0.4614, 1), 3)
    0.05
    """
    if q < 1:
        raise SpecError(f"q={q}: at least one coefficient.")
    if np.isnan(statistic):
        return float("nan")
    if statistic <= 0.0:
        return 1.0
    upper = statistic > q / 6.0  # the mean
    part = _contour(statistic, q, upper)
    return float(min(1.0, max(0.0, part if upper else 1.0 - part)))


@cache
def nyblom_critical(alpha: float, q: int) -> float:
    """Value that `nyblom_tail` puts at ``alpha``."""
    if not 0.0 < alpha < 1.0:
        raise SpecError(f"alpha={alpha}: a level between 0 and 1.")
    high = q / 6.0
    for _ in range(200):
        if nyblom_tail(high, q) < alpha:
            break
        high *= 1.5
    return float(brentq(lambda x: nyblom_tail(x, q) - alpha, 1e-6, high, xtol=1e-12))


def _log_transform(s: npt.NDArray[np.complex128], q: int) -> npt.NDArray[np.complex128]:
    root: npt.NDArray[np.complex128] = np.sqrt(s + s)
    out: npt.NDArray[np.complex128] = (0.5 * q) * (np.log(2.0 * root) - root - np.log1p(-np.exp(-2.0 * root)))
    return out


def _contour(x: float, q: int, upper: bool) -> float:
    """Upper or lower tail at ``x``, a small number in relative precision."""

    def place(t: float) -> float:
        # the real line onto where the contour may cross the real axis
        return float(-EDGE / (1.0 + np.exp(-t)) if upper else np.exp(t))

    def height(s: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
        out: npt.NDArray[np.complex128] = s * x + _log_transform(s, q) - np.log(-s if upper else s)
        return out

    def real_height(t: float) -> float:
        return float(height(np.array([place(t)], complex))[0].real)

    # by far the most of the lower saddle's way is to q^2 / (8 x^2)
    limits = (-30.0, 30.0) if upper else (-20.0, float(np.log1p((q / x) ** 2 + 20.0 / x)) + 1.0)
    saddle = place(float(minimize_scalar(real_height, bounds=limits, method="bounded", options={"xatol": 1e-3}).x))
    step = 1e-3 * min(abs(saddle), EDGE + saddle)
    around = height(np.array([saddle - step, saddle, saddle + step], complex)).real
    scale = step / np.sqrt(max(around[0] - 2.0 * around[1] + around[2], 1e-300))
    # the parabola whose focus is where the cut begins; with many coefficients the transform itself falls off enough
    bend = scale**2 / (4.0 * (EDGE + saddle)) if q < STRAIGHT else 0.0
    total = 0.0
    width = 0.25
    for _ in range(6):
        v = width * np.arange(0.5, 40.0 / width)
        s = saddle + 1j * scale * v - bend * v**2
        logs = height(s) - around[1]
        alive = logs.real > -45.0
        terms = np.exp(logs[alive]) * (1j * scale - 2.0 * bend * v[alive])
        # conjugate points give twice the imaginary part
        before = total
        total = float(width / np.pi * np.sum(terms.imag))
        if abs(total - before) <= 1e-13 * abs(total):
            break
        width *= 0.5
    return total * float(np.exp(around[1]))
