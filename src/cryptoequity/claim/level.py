r"""Levels and differences of correlation: a break at a known or unknown date, and paired differences.

Inference is on influence functions (`statistics.correlation_influence`) with equal-weighted cosine standard
errors and their t law, which keep their size under persistent correlation better than Newey–West.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from ..errors import DataError
from ..estimation.inference import ewc_test
from ..estimation.params import Array
from ..estimation.results import TestResult
from .statistics import correlation, correlation_influence

__all__ = ["Level", "correlation_difference", "correlation_level", "find_break", "level_step"]


@dataclass(frozen=True)
class Level:
    """An estimate with a t law: value, standard error, degrees of freedom."""

    estimate: float
    error: float
    df: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided interval."""
        half = float(stats.t.isf((1.0 - level) / 2.0, self.df)) * self.error
        return self.estimate - half, self.estimate + half

    def upper_pvalue(self, value: float = 0.0) -> float:
        """One-sided p-value of "not above ``value``"."""
        return float(stats.t.sf((self.estimate - value) / self.error, self.df))

    def detectable(self, alpha: float, power: float = 0.8) -> float:
        """Smallest effect a one-sided test at ``alpha`` finds with this power."""
        return float(stats.t.isf(alpha, self.df) + stats.t.isf(1.0 - power, self.df)) * self.error


def correlation_level(x: Array, y: Array) -> Level:
    """Correlation of two residual series with its cosine standard error."""
    error, df = ewc_test(correlation_influence(x, y))
    return Level(correlation(x, y), error, df)


def correlation_difference(x: Array, y: Array, v: Array, w: Array) -> Level:
    """Difference corr(x, y) − corr(v, w) on the same dates; their dependence is in the standard error."""
    error, df = ewc_test(correlation_influence(x, y) - correlation_influence(v, w))
    return Level(correlation(x, y) - correlation(v, w), error, df)


def level_step(x: Array, y: Array, position: int) -> Level:
    """Correlation from ``position`` on minus before; Welch's degrees of freedom."""
    after, before = correlation_level(x[position:], y[position:]), correlation_level(x[:position], y[:position])
    variance = after.error**2 + before.error**2
    df = variance**2 / (after.error**4 / after.df + before.error**4 / before.df)
    return Level(after.estimate - before.estimate, float(np.sqrt(variance)), df)


def find_break(product: Array, trim: float = 0.15, paths: int = 4000) -> TestResult:
    r"""One break at an unknown date in the mean of ``product`` :math:`=z_{1t}z_{2t}`: sup-Wald (Andrews 1993).

    :math:`\sup_\pi T\,(\bar x_{>\pi}-\bar x_{\le\pi})^2\,\pi(1-\pi)/\hat\Omega` over the sample less ``trim`` at either
    end; :math:`\hat\Omega` by equal-weighted cosines within the two parts. The p-value comes from simulated
    paths of :math:`\sup B(\pi)^2/\{\pi(1-\pi)\}`, B a Brownian bridge on a grid of 1,000 steps, with a fixed seed.

    Returns
    -------
    TestResult; ``detail["position"]`` is the first observation of the new regime.
    """
    nobs = product.size
    first, last = int(np.ceil(trim * nobs)), int(np.floor((1.0 - trim) * nobs))
    if last <= first:
        raise DataError(f"{nobs} observations are too few to look for a break with {trim:.0%} trimmed at both ends.")
    sums = np.cumsum(product)
    cut = np.arange(first, last + 1)
    share = cut / nobs
    gap = (sums[-1] - sums[cut - 1]) / (nobs - cut) - sums[cut - 1] / cut
    shape = nobs * gap**2 * share * (1.0 - share)
    position = int(cut[np.argmax(shape)])
    demeaned = product - np.where(np.arange(nobs) < position, product[:position].mean(), product[position:].mean())
    error, _ = ewc_test(demeaned)
    statistic = float(shape.max() / (nobs * error**2))
    sup = _bridge_law(trim, paths)
    pvalue = (1 + int(np.sum(sup >= statistic))) / (1 + paths)
    return TestResult(
        "sup-Wald for one break in the mean product",
        "the mean product of residuals is constant",
        statistic,
        pvalue,
        f"sup of a squared tied-down Bessel process, {trim:.0%} trimming, {paths} simulated paths",
        {"position": position, "step": float(gap[position - first])},
    )


@lru_cache(maxsize=8)
def _bridge_law(trim: float, paths: int) -> Array:
    """Draws of the sup of a squared tied-down Bessel process, (paths,); the seed is fixed."""
    rng = np.random.default_rng(19930701)
    steps = 1000
    grid = np.arange(1, steps + 1) / steps
    middle = (grid >= trim) & (grid <= 1.0 - trim)
    walk = np.cumsum(rng.standard_normal((paths, steps)), axis=1) / np.sqrt(steps)
    bridge = walk - grid * walk[:, -1:]
    sup: Array = (bridge[:, middle] ** 2 / (grid * (1.0 - grid))[middle]).max(axis=1)
    sup.flags.writeable = False  # shared by every caller
    return sup
