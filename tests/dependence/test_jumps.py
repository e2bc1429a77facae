"""Joint jumps: days by loops, p-values by enumeration, dependence that is and is not there; effects in every spell."""

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.dependence.every_spell import every_spell_test
from cryptoequity.dependence.jumps import cojump_episode_test, cojump_test, jump_days, lee_mykland_statistic
from cryptoequity.errors import DataError, SpecError
from cryptoequity.volatility import GARCH

DATES = pd.bdate_range("2020-01-01", periods=800)


def noise(nobs, seed):
    return np.random.default_rng(seed).standard_normal((nobs, 2))


def frame(e):
    return pd.DataFrame(e, DATES[: len(e)], ["COIN", "TECH"])


def episodes(nobs=800):
    out = pd.Series(0, DATES[:nobs])
    out.iloc[50:200] = 1
    out.iloc[400:550] = 1
    return out


# --- what a jump is


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), window=st.integers(3, 20))
def test_lee_mykland_by_loop(seed, window):
    r = noise(60, seed)[:, 0]
    wanted = np.full(60, np.nan)
    for t in range(window - 1, 60):
        total = sum(abs(r[j]) * abs(r[j - 1]) for j in range(t - window + 2, t))
        wanted[t] = r[t] / np.sqrt(total / (window - 2))
    np.testing.assert_allclose(lee_mykland_statistic(r, window), wanted, rtol=1e-10)


def test_lee_mykland_keeps_its_level_and_finds_jumps():
    # over 200 series without jumps some day counts in about one of twenty, as the largest of T days should
    quiet = [jump_days(noise(1000, k)[:, 0], "lee-mykland", 0.05, 250).any() for k in range(200)]
    assert np.mean(quiet) < 0.12
    r = noise(1000, 1)[:, 0]
    r[[400, 700]] += [12.0, -12.0]
    assert set(np.flatnonzero(jump_days(r, "lee-mykland", 0.05, 250))) == {400, 700}
    # no knowledge of the day itself in its scale
    assert not jump_days(r, "lee-mykland", 0.05, 250)[:249].any()


def test_quantile_and_sd_rules():
    r = np.concatenate([np.arange(-50.0, 50.0), [300.0, -400.0]])
    assert np.flatnonzero(jump_days(r, "quantile", 0.02)).tolist() == [100, 101]
    assert np.flatnonzero(jump_days(r, "sd", 4.0)).tolist() == [100, 101]
    assert jump_days(r, "quantile", 0.3).sum() == 31
    assert jump_days(7 * r + 3, "quantile", 0.3).tolist() == jump_days(r, "quantile", 0.3).tolist()


@pytest.mark.parametrize(("rule", "level"), [("sd", 0.0), ("quantile", 0.6), ("lee-mykland", 0.0), ("bns", 0.1)])
def test_rules_refuse(rule, level):
    with pytest.raises(SpecError):
        jump_days(noise(100, 1)[:, 0], rule, level)


def test_window_is_checked():
    with pytest.raises(SpecError, match="window=2"):
        lee_mykland_statistic(noise(100, 1)[:, 0], 2)


def test_flat_days_are_no_jumps():
    r = noise(100, 1)[:, 0]
    r[:40] = 0.0
    bits = jump_days(r, "lee-mykland", 0.05)
    assert not bits[:41].any()


# --- how many


def test_count_and_expectation():
    e = noise(400, 2)
    found = cojump_test(*e.T, level=0.1)
    one, two = (np.abs(e[:, i] - np.median(e[:, i])) for i in (0, 1))
    joint = (one >= np.sort(one)[-40]) & (two >= np.sort(two)[-40])
    assert found.statistic == joint.sum() == found.detail["joint jumps"]
    assert found.detail["expected if independent"] == 4.0
    assert found.detail["expected"] == pytest.approx(4.0)  # the mean over all shifts is the same number
    assert list(found.to_frame().index) == np.flatnonzero(joint).tolist()
    json.dumps(found.to_dict())
    assert "joint jumps" in str(found.summary())


@pytest.mark.parametrize("same_sign", [False, True])
def test_shift_is_every_shift(same_sign):
    e = noise(200, 3)
    found = cojump_test(*e.T, level=0.2, same_sign=same_sign)
    one, two = (jump_days(e[:, i], "quantile", 0.2) for i in (0, 1))
    law = []
    for k in range(200):
        x, y, a, b = np.roll(e[:, 0], k), e[:, 1], np.roll(one, k), two
        law.append(((x * y > 0) & a & b).sum() if same_sign else (a & b).sum())
    assert found.pvalue == pytest.approx(np.mean(np.array(law) >= law[0]))
    np.testing.assert_array_equal(np.sort(found.detail["null"]), np.sort(law))


def test_hypergeometric_by_enumeration():
    e = noise(100, 4)
    found = cojump_test(*e.T, level=0.05, pvalue="hypergeometric")
    k = int(found.statistic)
    ways = [len(set(range(5)) & set(one)) for one in combinations(range(12), 4)]
    # a small urn by hand, the large one by the same function
    from scipy import stats

    assert np.mean(np.array(ways) >= 2) == pytest.approx(stats.hypergeom.sf(1, 12, 5, 4))
    assert found.pvalue == pytest.approx(stats.hypergeom.sf(k - 1, 100, 5, 5))


@pytest.mark.parametrize("pvalue", ["shift", "hypergeometric", "dcc"])
def test_common_jumps_are_found(pvalue):
    e = noise(800, 5)
    days = np.random.default_rng(1).choice(800, 16, replace=False)
    e[days] += 6.0 * np.random.default_rng(2).choice([-1.0, 1.0], (16, 1))
    e /= e.std(0)
    assert cojump_test(*e.T, level=0.03, pvalue=pvalue, draws=39).pvalue <= 0.05
    quiet = noise(800, 6)
    assert cojump_test(*quiet.T, level=0.03, pvalue=pvalue, draws=39).pvalue > 0.05


def test_a_correlation_alone_is_no_more_than_the_model_gives():
    e = noise(800, 7)
    e[:, 1] = 0.7 * e[:, 0] + np.sqrt(0.51) * e[:, 1]
    assert cojump_test(*e.T).pvalue < 0.01
    model = cojump_test(*e.T, pvalue="dcc", draws=39)
    assert model.pvalue > 0.05
    assert model.detail["expected"] > 2 * model.detail["expected if independent"]


def test_draws_do_not_depend_on_workers():
    data = frame(noise(400, 8))
    one, two = (
        cojump_test(data["COIN"], data["TECH"], pvalue="dcc", draws=19, rng=2, n_jobs=n, margins=GARCH()).detail["null"]
        for n in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_refusals():
    e = noise(400, 9)
    x, y = e.T
    with pytest.raises(DataError, match="jumps on 0 of 400 days"):
        cojump_test(x, y, rule="sd", level=9.0)
    with pytest.raises(SpecError, match="not directions"):
        cojump_test(x, y, pvalue="hypergeometric", same_sign=True)
    with pytest.raises(SpecError, match="pvalue"):
        cojump_test(x, y, pvalue="block")
    with pytest.raises(DataError, match="constant"):
        cojump_test(x * 0, y)
    with pytest.raises(DataError, match="too few"):
        cojump_test(x[:20], y[:20])
    with pytest.raises(DataError, match="missing"):
        cojump_test(np.where(x > 2, np.nan, x), y)


# --- inside and outside


@pytest.mark.parametrize("pvalue", ["block", "shift", "dcc"])
def test_episodes_with_joint_jumps(pvalue):
    inside = episodes()
    e = noise(800, 10)
    rho = np.where(inside == 1, 0.9, 0.0)
    e[:, 0] = rho * e[:, 1] + np.sqrt(1 - rho**2) * e[:, 0]
    data = frame(e)
    found = cojump_episode_test(data["COIN"], data["TECH"], inside, pvalue=pvalue, draws=39)
    assert found.pvalue <= 0.05
    assert found.detail["share joined inside"] > 0.5 > 0.2 > found.detail["share joined outside"]
    assert found.to_frame()["inside"].sum() == found.detail["joined inside"]
    assert found.to_frame()["same direction"].all()


def test_shifted_contrasts_by_loop():
    inside = episodes(400)
    e = noise(400, 11)
    data = frame(e)
    found = cojump_episode_test(data["COIN"], data["TECH"], inside, pvalue="shift", same_sign=False, level=0.2)
    one, two = (jump_days(e[:, i], "quantile", 0.2) for i in (0, 1))
    bits, law = inside.to_numpy() == 1, []
    for k in range(400):
        moved = np.roll(bits, k)
        law.append((one & two & moved).sum() / (two & moved).sum() - (one & two & ~moved).sum() / (two & ~moved).sum())
    np.testing.assert_allclose(np.sort(found.detail["null"]), np.sort(law), atol=1e-12)
    assert found.statistic == pytest.approx(law[0])
    assert found.pvalue == pytest.approx(np.mean(np.array(law) >= law[0] - 1e-12))


def test_more_jumps_inside_are_not_joint_jumps():
    inside = episodes()
    e = noise(800, 12)
    e[:, 1] *= np.where(inside == 1, 3.0, 1.0)
    data = frame(e / e.std(0))
    found = cojump_episode_test(data["COIN"], data["TECH"], inside, pvalue="block", level=0.2, draws=99)
    assert found.detail["jumps of y inside"] > 3 * found.detail["jumps of y outside"]
    assert found.pvalue > 0.05


def test_episodes_without_jumps_are_refused():
    data = frame(noise(800, 13))
    with pytest.raises(DataError, match="days inside the episodes"):
        cojump_episode_test(data["COIN"], data["TECH"], [(DATES[0], DATES[20])], level=0.05)


# --- every spell


def test_every_spell_is_the_weakest():
    rng = np.random.default_rng(14)
    null = rng.standard_normal((999, 3)) * [0.1, 0.2, 0.3]
    found = every_spell_test(pd.Series([0.5, 0.4, 0.9], ["2020", "2022", "2024"]), null)
    each = [(1 + (null[:, k] >= v).sum()) / 1000 for k, v in enumerate((0.5, 0.4, 0.9))]
    np.testing.assert_allclose(found.spells["p-value"], each)
    assert found.pvalue == max(each)
    assert found.detail["weakest episode"] == "2022"
    assert found.detail["counter-examples"] == 0
    assert list(found.to_frame().index) == ["2020", "2022", "2024"]
    assert "berger1982" in found.cite()


def test_upper_bounds_are_order_statistics():
    null = np.tile(np.arange(-500.0, 499.0)[:, None], (1, 2)) / 100
    found = every_spell_test([-5.0, 5.0], null)
    # 2.5 % of 999 draws: the 25th from below
    assert found.spells["upper bound"].tolist() == pytest.approx([-5.0 + 4.76, 5.0 + 4.76])
    assert found.spells["counter-example"].tolist() == [True, False]
    assert every_spell_test([-4.7, 5.0], null).detail["counter-examples"] == 0
    assert every_spell_test([-4.7, 5.0], null, smallest=0.1).detail["counter-examples"] == 1


def test_sizes_of_the_intersection_union():
    # nothing anywhere: a rejection of all and any false counter-example are both at most at their level;
    # effects in all but one: the rejection is at its level
    rng = np.random.default_rng(15)
    null = rng.standard_normal((499, 3))
    draws = rng.standard_normal((600, 3))
    empty = [every_spell_test(x, null) for x in draws]
    assert np.mean([test.pvalue <= 0.05 for test in empty]) < 0.01
    assert np.mean([test.detail["counter-examples"] > 0 for test in empty]) < 0.08
    edge = [every_spell_test(np.add(x, [9.0, 0.0, 9.0]), null).pvalue <= 0.05 for x in draws]
    assert 0.02 < np.mean(edge) < 0.09


def test_few_draws_have_no_bound():
    found = every_spell_test([-9.0, 1.0, 1.0], np.random.default_rng(16).standard_normal((39, 3)))
    assert found.spells["upper bound"].isna().all()
    assert found.detail["counter-examples"] == 0
    assert "need 59 draws" in found.reason


@pytest.mark.parametrize(
    ("estimates", "null", "options", "error", "match"),
    [
        ([], np.zeros((9, 0)), {}, DataError, "one number an episode"),
        ([1.0, 2.0], np.zeros((99, 3)), {}, DataError, "one column for each of the 2"),
        ([1.0, np.nan], np.ones((99, 2)), {}, DataError, "'2' is missing"),
        ([1.0, 2.0], np.ones((99, 2)), {}, DataError, "do not vary"),
        ([1.0], np.full((99, 1), np.nan), {}, DataError, "99 of 99 draws are missing"),
        (["a"], np.zeros((99, 1)), {}, DataError, "must be numbers"),
        ([1.0, 2.0], np.eye(2), {"labels": ["x", "x"]}, SpecError, "each once"),
        ([1.0, 2.0], np.eye(2), {"labels": ["x"]}, SpecError, "one name for each"),
        ([1.0, 2.0], np.eye(2), {"alpha": 0.9}, SpecError, "alpha"),
        ([1.0, 2.0], np.eye(2), {"smallest": np.inf}, SpecError, "smallest"),
    ],
)
def test_every_spell_refuses(estimates, null, options, error, match):
    with pytest.raises(error, match=match):
        every_spell_test(estimates, null, **options)


def test_failed_draws_are_counted():
    null = np.random.default_rng(17).standard_normal((199, 2))
    null[3, 0] = np.nan
    assert every_spell_test([1.0, 2.0], null).detail["draws that failed"] == 1
