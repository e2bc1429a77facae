"""A fit with known paths: every function that reads a fit by its interface is tested on one."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd

__all__ = ["KnownPaths", "known_paths", "matrix_path"]


@dataclass
class KnownPaths:
    """Correlation matrices (T, N, N) with volatilities, means and residuals; nothing was estimated."""

    names: tuple[str, ...]
    matrices: np.ndarray
    volatility: pd.DataFrame
    mean: pd.DataFrame
    std_resid: pd.DataFrame
    nu: float | None = None

    @property
    def likelihood(self) -> SimpleNamespace:
        return SimpleNamespace(layout=SimpleNamespace(names=("dcc.a",) if self.nu is None else ("dcc.a", "dcc.nu")))

    @property
    def theta(self) -> np.ndarray:
        return np.array([0.03] if self.nu is None else [0.03, self.nu])

    @property
    def returns(self) -> pd.DataFrame:
        return self.mean + self.volatility * self.std_resid

    def correlation(self, i: str, j: str) -> pd.Series:
        a, b = self.names.index(i), self.names.index(j)
        return pd.Series(self.matrices[:, a, b], self.volatility.index)

    def correlations(self) -> pd.DataFrame:
        rows, cols = np.triu_indices(len(self.names), 1)
        pairs = pd.MultiIndex.from_tuples([(self.names[i], self.names[j]) for i, j in zip(rows, cols, strict=True)])
        return pd.DataFrame(self.matrices[:, rows, cols], self.volatility.index, pairs)

    def covariance(self, t: int) -> np.ndarray:
        sigma = self.volatility.to_numpy()[t]
        return self.matrices[t] * np.outer(sigma, sigma)


def matrix_path(nobs: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Correlation matrices that wander slowly."""
    loadings = rng.standard_normal((n, n + 1))
    out = np.empty((nobs, n, n))
    for t in range(nobs):
        loadings = 0.98 * loadings + 0.2 * rng.standard_normal(loadings.shape)
        cov = loadings @ loadings.T + 0.2 * np.eye(n)
        root = np.sqrt(np.diag(cov))
        out[t] = cov / np.outer(root, root)
    return out


def known_paths(nobs: int = 300, n: int = 4, seed: int = 1, nu: float | None = None, mean: float = 0.05) -> KnownPaths:
    """Residuals drawn from the paths themselves: normal, or jointly t with unit variances."""
    rng = np.random.default_rng(seed)
    names = tuple("ABCDEFGHIJKLMNOP"[:n])
    matrices = matrix_path(nobs, n, rng)
    shocks = rng.standard_normal((nobs, n))
    if nu is not None:
        shocks *= np.sqrt((nu - 2) / rng.chisquare(nu, nobs))[:, None]
    z = np.stack([np.linalg.cholesky(r) @ e for r, e in zip(matrices, shocks, strict=True)])
    index = pd.bdate_range("2018-01-01", periods=nobs, name="date")
    sigma = np.exp(0.3 * np.sin(np.arange(nobs)[:, None] / 15 + np.arange(n)) + np.linspace(0, 1, n))

    def frame(values):
        return pd.DataFrame(values, index, list(names))

    return KnownPaths(names, matrices, frame(sigma), frame(np.full((nobs, n), mean)), frame(z), nu)
