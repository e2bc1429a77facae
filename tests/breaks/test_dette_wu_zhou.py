"""The test under moving variances: its lines, windows and multipliers written out, its size and power, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.breaks.correlation_null import normal_rows
from cryptoequity.breaks.dette_wu_zhou import (
    dette_wu_zhou_test,
    local_standardize,
    reaches,
    smooth,
    window_length,
    window_sums,
)
from cryptoequity.breaks.wied import wied_kraemer_dehling_test
from cryptoequity.errors import DataError, SpecError
from cryptoequity.kernels.correlation_breaks import local_lines, window_multiplier_peaks


def pairs(rho, nobs: int, seed: int) -> np.ndarray:
    u = np.random.default_rng(seed).standard_normal((nobs, 2))
    rho = np.broadcast_to(rho, nobs)
    return np.column_stack([u[:, 0], rho * u[:, 0] + np.sqrt(1 - rho**2) * u[:, 1]])


def test_lines_are_weighted_regressions_and_the_trace_their_leverage():
    y = np.random.default_rng(1).standard_normal((60, 2)) + np.arange(60)[:, None] / 10
    out = np.empty_like(y)
    trace = local_lines(y, 12, out)
    t = np.arange(60)
    leverage = 0.0
    for now in range(60):
        w = np.maximum(0.0, 1 - ((t - now) / 12) ** 2) * (np.abs(t - now) < 12)
        x = np.column_stack([np.ones(60), t - now])
        hat = np.linalg.solve(x.T @ (w[:, None] * x), x.T * w)[0]
        np.testing.assert_allclose(out[now], hat @ y, rtol=1e-10, atol=1e-12)
        leverage += hat[now]
    assert trace == pytest.approx(leverage, rel=1e-10)


def test_bandwidths_are_the_best_of_those_tried():
    rng = np.random.default_rng(2)
    t = np.linspace(0, 1, 500)
    y = np.column_stack([3 * np.sin(12 * t), 2 * t]) + rng.standard_normal((500, 2))
    candidates = reaches(500, None)
    assert candidates[0] == 25
    assert candidates[-1] == 200
    fitted, chosen = smooth(y, candidates, False)
    scores = []
    for reach in candidates:
        out = np.empty_like(y)
        trace = local_lines(y, reach, out)
        scores.append(np.mean((y - out) ** 2, axis=0) / (1 - trace / 500) ** 2)
    assert chosen == tuple(candidates[i] for i in np.argmin(scores, axis=0))
    assert chosen[0] < chosen[1]
    assert reaches(500, 0.1) == [50]
    assert np.corrcoef(fitted[:, 0], np.sin(12 * t))[0, 1] > 0.97


def test_columns_are_freed_of_their_moments():
    t = np.linspace(0, 1, 2000)
    z = pairs(0.4, 2000, 3)
    moving = z * np.column_stack([1 + 2 * t, np.exp(np.sin(6 * t))]) + np.column_stack([4 * t, np.cos(5 * t)])
    local = local_standardize(moving)
    np.testing.assert_allclose(local.z.std(axis=0), 1.0, atol=0.03)
    np.testing.assert_allclose(local.z, z, atol=1.2)
    assert np.corrcoef(local.z[:, 0], z[:, 0])[0, 1] > 0.99


def test_windows_and_multipliers_written_as_loops():
    psi = np.random.default_rng(4).standard_normal(80)
    sums, variance = window_sums(psi, 6)
    wanted = np.array([psi[j : j + 6].sum() - 6 / 80 * psi.sum() for j in range(75)])
    np.testing.assert_allclose(sums, wanted, atol=1e-12)
    assert variance == pytest.approx(np.sum(wanted**2) / (6 * 75))
    rows = normal_rows(75, 10, 5)
    peaks = window_multiplier_peaks(sums, rows, 0.5)
    for row, peak in zip(rows, peaks, strict=True):
        phi = np.cumsum(wanted * row)
        assert peak == pytest.approx(0.5 * np.abs(phi - np.arange(1, 76) / 75 * phi[-1]).max(), rel=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.integers(60, 1200), st.integers(0, 1000))
def test_window_is_within_its_bounds(nobs, seed):
    m = window_length(np.random.default_rng(seed).standard_normal(nobs))
    assert max(2, int(nobs**0.25)) <= m <= max(8, int(2 * nobs ** (1 / 3)))


def test_windows_measure_the_long_run_variance():
    rng = np.random.default_rng(6)
    e = rng.standard_normal(20_001)
    moving = e[1:] + 0.5 * e[:-1]
    assert window_sums(moving, 40)[1] == pytest.approx(1.5**2, rel=0.1)


def test_size_under_iid_pairs_and_under_a_variance_that_moves():
    nobs = 500
    ramp = np.where(np.arange(nobs) < nobs // 2, 1.0, 2.5)[:, None]
    level = {"iid": [], "moving": []}
    for seed in range(100):
        z = pairs(0.5, nobs, seed)
        level["iid"].append(dette_wu_zhou_test(z, draws=99, rng=seed).pvalue)
        level["moving"].append(dette_wu_zhou_test(z * ramp, draws=99, rng=seed).pvalue)
    for pvalues in level.values():
        assert np.mean(np.array(pvalues) <= 0.05) < 0.11
    assert stats.kstest(level["iid"], "uniform").statistic < 0.15


@pytest.mark.filterwarnings("ignore::cryptoequity.errors.CryptoEquityWarning")
def test_a_variance_break_is_no_break_of_the_correlation():
    ramp = np.where(np.arange(1000) < 500, 1.0, 3.0)[:, None]
    fooled, held = 0, 0
    for seed in range(20):
        z = pairs(0.5, 1000, seed) * ramp
        fooled += wied_kraemer_dehling_test(z, filter=None).pvalue <= 0.05
        held += dette_wu_zhou_test(z, draws=99).pvalue <= 0.05
    assert fooled >= 6
    assert held <= 3


def test_a_step_is_found_and_dated():
    z = pairs(np.where(np.arange(800) < 500, 0.1, 0.7), 800, 2) * np.linspace(1, 3, 800)[:, None]
    dates = pd.bdate_range("2017-01-02", periods=800)
    test = dette_wu_zhou_test(pd.DataFrame(z, dates, ["A", "B"]), draws=199)
    assert test.pvalue == pytest.approx(0.005)
    assert abs(test.position - 500) < 40
    assert test.break_date == dates[test.position]
    assert test.last_date == dates[test.position - 1]
    assert test.path.idxmax() == test.break_date
    assert test.statistic > test.critical_values[0.01]
    assert len(test.detail["bandwidths of variances"]) == 2
    assert "dettewuzhou2019" in test.cite()
    assert "windows" in str(test.summary())


def test_units_and_order_do_not_matter():
    z = pairs(0.4, 300, 7)
    base = dette_wu_zhou_test(z, draws=49)
    moved = dette_wu_zhou_test(z[:, ::-1] * [3.0, 0.2] + [7.0, -1.0], draws=49)
    assert moved.statistic == pytest.approx(base.statistic, rel=1e-7)
    assert moved.pvalue == base.pvalue
    assert dette_wu_zhou_test(z, draws=49, rng=1).statistic == base.statistic


def test_refusals():
    z = pairs(0.4, 300, 8)
    with pytest.raises(DataError, match="30 rows are too few"):
        dette_wu_zhou_test(z[:30])
    with pytest.raises(DataError, match="missing or infinite"):
        dette_wu_zhou_test(np.where(np.arange(300)[:, None] == 3, np.inf, z))
    with pytest.raises(DataError, match="'x1' is constant"):
        dette_wu_zhou_test(z * [0.0, 1.0])
    with pytest.raises(DataError, match="perfectly collinear"):
        dette_wu_zhou_test(z[:, [1, 1]])
    with pytest.raises(SpecError, match="bandwidth=2"):
        dette_wu_zhou_test(z, bandwidth=2)
    with pytest.raises(DataError, match="6 rows on each side are too few"):
        dette_wu_zhou_test(z, bandwidth=0.02)
    with pytest.raises(SpecError, match="window=100: at most 60"):
        dette_wu_zhou_test(z, window=100)
    with pytest.raises(SpecError, match="draws=5"):
        dette_wu_zhou_test(z, draws=5)
    spike = z.copy()
    spike[50, 0] = 1e4
    with pytest.raises(DataError, match=r"column 1: no line through its squares stays above zero"):
        dette_wu_zhou_test(spike, bandwidth=0.2)
