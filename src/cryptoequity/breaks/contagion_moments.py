r"""Adjusted and predicted correlations, and the noise of their difference, on arrays.

Everything follows from the correlation and the two variances of a calm and of a crisis window, and from the long-run
covariance of what each observation contributes to them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from ..errors import CryptoEquityWarning, DataError, SpecError
from ..estimation.bootstrap import FEWEST
from ..estimation.bootstrap import pvalue as bootstrap_pvalue
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from .contagion_null import Rule, Windows, read_windows
from .limits import LEVELS
from .sample import Series

__all__ = [
    "Moments",
    "adjusted_correlation",
    "crisis_contrast",
    "moments",
    "predicted_correlation",
    "standardize",
    "window_moments",
]

ALTERNATIVES = ("greater", "less", "two-sided")
HUGE = 1e12


def adjusted_correlation(crisis: Any, delta: Any, calm_ratio: Any = 0.0, crisis_ratio: Any = None) -> Array:
    r"""Correlation of calm days that interdependence would turn into the one of the crisis.

    .. math:: \rho^*=\frac{\rho_C\sqrt{1+\delta}}{\sqrt{\kappa^2-\rho_C^2(1+\delta)(1+\lambda_T)(\kappa-1)}},

    the inverse of `predicted_correlation`; with :math:`\lambda=0` Forbes and Rigobon's
    :math:`\rho_C/\sqrt{1+\delta(1-\rho_C^2)}`.

    Parameters
    ----------
    crisis : correlation in the crisis. delta : rise of the source's variance, as a share; above -1.
    calm_ratio, crisis_ratio : :math:`\lambda_T` and :math:`\lambda_C`, the latter equal to the former by default.

    Returns
    -------
    Array : NaN where no interdependence gives so high a correlation.
    """
    rho, v, one, g = _ratios(crisis, delta, calm_ratio, crisis_ratio)
    inside = v * v * g * g - rho**2 * v * one * (v * g - 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(inside > 0.0, rho * np.sqrt(v / inside), np.nan)


def predicted_correlation(calm: Any, delta: Any, calm_ratio: Any = 0.0, crisis_ratio: Any = None) -> Array:
    r"""Correlation of the crisis under interdependence, :math:`\varphi`: see `corsetti_pericoli_sbracia`.

    Parameters
    ----------
    calm : correlation on calm days. delta, calm_ratio, crisis_ratio : as in `adjusted_correlation`.

    Returns
    -------
    Array : NaN where :math:`\rho^2(1+\lambda_T)>1`: the common factor cannot carry that much correlation.
    """
    rho, v, one, g = _ratios(calm, delta, calm_ratio, crisis_ratio)
    kappa = v * g
    room = 1.0 - rho**2 * one
    inside = v * (1.0 + rho**2 * one * (kappa - 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(room >= -1e-12, rho * kappa / np.sqrt(inside), np.nan)


def _ratios(rho: Any, delta: Any, calm_ratio: Any, crisis_ratio: Any) -> tuple[Array, Array, Array, Array]:
    """Correlation, 1 + delta, 1 + lambda of the calm, and that over 1 + lambda of the crisis; checked."""
    rho, v = np.asarray(rho, float), 1.0 + np.asarray(delta, float)
    one = 1.0 + np.asarray(calm_ratio, float)
    two = one if crisis_ratio is None else 1.0 + np.asarray(crisis_ratio, float)
    if (np.abs(rho) > 1.0).any():
        raise SpecError(f"a correlation of {float(rho.flat[np.abs(rho).argmax()]):.6g} lies outside [-1, 1].")
    if not (v > 0.0).all():
        raise SpecError(
            f"delta={float(v.min()) - 1.0:.6g}: a variance cannot fall by all of itself; delta is above -1."
        )
    if not (one >= 1.0).all() or not (two >= 1.0).all():
        raise SpecError("a ratio of variances is not negative.")
    return rho, v, one, one / two


@dataclass(frozen=True, eq=False)
class Moments:
    """Correlation and variances of one window with the covariance of their noise.

    Attributes
    ----------
    rho : correlation. var : variances of source and target. nobs : observations.
    omega : (3, 3) long-run covariance of the influence of an observation on the correlation and on the logarithms of
        the two variances.
    """

    rho: float
    var: tuple[float, float]
    nobs: int
    omega: Array = field(repr=False)


def standardize(x: Array) -> tuple[Array, float]:
    """Deviations from the mean over the standard deviation (divisor T), and the variance."""
    centered = x - x.mean()
    variance = float(centered @ centered) / x.size
    return centered / np.sqrt(variance), variance


def moments(x: Array, y: Array) -> Moments:
    r"""Moments of a window, with :math:`\psi_t=z_xz_y-\frac\rho2(z_x^2+z_y^2)`, :math:`z_x^2-1` and :math:`z_y^2-1`.

    Their long-run covariance has Bartlett weights and Andrews' (1991) bandwidth.
    """
    zx, vx = standardize(x)
    zy, vy = standardize(y)
    rho = float(zx @ zy) / x.size
    influence = np.stack([zx * zy - 0.5 * rho * (zx**2 + zy**2), zx**2 - 1.0, zy**2 - 1.0], axis=1)
    return Moments(rho, (vx, vy), x.size, LongRun("bartlett").covariance(influence))


def variance_rise(early: Moments, late: Moments, swap: bool) -> float:
    return late.var[int(swap)] / early.var[int(swap)] - 1.0


def window_moments(x: Array, y: Array, windows: Windows) -> tuple[Moments, Moments]:
    """Moments of the calm and of the crisis, or why there are none."""
    out = []
    for rows, what in ((windows.calm, "calm"), (windows.crisis, "crisis")):
        one, two = x[rows], y[rows]
        for name, values in (("source", one), ("target", two)):
            if not float(np.ptp(values)) > 1e-12 * float(np.abs(values).max()):
                raise DataError(f"the {name} is constant over the {what}; there is no correlation.")
        rho = float(standardize(one)[0] @ standardize(two)[0]) / one.size
        if 1.0 - abs(rho) < 1e-10:
            raise DataError(f"over the {what} one series is the other times a number: correlation {rho:.6f}.")
        found = moments(one, two)
        out.append(found)
    return out[0], out[1]


def crisis_contrast(
    early: Moments, late: Moments, swap: bool, calm_ratio: Array, crisis_ratio: Array
) -> tuple[Array, Array]:
    r"""Difference of Fisher transforms, crisis minus prediction, and its standard error, (K,) each, by lambda.

    With :math:`E=1+\rho^2(1+\lambda_T)(\kappa-1)` and :math:`g=(1+\lambda_T)/(1+\lambda_C)`,
    :math:`\partial\varphi/\partial\rho=\sqrt{1+\delta}\,gE^{-3/2}` and
    :math:`\partial\varphi/\partial\ln(1+\delta)=\tfrac12\rho\sqrt{1+\delta}\,gE^{-3/2}\{1-\rho^2(1+\lambda_T)\}`.
    That the crisis has its predicted correlation and that its adjusted one is the calm's are one hypothesis; on the
    scale of the crisis the noise stays finite where the adjustment divides by next to nothing.
    """
    rho, v = early.rho, 1.0 + variance_rise(early, late, swap)
    one = 1.0 + calm_ratio
    g = one / (1.0 + crisis_ratio)
    inside = 1.0 + rho**2 * one * (v * g - 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = np.where(inside > 0.0, inside, np.nan)
        predicted = rho * np.sqrt(v / inside) * g
        by_rho = np.sqrt(v) * g * inside**-1.5 / (1.0 - predicted**2)
        by_log_v = 0.5 * rho * by_rho * (1.0 - rho**2 * one)
        gap = np.arctanh(late.rho) - np.arctanh(predicted)
    pick = [0, 1 + int(swap)]
    crisis = late.omega[np.ix_(pick, pick)] / late.nobs
    calm = early.omega[np.ix_(pick, pick)] / early.nobs
    own = 1.0 / (1.0 - late.rho**2)
    variance = own**2 * crisis[0, 0] - 2.0 * own * by_log_v * crisis[0, 1] + by_log_v**2 * crisis[1, 1]
    variance = variance + by_rho**2 * calm[0, 0] - 2.0 * by_rho * by_log_v * calm[0, 1] + by_log_v**2 * calm[1, 1]
    return gap, np.sqrt(variance)


def studentized(x: Array, y: Array, windows: Windows, *, swap: bool, calm_ratio: float, crisis_ratio: float) -> float:
    """Contrast of one sample over its standard error.

    Where a drawn calm has a correlation that the common factor could not carry into the crisis, the crisis lies below
    any prediction: a huge number against the sign of the correlation, for leaving it out would shorten a tail.
    """
    early, late = window_moments(x, y, windows)
    gap, se = crisis_contrast(early, late, swap, np.array([calm_ratio]), np.array([crisis_ratio]))
    if np.isnan(gap[0]):
        return float(np.copysign(HUGE, -early.rho))
    return float(gap[0] / se[0])


def dated_windows(x: Series, y: Series, crisis: Any, calm: Any, rule: Rule | None) -> Windows:
    if rule is None:
        return read_windows(x.index, crisis, calm)
    return read_windows(x.index, np.asarray(rule(x.values.copy(), y.values.copy())), None)


def warn_dated(found: bool, pvalue: str, rule: Rule | None) -> None:
    if found and not (rule is not None and pvalue == "garch"):
        warnings.warn(
            "the crisis was dated from the series it is tested on, and the p-value does not know of the search: it is "
            "that of dates given beforehand. Give the crisis as a rule (a function of the two arrays of returns) with "
            "forbes_rigobon_test(pvalue='garch'), or dates from elsewhere.",
            CryptoEquityWarning,
            stacklevel=3,
        )


def normal_tail(t: float, alternative: str) -> float:
    if alternative == "two-sided":
        return float(2.0 * stats.norm.sf(abs(t)))
    return float(stats.norm.sf(t if alternative == "greater" else -t))


def normal_critical(level: float, alternative: str) -> float:
    value = float(stats.norm.isf(level / 2 if alternative == "two-sided" else level))
    return -value if alternative == "less" else value


def drawn_tail(t: float, null: Array, alternative: str) -> float:
    if alternative == "two-sided":
        return bootstrap_pvalue(abs(t), np.abs(null))
    return bootstrap_pvalue(t, null, "upper" if alternative == "greater" else "lower")


def drawn_critical(null: Array, alternative: str, levels: tuple[float, ...] = LEVELS) -> dict[float, float]:
    finite = null[np.isfinite(null)]
    if finite.size < FEWEST:
        return dict.fromkeys(levels, float("nan"))
    if alternative == "less":
        return {level: float(np.quantile(finite, level)) for level in levels}
    values = np.abs(finite) if alternative == "two-sided" else finite
    return {level: float(np.quantile(values, 1.0 - level)) for level in levels}


def fisher_tail(early: Moments, late: Moments, alternative: str) -> float:
    """P-value of equal correlations for independent normal pairs, without adjustment."""
    z = (np.arctanh(late.rho) - np.arctanh(early.rho)) / np.sqrt(1.0 / (late.nobs - 3) + 1.0 / (early.nobs - 3))
    return normal_tail(float(z), alternative)
