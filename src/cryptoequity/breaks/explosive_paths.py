"""Recursive Dickey–Fuller statistics of one series: its reading, its lag, its window, its paths."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import CryptoEquityWarning, DataError, SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import FILTERED
from ..kernels.explosive import adf_paths
from .results import label
from .sample import Series, read_series

__all__ = [
    "ExplosivePaths",
    "choose_lag",
    "default_window",
    "explosive_paths",
    "read_lag",
    "read_levels",
    "read_window",
]

STATIONARY = 0.5  # a level whose autocorrelation is lower is a series of returns


@dataclass(frozen=True, eq=False)
class ExplosivePaths:
    """Recursive statistics of one series; element m ends at observation lag + window + m.

    Attributes
    ----------
    badf : (M,) windows from the first row. bsadf : (M,) suprema over the starts.
    starts : (M,) first observation of the window that attains the supremum.
    """

    badf: Array = field(repr=False)
    bsadf: Array = field(repr=False)
    starts: Any = field(repr=False)
    lag: int
    window: int


def default_window(nobs: int) -> int:
    """The integer part of (.01 + 1.8/√T)T (Phillips, Shi and Yu 2015)."""
    return int((0.01 + 1.8 / math.sqrt(nobs)) * nobs)


def read_levels(y: Any) -> Series:
    """Return a series of levels, or refuse it; one that looks like returns is warned about."""
    mark = getattr(y, "attrs", {}).get(FILTERED)
    if mark:
        raise DataError(f"y is a {mark}: tests for explosive roots read prices or valuation ratios.")
    # a series of prices may well lie within [-1, 1] and is a level: the warnings for returns do not apply
    series = read_series(y, "y", filtered="ignore", levels="ignore")
    centered = series.values - series.values.mean()
    slope = float(centered[1:] @ centered[:-1] / (centered @ centered))
    if slope < STATIONARY:
        warnings.warn(
            f"{series.name!r} has autocorrelation {slope:.2f}: it looks like returns. Tests for explosive roots read "
            "levels, e.g. np.log(prices).",
            CryptoEquityWarning,
            stacklevel=3,
        )
    return series


def read_lag(values: Array, lag: int | str, max_lag: int | None) -> int:
    """The number of lags, chosen where a criterion is named."""
    if isinstance(lag, str):
        check_option("lag", lag, ("bic", "aic"))
        most = int(4.0 * (values.size / 100.0) ** 0.25) if max_lag is None else max_lag
        return choose_lag(values, lag, _whole("max_lag", most))
    return _whole("lag", lag)


def _whole(name: str, value: Any, least: int = 0) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise SpecError(f"{name}={value!r}: a whole number of at least {least}.")
    return int(value)


def read_window(series: Series, window: int | None, lag: int) -> int:
    """Fewest rows of a regression, checked against the sample."""
    rows = default_window(series.nobs) if window is None else _whole("window", window, 1)
    if rows < lag + 3:
        raise DataError(
            f"a window of {rows} rows cannot hold a constant, the level and {lag} lag(s); use at least {lag + 3} rows."
        )
    have = series.nobs - 1 - lag
    if rows > have:
        raise DataError(f"{series.name!r}: a window of {rows} rows does not fit into the {have} there are.")
    return rows


def choose_lag(values: Array, criterion: str, max_lag: int) -> int:
    r"""Lag that minimizes :math:`n\ln(\mathrm{SSR}/n)+ck`, c = ln n ("bic") or 2 ("aic"), on common rows.

    One lag for all windows: chosen anew in each, the statistic would be a supremum over lags as well.
    """
    check_option("criterion", criterion, ("bic", "aic"))
    changes = np.diff(values)
    target = changes[max_lag:]
    if target.size < max_lag + 10:
        raise DataError(f"max_lag={max_lag} leaves {target.size} rows; use a smaller one.")
    level = values[max_lag:-1] - values[-1]
    past = [changes[max_lag - i : changes.size - i] for i in range(1, max_lag + 1)]
    penalty = math.log(target.size) if criterion == "bic" else 2.0
    scores = []
    for lag in range(max_lag + 1):
        design = np.column_stack([np.ones(target.size), level, *past[:lag]])
        error = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
        scores.append(target.size * math.log(float(error @ error) / target.size) + penalty * (lag + 2))
    return int(np.argmin(scores))


def explosive_paths(series: Series, lag: int, window: int, first: int | None = None) -> ExplosivePaths:
    """Recursive statistics from observation ``first`` on; see `kernels.explosive.adf_paths`.

    Raises
    ------
    DataError : a window in which the series does not move, or moves without error, has no statistic.
    """
    begin = lag + window if first is None else first
    badf, bsadf, starts, singular, where = adf_paths(series.values, lag, window, begin)
    if singular:
        raise DataError(
            f"{series.name!r}: {singular} window(s) have no regression, the first ends at "
            f"{label(series.index[where])}: within {window} rows the series stands still or moves without error. "
            "Use a longer window, or a series that is quoted more often."
        )
    return ExplosivePaths(badf, bsadf, starts, lag, window)
