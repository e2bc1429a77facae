"""Drivers of the transition odds: nested fits, deltas by difference, profiles, laws under the null."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import cryptoequity as ce
from cryptoequity.errors import BoundaryWarning, DataError, SpecError
from cryptoequity.regimes import RSDC, MarkovCovariance
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.driver_tests import regime_driver_test
from cryptoequity.regimes.effects import driver_interval, expected_transitions, transition_effects
from cryptoequity.regimes.fit import draw_states
from cryptoequity.regimes.nested_chains import embed, project, rebuild

SPEC = MarkovCovariance(mean="zero", volatility="common", order_by="correlation")
THREE = MarkovCovariance(k=3)
NOBS = 1200
DATES = pd.bdate_range("2016-01-01", periods=NOBS)


def driver_of(seed, persistent=True):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(NOBS)
    if persistent:
        for t in range(1, NOBS):
            x[t] = 0.9 * x[t - 1] + np.sqrt(1 - 0.81) * x[t]
    return pd.Series(x, DATES, name="x")


def world(seed, delta, driver):
    """Returns whose correlation switches with odds that ``driver`` moves by ``delta``."""
    rng = np.random.default_rng(seed)
    z = np.column_stack([np.ones(NOBS), np.r_[driver.iloc[0], driver.to_numpy()[:-1]]])
    chain = Chain(2, z, ("const", "x"), True)
    p = chain.matrices(np.array([-3.2, delta, -3.2, -delta]))
    state = draw_states(p, np.array([0.5, 0.5]), NOBS, rng)
    rho = np.where(state, 0.9, 0.0)
    y = rng.standard_normal((NOBS, 2))
    y[:, 1] = rho * y[:, 0] + np.sqrt(1 - rho**2) * y[:, 1]
    return pd.DataFrame(y, DATES, ["A", "B"])


@pytest.fixture(scope="module")
def moved():
    """Driver, returns it moves, a second driver without effect, and the fit with both."""
    x = driver_of(1)
    y = world(2, 1.5, x)
    both = pd.concat([x, driver_of(3).rename("other")], axis=1)
    return both, y, SPEC.fit(y, drivers=both, starts=4)


@pytest.mark.parametrize("narrow_names", [("const",), ("const", "a")])
def test_a_nested_chain_is_embedded_without_loss(narrow_names):
    rng = np.random.default_rng(0)
    z = np.column_stack([np.ones(40), rng.standard_normal((40, 2))])
    wide = Chain(3, z, ("const", "a", "b"), True)
    if len(narrow_names) == 1:
        narrow = Chain(3, np.ones((40, 1)))
        theta = np.array([0.1, 0.05, 0.02, 0.03, 0.2, 0.1])
    else:
        narrow = Chain(3, z[:, :2], narrow_names, True)
        theta = rng.standard_normal(narrow.size)
    put = embed(theta, narrow, wide)
    np.testing.assert_allclose(np.broadcast_to(narrow.matrices(theta), (40, 3, 3)), wide.matrices(put), atol=1e-12)
    np.testing.assert_allclose(project(put, wide, narrow), theta, atol=1e-12)


def test_the_ratio_is_of_the_two_fits_and_finds_the_driver(moved):
    both, y, _ = moved
    found = regime_driver_test(y, SPEC, both["x"], starts=4)
    null = SPEC.fit(y, starts=4)
    fit = SPEC.fit(y, drivers=both["x"], starts=4)
    assert found.statistic == pytest.approx(2 * (fit.loglikelihood - null.loglikelihood), abs=1e-4)
    assert found.pvalue == pytest.approx(stats.chi2.sf(found.statistic, 2))
    assert found.pvalue < 1e-4
    assert found.detail["df"] == 2
    assert list(found.coefficients.index) == ["delta[1,2].x", "delta[2,1].x"]
    assert "delta[1,2].x" in str(found.summary())
    assert "Time-Varying Transition" in found.cite()
    assert found.to_frame() is found.coefficients


def test_the_wald_statistic_is_the_quadratic_form(moved):
    both, y, _ = moved
    found = regime_driver_test(y, SPEC, both["x"], method="wald", starts=4)
    names = ["delta[1,2].x", "delta[2,1].x"]
    b, v = found.fit.params[names].to_numpy(), found.fit.cov.loc[names, names].to_numpy()
    assert found.statistic == pytest.approx(b @ np.linalg.inv(v) @ b)
    z = found.coefficients["z"] ** 2
    np.testing.assert_allclose(found.by_transition["wald"], z, rtol=1e-10)


def test_one_driver_given_another_and_one_transition_given_the_other(moved):
    both, y, _ = moved
    idle = regime_driver_test(y, SPEC, both, tested=["other"], starts=4)
    assert idle.pvalue > 0.01
    assert idle.detail["df"] == 2
    busy = regime_driver_test(y, SPEC, both, tested=["x"], starts=4)
    assert busy.pvalue < 1e-4
    assert busy.null_fit.chain.names == ("const", "other")
    joint = regime_driver_test(y, SPEC, both["x"], starts=4)
    part = regime_driver_test(y, SPEC, both["x"], transitions=[(1, 2)], starts=4)
    assert part.detail["df"] == 1
    assert 0 < part.statistic < joint.statistic
    # the profile at zero is the same restricted maximum
    profile = driver_interval(joint.fit, "delta[1,2].x")
    assert (profile.lower > 0 or profile.upper < 0) == (part.statistic > profile.critical)


def test_the_bootstrap_rejects_what_is_there(moved):
    both, y, _ = moved
    found = regime_driver_test(y, SPEC, both["x"], method="bootstrap", draws=19, starts=4)
    assert found.pvalue == pytest.approx(0.05)
    assert found.draws.size == 19
    assert (found.draws > -1e-6).all()
    assert found.reference == "19 draws from the null"
    part = regime_driver_test(y, SPEC, both["x"], method="bootstrap", draws=19, starts=4, transitions=[(2, 1)])
    assert 0 < part.pvalue <= 1
    assert (part.draws > -1e-6).all()


@pytest.mark.slow
def test_draws_do_not_depend_on_workers(moved):
    both, y, _ = moved
    one, two = (
        regime_driver_test(y, SPEC, both["x"], method="bootstrap", draws=19, starts=4, n_jobs=jobs) for jobs in (1, 2)
    )
    np.testing.assert_allclose(two.draws, one.draws, atol=1e-8)


@pytest.mark.slow
def test_the_law_of_the_ratio_with_an_unrelated_driver():
    values = []
    for seed in range(60):
        x = driver_of(1000 + seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BoundaryWarning)
            values.append(regime_driver_test(world(seed, 0.0, x), SPEC, x, starts=2).statistic)
    assert min(values) > -1e-6
    assert stats.kstest(values, stats.chi2(2).cdf).pvalue > 0.001


def test_with_few_transitions_there_is_a_warning_and_a_penalty():
    x = driver_of(1)
    flag = pd.Series((np.arange(NOBS) // 40 == 7).astype(float), DATES, name="flag")
    y = world(2, 0.0, x)
    with pytest.warns(BoundaryWarning, match="transitions are expected in one cell"):
        found = regime_driver_test(y, SPEC, flag, starts=4)
    assert found.detail["smallest expected transitions"] < 5
    cells = found.cells
    assert set(cells["cell"]) == {"= 0", "= 1"}
    by = cells.groupby("transition")["expected"].sum()
    moves = found.fit.inference.smooth()[1].sum(axis=0)
    assert by["1 to 2"] == pytest.approx(moves[0, 1], rel=1e-9)
    soft = MarkovCovariance(mean="zero", volatility="common", order_by="correlation", penalty=1.0)
    with pytest.raises(SpecError, match="penalized maximum has no chi-squared"):
        regime_driver_test(y, soft, flag)
    with pytest.warns(BoundaryWarning):
        kept = regime_driver_test(y, soft, flag, method="bootstrap", draws=19, starts=2)
    assert "chi-squared p-value" not in kept.detail
    assert np.abs(kept.coefficients["estimate"]).max() < np.abs(found.coefficients["estimate"]).max()


def test_a_separated_driver_has_an_open_profile():
    x = driver_of(1)
    flag = pd.Series((np.arange(NOBS) // 40 == 7).astype(float), DATES, name="flag")
    y = world(2, 0.0, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        fit = SPEC.fit(y, drivers=flag, starts=4)
    cells = expected_transitions(fit)
    empty = cells[(cells["cell"] == "= 1") & (cells["expected"] < 0.05)]
    assert len(empty)
    i, j = empty["transition"].iloc[0].split(" to ")
    profile = driver_interval(fit, f"delta[{i},{j}].flag")
    assert profile.lower == -np.inf
    assert np.isfinite(profile.upper)


def test_the_profile_is_the_fall_of_the_held_maximum(moved):
    _, _, fit = moved
    name = "delta[1,2].other"
    profile = driver_interval(fit, name, level=0.9)
    assert profile.lower < profile.estimate < profile.upper
    error = fit.std_err[name]
    assert profile.upper - profile.lower == pytest.approx(2 * 1.645 * error, rel=0.4)
    ends = profile.profile
    assert np.interp(profile.upper, ends.index, ends) == pytest.approx(profile.critical, abs=0.05)
    assert np.interp(profile.lower, ends.index, ends) == pytest.approx(profile.critical, abs=0.05)
    assert ends.min() > -1e-3


def test_effects_are_the_chain_at_two_values_with_delta_errors(moved):
    _, _, fit = moved
    table = transition_effects(fit, {"x": (-1.0, 2.0)})
    theta = fit.likelihood.split(fit.theta)[1]
    z = np.array([1.0, np.nan, fit.chain.z[:, 2].mean()])
    ends = []
    for value in (-1.0, 2.0):
        z[1] = value
        p = fit.chain.at(theta, z[None])[0]
        law = np.linalg.matrix_power(p, 5000)[0]
        ends.append({"P[1,2]": p[0, 1], "duration[2]": 1 / (1 - p[1, 1]), "share[2]": law[1]})
    cov = fit.estimate.cov[-fit.chain.size :, -fit.chain.size :]
    for name in ends[0]:
        row = table.loc[("x", name)]
        assert row["low"] == pytest.approx(ends[0][name], rel=1e-9)
        assert row["high"] == pytest.approx(ends[1][name], rel=1e-9)
        gradient = np.empty(theta.size)
        for a in range(theta.size):
            sides = []
            for sign in (1, -1):
                other = fit.theta.copy()
                other[fit.likelihood.inside + a] += sign * 1e-5
                shifted = object.__new__(type(fit))
                shifted.__dict__.update(fit.__dict__)
                object.__setattr__(shifted, "theta", other)
                sides.append(transition_effects(shifted, {"x": (-1.0, 2.0)}).loc[("x", name), "difference"])
            gradient[a] = (sides[0] - sides[1]) / 2e-5
        assert row["std_err"] == pytest.approx(np.sqrt(gradient @ cov @ gradient), rel=1e-4)
    assert table.loc[("x", "share[2]"), "difference"] > 0.3
    assert set(expected_transitions(fit)["cell"]) == {"below the median", "above the median"}
    plain = transition_effects(fit)
    low, high = np.quantile(fit.chain.z[:, 1], [0.1, 0.9])
    assert plain.loc[("x", "P[1,2]"), "at low"] == low
    assert plain.loc[("x", "P[1,2]"), "at high"] == high


def test_correlations_of_residuals_and_three_regimes(moved):
    both, y, _ = moved
    found = regime_driver_test(y, RSDC(dist="normal"), both["x"], starts=4)
    assert found.pvalue < 1e-4
    assert np.isfinite(found.coefficients["std_err"]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        three = regime_driver_test(y, THREE, both["x"], starts=2, transitions=[(1, 2), (2, 1)])
    assert three.detail["df"] == 2
    assert len(three.by_transition) == 6


def test_refusals(moved):
    both, y, fit = moved
    with pytest.raises(SpecError, match="tested="):
        regime_driver_test(y, SPEC, both, tested=["none"])
    with pytest.raises(SpecError, match="tested="):
        regime_driver_test(y, SPEC, both, tested="x")
    with pytest.raises(SpecError, match="transitions="):
        regime_driver_test(y, SPEC, both, transitions=[(1, 1)])
    with pytest.raises(SpecError, match="method='score'"):
        regime_driver_test(y, SPEC, both, method="score")
    with pytest.raises(SpecError, match="draws=3"):
        regime_driver_test(y, SPEC, both, method="bootstrap", draws=3)
    with pytest.raises(SpecError, match="regime specification"):
        regime_driver_test(y, "RSDC", both)
    with pytest.raises(SpecError, match="pandas Series or DataFrame"):
        regime_driver_test(y, SPEC, both.to_numpy())
    with pytest.raises(DataError, match="no row for"):
        regime_driver_test(y, SPEC, both.iloc[10:])
    with pytest.raises(DataError, match="constant"):
        regime_driver_test(y, SPEC, both["x"] * 0.0)
    with pytest.raises(DataError, match="not finite"):
        regime_driver_test(y, SPEC, both["x"].where(both["x"] < 1.0))
    plain = SPEC.fit(y, starts=2, cov_type="none")
    for ask in (transition_effects, expected_transitions):
        with pytest.raises(SpecError, match="are constant"):
            ask(plain)
    with pytest.raises(SpecError, match="are constant"):
        driver_interval(plain, "delta[1,2].x")
    with pytest.raises(SpecError, match="no coefficient"):
        driver_interval(fit, "x")
    with pytest.raises(SpecError, match="level=1"):
        driver_interval(fit, "delta[1,2].x", level=1.0)
    with pytest.raises(SpecError, match="points=2"):
        driver_interval(fit, "delta[1,2].x", points=2)
    with pytest.raises(SpecError, match="no driver 'z'"):
        transition_effects(fit, {"z": (0, 1)})
    with pytest.raises(SpecError, match="two different"):
        transition_effects(fit, {"x": (1.0, 1.0)})
    with pytest.raises(SpecError, match="fitted regime model"):
        transition_effects("fit")

    class Odd:
        pass

    with pytest.raises(SpecError, match="cannot be put on simulated data"):
        rebuild(Odd(), np.zeros((3, 2)))


def test_the_sample_of_the_library():
    returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    wave = pd.Series(np.sin(np.arange(len(returns)) / 50.0), returns.index, name="wave")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        found = regime_driver_test(returns, MarkovCovariance(), wave, method="wald", starts=4)
    assert found.reference == "chi2(2)"


@pytest.mark.slow
def test_an_autoregression_around_a_mean_whose_states_hold_yesterday_too():
    autoregression = pytest.importorskip("cryptoequity.regimes.autoregression")
    rng = np.random.default_rng(4)
    x = driver_of(1)
    z = np.column_stack([np.ones(NOBS), np.r_[x.iloc[0], x.to_numpy()[:-1]]])
    p = Chain(2, z, ("const", "x"), True).matrices(np.array([-3.2, 1.5, -3.2, -1.5]))
    state = draw_states(p, np.array([0.5, 0.5]), NOBS, rng)
    u = rng.standard_normal(NOBS)
    for t in range(1, NOBS):
        u[t] += 0.4 * u[t - 1]
    y = pd.Series(np.where(state, 3.0, -1.0) + u, DATES, name="y")
    spec = autoregression.MarkovAutoregression(order=1)
    found = regime_driver_test(y, spec, x, starts=3)
    fit, null = (spec.fit(y, drivers=d, starts=3, cov_type="none") for d in (x, None))
    assert found.statistic == pytest.approx(2 * (fit.loglikelihood - null.loglikelihood), abs=1e-3)
    assert found.pvalue < 1e-4
    moves = fit.viterbi().diff().abs().sum()
    assert found.cells["expected"].sum() == pytest.approx(moves, rel=0.3)
    assert transition_effects(found.fit).loc[("x", "share[2]"), "difference"] > 0.3
    with pytest.raises(SpecError, match="cannot be put on simulated data"):
        regime_driver_test(y, spec, x, method="bootstrap", draws=19, starts=2)


@pytest.mark.slow
def test_one_matrix_of_switching_strength_can_be_redrawn(moved):
    both, y, _ = moved
    found = regime_driver_test(
        y, RSDC(dist="normal", structure="scaled"), both["x"], method="bootstrap", draws=19, starts=2
    )
    assert found.pvalue == pytest.approx(0.05)
