r"""Windows of a pair of returns, and samples in which nothing but the variance of the source has changed.

The null is a model, :math:`y_t=bx_t+w_t` with one :math:`b`, in which the crisis is a rise of the variance of the
source: the model from which the adjustment of a correlation is derived. Its memory is that of the data in blocks, or
a GARCH of the source and one of the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import CryptoEquityError, DataError, SpecError
from ..estimation.bootstrap import FEWEST, standardize_shocks
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..volatility import GARCH
from ..volatility.garch import climb_margin, simulate_margin
from .results import label

__all__ = [
    "Interdependence",
    "Ratios",
    "Rule",
    "Statistic",
    "Windows",
    "block_length",
    "draw_statistics",
    "read_windows",
]

Rows: TypeAlias = npt.NDArray[np.intp]
Rule: TypeAlias = Callable[[Array, Array], Any]
MIN_CRISIS = 20
MIN_CALM = 50
MIN_GARCH = 250  # rows from which a GARCH(1,1) is worth fitting
SPEC = GARCH(mean="zero")


@dataclass(frozen=True, eq=False)
class Windows:
    """Rows of the calm and of the crisis, increasing and disjoint."""

    calm: Rows = field(repr=False)
    crisis: Rows = field(repr=False)

    def between(self, index: pd.Index) -> str:
        """Their dates and numbers of observations."""
        parts = [
            f"{what} {label(index[rows[0]])} to {label(index[rows[-1]])} ({rows.size})"
            for what, rows in (("calm", self.calm), ("crisis", self.crisis))
        ]
        return ", ".join(parts)


def read_windows(index: pd.Index, crisis: Any, calm: Any = None) -> Windows:
    """Rows of the windows, or the reason why not.

    Parameters
    ----------
    crisis : (first, last) labels, both included, or a boolean mask (T,). calm : the same; by default every row before
        the first of the crisis.
    """
    late = _window(index, crisis, "crisis")
    early = np.arange(late[0]) if calm is None else _window(index, calm, "calm")
    both = np.intersect1d(early, late)
    if both.size:
        raise DataError(
            f"calm and crisis share {both.size} rows, the first {label(index[both[0]])}: two estimates from common "
            "observations are dependent and their difference is too small; make the windows disjoint."
        )
    for what, rows, least in (("calm", early, MIN_CALM), ("crisis", late, MIN_CRISIS)):
        if rows.size < least:
            cure = "" if calm is not None or what == "crisis" else "; give calm=(first, last)"
            raise DataError(f"{what}: {rows.size} observations are too few, at least {least} are needed{cure}.")
    return Windows(early, late)


def _window(index: pd.Index, given: Any, what: str) -> Rows:
    if isinstance(given, tuple) and len(given) == 2:
        if not index.is_monotonic_increasing:
            raise DataError(f"{what}=(first, last) needs rows in order; use .sort_index(), or give a mask.")
        try:
            found = index.slice_indexer(given[0], given[1])
        except (KeyError, TypeError, ValueError) as error:
            raise SpecError(f"{what}={given!r}: not labels of the rows ({error}).") from error
        rows = np.arange(len(index))[found]
    else:
        mask = given.reindex(index) if isinstance(given, pd.Series) else np.asarray(given)
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (len(index),):
            raise SpecError(
                f"{what} must be (first, last) labels or a boolean mask of {len(index)} rows with the labels of the "
                f"series, not {type(given).__name__} of shape {mask.shape} and type {mask.dtype}."
            )
        rows = np.flatnonzero(mask)
    if not rows.size:
        raise DataError(
            f"{what}={_short(given)}: no observation lies within; the rows go from {label(index[0])} to "
            f"{label(index[-1])}."
        )
    return rows.astype(np.intp)


def _short(given: Any) -> str:
    return repr(given) if isinstance(given, tuple) else "mask"


@dataclass(frozen=True)
class Ratios:
    """What the model of interdependence has to assume: idiosyncratic over common variance of the source.

    Attributes
    ----------
    calm, crisis : in the two windows; 0 is Forbes and Rigobon's case.
    """

    calm: float = 0.0
    crisis: float = 0.0


@dataclass(frozen=True, eq=False)
class Interdependence:
    """A linear model with constant coefficients in which the crisis is one of the source's variance.

    The target is :math:`y_t=b_tx_t+s_tw_t`. With no noise in the source :math:`b` and :math:`s` are constant; with
    noise they differ between the windows in the way a common factor makes them (see `interdependence`).

    Attributes
    ----------
    shocks : (n, 2) uncorrelated unit-variance rows of the source and of the rest; resampled one by one through a
        GARCH(1,1) each, or in circular blocks of ``block`` rows.
    sd, slope, rest : (T,) standard deviation of the source, slope, and standard deviation of what is left.
    windows : rows; None where ``rule`` dates every sample. swap : whether the source of the model comes second.
    volatility : parameters of the two GARCH and the mean variance a simulation starts from; None for blocks.
    converged : whether both GARCH fits did.
    """

    shocks: Array = field(repr=False)
    sd: Array = field(repr=False)
    slope: Array = field(repr=False)
    rest: Array = field(repr=False)
    windows: Windows | None
    rule: Rule | None
    swap: bool
    block: int
    volatility: tuple[tuple[Array, float], tuple[Array, float]] | None = field(repr=False)
    converged: bool

    @classmethod
    def of(
        cls,
        x: Array,
        y: Array,
        windows: Windows,
        memory: str,
        *,
        block: int | None = None,
        rule: Rule | None = None,
        swap: bool = False,
        ratios: Ratios | None = None,
    ) -> Interdependence:
        """Fit it to the pair.

        Parameters
        ----------
        memory : "block" or "garch". block : length, by default the cube root of the rows used.
        rule : dates every sample; the source then has one variance throughout, and no given crisis.
        """
        if swap:
            x, y = y, x
        used = np.union1d(windows.calm, windows.crisis)
        if memory == "garch" and x.size < MIN_GARCH:
            raise DataError(f"pvalue='garch' fits a GARCH to {x.size} rows; it needs {MIN_GARCH}. Use pvalue='block'.")
        where = np.zeros(x.size, np.intp)  # 0 calm, 1 crisis, 2 neither
        if rule is None:
            where[:] = 2
            where[windows.calm] = 0
            where[windows.crisis] = 1
        one, two, sd = np.empty(x.size), np.empty(x.size), np.empty(x.size)
        for group in range(3):
            rows = where == group
            if rows.any():
                one[rows], two[rows] = x[rows] - x[rows].mean(), y[rows] - y[rows].mean()
                sd[rows] = float(x[rows].std())
        sd[sd == 0.0] = float(x[used].std())  # a gap of one row has no variance of its own
        assumed = Ratios() if ratios is None else ratios
        fall = np.where(where == 1, (1.0 + assumed.calm) / (1.0 + assumed.crisis), 1.0)
        regressor = one * fall
        slope = float(regressor[used] @ two[used] / (regressor[used] @ regressor[used]))
        left = two - slope * regressor
        calm_sd = float(x[windows.calm].std())
        rise = float((x[windows.crisis].std() / calm_sd) ** 2) if rule is None else 1.0
        factor, rest = _rest(left, used, where, abs(slope) * calm_sd, rise, assumed)
        if not rest > 1e-10 * float(two.std()):
            raise DataError("the target is the source times a number: there is no correlation to test.")
        pair = np.stack([one / sd, left / (rest * factor)], axis=1)
        volatility, converged = None, True
        length = 1
        if memory == "garch":
            pair, volatility, converged = _filter(pair)
            shocks = standardize_shocks(pair)
        else:
            shocks = standardize_shocks(pair[used])
            length = block_length(block, used.size, windows)
        place = slice(None) if memory == "garch" else used
        inner = windows
        if memory != "garch":
            inner = Windows(np.searchsorted(used, windows.calm), np.searchsorted(used, windows.crisis))
        return cls(
            shocks,
            sd[place],
            slope * fall[place],
            rest * factor[place],
            None if rule is not None else inner,
            rule,
            swap,
            length,
            volatility,
            converged,
        )

    @property
    def memory(self) -> str:
        """How the samples remember, in words."""
        if self.volatility is None:
            kind = f"blocks of {self.block} rows of both windows"
        else:
            kind = "GARCH(1,1) of the source and of the rest"
        return kind if self.rule is None else kind + ", dated again by the rule in each"

    def draw(self, rng: np.random.Generator) -> tuple[Array, Array, Windows]:
        """A sample of the pair in the order it was given, and its windows."""
        nobs = self.shocks.shape[0]
        if self.volatility is None:
            starts = rng.integers(0, nobs, -(-nobs // self.block))
            rows = (starts[:, None] + np.arange(self.block)).ravel()[:nobs] % nobs
            source, rest = self.shocks[rows].T
        else:
            drawn = np.ascontiguousarray(self.shocks[rng.integers(0, nobs, nobs)].T)
            source, rest = (
                simulate_margin(SPEC, theta, shocks, start)[0]
                for shocks, (theta, start) in zip(drawn, self.volatility, strict=True)
            )
        x = source * self.sd
        y = self.slope * x + rest * self.rest
        first, second = (y, x) if self.swap else (x, y)
        if self.rule is not None:
            return first, second, read_windows(pd.RangeIndex(nobs), np.asarray(self.rule(first, second)))
        if self.windows is None:
            raise SpecError("a world without a rule needs windows.")
        return first, second, self.windows


def _rest(left: Array, used: Rows, where: Rows, carried: float, rise: float, ratios: Ratios) -> tuple[Array, float]:
    r"""Factor (T,) by which what the source leaves is larger in the crisis, and its standard deviation on calm days.

    :math:`s^2=\{1+\rho^2(1+\lambda_T)(\kappa-1)-\rho^2\kappa^2/(1+\delta)\}/(1-\rho^2)`, 1 without noise in the
    source. The correlation in it depends on the standard deviation, which depends on the factor: a few rounds.
    """
    one = 1.0 + ratios.calm
    kappa = rise * one / (1.0 + ratios.crisis)
    square, rest = 1.0, float(left[used].std())
    for _ in range(100):
        rho2 = carried**2 / (carried**2 + rest**2) if carried > 0.0 else 0.0
        before = square
        rho2 = min(rho2, 1.0 / one)  # the common factor cannot carry more
        top = 1.0 + rho2 * one * (kappa - 1.0) - rho2 * kappa**2 / rise
        square = max(top / (1.0 - rho2), 1e-6) if rho2 < 1.0 else 1.0
        rest = float((left / np.where(where == 1, np.sqrt(square), 1.0))[used].std())
        if abs(square - before) <= 1e-10 * square:
            break
    return np.where(where == 1, np.sqrt(square), 1.0), rest


def _filter(pair: Array) -> tuple[Array, tuple[tuple[Array, float], tuple[Array, float]], bool]:
    """GARCH(1,1) of both columns: standardized residuals, parameters with the mean variance, convergence."""
    z, fitted, converged = [], [], True
    for column in pair.T:
        lik, optimum = climb_margin(SPEC, np.ascontiguousarray(column))
        _, variance, resid, _, _ = lik.filter(optimum.theta, 0)
        z.append(resid / np.sqrt(variance))
        fitted.append((optimum.theta, float(variance.mean())))
        converged = converged and optimum.converged
    return np.stack(z, axis=1), (fitted[0], fitted[1]), converged


def block_length(block: int | None, nobs: int, windows: Windows) -> int:
    """Length of blocks: ``block``, or the cube root of ``nobs``."""
    if block is None:
        return max(1, int(np.rint(np.cbrt(nobs))))
    most = int(windows.crisis.size)
    if not isinstance(block, int | np.integer) or isinstance(block, bool) or not 1 <= block <= most:
        raise SpecError(f"block={block!r}: a whole number between 1 and {most}, the observations of the crisis.")
    return int(block)


Statistic: TypeAlias = Callable[[Array, Array, Windows], float]


@dataclass(frozen=True, eq=False)
class _Draw:
    """Statistic of one sample of a world, NaN where it has none; a picklable task."""

    world: Interdependence
    statistic: Statistic

    def __call__(self, seed: np.random.SeedSequence) -> float:
        try:
            return self.statistic(*self.world.draw(np.random.default_rng(seed)))
        except (CryptoEquityError, np.linalg.LinAlgError):
            return float("nan")


def draw_statistics(
    world: Interdependence, statistic: Statistic, draws: int, rng: int | np.random.Generator, n_jobs: int | None
) -> Array:
    """Statistics (draws,) of samples of a world, NaN where a sample has none."""
    if not isinstance(draws, int | np.integer) or isinstance(draws, bool) or draws < FEWEST:
        raise SpecError(f"draws={draws!r}: at least {FEWEST} samples; with fewer no p-value reaches 5 %.")
    tasks = spawn(rng, int(draws))
    return np.array(map_draws(_Draw(world, statistic), tasks, n_jobs=n_jobs, label="null draws"), float)
