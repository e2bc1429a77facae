"""Realized correlations of blocks, their adjoint, and simulation around their average."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.kernels.midas import block_adjoint, block_correlations, midas_simulate
from strategies import seeds


@given(st.integers(2, 4), st.integers(2, 9), seeds)
@settings(max_examples=30, deadline=None)
def test_blocks_are_correlations_and_their_adjoint_is_right(n, size, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((40, n))
    blocks = block_correlations(z, size)
    assert blocks.shape == (40 // size, n, n)
    for k, block in enumerate(blocks):
        part = z[k * size : (k + 1) * size]
        moment = part.T @ part
        root = np.sqrt(np.diag(moment))
        np.testing.assert_allclose(block, moment / np.outer(root, root), atol=1e-12)
        np.testing.assert_array_equal(np.diag(block), 1.0)
    slopes = rng.standard_normal(blocks.shape)
    slopes += slopes.transpose(0, 2, 1)
    way = rng.standard_normal(z.shape)
    up, down = ((block_correlations(z + sign * 1e-6 * way, size) * slopes).sum() for sign in (1, -1))
    got = (block_adjoint(z, size, blocks, slopes) * way).sum()
    np.testing.assert_allclose(got, (up - down) / 2e-6, rtol=1e-5, atol=1e-5)


def test_a_column_of_zeros_has_no_correlation():
    z = np.random.default_rng(0).standard_normal((20, 2))
    z[5:10, 1] = 0.0
    blocks = block_correlations(z, 5)
    assert np.isnan(blocks[1, 1, 1])
    assert np.isfinite(blocks[[0, 2, 3]]).all()


@pytest.mark.parametrize("before", [0, 7, 10, 23])
def test_simulation_equals_a_plain_reading(before):
    """From nothing, from inside a block, from its end; levels of later blocks are those of the draws."""
    rng = np.random.default_rng(before)
    n, size, lags, horizon, a, b = 3, 5, 2, 18, 0.1, 0.7
    weights = np.array([0.7, 0.3])
    base = np.full((n, n), 0.3) + 0.7 * np.eye(n)
    past = rng.standard_normal((before, n))
    shocks = rng.standard_normal((horizon, n))
    known = [base] * lags + list(block_correlations(past, size)) if before else [base] * lags
    history = np.empty((lags + 10, n, n))
    history[: len(known)] = known
    start = np.outer(past[-1], past[-1]) if before else base
    z = midas_simulate(a, b, weights, size, past, shocks, history, start, base)
    whole, q, s = np.vstack([past, z]), base, start
    for t in range(before, before + horizon):
        realized = [base] * lags + list(block_correlations(whole[: t - t % size], size) if t >= size else [])
        level = weights[0] * realized[-1] + weights[1] * realized[-2]
        q = (1 - a - b) * level + a * s + b * q
        root = np.sqrt(np.diag(q))
        np.testing.assert_allclose(
            np.linalg.cholesky(q / np.outer(root, root)) @ shocks[t - before], whole[t], atol=1e-12
        )
        s = np.outer(whole[t], whole[t])
