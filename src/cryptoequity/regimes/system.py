r"""What regressions, autoregressions and VARs with regimes share: paths, exact forecasts, and their fit.

Given the state, all of them are :math:`y_t=c_{s}(t)+\sum_iA_{i,s}y_{t-i}+u_t`. First and second moments of
:math:`y_{T+h}` on the event that the state is s follow a linear recursion, so forecasts are exact: without simulation
and without the approximation that each regime goes on for ever.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError
from ..estimation.params import Array
from ..kernels.regime_regression import switching_path
from .chain import Chain
from .emission import Integers
from .fit import RegimeFit, RegimeForecast

if TYPE_CHECKING:
    from .error_law import ErrorLaw

__all__ = [
    "LinearRegimeFit",
    "SystemEmission",
    "check_exog",
    "check_response",
    "extend",
    "run_path",
    "switching_columns",
    "system_forecast",
]

FILLED = 0.01  # share of exact zeros beyond which a series that has little else of one value was filled


class SystemEmission(Protocol):
    """What forecasts and simulations read of densities that are linear in the past.

    Attributes
    ----------
    order : p. memory : dates before the first whose regressors matter too. inside : coefficients in theta.
    own : (states,) regime whose error law a state has. presample, past : the p values before the first date and up to
        the last. switching : (m,) which of the regressors ``labels`` have coefficients that switch.
    """

    n: int
    y: Array
    order: int
    memory: int
    inside: int
    own: Integers
    presample: Array
    errors: ErrorLaw
    labels: tuple[str, ...]

    @property
    def past(self) -> Array:
        """Last values (p, N)."""

    @property
    def regressors(self) -> Array:
        """Rows of regressors that are not lags, (memory + T, m)."""

    def level(self, theta: Array, x: Array) -> Array:
        """What is not lags, (H, states, N), at rows of regressors (memory + H, m)."""

    def lag_matrices(self, theta: Array) -> Array:
        """(states, p, N, N)."""

    def error_covariance(self, theta: Array) -> Array:
        """(states, N, N)."""

    def coefficients(self, theta: Array) -> Array:
        """(regimes, N, m)."""


def extend(x: Array, rows: int) -> Array:
    """Regressors over more dates than the sample has, which only a constant allows."""
    if x.shape[1] and np.ptp(x, axis=0).max() > 0:
        raise DataError(f"the regressors are known for {len(x)} dates, not for {rows}; simulate at most as many.")
    return np.repeat(x[:1], rows, axis=0)


def run_path(emission: SystemEmission, theta: Array, level: Array, states: Integers, rng: np.random.Generator) -> Array:
    """Data of a path of states, from the values before the first date."""
    shocks = emission.errors.draw(theta[emission.inside :], emission.own[states], rng)
    out = np.vstack([emission.presample, np.empty((states.size, emission.n))])
    switching_path(level, emission.lag_matrices(theta), states, shocks, out)
    return out[emission.order :]


def system_forecast(
    first: Array, transitions: Array, level: Array, lags: Array, covariance: Array, past: Array
) -> tuple[Array, Array]:
    r"""Means (H, N) and covariances (H, N, N) of a system whose state moves with a chain.

    With :math:`z_t` the stack of the last p values and :math:`m_s=E[z_t1\{S_t=s\}]`,
    :math:`M_s=E[z_tz_t'1\{S_t=s\}]`,

    .. math:: m_s\leftarrow c_s\pi_s+F_s\sum_rp_{rs}m_r,\qquad
              M_s\leftarrow F_s\bar MF_s'+c_s(F_s\bar m)'+F_s\bar mc_s'+\pi_s(c_sc_s'+\Sigma_s),

    where a bar is the sum over r of :math:`p_{rs}` times what it covers.

    Parameters
    ----------
    first : (M,) law of the state today. transitions : (H, M, M). level : (H, M, N). lags : (M, p, N, N).
    covariance : (M, N, N) of the errors. past : (p, N) last values, newest last.
    """
    horizon, states, n = level.shape
    order = lags.shape[1]
    width = max(order, 1) * n
    move = np.zeros((states, width, width))
    for i in range(order):
        move[:, :n, i * n : (i + 1) * n] = lags[:, i]
    if order > 1:
        move[:, n:, : width - n] = np.eye(width - n)
    # deviations from the last value, so that a level far from zero costs no digits of the variance
    center = past[-1] if order else level[0].mean(axis=0)
    level = level - center + np.einsum("spij,j->si", lags, center)
    stack = (past[::-1] - center).ravel() if order else np.zeros(n)
    law = first.copy()
    mean, second = first[:, None] * stack, first[:, None, None] * np.outer(stack, stack)
    means, covs = np.empty((horizon, n)), np.empty((horizon, n, n))
    for h in range(horizon):
        p = transitions[h]
        law = law @ p
        carried = np.einsum("sij,sj->si", move, p.T @ mean)
        shift = np.zeros((states, width))
        shift[:, :n] = level[h]
        product = np.einsum("sij,sjl,sml->sim", move, np.einsum("rs,rij->sij", p, second), move)
        cross = shift[:, :, None] * carried[:, None, :]
        product += cross + cross.transpose(0, 2, 1) + law[:, None, None] * shift[:, :, None] * shift[:, None, :]
        product[:, :n, :n] += law[:, None, None] * covariance
        mean, second = carried + law[:, None] * shift, product
        means[h] = mean[:, :n].sum(axis=0)
        covs[h] = second[:, :n, :n].sum(axis=0) - np.outer(means[h], means[h])
    return means + center, covs


@dataclass(frozen=True, eq=False)
class LinearRegimeFit(RegimeFit):
    """A fitted `MarkovRegression`, `MarkovAutoregression` or `MarkovVAR`; see `RegimeFit`.

    Attributes
    ----------
    exog : names of the regressors that were given. constant : whether there is a constant before them.
    """

    exog: tuple[str, ...] = ()
    constant: bool = True

    @property
    def system(self) -> SystemEmission:
        """The densities, on arrays."""
        return cast(SystemEmission, self.emission)

    @property
    def order(self) -> int:
        """Lags."""
        return self.system.order

    @property
    def _inner(self) -> Array:
        return self.likelihood.split(self.theta)[0]

    def coefficients(self) -> pd.DataFrame:
        """Coefficients by regime: rows (equation, regressor), those that are common repeated in every column."""
        values = self.system.coefficients(self._inner)
        rows = pd.MultiIndex.from_product([self.names, self.system.labels], names=["equation", "regressor"])
        return pd.DataFrame(values.reshape(self.k, -1).T, rows, self.regime_names)

    def lag_matrices(self) -> Array:
        """Matrices of the lags by regime, (k, p, N, N)."""
        states = np.unique(self.chain.now, return_index=True)[1]
        out: Array = self.system.lag_matrices(self._inner)[states]
        return out

    def error_covariance(self) -> Array:
        """Covariances of the errors by regime, (k, N, N)."""
        states = np.unique(self.chain.now, return_index=True)[1]
        out: Array = self.system.error_covariance(self._inner)[states]
        return out

    def stability(self) -> pd.Series:
        """Largest modulus of the roots of each regime's lags; below 1 it is stable on its own, (k,)."""
        lags, n, p = self.lag_matrices(), len(self.names), self.order
        out = np.zeros(self.k)
        for j in range(self.k if p else 0):
            companion = np.eye(n * p, k=-n)
            companion[:n] = lags[j].transpose(1, 0, 2).reshape(n, n * p)
            out[j] = np.abs(np.linalg.eigvals(companion)).max()
        return pd.Series(out, self.regime_names, name="largest root")

    def regime_moments(self) -> pd.DataFrame:
        r"""Mean level of each regime over the sample, deviations and correlations of its errors.

        The level is the regime's own mean in the deviation form; elsewhere the mean of :math:`E[y_t\mid S_t=j]`
        given the regressors and lags as they were.
        """
        if self.system.memory:
            x, coefficients = self.system.regressors, self.system.coefficients(self._inner)
            mean = np.einsum("tm,knm->tkn", x, coefficients).mean(axis=0)
        else:
            mean = self._moments()[0].mean(axis=0)
        cov = self.error_covariance()
        sd = np.sqrt(np.einsum("kii->ki", cov))
        rows: dict[str, Array] = {}
        for i, name in enumerate(self.names):
            rows[f"mean {name}"], rows[f"sd {name}"] = mean[:, i], sd[:, i]
        for i in range(len(self.names)):
            for j in range(i + 1, len(self.names)):
                rows[f"corr {self.names[i]}, {self.names[j]}"] = cov[:, i, j] / (sd[:, i] * sd[:, j])
        return pd.DataFrame(rows, self.regime_names).T

    def resid(self, kind: str = "predicted") -> pd.DataFrame:
        """Data less `conditional_mean`, (T, N)."""
        return pd.DataFrame(self.system.y, self.index, list(self.names)) - self.conditional_mean(kind)

    def forecast(
        self,
        horizon: int = 1,
        *,
        drivers: pd.DataFrame | pd.Series | None = None,
        exog: pd.DataFrame | pd.Series | None = None,
    ) -> RegimeForecast:
        """Probabilities, mean, covariance and correlation 1 to ``horizon`` dates after the last, exactly.

        The covariance counts the errors, the regimes ahead and what is not known of the regime today; not that the
        parameters are estimated.

        Parameters
        ----------
        drivers : rows of future drivers, row h acting on date T + h (lag them beforehand); needed with drivers.
        exog : rows of future regressors; needed with regressors.

        Raises
        ------
        SpecError : rows that are missing, of another shape, or not finite.
        """
        moves = self._matrices_ahead(horizon, drivers)
        system = self.system
        x = np.empty((horizon, len(self.exog)))
        if self.exog:
            if exog is None:
                raise SpecError(f"the mean moves with {', '.join(self.exog)}: give exog= for every date ahead.")
            x = np.asarray(exog.to_frame() if isinstance(exog, pd.Series) else exog, float)
            if x.shape != (horizon, len(self.exog)) or not np.isfinite(x).all():
                raise SpecError(f"exog must be finite and of shape {(horizon, len(self.exog))}, not {x.shape}.")
        elif exog is not None:
            raise SpecError("this model has no regressors; leave exog= out.")
        if self.constant:
            x = np.column_stack([np.ones(horizon), x])
        if system.memory:
            x = np.vstack([system.regressors[-system.memory :], x])
        means, covs = system_forecast(
            self.inference.filtered[-1],
            self.chain.lift(moves),
            system.level(self._inner, np.ascontiguousarray(x)),
            system.lag_matrices(self._inner),
            system.error_covariance(self._inner),
            system.past,
        )
        return self._forecast_frames(self._ahead(horizon, drivers), means, covs)


def check_response(data: pd.Series | pd.DataFrame, *, what: str, lags: int, parameters: int, spread: bool) -> Array:
    """Values (T, N) of what a regression explains.

    Levels, rates and macroeconomic series are welcome: nothing asks for percent returns.

    Parameters
    ----------
    parameters : of the model, of which there must be fewer than half as many dates. spread : variances switch.

    Raises
    ------
    DataError : what is not a series with an index in order, not finite, too short; zeros of a filled calendar where
        variances switch: closes carried over a closed day are returns of exactly zero, whose regime has no variance.
    """
    frame = data.to_frame() if isinstance(data, pd.Series) else data
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{what}: pass a pandas Series or DataFrame, not {type(data).__name__}.")
    if not frame.index.is_unique or not frame.index.is_monotonic_increasing:
        raise DataError(f"{what}: the index must be in order and without repeats; sort it and drop duplicates.")
    if not frame.columns.is_unique:
        raise DataError(f"{what}: column names repeat.")
    values = numbers(frame, what)
    need = max(20, 2 * parameters)
    if len(values) - lags < need:
        raise DataError(
            f"{what}: {len(values) - lags} dates after {lags} lags for {parameters} parameters; at least {need} are "
            "needed."
        )
    for a, name in enumerate(frame.columns):
        column = values[:, a]
        if np.ptp(column) == 0:
            raise DataError(f"{what}: {name!r} is constant.")
        zeros = int((column == 0).sum())
        if not spread or zeros < max(5, FILLED * len(column)):
            continue
        # rounded figures repeat every value, filled closes only the return of zero
        most = int(np.unique(column[column != 0], return_counts=True)[1].max())
        if zeros > 3 * most:
            raise DataError(
                f"{what}: {name!r} is exactly zero on {zeros} of {len(column)} dates; closes were filled over days the "
                "market was shut, and a regime of their own with no variance would win. Use the sessions both markets "
                "share (to_returns), or leave the variance common."
            )
    return values


def numbers(frame: pd.DataFrame, what: str) -> Array:
    """Finite floats of a frame."""
    columns = []
    for name in frame.columns:
        try:
            column = frame[name].to_numpy(float)
        except (TypeError, ValueError) as error:
            raise DataError(f"{what}: {name!r} holds what is not a number.") from error
        bad = ~np.isfinite(column)
        if bad.any():
            raise DataError(
                f"{what}: {name!r} is not finite on {int(bad.sum())} dates, first {frame.index[bad][0]}; drop them or "
                "start the sample after them."
            )
        columns.append(column)
    return np.column_stack(columns) if columns else np.empty((len(frame), 0))


def check_exog(exog: pd.Series | pd.DataFrame | None, index: pd.Index) -> tuple[Array, tuple[str, ...]]:
    """Regressors (T, M) on the dates of ``index``, and their names.

    Raises
    ------
    DataError : dates without a row, values that are not finite, names that repeat.
    """
    if exog is None:
        return np.empty((len(index), 0)), ()
    frame = exog.to_frame(exog.name if exog.name is not None else "x") if isinstance(exog, pd.Series) else exog
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"exog: pass a pandas Series or DataFrame, not {type(exog).__name__}.")
    names = tuple(map(str, frame.columns))
    if len(set(names)) < len(names) or not frame.index.is_unique:
        raise DataError("exog: names of columns and dates must not repeat.")
    missing = index.difference(frame.index)
    if len(missing):
        raise DataError(f"exog: no row for {len(missing)} of the {len(index)} dates, first {missing[0]}.")
    return numbers(frame.loc[index], "exog"), names


def switching_columns(switching: bool | Sequence[str], names: Sequence[str], option: str) -> list[bool]:
    """Which of the regressors ``names`` switch, from all (True), none (False) or their names."""
    if isinstance(switching, bool):
        return [switching] * len(names)
    unknown = [name for name in switching if name not in names]
    if unknown:
        known = ", ".join(names) or "none"
        raise SpecError(f"{option}: no regressor {unknown[0]!r}; there are {known}.")
    return [name in switching for name in names]


def lagged_columns(values: Array, lags: int) -> Array:
    """Lags 1 to p of every column, (T - p, p N): lag 1 of all columns first."""
    return np.hstack([values[lags - i : len(values) - i] for i in range(1, lags + 1)])


def after_lags(chain: Chain, lags: int) -> Chain:
    """The chain without its first ``lags`` dates."""
    return Chain(chain.k, chain.z[lags:], chain.names, chain.driven, chain.initial, chain.penalty)


def count_parameters(k: int, n: int, switching: Sequence[bool], variance: bool, student: bool, drivers: int) -> int:
    """Parameters of a regression of ``n`` columns on regressors of which some switch."""
    own = sum(switching)
    law = (k if variance else 1) * math.comb(n + 1, 2) + int(student)
    return n * (k * own + len(switching) - own) + law + k * (k - 1) * (1 + drivers)
