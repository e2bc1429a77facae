"""Levels and steps of correlation: planted breaks, exact zeros, tabulated values, the bootstrap of arch."""

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap
from numpy.testing import assert_allclose
from scipy import stats

from cryptoequity.claim.level import Level, correlation_difference, correlation_level, find_break, level_step
from cryptoequity.claim.statistics import correlation
from cryptoequity.errors import DataError
from cryptoequity.kernels.dcc import dcc_simulate


def pairs(rng, nobs, rho):
    e = rng.standard_normal((nobs, 2)) * np.sqrt(4.0 / rng.chisquare(6, (nobs, 1)))
    return e[:, 0], rho * e[:, 0] + np.sqrt(1.0 - np.square(rho)) * e[:, 1]


# --- one break at an unknown date


@pytest.mark.parametrize("place", [250, 400, 620])
def test_a_planted_break_is_found(place):
    x, y = pairs(np.random.default_rng(place), 800, np.where(np.arange(800) < place, 0.0, 0.8))
    result = find_break(x * y)
    assert result.pvalue < 0.02
    assert abs(result.detail["position"] - place) < 40
    assert abs(result.detail["step"] - 0.8) < 0.4


def test_without_a_break_it_holds_its_size():
    rng = np.random.default_rng(1)
    p = []
    for _ in range(400):
        x, y = pairs(rng, 800, 0.3)
        p.append(find_break(x * y).pvalue)
    rate = np.mean(np.array(p) <= 0.05)
    assert 0.015 <= rate <= 0.09
    assert min(p) > 0.0


def test_critical_values_are_those_of_andrews():
    # Andrews (1993, 2003) table 1, one parameter, 15 % trimming: 7.17, 8.68, 12.16; a grid of 1,000 is a little low
    from cryptoequity.claim.level import _bridge_law

    assert_allclose(np.quantile(_bridge_law(0.15, 4000), [0.90, 0.95]), [7.17, 8.68], rtol=0.05)


def test_the_statistic_by_hand():
    rng = np.random.default_rng(2)
    product = rng.standard_normal(100) + np.repeat([0.0, 2.0], 50)
    result = find_break(product)
    values = {}
    for cut in range(15, 86):
        before, after = product[:cut], product[cut:]
        values[cut] = 100 * (after.mean() - before.mean()) ** 2 * cut / 100 * (1 - cut / 100)
    best = max(values, key=values.get)
    assert result.detail["position"] == best
    assert_allclose(result.detail["step"], product[best:].mean() - product[:best].mean())
    rest = product - np.repeat([product[:best].mean(), product[best:].mean()], [best, 100 - best])
    terms = int(0.4 * 100 ** (2 / 3))
    grid = np.cos(np.pi * np.outer(np.arange(1, terms + 1), np.arange(100) + 0.5) / 100)
    omega = np.mean((np.sqrt(2 / 100) * grid @ rest) ** 2)
    assert_allclose(result.statistic, values[best] / omega, rtol=1e-10)


def test_too_few_observations_are_refused():
    with pytest.raises(DataError, match="1 observations are too few"):
        find_break(np.zeros(1))


# --- levels, differences, steps


def test_equal_pairs_do_not_differ():
    x, y = pairs(np.random.default_rng(3), 500, 0.4)
    other = correlation_difference(x, y, x, y)
    assert other.estimate == 0.0
    assert other.error == 0.0


def test_a_difference_knows_that_its_parts_move_together():
    rng = np.random.default_rng(4)
    x, y = pairs(rng, 2_000, 0.5)
    near = y + 0.2 * rng.standard_normal(2_000)
    paired = correlation_difference(x, y, x, near)
    apart = np.hypot(correlation_level(x, y).error, correlation_level(x, near).error)
    assert paired.error < 0.5 * apart


def test_standard_errors_agree_with_the_stationary_bootstrap():
    # one cosine variance has a relative error of sqrt(2 / nu); the mean over worlds is compared
    target = np.array([[1.0, 0.4, 0.3], [0.4, 1.0, 0.8], [0.3, 0.8, 1.0]])
    rng = np.random.default_rng(5)

    def statistics(z):
        level = correlation(z[:, 0], z[:, 1])
        return np.array([level, level - correlation(z[:, 0], z[:, 2])])

    cosine, bootstrap = [], []
    for k in range(40):
        shocks = rng.standard_normal((1_000, 3)) * np.sqrt(6.0 / rng.chisquare(8, (1_000, 1)))
        z = dcc_simulate(0.05, 0.6, target, shocks, target)
        x, y, w = z.T
        cosine.append([correlation_level(x, y).error ** 2, correlation_difference(x, y, x, w).error ** 2])
        bootstrap.append(np.diag(StationaryBootstrap(15, z, seed=k).cov(statistics, reps=120)))
    assert_allclose(np.mean(cosine, axis=0), np.mean(bootstrap, axis=0), rtol=0.15)


def test_intervals_cover_at_their_level():
    rng = np.random.default_rng(6)
    hits = 0
    for _ in range(600):
        x, y = pairs(rng, 500, 0.35)
        lower, upper = correlation_level(x, y).interval()
        hits += lower <= 0.35 <= upper
    assert 0.92 <= hits / 600 <= 0.98


def test_level_step_is_the_difference_of_two_levels():
    rng = np.random.default_rng(7)
    x, y = pairs(rng, 1_000, np.where(np.arange(1_000) < 400, 0.05, 0.45))
    step = level_step(x, y, 400)
    before, after = correlation_level(x[:400], y[:400]), correlation_level(x[400:], y[400:])
    assert_allclose(step.estimate, after.estimate - before.estimate)
    assert_allclose(step.error, np.hypot(before.error, after.error))
    assert min(before.df, after.df) < step.df < before.df + after.df
    assert step.upper_pvalue() < 0.001
    assert level_step(x[::-1], y[::-1], 600).estimate == pytest.approx(-step.estimate)


def test_a_level_is_a_t_law():
    level = Level(0.3, 0.1, 20)
    assert_allclose(level.interval(0.9), 0.3 + np.array([-1, 1]) * 0.1 * stats.t.ppf(0.95, 20))
    assert_allclose(level.upper_pvalue(), stats.t.sf(3.0, 20))
    assert_allclose(level.upper_pvalue(0.3), 0.5)
    # at the detectable effect the t-statistic clears its critical value in four cases of five
    effect = level.detectable(0.05)
    assert_allclose(stats.t.cdf(effect / 0.1 - stats.t.isf(0.05, 20), 20), 0.8)
