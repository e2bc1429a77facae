"""Fits of one margin: boundaries, failures, forecasts, filtering, simulation, storage."""

from __future__ import annotations

import dataclasses
import json
import warnings

import numpy as np
import pandas as pd
import pytest

from cryptoequity.errors import BoundaryWarning, ConvergenceError, ConvergenceWarning, DataError, SpecError
from cryptoequity.estimation import optimize
from cryptoequity.volatility import EGARCH, GARCH, MarginFit
from cryptoequity.volatility import garch as garch_module

SPECS = [
    GARCH(),
    GARCH(asymmetric=True, dist="t"),
    GARCH(mean="ar", lags=2, dist="skewt"),
    GARCH(p=2, q=1, mean="zero", presample="mfe"),
    EGARCH(dist="t"),
    EGARCH(asymmetric=False, mean="zero"),
]


def dated(values, name="X") -> pd.Series:
    return pd.Series(np.asarray(values), pd.bdate_range("2015-01-01", periods=len(values), name="date"), name=name)


@pytest.fixture(scope="module")
def series(simple_returns) -> pd.Series:
    return simple_returns["SP500"].iloc[:1500]


def quiet(spec, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.name} {spec.mean}")
def test_storage_and_filtering_give_the_fit_back(spec, series):
    fit = quiet(spec, series)
    again = MarginFit.from_json(fit.to_json())
    assert again.spec == fit.spec
    pd.testing.assert_series_equal(again.params, fit.params)
    pd.testing.assert_series_equal(again.std_err, fit.std_err)
    pd.testing.assert_series_equal(again.volatility, fit.volatility, check_freq=False)
    assert again.loglikelihood == fit.loglikelihood
    assert str(again.summary()) == str(fit.summary())
    json.loads(fit.to_json())
    same = fit.filter(series)
    np.testing.assert_array_equal(same.volatility, fit.volatility)
    np.testing.assert_array_equal(same.std_resid, fit.std_resid)
    np.testing.assert_allclose(same.loglikelihood, fit.loglikelihood, rtol=1e-14)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.name} {spec.mean}")
def test_one_step_forecast_is_the_next_variance(spec, series):
    fit = quiet(spec, series)
    longer = pd.concat([series, dated([0.3], series.name).set_axis([series.index[-1] + pd.Timedelta(days=1)])])
    presample = fit.filter(longer)
    # the presample of the longer series differs in nothing after so many observations but rounding
    np.testing.assert_allclose(fit.variance_forecast(1)[0], presample.volatility.iloc[-1] ** 2, rtol=1e-6)
    z = np.array([0.5, -2.0, 1.0])
    path = fit.conditional_variances(z)
    assert path.shape == (3,)
    np.testing.assert_allclose(path[0], fit.variance_forecast(1)[0], rtol=1e-12)


@pytest.mark.parametrize("spec", [GARCH(), GARCH(asymmetric=True, dist="t"), GARCH(p=2)], ids=lambda spec: spec.name)
def test_long_forecast_is_unconditional(spec, series):
    fit = quiet(spec, series)
    assert fit.persistence < 1
    theta = fit.params
    wanted = theta["omega"] / (1 - fit.persistence)
    np.testing.assert_allclose(fit.variance_forecast(60_000)[-1], wanted, rtol=1e-6)
    path = fit.variance_forecast(200)
    decay = (path[100:] - wanted) / (path[99:-1] - wanted)
    np.testing.assert_allclose(decay, fit.persistence, rtol=1e-2 if spec.p == 2 else 1e-6)


def test_storage_of_undated_returns(series):
    fit = GARCH().fit(series.reset_index(drop=True))
    again = MarginFit.from_json(fit.to_json())
    pd.testing.assert_series_equal(again.std_resid, fit.std_resid, check_index_type=False)


def test_simulated_paths_average_to_the_forecast(series):
    fit = quiet(GARCH(asymmetric=True), series)
    rng = np.random.default_rng(0)
    total = np.zeros(5)
    for _ in range(20_000):
        total += fit.conditional_variances(rng.standard_normal(5))
    np.testing.assert_allclose(total / 20_000, fit.variance_forecast(5), rtol=0.02)


@pytest.mark.parametrize(
    ("spec", "truth"),
    [
        (GARCH(dist="t"), {"mu": 0.05, "omega": 0.05, "alpha": 0.08, "beta": 0.88, "nu": 6.0}),
        (GARCH(asymmetric=True), {"mu": 0.05, "omega": 0.05, "alpha": 0.04, "gamma": 0.1, "beta": 0.86}),
        (EGARCH(), {"mu": 0.05, "omega": 0.02, "alpha": 0.15, "gamma": -0.08, "beta": 0.95}),
    ],
    ids=lambda item: item.name if hasattr(item, "name") else "",
)
def test_fit_recovers_what_simulate_made(spec, truth, series):
    mold = quiet(spec, series)
    known = dataclasses.replace(
        mold, _estimate=dataclasses.replace(mold.estimate, theta=np.array(list(truth.values())))
    )
    made = known.simulate(12_000, rng=5)
    fit = spec.fit(dated(made["returns"]))
    gap = (fit.params - pd.Series(truth)) / fit.std_err
    assert (gap.abs() < 4).all(), gap
    assert (fit.std_err < 0.15 * fit.params.abs().clip(lower=0.3)).drop("nu", errors="ignore").all()
    a, b = known.simulate(50, rng=1), known.simulate(50, rng=1)
    pd.testing.assert_frame_equal(a, b)
    assert not a.equals(known.simulate(50, rng=2))


@pytest.mark.parametrize("kind", ["GARCH", "GJR", "EGARCH"])
def test_rescaling_returns(kind, series):
    """Volatility scales, residuals and dynamics stay."""
    spec = EGARCH() if kind == "EGARCH" else GARCH(asymmetric=kind == "GJR")
    one, three = quiet(spec, series), quiet(spec, 3 * series)
    np.testing.assert_allclose(three.volatility, 3 * one.volatility, rtol=1e-4)
    np.testing.assert_allclose(three.std_resid, one.std_resid, atol=1e-3)
    np.testing.assert_allclose(three.loglikelihood, one.loglikelihood - len(series) * np.log(3), rtol=1e-9)
    if kind != "EGARCH":
        np.testing.assert_allclose(three.params["omega"], 9 * one.params["omega"], rtol=1e-3)
        np.testing.assert_allclose(three.params.iloc[2:], one.params.iloc[2:], rtol=1e-3, atol=1e-5)


def test_data_without_arch_effects():
    """Alpha ends on its bound: no error, a warning, and the others keep theirs."""
    calm = dated(np.sign(np.sin(np.arange(600.0) * 7)) * (1 + 0.05 * np.cos(np.arange(600))))
    with pytest.warns(BoundaryWarning, match="X: on the bound, no standard error: .*alpha"):
        fit = GARCH().fit(calm)
    assert "alpha" in fit.at_bound
    assert fit.params["alpha"] == 0.0
    assert np.isnan(fit.std_err["alpha"])
    assert np.isfinite(fit.std_err["mu"])
    assert "On the bound or not identified, hence without standard error" in str(fit.summary())


@pytest.mark.parametrize("seed", range(6))
def test_white_noise_never_crashes(seed):
    """Every outcome is legitimate; what is on a bound has no error and what is not has one."""
    noise = dated(np.random.default_rng(seed).standard_normal(500))
    for spec in (GARCH(), GARCH(asymmetric=True, dist="t"), EGARCH(dist="t")):
        fit = quiet(spec, noise)
        assert np.isfinite(fit.loglikelihood)
        assert set(fit.std_err.index[fit.std_err.isna()]) == set(fit.at_bound)
        assert (fit.std_err.dropna() > 0).all()
        assert fit.volatility.between(0.3, 3).all()


def test_stopping_short(series, monkeypatch):
    def hurried(*args, **options):
        return optimize.maximize(*args, **{**options, "max_iter": 1})

    monkeypatch.setattr(garch_module, "maximize", hurried)
    with pytest.warns(ConvergenceWarning, match="SP500: no convergence in 1 iterations"):
        fit = GARCH().fit(series)
    assert not fit.converged
    assert "NOT CONVERGED: no convergence in 1 iterations" in str(fit.summary())
    with pytest.raises(ConvergenceError, match="no convergence in 1 iterations"):
        GARCH().fit(series, strict=True)


def test_start_of_ones_own(series):
    fit = GARCH().fit(series)
    again = GARCH().fit(series, start=list(fit.params))
    np.testing.assert_allclose(again.loglikelihood, fit.loglikelihood, rtol=1e-12)
    assert again.optimum.evaluations < fit.optimum.evaluations
    with pytest.raises(
        SpecError, match=r"start has 2 values; GARCH\(1,1\)-normal needs \['mu', 'omega', 'alpha', 'beta'\]"
    ):
        GARCH().fit(series, start=[1.0, 2.0])


@pytest.mark.parametrize("cov_type", ["robust", "hac", "classic"])
def test_covariances_are_symmetric_and_positive(cov_type, series):
    cov = GARCH(dist="t").fit(series, cov_type=cov_type).cov.to_numpy()
    np.testing.assert_array_equal(cov, cov.T)
    assert np.linalg.eigvalsh(cov)[0] > 0


def test_classic_errors_hold_when_the_model_is_true():
    mold = quiet(GARCH(), dated(np.random.default_rng(0).standard_normal(600)))
    known = dataclasses.replace(
        mold, _estimate=dataclasses.replace(mold.estimate, theta=np.array([0.0, 0.05, 0.1, 0.85]))
    )
    made = dated(known.simulate(20_000, rng=3)["returns"])
    classic, robust = (GARCH().fit(made, cov_type=kind).std_err for kind in ("classic", "robust"))
    np.testing.assert_allclose(classic, robust, rtol=0.1)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"dist": "ged"}, "dist='ged' is not known here; choose one of 'normal', 't', 'skewt'"),
        ({"mean": "arma"}, "mean='arma' is not known here"),
        ({"presample": "zero"}, "presample='zero' is not known here"),
        ({"p": 0}, "p=0, q=1: p must be at least 1"),
        ({"q": -1}, "p=1, q=-1"),
        ({"mean": "ar"}, "lags=0: an autoregressive mean needs at least one lag"),
        ({"lags": 2}, "lags=2 needs mean='ar', not mean='constant'"),
    ],
)
def test_unknown_choices(choices, message):
    for family in (GARCH, EGARCH):
        with pytest.raises(SpecError, match=message):
            family(**choices)


def test_egarch_has_no_toolbox_presample():
    with pytest.raises(SpecError, match="presample='mfe' is for GARCH and GJR"):
        EGARCH(presample="mfe")


def test_data_that_cannot_be_used(series):
    blank = np.random.default_rng(0).standard_normal(400)
    blank[7] = np.nan
    cases = {
        "looks like decimal returns": series / 100,
        "constant at 1": dated(np.ones(400)),
        r"is NaN at 2015-01-12 \(1 such rows of 400\)": dated(
            [*np.random.default_rng(0).standard_normal(7), np.nan, *[1.0] * 392]
        ),
        "too few": series.iloc[:100],
    }
    for message, data in cases.items():
        with pytest.raises(DataError, match=message):
            GARCH().fit(data)
    with pytest.raises(SpecError, match="one series at a time, not 2"):
        GARCH().fit(pd.DataFrame({"a": series, "b": series}))
    with pytest.raises(SpecError, match="cov_type='white' is not known"):
        GARCH().fit(series, cov_type="white")


def test_names_and_citations(series):
    fit = quiet(GARCH(asymmetric=True, dist="skewt"), series)
    assert fit.spec.name == "GJR(1,1,1)-skewt"
    assert list(fit.params.index) == ["mu", "omega", "alpha", "gamma", "beta", "nu", "lambda"]
    for key in ("bollerslev1986", "glosten1993", "hansen1994"):
        assert key in fit.cite()
    assert "nelson1991" in quiet(EGARCH(), series).cite()
    assert GARCH(p=2).name == "GARCH(2,1)-normal"
    assert hash(GARCH()) == hash(GARCH())
