"""Hedges and portfolios: against matrices inverted one date at a time, and what a minimum must satisfy."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.correlation import DCC
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.bootstrap import block_length, stationary_draws
from cryptoequity.portfolio.allocation import minimum_variance_bounded
from cryptoequity.portfolio.hedging import (
    hedge_ratio,
    hedging_effectiveness,
    minimum_variance_weights,
    partial_correlation,
    portfolio_mean,
    portfolio_returns,
    portfolio_volatility,
)
from cryptoequity.portfolio.paths import covariance_chunks, pair_paths
from portfolio.path_fits import known_paths


@pytest.fixture(scope="module")
def fit():
    return known_paths(nobs=300, n=4)


# --- the paths everything reads


def test_chunks_rebuild_every_matrix_whatever_their_size(fit):
    for size in (1, 7, 300, 1000):
        got = np.concatenate([block for _, block in covariance_chunks(fit, ["C", "A", "D"], size=size)])
        order = [2, 0, 3]
        wanted = np.stack([fit.covariance(t)[np.ix_(order, order)] for t in range(300)])
        np.testing.assert_allclose(got, wanted, rtol=1e-13)


def test_pairs_are_the_same_asked_for_alone_or_all_at_once(fit):
    # two of four columns go through `correlation`, all of them through `correlations`
    np.testing.assert_array_equal(pair_paths(fit, ["D", "B"])[:, 0], fit.matrices[:, 3, 1])
    assert pair_paths(fit, ["D"]).shape == (300, 0)
    np.testing.assert_array_equal(pair_paths(fit, ["D", "B", "A"])[:, 2], fit.matrices[:, 1, 0])


# --- hedge ratios


def test_hedge_ratio_is_the_population_regression_of_each_date(fit):
    single, both = hedge_ratio(fit, "A", "C"), hedge_ratio(fit, "A", ["C", "B"])
    for t in range(0, 300, 37):
        h = fit.covariance(t)
        assert single.iloc[t] == pytest.approx(h[0, 2] / h[2, 2], rel=1e-12)
        np.testing.assert_allclose(both.iloc[t], np.linalg.solve(h[np.ix_([2, 1], [2, 1])], h[[2, 1], 0]), rtol=1e-9)
    pd.testing.assert_series_equal(hedge_ratio(fit, "A", ["C"])["C"], single, check_names=False)


def test_no_other_ratio_leaves_less_variance(fit):
    best = hedge_ratio(fit, "A", ["B", "C"])
    rng = np.random.default_rng(2)
    for t in (0, 150, 299):
        h = fit.covariance(t)[:3, :3]
        own = np.array([1.0, *-best.iloc[t]])
        for _ in range(20):
            other = np.array([1.0, *(-best.iloc[t] + 0.1 * rng.standard_normal(2))])
            assert other @ h @ other > own @ h @ own


def test_partial_correlation_is_that_of_the_residuals_of_two_regressions(fit):
    for given_ in ("C", ["C", "D"]):
        path = partial_correlation(fit, "A", "B", given_)
        held = [2] if given_ == "C" else [2, 3]
        for t in range(0, 300, 41):
            r = fit.matrices[t]
            beta = np.linalg.solve(r[np.ix_(held, held)], r[np.ix_(held, [0, 1])])
            left = r[:2, :2] - r[np.ix_([0, 1], held)] @ beta
            assert path.iloc[t] == pytest.approx(left[0, 1] / math.sqrt(left[0, 0] * left[1, 1]), rel=1e-10)
        assert path.abs().max() < 1
    a, b, c = fit.matrices[:, 0, 1], fit.matrices[:, 0, 2], fit.matrices[:, 1, 2]
    np.testing.assert_allclose(
        partial_correlation(fit, "A", "B", "C"), (a - b * c) / np.sqrt((1 - b**2) * (1 - c**2)), rtol=1e-10
    )
    np.testing.assert_allclose(partial_correlation(fit, "B", "A", "C"), partial_correlation(fit, "A", "B", "C"))


# --- portfolios


def test_portfolio_moments_equal_the_quadratic_forms(fit):
    w = np.array([0.5, -0.2, 0.0, 0.7])
    by_name = {"D": 0.7, "A": 0.5, "B": -0.2}
    moving = pd.DataFrame(np.random.default_rng(3).standard_normal((300, 3)), fit.returns.index, ["B", "D", "A"])
    volatility, changing = portfolio_volatility(fit, w), portfolio_volatility(fit, moving)
    for t in range(0, 300, 29):
        assert volatility.iloc[t] == pytest.approx(math.sqrt(w @ fit.covariance(t) @ w), rel=1e-12)
        wt = np.array([moving["A"].iloc[t], moving["B"].iloc[t], 0.0, moving["D"].iloc[t]])
        assert changing.iloc[t] == pytest.approx(math.sqrt(wt @ fit.covariance(t) @ wt), rel=1e-12)
    for weights in (by_name, pd.Series(by_name), list(w)):
        np.testing.assert_allclose(portfolio_volatility(fit, weights), volatility, rtol=1e-12)
    np.testing.assert_allclose(portfolio_returns(fit, by_name), fit.returns.to_numpy() @ w, rtol=1e-12)
    np.testing.assert_allclose(portfolio_mean(fit, by_name), 0.05 * w.sum(), rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4).filter(any), st.floats(0.01, 100))
def test_volatility_is_homogeneous_and_has_no_sign(weights, factor):
    fit = known_paths(nobs=40, n=4)
    one = portfolio_volatility(fit, weights)
    np.testing.assert_allclose(portfolio_volatility(fit, [-factor * w for w in weights]), factor * one, rtol=1e-9)


def test_minimum_variance_weights_solve_the_problem(fit):
    weights = minimum_variance_weights(fit)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)
    for t in range(0, 300, 31):
        inverse = np.linalg.inv(fit.covariance(t))
        np.testing.assert_allclose(weights.iloc[t], inverse.sum(axis=1) / inverse.sum(), rtol=1e-8)
    some = minimum_variance_weights(fit, ["D", "A"])
    assert list(some.columns) == ["D", "A"]
    # fewer choices, more variance
    assert (portfolio_volatility(fit, some) >= portfolio_volatility(fit, weights) - 1e-12).all()


def by_enumeration(cov, lower, upper):
    """Try every set of active bounds; the best feasible one is the answer."""
    n = len(lower)
    best, value = None, np.inf
    for state in itertools.product((0, 1, 2), repeat=n):
        w = np.where(np.array(state) == 1, lower, np.where(np.array(state) == 2, upper, 0.0))
        free = [k for k in range(n) if state[k] == 0]
        if not np.isfinite(w).all():
            continue
        if free:
            fixed = [k for k in range(n) if k not in free]
            system = np.zeros((len(free) + 1, len(free) + 1))
            system[:-1, :-1] = cov[np.ix_(free, free)]
            system[:-1, -1] = system[-1, :-1] = 1.0
            right = np.append(-cov[np.ix_(free, fixed)] @ w[fixed], 1.0 - w[fixed].sum())
            w[free] = np.linalg.solve(system, right)[:-1]
        if abs(w.sum() - 1) > 1e-9 or np.any(w < lower - 1e-9) or np.any(w > upper + 1e-9):
            continue
        if w @ cov @ w < value - 1e-14:
            best, value = w, w @ cov @ w
    return best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.sampled_from(["long", "box", "mixed", "tight"]))
def test_bounded_minimum_is_the_best_of_all_active_sets(seed, n, kind):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((n, n))
    cov = root @ root.T + 1e-3 * np.eye(n)
    lower, upper = np.zeros(n), np.ones(n)
    if kind == "box":
        lower, upper = np.full(n, -0.2), np.full(n, 1.2 / n)
    elif kind == "mixed":
        lower = np.where(rng.random(n) < 0.5, -np.inf, 0.1 / n)
        upper = np.where(rng.random(n) < 0.5, np.inf, 2.0 / n)
    elif kind == "tight":
        lower, upper = np.full(n, 1.0 / n), np.ones(n)
    wanted = by_enumeration(cov, lower, upper)
    np.testing.assert_allclose(minimum_variance_bounded(cov, lower, upper), wanted, atol=1e-8)
    # any feasible start leads to the same place
    if kind == "long":
        corner = np.eye(n)[int(rng.integers(n))]
        np.testing.assert_allclose(minimum_variance_bounded(cov, lower, upper, corner), wanted, atol=1e-8)


def test_bounds_of_the_weights(fit):
    free, long = minimum_variance_weights(fit), minimum_variance_weights(fit, long_only=True)
    assert (free < 0).any().any()
    assert (long >= 0).all().all()
    np.testing.assert_allclose(long.sum(axis=1), 1.0, rtol=1e-10)
    same = (free >= 0).all(axis=1)
    np.testing.assert_allclose(long[same], free[same], rtol=1e-9)
    pd.testing.assert_frame_equal(long, minimum_variance_weights(fit, bounds=(0.0, 1.0)))
    capped = minimum_variance_weights(fit, bounds={"A": (0.0, 0.3), "B": (0.1, 1.0)})
    assert capped["A"].between(0, 0.3).all()
    assert capped["B"].min() >= 0.1
    assert (capped["C"] < 0).any() or (capped["D"] < 0).any()  # those that are not named are free
    for t in (0, 100, 200):
        wanted = by_enumeration(fit.covariance(t), np.zeros(4), np.ones(4))
        np.testing.assert_allclose(long.iloc[t], wanted, atol=1e-8)


# --- effectiveness


def test_effectiveness_is_the_share_of_variance_removed(fit):
    result = hedging_effectiveness(fit, "A", "B", draws=199, rng=1)
    returns, ratio = fit.returns, hedge_ratio(fit, "A", "B")
    hedged = returns["A"] - ratio * returns["B"]
    assert result.estimate == pytest.approx(1 - hedged.var() / returns["A"].var(), rel=1e-12)
    constant = result.table.loc["constant ratio", "estimate"]
    assert constant == pytest.approx(returns["A"].corr(returns["B"]) ** 2, rel=1e-10)
    assert result.table.loc["difference", "estimate"] == pytest.approx(result.estimate - constant)
    assert (result.table["lower"] <= result.table["estimate"]).all()
    assert (result.table["estimate"] <= result.table["upper"]).all()
    text = result.summary().to_text()
    assert "Hedging A with B" in text
    assert "199 stationary bootstrap draws" in text
    assert "Stationary" in result.cite()
    again = hedging_effectiveness(fit, "A", "B", draws=199, rng=1)
    pd.testing.assert_frame_equal(result.table, again.table)
    other = hedging_effectiveness(fit, "A", "B", draws=199, rng=2)
    assert not other.table["lower"].equals(result.table["lower"])


def test_a_perfect_hedge_and_a_useless_one():
    fit = known_paths(nobs=400, n=3, seed=4)
    fit.matrices[:] = np.eye(3)
    fit.mean[:] = 0.0
    useless = hedging_effectiveness(fit, "A", "B", draws=199)
    assert useless.estimate == pytest.approx(0.0, abs=1e-12)
    assert useless.table.loc["one-step-ahead", "upper"] == pytest.approx(0.0, abs=1e-12)
    fit.matrices[:, 0, 1] = fit.matrices[:, 1, 0] = 1.0
    fit.std_resid["A"] = fit.std_resid["B"]
    perfect = hedging_effectiveness(fit, "A", "B", draws=199)
    assert perfect.estimate == pytest.approx(1.0, abs=1e-12)


def test_two_hedges_remove_at_least_what_one_does_in_population():
    fit = known_paths(nobs=3000, n=3, seed=6)
    one = hedging_effectiveness(fit, "A", "B", draws=99).estimate
    both = hedging_effectiveness(fit, "A", ["B", "C"], draws=99)
    assert both.hedge == ("B", "C")
    assert both.estimate > one - 0.01


def test_interval_covers_about_as_often_as_it_says():
    # true effectiveness is rho² = 0.25 for a constant correlation with known paths
    hits, worlds = 0, 60
    for seed in range(worlds):
        fit = known_paths(nobs=250, n=2, seed=seed, mean=0.0)
        rng = np.random.default_rng(seed)
        fit.matrices[:] = [[1.0, 0.5], [0.5, 1.0]]
        fit.volatility[:] = 1.0
        fit.std_resid[:] = rng.standard_normal((250, 2)) @ np.linalg.cholesky(fit.matrices[0]).T
        table = hedging_effectiveness(fit, "A", "B", draws=199, rng=seed, level=0.9).table
        hits += table.loc["one-step-ahead", "lower"] <= 0.25 <= table.loc["one-step-ahead", "upper"]
    assert 0.9 - 3 * math.sqrt(0.09 / worlds) <= hits / worlds <= 1.0


# --- the bootstrap


def test_bootstrap_spread_is_the_long_run_one():
    e = np.random.default_rng(7).standard_normal(3000)
    x = np.convolve(e, np.ones(5) / 5, "valid")  # a moving average: its mean varies as that of white noise does
    draws = stationary_draws(lambda rows: rows.mean(axis=0), x[:, None], block_length(x), 999, 3)
    assert draws.shape == (999, 1)
    assert draws.std() == pytest.approx(e.std() / np.sqrt(x.size), rel=0.15)
    again = stationary_draws(lambda rows: rows.mean(axis=0), x[:, None], block_length(x), 999, 3)
    np.testing.assert_array_equal(draws, again)


def test_what_the_bootstrap_refuses():
    with pytest.raises(DataError, match="needs 20 observations; there are 5"):
        block_length(np.arange(5.0))
    with pytest.raises(DataError, match="a constant series"):
        block_length(np.ones(50))
    with pytest.raises(SpecError, match="mean block length lies between 1 and the 50"):
        stationary_draws(lambda rows: rows, np.ones((50, 1)), 60.0, 99, 1)


# --- refusals


def test_refusals(fit):
    with pytest.raises(SpecError, match="no column 'Z' in this fit; there are A, B, C, D"):
        hedge_ratio(fit, "A", "Z")
    with pytest.raises(SpecError, match="'A' is named twice"):
        hedge_ratio(fit, "A", "A")
    with pytest.raises(SpecError, match="at least 3 columns"):
        partial_correlation(fit, "A", "B", [])
    with pytest.raises(SpecError, match="at least 2 columns"):
        minimum_variance_weights(fit, ["A"])
    with pytest.raises(SpecError, match="give one of the two"):
        minimum_variance_weights(fit, long_only=True, bounds=(0, 1))
    with pytest.raises(SpecError, match=r"lower bounds add up to 1\.2"):
        minimum_variance_weights(fit, bounds=(0.3, 1.0))
    with pytest.raises(SpecError, match="bounds name 'Z'"):
        minimum_variance_weights(fit, bounds={"Z": (0, 1)})
    with pytest.raises(SpecError, match="lower one must not exceed"):
        minimum_variance_weights(fit, bounds=(1.0, 0.0))
    with pytest.raises(SpecError, match="name them"):
        portfolio_volatility(fit, [0.5, 0.5])
    with pytest.raises(SpecError, match="all weights are zero"):
        portfolio_volatility(fit, {"A": 0.0})
    with pytest.raises(SpecError, match="level=95"):
        hedging_effectiveness(fit, "A", "B", level=95)
    with pytest.raises(SpecError, match="draws=10"):
        hedging_effectiveness(fit, "A", "B", draws=10)
    with pytest.raises(SpecError, match=r"block=0\.5"):
        hedging_effectiveness(fit, "A", "B", block=0.5)
    with pytest.raises(DataError, match=r"weight of 'B' at 2018-01-01 .* is nan"):
        portfolio_volatility(fit, {"A": 1.0, "B": float("nan")})
    frame = pd.DataFrame(1.0, fit.returns.index[:-1], ["A"])
    with pytest.raises(DataError, match="must have the 300 dates of the fit: 2019-02-22"):
        portfolio_volatility(fit, frame)
    with pytest.raises(DataError, match="needs 20 observations"):
        block_length(np.arange(5.0))
    with pytest.raises(DataError, match="constant series"):
        block_length(np.ones(50))


def test_collinear_columns_are_named_with_their_date():
    fit = known_paths(nobs=50, n=3)
    fit.matrices[20, 0, 1] = fit.matrices[20, 1, 0] = 1.0
    fit.matrices[20, :2, 2] = fit.matrices[20, 2, :2] = 0.3
    for call in (
        lambda: hedge_ratio(fit, "C", ["A", "B"]),
        lambda: minimum_variance_weights(fit),
        lambda: partial_correlation(fit, "A", "C", "B"),
    ):
        with pytest.raises(DataError, match="singular at 2018-01-29"):
            call()
    fit.matrices[20, 0, 1] = fit.matrices[20, 1, 0] = -2.0
    with pytest.raises(DataError, match="not positive semidefinite"):
        portfolio_volatility(fit, [1.0, 1.0, 0.0])


def test_on_a_fitted_dcc(sim_dcc3):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = DCC().fit(sim_dcc3.iloc[:800])
    ratio = hedge_ratio(fit, "A", "B")
    wanted = fit.correlation("A", "B") * fit.volatility["A"] / fit.volatility["B"]
    np.testing.assert_allclose(ratio, wanted, rtol=1e-12)
    weights = minimum_variance_weights(fit, long_only=True)
    assert (portfolio_volatility(fit, weights) <= fit.volatility.min(axis=1) + 1e-9).all()
    result = hedging_effectiveness(fit, "A", "B", draws=99)
    assert 0 < result.estimate < 1
