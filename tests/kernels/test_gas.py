"""The score-driven kernels against a matrix reading of the recursion, finite differences and quadrature-free facts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.kernels.dcc import pair_score
from cryptoequity.kernels.gas import gas_adjoint, gas_filter, gas_simulate, gas_step
from cryptoequity.volatility.density import t_constants
from strategies import residuals, seeds

NUS = st.sampled_from([0.0, 2.2, 8.0, 400.0])
POWERS = st.sampled_from([0.0, 0.5, 1.0])


def constants(nu: float) -> np.ndarray:
    return np.array(t_constants(nu, 2)) if nu else np.array([-math.log(2 * math.pi), 0.0])


def plain(omega, a, b, nu, power, z):
    """Matrix by matrix: the score is -tr(R^-1 dR)/2 + w z'R^-1 dR R^-1 z/2, the information that of `pair_score`."""
    f, loglik, path = omega, [], []
    for one in z:
        rho = np.tanh(f)
        r = np.array([[1.0, rho], [rho, 1.0]])
        inverse, turn = np.linalg.inv(r), np.array([[0.0, 1.0], [1.0, 0.0]])
        quad = one @ inverse @ one
        if nu:
            weight = (nu + 2) / (nu - 2 + quad)
            loglik.append(stats.multivariate_t([0, 0], r * (nu - 2) / nu, df=nu).logpdf(one))
        else:
            weight = 1.0
            loglik.append(stats.multivariate_normal([0, 0], r).logpdf(one))
        by_rho = -0.5 * np.trace(inverse @ turn) + 0.5 * weight * one @ inverse @ turn @ inverse @ one
        info = pair_score(one[None], np.array([rho]), nu, constants(nu))[1][0]
        slope = 1 - rho**2
        path.append(f)
        f = omega * (1 - b) + b * f + a * (by_rho * slope) / (info * slope**2) ** power
    return np.array(loglik), np.array([*path, f])


@given(NUS, POWERS, seeds)
@settings(max_examples=40, deadline=None)
def test_likelihood_and_path_equal_a_plain_reading(nu, power, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((60, 2))
    omega, a, b = rng.uniform(-1, 1), rng.uniform(0, 0.15), rng.uniform(0, 1)
    loglik, f, _ = gas_filter(omega, a, b, nu, constants(nu), power, z, 0)
    # beyond, tanh rounds to one and the matrix of the plain reading has no inverse
    assume(bool(np.abs(f).max() < 15.0))
    wanted, path = plain(omega, a, b, nu, power, z)
    np.testing.assert_allclose(f, path, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(loglik, wanted, rtol=1e-10, atol=1e-10)


@given(NUS, POWERS, seeds)
@settings(max_examples=40, deadline=None)
def test_score_and_adjoint_equal_finite_differences(nu, power, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((50, 2))
    theta = np.array([rng.uniform(-1, 1), rng.uniform(0.01, 0.1), rng.uniform(0.3, 0.99), nu])

    def run(p, data=z, want=0):
        return gas_filter(p[0], p[1], p[2], p[3], constants(p[3]), power, data, want)

    score = run(theta, want=1)[2]
    for k in range(score.shape[1]):
        step = 1e-5 if k < 3 else 1e-5 * (nu - 2)
        up, down = theta.copy(), theta.copy()
        up[k] += step
        down[k] -= step
        wanted = (run(up)[0] - run(down)[0]) / (2 * step)
        scale = np.abs(wanted).max() + (1e-3 if k == 3 else 1.0)
        np.testing.assert_allclose(score[:, k] / scale, wanted / scale, atol=1e-6)
    dz = gas_adjoint(*theta[:3], nu, constants(nu), power, z)
    step = 1e-6
    for _ in range(3):
        direction = rng.standard_normal(z.shape)
        wanted = (run(theta, z + step * direction)[0].sum() - run(theta, z - step * direction)[0].sum()) / (2 * step)
        np.testing.assert_allclose((dz * direction).sum(), wanted, rtol=1e-6, atol=1e-6 * np.abs(dz).sum())


@given(residuals(sizes=(2,), nobs=(8, 200)), st.floats(-5, 5), st.floats(0, 1), st.floats(0, 1), NUS, POWERS)
@settings(max_examples=80, deadline=None)
def test_paths_are_correlations_or_the_likelihood_says_no(z, omega, a, b, nu, power):
    loglik, f, score = gas_filter(omega, a, b, nu, constants(nu), power, z, 1)
    with np.errstate(invalid="ignore"):
        assert (np.abs(np.tanh(f[:-1][np.isfinite(f[:-1])])) < 1).all()
    if np.isfinite(loglik).all():
        assert np.isfinite(f[:-1]).all()
    else:
        first = int(np.argmax(~np.isfinite(loglik)))
        assert (loglik[first:] == -np.inf).all()
        assert np.isnan(f[first:]).all()
    assert score.shape == (len(z), 4 if nu else 3)


def test_an_outlier_ends_the_path_under_normal_errors_and_not_under_t():
    z = np.random.default_rng(0).standard_normal((100, 2))
    z[50] = [300.0, 300.0]
    loglik, f, _ = gas_filter(0.3, 0.05, 0.95, 0.0, constants(0.0), 1.0, z, 0)
    assert (loglik[51:] == -np.inf).all()
    assert np.isnan(f[51:]).all()
    assert np.isfinite(loglik[:51]).all()
    loglik, f, _ = gas_filter(0.3, 0.05, 0.95, 5.0, constants(5.0), 1.0, z, 0)
    assert np.isfinite(loglik).all()
    assert abs(f[51] - f[50]) < 0.5  # the score of a t is bounded in the size of a day


@pytest.mark.parametrize("nu", [0.0, 2.5, 7.0])
@pytest.mark.parametrize("rho", [-0.95, 0.0, 0.6])
def test_score_and_information_are_those_of_the_correlation(nu, rho):
    """By the chain rule through rho = tanh f."""
    rng = np.random.default_rng(1)
    z = rng.standard_normal((20, 2))
    by_rho, info = pair_score(z, np.full(20, rho), nu, constants(nu))
    for t, (z1, z2) in enumerate(z):
        s, _, _, _, _, score, mine = gas_step(z1, z2, rho, nu, 1.0)
        np.testing.assert_allclose(score, by_rho[t] * (1 - rho**2), rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(mine, info[t] * (1 - rho**2) ** 2, rtol=1e-12)
        np.testing.assert_allclose(s, score / mine, rtol=1e-13)


@given(NUS, POWERS, seeds)
@settings(max_examples=20, deadline=None)
def test_filtering_a_simulation_gives_its_path_back(nu, power, seed):
    rng = np.random.default_rng(seed)
    z, f = gas_simulate(0.4, 0.05, 0.95, nu, power, rng.standard_normal((80, 2)), 0.4)
    np.testing.assert_allclose(gas_filter(0.4, 0.05, 0.95, nu, constants(nu), power, z, 0)[1][:-1], f, atol=1e-12)
    # turning the sign of one column turns the correlation
    turned = gas_filter(-0.4, 0.05, 0.95, nu, constants(nu), power, z * [1.0, -1.0], 0)
    np.testing.assert_allclose(turned[1][:-1], -f, atol=1e-12)
