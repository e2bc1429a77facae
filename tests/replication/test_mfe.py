"""The MFE Toolbox at fixed parameters (seventeen digits) and at its optima with clean Hessian steps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cryptoequity.correlation import CCC, DCC
from cryptoequity.correlation.likelihood import CorrelationLikelihood, second_moment_target
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.likelihood import MarginLikelihood

DATASETS = ("sp500_nasdaq", "sim_dcc3")
TIGHT = {"rtol": 1e-10, "atol": 0}


def spec_of(point: dict) -> GARCH:
    dist = {" n": "normal", " t": "t", " s": "skewt"}[" " + point["name"].split(" ")[1][0]]
    return GARCH(
        asymmetric=point.get("o", int(point["name"].startswith("GJR"))) > 0,
        p=point.get("p", 1),
        q=point.get("q", 1),
        dist=dist,
        mean="zero",
        presample="mfe",
    )


def ends(path) -> dict[str, list]:
    path = np.asarray(path)
    return {"first3": path[:3], "last3": path[-3:]}


def same_ends(path, wanted: dict) -> None:
    for side, figures in ends(path).items():
        np.testing.assert_allclose(figures, wanted[side], **TIGHT)


@pytest.mark.parametrize("dataset", DATASETS)
def test_margins_at_fixed_parameters(dataset, mfe_data, oracle):
    points = oracle(f"mfe_fixed_{dataset}")["univariate"]
    assert {(p["p"], p["o"], p["q"]) for p in points} == {(1, 0, 1), (1, 1, 1), (2, 0, 1)}
    for point in points:
        y = mfe_data[dataset].iloc[:, point["series"] - 1].to_numpy()
        lik = MarginLikelihood(spec_of(point), y)
        np.testing.assert_allclose(lik.presample, [point["presample_f"], point["back_cast_h"]], **TIGHT)
        loglik, variance, *_ = lik.filter(np.array(point["params"], float), 0)
        np.testing.assert_allclose(loglik.sum(), point["ll"], err_msg=point["name"], **TIGHT)
        same_ends(loglik, point["ll_t"])
        same_ends(variance, point["h_t"])


def fixed_residuals(dataset, mfe_data, wanted) -> tuple[np.ndarray, np.ndarray]:
    """Standardized residuals and log volatilities at the oracle's GARCH(1,1) parameters."""
    data = mfe_data[dataset].to_numpy()
    z, logs = np.empty_like(data), np.empty_like(data)
    for i, params in enumerate(wanted["dcc"]["garch_params"]):
        lik = MarginLikelihood(GARCH(mean="zero", presample="mfe"), data[:, i])
        _, variance, residual, *_ = lik.filter(np.array(params), 0)
        z[:, i], logs[:, i] = residual / np.sqrt(variance), 0.5 * np.log(variance)
    return z, logs.sum(axis=1)


@pytest.mark.parametrize("dataset", DATASETS)
def test_dcc_at_fixed_parameters(dataset, mfe_data, oracle):
    wanted = oracle(f"mfe_fixed_{dataset}")
    z, logs = fixed_residuals(dataset, mfe_data, wanted)
    np.testing.assert_allclose(z.T @ z / len(z), wanted["dcc"]["mean_zz"], **TIGHT)
    lik = CorrelationLikelihood(z, dynamic=True, dist="normal", presample="ewma")
    np.testing.assert_allclose(lik.target, wanted["dcc"]["R"], **TIGHT)
    np.testing.assert_allclose(lik.start, wanted["dcc"]["backCast"], **TIGHT)
    cols, rows = np.triu_indices(z.shape[1], 1)  # the lower triangle by columns
    for point in wanted["dcc"]["points"]:
        theta = np.array(point["params"])
        loglik = lik.evaluate(theta, 0)[0]
        np.testing.assert_allclose(loglik.sum(), point["ll"], **TIGHT)
        same_ends(loglik, point["ll_t"])
        path = lik.path(theta, rows, cols)
        for side, figures in ends(path).items():
            np.testing.assert_allclose(figures, np.reshape(point[f"Rt_lower_{side}"], (3, -1)), **TIGHT)
    for point in wanted["dcc"]["joint"]:
        joint = lik.evaluate(np.array(point["params"][-2:]), 0)[0] - logs
        np.testing.assert_allclose(joint.sum(), point["ll"], **TIGHT)
        same_ends(joint, point["ll_t"])


@pytest.mark.parametrize("dataset", DATASETS)
def test_ccc_at_fixed_parameters(dataset, mfe_data, oracle):
    wanted = oracle(f"mfe_fixed_{dataset}")
    z, logs = fixed_residuals(dataset, mfe_data, wanted)
    cols, rows = np.triu_indices(z.shape[1], 1)
    for point in wanted["ccc"]:
        if "R_lower" in point:
            target = np.eye(z.shape[1])
            target[rows, cols] = target[cols, rows] = point["R_lower"]
        else:
            target = second_moment_target(z)[0]
        lik = CorrelationLikelihood(z, dynamic=False, dist="normal", target=target)
        total = (lik.evaluate(np.empty(0), 0)[0] - logs).sum()
        np.testing.assert_allclose(total, point["ll"], err_msg=point["name"], **TIGHT)


def on_a_bound(point: dict) -> bool:
    """Alpha at zero, or a t fitted to normal data: a flat top or a bound, where no two programs' errors agree."""
    alpha = point["params"][1]
    nu = point["params"][4 if "GJR" in point["name"] else 3] if "normal" not in point["name"] else 0.0
    return alpha < 1e-6 or nu > 50


@pytest.mark.parametrize("dataset", DATASETS)
def test_margin_fits(dataset, mfe_data, oracle):
    """Interior optima: estimates, log-likelihoods and Bollerslev-Wooldridge errors."""
    for point in oracle(f"mfe_fits_{dataset}")["univariate"]:
        if on_a_bound(point):
            continue
        series = mfe_data[dataset].iloc[:, point["series"] - 1]
        fit = spec_of(point).fit(series)
        label = f"{point['name']}, series {point['series']}"
        assert fit.converged, label
        np.testing.assert_allclose(fit.loglikelihood, point["ll"], atol=1e-6, rtol=0, err_msg=label)
        np.testing.assert_allclose(fit.params, point["params"], rtol=1e-4, atol=1e-5, err_msg=label)
        np.testing.assert_allclose(fit.std_err, point["robust_se"], rtol=5e-3, err_msg=label)


@pytest.mark.parametrize("dataset", DATASETS)
def test_dcc_fit_and_errors(dataset, mfe_data, oracle):
    """Three-stage DCC: the toolbox takes the diagonal that scales the target as known, and uses Newey-West."""
    wanted = oracle(f"mfe_fits_{dataset}")["dcc3"]
    margins = fit_margins(mfe_data[dataset], GARCH(mean="zero", presample="mfe"))
    fit = DCC(presample="ewma").fit(margins, cov_type="hac", target_noise="moment")
    # the joint log-likelihood of a stepwise estimate has a slope in the margins: 1e-7 in them is 1e-4 here
    np.testing.assert_allclose(fit.loglikelihood, wanted["ll"], atol=1e-3, rtol=0)
    np.testing.assert_allclose(fit.params, wanted["params"], rtol=1e-4)
    np.testing.assert_allclose(fit.std_err, wanted["robust_se"], rtol=5e-3)
    # off the diagonal too, in units of the two errors
    scale = np.sqrt(np.outer(np.diag(wanted["vcv"]), np.diag(wanted["vcv"])))
    np.testing.assert_allclose(fit.cov.to_numpy() / scale, np.array(wanted["vcv"]) / scale, atol=1e-2)


@pytest.mark.parametrize("dataset", DATASETS)
def test_ccc_fit_and_errors(dataset, mfe_data, oracle):
    wanted = oracle(f"mfe_fits_{dataset}")["ccc"]
    margins = fit_margins(mfe_data[dataset], GARCH(mean="zero", presample="mfe"))
    fit = CCC().fit(margins, cov_type="hac", target_noise="moment")
    np.testing.assert_allclose(fit.loglikelihood, wanted["ll"], atol=1e-3, rtol=0)
    np.testing.assert_allclose(fit.params, wanted["params"], rtol=1e-4)
    np.testing.assert_allclose(fit.std_err, wanted["robust_se"], rtol=5e-3)


def test_published_dcc_of_the_two_indices(simple_returns: pd.DataFrame):
    """S&P 500 and Nasdaq, simple percent returns, the conventions of arch for the margins."""
    margins = fit_margins(simple_returns)
    np.testing.assert_allclose(margins["SP500"].params, (0.05635, 0.01751, 0.10215, 0.88521), atol=2e-5)
    np.testing.assert_allclose(margins["SP500"].loglikelihood, -6936.7185, atol=1e-3)
    nasdaq = margins["NASDAQ"].params
    np.testing.assert_allclose(
        nasdaq[["mu", "omega", "alpha", "beta"]], (0.07647, 0.01947, 0.08584, 0.90527), atol=2e-5
    )
    errors = {
        ("robust", "none", None): (0.00597, 0.00789),
        ("robust", "moment", None): (0.00596, 0.00893),
        ("hac", "moment", 20): (0.00637, 0.01014),
    }
    for (cov_type, noise, lags), wanted in errors.items():
        fit = DCC().fit(margins, cov_type=cov_type, target_noise=noise, hac_lags=lags)
        np.testing.assert_allclose(fit.params[["dcc.a", "dcc.b"]], (0.042502, 0.950181), atol=2e-5)
        np.testing.assert_allclose(fit.loglikelihood, -10166.8220, atol=1e-3)
        np.testing.assert_allclose(fit.std_err[["dcc.a", "dcc.b"]], wanted, rtol=1e-2)
