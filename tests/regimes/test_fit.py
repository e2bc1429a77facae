"""What every regime fit can say of itself: probabilities, durations, dates, moments, densities, JSON, new data."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import cryptoequity as ce
from cryptoequity.errors import DataError, SpecError
from cryptoequity.regimes import MarkovCovariance, RegimeFit
from cryptoequity.regimes.checks import berkowitz_test, rosenblatt
from cryptoequity.regimes.gaussian import GaussianEmission
from cryptoequity.regimes.spec import spec_from_dict
from cryptoequity.regimes.stored import decode, encode


def draw(nobs=700, seed=2, nu=0.0):
    """Two columns, calm with correlation .1 and wild with .8, regimes of about fifty days."""
    rng = np.random.default_rng(seed)
    states = np.zeros(nobs, int)
    for t in range(1, nobs):
        states[t] = states[t - 1] ^ (rng.random() < 0.02)
    u = rng.standard_normal((nobs, 2))
    if nu:
        u *= np.sqrt((nu - 2) / rng.chisquare(nu, nobs))[:, None]
    rho = np.array([0.1, 0.8])[states]
    z = np.column_stack([u[:, 0], rho * u[:, 0] + np.sqrt(1 - rho**2) * u[:, 1]])
    scale = np.array([0.8, 2.0])[states][:, None]
    mean = np.array([[0.1, 0.05], [-0.2, -0.1]])[states]
    dates = pd.bdate_range("2018-01-01", periods=nobs, name="date")
    return pd.DataFrame(mean + scale * z, dates, ["A", "B"]), states


@pytest.fixture(scope="module")
def sample():
    return draw()


@pytest.fixture(scope="module")
def fit(sample):
    return MarkovCovariance(k=2).fit(sample[0], starts=4)


@pytest.fixture(scope="module")
def student():
    return MarkovCovariance(k=3, dist="t", mean="common").fit(draw(nu=6.0, seed=5)[0], starts=12, cov_type="none")


@pytest.fixture(scope="module")
def driven(sample):
    returns, _ = sample
    x = pd.Series(np.random.default_rng(0).standard_normal(len(returns)), returns.index, name="x")
    return MarkovCovariance(k=2).fit(returns, drivers=x, starts=3), x


def test_probabilities_and_paths(fit, sample):
    returns, states = sample
    for kind in ("predicted", "filtered", "smoothed"):
        p = fit.probabilities(kind)
        np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-12)
        assert list(p.columns) == ["regime 1", "regime 2"]
        assert p.index.equals(returns.index)
    np.testing.assert_allclose(fit.filtered_probabilities.iloc[-1], fit.smoothed_probabilities.iloc[-1], atol=1e-14)
    p = fit.transition_matrix.to_numpy()
    np.testing.assert_allclose(
        fit.predicted_probabilities.to_numpy()[1:], fit.filtered_probabilities.to_numpy()[:-1] @ p, atol=1e-12
    )
    np.testing.assert_allclose(fit.ergodic_probabilities @ p, fit.ergodic_probabilities, atol=1e-12)
    assert np.mean(fit.viterbi() - 1 == states) > 0.9
    assert fit.loglik_obs.sum() == pytest.approx(fit.loglikelihood, abs=1e-9)
    assert fit.hqc == pytest.approx(2 * np.log(np.log(700)) * 12 - 2 * fit.loglikelihood)
    with pytest.raises(SpecError, match="kind"):
        fit.probabilities("future")


def test_durations_and_intervals_stay_where_they_belong(fit):
    table = fit.expected_durations()
    p = fit.transition_matrix.to_numpy()
    np.testing.assert_allclose(table["duration"], 1 / (1 - np.diag(p)), rtol=1e-12)
    assert (table["lower"] > 1).all()
    assert ((table["lower"] < table["duration"]) & (table["duration"] < table["upper"])).all()
    bounds = fit.conf_int()
    # by hand: the logit of p and its error by the delta method
    value, error = fit.params["p[1,2]"], fit.std_err["p[1,2]"]
    odds = np.log(value / (1 - value)) + np.array([-1, 1]) * stats.norm.isf(0.025) * error / (value * (1 - value))
    np.testing.assert_allclose(bounds.loc["p[1,2]"], 1 / (1 + np.exp(-odds)), rtol=1e-10)
    # the interval of the duration is that of the probability, turned over
    np.testing.assert_allclose(table.loc["regime 1", ["upper", "lower"]], 1 / bounds.loc["p[1,2]"], rtol=1e-8)
    wald = fit.params["mean[1].A"] + np.array([-1, 1]) * stats.norm.isf(0.025) * fit.std_err["mean[1].A"]
    np.testing.assert_allclose(bounds.loc["mean[1].A"], wald)
    frame = fit.to_frame()
    np.testing.assert_allclose(frame[["2.5 %", "97.5 %"]], bounds)
    half = fit.conf_int(0.5).loc["p[1,2]"]
    assert half["lower"] > bounds.loc["p[1,2]", "lower"]


def test_classification_measures(fit, student):
    p = fit.smoothed_probabilities.to_numpy()
    assert fit.rcm()["ang-bekaert"] == pytest.approx(400 * np.mean(p[:, 0] * p[:, 1]))
    assert fit.rcm()["baele"] == pytest.approx(fit.rcm()["ang-bekaert"])  # the two agree for two regimes
    q = student.smoothed_probabilities.to_numpy()
    assert student.rcm()["baele"] == pytest.approx(100 * (1 - 1.5 * np.mean(((q - 1 / 3) ** 2).sum(axis=1))))
    assert student.rcm()["ang-bekaert"] == pytest.approx(2700 * np.mean(q.prod(axis=1)))
    for value in (*fit.rcm().values(), *student.rcm().values()):
        assert 0 <= value <= 100


def test_dates_cover_the_sample_and_short_spells_go(fit):
    plain = fit.regime_dates()
    state = fit.smoothed_probabilities.to_numpy().argmax(axis=1) + 1
    assert plain["nobs"].sum() == fit.nobs
    assert len(plain) == 1 + np.count_nonzero(np.diff(state))
    long = fit.regime_dates(min_length=15)
    assert long["nobs"].sum() == fit.nobs
    assert (long["nobs"] >= 15).all()
    assert (np.diff(long["regime"]) != 0).all()
    assert long["first"].iloc[0] == fit.index[0]
    assert long["last"].iloc[-1] == fit.index[-1]
    with pytest.raises(SpecError, match="min_length"):
        fit.regime_dates(min_length=0)


def test_moments_of_the_mixture(fit):
    table = fit.regime_moments()
    mean = table.loc[["mean A", "mean B"]].to_numpy().T
    sd = table.loc[["sd A", "sd B"]].to_numpy().T
    rho = table.loc["corr A, B"].to_numpy()
    np.testing.assert_allclose(rho, fit.params[["corr[1].A,B", "corr[2].A,B"]])
    p = fit.predicted_probabilities.to_numpy()
    center = p @ mean
    np.testing.assert_allclose(fit.conditional_mean(), center, atol=1e-12)
    second = p @ (rho * sd[:, 0] * sd[:, 1] + mean[:, 0] * mean[:, 1]) - center[:, 0] * center[:, 1]
    np.testing.assert_allclose(fit.conditional_covariance()[:, 0, 1], second, atol=1e-12)
    path = fit.conditional_correlation("A", "B", "smoothed")
    assert path.between(-1, 1).all()
    with pytest.raises(SpecError, match="no column"):
        fit.conditional_correlation("A", "Q")


def test_forecasts_are_the_moments_of_simulated_paths(fit):
    out = fit.forecast(3)
    rng = np.random.default_rng(0)
    p = fit.transition_matrix.to_numpy()
    inner, _ = fit.likelihood.split(fit.theta)
    states = rng.choice(2, 40_000, p=fit.filtered_probabilities.iloc[-1])
    for h in range(3):
        states = (rng.random(states.size) > p[states, 0]).astype(int)
        assert np.mean(states == 1) == pytest.approx(out.probabilities.iloc[h, 1], abs=0.01)
        data = fit.emission.simulate(inner, states, rng)
        np.testing.assert_allclose(data.mean(axis=0), out.mean.iloc[h], atol=0.04)
        np.testing.assert_allclose(np.cov(data.T), out.covariance[h], rtol=0.06, atol=0.05)
        assert np.corrcoef(data.T)[0, 1] == pytest.approx(out.correlation.iloc[h, 0], abs=0.03)
    far = fit.forecast(2000)
    np.testing.assert_allclose(far.probabilities.iloc[-1], fit.ergodic_probabilities, atol=1e-8)
    for horizon in (0, True, 1.0):
        with pytest.raises(SpecError, match="horizon"):
            fit.forecast(horizon)


def test_simulated_data_give_the_parameters_back(fit):
    data, regimes = fit.simulate(3000, rng=1)
    again = MarkovCovariance(k=2).fit(data.set_index(pd.bdate_range("2000-01-03", periods=3000)), starts=4)
    gap = (again.params - fit.params) / again.std_err
    assert np.abs(gap).max() < 4
    assert np.mean(again.viterbi().to_numpy() == regimes.to_numpy()) > 0.95
    one, path = fit.simulate(rng=3)
    assert one.index.equals(fit.index)
    assert path.isin([1, 2]).all()
    with pytest.raises(SpecError, match="nobs"):
        fit.simulate(0, rng=0)


def test_drivers_move_the_odds(driven):
    fit, x = driven
    p = fit.transition_matrix
    assert p.shape == (700, 2, 2)
    odds = fit.params["delta[1,2].const"] + fit.params["delta[1,2].x"] * x.iloc[4]
    assert p[5, 0, 1] == pytest.approx(1 / (1 + np.exp(-odds)))  # yesterday's driver
    assert fit.drivers.iloc[5, 0] == x.iloc[4]
    ahead = fit.forecast(1, drivers=x.iloc[[-1]])
    odds = np.array(
        [fit.params[f"delta[{pair}].const"] + fit.params[f"delta[{pair}].x"] * x.iloc[-1] for pair in ("1,2", "2,1")]
    )
    leave = 1 / (1 + np.exp(-odds))
    now = fit.filtered_probabilities.to_numpy()[-1]
    assert ahead.probabilities.iloc[0, 1] == pytest.approx(now[0] * leave[0] + now[1] * (1 - leave[1]))
    bounds = fit.conf_int()
    half = stats.norm.isf(0.025) * fit.std_err["delta[1,2].x"]
    assert bounds.loc["delta[1,2].x", "upper"] == pytest.approx(fit.params["delta[1,2].x"] + half)


# --- densities


def test_transforms_are_uniform_under_the_model(fit, student):
    for one in (fit, student):
        for joint in (False, True):
            u = one.pit(joint)
            assert u.shape == (700, 2)
            for name in u:
                assert stats.kstest(u[name], "uniform").pvalue > 0.01
            np.testing.assert_allclose(stats.norm.cdf(one.generalized_residuals(joint)), u, atol=1e-9)
        np.testing.assert_allclose(
            one.pit(True)["A"], one.pit()["A"], atol=1e-12
        )  # the first column has none before it
    # each on its own they keep the correlation, jointly they do not
    alone, jointly = fit.generalized_residuals(), fit.generalized_residuals(joint=True)
    assert alone.corr().iloc[0, 1] > 0.3
    assert abs(jointly.corr().iloc[0, 1]) < 0.1


@pytest.mark.parametrize("student_law", [False, True])
def test_rosenblatt_is_the_integral_of_the_conditional_density(student_law):
    rng = np.random.default_rng(8)
    y = rng.standard_normal((4, 3))
    emission = GaussianEmission(y, ("a", "b", "c"), 2, student=student_law)
    corr = np.array([[[1, 0.5, 0.2], [0.5, 1, -0.3], [0.2, -0.3, 1]], [[1, -0.2, 0.6], [-0.2, 1, 0.1], [0.6, 0.1, 1]]])
    theta = emission.pack(rng.standard_normal((2, 3)) / 3, rng.uniform(0.5, 2, (2, 3)), corr, 5.0)
    predicted = rng.dirichlet([1, 1], 4)
    found = rosenblatt(emission, theta, predicted)
    for t in range(4):

        def density(last, t=t):
            point = y.copy()
            point[t, 2] = last
            other = GaussianEmission(point, ("a", "b", "c"), 2, student=student_law)
            return float(predicted[t] @ np.exp(other.density(theta)[t]))

        below = integrate.quad(density, -np.inf, y[t, 2])[0]
        assert found[t, 2] == pytest.approx(below / integrate.quad(density, -np.inf, np.inf)[0], abs=1e-6)


def test_diagnostics_pass_the_model_and_see_what_it_leaves(fit):
    table = fit.diagnostics(lags=5)
    assert table.index.names == ["series", "test"]
    assert len(table) == 9
    assert (table["pvalue"] > 0.005).all()
    # one regime's worth of data fitted by a common covariance leaves the volatility in the squares
    blind = MarkovCovariance(k=2, volatility="common", mean="zero").fit(draw()[0], starts=3, cov_type="none")
    seen = blind.diagnostics()["pvalue"]
    assert seen["A", "Ljung-Box, squares"] < 1e-4
    box = table.loc[("A", "Ljung-Box"), "statistic"]
    u = fit.generalized_residuals(joint=True)["A"].to_numpy()
    e = u - u.mean()
    r = np.array([e[h:] @ e[:-h] for h in range(1, 6)]) / (e @ e)
    assert box == pytest.approx(700 * 702 * np.sum(r**2 / (700 - np.arange(1, 6))), rel=1e-10)
    for lags in (0, 400, 2.5):
        with pytest.raises(SpecError, match="lags"):
            fit.diagnostics(lags)


def test_berkowitz_is_a_likelihood_ratio():
    rng = np.random.default_rng(1)
    u = rng.standard_normal(300)
    result = berkowitz_test(u)
    x = np.column_stack([np.ones(299), u[:-1]])
    coefficients, rest, *_ = np.linalg.lstsq(x, u[1:], rcond=None)
    sd = np.sqrt(rest[0] / 299)
    free = stats.norm.logpdf(u[1:], x @ coefficients, sd).sum()
    assert result.statistic == pytest.approx(2 * (free - stats.norm.logpdf(u[1:]).sum()), rel=1e-9)
    assert result.pvalue == pytest.approx(stats.chi2.sf(result.statistic, 3))
    assert result.detail["sigma"] == pytest.approx(sd)
    for wrong in (u + 0.3, 1.3 * u, np.convolve(u, [1, 0.4], "valid") / np.hypot(1, 0.4)):
        assert berkowitz_test(pd.Series(wrong)).pvalue < 0.01
    draws = np.random.default_rng(3).standard_normal((400, 200))
    rate = np.mean([berkowitz_test(row).pvalue < 0.05 for row in draws])
    assert 0.02 < rate < 0.09
    for bad, text in (
        (u[:10], "20"),
        (np.ones(50), "constant"),
        (np.append(u, np.nan), "not finite"),
        (u[:, None], "shape"),
    ):
        with pytest.raises(DataError, match=text):
            berkowitz_test(bad)


# --- text


def test_json_gives_every_kind_of_fit_back(fit, student, driven):
    single = MarkovCovariance(k=2).fit(draw()[0]["A"], starts=3)
    for one in (fit, student, driven[0], single):
        text = one.to_json()
        back = RegimeFit.from_json(text)
        assert back.spec == one.spec
        assert back.names == one.names
        assert str(back.summary()) == str(one.summary())
        pd.testing.assert_frame_equal(back.smoothed_probabilities, one.smoothed_probabilities, check_freq=False)
        pd.testing.assert_frame_equal(back.cov, one.cov)
        pd.testing.assert_frame_equal(back.diagnostics(), one.diagnostics())
        assert back.n_best_replicated == one.n_best_replicated
        assert back.to_json() == text
    assert json.loads(json.dumps(fit.to_dict()))["names"] == list(fit.params.index)
    assert spec_from_dict(json.loads(json.dumps(student.spec.to_dict()))) == student.spec
    with pytest.raises(SpecError, match="model"):
        spec_from_dict({"model": "Markov"})


@pytest.mark.parametrize("name", ["MarkovRegression", "MarkovVAR", "MSGARCH", "MSDCC", "DurationDependence"])
@pytest.mark.filterwarnings(
    "ignore::cryptoequity.errors.BoundaryWarning", "ignore::cryptoequity.errors.ConvergenceWarning"
)
def test_other_models_keep_their_text_and_filter(name, sample):
    home = {"MarkovRegression": "regression", "MarkovVAR": "vector", "DurationDependence": "duration"}
    module = importlib.import_module(f"cryptoequity.regimes.{home.get(name, name.lower())}")
    data = sample[0]["A"] if name in ("MarkovRegression", "MSGARCH") else sample[0]
    one = getattr(module, name)().fit(data, starts=2)
    back = RegimeFit.from_json(one.to_json())
    assert type(back) is type(one)
    assert str(back.summary()) == str(one.summary())
    np.testing.assert_allclose(back.smoothed_probabilities, one.smoothed_probabilities, atol=1e-12)
    assert one.filter(data).loglikelihood == pytest.approx(one.loglikelihood, abs=1e-8)
    assert one.diagnostics().shape[1] == 2


def test_generators_are_no_obstacle_to_json(sample):
    one = MarkovCovariance(k=2).fit(sample[0], starts=2, rng=np.random.default_rng(3))
    assert RegimeFit.from_json(one.to_json()).loglikelihood == one.loglikelihood


def test_values_survive_the_text():
    frame = pd.DataFrame({"a": [1.5, np.nan], "b": [1, 2]}, pd.Index([3, 4], name="n"))
    dates = pd.Series([0.1, 0.2], pd.to_datetime(["2020-01-01", "2020-01-02"]), name="x")
    for value in (None, True, 3, 0.1, "t", (1, "a", None), [1.0, (2,)], {"a": (1, 2)}, np.arange(6).reshape(2, 3)):
        back = decode(json.loads(json.dumps(encode(value))))
        np.testing.assert_equal(back, value)
        assert type(back) is type(value)
    pd.testing.assert_frame_equal(decode(json.loads(json.dumps(encode(frame)))), frame)
    pd.testing.assert_series_equal(decode(json.loads(json.dumps(encode(dates)))), dates)
    assert encode(np.float64(2.5)) == 2.5
    with pytest.raises(SpecError, match="no JSON form"):
        encode(object())
    with pytest.raises(SpecError, match="index"):
        encode(pd.Series([1.0], pd.PeriodIndex(["2020-01"], freq="M")))


def test_summaries_say_what_matters(fit):
    text = str(fit.summary())
    for piece in ("MarkovCovariance-normal, 2 regimes: A, B", "expected durations", "long-run shares", "4 starts"):
        assert piece in text
    assert text == str(fit.summary())
    assert "Hamilton" in fit.cite()


# --- new data


def test_filtering_new_data(fit, driven, sample):
    returns, _ = sample
    same = fit.filter(returns)
    pd.testing.assert_frame_equal(same.filtered_probabilities, fit.filtered_probabilities)
    assert same.loglikelihood == pytest.approx(fit.loglikelihood, abs=1e-9)
    assert same.optimum is None
    pd.testing.assert_series_equal(same.std_err, fit.std_err)
    # more dates, columns in another order: the past is what it was
    half = MarkovCovariance(k=2).fit(returns.iloc[:400], starts=3)
    whole = half.filter(returns[["B", "A"]])
    assert whole.nobs == 700
    np.testing.assert_allclose(whole.filtered_probabilities.iloc[:400], half.filtered_probabilities, atol=1e-12)
    np.testing.assert_allclose(
        whole.predicted_probabilities.iloc[400], half.forecast(1).probabilities.iloc[0], atol=1e-12
    )
    other, x = driven
    again = other.filter(returns, drivers=x)
    np.testing.assert_allclose(again.smoothed_probabilities, other.smoothed_probabilities, atol=1e-12)
    with pytest.raises(SpecError, match="other parameters"):
        other.filter(returns)
    with pytest.raises(SpecError, match="other parameters"):
        fit.filter(returns.rename(columns={"A": "C"}))
    with pytest.raises(DataError, match="too few"):
        fit.filter(returns.iloc[:30])
    with pytest.raises(SpecError, match="filtered path"):
        same.to_json()
    # a fit after a filter searches as ever
    assert MarkovCovariance(k=2).fit(returns, starts=2).optimum is not None
    assert ce.MarkovCovariance is MarkovCovariance
