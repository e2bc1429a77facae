"""EWMA and RiskMetrics 2006 against loops written out, the estimated decay, its bound and its error."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.covariance.ewma import EWMA, RiskMetrics2006, backward_start
from cryptoequity.errors import BoundaryWarning, DataError, SpecError
from strategies import seeds


def frame(values: np.ndarray) -> pd.DataFrame:
    names = [chr(65 + i) for i in range(values.shape[1])]
    return pd.DataFrame(values, pd.bdate_range("2000-01-03", periods=len(values)), names)


def smoothed(e: np.ndarray, decay: float, start: np.ndarray) -> np.ndarray:
    """H_t, (T, N, N), by the recursion as it is written."""
    out, h = [], start
    for row in e:
        out.append(h)
        h = (1 - decay) * np.outer(row, row) + decay * h
    return np.array(out)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([2, 3, 5]),
    st.floats(0.5, 0.995),
    st.sampled_from(["sample", "backcast"]),
)
@settings(max_examples=25, deadline=None)
def test_path_and_likelihood_are_those_of_the_recursion(seed, n, decay, start):
    e = np.random.default_rng(seed).standard_t(4, (60, n))
    lik = EWMA(decay, start=start).build(e)
    first = e.T @ e / 60 if start == "sample" else backward_start(e, decay)
    h = smoothed(e, decay, first)
    np.testing.assert_allclose(
        lik.path(np.empty(0), *np.indices((n, n)).reshape(2, -1)).reshape(-1, n, n), h, rtol=1e-10
    )
    quad = np.einsum("ti,ti->t", e, np.linalg.solve(h, e[:, :, None])[:, :, 0])
    wanted = -0.5 * (n * np.log(2 * np.pi) + np.linalg.slogdet(h)[1] + quad)
    np.testing.assert_allclose(lik.evaluate(np.empty(0), 0)[0], wanted, rtol=1e-8, atol=1e-8)


@given(seeds, st.sampled_from([2, 3, 6]), st.floats(0.7, 0.999))
@settings(max_examples=25, deadline=None)
def test_score_of_the_decay(seed, n, decay):
    lik = EWMA("qml").build(np.random.default_rng(seed).standard_normal((150, n)))
    score = lik.evaluate(np.array([decay]), 1)[1][:, 0]
    ends = [lik.evaluate(np.array([decay + side]), 0)[0] for side in (1e-6, -1e-6)]
    wanted = (ends[0] - ends[1]) / 2e-6
    np.testing.assert_allclose(score, wanted, atol=1e-6 * max(1.0, np.abs(wanted).max()))


def test_backward_start_holds_99_percent_of_its_weight():
    e = np.random.default_rng(0).standard_normal((500, 3))
    weights = 0.94 ** np.arange(74)
    wanted = np.einsum("t,ti,tj->ij", weights / weights.sum(), e[:74], e[:74])
    np.testing.assert_allclose(backward_start(e, 0.94), wanted, rtol=1e-12)
    # a fast decay spans fewer dates than there are columns: take as many dates as columns
    assert np.linalg.matrix_rank(backward_start(np.random.default_rng(1).standard_normal((500, 8)), 0.3)) == 8


def test_riskmetrics_2006_is_a_weighted_sum_of_ewmas():
    e = np.random.default_rng(2).standard_normal((300, 2))
    spec = RiskMetrics2006(kmax=5)
    decays, weights = spec.mixture()
    np.testing.assert_allclose(weights.sum(), 1.0)
    assert (np.diff(weights) < 0).all()
    np.testing.assert_allclose(-1 / np.log(decays), 4 * np.sqrt(2) ** np.arange(5))
    wanted = sum(w * smoothed(e, d, backward_start(e, d)) for d, w in zip(decays, weights, strict=True))
    path = spec.build(e).path(np.empty(0), [0, 1, 1], [0, 0, 1])
    np.testing.assert_allclose(path, wanted[:, [0, 1, 1], [0, 0, 1]], rtol=1e-10)


def test_riskmetrics_1994_is_a_special_case():
    e = np.random.default_rng(3).standard_normal((300, 3))
    one = RiskMetrics2006(tau1=-1 / np.log(0.94), kmax=1, rho=1.0).build(e)
    np.testing.assert_allclose(
        one.path(np.empty(0), [0, 2], [1, 2]), EWMA().build(e).path(np.empty(0), [0, 2], [1, 2]), rtol=1e-12
    )


def test_forecasts_are_flat_for_one_component_and_mean_revert_for_many(sim_dcc3):
    flat = EWMA().fit(sim_dcc3).forecast(30)
    np.testing.assert_allclose(flat.covariance, np.broadcast_to(flat.covariance[0], (30, 3, 3)), rtol=1e-12)
    fit = RiskMetrics2006().fit(sim_dcc3)
    far = fit.forecast(2000).covariance
    assert not np.allclose(far[0], far[-1], rtol=0.01)
    np.testing.assert_allclose(far[-1], far[-2], rtol=1e-3)


def test_the_estimated_decay_is_recovered():
    """Returns drawn from the very recursion: the mean of many estimates, and their spread against the error told."""
    truth, rng = 0.95, np.random.default_rng(5)
    base = EWMA(truth, start="sample").build(rng.standard_normal((400, 2)))
    estimates, errors = [], []
    for _ in range(40):
        drawn, _ = base.simulate(np.empty(0), rng.standard_normal((1200, 2)))
        # the scale drifts, and the decay does not depend on it
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = EWMA("qml", demean=False).fit(frame(drawn / drawn.std(axis=0)))
        estimates.append(fit.params["ewma.lambda"])
        errors.append(fit.std_err["ewma.lambda"])
    assert abs(np.mean(estimates) - truth) < 0.004
    assert 0.7 < np.std(estimates) / np.mean(errors) < 1.4


def test_the_estimate_is_the_best_of_a_grid(sim_dcc3):
    fit = EWMA("qml").fit(sim_dcc3)
    lik = fit.likelihood
    grid = np.linspace(0.9, 0.995, 40)
    values = [lik.evaluate(np.array([decay]), 0)[0].sum() for decay in grid]
    assert fit.loglikelihood >= max(values) - 1e-6
    assert abs(grid[int(np.argmax(values))] - fit.params["ewma.lambda"]) < 0.003
    assert list(fit.params.index) == ["A.mu", "B.mu", "C.mu", "ewma.lambda"]
    assert 0 < fit.std_err["ewma.lambda"] < 0.02
    # a sandwich, not the inverse Hessian
    assert fit.std_err["ewma.lambda"] != EWMA("qml").fit(sim_dcc3, cov_type="classic").std_err["ewma.lambda"]


def test_a_constant_covariance_puts_the_decay_on_its_bound():
    """Started at the sample moment and never left: identical outer products from date to date want no news at all."""
    rng = np.random.default_rng(8)
    values = rng.standard_normal((400, 2))
    values /= np.sqrt((values**2).sum(axis=1, keepdims=True))  # every date as large as every other
    with pytest.warns(BoundaryWarning, match=r"EWMA\(QML\): on the bound or not identified, no standard error: ewma"):
        fit = EWMA("qml", start="sample", demean=False).fit(frame(3 * values))
    assert fit.params["ewma.lambda"] > 0.99999
    assert fit.at_bound == ("ewma.lambda",)
    assert np.isnan(fit.std_err["ewma.lambda"])
    assert "ewma.lambda" in str(fit.summary())


def test_without_mean_and_parameter_there_is_nothing_to_estimate(sim_dcc3):
    fit = EWMA(demean=False).fit(sim_dcc3)
    assert fit.params.size == 0
    assert fit.converged
    assert fit.aic == -2 * fit.loglikelihood
    assert "EWMA(0.94): A, B, C" in str(fit.summary())
    assert fit.summary().to_latex()


def test_runs_of_zeros_make_the_covariance_singular():
    values = np.random.default_rng(0).standard_normal((600, 2))
    values[100:550, 0] = 0.0
    with pytest.raises(DataError, match=r"EWMA\(0.2\): the covariance of .* is singular at these parameters"):
        EWMA(0.2, demean=False).fit(frame(values))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: EWMA(1.0), "lam=1.0: give a decay strictly between 0 and 1, or 'qml'"),
        (lambda: EWMA(0.0), "lam=0.0"),
        (lambda: EWMA(True), "lam=True"),
        (lambda: EWMA("ml"), "lam='ml' is not known here; choose one of 'qml'"),
        (lambda: EWMA(start="zero"), "start='zero' is not known"),
        (lambda: RiskMetrics2006(kmax=0), "kmax=0: give a whole number"),
        (lambda: RiskMetrics2006(kmax=2.5), "kmax=2.5: give a whole number"),
        (lambda: RiskMetrics2006(tau1=0), "tau1=0 must be greater than 0"),
        (lambda: RiskMetrics2006(tau0=1.0), "tau0=1.0 must be greater than 1"),
        (lambda: RiskMetrics2006(rho=-1.0), "rho=-1.0 must be greater than 0"),
        (lambda: RiskMetrics2006(kmax=30), "the slowest component has a scale of .* days, tau0=1560"),
    ],
)
def test_choices_that_cannot_be(build, message):
    with pytest.raises(SpecError, match=message):
        build()
