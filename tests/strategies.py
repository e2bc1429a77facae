"""Hypothesis strategies: any feasible parameters, extremes included, and any finite data."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from cryptoequity.estimation.params import PERSISTENCE_CAP
from cryptoequity.volatility import EGARCH, GARCH

__all__ = ["correlation_matrices", "dcc_parameters", "margin_specs", "margin_theta", "residuals", "returns"]

seeds = st.integers(0, 2**32 - 1)


@st.composite
def dcc_parameters(draw) -> tuple[float, float]:
    """Feasible (a, b): inside, on the axes, and at the persistence cap."""
    corner = draw(
        st.sampled_from([None, (0.0, 0.0), (0.0, 0.999), (PERSISTENCE_CAP, 0.0), (0.3, PERSISTENCE_CAP - 0.3)])
    )
    if corner is not None:
        return corner
    total = draw(st.floats(0.0, PERSISTENCE_CAP))
    share = draw(st.floats(0.0, 1.0))
    return total * share, total * (1.0 - share)


@st.composite
def residuals(draw, sizes=(2, 3, 5), nobs: tuple[int, int] = (8, 60)) -> np.ndarray:
    """Finite residuals (T, N) of any shape: heavy tails, huge outliers, zeros, near-collinear columns."""
    n = draw(st.sampled_from(sizes))
    t = draw(st.integers(*nobs))
    rng = np.random.default_rng(draw(seeds))
    z = rng.standard_normal((t, n))
    kind = draw(st.sampled_from(["normal", "heavy", "outlier", "zeros", "tied"]))
    if kind == "heavy":
        z = rng.standard_t(2.1, (t, n))
    elif kind == "outlier":
        z[draw(st.integers(0, t - 1)), draw(st.integers(0, n - 1))] = draw(st.floats(-1e4, 1e4))
    elif kind == "zeros":
        z[: t // 2] = 0.0
    elif kind == "tied":
        z[:, 1] = z[:, 0] + draw(st.floats(1e-3, 1.0)) * z[:, 1]
    return z


@st.composite
def correlation_matrices(draw, n: int) -> np.ndarray:
    """Positive definite with unit diagonal, up to nearly singular."""
    rng = np.random.default_rng(draw(seeds))
    loadings = rng.standard_normal((n, n + 2)) * draw(st.sampled_from([0.1, 1.0, 5.0]))
    cov = loadings @ loadings.T + draw(st.floats(1e-2, 3.0)) * np.eye(n)
    root = np.sqrt(np.diag(cov))
    corr = cov / np.outer(root, root)
    np.fill_diagonal(corr, 1.0)
    return corr


SPECS = (
    GARCH(),
    GARCH(dist="t", mean="zero"),
    GARCH(dist="skewt", mean="ar", lags=1),
    GARCH(p=2, mean="ar", lags=2),
    GARCH(q=0, dist="t"),
    GARCH(q=2, mean="zero"),
    GARCH(asymmetric=True),
    GARCH(asymmetric=True, dist="t", mean="ar", lags=2),
    GARCH(asymmetric=True, dist="skewt", mean="zero", p=2, q=2),
    EGARCH(),
    EGARCH(dist="t", mean="ar", lags=1),
    EGARCH(dist="skewt", mean="zero"),
    EGARCH(asymmetric=False, p=2, q=0),
    EGARCH(p=2, q=2, dist="t"),
)


def margin_specs() -> st.SearchStrategy[GARCH | EGARCH]:
    """Every family, density and mean, orders from 0 to 2; a fixed list, for each kind compiles its own kernel."""
    return st.sampled_from(SPECS)


def margin_theta(spec: GARCH | EGARCH, rng: np.random.Generator) -> np.ndarray:
    """Feasible parameters, inside the box, for percent returns."""
    mean = [] if spec.mean == "zero" else [rng.normal(0, 0.05)]
    if spec.mean == "ar":
        mean += list(rng.uniform(-0.2, 0.2, spec.lags))
    if spec.exponential:
        variance = [rng.normal(0, 0.05), *rng.uniform(0, 0.2, spec.p), *rng.uniform(-0.1, 0.05, spec.o)]
        variance += list(rng.dirichlet(np.ones(spec.q)) * rng.uniform(0.5, 0.98)) if spec.q else []
    else:
        parts = rng.dirichlet(np.ones(spec.p + spec.o + spec.q)) * rng.uniform(0.3, 0.98)
        alpha = parts[: spec.p]
        gamma = [rng.uniform(-0.5, 1.0) * 2 * parts[spec.p] if spec.o else 0.0][: spec.o]
        if spec.o and alpha[0] + gamma[0] < 0:
            gamma = [0.0]
        if spec.o and gamma[0] > 0:
            gamma = [2 * parts[spec.p]]
        variance = [rng.uniform(0.02, 0.5), *alpha, *gamma, *parts[spec.p + spec.o :]]
    shape = {"normal": [], "t": [rng.uniform(2.3, 30)], "skewt": [rng.uniform(2.3, 30), rng.uniform(-0.8, 0.8)]}[
        spec.dist
    ]
    return np.array([*mean, *variance, *shape])


def returns(rng: np.random.Generator, nobs: int) -> np.ndarray:
    """Percent returns (T,) with volatility clusters and heavy tails."""
    level = np.exp(0.5 * np.sin(np.arange(nobs) / 17.0))
    return level * rng.standard_t(5, nobs) + 0.03
