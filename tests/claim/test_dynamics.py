"""A correlation that moves: the score against numerical derivatives, the joint p-value, the constant world."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from claim.bootstraps import bootstrap
from claim.worlds import fitted
from cryptoequity.breaks import wied_kraemer_dehling_test
from cryptoequity.claim.dynamics import (
    Constancy,
    ConstantDraw,
    constancy_statistics,
    constant_world,
    decay_score,
    joint_pvalue,
    judge_varies,
    nothing_to_peak,
    varies,
)
from cryptoequity.claim.headline import headline_pair
from cryptoequity.claim.hypotheses import Evidence
from cryptoequity.claim.pipeline import own_world
from cryptoequity.correlation.likelihood import CorrelationLikelihood
from cryptoequity.kernels.dcc import dcc_simulate, dcc_whiten

SEED = np.random.SeedSequence(4)
GAUSS = np.array([-math.log(2.0 * math.pi), 0.0])


def pair(nobs: int, seed: int, a: float, b: float, rho: float = 0.4) -> np.ndarray:
    """Residuals of a normal DCC."""
    target = np.array([[1.0, rho], [rho, 1.0]])
    return dcc_simulate(a, b, target, np.random.default_rng(seed).standard_normal((nobs, 2)), target)


# --- the score


def test_the_score_is_the_derivative_of_the_dcc_likelihood_at_zero():
    """Path and log-density differentiated numerically, from code the statistic does not share."""
    raw = pair(400, 1, 0.03, 0.95)
    z = raw / np.sqrt((raw**2).mean(axis=0))
    lik = CorrelationLikelihood(z, dynamic=True, dist="normal")
    step, b = 1e-6, 0.9
    up, down = (lik.path(np.array([a, b]), [0], [1])[:, 0] for a in (step, 0.0))
    direction = (up - down) / step
    rho = lik.target[0, 1]
    ends = [stats.multivariate_normal(cov=[[1.0, rho + h], [rho + h, 1.0]]).logpdf(z) for h in (1e-5, -1e-5)]
    score = (ends[0] - ends[1]) / 2e-5
    moments = (score - score.mean()) * direction
    assert_allclose(decay_score(z, 0.0, GAUSS, (b,)), moments.sum() / np.sqrt(moments @ moments), rtol=1e-4)


def test_more_decays_never_lower_the_statistic():
    z = pair(500, 2, 0.0, 0.0)
    one = [decay_score(z, 0.0, GAUSS, (b,)) for b in (0.8, 0.95, 0.99)]
    assert decay_score(z, 0.0, GAUSS, (0.8, 0.95, 0.99)) == max(one)


@given(st.integers(0, 1000))
def test_the_order_of_the_columns_does_not_matter(seed):
    z = pair(300, seed, 0.02, 0.9)
    other = decay_score(np.ascontiguousarray(z[:, ::-1]), 0.0, GAUSS, (0.9, 0.97))
    assert_allclose(other, decay_score(z, 0.0, GAUSS, (0.9, 0.97)), rtol=1e-9)


def test_a_column_that_is_the_other_has_no_score():
    x = np.random.default_rng(0).standard_normal(200)
    assert math.isnan(decay_score(np.stack([x, x], axis=1), 0.0, GAUSS))


def test_movement_raises_both_statistics():
    still = [constancy_statistics(pair(1200, seed, 0.0, 0.0), "normal") for seed in range(5)]
    moving = [constancy_statistics(pair(1200, seed, 0.05, 0.94), "normal") for seed in range(5)]
    for name in ("constancy.lm", "constancy.wied"):
        assert np.mean([one[name] for one in moving]) > 1.5 * np.mean([one[name] for one in still])


def test_the_fluctuation_statistic_is_the_published_test():
    z = pair(600, 5, 0.0, 0.0)
    test = wied_kraemer_dehling_test(z, filter=None)
    assert_allclose(constancy_statistics(z, "normal")["constancy.wied"], test.statistic, rtol=1e-9)


# --- the joint p-value


def test_joint_pvalue_by_hand():
    null = np.array([[1.0, 9.0], [2.0, 8.0], [3.0, 7.0]])
    # data first in one column, last in the other: its smallest rank is 1, as is that of the first and third draws
    assert joint_pvalue(np.array([4.0, 0.0]), null) == 0.5
    assert joint_pvalue(np.array([10.0, 10.0]), null) == 0.25


def test_joint_pvalue_is_uniform_under_exchangeability():
    rng = np.random.default_rng(1)
    found = [joint_pvalue(rows[0], rows[1:]) for rows in rng.standard_normal((2000, 40, 2)) @ [[1.0, 0.6], [0.0, 0.8]]]
    for level in (0.05, 0.25, 0.5):
        assert abs(np.mean(np.array(found) <= level) - level) < 0.05 + 2.5 * math.sqrt(level * (1 - level) / 2000)
        assert np.mean(np.array(found) <= level) <= level + 2.5 * math.sqrt(level * (1 - level) / 2000)


def test_draws_without_a_statistic_are_left_out_and_none_gives_none():
    null = np.array([[1.0, 1.0], [np.nan, 1.0], [0.0, 0.0]])
    assert joint_pvalue(np.array([2.0, 2.0]), null) == 1.0 / 3.0
    assert math.isnan(joint_pvalue(np.array([2.0, 2.0]), null[1:2]))
    assert math.isnan(joint_pvalue(np.array([np.nan, 2.0]), null))


# --- worlds


def test_the_constant_world_has_no_movement_and_the_data_shocks():
    world = headline_pair_world()
    still = constant_world(world)
    assert_allclose(still.correlation.theta[:2], 0.0)
    assert_allclose(still.shocks.mean(axis=0), 0.0, atol=1e-12)
    assert_allclose(still.shocks.T @ still.shocks / len(still.shocks), np.eye(2), atol=1e-10)
    assert world.correlation.theta[0] >= 0.0  # the original is not touched
    draws = np.stack([still.draw(np.random.default_rng(seed)) for seed in range(3)])
    assert np.isfinite(draws).all()


def headline_pair_world():
    return fitted(500, 1, minimal=True).world


def test_the_own_world_has_the_pair_dynamics():
    boot = bootstrap("peaks")
    world = own_world(boot.main)
    own = boot.main.main.optimum.theta[:2]
    assert_allclose(world.correlation.theta[:2], own)
    old = boot.main.pipeline.world
    assert world.z is old.z
    # whitened shocks give the residuals back, up to their exact standardization
    white = dcc_whiten(own[0], own[1], np.ascontiguousarray(old.z), old.target, old.target, old.target)
    assert_allclose(dcc_simulate(own[0], own[1], old.target, white, old.target), old.z, atol=1e-10)
    assert abs(np.corrcoef(white[:, 0], world.shocks[:, 0])[0, 1]) > 0.999


def test_a_draw_is_a_function_of_its_seed():
    task = ConstantDraw(constant_world(headline_pair_world()), "t")
    one, two = task(np.random.SeedSequence(7)), task(np.random.SeedSequence(7))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, task(np.random.SeedSequence(8)))


# --- evidence


@pytest.fixture(scope="module")
def moving():
    boot = bootstrap("peaks")
    return varies(boot.plan, boot.sample, boot.main, boot.prices, SEED)


@pytest.fixture(scope="module")
def standing():
    boot = bootstrap("step")
    return varies(boot.plan, boot.sample, boot.main, boot.prices, SEED)


def test_a_moving_correlation_is_found(moving):
    assert moving.key == "H0m"
    assert moving.pvalue <= 0.05
    assert judge_varies(moving, moving.pvalue, alpha=0.05, sesoi=0.10)[0] == "supported"
    assert nothing_to_peak(moving, alpha=0.05) == ""
    assert moving.low90 < moving.estimate < moving.high90
    assert moving.detail["power at the fitted DCC"] > 0.8


def test_a_standing_one_is_not(standing):
    assert standing.pvalue > 0.05
    assert judge_varies(standing, standing.pvalue, alpha=0.05, sesoi=0.10)[0] != "supported"
    assert "nothing to peak" in nothing_to_peak(standing, alpha=0.05)


def test_the_estimate_is_the_spread_of_the_path(moving):
    assert moving.estimate == bootstrap("peaks").main.main.path.std()
    assert Constancy("t").names == ("path.sd", "constancy.lm", "constancy.wied")


def test_the_pair_alone_is_drawn():
    world = headline_pair(bootstrap("peaks").main).world
    assert world.names == ("COIN", "SMALL_TECH")


def test_a_world_of_constant_correlations_is_rarely_rejected():
    """The law is that of the data where the data are the null: GARCH, fat tails, nothing else."""
    world = constant_world(headline_pair_world())
    task = ConstantDraw(world, "t")
    rows = np.array([task(seed) for seed in np.random.SeedSequence(9).spawn(39)])
    more = np.array([task(seed) for seed in np.random.SeedSequence(10).spawn(25)])
    outside = [joint_pvalue(row, rows) <= 0.05 for row in more]
    assert np.mean(outside) < 0.25


def case(p: float, high90: float) -> Evidence:
    return Evidence(
        "H0m", 0.03, 0.01, 0.05, p, math.nan, 1000, "", high90=high90, detail={"power at the fitted DCC": 0.4}
    )


def test_verdicts():
    assert judge_varies(case(0.01, 0.2), 0.01, alpha=0.05, sesoi=0.1)[0] == "supported"
    assert judge_varies(case(0.3, 0.04), 0.3, alpha=0.05, sesoi=0.1)[0] == "contradicted"
    verdict, reason = judge_varies(case(0.3, 0.08), 0.3, alpha=0.05, sesoi=0.1)
    assert (verdict, "40%" in reason) == ("inconclusive", True)
    assert judge_varies(case(math.nan, 0.2), math.nan, alpha=0.05, sesoi=0.1)[0] == "not testable"
