"""One break at an unknown date: the largest, the average and the exponential average of Wald statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.bootstrap import FEWEST
from ..estimation.bootstrap import pvalue as bootstrap_pvalue
from ..estimation.long_run import LongRun
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..kernels.sup_wald import sup_wald_path
from .chow import check_cov_type, check_fit, check_regimes, regime_design, shift_wald
from .limits import LEVELS, LimitLaw
from .results import BreakTest, label
from .sample import Regression, minimum_segment, read_regression
from .sup_wald_law import STATISTICS, TAIL_LIMIT, span_ratio, sup_wald_law, sup_wald_tail, tail_critical

__all__ = ["Scan", "aggregate", "scan_regression", "sup_wald_test", "wald_path"]

PVALUES = ("simulated", "tail", "bootstrap", "wild")
NAMES = {"sup": "Sup-Wald", "ave": "Average-Wald", "exp": "Exponential-Wald"}
STATISTICS_IN_WORDS = {"sup": "largest", "ave": "average", "exp": "exponential average"}
CORRELATION = (
    "Not for correlations: between two GARCH returns with a constant correlation the slope moves with their "
    "variances, and the test rejects (50-67 % with HC, 51-88 % without)."
)
ROBUSTNESS = {
    "HC": "Measured at 5 %, T = 1000, over iid t(5), GARCH(.08, .90), GARCH(.12, .87) with t(5) and a "
    "standard deviation that doubles half-way: 5.0-6.3 % for the mean, 5.3-6.3 % for a slope on an "
    "independent return; ave and exp 4.7-8.0 %, pvalue='wild' 3-9 % (100 samples). With short regimes it "
    "rejects too often: use pvalue='wild' or a larger trim. " + CORRELATION,
    "nonrobust": "For errors of one variance. Measured at 5 %, T = 1000, over iid t(5), GARCH(.08, .90), "
    "GARCH(.12, .87) with t(5) and a standard deviation that doubles half-way: 5.7-9.0 % for the mean, 5.7-12 "
    "% for a slope on an independent return. For returns use cov_type='HC'. " + CORRELATION,
    "HAC": "For serially correlated errors. Measured at 5 % for the mean, T = 400, 120 samples: 5.0-8.3 "
    "% over iid t(5), two GARCH and a standard deviation that doubles half-way; 12.5 % with an "
    "autocorrelation of .5, where HC has 59 %. A covariance from a few dozen observations is poor: use long "
    "regimes. " + CORRELATION,
}


def sup_wald_test(
    y: Any,
    exog: Any = None,
    *,
    statistic: str = "sup",
    trim: float | tuple[float, float] = 0.15,
    vary: Sequence[str] | None = None,
    cov_type: str = "HC",
    long_run: LongRun | None = None,
    pvalue: str = "simulated",
    draws: int = 999,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
    constant: bool = True,
) -> BreakTest:
    r"""Test of one break at an unknown date: Andrews (1993), Andrews and Ploberger (1994).

    With :math:`W(d)` the Wald statistic of equal coefficients before row d and from it on, over the dates that leave a
    share ``trim`` of the sample on each side,

    .. math::

        \sup_dW(d), \qquad \frac1n\sum_dW(d), \qquad \ln\frac1n\sum_de^{W(d)/2} .

    Under the null they behave like functionals of :math:`\|B_q(\lambda)\|^2/(\lambda(1-\lambda))`, q coefficients that
    may break, :math:`B_q` a Brownian bridge.

    Parameters
    ----------
    y : pd.Series or array (T,). exog : regressors (T, k - 1), or None for a break in the mean.
    statistic : "sup", "ave" or "exp" (a logarithm).
    trim : share of the sample before the first and after the last candidate; a pair for two different shares.
    vary : names of the coefficients that may break; all by default. The others are estimated anew at every date.
    cov_type : "HC" (White's HC0 from the residuals of the model with the break), "nonrobust"
        (:math:`\hat\sigma^2=SSR_u/(T-k-q)`, the F statistics of strucchange times q) or "HAC".
    long_run : of "HAC"; `LongRun(prewhiten=True)` by default, estimated anew at every date.
    pvalue : "simulated" from the limit law; "tail", the closed form of `sup_wald_tail`; "bootstrap" and "wild",
        Hansen's (2000) fixed-regressor bootstrap with normal errors of one variance, or with the residuals at the
        estimated date times independent normals.
    draws, rng, n_jobs : of the bootstrap.
    constant : put a constant among the regressors.

    Returns
    -------
    BreakTest : ``path`` is W by the first observation of the new regime, ``position`` its peak. ``boundary`` is there
        for "sup". ``detail`` holds all three statistics. The date is an estimate where the test rejects, and no more.

    Notes
    -----
    The simulated laws have 1 to 20 coefficients and trims from .01 to .45, and are interpolated in
    :math:`\ln\frac{\pi_2(1-\pi_1)}{\pi_1(1-\pi_2)}`, of which alone the law of "sup" depends; for "ave" and "exp"
    with two different shares that is an approximation, which rejected 5.0 to 5.7 % of 10,000 paths at 5 % over ranges
    of (.05, .70) and (.15, .60). "wild" holds under heteroskedasticity that shifts with the regressors, where the
    limit law does not; no bootstrap here is for serially correlated errors.

    With "HC", a true null of a constant mean or of a constant slope on an independent return was rejected in 5.0 to
    6.3 % of 300 samples of 1000 days at 5 %, over iid t(5), GARCH(.08, .90), GARCH(.12, .87) with t(5), and a
    standard deviation that doubles half-way; with "nonrobust" in 5.7 to 12 %. A break in a slope is **not** a break
    in a correlation: under GARCH with a constant correlation the slope of one return on another moves with their
    variances, and the test rejects, in 50 to 67 % with "HC". See the page "One break in a regression".

    Raises
    ------
    DataError : a candidate date with linearly dependent regressors on one side, or a regime too short. SpecError : a
        closed form asked of "ave" or "exp", a bootstrap with "HAC", fewer than 19 draws.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> from statsmodels.datasets import nile
    >>> flow = nile.load_pandas().data.set_index("year")["volume"]
    >>> test = ce.sup_wald_test(flow, cov_type="nonrobust")
    >>> round(test.statistic, 2), int(test.last_date)
    (75.93, 1898)
    """
    check_option("statistic", statistic, STATISTICS)
    check_option("pvalue", pvalue, PVALUES)
    check_cov_type(cov_type, long_run)
    if pvalue == "tail" and statistic != "sup":
        raise SpecError(f"pvalue='tail' is the closed form of statistic='sup'; {statistic!r} has none.")
    if pvalue in ("bootstrap", "wild"):
        if cov_type == "HAC":
            raise SpecError(
                f"pvalue={pvalue!r} draws errors without serial correlation, and cov_type='HAC' is for errors that "
                "have it; use pvalue='simulated'."
            )
        if not isinstance(draws, int | np.integer) or isinstance(draws, bool) or draws < FEWEST:
            raise SpecError(f"draws={draws!r}: a whole number of at least {FEWEST}.")
    reg = read_regression(y, exog, constant=constant, vary=vary)
    left, right = _trims(trim)
    first = minimum_segment(reg.nobs, left, None, reg.q)
    last = reg.nobs - minimum_segment(reg.nobs, right, None, reg.q)
    scan = scan_regression(reg, first, last)
    path = wald_path(reg, scan, cov_type, long_run)
    values = dict(zip(STATISTICS, aggregate(path), strict=True))
    position = first + int(np.argmax(path))
    value = float(values[statistic])
    detail: dict[str, Any] = {f"{name} W": float(values[name]) for name in STATISTICS if name != statistic}
    detail |= {"candidates": path.size, "coefficients that may break": reg.q}
    span = f"{STATISTICS_IN_WORDS[statistic]} over {path.size} dates"
    reason = ""
    law: LimitLaw | None
    if pvalue == "tail":
        law = None
        ratio = span_ratio(first / reg.nobs, last / reg.nobs)
        tail = sup_wald_tail(value, reg.q, ratio)
        critical = {level: tail_critical(level, reg.q, ratio) for level in LEVELS}
        reference = f"closed-form tail, {span}, q = {reg.q}"
        if np.isnan(tail):
            reason = (
                f"The closed form is accurate below {TAIL_LIMIT}; this p-value is larger (pvalue='simulated' has it)."
            )
    elif pvalue == "simulated":
        law = sup_wald_law(statistic, reg.q, first / reg.nobs, last / reg.nobs)
        tail, critical = law.pvalue(value), law.critical_values()
        reference = f"simulated limit law, {span}, q = {reg.q}"
    else:
        null = _bootstrap(reg, scan, cov_type, position, pvalue, draws, rng, n_jobs)
        null = null[:, STATISTICS.index(statistic)]
        law = LimitLaw.of_draws(null)
        tail = bootstrap_pvalue(value, null)
        critical = {level: float(np.quantile(null[np.isfinite(null)], 1 - level)) for level in LEVELS}
        kind = "normal errors" if pvalue == "bootstrap" else "residuals times normals"
        reference = f"fixed-regressor bootstrap, {kind}, {draws} draws"
        detail["draws with a statistic"] = int(np.isfinite(null).sum())
    labels = reg.index[first : last + 1]
    broken = [str(name) for name in np.array(reg.names)[reg.varies]]
    return BreakTest(
        name=f"{NAMES[statistic]} test of one break",
        null="the coefficients are the same over the whole sample.",
        statistic=value,
        pvalue=tail,
        reference=reference,
        detail=detail,
        reason=reason,
        alternative=f"{', '.join(broken)} of the regression of {reg.name} change once, at an unknown date between "
        f"{label(labels[0])} and {label(labels[-1])}.",
        critical_values=critical,
        path=pd.Series(path, labels, name="Wald"),
        boundary=pd.Series(np.full(path.size, critical[0.05]), labels, name="5 %") if statistic == "sup" else None,
        position=position,
        break_date=reg.index[position],
        last_date=reg.index[position - 1],
        nobs=reg.nobs,
        options={
            "statistic": statistic,
            "trim": trim if isinstance(trim, float) else str(trim),
            "vary": ", ".join(broken),
            "cov_type": cov_type,
            "pvalue": pvalue,
        },
        robustness=ROBUSTNESS[cov_type],
        keys=_keys(statistic, cov_type, pvalue),
    )


@dataclass(frozen=True, eq=False)
class Scan:
    """A regression prepared for its path of statistics.

    Attributes
    ----------
    x : (T, K) orthonormal columns; basis : (K, q), the regressors that may break are ``x @ basis``.
    resid : (T,) residuals without a break, of unit variance; scale : what they were divided by.
    first, last : first and last candidate, each the first row of the new regime.
    """

    x: Array = field(repr=False)
    basis: Array = field(repr=False)
    resid: Array = field(repr=False)
    scale: float
    first: int
    last: int

    def path(self, cov_type: str, resid: Array | None = None) -> Array:
        """Wald statistics at the candidates, of other residuals (T,) where given; NaN where singular."""
        out: Array = sup_wald_path(
            self.x, self.basis, self.resid if resid is None else resid, self.first, self.last, int(cov_type == "HC")
        )
        return out


def scan_regression(reg: Regression, first: int, last: int) -> Scan:
    """Orthonormal regressors and residuals without a break."""
    x, _ = np.linalg.qr(reg.x / np.sqrt(np.einsum("tk,tk->k", reg.x, reg.x)))
    basis = np.eye(reg.q)
    if reg.q < reg.x.shape[1]:
        breaking, _ = np.linalg.qr(reg.breaking / np.sqrt(np.einsum("tk,tk->k", reg.breaking, reg.breaking)))
        basis = np.ascontiguousarray(x.T @ breaking)
    resid = reg.y - x @ (x.T @ reg.y)
    resid = resid - x @ (x.T @ resid)  # the first projection leaves rounding of the size of y
    check_fit(float(resid @ resid), reg)
    scale = float(np.sqrt(resid @ resid / reg.nobs))
    x = np.ascontiguousarray(x)
    return Scan(x, basis, resid / scale, scale, first, last)


def wald_path(reg: Regression, scan: Scan, cov_type: str = "HC", long_run: LongRun | None = None) -> Array:
    """Wald statistic at each candidate date.

    Raises
    ------
    DataError : a candidate at which it does not exist, with the reason.
    """
    path = scan.path("nonrobust" if cov_type == "HAC" else cov_type)
    bad = np.flatnonzero(~np.isfinite(path))
    if bad.size:
        position = scan.first + int(bad[0])
        check_regimes(reg, (position,))
        raise DataError(
            f"with a break at {label(reg.index[position])} the {cov_type} covariance is singular: the errors of a "
            "regime vanish, or too few of its observations move the regressors. Use a larger trim."
        )
    if cov_type != "HAC":
        return path
    return np.array([shift_wald(reg, (d,), "HAC", long_run) for d in range(scan.first, scan.last + 1)])


def aggregate(path: Array) -> Array:
    """Sup, average and log of the average exponential of half of ``path``: (3,)."""
    top = float(np.max(path))
    # the peak is taken out: e^{W/2} overflows from W = 1420 on
    return np.array([top, path.mean(), 0.5 * top + np.log(np.mean(np.exp(0.5 * (path - top))))])


def _trims(trim: float | tuple[float, float]) -> tuple[float, float]:
    if isinstance(trim, tuple | list):
        if len(trim) != 2:
            raise SpecError(f"trim={trim!r}: one share of the sample, or the shares before and after.")
        return float(trim[0]), float(trim[1])
    return trim, trim


def _bootstrap(
    reg: Regression,
    scan: Scan,
    cov_type: str,
    position: int,
    kind: str,
    draws: int,
    rng: int | np.random.Generator,
    n_jobs: int | None,
) -> Array:
    """Statistics (draws, 3) of drawn errors on the actual regressors."""
    spread: Array = np.ones(reg.nobs)
    if kind == "wild":
        design, _ = np.linalg.qr(regime_design(reg.x, reg.varies, (position,)))
        spread = scan.resid - design @ (design.T @ scan.resid)
    task = partial(_drawn_statistics, scan=scan, cov_type=cov_type, spread=spread)
    return np.stack(map_draws(task, spawn(rng, draws), n_jobs=n_jobs, label="fixed-regressor bootstrap"))


def _drawn_statistics(seed: np.random.SeedSequence, scan: Scan, cov_type: str, spread: Array) -> Array:
    errors = spread * np.random.default_rng(seed).standard_normal(spread.size)
    return aggregate(scan.path(cov_type, errors - scan.x @ (scan.x.T @ errors)))


def _keys(statistic: str, cov_type: str, pvalue: str) -> tuple[str, ...]:
    keys = ["andrews1993"] if statistic == "sup" else ["andrewsploberger1994"]
    keys += {"HC": ["white1980"], "HAC": ["andrews1991", "andrewsmonahan1992"], "nonrobust": []}[cov_type]
    keys += {"simulated": [], "tail": ["delong1981", "estrella2003"]}.get(pvalue, ["hansen2000"])
    return tuple(keys)
