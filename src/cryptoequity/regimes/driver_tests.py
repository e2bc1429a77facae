r"""Does a driver move the odds of changing regime? Likelihood ratio, Wald, parametric bootstrap; effects, profiles.

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

from ..errors import BoundaryWarning, ConvergenceError, ConvergenceWarning, DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.bootstrap import pvalue as bootstrap_pvalue
from ..estimation.optimize import maximize
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array, Layout, interval
from ..estimation.results import Drawn, TestResult
from ..table import Table, format_number
from .chain import FARTHEST, Chain
from .emission import Emission
from .fit import RegimeFit, draw_states
from .gaussian import GaussianEmission
from .likelihood import RegimeLikelihood, climb_regimes
from .spec import RegimeSpec

__all__ = [
    "ProfileInterval",
    "RegimeDriverTest",
    "driver_interval",
    "expected_transitions",
    "regime_driver_test",
    "transition_effects",
]

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


# --- likelihoods with coefficients held


class Held:
    """A likelihood with coefficients of its chain held at values; ``held`` maps positions to values."""

    def __init__(self, lik: RegimeLikelihood, held: dict[int, float]) -> None:
        self.lik = lik
        blocks = [*lik.emission.blocks(), *lik.chain.blocks()]
        first = len(blocks) - lik.chain.size  # a driven chain has one block a coefficient
        for position, value in held.items():
            at = first + position - lik.inside
            blocks[at] = interval(lik.layout.names[position], value, value)
        self.layout = Layout(blocks)

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood by date and scores."""
        return self.lik.evaluate(theta, want)

    def climb(self, starts: Sequence[Array]) -> tuple[float, Array]:
        """Best log-likelihood and its parameters from ``starts``."""
        best = maximize(self, list(starts), polish=len(starts))
        return best.loglik, best.theta


def embed(theta: Array, narrow: Chain, wide: Chain) -> Array:
    """Parameters of the wide chain that are those of a chain with some of its regressors (or none)."""
    k, q = wide.k, wide.z.shape[1]
    out = np.zeros(wide.size)
    if not narrow.driven:
        p = np.clip(narrow.matrices(theta)[0], 1e-7, 1.0)
        for n, (i, j) in enumerate(wide.pairs):
            out[n * q] = np.log(p[i, j] / p[i, i])
    else:
        where = [wide.names.index(name) for name in narrow.names]
        for n in range(k * (k - 1)):
            out[n * q + np.array(where)] = theta[n * len(where) : (n + 1) * len(where)]
    return np.clip(out, -FARTHEST, FARTHEST) if not narrow.driven else out


def project(theta: Array, wide: Chain, narrow: Chain) -> Array:
    """Parameters of the narrow chain nearest to those of the wide one: dropped regressors at their means."""
    k, q = wide.k, wide.z.shape[1]
    if not narrow.driven:
        p = wide.at(theta, wide.z.mean(axis=0)[None])[0]
        return np.array([p[i, j] for i, j in narrow.pairs])
    where = [wide.names.index(name) for name in narrow.names]
    dropped = [r for r in range(q) if r not in where]
    out = []
    for n in range(k * (k - 1)):
        own = theta[n * q : (n + 1) * q].copy()
        own[0] += own[dropped] @ wide.z[:, dropped].mean(axis=0)
        out.append(own[where])
    return np.concatenate(out)


@dataclass(frozen=True, eq=False)
class Contest:
    """Two chains over the same densities, and the coefficients (positions in the wide one) the null sets to zero."""

    narrow: Chain
    wide: Chain
    held: tuple[int, ...]
    whole: bool  # the null drops the tested drivers everywhere, so that it is the narrow chain

    def ratio(
        self,
        emission: Emission,
        starts: int,
        rng: np.random.Generator,
        warm: tuple[Array, Array] | None = None,
        known: bool = False,
    ) -> tuple[float, Array, Array]:
        """Likelihood ratio, and the parameters of null and alternative in those of the wide chain.

        ``warm`` are parameters of the narrow and the wide model to start from besides; ``known`` says that they are
        the optima, so that only the crossed climbs are left to do. Each model is climbed from the other's optimum,
        so that a ratio is neither negative nor the price of a local maximum of the null.
        """
        small, large = RegimeLikelihood(emission, self.narrow), RegimeLikelihood(emission, self.wide)
        if known:
            assert warm is not None
            first, second = warm
        else:
            first = climb_regimes(small, starts, rng, warm=None if warm is None else warm[0])[0].theta
            second = climb_regimes(large, starts, rng, warm=self._widen(small, first))[0].theta
        for lik, theta in ((small, first), (large, second)):
            lik.settle(theta)
        inner, outer = large.split(second)
        crossed = np.concatenate([inner, project(outer, self.wide, self.narrow)])
        best = maximize(small, [first, crossed], polish=2)
        first, null = best.theta, best.loglik
        if self.whole:
            restricted = self._widen(small, first)
        else:
            held = dict.fromkeys((large.inside + position for position in self.held), 0.0)
            zeroed = second.copy()
            zeroed[list(held)] = 0.0
            null, restricted = Held(large, held).climb([zeroed, self._widen(small, first)])
        top = maximize(large, [second, restricted], polish=2)
        return 2.0 * (top.loglik - null), restricted, top.theta

    def _widen(self, small: RegimeLikelihood, theta: Array) -> Array:
        inner, outer = small.split(theta)
        return np.concatenate([inner, embed(outer, self.narrow, self.wide)])


def rebuild(emission: Emission, y: Array) -> Emission:
    """The same densities on other data of the same shape.

    Raises
    ------
    SpecError : densities that cannot be put on simulated data.
    """
    own = getattr(emission, "on", None)
    if own is not None:
        return own(y)  # type: ignore[no-any-return]
    if type(emission) is GaussianEmission:
        return GaussianEmission(
            y,
            emission.names,
            emission.k,
            mean=emission.mean,
            scale=emission.scale,
            corr=emission.corr,
            student=emission.student,
            order_by=emission.order_by,
        )
    raise SpecError(
        f"{type(emission).__name__} cannot be put on simulated data, so there is nothing to refit; use an asymptotic "
        "p-value."
    )


@dataclass(frozen=True, eq=False)
class DrawnRatio:
    """One bootstrap draw: data from the null, both models fitted again, their ratio (NaN where a fit fails)."""

    contest: Contest
    emission: Emission
    null: Array
    starts: int

    def __call__(self, seed: np.random.SeedSequence) -> float:
        """Ratio of the draw of ``seed``."""
        rng = np.random.default_rng(seed)
        wide = self.contest.wide
        lik = RegimeLikelihood(self.emission, wide)
        inner, outer = lik.split(self.null)
        states = draw_states(wide.matrices(outer), wide.start(outer)[0], lik.nobs, rng)
        fresh = rebuild(self.emission, self.emission.simulate(inner, states, rng))
        small = np.concatenate([inner, project(outer, wide, self.contest.narrow)])
        try:
            return self.contest.ratio(fresh, self.starts, rng, (small, self.null))[0]
        except (ConvergenceError, np.linalg.LinAlgError):
            return float("nan")


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
    options : passed on to ``spec.fit``.

    Returns
    -------
    RegimeDriverTest : ``fit`` with the drivers, ``coefficients``, ``by_transition``, ``cells``.

    Notes
    -----
    **Robustness.** The test believes the densities by regime. The ratio takes those of the fit as true and, for
    residuals of margins, the margins as known; the Wald statistic uses the robust covariance of the fit, which counts
    the margins (`RSDC`). The effective sample is the number of transitions, not of days: a driver that is on in a few
    episodes meets a handful of them. Where a cell expects fewer than five, a warning says so; read then
    ``method="bootstrap"`` and `driver_interval`. Rejections of a true null at 5 %, measured (``benchmarks/
    regime_sizes.py``): see the page "Driven regimes". A driver computed from the same returns answers to the regime
    it is to drive, and no p-value here means anything for it; lag it, and prefer one from outside. Do not use the
    chi-squared with a penalty: a penalized maximum is not one.

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
    cov_type = options.pop("cov_type", "robust")
    rest = [name for name in frame.columns if name not in names]
    fits = []
    with warnings.catch_warnings():
        # one warning about all of it, below, says more than one a fit
        warnings.simplefilter("ignore", BoundaryWarning)
        for chosen in (rest, list(frame.columns)):
            moved = frame[chosen] if chosen else None
            own = spec.fit(  # type: ignore[attr-defined]
                data, drivers=moved, starts=starts, rng=generator, cov_type=cov_type, **options
            )
            fits.append(own)
    null_fit, fit = fits
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


# --- how much there is to learn from


def _require_driven(fit: RegimeFit) -> Chain:
    if not isinstance(fit, RegimeFit):
        raise SpecError(f"a fitted regime model is wanted, not {type(fit).__name__}.")
    if not fit.chain.driven:
        raise SpecError(f"{fit.spec.name}: the transition odds of this fit are constant; fit it with drivers=.")
    return fit.chain


def _levels(values: Array) -> tuple[float, float] | None:
    """The two values of an indicator; None for any other driver."""
    found = np.unique(values)
    return (float(found[0]), float(found[1])) if found.size == 2 else None


def expected_transitions(fit: RegimeFit) -> pd.DataFrame:
    """Transitions between regimes a driven fit expects in each cell of its drivers.

    Parameters
    ----------
    fit : a fit with drivers.

    Returns
    -------
    DataFrame : rows by driver and transition, with "cell" ("= value" for an indicator, "below" and "above the median"
        for others) and "expected", the sum over dates of Pr(S_t = j, S_{t-1} = i | all data).
    """
    chain = _require_driven(fit)
    _, moves = fit.inference.smooth(by_date=True)
    rows = []
    for r, name in enumerate(chain.names[1:], start=1):
        values = chain.z[:, r]
        levels = _levels(values)
        if levels is None:
            high = values > np.median(values)
            labels = ("below the median", "above the median")
        else:
            high = values == levels[1]
            labels = (f"= {levels[0]:g}", f"= {levels[1]:g}")
        for label, rows_in in zip(labels, (~high, high), strict=True):
            total = moves[rows_in].sum(axis=0)
            rows += [(name, f"{i + 1} to {j + 1}", label, float(total[i, j])) for i, j in chain.pairs]
    return pd.DataFrame(rows, columns=["driver", "transition", "cell", "expected"])


# --- what a coefficient means


def transition_effects(
    fit: RegimeFit, values: dict[str, tuple[float, float]] | None = None, *, level: float = 0.95
) -> pd.DataFrame:
    r"""Transition probabilities, durations and long-run shares at two values of each driver, and their difference.

    Parameters
    ----------
    fit : a fit with drivers. level : of the interval of the difference.
    values : (low, high) by driver; by default the two values of an indicator, else the 10 % and 90 % quantiles. The
        other drivers are at their means.

    Returns
    -------
    DataFrame : rows (driver, quantity), with quantities "P[i,j]", "duration[i]" (:math:`1/(1-p_{ii})`) and "share[j]"
        (long-run probability of regime j were the driver to stay there); columns low, high, difference, std_err (delta
        method), lower, upper. Columns "at low" and "at high" are the driver's values.
    """
    chain = _require_driven(fit)
    if not 0.0 < level < 1.0:
        raise SpecError(f"level={level!r}: a probability between 0 and 1.")
    chosen = {} if values is None else dict(values)
    unknown = [name for name in chosen if name not in chain.names[1:]]
    if unknown:
        raise SpecError(f"values: no driver {unknown[0]!r}; there are {', '.join(chain.names[1:])}.")
    theta = fit.likelihood.split(fit.theta)[1]
    cov = fit.estimate.cov[-chain.size :, -chain.size :]
    half = float(stats.norm.isf((1.0 - level) / 2.0))
    rows: dict[tuple[str, str], tuple[float, ...]] = {}
    for r, name in enumerate(chain.names[1:], start=1):
        column = chain.z[:, r]
        low, high = chosen.get(name) or _levels(column) or tuple(np.quantile(column, [0.1, 0.9]))
        if not np.isfinite([low, high]).all() or low == high:
            raise SpecError(f"values[{name!r}]={(low, high)!r}: two different finite numbers.")
        ends = []
        for value in (low, high):
            z = chain.z.mean(axis=0)
            z[r] = value
            ends.append(_quantities(chain, theta, z))
        for quantity, (first, slope) in ends[0].items():
            second, other = ends[1][quantity]
            gradient = other - slope
            variance = float(gradient @ cov @ gradient)
            error = float(np.sqrt(variance)) if variance >= 0.0 else float("nan")
            gap = second - first
            rows[name, quantity] = (low, high, first, second, gap, error, gap - half * error, gap + half * error)
    columns = ["at low", "at high", "low", "high", "difference", "std_err", "lower", "upper"]
    out = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    out.index = pd.MultiIndex.from_tuples(list(rows), names=["driver", "quantity"])
    return out


def _quantities(chain: Chain, theta: Array, z: Array) -> dict[str, tuple[float, Array]]:
    """Values and gradients (size,) at one row of regressors."""
    k = chain.k
    p = chain.at(theta, z[None])[0]
    slope = chain.slope(theta, z)
    out: dict[str, tuple[float, Array]] = {}
    for i, j in chain.pairs:
        out[f"P[{i + 1},{j + 1}]"] = (float(p[i, j]), slope[i, j])
    for i in range(k):
        away = 1.0 - p[i, i]
        inside = away > 0.0
        duration = 1.0 / away if inside else np.inf
        out[f"duration[{i + 1}]"] = (float(duration), slope[i, i] / away**2 if inside else np.full(chain.size, np.nan))
    # pi = 1'M^{-1} with M = I - P + 11', hence d pi = pi dP M^{-1}
    inverse = np.linalg.pinv(np.eye(k) - p + 1.0)
    law = inverse.sum(axis=0)
    change = np.einsum("i,ijs,jm->ms", law, slope, inverse)
    for j in range(k):
        out[f"share[{j + 1}]"] = (float(law[j]), change[j])
    return out


# --- profile


@dataclass(frozen=True)
class ProfileInterval:
    """Interval of a coefficient by its profile likelihood.

    Attributes
    ----------
    estimate, lower, upper : infinite where the likelihood never falls by enough before the bound of the coefficient.
    profile : twice the fall of the log-likelihood, by value of the coefficient.
    critical : the fall that marks the interval.
    """

    name: str
    estimate: float
    lower: float
    upper: float
    level: float
    critical: float
    profile: pd.Series = field(repr=False)


def driver_interval(fit: RegimeFit, coefficient: str, *, level: float = 0.95, points: int = 40) -> ProfileInterval:
    r"""Interval of a coefficient of the transition odds, :math:`\{d:\ 2[\ell(\hat\theta)-\max_{\delta=d}\ell]\le c\}`.

    A driver that is on in few episodes can separate the transitions: the estimate then runs to its bound and a Wald
    interval is meaningless, while this one is merely open on that side. Margins are taken as known.

    Parameters
    ----------
    fit : a fit with drivers. coefficient : its name, e.g. "delta[1,2].R".
    level : of the interval; c is the :math:`\chi^2(1)` quantile. points : values tried on each side at most.

    Raises
    ------
    SpecError : no such coefficient.
    """
    chain = _require_driven(fit)
    lik = fit.likelihood
    own = lik.layout.names[lik.inside :]
    if coefficient not in own:
        raise SpecError(f"no coefficient {coefficient!r}; there are {', '.join(own)}.")
    if not 0.0 < level < 1.0:
        raise SpecError(f"level={level!r}: a probability between 0 and 1.")
    if not isinstance(points, int) or isinstance(points, bool) or points < 5:
        raise SpecError(f"points={points!r}: at least 5.")
    at = lik.layout.names.index(coefficient)
    low, high = lik.layout.lower[at], lik.layout.upper[at]
    critical = float(stats.chi2.ppf(level, 1))
    top = lik.total(fit.theta)
    center = float(fit.theta[at])
    column = chain.z[:, own.index(coefficient) % chain.z.shape[1]]
    step = float(fit.std_err[coefficient]) if np.isfinite(fit.std_err[coefficient]) else 1.0 / max(column.std(), 1e-12)
    step = min(step, (high - low) / 10.0)
    seen = {center: 0.0}

    def fall(value: float, start: Array) -> tuple[float, Array]:
        moved = start.copy()
        moved[at] = value
        best, theta = Held(lik, {at: value}).climb([moved])
        seen[value] = 2.0 * (top - best)
        return seen[value], theta

    ends = []
    for side, bound in ((-1.0, low), (1.0, high)):
        inner, outer, theta, size = center, center, fit.theta, 0.5 * step
        found = False
        spent = 0
        while spent < points and outer != bound:
            spent += 1
            outer = float(np.clip(inner + side * size, low, high))
            drop, moved = fall(outer, theta)
            if drop > critical:
                found = True
                break
            inner, theta, size = outer, moved, 1.6 * size
        if not found:
            ends.append(side * np.inf)
            continue
        for _ in range(points - spent):
            if abs(outer - inner) < 1e-3 * step:
                break
            # the fall is close to a parabola about the estimate: secant on its root, kept inside
            a, b = np.sqrt(max(seen[inner], 0.0)), np.sqrt(seen[outer])
            share = (np.sqrt(critical) - a) / (b - a) if b > a else 0.5
            trial = inner + float(np.clip(share, 0.1, 0.9)) * (outer - inner)
            drop, moved = fall(trial, theta)
            if drop > critical:
                outer = trial
            else:
                inner, theta = trial, moved
        ends.append(0.5 * (inner + outer))
    path = pd.Series(seen, name=coefficient).sort_index()
    if float(path.min()) < -1e-3:
        warnings.warn(
            f"{coefficient}: the profile rises {-0.5 * float(path.min()):.3f} above the fit, which is a lower peak; "
            "fit again with more starts.",
            ConvergenceWarning,
            stacklevel=2,
        )
    if not np.isfinite(path).all():
        raise DataError(f"{coefficient}: the likelihood is not finite along the profile.")
    return ProfileInterval(coefficient, center, float(ends[0]), float(ends[1]), level, critical, path)
