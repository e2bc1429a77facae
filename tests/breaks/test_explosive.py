"""Recursive Dickey–Fuller tests against regressions written out, their invariances, their nulls, and what they find."""

from __future__ import annotations

import json
import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.breaks.bubble_dates import date_episodes, episode_frame, shortest_episode
from cryptoequity.breaks.explosive import ExplosiveTest, gsadf_test
from cryptoequity.breaks.explosive_null import (
    BootstrapWalk,
    PlainWalk,
    autoregression_of_steps,
    null_paths,
    sieve_walk,
    simulated_paths,
    wild_walk,
)
from cryptoequity.breaks.explosive_paths import choose_lag, default_window
from cryptoequity.errors import CryptoEquityWarning, DataError, SpecError
from cryptoequity.estimation.results import mark_filtered
from cryptoequity.kernels.explosive import adf_paths, adf_paths_lagged, adf_paths_walk, adf_prefixes

EXACT = {"rtol": 1e-9, "atol": 1e-9}


def walk(seed, nobs=120, level=0.0, scale=1.0) -> np.ndarray:
    return level + scale * np.random.default_rng(seed).standard_normal(nobs).cumsum()


def bubble(seed=0, nobs=200, first=80, last=110, root=1.03) -> np.ndarray:
    """A walk from 100 that grows at `root` from `first` to `last` and then falls back."""
    e = np.random.default_rng(seed).standard_normal(nobs)
    y = np.empty(nobs)
    y[0] = 100.0
    for t in range(1, nobs):
        y[t] = y[first - 1] + e[t] if t == last else (root if first <= t < last else 1.0) * y[t - 1] + e[t]
    return y


def by_regression(y, lag, window):
    """badf, bsadf and the starts from one least-squares regression a window."""
    d = np.diff(y)
    badf, bsadf, starts = [], [], []
    for end in range(lag + window, y.size):
        found = {}
        for first in range(lag + 1, end - window + 2):
            t = np.arange(first, end + 1)
            x = np.column_stack([np.ones(t.size), *(d[t - 2 - i] for i in range(lag)), y[t - 1] - y[end]])
            q, r = np.linalg.qr(x)
            beta = np.linalg.solve(r, q.T @ d[t - 1])
            e = d[t - 1] - x @ beta
            found[first - 1] = beta[-1] * abs(r[-1, -1]) / math.sqrt(e @ e / (t.size - x.shape[1]))
        badf.append(found[lag])
        starts.append(max(found, key=found.get))
        bsadf.append(found[starts[-1]])
    return np.array(badf), np.array(bsadf), np.array(starts)


# --- the kernels


@pytest.mark.parametrize("lag", [0, 1, 4])
@pytest.mark.parametrize(("level", "scale"), [(0.0, 1.0), (1e5, 0.01), (-3e7, 1.0)])
def test_every_window_equals_a_regression(lag, level, scale):
    y = walk(lag, 60, level, scale)
    badf, bsadf, starts = by_regression(y, lag, 15)
    whole, best, begin, singular, _ = adf_paths(y, lag, 15, lag + 15)
    np.testing.assert_allclose(whole, badf, **EXACT)
    np.testing.assert_allclose(best, bsadf, **EXACT)
    np.testing.assert_array_equal(begin, starts)
    assert singular == 0
    np.testing.assert_allclose(adf_prefixes(y, lag, 15), badf, **EXACT)


def test_an_explosion_of_eight_digits_keeps_its_statistics():
    y = np.random.default_rng(0).standard_normal(80)
    for t in range(1, 80):
        y[t] += 1.25 * y[t - 1]
    badf, bsadf, _ = by_regression(y, 0, 20)
    whole, best, _, singular, _ = adf_paths(y, 0, 20, 20)
    assert singular == 0
    assert abs(y[-1]) > 1e7
    np.testing.assert_allclose(whole, badf, rtol=1e-9)
    np.testing.assert_allclose(best, bsadf, rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3), st.integers(8, 30))
def test_the_leaner_loops_of_the_null_give_the_same(seed, lag, window):
    y = walk(seed, 90)
    whole, best, *_ = adf_paths(y, lag, window, lag + window)
    np.testing.assert_allclose(adf_paths_lagged(y, lag, window), (whole, best), **EXACT)
    if lag == 0:
        np.testing.assert_allclose(adf_paths_walk(np.diff(y), window), (whole, best), **EXACT)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(0, 2),
    st.floats(-1e4, 1e4),
    st.floats(1e-3, 1e3) | st.floats(-1e3, -1e-3),
)
def test_statistics_do_not_depend_on_level_unit_or_sign(seed, lag, a, b):
    y = walk(seed, 80)
    plain, moved = (adf_paths(one, lag, 16, lag + 16)[:2] for one in (y, a + b * y))
    np.testing.assert_allclose(moved, plain, rtol=1e-6, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3))
def test_the_future_changes_nothing_and_the_supremum_is_no_smaller(seed, lag):
    y = walk(seed, 90)
    whole, best, *_ = adf_paths(y, lag, 18, lag + 18)
    assert (whole <= best + 1e-12).all()
    np.testing.assert_array_equal(adf_paths(y[:70], lag, 18, lag + 18)[1], best[: 70 - lag - 18])
    np.testing.assert_array_equal(adf_paths(y, lag, 18, 80)[1], best[80 - lag - 18 :])


def test_the_last_value_is_the_dickey_fuller_statistic_of_others():
    from arch.unitroot import ADF
    from statsmodels.tsa.stattools import adfuller

    y = walk(3, 150)
    for lag in (0, 2):
        test = gsadf_test(y, lag=lag, draws=99)
        assert test.adf == test.badf.iloc[-1]
        assert test.adf == pytest.approx(
            adfuller(y, maxlag=lag, autolag=None, regression="c", result_object=False)[0], abs=1e-9
        )
        assert test.adf == pytest.approx(ADF(y, lags=lag, trend="c").stat, abs=1e-9)


# --- the test


def test_a_bubble_is_found_dated_and_goes_up():
    y = pd.Series(bubble(), pd.period_range("2001-01", periods=200, freq="M").to_timestamp(), name="price")
    test = gsadf_test(y, draws=199)
    assert isinstance(test, ExplosiveTest)
    assert test.pvalue == 1 / 200
    assert test.statistic == test.gsadf == test.path.max() > test.critical_values[0.01]
    dates = test.episodes(critical="family")
    assert len(dates) == 1
    one = dates.iloc[0]
    assert y.index[80] < one["start"] < y.index[100]
    assert y.index[105] <= one["peak"] <= one["last"] <= y.index[113]
    assert one["end"] == y.index[y.index.get_loc(one["last"]) + 1]
    assert one["duration"] == y.index.get_loc(one["last"]) - y.index.get_loc(one["start"]) + 1
    assert one["move"] == "up"
    assert one["change"] > 50
    assert not one["open"]
    assert test.starts.index.equals(test.bsadf.index)


def test_a_collapse_has_the_same_dates_and_goes_down():
    up, down = (gsadf_test(pd.Series(sign * bubble()), draws=99) for sign in (1, -1))
    one, two = up.episodes(), down.episodes()
    assert up.gsadf == pytest.approx(down.gsadf, abs=1e-9)
    pd.testing.assert_frame_equal(one[["start", "peak", "last"]], two[["start", "peak", "last"]])
    assert set(one["move"]) == {"up"}
    assert set(two["move"]) == {"down"}


def test_an_episode_at_the_end_is_open():
    y = bubble()[:108]
    last = gsadf_test(y, draws=99).episodes().iloc[-1]
    assert last["open"]
    assert last["last"] == 107
    assert last["end"] is None
    dated = gsadf_test(pd.Series(y, pd.bdate_range("2020-01-01", periods=108)), draws=99).episodes()
    assert pd.isna(dated["end"].iloc[-1])


def test_more_than_one_bubble_is_seen_by_the_supremum_over_starts_only():
    y = np.concatenate([bubble(2, 150, 60, 85, 1.05), bubble(12, 150, 90, 115)])
    double = gsadf_test(y, draws=99).episodes(critical="family")
    assert (double["start"] > 220).any()
    forward = gsadf_test(y, kind="sadf", draws=99).episodes(critical="family")
    assert not (forward["start"] > 220).any()


@pytest.mark.parametrize("kind", ["gsadf", "sadf", "adf"])
def test_result_of_each_kind(kind):
    test = gsadf_test(walk(1), kind=kind, draws=99)
    assert test.statistic == getattr(test, kind)
    assert test.gsadf >= test.sadf >= test.adf
    assert (test.badf <= test.bsadf).all()
    assert 1 / 100 <= test.pvalue <= 1
    assert test.critical_values[0.10] <= test.critical_values[0.05] <= test.critical_values[0.01]
    text = str(test.summary())
    assert "p-value" in text
    assert "explosive" in text
    assert json.dumps(test.to_dict())
    assert pickle.loads(pickle.dumps(test)).statistic == test.statistic
    assert "phillips" in test.cite()
    frame = test.to_frame()
    assert {"badf", "bsadf", "window start"} <= set(frame.columns)
    if kind == "adf":
        assert test.path is None
        with pytest.raises(SpecError, match="dates nothing"):
            test.episodes()
    else:
        assert (test.critical("family") == test.boundary).all()
        assert (frame["family"] >= frame["pointwise"]).mean() > 0.95
        if kind == "gsadf":
            assert (frame["psy"] >= frame["pointwise"]).mean() > 0.9
            assert (frame["psy"].diff().dropna() >= 0).all()
        else:
            with pytest.raises(SpecError, match="critical='pointwise'"):
                test.critical("psy")
        pd.testing.assert_series_equal(test.path, test.bsadf if kind == "gsadf" else test.badf)


def test_rejection_and_crossing_the_family_boundary_are_one_thing():
    for seed in range(12):
        test = gsadf_test(walk(seed, 100), draws=99, rng=seed)
        assert bool((test.path > test.boundary).any()) == (test.statistic > test.critical_values[0.05])
        assert (len(test.episodes(1, "family")) > 0) == (test.statistic > test.critical_values[0.05])


def test_windows_and_labels():
    y = pd.Series(walk(0, 100), pd.bdate_range("2020-01-01", periods=100))
    assert default_window(100) == 19
    assert default_window(547) == 47
    for lag in (0, 2):
        test = gsadf_test(y, lag=lag, draws=99)
        assert test.window == 19
        assert len(test.bsadf) == 100 - 19 - lag
        assert test.bsadf.index[0] == y.index[19 + lag]
        assert test.starts.iloc[0] == y.index[lag]
    assert len(gsadf_test(y, window=30, draws=99).bsadf) == 70


def test_a_lag_chosen_is_used_in_the_statistic_and_in_the_draws():
    rng = np.random.default_rng(5)
    d = np.zeros(400)
    for t in range(2, 400):
        d[t] = 0.2 * d[t - 1] + 0.5 * d[t - 2] + rng.standard_normal()
    y = d.cumsum()
    assert choose_lag(y, "bic", 5) == 2
    assert choose_lag(y, "aic", 5) >= 2
    chosen, given_ = (gsadf_test(y, lag=lag, draws=99, pvalue="sieve") for lag in ("bic", 2))
    assert chosen.lag == 2
    assert (chosen.gsadf, chosen.pvalue) == (given_.gsadf, given_.pvalue)
    assert chosen.options["lag chosen by"] == "bic"


# --- the nulls


def test_wild_draws_keep_every_change_where_it_was():
    changes = np.random.default_rng(0).standard_normal(50)
    drawn = wild_walk(changes).draw(np.random.default_rng(1))
    np.testing.assert_array_equal(np.abs(drawn), np.abs(changes))
    assert 5 < (drawn == changes).sum() < 45
    normal = wild_walk(changes, "normal").draw(np.random.default_rng(1))
    np.testing.assert_allclose(normal / changes, np.random.default_rng(1).standard_normal(50))


def test_sieve_draws_follow_their_recursion():
    phi, residuals, start = np.array([0.4, -0.2]), np.arange(1.0, 21.0), np.array([3.0, -1.0])
    drawn = BootstrapWalk(phi, residuals, start, future=5).draw(np.random.default_rng(2))
    assert drawn.size == 27
    np.testing.assert_array_equal(drawn[:2], start)
    shocks = drawn[2:] - 0.4 * drawn[1:-1] + 0.2 * drawn[:-2]
    np.testing.assert_allclose(np.abs(shocks[:20]), residuals)
    assert set(np.round(np.abs(shocks[20:]), 9)) <= set(residuals)
    mixed = BootstrapWalk(np.empty(0), residuals, np.empty(0), resample=True).draw(np.random.default_rng(2))
    assert len(set(np.abs(mixed))) < 20


def test_the_autoregression_of_changes_is_least_squares():
    d = np.random.default_rng(3).standard_normal(200)
    phi, residuals = autoregression_of_steps(d, 2)
    x = np.column_stack([np.ones(198), d[1:-1], d[:-2]])
    np.testing.assert_allclose(phi, np.linalg.lstsq(x, d[2:], rcond=None)[0][1:])
    assert abs(residuals.mean()) < 1e-12
    world = sieve_walk(d, 2)
    np.testing.assert_array_equal(world.start, d[:2])


def test_a_sieve_that_explodes_is_refused():
    y = 1.05 ** np.arange(120) + 0.01 * walk(1, 120)
    with pytest.raises(DataError, match=r"root of 1\.0.*pvalue='wild'"):
        gsadf_test(y, lag=1, pvalue="sieve", draws=99)


def test_draws_do_not_depend_on_threads_and_generators_move_on():
    y = walk(2)
    one, two = (gsadf_test(y, draws=99, rng=4, n_jobs=n_jobs) for n_jobs in (None, 2))
    assert one.pvalue == two.pvalue
    pd.testing.assert_frame_equal(one.pointwise, two.pointwise)
    rng = np.random.default_rng(0)
    first, second = (gsadf_test(y, draws=99, rng=rng).critical_values[0.05] for _ in range(2))
    assert first != second


def test_simulated_draws_are_kept_and_all_statistics_come_from_them():
    kept = simulated_paths(60, 0, 14, 99, 0)
    assert simulated_paths(60, 0, 14, 99, 0) is kept
    assert simulated_paths(60, 0, 14, 99, np.random.default_rng(0)) is not kept
    assert (kept.statistics("adf") <= kept.statistics("sadf")).all()
    assert (kept.statistics("sadf") <= kept.statistics("gsadf") + 1e-12).all()
    forward = null_paths(PlainWalk(60), 0, 14, 99, 0, both=False)
    np.testing.assert_allclose(forward.badf, kept.badf, **EXACT)
    with pytest.raises(SpecError, match="not drawn"):
        forward.path("gsadf")


@pytest.mark.parametrize("pvalue", ["wild", "sieve", "simulated"])
def test_pvalues_are_uniform_under_a_walk(pvalue):
    # one set of draws serves all samples where it does not depend on them
    found = [
        gsadf_test(walk([11, s], 60), draws=99, pvalue=pvalue, rng=0 if pvalue == "simulated" else s).pvalue
        for s in range(120)
    ]
    assert stats.kstest(found, "uniform").pvalue > 0.005


@pytest.mark.slow
def test_size_under_a_change_of_volatility():
    """The signs keep their size when the standard deviation triples; the simulated law does not."""
    rejections = {"wild": 0, "simulated": 0}
    for s in range(250):
        e = np.random.default_rng([12, s]).standard_normal(200)
        e[100:] *= 3.0
        for pvalue in rejections:
            rng = s if pvalue == "wild" else 0
            rejections[pvalue] += gsadf_test(e.cumsum(), draws=99, pvalue=pvalue, rng=rng).pvalue <= 0.05
    assert rejections["wild"] <= 25
    assert rejections["simulated"] >= 40


# --- dates


def test_runs_are_dated_by_hand():
    statistic = np.array([0.0, 2, 3, 1, 0, 5, 0, 2, 2, 4])
    critical = np.full(10, 0.5)
    assert date_episodes(statistic, critical) == [(1, 2, 3), (5, 5, 5), (7, 9, 9)]
    assert date_episodes(statistic, critical, 2) == [(1, 2, 3), (7, 9, 9)]
    assert date_episodes(statistic, critical + 9) == []
    y = np.array([0.0, 1, 1, 3, 2, 2, 2, 1, 1, 1, 0])
    frame = episode_frame(date_episodes(statistic, critical), y, pd.RangeIndex(1, 11))
    assert frame["move"].tolist() == ["up", "none", "down"]
    assert frame["change"].tolist() == [2.0, 0.0, -1.0]
    assert frame["end"].tolist() == [5, 7, None]
    assert frame["open"].tolist() == [False, False, True]
    assert episode_frame([], y, pd.bdate_range("2020-01-01", periods=10)).empty


def test_shortest_episodes():
    assert shortest_episode("log", 100) == math.log(100)
    assert shortest_episode(3, 100) == 3
    test = gsadf_test(bubble(), draws=99)
    assert len(test.episodes(1)) >= len(test.episodes("log")) >= len(test.episodes(40))
    for bad in ("sqrt", 0, 1.5, True):
        with pytest.raises(SpecError, match="min_duration"):
            shortest_episode(bad, 100)


# --- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "sup"}, "kind='sup'"),
        ({"pvalue": "iid"}, "pvalue='iid'"),
        ({"multiplier": "mammen"}, "multiplier='mammen'"),
        ({"lag": -1}, "lag=-1"),
        ({"lag": 1.0}, "lag=1.0"),
        ({"lag": "hq"}, "lag='hq'"),
        ({"max_lag": -2, "lag": "bic"}, "max_lag=-2"),
        ({"window": 0}, "window=0"),
        ({"draws": 50}, "draws=50"),
        ({"n_jobs": 0}, "n_jobs=0"),
        ({"resample": True}, "belongs to pvalue='sieve'"),
    ],
)
def test_unknown_choices_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        gsadf_test(walk(0), **{"draws": 99} | options)


def test_bad_series_are_refused():
    y = walk(0)
    with pytest.raises(DataError, match="too few"):
        gsadf_test(y[:15])
    with pytest.raises(DataError, match="constant"):
        gsadf_test(np.ones(100))
    with pytest.raises(DataError, match="missing"):
        gsadf_test(np.where(np.arange(120) == 7, np.nan, y))
    with pytest.raises(DataError, match="does not fit into the 119"):
        gsadf_test(y, window=120)
    with pytest.raises(DataError, match="cannot hold"):
        gsadf_test(y, window=6, lag=4)
    with pytest.raises(DataError, match="leaves"):
        gsadf_test(y, lag="bic", max_lag=100)
    with pytest.raises(DataError, match="path of conditional correlations"):
        gsadf_test(mark_filtered(pd.Series(y)))


def test_a_series_that_stands_still_is_refused_with_the_date():
    y = pd.Series(walk(0), pd.bdate_range("2020-01-01", periods=120))
    y.iloc[40:75] = y.iloc[40]
    with pytest.raises(DataError, match=rf"first ends at {y.index[59]:%Y-%m-%d}.*stands still"):
        gsadf_test(y, window=20, draws=99)
    assert gsadf_test(y, window=50, draws=99).window == 50
    line = walk(0)
    line[40:75] = line[40] + 0.1 * np.arange(35)
    with pytest.raises(DataError, match="moves without error"):
        gsadf_test(line, window=20, draws=99)


def test_returns_are_warned_about_and_small_levels_are_not():
    with pytest.warns(CryptoEquityWarning, match="looks like returns"):
        gsadf_test(np.random.default_rng(0).standard_normal(100), draws=99)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gsadf_test(0.01 * walk(0), draws=99)
