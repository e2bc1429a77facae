"""Every episode on its own: what is compared, when nothing can be said, and the verdict."""

import numpy as np
import pandas as pd
import pytest

import cryptoequity as ce
from claim.bootstraps import bootstrap
from cryptoequity.claim.every import SHORTEST, Spells, every_episode, judge_every, largest_moves, spells_of
from cryptoequity.claim.hypotheses import not_testable
from cryptoequity.claim.statistics import correlation_contrast

SEED = np.random.SeedSequence(5)


@pytest.fixture(scope="module")
def peaks():
    return bootstrap("peaks", fresh=True)


@pytest.fixture(scope="module")
def found(peaks):
    return every_episode(peaks.plan, peaks.sample, peaks.main, peaks.prices, SEED)


def test_each_episode_is_compared_with_the_sessions_outside_all(peaks):
    spells, why = spells_of(peaks.plan, peaks.main)
    assert why == ""
    main = peaks.main
    z = main.pipeline.world.z[:, :2]
    out = spells(z, main.pipeline.world.returns, main.pipeline.signed, main.main)
    dummy = np.abs(main.pipeline.signed)
    assert np.array_equal(spells.masks.sum(axis=0), dummy)
    for label, mask in zip(spells.labels, spells.masks, strict=True):
        keep = mask | (dummy == 0.0)
        by_hand = correlation_contrast(z[keep, 0], z[keep, 1], mask[keep].astype(float))
        assert out[f"spell.{label}.correlation"] == pytest.approx(by_hand, rel=1e-12)


def test_one_episode_alone_is_the_contrast_of_h2(peaks):
    main = peaks.main
    whole = np.abs(main.pipeline.signed) == 1.0
    z = main.pipeline.world.z[:, :2]
    out = Spells(("all",), whole[None])(z, main.pipeline.world.returns, main.pipeline.signed, main.main)
    assert out["spell.all.correlation"] == pytest.approx(main.statistics["correlation"], rel=1e-9)
    assert out["spell.all.score"] == pytest.approx(main.statistics["score"], rel=1e-6)


def test_the_pvalue_is_the_largest_of_its_parts(found):
    d = found.detail
    each = [value for name, value in d.items() if name.endswith(" pvalue") and name[:2] == "20"]
    assert len(each) == d["episodes"]
    assert d["each episode pvalue"] == max(each)
    assert found.pvalue == max(d["each episode pvalue"], d["moves pvalue"])
    contrasts = [value for name, value in d.items() if name.endswith(" contrast")]
    assert found.estimate == min(contrasts)


def test_draws_are_the_same_twice(peaks, found):
    again = every_episode(peaks.plan, peaks.sample, bootstrap("peaks", fresh=True).main, peaks.prices, SEED)
    assert again.pvalue == found.pvalue
    assert repr(again.detail) == repr(found.detail)  # bounds are NaN with so few draws


def test_moves_are_those_of_the_window(peaks):
    own, relative, why = largest_moves(peaks.plan, peaks.sample)
    assert why == ""
    weeks = peaks.sample.window["TECH"].groupby(peaks.sample.window.index.to_period("W-FRI")).sum()
    largest = weeks.abs().nlargest(own.detail["events"])
    assert np.isclose(own.events.iloc[0, 0], weeks[largest.index[0]])
    assert relative is not None
    assert own.detail["events"] == min(peaks.plan.events, own.detail["periods"] // 4)


def test_rules_have_no_law_of_one_episode():
    boot = bootstrap("peaks", dated=True)
    evidence = every_episode(boot.plan, boot.sample, boot.main, boot.prices, SEED)
    assert np.isnan(evidence.pvalue)
    assert "others in every draw" in evidence.reason


def test_short_episodes_and_missing_tech_are_said(peaks):
    from dataclasses import replace

    index = peaks.main.index
    dates = [(index[50], index[50 + SHORTEST - 2], 1), (index[300], index[400], 1)]
    short = replace(peaks.plan, episodes=ce.ReRating.from_dates(dates, name="short"))
    dummy = short.episodes.dummy(pd.DatetimeIndex(index)).to_numpy(float)
    main = replace(peaks.main, pipeline=replace(peaks.main.pipeline, signed=dummy))
    spells, why = spells_of(short, main)
    assert spells is None
    assert f"1 of the episodes have fewer than {SHORTEST} sessions" in why
    untold = replace(peaks.plan, tech=None)
    evidence = every_episode(untold, peaks.sample, peaks.main, peaks.prices, SEED)
    assert evidence.reason == "the plan names no tech column."


# --- the verdict


def judged(found, adjusted=None, **detail):
    from dataclasses import replace

    one = replace(found, detail={**found.detail, **detail})
    return judge_every(one, found.pvalue if adjusted is None else adjusted, alpha=0.05, sesoi=0.1)


def test_verdicts(found):
    label = found.detail["weakest"]
    assert judged(found, 0.01, **{"counter-examples": 0})[0] == "supported"
    assert judged(found, 0.2, **{"counter-examples": 0})[0] == "inconclusive"
    answer, reason = judged(found, 0.01, **{"counter-examples": 1, "counter-example": label})
    assert answer == "contradicted"
    assert f"in that of {label}" in reason
    assert judge_every(not_testable("H8", "why."), np.nan, alpha=0.05, sesoi=0.1) == ("not testable", "why.")
