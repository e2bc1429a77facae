"""The DCC kernels against a plain reading of the recursion, finite differences and their own inverse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.kernels.dcc import (
    dcc_adjoint,
    dcc_filter,
    dcc_filter_pair,
    dcc_path,
    dcc_simulate,
    dcc_total_pair,
    dcc_whiten,
    pair_score,
)
from cryptoequity.volatility.density import t_constants
from strategies import correlation_matrices, dcc_parameters, residuals, seeds

DISTS = st.sampled_from([0.0, 2.2, 8.0, 400.0])


def constants(nu: float, n: int) -> np.ndarray:
    return np.array(t_constants(nu, n)) if nu else np.array([-0.5 * n * math.log(2 * math.pi), 0.0])


def plain(a, b, nu, z, target, start, start_q):
    """Matrix by matrix: R_t (T+1, N, N) and the log density of z_t by scipy."""
    q, s = start_q.copy(), start.copy()
    paths, loglik = [], []
    n = z.shape[1]
    for t in range(len(z) + 1):
        q = (1 - a - b) * target + a * s + b * q
        root = np.sqrt(np.diag(q))
        r = q / np.outer(root, root)
        paths.append(r)
        if t == len(z):
            break
        if nu:
            value = stats.multivariate_t(np.zeros(n), r * (nu - 2) / nu, df=nu).logpdf(z[t])
        else:
            value = -0.5 * (n * math.log(2 * math.pi) + np.linalg.slogdet(r)[1] + z[t] @ np.linalg.solve(r, z[t]))
        loglik.append(value)
        s = np.outer(z[t], z[t])
    return np.array(paths), np.array(loglik), q


def lower(matrix):
    return matrix[[0, 1, 1], [0, 0, 1]].copy()


@given(st.data(), dcc_parameters(), DISTS, residuals())
@settings(max_examples=60, deadline=None)
def test_path_and_likelihood_equal_a_plain_reading(data, parameters, nu, z):
    a, b = parameters
    n = z.shape[1]
    target = data.draw(correlation_matrices(n))
    start = data.draw(correlation_matrices(n))
    paths, wanted, last = plain(a, b, nu, z, target, start, start)
    smallest = min(np.linalg.eigvalsh(r)[0] for r in paths)
    rows, cols = np.triu_indices(n, 1)
    path = dcc_path(a, b, z, target, start, start, rows, cols)
    np.testing.assert_allclose(path, paths[:, rows, cols], rtol=0, atol=1e-10)
    if smallest < 1e-7:
        return  # nearly singular: the likelihood is the inverse of rounding error, in both readings
    loglik, score, q = dcc_filter(a, b, nu, constants(nu, n), z, target, start, start, 1)
    # the quadratic form loses what the matrix has lost: its condition number in units of rounding
    slack = max(1.0, 1e-5 / smallest)
    np.testing.assert_allclose(loglik, wanted, rtol=1e-10 * slack, atol=1e-9 * slack)
    np.testing.assert_allclose(q, last, rtol=1e-12, atol=1e-12)
    if n == 2:
        pair, rho, pair_s = dcc_filter_pair(a, b, nu, constants(nu, 2), z, lower(target), lower(start), lower(start), 1)
        np.testing.assert_allclose(pair, loglik, rtol=1e-10 * slack, atol=1e-9 * slack)
        np.testing.assert_allclose(rho, path[:-1, 0], rtol=0, atol=1e-12)
        scale = np.abs(score).max() + 1.0
        np.testing.assert_allclose(pair_s / scale, score / scale, atol=1e-8 * slack)


@given(st.data(), dcc_parameters(), residuals(sizes=(2, 3, 5), nobs=(8, 200)))
@settings(max_examples=60, deadline=None)
def test_paths_are_correlation_matrices_for_any_data(data, parameters, z):
    a, b = parameters
    n = z.shape[1]
    target = data.draw(correlation_matrices(n))
    rows, cols = np.triu_indices(n, 1)
    path = dcc_path(a, b, z, target, target, target, rows, cols)
    assert np.isfinite(path).all()
    assert (np.abs(path) < 1).all() or np.abs(z).max() > 1e3  # an outlier of 1e4 can round a correlation to one
    assert (np.abs(path) <= 1 + 1e-15).all()
    for one in path:
        r = np.eye(n)
        r[rows, cols] = r[cols, rows] = one
        assert np.linalg.eigvalsh(r)[0] > -1e-12


@pytest.mark.parametrize(("a", "b"), [(0.0, 0.999), (0.05, 0.94), (0.3, 0.699999)])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_positive_definite_on_ordinary_data(a, b, n):
    rng = np.random.default_rng(n)
    z = rng.standard_t(5, (500, n))
    target = np.full((n, n), 0.4) + 0.6 * np.eye(n)
    rows, cols = np.triu_indices(n, 1)
    path = dcc_path(a, b, z, target, target, target, rows, cols)
    for one in path:
        r = np.eye(n)
        r[rows, cols] = r[cols, rows] = one
        np.linalg.cholesky(r)


@given(st.integers(2, 5), DISTS, seeds)
@settings(max_examples=30, deadline=None)
def test_score_equals_finite_differences(n, nu, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((40, n))
    a, b = rng.uniform(0.01, 0.15), rng.uniform(0.3, 0.8)
    target = np.corrcoef(rng.standard_normal((n, 30)))
    target = np.ascontiguousarray(target)
    filters = {
        "general": lambda p, want: dcc_filter(p[0], p[1], p[2], constants(p[2], n), z, target, target, target, want)[:2]
    }
    if n == 2:
        half = lower(target)

        def pair(p, want):
            out = dcc_filter_pair(p[0], p[1], p[2], constants(p[2], 2), z, half, half, half, want)
            return out[0], out[2]

        filters["pair"] = pair
    theta = np.array([a, b, nu])
    for name, run in filters.items():
        score = run(theta, 1)[1]
        for k in range(score.shape[1]):
            step = 1e-5 * max(theta[k], 1e-2) if k < 2 else 1e-5 * (nu - 2)
            up, down = theta.copy(), theta.copy()
            up[k] += step
            down[k] -= step
            wanted = (run(up, 0)[0] - run(down, 0)[0]) / (2 * step)
            scale = np.abs(wanted).max() + (1e-3 if k == 2 else 1.0)
            np.testing.assert_allclose(
                score[:, k] / scale, wanted / scale, atol=1e-6, err_msg=f"{name}, coordinate {k}"
            )


@given(st.integers(2, 4), DISTS, seeds)
@settings(max_examples=20, deadline=None)
def test_adjoint_equals_finite_differences(n, nu, seed):
    """By every residual, by the target, by z0 z0' and by Q0."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((12, n))
    a, b = rng.uniform(0.01, 0.2), rng.uniform(0.2, 0.75)
    mats = [np.ascontiguousarray(np.corrcoef(rng.standard_normal((n, 20)))) for _ in range(3)]
    const = constants(nu, n)

    def total(z, target, start, start_q):
        return dcc_filter(a, b, nu, const, z, target, start, start_q, 0)[0].sum()

    dz, *gradients = dcc_adjoint(a, b, nu, const, z, *mats)
    step = 1e-5
    wanted = np.empty_like(z)
    for t, i in np.ndindex(*z.shape):
        up, down = z.copy(), z.copy()
        up[t, i] += step
        down[t, i] -= step
        wanted[t, i] = (total(up, *mats) - total(down, *mats)) / (2 * step)
    np.testing.assert_allclose(dz, wanted, atol=1e-6 * max(1.0, np.abs(wanted).max()))
    for which, gradient in enumerate(gradients):
        direction = rng.standard_normal((n, n))
        direction = direction + direction.T
        ends = []
        for sign in (1, -1):
            moved = [m.copy() for m in mats]
            moved[which] += sign * step * direction
            ends.append(total(z, *moved))
        slope = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-6, atol=1e-6 * np.abs(gradient).sum())
        np.testing.assert_allclose(gradient, gradient.T, atol=1e-10 * np.abs(gradient).max())


@given(st.integers(2, 5), dcc_parameters(), seeds)
@settings(max_examples=30, deadline=None)
def test_whitening_inverts_simulation(n, parameters, seed):
    rng = np.random.default_rng(seed)
    a, b = parameters
    a = min(a, 0.3)  # an explosive-looking a makes R nearly singular and the inverse rounding error
    target = np.full((n, n), 0.3) + 0.7 * np.eye(n)
    shocks = rng.standard_normal((60, n))
    z = dcc_simulate(a, b, target, shocks, target)
    # the simulation starts at Q_1, the filter at Q_0 and z_0 z_0': with all at the target, Q_1 is the target
    np.testing.assert_allclose(dcc_whiten(a, b, z, target, target, target), shocks, atol=1e-8)


def test_score_in_the_correlation_is_the_derivative_of_the_density():
    rng = np.random.default_rng(4)
    z = rng.standard_normal((200, 2))
    path = rng.uniform(-0.9, 0.9, 200)
    for nu in (0.0, 3.0, 12.0):

        def density(rho, nu=nu):
            out = []
            for t in range(len(z)):
                r = np.array([[1, rho[t]], [rho[t], 1]])
                if nu:
                    out.append(stats.multivariate_t([0, 0], r * (nu - 2) / nu, df=nu).logpdf(z[t]))
                else:
                    out.append(stats.multivariate_normal([0, 0], r).logpdf(z[t]))
            return np.array(out)

        score, _ = pair_score(z, path, nu, constants(nu, 2))
        wanted = (density(path + 1e-6) - density(path - 1e-6)) / 2e-6
        np.testing.assert_allclose(score, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("nu", [0.0, 5.0, 9.0])
@pytest.mark.parametrize("rho", [0.0, 0.5, -0.85])
def test_information_of_the_correlation(nu, rho):
    """E[score^2] = info and E[score] = 0, by quadrature over the radius and the angle."""
    angle = (np.arange(400) + 0.5) * 2 * np.pi / 400
    root = np.linalg.cholesky(np.array([[1, rho], [rho, 1]]))
    circle = np.stack([np.cos(angle), np.sin(angle)], 1) @ root.T
    level = (np.arange(4000) + 0.5) / 4000
    # squared radius of unit-variance draws: chi-square(2), or 2 (nu-2)/nu F(2, nu)
    squares = stats.chi2.ppf(level, 2) if nu == 0 else 2 * (nu - 2) / nu * stats.f.ppf(level, 2, nu)
    z = (np.sqrt(squares)[:, None, None] * circle).reshape(-1, 2)
    score, info = pair_score(np.ascontiguousarray(z), np.full(len(z), rho), nu, constants(nu, 2))
    assert abs(score.mean()) < 2e-3 * np.sqrt(info[0])
    np.testing.assert_allclose((score**2).mean(), info[0], rtol=2e-2 if nu == 5.0 else 5e-3)


@pytest.mark.parametrize("nu", [0.0, 6.0])
def test_the_quick_total_is_the_sum(nu):
    rng = np.random.default_rng(3)
    z = rng.standard_t(4, (1003, 2))
    z[500] = 300.0
    target = np.array([1.0, 0.97, 1.0])
    const = np.array(t_constants(nu, 2)) if nu else np.array([-np.log(2 * np.pi), 0.0])
    for a, b in ((0.05, 0.9), (0.2, 0.7999), (0.0, 0.0)):
        wanted = dcc_filter_pair(a, b, nu, const, z, target, target, target, 0)[0].sum()
        total = dcc_total_pair(a, b, nu, const, z, target, target, target)
        np.testing.assert_allclose(total, wanted, rtol=1e-12)
