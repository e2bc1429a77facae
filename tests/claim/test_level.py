"""Levels and steps of correlation: planted breaks, least squares elsewhere, laws drawn from fitted worlds."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.fft import dct

import cryptoequity as ce
from claim.worlds import NAMES, SPECS, THETA, fitted, prices_of, sample
from cryptoequity.claim.headline import prepare
from cryptoequity.claim.level import Level, LevelWorld, find_break, level_contrast, level_draws
from cryptoequity.claim.statistics import correlation
from cryptoequity.claim.world import DRAW_TOL, residuals
from cryptoequity.errors import DataError
from cryptoequity.estimation.parallel import spawn
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility.garch import simulate_margin

NOBS = 600
BREAK = 300


def products(rng, nobs, rho):
    e = rng.standard_normal((nobs, 2)) * np.sqrt(4.0 / rng.chisquare(6, (nobs, 1)))
    return e[:, 0] * (rho * e[:, 0] + np.sqrt(1.0 - np.square(rho)) * e[:, 1])


def stepped(seed, before, after, nobs=NOBS, at=BREAK):
    """Percent returns of COIN and SMALL whose correlation moves once, at row ``at``."""
    rng = np.random.default_rng(seed)
    shocks = rng.standard_normal((nobs, 2)) * np.sqrt(4.0 / rng.chisquare(6.0, (nobs, 1)))
    parts = []
    for part, rho in ((slice(0, at), before), (slice(at, nobs), after)):
        target = np.array([[1.0, rho], [rho, 1.0]])
        parts.append(dcc_simulate(0.03, 0.90, target, np.ascontiguousarray(shocks[part]), target))
    z = np.concatenate(parts)
    columns = {
        name: simulate_margin(SPECS[name], np.array(THETA[name]), np.ascontiguousarray(z[:, i]), start)[0]
        for i, (name, start) in enumerate((("COIN", 12.25), ("SMALL", 2.89)))
    }
    return pd.DataFrame(columns, pd.bdate_range("2018-01-02", periods=nobs, name="date"))


def plan(**options):
    days = pd.bdate_range("2018-01-02", periods=NOBS)
    episodes = ce.ReRating.from_dates([(days[340], days[400], 1), (days[460], days[520], -1)])
    base = {"crypto": "COIN", "equity": "SMALL", "episodes": episodes, "draws": 39, "rng": 1}
    return ce.Plan(**{**base, "break_date": str(days[BREAK].date()), **options})


# --- one break at an unknown date


@pytest.mark.parametrize("place", [250, 400, 620])
def test_a_planted_break_is_found(place):
    found = find_break(products(np.random.default_rng(place), 800, np.where(np.arange(800) < place, 0.0, 0.8)))
    assert abs(found.position - place) < 40
    assert abs(found.step - 0.8) < 0.4
    assert found.statistic > 12.16  # 1 % value of Andrews (1993) for white noise


def test_the_break_is_that_of_least_squares_at_every_date():
    rng = np.random.default_rng(2)
    product = rng.standard_normal(100) + np.repeat([0.0, 1.0], 50)
    found = find_break(product)
    fits = {cut: sm.OLS(product, sm.add_constant((np.arange(100) >= cut).astype(float))).fit() for cut in range(15, 86)}
    best = max(fits, key=lambda cut: fits[cut].fvalue)
    assert found.position == best
    assert_allclose(found.step, fits[best].params[1])
    # the variance divides by T, the F of a regression by T - 2
    assert_allclose(found.statistic, fits[best].fvalue * 100 / 98)


def test_scale_and_origin_do_not_matter():
    product = products(np.random.default_rng(3), 500, np.where(np.arange(500) < 200, 0.1, 0.6))
    one, other = find_break(product), find_break(7.0 * product - 4.0)
    assert other.position == one.position
    assert_allclose([other.statistic, other.step], [one.statistic, 7.0 * one.step])


def test_a_falling_level_is_a_negative_step():
    product = products(np.random.default_rng(4), 500, np.where(np.arange(500) < 200, 0.1, 0.7))
    one, mirrored = find_break(product), find_break(product[::-1])
    assert mirrored.position == 500 - one.position
    assert_allclose([mirrored.statistic, mirrored.step], [one.statistic, -one.step])


def test_the_ends_are_not_searched():
    product = np.random.default_rng(5).standard_normal(400) + 5.0 * (np.arange(400) >= 390)
    assert 60 <= find_break(product).position <= 340
    assert find_break(product, trim=0.01).position == 390


@pytest.mark.parametrize("nobs", [1, 2])
def test_too_few_observations_are_refused(nobs):
    with pytest.raises(DataError, match=f"{nobs} observations are too few to look for a break with 15%"):
        find_break(np.zeros(nobs))


# --- an estimate and its draws


def test_a_level_reads_its_interval_and_pvalue_off_its_draws():
    draws = 0.1 + np.arange(-50, 51) / 100.0
    level = Level(0.3, draws)
    assert_allclose(level.noise, np.arange(-50, 51) / 100.0, atol=1e-12)
    low, high = np.quantile(draws - 0.1, [0.05, 0.95])
    assert_allclose(level.interval(0.90), [0.3 - high, 0.3 - low])
    assert_allclose(level.upper_pvalue(), (1 + np.sum(level.noise >= 0.3)) / 102)
    assert Level(9.0, draws).upper_pvalue() == 1 / 102
    assert Level(-9.0, draws).upper_pvalue() == 1.0


def test_a_skewed_law_gives_a_skewed_interval():
    draws = np.random.default_rng(6).exponential(size=4_000)
    low, high = Level(2.0, draws).interval()
    # noise is Exp(1) - 1: long to the right, so the interval reaches further to the left
    assert_allclose([2.0 - low, high - 2.0], [-np.log(0.025) - 1.0, 1.0 + np.log(0.975)], rtol=0.08)


def test_draws_without_a_number_are_left_out():
    draws = np.random.default_rng(7).standard_normal(40)
    holed = np.concatenate([draws, [np.nan, np.inf]])
    assert Level(1.0, holed).interval() == Level(1.0, draws).interval()
    assert Level(1.0, holed).upper_pvalue() == Level(1.0, draws).upper_pvalue()
    for lost in (Level(1.0, np.full(40, np.nan)), Level(math.nan, draws)):
        assert np.isnan([*lost.interval(), lost.upper_pvalue()]).all()
    assert np.isnan(Level(1.0, draws[:18]).interval()).all()  # fewer than 19 draws have no 95 % interval


# --- the law of a level in a fitted world


@pytest.fixture(scope="module")
def world():
    return fitted(500).world


def test_a_draw_is_the_world_measured_again(world):
    nobs = 700
    late = np.arange(nobs) >= 300
    task = LevelWorld(world, ((0, 1), (0, 2), (0, 1)), (None, late, ~late), nobs, with_break=True)
    seed = spawn(1, 1)[0]
    returns = world.draw(np.random.default_rng(seed), nobs)
    x, y, w = (residuals(world.specs[i], returns[:, i], world.optima[i], tol=DRAW_TOL)[0] for i in range(3))
    expected = [
        correlation(x, y),
        correlation(x[late], w[late]),
        correlation(x[~late], y[~late]),
        find_break(x * y).statistic,
    ]
    assert_allclose(task(seed), expected, rtol=1e-12)
    assert_array_equal(task(seed), task(seed))


def test_drawn_correlations_center_on_the_fitted_ones(world):
    pairs = ((0, 1), (0, 2), (1, 2), (0, 3))
    draws = level_draws(LevelWorld(world, pairs, (None,) * 4, 500), spawn(2, 120))
    assert draws.shape == (120, 4)
    data = [correlation(world.z[:, i], world.z[:, j]) for i, j in pairs]
    error = draws.std(axis=0) / np.sqrt(120)
    # a correlation of T draws is biased by a term of order 1 / T
    assert np.all(np.abs(draws.mean(axis=0) - data) < 4.0 * error + 0.01)


def test_draws_have_one_level_throughout(world):
    late = np.arange(500) >= 200
    draws = level_draws(LevelWorld(world, ((0, 1), (0, 1)), (late, ~late), 500), spawn(3, 120))
    gap = draws[:, 0] - draws[:, 1]
    assert abs(gap.mean()) < 4.0 * gap.std() / np.sqrt(120)


def test_seeds_make_the_draws_and_pairs_do_not(world):
    seeds = spawn(4, 3)
    one = level_draws(LevelWorld(world, ((0, 1),), (None,), 300), seeds)
    more = level_draws(LevelWorld(world, ((0, 1), (2, 3)), (None, None), 300), seeds)
    assert_array_equal(one[:, 0], more[:, 0])
    assert len(set(one[:, 0])) == 3
    assert_array_equal(level_draws(LevelWorld(world, ((0, 1),), (None,), 300), seeds[::-1]), one[::-1])


def test_a_basket_is_the_mean_of_its_residuals(world):
    pairs = ((0, 1), (2, 1), (3, 1))
    task = LevelWorld(world, pairs, (None,) * 3, 400, basket=(2, 3), with_break=True)
    seed = spawn(6, 1)[0]
    returns = world.draw(np.random.default_rng(seed), 400)
    z = [residuals(world.specs[i], returns[:, i], world.optima[i], tol=DRAW_TOL)[0] for i in range(4)]
    expected = [correlation(z[i], z[j]) for i, j in pairs]
    expected += [correlation((z[2] + z[3]) / 2.0, z[1]), find_break(z[0] * z[1]).statistic]
    assert_allclose(task(seed), expected, rtol=1e-12)


def test_a_paired_difference_knows_that_its_parts_move_together(world):
    # SMALL and MARKET correlate .8: their correlations with COIN err together
    draws = level_draws(LevelWorld(world, ((0, 1), (0, 2)), (None, None), 500), spawn(5, 120))
    apart = np.hypot(draws[:, 0].std(), draws[:, 1].std())
    assert (draws[:, 0] - draws[:, 1]).std() < 0.7 * apart


# --- a step at the break


def test_a_planted_step_is_found():
    found = prepare(stepped(1, 0.0, 0.6), plan())
    z = found.residuals
    by_hand = correlation(z[BREAK:, 0], z[BREAK:, 1]) - correlation(z[:BREAK, 0], z[:BREAK, 1])
    assert found.step.estimate == pytest.approx(by_hand)
    low, high = found.step.interval()
    assert 0.0 < low < 0.6 < high
    assert found.step_pvalue == 1 / 40
    assert found.break_test is None
    assert len(found.window) == NOBS - BREAK


def test_a_fall_is_no_rise():
    assert prepare(stepped(2, 0.6, 0.0), plan()).step_pvalue == 1.0


def test_true_nulls_are_rarely_rejected():
    # binomial(24, .05) exceeds 5 in one case of two thousand, binomial(24, .5) leaves 4..20 in one of fifteen hundred
    p = [prepare(sample(NOBS, 100 + k, ("COIN", "SMALL")), plan()).step_pvalue for k in range(24)]
    assert np.sum(np.array(p) <= 0.05) <= 5
    assert 4 <= np.sum(np.array(p) <= 0.5) <= 20


def test_without_a_break_date_there_is_no_step():
    found = prepare(sample(NOBS, 1, ("COIN", "SMALL")), plan(break_date=None))
    assert found.step is None
    assert math.isnan(found.step_pvalue)
    assert found.window is found.full


def test_an_estimated_break_cuts_the_sample():
    returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    own = plan(equity="SMALL_TECH", break_date="estimate", draws=59)
    found = prepare(returns, own)
    place = returns.index.searchsorted(pd.Timestamp("2020-03-16"))
    assert abs(returns.index.get_loc(found.break_date) - place) <= 40
    assert found.break_test.pvalue == 1 / 60
    assert found.break_test.detail["position"] == len(found.full) - len(found.window)
    assert found.break_test.detail["step"] > 0.15
    assert found.window.index[0] == found.break_date


def test_where_no_break_is_found_the_sample_is_not_cut():
    returns = sample(900, 33, NAMES[:2])
    days = returns.index
    episodes = ce.ReRating.from_dates([(days[100], days[300], 1), (days[500], days[600], -1)])
    one = ce.test_claim(prices_of(returns), plan(break_date="estimate", episodes=episodes, draws=19))
    assert one.sample.break_date is None
    assert one.sample.break_test.pvalue > 0.05
    assert len(one.sample.window) == len(one.sample.full) == 900
    row = one.table.loc["H1"]
    assert row["verdict"] == "not testable"
    assert row["reason"] == "no break was found, so there is no level before and after to compare."
    assert math.isnan(row["pvalue"])


def test_workers_do_not_change_the_break():
    returns = stepped(6, 0.0, 0.6, nobs=800, at=400)
    one, two = (prepare(returns, plan(break_date="estimate"), n_jobs=n_jobs) for n_jobs in (1, 2))
    assert_array_equal(one.step.draws, two.step.draws)
    assert one.break_test.pvalue == two.break_test.pvalue


# --- the regression beside the bootstrap


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(8)
    dummy = np.repeat([0.0, 1.0, 0.0, 1.0, 0.0], [120, 90, 150, 60, 80])
    return rng.standard_normal(500) * (1.0 + dummy) + 0.3 * dummy + 0.2, dummy


def test_the_contrast_is_least_squares_with_cosine_errors(regression):
    series, dummy = regression
    test = level_contrast(series, dummy, what="product")
    fit = sm.OLS(series, sm.add_constant(dummy)).fit()
    assert_allclose(test.detail["contrast"], fit.params[1])
    assert_allclose(test.detail["contrast"], series[dummy == 1].mean() - series[dummy == 0].mean())
    terms = int(0.4 * 500 ** (2 / 3))
    # cosine sums by the discrete cosine transform, whose type 2 carries a factor of two
    centered = dummy - dummy.mean()
    sums = np.sqrt(2.0 / 500) * dct(centered * fit.resid, type=2)[1 : terms + 1] / 2.0
    error = np.sqrt(np.mean(sums**2) * 500) / (centered @ centered)
    assert test.detail["df"] == terms
    assert_allclose(test.detail["std_err"], error)
    assert_allclose(test.statistic, fit.params[1] / error)
    assert_allclose(test.pvalue, stats.t.sf(fit.params[1] / error, terms))
    assert test.null == "the mean of the product is the same inside and outside the episodes"
    assert test.reference == f"t({terms}), equal-weighted cosines"


def test_it_is_one_sided_and_free_of_scale(regression):
    series, dummy = regression
    test = level_contrast(series, dummy)
    assert_allclose(level_contrast(5.0 * series + 1.0, dummy).pvalue, test.pvalue)
    assert_allclose(level_contrast(-series, dummy).pvalue, 1.0 - test.pvalue)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_constant_dummy_has_no_contrast(value):
    test = level_contrast(np.arange(50.0), np.full(50, value))
    assert math.isnan(test.pvalue)
    assert math.isnan(test.statistic)
    assert test.reason == "the episodes cover none or all of the sample"
