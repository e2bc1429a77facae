"""What has no standard error, and what a search says about itself."""

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

import cryptoequity as ce
from cryptoequity.errors import BoundaryWarning, ConvergenceError, ConvergenceWarning
from cryptoequity.estimation.optimize import maximize
from cryptoequity.estimation.params import Layout, interval, real
from cryptoequity.regimes import MSDCC, MSGARCH, RSDC, MarkovCovariance
from cryptoequity.regimes.identification import identified_part, loose_coordinates, without_negative
from cryptoequity.regimes.likelihood import Start
from cryptoequity.regimes.remarks import remark_on_search
from cryptoequity.regimes.student import best_freedom

DATA = Path(os.environ.get("CRYPTOEQUITY_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


class Quadratic:
    """Minus half of |X theta - y|^2, one observation a row: Hessian -X'X, scores known."""

    def __init__(self, x, y, blocks):
        self.x, self.y, self.layout = x, y, Layout(blocks)

    def evaluate(self, theta, want):
        e = self.y - self.x @ theta
        return -0.5 * e**2, self.x * e[:, None]


def quadratic(columns, blocks, seed=0):
    rng = np.random.default_rng(seed)
    x = columns(rng.standard_normal((400, 3)))
    return Quadratic(x, x.sum(axis=1) * 0.1 + rng.standard_normal(400), blocks)


def test_of_two_coordinates_that_are_one_only_one_is_kept():
    lik = quadratic(lambda x: np.column_stack([x[:, 0], x[:, 0], x[:, 1]]), [real("a", "b", "c")])
    optimum = maximize(lik, [np.zeros(3)])
    loose = loose_coordinates(lik, optimum)
    assert sum(loose[:2]) == 1
    assert not loose[2]
    part = identified_part(lik, optimum)
    # what is left has the errors of least squares without the column that was left out
    x = lik.x[:, 1:]
    np.testing.assert_allclose(-part.hessian * 400, x.T @ x, rtol=1e-6)
    assert part.jacobian.shape == (3, 2)
    assert part.score.shape == (400, 2)


def test_an_error_wider_than_the_box_is_none():
    def columns(x):
        return x * np.array([1.0, 1e-3, 1.0])

    lik = quadratic(columns, [interval("a", -16.0, 16.0), interval("b", -16.0, 16.0), real("c")])
    optimum = maximize(lik, [np.zeros(3)])
    # the error of the second is about 1000 / sqrt(400) = 50, its box 32 wide
    assert loose_coordinates(lik, optimum) == (False, True, False)
    free = quadratic(columns, [real("a", "b", "c")])
    assert loose_coordinates(free, maximize(free, [np.zeros(3)])) == (False, False, False)


def test_a_likelihood_that_rises_on_both_sides_has_no_error():
    class Saddle(Quadratic):
        def evaluate(self, theta, want):
            loglik, score = super().evaluate(theta, want)
            score[:, 1] += 3.0 * theta[1]
            return loglik + 1.5 * theta[1] ** 2, score

    lik = quadratic(lambda x: x * np.array([1.0, 0.1, 1.0]), [real("a", "b", "c")])
    saddle = Saddle(lik.x, lik.y, [real("a", "b", "c")])
    optimum = maximize(lik, [np.zeros(3)])
    assert loose_coordinates(saddle, optimum) == (False, True, False)


def test_nothing_identified_is_no_error_of_the_program():
    lik = quadratic(lambda x: np.column_stack([x[:, 0], 0.0 * x[:, 1], 0.0 * x[:, 1]]), [real("a", "b", "c")])
    assert loose_coordinates(lik, maximize(lik, [np.zeros(3)])) == (False, True, True)


def test_negative_variances_are_none():
    cov = np.array([[1.0, 0.2, 0.1], [0.2, -1e-14, 0.3], [0.1, 0.3, 2.0]])
    out = without_negative(cov)
    assert np.isnan(out[1]).all()
    assert np.isnan(out[:, 1]).all()
    assert out[0, 0] == 1.0
    assert out[0, 2] == 0.1
    assert cov[1, 1] < 0


@pytest.fixture(scope="module")
def never_back():
    """Correlations that step up where a driver rises and never fall again: nothing is known of the way back."""
    rng = np.random.default_rng(3)
    nobs = 900
    dates = pd.bdate_range("2016-01-01", periods=nobs)
    level = pd.Series(np.where(np.arange(nobs) < 449, 1.0, 3.0) + 0.2 * rng.standard_normal(nobs), dates, name="level")
    rho = np.where(np.arange(nobs) < 450, 0.0, 0.9)
    y = rng.standard_normal((nobs, 2))
    y[:, 1] = rho * y[:, 0] + np.sqrt(1 - rho**2) * y[:, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)  # these returns have no GARCH
        return ce.fit_margins(pd.DataFrame(y, dates, ["A", "B"])), level


@pytest.mark.parametrize("cov_type", ["robust", "hac", "classic"])
def test_a_regime_that_is_never_left_has_no_errors_for_its_odds(never_back, cov_type):
    margins, level = never_back
    with pytest.warns(BoundaryWarning, match=r"delta\[2,1\]"):
        fit = RSDC(dist="normal").fit(margins, drivers=level, starts=4, cov_type=cov_type)
    errors = fit.std_err  # warnings are errors here: a negative variance would raise
    assert set(errors.index[errors.isna()]) == set(fit.at_bound)
    assert (errors.dropna() > 0).all()
    assert np.isfinite(errors[["corr[1].A,B", "corr[2].A,B"]]).all()
    widths = dict(
        zip(fit.likelihood.layout.names, fit.likelihood.layout.upper - fit.likelihood.layout.lower, strict=True)
    )
    for name in fit.likelihood.layout.names:
        if cov_type == "classic" and "delta" in name and np.isfinite(errors[name]):
            assert errors[name] <= widths[name]


@pytest.mark.slow
@pytest.mark.parametrize("cov_type", ["robust", "classic"])
def test_bitcoin_and_small_technology_with_the_vix(cov_type):
    """Seen on real prices: variances of -3e-14 for odds of leaving that the sample does not hold."""
    if not (DATA / "equity_daily.csv").exists():
        pytest.skip("no price files: set CRYPTOEQUITY_DATA")
    read = {
        name: pd.read_csv(DATA / f"{name}_daily.csv", index_col=0, parse_dates=True) for name in ("crypto", "equity")
    }
    prices = read["equity"][["PSCT", "VIX"]].join(read["crypto"]["BTC"], how="inner").dropna().loc["2016":]
    returns = 100 * np.log(prices[["BTC", "PSCT"]]).diff().iloc[1:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        fit = RSDC().fit(returns[(returns != 0).all(axis=1)], drivers=prices["VIX"], cov_type=cov_type)
    errors = fit.std_err
    assert set(errors.index[errors.isna()]) == set(fit.at_bound)
    assert any("delta" in name for name in fit.at_bound)


def ended(*ends):
    return [Start(np.zeros(1), np.zeros(1), np.zeros(1), "", end) for end in ends]


def optimum_of(converged=True):
    lik = quadratic(lambda x: x, [real("a", "b", "c")])
    return maximize(lik, [np.full(3, 9.0)], max_iter=200 if converged else 1)


def test_a_top_that_one_climb_reached_is_said():
    with pytest.warns(ConvergenceWarning, match=r"only one of 3 climbs from 4 starts .* starts=20"):
        remark_on_search("model", optimum_of(), ended(-1.0, -2.0, -1.5, None), ())
    with pytest.warns(ConvergenceWarning, match="only one climb of 2 starts"):
        remark_on_search("model", optimum_of(), ended(-1.0, None), ())
    remark_on_search("model", optimum_of(), ended(-1.0, -1.0 - 1e-6), ())  # two that agree say nothing
    remark_on_search("model", optimum_of(), ended(-1.0), ())  # one start was asked for


def test_a_climb_that_stopped_short_warns_or_raises():
    short = optimum_of(converged=False)
    if short.converged:
        pytest.fail("the climb was meant to stop short")
    with pytest.warns(ConvergenceWarning, match="iterations"):
        remark_on_search("model", short, ended(-1.0, -1.0), ())
    with pytest.raises(ConvergenceError, match="iterations"):
        remark_on_search("model", short, ended(-1.0, -1.0), (), strict=True)


def test_warnings_point_at_the_line_that_asked(never_back):
    margins, level = never_back
    returns = pd.DataFrame({fit.name: fit.returns for fit in margins.fits}).dropna()
    common = MarkovCovariance(mean="zero", volatility="common", order_by="correlation")
    jobs = [
        lambda: RSDC(dist="normal").fit(margins, drivers=level, starts=4),
        lambda: common.fit(returns, drivers=level, starts=4),
        lambda: MSDCC(switching="level", dist="normal").fit(margins, drivers=level, starts=2),
    ]
    for job in jobs:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            job()
        assert said
        assert {one.filename for one in said} == {__file__}


def test_recursive_searches_count_what_agrees():
    rng = np.random.default_rng(0)
    state = np.arange(1200) // 150 % 2
    y = pd.Series(rng.standard_normal(1200) * np.where(state, 3.0, 0.7), name="y")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = MSGARCH().fit(y, starts=8, cov_type="none")
    ends = [start.end for start in fit.starts if start.end is not None]
    assert fit.n_climbs == len(ends)
    assert fit.n_best_replicated == sum(end > max(ends) - 1e-4 for end in ends)
    assert fit.optimum.agreement == pytest.approx(fit.n_best_replicated / fit.n_climbs)
    assert max(ends) == pytest.approx(fit.loglikelihood, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([1, 2, 5]),
    true=st.sampled_from([2.3, 5.0, 30.0]),
    start=st.floats(2.06, 199.0),
)
def test_degrees_of_freedom_never_fall_and_settle_at_the_maximum(seed, n, true, start):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((400, n)) * np.sqrt((true - 2) / rng.chisquare(true, 400))[:, None]
    d = np.column_stack([(z**2).sum(axis=1), 1.3 * (z**2).sum(axis=1)])
    w = rng.dirichlet([1.0, 1.0], 400)

    def lost(log_nu):
        x = 2.0 + np.exp(log_nu)
        c = special.gammaln((x + n) / 2) - special.gammaln(x / 2) - 0.5 * n * np.log(np.pi * (x - 2.0))
        return float(-w.sum() * c + 0.5 * (x + n) * np.sum(w * np.log1p(d / (x - 2.0))))

    ends = np.log([0.05, 198.0])
    best = optimize.minimize_scalar(lost, bounds=ends, method="bounded", options={"xatol": 1e-9}).fun
    value = start
    for _ in range(12):
        new = best_freedom(d, w, n, value)
        assert lost(np.log(new - 2.0)) <= lost(np.log(value - 2.0)) + 1e-8
        value = new
    assert lost(np.log(value - 2.0)) == pytest.approx(best, abs=1e-3)
