"""Bai and Perron's breaks against mbreaks and strucchange (R), and against the tables Bai and Perron printed.

Where the intervals of mbreaks differ from ours, the tests state by how much and why: it adds a row to the upper end of
an interval once for every break from that one on, and its robust intervals divide the second regime's variance by the
regressors' moments of the first.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.datasets.nile as nile_data

from cryptoequity.breaks.bai_perron import BaiPerron
from cryptoequity.breaks.break_covariance import BreakCovariance, estimate_regimes, scaled_f
from cryptoequity.breaks.date_intervals import argmax_quantile
from cryptoequity.breaks.partitions import find_partitions
from cryptoequity.breaks.sample import read_regression
from cryptoequity.errors import CryptoEquityWarning
from cryptoequity.estimation.long_run import LongRun

ROOT = Path(__file__).parents[2]
PLAIN = LongRun(cap=None)
PREWHITENED = LongRun(prewhiten=True, cap=None)
REGRESSORS = ["inflag", "ygap", "inffut"]


def read(name: str) -> pd.DataFrame:
    folder = Path(os.environ.get("CRYPTOEQUITY_DATA", ROOT.parent / "shared" / "reference" / "data"))
    candidates = [folder / name, folder.parent / "reference" / "data" / name]
    for path in candidates:
        if path.exists():
            return pd.read_csv(path, skipinitialspace=True)
    pytest.skip(f"{name}, data of the R package mbreaks, is not here; point CRYPTOEQUITY_DATA at a folder with it")


@pytest.fixture(scope="module")
def rate() -> pd.Series:
    """US ex-post real interest rate, 1961:1 to 1986:3."""
    values = read("mbreaks_real.csv")["rate"].to_numpy()
    return pd.Series(values, pd.period_range("1961Q1", periods=values.size, freq="Q"), name="rate")


@pytest.fixture(scope="module")
def phillips() -> pd.DataFrame:
    """US inflation, its lag, the output gap and expected inflation, quarterly."""
    return read("mbreaks_nkpc.csv")


def ends(frame: pd.DataFrame) -> np.ndarray:
    return frame[["lower_position", "upper_position"]].to_numpy()


def both(fit) -> np.ndarray:
    """Intervals at 95 and 90 % in mbreaks' order and rounding, with its rows added to upper ends."""
    out = np.hstack([ends(fit.conf_int(level, rounding="nearest")) for level in (0.95, 0.90)])
    out[:, [1, 3]] += np.arange(fit.m)[::-1, None]
    return out


# --- the real rate


@pytest.fixture(scope="module")
def rate_fit(rate):
    return BaiPerron(cov_type="HAC", long_run=PREWHITENED).fit(rate)


def test_real_rate_partitions(rate_fit, oracle):
    wanted = oracle("mbreaks")["real_doglob"]
    np.testing.assert_allclose(rate_fit.criteria["ssr"].iloc[1:], wanted["ssr"], rtol=1e-12)
    np.testing.assert_allclose(rate_fit.criteria["ssr"].iloc[0], 1214.92187, rtol=1e-8)
    for m in range(1, 6):
        column = [row[m - 1] for row in wanted["dates"]]
        assert list(rate_fit.partition.positions[m]) == column[:m]
    # six regimes of fifteen quarters leave so little room that the sum of squares rises again
    assert rate_fit.criteria["ssr"].iloc[5] > rate_fit.criteria["ssr"].iloc[4]


def test_real_rate_tests(rate_fit, oracle):
    wanted = oracle("mbreaks")
    ours = [rate_fit.tests[f"supF({m})"].statistic for m in range(1, 6)]
    np.testing.assert_allclose(ours, wanted["real_robust1_dotest"]["supF"], rtol=1e-12)
    assert round(rate_fit.tests["UDmax"].statistic, 3) == wanted["real_robust1_dotest"]["UDmax"][0]
    # the weights grow with m, the statistics fall faster
    assert rate_fit.tests["WDmax"].statistic == rate_fit.tests["UDmax"].statistic
    theirs = wanted["real_robust1_doseqtests"]["supF_l1_given_l"]
    ours = [rate_fit.tests["supF(1)"].statistic] + [rate_fit.tests[f"supF({m + 1}|{m})"].statistic for m in range(1, 5)]
    np.testing.assert_allclose(ours[:4], theirs[:4], rtol=1e-11)
    assert theirs[4] == 0
    assert np.isnan(ours[4])
    assert "no segment has room" in rate_fit.tests["supF(5|4)"].reason


def test_real_rate_homoskedastic(rate, oracle):
    wanted = oracle("mbreaks")
    fit = BaiPerron(cov_type="nonrobust", het_errors=False).fit(rate)
    ours = [fit.tests[f"supF({m})"].statistic for m in range(1, 6)]
    np.testing.assert_allclose(ours, wanted["real_robust0_dotest"]["supF"], rtol=1e-12)
    theirs = wanted["real_robust0_doseqtests"]["supF_l1_given_l"][1:4]
    np.testing.assert_allclose([fit.tests[f"supF({m + 1}|{m})"].statistic for m in (1, 2, 3)], theirs, rtol=1e-11)
    sequential = wanted["real_robust0_dosequa_signif2"]
    assert list(fit.positions) == list(fit.sequential_positions) == sequential["dates"]
    np.testing.assert_allclose(fit.std_err.to_numpy().ravel(), sequential["SE"], rtol=1e-12)
    # its intervals have variances by regime all the same
    intervals = BaiPerron(cov_type="nonrobust", select=2).fit(rate)
    np.testing.assert_array_equal(both(intervals), sequential["CI"])


def test_real_rate_estimates(rate_fit, oracle):
    wanted = oracle("mbreaks")
    for key in ("real_robust1_dosequa_signif1", "real_robust1_dosequa_signif2", "real_dorepart", "real_dofix_3"):
        theirs = wanted[key]
        assert list(rate_fit.positions) == theirs["dates"]
        assert list(rate_fit.sequential_positions) == list(rate_fit.repartition_positions) == theirs["dates"]
        np.testing.assert_allclose(rate_fit.params.to_numpy().ravel(), theirs["beta"], rtol=1e-12)
        np.testing.assert_allclose(rate_fit.std_err.to_numpy().ravel(), theirs["SE"], rtol=1e-12)
        np.testing.assert_allclose(rate_fit.ssr, theirs["resid_ssr"], rtol=1e-12)
        np.testing.assert_array_equal(both(rate_fit), theirs["CI"])
    for m in (1, 2):
        fit, theirs = rate_fit.with_breaks(m), wanted[f"real_dofix_{m}"]
        assert list(fit.positions) == list(np.atleast_1d(theirs["dates"]))
        np.testing.assert_allclose(fit.std_err.to_numpy().ravel(), theirs["SE"], rtol=1e-12)
        np.testing.assert_array_equal(both(fit), theirs["CI"])


@pytest.mark.parametrize("criterion", ["bic", "lwz", "kt"])
def test_real_rate_criteria(criterion, rate, oracle):
    theirs = oracle("mbreaks")[f"real_doorder_{criterion.upper()}"]
    fit = BaiPerron(select=criterion, cov_type="HAC", long_run=PREWHITENED).fit(rate)
    assert list(fit.positions) == theirs["dates"]
    np.testing.assert_allclose(fit.std_err.to_numpy().ravel(), theirs["SE"], rtol=1e-12)
    np.testing.assert_array_equal(both(fit), theirs["CI"])


def test_real_rate_as_printed(rate_fit):
    """Bai and Perron (2003): F statistics to two decimals, dates as last quarters of the old regimes."""
    printed = [57.91, 43.01, 33.32, 24.77, 18.33]
    np.testing.assert_allclose([rate_fit.tests[f"supF({m})"].statistic for m in range(1, 6)], printed, atol=0.005)
    np.testing.assert_allclose(
        [rate_fit.tests[f"supF({m + 1}|{m})"].statistic for m in (1, 2)], [33.93, 14.72], atol=0.006
    )
    assert [str(when) for when in rate_fit.last_dates] == ["1966Q4", "1972Q3", "1980Q3"]
    assert [str(when) for when in rate_fit.break_dates] == ["1967Q1", "1972Q4", "1980Q4"]
    np.testing.assert_allclose(rate_fit.params["const"], [1.82, 0.87, -1.80, 5.64], atol=0.005)
    # strucchange has 18, 33 and 77 for the lower ends and the same upper ones, with another divisor in its covariances
    np.testing.assert_array_equal(ends(rate_fit.conf_int()), [[17, 35], [32, 48], [77, 81]])


def test_critical_values_of_bai_and_perron(rate_fit, oracle):
    """Their tables of 10,000 paths: ours differ by Monte-Carlo error."""
    tables = oracle("mbreaks")
    for m in range(1, 6):
        for level in (0.10, 0.05, 0.01):
            theirs = tables["real_robust1_dotest"]["cv_supF"][f"{100 * level:g}"][f"m{m}"]
            assert abs(rate_fit.tests[f"supF({m})"].critical_values[level] - theirs) < (0.2 if level > 0.01 else 0.35)
    for level, theirs in tables["real_robust1_dotest"]["cv_Dmax"].items():
        if level != "2.5":
            ours = rate_fit.tests["UDmax"].critical_values[float(level) / 100]
            assert abs(ours - theirs) < (0.2 if level != "1" else 0.35)
    for m in range(1, 4):
        for level in (0.10, 0.05, 0.01):
            theirs = tables["real_robust1_doseqtests"]["cv"][f"{100 * level:g}"][f"l{m + 1}"]
            assert abs(rate_fit.tests[f"supF({m + 1}|{m})"].critical_values[level] - theirs) < (
                0.2 if level > 0.01 else 0.4
            )


# --- the Phillips curve


def test_phillips_curve_tests(phillips, oracle):
    wanted = oracle("mbreaks")
    with pytest.warns(CryptoEquityWarning, match=r"regimes of 10\.0% of the sample"):
        fit = BaiPerron(cov_type="HAC", long_run=PLAIN, trim=0.10).fit(phillips["inf"], phillips[REGRESSORS])
    ours = [fit.tests[f"supF({m})"].statistic for m in range(1, 6)]
    np.testing.assert_allclose(ours, wanted["nkpc_ygap_dotest_m5"]["supF"], rtol=1e-9)
    np.testing.assert_allclose(ours[0], wanted["nkpc_ygap_dotest"]["supF"], rtol=1e-9)
    assert round(fit.tests["UDmax"].statistic, 3) == wanted["nkpc_ygap_dotest_m5"]["UDmax"][0]
    ours = [fit.tests[f"supF({m + 1}|{m})"].statistic for m in range(1, 5)]
    np.testing.assert_allclose(ours, wanted["nkpc_ygap_doseqtests"]["supF_l1_given_l"][1:], rtol=1e-9)
    for m in range(1, 6):
        theirs = wanted["nkpc_ygap_dotest_m5"]["cv_supF"]["5"][f"m{m}"]
        assert abs(fit.tests[f"supF({m})"].critical_values[0.05] - theirs) < 0.25
    theirs = wanted["nkpc_ygap_dofix1"]
    assert list(fit.positions) == list(fit.sequential_positions) == [theirs["dates"]]
    np.testing.assert_allclose(fit.params.to_numpy().ravel(), theirs["beta"], rtol=1e-9)
    np.testing.assert_allclose(fit.std_err.to_numpy().ravel(), theirs["SE"], rtol=1e-9)
    # its ratio of variances is ours times the ratio of the regressors' moments, and with it its interval is found
    scale, xi, omega = fit.date_laws()[0]
    tails = [argmax_quantile(p, xi, xi * omega) for p in (0.975, 0.025, 0.95, 0.05)]
    rounded = np.round(125 - np.array(tails) / scale) + np.array([0, 1, 0, 1])
    np.testing.assert_array_equal(rounded, theirs["CI"][0])
    np.testing.assert_array_equal(ends(fit.conf_int(rounding="nearest")), [[113, 126]])


def test_phillips_curve_sequential_at_fifteen_per_cent(phillips, oracle):
    fit = BaiPerron(cov_type="HAC", long_run=PLAIN).fit(phillips["inf"], phillips[REGRESSORS])
    assert list(fit.sequential_positions) == [oracle("mbreaks")["nkpc_ygap_dosequa_m5eps15"]["dates"]]


def test_partial_change(phillips, oracle):
    """Equal at mbreaks' dates; the sum of squares of ours is lower, its iteration ends in a local minimum."""
    theirs = oracle("mbreaks")["nkpc_partial_x_ygap"]
    spec = BaiPerron(select=2, cov_type="HAC", long_run=PLAIN, vary=["const", "inflag"])
    fit = spec.fit(phillips["inf"], phillips[REGRESSORS])
    assert fit.exact
    assert fit.ssr < theirs["resid_ssr"] * 0.995
    at = fit.with_positions(tuple(theirs["dates"]))
    np.testing.assert_allclose(at.ssr, theirs["resid_ssr"], rtol=1e-12)
    np.testing.assert_allclose([*at.common["params"], *at.params.to_numpy().ravel()], theirs["beta"], rtol=1e-8)
    np.testing.assert_allclose([*at.common["std_err"], *at.std_err.to_numpy().ravel()], theirs["SE"], rtol=1e-8)
    found = []
    for i, (scale, xi, omega) in enumerate(at.date_laws()):
        tails = [argmax_quantile(p, xi, xi * omega) for p in (0.975, 0.025, 0.95, 0.05)]
        found.append(np.round(at.positions[i] - np.array(tails) / scale) + np.array([0, 2 - i, 0, 2 - i]))
    np.testing.assert_array_equal(found, theirs["CI"])


# --- the Nile


@pytest.fixture(scope="module")
def nile() -> pd.Series:
    frame = nile_data.load_pandas().data
    return pd.Series(frame["volume"].to_numpy(), frame["year"].to_numpy().astype(int), name="volume")


def test_nile_partitions(nile, oracle):
    wanted = oracle("strucchange_nile")["nile_breakpoints"]
    fit = BaiPerron(cov_type="nonrobust", select="bic").fit(nile)
    np.testing.assert_allclose(fit.criteria["ssr"], wanted["RSS"], rtol=1e-12)
    for m, theirs in enumerate(wanted["breakpoints_by_m"], start=1):
        assert list(fit.partition.positions[m]) == list(np.atleast_1d(theirs))
    # its criterion is -2 log L + ln(T) (k + 1)(m + 1): T times ours and a constant
    theirs = np.array(wanted["BIC"])
    ours = fit.nobs * fit.criteria["bic"]
    np.testing.assert_allclose(ours - ours.iloc[0], theirs - theirs[0], rtol=0, atol=1e-9)
    assert fit.m == wanted["optimal_m_BIC"]
    assert fit.break_dates[0] == 1899
    assert fit.last_dates[0] == 1898
    np.testing.assert_allclose(fit.params["const"], [1097.75, 849.972222222222], rtol=1e-13)


@pytest.mark.parametrize(("het", "key"), [(True, "het"), (False, "hom")])
def test_nile_intervals(het, key, nile, oracle):
    wanted = oracle("strucchange_nile")["nile_breakpoints"]
    fit = BaiPerron(cov_type="nonrobust", select=1, het_errors=het, het_regressors=het).fit(nile)
    for m in (1, 2):
        theirs = np.array(wanted[f"confint95_m{m}_{key}"])
        frame = fit.with_breaks(m).conf_int()
        np.testing.assert_array_equal(frame[["lower_position", "position", "upper_position"]].to_numpy(), theirs)
    # the interval of the second of two breaks ends beyond the sample, and has no label there
    assert frame["upper"].isna().tolist() == [False, True]
    assert frame.loc[1, "lower"] == nile.index[25]


def test_nile_supremum(nile, oracle):
    """Its F is a Wald statistic of T - 2k degrees; Bai and Perron's has the same numerator and divides by SSR / T."""
    wanted = oracle("strucchange_nile")
    regression = read_regression(nile)
    value = scaled_f(regression, (28,), BreakCovariance("nonrobust", het_errors=False))
    np.testing.assert_allclose(value, wanted["nile_Fstats"]["supF"]["stat"], rtol=1e-12)
    robust = BaiPerron(cov_type="HC", max_breaks=1, sup="wald").fit(nile).tests["supF(1)"]
    assert robust.position == wanted["nile_Fstats"]["breakpoint"]
    assert abs(robust.statistic / wanted["nile_Fstats_HC0"]["supF"]["stat"] - 1) < 0.05  # its covariance has no divisor
    estimate = estimate_regimes(regression, find_partitions(regression, 15, 1).positions[1], BreakCovariance("HC"))
    np.testing.assert_allclose(estimate.regimes.ravel(), [1097.75, 849.972222222222], rtol=1e-13)
