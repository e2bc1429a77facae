r"""Lee and Strazicich's LM unit-root tests, whose null may have breaks.

Theory, laws and sizes: the page "Unit roots with breaks".
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.params import Array
from ..kernels.unit_root_breaks import lm_pairs, lm_products, lm_row
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

__all__ = ["lee_strazicich_test"]

BREAKS = {"crash": 0, "trend": 1}
WORDS = {"crash": "its level", "trend": "its level and slope"}
# the first difference of a step is one date, of a change of slope all that follow: both need rows of their own
GAPS = {0: 2, 1: 3}

ROBUSTNESS = (
    "Size at 5 %: t(5) 4–7 %, GARCH(.08, .90) 3–7 %, GARCH(.12, .87) with t(5) 7–13 %, standard deviation doubled "
    "at mid-sample 5–9 %; with pvalue='wild' 4–8 % (one break). Not for returns or filtered correlations."
)


def lee_strazicich_test(
    y: Any,
    *,
    breaks: int = 1,
    break_in: str = "crash",
    lags: int | str | None = None,
    max_lags: int | None = None,
    trim: float = 0.10,
    lag_choice: str = "common",
    pvalue: str = "asymptotic",
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> UnitRootBreakTest:
    r"""Lee and Strazicich's (2003, 2013) LM test of a unit root with one or two breaks at dates that are searched for.

    The trend :math:`Z_t\delta`, :math:`Z_t=(t,DU_{jt},DT_{jt})`, is estimated from differences, as the null has it:
    :math:`\tilde S_t=y_t-y_1-(Z_t-Z_1)\tilde\delta` with :math:`\tilde\delta` from :math:`\Delta y_t` on
    :math:`\Delta Z_t`. In

    .. math:: \Delta y_t=\delta'\Delta Z_t+\phi\tilde S_{t-1}+\textstyle\sum_{i\le k}c_i\Delta\tilde S_{t-i}+u_t

    the statistic is the smallest t-value of :math:`\phi` over the dates; small values reject. Detrended differences are
    differences from the mean of a regime, so that all sums of a pair of dates come from running ones: O(T²k²) for two.

    Parameters
    ----------
    y : levels (T,), e.g. the logarithm of a price; not returns.
    breaks : 1 or 2. break_in : "crash" (level, the papers' model A) or "trend" (level and slope, model C).
    lags, max_lags, lag_choice : as in `zivot_andrews_test`; the papers choose at "each" date, by "t-stat".
    trim : share of the sample before the first date and behind the last; .10 as in the papers.
    pvalue : "asymptotic" (the law simulated for independent normal errors without breaks, at T and ``trim``) or "wild".
    draws, rng, n_jobs : of the bootstrap, which repeats the whole search.

    Returns
    -------
    UnitRootBreakTest : ``positions`` has the dates; ``path`` the (smallest) statistic by the first.

    Notes
    -----
    Null: a unit root, **with or without breaks** of the kind looked for. Alternative: fluctuations without a unit root
    about a trend that may break. A rejection is one of the unit root, which `zivot_andrews_test` cannot say. The law of
    "crash" is the same whatever the breaks. That of "trend" is taken without a break; a break of slope under the null
    moves it to the right and the test rejects less often.

    Size at 5 %, trim .10, "crash" and "trend". One break, T = 500, 400 random walks per figure (standard error
    1.1): t(5) 7 and 7 %, GARCH(.08, .90) 4 and 7 %, GARCH(.12, .87) with t(5) 7 and 10 %, standard deviation
    doubled at mid-sample 5 and 9 %; with ``pvalue="wild"`` (200 walks) 4 to 8 %. Two breaks, T = 200, no lags, 200
    walks: t(5) 6 and 4 %, GARCH(.08, .90) 3 and 6 %, GARCH(.12, .87) with t(5) 11 and 13 %, standard deviation
    doubled 7 and 7 %.

    Raises
    ------
    DataError : too short, missing values, constant; lags that leave no row before the first candidate date.
    SpecError : an unknown choice; a trim without a simulated law.

    References
    ----------
    Lee, J. and Strazicich, M. C. (2003), Review of Economics and Statistics 85, 1082–1089.
    Lee, J. and Strazicich, M. C. (2013), Economics Bulletin 33, 2483–2492.

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> walk = np.cumsum(np.random.default_rng(4).standard_normal(200))
    >>> walk[120:] += 15.0
    >>> test = ce.lee_strazicich_test(walk, lags=0)
    >>> test.position, test.pvalue > 0.5, ce.zivot_andrews_test(walk, lags=0).pvalue < 0.01
    (120, True, True)
    """
    if breaks not in (1, 2) or isinstance(breaks, bool):
        raise SpecError(f"breaks={breaks!r}: 1 or 2.")
    check_option("break_in", break_in, tuple(BREAKS))
    check_option("lag_choice", lag_choice, ("common", "each"))
    series = read_levels(y, 30)
    data, trend = series.values, BREAKS[break_in]
    low, high = candidate_dates(series.nobs, trim, zero=False)
    most, count = read_lags(lags, max_lags, low, series.nobs)
    if count is None and lag_choice == "each":
        found = _each(data, breaks, lags, most, low, high, trend)
    else:
        k = lm_lags(data, most, lags) if count is None else count
        found = lm_search(data, breaks, k, low, high, trend)
    about = About(
        f"Lee–Strazicich LM test of a unit root, {breaks} break{'s' if breaks > 1 else ''}",
        f"a unit root; the trend may break {'once' if breaks == 1 else 'twice'}, in {WORDS[break_in]}.",
        f"fluctuations without a unit root about a trend that may break in {WORDS[break_in]}.",
        f"ls{breaks}:{break_in}",
        trim,
        ROBUSTNESS,
        ("leestrazicich2003", "leestrazicich2013"),
        {"breaks": breaks, "break_in": break_in, "lag_choice": lag_choice},
    )
    again = partial(_again, breaks=breaks, lags=found.lags, low=low, high=high, trend=trend)
    frame = lm_regression(data, found.positions, found.lags, trend)
    return conclude(series, found, about, frame, again, pvalue=pvalue, draws=draws, rng=rng, n_jobs=n_jobs)


def lm_parts(y: Array, lags: int, start: int) -> tuple[Array, Array, Array]:
    """Rows and running sums of the kernel, and the bridge of the differences."""
    d = np.zeros(y.size)
    d[1:] = np.diff(y)
    d[1:] -= d[1:].mean()  # the statistic does not feel a drift, and sums of a bridge stay small
    rows, sums = lm_products(d, lags, start)
    return rows, sums, np.cumsum(d)


def lm_path(y: Array, lags: int, start: int, low: int, high: int, trend: int) -> Array:
    """t-statistic and sum of squares (2, dates) with one break."""
    out = np.empty((2, high - low + 1))
    lm_row(*lm_parts(y, lags, start), start, -1, low, high, trend, out)
    return out


def lm_search(y: Array, breaks: int, lags: int, low: int, high: int, trend: int) -> Search:
    """Smallest statistic over one date or pairs of dates."""
    if breaks == 1:
        return smallest(lm_path(y, lags, lags + 1, low, high, trend)[0], high, lags)
    size = high - low + 1
    best, where = np.empty((size, 1)), np.empty((size, 1), np.int64)
    lm_pairs(*lm_parts(y, lags, lags + 1), lags + 1, low, np.array([high]), GAPS[trend], trend, best, where)
    return pairs_found(best[:, 0], where[:, 0], low, lags)


def _path_of(y: Array, lags: int, start: int, *, low: int, high: int, trend: int) -> Array:
    return lm_path(y, lags, start, low, high, trend)


def _each(y: Array, breaks: int, rule: int | str | None, most: int, low: int, high: int, trend: int) -> Search:
    """Search in which every date, or pair of dates, chooses its own lags."""
    if breaks == 1:
        value, chosen = each_lag(partial(_path_of, y, low=low, high=high, trend=trend), rule, most, y.size, 3 + trend)
        return smallest(value, high, 0, chosen)
    common = [lm_parts(y, k, most + 1) for k in range(most + 1)]
    own = [lm_parts(y, k, k + 1) for k in range(most + 1)]
    size, gap = high - low + 1, GAPS[trend]
    best, where, lags_at = np.full(size, np.inf), np.full(size, -1, np.int64), np.zeros(size, np.int64)

    def behind(parts: tuple[Array, Array, Array], start: int, first: int) -> Array:
        out = np.empty((2, high - first - gap + 1))
        lm_row(*parts, start, first, first + gap, high, trend, out)
        return out

    for first in range(low, high - gap + 1):
        sums = np.stack([behind(parts, most + 1, first)[1] for parts in common])
        chosen = choose(sums, rule, y.size - most - 1, 4 + 2 * trend)
        value = np.full(chosen.size, np.nan)
        for k in np.unique(chosen):
            value = np.where(chosen == k, behind(own[k], int(k) + 1, first)[0], value)
        if np.isfinite(value).any():
            at = int(np.nanargmin(value))
            best[first - low], where[first - low], lags_at[first - low] = value[at], first + gap + at, chosen[at]
    found = pairs_found(best, where, low, 0)
    return Search(found.value, found.positions, found.path, low, int(lags_at[found.positions[0] - low]))


def lm_lags(y: Array, most: int, rule: int | str | None) -> int:
    """Lags of the LM regression without a break (Schmidt and Phillips), on the rows that the largest leaves."""
    d = np.diff(y)
    d = d - d.mean()
    level = np.concatenate([[0.0], np.cumsum(d)])
    rows = np.arange(most + 1, y.size)
    design = np.stack([np.ones(rows.size), level[rows - 1], *(d[rows - 1 - i] for i in range(1, most + 1))], axis=1)
    return int(choose(nested_sums(design, d[rows - 1], most)[:, None], rule, rows.size, 2)[0])


def lm_regression(y: Array, positions: tuple[int, ...], lags: int, trend: int) -> pd.DataFrame:
    """The regression at the chosen dates; "level(-1)" is the detrended level."""
    time = np.arange(y.size, dtype=float)
    terms = {"const": time}
    for number, p in enumerate(positions, 1):
        mark = f"_{number}" if len(positions) > 1 else ""
        terms[f"step{mark}"] = (time >= p).astype(float)
        if trend:
            terms[f"slope{mark}"] = np.where(time >= p, time - p + 1.0, 0.0)
    z = np.stack(list(terms.values()), axis=1)
    steps = np.diff(z, axis=0)
    delta, _, rank, _ = np.linalg.lstsq(steps, np.diff(y), rcond=None)
    if rank < z.shape[1]:
        raise DataError("the breaks cannot be told apart at the chosen dates; use a larger trim.")
    level = y - z @ delta
    level = level - level[0]
    change = np.diff(level)
    rows = np.arange(lags + 1, y.size)
    columns: dict[str, Array] = {"level(-1)": level[rows - 1]}
    columns |= {name: steps[rows - 1, j] for j, name in enumerate(terms)}
    columns |= {f"diff(-{i})": change[rows - 1 - i] for i in range(1, lags + 1)}
    return coefficients(columns, np.diff(y)[rows - 1])


def _again(y: Array, *, breaks: int, lags: int, low: int, high: int, trend: int) -> float:
    return lm_search(y, breaks, lags, low, high, trend).value
