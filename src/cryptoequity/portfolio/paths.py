"""What hedging, risk and tables read off a fit: its paths by name and date, never a T×N×N array."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError
from ..estimation.params import Array

__all__ = ["PathFit", "Weights", "check_names", "covariance_chunks", "pair_paths", "read_weights"]

Weights: TypeAlias = Mapping[str, float] | pd.Series | pd.DataFrame | Sequence[float] | Array

# dates whose matrices are in memory at once
CHUNK = 256


class PathFit(Protocol):
    """Any fitted model of a covariance path; R_t and volatilities use information up to t - 1."""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""

    @property
    def returns(self) -> pd.DataFrame:
        """Percent returns, (T, N)."""

    @property
    def mean(self) -> pd.DataFrame:
        """Conditional means, percent, (T, N)."""

    @property
    def volatility(self) -> pd.DataFrame:
        """Conditional volatilities, percent, (T, N)."""

    @property
    def std_resid(self) -> pd.DataFrame:
        """Standardized residuals, (T, N)."""

    def correlation(self, i: str, j: str) -> pd.Series:
        """Conditional correlation of two columns, (T,)."""

    def correlations(self) -> pd.DataFrame:
        """All pairs i < j as columns, (T, pairs)."""


def check_names(fit: PathFit, names: Sequence[str], least: int = 1) -> list[str]:
    """Return ``names`` as a list; refuse unknown and repeated ones."""
    chosen = [names] if isinstance(names, str) else list(names)
    for k, name in enumerate(chosen):
        if name not in fit.names:
            raise SpecError(f"no column {name!r} in this fit; there are {', '.join(fit.names)}.")
        if name in chosen[:k]:
            raise SpecError(f"column {name!r} is named twice.")
    if len(chosen) < least:
        raise SpecError(f"at least {least} columns are needed; {len(chosen)} named.")
    return chosen


def pair_paths(fit: PathFit, names: Sequence[str]) -> Array:
    """Correlations of the pairs (0, 1), (0, 2), …, (1, 2), … of ``names``, (T, pairs)."""
    n = len(names)
    rows, cols = np.triu_indices(n, 1)
    if 3 * rows.size <= len(fit.names) or rows.size <= 1:
        out = np.empty((len(fit.volatility), rows.size))
        for k, (i, j) in enumerate(zip(rows.tolist(), cols.tolist(), strict=True)):
            out[:, k] = fit.correlation(names[i], names[j]).to_numpy(float)
        return out
    frame = fit.correlations()
    place = {tuple(pair): k for k, pair in enumerate(frame.columns)}
    values = frame.to_numpy(float)
    at = [
        place[(names[i], names[j])] if (names[i], names[j]) in place else place[(names[j], names[i])]
        for i, j in zip(rows.tolist(), cols.tolist(), strict=True)
    ]
    return values[:, at]


def covariance_chunks(
    fit: PathFit, names: Sequence[str], *, correlation: bool = False, size: int = CHUNK
) -> Iterator[tuple[slice, Array]]:
    """Yield dates and their covariance (or correlation) matrices of ``names``, (chunk, n, n), in order."""
    n = len(names)
    rows, cols = np.triu_indices(n, 1)
    paths = pair_paths(fit, names)
    sigma = fit.volatility[list(names)].to_numpy(float)
    for first in range(0, sigma.shape[0], size):
        part = slice(first, min(first + size, sigma.shape[0]))
        block = np.empty((part.stop - part.start, n, n))
        block[:, rows, cols] = block[:, cols, rows] = paths[part]
        block[:, range(n), range(n)] = 1.0
        if not correlation:
            block *= sigma[part, :, None] * sigma[part, None, :]
        yield part, block


def read_weights(fit: PathFit, weights: Weights) -> tuple[list[str], Array]:
    """Columns held and their weights by date, (T, n); columns that are not named are not held.

    Raises
    ------
    SpecError : unknown or repeated columns, a plain sequence of the wrong length, nothing held.
    DataError : missing weights, or a frame on other dates than the fit.
    """
    index = fit.volatility.index
    if isinstance(weights, pd.DataFrame):
        names = check_names(fit, [str(name) for name in weights.columns])
        if not weights.index.equals(index):
            gone = index.difference(weights.index)
            what = f"{gone[0]} is missing" if len(gone) else "it has other dates besides, or another order"
            raise DataError(
                f"weights by date must have the {len(index)} dates of the fit: {what}; use "
                "weights.loc[fit.returns.index]."
            )
        values = weights.to_numpy(float)
    else:
        if isinstance(weights, Mapping | pd.Series):
            names = check_names(fit, [str(name) for name in weights.keys()])
            flat = (
                np.array([float(one) for one in weights.values()])
                if isinstance(weights, Mapping)
                else (weights.to_numpy(float))
            )
        else:
            flat = np.asarray(weights, float)
            names = list(fit.names)
            if flat.shape != (len(names),):
                raise SpecError(
                    f"weights of shape {flat.shape} do not fit the {len(names)} columns {', '.join(names)}; "
                    "name them, e.g. {'" + names[0] + "': 1.0}."
                )
        values = np.broadcast_to(flat, (len(index), len(names)))
    if not np.isfinite(values).all():
        t, k = np.argwhere(~np.isfinite(values))[0]
        raise DataError(f"the weight of {names[k]!r} at {index[t]} is {values[t, k]}; weights must be numbers.")
    held = np.any(values != 0.0, axis=0)
    if not held.any():
        raise SpecError("all weights are zero: there is no portfolio.")
    return [name for name, one in zip(names, held, strict=True) if one], np.ascontiguousarray(values[:, held])
