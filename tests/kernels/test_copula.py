"""Kernels of the copula: Chebyshev sums, and the tangent of the DCC likelihood, against NumPy and differences."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.kernels.copula import dcc_tangent, series_sums
from cryptoequity.kernels.dcc import dcc_filter
from cryptoequity.volatility.density import t_constants
from strategies import seeds


def test_series_equal_numpy():
    rng = np.random.default_rng(0)
    terms, points = rng.standard_normal((2, 17)), rng.uniform(0, 9, 50)
    wanted = np.stack([np.polynomial.chebyshev.chebval(2 * points / 9 - 1, row) for row in terms])
    np.testing.assert_allclose(series_sums(terms, points, 9.0), wanted, rtol=1e-12, atol=1e-12)


@given(st.integers(2, 4), st.sampled_from([0.0, 3.0, 9.0]), seeds)
@settings(max_examples=20, deadline=None)
def test_tangent_equals_finite_differences(n, nu, seed):
    rng = np.random.default_rng(seed)
    x, dx = rng.standard_normal((30, n)), rng.standard_normal((30, n))
    target = np.ascontiguousarray(np.corrcoef(rng.standard_normal((n, 30))))
    turn = rng.standard_normal((n, n))
    turn = turn + turn.T
    np.fill_diagonal(turn, 0.0)
    a, b = rng.uniform(0.01, 0.2), rng.uniform(0.2, 0.75)
    const = np.array(t_constants(nu, n)) if nu else np.array([-0.5 * n * math.log(2 * math.pi), 0.0])
    step = 1e-6

    def run(sign):
        r = target + sign * step * turn
        return dcc_filter(a, b, nu, const, x + sign * step * dx, r, r, r, 0)[0]

    wanted = (run(1) - run(-1)) / (2 * step)
    got = dcc_tangent(a, b, nu, const, x, dx, target, turn)
    np.testing.assert_allclose(got / np.abs(wanted).max(), wanted / np.abs(wanted).max(), atol=1e-6)
