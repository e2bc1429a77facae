r"""What tests of constant correlation read, the influence of one date on a correlation, and samples of their nulls.

With :math:`z` standardized over the sample, the correlation answers to date t by

.. math:: \psi_{ij,t}=z_{it}z_{jt}-\tfrac12\hat\rho_{ij}(z_{it}^2+z_{jt}^2),\qquad
          \sqrt T(\hat\rho_{ij}-\rho_{ij})\approx T^{-1/2}\textstyle\sum_t\psi_{ij,t},

whose long-run variance is what a correlation's variance needs, whatever the tails. It is the delta method of Wied,
Krämer and Dehling (2012) multiplied out.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..correlation import DCC, CorrelationFit
from ..correlation.bootstrap import NullDraws, SampleStatistic, null_draws
from ..errors import BoundaryWarning, CryptoEquityWarning, DataError, SpecError
from ..estimation.long_run import LongRun
from ..estimation.parallel import spawn
from ..estimation.params import Array
from ..volatility import EGARCH, GARCH, Margins, fit_margins
from .sample import read_series

__all__ = [
    "Columns",
    "Filter",
    "block_starts",
    "check_count",
    "correlation_of",
    "default_block",
    "influence",
    "long_run_of",
    "model_draws",
    "normal_rows",
    "read_columns",
    "read_two",
]

Filter = str | GARCH | EGARCH | None
MIN_OBS = 50
ARCH_LAGS = 5
ARCH_LEVEL = 0.001  # of the warning that squares are autocorrelated


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns whose correlation is tested.

    Attributes
    ----------
    z : (T, N). index, names : labels. source : what they are, in words.
    margins : the margins they are residuals of, or None. fit : the correlation model they came with, or None.
    positions : where the columns stand among those of ``margins``.
    """

    z: Array = field(repr=False)
    index: pd.Index = field(repr=False)
    names: tuple[str, ...]
    source: str
    margins: Margins | None = field(default=None, repr=False)
    fit: CorrelationFit | None = field(default=None, repr=False)
    positions: tuple[int, ...] = ()

    @property
    def nobs(self) -> int:
        """Rows."""
        return int(self.z.shape[0])


def read_columns(
    data: Any,
    columns: Sequence[str] | None = None,
    filter: Filter = "garch",
    *,
    min_obs: int = MIN_OBS,
    warn: bool = True,
) -> Columns:
    """Return the columns to be tested as they are, or as residuals of volatility models.

    Parameters
    ----------
    data : `Margins` or a `CorrelationFit` (their standardized residuals), or returns: a frame or an array (T, N), whose
        columns are then "x1", "x2", ….
    columns : names to be kept, in this order; all by default.
    filter : for returns: "garch" fits GARCH(1,1)-t margins and keeps their residuals, a `GARCH` or `EGARCH` does so
        with that model, None takes the columns as they are.
    warn : warn of unfiltered columns whose squares are autocorrelated.

    Raises
    ------
    DataError : missing or constant columns, too few rows, columns that are one series.
    SpecError : an unknown filter.
    """
    if not (filter is None or filter == "garch" or isinstance(filter, GARCH | EGARCH)):
        raise SpecError(f"filter={filter!r} is not known here; choose 'garch', None, or a GARCH(...) or EGARCH(...).")
    if isinstance(data, Margins | CorrelationFit):
        margins = data if isinstance(data, Margins) else data.margins
        frame = _select(margins.std_resid, columns)
        names = tuple(map(str, frame.columns))
        kind = "residuals of fitted margins" if isinstance(data, Margins) else f"residuals of {data.spec.name}"
        return Columns(
            _values(frame, min_obs),
            frame.index,
            names,
            kind,
            margins,
            data if isinstance(data, CorrelationFit) else None,
            tuple(margins.names.index(name) for name in names),
        )
    frame = _select(_as_frame(data), columns)
    if filter is None:
        z = _values(frame, min_obs)
        if warn:
            _warn_raw(z, frame)
        return Columns(z, frame.index, tuple(map(str, frame.columns)), "columns as they are")
    spec = GARCH(dist="t") if isinstance(filter, str) else filter
    margins = fit_margins(frame, spec)
    resid = margins.std_resid
    every = tuple(range(resid.shape[1]))
    return Columns(_values(resid, min_obs), resid.index, margins.names, f"{spec.name} residuals", margins, None, every)


def read_two(data: Any, pair: Sequence[str] | None, filter: Filter, *, warn: bool = True) -> Columns:
    """As `read_columns`, for two columns; ``pair`` names them where there are more."""
    if pair is not None and (isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]):
        raise SpecError(f"pair={pair!r}: name two different columns, e.g. pair=('BTC', 'QQQ').")
    if pair is None:
        width = len(data.names) if isinstance(data, Margins | CorrelationFit) else _as_frame(data).shape[1]
        if width != 2:
            raise DataError(f"a correlation has two columns; there are {width}: name two of them with pair=.")
    return read_columns(data, pair, filter, warn=warn)


def _as_frame(data: Any) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        if not data.columns.is_unique:
            twice = data.columns[data.columns.duplicated()][0]
            raise DataError(f"returns: column name {twice!r} appears twice; rename or drop one.")
        return data.rename(columns=str)
    array = np.asarray(data)
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise DataError(
            f"returns must be a frame or an array of numbers (T, N), not {type(data).__name__} of shape {array.shape}; "
            "put two series side by side: pd.concat([x, y], axis=1)."
        )
    return pd.DataFrame(array.astype(float), columns=[f"x{i + 1}" for i in range(array.shape[1])])


def _select(frame: pd.DataFrame, columns: Sequence[str] | None) -> pd.DataFrame:
    if columns is not None:
        missing = [name for name in columns if name not in frame.columns]
        if missing:
            raise DataError(f"no column {missing[0]!r}; there are {', '.join(map(repr, frame.columns))}.")
        frame = frame[list(columns)]
    if frame.shape[1] < 2:
        raise DataError(f"a correlation needs two columns; there is {frame.shape[1]}: {list(frame.columns)}.")
    return frame


def _values(frame: pd.DataFrame, min_obs: int) -> Array:
    """Columns as floats, each checked as a series, and no two of them the same."""
    read = [read_series(frame[name], "column", min_obs=min_obs) for name in frame.columns]
    z = np.ascontiguousarray(np.stack([one.values for one in read], axis=1))
    rho = correlation_of(z)
    rows, cols = np.triu_indices(z.shape[1], 1)
    worst = int(np.argmax(np.abs(rho[rows, cols])))
    if abs(rho[rows[worst], cols[worst]]) > 1 - 1e-8:
        raise DataError(
            f"columns {read[rows[worst]].name!r} and {read[cols[worst]].name!r} are perfectly collinear: they are one "
            "series; keep one of them."
        )
    return z


def _warn_raw(z: Array, frame: pd.DataFrame) -> None:
    """Warn of columns whose squares are autocorrelated (Engle's LM test), which is what returns look like."""
    for i, name in enumerate(frame.columns):
        e2 = (z[:, i] - z[:, i].mean()) ** 2
        lags = [e2[ARCH_LAGS - k : e2.size - k] for k in range(1, ARCH_LAGS + 1)]
        x = np.column_stack([np.ones(e2.size - ARCH_LAGS), *lags])
        y = e2[ARCH_LAGS:]
        resid = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        r2 = 1.0 - float(resid @ resid) / float(((y - y.mean()) ** 2).sum())
        level = float(stats.chi2.sf(y.size * r2, ARCH_LAGS))
        if level < ARCH_LEVEL:
            warnings.warn(
                f"{name!r}: squares are autocorrelated (ARCH-LM p = {level:.1e}), and the volatility of raw returns is "
                "taken for a change of correlation up to four times in ten. Use filter='garch', or "
                "dette_wu_zhou_test where the variance itself moves.",
                CryptoEquityWarning,
                stacklevel=5,
            )
            return


def correlation_of(z: Array) -> Array:
    """Correlation matrix (N, N) of ``z`` (T, N); NaN with fewer than three rows."""
    if z.shape[0] < 3:
        return np.full((z.shape[1], z.shape[1]), np.nan)
    unit = z - z.mean(axis=0)
    unit = unit / np.sqrt((unit**2).sum(axis=0))
    out: Array = unit.T @ unit
    return out


def influence(z: Array) -> tuple[Array, Array]:
    """Influence (T, d) of each row of ``z`` (T, N) on the correlations i < j, and the correlations (d,)."""
    unit = (z - z.mean(axis=0)) / z.std(axis=0)
    rows, cols = np.triu_indices(z.shape[1], 1)
    products = unit[:, rows] * unit[:, cols]
    rho = products.mean(axis=0)
    squares = unit**2
    return products - 0.5 * rho * (squares[:, rows] + squares[:, cols]), rho


def long_run_of(long_run: LongRun | None, nobs: int) -> LongRun:
    """The estimator asked for; Bartlett with the integer part of ln T by default, as Wied, Krämer and Dehling."""
    if long_run is None:
        return LongRun(kernel="bartlett", bandwidth=float(int(np.log(nobs))))
    if not isinstance(long_run, LongRun):
        raise SpecError(
            f"long_run={long_run!r}: pass LongRun(...), e.g. "
            "LongRun('qs', 'andrews', prewhiten=True), or None for Bartlett with ln T."
        )
    return long_run


def check_count(name: str, value: object, least: int, most: int | None = None) -> int:
    """A whole number within bounds, or `SpecError`."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise SpecError(f"{name}={value!r}: a whole number of at least {least}.")
    if most is not None and value > most:
        raise SpecError(f"{name}={value}: at most {most} here.")
    return int(value)


def default_block(nobs: int, block: int | None) -> int:
    """Length of blocks: the cube root of T rounded up, or what was asked for, up to a fifth of the sample."""
    if block is None:
        return int(np.ceil(nobs ** (1 / 3) - 1e-9))
    return check_count("block", block, 1, nobs // 5)


def block_starts(nobs: int, length: int, draws: int, rng: int | np.random.Generator) -> np.ndarray[Any, Any]:
    """First rows (draws, ⌈T/length⌉) of moving blocks, one seed a draw."""
    count = -(-nobs // length)
    return np.stack([np.random.default_rng(s).integers(0, nobs - length + 1, count) for s in spawn(rng, draws)])


def normal_rows(size: int, draws: int, rng: int | np.random.Generator) -> Array:
    """Standard normals (draws, size), one seed a draw."""
    return np.stack([np.random.default_rng(s).standard_normal(size) for s in spawn(rng, draws)])


def model_draws(
    columns: Columns,
    statistic: SampleStatistic,
    draws: int,
    rng: int | np.random.Generator,
    n_jobs: int | None,
) -> tuple[NullDraws, str]:
    """Samples of a fitted correlation model, margins refitted in each, and the model's name.

    The model is the fit the residuals came with, or a DCC(1,1) fitted to them by Gaussian quasi-likelihood.
    ``statistic`` sees the residuals of all columns of the margins.
    """
    fit = columns.fit
    if fit is None:
        if columns.margins is None:
            raise SpecError(
                "pvalue='dcc' draws returns from fitted margins and a fitted DCC: leave filter='garch', or pass "
                "Margins or a CorrelationFit."
            )
        with warnings.catch_warnings():
            # news without effect is a constant correlation, which is a null as good as any
            warnings.simplefilter("ignore", BoundaryWarning)
            fit = DCC().fit(columns.margins)
    drawn = null_draws(fit, statistic, draws, rng, n_jobs)
    return drawn, fit.spec.name
