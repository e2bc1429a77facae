"""The full pipeline: the data and the draws are measured by one code, episodes move with the drawn prices."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cryptoequity as ce
from claim.worlds import SPECS, fitted, prices_of, sample, two_sided
from cryptoequity.claim.pipeline import Draws, Pipeline, Redating, fit_pair
from cryptoequity.claim.statistics import contrast, correlation, correlation_contrast
from cryptoequity.claim.world import NullWorld
from cryptoequity.estimation.parallel import spawn

NOBS = 500


@pytest.fixture(scope="module")
def pipeline():
    return fitted(NOBS)


@pytest.fixture(scope="module")
def dated():
    """Tech and market of a long calendar, episodes by rule, and the pipeline on its last 500 sessions."""
    full = sample(900, 21, ("COIN", "SMALL", "TECH", "MARKET"))
    prices = prices_of(full)
    episodes = ce.ReRating.from_relative_strength(
        prices["TECH"], prices["MARKET"], horizon=60, min_length=15, merge=8, min_history=120
    )
    window = full.iloc[-NOBS:]
    path = np.log(prices["TECH"] / prices["MARKET"]).to_numpy()
    redating = Redating(episodes.dating, path, len(prices) - NOBS, 2, 3)
    signed = redating.dating.signed(path)[-NOBS:]
    world = NullWorld.fit(window, SPECS)
    return episodes, window, redating, Pipeline(world, signed, redating, "t", 0, 1, 3, minimal=True)


# --- a pair


def test_a_pair_fit_is_the_dcc(pipeline):
    returns = sample(NOBS, 1, ("COIN", "SMALL"))
    margins = ce.fit_margins(returns, {name: SPECS[name] for name in returns})
    dcc = ce.DCC(dist="t").fit(margins)
    pair = fit_pair(margins.std_resid.to_numpy(), "t")
    assert_allclose(pair.path, dcc.correlation("COIN", "SMALL").to_numpy(), atol=1e-6)
    assert pair.score.shape == pair.information.shape == (NOBS,)
    assert np.all(pair.information > 0)


# --- data and draws through one code


def test_measuring_the_data_again_gives_the_data(pipeline):
    observed, _ = pipeline.observed()
    again = pipeline.measure(pipeline.world.returns, pipeline.signed)
    assert observed.keys() == again.keys()
    for name, value in observed.items():
        assert abs(again[name] - value) < 1e-3 * max(1.0, abs(value)), name


def test_statistics_are_what_their_names_say(pipeline):
    observed, pairs = pipeline.observed()
    z, signed = pipeline.world.z, pipeline.signed
    dummy = np.abs(signed)
    assert observed["correlation"] == correlation_contrast(z[:, 0], z[:, 1], dummy)
    assert observed["product"] == contrast(z[:, 0] * z[:, 1], dummy)
    # one side against days outside both: the other side's days count for neither
    calm, up, down = signed == 0.0, signed == 1.0, signed == -1.0
    own = [
        correlation_contrast(z[calm | side, 0], z[calm | side, 1], side[calm | side].astype(float))
        for side in (up, down)
    ]
    assert_allclose([observed["up.correlation"], observed["down.correlation"]], own, rtol=1e-12)
    assert_allclose(observed["sides.correlation"], own[0] - own[1], rtol=1e-12)
    assert observed["placebo.3.correlation"] == correlation_contrast(z[:, 0], z[:, 3], dummy)
    assert observed["level"] == correlation(z[:, 0], z[:, 1])
    assert observed["level.inside"] == correlation(z[dummy == 1.0, 0], z[dummy == 1.0, 1])
    assert observed["level.outside"] == correlation(z[calm, 0], z[calm, 1])
    assert_allclose(observed["level.inside"] - observed["level.outside"], observed["correlation"], rtol=1e-12)
    assert "level.large" not in observed
    assert set(pairs) == {(0, 1), (0, 2), (1, 2), (0, 1, 2), (0, 3)}


def test_a_large_cap_column_has_its_level(pipeline):
    large = replace(pipeline, large=2)
    observed, _ = large.observed()
    assert observed["level.large"] == correlation(pipeline.world.z[:, 0], pipeline.world.z[:, 2])
    drawn, plain = large(spawn(7, 1)[0]), pipeline(spawn(7, 1)[0])
    assert drawn["level.large"] != observed["level.large"]
    assert {name: drawn[name] for name in plain} == plain


def test_the_partial_correlation_is_free_of_the_market(pipeline):
    _, pairs = pipeline.observed()
    pair = pairs[0, 1, 2].likelihood.z
    market = pipeline.world.z[:, 2]
    assert np.all(np.abs([np.corrcoef(pair[:, i], market)[0, 1] for i in (0, 1)]) < 0.05)
    # the closed form for constant correlations, near the mean of the path
    r = np.corrcoef(pipeline.world.z.T)
    closed = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert abs(pairs[0, 1, 2].path.mean() - closed) < 0.05


def test_a_draw_is_a_function_of_its_seed(pipeline):
    seeds = spawn(1, 2)
    assert pipeline(seeds[0]) == pipeline(seeds[0])
    assert pipeline(seeds[0]) != pipeline(seeds[1])


def test_a_pickled_pipeline_gives_the_same_draws(pipeline):
    seed = spawn(2, 1)[0]
    assert pickle.loads(pickle.dumps(pipeline))(seed) == pipeline(seed)


def test_minimal_is_the_same_headline(pipeline):
    seed = spawn(3, 1)[0]
    full, short = pipeline(seed), replace(pipeline, minimal=True)(seed)
    assert set(short) == {"score", "correlation", "product"}
    assert {name: full[name] for name in short} == short


def test_the_null_law_is_centered(pipeline):
    quick = replace(fitted(NOBS, minimal=True), minimal=True)
    scores = np.array([quick(seed)["score"] for seed in spawn(4, 60)])
    assert abs(scores.mean()) < 4.0 * scores.std() / np.sqrt(60)


def test_guard_days_are_left_out_everywhere(pipeline):
    signed = two_sided(NOBS)
    signed[125:135] = np.nan
    guarded = replace(pipeline, signed=signed)
    observed, _ = guarded.observed()
    z = pipeline.world.z
    keep = ~np.isnan(signed)
    dummy = np.abs(signed)
    assert all(np.isfinite(value) for value in observed.values())
    assert observed["correlation"] == correlation_contrast(z[keep, 0], z[keep, 1], dummy[keep])


def test_episodes_that_leave_too_little_give_no_number(pipeline):
    observed, _ = replace(pipeline, signed=np.zeros(NOBS)).observed()
    # a level asks for no episodes
    assert {name for name, value in observed.items() if np.isfinite(value)} == {"level", "level.outside"}
    # the same sums over strided and over copied columns agree to the last bit or the one before it
    assert observed["level"] == pytest.approx(observed["level.outside"], rel=1e-14)


def test_draws_answer_by_name():
    draws = Draws({"score": np.arange(5.0)})
    assert len(draws) == 5
    assert_array_equal(draws["score"], np.arange(5.0))


# --- re-dating


def test_observed_returns_give_back_the_observed_episodes(dated):
    episodes, window, redating, pipeline = dated
    assert_array_equal(redating.signed(window.to_numpy()), pipeline.signed)
    assert_array_equal(np.abs(pipeline.signed), episodes.dummy(window.index).to_numpy())
    assert 0.1 < np.abs(pipeline.signed).mean() < 0.9


def test_the_whole_calendar_can_be_the_window(dated):
    _, _, redating, _ = dated
    full = sample(900, 21, ("COIN", "SMALL", "TECH", "MARKET")).to_numpy()
    whole = replace(redating, first=1)
    assert_array_equal(whole.signed(full), redating.dating.signed(redating.path)[1:])


def test_before_the_window_nothing_moves(dated):
    _, window, redating, _ = dated
    before = redating.path.copy()
    redating.signed(window.to_numpy() * 3.0)
    assert_array_equal(redating.path, before)


def test_drawn_prices_move_the_episodes(dated):
    _, _, redating, pipeline = dated
    dummies = [np.abs(redating.signed(pipeline.world.draw(np.random.default_rng(seed)))) for seed in spawn(5, 20)]
    assert sum(np.any(dummy != np.abs(pipeline.signed)) for dummy in dummies) == 20
    assert all(set(np.unique(dummy)) <= {0.0, 1.0} for dummy in dummies)


def test_a_draw_is_measured_with_its_own_episodes(dated):
    _, _, redating, pipeline = dated
    seed = spawn(6, 1)[0]
    returns = pipeline.world.draw(np.random.default_rng(seed))
    assert pipeline(seed) == pipeline.measure(returns, redating.signed(returns))
    assert pipeline(seed) != pipeline.measure(returns, pipeline.signed)


def test_a_window_before_the_end_sees_no_news_after_it(dated):
    _, window, redating, _ = dated
    early = replace(redating, first=redating.first - 100)
    returns = window.to_numpy()
    moved = early.path.copy()
    moved[early.first + NOBS :] += 5.0  # the observed future is not used
    assert_array_equal(replace(early, path=moved).signed(returns), early.signed(returns))
