r"""Rolling re-estimation: margins and correlation refitted window by window, and one-step-ahead forecasts in between.

The k-th refit uses the ``window`` rows before :math:`t_k` and nothing else. Its parameters, target and starting values
then filter the next ``step`` dates: volatilities and correlations of date t use returns up to t - 1.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..data.checks import check_returns
from ..errors import CryptoEquityError, DataError, SpecError
from ..estimation.optimize import Optimum
from ..estimation.parallel import map_draws
from ..estimation.params import Array, Layout
from ..estimation.results import mark_filtered
from ..table import Table
from ..volatility import EGARCH, GARCH
from ..volatility.garch import climb_margin
from ..volatility.likelihood import MarginLikelihood, layout_of
from .model import PathModel
from .spec import CorrelationSpec, check_driver

__all__ = ["RollingFit", "roll"]

Margin = GARCH | EGARCH
# how much likelihood another Newton step may promise at the end of a refit: far below what a standard error is worth
_TOL = 1e-6
# box coordinates this close to a bound count as there
_NEAR = 1e-3


@dataclass(frozen=True, eq=False)
class RollingFit:
    """What a rolling window estimated and forecast.

    Attributes
    ----------
    spec, margins : the specifications, margins by column. window, step, chain : see `roll`.
    params : (refits, K) parameters by refit, dated by the last row of its window; NaN where a refit failed.
    converged : (refits,) bool. reason : (refits,) "" or what went wrong, in words.
    loglikelihood : (refits,) of each window at its estimate.
    volatility : (D, N) percent, one step ahead, for every date after the first window.
    mean : (D, N) percent, one step ahead. std_resid : (D, N) what came, standardized.
    correlations : (D, pairs) one step ahead, columns (i, j).
    log_density : (D,) log predictive density of the returns of the date.
    """

    spec: CorrelationSpec
    margins: Mapping[str, Margin]
    window: int
    step: int
    chain: int
    params: pd.DataFrame = field(repr=False)
    converged: pd.Series = field(repr=False)
    reason: pd.Series = field(repr=False)
    loglikelihood: pd.Series = field(repr=False)
    volatility: pd.DataFrame = field(repr=False)
    mean: pd.DataFrame = field(repr=False)
    std_resid: pd.DataFrame = field(repr=False)
    correlations: pd.DataFrame = field(repr=False)
    log_density: pd.Series = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(self.margins)

    def correlation(self, i: str, j: str) -> pd.Series:
        """One-step-ahead correlation of two columns, (D,)."""
        for name in (i, j):
            if name not in self.names:
                raise SpecError(f"no column {name!r} here; there are {', '.join(self.names)}.")
        if i == j:
            raise SpecError(f"the correlation of {i!r} with itself is 1.")
        key = (i, j) if (i, j) in self.correlations.columns else (j, i)
        return mark_filtered(self.correlations[key].rename(f"corr({i}, {j})"))

    def covariances(self) -> Array:
        """One-step-ahead covariance matrices, percent squared, (D, N, N)."""
        n = len(self.names)
        rows, cols = np.triu_indices(n, 1)
        sigma = self.volatility.to_numpy()
        out: Array = np.broadcast_to(np.eye(n), (len(sigma), n, n)).copy()
        out[:, rows, cols] = out[:, cols, rows] = self.correlations.to_numpy()
        out *= sigma[:, :, None] * sigma[:, None, :]
        return out

    def covariance_at(self, date: object) -> pd.DataFrame:
        """Covariance matrix forecast for one date, percent squared, (N, N)."""
        at = self.volatility.index.get_loc(date)
        sigma = self.volatility.to_numpy()[at]
        n = len(self.names)
        rows, cols = np.triu_indices(n, 1)
        out = np.eye(n)
        out[rows, cols] = out[cols, rows] = self.correlations.to_numpy()[at]
        return pd.DataFrame(out * np.outer(sigma, sigma), list(self.names), list(self.names))

    def summary(self) -> Table:
        """Parameters over the refits: where they lie and how far they move."""
        frame = self.params.describe().T[["mean", "std", "min", "50%", "max"]]
        failed = int((~self.converged).sum())
        notes = [
            f"{len(self.params)} windows of {self.window} rows, {self.step} apart; {len(self.log_density)} forecasts, "
            f"mean log predictive density {self.log_density.mean():.4f}"
        ]
        if failed:
            first = self.reason[~self.converged].iloc[0]
            notes.append(f"{failed} refits did not converge; the first: {first}")
        return Table.of(f"Rolling {self.spec.name}: {', '.join(self.names)}", frame, notes=notes)


@dataclass(frozen=True)
class _Refit:
    """One window: parameters (K,), what came of it, and forecasts for the dates after it."""

    theta: Array
    converged: bool
    reason: str
    loglik: float
    volatility: Array
    z: Array
    path: Array
    density: Array


@dataclass(frozen=True)
class _Job:
    """All that is the same for every window."""

    spec: CorrelationSpec
    margins: tuple[Margin, ...]
    names: tuple[str, ...]
    hold_back: int
    window: int
    step: int
    sizes: tuple[int, int, int]
    y: Array = field(repr=False)
    driver: Array | None = field(repr=False)


def roll(
    spec: CorrelationSpec,
    returns: pd.DataFrame,
    *,
    window: int,
    step: int = 1,
    margins: Margin | Mapping[str, Margin] | None = None,
    driver: pd.Series | pd.DataFrame | None = None,
    chain: int = 50,
    n_jobs: int | None = None,
    progress: bool = False,
) -> RollingFit:
    """Refit margins and correlation on a moving window and forecast every date after the first window.

    Parameters
    ----------
    spec : correlation specification. returns : (T, N) percent returns.
    window : rows of each window. step : dates between refits; parameters are held and the filter goes on in between.
    margins : one margin specification for all columns (default ``GARCH()``), or one per column.
    driver : exogenous variable(s) by date, for models that take them; row t acts on the correlation of t, so it must be
        known before.
    chain : so many consecutive windows start from each other's estimates; every chain begins from the full set of
        starting values. Chains are the same for any ``n_jobs``, hence so are the numbers.
    n_jobs : workers; see `estimation.parallel.map_draws`. progress : show a bar.

    Returns
    -------
    RollingFit; a window that cannot be fitted is a row of NaN with its reason, and one that stops short keeps its best
    point with ``converged`` False.

    Raises
    ------
    SpecError, DataError : choices or data that cannot be used at all.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> rolling = ce.roll(ce.DCC(), returns[["COIN", "SMALL_TECH"]].iloc[:1100], window=1000, step=20)
    >>> len(rolling.params), len(rolling.log_density)
    (5, 100)
    """
    frame = check_returns(returns)
    names = tuple(str(name) for name in frame.columns)
    if len(names) < 2:
        raise DataError(f"a correlation needs two columns; there is only {names[0]!r}.")
    for label, value in (("window", window), ("step", step), ("chain", chain)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
            raise SpecError(f"{label}={value!r}: give a whole number of at least one.")
    if window >= len(frame):
        raise DataError(f"window={window} leaves nothing to forecast: there are {len(frame)} rows.")
    chosen = _chosen(margins, names)
    hold_back = max(one.lags for one in chosen)
    drivers = check_driver(driver, frame.index, spec.drivers, spec.name)
    y = frame.to_numpy(float)
    values = None if drivers is None else drivers.to_numpy(float)
    own, nuisance = _labels(spec, chosen, names, y[:window], hold_back, values)
    labels = [f"{name}.{part}" for name, one in zip(names, chosen, strict=True) for part in layout_of(one).names]
    labels += [*nuisance, *own]
    job = _Job(
        spec,
        chosen,
        names,
        hold_back,
        int(window),
        int(step),
        (len(labels) - len(nuisance) - len(own), len(nuisance), len(own)),
        y,
        values,
    )
    origins = list(range(window, len(frame), step))
    chains = [origins[i : i + chain] for i in range(0, len(origins), chain)]
    done = map_draws(
        functools.partial(_run_chain, job), chains, n_jobs=n_jobs, progress=progress, label="windows", chunk=1
    )
    refits = [refit for part in done for refit in part]
    ends = frame.index[np.array(origins) - 1]
    dates = frame.index[window:]
    rows, cols = np.triu_indices(len(names), 1)
    pairs = pd.MultiIndex.from_tuples([(names[i], names[j]) for i, j in zip(rows, cols, strict=True)])
    volatility = np.concatenate([refit.volatility for refit in refits])
    z = np.concatenate([refit.z for refit in refits])
    return RollingFit(
        spec=spec,
        margins=dict(zip(names, chosen, strict=True)),
        window=int(window),
        step=int(step),
        chain=int(chain),
        params=pd.DataFrame([refit.theta for refit in refits], ends, labels),
        converged=pd.Series([refit.converged for refit in refits], ends, name="converged", dtype=bool),
        reason=pd.Series([refit.reason for refit in refits], ends, name="reason", dtype=object),
        loglikelihood=pd.Series([refit.loglik for refit in refits], ends, name="loglikelihood"),
        volatility=pd.DataFrame(volatility, dates, list(names)),
        mean=pd.DataFrame(y[window:] - volatility * z, dates, list(names)),
        std_resid=pd.DataFrame(z, dates, list(names)),
        correlations=pd.DataFrame(np.concatenate([refit.path for refit in refits]), dates, pairs),
        log_density=pd.Series(np.concatenate([refit.density for refit in refits]), dates, name="log density"),
    )


def _chosen(margins: Margin | Mapping[str, Margin] | None, names: tuple[str, ...]) -> tuple[Margin, ...]:
    if isinstance(margins, Mapping):
        wrong = set(names) ^ {str(name) for name in margins}
        if wrong:
            raise SpecError(f"margins must name every column once; {sorted(wrong)[0]!r} is missing or unknown.")
        chosen = tuple(margins[name] for name in names)
    else:
        chosen = (GARCH() if margins is None else margins,) * len(names)
    for one in chosen:
        if not isinstance(one, GARCH | EGARCH):
            raise SpecError(f"margins={one!r}: pass GARCH(...) or EGARCH(...), or a dict of them by column.")
    return chosen


def _labels(
    spec: CorrelationSpec,
    margins: tuple[Margin, ...],
    names: tuple[str, ...],
    y: Array,
    hold_back: int,
    driver: Array | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the model's own parameters and of its nuisance; also refuses what no window could fit."""
    lead = max(hold_back, 1)
    z = (y - y.mean(axis=0)) / y.std(axis=0)
    thetas = [next(MarginLikelihood(one, y[:, i], hold_back).starts()) for i, one in enumerate(margins)]
    lik = spec.model_of(
        np.ascontiguousarray(z[lead:]),
        margins,
        thetas,
        names=names,
        driver=None if driver is None else driver[lead : len(y)],
    )
    return lik.layout.names, lik.nuisance_names()


def _run_chain(job: _Job, origins: Sequence[int]) -> list[_Refit]:
    """Refit window after window, each from where the last one ended."""
    warm: list[Optimum | None] = [None] * (len(job.margins) + 1)
    return [_refit(job, origin, warm) for origin in origins]


def _refit(job: _Job, origin: int, warm: list[Optimum | None]) -> _Refit:
    """Fit the window before row ``origin`` and forecast from there; ``warm`` is read and renewed."""
    first, last = origin - job.window, min(origin + job.step, len(job.y))
    ahead = last - origin
    n = len(job.margins)
    try:
        return _fitted(job, first, origin, last, warm)
    except CryptoEquityError as error:
        warm[:] = [None] * len(warm)
        nan = np.full((ahead, n), np.nan)
        pairs = np.full((ahead, n * (n - 1) // 2), np.nan)
        return _Refit(np.full(sum(job.sizes), np.nan), False, str(error), np.nan, nan, nan, pairs, nan[:, 0])


def _fitted(job: _Job, first: int, origin: int, last: int, warm: list[Optimum | None]) -> _Refit:
    reasons: list[str] = []
    z, sigma, thetas = [], [], []
    for i, one in enumerate(job.margins):
        y = np.ascontiguousarray(job.y[first:last, i])
        lik, optimum = _margin(one, y[: origin - first], job.hold_back, warm[i])
        if not np.isfinite(optimum.loglik):
            raise DataError(f"{job.names[i]}: {optimum.reason}")
        if not optimum.converged:
            reasons.append(f"{job.names[i]}: {optimum.reason}")
        warm[i] = optimum
        # the same filter over the dates to forecast, started as in the window: nothing of them is known to it
        longer = MarginLikelihood(one, y, job.hold_back)
        longer.presample = lik.presample
        _, variance, resid, _, _ = longer.filter(optimum.theta, 0)
        if not np.isfinite(variance).all():
            raise DataError(f"{job.names[i]}: the variance is not finite after the window.")
        sigma.append(np.sqrt(variance))
        z.append(resid / sigma[-1])
        thetas.append(optimum.theta)
    residuals = np.ascontiguousarray(np.stack(z, axis=1))
    volatility = np.stack(sigma, axis=1)
    inside, start = residuals.shape[0] - (last - origin), first + job.hold_back
    driver = None if job.driver is None else job.driver[start:origin]
    model = job.spec.model_of(
        np.ascontiguousarray(residuals[:inside]), job.margins, thetas, names=job.names, driver=driver
    )
    theta, loglik, reason = _correlation(model, warm)
    if reason:
        reasons.append(f"{job.spec.name}: {reason}")
    model.settle(theta)
    future = model.fixed(residuals, None if job.driver is None else job.driver[start:last])
    if future.timed:
        future = future.since(0)
    density = future.evaluate(theta, 0)[0][inside:] - np.log(volatility[inside:]).sum(axis=1)
    path = future.path(theta, *future.pairs)[inside:]
    return _Refit(
        np.concatenate([*thetas, model.nuisance, theta]),
        not reasons,
        "; ".join(reasons),
        loglik - float(np.log(volatility[:inside]).sum()),
        volatility[inside:],
        residuals[inside:],
        path,
        density,
    )


def _good(optimum: Optimum, layout: Layout) -> bool:
    """Whether a climb from the last window's estimate needs no second opinion: it may have stayed at a bound it met."""
    room = np.minimum(optimum.box - layout.lower, layout.upper - optimum.box)
    return optimum.converged and bool((room > _NEAR).all())


def _margin(spec: Margin, y: Array, hold_back: int, warm: Optimum | None) -> tuple[MarginLikelihood, Optimum]:
    """Climb from the last window's estimate; where that is in doubt, from the full set of starts too."""
    climb = functools.partial(climb_margin, spec, y, hold_back=hold_back, tol=_TOL)
    if warm is None:
        return climb()
    lik, near = climb(start=warm.theta, curvature=warm.curvature)
    # on a log scale the likelihood is flat where omega vanishes: a climb that starts there stays there
    vanished = not spec.exponential and near.theta[lik.x.shape[1]] < _NEAR * lik.scale
    if _good(near, lik.layout) and not vanished:
        return lik, near
    return lik, _better(near, climb()[1])


def _better(one: Optimum, other: Optimum) -> Optimum:
    """The higher of two climbs; on a par the one that converged."""
    if abs(one.loglik - other.loglik) < _TOL:
        return one if one.converged else other
    return one if one.loglik > other.loglik else other


def _correlation(model: PathModel, warm: list[Optimum | None]) -> tuple[Array, float, str]:
    """Estimate, log-likelihood and what went wrong; the last place of ``warm`` is renewed."""
    if model.layout.size == 0:
        theta = np.empty(0)
        return theta, float(model.evaluate(theta, 0)[0].sum()), ""
    before = warm[-1]
    if before is None:
        optimum = model.climb(list(model.starts()), tol=_TOL)
    else:
        optimum = model.climb([before.theta], tol=_TOL, curvature=before.curvature)
        if not _good(optimum, model.layout):
            optimum = _better(optimum, model.climb(list(model.starts()), tol=_TOL))
    if not np.isfinite(optimum.loglik):
        raise DataError(optimum.reason)
    warm[-1] = optimum
    return optimum.theta, optimum.loglik, "" if optimum.converged else optimum.reason
