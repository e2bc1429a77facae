"""Series and regressions as arrays with the labels of their rows; what a break test must refuse."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, FilteredSeriesWarning, LevelsWarning, SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import FILTERED

__all__ = ["Regression", "Series", "minimum_segment", "read_pair", "read_regression", "read_series"]

LEVEL_AR1 = 0.98  # beyond it a series is a price level or a filtered path, not observations of a regime
PATH_AR1 = 0.9  # a series within [-1, 1] that moves this slowly is a path of correlations


@dataclass(frozen=True, eq=False)
class Series:
    """A named series: ``values`` (T,) with the labels of its rows."""

    values: Array = field(repr=False)
    index: pd.Index = field(repr=False)
    name: str

    @property
    def nobs(self) -> int:
        """Observations."""
        return self.values.size


@dataclass(frozen=True, eq=False)
class Regression:
    """A regression of ``y`` (T,) on ``x`` (T, K).

    Attributes
    ----------
    names : of the columns of ``x``. varies : (K,) bool, the coefficients that may break.
    """

    y: Array = field(repr=False)
    x: Array = field(repr=False)
    index: pd.Index = field(repr=False)
    name: str
    names: tuple[str, ...]
    varies: npt.NDArray[np.bool_]

    @property
    def nobs(self) -> int:
        """Observations."""
        return self.y.size

    @property
    def q(self) -> int:
        """Coefficients that may break."""
        return int(self.varies.sum())

    @property
    def breaking(self) -> Array:
        """Columns whose coefficients may break, (T, q)."""
        return np.ascontiguousarray(self.x[:, self.varies])

    @property
    def constant(self) -> Array:
        """Columns whose coefficients stay, (T, K - q)."""
        return np.ascontiguousarray(self.x[:, ~self.varies])


def read_series(
    series: Any, what: str = "series", *, min_obs: int = 20, filtered: str = "refuse", levels: str = "warn"
) -> Series:
    """Return a series as floats with its labels, or refuse it with the reason.

    Parameters
    ----------
    series : pd.Series, frame of one column, or array (T,), whose rows are then labeled 0, 1, ….
    what : what messages call it. min_obs : fewest rows accepted.
    filtered : "refuse", "warn" or "ignore" for a path this library has filtered (a DCC or rolling correlation); one
        that only looks like such a path is warned about unless "ignore".
    levels : "warn" or "ignore" for a first-order autocorrelation beyond .98.
    """
    check_option("filtered", filtered, ("refuse", "warn", "ignore"))
    check_option("levels", levels, ("warn", "ignore"))
    values, index, name, mark = _column(series, what)
    if values.size < min_obs:
        raise DataError(f"{what} {name!r}: {values.size} rows are too few, at least {min_obs} are needed.")
    _check_finite(values[:, None], (name,), index, what)
    if not float(np.ptp(values)) > 1e-12 * float(np.abs(values).max(initial=0.0)):
        raise DataError(f"{what}: {name!r} is constant at {values[0]:.6g}; nothing in it can break.")
    _check_path(values, name, mark, filtered, levels)
    return Series(np.ascontiguousarray(values), index, name)


def read_regression(
    y: Any,
    exog: Any = None,
    *,
    constant: bool = True,
    vary: Sequence[str] | None = None,
    min_obs: int = 20,
    filtered: str = "refuse",
) -> Regression:
    """Return a regression on arrays, or refuse it with the reason.

    Parameters
    ----------
    y : pd.Series or array (T,). exog : frame (T, K), Series, array or None.
    constant : put a column of ones, "const", first.
    vary : names of the coefficients that may break; all of them by default. Columns of an array are "x1", "x2", ….
    """
    target = read_series(y, "y", min_obs=min_obs, filtered=filtered)
    columns: list[Array] = [np.ones(target.nobs)] if constant else []
    names: list[str] = ["const"] if constant else []
    if exog is not None:
        frame = _frame(exog, target.index)
        if len(frame) != target.nobs:
            raise DataError(f"y has {target.nobs} rows and exog {len(frame)}; give the same dates in both.")
        labeled = isinstance(exog, pd.Series | pd.DataFrame) and isinstance(y, pd.Series | pd.DataFrame)
        if labeled and not frame.index.equals(target.index):
            raise DataError(
                "y and exog have different labels; align them first, e.g. y.align(exog, join='inner', axis=0)."
            )
        x = _floats(frame, "exog")
        _check_finite(x, tuple(map(str, frame.columns)), target.index, "exog")
        columns += list(x.T)
        names += [str(name) for name in frame.columns]
    if not names:
        raise SpecError("constant=False and no exog: there is no coefficient that could break.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"exog: two columns are called {twice!r}; rename one (the added column of ones is 'const').")
    design = np.ascontiguousarray(np.stack(columns, axis=1))
    if design.shape[0] <= design.shape[1] or np.linalg.matrix_rank(design) < design.shape[1]:
        raise DataError(
            f"the {design.shape[1]} regressors {names} are linearly dependent over the sample; drop one "
            "(constant=False if exog holds a column of ones)."
        )
    if vary is None:
        varies = np.ones(len(names), bool)
    else:
        unknown = [name for name in vary if name not in names]
        if unknown or isinstance(vary, str):
            raise SpecError(f"vary={vary!r}: a list of names among {names}.")
        varies = np.array([name in vary for name in names])
        if not varies.any():
            raise SpecError(f"vary={vary!r}: at least one of {names} must be free to break.")
    return Regression(target.values, design, target.index, target.name, tuple(names), varies)


def read_pair(x: Any, y: Any, *, min_obs: int = 50) -> tuple[Series, Series]:
    """Two series with the same labels, as for a correlation."""
    one = read_series(x, "series", min_obs=min_obs)
    two = read_series(y, "series", min_obs=min_obs)
    labeled = isinstance(x, pd.Series | pd.DataFrame) and isinstance(y, pd.Series | pd.DataFrame)
    if one.nobs != two.nobs or (labeled and not one.index.equals(two.index)):
        raise DataError(
            f"{one.name!r} and {two.name!r} do not have the same rows ({one.nobs} and {two.nobs}); align them first."
        )
    return one, two


def minimum_segment(nobs: int, trim: float | None, min_size: int | None, coefficients: int, breaks: int = 1) -> int:
    """Fewest observations of a regime: the integer part of ``trim`` times T, or ``min_size``.

    Raises
    ------
    SpecError : both or neither given, a trim outside (0, .5), a regime that cannot identify its coefficients.
    DataError : no date is left that admits ``breaks`` breaks.
    """
    if (trim is None) == (min_size is None):
        raise SpecError("give one of trim (a share of the sample) and min_size (observations).")
    if trim is not None:
        if not 0.0 < trim < 0.5:
            raise SpecError(f"trim={trim!r}: a share of the sample between 0 and .5.")
        # a product such as .15 * 20 falls just below the integer it stands for
        size = int(trim * nobs + 1e-9)
    else:
        assert min_size is not None  # one of the two was given
        if not isinstance(min_size, int | np.integer) or isinstance(min_size, bool) or min_size < 1:
            raise SpecError(f"min_size={min_size!r}: a whole number of observations.")
        size = int(min_size)
    if size <= coefficients:
        raise DataError(
            f"a regime of {size} observations cannot identify {coefficients} coefficients; use a larger trim or "
            "min_size, or a longer sample."
        )
    if (breaks + 1) * size > nobs:
        most = nobs // size - 1
        raise DataError(
            f"{breaks} break(s) with at least {size} observations in every regime do not fit into {nobs}; "
            f"at most {max(most, 0)} do. Use fewer breaks or a smaller trim."
        )
    return size


def _column(series: Any, what: str) -> tuple[Array, pd.Index, str, str]:
    mark = ""
    if isinstance(series, pd.DataFrame):
        if series.shape[1] != 1:
            raise DataError(f"{what}: one column is wanted, the frame has {series.shape[1]}: {list(series.columns)}.")
        series = series.iloc[:, 0]
    if isinstance(series, pd.Series):
        mark = str(series.attrs.get(FILTERED, ""))
        name = what if series.name is None else str(series.name)
        if not series.index.is_unique:
            twice = series.index[series.index.duplicated()][0]
            raise DataError(f"{what} {name!r}: {twice} appears twice; a date needs one row.")
        if not series.index.is_monotonic_increasing and isinstance(series.index, pd.DatetimeIndex):
            raise DataError(f"{what} {name!r}: the dates are not in order; use .sort_index().")
        return _floats(series.to_frame(name), what)[:, 0], series.index, name, mark
    array = np.asarray(series)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{what} must have one dimension, not shape {array.shape}.")
    return _floats(pd.DataFrame({what: array}), what)[:, 0], pd.RangeIndex(array.size), what, mark


def _frame(exog: Any, index: pd.Index) -> pd.DataFrame:
    if isinstance(exog, pd.DataFrame):
        return exog
    if isinstance(exog, pd.Series):
        return exog.to_frame("x1" if exog.name is None else str(exog.name))
    array = np.asarray(exog)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise DataError(f"exog must have one or two dimensions, not shape {array.shape}.")
    labels = index if len(index) == array.shape[0] else None
    return pd.DataFrame(array, index=labels, columns=[f"x{i + 1}" for i in range(array.shape[1])])


def _floats(frame: pd.DataFrame, what: str) -> Array:
    try:
        return np.ascontiguousarray(frame.to_numpy(dtype=float, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise DataError(f"{what}: {list(map(str, frame.columns))} must be numbers ({error}).") from error


def _check_finite(values: Array, names: tuple[str, ...], index: pd.Index, what: str) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = map(int, np.argwhere(bad)[0])
        raise DataError(
            f"{what}: {names[column]!r} has {int(bad[:, column].sum())} missing or infinite value(s), the first at "
            f"{index[row]}; drop those rows, or fill them knowingly."
        )


def _check_path(values: Array, name: str, mark: str, filtered: str, levels: str) -> None:
    if mark and filtered == "refuse":
        raise DataError(
            f"{name!r} is a {mark}: it is persistent by construction, and break tests on it reject without a break "
            "(dates by BIC find about four). Test the residuals instead, e.g. wied_kraemer_dehling_test(margins)."
        )
    centered = values - values.mean()
    slope = float(centered[1:] @ centered[:-1] / (centered[:-1] @ centered[:-1]))
    like_path = values.size >= 50 and float(np.abs(values).max()) <= 1.0 and slope > PATH_AR1
    if filtered != "ignore" and (mark or (like_path and np.unique(values).size > 10)):
        kind = f"is a {mark}" if mark else f"lies within [-1, 1] with autocorrelation {slope:.3f}: it looks like a path"
        warnings.warn(
            f"{name!r} {kind} of rolling or filtered correlations. Such a path breaks by construction; test the "
            "residuals it was made from.",
            FilteredSeriesWarning,
            stacklevel=4,
        )
    elif levels == "warn" and values.size >= 50 and abs(slope) > LEVEL_AR1:
        warnings.warn(
            f"{name!r} has autocorrelation {slope:.4f}: it looks like a price level or a moving average. Break tests "
            "assume a stationary series; use returns.",
            LevelsWarning,
            stacklevel=4,
        )
