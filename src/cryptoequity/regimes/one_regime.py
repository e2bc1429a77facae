"""The plain model under one regime, on arrays: its fit, its simulation, and any densities on data of one's own.

A test of the number of regimes needs the model with k, with k + 1 and with one regime, on the sample and on samples
drawn from the null. The densities of one regime are the same `Emission` with k = 1; there is no chain. Moment and score
tests of one series need its autoregression only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import signal

from ..errors import DataError, SpecError
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array, Layout
from .emission import Emission
from .gaussian import GaussianEmission
from .linear import LinearEmission
from .scaled import ScaledEmission
from .spec import check_columns

__all__ = ["Autoregression", "OneRegime", "fit_autoregression", "fit_one", "place", "read_series"]

STEPS = 30  # conditional steps before the climb, t errors only


def place(emission: Emission, y: Array, k: int) -> Emission:
    """The same model with ``k`` regimes on data ``y`` (T, N) of the same shape; lags are those of ``y``.

    Raises
    ------
    SpecError : densities that cannot be put on simulated data.
    """
    if isinstance(emission, ScaledEmission):
        return ScaledEmission(y, emission.names, k, student=emission.student)
    if type(emission) is GaussianEmission:
        return GaussianEmission(
            y,
            emission.names,
            k,
            mean=emission.mean,
            scale=emission.scale,
            corr=emission.corr,
            student=emission.student,
            order_by=emission.order_by,
        )
    if type(emission) is LinearEmission:
        x = emission.x.copy()
        order, n = emission.order, emission.n
        whole = np.vstack([emission.presample, y])
        for lag in range(1, order + 1):
            at = emission.plain + (lag - 1) * n
            x[:, at : at + n] = whole[order - lag : order - lag + len(y)]
        return LinearEmission(
            y,
            x,
            emission.names,
            emission.labels,
            k,
            switching=emission.switching,
            scale=emission.errors.scale,
            corr=emission.errors.corr,
            student=emission.errors.student,
            rank_by=emission.rank_by,
            presample=emission.presample,
        )
    raise SpecError(
        f"{type(emission).__name__} cannot be put on simulated data: test a model in intercept form, or compare "
        "criteria with select_regimes."
    )


@dataclass(frozen=True, eq=False)
class OneRegime:
    """Likelihood of densities with a single regime."""

    emission: Emission

    @property
    def layout(self) -> Layout:
        """Names and constraints of the parameters."""
        return Layout(list(self.emission.blocks()))

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood by date (T,), and scores (T, K) when ``want`` is 1."""
        loglik = self.emission.density(theta)[:, 0]
        return loglik, self.emission.slopes(theta)[:, 0] if want else np.empty((0, 0))


class _Fixed:
    """`OneRegime` with its layout made once: the optimiser asks for it often."""

    def __init__(self, emission: Emission) -> None:
        self.layout = OneRegime(emission).layout
        self.evaluate = OneRegime(emission).evaluate


def fit_one(emission: Emission) -> Optimum:
    """Maximum likelihood of one regime: moments with unit weights, conditional steps under t errors, a climb."""
    if emission.k != 1:
        raise SpecError(f"{emission.k} regimes where one is to be fitted.")
    lik = _Fixed(emission)
    ones = np.ones((emission.nobs, 1))
    theta = emission.mstep(ones, None)
    if not lik.layout.size:
        loglik = float(lik.evaluate(theta, 0)[0].sum())
        return Optimum(theta, theta, loglik, True, "", 0.0, 1.0, (), 1, np.empty((0, 0)))
    value = -np.inf
    for _ in range(STEPS):
        new = float(emission.density(theta).sum())
        if not new > value + 1e-4:
            break
        value = new
        theta = emission.mstep(ones, theta)
    return maximize(lik, [theta])


# --- one series


@dataclass(frozen=True, eq=False)
class Autoregression:
    """Least squares of y_t on a constant and its own lags, given the first values.

    Attributes
    ----------
    coefficients : (1 + p,), the constant first. sigma : root of the mean squared residual. resid : (T - p,).
    x : (T - p, 1 + p) regressors. first : (p,) values the sample starts with.
    """

    coefficients: Array
    sigma: float
    resid: Array = field(repr=False)
    x: Array = field(repr=False)
    first: Array = field(repr=False)

    @property
    def lags(self) -> int:
        """Order of the autoregression."""
        return len(self.first)

    def simulate(self, shocks: Array) -> Array:
        """Series (T,) that follows ``first``, driven by standard ``shocks`` (T - p,)."""
        drive: Array = self.coefficients[0] + self.sigma * shocks
        if not self.lags:
            return drive
        poly = np.concatenate([[1.0], -self.coefficients[1:]])
        state = signal.lfiltic([1.0], poly, self.first[::-1])
        return np.concatenate([self.first, signal.lfilter([1.0], poly, drive, zi=state)[0]])


def fit_autoregression(y: Array, lags: int) -> Autoregression:
    """Autoregression of ``y`` (T,) with a constant."""
    nobs = y.size - lags
    x = np.column_stack([np.ones(nobs), *(y[lags - i : y.size - i] for i in range(1, lags + 1))])
    coefficients = (
        np.array([y.mean()]) if not lags else np.asarray(np.linalg.lstsq(x, y[lags:], rcond=None)[0], np.float64)
    )
    resid = y[lags:] - x @ coefficients
    return Autoregression(coefficients, float(np.sqrt(np.mean(resid**2))), resid, x, y[:lags].copy())


def read_series(data: Any, lags: int) -> tuple[Array, str]:
    """One column of returns or residuals as an array, and its name.

    Raises
    ------
    DataError : several columns, values that are not finite, too short, constant, repeated.
    SpecError : lags that are not a whole number between 0 and a tenth of the sample.
    """
    if isinstance(data, pd.Series) and data.name is None:
        data = data.rename("series")
    if not isinstance(data, pd.Series) and np.ndim(data) == 1:
        data = pd.Series(np.asarray(data, float), name="series")
    frame = check_columns(data, what="data")
    if frame.shape[1] != 1:
        raise DataError(f"this test is for one series; there are {frame.shape[1]} columns: pass one of them.")
    y = np.ascontiguousarray(frame.iloc[:, 0].to_numpy(float))
    if not isinstance(lags, int) or isinstance(lags, bool) or not 0 <= lags <= y.size // 10:
        raise SpecError(f"lags={lags!r}: a whole number between 0 and a tenth of the {y.size} observations.")
    return y, str(frame.columns[0])
