"""Switching regressions: densities, scores, M-step, labels, scale, recovery, refusals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.errors import BoundaryWarning, ConvergenceError, DataError, SpecError
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.likelihood import RegimeLikelihood, begin, run_em
from cryptoequity.regimes.linear import LinearEmission, solve_normal
from cryptoequity.regimes.regression import MarkovRegression
from cryptoequity.regimes.system import system_forecast


def simulated(nobs=600, seed=0, stay=0.97):
    rng = np.random.default_rng(seed)
    state = np.zeros(nobs, int)
    for t in range(1, nobs):
        state[t] = state[t - 1] ^ (rng.random() > stay)
    index = pd.bdate_range("2018-01-01", periods=nobs)
    x = pd.DataFrame(rng.standard_normal((nobs, 2)), index, ["a", "b"])
    slope = np.where(state, 2.0, 0.3)
    y = 0.5 + slope * x["a"] - 0.7 * x["b"] + np.where(state, 1.5, 0.6) * rng.standard_normal(nobs)
    return y.rename("y"), x, state


def emission(seed, n=1, m=3, k=2, nobs=60, **options):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(nobs), rng.standard_normal((nobs, m - 1))])
    y = rng.standard_normal((nobs, n)) + x @ rng.standard_normal((m, n))
    names = tuple("abc"[:n])
    options.setdefault("switching", np.array([True, True, False][:m]))
    return LinearEmission(y, x, names, tuple(f"x{i}" for i in range(m)), k, **options)


CASES = [
    (1, 2, {"scale": "switching"}),
    (1, 3, {"student": True, "switching": np.array([False, True, False])}),
    (2, 2, {"scale": "switching", "corr": "switching"}),
    (2, 2, {"scale": "common", "corr": "switching", "student": True}),
    (3, 2, {"scale": "switching", "corr": "common", "switching": np.ones(3, bool)}),
]


def test_density_is_that_of_scipy():
    one = emission(1, n=2, scale="switching", corr="switching", student=True)
    theta = one.mstep(next(one.splits(1, np.random.default_rng(0))), None)
    _, sd, corr, nu = one.errors.unpack(theta[one.inside :])
    for j in range(2):
        cov = corr[j] * np.outer(sd[j], sd[j])
        mean = one.x @ one.coefficients(theta)[j].T
        law = stats.multivariate_t(shape=cov * (nu - 2) / nu, df=nu)
        np.testing.assert_allclose(one.density(theta)[:, j], law.logpdf(one.y - mean), rtol=1e-10)


@pytest.mark.parametrize("driven", [False, True])
@pytest.mark.parametrize(("n", "k", "options"), CASES)
def test_scores_are_the_slopes(n, k, options, driven):
    one = emission(n + k, n=n, k=k, **options)
    rng = np.random.default_rng(5)
    z = np.column_stack([np.ones(60), rng.standard_normal(60)]) if driven else np.ones((60, 1))
    lik = RegimeLikelihood(one, Chain(k, z, ("const", "z")[: z.shape[1]], driven))
    u = lik.layout.box(begin(lik, next(one.splits(1, rng)))) + 0.1 * rng.standard_normal(lik.layout.size)
    theta = lik.layout.natural(np.clip(u, lik.layout.lower + 0.01, lik.layout.upper - 0.01))
    _, score = lik.evaluate(theta, 1)
    for a in range(theta.size):
        step = 1e-5 * max(1.0, abs(theta[a]))
        up, down = theta.copy(), theta.copy()
        up[a] += step
        down[a] -= step
        slope = (lik.evaluate(up, 0)[0] - lik.evaluate(down, 0)[0]) / (2 * step)
        np.testing.assert_allclose(score[:, a], slope, atol=2e-6 * (1 + np.abs(slope).max()))


@pytest.mark.parametrize(("n", "k", "options"), CASES)
def test_em_never_falls(n, k, options):
    for seed in range(8):
        one = emission(seed, n=n, k=k, nobs=90, **options)
        lik = RegimeLikelihood(one, Chain(k, np.ones((90, 1))))
        start = run_em(lik, begin(lik, next(one.splits(1, np.random.default_rng(seed)))), np.full(k, 1 / k), 40)
        if start.path.size > 1:
            assert np.diff(start.path).min() > -1e-9 * abs(start.path[-1]), (seed, options)


def test_common_and_switching_coefficients_are_solved_together():
    """The weighted least squares of the M-step is a stacked regression, and beats common slopes by least squares."""
    one = emission(3, scale="switching")
    weights = next(one.splits(1, np.random.default_rng(1)))
    old = one.mstep(weights, None)
    new = one.mstep(weights, old)
    sd = old[one.inside :]
    rows = [np.sqrt(weights[:, j]) / sd[j] for j in range(2)]
    stacked = np.vstack(
        [
            np.column_stack([rows[0][:, None] * one.x[:, :2], np.zeros((60, 2)), rows[0] * one.x[:, 2]]),
            np.column_stack([np.zeros((60, 2)), rows[1][:, None] * one.x[:, :2], rows[1] * one.x[:, 2]]),
        ]
    )
    target = np.concatenate([row * one.y[:, 0] for row in rows])
    np.testing.assert_allclose(new[: one.inside], np.linalg.lstsq(stacked, target, rcond=None)[0], rtol=1e-10)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_relabelling_keeps_the_likelihood(seed, k):
    one = emission(seed, n=2, k=k, scale="switching", corr="switching")
    rng = np.random.default_rng(seed)
    lik = RegimeLikelihood(one, Chain(k, np.ones((60, 1))))
    theta = begin(lik, next(one.splits(1, rng)))
    order = rng.permutation(k)
    where = np.concatenate([one.relabel(order), lik.inside + lik.chain.relabel(order)])
    assert lik.total(theta[where]) == pytest.approx(lik.total(theta), rel=1e-12)


@pytest.mark.parametrize("dist", ["normal", "t"])
def test_recovers_what_was_simulated(dist):
    y, x, state = simulated(1500)
    fit = MarkovRegression(k=2, switching_exog=("a",), mean="common", switching_variance=True, dist=dist).fit(y, x)
    assert fit.converged
    wanted = {"const": 0.5, "b": -0.7, "a[1]": 0.3, "a[2]": 2.0, "sd[1]": 0.6, "sd[2]": 1.5}
    for name, value in wanted.items():
        assert abs(fit.params[name] - value) < 4 * fit.std_err[name], name
    assert (fit.viterbi() - 1 == state).mean() > 0.95
    assert fit.coefficients().shape == (3, 2)
    assert fit.coefficients().loc[("y", "b"), "regime 1"] == fit.coefficients().loc[("y", "b"), "regime 2"]
    resid = fit.resid()
    np.testing.assert_allclose(resid["y"] + fit.conditional_mean()["y"], y, rtol=1e-12)
    assert 0.3 < fit.pit()["y"].mean() < 0.7


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_scale_changes_nothing(factor):
    y, x, _ = simulated(400)
    model = MarkovRegression(k=2, switching_variance=True)
    plain = model.fit(y, x, cov_type="none")
    scaled = model.fit(factor * y, x * 7.0, cov_type="none")
    assert scaled.loglikelihood + 400 * np.log(factor) == pytest.approx(plain.loglikelihood, abs=1e-6)
    np.testing.assert_allclose(scaled.params[-2:], plain.params[-2:], atol=2e-5)
    np.testing.assert_allclose(scaled.params["a[1]"] * 7.0 / factor, plain.params["a[1]"], rtol=1e-4)


def test_labels_follow_the_choice():
    y, x, _ = simulated(500)
    by_variance = MarkovRegression(k=2, switching_variance=True).fit(y, x)
    assert by_variance.params["sd[1]"] < by_variance.params["sd[2]"]
    by_slope = MarkovRegression(k=2, mean="common", switching_exog=("a",)).fit(y, x)
    assert by_slope.params["a[1]"] < by_slope.params["a[2]"]
    by_mean = MarkovRegression(k=2, switching_variance=True, order_by="mean").fit(y, x, cov_type="none")
    assert by_mean.loglikelihood == pytest.approx(by_variance.loglikelihood, abs=1e-6)


def test_errors_of_the_estimates_have_their_size():
    """Sandwich, Hessian and outer product agree when the model is right."""
    y, x, _ = simulated(3000, seed=4)
    model = MarkovRegression(k=2, switching_variance=True)
    errors = [model.fit(y, x, starts=3, cov_type=kind).std_err for kind in ("robust", "classic", "opg", "hac")]
    for other in errors[1:]:
        np.testing.assert_allclose(other, errors[0], rtol=0.25)


def test_drivers_move_the_odds():
    rng = np.random.default_rng(3)
    nobs = 1500
    index = pd.bdate_range("2015-01-01", periods=nobs)
    driver = pd.Series(rng.integers(0, 2, nobs).astype(float), index, name="event")
    state = np.zeros(nobs, int)
    for t in range(1, nobs):
        leave = 1 / (1 + np.exp(4.0 - 3.0 * driver.iloc[t - 1])) if state[t - 1] == 0 else 0.1
        state[t] = state[t - 1] ^ (rng.random() < leave)
    y = pd.Series(np.where(state, 2.0, 0.0) + 0.7 * rng.standard_normal(nobs), index)
    fit = MarkovRegression(k=2).fit(y, drivers=driver)
    assert abs(fit.params["delta[1,2].event"] - 3.0) < 4 * fit.std_err["delta[1,2].event"]
    ahead = fit.forecast(3, drivers=pd.Series([1.0, 0.0, 1.0]))
    assert ahead.probabilities.shape == (3, 2)
    with pytest.raises(SpecError, match="drivers="):
        fit.forecast(3)


def test_forecast_is_the_mixture_and_needs_the_regressors():
    y, x, _ = simulated(500)
    fit = MarkovRegression(k=2, switching_variance=True).fit(y, x)
    future = pd.DataFrame([[1.0, 0.0], [0.0, 2.0]], columns=["a", "b"])
    ahead = fit.forecast(2, exog=future)
    coefficients = fit.coefficients().loc["y"].to_numpy()
    means = np.column_stack([np.ones(2), future]) @ coefficients
    p = ahead.probabilities.to_numpy()
    center = (p * means).sum(axis=1)
    np.testing.assert_allclose(ahead.mean["y"], center, rtol=1e-10)
    spread = (p * (fit.error_covariance()[:, 0, 0] + means**2)).sum(axis=1) - center**2
    np.testing.assert_allclose(ahead.covariance[:, 0, 0], spread, rtol=1e-9)
    with pytest.raises(SpecError, match="exog="):
        fit.forecast(2)
    with pytest.raises(SpecError, match="shape"):
        fit.forecast(3, exog=future)


def test_simulation_has_the_moments():
    y, x, _ = simulated(500)
    fit = MarkovRegression(k=2, switching_variance=True).fit(y, x)
    draws = np.stack([fit.simulate(rng=seed)[0]["y"].to_numpy() for seed in range(200)])
    coefficients = fit.coefficients().loc["y"].to_numpy()
    share = fit.ergodic_probabilities.to_numpy()
    wanted = (np.column_stack([np.ones(500), x]) @ coefficients) @ share
    error = draws.std(axis=0) / np.sqrt(200)
    assert np.abs((draws.mean(axis=0) - wanted) / error).max() < 5
    data, states = fit.simulate(rng=1)
    pd.testing.assert_frame_equal(data, fit.simulate(rng=1)[0])
    assert set(states.unique()) <= {1, 2}
    with pytest.raises(DataError, match="known for 500 dates"):
        fit.simulate(501, rng=0)


def test_a_system_without_lags_forecasts_the_mixture():
    mean, cov = system_forecast(
        np.array([0.5, 0.5]),
        np.full((2, 2, 2), 0.5),
        np.array([[[0.0], [2.0]]] * 2),
        np.empty((2, 0, 1, 1)),
        np.array([[[1.0]], [[1.0]]]),
        np.empty((0, 1)),
    )
    np.testing.assert_allclose(mean, 1.0)
    np.testing.assert_allclose(cov, 2.0)


def test_a_regressor_that_is_zero_in_a_regime_has_no_error():
    left = np.array([[2.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(solve_normal(left, np.array([[4.0], [0.0]]))[:, 0], [2.0, 0.0])


class TestRefusals:
    def test_nothing_switches(self):
        y, x, _ = simulated(100)
        with pytest.raises(SpecError, match="nothing switches"):
            MarkovRegression(mean="common", switching_exog=False).fit(y, x)

    def test_unknown_names_and_options(self):
        y, x, _ = simulated(100)
        with pytest.raises(SpecError, match="no regressor 'c'"):
            MarkovRegression(switching_exog=("c",)).fit(y, x)
        with pytest.raises(SpecError, match="mean="):
            MarkovRegression(mean="free")
        with pytest.raises(SpecError, match="between 2 and 8"):
            MarkovRegression(k=1)
        with pytest.raises(SpecError, match="one pandas Series"):
            MarkovRegression().fit(x)

    def test_too_short(self):
        y, x, _ = simulated(18)
        with pytest.raises(DataError, match="18 dates"):
            MarkovRegression().fit(y, x)

    def test_not_finite(self):
        y, x, _ = simulated(100)
        y.iloc[7] = np.nan
        with pytest.raises(DataError, match=r"'y' is not finite on 1 dates, first 2018-01-10"):
            MarkovRegression().fit(y, x)
        y, x, _ = simulated(100)
        x.iloc[3, 1] = np.inf
        with pytest.raises(DataError, match="'b' is not finite"):
            MarkovRegression().fit(y, x)

    def test_dates_without_regressors(self):
        y, x, _ = simulated(100)
        with pytest.raises(DataError, match="no row for 10 of the 100"):
            MarkovRegression().fit(y, x.iloc[:90])

    def test_collinear_regressors(self):
        y, x, _ = simulated(100)
        with pytest.raises(DataError, match="'c' is a linear combination"):
            MarkovRegression().fit(y, x.assign(c=x["a"] - 2 * x["b"] + 1.0))
        with pytest.raises(DataError, match="'c' is zero"):
            MarkovRegression().fit(y, x.assign(c=0.0))

    def test_constant_and_exact(self):
        y, x, _ = simulated(100)
        with pytest.raises(DataError, match="constant"):
            MarkovRegression().fit(0.0 * y + 3.0)
        with pytest.raises(DataError, match="fitted exactly"):
            MarkovRegression().fit((1.0 + 2.0 * x["a"]).rename("y"), x)

    def test_a_filled_calendar(self):
        y, _, _ = simulated(300)
        y[::5] = 0.0
        with pytest.raises(DataError, match="exactly zero on 60 of 300"):
            MarkovRegression(switching_variance=True).fit(y)

    def test_a_segment_without_variance(self):
        y, _, _ = simulated(300)
        y.iloc[100:200] = np.repeat(np.arange(20) * 1e-9, 5)
        with pytest.raises(ConvergenceError, match="degenerate"):
            MarkovRegression(switching_variance=True).fit(y, starts=2)


def test_a_transition_that_never_happens_has_no_error_whatever_its_label():
    """Three regimes in a ring: the zeros of the matrix keep their places when the regimes are numbered."""
    rng = np.random.default_rng(0)
    state = np.repeat(np.tile([2, 0, 1], 10), 20)
    y = pd.Series(np.array([0.0, 4.0, 8.0])[state] + rng.standard_normal(600), name="y")
    for seed in (0, 1):
        with pytest.warns(BoundaryWarning, match=r"p\["):
            fit = MarkovRegression(k=3).fit(y, rng=seed)
        zero = [name for name in fit.params.index if name.startswith("p[") and fit.params[name] < 1e-12]
        assert zero == ["p[1,3]", "p[2,1]", "p[3,2]"]
        assert fit.at_bound == tuple(zero)
        assert fit.std_err.drop(zero).notna().all()
