"""Driven DCC kernels against a plain reading of the recursion, finite differences, and DCC itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.kernels.dcc import dcc_filter
from cryptoequity.kernels.dccx import (
    driven_adjoint,
    driven_adjoint_pair,
    driven_filter,
    driven_filter_pair,
    driven_limits,
    driven_path,
    driven_simulate,
    fisher_adjoint,
    fisher_filter,
    fisher_simulate,
    spend_room,
)
from cryptoequity.kernels.gas import gas_filter
from cryptoequity.volatility.density import t_constants
from strategies import seeds

DISTS = st.sampled_from([0.0, 3.0, 8.0])
LOWER = ([0, 1, 1], [0, 0, 1])


def constants(nu, n):
    return np.array(t_constants(nu, n)) if nu else np.array([-0.5 * n * math.log(2 * math.pi), 0.0])


def log_density(z, r, nu):
    n = z.size
    if nu:
        return stats.multivariate_t(np.zeros(n), r * (nu - 2) / nu, df=nu).logpdf(z)
    return -0.5 * (n * math.log(2 * math.pi) + np.linalg.slogdet(r)[1] + z @ np.linalg.solve(r, z))


def correlation_of(rng, n):
    loadings = rng.standard_normal((n, n + 2))
    cov = loadings @ loadings.T + np.eye(n)
    root = np.sqrt(np.diag(cov))
    return cov / np.outer(root, root)


class Problem:
    """A random feasible model: levels over blocks of 7 dates, two drivers, some parameters behind the levels."""

    def __init__(self, n, nu, seed, drivers=2, extra=2, nobs=40):
        rng = np.random.default_rng(seed)
        self.rng, self.n, self.nu, self.size = rng, n, nu, 7
        self.z = rng.standard_normal((nobs, n))
        count = -(-nobs // self.size)
        self.levels = np.stack([correlation_of(rng, n) for _ in range(count)])
        self.slopes = 0.05 * rng.standard_normal((extra, count, n, n))
        self.slopes += self.slopes.transpose(0, 1, 3, 2)
        self.x = rng.uniform(-1, 1, (nobs, drivers))
        roots = rng.standard_normal((drivers, n, 2))
        self.blocks = roots @ roots.transpose(0, 2, 1)
        self.a, self.b = rng.uniform(0.02, 0.15), rng.uniform(0.3, 0.7)
        lowest = min(np.linalg.eigvalsh(level)[0] for level in self.levels)
        top = sum(np.linalg.eigvalsh(block)[-1] for block in self.blocks) + 1e-9
        self.c = rng.choice([-1, 1], drivers) * 0.9 * (1 - self.a - self.b) * lowest / top
        self.extra = np.zeros(extra)
        self.const = constants(nu, n)

    def theta(self):
        return np.array([self.a, self.b, *self.extra, *self.c, *([self.nu] if self.nu else [])])

    def at(self, theta):
        """Levels move linearly with the extra parameters, so that the slopes are exact."""
        e = self.extra.size
        levels = self.levels + np.einsum("e,ebij->bij", theta[2 : 2 + e], self.slopes)
        nu = theta[-1] if self.nu else 0.0
        c = theta[2 + e : 2 + e + self.c.size].copy()
        return theta[0], theta[1], c, nu, constants(nu, self.n), levels

    def filter(self, theta, want=0, z=None, levels=None):
        a, b, c, nu, const, own = self.at(theta)
        levels = own if levels is None else levels
        z = self.z if z is None else z
        return driven_filter(a, b, c, nu, const, z, levels, self.slopes, self.size, self.x, self.blocks, want)

    def pair(self, theta, want=0):
        a, b, c, nu, const, levels = self.at(theta)
        rows, cols = LOWER
        lv, sl, bl = levels[:, rows, cols], self.slopes[:, :, rows, cols], self.blocks[:, rows, cols]
        return driven_filter_pair(a, b, c, nu, const, self.z, lv.copy(), sl.copy(), self.size, self.x, bl.copy(), want)

    def plain(self, theta):
        a, b, c, nu, _, levels = self.at(theta)
        q = s = levels[0]
        loglik, paths = [], []
        for t, z in enumerate(self.z):
            push = sum(c[m] * self.x[t, m] * self.blocks[m] for m in range(c.size))
            q = (1 - a - b) * levels[t // self.size] + push + a * s + b * q
            root = np.sqrt(np.diag(q))
            r = q / np.outer(root, root)
            paths.append(r)
            loglik.append(log_density(z, r, nu))
            s = np.outer(z, z)
        return np.array(loglik), np.array(paths), q


@given(st.integers(2, 4), DISTS, seeds, st.integers(0, 3), st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_likelihood_and_path_equal_a_plain_reading(n, nu, seed, drivers, extra):
    p = Problem(n, nu, seed, drivers, extra)
    wanted, paths, last = p.plain(p.theta())
    loglik, _, q = p.filter(p.theta())
    np.testing.assert_allclose(loglik, wanted, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(q, last, rtol=1e-12, atol=1e-13)
    rows, cols = np.triu_indices(n, 1)
    args = (p.a, p.b, p.c, p.z, p.levels, p.size, p.x, p.blocks, p.levels[0], p.levels[0], rows, cols)
    np.testing.assert_allclose(driven_path(*args), paths[:, rows, cols], atol=1e-12)
    if n == 2:
        two, _, q = p.pair(p.theta())
        np.testing.assert_allclose(two, wanted, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(q, last[LOWER], rtol=1e-12)


@given(st.integers(2, 4), DISTS, seeds, st.integers(0, 3), st.integers(0, 2))
@settings(max_examples=30, deadline=None)
def test_scores_equal_finite_differences(n, nu, seed, drivers, extra):
    p = Problem(n, nu, seed, drivers, extra)
    theta = p.theta()
    score = p.filter(theta, 1)[1]
    if n == 2:
        np.testing.assert_allclose(p.pair(theta, 1)[1], score, rtol=1e-9, atol=1e-9 * np.abs(score).max())
    for k in range(theta.size):
        step = np.zeros(theta.size)
        step[k] = 1e-5
        wanted = (p.filter(theta + step)[0] - p.filter(theta - step)[0]) / 2e-5
        np.testing.assert_allclose(score[:, k], wanted, atol=1e-6 * max(1.0, np.abs(score).max()))


@given(st.integers(2, 4), DISTS, seeds)
@settings(max_examples=20, deadline=None)
def test_adjoint_equals_finite_differences(n, nu, seed):
    p = Problem(n, nu, seed)
    theta = p.theta()
    a, b, c, nu, const, levels = p.at(theta)
    dz, by_level = driven_adjoint(a, b, c, nu, const, p.z, levels, p.size, p.x, p.blocks)
    if n == 2:
        rows, cols = LOWER
        two = driven_adjoint_pair(
            a, b, c, nu, const, p.z, levels[:, rows, cols].copy(), p.size, p.x, p.blocks[:, rows, cols].copy()
        )
        np.testing.assert_allclose(two[0], dz, rtol=1e-9, atol=1e-9 * np.abs(dz).max())
        # a level of unit diagonal: only its correlation counts, and both readings agree on every element
        np.testing.assert_allclose(two[1], by_level, rtol=1e-8, atol=1e-8 * np.abs(by_level).max())
    step = 1e-5
    for _ in range(4):
        way = p.rng.standard_normal(p.z.shape)
        wanted = (p.filter(theta, z=p.z + step * way)[0] - p.filter(theta, z=p.z - step * way)[0]).sum() / (2 * step)
        np.testing.assert_allclose((dz * way).sum(), wanted, rtol=1e-5, atol=1e-5)
        turn = 0.1 * p.rng.standard_normal(levels.shape)
        turn += turn.transpose(0, 2, 1)
        up, down = (p.filter(theta, levels=levels + sign * step * turn)[0].sum() for sign in (1, -1))
        np.testing.assert_allclose((by_level * turn).sum(), (up - down) / (2 * step), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("n", [2, 3])
def test_without_drivers_it_is_dcc(n):
    p = Problem(n, 0.0, 3, drivers=0, extra=0)
    target = p.levels[:1]
    wanted, score, _ = dcc_filter(p.a, p.b, 0.0, p.const, p.z, target[0], target[0], target[0], 1)
    got = driven_filter(p.a, p.b, p.c, 0.0, p.const, p.z, target, p.slopes[:, :1], 1000, p.x, p.blocks, 1)
    np.testing.assert_allclose(got[0], wanted, rtol=1e-13)
    np.testing.assert_allclose(got[1], score, rtol=1e-12, atol=1e-12)


@given(st.integers(2, 4), seeds)
@settings(max_examples=20, deadline=None)
def test_simulation_inverts_to_its_shocks(n, seed):
    p = Problem(n, 0.0, seed)
    shocks = p.rng.standard_normal(p.z.shape)
    args = (p.levels, p.size, p.x, p.blocks, p.levels[0], p.levels[0])
    z = driven_simulate(p.a, p.b, p.c, shocks, *args)
    rows, cols = np.triu_indices(n, 1)
    path = driven_path(p.a, p.b, p.c, z, *args, rows, cols)
    for t in range(len(z)):
        r = np.eye(n)
        r[rows, cols] = r[cols, rows] = path[t]
        np.testing.assert_allclose(np.linalg.cholesky(r) @ shocks[t], z[t], atol=1e-10)


@pytest.mark.parametrize("n", [2, 3])
def test_a_matrix_that_is_not_positive_definite_is_minus_infinity_from_its_date_on(n):
    p = Problem(n, 0.0, 0, drivers=1, extra=1)
    p.x[:] = 0.0
    p.x[20, 0] = -50.0
    p.c[:] = 1.0
    for loglik, score, _ in [p.filter(p.theta(), 1)] + ([p.pair(p.theta(), 1)] if n == 2 else []):
        assert np.isfinite(loglik[:20]).all()
        assert (loglik[20:] == -np.inf).all()
        assert np.isfinite(score).all()
    shocks = np.random.default_rng(0).standard_normal(p.z.shape)
    z = driven_simulate(p.a, p.b, p.c, shocks, p.levels, p.size, p.x, p.blocks, p.levels[0], p.levels[0])
    assert np.isfinite(z[:20]).all()
    assert np.isnan(z[20:]).all()


@given(seeds, st.integers(0, 4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_room_is_never_overspent_and_its_slopes_are_right(seed, drivers, sample):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((50, drivers))
    x -= x.mean(axis=0)
    top = rng.uniform(0.5, 3.0, drivers)
    theta = np.array([*rng.uniform(0.01, 0.45, 2), *rng.uniform(0, 1, drivers), 7.0])
    ends = rng.random(drivers) < 0.2
    theta[2:-1] = np.where(ends, rng.choice([0.0, 1.0], drivers), theta[2:-1])

    def mapped(point):
        return spend_room(point, *driven_limits(point[0], point[1], x, top, 0.999, sample))

    out, jac = mapped(theta)
    limits, _ = driven_limits(theta[0], theta[1], x, top, 0.999, sample)
    c = out[2:-1]
    assert np.sum(np.maximum(c / limits[:, 1], -c / limits[:, 0])) <= 1 + 1e-12
    assert out[-1] == 7.0
    unit = theta[2:-1] * limits.sum(axis=1) - limits[:, 0]
    if np.any(np.abs(unit) < 1e-4 * limits.sum(axis=1)) or ends.any():
        return  # an effect of zero: the room left to others has a kink there
    for k in range(theta.size):
        step = 1e-7
        up, down = theta.copy(), theta.copy()
        up[k] += step
        down[k] -= step
        np.testing.assert_allclose(jac[:, k], (mapped(up)[0] - mapped(down)[0]) / (2 * step), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sample", [False, True])
def test_limits_are_those_of_the_recursion_without_news(sample):
    rng = np.random.default_rng(0)
    x = rng.exponential(1.0, (60, 1))
    x -= x.mean()
    a, b, lam, cap = 0.05, 0.8, 1.7, 1 - 1e-6
    limits, _ = driven_limits(a, b, x, np.array([lam]), cap, sample)
    for side, sign in ((0, -1.0), (1, 1.0)):
        d, k, lowest = 1.0, 0.0, []
        for t in range(60):
            d = b * d + cap - a - b + (a if t == 0 else 0.0)
            k = b * k + x[t, 0]
            # smallest generalized eigenvalue of D Q + c k K, and of the intercept alone
            lowest.append(min(0.0, lam * sign * limits[0, side] * k) + d)
        inside = (cap - a - b) + lam * sign * limits[0, side] * x[:, 0]
        assert abs(min(lowest) if sample else inside.min()) < 1e-12
    wide, _ = driven_limits(a, b, x, np.array([lam]), cap, True)
    assert (wide >= driven_limits(a, b, x, np.array([lam]), cap, False)[0]).all()


def fisher_problem(seed, drivers, nobs=60):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((nobs, 2))
    x = rng.standard_normal((nobs, drivers))
    theta = np.array([rng.uniform(0.01, 0.1), rng.uniform(0.3, 0.9), *rng.normal(0, 0.1, drivers), rng.normal(0, 0.5)])
    return rng, z, x, theta


def fisher(theta, nu, z, x, want=0):
    m = x.shape[1]
    return fisher_filter(theta[2 + m], theta[0], theta[1], theta[2 : 2 + m].copy(), nu, constants(nu, 2), z, x, want)


@given(seeds, st.integers(0, 3), DISTS)
@settings(max_examples=30, deadline=None)
def test_fisher_form_equals_a_plain_reading_and_its_differences(seed, drivers, nu):
    rng, z, x, theta = fisher_problem(seed, drivers)
    loglik, f, score, _ = fisher(theta, nu, z, x, 1)
    a, b, c, level = theta[0], theta[1], theta[2:-1], theta[-1]
    now, news = level, 0.0
    for t in range(len(z)):
        now = level + b * (now - level) + a * news + c @ x[t]
        rho = np.tanh(now)
        r = np.array([[1.0, rho], [rho, 1.0]])
        np.testing.assert_allclose(f[t], now, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(loglik[t], log_density(z[t], r, nu), rtol=1e-10, atol=1e-10)
        quad = z[t] @ np.linalg.solve(r, z[t])
        w = (nu + 2) / (nu - 2 + quad) if nu else 1.0
        info = (nu + 2 + nu * rho**2) / (nu + 4) if nu else 1 + rho**2
        news = (rho + w * (z[t, 0] * z[t, 1] - rho * quad)) / info
    full = np.array([*theta, nu]) if nu else theta
    largest = max(1.0, np.abs(score).max())
    for k in range(full.size):
        step = np.zeros(full.size)
        step[k] = 1e-5
        ends = []
        for sign in (1, -1):
            point = full + sign * step
            ends.append(fisher(point[: theta.size], point[-1] if nu else 0.0, z, x)[0])
        np.testing.assert_allclose(score[:, k], (ends[0] - ends[1]) / 2e-5, atol=2e-6 * largest)
    dz = fisher_adjoint(level, a, b, c.copy(), nu, constants(nu, 2), z, x)
    way = rng.standard_normal(z.shape)
    up, down = (fisher(theta, nu, z + sign * 1e-6 * way, x)[0].sum() for sign in (1, -1))
    np.testing.assert_allclose((dz * way).sum(), (up - down) / 2e-6, rtol=1e-4, atol=1e-4)


def test_fisher_form_without_drivers_is_score_driven():
    _, z, x, theta = fisher_problem(1, 0)
    loglik, f, _, _ = fisher(theta, 6.0, z, x)
    wanted, path, _ = gas_filter(theta[2], theta[0], theta[1], 6.0, constants(6.0, 2), 1.0, z, 0)
    np.testing.assert_allclose(loglik, wanted, rtol=1e-13)
    np.testing.assert_allclose(f, path[:-1], rtol=1e-12)


def test_fisher_simulation_is_filtered_back():
    rng, z, x, theta = fisher_problem(2, 2, 200)
    a, b, c, level = theta[0], theta[1], theta[2:-1].copy(), theta[-1]
    z, f = fisher_simulate(level, a, b, c, 0.0, rng.standard_normal((200, 2)), x, level, 0.0)
    np.testing.assert_allclose(fisher(theta, 0.0, z, x)[1], f, rtol=1e-10)
    # from the middle: f and the last scaled score are all a sample leaves behind
    half = fisher(theta, 0.0, z[:100], x[:100])
    rho = np.tanh(f[100:])
    shocks = np.column_stack([z[100:, 0], (z[100:, 1] - rho * z[100:, 0]) / np.sqrt(1 - rho**2)])
    again, later = fisher_simulate(level, a, b, c, 0.0, shocks, x[100:], half[1][-1], half[3])
    np.testing.assert_allclose(later, f[100:], rtol=1e-9)
    np.testing.assert_allclose(again, z[100:], rtol=1e-8)


def test_fisher_form_that_rounds_to_one_has_no_density():
    _, z, x, theta = fisher_problem(3, 1)
    x[30:] = 1000.0
    theta[2] = 1.0
    loglik, f, score, _ = fisher(theta, 0.0, z, x, 1)
    assert (loglik[30:] == -np.inf).all()
    assert np.isfinite(loglik[:30]).all()
    assert np.isfinite(score).all()
    assert np.isnan(f[30:]).all()
