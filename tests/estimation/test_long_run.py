"""Long-run covariances: against the sum written out, and against what a stationary process has."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.errors import DataError
from cryptoequity.estimation.inference import long_run_covariance
from cryptoequity.estimation.long_run import LongRun, andrews_bandwidth, quadratic_spectral


def written_out(m, weight):
    nobs = m.shape[0]
    total = m.T @ m / nobs
    for lag in range(1, nobs):
        gamma = m[lag:].T @ m[:-lag] / nobs
        total = total + weight(lag) * (gamma + gamma.T)
    return total


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.floats(0.3, 30.0))
def test_kernel_sums_equal_the_loop(seed, width, bandwidth):
    m = np.random.default_rng(seed).standard_normal((40, width)).cumsum(axis=0)
    qs = LongRun("qs", bandwidth).covariance(m)
    np.testing.assert_allclose(qs, written_out(m, lambda j: quadratic_spectral(np.array(j / bandwidth))), rtol=1e-9)
    bartlett = LongRun("bartlett", bandwidth).covariance(m)
    np.testing.assert_allclose(bartlett, written_out(m, lambda j: max(0.0, 1.0 - j / bandwidth)), rtol=1e-9)


def test_bartlett_with_whole_lags_is_newey_west():
    m = np.random.default_rng(1).standard_normal((200, 2))
    np.testing.assert_allclose(LongRun("bartlett", 6.0).covariance(m), long_run_covariance(m, 5), rtol=1e-14)


def test_the_kernel_has_no_seam_where_its_series_takes_over():
    delta = 1.2 * np.pi
    around = quadratic_spectral(np.array([0.999e-3, 1.001e-3]) / delta)
    assert abs(around[0] - around[1]) < 1e-9
    assert quadratic_spectral(np.array(0.0)) == 1.0


@pytest.mark.parametrize("prewhiten", [False, True])
def test_the_long_run_variance_of_an_autoregression(prewhiten):
    rng, phi = np.random.default_rng(3), 0.5
    e = rng.standard_normal(60_000)
    x = np.empty_like(e)
    x[0] = e[0]
    for t in range(1, e.size):
        x[t] = phi * x[t - 1] + e[t]
    got = LongRun("qs", "andrews", prewhiten).covariance(x[:, None])[0, 0]
    assert got == pytest.approx(1.0 / (1.0 - phi) ** 2, rel=0.06)


def test_the_divisor_counts_parameters():
    m = np.random.default_rng(4).standard_normal((50, 1))
    plain, less = LongRun("qs", 3.0).covariance(m), LongRun("qs", 3.0).covariance(m, dof=4)
    np.testing.assert_allclose(less, plain * 50 / 46)


def test_refusals():
    with pytest.raises(DataError, match="zero at every date"):
        andrews_bandwidth(np.zeros((30, 1)), "qs")
    with pytest.raises(DataError, match="needs 4 rows"):
        LongRun().covariance(np.ones((3, 1)))
