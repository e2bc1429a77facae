"""The BEKK kernels against a plain reading of the recursion, finite differences and their own inverse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.kernels.bekk import (
    bekk_adjoint,
    bekk_filter_elements,
    bekk_filter_full,
    bekk_path,
    bekk_simulate,
)
from cryptoequity.volatility.density import t_constants
from strategies import residuals, seeds

NUS = st.sampled_from([0.0, 2.2, 8.0, 400.0])


def constants(nu: float, n: int) -> np.ndarray:
    return np.array(t_constants(nu, n)) if nu else np.array([-0.5 * n * math.log(2 * math.pi), 0.0])


def density(e, h, nu):
    """Log density by scipy, or by dense algebra for the normal."""
    n = len(e)
    if nu:
        return stats.multivariate_t(np.zeros(n), h * (nu - 2) / nu, df=nu).logpdf(e)
    return -0.5 * (n * math.log(2 * math.pi) + np.linalg.slogdet(h)[1] + e @ np.linalg.solve(h, e))


def plain(full, c, a, g, b, nu, e, start, fixed):
    """H_t (T+1, N, N) and log densities (T,), matrix by matrix."""
    s, neg, h = start
    paths, loglik = [], []
    for t in range(len(e) + 1):
        if t > 0 or not fixed:
            if full:
                h = c + a.T @ s @ a + g.T @ neg @ g + b.T @ h @ b
            else:
                h = c + a * s + g * neg + b * h
        paths.append(h)
        if t == len(e):
            break
        loglik.append(density(e[t], h, nu))
        fall = np.minimum(e[t], 0)
        s, neg = np.outer(e[t], e[t]), np.outer(fall, fall)
    return np.array(paths), np.array(loglik)


def start_of(rng, n):
    """Positive definite news, bad news and covariance before the sample."""
    draws = rng.standard_normal((3 * n, n)) + 0.3 * rng.standard_normal((3 * n, 1))
    falls = np.minimum(draws, 0)
    s = draws.T @ draws / len(draws)
    return s, falls.T @ falls / len(falls), 0.8 * s + 0.2 * np.eye(n)


def matrices(rng, n, kind):
    """C with its factor L, the three weights, and the vectors behind those of the diagonal model."""
    low = np.tril(0.2 * rng.standard_normal((n, n))) + 0.3 * np.eye(n)
    c = low @ low.T
    if kind == "full":
        a, g, b = (np.diag(size) + 0.04 * rng.standard_normal((n, n)) for size in rng.uniform(0.1, 0.5, (3, n)))
        b = b + 0.4 * np.eye(n)
        return low, c, a, g, b, np.zeros((3, 0))
    if kind == "scalar":
        a, g, b = (np.full((n, n), size) for size in (0.05, 0.06, 0.85))
        return low, c, a, g, b, np.zeros((3, 0))
    weights = rng.uniform(0.1, 0.4, (3, n))
    weights[2] += 0.5
    return low, c, *(np.outer(w, w) for w in weights), weights


def run(kind, low, c, a, g, b, weights, news, nu, e, start, fixed, want, base=None):
    n = e.shape[1]
    base_s, base_n = base if base is not None else (np.zeros((n, n)), np.zeros((n, n)))
    tail = (news, base_s, base_n, nu, constants(nu, n), e, *start, fixed, want)
    if kind == "full":
        return bekk_filter_full(c, a, g, b, low, *tail)
    return bekk_filter_elements(c, a, g, b, low, weights, *tail)


@pytest.mark.parametrize("kind", ["scalar", "diagonal", "full"])
@given(n=st.integers(2, 5), nu=NUS, fixed=st.booleans(), seed=seeds)
@settings(max_examples=25, deadline=None)
def test_likelihood_equals_the_dense_recursion(kind, n, nu, fixed, seed):
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((25, n))
    start = start_of(rng, n)
    low, c, a, g, b, weights = matrices(rng, n, kind)
    full = kind == "full"
    paths, wanted = plain(full, c, a, g, b, nu, e, start, fixed)
    for want in (0, 1):
        loglik, score, last = run(kind, low, c, a, g, b, weights, 2, nu, e, start, fixed, want)
        np.testing.assert_allclose(loglik, wanted, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(last, paths[-1], rtol=1e-12, atol=1e-13)
        assert len(score) == (25 if want else 0)
    rows, cols = np.divmod(np.arange(n * n), n)
    path = bekk_path(full, c, a, g, b, e, *start, fixed, rows, cols)
    np.testing.assert_allclose(path.reshape(-1, n, n), paths, rtol=1e-12, atol=1e-13)


def rebuilt(kind, theta, n, news, free, c):
    """Matrices of a parameter vector, as the docstrings of the kernels order it."""
    low = np.zeros((n, n)) if free else np.zeros((0, 0))
    at = 0
    if free:
        cols, rows = np.triu_indices(n)
        low[rows, cols] = theta[: rows.size]
        c, at = low @ low.T, rows.size
    width = {"scalar": 1, "diagonal": n, "full": n * n}[kind]
    parts = [theta[at + k * width : at + (k + 1) * width] for k in range(news + 1)]
    if news == 1:
        parts.insert(1, np.zeros(width))
    weights = np.zeros((3, n if kind == "diagonal" else 0))
    if kind == "full":
        mats = [np.ascontiguousarray(part.reshape(n, n).T) for part in parts]
    elif kind == "scalar":
        mats = [np.full((n, n), part[0]) for part in parts]
    else:
        weights[:] = parts
        mats = [np.outer(part, part) for part in parts]
    return low, c, *mats, weights


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("news", [1, 2])
@pytest.mark.parametrize("kind", ["scalar", "diagonal", "full"])
@given(n=st.integers(2, 4), nu=NUS, fixed=st.booleans(), seed=seeds)
@settings(max_examples=6, deadline=None)
def test_scores_equal_finite_differences(kind, news, free, n, nu, fixed, seed):
    """By the intercept's factor where it is free, by the weights, and by nu; with C known where it is not."""
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((15, n))
    start = start_of(rng, n)
    low, c, a, g, b, weights = matrices(rng, n, kind)
    cols, rows = np.triu_indices(n)
    parts = [low[rows, cols]] if free else []
    for k, m in enumerate((a, g, b)):
        if k == 1 and news == 1:
            continue
        parts.append(
            {"full": m.T.ravel(), "scalar": m[0, :1], "diagonal": weights[k] if kind == "diagonal" else 0}[kind]
        )
    theta = np.concatenate(parts)

    def at(theta, nu, want):
        low, mid, a, g, b, weights = rebuilt(kind, theta, n, news, free, c)
        return run(kind, low, mid, a, g, b, weights, news, nu, e, start, fixed, want)[:2]

    score = at(theta, nu, 1)[1]
    assert score.shape == (15, theta.size + (nu > 0))
    step = 1e-6
    for k in range(theta.size):
        up, down = theta.copy(), theta.copy()
        up[k] += step
        down[k] -= step
        wanted = (at(up, nu, 0)[0] - at(down, nu, 0)[0]) / (2 * step)
        np.testing.assert_allclose(score[:, k], wanted, rtol=0, atol=1e-6 * max(1.0, np.abs(wanted).max()))
    if nu:
        step = 1e-6 * nu if nu > 2.2 else 1e-8
        wanted = (at(theta, nu + step, 0)[0] - at(theta, nu - step, 0)[0]) / (2 * step)
        np.testing.assert_allclose(score[:, -1], wanted, rtol=1e-4, atol=1e-6 * max(1.0, np.abs(wanted).max()))


@pytest.mark.parametrize("full", [True, False])
@given(n=st.integers(2, 4), nu=NUS, fixed=st.booleans(), seed=seeds)
@settings(max_examples=12, deadline=None)
def test_adjoint_equals_finite_differences(full, n, nu, fixed, seed):
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((12, n))
    start = start_of(rng, n)
    _, c, a, g, b, _ = matrices(rng, n, "full" if full else "diagonal")
    const = constants(nu, n)

    def total(e, c, start):
        return plain(full, c, a, g, b, nu, e, start, fixed)[1].sum()

    de, *gradients = bekk_adjoint(full, c, a, g, b, nu, const, e, *start, fixed)
    step = 1e-6
    for _ in range(4):
        turn = rng.standard_normal(e.shape)
        wanted = (total(e + step * turn, c, start) - total(e - step * turn, c, start)) / (2 * step)
        np.testing.assert_allclose((de * turn).sum(), wanted, rtol=1e-5, atol=1e-5)
    for which, gradient in enumerate(gradients):
        turn = rng.standard_normal((n, n))
        turn = turn + turn.T
        ends = []
        for sign in (1, -1):
            moved = [c, *start]
            moved[which] = moved[which] + sign * step * turn
            ends.append(total(e, moved[0], tuple(moved[1:])))
        np.testing.assert_allclose((gradient * turn).sum(), (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(gradient, gradient.T, atol=1e-10 * max(1.0, np.abs(gradient).max()))


@pytest.mark.parametrize("full", [True, False])
@given(e=residuals(nobs=(8, 40)), seed=seeds)
@settings(max_examples=40, deadline=None)
def test_covariances_stay_positive_definite(full, e, seed):
    """Any weights without an upper bound but the float's, any data: C positive definite is enough."""
    rng = np.random.default_rng(seed)
    n = e.shape[1]
    _, c, *_ = matrices(rng, n, "full")
    if full:
        a, g, b = rng.uniform(-1.2, 1.2, (3, n, n)) / math.sqrt(n)
    else:
        a, g, b = (np.outer(w, w) for w in rng.uniform(-1.1, 1.1, (3, n)))
    rows, cols = np.divmod(np.arange(n * n), n)
    start = start_of(rng, n)
    path = bekk_path(full, c, a, g, b, e, *start, False, rows, cols).reshape(-1, n, n)
    np.testing.assert_array_equal(path, path.transpose(0, 2, 1))
    values = np.linalg.eigvalsh(path)
    # the sum of positive semi-definite terms, up to the rounding of the largest of them
    assert (values[:, 0] > -1e-12 * values[:, -1]).all()
    np.testing.assert_array_less(0.0, np.einsum("tii->ti", path))


@pytest.mark.parametrize("kind", ["scalar", "diagonal", "full"])
def test_whitening_inverts_simulation(kind):
    rng = np.random.default_rng(1)
    _, c, a, g, b, _ = matrices(rng, 3, kind)
    shocks = rng.standard_normal((200, 3))
    first = start_of(rng, 3)[2]
    e = bekk_simulate(kind == "full", c, a, g, b, shocks, first)
    paths, _ = plain(kind == "full", c, a, g, b, 0.0, e, (first, first, first), True)
    back = [np.linalg.solve(np.linalg.cholesky(h), one) for h, one in zip(paths, e, strict=False)]
    np.testing.assert_allclose(back, shocks, atol=1e-10)


@pytest.mark.parametrize("kind", ["scalar", "diagonal", "full"])
def test_an_infeasible_point_is_minus_infinity_and_stays_so(kind):
    """Neither a clip nor a NaN: not positive definite from the third date on, or overflowing."""
    rng = np.random.default_rng(2)
    e = rng.standard_normal((30, 2))
    low, c, a, g, b, weights = matrices(rng, 2, kind)
    start = start_of(rng, 2)
    bad = c - 0.9 * np.eye(2)
    loglik, score, _ = run(kind, low, bad, a, g, b, weights, 2, 0.0, e, start, False, 1)
    first = int(np.flatnonzero(np.isinf(loglik))[0])
    assert (loglik[first:] == -np.inf).all()
    assert np.isfinite(loglik[:first]).all()
    assert (score[first:] == 0).all()
    assert np.isfinite(score).all()
    far = np.tile(e, (60, 1))
    loglik, score, _ = run(kind, low, c, a, g, 3.0 * np.ones((2, 2)) + b, weights, 2, 0.0, far, start, False, 1)
    assert loglik[-1] == -np.inf
    assert not np.isnan(loglik).any()
    assert np.isfinite(score[np.isinf(loglik)]).all()
    assert np.isnan(bekk_simulate(kind == "full", bad, a, g, b, e, -np.eye(2))).all()
