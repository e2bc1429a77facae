"""Nyblom and Hansen's test: against statsmodels, its exact law, and bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import simpson
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.diagnostic import breaks_hansen

from cryptoequity.breaks.nyblom import cumulated_scores, nyblom_critical, nyblom_hansen_test, nyblom_tail
from cryptoequity.errors import CryptoEquityWarning, DataError, SpecError
from cryptoequity.estimation.long_run import LongRun


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(21)
    index = pd.bdate_range("2019-01-01", periods=150, name="date")
    x = pd.DataFrame(rng.standard_normal((150, 2)), index, ["a", "b"])
    y = 0.2 + x["a"] + x["b"] * np.linspace(-1, 1, 150) + rng.standard_normal(150)
    return y.rename("y"), x


def test_joint_statistic_with_the_variance_is_that_of_statsmodels(sample):
    y, x = sample
    wanted, _ = breaks_hansen(OLS(y.to_numpy(), np.column_stack([np.ones(150), x])).fit())
    with pytest.warns(CryptoEquityWarning, match="GARCH"):
        result = nyblom_hansen_test(y, x, variance=True)
    assert result.statistic == pytest.approx(float(wanted), rel=1e-10)
    assert result.pvalue == pytest.approx(nyblom_tail(result.statistic, 4))


def test_statistics_written_out(sample):
    y, x = sample
    design = np.column_stack([np.ones(150), x])
    u = y.to_numpy() - design @ np.linalg.lstsq(design, y.to_numpy(), rcond=None)[0]
    f = design * u[:, None]
    sums = np.cumsum(f, axis=0)
    result = nyblom_hansen_test(y, x)
    joint = np.mean([s @ np.linalg.solve(f.T @ f, s) for s in sums])
    assert result.statistic == pytest.approx(joint, rel=1e-10)
    for i, name in enumerate(("const", "a", "b")):
        alone = np.mean(sums[:, i] ** 2) / np.sum(f[:, i] ** 2)
        assert result.detail[f"L, {name}"] == pytest.approx(alone, rel=1e-10)
        assert result.detail[f"p-value, {name}"] == pytest.approx(nyblom_tail(alone, 1))
    pick = [1, 2]
    some = np.mean([s @ np.linalg.solve((f.T @ f)[np.ix_(pick, pick)], s) for s in sums[:, pick]])
    part = nyblom_hansen_test(y, x, coefficients=["b", "a"])
    assert part.statistic == pytest.approx(some, rel=1e-10)
    assert part.reference == "sum of chi2(2) / (pi j)^2, exact"
    assert result.detail["p-value, b"] < 0.01 < result.detail["p-value, a"]
    assert list(result.path.index) == list(y.index[1:])
    assert result.path.sum() / 150 == pytest.approx(result.statistic)
    assert result.position is None


def test_long_run_variance(sample):
    y, x = sample
    plain = nyblom_hansen_test(y, x)
    zero = nyblom_hansen_test(y, x, long_run=LongRun(kernel="bartlett", bandwidth=0.0))
    assert zero.statistic == pytest.approx(plain.statistic, rel=1e-10)
    rng = np.random.default_rng(3)
    e = rng.standard_normal(500)
    persistent = np.convolve(e, 0.6 ** np.arange(20))[:500]
    small = nyblom_hansen_test(persistent, long_run=LongRun(prewhiten=True)).statistic
    assert small < 0.5 * nyblom_hansen_test(persistent).statistic


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-6, 1e6))
def test_invariant_to_units_basis_and_direction_of_time(seed, scale):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((60, 2)), rng.standard_normal(60)
    turn = rng.standard_normal((2, 2)) + 3 * np.eye(2)
    one = nyblom_hansen_test(y, x).statistic
    assert nyblom_hansen_test(-scale * (y + x[:, 0]), x @ turn + 1.0).statistic == pytest.approx(one, rel=1e-6)
    # S_T = 0, so that sums from the end are those from the beginning, with the sign turned
    assert nyblom_hansen_test(y[::-1], x[::-1]).statistic == pytest.approx(one, rel=1e-8)


# --- the law


def theta(x: float) -> float:
    """Tail for q = 2: the exponentials' sum is Kolmogorov's law at the root."""
    j = np.arange(1, 500)
    return float(2 * np.sum((-1.0) ** (j + 1) * np.exp(-0.5 * np.pi**2 * j**2 * x)))


def test_two_coefficients_have_a_theta_function():
    for x in (0.02, 0.05, 0.1, 0.3333, 0.334, 0.749, 2.0, 10.0, 60.0):
        assert nyblom_tail(x, 2) == pytest.approx(theta(x), rel=1e-10), x


def test_one_coefficient_is_cramer_von_mises():
    """Anderson and Darling's (1952) law; quantiles from their Table 1."""
    for at, level in ((0.34730, 0.10), (0.46136, 0.05), (0.74346, 0.01), (1.16786, 0.001)):
        assert nyblom_tail(at, 1) == pytest.approx(level, abs=5e-6)


def test_critical_values_of_hansen():
    """Hansen (1992), Table 1, simulated by him."""
    for q, wanted in enumerate((0.470, 0.749, 1.01, 1.24, 1.47), start=1):
        assert nyblom_critical(0.05, q) == pytest.approx(wanted, abs=0.012)


def transform_tail(x: float, q: int) -> float:
    """Gil-Pelaez's integral of the characteristic function, by Simpson's rule on a fine grid."""
    u = np.linspace(0, 180 / q + 5, 200_001)[1:]
    root = np.sqrt(-2j * u**2)
    logs = 0.5 * q * (np.log(2 * root) - root - np.log1p(-np.exp(-2 * root)))
    terms = 2 * np.imag(np.exp(logs - 1j * u**2 * x)) / u
    return 0.5 + float(simpson(np.concatenate([[0.0], terms]), dx=u[1] - u[0])) / np.pi


@pytest.mark.parametrize("q", [1, 3, 4, 7, 8, 9, 20, 60])
def test_tail_against_the_characteristic_function(q):
    for share in (0.2, 0.7, 0.99, 1.0, 1.01, 1.5, 3.0):
        x = share * q / 6
        assert nyblom_tail(x, q) == pytest.approx(transform_tail(x, q), abs=1e-9), share


@settings(max_examples=60, deadline=None)
@given(q=st.integers(1, 40), share=st.floats(1e-3, 30.0))
def test_tail_falls_and_is_a_probability(q, share):
    one, two = nyblom_tail(share * q / 6, q), nyblom_tail(1.01 * share * q / 6, q)
    assert 0 <= two <= one <= 1
    if share < 10:
        assert nyblom_tail(share * (q + 1) / 6 * q / (q + 1), q + 1) >= one


def test_critical_inverts_tail():
    for q in (1, 2, 8, 25):
        for level in (0.9, 0.5, 0.1, 0.01, 1e-6):
            assert nyblom_tail(nyblom_critical(level, q), q) == pytest.approx(level, rel=1e-6)
    assert nyblom_tail(0.0, 1) == 1.0
    assert np.isnan(nyblom_tail(float("nan"), 1))
    with pytest.raises(SpecError):
        nyblom_tail(1.0, 0)
    with pytest.raises(SpecError):
        nyblom_critical(1.5, 1)


def test_p_values_are_uniform_under_the_null():
    rng = np.random.default_rng(12)
    p = [nyblom_hansen_test(rng.standard_normal(300), rng.standard_normal(300)).pvalue for _ in range(300)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


# --- what it refuses


def test_bad_input(sample):
    y, x = sample
    with pytest.raises(SpecError, match="names among"):
        nyblom_hansen_test(y, x, coefficients=["c"])
    with pytest.raises(SpecError, match="names among"):
        nyblom_hansen_test(y, x, coefficients="a")
    with pytest.raises(SpecError, match="variance=True"):
        nyblom_hansen_test(y, x, coefficients=["variance"])
    with pytest.raises(SpecError, match="rename"):
        nyblom_hansen_test(y, x.rename(columns={"a": "variance"}), variance=True)
    with pytest.raises(DataError, match="too few"):
        nyblom_hansen_test(np.arange(5.0))
    with pytest.raises(DataError, match="missing or infinite"):
        nyblom_hansen_test(y.where(y.index != y.index[3]), x)
    with pytest.raises(DataError, match="is constant at"):
        nyblom_hansen_test(np.ones(50))
    with pytest.raises(DataError, match="exactly"):
        nyblom_hansen_test((2 * x["a"]).rename("y"), x)
    # a dummy of one row: its score is zero everywhere
    with pytest.raises(DataError, match="zero at every date"):
        nyblom_hansen_test(y, x.assign(b=(np.arange(150) == 60).astype(float)))


def test_only_the_variance(sample):
    y, x = sample
    with pytest.warns(CryptoEquityWarning):
        result = nyblom_hansen_test(y, x, variance=True, coefficients=["variance"])
    assert result.statistic == pytest.approx(result.detail["L, variance"])
    assert "variance" in result.null


def test_scores_sum_to_zero(sample):
    y, x = sample
    from cryptoequity.breaks.sample import read_regression

    sums, covariance = cumulated_scores(read_regression(y, x), variance=True)
    np.testing.assert_allclose(sums[-1], 0.0, atol=1e-10)
    assert covariance.shape == (4, 4)


def test_what_the_result_says(sample):
    y, x = sample
    result = nyblom_hansen_test(y, x)
    assert "random walk" in str(result.summary())
    assert "Nyblom" in result.cite()
    assert list(result.to_frame().columns) == ["statistic"]
    assert result.to_dict()["detail"]["L, b"] == pytest.approx(result.detail["L, b"])
