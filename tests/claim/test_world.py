"""The null world: its draws have the moments of the fitted model, whitening inverts simulation."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cryptoequity as ce
from claim.worlds import SPECS, sample
from cryptoequity.claim.world import NullWorld, residuals
from cryptoequity.correlation.likelihood import CorrelationLikelihood
from cryptoequity.kernels.dcc import dcc_simulate, dcc_whiten
from cryptoequity.volatility.likelihood import MarginLikelihood

THREE = ("COIN", "SMALL", "MARKET")


@pytest.fixture(scope="module")
def world():
    return NullWorld.fit(sample(800, 11, THREE), SPECS)


@pytest.mark.filterwarnings("ignore::cryptoequity.errors.BoundaryWarning")
def test_the_world_is_the_models_fitted_one_by_one(world):
    returns = sample(800, 11, THREE)
    margins = ce.fit_margins(returns, {name: SPECS[name] for name in THREE})
    assert_allclose(world.z, margins.std_resid.to_numpy(), atol=2e-3)
    assert_allclose(world.volatility, margins.volatility.to_numpy(), rtol=2e-3)
    dcc = ce.DCC(dist="t").fit(margins)
    assert_allclose(world.correlation.theta[:2], dcc.theta[:2], atol=2e-3)
    assert_allclose(world.target, dcc.target.to_numpy(), atol=1e-3)
    assert world.converged


def test_whitening_inverts_simulation(world):
    a, b = world.correlation.theta[:2]
    shocks = np.random.default_rng(1).standard_t(5, (300, 3))
    z = dcc_simulate(a, b, world.target, shocks, world.target)
    assert_allclose(dcc_whiten(a, b, z, world.target, world.target, world.target), shocks, atol=1e-10)


def test_simulation_inverts_whitening(world):
    a, b = world.correlation.theta[:2]
    white = dcc_whiten(a, b, world.z, world.target, world.target, world.target)
    assert_allclose(dcc_simulate(a, b, world.target, white, world.target), world.z, atol=1e-10)
    # the shocks in store are those, standardized exactly
    assert_allclose(world.shocks.mean(axis=0), 0.0, atol=1e-12)
    assert_allclose(world.shocks.T @ world.shocks / 800, np.eye(3), atol=1e-12)
    assert np.all(np.abs(np.corrcoef(white.T, world.shocks.T)[:3, 3:].diagonal()) > 0.99)


def test_returns_and_residuals_invert_each_other(world):
    # filtered from the same start the residuals come back; the start fades at the rate of the recursion
    z = dcc_simulate(0.02, 0.9, world.target, np.random.default_rng(2).standard_normal((800, 3)), world.target)
    returns = world.to_returns(z)
    for i, spec in enumerate(world.specs):
        lik = MarginLikelihood(spec, np.ascontiguousarray(returns[:, i]), 0)
        _, variance, resid, _, _ = lik.filter(world.optima[i].theta, 0)
        assert_allclose((resid / np.sqrt(variance))[400:], z[400:, i], atol=0.02)


@pytest.mark.parametrize("name", ["COIN", "SMALL"])
def test_egarch_worlds_draw_too(name):
    returns = sample(400, 12, (name, "MARKET"))
    egarch = NullWorld.fit(returns, dict.fromkeys(returns.columns, ce.EGARCH(dist="t")))
    drawn = np.stack([egarch.draw(np.random.default_rng(k)) for k in range(40)])
    assert np.isfinite(drawn).all()
    ratio = drawn.std(axis=(0, 1)) / returns.to_numpy().std(axis=0)
    assert np.all((ratio > 0.6) & (ratio < 1.6))


def test_draws_have_the_moments_of_the_model(world):
    draws = np.stack([world.draw(np.random.default_rng(k)) for k in range(400)])  # (400, 800, 3)
    for i, optimum in enumerate(world.optima):
        mu = optimum.theta[0]
        error = draws[..., i].mean(axis=1).std() / np.sqrt(400)
        assert abs(draws[..., i].mean() - mu) < 4.0 * error
        # the variance starts at its sample mean and is pulled to its own: between the two, with room for tails
        wanted = float(np.mean(world.volatility[:, i] ** 2))
        assert 0.7 < np.mean((draws[..., i] - mu) ** 2) / wanted < 1.4


def test_drawn_residuals_have_the_models_correlation(world):
    a, b = world.correlation.theta[:2]
    rng = np.random.default_rng(3)
    shocks = world.shocks[rng.integers(0, 800, 200_000)]
    z = dcc_simulate(a, b, world.target, shocks, world.target)
    # E[z z'] is the mean of R_t, near the target
    lik = CorrelationLikelihood(z, dynamic=True, dist="t", target=world.target)
    mean = lik.path(np.array([a, b, 8.0]), [1, 2, 2], [0, 0, 1]).mean(axis=0)
    moments = z.T @ z / len(z)
    assert_allclose(np.diag(moments), 1.0, atol=0.03)
    assert_allclose(moments[[1, 2, 2], [0, 0, 1]], mean, atol=0.02)
    assert_allclose(mean, world.target[[1, 2, 2], [0, 0, 1]], atol=0.02)


def test_draws_are_reproducible_and_differ(world):
    one, same, other = (world.draw(np.random.default_rng(k)) for k in (1, 1, 2))
    assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1.0


def test_volatility_clusters_in_the_draws(world):
    def clustering(x):
        size = np.abs(x - x.mean())
        return np.corrcoef(size[1:], size[:-1])[0, 1]

    drawn = [clustering(world.draw(np.random.default_rng(k))[:, 0]) for k in range(60)]
    assert np.mean(drawn) > 0.05


def test_a_warm_start_ends_where_a_cold_one_does():
    y = sample(600, 13, ("SMALL", "MARKET"))["SMALL"].to_numpy()
    z, sigma, optimum = residuals(SPECS["SMALL"], y)
    warm_z, warm_sigma, _ = residuals(SPECS["SMALL"], y, optimum, tol=1e-8)
    assert_allclose(warm_z, z, atol=1e-4)
    assert_allclose(warm_sigma, sigma, rtol=1e-4)
