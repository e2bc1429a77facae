r"""Levels of correlation, their differences, and a break in the level: estimates with a bootstrap law.

A level estimated from a persistent correlation is noisier than any few-lag standard error says: under
DCC(.02, .97) a cosine or Newey–West t-test of a level, of a paired difference or of a step rejects a true null
several times too often. The law used here is that of the fitted world: the sample is drawn again and
again with the same persistence, margins are refitted, and the level is taken again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import stats

from ..errors import DataError
from ..estimation.bootstrap import null_interval, pvalue
from ..estimation.inference import ewc_test
from ..estimation.parallel import map_draws
from ..estimation.params import Array
from ..estimation.results import TestResult
from .statistics import correlation
from .world import DRAW_TOL, NullWorld, residuals

__all__ = ["Break", "Level", "LevelWorld", "find_break", "level_contrast", "level_draws"]

TRIM = 0.15


@dataclass(frozen=True, eq=False)
class Level:
    """An estimate and the draws of its estimator around its own center.

    Attributes
    ----------
    estimate : of the data. draws : (B,) of the estimator in the fitted world.
    """

    estimate: float
    draws: Array = field(repr=False)

    @property
    def noise(self) -> Array:
        """Draws less their mean: the law of the estimate around what it estimates."""
        finite = self.draws[np.isfinite(self.draws)]
        return finite - finite.mean() if finite.size else finite

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided interval."""
        return null_interval(self.estimate, self.noise, level)

    def upper_pvalue(self) -> float:
        """One-sided p-value of "not above zero"."""
        return pvalue(self.estimate, self.noise)


@dataclass(frozen=True)
class Break:
    r"""The likeliest place of one break in the mean of a series.

    Attributes
    ----------
    statistic : sup over the dates of :math:`T\pi(1-\pi)(\bar x_{>\pi}-\bar x_{\le\pi})^2/s^2`, with the
        variance within the two parts. position : first observation of the new regime. step : its size.
    """

    statistic: float
    position: int
    step: float


def find_break(product: Array, trim: float = TRIM, keep: int = 0) -> Break:
    r"""Locate one break at an unknown date in the mean of ``product`` :math:`=z_{1t}z_{2t}` (T,).

    The statistic is the sup-F form of Andrews (1993) over the sample less ``trim`` at either end. Its tabulated
    law holds for white noise only; `LevelWorld` gives the law under a persistent correlation. At least ``keep``
    observations are left after the break.
    """
    nobs = product.size
    first, last = int(np.ceil(trim * nobs)), min(int(np.floor((1.0 - trim) * nobs)), nobs - keep)
    if last <= first:
        left = f" and {keep} left after it" if keep else ""
        raise DataError(
            f"{nobs} observations are too few to look for a break with {trim:.0%} trimmed at both ends{left}."
        )
    sums = np.cumsum(product)
    cut = np.arange(first, last + 1)
    share = cut / nobs
    gap = (sums[-1] - sums[cut - 1]) / (nobs - cut) - sums[cut - 1] / cut
    shape = nobs * gap**2 * share * (1.0 - share)
    best = int(np.argmax(shape))
    position = int(cut[best])
    before, after = product[:position], product[position:]
    within = (before.size * before.var() + after.size * after.var()) / nobs
    return Break(float(shape[best] / within), position, float(gap[best]))


@dataclass(frozen=True, eq=False)
class LevelWorld:
    """Correlations of one draw of a fitted world, margins refitted.

    Attributes
    ----------
    world : fitted margins and joint DCC. pairs : columns of each correlation. masks : sessions of each, or
        None for all. nobs : length of a draw.
    with_break, keep : also the sup statistic of a break in the product of columns 0 and 1, ``keep`` observations
        before the end at the latest.
    basket : also the correlation of the mean residual of these columns with column 1.
    """

    world: NullWorld
    pairs: tuple[tuple[int, int], ...]
    masks: tuple[npt.NDArray[np.bool_] | None, ...]
    nobs: int
    with_break: bool = False
    keep: int = 0
    basket: tuple[int, ...] = ()

    def __call__(self, seed: np.random.SeedSequence) -> Array:
        """Correlations of one draw, (K,), then those of the basket and the sup statistic where they are wanted."""
        world = self.world
        returns = world.draw(np.random.default_rng(seed), self.nobs)
        z = np.empty_like(returns)
        used = {column for pair in self.pairs for column in pair} | set(self.basket) | {0, 1}
        for i in sorted(used):
            z[:, i] = residuals(world.specs[i], returns[:, i], world.optima[i], tol=DRAW_TOL)[0]
        values = [
            correlation(z[:, i], z[:, j]) if mask is None else correlation(z[mask, i], z[mask, j])
            for (i, j), mask in zip(self.pairs, self.masks, strict=True)
        ]
        if self.basket:
            values.append(correlation(z[:, list(self.basket)].mean(axis=1), z[:, 1]))
        if self.with_break:
            values.append(find_break(z[:, 0] * z[:, 1], keep=self.keep).statistic)
        return np.array(values)


def level_draws(
    world: LevelWorld,
    seeds: list[np.random.SeedSequence],
    *,
    n_jobs: int | None = None,
    progress: bool = False,
    label: str = "levels",
) -> Array:
    """Correlations of every draw, (B, K)."""
    return np.array(map_draws(world, seeds, n_jobs=n_jobs, progress=progress, label=label))


def level_contrast(series: Array, dummy: Array, *, what: str = "series") -> TestResult:
    r"""Regression of a series on the episode dummy with equal-weighted cosine errors, one-sided.

    :math:`x_t=c+\delta I_t+e_t`, the long-run variance of :math:`(I_t-\bar I)e_t` by cosines, and the t law with as
    many degrees of freedom as cosines (Lazarus, Lewis, Stock & Watson 2018). Better than Newey–West at its
    default bandwidth, and still oversized when the episodes are as persistent as the correlation: it stands
    beside the bootstrap, not in its place.

    Parameters
    ----------
    series : (T,) products of residuals or scores. dummy : (T,) zeros and ones.
    """
    null = f"the mean of the {what} is the same inside and outside the episodes"
    centered = dummy - dummy.mean()
    square = float(centered @ centered)
    if not square > 0.0:
        reason = "the episodes cover none or all of the sample"
        return TestResult("level contrast", null, float("nan"), float("nan"), "", reason=reason)
    slope = float(centered @ series) / square
    error, df = ewc_test(centered * (series - series.mean() - slope * centered))
    error *= series.size / square
    return TestResult(
        "level contrast",
        null,
        slope / error,
        float(stats.t.sf(slope / error, df)),
        f"t({df}), equal-weighted cosines",
        {"contrast": slope, "std_err": error, "df": df},
    )
