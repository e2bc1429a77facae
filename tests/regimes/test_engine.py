"""Filter, smoother, best path, scores and EM: against enumeration of every path, differences, and monotonicity."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.errors import ConvergenceError, DataError, SpecError
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.gaussian import GaussianEmission, unit_correlation
from cryptoequity.regimes.likelihood import RegimeLikelihood, begin, climb_regimes, infer, run_em


def random_problem(seed, nobs=6, k=2, varying=False):
    rng = np.random.default_rng(seed)
    density = rng.normal(0.0, 3.0, (nobs, k))
    p = rng.dirichlet(np.ones(k), (nobs if varying else 1, k))
    return density, p, rng.dirichlet(np.ones(k))


def enumerate_paths(density, p, first):
    """Joint probability of every path with the data."""
    nobs, k = density.shape
    paths = np.array(list(itertools.product(range(k), repeat=nobs)))
    logp = np.log(first[paths[:, 0]]) + density[0, paths[:, 0]]
    for t in range(1, nobs):
        step = p[min(t, p.shape[0] - 1)]
        logp += np.log(step[paths[:, t - 1], paths[:, t]]) + density[t, paths[:, t]]
    return paths, logp


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3]), st.booleans())
def test_filter_smoother_and_best_path_equal_enumeration(seed, k, varying):
    density, p, first = random_problem(seed, 6, k, varying)
    paths, logp = enumerate_paths(density, p, first)
    found = infer(density, p, first)
    total = np.logaddexp.reduce(logp)
    assert found.loglik.sum() == pytest.approx(total, abs=1e-10)
    weight = np.exp(logp - total)
    smoothed, moves = found.smooth()
    by_date = found.smooth(by_date=True)[1]
    for t in range(6):
        for j in range(k):
            assert smoothed[t, j] == pytest.approx(weight[paths[:, t] == j].sum(), abs=1e-10)
    for t, i, j in itertools.product(range(1, 6), range(k), range(k)):
        both = weight[(paths[:, t - 1] == i) & (paths[:, t] == j)].sum()
        assert by_date[t, i, j] == pytest.approx(both, abs=1e-10)
    np.testing.assert_allclose(by_date.sum(axis=0), moves[0], atol=1e-12)
    # the filter at t is the smoother of the data to t
    part = infer(density[:4], p[:4] if varying else p, first)
    np.testing.assert_allclose(found.filtered[:4], part.filtered, atol=1e-14)
    best, value = found.viterbi()
    assert value == pytest.approx(logp.max(), abs=1e-10)
    np.testing.assert_array_equal(best, paths[np.argmax(logp)])


def test_hopeless_densities_are_done_in_logs():
    density, p, first = random_problem(1, 6, 2)
    p = np.array([[[1.0 - 1e-300, 1e-300], [1e-300, 1.0 - 1e-300]]])
    density[3] = [-2000.0, -2.0]
    _, logp = enumerate_paths(density, p, first)
    found = infer(density, p, first)
    assert found.loglik.sum() == pytest.approx(np.logaddexp.reduce(logp), rel=1e-12)
    assert np.isfinite(found.filtered).all()


def test_a_date_without_density_gives_minus_infinity():
    density, p, first = random_problem(2, 6, 2)
    density[2] = -np.inf
    assert infer(density, p, first).loglik[-1] == -np.inf


def test_an_outlier_of_a_thousand_deviations_has_its_likelihood():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((400, 1))
    y[200] = 1000.0
    emission = GaussianEmission(y, ("a",), 2)
    lik = RegimeLikelihood(emission, Chain(2, np.ones((400, 1))))
    theta = np.array([0.0, 0.0, 1.0, 2.0, 0.05, 0.1])
    density = emission.density(theta[:4])
    p, first = lik.chain.matrices(theta[4:])[0], lik.chain.start(theta[4:])[0]
    state = np.log(first) + density[0]
    for row in density[1:]:
        state = np.logaddexp.reduce(state[:, None] + np.log(p), axis=0) + row
    assert lik.total(theta) == pytest.approx(np.logaddexp.reduce(state), rel=1e-12)


CASES = [
    (1, 3, {}, False),
    (2, 3, {}, False),
    (2, 2, {"student": True}, False),
    (2, 2, {"mean": "zero", "scale": "unit"}, True),
    (3, 2, {"mean": "common", "scale": "common", "student": True}, True),
    (2, 3, {"corr": "common"}, True),
]


@pytest.mark.parametrize("initial", ["ergodic", "uniform"])
@pytest.mark.parametrize(("n", "k", "options", "driven"), CASES)
def test_scores_are_the_slopes_and_sum_to_fishers_identity(n, k, options, driven, initial):
    rng = np.random.default_rng(n + 10 * k)
    nobs = 50
    emission = GaussianEmission(1.3 * rng.standard_normal((nobs, n)), tuple("abc"[:n]), k, **options)
    z = np.column_stack([np.ones(nobs), rng.standard_normal(nobs)]) if driven else np.ones((nobs, 1))
    chain = Chain(k, z, ("const", "x")[: z.shape[1]], driven, initial, 2.0 if driven else np.inf)
    lik = RegimeLikelihood(emission, chain)
    u = lik.layout.box(begin(lik, next(emission.splits(1, rng)))) + 0.1 * rng.standard_normal(lik.layout.size)
    theta = lik.layout.natural(np.clip(u, lik.layout.lower + 0.01, lik.layout.upper - 0.01))
    _, score = lik.evaluate(theta, 1)
    for a in range(theta.size):
        step = 1e-5 * max(1.0, abs(theta[a]))
        up, down = theta.copy(), theta.copy()
        up[a] += step
        down[a] -= step
        slope = (lik.evaluate(up, 0)[0] - lik.evaluate(down, 0)[0]) / (2 * step)
        np.testing.assert_allclose(score[:, a], slope, atol=2e-6 * (1 + np.abs(slope).max()))
    # Fisher: the total score of the densities is the smoothed mean of their slopes
    inner, _ = lik.split(theta)
    smoothed, _ = lik.infer(theta).smooth()
    fisher = np.einsum("tk,tka->a", smoothed, emission.slopes(inner))
    np.testing.assert_allclose(score[:, : lik.inside].sum(axis=0), fisher, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("block", range(5))
def test_em_never_falls(block):
    rng = np.random.default_rng(100 + block)
    for _ in range(20):
        n, k = int(rng.integers(1, 4)), int(rng.integers(2, 4))
        y = rng.standard_t(5, (120, n))
        options = {
            "mean": str(rng.choice(["switching", "common", "zero"])),
            "scale": str(rng.choice(["switching", "common", "unit"])),
            "corr": str(rng.choice(["switching", "common"])),
            "student": bool(rng.integers(2)),
        }
        emission = GaussianEmission(y, tuple("abc"[:n]), k, **options)
        driven = bool(rng.integers(2))
        z = np.column_stack([np.ones(120), rng.standard_normal(120)]) if driven else np.ones((120, 1))
        lik = RegimeLikelihood(emission, Chain(k, z, ("const", "x")[: z.shape[1]], driven))
        start = run_em(lik, begin(lik, next(emission.splits(1, rng))), np.full(k, 1 / k), 40)
        if start.path.size > 1:
            assert np.diff(start.path).min() > -1e-9 * abs(start.path[-1]), (n, k, options, driven)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_the_correlation_that_maximises_a_moment(seed, n):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((30, n)) @ rng.standard_normal((n, n))
    moment = z.T @ z / 30 / np.mean(z**2)
    best = unit_correlation(moment, None)

    def value(r):
        return -np.linalg.slogdet(r)[1] - np.trace(np.linalg.solve(r, moment))

    top = value(best)
    for _ in range(20):
        a = rng.standard_normal((n, n))
        other = 0.98 * best + 0.02 * (a @ a.T) / np.sqrt(np.outer((a**2).sum(1), (a**2).sum(1)))
        assert value(other) <= top + 1e-7 * (1 + abs(top))


def two_regimes(nobs=800, seed=3):
    rng = np.random.default_rng(seed)
    state = np.zeros(nobs, int)
    for t in range(1, nobs):
        state[t] = state[t - 1] ^ (rng.random() < 0.03)
    rho = np.where(state, 0.8, 0.0)
    z = rng.standard_normal((nobs, 2))
    z[:, 1] = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
    return z * np.where(state, 2.0, 1.0)[:, None], state


def test_relabelled_parameters_have_the_same_likelihood():
    y, _ = two_regimes(200)
    emission = GaussianEmission(y, ("a", "b"), 3, student=True)
    rng = np.random.default_rng(0)
    z = np.column_stack([np.ones(200), rng.standard_normal(200)])
    lik = RegimeLikelihood(emission, Chain(3, z, ("const", "x"), True))
    theta = lik.layout.natural(lik.layout.box(begin(lik, next(emission.splits(1, rng)))) + 0.1)
    order = np.array([2, 0, 1])
    where = np.concatenate([emission.relabel(order), lik.inside + lik.chain.relabel(order)])
    assert lik.total(theta[where]) == pytest.approx(lik.total(theta), rel=1e-12)
    np.testing.assert_allclose(lik.infer(theta[where]).filtered, lik.infer(theta).filtered[:, order], atol=1e-12)


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_scale_changes_nothing(factor):
    y, _ = two_regimes()
    plain, _ = climb_regimes(RegimeLikelihood(GaussianEmission(y, ("a", "b"), 2), Chain(2, np.ones((800, 1)))), 6)
    scaled, _ = climb_regimes(
        RegimeLikelihood(GaussianEmission(factor * y, ("a", "b"), 2), Chain(2, np.ones((800, 1)))), 6
    )
    assert scaled.loglik + 2 * 800 * np.log(factor) == pytest.approx(plain.loglik, abs=1e-6)
    np.testing.assert_allclose(scaled.theta[-2:], plain.theta[-2:], atol=1e-5)


def test_starts_that_collapse_are_discarded_with_the_reason():
    y = np.random.default_rng(0).standard_normal((300, 1))
    y[150:] = 0.0  # a regime of its own without variance
    emission = GaussianEmission(y, ("a",), 2)
    with pytest.raises(ConvergenceError, match="collapses"):
        climb_regimes(RegimeLikelihood(emission, Chain(2, np.ones((300, 1)))), 4)


def test_chains_refuse():
    with pytest.raises(SpecError, match="at least two"):
        Chain(1, np.ones((5, 1)))
    with pytest.raises(SpecError, match="sum to one"):
        Chain(2, np.ones((5, 1)), initial=np.array([0.5, 0.6]))
    with pytest.raises(DataError, match="constant"):
        Chain(2, np.ones((5, 2)), ("const", "x"), True)


def test_the_estimated_first_state_is_the_better_one():
    y, _ = two_regimes(300)
    lik = RegimeLikelihood(GaussianEmission(y, ("a", "b"), 2), Chain(2, np.ones((300, 1)), initial="estimated"))
    optimum, _ = climb_regimes(lik, 4)
    other = lik.infer(optimum.theta, 1.0 - lik.infer(optimum.theta).first)
    assert optimum.loglik >= other.loglik.sum()
