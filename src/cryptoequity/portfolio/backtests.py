r"""Backtests of value at risk and expected shortfall.

With exceedances :math:`I_t=1\{r_t<-\mathrm{VaR}_t\}` and their probability :math:`\alpha` (``tail``): are there as many
as there should be, do they come alone, and are the losses beyond as large as expected shortfall says? At 1 % and a
few years of days exceedances are few and the :math:`\chi^2` laws of likelihood ratios are poor: p-values are those of
the finite sample by default.

All tests take VaR and ES as given. When the model behind them was estimated on the same dates its errors are not
counted, and the tests lean towards finding nothing.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from ..errors import DataError, SpecError, check_option
from ..estimation.bootstrap import FEWEST, pvalue
from ..estimation.params import Array
from ..estimation.results import TestResult
from .risk import check_tail, tail_moments

__all__ = ["acerbi_szekely_test", "christoffersen_test", "exceedances", "kupiec_test", "mcneil_frey_test"]

Flags = npt.NDArray[np.bool_]


def exceedances(returns: pd.Series, var: pd.Series) -> pd.Series:
    """Dates on which the loss exceeds ``var``, as booleans on the dates of ``var``.

    Parameters
    ----------
    returns : percent returns; may have dates before the first of ``var``, as when a window was spent.
    var : value at risk, positive for a loss.

    Raises
    ------
    DataError : ``var`` has dates that ``returns`` lacks, or either holds a missing number there.
    """
    own = _aligned(returns, var)
    return pd.Series(own < -var.to_numpy(float), var.index, name="exceedance")


def kupiec_test(returns: pd.Series, var: pd.Series, *, tail: float, exact: bool = True) -> TestResult:
    r"""Unconditional coverage: is the share of exceedances ``tail``? (Kupiec 1995).

    .. math:: \mathrm{LR}=2\{x\ln\hat\pi+(T-x)\ln(1-\hat\pi)-x\ln\alpha-(T-x)\ln(1-\alpha)\},\quad \hat\pi=x/T.

    Parameters
    ----------
    returns : percent returns. var : value at risk. tail : the probability it was made for.
    exact : sum the binomial probabilities of all counts whose LR is as large; else :math:`\chi^2(1)`.

    Returns
    -------
    TestResult : ``detail`` holds the exceedances, the number expected, and both p-values.
    """
    check_tail(tail)
    hits = exceedances(returns, var).to_numpy(bool)
    nobs, count = hits.size, int(hits.sum())
    every = np.arange(nobs + 1)
    ratio = _coverage_ratio(every, nobs, tail)
    statistic = float(ratio[count])
    chi2 = float(stats.chi2.sf(statistic, 1))
    law = stats.binom.pmf(every, nobs, tail)
    sharp = min(1.0, float(law[ratio >= statistic - 1e-9 * (1.0 + statistic)].sum()))
    return TestResult(
        "Kupiec, unconditional coverage",
        f"losses exceed the value at risk with probability {tail:g}",
        statistic,
        sharp if exact else chi2,
        f"binomial({nobs}, {tail:g}), exact" if exact else "chi2(1)",
        {
            "exceedances": count,
            "expected": tail * nobs,
            "share": count / nobs,
            "exact p-value": sharp,
            "chi2 p-value": chi2,
        },
    )


def christoffersen_test(
    returns: pd.Series,
    var: pd.Series,
    *,
    tail: float,
    kind: str = "conditional",
    draws: int = 999,
    rng: int | np.random.Generator = 0,
) -> TestResult:
    r"""Do exceedances come alone (and as often as they should)? (Christoffersen 1998).

    Exceedances as a first-order Markov chain with :math:`\pi_{01},\pi_{11}` the probability of one after none and after
    one, conditional on the first date. "independence" tests :math:`\pi_{01}=\pi_{11}`, "conditional" coverage
    tests :math:`\pi_{01}=\pi_{11}=\alpha`.

    Parameters
    ----------
    returns : percent returns. var : value at risk. tail : the probability it was made for.
    kind : "conditional" or "independence".
    draws : of the finite-sample law; 0 for :math:`\chi^2`. For "conditional" independent exceedances with probability
        ``tail`` are drawn; for "independence" their dates are shuffled, their number kept, which makes the test
        exact whatever the probability. Statistics are discrete and ties count against the null being rejected.
    rng : seed or generator of the draws.

    Returns
    -------
    TestResult : without a p-value, and with the reason, when there are fewer than two exceedances to come in pairs.
    """
    check_tail(tail)
    check_option("kind", kind, ("conditional", "independence"))
    if draws != 0 and draws < FEWEST:
        raise SpecError(f"draws={draws}: take 0 (chi2) or at least {FEWEST}.")
    hits = exceedances(returns, var).to_numpy(bool)
    nobs, count = hits.size, int(hits.sum())
    if nobs < 2:
        raise DataError(f"a test of dependence needs two dates; there are {nobs}.")
    statistic = float(_markov_ratio(hits[None, :], tail, kind)[0])
    pairs = int(np.sum(hits[1:] & hits[:-1]))
    df = 2 if kind == "conditional" else 1
    chi2 = float(stats.chi2.sf(statistic, df))
    name = "Christoffersen, " + ("conditional coverage" if kind == "conditional" else "independence")
    null = (
        f"losses exceed the value at risk with probability {tail:g}, whatever the day before"
        if kind == "conditional"
        else "an exceedance is as likely after an exceedance as after none"
    )
    detail: dict[str, float] = {
        "exceedances": count,
        "expected": tail * nobs,
        "exceedances in a row": pairs,
        "chi2 p-value": chi2,
    }
    if kind == "independence" and not 2 <= count <= nobs - 2:
        reason = f"{count} exceedances on {nobs} dates cannot show whether they come in pairs."
        return TestResult(name, null, statistic, math.nan, "none", detail, reason)
    if draws == 0:
        return TestResult(name, null, statistic, chi2, f"chi2({df})", detail)
    generator = np.random.default_rng(rng)
    law = np.empty(draws)
    step = max(1, 2_000_000 // nobs)
    for first in range(0, draws, step):
        size = min(step, draws - first)
        if kind == "conditional":
            drawn = generator.random((size, nobs)) < tail
        else:
            drawn = generator.permuted(np.tile(hits, (size, 1)), axis=1)
        law[first : first + size] = _markov_ratio(drawn, tail, kind)
    p = pvalue(statistic - 1e-9 * (1.0 + abs(statistic)), law)
    words = f"{draws} draws of independent exceedances" if kind == "conditional" else f"{draws} shuffles of the dates"
    return TestResult(name, null, statistic, p, words, {**detail, "null": law})


def acerbi_szekely_test(
    returns: pd.Series,
    var: pd.Series,
    es: pd.Series,
    *,
    tail: float,
    nu: float | None = None,
    draws: int = 999,
    rng: int | np.random.Generator = 0,
) -> TestResult:
    r"""Joint test of frequency and size: are losses beyond the value at risk what expected shortfall says.

    The second statistic of Acerbi & Szekely (2014),

    .. math:: Z=1+\frac1{T\alpha}\sum_t\frac{r_tI_t}{\mathrm{ES}_t},

    zero in expectation when both series are right, negative when risk is understated (-0.7 is about the 5 % point at
    a tail of 2.5 % and 250 dates). The p-value is one-sided, from returns drawn under the model: VaR and ES of one
    date determine mean and volatility of a normal law, or of a t with ``nu`` degrees of freedom, and
    :math:`r_t^*` follows it. For VaR and ES made by another law (filtered simulation) that is a stand-in with
    the same two numbers; `mcneil_frey_test` needs none.

    Parameters
    ----------
    returns : percent returns. var, es : value at risk and expected shortfall, on the same dates.
    tail : their probability.
    nu : degrees of freedom behind them, None for the normal. draws : of the null. rng : seed or generator.

    Raises
    ------
    DataError : dates that do not match, or an expected shortfall that is not positive and above the value at risk.
    """
    check_tail(tail)
    if draws < FEWEST:
        raise SpecError(f"draws={draws}: take at least {FEWEST}.")
    own, q, k = _with_shortfall(returns, var, es)
    if not np.all(k > 0.0):
        t = int(np.argmin(k))
        raise DataError(f"the expected shortfall at {es.index[t]} is {k[t]:.6g}; Z divides by it, it must be positive.")
    quantile, below = tail_moments(tail, nu)
    # VaR = -m - s quantile, ES = -m - s below
    s = (k - q) / (quantile - below)
    m = -q - s * quantile

    def z2(r: Array) -> Array:
        ratio: Array = 1.0 + np.sum(np.where(r < -q, r, 0.0) / k, axis=-1) / (r.shape[-1] * tail)
        return ratio

    statistic = float(z2(own))
    generator = np.random.default_rng(rng)
    law = np.empty(draws)
    step = max(1, 1_000_000 // own.size)
    for first in range(0, draws, step):
        shape = (min(step, draws - first), own.size)
        if nu is None:
            shocks = generator.standard_normal(shape)
        else:
            shocks = generator.standard_t(nu, shape) * math.sqrt((nu - 2.0) / nu)
        law[first : first + shape[0]] = z2(m + s * shocks)
    return TestResult(
        "Acerbi and Szekely, Z2",
        f"losses beyond the {tail:g} value at risk are as frequent and as large as the expected shortfall says",
        statistic,
        pvalue(statistic, law, "lower"),
        f"{draws} draws of {'normal' if nu is None else f't({nu:g})'} returns with these VaR and ES; lower tail",
        {"exceedances": int(np.sum(own < -q)), "expected": tail * own.size, "null": law},
    )


def mcneil_frey_test(
    returns: pd.Series,
    var: pd.Series,
    es: pd.Series,
    *,
    volatility: pd.Series | None = None,
    draws: int = 999,
    rng: int | np.random.Generator = 0,
) -> TestResult:
    r"""On days of exceedance, is the mean loss beyond expected shortfall zero? (McNeil & Frey 2000).

    Residuals :math:`y_t=(-r_t-\mathrm{ES}_t)/s_t` of the days with :math:`I_t=1` have mean zero when ES is right,
    and a positive mean when it is too small. The t-ratio of their mean is compared, one-sided, with that of
    resamples of the recentred residuals, which assumes no density but is only approximate when exceedances are ten
    or so.

    Parameters
    ----------
    returns : percent returns. var, es : value at risk and expected shortfall, on the same dates.
    volatility : :math:`s_t`, of the portfolio on these dates; by default the expected shortfall itself.
    draws : resamples. rng : seed or generator.

    Returns
    -------
    TestResult : without a p-value, and with the reason, when fewer than five days exceed.
    """
    if draws < FEWEST:
        raise SpecError(f"draws={draws}: take at least {FEWEST}.")
    own, q, k = _with_shortfall(returns, var, es)
    scale = k
    if volatility is not None:
        scale = _aligned(volatility, var, what="volatility")
    if not np.all(scale > 0.0):
        t = int(np.argmin(scale))
        raise DataError(f"the scale of the residual at {var.index[t]} is {scale[t]:.6g}; it must be positive.")
    y = ((-own - k) / scale)[own < -q]
    name = "McNeil and Frey, exceedance residuals"
    null = "on days of exceedance the expected loss is the expected shortfall"
    detail: dict[str, object] = {"exceedances": y.size, "mean residual": float(y.mean()) if y.size else math.nan}
    if y.size < 5 or not y.std() > 0.0:
        reason = f"{y.size} exceedances are too few to resample; five that differ are needed."
        return TestResult(name, null, math.nan, math.nan, "none", detail, reason)

    def ratio(sample: Array) -> Array:
        spread = sample.std(axis=-1, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            out: Array = math.sqrt(sample.shape[-1]) * sample.mean(axis=-1) / spread
        return out

    statistic = float(ratio(y))
    generator = np.random.default_rng(rng)
    drawn = (y - y.mean())[generator.integers(0, y.size, (draws, y.size))]
    law = ratio(drawn)  # a resample of one residual alone has no ratio and is left out of the p-value
    return TestResult(
        name,
        null,
        statistic,
        pvalue(statistic, law),
        f"{draws} resamples of the recentred residuals; upper tail",
        {**detail, "null": law},
    )


def _coverage_ratio(count: npt.NDArray[np.int64], nobs: int, tail: float) -> Array:
    """Kupiec's LR for counts of exceedances, any shape."""
    share = count / nobs
    own = special.xlogy(count, share) + special.xlog1py(nobs - count, -share)
    null = count * math.log(tail) + (nobs - count) * math.log1p(-tail)
    return np.asarray(2.0 * (own - null), float)


def _markov_ratio(hits: Flags, tail: float, kind: str) -> Array:
    """Christoffersen's LR for rows of exceedances (B, T), conditional on the first date."""
    before, after = hits[:, :-1], hits[:, 1:]
    n11 = np.sum(before & after, axis=1)
    n01 = np.sum(~before & after, axis=1)
    n1, n0 = np.sum(before, axis=1), np.sum(~before, axis=1)

    def fit(x: npt.NDArray[np.int64], n: npt.NDArray[np.int64]) -> Array:
        share = x / np.maximum(n, 1)
        return np.asarray(special.xlogy(x, share) + special.xlog1py(n - x, -share), float)

    chain = fit(n01, n0) + fit(n11, n1)
    total = n01 + n11
    nobs = hits.shape[1] - 1
    if kind == "independence":
        null = fit(total, np.full_like(total, nobs))
    else:
        null = total * math.log(tail) + (nobs - total) * math.log1p(-tail)
    return np.asarray(2.0 * (chain - null), float)


def _with_shortfall(returns: pd.Series, var: pd.Series, es: pd.Series) -> tuple[Array, Array, Array]:
    if not es.index.equals(var.index):
        raise DataError(
            f"expected shortfall ({len(es)} dates) and value at risk ({len(var)}) must have the same dates; make both "
            "with the same window."
        )
    own = _aligned(returns, var)
    k = _aligned(es, var, what="expected shortfall")
    q = var.to_numpy(float)
    if not np.all(k > q):
        t = int(np.argmin(k - q))
        raise DataError(
            f"at {es.index[t]} the expected shortfall {k[t]:.6g} does not exceed the value at risk {q[t]:.6g}; both "
            "are positive for losses and of the same tail."
        )
    return own, q, k


def _aligned(series: pd.Series, var: pd.Series, what: str = "returns") -> Array:
    """Values of ``series`` on the dates of ``var``."""
    if len(var) == 0:
        raise DataError("the value at risk has no dates.")
    if not var.index.is_unique or not series.index.is_unique:
        raise DataError(f"the dates of the value at risk and of the {what} must not repeat.")
    missing = var.index.difference(series.index)
    if len(missing):
        raise DataError(f"the {what} lack {len(missing)} dates of the value at risk, the first {missing[0]}.")
    out = series.loc[var.index].to_numpy(float)
    for name, values in ((what, out), ("value at risk", var.to_numpy(float))):
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise DataError(f"the {name} at {var.index[bad[0]]} is {values[bad[0]]}; {bad.size} dates have no number.")
    return out
