"""EWMA, RiskMetrics 2006, O-GARCH and GO-GARCH of the MFE Toolbox at fixed parameters, and its optima."""

from __future__ import annotations

import numpy as np
import pytest

from cryptoequity.covariance.ewma import EWMA, RiskMetrics2006
from cryptoequity.covariance.factors import FactorLikelihood
from cryptoequity.covariance.gogarch import GOGARCH, OGARCH

DATASETS = ("sp500_nasdaq", "sim_dcc3")
TIGHT = {"rtol": 1e-10, "atol": 0}


def vech_path(fit) -> np.ndarray:
    """Covariances (T, N(N+1)/2), the lower triangle by columns as the toolbox stacks it."""
    cols, rows = np.triu_indices(len(fit.names))
    return fit.likelihood.path(fit.theta, rows, cols)


def same_path(fit, wanted: dict) -> None:
    path = vech_path(fit)
    np.testing.assert_allclose(path[:3], wanted["H_vech_first3"], **TIGHT)
    np.testing.assert_allclose(path[-3:], wanted["H_vech_last3"], **TIGHT)
    np.testing.assert_allclose(path.sum(axis=0), wanted["sum_H_vech"], **TIGHT)


@pytest.mark.parametrize("dataset", DATASETS)
def test_riskmetrics(dataset, mfe_data, oracle):
    wanted = oracle(f"mfe_covariance_{dataset}")["riskmetrics"]
    fit = EWMA(lam=wanted["lambda"], demean=False).fit(mfe_data[dataset])
    same_path(fit, wanted)
    np.testing.assert_allclose(fit.loglikelihood, wanted["ll_gauss_all"], **TIGHT)
    np.testing.assert_allclose(fit.loglik_obs.iloc[50:].sum(), wanted["ll_gauss_from_obs_51"], **TIGHT)


@pytest.mark.parametrize("dataset", DATASETS)
def test_riskmetrics_from_the_sample_covariance(dataset, mfe_data, oracle):
    wanted = oracle(f"mfe_covariance_{dataset}")["riskmetrics_cov_backcast"]
    fit = EWMA(start="sample", demean=False).fit(mfe_data[dataset])
    np.testing.assert_allclose(fit.likelihood.start[0], wanted["backCast"], **TIGHT)
    same_path(fit, wanted)


@pytest.mark.parametrize("dataset", DATASETS)
def test_riskmetrics_2006(dataset, mfe_data, oracle):
    fit = RiskMetrics2006(demean=False).fit(mfe_data[dataset])
    same_path(fit, oracle(f"mfe_covariance_{dataset}")["riskmetrics2006"])


def factor_likelihood(wanted: dict, data, rotate: bool) -> FactorLikelihood:
    """The toolbox's own eigenvectors, smallest first; with more than two columns it passes their transpose."""
    passed, values = np.array(wanted["P_passed"]), np.array(wanted["L_diag"])
    vectors = passed if len(passed) == 2 else passed.T
    moment = data.T @ data / len(data)
    np.testing.assert_allclose((vectors * values) @ vectors.T, moment, rtol=1e-10, atol=1e-12)
    return FactorLikelihood(data, values, vectors, rotate=rotate)


@pytest.mark.parametrize("dataset", DATASETS)
def test_gogarch_at_fixed_parameters(dataset, mfe_data, oracle):
    """The points with the eigenvectors as they should be; `gogarch_mfe` transposes them, harmless for a pair only."""
    wanted = oracle(f"mfe_covariance_{dataset}")["gogarch"]
    points = {point["name"]: point for point in wanted["points"]}
    for name in ("gogarch_correct", "ogarch_correct"):
        lik = factor_likelihood(wanted, mfe_data[dataset].to_numpy(), name.startswith("go"))
        total = lik.evaluate(np.array(points[name]["params"]), 0)[0].sum()
        np.testing.assert_allclose(total, points[name]["ll"], err_msg=name, **TIGHT)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize(("key", "rotate"), [("gogarchfixed", True), ("ogarchfixed", False)])
def test_gogarch_at_the_optima_of_the_toolbox(dataset, key, rotate, mfe_data, oracle):
    """Its log-likelihood at its estimates is ours there, and our climb ends no lower."""
    stored = oracle(f"mfe_covariance_{dataset}")
    n = mfe_data[dataset].shape[1]
    head = n * (n + 1) // 2
    point = stored["fits"][key]
    lik = factor_likelihood(stored["gogarch"], mfe_data[dataset].to_numpy(), rotate)
    np.testing.assert_allclose(lik.evaluate(np.array(point["params"][head:]), 0)[0].sum(), point["ll"], rtol=1e-10)
    fit = (GOGARCH if rotate else OGARCH)(demean=False).fit(mfe_data[dataset])
    cols, rows = np.triu_indices(n)
    np.testing.assert_allclose(fit.params.iloc[:head], point["params"][:head], rtol=1e-10)
    labels = [f"cov.{fit.names[j]}.{fit.names[i]}" for i, j in zip(rows, cols, strict=True)]
    assert list(fit.params.index[:head]) == labels
    assert fit.loglikelihood > point["ll"] - 1e-6


def test_gogarch_of_a_pair(mfe_data, oracle):
    """An interior optimum of the toolbox: the angle and the dynamics, factors in the opposite order."""
    point = oracle("mfe_covariance_sp500_nasdaq")["fits"]["gogarchfixed"]
    fit = GOGARCH(demean=False).fit(mfe_data["sp500_nasdaq"])
    np.testing.assert_allclose(fit.loglikelihood, point["ll"], atol=1e-6, rtol=0)
    angle, *dynamics = point["params"][3:]
    np.testing.assert_allclose(abs(fit.params["phi.1.2"]), angle, atol=1e-5)
    np.testing.assert_allclose(fit.theta[1:], [*dynamics[2:], *dynamics[:2]], atol=1e-5)
    # the inverse Hessian of the last step alone is what the angle's error would be with a known covariance
    assert fit.std_err["phi.1.2"] > point["robust_se"][3]


@pytest.mark.parametrize(("dataset", "near", "close"), [("sp500_nasdaq", 1e-3, 1e-3), ("sim_dcc3", 0.2, 0.015)])
def test_ogarch_climbs_past_a_stray_back_cast(dataset, near, close, mfe_data, oracle):
    """The toolbox climbs each factor of O-GARCH with the back-cast of the factor before: it ends a little low."""
    point = oracle(f"mfe_covariance_{dataset}")["fits"]["ogarchfixed"]
    fit = OGARCH(demean=False).fit(mfe_data[dataset])
    assert 0.0 < fit.loglikelihood - point["ll"] < near
    n = len(fit.names)
    dynamics = np.reshape(point["params"][n * (n + 1) // 2 :], (n, 2))[::-1]
    np.testing.assert_allclose(fit.theta, dynamics.ravel(), atol=close)


def test_gogarch_of_three_is_not_held_at_angles_of_zero(mfe_data, oracle):
    """The toolbox keeps angles in (0, pi) and stops on that bound; the rotation knows no such bound."""
    point = oracle("mfe_covariance_sim_dcc3")["fits"]["gogarchfixed"]
    assert min(point["params"][6:9]) < 1e-5
    fit = GOGARCH(demean=False).fit(mfe_data["sim_dcc3"])
    assert fit.loglikelihood > point["ll"] + 30
