"""EWMA, RiskMetrics 2006, O-GARCH and GO-GARCH of the MFE Toolbox at fixed parameters, and its optima."""

from __future__ import annotations

import numpy as np
import pytest

from cryptoequity.correlation.ewma import EWMA, RiskMetrics2006

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
