"""Search and engine where they may fail: local maxima, scale, labels, outliers, filled calendars, too many regimes."""

import numpy as np
import pandas as pd
import pytest

import cryptoequity.regimes.likelihood as module
from cryptoequity.errors import ConvergenceError, DataError, SpecError
from cryptoequity.regimes import MarkovCovariance
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.gaussian import GaussianEmission
from cryptoequity.regimes.likelihood import RegimeLikelihood, begin, climb_regimes, run_em

SD = {2: np.array([0.8, 2.0]), 3: np.array([0.6, 1.5, 4.0])}


def simulated(n, k, nobs=1500, seed=0):
    rng = np.random.default_rng(seed)
    p = np.full((k, k), 0.03 / (k - 1))
    np.fill_diagonal(p, 0.97)
    ladder, uniform = p.cumsum(axis=1), rng.random(nobs)
    state = np.zeros(nobs, int)
    for t in range(1, nobs):
        state[t] = min(int(np.searchsorted(ladder[state[t - 1]], uniform[t])), k - 1)
    z = rng.standard_normal((nobs, n))
    if n > 1:
        rho = np.array([0.1, 0.5, 0.8])[state]
        z[:, 1] = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
    return z * SD[k][state][:, None]


def likelihood(y, k, **options):
    emission = GaussianEmission(y, tuple("abc"[: y.shape[1]]), k, **options)
    return RegimeLikelihood(emission, Chain(k, np.ones((len(y), 1))))


def frame(y):
    names = list("abc"[: y.shape[1]])
    return pd.DataFrame(y, pd.bdate_range("2015-01-01", periods=len(y)), names)


@pytest.mark.parametrize(("n", "k", "mean"), [(1, 2, "switching"), (2, 3, "switching"), (3, 2, "zero")])
def test_the_compiled_loop_takes_the_same_steps(n, k, mean, monkeypatch):
    y = simulated(n, k)
    y[700] = 40.0  # a date that has to be weighed in logs on the way
    lik = likelihood(y, k, mean=mean)
    flat = np.full(k, 1 / k)
    begun = [begin(lik, weights) for weights in lik.emission.splits(6, np.random.default_rng(1))]
    loops = [run_em(lik, theta, flat, 40) for theta in begun]
    monkeypatch.delattr(GaussianEmission, "compiled_em")
    for theta, loop in zip(begun, loops, strict=True):
        steps = run_em(lik, theta, flat, 40)
        assert loop.reason == steps.reason
        np.testing.assert_allclose(loop.path, steps.path, rtol=1e-11)
        np.testing.assert_allclose(loop.theta, steps.theta, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(loop.first, steps.first, atol=1e-9)


def test_the_compiled_loop_says_what_went_wrong():
    y = np.random.default_rng(0).standard_normal((300, 1))
    y[150:] = 0.0
    lik = likelihood(y, 2)
    weights = np.where(np.arange(300)[:, None] < 150, [0.999, 0.001], [0.001, 0.999])
    assert "collapses" in run_em(lik, begin(lik, weights), np.full(2, 0.5), 200).reason
    weights = np.tile([1.0 - 1e-6, 1e-6], (300, 1))
    theta = begin(lik, weights)
    theta[-2:] = [1e-9, 0.5]
    assert "observations" in run_em(lik, theta, np.array([1.0, 0.0]), 5).reason


@pytest.mark.parametrize(("n", "k"), [(1, 2), (1, 3), (2, 2), (2, 3)])
def test_every_seed_finds_the_same_maximum(n, k):
    lik = likelihood(simulated(n, k), k)
    found = [climb_regimes(lik, rng=seed) for seed in range(6)]
    best = max(optimum.loglik for optimum, _ in found)
    assert min(optimum.loglik for optimum, _ in found) > best - 1e-3
    assert all(optimum.converged for optimum, _ in found)
    for optimum, tried in found:
        ends = [start.end for start in tried if start.end is not None]
        assert sum(end > optimum.loglik - 1e-4 for end in ends) >= 2
        assert optimum.agreement == pytest.approx(sum(end > max(ends) - 1e-4 for end in ends) / len(ends))


def test_every_seed_finds_the_correlations_that_alone_switch():
    rng = np.random.default_rng(4)
    rho = np.where(np.arange(1500) // 100 % 2, 0.65, 0.05)
    y = rng.standard_normal((1500, 2))
    y[:, 1] = rho * y[:, 0] + np.sqrt(1 - rho**2) * y[:, 1]
    lik = likelihood(y, 2, mean="zero", scale="unit")
    found = [climb_regimes(lik, rng=seed)[0] for seed in range(3)]
    assert np.ptp([one.loglik for one in found]) < 1e-3


@pytest.mark.slow
def test_too_many_regimes_need_a_hundred_starts():
    lik = likelihood(simulated(1, 2, 3000, 1), 3)
    found = np.array([climb_regimes(lik, 100, seed)[0].loglik for seed in range(20)])
    assert np.sum(found > found.max() - 1e-3) >= 18


def test_batches_follow_until_climbs_agree():
    lik = likelihood(simulated(1, 2), 2)
    one, tried = climb_regimes(lik, "replicated")
    assert sum(start.end is not None and start.end > one.loglik - 1e-4 for start in tried) >= module.AGREE
    assert len(tried) <= module.BATCH * module.BATCHES
    assert len(tried) % module.BATCH == 0
    assert one.loglik == pytest.approx(climb_regimes(lik)[0].loglik, abs=1e-4)


@pytest.mark.parametrize("starts", [0, -1, 2.5, True, "many"])
def test_starts_refuse(starts):
    with pytest.raises(SpecError, match="starts"):
        climb_regimes(likelihood(simulated(1, 2, 300), 2), starts)


@pytest.mark.parametrize("factor", [1e-4, 1e4])
@pytest.mark.parametrize("k", [2, 3])
def test_units_change_nothing(k, factor):
    y = simulated(2, k)
    plain, _ = climb_regimes(likelihood(y, k))
    scaled, _ = climb_regimes(likelihood(factor * y, k))
    assert scaled.loglik + y.size * np.log(factor) == pytest.approx(plain.loglik, abs=1e-6)


def test_order_of_columns_and_regimes_changes_nothing():
    y = simulated(2, 2)
    plain = MarkovCovariance(k=2).fit(frame(y))
    turned = MarkovCovariance(k=2).fit(frame(y)[["b", "a"]])
    assert turned.loglikelihood == pytest.approx(plain.loglikelihood, abs=1e-6)
    other = MarkovCovariance(k=2, order_by="correlation").fit(frame(y))
    assert other.loglikelihood == pytest.approx(plain.loglikelihood, abs=1e-6)
    errors = [np.sort(np.sqrt(np.diag(fit.estimate.cov))) for fit in (plain, turned, other)]
    np.testing.assert_allclose(errors[1], errors[0], rtol=1e-3)
    np.testing.assert_allclose(errors[2], errors[0], rtol=1e-3)


def test_a_fit_survives_an_outlier_of_a_thousand_deviations():
    y = simulated(1, 2)
    y[600] = 1000.0
    optimum, _ = climb_regimes(likelihood(y, 2, student=True, mean="zero"), 4)
    assert np.isfinite(optimum.loglik)


def test_calendars_that_were_filled_are_refused():
    y = simulated(1, 2, 1000)
    y[5::7] = y[6::7][: len(y[5::7])] = 0.0
    with pytest.raises(DataError, match=r"'a' has .*filled"):
        MarkovCovariance(k=2).fit(frame(y))


def test_constant_missing_and_short_columns_are_refused():
    y = simulated(2, 2, 400)
    bad = y.copy()
    bad[:, 1] = 1.5
    with pytest.raises(DataError, match="b"):
        MarkovCovariance(k=2).fit(frame(bad))
    bad = y.copy()
    bad[7, 0] = np.nan
    with pytest.raises(DataError, match="a"):
        MarkovCovariance(k=2).fit(frame(bad))
    with pytest.raises(DataError):
        MarkovCovariance(k=2).fit(frame(y[:50]))


def test_a_singular_regime_is_no_maximum():
    y = simulated(2, 2, 600)
    y[300:, 1] = y[300:, 0]
    with pytest.raises(ConvergenceError, match=r"collapses|observations"):
        climb_regimes(likelihood(y, 2), 4)


def test_a_fit_counts_the_climbs_that_agree():
    fit = MarkovCovariance(k=2).fit(frame(simulated(1, 2)), starts="replicated")
    assert 3 <= fit.n_best_replicated <= fit.n_climbs <= len(fit.starts)
