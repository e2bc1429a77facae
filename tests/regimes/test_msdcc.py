"""Switching DCC: likelihoods against enumeration and plain loops, scores, slopes by margins, recovery, refusals."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cryptoequity.errors import BoundaryWarning, ConvergenceError, DataError, SpecError
from cryptoequity.kernels.dcc import dcc_path
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.checks import rosenblatt
from cryptoequity.regimes.fit import draw_states
from cryptoequity.regimes.gaussian import GaussianEmission
from cryptoequity.regimes.likelihood import RegimeLikelihood
from cryptoequity.regimes.msdcc import MSDCC
from cryptoequity.regimes.msdcc_fit import MSDCCFit, rosenblatt_paths
from cryptoequity.regimes.recursion_search import chain_start, climb_recursions
from cryptoequity.regimes.switching_dcc import METHODS, DccRegimes, SwitchingDCCLikelihood
from cryptoequity.volatility import GARCH, fit_margins

CASES = [(2, 2, "all", False, False), (3, 2, "level", True, False), (2, 3, "all", True, True)]


def problem(seed, nobs=40, n=2, k=2, *, switching="all", student=False, driven=False, method="parallel"):
    """A likelihood with random data and parameters inside the box."""
    rng = np.random.default_rng(seed)
    own = DccRegimes(rng.standard_normal((nobs, n)), tuple("abcd"[:n]), k, switching=switching, student=student)
    x = np.column_stack([np.ones(nobs), rng.standard_normal(nobs)]) if driven else np.ones((nobs, 1))
    chain = Chain(k, x, ("const", "x")[: x.shape[1]], driven, "ergodic", 2.0 if driven else np.inf)
    lik = SwitchingDCCLikelihood(own, chain, method)
    weights = next(own.splits(1, rng)) if nobs > 20 else rng.dirichlet(np.ones(k), nobs)
    theta = np.concatenate([own.begin(weights, 0.1, 0.6), chain_start(chain, weights)])
    u = lik.layout.box(theta) + 0.1 * rng.standard_normal(lik.layout.size)
    return lik, lik.layout.natural(np.clip(u, lik.layout.lower + 0.02, lik.layout.upper - 0.02))


def log_density(z, q, nu):
    root = np.sqrt(np.diag(q))
    corr = q / np.outer(root, root)
    if nu:
        return stats.multivariate_t.logpdf(z, np.zeros(len(z)), corr * (nu - 2) / nu, nu)
    return stats.multivariate_normal.logpdf(z, np.zeros(len(z)), corr)


def step(lik, theta, j, t, q):
    level, a, b, _ = lik.emission.unpack(lik.split(theta)[0])
    if t == 0:
        return level[j]
    z = lik.emission.z[t - 1]
    return (1 - a[j] - b[j]) * level[j] + a[j] * np.outer(z, z) + b[j] * q


@pytest.mark.parametrize(("n", "k", "switching", "student", "driven"), CASES)
def test_the_parallel_likelihood_is_the_sum_over_all_paths(n, k, switching, student, driven):
    lik, theta = problem(1, 5, n, k, switching=switching, student=student, driven=driven)
    inner, outer = lik.split(theta)
    nu, p, first = lik.emission.unpack(inner)[3], lik.chain.matrices(outer), lik.chain.start(outer)[0]
    logd = np.empty((5, k))
    for j in range(k):
        q = None
        for t in range(5):
            q = step(lik, theta, j, t, q)
            logd[t, j] = log_density(lik.emission.z[t], q, nu)
    total = -np.inf
    for path in itertools.product(range(k), repeat=5):
        value = np.log(first[path[0]]) + logd[0, path[0]]
        for t in range(1, 5):
            value += np.log(p[t % len(p), path[t - 1], path[t]]) + logd[t, path[t]]
        total = np.logaddexp(total, value)
    assert lik.infer(theta).loglik.sum() == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize(("n", "k", "switching", "student", "driven"), CASES)
def test_the_collapse_is_the_plain_loop_over_pairs(n, k, switching, student, driven):
    lik, theta = problem(2, 30, n, k, switching=switching, student=student, driven=driven, method="collapse")
    inner, outer = lik.split(theta)
    nu, p = lik.emission.unpack(inner)[3], lik.chain.matrices(outer)
    filtered, total = lik.chain.start(outer)[0], 0.0
    found, corr, last, _ = lik.run(theta, 0, paths=True)
    q = np.zeros((k, n, n))
    for t, z in enumerate(lik.emission.z):
        if t == 0:
            q = np.array([step(lik, theta, j, 0, None) for j in range(k)])
            joint = np.diag(filtered * [np.exp(log_density(z, one, nu)) for one in q])
            new = np.repeat(q[None], k, axis=0)
        else:
            new = np.array([[step(lik, theta, j, t, q[i]) for j in range(k)] for i in range(k)])
            prior = filtered[:, None] * p[t % len(p)]
            joint = prior * [[np.exp(log_density(z, one, nu)) for one in row] for row in new]
            root = np.sqrt(np.einsum("ijaa->ija", new))
            each = new / root[..., None] / root[..., None, :]
            wanted = np.einsum("ij,ijab->jab", prior / prior.sum(axis=0), each)
            np.testing.assert_allclose(corr[t], wanted, rtol=1e-10)
        total += np.log(joint.sum())
        joint /= joint.sum()
        filtered = joint.sum(axis=0)
        np.testing.assert_allclose(found.filtered[t], filtered, rtol=1e-9)
        q = np.einsum("ij,ijab->jab", joint / filtered, new)
    np.testing.assert_allclose(last, q, rtol=1e-9)
    assert found.loglik.sum() == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize(("n", "k", "switching", "student", "driven"), CASES)
def test_scores_and_slopes_by_margins_are_differences(method, n, k, switching, student, driven):
    lik, theta = problem(3, 40, n, k, switching=switching, student=student, driven=driven, method=method)
    _, score = lik.evaluate(theta, 1)
    for a in range(theta.size):
        h = 1e-5 * np.eye(theta.size)[a]
        slope = (lik.evaluate(theta + h, 0)[0] - lik.evaluate(theta - h, 0)[0]) / 2e-5
        np.testing.assert_allclose(
            score[:, a], slope, atol=3e-7 * (1 + np.abs(slope).max()), err_msg=lik.layout.names[a]
        )
    rng = np.random.default_rng(0)
    dzs = [rng.standard_normal((40, 1 + i)) for i in range(n)]
    for i, (dz, slopes) in enumerate(zip(dzs, lik.by_margins(theta, dzs)[0], strict=True)):
        for e in range(dz.shape[1]):
            ends = []
            for sign in (1e-5, -1e-5):
                z = lik.emission.z.copy()
                z[:, i] += sign * dz[:, e]
                own = DccRegimes(z, lik.emission.names, k, switching=switching, student=student)
                ends.append(SwitchingDCCLikelihood(own, lik.chain, method).infer(theta).loglik.sum())
            assert slopes[e] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-5)


def test_by_margins_is_fishers_identity_under_parallel_recursions():
    """The smoothed mean of the slopes of the densities is another way to the same number."""
    lik, theta = problem(4, 40)
    dz = np.random.default_rng(1).standard_normal((40, 1))
    smoothed = lik.infer(theta).smooth()[0]
    ends = []
    for sign in (1e-5, -1e-5):
        z = lik.emission.z.copy()
        z[:, 0] += sign * dz[:, 0]
        own = DccRegimes(z, lik.emission.names, 2, switching="all", student=False)
        ends.append(SwitchingDCCLikelihood(own, lik.chain, "parallel").infer(theta).density)
    fisher = (smoothed * (ends[0] - ends[1])).sum() / 2e-5
    none = np.zeros((40, 0))
    assert lik.by_margins(theta, [dz, none])[0][0][0] == pytest.approx(fisher, rel=1e-6)


@pytest.mark.parametrize("method", list(METHODS))
def test_regimes_that_are_alike_are_one_dcc(method):
    lik, theta = problem(5, 60, method=method)
    theta[1], theta[4:6] = theta[0], theta[2:4]
    level = np.array([[1.0, theta[0]], [theta[0], 1.0]])
    own = lik.emission
    path = dcc_path(theta[2], theta[3], own.z, level, level, level, np.array([0]), np.array([1]))[:60, 0]
    _, corr, _, _ = lik.run(theta, 0, paths=True)
    np.testing.assert_allclose(corr[:, 0, 0, 1], path, rtol=1e-10)
    total = sum(log_density(z, np.array([[1, r], [r, 1]]), 0) for z, r in zip(own.z, path, strict=True))
    assert lik.total(theta) == pytest.approx(total, rel=1e-10)


def test_without_b_the_path_does_not_matter():
    totals = []
    for method in METHODS:
        lik, theta = problem(6, 60, 3, 2, switching="level", method=method)
        theta[7] = 0.0
        totals.append(lik.total(theta))
    assert totals[0] == pytest.approx(totals[1], rel=1e-12)


def test_without_dynamics_it_is_rsdc():
    lik, theta = problem(7, 60, student=True)
    theta[2:6] = 0.0
    plain = GaussianEmission(lik.emission.z, ("a", "b"), 2, mean="zero", scale="unit", student=True)
    other = RegimeLikelihood(plain, lik.chain)
    assert lik.total(theta) == pytest.approx(other.total(np.delete(theta, range(2, 6))), rel=1e-12)
    found, corr, _, _ = lik.run(theta, 0, paths=True)
    inner = np.delete(lik.split(theta)[0], range(2, 6))
    wanted = rosenblatt(plain, inner, found.predicted)
    np.testing.assert_allclose(rosenblatt_paths(lik.emission.z, corr, theta[6], found.predicted), wanted, atol=1e-10)


@pytest.mark.parametrize("switching", ["all", "level"])
def test_new_numbers_change_nothing(switching):
    lik, theta = problem(8, 60, 3, 3, switching=switching, student=True)
    order = np.array([2, 0, 1])
    where = np.concatenate([lik.emission.relabel(order), lik.inside + lik.chain.relabel(order)])
    assert lik.total(theta[where]) == pytest.approx(lik.total(theta), rel=1e-12)


def true_returns(nobs=2000, method="parallel", seed=1):
    """Returns of GARCH margins whose correlation switches and moves, with their regimes and correlations."""
    rng = np.random.default_rng(seed)
    own = DccRegimes(np.zeros((nobs, 2)), ("A", "B"), 2, switching="all", student=False)
    lik = SwitchingDCCLikelihood(own, Chain(2, np.ones((nobs, 1))), method)
    theta = np.array([0.0, 0.7, 0.03, 0.9, 0.06, 0.7, 0.01, 0.02])
    states = draw_states(lik.chain.matrices(theta[6:]), lik.chain.start(theta[6:])[0], nobs, rng)
    z, corr = lik.draw(theta, states, rng)
    returns, variance = np.empty((nobs, 2)), np.ones(2)
    for t in range(nobs):
        returns[t] = np.sqrt(variance) * z[t]
        variance = 0.05 + 0.05 * returns[t] ** 2 + 0.9 * variance
    return pd.DataFrame(returns, pd.bdate_range("2010-01-01", periods=nobs), ["A", "B"]), states, corr, theta


@pytest.mark.parametrize("method", list(METHODS))
def test_simulated_residuals_have_the_correlations_they_are_drawn_with(method):
    lik, theta = problem(9, 40, method=method)
    states = draw_states(
        lik.chain.matrices(lik.split(theta)[1]), np.array([0.5, 0.5]), 40_000, np.random.default_rng(0)
    )
    z, corr = lik.draw(theta, states, np.random.default_rng(1))
    np.testing.assert_allclose((z**2).mean(axis=0), 1.0, atol=0.03)
    gap = z[:, 0] * z[:, 1] - corr[:, 0, 1]
    assert abs(gap.mean()) < 4 * gap.std() / 200
    # the paths a filter that knows the regimes finds
    level, a, b, _ = lik.emission.unpack(lik.split(theta)[0])
    q = level.copy()
    for t in range(1, 20):
        old, new = states[t - 1], states[t]
        past = q[old].copy() if method == "collapse" else None
        for j in range(2):
            base = past if method == "collapse" else q[j]
            q[j] = (1 - a[j] - b[j]) * level[j] + a[j] * np.outer(z[t - 1], z[t - 1]) + b[j] * base
        assert corr[t, 0, 1] == pytest.approx(q[new, 0, 1] / np.sqrt(q[new, 0, 0] * q[new, 1, 1]))


@pytest.fixture(scope="module")
def fitted():
    returns, states, corr, theta = true_returns()
    margins = fit_margins(returns, GARCH(mean="zero"))
    return MSDCC(dist="normal").fit(margins, starts=4), returns, margins, states, corr, theta


def test_the_fit_finds_the_levels_and_the_regimes(fitted):
    fit, _, _, states, corr, theta = fitted
    assert fit.converged
    own = fit.params.iloc[-8:].to_numpy()
    errors = fit.std_err.iloc[-8:].to_numpy()
    assert np.abs((own - theta) / errors)[[0, 1, 6, 7]].max() < 3.5
    assert (fit.viterbi().to_numpy() - 1 == states).mean() > 0.85
    assert np.corrcoef(fit.correlation("A", "B", "smoothed"), corr[:, 0, 1])[0, 1] > 0.8
    assert fit.diagnostics()["pvalue"].min() > 1e-4


def test_what_a_fit_says(fitted):
    fit, returns, margins, *_ = fitted
    assert "APPROXIMATE" not in str(fit.summary())
    one = fit.forecast(1)
    assert one.covariance.shape == (1, 2, 2)
    many = fit.forecast(3, rng=1, paths=400)
    assert many.correlation.iloc[0, 0] == pytest.approx(one.correlation.iloc[0, 0], abs=0.05)
    assert fit.conditional_covariance().shape == (2000, 2, 2)
    drawn, regimes = fit.simulate(300, rng=0)
    assert drawn.shape == (300, 2)
    assert set(regimes) <= {1, 2}
    again = MSDCCFit.from_json(fit.to_json())
    assert again.loglikelihood == fit.loglikelihood
    assert fit.filter(returns).loglikelihood == pytest.approx(fit.loglikelihood)
    band = fit.correlation_band("A", "B", draws=50)
    assert (band["lower"] <= band["upper"]).all()
    with pytest.raises(SpecError, match="rng"):
        fit.forecast(3)
    assert "billiocaporin2005" in fit.cite()
    del margins


def test_the_collapse_says_that_it_is_approximate(fitted):
    margins = fitted[2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        fit = MSDCC(method="collapse", switching="level", dist="normal").fit(margins, starts=2)
    text = str(fit.summary())
    assert "APPROXIMATE" in text
    assert "approximate" in fit.spec.name
    # tomorrow's mixture over pairs of regimes
    assert np.isfinite(fit.forecast(1).correlation).all().all()


def test_choices_and_data_are_refused_with_the_cure(fitted):
    _, returns, margins, *_ = fitted
    for options, words in (({"switching": "a"}, "switching"), ({"method": "kim"}, "method"), ({"k": 1}, "regimes")):
        with pytest.raises(SpecError, match=words):
            MSDCC(**options)
    with pytest.raises(DataError, match="two columns"):
        MSDCC().fit(returns[["A"]])
    with pytest.raises(SpecError, match="fitted margins already"):
        MSDCC().fit(margins, margins=GARCH())
    with pytest.raises(DataError):
        MSDCC().fit(returns.iloc[:50])
    with pytest.raises(SpecError, match="starts"):
        MSDCC().fit(margins, starts=0)


def test_degenerate_starts_are_named():
    own = DccRegimes(np.random.default_rng(0).standard_normal((20, 2)), ("a", "b"), 2, switching="all", student=False)
    lik = SwitchingDCCLikelihood(own, Chain(2, np.ones((20, 1))), "parallel")
    with pytest.raises(ConvergenceError, match="left with"):
        climb_recursions(lik, 3)
