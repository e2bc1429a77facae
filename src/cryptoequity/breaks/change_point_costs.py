r"""The costs of change points: data as their kernels want them, noise, and estimates of a regime."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError
from ..estimation.params import Array
from ..kernels.change_points import correlation_estimate
from .sample import read_regression, read_series

__all__ = ["KINDS", "SQUARES", "Sample", "estimates", "noise_variance", "read_sample"]

KINDS = {"mean": 0, "variance": 1, "meanvariance": 2, "correlation": 3, "regression": 4, "normal": 5}
SQUARES = ("mean", "regression")  # costs that are sums of squares; the others are -2 log-likelihoods


@dataclass(frozen=True, eq=False)
class Sample:
    """Data of a cost: ``z`` (T, D) of the kernel, ``parameters`` of a segment, fewest rows ``least`` must exceed."""

    z: Array
    data: pd.DataFrame
    exog: pd.DataFrame | None
    index: pd.Index
    parameters: int
    least: int
    constant: float = 0.0


def read_sample(cost: str, y: Any, exog: Any) -> Sample:
    """Columns of a cost, centered and scaled as its kernel wants them."""
    if cost == "regression":
        if exog is None:
            raise SpecError("cost='regression' needs exog; for the mean alone use cost='mean'.")
        read = read_regression(y, exog, min_obs=4, filtered="warn")
        data = pd.DataFrame({read.name: read.y}, index=read.index)
        # orthogonal columns span the same space, and the rotations keep their digits
        q = np.linalg.qr(read.x)[0] * math.sqrt(read.nobs)
        width = read.x.shape[1]
        regressors = pd.DataFrame(read.x, index=read.index, columns=list(read.names))
        return Sample(np.column_stack([q, read.y]), data, regressors, read.index, width, width)
    if exog is not None:
        raise SpecError(f"exog belongs to cost='regression', not to {cost!r}.")
    frame = y if isinstance(y, pd.DataFrame) else None
    if frame is None and not isinstance(y, pd.Series):
        array = np.asarray(y)
        if array.ndim == 2 and array.shape[1] > 1:
            frame = pd.DataFrame(array, columns=[f"y{i + 1}" for i in range(array.shape[1])])
    if frame is not None and not frame.columns.is_unique:
        raise DataError(f"two columns are called {frame.columns[frame.columns.duplicated()][0]!r}; rename one.")
    parts = [y] if frame is None else [frame[name] for name in frame.columns]
    read_all = [read_series(part, "y", min_obs=2, filtered="warn") for part in parts]
    index, columns = read_all[0].index, len(read_all)
    if cost == "correlation" and columns != 2:
        raise SpecError(f"cost='correlation' is for two columns, not {columns}; use cost='normal' for more.")
    if cost == "normal" and columns < 2:
        raise SpecError("cost='normal' is for two columns or more; for one use cost='meanvariance'.")
    data = pd.DataFrame({one.name: one.values for one in read_all}, index=index)
    z = data.to_numpy() - data.to_numpy().mean(axis=0)
    constant = 0.0
    if cost != "mean":
        sd = z.std(axis=0)
        z = z / sd
        constant = 0.0 if cost == "correlation" else 2.0 * len(index) * float(np.log(sd).sum())
    parameters = {"mean": columns, "variance": columns, "meanvariance": 2 * columns, "correlation": 1}.get(
        cost, columns + columns * (columns + 1) // 2
    )
    least = {"mean": 0, "normal": columns}.get(cost, 1)
    return Sample(np.ascontiguousarray(z), data, None, index, parameters, least, constant)


def noise_variance(z: Array, parameters: int) -> Array:
    """Noise variance: the mean of the residual variances of consecutive blocks, which few breaks can touch.

    ``z`` (T, D), by column about its mean; with ``parameters`` regressors in front, of the last column on them.
    """
    nobs = z.shape[0]
    length = max(20, 5 * parameters)
    blocks = np.array_split(z, max(1, nobs // length))
    if parameters == 0:
        variances: Array = np.mean([block.var(axis=0, ddof=1) for block in blocks], axis=0)
        return variances
    found = []
    for block in blocks:
        beta = np.linalg.lstsq(block[:, :-1], block[:, -1], rcond=None)[0]
        rest = block[:, -1] - block[:, :-1] @ beta
        found.append(float(rest @ rest) / max(len(block) - parameters, 1))
    return np.array([np.mean(found)])


def estimates(cost: str, data: pd.DataFrame, exog: pd.DataFrame | None, first: int, end: int) -> Mapping[str, float]:
    """Estimates of the regime [first, end), by name."""
    part = data.iloc[first:end]
    if exog is not None:
        beta = np.linalg.lstsq(exog.iloc[first:end].to_numpy(), part.iloc[:, 0].to_numpy(), rcond=None)[0]
        return dict(zip(map(str, exog.columns), map(float, beta), strict=True))
    names, one = list(map(str, data.columns)), data.shape[1] == 1

    def titled(what: str, values: Array) -> dict[str, float]:
        return {what if one else f"{what} {name}": float(value) for name, value in zip(names, values, strict=True)}

    values, center = part.to_numpy(), data.to_numpy().mean(axis=0)
    if cost == "mean":
        return titled("mean", values.mean(axis=0))
    if cost == "variance":
        return titled("sd", np.sqrt(np.mean((values - center) ** 2, axis=0)))
    if cost == "correlation":
        z = (values - center) / data.to_numpy().std(axis=0)
        moments = z.T @ z / len(z)
        return {"correlation": float(correlation_estimate(moments[0, 0], moments[1, 1], moments[0, 1]))}
    found = titled("mean", values.mean(axis=0)) | titled("sd", values.std(axis=0))
    if cost == "normal":
        corr = np.corrcoef(values.T)
        rows, cols = np.triu_indices(len(names), 1)
        found |= {f"correlation {names[i]}, {names[j]}": float(corr[i, j]) for i, j in zip(rows, cols, strict=True)}
    return found
