"""The correlation likelihood on arrays: adjoint, scores and start rules at the level the fits use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.correlation.likelihood import CorrelationLikelihood, second_moment_target
from strategies import dcc_parameters, residuals, seeds


@given(residuals(nobs=(20, 80)), dcc_parameters(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_target_has_unit_diagonal_and_paths_stay_inside(z, parameters, ewma):
    moment = z.T @ z
    if np.linalg.cond(moment) > 1e10:
        return
    lik = CorrelationLikelihood(z, dynamic=True, dist="normal", presample="ewma" if ewma else "target")
    np.testing.assert_array_equal(np.diag(lik.target), 1.0)
    np.testing.assert_allclose(lik.target, lik.target.T, atol=1e-15)
    if ewma and parameters[0] + parameters[1] > 0.999:
        return  # the back-cast alone rules, and it may be singular: as many outer products as its window
    rows, cols = np.triu_indices(z.shape[1], 1)
    path = lik.path(np.array(parameters), rows, cols)
    assert (np.abs(path) <= 1).all()


@pytest.mark.parametrize("presample", ["target", "ewma"])
@pytest.mark.parametrize("dist", ["normal", "t"])
@given(n=st.integers(2, 4), seed=seeds)
@settings(max_examples=8, deadline=None)
def test_adjoint_counts_what_the_start_takes_from_the_data(presample, dist, n, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((25, n))
    target = second_moment_target(rng.standard_normal((50, n)))[0]
    theta = np.array([0.08, 0.8, 7.0][: 3 if dist == "t" else 2])

    def total(z, target):
        lik = CorrelationLikelihood(z, dynamic=True, dist=dist, target=target, presample=presample)
        return lik.evaluate(theta, 0)[0].sum()

    lik = CorrelationLikelihood(z, dynamic=True, dist=dist, target=target, presample=presample)
    dz, dtarget = lik.adjoint(theta)
    step = 1e-5
    for _ in range(6):
        direction = rng.standard_normal(z.shape)
        wanted = (total(z + step * direction, target) - total(z - step * direction, target)) / (2 * step)
        np.testing.assert_allclose((dz * direction).sum(), wanted, rtol=1e-5, atol=1e-5)
        turn = rng.standard_normal((n, n))
        turn = turn + turn.T
        np.fill_diagonal(turn, 0.0)  # a correlation keeps its ones
        wanted = (total(z, target + step * turn) - total(z, target - step * turn)) / (2 * step)
        np.testing.assert_allclose(dtarget @ turn[lik.pairs], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("dist", ["normal", "t"])
def test_scores_match_the_layout(dynamic, dist):
    z = np.random.default_rng(0).standard_normal((60, 3))
    lik = CorrelationLikelihood(z, dynamic=dynamic, dist=dist)
    prefix = "dcc" if dynamic else "ccc"
    names = (["dcc.a", "dcc.b"] if dynamic else []) + ([f"{prefix}.nu"] if dist == "t" else [])
    assert list(lik.layout.names) == names
    for start in lik.starts():
        loglik, score = lik.evaluate(start, 1)
        assert loglik.shape == (60,)
        assert score.shape == (60, len(names))
        for k in range(len(names)):
            step = 1e-6 * max(start[k], 1e-2)
            up, down = start.copy(), start.copy()
            up[k] += step
            down[k] -= step
            wanted = (lik.evaluate(up, 0)[0] - lik.evaluate(down, 0)[0]) / (2 * step)
            np.testing.assert_allclose(score[:, k], wanted, rtol=1e-5, atol=1e-6 * np.abs(wanted).max())
        if not names:
            break


def test_constant_correlation_is_the_likelihood_of_the_target():
    z = np.random.default_rng(0).standard_normal((200, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    lik = CorrelationLikelihood(z, dynamic=False, dist="normal")
    path = lik.path(np.empty(0), [1], [0])
    np.testing.assert_allclose(path, second_moment_target(z)[0][0, 1], rtol=1e-12)
    dynamic = CorrelationLikelihood(z, dynamic=True, dist="normal")
    np.testing.assert_allclose(dynamic.evaluate(np.zeros(2), 0)[0], lik.evaluate(np.empty(0), 0)[0], rtol=1e-12)
