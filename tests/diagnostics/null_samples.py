"""Samples with a known correlation, with true residuals or with GARCH margins; nothing here is a test."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.diagnostics.null_fit import Column, NullFit, constant_null
from cryptoequity.estimation.inference import FreePart
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.garch import simulate_margin

THETA = np.array([0.05, 0.05, 0.08, 0.88])


def equicorrelation(n: int, rho: float) -> np.ndarray:
    return np.full((n, n), rho) + (1.0 - rho) * np.eye(n)


def persistent(nobs: int, rng: np.random.Generator, phi: float = 0.98) -> np.ndarray:
    s = np.empty(nobs)
    s[0] = rng.standard_normal() / np.sqrt(1 - phi**2)
    for t in range(1, nobs):
        s[t] = phi * s[t - 1] + rng.standard_normal()
    return s


def correlated(rho: np.ndarray, n: int, rng: np.random.Generator, nu: float = 0.0) -> np.ndarray:
    """Residuals (T, n) whose common correlation follows ``rho`` (T,)."""
    u = draw_shocks(rng, rho.size, n, nu)
    return np.stack([np.linalg.cholesky(equicorrelation(n, r)) @ row for r, row in zip(rho, u, strict=True)])


def constant(nobs: int, n: int, rng: np.random.Generator, nu: float = 0.0, rho: float = 0.4) -> np.ndarray:
    return draw_shocks(rng, nobs, n, nu) @ np.linalg.cholesky(equicorrelation(n, rho)).T


def dynamic(
    nobs: int, n: int, rng: np.random.Generator, a: float = 0.05, b: float = 0.9, nu: float = 0.0
) -> np.ndarray:
    target = equicorrelation(n, 0.4)
    return dcc_simulate(a, b, target, draw_shocks(rng, nobs, n, nu), target)


def returns_of(z: np.ndarray) -> pd.DataFrame:
    """Percent returns with GARCH margins."""
    y = [simulate_margin(GARCH(), THETA, np.ascontiguousarray(z[:, i]), 1.25)[0] for i in range(z.shape[1])]
    dates = pd.bdate_range("2015-01-05", periods=z.shape[0], name="date")
    return pd.DataFrame(np.stack(y, axis=1), dates, list("ABCDEF"[: z.shape[1]]))


def margins_from(z: np.ndarray, spec: GARCH | None = None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit_margins(returns_of(z), spec)


def known(z: np.ndarray) -> NullFit:
    """A constant null on residuals that are known: margins without parameters."""
    nobs = z.shape[0]
    none = FreePart(np.zeros(0, bool), np.zeros(0), np.zeros((0, 0)), np.zeros((nobs, 0)), np.zeros((0, 0)))
    columns = [
        Column(str(i), z[:, i], np.ones(nobs), np.zeros(0), None, None, (none, np.zeros((nobs, 0))), True)
        for i in range(z.shape[1])
    ]
    return constant_null(tuple(columns))
