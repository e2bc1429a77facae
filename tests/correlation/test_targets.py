"""Targets: against loops that follow the papers line by line, and the properties that define shrinkage."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.correlation.model import second_moment_target
from cryptoequity.correlation.targets import (
    _hilbert_kernel,
    correlation_target,
    given_target,
    linear_target,
    nonlinear_eigenvalues,
    nonlinear_target,
    sample_target,
)
from cryptoequity.errors import DataError, SpecError
from strategies import correlation_matrices

METHODS = ("sample", "identity", "constant", "nonlinear")
SHRINKING = METHODS[1:]


def draws(nobs, n, seed=1, rho=0.4):
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((nobs, 1))
    return math.sqrt(rho) * common + math.sqrt(1 - rho) * rng.standard_t(6, (nobs, n)) / math.sqrt(1.5)


def scaled(z):
    return z / np.sqrt(np.mean(z**2, axis=0))


# --- brute force, written from the papers with loops


def weight_identity(z):
    """Ledoit & Wolf 2004, lemma 3.2 and 3.3: m, d², b̄², b²."""
    w = scaled(z)
    nobs, n = w.shape
    s = sum(np.outer(row, row) for row in w) / nobs
    m = np.trace(s) / n
    d2 = np.linalg.norm(s - m * np.eye(n), "fro") ** 2 / n
    b2 = sum(np.linalg.norm(np.outer(row, row) - s, "fro") ** 2 / n for row in w) / nobs**2
    return min(b2, d2) / d2


def weight_constant(z):
    """Ledoit & Wolf, "Honey": appendix B with sums over every i, j, t."""
    w = scaled(z)
    nobs, n = w.shape
    s = w.T @ w / nobs
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    mean = sum(s[i, j] / math.sqrt(s[i, i] * s[j, j]) for i, j in pairs) / len(pairs)
    f = np.array([[s[i, i] if i == j else mean * math.sqrt(s[i, i] * s[j, j]) for j in range(n)] for i in range(n)])
    pi = [[np.mean((w[:, i] * w[:, j] - s[i, j]) ** 2) for j in range(n)] for i in range(n)]

    def theta(k, i, j):
        return np.mean((w[:, k] ** 2 - s[k, k]) * (w[:, i] * w[:, j] - s[i, j]))

    rho = sum(pi[i][i] for i in range(n))
    for i, j in pairs:
        one = math.sqrt(s[j, j] / s[i, i]) * theta(i, i, j)
        other = math.sqrt(s[i, i] / s[j, j]) * theta(j, i, j)
        rho += mean / 2 * (one + other)
    gamma = np.sum((f - s) ** 2)
    kappa = (np.sum(pi) - rho) / gamma
    return max(0.0, min(kappa / nobs, 1.0)), mean


def shrunk_values(values, nobs):
    """Ledoit & Wolf 2020, one eigenvalue and one neighbor at a time, in extended precision: far terms cancel."""
    n = len(values)
    lam = np.sort(values)[max(0, n - nobs) :].astype(np.longdouble)
    five, pi = np.sqrt(np.longdouble(5)), np.longdouble(np.pi)
    h = np.longdouble(nobs) ** (-np.longdouble(1) / 3)
    out = []
    for one in lam:
        f = hilbert = np.longdouble(0)
        for other in lam:
            hj = h * other
            x = (one - other) / hj
            f += 3 / (4 * five * hj) * max(0, 1 - x * x / 5) / len(lam)
            part = -3 * x / (10 * pi)
            if abs(x) != five:
                part += 3 / (4 * five * pi) * (1 - x * x / 5) * np.log(abs((five - x) / (five + x)))
            hilbert += part / hj / len(lam)
        if n <= nobs:
            # |1 - c - c*lambda*m(lambda)|² with m = pi*(H + i f)
            c = np.longdouble(n) / nobs
            out.append(one / ((1 - c - c * one * pi * hilbert) ** 2 + (c * one * pi * f) ** 2))
        else:
            out.append(1 / (one * pi**2 * (hilbert**2 + f**2)))
    if n <= nobs:
        return np.array(out, float)
    inner = 3 / (10 * h**2) + 3 / (4 * five * h) * (1 - 1 / (5 * h**2)) * np.log((1 + five * h) / (1 - five * h))
    null = 1 / (pi * (n - nobs) / nobs * inner / pi * np.mean(1 / lam))
    return np.array([null] * (n - nobs) + out, float)


@pytest.mark.parametrize(("nobs", "n"), [(300, 3), (60, 20), (30, 45)])
def test_weights_equal_the_papers_sums(nobs, n):
    z = draws(nobs, n)
    sample = scaled(z).T @ scaled(z) / nobs
    identity = linear_target(z)
    weight = weight_identity(z)
    assert identity.weight == pytest.approx(weight, rel=1e-10)
    np.testing.assert_allclose(identity.correlation, weight * np.eye(n) + (1 - weight) * sample, atol=1e-12)
    constant = linear_target(z, toward="constant")
    weight, mean = weight_constant(z)
    assert constant.weight == pytest.approx(weight, rel=1e-9)
    goal = np.full((n, n), mean)
    np.fill_diagonal(goal, 1.0)
    np.testing.assert_allclose(constant.correlation, weight * goal + (1 - weight) * sample, atol=1e-12)


@pytest.mark.parametrize(("nobs", "n"), [(300, 3), (60, 20), (50, 50), (30, 45), (13, 200)])
def test_nonlinear_eigenvalues_equal_the_papers_sums(nobs, n):
    sample = second_moment_target(draws(nobs, n))[0]
    values = np.linalg.eigvalsh(sample)
    np.testing.assert_allclose(nonlinear_eigenvalues(values, nobs), shrunk_values(values, nobs), rtol=1e-7)


def test_hilbert_kernel_keeps_its_digits_far_out_and_joins_smoothly():
    root, pi = np.sqrt(np.longdouble(5)), np.longdouble(np.pi)
    join = math.sqrt(5) / 0.3
    x = np.concatenate([np.geomspace(0.01, 1e3, 400), [join * (1 - 1e-9), join * (1 + 1e-9)]])
    wide = np.concatenate([x, -x]).astype(np.longdouble)
    logs = np.log(np.abs((root - wide) / (root + wide)))
    wanted = -3 * wide / (10 * pi) + 3 / (4 * root * pi) * (1 - wide**2 / 5) * logs
    # the plain formula loses digits with the square of x, even in extended precision
    np.testing.assert_allclose(_hilbert_kernel(wide.astype(float)), wanted.astype(float), rtol=1e-9)
    # far from the kernel its transform is that of a point mass
    far = np.array([1e5, -1e7, 1e9])
    np.testing.assert_allclose(_hilbert_kernel(far), -1 / (np.pi * far), rtol=1e-9)


def test_kernel_edges_are_finite():
    # lambda_i - lambda_j = ± sqrt(5) h lambda_j exactly: both logarithms are infinite there
    nobs = 125  # h = 0.2
    h = nobs ** (-1 / 3)
    for values in ([1.0, 1.0 + math.sqrt(5) * h], [1.0 - math.sqrt(5) * h, 1.0], [1.0, 1.0, 1.0]):
        shrunk = nonlinear_eigenvalues(np.array(values), nobs)
        assert np.isfinite(shrunk).all()
        near = nonlinear_eigenvalues(np.array(values) + np.array([0, 1e-9, 2e-9])[: len(values)], nobs)
        np.testing.assert_allclose(shrunk, near, rtol=1e-6)


def test_nonlinear_reduces_the_loss_where_n_is_not_small():
    # a spiked population; the loss is what the formula is built to minimize
    n, nobs = 60, 120
    rng = np.random.default_rng(3)
    truth = np.full((n, n), 0.3) + 0.7 * np.eye(n)
    root = np.linalg.cholesky(truth)
    losses = {method: 0.0 for method in METHODS}
    for _ in range(10):
        z = rng.standard_normal((nobs, n)) @ root.T
        for method in METHODS:
            losses[method] += np.sum((correlation_target(z, method).correlation - truth) ** 2)
    assert losses["constant"] < losses["nonlinear"] < losses["sample"]
    assert losses["identity"] < losses["sample"]


# --- properties


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(12, 80), st.integers(2, 60), st.sampled_from(SHRINKING))
def test_shrunken_matrices_are_correlations_even_beyond_as_many_columns_as_rows(seed, nobs, n, method):
    z = draws(nobs, n, seed)
    matrix = correlation_target(z, method).correlation
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_array_equal(np.diag(matrix), 1.0)
    assert np.linalg.eigvalsh(matrix)[0] > 0
    assert np.abs(matrix).max() <= 1.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SHRINKING), st.sampled_from([(40, 5), (30, 40)]))
def test_permuting_and_rescaling_columns(seed, method, shape):
    z = draws(*shape, seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(shape[1])
    scale = np.exp(rng.uniform(-10, 10, shape[1]))
    matrix = correlation_target(z, method).correlation
    np.testing.assert_allclose(
        correlation_target(z[:, order], method).correlation, matrix[np.ix_(order, order)], atol=1e-8
    )
    np.testing.assert_allclose(correlation_target(z * scale, method).correlation, matrix, atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(60, 8), (30, 40)]))
def test_nonlinear_shrinkage_is_rotation_equivariant(seed, shape):
    x = draws(*shape, seed)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((shape[1], shape[1])))[0]
    nobs = shape[0]

    def estimate(y):
        values, vectors = np.linalg.eigh(y.T @ y / nobs)
        return (vectors * nonlinear_eigenvalues(values, nobs)) @ vectors.T

    np.testing.assert_allclose(estimate(x @ turn), turn.T @ estimate(x) @ turn, atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-6, 1e6), st.sampled_from([(60, 8), (30, 40)]))
def test_nonlinear_eigenvalues_scale_with_the_data(factor, shape):
    values = np.linalg.eigvalsh(second_moment_target(draws(*shape))[0])
    np.testing.assert_allclose(
        nonlinear_eigenvalues(factor * values, shape[0]), factor * nonlinear_eigenvalues(values, shape[0]), rtol=1e-6
    )


@pytest.mark.parametrize("method", SHRINKING)
def test_converges_to_the_sample_as_observations_grow(method):
    rng = np.random.default_rng(5)
    truth = np.array([[1.0, 0.6, 0.1], [0.6, 1.0, 0.3], [0.1, 0.3, 1.0]])
    z = rng.standard_normal((200_000, 3)) @ np.linalg.cholesky(truth).T
    gaps = []
    for nobs in (50, 2_000, 200_000):
        matrix = correlation_target(z[:nobs], method).correlation
        gaps.append(np.abs(matrix - second_moment_target(z[:nobs])[0]).max())
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-3


def test_the_sample_target_is_the_one_the_likelihood_uses():
    z = draws(200, 4)
    target = sample_target(z)
    np.testing.assert_array_equal(target.correlation, second_moment_target(z)[0])
    assert math.isnan(target.weight)
    assert target.cite() == ""


def test_names_notes_and_citations():
    frame = pd.DataFrame(draws(100, 3), columns=["A", "B", "C"])
    for method in METHODS:
        target = correlation_target(frame, method)
        assert target.names == ("A", "B", "C")
        assert target.method == method
        assert list(target.to_frame().columns) == ["A", "B", "C"]
    assert correlation_target(frame, "identity").note.startswith("shrunk by 0.")
    assert "Honey" in correlation_target(frame, "constant").cite()
    assert "Nonlinear" in nonlinear_target(frame).cite()
    assert list(nonlinear_target(frame.to_numpy()).to_frame().columns) == [0, 1, 2]
    with pytest.raises(SpecError, match="method='ols' is not known"):
        correlation_target(frame, "ols")


# --- a matrix that is given


@settings(max_examples=25, deadline=None)
@given(st.data(), st.integers(2, 6))
def test_a_correlation_matrix_is_taken_as_it_is(data, n):
    matrix = data.draw(correlation_matrices(n))
    target = given_target(matrix, n)
    np.testing.assert_allclose(target.correlation, matrix, atol=1e-15)
    assert target.method == "given"


def test_a_frame_is_put_into_the_order_of_the_columns():
    frame = pd.DataFrame([[1, 0.2, 0.3], [0.2, 1, 0.4], [0.3, 0.4, 1]], ["A", "B", "C"], ["A", "B", "C"])
    z = pd.DataFrame(draws(50, 3), columns=["C", "A", "B"])
    target = correlation_target(z, frame)
    np.testing.assert_array_equal(target.to_frame().loc["A", "B"], 0.2)
    np.testing.assert_array_equal(target.correlation[0], [1.0, 0.3, 0.4])


BASE = np.array([[1.0, 0.5], [0.5, 1.0]])


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.eye(3), "the target is 3 x 3; 2 columns need 2 x 2"),
        (np.array([[1.0, 0.5], [0.4, 1.0]]), r"not symmetric: 0.5 at \('A', 'B'\) and 0.4"),
        (4 * BASE, "diagonal of the target is 4 at 'A', not 1"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), r"holds nan at \('A', 'B'\)"),
        (np.ones((2, 2)), "not positive definite .*'A' and 'B'"),
        (np.array([[1.0, 1.2], [1.2, 1.0]]), "not positive definite"),
        (pd.DataFrame(BASE, ["A", "Z"], ["A", "Z"]), r"row labels .* missing \['B'\], unknown \['Z'\]"),
        (pd.DataFrame(BASE, ["A", "B"], ["A", "Z"]), "column labels"),
    ],
)
def test_a_matrix_that_cannot_be_a_target_is_refused(matrix, message):
    with pytest.raises(DataError, match=message):
        given_target(matrix, ["A", "B"])


def test_data_that_have_no_target_are_refused():
    wide = draws(20, 30)
    with pytest.raises(DataError, match=r"30 columns and 20 observations: .* rank 20 at most"):
        sample_target(wide)
    z = pd.DataFrame(draws(50, 3), columns=["A", "B", "C"])
    twin = z.assign(D=z["A"])
    for method in ("sample", "nonlinear"):
        with pytest.raises(DataError, match=r"drop one"):
            correlation_target(twin, method)
    with pytest.raises(DataError, match="column 'B' of the residuals is zero throughout"):
        correlation_target(z.assign(B=0.0), "identity")
    with pytest.raises(DataError, match="column 'B' of the residuals holds nan in row 0"):
        correlation_target(z.assign(B=np.nan), "identity")
    with pytest.raises(DataError, match="T and N of at least 2"):
        linear_target(np.ones((5, 1)))
    with pytest.raises(DataError, match="needs 12 observations; there are 11"):
        nonlinear_target(draws(11, 3))
