"""Drivers from outside: the Newton step against a regression, alignment, shares, and the words."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from claim.bootstraps import bootstrap
from cryptoequity.claim.associations import (
    Drivers,
    associations,
    judge_associations,
    lagged_drivers,
    newton_step,
    share_taken,
    volatility_detail,
)
from cryptoequity.claim.pipeline import attach
from cryptoequity.claim.statistics import score_contrast
from cryptoequity.errors import DataError, LevelsWarning, SpecError

SEED = np.random.SeedSequence(6)


@pytest.fixture(scope="module")
def boot():
    return bootstrap("peaks")


def noise(boot, seed: int = 0, **columns: object) -> pd.DataFrame:
    """Drivers on every session of the equity."""
    index = boot.prices.index[boot.prices["SMALL_TECH"].notna()]
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"noise": rng.standard_normal(len(index)), **columns}, index)


# --- the step


@given(st.integers(0, 10_000))
def test_the_step_is_weighted_least_squares(seed):
    """Scores that are information times a linear effect give back its slopes."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, 200))
    information = rng.uniform(0.5, 2.0, 200)
    slopes = rng.standard_normal(2)
    score = information * (slopes[0] * (x - x.mean()) + slopes[1] * (y - y.mean()))
    assert_allclose(newton_step(score, information, x, y), slopes, rtol=1e-8)


def test_one_direction_is_the_headline_contrast():
    rng = np.random.default_rng(1)
    score, information = rng.standard_normal(300), rng.uniform(0.5, 2.0, 300)
    dummy = (rng.random(300) < 0.4).astype(float)
    assert_allclose(newton_step(score, information, dummy)[0], score_contrast(score, information, dummy))


def test_collinear_or_constant_directions_have_no_step():
    rng = np.random.default_rng(2)
    score, x = rng.standard_normal((2, 100))
    assert np.isnan(newton_step(score, np.ones(100), x, 3.0 * x + 1.0)).all()
    assert np.isnan(newton_step(score, np.ones(100), np.ones(100))).all()


# --- alignment


def test_the_driver_is_that_of_the_session_before(boot):
    drivers = noise(boot)
    read = lagged_drivers(boot.plan, boot.sample, boot.prices, drivers)
    expected = drivers["noise"].shift(1).reindex(boot.main.index)
    assert_allclose(read["noise"], expected)
    assert read.index.equals(boot.main.index)


def test_days_without_a_session_may_be_missing_or_extra(boot):
    drivers = noise(boot)
    daily = drivers.reindex(pd.date_range(drivers.index[0], drivers.index[-1]))  # blanks at weekends
    assert_allclose(
        lagged_drivers(boot.plan, boot.sample, boot.prices, daily),
        lagged_drivers(boot.plan, boot.sample, boot.prices, drivers),
    )


def test_what_cannot_be_used_is_refused(boot):
    def read(frame, **choices):
        return lagged_drivers(replace(boot.plan, **choices), boot.sample, boot.prices, frame)

    good = noise(boot)
    with pytest.raises(SpecError, match="DataFrame"):
        read(good["noise"])
    with pytest.raises(SpecError, match="time zone"):
        read(good.tz_localize("UTC"))
    with pytest.raises(DataError, match="no column 'VIX'"):
        read(good, drivers=("VIX",))
    with pytest.raises(DataError, match="occurs twice"):
        read(pd.concat([good, good.iloc[[5]]]))
    with pytest.raises(DataError, match="not numeric"):
        read(good.assign(noise="x"))
    holes = good.copy()
    holes.loc[boot.main.index[10:13], "noise"] = np.nan
    with pytest.raises(DataError, match=r"driver 'noise': missing or infinite on 3 of"):
        read(holes)
    with pytest.raises(DataError, match="constant"):
        read(good.assign(noise=2.0))
    with pytest.raises(DataError, match="missing"):
        read(good.loc[boot.main.index])  # the session before the first is not there


def test_a_wandering_level_is_warned_of(boot):
    drivers = noise(boot)
    drivers["level"] = np.cumsum(drivers["noise"]) + 100.0
    with pytest.warns(LevelsWarning, match="'level': a unit root"):
        lagged_drivers(boot.plan, boot.sample, boot.prices, drivers)


# --- statistics


def test_what_is_taken_adds_up(boot):
    extra = Drivers(("x",), np.random.default_rng(3).standard_normal((len(boot.main.index), 1)))
    found = extra(np.empty(0), np.empty(0), boot.main.pipeline.signed, boot.main.main)
    assert set(found) == set(extra.names)
    assert_allclose(found["driver.x.taken"], found["driver.x.whole"] - found["driver.x.episodes"])
    assert_allclose(found["driver.x.whole"], boot.main.statistics["score"], rtol=1e-9)


def test_a_guard_band_counts_for_neither(boot):
    signed = boot.main.pipeline.signed.copy()
    signed[:50] = np.nan
    x = np.random.default_rng(4).standard_normal((signed.size, 1))
    base = Drivers(("x",), x)(np.empty(0), np.empty(0), signed, boot.main.main)
    other = x.copy()
    other[:50] += 100.0
    assert Drivers(("x",), other)(np.empty(0), np.empty(0), signed, boot.main.main) == base


def test_the_episodes_themselves_take_everything_and_noise_nothing(boot):
    dummy = np.abs(boot.main.pipeline.signed)
    rng = np.random.default_rng(5)
    values = np.stack([dummy + 0.05 * rng.standard_normal(dummy.size), rng.standard_normal(dummy.size)], axis=1)
    attach(boot.main, (Drivers(("near", "far"), values),), SEED)
    share, low, high = share_taken(boot.main, "far")
    assert abs(share) < 0.2
    assert low <= share <= high
    near = share_taken(boot.main, "near")
    assert near[2] - near[1] > high - low  # what is nearly the same cannot be told apart


def test_a_share_of_nothing_has_no_meaning():
    boot = bootstrap("step")
    x = np.random.default_rng(6).standard_normal((len(boot.main.index), 1))
    attach(boot.main, (Drivers(("x",), x),), SEED)
    assert all(math.isnan(value) for value in share_taken(boot.main, "x"))


# --- evidence


def test_no_driver_no_test(boot):
    one = associations(boot.plan, boot.sample, boot.main, boot.prices, None, SEED)
    assert one.key == "H9"
    assert "no driver was given" in one.reason
    assert judge_associations(one, one.pvalue, alpha=0.05)[0] == "not testable"


def test_noise_is_not_associated(boot):
    one = associations(boot.plan, boot.sample, boot.main, boot.prices, noise(boot, 8), SEED)
    assert one.detail["label"] == "associational"
    verdict, reason = judge_associations(one, one.pvalue, alpha=0.05)
    assert verdict == "inconclusive"
    assert reason.startswith("associational")


def test_holm_over_the_drivers(boot):
    index = noise(boot).index
    rng = np.random.default_rng(9)
    drivers = noise(boot, 8).rename(columns={"noise": "other"})
    drivers["driven"] = boot.plan.episodes.dummy(index).shift(-1, fill_value=0.0) + 0.1 * rng.standard_normal(
        len(index)
    )
    one = associations(boot.plan, boot.sample, boot.main, boot.prices, drivers, SEED)
    assert one.detail["strongest"] == "driven"
    raw = sorted(one.detail[f"{name} pvalue"] for name in ("other", "driven"))
    assert_allclose(one.pvalue, min(1.0, 2.0 * raw[0]))
    assert one.estimate > 0.0
    verdict, reason = judge_associations(one, one.pvalue, alpha=0.05)
    assert verdict == "supported"
    assert "not causal" in reason


def test_volatility_beside_the_episodes(boot):
    rng = np.random.default_rng(10)
    index = noise(boot).index
    drivers = noise(boot, 8).assign(VIX=np.exp(0.3 * rng.standard_normal(len(index)) + 3.0))
    plan = replace(boot.plan, drivers=("VIX",), volatility="VIX")
    found = volatility_detail(plan, boot.sample, boot.main, boot.prices, drivers, SEED)
    assert_allclose(found["episode effect"], boot.main.statistics["score"], rtol=1e-9)
    assert_allclose(found["episode effect given volatility"], found["episode effect"], rtol=0.2)
    assert 0.0 < found["episode effect given volatility pvalue"] <= 1.0
    assert volatility_detail(boot.plan, boot.sample, boot.main, boot.prices, drivers, SEED) == {}
    with pytest.raises(DataError, match="positive"):
        volatility_detail(plan, boot.sample, boot.main, boot.prices, drivers.assign(VIX=-drivers["VIX"]), SEED)
    with pytest.raises(DataError, match="pass drivers="):
        volatility_detail(plan, boot.sample, boot.main, boot.prices, None, SEED)
