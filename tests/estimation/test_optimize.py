"""The optimiser on likelihoods whose maximum is known: inside the box, on its faces, and where there is none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.errors import ConvergenceError
from cryptoequity.estimation.inference import free_part, sandwich, spread
from cryptoequity.estimation.optimize import maximize
from cryptoequity.estimation.params import Layout, interval, positive, real, subsimplex
from strategies import seeds


@dataclasses.dataclass
class Quadratic:
    """Log-likelihood -1/2 (x_t - theta)' P (x_t - theta) per observation; the maximum is the mean of x."""

    data: np.ndarray
    precision: np.ndarray
    layout: Layout
    seen: list = dataclasses.field(default_factory=list)

    def evaluate(self, theta, want):
        self.seen.append(theta.copy())
        gap = self.data - theta
        pulled = gap @ self.precision
        return -0.5 * np.einsum("tk,tk->t", gap, pulled), pulled if want else np.empty((0, theta.size))


@dataclasses.dataclass
class Normal:
    """Mean and variance of a normal sample."""

    data: np.ndarray
    layout: Layout = dataclasses.field(default_factory=lambda: Layout([real("mu"), positive("v")]))

    def evaluate(self, theta, want):
        mu, v = theta
        e = self.data - mu
        loglik = -0.5 * (np.log(2 * np.pi * v) + e**2 / v)
        score = np.stack([e / v, 0.5 * (e**2 / v - 1) / v], 1)
        return loglik, score


@given(seeds, st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_interior_optimum(seed, k):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((k, k))
    data = rng.standard_normal((200, k)) * 10.0 ** rng.uniform(-1, 1, k)
    lik = Quadratic(data, root @ root.T + 0.1 * np.eye(k), Layout([real(*"abcd"[:k])]))
    optimum = maximize(lik, [np.zeros(k), np.ones(k)], polish=2)
    assert optimum.converged
    assert optimum.agreement == 1.0
    best = lik.evaluate(data.mean(0), 0)[0].sum()
    assert optimum.loglik > best - 1e-6
    assert not any(optimum.pinned)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_the_box_is_respected_and_pinned_bounds_are_reported(seed):
    """The maximum lies outside: the answer is on the face nearest in the metric, and says so."""
    rng = np.random.default_rng(seed)
    center = rng.uniform(-2, 2, 2)
    data = center + 0.5 * rng.standard_normal((100, 2))
    layout = Layout([interval("x", -0.5, 0.7), interval("y", -0.2, 1.0)])
    lik = Quadratic(data, np.diag([1.0, 3.0]), layout)
    optimum = maximize(lik, [np.array([0.1, 0.1])])
    seen = np.array(lik.seen)
    assert (seen >= layout.lower).all()
    assert (seen <= layout.upper).all()
    mean = data.mean(0)
    wanted = np.clip(mean, layout.lower, layout.upper)
    assert optimum.converged
    np.testing.assert_allclose(optimum.theta, wanted, atol=1e-4)
    assert optimum.pinned == tuple((mean < layout.lower) | (mean > layout.upper))
    for i, pinned in enumerate(optimum.pinned):
        if pinned:
            assert optimum.theta[i] == wanted[i]  # exactly on the bound, not near it


def test_simplex_corner_is_reached_exactly():
    data = np.full((50, 2), [-0.3, 0.4]) + 0.01 * np.random.default_rng(0).standard_normal((50, 2))
    lik = Quadratic(data, np.eye(2), Layout([subsimplex("a", "b")]))
    optimum = maximize(lik, [np.array([0.3, 0.3])])
    assert optimum.converged
    assert optimum.theta[0] == 0.0
    np.testing.assert_allclose(optimum.theta[1], data[:, 1].mean(), atol=1e-4)


def test_normal_sample_has_the_closed_form_and_its_errors():
    data = np.random.default_rng(1).standard_t(8, 4000) * 2 + 1
    lik = Normal(data)
    optimum = maximize(lik, [np.array([0.0, 1.0])], tol=1e-10)
    np.testing.assert_allclose(optimum.theta, [data.mean(), data.var()], rtol=1e-6)
    part = free_part(lik, optimum)
    e = data - data.mean()
    for cov_type, wanted in {
        # the sandwich of a normal likelihood is right whatever the law: var(e)/T, var(e^2)/T
        "robust": [e.var() / 4000, (e**2).var() / 4000],
        "classic": [e.var() / 4000, 2 * e.var() ** 2 / 4000],
    }.items():
        cov = spread(sandwich(part.hessian, part.score, cov_type), part.jacobian)
        np.testing.assert_allclose(np.diag(cov), wanted, rtol=1e-4)
        np.testing.assert_array_equal(cov, cov.T)


def test_a_pinned_parameter_has_no_error_and_the_others_keep_theirs():
    rng = np.random.default_rng(2)
    data = np.array([-1.0, 0.3]) + rng.standard_normal((500, 2))
    lik = Quadratic(data, np.eye(2), Layout([interval("x", 0.0, 1.0), real("y")]))
    optimum = maximize(lik, [np.array([0.5, 0.0])])
    part = free_part(lik, optimum)
    assert part.free.tolist() == [False, True]
    cov = spread(sandwich(part.hessian, part.score), part.jacobian)
    assert np.isnan(cov[0]).all()
    assert np.isnan(cov[:, 0]).all()
    np.testing.assert_allclose(cov[1, 1], data[:, 1].var() / 500, rtol=1e-6)


def test_stopping_short_is_a_value_or_an_error():
    lik = Normal(np.random.default_rng(1).standard_normal(300) * 5 + 3)
    far = [np.array([-40.0, 1000.0])]
    optimum = maximize(lik, far, max_iter=1)
    assert not optimum.converged
    assert optimum.reason == "no convergence in 1 iterations"
    assert np.isfinite(optimum.loglik)
    with pytest.raises(ConvergenceError, match="no convergence in 1 iterations"):
        maximize(lik, far, max_iter=1, strict=True)


def test_starts_that_are_not_finite_lose_to_one_that_is():
    class Broken(Normal):
        def evaluate(self, theta, want):
            loglik, score = super().evaluate(theta, want)
            return (loglik - np.inf if theta[1] > 50 else loglik), score

    lik = Broken(np.random.default_rng(1).standard_normal(300))
    optimum = maximize(lik, [np.array([0.0, 100.0]), np.array([0.0, 2.0])], polish=2)
    assert optimum.converged
    assert optimum.agreement == 0.5
    only = maximize(lik, [np.array([0.0, 100.0])])
    assert not only.converged
    assert "not finite at the starting values" in only.reason


def test_a_warm_start_saves_evaluations():
    lik = Normal(np.random.default_rng(1).standard_normal(3000) * 2)
    cold = maximize(lik, [np.array([0.5, 1.0])])
    warm = maximize(lik, [cold.theta + np.array([0.01, 0.02])], curvature=cold.curvature)
    assert warm.evaluations < cold.evaluations
    np.testing.assert_allclose(warm.theta, cold.theta, rtol=1e-5, atol=1e-6)
