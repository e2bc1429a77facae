"""Several margins on one sample."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from cryptoequity.errors import BoundaryWarning, DataError, SpecError
from cryptoequity.volatility import EGARCH, GARCH, Margins, fit_margins


@pytest.fixture(scope="module")
def returns(sim_dcc3) -> pd.DataFrame:
    return sim_dcc3.iloc[:800]


def test_every_column_is_fitted_as_alone(returns):
    margins = fit_margins(returns, GARCH(asymmetric=False))
    for name in returns:
        alone = GARCH().fit(returns[name])
        pd.testing.assert_series_equal(margins[name].params, alone.params)
        np.testing.assert_array_equal(margins.std_resid[name], alone.std_resid)
        np.testing.assert_array_equal(margins.volatility[name], alone.volatility)
    assert margins.names == ("A", "B", "C")
    np.testing.assert_allclose(margins.loglikelihood, sum(fit.loglikelihood for fit in margins.fits))
    assert list(margins.params.index[:5]) == ["A.mu", "A.omega", "A.alpha", "A.beta", "B.mu"]


def test_one_specification_per_column_shares_the_sample(returns):
    specs = {"A": GARCH(mean="ar", lags=2), "B": GARCH(), "C": EGARCH()}
    margins = fit_margins(returns, specs)
    assert [fit.spec for fit in margins.fits] == list(specs.values())
    assert len(margins.std_resid) == 798
    assert margins.std_resid.index.equals(returns.index[2:])
    assert margins["B"].hold_back == 2
    with pytest.raises(SpecError, match=r"missing \['C'\], unknown \['D'\]"):
        fit_margins(returns, {"A": GARCH(), "B": GARCH(), "D": GARCH()})


def test_select_and_lookup(returns):
    margins = fit_margins(returns)
    part = margins.select("C", "A")
    assert part.names == ("C", "A")
    assert list(part.std_resid.columns) == ["C", "A"]
    with pytest.raises(SpecError, match="no margin named 'Z'; there are A, B, C"):
        margins["Z"]


def test_permuting_columns_permutes_the_answer(returns):
    margins, turned = fit_margins(returns), fit_margins(returns[["C", "A", "B"]])
    pd.testing.assert_frame_equal(turned.std_resid[["A", "B", "C"]], margins.std_resid)


@pytest.mark.parametrize("spec", [GARCH(), EGARCH(dist="skewt"), GARCH(mean="ar", lags=1, dist="t")])
def test_storage(spec, returns):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        margins = fit_margins(returns, spec)
    again = Margins.from_json(margins.to_json())
    pd.testing.assert_frame_equal(again.std_resid, margins.std_resid, check_freq=False)
    pd.testing.assert_series_equal(again.std_err, margins.std_err)
    assert str(again.summary()) == str(margins.summary())
    assert again.std_resid.index.name == margins.std_resid.index.name


def test_bounds_are_reported_by_column(returns):
    frame = returns.assign(D=np.sign(np.sin(np.arange(800.0) * 7)) * (1 + 0.05 * np.cos(np.arange(800))))
    with pytest.warns(BoundaryWarning, match=r"on the bound, no standard error: .*D\.alpha"):
        margins = fit_margins(frame)
    assert any(name.startswith("D.") for name in margins.at_bound)
    assert not any(name.startswith("A.") for name in margins.at_bound)
    assert "On the bound, hence without standard error: " in str(margins.summary())


def test_frames_that_cannot_be_used(returns):
    with pytest.raises(DataError, match="columns 'A' and 'D' are perfectly collinear"):
        fit_margins(returns.assign(D=2 * returns["A"]))
    with pytest.raises(DataError, match="'A' looks like decimal returns"):
        fit_margins(returns / 100)
    with pytest.raises(DataError, match="column 'B' is NaN"):
        fit_margins(returns.assign(B=returns["B"].mask(returns["B"] > 2)))
    with pytest.raises(SpecError, match="cov_type='x'"):
        fit_margins(returns, cov_type="x")
