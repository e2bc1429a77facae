r"""Several breaks in a linear regression at unknown dates: Bai and Perron (1998, 2003).

.. math:: y_t=x_t'\beta+z_t'\delta_j+u_t,\qquad t=T_{j-1}+1,\dots,T_j,\qquad j=1,\dots,m+1

Theory and measured sizes: the page "Several breaks in a regression".
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import CryptoEquityWarning, DataError, SpecError, check_option
from ..estimation.long_run import LongRun
from .bai_perron_fit import BaiPerronFit
from .break_covariance import PREWHITENED, BreakCovariance, estimate_regimes
from .break_number import NumberOfBreaks, break_criteria, one_at_a_time
from .partitions import Partitions, find_partitions, singular_windows
from .results import BreakTest, label
from .sample import Regression, minimum_segment, read_regression

__all__ = ["BaiPerron"]

CRITERIA = ("bic", "lwz", "kt")
SUPS = ("ssr", "wald")
DEFAULT_TRIM = 0.15
PERSISTENT_TRIM = 0.15  # below it long-run covariances of regimes are hopeless


@dataclass(frozen=True)
class BaiPerron:
    r"""Breaks of a linear regression: choices, no data.

    Attributes
    ----------
    max_breaks : M, the most breaks looked for.
    trim : fewest observations of a regime as a share of the sample; or ``min_size``, as a number. A trim of .15 where
        neither is given.
    cov_type : "nonrobust", "HC" (heteroskedastic errors) or "HAC" (and serially correlated).
    long_run : of "HAC"; quadratic spectral with Andrews' bandwidth, prewhitened with the cap .97, by default. Bai and
        Perron's program has ``LongRun(prewhiten=True, cap=None)``.
    het_errors, het_regressors : variances of the errors, and moments of the regressors, differ between regimes.
    select : the number of breaks: "sequential" (tests of l + 1 against l, until one does not reject at ``alpha``),
        "bic", "lwz", "kt", or a number.
    alpha : level of the sequential tests and of the weights of WDmax.
    vary : names of the coefficients that may break; all by default. The others are estimated from the whole sample.
    sup : "ssr" takes test statistics at the dates that minimize the sum of squares, as Bai and Perron; "wald" takes the
        largest statistic over all dates where one break is tested (in the sample or within a segment).
    constant : put a column of ones, "const", first.

    Notes
    -----
    The sum of squares is minimized exactly over all partitions (see `BaiPerronFit.exact` for partial change).
    Statistics are on the scale of the published tables, q times F.

    The null is a linear regression with constant coefficients; variances may change. Rejections of it at 5 % by
    supF(1) and UDmax, 300 samples of T = 500 (standard error 1.3 %), ``cov_type="HC"``: a mean under t(5) errors 5.0
    and 4.7 %, GARCH(.08, .90) 3.0 and 3.3 %, GARCH(.12, .87) with t(5) 3.7 and 3.7 %, a standard deviation that
    doubles halfway 3.3 and 3.3 %; a slope with constant coefficient 3.7 to 6.3 %. Errors with autocorrelation .5: 55
    and 70 %, with "HAC" 3.3 and 6.3 % (a slope: 8 and 15 %).

    Do not use it for a slope between two returns as a test of their correlation: under GARCH variances and a constant
    correlation the slope moves, and "HC" rejects in 48 to 65 % of samples. BIC then finds a break in 24 to 72 %; KT
    dates changes of the variance (42 to 81 % of samples of a mean under GARCH). Nor for prices, persistent errors, or
    paths of filtered or rolling correlations, which are refused: without any break BIC dates about four.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = rng.standard_normal(300) + np.repeat([0.0, 1.5, 0.5], 100)
    >>> fit = ce.BaiPerron(max_breaks=3).fit(y)
    >>> fit.m
    2
    """

    max_breaks: int = 5
    trim: float | None = None
    min_size: int | None = None
    cov_type: str = "HC"
    long_run: LongRun | None = None
    het_errors: bool = True
    het_regressors: bool = True
    select: str | int = "sequential"
    alpha: float = 0.05
    vary: Sequence[str] | None = None
    sup: str = "ssr"
    constant: bool = True

    def __post_init__(self) -> None:
        if (
            not isinstance(self.max_breaks, int | np.integer)
            or isinstance(self.max_breaks, bool)
            or self.max_breaks < 1
        ):
            raise SpecError(f"max_breaks={self.max_breaks!r}: a whole number of at least 1.")
        if isinstance(self.select, str):
            check_option("select", self.select, ("sequential", *CRITERIA))
        elif isinstance(self.select, bool) or not isinstance(self.select, int | np.integer):
            raise SpecError(f"select={self.select!r}: 'sequential', 'bic', 'lwz', 'kt' or a number of breaks.")
        elif not 0 <= self.select <= self.max_breaks:
            raise SpecError(f"select={self.select}: between 0 and max_breaks={self.max_breaks}.")
        if not 0.001 <= self.alpha <= 0.5:
            raise SpecError(f"alpha={self.alpha!r}: a level between .001 and .5.")
        check_option("sup", self.sup, SUPS)
        if self.vary is not None and not isinstance(self.vary, str):
            object.__setattr__(self, "vary", tuple(self.vary))
        if self.long_run is not None and self.cov_type != "HAC":
            raise SpecError(f"long_run has no use with cov_type={self.cov_type!r}; use cov_type='HAC'.")
        self.covariance  # noqa: B018  a wrong cov_type is refused now

    @property
    def covariance(self) -> BreakCovariance:
        """The assumptions on errors and regressors."""
        rule = PREWHITENED if self.long_run is None else self.long_run
        return BreakCovariance(self.cov_type, rule, self.het_errors, self.het_regressors)

    def fit(self, y: Any, exog: Any = None) -> BaiPerronFit:
        """Date the breaks of ``y`` on ``exog``, and test for them.

        Parameters
        ----------
        y : pd.Series or array (T,). exog : frame (T, K), Series, array or None for a mean.

        Raises
        ------
        DataError : what `read_regression` refuses, regimes too short for their coefficients, regimes that fit exactly.
        SpecError : a sequential selection without simulated laws.
        """
        regression = read_regression(y, exog, constant=self.constant, vary=self.vary)
        rule = self.covariance
        width = len(regression.names)
        trim = DEFAULT_TRIM if self.trim is None and self.min_size is None else self.trim
        h = minimum_segment(regression.nobs, trim, self.min_size, width, self.max_breaks)
        if h < width + rule.fewest:
            raise DataError(
                f"regimes of {h} observations are too short for cov_type={self.cov_type!r} with {width} coefficients: "
                f"{width + rule.fewest} are needed; use a larger trim or min_size."
            )
        share = trim if trim is not None else h / regression.nobs
        if self.cov_type == "HAC" and share < PERSISTENT_TRIM - 1e-9:
            _warn(
                f"cov_type='HAC' with regimes of {share:.1%} of the sample: long-run covariances of so few rows make "
                "the tests reject far too often; Bai and Perron advise a trimming of at least 15 %, better 20 %."
            )
        singular = singular_windows(regression.breaking, h)
        if singular:
            _warn(
                f"{singular} of {regression.nobs - h + 1} stretches of {h} rows have linearly dependent regressors; "
                "no regime is put there unless it is longer."
            )
        partitions = find_partitions(regression, h, self.max_breaks)
        _check_residuals(regression, partitions)
        if not all(partitions.converged):
            stuck = [
                m for m, done in enumerate(partitions.converged) if not done and partitions.positions[m] is not None
            ]
            if stuck:
                _warn(f"the iteration for {stuck} breaks did not settle; the best partitions seen are given.")
        number = NumberOfBreaks(regression, partitions, rule, h, share, self.alpha, self.sup)
        tests = number.tests()
        criteria = break_criteria(regression, partitions)
        m = _select(self, number, tests, criteria)
        one_by_one, _ = one_at_a_time(number, self.max_breaks)
        positions = partitions.positions[m]
        assert positions is not None  # selected among those that fit
        return BaiPerronFit(
            self,
            regression.name,
            regression.index,
            positions,
            regression,
            partitions,
            estimate_regimes(regression, positions, rule),
            tests,
            criteria,
            one_by_one,
            h,
        )


def _select(spec: BaiPerron, number: NumberOfBreaks, tests: Mapping[str, BreakTest], criteria: pd.DataFrame) -> int:
    if not isinstance(spec.select, str):
        if number.partitions.positions[spec.select] is None:
            raise DataError(
                f"select={spec.select}: that many breaks do not fit without singular regimes, {number.feasible} do."
            )
        return spec.select
    if spec.select != "sequential":
        return int(np.nanargmin(criteria[spec.select].to_numpy()))
    for breaks in range(number.feasible):
        test = tests["supF(1)" if breaks == 0 else f"supF({breaks + 1}|{breaks})"]
        if np.isnan(test.pvalue) and test.detail.get("segments with room") != 0:
            raise SpecError(
                f"select='sequential': {test.name} has no p-value, {test.reason} Use select='bic' or a number."
            )
        if not test.pvalue <= spec.alpha:
            return breaks
    return number.feasible


def _check_residuals(regression: Regression, partitions: Partitions) -> None:
    total = float(np.sum((regression.y - regression.y.mean()) ** 2))
    for m, (ssr, where) in enumerate(zip(partitions.ssr, partitions.positions, strict=True)):
        if where is not None and ssr <= 1e-20 * total:
            raise DataError(
                f"{regression.name!r} is fitted without error by {m} break(s) at "
                f"{[label(when) for when in regression.index[list(where)]]}: there is no noise to test against."
            )


def _warn(message: str) -> None:
    warnings.warn(message, CryptoEquityWarning, stacklevel=3)
