"""Threshold and smooth transition autoregressions of the lynx against the saved output of tsDyn for R."""

import warnings

import numpy as np
import pytest

from cryptoequity.errors import BoundaryWarning
from cryptoequity.regimes.smooth_transition import SmoothTransitionRegression
from cryptoequity.regimes.threshold import ThresholdRegression


@pytest.fixture(scope="module")
def lynx(oracle):
    return oracle("tsdyn_lynx")


def test_setar_by_least_squares(lynx):
    wanted = lynx["setar"]
    fit = ThresholdRegression(lags=2, cov_type="classic").fit(np.array(lynx["lynx"], float))
    assert fit.threshold == wanted["threshold"]
    assert fit.ssr == pytest.approx(wanted["deviance"], rel=1e-10)
    assert (fit.regimes == 1).mean() == pytest.approx(wanted["share_low"], abs=5e-5)
    scale = np.sqrt(106 / wanted["std_error_dof"])  # it divides by the length of the series less six
    for name, value in wanted["coef"].items():
        assert fit.params[name] == pytest.approx(value, rel=1e-6), name
        assert fit.std_err[name] * scale == pytest.approx(wanted["std_error"][name], rel=1e-5), name


def test_setar_with_a_given_threshold(lynx):
    y = np.log10(lynx["lynx"])
    low = y[:-2] <= 3.25
    x = np.column_stack([np.ones(112), y[1:-1], y[:-2]])
    fit = ThresholdRegression(lags=2, delay=2).fit(y)
    own = [np.linalg.lstsq(x[rows], y[2:][rows], rcond=None)[0] for rows in (low, ~low)]
    np.testing.assert_allclose(np.concatenate(own), lynx["setar_fixed"]["coef"], rtol=1e-5)
    given = sum(np.sum((y[2:][rows] - x[rows] @ b) ** 2) for rows, b in zip((low, ~low), own, strict=True))
    at = fit.profile.index.searchsorted(3.25, side="right") - 1  # the largest observed value below 3.25
    assert fit.profile.iloc[at] == pytest.approx(given, rel=1e-10)
    assert fit.ssr <= given


@pytest.mark.parametrize(("case", "delay", "constant"), [("lstar", 2, True), ("lstar_no_const", 1, False)])
def test_lstar(lynx, case, delay, constant):
    wanted = lynx[case]
    y = np.log10(lynx["lynx"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        fit = SmoothTransitionRegression(lags=2, delay=delay, constant=constant).fit(y)
    surface = fit.surface
    point = np.array([np.log(wanted["gamma"] * surface.spread), wanted["c"]])
    assert surface.value(point)[0] * surface.unit == pytest.approx(wanted["deviance"], rel=2e-7)
    # its first optimum is local: a steeper transition is better
    assert fit.ssr <= wanted["deviance"] + 5e-7
    if case == "lstar_no_const":
        assert fit.ssr == pytest.approx(wanted["deviance"], rel=1e-6)
        assert fit.params["gamma"] / surface.spread == pytest.approx(wanted["gamma"], rel=2e-3)
        assert fit.params["c"] == pytest.approx(wanted["c"], rel=2e-4)
        low, change = np.array(wanted["low"]), np.array(wanted["change"])
        np.testing.assert_allclose(fit.params.iloc[:2], low, rtol=5e-4)
        np.testing.assert_allclose(fit.params.iloc[2:4], low + change, rtol=5e-4)


def test_a_steep_transition_is_flagged(lynx):
    y = np.log10(lynx["lynx"])
    with pytest.warns(BoundaryWarning, match="inside the transition"):
        fit = SmoothTransitionRegression(lags=2).fit(y)
    assert fit.ssr <= lynx["lstar_steep"]["deviance"]
    assert fit.ssr == pytest.approx(lynx["lstar_steep"]["deviance"], rel=1e-5)
    assert fit.at_bound == ("gamma", "c")
    assert np.isfinite(fit.std_err.iloc[:6]).all()
