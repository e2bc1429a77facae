"""The replication on real prices: what is committed is what the script computes, as far as seconds allow."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cryptoequity as ce

FOLDER = Path(__file__).parents[2] / "docs" / "replication"
RESULTS = FOLDER / "results"
DRAWS = 19


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("jpmorgan", FOLDER / "jpmorgan.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    return json.loads((RESULTS / "jpmorgan.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def script(committed: dict[str, Any]) -> ModuleType:
    module = load_script()
    if not all((module.DATA / name).exists() for name in module.FILES):
        pytest.skip("the real prices are not here: they belong to their vendors; point CRYPTOEQUITY_DATA at a copy")
    if module.file_hashes() != committed["data"]["sha256"]:
        pytest.skip("CRYPTOEQUITY_DATA holds other files than the committed results were made from")
    return module


@pytest.fixture(scope="module")
def data(script: ModuleType) -> Any:
    return script.read_data()


@pytest.fixture(scope="module")
def returns(script: ModuleType, data: Any) -> pd.DataFrame:
    return script.session_returns(data)


def longest_list(value: Any) -> int:
    if isinstance(value, dict):
        return max(map(longest_list, value.values()), default=0)
    if isinstance(value, list):
        return max([len(value), *map(longest_list, value)])
    return 0


def test_the_results_are_small_and_hold_no_price_series(committed):
    draws = max(record["plan"]["draws"] for record in committed["cells"].values())
    assert longest_list(committed) == draws  # the null draws; any daily series would be longer
    for file in RESULTS.iterdir():
        assert file.stat().st_size < (150_000 if file.suffix == ".png" else 600_000), file.name


def test_the_table_is_the_json(committed):
    table = pd.read_csv(RESULTS / "verdicts.csv").set_index(["cell", "hypothesis"])
    assert len(table) == sum(len(record["table"]) for record in committed["cells"].values())
    for cell, record in committed["cells"].items():
        for key, row in record["table"].items():
            written = table.loc[(cell, key)]
            assert written["verdict"] == row["verdict"]
            assert written["estimate"] == pytest.approx(
                math.nan if row["estimate"] is None else row["estimate"], abs=1e-6, nan_ok=True
            )


def test_every_cell_has_the_plan_that_was_declared(committed):
    cells = committed["cells"]
    assert [name for name, record in cells.items() if record["role"] == "primary"] == [committed["primary"]]
    assert {record["plan"]["rng"] for record in cells.values()} == {20261122}
    assert {record["plan"]["draws"] for record in cells.values()} == {499}


def test_imf_figures(script, returns, committed):
    """Adrian, Iyer and Qureshi (2022): 0.01 in 2017-2019, 0.36 in 2020-2021, bitcoin and the S&P 500."""
    figures = script.published_figures(returns)
    before, after = figures["imf.2017-2019"], figures["imf.2020-2021"]
    calm = figures["imf.2020-2021 without the crash"]
    assert round(before["correlation"], 3) == 0.022
    assert round(after["correlation"], 3) == 0.359
    assert round(calm["correlation"], 3) == 0.231
    assert after["n"] - calm["n"] == 23
    # by another route: closes on the sessions of SPY, plain numpy
    closes = script.read_data().prices[["BTC", "SPY"]].dropna()
    moves = np.diff(np.log(closes.to_numpy()), axis=0)
    rows = (closes.index[1:] >= "2020-01-01") & (closes.index[1:] <= "2021-12-31")
    assert np.corrcoef(moves[rows].T)[0, 1] == pytest.approx(after["correlation"], abs=1e-12)
    for key, figure in figures.items():
        stored = committed["description"]["published"][key]
        assert figure["correlation"] == pytest.approx(stored["correlation"], abs=1e-9)
        assert (figure["n"], figure["first"], figure["last"]) == (stored["n"], stored["first"], stored["last"])


def test_calendar_years(script, returns, committed):
    years = script.calendar_years(returns)
    stored = pd.read_csv(RESULTS / "calendar_years.csv", index_col="year")
    pd.testing.assert_frame_equal(years, stored, check_dtype=False, atol=1e-6, rtol=0)
    exact = script.permute_years(years)
    assert set(exact) == set(committed["description"]["years"])
    for column, row in exact.items():
        assert row["pvalue"] >= 0.1 - 1e-12  # 1 / C(5, 3), whatever the data
        assert row["pvalue"] == committed["description"]["years"][column]["pvalue"]


@pytest.fixture(scope="module")
def primary(script: ModuleType, data: Any) -> ce.Verdict:
    cell = script.cells(data, DRAWS)[script.PRIMARY]
    return ce.test_claim(cell.prices, cell.plan)


def test_the_primary_cell_is_estimated_again(primary, committed):
    record = committed["cells"][committed["primary"]]
    assert primary.data_sha256 == record["data_sha256"]
    for key, row in record["table"].items():
        estimate = math.nan if row["estimate"] is None else row["estimate"]
        assert primary.table.loc[key, "estimate"] == pytest.approx(estimate, abs=1e-6, nan_ok=True), key
    for key in ("H1", "H5", "H6"):  # fewer draws: within their noise, and never below one in DRAWS + 1
        stored = record["table"][key]["pvalue"]
        noise = 4.0 * math.sqrt(stored * (1.0 - stored) / DRAWS) + 1.0 / (1 + DRAWS)
        assert primary.table.loc[key, "pvalue"] == pytest.approx(stored, abs=noise), key
    assert primary.statistic == pytest.approx(record["statistic"], abs=1e-6)
    assert primary.placement.keys() == record["placement"].keys()
    for name in primary.placement.keys() - {"placebo episodes, score"}:  # which is drawn
        test = primary.placement[name]
        assert test.pvalue == pytest.approx(record["placement"][name]["pvalue"], abs=2e-3), name
    for name, row in record["naive"].items():
        assert primary.naive.loc[name, "pvalue"] == pytest.approx(row["pvalue"], abs=1e-6), name


def test_the_first_draws_are_the_committed_draws(primary, committed):
    """Seeds are spawned draw by draw, so a short run is the beginning of the long one."""
    stored = np.array(committed["cells"][committed["primary"]]["null"][:DRAWS])
    np.testing.assert_allclose(primary.null, stored, atol=1e-6)
    p = (1 + np.sum(stored >= primary.statistic)) / (1 + DRAWS)
    assert primary.evidence["H2"].pvalue == pytest.approx(p)
