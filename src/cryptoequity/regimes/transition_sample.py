"""A regression whose coefficients depend on an observed variable, as arrays; what must be refused."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, LevelsWarning, SpecError
from ..estimation.params import Array

__all__ = ["TransitionSample", "check_delay", "read_transition"]

FEWEST = 30
REGIMES = 2


@dataclass(frozen=True, eq=False)
class TransitionSample:
    """A regression of ``y`` (T,) on ``x`` (T, K) whose coefficients may depend on ``s`` (T,).

    Attributes
    ----------
    names : of the columns of ``x``. varies : (K,) bool, coefficients that depend on ``s``. name, driver : of y and s.
    """

    y: Array = field(repr=False)
    x: Array = field(repr=False)
    s: Array = field(repr=False)
    index: pd.Index = field(repr=False)
    name: str
    driver: str
    names: tuple[str, ...]
    varies: npt.NDArray[np.bool_]

    @property
    def nobs(self) -> int:
        """Observations."""
        return int(self.y.size)

    @property
    def residuals(self) -> Array:
        """Residuals of the linear regression, (T,)."""
        out: Array = self.y - self.x @ np.linalg.lstsq(self.x, self.y, rcond=None)[0]
        return out


def check_delay(lags: int, delay: int) -> None:
    """Refuse orders that are no whole numbers of at least 0."""
    for what, value in (("lags", lags), ("delay", delay)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
            raise SpecError(f"{what}={value!r}: a whole number of at least 0.")


def read_transition(
    y: Any,
    exog: Any,
    driver: Any,
    *,
    lags: int,
    delay: int,
    constant: bool,
    vary: Sequence[str] | None,
) -> TransitionSample:
    """Put a regression on arrays.

    Parameters
    ----------
    y : Series or array (T,). exog : frame, Series, array or None, of the same dates. driver : Series or array of the
        same dates; None for y itself. delay : dates the driver is lagged. lags : of y among the regressors.
    vary : names of the coefficients that depend on the driver; all by default.

    Raises
    ------
    DataError : values that are missing, dates that differ, collinear regressors, a constant driver.
    """
    check_delay(lags, delay)
    target, index, name = _column(y, "y")
    if driver is None and delay < 1:
        raise SpecError(f"delay={delay}: y cannot be the driver of its own date; use at least 1, or pass driver=.")
    source, own, label = (target, index, name) if driver is None else _column(driver, "driver")
    _same(index, own, y, driver, "driver")
    columns: list[Array] = []
    names: list[str] = []
    lost = max(lags, delay)
    if lost >= target.size:
        raise DataError(f"y: {target.size} rows are too few for {lost} lags.")
    if constant:
        columns.append(np.ones(target.size - lost))
        names.append("const")
    for lag in range(1, lags + 1):
        columns.append(target[lost - lag : target.size - lag])
        names.append(f"{name}.L{lag}")
    if exog is not None:
        frame = _frame(exog)
        _same(index, frame.index, y, exog, "exog")
        for column in frame.columns:
            columns.append(_finite(frame[column].to_numpy(dtype=float, na_value=np.nan), str(column), index)[lost:])
            names.append(str(column))
    if not names:
        raise SpecError("constant=False, no lags and no exog: there is no regressor.")
    if len(set(names)) < len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise DataError(f"exog: two regressors are called {twice!r}; rename one.")
    x = np.ascontiguousarray(np.stack(columns, axis=1))
    values = target[lost:]
    s = np.ascontiguousarray(source[lost - delay : source.size - delay])
    if vary is None:
        varies = np.ones(len(names), bool)
    else:
        unknown = [one for one in vary if one not in names]
        if unknown or isinstance(vary, str) or not len(vary):
            raise SpecError(f"vary={vary!r}: a list of names among {names}.")
        varies = np.array([one in vary for one in names])
    if values.size < max(FEWEST, REGIMES * x.shape[1] + 5):
        raise DataError(
            f"y: {values.size} rows are left after lags, too few for {x.shape[1]} regressors in {REGIMES} regimes."
        )
    scale = np.sqrt(np.mean(x**2, axis=0))
    if not (scale > 0).all() or np.linalg.matrix_rank(x / scale) < x.shape[1]:
        raise DataError(f"the regressors {names} are linearly dependent; drop one (constant=False if exog has ones).")
    if not float(np.ptp(s)) > 1e-12 * max(1.0, float(np.abs(s).max())):
        raise DataError(f"driver {label!r}: constant at {s[0]:.6g}; it cannot separate regimes.")
    residual = values - x @ np.linalg.lstsq(x, values, rcond=None)[0]
    if not float(residual @ residual) > 1e-20 * float(values @ values):
        raise DataError(f"y: {name!r} is an exact linear combination of its regressors; nothing is left to explain.")
    _warn_level(s, label)
    lagged = label if delay == 0 else f"{label}.L{delay}"
    return TransitionSample(values, x, s, index[lost:], name, lagged, tuple(names), varies)


def _column(series: Any, what: str) -> tuple[Array, pd.Index, str]:
    if isinstance(series, pd.DataFrame):
        if series.shape[1] != 1:
            raise DataError(f"{what}: one column is wanted, the frame has {series.shape[1]}: {list(series.columns)}.")
        series = series.iloc[:, 0]
    if isinstance(series, pd.Series):
        name = what if series.name is None else str(series.name)
        if not series.index.is_unique:
            raise DataError(
                f"{what}: {series.index[series.index.duplicated()][0]} appears twice; a date needs one row."
            )
        if not series.index.is_monotonic_increasing:
            raise DataError(f"{what}: the dates are not in order; use .sort_index().")
        values, index = series.to_numpy(dtype=float, na_value=np.nan), series.index
    else:
        values = np.asarray(series, float)
        if values.ndim != 1:
            raise DataError(f"{what} must have one dimension, not shape {values.shape}.")
        name, index = what, pd.RangeIndex(values.size)
    return _finite(values, name, index), index, name


def _frame(exog: Any) -> pd.DataFrame:
    if isinstance(exog, pd.DataFrame):
        return exog
    if isinstance(exog, pd.Series):
        return exog.to_frame("x1" if exog.name is None else str(exog.name))
    array = np.asarray(exog, float)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise DataError(f"exog must have one or two dimensions, not shape {array.shape}.")
    return pd.DataFrame(array, columns=[f"x{i + 1}" for i in range(array.shape[1])])


def _same(index: pd.Index, other: pd.Index, y: Any, given: Any, what: str) -> None:
    if given is None:
        return
    labeled = isinstance(y, pd.Series | pd.DataFrame) and isinstance(given, pd.Series | pd.DataFrame)
    if len(index) != len(other) or (labeled and not index.equals(other)):
        raise DataError(
            f"y and {what} do not have the same rows ({len(index)} and {len(other)}); align them first, e.g. "
            "y.align(other, join='inner')."
        )


def _finite(values: Array, name: str, index: pd.Index) -> Array:
    bad = ~np.isfinite(values)
    if bad.any():
        raise DataError(
            f"{name!r} has {int(bad.sum())} missing or infinite value(s), the first at {index[bad][0]}; drop those "
            "rows, or fill them knowingly."
        )
    return np.ascontiguousarray(values, dtype=float)


def _warn_level(s: Array, name: str) -> None:
    centered = s - s.mean()
    slope = float(centered[1:] @ centered[:-1] / (centered[:-1] @ centered[:-1]))
    if s.size >= 50 and slope > 0.995:
        warnings.warn(
            f"driver {name!r} has autocorrelation {slope:.4f}: close to a random walk it is low in one part of the "
            "sample and high in another, and a threshold in it is a break at a date.",
            LevelsWarning,
            stacklevel=4,
        )
