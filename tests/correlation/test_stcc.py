"""STCC, DSTCC and Berben-Jansen: contract, recovery, invariances, what is not identified, storage, the effect test."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from cryptoequity.correlation import CorrelationFit
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.correlation.spec import climb_correlation
from cryptoequity.correlation.stacking import stacked_moments
from cryptoequity.correlation.stcc import DSTCC, STCC, BerbenJansen, TransitionFit
from cryptoequity.correlation.transition import TransitionLikelihood
from cryptoequity.correlation.transition_effect import _Ratio, transition_effect_test, transition_ratio
from cryptoequity.errors import BoundaryWarning, DataError, SpecError
from cryptoequity.estimation.optimize import maximize
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.garch import simulate_margin
from strategies import seeds

MARGIN = np.array([0.05, 0.05, 0.08, 0.88])
KINDS = {"stcc": (1, False), "dstcc": (2, False), "dstcc-time": (2, True), "bj": (1, True)}


def wave(rng: np.random.Generator, nobs: int, memory: float = 0.95) -> np.ndarray:
    s = np.zeros(nobs)
    news = rng.standard_normal(nobs)
    for t in range(1, nobs):
        s[t] = memory * s[t - 1] + news[t]
    return s


def build(z, kind, dist="normal", driver=None, **options) -> TransitionLikelihood:
    return TransitionLikelihood(z, dist=dist, prefix="m", driver=driver, time=KINDS[kind][1], **options)


def small(kind: str, n: int, dist: str, seed: int, nobs: int = 25) -> tuple[TransitionLikelihood, np.ndarray]:
    """A model on random data and feasible parameters inside the box."""
    rng = np.random.default_rng(seed)
    count, timed = KINDS[kind]
    columns = count - timed
    driver = rng.normal(3.0, 5.0, (nobs, columns)) if columns else None
    lik = build(rng.standard_normal((nobs, n)), kind, dist, driver)
    low, high = lik.layout.lower, lik.layout.upper
    u = low + rng.uniform(0.2, 0.8, low.size) * (high - low)
    u[: lik.head] *= 0.7
    for m in range(count):
        u[lik.head + 2 * m] = np.log(rng.uniform(0.5, 4.0))
    if dist == "t":
        u[-1] = np.log(rng.uniform(1.0, 10.0))
    return lik, lik.layout.natural(u)


CASES = [(kind, n, dist) for kind in KINDS for n in (2, 3) for dist in ("normal", "t")]


# --- the contract


@pytest.mark.parametrize(("kind", "n", "dist"), CASES)
def test_scores_and_adjoint_equal_differences(kind, n, dist):
    for seed in range(3):
        lik, theta = small(kind, n, dist, seed)
        score = lik.evaluate(theta, 1)[1]
        assert score.shape == (lik.nobs, lik.layout.size)
        wanted = np.empty_like(score)
        for k in range(theta.size):
            step = 1e-6 * max(1.0, abs(theta[k]))
            ends = []
            for sign in (1, -1):
                moved = theta.copy()
                moved[k] += sign * step
                ends.append(lik.evaluate(moved, 0)[0])
            wanted[:, k] = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(score, wanted, atol=1e-6 * np.abs(wanted).max())
        by_z, by_nuisance = lik.adjoint(theta)
        assert by_nuisance.shape == (0,)
        direction = np.random.default_rng(seed).standard_normal(lik.z.shape)
        ends = [lik.fixed(lik.z + s * 1e-6 * direction, lik.driver).evaluate(theta, 0)[0].sum() for s in (1, -1)]
        np.testing.assert_allclose((by_z * direction).sum(), (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-6)


def test_the_path_is_the_formula_in_the_units_of_the_driver():
    rng = np.random.default_rng(1)
    s = rng.normal(100.0, 20.0, 50)
    lik = build(rng.standard_normal((50, 2)), "stcc", driver=s[:, None])
    g = 1 / (1 + np.exp(-2.5 * (s - 95.0) / s.std()))
    theta = np.array([-0.2, 0.6, 2.5, 95.0])
    np.testing.assert_allclose(lik.path(theta, [0], [1])[:, 0], -0.2 + 0.8 * g, rtol=1e-12)
    np.testing.assert_array_equal(lik.path(theta, [0, 1], [0, 1]), 1.0)
    np.testing.assert_allclose(lik.weigh(theta)[0][:, 0], g, rtol=1e-12)


def test_the_double_path_is_the_formula_with_time_second():
    rng = np.random.default_rng(2)
    s = rng.normal(0, 2.0, 40)
    lik = build(rng.standard_normal((40, 2)), "dstcc-time", driver=s[:, None])
    time = np.arange(1, 41) / 40
    np.testing.assert_array_equal(lik.states[:, 1], time)
    r11, r12, r21, r22 = 0.1, 0.5, -0.3, 0.8
    theta = np.array([r11, r12, r21, r22, 2.0, 0.3, 6.0, 0.6])
    g1 = 1 / (1 + np.exp(-2.0 * (s - 0.3) / s.std()))
    g2 = 1 / (1 + np.exp(-6.0 * (time - 0.6) / time.std()))
    wanted = (1 - g1) * ((1 - g2) * r11 + g2 * r12) + g1 * ((1 - g2) * r21 + g2 * r22)
    np.testing.assert_allclose(lik.path(theta, [0], [1])[:, 0], wanted, rtol=1e-12)


@given(st.sampled_from(sorted(KINDS)), st.integers(2, 5), seeds)
@settings(max_examples=40, deadline=None)
def test_any_point_of_the_box_gives_correlation_matrices(kind, n, seed):
    rng = np.random.default_rng(seed)
    count, timed = KINDS[kind]
    driver = rng.standard_t(2, (30, count - timed)) if count > timed else None
    lik = build(rng.standard_t(3, (30, n)), kind, driver=driver)
    low, high = lik.layout.lower, lik.layout.upper
    share = rng.uniform(0, 1, low.size)
    share[rng.random(low.size) < 0.3] = rng.integers(0, 2)  # corners too
    theta = lik.layout.natural(low + share * (high - low))
    for flat in lik.path(theta, *lik.pairs):
        r = lik.matrix(flat)
        np.testing.assert_array_equal(np.diag(r), 1.0)
        assert np.linalg.eigvalsh(r)[0] > -1e-12
    assert not np.isnan(lik.evaluate(theta, 1)[1]).any()


def test_names_and_bounds():
    driver = np.arange(101.0)[:, None]
    lik = TransitionLikelihood(
        np.random.default_rng(0).standard_normal((101, 3)),
        dist="t",
        prefix="stcc",
        names=["A", "B", "C"],
        driver=driver,
    )
    assert lik.layout.names == (
        "stcc.r1.A.B",
        "stcc.r1.A.C",
        "stcc.r1.B.C",
        "stcc.r2.A.B",
        "stcc.r2.A.C",
        "stcc.r2.B.C",
        "stcc.gamma",
        "stcc.c",
        "stcc.nu",
    )
    np.testing.assert_allclose([lik.layout.lower[7], lik.layout.upper[7]], [10.0, 90.0])
    np.testing.assert_allclose(np.exp([lik.layout.lower[6], lik.layout.upper[6]]), [0.1, 500.0])


# --- samples


def sample(rng, nobs, n=2, dist="normal", low=0.1, high=0.6, gamma=3.0, place=0.0, s=None, margins=True):
    """Returns whose correlation goes from ``low`` to ``high`` with a driver, and the driver."""
    s = wave(rng, nobs) if s is None else s
    g = expit(gamma * (s / s.std() - place))
    u = draw_shocks(rng, nobs, n, 7.0 if dist == "t" else 0.0)
    r = np.tile((low + g * (high - low))[:, None, None], (1, n, n))
    np.einsum("tii->ti", r)[:] = 1.0
    z = np.einsum("tij,tj->ti", np.linalg.cholesky(r), u)
    index = pd.bdate_range("2012-01-02", periods=nobs, name="date")
    if margins:
        z = np.stack([simulate_margin(GARCH(), MARGIN, np.ascontiguousarray(z[:, i]), 1.25)[0] for i in range(n)], 1)
    return pd.DataFrame(z, index, list("XYZ")[:n]), pd.Series(s, index, name="value")


def quiet(spec, data, **options) -> TransitionFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


@pytest.fixture(scope="module")
def three():
    return sample(np.random.default_rng(5), 1200, n=3)


@pytest.fixture(scope="module")
def margins(three):
    return fit_margins(three[0])


@pytest.fixture(scope="module")
def other(three):
    return pd.Series(wave(np.random.default_rng(6), 1200), three[0].index, name="other")


@pytest.fixture(scope="module", params=["stcc", "stcc-t", "dstcc", "dstcc-time", "bj"])
def fit(request, margins, three, other) -> TransitionFit:
    driver = three[1]
    spec, given_driver = {
        "stcc": (STCC(), driver),
        "stcc-t": (STCC(dist="t"), driver),
        "dstcc": (DSTCC(), pd.concat([driver, other], axis=1)),
        "dstcc-time": (DSTCC(second="time"), driver),
        "bj": (BerbenJansen(), None),
    }[request.param]
    return quiet(spec, margins, driver=given_driver)


def test_what_a_fit_says(fit, three):
    lik = fit.likelihood
    assert isinstance(fit, TransitionFit)
    index = three[0].index
    states = fit.states
    assert list(states.columns) == list(fit.drivers)
    transition = fit.transition
    assert transition.index.equals(index)
    weights = fit.regime_weights
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert ((transition >= 0) & (transition <= 1)).all(axis=None)
    regimes = fit.regime_correlations
    assert regimes.index.tolist() == [("X", "Y"), ("X", "Z"), ("Y", "Z")]
    np.testing.assert_allclose(weights @ regimes.T, fit.correlations(), rtol=1e-12)
    effect = fit.driver_effect()
    assert len(effect) == 3 * (1 if lik.count == 1 else 4)
    for (name, i, j), row in effect.iterrows():
        high, low = name.split(" - ")
        np.testing.assert_allclose(row["estimate"], regimes.loc[(i, j), high] - regimes.loc[(i, j), low])
        labels = [f"{lik.prefix}.{regime}.{i}.{j}" for regime in (low, high)]
        block = fit.cov.loc[labels, labels].to_numpy()
        if np.isfinite(block).all():
            np.testing.assert_allclose(row["std_err"] ** 2, np.array([-1, 1]) @ block @ np.array([-1, 1]), rtol=1e-9)
            np.testing.assert_allclose(row["upper"] - row["lower"], 2 * 1.959964 * row["std_err"], rtol=1e-6)
    center = fit.center
    assert list(center.index) == list(fit.drivers)
    if lik.timed:
        date = fit.center_date
        g = transition if lik.count == 1 else transition["time"]
        assert g[date] >= 0.5 - 1e-9
        assert (g[:date].iloc[:-1] < 0.5).all()
        after = three[0].loc[date:].iloc[5:]
        before = three[0].loc[:date].iloc[:-5]
        part = fit.filter(after if len(after) > len(before) else before, driver=fit.driver)
        with pytest.raises(SpecError, match="halfway outside these dates"):
            _ = part.center_date
    else:
        with pytest.raises(SpecError, match="is not driven by time"):
            _ = fit.center_date
    np.testing.assert_allclose(fit.loglik_obs.sum(), fit.loglikelihood, rtol=1e-12)
    assert fit.cite().count("@") >= 3
    np.testing.assert_allclose(lik.evaluate(fit.theta, 1)[1].sum(axis=0)[: lik.head], 0, atol=0.3)


def test_the_curve_runs_through_the_path_with_the_errors_of_the_regimes(fit):
    name = fit.drivers[0]
    lik = fit.likelihood
    if lik.count == 1:
        values = fit.states[name].to_numpy()
        curve = fit.curve("X", "Z", values)
        np.testing.assert_allclose(curve["estimate"], fit.correlation("X", "Z"), rtol=1e-12)
        far = fit.curve("X", "Z", [-1e9, 1e9])
        for regime, row in zip(("r1", "r2"), far["std_err"], strict=True):
            np.testing.assert_allclose(row, fit.std_err[f"{lik.prefix}.{regime}.X.Z"], rtol=1e-5)
        with pytest.raises(SpecError, match="other= is for two transitions"):
            fit.curve("X", "Z", other=0.0)
    else:
        low, high = fit.curve("X", "Z", other=-1e9), fit.curve("X", "Z", other=1e9)
        r = fit.regime_correlations.loc[("X", "Z")]
        g = 1 / (1 + np.exp(-fit.theta[lik.head] * (low.index - fit.theta[lik.head + 1]) / lik.frame.scale[0]))
        np.testing.assert_allclose(low["estimate"], (1 - g) * r["r11"] + g * r["r21"], rtol=1e-9)
        np.testing.assert_allclose(high["estimate"], (1 - g) * r["r12"] + g * r["r22"], rtol=1e-9)
        assert fit.curve("X", "Z", driver=fit.drivers[1]).index.name == fit.drivers[1]
    with pytest.raises(SpecError, match="no driver 'oil' in this fit; there are"):
        fit.curve("X", "Z", driver="oil")


def test_storage_and_filtering_give_the_fit_back(fit, three):
    again = CorrelationFit.from_json(fit.to_json())
    assert isinstance(again, TransitionFit)
    assert again.spec == fit.spec
    pd.testing.assert_series_equal(again.params, fit.params)
    pd.testing.assert_series_equal(again.std_err, fit.std_err)
    assert str(again.summary()) == str(fit.summary())
    driver = fit.driver
    same = fit.filter(three[0], driver=driver)
    assert isinstance(same, TransitionFit)
    np.testing.assert_allclose(same.correlations(), fit.correlations(), rtol=1e-12)
    np.testing.assert_allclose(same.loglikelihood, fit.loglikelihood, rtol=1e-12)
    # a part of the sample: the driver's units and the clock are those of the fit, not of the part
    part = fit.filter(three[0].iloc[700:], driver=driver)
    np.testing.assert_allclose(part.correlations(), fit.correlations().iloc[700:], rtol=1e-12)
    late = three[0].iloc[700:].copy()
    late.index = late.index + pd.Timedelta(days=40_000)
    if fit.likelihood.timed:
        moved = None if driver is None else driver.iloc[700:].set_axis(late.index)
        with pytest.raises(DataError, match="is driven by time: the new returns begin at 21"):
            fit.filter(late, driver=moved)


def test_lags_held_back_do_not_shift_the_clock():
    rng = np.random.default_rng(4)
    frame, _ = sample(rng, 500, low=0.0, high=0.8, s=np.linspace(-1, 1, 500))
    fit = quiet(BerbenJansen(), frame, margins=GARCH(mean="ar", lags=2))
    assert fit.nobs == 498
    np.testing.assert_allclose(fit.states["time"].iloc[[0, -1]], [1 / 498, 1.0])
    np.testing.assert_allclose(fit.filter(frame).correlations(), fit.correlations(), rtol=1e-12)
    assert transition_effect_test(fit, draws=19, rng=0).pvalue == 0.05


def test_a_band_surrounds_the_path(moved):
    band = moved.correlation_band("X", "Y", draws=60, rng=0)
    assert (band["lower"] <= band["estimate"] + 0.02).all()
    assert (band["upper"] >= band["estimate"] - 0.02).all()


def test_one_step_forecast_is_exact(fit, three):
    rng = np.random.default_rng(0)
    returns = three[0]
    ahead = pd.bdate_range(returns.index[-1], periods=4)[1:]
    longer = pd.concat([returns, pd.DataFrame(rng.standard_normal((3, 3)), ahead, returns.columns)])
    future = (
        None
        if fit.driver is None
        else pd.DataFrame(rng.normal(0, 3, (3, fit.driver.shape[1])), ahead, fit.driver.columns)
    )
    all_driver = None if future is None else pd.concat([fit.driver, future])
    nxt = fit.filter(longer, driver=all_driver)
    one = fit.forecast(1, driver=None if future is None else future.iloc[:1])
    np.testing.assert_allclose(one.correlation.iloc[0], nxt.correlations().iloc[-3], rtol=1e-9)
    np.testing.assert_allclose(one.volatility.iloc[0], nxt.volatility.iloc[-3], rtol=1e-4)
    for method in ("R", "Q"):
        # given the driver there is nothing left to forecast in the correlation
        far = fit.forecast(3, method=method, driver=future)
        np.testing.assert_allclose(far.correlation, nxt.correlations().iloc[-3:], rtol=1e-9)
    simulated = fit.forecast(3, method="simulation", rng=0, paths=5, driver=future)
    np.testing.assert_allclose(simulated.correlation, far.correlation, rtol=1e-9)
    if future is not None:
        with pytest.raises(SpecError, match="needs driver="):
            fit.forecast(1)


def test_simulation_follows_the_driver(fit):
    nobs = 1200
    made = fit.simulate(nobs, rng=1, driver=fit.driver)
    pd.testing.assert_frame_equal(made, fit.simulate(nobs, rng=1, driver=fit.driver))
    shocks = draw_shocks(np.random.default_rng(3), nobs, 3, 0.0)
    driver = None if fit.driver is None else fit.driver.to_numpy()
    z, path = fit.likelihood.simulate(fit.theta, shocks, [0], [2], driver=driver)
    np.testing.assert_allclose(path[:, 0], fit.correlation("X", "Z"), rtol=1e-12)
    np.testing.assert_allclose(fit.likelihood.fixed(z, driver).evaluate(fit.theta, 0)[0].shape, nobs)
    np.testing.assert_allclose(np.corrcoef(z.T)[0, 2], path.mean(), atol=0.1)


def test_permuting_assets_permutes_the_answer(margins, three):
    one = quiet(STCC(), margins, driver=three[1])
    turned = quiet(STCC(), margins.select("Z", "X", "Y"), driver=three[1])
    np.testing.assert_allclose(turned.loglikelihood, one.loglikelihood, rtol=1e-10)
    for i, j in (("X", "Y"), ("X", "Z"), ("Y", "Z")):
        np.testing.assert_allclose(turned.correlation(i, j), one.correlation(i, j), atol=2e-4)
    for name in ("stcc.gamma", "stcc.c"):
        np.testing.assert_allclose(turned.params[name], one.params[name], rtol=5e-3)
        np.testing.assert_allclose(turned.std_err[name], one.std_err[name], rtol=2e-2)
    a, b = turned.driver_effect(), one.driver_effect()
    np.testing.assert_allclose(
        a.loc[("r2 - r1", "Z", "X"), "std_err"], b.loc[("r2 - r1", "X", "Z"), "std_err"], rtol=1e-2
    )


def test_units_of_the_driver_do_not_matter(margins, three):
    driver = three[1]
    one = quiet(STCC(), margins, driver=driver)
    scaled = quiet(STCC(), margins, driver=1000.0 + 250.0 * driver)
    np.testing.assert_allclose(scaled.loglikelihood, one.loglikelihood, rtol=1e-10)
    np.testing.assert_allclose(scaled.params["stcc.gamma"], one.params["stcc.gamma"], rtol=1e-3)
    np.testing.assert_allclose(scaled.params["stcc.c"], 1000.0 + 250.0 * one.params["stcc.c"], rtol=1e-3)
    turned = quiet(STCC(), margins, driver=-driver)
    np.testing.assert_allclose(turned.loglikelihood, one.loglikelihood, rtol=1e-10)
    np.testing.assert_allclose(turned.regime_correlations["r1"], one.regime_correlations["r2"], atol=1e-3)


def test_time_as_a_driver_is_berben_and_jansen(margins, three):
    index = three[0].index
    clock = pd.Series(np.arange(1, 1201) / 1200, index, name="clock")
    one, two = quiet(BerbenJansen(), margins), quiet(STCC(), margins, driver=clock)
    np.testing.assert_allclose(one.theta, two.theta, rtol=1e-8)
    np.testing.assert_allclose(one.loglikelihood, two.loglikelihood, rtol=1e-12)
    double = quiet(DSTCC(second="time"), margins, driver=three[1])
    given_both = quiet(DSTCC(), margins, driver=pd.concat([three[1], clock], axis=1))
    np.testing.assert_allclose(double.loglikelihood, given_both.loglikelihood, rtol=1e-10)


def test_nested_models_are_ordered(margins, three, other):
    single = quiet(STCC(), margins, driver=three[1])
    double = quiet(DSTCC(), margins, driver=pd.concat([three[1], other], axis=1))
    constant = single.likelihood.constant()
    best = maximize(constant, list(constant.starts()))
    assert best.loglik < single.optimum.loglik < double.optimum.loglik


# --- the optimum and the truth


@pytest.mark.parametrize("dist", ["normal", "t"])
@pytest.mark.parametrize("effect", [0.0, 0.4])
def test_twenty_seeds_reach_the_highest_peak(dist, effect):
    """No start of a fine random grid climbs higher by a hundredth; by a tenth where t weights blur abrupt switches."""
    missed = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        frame, s = sample(rng, 300, dist=dist, low=0.1, high=0.1 + effect, margins=False)
        driver = s.to_numpy()[:, None]
        lik, ours = climb_correlation(STCC(dist=dist), frame.to_numpy(), driver=driver)
        rival = _many_starts(lik, rng)
        assert ours.loglik > rival - 0.1
        missed += ours.loglik < rival - 1e-2
    assert missed <= (0 if dist == "normal" else 2)


def _many_starts(lik, rng) -> float:
    from cryptoequity.correlation.transition_starts import _Search

    search = _Search(lik)
    points = [
        search.theta(np.array([gamma]), np.quantile(lik.states, [share]))
        for gamma in (0.5, 2.0, 6.0, 20.0, 80.0, 400.0)
        for share in rng.uniform(0.1, 0.9, 8)
    ]
    return maximize(lik, points, polish=12, tol=1e-6).loglik


@pytest.mark.parametrize(("dist", "n"), [("normal", 2), ("t", 2), ("normal", 3)])
def test_estimates_center_on_the_truth(dist, n):
    rng = np.random.default_rng(20261122)
    rows = []
    for _ in range(20):
        frame, s = sample(rng, 1500 if n == 2 else 700, n=n, dist=dist, low=0.1, high=0.7, margins=False)
        lik, best = climb_correlation(STCC(dist=dist), frame.to_numpy(), driver=s.to_numpy()[:, None])
        flat, gamma, c = lik.split(best.theta)
        rows.append([*flat[:, 0], np.log(gamma[0]), c[0] / s.std(), *(best.theta[-1:] if dist == "t" else [])])
    got = np.array(rows)
    truth = [0.1, 0.7, np.log(3.0), 0.0, *([7.0] if dist == "t" else [])]
    # log gamma is skewed to the fast side in samples of this length: its median is what is centered
    error = got.std(axis=0, ddof=1) / np.sqrt(len(got))
    middle = got.mean(axis=0)
    middle[2] = np.median(got[:, 2])
    error[2] *= 1.25
    assert (np.abs(middle - truth) < 3.2 * error + 0.01).all(), (middle, truth, error)


def test_a_double_transition_is_found():
    rng = np.random.default_rng(3)
    nobs = 4000
    s = np.stack([wave(rng, nobs, 0.9), wave(rng, nobs, 0.9)], axis=1)
    lik = build(rng.standard_normal((nobs, 2)), "dstcc", driver=s)
    truth = np.array([0.0, 0.3, 0.3, 0.8, 4.0, 0.0, 4.0, 0.5])
    z, _ = lik.simulate(truth, rng.standard_normal((nobs, 2)), driver=s)
    _, best = climb_correlation(DSTCC(), z, driver=s)
    own = lik.fixed(z, s)
    assert best.loglik >= own.evaluate(truth, 0)[0].sum()
    np.testing.assert_allclose(best.theta[:4], truth[:4], atol=0.12)
    np.testing.assert_allclose(best.theta[[5, 7]], truth[[5, 7]], atol=0.5)


def test_errors_of_the_regimes_match_their_spread():
    """Margins estimated too: the mean standard error of the effect against the spread of its estimates."""
    rng = np.random.default_rng(11)
    rows = []
    for _ in range(36):
        frame, s = sample(rng, 700, low=0.1, high=0.7, gamma=8.0)
        one = quiet(STCC(), frame, driver=s)
        effect = one.driver_effect().iloc[0]
        rows.append((effect["estimate"], effect["std_err"], *one.theta[:2], *one.std_err.iloc[-4:-2]))
    got = pd.DataFrame(rows).dropna().to_numpy()
    assert len(got) > 32
    for estimate, error in ((0, 1), (2, 4), (3, 5)):
        ratio = np.median(got[:, error]) / got[:, estimate].std(ddof=1)
        assert 0.7 < ratio < 1.4, (estimate, ratio)


def test_slope_of_the_system_equals_differences_in_the_data(three):
    """The cross blocks of the stacked system, by moving the residuals along each margin's parameters."""
    pair, driver = three[0][["X", "Y"]], three[1]
    for spec in (STCC(), STCC(dist="t")):
        fit = quiet(spec, pair, driver=driver)
        parts, dzs = [one.part for one in fit.margins.fits], [one.dz for one in fit.margins.fits]
        bread, moments, last, edges = stacked_moments(fit.likelihood, fit.optimum, parts, dzs, "exact")
        lik, theta = fit.likelihood, fit.theta
        jacobian = lik.layout.jacobian(fit.optimum.box)[:, last.free]
        assert bread.shape[0] == moments.shape[1] == edges[-1]
        for k, dz in enumerate(dzs):
            for j in range(dz.shape[1]):
                size = 1e-5 / np.abs(dz[:, j]).mean()
                move = np.zeros_like(lik.z)
                move[:, k] = size * dz[:, j]
                ends = [
                    lik.fixed(lik.z + s * move, lik.driver).evaluate(theta, 1)[1].mean(axis=0) @ jacobian
                    for s in (1, -1)
                ]
                got = bread[edges[3] :, edges[k] + j]
                scale = np.abs(bread[edges[3] :, edges[k] : edges[k + 1]]).max()
                np.testing.assert_allclose(got, (ends[0] - ends[1]) / (2 * size), rtol=2e-3, atol=1e-4 * scale)


# --- what is not identified


def test_an_abrupt_switch_is_called_one():
    rng = np.random.default_rng(8)
    s = rng.standard_normal(900)
    frame, driver = sample(rng, 900, low=-0.4, high=0.8, gamma=1e6, place=0.2, s=s, margins=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no GARCH in these margins: alpha on its bound
        margins = fit_margins(frame, GARCH(mean="zero"))
    told = r"stcc\.gamma, stcc\.c; the transition of stcc\.gamma is an abrupt switch"
    with pytest.warns(BoundaryWarning, match=told):
        fit = STCC().fit(margins, driver=driver)
    assert {"stcc.gamma", "stcc.c"} <= set(fit.at_bound)
    known = np.sort(s)
    near = np.abs(known - 0.2 * s.std())
    # as close to the truth as the observed values allow, give or take a few of them
    assert np.sum(near < abs(fit.params["stcc.c"] - 0.2 * s.std())) < 12
    text = str(fit.summary())
    assert "between two neighboring observed values" in text
    assert np.isfinite(fit.std_err[["stcc.r1.X.Y", "stcc.r2.X.Y"]]).all()
    np.testing.assert_allclose(fit.regime_correlations.loc[("X", "Y")], [-0.4, 0.8], atol=0.1)


def test_regimes_that_do_not_differ_leave_speed_and_place_open():
    rng = np.random.default_rng(9)
    flagged = 0
    for _ in range(8):
        frame, driver = sample(rng, 600, low=0.4, high=0.4, margins=False)
        fit = quiet(STCC(), frame, margins=GARCH(mean="zero"), driver=driver)
        said = any("hardly differ" in one or "abrupt" in one for one in fit.concerns)
        assert said == ({"stcc.gamma", "stcc.c"} <= set(fit.at_bound))
        flagged += said
        assert np.isfinite(fit.loglikelihood)
        assert np.isfinite(fit.driver_effect()["std_err"]).all()
    assert flagged >= 4


def test_equal_regimes_exactly():
    """At R_1 = R_2 the scores of gamma and c are zero: the errors of what remains are those of one correlation."""
    lik, theta = small("stcc", 2, "normal", 0, nobs=300)
    theta[:2] = 0.3
    best = maximize(lik.constant(), [np.array([0.2])])
    theta[:2] = best.theta[0]
    fixed = maximize(lik, [theta], max_iter=0)
    assert lik.loose(fixed)[2:4] == (True, True)
    assert any("hardly differ" in text for text in lik.concerns(fixed))


def test_a_nearly_linear_effect_is_called_an_extrapolation():
    rng = np.random.default_rng(4)
    s = np.linspace(-1.7, 1.7, 3000)
    frame, driver = sample(rng, 3000, low=-0.99, high=0.99, gamma=0.45, s=s, margins=False)
    fit = quiet(STCC(), frame, margins=GARCH(mean="zero"), driver=driver)
    assert fit.params["stcc.gamma"] < 1.5
    curve = fit.curve("X", "Y", [s[300], s[-300]])
    truth = -0.99 + 1.98 / (1 + np.exp(-0.45 * np.array([s[300], s[-300]]) / s.std()))
    np.testing.assert_allclose(curve["estimate"], truth, atol=0.06)
    if fit.optimum.pinned[2]:
        assert any("lower bound" in one for one in fit.concerns)


def test_a_regime_without_observations_is_said_to_have_none():
    rng = np.random.default_rng(1)
    s = rng.standard_normal((500, 2))
    s[:, 1] = s[:, 0] + 0.01 * s[:, 1]  # high and low together always: r12 and r21 are never visited
    frame, _ = sample(rng, 500, s=s[:, 0], margins=False)
    index = frame.index
    lik = build(frame.to_numpy(), "dstcc", driver=s)
    theta = np.array([0.1, 0.3, 0.3, 0.6, 300.0, 0.0, 300.0, 0.0])
    optimum = maximize(lik, [theta], max_iter=0)
    text = " ".join(lik.concerns(optimum))
    assert "m.r12 rests on" in text
    assert "m.r21 rests on" in text
    fit = quiet(DSTCC(), frame, margins=GARCH(mean="zero"), driver=pd.DataFrame(s, index, ["a", "b"]))
    assert np.isfinite(fit.loglikelihood)
    assert fit.at_bound


# --- bad input


def test_drivers_that_cannot_be_used(three, margins):
    driver = three[1]
    with pytest.raises(SpecError, match=r"STCC-normal needs driver=: 1 column"):
        STCC().fit(margins)
    with pytest.raises(SpecError, match="takes 1 to 1 driver column"):
        STCC().fit(margins, driver=pd.concat([driver, driver], axis=1))
    with pytest.raises(SpecError, match="takes no driver"):
        BerbenJansen().fit(margins, driver=driver)
    with pytest.raises(DataError, match="driver 'value': not finite at"):
        STCC().fit(margins, driver=driver.where(driver > driver.min()))
    with pytest.raises(DataError, match="no row for 100 of the 1200 dates"):
        STCC().fit(margins, driver=driver.iloc[100:])
    with pytest.raises(DataError, match="is constant"):
        STCC().fit(margins, driver=driver * 0.0)
    with pytest.raises(DataError, match="takes only 2 values"):
        STCC().fit(margins, driver=(driver > 0).astype(float))
    spikes = pd.Series(np.where(np.arange(1200) % 20 == 0, np.arange(1200), 7.0), driver.index)
    with pytest.raises(DataError, match="has the value 7 from its 10 % to its 90 % quantile"):
        STCC().fit(margins, driver=spikes)
    with pytest.raises(SpecError, match=r"second='driver' has 1 driver column\(s\); pass two columns"):
        DSTCC().fit(margins, driver=driver)
    both = pd.concat([driver, driver.rename("again")], axis=1)
    with pytest.raises(SpecError, match=r"second='time' has 2 driver column\(s\); pass one column"):
        DSTCC(second="time").fit(margins, driver=both)
    with pytest.raises(DataError, match="the two drivers are one"):
        DSTCC().fit(margins, driver=both)
    with pytest.raises(DataError, match="the two drivers are one"):
        DSTCC(second="time").fit(margins, driver=pd.Series(np.arange(1200.0), driver.index))
    with pytest.raises(SpecError, match="second='both'"):
        DSTCC(second="both")
    with pytest.raises(SpecError, match="has no target"):
        STCC().fit(margins, driver=driver, target=np.eye(3))
    with pytest.raises(SpecError, match="dist='cauchy'"):
        STCC(dist="cauchy")


# --- the effect test


@pytest.fixture(scope="module")
def moved():
    frame, s = sample(np.random.default_rng(21), 600, low=0.0, high=0.7)
    return quiet(STCC(), frame, driver=s)


def test_an_effect_is_found_and_nothing_is_not(moved):
    result = transition_effect_test(moved, draws=39, rng=0)
    assert result.pvalue == 1 / 40
    np.testing.assert_allclose(result.detail["c1"], moved.params["stcc.c"], atol=0.2)
    constant = moved.likelihood.constant()
    gain = moved.optimum.loglik - maximize(constant, list(constant.starts())).loglik
    np.testing.assert_allclose(result.statistic, 2 * gain, atol=1e-3)
    assert (result.detail["null"] > -1e-6).all()
    assert "margins refitted" in result.reference
    assert result.detail["failed"] == 0
    # sup over gamma and c: the law lies above the chi-square that takes them for known
    assert np.median(result.detail["null"]) > 1.5
    noise = pd.Series(wave(np.random.default_rng(3), 600), moved.std_resid.index, name="noise")
    idle = quiet(STCC(), moved.margins, driver=noise)
    assert transition_effect_test(idle, draws=19, rng=0).pvalue > 0.05


def test_draws_do_not_depend_on_workers_and_come_in_two_kinds(moved):
    from joblib import parallel_config

    one = transition_effect_test(moved, draws=19, rng=4, n_jobs=1)
    with parallel_config(backend="threading"):
        two = transition_effect_test(moved, draws=19, rng=4, n_jobs=2)
    np.testing.assert_array_equal(one.detail["null"], two.detail["null"])
    other = transition_effect_test(moved, draws=19, rng=4, shocks="parametric")
    assert "fitted density" in other.reference
    assert not np.array_equal(one.detail["null"], other.detail["null"])


def test_a_draw_can_be_sent_to_a_worker(moved):
    lik = moved.likelihood
    ratio = _Ratio(lik, lik.constant(), ())
    again = pickle.loads(pickle.dumps(ratio))
    driver = moved.driver.to_numpy()
    assert again(lik.z, driver, None) == ratio(lik.z, driver, None)


def test_margins_of_another_package_are_taken_for_data(three):
    from arch import arch_model

    driver = three[1].iloc[:500]
    fitted = {name: arch_model(three[0][name].iloc[:500]).fit(disp="off") for name in ("X", "Y")}
    fit = quiet(STCC(), fit_margins(fitted), driver=driver)
    result = transition_effect_test(fit, draws=19, rng=0)
    assert "residuals of the margins taken for data" in result.reference
    assert 0.05 <= result.pvalue <= 1.0


def test_one_of_two_transitions_given_the_other():
    rng = np.random.default_rng(2)
    frame, s = sample(rng, 260, low=-0.3, high=0.85)
    fit = quiet(DSTCC(second="time"), frame, driver=s)
    first = transition_effect_test(fit, "value", draws=19, rng=0)
    assert first.pvalue == 0.05
    assert first.null == "value does not move the correlation, given time"
    second = transition_effect_test(fit, "time", draws=19, rng=0)
    assert second.pvalue > 0.05
    assert first.statistic > second.statistic > 0


def test_the_larger_model_never_fits_worse():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        lik = build(rng.standard_normal((60, 2)), "dstcc", driver=rng.standard_normal((60, 2)))
        for kept in ((), (0,), (1,)):
            null = lik.alone(kept[0]) if kept else lik.constant()
            above, below = transition_ratio(lik, null, kept)
            assert above.loglik >= below.loglik - 1e-8


def test_who_can_be_tested(moved, three):
    from cryptoequity.correlation import CCC

    with pytest.raises(SpecError, match="has no transition to test"):
        transition_effect_test(CCC().fit(three[0]))
    filtered = moved.filter(moved.returns, driver=moved.driver)
    with pytest.raises(SpecError, match="was filtered, not fitted"):
        transition_effect_test(filtered)
    with pytest.raises(SpecError, match="no driver 'oil' in this fit; there are value"):
        transition_effect_test(moved, "oil")
    with pytest.raises(SpecError, match="draws=5"):
        transition_effect_test(moved, draws=5)


def test_the_curve_has_no_band_where_a_regime_has_no_error():
    rng = np.random.default_rng(1)
    s = rng.standard_normal((500, 2))
    s[:, 1] = s[:, 0] + 0.01 * s[:, 1]
    frame, _ = sample(rng, 500, s=s[:, 0], margins=False)
    fit = quiet(DSTCC(), frame, margins=GARCH(mean="zero"), driver=pd.DataFrame(s, frame.index, ["a", "b"]))
    regimes = fit.std_err[[f"dstcc.{name}.X.Y" for name in ("r11", "r12", "r21", "r22")]].to_numpy()
    assert np.isnan(regimes).any()
    for other in (-1e9, 1e9):
        curve = fit.curve("X", "Y", [-1e9, 1e9], other=other)
        wanted = regimes[[0, 2]] if other < 0 else regimes[[1, 3]]
        np.testing.assert_allclose(curve["std_err"], wanted, rtol=1e-5)


def test_bounds_are_put_in_words():
    lik, theta = small("stcc", 2, "normal", 0, nobs=400)
    theta[:2] = -0.5, 0.7
    free = maximize(lik, [theta], max_iter=0)
    for gamma, c, pinned, said in (
        (0.1, theta[3], (False, False, True, False), "m.gamma is on its lower bound"),
        (2.0, lik.frame.lower[0], (False, False, False, True), "m.c is on the 10 % quantile of the driver"),
        (2.0, lik.frame.upper[0], (False, False, False, True), "m.c is on the 90 % quantile of the driver"),
        (500.0, theta[3], (False, False, True, False), "m.gamma is an abrupt switch"),
    ):
        point = np.array([-0.5, 0.7, gamma, c])
        optimum = replace(free, theta=point, box=lik.layout.box(point), pinned=pinned)
        assert any(said in text for text in lik.concerns(optimum)), said
        assert all(kept or not flag for flag, kept in zip(pinned, lik.loose(optimum), strict=True))
