"""The arch package at equal parameters and at the optimum, and its fitted results taken as margins."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from arch import arch_model

from cryptoequity.correlation import DCC
from cryptoequity.errors import BoundaryWarning, DataError, SpecError
from cryptoequity.volatility import EGARCH, GARCH, ArchMargin, Margins, fit_margins
from cryptoequity.volatility.likelihood import MarginLikelihood

MEANS = {"constant": "Constant", "zero": "Zero", "ar": "AR"}
CASES = list(itertools.product(["GARCH", "GJR", "EGARCH"], ["normal", "t", "skewt"], MEANS))


def pair(kind, dist, mean, series):
    """Our specification and arch's model of the same thing."""
    lags = 2 if mean == "ar" else 0
    choices = {"dist": dist, "mean": mean, "lags": lags}
    spec = EGARCH(**choices) if kind == "EGARCH" else GARCH(asymmetric=kind == "GJR", **choices)
    vol = "EGARCH" if kind == "EGARCH" else "GARCH"
    o = int(kind != "GARCH")
    return spec, arch_model(series, mean=MEANS[mean], lags=lags, vol=vol, p=1, o=o, q=1, dist=dist, rescale=False)


def quiet(spec, series):
    """A fit whose bounds are not the subject: alpha of GJR is zero on the S&P 500."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        return spec.fit(series)


@pytest.mark.parametrize("column", ["SP500", "NASDAQ"])
@pytest.mark.parametrize(("kind", "dist", "mean"), CASES)
def test_same_likelihood_and_an_optimum_no_worse(kind, dist, mean, column, simple_returns):
    series = simple_returns[column]
    spec, model = pair(kind, dist, mean, series)
    theirs = model.fit(disp="off", show_warning=False)
    ours = quiet(spec, series)
    lik = MarginLikelihood(spec, series.to_numpy())
    at_theirs = lik.filter(theirs.params.to_numpy(float), 0)
    np.testing.assert_allclose(at_theirs[0].sum(), theirs.loglikelihood, rtol=1e-10)
    sigma = theirs.conditional_volatility.to_numpy()
    np.testing.assert_allclose(np.sqrt(at_theirs[1]), sigma[np.isfinite(sigma)], rtol=1e-9)
    np.testing.assert_allclose(model.fix(ours.params.to_numpy()).loglikelihood, ours.loglikelihood, rtol=1e-10)
    assert ours.converged
    assert theirs.convergence_flag == 0
    assert ours.loglikelihood > theirs.loglikelihood - 1e-6


@pytest.mark.parametrize("orders", [(2, 0, 1), (1, 0, 2), (2, 1, 2), (1, 1, 0)])
def test_higher_orders(orders, simple_returns):
    p, o, q = orders
    series = simple_returns["SP500"].iloc[:2000]
    lik = MarginLikelihood(GARCH(asymmetric=o > 0, p=p, q=q), series.to_numpy())
    theta = np.array([0.05, 0.1, *[0.05] * p, *[0.04] * o, *[0.8 / max(q, 1)] * q])
    model = arch_model(series, p=p, o=o, q=q, rescale=False)
    np.testing.assert_allclose(lik.filter(theta, 0)[0].sum(), model.fix(theta).loglikelihood, rtol=1e-10)
    if q:
        lik = MarginLikelihood(EGARCH(asymmetric=o > 0, p=p, q=q), series.to_numpy())
        model = arch_model(series, vol="EGARCH", p=p, o=o, q=q, rescale=False)
        np.testing.assert_allclose(lik.filter(theta, 0)[0].sum(), model.fix(theta).loglikelihood, rtol=1e-10)


@pytest.mark.parametrize(("kind", "dist", "mean"), [c for c in CASES if c[2] != "ar" and c[1] != "skewt"])
def test_robust_errors_of_a_fitted_arch_result(kind, dist, mean, simple_returns):
    """The adapter differentiates arch's own likelihood; our errors come from analytic scores."""
    series = simple_returns["NASDAQ"]
    spec, model = pair(kind, dist, mean, series)
    ours = quiet(spec, series)
    # arch's own optimum may stop a little short: compare the errors at one point
    margin = ArchMargin.of(model.fix(ours.params.to_numpy()))
    tolerance = 0.25 if kind == "EGARCH" and mean == "constant" else 1e-3  # |z| has kinks in mu: no two steps agree
    np.testing.assert_allclose(margin.std_err, ours.std_err, rtol=tolerance)
    np.testing.assert_allclose(margin.std_resid, ours.std_resid, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(margin.loglikelihood, ours.loglikelihood, rtol=1e-12)


@pytest.fixture(scope="module")
def fitted(simple_returns):
    return {c: arch_model(simple_returns[c], rescale=False).fit(disp="off") for c in simple_returns}


def test_error_of_the_mean_survives_the_kinks_of_egarch(simple_returns):
    """The optimum sits on a kink, where a tiny step sees a huge curvature and gives an error ten times too small."""
    for column in simple_returns:
        series = simple_returns[column]
        wanted = GARCH(dist="t").fit(series).std_err["mu"]
        for dist in ("normal", "t", "skewt"):
            np.testing.assert_allclose(EGARCH(dist=dist).fit(series).std_err["mu"], wanted, rtol=0.4)


def test_arch_results_as_margins(fitted, simple_returns):
    own = fit_margins(simple_returns)
    for results in (fitted, list(fitted.values())):
        margins = fit_margins(results)
        assert isinstance(margins, Margins)
        assert margins.names == ("SP500", "NASDAQ")
        assert margins.converged
        assert margins.std_resid.index.equals(simple_returns.index)
        np.testing.assert_allclose(margins.std_err, own.std_err, rtol=2e-3)
        adopted, ours = DCC().fit(margins), DCC().fit(own)
        np.testing.assert_allclose(adopted.params, ours.params, rtol=1e-3)
        np.testing.assert_allclose(adopted.std_err, ours.std_err, rtol=2e-3)
    renamed = fit_margins({"a": fitted["SP500"], "b": fitted["NASDAQ"]})
    assert renamed.names == ("a", "b")
    assert "a.mu" in renamed.params.index
    assert "Constant Mean / GARCH" in str(margins["SP500"].summary())


def test_what_an_adopted_margin_cannot_do(fitted):
    fit = DCC().fit(fit_margins(fitted))
    for action in (lambda: fit.forecast(3), lambda: fit.simulate(10, rng=0)):
        with pytest.raises(SpecError, match="SP500: forecast and simulate need our own margins"):
            action()
    with pytest.raises(SpecError, match="SP500: a margin taken from the arch package has no JSON form"):
        fit.to_json()


def test_mixed_hold_backs_are_refused(fitted, simple_returns):
    ar = arch_model(simple_returns["NASDAQ"], mean="AR", lags=2, rescale=False).fit(disp="off")
    message = r"'SP500' \(5030 residuals from 1999-01-05.*'NASDAQ' \(5028 from 1999-01-07.*same hold_back"
    with pytest.raises(DataError, match=message):
        fit_margins([fitted["SP500"], ar])
    held = arch_model(simple_returns["SP500"], hold_back=2, rescale=False).fit(disp="off")
    margins = fit_margins({"SP500": held, "NASDAQ": ar})
    assert len(margins.std_resid) == 5028


def test_what_is_not_an_arch_result(fitted):
    for wrong in ([1, 2], [], {}, [fitted["SP500"], "x"]):
        with pytest.raises(SpecError, match="pass a frame of returns, or fitted results of the arch package"):
            fit_margins(wrong)
    with pytest.raises(DataError, match="two margins share a name among \\['SP500', 'SP500'\\]"):
        fit_margins([fitted["SP500"], fitted["SP500"]])
