"""The monitor: its critical values come before the data, and later data change nothing."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cryptoequity.breaks.explosive import gsadf_test
from cryptoequity.breaks.explosive_monitor import ExplosiveMonitor
from cryptoequity.errors import DataError, SpecError

SPEC = ExplosiveMonitor(draws=99, control=24)


@pytest.fixture(scope="module")
def y() -> pd.Series:
    """A walk of 120 months, then 24 with a bubble from the tenth."""
    values = 50.0 + np.random.default_rng(5).standard_normal(144).cumsum()
    values[130:] += 0.5 * 1.3 ** np.arange(14)
    return pd.Series(values, pd.date_range("2001-01-31", periods=144, freq="ME"), name="price")


@pytest.fixture(scope="module")
def fitted(y):
    return SPEC.fit(y[:120])


def test_critical_values_are_known_before_the_data(fitted):
    assert fitted.boundary.shape == (24,)
    assert np.ptp(fitted.boundary) == 0.0
    assert fitted.left == 24
    assert not fitted.alarm
    assert fitted.first_alarm is None
    assert fitted.bsadf.empty
    assert "dates left" in str(fitted.summary())


def test_the_bubble_sets_it_off_and_the_statistic_is_that_of_the_whole_sample(y, fitted):
    seen = fitted.update(y[120:])
    assert seen.alarm
    assert y.index[130] <= seen.first_alarm <= y.index[140]
    assert y.index[seen.position] == seen.first_alarm
    whole = gsadf_test(y, window=fitted.window, draws=99).bsadf
    np.testing.assert_array_equal(seen.bsadf, whole[-24:])
    last = seen.episodes().iloc[-1]
    assert last["open"]
    assert last["move"] == "up"
    assert seen.left == 0
    assert json.dumps(seen.to_dict())
    assert "phillipsshi2020" in seen.cite()
    frame = seen.to_frame()
    assert frame["above"].idxmax() == seen.first_alarm
    assert "first alarm" in str(seen.summary())


def test_the_future_changes_nothing(y, fitted):
    early = fitted.update(y[120:140])
    late = early.update(y[140:])
    other = early.update(y[140:] * 3.0)
    pd.testing.assert_series_equal(early.bsadf, late.bsadf[:20])
    pd.testing.assert_series_equal(late.bsadf[:20], other.bsadf[:20])
    assert early.first_alarm == late.first_alarm == other.first_alarm
    single = fitted
    for t in range(120, 144):
        single = single.update(y[t : t + 1])
    np.testing.assert_array_equal(single.bsadf, late.bsadf)
    assert fitted.left == 24  # nothing was changed in place


def test_a_calm_series_is_left_alone_most_of_the_time():
    alarms = 0
    for s in range(100):
        walk = np.random.default_rng([3, s]).standard_normal(110).cumsum()
        alarms += ExplosiveMonitor(draws=99, control=20, rng=s).fit(walk[:90]).update(walk[90:]).alarm
    assert alarms <= 13  # beyond three standard errors of 5


@pytest.mark.parametrize("null", ["wild", "sieve", "simulated"])
def test_every_null_and_both_kinds_of_critical_values(y, null):
    family, points = (
        ExplosiveMonitor(draws=99, null=null, critical=critical, lag=1).fit(y[:120]).boundary
        for critical in ("family", "pointwise")
    )
    assert np.ptp(points) > 0.0
    assert (points <= family).mean() > 0.9
    again = ExplosiveMonitor(draws=99, null=null, lag=1, n_jobs=2).fit(y[:120]).boundary
    np.testing.assert_array_equal(again, family)


def test_arrays_and_single_numbers_will_do(y):
    values = y.to_numpy()
    seen = SPEC.fit(values[:120]).update(values[120]).update(list(values[121:124]))
    assert list(seen.bsadf.index) == [120, 121, 122, 123]


def test_what_is_refused(y, fitted):
    with pytest.raises(DataError, match="25 new observations and 24 of 24"):
        SPEC.fit(y[:119]).update(y[119:])
    with pytest.raises(DataError, match="does not follow"):
        fitted.update(y[119:125])
    with pytest.raises(DataError, match="history has labels"):
        fitted.update(y[120:].to_numpy())
    with pytest.raises(DataError, match="not of the kind"):
        fitted.update(pd.Series([1.0, 2.0]))
    with pytest.raises(DataError, match="2011-02-28 is missing"):
        fitted.update(pd.Series([1.0, np.nan], y.index[120:122]))
    with pytest.raises(DataError, match="must be numbers"):
        fitted.update(pd.Series(["a"], y.index[120:121]))
    with pytest.raises(DataError, match="one column"):
        fitted.update(pd.concat([y, y], axis=1)[120:])
    with pytest.raises(DataError, match="a row"):
        fitted.update(y[:0])
    with pytest.raises(DataError, match="too few"):
        SPEC.fit(y[:10])
    still = pd.Series(np.where(np.arange(144) > 90, 50.0, y), y.index)
    with pytest.raises(DataError, match="stands still"):
        SPEC.fit(still[:110]).update(still[110:])
    for bad in ({"control": 0}, {"rng": 1.5}, {"null": "iid"}, {"critical": "both"}, {"level": 0.2}):
        with pytest.raises(SpecError, match=next(iter(bad))):
            ExplosiveMonitor(**bad)
