"""The smallest effect the design could see."""

from dataclasses import replace
from functools import cache

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from claim.worlds import fitted
from cryptoequity.claim.detectable import Detectable, detectable_effect
from cryptoequity.estimation.parallel import map_draws, spawn
from cryptoequity.kernels.dcc import dcc_path, dcc_simulate, pair_shift_simulate


@cache
def null_of(nobs):
    return np.array([one["score"] for one in map_draws(fitted(nobs, 1, True), spawn(1, 99))])


def measured(nobs, **options):
    pipeline, null = fitted(nobs, 1, True), null_of(nobs)
    _, pairs = pipeline.observed()
    return detectable_effect(pipeline, pairs[0, 1], null, **{"draws": 40, "rng": 2, **options})


@pytest.fixture(scope="module")
def short():
    return measured(400)


def test_more_data_see_smaller_effects(short):
    long = measured(2_000)
    assert 0.0 < long.effect < short.effect < 0.9
    # roughly at the rate of the square root of T
    assert 0.25 < long.effect / short.effect < 0.75


def test_more_power_and_smaller_level_need_larger_effects(short):
    assert measured(400, power=0.95).effect > short.effect
    assert measured(400, alpha=0.2).effect < short.effect


def test_simulated_effects_rise(short):
    assert short.deltas == (0.15, 0.30)
    assert short.means[0] < short.means[1]
    assert min(short.sds) > 0.0
    assert short.power == 0.8


def test_the_answer_does_not_depend_on_workers(short):
    with joblib.parallel_config(backend="threading"):
        assert measured(400, n_jobs=2) == short


def test_the_same_seed_the_same_answer(short):
    assert measured(400) == short
    assert measured(400, rng=3).means != short.means


def test_a_path_at_its_bound_leaves_no_room_for_an_effect():
    # nothing can be added to a correlation of .96: the question has no answer, and is not answered
    pipeline = fitted(400, 1, True)
    _, pairs = pipeline.observed()
    steep = replace(pairs[0, 1], path=np.full(400, 0.96))
    found = detectable_effect(pipeline, steep, np.linspace(-0.1, 0.1, 99), draws=10)
    assert isinstance(found, Detectable)
    assert np.isnan(found.effect)


def test_no_finite_null_no_effect():
    pipeline = fitted(400, 1, True)
    _, pairs = pipeline.observed()
    assert np.isnan(detectable_effect(pipeline, pairs[0, 1], np.full(99, np.nan), draws=10).effect)


def test_no_shift_is_the_null_simulation():
    shocks = np.random.default_rng(4).standard_normal((500, 2))
    target = np.array([[1.0, 0.4], [0.4, 1.0]])
    z, path = pair_shift_simulate(0.03, 0.92, 0.4, shocks, np.zeros(500))
    assert_allclose(z, dcc_simulate(0.03, 0.92, target, shocks, target), atol=1e-12)
    rows, cols = np.array([0]), np.array([1])
    assert_allclose(path, dcc_path(0.03, 0.92, z, target, target, target, rows, cols)[:-1, 0], atol=1e-12)


def test_a_shift_is_added_to_the_path_of_the_null():
    shocks = np.random.default_rng(5).standard_normal((200_000, 2))
    shift = np.where(np.arange(200_000) % 2_000 < 800, 0.12, -0.08)
    z, path = pair_shift_simulate(0.02, 0.9, 0.3, shocks, shift)
    _, null = pair_shift_simulate(0.02, 0.9, 0.3, shocks, np.zeros(200_000))
    assert_allclose(path - null, shift, atol=1e-12)
    inside = shift > 0
    product = z[:, 0] * z[:, 1]
    assert abs(product[inside].mean() - product[~inside].mean() - 0.2) < 0.03
    assert_allclose(z.var(axis=0), 1.0, atol=0.03)


def test_a_shift_out_of_bounds_is_nan_from_there_on():
    shift = np.zeros(50)
    shift[20] = 1.5
    z, path = pair_shift_simulate(0.0, 0.0, 0.3, np.random.default_rng(6).standard_normal((50, 2)), shift)
    assert np.isfinite(z[:20]).all()
    assert np.isnan(z[20:]).all()
    assert_array_equal(np.isnan(path), np.arange(50) >= 20)
