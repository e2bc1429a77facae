"""One-step estimation against its own derivatives, the stepwise fit, and the spread of estimates over samples."""

from __future__ import annotations

import types

import numpy as np
import pandas as pd
import pytest

from contract import check_scores, log_density, normalized
from cryptoequity.correlation import CCC, DCC, CorrelationFit
from cryptoequity.correlation.asymmetric import ADCC
from cryptoequity.correlation.joint import JointLikelihood
from cryptoequity.correlation.targets import correlation_target
from cryptoequity.errors import BoundaryWarning, SpecError
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.likelihood import MarginLikelihood


@pytest.fixture(scope="module")
def margins(sim_dcc3):
    return fit_margins(sim_dcc3)


def likelihood(returns, dynamic, dist):
    parts = tuple(MarginLikelihood(GARCH(), returns[name].to_numpy()) for name in returns.columns)
    return JointLikelihood(tuple(returns.columns), parts, dynamic, dist == "t")


@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("dist", ["normal", "t"])
@pytest.mark.parametrize("n", [2, 3])
def test_likelihood_and_scores(dynamic, dist, n, sim_dcc3):
    returns = sim_dcc3.iloc[:150, :n]
    lik = likelihood(returns, dynamic, dist)
    margin = [0.02, 0.05, 0.08, 0.88]
    pairs = [0.5, 0.3, 0.4][: n * (n - 1) // 2]
    own = ([0.05, 0.9] if dynamic else []) + ([7.0] if dist == "t" else [])
    theta = np.array(margin * n + pairs + own)
    check_scores(types.SimpleNamespace(evaluate=lik.evaluate, nobs=150, layout=lik.layout), theta)
    target = np.eye(n)
    target[np.triu_indices(n, 1)] = target[np.triu_indices(n, 1)[::-1]] = pairs
    filtered = [part.filter(np.array(margin), 0) for part in lik.parts]
    sigma = np.sqrt(np.stack([one[1] for one in filtered], axis=1))
    z = np.stack([one[2] for one in filtered], axis=1) / sigma
    q, wanted = target.copy(), []
    a, b = own[:2] if dynamic else (0.0, 0.0)
    for t in range(150):
        if t:
            q = (1 - a - b) * target + a * np.outer(z[t - 1], z[t - 1]) + b * q
        wanted.append(log_density(z[t], normalized(q), 7.0 if dist == "t" else 0.0) - np.log(sigma[t]).sum())
    np.testing.assert_allclose(lik.evaluate(theta, 0)[0], wanted, rtol=1e-10)


@pytest.mark.parametrize("spec", [DCC(), DCC(dist="t"), CCC()], ids=str)
def test_one_step_climbs_above_the_stepwise_fit(spec, margins, simple_returns):
    if spec.dist == "t":  # the simulated series is normal: its degrees of freedom are on their bound
        margins = fit_margins(simple_returns.iloc[-2000:])
    steps = spec.fit(margins)
    joint = spec.fit(margins, method="joint")
    assert joint.converged
    assert joint.loglikelihood > steps.loglikelihood
    assert joint.loglikelihood - steps.loglikelihood < 20
    assert list(joint.params.index) == list(steps.params.index)
    gap = (joint.params - steps.params) / steps.std_err
    assert gap.abs().max() < 3
    np.testing.assert_allclose(joint.loglik_obs.sum(), joint.loglikelihood, rtol=1e-12)
    # the fit filters, stores and forecasts as any other
    again = CorrelationFit.from_json(joint.to_json())
    pd.testing.assert_series_equal(again.params, joint.params)
    np.testing.assert_allclose(again.std_err, joint.std_err, rtol=1e-8)
    np.testing.assert_allclose(again.correlations(), joint.correlations(), rtol=1e-12)
    np.testing.assert_allclose(joint.filter(joint.returns).correlations(), joint.correlations(), rtol=1e-12)
    assert len(joint.forecast(3).correlation) == 3


def test_score_at_the_optimum_is_zero(margins):
    fit = DCC().fit(margins, method="joint")
    parts = tuple(MarginLikelihood(one.spec, one.returns.to_numpy()) for one in margins.fits)
    lik = JointLikelihood(margins.names, parts, True, False)
    score = lik.evaluate(fit.estimate.theta, 1)[1]
    away = score.mean(axis=0) / (score.std(axis=0) / np.sqrt(len(score)))
    assert np.abs(away).max() < 1e-3


def test_what_it_refuses(margins, sim_dcc3):
    with pytest.warns(BoundaryWarning), pytest.raises(SpecError, match="joint density is the only one"):
        DCC().fit(sim_dcc3, margins=GARCH(dist="t"), method="joint")
    with pytest.raises(SpecError, match="is for CCC and DCC"):
        ADCC().fit(margins, method="joint")
    with pytest.raises(SpecError, match="leave target='sample'"):
        DCC().fit(margins, method="joint", target="identity")
    many = pd.concat([sim_dcc3, sim_dcc3.shift(7).add_suffix("2")], axis=1).dropna()
    with pytest.raises(SpecError, match="takes up to 5 columns, not 6"):
        CCC().fit(many, method="joint")


@pytest.mark.parametrize("target", ["identity", "constant", "nonlinear"])
def test_shrunken_targets(target, margins):
    plain, shrunk = DCC().fit(margins), DCC().fit(margins, target=target)
    assert 0 < np.abs(shrunk.target - plain.target).to_numpy().max() < 0.02
    ratio = shrunk.std_err / plain.std_err
    assert ratio.between(0.9, 1.1).all()
    again = CorrelationFit.from_json(shrunk.to_json())
    pd.testing.assert_series_equal(again.params, shrunk.params)
    pd.testing.assert_series_equal(again.std_err, shrunk.std_err)


def test_a_given_target_is_taken_as_known(margins):
    given = pd.DataFrame(0.4, list("CBA"), list("CBA"))
    for name in "ABC":
        given.loc[name, name] = 1.0
    given.loc["A", "B"] = given.loc["B", "A"] = 0.5
    fit = DCC().fit(margins, target=given)
    assert fit.params["corr.A.B"] == 0.5
    assert np.isnan(fit.std_err["corr.A.B"])
    assert "corr.A.B" not in fit.at_bound
    again = CorrelationFit.from_json(fit.to_json())
    pd.testing.assert_series_equal(again.params, fit.params)


def test_a_shrunken_target_serves_more_columns_than_dates():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((60, 70))
    plain = DCC().model(z)
    assert not np.isfinite(plain.evaluate(np.array([0.01, 0.5]), 0)[0]).all()
    target = correlation_target(z, "nonlinear")
    model = DCC().model(z, target=target.correlation)
    assert np.isfinite(model.evaluate(np.array([0.01, 0.5]), 0)[0]).all()
