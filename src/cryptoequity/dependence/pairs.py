"""Two series on the same rows, read and checked; ranks, settings of the draws, blocks of rows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, FilteredSeriesWarning, LevelsWarning, SpecError
from ..estimation.bootstrap import FEWEST
from ..estimation.params import Array
from ..estimation.results import FILTERED

__all__ = ["Pair", "check_block", "check_draws", "check_share", "pseudo_ranks", "read_pair", "sqrt_block"]

MIN_OBS = 100
LEVEL_AR1 = 0.98
# a rank correlation of one: the two columns carry the same information
SAME = 1.0 - 1e-12


@dataclass(frozen=True, eq=False)
class Pair:
    """Two checked series.

    Attributes
    ----------
    values : (T, 2). index : rows. names : of the two columns.
    """

    values: Array = field(repr=False)
    index: pd.Index = field(repr=False)
    names: tuple[str, str]

    @property
    def nobs(self) -> int:
        """Rows."""
        return int(self.values.shape[0])


def _column(series: Any, what: str) -> tuple[Array, pd.Index | None, str]:
    """Values, labels (None for an array) and name."""
    if isinstance(series, pd.DataFrame):
        if series.shape[1] != 1:
            raise DataError(f"{what}: a frame of {series.shape[1]} columns; pass one column, e.g. frame['{what}'].")
        series = series.iloc[:, 0]
    index, name = None, what
    if isinstance(series, pd.Series):
        index = series.index
        name = what if series.name is None else str(series.name)
        if not index.is_unique:
            raise DataError(f"{name!r}: {index[index.duplicated()][0]} appears twice; a date needs one row.")
        if not index.is_monotonic_increasing:
            raise DataError(f"{name!r}: the rows are not in order; use .sort_index().")
        if FILTERED in series.attrs:
            warnings.warn(
                f"{name!r} is a {series.attrs[FILTERED]}, not a series of observations; pass returns or residuals.",
                FilteredSeriesWarning,
                stacklevel=4,
            )
    try:
        values = np.asarray(series, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name!r}: the values are not numbers ({error}).") from error
    if values.ndim != 1:
        raise DataError(f"{name!r}: one number a row is wanted, not an array of shape {values.shape}.")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        where = bad[0] if index is None else index[bad[0]]
        raise DataError(
            f"{name!r} has {bad.size} missing or infinite value(s), the first at {where}; drop those rows of both."
        )
    return values, index, name


def read_pair(x: Any, y: Any, *, min_obs: int = MIN_OBS) -> Pair:
    """Two series with the same labels, or two arrays of the same length.

    Raises
    ------
    DataError : different rows, blanks, fewer than ``min_obs`` rows, a constant, or one series twice.

    Warns
    -----
    LevelsWarning : a first-order autocorrelation beyond .98, as price levels have.
    """
    one, labels, first = _column(x, "x")
    two, other, second = _column(y, "y")
    if labels is not None and other is not None and not labels.equals(other):
        raise DataError(
            f"{first!r} and {second!r} have different rows ({one.size} and {two.size}); take them from one frame of "
            "returns, or join them first: pd.concat([x, y], axis=1, join='inner')."
        )
    if one.size != two.size:
        raise DataError(f"{first!r} has {one.size} rows and {second!r} {two.size}; they must be the same rows.")
    if one.size < min_obs:
        raise DataError(f"{first!r} and {second!r}: {one.size} rows are too few, at least {min_obs} are needed.")
    for values, name in ((one, first), (two, second)):
        spread = float(np.ptp(values))
        if not spread > 1e-12 * max(1.0, float(np.abs(values).max())):
            raise DataError(f"{name!r} is constant ({values[0]:g}); it depends on nothing.")
        centered = values - values.mean()
        slope = float(centered[1:] @ centered[:-1] / (centered @ centered))
        if abs(slope) > LEVEL_AR1:
            warnings.warn(
                f"{name!r} has autocorrelation {slope:.4f}: it looks like a price level. Tails of levels say when "
                "prices were high, not that they move together; use returns.",
                LevelsWarning,
                stacklevel=3,
            )
    if abs(float(np.corrcoef(one, two)[0, 1])) > SAME:
        raise DataError(f"{first!r} and {second!r} are the same series up to scale; there is no dependence to measure.")
    index = labels if labels is not None else (other if other is not None else pd.RangeIndex(one.size))
    return Pair(np.ascontiguousarray(np.stack([one, two], axis=1)), index, (first, second))


def pseudo_ranks(values: Array) -> Array:
    """Ranks over n + 1, (n, M); ties by order of appearance."""
    order = np.argsort(values, axis=0, kind="stable")
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, np.arange(1.0, values.shape[0] + 1.0)[:, None], axis=0)
    out: Array = ranks / (values.shape[0] + 1.0)
    return out


def check_draws(draws: Any, least: int = FEWEST) -> int:
    """Number of draws, or the reason why not."""
    if not isinstance(draws, int | np.integer) or isinstance(draws, bool) or draws < least:
        raise SpecError(f"draws={draws!r}: a whole number, at least {least}.")
    return int(draws)


def check_share(name: str, value: Any, high: float = 0.5) -> float:
    """Return a share strictly between 0 and ``high``."""
    number = isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool)
    if not (number and 0.0 < value < high):
        raise SpecError(f"{name}={value!r}: a share between 0 and {high:g}.")
    return float(value)


def sqrt_block(nobs: int) -> float:
    """Default mean block: the root of the rows, long enough for persistent volatility and correlation."""
    return max(1.0, float(np.rint(np.sqrt(nobs))))


def check_block(block: Any, nobs: int) -> float:
    """Mean block, by default `sqrt_block`."""
    if block is None:
        return sqrt_block(nobs)
    number = isinstance(block, int | float | np.integer | np.floating) and not isinstance(block, bool)
    if not (number and 1.0 <= block < nobs):
        raise SpecError(f"block={block!r}: a mean block lies between 1 and the {nobs} rows.")
    return float(block)


Rows = npt.NDArray[np.int64]
