"""The optimal test of switching parameters against its formula written out, and what it must find."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.errors import DataError, SpecError
from cryptoequity.regimes.chp import carrasco_hu_ploberger_test, chp_surface, directions, summarize
from cryptoequity.regimes.one_regime import fit_autoregression


def loglik(theta, y, x):
    """Log-density of each date: theta = (coefficients, variance)."""
    e = y - x @ theta[:-1]
    return -0.5 * np.log(2 * np.pi * theta[-1]) - 0.5 * e**2 / theta[-1]


def by_definition(y, lags, rho, h):
    """Gamma over the root of e'e, from numerical derivatives and the double sum; h = (mean, variance)."""
    null = fit_autoregression(y, lags)
    # in units of the residuals, which is what h is in
    y, x = y[lags:] / null.sigma, null.x / null.sigma
    x[:, 0] = 1.0
    x[:, 1:] = null.x[:, 1:] / null.sigma
    theta = np.append(np.linalg.lstsq(x, y, rcond=None)[0], 1.0)
    size, step = theta.size, 1e-4
    unit = np.eye(size) * step
    first = np.stack([(loglik(theta + d, y, x) - loglik(theta - d, y, x)) / (2 * step) for d in unit], axis=1)
    where = [0, size - 1]
    second = np.empty((y.size, 2, 2))
    for i, a in enumerate(where):
        for j, b in enumerate(where):
            parts = [s * t * loglik(theta + s * unit[a] + t * unit[b], y, x) for s in (1, -1) for t in (1, -1)]
            second[:, i, j] = sum(parts) / (4 * step**2)
    score = first[:, where] @ h
    mu = np.empty(y.size)
    for t in range(y.size):
        past = sum(rho ** (t - s) * score[s] for s in range(t))
        mu[t] = 0.5 * (h @ second[t] @ h + score[t] ** 2) + score[t] * past
    gamma = mu.sum() / np.sqrt(y.size)
    rest = mu / np.sqrt(y.size)
    rest = rest - first @ np.linalg.lstsq(first, rest, rcond=None)[0]
    return gamma / np.sqrt(rest @ rest)


@pytest.mark.parametrize("lags", [0, 2])
@pytest.mark.parametrize("rho", [-0.5, 0.7])
def test_the_surface_is_the_definition(lags, rho):
    y = 3.0 + 2.0 * np.random.default_rng(lags).standard_normal(90)
    angles, weights = directions("both")
    surface = chp_surface(fit_autoregression(y, lags), "both", np.array([rho]), weights)[0]
    for n in (3, 17, 30, 41):
        h = np.array([np.cos(angles[n]), np.sin(angles[n])])
        assert surface[n] == pytest.approx(by_definition(y, lags, rho, h), rel=2e-4, abs=2e-4)
    for name, h in (("mean", [1.0, 0.0]), ("variance", [0.0, 1.0])):
        one = chp_surface(fit_autoregression(y, lags), name, np.array([rho]), np.ones((1, 1)))[0, 0]
        assert one == pytest.approx(by_definition(y, lags, rho, np.array(h)), rel=2e-4, abs=2e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(-50, 50), st.floats(0.01, 100))
def test_units_change_nothing(seed, shift, factor):
    y = np.random.default_rng(seed).standard_normal(120)
    rhos, weights = np.array([-0.3, 0.6]), directions("both")[1]
    one = chp_surface(fit_autoregression(y, 1), "both", rhos, weights)
    two = chp_surface(fit_autoregression(shift + factor * y, 1), "both", rhos, weights)
    np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-6)


def test_a_mean_that_forgets_at_once_is_a_variance():
    # with rho = 0 the second-order score of the mean is the score of the variance: nothing is left
    y = np.random.default_rng(0).standard_normal(200)
    assert chp_surface(fit_autoregression(y, 0), "mean", np.array([0.0]), np.ones((1, 1)))[0, 0] == 0.0


def test_summaries():
    surface = np.array([[-1.0, 2.0], [0.5, 0.0]])
    assert summarize(surface, "sup") == 2.0
    assert summarize(-np.abs(surface), "sup") == 0.0
    from scipy.stats import norm

    x = surface - 1.0
    parts = np.sqrt(2 * np.pi) * np.exp(0.5 * x**2) * norm.cdf(x)
    parts[1, 1] = 1.0
    assert summarize(surface, "exp") == pytest.approx(parts.mean())


def test_the_autoregression_reproduces_its_series():
    y = np.random.default_rng(1).standard_normal(100).cumsum() * 0.1
    null = fit_autoregression(y, 3)
    np.testing.assert_allclose(null.simulate(null.resid / null.sigma), y, atol=1e-10)


def regimes(what, nobs=300):
    rng = np.random.default_rng(2)
    state = (np.arange(nobs) // 40) % 2
    e = rng.standard_normal(nobs)
    return pd.Series(e * (1 + 2 * state) if what == "variance" else e + 2.5 * state, name="r")


@pytest.mark.parametrize("statistic", ["sup", "exp"])
@pytest.mark.parametrize("what", ["mean", "variance"])
def test_regimes_are_found(what, statistic):
    found = carrasco_hu_ploberger_test(regimes(what), switching=what, statistic=statistic, draws=99)
    assert found.pvalue == 0.01
    assert found.surface.shape[1] == 1
    assert found.detail["rho of the largest"] > 0.4
    assert "Optimal Test" in found.cite()


def test_noise_is_left_alone_and_numbers_repeat():
    y = pd.Series(np.random.default_rng(5).standard_normal(200))
    found = carrasco_hu_ploberger_test(y, draws=99, lags=1)
    assert found.pvalue > 0.1
    again = carrasco_hu_ploberger_test(y, draws=99, lags=1)
    np.testing.assert_array_equal(found.draws, again.draws)
    assert found.to_frame().to_numpy().max() == pytest.approx(np.sqrt(2 * found.statistic))


def test_refusals():
    y = pd.Series(np.random.default_rng(0).standard_normal(200), name="r")
    with pytest.raises(SpecError, match="between -1 and 1"):
        carrasco_hu_ploberger_test(y, persistence=(0.0, 1.0))
    with pytest.raises(SpecError, match="lags"):
        carrasco_hu_ploberger_test(y, lags=50)
    with pytest.raises(SpecError, match="draws"):
        carrasco_hu_ploberger_test(y, draws=3)
    with pytest.raises(SpecError, match="switching"):
        carrasco_hu_ploberger_test(y, switching="slope")
    with pytest.raises(DataError, match="one series"):
        carrasco_hu_ploberger_test(pd.concat([y, y.rename("s").shift(1, fill_value=0.5)], axis=1))
    with pytest.raises(DataError):
        carrasco_hu_ploberger_test(y.iloc[:20])
    with pytest.raises(DataError):
        carrasco_hu_ploberger_test(y * 0.0 + 1.0)
    with pytest.raises(DataError, match=r"NaN|missing|finite"):
        carrasco_hu_ploberger_test(y.where(y.index != 3))
