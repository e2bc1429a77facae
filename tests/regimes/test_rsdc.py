"""RSDC: errors against differences of the stacked moments, paths, forecasts and filters, the edge, refusals."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cryptoequity as ce
from cryptoequity.errors import BoundaryWarning, DataError, SpecError
from cryptoequity.regimes import RSDC, RegimeFit, RSDCFit
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.gaussian import GaussianEmission
from cryptoequity.regimes.likelihood import RegimeLikelihood, begin, climb_regimes, run_em
from cryptoequity.regimes.rsdc import RSDCLikelihood
from cryptoequity.regimes.rsdc_fit import emission_of, mean_forecast
from cryptoequity.regimes.scaled import ScaledEmission
from cryptoequity.regimes.spec import make_chain, regime_covariance, reorder
from cryptoequity.volatility.garch import simulate_margin
from cryptoequity.volatility.likelihood import MarginLikelihood

GARCH = np.array([0.05, 0.05, 0.08, 0.88])


def correlated(states, rhos, rng, nu=6.0, n=2):
    """Shocks (T, n) with the same correlation between all columns, by regime."""
    u = rng.standard_normal((states.size, n))
    if nu:
        u *= np.sqrt((nu - 2.0) / rng.chisquare(nu, states.size))[:, None]
    factors = np.stack([np.linalg.cholesky(np.eye(n) + rho * (np.ones((n, n)) - np.eye(n))) for rho in rhos])
    return np.einsum("tij,tj->ti", factors[states], u)


def frame(z, names="ABCDE"):
    columns = [simulate_margin(ce.GARCH(), GARCH, np.ascontiguousarray(c), 1.2)[0] for c in z.T]
    dates = pd.bdate_range("2016-01-04", periods=len(z))
    return pd.DataFrame(np.column_stack(columns), dates, list(names[: z.shape[1]]))


def chain_of_states(nobs, leave, rng):
    """States and the odds' driver; ``leave`` (2,) are probabilities, or (2, 2) coefficients of (1, x)."""
    x = np.zeros(nobs)
    for t in range(1, nobs):
        x[t] = 0.9 * x[t - 1] + np.sqrt(0.19) * rng.standard_normal()
    leave = np.asarray(leave)
    states = np.zeros(nobs, int)
    for t in range(1, nobs):
        now = states[t - 1]
        chance = leave[now] if leave.ndim == 1 else 1 / (1 + np.exp(-leave[now] @ [1.0, x[t - 1]]))
        states[t] = 1 - now if rng.random() < chance else now
    return states, x


@pytest.fixture(scope="module")
def switching():
    rng = np.random.default_rng(7)
    states, x = chain_of_states(900, [[-4.0, 1.0], [-3.5, -0.5]], rng)
    returns = frame(correlated(states, [0.1, 0.75], rng))
    return returns, pd.Series(x, returns.index, name="x"), states


@pytest.fixture(scope="module")
def margins(switching):
    return ce.fit_margins(switching[0])


@pytest.fixture(scope="module")
def plain(margins):
    return RSDC().fit(margins, starts=4)


@pytest.fixture(scope="module")
def driven(switching, margins):
    return RSDC().fit(margins, drivers=switching[1], starts=4)


@pytest.fixture(scope="module")
def scaled():
    rng = np.random.default_rng(3)
    states, _ = chain_of_states(1200, [0.01, 0.015], rng)
    gamma = np.array([[1.0, 0.7, 0.5], [0.7, 1.0, -0.2], [0.5, -0.2, 1.0]])
    weak = 0.2 * gamma + 0.8 * np.eye(3)
    u = rng.standard_normal((1200, 3))
    z = np.einsum("tij,tj->ti", np.stack([np.linalg.cholesky(weak), np.linalg.cholesky(gamma)])[states], u)
    returns = frame(z)
    fitted = ce.fit_margins(returns)
    return RSDC(structure="scaled", dist="normal").fit(fitted, starts=4), fitted, gamma


# --- errors


def pieces(fit):
    """Margins' likelihoods and the number of their parameters, and a function from margins' parameters to step two."""
    liks = [MarginLikelihood(m.spec, m.returns.to_numpy(float), m.hold_back) for m in fit.margins.fits]
    sizes = [lik.layout.size for lik in liks]

    def second(theta):
        columns, at = [], 0
        for lik, size in zip(liks, sizes, strict=True):
            _, variance, resid, _, _ = lik.filter(theta[at : at + size], 0)
            columns.append(resid / np.sqrt(variance))
            at += size
        z = np.column_stack(columns)
        structure = "scaled" if isinstance(fit.emission, ScaledEmission) else "full"
        emission = emission_of(z, fit.names, fit.k, structure=structure, student=fit.emission.student)
        return RSDCLikelihood(emission, fit.chain)

    return liks, sizes, second


@pytest.mark.parametrize("which", ["plain", "driven"])
def test_the_effect_of_the_margins_is_that_of_differences(which, request):
    fit = request.getfixturevalue(which)
    _, sizes, second = pieces(fit)
    by_margin, _ = fit.likelihood.by_margins(fit.theta, [m.dz for m in fit.margins.fits])
    first = fit.estimate.theta[: sum(sizes)]
    slope = np.empty(first.size)
    for a in range(first.size):
        step = 1e-5 * max(abs(first[a]), 1e-2)
        ends = []
        for sign in (1, -1):
            point = first.copy()
            point[a] += sign * step
            ends.append(second(point).infer(fit.theta).loglik.sum())
        slope[a] = (ends[0] - ends[1]) / (2 * step)
    at = 0
    for margin, own, size in zip(fit.margins.fits, by_margin, sizes, strict=True):
        # ours is by the box coordinates of the margin
        np.testing.assert_allclose(own, slope[at : at + size] @ margin.part.jacobian, rtol=2e-5, atol=1e-3)
        at += size


@pytest.mark.parametrize("which", ["plain", "driven", "scaled"])
def test_errors_are_those_of_the_stacked_moments(which, request):
    """A by differences of all moments in all parameters, in the model's own coordinates: no box, no adjoint."""
    fit = request.getfixturevalue(which)
    fit = fit[0] if which == "scaled" else fit
    liks, sizes, second = pieces(fit)
    theta = fit.estimate.theta
    cut = sum(sizes)

    def moments(point):
        parts, at = [], 0
        for lik, size in zip(liks, sizes, strict=True):
            parts.append(lik.evaluate(point[at : at + size], 1)[1])
            at += size
        parts.append(second(point[:cut]).evaluate(point[cut:], 1)[1])
        return np.column_stack(parts)

    def mean_slope(a):
        step = 2e-5 * max(abs(theta[a]), 1e-2)
        ends = []
        for sign in (1, -1):
            point = theta.copy()
            point[a] += sign * step
            ends.append(moments(point).mean(axis=0))
        return (ends[0] - ends[1]) / (2 * step)

    bread = np.stack([mean_slope(a) for a in range(theta.size)], axis=1)
    own = moments(theta)
    left = np.linalg.solve(bread, own.T @ own / len(own))
    cov = np.linalg.solve(bread, left.T) / len(own)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.estimate.cov)), np.sqrt(np.diag(cov)), rtol=3e-3)
    scale = np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    assert np.abs((fit.estimate.cov - cov) / scale).max() < 5e-3


def test_errors_without_the_margins_are_those_of_the_second_step(plain, margins):
    classic = RSDC().fit(margins, starts=4, cov_type="classic")
    alone, _ = regime_covariance(classic.likelihood, classic.optimum, "classic", None)
    size = len(classic.theta)
    np.testing.assert_allclose(classic.estimate.cov[-size:, -size:], alone, rtol=1e-10)
    assert not np.allclose(plain.estimate.cov[-size:, -size:], alone, rtol=1e-3)
    hac = RSDC().fit(margins, starts=4, cov_type="hac", hac_lags=5)
    assert not np.allclose(hac.estimate.cov, plain.estimate.cov, rtol=1e-3)
    np.testing.assert_array_equal(hac.theta, plain.theta)


def test_new_numbers_permute_estimates_errors_and_probabilities_together(switching):
    returns, x, _ = switching
    z = ce.fit_margins(returns).std_resid.to_numpy()
    spec = RSDC(k=3)
    chain, _ = make_chain(spec, returns.index, x)
    lik = RSDCLikelihood(spec.emission(z, ("A", "B")), chain)
    optimum, _ = climb_regimes(lik, 4)
    ranked = reorder(lik, optimum)
    order = np.array([2, 0, 1])
    where = np.concatenate([lik.emission.relabel(order), lik.inside + lik.chain.relabel(order)])
    theta = ranked.theta[where]
    other = replace(
        ranked, theta=theta, box=lik.layout.box(theta), pinned=tuple(np.array(ranked.pinned)[where].tolist())
    )
    one, _ = regime_covariance(lik, ranked, "robust", None)
    two, _ = regime_covariance(lik, other, "robust", None)
    np.testing.assert_allclose(np.sqrt(np.diag(two)), np.sqrt(np.diag(one))[where], rtol=1e-5)
    np.testing.assert_allclose(lik.infer(theta).filtered, lik.infer(ranked.theta).filtered[:, order], atol=1e-10)
    again = reorder(lik, other)
    np.testing.assert_allclose(again.theta, ranked.theta, atol=1e-12)


# --- what it finds


def test_it_finds_the_regimes(plain, driven, switching):
    states = switching[2]
    for fit in (plain, driven):
        assert fit.converged
        assert fit.n_degenerate == 0
        found = fit.correlations().to_numpy()[0]
        np.testing.assert_allclose(found, [0.1, 0.75], atol=3 * 0.06)
        assert np.mean(fit.viterbi() - 1 == states) > 0.8
        assert (np.diff(found) > 0).all()
    assert driven.loglikelihood > plain.loglikelihood
    assert driven.estimate.free_count == plain.estimate.free_count + 2
    for text in ("corr[1].A,B", "delta[1,2].x", "A.alpha"):
        assert text in driven.params.index


def test_columns_may_change_places(switching, plain):
    returns, _, _ = switching
    other = RSDC().fit(returns[["B", "A"]], starts=4)
    assert other.loglikelihood == pytest.approx(plain.loglikelihood, abs=1e-5)
    np.testing.assert_allclose(other.smoothed_probabilities, plain.smoothed_probabilities, atol=1e-4)


@pytest.mark.filterwarnings("ignore::cryptoequity.errors.BoundaryWarning")
def test_normal_densities_turn_fat_tails_into_regimes_of_two_days():
    returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    margins = ce.fit_margins(returns)
    normal = RSDC(dist="normal").fit(margins, starts=8)
    student = RSDC(dist="t").fit(margins, starts=8)
    # a mixture of normals is what a t density is: the regimes of the first are its tails
    assert (normal.expected_durations()["duration"] < 5).all()
    assert (student.expected_durations()["duration"] > 200).all()
    assert student.loglikelihood > normal.loglikelihood + 20
    spells = student.regime_dates(min_length=60)
    assert len(spells) <= 5
    first = spells["last"].iloc[0]  # the sample's correlation steps up on 2020-03-16
    assert abs(returns.index.get_loc(first) - returns.index.get_loc("2020-03-16")) < 20
    low, high = student.correlations().to_numpy()[0]
    assert low < 0.2
    assert high > 0.35


# --- scaled correlations


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(2, 3), st.booleans())
def test_scaled_slopes_are_differences_and_em_never_falls(seed, n, k, student):
    rng = np.random.default_rng(seed)
    z = rng.standard_t(6, (80, n))
    emission = ScaledEmission(z, tuple("abcd"[:n]), k, student=student)
    chain = Chain(k, np.ones((80, 1)))
    lik = RegimeLikelihood(emission, chain)
    start = begin(lik, next(emission.splits(1, rng)))
    theta = lik.split(start)[0]
    theta[: emission.rows.size] *= 0.8
    theta[emission.rows.size : emission.rows.size + k - 1] = rng.uniform(0.1, 0.9, k - 1)
    slopes = emission.slopes(theta)
    for a in range(theta.size):
        step = 1e-6 * max(1.0, abs(theta[a]))
        ends = [emission.density(theta + sign * step * np.eye(theta.size)[a]) for sign in (1, -1)]
        difference = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(slopes[:, :, a], difference, atol=1e-5 * (1 + np.abs(difference).max()))
    path = run_em(lik, start, np.full(k, 1 / k), 12).path
    assert path.size < 2 or np.diff(path).min() > -1e-9 * abs(path[-1])


def test_two_columns_of_one_sign_are_the_free_model():
    rng = np.random.default_rng(11)
    margins = ce.fit_margins(frame(correlated(np.repeat([0, 1, 0, 1], 200), [0.3, 0.85], rng)))
    plain = RSDC().fit(margins, starts=4)
    fit = RSDC(structure="scaled").fit(margins, starts=4)
    assert fit.loglikelihood == pytest.approx(plain.loglikelihood, abs=1e-6)
    np.testing.assert_allclose(fit.correlations(), plain.correlations(), atol=1e-4)
    gamma = fit.params["corr.A,B"]
    assert fit.strengths.to_list() == pytest.approx([fit.params["lambda[1]"], 1.0])
    assert gamma * fit.params["lambda[1]"] == pytest.approx(plain.params["corr[1].A,B"], abs=1e-4)
    # the error of the product by the delta method is that of the free correlation
    names = ["corr.A,B", "lambda[1]"]
    slope = np.array([fit.params["lambda[1]"], gamma])
    error = np.sqrt(slope @ fit.cov.loc[names, names].to_numpy() @ slope)
    assert error == pytest.approx(plain.std_err["corr[1].A,B"], rel=1e-2)
    with pytest.raises(SpecError, match="matrix of its own"):
        _ = plain.strengths


def test_three_columns_of_one_shape(scaled):
    fit, margins, gamma = scaled
    full = RSDC(dist="normal").fit(margins, starts=4)
    assert full.loglikelihood > fit.loglikelihood > full.loglikelihood - 8  # two parameters more, none of them needed
    assert full.estimate.free_count == fit.estimate.free_count + 2
    rows, cols = np.triu_indices(3, 1)
    np.testing.assert_allclose(fit.correlations()["regime 2"], gamma[rows, cols], atol=0.1)
    assert fit.strengths["regime 1"] == pytest.approx(0.2, abs=0.15)
    assert (np.linalg.eigvalsh(fit.regime_correlations()) > 0).all()
    with pytest.raises(ValueError, match="strongest"):
        fit.emission.relabel(np.array([1, 0]))


def test_a_regime_without_correlation_sits_on_the_bound():
    rng = np.random.default_rng(1)
    states = np.repeat([0, 1, 0, 1], 250)
    z = correlated(states, [0.0, 0.7], rng, n=3)
    z[states == 0, 2] -= 0.05 * z[states == 0, 0]  # of the other sign, if anything
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        fit = RSDC(structure="scaled").fit(frame(z), starts=4)
    assert fit.params["lambda[1]"] == 0.0
    assert np.isnan(fit.std_err["lambda[1]"])
    assert "lambda[1]" in fit.at_bound
    assert np.isfinite(fit.std_err[["corr.A,B", "nu", "p[1,2]"]]).all()


# --- paths, forecasts, filters


def test_paths_are_mixtures_of_the_regimes(plain, driven):
    for fit in (plain, driven):
        low, high = fit.correlations().to_numpy()[0]
        for kind in ("predicted", "filtered", "smoothed"):
            p = fit.probabilities(kind)["regime 2"]
            path = fit.correlation("A", "B", kind)
            np.testing.assert_allclose(path, low + (high - low) * p, atol=1e-12)
            cov = fit.conditional_covariance(kind)
            sigma = fit.volatility.to_numpy()
            np.testing.assert_allclose(cov[:, 0, 1], path * sigma[:, 0] * sigma[:, 1], rtol=1e-12)
            np.testing.assert_allclose(cov[:, 1, 1], sigma[:, 1] ** 2, rtol=1e-12)
        np.testing.assert_allclose(
            fit.returns, fit.conditional_mean() + fit.volatility * fit.std_resid, rtol=1e-10, atol=1e-12
        )
        date = fit.index[17]
        np.testing.assert_allclose(fit.covariance_at(date), fit.conditional_covariance()[17], rtol=1e-12)
        assert fit.loglik_obs.sum() == pytest.approx(fit.loglikelihood, abs=1e-8)
        with pytest.raises(SpecError, match="no column 'Z'"):
            fit.correlation("A", "Z")
        with pytest.raises(SpecError, match="kind"):
            fit.correlation("A", "B", "past")


def test_filtering_the_sample_gives_the_fit_and_more_data_do_not_change_the_past(switching, driven, plain):
    returns, x, _ = switching
    same = driven.filter(returns, drivers=x)
    assert isinstance(same, RSDCFit)
    np.testing.assert_allclose(same.filtered_probabilities, driven.filtered_probabilities, atol=1e-12)
    assert same.loglikelihood == pytest.approx(driven.loglikelihood, abs=1e-9)
    assert same.optimum is None
    assert same.std_err.equals(driven.std_err)
    part = RSDC().fit(returns.iloc[:700], drivers=x.iloc[:700], starts=3)
    whole = part.filter(returns, drivers=x)
    # the back-cast of the first variance takes the sample's mean out: forgotten after some hundred dates
    np.testing.assert_array_equal(whole.inference.first, part.inference.first)
    past = part.index[450:]
    np.testing.assert_allclose(whole.volatility.loc[past], part.volatility.loc[past], rtol=1e-8)
    np.testing.assert_allclose(whole.filtered_probabilities.loc[past], part.filtered_probabilities.loc[past], atol=1e-7)
    # tomorrow's forecast is what the filter says a day later: drivers are lagged, so row 700 holds x of day 699
    ahead = part.forecast(1, drivers=x.iloc[[699]])
    assert isinstance(ahead.volatility, pd.DataFrame)
    np.testing.assert_allclose(ahead.probabilities.iloc[0], whole.predicted_probabilities.iloc[700], atol=1e-8)
    np.testing.assert_allclose(ahead.volatility.iloc[0], whole.volatility.iloc[700], rtol=1e-8)
    np.testing.assert_allclose(ahead.covariance[0], whole.conditional_covariance()[700], rtol=1e-7)
    np.testing.assert_allclose(ahead.mean.iloc[0], whole.conditional_mean().iloc[700], atol=1e-10)
    with pytest.raises(DataError, match="'B' of the fit"):
        plain.filter(returns[["A"]])
    with pytest.raises(SpecError, match="filter takes"):
        plain.filter(returns, hold=3)
    with pytest.raises(SpecError, match="other parameters"):
        plain.filter(returns, drivers=x)
    with pytest.raises(SpecError, match="filtered path"):
        same.to_json()


def test_forecasts_follow_the_chain(plain):
    p = plain.transition_matrix.to_numpy()
    now = plain.filtered_probabilities.to_numpy()[-1]
    out = plain.forecast(6)
    low, high = plain.correlations().to_numpy()[0]
    for h in range(6):
        law = now @ np.linalg.matrix_power(p, h + 1)
        np.testing.assert_allclose(out.probabilities.iloc[h], law, atol=1e-12)
        assert out.correlation.iloc[h, 0] == pytest.approx(law @ [low, high], abs=1e-12)
    np.testing.assert_allclose(out.volatility["A"] ** 2, plain.margins["A"].variance_forecast(6), rtol=1e-12)
    drawn = plain.forecast(6, method="simulation", paths=3000, rng=0)
    np.testing.assert_allclose(drawn.covariance, out.covariance, rtol=0.05, atol=0.02)
    np.testing.assert_allclose(drawn.volatility, out.volatility, rtol=0.03)
    for bad, text in (
        (dict(horizon=0), "horizon"),
        (dict(method="Q"), "method"),
        (dict(horizon=2, method="simulation"), "rng"),
        (dict(horizon=2, method="simulation", rng=0, paths=0), "paths"),
    ):
        with pytest.raises(SpecError, match=text):
            plain.forecast(**bad)


def test_forecasts_need_the_drivers(driven):
    with pytest.raises(SpecError, match="give drivers="):
        driven.forecast(2)
    with pytest.raises(SpecError, match=r"\(2, 1\)"):
        driven.forecast(2, drivers=pd.Series([1.0]))
    out = driven.forecast(2, drivers=pd.Series([0.0, 3.0]), method="simulation", paths=50, rng=1)
    assert out.covariance.shape == (2, 2, 2)


def test_forecasts_of_autoregressive_means(switching):
    returns = switching[0]["A"]
    margin = ce.fit_margins(returns.to_frame(), ce.GARCH(mean="ar", lags=2)).fits[0]
    const, one, two = margin.estimate.theta[:3]
    y = returns.to_numpy()
    first = const + one * y[-1] + two * y[-2]
    np.testing.assert_allclose(mean_forecast(margin, 2), [first, const + one * first + two * y[-1]], rtol=1e-12)
    zero = ce.fit_margins(returns.to_frame(), ce.GARCH(mean="zero")).fits[0]
    assert (mean_forecast(zero, 3) == 0).all()


def test_simulated_returns_have_the_parameters(plain, driven):
    returns, regimes = plain.simulate(6000, rng=3)
    assert set(regimes) == {1, 2}
    assert returns.shape == (6000, 2)
    filtered = plain.filter(returns)
    # residuals of the simulated returns have unit variance and the correlations of the regimes drawn
    z = filtered.std_resid.to_numpy()
    np.testing.assert_allclose((z**2).mean(axis=0), 1.0, atol=0.15)
    for j in (1, 2):
        own = z[regimes.to_numpy() == j]
        assert np.corrcoef(own.T)[0, 1] == pytest.approx(plain.correlations().iloc[0, j - 1], abs=0.12)
    one, _ = driven.simulate(rng=5)
    two, _ = driven.simulate(rng=5)
    assert one.equals(two)
    assert one.index.equals(driven.index)
    with pytest.raises(SpecError, match="drivers are known"):
        driven.simulate(5000, rng=0)


def test_bands_hold_the_path_and_widen_with_the_level(plain, driven):
    for fit, kind in ((plain, "predicted"), (driven, "smoothed")):
        band = fit.correlation_band("A", "B", kind=kind, draws=80, rng=0)
        wide = fit.correlation_band("B", "A", kind=kind, draws=80, rng=0, level=0.99)
        assert (band["lower"] <= band["upper"]).all()
        assert band.attrs["draws"] == 80
        assert ((band["estimate"] > band["lower"]) & (band["estimate"] < band["upper"])).mean() > 0.9
        assert (wide["upper"] - wide["lower"]).mean() > (band["upper"] - band["lower"]).mean()
        np.testing.assert_allclose(band["estimate"], fit.correlation("A", "B", kind))
    again = plain.correlation_band("A", "B", draws=80, rng=0)
    pd.testing.assert_frame_equal(again, plain.correlation_band("A", "B", draws=80, rng=0))
    with pytest.raises(SpecError, match="itself"):
        plain.correlation_band("A", "A")
    with pytest.raises(SpecError, match="level"):
        plain.correlation_band("A", "B", level=1.0)
    with pytest.raises(SpecError, match="noise"):
        plain.correlation_band("A", "B", draws=10)


def test_bands_are_as_wide_as_the_errors_say(plain):
    """At the date with the surest regime the path is that regime's correlation, and so is its error."""
    band = plain.correlation_band("A", "B", draws=800, rng=1, kind="smoothed")
    sure = plain.smoothed_probabilities["regime 2"].idxmax()
    half = 0.5 * (band.loc[sure, "upper"] - band.loc[sure, "lower"])
    assert half == pytest.approx(1.96 * plain.std_err["corr[2].A,B"], rel=0.35)


@pytest.mark.parametrize("which", ["plain", "driven", "scaled"])
def test_json_gives_the_fit_back(which, request):
    fit = request.getfixturevalue(which)
    fit = fit[0] if which == "scaled" else fit
    back = RegimeFit.from_json(fit.to_json())
    assert type(back) is RSDCFit
    assert back.spec == fit.spec
    assert str(back.summary()) == str(fit.summary())
    pd.testing.assert_frame_equal(back.cov, fit.cov)
    np.testing.assert_allclose(back.smoothed_probabilities, fit.smoothed_probabilities, atol=1e-12)
    pd.testing.assert_index_equal(back.index, fit.index)
    assert back.to_json() == fit.to_json()
    assert "Pelletier" in back.cite()
    assert "Bollerslev" in back.cite()


# --- the edge


def test_correlations_close_to_one_are_estimated_or_refused():
    rng = np.random.default_rng(0)
    states = np.repeat([0, 1, 0, 1], 200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        close = RSDC().fit(frame(correlated(states, [0.2, 0.995], rng)), starts=4)
    assert 0.98 < close.params["corr[2].A,B"] < 0.9999
    assert np.isfinite(close.loglikelihood)
    z = correlated(states, [0.2, 0.5], rng)
    z[states == 1, 1] = z[states == 1, 0]  # a regime in which the two are one series
    margins = ce.fit_margins(frame(z, "AB"), ce.GARCH(mean="zero"))
    exact = replace(margins, std_resid=pd.DataFrame(z, margins.std_resid.index, ["A", "B"]))
    with pytest.warns(BoundaryWarning, match=r"corr\[2\]"):
        fit = RSDC().fit(exact, starts=4)
    assert fit.params["corr[2].A,B"] == pytest.approx(0.9999)
    assert np.isnan(fit.std_err["corr[2].A,B"])
    assert np.isfinite(fit.std_err[["corr[1].A,B", "p[1,2]", "p[2,1]"]]).all()


def test_a_regime_that_is_never_left_has_a_probability_of_zero_and_no_error_for_it():
    rng = np.random.default_rng(2)
    states = (np.arange(900) >= 450).astype(int)
    margins = ce.fit_margins(frame(correlated(states, [0.05, 0.8], rng)))
    with pytest.warns(BoundaryWarning, match=r"p\[2,1\]"):
        fit = RSDC(initial="estimated").fit(margins, starts=4)
    assert fit.params["p[2,1]"] == 0.0
    assert np.isnan(fit.std_err["p[2,1]"])
    assert fit.at_bound == ("p[2,1]",)
    rest = fit.std_err.drop("p[2,1]")
    assert np.isfinite(rest).all()
    durations = fit.expected_durations()
    assert durations.loc["regime 2", "duration"] == np.inf
    assert np.isnan(durations.loc["regime 2", "upper"])
    assert durations.loc["regime 1", "lower"] > 1.0
    assert np.isnan(fit.conf_int().loc["p[2,1]"]).all()
    assert fit.inference.first.tolist() == [1.0, 0.0]
    spells = fit.regime_dates(min_length=20)
    assert spells["regime"].tolist() == [1, 2]
    assert abs(fit.index.get_loc(spells["first"][1]) - 450) < 25
    back = RegimeFit.from_json(fit.to_json())
    assert str(back.summary()) == str(fit.summary())
    # under the long-run law a sample that starts in a regime of long-run share zero is impossible
    ergodic = RSDC().fit(margins, starts=4)
    assert ergodic.params["p[2,1]"] > 0
    assert ergodic.loglikelihood < fit.loglikelihood


@pytest.fixture(scope="module")
def separated():
    rng = np.random.default_rng(4)
    states = np.repeat([0, 1, 0, 1], 225)
    returns = frame(correlated(states, [0.0, 0.9], rng))
    event = np.zeros(900)
    event[[224, 449, 674]] = 1.0  # the day before each switch, and no other day
    return ce.fit_margins(returns), pd.Series(event, returns.index, name="event")


def test_a_driver_that_separates_the_transitions_ends_on_the_bound(separated):
    margins, event = separated
    with pytest.warns(BoundaryWarning, match="delta"):
        fit = RSDC().fit(margins, drivers=event, starts=4)
    assert any("delta" in name for name in fit.at_bound)
    assert np.isfinite(fit.std_err[["corr[1].A,B", "corr[2].A,B", "nu"]]).all()
    assert np.isfinite(fit.smoothed_probabilities).all(axis=None)


def test_a_penalty_keeps_its_effect_finite(separated):
    margins, event = separated
    sizes = []
    for penalty in (0.5, 2.0):
        fit = RSDC(penalty=penalty).fit(margins, drivers=event, starts=4)
        assert not fit.at_bound
        assert np.isfinite(fit.std_err).all()
        assert fit.converged
        sizes.append(fit.params["delta[1,2].event"] * event.std())
    assert 0 < sizes[0] < sizes[1] < 4
    # the penalty is on the objective, not in the log-likelihood reported
    assert fit.loglikelihood == pytest.approx(fit.loglik_obs.sum(), abs=1e-8)


def test_short_regimes_and_samples_without_switches_give_finite_fits():
    rng = np.random.default_rng(5)
    short = np.zeros(800, int)
    short[400:415] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        one = RSDC().fit(frame(correlated(short, [0.0, 0.95], rng)), starts=4)
        none = RSDC().fit(frame(correlated(np.zeros(800, int), [0.4], rng)), starts=4)
    for fit in (one, none):
        assert np.isfinite(fit.loglikelihood)
        assert np.isfinite(fit.smoothed_probabilities).all(axis=None)
        assert (fit.smoothed_probabilities.sum() > 5).all()
    assert abs(none.correlations().to_numpy() @ none.ergodic_probabilities.to_numpy() - 0.4).max() < 0.15


def test_refusals(switching, margins):
    returns, x, _ = switching
    bad = returns.copy()
    bad.iloc[5, 0] = np.nan
    zeros = returns.copy()
    zeros.iloc[::20, 0] = 0.0
    for data, text in (
        (returns.iloc[:200], "too few"),
        (bad, "A"),
        (returns.assign(C=returns["A"]), "collinear"),
        (returns.assign(C=returns["A"] + returns["B"]), "linearly dependent"),
        (returns.assign(A=1.0), "A"),
        (zeros, "repeats"),
        (margins.select("A"), "two columns"),
    ):
        with pytest.raises(DataError, match=text):
            RSDC().fit(data)
    twice = ce.fit_margins(returns)
    copied = twice.std_resid.assign(B=twice.std_resid["A"])
    with pytest.raises(DataError, match="collinear"):
        RSDC().fit(replace(twice, std_resid=copied))
    with pytest.raises(DataError, match="constant"):
        RSDC().fit(margins, drivers=0 * x)
    with pytest.raises(DataError, match="constant"):  # its only value that moves is lagged out of the sample
        RSDC().fit(margins, drivers=pd.Series(np.eye(len(x))[-1], x.index, name="last"))
    with pytest.raises(DataError, match="'a', 'b' are collinear"):
        RSDC().fit(margins, drivers=pd.DataFrame({"a": x, "b": 1 - 2 * x}))
    with pytest.raises(DataError, match="no row for"):
        RSDC().fit(margins, drivers=x.iloc[10:])
    gap = x.copy()
    gap.iloc[3] = np.inf
    with pytest.raises(DataError, match="not finite"):
        RSDC().fit(margins, drivers=gap)
    with pytest.raises(SpecError, match="already"):
        RSDC().fit(margins, margins=ce.GARCH())
    for options, text in (
        (dict(structure="diagonal"), "structure"),
        (dict(k=1), "k=1"),
        (dict(dist="skewt"), "dist"),
        (dict(driver_lag=0), "driver_lag"),
        (dict(penalty=0.0), "penalty"),
        (dict(initial="first"), "initial"),
    ):
        with pytest.raises(SpecError, match=text):
            RSDC(**options)
    with pytest.raises(SpecError, match="starts"):
        RSDC().fit(margins, starts=0)
    with pytest.raises(SpecError, match="cov_type"):
        RSDC().fit(margins, cov_type="opg")


def test_margins_of_arch_have_paths_but_no_forecasts(switching):
    from arch import arch_model

    returns = switching[0]
    results = {name: arch_model(returns[name], rescale=False).fit(disp="off") for name in returns}
    fit = RSDC().fit(ce.fit_margins(results), starts=2)
    assert np.isfinite(fit.std_err).all()
    assert fit.correlation("A", "B").between(-1, 1).all()
    assert isinstance(fit.emission, GaussianEmission)
    assert len(fit.correlation_band("A", "B", draws=50)) == len(returns)
    for call in (fit.forecast, lambda: fit.simulate(rng=0), lambda: fit.filter(returns), fit.to_json):
        with pytest.raises(SpecError, match="arch"):
            call()


def test_regimes_that_alternate_have_probabilities_of_one():
    rng = np.random.default_rng(6)
    margins = ce.fit_margins(frame(correlated(np.arange(900) % 2, [-0.5, 0.9], rng)))
    with pytest.warns(BoundaryWarning, match=r"p\[1,2\]"):
        fit = RSDC().fit(margins, starts=8)
    assert fit.params[["p[1,2]", "p[2,1]"]].to_list() == [1.0, 1.0]
    assert np.isnan(fit.std_err[["p[1,2]", "p[2,1]"]]).all()
    assert np.isfinite(fit.std_err[["corr[1].A,B", "corr[2].A,B", "nu"]]).all()
    durations = fit.expected_durations()
    assert (durations["duration"] == 1.0).all()
    assert np.isnan(durations["lower"]).all()
    assert np.mean(fit.viterbi() - 1 == np.arange(900) % 2) == 1.0
