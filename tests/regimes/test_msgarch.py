"""Switching GARCH: likelihoods against enumeration and plain loops, scores, moments, recovery, refusals."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.errors import BoundaryWarning, ConvergenceError, DataError, SpecError
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.msgarch import MSGARCH
from cryptoequity.regimes.msgarch_fit import MSGARCHFit, mixture_risk
from cryptoequity.regimes.recursion_search import chain_start, climb_recursions
from cryptoequity.regimes.switching_garch import (
    METHODS,
    GarchRegimes,
    SwitchingGarchLikelihood,
    transfer_matrix,
)


def problem(seed, nobs=60, k=2, *, method="parallel", driven=False, hold=0, initial="ergodic", **options):
    """A likelihood with random data and parameters inside the box."""
    rng = np.random.default_rng(seed)
    own = GarchRegimes(rng.standard_t(5, (nobs, 1)), ("a",), k, **options)
    z = np.column_stack([np.ones(nobs), rng.standard_normal(nobs)]) if driven else np.ones((nobs, 1))
    chain = Chain(k, z, ("const", "x")[: z.shape[1]], driven, initial, 2.0 if driven else np.inf)
    lik = SwitchingGarchLikelihood(own, chain, method, hold)
    weights = next(own.splits(1, rng))
    theta = np.concatenate([own.begin(weights, 0.1, 0.6), chain_start(chain, weights)])
    u = lik.layout.box(theta) + 0.1 * rng.standard_normal(lik.layout.size)
    return lik, lik.layout.natural(np.clip(u, lik.layout.lower + 0.02, lik.layout.upper - 0.02))


def log_density(e, h, nu):
    if nu:
        return stats.t.logpdf(e / np.sqrt(h * (nu - 2) / nu), nu) - 0.5 * np.log(h * (nu - 2) / nu)
    return stats.norm.logpdf(e, scale=np.sqrt(h))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3]), st.booleans(), st.booleans())
def test_the_parallel_likelihood_is_the_sum_over_all_paths(seed, k, student, asymmetric):
    lik, theta = problem(seed, 5, k, student=student, switching_nu=student, asymmetric=asymmetric)
    mu, par, nu = lik.emission.unpack(lik.split(theta)[0])
    y = lik.emission.y[:, 0]
    h = np.full(k, lik.emission.sample_var)
    logd = np.empty((5, k))
    for t in range(5):
        e = y[t] - mu
        logd[t] = [log_density(e, h[j], nu[j]) for j in range(k)]
        h = par[:, 0] + (par[:, 1] + par[:, 2] * (e < 0)) * e * e + par[:, 3] * h
    p = lik.chain.matrices(lik.split(theta)[1])[0]
    first = lik.chain.start(lik.split(theta)[1])[0]
    total = -np.inf
    for path in itertools.product(range(k), repeat=5):
        value = np.log(first[path[0]]) + logd[0, path[0]]
        value += sum(np.log(p[path[t - 1], path[t]]) + logd[t, path[t]] for t in range(1, 5))
        total = np.logaddexp(total, value)
    assert lik.total(theta) == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("method", ["gray", "klaassen"])
@pytest.mark.parametrize("driven", [False, True])
def test_the_collapsed_recursions_are_the_plain_loops(method, driven):
    lik, theta = problem(5, 40, 3, method=method, driven=driven, asymmetric=True)
    found, variance, _, _ = lik.run(theta, 0)
    mu, par, _ = lik.emission.unpack(lik.split(theta)[0])
    p = found.transitions
    h, predicted, total = np.full(3, lik.emission.sample_var), found.first, 0.0
    for t, y in enumerate(lik.emission.y[:, 0]):
        np.testing.assert_allclose(variance[t], h, rtol=1e-12)
        joint = predicted * stats.norm.pdf(y - mu, scale=np.sqrt(h))
        total += np.log(joint.sum())
        filtered = joint / joint.sum()
        if t + 1 == lik.nobs:
            break
        moves = filtered[:, None] * p[(t + 1) % len(p)]
        bar = predicted @ h if method == "gray" else (moves / moves.sum(axis=0)).T @ h
        h = par[:, 0] + (par[:, 1] + par[:, 2] * (y < mu)) * (y - mu) ** 2 + par[:, 3] * bar
        predicted = moves.sum(axis=0)
    assert lik.evaluate(theta, 0)[0].sum() == pytest.approx(total - lik.chain.penalize(lik.split(theta)[1])[0])


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("start", ["sample", "regime", "stationary"])
@pytest.mark.parametrize(
    ("k", "driven", "options"),
    [
        (2, False, {}),
        (3, False, {"student": True, "switching_nu": True, "asymmetric": True}),
        (2, True, {"student": 1}),
    ],
)
def test_scores_are_the_slopes(method, start, k, driven, options):
    lik, theta = problem(k, 60, k, method=method, driven=driven, hold=1, variance_start=start, **options)
    _, score = lik.evaluate(theta, 1)
    for a in range(theta.size):
        step = 1e-5 * max(0.1, abs(theta[a])) * np.eye(theta.size)[a]
        slope = (lik.evaluate(theta + step, 0)[0] - lik.evaluate(theta - step, 0)[0]) / (2 * step[a])
        np.testing.assert_allclose(
            score[:, a], slope, atol=2e-7 * (1 + np.abs(slope).max()), err_msg=lik.layout.names[a]
        )


def test_regimes_that_are_alike_are_one_garch_whatever_the_method():
    totals = []
    for method in METHODS:
        lik, theta = problem(1, 80, 2, method=method)
        theta[4:7] = theta[1:4]
        totals.append(lik.total(theta))
        mu, par, _ = lik.emission.unpack(lik.split(theta)[0])
    h, total = lik.emission.sample_var, 0.0
    for y in lik.emission.y[:, 0]:
        total += stats.norm.logpdf(y, mu, np.sqrt(h))
        h = par[0, 0] + par[0, 1] * (y - mu) ** 2 + par[0, 3] * h
    np.testing.assert_allclose(totals, total, rtol=1e-12)


def test_without_beta_the_three_methods_agree():
    """The path matters through beta alone."""
    totals = []
    for method in METHODS:
        lik, theta = problem(2, 80, 3, method=method)
        theta[[3, 6, 9]] = 0.0
        totals.append(lik.total(theta))
    np.testing.assert_allclose(totals, totals[0], rtol=1e-12)


def test_a_regime_that_is_never_entered_leaves_no_nan():
    lik, theta = problem(3, 80, 2, method="klaassen")
    theta[lik.inside] = 0.0
    loglik, score = lik.evaluate(theta, 1)
    assert np.isfinite(loglik).all()
    assert np.isfinite(score).all()


def test_new_numbers_change_nothing():
    lik, theta = problem(4, 80, 3, student=True, switching_nu=True, asymmetric=True)
    order = np.array([2, 0, 1])
    where = np.concatenate([lik.emission.relabel(order), lik.inside + lik.chain.relabel(order)])
    assert lik.total(theta[where]) == pytest.approx(lik.total(theta), rel=1e-12)


TRUTH = {"mu": 0.05, "omega": (0.05, 0.6), "alpha": (0.03, 0.25), "beta": (0.90, 0.70), "p": (0.01, 0.03)}


def true_fit(nobs, dist="normal", asymmetric=False, method="parallel"):
    """A fit object at known parameters, for its moments and simulations."""
    rng = np.random.default_rng(0)
    own = GarchRegimes(rng.standard_normal((nobs, 1)), ("a",), 2, student=dist == "t", asymmetric=asymmetric)
    lik = SwitchingGarchLikelihood(own, Chain(2, np.ones((nobs, 1))), method)
    theta = np.zeros(lik.layout.size)
    for n, name in enumerate(lik.layout.names):
        root, _, rest = name.partition("[")
        if root == "p":
            theta[n] = TRUTH["p"][int(rest[0]) - 1]
        elif root in ("mu", "nu"):
            theta[n] = TRUTH["mu"] if root == "mu" else 6.0
        else:
            theta[n] = TRUTH.get(root, (0.02, -0.1))[int(rest[0]) - 1]
    spec = MSGARCH(dist=dist, asymmetric=asymmetric, method=method)
    return MSGARCHFit(spec, None, theta, lik, pd.RangeIndex(nobs), ("a",))


@pytest.mark.parametrize(("asymmetric", "method"), [(False, "parallel"), (True, "parallel"), (False, "klaassen")])
def test_the_variance_of_the_process_is_that_of_its_simulations(asymmetric, method):
    fit = true_fit(500, "normal", asymmetric, method)
    if method == "parallel" and not asymmetric:
        assert fit.persistence.iloc[1] == pytest.approx(0.95)
    drawn = [fit.simulate(60_000, rng=seed) for seed in range(2)]
    y = np.concatenate([one.to_numpy()[500:, 0] for one, _ in drawn])
    states = np.concatenate([one.to_numpy()[500:] for _, one in drawn])
    wanted = fit.unconditional_moments()
    assert fit.spectral_radius < 1
    assert y.var() == pytest.approx(wanted["variance"], rel=0.1)
    for j in (1, 2):
        assert y[states == j].var() == pytest.approx(wanted[f"variance in regime {j}"], rel=0.12)


def test_a_regime_may_be_explosive_in_a_process_that_is_not():
    p = np.array([[0.98, 0.02], [0.5, 0.5]])
    par = np.array([[0.05, 0.05, 0.0, 0.9], [0.5, 0.5, 0.0, 0.7]])
    assert par[1, 1] + par[1, 3] > 1
    radius = np.abs(np.linalg.eigvals(transfer_matrix(p, par))).max()
    assert radius < 1
    # stuck in regime 2 it explodes
    stuck = np.array([[0.5, 0.5], [0.0, 1.0]])
    assert np.abs(np.linalg.eigvals(transfer_matrix(stuck, par))).max() == pytest.approx(1.2)


@pytest.mark.parametrize("method", ["parallel", "klaassen"])
def test_forecasts_are_the_means_of_simulated_squares(method):
    fit = true_fit(300, method=method)
    ahead = fit.simulate_ahead(6, 15_000, rng=3) - TRUTH["mu"]
    np.testing.assert_allclose(fit.forecast(6).covariance[:, 0, 0], (ahead**2).mean(axis=0), rtol=0.1)


def test_gray_refuses_what_has_no_closed_form():
    fit = true_fit(300, method="gray")
    one = fit.simulate_ahead(1, 20_000, rng=3) - TRUTH["mu"]
    assert fit.forecast(1).covariance[0, 0, 0] == pytest.approx((one**2).mean(), rel=0.05)
    with pytest.raises(SpecError, match="no closed forecast"):
        fit.forecast(2)
    with pytest.raises(SpecError, match="no closed moments"):
        _ = fit.spectral_radius


@pytest.mark.parametrize("nu", [None, np.array([5.0, 9.0])])
def test_quantiles_and_shortfall_are_those_of_draws(nu):
    rng = np.random.default_rng(0)
    weights, variance = np.array([[0.7, 0.3]]), np.array([[1.0, 6.0]])
    state = (rng.random(1_000_000) < 0.3).astype(int)
    shock = rng.standard_normal(state.size) if nu is None else rng.standard_t(nu[state]) * np.sqrt(1 - 2 / nu[state])
    y = 0.1 + np.sqrt(variance[0, state]) * shock
    var, es = mixture_risk(0.05, weights, variance, 0.1, nu)
    assert var[0] == pytest.approx(np.quantile(y, 0.05), abs=0.02)
    assert es[0] == pytest.approx(y[y <= var[0]].mean(), abs=0.03)
    with pytest.raises(SpecError, match="level"):
        mixture_risk(0.0, weights, variance, 0.1, nu)


@pytest.fixture(scope="module")
def fitted():
    data, states = true_fit(3000, "t").simulate(3000, rng=7)
    data.index = pd.bdate_range("2010-01-01", periods=3000)
    return MSGARCH(dist="t").fit(data, starts=6), data, states.to_numpy()


def test_the_fit_finds_the_parameters_and_the_regimes(fitted):
    fit, data, states = fitted
    assert fit.converged
    truth = true_fit(3000, "t")
    apart = (fit.params.to_numpy() - truth.theta) / fit.std_err.to_numpy()
    assert np.abs(apart).max() < 3.5
    at_truth = SwitchingGarchLikelihood(fit.emission, fit.chain).total(truth.theta)
    assert 0 < fit.loglikelihood - at_truth < 15
    assert (fit.viterbi().to_numpy() == states).mean() > 0.85
    assert (
        np.abs(
            fit.likelihood.evaluate(fit.theta, 1)[1].sum(axis=0)
            @ fit.likelihood.layout.jacobian(fit.likelihood.layout.box(fit.theta))
        ).max()
        < 0.05
    )
    del data


def test_what_a_fit_says(fitted):
    fit, data, _ = fitted
    text = str(fit.summary())
    assert "spectral radius" in text
    assert "APPROXIMATE" not in text
    assert fit.pit().iloc[:, 0].between(0, 1).all()
    assert fit.diagnostics()["pvalue"].min() > 0.001
    hits = data.iloc[:, 0] < fit.risk(0.05)["var"]
    assert hits.mean() == pytest.approx(0.05, abs=0.012)
    np.testing.assert_allclose(
        fit.forecast(1).covariance[0, 0, 0],
        fit._ahead(1, None)[0] @ fit._next_variances(None, 1),
    )
    again = MSGARCHFit.from_json(fit.to_json())
    assert again.loglikelihood == fit.loglikelihood
    longer = fit.filter(data)
    assert longer.loglikelihood == pytest.approx(fit.loglikelihood)
    assert "haas2004" in fit.cite()


def test_the_unit_of_the_data_changes_nothing(fitted):
    _, data, _ = fitted
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        plain = MSGARCH().fit(data.iloc[:800], starts=3, cov_type="none")
        scaled = MSGARCH().fit(100 * data.iloc[:800], starts=3, cov_type="none")
    assert scaled.loglikelihood + 800 * np.log(100) == pytest.approx(plain.loglikelihood, abs=1e-5)


def test_drivers_move_the_odds(fitted):
    _, data, states = fitted
    index = data.index[:1200]
    driver = pd.Series((states[:1200] == 2).astype(float) + 0.1 * np.sin(np.arange(1200)), index, name="d")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        fit = MSGARCH(penalty=3.0).fit(data.iloc[:1200], drivers=driver, starts=3)
    assert fit.chain.driven
    assert fit.params["delta[1,2].d"] > 0
    assert fit.forecast(2, drivers=driver.iloc[-2:]).covariance.shape == (2, 1, 1)


def test_choices_and_data_are_refused_with_the_cure(fitted):
    _, data, _ = fitted
    for options, words in (
        ({"method": "haas"}, "method"),
        ({"mean": "ar"}, "mean"),
        ({"hold": -1}, "hold"),
        ({"variance_start": "stationary", "method": "gray"}, "no such moments"),
        ({"k": 1}, "regimes"),
    ):
        with pytest.raises(SpecError, match=words):
            MSGARCH(**options)
    with pytest.raises(DataError, match="one series"):
        MSGARCH().fit(pd.concat([data, -data], axis=1, keys=["a", "b"]).droplevel(1, axis=1))
    with pytest.raises(DataError):
        MSGARCH().fit(data.iloc[:100])
    holed = data.copy()
    holed.iloc[5] = np.nan
    with pytest.raises(DataError):
        MSGARCH().fit(holed)
    with pytest.raises(DataError):
        MSGARCH().fit(0 * data + 1.0)
    with pytest.raises(SpecError, match="starts"):
        MSGARCH().fit(data, starts=0)


def test_starts_that_collapse_are_named():
    y = np.random.default_rng(0).standard_normal((300, 1))
    y[150:] *= 1e-6
    own = GarchRegimes(y, ("a",), 2)
    lik = SwitchingGarchLikelihood(own, Chain(2, np.ones((300, 1))))
    with pytest.raises(ConvergenceError, match=r"collapses|left with"):
        climb_recursions(lik, 3)


def test_a_start_without_moments_is_no_start():
    lik, theta = problem(0, 60, 2, variance_start="stationary")
    theta[[3, 6]] = 0.999
    assert lik.total(theta) == -np.inf
    assert lik.weakness(theta) == "the likelihood is not finite"
