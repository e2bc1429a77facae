"""The DECO kernels against dense matrices, finite differences and the DCC kernels they reduce to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.correlation.cdcc import CDCCLikelihood
from cryptoequity.kernels.dcc import dcc_adjoint, dcc_filter
from cryptoequity.kernels.deco import deco_adjoint, deco_filter, deco_path, deco_simulate
from cryptoequity.volatility.density import t_constants
from strategies import correlation_matrices, dcc_parameters, residuals, seeds

DISTS = st.sampled_from([0.0, 2.2, 8.0, 400.0])


def constants(nu: float, n: int) -> np.ndarray:
    return np.array(t_constants(nu, n)) if nu else np.array([-0.5 * n * math.log(2 * math.pi), 0.0])


def block_means(r: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Matrix whose off-diagonal elements are the means over the pairs of their block of pairs."""
    out = np.eye(len(r))
    off = ~np.eye(len(r), dtype=bool)
    for k in range(block.max() + 1):
        for m in range(block.max() + 1):
            where = np.outer(block == k, block == m) & off
            if where.any():
                out[where] = r[where].mean()
    return out


def plain(a, b, nu, z, star, s, block):
    """Matrix by matrix: R_t (T+1, N, N) and the log density of z_t by scipy or by solving."""
    q, n = s.copy(), z.shape[1]
    paths, loglik = [], []
    for t in range(len(z) + 1):
        if t:
            q = (1 - a - b) * s + a * np.outer(star[t - 1], star[t - 1]) + b * q
        root = np.sqrt(np.diag(q))
        r = block_means(q / np.outer(root, root), block)
        paths.append(r)
        if t == len(z):
            break
        if nu:
            value = stats.multivariate_t(np.zeros(n), r * (nu - 2) / nu, df=nu).logpdf(z[t])
        else:
            value = -0.5 * (n * math.log(2 * math.pi) + np.linalg.slogdet(r)[1] + z[t] @ np.linalg.solve(r, z[t]))
        loglik.append(value)
    return np.array(paths), np.array(loglik), q


@st.composite
def blockings(draw, n: int) -> np.ndarray:
    """Blocks of any sizes, numbered from 0 without gaps."""
    drawn = draw(st.lists(st.integers(0, n - 1), min_size=n, max_size=n))
    return np.unique(drawn, return_inverse=True)[1].astype(np.int64)


def run(a, b, nu, z, s, block, want, star=None, half=None, by=None):
    n = z.shape[1]
    none = np.zeros((n, n))
    corrected = 0 if half is None else 1
    sizes = np.bincount(block).astype(float)
    by_a, by_b = (none, none) if by is None else by
    half = np.zeros((2, 1, 1)) if half is None else half
    star = z if star is None else star
    return deco_filter(a, b, nu, constants(nu, n), z, star, half, corrected, s, by_a, by_b, block, sizes, want)


@given(st.data(), dcc_parameters(), DISTS, residuals(sizes=(2, 3, 5, 7)))
@settings(max_examples=80, deadline=None)
def test_path_and_likelihood_equal_dense_matrices(data, parameters, nu, z):
    a, b = parameters
    n = z.shape[1]
    s = data.draw(correlation_matrices(n))
    block = data.draw(blockings(n))
    paths, wanted, last = plain(a, b, nu, z, z, s, block)
    path, q = deco_path(a, b, z, s, block, np.bincount(block).astype(float))
    rows, cols = np.triu_indices(n, 1)
    np.testing.assert_allclose(path[:, block[rows], block[cols]], paths[:, rows, cols], rtol=0, atol=1e-10)
    np.testing.assert_allclose(q, last, rtol=1e-12, atol=1e-12)
    smallest = min(np.linalg.eigvalsh(r)[0] for r in paths)
    # a mean over permutations of the columns of a block: positive definite because the DCC matrix is
    assert smallest > -1e-12
    if smallest < 1e-7:
        return
    loglik = run(a, b, nu, z, s, block, 0)[0]
    np.testing.assert_allclose(loglik, wanted, rtol=1e-10 * max(1.0, 1e-5 / smallest), atol=1e-9)


@given(st.data(), st.integers(2, 6), DISTS, seeds)
@settings(max_examples=40, deadline=None)
def test_score_equals_finite_differences(data, n, nu, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((40, n))
    a, b = rng.uniform(0.01, 0.15), rng.uniform(0.3, 0.8)
    s = np.ascontiguousarray(np.corrcoef(rng.standard_normal((n, 30))))
    block = data.draw(blockings(n))
    theta = np.array([a, b, nu])
    score = run(a, b, nu, z, s, block, 1)[1]
    for k in range(score.shape[1]):
        step = 1e-5 * max(theta[k], 1e-2) if k < 2 else 1e-5 * (nu - 2)
        ends = [run(*(theta + sign * step * (np.arange(3) == k)), z, s, block, 0)[0] for sign in (1, -1)]
        wanted = (ends[0] - ends[1]) / (2 * step)
        scale = np.abs(wanted).max() + (1e-3 if k == 2 else 1.0)
        np.testing.assert_allclose(score[:, k] / scale, wanted / scale, atol=1e-6, err_msg=f"coordinate {k}")


@given(st.data(), st.integers(2, 5), DISTS, seeds)
@settings(max_examples=25, deadline=None)
def test_scores_of_a_moving_target_are_total(data, n, nu, seed):
    """With the news and the target of cDCC the likelihood is one function of (a, b): z* and S move along."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((60, n))
    whole = CDCCLikelihood(z, dist="normal")
    block = data.draw(blockings(n))

    def evaluate(a, b, want):
        star, half, s, by_a, by_b = whole.at(np.array([a, b]), 1)
        return run(a, b, nu, z, np.ascontiguousarray(s), block, want, star, half, (by_a, by_b))

    a, b = rng.uniform(0.02, 0.15), rng.uniform(0.3, 0.8)
    score = evaluate(a, b, 1)[1]
    step = 1e-6
    for k, (da, db) in enumerate(((step, 0.0), (0.0, step))):
        wanted = (evaluate(a + da, b + db, 0)[0] - evaluate(a - da, b - db, 0)[0]) / (2 * step)
        scale = np.abs(wanted).max() + 1.0
        np.testing.assert_allclose(score[:, k] / scale, wanted / scale, atol=1e-6)


@given(st.data(), st.integers(2, 4), DISTS, st.booleans(), seeds)
@settings(max_examples=25, deadline=None)
def test_adjoint_equals_finite_differences(data, n, nu, corrected, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((12, n))
    a, b = rng.uniform(0.01, 0.2), rng.uniform(0.2, 0.75)
    s = np.ascontiguousarray(np.corrcoef(rng.standard_normal((n, 20))))
    block = data.draw(blockings(n))
    theta = np.array([a, b])

    def news(z):
        return CDCCLikelihood(z, dist="normal", target=np.eye(n)).at(theta, 0)[0] if corrected else z

    def total(z, s):
        return run(a, b, nu, z, s, block, 0, news(z), np.zeros((2, *z.shape)) if corrected else None)[0].sum()

    sizes = np.bincount(block).astype(float)
    dz, ds = deco_adjoint(a, b, nu, constants(nu, n), z, news(z), int(corrected), s, block, sizes)
    step = 1e-5
    wanted = np.empty_like(z)
    for t, i in np.ndindex(*z.shape):
        up, down = z.copy(), z.copy()
        up[t, i] += step
        down[t, i] -= step
        wanted[t, i] = (total(up, s) - total(down, s)) / (2 * step)
    np.testing.assert_allclose(dz, wanted, atol=1e-6 * max(1.0, np.abs(wanted).max()))
    turn = rng.standard_normal((n, n))
    turn = turn + turn.T
    if corrected:
        np.fill_diagonal(turn, 0.0)  # the diagonal of cDCC's target is one, in its news as well
    slope = (total(z, s + step * turn) - total(z, s - step * turn)) / (2 * step)
    np.testing.assert_allclose((ds * turn).sum(), slope, rtol=1e-5, atol=1e-6 * (1.0 + np.abs(ds).sum()))
    np.testing.assert_allclose(ds, ds.T, atol=1e-10 * (1.0 + np.abs(ds).max()))


@pytest.mark.parametrize("nu", [0.0, 6.0])
def test_blocks_of_one_are_dcc(nu):
    rng = np.random.default_rng(0)
    n = 5
    z = rng.standard_normal((300, n)) + 0.6 * rng.standard_normal((300, 1))
    s = np.ascontiguousarray(np.corrcoef(z.T))
    single = np.arange(n)
    loglik, score = run(0.06, 0.9, nu, z, s, single, 1)
    wanted, wanted_score, _ = dcc_filter(0.06, 0.9, nu, constants(nu, n), z, s, s, s, 1)
    np.testing.assert_allclose(loglik, wanted, rtol=1e-12)
    np.testing.assert_allclose(score, wanted_score, rtol=1e-9, atol=1e-9)
    dz, ds = deco_adjoint(0.06, 0.9, nu, constants(nu, n), z, z, 0, s, single, np.ones(n))
    other = dcc_adjoint(0.06, 0.9, nu, constants(nu, n), z, s, s, s)
    np.testing.assert_allclose(dz, other[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ds, other[1] + other[2] + other[3], rtol=1e-9, atol=1e-9 * np.abs(ds).max())


def test_one_block_is_the_equicorrelated_density():
    """The formula of the paper, O(N) a date."""
    rng = np.random.default_rng(1)
    n = 8
    z = rng.standard_normal((200, n)) + 0.7 * rng.standard_normal((200, 1))
    s = np.ascontiguousarray(np.corrcoef(z.T))
    block, sizes = np.zeros(n, np.int64), np.array([float(n)])
    rho = deco_path(0.05, 0.9, z, s, block, sizes)[0][:-1, 0, 0]
    squares, total = (z**2).sum(axis=1), z.sum(axis=1)
    quad = (squares - rho * total**2 / (1 + (n - 1) * rho)) / (1 - rho)
    logdet = (n - 1) * np.log1p(-rho) + np.log1p((n - 1) * rho)
    wanted = -0.5 * (n * np.log(2 * np.pi) + logdet + quad)
    np.testing.assert_allclose(run(0.05, 0.9, 0.0, z, s, block, 0)[0], wanted, rtol=1e-12)
    assert (rho > -1 / (n - 1)).all()
    assert (rho < 1).all()


@pytest.mark.parametrize("corrected", [0, 1])
def test_simulation_is_the_path_of_what_it_made(corrected):
    rng = np.random.default_rng(2)
    n = 4
    s = np.full((n, n), 0.3) + 0.7 * np.eye(n)
    block = np.array([0, 0, 1, 1])
    shocks = rng.standard_normal((400, n))
    z, path = deco_simulate(0.08, 0.88, s, shocks, s, corrected, block, np.array([2.0, 2.0]))
    theta = np.array([0.08, 0.88])
    star = CDCCLikelihood(z, dist="normal", target=s).at(theta, 0)[0] if corrected else z
    again = deco_path(0.08, 0.88, star, s, block, np.array([2.0, 2.0]))[0][:-1]
    np.testing.assert_allclose(path, again, atol=1e-12)
    for t in (0, 17, 399):
        low = np.linalg.cholesky(np.where(np.eye(n) > 0, 1.0, path[t][np.ix_(block, block)]))
        np.testing.assert_allclose(z[t], low @ shocks[t], atol=1e-12)
    # a singular matrix gives -inf, not a clipped number
    flat = np.ones((n, n))
    assert run(0.0, 0.0, 0.0, z, flat, np.zeros(n, np.int64), 0)[0][0] == -np.inf
