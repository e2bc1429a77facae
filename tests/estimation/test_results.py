"""What every fit and test prints and stores."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cryptoequity.errors import SpecError
from cryptoequity.estimation.bibliography import _BIBLIOGRAPHY
from cryptoequity.estimation.results import Estimate, FitMixin, TestResult, citation
from cryptoequity.table import Table


class Fit(FitMixin):
    """A fit by hand."""

    _title = "By hand"
    _references = ("engle2002", "bollerslev1986", "engle2002")

    def __init__(self, estimate):
        self._estimate = estimate

    @property
    def estimate(self):
        return self._estimate


@pytest.fixture
def fit():
    cov = np.array([[0.04, 0.01, np.nan], [0.01, 0.09, np.nan], [np.nan] * 3])
    return Fit(Estimate(("m.a", "m.b", "c"), np.array([1.0, -0.3, 0.0]), cov, -120.5, 100, 4, "robust", None, ("c",)))


def test_vocabulary(fit):
    assert list(fit.params.index) == ["m.a", "m.b", "c"]
    np.testing.assert_allclose(fit.std_err.iloc[:2], [0.2, 0.3])
    assert np.isnan(fit.std_err["c"])
    np.testing.assert_allclose(fit.tvalues.iloc[:2], [5.0, -1.0])
    np.testing.assert_allclose(fit.pvalues["m.b"], 0.3173105, rtol=1e-6)
    np.testing.assert_allclose(fit.conf_int().loc["m.a"], [1 - 0.2 * 1.959964, 1 + 0.2 * 1.959964], rtol=1e-6)
    np.testing.assert_allclose(fit.conf_int(0.1).loc["m.a", "upper"], 1 + 0.2 * 1.644854, rtol=1e-6)
    assert fit.aic == 2 * 4 + 241
    np.testing.assert_allclose(fit.bic, np.log(100) * 4 + 241)
    assert fit.cov.loc["m.a", "m.b"] == 0.01
    assert fit.converged
    assert fit.at_bound == ("c",)
    assert isinstance(fit.to_frame(), pd.DataFrame)


def test_summary_renders_everywhere_and_always_the_same(fit):
    text = str(fit.summary())
    assert text == str(fit.summary())
    assert text.splitlines()[0] == "By hand"
    assert "On the bound or not identified, hence without standard error: c" in text
    assert "log-likelihood -120.5000" in text
    assert fit.to_latex().count(r"\\") == 4
    assert r"\toprule" in fit.to_latex()
    assert fit.to_html().startswith("<table><caption>By hand</caption>")


def test_citations_come_once_and_in_order(fit):
    entries = [line for line in fit.cite().splitlines() if line.startswith("@")]
    assert [entry.split("{")[1].split(",")[0] for entry in entries] == ["engle2002", "bollerslev1986"]
    with pytest.raises(SpecError, match="no bibliography entry for 'nobody1900'"):
        citation("nobody1900")


@pytest.mark.parametrize("key", sorted(_BIBLIOGRAPHY))
def test_every_entry_is_bibtex(key):
    entry = _BIBLIOGRAPHY[key]
    assert entry.startswith("@")
    assert entry.split("{", 1)[1].startswith(f"{key},")
    assert entry.count("{") == entry.count("}")
    for field in ("author", "title", "year"):
        assert f"{field}={{" in entry


def test_a_test_is_data():
    result = TestResult(
        "Sup-F", "no break", 12.5, 0.013, "Hansen (1997)", {"date": 5, "path": np.arange(3), "k": np.float64(2)}
    )
    table = result.summary()
    assert isinstance(table, Table)
    assert "H0: no break" in table.to_text()
    assert "path" not in table.to_text()
    stored = json.loads(json.dumps(result.to_dict()))
    assert stored["detail"] == {"date": 5, "k": 2.0}
    missing = TestResult("Sup-F", "no break", np.nan, np.nan, "none", reason="only 10 observations")
    assert "only 10 observations" in missing.summary().to_text()


def test_table_renderings():
    frame = pd.DataFrame({"x_1": [1.23456, np.nan], "n": [3, 10_000_000]}, index=["a|b", "50 %"])
    table = Table.of("R² & more", frame, digits={"x_1": 2}, notes=["ρ ≥ 0"], corner="what")
    assert table.rows == (("a|b", "1.23", "3"), ("50 %", "", "10000000"))
    lines = table.to_text().splitlines()
    assert lines[0] == "R² & more"
    assert lines[-1] == "ρ ≥ 0"
    widths = {len(line) for line in lines[3:-2]}
    assert max(widths) == len(lines[1])
    assert r"R\textsuperscript{2} \& more" in table.to_latex()
    assert r"50 \%" in table.to_latex()
    assert r"a\|b" in table.to_markdown()
    assert table.to_markdown().count("\n|") >= 3
    assert "R² &amp; more" in table.to_html()
    assert table._repr_html_() == table.to_html()
    assert str(table) == table.to_text()
    assert table.to_frame().shape == (2, 2)
    assert list(table.to_frame().index) == ["a|b", "50 %"]
