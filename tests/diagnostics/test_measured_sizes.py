"""What docstrings say of measured sizes is what the committed table holds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cryptoequity.diagnostics import constancy, portmanteau, transition_tests

TABLE = Path(__file__).parents[2] / "benchmarks" / "results" / "constancy.csv"
FORMS = ("robust", "classic")
SECOND = "second transition, "
STATED = {
    constancy.engle_sheppard_test: [("Engle–Sheppard", form) for form in FORMS],
    constancy.tse_test: [(f"Tse, {of}", form) for of in ("residuals", "standardized") for form in FORMS],
    constancy.bera_kim_test: [("Bera–Kim", form) for form in FORMS],
    transition_tests.stcc_test: [("STCC", form) for form in FORMS],
    transition_tests.berben_jansen_test: [("Berben–Jansen", form) for form in FORMS],
    transition_tests.second_transition_test: [
        (SECOND + name, form) for name in ("additive", "both regimes") for form in FORMS
    ],
    transition_tests.driver_test: [("DCC-X", form) for form in FORMS],
    portmanteau.hosking_test: [
        (f"Hosking, {of}", form) for of in ("products", "levels") for form in ("corrected", "uncorrected")
    ],
    portmanteau.li_mcleod_test: [("Li–McLeod, products", form) for form in ("corrected", "uncorrected")],
    portmanteau.ling_li_test: [("Ling–Li", form) for form in ("corrected", "uncorrected", "weighted")],
}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    if not TABLE.exists():
        pytest.skip("the benchmarks do not travel with this installation")
    return pd.read_csv(TABLE)


@pytest.mark.parametrize("test", STATED, ids=lambda test: test.__name__)
def test_sizes_are_those_of_the_table(table, test):
    text = " ".join(test.__doc__.split())
    for name, form in STATED[test]:
        world = {"DCC-X": "dcc"}.get(name, "stcc" if name.startswith(SECOND) else "ccc")
        rows = table[(table["test"] == name) & (table["version"] == form) & (table["world"] == world)]
        assert rows["null"].all()
        low, high = 100 * rows.groupby("residuals")["rate at 5 %"].agg(["min", "max"]).to_numpy().T
        stated = f"{low[0]:.1f}–{high[0]:.1f} % and {low[1]:.1f}–{high[1]:.1f} %"  # normal, t(5)
        assert stated in text, f"{name}, {form}: {stated}"


def test_every_cell_has_its_samples(table):
    """A thousand under the null of a constant correlation, but for what is dear with five columns."""
    null = table[(table["world"] == "ccc") & ~table["version"].str.startswith("bootstrap")]
    assert set(null["samples"]) == {1000, 200}
    few = null[null["samples"] == 200]
    assert set(few["N"]) == {5}
    assert few["test"].str.endswith("products").all()
    assert set(zip(null["residuals"], null["N"], null["T"], strict=True)) == {
        (dist, n, nobs) for dist in ("normal", "t(5)") for n in (2, 3, 5) for nobs in (1000, 2500)
    }
