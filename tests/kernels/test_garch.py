"""The GARCH kernel against a plain reading, scipy's densities, finite differences and its own simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import integrate, stats

from cryptoequity.kernels.garch import garch_simulate
from cryptoequity.volatility import EGARCH, GARCH
from cryptoequity.volatility.density import constants, quantile_shocks
from cryptoequity.volatility.likelihood import MarginLikelihood
from strategies import margin_specs, margin_theta, returns, seeds


def skewt_logpdf(z, nu, lam):
    """Hansen (1994), equations 10-13."""
    c = math.gamma((nu + 1) / 2) / (math.sqrt(math.pi * (nu - 2)) * math.gamma(nu / 2))
    a = 4 * lam * c * (nu - 2) / (nu - 1)
    b = math.sqrt(1 + 3 * lam**2 - a**2)
    sign = np.where(z < -a / b, -1.0, 1.0)
    return np.log(b * c) - (nu + 1) / 2 * np.log1p(((b * z + a) / (1 + sign * lam)) ** 2 / (nu - 2))


def logpdf(dist, z, shape):
    if dist == "normal":
        return stats.norm.logpdf(z)
    if dist == "t":
        nu = shape[0]
        scale = math.sqrt((nu - 2) / nu)
        return stats.t.logpdf(z / scale, nu) - math.log(scale)
    return skewt_logpdf(z, *shape)


def plain(lik: MarginLikelihood, theta):
    """The recursion, observation by observation."""
    spec, y, x = lik.spec, lik.y, lik.x
    m, p, o, q = x.shape[1], spec.p, spec.o, spec.q
    phi, omega = theta[:m], theta[m]
    alpha, gamma, beta = np.split(theta[m + 1 : m + 1 + p + o + q], [p, p + o])
    shape = theta[m + 1 + p + o + q :]
    e = y - x @ phi
    square, level = lik.presample
    h = []
    for t in range(len(y)):
        value = omega
        for i in range(1, max(p, o, q) + 1):
            before = t - i < 0
            v = level if before else (math.log(h[t - i]) if spec.exponential else h[t - i])
            if i <= q:
                value += beta[i - 1] * v
            if spec.exponential:
                if not before:
                    z = e[t - i] / math.sqrt(h[t - i])
                    value += alpha[i - 1] * (abs(z) - math.sqrt(2 / math.pi)) if i <= p else 0.0
                    value += gamma[i - 1] * z if i <= o else 0.0
            else:
                news = square if before else e[t - i] ** 2
                value += alpha[i - 1] * news if i <= p else 0.0
                negative = 0.5 if before else float(e[t - i] < 0)
                value += gamma[i - 1] * negative * news if i <= o else 0.0
        h.append(math.exp(value) if spec.exponential else value)
    h = np.array(h)
    return logpdf(spec.dist, e / np.sqrt(h), shape) - 0.5 * np.log(h), h, e


@given(margin_specs(), seeds)
@settings(max_examples=80, deadline=None)
def test_filter_equals_a_plain_reading(spec, seed):
    rng = np.random.default_rng(seed)
    lik = MarginLikelihood(spec, returns(rng, 150))
    theta = margin_theta(spec, rng)
    wanted = plain(lik, theta)
    for want in (0, 1, 2):
        for got, figure in zip(lik.filter(theta, want)[:3], wanted, strict=True):
            np.testing.assert_allclose(got, figure, rtol=1e-10, atol=1e-12)


@given(margin_specs(), seeds)
@settings(max_examples=80, deadline=None)
def test_scores_and_slopes_equal_finite_differences(spec, seed):
    rng = np.random.default_rng(seed)
    lik = MarginLikelihood(spec, returns(rng, 150))
    theta = margin_theta(spec, rng)
    loglik, variance, residual, score, dz = lik.filter(theta, 2)
    plain_z = residual / np.sqrt(variance)
    for k in range(theta.size):
        step = 1e-6 * max(abs(theta[k]), 0.1)
        if spec.exponential and k < lik.x.shape[1]:
            # |z| has a kink: the difference may not step over one
            step = min(step, 0.1 * float(np.abs(residual).min()) / max(1.0, float(np.abs(lik.x[:, k]).max())))
        ends = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[k] += sign * step
            value, v, e, *_ = lik.filter(moved, 0)
            ends.append((value, e / np.sqrt(v)))
        gap = 2 * step
        for got, up, down in ((score[:, k], ends[0][0], ends[1][0]), (dz[:, k], ends[0][1], ends[1][1])):
            wanted = (up - down) / gap
            size = np.abs(wanted).max() + 1.0
            rounding = 1e-15 * (np.abs(loglik).max() + np.abs(plain_z).max()) / step
            if spec.exponential or spec.asymmetric or spec.dist == "skewt":
                # a residual that changes sign within the step belongs to neither side: allow a handful
                off = np.abs(got - wanted) > (1e-6 + 10 * rounding) * size
                assert off.mean() < 0.02, (spec, k)
            else:
                np.testing.assert_allclose(got / size, wanted / size, atol=1e-6 + 10 * rounding)


@pytest.mark.parametrize("dist", ["normal", "t", "skewt"])
def test_densities_have_unit_variance(dist):
    shape = {"normal": (), "t": (5.0,), "skewt": (6.0, -0.4)}[dist]
    spec = GARCH(dist=dist, mean="zero", q=0)
    lik = MarginLikelihood(spec, np.zeros(1) + 1.0)

    def density(z):
        lik.y[0] = z
        theta = np.array([1.0, 0.0, *shape])
        return math.exp(lik.filter(theta, 0)[0][0])

    for power, wanted in ((0, 1.0), (1, 0.0), (2, 1.0)):
        value = integrate.quad(lambda z, k=power: z**k * density(z), -np.inf, np.inf, limit=400)[0]
        assert abs(value - wanted) < 1e-6
    draws = quantile_shocks(dist, np.array(shape), np.random.default_rng(3), 200_000)
    assert abs(draws.mean()) < 0.01
    assert abs(draws.var() - 1) < 0.05
    # and the draws follow the density: compare with its integral at a few points
    for point in (-1.5, 0.0, 1.0):
        below = integrate.quad(density, -np.inf, point, limit=400)[0]
        assert abs((draws < point).mean() - below) < 0.005


def test_constants_of_the_skewed_t_reduce_to_the_t():
    np.testing.assert_allclose(constants("skewt", np.array([7.0, 0.0]))[:2], constants("t", np.array([7.0]))[:2])
    assert constants("skewt", np.array([7.0, 0.0]))[6] == 1.0


@given(margin_specs(), seeds)
@settings(max_examples=40, deadline=None)
def test_filter_recovers_what_simulate_made(spec, seed):
    """Once past the lags, the filter's residuals are the shocks whatever the presample: compare late values."""
    rng = np.random.default_rng(seed)
    theta = margin_theta(spec, rng)
    m = 0 if spec.mean == "zero" else 1 + spec.lags
    shocks = rng.standard_normal(400)
    orders = np.array([spec.p, spec.o, spec.q])
    y, variance = garch_simulate(
        theta, shocks, m, spec.lags, orders, spec.exponential, 0.0, 0.0 if spec.exponential else 1.0
    )
    lik = MarginLikelihood(spec, y)
    late = slice(-20, None)
    filtered = lik.filter(theta, 0)
    beta = theta[m + 1 + spec.p + spec.o : m + 1 + spec.p + spec.o + spec.q].sum()
    if beta > 0.9:
        return  # the presample is remembered for longer than this sample
    np.testing.assert_allclose(filtered[1][late], variance[late], rtol=1e-5)
    np.testing.assert_allclose(filtered[2][late] / np.sqrt(filtered[1][late]), shocks[late], rtol=1e-4, atol=1e-6)


def test_an_infeasible_variance_is_minus_infinity():
    lik = MarginLikelihood(GARCH(mean="zero"), returns(np.random.default_rng(0), 100))
    loglik, variance, _, score, _ = lik.filter(np.array([-5.0, 0.0, 0.5]), 1)
    assert (loglik == -np.inf).all()
    assert np.isnan(variance).all()
    assert (score == 0).all()
    lik = MarginLikelihood(EGARCH(mean="zero"), returns(np.random.default_rng(0), 100))
    loglik, *_ = lik.filter(np.array([600.0, 0.0, 0.0, 0.0]), 0)
    assert loglik.sum() == -np.inf


def test_rescaling_returns_scales_omega():
    rng = np.random.default_rng(5)
    y = returns(rng, 300)
    for asymmetric in (False, True):
        spec = GARCH(asymmetric=asymmetric, dist="t")
        theta = margin_theta(spec, rng)
        one, ten = MarginLikelihood(spec, y), MarginLikelihood(spec, 10 * y)
        scaled = theta.copy()
        scaled[0] *= 10
        scaled[1] *= 100
        a, b = one.filter(theta, 0), ten.filter(scaled, 0)
        np.testing.assert_allclose(b[1], 100 * a[1], rtol=1e-12)
        np.testing.assert_allclose(b[0], a[0] - math.log(10), rtol=1e-10)
