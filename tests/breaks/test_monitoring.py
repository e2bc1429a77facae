"""Monitoring: processes written out, boundaries, answers that later data leave alone, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.breaks import fluctuation_laws as laws
from cryptoequity.breaks.fluctuation_processes import symmetric_root
from cryptoequity.breaks.monitoring import Monitor, boundary_at
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.long_run import LongRun

KINDS = ("ols-cusum", "ols-mosum", "re", "me")


def world(seed, nobs=400, width=1):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((nobs, width))
    return 0.5 + x.sum(axis=1) + rng.standard_normal(nobs), x


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(101, 399), max_size=4, unique=True))
def test_later_data_change_nothing(kind, seed, cuts):
    """In one piece, in several, or with other data afterwards."""
    y, x = world(seed)
    whole = Monitor(kind=kind, period=4).fit(y[:100], x[:100]).update(y[100:], x[100:])
    parts = Monitor(kind=kind, period=4).fit(y[:100], x[:100])
    for first, end in zip([100, *sorted(cuts)], [*sorted(cuts), 400], strict=True):
        parts = parts.update(y[first:end], x[first:end])
    np.testing.assert_allclose(parts.process.to_numpy(), whole.process.to_numpy(), rtol=0, atol=1e-9)
    assert parts.crossing_position == whole.crossing_position
    other = y.copy()
    other[250:] += 50.0
    early = Monitor(kind=kind, period=4).fit(y[:100], x[:100]).update(other[100:], x[100:])
    np.testing.assert_allclose(early.process.to_numpy()[:150], whole.process.to_numpy()[:150], rtol=0, atol=1e-9)
    if whole.crossing_position is not None and whole.crossing_position < 250:
        assert early.crossing_position == whole.crossing_position


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 50), st.floats(-20, 20))
def test_invariance(seed, scale, slope):
    y, x = world(seed, 200)
    z = scale * y + slope * x[:, 0] + slope
    for kind in KINDS:
        one = Monitor(kind=kind).fit(y[:80], x[:80]).update(y[80:], x[80:])
        two = Monitor(kind=kind).fit(z[:80], x[:80]).update(z[80:], x[80:])
        np.testing.assert_allclose(two.process.to_numpy(), one.process.to_numpy(), rtol=1e-6, atol=1e-7)


def test_processes_written_out():
    y, x = world(3, 160)
    design = np.column_stack([np.ones(160), x])
    past = np.linalg.lstsq(design[:60], y[:60], rcond=None)[0]
    e = y - design @ past
    scale = np.sqrt(e[:60] @ e[:60] / 58 * 60)
    fits = {
        kind: Monitor(kind=kind, bandwidth=0.5, rescale=kind != "me").fit(y[:60], x[:60]).update(y[60:], x[60:])
        for kind in KINDS
    }
    np.testing.assert_allclose(fits["re"].coefficients, past)
    for k in (61, 100, 160):
        row = k - 61
        np.testing.assert_allclose(fits["ols-cusum"].process.iloc[row, 0], e[:k].sum() / scale)
        np.testing.assert_allclose(fits["ols-mosum"].process.iloc[row, 0], e[k - 30 : k].sum() / scale)
        now = np.linalg.lstsq(design[:k], y[:k], rcond=None)[0]
        wanted = symmetric_root(design[:k].T @ design[:k] / k) @ (now - past) * k / scale
        np.testing.assert_allclose(fits["re"].process.iloc[row], wanted, atol=1e-9)
        now = np.linalg.lstsq(design[k - 30 : k], y[k - 30 : k], rcond=None)[0]
        wanted = symmetric_root(design[:60].T @ design[:60] / 60) @ (now - past) * 30 / scale
        np.testing.assert_allclose(fits["me"].process.iloc[row], wanted, atol=1e-9)


def test_estimates_of_a_mean_are_sums():
    y, _ = world(4, 300)
    for one, two in (("re", "ols-cusum"), ("me", "ols-mosum")):
        fits = [Monitor(kind=kind, period=4).fit(y[:100]).update(y[100:]) for kind in (one, two)]
        np.testing.assert_allclose(fits[0].process.to_numpy(), fits[1].process.to_numpy(), atol=1e-9)
        assert fits[0].critical == fits[1].critical


def test_boundaries():
    t = np.array([1.01, 2.0, np.e, 10.0])
    np.testing.assert_allclose(boundary_at("moving", 2.0, t)[:3], 2.0 * np.sqrt(2.0))
    np.testing.assert_allclose(boundary_at("moving", 2.0, t)[3], 2.0 * np.sqrt(2.0 * np.log(10.0)))
    # Chu, Stinchcombe and White (1996): a^2 = 7.78 at 5 %, 6.25 at 10 %, without an end
    for alpha, square in ((0.05, 7.78), (0.10, 6.25)):
        assert laws.monitoring_critical("cumulative", alpha, 1, None) ** 2 == pytest.approx(square, abs=0.04)
        assert laws.robbins_siegmund_tail(laws.monitoring_critical("cumulative", alpha, 1, None)) == pytest.approx(
            alpha
        )
    by_period = [laws.monitoring_critical("cumulative", 0.05, 1, p) for p in (1.5, 2.0, 2.5, 10.0, 25.0, None)]
    assert by_period == sorted(by_period)
    by_width = [laws.monitoring_critical("moving", 0.05, 1, 10.0, h) for h in (0.1, 0.2, 0.5, 0.9, 1.0)]
    assert by_width == sorted(by_width)
    assert laws.monitoring_critical("moving", 0.05, 3, 10.0) > laws.monitoring_critical("moving", 0.05, 1, 10.0)


@pytest.mark.parametrize(("shape", "period"), [("cumulative", 3.0), ("moving", 3.0)])
def test_boundary_holds_its_level(shape, period):
    """Brownian paths in 300 steps a history; a grid crosses less often than a path, but not by much."""
    rng = np.random.default_rng(5)
    n, draws = 300, 4000
    path = np.cumsum(rng.standard_normal((draws, int(period * n))), axis=1) / np.sqrt(n)
    path -= path[:, n - 1 : n] * np.arange(1, period * n + 1) / n
    critical = laws.monitoring_critical(shape, 0.1, 1, period, 0.5)
    times = np.arange(n + 1, period * n + 1) / n
    process = path[:, n:] if shape == "cumulative" else path[:, n:] - path[:, n - n // 2 : -(n // 2)]
    crossed = (np.abs(process) > boundary_at(shape, critical, times)).any(axis=1)
    assert 0.07 < crossed.mean() < 0.11


@pytest.mark.parametrize("kind", KINDS)
def test_finds_a_change_soon(kind):
    dates = pd.date_range("2020-01-01", periods=400)
    y, x = world(1)
    y[200:] += 1.5
    series, frame = pd.Series(y, dates, name="r"), pd.DataFrame(x, dates, columns=["m"])
    fit = Monitor(kind=kind, period=4).fit(series[:100], frame[:100])
    calm = fit.update(series[100:200], frame[100:200])
    assert not fit.detected
    assert not calm.detected
    assert calm.crossing_date is None
    after = calm.update(series[200:], frame["m"][200:])
    assert after.detected
    assert dates[200] <= after.crossing_date <= dates[265]
    assert after.crossing_date == dates[after.crossing_position]
    assert calm.monitored == 100  # the earlier fit is as it was
    table = after.to_frame()
    assert table["crossed"].idxmax() == after.crossing_date
    assert "first alarm" in str(after.summary())
    assert after.to_dict()["crossing_date"] == str(after.crossing_date.date())
    assert "monitoring" in after.cite().lower()


def test_one_row_at_a_time():
    y, x = world(2, 150)
    fit = Monitor(kind="re").fit(y[:100], x[:100])
    for t in range(100, 110):
        fit = fit.update(y[t], x[t])
    whole = Monitor(kind="re").fit(y[:100], x[:100]).update(y[100:110], x[100:110])
    np.testing.assert_allclose(fit.process.to_numpy(), whole.process.to_numpy(), atol=1e-10)


def test_false_alarms():
    rng = np.random.default_rng(6)
    for kind in ("ols-cusum", "ols-mosum"):
        alarms = 0
        for _ in range(150):
            y = rng.standard_normal(450)
            alarms += Monitor(kind=kind, period=3, alpha=0.1).fit(y[:150]).update(y[150:]).detected
        assert stats.binom.cdf(alarms, 150, 0.1) < 0.999


def test_history_is_looked_at():
    y, _ = world(0, 100)
    assert Monitor().fit(y).history_pvalue > 0.01
    y[50:] += 3
    assert Monitor().fit(y).history_pvalue < 0.01


def test_long_run_variance_and_period_without_end():
    y, _ = world(7, 300)
    plain, wide = Monitor().fit(y[:100]), Monitor(long_run=LongRun("bartlett", 8.0)).fit(y[:100])
    assert plain.sigma != wide.sigma
    assert Monitor(period=None).fit(y[:25]).update(y[25:]).horizon is None


def test_refusals():
    y, x = world(0, 200)
    dates = pd.date_range("2020-01-01", periods=200)
    series = pd.Series(y, dates, name="r")
    with pytest.raises(SpecError, match="kind="):
        Monitor(kind="cusum")
    with pytest.raises(SpecError, match="finite time only"):
        Monitor(kind="me", period=None)
    with pytest.raises(SpecError, match="up to 20"):
        Monitor(kind="ols-mosum", period=30)
    with pytest.raises(SpecError, match=r"at least 1\.1"):
        Monitor(period=1.0)
    with pytest.raises(SpecError, match="share of the history"):
        Monitor(kind="me", bandwidth=0.05)
    with pytest.raises(SpecError, match="alpha"):
        Monitor(alpha=0.9)
    with pytest.raises(DataError, match="too few"):
        Monitor().fit(y[:10])
    with pytest.raises(DataError, match="constant"):
        Monitor().fit(np.ones(50))
    with pytest.raises(DataError, match="cannot identify"):
        Monitor(kind="me", bandwidth=0.1).fit(y[:20], np.random.default_rng(0).standard_normal((20, 3)))
    fit = Monitor(period=2).fit(series[:50])
    with pytest.raises(DataError, match="give 50 rows at most"):
        fit.update(series[50:150])
    with pytest.raises(DataError, match="not after"):
        fit.update(series[40:60])
    with pytest.raises(DataError, match="same form"):
        fit.update(y[50:60])
    with pytest.raises(DataError, match="missing"):
        fit.update(pd.Series([np.nan], dates[50:51]))
    with pytest.raises(DataError, match="regressors"):
        fit.update(series[50:60], x[50:60])
    with pytest.raises(DataError, match="no new rows"):
        fit.update(series[50:50])
    driven = Monitor().fit(series[:50], pd.DataFrame(x[:50], dates[:50], columns=["m"]))
    with pytest.raises(DataError, match="columns"):
        driven.update(series[50:60], pd.DataFrame(x[50:60], dates[50:60], columns=["other"]))
    with pytest.raises(DataError, match="different labels"):
        driven.update(series[50:60], pd.DataFrame(x[50:60], dates[60:70], columns=["m"]))
    dummy = np.zeros(200)
    dummy[:25] = 1.0
    with pytest.raises(DataError, match="linearly dependent in the 25 rows"):
        Monitor(kind="me").fit(y[:50], dummy[:50]).update(y[50:], dummy[50:])
