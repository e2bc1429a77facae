"""Bands of correlation paths: against the delta method, against bounds, against bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from cryptoequity.correlation import CCC, DCC
from cryptoequity.errors import SpecError
from cryptoequity.volatility import fit_margins


@pytest.fixture(scope="module")
def margins(sim_dcc3):
    return fit_margins(sim_dcc3.iloc[:1200])


@pytest.fixture(scope="module")
def dcc(margins):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return DCC(dist="t").fit(margins)


def test_band_of_a_constant_correlation_is_its_confidence_interval(margins):
    # the path is the target itself, so the band is the interval of the stacked covariance, up to Monte Carlo error
    fit = CCC().fit(margins)
    band = fit.correlation_band("A", "C", draws=4000, rng=1)
    half = 1.96 * fit.std_err["corr.A.C"]
    np.testing.assert_allclose(band["upper"] - band["estimate"], half, rtol=0.08)
    np.testing.assert_allclose(band["estimate"] - band["lower"], half, rtol=0.08)


def test_band_surrounds_the_path_and_repeats(dcc):
    band = dcc.correlation_band("A", "B", draws=200, rng=3)
    assert list(band.columns) == ["lower", "estimate", "upper"]
    np.testing.assert_array_equal(band["estimate"], dcc.correlation("A", "B"))
    assert (band["lower"] <= band["estimate"]).mean() > 0.95
    assert (band["estimate"] <= band["upper"]).mean() > 0.95
    assert band.abs().max().max() < 1.0
    assert band.attrs["draws"] == 200
    assert band.attrs["rejected"] >= 0
    pd.testing.assert_frame_equal(band, dcc.correlation_band("A", "B", draws=200, rng=3))
    pd.testing.assert_frame_equal(band, dcc.correlation_band("B", "A", draws=200, rng=3))


def test_wider_levels_contain_narrower_ones(dcc):
    wide, narrow = (dcc.correlation_band("A", "C", level=level, draws=200, rng=5) for level in (0.95, 0.5))
    assert (wide["lower"] <= narrow["lower"]).all()
    assert (wide["upper"] >= narrow["upper"]).all()


def test_arch_margins_have_bands_too(sim_dcc3):
    from arch import arch_model

    frame = sim_dcc3[["A", "B"]].iloc[:800]
    results = {name: arch_model(frame[name], rescale=False).fit(disp="off") for name in frame}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = DCC().fit(frame)
        theirs = DCC().fit(fit_margins(results))
    first, second = (fit.correlation_band("A", "B", draws=400, rng=1) for fit in (ours, theirs))
    # arch's margins are linearized, ours filtered again: the widths agree to the order of what linearizing drops
    ratio = (second["upper"] - second["lower"]).mean() / (first["upper"] - first["lower"]).mean()
    assert 0.7 < ratio < 1.4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 1.0}, r"level=1\.0"),
        ({"draws": 10}, "draws=10"),
        ({"j": "A"}, "'A' with itself"),
        ({"j": "Z"}, "no column 'Z'"),
    ],
)
def test_refusals(dcc, options, message):
    with pytest.raises(SpecError, match=message):
        dcc.correlation_band(**{"i": "A", "j": "B", **options})
