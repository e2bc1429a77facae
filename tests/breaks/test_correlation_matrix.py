"""The matrix fluctuation test against loops, against the test of one pair, and against its simulated law."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cryptoequity.breaks.correlation_matrix import (
    correlation_matrix_test,
    inverse_root,
    matrix_fluctuation,
    scale_of,
)
from cryptoequity.breaks.correlation_null import block_starts, influence, long_run_of
from cryptoequity.breaks.limits import limit_law
from cryptoequity.breaks.wied import wied_kraemer_dehling_test
from cryptoequity.errors import BoundaryWarning, DataError, SpecError
from cryptoequity.kernels.correlation_breaks import block_correlations, block_matrix_peaks, bridge_norm_peaks
from cryptoequity.volatility import fit_margins

ROOT = Path(__file__).parents[2]


def equal(n: int, rho: float) -> np.ndarray:
    return np.full((n, n), rho) + (1 - rho) * np.eye(n)


def normals(nobs: int, n: int, seed: int, rho: float = 0.4) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((nobs, n)) @ np.linalg.cholesky(equal(n, rho)).T


def broken(nobs: int, seed: int) -> pd.DataFrame:
    """Three columns; the correlation of A and C rises from .1 to .8 at the half."""
    rng = np.random.default_rng(seed)
    u = rng.standard_normal((nobs, 3))
    rho = np.where(np.arange(nobs) < nobs // 2, 0.1, 0.8)
    z = np.column_stack([u[:, 0], u[:, 1], rho * u[:, 0] + np.sqrt(1 - rho**2) * u[:, 2]])
    return pd.DataFrame(z, pd.bdate_range("2018-01-01", periods=nobs), ["A", "B", "C"])


def test_statistic_written_as_a_loop():
    z = normals(150, 3, 1)
    psi = influence(z)[0]
    root = inverse_root(long_run_of(None, 150).covariance(psi), 150)
    rows, cols = np.triu_indices(3, 1)
    last = np.corrcoef(z.T)[rows, cols]
    norms = [j / np.sqrt(150) * np.abs(root @ (np.corrcoef(z[:j].T)[rows, cols] - last)).sum() for j in range(10, 150)]
    test = correlation_matrix_test(z, filter=None, scale="long-run")
    assert test.statistic == pytest.approx(max(norms), rel=1e-10)
    assert test.position == 10 + int(np.argmax(norms))
    np.testing.assert_allclose(test.path.to_numpy(), norms, rtol=1e-9)


def test_of_one_pair_it_is_the_test_of_a_correlation():
    z = normals(400, 2, 2)
    pair = wied_kraemer_dehling_test(z, filter=None)
    matrix = correlation_matrix_test(z, filter=None, scale="long-run")
    assert matrix.statistic == pytest.approx(pair.statistic, rel=1e-10)
    assert matrix.position == pair.position
    assert matrix.pvalue == pytest.approx(pair.pvalue, abs=0.03)


def test_order_and_units_of_columns_do_not_matter():
    z = normals(300, 4, 3)
    base = correlation_matrix_test(z, filter=None, scale="long-run").statistic
    moved = z[:, [2, 0, 3, 1]] * [0.1, -5.0, 3.0, 1.0] + 7.0
    assert correlation_matrix_test(moved, filter=None, scale="long-run").statistic == pytest.approx(base, rel=1e-8)


def test_both_scales_estimate_the_covariance_of_correlations():
    z = normals(4000, 3, 4)
    boot = scale_of(z, "bootstrap", long_run_of(None, 4000), 8, 1)
    direct = scale_of(z, "long-run", long_run_of(None, 4000), 8, 1)
    np.testing.assert_allclose(np.diag(boot), (1 - 0.16) ** 2, rtol=0.2)
    np.testing.assert_allclose(np.diag(direct), (1 - 0.16) ** 2, rtol=0.15)


def test_resampled_correlations_and_peaks_written_as_loops():
    z = normals(90, 3, 5)
    starts = block_starts(90, 7, 12, 3)
    root = inverse_root(scale_of(z, "long-run", long_run_of(None, 90), 7, 1), 90)
    rhos, peaks = block_correlations(z, starts, 7), block_matrix_peaks(z, starts, 7, root, 10)
    rows, cols = np.triu_indices(3, 1)
    for start, rho, top in zip(starts, rhos, peaks, strict=True):
        sample = z[np.concatenate([np.arange(s, s + 7) for s in start])[:90]]
        np.testing.assert_allclose(rho, np.corrcoef(sample.T)[rows, cols], rtol=0, atol=1e-12)
        assert top == pytest.approx(matrix_fluctuation(sample, root, 10).statistic, rel=1e-10)


def test_law_is_kolmogorovs_for_one_bridge_and_grows():
    laws = [limit_law("correlation_matrix", f"d{d}") for d in (1, 3, 10, 45)]
    for level in (0.10, 0.05, 0.01):
        # 4,000 steps miss about .58 / sqrt(4000) of a continuous bridge
        exact = stats.kstwobign.isf(level)
        assert exact - 0.03 < laws[0].critical(level) < exact + 0.01
    critical = [law.critical() for law in laws]
    assert np.all(np.diff(critical) > 0)
    # the norm of many bridges at the half is nearly normal: mean d sqrt(1/(2 pi)), variance d (1/4)(1 - 2/pi)
    mean, spread = 45 * np.sqrt(0.5 / np.pi), np.sqrt(45 * 0.25 * (1 - 2 / np.pi))
    assert critical[-1] > mean + 1.645 * spread
    assert critical[-1] < mean + 4.0 * spread


def test_bridges_of_the_law_written_out():
    steps = np.random.default_rng(1).standard_normal((3, 50))
    walk = np.cumsum(steps, axis=1)
    bridges = np.abs(walk - np.arange(1, 51) / 50 * walk[:, -1:])
    wanted = [bridges[: d + 1].sum(axis=0).max() / np.sqrt(50) for d in range(3)]
    np.testing.assert_allclose(bridge_norm_peaks(steps), wanted, rtol=1e-12)


@pytest.mark.slow
def test_the_script_of_the_law_runs_quickly():
    script = ROOT / "benchmarks" / "limits" / "correlation_matrix.py"
    out = subprocess.run([sys.executable, str(script), "--quick"], capture_output=True, text=True, check=True)
    assert "500 paths of 500 steps" in out.stdout


@pytest.mark.filterwarnings("ignore::cryptoequity.errors.CryptoEquityWarning")
def test_size_under_iid_columns():
    pvalues = np.array(
        [correlation_matrix_test(normals(700, 3, seed), filter=None, scale="long-run").pvalue for seed in range(250)]
    )
    assert 0.015 < np.mean(pvalues <= 0.05) < 0.10
    assert stats.kstest(pvalues, "uniform").statistic < 0.13


@pytest.mark.parametrize("options", [{}, {"scale": "long-run"}, {"pvalue": "block", "draws": 199}])
def test_a_step_of_one_pair_is_found_and_named(options):
    frame = broken(600, 1)
    test = correlation_matrix_test(frame, filter=None, **options)
    assert test.pvalue <= 0.005
    assert abs(test.position - 300) < 60
    assert test.break_date == frame.index[test.position]
    assert test.last_date == frame.index[test.position - 1]
    assert test.detail["change"].abs().idxmax() == ("A", "C")
    assert test.detail["change"]["A", "C"] == pytest.approx(0.7, abs=0.2)
    assert test.path.max() == test.statistic


@pytest.mark.filterwarnings("ignore::cryptoequity.errors.BoundaryWarning")
def test_drawn_from_a_dcc():
    frame = broken(300, 2)
    margins = fit_margins(frame)
    first = correlation_matrix_test(margins, scale="long-run", pvalue="dcc", draws=19, rng=3)
    assert first.statistic == correlation_matrix_test(margins, scale="long-run").statistic
    assert first.pvalue >= 0.05
    assert "DCC(1,1)" in first.reference
    part = correlation_matrix_test(margins, ["C", "A"], scale="long-run", pvalue="dcc", draws=19, rng=3)
    assert part.null.startswith("the correlations of C, A")


def test_same_seed_same_numbers():
    z = normals(300, 3, 7)
    one, two, other = (correlation_matrix_test(z, filter=None, rng=seed).statistic for seed in (1, 1, 2))
    assert one == two != other
    generators = [np.random.default_rng(5) for _ in range(2)]
    a, b = (correlation_matrix_test(z, filter=None, rng=g, pvalue="block", draws=49) for g in generators)
    assert a.pvalue == b.pvalue


def test_refusals():
    z = normals(300, 3, 8)
    with pytest.raises(DataError, match="perfectly collinear"):
        correlation_matrix_test(z[:, [0, 1, 0]], filter=None)
    with pytest.raises(DataError, match="two columns; there is 1"):
        correlation_matrix_test(z[:, :1], filter=None)
    with pytest.raises(DataError, match="five rows a correlation"):
        correlation_matrix_test(normals(200, 10, 1), filter=None)
    with pytest.raises(SpecError, match="up to ten columns, not 11"):
        correlation_matrix_test(normals(600, 11, 1), filter=None)
    with pytest.raises(DataError, match="constant over its first 30 rows"):
        correlation_matrix_test(np.where(np.arange(300)[:, None] < 30, 1.0, z), filter=None, scale="long-run")
    with pytest.raises(SpecError, match="scale='hac'"):
        correlation_matrix_test(z, filter=None, scale="hac")
    with pytest.raises(SpecError, match="draws returns from fitted margins"):
        correlation_matrix_test(z, filter=None, pvalue="dcc")
    with pytest.raises(DataError, match="singular"):
        inverse_root(np.ones((2, 2)), 100)
    wide = correlation_matrix_test(normals(600, 11, 1, 0.3), filter=None, scale="long-run", pvalue="block", draws=39)
    assert 0 < wide.pvalue <= 1


def test_warnings_of_bounds_are_passed_on():
    with pytest.warns(BoundaryWarning):
        correlation_matrix_test(broken(400, 2), scale="long-run")
