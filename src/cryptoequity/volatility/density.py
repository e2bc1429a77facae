r"""Unit-variance error densities: what depends on the shape parameters alone.

normal: none. Student's t (Bollerslev 1987): :math:`\nu>2`. Skewed t (Hansen 1994): :math:`\nu>2`,
:math:`|\lambda|<1`, with :math:`c=\Gamma(\frac{\nu+1}2)/\{\sqrt{\pi(\nu-2)}\Gamma(\frac\nu2)\}`,
:math:`a=4\lambda c\frac{\nu-2}{\nu-1}` and :math:`b^2=1+3\lambda^2-a^2`.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import digamma

from ..estimation.params import Array, Block, interval

__all__ = ["CODE", "constants", "quantile_shocks", "shape_blocks", "shape_start", "t_constants"]

CODE = {"normal": 0, "t": 1, "skewt": 2}


def t_constants(nu: float, n: int = 1) -> tuple[float, float]:
    """Log normalising constant of the n-variate t with unit variances, and its derivative by nu."""
    c = math.lgamma(0.5 * (nu + n)) - math.lgamma(0.5 * nu) - 0.5 * n * math.log(math.pi * (nu - 2.0))
    slope = 0.5 * (float(digamma(0.5 * (nu + n))) - float(digamma(0.5 * nu)) - n / (nu - 2.0))
    return c, slope


def constants(dist: str, shape: Array) -> Array:
    """The nine constants `kernels.garch.garch_filter` reads."""
    out = np.zeros(9)
    if dist == "normal":
        return out
    nu = float(shape[0])
    log_c, slope = t_constants(nu)
    if dist == "t":
        out[0], out[1] = log_c, slope
        return out
    lam = float(shape[1])
    c = math.exp(log_c)
    ratio = (nu - 2.0) / (nu - 1.0)
    a = 4.0 * lam * c * ratio
    a_nu = 4.0 * lam * (c * slope * ratio + c / (nu - 1.0) ** 2)
    a_lam = 4.0 * c * ratio
    b = math.sqrt(1.0 + 3.0 * lam * lam - a * a)
    b_nu, b_lam = -a * a_nu / b, (3.0 * lam - a * a_lam) / b
    out[:] = (math.log(b) + log_c, b_nu / b + slope, b_lam / b, a, a_nu, a_lam, b, b_nu, b_lam)
    return out


def shape_blocks(dist: str) -> tuple[Block, ...]:
    """Constraints of the shape parameters; the bounds are those of the ``arch`` package."""
    if dist == "t":
        return (interval("nu", 2.05, 500.0, log_from=2.0),)
    if dist == "skewt":
        return (interval("nu", 2.05, 300.0, log_from=2.0), interval("lambda", -0.999, 0.999))
    return ()


def shape_start(dist: str) -> tuple[float, ...]:
    """Where the optimiser starts."""
    return {"normal": (), "t": (6.0,), "skewt": (6.0, 0.0)}[dist]


def quantile_shocks(dist: str, shape: Array, rng: np.random.Generator, size: int) -> Array:
    """Unit-variance draws from the density."""
    if dist == "normal":
        return rng.standard_normal(size)
    nu = float(shape[0])
    draws = rng.standard_t(nu, size) * math.sqrt((nu - 2.0) / nu)
    if dist == "t":
        return draws
    # |t| placed right with probability (1+lambda)/2, stretched by 1 ± lambda, then standardized
    lam = float(shape[1])
    log_c, _ = t_constants(nu)
    a = 4.0 * lam * math.exp(log_c) * (nu - 2.0) / (nu - 1.0)
    b = math.sqrt(1.0 + 3.0 * lam * lam - a * a)
    right = rng.random(size) < 0.5 * (1.0 + lam)
    stretched = np.where(right, (1.0 + lam) * np.abs(draws), -(1.0 - lam) * np.abs(draws))
    skewed: Array = (stretched - a) / b
    return skewed
