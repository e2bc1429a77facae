r"""Value at risk and expected shortfall of a portfolio, one step ahead in sample.

Losses are positive: with return :math:`r_{p,t}=w_t'r_t`, mean :math:`m_t` and volatility :math:`s_t` of the model,

.. math::

    \mathrm{VaR}_t=-m_t-s_tF^{-1}(\alpha),\qquad
    \mathrm{ES}_t=-m_t-s_t\operatorname{E}[x\mid x\le F^{-1}(\alpha)],

so a day is an exceedance when :math:`r_{p,t}<-\mathrm{VaR}_t`, which happens with probability :math:`\alpha`, called
``tail`` here. The tests of such series are in `backtests`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import DataError, SpecError, check_option
from ..estimation.params import Array
from .hedging import portfolio_mean, portfolio_volatility
from .paths import PathFit, Weights, covariance_chunks, read_weights

__all__ = ["expected_shortfall", "joint_nu", "tail_moments", "value_at_risk"]

METHODS = ("normal", "t", "filtered")
# losses held in memory at once by the filtered simulation
CELLS = 4_000_000


def value_at_risk(
    fit: PathFit,
    weights: Weights,
    *,
    tail: float = 0.01,
    method: str | None = None,
    nu: float | None = None,
    window: int | None = None,
) -> pd.Series:
    r"""Loss that is exceeded with probability ``tail``, percent, by date.

    "normal" and "t" use the law of the portfolio under jointly normal or t shocks with unit variances; a portfolio
    of jointly t returns is t with the same degrees of freedom. "filtered" is filtered historical simulation
    (Barone-Adesi, Giannopoulos & Vosper 1999) on the residuals of the columns held: with :math:`u_s=R_s^{-1/2}z_s`
    (symmetric root, so the order of the columns does not matter) the losses of date t are
    :math:`-m_t-w_t'D_tR_t^{1/2}u_s` over the residuals s, and VaR is their
    :math:`\lceil\alpha S\rceil`-th largest.

    Parameters
    ----------
    fit : a fitted covariance path. weights : as in `hedging.portfolio_volatility`; row t of a frame must be known at
        t - 1. tail : probability of an exceedance, e.g. 0.01.
    method : "normal", "t" or "filtered"; by default "t" for a fit with joint t errors, else "normal".
    nu : degrees of freedom of "t", by default those of the fit.
    window : of "filtered": use only the ``window`` residuals before each date, so that no date sees the shocks that
        follow; the series then starts ``window`` dates later. By default all residuals of the sample.

    Returns
    -------
    Series (T,) or (T - window,)

    Raises
    ------
    SpecError : an unknown method, a tail outside (0, 0.5), no degrees of freedom, fewer than one loss in the tail.

    Notes
    -----
    Parameters were estimated on the same dates, so exceedances are not quite those of forecasts made in real time.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> from cryptoequity.portfolio.risk import value_at_risk
    >>> fit = ce.DCC(dist="t").fit(ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]])
    >>> value_at_risk(fit, {"COIN": 0.1, "SMALL_TECH": 0.9}, tail=0.05).name
    'VaR 5%'
    """
    return _tail_risk(fit, weights, tail, method, nu, window)[0]


def expected_shortfall(
    fit: PathFit,
    weights: Weights,
    *,
    tail: float = 0.01,
    method: str | None = None,
    nu: float | None = None,
    window: int | None = None,
) -> pd.Series:
    r"""Mean loss in the worst ``tail`` share of outcomes, percent, by date.

    For "filtered" the mean of the worst :math:`\alpha S` losses, the last one counted by the fraction that is left
    (Acerbi & Tasche 2002).

    Parameters
    ----------
    fit, weights, tail, method, nu, window : as in `value_at_risk`.

    Returns
    -------
    Series (T,) or (T - window,)
    """
    return _tail_risk(fit, weights, tail, method, nu, window)[1]


def tail_moments(tail: float, nu: float | None = None) -> tuple[float, float]:
    r"""Quantile and tail mean of the standard normal, or of the t with ``nu`` scaled to unit variance.

    With :math:`c=\sqrt{(\nu-2)/\nu}` and :math:`q=t_\nu^{-1}(\alpha)`: :math:`cq` and
    :math:`-c\,\frac{f_\nu(q)}\alpha\,\frac{\nu+q^2}{\nu-1}`.
    """
    if nu is None:
        q = float(stats.norm.ppf(tail))
        return q, -float(stats.norm.pdf(q)) / tail
    if not nu > 2.0:
        raise SpecError(f"nu={nu}: a t law has a variance when nu > 2.")
    c = math.sqrt((nu - 2.0) / nu)
    q = float(stats.t.ppf(tail, nu))
    return c * q, -c * float(stats.t.pdf(q, nu)) / tail * (nu + q * q) / (nu - 1.0)


def joint_nu(fit: Any) -> float | None:
    """Degrees of freedom of the joint t errors of a fit; None for another density.

    Raises
    ------
    SpecError : several parameters bear that name; pass ``nu`` yourself.
    """
    names: tuple[str, ...] = fit.likelihood.layout.names
    found = [k for k, name in enumerate(names) if name == "nu" or name.endswith(".nu")]
    if len(found) > 1:
        raise SpecError(f"the fit has several degrees of freedom ({', '.join(names[k] for k in found)}); pass nu=.")
    return float(fit.theta[found[0]]) if found else None


def check_tail(tail: float) -> None:
    """Refuse what is not the probability of a bad day."""
    if not 0.0 < tail < 0.5:
        raise SpecError(f"tail={tail}: the probability of an exceedance lies between 0 and 0.5, e.g. 0.01 for 1 %.")


def _tail_risk(
    fit: PathFit, weights: Weights, tail: float, method: str | None, nu: float | None, window: int | None
) -> tuple[pd.Series, pd.Series]:
    check_tail(tail)
    if method is None:
        nu = joint_nu(fit) if nu is None else nu
        method = "normal" if nu is None else "t"
    check_option("method", method, METHODS)
    if window is not None and method != "filtered":
        raise SpecError(f"window={window} belongs to method='filtered', not to {method!r}.")
    if nu is not None and method != "t":
        raise SpecError(f"nu={nu} belongs to method='t', not to {method!r}.")
    label = f"{100.0 * tail:g}%"
    if method == "filtered":
        index = fit.volatility.index
        var, es = _filtered(fit, weights, tail, window)
        return (
            pd.Series(var, index[window or 0 :], name=f"VaR {label}"),
            pd.Series(es, index[window or 0 :], name=f"ES {label}"),
        )
    if method == "t":
        nu = joint_nu(fit) if nu is None else nu
        if nu is None:
            raise SpecError("method='t' needs degrees of freedom: fit with dist='t', or pass nu=.")
    quantile, mean_below = tail_moments(tail, nu)
    mean, volatility = portfolio_mean(fit, weights), portfolio_volatility(fit, weights)
    return (
        (-mean - quantile * volatility).rename(f"VaR {label}"),
        (-mean - mean_below * volatility).rename(f"ES {label}"),
    )


def _filtered(fit: PathFit, weights: Weights, tail: float, window: int | None) -> tuple[Array, Array]:
    """VaR and ES, (T - window,), from losses under the whitened residuals."""
    names, w = read_weights(fit, weights)
    z = fit.std_resid[names].to_numpy(float)
    nobs = z.shape[0]
    count = nobs if window is None else window
    if not 1 <= count <= nobs - (window is not None):
        raise SpecError(f"window={window}: there are {nobs} dates, so at most {nobs - 1} lie before any of them.")
    if tail * count < 1.0:
        raise SpecError(
            f"tail={tail} of {count} residuals is less than one loss; use more dates, a larger tail or method='t'."
        )
    exposed = w * fit.volatility[names].to_numpy(float)
    white, loads = np.empty_like(z), np.empty_like(z)
    for part, block in covariance_chunks(fit, names, correlation=True):
        values, vectors = np.linalg.eigh(block)
        bad = np.flatnonzero(~(values[:, 0] > 1e-12))
        if bad.size:
            raise DataError(
                f"the correlation of {', '.join(names)} is singular at {fit.volatility.index[part][bad[0]]}; "
                "leave one of the columns out."
            )
        root = np.sqrt(values)
        white[part] = _turn(vectors, 1.0 / root, z[part])
        loads[part] = _turn(vectors, root, exposed[part])
    mean = portfolio_mean(fit, weights).to_numpy(float)
    first = 0 if window is None else window
    var, es = np.empty(nobs - first), np.empty(nobs - first)
    step = max(1, CELLS // count)
    for start in range(first, nobs, step):
        stop = min(start + step, nobs)
        if window is None:
            outcomes = loads[start:stop] @ white.T
        else:
            views = np.lib.stride_tricks.sliding_window_view(white, window, axis=0)  # (T - window + 1, n, window)
            outcomes = np.einsum("tn,tnw->tw", loads[start:stop], views[start - window : stop - window])
        worst, below = _empirical_tail(outcomes, tail)
        var[start - first : stop - first] = -mean[start:stop] - worst
        es[start - first : stop - first] = -mean[start:stop] - below
    return var, es


def _turn(vectors: Array, scale: Array, x: Array) -> Array:
    """V diag(scale) V' x for each date, (chunk, n)."""
    inner = np.einsum("tij,ti->tj", vectors, x) * scale
    out: Array = np.einsum("tij,tj->ti", vectors, inner)
    return out


def _empirical_tail(outcomes: Array, tail: float) -> tuple[Array, Array]:
    """Lower quantile and mean of the worst ``tail`` share of each row of ``outcomes`` (t, S)."""
    share = tail * outcomes.shape[1]
    # 0.05 * 100 must count as 5 outcomes, not 5.000000000000001
    whole = round(share) if abs(share - round(share)) < 1e-9 * max(1.0, share) else math.floor(share)
    rest = max(0.0, share - whole)
    last = whole if rest > 1e-9 * max(1.0, share) else whole - 1  # position of the quantile, from 0
    ordered = np.partition(outcomes, last, axis=1)
    quantile = ordered[:, last]
    worst = np.sum(ordered[:, :last], axis=1) + (share - last) * quantile
    return quantile, worst / share
