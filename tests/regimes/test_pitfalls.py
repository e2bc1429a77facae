"""Where programs for regime models are known to go wrong, one test each."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import cryptoequity.regimes.likelihood as module
from cryptoequity.errors import ConvergenceWarning
from cryptoequity.regimes import MarkovCovariance
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.gaussian import GaussianEmission
from cryptoequity.regimes.likelihood import RegimeLikelihood, begin, climb_regimes, infer, run_em


def in_logs(density, p, first):
    """Log-likelihood by sums of logarithms alone."""
    state = np.log(first) + density[0]
    for row in density[1:]:
        state = logsumexp(state[:, None] + np.log(p), axis=0) + row
    return logsumexp(state)


def switching(nobs, seed=0, n=1):
    rng = np.random.default_rng(seed)
    state = np.zeros(nobs, int)
    for t in range(1, nobs):
        state[t] = state[t - 1] ^ (rng.random() < 0.03)
    return rng.standard_normal((nobs, n)) * np.where(state, 2.5, 0.8)[:, None]


def plain(y, k=2, initial="ergodic", **options):
    emission = GaussianEmission(y, tuple("abc"[: y.shape[1]]), k, **options)
    return RegimeLikelihood(emission, Chain(k, np.ones((len(y), 1)), initial=initial))


@pytest.mark.parametrize(
    "row",
    [[-800.0, -900.0], [-1e5, -2.0], [-2.0, -1e5], [-1e5, -1e5 - 1.0], [900.0, 800.0]],
    ids=[
        "both below the smallest number",
        "first hopeless",
        "second hopeless",
        "both far away",
        "both beyond the largest",
    ],
)
def test_the_largest_density_of_a_date_is_what_is_divided_by(row):
    """A filter that divides by the smallest, or by one, gives infinities or NaN on some of these rows."""
    density = np.random.default_rng(0).standard_normal((8, 2))
    density[4] = row
    p, first = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0.3, 0.7])
    found = infer(density, p[None], first)
    assert found.loglik.sum() == pytest.approx(in_logs(density, p, first), rel=1e-12)
    for part in (found.filtered, found.predicted, found.smooth()[0]):
        np.testing.assert_allclose(part.sum(axis=1), 1.0, atol=1e-12)


def test_nothing_is_added_to_a_correlation_matrix():
    """A ridge before the inversion would show in the sixth digit."""
    y = switching(300, 1, 2)
    y[:, 1] = 0.999 * y[:, 0] + np.sqrt(1 - 0.999**2) * y[:, 1]
    lik = plain(y, mean="zero", scale="unit")
    theta = np.array([0.9989, 0.5, 0.02, 0.05])
    density = np.column_stack([multivariate_normal([0, 0], [[1, rho], [rho, 1]]).logpdf(y) for rho in theta[:2]])
    p = np.array([[0.98, 0.02], [0.05, 0.95]])
    assert lik.total(theta) == pytest.approx(in_logs(density, p, np.array([5 / 7, 2 / 7])), rel=1e-10)


@pytest.mark.parametrize("p", [(0.02, 0.05), (1e-9, 3e-9), (1.0, 1.0), (0.0, 0.3), (0.4, 0.0)])
def test_the_ergodic_law_is_that_of_the_chain(p):
    chain = Chain(2, np.ones((5, 1)))
    theta = np.array(p)
    law, slope = chain.start(theta)
    np.testing.assert_allclose(law, np.array([p[1], p[0]]) / sum(p), rtol=1e-6, atol=1e-12)
    assert law.sum() == pytest.approx(1.0, abs=1e-14)
    for a in range(2):
        step = 1e-6 * max(p) * np.eye(2)[a]
        change = (chain.start(theta + step)[0] - chain.start(theta - step)[0]) / (2 * step[a])
        if min(theta - step) >= 0 and max(theta + step) <= 1:
            np.testing.assert_allclose(slope[:, a], change, rtol=1e-4, atol=1e-6)


def test_a_chain_that_never_moves_has_a_law_all_the_same():
    law, slope = Chain(2, np.ones((5, 1))).start(np.zeros(2))
    np.testing.assert_allclose(law, [0.5, 0.5])
    assert np.isfinite(slope).all()


def test_a_free_law_of_the_first_state_is_worth_up_to_a_point():
    """Log-likelihoods of two programs that start the chain differently are not to be compared."""
    y = switching(1500, 2)
    found = {name: climb_regimes(plain(y, initial=name), 4)[0].loglik for name in ("ergodic", "estimated", "uniform")}
    assert found["estimated"] > found["ergodic"]
    assert found["estimated"] - found["ergodic"] < 2.0
    assert found["estimated"] >= found["uniform"]


@pytest.mark.parametrize(("n", "k", "options"), [(1, 2, {}), (2, 2, {"mean": "common"}), (2, 2, {"student": True})])
def test_where_em_stops_the_scores_are_zero(n, k, options):
    """Under its own free law of the first state, not under the ergodic one."""
    y = switching(600, 3, n)
    lik = plain(y, k, **options)
    start = begin(lik, next(lik.emission.splits(1, np.random.default_rng(0))))
    end = run_em(lik, start, np.full(k, 1 / k), 5000, 1e-14)
    assert not end.reason
    assert np.diff(end.path).min() > -1e-9 * abs(end.path[-1])
    first = np.maximum(end.first, 0.0)
    own = plain(y, k, tuple(first / first.sum()), **options)
    score = own.evaluate(end.theta, 1)[1].sum(axis=0)
    assert np.abs(score).max() < 1e-3 * (1.0 + 0.01 * len(y))


def test_em_is_maximum_likelihood_in_any_unit():
    """A prior on the variances that is small for percent is large for decimals, and bends the correlation."""
    rng = np.random.default_rng(5)
    y = switching(1000, 4, 2)
    y[:, 1] += 0.3 * y[:, 0] + 0.01 * rng.standard_normal(1000)
    correlations = []
    for factor in (1.0, 0.01):
        lik = plain(factor * y)
        theta = climb_regimes(lik, 4)[0].theta
        correlations.append(lik.emission.unpack(lik.split(theta)[0])[2][:, 0, 1])
    np.testing.assert_allclose(correlations[1], correlations[0], atol=1e-5)


def test_weekends_filled_into_calm_data_have_no_fit_even_where_they_pass_the_count():
    """Half a percent of zeros is not refused as a calendar; a regime of them is still no maximum."""
    y = switching(1200, 6)
    y[200:205] = 0.0
    optimum, tried = climb_regimes(plain(y, 3), 12)
    _, sd, *_ = plain(y, 3).emission.unpack(optimum.theta[: plain(y, 3).inside])
    assert sd.min() > 0.01 * y.std()
    assert optimum.loglik < 0.0
    assert all(start.reason or np.isfinite(start.loglik) for start in tried)


def test_an_error_inside_the_search_is_not_swallowed(monkeypatch):
    def broken(*args, **options):
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(module, "maximize", broken)
    with pytest.raises(ZeroDivisionError, match="inside"):
        climb_regimes(plain(switching(300)), 3)


def test_three_regimes_in_data_of_two_do_not_pass_in_silence():
    """Twenty starts find the best peak in few of the searches; a search whose top stands alone says so."""
    y = switching(1500, 8)
    alone = []
    for seed in range(6):
        lik = plain(y, 3)
        _, tried = climb_regimes(lik, 6, seed)
        ends = [start.end for start in tried if start.end is not None]
        alone.append(len([end for end in ends if end > max(ends) - 1e-4]) == 1)
    said = []
    for seed in range(6):
        with pytest.warns() if alone[seed] else _nothing() as record:
            MarkovCovariance(k=3).fit(pd.DataFrame(y, columns=["a"]), starts=6, rng=seed, cov_type="none")
        said.append(any(one.category is ConvergenceWarning and "only one" in str(one.message) for one in record or []))
    assert said == alone


class _nothing:
    def __enter__(self):
        return []

    def __exit__(self, *args):
        return False
