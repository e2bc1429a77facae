"""What every model of the covariance path answers: paths, forecasts, storage, invariances, refusals."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.covariance.ewma import EWMA, RiskMetrics2006
from cryptoequity.covariance.fit import CovarianceFit, spec_from_dict
from cryptoequity.covariance.gogarch import GOGARCH, OGARCH
from cryptoequity.covariance.steps import mean_slopes
from cryptoequity.errors import ConvergenceError, ConvergenceWarning, DataError, SpecError
from cryptoequity.estimation import optimize
from cryptoequity.estimation.inference import free_part
from strategies import residuals

SPECS = [EWMA(), EWMA("qml"), RiskMetrics2006(), OGARCH(), OGARCH(n_factors=1), GOGARCH(), GOGARCH(demean=False)]


def shifted(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the demeaned sample a mean again."""
    return frame.add([0.05, -0.02, 0.1], axis="columns")


@pytest.fixture(scope="module")
def returns(sim_dcc3) -> pd.DataFrame:
    return shifted(sim_dcc3).iloc[:1200]


def quiet(spec, data, **options) -> CovarianceFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


@pytest.fixture(scope="module", params=SPECS, ids=lambda spec: f"{spec.name} {spec.demean}")
def fit(request, returns) -> CovarianceFit:
    return request.param.fit(returns)


def dense(fit: CovarianceFit) -> np.ndarray:
    """H_t as (T, N, N), from the paths of all pairs."""
    n = len(fit.names)
    grid = np.indices((n, n)).reshape(2, -1)
    return fit.likelihood.path(fit.theta, *grid).reshape(-1, n, n)


def test_paths_are_covariances_and_agree(fit, returns):
    h = dense(fit)
    assert np.linalg.eigvalsh(h).min() > 0
    np.testing.assert_allclose(h, h.transpose(0, 2, 1), rtol=1e-12)
    np.testing.assert_allclose(fit.volatility, np.sqrt(np.einsum("tii->ti", h)), rtol=1e-12)
    frame = fit.correlations()
    assert list(frame.columns) == [("A", "B"), ("A", "C"), ("B", "C")]
    assert frame.abs().max().max() < 1
    for i, j in frame.columns:
        np.testing.assert_allclose(frame[(i, j)], fit.correlation(i, j), rtol=1e-12)
        np.testing.assert_allclose(fit.correlation(j, i), fit.correlation(i, j), rtol=1e-12)
    np.testing.assert_array_equal(fit.correlation("A", "A"), 1.0)
    date = returns.index[700]
    np.testing.assert_allclose(fit.covariance_at(date), h[700], rtol=1e-12)
    assert list(fit.covariance_at(date).columns) == list(fit.names)
    np.testing.assert_allclose(fit.correlation_at(date).loc["A", "C"], fit.correlation("A", "C").loc[date], rtol=1e-12)
    np.testing.assert_allclose(np.diag(fit.correlation_at(date)), 1.0)
    with pytest.raises(SpecError, match="no column 'Z' in this fit; there are A, B, C"):
        fit.correlation("A", "Z")
    with pytest.raises(SpecError, match="is no single date of the sample, which runs from 2010-01-04"):
        fit.covariance_at("1999-01-01")


def test_means_and_residuals(fit, returns):
    wanted = returns.mean().to_numpy() if fit.spec.demean else np.zeros(3)
    np.testing.assert_allclose(fit.mean.iloc[5], wanted)
    assert fit.mean.shape == fit.volatility.shape == fit.std_resid.shape == returns.shape
    np.testing.assert_allclose(fit.std_resid * fit.volatility + fit.mean, returns, rtol=1e-12)
    assert list(fit.params.index[:3]) == (["A.mu", "B.mu", "C.mu"] if fit.spec.demean else list(fit.params.index[:3]))


def test_likelihood_is_the_dense_gaussian_one(fit, returns):
    deviations = returns.to_numpy() - fit.center
    h = dense(fit)
    quad = np.einsum("ti,ti->t", deviations, np.linalg.solve(h, deviations[:, :, None])[:, :, 0])
    wanted = -0.5 * (3 * np.log(2 * np.pi) + np.linalg.slogdet(h)[1] + quad)
    np.testing.assert_allclose(fit.loglik_obs, wanted, rtol=1e-10)
    np.testing.assert_allclose(fit.loglik_obs.sum(), fit.loglikelihood, rtol=1e-12)


def test_whitened_returns_carry_the_quadratic_form(fit, returns):
    u = fit.whitened()
    h, deviations = dense(fit), returns.to_numpy() - fit.center
    quad = np.einsum("ti,ti->t", deviations, np.linalg.solve(h, deviations[:, :, None])[:, :, 0])
    np.testing.assert_allclose((u**2).sum(axis=1), quad, rtol=1e-9)
    np.testing.assert_allclose(u[:, 0], deviations[:, 0] / np.sqrt(h[:, 0, 0]), rtol=1e-10)


def test_errors_are_a_covariance(fit):
    cov = fit.cov.to_numpy()
    np.testing.assert_array_equal(cov, cov.T)
    assert np.linalg.eigvalsh(cov / np.sqrt(np.outer(np.diag(cov), np.diag(cov))) if cov.size else [[1]]).min() > -1e-10
    assert np.isfinite(fit.std_err).all()
    if fit.spec.demean:
        np.testing.assert_allclose(fit.std_err.iloc[:3], fit.returns.std(ddof=0) / np.sqrt(1200), rtol=1e-10)
    for cov_type in ("hac", "classic"):
        other = fit.spec.fit(fit.returns, cov_type=cov_type)
        pd.testing.assert_series_equal(other.params, fit.params)
        assert np.isfinite(other.std_err).all()
        assert cov_type in str(other.summary())


def test_storage_and_filtering_give_the_fit_back(fit, returns):
    assert spec_from_dict(fit.spec.to_dict()) == fit.spec
    again = CovarianceFit.from_json(fit.to_json())
    json.loads(fit.to_json())
    assert again.spec == fit.spec
    pd.testing.assert_series_equal(again.params, fit.params)
    pd.testing.assert_series_equal(again.std_err, fit.std_err)
    pd.testing.assert_frame_equal(again.correlations(), fit.correlations(), check_freq=False)
    assert str(again.summary()) == str(fit.summary())
    same = fit.filter(returns[["C", "A", "B"]])
    np.testing.assert_allclose(same.correlations(), fit.correlations(), rtol=1e-12)
    np.testing.assert_allclose(same.loglikelihood, fit.loglikelihood, rtol=1e-12)
    pd.testing.assert_series_equal(same.std_err, fit.std_err)
    with pytest.raises(SpecError, match="a filtered path has no optimum to write"):
        same.to_json()
    with pytest.raises(DataError, match="column 'B' of the fit is not in the new returns"):
        fit.filter(returns[["A", "C"]])


def test_one_step_forecast_is_exact(fit, sim_dcc3):
    longer = shifted(sim_dcc3).iloc[:1201]
    ahead = fit.forecast(1)
    nxt = fit.filter(longer)
    # slow components of RiskMetrics 2006 start from a back-cast that reads the whole sample
    near = {"rtol": 1e-2 if isinstance(fit.spec, RiskMetrics2006) else 1e-9}
    np.testing.assert_allclose(ahead.correlation.iloc[0], nxt.correlations().iloc[-1], **near)
    np.testing.assert_allclose(ahead.volatility.iloc[0], nxt.volatility.iloc[-1], **near)
    np.testing.assert_allclose(ahead.covariance[0], nxt.covariance_at(longer.index[-1]), **near)
    np.testing.assert_allclose(ahead.covariance[0], fit.likelihood.next_covariance(fit.theta), rtol=1e-12)
    other = fit.forecast(1, method="simulation", rng=0, paths=2)
    np.testing.assert_allclose(other.covariance, ahead.covariance, rtol=1e-12)
    np.testing.assert_allclose(other.correlation, ahead.correlation, rtol=1e-12)


def test_simulated_forecasts_agree_with_the_expectation(fit):
    drawn, formula = fit.forecast(12, method="simulation", paths=3000, rng=1), fit.forecast(12)
    np.testing.assert_allclose(drawn.volatility, formula.volatility, rtol=0.05)
    np.testing.assert_allclose(drawn.correlation, formula.correlation, atol=0.05)
    assert formula.method == "analytic"
    pd.testing.assert_frame_equal(
        fit.forecast(3, method="simulation", paths=20, rng=1).correlation,
        fit.forecast(3, method="simulation", paths=20, rng=1).correlation,
    )
    with pytest.raises(SpecError, match="method='simulation' draws paths: pass rng"):
        fit.forecast(3, method="simulation")
    with pytest.raises(SpecError, match="horizon=0: forecast at least one step"):
        fit.forecast(0)
    with pytest.raises(SpecError, match="method='R'"):
        fit.forecast(1, method="R")


def test_a_model_without_covariances_along_its_paths_forecasts_by_outer_products(returns):
    fit = OGARCH().fit(returns)

    class Silent:
        def __getattr__(self, name):
            return getattr(fit.likelihood, name)

        def simulate(self, theta, shocks, *, warm=False):
            return fit.likelihood.simulate(theta, shocks, warm=warm)[0], None

    drawn = replace(fit, likelihood=Silent()).forecast(2, method="simulation", paths=20000, rng=3)
    np.testing.assert_allclose(drawn.covariance, fit.forecast(2).covariance, rtol=0.1, atol=0.03)


def test_simulation_is_reproducible_and_centered(fit):
    made = fit.simulate(300, rng=3)
    pd.testing.assert_frame_equal(made, fit.simulate(300, rng=np.random.default_rng(3)))
    assert list(made.columns) == list(fit.names)
    assert made.shape == (300, 3)
    assert np.isfinite(made.to_numpy()).all()


def test_scores_equal_differences(fit):
    lik, theta = fit.likelihood, fit.theta * 0.97
    score = lik.evaluate(theta, 1)[1]
    assert score.shape == (1200, theta.size)
    for k in range(theta.size):
        step = np.zeros(theta.size)
        step[k] = 1e-5
        wanted = (lik.evaluate(theta + step, 0)[0] - lik.evaluate(theta - step, 0)[0]) / 2e-5
        np.testing.assert_allclose(score[:, k], wanted, atol=1e-6 * max(1.0, np.abs(wanted).max()))


@pytest.mark.parametrize("spec", [EWMA("qml"), OGARCH()], ids=lambda spec: spec.name)
def test_the_mean_moves_the_estimates_as_the_stack_says(spec, returns):
    """The slopes A_31 and the Hessian against estimates climbed to again after the mean has moved."""
    skewed = returns + 0.3 * (returns**2 - (returns**2).mean())  # symmetric data hide the effect
    deviations = (skewed - skewed.mean()).to_numpy()
    lik = spec.build(deviations)
    optimum = optimize.maximize(lik, list(lik.starts()), tol=1e-13)
    part = free_part(lik, optimum)
    slopes = part.jacobian @ np.linalg.solve(
        -part.hessian, part.jacobian.T @ mean_slopes(lik, optimum.theta, deviations)
    )
    for j in range(3):
        ends = []
        for side in (0.02, -0.02):
            moved = deviations.copy()
            moved[:, j] -= side
            again = optimize.maximize(lik.on(moved), [optimum.theta], tol=1e-13)
            ends.append(again.theta)
        np.testing.assert_allclose(slopes[:, j], (ends[0] - ends[1]) / 0.04, rtol=0.03, atol=2e-4)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.name} {spec.demean}")
def test_permuting_assets_permutes_the_answer(spec, returns):
    one, turned = quiet(spec, returns), quiet(spec, returns[["C", "A", "B"]])
    np.testing.assert_allclose(turned.loglikelihood, one.loglikelihood, rtol=1e-9)
    for i, j in (("A", "B"), ("A", "C"), ("B", "C")):
        np.testing.assert_allclose(turned.correlation(i, j), one.correlation(i, j), atol=1e-4)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.name} {spec.demean}")
@pytest.mark.parametrize("scale", [1e6, 1e3])
def test_a_common_scale_leaves_correlations(spec, returns, scale):
    one, other = quiet(spec, returns), quiet(spec, scale * returns)
    np.testing.assert_allclose(other.theta, one.theta, atol=1e-5)
    np.testing.assert_allclose(other.correlations(), one.correlations(), atol=1e-5)
    np.testing.assert_allclose(other.volatility, scale * one.volatility, rtol=1e-5)
    np.testing.assert_allclose(other.loglikelihood, one.loglikelihood - 3 * 1200 * np.log(scale), rtol=1e-9)
    if one.theta.size:
        own = one.likelihood.layout.names
        np.testing.assert_allclose(other.std_err[list(own)], one.std_err[list(own)], rtol=1e-3)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.name} {spec.demean}")
def test_a_small_scale_on_arrays(spec, returns):
    """The door refuses decimal returns; the numbers behind it do not care."""
    values = returns.to_numpy() - returns.to_numpy().mean(axis=0)
    one, other = spec.build(values), spec.build(1e-6 * values)
    best, small = spec.climb(one), spec.climb(other)
    theta = np.empty(0) if best is None else best.theta
    if best is not None:
        np.testing.assert_allclose(small.theta, theta, atol=1e-5)
    np.testing.assert_allclose(1e12 * other.next_covariance(theta), one.next_covariance(theta), rtol=1e-9)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.name} {spec.demean}")
def test_an_outlier_of_a_thousand_standard_deviations(spec, returns):
    wild = returns.copy()
    wild.iloc[600, 1] = 1000 * returns["B"].std()
    fit = quiet(spec, wild)
    assert np.isfinite(fit.loglikelihood)
    assert np.isfinite(fit.correlations().to_numpy()).all()
    assert fit.correlations().abs().max().max() <= 1
    assert set(fit.std_err.index[fit.std_err.isna()]) == set(fit.at_bound)
    json.loads(fit.to_json())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.name} {spec.demean}")
def test_data_that_cannot_be_used(spec, returns):
    with pytest.raises(DataError, match="a covariance model needs two columns; there is only 'A'"):
        spec.fit(returns[["A"]])
    with pytest.raises(DataError, match="column 'C' is constant at 1"):
        spec.fit(returns.assign(C=1.0))
    with pytest.raises(DataError, match="'A' looks like decimal returns"):
        spec.fit(returns / 1e6)
    with pytest.raises(DataError, match="columns 'A' and 'D' are perfectly collinear"):
        spec.fit(returns.assign(D=returns["A"]))
    with pytest.raises(DataError, match="linearly dependent"):
        spec.fit(returns.assign(D=returns["A"] + returns["B"] - returns["C"]))
    with pytest.raises(DataError, match="column 'C' is NaN"):
        spec.fit(returns.assign(C=returns["C"].where(returns["C"] < 3)))
    with pytest.raises(DataError, match="appears more than once"):
        spec.fit(pd.concat([returns, returns.iloc[-1:]]))
    wide = pd.DataFrame(np.random.default_rng(0).standard_normal((260, 300)), returns.index[:260])
    with pytest.raises(DataError, match="300 columns on only 260 dates, so their covariance is singular"):
        spec.fit(wide.rename(columns=str))
    with pytest.raises(DataError, match="DataFrame"):
        spec.fit(returns.to_numpy())
    with pytest.raises(SpecError, match="cov_type='white' is not known"):
        spec.fit(returns, cov_type="white")


def test_unknown_models_are_refused():
    with pytest.raises(SpecError, match="model='Magic' is not known here"):
        spec_from_dict({"model": "Magic"})


def test_stopping_short(returns, monkeypatch):
    from cryptoequity.covariance import fit as covariance

    def hurried(*args, **options):
        return optimize.maximize(*args, **{**options, "max_iter": 1})

    monkeypatch.setattr(covariance, "maximize", hurried)
    with pytest.warns(ConvergenceWarning, match=r"EWMA\(QML\): no convergence in 1 iterations"):
        fit = EWMA("qml").fit(returns)
    assert not fit.converged
    assert "NOT CONVERGED" in str(fit.summary())
    with pytest.raises(ConvergenceError, match="no convergence in 1 iterations"):
        EWMA("qml").fit(returns, strict=True)


def test_citations(fit):
    assert "@" in fit.cite()
    assert GOGARCH.references[0] == "vanderweide2002"


@given(residuals(nobs=(30, 60)), st.floats(0.05, 0.999))
@settings(max_examples=40, deadline=None)
def test_smoothed_covariances_are_positive_semidefinite(z, decay):
    lik = EWMA(decay).build(z)
    n = z.shape[1]
    h = lik.path(np.empty(0), *np.indices((n, n)).reshape(2, -1)).reshape(-1, n, n)
    size = np.maximum(np.trace(h, axis1=1, axis2=2), 1e-300)
    assert (np.linalg.eigvalsh(h).min(axis=1) >= -1e-12 * size).all()
    # a singular H_t is minus infinity, never a number out of rounding
    loglik = lik.evaluate(np.empty(0), 0)[0]
    assert not np.isnan(loglik).any()
    assert (loglik[size <= 1e-300] == -np.inf).all()
