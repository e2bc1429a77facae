r"""Correlation of what exceeds a threshold: Longin and Solnik's curve, Hong, Tu and Zhou's test of its symmetry.

With x and y standardized and c a threshold in standard deviations,

.. math:: \rho^+(c)=\operatorname{corr}(x,y\mid x>c,\,y>c),\qquad
          \rho^-(c)=\operatorname{corr}(x,y\mid x<-c,\,y<-c).

Conditioning alone changes a correlation: of a normal pair both fall to zero as c grows (a tent over -c … c), and the
normal value is printed beside every estimate. Theory: the page "Dependence in the tails".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import integrate, stats

from ..errors import DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.bootstrap import pvalue as drawn_pvalue
from ..estimation.bootstrap import stationary_draws
from ..estimation.inference import newey_west_lags
from ..estimation.long_run import autocovariance_sum
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import TestResult
from ..table import Table
from ..volatility import EGARCH, GARCH
from .pair_world import PairWorld, draw_law, filter_pair
from .pairs import check_block, check_draws, read_pair

__all__ = [
    "ExceedanceCorrelation",
    "HongTuZhouTest",
    "exceedance_correlation",
    "hong_tu_zhou_test",
    "normal_exceedance_correlation",
    "symmetry_statistic",
]

THRESHOLDS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
FEWEST_ROWS = 10  # of a tail in a drawn sample: a correlation of fewer is noise
FEWEST_OBSERVED = 20  # of a tail in the data
PVALUES = ("block", "asymptotic", "dcc")
VARIANCES = ("influence", "htz")


# --- numbers on arrays


def normal_exceedance_correlation(rho: float, threshold: float) -> float:
    r"""Correlation of a standard normal pair given that both exceed ``threshold``.

    From the truncated moments of Rosenbaum (1961): with :math:`q=\sqrt{1-\rho^2}`, c the threshold,
    :math:`\bar\Phi` the upper tail and :math:`L=P(x>c,y>c)`,

    .. math::

        L\,E x&=(1+\rho)\,\varphi(c)\,\bar\Phi\{c(1-\rho)/q\},\\
        L\,E x^2&=L+(1+\rho^2)c\varphi(c)\bar\Phi\{c(1-\rho)/q\}+\rho q\,\varphi_2,\\
        L\,E xy&=\rho L+2\rho c\varphi(c)\bar\Phi\{c(1-\rho)/q\}+q\,\varphi_2,

    where :math:`\varphi_2=\varphi\{c\sqrt{2(1-\rho)}/q\}/\sqrt{2\pi}`. By symmetry it is also the correlation given
    that both lie below minus the threshold.

    Parameters
    ----------
    rho : correlation of the pair, within (-1, 1). threshold : in standard deviations, at most 6 either way.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> [round(ce.normal_exceedance_correlation(0.5, c), 3) for c in (0.0, 1.0, 2.0)]
    [0.269, 0.179, 0.119]
    """
    if not -1.0 < rho < 1.0:
        raise SpecError(f"rho={rho!r}: a correlation strictly between -1 and 1.")
    if not abs(threshold) <= 6.0:
        raise SpecError(f"threshold={threshold!r}: at most 6 standard deviations; nothing lies beyond.")
    c = float(threshold)
    q = float(np.sqrt(1.0 - rho * rho))
    mass = float(
        integrate.quad(
            lambda x: stats.norm.pdf(x) * stats.norm.sf((c - rho * x) / q), c, np.inf, epsabs=0.0, epsrel=1e-11
        )[0]
    )
    edge = float(stats.norm.pdf(c) * stats.norm.sf(c * (1.0 - rho) / q))
    corner = float(stats.norm.pdf(c * np.sqrt(2.0 * (1.0 - rho)) / q)) / float(np.sqrt(2.0 * np.pi))
    mean = (1.0 + rho) * edge / mass
    square = 1.0 + ((1.0 + rho * rho) * c * edge + rho * q * corner) / mass
    product = rho + (2.0 * rho * c * edge + q * corner) / mass
    return (product - mean * mean) / (square - mean * mean)


def _standardized(values: Array) -> Array:
    out: Array = (values - values.mean(axis=0)) / values.std(axis=0)
    return out


def _tails(z: Array, threshold: float) -> tuple[Any, Any]:
    """Rows in which both exceed, and both fall below minus, the threshold."""
    return (z > threshold).all(axis=1), (z < -threshold).all(axis=1)


def _correlation_of(rows: Array) -> float:
    """Correlation of rows (n, 2); NaN of fewer than `FEWEST_ROWS`, or of a constant."""
    if rows.shape[0] < FEWEST_ROWS:
        return float("nan")
    d = rows - rows.mean(axis=0)
    a, b = float(d[:, 0] @ d[:, 0]), float(d[:, 1] @ d[:, 1])
    return float(d[:, 0] @ d[:, 1]) / float(np.sqrt(a * b)) if a > 0.0 and b > 0.0 else float("nan")


def symmetry_statistic(
    values: Array, thresholds: Sequence[float], lags: int, variance: str = "influence"
) -> tuple[float, Array, Array]:
    r"""J of Hong, Tu and Zhou with the differences of exceedance correlations.

    Parameters
    ----------
    values : (T, 2); standardized here. thresholds : (m,). lags : of the Bartlett weights.
    variance : "influence" or "htz"; see `hong_tu_zhou_test`.

    Returns
    -------
    J : NaN where a tail has fewer than ten rows or the covariance is singular.
    correlations : (m, 2) upper and lower. counts : (m, 2) rows behind them.
    """
    z = _standardized(values)
    nobs, m = z.shape[0], len(thresholds)
    found, counts = np.full((m, 2), np.nan), np.zeros((m, 2))
    moments = np.zeros((nobs, m))
    for i, c in enumerate(thresholds):
        for side, rows in enumerate(_tails(z, float(c))):
            part = z[rows]
            counts[i, side] = part.shape[0]
            rho = _correlation_of(part)
            if not np.isfinite(rho):
                continue
            found[i, side] = rho
            one, two = _standardized(part).T
            own = one * two - (rho if variance == "htz" else 0.5 * rho * (one**2 + two**2))
            moments[rows, i] += (1.0 - 2.0 * side) * own * nobs / part.shape[0]
    gap = found[:, 0] - found[:, 1]
    if not np.isfinite(gap).all():
        return float("nan"), found, counts
    omega = autocovariance_sum(moments - moments.mean(axis=0), "bartlett", lags + 1.0)
    try:
        if np.linalg.cond(omega) > 1e12:
            return float("nan"), found, counts
        value = float(nobs * gap @ np.linalg.solve(omega, gap))
    except np.linalg.LinAlgError:
        return float("nan"), found, counts
    return value, found, counts


# --- the curve


@dataclass(frozen=True, eq=False)
class ExceedanceCorrelation:
    """Exceedance correlations by threshold, with what a normal pair of the same correlation would show.

    Attributes
    ----------
    names : of the two series. table : tail, threshold, nobs, correlation, lower and upper bound, normal; from the far
        lower tail to the far upper one. rho : correlation of all rows. level : of the intervals. block : mean block.
        draws : of the bootstrap.
    failed : by row of the table, draws with fewer than ten rows in the tail.
    """

    names: tuple[str, str]
    table: pd.DataFrame = field(repr=False)
    rho: float
    nobs: int
    level: float
    block: float
    draws: int
    failed: tuple[int, ...] = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """The curve, one row a threshold."""
        return self.table

    def summary(self) -> Table:
        """The curve as a table."""
        notes = [
            f"correlation of all {self.nobs} rows {self.rho:.3f}; {self.level:.0%} intervals from {self.draws} "
            f"stationary bootstraps, mean block {self.block:g}",
            "A normal pair has the correlations of the last column: they fall with the threshold by arithmetic.",
        ]
        if any(self.failed):
            notes.append(f"{sum(self.failed)} draws of a threshold had too few rows in the tail and count nowhere")
        title = f"Exceedance correlations of {self.names[0]} and {self.names[1]}"
        frame = self.table.drop(columns=["tail", "threshold"])
        pairs = zip(self.table["tail"], self.table["threshold"], strict=True)
        frame.index = pd.Index([f"{'below -' if tail == 'lower' else 'above '}{c:.2f}" for tail, c in pairs])
        return Table.of(title, frame, digits={"nobs": 0, "correlation": 3, "lower": 3, "upper": 3, "normal": 3},
                        notes=notes, corner="threshold")  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        rows = self.table.astype(object).where(self.table.notna(), None)
        return {
            "names": list(self.names),
            "nobs": self.nobs,
            "correlation": self.rho,
            "level": self.level,
            "block": self.block,
            "draws": self.draws,
            "failed": list(self.failed),
            "table": rows.to_dict("records"),
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation("longinsolnik2001", "angchen2002", "politisromano1994")


@dataclass(frozen=True)
class _Curve:
    """Exceedance correlations of resampled rows, (2m,): lower tails, then upper."""

    thresholds: tuple[float, ...]

    def __call__(self, rows: Array) -> Array:
        z = _standardized(rows)
        both = [_tails(z, c) for c in self.thresholds]
        return np.array([_correlation_of(z[low]) for _, low in both] + [_correlation_of(z[up]) for up, _ in both])


def exceedance_correlation(
    x: Any,
    y: Any,
    thresholds: Sequence[float] = THRESHOLDS,
    *,
    margins: GARCH | EGARCH | None = None,
    level: float = 0.95,
    block: float | None = None,
    draws: int = 999,
    rng: int | np.random.Generator = 0,
) -> ExceedanceCorrelation:
    r"""Correlations of joint exceedances by threshold, in both tails (Longin & Solnik 2001).

    Parameters
    ----------
    x, y : returns or residuals with the same rows.
    thresholds : in standard deviations of each series, from 0 up.
    margins : filter both by this volatility model first; None takes them as they are.
    level : of the percentile intervals. block : mean block of the stationary bootstrap, by default the root of T.
    draws, rng : of the bootstrap.

    Returns
    -------
    ExceedanceCorrelation : NaN where a tail has fewer than ten rows.

    Notes
    -----
    Read the estimates against the column ``normal``, never against the correlation of all rows: for a normal pair with
    correlation .5 the exceedance correlation is .27 at zero and .12 at two standard deviations. Volatility that moves
    in both makes raw returns look dependent in the tails; filter them (``margins=GARCH(dist="t")``). The normal column
    does not account for fat tails that remain: a joint t has higher values with no asymmetry.

    Raises
    ------
    DataError : series that do not match, are too short, constant or blank.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("peaks"))
    >>> curve = ce.exceedance_correlation(returns["COIN"], returns["SMALL_TECH"], (0.0, 1.0), draws=99)
    >>> curve.to_frame()["tail"].tolist()
    ['lower', 'lower', 'upper', 'upper']
    """
    grid = _check_thresholds(thresholds)
    pair = read_pair(x, y)
    check_draws(draws, 99)
    if not 0.5 <= level < 1.0:
        raise SpecError(f"level={level!r}: between .5 and 1, such as .95.")
    values = filter_pair(pair.values, margins)
    length = check_block(block, values.shape[0])
    z = _standardized(values)
    rho = float(np.corrcoef(z[:, 0], z[:, 1])[0, 1])
    curve = _Curve(grid)
    estimate = curve(values)
    law = stationary_draws(curve, values, length, draws, rng)
    rows, failed = [], []
    order = [(i, -1.0) for i in reversed(range(len(grid)))] + [(i, 1.0) for i in range(len(grid))]
    for i, sign in order:
        at = i if sign < 0 else len(grid) + i
        finite = law[np.isfinite(law[:, at]), at]
        failed.append(int(draws - finite.size))
        bounds = (np.nan, np.nan)
        if np.isfinite(estimate[at]) and finite.size >= 0.9 * draws:
            bounds = tuple(np.quantile(finite, [(1 - level) / 2, (1 + level) / 2]))
        count = int(_tails(z, grid[i])[0 if sign > 0 else 1].sum())
        tail = "lower" if sign < 0 else "upper"
        normal = normal_exceedance_correlation(rho, grid[i])
        rows.append((tail, grid[i], count, float(estimate[at]), *map(float, bounds), normal))
    table = pd.DataFrame(rows, columns=["tail", "threshold", "nobs", "correlation", "lower", "upper", "normal"])
    return ExceedanceCorrelation(pair.names, table, rho, values.shape[0], level, length, draws, tuple(failed))


def _check_thresholds(thresholds: Sequence[float] | float) -> tuple[float, ...]:
    try:
        grid = tuple(float(c) for c in np.atleast_1d(np.asarray(thresholds, dtype=np.float64)))
    except (TypeError, ValueError) as error:
        raise SpecError(f"thresholds={thresholds!r}: numbers of standard deviations.") from error
    if not grid or not all(0.0 <= c <= 6.0 for c in grid) or list(grid) != sorted(set(grid)):
        raise SpecError(f"thresholds={thresholds!r}: increasing numbers from 0 to 6 standard deviations.")
    return grid


# --- the test


@dataclass(frozen=True)
class HongTuZhouTest(TestResult):
    """Outcome of `hong_tu_zhou_test`. Attributes are those of `TestResult`."""

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        more = {"block": ("politisromano1994",), "dcc": ("engle2002",)}
        return citation("hongtuzhou2007", *more.get(str(self.detail.get("p-value by")), ()))


@dataclass(frozen=True)
class _Symmetry:
    """J of a sample, (1,)."""

    thresholds: tuple[float, ...]
    lags: int
    variance: str

    def __call__(self, values: Array) -> Array:
        return np.array([symmetry_statistic(values, self.thresholds, self.lags, self.variance)[0]])


@dataclass(frozen=True, eq=False)
class _SignedBlocks:
    """J of blocks of standardized rows, each block with a sign of its own: both tails are alike, memory stays."""

    z: Array = field(repr=False)
    block: float
    statistic: _Symmetry

    def __call__(self, seed: np.random.SeedSequence) -> float:
        rng = np.random.default_rng(seed)
        size = int(self.z.shape[0])
        fresh = rng.random(size) < 1.0 / self.block
        fresh[0] = True
        number = np.cumsum(fresh) - 1
        starts = rng.integers(0, size, size)
        signs = rng.choice(np.array([-1.0, 1.0]), size)
        position = np.arange(size) - np.maximum.accumulate(np.where(fresh, np.arange(size), 0))
        rows = (starts[number] + position) % size
        return float(self.statistic(signs[number][:, None] * self.z[rows])[0])


def hong_tu_zhou_test(
    x: Any,
    y: Any,
    thresholds: Sequence[float] | float = (0.0,),
    *,
    margins: GARCH | EGARCH | None = None,
    pvalue: str = "block",
    variance: str = "influence",
    lags: int | None = None,
    block: float | None = None,
    draws: int = 999,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> HongTuZhouTest:
    r"""Test that exceedance correlations are the same in both tails (Hong, Tu & Zhou 2007).

    .. math:: J=T\,(\hat\rho^+-\hat\rho^-)'\,\hat\Omega^{-1}\,(\hat\rho^+-\hat\rho^-)\to\chi^2_m ,

    with :math:`\hat\Omega` the Bartlett-weighted covariance of
    :math:`\frac{T}{T^+}\psi^+_t1_t^+-\frac{T}{T^-}\psi^-_t1_t^-`. The paper has :math:`\psi=\tilde x\tilde y-\rho`,
    with x and y standardized within the tail, as if means and variances there were known (``variance="htz"``). What an
    observation does to a correlation is :math:`\psi=\tilde x\tilde y-\frac\rho2(\tilde x^2+\tilde y^2)`, the default.

    Parameters
    ----------
    x, y : returns or residuals with the same rows.
    thresholds : in standard deviations; several are tested jointly.
    margins : filter both by this volatility model first; None takes them as they are.
    pvalue : "block": rows in random blocks, each with a random sign, which makes both tails alike and keeps the
        memory of volatility and correlation; "asymptotic": :math:`\chi^2_m`; "dcc": samples of a DCC with t errors
        whose shocks have random signs, through ``margins``, which are fitted again in each.
    variance : "influence" or "htz".
    lags : of the Bartlett weights; by default 1.2 T^(1/3). block : mean block of "block", by default the root of T.
    draws, rng, n_jobs : of "block" and "dcc".

    Returns
    -------
    HongTuZhouTest : ``detail`` holds both correlations and their rows by threshold; ``detail["null"]`` the draws.

    Notes
    -----
    **Robustness.** The statistic needs no distribution and no constant volatility, but few rows make it: at one
    standard deviation a sample of 1250 has some 50 a tail, and :math:`\chi^2` is poor there (sizes under GARCH-t
    margins with DCC: ``benchmarks/dependence_sizes.py``). Both drawn laws make the pair symmetric about its mean,
    which is more than equal exceedance correlations: a rejection can also come from skewness in one series alone. Raw
    returns with a leverage effect are asymmetric whatever shocks do; to ask about shocks, filter them by an
    asymmetric GARCH. Do not use it to compare episodes; that is `tail_equality_test`.

    Raises
    ------
    DataError : series that do not match, are too short or blank, fewer than twenty rows in a tail.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("peaks"))
    >>> test = ce.hong_tu_zhou_test(returns["COIN"], returns["SMALL_TECH"], 0.5, draws=99)
    >>> 0 < test.pvalue <= 1
    True
    """
    check_option("pvalue", pvalue, PVALUES)
    check_option("variance", variance, VARIANCES)
    grid = _check_thresholds(thresholds)
    if pvalue != "asymptotic":
        check_draws(draws)
    pair = read_pair(x, y)
    values = filter_pair(pair.values, margins)
    nobs = values.shape[0]
    width = newey_west_lags(nobs) if lags is None else lags
    if not isinstance(width, int | np.integer) or isinstance(width, bool) or not 0 <= width < nobs:
        raise SpecError(f"lags={lags!r}: a whole number from 0 to {nobs - 1}.")
    length = check_block(block, nobs)
    statistic = _Symmetry(grid, int(width), variance)
    value, found, counts = symmetry_statistic(values, grid, int(width), variance)
    for c, row in zip(grid, counts, strict=True):
        if row.min() < FEWEST_OBSERVED:
            tail = "above" if row[0] <= row[1] else "below minus"
            raise DataError(
                f"{pair.names[0]!r} and {pair.names[1]!r} are both {tail} {c:g} standard deviations on "
                f"{int(row.min())} rows; {FEWEST_OBSERVED} are needed. Use a lower threshold or a longer sample."
            )
    detail: dict[str, Any] = {}
    for c, rho, row in zip(grid, found, counts, strict=True):
        for side, name in enumerate((f"above {c:g}", f"below {-c if c else 0:g}")):
            detail[f"correlation {name}"], detail[f"rows {name}"] = float(rho[side]), int(row[side])
    detail["lags"] = int(width)
    detail["p-value by"] = pvalue
    detail["asymptotic p-value"] = float(stats.chi2.sf(value, len(grid)))
    null = "exceedance correlations are the same in both tails"
    reason = "" if np.isfinite(value) else "the covariance of the differences is singular; use fewer thresholds"
    chance, reference = detail["asymptotic p-value"], f"chi2({len(grid)})"
    if pvalue != "asymptotic" and not reason:
        if pvalue == "block":
            task = _SignedBlocks(_standardized(values), length, statistic)
            law = np.array(map_draws(task, spawn(rng, draws), n_jobs=n_jobs, label="null draws"), dtype=np.float64)
            detail["mean block"] = length
            kind = "blocks of rows with random signs"
        else:
            world = PairWorld.fit(pair.values, margins, "symmetric")
            law = draw_law(world, statistic, draws, rng, n_jobs)[:, 0]
            kind = world.reference
            detail["null converged"] = world.converged
        failed = int((~np.isfinite(law)).sum())
        detail["draws that failed"] = failed
        detail["null"] = law
        chance = drawn_pvalue(value, law)
        reference = f"{draws - failed} {kind}"
        if failed > 0.1 * draws:
            chance = float("nan")
            reason = f"{failed} of {draws} draws have too few rows in a tail; use a lower threshold"
    return HongTuZhouTest(
        "Hong–Tu–Zhou test of symmetric exceedance correlation", null, value, chance, reference, detail, reason
    )
