"""Lead-lag tests against regressions of statsmodels, under GARCH, and on simulated hours with unequal closing times."""

from __future__ import annotations

import json

import joblib
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.dependence.closing_times import (
    aggregated_correlation,
    crypto_leads_test,
    overlapping_correlation,
)
from cryptoequity.dependence.lead_lag import cross_correlations, lagged_moments, lead_lag_test
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.inference import ewc_test
from cryptoequity.volatility import GARCH, fit_margins

HOURS = 24
CLOSE = 20  # 16:00 New York in summer, in UTC


def garch(rng, nobs, rho=0.5, lead=0.0):
    """Two GARCH(1,1) with t(6) shocks of correlation ``rho``; yesterday's first shock moves the second by ``lead``."""
    z = rng.standard_t(6, (nobs, 2)) * np.sqrt(4 / 6)
    z[:, 1] = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
    z[1:, 1] += lead * z[:-1, 0]
    out = np.empty_like(z)
    h = np.ones(2)
    for t in range(nobs):
        out[t] = np.sqrt(h) * z[t]
        h = 0.05 + 0.10 * out[t] ** 2 + 0.85 * h
    return out


def hours(rng, days, *, rho=0.6, night=1.0, lead=0.0, volatility=0.0):
    """Daily returns of crypto (to 24:00) and equity (to 20:00) from hourly steps that are correlated within the hour.

    ``night`` multiplies the equity's movement between 20:00 and 24:00; ``lead`` passes a share of crypto's hour on to
    the equity 24 hours later; ``volatility`` is the standard deviation of a persistent log volatility common to both.
    """
    n = days * HOURS
    u = rng.standard_normal((n, 2)) / np.sqrt(HOURS)
    scale = np.ones(n)
    scale.reshape(days, HOURS)[:, CLOSE:] = night
    if volatility:
        level = np.zeros(days)
        for t in range(1, days):
            level[t] = 0.97 * level[t - 1] + np.sqrt(1 - 0.97**2) * rng.standard_normal()
        u *= np.exp(volatility * np.repeat(level, HOURS))[:, None]
    c = u[:, 0]
    e = scale * (rho * u[:, 0] + np.sqrt(1 - rho**2) * u[:, 1])
    e[HOURS:] += lead * c[:-HOURS]
    crypto = c.reshape(days, HOURS).sum(axis=1)
    path = np.concatenate([[0.0], np.cumsum(e)])
    equity = np.diff(path[CLOSE::HOURS])  # from 20:00 to 20:00, days 1, 2, …
    return crypto[1:], equity


def frame(values):
    return pd.DataFrame(values, pd.bdate_range("2015-01-01", periods=len(values)), ["COIN", "TECH"])


# --- the statistic


@pytest.mark.parametrize("own_lags", [0, 1, 3])
def test_wald_form_is_the_uncentered_fit_of_one_on_the_products(own_lags):
    data = frame(garch(np.random.default_rng(0), 400))
    test = lead_lag_test(
        data["COIN"], data["TECH"], filter=None, pvalue="asymptotic", max_lag=4, first_lag=2, own_lags=own_lags
    )
    y, x = data["TECH"], data["COIN"]
    # partial out own lags with statsmodels, then regress a one on the products (Wooldridge's robust LM)
    own = sm.add_constant(pd.concat([y.shift(k) for k in range(1, own_lags + 1)], axis=1)) if own_lags else None
    own = pd.DataFrame({"const": 1.0}, index=y.index) if own is None else own
    keep = slice(4, None)
    left = [sm.OLS(one.iloc[keep], own.iloc[keep]).fit().resid for one in (y, x.shift(2), x.shift(3), x.shift(4))]
    products = np.column_stack([left[0] * one for one in left[1:]])
    wanted = sm.OLS(np.ones(len(products)), products).fit()
    assert test.statistic == pytest.approx(wanted.ess, rel=1e-9)  # n times the uncentered R-squared
    assert test.pvalue == pytest.approx(stats.chi2.sf(wanted.ess, 3), rel=1e-9)


def test_hong_weights_are_written_out():
    data = frame(garch(np.random.default_rng(1), 300))
    test = lead_lag_test(data["COIN"], data["TECH"], filter=None, pvalue="asymptotic", max_lag=3, weights="bartlett")
    error, lags, _ = lagged_moments(data["COIN"].to_numpy(), data["TECH"].to_numpy(), 1, 3, 1)
    m = error[:, None] * lags
    t = np.sqrt(len(m)) * m.mean(axis=0) / np.sqrt((m**2).mean(axis=0))
    r = (m.T @ m) / np.sqrt(np.outer((m**2).sum(axis=0), (m**2).sum(axis=0)))
    w = np.array([(3 / 4) ** 2, (2 / 4) ** 2, (1 / 4) ** 2])
    wanted = np.sum(w * (t**2 - 1)) / np.sqrt(2 * sum(w[j] * w[k] * r[j, k] ** 2 for j in range(3) for k in range(3)))
    assert test.statistic == pytest.approx(wanted)
    assert test.pvalue == pytest.approx(stats.norm.sf(wanted))


def test_cross_correlations_are_those_of_shifted_series():
    data = frame(garch(np.random.default_rng(2), 2000))
    table = cross_correlations(data["COIN"].to_numpy(), data["TECH"].to_numpy(), 3)
    for lag in range(-3, 4):
        wanted = data["COIN"].corr(data["TECH"].shift(-lag))
        assert table.loc[lag, "correlation"] == pytest.approx(wanted, abs=3e-3)
    swapped = cross_correlations(data["TECH"].to_numpy(), data["COIN"].to_numpy(), 3)
    np.testing.assert_allclose(table["correlation"], swapped["correlation"].iloc[::-1], atol=1e-12)
    np.testing.assert_allclose(table["std err"], swapped["std err"].iloc[::-1], atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.floats(0.5, 30), st.floats(0.5, 30), st.sampled_from(["equal", "bartlett"]))
def test_units_do_not_matter(seed, one, two, weights):
    data = frame(garch(np.random.default_rng(seed), 150))
    options = {"filter": None, "pvalue": "asymptotic", "weights": weights}
    test = lead_lag_test(data["COIN"], data["TECH"], **options)
    again = lead_lag_test(one * data["COIN"] + 1, two * data["TECH"] - 1, **options)
    assert again.statistic == pytest.approx(test.statistic, rel=1e-7, abs=1e-9)
    leads = crypto_leads_test(data["COIN"], data["TECH"])
    assert crypto_leads_test(one * data["COIN"] + 1, two * data["TECH"] - 1).pvalue == pytest.approx(leads.pvalue)
    mean = aggregated_correlation(data["COIN"], data["TECH"]).estimate
    assert aggregated_correlation(one * data["COIN"] + 1, -two * data["TECH"]).estimate == pytest.approx(-mean)


@pytest.mark.parametrize("weights", ["equal", "bartlett"])
def test_a_lead_is_found_and_in_its_direction_only(weights):
    data = frame(garch(np.random.default_rng(3), 1200, lead=0.2))
    options = {"draws": 199, "weights": weights}
    test = lead_lag_test(data["COIN"], data["TECH"], **options)
    assert test.pvalue == 0.005
    assert test.correlations.loc[1, "correlation"] > 0.1
    assert lead_lag_test(data["COIN"], data["TECH"], leader="equity", **options).pvalue > 0.005
    assert test.leader == "COIN"
    assert test.follower == "TECH"
    assert "crypto_leads_test" in test.robustness
    assert json.dumps(test.to_dict())
    assert "COIN" in str(test.summary())
    assert "cheungng1996" in test.cite()


def test_volatility_that_leads_is_found_in_the_squares():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal(3000), rng.standard_normal(3000)
    y[1:] *= np.sqrt(0.5 + 0.5 * x[:-1] ** 2)
    data = frame(np.column_stack([x, y]))
    assert lead_lag_test(data["COIN"], data["TECH"], of="variance", filter=None, draws=99).pvalue == 0.01
    assert lead_lag_test(data["COIN"], data["TECH"], filter=None, draws=99).pvalue > 0.05


def test_residuals_are_those_of_the_margins_and_workers_do_not_matter():
    data = frame(garch(np.random.default_rng(5), 400))
    z = fit_margins(data, GARCH(dist="t")).std_resid
    test = lead_lag_test(data["COIN"], data["TECH"], draws=59, rng=3)
    with joblib.parallel_config(backend="threading"):
        plain = lead_lag_test(z["COIN"], z["TECH"], filter=None, draws=59, rng=3, n_jobs=2)
    assert test.statistic == pytest.approx(plain.statistic)
    assert test.pvalue == plain.pvalue
    np.testing.assert_allclose(test.detail["null"], plain.detail["null"])


@pytest.mark.parametrize(("how", "leader", "lead"), [("wild", "crypto", 0.0), ("asymptotic", "equity", 0.3)])
def test_size_under_garch_with_a_contemporaneous_correlation(how, leader, lead):
    # in the second world crypto leads, and it is asked whether equity does
    rng = np.random.default_rng(6)
    p = []
    for _ in range(100):
        c, e = garch(rng, 300, rho=0.6, lead=lead).T
        test = lead_lag_test(c, e, filter=None, leader=leader, pvalue=how, draws=19, max_lag=3, rng=rng)
        p.append(test.pvalue)
    rejected = int(np.sum(np.array(p) <= 0.10))
    low, high = stats.binom.ppf([0.001, 0.999], 100, 0.10)
    assert low <= rejected <= high


# --- unequal closing times


@pytest.mark.parametrize("night", [1.0, 0.4])
def test_the_covariance_between_the_closes_moves_to_the_next_day(night):
    crypto, equity = hours(np.random.default_rng(7), 12000, night=night)
    # equity moves a share of its day's covariance between 20:00 and 24:00
    gamma = 0.6 * (CLOSE + night * (HOURS - CLOSE)) / HOURS
    f = night * (HOURS - CLOSE) / (CLOSE + night * (HOURS - CLOSE))
    cov = [np.mean(crypto[: len(crypto) - j] * equity[j:]) for j in (0, 1, 2)]
    assert cov[0] == pytest.approx((1 - f) * gamma, abs=0.03)
    assert cov[1] == pytest.approx(f * gamma, abs=0.03)
    assert cov[2] == pytest.approx(0, abs=0.03)
    assert np.mean(crypto[1:] * equity[:-1]) == pytest.approx(0, abs=0.03)
    assert f <= 4 / 24 + 1e-12  # quiet hours carry less than their share of the clock
    test = crypto_leads_test(crypto, equity)
    assert test.detail["overlap that explains the estimate"] == pytest.approx(f, abs=0.03)


def test_an_overlap_looks_like_a_lead_and_the_bound_sees_through_it():
    rng = np.random.default_rng(8)
    naive, bound, second, none = [], [], [], []
    for _ in range(90):
        c, e = hours(rng, 500, volatility=0.5)
        naive.append(lead_lag_test(c, e, filter=None, pvalue="asymptotic", max_lag=1).pvalue)
        second.append(lead_lag_test(c, e, filter=None, pvalue="asymptotic", max_lag=3, first_lag=2).pvalue)
        test = crypto_leads_test(c, e)
        bound.append(test.pvalue)
        none.append(test.detail["p-value without overlap"])
    low, high = stats.binom.ppf([0.0005, 0.9995], 90, 0.10)
    assert np.mean(np.array(naive) <= 0.10) > 0.4
    assert np.mean(np.array(none) <= 0.10) > 0.4
    assert np.sum(np.array(bound) <= 0.10) <= high
    assert low <= np.sum(np.array(second) <= 0.10) <= high


def test_a_lead_beyond_the_overlap_is_found():
    crypto, equity = hours(np.random.default_rng(9), 2000, lead=0.35)
    test = crypto_leads_test(crypto, equity)
    assert test.pvalue < 0.001
    assert test.detail["overlap at which 5 % is lost"] > 4 / 24
    # the share at which the verdict turns is where a test with that bound turns
    edge = test.detail["overlap at which 5 % is lost"]
    assert crypto_leads_test(crypto, equity, overlap=edge - 0.002).pvalue <= 0.05
    assert crypto_leads_test(crypto, equity, overlap=edge + 0.001).pvalue > 0.05
    assert crypto_leads_test(crypto, equity, alternative="less").pvalue > 0.99
    assert crypto_leads_test(crypto, equity, alternative="two-sided").pvalue < 0.001
    assert "lazarus2018" in test.cite()
    assert json.dumps(test.to_dict())


def test_any_share_of_overlap_is_the_cosine_test_of_its_moments():
    c, e = hours(np.random.default_rng(10), 600)
    for share in (0.0, 0.1, 4 / 24):
        test = crypto_leads_test(c, e, overlap=share, own_lags=0)
        left, before, now = e[1:] - e[1:].mean(), c[:-1] - c[:-1].mean(), c[1:] - c.mean()
        worst = []
        for f in np.linspace(0, share, 41):
            m = left * (before - f / (1 - f) * now)
            error, df = ewc_test(m)
            worst.append(stats.t.sf(m.mean() / error, df))
        assert test.pvalue == pytest.approx(max(worst), rel=1e-8)


def test_sums_over_lags_and_over_days_put_the_correlation_back():
    crypto, equity = hours(np.random.default_rng(11), 20000)
    aggregated = aggregated_correlation(crypto, equity)
    two = overlapping_correlation(crypto, equity, days=2)
    assert aggregated.same_day == pytest.approx(0.6 * (1 - 4 / 24), abs=0.02)
    assert aggregated.estimate == pytest.approx(0.6, abs=0.03)
    assert two.estimate == pytest.approx(0.6 * (1 - 4 / 48), abs=0.03)


def test_sums_are_the_formulas():
    c, e = garch(np.random.default_rng(12), 500).T
    a, b = c - c.mean(), e - e.mean()
    rows = np.arange(2, 498)
    wanted = sum(np.mean(a[rows] * b[rows + j]) for j in range(-2, 3)) / np.sqrt(
        np.mean(a[rows] ** 2) * np.mean(b[rows] ** 2)
    )
    assert aggregated_correlation(c, e, lags=2).estimate == pytest.approx(wanted)
    three = np.corrcoef([pd.Series(x).rolling(3).sum().dropna() for x in (c, e)])[0, 1]
    assert overlapping_correlation(c, e, days=3).estimate == pytest.approx(three)
    one = overlapping_correlation(c, e, days=1)
    assert one.estimate == pytest.approx(np.corrcoef(c, e)[0, 1])
    assert one.estimate == pytest.approx(one.same_day)


@pytest.mark.parametrize("estimator", [aggregated_correlation, overlapping_correlation])
@pytest.mark.parametrize("world", ["iid", "garch"])
def test_intervals_cover(estimator, world):
    rng = np.random.default_rng(13)
    truth = 0.5
    if world == "garch":  # correlations of returns are below those of their shocks when volatilities differ
        truth = float(np.mean([np.corrcoef(garch(rng, 4000).T)[0, 1] for _ in range(10)]))
    covered = 0
    for _ in range(100):
        u = rng.standard_normal((400, 2))
        c, e = garch(rng, 400).T if world == "garch" else (u[:, 0], 0.5 * u[:, 0] + np.sqrt(0.75) * u[:, 1])
        low, high = estimator(c, e).conf_int(0.10)
        covered += low <= truth <= high
    assert 0.81 <= covered / 100 <= 0.97


def test_results_are_complete():
    data = frame(garch(np.random.default_rng(14), 800))
    fit = aggregated_correlation(data["COIN"], data["TECH"], filter=GARCH())
    assert json.dumps(fit.to_dict())
    assert "same-day" in str(fit.summary())
    assert "dimson1979" in fit.cite()
    assert fit.to_frame().index.tolist() == [-1, 0, 1]
    assert fit.pvalue < 0.01
    with pytest.raises(SpecError, match="alpha"):
        fit.conf_int(2.0)


@pytest.mark.parametrize("call", [lead_lag_test, crypto_leads_test, aggregated_correlation, overlapping_correlation])
def test_bad_series_are_refused(call):
    data = frame(garch(np.random.default_rng(15), 300))
    c, e = data["COIN"], data["TECH"]
    for one, two, match in (
        (c.iloc[:50], e.iloc[:50], "50 rows"),
        (c, e.iloc[1:], "same rows"),
        (c, e.shift(1, freq="D"), "same rows"),
        (c.where(c.index != c.index[7]), e, "NaN"),
        (c, e * 0 + 1, "constant"),
        (c, c, "both series"),
        (c, c.rename("TECH"), "collinear"),
        (data, e, "one column"),
        (np.ones((300, 2)), e, "one dimension"),
    ):
        with pytest.raises(DataError, match=match):
            call(one, two)
    with pytest.raises(SpecError, match="filter"):
        call(c, e, filter="garch")


@pytest.mark.parametrize(
    ("call", "options"),
    [
        (lead_lag_test, {"leader": "gold"}),
        (lead_lag_test, {"max_lag": 0}),
        (lead_lag_test, {"first_lag": 9}),
        (lead_lag_test, {"own_lags": -1}),
        (lead_lag_test, {"draws": 3}),
        (lead_lag_test, {"of": "skewness"}),
        (lead_lag_test, {"pvalue": "hac"}),
        (lead_lag_test, {"weights": "daniell"}),
        (crypto_leads_test, {"overlap": 1.0}),
        (crypto_leads_test, {"overlap": -0.1}),
        (crypto_leads_test, {"overlap": "4h"}),
        (crypto_leads_test, {"alternative": "more"}),
        (aggregated_correlation, {"lags": -1}),
        (overlapping_correlation, {"days": 0}),
    ],
)
def test_bad_choices_are_refused(call, options):
    data = frame(garch(np.random.default_rng(16), 200))
    with pytest.raises(SpecError):
        call(data["COIN"], data["TECH"], **({"filter": None} | options))
