"""Simulated samples and fitted pipelines the claim's tests share; nothing here is a test."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

import cryptoequity as ce
from cryptoequity.claim.pipeline import Pipeline
from cryptoequity.claim.world import NullWorld
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility.garch import simulate_margin

NAMES = ("COIN", "SMALL", "TECH", "MARKET", "GOLD")
COIN, EQUITY = ce.GARCH(dist="t"), ce.GARCH(asymmetric=True, dist="t")
SPECS = {name: COIN if name == "COIN" else EQUITY for name in NAMES}
# percent a day: mu, omega, alpha, [gamma,] beta, nu
THETA = {
    "COIN": [0.10, 0.3675, 0.09, 0.88, 6.0],
    "SMALL": [0.035, 0.0867, 0.03, 0.10, 0.89, 6.0],
    "TECH": [0.04, 0.0631, 0.03, 0.12, 0.88, 6.0],
    "MARKET": [0.03, 0.0363, 0.03, 0.14, 0.87, 6.0],
    "GOLD": [0.02, 0.0363, 0.03, 0.04, 0.91, 6.0],
}
TARGET = np.array(
    [
        [1.00, 0.40, 0.35, 0.30, 0.10],
        [0.40, 1.00, 0.80, 0.82, 0.05],
        [0.35, 0.80, 1.00, 0.92, 0.05],
        [0.30, 0.82, 0.92, 1.00, 0.05],
        [0.10, 0.05, 0.05, 0.05, 1.00],
    ]
)


def sample(nobs: int, seed: int, names: tuple[str, ...] = NAMES) -> pd.DataFrame:
    """Percent returns (T, N) from GARCH margins and a joint DCC with t errors; no episodes."""
    rng = np.random.default_rng(seed)
    keep = [NAMES.index(name) for name in names]
    target = np.ascontiguousarray(TARGET[np.ix_(keep, keep)])
    shocks = rng.standard_normal((nobs, len(keep))) * np.sqrt(4.0 / rng.chisquare(6.0, (nobs, 1)))
    z = dcc_simulate(0.03, 0.92, target, shocks, target)
    columns = {}
    for i, name in enumerate(names):
        theta = np.array(THETA[name])
        start = theta[1] / (1.0 - theta[2] - theta[-2] - (0.5 * theta[3] if name != "COIN" else 0.0))
        columns[name] = simulate_margin(SPECS[name], theta, np.ascontiguousarray(z[:, i]), start)[0]
    return pd.DataFrame(columns, pd.bdate_range("2018-01-02", periods=nobs, name="date"))


def prices_of(returns: pd.DataFrame) -> pd.DataFrame:
    """Prices whose percent log returns these are, one business day longer."""
    index = returns.index.union([returns.index[0] - pd.offsets.BDay()]).rename("date")
    path = np.vstack([np.zeros(returns.shape[1]), returns.to_numpy().cumsum(axis=0)])
    return pd.DataFrame(100.0 * np.exp(path / 100.0), index, returns.columns)


def two_sided(nobs: int) -> np.ndarray:
    """Episode signs (T,): up, down, up."""
    signed = np.zeros(nobs)
    signed[nobs // 10 : nobs // 4] = 1.0
    signed[nobs // 3 : nobs // 2] = -1.0
    signed[2 * nobs // 3 : 3 * nobs // 4] = 1.0
    return signed


@cache
def fitted(nobs: int = 500, seed: int = 1, minimal: bool = False) -> Pipeline:
    """A pipeline with fixed episodes, a market and a placebo, warm starts filled."""
    names = ("COIN", "SMALL") if minimal else ("COIN", "SMALL", "MARKET", "GOLD")
    world = NullWorld.fit(sample(nobs, seed, names), SPECS)
    market, placebos = (-1, ()) if minimal else (2, (3,))
    cold = Pipeline(world, two_sided(nobs), None, "t", 0, 1, market, placebos, minimal=minimal)
    _, pairs = cold.observed()
    return replace(cold, warm={key: pair.optimum for key, pair in pairs.items()})
