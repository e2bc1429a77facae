"""The composite kernels against the mean of the pair kernels, finite differences and exact closed cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.kernels.composite import CHUNK, composite_adjoint, composite_filter
from cryptoequity.kernels.dcc import dcc_adjoint_pair, dcc_filter_pair, dcc_last, dcc_simulate
from cryptoequity.volatility.density import t_constants
from strategies import correlation_matrices, dcc_parameters, residuals, seeds

DISTS = st.sampled_from([0.0, 2.2, 8.0, 400.0])


def constants(nu: float) -> np.ndarray:
    return np.array(t_constants(nu, 2)) if nu else np.array([-math.log(2 * math.pi), 0.0])


def corner(matrix: np.ndarray, i: int, j: int) -> np.ndarray:
    return np.array([matrix[i, i], matrix[i, j], matrix[j, j]])


def pairs_of(n: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = np.triu_indices(n, 1) if kind == "all" else (np.arange(n - 1), np.arange(1, n))
    return rows.astype(np.int64), cols.astype(np.int64)


def one_by_one(a, b, nu, z, target, start, start_q, rows, cols):
    """Mean over pairs of `dcc_filter_pair`, itself tested against scipy."""
    logliks, scores, closest = [], [], 1.0
    for i, j in zip(rows, cols, strict=True):
        two = np.ascontiguousarray(z[:, [i, j]])
        corners = [corner(m, i, j) for m in (target, start, start_q)]
        loglik, rho, score = dcc_filter_pair(a, b, nu, constants(nu), two, *corners, 1)
        logliks.append(loglik)
        scores.append(score)
        closest = min(closest, float((1.0 - rho**2).min()))
    # a density near a correlation of one is the inverse of rounding error, in both readings
    return np.mean(logliks, axis=0), np.mean(scores, axis=0), max(1.0, 1e-4 / max(closest, 1e-300))


@given(st.data(), dcc_parameters(), DISTS, st.sampled_from(["all", "contiguous"]), residuals(sizes=(2, 3, 5)))
@settings(max_examples=80, deadline=None)
def test_equals_the_mean_of_the_pairs(data, parameters, nu, kind, z):
    n = z.shape[1]
    mats = [data.draw(correlation_matrices(n)) for _ in range(3)]
    rows, cols = pairs_of(n, kind)
    loglik, score = composite_filter(*parameters, nu, constants(nu), z, *mats, rows, cols, 1)
    wanted, wanted_score, slack = one_by_one(*parameters, nu, z, *mats, rows, cols)
    if not np.isfinite(wanted).all() or slack > 1e4:
        return
    np.testing.assert_allclose(loglik, wanted, rtol=1e-10 * slack, atol=1e-10 * slack)
    scale = np.abs(wanted_score).max() + 1.0
    np.testing.assert_allclose(score / scale, wanted_score / scale, atol=1e-10 * slack)
    again = composite_filter(*parameters, nu, constants(nu), z, *mats, rows, cols, 0)
    np.testing.assert_array_equal(again[0], loglik)
    assert again[1].shape == (0, 2 if nu == 0 else 3)


def test_more_pairs_than_a_sweep_holds():
    """Sums over sweeps of the dates, and products of many factors, lose nothing."""
    rng = np.random.default_rng(0)
    n = 70
    z = 0.8 * rng.standard_normal((30, n)) + 0.6 * rng.standard_normal((30, 1))
    z[7] *= 1e3
    z[11, :] = z[11, 0]
    target = np.full((n, n), 0.95) + 0.05 * np.eye(n)
    rows, cols = pairs_of(n, "all")
    assert rows.size > CHUNK
    for nu in (0.0, 4.0):
        loglik, score = composite_filter(0.05, 0.9, nu, constants(nu), z, target, target, target, rows, cols, 1)
        wanted, wanted_score, _ = one_by_one(0.05, 0.9, nu, z, target, target, target, rows, cols)
        np.testing.assert_allclose(loglik, wanted, rtol=1e-10)
        np.testing.assert_allclose(score, wanted_score, rtol=1e-9, atol=1e-9 * np.abs(wanted_score).max())


@given(st.integers(2, 5), DISTS, st.sampled_from(["all", "contiguous"]), seeds)
@settings(max_examples=25, deadline=None)
def test_score_equals_finite_differences(n, nu, kind, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((40, n))
    target = np.ascontiguousarray(np.corrcoef(rng.standard_normal((n, 30))))
    theta = np.array([rng.uniform(0.01, 0.15), rng.uniform(0.3, 0.8), nu])
    rows, cols = pairs_of(n, kind)

    def run(p, want):
        return composite_filter(p[0], p[1], p[2], constants(p[2]), z, target, target, target, rows, cols, want)

    score = run(theta, 1)[1]
    for k in range(score.shape[1]):
        step = 1e-5 * max(theta[k], 1e-2) if k < 2 else 1e-5 * (nu - 2)
        move = step * (np.arange(3) == k)
        wanted = (run(theta + move, 0)[0] - run(theta - move, 0)[0]) / (2 * step)
        scale = np.abs(wanted).max() + (1e-3 if k == 2 else 1.0)
        np.testing.assert_allclose(score[:, k] / scale, wanted / scale, atol=1e-6, err_msg=f"coordinate {k}")


@given(st.integers(2, 4), DISTS, st.sampled_from(["all", "contiguous"]), seeds)
@settings(max_examples=15, deadline=None)
def test_adjoint_equals_finite_differences(n, nu, kind, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((12, n))
    a, b = rng.uniform(0.01, 0.2), rng.uniform(0.2, 0.75)
    mats = [np.ascontiguousarray(np.corrcoef(rng.standard_normal((n, 20)))) for _ in range(3)]
    rows, cols = pairs_of(n, kind)

    def total(z, mats):
        return composite_filter(a, b, nu, constants(nu), z, *mats, rows, cols, 0)[0].sum()

    dz, *gradients = composite_adjoint(a, b, nu, constants(nu), z, *mats, rows, cols)
    step = 1e-5
    wanted = np.empty_like(z)
    for t, i in np.ndindex(*z.shape):
        move = np.zeros_like(z)
        move[t, i] = step
        wanted[t, i] = (total(z + move, mats) - total(z - move, mats)) / (2 * step)
    np.testing.assert_allclose(dz, wanted, atol=1e-6 * max(1.0, np.abs(wanted).max()))
    for which, gradient in enumerate(gradients):
        turn = rng.standard_normal((n, n))
        turn = turn + turn.T
        ends = [total(z, [m + sign * step * turn * (k == which) for k, m in enumerate(mats)]) for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(
            (gradient * turn).sum(), slope, rtol=1e-6, atol=1e-6 * (0.1 + np.abs(gradient).sum())
        )
        np.testing.assert_array_equal(gradient, gradient.T)
        used = np.eye(n, dtype=bool)
        used[rows, cols] = used[cols, rows] = True
        assert (gradient[~used] == 0).all()


@pytest.mark.parametrize("nu", [0.0, 5.0])
def test_two_columns_are_the_full_likelihood(nu):
    rng = np.random.default_rng(1)
    z = rng.standard_normal((300, 2)) @ np.array([[1.0, 0.5], [0.0, 0.9]])
    target = np.array([[1.0, 0.5], [0.5, 1.0]])
    half = corner(target, 0, 1)
    rows, cols = pairs_of(2, "contiguous")
    loglik, score = composite_filter(0.05, 0.9, nu, constants(nu), z, target, target, target, rows, cols, 1)
    wanted, _, wanted_score = dcc_filter_pair(0.05, 0.9, nu, constants(nu), z, half, half, half, 1)
    np.testing.assert_allclose(loglik, wanted, rtol=1e-13)
    np.testing.assert_allclose(score, wanted_score, rtol=1e-11, atol=1e-12)
    ours = composite_adjoint(0.05, 0.9, nu, constants(nu), z, target, target, target, rows, cols)
    theirs = dcc_adjoint_pair(0.05, 0.9, nu, constants(nu), z, half, half, half)
    for got, want in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_correlation_of_one_is_infeasible():
    z = np.random.default_rng(0).standard_normal((6, 3))
    target = np.eye(3)
    target[0, 1] = target[1, 0] = 1.0
    rows, cols = pairs_of(3, "contiguous")
    loglik = composite_filter(0.0, 0.0, 0.0, constants(0.0), z, target, target, target, rows, cols, 0)[0]
    assert (loglik == -np.inf).all()


def test_last_q_is_that_of_the_recursion():
    rng = np.random.default_rng(3)
    target = np.full((4, 4), 0.3) + 0.7 * np.eye(4)
    z = dcc_simulate(0.05, 0.9, target, rng.standard_normal((50, 4)), target)
    q, start = target.copy(), np.eye(4)
    for t in range(51):
        q = 0.05 * target + 0.05 * (np.outer(z[t - 1], z[t - 1]) if t else start) + 0.9 * q
    np.testing.assert_allclose(dcc_last(0.05, 0.9, z, target, start, target), q, rtol=1e-13)
