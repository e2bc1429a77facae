r"""Corsetti, Pericoli and Sbracia's test of contagion: the crisis correlation that interdependence predicts.

Theory: the page "Contagion".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..errors import SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.params import Array
from ..estimation.results import Drawn
from ..table import Table
from .contagion import KINDS
from .contagion_moments import (
    ALTERNATIVES,
    adjusted_correlation,
    crisis_contrast,
    drawn_critical,
    drawn_tail,
    normal_critical,
    normal_tail,
    predicted_correlation,
    studentized,
    variance_rise,
    warn_dated,
    window_moments,
)
from .contagion_null import Interdependence, Ratios, draw_statistics, read_windows
from .sample import read_pair

__all__ = ["InterdependenceFit", "corsetti_pericoli_sbracia"]

LARGEST = 10.0  # lambda of the default grid: the common factor then explains 9 % of the source's variance
STEPS = 21  # values of the default grid

_ROBUST = (
    "Each verdict is the test of Forbes and Rigobon at its lambda, in the direction of the source. Measured at "
    "lambda 0 and 5 %: garch 6–10 % for a true null with GARCH source and noise, block 16–22 %, asymptotic 24–38 "
    "%. Where the target's own variance rises too, the prediction is too high and power is lost."
)


@dataclass(frozen=True, eq=False)
class InterdependenceFit(Drawn):
    """Crisis correlations under interdependence over the source's share of idiosyncratic variance.

    Attributes
    ----------
    source, target : names. windows : dates of the windows, in words.
    correlation_calm, correlation_crisis : estimates. delta : rise of the source's variance.
    crisis_factor : the ratio in the crisis over that of the calm.
    curve : by lambda of the calm: "predicted", "critical" (the crisis correlation from which interdependence is
        rejected), "adjusted", "statistic", "pvalue", "contagion" (bool, p-value at most ``alpha``).
    threshold : smallest lambda from which the verdict is contagion, interpolated between grid points; NaN where the
        verdict does not change over the grid. bound : largest lambda the two correlations admit.
    alpha, pvalue, draws : choices. reference : the law used, in words.
    """

    source: str
    target: str
    windows: str
    correlation_calm: float
    correlation_crisis: float
    delta: float
    crisis_factor: float
    curve: pd.DataFrame = field(repr=False)
    threshold: float
    bound: float
    alpha: float
    alternative: str
    pvalue: str
    draws: int
    reference: str
    nobs: int
    reason: str = ""
    robustness: str = _ROBUST

    @property
    def verdict(self) -> str:
        """What the grid says, a sentence."""
        verdicts = self.curve["contagion"].to_numpy(bool)
        level = f"at {100 * self.alpha:.4g} %"
        if verdicts.all():
            return f"contagion {level} at every lambda of the grid, that of Forbes and Rigobon (0) included."
        if not verdicts.any():
            return f"interdependence is not rejected {level} at any lambda of the grid."
        if np.isnan(self.threshold):
            return f"the verdict {level} changes more than once over the grid; see the curve."
        times = f"{self.threshold:.3g}"
        return f"contagion {level} if the source's idiosyncratic variance is {times} times its common one, or more."

    def summary(self) -> Table:
        """Return the estimates, the threshold and a few rows of the curve as a table."""
        steps = np.unique(np.linspace(0, len(self.curve) - 1, min(6, len(self.curve))).round().astype(int))
        rows = tuple(
            (
                f"{lam:.3f}",
                *(f"{row[name]:.4f}" for name in ("predicted", "critical", "adjusted", "statistic", "pvalue")),
                "contagion" if row["contagion"] else "interdependence",
            )
            for lam, (_, row) in zip(self.curve.index[steps].tolist(), self.curve.iloc[steps].iterrows(), strict=True)
        )
        notes = [
            f"{self.source} to {self.target}; {self.windows}",
            f"correlation {self.correlation_calm:.4f} in the calm, {self.correlation_crisis:.4f} in the crisis; "
            f"variance of the source times {1 + self.delta:.3f}",
            f"H0: linear dependence with constant coefficients. P-values: {self.reference}",
            f"Verdict: {self.verdict}",
        ]
        if self.reason:
            notes.append(self.reason)
        notes.append(self.robustness)
        head = ("lambda", "predicted", "critical", "adjusted", "t", "p-value", "verdict")
        return Table(
            "Crisis correlation under interdependence (Corsetti, Pericoli and Sbracia)", head, rows, tuple(notes)
        )

    def to_frame(self) -> pd.DataFrame:
        """Return `curve`."""
        return self.curve

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; NaN becomes None."""

        def plain(value: float) -> float | None:
            return None if np.isnan(value) else float(value)

        return {
            "source": self.source,
            "target": self.target,
            "windows": self.windows,
            "correlation_calm": self.correlation_calm,
            "correlation_crisis": self.correlation_crisis,
            "delta": self.delta,
            "crisis_factor": self.crisis_factor,
            "threshold": plain(self.threshold),
            "bound": plain(self.bound) if np.isfinite(self.bound) else None,
            "alpha": self.alpha,
            "alternative": self.alternative,
            "pvalue": self.pvalue,
            "draws": self.draws,
            "nobs": self.nobs,
            "reason": self.reason,
            "curve": [
                {"lambda": lam}
                | {
                    name: plain(float(row[name]))
                    for name in ("predicted", "critical", "adjusted", "statistic", "pvalue")
                }
                | {"contagion": bool(row["contagion"])}
                for lam, (_, row) in zip(self.curve.index.tolist(), self.curve.iterrows(), strict=True)
            ],
        }

    def cite(self) -> str:
        """BibTeX of the papers behind it."""
        return citation("corsetti2005", "forbesrigobon2002")

    def __str__(self) -> str:
        return str(self.summary())


def corsetti_pericoli_sbracia(
    source: Any,
    target: Any,
    crisis: tuple[Any, Any] | Any,
    calm: tuple[Any, Any] | Any = None,
    *,
    lambdas: Sequence[float] | Array | None = None,
    crisis_factor: float = 1.0,
    alternative: str = "greater",
    alpha: float = 0.05,
    pvalue: str = "garch",
    draws: int = 499,
    block: int | None = None,
    dated_from_data: bool = False,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> InterdependenceFit:
    r"""Corsetti, Pericoli and Sbracia's (2005) test of contagion, over what it has to assume.

    The source is :math:`x_t=\gamma f_t+e_t` and the target :math:`y_t=\beta f_t+u_t` with one common factor. What the
    correlation becomes when the source's variance rises by :math:`\delta` depends on how much of it is its own,
    :math:`\lambda=\operatorname{Var}e/\operatorname{Var}\gamma f`, which two series do not tell. Interdependence
    predicts

    .. math:: \varphi=\frac{\rho\,\kappa}{\sqrt{(1+\delta)\{1+\rho^2(1+\lambda_T)(\kappa-1)\}}},\qquad
              \kappa=(1+\delta)\frac{1+\lambda_T}{1+\lambda_C} .

    Forbes and Rigobon take :math:`\lambda=0` and so the largest prediction; with more noise in the source a smaller
    correlation is already contagion. The verdict is therefore given over a grid of :math:`\lambda_T`, with the value at
    which it changes. Each test compares :math:`\rho_C` with :math:`\varphi` as `forbes_rigobon_test` does; at
    :math:`\lambda=0` it is that test with ``direction="source"``.

    Parameters
    ----------
    source, target, crisis, calm, alternative, block, dated_from_data, rng, n_jobs : as in `forbes_rigobon_test`; no
        rule for the crisis.
    lambdas : increasing values of :math:`\lambda_T\ge0`; by default 21 from 0 to the largest the correlations admit,
        :math:`\rho^2(1+\lambda)\le1` in both windows, and at most 10.
    crisis_factor : :math:`\lambda_C/\lambda_T`; above 1 the crisis is one of the source alone.
    alpha : level of the verdict. pvalue, draws : as there; every lambda has its own null, with as many samples.

    Returns
    -------
    InterdependenceFit : ``curve`` by lambda, and ``threshold``.

    Notes
    -----
    The sizes are those of `forbes_rigobon_test` in the direction of the source, measured at :math:`\lambda=0` and 5
    % over 300 samples, as garch, block, asymptotic: with a source twice as volatile in the crisis and t(5) shocks
    6.7, 4.0, 11.3 %; with GARCH(.08, .90) normal source and noise 6.0, 15.7, 24.0 %; with GARCH(.12, .87) t(5) 9.7,
    22.3, 38.0 %. Every lambda has its own null, from the same seeds, so that the curve is smooth. Not for markets
    whose volatilities rise together: see there.

    Raises
    ------
    DataError : as in `forbes_rigobon_test`. SpecError : a lambda the correlations do not admit.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> crisis = (returns.index[-200], returns.index[-101])
    >>> fit = ce.corsetti_pericoli_sbracia(returns["COIN"], returns["SMALL_TECH"], crisis, pvalue="asymptotic")
    >>> bool(fit.curve["predicted"].is_monotonic_decreasing or fit.delta < 0)
    True
    """
    check_option("alternative", alternative, ALTERNATIVES)
    check_option("pvalue", pvalue, KINDS)
    if not 0.0 < alpha < 0.5:
        raise SpecError(f"alpha={alpha!r}: a level between 0 and .5.")
    if not 0.0 < crisis_factor < np.inf:
        raise SpecError(f"crisis_factor={crisis_factor!r}: a positive number.")
    if callable(crisis):
        raise SpecError("crisis= must be dates or a mask here; a rule is for forbes_rigobon_test(pvalue='garch').")
    x, y = read_pair(source, target)
    windows = read_windows(x.index, crisis, calm)
    warn_dated(dated_from_data, pvalue, None)
    seeds = int(rng.integers(2**62)) if isinstance(rng, np.random.Generator) else rng
    early, late = window_moments(x.values, y.values, windows)
    with np.errstate(divide="ignore"):
        squares = np.array([early.rho, late.rho]) ** 2
        bound = float(np.min((1.0 / squares - 1.0) / [1.0, crisis_factor]))
    grid = _grid(lambdas, bound)
    gap, se = crisis_contrast(early, late, False, grid, crisis_factor * grid)
    t = gap / se
    delta = variance_rise(early, late, False)
    p, quantile = np.empty(grid.size), np.empty(grid.size)
    failed, loose = 0, 0
    reference = "normal law, standard errors from Bartlett weights"
    for i, ratio in enumerate(grid.tolist()):
        if pvalue == "asymptotic":
            p[i] = normal_tail(float(t[i]), alternative)
            quantile[i] = normal_critical(alpha, alternative)
            continue
        assumed = Ratios(ratio, crisis_factor * ratio)
        world = Interdependence.of(x.values, y.values, windows, pvalue, block=block, ratios=assumed)
        statistic = partial(studentized, swap=False, calm_ratio=assumed.calm, crisis_ratio=assumed.crisis)
        # the same seeds at every lambda, so that the curve is smooth
        null = draw_statistics(world, statistic, draws, seeds, n_jobs)
        p[i] = drawn_tail(float(t[i]), null, alternative)
        quantile[i] = drawn_critical(null, alternative, (alpha,))[alpha]
        reference = f"{draws} samples of the null, {world.memory}"
        failed = max(failed, int((~np.isfinite(null)).sum()))
        loose += not world.converged
    reasons = [f"up to {failed} of {draws} samples gave no statistic."] if failed else []
    if loose:
        reasons.append(f"a GARCH of the null did not converge at {loose} of {grid.size} values of lambda.")
    # a two-sided test has two edges, of which the curve shows the upper
    predicted = predicted_correlation(early.rho, delta, grid, crisis_factor * grid)
    curve = pd.DataFrame(
        {
            "predicted": predicted,
            "critical": np.tanh(np.arctanh(predicted) + quantile * se),
            "adjusted": adjusted_correlation(late.rho, delta, grid, crisis_factor * grid),
            "statistic": t,
            "pvalue": p,
            "contagion": p <= alpha,
        },
        index=pd.Index(grid, name="lambda"),
    )
    return InterdependenceFit(
        source=x.name,
        target=y.name,
        windows=windows.between(x.index),
        correlation_calm=early.rho,
        correlation_crisis=late.rho,
        delta=delta,
        crisis_factor=float(crisis_factor),
        curve=curve,
        threshold=_threshold(grid, p, alpha),
        bound=bound,
        alpha=float(alpha),
        alternative=alternative,
        pvalue=pvalue,
        draws=0 if pvalue == "asymptotic" else draws,
        reference=reference,
        nobs=windows.calm.size + windows.crisis.size,
        reason=" ".join(reasons),
    )


def _grid(lambdas: Sequence[float] | Array | None, bound: float) -> Array:
    if lambdas is None:
        return np.linspace(0.0, min(bound, LARGEST), STEPS)
    grid = np.atleast_1d(np.asarray(lambdas, float))
    if grid.ndim != 1 or not grid.size or not np.isfinite(grid).all() or (grid < 0).any() or (np.diff(grid) <= 0).any():
        raise SpecError("lambdas: increasing numbers of at least 0.")
    if grid[-1] > bound:
        raise SpecError(
            f"lambda={grid[-1]:.6g}: the correlations admit at most {bound:.6g}; with more noise in the source the "
            "common factor could not carry them."
        )
    return grid


def _threshold(grid: Array, p: Array, alpha: float) -> float:
    """Where the p-value falls to ``alpha``, if it does so once and stays there."""
    below = p <= alpha
    turns = np.flatnonzero(np.diff(below.astype(int)))
    if turns.size != 1 or below[0]:
        return float("nan")
    i = int(turns[0])
    share = (p[i] - alpha) / (p[i] - p[i + 1])
    return float(grid[i] + share * (grid[i + 1] - grid[i]))
