"""Contagion: formulas and their inverse, standard errors by simulation, the null worlds, windows and refusals."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.breaks.contagion import forbes_rigobon_test
from cryptoequity.breaks.contagion_moments import (
    adjusted_correlation,
    crisis_contrast,
    moments,
    predicted_correlation,
    studentized,
    window_moments,
)
from cryptoequity.breaks.contagion_null import Interdependence, Ratios, read_windows
from cryptoequity.breaks.coskewness import coskewness, fry_martin_tang_test
from cryptoequity.breaks.interdependence import corsetti_pericoli_sbracia
from cryptoequity.correlation import DCC
from cryptoequity.errors import CryptoEquityWarning, DataError, SpecError
from cryptoequity.volatility import EGARCH, GARCH

NOBS, FIRST, LAST = 800, 600, 719
CRISIS = (FIRST, LAST)


def pair(seed: int, *, rho: float = 0.4, source: float = 2.0, slope: float = 1.0, nobs: int = NOBS, nu: float = 0.0):
    """Linear dependence; in the crisis the source is ``source`` times as volatile, the slope ``slope`` as large."""
    rng = np.random.default_rng(seed)
    u = rng.standard_normal((nobs, 2))
    if nu:
        u *= np.sqrt((nu - 2) / rng.chisquare(nu, nobs))[:, None]
    b = np.full(nobs, rho)
    x = u[:, 0].copy()
    x[FIRST : LAST + 1] *= source
    b[FIRST : LAST + 1] *= slope
    y = b * x + np.sqrt(1 - rho**2) * u[:, 1]
    return x, y


correlations = st.floats(-0.95, 0.95)
rises = st.floats(-0.8, 20.0)


# --- formulas


@settings(deadline=None)
@given(correlations, rises)
def test_no_noise_in_the_source_is_forbes_and_rigobon(rho, delta):
    expected = rho / np.sqrt(1 + delta * (1 - rho**2))
    assert float(adjusted_correlation(rho, delta)) == pytest.approx(expected, rel=1e-10, abs=1e-14)
    predicted = rho * np.sqrt(1 + delta) / np.sqrt(1 + rho**2 * delta)
    assert float(predicted_correlation(rho, delta)) == pytest.approx(predicted, rel=1e-10, abs=1e-14)
    assert float(adjusted_correlation(rho, 0.0)) == pytest.approx(rho, rel=1e-12)
    assert float(adjusted_correlation(-rho, delta)) == pytest.approx(-expected, rel=1e-10, abs=1e-14)


@settings(deadline=None)
@given(correlations, rises, st.floats(0, 5), st.floats(0, 5))
def test_adjustment_and_prediction_are_inverse(rho, delta, calm, crisis):
    assume(rho**2 * (1 + calm) <= 0.999 and abs(rho) > 1e-6)
    predicted = predicted_correlation(rho, delta, calm, crisis)
    assert predicted**2 * (1 + crisis) <= 1 + 1e-9  # what the factor can carry in the crisis
    assert float(adjusted_correlation(predicted, delta, calm, crisis)) == pytest.approx(rho, rel=1e-6)


def test_prediction_is_the_correlation_of_the_factor_model():
    gamma, beta, factor, own, rest = 0.8, 0.5, 1.3, 0.6, 0.9  # variances of f, e, u
    factor_c, own_c = 4.0, 1.1

    def both(f, e):
        vx, vy, cov = gamma**2 * f + e, beta**2 * f + rest, gamma * beta * f
        return cov / np.sqrt(vx * vy), vx

    rho, vx = both(factor, own)
    rho_c, vx_c = both(factor_c, own_c)
    ratio, ratio_c = own / (gamma**2 * factor), own_c / (gamma**2 * factor_c)
    assert float(predicted_correlation(rho, vx_c / vx - 1, ratio, ratio_c)) == pytest.approx(rho_c, rel=1e-12)
    assert float(adjusted_correlation(rho_c, vx_c / vx - 1, ratio, ratio_c)) == pytest.approx(rho, rel=1e-12)


def test_impossible_ratios_have_no_prediction():
    assert np.isnan(predicted_correlation(0.9, 1.0, 1.0))
    assert np.isnan(adjusted_correlation(0.95, 20.0, 4.0))
    for bad in ((1.2, 0.0, 0.0), (0.5, -1.0, 0.0), (0.5, 1.0, -0.1)):
        with pytest.raises(SpecError):
            adjusted_correlation(*bad)


def test_slopes_of_the_contrast_are_those_of_the_formula():
    x, y = pair(1)
    windows = read_windows(pd.RangeIndex(NOBS), CRISIS)
    early, late = window_moments(x, y, windows)
    ratio, ratio_c = 0.7, 0.4

    def contrast(rho_c, rho_t, log_rise):
        return float(np.arctanh(rho_c) - np.arctanh(predicted_correlation(rho_t, np.exp(log_rise) - 1, ratio, ratio_c)))

    for swap in (False, True):
        rise = np.log(late.var[swap] / early.var[swap])
        at = np.array([late.rho, early.rho, rise])
        slopes = []
        for k in range(3):
            step = np.eye(3)[k] * 1e-6
            slopes.append((contrast(*(at + step)) - contrast(*(at - step))) / 2e-6)
        pick = np.ix_([0, 1 + swap], [0, 1 + swap])
        one, two = np.array([slopes[0], slopes[2]]), np.array([slopes[1], -slopes[2]])
        variance = one @ late.omega[pick] @ one / late.nobs + two @ early.omega[pick] @ two / early.nobs
        gap, se = crisis_contrast(early, late, swap, np.array([ratio]), np.array([ratio_c]))
        assert gap[0] == pytest.approx(contrast(*at), rel=1e-12)
        assert se[0] == pytest.approx(np.sqrt(variance), rel=1e-6)


def test_influence_is_the_derivative_of_the_moments():
    """Weight one observation a little more: what changes is its influence over T."""
    x, y = pair(2, nobs=NOBS)
    x, y = x[:200], y[:200]

    def at(weight):
        w = weight / weight.sum()
        mx, my = w @ x, w @ y
        vx, vy = w @ (x - mx) ** 2, w @ (y - my) ** 2
        zx, zy = (x - mx) / np.sqrt(vx), (y - my) / np.sqrt(vy)
        return np.array([w @ (zx * zy), np.log(vx), np.log(vy), w @ (zx * zy**2), w @ (zx**2 * zy)])

    slopes = []
    for t in range(200):
        up, down = np.ones(200), np.ones(200)
        up[t] += 1e-4
        down[t] -= 1e-4
        slopes.append((at(up) - at(down)) / 2e-4 * 200)
    slopes = np.array(slopes)
    found = moments(x, y)
    # the long-run covariance of these numbers, at the bandwidth of the first three together
    from cryptoequity.estimation.long_run import LongRun

    np.testing.assert_allclose(found.omega, LongRun("bartlett").covariance(slopes[:, :3]), rtol=1e-4)
    for name, column in (("CS12", 3), ("CS21", 4)):
        psi, noise, rho, _ = coskewness(x, y, name)
        assert psi == pytest.approx(at(np.ones(200))[column])
        assert noise == pytest.approx(LongRun("bartlett").covariance(slopes[:, [column]])[0, 0], rel=1e-3)
        assert rho == pytest.approx(found.rho)


def test_normal_variance_of_coskewness():
    """4 rho^2 + 2, by Gauss–Hermite quadrature, exact for these polynomials."""
    node, weight = np.polynomial.hermite_e.hermegauss(12)
    a, b = np.meshgrid(node, node)
    w = np.outer(weight, weight) / (2 * np.pi)
    for rho in (0.0, 0.3, 0.8):
        z1, z2 = a, rho * a + np.sqrt(1 - rho**2) * b
        influence = z1 * z2**2 - z1 - 2 * rho * z2
        assert (w * influence).sum() == pytest.approx(0, abs=1e-12)
        assert (w * influence**2).sum() == pytest.approx(4 * rho**2 + 2, rel=1e-12)


# --- Forbes and Rigobon


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 50), st.floats(0.1, 50), st.floats(-5, 5))
def test_units_do_not_matter_and_swapping_swaps(seed, a, b, shift):
    x, y = pair(seed)
    one = forbes_rigobon_test(x, y, CRISIS, pvalue="asymptotic")
    two = forbes_rigobon_test(a * x + shift, b * y - shift, CRISIS, pvalue="asymptotic")
    assert two.statistic == pytest.approx(one.statistic, rel=1e-7)
    turned = forbes_rigobon_test(y, x, CRISIS, pvalue="asymptotic")
    assert turned.detail["t, source"] == pytest.approx(one.detail["t, target"], rel=1e-9)
    assert turned.pvalue == pytest.approx(one.pvalue, rel=1e-9)
    assert one.pvalue == max(one.detail["p-value, source"], one.detail["p-value, target"])
    less = forbes_rigobon_test(x, y, CRISIS, pvalue="asymptotic", direction="source", alternative="less")
    assert less.pvalue == pytest.approx(1 - one.detail["p-value, source"], abs=1e-12)


def test_a_noisier_source_is_no_contagion_and_a_larger_slope_is():
    x, y = pair(3, source=3.0)
    for kind in ("asymptotic", "block", "garch"):
        result = forbes_rigobon_test(x, y, CRISIS, pvalue=kind, draws=99, direction="source")
        assert result.pvalue > 0.05
        assert result.detail["p-value of Fisher's z, unadjusted"] < 0.01
    x, y = pair(3, source=3.0, slope=3.0)
    for kind in ("asymptotic", "block", "garch"):
        assert forbes_rigobon_test(x, y, CRISIS, pvalue=kind, draws=99).pvalue <= 0.05


def test_standard_error_matches_the_spread_over_samples():
    gaps, errors = [], []
    windows = read_windows(pd.RangeIndex(NOBS), CRISIS)
    for seed in range(400):
        early, late = window_moments(*pair(seed), windows)
        gap, se = crisis_contrast(early, late, False, np.zeros(1), np.zeros(1))
        gaps.append(gap[0])
        errors.append(se[0])
    assert abs(np.mean(gaps)) < 3 * np.std(gaps) / 20 + 0.01
    assert np.mean(errors) == pytest.approx(np.std(gaps), rel=0.1)


def test_the_null_world_has_adjusted_correlations_alike():
    """Moments of long samples: the source's rise, and at every lambda the correlation interdependence predicts."""
    x, y = pair(4, source=2.5, rho=0.5)
    windows = read_windows(pd.RangeIndex(NOBS), CRISIS)
    early, late = window_moments(x, y, windows)
    rise = late.var[0] / early.var[0]
    for ratios in (Ratios(), Ratios(0.8, 0.8), Ratios(1.5, 0.5), Ratios(0.5, 2.0)):
        for memory in ("block", "garch"):
            world = Interdependence.of(x, y, windows, memory, ratios=ratios)
            rows = {name: [] for name in ("calm", "crisis")}
            for seed in range(60):
                a, b, inner = world.draw(np.random.default_rng(seed))
                assert (inner.calm.size, inner.crisis.size) == (600, 120)
                rows["calm"].append(np.stack([a[inner.calm], b[inner.calm]]))
                rows["crisis"].append(np.stack([a[inner.crisis], b[inner.crisis]]))
            cov = {name: np.cov(np.concatenate(parts, axis=1)) for name, parts in rows.items()}
            rho = {name: one[0, 1] / np.sqrt(one[0, 0] * one[1, 1]) for name, one in cov.items()}
            assert cov["crisis"][0, 0] / cov["calm"][0, 0] == pytest.approx(rise, rel=0.1)
            predicted = predicted_correlation(rho["calm"], rise - 1, ratios.calm, ratios.crisis)
            assert rho["crisis"] == pytest.approx(float(predicted), abs=0.03)


def test_draws_do_not_depend_on_the_workers():
    x, y = pair(5)
    one = forbes_rigobon_test(x, y, CRISIS, pvalue="garch", draws=19, rng=3, direction="source")
    two = forbes_rigobon_test(x, y, CRISIS, pvalue="garch", draws=19, rng=3, direction="source", n_jobs=2)
    assert one.pvalue == two.pvalue
    assert one.pvalue * 20 == pytest.approx(round(one.pvalue * 20))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["block", "garch"])
def test_size_with_fat_tails_and_a_noisy_source(kind):
    pvalues = [
        forbes_rigobon_test(*pair(seed, nu=5.0), CRISIS, pvalue=kind, draws=99, direction="source", rng=seed).pvalue
        for seed in range(300)
    ]
    assert np.mean(np.array(pvalues) <= 0.05) < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


def test_a_rule_is_applied_to_every_sample_and_dates_from_the_data_are_flagged():
    calls = []

    def stormiest(a, b):
        calls.append(a.size)
        power = np.convolve(a**2, np.ones(60), "valid")
        power[:200] = 0.0
        mask = np.zeros(a.size, bool)
        mask[int(power.argmax()) : int(power.argmax()) + 60] = True
        return mask

    x, y = pair(6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = forbes_rigobon_test(x, y, stormiest, pvalue="garch", draws=29, direction="source")
    assert len(calls) == 30
    assert "dated again" in result.reference
    assert result.options["dated_from_data"] is True
    with pytest.warns(CryptoEquityWarning, match="does not know of the search"):
        forbes_rigobon_test(x, y, stormiest, pvalue="asymptotic")
    with pytest.warns(CryptoEquityWarning, match="does not know of the search"):
        forbes_rigobon_test(x, y, CRISIS, pvalue="asymptotic", dated_from_data=True)
    with pytest.raises(SpecError, match="leave calm out"):
        forbes_rigobon_test(x, y, stormiest, (0, 100), pvalue="garch")


# --- Corsetti, Pericoli and Sbracia


def test_without_noise_in_the_source_it_is_forbes_and_rigobon():
    x, y = pair(7, slope=1.6)
    for kind in ("asymptotic", "block", "garch"):
        fit = corsetti_pericoli_sbracia(x, y, CRISIS, lambdas=[0.0], pvalue=kind, draws=49, rng=2)
        test = forbes_rigobon_test(x, y, CRISIS, direction="source", pvalue=kind, draws=49, rng=2)
        first = fit.curve.iloc[0]
        assert first["statistic"] == pytest.approx(test.statistic, rel=1e-12)
        assert first["pvalue"] == test.pvalue
        assert first["adjusted"] == pytest.approx(test.detail["adjusted correlation, source"])


def test_verdict_over_lambda_changes_once_where_it_says():
    x, y = pair(8, source=2.5, slope=1.1, rho=0.5)
    fit = corsetti_pericoli_sbracia(x, y, CRISIS, pvalue="asymptotic")
    curve = fit.curve
    assert curve.index[0] == 0
    assert curve["predicted"].is_monotonic_decreasing
    assert curve["adjusted"].is_monotonic_increasing
    np.testing.assert_allclose(
        predicted_correlation(curve["adjusted"], fit.delta, curve.index, curve.index), fit.correlation_crisis
    )
    # rejecting is the same as lying beyond the critical correlation
    beyond = fit.correlation_crisis > curve["critical"]
    known = curve["critical"].notna()
    assert (beyond[known] == curve["contagion"][known]).all()
    assert not curve["contagion"].iloc[0]
    assert curve["contagion"].iloc[-1]
    at = corsetti_pericoli_sbracia(x, y, CRISIS, pvalue="asymptotic", lambdas=[fit.threshold]).curve
    assert at["pvalue"].iloc[0] == pytest.approx(0.05, abs=0.004)
    assert "if the source's idiosyncratic variance is" in fit.verdict
    never = corsetti_pericoli_sbracia(*pair(8, source=1.0), CRISIS, pvalue="asymptotic", lambdas=[0.0, 0.1])
    assert np.isnan(never.threshold)
    assert "not rejected" in never.verdict
    always = corsetti_pericoli_sbracia(*pair(8, slope=4.0, rho=0.3), CRISIS, pvalue="asymptotic", lambdas=[0.0, 0.1])
    assert "at every lambda" in always.verdict


def test_what_the_correlations_do_not_admit_is_refused():
    x, y = pair(9, rho=0.8)
    fit = corsetti_pericoli_sbracia(x, y, CRISIS, pvalue="asymptotic")
    assert fit.bound == pytest.approx(min(1 / fit.correlation_calm**2, 1 / fit.correlation_crisis**2) - 1)
    assert fit.curve.index[-1] == pytest.approx(min(fit.bound, 10))
    with pytest.raises(SpecError, match="admit at most"):
        corsetti_pericoli_sbracia(x, y, CRISIS, lambdas=[0.0, 9.0])
    for bad in ([1.0, 0.5], [-1.0], [], [np.nan]):
        with pytest.raises(SpecError, match="increasing"):
            corsetti_pericoli_sbracia(x, y, CRISIS, lambdas=bad)
    with pytest.raises(SpecError, match="crisis_factor"):
        corsetti_pericoli_sbracia(x, y, CRISIS, crisis_factor=0.0)
    with pytest.raises(SpecError, match="alpha"):
        corsetti_pericoli_sbracia(x, y, CRISIS, alpha=0.9)
    with pytest.raises(SpecError, match="a rule is for"):
        corsetti_pericoli_sbracia(x, y, lambda a, b: a > 0)
    own = corsetti_pericoli_sbracia(x, y, CRISIS, pvalue="asymptotic", lambdas=[0.0, 0.02], crisis_factor=2.0)
    assert own.curve["predicted"].iloc[1] < fit.curve["predicted"].iloc[0]


def test_a_sample_beyond_every_prediction_counts_as_extreme():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(NOBS)
    y = x + 0.05 * rng.standard_normal(NOBS)
    windows = read_windows(pd.RangeIndex(NOBS), CRISIS)
    assert studentized(x, y, windows, swap=False, calm_ratio=2.0, crisis_ratio=0.0) < -1e6
    assert studentized(x, -y, windows, swap=False, calm_ratio=2.0, crisis_ratio=0.0) > 1e6


# --- Fry, Martin and Tang


def coskewed(seed: int, strength: float):
    """In the crisis the target is volatile when the source falls."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((NOBS, 2))
    scale = np.ones(NOBS)
    scale[FIRST : LAST + 1] = np.exp(-strength * z[FIRST : LAST + 1, 0])
    return z[:, 0], z[:, 1] * scale


def test_published_form_written_out():
    x, y = pair(10)
    calm, crisis = slice(0, FIRST), slice(FIRST, LAST + 1)
    for name, m, n in (("CS12", 1, 2), ("CS21", 2, 1)):
        psi, rho, var = {}, {}, {}
        for what, rows in (("calm", calm), ("crisis", crisis)):
            zx, zy = stats.zscore(x[rows]), stats.zscore(y[rows])
            psi[what], rho[what], var[what] = np.mean(zx**m * zy**n), np.mean(zx * zy), np.var(x[rows])
        star = rho["crisis"] / np.sqrt(1 + (var["crisis"] / var["calm"] - 1) * (1 - rho["crisis"] ** 2))
        bottom = (4 * star**2 + 2) / 120 + (4 * rho["calm"] ** 2 + 2) / 600
        expected = (psi["crisis"] - psi["calm"]) ** 2 / bottom
        result = fry_martin_tang_test(x, y, CRISIS, moment=name, of="returns", robust=False, pvalue="asymptotic")
        assert result.statistic == pytest.approx(expected, rel=1e-10)
        assert result.pvalue == pytest.approx(stats.chi2.sf(expected, 1), rel=1e-10)
        turned = fry_martin_tang_test(
            y, x, CRISIS, moment={"CS12": "CS21", "CS21": "CS12"}[name], of="returns", pvalue="asymptotic"
        )
        robust = fry_martin_tang_test(x, y, CRISIS, moment=name, of="returns", pvalue="asymptotic")
        assert turned.statistic == pytest.approx(robust.statistic, rel=1e-10)
        scaled = fry_martin_tang_test(3 * x + 1, 0.2 * y, CRISIS, moment=name, of="returns", pvalue="asymptotic")
        assert scaled.statistic == pytest.approx(robust.statistic, rel=1e-8)


# of independent observations a GARCH may end on its bound
@pytest.mark.filterwarnings("ignore::cryptoequity.errors.BoundaryWarning")
def test_coskewness_that_appears_is_found_and_one_that_stays_is_not():
    x, y = coskewed(1, 0.6)
    for of, kind in (("returns", "asymptotic"), ("returns", "block"), ("residuals", "block"), ("residuals", "garch")):
        result = fry_martin_tang_test(x, y, CRISIS, of=of, pvalue=kind, draws=59)
        assert result.pvalue <= 0.05
        assert result.detail["coskewness, crisis"] < -0.3
        assert result.detail["signed root"] < 0
    x, y = coskewed(1, 0.0)
    for of, kind in (("returns", "asymptotic"), ("returns", "block"), ("residuals", "block"), ("residuals", "garch")):
        assert fry_martin_tang_test(x, y, CRISIS, of=of, pvalue=kind, draws=59).pvalue > 0.05


def test_normal_variances_take_fat_tails_for_contagion():
    """Independent pairs with t(5) tails, no change: the published law rejects many times its level."""
    rejected = {"normal": 0, "robust": 0}
    for seed in range(200):
        x, y = pair(seed, source=1.0, nu=5.0)
        detail = fry_martin_tang_test(x, y, CRISIS, of="returns", pvalue="asymptotic").detail
        for kind in rejected:
            rejected[kind] += detail[f"asymptotic p-value, {kind}"] <= 0.05
    assert rejected["normal"] > 50
    assert rejected["robust"] < 26


def test_margins_and_dependence_of_the_null_can_be_chosen():
    x, y = pair(11)
    index = pd.bdate_range("2020-01-01", periods=NOBS)
    one, two = pd.Series(x, index, name="A"), pd.Series(y, index, name="B")
    crisis = (index[FIRST], index[LAST])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcc = fry_martin_tang_test(one, two, crisis, dependence=DCC(), draws=19)
        drawn = fry_martin_tang_test(one, two, crisis, shocks="parametric", draws=19)
        lags = fry_martin_tang_test(one, two, crisis, margin=GARCH(mean="ar", lags=2), pvalue="asymptotic")
        mask = np.zeros(NOBS, bool)
        mask[FIRST : LAST + 1] = True
        same = fry_martin_tang_test(one, two, mask, margin=GARCH(mean="ar", lags=2), pvalue="asymptotic")
        other = fry_martin_tang_test(one, two, crisis, margin=EGARCH(), pvalue="asymptotic")
    assert "margins refitted" in dcc.reference
    assert "fitted density" in drawn.reference
    assert same.statistic == lags.statistic
    assert same.nobs == FIRST - 2 + LAST - FIRST + 1
    assert other.statistic != lags.statistic
    with pytest.raises(SpecError, match="draws residuals"):
        fry_martin_tang_test(one, two, crisis, of="returns")
    with pytest.raises(SpecError, match="leave them out"):
        fry_martin_tang_test(one, two, crisis, of="returns", pvalue="block", margin=GARCH())
    with pytest.raises(SpecError, match="moment='CS22'"):
        fry_martin_tang_test(one, two, crisis, moment="CS22")


# --- windows


def test_windows_by_labels_masks_and_default():
    index = pd.bdate_range("2019-01-01", periods=500, name="date")
    windows = read_windows(index, ("2020-03", "2020-05"))
    assert index[windows.crisis[0]] == pd.Timestamp("2020-03-02")
    assert index[windows.crisis[-1]] == pd.Timestamp("2020-05-29")
    assert windows.calm[-1] == windows.crisis[0] - 1
    mask = pd.Series(False, index)
    mask.loc["2020-03":"2020-05"] = True
    np.testing.assert_array_equal(read_windows(index, mask).crisis, windows.crisis)
    np.testing.assert_array_equal(read_windows(index, mask.to_numpy()).crisis, windows.crisis)
    given = read_windows(index, ("2020-03", "2020-05"), ("2019-01", "2019-06"))
    assert index[given.calm[-1]].month == 6
    scattered = mask.copy()
    scattered.iloc[20:50] = True
    assert read_windows(index, scattered, ("2019-06", "2020-02")).crisis.size == windows.crisis.size + 30
    text = windows.between(index)
    assert "crisis 2020-03-02 to 2020-05-29" in text


def test_what_cannot_be_compared_is_refused():
    x, y = pair(12)
    index = pd.bdate_range("2019-01-01", periods=NOBS)
    with pytest.raises(DataError, match=r"share 100 rows, the first 500"):
        forbes_rigobon_test(x, y, (500, 700), (0, 599))
    with pytest.raises(DataError, match="crisis: 11 observations are too few, at least 20"):
        forbes_rigobon_test(x, y, (600, 610))
    with pytest.raises(DataError, match=r"calm: 30 observations are too few.*give calm="):
        forbes_rigobon_test(x, y, (30, 200))
    with pytest.raises(DataError, match="no observation lies within"):
        forbes_rigobon_test(x, y, (900, 950))
    with pytest.raises(SpecError, match="boolean mask of 800 rows"):
        forbes_rigobon_test(x, y, np.arange(20))
    with pytest.raises(SpecError, match="not labels of the rows"):
        read_windows(index, ("soon", "later"))
    with pytest.raises(DataError, match="not have the same rows"):
        forbes_rigobon_test(x, y[:-1], CRISIS)
    still = x.copy()
    still[FIRST : LAST + 1] = 0.3
    with pytest.raises(DataError, match="source is constant over the crisis"):
        forbes_rigobon_test(still, y, CRISIS)
    with pytest.raises(DataError, match="target is constant over the crisis"):
        fry_martin_tang_test(x, still, CRISIS, of="returns", pvalue="asymptotic")
    with pytest.raises(DataError, match=r"over the calm one series is the other times a number: correlation 1\.0"):
        forbes_rigobon_test(x, 2.0 * x, CRISIS)
    with pytest.raises(SpecError, match="draws=5"):
        forbes_rigobon_test(x, y, CRISIS, draws=5)
    with pytest.raises(SpecError, match="draws=5"):
        fry_martin_tang_test(x, y, CRISIS, of="returns", pvalue="block", draws=5)
    with pytest.raises(SpecError, match="block=500"):
        forbes_rigobon_test(x, y, CRISIS, pvalue="block", block=500)
    with pytest.raises(DataError, match=r"fits a GARCH to 200 rows.*pvalue='block'"):
        forbes_rigobon_test(x[:200], y[:200], (150, 199))
    for bad in ({"direction": "up"}, {"alternative": "more"}, {"pvalue": "bootstrap"}):
        with pytest.raises(SpecError):
            forbes_rigobon_test(x, y, CRISIS, **bad)
    holed = x.copy()
    holed[3] = np.nan
    with pytest.raises(DataError, match="missing or infinite"):
        forbes_rigobon_test(holed, y, CRISIS)


def test_results_print_serialize_and_cite():
    x, y = pair(13)
    result = forbes_rigobon_test(x, y, CRISIS, pvalue="block", draws=19)
    text = str(result.summary())
    assert "adjusted correlation, source" in text
    assert "interdependence, no contagion" in text
    assert json.loads(json.dumps(result.to_dict()))["options"]["decisive direction"] in ("source", "target")
    assert "forbesrigobon2002" in result.cite()
    assert result.robustness
    fit = corsetti_pericoli_sbracia(x, y, CRISIS, pvalue="block", draws=19, lambdas=[0.0, 0.5])
    assert "Verdict" in str(fit)
    assert len(json.loads(json.dumps(fit.to_dict()))["curve"]) == 2
    assert "corsetti2005" in fit.cite()
    pd.testing.assert_frame_equal(fit.to_frame(), fit.curve)
    cs = fry_martin_tang_test(x, y, CRISIS, of="returns", pvalue="block", draws=19)
    assert "frymartintang2010" in cs.cite()
    assert "coskewness, crisis" in str(cs.summary())
