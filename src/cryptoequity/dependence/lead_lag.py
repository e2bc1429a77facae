r"""Who moves first: cross-correlations over time with errors that allow for changing volatility.

What crypto's later daily close does to the first lag, and tests that survive it, are in `closing_times`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..data.checks import check_returns
from ..errors import DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.bootstrap import FEWEST
from ..estimation.bootstrap import pvalue as tail
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import Drawn, TestResult
from ..table import Table
from ..volatility import EGARCH, GARCH, fit_margins

__all__ = ["LeadLagTest", "cross_correlations", "lead_lag_test", "read_two"]

KINDS = ("wild", "asymptotic")
WEIGHTS = ("equal", "bartlett")
MIN_OBS = 100


@dataclass(frozen=True, eq=False)
class LeadLagTest(TestResult, Drawn):
    """A test of who moves first.

    Attributes
    ----------
    correlations : frame by lag with the cross-correlation, its robust standard error, t-ratio and two-sided p-value.
        At lag j > 0 the leader's return of date t meets the follower's of date t + j; at j < 0 the follower is first.
    leader, follower : column names. nobs : rows used. options : the choices made, by name.
    robustness : how the test fares under GARCH and unequal closing times. keys : keys of the papers for `cite`.
    """

    correlations: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    leader: str = ""
    follower: str = ""
    nobs: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    robustness: str = ""
    keys: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Cross-correlations by lag."""
        return self.correlations.copy()

    def summary(self) -> Table:
        """Return the test as a table."""
        plain = super().summary()
        rows = (*plain.rows, ("observations", str(self.nobs)))
        notes = (*plain.notes, *([self.robustness] if self.robustness else []))
        return Table(plain.title, plain.head, rows, notes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return super().to_dict() | {
            "leader": self.leader,
            "follower": self.follower,
            "nobs": self.nobs,
            "correlations": {str(lag): float(value) for lag, value in self.correlations["correlation"].items()},
            "options": dict(self.options),
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation(*self.keys)


def read_two(
    crypto: Any, equity: Any, margin: GARCH | EGARCH | None, *, min_obs: int = MIN_OBS
) -> tuple[Array, Array, pd.Index, tuple[str, str]]:
    """Two series on the same rows, standardized by ``margin`` where one is given; their labels and names."""
    for what, given in (("crypto", crypto), ("equity", equity)):
        if isinstance(given, pd.DataFrame):
            raise DataError(f"{what} must be one column, not a frame with {list(given.columns)}; choose one of them.")
    labeled = isinstance(crypto, pd.Series) and isinstance(equity, pd.Series)
    if len(crypto) != len(equity) or (labeled and not crypto.index.equals(equity.index)):
        raise DataError(
            f"crypto and equity do not have the same rows ({len(crypto)} and {len(equity)}); align them first, e.g. "
            "with to_returns(prices[[...]])."
        )
    names = [str(getattr(given, "name", None) or what) for what, given in (("crypto", crypto), ("equity", equity))]
    if names[0] == names[1]:
        raise DataError(f"both series are called {names[0]!r}; rename one.")
    index = next((given.index for given in (crypto, equity) if isinstance(given, pd.Series)), None)
    columns = {name: np.asarray(given) for name, given in zip(names, (crypto, equity), strict=True)}
    for name, column in columns.items():
        if column.ndim != 1:
            raise DataError(f"{name!r} must have one dimension, not shape {column.shape}.")
    frame = check_returns(pd.DataFrame(columns, index=index), min_obs=min_obs)
    if margin is not None:
        if not isinstance(margin, GARCH | EGARCH):
            raise SpecError(f"filter={margin!r}: pass GARCH(...), EGARCH(...), or None for the series as they are.")
        frame = fit_margins(frame, margin).std_resid
    values = frame.to_numpy(float)
    return np.ascontiguousarray(values[:, 0]), np.ascontiguousarray(values[:, 1]), frame.index, (names[0], names[1])


def cross_correlations(leader: Array, follower: Array, most: int) -> pd.DataFrame:
    r"""Cross-correlations :math:`\hat r_j=\widehat{corr}(x_t,y_{t+j})`, :math:`|j|\le M`, with robust errors.

    For :math:`j\ne0` the error is :math:`\{T^{-1}\sum x_t^2y_{t+j}^2\}^{1/2}/(\hat\sigma_x\hat\sigma_yT^{1/2})`, which
    holds for uncorrelated products whatever the volatilities do; at lag 0, where the correlation need not vanish, it is
    that of the influence function.

    Parameters
    ----------
    leader : x, (T,). follower : y, (T,). most : M.
    """
    x, y = leader - leader.mean(), follower - follower.mean()
    sd = float(np.sqrt(np.mean(x**2) * np.mean(y**2)))
    rows = []
    for lag in range(-most, most + 1):
        a = x[: x.size - lag] if lag >= 0 else x[-lag:]
        b = y[lag:] if lag >= 0 else y[: y.size + lag]
        r = float(a @ b) / x.size / sd
        product = a * b / sd
        if lag == 0:
            product = product - 0.5 * r * (a**2 / np.mean(x**2) + b**2 / np.mean(y**2))
        error = float(np.sqrt(np.mean(product**2) / x.size))
        rows.append((r, error, r / error, float(2.0 * stats.norm.sf(abs(r / error)))))
    index = pd.RangeIndex(-most, most + 1, name="lag")
    return pd.DataFrame(rows, index, ["correlation", "std err", "t", "P>|t|"])


def lagged_moments(leader: Array, follower: Array, first: int, most: int, own_lags: int) -> tuple[Array, Array, Array]:
    """What is left of the follower, (n,), and of the leader's lags, (n, J), once own lags are taken off; and those.

    Both are residuals of the same regression on a one and the follower's own lags, so that the estimation of its
    coefficients has no first-order effect on the products.
    """
    start = max(most, own_lags)
    nobs = follower.size
    own = [np.ones(nobs - start)] + [follower[start - k : nobs - k] for k in range(1, own_lags + 1)]
    base = np.stack(own, axis=1)
    lags = np.stack([leader[start - j : nobs - j] for j in range(first, most + 1)], axis=1)
    both = np.column_stack([follower[start:], lags])
    solution, _, rank, _ = np.linalg.lstsq(base, both, rcond=None)
    if rank < base.shape[1]:
        raise DataError(f"the {own_lags} own lags are linearly dependent; use fewer.")
    left = both - base @ solution
    return left[:, 0], np.ascontiguousarray(left[:, 1:]), base


def lag_statistics(error: Array, lags: Array, weights: Array | None) -> float:
    r"""Robust statistic of :math:`g=n^{-1}\sum\varepsilon_tx_t`, :math:`\Omega=n^{-1}\sum\varepsilon_t^2x_tx_t'`.

    Without weights the Wald form :math:`n\,g'\Omega^{-1}g`; with weights Hong's standardized sum of the squared robust
    t-ratios. NaN where :math:`\Omega` is singular.
    """
    moments = error[:, None] * lags
    mean = moments.mean(axis=0)
    outer = moments.T @ moments / error.size
    size = np.sqrt(np.diag(outer))
    if not (size > 0.0).all():
        return float("nan")
    t = np.sqrt(error.size) * mean / size
    corr = outer / np.outer(size, size)
    if weights is None:
        try:
            return float(t @ np.linalg.solve(corr, t))
        except np.linalg.LinAlgError:
            return float("nan")
    center = float(weights.sum())
    spread = float(np.sqrt(2.0 * weights @ corr**2 @ weights))
    return float((weights @ t**2 - center) / spread)


def _wild(seed: np.random.SeedSequence, *, error: Array, lags: Array, base: Array, weights: Array | None) -> float:
    """The statistic when every error keeps its size and gets a random sign; own lags are fitted again."""
    signs = np.random.default_rng(seed).integers(0, 2, error.size) * 2.0 - 1.0
    drawn = error * signs
    drawn = drawn - base @ np.linalg.lstsq(base, drawn, rcond=None)[0]
    return lag_statistics(drawn, lags, weights)


def read_count(value: Any, name: str, least: int, most: int) -> int:
    """Refuse what is no whole number between ``least`` and ``most``."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not least <= value <= most:
        raise SpecError(f"{name}={value!r}: a whole number between {least} and {most}.")
    return int(value)


def lead_lag_test(
    crypto: Any,
    equity: Any,
    *,
    leader: str = "crypto",
    max_lag: int = 5,
    first_lag: int = 1,
    own_lags: int = 1,
    of: str = "mean",
    weights: str = "equal",
    filter: GARCH | EGARCH | None = GARCH(dist="t"),  # noqa: B008 - a frozen specification
    pvalue: str = "wild",
    draws: int = 999,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> LeadLagTest:
    r"""Test that the past of one market says nothing about the other, by cross-correlations with robust errors.

    Both series are standardized by their volatility models; :math:`\varepsilon_t` is what own lags leave of the
    follower and :math:`\tilde x_{t-j}` what the same regression leaves of the leader's lags. With
    :math:`g=n^{-1}\sum\varepsilon_t\tilde x_t` and :math:`\Omega=n^{-1}\sum\varepsilon_t^2\tilde x_t\tilde x_t'`,

    .. math:: W=n\,g'\Omega^{-1}g\sim\chi^2(J), \qquad
              Q=\frac{\sum_jw_j(t_j^2-1)}{\{2\sum_{jk}w_jw_k\hat R_{jk}^2\}^{1/2}}\sim N(0,1),

    the first (``weights="equal"``) in the manner of Cheung and Ng (1996), the second with Hong's (2001) declining
    weights :math:`w_j=\{1-j/(M+1)\}^2` and :math:`t_j` the robust t-ratios, :math:`\hat R` their correlation.

    Parameters
    ----------
    crypto, equity : returns on the same rows (Series or arrays).
    leader : "crypto" or "equity", the one whose past is asked about.
    max_lag : M. first_lag : first lag tested; 2 leaves out the lag that unequal closing times fill.
    own_lags : lags of the follower that are taken off first.
    of : "mean", or "variance" for the squares of the standardized residuals (causality in variance).
    weights : "equal" or "bartlett", see above.
    filter : volatility model, ``GARCH(dist="t")`` by default; None takes the series as they are.
    pvalue : "wild" (each error keeps its size and gets a random sign) or "asymptotic". draws : of "wild".
    rng, n_jobs : seed and workers; the numbers do not depend on the workers.

    Returns
    -------
    LeadLagTest : with ``correlations`` at all lags from -M to M.

    Raises
    ------
    DataError : rows that differ, fewer than 100 rows. SpecError : an unknown choice.

    Notes
    -----
    Robust to GARCH, fat tails and correlations that wander, filtered or not: the follower's error need only be
    unforecastable. Errors that skewness makes forecastable in their squares are allowed too.

    Do **not** read a rejection at lag 1 with ``leader="crypto"`` as crypto leading when crypto is sampled at 24:00 UTC
    and equity at 16:00 New York: crypto's last hours of a day fall into equity's next day. Sample crypto at the
    exchange's close (`at_close`), use `crypto_leads_test`, which allows for the overlap, or ``first_lag=2``. The other
    direction, ``leader="equity"``, has no such overlap. With ``of="variance"`` the estimation of the volatility models
    is not accounted for.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> test = ce.lead_lag_test(returns["COIN"], returns["SMALL_TECH"], draws=99)
    >>> test.correlations.index.tolist() == list(range(-5, 6))
    True
    """
    check_option("leader", leader, ("crypto", "equity"))
    check_option("of", of, ("mean", "variance"))
    check_option("weights", weights, WEIGHTS)
    check_option("pvalue", pvalue, KINDS)
    most = read_count(max_lag, "max_lag", 1, 60)
    first = read_count(first_lag, "first_lag", 1, most)
    own = read_count(own_lags, "own_lags", 0, 60)
    count = read_count(draws, "draws", FEWEST, 10**7)
    one, two, _, names = read_two(crypto, equity, filter, min_obs=max(MIN_OBS, 10 * (most + own)))
    x, y = (one, two) if leader == "crypto" else (two, one)
    who, whom = names if leader == "crypto" else names[::-1]
    if of == "variance":
        x, y = x**2, y**2
    error, lags, base = lagged_moments(x, y, first, most, own)
    steps = np.arange(first, most + 1)
    chosen = None if weights == "equal" else (1.0 - steps / (most + 1.0)) ** 2
    statistic = lag_statistics(error, lags, chosen)
    if not np.isfinite(statistic):
        raise DataError(
            f"the products of {whom!r} with the lags of {who!r} have a singular covariance; use fewer lags, or look "
            "for a column of zeros."
        )
    if chosen is None:
        plain, law = float(stats.chi2.sf(statistic, steps.size)), f"chi-squared with {steps.size} degrees of freedom"
    else:
        plain, law = float(stats.norm.sf(statistic)), "normal, upper tail"
    detail: dict[str, Any] = {"p-value, asymptotic": plain}
    reasons = ""
    p = plain
    if pvalue == "wild":
        task = partial(_wild, error=error, lags=lags, base=base, weights=chosen)
        null = np.array(map_draws(task, spawn(rng, count), n_jobs=n_jobs))
        p, law = tail(statistic, null), f"{count} draws of random signs"
        failed = int(np.sum(~np.isfinite(null)))
        detail["failed draws"] = failed
        detail["null"] = null
        if failed:
            reasons = f"{failed} of {count} draws gave no statistic."
    table = cross_correlations(x, y, most)
    detail["correlation, same day"] = float(table.loc[0, "correlation"])  # type: ignore[arg-type]
    detail["correlation, lag 1"] = float(table.loc[1, "correlation"])  # type: ignore[arg-type]
    what = "" if of == "mean" else "variance of the "
    return LeadLagTest(
        "Lead-lag test",
        f"the past of {who} at lags {first} to {most} does not help to forecast the {what}{whom} of a day.",
        statistic,
        p,
        law,
        detail,
        reasons,
        correlations=table,
        leader=who,
        follower=whom,
        nobs=error.size,
        options={
            "leader": leader,
            "max_lag": most,
            "first_lag": first,
            "own_lags": own,
            "of": of,
            "weights": weights,
            "filter": "none" if filter is None else filter.name,
            "pvalue": pvalue,
            "draws": count if pvalue == "wild" else 0,
        },
        robustness=_OVERLAP if leader == "crypto" and first == 1 else _ROBUST,
        keys=("cheungng1996", *(("hong2001",) if weights == "bartlett" else ()), "wu1986"),
    )


_ROBUST = "Holds under GARCH, fat tails and correlations that wander."
_OVERLAP = (
    _ROBUST
    + " At lag 1 it does not tell a lead from a later close: with crypto at 24:00 UTC and equity at 16:00 New York "
    "it rejects without any lead. Use crypto_leads_test, first_lag=2, or crypto sampled at the close of the exchange."
)
