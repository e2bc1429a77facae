"""The fluctuation test against the paper's own formulas written as loops, its law, its bootstraps, its refusals."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from cryptoequity.breaks.correlation_null import (
    block_starts,
    correlation_of,
    influence,
    long_run_of,
    normal_rows,
    read_columns,
)
from cryptoequity.breaks.wied import fluctuation, fluctuation_draws, peak, wied_kraemer_dehling_test
from cryptoequity.correlation import DCC
from cryptoequity.errors import BoundaryWarning, CryptoEquityWarning, DataError, FilteredSeriesWarning, SpecError
from cryptoequity.estimation.long_run import LongRun
from cryptoequity.kernels.correlation_breaks import grow_correlation
from cryptoequity.volatility import GARCH, fit_margins


def correlated(rho, nobs: int, seed: int, nu: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    u = rng.standard_normal((nobs, 2))
    if nu:
        u *= np.sqrt((nu - 2) / rng.chisquare(nu, nobs))[:, None]
    rho = np.broadcast_to(rho, nobs)
    return np.column_stack([u[:, 0], rho * u[:, 0] + np.sqrt(1 - rho**2) * u[:, 1]])


def paper_statistic(x: np.ndarray, y: np.ndarray, first: int) -> tuple[float, int]:
    """Max of D j / sqrt(T) |rho_j - rho_T| with the paper's D: (D3 D2 D1 D2' D3')^(-1/2), one term at a time."""
    nobs = len(x)
    v = np.column_stack([x**2, y**2, x, y, x * y])
    v = v - v.mean(axis=0)
    gamma = int(np.log(nobs))
    d1 = np.zeros((5, 5))
    for t in range(nobs):
        for u in range(max(0, t - gamma), min(nobs, t + gamma + 1)):
            d1 += max(0.0, 1 - abs(t - u) / gamma) * np.outer(v[t], v[u]) / nobs
    mx, my = x.mean(), y.mean()
    d2 = np.array([[1, 0, -2 * mx, 0, 0], [0, 1, 0, -2 * my, 0], [0, 0, -my, -mx, 1.0]])
    vx, vy, cxy = np.mean(x * x) - mx**2, np.mean(y * y) - my**2, np.mean(x * y) - mx * my
    d3 = np.array([-0.5 * cxy * vx**-1.5 * vy**-0.5, -0.5 * cxy * vx**-0.5 * vy**-1.5, (vx * vy) ** -0.5])
    scale = (d3 @ d2 @ d1 @ d2.T @ d3) ** -0.5
    rho = np.corrcoef(x, y)[0, 1]
    moves = [scale * j / np.sqrt(nobs) * abs(np.corrcoef(x[:j], y[:j])[0, 1] - rho) for j in range(first, nobs)]
    return max(moves), first + int(np.argmax(moves))


@pytest.mark.parametrize("nu", [0.0, 5.0])
def test_statistic_is_the_papers(nu):
    z = correlated(0.5, 180, 1, nu) * [2.0, 0.3] + [5.0, -7.0]
    wanted, where = paper_statistic(z[:, 0], z[:, 1], 10)
    test = wied_kraemer_dehling_test(z, filter=None)
    assert test.statistic == pytest.approx(wanted, rel=1e-10)
    assert test.position == where
    assert test.pvalue == pytest.approx(stats.kstwobign.sf(wanted))
    assert test.critical_values[0.05] == pytest.approx(1.3581, abs=1e-4)


def test_growing_correlations_are_those_of_the_prefixes():
    z = correlated(-0.3, 120, 2) * [1.0, 40.0] + [1e4, 3.0]
    out = np.empty(120)
    grow_correlation(np.ascontiguousarray(z[:, 0]), np.ascontiguousarray(z[:, 1]), out)
    wanted = [np.corrcoef(z[:j].T)[0, 1] for j in range(3, 121)]
    np.testing.assert_allclose(out[2:], wanted, rtol=0, atol=1e-10)
    assert np.isnan(out[0])


def test_path_and_date_follow_the_convention():
    z = correlated(np.where(np.arange(400) < 250, -0.5, 0.7), 400, 3)
    dates = pd.bdate_range("2020-01-01", periods=400)
    test = wied_kraemer_dehling_test(pd.DataFrame(z, dates, ["A", "B"]), filter=None)
    assert test.position is not None
    assert abs(test.position - 250) < 15
    assert test.break_date == dates[test.position]
    assert test.last_date == dates[test.position - 1]
    assert test.path is not None
    assert test.path.idxmax() == test.break_date
    assert test.path.index[0] == dates[10]
    assert test.path.max() == test.statistic
    before = np.corrcoef(z[: test.position].T)[0, 1]
    assert test.detail["correlation before the date"] == pytest.approx(before)
    assert test.pvalue < 1e-6
    frame = test.to_frame()
    assert list(frame.columns) == ["statistic", "boundary"]
    assert "Wied" in str(test.summary())
    assert "wied2012" in test.cite()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(0.01, 100.0),
    st.floats(-50.0, 50.0),
    st.sampled_from([1.0, -1.0]),
)
def test_affine_changes_and_swapping_leave_it_alone(seed, scale, shift, sign):
    z = correlated(0.3, 150, seed, 6.0)
    long_run = long_run_of(None, 150)

    def statistic(x, y):
        return fluctuation(np.ascontiguousarray(x), np.ascontiguousarray(y), 10, long_run).statistic

    base = statistic(z[:, 0], z[:, 1])
    assert statistic(z[:, 1], z[:, 0]) == pytest.approx(base, rel=1e-9)
    assert statistic(sign * scale * z[:, 0] + shift, z[:, 1]) == pytest.approx(base, rel=1e-6)


def test_pvalues_are_uniform_under_iid_normal_pairs():
    rng = np.random.default_rng(21)
    u = rng.standard_normal((1500, 600, 2))
    z = (
        np.concatenate([u[..., :1], 0.4 * u[..., :1] + np.sqrt(1 - 0.16) * u[..., 1:]], axis=-1)
        .transpose(1, 2, 0)
        .copy()
    )
    long_run = long_run_of(None, 600)
    pvalues = stats.kstwobign.sf([peak(x, y, 10, long_run) for x, y in z])
    # the peak of 600 steps lies a little below that of a continuous bridge
    assert stats.kstest(pvalues, "uniform").statistic < 0.06
    assert np.mean(pvalues <= 0.05) == pytest.approx(0.05, abs=0.017)


# --- drawn p-values


@pytest.mark.parametrize("length", [1, 7])
def test_block_draws_are_the_statistic_of_resampled_pairs(length):
    z = correlated(0.3, 100, 4)
    x, y = z[:, 0].copy(), z[:, 1].copy()
    long_run = long_run_of(None, 100)
    found = fluctuation(x, y, 10, long_run)
    draws = fluctuation_draws(x, y, found, 10, long_run, "block", length, 25, 11)
    for start, draw in zip(block_starts(100, length, 25, 11), draws, strict=True):
        rows = np.concatenate([np.arange(s, s + length) for s in start])[:100]
        assert draw == pytest.approx(fluctuation(x[rows], y[rows], 10, long_run).statistic, rel=1e-10)


def test_any_long_run_variance_can_be_drawn():
    z = correlated(0.3, 150, 4)
    x, y = z[:, 0].copy(), z[:, 1].copy()
    bartlett = LongRun("bartlett", 5.0)
    centered = LongRun("bartlett", 5.0, center=True)
    assert peak(x, y, 10, bartlett) == pytest.approx(fluctuation(x, y, 10, centered).statistic, rel=1e-10)
    whitened = LongRun("qs", "andrews", prewhiten=True)
    test = wied_kraemer_dehling_test(z, filter=None, long_run=whitened, pvalue="block", draws=49)
    psi = influence(z)[0]
    omega = np.sqrt(whitened.covariance(psi)[0, 0])
    assert test.detail["long-run standard deviation"] == pytest.approx(omega)
    assert 0 < test.pvalue <= 1


def test_multiplier_draws_are_bridges_of_multiplied_blocks():
    z = correlated(0.3, 90, 5)
    x, y = z[:, 0].copy(), z[:, 1].copy()
    found = fluctuation(x, y, 10, long_run_of(None, 90))
    draws = fluctuation_draws(x, y, found, 10, long_run_of(None, 90), "multiplier", 8, 20, 3)
    for row, draw in zip(normal_rows(12, 20, 3), draws, strict=True):
        run = np.cumsum(found.psi * np.repeat(row, 8)[:90])
        bridge = np.abs(run - np.arange(1, 91) / 90 * run[-1])[9:]
        assert draw * found.omega == pytest.approx(bridge.max() / np.sqrt(90), rel=1e-10)


@pytest.mark.parametrize("how", ["block", "multiplier"])
def test_drawn_pvalues_agree_with_the_law_under_iid_pairs(how):
    pvalues = [
        wied_kraemer_dehling_test(correlated(0.4, 300, seed), filter=None, pvalue=how, draws=99).pvalue
        for seed in range(150)
    ]
    assert stats.kstest(pvalues, "uniform").pvalue > 0.001
    stepped = correlated(np.where(np.arange(400) < 200, 0.0, 0.8), 400, 1)
    test = wied_kraemer_dehling_test(stepped, filter=None, pvalue=how, draws=199)
    assert test.pvalue == pytest.approx(1 / 200)
    assert "of 8" in test.reference


def wandering(nobs: int, seed: int) -> pd.DataFrame:
    """Returns of a DCC(.05, .93) with GARCH margins."""
    rng = np.random.default_rng(seed)
    q = target = np.array([[1.0, 0.4], [0.4, 1.0]])
    z = np.empty((nobs, 2))
    for t in range(nobs):
        r = q[0, 1] / np.sqrt(q[0, 0] * q[1, 1])
        u = rng.standard_normal(2)
        z[t] = u[0], r * u[0] + np.sqrt(1 - r * r) * u[1]
        q = 0.02 * target + 0.05 * np.outer(z[t], z[t]) + 0.93 * q
    out = np.empty_like(z)
    for i in range(2):
        variance = 1.0
        for t in range(nobs):
            out[t, i] = np.sqrt(variance) * z[t, i]
            variance = 0.05 + 0.08 * out[t, i] ** 2 + 0.87 * variance
    return pd.DataFrame(out, pd.bdate_range("2015-01-01", periods=nobs), ["A", "B"])


def test_against_a_fitted_dcc_a_wandering_correlation_is_no_break():
    asymptotic, drawn = [], []
    for seed in range(6):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BoundaryWarning)
            margins = fit_margins(wandering(700, seed))
        asymptotic.append(wied_kraemer_dehling_test(margins).pvalue <= 0.05)
        drawn.append(wied_kraemer_dehling_test(margins, pvalue="dcc", draws=19, rng=seed).pvalue <= 0.05)
    assert sum(asymptotic) >= 2
    assert sum(drawn) <= 1


@pytest.mark.filterwarnings("ignore::cryptoequity.errors.BoundaryWarning")
def test_dcc_null_reads_margins_returns_and_fits_alike():
    returns = wandering(500, 1)
    margins = fit_margins(returns, GARCH(dist="t"))
    by_margins = wied_kraemer_dehling_test(margins, pvalue="dcc", draws=29, rng=5)
    by_returns = wied_kraemer_dehling_test(returns, pvalue="dcc", draws=29, rng=5)
    by_fit = wied_kraemer_dehling_test(DCC().fit(margins), pvalue="dcc", draws=29, rng=5)
    assert by_margins.pvalue == by_returns.pvalue == by_fit.pvalue
    assert "DCC(1,1)" in by_margins.reference
    assert "29 samples" in by_margins.reference
    assert "beyond it" in by_margins.null
    swapped = wied_kraemer_dehling_test(margins, ("B", "A"), pvalue="dcc", draws=29, rng=5)
    assert swapped.statistic == pytest.approx(by_margins.statistic, rel=1e-9)
    assert swapped.pvalue == by_margins.pvalue


@pytest.mark.filterwarnings("ignore::cryptoequity.errors.BoundaryWarning")
def test_residuals_are_those_of_the_filter_asked_for():
    returns = wandering(400, 2)
    margins = fit_margins(returns, GARCH(asymmetric=True))
    assert (
        wied_kraemer_dehling_test(returns, filter=GARCH(asymmetric=True)).statistic
        == wied_kraemer_dehling_test(margins).statistic
    )
    assert "GJR" in wied_kraemer_dehling_test(returns, filter=GARCH(asymmetric=True)).options["data"]


# --- what it must refuse


def test_raw_returns_are_warned_about():
    rng = np.random.default_rng(0)
    scale = np.exp(lfilter([0.2], [1, -0.97], rng.standard_normal(600)))
    raw = correlated(0.3, 600, 1) * scale[:, None]
    with pytest.warns(CryptoEquityWarning, match=r"'x1': squares are autocorrelated"):
        wied_kraemer_dehling_test(raw, filter=None)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda z: z[:40], "40 rows are too few"),
        (lambda z: np.where(np.arange(300)[:, None] == 7, np.nan, z), r"'x1' has 1 missing.*first at 7"),
        (lambda z: z * [1.0, 0.0], "'x2' is constant"),
        (lambda z: z[:, [0, 0]], "perfectly collinear"),
        (lambda z: z[:, :1], "has two columns; there are 1"),
        (lambda z: np.column_stack([z, z[:, 0] ** 2]), r"there are 3: name two of them with pair="),
        (lambda z: z[:, 0], "frame or an array"),
        (lambda z: np.where(np.arange(300)[:, None] < 20, 0.0, z), "constant over its first 20 rows"),
    ],
)
def test_bad_columns_are_refused(spoil, message):
    with pytest.raises(DataError, match=message):
        wied_kraemer_dehling_test(spoil(correlated(0.3, 300, 1)), filter=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pvalue": "wild"}, "pvalue='wild' is not known"),
        ({"pvalue": "dcc"}, "draws returns from fitted margins"),
        ({"first": 2}, "first=2"),
        ({"first": 298}, "first=298: at most 297"),
        ({"draws": 9, "pvalue": "block"}, "draws=9"),
        ({"block": 100, "pvalue": "block"}, "at most 60"),
        ({"long_run": 5}, "pass LongRun"),
        ({"filter": "egarch"}, "filter='egarch' is not known"),
        ({"pair": "AB"}, "name two different columns"),
        ({"pair": ("x1", "x1")}, "name two different columns"),
    ],
)
def test_bad_choices_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        wied_kraemer_dehling_test(correlated(0.3, 300, 1), **{"filter": None, **options})


def test_short_returns_and_unknown_columns_are_refused():
    frame = pd.DataFrame(correlated(0.3, 100, 1), columns=["A", "B"])
    with pytest.raises(DataError, match="100 rows are too few, at least 250"):
        wied_kraemer_dehling_test(frame)
    with pytest.raises(DataError, match="no column 'C'; there are 'A', 'B'"):
        wied_kraemer_dehling_test(frame, ("A", "C"), filter=None)


def test_paths_are_not_observations():
    rng = np.random.default_rng(1)
    path = np.tanh(lfilter([0.05], [1, -0.98], rng.standard_normal((300, 2)), axis=0))
    with pytest.warns(CryptoEquityWarning) as caught:
        wied_kraemer_dehling_test(path, filter=None)
    assert any(issubclass(one.category, FilteredSeriesWarning) for one in caught)


def test_reading_keeps_order_and_marks():
    frame = pd.DataFrame(correlated(0.2, 80, 1), columns=["A", "B"])
    read = read_columns(frame, ("B", "A"), None)
    assert read.names == ("B", "A")
    np.testing.assert_array_equal(read.z, frame[["B", "A"]].to_numpy())
    np.testing.assert_allclose(correlation_of(read.z), np.corrcoef(read.z.T), atol=1e-14)
    assert np.isnan(correlation_of(read.z[:2])).all()
