"""Fluctuation tests: identities of the processes, their laws against simulation, dates, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.breaks import fluctuation_laws as laws
from cryptoequity.breaks import fluctuation_processes as processes
from cryptoequity.breaks.fluctuation import cusum_test, fluctuation_test, mosum_test
from cryptoequity.breaks.limits import limit_laws
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.long_run import LongRun
from cryptoequity.kernels.fluctuation import order_statistics_inside, recursive_residuals

seeds = st.integers(0, 10_000)


def world(seed, nobs=80, width=2):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((nobs, width))
    return x @ rng.standard_normal(width) + rng.standard_normal(nobs), x, rng


def every_test(y, x):
    yield cusum_test(y, x)
    yield cusum_test(y, x, kind="recursive")
    yield cusum_test(y, x, kind="squares")
    yield cusum_test(y, x, kind="squares", fourth="normal")
    yield mosum_test(y, x)
    yield mosum_test(y, x, kind="recursive")
    for kind in ("recursive", "moving", "score", "score-moving"):
        yield fluctuation_test(y, x, kind=kind)
    yield fluctuation_test(y, x, kind="score", variance=True, functional="meanL2")


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(0.01, 100), st.floats(-50, 50))
def test_invariant_to_scale_and_to_what_the_regressors_explain(seed, scale, slope):
    y, x, _ = world(seed)
    for one, two in zip(every_test(y, x), every_test(scale * y + slope * x[:, 0] + slope, x), strict=True):
        np.testing.assert_allclose(two.statistic, one.statistic, rtol=1e-6, err_msg=one.name)
        assert two.position == one.position


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_sums_are_invariant_to_a_change_of_regressors(seed):
    y, x, rng = world(seed)
    turned = x @ rng.standard_normal((2, 2)) + rng.standard_normal(2)
    for test in (cusum_test, mosum_test):
        for kind in ("ols", "recursive"):
            np.testing.assert_allclose(test(y, turned, kind=kind).statistic, test(y, x, kind=kind).statistic, rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 4))
def test_recursive_residuals_and_coefficients(seed, width):
    y, x, _ = world(seed, 40, width)
    w, coefficients, _ = recursive_residuals(y, x)
    assert np.all(w[:width] == 0)
    full = np.linalg.lstsq(x, y, rcond=None)[0]
    np.testing.assert_allclose(w @ w, np.sum((y - x @ full) ** 2), rtol=1e-10)
    for t in (width, 20, 39):
        inverse = np.linalg.inv(x[:t].T @ x[:t])
        before = inverse @ x[:t].T @ y[:t]
        wanted = (y[t] - x[t] @ before) / np.sqrt(1 + x[t] @ inverse @ x[t])
        np.testing.assert_allclose(w[t], wanted, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(coefficients[t - 1], before, rtol=1e-5, atol=1e-6)


def test_recursive_residuals_are_an_orthogonal_map():
    """w = C y with C C' = I and C X = 0: for white errors they are white."""
    _, x, _ = world(1, 12, 3)
    matrix = np.stack([recursive_residuals(row, x)[0] for row in np.eye(12)], axis=1)[3:]
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(9), atol=1e-12)
    np.testing.assert_allclose(matrix @ x, 0, atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_ends_and_equalities(seed):
    y, x, _ = world(seed)
    assert abs(cusum_test(y, x).detail["process"].iloc[-1, 0]) < 1e-10
    np.testing.assert_allclose(fluctuation_test(y, x).detail["process"].iloc[-1], 0, atol=1e-10)
    np.testing.assert_allclose(fluctuation_test(y, x, kind="score").detail["process"].iloc[-1], 0, atol=1e-10)
    np.testing.assert_allclose(
        fluctuation_test(y).detail["process"].to_numpy(), cusum_test(y).detail["process"].to_numpy(), atol=1e-10
    )
    np.testing.assert_allclose(
        fluctuation_test(y, kind="moving").detail["process"].to_numpy(),
        mosum_test(y).detail["process"].to_numpy(),
        atol=1e-10,
    )
    # the other way around in time, the same moves with the other sign
    np.testing.assert_allclose(cusum_test(y[::-1]).statistic, cusum_test(y).statistic, rtol=1e-9)


def test_estimates_written_out():
    y, x, _ = world(5, 60, 1)
    design = np.column_stack([np.ones(60), x])
    e = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    sigma = np.sqrt(e @ e / 58)
    full = np.linalg.lstsq(design, y, rcond=None)[0]
    recursive, moving = (
        processes.recursive_estimates(y, design, True, None),
        processes.moving_estimates(y, design, 12, True, None),
    )
    plain = processes.recursive_estimates(y, design, False, None)
    for t in (2, 30, 59):
        part = design[:t]
        move = np.linalg.lstsq(part, y[:t], rcond=None)[0] - full
        root = processes.symmetric_root(part.T @ part / t)
        np.testing.assert_allclose(recursive[t], root @ move * t / (sigma * np.sqrt(60)), atol=1e-9)
        root = processes.symmetric_root(design.T @ design / 60)
        np.testing.assert_allclose(plain[t], root @ move * t / (sigma * np.sqrt(60)), atol=1e-9)
    for s in (0, 20, 48):
        part = design[s : s + 12]
        move = np.linalg.lstsq(part, y[s : s + 12], rcond=None)[0] - full
        wanted = processes.symmetric_root(part.T @ part / 12) @ move * 12 / (sigma * np.sqrt(60))
        np.testing.assert_allclose(moving[s], wanted, atol=1e-9)


def test_dates_are_the_first_row_of_the_new_regime():
    rng = np.random.default_rng(0)
    y = 0.4 * rng.standard_normal(200)
    y[120:] += 3.0
    dated = pd.Series(y, pd.date_range("2020-01-01", periods=200), name="r")
    for test in (
        cusum_test(dated),
        fluctuation_test(dated),
        fluctuation_test(dated, kind="score", functional="meanL2"),
    ):
        assert test.position == 120
        assert test.break_date == dated.index[120]
        assert test.last_date == dated.index[119]
        assert test.pvalue < 1e-6
        assert test.path is not None
        assert test.path.idxmax() == test.break_date
    loud = rng.standard_normal(400)
    loud[250:] *= 4  # dated to some rows: one large square moves it
    assert cusum_test(loud, kind="squares").position == pytest.approx(250, abs=8)
    late = cusum_test(dated, kind="recursive")
    assert late.position is None
    assert "2020-04-30" <= late.detail["crossing"] <= "2020-05-25"
    for test in (mosum_test(dated), cusum_test(dated, functional="range")):
        assert test.position is None
        assert test.pvalue < 1e-4


def test_boundary_is_where_the_test_rejects():
    y, x, _ = world(8, 150)
    y[90:] += 0.7
    for test in every_test(y, x):
        if test.boundary is None:
            continue
        assert test.path is not None
        crossed = bool((test.path > test.boundary).any())
        assert crossed == (test.statistic > test.critical_values[0.05])
        assert (test.pvalue < 0.05) == (test.statistic > test.critical_values[0.05])
        assert list(test.to_frame().columns) == ["statistic", "boundary"]
        assert test.name in str(test.summary())
        assert test.to_dict()["statistic"] == test.statistic
        assert test.cite().startswith("@")
    slope = cusum_test(y, x, kind="recursive").boundary
    np.testing.assert_allclose(slope.iloc[-1] / slope.iloc[0], 3 / (1 + 2 / 147))


def test_which_coefficient():
    y, x, _ = world(9, 400)
    y[200:] += 2.0 * x[200:, 1]
    assert fluctuation_test(y, x).detail["column"] == "x2"
    assert fluctuation_test(y, x, kind="moving").detail["column"] == "x2"


def test_long_run_variance_repairs_correlated_errors():
    rng = np.random.default_rng(2)
    long_run = LongRun("qs", "andrews", prewhiten=True)
    plain = repaired = 0
    for _ in range(60):
        e = rng.standard_normal(400)
        y = np.empty(400)
        y[0] = e[0]
        for t in range(1, 400):
            y[t] = 0.6 * y[t - 1] + e[t]
        plain += cusum_test(y).pvalue < 0.05
        repaired += cusum_test(y, long_run=long_run).pvalue < 0.05
    assert plain > 25
    assert repaired < 10


# laws


def test_known_points_of_exact_laws():
    # Kolmogorov; Kuiper's asymptotic points; Anderson and Darling's (1952) of the Cramér–von Mises integral; Hansen's
    # (1992) of two and five dimensions; Brown, Durbin and Evans'
    np.testing.assert_allclose(laws.law_of_cusum("max", 1).critical(0.05), 1.3581, atol=5e-5)
    np.testing.assert_allclose(laws.law_of_cusum("range", 1).critical(0.05), 1.7473, atol=5e-5)
    for alpha, value in ((0.10, 0.34730), (0.05, 0.46136), (0.01, 0.74346)):
        np.testing.assert_allclose(laws.law_of_cusum("meanL2", 1).critical(alpha), value, atol=1e-5)
    np.testing.assert_allclose(laws.law_of_cusum("meanL2", 2).critical(0.05), 0.749, atol=3e-3)
    np.testing.assert_allclose(laws.law_of_cusum("meanL2", 5).critical(0.05), 1.47, atol=6e-3)
    for alpha, value in ((0.10, 0.850), (0.05, 0.948), (0.01, 1.143)):
        np.testing.assert_allclose(laws.law_of_recursive_cusum().critical(alpha), value, atol=1e-3)


@pytest.mark.parametrize("columns", [1, 3])
def test_mean_square_against_its_series(columns):
    """The integral is a sum of chi-squares with weights (pi j)^-2."""
    rng = np.random.default_rng(0)
    weights = 1 / (np.pi * np.arange(1, 200)) ** 2
    draws = rng.chisquare(columns, (20_000, 199)) @ weights
    for level in (0.5, 0.1, 0.02):
        x = float(np.quantile(draws, 1 - level))
        tail = laws.cramer_von_mises_tail(x, columns)
        assert abs(tail - level) < 4 * np.sqrt(level * (1 - level) / 20_000)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["max", "range", "meanL2"]), st.integers(1, 6), st.floats(0.001, 0.5))
def test_critical_values_invert_p_values(functional, columns, alpha):
    law = laws.law_of_cusum(functional, columns)
    np.testing.assert_allclose(law.pvalue(law.critical(alpha)), alpha, rtol=1e-6)


@pytest.mark.parametrize("count", [3, 20, 200])
def test_band_of_order_statistics(count):
    rng = np.random.default_rng(count)
    u = np.sort(rng.random((20_000, count)), axis=1)
    distance = np.abs(u - np.arange(1, count + 1) / (count + 1)).max(axis=1)
    for half in np.quantile(distance, [0.3, 0.9, 0.99]):
        inside = order_statistics_inside(count, float(half))
        share = float(np.mean(distance <= half))
        assert abs(inside - share) < 4.5 * np.sqrt(share * (1 - share) / 20_000)
    if count == 3:
        # all of three within a band that holds everything, and within one that holds nothing
        assert order_statistics_inside(3, 1.0) == pytest.approx(1.0, abs=1e-12)
        assert order_statistics_inside(3, 0.0) == pytest.approx(0.0, abs=1e-12)


def test_one_order_statistic():
    """|U - 1/2| <= c has probability 2c."""
    np.testing.assert_allclose(order_statistics_inside(1, 0.2), 0.4, rtol=1e-12)


def test_exact_law_of_squares():
    """At even t; the odd ones in between add a little."""
    rng = np.random.default_rng(1)
    squares = rng.standard_normal((20_000, 40)) ** 2
    shares = np.cumsum(squares, axis=1)[:, 1:-1:2] / squares.sum(axis=1, keepdims=True)
    distance = np.abs(shares - np.arange(2, 40, 2) / 40).max(axis=1) * np.sqrt(20)
    law = laws.law_of_squares(20.0, True)
    for level in (0.1, 0.05, 0.01):
        assert abs(np.mean(distance > law.critical(level)) - level) < 4 * np.sqrt(level / 20_000)
        np.testing.assert_allclose(law.pvalue(law.critical(level)), level, rtol=1e-3)
    # Kolmogorov's law from below, and half a pair lies between its neighbors
    points = [laws.law_of_squares(pairs, True).critical(0.05) for pairs in (20.0, 20.5, 21.0, 400.0)]
    assert points == sorted(points)
    assert points[-1] < stats.kstwobign.isf(0.05)


def test_simulated_laws_of_moving_sums():
    """Against paths of 800 steps and what a grid of 800 lacks: .5826 standard deviations of a step (Chernoff 1965)."""
    rng = np.random.default_rng(7)
    path = np.zeros((6000, 801))
    np.cumsum(rng.standard_normal((6000, 800)) / np.sqrt(800), axis=1, out=path[:, 1:])
    lack = 0.5826 * np.sqrt(2 / 800)
    bridge = path - path[:, -1:] * np.linspace(0, 1, 801)
    for motion, process in (("motion", path), ("bridge", bridge)):
        rise = process[:, 120:] - process[:, :-120]
        for functional, values, ends in (("max", np.abs(rise).max(axis=1), 1), ("range", np.ptp(rise, axis=1), 2)):
            if motion == "motion" and functional == "range":
                continue
            law = laws.law_of_moving_sums(functional, 0.15, 1, motion)
            for level in (0.2, 0.05):
                share = np.mean(values + ends * lack > law.critical(level))
                assert abs(share - level) < 4 * np.sqrt(level / 6000)


def test_bandwidths_between_those_of_the_table():
    at = [laws.law_of_moving_sums("max", h).critical(0.05) for h in (0.1, 0.11, 0.125)]
    assert at == sorted(at)
    exact = limit_laws("fluctuation")["increments-bridge-max-0.1"].critical(0.05)
    assert at[0] == pytest.approx(exact)
    assert len(limit_laws("fluctuation")) == 3 * len(laws.BANDWIDTHS) + len(laws.PERIODS) * (
        1 + len(laws.MONITOR_BANDWIDTHS)
    )


@pytest.mark.parametrize("kind", ["ols", "recursive", "squares"])
def test_size_of_cusums(kind):
    rng = np.random.default_rng(11)
    p = np.array([cusum_test(rng.standard_normal(300), kind=kind).pvalue for _ in range(400)])
    assert 0.01 < np.mean(p < 0.05) < 0.08
    assert 0.4 < p.mean() < 0.68  # discrete time falls short of the limit


# what is refused


def test_refusals():
    y, x, _ = world(0)
    with pytest.raises(SpecError, match="'max' alone"):
        cusum_test(y, kind="recursive", functional="range")
    with pytest.raises(SpecError, match="kind='squares'"):
        cusum_test(y, fourth="normal")
    with pytest.raises(SpecError, match="independent errors"):
        cusum_test(y, kind="squares", fourth="normal", long_run=LongRun())
    with pytest.raises(SpecError, match="kind="):
        cusum_test(y, kind="OLS")
    with pytest.raises(SpecError, match=r"between 0\.02 and 0\.5"):
        mosum_test(y, bandwidth=0.6)
    with pytest.raises(SpecError, match="cumulative processes"):
        fluctuation_test(y, kind="moving", functional="meanL2")
    with pytest.raises(SpecError, match="for the scores"):
        fluctuation_test(y, variance=True)
    with pytest.raises(DataError, match="cannot identify"):
        fluctuation_test(y, x, kind="moving", bandwidth=0.03)
    with pytest.raises(DataError, match="window of 1"):
        mosum_test(y, bandwidth=0.02)


def test_unusable_data():
    y, x, _ = world(0)
    with pytest.raises(DataError, match="too few"):
        cusum_test(y[:10])
    with pytest.raises(DataError, match="missing"):
        cusum_test(np.where(np.arange(80) == 5, np.nan, y))
    with pytest.raises(DataError, match="constant"):
        cusum_test(np.ones(50))
    with pytest.raises(DataError, match="fits y exactly"):
        cusum_test(x[:, 0] * 2 + 1, x)
    with pytest.raises(DataError, match="recursive residuals are too few"):
        cusum_test(y[:22], np.random.default_rng(0).standard_normal((22, 18)), kind="recursive")
    dummy = (np.arange(80) > 40).astype(float)
    with pytest.raises(DataError, match="first 2 rows do not identify"):
        cusum_test(y, dummy, kind="recursive")
    with pytest.raises(DataError, match="first 2 rows do not identify"):
        fluctuation_test(y, dummy)
    with pytest.raises(DataError, match="window of rows 0 to 11"):
        fluctuation_test(y, dummy, kind="moving")
    assert cusum_test(y, dummy).pvalue > 0
    assert fluctuation_test(y, dummy, kind="score").pvalue > 0
