"""CCC and DCC fits: invariances, boundaries, failures, forecasts, filtering, simulation, storage."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from cryptoequity.correlation import CCC, DCC, CorrelationFit
from cryptoequity.correlation import model as model_module
from cryptoequity.errors import BoundaryWarning, ConvergenceError, ConvergenceWarning, DataError, SpecError
from cryptoequity.estimation import optimize
from cryptoequity.volatility import GARCH, fit_margins

SPECS = [CCC(), CCC(dist="t"), DCC(), DCC(dist="t"), DCC(presample="ewma")]


@pytest.fixture(scope="module")
def returns(sim_dcc3) -> pd.DataFrame:
    return sim_dcc3.iloc[:1200]


@pytest.fixture(scope="module")
def margins(returns):
    return fit_margins(returns)


def quiet(spec, data, **options) -> CorrelationFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


@pytest.fixture(scope="module", params=SPECS, ids=str)
def fit(request, margins) -> CorrelationFit:
    return quiet(request.param, margins)


def test_paths_are_correlations_and_agree(fit):
    frame = fit.correlations()
    assert list(frame.columns) == [("A", "B"), ("A", "C"), ("B", "C")]
    assert frame.abs().max().max() < 1
    for i, j in frame.columns:
        np.testing.assert_array_equal(frame[(i, j)], fit.correlation(i, j))
        np.testing.assert_array_equal(fit.correlation(j, i), fit.correlation(i, j))
    np.testing.assert_array_equal(np.diag(fit.target), 1.0)
    np.testing.assert_array_equal(fit.target, fit.target.T)
    if not fit.likelihood.dynamic:
        np.testing.assert_allclose(frame.iloc[-1], fit.target.to_numpy()[[0, 0, 1], [1, 2, 2]], rtol=1e-12)
    else:
        assert frame.std().min() > 0.01
    with pytest.raises(SpecError, match="no column 'Z' in this fit; there are A, B, C"):
        fit.correlation("A", "Z")


def test_parts_of_the_log_likelihood_add_up(fit):
    np.testing.assert_allclose(fit.loglik_obs.sum(), fit.loglikelihood, rtol=1e-12)
    wanted = fit.likelihood.evaluate(fit.theta, 0)[0] - np.log(fit.volatility).sum(axis=1)
    np.testing.assert_allclose(fit.loglik_obs, wanted)


def test_every_pair_of_two_equals_the_general_kernel(margins):
    pair = margins.select("A", "B")
    two = DCC().fit(pair)
    assert two.params.index[-3:].tolist() == ["corr.A.B", "dcc.a", "dcc.b"]
    three = quiet(DCC(), margins)
    assert three.params.index[-5:].tolist() == ["corr.A.B", "corr.A.C", "corr.B.C", "dcc.a", "dcc.b"]
    np.testing.assert_allclose(three.params["corr.A.B"], two.params["corr.A.B"], rtol=1e-12)


def test_permuting_assets_permutes_the_answer(margins):
    one, turned = DCC().fit(margins), DCC().fit(margins.select("C", "A", "B"))
    np.testing.assert_allclose(turned.theta, one.theta, atol=1e-5)
    np.testing.assert_allclose(turned.loglikelihood, one.loglikelihood, rtol=1e-9)
    for i, j in (("A", "B"), ("A", "C"), ("B", "C")):
        np.testing.assert_allclose(turned.correlation(i, j), one.correlation(i, j), atol=1e-4)
    np.testing.assert_allclose(turned.std_err["corr.A.B"], one.std_err["corr.A.B"], rtol=1e-3)
    np.testing.assert_allclose(turned.std_err[["dcc.a", "dcc.b"]], one.std_err[["dcc.a", "dcc.b"]], rtol=1e-3)


def test_rescaling_returns_leaves_correlations(returns, margins):
    scaled = fit_margins(returns * [3.0, 0.5, 1.0])
    one, other = DCC().fit(margins), DCC().fit(scaled)
    np.testing.assert_allclose(other.theta, one.theta, atol=2e-4)
    np.testing.assert_allclose(other.correlations(), one.correlations(), atol=1e-3)
    np.testing.assert_allclose(other.volatility["A"], 3 * one.volatility["A"], rtol=1e-3)


def test_storage_and_filtering_give_the_fit_back(fit, returns):
    again = CorrelationFit.from_json(fit.to_json())
    json.loads(fit.to_json())
    assert again.spec == fit.spec
    pd.testing.assert_series_equal(again.params, fit.params)
    pd.testing.assert_series_equal(again.std_err, fit.std_err)
    pd.testing.assert_frame_equal(again.correlations(), fit.correlations(), check_freq=False)
    assert str(again.summary()) == str(fit.summary())
    same = fit.filter(returns)
    np.testing.assert_allclose(same.correlations(), fit.correlations(), rtol=1e-12)
    np.testing.assert_allclose(same.loglikelihood, fit.loglikelihood, rtol=1e-12)
    pd.testing.assert_series_equal(same.std_err, fit.std_err)
    if fit.theta.size:
        with pytest.raises(SpecError, match="a filtered path has no optimum to write"):
            same.to_json()
    with pytest.raises(DataError, match="column 'B' of the fit is not in the new returns"):
        fit.filter(returns[["A", "C"]])


def test_filtering_ahead_uses_the_past_only(margins, sim_dcc3):
    fit = DCC().fit(margins)
    longer = fit.filter(sim_dcc3.iloc[:1500])
    # the back-cast reads the mean of the whole series, which is forgotten
    np.testing.assert_allclose(longer.correlations().iloc[:1200], fit.correlations(), atol=2e-4)
    np.testing.assert_allclose(longer.correlations().iloc[900:1200], fit.correlations().iloc[900:], rtol=1e-9)


def test_one_step_forecast_is_exact(fit, sim_dcc3):
    ahead = fit.forecast(1)
    nxt = fit.filter(sim_dcc3.iloc[:1201])
    np.testing.assert_allclose(ahead.correlation.iloc[0], nxt.correlations().iloc[-1], rtol=1e-6)
    np.testing.assert_allclose(ahead.volatility.iloc[0], nxt.volatility.iloc[-1], rtol=1e-6)
    for method in ("Q", "simulation"):
        other = fit.forecast(1, method=method, rng=0, paths=3)
        np.testing.assert_allclose(other.correlation, ahead.correlation, rtol=1e-10)
        np.testing.assert_allclose(other.covariance, ahead.covariance, rtol=1e-10)
    sigma = ahead.volatility.iloc[0].to_numpy()
    np.testing.assert_allclose(np.diag(ahead.covariance[0]), sigma**2)
    np.testing.assert_allclose(ahead.covariance[0][0, 1], ahead.correlation.iloc[0, 0] * sigma[0] * sigma[1])


def test_long_forecast_is_unconditional(fit):
    for method in ("R", "Q"):
        far = fit.forecast(5000, method=method)
        np.testing.assert_allclose(far.correlation.iloc[-1], fit.target.to_numpy()[[0, 0, 1], [1, 2, 2]], atol=1e-8)
    for name in fit.names:
        margin = fit.margins[name]
        wanted = margin.params["omega"] / (1 - margin.persistence)
        np.testing.assert_allclose(far.volatility[name].iloc[-1] ** 2, wanted, rtol=1e-5)


def test_simulated_forecasts_agree_with_the_formula(margins):
    fit = DCC().fit(margins)
    simulated = fit.forecast(10, method="simulation", paths=4000, rng=1)
    formula = fit.forecast(10)
    np.testing.assert_allclose(simulated.correlation, formula.correlation, atol=0.02)
    np.testing.assert_allclose(simulated.volatility, formula.volatility, rtol=0.03)
    again = fit.forecast(10, method="simulation", paths=40, rng=1)
    pd.testing.assert_frame_equal(again.correlation, fit.forecast(10, method="simulation", paths=40, rng=1).correlation)
    with pytest.raises(SpecError, match="method='simulation' draws paths: pass rng"):
        fit.forecast(3, method="simulation")
    with pytest.raises(SpecError, match="horizon=0: forecast at least one step"):
        fit.forecast(0)
    with pytest.raises(SpecError, match="method='magic'"):
        fit.forecast(1, method="magic")


@pytest.mark.parametrize("dist", ["normal", "t"])
def test_fit_recovers_what_simulate_made(dist, margins):
    mold = quiet(DCC(dist=dist), margins)
    made = mold.simulate(8000, rng=3)
    pd.testing.assert_frame_equal(made, mold.simulate(8000, rng=3))
    made.index = pd.bdate_range("1990-01-01", periods=8000)
    if dist == "t":
        # nu of normal data is nearly infinite: only the dynamics are there to be found
        fit = quiet(DCC(dist="t"), made)
    else:
        fit = DCC().fit(made)
    gap = (fit.params - mold.params)[["dcc.a", "dcc.b", "corr.A.B", "corr.B.C"]] / fit.std_err
    assert (gap.dropna().abs() < 4).all()
    assert abs(fit.params["dcc.a"] - mold.params["dcc.a"]) < 0.02


def test_independent_residuals_have_no_dynamics():
    """a = 0 is on the bound and b then unidentified: neither has an error, and the fit says so."""
    rng = np.random.default_rng(3)
    # alternating signs of the cross product: news that is always followed by its opposite
    z = rng.standard_normal((1000, 2))
    z[:, 1] = np.where(np.arange(1000) % 2 == 0, 1, -1) * np.abs(z[:, 1]) * np.sign(z[:, 0])
    frame = pd.DataFrame(z, pd.bdate_range("2015-01-01", periods=1000), ["A", "B"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        margins = fit_margins(frame, GARCH(mean="zero"))
    with pytest.warns(BoundaryWarning, match=r"on the bound or not identified, no standard error: dcc\.a, dcc\.b"):
        fit = DCC().fit(margins)
    assert fit.params["dcc.a"] == 0.0
    assert {"dcc.a", "dcc.b"} <= set(fit.at_bound)
    assert fit.std_err[["dcc.a", "dcc.b"]].isna().all()
    assert np.isfinite(fit.std_err["corr.A.B"])
    assert "dcc.a, dcc.b" in str(fit.summary())
    np.testing.assert_allclose(fit.correlation("A", "B"), fit.params["corr.A.B"], atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_white_noise_never_crashes(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.standard_normal((500, 2)), pd.bdate_range("2015-01-01", periods=500), ["A", "B"])
    for spec in (DCC(), DCC(dist="t")):
        fit = quiet(spec, frame)
        assert np.isfinite(fit.loglikelihood)
        assert set(fit.std_err.index[fit.std_err.isna()]) == set(fit.at_bound)
        assert fit.correlation("A", "B").abs().max() < 1
        assert fit.loglikelihood >= quiet(CCC(dist=spec.dist), frame).loglikelihood - 1e-6


def test_stopping_short(margins, monkeypatch):
    def hurried(*args, **options):
        return optimize.maximize(*args, **{**options, "max_iter": 1})

    monkeypatch.setattr(model_module, "maximize", hurried)
    with pytest.warns(ConvergenceWarning, match=r"DCC\(1,1\)-normal: no convergence in 1 iterations"):
        fit = DCC().fit(margins)
    assert not fit.converged
    assert "NOT CONVERGED" in str(fit.summary())
    with pytest.raises(ConvergenceError, match="no convergence in 1 iterations"):
        DCC().fit(margins, strict=True)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda m: DCC(dist="skewt"), "dist='skewt' is not known here; choose one of 'normal', 't'"),
        (lambda m: DCC(presample="zero"), "presample='zero' is not known"),
        (lambda m: DCC().fit(m, cov_type="white"), "cov_type='white' is not known"),
        (lambda m: DCC().fit(m, target_noise="some"), "target_noise='some' is not known"),
        (lambda m: DCC().fit(m, margins=GARCH()), "margins= is for returns; the data passed are fitted margins"),
    ],
)
def test_unknown_choices(build, message, margins):
    with pytest.raises(SpecError, match=message):
        build(margins)


def test_data_that_cannot_be_used(returns, margins):
    with pytest.raises(DataError, match="a correlation needs two columns; there is only 'A'"):
        DCC().fit(margins.select("A"))
    with pytest.raises(DataError, match="'A' looks like decimal returns"):
        DCC().fit(returns / 100)
    with pytest.raises(DataError, match="columns 'A' and 'D' are perfectly collinear"):
        DCC().fit(returns.assign(D=2 * returns["A"]))
    with pytest.raises(DataError, match="linearly dependent"):
        DCC().fit(returns.assign(D=returns["A"] + returns["B"] - returns["C"]))
    with pytest.raises(DataError, match="column 'C' is NaN"):
        DCC().fit(returns.assign(C=returns["C"].where(returns["C"] < 3)))
    with pytest.raises(DataError, match="constant"):
        DCC().fit(returns.assign(C=1.0))


def test_returns_are_fitted_with_the_margins_asked_for(returns):
    fit = quiet(DCC(), returns[["A", "B"]], margins={"A": GARCH(dist="t"), "B": GARCH()})
    assert [one.spec.dist for one in fit.margins.fits] == ["t", "normal"]
    default = DCC().fit(returns[["A", "B"]])
    assert default.margins["A"].spec == GARCH()
    for key in ("engle2002", "bollerslev1986", "neweymcfadden1994"):
        assert key in default.cite()
    assert "bollerslev1990" in CCC().fit(returns).cite()


def test_more_than_three_assets():
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((800, 1))
    frame = pd.DataFrame(
        0.7 * factor + 0.7 * rng.standard_normal((800, 6)), pd.bdate_range("2015-01-01", periods=800), list("ABCDEF")
    )
    fit = quiet(DCC(), frame)
    assert fit.correlations().shape == (800, 15)
    assert fit.correlations().abs().max().max() < 1
