r"""What the unit-root tests with breaks share: dates, lags, simulated laws, the wild bootstrap, the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.bootstrap import FEWEST
from ..estimation.bootstrap import pvalue as bootstrap_pvalue
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import FILTERED
from .limits import LEVELS, LimitLaw, limit_laws
from .results import BreakTest, label
from .sample import Series, read_series

__all__ = [
    "FAMILY",
    "About",
    "Search",
    "UnitRootBreakTest",
    "candidate_dates",
    "choose",
    "coefficients",
    "conclude",
    "each_lag",
    "law_at",
    "nested_sums",
    "pairs_found",
    "read_lags",
    "read_levels",
    "smallest",
    "wild_differences",
]

FAMILY = "unit_roots"
RULES = ("aic", "bic", "t-stat")
TEN_PERCENT = 1.6448536269514722  # the last lag stays if its |t| is beyond it
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class UnitRootBreakTest(BreakTest):
    """A unit-root test with the dates of the break or breaks in the trend.

    Attributes
    ----------
    positions : 0-based first rows of the new regimes, where the statistic is smallest. index : labels of the rows.
    lags : lagged differences in the regression at those dates.
    regression : its coefficients, standard errors and t-values.
    path : the t-statistic by the first break; with two breaks the smallest over the second.
    chosen_lags : lags by date where every date chose its own (one break); None otherwise.
    """

    positions: tuple[int, ...] = ()
    index: pd.Index = field(default_factory=lambda: pd.RangeIndex(0), repr=False)
    lags: int = 0
    regression: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    chosen_lags: pd.Series | None = field(default=None, repr=False)

    @property
    def break_dates(self) -> pd.Index:
        """Labels of the first observation of each new regime."""
        return self.index[list(self.positions)]

    @property
    def last_dates(self) -> pd.Index:
        """Labels of the last observation before each break."""
        return self.index[[position - 1 for position in self.positions]]


@dataclass(frozen=True, eq=False)
class Search:
    """What a search found: the smallest ``value`` at ``positions``; ``path`` by first break, from row ``low`` on."""

    value: float
    positions: tuple[int, ...]
    path: Array = field(repr=False)
    low: int
    lags: int
    by_date: Ints | None = field(default=None, repr=False)


@dataclass(frozen=True)
class About:
    """What a test is called, what it looks for and whose law it has (``law`` : the stem of its keys)."""

    name: str
    null: str
    alternative: str
    law: str
    trim: float
    robustness: str
    keys: tuple[str, ...]
    options: Mapping[str, Any]


def candidate_dates(nobs: int, trim: float, zero: bool = True) -> tuple[int, int]:
    """First and last row at which a new regime may begin."""
    if not (0.0 if zero else 1e-9) <= trim < 0.5:
        raise SpecError(f"trim={trim!r}: a share of the sample {'from' if zero else 'above'} 0 and below .5.")
    # a product such as .15 * 20 falls just below the integer it stands for
    size = max(1, int(trim * nobs + 1e-9))
    return size, nobs - size


def read_levels(y: Any, min_obs: int) -> Series:
    """A series of levels; a marked path of correlations is refused.

    Levels are no cause for a warning here, nor is a slow series within [-1, 1]: the logarithm of a relative price may
    be one.
    """
    part = y.iloc[:, 0] if isinstance(y, pd.DataFrame) and y.shape[1] == 1 else y
    marked = isinstance(part, pd.Series) and FILTERED in part.attrs
    return read_series(y, "y", min_obs=min_obs, filtered="refuse" if marked else "ignore", levels="ignore")


def read_lags(
    lags: int | str | None, max_lags: int | None, low: int, nobs: int, everywhere: bool = False
) -> tuple[int, int | None]:
    """Largest number of lags a rule may choose, and the number itself where it is given.

    ``everywhere`` : the search begins at the first date that the lags leave, whatever ``low``.

    Raises
    ------
    SpecError : neither a number nor a rule. DataError : the lags leave no row before the first date ``low``.
    """
    room = nobs // 4 if everywhere else low - 2
    if isinstance(lags, str):
        check_option("lags", lags, RULES)
    for name, value in (("lags", lags), ("max_lags", max_lags)):
        if value is None or isinstance(value, str):
            continue
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
            raise SpecError(f"{name}={value!r}: a whole number, 0 or more{', or a rule' if name == 'lags' else ''}.")
        if value > room:
            raise DataError(
                f"{name}={value} leaves no row before the first candidate date, row {low} of {nobs}; use at most "
                f"{max(room, 0)} lags, a larger trim or a longer sample."
            )
    if room < 0:
        raise DataError(f"the first candidate date is row {low} of {nobs}; use a larger trim or a longer sample.")
    if lags is not None and not isinstance(lags, str):
        return int(lags), int(lags)
    return (min(int(12 * (nobs / 100) ** 0.25), room) if max_lags is None else int(max_lags)), None


def choose(ssr: Array, rule: int | str | None, nobs: int, width: int) -> Ints:
    """Lags by column of ``ssr`` (K + 1, P), sums of squares on the same ``nobs`` rows; ``width`` other coefficients."""
    number = np.arange(ssr.shape[0])[:, None]
    if rule in ("aic", "bic"):
        value = nobs * np.log(ssr) + number * (2.0 if rule == "aic" else np.log(nobs))
        least: Ints = np.argmin(np.where(np.isfinite(value), value, np.inf), axis=0).astype(np.int64)
        return least
    if ssr.shape[0] == 1:
        return np.zeros(ssr.shape[1], np.int64)
    squared = (ssr[:-1] - ssr[1:]) / ssr[1:] * (nobs - width - number[1:])
    last: Ints = np.where(squared >= TEN_PERCENT**2, number[1:], 0).max(axis=0).astype(np.int64)
    return last


def nested_sums(design: Array, response: Array, lags: int) -> Array:
    """Sums of squared residuals with 0, …, ``lags`` of the last columns of ``design``."""
    q = np.linalg.qr(design / np.sqrt(np.mean(design**2, axis=0) + 1e-300))[0]
    along = q.T @ response
    rest = response - q @ along
    explained = along[design.shape[1] - lags :] ** 2
    sums: Array = float(rest @ rest) + np.concatenate([np.cumsum(explained[::-1])[::-1], [0.0]])
    return sums


def _refuse_exact(value: Array) -> None:
    if np.isneginf(value).any():
        raise DataError(
            "the series is a broken trend without noise (or does not move): nothing in it could have a unit root."
        )


def smallest(value: Array, high: int, lags: int, by_date: Ints | None = None) -> Search:
    """Search over one date: ``value`` at the dates up to ``high``."""
    _refuse_exact(value)
    if not np.isfinite(value).any():
        raise DataError("no candidate date has a regression of full rank; the series hardly moves.")
    at, low = int(np.nanargmin(value)), high - value.size + 1
    k = lags if by_date is None else int(by_date[at])
    return Search(float(value[at]), (low + at,), value, low, k, by_date)


def pairs_found(best: Array, where: Ints, low: int, lags: int) -> Search:
    """Search over pairs: the smallest value by first date, and the second date it has."""
    _refuse_exact(best)
    if not np.isfinite(best).any():
        raise DataError("no pair of dates has a regression of full rank; use a larger trim or fewer lags.")
    at = int(np.argmin(best))
    path = np.where(np.isfinite(best), best, np.nan)
    return Search(float(best[at]), (low + at, int(where[at])), path, low, lags)


def each_lag(
    path: Callable[[int, int], Array], rule: int | str | None, most: int, nobs: int, width: int
) -> tuple[Array, Ints]:
    """Statistics of a search in which every date chooses its lags, and the lags.

    ``path(k, start)`` returns t-statistics and sums of squares (2, dates) with k lags on the rows from ``start``. Lags
    are chosen on common rows, and the statistic takes all rows that the chosen number leaves.
    """
    common = np.stack([path(k, most + 1)[1] for k in range(most + 1)])
    chosen = choose(common, rule, nobs - most - 1, width)
    value = np.full(chosen.size, np.nan)
    for k in np.unique(chosen):
        own = path(int(k), int(k) + 1)[0][-chosen.size :]
        value = np.where(chosen == k, own, value)
    return value, chosen


def coefficients(columns: Mapping[str, Array], response: Array) -> pd.DataFrame:
    """Ordinary least squares with the classic errors, by the names of the columns."""
    design = np.stack(list(columns.values()), axis=1)
    scale = np.sqrt(np.mean(design**2, axis=0))
    q, r = np.linalg.qr(design / scale)
    beta = np.linalg.solve(r, q.T @ response)
    residual = response - (design / scale) @ beta
    variance = float(residual @ residual) / max(response.size - design.shape[1], 1)
    errors = np.sqrt(variance * np.sum(np.linalg.inv(r) ** 2, axis=1)) / scale
    estimate = beta / scale
    table = np.column_stack([estimate, errors, estimate / errors])
    return pd.DataFrame(table, list(columns), ["estimate", "std err", "t"])


def law_at(law: str, nobs: int, trim: float) -> LimitLaw:
    """The law of minus the statistic at T and a trim: quantiles interpolated linearly in 1/T and in the trim.

    Beyond the largest T simulated its law is used, and below the smallest that one's.

    Raises
    ------
    SpecError : a trim outside those simulated.
    """
    laws = limit_laws(FAMILY)
    nodes = [key.split(":") for key in laws if key.startswith(f"{law}:")]
    sizes = np.array(sorted({int(node[-2]) for node in nodes}))
    trims = np.array(sorted({float(node[-1]) for node in nodes}))
    if not trims[0] <= trim <= trims[-1]:
        raise SpecError(
            f"trim={trim}: the law was simulated for trims from {trims[0]:g} to {trims[-1]:g}; use one of these or "
            "pvalue='wild'."
        )

    def between(grid: Array, value: float) -> list[tuple[int, float]]:
        at = int(np.clip(np.searchsorted(grid, value) - 1, 0, grid.size - 2))
        share = float(np.clip((value - grid[at]) / (grid[at + 1] - grid[at]), 0.0, 1.0))
        return [(at, 1.0 - share), (at + 1, share)]

    quantiles, draws = np.zeros_like(next(iter(laws.values())).quantiles), []
    order = sizes[::-1]
    for i, by_size in between(1.0 / order, 1.0 / nobs):
        for j, by_trim in between(trims, trim):
            if by_size * by_trim > 0.0:
                one = laws[f"{law}:{order[i]}:{trims[j]:g}"]
                quantiles = quantiles + by_size * by_trim * one.quantiles
                draws.append(one.draws)
    some = next(iter(laws.values()))
    return LimitLaw(some.probabilities, quantiles, min(draws), int(nobs))


def wild_differences(y: Array, lags: int) -> Callable[[np.random.Generator], Array]:
    """Draws of levels with a unit root and no break: AR(k) differences whose residuals keep their dates and sizes.

    Raises
    ------
    DataError : the differences have an explosive autoregression, so that no stationary null can be drawn.
    """
    d = np.diff(y)
    d = d - d.mean()
    design = np.stack([d[lags - i : d.size - i] for i in range(1, lags + 1)], axis=1) if lags else np.empty((d.size, 0))
    phi = np.linalg.lstsq(design, d[lags:], rcond=None)[0] if lags else np.empty(0)
    shocks = d[lags:] - design @ phi
    if lags:
        companion = np.zeros((lags, lags))
        companion[0] = phi
        companion[1:, :-1] = np.eye(lags - 1)
        largest = float(np.abs(np.linalg.eigvals(companion)).max())
        if largest >= 1.0:
            raise DataError(
                f"the differences have an autoregressive root of {largest:.3f}: the series is not of order one, and "
                "the bootstrap has no null to draw from. Use pvalue='asymptotic', or fewer lags."
            )

    def draw(rng: np.random.Generator) -> Array:
        from scipy.signal import lfilter

        noise = np.concatenate([d[:lags], shocks]) * rng.choice([-1.0, 1.0], d.size)
        steps = lfilter([1.0], np.concatenate([[1.0], -phi]), noise)
        return np.concatenate([[0.0], np.cumsum(steps)])

    return draw


def _one_draw(seed: np.random.SeedSequence, y: Array, lags: int, again: Callable[[Array], float]) -> float:
    try:
        return again(wild_differences(y, lags)(np.random.default_rng(seed)))
    except DataError:
        return float("nan")  # a drawn sample without a regression of full rank is left out of the law


def conclude(
    series: Series,
    found: Search,
    about: About,
    regression: pd.DataFrame,
    again: Callable[[Array], float],
    *,
    pvalue: str,
    draws: int,
    rng: int | np.random.Generator,
    n_jobs: int | None,
) -> UnitRootBreakTest:
    """Result of a search: ``again`` repeats it, lags given, on drawn levels."""
    check_option("pvalue", pvalue, ("asymptotic", "wild"))
    if pvalue == "wild":
        if not isinstance(draws, int | np.integer) or draws < FEWEST:
            raise SpecError(f"draws={draws!r}: at least {FEWEST}, the fewest that can reach 5 %.")
        wild_differences(series.values, found.lags)  # refuses before the work begins
        run = partial(_one_draw, y=series.values, lags=found.lags, again=again)
        null = np.array(map_draws(run, spawn(rng, int(draws)), n_jobs=n_jobs, label="unit-root bootstrap"))
        prob = bootstrap_pvalue(found.value, null, "lower")
        finite = null[np.isfinite(null)]
        reachable = {level: float(np.quantile(finite, level)) for level in LEVELS if (finite.size + 1) * level >= 1}
        critical, reference = reachable, f"recursive wild bootstrap, {finite.size} draws"
    else:
        law = law_at(about.law, series.nobs, about.trim)
        prob = law.pvalue(-found.value)
        critical = {level: -value for level, value in law.critical_values().items()}
        reference = f"simulated, independent normal errors, T = {series.nobs}, trim {about.trim:g}"
    labels = series.index[found.low : found.low + found.path.size]
    path = pd.Series(found.path, labels, name="t-statistic")
    first = found.positions[0]
    detail: dict[str, Any] = {
        "lags": found.lags,
        "coefficient of the lagged level": float(
            regression["estimate"].to_numpy()[regression.index.get_loc("level(-1)")]
        ),
    }
    if len(found.positions) > 1:
        detail["second break, first observation"] = label(series.index[found.positions[1]])
        detail["second break, last before it"] = label(series.index[found.positions[1] - 1])
    return UnitRootBreakTest(
        about.name,
        about.null,
        found.value,
        prob,
        reference,
        detail,
        alternative=about.alternative,
        critical_values=critical,
        path=path,
        boundary=pd.Series(critical[0.05], labels, name="5 %"),
        position=first,
        break_date=series.index[first],
        last_date=series.index[first - 1],
        nobs=series.nobs,
        options={**about.options, "trim": about.trim, "pvalue": pvalue},
        robustness=about.robustness,
        keys=about.keys,
        positions=found.positions,
        index=series.index,
        lags=found.lags,
        regression=regression,
        chosen_lags=None if found.by_date is None else pd.Series(found.by_date, labels, name="lags"),
    )
