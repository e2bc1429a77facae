"""exuber and psymonitor: their sequences, dates and critical values from ours, to the digits they print.

The series are not ours to pass on: where a file is absent its tests skip.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptoequity.breaks.bubble_dates import date_episodes
from cryptoequity.breaks.explosive import gsadf_test
from cryptoequity.breaks.explosive_null import simulated_paths
from cryptoequity.breaks.limits import LimitLaw
from cryptoequity.kernels.explosive import adf_paths

ROOT = Path(__file__).resolve().parents[2]
PRICES = Path(os.environ.get("CRYPTOEQUITY_DATA", ROOT.parent / "shared" / "data"))
LEVELS = (0.10, 0.05, 0.01)


def read(folder: Path, name: str, owner: str) -> pd.DataFrame:
    path = folder / name
    if not path.exists():
        pytest.skip(f"{name} is not here: it belongs to {owner}; point CRYPTOEQUITY_DATA at a copy")
    return pd.read_csv(path)


@pytest.fixture(scope="module")
def theirs(oracle):
    return oracle("exuber")


@pytest.fixture(scope="module")
def simulated():
    return read(PRICES.parent / "reference" / "data", "exuber_sim_data.csv", "the R package exuber")


@pytest.fixture(scope="module")
def yields() -> pd.Series:
    frame = read(PRICES.parent / "reference" / "data", "psymonitor_snp.csv", "the R package psymonitor")
    return pd.Series(frame["value"].to_numpy(), pd.DatetimeIndex(frame["date"]), name="dividend yield")


@pytest.fixture(scope="module")
def weekly() -> pd.DataFrame:
    """Log of the last common close of each week."""
    bitcoin, stocks = (
        read(PRICES, name, "its vendor").set_index("date")[column]
        for name, column in (("crypto_daily.csv", "BTC"), ("equity_daily.csv", "QQQ"))
    )
    both = bitcoin.to_frame().join(stocks, how="inner").dropna()
    both.index = pd.DatetimeIndex(both.index)
    return np.log(both[:"2026-07-31"].resample("W-FRI").last().dropna())


def compare(frame: pd.DataFrame, block: dict, rtol: float) -> None:
    close = {"rtol": rtol, "atol": rtol}
    paths = {}
    for name in frame:
        badf, bsadf, *_ = adf_paths(frame[name].to_numpy(), block["lag"], block["minw"], block["lag"] + block["minw"])
        paths[name] = {"badf": badf, "bsadf": bsadf}
        np.testing.assert_allclose(badf[-1], block["adf"][name], **close)
        np.testing.assert_allclose(badf.max(), block["sadf"][name], **close)
        np.testing.assert_allclose(bsadf.max(), block["gsadf"][name], **close)
    for kind in ("badf", "bsadf"):
        ours = np.stack([paths[name][kind] for name in frame], axis=1)
        wanted = block[kind]
        assert len(ours) == wanted["n"]
        np.testing.assert_allclose(ours[:3], wanted["first"], **close)
        np.testing.assert_allclose(ours[-3:], wanted["last"], **close)
        np.testing.assert_allclose(ours.mean(axis=0), wanted["mean"], **close)
        if kind == "bsadf":
            np.testing.assert_allclose(ours.mean(axis=1).max(), block["gsadf_panel"], **close)


def test_exuber_on_its_own_series(simulated, theirs):
    compare(simulated, theirs["sim_lag0"], 1e-11)


@pytest.mark.parametrize("lag", [0, 1])
def test_exuber_on_weekly_prices(weekly, theirs, lag):
    block = theirs[f"weekly_logprice_lag{lag}"]
    if len(weekly) != block["n"]:
        pytest.skip("these are other prices than exuber was run on")
    compare(weekly, block, 1e-8)


@pytest.mark.parametrize("name", ["psy1", "psy2"])
def test_exuber_dates_with_its_critical_values(simulated, theirs, oracle, name):
    """Its numbers are 1-based rows, its ``End`` is the first date below again."""
    critical = np.array(oracle("exuber_cv")["bsadf_cv_95 (nrep=2000, seed=123)"])
    test = gsadf_test(simulated[name], draws=99)
    runs = date_episodes(test.bsadf.to_numpy(), critical, np.log(100))
    wanted = theirs["sim_datestamp"][name]
    rows = test.bsadf.index
    assert [rows[first] + 1 for first, _, _ in runs] == wanted["Start"]
    assert [rows[peak] + 1 for _, peak, _ in runs] == wanted["Peak"]
    assert [rows[last] + 2 for _, _, last in runs] == wanted["End"]
    assert [last - first + 1 for first, _, last in runs] == wanted["Duration"]


@pytest.mark.parametrize("name", ["psy1", "psy2"])
def test_exuber_dates_with_our_critical_values(simulated, theirs, name):
    """Its 2000 draws move a start by a row or two."""
    ours = gsadf_test(simulated[name], pvalue="simulated", draws=20_000).episodes(critical="psy")
    wanted = theirs["sim_datestamp"][name]
    assert np.abs(ours["start"].to_numpy() + 1 - wanted["Start"]).max() <= 2
    assert [date + 1 for date in ours["peak"]] == wanted["Peak"]
    assert [date + 1 for date in ours["end"]] == wanted["End"]
    assert set(ours["move"]) == {"up"}
    assert ours["open"].tolist() == wanted["Ongoing"]


@pytest.mark.parametrize(
    "run", ["radf_mc_cv(nrep=20000, seed=1)", "radf_mc_cv(nrep=2000, seed=123)", "radf_crit, stored"]
)
def test_exuber_critical_values_within_simulation_error(oracle, run):
    wanted = oracle("exuber_cv")[run]
    draws = 20_000
    ours = simulated_paths(100, 0, 19, draws, 0)
    scale = np.sqrt(1.0 + draws / wanted.get("nrep", 2000))
    for kind in ("adf", "sadf", "gsadf"):
        law = LimitLaw.of_draws(ours.statistics(kind))
        for level, value in zip(LEVELS, wanted[kind], strict=True):
            assert abs(law.critical(level) - value) < 4.0 * scale * law.precision(level), (kind, level)


def test_exuber_compares_bsadf_with_the_quantile_of_sadf_by_sample_size(oracle):
    wanted = np.array(oracle("exuber_cv")["bsadf_cv_95 (nrep=2000, seed=123)"])
    walk = np.random.default_rng(0).standard_normal(100).cumsum()
    ours = gsadf_test(walk, pvalue="simulated", draws=20_000)
    assert ours.critical("psy").to_numpy() == pytest.approx(wanted, abs=0.15)
    # the law of BSADF at one date is another, and lower
    assert (ours.critical("psy") > ours.critical("pointwise") + 0.1).iloc[2:].all()


@pytest.mark.parametrize(
    ("nobs", "window", "published", "draws"), [(100, 19, (1.65, 2.00, 2.57), 2000), (400, 40, (1.92, 2.20, 2.80), 2000)]
)
def test_published_critical_values(nobs, window, published, draws):
    """Table 1 of Phillips, Shi and Yu (2015), 2000 replications."""
    ours = simulated_paths(nobs, 0, window, 4000, 0)
    law = LimitLaw.of_draws(ours.statistics("gsadf"))
    for level, value in zip(LEVELS, published, strict=True):
        assert abs(law.critical(level) - value) < 4.0 * np.sqrt(1.0 + 4000 / draws) * law.precision(level), level


def test_psymonitor_and_exuber_on_dividend_yields(yields, theirs):
    """psymonitor counts observations of a window, exuber rows of its regression: one less."""
    whole = theirs["psymonitor"]
    for window, block in ((46, whole), (47, whole["exuber_radf_same"])):
        test = gsadf_test(yields, window=window, draws=99)
        wanted = block["bsadf"]
        assert len(test.bsadf) == wanted["n"]
        np.testing.assert_allclose(test.bsadf.iloc[:3], np.ravel(wanted["first"]), rtol=1e-9)
        np.testing.assert_allclose(test.bsadf.iloc[-3:], np.ravel(wanted["last"]), rtol=1e-9)
        assert test.bsadf.mean() == pytest.approx(wanted["mean"], rel=1e-9)
        assert test.gsadf == pytest.approx(block["gsadf"], rel=1e-9)
    assert test.sadf == pytest.approx(whole["exuber_radf_same"]["sadf"], rel=1e-9)


def test_price_to_dividend_ratio_of_the_sp_500(yields):
    """The inverse of the yields: 1973 to 2018."""
    test = gsadf_test(1.0 / yields, pvalue="simulated", draws=1999)
    assert test.window == 47
    assert test.sadf == pytest.approx(2.3355, abs=5e-5)
    assert test.gsadf == pytest.approx(2.9277, abs=5e-5)
    assert test.pvalue < 0.01
    dates = test.episodes(critical="psy")
    assert set(dates["move"]) == {"up"}
    assert dates["start"].min().year in (1996, 1997)
    assert dates["last"].max().strftime("%Y-%m") == "2000-10"
    assert len(dates) <= 3
