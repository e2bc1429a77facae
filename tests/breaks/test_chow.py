"""Chow's test against regressions written out, its dates, and what it must refuse."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.breaks.chow import break_positions, chow_test
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.long_run import LongRun


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(11)
    index = pd.bdate_range("2020-01-01", periods=200, name="date")
    x = pd.DataFrame(rng.standard_normal((200, 2)), index, ["a", "b"])
    y = 0.2 + x["a"] - 0.5 * x["b"] * (np.arange(200) >= 120) + rng.standard_normal(200) * (1 + x["a"].abs())
    return y.rename("y"), x


def ssr(y: np.ndarray, x: np.ndarray) -> float:
    return float(np.sum((y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) ** 2))


def dummies(x: pd.DataFrame, positions, varying=("const", "a", "b")) -> tuple[np.ndarray, int]:
    """Constant and regressors, then for each date the shifts of those that may break."""
    design = np.column_stack([np.ones(len(x)), x])
    pick = [["const", "a", "b"].index(name) for name in varying]
    after = [design[:, pick] * (np.arange(len(x)) >= p)[:, None] for p in positions]
    return np.column_stack([design, *after]), len(pick) * len(positions)


@pytest.mark.parametrize("positions", [(90,), (60, 140)])
def test_f_is_that_of_separate_regressions(sample, positions):
    y, x = sample
    design = np.column_stack([np.ones(200), x])
    edges = [0, *positions, 200]
    free = sum(ssr(y.to_numpy()[a:b], design[a:b]) for a, b in itertools.pairwise(edges))
    top, bottom = 3 * len(positions), 200 - 3 * (len(positions) + 1)
    f = (ssr(y.to_numpy(), design) - free) / top / (free / bottom)
    result = chow_test(y, x, dates=list(positions))
    assert result.statistic == pytest.approx(f, rel=1e-10)
    assert result.pvalue == pytest.approx(stats.f.sf(f, top, bottom), rel=1e-10)
    assert result.reference == f"F({top}, {bottom})"
    assert result.detail["SSR with breaks"] == pytest.approx(free)
    assert result.critical_values[0.05] == pytest.approx(stats.f.isf(0.05, top, bottom))


@pytest.mark.parametrize("varying", [("const", "a", "b"), ("b",), ("const", "b")])
@pytest.mark.parametrize("positions", [(90,), (60, 140)])
@pytest.mark.parametrize("cov_type", ["nonrobust", "HC", "HAC"])
def test_wald_is_that_of_statsmodels_with_shift_dummies(sample, positions, varying, cov_type):
    y, x = sample
    design, count = dummies(x, positions, varying)
    kinds = {
        "nonrobust": {"cov_type": "nonrobust"},
        "HC": {"cov_type": "HC0"},
        "HAC": {"cov_type": "HAC", "cov_kwds": {"maxlags": 4, "use_correction": False}},
    }
    fit = sm.OLS(y.to_numpy(), design).fit(**kinds[cov_type])
    shifts = np.eye(design.shape[1])[-count:]
    wanted = float(fit.wald_test(shifts, use_f=False, scalar=True).statistic)
    long_run = LongRun(kernel="bartlett", bandwidth=5.0) if cov_type == "HAC" else None
    result = chow_test(y, x, dates=positions, vary=list(varying), cov_type=cov_type, long_run=long_run)
    if cov_type == "nonrobust":
        assert result.detail["Wald"] == pytest.approx(wanted, rel=1e-9)
        return
    # a kernel covariance is divided by the degrees of freedom
    wanted *= 1.0 if cov_type == "HC" else (200 - design.shape[1]) / 200
    assert result.statistic == pytest.approx(wanted, rel=1e-9)
    assert result.pvalue == pytest.approx(stats.chi2.sf(wanted, count), rel=1e-8)


def test_a_regime_without_room_for_its_coefficients_gets_the_predictive_test(sample):
    y, x = sample
    design = np.column_stack([np.ones(200), x])
    n = 2
    old = ssr(y.to_numpy()[:-n], design[:-n])
    f = (ssr(y.to_numpy(), design) - old) / n / (old / (200 - n - 3))
    result = chow_test(y, x, dates=y.index[-n])
    assert result.name == "Chow predictive test"
    assert result.statistic == pytest.approx(f, rel=1e-10)
    assert result.reference == f"F({n}, {200 - n - 3})"
    assert "normal errors" in result.robustness
    # from q observations on both forms are the same number, and it is not called predictive
    assert chow_test(y, x, dates=y.index[-3]).reference == "F(3, 194)"
    with pytest.raises(DataError, match=r"2 observations for 3 coefficients.*nonrobust"):
        chow_test(y, x, dates=y.index[-n], cov_type="HC")


def test_f_has_its_law_under_normal_errors():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((60, 1))
    p = [chow_test(rng.standard_normal(60), x, dates=[25, 40]).pvalue for _ in range(300)]
    assert stats.kstest(p, "uniform").pvalue > 0.01
    p = [chow_test(rng.standard_normal(60), x, dates=59).pvalue for _ in range(300)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-4, 1e4), cov_type=st.sampled_from(["nonrobust", "HC"]))
def test_invariant_to_the_units_and_to_a_basis_of_the_regressors(seed, scale, cov_type):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((80, 2)), rng.standard_normal(80)
    turn = rng.standard_normal((2, 2)) + 3 * np.eye(2)
    one = chow_test(y, x, dates=30, cov_type=cov_type).statistic
    two = chow_test(-scale * y + 7.0 * x[:, 0], x @ turn + 2.0, dates=30, cov_type=cov_type).statistic
    assert two == pytest.approx(one, rel=1e-7)


def test_dates_are_labels_positions_or_the_next_row(sample):
    y, x = sample
    days = y.index
    assert break_positions("2020-02-03", days) == (int(days.get_loc("2020-02-03")),)
    assert break_positions(pd.Timestamp("2020-02-01"), days) == break_positions("2020-02-03", days)  # a Saturday
    assert break_positions([50, "2020-01-31"], days) == (22, 50)
    years = pd.Index(range(1871, 1971))
    assert break_positions(1899, years) == break_positions(1899, years.astype(float)) == (28,)
    months = pd.period_range("2000-01", periods=30, freq="M")
    assert break_positions("2001-06", months) == (17,)
    zoned = days.tz_localize("UTC")
    assert break_positions("2020-02-03", zoned) == break_positions("2020-02-03", days)
    names = pd.Index(list("abcdef"))
    assert break_positions("c", names) == (2,)
    result = chow_test(y, x, dates="2020-02-01")
    assert result.position == days.get_loc("2020-02-03")
    assert result.break_date == pd.Timestamp("2020-02-03")
    assert result.last_date == pd.Timestamp("2020-01-31")
    two = chow_test(y, x, dates=["2020-02-03", "2020-05-01"])
    assert two.position is None
    assert two.options["dates"] == "2020-02-03, 2020-05-01"


@pytest.mark.parametrize(
    ("dates", "error", "message"),
    [
        ([], SpecError, "at least one"),
        (0, DataError, "starts no new regime"),
        (200, DataError, "starts no new regime"),
        ("2030-01-01", DataError, "starts no new regime"),
        ("never", DataError, "is no date"),
        ([50, 50], SpecError, "give each once"),
        (pd.Timestamp("2020-03-02", tz="UTC"), DataError, "time zone"),
    ],
)
def test_bad_dates(sample, dates, error, message):
    with pytest.raises(error, match=message):
        chow_test(*sample, dates=dates)


def test_a_label_that_is_none(sample):
    with pytest.raises(DataError, match="no row is labeled 1850"):
        break_positions(1850, pd.Index(range(1871, 1900)))


def test_bad_input(sample):
    y, x = sample
    with pytest.raises(SpecError, match="cov_type"):
        chow_test(y, x, dates=90, cov_type="HC3")
    with pytest.raises(SpecError, match="long_run is used"):
        chow_test(y, x, dates=90, long_run=LongRun())
    with pytest.raises(DataError, match="missing or infinite"):
        chow_test(y.where(y.index != y.index[3]), x, dates=90)
    with pytest.raises(DataError, match="is constant at"):
        chow_test(np.ones(50), dates=20)
    with pytest.raises(DataError, match="too few"):
        chow_test(np.arange(5.0), dates=2)
    with pytest.raises(DataError, match="explain 'y' exactly"):
        chow_test(2.0 + 3.0 * x["a"].rename("y"), x, dates=90)
    with pytest.raises(SpecError, match="among"):
        chow_test(y, x, dates=90, vary=["c"])
    # the dummy is zero before the date
    late = x.assign(b=(np.arange(200) >= 120).astype(float))
    with pytest.raises(DataError, match=r"from 2020-01-01 to .* linearly dependent"):
        chow_test(y, late, dates=90)
    assert np.isfinite(chow_test(y, late, dates=90, vary=["const", "a"]).statistic)
    assert np.isfinite(chow_test(y, late, dates=[90, 197], vary=["const", "a"]).statistic)
    with pytest.raises(DataError, match="cannot be told from"):
        chow_test(y, late, dates=[120], vary=["const", "a"])
    with pytest.raises(DataError, match="cannot be told from"):
        chow_test(y, late, dates=[120, 199], vary=["const", "a"])
    with pytest.raises(DataError, match="no degree of freedom"):
        chow_test(y[:8], x[:8], dates=[2, 4, 6], vary=["const", "a", "b"])


def test_what_the_result_says(sample):
    y, x = sample
    result = chow_test(y, x, dates=120, cov_type="HC", vary=["b"])
    text = str(result.summary())
    assert "b differ between the regimes" in text
    assert str(y.index[120].date()) in text
    assert "Tests of Equality Between Sets of Coefficients" in result.cite()
    assert result.to_dict()["options"]["cov_type"] == "HC"
    assert result.path is None
    assert result.to_frame().empty
