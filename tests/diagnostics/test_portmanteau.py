"""Portmanteau statistics by their formulas, the law that counts estimation, and what they find."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from cryptoequity.correlation import CCC, DCC
from cryptoequity.diagnostics.null_fit import fitted_null
from cryptoequity.diagnostics.null_statistics import satterthwaite_tail
from cryptoequity.diagnostics.portmanteau import (
    _statistic,
    adjusted_products,
    hosking_test,
    li_mcleod_test,
    ling_li_test,
    observed,
    weights_of,
    whitened,
)
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.inference import mean_outer
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.likelihood import MarginLikelihood
from diagnostics.null_samples import constant, dynamic, known, margins_from, returns_of


@pytest.fixture(scope="module")
def three():
    return margins_from(dynamic(600, 3, np.random.default_rng(4), 0.05, 0.9, 7.0))


@pytest.fixture(scope="module")
def dcc(three):
    return DCC().fit(three)


@pytest.fixture(scope="module")
def pair():
    return margins_from(constant(500, 2, np.random.default_rng(6)))


def dense_whitened(fit) -> np.ndarray:
    """R_t^{-1/2} z_t date by date."""
    z = fit.likelihood.z
    out = np.empty_like(z)
    for t, date in enumerate(fit.std_resid.index):
        values, vectors = np.linalg.eigh(fit.correlation_at(date).to_numpy())
        out[t] = vectors @ np.diag(values**-0.5) @ vectors.T @ z[t]
    return out


def trace_form(y: np.ndarray, lags: int) -> np.ndarray:
    """tr(C_l' C_0^{-1} C_l C_0^{-1}) for every lag."""
    nobs = len(y)
    y = y - y.mean(axis=0)
    inverse = np.linalg.inv(y.T @ y / nobs)
    out = []
    for lag in range(1, lags + 1):
        c = sum(np.outer(y[t], y[t - lag]) for t in range(lag, nobs)) / nobs
        out.append(np.trace(c.T @ inverse @ c @ inverse))
    return np.array(out)


@pytest.mark.parametrize("of", ["products", "levels"])
def test_statistics_by_their_formulas(dcc, of):
    e = dense_whitened(dcc)
    np.testing.assert_allclose(whitened(dcc.likelihood, dcc.theta), e, atol=1e-10)
    rows, cols = np.triu_indices(3)
    y = e if of == "levels" else e[:, rows] * e[:, cols]
    traces, nobs, lags, k = trace_form(y, 4), len(y), 4, y.shape[1]
    hosking = nobs**2 * (traces / (nobs - np.arange(1, lags + 1))).sum()
    li_mcleod = nobs * traces.sum() + k**2 * lags * (lags + 1) / (2 * nobs)
    for test, value in ((hosking_test, hosking), (li_mcleod_test, li_mcleod)):
        result = test(dcc, lags=lags, of=of, correct=False)
        assert result.statistic == pytest.approx(value, rel=1e-9)
        assert result.detail["terms"] == lags * k**2
        assert result.pvalue == pytest.approx(stats.chi2.sf(value, lags * k**2))
        assert result.pvalue == result.detail["uncorrected p-value"]
        assert test(dcc, lags=lags, of=of).pvalue == result.detail["corrected p-value"]


def test_ling_li_by_its_formula(dcc):
    e = dense_whitened(dcc)
    xi = (e**2).sum(axis=1)
    xi = xi - xi.mean()
    r = np.array([(xi[lag:] * xi[:-lag]).sum() for lag in range(1, 7)]) / (xi @ xi)
    result = ling_li_test(dcc, lags=6, correct=False)
    assert result.statistic == pytest.approx(len(xi) * r @ r, rel=1e-9)
    assert result.pvalue == pytest.approx(stats.chi2.sf(result.statistic, 6))
    weighted = ling_li_test(dcc, lags=6, weighted=True)
    star = np.concatenate(list(adjusted_products(fitted_null(dcc), "length", 6)), axis=1)
    assert weighted.statistic == pytest.approx(len(xi) * r @ np.linalg.solve(mean_outer(star), r), rel=1e-9)
    assert weighted.reference.startswith("chi2(6)")


def test_pair_is_whitened_in_closed_form():
    fit = DCC().fit(margins_from(dynamic(500, 2, np.random.default_rng(9), 0.05, 0.9, 7.0)))
    np.testing.assert_allclose(whitened(fit.likelihood, fit.theta), dense_whitened(fit), atol=1e-12)


@pytest.mark.parametrize("of", ["products", "length", "levels"])
def test_estimation_is_counted_as_differences_of_the_whole_first_step_say(pair, of):
    """Adjusted products for CCC: margins moved along their box, the correlation estimated again, by differences."""
    fit = CCC().fit(pair)
    null = fitted_null(fit)
    lags = 2
    y = observed(fit.likelihood, fit.theta, of)
    center, root = y.mean(axis=0), None
    values, vectors = np.linalg.eigh(mean_outer(y - center))
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    unit = (y - center) @ root
    nobs, k = unit.shape
    past = [np.vstack([np.zeros((lag, k)), unit[:-lag]]) for lag in range(1, lags + 1)]

    def mean_products(z, target=None):
        """Mean of y_t ⊗ y_{t-l} with only y_t at the new residuals; the correlation is theirs unless given."""
        moved = observed(fit.likelihood.fixed(z, None, target), fit.theta, of)
        rows = (moved - moved.mean(axis=0)) @ root
        return np.concatenate([(rows.T @ one).ravel() for one in past]) / nobs

    def sample(z):
        return np.array([z[:, 0] @ z[:, 1] / np.sqrt((z[:, 0] @ z[:, 0]) * (z[:, 1] @ z[:, 1]))])

    slope, influence = [], []
    for i, margin in enumerate(pair.fits):
        lik = MarginLikelihood(margin.spec, margin.returns.to_numpy(float))
        change = []
        for j in np.flatnonzero(margin.part.free):
            ends = []
            for sign in (1.0, -1.0):
                box = margin.optimum.box.copy()
                box[j] += sign * 1e-5
                _, variance, residual, _, _ = lik.filter(lik.layout.natural(box), 0)
                z = null.z.copy()
                z[:, i] = residual / np.sqrt(variance)
                ends.append(mean_products(z, sample(z)))  # the correlation follows the margins
            change.append((ends[0] - ends[1]) / 2e-5)
        slope.append(np.stack(change, axis=1))
        influence.append(-np.linalg.solve(margin.part.hessian, margin.part.score.T).T)
    r = sample(null.z)
    slope.append(((mean_products(null.z, r + 1e-5) - mean_products(null.z, r - 1e-5)) / 2e-5)[:, None])
    w = null.z / np.sqrt((null.z**2).mean(axis=0))
    influence.append((w[:, 0] * w[:, 1] - 0.5 * r * (w**2).sum(axis=1))[:, None])
    terms = np.concatenate([(unit[:, :, None] * one[:, None, :]).reshape(nobs, k * k) for one in past], axis=1)
    expected = terms + np.concatenate(influence, axis=1) @ np.concatenate(slope, axis=1).T
    got = np.concatenate(list(adjusted_products(null, of, lags)), axis=1)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(got, expected, atol=2e-5 * scale)


@pytest.mark.parametrize("of", ["products", "levels", "length"])
def test_weights_are_traces_without_the_diagonal(pair, of):
    null = fitted_null(CCC().fit(pair))
    for lags in (1, 60):  # fewer products than observations, and more
        if of != "products" and lags > 1:
            continue
        star = np.concatenate(list(adjusted_products(null, of, lags)), axis=1)
        first, second = weights_of(null, of, lags)
        gram = star @ star.T
        np.fill_diagonal(gram, 0.0)
        nobs = len(star)
        assert first == pytest.approx(np.trace(star.T @ star) / nobs, rel=1e-10)
        assert second == pytest.approx((gram**2).sum() / (nobs * (nobs - 1)), rel=1e-8)


def test_satterthwaite_is_exact_for_equal_weights_and_close_for_others():
    assert satterthwaite_tail(12.0, 2.0 * 7, 4.0 * 7) == pytest.approx(stats.chi2.sf(6.0, 7))
    rng = np.random.default_rng(3)
    weights = np.linspace(0.2, 1.5, 20)
    draws = (weights * rng.chisquare(1, (200_000, 20))).sum(axis=1)
    for level in (0.1, 0.05, 0.01):
        point = float(np.quantile(draws, 1 - level))
        assert satterthwaite_tail(point, weights.sum(), (weights**2).sum()) == pytest.approx(level, rel=0.2)
    assert np.isnan(satterthwaite_tail(1.0, 1.0, -1.0))
    assert np.isnan(satterthwaite_tail(float("nan"), 1.0, 1.0))


@pytest.mark.parametrize(("kind", "of", "terms"), [("Hosking", "levels", 20), ("Li–McLeod", "products", 45)])
def test_statistics_are_chi_squared_when_the_residuals_are_known(kind, of, terms):
    rng = np.random.default_rng(13)
    values = [_statistic(known(constant(800, 2, rng)), kind, 5, of, False) for _ in range(300)]
    pvalues = stats.chi2.sf(values, terms)
    assert stats.kstest(pvalues, "uniform").pvalue > 1e-3
    assert 0.02 < np.mean(pvalues <= 0.05) < 0.1


def test_a_correlation_that_is_wrong_is_found_and_one_that_is_right_is_not():
    margins = margins_from(dynamic(3000, 2, np.random.default_rng(14), 0.08, 0.9))
    ccc, dcc = CCC().fit(margins), DCC().fit(margins)
    for test in (hosking_test, li_mcleod_test):
        assert test(ccc, lags=5).pvalue < 1e-3
        assert test(margins, lags=5).statistic == pytest.approx(test(ccc, lags=5).statistic, rel=1e-12)
        assert test(dcc, lags=5).pvalue > 0.01
        assert test(dcc, lags=5, of="levels").pvalue > 0.01


def test_a_mean_that_is_wrong_is_found_in_levels():
    rng = np.random.default_rng(15)
    returns = returns_of(constant(1500, 2, rng))
    returns["A"] = returns["A"] + 0.25 * returns["A"].shift(1).fillna(0.0)
    plain = fit_margins(returns)
    assert hosking_test(plain, of="levels", lags=5).pvalue < 1e-4
    lagged = fit_margins(returns, {"A": GARCH(mean="ar", lags=1), "B": GARCH()})
    assert hosking_test(lagged, of="levels", lags=5).pvalue > 0.01


def test_a_variance_that_is_wrong_is_found_in_length():
    z = constant(2000, 2, np.random.default_rng(16))
    margins, flat = margins_from(z), margins_from(z, GARCH(q=0))  # clusters that one lag cannot hold
    for weighted in (False, True):
        assert ling_li_test(flat, weighted=weighted).pvalue < 1e-3
        assert ling_li_test(margins, weighted=weighted).pvalue > 0.01


def test_estimated_margins_take_degrees_of_freedom():
    """Uncorrected, the autocorrelations of squares are too small; the corrected p-value is below the uncorrected."""
    lower = 0
    for seed in range(12):
        result = ling_li_test(margins_from(constant(600, 2, np.random.default_rng(seed))), lags=5)
        lower += result.detail["corrected p-value"] < result.detail["uncorrected p-value"]
    assert lower >= 10


def test_order_of_the_columns_does_not_matter(three, dcc):
    turned = DCC().fit(three.select("B", "C", "A"))
    for test, options in ((hosking_test, {}), (li_mcleod_test, {"of": "levels"}), (ling_li_test, {"weighted": True})):
        one, two = test(dcc, lags=3, **options), test(turned, lags=3, **options)
        assert two.statistic == pytest.approx(one.statistic, rel=1e-4)


def test_bootstrap_draws_from_the_fitted_model(dcc):
    one = hosking_test(dcc, lags=3, bootstrap=19, rng=3)
    assert 0 < one.pvalue <= 1
    assert one.statistic == hosking_test(dcc, lags=3).statistic
    assert "DCC(1,1)" in one.reference
    assert {"asymptotic p-value", "corrected p-value", "uncorrected p-value"} <= set(one.detail)


def test_what_cannot_be_tested_is_refused(pair, dcc):
    with pytest.raises(SpecError, match="of='squares'"):
        hosking_test(dcc, of="squares")
    with pytest.raises(DataError, match="lags=400 of 500"):
        hosking_test(pair, lags=400)
    with pytest.raises(SpecError, match=r"lags=2\.5"):
        ling_li_test(pair, lags=2.5)
    with pytest.raises(SpecError, match="not DataFrame"):
        hosking_test(pair.std_resid)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shrunk = DCC().fit(dcc.margins, target="identity")
        joint = CCC().fit(pair, method="joint")
        composite = DCC().fit(dcc.margins, method="composite")
    assert 0 < hosking_test(shrunk, lags=2).pvalue <= 1
    with pytest.raises(SpecError, match="target='sample'"):
        hosking_test(shrunk, lags=2, bootstrap=19)
    with pytest.raises(SpecError, match="in one step"):
        hosking_test(joint, lags=2)
    with pytest.raises(SpecError, match="composite likelihood"):
        hosking_test(composite, lags=2)
