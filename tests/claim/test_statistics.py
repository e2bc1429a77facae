"""The numbers the claim is judged by, against densities, regressions and formulas written elsewhere."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from cryptoequity.claim.pipeline import fit_pair
from cryptoequity.claim.statistics import (
    beta_interaction,
    contrast,
    correlation,
    correlation_contrast,
    correlation_influence,
    forbes_rigobon,
    score_contrast,
)
from cryptoequity.kernels.dcc import pair_score
from cryptoequity.volatility.density import t_constants

NORMAL = (-math.log(2.0 * math.pi), 0.0)


def draw_pair(rng, nobs, rho, nu=None):
    """Pairs (T, 2) with unit variances and correlation ``rho``, a number or (T,)."""
    e = rng.standard_normal((nobs, 2))
    z = np.stack([e[:, 0], rho * e[:, 0] + np.sqrt(1.0 - np.square(rho)) * e[:, 1]], axis=1)
    if nu is not None:
        z *= np.sqrt((nu - 2.0) / rng.chisquare(nu, nobs))[:, None]
    return z


def log_density(z, rho, nu):
    """Bivariate log density of each row by scipy."""
    shape = np.array([[1.0, rho], [rho, 1.0]])
    if nu <= 0:
        return stats.multivariate_normal(cov=shape).logpdf(z)
    return stats.multivariate_t(shape=shape * (nu - 2.0) / nu, df=nu).logpdf(z)


def constants(nu):
    return t_constants(nu, 2) if nu > 0 else NORMAL


# --- the score of a date in its own correlation


@pytest.mark.parametrize("nu", [0.0, 2.5, 6.0, 40.0])
@pytest.mark.parametrize("rho", [-0.9, -0.2, 0.0, 0.5, 0.97])
def test_pair_score_is_the_slope_of_the_log_density(nu, rho):
    z = draw_pair(np.random.default_rng(1), 40, rho, nu if nu > 2 else None)
    score, _ = pair_score(z, np.full(40, rho), nu, constants(nu))
    step = 1e-5 * (1.0 - abs(rho))
    slope = (log_density(z, rho + step, nu) - log_density(z, rho - step, nu)) / (2.0 * step)
    assert_allclose(score, slope, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("nu", [0.0, 4.0, 6.0, 12.0])
@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.3, 0.85])
def test_information_is_the_variance_of_the_score(nu, rho):
    nobs = 200_000
    z = draw_pair(np.random.default_rng(2), nobs, rho, nu if nu > 0 else None)
    score, information = pair_score(z, np.full(nobs, rho), nu, constants(nu))
    assert abs(score.mean()) < 4.0 * score.std() / math.sqrt(nobs)
    squares = score**2
    assert abs(squares.mean() - information[0]) < 4.0 * squares.std() / math.sqrt(nobs)
    assert np.ptp(information) == 0.0


@pytest.mark.parametrize("dist", ["normal", "t"])
def test_score_contrast_is_a_newton_step_in_an_additive_effect(dist):
    rng = np.random.default_rng(3)
    path = 0.3 + 0.2 * np.sin(np.arange(400) / 30.0)
    z = draw_pair(rng, 400, path, 6.0)
    dummy = np.zeros(400)
    dummy[90:180] = dummy[260:300] = 1.0
    fit = fit_pair(z, dist)
    _, _, nu, _ = fit.likelihood.split(fit.optimum.theta)

    def loglik(delta):
        moved = fit.path + delta * (dummy - dummy.mean())
        return sum(float(log_density(z[t], moved[t], nu)) for t in range(400))

    assert_allclose(loglik(0.0), fit.likelihood.evaluate(fit.optimum.theta, 0)[0].sum(), rtol=1e-10)
    step = 1e-5
    slope = (loglik(step) - loglik(-step)) / (2.0 * step)
    weight = float((dummy - dummy.mean()) ** 2 @ fit.information)
    assert_allclose(score_contrast(fit.score, fit.information, dummy), slope / weight, rtol=1e-6, atol=1e-8)


def test_score_contrast_recovers_a_small_effect_when_the_path_is_known():
    # with the true path as the null path, one Newton step estimates delta without attenuation
    rng = np.random.default_rng(4)
    nobs, delta = 200_000, 0.05
    dummy = (rng.random(nobs) < 0.4).astype(float)
    z = draw_pair(rng, nobs, 0.3 + delta * (dummy - 0.4))
    score, information = pair_score(z, np.full(nobs, 0.3), 0.0, NORMAL)
    error = 1.0 / math.sqrt(float((dummy - dummy.mean()) ** 2 @ information))
    assert abs(score_contrast(score, information, dummy) - delta) < 4.0 * error


# --- contrasts and influence


def test_contrast_is_a_difference_of_means():
    series = np.array([1.0, 2.0, 4.0, 8.0])
    assert contrast(series, np.array([1.0, 0.0, 1.0, 0.0])) == -2.5
    assert np.isnan(contrast(series, np.ones(4)))
    assert np.isnan(contrast(series, np.zeros(4)))


def test_contrasts_need_two_days_on_either_side():
    x, y = np.random.default_rng(5).standard_normal((2, 30))
    one = np.zeros(30)
    one[3] = 1.0
    assert np.isnan(correlation_contrast(x, y, one))
    assert np.isnan(correlation_contrast(x, y, 1.0 - one))
    assert np.isnan(score_contrast(x, np.ones(30), np.ones(30)))


def test_correlation_contrast_of_planted_correlations():
    rng = np.random.default_rng(6)
    dummy = np.repeat([0.0, 1.0], 50_000)
    z = draw_pair(rng, 100_000, np.where(dummy == 1.0, 0.6, 0.25))
    assert abs(correlation_contrast(z[:, 0], z[:, 1], dummy) - 0.35) < 0.02


@given(st.integers(0, 2**31), st.floats(0.01, 100.0), st.floats(0.01, 100.0))
@settings(max_examples=30, deadline=None)
def test_correlation_and_influence_do_not_see_scale(seed, a, b):
    x, y = np.random.default_rng(seed).standard_normal((2, 60))
    assert_allclose(correlation(a * x, b * y), correlation(x, y), atol=1e-12)
    assert_allclose(correlation_influence(a * x, b * y), correlation_influence(x, y), atol=1e-9)
    assert abs(correlation_influence(x, y).mean()) < 1e-12


@pytest.mark.parametrize("rho", [0.0, 0.4, -0.8])
def test_influence_has_the_variance_of_the_jackknife(rho):
    nobs = 2_000
    z = draw_pair(np.random.default_rng(7), nobs, rho, 8.0)
    x, y = z[:, 0], z[:, 1]
    sxy, sxx, syy = x @ y, x @ x, y @ y
    without = (sxy - x * y) / np.sqrt((sxx - x**2) * (syy - y**2))
    jackknife = (nobs - 1) / nobs * np.sum((without - without.mean()) ** 2)
    assert_allclose(np.mean(correlation_influence(x, y) ** 2) / nobs, jackknife, rtol=0.02)


# --- Forbes-Rigobon and the slope


def test_forbes_rigobon_by_hand():
    rng = np.random.default_rng(8)
    x, y = rng.standard_normal((2, 200))
    y[:80] *= 3.0
    x += 0.5 * y
    dummy = np.repeat([1.0, 0.0], [80, 120])
    inside, outside, adjusted = forbes_rigobon(x, y, dummy)
    high, low = np.cov(x[:80], y[:80])[0, 1], np.cov(x[80:], y[80:])[0, 1]
    assert_allclose(inside, high / np.sqrt(x[:80].var(ddof=1) * y[:80].var(ddof=1)), rtol=1e-12)
    assert_allclose(outside, low / np.sqrt(x[80:].var(ddof=1) * y[80:].var(ddof=1)), rtol=1e-12)
    delta = y[:80].var() / y[80:].var() - 1.0
    assert_allclose(adjusted, inside / math.sqrt(1.0 + delta * (1.0 - inside**2)), rtol=1e-12)
    assert 0.0 < adjusted < inside


def test_more_volatility_alone_raises_raw_correlation_and_nothing_else():
    # constant slope and idiosyncratic variance, equity volatility doubled inside
    rng = np.random.default_rng(9)
    nobs = 200_000
    dummy = np.repeat([0.0, 1.0], nobs // 2)
    y = rng.standard_normal(nobs) * np.where(dummy == 1.0, 2.0, 1.0)
    x = 0.4 * y + rng.standard_normal(nobs)
    inside, outside, adjusted = forbes_rigobon(x, y, dummy)
    assert inside - outside > 0.2
    assert abs(adjusted - outside) < 0.01
    slope, t = beta_interaction(x, y, dummy)
    assert abs(slope) < 0.01
    assert abs(t) < 3.0


def test_a_higher_slope_is_seen_as_a_link():
    rng = np.random.default_rng(10)
    dummy = np.repeat([0.0, 1.0], 5_000)
    y = rng.standard_normal(10_000)
    x = (0.4 + 0.3 * dummy) * y + rng.standard_normal(10_000)
    _, outside, adjusted = forbes_rigobon(x, y, dummy)
    assert adjusted - outside > 0.1
    assert beta_interaction(x, y, dummy)[1] > 10.0


def test_beta_interaction_equals_statsmodels():
    rng = np.random.default_rng(11)
    y = rng.standard_t(5, 500)
    dummy = (rng.random(500) < 0.3).astype(float)
    x = 0.1 + 0.5 * y + 0.2 * dummy * y + rng.standard_normal(500) * (1.0 + np.abs(y))
    fit = sm.OLS(x, np.column_stack([np.ones(500), dummy, y, dummy * y])).fit(cov_type="HC0")
    slope, t = beta_interaction(x, y, dummy)
    assert_allclose([slope, t], [fit.params[3], fit.tvalues[3]], rtol=1e-9)


# --- guard bands


def test_days_in_a_guard_band_count_for_nothing():
    rng = np.random.default_rng(12)
    z = draw_pair(rng, 300, 0.4)
    x, y = z[:, 0], z[:, 1]
    information = 1.0 + rng.random(300)
    dummy = np.repeat([0.0, 1.0, 0.0], 100)
    dummy[90:100] = dummy[200:215] = np.nan
    keep = ~np.isnan(dummy)
    kept = dummy[keep]
    assert contrast(x, dummy) == contrast(x[keep], kept)
    assert correlation_contrast(x, y, dummy) == correlation_contrast(x[keep], y[keep], kept)
    assert score_contrast(x, information, dummy) == score_contrast(x[keep], information[keep], kept)
    assert forbes_rigobon(x, y, dummy) == forbes_rigobon(x[keep], y[keep], kept)
    assert beta_interaction(x, y, dummy) == beta_interaction(x[keep], y[keep], kept)
