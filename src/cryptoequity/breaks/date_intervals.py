r"""Confidence intervals of break dates: Bai's (1997) law of the argmax of a two-sided Brownian motion with drift.

With shift :math:`\delta`, regressor moments :math:`Q_1,Q_2` and long-run covariances :math:`\Omega_1,\Omega_2` of
:math:`x_tu_t` before and after the date,

.. math:: \frac{(\delta'Q_1\delta)^2}{\delta'\Omega_1\delta}\,(\hat T-T^0)\ \Rightarrow\ \arg\max_v Z(v),\qquad
          Z(v)=\begin{cases}W_1(-v)-|v|/2&v\le0\\ \sqrt{\omega}\,W_2(v)-\xi v/2&v>0\end{cases}

with :math:`\xi=\delta'Q_2\delta/\delta'Q_1\delta` and :math:`\omega=\delta'\Omega_2\delta/\delta'\Omega_1\delta`.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr

from ..errors import SpecError

__all__ = ["argmax_cdf", "argmax_quantile", "date_interval", "drifting_quantile"]

ROUNDINGS = ("outer", "nearest")


def _below(u: float, xi: float, omega: float) -> float:
    """P(argmax < -u) for u >= 0; the other side is this one with time run backward."""
    ratio = xi / omega
    root = float(np.sqrt(u))
    edge = np.exp(log_ndtr(-root / 2.0))
    level = u / 2.0 - 2.0 + (omega + 2.0 * xi) ** 2 / (xi * (omega + xi))
    slope = (omega + 2.0 * xi) / (ratio * (omega + xi))
    far = np.exp(0.5 * ratio * (1.0 + ratio) * u + log_ndtr(-(0.5 + ratio) * root))
    return float(level * edge - slope * far - root * np.exp(-u / 8.0) / np.sqrt(2.0 * np.pi))


def argmax_cdf(v: float, xi: float = 1.0, omega: float = 1.0) -> float:
    """Distribution function of the argmax of Z.

    Parameters
    ----------
    v : point. xi, omega : drift and variance after zero, as shares of those before it; both positive.

    Raises
    ------
    SpecError : a share that is not positive.
    """
    if not (xi > 0.0 and omega > 0.0 and np.isfinite(xi) and np.isfinite(omega)):
        raise SpecError(f"xi={xi!r}, omega={omega!r}: both must be positive.")
    if v <= 0.0:
        return min(1.0, max(0.0, _below(-v, xi, omega)))
    # backward, and with the unit of time of the side that is now the left one
    return 1.0 - min(1.0, max(0.0, _below(v * xi * xi / omega, 1.0 / xi, 1.0 / omega)))


def argmax_quantile(probability: float, xi: float = 1.0, omega: float = 1.0) -> float:
    """Quantile of the argmax of Z, by Brent's method.

    Raises
    ------
    SpecError : a probability that is not between 0 and 1.
    """
    if not 0.0 < probability < 1.0:
        raise SpecError(f"probability={probability!r}: between 0 and 1.")
    zero = xi / (omega + xi)  # P(argmax < 0)
    if probability == zero:
        return 0.0
    side = -1.0 if probability < zero else 1.0
    unit = 1.0 if side < 0 else omega / (xi * xi)
    far = 16.0
    # exp(-far / 8) is beyond any probability a float tells from 0 or 1 well before the bound
    while far < 2**20 and (argmax_cdf(side * far * unit, xi, omega) - probability) * side < 0.0:
        far *= 2.0
    low, high = sorted((0.0, side * far * unit))
    return float(brentq(lambda v: argmax_cdf(float(v), xi, omega) - probability, low, high, xtol=1e-10))


def drifting_quantile(probability: float, drifts: tuple[float, float], deviations: tuple[float, float]) -> float:
    r"""Quantile of the argmax of :math:`\omega_1W_1(-s)-a_1|s|` before zero and :math:`\omega_2W_2(s)-a_2s` after it.

    Parameters
    ----------
    drifts, deviations : (a_1, a_2) and (omega_1, omega_2), positive.
    """
    (a1, a2), (w1, w2) = drifts, deviations
    # in units of time omega_1^2 / (4 a_1^2) it is Z with xi = a_2 / a_1 and omega = (omega_2 / omega_1)^2
    return (w1 / (2.0 * a1)) ** 2 * argmax_quantile(probability, a2 / a1, (w2 / w1) ** 2)


def date_interval(
    position: int,
    scale: float,
    xi: float = 1.0,
    omega: float = 1.0,
    level: float = 0.95,
    rounding: str = "outer",
) -> tuple[float, float]:
    r"""Interval of a break date around ``position``; NaN where the law puts too little of its mass on one side.

    Parameters
    ----------
    position : first row of the new regime.
    scale : :math:`(\delta'Q_1\delta)^2/\delta'\Omega_1\delta`. xi, omega : as in `argmax_cdf`.
    rounding : "outer" moves both ends away from the date, as strucchange does; "nearest" rounds both, and adds one row
        to the later end, as Bai and Perron's program does.
    """
    tail = (1.0 - level) / 2.0
    zero = xi / (omega + xi)
    if not (scale > 0.0 and np.isfinite(scale)) or not tail < zero < 1.0 - tail:
        return float("nan"), float("nan")
    low = position - argmax_quantile(1.0 - tail, xi, omega) / scale
    high = position - argmax_quantile(tail, xi, omega) / scale
    if rounding == "nearest":
        return float(np.round(low)), float(np.round(high)) + 1.0
    return float(np.floor(low)), float(np.ceil(high))
