"""One break in a regression against strucchange, gretl and a published series."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.datasets import longley, nile

from cryptoequity.breaks.chow import chow_test, shift_wald
from cryptoequity.breaks.nyblom import nyblom_hansen_test
from cryptoequity.breaks.sample import read_regression
from cryptoequity.breaks.sup_wald import aggregate, sup_wald_test
from cryptoequity.errors import CryptoEquityWarning
from cryptoequity.estimation.long_run import LongRun

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("CRYPTOEQUITY_DATA", ROOT.parent / "shared" / "reference" / "data"))


@pytest.fixture(scope="module")
def flow() -> pd.Series:
    return nile.load_pandas().data.set_index("year")["volume"]


@pytest.mark.parametrize(("key", "cov_type"), [("nile_Fstats", "nonrobust"), ("nile_Fstats_HC0", "HC")])
def test_f_statistics_of_the_nile(flow, oracle, key, cov_type):
    wanted = oracle("strucchange_fstats")[key]
    result = sup_wald_test(flow, cov_type=cov_type)
    assert result.path.size == wanted["nFstats"]
    np.testing.assert_allclose(result.path[:3], wanted["F_first"], rtol=1e-10)
    np.testing.assert_allclose(result.path[-3:], wanted["F_last"], rtol=1e-9)
    stats = [wanted[name]["stat"] for name in ("supF", "aveF", "expF")]
    np.testing.assert_allclose(aggregate(result.path.to_numpy()), stats, rtol=1e-10)
    # strucchange names the last observation of the old regime, counted from one
    assert result.position == wanted["breakpoint"] == 28
    assert (result.last_date, result.break_date) == (1898, 1899)


def sandwich_bandwidth(design: np.ndarray, y: np.ndarray) -> float:
    """`bwAndrews` of the sandwich package: an autoregression with a mean, and no weight for the constant's column."""
    moments = design * (y - design @ np.linalg.lstsq(design, y, rcond=None)[0])[:, None]
    slope = np.linalg.lstsq(moments[:-1], moments[1:], rcond=None)[0]
    e = (moments[1:] - moments[:-1] @ slope)[:, 1]
    e = e - e.mean()
    past = np.column_stack([np.ones(e.size - 1), e[:-1]])
    fit = np.linalg.lstsq(past, e[1:], rcond=None)[0]
    rho = float(fit[1])
    alpha = 4 * rho**2 / (1 - rho) ** 4
    return float(1.3221 * (alpha * e.size) ** 0.2)


def test_hac_statistics_of_the_nile(flow, oracle):
    """At sandwich's own bandwidths, date by date: what is left is the statistic itself."""
    wanted = oracle("strucchange_fstats")["nile_Fstats_HAC_kernHAC"]
    reg = read_regression(flow)
    dates = [15, 16, 17, 28, 83, 84, 85]
    ours = []
    for d in dates:
        late = (np.arange(100) >= d).astype(float)
        bandwidth = sandwich_bandwidth(np.column_stack([1 - late, late]), reg.y)
        spec = LongRun(kernel="qs", bandwidth=bandwidth, prewhiten=True, cap=None)
        # sandwich divides the sum over the 99 rows there are after prewhitening by 98, ours by 99 - 2
        ours.append(shift_wald(reg, (d,), "HAC", spec) * 98 / 97)
    np.testing.assert_allclose(ours, [*wanted["F_first"], wanted["supF"]["stat"], *wanted["F_last"]], rtol=1e-8)
    result = sup_wald_test(flow, cov_type="HAC", long_run=LongRun(prewhiten=True, cap=None, constant_weight=0.0))
    # with our bandwidths, whose autoregression has no mean
    np.testing.assert_allclose(
        aggregate(result.path.to_numpy()) * 98 / 97,
        [wanted[name]["stat"] for name in ("supF", "aveF", "expF")],
        rtol=0.002,
    )
    assert result.position == wanted["breakpoint"]


def test_chow_and_nyblom_of_the_nile(flow, oracle):
    wanted = oracle("strucchange_fstats")
    chow = chow_test(flow, dates=1899)
    assert chow.statistic == pytest.approx(wanted["nile_chow_28"]["stat"], rel=1e-10)
    assert chow.pvalue == pytest.approx(wanted["nile_chow_28"]["p"], rel=1e-8)
    nyblom = nyblom_hansen_test(flow)
    assert nyblom.statistic == pytest.approx(wanted["nile_sctest_Nyblom"]["stat"], rel=1e-10)
    # strucchange's table ends at .005
    assert nyblom.pvalue < wanted["nile_sctest_Nyblom"]["p"]
    with pytest.warns(CryptoEquityWarning):
        both = nyblom_hansen_test(flow, variance=True)
    assert both.statistic == pytest.approx(wanted["nile_efp_Score-CUSUM_meanL2"]["stat"], rel=1e-10)


def test_documented_examples_of_strucchange(oracle):
    wanted = oracle("strucchange_fstats")["documented"]
    data = longley.load_pandas().data
    chow = chow_test(data["TOTEMP"], data[["YEAR", "GNPDEFL", "GNP", "ARMED"]], dates=7)
    assert chow.statistic == pytest.approx(wanted["longley_chow"]["stat"], abs=5e-5)
    assert chow.pvalue == pytest.approx(wanted["longley_chow"]["p"], abs=5e-6)


def test_chow_and_qlr_of_gretl(closes, oracle):
    wanted = oracle("gretl_breaks")
    returns = 100 * np.log(closes).diff().dropna()
    y, x = returns["NASDAQ"], returns["SP500"]
    for observation in (2516, 1200):
        chow = chow_test(y, x, dates=observation - 1)
        assert chow.statistic == pytest.approx(wanted[f"chow_obs{observation}"]["F"], rel=1e-9)
        assert chow.pvalue == pytest.approx(wanted[f"chow_obs{observation}"]["p"], rel=1e-6)
    qlr = sup_wald_test(y, x, cov_type="nonrobust")
    assert qlr.statistic == pytest.approx(wanted["qlr"]["stat"], rel=1e-8)
    # gretl counts from one and names the first observation of the new regime
    assert qlr.position == wanted["qlr"]["obs"] - 1


def test_real_interest_rate_of_bai_and_perron():
    path = FOLDER / "mbreaks_real.csv"
    if not path.exists():
        pytest.skip("the real rate of the R package mbreaks is not here; point CRYPTOEQUITY_DATA at a copy")
    rate = pd.read_csv(path)["rate"]
    result = sup_wald_test(rate, cov_type="nonrobust")
    assert result.position == 79
    # Bai and Perron (2003): sums of squares without a break and with the best one
    assert result.statistic == pytest.approx((1214.92 - 645.00) / (645.00 / 101), rel=1e-4)
