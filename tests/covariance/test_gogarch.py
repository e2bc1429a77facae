"""O-GARCH and GO-GARCH: rotations, likelihood, scores, invariances, identification, recovery, errors."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cryptoequity.covariance.factors import (
    FactorLikelihood,
    angles_of,
    canonical,
    principal_axes,
    proper,
    rotation,
    whitening_change,
)
from cryptoequity.covariance.gogarch import GOGARCH, OGARCH
from cryptoequity.errors import BoundaryWarning, CryptoEquityWarning, DataError, SpecError
from cryptoequity.estimation.optimize import maximize
from cryptoequity.kernels.gogarch import gogarch_simulate
from strategies import residuals, seeds


def frame(values: np.ndarray) -> pd.DataFrame:
    names = [chr(65 + i) for i in range(values.shape[1])]
    return pd.DataFrame(values, pd.bdate_range("2000-01-03", periods=len(values)), names)


def quiet(spec, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spec.fit(data, **options)


DYNAMICS = np.array([(0.10, 0.85), (0.07, 0.88), (0.04, 0.93)])
VALUES = np.array([3.0, 1.0, 0.4])


def world(n: int, angles, nobs: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns (T, n) of a GO-GARCH whose mixing matrix is given back."""
    axes = rotation(np.array([0.7, 0.3, -0.4][: n * (n - 1) // 2]), n)[0]
    axes = axes * np.where(axes[np.abs(axes).argmax(0), np.arange(n)] < 0, -1.0, 1.0)
    mixing = axes * np.sqrt(VALUES[:n]) @ rotation(np.array(angles), n)[0]
    alpha, beta = DYNAMICS[:n].T.copy()
    f, _ = gogarch_simulate(alpha, beta, np.ones(n), rng.standard_normal((nobs + 300, n)))
    return (f @ mixing.T)[300:], mixing


@given(seeds, st.sampled_from([2, 3, 4, 6]))
@settings(max_examples=30, deadline=None)
def test_rotations_and_their_angles(seed, n):
    rng = np.random.default_rng(seed)
    u = proper(np.linalg.qr(rng.standard_normal((n, n)))[0])
    np.testing.assert_allclose(np.linalg.det(u), 1.0)
    again, generators = rotation(angles_of(u), n)
    np.testing.assert_allclose(again, u, atol=1e-12)
    angles = rng.uniform(-1.5, 1.5, n * (n - 1) // 2)
    u, generators = rotation(angles, n)
    np.testing.assert_allclose(u @ u.T, np.eye(n), atol=1e-13)
    for m, generator in enumerate(generators):
        np.testing.assert_allclose(generator, -generator.T, atol=1e-15)
        step = np.zeros(angles.size)
        step[m] = 1e-6
        slope = (rotation(angles + step, n)[0] - rotation(angles - step, n)[0]).T / 2e-6
        np.testing.assert_allclose(generator, slope @ u, atol=1e-8)


def test_the_product_runs_over_the_planes_in_order():
    a, b, c = 0.3, -0.4, 0.9

    def plane(i, j, angle):
        out = np.eye(3)
        out[i, i] = out[j, j] = np.cos(angle)
        out[i, j], out[j, i] = -np.sin(angle), np.sin(angle)
        return out

    wanted = plane(0, 1, a) @ plane(0, 2, b) @ plane(1, 2, c)
    np.testing.assert_allclose(rotation(np.array([a, b, c]), 3)[0], wanted, atol=1e-15)


def random_theta(rng: np.random.Generator, lik: FactorLikelihood) -> np.ndarray:
    total = rng.uniform(0.3, 0.99, lik.moving)
    alpha = total * rng.uniform(0.02, 0.4, lik.moving)
    dynamics = np.column_stack([alpha, total - alpha]).ravel()
    return np.concatenate([rng.uniform(-1.5, 1.5, lik.planes), dynamics])


@given(seeds, st.sampled_from([2, 3, 5]), st.booleans())
@settings(max_examples=20, deadline=None)
def test_likelihood_is_the_one_written_out(seed, n, rotate):
    rng = np.random.default_rng(seed)
    e = rng.standard_t(5, (80, n)) @ rng.standard_normal((n, n))
    values, vectors = principal_axes(e.T @ e / 80)
    assume(values[-1] > 1e-6 * values[0])
    lik = FactorLikelihood(e, values, vectors, rotate=rotate)
    theta = random_theta(rng, lik)
    u = rotation(theta[: lik.planes], n)[0] if rotate else np.eye(n)
    mixing = vectors @ np.diag(np.sqrt(values)) @ u
    f = np.linalg.solve(mixing, e.T).T
    weights = 0.94 ** np.arange(int(np.sqrt(80)) + 1)
    wanted = np.empty(80)
    h = square = (weights / weights.sum()) @ f[: weights.size] ** 2
    alpha, beta = theta[lik.planes :: 2], theta[lik.planes + 1 :: 2]
    for t in range(80):
        h = 1 - alpha - beta + alpha * square + beta * h
        square = f[t] ** 2
        full = mixing @ np.diag(h) @ mixing.T
        wanted[t] = -0.5 * (n * np.log(2 * np.pi) + np.linalg.slogdet(full)[1] + e[t] @ np.linalg.solve(full, e[t]))
    np.testing.assert_allclose(lik.evaluate(theta, 0)[0], wanted, rtol=1e-9, atol=1e-9)


@given(seeds, st.sampled_from([2, 3, 4]), st.booleans())
@settings(max_examples=20, deadline=None)
def test_scores_equal_central_differences(seed, n, rotate):
    rng = np.random.default_rng(seed)
    e = rng.standard_t(6, (120, n)) @ rng.standard_normal((n, n))
    values, vectors = principal_axes(e.T @ e / 120)
    assume(values[-1] > 1e-6 * values[0])
    lik = FactorLikelihood(e, values, vectors, rotate=rotate, moving=None if rotate else n - 1)
    theta = random_theta(rng, lik)
    score = lik.evaluate(theta, 1)[1]
    assert score.shape == (120, theta.size)
    for k in range(theta.size):
        step = np.zeros(theta.size)
        step[k] = 1e-6
        wanted = (lik.evaluate(theta + step, 0)[0] - lik.evaluate(theta - step, 0)[0]) / 2e-6
        np.testing.assert_allclose(score[:, k], wanted, atol=1e-6 * max(1.0, np.abs(wanted).max()))


@given(residuals(nobs=(20, 60)), seeds)
@settings(max_examples=40, deadline=None)
def test_covariances_are_positive_definite_for_any_parameters(z, seed):
    try:
        lik = GOGARCH().build(z)
    except DataError:
        assume(False)
    theta = random_theta(np.random.default_rng(seed), lik)
    n = z.shape[1]
    h = lik.path(theta, *np.indices((n, n)).reshape(2, -1)).reshape(-1, n, n)
    size = np.trace(h, axis1=1, axis2=2)
    assert (np.linalg.eigvalsh(h).min(axis=1) >= -1e-9 * size).all()
    assert np.isfinite(lik.evaluate(theta, 0)[0]).all()


def test_whitening_moves_with_the_covariance_as_the_formula_says():
    rng = np.random.default_rng(0)
    moment = np.cov(rng.standard_normal((50, 4)).T)
    values, vectors = principal_axes(moment)
    change = rng.standard_normal((4, 4))
    change += change.T
    ends = []
    for side in (1e-6, -1e-6):
        l2, p2 = principal_axes(moment + side * change)
        p2 = p2 * np.sign((p2 * vectors).sum(axis=0))
        ends.append((p2 / np.sqrt(l2)).T)
    slope = (ends[0] - ends[1]) / 2e-6
    psi = whitening_change(vectors.T @ change @ vectors, values)
    np.testing.assert_allclose(psi @ (vectors / np.sqrt(values)).T, slope, atol=1e-6)


def test_slopes_of_the_score_by_the_targets():
    """Against re-whitening with a changed covariance and evaluating the score again."""
    rng = np.random.default_rng(1)
    e, _ = world(3, [0.3, -0.4, 0.2], 600, rng)
    spec = GOGARCH()
    lik = spec.build(e)
    theta = random_theta(rng, lik)
    slopes = spec.targets(lik, theta, list("ABC")).slopes
    cols, rows = np.triu_indices(3)
    moment = e.T @ e / len(e)
    for k, (i, j) in enumerate(zip(rows, cols, strict=True)):
        ends = []
        for side in (1e-6, -1e-6):
            moved = moment.copy()
            moved[i, j] += side
            moved[j, i] = moved[i, j]
            values, vectors = principal_axes(moved)
            vectors = vectors * np.sign((vectors * lik.vectors).sum(axis=0))
            ends.append(FactorLikelihood(e, values, vectors, rotate=True).evaluate(theta, 1)[1].mean(axis=0))
        np.testing.assert_allclose(slopes[:, k], (ends[0] - ends[1]) / 2e-6, atol=1e-6)


def test_the_influence_sums_to_the_error_of_the_covariance():
    """Summed over a long sample, the martingale differences are the deviation of S from its expectation."""
    rng = np.random.default_rng(2)
    e, mixing = world(2, [0.4], 40_000, rng)
    values, vectors = principal_axes(mixing @ mixing.T)
    lik = FactorLikelihood(e, values, vectors, rotate=True)
    theta = np.concatenate([[0.4], DYNAMICS[:2].ravel()])
    influence = GOGARCH().targets(lik, theta, ["A", "B"]).influence.mean(axis=0)
    gap = (e.T @ e / len(e) - mixing @ mixing.T)[[0, 1, 1], [0, 0, 1]]
    np.testing.assert_allclose(influence, gap, atol=0.05 * np.abs(gap).max())


def test_gogarch_does_not_depend_on_the_units(sim_dcc3):
    """Any invertible mixture of the columns is the same model: H_t is mixed with it."""
    mix = np.array([[2.0, 0.3, 0.0], [-0.5, 1.0, 0.4], [0.1, 0.0, 3.0]])
    one = GOGARCH().fit(sim_dcc3)
    other = quiet(GOGARCH(), frame(sim_dcc3.to_numpy() @ mix.T))
    shift = len(sim_dcc3) * np.log(abs(np.linalg.det(mix)))
    np.testing.assert_allclose(other.loglikelihood, one.loglikelihood - shift, rtol=1e-8)
    for t in (0, 700, 1999):
        wanted = mix @ one.covariance_at(one.returns.index[t]).to_numpy() @ mix.T
        np.testing.assert_allclose(other.covariance_at(other.returns.index[t]), wanted, rtol=1e-3)
    dynamics = [name for name in one.params.index if name.startswith("factor")]
    np.testing.assert_allclose(np.sort(other.params[dynamics]), np.sort(one.params[dynamics]), atol=1e-3)
    # O-GARCH, by contrast, does
    scaled = OGARCH().fit(sim_dcc3 * [10.0, 1.0, 1.0]).loglikelihood + 2000 * np.log(10)
    assert abs(scaled - OGARCH().fit(sim_dcc3).loglikelihood) > 1


def test_the_canonical_form_is_the_same_model(sim_dcc3):
    fit = GOGARCH().fit(sim_dcc3)
    lik = fit.likelihood
    np.testing.assert_allclose(canonical(lik, fit.theta), fit.theta, atol=1e-12)
    u = rotation(fit.theta[:3], 3)[0]
    order, signs = [2, 0, 1], np.array([1.0, -1.0, 1.0])
    turned = u[:, order] * signs
    turned[:, 0] *= np.sign(np.linalg.det(turned))
    other = np.concatenate([angles_of(turned), fit.theta[3:].reshape(3, 2)[order].ravel()])
    np.testing.assert_allclose(lik.evaluate(other, 0)[0], fit.loglik_obs, rtol=1e-10)
    np.testing.assert_allclose(canonical(lik, other), fit.theta, atol=1e-10)
    assert np.diag(u).min() > 0


def test_gogarch_nests_ogarch_and_no_random_start_does_better(sim_dcc3):
    fit = GOGARCH().fit(sim_dcc3)
    assert fit.loglikelihood > OGARCH().fit(sim_dcc3).loglikelihood
    assert OGARCH().fit(sim_dcc3).loglikelihood > OGARCH(n_factors=1).fit(sim_dcc3).loglikelihood
    rng, lik = np.random.default_rng(0), fit.likelihood
    for _ in range(10):
        u = proper(np.linalg.qr(rng.standard_normal((3, 3)))[0])
        climbed = maximize(lik, [np.concatenate([angles_of(u), lik.dynamics_start(u)])])
        assert climbed.loglik <= fit.loglikelihood + 1e-6


def test_factors_are_white_and_mixed_back(sim_dcc3):
    fit = GOGARCH().fit(sim_dcc3)
    lik = fit.likelihood
    f = lik.factors(fit.theta)
    np.testing.assert_allclose(f.T @ f / len(f), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(f @ lik.mixing(fit.theta).T, sim_dcc3 - fit.center, atol=1e-12)
    far = fit.forecast(3000)
    np.testing.assert_allclose(far.covariance[-1], np.cov(sim_dcc3.T, ddof=0), rtol=1e-3)


def test_ogarch_with_fewer_factors_keeps_the_sample_covariance(sim_dcc3):
    fit = OGARCH(n_factors=1).fit(sim_dcc3)
    moment = np.cov(sim_dcc3.T, ddof=0)
    np.testing.assert_allclose(fit.forecast(3000).covariance[-1], moment, rtol=1e-6)
    assert "Share of the variance held constant" in str(fit.summary())
    values, vectors = principal_axes(moment)
    share = 1 - values[0] * vectors[0, 0] ** 2 / moment[0, 0]
    assert f"A {share:.1%}" in str(fit.summary())
    assert list(fit.params.index[-2:]) == ["factor1.alpha", "factor1.beta"]
    full = OGARCH().fit(sim_dcc3)
    # principal components are estimated one by one: the first is the same in both
    np.testing.assert_allclose(fit.params["factor1.alpha"], full.params["factor1.alpha"], rtol=1e-4)
    with pytest.raises(SpecError, match="n_factors=4, but 3 columns have 3 principal components"):
        OGARCH(n_factors=4).fit(sim_dcc3)
    with pytest.raises(SpecError, match="n_factors=0: give a whole number of components"):
        OGARCH(n_factors=0)


def white(n: int, nobs: int, rng: np.random.Generator) -> np.ndarray:
    """Returns whose sample covariance is the identity to the last digits."""
    z = rng.standard_normal((nobs, n))
    z -= z.mean(axis=0)
    return np.linalg.solve(np.linalg.cholesky(z.T @ z / nobs), z.T).T


@pytest.mark.parametrize("spec", [OGARCH(), GOGARCH(), OGARCH(n_factors=2)], ids=lambda spec: spec.name)
def test_equal_eigenvalues_are_refused(spec):
    z = white(3, 500, np.random.default_rng(0))
    with pytest.raises(DataError, match="principal components 1 and 2 have the same variance"):
        spec.fit(frame(z))


def test_equal_eigenvalues_that_no_factor_uses_do_no_harm():
    z = white(3, 500, np.random.default_rng(0)) * [2.0, 1.0, 1.0]
    assert np.isfinite(quiet(OGARCH(n_factors=1), frame(z)).loglikelihood)
    with pytest.raises(DataError, match="principal components 2 and 3 have the same variance"):
        OGARCH().fit(frame(z))


def test_nearly_equal_eigenvalues_are_said():
    z = np.random.default_rng(3).standard_normal((800, 2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = OGARCH().fit(frame(z))
    said = [str(one.message) for one in caught if one.category is CryptoEquityWarning]
    assert len(said) == 1
    assert "variances of principal components 1 and 2" in said[0]
    assert "standard errors only: their directions are hardly known" in said[0]
    assert "Note: the variances of principal components 1 and 2" in str(fit.summary())


def test_scales_too_far_apart_are_refused(sim_dcc3):
    with pytest.raises(DataError, match="bring the columns to comparable scales"):
        GOGARCH().fit(sim_dcc3 * [1e6, 1.0, 1.0])


def test_factors_of_constant_variance_leave_the_rotation_unidentified():
    """Squares that alternate between large and small: no clustering, alpha = 0 for every factor."""
    rng = np.random.default_rng(4)
    z = np.where(rng.random((1000, 2)) < 0.5, -1.0, 1.0) * np.where(np.arange(1000) % 2 == 0, 1.3, 0.6)[:, None]
    z += 0.1 * rng.standard_normal((1000, 2))
    with pytest.warns(BoundaryWarning, match=r"GO-GARCH: on the bound or not identified.*phi\.1\.2"):
        fit = GOGARCH(demean=False).fit(frame(z * [2.0, 1.0]))
    assert (fit.params[["factor1.alpha", "factor2.alpha"]] == 0).all()
    assert set(fit.at_bound) == {"phi.1.2", "factor1.alpha", "factor1.beta", "factor2.alpha", "factor2.beta"}
    assert fit.std_err[list(fit.at_bound)].isna().all()
    assert fit.std_err[["cov.A.A", "cov.A.B", "cov.B.B"]].notna().all()


@pytest.mark.parametrize("seed", range(6))
def test_white_noise_never_crashes(seed):
    z = np.random.default_rng(seed).standard_normal((400, 2)) * [1.5, 1.0]
    for spec in (OGARCH(), GOGARCH()):
        fit = quiet(spec, frame(z))
        assert np.isfinite(fit.loglikelihood)
        assert set(fit.std_err.index[fit.std_err.isna()]) == set(fit.at_bound)


def test_recovery_of_the_truth():
    e, mixing = world(3, [0.3, -0.4, 0.2], 6000, np.random.default_rng(11))
    fit = GOGARCH().fit(frame(e))
    truth = np.concatenate([(mixing @ mixing.T)[np.triu_indices(3)], [0.3, -0.4, 0.2], DYNAMICS.ravel()])
    gap = (fit.params.iloc[3:] - truth) / fit.std_err.iloc[3:]
    assert (gap.abs() < 3.5).all()
    np.testing.assert_allclose(fit.theta[:3], [0.3, -0.4, 0.2], atol=0.15)


def test_errors_match_the_spread_of_estimates():
    """Sixty samples from a truth: what the errors claim and what the estimates do; classic errors of the angle fail."""
    estimates, errors, classic = [], [], []
    rng = np.random.default_rng(6)
    for _ in range(60):
        e, _ = world(2, [0.4], 2000, rng)
        fit = quiet(GOGARCH(), frame(e))
        estimates.append(fit.params.to_numpy())
        errors.append(fit.std_err.to_numpy())
        classic.append(fit.spec.fit(fit.returns, cov_type="classic").std_err["phi.1.2"])
    # quartiles: a rare sample in which the two factors change places has an angle far away
    spread = np.subtract(*np.quantile(estimates, [0.75, 0.25], axis=0)) / 1.349
    ratio = spread / np.median(errors, axis=0)
    assert (ratio > 0.65).all()
    assert (ratio < 1.5).all()
    where = list(fit.params.index).index("phi.1.2")
    assert np.median(classic) < 0.8 * spread[where]
