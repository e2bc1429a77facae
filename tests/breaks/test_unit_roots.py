"""Unit-root tests with breaks against regressions written out, their laws, what they find and what they refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.breaks.lee_strazicich import lee_strazicich_test, lm_path, lm_search
from cryptoequity.breaks.unit_root_search import choose, law_at, nested_sums, wild_differences
from cryptoequity.breaks.unit_roots import df_path, df_two, lumsdaine_papell_test, zivot_andrews_test
from cryptoequity.errors import DataError, SpecError

FORMS = {"intercept": 0, "trend": 1, "both": 2}


def walk(nobs: int, seed: int = 0) -> np.ndarray:
    return 100.0 + np.cumsum(np.random.default_rng(seed).standard_normal(nobs))


def t_of(x: np.ndarray, y: np.ndarray, column: int) -> tuple[float, float]:
    """t-value of a column and the sum of squares, by least squares."""
    beta, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    assert rank == x.shape[1]
    e = y - x @ beta
    ssr = float(e @ e)
    cov = ssr / (len(y) - x.shape[1]) * np.linalg.inv(x.T @ x)
    return float(beta[column] / np.sqrt(cov[column, column])), ssr


def df_by_hand(y: np.ndarray, dates: tuple[int, ...], lags: int, form: int) -> tuple[float, float]:
    dy, rows = np.diff(y), np.arange(lags + 1, len(y))
    columns = [y[rows - 1] - y.mean(), np.ones(len(rows)), rows / len(y)]
    columns += [dy[rows - 1 - i] for i in range(1, lags + 1)]
    for p in dates:
        if form != 1:
            columns.append((rows >= p) * 1.0)
        if form != 0:
            columns.append(np.where(rows >= p, rows - p + 1, 0) / len(y))
    return t_of(np.stack(columns, axis=1), dy[rows - 1], 0)


def lm_by_hand(y: np.ndarray, dates: tuple[int, ...], lags: int, trend: int) -> tuple[float, float]:
    t = np.arange(len(y), dtype=float)
    z = [t]
    for p in dates:
        z.append((t >= p) * 1.0)
        if trend:
            z.append(np.where(t >= p, t - p + 1, 0))
    z = np.stack(z, axis=1)
    dz, dy = np.diff(z, axis=0), np.diff(y)
    level = y - z @ np.linalg.lstsq(dz, dy, rcond=None)[0]
    level -= level[0]
    change, rows = np.diff(level), np.arange(lags + 1, len(y))
    lagged = [change[rows - 1 - i] for i in range(1, lags + 1)]
    return t_of(np.column_stack([level[rows - 1], *lagged, dz[rows - 1]]), dy[rows - 1], 0)


@pytest.mark.parametrize("form", [0, 1, 2])
@pytest.mark.parametrize("lags", [0, 3])
def test_every_date_is_the_regression_it_stands_for(form, lags):
    y = walk(90, 3)
    path = df_path(y, lags, lags + 1, 13, 77, form)
    for p in (13, 40, 77):
        np.testing.assert_allclose(path[:, p - 13], df_by_hand(y, (p,), lags, form), rtol=1e-9)


@pytest.mark.parametrize("trend", [0, 1])
@pytest.mark.parametrize("lags", [0, 1, 4])
def test_every_date_is_the_lm_regression(trend, lags):
    y = walk(80, 4)
    path = lm_path(y, lags, lags + 1, 8, 72, trend)
    for p in (8, 30, 72):
        np.testing.assert_allclose(path[:, p - 8], lm_by_hand(y, (p,), lags, trend), rtol=1e-8)


@pytest.mark.parametrize("form", [0, 1, 2])
def test_pairs_are_searched_completely(form):
    y = walk(34, 5)
    found = df_two(y, 1, 5, 29, form)
    values = {(a, b): df_by_hand(y, (a, b), 1, form)[0] for a in range(5, 30) for b in range(a + 2, 30)}
    assert found.positions == min(values, key=values.get)
    assert found.value == pytest.approx(min(values.values()), rel=1e-8)
    for a in (5, 14, 27):
        assert found.path[a - 5] == pytest.approx(min(v for k, v in values.items() if k[0] == a), rel=1e-8)


@pytest.mark.parametrize("trend", [0, 1])
@pytest.mark.parametrize("lags", [0, 2])
def test_pairs_are_searched_completely_by_the_lm_test(trend, lags):
    y = walk(34, 6)
    found = lm_search(y, 2, lags, 5, 29, trend)
    gap = 3 if trend else 2
    values = {(a, b): lm_by_hand(y, (a, b), lags, trend)[0] for a in range(5, 30) for b in range(a + gap, 30)}
    assert found.positions == min(values, key=values.get)
    assert found.value == pytest.approx(min(values.values()), rel=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.floats(-5, 5), st.sampled_from(list(FORMS)))
def test_statistics_do_not_feel_location_scale_drift_or_sign(seed, shift, scale, drift, form):
    y = walk(120, seed)
    moved = shift - scale * (y + drift * np.arange(120))
    for test, kind in ((zivot_andrews_test, form), (lee_strazicich_test, "trend" if form == "trend" else "crash")):
        one, two = (test(x, break_in=kind, lags=1) for x in (y, moved))
        assert two.statistic == pytest.approx(one.statistic, rel=1e-6, abs=1e-6)
        assert two.positions == one.positions


def test_lags_are_chosen_on_common_rows():
    rng = np.random.default_rng(1)
    x, e = rng.standard_normal((60, 5)), rng.standard_normal(60)
    y = x[:, 3] + e
    sums = nested_sums(x, y, 3)
    for k in range(4):
        beta = np.linalg.lstsq(x[:, : 2 + k], y, rcond=None)[0]
        assert sums[k] == pytest.approx(((y - x[:, : 2 + k] @ beta) ** 2).sum())
    assert choose(sums[:, None], "t-stat", 60, 2)[0] >= 2
    assert choose(sums[:, None], "bic", 60, 2)[0] == 2
    assert choose(sums[:1, None], "t-stat", 60, 2)[0] == 0
    table = np.array([[10.0, 10.0], [9.9, 5.0], [9.8, 4.95]])
    assert list(choose(table, "aic", 50, 4)) == [0, 1]


def test_each_date_may_choose_its_lags():
    rng = np.random.default_rng(8)
    steps = rng.standard_normal(160)
    for t in range(2, 160):
        steps[t] += 0.5 * steps[t - 2]
    y = np.cumsum(steps)
    for test in (zivot_andrews_test, lee_strazicich_test):
        each = test(y, lag_choice="each", max_lags=4, trim=0.1)
        assert set(each.chosen_lags) <= set(range(5))
        assert each.lags == each.chosen_lags[each.position]
        fixed = test(y, lags=each.lags, trim=0.1)
        assert fixed.path[each.position] == pytest.approx(each.statistic)
    two = lee_strazicich_test(y[:60], breaks=2, lag_choice="each", max_lags=2)
    assert two.statistic == pytest.approx(lm_by_hand(y[:60], two.positions, two.lags, 0)[0])
    assert zivot_andrews_test(y, lags="aic").chosen_lags is None


@pytest.mark.parametrize("break_in", list(FORMS))
def test_the_result_is_consistent_and_dated(break_in):
    index = pd.date_range("2015-01-01", periods=150, freq="B")
    late = np.maximum(np.arange(150) - 89, 0)
    jump = 0.5 * late if break_in == "trend" else 6.0 * (late > 0)
    y = pd.Series(np.random.default_rng(2).standard_normal(150) + jump, index, name="price")
    test = zivot_andrews_test(y, break_in=break_in, lags=1)
    assert test.statistic == pytest.approx(test.path.min()) == pytest.approx(test.regression.loc["level(-1)", "t"])
    assert test.break_date == test.path.idxmin() == test.break_dates[0]
    assert test.last_date == index[test.position - 1] == test.last_dates[0]
    assert test.pvalue < 0.01
    assert test.statistic < test.critical_values[0.01]
    assert test.critical_values[0.01] < test.critical_values[0.05] < test.critical_values[0.10]
    assert (test.boundary == test.critical_values[0.05]).all()
    assert len(test.boundary) == len(test.path)
    if break_in != "trend":
        assert test.position == 90
    text = str(test.summary())
    assert "without a break" in text
    assert "first observation of the new regime" in text
    assert test.to_dict()["detail"]["lags"] == 1
    assert "zivot1992" in test.cite()


def test_two_breaks_are_dated():
    t = np.arange(160)
    index = pd.period_range("1980-01", periods=160, freq="M")
    y = pd.Series(np.random.default_rng(1).standard_normal(160) + 7.0 * (t >= 50) - 7.0 * (t >= 110), index)
    for test in (lumsdaine_papell_test(y, break_in="intercept", lags=0), lee_strazicich_test(y, breaks=2, lags=0)):
        np.testing.assert_allclose(test.positions, (50, 110), atol=1)
        assert list(test.break_dates) == [index[p] for p in test.positions]
        assert str(test.detail["second break, first observation"]) == str(index[test.positions[1]])
        assert test.pvalue < 0.01
        assert test.to_dict()["position"] == test.positions[0]
        assert test.regression.loc["level(-1)", "t"] == pytest.approx(test.statistic)


def test_a_walk_that_breaks_is_no_rejection_of_the_lm_test():
    """Zivot-Andrews refuses a unit root without a break; the LM test knows that there may be one."""
    rejected = {"za": 0, "ls": 0}
    for seed in range(40):
        y = walk(120, seed)
        y[60:] += 20.0
        rejected["za"] += zivot_andrews_test(y, lags=0).pvalue <= 0.05
        rejected["ls"] += lee_strazicich_test(y, lags=0).pvalue <= 0.05
    assert rejected["za"] >= 30
    assert rejected["ls"] <= 7


def test_laws_lie_between_their_nodes():
    low, mid, high = (law_at("za:intercept", nobs, 0.15) for nobs in (100, 140, 200))
    for alpha in (0.10, 0.05, 0.01):
        assert (
            min(low.critical(alpha), high.critical(alpha))
            <= mid.critical(alpha)
            <= max(low.critical(alpha), high.critical(alpha))
        )
    assert law_at("za:intercept", 10**6, 0.15).critical() == law_at("za:intercept", 1000, 0.15).critical()
    assert law_at("ls1:crash", 200, 0.05).critical() > law_at("ls1:crash", 200, 0.2).critical()
    with pytest.raises(SpecError, match="trim"):
        law_at("lp:both", 200, 0.3)


@pytest.mark.parametrize(
    ("test", "options"),
    [
        (zivot_andrews_test, {"break_in": "intercept", "lags": 0}),
        (zivot_andrews_test, {"break_in": "both", "lags": 0, "trim": 0.0}),
        (lee_strazicich_test, {"lags": 0}),
        (lee_strazicich_test, {"break_in": "trend", "lags": 0}),
        (lumsdaine_papell_test, {"lags": 0}),
        (lee_strazicich_test, {"breaks": 2, "break_in": "trend", "lags": 0}),
    ],
)
def test_pvalues_are_uniform_on_random_walks(test, options):
    """At a T between the nodes; 400 walks, standard error of a rate 1.1 at 5 %."""
    from scipy import stats

    pvalues = np.array([test(walk(85, 1000 + seed), **options).pvalue for seed in range(400)])
    assert stats.kstest(pvalues, "uniform").pvalue > 0.001
    assert 0.02 <= (pvalues <= 0.05).mean() <= 0.09


def test_wild_bootstrap():
    y = walk(100, 2)
    one, two = (zivot_andrews_test(y, lags=1, pvalue="wild", draws=49, rng=3, n_jobs=jobs) for jobs in (None, 2))
    assert one.pvalue == two.pvalue
    assert one.pvalue >= 1 / 50
    assert 0.10 in one.critical_values
    assert 0.01 not in one.critical_values
    assert "bootstrap" in one.reference
    stationary = np.random.default_rng(0).standard_normal(100)
    assert lee_strazicich_test(stationary, lags=0, pvalue="wild", draws=39).pvalue <= 0.05
    assert lumsdaine_papell_test(stationary[:50], lags=0, pvalue="wild", draws=19).pvalue <= 0.1
    draw = wild_differences(y, 2)(np.random.default_rng(0))
    assert draw.size == y.size
    assert np.isfinite(draw).all()
    # the sizes of shocks stay at their dates
    louder = np.cumsum(np.random.default_rng(3).standard_normal(80) * np.where(np.arange(80) < 40, 1.0, 20.0))
    steps = np.abs(np.diff(wild_differences(louder, 0)(np.random.default_rng(1))))
    assert steps[45:].mean() > 8 * steps[:35].mean()
    with pytest.raises(DataError, match="order one"):
        zivot_andrews_test(np.exp(0.25 * np.arange(60)) + walk(60), lags=2, pvalue="wild", draws=19)


@pytest.mark.parametrize("test", [zivot_andrews_test, lumsdaine_papell_test, lee_strazicich_test])
def test_refusals(test):
    y = walk(100)
    with pytest.raises(DataError, match="too few"):
        test(y[:12])
    with pytest.raises(DataError, match="missing"):
        test(np.where(np.arange(100) == 5, np.nan, y))
    with pytest.raises(DataError, match="constant"):
        test(np.full(100, 3.0))
    with pytest.raises(SpecError, match="break_in"):
        test(y, break_in="variance")
    with pytest.raises(SpecError, match="lags"):
        test(y, lags=-1)
    with pytest.raises(SpecError, match="lags"):
        test(y, lags="hq")
    with pytest.raises(DataError, match="leaves no row"):
        test(y, lags=15, trim=0.1)
    with pytest.raises(SpecError, match="trim"):
        test(y, trim=0.6)
    with pytest.raises(SpecError, match="simulated"):
        test(y, trim=0.3)
    with pytest.raises(SpecError, match="pvalue"):
        test(y, pvalue="bootstrap")
    with pytest.raises(SpecError, match="draws"):
        test(y, pvalue="wild", draws=5)


def test_refusals_of_single_tests():
    y = walk(100)
    with pytest.raises(SpecError, match="breaks"):
        lee_strazicich_test(y, breaks=3)
    with pytest.raises(SpecError, match="lag_choice"):
        zivot_andrews_test(y, lag_choice="best")
    with pytest.raises(SpecError, match="above 0"):
        lee_strazicich_test(y, trim=0.0)
    with pytest.raises(DataError, match="row 1 of 30"):
        lee_strazicich_test(y[:30], trim=0.05)
    from cryptoequity.estimation.results import mark_filtered

    with pytest.raises(DataError, match="conditional correlations"):
        zivot_andrews_test(mark_filtered(pd.Series(y / 1000, name="rho")))
    stuck = np.repeat([1.0, 2.0], 40)
    kinked = np.where(np.arange(80) < 40, 0.3 * np.arange(80), 20 + 0.1 * np.arange(80))
    with pytest.raises(DataError, match="without noise"):
        zivot_andrews_test(stuck, lags=0)
    with pytest.raises(DataError, match="without noise"):
        lumsdaine_papell_test(kinked, lags=0)
    for breaks in (1, 2):
        with pytest.raises(DataError, match="without noise"):
            lee_strazicich_test(stuck, breaks=breaks, lags=0)
        with pytest.raises(DataError, match="without noise"):
            lee_strazicich_test(kinked, breaks=breaks, break_in="trend", lags=0)
    assert zivot_andrews_test(y, trim=0.0, lags=1).path.index[0] == 3
