"""The specification curve: every rotation by force, the joint test against its definition, and its size."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

import cryptoequity as ce
from claim.worlds import prices_of, sample
from cryptoequity import plots
from cryptoequity.claim.headline import prepare
from cryptoequity.claim.pipeline import fit_pair
from cryptoequity.claim.placement import shift_test
from cryptoequity.claim.specifications import (
    COLUMNS,
    MODELS,
    SpecificationCurve,
    own_specification,
    rotated_contrasts,
    specification_curve,
    specification_test,
)
from cryptoequity.claim.statistics import contrast, correlation_contrast, score_contrast
from cryptoequity.claim.world import residuals
from cryptoequity.errors import SpecError


def spells(index, *pairs):
    return ce.ReRating.from_dates([(index[a], index[b], 1) for a, b in pairs], name="list")


def parts_of(x, y, known, score, info):
    """What `rotated_contrasts` reads, written out once more."""
    out = np.zeros((9, x.size))
    nx, ny = (stats.norm.ppf(stats.rankdata(a[known]) / (known.sum() + 1)) for a in (x, y))
    out[0, known] = 1.0
    for k, column in enumerate((x[known] ** 2, y[known] ** 2, x[known] * y[known], nx**2, ny**2, nx * ny)):
        out[k + 1, known] = column
    out[7, known], out[8, known] = score[known], info[known]
    return out, nx, ny


@given(st.integers(0, 2**31), st.integers(140, 230), st.booleans(), st.booleans())
@settings(max_examples=25, deadline=None)
def test_every_rotation_by_force(seed, nobs, guarded, holes):
    rng = np.random.default_rng(seed)
    x, y, score = rng.standard_t(4, (3, nobs))
    info = rng.uniform(0.5, 2.0, nobs)
    known = np.ones(nobs, bool)
    if holes:
        known[rng.integers(0, nobs, 20)] = False
    dummy = np.zeros(nobs)
    dummy[20:90] = 1.0
    if guarded:
        dummy[[18, 19, 90, 91]] = np.nan
    parts, nx, ny = parts_of(x, y, known, score, info)
    shifts = np.arange(nobs)
    found = rotated_contrasts(parts[None], (dummy == 1.0).astype(float), (dummy == 0.0).astype(float), shifts)[0]
    for k in rng.integers(0, nobs, 12):
        moved = np.roll(dummy, k)[known]
        if min((moved == 1.0).sum(), (moved == 0.0).sum()) < 30:
            assert np.isnan(found[:, k]).all()
            continue
        expected = [
            correlation_contrast(x[known], y[known], moved),
            contrast(x[known] * y[known], moved),
            score_contrast(score[known], info[known], moved),
            correlation_contrast(nx, ny, moved),
        ]
        assert_allclose(found[:, k], expected, atol=1e-10 * np.abs(parts).max())


# --- a plan with everything: altcoin, three equities, a rule, a break and a published date


@pytest.fixture(scope="module")
def case():
    returns = sample(1500, 11)
    alt = 0.6 * returns["COIN"] + np.random.default_rng(1).standard_normal(1500) * 3.0
    alt.iloc[:500] = np.nan
    prices = prices_of(returns)
    path = 100.0 * np.exp(alt.cumsum() / 100.0)
    prices["ALT"] = path.reindex(prices.index)
    index = pd.DatetimeIndex(returns.index)
    plan = ce.Plan(
        crypto="COIN",
        equity="SMALL",
        tech="TECH",
        market="MARKET",
        altcoins=("ALT",),
        episodes=spells(index, (350, 500), (700, 900), (1290, 1350)),
        alternatives=(ce.ReRating.from_relative_strength(prices["TECH"], prices["MARKET"]),),
        break_date=str(index[300].date()),
        published=str(index[1200].date()),
        draws=19,
    )
    core = ce.to_returns(prices[list(plan.core)], equities=list(plan.equities), sessions="SMALL", span="common")
    coins = ce.to_returns(prices[["COIN", "SMALL", "ALT"]], equities=["SMALL"], sessions="SMALL", span="common")
    prepared = prepare(core, plan, coins)
    return plan, prepared, SpecificationCurve.fit(plan, prepared)


def test_every_choice_is_there_once(case):
    plan, prepared, curve = case
    frame = curve.frame
    assert list(frame.columns) == COLUMNS
    assert not frame.duplicated(["definition", "equity", "edges", "coin", "sample", "model"]).any()
    assert set(frame["sample"]) == {"window", "ex-crash", "after publication", "from start"}
    assert set(frame["coin"]) == {"COIN", "ALT"}
    assert set(frame.loc[frame["coin"] == "ALT", "sample"]) == {"window", "ex-crash"}
    assert set(frame["model"]) == set(MODELS)
    assert set(frame["equity"]) == {"SMALL", "TECH", "MARKET"}
    assert sorted(set(frame["edges"])) == [-21, -10, 0, 10, 21]
    assert frame["pvalue"].between(0, 1, inclusive="right").all()
    joint = frame["joint"]
    assert (frame.loc[~joint, "sample"] == "from start").all()
    assert frame.loc[~joint, "pvalue_adjusted"].isna().all()
    assert (frame.loc[joint, "pvalue_adjusted"] >= frame.loc[joint, "pvalue"] - 1e-12).all()
    assert (frame.loc[joint, "pvalue_adjusted"] >= 1 / len(curve.rotations) - 1e-12).all()
    assert curve.failures == ()
    assert curve.own == own_specification(frame, plan)
    pd.testing.assert_frame_equal(specification_curve(plan, prepared), frame)


def test_rows_are_the_statistics_of_the_pipeline(case):
    plan, prepared, curve = case
    window = prepared.window
    z = {name: residuals(plan.margin(name), window[name].to_numpy())[0] for name in ("COIN", "SMALL", "MARKET")}
    pair = fit_pair(np.stack([z["COIN"], z["SMALL"]], axis=1), "t")
    dummy = plan.episodes.dummy(pd.DatetimeIndex(window.index)).to_numpy()
    rows = curve.frame[
        (curve.frame["definition"] == "list")
        & (curve.frame["edges"] == 0)
        & (curve.frame["coin"] == "COIN")
        & (curve.frame["equity"] == "SMALL")
    ].set_index(["sample", "model"])
    product = z["COIN"] * z["SMALL"]
    expected = {
        "correlation": correlation_contrast(z["COIN"], z["SMALL"], dummy),
        "product": contrast(product, dummy),
        "score": score_contrast(pair.score, pair.information, dummy),
    }
    for model, value in expected.items():
        assert rows.loc[("window", model), "estimate"] == pytest.approx(value, abs=1e-9)
    assert rows.loc[("window", "product"), "pvalue"] == pytest.approx(shift_test(product, dummy).pvalue)
    own = curve.frame.iloc[curve.own]
    assert own["estimate"] == rows.loc[("window", "correlation"), "estimate"]
    assert own["coverage"] == dummy.mean()
    # the 5 % of sessions on which the market's volatility is highest
    sigma = residuals(plan.margin("MARKET"), window["MARKET"].to_numpy())[1]
    calm = sigma <= np.quantile(sigma, 0.95)
    assert rows.loc[("ex-crash", "product"), "estimate"] == pytest.approx(contrast(product[calm], dummy[calm]))
    assert rows.loc[("ex-crash", "product"), "sessions"] == calm.sum()


def test_moved_episodes_come_in_from_before_the_window(case):
    plan, prepared, _ = case
    index = pd.DatetimeIndex(prepared.full.index)
    early = spells(index, (280, 420), (600, 800))
    curve = SpecificationCurve.fit(replace(plan, episodes=early, alternatives=(), altcoins=()), prepared, edges=(0, 10))
    rows = curve.frame[(curve.frame["sample"] == "window") & (curve.frame["model"] == "product")]
    inside = (rows["coverage"] * rows["sessions"]).round().groupby(rows["edges"]).first()
    start = len(prepared.full) - len(prepared.window)
    assert start > 280  # the first spell begins before the window: later by ten, ten more of its sessions are inside
    assert inside[10] - inside[0] == 10


def test_the_joint_statistics_are_what_they_say(case):
    _, _, curve = case
    frame = curve.frame
    for family, rows in (("fixed", frame["joint"] & (frame["circularity"] != "high")), ("all", frame["joint"])):
        part = frame[rows]
        observed = curve.joint.loc[family]["observed"]
        assert observed["median"] == pytest.approx(part["estimate"].median())
        assert observed["share"] == pytest.approx(((part["estimate"] > 0) & (part["pvalue"] <= 0.05)).mean())
        assert (curve.joint.loc[family]["specifications"] == len(part)).all()
        for name in ("median", "share", "maximum"):
            series = curve.rotations[family, name]
            assert series.iloc[0] == observed[name]
            p = curve.joint.loc[(family, name), "pvalue"]
            assert p == pytest.approx(np.mean(series >= series.iloc[0] - 1e-9))
            assert p >= 1 / len(series)
    # the smallest adjusted p-value is that of the maximum
    assert frame["pvalue_adjusted"].min() == pytest.approx(curve.joint.loc[("all", "maximum"), "pvalue"])


def test_what_is_told_and_drawn(case):
    _, _, curve = case
    result = specification_test(curve)
    assert result.pvalue == curve.joint.loc[("fixed", "median"), "pvalue"]
    assert result.detail["null"][0] == result.statistic
    assert specification_test(curve, "share").statistic == curve.joint.loc[("fixed", "share"), "observed"]
    text = curve.summary().to_text()
    assert "dated from prices" in text
    assert "contain the break" in text
    content = json.loads(json.dumps(curve.to_dict(), allow_nan=False, default=float))
    assert len(content["specifications"]) == len(curve.frame)
    assert "simonsohn2020" in curve.cite()
    ax = plots.specification_curve(curve)
    title = ax.get_title(loc="left")
    assert "joint p" in title
    with pytest.raises(SpecError, match="statistic"):
        specification_test(curve, "mean")
    with pytest.raises(SpecError, match="edges"):
        SpecificationCurve.fit(case[0], case[1], edges=(0, 0))


def test_only_definitions_from_prices_have_no_pvalue(case):
    plan, prepared, _ = case
    rule = plan.alternatives[0]
    curve = SpecificationCurve.fit(replace(plan, episodes=rule, alternatives=(), altcoins=()), prepared, edges=(0,))
    assert set(curve.joint.index.get_level_values(0)) == {"all"}
    result = specification_test(curve)
    assert np.isnan(result.pvalue)
    assert "dated from prices" in result.reason


def test_episodes_that_leave_nothing_make_an_empty_curve(case):
    plan, prepared, _ = case
    index = pd.DatetimeIndex(prepared.full.index)
    short = spells(index, (600, 610))
    curve = SpecificationCurve.fit(replace(plan, episodes=short, alternatives=(), altcoins=()), prepared)
    assert curve.frame.empty
    assert list(curve.frame.columns) == COLUMNS
    assert curve.own is None
    assert "30 sessions" in specification_test(curve).reason
    with pytest.raises(SpecError, match="empty"):
        plots.specification_curve(curve)


def test_guard_bands_count_on_neither_side(case):
    plan, prepared, curve = case
    guarded = SpecificationCurve.fit(
        replace(plan, guard="14D", alternatives=(), altcoins=()), prepared, edges=(0,)
    ).frame.iloc[0]
    dummy = plan.episodes.dummy(pd.DatetimeIndex(prepared.window.index), guard="14D")
    assert guarded["sessions"] == dummy.notna().sum()
    assert guarded["coverage"] == dummy.mean()
    assert guarded["estimate"] != curve.frame.iloc[curve.own]["estimate"]


def test_joint_pvalues_are_uniform_when_sessions_are_exchangeable():
    """The whole curve on independent sessions: rank of the observed placement among all, over 300 worlds."""
    rng = np.random.default_rng(5)
    nobs, found = 150, []
    dummies = np.zeros((2, nobs))
    dummies[0, 20:60], dummies[1, 30:75] = 1.0, 1.0
    for _ in range(300):
        x, y, w = rng.standard_t(5, (3, nobs))
        blocks = []
        for other in (y, w):
            block, _, _ = parts_of(x, other, np.ones(nobs, bool), x * other, np.ones(nobs))
            blocks.append(block)
        table = np.concatenate(
            [rotated_contrasts(np.stack(blocks), d, 1.0 - d, np.arange(nobs)).reshape(8, nobs) for d in dummies]
        )
        medians = np.median(table, axis=0)
        found.append(np.mean(medians >= medians[0]))
    assert stats.kstest(found, "uniform").pvalue > 0.01
