"""Markov VARs: names, recovery, the regression they are, exact forecasts, permutation of columns, refusals."""

import numpy as np
import pandas as pd
import pytest

from cryptoequity.errors import DataError, SpecError
from cryptoequity.regimes.covariance import MarkovCovariance
from cryptoequity.regimes.vector import MarkovVAR

FIRST = np.array([[0.5, 0.1], [0.0, 0.3]])
SECOND = np.array([[-0.2, 0.4], [0.3, 0.1]])


def simulated(nobs=1500, seed=0, switch=True):
    rng = np.random.default_rng(seed)
    state = np.zeros(nobs, int)
    for t in range(1, nobs):
        state[t] = state[t - 1] ^ (rng.random() < 0.03)
    roots = (np.linalg.cholesky([[0.5, 0.1], [0.1, 0.4]]), np.linalg.cholesky([[2.0, 1.2], [1.2, 1.5]]))
    const = (np.array([0.4, -0.2]), np.array([-0.6, 0.5]))
    y = np.zeros((nobs, 2))
    for t in range(1, nobs):
        j = state[t]
        lag = (FIRST, SECOND)[j if switch else 0]
        y[t] = const[j] + lag @ y[t - 1] + roots[j] @ rng.standard_normal(2)
    return pd.DataFrame(y, pd.bdate_range("2018-01-01", periods=nobs), ["A", "B"]), state


@pytest.fixture(scope="module")
def msiah():
    data, state = simulated()
    return MarkovVAR(coefficients="switching", covariance="switching").fit(data, starts=8), data, state


def test_krolzigs_names():
    assert MarkovVAR().name == "MSI(2)-VAR(1)"
    assert MarkovVAR(k=3, lags=2, coefficients="switching", covariance="switching").name == "MSIAH(3)-VAR(2)"
    assert MarkovVAR(form="mean", covariance="volatility", dist="t").name == "MSMH(2)-VAR(1)-t"
    assert MarkovVAR(intercept="common", coefficients="switching").name == "MSA(2)-VAR(1)"


def test_recovers_what_was_simulated(msiah):
    fit, _, state = msiah
    assert fit.converged
    for j, lag in enumerate((FIRST, SECOND), start=1):
        for a, row in enumerate("AB"):
            for b, column in enumerate("AB"):
                name = f"L1.{column}[{j}].{row}"
                assert abs(fit.params[name] - lag[a, b]) < 4 * fit.std_err[name], name
    np.testing.assert_allclose(fit.lag_matrices()[1, 0], SECOND, atol=0.15)
    np.testing.assert_allclose(fit.error_covariance()[1], [[2.0, 1.2], [1.2, 1.5]], atol=0.3)
    assert (fit.viterbi().to_numpy() - 1 == state[1:]).mean() > 0.95
    wanted = [np.abs(np.linalg.eigvals(lag)).max() for lag in fit.lag_matrices()[:, 0]]
    np.testing.assert_allclose(fit.stability(), wanted)
    assert fit.coefficients().loc[("A", "L1.B"), "regime 2"] == fit.params["L1.B[2].A"]


def test_given_the_regimes_it_is_weighted_least_squares(msiah):
    """First-order conditions: residuals weighted by smoothed probabilities are orthogonal to the regressors."""
    fit, data, _ = msiah
    smoothed = fit.smoothed_probabilities.to_numpy()
    x = np.column_stack([np.ones(len(data) - 1), data[:-1]])
    for j in range(2):
        weighted = x * smoothed[:, j, None]
        slopes = np.linalg.solve(weighted.T @ x, weighted.T @ data[1:].to_numpy()).T
        np.testing.assert_allclose(slopes[:, 1:], fit.lag_matrices()[j, 0], atol=1e-3)
        e = data[1:].to_numpy() - x @ slopes.T
        cov = (smoothed[:, j, None] * e).T @ e / smoothed[:, j].sum()
        np.testing.assert_allclose(cov, fit.error_covariance()[j], atol=2e-3)


def test_forecasts_iterate_to_the_stationary_mean(msiah):
    fit, data, _ = msiah
    ahead = fit.forecast(300)
    # stationary first moments on the event of each regime: m_j = c_j pi_j + A_j sum_i p_ij m_i
    p, share = fit.transition_matrix.to_numpy(), fit.ergodic_probabilities.to_numpy()
    lags = fit.lag_matrices()[:, 0]
    const = fit.coefficients().xs("const", level="regressor").to_numpy().T
    system = np.eye(4)
    for j in range(2):
        for i in range(2):
            system[2 * j : 2 * j + 2, 2 * i : 2 * i + 2] -= p[i, j] * lags[j]
    m = np.linalg.solve(system, (const * share[:, None]).ravel()).reshape(2, 2).sum(axis=0)
    np.testing.assert_allclose(ahead.mean.iloc[-1], m, atol=1e-8)
    assert ahead.covariance.shape == (300, 2, 2)
    assert (np.linalg.eigvalsh(ahead.covariance) > 0).all()
    np.testing.assert_allclose(ahead.covariance[-1], np.cov(data.T), rtol=0.25)
    assert (ahead.correlation.abs() < 1).all().all()


def test_columns_may_come_in_any_order():
    data, _ = simulated(500)
    model = MarkovVAR(covariance="switching")
    one, other = model.fit(data, starts=5), model.fit(data[["B", "A"]], starts=5)
    assert other.loglikelihood == pytest.approx(one.loglikelihood, abs=1e-5)
    assert other.params["L1.A.B"] == pytest.approx(one.params["L1.A.B"], abs=1e-3)


def test_the_mean_form():
    """A mean that jumps is not an intercept that does; each wins on its own data."""
    rng = np.random.default_rng(2)
    data, state = simulated(700, seed=2, switch=False)
    e = np.zeros((700, 2))
    for t in range(1, 700):
        e[t] = FIRST @ e[t - 1] + 0.5 * rng.standard_normal(2)
    jumps = pd.DataFrame(np.where(state[:, None], [2.0, 1.0], [-1.0, 0.0]) + e, data.index, data.columns)
    jumps[["A", "B"]] += 5.0
    by_mean, by_intercept = MarkovVAR(form="mean").fit(jumps, starts=6), MarkovVAR().fit(jumps, starts=6)
    assert by_mean.loglikelihood > by_intercept.loglikelihood + 10
    np.testing.assert_allclose(by_mean.lag_matrices()[0, 0], FIRST, atol=0.12)
    assert by_mean.params["mean[2].A"] == pytest.approx(7.0, abs=0.3)
    ahead = by_mean.forecast(600)
    np.testing.assert_allclose(
        ahead.mean.iloc[-1], by_mean.ergodic_probabilities @ by_mean.regime_moments().loc[["mean A", "mean B"]].T
    )


@pytest.mark.parametrize("covariance", ["volatility", "correlation"])
def test_parts_of_the_covariance_may_switch(covariance):
    data, _ = simulated(600, seed=4)
    fit = MarkovVAR(intercept="common", covariance=covariance).fit(data, starts=5, cov_type="none")
    cov = fit.error_covariance()
    sd = np.sqrt(np.einsum("kii->ki", cov))
    corr = cov[:, 0, 1] / sd.prod(axis=1)
    if covariance == "volatility":
        assert corr[0] == pytest.approx(corr[1])
        assert (sd[0] < sd[1]).all()
    else:
        np.testing.assert_allclose(sd[0], sd[1])
        assert corr[0] < corr[1]


def test_regressors_and_simulation():
    data, _ = simulated(600)
    x = pd.Series(np.random.default_rng(0).standard_normal(600), data.index, name="x")
    y = data.add(0.8 * x, axis=0)
    fit = MarkovVAR(coefficients="switching", covariance="switching").fit(y, x, starts=5)
    assert fit.exog == ("x",)
    assert abs(fit.params["x.A"] - 0.8) < 4 * fit.std_err["x.A"]
    drawn, _ = fit.simulate(rng=0)
    assert drawn.shape == (599, 2)
    assert fit.forecast(2, exog=pd.Series([0.0, 1.0])).mean.shape == (2, 2)


def test_without_dynamics_it_is_the_covariance_model():
    """With lags that cannot help, the likelihood of MSIH is close to that of switching means and covariances."""
    rng = np.random.default_rng(0)
    state = np.repeat([0, 1, 0, 1], 200)
    y = pd.DataFrame(rng.standard_normal((800, 2)) * np.where(state, 2.0, 0.7)[:, None], columns=["A", "B"])
    y.index = pd.bdate_range("2018-01-01", periods=800)
    var = MarkovVAR(covariance="switching").fit(y, starts=5)
    plain = MarkovCovariance(k=2).fit(y[1:], starts=5)
    assert 0 <= 2 * (var.loglikelihood - plain.loglikelihood) < 25
    np.testing.assert_allclose(var.smoothed_probabilities, plain.smoothed_probabilities, atol=0.2)


class TestRefusals:
    def test_options(self):
        for options, message in (
            ({"lags": 0}, "lags=0"),
            ({"covariance": "free"}, "covariance="),
            ({"intercept": "none"}, "intercept="),
            ({"coefficients": True}, "coefficients="),
        ):
            with pytest.raises(SpecError, match=message):
                MarkovVAR(**options)
        data, _ = simulated(100)
        with pytest.raises(SpecError, match="nothing switches"):
            MarkovVAR(intercept="common").fit(data)

    def test_data(self):
        data, _ = simulated(200)
        with pytest.raises(DataError, match="at least two columns"):
            MarkovVAR().fit(data[["A"]])
        with pytest.raises(DataError, match="at least"):
            MarkovVAR(lags=4, coefficients="switching", covariance="switching").fit(data[:60])
        with pytest.raises(DataError, match="linear combination"):
            MarkovVAR().fit(data.assign(C=data["A"] + data["B"]))
        with pytest.raises(DataError, match="'B' is not finite"):
            MarkovVAR().fit(data.assign(B=data["B"].where(data.index != data.index[9])))
