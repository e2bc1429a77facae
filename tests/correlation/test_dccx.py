"""DCC-X: feasibility for effects of either sign, recovery, errors, limits, forecasts, the test of no effect."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.correlation import DCC
from cryptoequity.correlation.dccx import DCCX, DCCXFit
from cryptoequity.correlation.driven import DrivenLikelihood, FisherLikelihood
from cryptoequity.correlation.effects import score_effect_test
from cryptoequity.correlation.fit import CorrelationFit, draw_shocks
from cryptoequity.correlation.model import second_moment_target
from cryptoequity.correlation.spec import spec_from_dict
from cryptoequity.correlation.stacking import stacked_moments
from cryptoequity.errors import BoundaryWarning, DataError, SpecError
from cryptoequity.estimation.params import PERSISTENCE_CAP
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.garch import simulate_margin
from strategies import correlation_matrices, residuals, seeds

MARGIN = np.array([0.05, 0.05, 0.08, 0.88])
SPECS = [DCCX(), DCCX(dist="t", limit="sample"), DCCX(form="fisher"), DCCX(form="fisher", dist="t")]


def quiet(spec, data, **options) -> DCCXFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


def wave(rng, nobs: int, columns: int = 1) -> np.ndarray:
    """Persistent drivers with a bounded range, (T, M)."""
    phase = rng.uniform(0, 2 * np.pi, columns)
    period = np.array([1.0, 2.3, 4.1, 0.4])[:columns]
    return np.sin(phase + period * np.linspace(0, 12 * np.pi, nobs)[:, None]) + 0.3 * rng.uniform(
        -1, 1, (nobs, columns)
    )


def model_of(form, rng, x, dist="normal", rho=0.4):
    """The model at its own truth: only its simulation is used."""
    z = rng.standard_normal((len(x), 2))
    if form == "fisher":
        return FisherLikelihood(z, dist=dist, driver=x)
    target = np.array([[1.0, rho], [rho, 1.0]])
    return DrivenLikelihood(z, dist=dist, driver=x, blocks=np.ones((x.shape[1], 2, 2)), target=target)


def sample(form, theta, rng, nobs=1000, nu=0.0, columns=1, margins=True):
    """Percent returns (T, 2) from the model itself, and the drivers."""
    x = wave(rng, nobs, columns)
    model = model_of(form, rng, x, "t" if nu else "normal")
    z, _ = model.simulate(theta, draw_shocks(rng, nobs, 2, nu), driver=x)
    index = pd.bdate_range("2015-01-01", periods=nobs, name="date")
    y = z
    if margins:
        y = np.stack([simulate_margin(GARCH(), MARGIN, np.ascontiguousarray(z[:, i]), 1.25)[0] for i in (0, 1)], 1)
    frame = pd.DataFrame(x, index, [f"x{m + 1}" for m in range(columns)])
    return pd.DataFrame(y, index, ["X", "Y"]), frame


TRUTH = {"q": np.array([0.03, 0.85, 0.02]), "fisher": np.array([0.03, 0.9, 0.03, 0.4])}


@pytest.fixture(scope="module", params=SPECS, ids=lambda spec: spec.name)
def fit(request) -> DCCXFit:
    spec = request.param
    nu = 7.0 if spec.dist == "t" else 0.0
    theta = TRUTH[spec.form]
    theta = np.array([*theta, nu]) if nu else theta
    returns, driver = sample(spec.form, theta, np.random.default_rng(5), 1500, nu)
    return quiet(spec, returns, driver=driver)


@given(st.data(), seeds, st.integers(0, 3), st.sampled_from([2, 3, 4]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_point_of_the_box_keeps_q_positive_definite(data, seed, drivers, n, corner):
    rng = np.random.default_rng(seed)
    z = rng.standard_t(3, (60, n))
    x = rng.standard_normal((60, drivers)) * rng.uniform(0.1, 20) + rng.uniform(-5, 5)
    roots = rng.standard_normal((drivers, n, 2))
    blocks = roots @ roots.transpose(0, 2, 1)
    target = data.draw(correlation_matrices(n))
    lik = DrivenLikelihood(z, dist="normal", driver=x, blocks=blocks, target=target)
    lower, upper = lik.layout.lower, lik.layout.upper
    u = rng.uniform(lower, upper)
    if corner:
        u = np.where(rng.random(u.size) < 0.5, rng.choice([0.0, 1.0], u.size) * (upper - lower) + lower, u)
    theta = lik.layout.natural(u)
    a, b, c = theta[0], theta[1], theta[2:]
    # any drivers inside the range seen, not only those seen
    low, high = (x.min(axis=0), x.max(axis=0)) if drivers else (np.zeros(0), np.zeros(0))
    for _ in range(20):
        point = np.where(rng.random(drivers) < 0.5, low, high) if rng.random() < 0.7 else rng.uniform(low, high)
        push = np.einsum("m,mij->ij", c * (point - lik.center), blocks)
        assert np.linalg.eigvalsh((1 - a - b) * target + push)[0] > -1e-9 * (1 + np.abs(push).max())
    path = lik.path(theta, *lik.pairs)
    assert np.isfinite(path).all()
    assert (np.abs(path) <= 1 + 1e-12).all()
    np.testing.assert_allclose(lik.layout.natural(lik.layout.box(theta)), theta, atol=1e-9 * (1 + np.abs(theta).max()))


@given(st.data(), seeds, st.integers(1, 3), st.sampled_from([2, 3]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_limit_by_the_sample_holds_whatever_the_residuals(data, seed, drivers, n, corner):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((60, drivers)).cumsum(axis=0) if corner else rng.standard_normal((60, drivers))
    roots = rng.standard_normal((drivers, n, 2))
    blocks = roots @ roots.transpose(0, 2, 1)
    target = data.draw(correlation_matrices(n))
    if np.linalg.eigvalsh(target)[0] < 1e-4:
        return
    # the least news there can be: none at all
    z = 1e-9 * rng.standard_normal((60, n))
    lik = DrivenLikelihood(z, dist="normal", driver=x, blocks=blocks, target=target, limit="sample")
    u = rng.uniform(lik.layout.lower, lik.layout.upper)
    u[2:] = np.where(rng.random(drivers) < 0.5, rng.choice([1e-6, 1 - 1e-6], drivers), u[2:])
    theta = lik.layout.natural(u)
    assert np.isfinite(lik.evaluate(theta, 0)[0]).all()
    assert (np.abs(lik.path(theta, *lik.pairs)) < 1).all()
    np.testing.assert_allclose(lik.layout.natural(lik.layout.box(theta)), theta, atol=1e-9 * (1 + np.abs(theta).max()))


@pytest.mark.parametrize("side", [0.0, 1.0])
def test_the_limit_is_exact_for_one_driver(side):
    """At either end of the box the intercept is singular on one date and positive definite on all others."""
    rng = np.random.default_rng(1)
    x = rng.exponential(1.0, (80, 1))
    lik = DrivenLikelihood(rng.standard_normal((80, 3)), dist="normal", driver=x, blocks=np.ones((1, 3, 3)))
    theta = lik.layout.natural(np.array([0.9, 0.1, side]))
    assert np.sign(theta[2]) == (1 if side else -1)
    room = PERSISTENCE_CAP - theta[0] - theta[1]
    lowest = [np.linalg.eigvalsh(room * lik.target + theta[2] * one * lik.blocks[0])[0] for one in lik.x[:, 0]]
    assert abs(min(lowest)) < 1e-12
    assert sorted(lowest)[1] > 1e-6
    # a driver turned upside down has the ends exchanged
    turned = DrivenLikelihood(lik.z, dist="normal", driver=-x, blocks=np.ones((1, 3, 3)))
    np.testing.assert_allclose(turned.layout.natural(np.array([0.9, 0.1, 1.0 - side]))[2], -theta[2], rtol=1e-12)


@given(residuals(sizes=(2, 3), nobs=(20, 60)), seeds, st.sampled_from(["normal", "t"]))
@settings(max_examples=40, deadline=None)
def test_paths_are_correlations_for_any_data(z, seed, dist):
    rng = np.random.default_rng(seed)
    moment = second_moment_target(z + 1e-12)[0]
    if np.linalg.eigvalsh(moment)[0] < 1e-6:
        return
    x = rng.standard_normal((len(z), 2))
    lik = DrivenLikelihood(z, dist=dist, driver=x, blocks=np.ones((2, *moment.shape)))
    theta = lik.layout.natural(rng.uniform(lik.layout.lower, lik.layout.upper))
    path = lik.path(theta, *lik.pairs)
    assert (np.abs(path) <= 1 + 1e-12).all()
    for one in path:
        assert np.linalg.eigvalsh(lik.matrix(one))[0] > -1e-10


@pytest.mark.parametrize("form", ["q", "fisher"])
@pytest.mark.parametrize("dist", ["normal", "t"])
@given(seed=seeds)
@settings(max_examples=8, deadline=None)
def test_scores_and_adjoint_of_the_model(form, dist, seed):
    rng = np.random.default_rng(seed)
    n = 2 if form == "fisher" else int(rng.integers(2, 4))
    z = rng.standard_normal((50, n))
    x = rng.standard_normal((50, 2))
    spec = DCCX(form=form, dist=dist)
    target = None if form == "fisher" else second_moment_target(rng.standard_normal((60, n)))[0]
    lik = spec.model(z, driver=x, target=target)
    u = lik.layout.box(next(start for start in lik.starts() if start[:2].sum() < 0.9))
    theta = lik.layout.natural(np.clip(u + rng.uniform(-0.05, 0.05, u.size), lik.layout.lower, lik.layout.upper))
    _, score = lik.evaluate(theta, 1)
    for k in range(theta.size):
        step = np.zeros(theta.size)
        step[k] = 1e-5 * max(1.0, abs(theta[k])) if form == "fisher" else 1e-6
        wanted = (lik.evaluate(theta + step, 0)[0] - lik.evaluate(theta - step, 0)[0]) / (2 * step[k])
        np.testing.assert_allclose(score[:, k], wanted, atol=2e-5 * max(1.0, np.abs(score).max()))
    dz, by_target = lik.adjoint(theta)

    def total(z, nuisance):
        return lik.fixed(z, x, nuisance).evaluate(theta, 0)[0].sum()

    way = rng.standard_normal(z.shape)
    wanted = (total(z + 1e-5 * way, lik.nuisance) - total(z - 1e-5 * way, lik.nuisance)) / 2e-5
    np.testing.assert_allclose((dz * way).sum(), wanted, rtol=1e-4, atol=1e-4)
    if form == "q":
        turn = rng.standard_normal(lik.nuisance.size)
        wanted = (total(z, lik.nuisance + 1e-5 * turn) - total(z, lik.nuisance - 1e-5 * turn)) / 2e-5
        np.testing.assert_allclose(by_target @ turn, wanted, rtol=1e-4, atol=1e-4)
    else:
        assert by_target.size == 0


def test_without_an_effect_it_is_dcc():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((100, 3))
    lik = DCCX().model(z, driver=rng.standard_normal((100, 1)))
    dcc = DCC().model(z)
    np.testing.assert_allclose(
        lik.evaluate(np.array([0.05, 0.9, 0.0]), 0)[0], dcc.evaluate(np.array([0.05, 0.9]), 0)[0]
    )


def test_drivers_in_other_units_give_the_same_correlations(fit):
    driver = fit.driver
    spec = fit.spec
    other = quiet(spec, fit.margins, driver=-3.0 * driver + 7.0)
    np.testing.assert_allclose(other.loglikelihood, fit.loglikelihood, rtol=1e-9)
    np.testing.assert_allclose(other.theta[2], -fit.theta[2] / 3.0, rtol=2e-3, atol=1e-6)
    ours, theirs = fit.driver_effects().iloc[0], other.driver_effects().iloc[0]
    np.testing.assert_allclose(theirs["effect"], -ours["effect"], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(theirs["std err"], ours["std err"], rtol=2e-2)


def test_permuting_assets_and_drivers_permutes_the_answer(sim_dcc3):
    margins = fit_margins(sim_dcc3.iloc[:700])
    index = margins.std_resid.index
    rng = np.random.default_rng(3)
    driver = pd.DataFrame(wave(rng, len(index), 2), index, ["u", "v"])
    spec = DCCX(block=(("A", "B"), None))
    one = quiet(spec, margins, driver=driver)
    turned = quiet(spec, margins.select("C", "B", "A"), driver=driver)
    np.testing.assert_allclose(turned.loglikelihood, one.loglikelihood, rtol=1e-9)
    np.testing.assert_allclose(turned.theta, one.theta, atol=2e-4)
    np.testing.assert_allclose(turned.correlation("A", "C"), one.correlation("A", "C"), atol=1e-4)
    swapped = quiet(DCCX(block=(None, ("A", "B"))), margins, driver=driver[["v", "u"]])
    np.testing.assert_allclose(swapped.loglikelihood, one.loglikelihood, rtol=1e-8)
    np.testing.assert_allclose(swapped.theta[[0, 1, 3, 2]], one.theta, atol=1e-3)


@pytest.mark.parametrize("form", ["q", "fisher"])
def test_the_truth_is_recovered(form):
    truth = TRUTH[form]
    estimates, effects, errors = [], [], []
    for seed in range(24):
        returns, driver = sample(form, truth, np.random.default_rng([11, seed]), 1500)
        fit = quiet(DCCX(form=form), returns, driver=driver)
        estimates.append(fit.theta)
        row = fit.driver_effects().iloc[0]
        model = model_of(form, np.random.default_rng(0), driver.to_numpy())
        low, high = (np.array([row[side]]) for side in ("from", "to"))
        wanted = model.long_run(truth, model.nuisance, high) - model.long_run(truth, model.nuisance, low)
        effects.append(row["effect"] - wanted[0])
        errors.append(row["std err"])
    estimates, effects, errors = np.array(estimates), np.array(effects), np.array(errors)
    assert abs(effects.mean()) < 4 * effects.std(ddof=1) / np.sqrt(24)
    # the errors of the effect are of the size of its spread
    assert 0.6 < np.nanmean(errors) / effects.std(ddof=1) < 1.6
    for k, value in enumerate(truth):
        middle = np.median(estimates[:, k])
        spread = np.subtract(*np.quantile(estimates[:, k], [0.75, 0.25])) / 1.35
        assert abs(middle - value) < 5 * spread / np.sqrt(24) + 0.01


def test_slope_of_the_system_equals_differences_in_the_data(fit):
    parts, dzs = [one.part for one in fit.margins.fits], [one.dz for one in fit.margins.fits]
    bread, _, last, edges = stacked_moments(fit.likelihood, fit.optimum, parts, dzs, "exact")
    lik, theta = fit.likelihood, fit.theta
    jacobian = last.jacobian

    def mean_score(z, nuisance):
        return lik.fixed(z, lik.driver, nuisance).evaluate(theta, 1)[1].mean(axis=0) @ jacobian

    bottom = bread[edges[3] :]
    for k, (part, dz) in enumerate(zip(parts, dzs, strict=True)):
        for j in range(part.jacobian.shape[1]):
            size = 1e-5 / np.abs(dz[:, j]).mean()
            move = np.zeros_like(lik.z)
            move[:, k] = size * dz[:, j]
            up, down = mean_score(lik.z + move, lik.nuisance), mean_score(lik.z - move, lik.nuisance)
            got = bottom[:, edges[k] + j]
            np.testing.assert_allclose(got, (up - down) / (2 * size), rtol=2e-3, atol=2e-5 * np.abs(bottom).max())
    if lik.nuisance.size:
        up, down = mean_score(lik.z, lik.nuisance + 1e-5), mean_score(lik.z, lik.nuisance - 1e-5)
        got = bottom[:, edges[2]]
        np.testing.assert_allclose(got, (up - down) / 2e-5, rtol=2e-3, atol=2e-5 * np.abs(bottom).max())


def test_json_and_filter_give_the_fit_back(fit):
    again = CorrelationFit.from_json(fit.to_json())
    assert isinstance(again, DCCXFit)
    assert again.spec == fit.spec
    np.testing.assert_allclose(again.params, fit.params)
    np.testing.assert_allclose(again.std_err, fit.std_err, rtol=1e-6)
    pd.testing.assert_frame_equal(again.driver_effects(), fit.driver_effects(), check_names=False, rtol=1e-6)
    same = fit.filter(fit.returns, driver=fit.driver)
    np.testing.assert_allclose(same.correlations(), fit.correlations())
    np.testing.assert_allclose(same.loglikelihood, fit.loglikelihood)
    json.dumps(fit.spec.to_dict())


def test_one_step_ahead_is_the_next_row_of_the_filter(fit):
    """With the next date appended, the path's last row is what was forecast: z_T and x_{T+1} both count."""
    returns, driver = fit.returns, fit.driver
    step = returns.index[1:].append(pd.DatetimeIndex([returns.index[-1] + pd.Timedelta(days=1)]))
    later = pd.DataFrame(
        np.vstack([returns.to_numpy(), [[0.3, -0.2]]]), returns.index[:1].append(step), returns.columns
    )
    value = 0.7 * driver.iloc[:, 0].max()
    longer = pd.DataFrame(np.append(driver.to_numpy(), [[value]], axis=0), later.index, driver.columns)
    path = fit.filter(later, driver=longer).correlation("X", "Y")
    for options in ({}, {"method": "Q"}):
        ahead = fit.forecast(1, driver=longer.iloc[-1:], **options).correlation
        np.testing.assert_allclose(ahead.iloc[0, 0], path.iloc[-1], rtol=1e-9)


def test_forecasts_follow_the_drivers(fit):
    driver = fit.driver.to_numpy()
    low, high = np.full((20, 1), driver.min()), np.full((20, 1), driver.max())
    for options in ({"method": "R"}, {"method": "Q"}, {"method": "simulation", "paths": 200, "rng": 1}):
        first = fit.forecast(20, driver=low, **options).correlation.to_numpy()[:, 0]
        second = fit.forecast(20, driver=high, **options).correlation.to_numpy()[:, 0]
        assert np.sign(fit.theta[2]) * (second[-1] - first[-1]) > 0
        assert (np.abs(np.append(first, second)) < 1).all()
    exact, drawn = (
        fit.forecast(10, driver=high[:10], **options).correlation.to_numpy()[:, 0]
        for options in ({"method": "Q"}, {"method": "simulation", "paths": 2000, "rng": 1})
    )
    np.testing.assert_allclose(exact, drawn, atol=0.02)
    with pytest.raises(SpecError, match="needs driver=: x1 for the next 5 dates"):
        fit.forecast(5)
    with pytest.raises(SpecError, match="shape"):
        fit.forecast(5, driver=np.zeros((4, 1)))


def test_long_run_correlation_stays_where_it_is():
    """Iterate the recursion with its news at their expectation: it comes to rest at the closed form."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, (50, 2))
    blocks = np.stack([np.ones((3, 3)), np.outer([1.0, 1, 0], [1.0, 1, 0])])
    lik = DrivenLikelihood(rng.standard_normal((50, 3)), dist="normal", driver=x, blocks=blocks)
    a, b, c = 0.05, 0.9, np.array([0.008, -0.006])
    theta, point = np.array([a, b, *c]), np.array([0.5, -0.4])
    q = lik.target
    push = np.einsum("m,mij->ij", c * (point - lik.center), blocks)
    for _ in range(2000):
        root = np.sqrt(np.diag(q))
        q = (1 - a - b) * lik.target + push + a * q / np.outer(root, root) + b * q
    root = np.sqrt(np.diag(q))
    wanted = (q / np.outer(root, root))[lik.pairs]
    np.testing.assert_allclose(lik.long_run(theta, lik.nuisance, point), wanted, rtol=1e-10)
    np.testing.assert_allclose(lik.long_run(theta, lik.nuisance, lik.center), lik.nuisance, rtol=1e-12)


def test_errors_of_the_long_run_effect_in_closed_form():
    returns, driver = sample("fisher", TRUTH["fisher"], np.random.default_rng(8), 1500)
    fit = quiet(DCCX(form="fisher"), returns, driver=driver)
    _, b, c, level = fit.theta
    half = 0.5 * driver["x1"].std()
    up, down = level + c * half / (1 - b), level - c * half / (1 - b)
    slope = 1 / np.cosh(np.array([up, down])) ** 2
    gradient = np.array([c * half / (1 - b) ** 2 * slope.sum(), half / (1 - b) * slope.sum(), slope[0] - slope[1]])
    names = ["dccx.b", "dccx.c1", "dccx.level"]
    row = fit.driver_effects().iloc[0]
    np.testing.assert_allclose(row["effect"], np.tanh(up) - np.tanh(down), rtol=1e-12)
    np.testing.assert_allclose(row["std err"], np.sqrt(gradient @ fit.cov.loc[names, names] @ gradient), rtol=1e-6)


def test_an_effect_keeps_its_error_when_the_news_are_on_their_bound():
    """Nothing but the driver moves the correlation: in about half of such samples a ends at zero."""
    seen = 0
    for seed in range(8):
        rng = np.random.default_rng([4, seed])
        x = wave(rng, 1000)[:, 0]
        rho = np.tanh(0.4 + 0.2 * x)
        u = rng.standard_normal((1000, 2))
        z = np.column_stack([u[:, 0], rho * u[:, 0] + np.sqrt(1 - rho**2) * u[:, 1]])
        margins = quiet_margins(pd.DataFrame(z, columns=["X", "Y"]))
        fit = quiet(DCCX(form="fisher"), margins, driver=pd.Series(x, name="x"))
        row = fit.driver_effects().iloc[0]
        half = 0.5 * x.std(ddof=1)
        assert 0.01 < row["std err"] < 0.08
        assert abs(row["effect"] - (np.tanh(0.4 + 0.2 * half) - np.tanh(0.4 - 0.2 * half))) < 4 * row["std err"]
        seen += "dccx.a" in fit.at_bound
    assert seen > 0


def test_the_limit_can_be_reached_and_is_said():
    """A driver that moves the correlation by more than its range allows: the fit stands on the limit and says so."""
    rng = np.random.default_rng(2)
    nobs = 1500
    x = rng.standard_normal(nobs)
    rho = np.tanh(0.9 * x)
    u = rng.standard_normal((nobs, 2))
    z = np.column_stack([u[:, 0], rho * u[:, 0] + np.sqrt(1 - rho**2) * u[:, 1]])
    index = pd.RangeIndex(nobs)
    returns, driver = pd.DataFrame(z, index, ["X", "Y"]), pd.Series(x, index, name="x")
    margins = quiet_margins(returns)
    with pytest.warns(BoundaryWarning, match=r"dccx\.c1 is as large as Q_t stays positive semidefinite"):
        fit = DCCX().fit(margins, driver=driver)
    assert fit.converged
    assert "dccx.c1" in fit.at_bound
    assert np.isnan(fit.std_err["dccx.c1"])
    assert np.isnan(fit.driver_effects()["std err"]).all()
    assert "form='fisher' has no limit" in str(fit.summary())
    wide = quiet(DCCX(limit="sample"), margins, driver=driver)
    assert wide.loglikelihood > fit.loglikelihood
    assert np.isfinite(fit.loglik_obs).all()
    free = quiet(DCCX(form="fisher"), margins, driver=driver)
    assert not free.at_bound or "dccx.c1" not in free.at_bound
    assert free.loglikelihood > fit.loglikelihood + 50
    np.testing.assert_allclose(free.theta[2] / (1 - free.theta[1]), 0.9, atol=0.15)
    # a driver far outside the range it was fitted on: refused by one form, a correlation near one for the other
    with pytest.raises(DataError, match="step 1 of the forecast the drivers leave no valid correlation"):
        fit.forecast(1, driver=np.array([[-300.0]]))
    with pytest.raises(DataError, match="at 7 the drivers"):
        fit.filter(returns, driver=driver.where(driver.index != 7, -300.0))
    with pytest.raises(DataError, match="row 3 of the simulation"):
        fit.simulate(10, rng=1, driver=np.where(np.arange(10) == 3, -300.0, 0.0)[:, None])
    assert free.forecast(1, driver=np.array([[-3.0]])).correlation.iloc[0, 0] < -0.9


def quiet_margins(returns):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit_margins(returns, GARCH(mean="zero"))


def power_of(returns, driver, form, **options):
    fit = quiet(DCCX(form=form), returns, driver=driver)
    return score_effect_test(fit, **options)


@pytest.mark.parametrize("form", ["q", "fisher"])
@pytest.mark.parametrize("statistic", ["score", "lr"])
def test_an_effect_is_found_and_nothing_is_not(form, statistic):
    strong = np.array([0.02, 0.9, 0.04 if form == "q" else 0.05, *TRUTH[form][3:]])
    returns, driver = sample(form, strong, np.random.default_rng(1), 1000)
    found = power_of(returns, driver, form, statistic=statistic, draws=19, rng=1)
    assert found.pvalue == 0.05
    assert found.statistic > found.detail["critical value 5 %"]
    none = np.where(np.arange(strong.size) == 2, 0.0, strong)
    returns, driver = sample(form, none, np.random.default_rng(6), 1000)
    calm = power_of(returns, driver, form, statistic=statistic, draws=19, rng=1)
    assert calm.pvalue > 0.05
    assert calm.detail["failed"] == 0
    assert calm.detail["null"].min() > -1e-3


def test_the_test_of_one_driver_keeps_the_others():
    theta = np.array([0.02, 0.9, 0.04, 0.0, 0.4])
    returns, driver = sample("fisher", theta, np.random.default_rng(3), 1000, columns=2)
    fit = quiet(DCCX(form="fisher"), returns, driver=driver)
    first = score_effect_test(fit, "x1", draws=19, rng=2)
    second = score_effect_test(fit, "x2", draws=19, rng=2)
    both = score_effect_test(fit, draws=19, rng=2)
    assert first.pvalue == both.pvalue == 0.05
    assert second.pvalue > 0.05
    assert [one.detail["degrees of freedom"] for one in (first, second, both)] == [1, 1, 2]
    again = score_effect_test(fit, "x2", draws=19, rng=2, n_jobs=2)
    np.testing.assert_array_equal(again.detail["null"], second.detail["null"])
    assert "x2 has no effect" in second.null
    assert "x1, x2 have no effect" in both.null
    assert first.detail["wald pvalue"] < 0.05


def test_the_test_with_blocks_and_a_given_target(sim_dcc3):
    margins = fit_margins(sim_dcc3.iloc[:500])
    index = margins.std_resid.index
    driver = pd.DataFrame(wave(np.random.default_rng(0), len(index), 2), index, ["u", "v"])
    target = np.full((3, 3), 0.3) + 0.7 * np.eye(3)
    fit = quiet(DCCX(block=(("A", "B"), None), dist="t"), margins, driver=driver, target=target)
    result = score_effect_test(fit, "u", draws=19, rng=1)
    assert np.isfinite(result.statistic)
    assert 0.05 <= result.pvalue <= 1
    np.testing.assert_array_equal(fit.likelihood.target, target)


@pytest.mark.slow
def test_size_of_the_bootstrap_test():
    rejections = []
    for seed in range(200):
        theta = np.array([0.03, 0.9, 0.0, 5.0])
        returns, driver = sample("q", theta, np.random.default_rng([9, seed]), 800, nu=5.0)
        rejections.append(power_of(returns, driver, "q", draws=19, rng=seed).pvalue <= 0.05)
    assert 0.01 < np.mean(rejections) < 0.10


def test_specifications_are_frozen_records():
    spec = DCCX(block=[[1, 0.5], [0.5, 1]])
    assert spec.block == ((1.0, 0.5), (0.5, 1.0))
    assert spec == spec_from_dict(json.loads(json.dumps(spec.to_dict())))
    assert hash(spec) == hash(DCCX(block=np.array([[1, 0.5], [0.5, 1]])))
    several = DCCX(block=(("A", "B"), None))
    assert spec_from_dict(json.loads(json.dumps(several.to_dict()))) == several
    assert DCCX().name == "DCC-X(q)-normal"
    apart = DCCX(block=((1, -1), (-1, 1)))
    returns, driver = sample("q", TRUTH["q"], np.random.default_rng(0), 600)
    towards, away = (quiet(one, returns, driver=driver).driver_effects()["effect"].iloc[0] for one in (DCCX(), apart))
    assert towards * away > 0  # the same data, the other matrix: the sign of c turns, that of the effect does not


def test_refusals(sim_dcc3):
    margins = fit_margins(sim_dcc3.iloc[:300])
    index = margins.std_resid.index
    x = pd.Series(np.linspace(0, 1, len(index)), index, name="x")
    two = margins.select("A", "B")

    def refused(error, match, spec=None, data=margins, driver=x, **options):
        with pytest.raises(error, match=match):
            (spec or DCCX()).fit(data, driver=driver, **options)

    with pytest.raises(SpecError, match="form='z' is not known"):
        DCCX(form="z")
    with pytest.raises(SpecError, match="limit='none' is not known"):
        DCCX(limit="none")
    with pytest.raises(SpecError, match="block= is for form='q'"):
        DCCX(form="fisher", block=("A", "B"))
    with pytest.raises(SpecError, match="block="):
        DCCX(block={"A": 1})
    refused(SpecError, "needs driver=", driver=None)
    refused(SpecError, "two columns, not 3", DCCX(form="fisher"))
    refused(SpecError, "has no target", DCCX(form="fisher"), two, target=np.eye(2))
    refused(SpecError, "no column 'Z'", DCCX(block=("A", "Z")))
    refused(SpecError, "a correlation needs two columns", DCCX(block=("A",)))
    refused(SpecError, "2 blocks for 1 driver", DCCX(block=(("A", "B"), ("A", "C"))))
    refused(SpecError, r"3 columns need \(3, 3\)", DCCX(block=((1, 0), (0, 1))))
    refused(DataError, "not positive semidefinite", DCCX(block=((1, 2), (2, 1))), two)
    refused(DataError, "symmetric", DCCX(block=((1, 0.5), (0.2, 1))), two)
    refused(DataError, "constant", driver=x * 0.0 + 1.0)
    refused(SpecError, "1 to 8 driver", driver=pd.concat([x.rename(str(k)) for k in range(9)], axis=1))
    fit = quiet(DCCX(), two, driver=x)
    with pytest.raises(SpecError, match="no driver 'y'"):
        score_effect_test(fit, "y", draws=19)
    with pytest.raises(SpecError, match="statistic="):
        score_effect_test(fit, statistic="wald", draws=19)
    with pytest.raises(SpecError, match="is for a fitted DCCX"):
        score_effect_test(DCC().fit(two), draws=19)
    with pytest.raises(SpecError, match="filtered"):
        score_effect_test(fit.filter(fit.returns, driver=x), draws=19)
    with pytest.raises(SpecError, match="level=2"):
        fit.driver_effects(level=2)


def test_citations_name_the_form(fit):
    text = fit.cite()
    assert "vargas2010" in text
    assert ("creal2013" in text) == (fit.spec.form == "fisher")
    assert ("engle2002" in text) == (fit.spec.form == "q")
