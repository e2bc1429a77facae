r"""The likelihoods of DCC-MIDAS on arrays: a slow level of the correlation, from its own past or from a driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import DataError, SpecError
from ..estimation.optimize import Optimum
from ..estimation.params import Array, Block, Layout, interval, real, subsimplex
from ..kernels.dccx import (
    driven_adjoint,
    driven_adjoint_pair,
    driven_filter,
    driven_filter_pair,
    driven_path,
    driven_simulate,
)
from ..kernels.midas import block_adjoint, block_correlations, midas_simulate
from .driven import scaled
from .model import PathModel, nu_block, second_moment_target

__all__ = ["DrivenSlowLikelihood", "RealizedSlowLikelihood", "beta_weights"]

_GRID = ((0.01, 0.97), (0.03, 0.93), (0.05, 0.85), (0.03, 0.6), (0.01, 0.1))
_SHAPES = (1.5, 5.0, 20.0)


def beta_weights(shape: float, lags: int) -> tuple[Array, Array]:
    r"""Beta weights of K lags and their slope by the shape, (K,) each; the most recent lag first.

    .. math:: \varphi_l(w)=\frac{(1-\frac l{K+1})^{w-1}}{\sum_{j=1}^K(1-\frac j{K+1})^{w-1}},\qquad l=1,\dots,K .

    All equal at w = 1, the more on the recent lags the larger w. With :math:`l/K` in place of :math:`l/(K+1)`
    the last weight would be zero for all w > 1 and 1/K at w = 1, and the likelihood would jump there.
    """
    left = np.log1p(-np.arange(1, lags + 1) / (lags + 1.0))
    weights = np.exp((shape - 1.0) * left)
    weights /= weights.sum()
    return weights, weights * (left - weights @ left)


class SlowModel(PathModel):
    r"""DCC around a level that is constant over blocks of L dates, :math:`Q_0=z_0z_0'=M_0`.

    .. math:: Q_t=(1-a-b)M_{\tau(t)}+a\,z_{t-1}z_{t-1}'+b\,Q_{t-1} .

    Blocks are counted from the first row. Parameters are (a, b, w, those of the subclass[, nu]).

    Attributes
    ----------
    lags, size : K and L.
    """

    polish = 5  # an integrated fast correlation and a slow one with little around it are two tops

    def __init__(
        self,
        z: Array,
        *,
        dist: str,
        lags: int,
        size: int,
        more: Sequence[Block] = (),
        names: Sequence[str] | None = None,
        driver: Array | None = None,
    ) -> None:
        super().__init__(z, dist=dist, names=names, driver=driver)
        self.lags, self.size = lags, size
        blocks = [subsimplex("midas.a", "midas.b"), interval("midas.w", 1.0, 200.0, log_from=0.0), *more]
        self.layout = Layout([*blocks, nu_block("midas.nu")] if self.student else blocks)
        self._none: Array = np.empty(0)
        self._flat: Array = np.empty((self.nobs, 0))
        self._blocks: Array = np.empty((0, self.n, self.n))

    @property
    def leaning(self) -> int:
        """Dates whose level counts blocks before the sample."""
        return min(int(self.lags * self.size), int(self.nobs))

    def loose(self, optimum: Optimum) -> tuple[bool, ...]:
        """Pinned coordinates, and all behind the level where a + b is at its cap and the level counts for nothing."""
        pinned = optimum.pinned
        last = len(pinned) - int(self.student)
        return tuple(one or (pinned[0] and 2 <= k < last) for k, one in enumerate(pinned))

    def concerns(self, optimum: Optimum) -> tuple[str, ...]:
        """Say so where the correlation does not return to its slow level."""
        if not optimum.pinned[0]:
            return ()
        return (
            "midas.a + midas.b is at its cap: Q_t does not return to the slow correlation, which is not identified",
        )

    def levels(self, theta: Array) -> tuple[Array, Array]:
        """Level of every block that has begun (B, N, N), and its slopes by the E parameters behind it (E, B, N, N)."""
        raise NotImplementedError

    def _filter(self, theta: Array, want: int) -> tuple[Array, Array, Array]:
        levels, slopes = self.levels(theta)
        a, b = float(theta[0]), float(theta[1])
        nu, const = self.density(theta)
        if self.n == 2:
            rows, cols = np.tril_indices(2)
            level, slope = levels[:, rows, cols].copy(), slopes[:, :, rows, cols].copy()
            return driven_filter_pair(  # type: ignore[no-any-return]
                a, b, self._none, nu, const, self.z, level, slope, self.size, self._flat, np.empty((0, 3)), want
            )
        return driven_filter(  # type: ignore[no-any-return]
            a, b, self._none, nu, const, self.z, levels, slopes, self.size, self._flat, self._blocks, want
        )

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) of z and scores (T, K)."""
        loglik, score, _ = self._filter(theta, want)
        return loglik, score

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the pairs, (T, pairs)."""
        return self._path(theta, self.z, self.levels(theta)[0], rows, cols)

    def _path(self, theta: Array, z: Array, levels: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        pairs = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
        flat, start = np.empty((z.shape[0], 0)), levels[0]
        return driven_path(  # type: ignore[no-any-return]
            float(theta[0]),
            float(theta[1]),
            self._none,
            z,
            levels,
            self.size,
            flat,
            self._blocks,
            start,
            start,
            *pairs,
        )

    def slow_path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Slow correlations of the pairs by date, (T, pairs)."""
        levels = self.levels(theta)[0]
        out: Array = levels[np.arange(self.nobs) // self.size][:, np.asarray(rows), np.asarray(cols)]
        return out

    def _by_levels(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z at fixed levels (T, N), and by the levels (B, N, N)."""
        levels = self.levels(theta)[0]
        a, b = float(theta[0]), float(theta[1])
        nu, const = self.density(theta)
        if self.n == 2:
            level = levels[:, [0, 1, 1], [0, 0, 1]].copy()
            return driven_adjoint_pair(  # type: ignore[no-any-return]
                a, b, self._none, nu, const, self.z, level, self.size, self._flat, np.empty((0, 3))
            )
        return driven_adjoint(  # type: ignore[no-any-return]
            a, b, self._none, nu, const, self.z, levels, self.size, self._flat, self._blocks
        )

    def last_q(self, theta: Array) -> Array:
        """Q_T, (N, N)."""
        q = self._filter(theta, 0)[2]
        return q if q.ndim == 2 else np.array([[q[0], q[1]], [q[1], q[2]]])

    def _expected(self, theta: Array, levels: Array, method: str) -> Array:
        """Forecasts (H, N, N) around the levels of the H dates ahead, news at their expectation."""
        a, b = float(theta[0]), float(theta[1])
        out = np.empty_like(levels)
        now = (1.0 - a - b) * levels[0] + a * np.outer(self.z[-1], self.z[-1]) + b * self.last_q(theta)
        if method == "R":
            now = scaled(now)
        for h in range(levels.shape[0]):
            if h:
                now = (1.0 - a - b) * levels[h] + (a + b) * now
            out[h] = scaled(now)
        return out


class RealizedSlowLikelihood(SlowModel):
    r"""DCC-MIDAS of Colacito, Engle & Ghysels (2011): the level is a weighted average of realized correlations.

    .. math:: M_\tau=\sum_{l=1}^K\varphi_l(w)\,C_{\tau-l},

    :math:`C_k` the correlation of the residuals of block k. For blocks before the sample :math:`C_k` is the
    correlation of the whole sample, so that every date has a likelihood: the first K L dates lean on it. M is an
    average of correlation matrices, hence one itself.

    Parameters
    ----------
    base : (N, N) what stands for blocks before the sample; the sample's own correlation by default.
    """

    def __init__(
        self,
        z: Array,
        *,
        dist: str,
        lags: int,
        size: int,
        names: Sequence[str] | None = None,
        base: Array | None = None,
    ) -> None:
        super().__init__(z, dist=dist, lags=lags, size=size, names=names)
        self.own = base is None
        self.base: Array = second_moment_target(self.z)[0] if base is None else base
        self.realized: Array = block_correlations(self.z, size)
        if not np.isfinite(self.realized).all():
            k, i = (int(v) for v in np.argwhere(~np.isfinite(np.einsum("kii->ki", self.realized)))[0])
            raise DataError(
                f"{self.names[i]}: all residuals of block {k + 1} (rows {k * size} to {(k + 1) * size - 1}) are zero, "
                "so that it has no correlation; use longer blocks or drop the dates."
            )
        # blocks -K, ..., -1 and all complete ones
        self.history: Array = np.concatenate([np.repeat(self.base[None], lags, axis=0), self.realized])
        self.begun = -(-self.nobs // size)

    def levels(self, theta: Array) -> tuple[Array, Array]:
        """Levels and their slope by w; see `SlowModel.levels`."""
        weights, slope = beta_weights(float(theta[2]), self.lags)
        # windows of K blocks, the oldest first; block tau reads those that end with tau - 1
        windows = sliding_window_view(self.history, self.lags, axis=0)[: self.begun]
        levels = windows @ weights[::-1]
        levels[:, np.arange(self.n), np.arange(self.n)] = 1.0
        return np.ascontiguousarray(levels), np.ascontiguousarray((windows @ slope[::-1])[None])

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, N), through the levels too; there is no nuisance."""
        dz, by_level = self._by_levels(theta)
        weights, _ = beta_weights(float(theta[2]), self.lags)
        slopes = np.zeros_like(self.history)
        for tau in range(self.begun):
            slopes[tau : tau + self.lags] += weights[::-1, None, None] * by_level[tau]
        dz = dz + block_adjoint(self.z, self.size, self.realized, slopes[self.lags :])
        if self.own:
            whole = slopes[: self.lags].sum(axis=0)[None]
            dz = dz + block_adjoint(self.z, self.nobs, self.base[None], whole)
        return dz, np.empty(0)

    def starts(self) -> Iterator[Array]:
        """A grid of news, persistence and shapes."""
        tail = (8.0,) if self.student else ()
        for a, b in _GRID:
            for shape in _SHAPES:
                yield np.array([a, b, shape, *tail])

    def simulate(
        self,
        theta: Array,
        shocks: Array,
        rows: npt.ArrayLike = (),
        cols: npt.ArrayLike = (),
        *,
        driver: Array | None = None,
        warm: bool = False,
    ) -> tuple[Array, Array]:
        """Residuals and correlations; see `PathModel.simulate`. Cold, the past is the correlation of the sample."""
        del driver
        a, b = float(theta[0]), float(theta[1])
        weights, _ = beta_weights(float(theta[2]), self.lags)
        past = self.z if warm else np.empty((0, self.n))
        start = np.outer(self.z[-1], self.z[-1]) if warm else self.base
        q = self.last_q(theta) if warm else self.base
        total = past.shape[0] + shocks.shape[0]
        history = np.empty((self.lags + -(-total // self.size), self.n, self.n))
        known = self.history.shape[0] if warm else self.lags
        history[:known] = self.history[:known]
        z = midas_simulate(a, b, weights, self.size, past, np.ascontiguousarray(shocks), history, start, q)
        both = RealizedSlowLikelihood(
            np.concatenate([past, z]),
            dist="t" if self.student else "normal",
            lags=self.lags,
            size=self.size,
            base=self.base,
        )
        return z, both.path(theta, rows, cols)[past.shape[0] :]

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        """As DCC around the level, which is known until the block after the current one ends."""
        del driver
        first, last = self.nobs // self.size, (self.nobs + horizon - 1) // self.size
        if last > first:
            left = (first + 1) * self.size - self.nobs
            raise SpecError(
                f"method={method!r}: the slow correlation is known for {left} more date(s), until the block of "
                f"{self.size} dates ends; use method='simulation' with rng for {horizon}."
            )
        weights, _ = beta_weights(float(theta[2]), self.lags)
        level = np.einsum("l,lij->ij", weights[::-1], self.history[first : first + self.lags])
        np.fill_diagonal(level, 1.0)
        return self._expected(theta, np.repeat(level[None], horizon, axis=0), method)

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> PathModel:
        """Return the same model on other residuals; what stands for blocks before the sample is kept."""
        del driver, nuisance
        return RealizedSlowLikelihood(
            z,
            dist="t" if self.student else "normal",
            lags=self.lags,
            size=self.size,
            names=self.names,
            base=self.base,
        )


class DrivenSlowLikelihood(SlowModel):
    r"""DCC around a slow correlation of a pair that a low-frequency driver moves.

    .. math:: M_{12,\tau}=\tanh\Bigl(m+\theta\sum_{l=1}^K\varphi_l(w)\,X_{\tau-l}\Bigr),

    :math:`X_k` the mean of the driver over block k; before the sample, its mean over the sample.

    Parameters
    ----------
    center : the value of the driver before the sample; its mean by default.
    """

    def __init__(
        self,
        z: Array,
        *,
        dist: str,
        lags: int,
        size: int,
        driver: Array,
        names: Sequence[str] | None = None,
        center: Array | None = None,
    ) -> None:
        more = [interval("midas.m", -4.0, 4.0), real("midas.theta")]
        super().__init__(z, dist=dist, lags=lags, size=size, more=more, names=names, driver=driver)
        if self.n != 2:
            raise SpecError(
                f"a driven slow correlation is for two columns, not {self.n}: correlations moved one by one need not "
                "form a correlation matrix. Leave driver= out, or use DCCX or STCC."
            )
        self.center: Array = np.asarray(driver, float).mean(axis=0) if center is None else center
        self.means = self._block_means(np.asarray(driver, float)[:, 0])
        if center is None and not self.spread[0] > 1e-12 * np.abs(self.means).max():
            raise DataError(
                f"the driver has the same mean in every block of {size} dates: it cannot drive a slow correlation; "
                "use another block length, or DCCX."
            )
        self.begun = -(-self.nobs // size)

    def _block_means(self, driver: Array) -> Array:
        """Driver of blocks -K, ..., -1 and of all complete ones."""
        count = driver.size // self.size
        inside = driver[: count * self.size].reshape(count, self.size).mean(axis=1)
        return np.concatenate([np.repeat(self.center, self.lags), inside])

    @property
    def spread(self) -> Array:
        """Standard deviation of the driver's block means within the sample, (1,)."""
        return np.array([self.means[self.lags :].std(ddof=1)])

    def levels(self, theta: Array) -> tuple[Array, Array]:
        """Levels and their slopes by w, m and theta; see `SlowModel.levels`."""
        return self._levels(theta, self.means, self.begun)

    def _levels(self, theta: Array, means: Array, begun: int) -> tuple[Array, Array]:
        weights, slope = beta_weights(float(theta[2]), self.lags)
        m, push = float(theta[3]), float(theta[4])
        windows = sliding_window_view(means, self.lags)[:begun]
        index = windows @ weights[::-1]
        rho = np.tanh(m + push * index)
        levels = np.ones((begun, 2, 2))
        levels[:, 0, 1] = levels[:, 1, 0] = rho
        slopes = np.zeros((3, begun, 2, 2))
        rows = ((push * (windows @ slope[::-1])), np.ones(begun), index)
        for k, row in enumerate(rows):
            slopes[k, :, 0, 1] = slopes[k, :, 1, 0] = (1.0 - rho) * (1.0 + rho) * row
        return levels, slopes

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, 2); there is no nuisance."""
        return self._by_levels(theta)[0], np.empty(0)

    def starts(self) -> Iterator[Array]:
        """A grid of news and persistence, without an effect and with effects of either sign at two shapes."""
        tail = (8.0,) if self.student else ()
        level = float(np.arctanh(0.99 * second_moment_target(self.z)[0][0, 1]))
        for a, b in _GRID:
            for shape in (1.5, 8.0):
                for shift in (-0.3, 0.05, 0.3):
                    push = shift / float(self.spread[0])
                    yield np.array([a, b, shape, level - push * float(self.center[0]), push, *tail])

    def simulate(
        self,
        theta: Array,
        shocks: Array,
        rows: npt.ArrayLike = (),
        cols: npt.ArrayLike = (),
        *,
        driver: Array | None = None,
        warm: bool = False,
    ) -> tuple[Array, Array]:
        """Residuals and correlations; see `PathModel.simulate`."""
        a, b = float(theta[0]), float(theta[1])
        before = self.nobs if warm else 0
        horizon = shocks.shape[0]
        levels = self._ahead_levels(theta, driver, horizon, warm)
        start = np.outer(self.z[-1], self.z[-1]) if warm else levels[0]
        q = self.last_q(theta) if warm else levels[0]
        # one level a date, for the count of blocks does not begin with the first of these dates
        daily = np.ascontiguousarray(levels[(before + np.arange(horizon)) // self.size])
        flat = np.empty((horizon, 0))
        z = driven_simulate(a, b, self._none, np.ascontiguousarray(shocks), daily, 1, flat, self._blocks, start, q)
        pairs = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
        return z, driven_path(a, b, self._none, z, daily, 1, flat, self._blocks, start, q, *pairs)

    def _ahead_levels(self, theta: Array, driver: Array | None, horizon: int, warm: bool) -> Array:
        """Level of every block from the first on, dates ahead included when ``warm``, or of dates ahead alone."""
        if driver is None:
            raise SpecError("a driven model simulates with its driver: pass driver=, one row a date.")
        ahead = np.asarray(driver, float)[:, 0]
        if warm and self.driver is not None:
            ahead = np.concatenate([self.driver[:, 0], ahead])
        begun = -(-((self.nobs if warm else 0) + horizon) // self.size)
        return self._levels(theta, self._block_means(ahead), begun)[0]

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        """As DCC around the levels that the driver gives."""
        levels = self._ahead_levels(theta, driver, horizon, warm=True)
        return self._expected(theta, levels[(self.nobs + np.arange(horizon)) // self.size], method)

    def long_run(self, theta: Array, nuisance: Array, driver: Array) -> Array:
        """Slow correlation (1,) when the driver has been at ``driver`` (1,) for K blocks."""
        del nuisance
        out: Array = np.tanh(theta[3] + theta[4] * driver)
        return out

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> PathModel:
        """Return the same model on other residuals; the value of the driver before the sample is kept."""
        del nuisance
        if driver is None:
            raise SpecError("this model is driven: the new dates need driver=.")
        return DrivenSlowLikelihood(
            z,
            dist="t" if self.student else "normal",
            lags=self.lags,
            size=self.size,
            driver=driver,
            names=self.names,
            center=self.center,
        )
