"""Score-driven correlation: recovery, invariances, standard errors, forecasts, storage, boundaries, refusals."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from cryptoequity.correlation import DCC, CorrelationFit
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.correlation.score_driven import ScoreDriven, ScoreDrivenLikelihood
from cryptoequity.correlation.spec import climb_correlation
from cryptoequity.correlation.stacking import stacked_moments
from cryptoequity.errors import BoundaryWarning, DataError, SpecError
from cryptoequity.volatility import GARCH, fit_margins

SPECS = [ScoreDriven(), ScoreDriven(dist="t"), ScoreDriven(scaling="root"), ScoreDriven(dist="t", scaling="unit")]


def quiet(spec, data, **options) -> CorrelationFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


def draw(spec, theta, nobs, rng, nu=0.0) -> np.ndarray:
    empty = ScoreDrivenLikelihood(np.ones((2, 2)), dist=spec.dist, scaling=spec.scaling)
    return empty.simulate(np.asarray(theta), draw_shocks(rng, nobs, 2, nu))[0]


@pytest.fixture(scope="module")
def returns() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    z = draw(ScoreDriven(dist="t"), [0.5, 0.06, 0.96, 7.0], 1400, rng, 7.0)
    return pd.DataFrame(z * [1.2, 0.8] + 0.05, pd.bdate_range("2012-01-02", periods=1400), ["A", "B"])


@pytest.fixture(scope="module")
def margins(returns):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit_margins(returns.iloc[:1200])


@pytest.fixture(scope="module", params=SPECS, ids=str)
def fit(request, margins) -> CorrelationFit:
    return quiet(request.param, margins)


def test_fit_climbs_to_a_zero_score(fit):
    assert fit.converged
    free = [not pinned for pinned in fit.optimum.pinned]
    mean = fit.likelihood.evaluate(fit.theta, 1)[1].mean(axis=0)
    assert np.abs(mean[free]).max() < 1e-4
    assert fit.correlation("A", "B").abs().max() < 1
    np.testing.assert_array_equal(fit.correlation("A", "B"), fit.correlation("B", "A"))
    np.testing.assert_allclose(np.diag(fit.correlation_at(fit.std_resid.index[5])), 1.0)
    assert fit.correlation("A", "B").std() > 0.03
    wanted = fit.likelihood.evaluate(fit.theta, 0)[0] - np.log(fit.volatility).sum(axis=1)
    np.testing.assert_allclose(fit.loglik_obs, wanted)


def test_swapping_and_turning_columns(fit, margins):
    swapped = quiet(fit.spec, margins.select("B", "A"))
    np.testing.assert_allclose(swapped.loglikelihood, fit.loglikelihood, rtol=1e-10)
    np.testing.assert_allclose(swapped.correlation("A", "B"), fit.correlation("A", "B"), atol=1e-4)
    theta = fit.theta * np.array([-1.0, *np.ones(fit.theta.size - 1)])
    z = fit.std_resid.to_numpy() * [1.0, -1.0]
    turned = fit.spec.model(z).evaluate(theta, 0)[0]
    np.testing.assert_allclose(turned, fit.likelihood.evaluate(fit.theta, 0)[0], rtol=1e-10)


@pytest.mark.parametrize(("dist", "nu"), [("normal", 0.0), ("t", 6.0)])
def test_recovers_the_truth(dist, nu):
    """Centers of 30 samples within Monte-Carlo error, spread as the standard errors say."""
    spec = ScoreDriven(dist=dist)
    truth = np.array([0.5, 0.05, 0.95] + ([nu] if nu else []))
    rng = np.random.default_rng(11)
    estimates = []
    for _ in range(30):
        z = draw(spec, truth, 3000, rng, nu)
        estimates.append(climb_correlation(spec, z)[1].theta)
    center, spread = np.mean(estimates, axis=0), np.std(estimates, axis=0, ddof=1)
    assert (np.abs(center - truth) < 4 * spread / np.sqrt(30) + np.array([0.01, 0.003, 0.01, 0.2])[: truth.size]).all()


def test_slope_of_the_system_equals_differences_in_the_data(margins):
    fit = quiet(ScoreDriven(dist="t"), margins)
    parts, dzs = [one.part for one in fit.margins.fits], [one.dz for one in fit.margins.fits]
    bread, _, _, edges = stacked_moments(fit.likelihood, fit.optimum, parts, dzs, "exact")
    lik, theta = fit.likelihood, fit.theta
    jacobian = lik.layout.jacobian(fit.optimum.box)

    def mean_score(z):
        return lik.fixed(z).evaluate(theta, 1)[1].mean(axis=0) @ jacobian

    for k, dz in enumerate(dzs):
        for j in range(dz.shape[1]):
            size = 1e-5 / np.abs(dz[:, j]).mean()
            move = np.zeros_like(lik.z)
            move[:, k] = size * dz[:, j]
            wanted = (mean_score(lik.z + move) - mean_score(lik.z - move)) / (2 * size)
            got = bread[edges[3] :, edges[k] + j]
            np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5 * np.abs(bread[edges[3] :]).max())


def test_margins_keep_their_covariance_and_ours_is_symmetric(fit):
    cov = fit.cov.to_numpy()
    np.testing.assert_array_equal(np.nan_to_num(cov), np.nan_to_num(cov.T))
    first = 0
    for one in fit.margins.fits:
        stop = first + len(one.params)
        np.testing.assert_allclose(cov[first:stop, first:stop], one.cov, rtol=1e-8)
        first = stop
    assert (fit.std_err.filter(like="gas.").dropna() > 0).all()


def test_storage_filter_and_exact_forecast(fit, returns):
    again = CorrelationFit.from_json(fit.to_json())
    assert again.spec == fit.spec
    pd.testing.assert_series_equal(again.std_err, fit.std_err)
    pd.testing.assert_frame_equal(again.correlations(), fit.correlations(), check_freq=False)
    same = fit.filter(returns.iloc[:1200])
    np.testing.assert_allclose(same.correlations(), fit.correlations(), rtol=1e-12)
    ahead = fit.forecast(1)
    later = fit.filter(returns.iloc[:1201])
    np.testing.assert_allclose(ahead.correlation.iloc[0], later.correlations().iloc[-1], rtol=1e-9)
    for method in ("Q", "simulation"):
        other = fit.forecast(1, method=method, rng=0, paths=3)
        np.testing.assert_allclose(other.correlation, ahead.correlation, rtol=1e-10)


def test_forecasts_return_to_the_level_and_agree_with_simulation(margins):
    fit = quiet(ScoreDriven(dist="t"), margins)
    for method in ("R", "Q"):
        far = fit.forecast(3000, method=method).correlation.iloc[-1, 0]
        np.testing.assert_allclose(far, np.tanh(fit.params["gas.omega"]), atol=1e-5)
    simulated = fit.forecast(10, method="simulation", paths=4000, rng=1).correlation
    np.testing.assert_allclose(simulated, fit.forecast(10, method="Q").correlation, atol=0.03)


def test_band_holds_the_path(margins):
    fit = quiet(ScoreDriven(dist="t"), margins)
    band = fit.correlation_band("A", "B", draws=100, rng=2)
    assert (band["lower"] < band["upper"]).all()
    assert ((band["lower"] <= band["estimate"]) & (band["estimate"] <= band["upper"])).mean() > 0.9
    assert (band.abs() < 1).all().all()


def test_scores_of_the_truth_are_uncorrelated_with_unit_information():
    spec = ScoreDriven(dist="t", scaling="root")
    theta = np.array([0.5, 0.06, 0.96, 6.0])
    z = draw(spec, theta, 40_000, np.random.default_rng(5), 6.0)
    lik = spec.model(z)
    f = lik.link(theta)
    news = (f[1:] - theta[0] - theta[2] * (f[:-1] - theta[0])) / theta[1]
    assert abs(news.mean()) < 4 / 200
    np.testing.assert_allclose(news.var(), 1.0, atol=0.03)
    assert abs(np.corrcoef(news[1:], news[:-1])[0, 1]) < 0.02


def test_t_follows_a_crash_less_than_dcc():
    """One day of fourteen standard deviations in both columns, of uncorrelated series."""
    rng = np.random.default_rng(8)
    z = draw(ScoreDriven(dist="t"), [0.0, 0.05, 0.95, 5.0], 1000, rng, 5.0)
    z[500] = [-14.0, -14.0]
    gas = ScoreDriven(dist="t").model(z)
    jump = np.diff(gas.path(np.array([0.0, 0.05, 0.95, 5.0]), [0], [1])[500:502, 0])
    dcc = DCC(dist="t").model(z)
    other = np.diff(dcc.path(np.array([0.05, 0.9, 5.0]), [0], [1])[500:502, 0])
    assert 0 < jump[0] < 0.25
    assert other[0] > 0.5


def test_no_dynamics_is_on_the_bound_with_a_flag():
    rng = np.random.default_rng(3)
    z = rng.standard_normal((1000, 2))
    z[:, 1] = np.where(np.arange(1000) % 2 == 0, 1, -1) * np.abs(z[:, 1]) * np.sign(z[:, 0])
    frame = pd.DataFrame(z, pd.bdate_range("2015-01-01", periods=1000), ["A", "B"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        margins = fit_margins(frame, GARCH(mean="zero"))
    with pytest.warns(BoundaryWarning, match=r"no standard error: gas\.a, gas\.b"):
        fit = ScoreDriven().fit(margins)
    assert fit.params["gas.a"] == 0.0
    np.testing.assert_allclose(fit.correlation("A", "B"), np.tanh(fit.params["gas.omega"]))
    assert np.isfinite(fit.std_err["gas.omega"])


def test_an_outlier_does_not_stop_the_climb():
    """Some starts are infeasible: the likelihood is minus infinity there, and the optimiser goes elsewhere."""
    z = draw(ScoreDriven(), [0.5, 0.05, 0.95], 1000, np.random.default_rng(2))
    z[500] = [-60.0, -58.0]
    starts = [ScoreDriven().model(z).evaluate(start, 0)[0].sum() for start in ScoreDriven().model(z).starts()]
    assert not np.isfinite(starts).all()
    lik, optimum = climb_correlation(ScoreDriven(), z)
    assert optimum.converged
    assert np.isfinite(optimum.loglik)
    assert np.isfinite(lik.path(optimum.theta, [0], [1])).all()


def test_refusals(returns, margins, sim_dcc3):
    with pytest.raises(SpecError, match=r"a model of one pair and there are 3 columns.*Use DCC"):
        ScoreDriven().fit(sim_dcc3.iloc[:300])
    with pytest.raises(SpecError, match="it has no target to give"):
        ScoreDriven().fit(margins, target=np.eye(2))
    with pytest.raises(SpecError, match="scaling='half' is not known"):
        ScoreDriven(scaling="half")
    with pytest.raises(SpecError, match="takes no driver"):
        ScoreDriven().fit(margins, driver=returns["A"])
    with pytest.raises(SpecError, match="returns to no target"):
        _ = quiet(ScoreDriven(), margins).target
    with pytest.raises(DataError, match="a simulated correlation reached one"):
        draw(ScoreDriven(scaling="unit"), [3.0, 1.0, 0.999], 4000, np.random.default_rng(0))
    assert "creal2013" in quiet(ScoreDriven(), margins).cite()
