"""The MFE Toolbox: DCC(2,2), ADCC, its joint objectives and composites at fixed parameters; three-stage ADCC fits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from cryptoequity.correlation.asymmetric import ADCC
from cryptoequity.correlation.model import matrix_of, second_moment_target
from cryptoequity.correlation.orders import OrdersLikelihood, fall_moment
from cryptoequity.errors import BoundaryWarning
from cryptoequity.kernels.family import family_filter
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.likelihood import MarginLikelihood

DATASETS = ("sp500_nasdaq", "sim_dcc3")
TIGHT = {"rtol": 1e-10, "atol": 0}


@pytest.fixture(scope="module", params=DATASETS)
def case(request, mfe_data, oracle):
    """Oracle, residuals and the sum of log volatilities at the oracle's GARCH parameters."""
    wanted = oracle(f"mfe_family_{request.param}")
    garch = oracle(f"mfe_fixed_{request.param}")["dcc"]["garch_params"]
    data = mfe_data[request.param].to_numpy()
    z, logs = np.empty_like(data), np.empty_like(data)
    for i, params in enumerate(garch):
        lik = MarginLikelihood(GARCH(mean="zero", presample="mfe"), data[:, i])
        _, variance, residual, *_ = lik.filter(np.array(params), 0)
        z[:, i], logs[:, i] = residual / np.sqrt(variance), 0.5 * np.log(variance)
    return wanted, z, logs


def model_of(name: str, z: np.ndarray, **options) -> OrdersLikelihood:
    orders = (2, 0, 2) if "DCC(2,2)" in name else ((1, 1, 1) if "ADCC" in name else (1, 0, 1))
    return OrdersLikelihood(z, orders=orders, dist="normal", presample="ewma", **options)


def test_targets_and_back_casts(case):
    wanted, z, _ = case
    model = model_of("ADCC", z)
    np.testing.assert_allclose(fall_moment(z), wanted["N"], **TIGHT)
    np.testing.assert_allclose(model.start_n, wanted["backCastAsym"], **TIGHT)


def test_points(case):
    wanted, z, _ = case
    assert {p["name"].split(" ")[0] for p in wanted["points"]} == {"DCC(2,2)", "ADCC(1,1,1)"}
    cols, rows = np.triu_indices(z.shape[1], 1)  # the lower triangle by columns
    for point in wanted["points"]:
        model = model_of(point["name"], z)
        theta = np.array(point["params"])
        loglik = model.evaluate(theta, 0)[0]
        np.testing.assert_allclose(loglik.sum(), point["ll"], **TIGHT)
        path = model.path(theta, rows, cols)
        for side, cut in (("first3", slice(3)), ("last3", slice(-3, None))):
            np.testing.assert_allclose(loglik[cut], point["ll_t"][side], **TIGHT)
            np.testing.assert_allclose(path[cut], np.reshape(point[f"Rt_lower_{side}"], (3, -1)), **TIGHT)


def pair_average(z, logs, theta, pairs):
    """Composite: the mean over pairs of the joint bivariate log-likelihoods."""
    total = 0.0
    for i, j in pairs:
        model = model_of("DCC", np.ascontiguousarray(z[:, [i, j]]))
        total += (model.evaluate(theta, 0)[0] - logs[:, [i, j]].sum(axis=1)).sum()
    return total / len(pairs)


def test_joint_objectives(case):
    wanted, z, logs = case
    n = z.shape[1]
    seen = set()
    for point in wanted["joint"]:
        name = point["name"]
        params = np.array(point["params"])
        r = second_moment_target(z)[0]
        rows, cols = np.triu_indices(n, 1)
        if name.startswith("dcc_inference_objective"):
            m = z.T @ z / len(z)
            w = z / np.sqrt(np.diag(m))
            np.testing.assert_allclose(matrix_of(params[3 * n : 3 * n + rows.size], n), r, **TIGHT)
            value = 0.5 * sum(((w[:, i] * w[:, j] - r[i, j]) ** 2).sum() for i, j in zip(rows, cols, strict=True))
            if name.endswith("asym"):
                low = np.minimum(z, 0.0)
                falls = fall_moment(z)
                upper, right = np.triu_indices(n)
                value += 0.5 * sum(
                    ((low[:, i] * low[:, j] - falls[i, j]) ** 2).sum() for i, j in zip(upper, right, strict=True)
                )
            np.testing.assert_allclose(value, point["obj"], **TIGHT)
        elif "composite" in name:
            pairs = list(zip(rows, cols, strict=True)) if "Full" in name else [(k, k + 1) for k in range(n - 1)]
            np.testing.assert_allclose(pair_average(z, logs, params[-2:], pairs), point["ll"], **TIGHT)
        elif "stage=2 ADCC" in name:
            # its intercept scales the correlation, (1 - a - b) R - g N being what the third stage has
            a, g, b = params[-3:]
            model = model_of("ADCC", z)
            root = np.sqrt(1.0 - a - b - g * np.diag(model.falls))
            # the kernel forms (1 - a - b) target - g falls: hand it the target that makes this intercept
            target = (r * np.outer(root, root) + g * model.falls) / (1.0 - a - b)
            arrays = np.array([a]), np.array([g]), np.array([b])
            loglik = family_filter(
                *arrays, 0.0, model._normal, z, target, model.falls, model.start_s, model.start_n, model.start_s, 0
            )[0]
            np.testing.assert_allclose(loglik.sum() - logs.sum(), point["ll"], **TIGHT)
        else:
            model = model_of("ADCC" if "ADCC" in name else "DCC", z)
            theta = params[-3:] if "ADCC" in name else params[-2:]
            np.testing.assert_allclose(model.evaluate(theta, 0)[0].sum() - logs.sum(), point["ll"], **TIGHT)
        seen.add(name.split(" (")[0])
    assert len(seen) == 7


@pytest.mark.parametrize("dataset", DATASETS)
def test_adcc_fit_and_errors(dataset, mfe_data, oracle):
    """Three stages, Newey-West. With an estimate on its bound the toolbox's errors mean nothing, and are left aside."""
    compared = 0
    for kind, asymmetric in (("adcc3", False), ("adccgjr3", True)):
        wanted = oracle(f"mfe_family_{dataset}")["fits"].get(kind)
        if wanted is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BoundaryWarning)
            margins = fit_margins(mfe_data[dataset], GARCH(mean="zero", presample="mfe", asymmetric=asymmetric))
            fit = ADCC(presample="ewma").fit(margins, cov_type="hac", target_noise="moment")
        np.testing.assert_allclose(fit.loglikelihood, wanted["ll"], atol=2e-3, rtol=0)
        np.testing.assert_allclose(fit.params, wanted["params"], rtol=1e-3, atol=2e-5)
        if not fit.at_bound:
            np.testing.assert_allclose(fit.std_err, wanted["robust_se"], rtol=0.02)
            compared += 1
    assert compared == (1 if dataset == "sim_dcc3" else 0)
