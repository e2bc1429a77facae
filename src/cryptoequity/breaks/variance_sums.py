r"""Centered cumulative sums of squares, and their law over samples of a GARCH without a break.

.. math:: D_k=\frac1{\sqrt{n\hat\eta}}\Bigl(C_k-\frac knC_n\Bigr),\qquad C_k=\sum_{t\le k}e_t^2
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import kolmogi, kolmogorov

from ..errors import DataError, SpecError, check_option
from ..estimation import bootstrap
from ..estimation.long_run import LongRun
from ..estimation.optimize import Optimum
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..volatility import EGARCH, GARCH
from ..volatility.garch import climb_margin, simulate_margin

__all__ = [
    "CALIBRATIONS",
    "TESTS",
    "Calibration",
    "GarchNull",
    "calibrate",
    "check_bandwidth",
    "fit_null",
    "peak",
    "rescaled",
    "segment",
    "variance_process",
]

TESTS = ("it", "kappa1", "kappa2")
CALIBRATIONS = ("garch", "garch-split", "asymptotic", "residuals")
PASSES = 50  # rounds of the last step of the segmentation
BURN = 1000  # observations before a drawn sample, so that it begins anywhere in the law of the variance


def check_bandwidth(test: str, bandwidth: int | str | None) -> None:
    """Refuse an unknown test, or a bandwidth that is not lags, "andrews" or None."""
    check_option("test", test, TESTS)
    if bandwidth is None:
        return
    if test != "kappa2":
        raise SpecError(f"bandwidth={bandwidth!r} is for test='kappa2'; {test!r} has no long-run variance.")
    if isinstance(bandwidth, str):
        check_option("bandwidth", bandwidth, ("andrews",))
    elif not isinstance(bandwidth, int | np.integer) or isinstance(bandwidth, bool) or bandwidth < 0:
        raise SpecError(f"bandwidth={bandwidth!r}: a whole number of lags, 'andrews', or None for 4(n/100)^(2/9).")


def variance_process(e: Array, test: str = "kappa2", bandwidth: int | str | None = None) -> Array:
    r"""D_k, k = 1 … n - 1, of observations ``e`` (n,) with mean zero.

    :math:`\hat\eta` is :math:`2\hat\sigma^4` ("it"), the variance of :math:`e_t^2` ("kappa1"), or its Bartlett
    long-run variance ("kappa2") with ``bandwidth`` lags: :math:`\lfloor4(n/100)^{2/9}\rfloor` by default, or Andrews'.

    Returns
    -------
    (n - 1,) signed; a fall of the variance after k makes D_k positive.
    """
    nobs = e.size
    squares = e * e
    level = float(squares.mean())
    centered = squares - level
    if test == "it":
        scale = 2.0 * level * level
    elif test == "kappa1":
        scale = float(centered @ centered) / nobs
    elif bandwidth == "andrews":
        scale = float(LongRun("bartlett", "andrews").covariance(centered[:, None])[0, 0])
    else:
        lags = int(4.0 * (nobs / 100.0) ** (2.0 / 9.0)) if bandwidth is None else int(bandwidth)
        scale = float(centered @ centered) / nobs
        for lag in range(1, min(lags, nobs - 1) + 1):
            scale += 2.0 * (1.0 - lag / (lags + 1.0)) * float(centered[lag:] @ centered[:-lag]) / nobs
    if not scale > 1e-14 * level * level:
        raise DataError("the squares do not vary: nothing in the variance can break.")
    out: Array = np.cumsum(centered[:-1]) / np.sqrt(nobs * scale)
    return out


def peak(e: Array, test: str, bandwidth: int | str | None, min_size: int) -> tuple[int, float]:
    """Where |D_k| peaks with ``min_size`` observations on either side, and its value there."""
    height = np.abs(variance_process(e, test, bandwidth))[min_size - 1 : e.size - min_size]
    best = int(np.argmax(height))
    return best + min_size, float(height[best])


@dataclass(frozen=True, eq=False)
class GarchNull:
    """A GARCH fitted to the whole sample, as if its variance had no break.

    Attributes
    ----------
    spec, optimum, names : the model and its estimate on returns divided by ``unit``.
    residuals : (T,) standardized. pool : the same with exactly zero mean and unit variance.
    start : variance (log for EGARCH) where a drawn path starts.
    """

    spec: GARCH | EGARCH
    optimum: Optimum = field(repr=False)
    names: tuple[str, ...]
    residuals: Array = field(repr=False)
    pool: Array = field(repr=False)
    start: float
    unit: float

    @property
    def params(self) -> pd.Series:
        """Estimates, for returns in units of their standard deviation."""
        return pd.Series(self.optimum.theta, list(self.names), name="params")

    @property
    def persistence(self) -> float:
        """Return alpha + gamma/2 + beta, or beta of EGARCH: near one where a break has been absorbed."""
        weight = {"alpha": 0.0 if self.spec.exponential else 1.0, "gamma": 0.0 if self.spec.exponential else 0.5}
        total = 0.0
        for name, value in self.params.items():
            head = str(name).split("[")[0].rstrip("0123456789")
            total += value * (weight | {"beta": 1.0}).get(head, 0.0)
        return float(total)

    def sample(self, rng: np.random.Generator, nobs: int) -> Array | None:
        """Returns (nobs,) of the fitted model with resampled shocks; None if not finite."""
        shocks = bootstrap.resample(self.pool, rng, BURN + nobs)
        y, _ = simulate_margin(self.spec, self.optimum.theta, shocks, self.start)
        y = y[BURN:]
        return y if np.isfinite(y).all() and float(np.ptp(y)) > 0.0 else None


def fit_null(returns: Array, spec: GARCH | EGARCH) -> GarchNull:
    """Fit the null to ``returns`` (T,), in units of their standard deviation."""
    if spec.mean == "ar":
        raise SpecError("null: mean='ar' is not offered here; use 'constant' or 'zero'.")
    unit = float(returns.std())
    lik, optimum = climb_margin(spec, np.ascontiguousarray(returns / unit))
    _, variance, resid, _, _ = lik.filter(optimum.theta, 0)
    z = np.asarray(resid / np.sqrt(variance))
    mean = float(np.mean(variance))
    start = float(np.log(mean)) if spec.exponential else mean
    pool = bootstrap.standardize_shocks(z[:, None])[:, 0]
    return GarchNull(spec, optimum, tuple(lik.layout.names), z, pool, start, unit)


def rescaled(
    returns: Array, test: str, bandwidth: int | str | None, min_size: int, center: bool, splits: int = 1
) -> Array:
    """Returns with the same variance between the dates max |D_k| points to, found one after the other."""
    mean = float(returns.mean())
    e = returns - mean if center else returns
    level, edges, out = float(np.mean(e**2)), [0, e.size], e
    for _ in range(splits):
        at, _ = peak(out, test, bandwidth, min_size)
        edges = sorted({*edges, at})
        out = e.copy()
        for first, end in pairwise(edges):
            # a date next to an earlier one leaves a part too short for a variance of its own
            if end - first >= min_size:
                out[first:end] *= np.sqrt(level / np.mean(e[first:end] ** 2))
    return out + mean if center else out


@dataclass(frozen=True, eq=False)
class Calibration:
    """Law of max |D_k| by the length of the segment.

    Attributes
    ----------
    kind : "garch", "asymptotic" or "residuals". null : the fitted GARCH, None for "asymptotic".
    lengths : (J,) decreasing, and draws : (B, J) maxima of segments of these lengths; empty but for "garch".
    """

    kind: str
    null: GarchNull | None = field(default=None, repr=False)
    lengths: Array = field(default_factory=lambda: np.empty(0), repr=False)
    draws: Array = field(default_factory=lambda: np.empty((0, 0)), repr=False)

    def critical(self, nobs: int, alpha: float) -> float:
        """Value a statistic of ``nobs`` observations must exceed; between two lengths, linear in their logarithm."""
        if not self.draws.size:
            return float(kolmogi(alpha))
        values = []
        for column in self.draws.T:
            finite = np.sort(column[np.isfinite(column)])[::-1]
            rank = int(alpha * (finite.size + 1) + 1e-9)
            if rank < 1:
                raise SpecError(f"alpha={alpha}: {finite.size} draws do not reach this level; use more.")
            values.append(float(finite[rank - 1]))
        return self._between(nobs, np.array(values))

    def pvalue(self, statistic: float, nobs: int) -> float:
        """Upper tail of a statistic of ``nobs`` observations."""
        if not self.draws.size:
            return float(kolmogorov(statistic))
        return self._between(nobs, np.array([bootstrap.pvalue(statistic, column) for column in self.draws.T]))

    def _between(self, nobs: int, values: Array) -> float:
        return float(np.interp(np.log(nobs), np.log(self.lengths[::-1]), values[::-1]))

    @property
    def failed(self) -> int:
        """Draws that were not finite."""
        return int((~np.isfinite(self.draws[:, 0])).sum()) if self.draws.size else 0

    @property
    def words(self) -> str:
        """The law, for a table."""
        if self.draws.size and self.null is not None:
            return f"{self.draws.shape[0]} samples of the fitted {self.null.spec.name} with resampled shocks"
        return "sup of a Brownian bridge (Kolmogorov)"


@dataclass(frozen=True, eq=False)
class _Draw:
    """Maxima over the first L rows of one drawn sample, L in ``lengths``, as a picklable function of a seed."""

    null: GarchNull
    lengths: tuple[int, ...]
    test: str
    bandwidth: int | str | None
    min_size: int
    center: bool

    def __call__(self, seed: np.random.SeedSequence) -> Array:
        out = np.full(len(self.lengths), np.nan)
        y = self.null.sample(np.random.default_rng(seed), self.lengths[0])
        if y is None:
            return out
        if self.center:
            y = y - y.mean()
        for j, length in enumerate(self.lengths):
            try:
                out[j] = peak(y[:length], self.test, self.bandwidth, self.min_size)[1]
            except DataError:
                continue
        return out


def calibrate(
    returns: Array,
    kind: str,
    test: str,
    bandwidth: int | str | None,
    min_size: int,
    *,
    null: GARCH | EGARCH,
    center: bool,
    draws: int,
    rng: int | np.random.Generator,
    n_jobs: int | None,
    segments: bool,
    splits: int = 1,
) -> Calibration:
    """Law of the statistic for ``returns`` (T,); with ``segments``, for parts of the sample as well.

    ``splits`` dates are taken out of the sample before "garch-split" is fitted. Lengths fall by the root of two from T
    to twice ``min_size``.
    """
    check_option("calibration", kind, CALIBRATIONS)
    if kind == "asymptotic":
        return Calibration(kind)
    if kind == "garch-split":
        fitted = fit_null(rescaled(returns, test, bandwidth, min_size, center, splits), null)
    else:
        fitted = fit_null(returns, null)
    if kind == "residuals":
        return Calibration(kind, fitted)
    if draws < bootstrap.FEWEST:
        raise SpecError(f"draws={draws}: fewer than {bootstrap.FEWEST} samples cannot reach a p-value of 5 %.")
    lengths = [returns.size]
    while segments and lengths[-1] / np.sqrt(2.0) > 2 * min_size:
        lengths.append(round(lengths[-1] / np.sqrt(2.0)))
    if segments and lengths[-1] > 2 * min_size:
        lengths.append(2 * min_size)
    draw = _Draw(fitted, tuple(lengths), test, bandwidth, min_size, center)
    values = np.stack(map_draws(draw, spawn(rng, draws), n_jobs=n_jobs, label="GARCH null"))
    return Calibration(kind, fitted, np.array(lengths, float), values)


def segment(
    statistic: Callable[[int, int], tuple[int, float, float]], nobs: int, min_size: int, passes: int = PASSES
) -> tuple[list[int], int, bool]:
    """Inclán and Tiao's algorithm over rows 0 … ``nobs`` - 1.

    Parameters
    ----------
    statistic : of rows [first, end): first row of the new regime, statistic, critical value.
    passes : rounds of the last step at most.

    Returns
    -------
    positions, rounds of the last step, whether it came to rest.
    """

    def split(first: int, end: int) -> int | None:
        if end - first < 2 * min_size:
            return None
        at, value, critical = statistic(first, end)
        return at if value > critical else None

    found: set[int] = set()
    first, end = 0, nobs
    # every round narrows [first, end) by a regime on either side
    while True:
        at = split(first, end)
        if at is None:
            break
        left = right = at
        while (earlier := split(first, left)) is not None:
            left = earlier
        while (later := split(right, end)) is not None:
            right = later
        found |= {left, right}
        if left == right:
            break
        first, end = left, right
    positions = sorted(found)
    for count in range(1, passes + 1):
        edges = [0, *positions, nobs]
        kept = {at for j in range(len(positions)) if (at := split(edges[j], edges[j + 2])) is not None}
        moved = sorted(kept)
        rest = len(moved) == len(positions) and all(
            abs(new - old) <= 2 for new, old in zip(moved, positions, strict=True)
        )
        positions = moved
        if rest:
            return positions, count, True
    return positions, passes, False
