"""Scores along a given path of correlations against dense formulas and differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.kernels.scores import path_score
from strategies import correlation_matrices, seeds


def loglik(z: np.ndarray, flat: np.ndarray, nu: float) -> float:
    """Log density of one z, written out; constants that do not move are left out."""
    n = z.size
    r = np.eye(n)
    r[np.triu_indices(n, 1)] = flat
    r = r + r.T - np.eye(n)
    quad = z @ np.linalg.solve(r, z)
    half = -0.5 * np.linalg.slogdet(r)[1]
    return half - 0.5 * quad if nu == 0 else half - 0.5 * (nu + n) * math.log1p(quad / (nu - 2))


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([2, 3, 4]), st.sampled_from([0.0, 5.0]))
def test_scores_are_differences_of_the_density(data, n, nu):
    r = 0.7 * data.draw(correlation_matrices(n)) + 0.3 * np.eye(n)
    z = np.random.default_rng(data.draw(seeds)).standard_normal((1, n))
    flat = r[np.triu_indices(n, 1)]
    score, weighted = path_score(z, flat[None], nu)
    for k in range(flat.size):
        up, down = flat.copy(), flat.copy()
        up[k] += 1e-6
        down[k] -= 1e-6
        slope = (loglik(z[0], up, nu) - loglik(z[0], down, nu)) / 2e-6
        assert score[0, k] == pytest.approx(slope, rel=1e-5, abs=1e-5)
    for i in range(n):
        up, down = z[0].copy(), z[0].copy()
        up[i] += 1e-6
        down[i] -= 1e-6
        slope = (loglik(up, flat, nu) - loglik(down, flat, nu)) / 2e-6
        assert -weighted[0, i] == pytest.approx(slope, rel=1e-5, abs=1e-5)


def test_a_matrix_without_a_root_gives_nan_on_its_date():
    path = np.array([[0.5, 0.5, 0.5], [0.9, 0.9, -0.9]])
    score, weighted = path_score(np.ones((2, 3)), path, 0.0)
    assert np.isfinite(score[0]).all()
    assert np.isfinite(weighted[0]).all()
    assert np.isnan(score[1]).all()
    assert np.isnan(weighted[1]).all()
