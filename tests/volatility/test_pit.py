"""Distribution functions of the margins: against scipy and arch, finite differences, and their own inverse."""

from __future__ import annotations

import numpy as np
import pytest
from arch.univariate import SkewStudent
from scipy import integrate, special, stats

from cryptoequity.errors import SpecError
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.pit import MarginLaw, empirical_scores, law_of, log_t, t_tail, t_tail_slope

LAWS = [
    ("normal", []),
    ("t", [2.2]),
    ("t", [8.0]),
    ("t", [400.0]),
    ("skewt", [5.0, -0.4]),
    ("skewt", [2.3, 0.7]),
    ("skewt", [60.0, 0.1]),
]
Z = np.concatenate([np.linspace(-9, 9, 181), [-30.0, -15.0, 12.0, 25.0]])


def law(dist, shape) -> MarginLaw:
    return MarginLaw(dist, np.array(shape))


@pytest.mark.parametrize(("dist", "shape"), LAWS)
def test_scores_equal_another_program(dist, shape):
    n = law(dist, shape).scores(Z)[0]
    if dist == "normal":
        wanted = Z
    elif dist == "t":
        nu = shape[0]
        y = Z / np.sqrt((nu - 2) / nu)
        wanted = np.where(Z < 0, special.ndtri(stats.t.cdf(y, nu)), -special.ndtri(stats.t.sf(y, nu)))
    else:
        wanted = special.ndtri(SkewStudent().cdf(Z, shape))
        keep = np.abs(wanted) < 5  # beyond, 1 - u of the other program has lost its digits
        n, wanted = n[keep], wanted[keep]
    np.testing.assert_allclose(n, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("dist", "shape"), LAWS)
def test_slopes_equal_differences_and_density_integrates_to_the_distribution(dist, shape):
    one = law(dist, shape)
    _, by_z, by_shape = one.scores(Z)
    step = 1e-6
    inside = np.abs(Z) < 10
    wanted = (one.scores(Z + step)[0] - one.scores(Z - step)[0]) / (2 * step)
    np.testing.assert_allclose(by_z[inside], wanted[inside], rtol=1e-6)
    for k in range(len(shape)):
        up, down = np.array(shape), np.array(shape)
        size = 1e-5 * (shape[0] - 2 if k == 0 else 1)
        up[k] += size
        down[k] -= size
        wanted = (law(dist, up).scores(Z)[0] - law(dist, down).scores(Z)[0]) / (2 * size)
        np.testing.assert_allclose(by_shape[:, k], wanted, rtol=1e-5, atol=1e-7 * np.abs(wanted).max() + 1e-9)
    log, slope = one.log_density(Z)
    wanted = (one.log_density(Z + step)[0] - one.log_density(Z - step)[0]) / (2 * step)
    np.testing.assert_allclose(slope, wanted, rtol=1e-5, atol=1e-5)
    area = integrate.quad(
        lambda s: np.exp(one.log_density(np.array([s]))[0][0]), -2.0, 1.5, epsabs=1e-13, epsrel=1e-12, limit=400
    )[0]
    ends = special.ndtr(one.scores(np.array([-2.0, 1.5]))[0])
    np.testing.assert_allclose(area, ends[1] - ends[0], rtol=1e-8)
    assert np.isfinite(log).all()


@pytest.mark.parametrize(("dist", "shape"), LAWS)
def test_quantiles_invert_the_scores(dist, shape):
    one = law(dist, shape)
    n = np.linspace(-7, 7, 141)
    np.testing.assert_allclose(one.scores(one.quantile(n))[0], n, rtol=1e-8, atol=1e-8)
    z = one.quantile(np.random.default_rng(0).standard_normal(200_000))
    if not shape or shape[0] > 4:
        np.testing.assert_allclose([z.mean(), z.std()], [0, 1], atol=0.02)


@pytest.mark.parametrize("nu", [2.05, 3.0, 7.5, 60.0, 500.0])
@pytest.mark.parametrize("x", [0.0, 0.3, 1.0, 4.0, 20.0])
def test_slope_of_the_tail_equals_the_integral_of_the_density_s_slope(nu, x):
    """Gauss-Legendre over s = x + exp(v) - 1 of d log f / d nu under the density: no differences."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    top, panels = (60.0 if nu < 10 else 30.0), 200
    width = top / panels
    v = (width * (np.arange(panels)[:, None] + 0.5 * (nodes + 1))).ravel()
    s = x + np.expm1(v)
    value, _, by_nu = log_t(s, nu)
    wanted = 0.5 * width * np.sum(np.tile(weights, panels) * np.exp(value + v) * by_nu)
    scale = float(t_tail(np.array([x]), nu)[0]) / (nu - 2)
    np.testing.assert_allclose(t_tail_slope(np.array([x]), nu)[0] / scale, wanted / scale, rtol=1e-7, atol=1e-8)


def test_ranks():
    sample = np.sort(np.array([3.0, 1.0, 2.0, 2.0]))
    u = special.ndtr(empirical_scores(sample, np.array([0.0, 1.0, 1.5, 2.0, 3.0, 9.0])))
    np.testing.assert_allclose(u, [0.1, 0.2, 0.3, 0.5, 0.8, 0.9])
    z = np.random.default_rng(0).standard_normal(500)
    u = special.ndtr(empirical_scores(np.sort(z), z))
    np.testing.assert_allclose(np.sort(u), np.arange(1, 501) / 501, rtol=1e-12)


def test_laws_of_margins_and_of_arch_results(simple_returns):
    from arch import arch_model

    y = simple_returns["SP500"].iloc[:800]
    ours = fit_margins(y.to_frame(), GARCH(dist="skewt")).fits[0]
    assert law_of(ours).dist == "skewt"
    np.testing.assert_array_equal(law_of(ours).shape, ours.params[["nu", "lambda"]])
    for name, dist in (("normal", "normal"), ("t", "t"), ("skewt", "skewt")):
        margin = fit_margins([arch_model(y, dist=name).fit(disp="off")]).fits[0]
        found = law_of(margin)
        assert found.dist == dist
        np.testing.assert_array_equal(found.shape, margin.params.iloc[4:])
    margin = fit_margins([arch_model(y, dist="ged").fit(disp="off")]).fits[0]
    with pytest.raises(SpecError, match="'Generalized Error Distribution' is not known here; use pit='rank'"):
        law_of(margin)
