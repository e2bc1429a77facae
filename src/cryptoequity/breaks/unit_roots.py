r"""Unit-root tests against a trend that breaks: Zivot–Andrews (one date), Lumsdaine–Papell (two).

Theory, laws and sizes: the page "Unit roots with breaks".
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, check_option
from ..estimation.params import Array
from ..kernels.unit_root_breaks import df_pairs, df_scan
from .unit_root_search import (
    About,
    Search,
    UnitRootBreakTest,
    candidate_dates,
    choose,
    coefficients,
    conclude,
    each_lag,
    nested_sums,
    pairs_found,
    read_lags,
    read_levels,
    smallest,
)

__all__ = ["UnitRootBreakTest", "lumsdaine_papell_test", "zivot_andrews_test"]

FORMS = {"intercept": 0, "trend": 1, "both": 2}
WORDS = {"intercept": "its level", "trend": "its slope", "both": "its level and slope"}
NULL = "a unit root, without a break."

ROBUSTNESS_ZA = (
    "Size at 5 %, T = 500: t(5) 6 %, GARCH(.08, .90) 6–9 %, GARCH(.12, .87) with t(5) 9–21 %, standard deviation "
    "doubled at mid-sample 6–10 %; with pvalue='wild' 3–7 %. Not for returns or filtered correlations."
)
ROBUSTNESS_LP = (
    "Size at 5 %, T = 200: t(5) 11–14 %, GARCH(.08, .90) 5–6 %, GARCH(.12, .87) with t(5) 20 %, standard "
    "deviation doubled at mid-sample 8–11 %: for daily prices use pvalue='wild'. Not for returns or filtered "
    "correlations."
)


def zivot_andrews_test(
    y: Any,
    *,
    break_in: str = "intercept",
    lags: int | str | None = None,
    max_lags: int | None = None,
    trim: float = 0.15,
    lag_choice: str = "common",
    pvalue: str = "asymptotic",
    draws: int = 999,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> UnitRootBreakTest:
    r"""Zivot and Andrews' (1992) test of a unit root against a trend with one break at a date that is searched for.

    With :math:`DU_t=1\{t\ge p\}` and :math:`DT_t=(t-p+1)1\{t\ge p\}` for a new regime from row p on,

    .. math::
        \Delta y_t=\mu+\beta t+\theta DU_t+\gamma DT_t+(\alpha-1)y_{t-1}+\textstyle\sum_{i\le k}c_i\Delta y_{t-i}+e_t,
        \qquad ZA=\min_p t_{\alpha-1}(p),

    small values reject. Every date is an update of sums over the rows behind it: the search costs O(Tk).

    Parameters
    ----------
    y : levels (T,), e.g. the logarithm of a price; not returns.
    break_in : "intercept" (the paper's model A, :math:`\gamma=0`), "trend" (B, :math:`\theta=0`), "both" (C).
    lags : k; or the rule that chooses it: "aic", "bic", or "t-stat" (from the largest down, until the last lag has
        a t-value beyond 1.645 either way). None is "t-stat".
    max_lags : largest k of a rule; by default the integer part of 12 (T/100)^(1/4), or what ``trim`` has room for.
    trim : share of the sample in the shorter regime, at least; 0 searches every date that is identified.
    lag_choice : "common" chooses k once, without a break (as most programs do); "each" at every date, as the paper.
    pvalue : "asymptotic" (the law simulated for independent normal errors, at T and ``trim``) or "wild" (recursive
        wild bootstrap of the null with random signs, lags as chosen for the sample).
    draws, rng, n_jobs : draws, seed and workers of the bootstrap.

    Returns
    -------
    UnitRootBreakTest : ``path`` holds the t-statistic at every date.

    Notes
    -----
    Null: a unit root **without** a break. A rejection refuses just that, and not every unit root: a random walk with a
    break in its level or drift is not part of the null, see `lee_strazicich_test`.

    Size at 5 %, T = 500, trim .15, 400 random walks per figure (standard error 1.1), "intercept" and "both": t(5) 6
    and 6 %, GARCH(.08, .90) 9 and 7 %, GARCH(.12, .87) with t(5) 21 and 19 %, standard deviation doubled at
    mid-sample 9 and 10 %; "trend" 6 to 9 %. With ``pvalue="wild"`` (200 walks) 3 to 7 % in all of them: use it for
    daily prices.

    Raises
    ------
    DataError : too short, missing values, constant; lags that leave no row before the first candidate date.
    SpecError : an unknown choice; a trim beyond .25 without the bootstrap.

    References
    ----------
    Zivot, E. and Andrews, D. W. K. (1992), Journal of Business & Economic Statistics 10, 251–270.

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> y = np.random.default_rng(1).standard_normal(200) + 5.0 * (np.arange(200) >= 120)
    >>> test = ce.zivot_andrews_test(y, lags=0)
    >>> test.position, test.pvalue < 0.01
    (120, True)
    """
    check_option("break_in", break_in, tuple(FORMS))
    check_option("lag_choice", lag_choice, ("common", "each"))
    series = read_levels(y, 20)
    data, form = series.values, FORMS[break_in]
    low, high = candidate_dates(series.nobs, trim)
    most, count = read_lags(lags, max_lags, low, series.nobs, trim == 0.0)
    if count is None and lag_choice == "each":
        run = partial(_path_of, data, low=low, high=high, form=form)
        value, chosen = each_lag(run, lags, most, series.nobs, 4 + (form == 2))
        found = smallest(value, high, 0, chosen)
    else:
        k = common_lags(data, most, lags) if count is None else count
        found = smallest(df_path(data, k, k + 1, low, high, form)[0], high, k)
    about = About(
        "Zivot–Andrews test of a unit root",
        NULL,
        f"a trend that breaks once, in {WORDS[break_in]}, and fluctuations about it without a unit root.",
        f"za:{break_in}",
        trim,
        ROBUSTNESS_ZA,
        ("zivot1992",),
        {"break_in": break_in, "lag_choice": lag_choice},
    )
    again = partial(_za_again, lags=found.lags, low=low, high=high, form=form)
    frame = df_regression(data, found.positions, found.lags, form)
    return conclude(series, found, about, frame, again, pvalue=pvalue, draws=draws, rng=rng, n_jobs=n_jobs)


def lumsdaine_papell_test(
    y: Any,
    *,
    break_in: str = "both",
    lags: int | str | None = None,
    max_lags: int | None = None,
    trim: float = 0.15,
    pvalue: str = "asymptotic",
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> UnitRootBreakTest:
    r"""Lumsdaine and Papell's (1997) test of a unit root against a trend with two breaks at unknown dates.

    The regression of `zivot_andrews_test` with the dummies of two dates, at least two rows apart; the statistic is the
    smallest t over all pairs. For every first date its dummies join the fixed regressors, and the second is scanned as
    there: O(T²k) in all.

    Parameters
    ----------
    y : levels (T,).
    break_in : "intercept" (the paper's AA), "trend", or "both" (CC), at both dates. Its mixed model CA is not offered.
    lags, max_lags : as in `zivot_andrews_test`; a rule chooses once, without breaks.
    trim : share of the sample before the first date and behind the second.
    pvalue, draws, rng, n_jobs : as in `zivot_andrews_test`; a bootstrap repeats the whole search.

    Returns
    -------
    UnitRootBreakTest : ``positions`` has both dates; ``path`` is the smallest statistic by the first.

    Notes
    -----
    Null: a unit root without breaks, as in `zivot_andrews_test`, with the same consequence.

    Size at 5 %, T = 200, trim .15, no lags, 200 random walks per figure (standard error 1.5), "intercept" and
    "both": t(5) 11 and 14 %, GARCH(.08, .90) 5 and 6 %, GARCH(.12, .87) with t(5) 20 and 20 %, standard deviation
    doubled at mid-sample 8 and 11 %. ``pvalue="wild"`` repeats the search of pairs with the sample's own variances.

    Raises
    ------
    DataError : as in `zivot_andrews_test`. SpecError : an unknown choice; a trim without a simulated law.

    References
    ----------
    Lumsdaine, R. L. and Papell, D. H. (1997), Review of Economics and Statistics 79, 212–218.

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> t = np.arange(150)
    >>> y = np.random.default_rng(1).standard_normal(150) + 6.0 * (t >= 50) - 6.0 * (t >= 100)
    >>> ce.lumsdaine_papell_test(y, break_in="intercept", lags=0).positions
    (50, 100)
    """
    check_option("break_in", break_in, tuple(FORMS))
    series = read_levels(y, 30)
    data, form = series.values, FORMS[break_in]
    low, high = candidate_dates(series.nobs, trim, zero=False)
    most, count = read_lags(lags, max_lags, low, series.nobs)
    k = common_lags(data, most, lags) if count is None else count
    found = df_two(data, k, low, high, form)
    about = About(
        "Lumsdaine–Papell test of a unit root",
        NULL,
        f"a trend that breaks twice, in {WORDS[break_in]}, and fluctuations about it without a unit root.",
        f"lp:{break_in}",
        trim,
        ROBUSTNESS_LP,
        ("lumsdaine1997",),
        {"break_in": break_in},
    )
    again = partial(_lp_again, lags=k, low=low, high=high, form=form)
    frame = df_regression(data, found.positions, k, form)
    return conclude(series, found, about, frame, again, pvalue=pvalue, draws=draws, rng=rng, n_jobs=n_jobs)


def df_parts(y: Array, lags: int, start: int) -> tuple[Array, Array, Array]:
    """Basis of constant, trend and lags (n, 2 + k), and lagged level and difference (n,) orthogonal to it.

    Rows are the dates from ``start`` on.
    """
    dy = np.diff(y)
    rows = np.arange(start, y.size)
    fixed = np.stack([np.ones(rows.size), rows - rows.mean(), *(dy[rows - 1 - i] for i in range(1, lags + 1))], axis=1)
    q, r = np.linalg.qr(fixed / (np.sqrt(np.mean(fixed**2, axis=0)) + 1e-300))
    if np.abs(np.diag(r)).min() < 1e-9 * np.sqrt(rows.size):
        raise DataError(
            f"constant, trend and the {lags} lagged differences are linearly dependent; use fewer lags, or look for "
            "stretches in which the series does not move."
        )
    parts = []
    for column in (y[rows - 1] - y.mean(), dy[rows - 1]):
        for _ in range(2):
            column = column - q @ (q.T @ column)
        parts.append(np.ascontiguousarray(column))
    return np.ascontiguousarray(q), parts[0], parts[1]


def df_path(y: Array, lags: int, start: int, low: int, high: int, form: int) -> Array:
    """t-statistic and sum of squares (2, dates), the last of them ``high``, the first the first identified one."""
    q, x, dy = df_parts(y, lags, start)
    first = max(low, start + 1)
    out = np.empty((2, high - first + 1))
    df_scan(q, x, dy, start, first, high, form, out)
    return out


def _path_of(y: Array, lags: int, start: int, *, low: int, high: int, form: int) -> Array:
    return df_path(y, lags, start, low, high, form)


def df_two(y: Array, lags: int, low: int, high: int, form: int) -> Search:
    """Smallest t-statistic over pairs of dates two rows apart at least."""
    q, x, dy = df_parts(y, lags, lags + 1)
    size = high - low + 1
    best, where = np.empty((size, 1)), np.empty((size, 1), np.int64)
    df_pairs(q, x, dy, lags + 1, low, np.array([high]), 2, form, best, where)
    return pairs_found(best[:, 0], where[:, 0], low, lags)


def common_lags(y: Array, most: int, rule: int | str | None) -> int:
    """Lags of the Dickey–Fuller regression with trend and without a break, on the rows that the largest leaves."""
    dy = np.diff(y)
    rows = np.arange(most + 1, y.size)
    fixed = [np.ones(rows.size), rows - rows.mean(), y[rows - 1] - y.mean()]
    design = np.stack([*fixed, *(dy[rows - 1 - i] for i in range(1, most + 1))], axis=1)
    return int(choose(nested_sums(design, dy[rows - 1], most)[:, None], rule, rows.size, 3)[0])


def df_regression(y: Array, positions: tuple[int, ...], lags: int, form: int) -> pd.DataFrame:
    """The regression at the chosen dates."""
    dy = np.diff(y)
    rows = np.arange(lags + 1, y.size)
    columns: dict[str, Array] = {
        "const": np.ones(rows.size),
        "trend": (rows + 1).astype(np.float64),
        "level(-1)": y[rows - 1],
    }
    columns |= {f"diff(-{i})": dy[rows - 1 - i] for i in range(1, lags + 1)}
    for number, p in enumerate(positions, 1):
        mark = f"_{number}" if len(positions) > 1 else ""
        if form != 1:
            columns[f"step{mark}"] = (rows >= p).astype(float)
        if form != 0:
            columns[f"slope{mark}"] = np.where(rows >= p, rows - p + 1.0, 0.0)
    return coefficients(columns, dy[rows - 1])


def _za_again(y: Array, *, lags: int, low: int, high: int, form: int) -> float:
    return smallest(df_path(y, lags, lags + 1, low, high, form)[0], high, lags).value


def _lp_again(y: Array, *, lags: int, low: int, high: int, form: int) -> float:
    return df_two(y, lags, low, high, form).value
