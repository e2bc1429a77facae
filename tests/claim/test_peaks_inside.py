"""Peaks taken literally: what is counted, its law by shifts, and when the count is only a description."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claim.bootstraps import bootstrap
from cryptoequity.claim.hypotheses import Evidence
from cryptoequity.claim.peaks_inside import PeaksInside, judge_peaks_inside, peaks_inside, shifted_peaks
from cryptoequity.errors import SpecError

SEED = np.random.SeedSequence(3)


def hills(places: list[int], heights: list[float], nobs: int = 1000) -> np.ndarray:
    """A path with bumps forty sessions wide."""
    t = np.arange(nobs)
    return sum(h * np.exp(-(((t - p) / 20.0) ** 2)) for p, h in zip(places, heights, strict=True)) + 1e-6 * np.sin(t)


PLACES, HEIGHTS = [100, 300, 500, 700, 900], [0.5, 0.1, 0.4, 0.2, 0.3]


# --- what is counted


def test_the_highest_separated_maxima_are_found_in_order():
    path = hills(PLACES, HEIGHTS)
    everywhere = np.ones(path.size, bool)
    tops = PeaksInside(count=5).summits(path, everywhere)
    assert np.abs(tops - np.array([100, 500, 900, 700, 300])).max() <= 1
    assert PeaksInside(count=2).summits(path, everywhere).size == 2


def test_a_shoulder_is_no_second_maximum():
    path = hills([300, 340], [0.5, 0.45])
    tops = PeaksInside(count=5, reach=63).summits(path, np.ones(path.size, bool))
    assert sum(abs(int(top) - 320) < 60 for top in tops) == 1


def test_shares_count_what_lies_inside():
    path = hills(PLACES, HEIGHTS)
    dummy = np.zeros(path.size)
    dummy[80:120] = dummy[480:520] = 1.0
    found = PeaksInside().of_path(path, dummy)
    assert found["peaks.found"] == 5.0
    assert found["peaks.maxima"] == 0.4
    days = np.argsort(-path)[:100]
    assert found["peaks.days"] == dummy[days].mean()


def test_days_of_a_guard_band_count_for_neither_side():
    path = hills(PLACES, HEIGHTS)
    dummy = np.zeros(path.size)
    dummy[80:120] = 1.0
    dummy[480:520] = np.nan  # the maximum at 500 is dropped
    found = PeaksInside().of_path(path, dummy)
    assert found["peaks.found"] == 4.0
    assert found["peaks.maxima"] == 0.25
    kept = np.flatnonzero(~np.isnan(dummy))
    days = kept[np.argsort(-path[kept], kind="stable")][:96]
    assert found["peaks.days"] == dummy[days].mean()


@given(st.integers(0, 10_000), st.floats(0.01, 5.0), st.floats(-1.0, 1.0))
def test_only_the_order_of_the_path_matters(seed, scale, shift):
    rng = np.random.default_rng(seed)
    path = np.round(np.convolve(rng.standard_normal(400), np.ones(30) / 30.0, "same"), 6)
    dummy = (rng.random(400) < 0.4).astype(float)
    extra = PeaksInside(count=3, reach=20)
    assert extra.of_path(path, dummy) == extra.of_path(np.round(scale * path, 9) + np.round(shift, 1), dummy)


@pytest.mark.parametrize("path", [np.full(500, 0.3), np.full(500, 0.3) + 1e-15 * np.arange(500)])
def test_a_path_that_stands_still_has_no_peaks(path):
    found = PeaksInside().of_path(path, np.repeat([0.0, 1.0], 250))
    assert found["peaks.found"] == 0.0
    assert math.isnan(found["peaks.maxima"])
    assert math.isnan(found["peaks.days"])


@pytest.mark.parametrize("state", [0.0, 1.0])
def test_a_sample_on_one_side_has_no_share(state):
    found = PeaksInside().of_path(hills(PLACES, HEIGHTS), np.full(1000, state))
    assert math.isnan(found["peaks.maxima"])
    assert math.isnan(found["peaks.days"])


def test_a_short_path_has_no_separated_maximum():
    assert PeaksInside(reach=63).summits(np.arange(100.0), np.ones(100, bool)).size == 0


@pytest.mark.parametrize(
    ("choice", "word"), [({"count": 0}, "count"), ({"reach": 2.5}, "reach"), ({"highest": 1.0}, "share")]
)
def test_bad_choices_are_refused(choice, word):
    with pytest.raises(SpecError, match=word):
        PeaksInside(**choice)


# --- shifts


def test_shifts_are_those_of_a_loop():
    rng = np.random.default_rng(5)
    path = np.convolve(rng.standard_normal(600), np.ones(40) / 40.0, "same")
    dummy = np.zeros(600)
    dummy[100:220] = dummy[400:450] = 1.0
    extra = PeaksInside(count=4, reach=30)
    everywhere = np.ones(600, bool)
    for p, rows in zip(
        shifted_peaks(path, dummy, extra), (extra.summits(path, everywhere), extra.days(path, everywhere)), strict=True
    ):
        law = [np.roll(dummy, k)[rows].sum() for k in range(600)]
        assert p == np.mean(np.array(law) >= law[0])


def test_guard_bands_are_not_shifted():
    with pytest.raises(SpecError, match="guard"):
        shifted_peaks(np.arange(200.0), np.repeat([0.0, np.nan], 100), PeaksInside())


# --- evidence


@pytest.fixture(scope="module")
def boot():
    return bootstrap("peaks")


@pytest.fixture(scope="module")
def evidence(boot):
    return peaks_inside(boot.plan, boot.sample, boot.main, boot.prices, SEED)


def test_the_share_of_the_highest_days_is_tested(boot, evidence):
    d = evidence.detail
    assert evidence.key == "H2p"
    assert evidence.pvalue == d["highest days pvalue"] == boot.main.pvalue("peaks.days")
    assert evidence.estimate == d["share of the highest days inside"] - d["share of all days inside"]
    assert d["maxima inside"] <= d["maxima"] == 5
    assert len(d["dates of the maxima"]) == 5
    assert d["draws without a maximum"] >= 0
    assert {"circular shift, maxima pvalue", "circular shift, highest date inside pvalue"} <= set(d)


def test_the_count_says_what_a_perfect_score_would_be_worth(boot, evidence):
    null = boot.main.draws["peaks.maxima"]
    null = null[np.isfinite(null)]
    assert evidence.detail["pvalue were all maxima inside"] == (1 + np.sum(null == 1.0)) / (1 + null.size)


def test_a_sample_without_enough_maxima_is_not_testable(boot, monkeypatch):
    monkeypatch.setattr("cryptoequity.claim.peaks_inside.attach", lambda *_, **__: None)
    main = replace(boot.main, statistics={**boot.main.statistics, "peaks.found": 3.0})
    one = peaks_inside(boot.plan, boot.sample, main, boot.prices, SEED)
    assert math.isnan(one.pvalue)
    assert "3 maxima" in one.reason
    assert judge_peaks_inside(one, one.pvalue, alpha=0.05)[0] == "not testable"


def test_the_extra_is_picklable_and_draws_are_the_same_twice(boot):
    extra = PeaksInside()
    assert pickle.loads(pickle.dumps(extra)) == extra
    other = bootstrap("peaks", fresh=True)
    one = peaks_inside(other.plan, other.sample, other.main, other.prices, SEED)
    np.testing.assert_array_equal(other.main.draws["peaks.days"], boot.main.draws["peaks.days"])
    assert one.detail["dates of the maxima"]


def case(p: float, inside: int = 5, least: float = 0.01) -> Evidence:
    nan = math.nan
    detail = {
        "maxima": 5,
        "maxima inside": inside,
        "share of the highest days inside": 0.9,
        "share of all days inside": 0.4,
        "maxima pvalue": 0.3,
        "highest days pvalue": p,
        "pvalue were all maxima inside": least,
    }
    return Evidence("H2p", 0.5, nan, nan, p, nan, 1000, "", detail=detail)


def test_verdicts():
    assert judge_peaks_inside(case(0.01), 0.01, alpha=0.05)[0] == "supported"
    verdict, reason = judge_peaks_inside(case(0.01, inside=2), 0.01, alpha=0.05)
    assert (verdict, "separate maxima are not" in reason) == ("inconclusive", True)
    verdict, reason = judge_peaks_inside(case(0.2), 0.2, alpha=0.05)
    assert (verdict, "without any effect" in reason) == ("inconclusive", True)
    assert "a description" in judge_peaks_inside(case(0.2, least=0.2), 0.2, alpha=0.05)[1]
    # adjusted, not raw, decides
    assert judge_peaks_inside(case(0.04), 0.08, alpha=0.05)[0] == "inconclusive"


def test_a_world_with_a_step_is_not_called_peaks():
    boot = bootstrap("step")
    one = peaks_inside(boot.plan, boot.sample, boot.main, boot.prices, SEED)
    assert judge_peaks_inside(one, one.pvalue, alpha=0.05)[0] != "supported"
