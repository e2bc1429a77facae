"""Copula DCC: dense likelihoods, exact quantiles, errors that count shapes and ranks, simulation, storage, refusals."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from cryptoequity.correlation import DCC, CorrelationFit
from cryptoequity.correlation.copula import CopulaDCC, CopulaFit, CopulaLikelihood, tail_dependence
from cryptoequity.correlation.copula_scores import exact_t_scores, normal_scores, t_scores
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.correlation.model import second_moment_target
from cryptoequity.correlation.stacking import stacked_moments
from cryptoequity.errors import BoundaryWarning, DataError, SpecError
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.garch import simulate_margin
from cryptoequity.volatility.likelihood import MarginLikelihood
from cryptoequity.volatility.pit import MarginLaw, law_of, t_tail
from strategies import dcc_parameters, residuals, seeds

LAWS = (
    MarginLaw("t", np.array([5.0])),
    MarginLaw("skewt", np.array([6.0, -0.3])),
    MarginLaw("normal", np.empty(0)),
    MarginLaw("skewt", np.array([9.0, 0.2])),
)
SPECS = [CopulaDCC(), CopulaDCC(dist="normal"), CopulaDCC(pit="rank"), CopulaDCC(dist="normal", pit="rank")]


def quiet(spec, data, **options) -> CorrelationFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


def draw(nobs: int, n: int, rng, nu=6.0, a=0.05, b=0.92, rho=0.5) -> np.ndarray:
    """Residuals of a t copula on the laws above."""
    target = np.full((n, n), rho) + (1 - rho) * np.eye(n)
    mold = CopulaLikelihood(np.full((3, n), 0.1), laws=LAWS[:n], dist="t", target=target)
    return mold.simulate(np.array([a, b, nu]), draw_shocks(rng, nobs, n, nu))[0]


def made_of(z: np.ndarray, names: list[str]) -> pd.DataFrame:
    """Returns with GARCH volatility."""
    theta = np.array([0.05, 0.05, 0.08, 0.88])
    made = [simulate_margin(GARCH(), theta, z[:, i].copy(), 1.25)[0] for i in range(z.shape[1])]
    return pd.DataFrame(np.stack(made, axis=1), pd.bdate_range("2012-01-02", periods=len(z)), names)


@pytest.fixture(scope="module")
def returns() -> pd.DataFrame:
    return made_of(draw(1400, 3, np.random.default_rng(4)), ["A", "B", "C"])


@pytest.fixture(scope="module")
def margins(returns):
    spec = {"A": GARCH(dist="t"), "B": GARCH(dist="skewt"), "C": GARCH()}
    return fit_margins(returns.iloc[:1200], spec)


@pytest.fixture(scope="module", params=SPECS, ids=lambda spec: spec.name)
def fit(request, margins) -> CopulaFit:
    return quiet(request.param, margins)


# --- quantiles


@pytest.mark.parametrize("nu", [2.05, 2.6, 4.0, 11.0, 80.0, 500.0])
@pytest.mark.parametrize("far", [2.0, 5.0, 9.0, 20.0])
def test_t_scores_are_exact(nu, far):
    n = np.concatenate([np.linspace(-far, far, 401), [1e-9, 0.0]])
    x, by_n, by_nu = t_scores(n, nu, 1)
    unit = np.sqrt((nu - 2) / nu)
    wanted = np.sign(n) * stats.t.isf(special.ndtr(-np.abs(n)), nu) * unit
    away = np.abs(n) > 1e-6
    np.testing.assert_allclose(x[away], wanted[away], rtol=1e-10)
    np.testing.assert_allclose(x[~away], n[~away] * by_n[~away], atol=1e-12)
    np.testing.assert_allclose(normal_scores(x, nu), n, rtol=1e-9, atol=1e-9)
    step = 1e-6
    slope = (t_scores(n * (1 + step), nu, 0)[0] - t_scores(n * (1 - step), nu, 0)[0])[away] / (2 * step * n[away])
    np.testing.assert_allclose(by_n[away], slope, rtol=1e-6)
    size = 1e-4 * (nu - 2)
    slope = (t_scores(n, nu + size, 0)[0] - t_scores(n, nu - size, 0)[0]) / (2 * size)
    np.testing.assert_allclose(by_nu, slope, rtol=1e-5, atol=1e-7 * np.abs(slope).max())


def test_t_scores_far_out_and_where_no_digits_are_left():
    n = np.array([-25.0, -0.5, 3.0])
    x, _, by_nu = t_scores(n, 2.05, 1)
    np.testing.assert_allclose(t_tail(x, 2.05), special.ndtr(-np.abs(n)), rtol=1e-10)
    np.testing.assert_array_equal(np.sign(x), np.sign(n))
    assert np.isfinite(by_nu).all()
    for out in t_scores(n * 1.1, 2.05, 1):
        np.testing.assert_array_equal(np.isnan(out), [True, False, False])


@pytest.mark.parametrize("nu", np.geomspace(0.05, 498, 40) + 2)
def test_series_are_exact_for_every_nu(nu):
    n = np.linspace(0.05, 6.5, 301)
    x, _, by_nu = t_scores(n, nu, 1)
    wanted, slope = exact_t_scores(n, nu)
    np.testing.assert_allclose(x, wanted, rtol=2e-11)
    np.testing.assert_allclose(by_nu, slope, rtol=1e-8, atol=1e-10 * np.abs(slope).max())


# --- likelihood


def dense(z, laws, dist, theta, target=None):
    """Copula density by scipy, date by date."""
    a, b = theta[:2]
    nu = theta[2] if dist == "t" else 0.0
    u = np.stack([special.ndtr(law.scores(z[:, i])[0]) for i, law in enumerate(laws)], axis=1)
    x = stats.t.ppf(u, nu) * np.sqrt((nu - 2) / nu) if nu else special.ndtri(u)
    target = second_moment_target(x)[0] if target is None else target
    q, out, path, n = target, [], [], z.shape[1]
    for t in range(len(z)):
        if t:
            q = (1 - a - b) * target + a * np.outer(x[t - 1], x[t - 1]) + b * q
        r = q / np.sqrt(np.outer(np.diag(q), np.diag(q)))
        path.append(r[np.triu_indices(n, 1)])
        if nu:
            joint = stats.multivariate_t(np.zeros(n), r * (nu - 2) / nu, df=nu).logpdf(x[t])
            alone = stats.t.logpdf(x[t] / np.sqrt((nu - 2) / nu), nu) - 0.5 * np.log((nu - 2) / nu)
        else:
            joint, alone = stats.multivariate_normal(np.zeros(n), r).logpdf(x[t]), stats.norm.logpdf(x[t])
        own = sum(law.log_density(z[t : t + 1, i])[0][0] for i, law in enumerate(laws))
        out.append(joint - alone.sum() + own)
    return np.array(out), np.array(path)


@pytest.mark.parametrize("dist", ["normal", "t"])
@given(n=st.integers(2, 4), seed=seeds)
@settings(max_examples=12, deadline=None)
def test_likelihood_and_path_equal_a_plain_reading(dist, n, seed):
    rng = np.random.default_rng(seed)
    z = draw(40, n, rng)
    theta = np.array([rng.uniform(0.01, 0.15), rng.uniform(0.3, 0.8), rng.uniform(2.3, 20)])[: 3 if dist == "t" else 2]
    lik = CopulaLikelihood(z, laws=LAWS[:n], dist=dist)
    wanted, path = dense(z, LAWS[:n], dist, theta)
    np.testing.assert_allclose(lik.evaluate(theta, 0)[0], wanted, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(lik.path(theta, *lik.pairs), path, atol=1e-10)
    target = np.full((n, n), 0.3) + 0.7 * np.eye(n)
    lik = CopulaLikelihood(z, laws=LAWS[:n], dist=dist, target=target)
    wanted = dense(z, LAWS[:n], dist, theta, target)[0]
    np.testing.assert_allclose(lik.evaluate(theta, 0)[0], wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dist", ["normal", "t"])
@pytest.mark.parametrize("given_target", [False, True])
@given(n=st.integers(2, 4), seed=seeds)
@settings(max_examples=8, deadline=None)
def test_scores_and_adjoint_equal_finite_differences(dist, given_target, n, seed):
    """Scores are total: the t scores, and the target with them, move with nu."""
    rng = np.random.default_rng(seed)
    z = draw(40, n, rng)
    target = second_moment_target(rng.standard_normal((50, n)))[0] if given_target else None
    theta = np.array([0.06, 0.85, rng.uniform(2.5, 15)])[: 3 if dist == "t" else 2]
    lik = CopulaLikelihood(z, laws=LAWS[:n], dist=dist, target=target)
    score = lik.evaluate(theta, 1)[1]
    for k in range(theta.size):
        step = 1e-5 * (1 if k < 2 else theta[2] - 2)
        up, down = theta.copy(), theta.copy()
        up[k] += step
        down[k] -= step
        wanted = (lik.evaluate(up, 0)[0] - lik.evaluate(down, 0)[0]) / (2 * step)
        scale = max(np.abs(wanted).max(), 1e-2)
        np.testing.assert_allclose(score[:, k] / scale, wanted / scale, atol=1e-6)
    lik.settle(theta)
    held = lik.fixed(z)
    dz, dtarget = lik.adjoint(theta)
    for _ in range(4):
        way, turn, step = rng.standard_normal(z.shape), rng.standard_normal(lik.nuisance.size), 1e-6
        ends = [held.fixed(z + sign * step * way).evaluate(theta, 0)[0].sum() for sign in (1, -1)]
        np.testing.assert_allclose((dz * way).sum(), (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-4)
        moved = [lik.target[lik.pairs] + sign * step * turn for sign in (1, -1)]
        ends = [held.fixed(z, nuisance=one).evaluate(theta, 0)[0].sum() for one in moved]
        np.testing.assert_allclose(dtarget @ turn, (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-4)


@given(residuals(sizes=(2, 3), nobs=(8, 120)), dcc_parameters(), st.floats(2.1, 400), st.booleans())
@settings(max_examples=50, deadline=None)
def test_paths_are_correlation_matrices_for_any_data(z, parameters, nu, ranked):
    n = z.shape[1]
    if ranked:
        spec, laws = CopulaDCC(pit="rank"), [MarginLaw("normal", np.empty(0))] * n
    else:
        spec, laws = CopulaDCC(), [MarginLaw("t", np.array([4.0]))] * n
    lik = spec.on(z, laws)
    if np.linalg.eigvalsh(lik.target)[0] < 1e-9:
        return
    path = lik.path(np.array([*parameters, nu]), *lik.pairs)
    assert (np.abs(path) <= 1 + 1e-12).all()
    for one in path:
        r = lik.matrix(one)
        np.testing.assert_array_equal(np.diag(r), 1.0)
        assert np.linalg.eigvalsh(r)[0] > -1e-10


def test_normal_margins_and_normal_copula_are_dcc(returns):
    margins = fit_margins(returns)
    one, other = CopulaDCC(dist="normal").fit(margins), DCC().fit(margins)
    np.testing.assert_allclose(one.loglikelihood, other.loglikelihood, rtol=1e-12)
    np.testing.assert_allclose(one.params.to_numpy(), other.params.to_numpy(), rtol=1e-7)
    np.testing.assert_allclose(one.std_err.to_numpy(), other.std_err.to_numpy(), rtol=1e-5)
    np.testing.assert_allclose(one.correlations(), other.correlations(), atol=1e-8)


# --- fits


def test_fit_climbs_to_a_zero_score(fit):
    assert fit.converged
    assert isinstance(fit, CopulaFit)
    mean = fit.likelihood.evaluate(fit.theta, 1)[1].mean(axis=0)
    assert np.abs(mean * np.array([1, 1, 10])[: mean.size]).max() < 1e-3
    wanted = fit.likelihood.evaluate(fit.theta, 0)[0] - np.log(fit.volatility).sum(axis=1)
    np.testing.assert_allclose(fit.loglik_obs, wanted)
    x = fit.likelihood.correlated(fit.theta)
    np.testing.assert_allclose(fit.target, second_moment_target(x)[0], rtol=1e-10)


def test_the_right_copula_wins(margins):
    """Data of a t copula: it beats the Gaussian one, the joint t with one nu for all, and independence."""
    t, normal = quiet(CopulaDCC(), margins), quiet(CopulaDCC(dist="normal"), margins)
    assert t.loglikelihood > normal.loglikelihood + 20
    assert t.loglikelihood > quiet(DCC(dist="t"), margins).loglikelihood + 10
    assert normal.loglikelihood > margins.loglikelihood + 100
    assert abs(t.params["copula.nu"] - 6) < 3 * t.std_err["copula.nu"]


def test_permuting_assets_permutes_the_answer(fit, margins):
    turned = quiet(fit.spec, margins.select("C", "A", "B"))
    np.testing.assert_allclose(turned.theta, fit.theta, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(turned.loglikelihood, fit.loglikelihood, rtol=1e-9)
    for i, j in (("A", "B"), ("A", "C"), ("B", "C")):
        np.testing.assert_allclose(turned.correlation(i, j), fit.correlation(i, j), atol=1e-3)
    np.testing.assert_allclose(turned.std_err["corr.A.B"], fit.std_err["corr.A.B"], rtol=1e-2)
    np.testing.assert_allclose(turned.std_err["copula.a"], fit.std_err["copula.a"], rtol=1e-2)


def test_storage_filter_and_exact_forecast(fit, returns):
    again = CorrelationFit.from_json(fit.to_json())
    assert isinstance(again, CopulaFit)
    pd.testing.assert_series_equal(again.params, fit.params)
    pd.testing.assert_series_equal(again.std_err, fit.std_err)
    pd.testing.assert_frame_equal(again.correlations(), fit.correlations(), check_freq=False)
    same = fit.filter(returns.iloc[:1200])
    np.testing.assert_allclose(same.correlations(), fit.correlations(), rtol=1e-10)
    np.testing.assert_allclose(same.loglikelihood, fit.loglikelihood, rtol=1e-12)
    ahead = fit.forecast(1)
    later = fit.filter(returns.iloc[:1201])
    np.testing.assert_allclose(ahead.correlation.iloc[0], later.correlations().iloc[-1], rtol=1e-6)
    np.testing.assert_allclose(fit.forecast(1, method="simulation", rng=0, paths=3).correlation, ahead.correlation)
    far = fit.forecast(5000).correlation.iloc[-1]
    np.testing.assert_allclose(far, fit.target.to_numpy()[[0, 0, 1], [1, 2, 2]], atol=1e-6)


def test_margins_keep_their_covariance(fit):
    cov = fit.cov.to_numpy()
    np.testing.assert_array_equal(np.nan_to_num(cov), np.nan_to_num(cov.T))
    first = 0
    for one in fit.margins.fits:
        stop = first + len(one.params)
        np.testing.assert_allclose(cov[first:stop, first:stop], one.cov, rtol=1e-8)
        first = stop
    assert (fit.std_err > 0).all()


@pytest.mark.parametrize("dist", ["normal", "t"])
def test_slope_of_the_system_equals_differences_in_the_margins(dist, margins, returns):
    """The profile score of the copula moves with every parameter of the margins by A31 + A32 A21.

    Margins are filtered anew at moved parameters: residuals, shapes and the target that is made of them all move.
    """
    fit = quiet(CopulaDCC(dist=dist), margins)
    parts, dzs = [one.part for one in fit.margins.fits], [one.dz for one in fit.margins.fits]
    bread, _, last, edges = stacked_moments(fit.likelihood, fit.optimum, parts, dzs, "exact")
    bottom, k1 = edges[-2], edges[-3]
    profile = bread[bottom:, :k1] + bread[bottom:, k1:bottom] @ bread[k1:bottom, :k1]

    def read(which, theta):
        """Residuals and laws when one margin has other parameters."""
        z, laws = fit.likelihood.z.copy(), [law_of(one) for one in fit.margins.fits]
        one = fit.margins.fits[which]
        _, variance, resid, _, _ = MarginLikelihood(one.spec, one.returns.to_numpy(), 0).filter(theta, 0)
        z[:, which] = resid / np.sqrt(variance)
        laws[which] = MarginLaw(one.spec.dist, theta[theta.size - laws[which].shape.size :])
        return CopulaLikelihood(z, laws=laws, dist=dist)

    scale = np.abs(profile).max()
    for i, one in enumerate(fit.margins.fits):
        for j in range(one.part.jacobian.shape[1]):
            way = one.part.jacobian[:, j]
            step = 1e-4 / np.sqrt(np.mean(one.part.score[:, j] ** 2))
            scores, targets = [], []
            for sign in (1, -1):
                lik = read(i, one.estimate.theta + sign * step * way)
                scores.append(lik.evaluate(fit.theta, 1)[1].mean(axis=0) @ last.jacobian)
                lik.settle(fit.theta)
                targets.append(lik.nuisance)
            at = edges[i] + j
            np.testing.assert_allclose(
                profile[:, at], (scores[0] - scores[1]) / (2 * step), rtol=1e-3, atol=1e-5 * scale
            )
            wanted = (targets[0] - targets[1]) / (2 * step)
            np.testing.assert_allclose(bread[k1:bottom, at], wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("pit", ["parametric", "rank"])
def test_estimates_scatter_about_the_truth_as_their_errors_say(pit):
    """30 samples: centers within Monte-Carlo error, spread near the mean standard error."""
    rng, names = np.random.default_rng(7), ["corr.X.Y", "copula.a", "copula.b", "copula.nu"]
    estimates, errors = [], []
    for _ in range(30):
        frame = made_of(draw(1500, 2, rng), ["X", "Y"])
        fit = quiet(CopulaDCC(pit=pit), frame, margins={"X": GARCH(dist="t"), "Y": GARCH(dist="skewt")})
        if not fit.at_bound:
            estimates.append(fit.params[names])
            errors.append(fit.std_err[names])
    assert len(estimates) >= 15
    center, spread = np.mean(estimates, axis=0), np.std(estimates, axis=0, ddof=1)
    slack = np.array([0.05, 0.005, 0.02, 0.4])  # what targeting and T = 1500 bring of their own
    assert (np.abs(center - [0.5, 0.05, 0.92, 6.0]) < 4 * spread / np.sqrt(len(estimates)) + slack).all()
    ratio = np.mean(errors, axis=0) / spread
    assert ((ratio > 0.6) & (ratio < 1.7)).all()


def test_ranks_cost_what_theory_says():
    """For iid pairs the normal-scores correlation is efficient: its asymptotic error is (1 - r^2)/sqrt(T).

    The scaled second moment of known scores has that error already, so the noise of ranks must add nothing to it.
    """
    rng = np.random.default_rng(3)
    r = 0.7
    z = rng.standard_normal((20_000, 2)) @ np.linalg.cholesky(np.array([[1, r], [r, 1]])).T
    lik = CopulaDCC(dist="normal", pit="rank").model(z)
    theta = np.array([0.0, 0.0])
    raw = lik.nuisance_moments(theta, "exact")[:, 0]
    ranks = lik.margin_noise(theta)[0][:, 0]
    np.testing.assert_allclose((raw + ranks).std(), 1 - r**2, rtol=0.03)
    np.testing.assert_allclose(raw.std(), 1 - r**2, rtol=0.03)


def test_simulated_residuals_have_the_margins_distribution(margins):
    fit = quiet(CopulaDCC(), margins)
    shocks = draw_shocks(np.random.default_rng(0), 20_000, 3, fit.theta[-1])
    z, path = fit.likelihood.simulate(fit.theta, shocks, [0], [1])
    for i, one in enumerate(margins.fits):
        u = special.ndtr(law_of(one).scores(z[:, i])[0])
        assert stats.kstest(u, "uniform").pvalue > 1e-3
    again = fit.likelihood.fixed(z).path(fit.theta, [0], [1])
    np.testing.assert_allclose(again, path, atol=1e-8)
    ranked = quiet(CopulaDCC(pit="rank"), margins)
    z, _ = ranked.likelihood.simulate(ranked.theta, shocks)
    assert stats.ks_2samp(z[:, 1], ranked.std_resid["B"]).pvalue > 1e-3
    made = fit.simulate(500, rng=1)
    assert list(made.columns) == ["A", "B", "C"]


def test_tail_dependence(margins, fit):
    series = fit.tail_dependence("A", "B")
    if fit.spec.dist == "normal":
        assert (series == 0).all()
        return
    assert series.between(0, 1).all()
    assert series.corr(fit.correlation("A", "B")) > 0.95
    # by definition: P(both beyond the q-quantile)/q as q falls, from the joint distribution
    nu, rho, q = 4.0, 0.5, 1e-7
    at = stats.t.ppf(q, nu)

    def inside(s):
        scale = np.sqrt((1 - rho**2) * (nu + s**2) / (nu + 1))
        return stats.t.pdf(s, nu) * stats.t.cdf((at - rho * s) / scale, nu + 1)

    grid = np.linspace(0, 12, 40_001)
    s = at * np.exp(grid)
    joint = np.trapezoid(inside(s) * -s, grid)
    np.testing.assert_allclose(tail_dependence(np.array(rho), nu), joint / q, rtol=1e-2)
    np.testing.assert_allclose(tail_dependence(np.array([-1 + 1e-12, 1.0]), 5.0), [0.0, 1.0], atol=1e-9)


@pytest.mark.parametrize("pit", ["parametric", "rank"])
def test_band_moves_the_shapes_too(margins, pit):
    fit = quiet(CopulaDCC(pit=pit), margins.select("A", "B"))
    band = fit.correlation_band("A", "B", draws=60, rng=2)
    assert (band["lower"] < band["upper"]).all()
    assert ((band["lower"] <= band["estimate"]) & (band["estimate"] <= band["upper"])).mean() > 0.8
    moved = [one.estimate.theta.copy() for one in fit.margins.fits]
    same = fit.likelihood.reshaped(moved)
    np.testing.assert_allclose(same.path(fit.theta, [0], [1]), fit.likelihood.path(fit.theta, [0], [1]))
    moved[0][-1] = 3.0
    other = fit.likelihood.reshaped(moved).path(fit.theta, [0], [1])
    assert (np.abs(other - same.path(fit.theta, [0], [1])).max() > 1e-4) == (pit == "parametric")


def test_margins_of_the_arch_package(returns):
    from arch import arch_model

    pair = returns[["A", "B"]].iloc[:800]
    results = {name: arch_model(pair[name], dist=dist).fit(disp="off") for name, dist in (("A", "t"), ("B", "skewt"))}
    theirs = quiet(CopulaDCC(), fit_margins(results))
    ours = quiet(CopulaDCC(), fit_margins(pair, {"A": GARCH(dist="t"), "B": GARCH(dist="skewt")}))
    np.testing.assert_allclose(theirs.loglikelihood, ours.loglikelihood, atol=0.05)
    np.testing.assert_allclose(theirs.std_err.iloc[-4:], ours.std_err.iloc[-4:], rtol=0.1)
    ged = fit_margins({name: arch_model(pair[name], dist="ged").fit(disp="off") for name in pair})
    with pytest.raises(SpecError, match="use pit='rank'"):
        CopulaDCC().fit(ged)
    assert quiet(CopulaDCC(pit="rank"), ged).converged


def test_no_dynamics_is_on_the_bound_with_a_flag():
    rng = np.random.default_rng(3)
    z = rng.standard_normal((1000, 2))
    z[:, 1] = np.where(np.arange(1000) % 2 == 0, 1, -1) * np.abs(z[:, 1]) * np.sign(z[:, 0])
    frame = pd.DataFrame(z, pd.bdate_range("2015-01-01", periods=1000), ["A", "B"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        margins = fit_margins(frame, GARCH(mean="zero"))
    for pit in ("parametric", "rank"):
        with pytest.warns(BoundaryWarning, match=r"no standard error: copula\.a, copula\.b"):
            fit = CopulaDCC(dist="normal", pit=pit).fit(margins)
        assert np.isfinite(fit.std_err["corr.A.B"])


def test_refusals(margins, returns):
    with pytest.raises(SpecError, match="pass fitted margins, or use pit='rank'"):
        CopulaDCC().model(np.ones((10, 2)))
    with pytest.raises(SpecError, match="pit='kernel' is not known"):
        CopulaDCC(pit="kernel")
    crashed = returns[["A", "C"]].copy()
    crashed.iloc[700, 1] = -90.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wild = fit_margins(crashed, GARCH(p=1, q=0))
    z = wild.std_resid.to_numpy().copy()
    z[700, 1] = -45.0
    with pytest.raises(
        DataError, match=r"'C': the residual -45.0 of observation 700 has no probability left under its"
    ):
        CopulaDCC().on(z, [law_of(one) for one in wild.fits], names=wild.names)
    given_fit = quiet(CopulaDCC(), margins, target=np.full((3, 3), 0.4) + 0.6 * np.eye(3))
    assert given_fit.std_err.filter(like="corr.").isna().all()
    np.testing.assert_allclose(given_fit.params.filter(like="corr."), 0.4)
    assert {"patton2006", "demartamcneil2005"} <= set(re.findall(r"@\w+{(\w+),", given_fit.cite()))


def test_fits_of_rmgarch(oracle):
    """The same models on the same data: no lower likelihoods than half a point, estimates and errors close."""
    stored = oracle("rmgarch_copula")
    default = Path(__file__).parents[3] / "shared" / "reference"
    path = Path(os.environ.get("CRYPTOEQUITY_REFERENCE", default)) / "data" / "dji30retw_pct.csv"
    if not path.exists():
        pytest.skip("set CRYPTOEQUITY_REFERENCE to a folder with data/dji30retw_pct.csv")
    data = pd.read_csv(path, index_col="date", parse_dates=True)[["AA", "AXP", "BA"]]
    for name, other in stored["fits"].items():
        margins = fit_margins(data, GARCH(dist=other["margins"]))
        fit = quiet(CopulaDCC(dist=other["copula"], pit=other["pit"]), margins)
        assert fit.loglikelihood > other["loglik"] - 0.5, name
        if other["pit"] == "rank":
            continue  # its ranks are over T and truncated, and its errors ignore them
        np.testing.assert_allclose(fit.params[["copula.a", "copula.b"]], list(other["coef"].values())[:2], rtol=0.05)
        mean = np.array(other["mean_rcor"])[np.triu_indices(3, 1)]
        np.testing.assert_allclose(fit.correlations().mean(), mean, atol=0.005)
