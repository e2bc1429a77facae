"""Unit-root tests with breaks against urca, statsmodels and arch, and their laws against published critical values."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.datasets import nile

from cryptoequity.breaks.lee_strazicich import lee_strazicich_test
from cryptoequity.breaks.unit_root_search import law_at
from cryptoequity.breaks.unit_roots import common_lags, df_path, zivot_andrews_test

ROOT = Path(__file__).parents[2]
FORMS = {"intercept": 0, "trend": 1, "both": 2}


def nelson_plosser() -> np.ndarray:
    home = Path(os.environ.get("CRYPTOEQUITY_DATA", ROOT / ".." / "shared" / "reference" / "data"))
    for folder in (home, home.parent / "reference" / "data"):
        file = folder / "urca_nporg.csv"
        if file.exists():
            return pd.to_numeric(pd.read_csv(file)["gnp.r"], errors="coerce").dropna().to_numpy()
    pytest.skip("the Nelson-Plosser data are not here; CRYPTOEQUITY_DATA names their folder")


def series_of(block: str) -> np.ndarray:
    if "nile" in block:
        return nile.load_pandas().data["volume"].to_numpy(float)
    gnp = nelson_plosser()
    return gnp if "raw" in block else np.log(gnp)


BLOCKS = [f"za_{name}_{form}" for name in ("log_gnp_r", "log_gnp_r_raw", "nile") for form in FORMS]


@pytest.mark.parametrize("block", BLOCKS)
def test_zivot_andrews_of_urca(block, oracle):
    """Its path has every row from the second on; where a dummy is no regressor of its own it repeats the plain test."""
    wanted = oracle("urca_za")[block]
    y, form = series_of(block), block.rsplit("_", 1)[1]
    test = zivot_andrews_test(y, break_in=form, lags=wanted["lags"], trim=0.0)
    assert test.statistic == pytest.approx(wanted["teststat"], rel=1e-10)
    assert test.position == wanted["bpoint"]  # its 1-based last year of the old regime is our 0-based first of the new
    path = df_path(y, wanted["lags"], wanted["lags"] + 1, 1, y.size - 1, FORMS[form])[0]
    theirs = np.array(wanted["tstats"])[-path.size :]
    identified = np.isfinite(path)
    assert identified.sum() >= path.size - 2
    np.testing.assert_allclose(path[identified], theirs[identified], rtol=1e-9)
    for name, value in wanted["testreg"].items():
        ours = {"(Intercept)": "const", "y.l1": "level(-1)", "trend": "trend", "du": "step", "dt": "slope"}
        key = ours.get(name, f"diff(-{name[-1]})")
        estimate = test.regression.loc[key, "estimate"] + (key == "level(-1)")
        if name in ("(Intercept)", "trend", "du", "dt"):
            continue  # its trend starts elsewhere and its constant with it; the effects are compared below
        assert estimate == pytest.approx(value, rel=1e-8)
    for name, key in (("du", "step"), ("dt", "slope")):
        if name in wanted["testreg"]:
            assert test.regression.loc[key, "estimate"] == pytest.approx(wanted["testreg"][name], rel=1e-7)


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("rule", ["AIC", "BIC", "t-stat"])
def test_zivot_andrews_of_statsmodels(form, rule):
    from statsmodels.tsa.stattools import zivot_andrews

    rng = np.random.default_rng(11)
    steps = rng.standard_normal(240)
    steps[1:] += 0.4 * steps[:-1]
    y = np.cumsum(steps)
    theirs = zivot_andrews(y, regression={"intercept": "c", "trend": "t", "both": "ct"}[form], autolag=rule)
    test = zivot_andrews_test(y, break_in=form, lags=rule.lower())
    assert test.lags == theirs[3] == common_lags(y, int(12 * 2.4**0.25), rule.lower())
    assert test.statistic == pytest.approx(theirs[0], rel=1e-8)
    # statsmodels names the last row of the old regime, but the first of the new where the slope breaks
    assert test.position == theirs[4] + (form != "trend")
    # its law is that of a search over nearly all dates, whatever trim it is given
    all_dates = law_at(f"za:{form}", 1000, 0.05).pvalue(-test.statistic)
    assert all_dates == pytest.approx(theirs[1], abs=0.015)
    assert test.pvalue <= theirs[1] + 0.02


def test_zivot_andrews_of_arch():
    from arch.unitroot import ZivotAndrews

    y = np.cumsum(np.random.default_rng(12).standard_normal(200))
    for form, trend in (("intercept", "c"), ("trend", "t"), ("both", "ct")):
        theirs = ZivotAndrews(y, lags=2, trend=trend)
        assert zivot_andrews_test(y, break_in=form, lags=2).statistic == pytest.approx(theirs.stat, rel=1e-8)


# 1, 5, 10 %: Zivot and Andrews (1992, tables 2-4, asymptotic); Lee and Strazicich (2013 and 2003, T = 100)
ZA = {"intercept": (-5.34, -4.80, -4.58), "trend": (-4.93, -4.42, -4.11), "both": (-5.57, -5.08, -4.82)}
LS = {"ls1:crash": (-4.239, -3.566, -3.211), "ls2:crash": (-4.545, -3.842, -3.504)}
# model C is tabulated by the place of the break, with differences as between simulations: their range
LS_TREND = {
    "ls1:trend": ((-5.15, -5.05), (-4.51, -4.45), (-4.21, -4.17)),
    "ls2:trend": ((-6.45, -6.16), (-5.74, -5.59), (-5.33, -5.27)),
}


@pytest.mark.parametrize("form", list(FORMS))
def test_law_of_zivot_and_andrews(form):
    """Theirs are of a search over all dates, with standard errors near .04 at 1 % and .025 at 5 %; ours below .015."""
    law = law_at(f"za:{form}", 1000, 0.0)
    for alpha, published, room in zip((0.01, 0.05, 0.10), ZA[form], (0.08, 0.05, 0.05), strict=True):
        assert -law.critical(alpha) == pytest.approx(published, abs=room)


@pytest.mark.parametrize("name", list(LS))
def test_law_of_lee_and_strazicich_crash(name):
    law = law_at(name, 100, 0.10)
    for alpha, published, room in zip((0.01, 0.05, 0.10), LS[name], (0.12, 0.08, 0.06), strict=True):
        assert -law.critical(alpha) == pytest.approx(published, abs=room)


@pytest.mark.parametrize("name", list(LS_TREND))
def test_law_of_lee_and_strazicich_trend(name):
    """Ours, without a break under the null, is .1 to .2 above theirs: their samples have one, of unnamed size."""
    law = law_at(name, 100, 0.10)
    for alpha, (low, high) in zip((0.01, 0.05, 0.10), LS_TREND[name], strict=True):
        assert low - 0.05 <= -law.critical(alpha) <= high + 0.25


def test_the_law_moves_with_the_sample():
    """At T = 100 the published law of one crash holds; at T = 1000 it is a third of a unit too demanding."""
    assert -law_at("ls1:crash", 1000, 0.10).critical(0.05) > LS["ls1:crash"][1] + 0.25


def test_nile_has_no_unit_root_about_a_broken_level():
    flow = nile.load_pandas().data.set_index("year")["volume"]
    test = zivot_andrews_test(flow, lags=1)
    assert test.pvalue < 0.001
    assert int(test.break_date) == 1899
    assert int(test.last_date) == 1898
    assert lee_strazicich_test(flow, lags=1).statistic < -3.0
