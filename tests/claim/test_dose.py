"""Dose and response: the dose of a drawn sample, the scores against numerical derivatives, and the rule."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import cryptoequity as ce
from claim.bootstraps import bootstrap
from cryptoequity.claim.dose import (
    Dose,
    DoseRule,
    DoseStrength,
    RegimeDose,
    dose_of,
    dose_response,
    judge_dose,
)
from cryptoequity.claim.hypotheses import Evidence
from cryptoequity.claim.pipeline import fit_pair
from cryptoequity.claim.statistics import correlation, score_contrast
from cryptoequity.correlation.driven import DrivenLikelihood
from cryptoequity.errors import DataError, SpecError
from cryptoequity.kernels.dcc import dcc_simulate, pair_shift_simulate

SEED = np.random.SeedSequence(5)


def shocks(nobs: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((nobs, 2)) * np.sqrt(4.0 / rng.chisquare(6.0, (nobs, 1)))


class Given:
    """A dose that is handed over."""

    def __init__(self, x):
        self.x = x

    def __call__(self, returns):
        return self.x


# --- the dose of a sample


def test_strength_is_the_lagged_move_of_the_ratio():
    rng = np.random.default_rng(0)
    returns = rng.standard_normal((300, 3))
    past = np.cumsum(0.01 * rng.standard_normal(50))
    x = DoseStrength(past, 1, 2, horizon=20, lag=1)(returns)
    path = np.concatenate([past, past[-1] + np.cumsum(returns[:, 1] - returns[:, 2]) / 100.0])
    for t in (0, 5, 100, 299):
        today = 50 + t
        assert_allclose(x[t], abs(path[today - 1] - path[today - 21]), rtol=1e-12)


def test_strength_knows_nothing_of_today():
    returns = np.random.default_rng(1).standard_normal((200, 2))
    rule = DoseStrength(np.zeros(30), 0, 1, horizon=10)
    base = rule(returns)
    other = returns.copy()
    other[120:] += 5.0
    other[120:, 0] += 1.0
    assert_allclose(rule(other)[:121], base[:121])
    assert rule(other)[121] != base[121]


def test_strength_without_a_past_starts_late():
    x = DoseStrength(np.empty(0), 0, 1, horizon=10, lag=1)(np.random.default_rng(2).standard_normal((50, 2)))
    assert np.isnan(x[:11]).all()
    assert np.isfinite(x[11:]).all()


def test_the_dose_of_the_data_is_the_press_formula():
    boot = bootstrap("peaks")
    intensity, what = dose_of(boot.plan, boot.sample, boot.main, boot.prices)
    ratio = np.log(boot.prices["TECH"] / boot.prices["MARKET"]).dropna()
    expected = (ratio - ratio.shift(126)).abs().shift(1).reindex(boot.main.index)
    assert_allclose(intensity(boot.main.pipeline.world.returns), expected, atol=1e-9)
    assert "126" in what


def test_a_rule_gives_back_its_own_intensity():
    boot = bootstrap("peaks", dated=True)
    intensity, _ = dose_of(boot.plan, boot.sample, boot.main, boot.prices)
    assert isinstance(intensity, DoseRule)
    expected = boot.plan.episodes.driver(boot.main.index)
    assert_allclose(intensity(boot.main.pipeline.world.returns), expected, rtol=1e-6, atol=1e-8)


def test_a_plan_may_name_its_dose():
    boot = bootstrap("peaks")
    own = boot.prices[["TECH", "MARKET"]].dropna()
    dose = ce.ReRating.from_relative_strength(own["TECH"], own["MARKET"], horizon=63, name="quarter")
    plan = replace(boot.plan, dose=dose, guard="5D")
    intensity, what = dose_of(plan, boot.sample, boot.main, boot.prices)
    assert "quarter" in what
    assert_allclose(intensity(boot.main.pipeline.world.returns), dose.driver(boot.main.index), rtol=1e-6, atol=1e-8)


def test_drawn_worlds_have_another_dose():
    boot = bootstrap("peaks")
    intensity, _ = dose_of(boot.plan, boot.sample, boot.main, boot.prices)
    world = boot.main.pipeline.world
    drawn = intensity(world.draw(np.random.default_rng(1)))
    observed = intensity(world.returns)
    assert np.isfinite(drawn).all()
    assert abs(np.corrcoef(drawn[200:], observed[200:])[0, 1]) < 0.9


def test_a_plan_without_tech_or_market_has_no_dose():
    boot = bootstrap("peaks")
    for missing in ("tech", "market"):
        plan = replace(boot.plan, **{missing: None})
        one = dose_response(plan, boot.sample, boot.main, boot.prices, SEED)
        assert math.isnan(one.pvalue)
        assert missing in one.reason
        assert judge_dose(one, one.pvalue, alpha=0.05, sesoi=0.1)[0] == "not testable"
    same = replace(boot.plan, tech="TECH", market="TECH")
    assert "same column" in dose_of(same, boot.sample, boot.main, boot.prices)[1]


def test_prices_before_the_window_must_be_positive():
    boot = bootstrap("peaks")
    prices = boot.prices.copy()
    prices.loc[prices.index[100], "TECH"] = -1.0
    if pd.isna(boot.prices["MARKET"].iloc[100]):
        prices.loc[prices.index[100], "MARKET"] = 1.0
    with pytest.raises(DataError, match="1 prices of 'TECH' or 'MARKET'"):
        dose_of(boot.plan, boot.sample, boot.main, prices)


# --- statistics


@pytest.fixture(scope="module")
def dosed():
    """Residuals whose correlation follows a slow dose, and the same without it."""
    nobs = 1500
    x = np.abs(np.cumsum(np.random.default_rng(3).standard_normal(nobs)) / 20.0)
    shift = 0.12 * (x - x.mean()) / x.std()
    z, path = pair_shift_simulate(0.02, 0.95, 0.3, shocks(nobs, 4), np.clip(shift, -0.4, 0.5))
    assert np.isfinite(path).all()
    return np.ascontiguousarray(z), x


def test_a_dummy_for_a_dose_gives_the_contrast_of_h2(dosed):
    z, _ = dosed
    fit = fit_pair(z, "t")
    dummy = np.repeat([0.0, 1.0, 0.0], 500)
    found = Dose(Given(dummy))(z, z, dummy, fit)
    contrast = score_contrast(fit.score, fit.information, dummy)
    assert_allclose(found["dose.score"], 2.0 * dummy.std() * contrast, rtol=1e-10)


def test_the_slope_is_the_derivative_of_the_correlation(dosed):
    """Tilting the weights of the dates by the dose moves the correlation as the statistic says."""
    z, x = dosed
    found = Dose(Given(x))(z, z, np.zeros(len(x)), fit_pair(z, "t"))
    unit = (x - x.mean()) / x.std()
    ends = []
    for step in (1e-5, -1e-5):
        root = np.sqrt(1.0 + step * unit)
        ends.append(correlation(root * z[:, 0], root * z[:, 1]))
    assert_allclose(found["dose.correlation"], 2.0 * (ends[0] - ends[1]) / 2e-5, rtol=1e-6)


def test_the_score_in_the_recursion_is_that_of_dccx(dosed):
    """The derivative in c of another likelihood, DCC-X, date by date, projected on its other scores."""
    z, x = dosed
    fit = fit_pair(z, "t")
    unit = (x - x.mean()) / x.std()
    model = DrivenLikelihood(
        z, dist="t", driver=unit[:, None], blocks=np.ones((1, 2, 2)), names=("a", "b"), target=None, limit="sample"
    )
    theta = np.insert(fit.optimum.theta, 2, 0.0)
    scores = model.evaluate(theta, 1)[1]
    own, rest = scores[:, 2], np.delete(scores, 2, axis=1)
    own = own - rest @ np.linalg.lstsq(rest, own, rcond=None)[0]
    found = Dose(Given(x))(z, z, np.zeros(len(x)), fit)
    assert_allclose(found["dose.dccx"], own.sum() / np.sqrt(own @ own), rtol=1e-4, atol=1e-6)


def test_maps_of_the_dose_change_nothing_but_the_sign(dosed):
    z, x = dosed
    fit, signed = fit_pair(z, "t"), np.zeros(len(x))
    base = Dose(Given(x))(z, z, signed, fit)
    moved = Dose(Given(3.0 + 100.0 * x))(z, z, signed, fit)
    turned = Dose(Given(-x))(z, z, signed, fit)
    for name in ("dose.score", "dose.correlation", "dose.dccx", "dose.stcc", "dose.dstcc"):
        assert_allclose(moved[name], base[name], rtol=1e-6)
        assert_allclose(turned[name], -base[name], rtol=1e-6)


def test_a_dose_that_works_is_positive_in_every_class(dosed):
    z, x = dosed
    found = Dose(Given(x))(z, z, np.zeros(len(x)), fit_pair(z, "t"))
    assert all(found[f"dose.{name}"] > 1.0 for name in ("stcc", "dstcc"))
    assert found["dose.score"] > 0.0
    assert found["dose.correlation"] > 0.1


def test_time_takes_a_dose_that_is_time(dosed):
    z, _ = dosed
    found = Dose(Given(np.arange(len(z), dtype=float)))(z, z, np.zeros(len(z)), fit_pair(z, "t"))
    assert abs(found["dose.dstcc"]) < 1e-6 or math.isnan(found["dose.dstcc"])


def test_sessions_without_a_dose_are_left_out_and_counted(dosed):
    z, x = dosed
    late = x.copy()
    late[:200] = np.nan
    found = Dose(Given(late))(z, z, np.zeros(len(x)), fit_pair(z, "t"))
    assert found["dose.sessions"] == len(x) - 200
    assert all(math.isfinite(value) for value in found.values())


@pytest.mark.parametrize("x", [np.full(300, 2.0), np.full(300, np.nan)])
def test_a_dose_that_does_not_move_has_no_statistic(x):
    z = dcc_simulate(0.02, 0.95, np.eye(2) * 0.7 + 0.3, shocks(300, 6), np.eye(2) * 0.7 + 0.3)
    found = Dose(Given(x))(z, z, np.zeros(300), fit_pair(z, "t"))
    assert math.isnan(found["dose.score"])


def test_a_world_its_rule_cannot_date_is_lost_and_counted():
    def refuse(returns):
        raise DataError("the ratio never moves.")

    z = dcc_simulate(0.02, 0.95, np.eye(2) * 0.7 + 0.3, shocks(300, 6), np.eye(2) * 0.7 + 0.3)
    found = Dose(refuse)(z, z, np.zeros(300), fit_pair(z, "t"))
    assert found["dose.sessions"] == 0.0
    assert math.isnan(found["dose.score"])
    assert math.isnan(RegimeDose(bootstrap("peaks").main.pipeline, refuse)(np.random.SeedSequence(1)))


# --- regimes


def test_a_dose_that_makes_regimes_moves_their_odds():
    rng = np.random.default_rng(8)
    x = np.repeat([0.0, 1.0] * 8, 100) + 0.1 * rng.standard_normal(1600)
    rho = np.where(np.repeat([0.0, 1.0] * 8, 100) > 0, 0.8, 0.0)
    e = rng.standard_normal((1600, 2))
    z = np.stack([e[:, 0], rho * e[:, 0] + np.sqrt(1 - rho**2) * e[:, 1]], axis=1)
    task = RegimeDose(bootstrap("peaks").main.pipeline, Given(x), "normal")
    effect, converged = task.effect(z, x, np.random.SeedSequence(1))
    assert converged
    assert effect > 1.0
    turned, _ = task.effect(z, -x, np.random.SeedSequence(1))
    assert_allclose(turned, -effect, rtol=1e-2)


def test_a_regime_draw_is_a_function_of_its_seed():
    boot = bootstrap("peaks")
    intensity, _ = dose_of(boot.plan, boot.sample, boot.main, boot.prices)
    task = pickle.loads(pickle.dumps(RegimeDose(boot.main.pipeline, intensity)))
    assert task(np.random.SeedSequence(3)) == task(np.random.SeedSequence(3))
    assert math.isnan(task.effect(np.zeros((10, 2)), np.ones(10), np.random.SeedSequence(1))[0])


# --- evidence


def test_evidence_reads_its_draws():
    boot = bootstrap("peaks")
    one = dose_response(boot.plan, boot.sample, boot.main, boot.prices, SEED)
    assert one.key == "H2x"
    assert one.pvalue == boot.main.pvalue("dose.score") == one.detail["dcc-x pvalue"]
    assert one.estimate == boot.main.statistics["dose.correlation"]
    assert "fewer than 200" in one.detail["rsdc left out"]
    assert one.lower < one.estimate < one.upper
    only = dose_response(boot.plan, boot.sample, boot.main, boot.prices, SEED, models=("dcc-x",))
    assert "stcc pvalue" not in only.detail
    # one class cannot carry the verdict
    assert judge_dose(replace(only, pvalue=0.001), 0.001, alpha=0.05, sesoi=0.1)[0] != "supported"


def test_the_regime_model_is_asked_in_a_long_plan():
    boot = bootstrap("peaks")
    plan = replace(boot.plan, draws=200)
    one = dose_response(plan, boot.sample, boot.main, boot.prices, SEED, models=("dcc-x", "rsdc"), regime_draws=3)
    assert one.detail["rsdc draws"] == 3
    assert 0.0 < one.detail["rsdc pvalue"] <= 1.0


@pytest.mark.parametrize("models", ["dcc-x", ("dcc-x", "garch"), ("stcc",)])
def test_bad_models_are_refused(models):
    boot = bootstrap("peaks")
    with pytest.raises(SpecError, match="models"):
        dose_response(boot.plan, boot.sample, boot.main, boot.prices, SEED, models=models)


def test_another_dose_is_drawn_again():
    """What is attached under the same names but says something else of the data is not believed."""
    boot = bootstrap("peaks", fresh=True)
    own = boot.prices[["TECH", "MARKET"]].dropna()
    dose = ce.ReRating.from_relative_strength(own["TECH"], own["MARKET"], horizon=63)
    first = dose_response(boot.plan, boot.sample, boot.main, boot.prices, SEED, models=("dcc-x",))
    law = boot.main.draws["dose.score"].copy()
    again = dose_response(boot.plan, boot.sample, boot.main, boot.prices, SEED, models=("dcc-x",))
    assert again.pvalue == first.pvalue
    plan = replace(boot.plan, dose=dose)
    other = dose_response(plan, boot.sample, boot.main, boot.prices, SEED, models=("dcc-x",))
    assert other.estimate != first.estimate
    assert not np.array_equal(boot.main.draws["dose.score"], law)


def test_a_dose_on_few_sessions_is_not_tested(monkeypatch):
    monkeypatch.setattr("cryptoequity.claim.dose.attach", lambda *_, **__: None)
    boot = bootstrap("peaks")
    main = replace(boot.main, statistics={**boot.main.statistics, "dose.sessions": 200.0})
    one = dose_response(boot.plan, boot.sample, main, boot.prices, SEED)
    assert "only 200 sessions" in one.reason


def case(ps: tuple[float, float, float], estimate: float = 0.2, low90: float = 0.1, high90: float = 0.3) -> Evidence:
    detail = {}
    for name, p in zip(("dcc-x", "stcc", "rsdc"), ps, strict=True):
        detail[f"{name} pvalue"], detail[f"{name} lower pvalue"] = p, 1.0 - p
    return Evidence("H2x", estimate, low90, high90, ps[0], 0.1, 1000, "", low90=low90, high90=high90, detail=detail)


@pytest.mark.parametrize(
    ("ps", "adjusted", "options", "verdict"),
    [
        ((0.01, 0.01, 0.5), 0.02, {}, "supported"),
        ((0.01, 0.5, 0.01), 0.02, {}, "supported"),
        ((0.01, 0.5, 0.5), 0.02, {}, "inconclusive"),  # one class of three
        ((0.01, 0.01, 0.01), 0.06, {}, "inconclusive"),  # not after adjustment
        ((0.3, 0.01, 0.01), 0.3, {}, "inconclusive"),  # not the primary class
        ((0.01, 0.01, 0.97), 0.02, {}, "inconclusive"),  # one class finds a fall
        ((0.01, 0.01, 0.5), 0.02, {"estimate": -0.1}, "inconclusive"),
        ((0.5, 0.5, 0.5), 0.5, {"estimate": 0.0, "low90": -0.05, "high90": 0.05}, "contradicted"),
        ((math.nan, 0.5, 0.5), math.nan, {}, "not testable"),
    ],
)
def test_verdicts(ps, adjusted, options, verdict):
    assert judge_dose(case(ps, **options), adjusted, alpha=0.05, sesoi=0.1)[0] == verdict
