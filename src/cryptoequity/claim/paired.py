r"""Correlations that share a column: whether they differ, and what is left without crypto held by the equities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..breaks.correlation_null import (
    Columns,
    Filter,
    check_count,
    correlation_of,
    influence,
    long_run_of,
    model_draws,
    read_columns,
)
from ..correlation import DCC
from ..data.checks import check_returns
from ..errors import DataError, SpecError, check_option
from ..estimation.bootstrap import block_length, null_interval, stationary_draws
from ..estimation.bootstrap import pvalue as tail
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from ..estimation.results import TestResult
from ..portfolio.hedging import hedge_ratio
from .multiplicity import MultipleTest, romano_wolf_test

__all__ = [
    "altcoins_test",
    "dependent_correlations_test",
    "holder_projection_test",
    "project_holders",
    "rolling_slopes",
    "steiger_statistic",
    "williams_statistic",
]

LAWS = ("dcc", "bootstrap", "hac", "steiger", "williams")
DRAWN = ("dcc", "bootstrap")
SIDES = ("upper", "lower", "two")
PROJECTIONS = ("rolling", "dcc", "weights")


def steiger_statistic(r12: float, r13: float, r23: float, nobs: int) -> float:
    r"""Steiger's (1980) :math:`\bar Z_2^*` of equal :math:`\rho_{12}=\rho_{13}`, standard normal for iid normal rows.

    :math:`(\operatorname{artanh}r_{12}-\operatorname{artanh}r_{13})\sqrt{(n-3)/(2-2\bar s)}`, with the covariance
    :math:`\bar s=\{r_{23}(1-2\bar r^2)-\tfrac12\bar r^2(1-2\bar r^2-r_{23}^2)\}/(1-\bar r^2)^2` at the mean
    :math:`\bar r` of the two.
    """
    mean = 0.5 * (r12 + r13)
    shared = r23 * (1.0 - 2.0 * mean**2) - 0.5 * mean**2 * (1.0 - 2.0 * mean**2 - r23**2)
    shared /= (1.0 - mean**2) ** 2
    return float((np.arctanh(r12) - np.arctanh(r13)) * np.sqrt((nobs - 3) / (2.0 - 2.0 * shared)))


def williams_statistic(r12: float, r13: float, r23: float, nobs: int) -> float:
    r"""Williams's (1959) t of equal :math:`\rho_{12}=\rho_{13}`, with n - 3 degrees of freedom for iid normal rows.

    .. math:: t=(r_{12}-r_{13})\sqrt{\frac{(n-1)(1+r_{23})}
              {2\frac{n-1}{n-3}|R|+\bar r^2(1-r_{23})^3}},\qquad
              |R|=1-r_{12}^2-r_{13}^2-r_{23}^2+2r_{12}r_{13}r_{23}.
    """
    mean = 0.5 * (r12 + r13)
    det = 1.0 - r12**2 - r13**2 - r23**2 + 2.0 * r12 * r13 * r23
    below = 2.0 * (nobs - 1) / (nobs - 3) * det + mean**2 * (1.0 - r23) ** 3
    return float((r12 - r13) * np.sqrt((nobs - 1) * (1.0 + r23) / below))


@dataclass(frozen=True)
class _Gaps:
    """Differences of correlations with column ``equity``: of ``main`` less each weighted sum of columns."""

    equity: int
    main: int
    others: tuple[tuple[str, tuple[tuple[int, float], ...]], ...]

    def __call__(self, z: Array, driver: Array | None = None, warm: Any = None) -> dict[str, float]:
        del driver, warm
        mixed = [z[:, self.main], *(sum(w * z[:, k] for k, w in parts) for _, parts in self.others)]
        rho = correlation_of(np.stack([z[:, self.equity], *mixed], axis=1))[0]
        return {name: float(rho[1] - rho[2 + k]) for k, (name, _) in enumerate(self.others)}


def dependent_correlations_test(
    data: Any,
    coin: str,
    first: str,
    second: str,
    *,
    side: str = "upper",
    filter: Filter = "garch",
    pvalue: str = "dcc",
    long_run: LongRun | None = None,
    block: float | None = None,
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TestResult:
    r"""Test that a coin correlates equally with two equities.

    The difference :math:`\hat\rho_{c1}-\hat\rho_{c2}` moves with :math:`\psi_{c1,t}-\psi_{c2,t}`, the influence of
    date t on both (see `correlation_null`); much of the noise is common and drops out, which two separate intervals
    miss.

    Parameters
    ----------
    data : returns (T, N), `Margins` or a `CorrelationFit`. coin, first, second : columns.
    side : "upper" (the first is larger), "lower" or "two".
    filter : of returns, as in `equal_correlation_test`.
    pvalue : "dcc": samples of a DCC fitted to the three columns, margins refitted in each, the difference around its
        mean over the draws. "bootstrap": stationary blocks of rows. "hac": normal, long-run variance of the influence.
        "steiger" and "williams": textbook formulas for iid normal rows, for comparison.
    long_run : estimator of "hac"; Bartlett with the integer part of ln n by default.
    block : mean block length of "bootstrap"; by default that of `block_length` for the influence.
    draws, rng, n_jobs : of "dcc" and, but for ``n_jobs``, "bootstrap".

    Returns
    -------
    TestResult : ``statistic`` is the difference of correlations for drawn laws, else z or t. ``detail``: difference,
    the two correlations, lower and upper of the 95 % interval (drawn laws and "hac"), block, draws lost; drawn laws
    also keep "null", the draws of the difference around zero.

    Raises
    ------
    DataError : columns that cannot be used. SpecError : an unknown choice.

    Notes
    -----
    Steiger's and Williams's tests need normal rows: joint fat tails raise the variance of a difference and both reject
    too often, more so when correlations persist. "hac" and "bootstrap" are right under fat tails and GARCH, and
    reject too often under a DCC with a + b near one, whose slow part their few lags and short blocks do not see; "dcc"
    draws it. Two-sided 5 %, T = 1000, joint t(5), DCC(.02, .97), rejections of a true null: Steiger and Williams 10 of
    20 samples, "hac" and "bootstrap" 6 of 20, "dcc" 4 of 50 (``benchmarks/dependent_correlations.py``). None is for a
    sample in which a correlation breaks.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("peaks")).loc["2020-06":]
    >>> test = ce.dependent_correlations_test(returns, "COIN", "SMALL_TECH", "GOLD", pvalue="hac")
    >>> test.pvalue < 0.01
    True
    """
    check_option("pvalue", pvalue, LAWS)
    check_option("side", side, SIDES)
    check_count("draws", draws, 99)
    if len({coin, first, second}) < 3:
        raise SpecError(f"coin={coin!r}, first={first!r}, second={second!r}: name three different columns.")
    read = read_columns(data, [coin, first, second], filter)
    rho = correlation_of(read.z)
    r12, r13, r23 = float(rho[0, 1]), float(rho[0, 2]), float(rho[1, 2])
    gap = r12 - r13
    null = f"{first} and {second} have the same correlation with {coin}"
    detail: dict[str, Any] = {"difference": gap, first: r12, second: r13, "between them": r23}
    if pvalue in DRAWN:
        gaps, noise, reference = _noise(read, _Gaps(0, 1, (("gap", ((2, 1.0),)),)), pvalue, block, draws, rng, n_jobs)
        series = noise["gap"]
        found = series[np.isfinite(series)]
        detail["lower"], detail["upper"] = null_interval(gap, found)
        detail["draws lost"], detail["null"] = series.size - found.size, found
        level = _tail(gaps["gap"], found, side)
        return TestResult("equal dependent correlations", null, gap, level, reference, detail)
    if pvalue == "hac":
        psi, _ = influence(read.z)  # pairs (0, 1), (0, 2), (1, 2)
        apart = (psi[:, 0] - psi[:, 1])[:, None]
        error = float(np.sqrt(long_run_of(long_run, read.nobs).covariance(apart)[0, 0] / read.nobs))
        half = float(stats.norm.isf(0.025)) * error
        detail |= {"std_err": error, "lower": gap - half, "upper": gap + half}
        value, reference = gap / error, "normal, long-run variance of the influence functions"
        level = _level(value, stats.norm, side)
    elif pvalue == "steiger":
        value, reference = steiger_statistic(r12, r13, r23, read.nobs), "normal, for iid normal rows"
        level = _level(value, stats.norm, side)
    else:
        value = williams_statistic(r12, r13, r23, read.nobs)
        reference = f"t({read.nobs - 3}), for iid normal rows"
        level = _level(value, stats.t(read.nobs - 3), side)
    return TestResult("equal dependent correlations", null, value, level, reference, detail)


def _level(value: float, law: Any, side: str) -> float:
    if side == "two":
        return float(min(1.0, 2.0 * law.sf(abs(value))))
    return float(law.sf(value) if side == "upper" else law.cdf(value))


def _tail(value: float, noise: Array, side: str) -> float:
    """Bootstrap p-value of a difference whose draws are centered at zero."""
    return tail(abs(value), np.abs(noise)) if side == "two" else tail(value, noise, side)


def _noise(
    read: Columns,
    gaps: _Gaps,
    how: str,
    block: float | None,
    draws: int,
    rng: int | np.random.Generator,
    n_jobs: int | None,
) -> tuple[dict[str, float], dict[str, Array], str]:
    """Gaps of the data, draws of each around zero from the same samples, and the law in words."""
    observed = gaps(read.z)
    if how == "dcc":
        # the samples hold all columns of the margins; ours stand at these positions
        at = read.positions or tuple(range(len(read.names)))
        others = tuple((name, tuple((at[k], w) for k, w in parts)) for name, parts in gaps.others)
        drawn, model = model_draws(read, _Gaps(at[gaps.equity], at[gaps.main], others), draws, rng, n_jobs)
        values, reference = drawn.values, f"{model}: {drawn.reference}"
        empty = [name for name, one in values.items() if not np.isfinite(one).any()]
        if empty:
            raise DataError(f"no draw of {model} gave the difference of {empty[0]!r}; use pvalue='bootstrap'.")
        return observed, {name: one - np.nanmean(one) for name, one in values.items()}, reference
    names = [name for name, _ in gaps.others]
    length = _block(read.z, gaps) if block is None else float(block)
    table = stationary_draws(
        lambda rows: np.array([gaps(rows)[name] for name in names]), read.z, length, draws, np.random.default_rng(rng)
    )
    noise = {name: table[:, k] - table[:, k].mean() for k, name in enumerate(names)}
    return observed, noise, f"{draws} stationary bootstrap draws, mean block {max(1, round(length))}"


def _block(z: Array, gaps: _Gaps) -> float:
    """Longest mean block among the influences of the differences, a quarter of the sample at most."""
    lengths = []
    for _, parts in gaps.others:
        mixed = sum(w * z[:, k] for k, w in parts)
        psi, _ = influence(np.stack([z[:, gaps.equity], z[:, gaps.main], mixed], axis=1))
        lengths.append(block_length(psi[:, 0] - psi[:, 1]))
    return min(max(lengths), len(z) / 4.0)


# --- altcoins


def altcoins_test(
    data: Any,
    coin: str,
    equity: str,
    altcoins: Sequence[str],
    *,
    filter: Filter = "garch",
    pvalue: str = "dcc",
    block: float | None = None,
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> MultipleTest:
    r"""Test coin by coin, and for baskets of them, that altcoins correlate with the equity as much as the main coin.

    One family of differences :math:`\hat\rho_{\text{main},e}-\hat\rho_{k,e}` from the same draws, with Romano–Wolf
    p-values. A single altcoin is noisier than the main one and loses correlation by that alone; a basket averages
    such noise out. With two or more altcoins two baskets join the family, in residuals: "basket, inverse volatility"
    :math:`\sum_kz_{kt}` and "basket, equal weights" :math:`\sum_k\bar\sigma_kz_{kt}`, :math:`\bar\sigma_k` the root
    mean square of the fitted volatility.

    Parameters
    ----------
    data : returns (T, N), `Margins` or a `CorrelationFit`. coin, equity, altcoins : columns.
    filter, pvalue, block, draws, rng, n_jobs : as in `dependent_correlations_test`, drawn laws only. ``filter=None``
        takes columns of any scale, and equal weights then use their standard deviations.

    Returns
    -------
    MultipleTest : ``statistic`` is the difference of correlations.

    Raises
    ------
    DataError : columns that cannot be used. SpecError : an unknown choice, no or repeated altcoins.

    Notes
    -----
    As `dependent_correlations_test`: fat tails and GARCH are in the draws, a persistent correlation in those of "dcc"
    only. Altcoins that still trade have survived; take the list from before the sample.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("peaks")).loc["2021":]
    >>> ce.altcoins_test(returns, "COIN", "SMALL_TECH", ["ALTCOIN"], pvalue="bootstrap").frame.shape
    (1, 4)
    """
    check_option("pvalue", pvalue, DRAWN)
    check_count("draws", draws, 99)
    names = [altcoins] if isinstance(altcoins, str) else list(altcoins)
    if not names or len({coin, equity, *names}) != 2 + len(names):
        raise SpecError(f"altcoins={altcoins!r}: name one or more different columns, without {coin!r} and {equity!r}.")
    read = read_columns(data, [coin, equity, *names], filter)
    others: list[tuple[str, tuple[tuple[int, float], ...]]] = [(name, ((2 + k, 1.0),)) for k, name in enumerate(names)]
    if len(names) > 1:
        z = read.z[:, 2:]
        unit = 1.0 / np.sqrt(np.mean(z**2, axis=0))
        size = 1.0 / unit
        if read.margins is not None:
            size = np.sqrt(np.mean(read.margins.volatility[names].to_numpy(float) ** 2, axis=0))
        for name, weights in (("basket, inverse volatility", unit), ("basket, equal weights", unit * size)):
            others.append((name, tuple((2 + k, float(w)) for k, w in enumerate(weights))))
    observed, noise, _ = _noise(read, _Gaps(1, 0, tuple(others)), pvalue, block, draws, rng, n_jobs)
    return romano_wolf_test(observed, noise)


# --- stocks that hold crypto themselves


def rolling_slopes(y: Array, x: Array, window: int) -> Array:
    r"""Slopes (T, M) of ``y`` (T,) on ``x`` (T, M) and a constant over the ``window`` rows before each; NaN at first.

    Row t is fitted to rows t - window, …, t - 1 and knows nothing of row t.
    """
    nobs, width = x.shape
    out = np.full((nobs, width), np.nan)
    views = np.lib.stride_tricks.sliding_window_view(np.column_stack([x, y]), window, axis=0)[:-1]
    centered = views - views.mean(axis=2, keepdims=True)
    gram = np.einsum("tiw,tjw->tij", centered, centered)
    out[window:] = np.linalg.solve(gram[:, :width, :width], gram[:, :width, width:])[..., 0]
    return out


def project_holders(
    returns: pd.DataFrame,
    columns: Sequence[str],
    holders: Sequence[str],
    *,
    how: str = "rolling",
    window: int = 126,
    weights: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    r"""Returns with what the crypto-holding stocks explain of some columns taken out.

    .. math:: \tilde r_{i,t}=r_{i,t}-\hat\beta_{i,t}'h_t

    with slopes that are known the day before: of a regression over the ``window`` sessions up to t - 1 ("rolling"), or
    the hedge ratios :math:`H_{hh,t}^{-1}H_{hi,t}` of a DCC with GARCH margins ("dcc", its parameters from the whole
    sample). "weights" removes known index weights exactly,
    :math:`\tilde r_{i,t}=(r_{i,t}-w'h_t)/(1-\sum w)`.

    Parameters
    ----------
    returns : percent returns (T, N). columns : the equities to clean. holders : the stocks. window : sessions.
    weights : share of each holder in the columns, for ``how="weights"``.

    Returns
    -------
    DataFrame : all columns, the chosen ones replaced; "rolling" starts ``window`` sessions later.

    Raises
    ------
    DataError : returns that cannot be used, holders that are collinear in a window. SpecError : an unknown choice.

    Notes
    -----
    Slopes take out more than membership: a stock that holds bitcoin is itself a measure of bitcoin, and whatever an
    equity shares with the coin for other reasons leaves with it. What survives is not membership; what vanishes may
    have been. Only "weights" removes membership alone.
    """
    check_option("how", how, PROJECTIONS)
    chosen, held = list(columns), list(holders)
    if isinstance(columns, str) or isinstance(holders, str):
        raise SpecError("columns and holders are lists of names, e.g. columns=['SMALL'], holders=['MSTR'].")
    if not chosen or not held or len({*chosen, *held}) != len(chosen) + len(held):
        raise SpecError(f"columns={chosen} and holders={held} must be different names, one of each at least.")
    frame = check_returns(returns)
    missing = [name for name in (*chosen, *held) if name not in frame.columns]
    if missing:
        raise DataError(f"no column {missing[0]!r}; there are {', '.join(map(repr, frame.columns))}.")
    h = frame[held].to_numpy(float)
    out = frame.astype(float)
    if how == "weights":
        if weights is None or set(weights) != set(held):
            raise SpecError(f"weights={weights!r}: give the share of each of {held} in the columns.")
        share = np.array([float(weights[name]) for name in held])
        if not (np.isfinite(share).all() and (share >= 0.0).all() and share.sum() < 1.0):
            raise SpecError(f"weights={dict(weights)}: shares of an index are not negative and sum to less than one.")
        for name in chosen:
            out[name] = (frame[name].to_numpy(float) - h @ share) / (1.0 - share.sum())
        return out
    if weights is not None:
        raise SpecError(f"weights= belongs to how='weights', not to how={how!r}.")
    if how == "dcc":
        for name in chosen:
            ratios = hedge_ratio(DCC().fit(frame[[name, *held]]), name, held).to_numpy(float)
            out[name] = frame[name].to_numpy(float) - np.sum(ratios * h, axis=1)
        return out
    check_count("window", window, max(20, 5 * len(held)))
    if window >= len(frame) - 1:
        raise DataError(f"{len(frame)} sessions are too few for slopes over windows of {window}.")
    for name in chosen:
        try:
            slopes = rolling_slopes(frame[name].to_numpy(float), h, window)
        except np.linalg.LinAlgError as error:
            raise DataError(f"the holders {held} are collinear within a window of {window}; drop one.") from error
        out[name] = frame[name].to_numpy(float) - np.sum(slopes * h, axis=1)
    return out.iloc[window:]


def holder_projection_test(
    returns: pd.DataFrame,
    coin: str,
    first: str,
    second: str,
    holders: Sequence[str],
    *,
    how: str = "rolling",
    window: int = 126,
    weights: Mapping[str, float] | None = None,
    alpha: float = 0.05,
    filter: Filter = "garch",
    pvalue: str = "dcc",
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TestResult:
    r"""Test that the first equity correlates no more with the coin than the second, net of crypto-holding stocks.

    Both equities are cleaned by `project_holders`, and `dependent_correlations_test` is asked before and after on the
    same sessions. A difference that is significant before and not after is called mechanical: index membership
    could be all there is to it.

    Parameters
    ----------
    returns : percent returns (T, N). coin, first, second, holders : columns.
    how, window, weights : of `project_holders`. alpha : level of "significant".
    filter, pvalue, draws, rng, n_jobs : of `dependent_correlations_test`.

    Returns
    -------
    TestResult : statistic and p-value net of the holders; ``detail``: "difference", "net difference", their p-values
    "pvalue" and "net pvalue", "left" (net over gross), and "mechanical".

    Raises
    ------
    DataError, SpecError : as the two functions.

    Notes
    -----
    Size as `dependent_correlations_test`. The projection also removes what an equity shares with the coin apart from
    membership, so that "mechanical" is a bound: it says that membership is not excluded. Do not use it where the
    holders track the coin almost perfectly; nothing could survive.
    """
    if not 0.0 < alpha < 1.0:
        raise SpecError(f"alpha={alpha}: a level lies between 0 and 1.")
    net = project_holders(returns, [first, second], holders, how=how, window=window, weights=weights)
    names = [coin, first, second]
    seed = rng if isinstance(rng, np.random.Generator) else int(rng)
    options: dict[str, Any] = {"filter": filter, "pvalue": pvalue, "draws": draws, "n_jobs": n_jobs}
    before = dependent_correlations_test(returns.loc[net.index, names], coin, first, second, rng=seed, **options)
    after = dependent_correlations_test(net[names], coin, first, second, rng=seed, **options)
    gross, rest = before.detail["difference"], after.detail["difference"]
    detail = {
        "difference": gross,
        "pvalue": before.pvalue,
        "net difference": rest,
        "net pvalue": after.pvalue,
        "left": rest / gross if gross != 0.0 else float("nan"),
        "mechanical": bool(gross > 0.0 and before.pvalue <= alpha < after.pvalue),
        "sessions": len(net),
    }
    null = f"net of {', '.join(holders)}, {first} correlates no more with {coin} than {second}"
    reference = f"{after.reference}; holders projected out: {how}"
    return TestResult("dependent correlations net of holders", null, after.statistic, after.pvalue, reference, detail)
