"""Durations: the chain of regimes and ages against paths written out, scores by difference, worlds with and without."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.errors import BoundaryWarning, SpecError
from cryptoequity.regimes import RSDC, MarkovCovariance
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.duration import DurationDependence, DurationFit
from cryptoequity.regimes.duration_chain import DurationChain, DurationLikelihood, climb_durations
from cryptoequity.regimes.duration_tests import duration_dependence_test, likelihood_ratio
from cryptoequity.regimes.fit import draw_states
from cryptoequity.regimes.gaussian import GaussianEmission
from cryptoequity.regimes.likelihood import RegimeLikelihood

DATES = pd.bdate_range("2015-01-01", periods=1500)


def odds(rng, k=2):
    return np.concatenate([[rng.uniform(-3, 0), rng.uniform(-0.4, 0.4)] for _ in range(k * (k - 1))])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3]), st.sampled_from(["ergodic", "uniform"]))
def test_filter_and_smoother_equal_enumeration_of_regimes_and_ages(seed, k, initial):
    rng = np.random.default_rng(seed)
    nobs, longest = 5, 3
    chain = DurationChain(k, np.ones((nobs, 1)), initial=initial, longest=longest)
    emission = GaussianEmission(rng.standard_normal((nobs, 1)), ("a",), k)
    lik = DurationLikelihood(emission, chain)
    inner = np.concatenate([rng.standard_normal(k), rng.uniform(0.5, 2.0, k)])
    theta = np.concatenate([inner, odds(rng, k)])
    density = emission.density(inner)
    p, law = chain.by_day(theta[2 * k :]), chain.law(theta[2 * k :])[0].reshape(k, longest)
    total, weight = 0.0, np.zeros((nobs, k))
    for path in itertools.product(range(k), repeat=nobs):
        for age in range(longest):
            joint, d = law[path[0], age] * np.exp(density[0, path[0]]), age
            for t in range(1, nobs):
                joint *= p[path[t - 1], d, path[t]] * np.exp(density[t, path[t]])
                d = min(d + 1, longest - 1) if path[t] == path[t - 1] else 0
            total += joint
            for t in range(nobs):
                weight[t, path[t]] += joint
    found = lik.infer(theta)
    assert found.loglik.sum() == pytest.approx(np.log(total), abs=1e-10)
    smoothed, moves = found.smooth()
    np.testing.assert_allclose(smoothed, weight / total, atol=1e-10)
    assert moves.sum() == pytest.approx(nobs - 1)
    by_date = found.smooth(by_date=True)[1]
    np.testing.assert_allclose(by_date.sum(axis=0), moves[0], atol=1e-12)
    assert found.viterbi()[0].max() < k


@pytest.mark.parametrize(("k", "initial"), [(2, "ergodic"), (3, "ergodic"), (2, "uniform"), (2, (0.3, 0.7))])
def test_scores_are_the_slopes(k, initial):
    rng = np.random.default_rng(k)
    nobs = 40
    given_law = initial if isinstance(initial, str) else np.array(initial)
    chain = DurationChain(k, np.ones((nobs, 1)), initial=given_law, longest=4)
    emission = GaussianEmission(rng.standard_normal((nobs, 2)), ("a", "b"), k, student=True)
    lik = DurationLikelihood(emission, chain)
    theta = np.concatenate([emission.mstep(next(emission.splits(1, rng)), None), odds(rng, k)])
    _, score = lik.evaluate(theta, 1)
    for a in range(theta.size):
        step = 1e-5 * np.eye(theta.size)[a]
        slope = (lik.evaluate(theta + step, 0)[0] - lik.evaluate(theta - step, 0)[0]) / 2e-5
        np.testing.assert_allclose(score[:, a], slope, atol=2e-6 * (1 + np.abs(slope).max()))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_without_slopes_it_is_the_plain_chain(seed):
    rng = np.random.default_rng(seed)
    nobs = 80
    emission = GaussianEmission(rng.standard_normal((nobs, 2)), ("a", "b"), 2)
    plain = RegimeLikelihood(emission, Chain(2, np.ones((nobs, 1))))
    lik = DurationLikelihood(emission, DurationChain(2, np.ones((nobs, 1)), longest=6))
    theta = np.concatenate([emission.mstep(next(emission.splits(1, rng)), None), rng.uniform(0.02, 0.5, 2)])
    put = lik.embed(theta)
    np.testing.assert_allclose(lik.infer(put).loglik, plain.infer(theta).loglik, atol=1e-10)
    np.testing.assert_allclose(lik.infer(put).filtered, plain.infer(theta).filtered, atol=1e-10)
    np.testing.assert_allclose(lik.chain.matrices(put[lik.inside :]), plain.chain.matrices(theta[-2:]), atol=1e-10)
    order = np.array([1, 0])
    swapped = np.concatenate([emission.relabel(order), lik.inside + lik.chain.relabel(order)])
    assert lik.total(put[swapped]) == pytest.approx(lik.total(put), abs=1e-9)


def world(seed, slopes, nobs=1500, longest=12):
    """Returns whose regimes end with odds that move by ``slopes`` a day."""
    rng = np.random.default_rng(seed)
    chain = DurationChain(2, np.ones((nobs, 1)), longest=longest)
    theta = np.array([-2.5 - 6 * slopes[0], slopes[0], -2.5 - 6 * slopes[1], slopes[1]])
    states = draw_states(chain.expanded(theta)[None], chain.law(theta)[0], nobs, rng) // longest
    y = rng.standard_normal((nobs, 2)) * np.where(states, 3.0, 1.0)[:, None] + np.where(states, -1.0, 0.5)[:, None]
    return pd.DataFrame(y, DATES[:nobs], ["A", "B"]), states


SPEC = DurationDependence(longest=12)


@pytest.fixture(scope="module")
def aging():
    y, states = world(1, (0.35, -0.1))
    return y, states, SPEC.fit(y, starts=4)


def test_slopes_are_recovered(aging):
    _, states, fit = aging
    assert isinstance(fit, DurationFit)
    assert fit.converged
    truth = {"delta[1,2].duration": 0.35, "delta[2,1].duration": -0.1, "delta[1,2].const": -4.6}
    for name, value in truth.items():
        assert abs(fit.params[name] - value) < 3.5 * fit.std_err[name], name
    # regimes are read about as well as with the true parameters
    own = fit.theta.copy()
    own[-4:] = [-4.6, 0.35, -1.9, -0.1]
    known = np.mean(fit.likelihood.infer(own).viterbi()[0] == states)
    assert np.mean(fit.viterbi() - 1 == states) > known - 0.01
    assert fit.ages()["regime 1"].between(1, 12).all()
    assert fit.smoothed_probabilities.sum(axis=1).to_numpy() == pytest.approx(np.ones(1500))
    pd.testing.assert_frame_equal(fit.conf_int(), fit.conf_int(0.05))
    assert fit.conf_int().loc["delta[1,2].duration", "lower"] > 0
    assert fit.regime_moments().shape == (5, 2)
    assert fit.pit().to_numpy().min() > 0


def test_hazards_durations_and_shares_are_those_of_a_long_simulation(aging):
    _, _, fit = aging
    data, regimes = fit.simulate(200_000, rng=1)
    assert data.shape == (200_000, 2)
    r = regimes.to_numpy()
    edges = np.flatnonzero(np.diff(r)) + 1
    lengths, which = np.diff(edges), r[edges[:-1]]
    durations = fit.expected_durations()
    hazards = fit.hazards()
    for j in (1, 2):
        own = lengths[which == j]
        assert durations.loc[f"regime {j}", "duration"] == pytest.approx(own.mean(), rel=0.05)
        for day in (1, 4, 8):
            rate = np.mean(own[own >= day] == day)
            assert hazards[f"regime {j}", "hazard"][day] == pytest.approx(rate, abs=0.03)
        assert fit.ergodic_probabilities[f"regime {j}"] == pytest.approx(np.mean(r == j), abs=0.02)
    assert (durations["lower"] < durations["duration"]).all()
    assert (hazards["regime 1", "lower"] <= hazards["regime 1", "hazard"]).all()
    moved = np.mean(r[1:][r[:-1] == 1] == 2)
    assert fit.transition_matrix.loc["regime 1", "regime 2"] == pytest.approx(moved, abs=0.01)
    # delta method of the durations by difference
    from cryptoequity.regimes.duration import _mean_life

    outer = fit.likelihood.split(fit.theta)[1]
    for i in range(2):
        _, slope = _mean_life(fit.chain, outer, i)
        for a in range(4):
            step = 1e-6 * np.eye(4)[a]
            ends = [_mean_life(fit.chain, outer + sign * step, i)[0] for sign in (1, -1)]
            assert slope[a] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-6)


def test_forecasts_are_those_of_the_states(aging):
    y, _, fit = aging
    ahead = fit.forecast(5)
    states = fit.inference._states().filtered[-1]
    p = np.linalg.matrix_power(fit.chain.expanded(fit.likelihood.split(fit.theta)[1]), 5)
    np.testing.assert_allclose(ahead.probabilities.iloc[4], (states @ p).reshape(2, -1).sum(axis=1), atol=1e-12)
    with pytest.raises(SpecError, match="duration alone"):
        fit.forecast(2, drivers=pd.Series([1.0, 2.0]))
    with pytest.raises(SpecError, match="horizon=0"):
        fit.forecast(0)
    assert "expected durations" in str(fit.summary())
    assert "Duration-Dependent" in fit.cite()
    again = type(fit).from_json(fit.to_json())
    np.testing.assert_allclose(again.filtered_probabilities, fit.filtered_probabilities, atol=1e-12)
    longer = fit.filter(y.iloc[:700])
    np.testing.assert_allclose(longer.filtered_probabilities, fit.filtered_probabilities.iloc[:700], atol=1e-12)


def test_the_test_finds_ages_and_leaves_a_markov_chain_alone(aging):
    y, _, fit = aging
    found = duration_dependence_test(y, SPEC, starts=4)
    plain = MarkovCovariance().fit(y, starts=4)
    assert found.statistic == pytest.approx(2 * (fit.loglikelihood - plain.loglikelihood), abs=1e-3)
    assert found.pvalue < 0.001
    assert found.detail["df"] == 2
    wald = duration_dependence_test(y, SPEC, method="wald", starts=4)
    assert wald.pvalue < 0.01
    one = duration_dependence_test(y, SPEC, transitions=[(1, 2)], starts=4)
    assert 0 < one.statistic < found.statistic
    assert "delta[1,2].duration" in found.to_frame().index
    assert "Duration-Dependent" in found.cite()


@pytest.mark.slow
def test_the_bootstrap_leaves_a_markov_chain_alone():
    idle, _ = world(3, (0.0, 0.0))
    drawn = duration_dependence_test(idle, SPEC, method="bootstrap", draws=19, starts=4)
    assert drawn.pvalue > 0.05
    assert (drawn.draws > -1e-6).all()
    assert drawn.detail["chi-squared p-value"] > 0.01


@pytest.mark.slow
def test_law_of_the_ratio_without_ages():
    values = []
    for seed in range(60):
        y, _ = world(100 + seed, (0.0, 0.0), 800)
        emission = GaussianEmission(y.to_numpy(), ("A", "B"), 2)
        chain = DurationChain(2, np.ones((800, 1)), longest=12)
        values.append(likelihood_ratio(emission, chain, 2, np.random.default_rng(0)))
    from scipy import stats

    assert min(values) > -1e-6
    assert stats.kstest(values, stats.chi2(2).cdf).pvalue > 0.001


def test_correlations_of_residuals():
    rng = np.random.default_rng(2)
    nobs = 1500
    chain = DurationChain(2, np.ones((nobs, 1)), longest=10)
    theta = np.array([-4.5, 0.3, -2.5, 0.0])
    states = draw_states(chain.expanded(theta)[None], chain.law(theta)[0], nobs, rng) // 10
    rho = np.where(states, 0.95, 0.0)
    y = rng.standard_normal((nobs, 2))
    y[:, 1] = rho * y[:, 0] + np.sqrt(1 - rho**2) * y[:, 1]
    frame = pd.DataFrame(1.3 * y, DATES, ["A", "B"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = DurationDependence(densities="correlation", longest=10).fit(frame, starts=4)
        plain = RSDC(dist="normal").fit(fit.margins, starts=4)
    assert fit.loglikelihood > plain.loglikelihood - 1e-6
    assert fit.loglik_obs.sum() == pytest.approx(fit.loglikelihood)
    assert np.isfinite(fit.std_err["delta[1,2].duration"])
    assert abs(fit.params["delta[1,2].duration"] - 0.3) < 4 * fit.std_err["delta[1,2].duration"]
    low, high = (fit.params[f"corr[{j}].A,B"] for j in (1, 2))
    assert low < high
    again = type(fit).from_json(fit.to_json())
    np.testing.assert_allclose(again.filtered_probabilities, fit.filtered_probabilities, atol=1e-10)
    with pytest.raises(SpecError, match="margins already"):
        DurationDependence(densities="correlation").fit(fit.margins, margins={})
    with pytest.raises(SpecError, match="densities='correlation' for margins"):
        DurationDependence().fit(fit.margins)


def test_refusals():
    with pytest.raises(SpecError, match="longest=1"):
        DurationDependence(longest=1)
    with pytest.raises(SpecError, match="more than 400"):
        DurationDependence(longest=300)
    with pytest.raises(SpecError, match="how long has it lasted"):
        DurationDependence(initial="estimated")
    with pytest.raises(SpecError, match="densities='x'"):
        DurationDependence(densities="x")
    with pytest.raises(SpecError, match="penalty="):
        DurationDependence(penalty=1.0)
    y, _ = world(1, (0.0, 0.0), 300)
    with pytest.raises(SpecError, match="DurationDependence"):
        duration_dependence_test(y, MarkovCovariance())
    with pytest.raises(SpecError, match="method='score'"):
        duration_dependence_test(y, SPEC, method="score")
    with pytest.raises(SpecError, match="draws=2"):
        duration_dependence_test(y, SPEC, method="bootstrap", draws=2)
    with pytest.raises(SpecError, match="transitions="):
        duration_dependence_test(y, SPEC, transitions=[(1, 3)])


def test_a_short_sample_still_climbs_from_the_plain_optimum():
    y, _ = world(4, (0.0, 0.0), 250)
    emission = GaussianEmission(y.to_numpy(), ("A", "B"), 2)
    lik = DurationLikelihood(emission, DurationChain(2, np.ones((250, 1)), longest=8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        optimum, tried = climb_durations(lik, 4)
    plain = max(start.loglik for start in tried)
    assert optimum.loglik > plain - 1.0
    assert len(tried) == 4
