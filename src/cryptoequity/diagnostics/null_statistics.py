r"""From moments to statistics: quadratic forms whose variance counts what was estimated before.

With :math:`g_t` the moments of a test at the estimates, :math:`m_t` the moments that gave the estimates,
:math:`A=\operatorname{E}\partial m_t/\partial\eta'` and :math:`G=\operatorname{E}\partial g_t/\partial\eta'`,

.. math:: \frac1{\sqrt T}\sum_t g_t(\hat\eta)\approx\frac1{\sqrt T}\sum_t g_t^*,\qquad g_t^*=g_t-GA^{-1}m_t .
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from ..estimation.params import Array
from .null_fit import NullFit

__all__ = ["adjusted", "opg_statistic", "quadratic", "robust_statistic", "satterthwaite_tail"]

# eigenvalue, on the scale of correlations, below which moments are one and the same
_COLLINEAR = 1e-10


def adjusted(moments: Array, slope: Array, null: NullFit) -> Array:
    r"""The moments :math:`g_t^*`, (T, L), from :math:`g_t` (T, L) and their slope G (L, K)."""
    out: Array = moments - null.moments @ np.linalg.solve(null.bread.T, slope.T)
    return out


def quadratic(total: Array, gram: Array) -> float:
    """``total' gram^{-1} total``; NaN when ``gram`` cannot be inverted."""
    scale = np.sqrt(np.diag(gram))
    if not (np.isfinite(gram).all() and np.isfinite(total).all() and np.all(scale > 0.0)):
        return float("nan")
    correlation = gram / np.outer(scale, scale)
    if float(np.linalg.eigvalsh(correlation)[0]) < _COLLINEAR:
        return float("nan")
    unit = total / scale
    return float(unit @ np.linalg.solve(correlation, unit))


def robust_statistic(moments: Array, slope: Array, null: NullFit) -> float:
    r""":math:`\sum g_t'\,[\sum g_t^*g_t^{*\prime}]^{-1}\sum g_t`: χ²(L) whatever the density of the residuals."""
    star = adjusted(moments, slope, null)
    return quadratic(moments.sum(axis=0), star.T @ star)


def opg_statistic(moments: Array, nuisance: Array) -> float:
    r"""Explained sum of squares of one on the scores, less that on the scores of the nuisance alone.

    At the joint maximum the second term is zero and this is the usual LM statistic from the outer product; at
    two-step estimates it is Neyman's :math:`C(\alpha)` form, which takes their place without having them re-estimated.
    """
    q, _ = np.linalg.qr(nuisance)
    left = moments - q @ (q.T @ moments)
    ones = 1.0 - q @ q.sum(axis=0)
    return quadratic(left.T @ ones, left.T @ left)


def satterthwaite_tail(statistic: float, first: float, second: float) -> float:
    r"""P(weighted sum of χ²(1) exceeds ``statistic``), by the scaled χ² law with the same mean and variance.

    ``first`` and ``second`` are the sums of the weights and of their squares; exact when the weights that are not zero
    are equal. NaN when no such law has these moments.
    """
    if not (np.isfinite(statistic) and first > 0.0 and second > 0.0):
        return float("nan")
    return float(stats.chi2.sf(statistic * first / second, first**2 / second))
