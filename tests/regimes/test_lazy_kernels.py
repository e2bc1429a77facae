"""Lazily scaled forward and backward passes against the filter and the smoother that scale every date."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.kernels.regime import regime_filter, regime_smoother
from cryptoequity.kernels.regime_lazy import lazy_backward, lazy_densities, lazy_forward


def run(y, mean, inverse, constant, p, first):
    """Log-likelihood, sums of weights, first and second moments, moves and law of the first state; and success."""
    nobs, n = y.shape
    k = len(mean)
    ratio, alpha = np.empty((nobs, k)), np.empty((nobs, k))
    value = lazy_densities(y, mean, inverse, constant, ratio) + lazy_forward(ratio, p, first, alpha)
    out = np.empty(k), np.empty((k, n)), np.zeros((k, n, n)), np.empty((k, k)), np.empty(k)
    done = np.isfinite(value) and lazy_backward(y, y.mean(axis=0), p, ratio, alpha, *out)
    return value, out, bool(done)


def reference(y, mean, inverse, constant, p, first):
    nobs, k = len(y), len(mean)
    e = np.einsum("kab,tkb->tka", inverse, y[:, None] - mean)
    logd = constant - 0.5 * (e**2).sum(axis=2)
    loglik, predicted, filtered = np.empty(nobs), np.empty((nobs, k)), np.empty((nobs, k))
    regime_filter(logd, p[None], first, loglik, predicted, filtered)
    smoothed, moves = np.empty((nobs, k)), np.empty((1, k, k))
    regime_smoother(p[None], predicted, filtered, smoothed, moves)
    gap = y - y.mean(axis=0)
    second = np.tril(np.einsum("tk,ta,tb->kab", smoothed, gap, gap))
    return loglik.sum(), (smoothed.sum(axis=0), smoothed.T @ gap, second, moves[0], smoothed[0])


def world(seed, n, k, nobs, wild):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((nobs, n)) * np.exp(rng.standard_normal((nobs, 1)) * wild)
    mean = rng.standard_normal((k, n))
    inverse = np.tril(0.3 * rng.standard_normal((k, n, n)))
    inverse[:, range(n), range(n)] = np.exp(rng.standard_normal((k, n)))
    constant = np.log(inverse[:, range(n), range(n)]).sum(axis=1)
    p = rng.dirichlet(np.full(k, 0.3), k)
    return y, mean, inverse, constant, p, rng.dirichlet(np.ones(k))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([1, 2, 3]),
    k=st.sampled_from([2, 3, 4]),
    nobs=st.sampled_from([1, 2, 60, 700]),
    wild=st.sampled_from([0.2, 1.0]),
)
def test_sums_are_those_of_filter_and_smoother(seed, n, k, nobs, wild):
    problem = world(seed, n, k, nobs, wild)
    value, sums, done = run(*problem)
    if not done:  # a hopeless date: the loop then scales every date
        return
    wanted, others = reference(*problem)
    assert value == pytest.approx(wanted, rel=1e-11, abs=1e-9)
    for one, other in zip(sums, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9 * max(1.0, np.abs(other).max()))


@pytest.mark.parametrize(("n", "k"), [(1, 2), (1, 3), (2, 2), (2, 3)])
def test_long_samples_do_not_underflow(n, k):
    problem = world(5, n, k, 50_000, 0.2)
    value, sums, done = run(*problem)
    assert done
    wanted, others = reference(*problem)
    assert value == pytest.approx(wanted, rel=1e-11)
    assert sums[0].sum() == pytest.approx(50_000, rel=1e-9)
    np.testing.assert_allclose(sums[3], others[3], rtol=1e-7)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("n", [1, 2])
def test_states_that_cannot_be_reached_stay_empty(n, k):
    y, mean, inverse, constant, _, _ = world(1, n, k, 300, 0.2)
    p, first = np.eye(k), np.eye(k)[0]
    _, sums, done = run(y, mean, inverse, constant, p, first)
    # state one alone, or a date that state one alone cannot explain
    if done:
        np.testing.assert_allclose(sums[0], 300 * first)
        np.testing.assert_allclose(sums[3], 299 * np.outer(first, first))


@pytest.mark.parametrize("k", [2, 3])
def test_a_hopeless_date_is_handed_back(k):
    y = np.zeros((50, 1))
    y[20] = 1000.0
    mean = np.zeros((k, 1))
    inverse = np.ones((k, 1, 1))
    inverse[1] = 1e-3
    constant = np.log(inverse[:, 0, 0])
    p, first = np.eye(k), np.eye(k)[0]  # the state that explains the outlier is out of reach
    value, _, done = run(y, mean, inverse, constant, p, first)
    assert not done
    assert np.isnan(value)
