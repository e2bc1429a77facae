r"""The fluctuation test of a constant correlation matrix of Wied (2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.bootstrap import FEWEST
from ..estimation.bootstrap import pvalue as tail
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from ..kernels.correlation_breaks import block_correlations, block_matrix_peaks, grow_correlations, matrix_peak
from .correlation_null import (
    Filter,
    block_starts,
    check_count,
    influence,
    long_run_of,
    model_draws,
    read_columns,
)
from .limits import LEVELS, limit_law
from .results import BreakTest

__all__ = ["correlation_matrix_test", "matrix_fluctuation"]

SCALES = ("bootstrap", "long-run")
LAWS = ("asymptotic", "block", "dcc")
MOST = 45  # pairs in the simulated table: ten columns
SCALE_DRAWS = 499


@dataclass(frozen=True, eq=False)
class MatrixFluctuation:
    """Peak of the norm, observations before it, norms by row (T,), correlations of growing samples (T, d)."""

    statistic: float
    position: int
    path: Array
    growing: Array


def matrix_fluctuation(z: Array, root: Array, first: int) -> MatrixFluctuation:
    r"""Norms :math:`jT^{-1/2}\lVert R(\hat\rho_j-\hat\rho_T)\rVert_1` of ``z`` (T, N) with ``root`` R (d, d).

    Raises
    ------
    DataError : a column that does not move over its first rows.
    """
    nobs, n = z.shape
    growing = np.empty((nobs, n * (n - 1) // 2))
    grow_correlations(z, growing)
    path = np.empty(nobs)
    position = int(matrix_peak(growing, root, first, path))
    if position < 0:
        row = int(np.flatnonzero(np.isnan(growing[first - 1 :]).any(axis=1))[-1]) + first
        raise DataError(
            f"a column is constant over its first {row} rows: no correlation grows from there; drop those rows, or "
            f"use first={row + 1} or more."
        )
    return MatrixFluctuation(float(path[position]), position, path, growing)


def inverse_root(cov: Array, nobs: int) -> Array:
    """Symmetric inverse square root of the long-run covariance of the correlations.

    Raises
    ------
    DataError : a singular covariance.
    """
    values, vectors = np.linalg.eigh(cov)
    if not values[0] > 1e-8 * values[-1]:
        raise DataError(
            f"the long-run covariance of {cov.shape[0]} correlations is singular with {nobs} observations (smallest "
            f"eigenvalue {values[0]:.1e}, largest {values[-1]:.1e}); use fewer columns or a longer sample."
        )
    out: Array = np.ascontiguousarray((vectors / np.sqrt(values)) @ vectors.T)
    return out


def scale_of(
    z: Array, scale: str, long_run: LongRun, length: int, rng: int | np.random.Generator | np.random.SeedSequence
) -> Array:
    r"""Estimate of the covariance (d, d) of :math:`\sqrt T(\hat\rho-\rho)`."""
    nobs = z.shape[0]
    if scale == "long-run":
        return long_run.covariance(influence(z)[0])
    starts = block_starts(nobs, length, SCALE_DRAWS, rng)  # type: ignore[arg-type]
    draws = np.asarray(block_correlations(z, starts, length))
    out: Array = nobs * np.atleast_2d(np.cov(draws.T))
    return out


@dataclass(frozen=True)
class _MatrixPeak:
    """The statistic of some columns of residuals, as `bootstrap.null_draws` calls it; the scale is estimated anew."""

    columns: tuple[int, ...]
    first: int
    scale: str
    long_run: LongRun
    length: int
    seed: int

    def __call__(self, z: Array, driver: Array | None, warm: Any) -> float:
        """Return the statistic."""
        del driver, warm
        part = np.ascontiguousarray(z[:, list(self.columns)])
        cov = scale_of(part, self.scale, self.long_run, self.length, self.seed)
        return matrix_fluctuation(part, inverse_root(cov, part.shape[0]), self.first).statistic


def correlation_matrix_test(
    data: Any,
    columns: Sequence[str] | None = None,
    *,
    filter: Filter = "garch",
    scale: str = "bootstrap",
    long_run: LongRun | None = None,
    first: int | None = None,
    pvalue: str = "asymptotic",
    block: int | None = None,
    draws: int = 999,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> BreakTest:
    r"""Wied's (2017) test of a constant correlation matrix against a change at an unknown date.

    With :math:`\hat\rho_j` the d = N(N - 1)/2 correlations of the first j observations and :math:`\hat E` the
    covariance of :math:`\sqrt T\hat\rho_T`,

    .. math:: A=\max_{j}\frac{j}{\sqrt T}\bigl\lVert\hat E^{-1/2}(\hat\rho_j-\hat\rho_T)\bigr\rVert_1
              \;\Rightarrow\;\sup_{0\le s\le 1}\sum_{i\le d}|B_i(s)|

    for independent Brownian bridges, under constant correlations, constant variances and short memory. The limit is
    simulated for up to ten columns.

    Parameters
    ----------
    data : returns (frame or array), `Margins`, or a `CorrelationFit`. columns : which; all by default.
    filter : of returns, as in `wied_kraemer_dehling_test`.
    scale : :math:`\hat E` from 499 samples of moving blocks ("bootstrap", the paper's), or the "long-run" covariance of
        the influence functions (no draws). long_run : its estimator; Bartlett with ln T by default.
    first : fewest observations of the old regime; by default 10, or twice the columns where that is more.
    pvalue : "asymptotic"; "block" (samples of moving blocks, with :math:`\hat E` as it is; any number of columns);
        "dcc" (samples of a fitted DCC, margins refitted, :math:`\hat E` estimated in each).
    block : length of blocks; the fourth root of T rounded up by default, as in the paper.
    draws, rng, n_jobs : B, seed, and workers of "dcc".

    Returns
    -------
    BreakTest : ``detail["change"]`` holds the correlations after the date minus those before, by pair.

    Raises
    ------
    DataError : columns that cannot be used, or too many for the sample. SpecError : an unknown choice, or more than ten
        columns with the asymptotic law.

    Notes
    -----
    Size at 5 %, measured for three columns with T = 1000, correlations .4, estimated margins, 200 samples; scale
    "bootstrap" ("long-run"): iid t(5) 4.5 % (3.5 %), GARCH(.08, .90) normal 3.5 % (4.0 %), GARCH(.12, .87) t(5) 1.5 %
    (2.0 %), standard deviation twice at T/2 8.5 % (9.5 %), DCC(.03, .95) and (.02, .97) 79–83 %: with a wandering
    correlation use ``pvalue="dcc"``, whose size was measured for pairs only. Power against a step of all three at T/2
    from .3 by .1, .2, .4: .43, .98, 1.00. Do not use it on raw returns, on paths, or with so many columns that
    :math:`\hat E` has more elements than the sample bears.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH", "GOLD"]]
    >>> test = ce.correlation_matrix_test(returns, scale="long-run")
    >>> test.pvalue < 0.01, test.detail["change"].idxmax()
    (True, ('COIN', 'SMALL_TECH'))
    """
    check_option("scale", scale, SCALES)
    check_option("pvalue", pvalue, LAWS)
    check_count("draws", draws, FEWEST)
    read = read_columns(data, columns, filter)
    nobs, n = read.z.shape
    width = n * (n - 1) // 2
    if pvalue == "asymptotic" and width > MOST:
        raise SpecError(f"the limit is simulated for up to ten columns, not {n}; use pvalue='block' or fewer columns.")
    if 5 * width > nobs:
        raise DataError(
            f"{width} correlations of {n} columns and {nobs} observations: their covariance needs five rows a "
            "correlation at least; use fewer columns or a longer sample."
        )
    least = max(10, 2 * n) if first is None else check_count("first", first, n + 1, nobs - 3)
    length = int(np.ceil(nobs**0.25 - 1e-9)) if block is None else check_count("block", block, 1, nobs // 5)
    estimator = long_run_of(long_run, nobs)
    seed = int(rng.integers(2**63)) if isinstance(rng, np.random.Generator) else rng
    root = inverse_root(scale_of(read.z, scale, estimator, length, seed), nobs)
    found = matrix_fluctuation(read.z, root, least)
    if pvalue == "asymptotic":
        law = limit_law("correlation_matrix", f"d{width}")
        level, critical = law.pvalue(found.statistic), law.critical_values()
        reference = f"largest L1 norm of {width} Brownian bridge(s), simulated"
    else:
        if pvalue == "block":
            # another stream than the scale's: its samples would be the same
            starts = block_starts(nobs, length, draws, np.random.default_rng([seed, 1]))
            null = np.asarray(block_matrix_peaks(read.z, starts, length, root, least))
            reference = f"{draws} samples of moving blocks of {length}"
        else:
            at = read.positions or tuple(range(n))
            statistic = _MatrixPeak(at, least, scale, estimator, length, seed)
            drawn, model = model_draws(read, statistic, draws, seed, n_jobs)
            null, reference = drawn.values["statistic"], f"{model}: {drawn.reference}"
        level = tail(found.statistic, null)
        finite = null[np.isfinite(null)]
        critical = {a: float(np.quantile(finite, 1 - a)) for a in LEVELS} if finite.size else {}
    at_row, labels = found.position, read.index[least:]
    rows, cols = np.triu_indices(n, 1)
    pairs = pd.MultiIndex.from_tuples([(read.names[i], read.names[j]) for i, j in zip(rows, cols, strict=True)])
    halves = [influence(part)[1] if len(part) > n else np.full(width, np.nan) for part in np.split(read.z, [at_row])]
    return BreakTest(
        name="Wied test of a constant correlation matrix",
        null=f"the correlations of {', '.join(read.names)} "
        + (
            "are constant."
            if pvalue != "dcc"
            else f"move as {reference.split(':')[0]} says, and do not break beyond it."
        ),
        statistic=found.statistic,
        pvalue=level,
        reference=reference,
        detail={"correlations": width, "change": pd.Series(halves[1] - halves[0], pairs, name="change")},
        reason="" if np.isfinite(level) else "no draw of the null gave a statistic.",
        alternative="at least one correlation changes at one or more dates.",
        critical_values=critical,
        path=pd.Series(found.path[least:], labels, name="statistic"),
        boundary=pd.Series(critical[0.05], labels, name="boundary") if 0.05 in critical else None,
        position=at_row,
        break_date=read.index[at_row],
        last_date=read.index[at_row - 1],
        nobs=nobs,
        options={"scale": scale, "first": least, "pvalue": pvalue, "block": length, "data": read.source},
        robustness=ROBUSTNESS,
        keys=("wied2017",),
    )


ROBUSTNESS = (
    "Measured at 5 %, three columns, T = 1000, estimated GARCH-t margins: 2–5 % under iid t(5) and GARCH, 9–10 % where "
    "the standard deviation doubles, and 79–83 % under a DCC with a + b near one, which is no constant correlation "
    "and has no break; pvalue='dcc' is for that."
)
