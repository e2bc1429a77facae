"""Moment tests of a mixture: the four moments written out, exact p-values, what maximising does."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.bootstrap import pvalue
from cryptoequity.regimes.moment_tests import combined, dufour_luger_test, mixture_moments, normal_moments, survival


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(20, 200))
def test_moments_by_hand(seed, nobs):
    e = np.random.default_rng(seed).standard_normal(nobs)
    e -= e.mean()
    up, down = e[e > 0], e[e <= 0]
    variance = np.mean(e**2)
    u = e / np.sqrt(variance)
    expected = [
        abs(up.mean() - down.mean()) / np.sqrt(up.var() + down.var()),
        np.mean(e[e**2 > variance] ** 2) / np.mean(e[e**2 <= variance] ** 2),
        abs(np.mean(u**3)),
        abs(np.mean(u**4) - 3),
    ]
    np.testing.assert_allclose(mixture_moments(np.vstack([e, 7 * e]))[0], expected, rtol=1e-9)
    np.testing.assert_allclose(mixture_moments(np.vstack([e, 7 * e]))[1], expected, rtol=1e-9)


def test_survival_counts():
    reference = np.sort(np.arange(9.0)[:, None] * np.ones(4), axis=0)
    own = np.array([[8.5, 8.0, 0.0, -1.0]])
    np.testing.assert_allclose(survival(own, reference), [[0.1, 0.2, 1.0, 1.0]])
    assert combined(own, reference, "min")[0] == pytest.approx(0.9)
    assert combined(own, reference, "product")[0] == pytest.approx(0.98)


@pytest.mark.parametrize("combine", ["min", "product"])
def test_the_test_is_exact(combine):
    rng = np.random.default_rng(0)
    reference = np.sort(normal_moments(60, 2000, rng), axis=0)
    hits = []
    for _ in range(600):
        both = combined(normal_moments(60, 40, rng), reference, combine)
        hits.append(pvalue(both[0], both[1:]) <= 0.1)
    assert np.mean(hits) == pytest.approx(0.1, abs=3 * np.sqrt(0.09 / 600))


def test_a_mixture_is_found_and_noise_is_not():
    rng = np.random.default_rng(1)
    e = rng.standard_normal(300)
    calm = dufour_luger_test(pd.Series(e), draws=99)
    assert calm.pvalue > 0.05
    assert list(calm.moments.index) == ["mean", "variance", "skewness", "kurtosis"]
    apart = e + np.where(rng.random(300) < 0.5, 6.0, 0.0)
    found = dufour_luger_test(pd.Series(apart), draws=99, combine="min")
    assert found.pvalue == 0.01
    assert found.moments.loc["mean", "pvalue"] < 0.01
    assert found.statistic == pytest.approx(1 - found.moments["pvalue"].min())
    assert "Identification-Robust" in found.cite()


def test_maximising_never_lowers_the_pvalue():
    y = pd.Series(np.random.default_rng(3).standard_normal(250))
    plain = dufour_luger_test(y, lags=2, draws=99)
    largest = dufour_luger_test(y, lags=2, draws=99, method="mmc", points=50)
    assert largest.detail["p-value at the estimates"] == plain.pvalue
    assert largest.pvalue >= plain.pvalue
    assert largest.coefficients.shape == (2,)


def test_units_change_nothing():
    y = pd.Series(np.random.default_rng(4).standard_normal(150))
    one, two = (dufour_luger_test(part, lags=1, draws=99) for part in (y, 100 * y + 3))
    assert one.statistic == pytest.approx(two.statistic)
    assert one.pvalue == two.pvalue


def test_refusals():
    y = pd.Series(np.random.default_rng(0).standard_normal(200), name="r")
    with pytest.raises(SpecError, match="exact already"):
        dufour_luger_test(y, method="mmc")
    with pytest.raises(SpecError, match="draws"):
        dufour_luger_test(y, draws=10)
    with pytest.raises(SpecError, match="combine"):
        dufour_luger_test(y, combine="max")
    with pytest.raises(SpecError, match="set_level"):
        dufour_luger_test(y, lags=1, method="mmc", set_level=1.0)
    with pytest.raises(DataError):
        dufour_luger_test(y.iloc[:40])
    with pytest.raises(DataError):
        dufour_luger_test(y * 0.0)
    with pytest.raises(DataError, match=r"NaN|missing|finite"):
        dufour_luger_test(y.where(y.index != 3))
