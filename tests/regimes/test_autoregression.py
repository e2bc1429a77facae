"""Autoregressions with regimes: chains of histories against enumeration, scores, EM, exact forecasts, refusals."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.errors import DataError, SpecError
from cryptoequity.regimes.autoregression import MarkovAutoregression
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.history import DeviationEmission, HistoryChain
from cryptoequity.regimes.likelihood import RegimeLikelihood, begin, run_em


def deviation(seed, n=1, k=2, order=2, nobs=40, m=1, **options):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(nobs + order), rng.standard_normal((nobs + order, m - 1))])
    y = 0.5 * rng.standard_normal((nobs + order, n)).cumsum(axis=0) / 3 + rng.standard_normal((nobs + order, n))
    options.setdefault("mean_switching", np.array([True, *[False] * (m - 1)]))
    options.setdefault("lag_switching", False)
    names = tuple("abc"[:n])
    return DeviationEmission(y, x, names, ("mean", "x", "w")[:m], k, order, **options)


def chain_for(one, driven=False, initial="ergodic", seed=0):
    rng = np.random.default_rng(seed)
    rows = one.nobs + one.order
    z = np.column_stack([np.ones(rows), rng.standard_normal(rows)]) if driven else np.ones((rows, 1))
    names = ("const", "z")[: z.shape[1]]
    p = one.order
    return HistoryChain(one.regimes, z[p:], names, driven, initial, np.inf, p, z[1 : p + 1])


def random_theta(lik, one, rng):
    weights = next(one.splits(1, rng))
    u = lik.layout.box(begin(lik, weights, 0.7)) + 0.1 * rng.standard_normal(lik.layout.size)
    return lik.layout.natural(np.clip(u, lik.layout.lower + 0.01, lik.layout.upper - 0.01))


def enumerate_histories(one, chain, theta, lik):
    """Law of every path of k regimes over all p + T dates, with the joint density of the data: no state is expanded."""
    inner, outer = lik.split(theta)
    p, k = one.order, one.regimes
    paths = np.array(list(itertools.product(range(k), repeat=p + one.nobs)))
    z = np.vstack([chain.early, chain.z])[[*range(p), *range(p + 1, p + one.nobs)]]
    moves = chain.at(outer, z)
    law, _ = Chain(k, chain.z, chain.names, chain.driven, chain.initial).start(outer)
    logp = np.log(law[paths[:, 0]])
    for t in range(1, p + one.nobs):
        logp += np.log(moves[t - 1][paths[:, t - 1], paths[:, t]])
    mean, lags = one.coefficients(inner)[:, 0] @ one.x.T, inner[one.at_lag][:, :, 0, 0]
    _, sd, _, _ = one.errors.unpack(inner[one.inside :])
    y = one.full[:, 0]
    for t in range(p, p + one.nobs):
        now = paths[:, t]
        e = y[t] - mean[now, t]
        for i in range(1, p + 1):
            e = e - lags[now, i - 1] * (y[t - i] - mean[paths[:, t - i], t - i])
        logp += -0.5 * np.log(2 * np.pi) - np.log(sd[now, 0]) - 0.5 * (e / sd[now, 0]) ** 2
    return paths, logp


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(2, 1), (2, 2), (3, 1)]), st.booleans(), st.booleans())
def test_probabilities_equal_enumeration_of_every_path_of_regimes(seed, size, driven, switching):
    k, order = size
    # least squares needs more dates than paths can be enumerated over: the scale comes from all, the rest from five
    one = deviation(seed, k=k, order=order, nobs=12, lag_switching=switching, scale="switching")
    one.y, one.full, one.x = one.y[:5], one.full[: 5 + order], one.x[: 5 + order]
    chain = chain_for(one, driven, seed=seed)
    lik = RegimeLikelihood(one, chain)
    rng = np.random.default_rng(seed)
    inner = np.concatenate([rng.normal(0, 0.5, one.inside), rng.uniform(0.5, 2.0, k)])
    outer = rng.normal(0, 1, chain.size) if driven else rng.uniform(0.05, 0.9 / (k - 1), chain.size)
    theta = np.concatenate([inner, outer])
    paths, logp = enumerate_histories(one, chain, theta, lik)
    found = lik.infer(theta)
    total = np.logaddexp.reduce(logp)
    assert found.loglik.sum() == pytest.approx(total, abs=1e-9)
    weight = np.exp(logp - total)
    smoothed = chain.marginal(found.smooth()[0])
    for t, j in itertools.product(range(5), range(k)):
        assert smoothed[t, j] == pytest.approx(weight[paths[:, order + t] == j].sum(), abs=1e-9)
    best, value = found.viterbi()
    assert value == pytest.approx(logp.max(), abs=1e-9)
    np.testing.assert_array_equal(chain.now[best], paths[np.argmax(logp)][order:])


CASES = [
    (1, 2, 1, {"lag_switching": True, "scale": "switching"}),
    (1, 2, 2, {"student": True}),
    (1, 3, 1, {"m": 2, "lag_switching": True}),
    (1, 2, 1, {"m": 3, "mean_switching": np.array([True, True, False]), "scale": "switching"}),
    (2, 2, 1, {"lag_switching": True, "scale": "switching", "corr": "switching"}),
    (2, 2, 2, {"scale": "switching", "corr": "common", "student": True}),
]


@pytest.mark.parametrize("initial", ["ergodic", "uniform", "estimated"])
@pytest.mark.parametrize("driven", [False, True])
@pytest.mark.parametrize(("n", "k", "order", "options"), CASES)
def test_scores_are_the_slopes(n, k, order, options, driven, initial):
    one = deviation(7, n=n, k=k, order=order, **options)
    lik = RegimeLikelihood(one, chain_for(one, driven, initial))
    theta = random_theta(lik, one, np.random.default_rng(3))
    lik.settle(theta)
    _, score = lik.evaluate(theta, 1)
    for a in range(theta.size):
        step = 1e-5 * max(1.0, abs(theta[a]))
        up, down = theta.copy(), theta.copy()
        up[a] += step
        down[a] -= step
        slope = (lik.evaluate(up, 0)[0] - lik.evaluate(down, 0)[0]) / (2 * step)
        np.testing.assert_allclose(score[:, a], slope, atol=2e-6 * (1 + np.abs(slope).max()))


@pytest.mark.parametrize("driven", [False, True])
@pytest.mark.parametrize(("n", "k", "order", "options"), CASES)
def test_em_never_falls(n, k, order, options, driven):
    for seed in range(3):
        one = deviation(seed, n=n, k=k, order=order, nobs=80, **options)
        lik = RegimeLikelihood(one, chain_for(one, driven, seed=seed))
        flat = np.full(one.k, 1 / one.k)
        start = run_em(lik, begin(lik, next(one.splits(1, np.random.default_rng(seed))), 0.6), flat, 25)
        if start.path.size > 1:
            assert np.diff(start.path).min() > -1e-9 * abs(start.path[-1]), (seed, options)


def test_the_chain_of_histories():
    chain = HistoryChain(2, np.ones((5, 1)), order=2, early=np.ones((2, 1)))
    theta = np.array([0.2, 0.4])
    p = chain.matrices(theta)[0]
    big = chain.state_matrices(theta)[0]
    np.testing.assert_allclose(big.sum(axis=1), 1.0)
    assert (np.count_nonzero(big, axis=1) == 2).all()
    # state 3 is (0, 1, 1): tomorrow it is (m, 0, 1), that is 1 or 5
    assert big[3, 1] == p[0, 0]
    assert big[3, 5] == p[0, 1]
    law, _ = chain.start(theta)
    np.testing.assert_allclose(law @ big, law, atol=1e-12)
    np.testing.assert_allclose(chain.marginal(law[None])[0], [2 / 3, 1 / 3])
    moves = np.random.default_rng(0).random((1, 8, 8)) * (big > 0)
    out = chain.mstep(moves, theta)
    leave = moves[0][:4][:, 4:].sum() / moves[0][:4].sum()
    assert out[0] == pytest.approx(leave)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_relabelling_keeps_the_likelihood(seed):
    one = deviation(seed, k=3, order=1, m=2, lag_switching=True, scale="switching")
    rng = np.random.default_rng(seed)
    lik = RegimeLikelihood(one, chain_for(one))
    theta = random_theta(lik, one, rng)
    order = rng.permutation(3)
    where = np.concatenate([one.relabel(order), lik.inside + lik.chain.relabel(order)])
    assert lik.total(theta[where]) == pytest.approx(lik.total(theta), rel=1e-11)
    old, new = lik.chain.marginal(lik.infer(theta).filtered), lik.chain.marginal(lik.infer(theta[where]).filtered)
    np.testing.assert_allclose(new, old[:, order], atol=1e-10)


def simulated(nobs=800, seed=0, phi=0.5):
    """Hamilton's model: an AR(1) around a mean that jumps."""
    rng = np.random.default_rng(seed)
    state = np.zeros(nobs, int)
    for t in range(1, nobs):
        state[t] = state[t - 1] ^ (rng.random() < 0.05)
    mu = np.where(state, 2.0, -1.0)
    e = np.zeros(nobs)
    for t in range(1, nobs):
        e[t] = phi * e[t - 1] + 0.6 * rng.standard_normal()
    return pd.Series(mu + e, pd.bdate_range("2018-01-01", periods=nobs), name="y"), state


def test_recovers_hamiltons_model():
    y, state = simulated(1200)
    fit = MarkovAutoregression(k=2, order=1).fit(y)
    for name, value in {"mean[1]": -1.0, "mean[2]": 2.0, "ar1": 0.5, "sd": 0.6, "p[1,2]": 0.05}.items():
        assert abs(fit.params[name] - value) < 4 * fit.std_err[name], name
    assert fit.smoothed_probabilities.shape == (1199, 2)
    np.testing.assert_allclose(fit.filtered_probabilities.sum(axis=1), 1.0)
    assert (fit.viterbi().to_numpy() - 1 == state[1:]).mean() > 0.97
    assert fit.index[0] == y.index[1]
    assert fit.stability().to_numpy() == pytest.approx([fit.params["ar1"]] * 2)
    np.testing.assert_allclose(fit.regime_moments().loc["mean y"], fit.params[["mean[1]", "mean[2]"]])
    np.testing.assert_allclose(fit.resid()["y"] + fit.conditional_mean()["y"], y[1:], rtol=1e-10)
    assert fit.to_dict()["spec"]["form"] == "mean"
    assert "MarkovAutoregression" in str(fit.summary())


def test_the_intercept_form_is_a_regression_on_lags():
    from cryptoequity.regimes.regression import MarkovRegression

    y, _ = simulated(500)
    fit = MarkovAutoregression(k=2, order=2, form="intercept", switching_ar=True, switching_variance=True).fit(y)
    lags = pd.DataFrame({"l1": y.shift(1), "l2": y.shift(2)})[2:]
    same = MarkovRegression(k=2, switching_variance=True).fit(y[2:], lags)
    assert fit.loglikelihood == pytest.approx(same.loglikelihood, abs=1e-6)
    np.testing.assert_allclose(fit.params, same.params, rtol=1e-3, atol=1e-4)
    ahead = fit.forecast(1).mean["y"].iloc[0]
    last = pd.DataFrame({"l1": [y.iloc[-1]], "l2": [y.iloc[-2]]})
    assert ahead == pytest.approx(same.forecast(1, exog=last).mean["y"].iloc[0], rel=1e-3)


FORMS = [
    {"form": "mean", "order": 2},
    {"form": "mean", "order": 1, "switching_ar": True, "switching_variance": True},
    {"form": "intercept", "order": 1, "switching_ar": True, "switching_variance": True},
]


@pytest.mark.parametrize("options", FORMS)
def test_forecasts_are_those_of_many_simulated_futures(options):
    y, _ = simulated(400, seed=5)
    fit = MarkovAutoregression(k=2, **options).fit(y, starts=6)
    ahead = fit.forecast(6)
    draws, horizon = 40_000, 6
    rng = np.random.default_rng(1)
    inner, _ = fit.likelihood.split(fit.theta)
    system, order = fit.system, fit.order
    p = fit.chain.lift(fit.chain.matrices(fit.likelihood.split(fit.theta)[1]))[0]
    level = system.level(inner, np.ones((horizon + system.memory, 1)))
    lags, sd = system.lag_matrices(inner)[:, :, 0, 0], np.sqrt(system.error_covariance(inner)[:, 0, 0])
    path = np.repeat(y.to_numpy()[None, -order:], draws, axis=0)
    state = rng.choice(len(p), size=draws, p=fit.inference.filtered[-1] / fit.inference.filtered[-1].sum())
    ladder = p.cumsum(axis=1)
    for h in range(horizon):
        state = np.minimum((rng.random(draws)[:, None] > ladder[state]).sum(axis=1), len(p) - 1)
        new = level[h, state, 0] + sd[state] * rng.standard_normal(draws)
        for i in range(order):
            new = new + lags[state, i] * path[:, -1 - i]
        path = np.column_stack([path, new])
        error = new.std() / np.sqrt(draws)
        assert abs(new.mean() - ahead.mean["y"].iloc[h]) < 5 * error
        assert new.var() == pytest.approx(ahead.covariance[h, 0, 0], rel=0.05)


def test_one_step_forecast_is_the_conditional_mean_of_the_next_date():
    y, _ = simulated(401, seed=2)
    model = MarkovAutoregression(k=2, order=2)
    fit = model.fit(y[:-1])
    longer = fit.filter(y)
    ahead = fit.forecast(1)
    assert ahead.mean["y"].iloc[0] == pytest.approx(longer.conditional_mean()["y"].iloc[-1], rel=1e-9)
    np.testing.assert_allclose(ahead.probabilities.iloc[0], longer.predicted_probabilities.iloc[-1], rtol=1e-9)
    assert ahead.covariance[0, 0, 0] == pytest.approx(longer.conditional_covariance()[-1, 0, 0], rel=1e-9)


def test_simulated_paths_are_refitted():
    y, _ = simulated(1500, seed=8)
    fit = MarkovAutoregression(k=2, order=1).fit(y, starts=4)
    data, states = fit.simulate(rng=3)
    again = MarkovAutoregression(k=2, order=1).fit(data["y"], starts=4)
    assert (np.abs(again.params - fit.params) < 5 * fit.std_err).all()
    assert (again.viterbi().to_numpy() == states.to_numpy()[1:]).mean() > 0.95
    assert fit.simulate(2000, rng=1)[0].shape == (2000, 1)


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_scale_changes_nothing(factor):
    y, _ = simulated(400)
    model = MarkovAutoregression(k=2, order=1, switching_ar=True, switching_variance=True)
    plain, scaled = model.fit(y, cov_type="none"), model.fit(factor * y, cov_type="none")
    assert scaled.loglikelihood + 399 * np.log(factor) == pytest.approx(plain.loglikelihood, abs=1e-6)
    np.testing.assert_allclose(scaled.params["ar1[1]"], plain.params["ar1[1]"], atol=1e-4)


def test_drivers_before_the_first_date_count():
    """The law of the first state is moved on by the drivers of the dates that are conditioned on."""
    y, _ = simulated(300)
    driver = pd.Series(np.random.default_rng(0).standard_normal(300), y.index, name="d")
    fit = MarkovAutoregression(k=2, order=2).fit(y, drivers=driver, starts=4)
    assert fit.drivers is not None
    np.testing.assert_allclose(fit.chain.early[:, 1], driver.iloc[:2])
    np.testing.assert_allclose(fit.chain.z[:, 1], driver.iloc[1:-1])
    assert fit.forecast(2, drivers=pd.Series([0.0, 0.0])).probabilities.shape == (2, 2)


class TestRefusals:
    def test_options(self):
        for options, message in (
            ({"order": 0}, "order=0"),
            ({"form": "level"}, "form="),
            ({"mean": "zero"}, "fewer states"),
            ({"switching_ar": "yes"}, "switching_ar="),
        ):
            with pytest.raises(SpecError, match=message):
                MarkovAutoregression(**options)

    def test_nothing_switches(self):
        y, _ = simulated(100)
        with pytest.raises(SpecError, match="nothing switches"):
            MarkovAutoregression(mean="common", form="intercept").fit(y)
        with pytest.raises(SpecError, match="no mean switches"):
            MarkovAutoregression(mean="common", switching_ar=True).fit(y)

    def test_too_many_states(self):
        y, _ = simulated(300)
        with pytest.raises(SpecError, match="2187 states"):
            MarkovAutoregression(k=3, order=6).fit(y)

    def test_data(self):
        y, _ = simulated(100)
        with pytest.raises(DataError, match="16 dates after 2 lags"):
            MarkovAutoregression(order=2).fit(y[:18])
        with pytest.raises(DataError, match="not finite"):
            MarkovAutoregression().fit(y.where(y.index != y.index[5]))
        with pytest.raises(DataError, match="constant"):
            MarkovAutoregression().fit(0.0 * y)
        with pytest.raises(DataError, match="in order"):
            MarkovAutoregression().fit(y[::-1])
        line = pd.Series(1.02 ** np.arange(100.0), name="y")
        with pytest.raises(DataError, match="fitted exactly"):
            MarkovAutoregression(form="intercept").fit(line)
