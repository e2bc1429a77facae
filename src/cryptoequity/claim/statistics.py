r"""The numbers the claim is judged by, on arrays.

``dummy`` (T,) is 1 inside an episode, 0 outside and NaN where a guard band leaves a day to neither.
"""

from __future__ import annotations

import numpy as np

from ..estimation.params import Array

__all__ = [
    "beta_interaction",
    "contrast",
    "correlation",
    "correlation_contrast",
    "correlation_influence",
    "forbes_rigobon",
    "score_contrast",
]


def contrast(series: Array, dummy: Array) -> float:
    """Mean inside minus mean outside; NaN when either is empty."""
    inside, outside = series[dummy == 1.0], series[dummy == 0.0]
    if not inside.size or not outside.size:
        return float("nan")
    return float(inside.mean() - outside.mean())


def correlation(x: Array, y: Array) -> float:
    """Uncentred correlation of two residual series."""
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def correlation_contrast(x: Array, y: Array, dummy: Array) -> float:
    r"""Correlation inside minus outside, in units of :math:`\rho`; NaN when either is empty."""
    inside, outside = dummy == 1.0, dummy == 0.0
    if inside.sum() < 2 or outside.sum() < 2:
        return float("nan")
    return correlation(x[inside], y[inside]) - correlation(x[outside], y[outside])


def correlation_influence(x: Array, y: Array) -> Array:
    r"""Influence of each date on the correlation: its mean is zero and its long-run variance the correlation's.

    :math:`\psi_t = x_ty_t/\sqrt{m_xm_y} - \tfrac12 r\,(x_t^2/m_x + y_t^2/m_y)`, with :math:`m` the mean squares.
    """
    mx, my = float(x @ x) / x.size, float(y @ y) / y.size
    r = correlation(x, y)
    influence: Array = x * y / np.sqrt(mx * my) - 0.5 * r * (x**2 / mx + y**2 / my)
    return influence


def score_contrast(score: Array, information: Array, dummy: Array) -> float:
    r"""One Newton step from no effect, in units of :math:`\rho`: the LM statistic of an additive episode effect.

    :math:`\hat\delta=\sum_t(I_t-\bar I)s_t\big/\sum_t(I_t-\bar I)^2 i_t`, with
    :math:`s_t=\partial\ell_t/\partial\rho_t` the score of the model fitted without the episodes and :math:`i_t`
    its information. The fitted path has already followed part of any effect, so :math:`\hat\delta`
    understates it: it is a test statistic, not an estimate.
    """
    valid = ~np.isnan(dummy)
    if not valid.all():
        score, information, dummy = score[valid], information[valid], dummy[valid]
    centered = dummy - dummy.mean()
    weight = float(centered**2 @ information)
    return float(centered @ score) / weight if weight > 0 else float("nan")


def forbes_rigobon(x: Array, y: Array, dummy: Array) -> tuple[float, float, float]:
    r"""Correlation inside, outside, and inside after Forbes and Rigobon's adjustment for the variance of ``y``.

    :math:`\rho^*=\rho/\sqrt{1+\delta(1-\rho^2)}`, with :math:`1+\delta` the ratio of the variances of ``y`` inside and
    outside (Forbes & Rigobon 2002). The adjustment is right when the idiosyncratic variance of ``x`` is constant and
    no common factor moves both; otherwise it over-corrects, so :math:`\rho^*` is a lower bound when the variance
    rises inside, and an upper one when it falls.
    """
    inside, outside = dummy == 1.0, dummy == 0.0
    rho_in = float(np.corrcoef(x[inside], y[inside])[0, 1])
    rho_out = float(np.corrcoef(x[outside], y[outside])[0, 1])
    excess = float(np.var(y[inside]) / np.var(y[outside])) - 1.0
    return rho_in, rho_out, rho_in / float(np.sqrt(1.0 + excess * (1.0 - rho_in**2)))


def beta_interaction(x: Array, y: Array, dummy: Array) -> tuple[float, float]:
    r"""Change of the slope of ``x`` on ``y`` inside, with its HC0 t-statistic.

    :math:`x_t = c + \gamma I_t + \beta y_t + \delta_\beta I_ty_t + e_t`: with constant idiosyncratic variance a
    change in the variance of ``y`` moves the correlation but not :math:`\beta`.
    """
    parts = []
    for state in (1.0, 0.0):
        keep = dummy == state
        xs, ys = x[keep] - x[keep].mean(), y[keep] - y[keep].mean()
        square = float(ys @ ys)
        slope = float(ys @ xs) / square
        resid = xs - slope * ys
        parts.append((slope, float((ys**2) @ (resid**2)) / square**2))
    (inside, var_in), (outside, var_out) = parts
    return inside - outside, (inside - outside) / float(np.sqrt(var_in + var_out))
