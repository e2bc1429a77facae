"""Which standard errors are right: the spread of the estimates over samples decides, not another formula."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from cryptoequity.correlation import CCC, DCC
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.correlation.stacking import stacked_moments
from cryptoequity.estimation.inference import mean_outer, sandwich
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.garch import simulate_margin

MARGIN = np.array([0.05, 0.05, 0.08, 0.88])
LAST = ["corr.X.Y", "dcc.a", "dcc.b"]


def sample(rho: float, nobs: int, rng: np.random.Generator) -> pd.DataFrame:
    target = np.array([[1.0, rho], [rho, 1.0]])
    z = dcc_simulate(0.05, 0.9, target, draw_shocks(rng, nobs + 200, 2, 0.0), target)
    made = [simulate_margin(GARCH(), MARGIN, np.ascontiguousarray(z[:, i]), 1.25)[0][200:] for i in (0, 1)]
    return pd.DataFrame(np.stack(made, axis=1), columns=["X", "Y"])


def system(fit, target_noise="exact"):
    parts, dzs = [one.part for one in fit.margins.fits], [one.dz for one in fit.margins.fits]
    return stacked_moments(fit.likelihood, fit.optimum, parts, dzs, target_noise)


def monte_carlo(rho: float, nobs: int, draws: int) -> pd.DataFrame:
    """Spread of the estimates, and the mean error of each formula, by parameter."""
    rng = np.random.default_rng(20261122)
    estimates, errors = [], {"exact": [], "moment": [], "untransposed": [], "raw": []}
    while len(estimates) < draws:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            margins = fit_margins(sample(rho, nobs, rng))
            fit = DCC().fit(margins)
        if fit.at_bound:
            continue
        estimates.append(fit.params[LAST])
        errors["exact"].append(fit.std_err[LAST])
        errors["moment"].append(DCC().fit(margins, target_noise="moment").std_err[LAST])
        bread, moments, last, edges = system(fit)
        carry = np.eye(3)
        carry[1:, 1:] = last.jacobian
        inverse = np.linalg.inv(bread)
        # the defect: V = A^-1 B A^-1, without the transpose
        wrong = carry @ (inverse @ mean_outer(moments) @ inverse / nobs)[-3:, -3:] @ carry.T
        errors["untransposed"].append(np.sqrt(np.maximum(np.diag(wrong), 0)))
        # the target's influence as it stands, autocorrelation and all
        a, b = fit.theta
        path = fit.correlation("X", "Y").to_numpy() - fit.params["corr.X.Y"]
        moments[:, edges[2]] = moments[:, edges[2]] * (1 - a - b) / (1 - b) + path
        raw = carry @ sandwich(bread, moments)[-3:, -3:] @ carry.T
        errors["raw"].append(np.sqrt(np.diag(raw)))
    out = {"sd": np.std(estimates, axis=0, ddof=1)}
    out |= {kind: np.mean(rows, axis=0) for kind, rows in errors.items()}
    return pd.DataFrame(out, index=LAST)


def judge(table: pd.DataFrame, slack: float) -> None:
    ratio = table.div(table["sd"], axis=0)
    # ours: right for the target and for both correlation parameters
    assert ratio["exact"].between(1 - slack, 1 + slack).all(), table
    # the toolbox's target is too uncertain by a factor, the unfiltered one too certain
    assert ratio.loc["corr.X.Y", "moment"] > 2, table
    assert ratio.loc["corr.X.Y", "raw"] < 0.75, table
    # the missing transpose makes the correlation parameters look better known than they are
    assert (table.loc[["dcc.a", "dcc.b"], "untransposed"] < 0.95 * table.loc[["dcc.a", "dcc.b"], "exact"]).all(), table


def test_spread_over_samples():
    judge(monte_carlo(0.9, 1000, 120), slack=0.3)


@pytest.mark.slow
def test_spread_over_many_samples():
    judge(monte_carlo(0.9, 2500, 1000), slack=0.12)


@pytest.fixture(scope="module")
def margins(sim_dcc3):
    return fit_margins(sim_dcc3)


@pytest.mark.parametrize("spec", [CCC(), CCC(dist="t"), DCC(), DCC(dist="t")], ids=lambda spec: spec.name)
@pytest.mark.parametrize("target_noise", ["exact", "moment", "none"])
@pytest.mark.parametrize("cov_type", ["robust", "hac", "classic"])
def test_the_margins_keep_their_own_covariance(spec, target_noise, cov_type, sim_dcc3):
    """Later steps do not feed back: the first block of the stacked covariance is the univariate one, exactly."""
    margins = fit_margins(sim_dcc3, cov_type=cov_type)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a t on normal data: nu on its bound
        fit = spec.fit(margins, cov_type=cov_type, target_noise=target_noise)
    cov = fit.cov.to_numpy()
    np.testing.assert_array_equal(np.nan_to_num(cov), np.nan_to_num(cov.T))
    first = 0
    for one in margins.fits:
        stop = first + len(one.params)
        np.testing.assert_allclose(cov[first:stop, first:stop], one.cov, rtol=1e-8)
        first = stop
    finite = np.isfinite(np.diag(cov))
    assert np.linalg.eigvalsh(cov[np.ix_(finite, finite)])[0] > -1e-12
    targets = fit.std_err.filter(like="corr.")
    assert targets.isna().all() if target_noise == "none" else (targets > 0).all()


def test_ccc_target_has_the_textbook_error_without_margins():
    """iid normal residuals known up to scale: the error of a correlation is (1 - r^2)/sqrt(T)."""
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(np.array([[1.0, 0.7], [0.7, 1.0]]))
    frame = pd.DataFrame(rng.standard_normal((20_000, 2)) @ root.T, columns=["X", "Y"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = CCC().fit(frame, margins=GARCH(mean="zero"))
    r = fit.params["corr.X.Y"]
    np.testing.assert_allclose(fit.std_err["corr.X.Y"], (1 - r**2) / np.sqrt(20_000), rtol=0.03)


def test_slope_of_the_system_equals_differences_in_the_data(margins):
    """A31 and A32 by moving the residuals and the target themselves and reading the scores again."""
    from cryptoequity.correlation.likelihood import CorrelationLikelihood

    pair = margins.select("A", "B")
    fit = DCC().fit(pair)
    bread, _, _, edges = system(fit)
    lik, theta = fit.likelihood, fit.theta
    jacobian = lik.layout.jacobian(fit.optimum.box)

    def mean_score(z, target):
        moved = CorrelationLikelihood(z, dynamic=True, dist="normal", target=target)
        return moved.evaluate(theta, 1)[1].mean(axis=0) @ jacobian

    z, target = lik.z, lik.target
    step = 1e-5
    for k, (part, dz) in enumerate((one.part, one.dz) for one in pair.fits):
        for j in range(part.jacobian.shape[1]):
            size = step / np.abs(dz[:, j]).mean()
            move = np.zeros_like(z)
            move[:, k] = size * dz[:, j]
            wanted = (mean_score(z + move, target) - mean_score(z - move, target)) / (2 * size)
            got = bread[edges[3] :, edges[k] + j]
            np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5 * np.abs(bread[edges[3] :]).max())
    turn = np.array([[0.0, step], [step, 0.0]])
    wanted = (mean_score(z, target + turn) - mean_score(z, target - turn)) / (2 * step)
    np.testing.assert_allclose(bread[edges[3] :, edges[2]], wanted, rtol=1e-3)
