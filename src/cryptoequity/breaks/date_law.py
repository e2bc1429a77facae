r"""The law of a date that is the peak of a cumulated sum: the argmax of a two-sided Brownian motion with drift.

Around a break the sum moves as :math:`V(s)=\omega_1W_1(-s)-a_1|s|` before and :math:`\omega_2W_2(s)-a_2s` after it. For
:math:`a_1=a_2` and :math:`\omega_1=\omega_2` this is the law of Bai (1997).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr

__all__ = ["date_quantile", "date_tail"]


def date_tail(x: float, drift: float, deviation: float, other_drift: float, other_deviation: float) -> float:
    r"""Probability that :math:`\arg\max_s V(s)` lies beyond ``x`` on this side, x at least 0.

    On this side :math:`V(s)=\omega W(s)-a s`, with drift a and deviation omega; on the other side the same with its
    own numbers and an independent W. The peak of the other side is exponential with rate :math:`2a'/\omega'^2`; the
    first passage of this side integrates in closed form. For equal halves it is Bai's (1997) law.
    """
    d = drift / deviation
    rate = 2.0 * other_drift * deviation / other_deviation**2
    root = np.sqrt(x)
    near = ndtr(-d * root)
    # exp(rate d x + rate^2 x / 2) times a normal tail: the product in logs, as the first factor overflows
    mixed = float(np.exp(rate * d * x + 0.5 * rate**2 * x + log_ndtr(-(d + rate) * root)))
    a = 2.0 * d + rate
    fall = root * np.exp(-0.5 * d * d * x) / np.sqrt(2.0 * np.pi) - d * x * near
    total = near / d - (near + mixed) / a - fall + (near - mixed) / rate
    return float(min(1.0, max(0.0, 2.0 * d * total)))


def date_quantile(probability: float, drifts: tuple[float, float], deviations: tuple[float, float]) -> float:
    """Quantile of the distance of a date from the true one; ``drifts`` and ``deviations`` left and right of it."""
    (a1, a2), (w1, w2) = drifts, deviations
    right = date_tail(0.0, a2, w2, a1, w1)
    if probability >= 1.0 - right:
        wanted, sign, arguments = 1.0 - probability, 1.0, (a2, w2, a1, w1)
    else:
        wanted, sign, arguments = probability, -1.0, (a1, w1, a2, w2)
    if date_tail(0.0, *arguments) <= wanted:
        return 0.0
    top = (arguments[1] / arguments[0]) ** 2
    while date_tail(top, *arguments) > wanted:  # doubles until it passes; the tail falls exponentially
        top *= 2.0
        if top > 1e12:
            return sign * float("inf")
    return sign * float(brentq(lambda x: date_tail(x, *arguments) - wanted, 0.0, top, xtol=1e-9, rtol=1e-12))
