"""Change points against ruptures where it is exact: every row a candidate, and PELT with segments of one row."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.datasets import nile

from cryptoequity.breaks.change_points import ChangePoints


@pytest.fixture
def rpt():
    return pytest.importorskip("ruptures", reason="ruptures is not a dependency; install it to compare with it")


def series(seed: int, nobs: int = 150) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y = rng.standard_normal(nobs)
    y[nobs // 3 :] += 1.5
    y[2 * nobs // 3 :] *= 2.0
    return y


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("breaks", [1, 2, 4])
def test_means_by_dynamic_programming(rpt, seed, breaks):
    y = series(seed)
    theirs = rpt.Dynp(model="l2", min_size=3, jump=1).fit(y[:, None])
    fit = ChangePoints("mean", n_breaks=breaks, min_size=3).fit(y)
    found = theirs.predict(n_bkps=breaks)
    assert list(fit.positions) == found[:-1]
    assert fit.cost == pytest.approx(theirs.cost.sum_of_costs(found), rel=1e-10)


@pytest.mark.parametrize("seed", range(2))
def test_normal_and_regression_by_dynamic_programming(rpt, seed):
    y = series(seed, 120)
    x = np.random.default_rng(seed + 50).standard_normal(120)
    pair = np.column_stack([y, 0.5 * y + x])
    theirs = rpt.Dynp(model="normal", params={"add_small_diag": False}, min_size=8, jump=1).fit(pair)
    ours = ChangePoints("normal", n_breaks=2, min_size=8).fit(pair)
    assert list(ours.positions) == theirs.predict(n_bkps=2)[:-1]
    stacked = np.column_stack([y, np.ones(120), x])
    theirs = rpt.Dynp(model="linear", min_size=8, jump=1).fit(stacked)
    ours = ChangePoints("regression", n_breaks=2, min_size=8).fit(y, x)
    assert list(ours.positions) == theirs.predict(n_bkps=2)[:-1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("penalty", [3.0, 9.0, 25.0])
def test_pelt_with_segments_of_one_row(rpt, seed, penalty):
    y = series(seed)
    theirs = rpt.Pelt(model="l2", min_size=1, jump=1).fit(y[:, None]).predict(pen=penalty)
    fit = ChangePoints("mean", method="pelt", penalty=penalty, min_size=1).fit(y)
    assert list(fit.positions) == theirs[:-1]


def test_binary_segmentation(rpt):
    y = series(7)
    theirs = rpt.Binseg(model="l2", min_size=2, jump=1).fit(y[:, None]).predict(n_bkps=3)
    assert list(ChangePoints("mean", method="binary", n_breaks=3).fit(y).positions) == theirs[:-1]


def test_nile_breaks_in_1899():
    """The dam at Aswan; first year of the new regime, one after strucchange's last year of the old one."""
    flow = nile.load_pandas().data.set_index("year")["volume"]
    flow.index = flow.index.astype(int)
    for method in ("dp", "pelt", "binary"):
        fit = ChangePoints("mean", method=method).fit(flow)
        assert list(fit.break_dates) == [1899]
        assert list(fit.last_dates) == [1898]
    assert fit.params["mean"].round(0).tolist() == [1098.0, 850.0]
