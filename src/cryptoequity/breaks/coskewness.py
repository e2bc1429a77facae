r"""Fry, Martin and Tang's test of contagion: coskewness between a calm and a crisis window.

Theory and measured sizes: the page "Contagion".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..correlation import CCC, CorrelationSpec
from ..correlation.bootstrap import null_draws
from ..errors import DataError, SpecError, check_option
from ..estimation.bootstrap import FEWEST
from ..estimation.bootstrap import pvalue as bootstrap_pvalue
from ..estimation.long_run import LongRun
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..volatility import EGARCH, GARCH, fit_margins
from .contagion import KINDS
from .contagion_moments import adjusted_correlation, drawn_critical, standardize, warn_dated
from .contagion_null import Windows, block_length, read_windows
from .limits import LEVELS
from .results import BreakTest
from .sample import read_pair

__all__ = ["coskewness", "fry_martin_tang_test"]

_ROBUST = (
    "Measured at 5 % for a calm of 800 and a crisis of 100 observations, robust form of residuals: garch 4–6 % "
    "and block 4–7 % under GARCH margins, normal or t(5); asymptotic 7–13 %. The published law rejected 40–65 % "
    "of true nulls with t(5) shocks, whose coskewness has no variance. The coskewness of the sample as a whole is "
    "part of the null of 'fhs', not of that of 'parametric'."
)


def fry_martin_tang_test(
    source: Any,
    target: Any,
    crisis: tuple[Any, Any] | Any,
    calm: tuple[Any, Any] | Any = None,
    *,
    moment: str = "CS12",
    of: str = "residuals",
    robust: bool = True,
    pvalue: str = "garch",
    margin: GARCH | EGARCH | None = None,
    dependence: CorrelationSpec | None = None,
    shocks: str = "fhs",
    draws: int = 499,
    block: int | None = None,
    dated_from_data: bool = False,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> BreakTest:
    r"""Fry, Martin and Tang's (2010) test of contagion through coskewness.

    Contagion may leave the correlation alone and tie the level of one return to the volatility of the other. With
    returns standardized in each window, :math:`\hat\psi(m,n)=\frac1T\sum z_{1t}^mz_{2t}^n`, 1 the source,

    .. math:: CS_{12}=\frac{\{\hat\psi_C(1,2)-\hat\psi_T(1,2)\}^2}{\hat v_C/T_C+\hat v_T/T_T}\;\sim\;\chi^2(1),

    and :math:`CS_{21}` with :math:`\hat\psi(2,1)`. ``robust=False`` is the published form,
    :math:`v=4\rho^2+2`, the variance for independent normal pairs, with Forbes and Rigobon's :math:`\rho^*` in the
    crisis. ``robust=True`` takes :math:`v` from the influence of each observation, Bartlett weights: for
    :math:`CS_{12}`

    .. math:: z_1z_2^2-\psi-\tfrac\psi2(z_1^2-1)-\psi(z_2^2-1)-z_1-2\rho z_2 .

    The statistic is computed on the standardized residuals of a GARCH of each return (``of="residuals"``), whose
    volatility no longer clusters, or on the returns themselves.

    Parameters
    ----------
    source, target : percent returns with the same rows.
    crisis, calm : as in `forbes_rigobon_test`, no rule.
    moment : "CS12", the source's return with the target's square, or "CS21", the source's square with the target.
    of : "residuals" or "returns". robust : see above.
    pvalue : how. "garch": samples of the margins and ``dependence``, margins fitted again in each, the statistic on
        their residuals (``of="residuals"`` only). "block": standardized pairs of both windows together, in circular
        blocks, dealt to the windows anew. "asymptotic": chi-squared.
    margin : `GARCH` or `EGARCH` of both returns; GARCH(1,1) by default. dependence : correlation model of the null,
        `CCC` by default, e.g. `DCC`. shocks : "fhs" (resampled in rows, with the coskewness of the whole sample) or
        "parametric" (none).
    draws : samples. block : length of blocks; by default the cube root of the rows in the windows.
    dated_from_data, rng, n_jobs : as in `forbes_rigobon_test`.

    Returns
    -------
    BreakTest : ``detail`` holds the coskewness of both windows, the signed root of the statistic and the asymptotic
        p-value of both forms.

    Notes
    -----
    Size at 5 %, measured with a calm of 800 and a crisis of 100 observations, correlation .4, CS12 of residuals,
    robust and published form. ``"garch"`` over 100 samples (two standard errors: 4.4): 6 and 4 % with GARCH(.08,
    .90) normal margins, 4 and 6 % with GARCH(.12, .87) t(5). ``"block"`` over 150 samples (3.6): 4.0 and 6.7 % with
    GARCH normal, 6.7 and 8.0 % with GARCH t(5), 4.7 and 8.0 % with independent t(5), 4.0 and 14.7 % where both
    standard deviations double in the crisis. ``"asymptotic"`` over 200 samples (3.1): 7.0 and 4.5 %, 12.5 and 45 %,
    7.0 and 40 %, 9.0 and 48.5 %, and 8.0 and 64.5 % where they double for the second half of a sample of 1000. Do
    not read the published law for daily returns: a joint t(5) has no sixth moment, and coskewness no variance.

    Raises
    ------
    DataError : windows that overlap or are too short, constant series. SpecError : an unknown choice;
        ``pvalue="garch"`` of returns.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> crisis = (returns.index[-200], returns.index[-101])
    >>> test = ce.fry_martin_tang_test(returns["COIN"], returns["SMALL_TECH"], crisis, pvalue="block", draws=99)
    >>> test.reference
    '99 samples of blocks of 14 pairs, windows dealt anew'
    """
    check_option("moment", moment, ("CS12", "CS21"))
    check_option("of", of, ("residuals", "returns"))
    check_option("pvalue", pvalue, KINDS)
    if of == "returns" and pvalue == "garch":
        raise SpecError("pvalue='garch' draws residuals: use of='residuals', or pvalue='block' for returns.")
    if of == "returns" and (margin is not None or dependence is not None):
        raise SpecError("margin= and dependence= are of the residuals; leave them out with of='returns'.")
    if callable(crisis):
        raise SpecError("crisis= must be dates or a mask here; a rule is for forbes_rigobon_test(pvalue='garch').")
    x, y = read_pair(source, target)
    warn_dated(dated_from_data, pvalue, None)
    windows = read_windows(x.index, crisis, calm)  # before any margin is fitted
    fit = None
    if of == "residuals":
        one, two = (x.name, y.name) if x.name != y.name else ("source", "target")
        margins = fit_margins(pd.DataFrame({one: x.values, two: y.values}, x.index), margin or GARCH())
        z, index = margins.std_resid.to_numpy(float), margins.std_resid.index
        if pvalue == "garch":
            fit = (dependence or CCC()).fit(margins)
        if len(index) < x.nobs:  # lags of the margins are held back
            held = x.nobs - len(index)
            crisis = crisis[held:] if _is_array_mask(crisis) else crisis
            calm = calm[held:] if _is_array_mask(calm) else calm
            windows = read_windows(index, crisis, calm)
    else:
        z, index = np.stack([x.values, y.values], axis=1), x.index
    statistic = _Coskewness(windows, moment, robust)
    root, detail = statistic.full(z)
    value = root * root
    null = None
    reason = ""
    if pvalue == "asymptotic":
        p, reference = float(stats.chi2.sf(value, 1)), "chi2(1)"
    elif pvalue == "block":
        used = np.union1d(windows.calm, windows.crisis)
        length = block_length(block, used.size, windows)
        null = _pooled(z, windows, statistic, length, draws, rng, n_jobs)
        reference = f"{draws} samples of blocks of {length} pairs, windows dealt anew"
    else:
        if fit is None:
            raise SpecError("pvalue='garch' needs a fitted null.")
        drawn = null_draws(fit, statistic, draws, rng, n_jobs, shocks)
        null, reference = drawn.values["statistic"], drawn.reference
    if null is not None:
        p = bootstrap_pvalue(value, null)
        failed = int((~np.isfinite(null)).sum())
        reason = f"{failed} of {draws} samples gave no statistic." if failed else ""
    critical = (
        {level: float(stats.chi2.isf(level, 1)) for level in LEVELS}
        if null is None
        else drawn_critical(null, "greater")
    )
    power = (
        "return of the source with the square of the target"
        if moment == "CS12"
        else ("square of the source with the return of the target")
    )
    return BreakTest(
        f"Fry–Martin–Tang test of contagion, {moment}",
        f"the coskewness of the {power} is the same in the crisis as in the calm.",
        value,
        p,
        reference,
        detail,
        reason,
        alternative="the coskewness of the crisis is another.",
        critical_values=critical,
        nobs=windows.calm.size + windows.crisis.size,
        options={
            "windows": windows.between(index),
            "moment": moment,
            "of": of,
            "robust": robust,
            "pvalue": pvalue,
            "draws": draws if pvalue != "asymptotic" else 0,
            "dated_from_data": dated_from_data,
        },
        robustness=_ROBUST,
        keys=("frymartintang2010",),
    )


def _is_array_mask(given: Any) -> bool:
    return given is not None and not isinstance(given, tuple | pd.Series)


@dataclass(frozen=True, eq=False)
class _Coskewness:
    """The statistic as a picklable function of pairs (T, 2)."""

    windows: Windows
    moment: str
    robust: bool

    def __call__(self, z: Array, *_: Any) -> float:
        return self.full(z)[0] ** 2

    def full(self, z: Array) -> tuple[float, dict[str, Any]]:
        """Signed root of the statistic, and what it is made of."""
        sides = []
        for rows, what in ((self.windows.calm, "calm"), (self.windows.crisis, "crisis")):
            for column, name in enumerate(("source", "target")):
                if not float(np.ptp(z[rows, column])) > 0.0:
                    raise DataError(f"the {name} is constant over the {what}; it has no coskewness.")
            sides.append(coskewness(z[rows, 0], z[rows, 1], self.moment))
        early, calm_noise, calm_rho, calm_var = sides[0]
        late, crisis_noise, rho, crisis_var = sides[1]
        star = float(adjusted_correlation(rho, crisis_var / calm_var - 1.0))
        sizes = self.windows.calm.size, self.windows.crisis.size
        robust = calm_noise / sizes[0] + crisis_noise / sizes[1]
        normal = (4.0 * calm_rho**2 + 2.0) / sizes[0] + (4.0 * star**2 + 2.0) / sizes[1]
        gap = late - early
        root = gap / np.sqrt(robust if self.robust else normal)
        return float(root), {
            "coskewness, calm": early,
            "coskewness, crisis": late,
            "correlation, calm": calm_rho,
            "correlation, crisis": rho,
            "adjusted correlation": star,
            "signed root": float(root),
            "asymptotic p-value, robust": float(stats.chi2.sf(gap**2 / robust, 1)),
            "asymptotic p-value, normal": float(stats.chi2.sf(gap**2 / normal, 1)),
        }


def coskewness(x: Array, y: Array, moment: str = "CS12") -> tuple[float, float, float, float]:
    """Coskewness of a window, the long-run variance of its noise, the correlation, and the variance of ``x``.

    Parameters
    ----------
    moment : "CS12" for the mean of z_x z_y^2, "CS21" for that of z_x^2 z_y.
    """
    zx, variance = standardize(x)
    zy, _ = standardize(y)
    level, square = (zx, zy) if moment == "CS12" else (zy, zx)
    rho = float(zx @ zy) / x.size
    psi = float(level @ square**2) / x.size
    influence = level * square**2 - psi - 0.5 * psi * (level**2 - 1.0) - psi * (square**2 - 1.0)
    influence = influence - level - 2.0 * rho * square
    return psi, float(LongRun("bartlett").covariance(influence[:, None])[0, 0]), rho, variance


@dataclass(frozen=True, eq=False)
class _Dealt:
    """Statistic of pairs of both windows in circular blocks, dealt to the windows; a picklable task."""

    pairs: Array = field(repr=False)
    statistic: _Coskewness
    block: int

    def __call__(self, seed: np.random.SeedSequence) -> float:
        nobs = len(self.pairs)
        starts = np.random.default_rng(seed).integers(0, nobs, -(-nobs // self.block))
        rows = (starts[:, None] + np.arange(self.block)).ravel()[:nobs] % nobs
        try:
            return self.statistic(self.pairs[rows])
        except DataError:
            return float("nan")


def _pooled(
    z: Array,
    windows: Windows,
    statistic: _Coskewness,
    block: int,
    draws: int,
    rng: int | np.random.Generator,
    n_jobs: int | None,
) -> Array:
    if not isinstance(draws, int | np.integer) or isinstance(draws, bool) or draws < FEWEST:
        raise SpecError(f"draws={draws!r}: at least {FEWEST} samples; with fewer no p-value reaches 5 %.")
    used = np.union1d(windows.calm, windows.crisis)
    level = z.copy()
    for rows in (windows.calm, windows.crisis):
        level[rows] = (z[rows] - z[rows].mean(axis=0)) / z[rows].std(axis=0)
    inner = Windows(np.searchsorted(used, windows.calm), np.searchsorted(used, windows.crisis))
    task = _Dealt(level[used], _Coskewness(inner, statistic.moment, statistic.robust), block)
    return np.array(map_draws(task, spawn(rng, int(draws)), n_jobs=n_jobs, label="null draws"), float)
