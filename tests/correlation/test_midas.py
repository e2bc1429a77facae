"""DCC-MIDAS: slow levels, weights, the dates before the sample, recovery, errors, forecasts."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cryptoequity as ce
from cryptoequity.correlation import DCC
from cryptoequity.correlation.fit import CorrelationFit, draw_shocks
from cryptoequity.correlation.midas import DCCMIDAS, DCCMIDASFit
from cryptoequity.correlation.slow import DrivenSlowLikelihood, RealizedSlowLikelihood, beta_weights
from cryptoequity.correlation.stacking import stacked_moments
from cryptoequity.errors import BoundaryWarning, DataError, SpecError
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.garch import simulate_margin
from strategies import residuals, seeds

MARGIN = np.array([0.05, 0.05, 0.08, 0.88])
LAGS, BLOCK = 4, 15


def quiet(spec, data, **options) -> DCCMIDASFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


def model_of(rng, nobs, n, dist="normal", driven=False, z=None) -> RealizedSlowLikelihood | DrivenSlowLikelihood:
    z = rng.standard_normal((nobs, n)) if z is None else z
    if driven:
        x = np.cumsum(rng.standard_normal((nobs, 1)), axis=0) * 0.1
        return DrivenSlowLikelihood(z, dist=dist, lags=3, size=7, driver=x)
    return RealizedSlowLikelihood(z, dist=dist, lags=3, size=7)


def theta_of(lik, rng):
    extra = [rng.normal(0, 0.3), rng.normal(0, 0.5)] if isinstance(lik, DrivenSlowLikelihood) else []
    return np.array(
        [rng.uniform(0.02, 0.15), rng.uniform(0.3, 0.8), rng.uniform(1.2, 9), *extra, *([7.0] if lik.student else [])]
    )


def plain(lik, theta):
    """Date by date with dense matrices: log density (T,), R_t."""
    a, b, w = theta[:3]
    nu = theta[-1] if lik.student else 0.0
    z, n, size, lags = lik.z, lik.n, lik.size, lik.lags
    raw = np.array([(1 - k / (lags + 1)) ** (w - 1) for k in range(1, lags + 1)])
    weights = raw / raw.sum()
    whole = z.T @ z
    root = np.sqrt(np.diag(whole))
    base = whole / np.outer(root, root)

    def realized(k):
        if k < 0:
            return base
        part = z[k * size : (k + 1) * size]
        moment = part.T @ part
        root = np.sqrt(np.diag(moment))
        return moment / np.outer(root, root)

    def level(tau):
        if not isinstance(lik, DrivenSlowLikelihood):
            return sum(weights[k] * realized(tau - 1 - k) for k in range(lags))
        x = lik.driver[:, 0]
        means = [
            x[(tau - 1 - k) * size : (tau - k) * size].mean() if tau - 1 - k >= 0 else x.mean() for k in range(lags)
        ]
        rho = np.tanh(theta[3] + theta[4] * weights @ means)
        return np.array([[1.0, rho], [rho, 1.0]])

    q = s = level(0)
    loglik, paths = [], []
    for t in range(len(z)):
        q = (1 - a - b) * level(t // size) + a * s + b * q
        root = np.sqrt(np.diag(q))
        r = q / np.outer(root, root)
        quad = z[t] @ np.linalg.solve(r, z[t])
        logdet = np.linalg.slogdet(r)[1]
        if nu:
            value = math.lgamma((nu + n) / 2) - math.lgamma(nu / 2) - n / 2 * math.log(math.pi * (nu - 2))
            value += -0.5 * logdet - (nu + n) / 2 * math.log1p(quad / (nu - 2))
        else:
            value = -0.5 * (n * math.log(2 * math.pi) + logdet + quad)
        loglik.append(value)
        paths.append(r)
        s = np.outer(z[t], z[t])
    return np.array(loglik), np.array(paths)


MODELS = st.sampled_from([(2, False), (3, False), (4, False), (2, True)])


@given(MODELS, st.sampled_from(["normal", "t"]), seeds, st.integers(28, 60))
@settings(max_examples=40, deadline=None)
def test_likelihood_and_paths_equal_a_plain_reading(kind, dist, seed, nobs):
    rng = np.random.default_rng(seed)
    lik = model_of(rng, nobs, kind[0], dist, kind[1])
    theta = theta_of(lik, rng)
    loglik, paths = plain(lik, theta)
    np.testing.assert_allclose(lik.evaluate(theta, 0)[0], loglik, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(lik.path(theta, *lik.pairs), paths[:, *lik.pairs], atol=1e-12)


@given(MODELS, st.sampled_from(["normal", "t"]), seeds)
@settings(max_examples=30, deadline=None)
def test_scores_and_adjoint_equal_finite_differences(kind, dist, seed):
    rng = np.random.default_rng(seed)
    lik = model_of(rng, 60, kind[0], dist, kind[1])
    theta = theta_of(lik, rng)
    score = lik.evaluate(theta, 1)[1]
    for k in range(theta.size):
        step = np.zeros(theta.size)
        step[k] = 1e-5
        wanted = (lik.evaluate(theta + step, 0)[0] - lik.evaluate(theta - step, 0)[0]) / 2e-5
        np.testing.assert_allclose(score[:, k], wanted, atol=1e-6 * max(1.0, np.abs(score).max()))
    dz, nuisance = lik.adjoint(theta)
    assert nuisance.size == 0
    way = rng.standard_normal(lik.z.shape)

    def total(z):
        if isinstance(lik, DrivenSlowLikelihood):
            return lik.fixed(z, lik.driver).evaluate(theta, 0)[0].sum()
        return RealizedSlowLikelihood(z, dist=dist, lags=3, size=7).evaluate(theta, 0)[0].sum()

    wanted = (total(lik.z + 1e-5 * way) - total(lik.z - 1e-5 * way)) / 2e-5
    np.testing.assert_allclose((dz * way).sum(), wanted, rtol=1e-5, atol=1e-4)
    if not isinstance(lik, DrivenSlowLikelihood):
        kept = lik.fixed(lik.z)
        dz, _ = kept.adjoint(theta)
        up, down = (lik.fixed(lik.z + sign * 1e-5 * way).evaluate(theta, 0)[0].sum() for sign in (1, -1))
        np.testing.assert_allclose((dz * way).sum(), (up - down) / 2e-5, rtol=1e-5, atol=1e-4)


@given(residuals(sizes=(2, 3), nobs=(30, 60)), seeds)
@settings(max_examples=40, deadline=None)
def test_paths_are_correlations_for_any_data(z, seed):
    rng = np.random.default_rng(seed)
    if (np.abs(z[: len(z) // 7 * 7].reshape(-1, 7, z.shape[1])).max(axis=1) == 0).any():
        with pytest.raises(DataError, match="has no correlation"):
            RealizedSlowLikelihood(z, dist="normal", lags=3, size=7)
        return
    lik = RealizedSlowLikelihood(z, dist="normal", lags=3, size=7)
    theta = lik.layout.natural(rng.uniform(lik.layout.lower, lik.layout.upper))
    for path in (lik.path(theta, *lik.pairs), lik.slow_path(theta, *lik.pairs)):
        assert (np.abs(path) <= 1 + 1e-12).all()
        for one in path:
            assert np.linalg.eigvalsh(lik.matrix(one))[0] > -1e-10


@given(st.floats(1.0, 200.0), st.integers(2, 40))
def test_weights_sum_to_one_and_fall(shape, lags):
    weights, slope = beta_weights(shape, lags)
    np.testing.assert_allclose(weights.sum(), 1.0)
    assert (np.diff(weights) <= 1e-15).all()
    np.testing.assert_allclose(slope.sum(), 0.0, atol=1e-12)
    step = 1e-5
    wanted = (beta_weights(shape + step, lags)[0] - beta_weights(shape - step, lags)[0]) / (2 * step)
    np.testing.assert_allclose(slope, wanted, atol=1e-7)
    np.testing.assert_allclose(beta_weights(1.0, lags)[0], 1.0 / lags)


def sample(seed, nobs=1500, driven=False, nu=0.0, theta=None):
    """Percent returns (T, 2) and, ``driven``, a slow driver."""
    rng = np.random.default_rng(seed)
    x = np.sin(np.linspace(0, 9 * np.pi, nobs) + rng.uniform(0, 6))[:, None] + 0.2 * rng.standard_normal((nobs, 1))
    z = rng.standard_normal((nobs, 2)) @ np.array([[1.0, 0.4], [0.0, 0.9]])
    dist = "t" if nu else "normal"
    if driven:
        model = DrivenSlowLikelihood(z, dist=dist, lags=LAGS, size=BLOCK, driver=x)
    else:
        model = RealizedSlowLikelihood(z, dist=dist, lags=LAGS, size=BLOCK)
    z, path = model.simulate(theta, draw_shocks(rng, nobs, 2, nu), [0], [1], driver=x)
    index = pd.bdate_range("2015-01-01", periods=nobs, name="date")
    y = np.stack([simulate_margin(GARCH(), MARGIN, np.ascontiguousarray(z[:, i]), 1.25)[0] for i in (0, 1)], 1)
    return pd.DataFrame(y, index, ["X", "Y"]), pd.Series(x[:, 0], index, name="x") if driven else None, path[:, 0]


TRUTH = {False: np.array([0.04, 0.85, 3.0]), True: np.array([0.04, 0.8, 3.0, 0.4, 0.5])}


@pytest.fixture(
    scope="module",
    params=[(DCCMIDAS(dist, LAGS, BLOCK), driven) for driven in (False, True) for dist in ("normal", "t")],
    ids=lambda pair: f"{pair[0].name}-{'driven' if pair[1] else 'realized'}",
)
def fit(request) -> DCCMIDASFit:
    spec, driven = request.param
    nu = 7.0 if spec.dist == "t" else 0.0
    theta = TRUTH[driven]
    returns, driver, _ = sample(3, 1507, driven, nu, np.array([*theta, nu]) if nu else theta)
    return quiet(spec, returns, driver=driver)


def test_slow_and_fast_paths(fit):
    slow, fast = fit.slow_correlation("X", "Y"), fit.correlation("X", "Y")
    assert slow.abs().max() < 1
    assert fast.abs().max() < 1
    # constant over blocks; the fast correlation moves around it
    changes = np.flatnonzero(np.diff(slow) != 0) + 1
    assert (changes % BLOCK == 0).all()
    assert len(changes) > 50
    assert np.corrcoef(slow, fast)[0, 1] > 0.4
    pd.testing.assert_series_equal(fit.slow_correlations()[("X", "Y")], slow, check_names=False)
    assert fit.presample_dates == LAGS * BLOCK
    assert f"first {LAGS * BLOCK} of 1507 dates lean" in str(fit.summary())
    assert fit.nobs == 1507
    assert len(fast) == 1507


def test_a_block_never_reads_itself(fit):
    """Change the residuals, or the driver, of one block: slow correlations up to its end stay as they were."""
    lik, theta = fit.likelihood, fit.theta
    at = 40 * BLOCK
    z = lik.z.copy()
    z[at : at + BLOCK] = z[at : at + BLOCK, ::-1] * np.array([1.0, -1.0])
    driver = None
    if lik.driver is not None:
        driver = lik.driver.copy()
        driver[at : at + BLOCK] += 5.0
    before = lik.fixed(lik.z, lik.driver).slow_path(theta, [0], [1])
    after = lik.fixed(z, driver).slow_path(theta, [0], [1])
    np.testing.assert_array_equal(before[: at + BLOCK], after[: at + BLOCK])
    later = slice(at + BLOCK, at + (LAGS + 1) * BLOCK)
    assert (before[later] != after[later]).all()
    np.testing.assert_allclose(before[later.stop :], after[later.stop :], rtol=1e-12)


@pytest.mark.parametrize("driven", [False, True])
def test_the_truth_is_recovered(driven):
    truth = TRUTH[driven]
    estimates, gaps = [], []
    for seed in range(20):
        returns, driver, path = sample([1, seed], 2000, driven, theta=truth)
        fit = quiet(DCCMIDAS(lags=LAGS, block=BLOCK), returns, driver=driver)
        estimates.append(fit.theta)
        gaps.append(np.abs(fit.correlation("X", "Y") - path)[LAGS * BLOCK :].mean())
    estimates = np.array(estimates)
    for k, value in enumerate(truth):
        if k == 2:
            continue  # the shape: skewed, from one to its bound in single samples
        spread = np.subtract(*np.quantile(estimates[:, k], [0.75, 0.25])) / 1.35
        assert abs(np.median(estimates[:, k]) - value) < 5 * spread / np.sqrt(20) + 0.01
    assert np.mean(gaps) < 0.05
    if driven:
        assert 1.0 < np.median(estimates[:, 2]) < 20.0


def test_effect_of_a_slow_driver():
    returns, driver, _ = sample(8, 2000, True, theta=TRUTH[True])
    fit = quiet(DCCMIDAS(lags=LAGS, block=BLOCK), returns, driver=driver)
    row = fit.driver_effects().iloc[0]
    means = driver.to_numpy()[: 2000 // BLOCK * BLOCK].reshape(-1, BLOCK).mean(axis=1)
    half = 0.5 * means.std(ddof=1)
    m, push = fit.theta[3:5]
    ends = np.tanh(m + push * (driver.mean() + np.array([-half, half])))
    np.testing.assert_allclose(row["effect"], ends[1] - ends[0], rtol=1e-10)
    slope = 1 - ends**2
    gradient = np.array([slope[1] - slope[0], slope[1] * (driver.mean() + half) - slope[0] * (driver.mean() - half)])
    names = ["midas.m", "midas.theta"]
    np.testing.assert_allclose(row["std err"], np.sqrt(gradient @ fit.cov.loc[names, names] @ gradient), rtol=1e-6)
    assert row["lower"] < np.tanh(0.4 + 0.5 * half) - np.tanh(0.4 - 0.5 * half) < row["upper"]


def test_slope_of_the_system_equals_differences_in_the_data(fit):
    parts, dzs = [one.part for one in fit.margins.fits], [one.dz for one in fit.margins.fits]
    bread, _, last, edges = stacked_moments(fit.likelihood, fit.optimum, parts, dzs, "exact")
    lik, theta = fit.likelihood, fit.theta

    def mean_score(z):
        driver = lik.driver
        moved = fit.spec.model(z, driver=driver)
        return moved.evaluate(theta, 1)[1].mean(axis=0) @ last.jacobian

    bottom = bread[edges[3] :]
    for k, (part, dz) in enumerate(zip(parts, dzs, strict=True)):
        for j in range(part.jacobian.shape[1]):
            size = 1e-5 / np.abs(dz[:, j]).mean()
            move = np.zeros_like(lik.z)
            move[:, k] = size * dz[:, j]
            wanted = (mean_score(lik.z + move) - mean_score(lik.z - move)) / (2 * size)
            np.testing.assert_allclose(bottom[:, edges[k] + j], wanted, rtol=2e-3, atol=2e-5 * np.abs(bottom).max())


def test_json_and_filter_give_the_fit_back(fit):
    again = CorrelationFit.from_json(fit.to_json())
    assert isinstance(again, DCCMIDASFit)
    assert again.spec == fit.spec
    np.testing.assert_allclose(again.params, fit.params)
    np.testing.assert_allclose(again.std_err, fit.std_err, rtol=1e-6)
    same = fit.filter(fit.returns, driver=fit.driver)
    np.testing.assert_allclose(same.correlations(), fit.correlations())
    np.testing.assert_allclose(same.loglikelihood, fit.loglikelihood)
    np.testing.assert_allclose(same.slow_correlations(), fit.slow_correlations())


def future(fit, horizon):
    return None if fit.driver is None else np.linspace(0.5, 1.0, horizon)[:, None]


def test_one_step_ahead_is_the_next_row_of_the_filter(fit):
    returns = fit.returns
    step = returns.index[1:].append(pd.DatetimeIndex([returns.index[-1] + pd.Timedelta(days=1)]))
    later = pd.DataFrame(
        np.vstack([returns.to_numpy(), [[0.3, -0.2]]]), returns.index[:1].append(step), returns.columns
    )
    driver = None
    if fit.driver is not None:
        driver = pd.DataFrame(np.append(fit.driver.to_numpy(), [[0.5]], axis=0), later.index, fit.driver.columns)
    path = fit.filter(later, driver=driver).correlation("X", "Y")
    for options in ({}, {"method": "Q"}):
        ahead = fit.forecast(1, driver=future(fit, 1), **options).correlation
        np.testing.assert_allclose(ahead.iloc[0, 0], path.iloc[-1], rtol=1e-9)


def test_forecasts(fit):
    """1507 dates end 7 into a block of 15: the slow correlation is known for 8 more."""
    exact = fit.forecast(8, method="Q", driver=future(fit, 8)).correlation.to_numpy()[:, 0]
    drawn = fit.forecast(8, method="simulation", paths=1500, rng=1, driver=future(fit, 8))
    np.testing.assert_allclose(exact, drawn.correlation.to_numpy()[:, 0], atol=0.02)
    if fit.driver is None:
        with pytest.raises(SpecError, match=r"known for 8 more date\(s\)"):
            fit.forecast(9, method="R")
    else:
        assert np.abs(fit.forecast(40, driver=future(fit, 40)).correlation.to_numpy()).max() < 1
        with pytest.raises(SpecError, match="needs driver="):
            fit.forecast(9)
    long = fit.forecast(40, method="simulation", paths=100, rng=1, driver=future(fit, 40))
    assert np.isfinite(long.correlation.to_numpy()).all()
    assert np.isfinite(fit.simulate(200, rng=1, driver=future(fit, 200)).to_numpy()).all()


def test_warm_simulation_continues_the_filter(fit):
    """Residuals that were drawn after the sample, filtered together with it, have the path they were drawn with."""
    lik, theta = fit.likelihood, fit.theta
    shocks = np.random.default_rng(0).standard_normal((50, 2))
    driver = future(fit, 50)
    z, path = lik.simulate(theta, shocks, [0], [1], driver=driver, warm=True)
    both = None if driver is None else np.vstack([lik.driver, driver])
    whole = lik.fixed(np.vstack([lik.z, z]), both).path(theta, [0], [1])
    np.testing.assert_allclose(whole[-50:], path, rtol=1e-9)
    rho = path[:, 0]
    np.testing.assert_allclose(rho * shocks[:, 0] + np.sqrt(1 - rho**2) * shocks[:, 1], z[:, 1], atol=1e-10)


def test_permuting_assets_permutes_the_answer(sim_dcc3):
    margins = fit_margins(sim_dcc3.iloc[:900])
    spec = DCCMIDAS(lags=4, block=20)
    one, turned = quiet(spec, margins), quiet(spec, margins.select("C", "A", "B"))
    np.testing.assert_allclose(turned.loglikelihood, one.loglikelihood, rtol=1e-9)
    np.testing.assert_allclose(turned.correlation("A", "C"), one.correlation("A", "C"), atol=1e-3)
    np.testing.assert_allclose(turned.slow_correlation("B", "C"), one.slow_correlation("C", "B"), atol=1e-3)


def test_a_level_that_does_not_move_leaves_its_weights_unidentified(sim_dcc3):
    """theta = 0: w has no effect; the fit says so, where the sample happens to end there."""
    rng = np.random.default_rng(0)
    lik = model_of(rng, 200, 2, driven=True)
    theta = np.array([0.05, 0.8, 4.0, 0.3, 0.0])
    assert np.abs(lik.evaluate(theta, 1)[1][:, 2]).max() == 0.0
    dcc = DCC().model(lik.z, target=np.array([[1.0, np.tanh(0.3)], [np.tanh(0.3), 1.0]]))
    np.testing.assert_allclose(lik.evaluate(theta, 0)[0], dcc.evaluate(theta[:2], 0)[0], rtol=1e-12)


def test_a_correlation_that_does_not_return_to_its_slow_level_is_said_not_to():
    """A break looks like an integrated correlation: a + b at its cap, the weights of the level mean nothing."""
    returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    margins = fit_margins(returns, GARCH(dist="t"))
    with pytest.warns(BoundaryWarning, match="does not return to the slow correlation"):
        fit = DCCMIDAS(dist="t").fit(margins)
    assert fit.optimum.pinned[0]
    assert "midas.w" in fit.at_bound
    assert np.isfinite(fit.std_err["midas.nu"])
    assert "does not return to the slow correlation" in str(fit.summary())


def test_refusals(sim_dcc3):
    margins = fit_margins(sim_dcc3.iloc[:300])
    two = margins.select("A", "B")
    index = margins.std_resid.index
    x = pd.Series(np.linspace(0, 1, 300), index, name="x")
    for wrong in ({"lags": 1}, {"block": 0}, {"lags": 2.5}, {"block": True}):
        with pytest.raises(SpecError, match="whole number of at least 2"):
            DCCMIDAS(**wrong)
    with pytest.raises(DataError, match="12 lags of 30 dates need 390 observations at least"):
        DCCMIDAS(block=30).fit(two)
    with pytest.raises(SpecError, match="two columns, not 3"):
        DCCMIDAS(lags=3).fit(margins, driver=x)
    with pytest.raises(SpecError, match="not to a target"):
        DCCMIDAS(lags=3).fit(two, target=np.eye(2))
    with pytest.raises(DataError, match="same mean in every block of 2 dates"):
        DCCMIDAS(lags=3, block=2).fit(two, driver=pd.Series(np.tile([0.0, 1.0], 150), index))
    with pytest.raises(SpecError, match="takes 0 to 1 driver"):
        DCCMIDAS(lags=3).fit(two, driver=pd.concat([x, x.rename("y") ** 2], axis=1))
    z = np.random.default_rng(0).standard_normal((100, 2))
    z[20:30, 1] = 0.0
    with pytest.raises(DataError, match=r"Y: all residuals of block 3 \(rows 20 to 29\) are zero"):
        DCCMIDAS(lags=3, block=10).model(z, names=("X", "Y"))
    with pytest.raises(DataError, match="singular"):
        DCCMIDAS(lags=2, block=2).model(np.random.default_rng(0).standard_normal((60, 5)))
    with pytest.raises(SpecError, match="not driven"):
        quiet(DCCMIDAS(lags=3), two).driver_effects()


def test_citation(fit):
    assert "A Component Model for Dynamic Correlations" in fit.cite().replace("\n", " ")
