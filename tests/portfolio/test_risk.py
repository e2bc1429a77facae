"""Value at risk, expected shortfall and their tests: brute force by date, by enumeration, and sizes by simulation."""

from __future__ import annotations

import itertools
import math
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from cryptoequity.correlation import DCC
from cryptoequity.errors import DataError, SpecError
from cryptoequity.portfolio.backtests import (
    acerbi_szekely_test,
    christoffersen_test,
    exceedances,
    kupiec_test,
    mcneil_frey_test,
)
from cryptoequity.portfolio.hedging import portfolio_mean, portfolio_returns, portfolio_volatility
from cryptoequity.portfolio.risk import (
    _empirical_tail,
    expected_shortfall,
    joint_nu,
    tail_moments,
    value_at_risk,
)
from portfolio.path_fits import known_paths

W = {"A": 0.6, "C": -0.2, "B": 0.6}


@pytest.fixture(scope="module")
def fit():
    return known_paths(nobs=400, n=4, nu=6.0)


def series(values, name=None):
    return pd.Series(np.asarray(values, float), pd.bdate_range("2020-01-01", periods=len(values)), name=name)


def days(hits):
    """Returns of ±1 and a value at risk of 0.5: minus one where ``hits``."""
    returns = series(np.where(hits, -1.0, 1.0))
    return returns, series(np.full(len(returns), 0.5))


# --- the laws


@pytest.mark.parametrize("tail", [0.01, 0.025, 0.2])
@pytest.mark.parametrize("nu", [None, 2.5, 6.0, 200.0])
def test_tail_moments_equal_integrals_of_the_density(tail, nu):
    scale = 1.0 if nu is None else math.sqrt((nu - 2) / nu)
    law = stats.norm() if nu is None else stats.t(nu, scale=scale)
    quantile, below = tail_moments(tail, nu)
    assert law.cdf(quantile) == pytest.approx(tail, rel=1e-9)
    wanted = integrate.quad(lambda x: x * law.pdf(x), -np.inf, quantile)[0] / tail
    assert below == pytest.approx(wanted, rel=1e-6)
    assert below < quantile


def test_parametric_risk_is_location_scale(fit):
    mean, volatility = portfolio_mean(fit, W), portfolio_volatility(fit, W)
    np.testing.assert_allclose(value_at_risk(fit, W, method="normal"), -mean - stats.norm.ppf(0.01) * volatility)
    quantile, below = tail_moments(0.05, 6.0)
    np.testing.assert_allclose(value_at_risk(fit, W, tail=0.05), -mean - quantile * volatility)
    np.testing.assert_allclose(expected_shortfall(fit, W, tail=0.05), -mean - below * volatility)
    np.testing.assert_allclose(
        value_at_risk(fit, W, tail=0.05, method="t", nu=9.0), -mean - tail_moments(0.05, 9.0)[0] * volatility
    )
    assert value_at_risk(fit, W, tail=0.025).name == "VaR 2.5%"
    assert expected_shortfall(fit, W, tail=0.025).name == "ES 2.5%"


def test_a_portfolio_of_jointly_t_returns_is_t_with_the_same_degrees_of_freedom():
    fit = known_paths(nobs=40_000, n=3, nu=5.0, seed=2)
    returns = portfolio_returns(fit, [0.5, -0.3, 0.8])
    for tail in (0.01, 0.05):
        share = exceedances(returns, value_at_risk(fit, [0.5, -0.3, 0.8], tail=tail)).mean()
        assert share == pytest.approx(tail, abs=3 * math.sqrt(tail / 40_000))
    inside = returns < -value_at_risk(fit, [0.5, -0.3, 0.8], tail=0.05)
    es = expected_shortfall(fit, [0.5, -0.3, 0.8], tail=0.05)
    assert (-returns / es)[inside].mean() == pytest.approx(1.0, abs=0.05)


def test_filtered_simulation_equals_a_loop_over_dates(fit):
    names, w = ["A", "C", "B"], np.array([0.6, -0.2, 0.6])
    order = [fit.names.index(name) for name in names]
    nobs = 400
    roots, white = [], []
    for t in range(nobs):
        values, vectors = np.linalg.eigh(fit.matrices[t][np.ix_(order, order)])
        roots.append(vectors @ np.diag(np.sqrt(values)) @ vectors.T)
        white.append(np.linalg.solve(roots[-1], fit.std_resid.to_numpy()[t, order]))
    white = np.array(white)
    sigma = fit.volatility[names].to_numpy()
    for window in (None, 120):
        first = window or 0
        var = value_at_risk(fit, W, tail=0.03, method="filtered", window=window)
        es = expected_shortfall(fit, W, tail=0.03, method="filtered", window=window)
        assert len(var) == len(es) == nobs - first
        assert var.index[0] == fit.returns.index[first]
        for t in range(first, nobs, 61):
            past = white if window is None else white[t - window : t]
            outcomes = np.sort(0.05 * w.sum() + (w * sigma[t]) @ roots[t] @ past.T)
            share = 0.03 * len(past)
            k = math.ceil(share - 1e-9)
            assert var.iloc[t - first] == pytest.approx(-outcomes[k - 1], rel=1e-10)
            worst = outcomes[: k - 1].sum() + (share - (k - 1)) * outcomes[k - 1]
            assert es.iloc[t - first] == pytest.approx(-worst / share, rel=1e-10)


def test_filtered_simulation_does_not_depend_on_the_order_of_columns(fit):
    one = value_at_risk(fit, W, tail=0.05, method="filtered")
    other = value_at_risk(fit, dict(reversed(W.items())), tail=0.05, method="filtered")
    np.testing.assert_allclose(one, other, rtol=1e-9)
    # an asset that is not held changes nothing
    np.testing.assert_allclose(value_at_risk(fit, {**W, "D": 0.0}, tail=0.05, method="filtered"), one, rtol=1e-12)


def test_the_past_window_never_sees_the_date(fit):
    other = known_paths(nobs=400, n=4, nu=6.0)
    other.std_resid.iloc[300:] *= 50.0
    one, two = (value_at_risk(f, W, tail=0.05, method="filtered", window=100) for f in (fit, other))
    np.testing.assert_array_equal(one.iloc[:201], two.iloc[:201])  # dates up to number 300
    assert not np.allclose(one.iloc[230:], two.iloc[230:])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 200), st.sampled_from([0.05, 0.1, 0.15, 0.3, 0.07]))
def test_empirical_tail_is_the_integral_of_the_quantile_function(seed, count, tail):
    outcomes = np.random.default_rng(seed).standard_normal((1, count))
    quantile, below = _empirical_tail(outcomes, tail)
    ordered = np.sort(outcomes[0])
    # mean of the step function F^{-1} over (0, tail)
    edges = np.minimum(np.arange(count + 1) / count, tail)
    assert below[0] == pytest.approx(float(np.sum(np.diff(edges) * ordered)) / tail, rel=1e-9, abs=1e-12)
    assert quantile[0] == ordered[math.ceil(tail * count - 1e-9) - 1]
    assert below[0] <= quantile[0]


@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 100), st.sampled_from(["normal", "t", "filtered"]), st.sampled_from([0.025, 0.05, 0.2]))
def test_risk_is_homogeneous_and_shortfall_is_larger(factor, method, tail):
    fit = known_paths(nobs=80, n=3, nu=5.0)
    weights = np.array([0.5, 0.2, -0.4])
    var = value_at_risk(fit, weights, tail=tail, method=method)
    np.testing.assert_allclose(value_at_risk(fit, factor * weights, tail=tail, method=method), factor * var, rtol=1e-9)
    assert (expected_shortfall(fit, weights, tail=tail, method=method) >= var - 1e-12).all()


def test_on_a_fitted_dcc(sim_dcc3):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = DCC(dist="t").fit(sim_dcc3.iloc[:800])
    assert joint_nu(fit) == fit.params["dcc.nu"]
    weights = {"A": 0.5, "B": 0.5}
    returns = portfolio_returns(fit, weights)
    for method in ("normal", "t", "filtered"):
        var = value_at_risk(fit, weights, tail=0.05, method=method)
        assert kupiec_test(returns, var, tail=0.05).pvalue > 0.01
    assert exceedances(returns, value_at_risk(fit, weights, tail=0.05, method="filtered")).mean() == pytest.approx(
        0.05, abs=0.01
    )


# --- Kupiec


def test_kupiec_equals_the_likelihoods_and_the_binomial_sum():
    hits = np.zeros(250, bool)
    hits[[3, 50, 51, 120, 200, 240]] = True
    returns, var = days(hits)
    test = kupiec_test(returns, var, tail=0.01)
    x, nobs = 6, 250
    ratio = 2 * (stats.binom.logpmf(x, nobs, x / nobs) - stats.binom.logpmf(x, nobs, 0.01))
    assert test.statistic == pytest.approx(ratio, rel=1e-10)
    assert test.detail["chi2 p-value"] == pytest.approx(stats.chi2.sf(ratio, 1))
    total = 0.0
    for k in range(nobs + 1):
        own = stats.binom.logpmf(k, nobs, k / nobs) if 0 < k < nobs else 0.0
        if 2 * (own - stats.binom.logpmf(k, nobs, 0.01)) >= ratio - 1e-9:
            total += stats.binom.pmf(k, nobs, 0.01)
    assert test.pvalue == pytest.approx(total, rel=1e-9)
    assert kupiec_test(returns, var, tail=0.01, exact=False).pvalue == test.detail["chi2 p-value"]


@pytest.mark.parametrize("nobs", [250, 1000])
@pytest.mark.parametrize("tail", [0.01, 0.05])
def test_kupiec_exact_never_exceeds_its_level_and_chi2_does(nobs, tail):
    """Sizes by full enumeration of the counts: no simulation is needed."""
    law = stats.binom.pmf(np.arange(nobs + 1), nobs, tail)
    sizes = {"exact p-value": 0.0, "chi2 p-value": 0.0}
    for count in range(int(nobs * tail * 6) + 1):
        hits = np.zeros(nobs, bool)
        hits[:count] = True
        detail = kupiec_test(*days(hits), tail=tail).detail
        for name in sizes:
            sizes[name] += law[count] * (detail[name] <= 0.05)
    assert sizes["exact p-value"] <= 0.05 + 1e-6
    if (nobs, tail) == (250, 0.01):
        assert sizes["chi2 p-value"] > 0.08  # no exceedance in 250 days: chi2 rejects, p = .025, yet it happens to 8 %


@pytest.mark.parametrize("count", [0, 250])
def test_kupiec_at_the_ends_is_finite(count):
    test = kupiec_test(*days(np.arange(250) < count), tail=0.01)
    assert np.isfinite(test.statistic)
    wanted = -2 * 250 * math.log(0.99) if count == 0 else -2 * 250 * math.log(0.01)
    assert test.statistic == pytest.approx(wanted)
    assert 0 <= test.pvalue <= 1


# --- Christoffersen


def chain_loglik(hits, p01, p11):
    """Sum over transitions, one at a time."""
    total = 0.0
    for before, after in itertools.pairwise(hits):
        p = p11 if before else p01
        total += math.log(p if after else 1 - p) if 0 < (p if after else 1 - p) else 0.0
    return total


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=10, max_size=60))
def test_christoffersen_equals_a_loop_over_transitions(flags):
    pairs = list(itertools.pairwise(flags))
    n = {(a, b): sum(pair == (a, b) for pair in pairs) for a in (False, True) for b in (False, True)}
    p01 = n[False, True] / max(1, n[False, True] + n[False, False])
    p11 = n[True, True] / max(1, n[True, True] + n[True, False])
    p = (n[False, True] + n[True, True]) / len(pairs)
    chain = chain_loglik(flags, p01, p11)
    independent = 2 * (chain - chain_loglik(flags, p, p))
    conditional = 2 * (chain - chain_loglik(flags, 0.05, 0.05))
    tests = {
        kind: christoffersen_test(*days(np.array(flags)), tail=0.05, kind=kind, draws=0)
        for kind in ("independence", "conditional")
    }
    assert tests["independence"].statistic == pytest.approx(independent, abs=1e-9)
    assert tests["conditional"].statistic == pytest.approx(conditional, abs=1e-9)
    few = not 2 <= sum(flags) <= len(flags) - 2
    assert math.isnan(tests["independence"].pvalue) == few
    assert ("cannot show" in tests["independence"].reason) == few
    assert tests["conditional"].pvalue == pytest.approx(stats.chi2.sf(max(conditional, 0), 2), abs=1e-9)


def test_shuffle_pvalue_equals_the_enumeration_of_all_orders():
    hits = np.zeros(12, bool)
    hits[[4, 5, 6]] = True
    test = christoffersen_test(*days(hits), tail=0.05, kind="independence", draws=9999, rng=1)
    values = []
    for chosen in itertools.combinations(range(12), 3):
        other = np.zeros(12, bool)
        other[list(chosen)] = True
        values.append(christoffersen_test(*days(other), tail=0.05, kind="independence", draws=0).statistic)
    wanted = np.mean(np.array(values) >= test.statistic - 1e-9)
    assert test.pvalue == pytest.approx(wanted, abs=4 * math.sqrt(wanted / 9999))


def test_sizes_at_one_percent_and_power_against_clusters():
    rng = np.random.default_rng(5)
    worlds, nobs, tail = 300, 500, 0.01
    reject = {"conditional": 0, "chi2": 0, "independence": 0}
    for world in range(worlds):
        returns, var = days(rng.random(nobs) < tail)
        conditional = christoffersen_test(returns, var, tail=tail, draws=199, rng=world)
        independence = christoffersen_test(returns, var, tail=tail, kind="independence", draws=199, rng=world)
        reject["conditional"] += conditional.pvalue <= 0.05
        reject["chi2"] += conditional.detail["chi2 p-value"] <= 0.05
        reject["independence"] += independence.pvalue <= 0.05
    limit = 0.05 + 3 * math.sqrt(0.05 * 0.95 / worlds)
    assert reject["conditional"] / worlds <= limit
    assert reject["independence"] / worlds <= limit
    found = 0
    for world in range(50):
        state, hits = False, np.zeros(nobs, bool)
        for t in range(nobs):
            state = rng.random() < (0.5 if state else 0.03)
            hits[t] = state
        found += christoffersen_test(*days(hits), tail=0.05, kind="independence", draws=199, rng=world).pvalue <= 0.05
    assert found >= 40


def test_draws_are_reproducible_and_differ_by_seed():
    hits = np.random.default_rng(3).random(300) < 0.03
    one, two, three = (christoffersen_test(*days(hits), tail=0.02, draws=199, rng=rng) for rng in (1, 1, 2))
    assert one.pvalue == two.pvalue
    assert not np.array_equal(one.detail["null"], three.detail["null"])
    assert "199 draws of independent exceedances" in one.summary().to_text()


# --- expected shortfall


def normal_world(nobs, rng, tail=0.025, understate=1.0, nu=None):
    s = np.exp(0.3 * np.sin(np.arange(nobs) / 20))
    quantile, below = tail_moments(tail, nu)
    shocks = rng.standard_normal(nobs) if nu is None else rng.standard_t(nu, nobs) * math.sqrt((nu - 2) / nu)
    returns = series(0.05 + understate * s * shocks)
    return returns, series(-0.05 - quantile * s), series(-0.05 - below * s), series(s)


def test_z2_equals_its_sum_and_is_centered_under_the_null():
    rng = np.random.default_rng(1)
    returns, var, es, _ = normal_world(500, rng)
    test = acerbi_szekely_test(returns, var, es, tail=0.025)
    total = 0.0
    for r, q, k in zip(returns, var, es, strict=True):
        total += r / k if r < -q else 0.0
    assert test.statistic == pytest.approx(total / (500 * 0.025) + 1, rel=1e-12)
    law = acerbi_szekely_test(*normal_world(250, rng)[:3], tail=0.025, draws=4000).detail["null"]
    assert law.mean() == pytest.approx(0.0, abs=4 * law.std() / math.sqrt(4000))
    assert np.quantile(law, 0.05) == pytest.approx(-0.7, abs=0.08)  # the figure of the paper
    heavy = acerbi_szekely_test(*normal_world(250, rng, nu=5.0)[:3], tail=0.025, nu=5.0, draws=4000).detail["null"]
    assert heavy.mean() == pytest.approx(0.0, abs=4 * heavy.std() / math.sqrt(4000))


def test_shortfall_tests_keep_their_size_and_find_understated_risk():
    rng = np.random.default_rng(8)
    worlds, nobs, tail = 200, 1000, 0.025
    size, quiet, heavy = np.zeros(2), np.zeros(2), np.zeros(2)

    def rejections(world, returns, var, es, s):
        z2 = acerbi_szekely_test(returns, var, es, tail=tail, draws=99, rng=world).pvalue <= 0.05
        frey = mcneil_frey_test(returns, var, es, volatility=s, draws=99, rng=world).pvalue <= 0.05
        return np.array([z2, frey])

    for world in range(worlds):
        size += rejections(world, *normal_world(nobs, rng))
        # volatility understated by a fifth: too many exceedances, which Z2 counts
        quiet += rejections(world, *normal_world(nobs, rng, understate=1.25))
        # normal risk of t(3) returns: about as many exceedances, but larger ones, which McNeil and Frey look at alone
        _, var, es, s = normal_world(nobs, rng)
        shocks = rng.standard_t(3, nobs) / math.sqrt(3)
        heavy += rejections(world, series(0.05 + s.to_numpy() * shocks), var, es, s)
    limit = 3 * math.sqrt(0.05 * 0.95 / worlds)
    assert (np.abs(size / worlds - 0.05) <= limit).all()
    assert quiet[0] / worlds > 0.9
    assert heavy[1] / worlds > 0.5
    assert heavy[1] > heavy[0]


def test_mcneil_frey_is_the_resampled_t_ratio():
    rng = np.random.default_rng(4)
    returns, var, es, s = normal_world(600, rng)
    test = mcneil_frey_test(returns, var, es, volatility=s, draws=999, rng=2)
    y = np.array([(-r - k) / one for r, q, k, one in zip(returns, var, es, s, strict=True) if r < -q])
    assert test.statistic == pytest.approx(stats.ttest_1samp(y, 0.0).statistic, rel=1e-10)
    centered = y - y.mean()
    generator = np.random.default_rng(99)
    law = [stats.ttest_1samp(generator.choice(centered, y.size), 0.0).statistic for _ in range(2000)]
    assert test.pvalue == pytest.approx(np.mean(np.array(law) >= test.statistic), abs=0.06)
    assert mcneil_frey_test(returns, var, es).detail["exceedances"] == y.size


def test_few_exceedances_are_a_reason_not_a_crash():
    returns, var = days(np.arange(100) < 3)
    es = var + 0.2
    test = mcneil_frey_test(returns, var, es)
    assert math.isnan(test.pvalue)
    assert "3 exceedances are too few" in test.reason
    assert "3 exceedances" in test.summary().to_text()
    none = acerbi_szekely_test(*(days(np.zeros(100, bool))), es, tail=0.05)
    assert none.statistic == 1.0


# --- refusals


def test_refusals(fit):
    for tail in (0.0, 0.99, -0.01):
        with pytest.raises(SpecError, match="lies between 0 and 0\\.5"):
            value_at_risk(fit, W, tail=tail)
    with pytest.raises(SpecError, match="method='cornish'"):
        value_at_risk(fit, W, method="cornish")
    with pytest.raises(SpecError, match="window=100 belongs to method='filtered'"):
        value_at_risk(fit, W, window=100)
    with pytest.raises(SpecError, match=r"nu=5\.0 belongs to method='t'"):
        value_at_risk(fit, W, method="normal", nu=5.0)
    with pytest.raises(SpecError, match="a t law has a variance"):
        value_at_risk(fit, W, method="t", nu=1.5)
    with pytest.raises(SpecError, match="fit with dist='t', or pass nu="):
        value_at_risk(known_paths(nobs=30), [1, 0, 0, 0], method="t")
    with pytest.raises(SpecError, match=r"tail=0\.01 of 50 residuals is less than one loss"):
        value_at_risk(fit, W, method="filtered", window=50)
    with pytest.raises(SpecError, match="window=400: there are 400 dates"):
        value_at_risk(fit, W, method="filtered", window=400)
    two = SimpleNamespace(
        likelihood=SimpleNamespace(layout=SimpleNamespace(names=("f1.nu", "f2.nu"))), theta=np.array([5.0, 6.0])
    )
    with pytest.raises(SpecError, match=r"several degrees of freedom \(f1.nu, f2.nu\)"):
        joint_nu(two)
    returns, var = days(np.arange(50) < 2)
    es = var + 1.0
    with pytest.raises(SpecError, match=r"take 0 \(chi2\) or at least 19"):
        christoffersen_test(returns, var, tail=0.05, draws=5)
    with pytest.raises(SpecError, match="kind='both'"):
        christoffersen_test(returns, var, tail=0.05, kind="both")
    with pytest.raises(DataError, match=r"returns lack 10 dates .* the first 2020-01-01"):
        kupiec_test(returns.iloc[10:], var, tail=0.05)
    with pytest.raises(DataError, match=r"the returns at 2020-01-06 .* is nan"):
        kupiec_test(returns.where(np.arange(50) != 3), var, tail=0.05)
    with pytest.raises(DataError, match="must not repeat"):
        kupiec_test(pd.concat([returns, returns]), var, tail=0.05)
    with pytest.raises(DataError, match="has no dates"):
        kupiec_test(returns, var.iloc[:0], tail=0.05)
    with pytest.raises(DataError, match="does not exceed the value at risk"):
        acerbi_szekely_test(returns, var, var - 0.1, tail=0.05)
    with pytest.raises(DataError, match="must have the same dates"):
        mcneil_frey_test(returns, var, es.iloc[1:])
    with pytest.raises(DataError, match="must be positive"):
        acerbi_szekely_test(returns, var - 3.0, var - 2.0, tail=0.05)
    with pytest.raises(DataError, match="the scale of the residual"):
        mcneil_frey_test(returns, var, es, volatility=var * 0.0)
    # a window that was spent leaves returns with more dates than the value at risk, and that is fine
    assert kupiec_test(returns, var.iloc[10:], tail=0.05).detail["exceedances"] == 0


def test_singular_correlation_is_named():
    fit = known_paths(nobs=60, n=3)
    fit.matrices[20, 0, 1] = fit.matrices[20, 1, 0] = 1.0
    fit.matrices[20, :2, 2] = fit.matrices[20, 2, :2] = 0.3
    with pytest.raises(DataError, match="singular at 2018-01-29"):
        value_at_risk(fit, [0.3, 0.3, 0.4], tail=0.05, method="filtered")
