"""Threshold and smooth transition regression: against brute force, differences, and worlds without regimes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.errors import BoundaryWarning, DataError, LevelsWarning, SpecError
from cryptoequity.regimes.smooth_transition import SmoothTransitionRegression, smooth_transition_test
from cryptoequity.regimes.threshold import ThresholdRegression, threshold_test
from cryptoequity.regimes.threshold_moments import Moments, candidates
from cryptoequity.regimes.transition_sample import read_transition

DATES = pd.bdate_range("2019-01-01", periods=400)


def world(seed=0, size=1.0, nobs=400, slope=1.0):
    rng = np.random.default_rng(seed)
    s, x = rng.standard_normal(nobs), rng.standard_normal(nobs)
    y = slope * x + size * np.where(s <= 0.3, 0.0, 1.0) * (1.0 + x) + rng.standard_normal(nobs)
    at = pd.bdate_range("2019-01-01", periods=nobs)
    return pd.Series(y, at, name="y"), pd.DataFrame({"x": x}, at), pd.Series(s, at, name="s")


def sample_of(y, exog, s, vary=None):
    return read_transition(y, exog, s, lags=0, delay=0, constant=True, vary=vary)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([None, ("x",), ("const",)]))
def test_sums_of_squares_are_those_of_every_regression(seed, vary):
    rng = np.random.default_rng(seed)
    nobs = 60
    s = np.round(rng.standard_normal(nobs), 1)  # ties
    x = np.column_stack([10 ** rng.uniform(-3, 3) * rng.standard_normal(nobs)])
    y = rng.standard_normal(nobs)
    fit = ThresholdRegression(delay=0, vary=vary).fit(y, pd.DataFrame(x, columns=["x"]), driver=s)
    full = np.column_stack([np.ones(nobs), x])
    moving = {None: full, ("x",): full[:, 1:], ("const",): full[:, :1]}[vary]
    best = np.inf
    for c, ssr in fit.profile.items():
        design = np.column_stack([full, moving * (s <= c)[:, None]])
        own = np.sum((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2)
        assert ssr == pytest.approx(own, rel=1e-8)
        best = min(best, own)
        assert min((s <= c).mean(), (s > c).mean()) >= 0.15
    assert fit.ssr == pytest.approx(best, rel=1e-8)
    names = {None: 4, ("x",): 3, ("const",): 3}[vary]
    assert len(fit.params) == names + 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_lm_statistics_are_those_written_out(seed, robust):
    rng = np.random.default_rng(seed)
    y, exog, s = world(seed % 1000, 0.5, 80)
    sample = sample_of(y, exog, s)
    split = candidates(sample, 0.2)
    moments = Moments.of(sample, split)
    path = moments.path(sample.residuals[split.order], robust)
    x, e = sample.x, sample.residuals
    for g in rng.integers(0, split.values.size, 5):
        part = x * (sample.s <= split.values[g])[:, None]
        w = part - x @ np.linalg.lstsq(x, part, rcond=None)[0]
        middle = (w * (e**2)[:, None]).T @ w if robust else w.T @ w * np.mean(e**2)
        score = w.T @ e
        assert path[g] == pytest.approx(score @ np.linalg.solve(middle, score), rel=1e-8)


def test_covariances_and_results():
    y, exog, s = world(1, 2.0)
    fit = ThresholdRegression(delay=0).fit(y, exog, driver=s)
    assert fit.threshold == pytest.approx(0.3, abs=0.1)
    low, high = fit.threshold_interval()
    assert low <= fit.threshold <= high
    assert high - low < 0.3
    plain = fit.threshold_interval(robust=False)
    assert plain[0] <= fit.threshold <= plain[1]
    rows = (fit.regimes == 1).to_numpy()
    x = np.column_stack([np.ones(400), exog["x"]])
    for number, part in ((1, rows), (2, ~rows)):
        b = np.linalg.lstsq(x[part], y[part], rcond=None)[0]
        np.testing.assert_allclose(fit.params[[f"const[{number}]", f"x[{number}]"]], b, rtol=1e-9)
        e = y[part] - x[part] @ b
        bread = np.linalg.inv(x[part].T @ x[part])
        white = bread @ ((x[part] * (e.to_numpy() ** 2)[:, None]).T @ x[part]) @ bread
        np.testing.assert_allclose(
            fit.std_err[[f"const[{number}]", f"x[{number}]"]], np.sqrt(np.diag(white)), rtol=1e-8
        )
    assert np.isnan(fit.std_err["threshold"])
    pd.testing.assert_series_equal(fit.fitted + fit.resid, y, check_names=False)
    hac = ThresholdRegression(delay=0, cov_type="hac").fit(y, exog, driver=s, hac_lags=5)
    assert (hac.std_err.dropna() > 0).all()
    assert "threshold" in str(fit.summary())
    assert fit.to_dict()["spec"]["trim"] == 0.15
    assert "Sample Splitting" in fit.cite()
    assert fit.driver.name == "s"
    assert fit.aic == pytest.approx(-2 * fit.loglikelihood + 2 * 6)


def test_intervals_cover_the_threshold():
    inside = 0
    for seed in range(60):
        y, exog, s = world(seed, 0.7)
        low, high = ThresholdRegression(delay=0).fit(y, exog, driver=s).threshold_interval(0.9)
        below = s[s <= 0.3].max()
        inside += low <= below <= high
    assert inside >= 48


def test_delays_and_lags_are_aligned():
    rng = np.random.default_rng(3)
    y = pd.Series(rng.standard_normal(200), DATES[:200], name="r")
    own = read_transition(y, None, None, lags=2, delay=3, constant=True, vary=None)
    assert own.names == ("const", "r.L1", "r.L2")
    assert own.driver == "r.L3"
    np.testing.assert_array_equal(own.y, y[3:])
    np.testing.assert_array_equal(own.x[:, 1], y.iloc[2:-1])
    np.testing.assert_array_equal(own.s, y.iloc[:-3])
    other = read_transition(y, y.rename("z") ** 2, y.rename("d") * 2, lags=0, delay=1, constant=False, vary=None)
    assert other.names == ("z",)
    assert other.driver == "d.L1"
    np.testing.assert_array_equal(other.s, 2 * y.iloc[:-1])
    np.testing.assert_array_equal(other.x[:, 0], y.iloc[1:] ** 2)


def test_the_threshold_test_finds_what_is_there_and_holds_its_size():
    y, exog, s = world(5, 1.0)
    found = threshold_test(y, exog, driver=s, delay=0, draws=199)
    assert found.pvalue == pytest.approx(1 / 200)
    assert found.detail["threshold of the highest"] == pytest.approx(0.3, abs=0.3)
    assert found.statistic == pytest.approx(found.path.max())
    assert found.detail["p-value, ave"] < 0.05
    assert "Nuisance Parameter" in found.cite()
    assert "s, sup-LM" in str(found.summary())
    assert len(found.to_frame()) == found.detail["candidates"] <= 300
    hits = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        s = rng.standard_normal(150)
        e = rng.standard_normal(150) * np.where(s > 0, 2.0, 0.7)  # the variance has a threshold, the mean has none
        hits.append(threshold_test(s + e, s, driver=s, delay=0, draws=49, most=40, rng=seed).pvalue <= 0.1)
    assert abs(np.mean(hits) - 0.1) < 3 * np.sqrt(0.09 / 150)


@pytest.mark.slow
def test_draws_do_not_depend_on_workers():
    y, exog, s = world(5, 0.3, 100)
    one, two = (threshold_test(y, exog, driver=s, delay=0, draws=19, n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(one.draws, two.draws)


# --- smooth transitions


def smooth_world(kind, seed=0, nobs=800):
    rng = np.random.default_rng(seed)
    s, x = rng.standard_normal(nobs), rng.standard_normal(nobs)
    u = s - 0.2
    g = 1 / (1 + np.exp(-4 * u)) if kind == "logistic" else 1 - np.exp(-1.5 * u**2)
    y = 0.5 + x + g * (1.0 - 2.0 * x) + 0.5 * rng.standard_normal(nobs)
    return y, pd.DataFrame({"x": x}), s


@pytest.mark.parametrize("kind", ["logistic", "exponential"])
def test_smooth_transitions_are_recovered(kind):
    y, exog, s = smooth_world(kind)
    fit = SmoothTransitionRegression(kind, delay=0).fit(y, exog, driver=s)
    assert fit.converged
    truth = {"const[1]": 0.5, "x[1]": 1.0, "const[2]": 1.5, "x[2]": -1.0, "c": 0.2}
    truth["gamma"] = 4.0 * s.std() if kind == "logistic" else 1.5 * s.std() ** 2
    for name, value in truth.items():
        assert abs(fit.params[name] - value) < 4 * fit.std_err[name], name
    assert fit.surface.spread == pytest.approx(s.std())
    curve = fit.curve(11)
    assert curve.shape == (11, 2)
    assert fit.transition.between(0, 1).all()
    # the gradient of the concentrated sum of squares, and its zero at the optimum
    point = fit.optimum.box
    _, slope = fit.surface.value(point)
    assert np.abs(slope).max() < 1e-5
    other = point + np.array([0.3, -0.2])
    _, slope = fit.surface.value(other)
    for a in range(2):
        step = 1e-6 * np.eye(2)[a]
        ends = [fit.surface.value(other + sign * step)[0] for sign in (1, -1)]
        assert slope[a] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-8)


def test_smooth_transitions_do_not_depend_on_units():
    y, exog, s = smooth_world("logistic")
    plain = SmoothTransitionRegression(delay=0).fit(y, exog, driver=s)
    scaled = SmoothTransitionRegression(delay=0).fit(1e3 * y, 1e-3 * exog, driver=1e4 * s - 7.0)
    assert scaled.ssr == pytest.approx(1e6 * plain.ssr, rel=1e-8)
    assert scaled.params["gamma"] == pytest.approx(plain.params["gamma"], rel=1e-3)
    assert scaled.tvalues["x[1]"] == pytest.approx(plain.tvalues["x[1]"], rel=1e-3)
    classic = SmoothTransitionRegression(delay=0, cov_type="classic").fit(y, exog, driver=s)
    weight, dg, dc = plain.surface.transition(plain.params["gamma"], plain.params["c"])
    x = np.column_stack([np.ones(800), exog["x"]])
    gap = x @ (plain.params.iloc[2:4].to_numpy() - plain.params.iloc[:2].to_numpy())
    jac = np.column_stack([x * (1 - weight)[:, None], x * weight[:, None], gap * dg, gap * dc])
    errors = np.sqrt(np.diag(np.linalg.inv(jac.T @ jac)) * plain.ssr / (800 - 6))
    np.testing.assert_allclose(classic.std_err, errors, rtol=1e-6)
    assert "Smooth transition" in str(plain.summary())
    assert plain.to_dict()["ssr"] == plain.ssr
    assert "Specification" in plain.cite()


def test_only_some_coefficients_may_move():
    y, exog, s = smooth_world("logistic")
    fit = SmoothTransitionRegression(delay=0, vary=("x",)).fit(y, exog, driver=s)
    assert list(fit.estimate.names) == ["x[1]", "x[2]", "const", "gamma", "c"]
    assert list(fit.curve().columns) == ["x"]


def test_an_abrupt_transition_has_no_error_of_its_speed():
    y, exog, s = world(1, 3.0)
    with pytest.warns(BoundaryWarning, match="ThresholdRegression"):
        fit = SmoothTransitionRegression(delay=0).fit(y, exog, driver=s)
    sharp = ThresholdRegression(delay=0).fit(y, exog, driver=s)
    assert np.isnan(fit.std_err[["gamma", "c"]]).all()
    assert fit.params["c"] == pytest.approx(sharp.threshold, abs=0.1)
    np.testing.assert_allclose(fit.std_err.iloc[:4], sharp.std_err.iloc[:4], rtol=0.1)


@pytest.mark.parametrize("cov_type", ["robust", "classic"])
def test_the_linearity_test_is_the_auxiliary_regression(cov_type):
    y, exog, s = world(2, 0.5)
    found = smooth_transition_test(y, exog, driver=s, delay=0, cov_type=cov_type)
    x = np.column_stack([np.ones(400), exog["x"]])
    e = (y - x @ np.linalg.lstsq(x, y, rcond=None)[0]).to_numpy()
    z = np.column_stack([x * (s.to_numpy() ** j)[:, None] for j in (1, 2, 3)])
    both = np.column_stack([x, z])
    left = e - both @ np.linalg.lstsq(both, e, rcond=None)[0]
    if cov_type == "classic":
        value = ((e @ e - left @ left) / 6) / (left @ left / (400 - 8))
        assert found.pvalue == pytest.approx(stats.f.sf(value, 6, 392))
    else:
        r = z - x @ np.linalg.lstsq(x, z, rcond=None)[0]
        scores = r * e[:, None]
        ones = np.ones(400)
        gap = ones - scores @ np.linalg.lstsq(scores, ones, rcond=None)[0]
        value = 400 - gap @ gap
        assert found.pvalue == pytest.approx(stats.chi2.sf(value, 6))
    assert found.statistic == pytest.approx(value, rel=1e-7)
    assert list(found.sequence.index) == ["H04", "H03", "H02"]
    assert "Luukkonen" in found.cite()


def test_the_sequence_suggests_the_kind():
    kinds = {}
    for kind in ("logistic", "exponential"):
        y, exog, s = smooth_world(kind)
        found = smooth_transition_test(y, exog, driver=s, delay=0)
        assert found.pvalue < 1e-6
        kinds[kind] = found.detail["suggested kind"]
    assert kinds == {"logistic": "logistic", "exponential": "exponential"}


def test_a_driver_among_the_regressors_adds_fewer_terms():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(300)
    found = smooth_transition_test(y, lags=1)  # const s is the lag itself
    assert found.detail["terms"] == 4 - 1
    indicator = (rng.standard_normal(300) > 0).astype(float)
    assert smooth_transition_test(y, driver=indicator, delay=0).detail["terms"] == 1
    with pytest.raises(SpecError, match="too few values"):
        smooth_transition_test(y, indicator, driver=indicator, delay=0, vary=["const"])


def test_size_of_the_linearity_test():
    values = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        s = rng.standard_normal(250)
        values.append(smooth_transition_test(s + rng.standard_normal(250), s, driver=s, delay=0).pvalue)
    assert abs(np.mean(np.array(values) <= 0.1) - 0.1) < 3 * np.sqrt(0.09 / 300)


def test_refusals():
    y, exog, s = world(1)
    fit = ThresholdRegression(delay=0)
    with pytest.raises(DataError, match="no value leaves 60 of 400"):
        fit.fit(y, exog, driver=(s > 2.0).astype(float))
    with pytest.raises(DataError, match="constant at 1"):
        fit.fit(y, exog, driver=s * 0.0 + 1.0)
    with pytest.raises(DataError, match="'s' has 1 missing"):
        fit.fit(y, exog, driver=s.where(s.index != DATES[3]))
    with pytest.raises(DataError, match="'y' has"):
        fit.fit(y.where(y < 1), exog, driver=s)
    with pytest.raises(DataError, match="same rows"):
        fit.fit(y, exog.iloc[1:], driver=s)
    with pytest.raises(DataError, match="same rows"):
        fit.fit(y, exog, driver=s.iloc[:-1])
    with pytest.raises(DataError, match="too few"):
        fit.fit(y.iloc[:20], exog.iloc[:20], driver=s.iloc[:20])
    with pytest.raises(DataError, match="too few for 500 lags"):
        ThresholdRegression(lags=500).fit(y)
    with pytest.raises(DataError, match="linearly dependent"):
        fit.fit(y, exog.assign(one=1.0), driver=s)
    with pytest.raises(DataError, match="two regressors are called"):
        fit.fit(y, exog.rename(columns={"x": "const"}), driver=s)
    with pytest.raises(DataError, match="exact linear combination"):
        fit.fit(exog["x"] * 2.0, exog, driver=s)
    with pytest.raises(DataError, match="not in order"):
        fit.fit(y.iloc[::-1], exog, driver=s)
    with pytest.raises(DataError, match="appears twice"):
        fit.fit(pd.concat([y.iloc[:1], y]), driver=s)
    flag = (s > 0).astype(float)
    with pytest.raises(DataError, match="identified; drop a regressor"):
        fit.fit(y, pd.DataFrame({"flag": flag, "no": (1 - flag) * s}), driver=flag)
    with pytest.raises(DataError, match="one dimension"):
        fit.fit(np.zeros((40, 2)), driver=s)
    with pytest.raises(SpecError, match="y cannot be the driver"):
        fit.fit(y)
    with pytest.raises(SpecError, match="no regressor"):
        ThresholdRegression(constant=False).fit(y)
    with pytest.raises(SpecError, match="vary="):
        ThresholdRegression(delay=0, vary=("w",)).fit(y, exog, driver=s)
    for bad in ({"trim": 0.6}, {"lags": -1}, {"delay": 1.5}, {"cov_type": "opg"}):
        with pytest.raises(SpecError, match=next(iter(bad))):
            ThresholdRegression(**bad)
    with pytest.raises(SpecError, match="kind='tanh'"):
        SmoothTransitionRegression("tanh")
    with pytest.raises(SpecError, match="draws=1"):
        threshold_test(y, exog, driver=s, draws=1)
    with pytest.raises(SpecError, match="most=0"):
        threshold_test(y, exog, driver=s, most=0)
    with pytest.raises(SpecError, match="statistic='max'"):
        threshold_test(y, exog, driver=s, statistic="max")
    with pytest.raises(SpecError, match="order=5"):
        smooth_transition_test(y, exog, driver=s, order=5)
    with pytest.raises(SpecError, match="level=2"):
        fit.fit(y, exog, driver=s).threshold_interval(2)
    with pytest.warns(LevelsWarning, match="random walk"):
        fit.fit(y, exog, driver=pd.Series(np.linspace(0, 1, 400) ** 2, y.index, name="trend"))
