"""BEKK: targets, feasibility, errors, forecasts, storage, invariances, refusals."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.covariance.bekk import BEKK, BEKKFit, climb_bekk
from cryptoequity.covariance.bekk_likelihood import BEKKLikelihood
from cryptoequity.covariance.fit import CovarianceFit, spec_from_dict
from cryptoequity.covariance.negative_parts import negative_moment, negative_slope
from cryptoequity.errors import (
    BoundaryWarning,
    ConvergenceError,
    CryptoEquityWarning,
    DataError,
    SpecError,
)
from strategies import residuals, seeds

KINDS = ("scalar", "diagonal", "full")
ALL = [(kind, asymmetric, targeting) for kind in KINDS for asymmetric in (False, True) for targeting in (True, False)]
TRUTH = np.array([[1.0, 0.6], [0.6, 2.0]])


def feasible(lik: BEKKLikelihood, rng: np.random.Generator) -> np.ndarray:
    """Parameters near those of a scalar model inside the box, nearer until the intercept is positive definite."""
    shrink = 1.0
    # bad news may take more from the intercept than its weight: columns that move against each other
    sizes = (0.06, 0.05 / max(1.0, lik.badness), 0.8) if lik.asymmetric else (0.06, 0.8)
    for _ in range(30):
        parts = [np.linalg.cholesky(0.1 * lik.second)[lik.half]] if lik.lead else []
        for size in sizes:
            part = np.full(lik.n, np.sqrt(size)) * (1 + 0.05 * shrink * rng.standard_normal(lik.n))
            if lik.kind == "full":
                part = (np.diag(part) + 0.02 * shrink * rng.standard_normal((lik.n, lik.n))).ravel()
            parts.append(np.array([size]) if lik.kind == "scalar" else part)
        theta = np.concatenate([*parts, [7.0] if lik.dist == "t" else []])
        if np.isfinite(lik.evaluate(theta, 0)[0]).all():
            return theta
        shrink *= 0.5
    raise AssertionError("no feasible point")


def quiet(spec: BEKK, data: pd.DataFrame, **options) -> BEKKFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


def world(theta, nobs: int, rng: np.random.Generator, *, target=TRUTH, kind="scalar", asymmetric=False, dist="normal"):
    """Deviations from a targeted BEKK whose population moments are known."""
    lik = BEKKLikelihood(
        rng.standard_normal((20, len(target))) - 0.1,
        kind=kind,
        asymmetric=asymmetric,
        dist=dist,
        second=target,
        negative=negative_moment(target),
    )
    theta = np.asarray(theta, float)
    shocks = draw_shocks(rng, nobs + 300, len(target), theta[-1] if dist == "t" else 0.0)
    return np.ascontiguousarray(lik.simulate(theta, shocks)[0][300:])


@pytest.fixture(scope="module")
def returns(sim_dcc3) -> pd.DataFrame:
    return sim_dcc3.iloc[:1000].add([0.05, -0.02, 0.1], axis="columns")


# --- the likelihood


@pytest.mark.parametrize(("kind", "asymmetric"), [(kind, flag) for kind in KINDS for flag in (False, True)])
@given(n=st.integers(2, 4), seed=seeds, dist=st.sampled_from(["normal", "t"]), ewma=st.booleans())
@example(n=4, seed=382, dist="normal", ewma=False)
@settings(max_examples=6, deadline=None)
def test_targeted_scores_and_adjoint(kind, asymmetric, n, seed, dist, ewma):
    """Scores with the intercept moving with the weights; gradients by the targets; both against differences."""
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((30, n)) @ (np.eye(n) + 0.3 * rng.standard_normal((n, n)))
    options = {"kind": kind, "asymmetric": asymmetric, "dist": dist, "presample": "ewma" if ewma else "target"}
    lik = BEKKLikelihood(e, **options)
    theta = feasible(lik, rng)
    score = lik.evaluate(theta, 1)[1]
    for k in range(theta.size):
        slopes = []
        for step in (1e-6 * max(abs(theta[k]), 0.1), 4e-6 * max(abs(theta[k]), 0.1)):
            up, down = theta.copy(), theta.copy()
            up[k] += step
            down[k] -= step
            ends = [lik.evaluate(point, 0)[0] for point in (up, down)]
            slopes.append((ends[0] - ends[1]) / (2 * step))
        if not np.isfinite(slopes).all():
            continue
        # next to the edge of definiteness differences are in doubt themselves: by as much as two of them differ
        doubt = np.abs(slopes[0] - slopes[1]).max()
        scale = max(1.0, np.abs(slopes[0]).max())
        np.testing.assert_allclose(score[:, k], slopes[0], rtol=0, atol=1e-6 * scale + doubt)

    def total(e, second, negative):
        return BEKKLikelihood(e, second=second, negative=negative, **options).evaluate(theta, 0)[0].sum()

    de, by_second, by_negative = lik.adjoint(theta)
    step = 1e-7
    turn = rng.standard_normal((n, n))
    turn, shift = turn + turn.T, rng.standard_normal(e.shape)
    pairs = (
        ((de * shift).sum(), (step * shift, 0, 0)),
        ((by_second * turn).sum(), (0, step * turn, 0)),
        ((by_negative * turn).sum(), (0, 0, step * turn)),
    )
    for gradient, (move, by_s, by_n) in pairs:
        up = total(e + move, lik.second + by_s, lik.negative + by_n)
        down = total(e - move, lik.second - by_s, lik.negative - by_n)
        if np.isfinite([up, down]).all():
            scale = max(1.0, np.abs(by_second).max(), np.abs(by_negative).max(), np.abs(de).max())
            np.testing.assert_allclose(gradient, (up - down) / (2 * step), atol=1e-5 * scale)


@pytest.mark.parametrize(("kind", "asymmetric"), [(kind, flag) for kind in KINDS for flag in (False, True)])
def test_slopes_of_the_mean_score_by_the_targets(kind, asymmetric, returns):
    """The adjoint differenced in theta is the mean score differenced in the targets."""
    e = (returns - returns.mean()).to_numpy()[:400]
    options = {"kind": kind, "asymmetric": asymmetric, "dist": "t"}
    lik = BEKKLikelihood(e, **options)
    theta = feasible(lik, np.random.default_rng(0))
    slopes = lik.target_slopes(theta)
    moments = [lik.second, lik.negative]
    column = 0
    for which in range(2 if asymmetric else 1):
        for i, j in zip(*lik.half, strict=True):
            ends = []
            for sign in (1, -1):
                moved = [m.copy() for m in moments]
                moved[which][i, j] += sign * 1e-6
                moved[which][j, i] = moved[which][i, j]
                other = BEKKLikelihood(e, second=moved[0], negative=moved[1], **options)
                ends.append(other.evaluate(theta, 1)[1].mean(axis=0))
            wanted = (ends[0] - ends[1]) / 2e-6
            np.testing.assert_allclose(slopes[:, column], wanted, rtol=1e-4, atol=1e-5 * np.abs(slopes).max())
            column += 1
    assert slopes.shape == (theta.size, column)


@pytest.mark.parametrize("asymmetric", [False, True])
@given(e=residuals(nobs=(20, 80)), total=st.floats(0.0, 1.0), share=st.floats(0.0, 1.0), other=st.floats(0.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_the_box_of_the_scalar_model_is_what_is_feasible(asymmetric, e, total, share, other):
    """Every corner of the box gives positive semi-definite C and H_t; a step beyond its cap does not."""
    if np.linalg.cond(e.T @ e) > 1e8 or (e.min(axis=0) >= 0).any():
        return
    lik = BEKKLikelihood(e, asymmetric=asymmetric)
    u = np.array([total * lik.layout.upper[0], share, other][: lik.layout.size])
    theta = lik.layout.natural(u)
    np.testing.assert_allclose(lik.layout.natural(lik.layout.box(theta)), theta, atol=1e-12)
    assert lik.slack(theta) > -1e-9
    rows, cols = np.divmod(np.arange(lik.n**2), lik.n)
    values = np.linalg.eigvalsh(lik.path(theta, rows, cols).reshape(-1, lik.n, lik.n))
    assert (values[:, 0] > -1e-10 * values[:, -1]).all()
    if theta[0] == 0 and (not asymmetric or theta[1] > 0):
        return
    edge = lik.layout.natural(np.array([1.0, share, other][: lik.layout.size]))
    np.testing.assert_allclose(lik.slack(edge), 0.0, atol=1e-9)
    assert lik.slack(1.001 * edge) < 0


@pytest.mark.parametrize("kind", ["diagonal", "full"])
def test_beyond_the_targeted_intercept_is_minus_infinity(kind, returns):
    lik = BEKKLikelihood((returns - returns.mean()).to_numpy(), kind=kind)
    theta = feasible(lik, np.random.default_rng(0))
    assert lik.slack(theta) > 0
    beyond = 1.1 * theta
    assert lik.slack(beyond) < 0
    loglik, score = lik.evaluate(beyond, 1)
    assert (loglik == -np.inf).all()
    assert (score == 0).all()


def test_a_targeted_intercept_makes_the_recursion_stationary(returns):
    """C positive definite bounds the spectral radius for the symmetric model, full matrices included (Lyapunov)."""
    lik = BEKKLikelihood((returns - returns.mean()).to_numpy(), kind="full")
    rng = np.random.default_rng(3)
    for _ in range(200):
        theta = rng.uniform(-1, 1, lik.layout.size)
        theta *= rng.uniform(0, 1) / np.abs(theta).max()
        if lik.slack(theta) > 1e-6:
            assert lik.persistence(theta) < 1
    theta = feasible(lik, rng)
    point = lik.recursion(theta)
    # and the target is what the recursion returns to
    np.testing.assert_allclose(
        point.c + point.a.T @ lik.second @ point.a + point.b.T @ lik.second @ point.b, lik.second, rtol=1e-12
    )


def test_persistence_is_that_of_the_kronecker_sum(returns):
    e = (returns - returns.mean()).to_numpy()
    for kind in KINDS:
        lik = BEKKLikelihood(e, kind=kind, asymmetric=True, targeting=False)
        theta = feasible(lik, np.random.default_rng(5))
        point = lik.recursion(theta)
        if kind == "scalar":
            wanted = point.a[0, 0] + point.b[0, 0] + 0.5 * point.g[0, 0]
        else:
            a, g, b = (np.diag(w) for w in point.weights) if kind == "diagonal" else (point.a, point.g, point.b)
            total = np.kron(a, a) + np.kron(b, b) + 0.5 * np.kron(g, g)
            wanted = np.abs(np.linalg.eigvals(total)).max()
        np.testing.assert_allclose(lik.persistence(theta), wanted, rtol=1e-10)


@pytest.mark.parametrize(("kind", "asymmetric", "targeting"), ALL)
def test_each_kind_nests_the_one_below(kind, asymmetric, targeting, returns):
    if kind == "scalar":
        return
    e = (returns - returns.mean()).to_numpy()[:300]
    lik = BEKKLikelihood(e, kind=kind, asymmetric=asymmetric, targeting=targeting)
    below = lik.simpler()
    theta = next(iter(below.starts()))
    np.testing.assert_allclose(lik.evaluate(lik.lifted(theta), 0)[0], below.evaluate(theta, 0)[0], rtol=1e-11)


# --- moments of negative parts


@pytest.mark.parametrize("rho", [-0.9, -0.3, 0.0, 0.5, 0.95])
@pytest.mark.parametrize("nu", [0.0, 5.0])
def test_moments_of_negative_parts(rho, nu):
    """By a million draws from the normal and the t: the same numbers."""
    h = np.array([[1.0, 1.5 * rho], [1.5 * rho, 2.25]])
    draws = draw_shocks(np.random.default_rng(7), 1_000_000, 2, nu) @ np.linalg.cholesky(h).T
    falls = np.minimum(draws, 0)
    moment = negative_moment(h)
    products = falls[:, :, None] * falls[:, None, :]
    assert (np.abs(products.mean(axis=0) - moment) < 5 * products.std(axis=0) / 1000).all()
    np.testing.assert_allclose(np.diag(moment), 0.5 * np.diag(h))


@given(st.integers(2, 4), seeds)
@settings(max_examples=20, deadline=None)
def test_slope_of_the_moments_of_negative_parts(n, seed):
    rng = np.random.default_rng(seed)
    draws = rng.standard_normal((20, n)) * rng.uniform(0.5, 3, n)
    h = draws.T @ draws / 20
    slope = negative_slope(h)
    cols, rows = np.triu_indices(n)
    for k, (i, j) in enumerate(zip(rows, cols, strict=True)):
        move = np.zeros((n, n))
        move[i, j] = move[j, i] = 1e-6
        wanted = (negative_moment(h + move) - negative_moment(h - move))[rows, cols] / 2e-6
        np.testing.assert_allclose(slope[:, k], wanted, rtol=1e-5, atol=1e-7)
    # homogeneous of degree one: Euler's equation
    np.testing.assert_allclose(slope @ h[rows, cols], negative_moment(h)[rows, cols], rtol=1e-10)


# --- standard errors


@pytest.mark.parametrize(
    ("kind", "asymmetric", "theta"),
    [
        ("scalar", False, [0.06, 0.9]),
        ("scalar", True, [0.03, 0.05, 0.9]),
        ("diagonal", True, [0.2, 0.25, 0.2, 0.15, 0.94, 0.93]),
        ("full", False, [0.25, 0.05, -0.03, 0.22, 0.93, 0.01, 0.01, 0.94]),
        ("full", True, [0.2, 0.05, -0.03, 0.2, 0.2, 0.02, 0.02, 0.15, 0.93, 0.01, 0.01, 0.94]),
    ],
)
def test_influence_of_the_targets_sums_to_their_error(kind, asymmetric, theta, returns):
    """At the truth both forms have the same sum, and one of them is free of autocorrelation."""
    e = world(theta, 30_000, np.random.default_rng(11), kind=kind, asymmetric=asymmetric)
    lik = BEKKLikelihood(e, kind=kind, asymmetric=asymmetric, second=TRUTH, negative=negative_moment(TRUTH))
    theta = np.array(theta)
    raw, exact = (lik.influence(theta, noise, False) for noise in ("moment", "exact"))
    spread = exact.std(axis=0) * np.sqrt(len(e))
    np.testing.assert_allclose(exact.sum(axis=0) / spread, raw.sum(axis=0) / spread, atol=0.1)

    def long_run(x):
        """Variance of a mean of 200 dates relative to independence."""
        blocks = x.reshape(-1, 200, x.shape[1]).mean(axis=1)
        return 200 * blocks.var(axis=0) / x.var(axis=0)

    assert (long_run(raw) > 1.6).all()
    assert (np.abs(long_run(exact) - 1) < 0.4).all()


@pytest.mark.slow
@pytest.mark.parametrize("asymmetric", [False, True])
def test_spread_over_samples(asymmetric):
    """The errors of targets and weights against the spread of the estimates; the raw influence is far too small."""
    rng = np.random.default_rng(20261122)
    theta = [0.03, 0.05, 0.92] if asymmetric else [0.05, 0.92]
    estimates, exact, raw = [], [], []
    while len(estimates) < 60:
        frame = pd.DataFrame(world(theta, 2000, rng, asymmetric=asymmetric), columns=["X", "Y"])
        fit = quiet(BEKK(asymmetric=asymmetric), frame)
        if fit.at_bound:
            continue
        estimates.append(fit.params)
        exact.append(fit.std_err)
        raw.append(quiet(BEKK(asymmetric=asymmetric, target_noise="moment"), frame).std_err)
    table = pd.DataFrame(
        {"sd": np.std(estimates, axis=0, ddof=1), "mean": np.mean(estimates, axis=0)}, fit.params.index
    )
    table["exact"] = np.mean(exact, axis=0) / table["sd"]
    table["raw"] = np.mean(raw, axis=0) / table["sd"]
    assert table["exact"].between(0.75, 1.3).all(), table
    targets = table.index.str.match("cov|neg")
    assert (table.loc[targets, "raw"] < 0.55).all(), table
    # and the truth is recovered
    truth = np.concatenate([[0, 0], TRUTH[[0, 1, 1], [0, 0, 1]]])
    if asymmetric:
        truth = np.concatenate([truth, negative_moment(TRUTH)[[0, 1, 1], [0, 0, 1]]])
    truth = np.concatenate([truth, theta])
    assert (np.abs(table["mean"] - truth) < 4 * table["sd"] / np.sqrt(60) + 0.006).all(), table.assign(truth=truth)


@pytest.mark.parametrize(
    ("kind", "dist", "theta"),
    [
        ("diagonal", "normal", [0.2, 0.3, 0.25, 0.15, 0.95, 0.93]),
        ("full", "t", [0.2, 0.04, -0.03, 0.22, 0.15, 0.0, 0.0, 0.2, 0.94, 0.01, 0.0, 0.93, 7.0]),
    ],
)
def test_recovery_of_the_truth(kind, dist, theta):
    """One long sample: every estimate within four of its own errors, with and without targeting."""
    e = world(theta, 6_000, np.random.default_rng(4), kind=kind, asymmetric=True, dist=dist)
    frame = pd.DataFrame(e, columns=["X", "Y"])
    for targeting in (True, False):
        fit = BEKK(kind=kind, asymmetric=True, targeting=targeting, dist=dist).fit(frame)
        dynamic = ~fit.params.index.str.match(r".*mu|cov|neg|bekk\.l")
        gap = (fit.params[dynamic] - theta) / fit.std_err[dynamic]
        assert fit.converged
        assert (gap.abs() < 4).all(), gap
        assert (fit.std_err[dynamic] < (0.09 if dist == "normal" else 1.0)).all()
        wanted = np.reshape(theta[-5:-1], (2, 2)).T if kind == "full" else np.diag(theta[-2:])
        np.testing.assert_allclose(fit.matrices["B"], wanted, atol=0.08)


@pytest.mark.parametrize("noise", ["exact", "moment", "none"])
@pytest.mark.parametrize("cov_type", ["robust", "hac", "classic"])
def test_covariance_of_the_estimates(noise, cov_type, returns):
    fit = quiet(
        BEKK(asymmetric=True, target_noise=noise), returns, cov_type=cov_type, hac_lags=5 if cov_type == "hac" else None
    )
    cov = fit.cov.to_numpy()
    np.testing.assert_array_equal(np.nan_to_num(cov), np.nan_to_num(cov.T))
    free = np.isfinite(np.diag(cov))
    assert np.linalg.eigvalsh(cov[np.ix_(free, free)])[0] > -1e-12
    assert list(fit.params.index[:6]) == ["A.mu", "B.mu", "C.mu", "cov.A.A", "cov.A.B", "cov.A.C"]
    assert list(fit.params.index[-3:]) == ["bekk.a", "bekk.g", "bekk.b"]
    targets = fit.std_err[fit.params.index.str.match("cov|neg")]
    assert (targets == 0).all() if noise == "none" else (targets > 0).all()
    # two targets of six elements count in the information criteria, however their noise is treated
    assert fit.aic == pytest.approx(2 * (3 + 12 + 3) - 2 * fit.loglikelihood)
    np.testing.assert_allclose(fit.params["cov.A.B"], np.cov(returns["A"], returns["B"], ddof=0)[0, 1])
    falls = np.minimum(returns - returns.mean(), 0)
    np.testing.assert_allclose(fit.params["neg.B.C"], (falls["B"] * falls["C"]).mean())


# --- fits


@pytest.mark.parametrize("dist", ["normal", "t"])
@pytest.mark.parametrize(("kind", "asymmetric", "targeting"), ALL)
def test_every_model_fits_and_answers(kind, asymmetric, targeting, dist, returns):
    spec = BEKK(kind=kind, asymmetric=asymmetric, targeting=targeting, dist=dist)
    fit = quiet(spec, returns[["A", "B"]])
    assert isinstance(fit, BEKKFit)
    assert fit.converged, fit.optimum.reason
    assert fit.optimum.gradient < 1e-3
    assert fit.persistence < 1
    assert list(fit.matrices) == (["C", "A", "G", "B"] if asymmetric else ["C", "A", "B"])
    assert np.linalg.eigvalsh(fit.matrices["C"])[0] > -1e-12
    found = dict(zip(fit.likelihood.layout.names, fit.theta, strict=True))
    if kind != "scalar":
        first = "1" if kind == "diagonal" else "11"
        assert all(found[f"bekk.{name}{first}"] >= 0 for name in fit.likelihood.families[:-1])
        assert np.trace(fit.matrices["B"]) > 0
    if not targeting:
        assert found["bekk.l11"] >= 0
        assert found["bekk.l22"] >= 0
    assert ("bekk.nu" in found) == (dist == "t")
    # rebuilt from the matrices it shows: the recursion of the docstring
    m = {label: matrix.to_numpy() for label, matrix in fit.matrices.items()}
    e = (returns[["A", "B"]] - fit.center).to_numpy()
    h = e.T @ e / len(e)
    for t in range(4):
        np.testing.assert_allclose(fit.covariance_at(returns.index[t]), h, rtol=1e-9)
        fall = np.minimum(e[t], 0)
        nxt = m["C"] + m["A"].T @ np.outer(e[t], e[t]) @ m["A"] + m["B"].T @ h @ m["B"]
        if asymmetric:
            nxt = nxt + m["G"].T @ np.outer(fall, fall) @ m["G"]
        h = nxt
    text = str(fit.summary())
    assert "stationary" in text
    assert "englekroner1995" in fit.cite()
    assert ("kronerng1998" in fit.cite()) == asymmetric
    assert ("pedersenrahbek2014" in fit.cite()) == targeting
    again = BEKKFit.from_json(fit.to_json())
    assert str(again.summary()) == text
    assert spec_from_dict(spec.to_dict()) == spec


def test_likelihoods_are_ordered_as_the_models_nest(returns):
    """Scalar in diagonal in full, symmetric in asymmetric; targeting costs, up to what the start rule is worth."""
    value = {
        key: quiet(BEKK(kind=key[0], asymmetric=key[1], targeting=key[2]), returns[["A", "B"]]).loglikelihood
        for key in ALL
    }
    for asymmetric in (False, True):
        for targeting in (False, True):
            ordered = [value[(kind, asymmetric, targeting)] for kind in KINDS]
            assert ordered == sorted(ordered)
    for kind in KINDS:
        assert value[(kind, True, False)] > value[(kind, False, False)] - 1e-6
        for asymmetric in (False, True):
            assert value[(kind, asymmetric, False)] > value[(kind, asymmetric, True)] - 1e-6


@pytest.mark.parametrize(("kind", "asymmetric", "targeting"), ALL)
def test_rescaling_and_permuting(kind, asymmetric, targeting, returns):
    """Percent, decimals, or a currency a million times smaller; one column in other units; columns exchanged."""
    e = (returns[["A", "C"]] - returns[["A", "C"]].mean()).to_numpy()

    def climb(e):
        lik = BEKKLikelihood(e, kind=kind, asymmetric=asymmetric, targeting=targeting)
        return lik, climb_bekk(lik)

    lik, optimum = climb(e)
    rows, cols = np.array([0, 0, 1]), np.array([0, 1, 1])
    path = lik.path(optimum.theta, rows, cols)
    for scale in (np.full(2, 1e-6), np.full(2, 1e6), np.array([1.0, 1e-3])):
        other, found = climb(scale * e)
        np.testing.assert_allclose(found.loglik + lik.nobs * np.log(scale).sum(), optimum.loglik, atol=1e-5, rtol=0)
        np.testing.assert_allclose(other.path(found.theta, rows, cols) / (scale[rows] * scale[cols]), path, rtol=5e-3)
    turned, found = climb(np.ascontiguousarray(e[:, ::-1]))
    np.testing.assert_allclose(found.loglik, optimum.loglik, atol=1e-5, rtol=0)
    np.testing.assert_allclose(turned.path(found.theta, 1 - rows, 1 - cols), path, rtol=5e-3)


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("kind", ["diagonal", "full"])
@pytest.mark.parametrize("n", [2, 3])
def test_the_box_of_a_targeted_model_is_what_is_feasible(n, kind, asymmetric, returns):
    """There and back again; Jacobian against differences; a singular intercept just at the bound of the load."""
    e = (returns.iloc[:, :n] - returns.iloc[:, :n].mean()).to_numpy()
    lik = BEKKLikelihood(e, kind=kind, asymmetric=asymmetric, dist="t")
    layout = lik.layout
    rng = np.random.default_rng(n)
    for _ in range(30):
        theta = rng.uniform(-1, 1, layout.size)
        theta[-1] = 6.0
        b = theta[-1 - lik.width : -1]
        b[:: n + 1 if kind == "full" else 1] += 1.5  # a positive trace
        load, _ = layout.load(theta[:-1])
        np.testing.assert_allclose(lik.slack(theta), 1 - load, rtol=1e-9, atol=1e-10)
        theta[:-1] *= rng.uniform(0.05, 0.99) / np.sqrt(load)
        u = layout.box(theta)
        found, jac = layout.map(u)
        np.testing.assert_allclose(found, theta, atol=1e-10)
        np.testing.assert_allclose(1 - u[0] ** 2, lik.slack(theta), atol=1e-10)
        for k in range(layout.size):
            step = 1e-6 * np.eye(layout.size)[k]
            wanted = (layout.natural(u + step) - layout.natural(u - step)) / 2e-6
            np.testing.assert_allclose(jac[:, k], wanted, atol=1e-5 * max(1.0, np.abs(wanted).max()))
        # a point outside is drawn back along its own direction
        far = theta.copy()
        far[:-1] *= 3.0 / u[0]
        back = layout.natural(layout.box(far))
        np.testing.assert_allclose(lik.slack(back), 1e-6, rtol=1e-3)
        np.testing.assert_allclose(back[:-1] * u[0], theta[:-1] * np.sqrt(1 - 1e-6), rtol=1e-8, atol=1e-12)
    # neither a B of zero nor an absurd step is more than infeasible
    theta = np.zeros(layout.size)
    theta[0], theta[-1] = 0.3, 6.0
    assert np.isfinite(layout.box(theta)).all()
    u[1] = 1e200
    assert lik.evaluate(layout.natural(u), 0)[0][0] == -np.inf


def test_an_optimum_on_the_edge_is_found_and_said(returns):
    """Here the likelihood rises beyond a singular intercept: every climb ends at the same point of the edge."""
    with pytest.warns(BoundaryWarning, match=r"stops being positive semi-definite.*targeting=False"):
        fit = BEKK(kind="full").fit(returns[["A", "C"]])
    assert fit.converged
    assert fit.on_edge
    assert fit.optimum.agreement == 1
    np.testing.assert_allclose(fit.likelihood.slack(fit.theta), 1e-6, rtol=1e-3)
    # along the edge nothing is left to gain, across it there is
    jac = fit.likelihood.layout.jacobian(fit.optimum.box)
    slope = fit.likelihood.evaluate(fit.theta, 1)[1].mean(axis=0) @ jac
    assert slope[0] > 1e-3
    assert np.abs(slope[1:]).max() < 1e-3
    assert (fit.std_err > 0).all()
    assert "the targeted intercept is singular" in str(fit.summary())
    assert str(BEKKFit.from_json(fit.to_json()).summary()) == str(fit.summary())
    assert not quiet(BEKK(kind="full", targeting=False), returns[["A", "C"]]).on_edge


def test_a_climb_that_stops_short_is_a_value_or_an_error(returns):
    lik = BEKK(kind="diagonal", targeting=False).build((returns - returns.mean()).to_numpy())
    optimum = climb_bekk(lik, max_iter=1)
    assert not optimum.converged
    assert optimum.reason
    with pytest.raises(ConvergenceError, match=re.escape(optimum.reason)):
        climb_bekk(lik, max_iter=1, strict=True)


@pytest.mark.parametrize("dist", ["normal", "t"])
@pytest.mark.parametrize(("kind", "asymmetric", "targeting"), ALL)
def test_one_huge_return(kind, asymmetric, targeting, dist, returns):
    """A thousand standard deviations: a finite fit, or a sentence; never a crash or a NaN in the path."""
    frame = returns[["A", "B"]].iloc[:500].copy()
    frame.iloc[250, 0] = 1000 * frame["A"].std()
    fit = quiet(BEKK(kind=kind, asymmetric=asymmetric, targeting=targeting, dist=dist), frame)
    assert np.isfinite(fit.loglik_obs).all()
    assert np.isfinite(fit.correlation("A", "B")).all()
    assert fit.correlation("A", "B").abs().max() <= 1
    assert fit.converged or fit.optimum.reason
    assert isinstance(str(fit.summary()), str)


@pytest.mark.parametrize(("kind", "asymmetric", "targeting"), ALL)
def test_two_columns_that_are_nearly_one(kind, asymmetric, targeting, returns):
    """Correlation 1 - 5e-7: the paths stay within bounds and the errors do not pretend to be numbers they are not."""
    frame = returns[["A", "B"]].iloc[:600].copy()
    frame["B"] = frame["A"] + 1e-3 * frame["B"]
    fit = quiet(BEKK(kind=kind, asymmetric=asymmetric, targeting=targeting), frame)
    assert np.isfinite(fit.loglikelihood)
    path = fit.correlation("A", "B")
    assert path.between(0.999, 1).all()
    assert set(fit.at_bound) == set(fit.std_err.index[fit.std_err.isna()])


def test_a_model_without_unconditional_covariance_is_flagged():
    """Volatility that grows a hundredfold over the sample: the free intercept lets persistence pass one."""
    rng = np.random.default_rng(0)
    level = np.exp(np.linspace(0, np.log(100), 800))
    frame = pd.DataFrame(level[:, None] * world([0.02, 0.95], 800, rng), columns=["X", "Y"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = BEKK(kind="diagonal", targeting=False).fit(frame)
    assert fit.persistence > 1
    sentences = [str(one.message) for one in caught if one.category is CryptoEquityWarning]
    assert any("no unconditional covariance" in text and "targeting=True" in text for text in sentences)
    assert "NOT STATIONARY" in str(fit.summary())


def test_no_news_leaves_the_decay_unidentified():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.standard_normal((1500, 2)) @ np.linalg.cholesky(TRUTH).T, columns=["X", "Y"])
    frame = -np.sort(-frame.abs(), axis=0)[::-1] * np.where(np.arange(1500)[:, None] % 2, 1, -1)  # no clusters left
    frame = pd.DataFrame(np.random.default_rng(1).permutation(frame), columns=["X", "Y"])
    fit = quiet(BEKK(), frame)
    assert fit.params["bekk.a"] < 0.05
    if fit.params["bekk.a"] == 0:
        assert {"bekk.a", "bekk.b"} <= set(fit.at_bound)
        with pytest.warns(BoundaryWarning, match=r"bekk\.a, bekk\.b"):
            BEKK().fit(frame)


# --- forecasts and simulation


@pytest.mark.parametrize("kind", KINDS)
def test_expectations_of_the_symmetric_model(kind, returns):
    """h steps ahead in closed form: the operator of the recursion to the power h - 1 on the gap to the target."""
    fit = quiet(BEKK(kind=kind), returns)
    lik = fit.likelihood
    rows, cols = lik.half
    point = lik.recursion(fit.theta)
    step = lik.operator(point.a) + lik.operator(point.b)
    ahead = lik.next_covariance(fit.theta)[rows, cols] - lik.second[rows, cols]
    forecast = fit.forecast(30).covariance
    for h in range(30):
        wanted = lik.second[rows, cols] + np.linalg.matrix_power(step, h) @ ahead
        np.testing.assert_allclose(forecast[h][rows, cols], wanted, rtol=1e-10)
    far = lik.expected(fit.theta, 4000)[-1]
    np.testing.assert_allclose(far, lik.second, rtol=1e-4)


@pytest.mark.parametrize(("kind", "asymmetric", "targeting"), ALL)
def test_expectations_equal_simulated_averages(kind, asymmetric, targeting, returns):
    fit = quiet(BEKK(kind=kind, asymmetric=asymmetric, targeting=targeting), returns[["A", "B"]])
    wanted = fit.forecast(6).covariance
    drawn = fit.forecast(6, method="simulation", paths=4000, rng=2).covariance
    np.testing.assert_allclose(drawn[0], wanted[0], rtol=1e-10)  # known at T
    np.testing.assert_allclose(drawn, wanted, rtol=0.03, atol=0.02)
    one = fit.likelihood.next_covariance(fit.theta)
    np.testing.assert_allclose(wanted[0], one, rtol=1e-12)
    # the same number as filtering one more date, whatever it brings
    longer = np.vstack([fit.likelihood.e, [[3.0, -2.0]]])
    path = fit.likelihood.on(longer).path(fit.theta, [0, 0, 1], [0, 1, 1])
    np.testing.assert_allclose(path[-1], one[[0, 0, 1], [0, 1, 1]], rtol=1e-10)


def test_simulated_moments_are_the_targets(returns):
    fit = quiet(BEKK(kind="diagonal", dist="t"), returns)
    drawn = fit.simulate(100_000, rng=1)
    np.testing.assert_allclose(drawn.mean(), fit.center, atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T, ddof=0), fit.likelihood.second, rtol=0.15, atol=0.1)
    pd.testing.assert_frame_equal(drawn, fit.simulate(100_000, rng=1))


def test_filtering_keeps_the_targets(returns):
    fit = quiet(BEKK(asymmetric=True), returns)
    same = fit.filter(returns)
    assert isinstance(same, BEKKFit)
    np.testing.assert_allclose(same.correlations(), fit.correlations(), rtol=1e-12)
    half = fit.filter(returns.iloc[:500])
    np.testing.assert_allclose(half.correlations(), fit.correlations().iloc[:500], rtol=1e-12)
    assert half.persistence == fit.persistence


# --- refusals


def test_refusals(returns):
    with pytest.raises(SpecError, match="kind='block' is not known here"):
        BEKK(kind="block")
    with pytest.raises(SpecError, match="target_noise='moment' without targeting"):
        BEKK(targeting=False, target_noise="moment")
    with pytest.raises(SpecError, match="presample"):
        BEKK(presample="zero")
    six = pd.DataFrame(np.random.default_rng(0).standard_normal((400, 6)), columns=list("UVWXYZ"))
    with pytest.raises(DataError, match=r"kind='full' has 72 parameters for 6 columns.*use kind='diagonal'"):
        BEKK(kind="full").fit(six)
    assert quiet(BEKK(kind="diagonal"), six).converged
    with pytest.raises(DataError, match="'V'"):
        BEKK().fit(six.assign(V=1.0))
    wide = pd.DataFrame(np.random.default_rng(0).standard_normal((300, 300))).add_prefix("c")
    with pytest.raises(DataError, match="300 columns on only 300 dates"):
        BEKK().fit(wide)
    with pytest.raises(DataError, match=r"column number 2 never falls below its mean.*asymmetric=False"):
        BEKKLikelihood(np.abs(six.to_numpy()) * [1, 1, 1, 1, 1, 1] - np.array([1.0, 0, 1, 1, 1, 1]), asymmetric=True)
    with pytest.raises(SpecError, match="cov_type"):
        BEKK().fit(returns, cov_type="none")


def test_many_columns():
    """Fifteen assets, scalar and diagonal, in seconds; every date positive definite."""
    rng = np.random.default_rng(0)
    target = 0.4 * np.ones((15, 15)) + 0.6 * np.eye(15)
    frame = pd.DataFrame(world([0.03, 0.94], 300, rng, target=target)).add_prefix("c")
    for kind in ("scalar", "diagonal"):
        fit = quiet(BEKK(kind=kind), frame)
        assert fit.converged
        assert isinstance(fit, CovarianceFit)
        assert np.linalg.eigvalsh(fit.covariance_at(frame.index[200]))[0] > 0
    assert {"bekk.a1", "bekk.a15"} <= set(fit.params.index)
