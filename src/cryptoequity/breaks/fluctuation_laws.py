r"""Limit laws of fluctuation tests and monitoring boundaries, exact where they are known.

Brownian bridges of the columns of a process are independent, so that the law of a maximum over columns is a power of
the law of one. Laws of moving sums, and of monitoring over a finite time, are simulated (``benchmarks/limits``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import kolmogi, kolmogorov, ndtr

from ..errors import SpecError
from ..estimation.params import Array
from ..kernels.fluctuation import order_statistics_inside
from .limits import LEVELS, LimitLaw, limit_law, limit_laws

__all__ = [
    "BANDWIDTHS",
    "MONITOR_BANDWIDTHS",
    "PERIODS",
    "Law",
    "cramer_von_mises_tail",
    "kuiper_tail",
    "law_of_cusum",
    "law_of_moving_sums",
    "law_of_recursive_cusum",
    "law_of_squares",
    "monitoring_critical",
    "robbins_siegmund_tail",
]

# grids of the table "fluctuation"; its generator imports them from here
BANDWIDTHS = (0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.125, 0.15, 0.175, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
MONITOR_BANDWIDTHS = (0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1.0)
PERIODS = (1.1, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0)
FAMILY = "fluctuation"


@dataclass(frozen=True, eq=False)
class Law:
    """Law of the largest of ``columns`` independent copies of one statistic.

    Attributes
    ----------
    tail : P(one > x). inverse : its inverse. words : the law, for `TestResult.reference`.
    """

    tail: Callable[[float], float] = field(repr=False)
    inverse: Callable[[float], float] = field(repr=False)
    columns: int = 1
    words: str = ""

    def pvalue(self, statistic: float) -> float:
        """Upper tail beyond ``statistic``."""
        one = self.tail(statistic)
        return 1.0 if one >= 1.0 else float(-np.expm1(self.columns * np.log1p(-one)))

    def critical(self, alpha: float) -> float:
        """Value exceeded with probability ``alpha``."""
        return self.inverse(float(-np.expm1(np.log1p(-alpha) / self.columns)))

    def critical_values(self) -> Mapping[float, float]:
        """Critical values by level."""
        return {level: self.critical(level) for level in LEVELS}


def _inverse(tail: Callable[[float], float], low: float, high: float) -> Callable[[float], float]:
    @cache
    def solve(alpha: float) -> float:
        return float(brentq(lambda x: tail(x) - alpha, low, high, xtol=1e-10))

    return solve


def kuiper_tail(x: float) -> float:
    r"""P(range of a Brownian bridge > x) :math:`=2\sum_j(4j^2x^2-1)e^{-2j^2x^2}`."""
    if x < 0.4:  # the sum differs from one by less than rounding
        return 1.0
    j = np.arange(1.0, 40.0)
    return float(min(1.0, 2.0 * np.sum((4.0 * j**2 * x**2 - 1.0) * np.exp(-2.0 * j**2 * x**2))))


def recursive_cusum_tail(x: float) -> float:
    r"""P(|W(t)| > x(1+2t) for some t in [0, 1]) as Brown, Durbin and Evans (1975) give it, to the second reflection.

    Below .3, where further reflections count, the line :math:`1-.1465x` of the strucchange package is used; p-values
    there are beyond .95.
    """
    if x < 0.3:
        return float(1.0 - 0.1465 * x)
    second = np.exp(-16.0 * x * x) * ndtr(-x)
    return float(2.0 * (ndtr(-3.0 * x) + np.exp(-4.0 * x * x) * (ndtr(x) + ndtr(5.0 * x) - 1.0) - second))


@cache
def _inversion_grid() -> tuple[Array, Array, Array]:
    r"""Points u = v^2 with weights 2 dv / v, and :math:`\log\{\sin(\sqrt{iu})/\sqrt{iu}\}` there."""
    edges = np.linspace(0.0, 120.0, 60_001)
    v = 0.5 * (edges[1:] + edges[:-1])
    z = np.sqrt(0.5) * v * (1.0 + 1.0j)
    # sin z grows like exp(v): its logarithm is taken without it
    log_sine = -1j * z + np.log1p(-np.exp(2j * z)) - np.log(2.0) + 0.5j * np.pi
    return v**2, 2.0 * (edges[1] - edges[0]) / v, log_sine - np.log(z)


def cramer_von_mises_tail(x: float, columns: int = 1) -> float:
    r"""P(:math:`\int_0^1\|B(t)\|^2dt>x`) for a ``columns``-dimensional Brownian bridge, by inversion.

    The characteristic function is :math:`\{\sqrt{2iu}/\sin\sqrt{2iu}\}^{K/2}`; correct to about 1e-9.
    """
    if x <= 0.0:
        return 1.0
    u, weights, log_d = _inversion_grid()
    # weights are those of du / u over the points of w = 2u
    log_phi = -0.5 * columns * log_d - 0.5j * u * x
    value = 0.5 + float(np.sum(weights * np.exp(log_phi.real) * np.sin(log_phi.imag))) / np.pi
    return float(min(1.0, max(value, 1e-9)))


@cache
def law_of_cusum(functional: str, columns: int) -> Law:
    """Law of max, range or mean square of ``columns`` Brownian bridges over [0, 1]."""
    some = f"{columns} Brownian bridges" if columns > 1 else "a Brownian bridge"
    if functional == "max":
        return Law(lambda x: float(kolmogorov(x)), lambda a: float(kolmogi(a)), columns, f"sup of {some} (Kolmogorov)")
    if functional == "range":
        return Law(kuiper_tail, _inverse(kuiper_tail, 0.4, 8.0), columns, f"range of {some} (Kuiper)")

    def tail(x: float) -> float:
        return cramer_von_mises_tail(x, columns)

    return Law(tail, _inverse(tail, 1e-3, 20.0 + columns), 1, f"mean square of {some} (Cramér–von Mises)")


@cache
def law_of_recursive_cusum() -> Law:
    """Law of the largest :math:`|W(t)|/(1+2t)`."""
    return Law(
        recursive_cusum_tail,
        _inverse(recursive_cusum_tail, 0.3, 6.0),
        1,
        "crossing of linear boundaries by a Brownian motion (Brown–Durbin–Evans)",
    )


def law_of_moving_sums(functional: str, bandwidth: float, columns: int = 1, motion: str = "bridge") -> Law:
    """Law of moving increments over ``bandwidth`` of a Brownian bridge or motion.

    Raises
    ------
    SpecError : a bandwidth beyond the simulated grid.
    """
    if not BANDWIDTHS[0] <= bandwidth <= BANDWIDTHS[-1]:
        raise SpecError(f"bandwidth={bandwidth}: a share of the sample between {BANDWIDTHS[0]} and {BANDWIDTHS[-1]}.")
    key = f"increments-{motion}-{functional}"
    law = _between(bandwidth, np.array(BANDWIDTHS), [limit_law(FAMILY, f"{key}-{one:g}") for one in BANDWIDTHS])
    of = {"bridge": "Brownian bridge", "motion": "Brownian motion"}[motion]
    words = f"{functional} of increments over {bandwidth:g} of a {of}, {law.draws:,} simulated paths"
    return Law(law.pvalue, law.critical, columns, words + (f", {columns} independent" if columns > 1 else ""))


def _between(x: float, grid: Array, laws: list[LimitLaw]) -> LimitLaw:
    """Law at ``x`` between two of a grid: its quantiles lie between theirs."""
    above = int(np.clip(np.searchsorted(grid, x), 1, grid.size - 1))
    share = float((x - grid[above - 1]) / (grid[above] - grid[above - 1]))
    low, high = laws[above - 1], laws[above]
    quantiles = (1.0 - share) * low.quantiles + share * high.quantiles
    return LimitLaw(low.probabilities, quantiles, min(low.draws, high.draws), low.steps)


@cache
def _band_tail(count: int, half: float) -> float:
    return 1.0 - float(order_statistics_inside(count, half))


def law_of_squares(pairs: float, exact: bool) -> Law:
    r"""Law of :math:`\sqrt{m/2}\max|S_t-t/m|` for m = 2 ``pairs`` squares.

    ``exact`` is Durbin's (1969): for normal errors sums of pairs of squares are exponential, and their shares are the
    n = m/2 - 1 order statistics of uniforms; between two whole n the tail is interpolated. Where Kolmogorov's limit is
    below 1e-10 it is used instead.
    """
    if not exact:
        return law_of_cusum("max", 1)
    count = pairs - 1.0
    low = int(count)

    def tail(x: float) -> float:
        limit = float(kolmogorov(x))
        if limit < 1e-10:
            return limit
        half = x / np.sqrt(pairs)
        if half >= 1.0:
            return limit
        one = _band_tail(low, half)
        return one if count == low else one + (count - low) * (_band_tail(low + 1, half) - one)

    def inverse(alpha: float) -> float:
        # the limit is approached from below
        limit = float(kolmogi(alpha))
        return float(brentq(lambda x: tail(x) - alpha, 0.4 * limit, 1.01 * limit, xtol=1e-6))

    words = f"maximum over {count:g} uniform order statistics (Durbin 1969), exact for normal errors"
    return Law(tail, inverse, 1, words)


def robbins_siegmund_tail(a: float) -> float:
    r"""P(:math:`|B(u)|\ge\sqrt{u(a^2-\ln u)}` for some u in (0, 1]) :math:`=2\{1-\Phi(a)+a\varphi(a)\}`."""
    return float(2.0 * (ndtr(-a) + a * np.exp(-0.5 * a * a) / np.sqrt(2.0 * np.pi)))


def monitoring_critical(shape: str, alpha: float, columns: int, period: float | None, bandwidth: float = 0.5) -> float:
    """Constant of a monitoring boundary with false-alarm probability ``alpha`` over the whole time.

    Parameters
    ----------
    shape : "cumulative" (a of Chu, Stinchcombe and White) or "moving" (lambda of Leisch, Hornik and Kuan).
    columns : independent processes that are watched together.
    period : end of monitoring in units of the history, or None for no end ("cumulative" only).

    Raises
    ------
    SpecError : outside the simulated grid.
    """
    share = float(-np.expm1(np.log1p(-alpha) / columns))
    if shape == "cumulative":
        forever = _inverse(robbins_siegmund_tail, 0.0, 12.0)
        if period is None:
            return forever(share)
        _check_period(period)
        values = [limit_law(FAMILY, f"monitor-cumulative-{one:g}").critical(share) for one in PERIODS]
        # the time scale of the process is u = 1 - 1/t, which ends at one
        grid = 1.0 - 1.0 / np.array(PERIODS)
        return float(np.interp(1.0 - 1.0 / period, [*grid, 1.0], [*values, forever(share)]))
    if period is None:
        raise SpecError("period=None: moving sums have a boundary for a finite time only; give period, e.g. 10.")
    _check_period(period)
    if period > PERIODS[-1]:
        raise SpecError(f"period={period}: the boundary of moving sums is simulated up to {PERIODS[-1]:g}.")
    if not MONITOR_BANDWIDTHS[0] <= bandwidth <= MONITOR_BANDWIDTHS[-1]:
        raise SpecError(
            f"bandwidth={bandwidth}: a share of the history between {MONITOR_BANDWIDTHS[0]} and "
            f"{MONITOR_BANDWIDTHS[-1]:g}."
        )
    table = limit_laws(FAMILY)
    by_width = [
        np.interp(
            np.log(period),
            np.log(PERIODS),
            [table[f"monitor-moving-{width:g}-{one:g}"].critical(share) for one in PERIODS],
        )
        for width in MONITOR_BANDWIDTHS
    ]
    return float(np.interp(bandwidth, MONITOR_BANDWIDTHS, by_width))


def _check_period(period: float) -> None:
    if not (np.isfinite(period) and period >= PERIODS[0]):
        raise SpecError(f"period={period!r}: at least {PERIODS[0]} times the history.")
