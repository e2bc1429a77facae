r"""Does a driver move the odds of changing regime? Likelihood ratio, Wald statistic, parametric bootstrap.

.. math:: p_{ij,t}\propto\exp(z_{t-1}'\delta_{ij}),\qquad H_0:\ \delta_{ij,r}=0\ \text{for the tested } (i,j,r)

Regimes exist under the null, whose parameters are all identified: unlike a test of the number of regimes this one is
regular, and the statistics are :math:`\chi^2` with as many degrees of freedom as coefficients are tested (Diebold, Lee
& Weinbach 1994; Filardo 1994). What is scarce are the transitions. Theory: the page "Driven regimes".
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import BoundaryWarning, ConvergenceError, ConvergenceWarning, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.bootstrap import pvalue as bootstrap_pvalue
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import Drawn, TestResult
from ..table import Table, format_number
from .effects import expected_transitions
from .fit import RegimeFit
from .likelihood import RegimeLikelihood
from .nested_chains import Contest, DrawnRatio, require_rebuild
from .rsdc import RSDCLikelihood
from .spec import RegimeSpec

__all__ = ["RegimeDriverTest", "regime_driver_test"]

METHODS = ("lr", "wald", "bootstrap")
FEWEST = 5.0  # expected transitions of a cell below which the chi-squared is not trusted
KEYS = ("diebold1994", "filardo1994", "hamilton1989")


# --- the result


@dataclass(frozen=True, eq=False)
class RegimeDriverTest(TestResult, Drawn):
    """Outcome of `regime_driver_test`.

    Attributes
    ----------
    fit, null_fit : the model with and without the tested drivers.
    coefficients : estimate, std_err, z and pvalue of every tested coefficient.
    by_transition : Wald statistic of each transition's tested coefficients, with df and pvalue.
    cells : expected transitions by cell of a driver, see `expected_transitions`.
    draws : statistics under the null, bootstrap only.
    """

    fit: RegimeFit | None = field(default=None, repr=False)
    null_fit: RegimeFit | None = field(default=None, repr=False)
    coefficients: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    by_transition: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    cells: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    draws: Array = field(default_factory=lambda: np.empty(0), repr=False)

    def to_frame(self) -> pd.DataFrame:
        """The tested coefficients."""
        return self.coefficients

    def summary(self) -> Table:
        """Return the test as a table."""
        plain = super().summary()
        rows = list(plain.rows)
        for name, row in self.coefficients.iterrows():
            rows.append(
                (str(name), f"{format_number(float(row['estimate']))} ({format_number(float(row['std_err']))})")
            )
        return Table(plain.title, plain.head, tuple(rows), (*plain.notes, "coefficients with standard errors"))

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation(*KEYS)


# --- the test


def regime_driver_test(
    data: Any,
    spec: RegimeSpec,
    drivers: pd.DataFrame | pd.Series,
    *,
    method: str = "lr",
    tested: Sequence[str] | None = None,
    transitions: Sequence[tuple[int, int]] | None = None,
    draws: int = 199,
    starts: int = 20,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
    **options: Any,
) -> RegimeDriverTest:
    r"""Test whether drivers move the odds of changing regime: :math:`\delta_{ij,r}=0`.

    Parameters
    ----------
    data, spec : what ``spec.fit`` takes, e.g. margins and ``RSDC()``, or returns and ``MarkovCovariance()``.
    drivers : (T, M) by date; lagged by ``spec.driver_lag``. They must be known before the date they act on.
    method : "lr" and "wald" on :math:`\chi^2`; "bootstrap" draws from the fitted null, fits both models to every
        draw, and compares likelihood ratios.
    tested : names of the drivers the null sets to zero; all by default. The others stay in both models.
    transitions : (from, to), numbered from 1, whose coefficients are tested; all by default.
    draws, starts, rng, n_jobs : of the bootstrap; of every search; seed; workers.
    options : passed on to ``spec.fit``; ``cov_type`` is "classic" here: sandwiches are too small with few transitions.

    Returns
    -------
    RegimeDriverTest : ``fit`` with the drivers, ``coefficients``, ``by_transition``, ``cells``.

    Notes
    -----
    **Robustness.** The test believes the densities by regime. The ratio takes those of the fit as true and, for
    residuals of margins, the margins as known. The effective sample is the number of transitions, not of days: a driver
    that is on in a few episodes meets a handful of them. Where a cell expects fewer than five, a warning says so; read
    then ``method="bootstrap"`` and `driver_interval`.

    The chi-squared is optimistic: with some twenty transitions either way (T = 1500, chances of staying .98 and .97)
    and a driver unrelated to them, true nulls are rejected at 5 % in 8.1 to 11.9 % of 160 samples by the ratio, 7.2 to
    14.4 % by the Wald statistic (up to 22 % with a robust covariance), 5.0 to 8.1 % by the bootstrap, over white noise,
    an AR(1) with .98 and 4 or 8 episodes as drivers (``benchmarks/regime_sizes.py``; standard error 1.7 %). Report the
    bootstrap where it matters.

    A driver computed from the same returns answers to the regime it is to drive, and no p-value here means anything for
    it; lag it, and prefer one from outside. Do not use it where regimes are a break that happened once, nor the
    chi-squared with a penalty: a penalized maximum has none.

    Raises
    ------
    SpecError : unknown names or transitions; an asymptotic p-value with a penalty.
    DataError : drivers that cannot be used.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> driver = pd.Series(np.sin(np.arange(len(returns)) / 50.0), returns.index, name="wave")
    >>> found = ce.regime_driver_test(returns, ce.MarkovCovariance(), driver, method="wald", starts=4)
    >>> found.reference
    'chi2(2)'
    """
    check_option("method", method, METHODS)
    if not isinstance(spec, RegimeSpec):
        raise SpecError(f"spec must be a regime specification such as RSDC(), not {type(spec).__name__}.")
    frame = drivers.to_frame(drivers.name or "driver") if isinstance(drivers, pd.Series) else drivers
    if not isinstance(frame, pd.DataFrame) or not frame.shape[1]:
        raise SpecError("drivers: pass a pandas Series or DataFrame indexed by date.")
    frame = frame.rename(columns=str)
    names = list(frame.columns) if tested is None else [str(name) for name in tested]
    unknown = [name for name in names if name not in frame.columns]
    if unknown or not names or isinstance(tested, str):
        raise SpecError(f"tested={tested!r}: a list of names among {list(frame.columns)}.")
    pairs = [(i, j) for i in range(1, spec.k + 1) for j in range(1, spec.k + 1) if i != j]
    wanted = pairs if transitions is None else [(int(i), int(j)) for i, j in transitions]
    if not wanted or any(pair not in pairs for pair in wanted):
        raise SpecError(f"transitions={transitions!r}: a list of (from, to) among {pairs}.")
    if method != "bootstrap" and np.isfinite(spec.penalty):
        raise SpecError(
            f"penalty={spec.penalty!r}: a penalized maximum has no chi-squared law; use method='bootstrap', or a "
            "specification without the penalty."
        )
    if method == "bootstrap" and (not isinstance(draws, int) or isinstance(draws, bool) or draws < 19):
        raise SpecError(f"draws={draws!r}: at least 19, the fewest that can reach 5 %.")
    generator = np.random.default_rng(rng)
    cov_type = options.pop("cov_type", "classic")
    rest = [name for name in frame.columns if name not in names]
    fits = []
    with warnings.catch_warnings():
        # one warning about all of it, below, says more than one a fit
        warnings.simplefilter("ignore", BoundaryWarning)
        for chosen in (rest, list(frame.columns)):
            moved = frame[chosen] if chosen else None
            own = spec.fit(data, drivers=moved, starts=starts, rng=generator, cov_type=cov_type, **options)
            fits.append(own)
    null_fit, fit = fits
    if method != "wald" and type(fit.likelihood) not in (RegimeLikelihood, RSDCLikelihood):
        raise SpecError(
            f"{spec.name} has a likelihood of its own, and its null cannot be climbed from here; use method='wald'."
        )
    if method == "bootstrap":
        require_rebuild(fit.emission)  # before the time is spent, not after
    held_names = [f"delta[{i},{j}].{name}" for i, j in wanted for name in names]
    coefficients = _coefficients(fit, held_names)
    cells = expected_transitions(fit)
    least = float(cells["expected"].min())
    if least < FEWEST:
        warnings.warn(
            f"{spec.name}: only {least:.1f} transitions are expected in one cell of a driver; its coefficient is all "
            "but unbounded. Use method='bootstrap', driver_interval, or a specification with penalty=.",
            BoundaryWarning,
            stacklevel=2,
        )
    detail: dict[str, Any] = {"df": len(held_names), "smallest expected transitions": least}
    title = (
        "Test of drivers of regime changes, "
        + {
            "lr": "likelihood ratio",
            "wald": "Wald",
            "bootstrap": "parametric bootstrap",
        }[method]
    )
    result = RegimeDriverTest(
        title,
        f"{', '.join(names)} do{'es' if len(names) == 1 else ''} not move the odds of changing regime.",
        float("nan"),
        float("nan"),
        f"chi2({len(held_names)})",
        detail,
        "",
        fit,
        null_fit,
        coefficients,
        _by_transition(fit, names),
        cells,
    )
    if method == "wald":
        value, reason = _wald(fit, held_names)
        chance = float(stats.chi2.sf(value, len(held_names)))
        return replace(result, statistic=value, pvalue=chance, reason=reason)
    contest = _contest(null_fit, fit, held_names, len(wanted) == len(pairs))
    value, restricted, top = contest.ratio(fit.emission, starts, generator, (null_fit.theta, fit.theta), known=True)
    gap = fit.likelihood.total(top) - fit.likelihood.total(fit.theta)
    if gap > 1e-3:
        warnings.warn(
            f"{spec.name}: the climb from the null lies {gap:.3f} above the fit with drivers, whose coefficients are "
            f"those of a lower peak; the ratio is of the highest. Use starts={4 * starts}.",
            ConvergenceWarning,
            stacklevel=2,
        )
    detail |= {
        "loglik, null": 0.5 * (2.0 * fit.likelihood.total(top) - value),
        "loglik, alternative": fit.likelihood.total(top),
    }
    if method == "lr":
        return replace(result, statistic=value, pvalue=float(stats.chi2.sf(value, len(held_names))), detail=detail)
    one = DrawnRatio(contest, fit.emission, restricted, max(2, starts // 4))
    law = np.array(map_draws(one, spawn(generator, draws), n_jobs=n_jobs))
    good = law[np.isfinite(law)]
    if good.size < 0.9 * draws:
        raise ConvergenceError(
            f"{draws - good.size} of {draws} draws have no fit: the null itself is close to degenerate; use fewer "
            "regimes or a penalty."
        )
    detail |= {"draws": int(good.size), "chi-squared p-value": float(stats.chi2.sf(value, len(held_names)))}
    if np.isfinite(spec.penalty):
        del detail["chi-squared p-value"]
    return replace(
        result,
        statistic=value,
        pvalue=bootstrap_pvalue(value, law),
        reference=f"{good.size} draws from the null",
        detail=detail,
        draws=law,
    )


def _contest(null_fit: RegimeFit, fit: RegimeFit, held_names: list[str], whole: bool) -> Contest:
    lik = fit.likelihood
    held = tuple(lik.layout.names.index(name) - lik.inside for name in held_names)
    return Contest(null_fit.chain, fit.chain, held, whole)


def _coefficients(fit: RegimeFit, names: list[str]) -> pd.DataFrame:
    out = pd.DataFrame({"estimate": fit.params[names], "std_err": fit.std_err[names]})
    out["z"] = out["estimate"] / out["std_err"]
    out["pvalue"] = 2.0 * stats.norm.sf(out["z"].abs())
    return out


def _wald(fit: RegimeFit, names: list[str]) -> tuple[float, str]:
    """Statistic, and why there is none."""
    estimate = fit.params[names].to_numpy(float)
    cov = fit.cov.loc[names, names].to_numpy(float)
    if not np.isfinite(cov).all():
        lost = [name for name, value in zip(names, np.diag(cov), strict=True) if not np.isfinite(value)]
        return float("nan"), f"{', '.join(lost)}: on the bound, hence no standard error; use method='lr' or 'bootstrap'"
    try:
        return float(estimate @ np.linalg.solve(cov, estimate)), ""
    except np.linalg.LinAlgError:
        return float("nan"), "the covariance of the coefficients is singular; use method='lr' or 'bootstrap'"


def _by_transition(fit: RegimeFit, names: list[str]) -> pd.DataFrame:
    rows = {}
    for i, j in fit.chain.pairs:
        value, _ = _wald(fit, [f"delta[{i + 1},{j + 1}].{name}" for name in names])
        rows[f"{i + 1} to {j + 1}"] = (value, len(names), float(stats.chi2.sf(value, len(names))))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["wald", "df", "pvalue"])
