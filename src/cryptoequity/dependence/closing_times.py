r"""What survives unequal closing times: summed lags, longer returns, and a bound on what an overlap can fake.

Crypto's day ends at 24:00 UTC, 3 to 4 hours after 16:00 in New York. Let covariance accrue only at the same instant,
a day's worth being :math:`\gamma`, and let a share f of it fall between the two closes. Those hours belong to
crypto's day t and to equity's day t + 1, so that

.. math:: \operatorname{Cov}(c_t,e_t)=(1-f)\gamma,\qquad \operatorname{Cov}(c_t,e_{t+1})=f\gamma,\qquad
          \operatorname{Cov}(c_t,e_{t+j})=0\ \text{otherwise.}

Nothing leads anything, and still crypto "leads" by one day. All of this file follows from these three lines.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.inference import ewc_test, t_interval
from ..estimation.params import Array
from ..estimation.results import Drawn
from ..table import Table, format_number
from ..volatility import EGARCH, GARCH
from .lead_lag import LeadLagTest, cross_correlations, lagged_moments, read_count, read_two

__all__ = ["CrossDayCorrelation", "aggregated_correlation", "crypto_leads_test", "overlapping_correlation"]

LEVEL = 0.05  # of the overlap at which the verdict of crypto_leads_test changes
GRID = 41  # shares of overlap at which a test is made; its p-value is the largest of them


@dataclass(frozen=True, eq=False)
class CrossDayCorrelation(Drawn):
    """A correlation that allows for unequal closing times.

    Attributes
    ----------
    method : how, in words. estimate, std_err : with ``df`` degrees of freedom of its t law.
    same_day : the ordinary correlation of the same rows' returns, for comparison.
    correlations : cross-correlations by lag, with robust errors (at lag j > 0 crypto is the earlier one).
    crypto, equity : names. nobs : rows used. keys : keys of the papers for `cite`.
    """

    method: str
    estimate: float
    std_err: float
    df: int
    same_day: float
    correlations: pd.DataFrame = field(repr=False)
    crypto: str = ""
    equity: str = ""
    nobs: int = 0
    keys: tuple[str, ...] = ()

    def conf_int(self, alpha: float = 0.05) -> tuple[float, float]:
        """Interval of level ``1 - alpha`` by the t law; it is not cut off at one.

        Parameters
        ----------
        alpha : error probability.
        """
        if not 0.0 < alpha < 1.0:
            raise SpecError(f"alpha={alpha!r}: a probability between 0 and 1.")
        return t_interval(self.estimate, self.std_err, self.df, 1.0 - alpha)

    @property
    def pvalue(self) -> float:
        """Two-sided p-value of no correlation."""
        return float(2.0 * stats.t.sf(abs(self.estimate / self.std_err), self.df))

    def to_frame(self) -> pd.DataFrame:
        """Cross-correlations by lag."""
        return self.correlations.copy()

    def summary(self) -> Table:
        """Return the estimate as a table."""
        low, high = self.conf_int()
        rows = (
            ("estimate", format_number(self.estimate)),
            ("standard error", format_number(self.std_err)),
            ("95 % interval", f"{low:.4f} to {high:.4f}"),
            ("p-value of no correlation", format_number(self.pvalue)),
            ("same-day correlation", format_number(self.same_day)),
            ("observations", str(self.nobs)),
        )
        note = f"equal-weighted cosines, t with {self.df} degrees of freedom"
        return Table(f"{self.crypto} and {self.equity}: {self.method}", ("", "value"), rows, (note,))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        low, high = self.conf_int()
        content = {
            "method": self.method,
            "estimate": self.estimate,
            "std_err": self.std_err,
            "df": self.df,
            "lower": low,
            "upper": high,
            "pvalue": self.pvalue,
            "same_day": self.same_day,
            "correlations": {str(lag): float(value) for lag, value in self.correlations["correlation"].items()},
            "crypto": self.crypto,
            "equity": self.equity,
            "nobs": self.nobs,
        }
        return dict(json.loads(json.dumps(content, default=float)))

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation(*self.keys)


def aggregated_correlation(
    crypto: Any, equity: Any, *, lags: int = 1, filter: GARCH | EGARCH | None = None
) -> CrossDayCorrelation:
    r"""Correlation summed over neighboring days, after Scholes and Williams (1977) and Dimson (1979).

    .. math:: \hat\rho=\sum_{|j|\le L}\widehat{\operatorname{Cov}}(c_t,e_{t+j})\Big/\hat\sigma_c\hat\sigma_e .

    With L = 1 it is :math:`(1-f)\rho+f\rho=\rho` whatever the share f of covariance between the two closes is, in
    summer and in winter: the sum puts back what a later close has moved to the next day. A true lead or lag is
    counted as well.

    Parameters
    ----------
    crypto, equity : returns on the same rows (Series or arrays).
    lags : L on either side.
    filter : volatility model whose residuals are taken; None takes the returns.

    Returns
    -------
    CrossDayCorrelation : the estimate is not held within [-1, 1]; every lag adds noise of about :math:`T^{-1/2}`.

    Raises
    ------
    DataError : rows that differ, fewer than 100 rows. SpecError : an unknown choice.

    Notes
    -----
    The error comes from the influence function with equal-weighted cosines, and holds under GARCH and under
    correlations that wander as far as they forget within the sample. Do not use it where returns are autocorrelated
    on their own: the variances in the denominator are those of a day.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.aggregated_correlation(returns["COIN"], returns["SMALL_TECH"])
    >>> fit.std_err > 0
    True
    """
    most = read_count(lags, "lags", 0, 60)
    c, e, _, names = read_two(crypto, equity, filter, min_obs=max(100, 20 * most))
    a, b = c - c.mean(), e - e.mean()
    rows = np.arange(most, a.size - most)
    summed = np.sum([b[rows + j] for j in range(-most, most + 1)], axis=0)
    estimate, error, df = _ratio(a[rows] * summed, a[rows] ** 2, b[rows] ** 2)
    table = cross_correlations(c, e, max(most, 1))
    return CrossDayCorrelation(
        f"correlation summed over lags {-most} to {most}",
        estimate,
        error,
        df,
        float(np.corrcoef(c, e)[0, 1]),
        table,
        *names,
        rows.size,
        ("scholeswilliams1977", "dimson1979", "lazarus2018"),
    )


def overlapping_correlation(
    crypto: Any, equity: Any, *, days: int = 2, filter: GARCH | EGARCH | None = None
) -> CrossDayCorrelation:
    r"""Correlation of overlapping returns over several days.

    Over h days the covariance is :math:`(h-f)\gamma` and the variances are h times those of a day: what a later close
    takes off falls from a share f of the correlation to f/h. With h = 2 and four hours of clock time, from 17 to 8 %.

    Parameters
    ----------
    crypto, equity : returns on the same rows (Series or arrays). days : h.
    filter : volatility model whose residuals are summed; None sums the returns.

    Returns
    -------
    CrossDayCorrelation

    Raises
    ------
    DataError : rows that differ, too few of them. SpecError : an unknown choice.

    Notes
    -----
    Neighboring sums share h - 1 days; the error, from equal-weighted cosines of the influence function, allows for that
    as for GARCH. Smaller than `aggregated_correlation` by construction, and less noisy.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.overlapping_correlation(returns["COIN"], returns["SMALL_TECH"], days=2)
    >>> -1 <= fit.estimate <= 1
    True
    """
    span = read_count(days, "days", 1, 60)
    c, e, _, names = read_two(crypto, equity, filter, min_obs=max(100, 20 * span))
    window = np.ones(span)
    a, b = np.convolve(c, window, "valid"), np.convolve(e, window, "valid")
    a, b = a - a.mean(), b - b.mean()
    estimate, error, df = _ratio(a * b, a**2, b**2)
    return CrossDayCorrelation(
        f"correlation of overlapping {span}-day returns",
        estimate,
        error,
        df,
        float(np.corrcoef(c, e)[0, 1]),
        cross_correlations(c, e, max(span - 1, 1)),
        *names,
        a.size,
        ("lazarus2018",),
    )


def _ratio(product: Array, first: Array, second: Array) -> tuple[float, float, int]:
    """Mean of ``product`` over the root of the two mean squares, with its standard error and degrees of freedom."""
    one, two = float(first.mean()), float(second.mean())
    estimate = float(product.mean()) / math.sqrt(one * two)
    influence = product / math.sqrt(one * two) - 0.5 * estimate * (first / one + second / two)
    error, df = ewc_test(influence)
    return estimate, error, df


def crypto_leads_test(
    crypto: Any,
    equity: Any,
    *,
    overlap: float = 4.0 / 24.0,
    own_lags: int = 1,
    alternative: str = "greater",
    filter: GARCH | EGARCH | None = None,
) -> LeadLagTest:
    r"""Test that crypto leads equity by a day *beyond* what crypto's later close explains.

    If a share f of the covariance falls between the two closes and nothing leads, then
    :math:`\operatorname{Cov}(c_t,e_{t+1})=\frac f{1-f}\operatorname{Cov}(c_t,e_t)`. With :math:`\varepsilon_t` what
    own lags leave of equity, and :math:`\tilde c_{t-1}` what the same regression leaves of crypto's lag, the null for
    a given f is

    .. math:: E\,m_t(f)=0,\qquad m_t(f)=\varepsilon_t\Bigl(\tilde c_{t-1}-\frac f{1-f}(c_t-\bar c)\Bigr).

    f is not known, only that it lies between 0 and ``overlap``. The p-value is the largest over all of them, which is
    valid whichever is the true one, and also when f changes with the season, if it never exceeds ``overlap`` and the
    covariance between the closes has the sign of that of the day.

    Parameters
    ----------
    crypto, equity : returns on the same rows; crypto's day ends later (Series or arrays).
    overlap : largest share of a day's covariance that may accrue between equity's close and crypto's. By default 4 of
        24 hours, right for 16:00 New York (summer) and 24:00 UTC if covariance accrues evenly, and cautious if it is
        denser while the exchange is open. Zero where both are sampled at the same instant.
    own_lags : lags of equity that are taken off first.
    alternative : "greater" (crypto's rise before equity's), "less", "two-sided".
    filter : volatility model whose residuals are taken; None takes the returns, for which the equation is exact.

    Returns
    -------
    LeadLagTest : the statistic is the t-ratio at the decisive f. ``detail`` holds the two covariances, the p-value
        without any overlap, the overlap that would explain the estimate, and the one at which 5 % is no longer reached.

    Raises
    ------
    DataError : rows that differ, fewer than 100 rows. SpecError : an overlap outside [0, 1).

    Notes
    -----
    Standard errors are from equal-weighted cosines with a t law: the products are persistent when the correlation
    wanders, and that is allowed for as far as it forgets within the sample. Robust to GARCH and fat tails. A market
    that leads by less than the bound is not found: the test cannot tell it from the overlap, and prices at the same
    instant (`at_close`) are the cure. Weekends lengthen crypto's return but not the overlap, which makes the bound
    more cautious. Do not use it if equity is not continuously priced at its close (stale quotes): staleness looks
    like a lead.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> test = ce.crypto_leads_test(returns["COIN"], returns["SMALL_TECH"])
    >>> test.pvalue >= test.detail["p-value without overlap"]
    True
    """
    check_option("alternative", alternative, ("greater", "less", "two-sided"))
    if isinstance(overlap, bool) or not isinstance(overlap, int | float | np.floating) or not 0.0 <= overlap < 1.0:
        raise SpecError(f"overlap={overlap!r}: a share of the day's covariance, in [0, 1); four hours are 4 / 24.")
    own = read_count(own_lags, "own_lags", 0, 60)
    c, e, _, names = read_two(crypto, equity, filter, min_obs=max(100, 10 * own))
    error, lags, _ = lagged_moments(c, e, 1, 1, own)
    start = c.size - error.size
    lead = error * lags[:, 0]
    same = error * (c[start:] - c.mean())
    shares = np.linspace(0.0, float(overlap), GRID if overlap > 0.0 else 1)
    moments = _Moments.of(lead, same)
    t, p = moments.test(shares, alternative)
    decisive = int(np.argmax(p))
    needed = moments.lead / (moments.lead + moments.same) if moments.lead * moments.same > 0.0 else math.nan
    detail: dict[str, Any] = {
        "covariance, crypto first": moments.lead,
        "covariance, same day": moments.same,
        "decisive overlap": float(shares[decisive]),
        "p-value without overlap": float(p[0]),
        "t without overlap": float(t[0]),
        "overlap that explains the estimate": needed,
        "overlap at which 5 % is lost": moments.breakdown(alternative),
        "degrees of freedom": moments.df,
    }
    words = {"greater": "above", "less": "below", "two-sided": "other than"}[alternative]
    return LeadLagTest(
        "Crypto leads, beyond the overlap of closing times",
        f"the covariance of {names[0]} with the next day's {names[1]} is that of an overlap of at most {overlap:.4g} "
        f"of a day; against: {words} it.",
        float(t[decisive]),
        float(p[decisive]),
        f"t with {moments.df} degrees of freedom, equal-weighted cosines; largest p-value over the overlap",
        detail,
        correlations=cross_correlations(c, e, 2),
        leader=names[0],
        follower=names[1],
        nobs=error.size,
        options={
            "overlap": float(overlap),
            "own_lags": own,
            "alternative": alternative,
            "filter": "none" if filter is None else filter.name,
        },
        robustness="Holds under GARCH, fat tails and correlations that wander, if no more than that share of the day's "
        "covariance falls between the two closes.",
        keys=("scholeswilliams1977", "lazarus2018"),
    )


@dataclass(frozen=True)
class _Moments:
    """Means, variances of the means and covariance of two products; any combination's t-ratio follows from them."""

    lead: float
    same: float
    lead_variance: float
    same_variance: float
    covariance: float
    df: int

    @classmethod
    def of(cls, lead: Array, same: Array) -> _Moments:
        (one, df), (two, _), (both, _) = ewc_test(lead), ewc_test(same), ewc_test(lead + same)
        # the estimator is a quadratic form: covariances follow by polarization
        cross = 0.5 * (both**2 - one**2 - two**2)
        return cls(float(lead.mean()), float(same.mean()), one**2, two**2, cross, df)

    def test(self, shares: Array, alternative: str) -> tuple[Array, Array]:
        """t-ratios and p-values of the null at shares of overlap."""
        k = shares / (1.0 - shares)
        variance = self.lead_variance - 2.0 * k * self.covariance + k**2 * self.same_variance
        t = (self.lead - k * self.same) / np.sqrt(variance)
        if alternative == "two-sided":
            return t, 2.0 * stats.t.sf(np.abs(t), self.df)
        return t, stats.t.sf(t if alternative == "greater" else -t, self.df)

    def breakdown(self, alternative: str) -> float:
        """Smallest overlap, to a thousandth, whose test no longer rejects at 5 %; NaN if that of .999 still does."""
        shares = np.arange(1000) / 1000.0
        lost = np.flatnonzero(self.test(shares, alternative)[1] > LEVEL)
        return float(shares[lost[0]]) if lost.size else math.nan
