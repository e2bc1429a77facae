"""Smooth transitions: values against dense densities, slopes against differences, mixtures that stay inside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.kernels.stcc import (
    transition_filter,
    transition_filter_pair,
    transition_moments,
    transition_simulate,
    transition_slopes,
    transition_weights,
)
from cryptoequity.volatility.density import t_constants
from strategies import correlation_matrices, residuals, seeds

COUNTS = st.sampled_from([0, 1, 2])
DISTS = st.sampled_from([0.0, 4.0, 9.0])


def constants(nu: float, n: int) -> np.ndarray:
    return np.array(t_constants(nu, n)) if nu else np.array([-0.5 * n * np.log(2 * np.pi), 0.0])


def problem(rng: np.random.Generator, n: int, count: int, nobs: int = 30):
    """Regimes (2^M, P), gamma, k, z and drivers x."""
    flat = np.stack([np.corrcoef(rng.standard_normal((n, 3 * n)))[np.triu_indices(n, 1)] for _ in range(1 << count)])
    gamma, k = rng.uniform(0.3, 6.0, count), rng.normal(0, 0.5, count)
    return flat, gamma, k, rng.standard_normal((nobs, n)), rng.standard_normal((nobs, count))


def matrix(flat: np.ndarray, n: int) -> np.ndarray:
    out = np.eye(n)
    out[np.triu_indices(n, 1)] = flat
    return np.triu(out) + np.triu(out, 1).T


def dense(flat, gamma, k, nu, z, x):
    """Log-densities by the definition, one date at a time."""
    n = z.shape[1]
    out = []
    for t in range(len(z)):
        g = 1 / (1 + np.exp(-gamma * (x[t] - k)))
        weights = np.ones(1)
        for one in g:
            weights = np.concatenate([w * np.array([1 - one, one]) for w in weights])
        r = sum(w * matrix(one, n) for w, one in zip(weights, flat, strict=True))
        if nu:
            out.append(stats.multivariate_t(np.zeros(n), r * (nu - 2) / nu, df=nu).logpdf(z[t]))
        else:
            out.append(stats.multivariate_normal(np.zeros(n), r).logpdf(z[t]))
    return np.array(out)


def run(theta, shape, z, x, nu, want, general):
    """Value and score (want=1) or value and slope by z (want=2) of stacked parameters."""
    regimes, pairs = shape
    count = x.shape[1]
    head = regimes * pairs
    flat = theta[:head].reshape(shape)
    gamma, k = theta[head : head + 2 * count : 2].copy(), theta[head + 1 : head + 2 * count : 2].copy()
    degrees = theta[-1] if nu else 0.0
    const = constants(degrees, z.shape[1])
    if not general:
        loglik, score, by_z = transition_filter_pair(flat[:, 0].copy(), gamma, k, degrees, const, z, x, want)
        return loglik, by_z if want == 2 else score
    values, weights = transition_weights(gamma, k, x)
    if want == 1:
        return transition_filter(flat, gamma, k, degrees, const, z, x, values, weights)
    return transition_slopes(flat, degrees, const, z, weights, int(want == 2))


def stack(flat, gamma, k, nu):
    return np.concatenate([flat.ravel(), np.column_stack([gamma, k]).ravel(), [nu] if nu else []])


@given(st.integers(2, 5), COUNTS, DISTS, seeds)
@settings(max_examples=40, deadline=None)
def test_value_equals_the_dense_density(n, count, nu, seed):
    flat, gamma, k, z, x = problem(np.random.default_rng(seed), n, count)
    wanted = dense(flat, gamma, k, nu, z, x)
    theta = stack(flat, gamma, k, nu)
    scale = 1 + np.abs(wanted).max()
    for general in (True, False) if n == 2 else (True,):
        for want in (0, 1, 2):
            got = run(theta, flat.shape, z, x, nu, want, general)[0]
            np.testing.assert_allclose(got / scale, wanted / scale, atol=1e-10)


@given(st.integers(2, 4), COUNTS, DISTS, seeds)
@settings(max_examples=40, deadline=None)
def test_score_equals_finite_differences(n, count, nu, seed):
    flat, gamma, k, z, x = problem(np.random.default_rng(seed), n, count)
    flat = 0.9 * flat  # away from the edge, where differences are of no use
    theta = stack(flat, gamma, k, nu)
    for general in (True, False) if n == 2 else (True,):
        score = run(theta, flat.shape, z, x, nu, 1, general)[1]
        assert score.shape == (len(z), theta.size)
        wanted = np.empty_like(score)
        for j in range(theta.size):
            step = 1e-6
            up, down = theta.copy(), theta.copy()
            up[j] += step
            down[j] -= step
            ends = [run(p, flat.shape, z, x, nu, 0, general)[0] for p in (up, down)]
            wanted[:, j] = (ends[0] - ends[1]) / (2 * step)
        scale = np.abs(wanted).max(axis=0) + 1.0
        np.testing.assert_allclose(score / scale, wanted / scale, atol=1e-6)


@given(st.integers(2, 4), COUNTS, DISTS, seeds)
@settings(max_examples=25, deadline=None)
def test_slope_by_the_residuals_equals_finite_differences(n, count, nu, seed):
    flat, gamma, k, z, x = problem(np.random.default_rng(seed), n, count, nobs=8)
    theta = stack(0.9 * flat, gamma, k, nu)
    for general in (True, False) if n == 2 else (True,):
        by_z = run(theta, flat.shape, z, x, nu, 2, general)[1]
        for t, i in np.ndindex(*z.shape):
            ends = []
            for sign in (1, -1):
                moved = z.copy()
                moved[t, i] += sign * 1e-6
                ends.append(run(theta, flat.shape, moved, x, nu, 0, general)[0][t])
            wanted = (ends[0] - ends[1]) / 2e-6
            np.testing.assert_allclose(by_z[t, i], wanted, atol=1e-6 * (1 + np.abs(by_z).max()))


@given(st.data(), residuals(), COUNTS, st.floats(0.1, 500.0), seeds)
@settings(max_examples=60, deadline=None)
def test_every_mixture_is_a_correlation_matrix(data, z, count, speed, seed):
    """Any speed, any distance of the driver: overflow of the exponential is a regime, not a NaN."""
    n = z.shape[1]
    rng = np.random.default_rng(seed)
    flat = np.stack([data.draw(correlation_matrices(n))[np.triu_indices(n, 1)] for _ in range(1 << count)])
    x = rng.standard_normal((len(z), count)) * data.draw(st.sampled_from([1.0, 1e3, 1e8]))
    values, weights = transition_weights(np.full(count, speed), np.zeros(count), x)
    assert ((values >= 0) & (values <= 1)).all()
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-14)
    for w in weights:
        r = matrix(w @ flat, n)
        assert np.linalg.eigvalsh(r)[0] > -1e-12
    got = transition_slopes(flat, 0.0, constants(0.0, n), z, weights, 0)[0]
    assert not np.isnan(got).any()


def test_the_two_ends_are_the_regimes():
    rng = np.random.default_rng(0)
    flat, _, _, z, _ = problem(rng, 3, 2)
    x = np.array([[-1e6, -1e6], [-1e6, 1e6], [1e6, -1e6], [1e6, 1e6]])
    _, weights = transition_weights(np.ones(2), np.zeros(2), x)
    np.testing.assert_array_equal(weights, np.eye(4))
    # order 11, 12, 21, 22: the first index is the first driver's
    one = transition_slopes(flat, 0.0, constants(0.0, 3), z[:4], weights, 0)[0]
    for t in range(4):
        wanted = stats.multivariate_normal(np.zeros(3), matrix(flat[t], 3)).logpdf(z[t])
        np.testing.assert_allclose(one[t], wanted, rtol=1e-12)


def test_what_cannot_be_factored_has_no_likelihood():
    z, x = np.ones((3, 2)), np.zeros((3, 1))
    for wrong in (1.0, -1.2, np.nan):
        loglik, score, _ = transition_filter_pair(
            np.array([0.2, wrong]), np.ones(1), np.zeros(1), 0.0, constants(0.0, 2), z, x, 1
        )
        assert np.isneginf(loglik).all()
        assert (score == 0).all()
    flat = np.array([[0.9, 0.9, -0.9]])  # no correlation matrix
    _, weights = transition_weights(np.empty(0), np.empty(0), np.empty((3, 0)))
    z = np.ones((3, 3))
    assert np.isneginf(transition_slopes(flat, 0.0, constants(0.0, 3), z, weights, 1)[0]).all()
    loglik, score = transition_filter(
        flat, np.empty(0), np.empty(0), 0.0, constants(0.0, 3), z, np.empty((3, 0)), np.empty((3, 0)), weights
    )
    assert np.isneginf(loglik).all()
    assert (score == 0).all()
    assert np.isnan(transition_simulate(flat, weights, z)).all()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_simulated_residuals_have_the_mixture_for_covariance(count):
    rng = np.random.default_rng(count)
    flat, gamma, k, _, x = problem(rng, 3, count, nobs=5)
    _, weights = transition_weights(gamma, k, x)
    shocks = rng.standard_normal((5, 3))
    z = transition_simulate(flat, weights, shocks)
    for t in range(5):
        low = np.linalg.cholesky(matrix(weights[t] @ flat, 3))
        np.testing.assert_allclose(z[t], low @ shocks[t], rtol=1e-12)


def test_moments_are_sums():
    rng = np.random.default_rng(1)
    weights, products = rng.random((20, 4)), rng.standard_normal((20, 3))
    square, cross = transition_moments(weights, products)
    np.testing.assert_allclose(square, weights.T @ weights)
    np.testing.assert_allclose(cross, weights.T @ products)
