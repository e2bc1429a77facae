r"""How many regimes: likelihood ratios whose law is simulated.

.. math:: LR=2(\hat\ell_{k_1}-\hat\ell_{k_0}),\qquad \hat p=\frac{1+\#\{LR_b\ge LR\}}{1+B}

Under the null of :math:`k_0` regimes the transition probabilities of the regimes that do not exist are not identified
and the score in their direction vanishes: no :math:`\chi^2` holds. The law is that of the fitted null, drawn and fitted
again. Theory and measured sizes: the page "The number of regimes".
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import ConvergenceError, ConvergenceWarning, CryptoEquityWarning, DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.bootstrap import pvalue as bootstrap_pvalue
from ..estimation.optimize import Optimum
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import Drawn, TestResult
from ..volatility import Margins, fit_margins
from ..volatility.margins import residual_arrays
from .covariance import MarkovCovariance
from .emission import Emission, Integers
from .fit import RegimeFit
from .one_regime import OneRegime, place
from .ratio_draws import Match, NullDraw
from .rsdc import RSDC
from .spec import RegimeSpec, check_columns, regime_covariance

__all__ = ["RegimeNumberTest", "densities_of", "regime_number_test"]

METHODS = ("mc", "mmc")
FEWEST = 19  # draws, the fewest that can reach 5 %
KEYS = ("rodriguezrondondufour2024", "dufour2006", "quzhuo2021")


@dataclass(frozen=True, eq=False)
class RegimeNumberTest(TestResult, Drawn):
    """Outcome of `regime_number_test`.

    Attributes
    ----------
    fit : the model with more regimes, None where it has no sound fit. null_fit : the model with fewer, None for one.
    null_params : parameters of the null.
    draws : likelihood ratios under the null, at the estimates or, for "mmc", where the p-value is largest.
    search : points of the confidence set ("mmc" only): p-value and parameters, one row a point.
    """

    fit: RegimeFit | None = field(default=None, repr=False)
    null_fit: RegimeFit | None = field(default=None, repr=False)
    null_params: pd.Series = field(default_factory=lambda: pd.Series(dtype=float), repr=False)
    draws: Array = field(default_factory=lambda: np.empty(0), repr=False)
    search: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    def critical_value(self, level: float = 0.05) -> float:
        """Upper quantile of the draws."""
        return float(np.quantile(self.draws[np.isfinite(self.draws)], 1.0 - level))

    def to_frame(self) -> pd.DataFrame:
        """Statistic, quantiles of its law and p-value."""
        rows = {"statistic": self.statistic, "pvalue": self.pvalue}
        rows |= {f"quantile {level:.0%}": self.critical_value(1.0 - level) for level in (0.9, 0.95, 0.99)}
        return pd.DataFrame({"value": rows})

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation(*KEYS)


def regime_number_test(
    data: Any,
    spec: RegimeSpec,
    null_k: int | None = None,
    *,
    method: str = "mc",
    draws: int = 99,
    starts: int = 10,
    points: int = 10,
    set_level: float = 0.99,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
    **options: Any,
) -> RegimeNumberTest:
    r"""Monte-Carlo likelihood-ratio test of fewer regimes (``null_k``) against ``spec.k``.

    Every draw from the null is fitted like the sample: same starts, same treatment of degenerate solutions. The search
    of an over-fitted model does not always find the highest peak, and the law of the ratio of what it finds is the one
    the sample's ratio is compared with.

    Parameters
    ----------
    data, spec : what ``spec.fit`` takes: returns and ``MarkovCovariance(k=2)``, margins and ``RSDC(k=2)``.
    null_k : regimes of the null, ``spec.k - 1`` by default; one regime is the plain model.
    method : "mc", draws at the estimates of the null (a parametric bootstrap, valid as T grows); "mmc", the largest
        p-value over a confidence set of the null's parameters (Dufour 2006).
    draws : B; 99 are enough for a decision at 5 %. starts : of every search, on the sample and on every draw.
    points, set_level : of "mmc": points searched, and level of the confidence set. The p-value is valid for a level of
        ``1 - set_level`` more, and a finite search finds the largest one from below.
    rng, n_jobs : seed and workers; the numbers do not depend on the workers.
    options : passed to ``spec.fit``, e.g. ``margins=`` for `RSDC` on returns.

    Returns
    -------
    RegimeNumberTest : ``detail`` counts searches that were repeated and draws in which they did not help.

    Notes
    -----
    **The null is that the densities of the regimes are right.** Anything the densities miss is filled by further
    regimes. Rejections at 5 %, measured at T = 500 (``benchmarks/regime_number.py``), one regime against two:
    independent normal returns 3.7 % (mean and variance, 300 samples) and 2.5 % (mean, 200); correlation of independent
    residuals 9.0 % (200 samples, two Monte-Carlo errors are 4.4 points); variances that switch (1 to 4) 98 %;
    **GARCH(.08, .90) returns without any regime, 95 %** (60 samples each). Do not use the test to prove regimes of the
    variance of returns: test the correlations of GARCH residuals (`RSDC`) with ``dist="t"``. A break in variance is a
    regime to it, one that is never left. Draws for `RSDC` are of residuals; the margins are not fitted again.

    Raises
    ------
    ConvergenceError : the null has no sound fit on the sample, or a variance of the alternative collapses.
    DataError : data that cannot be used. SpecError : drivers, or a null without fewer regimes.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cryptoequity.regimes import MarkovCovariance
    >>> from cryptoequity.regimes.number import regime_number_test
    >>> noise = np.random.default_rng(0).standard_normal(300)
    >>> noise[100:180] *= 4.0
    >>> test = regime_number_test(pd.Series(noise, name="x"), MarkovCovariance(k=2), draws=19, starts=3)
    >>> test.pvalue
    0.05
    """
    check_option("method", method, METHODS)
    narrow = _check(spec, null_k, draws, starts, points, set_level, options)
    generator = np.random.default_rng(rng)
    fit, emission, held = densities_of(data, spec, starts, generator, options)
    match = Match(emission, narrow, spec.k, starts, str(spec.initial))
    found = match.ratio(match._data(), generator)
    if found.regimes < narrow:
        raise ConvergenceError(
            f"the null of {narrow} regimes has no sound fit on the sample: {found.regimes} are enough; test null_k="
            f"{found.regimes} first."
        )
    if "collapses" in found.reason:
        # an empty regime says that the null is enough; a variance of nothing says that the data are not what they seem
        raise ConvergenceError(
            f"{spec.k} regimes: {found.reason} Look for values that hardly move (filled closes, rounded prices) and "
            "leave them out, or let the volatility be common."
        )
    null_fit = None
    if narrow > 1:
        null_fit = _quiet_fit(held, replace(spec, k=narrow), starts, generator, options)  # type: ignore[type-var]
    lik = OneRegime(place(emission, match._data(), 1)) if narrow == 1 else match.likelihood(match._data(), narrow)
    seeds = spawn(generator, draws)
    names = list(lik.layout.names)
    centers = [found.null.theta]
    rows: list[tuple[float, Array, Array]] = []
    counts = np.zeros(2, int)

    def law_at(theta: Array) -> None:
        drawn = map_draws(NullDraw(match, theta), seeds, n_jobs=n_jobs)
        law = np.array([one[0] for one in drawn])
        counts[:] += (sum(one[1] > 1 for one in drawn), sum(one[2] for one in drawn))
        rows.append((bootstrap_pvalue(found.value, law), law, theta))

    law_at(found.null.theta)
    if method == "mmc":
        cloud = _ConfidenceSet.of(lik, found.null, set_level)
        for n in range(points - 1):
            best = max(rows, key=lambda row: row[0])[2]
            centers.append(cloud.draw(generator, None if n < points // 2 else best))
            law_at(centers[-1])
    value, law, _ = max(rows, key=lambda row: row[0])
    width = place(emission, match._data(), spec.k)
    extra = sum(len(b.names) for b in width.blocks()) + spec.k * (spec.k - 1) - lik.layout.size
    detail: dict[str, Any] = {
        "null regimes": narrow,
        "regimes": spec.k,
        "loglik, null": found.null.loglik,
        "loglik, alternative": found.null.loglik + 0.5 * found.value,
        "draws": draws,
        "starts": starts,
        "draws searched again": int(counts[0]),
        "draws with no sound alternative (ratio 0)": int(counts[1]),
        "invalid chi-squared p-value, for comparison": float(stats.chi2.sf(found.value, extra)),
    }
    if method == "mmc":
        detail |= {"points": points, "level of the set": set_level, "p-value at the estimates": rows[0][0]}
    search = pd.DataFrame([row[2] for row in rows], columns=names)
    search.insert(0, "pvalue", [row[0] for row in rows])
    return RegimeNumberTest(
        f"{'Maximized ' if method == 'mmc' else ''}Monte-Carlo likelihood-ratio test of the number of regimes",
        f"{narrow} regime{'s' if narrow > 1 else ''}, not {spec.k}; {spec.name}.",
        found.value,
        value,
        f"{draws} draws from the fitted null" + (f", largest of {points} points" if method == "mmc" else ""),
        detail,
        "",
        fit,
        null_fit,
        pd.Series(found.null.theta, names, name="null"),
        law,
        search if method == "mmc" else pd.DataFrame(),
    )


def _check(
    spec: RegimeSpec,
    null_k: int | None,
    draws: int,
    starts: int,
    points: int,
    set_level: float,
    options: dict[str, Any],
) -> int:
    if not isinstance(spec, RegimeSpec):
        raise SpecError(f"spec={spec!r}: a regime specification such as MarkovCovariance(k=2).")
    narrow = spec.k - 1 if null_k is None else null_k
    if not isinstance(narrow, int | np.integer) or isinstance(narrow, bool) or not 1 <= narrow < spec.k:
        raise SpecError(f"null_k={null_k!r}: between 1 and {spec.k - 1}, fewer than the {spec.k} regimes of spec.")
    for name, number, least in (("draws", draws, FEWEST), ("starts", starts, 1), ("points", points, 2)):
        if not isinstance(number, int) or isinstance(number, bool) or number < least:
            raise SpecError(f"{name}={number!r}: a whole number of at least {least}.")
    if not 0.5 <= set_level < 1.0:
        raise SpecError(f"set_level={set_level!r}: between .5 and 1.")
    if options.get("drivers") is not None:
        raise SpecError("drivers: the number of regimes is tested with constant probabilities; drop drivers=.")
    if not isinstance(spec.initial, str):
        raise SpecError(f"initial={spec.initial!r}: probabilities belong to one k; use 'ergodic' or 'uniform'.")
    return int(narrow)


def densities_of(
    data: Any, spec: RegimeSpec, starts: int, rng: np.random.Generator, options: dict[str, Any]
) -> tuple[RegimeFit | None, Emission, Any]:
    """The fit where there is a sound one, the densities on the data, and the data (margins for `RSDC`)."""
    held = data
    emission: Emission | None = None
    if isinstance(spec, RSDC):
        if not isinstance(data, Margins):
            frame = check_columns(data, what="returns", min_obs=250)
            held = fit_margins(frame, options.pop("margins", None))
        options.pop("margins", None)
        if len(held.names) < 2:
            raise DataError(f"a correlation needs two columns; there is only {held.names[0]!r}.")
        emission = spec.emission(residual_arrays(held)[0], held.names)
    elif isinstance(spec, MarkovCovariance):
        frame = check_columns(data, what="returns")
        emission = spec.emission(frame.to_numpy(float), tuple(map(str, frame.columns)))
    try:
        fit = _quiet_fit(held, spec, starts, rng, options)
    except ConvergenceError:
        if emission is None:
            raise
        return None, emission, held
    return fit, emission if emission is not None else fit.emission, held


def _quiet_fit(
    data: Any, spec: RegimeSpec, starts: int, rng: np.random.Generator, options: dict[str, Any]
) -> RegimeFit:
    """Fit without remarks on bounds, which an over-fitted model cannot but reach."""
    cov_type = "classic" if isinstance(spec, RSDC) else "none"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptoEquityWarning)
        fit: RegimeFit = spec.fit(data, starts=starts, rng=rng, **{"cov_type": cov_type, **options})
    if not fit.converged:
        warnings.warn(f"{spec.name}: {fit.optimum.reason if fit.optimum else ''}", ConvergenceWarning, stacklevel=4)
    return fit


@dataclass(frozen=True, eq=False)
class _ConfidenceSet:
    """Ellipsoid of the null's parameters; those without a standard error stay where they are."""

    center: Array
    root: Array
    free: Integers
    box: Any

    @classmethod
    def of(cls, lik: Any, optimum: Optimum, level: float) -> _ConfidenceSet:
        """Set of ``level`` around the estimates, from the inverse Hessian."""
        cov = regime_covariance(lik, optimum, "classic", None)[0]
        free = np.flatnonzero(np.isfinite(np.diag(cov)))
        values, vectors = np.linalg.eigh(cov[np.ix_(free, free)])
        radius = np.sqrt(stats.chi2.ppf(level, max(1, free.size)))
        return cls(optimum.theta, radius * vectors * np.sqrt(np.maximum(values, 0.0)), free, lik.layout)

    def draw(self, rng: np.random.Generator, near: Array | None) -> Array:
        """A point, uniform in the set, or in the half of it around ``near``; within the parameters' bounds."""
        size = self.free.size
        ball = rng.standard_normal(size)
        ball *= rng.random() ** (1.0 / max(1, size)) / np.linalg.norm(ball) if size else 1.0
        out = self.center.copy()
        step = self.root @ ball
        # the mean of two points of a convex set is in it
        out[self.free] += step if near is None else 0.5 * step + 0.5 * (near - self.center)[self.free]
        inside: Array = self.box.natural(np.clip(self.box.box(out), self.box.lower, self.box.upper))
        return inside
