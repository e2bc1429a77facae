r"""Hedges, portfolios and partial correlations, read off a covariance path one step ahead.

Everything at date t uses :math:`H_t=D_tR_tD_t`, which the model forms from returns up to t - 1. The parameters behind
it are estimated on the whole sample: what is found here is how the model hedges in sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError
from ..estimation.bootstrap import block_length, stationary_draws
from ..estimation.params import Array
from ..estimation.results import citation
from ..table import Table
from .allocation import minimum_variance_bounded
from .paths import PathFit, Weights, check_names, covariance_chunks, pair_paths, read_weights

__all__ = [
    "HedgingEffectiveness",
    "hedge_ratio",
    "hedging_effectiveness",
    "minimum_variance_weights",
    "partial_correlation",
    "portfolio_mean",
    "portfolio_returns",
    "portfolio_volatility",
]


def hedge_ratio(fit: PathFit, asset: str, hedge: str | Sequence[str]) -> pd.Series | pd.DataFrame:
    r"""Units of ``hedge`` to sell against one unit of ``asset`` so that the rest varies least.

    .. math:: \beta_t=H_{hh,t}^{-1}H_{ha,t},

    for a single hedge :math:`\rho_t\sigma_{a,t}/\sigma_{h,t}` (Kroner & Sultan 1993).

    Parameters
    ----------
    fit : a fitted covariance path. asset : what is held. hedge : one column, or several that hedge together.

    Returns
    -------
    Series (T,) for one column's name, DataFrame (T, hedges) for a sequence of names.

    Raises
    ------
    SpecError : unknown or repeated columns. DataError : hedges that are collinear at a date.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> from cryptoequity.portfolio.hedging import hedge_ratio
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> hedge_ratio(ce.DCC().fit(returns), "COIN", "SMALL_TECH").name
    'SMALL_TECH per COIN'
    """
    hedges = [hedge] if isinstance(hedge, str) else list(hedge)
    names = check_names(fit, [asset, *hedges], 2)
    index = fit.volatility.index
    if len(hedges) == 1:
        sigma = fit.volatility[names].to_numpy(float)
        ratio = pair_paths(fit, names)[:, 0] * sigma[:, 0] / sigma[:, 1]
        series = pd.Series(ratio, index, name=f"{hedges[0]} per {asset}")
        return series if isinstance(hedge, str) else series.to_frame(hedges[0])
    out = np.empty((len(index), len(hedges)))
    for part, block in covariance_chunks(fit, names):
        out[part] = _solve(block[:, 1:, 1:], block[:, 1:, 0], index[part], hedges)
    return pd.DataFrame(out, index, hedges)


def partial_correlation(fit: PathFit, i: str, j: str, given: str | Sequence[str]) -> pd.Series:
    r"""Correlation of ``i`` and ``j`` that is left when ``given`` is held fixed, by date.

    :math:`-P_{12}/\sqrt{P_{11}P_{22}}` with P the inverse of the correlation of (i, j, given); for one column,
    :math:`(\rho_{ij}-\rho_{ik}\rho_{jk})/\sqrt{(1-\rho_{ik}^2)(1-\rho_{jk}^2)}`.

    Parameters
    ----------
    fit : a fitted covariance path. i, j : columns. given : one or several other columns.

    Raises
    ------
    SpecError : unknown or repeated columns. DataError : columns that are collinear at a date.
    """
    held = [given] if isinstance(given, str) else list(given)
    names = check_names(fit, [i, j, *held], 3)
    index = fit.volatility.index
    out = np.empty(len(index))
    for part, block in covariance_chunks(fit, names, correlation=True):
        _check_definite(block, index[part], names)
        precision = np.linalg.inv(block)
        out[part] = -precision[:, 0, 1] / np.sqrt(precision[:, 0, 0] * precision[:, 1, 1])
    return pd.Series(out, index, name=f"corr({i}, {j} | {', '.join(held)})")


def minimum_variance_weights(
    fit: PathFit,
    names: Sequence[str] | None = None,
    *,
    long_only: bool = False,
    bounds: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
) -> pd.DataFrame:
    r"""Weights that sum to one and whose portfolio varies least, by date.

    :math:`w_t=H_t^{-1}\iota/(\iota'H_t^{-1}\iota)`; under bounds the exact solution of the quadratic program
    :math:`\min_w w'H_tw` subject to :math:`\iota'w=1,\ l\le w\le u`.

    Parameters
    ----------
    fit : a fitted covariance path. names : the columns to choose from, by default all.
    long_only : no short positions. bounds : (lower, upper) for every column, or by column; columns that are left out
        of a mapping are free.

    Returns
    -------
    DataFrame (T, n)

    Raises
    ------
    SpecError : unknown columns, both options at once, bounds that no weights with sum one satisfy.
    DataError : columns that are collinear at a date.
    """
    chosen = check_names(fit, fit.names if names is None else names, 2)
    limits = _limits(chosen, long_only, bounds)
    index = fit.volatility.index
    out = np.empty((len(index), len(chosen)))
    warm = None
    for part, block in covariance_chunks(fit, chosen):
        one = np.ones((block.shape[0], len(chosen)))
        raw = _solve(block, one, index[part], chosen)
        free = raw / raw.sum(axis=1, keepdims=True)
        if limits is not None:
            lower, upper = limits
            for t in np.flatnonzero(np.any((free < lower) | (free > upper), axis=1)).tolist():
                warm = minimum_variance_bounded(block[t], lower, upper, warm)
                free[t] = warm
        out[part] = free
    return pd.DataFrame(out, index, chosen)


def portfolio_volatility(fit: PathFit, weights: Weights) -> pd.Series:
    r"""Volatility of a portfolio by date, percent: :math:`\sqrt{w_t'H_tw_t}`.

    Parameters
    ----------
    fit : a fitted covariance path. weights : by column (those that are not named are not held), in the order of the
        columns, or a frame by date, whose row t must be known at t - 1.

    Raises
    ------
    SpecError, DataError : see `paths.read_weights`.
    """
    names, w = read_weights(fit, weights)
    x = w * fit.volatility[names].to_numpy(float)
    variance = np.sum(x**2, axis=1)
    if len(names) > 1:
        rows, cols = np.triu_indices(len(names), 1)
        paths = pair_paths(fit, names)
        for k, (i, j) in enumerate(zip(rows, cols, strict=True)):
            variance += 2.0 * paths[:, k] * x[:, i] * x[:, j]
    if np.any(variance < -1e-9 * np.sum(x**2, axis=1)):
        t = int(np.argmin(variance))
        raise DataError(
            f"the variance of the portfolio at {fit.volatility.index[t]} is {variance[t]:.3g}: the correlations of "
            f"{', '.join(names)} are not positive semidefinite there."
        )
    # rounding may leave a perfect hedge at -1e-17
    return pd.Series(np.sqrt(np.maximum(variance, 0.0)), fit.volatility.index, name="volatility")


def portfolio_returns(fit: PathFit, weights: Weights) -> pd.Series:
    """Percent returns of a portfolio by date, w_t'r_t; exact for simple returns, close for logarithmic ones.

    Parameters
    ----------
    fit : a fitted covariance path. weights : as in `portfolio_volatility`.
    """
    return _combine(fit.returns, fit, weights, "return")


def portfolio_mean(fit: PathFit, weights: Weights) -> pd.Series:
    """Conditional mean of a portfolio by date, percent.

    Parameters
    ----------
    fit : a fitted covariance path. weights : as in `portfolio_volatility`.
    """
    return _combine(fit.mean, fit, weights, "mean")


@dataclass(frozen=True, eq=False)
class HedgingEffectiveness:
    """How much of an asset's variance a hedge removes.

    Attributes
    ----------
    asset, hedge : column and columns. table : rows "one-step-ahead", "constant ratio" and "difference", columns
        ``estimate``, ``lower``, ``upper``. level : of the intervals. block : mean block length of the bootstrap.
    draws : of the bootstrap. nobs : dates.
    """

    asset: str
    hedge: tuple[str, ...]
    table: pd.DataFrame = field(repr=False)
    level: float
    block: float
    draws: int
    nobs: int

    @property
    def estimate(self) -> float:
        """Share of the variance removed by the one-step-ahead ratios."""
        return float(self.table["estimate"].iloc[0])

    def summary(self) -> Table:
        """Return the table with what it rests on."""
        notes = (
            f"1 - var(hedged)/var(unhedged) on {self.nobs} dates; {self.level:.0%} intervals from {self.draws} "
            f"stationary bootstrap draws, mean block {self.block:.1f}",
            "Ratios held at their estimates, which saw the whole sample.",
        )
        return Table.of(f"Hedging {self.asset} with {', '.join(self.hedge)}", self.table, notes=notes)

    def cite(self) -> str:
        """BibTeX of the ratios and of the intervals."""
        return citation("kronersultan1993", "politisromano1994")


def hedging_effectiveness(
    fit: PathFit,
    asset: str,
    hedge: str | Sequence[str],
    *,
    level: float = 0.95,
    draws: int = 999,
    block: float | None = None,
    rng: int | np.random.Generator = 0,
) -> HedgingEffectiveness:
    r"""Share of variance removed, :math:`1-\operatorname{var}(r_a-\beta_t'r_h)/\operatorname{var}(r_a)`, with interval.

    The ratios of `hedge_ratio` are set beside the constant least-squares ratio, which has the advantage of
    minimizing this very variance in sample: an honest bar. The variances are of dependent data, so intervals
    come from the stationary bootstrap: percentiles of the statistic over resampled dates, ratios held fixed.

    Parameters
    ----------
    fit : a fitted covariance path. asset, hedge : as in `hedge_ratio`. level : of the intervals.
    draws : of the bootstrap. block : mean block length; by default chosen from the data for the linearized statistic.
    rng : seed or generator.

    Raises
    ------
    SpecError : unknown columns, a level outside (0, 1), too few draws, an impossible block.
    """
    if not 0.0 < level < 1.0:
        raise SpecError(f"level={level}: a level lies between 0 and 1, e.g. 0.95.")
    hedges = [hedge] if isinstance(hedge, str) else list(hedge)
    ratios = hedge_ratio(fit, asset, hedges).to_numpy(float)
    frame = fit.returns
    own, others = frame[asset].to_numpy(float), frame[hedges].to_numpy(float)
    slope = np.linalg.lstsq(others - others.mean(axis=0), own - own.mean(), rcond=None)[0]
    data = np.column_stack([own, own - np.sum(ratios * others, axis=1), own - others @ slope])
    if not data[:, 0].var() > 0.0:
        raise DataError(f"the returns of {asset!r} are constant: there is nothing to hedge.")

    def removed(rows: Array) -> Array:
        variance = rows.var(axis=0)
        moving, constant = 1.0 - variance[1:] / variance[0]
        return np.array([moving, constant, moving - constant])

    estimate = removed(data)
    if block is None:
        squares = (data - data.mean(axis=0)) ** 2
        # first-order effect of one date on var(hedged)/var(unhedged)
        influence = squares[:, 1] - (1.0 - estimate[0]) * squares[:, 0]
        block = block_length(influence) if influence.var() > 0.0 else 1.0
    cloud = stationary_draws(removed, data, block, draws, rng)
    tail = 0.5 * (1.0 - level)
    lower, upper = np.quantile(cloud, [tail, 1.0 - tail], axis=0)
    table = pd.DataFrame(
        {"estimate": estimate, "lower": lower, "upper": upper}, ["one-step-ahead", "constant ratio", "difference"]
    )
    return HedgingEffectiveness(asset, tuple(hedges), table, level, float(block), draws, len(own))


def _combine(frame: pd.DataFrame, fit: PathFit, weights: Weights, name: str) -> pd.Series:
    names, w = read_weights(fit, weights)
    return pd.Series(np.sum(w * frame[names].to_numpy(float), axis=1), fit.volatility.index, name=name)


def _limits(
    names: list[str], long_only: bool, bounds: tuple[float, float] | Mapping[str, tuple[float, float]] | None
) -> tuple[Array, Array] | None:
    """Lower and upper bounds (n,), or None where there are none."""
    if long_only and bounds is not None:
        raise SpecError("long_only=True is bounds=(0, 1): give one of the two.")
    if long_only:
        bounds = (0.0, 1.0)
    if bounds is None:
        return None
    if isinstance(bounds, Mapping):
        unknown = [name for name in bounds if name not in names]
        if unknown:
            raise SpecError(f"bounds name {unknown[0]!r}, which is not among {', '.join(names)}.")
        pairs = [bounds.get(name, (-np.inf, np.inf)) for name in names]
    else:
        pairs = [bounds] * len(names)
    lower, upper = np.array(pairs, float).T
    for name, low, high in zip(names, lower, upper, strict=True):
        if not low <= high:
            raise SpecError(f"bounds of {name!r} are ({low}, {high}): the lower one must not exceed the upper one.")
    if lower.sum() > 1.0 + 1e-12 or upper.sum() < 1.0 - 1e-12:
        raise SpecError(
            f"no weights with sum one: the lower bounds add up to {lower.sum():.6g}, the upper ones to "
            f"{upper.sum():.6g}."
        )
    return lower, upper


def _check_definite(block: Array, dates: pd.Index, names: Sequence[str]) -> None:
    sizes = np.linalg.eigvalsh(block)
    bad = np.flatnonzero(~(sizes[:, 0] > 1e-12 * sizes[:, -1]))
    if bad.size:
        raise DataError(
            f"the covariance of {', '.join(names)} is singular at {dates[bad[0]]} (and {bad.size - 1} more dates of "
            "this stretch); leave one of the columns out."
        )


def _solve(block: Array, right: Array, dates: pd.Index, names: Sequence[str]) -> Array:
    """Solutions (chunk, n) of ``block`` x = ``right``; names the date on which there is none."""
    _check_definite(block, dates, names)
    return np.asarray(np.linalg.solve(block, right[:, :, None])[:, :, 0], float)
