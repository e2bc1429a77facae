"""Normal and t log-densities from distances, and the degrees of freedom that fit them best."""

from __future__ import annotations

import numpy as np
from scipy import special

from ..estimation.params import Array
from ..kernels.regime_gaussian import freedom_sums

__all__ = ["NU_RANGE", "best_freedom", "log_density"]

NU_RANGE = (2.05, 200.0)
FREEDOM_STEPS, HALVINGS = 3, 8  # Newton steps for the degrees of freedom within EM, and halvings of one


def log_density(d: Array, logdet: Array, n: int, nu: float) -> Array:
    """Log-densities (T, k) of ``n`` columns from squared distances, which they overwrite; normal where nu is 0."""
    if nu:
        constant = special.gammaln((nu + n) / 2) - special.gammaln(nu / 2) - 0.5 * n * np.log(np.pi * (nu - 2.0))
        np.divide(d, nu - 2.0, out=d)
        np.log1p(d, out=d)
        d *= -0.5 * (nu + n)
    else:
        constant = -0.5 * n * np.log(2.0 * np.pi)
        d *= -0.5
    d += constant - 0.5 * logdet
    return d


def best_freedom(d: Array, weights: Array, n: int, nu: float) -> float:
    """Degrees of freedom with a weighted log-density at distances ``d`` (T, k) not below that of ``nu``.

    Newton steps on log(nu - 2), halved until they do not fall: EM repeats them.
    """
    total = float(weights.sum())
    low, high = (float(np.log(end - 2.0)) for end in NU_RANGE)

    def lost(at: float) -> tuple[float, float, float]:
        """Minus the weighted log-density, its slope and its curvature."""
        m = float(np.exp(at))
        x = m + 2.0
        logs, first, second = freedom_sums(d, weights, m)
        constant = special.gammaln((x + n) / 2) - special.gammaln(x / 2) - 0.5 * n * np.log(np.pi * m)
        digammas = special.digamma((x + n) / 2) - special.digamma(x / 2)
        trigammas = special.polygamma(1, (x + n) / 2) - special.polygamma(1, x / 2)
        by_nu = -0.5 * total * (digammas - n / m) + 0.5 * logs - 0.5 * (x + n) * first / m
        twice = -total * (0.25 * trigammas + 0.5 * n / m**2) - first / m + 0.5 * (x + n) * second / m**2
        value = -total * constant + 0.5 * (x + n) * logs
        return float(value), float(m * by_nu), float(m * (m * twice + by_nu))

    here = float(np.clip(np.log(nu - 2.0), low, high))
    value, slope, curvature = lost(here)
    for _ in range(FREEDOM_STEPS):
        step = -slope / curvature if curvature > 0.0 else -np.sign(slope)
        step = float(np.clip(here + np.clip(step, -1.0, 1.0), low, high)) - here
        if abs(step) < 1e-3:
            break
        for _ in range(HALVINGS):
            new = lost(here + step)
            if new[0] <= value:
                here += step
                value, slope, curvature = new
                break
            step *= 0.5
        else:
            break
    return float(2.0 + np.exp(here))
