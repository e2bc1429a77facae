"""The box: round trips, feasibility, Jacobians."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.estimation.params import PERSISTENCE_CAP, Layout, correlation, interval, positive, real, subsimplex
from cryptoequity.volatility import GARCH
from cryptoequity.volatility.likelihood import layout_of
from strategies import margin_specs, margin_theta, seeds

EVERYTHING = Layout(
    [
        real("mu", "phi"),
        positive("omega"),
        subsimplex("a", "b", "c"),
        interval("lam", -0.9, 0.9),
        subsimplex("d"),
        interval("nu", 2.05, 500.0, log_from=2.0),
    ]
)


def points(layout: Layout):
    """Anywhere in the box, its faces included."""
    low = np.where(np.isfinite(layout.lower), layout.lower, -5.0)
    high = np.where(np.isfinite(layout.upper), layout.upper, 5.0)
    place = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0))
    return st.lists(place, min_size=layout.size, max_size=layout.size).map(lambda w: low + np.array(w) * (high - low))


@given(points(EVERYTHING))
@settings(max_examples=200, deadline=None)
def test_every_point_of_the_box_is_feasible_and_comes_back(u):
    theta = EVERYTHING.natural(u)
    _, _, omega, a, b, c, lam, d, nu = theta
    assert omega > 0
    assert -0.9 <= lam <= 0.9
    assert 2.05 - 1e-12 <= nu <= 500 + 1e-9
    assert min(a, b, c, d) >= 0
    assert a + b + c <= PERSISTENCE_CAP + 1e-15
    assert d <= PERSISTENCE_CAP
    np.testing.assert_allclose(EVERYTHING.natural(EVERYTHING.box(theta)), theta, rtol=1e-9, atol=1e-12)


@given(points(EVERYTHING))
@settings(max_examples=100, deadline=None)
def test_jacobian_equals_differences(u):
    jacobian = EVERYTHING.jacobian(u)
    for j in range(u.size):
        step = 1e-6
        up, down = u.copy(), u.copy()
        up[j] += step
        down[j] -= step
        wanted = (EVERYTHING.natural(up) - EVERYTHING.natural(down)) / (2 * step)
        np.testing.assert_allclose(jacobian[:, j], wanted, rtol=1e-6, atol=1e-8)


@given(margin_specs(), seeds)
@settings(max_examples=100, deadline=None)
def test_margin_layouts(spec, seed):
    layout = layout_of(spec)
    theta = margin_theta(spec, np.random.default_rng(seed))
    np.testing.assert_allclose(layout.natural(layout.box(theta)), theta, rtol=1e-9, atol=1e-10)
    u = layout.box(theta)
    jacobian = layout.jacobian(u)
    for j in range(u.size):
        up, down = u.copy(), u.copy()
        up[j] += 1e-6
        down[j] -= 1e-6
        np.testing.assert_allclose(
            jacobian[:, j], (layout.natural(up) - layout.natural(down)) / 2e-6, rtol=1e-6, atol=1e-7
        )


GJR = layout_of(GARCH(asymmetric=True))


@given(points(GJR))
@settings(max_examples=100, deadline=None)
def test_the_sign_term_may_be_negative_but_no_news_may(u):
    _, _, alpha, gamma, beta = GJR.natural(u)
    assert alpha >= 0
    assert alpha + gamma >= -1e-15
    assert beta >= 0
    assert alpha + 0.5 * gamma + beta <= PERSISTENCE_CAP + 1e-12


def test_points_outside_go_to_the_boundary():
    layout = Layout([subsimplex("a", "b")])
    u = layout.box(np.array([0.2, 1.5]))
    assert (u >= layout.lower).all()
    assert (u <= layout.upper).all()
    assert layout.natural(u).sum() <= PERSISTENCE_CAP
    np.testing.assert_array_equal(layout.natural(layout.box(np.zeros(2))), np.zeros(2))
    layout = Layout([positive("omega"), interval("nu", 2.05, 500.0, log_from=2.0)])
    np.testing.assert_allclose(layout.natural(layout.box(np.array([-1.0, 1.5]))), (1e-10, 2.05))


def test_names_keep_their_order():
    assert EVERYTHING.names == ("mu", "phi", "omega", "a", "b", "c", "lam", "d", "nu")


@given(n=st.integers(2, 6), seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_a_correlation_block_is_positive_definite_everywhere_and_inverts(n, seed):
    rng = np.random.default_rng(seed)
    pairs = n * (n - 1) // 2
    layout = Layout([real("x"), correlation(*(f"r{k}" for k in range(pairs))), interval("g", 0.0, 1.0)])
    u = np.concatenate([[0.3], rng.uniform(-0.98, 0.98, pairs), [0.5]])
    theta, jacobian = layout.map(u)
    matrix = np.eye(n)
    rows, cols = np.triu_indices(n, 1)
    matrix[rows, cols] = matrix[cols, rows] = theta[1:-1]
    assert np.linalg.eigvalsh(matrix)[0] > 0
    np.testing.assert_allclose(np.linalg.slogdet(matrix)[1], np.log1p(-(u[1:-1] ** 2)).sum(), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(layout.box(theta), u, atol=1e-6)
    steps = 1e-6 * np.eye(u.size)
    numeric = np.array([(layout.natural(u + e) - layout.natural(u - e)) / 2e-6 for e in steps]).T
    np.testing.assert_allclose(jacobian, numeric, atol=1e-7)


def test_a_correlation_block_takes_what_is_not_positive_definite_to_its_edge():
    layout = Layout([correlation("a", "b", "c")])
    inside = layout.natural(layout.box(np.array([0.9, 0.9, -0.9])))
    matrix = np.array([[1, inside[0], inside[1]], [inside[0], 1, inside[2]], [inside[1], inside[2], 1]])
    assert 0 < np.linalg.eigvalsh(matrix)[0] < 0.05
    with pytest.raises(ValueError, match="2 names: a correlation matrix"):
        correlation("a", "b")
