"""Laws of the sup, average and exponential Wald statistics of one break: simulated, and the tail in closed form."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import gammaln

from ..errors import SpecError, check_option
from ..estimation.params import Array
from .limits import LimitLaw, limit_law, limit_laws

__all__ = ["STATISTICS", "TAIL_LIMIT", "span_ratio", "sup_wald_law", "sup_wald_tail", "tail_critical"]

STATISTICS = ("sup", "ave", "exp")
NARROWEST = (0.7 / 0.3) ** 2  # lambda of a trim of .30; over a narrower range the expansion is off by a fifth at 5 %
TAIL_LIMIT = 0.2  # beyond it the expansion behind `sup_wald_tail` is not accurate


def sup_wald_law(statistic: str, q: int, start: float = 0.15, stop: float = 0.85) -> LimitLaw:
    r"""Limit law of a statistic for q coefficients and break fractions in [``start``, ``stop``].

    Interpolated between two simulated trims, linearly in :math:`\ln\lambda`,
    :math:`\lambda=\frac{\pi_2(1-\pi_1)}{\pi_1(1-\pi_2)}`.

    Raises
    ------
    SpecError : more than 20 coefficients, or a range outside the simulated ones.

    Examples
    --------
    >>> from cryptoequity.breaks.sup_wald_law import sup_wald_law
    >>> law = sup_wald_law("sup", 1)
    >>> 8.5 < law.critical(0.05) < 8.9
    True
    """
    check_option("statistic", statistic, STATISTICS)
    most, trims = _simulated()
    if not 1 <= q <= most:
        raise SpecError(
            f"{q} coefficients may break, and limit laws are simulated for 1 to {most}; use pvalue='bootstrap' or "
            "'wild', or vary=[…] for fewer."
        )
    # the symmetric trim with the same lambda
    trim = 1.0 / (1.0 + np.sqrt(span_ratio(start, stop)))
    if not trims[0] - 1e-3 <= trim <= trims[-1] + 1e-3:
        raise SpecError(
            f"breaks between {start:.4f} and {stop:.4f} of the sample are like a trim of {trim:.4f}, and limit laws "
            f"are simulated from {trims[0]} to {trims[-1]}; use another trim, or pvalue='bootstrap' or 'wild'."
        )
    below = int(np.clip(np.searchsorted(trims, trim, side="right") - 1, 0, trims.size - 2))
    low, high = (limit_law("sup_wald", f"{statistic}.q{q}.trim{trims[i]:.2f}") for i in (below, below + 1))
    at, one, two = (np.log((1 - value) / value) for value in (trim, trims[below], trims[below + 1]))
    weight = float((at - one) / (two - one))
    quantiles = (1.0 - weight) * low.quantiles + weight * high.quantiles
    return LimitLaw(low.probabilities, quantiles, min(low.draws, high.draws), low.steps)


@cache
def _simulated() -> tuple[int, Array]:
    """The most coefficients there are laws for, and their trims."""
    keys = list(limit_laws("sup_wald"))
    most = max(int(key.split(".q")[1].split(".")[0]) for key in keys)
    return most, np.array(sorted({float(key.split("trim")[1]) for key in keys}))


def sup_wald_tail(statistic: float, q: int, ratio: float) -> float:
    r"""Tail of the limit law of the sup statistic in closed form, for small probabilities.

    .. math::

        P(\sup Q>c) \approx \frac{c^{q/2}e^{-c/2}}{2^{q/2}\Gamma(q/2)}
        \Bigl[\ln\lambda\Bigl(1-\frac qc\Bigr)+\frac2c\Bigr],

    DeLong (1981), Estrella (2003). NaN where it exceeds .2, where it is not accurate. For trims from .05 to .30 and up
    to ten coefficients it puts the simulated 5 % points between 4.6 and 5.7 %: the simulated paths have 3600 steps
    and miss some of a peak, the more the wider the range; this form is for a continuous path.

    Parameters
    ----------
    ratio : :math:`\lambda=\frac{\pi_2(1-\pi_1)}{\pi_1(1-\pi_2)}`, :math:`((1-\pi_0)/\pi_0)^2` for equal shares.

    Raises
    ------
    SpecError : lambda below that of a trim of .30.
    """
    _check_ratio(ratio)
    if np.isnan(statistic) or statistic < _tail_peak(q, ratio):
        return float("nan")
    tail = float(np.exp(_log_tail(np.array(statistic), q, ratio)))
    return tail if tail <= TAIL_LIMIT else float("nan")


def tail_critical(alpha: float, q: int, ratio: float) -> float:
    """Value that `sup_wald_tail` puts at ``alpha``.

    Raises
    ------
    SpecError : a level where the closed form is not accurate.
    """
    from scipy.optimize import brentq

    if not 0.0 < alpha <= TAIL_LIMIT:
        raise SpecError(f"alpha={alpha}: the closed form is for levels up to {TAIL_LIMIT}.")
    _check_ratio(ratio)
    low = _tail_peak(q, ratio)
    high = low + 10.0
    for _ in range(60):
        if _log_tail(np.array(high), q, ratio) < np.log(alpha):
            break
        high *= 1.5
    return float(brentq(lambda c: float(_log_tail(np.array(c), q, ratio)) - np.log(alpha), low, high, xtol=1e-10))


def _check_ratio(ratio: float) -> None:
    if not ratio > NARROWEST * (1 - 1e-2):
        raise SpecError(
            f"the closed form of the tail is for trims of at most .30 (lambda {NARROWEST:.2f}), and lambda is "
            f"{ratio:.2f}; use pvalue='simulated'."
        )


def _log_tail(c: Array, q: int, ratio: float) -> Array:
    bracket = np.log(ratio) * (1.0 - q / c) + 2.0 / c
    with np.errstate(invalid="ignore", divide="ignore"):
        logs: Array = 0.5 * q * np.log(0.5 * c) - 0.5 * c - gammaln(0.5 * q) + np.log(bracket)
    return logs


def _tail_peak(q: int, ratio: float) -> float:
    """Where the closed form begins to fall, beyond q."""
    grid = q + np.linspace(0.0, 12.0 + 2.0 * q, 600)
    return float(grid[int(np.argmax(_log_tail(grid, q, ratio)))])


def span_ratio(start: float, stop: float) -> float:
    r""":math:`\lambda=\frac{\pi_2(1-\pi_1)}{\pi_1(1-\pi_2)}` of break fractions from ``start`` to ``stop``."""
    if not 0.0 < start < stop < 1.0:
        raise SpecError(f"breaks between {start} and {stop} of the sample: a range inside (0, 1).")
    return stop * (1.0 - start) / (start * (1.0 - stop))
