"""Composite fits: what they average, what they reach, their errors, storage, and many columns."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from cryptoequity.correlation import CCC, DCC, CorrelationFit
from cryptoequity.correlation.cdcc import CDCC
from cryptoequity.correlation.composite import CompositeLikelihood, composite_pairs
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.correlation.likelihood import CorrelationLikelihood
from cryptoequity.correlation.named_covariance import named_covariance
from cryptoequity.correlation.stacking import stacked_moments
from cryptoequity.errors import SpecError
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.likelihood import MarginLikelihood


def quiet(spec, data, **options) -> CorrelationFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


def panel(n: int, nobs: int, seed: int = 0, nu: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    target = np.full((n, n), 0.4) + 0.6 * np.eye(n)
    z = dcc_simulate(0.04, 0.93, target, draw_shocks(rng, nobs, n, nu), target)
    return pd.DataFrame(z, pd.bdate_range("2005-01-03", periods=nobs), [f"X{i}" for i in range(n)])


@pytest.fixture(scope="module")
def margins():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit_margins(panel(5, 900, nu=7.0))


@pytest.fixture(
    scope="module",
    params=[{}, {"pairs": "all"}, {"pair_seed": 3}],
    ids=["contiguous", "all", "drawn order"],
)
def fit(request, margins) -> CorrelationFit:
    return quiet(DCC(dist="t"), margins, method="composite", **request.param)


def objective(fit: CorrelationFit) -> CompositeLikelihood:
    out = fit.likelihood.composite(*composite_pairs(fit.likelihood.n, fit.pairs.kind, fit.pairs.seed))
    assert isinstance(out, CompositeLikelihood)
    return out


def test_pairs():
    rows, cols = composite_pairs(4)
    assert list(zip(rows, cols, strict=True)) == [(0, 1), (1, 2), (2, 3)]
    rows, cols = composite_pairs(4, "all")
    assert len(rows) == 6
    rows, cols = composite_pairs(50, seed=1)
    assert (rows < cols).all()
    assert len(rows) == 49
    assert np.bincount(np.concatenate([rows, cols])).max() == 2  # a chain: everyone has one or two neighbours
    np.testing.assert_array_equal(rows, composite_pairs(50, seed=1)[0])
    assert (rows != composite_pairs(50, seed=2)[0]).any()


def test_the_mean_of_bivariate_models(fit):
    """Each pair by the model of two columns, with its own elements of the target."""
    lik = objective(fit)
    singles = []
    for i, j in zip(lik.rows, lik.cols, strict=True):
        two = CorrelationLikelihood(lik.z[:, [i, j]], dynamic=True, dist="t")
        singles.append(two.evaluate(fit.theta, 0)[0])
    np.testing.assert_allclose(lik.evaluate(fit.theta, 0)[0], np.mean(singles, axis=0), rtol=1e-12)
    np.testing.assert_allclose(fit.pairs.loglik, np.mean(singles, axis=0).sum(), rtol=1e-12)
    assert fit.pairs.count == len(singles)
    # a maximum: the mean score is zero and no point nearby is higher
    score = lik.evaluate(fit.theta, 1)[1]
    assert (np.abs(score.mean(axis=0)) < 1e-3 * score.std(axis=0)).all()
    for move in ([0.002, 0, 0], [-0.002, 0, 0], [0, 0.004, 0], [0, -0.004, 0], [0, 0, 0.3], [0, 0, -0.3]):
        assert lik.evaluate(fit.theta + np.array(move), 0)[0].sum() < fit.pairs.loglik


@pytest.mark.parametrize("presample", ["target", "ewma"])
@pytest.mark.parametrize("dist", ["normal", "t"])
def test_adjoint_counts_what_the_start_takes_from_the_data(presample, dist):
    rng = np.random.default_rng(4)
    z = rng.standard_normal((25, 4))
    target = np.full((4, 4), 0.3) + 0.7 * np.eye(4)
    theta = np.array([0.08, 0.8, 7.0][: 3 if dist == "t" else 2])
    rows, cols = composite_pairs(4, seed=2)

    def model(z, target):
        return CompositeLikelihood(z, rows, cols, dist=dist, target=target, presample=presample)

    dz, by_target = model(z, target).adjoint(theta)
    step = 1e-5
    for _ in range(5):
        direction = rng.standard_normal(z.shape)
        ends = [model(z + sign * step * direction, target).evaluate(theta, 0)[0].sum() for sign in (1, -1)]
        np.testing.assert_allclose((dz * direction).sum(), (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-5)
        turn = rng.standard_normal((4, 4))
        turn = turn + turn.T
        np.fill_diagonal(turn, 0.0)
        ends = [model(z, target + sign * step * turn).evaluate(theta, 0)[0].sum() for sign in (1, -1)]
        wanted = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(by_target @ turn[np.triu_indices(4, 1)], wanted, rtol=1e-5, atol=1e-5)


def test_the_toolbox_averages_the_same(mfe_data, oracle):
    """Composite objectives of the MFE Toolbox at fixed parameters, contiguous and all pairs."""
    data = mfe_data["sim_dcc3"].to_numpy()
    z, logs = np.empty_like(data), np.empty_like(data)
    for i, params in enumerate(oracle("mfe_fixed_sim_dcc3")["dcc"]["garch_params"]):
        lik = MarginLikelihood(GARCH(mean="zero", presample="mfe"), data[:, i])
        _, variance, residual, *_ = lik.filter(np.array(params), 0)
        z[:, i], logs[:, i] = residual / np.sqrt(variance), 0.5 * np.log(variance)
    points = [p for p in oracle("mfe_family_sim_dcc3")["joint"] if "composite" in p["name"]]
    assert len(points) == 2
    for point in points:
        rows, cols = composite_pairs(3, "all" if "Full" in point["name"] else "contiguous")
        lik = CompositeLikelihood(z, rows, cols, dist="normal", presample="ewma")
        levels = np.mean(logs[:, rows] + logs[:, cols], axis=1)
        value = (lik.evaluate(np.array(point["params"][-2:]), 0)[0] - levels).sum()
        np.testing.assert_allclose(value, point["ll"], rtol=1e-10)


def test_two_columns_are_the_full_fit(margins):
    pair = margins.select("X0", "X3")
    full, composite = quiet(DCC(dist="t"), pair), quiet(DCC(dist="t"), pair, method="composite")
    np.testing.assert_allclose(composite.theta, full.theta, rtol=1e-8)
    np.testing.assert_allclose(composite.cov, full.cov, rtol=1e-6, atol=1e-14)
    np.testing.assert_allclose(composite.loglikelihood, full.loglikelihood, rtol=1e-12)


def test_order_matters_for_neighbours_only(margins):
    turned = margins.select("X3", "X0", "X4", "X1", "X2")
    one, other = (quiet(DCC(), m, method="composite", pairs="all") for m in (margins, turned))
    np.testing.assert_allclose(other.theta, one.theta, atol=1e-5)
    np.testing.assert_allclose(other.std_err["dcc.a"], one.std_err["dcc.a"], rtol=1e-3)
    one, other = (quiet(DCC(), m, method="composite") for m in (margins, turned))
    assert np.abs(other.theta - one.theta).max() > 1e-5


def test_the_joint_log_likelihood_is_reported(fit, margins):
    full = quiet(DCC(dist="t"), margins)
    assert fit.loglikelihood <= full.loglikelihood
    assert fit.loglikelihood > full.loglikelihood - 20
    np.testing.assert_allclose(fit.loglik_obs.sum(), fit.loglikelihood)
    wanted = fit.likelihood.evaluate(fit.theta, 0)[0] - np.log(fit.volatility).sum(axis=1)
    np.testing.assert_allclose(fit.loglik_obs, wanted)
    table = str(fit.summary())
    assert f"composite likelihood, mean of {fit.pairs.text}" in table
    assert "pakel2021" in fit.cite()
    assert "pakel2021" not in full.cite()
    # paths and forecasts are the model's
    np.testing.assert_allclose(fit.correlations(), full.likelihood.path(fit.theta, *full.likelihood.pairs))
    assert fit.forecast(3).correlation.shape == (3, 10)
    assert fit.correlation_band("X0", "X1", draws=60).shape == (900, 3)


def test_storage_and_filtering(fit):
    again = CorrelationFit.from_json(fit.to_json())
    assert again.pairs == fit.pairs
    pd.testing.assert_series_equal(again.params, fit.params)
    pd.testing.assert_series_equal(again.std_err, fit.std_err)
    assert str(again.summary()) == str(fit.summary())
    same = fit.filter(panel(5, 900, nu=7.0))
    np.testing.assert_allclose(same.loglikelihood, fit.loglikelihood, rtol=1e-12)
    assert same.pairs == fit.pairs


def test_slope_of_the_system_equals_differences_in_the_data(fit):
    """A31 + A32 A21 by moving the residuals, target and all, and reading the composite scores again."""
    lik, theta = objective(fit), fit.theta
    parts, dzs = [one.part for one in fit.margins.fits], [one.dz for one in fit.margins.fits]
    bread, _, last, edges = stacked_moments(lik, fit.optimum, parts, dzs, "exact")
    jacobian = lik.layout.jacobian(fit.optimum.box)[:, last.free]
    largest = np.abs(bread[edges[-2] :, : edges[-3]]).max()
    for k, (part, dz) in enumerate(zip(parts, dzs, strict=True)):
        for j in range(part.jacobian.shape[1]):
            size = 1e-5 / np.abs(dz[:, j]).mean()
            ends = []
            for sign in (1, -1):
                z = lik.z.copy()
                z[:, k] += sign * size * dz[:, j]
                moved = CompositeLikelihood(z, lik.rows, lik.cols, dist="t")
                ends.append(moved.evaluate(theta, 1)[1].mean(axis=0) @ jacobian)
            wanted = (ends[0] - ends[1]) / (2 * size)
            through = bread[edges[-2] :, edges[-3] : edges[-2]] @ bread[edges[-3] : edges[-2], edges[k] + j]
            np.testing.assert_allclose(
                bread[edges[-2] :, edges[k] + j] + through, wanted, rtol=2e-3, atol=2e-4 * largest
            )


@pytest.mark.parametrize(
    "spec", [DCC(), DCC(dist="t"), DCC(presample="ewma"), DCC(p=2), CDCC(), CCC(dist="t")], ids=str
)
@pytest.mark.parametrize("cov_type", ["robust", "hac", "classic"])
def test_errors_by_the_full_stack_and_by_influence_agree(spec, cov_type, margins):
    """What is reported above thirty columns is what the stack would say, whatever the model."""
    fit = quiet(spec, margins)
    for noise in ("exact", "moment", "none"):
        options = {"cov_type": cov_type, "target_noise": noise}
        names, values, full = named_covariance(fit.likelihood, fit.optimum, margins, full=True, **options)
        few, some, steps = named_covariance(fit.likelihood, fit.optimum, margins, full=False, **options)
        at = [names.index(name) for name in few]
        np.testing.assert_array_equal(some, values[at])
        np.testing.assert_allclose(np.diag(steps), np.diag(full)[at], rtol=1e-8)
        own = slice(-fit.theta.size, None)
        np.testing.assert_allclose(steps[own, own], full[own, own], rtol=1e-8)


def test_composite_errors_by_the_full_stack_and_by_influence_agree(fit):
    lik = objective(fit)
    for cov_type in ("robust", "hac", "classic"):
        names, _, full = named_covariance(lik, fit.optimum, fit.margins, cov_type=cov_type, target_noise="exact")
        few, _, steps = named_covariance(
            lik, fit.optimum, fit.margins, cov_type=cov_type, target_noise="exact", full=False
        )
        at = [names.index(name) for name in few]
        np.testing.assert_allclose(np.diag(steps), np.diag(full)[at], rtol=1e-8)
        if cov_type == "robust":
            np.testing.assert_array_equal(full, fit.cov)


def test_shrunk_targets_keep_the_agreement(margins):
    fit = quiet(DCC(), margins, method="composite", target="constant")
    assert fit.likelihood.shrink < 1
    lik = objective(fit)
    assert lik.shrink == fit.likelihood.shrink
    names, _, full = named_covariance(lik, fit.optimum, margins, cov_type="robust", target_noise="exact")
    few, _, steps = named_covariance(lik, fit.optimum, margins, cov_type="robust", target_noise="exact", full=False)
    np.testing.assert_allclose(np.diag(steps), np.diag(full)[[names.index(name) for name in few]], rtol=1e-8)


def test_errors_are_of_the_size_of_the_spread():
    """Thirty samples of six columns, margins fitted: estimates centred, mean error near their spread."""
    rng = np.random.default_rng(20261122)
    estimates, errors = [], []
    for _ in range(30):
        frame = panel(6, 1000, seed=int(rng.integers(2**31)))
        fit = quiet(DCC(), frame, method="composite", margins=GARCH(mean="zero", q=0))
        estimates.append(fit.theta)
        errors.append(fit.std_err[["dcc.a", "dcc.b"]])
    spread = np.std(estimates, axis=0, ddof=1)
    gap = np.mean(estimates, axis=0) - [0.04, 0.93]
    assert (np.abs(gap) < 4 * spread / np.sqrt(30) + [0.002, 0.012]).all(), (gap, spread)
    np.testing.assert_allclose(np.mean(errors, axis=0), spread, rtol=0.45)


def test_more_columns_than_observations_would_fill():
    """Above a hundred columns: no joint likelihood, the reason in the table, nothing of the target's size listed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        margins = fit_margins(panel(104, 400), GARCH(mean="zero", q=0))
    fit = quiet(DCC(), margins, method="composite")
    assert np.isnan(fit.loglikelihood)
    assert fit.loglik_obs.isna().all()
    assert np.isfinite(fit.pairs.loglik)
    assert np.isfinite(fit.std_err[["dcc.a", "dcc.b"]]).all()
    assert len(fit.params) == 2 * 104 + 2
    table = str(fit.summary())
    assert "no joint log-likelihood: computed up to 100 columns" in table
    assert "104 columns, X0 to X103" in table
    assert len(table.splitlines()) < 16
    np.testing.assert_allclose(fit.std_err[["X9.omega", "X9.alpha"]], margins["X9"].std_err[["omega", "alpha"]])
    date = fit.std_resid.index[77]
    at = fit.correlation_at(date)
    np.testing.assert_allclose(at.loc["X3", "X90"], fit.correlation("X3", "X90")[date])
    np.linalg.cholesky(at)
    assert np.isnan(fit.filter(panel(104, 400)).loglikelihood)
    assert (np.abs(fit.theta - [0.04, 0.93]) < 4 * fit.std_err[["dcc.a", "dcc.b"]].to_numpy() + [0.005, 0.02]).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda m: DCC().fit(m, method="pairwise"), "method='pairwise' is not known here"),
        (lambda m: DCC().fit(m, method="composite", pairs="random"), "pairs='random' is not known here"),
        (lambda m: DCC().fit(m, pairs="all"), "add method='composite'"),
        (lambda m: DCC().fit(m, pair_seed=1), "add method='composite'"),
        (lambda m: DCC().fit(m, method="composite", pairs="all", pair_seed=1), "the order does not matter"),
        (lambda m: CCC().fit(m, method="composite"), "CCC is its target"),
        (lambda m: CDCC().fit(m, method="composite"), "CDCCLikelihood has no composite likelihood: use method='ml'"),
    ],
)
def test_choices_that_cannot_be(build, message, margins):
    with pytest.raises(SpecError, match=message):
        build(margins)
