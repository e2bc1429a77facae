"""The panel statistic: the mean of the columns' sequences, multipliers shared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cryptoequity.breaks.explosive import gsadf_test
from cryptoequity.breaks.explosive_panel import panel_gsadf_test
from cryptoequity.errors import DataError, SpecError

WALKS = pd.DataFrame(
    np.random.default_rng(1).standard_normal((120, 3)).cumsum(axis=0),
    pd.bdate_range("2020-01-01", periods=120),
    list("abc"),
)


@pytest.mark.parametrize("lag", [0, 1])
def test_the_path_is_the_mean_of_the_columns(lag):
    test = panel_gsadf_test(WALKS, lag=lag, draws=99)
    columns = [gsadf_test(WALKS[name], lag=lag, draws=99).bsadf for name in WALKS]
    np.testing.assert_allclose(test.path, np.mean(columns, axis=0), rtol=1e-12)
    assert test.statistic == test.path.max()
    assert test.break_date == test.path.idxmax() == WALKS.index[test.position]
    assert "panel" in str(test.summary()).lower()
    assert "pavlidis2016" in test.cite()


@pytest.mark.parametrize("pvalue", ["wild", "sieve"])
def test_a_panel_of_one_series_and_its_copies_is_that_series(pvalue):
    """Which it is only if all columns are multiplied by the same numbers."""
    y = WALKS["a"]
    copies = pd.DataFrame({"one": y, "two": 5.0 - 2.0 * y, "three": 0.1 * y})
    panel = panel_gsadf_test(copies, pvalue=pvalue, draws=99, rng=3, n_jobs=2)
    single = gsadf_test(y, pvalue=pvalue, draws=99, rng=3)
    assert panel.statistic == pytest.approx(single.gsadf, abs=1e-9)
    assert panel.pvalue == single.pvalue
    assert panel.critical_values[0.05] == pytest.approx(single.critical_values[0.05], abs=1e-9)


def test_a_bubble_that_is_shared_is_found():
    frame = 100.0 + WALKS
    for t in range(61, 95):
        frame.iloc[t] = 1.03 * frame.iloc[t - 1] + WALKS.diff().iloc[t]
    test = panel_gsadf_test(frame, draws=99)
    assert test.pvalue == 0.01
    assert frame.index[70] < test.break_date <= frame.index[95]


def test_what_is_refused():
    with pytest.raises(DataError, match="two columns"):
        panel_gsadf_test(WALKS[["a"]])
    with pytest.raises(DataError, match="'b' has 1 missing"):
        panel_gsadf_test(WALKS.mask((WALKS.index == WALKS.index[5])[:, None] & (WALKS.columns == "b")))
    with pytest.raises(SpecError, match="pvalue='simulated'"):
        panel_gsadf_test(WALKS, pvalue="simulated")
    with pytest.raises(SpecError, match="draws=9"):
        panel_gsadf_test(WALKS, draws=9)
