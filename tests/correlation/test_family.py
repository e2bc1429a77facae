"""DCC(p, q), ADCC, AG-DCC and cDCC against loops written here, their own derivatives, and simulated truths."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import check_adjoint, check_brute_force, check_scores, check_simulation, normalized
from cryptoequity.correlation import CorrelationFit
from cryptoequity.correlation.asymmetric import ADCC, AGDCC, AGDCCLikelihood
from cryptoequity.correlation.cdcc import CDCC, CDCCLikelihood
from cryptoequity.correlation.dcc import DCC
from cryptoequity.correlation.orders import OrdersLikelihood, fall_moment, fall_rate
from cryptoequity.correlation.spec import climb_correlation
from cryptoequity.correlation.stacking import stacked_moments
from cryptoequity.errors import BoundaryWarning, SpecError
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility import fit_margins
from strategies import seeds


def residuals(n, nobs, seed, level=0.4):
    rng = np.random.default_rng(seed)
    target = np.full((n, n), level) + (1 - level) * np.eye(n)
    return dcc_simulate(0.05, 0.9, target, rng.standard_normal((nobs, n)), target)


def brute_orders(z, a, g, b, target, falls, start_s, start_n):
    past = {t: (start_s, start_n, start_s) for t in range(-5, 0)}
    out = []
    for t in range(len(z)):
        q = (1 - sum(a) - sum(b)) * target - sum(g) * falls
        for k, weight in enumerate(a):
            q = q + weight * past[t - 1 - k][0]
        for k, weight in enumerate(g):
            q = q + weight * past[t - 1 - k][1]
        for k, weight in enumerate(b):
            q = q + weight * past[t - 1 - k][2]
        low = np.minimum(z[t], 0)
        past[t] = (np.outer(z[t], z[t]), np.outer(low, low), q)
        out.append(normalized(q))
    return np.array(out)


ORDERS = [
    ((2, 0, 2), [0.03, 0.02, 0.5, 0.4]),
    ((1, 0, 0), [0.2]),
    ((3, 0, 1), [0.02, 0.01, 0.04, 0.85]),
    ((1, 1, 1), [0.03, 0.04, 0.88]),
    ((2, 2, 2), [0.02, 0.01, 0.02, 0.01, 0.5, 0.35]),
]


@pytest.mark.parametrize(("orders", "values"), ORDERS, ids=str)
@pytest.mark.parametrize("presample", ["target", "ewma"])
@pytest.mark.parametrize("dist", ["normal", "t"])
@pytest.mark.parametrize("n", [2, 4])
def test_orders_equal_a_loop_and_their_derivatives(orders, values, presample, dist, n):
    model = OrdersLikelihood(residuals(n, 150, n), orders=orders, dist=dist, presample=presample)
    nu = 7.0 if dist == "t" else 0.0
    theta = np.array([*values, 7.0] if nu else values)
    a, g, b = model.split(theta)
    wanted = brute_orders(model.z, a, g, b, model.target, model.falls, model.start_s, model.start_n)
    check_brute_force(model, theta, wanted, nu)
    check_scores(model, theta)
    if presample == "target":
        check_adjoint(model, theta, np.random.default_rng(1))
        check_simulation(model, theta, np.random.default_rng(2))


def test_adjoint_counts_the_back_cast():
    z = residuals(3, 120, 5)
    theta = np.array([0.03, 0.04, 0.88])
    model = OrdersLikelihood(z, orders=(1, 1, 1), dist="normal", presample="ewma")
    check_adjoint(model, theta, np.random.default_rng(3))


def test_order_one_one_is_the_plain_model():
    z = residuals(3, 300, 8)
    theta = np.array([0.04, 0.93])
    plain = DCC().model(z)
    general = OrdersLikelihood(z, orders=(1, 0, 1), dist="normal")
    np.testing.assert_allclose(general.evaluate(theta, 1)[0], plain.evaluate(theta, 1)[0], rtol=1e-12)
    np.testing.assert_allclose(general.evaluate(theta, 1)[1], plain.evaluate(theta, 1)[1], rtol=1e-9, atol=1e-10)
    for method in ("R", "Q"):
        np.testing.assert_allclose(general.expected(theta, 8, method), plain.expected(theta, 8, method), atol=1e-12)


def brute_cdcc(z, a, b, s):
    q, out, stars = s.copy(), [], []
    for t in range(len(z)):
        if t:
            q = (1 - a - b) * s + a * np.outer(stars[-1], stars[-1]) + b * q
        stars.append(z[t] * np.sqrt(np.diag(q)))
        out.append(normalized(q))
    return np.array(out), np.array(stars)


@pytest.mark.parametrize("dist", ["normal", "t"])
@pytest.mark.parametrize("n", [2, 4])
def test_cdcc_equals_a_loop_and_its_total_derivatives(dist, n):
    model = CDCCLikelihood(residuals(n, 200, n + 10), dist=dist)
    nu = 7.0 if dist == "t" else 0.0
    theta = np.array([0.06, 0.88, 7.0] if nu else [0.06, 0.88])
    # the fixed point by iteration: S from z*, z* from the diagonal of Q, which does not read S off the diagonal
    stars = brute_cdcc(model.z, 0.06, 0.88, np.eye(n))[1]
    s = normalized(stars.T @ stars)
    matrices, again = brute_cdcc(model.z, 0.06, 0.88, s)
    np.testing.assert_allclose(again, stars, rtol=1e-12)
    check_brute_force(model, theta, matrices, nu)
    check_scores(model, theta)
    model.settle(theta)
    np.testing.assert_allclose(model.target, s, rtol=1e-12)
    check_adjoint(model, theta, np.random.default_rng(1))
    check_simulation(model, theta, np.random.default_rng(2))
    given = model.fixed(model.z)
    check_scores(given, theta)  # partial derivatives, S at rest
    slope = model.nuisance_slope(theta)
    for k in range(theta.size):
        step = 1e-6
        ends = []
        for sign in (1.0, -1.0):
            moved = theta.copy()
            moved[k] += sign * step
            ends.append(model.at(moved, 0)[2][model.pairs])
        np.testing.assert_allclose(slope[:, k], (ends[0] - ends[1]) / (2 * step), atol=1e-7)


def test_cdcc_target_moves_with_the_residuals():
    model = CDCCLikelihood(residuals(3, 300, 4), dist="normal")
    theta = np.array([0.05, 0.9])
    model.settle(theta)
    rng = np.random.default_rng(0)
    dzs = [rng.standard_normal((300, 2)) for _ in range(3)]
    tangent = model.nuisance_tangent(theta, dzs)
    for i in range(3):
        for m in range(2):
            ends = []
            for sign in (1.0, -1.0):
                z = model.z.copy()
                z[:, i] += sign * 1e-6 * dzs[i][:, m]
                ends.append(CDCCLikelihood(z, dist="normal").at(theta, 0)[2][model.pairs])
            np.testing.assert_allclose(tangent[i][:, m], (ends[0] - ends[1]) / 2e-6, atol=1e-7)


def test_cdcc_reduces_to_the_target_without_news():
    z = residuals(2, 200, 3)
    model = CDCCLikelihood(z, dist="normal")
    np.testing.assert_allclose(
        model.evaluate(np.zeros(2), 0)[0], DCC().model(z).evaluate(np.zeros(2), 0)[0], rtol=1e-12
    )


def brute_agdcc(z, a, g, b, target, falls):
    c = (1 - np.outer(a, a) - np.outer(b, b)) * target - np.outer(g, g) * falls
    q, news, low = target, target, falls
    out = []
    for t in range(len(z)):
        q = c + np.diag(a) @ news @ np.diag(a) + np.diag(g) @ low @ np.diag(g) + np.diag(b) @ q @ np.diag(b)
        out.append(normalized(q))
        news = np.outer(z[t], z[t])
        low = np.outer(np.minimum(z[t], 0), np.minimum(z[t], 0))
    return np.array(out)


@pytest.mark.parametrize("asymmetric", [True, False])
@pytest.mark.parametrize("dist", ["normal", "t"])
@pytest.mark.parametrize("n", [2, 3])
def test_agdcc_equals_a_loop_and_its_derivatives(asymmetric, dist, n):
    rng = np.random.default_rng(n)
    model = AGDCCLikelihood(residuals(n, 150, n), dist=dist, asymmetric=asymmetric)
    nu = 7.0 if dist == "t" else 0.0
    a, g, b = rng.uniform(0.15, 0.25, n), rng.uniform(0.05, 0.2, n), rng.uniform(0.93, 0.95, n)
    theta = np.concatenate([a, g, b, [7.0]] if asymmetric else [a, b, [7.0]])[: None if nu else -1]
    wanted = brute_agdcc(model.z, a, g if asymmetric else 0 * g, b, model.target, model.falls)
    check_brute_force(model, theta, wanted, nu)
    check_scores(model, theta)
    check_adjoint(model, theta, np.random.default_rng(1))
    check_simulation(model, theta, np.random.default_rng(2))


def test_agdcc_with_equal_roots_is_adcc():
    z = residuals(3, 250, 9)
    a, g, b = 0.03, 0.02, 0.93
    one = OrdersLikelihood(z, orders=(1, 1, 1), dist="normal").evaluate(np.array([a, g, b]), 0)[0]
    theta = np.sqrt(np.repeat([a, g, b], 3))
    other = AGDCCLikelihood(z, dist="normal", asymmetric=True).evaluate(theta, 0)[0]
    np.testing.assert_allclose(other, one, rtol=1e-12)


def test_agdcc_outside_its_set_is_minus_infinity():
    model = AGDCCLikelihood(residuals(2, 60, 1), dist="normal", asymmetric=True)
    assert (model.evaluate(np.array([0.6, 0.6, 0.1, 0.1, 0.9, 0.9]), 1)[0] == -np.inf).all()


@given(n=st.integers(2, 5), seed=seeds, share=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.999)))
@settings(max_examples=60, deadline=None)
def test_adcc_is_positive_definite_up_to_its_bound(n, seed, share):
    rng = np.random.default_rng(seed)
    z = rng.standard_t(4, (60, n)) * rng.uniform(0.5, 2)
    model = OrdersLikelihood(z, orders=(1, 1, 1), dist="normal")
    u = np.array([share[2], share[0], share[1]])
    theta = model.layout.natural(model.layout.box(model.layout.natural(u)))
    assert theta[0] + model.bound * theta[1] + theta[2] <= 1.0
    rows, cols = model.pairs
    path = model.path(theta, rows, cols)
    for t in range(0, 60, 5):
        assert np.linalg.eigvalsh(model.matrix(path[t]))[0] > -1e-10


def test_the_moment_of_falls_is_not_demeaned():
    """E[Q] stays at the target only with the uncentred moment; the demeaned one lifts every element of Q."""
    rng = np.random.default_rng(3)
    z = rng.standard_normal((400_000, 2))
    np.testing.assert_allclose(fall_moment(z), [[0.5, 1 / (2 * np.pi)], [1 / (2 * np.pi), 0.5]], atol=0.01)
    a, g, b = 0.02, 0.02, 0.93
    target = np.eye(2)
    n = np.minimum(z, 0)
    level = {}
    for kind, falls in (("uncentred", fall_moment(z)), ("demeaned", np.cov(n.T))):
        last, total = target, np.zeros((2, 2))
        for t in range(1, 100_000):
            q = (1 - a - b) * target - g * falls + a * np.outer(z[t - 1], z[t - 1])
            q = q + g * np.outer(n[t - 1], n[t - 1]) + b * last
            last = q
            total += q
        level[kind] = total / 99_999
    np.testing.assert_allclose(level["uncentred"], target, atol=0.02)
    lift = g * 0.3989**2 / (1 - b)  # g m m' / (1 - b)
    np.testing.assert_allclose(level["demeaned"] - level["uncentred"], lift, rtol=0.05)


def test_fall_rate_is_the_mean_of_the_product():
    rng = np.random.default_rng(0)
    for rho in (-0.6, 0.0, 0.5, 0.9):
        z1 = rng.standard_normal(2_000_000)
        z2 = rho * z1 + np.sqrt(1 - rho**2) * rng.standard_normal(2_000_000)
        level, slope = fall_rate(np.array(rho))
        np.testing.assert_allclose(level, (np.minimum(z1, 0) * np.minimum(z2, 0)).mean(), atol=2e-3)
        ahead, behind = fall_rate(np.array(rho + 1e-5))[0], fall_rate(np.array(rho - 1e-5))[0]
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DCC(p=0), "p=0: a whole number, at least 1"),
        (lambda: DCC(q=-1), "q=-1: a whole number, at least 0"),
        (lambda: ADCC(o=0), "o=0: a whole number, at least 1"),
        (lambda: ADCC(p=True), "p=True: a whole number"),
        (lambda: CDCC(dist="cauchy"), "dist='cauchy'"),
        (lambda: AGDCC(dist="cauchy"), "dist='cauchy'"),
    ],
)
def test_choices_that_cannot_be(make, message):
    with pytest.raises(SpecError, match=message):
        make()


@pytest.fixture(scope="module")
def margins(sim_dcc3):
    return fit_margins(sim_dcc3)


def test_general_models_reach_at_least_their_special_cases(margins):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        fits = {
            spec.name: spec.fit(margins)
            for spec in (DCC(), DCC(p=2, q=2), ADCC(), AGDCC(), AGDCC(asymmetric=False), CDCC())
        }
    value = {name: fit.loglikelihood for name, fit in fits.items()}
    assert value["DCC(2,2)-normal"] >= value["DCC(1,1)-normal"] - 1e-6
    assert value["ADCC(1,1,1)-normal"] >= value["DCC(1,1)-normal"] - 1e-6
    assert value["G-DCC(diagonal)-normal"] >= value["DCC(1,1)-normal"] - 1e-4
    assert value["AG-DCC(diagonal)-normal"] >= value["ADCC(1,1,1)-normal"] - 1e-4
    assert abs(value["cDCC(1,1)-normal"] - value["DCC(1,1)-normal"]) < 3
    for fit in fits.values():
        assert fit.converged
        again = CorrelationFit.from_json(fit.to_json())
        np.testing.assert_allclose(again.std_err, fit.std_err, rtol=1e-10)
        np.testing.assert_allclose(again.correlations(), fit.correlations(), rtol=1e-12)
        same = fit.filter(fit.returns)
        np.testing.assert_allclose(same.correlations(), fit.correlations(), atol=1e-9)
        ahead = fit.forecast(5, method="Q").correlation
        np.testing.assert_allclose(ahead.iloc[0], fit.forecast(1).correlation.iloc[0], atol=1e-12)
        band = fit.correlation_band("A", "B", draws=50)
        assert (band["lower"] <= band["upper"]).all()


@pytest.mark.parametrize("spec", [ADCC(), CDCC(), DCC(p=2, q=1)], ids=str)
def test_permuting_assets_permutes_the_answer(spec, margins):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        one, turned = spec.fit(margins), spec.fit(margins.select("C", "A", "B"))
    np.testing.assert_allclose(turned.loglikelihood, one.loglikelihood, atol=1e-5)
    np.testing.assert_allclose(turned.theta, one.theta, atol=1e-4)
    np.testing.assert_allclose(turned.std_err["corr.A.B"], one.std_err["corr.A.B"], rtol=1e-2)


@pytest.mark.parametrize("spec", [ADCC(dist="t"), CDCC(), DCC(p=2, q=1), AGDCC(asymmetric=False)], ids=str)
def test_the_system_equals_differences_of_its_scores(spec, margins):
    """A31 and A32 by moving residuals and targets themselves; A21 by moving residuals and taking the target again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        fit = spec.fit(margins)
    lik, theta = fit.likelihood, fit.theta
    parts, dzs = [one.part for one in margins.fits], [one.dz for one in margins.fits]
    bread, _, last, edges = stacked_moments(lik, fit.optimum, parts, dzs, "exact")
    jacobian = last.jacobian
    slope = lik.nuisance_slope(theta)
    own = bread[edges[4] :]

    def mean_score(z, nuisance):
        """The moment of theta as it enters the stack: with the target at rest, plus its slope where it moves."""
        moved = lik.fixed(z, None, nuisance)
        score = moved.evaluate(theta, 1)[1].mean(axis=0)
        if slope is not None:
            score = score + moved.adjoint(theta)[1] @ slope / lik.nobs
        return score @ jacobian

    for k in range(3):
        for j in range(dzs[k].shape[1]):
            size = 1e-5 / np.abs(dzs[k][:, j]).mean()
            move = np.zeros_like(lik.z)
            move[:, k] = size * dzs[k][:, j]
            ends = [mean_score(lik.z + sign * move, lik.nuisance) for sign in (1.0, -1.0)]
            wanted = (ends[0] - ends[1]) / (2 * size)
            np.testing.assert_allclose(own[:, edges[k] + j], wanted, rtol=2e-3, atol=2e-5 * np.abs(own).max())
    for m in range(lik.nuisance.size):
        move = np.zeros(lik.nuisance.size)
        move[m] = 1e-5
        ends = [mean_score(lik.z, lik.nuisance + sign * move) for sign in (1.0, -1.0)]
        got = own[:, edges[3] + m]
        np.testing.assert_allclose(got, (ends[0] - ends[1]) / 2e-5, rtol=2e-3, atol=2e-5 * np.abs(own).max())


def simulated(spec, theta, target, falls, nobs, rng):
    """Returns of GARCH margins with correlations of the model itself."""
    n = target.shape[0]
    seedling = spec.model(rng.standard_normal((50, n)))
    if seedling.nuisance_names()[-1].startswith("fall"):
        nuisance = np.concatenate([target[seedling.pairs], falls[seedling.triangle]])
    else:
        seedling.settle(np.array(theta))
        nuisance = target[seedling.pairs]
    model = seedling.fixed(rng.standard_normal((5, n)), None, nuisance)
    z, _ = model.simulate(np.array(theta), rng.standard_normal((nobs, n)))
    return z


@pytest.mark.parametrize(
    ("spec", "theta"),
    [(DCC(p=2, q=1), [0.03, 0.03, 0.9]), (ADCC(), [0.03, 0.04, 0.9]), (CDCC(), [0.05, 0.92])],
    ids=str,
)
def test_estimates_centre_on_the_truth(spec, theta):
    rng = np.random.default_rng(11)
    target = np.array([[1.0, 0.5, 0.3], [0.5, 1.0, 0.4], [0.3, 0.4, 1.0]])
    level = fall_rate(target)[0]
    np.fill_diagonal(level, 0.5)
    rows = []
    for _ in range(25):
        z = simulated(spec, theta, target, level, 1500, rng)
        lik, optimum = climb_correlation(spec, z)
        lik.settle(optimum.theta)
        rows.append([*optimum.theta, *lik.target[lik.pairs]])
    rows = np.array(rows)
    truth = np.array([*theta, 0.5, 0.3, 0.4])
    away = (rows.mean(axis=0) - truth) / (rows.std(axis=0, ddof=1) / np.sqrt(len(rows)))
    assert (np.abs(away[len(theta) :]) < 3.5).all(), away
    # news and persistence trade places in finite samples: their sum is what must be right
    total = rows[:, : len(theta)].sum(axis=1)
    assert abs(total.mean() - sum(theta)) < 0.015


def test_influence_of_the_targets_of_adcc_has_the_spread_of_the_targets():
    """Errors of both moments from their influence functions against their spread over samples."""
    rng = np.random.default_rng(5)
    target = np.array([[1.0, 0.5], [0.5, 1.0]])
    level = fall_rate(target)[0]
    np.fill_diagonal(level, 0.5)
    spec, theta = ADCC(), np.array([0.03, 0.04, 0.92])
    moments, errors = [], []
    for _ in range(150):
        z = simulated(spec, theta, target, level, 1500, rng)
        model = spec.model(z)
        moments.append(model.nuisance)
        influence = model.nuisance_moments(theta, "exact")
        errors.append(influence.std(axis=0) / np.sqrt(1500))
    ratio = np.mean(errors, axis=0) / np.std(moments, axis=0, ddof=1)
    assert ((0.8 < ratio) & (ratio < 1.25)).all(), ratio
