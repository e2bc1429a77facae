"""Tests of stable coefficients by sums of residuals, of scores, and by estimates: CUSUM, MOSUM, RE and ME.

Theory and measured sizes: the page "Fluctuation tests".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.long_run import LongRun
from ..estimation.params import Array
from . import fluctuation_processes as processes
from .fluctuation_laws import Law, law_of_cusum, law_of_moving_sums, law_of_recursive_cusum, law_of_squares
from .fluctuation_sizes import (
    ROBUST_ESTIMATES,
    ROBUST_MOVING,
    ROBUST_SCORES,
    ROBUST_SCORES_VARIANCE,
    ROBUST_SQUARES,
    ROBUST_SUMS,
)
from .results import BreakTest, label
from .sample import Regression, read_regression

__all__ = ["cusum_test", "fluctuation_test", "mosum_test"]

CUSUM_KINDS = ("ols", "recursive", "squares")
MOSUM_KINDS = ("ols", "recursive")
FLUCTUATION_KINDS = ("recursive", "moving", "score", "score-moving")
FUNCTIONALS = ("max", "range", "meanL2")
FOURTH = ("estimated", "normal")


@dataclass(frozen=True, eq=False)
class _Process:
    """A fluctuation process with what reads it.

    ``values`` (N, P); ``rows`` (N,) of the sample each value belongs to, -1 for none; ``edge`` the boundary's shape.
    """

    values: Array
    names: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    first: pd.Index
    edge: Array
    dates: bool


def cusum_test(
    y: Any,
    exog: Any = None,
    *,
    kind: str = "ols",
    functional: str = "max",
    long_run: LongRun | None = None,
    fourth: str = "estimated",
    constant: bool = True,
) -> BreakTest:
    r"""CUSUM tests: sums of OLS residuals, of recursive residuals, or of squared recursive residuals.

    With OLS residuals (Ploberger and Krämer 1992), and recursive ones :math:`w_r` (Brown, Durbin and Evans 1975),

    .. math:: B(t)=\frac1{\hat\sigma\sqrt T}\sum_{s\le t}\hat u_s,\qquad
              W(t)=\frac1{\hat\sigma\sqrt{T-K}}\sum_{r\le t}w_r,\qquad
              C(t)=\frac{\sum_{r\le t}w_r^2-\frac tm\sum_{r\le m}w_r^2}{\hat\tau\sqrt m},\ m=T-K.

    "ols" takes max :math:`|B|` (or its range, or mean square) against a Brownian bridge, "recursive" the largest
    :math:`|W|/(1+2t/m)` against linear boundaries, "squares" the largest :math:`|C|`, which is :math:`|S_t-t/m|`,
    :math:`S_t=\sum_{r\le t}w^2/\sum w^2`, in units of its standard deviation.

    Parameters
    ----------
    y : series (T,). exog : regressors beside the constant; None tests the mean.
    kind : "ols", "recursive" or "squares".
    functional : of "ols": "max", "range" or "meanL2". The other kinds have "max" alone.
    long_run : long-run variance of the residuals (of their squares) for errors with memory; by default they have none.
        It grows with a break too, and takes power.
    fourth : of "squares": "estimated" for the variance of the squares in the sample, or "normal", :math:`2\sigma^4`,
        the original statistic with Durbin's (1969) exact law.
    constant : put a constant among the regressors.

    Returns
    -------
    BreakTest : "recursive" points to no date, for it crosses some time after a break; ``detail["crossing"]`` says when.
        Its path is labeled by the last row summed. ``detail["process"]`` is the whole signed process.

    Raises
    ------
    DataError : unusable data; first rows that do not identify the coefficients (kinds with recursive residuals).
    SpecError : unknown choices, or choices that do not go together.

    Notes
    -----
    Measured at 5 %, T = 1000: the sums of a mean reject 4-4.5 % with t(5) errors, 5-7.5 % under GARCH, 1.5-6.5 % where
    the standard deviation doubles. The squares reject 94 % under GARCH without a break: do not use them on returns.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> from statsmodels.datasets import nile
    >>> flow = nile.load_pandas().data.set_index("year")["volume"]
    >>> test = ce.cusum_test(flow)
    >>> int(test.break_date), round(test.statistic, 4)
    (1899, 2.9518)
    """
    check_option("kind", kind, CUSUM_KINDS)
    check_option("functional", functional, FUNCTIONALS)
    check_option("fourth", fourth, FOURTH)
    if kind != "ols" and functional != "max":
        raise SpecError(f"functional={functional!r} is for kind='ols'; kind={kind!r} has 'max' alone.")
    if kind != "squares" and fourth != "estimated":
        raise SpecError(f"fourth={fourth!r} is for kind='squares'.")
    data = read_regression(y, exog, constant=constant)
    nobs, width = data.x.shape
    options: dict[str, Any] = {"kind": kind, "functional": functional, "long_run": long_run}
    if kind == "ols":
        residuals = processes.ols_residuals(data.y, data.x)
        sigma = np.sqrt(processes.error_variance(residuals, width, long_run))
        values = processes.sums(residuals)[:, None] / (sigma * np.sqrt(nobs))
        return _conclude(
            "OLS-based CUSUM test",
            data,
            _over_sample(values, ("residuals",), nobs),
            functional,
            law_of_cusum(functional, 1),
            options,
            ROBUST_SUMS,
            ("plobergerkramer1992", "zeileis2002"),
        )
    w, _ = processes.recursive_part(data.y, data.x)
    if w.size < 6:
        raise DataError(f"{w.size} recursive residuals are too few; {width + 6} observations are needed.")
    rows = np.arange(width - 1, nobs, dtype=np.int64)
    if kind == "recursive":
        centered = w - w.mean()
        sigma = np.sqrt(processes.error_variance(centered, 1, long_run))
        values = processes.sums(w)[:, None] / (sigma * np.sqrt(w.size))
        rows[0] = -1
        edge = 1.0 + 2.0 * np.arange(w.size + 1) / w.size
        process = _Process(values, ("recursive residuals",), rows, pd.RangeIndex(w.size + 1), edge, False)
        law, name, robustness = law_of_recursive_cusum(), "recursive CUSUM test", ROBUST_SUMS
        keys: tuple[str, ...] = ("browndurbinevans1975", "zeileis2002")
    else:
        options["fourth"] = fourth
        squares = w**2 - np.mean(w**2)
        if fourth == "normal":
            if long_run is not None:
                raise SpecError("fourth='normal' assumes independent errors: long_run has no place there.")
            variance = 2.0 * float(np.mean(w**2)) ** 2
        else:
            variance = processes.error_variance(squares, 0, long_run)
        values = processes.sums(squares)[:, None] / np.sqrt(variance * w.size)
        # the sum over t residuals stands against a break at the row after them
        rows += 1
        rows[0] = rows[-1] = -1
        process = _Process(values, ("squares",), rows, pd.RangeIndex(w.size + 1), np.ones(w.size + 1), True)
        law = law_of_squares(0.5 * w.size, fourth == "normal")
        name, robustness = "CUSUM of squares test", ROBUST_SQUARES
        keys = ("browndurbinevans1975", "durbin1969" if fourth == "normal" else "plobergerkramer1992")
    return _conclude(name, data, process, "max", law, options, robustness, keys)


def mosum_test(
    y: Any,
    exog: Any = None,
    *,
    kind: str = "ols",
    functional: str = "max",
    bandwidth: float = 0.15,
    long_run: LongRun | None = None,
    constant: bool = True,
) -> BreakTest:
    r"""MOSUM tests: sums of OLS or recursive residuals over a moving window (Chu, Hornik and Kuan 1995).

    .. math:: M(t)=\frac1{\hat\sigma\sqrt n}\sum_{s=t+1}^{t+\lfloor nh\rfloor}e_s,

    over n = T OLS residuals, whose limit are increments of a Brownian bridge, or n = T - K recursive residuals, and
    increments of a Brownian motion. More power than a CUSUM where a shift comes and goes, less for one lasting shift.

    Parameters
    ----------
    y, exog, long_run, constant : as in `cusum_test`.
    kind : "ols" or "recursive". functional : "max", or "range" of "ols".
    bandwidth : h, between .02 and .5.

    Returns
    -------
    BreakTest : without a date; the path is labeled by the middle row of each window.

    Notes
    -----
    Measured at 5 %, T = 1000: 4-4.5 % with t(5) errors, but 7-12.5 % under GARCH and 12.5-13.5 % where the standard
    deviation doubles at mid-sample. Under GARCH prefer `cusum_test`.

    Raises
    ------
    DataError : unusable data, or a window of one observation. SpecError : a bandwidth beyond the simulated laws.

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> y = np.random.default_rng(0).standard_normal(300)
    >>> y[100:160] += 1.5
    >>> ce.mosum_test(y, bandwidth=0.2).pvalue < 0.01
    True
    """
    check_option("kind", kind, MOSUM_KINDS)
    check_option("functional", functional, ("max", "range"))
    if kind == "recursive" and functional != "max":
        raise SpecError(f"functional={functional!r} is for kind='ols'; recursive residuals have 'max' alone.")
    law = law_of_moving_sums(functional, bandwidth, 1, "bridge" if kind == "ols" else "motion")
    data = read_regression(y, exog, constant=constant)
    width = data.x.shape[1]
    if kind == "ols":
        residuals, start = processes.ols_residuals(data.y, data.x), 0
        variance = processes.error_variance(residuals, width, long_run)
    else:
        residuals, start = processes.recursive_part(data.y, data.x)[0], width
        if residuals.size < 6:
            raise DataError(f"{residuals.size} recursive residuals are too few; {width + 6} observations are needed.")
        variance = processes.error_variance(residuals - residuals.mean(), 1, long_run)
    size = processes.window(bandwidth, residuals.size)
    values = processes.moving_sums(residuals, size)[:, None] / np.sqrt(variance * residuals.size)
    name = "OLS-based MOSUM test" if kind == "ols" else "recursive MOSUM test"
    return _conclude(
        name,
        data,
        _over_windows(values, ("residuals",), size, start),
        functional,
        law,
        {"kind": kind, "functional": functional, "bandwidth": bandwidth, "window": size, "long_run": long_run},
        ROBUST_MOVING,
        ("chuhornikkuan1995", "zeileis2002"),
    )


def fluctuation_test(
    y: Any,
    exog: Any = None,
    *,
    kind: str = "recursive",
    functional: str = "max",
    bandwidth: float = 0.15,
    variance: bool = False,
    rescale: bool = True,
    long_run: LongRun | None = None,
    constant: bool = True,
) -> BreakTest:
    r"""Fluctuation tests of every coefficient: recursive estimates, moving estimates, scores.

    .. math:: \text{RE: }\frac t{\hat\sigma\sqrt T}\Bigl(\frac{X_t'X_t}t\Bigr)^{1/2}(\hat\beta_t-\hat\beta_T),\qquad
              \text{score: }\frac1{\sqrt T}\hat J^{-1/2}\sum_{s\le t}\psi_s,\quad
              \psi_s=(x_s\hat u_s,\ \hat u_s^2-\hat\sigma^2)

    have K (or K + 1) independent Brownian bridges as limits, "moving" (ME) and "score-moving" their increments over a
    window. For a regression on a constant RE is the OLS-CUSUM and ME the OLS-MOSUM.

    Parameters
    ----------
    y, exog, constant : as in `cusum_test`.
    kind : "recursive", "moving", "score" or "score-moving".
    functional : "max" over dates and columns, "range" (largest over columns), or "meanL2", the mean over dates of the
        sum of squares, of the kinds that are not moving.
    bandwidth : share of the sample in a moving window, between .02 and .5.
    variance : add the score of the error variance, as the strucchange package does (kinds "score", "score-moving").
        That is a test of a constant variance as well, and rejects under GARCH.
    rescale : moments of the rows in use rather than of all (estimates only). Where the regressors' spread changes it
        keeps the size.
    long_run : long-run covariance of the errors (estimates) or of the scores.

    Returns
    -------
    BreakTest : ``detail["column"]`` names the coefficient that moves most; moving kinds and the range give no date.

    Raises
    ------
    DataError : first rows, or a window, that do not identify the coefficients; unusable data.

    Notes
    -----
    Measured at 5 %, T = 1000, of a beta whose regressor is a GARCH too: scores 5.5 %, recursive estimates 6.5-9 %,
    windows 11.5-21 %; where both standard deviations double at mid-sample scores 7.5 %, recursive estimates 22 %. With
    ``variance=True`` 87-90 % under GARCH. For a beta of returns use "score", and none of them for a correlation.

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> rng = np.random.default_rng(0)
    >>> x, u = rng.standard_normal((2, 400))
    >>> test = ce.fluctuation_test(np.where(np.arange(400) < 200, 0.2, 1.2) * x + u, x, kind="score")
    >>> test.detail["column"], bool(abs(test.position - 200) < 20)
    ('x1', True)
    """
    check_option("kind", kind, FLUCTUATION_KINDS)
    check_option("functional", functional, FUNCTIONALS)
    moving = kind in ("moving", "score-moving")
    if moving and functional == "meanL2":
        raise SpecError("functional='meanL2' is for cumulative processes; moving ones have 'max' and 'range'.")
    by_score = kind in ("score", "score-moving")
    if variance and not by_score:
        raise SpecError(f"variance=True is for the scores; kind={kind!r} has coefficients alone.")
    data = read_regression(y, exog, constant=constant)
    nobs, width = data.x.shape
    size = processes.window(bandwidth, nobs) if moving else None
    columns = width + int(variance)
    law = law_of_moving_sums(functional, bandwidth, columns) if moving else law_of_cusum(functional, columns)
    names = data.names + (("variance",) if variance else ())
    if by_score:
        values = processes.score_sums(data.y, data.x, variance, long_run, size)
    elif size is not None:
        values = processes.moving_estimates(data.y, data.x, size, rescale, long_run)
    else:
        values = processes.recursive_estimates(data.y, data.x, rescale, long_run)
    options: dict[str, Any] = {"kind": kind, "functional": functional, "long_run": long_run}
    options |= {"variance": variance} if by_score else {"rescale": rescale}
    if size is not None:
        options |= {"bandwidth": bandwidth, "window": size}
    name, key = {
        "recursive": ("fluctuation test of recursive estimates", "plobergerkramerkontrus1989"),
        "moving": ("fluctuation test of moving estimates", "chuhornikkuan1995b"),
        "score": ("fluctuation test of scores", "zeileishornik2007"),
        "score-moving": ("fluctuation test of moving sums of scores", "zeileishornik2007"),
    }[kind]
    robustness = ROBUST_ESTIMATES
    if by_score:
        robustness = ROBUST_SCORES_VARIANCE if variance else ROBUST_SCORES
    process = _over_sample(values, names, nobs) if size is None else _over_windows(values, names, size, 0)
    return _conclude(name, data, process, functional, law, options, robustness, (key, "kuanhornik1995"))


def _over_sample(values: Array, names: tuple[str, ...], nobs: int) -> _Process:
    """A process over 0, 1, …, T observations; its value at t stands against a break at row t."""
    rows = np.arange(nobs + 1, dtype=np.int64)
    rows[0] = rows[-1] = -1
    return _Process(values, names, rows, pd.RangeIndex(nobs + 1), np.ones(nobs + 1), True)


def _over_windows(values: Array, names: tuple[str, ...], size: int, start: int) -> _Process:
    """A process over windows that begin at rows start, start + 1, …."""
    count = values.shape[0]
    first = pd.RangeIndex(start, start + count)
    middle = np.arange(start + size // 2, start + size // 2 + count, dtype=np.int64)
    return _Process(values, names, middle, first, np.ones(count), False)


def _conclude(
    name: str,
    data: Regression,
    process: _Process,
    functional: str,
    law: Law,
    options: Mapping[str, Any],
    robustness: str,
    keys: tuple[str, ...],
) -> BreakTest:
    values, nobs = process.values, data.nobs
    critical = law.critical_values()
    inside = process.rows >= 0
    labels = data.index[process.rows[inside]]
    path = boundary = None
    if functional == "max":
        height = np.abs(values).max(axis=1)
        statistic = float(np.max(height / process.edge))
        path = pd.Series(height[inside], labels, name="statistic")
        boundary = pd.Series(critical[0.05] * process.edge[inside], labels, name="boundary")
        peak = int(np.argmax(np.where(inside, height / process.edge, -1.0)))
        column = int(np.argmax(np.abs(values[peak])))
    elif functional == "range":
        spread = np.ptp(values, axis=0)
        statistic, peak, column = float(spread.max()), -1, int(np.argmax(spread))
    else:
        height = np.sum(values**2, axis=1)
        statistic = float(height.sum() / nobs)
        path = pd.Series(height[inside], labels, name="statistic")
        peak = int(np.argmax(np.where(inside, height, -1.0)))
        column = int(np.argmax(np.sum(values**2, axis=0)))
    detail: dict[str, Any] = {"process": pd.DataFrame(values, process.first, columns=list(process.names))}
    if len(process.names) > 1:
        detail["column"] = process.names[column]
    position = int(process.rows[peak]) if process.dates and peak >= 0 else None
    if not process.dates and path is not None and boundary is not None:
        beyond = np.flatnonzero(path.to_numpy() > boundary.to_numpy())
        detail["crossing"] = label(labels[beyond[0]]) if beyond.size else "none"
    return BreakTest(
        name=name,
        null="the coefficients of the regression are constant.",
        statistic=statistic,
        pvalue=law.pvalue(statistic),
        reference=law.words,
        detail=detail,
        alternative="they move, at a date or in a way that is not named.",
        critical_values=critical,
        path=path,
        boundary=boundary,
        position=position,
        break_date=None if position is None else data.index[position],
        last_date=None if position is None else data.index[position - 1],
        nobs=nobs,
        options=options,
        robustness=robustness,
        keys=keys,
    )
