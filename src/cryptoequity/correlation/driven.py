r"""The likelihoods of DCC-X on arrays: exogenous variables in the intercept of Q, or in Fisher's z of a pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from ..errors import SpecError
from ..estimation.optimize import Optimum
from ..estimation.params import PERSISTENCE_CAP, Array, Layout, interval, real, subsimplex
from ..kernels.dccx import (
    driven_adjoint,
    driven_adjoint_pair,
    driven_filter,
    driven_filter_pair,
    driven_limits,
    driven_path,
    driven_simulate,
    fisher_adjoint,
    fisher_filter,
    fisher_simulate,
    spend_room,
)
from .model import PathModel, TargetModel, matrix_of, nu_block

__all__ = ["DrivenLayout", "DrivenLikelihood", "FisherLikelihood"]

_GRID = ((0.01, 0.98), (0.03, 0.95), (0.05, 0.9), (0.05, 0.8), (0.02, 0.6))


def effect_names(drivers: int) -> tuple[str, ...]:
    """Return "dccx.c1", "dccx.c2" and so on."""
    return tuple(f"dccx.c{m + 1}" for m in range(drivers))


class DrivenLayout(Layout):
    r"""Names and constraints of (a, b, c_1, ..., c_M[, nu]), a set on which Q is positive definite whatever the news.

    With ``limit="range"`` it is so for any drivers inside the range of the sample's,

    .. math::

        a+b+\sum_m\lambda_m\{c_m^+(\bar x_m-\min x_m)+c_m^-(\max x_m-\bar x_m)\}\le 1-10^{-6},\qquad
        \lambda_m=\lambda_{\max}(\bar Q^{-1/2}K_m\bar Q^{-1/2}),

    for c of either sign, :math:`c^-=\max(-c,0)`; with one driver this is necessary as well. With ``limit="sample"`` it
    is so for the drivers in the order in which the sample has them; see `cryptoequity.kernels.dccx.driven_limits`. In
    the box c_m is a share of the interval that a, b and the drivers before it have left; both ends can be reached.

    Parameters
    ----------
    x : (T, M) centered drivers. top : (M,) the :math:`\lambda_m`.
    """

    def __init__(self, x: Array, top: Array, limit: str, student: bool) -> None:
        blocks = [subsimplex("dccx.a", "dccx.b"), *(interval(name, 0.0, 1.0) for name in effect_names(top.size))]
        super().__init__([*blocks, nu_block("dccx.nu")] if student else blocks)
        self.x, self.top, self.limit = x, top, limit

    def limits(self, a: float, b: float) -> tuple[Array, Array]:
        """Largest negative and positive effects of each driver alone (M, 2) and their slopes by a and b (M, 2, 2)."""
        sample = self.limit == "sample"
        return driven_limits(a, b, self.x, self.top, PERSISTENCE_CAP, sample)  # type: ignore[no-any-return]

    def map(self, u: Array) -> tuple[Array, Array]:
        """Theta (K,) and its Jacobian (K, K) at box coordinates ``u``."""
        shares, inner = super().map(u)
        theta, outer = spend_room(shares, *self.limits(float(shares[0]), float(shares[1])))
        return theta, outer @ inner

    def box(self, theta: Array) -> Array:
        """Box coordinates of ``theta``; values outside the feasible set go to its boundary."""
        shares = np.array(theta, float)
        left = 1.0
        for m, (low, high) in enumerate(self.limits(float(shares[0]), float(shares[1]))[0]):
            if not (left > 0.0 and low > 0.0 and high > 0.0):
                shares[2 + m] = 0.5
                continue
            unit = min(max(shares[2 + m] / left, -low), high)
            shares[2 + m] = (unit + low) / (low + high)
            left *= 1.0 - max(unit / high, -unit / low)
        return super().box(shares)

    def at_limit(self, optimum: Optimum) -> npt.NDArray[np.bool_]:
        """Drivers whose effect the limit sets, (M,)."""
        return np.asarray(optimum.pinned)[2 : 2 + self.top.size]


class DrivenLikelihood(TargetModel):
    r"""Gaussian or t log-likelihood of z (T, N) under DCC with exogenous variables in the intercept.

    .. math:: Q_t=(1-a-b)\bar Q+\sum_m c_m(x_{mt}-\bar x_m)K_m+a\,z_{t-1}z_{t-1}'+b\,Q_{t-1},\qquad Q_0=z_0z_0'=\bar Q.

    Parameters
    ----------
    driver : (T, M), M may be 0. blocks : (M, N, N) the K_m, positive semidefinite.
    center : (M,) subtracted from the drivers; their means by default.
    limit : "range" or "sample"; see `DrivenLayout`.
    layout : the feasible set, by default that of this sample's drivers and target.
    """

    def __init__(
        self,
        z: Array,
        *,
        dist: str,
        driver: Array,
        blocks: Array,
        names: Sequence[str] | None = None,
        target: Array | None = None,
        center: Array | None = None,
        limit: str = "range",
        layout: DrivenLayout | None = None,
    ) -> None:
        super().__init__(z, dist=dist, names=names, driver=driver, target=target)
        self.driver = np.ascontiguousarray(driver, float)
        self.center: Array = self.driver.mean(axis=0) if center is None else center
        self.x: Array = np.ascontiguousarray(self.driver - self.center)
        self.blocks: Array = np.ascontiguousarray(blocks, float)
        if layout is None:
            top = np.array([eigh(block, self.target, eigvals_only=True)[-1] for block in self.blocks])
            layout = DrivenLayout(self.x, top, limit, self.student)
        self.layout: DrivenLayout = layout
        self.whole = self.nobs + 1  # one level for all dates
        rows, cols = np.tril_indices(2)
        self._pair = (self.target[rows, cols][None], self.blocks[:, rows, cols].copy()) if self.n == 2 else None
        self._levels = np.ascontiguousarray(self.target[None])

    @property
    def drivers(self) -> int:
        """M."""
        return int(self.blocks.shape[0])

    def split(self, theta: Array) -> tuple[float, float, Array, float, Array]:
        """Parameters a, b, c (M,), nu (0 for the normal) and the density's constants."""
        c = np.ascontiguousarray(theta[2 : 2 + self.drivers], float)
        return float(theta[0]), float(theta[1]), c, *self.density(theta)

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) of z and scores (T, K)."""
        loglik, score, _ = self._filter(theta, want)
        return loglik, score

    def _filter(self, theta: Array, want: int) -> tuple[Array, Array, Array]:
        rest = self.split(theta)
        if self._pair is not None:
            level, blocks = self._pair
            return driven_filter_pair(  # type: ignore[no-any-return]
                *rest, self.z, level, np.empty((0, 1, 3)), self.whole, self.x, blocks, want
            )
        slopes = np.empty((0, 1, self.n, self.n))
        return driven_filter(  # type: ignore[no-any-return]
            *rest, self.z, self._levels, slopes, self.whole, self.x, self.blocks, want
        )

    def last_q(self, theta: Array) -> Array:
        """Q_T, (N, N)."""
        q = self._filter(theta, 0)[2]
        return q if q.ndim == 2 else np.array([[q[0], q[1]], [q[1], q[2]]])

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the pairs, (T, pairs)."""
        return self._path(theta, self.z, self.x, self.target, self.target, rows, cols)

    def _path(
        self, theta: Array, z: Array, x: Array, start: Array, q: Array, rows: npt.ArrayLike, cols: npt.ArrayLike
    ) -> Array:
        a, b, c, _, _ = self.split(theta)
        pairs = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
        size = z.shape[0] + 1
        return driven_path(a, b, c, z, self._levels, size, x, self.blocks, start, q, *pairs)  # type: ignore[no-any-return]

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, N), target held fixed, and by the target's pairs (P,)."""
        rest = self.split(theta)
        if self._pair is not None:
            level, blocks = self._pair
            dz, by_level = driven_adjoint_pair(*rest, self.z, level, self.whole, self.x, blocks)
        else:
            dz, by_level = driven_adjoint(*rest, self.z, self._levels, self.whole, self.x, self.blocks)
        return dz, 2.0 * by_level[0][self.pairs]

    def memory(self, theta: Array) -> float:
        """Return (1 - b) / (1 - a - b): the centered drivers sum to zero over the sample."""
        a, b = float(theta[0]), float(theta[1])
        return (1.0 - b) / (1.0 - a - b)

    def nuisance_moments(self, theta: Array, noise: str) -> Array:
        """Influence on the target; centered, for the mean of R_t is not quite the target when the drivers move R_t."""
        moments = super().nuisance_moments(theta, noise)
        centered: Array = moments - moments.mean(axis=0)
        return centered

    def starts(self) -> Iterator[Array]:
        """A grid of news and persistence, without effects and with effects of either sign."""
        tail = (8.0,) if self.student else ()
        for a, b in _GRID:
            yield np.array([a, b, *(0.0,) * self.drivers, *tail])
            for m, (low, high) in enumerate(self.layout.limits(a, b)[0]):
                for unit in (-0.4 * low, 0.4 * high):
                    c = np.zeros(self.drivers)
                    c[m] = unit
                    yield np.array([a, b, *c, *tail])

    def concerns(self, optimum: Optimum) -> tuple[str, ...]:
        """Which effects the limit of positive definiteness sets."""
        where = "for the drivers of the sample" if self.layout.limit == "sample" else "over the range of the drivers"
        cure = "" if self.layout.limit == "sample" else "limit='sample' allows more, and "
        return tuple(
            f"dccx.c{m + 1} is as {'large' if optimum.theta[2 + m] > 0 else 'negative'} as Q_t stays positive "
            f"semidefinite {where}: the data ask for more than this form can give; {cure}form='fisher' has no limit"
            for m in np.flatnonzero(self.layout.at_limit(optimum))
        )

    def tied(self, optimum: Optimum) -> tuple[str, ...]:
        """Effects at the limit follow a and b and have no error of their own."""
        return tuple(f"dccx.c{m + 1}" for m in np.flatnonzero(self.layout.at_limit(optimum)))

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
        """Residuals and correlations; see `PathModel.simulate`. NaN from a date whose drivers Q_t cannot bear."""
        a, b, c, _, _ = self.split(theta)
        x = self._ahead(driver, shocks.shape[0])
        start, q = self.target, self.target
        if warm:
            start, q = np.outer(self.z[-1], self.z[-1]), self.last_q(theta)
        size = shocks.shape[0] + 1
        z = driven_simulate(a, b, c, np.ascontiguousarray(shocks), self._levels, size, x, self.blocks, start, q)
        return z, self._path(theta, z, x, start, q, rows, cols)

    def _ahead(self, driver: Array | None, horizon: int) -> Array:
        """Centered drivers (H, M) of dates that are not in the sample."""
        if driver is None:
            if self.drivers:
                raise SpecError("a driven model simulates with its drivers: pass driver=, one row a date.")
            return np.empty((horizon, 0))
        return np.ascontiguousarray(driver - self.center)

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        """Recursion of Q with its news at their expectation, from Q_{T+1} ("Q") or from R_{T+1} ("R"), (H, N, N)."""
        a, b, c, _, _ = self.split(theta)
        x = self._ahead(driver, horizon)
        push = np.einsum("hm,mij->hij", x * c, self.blocks)
        now = (1.0 - a - b) * self.target + push[0] + a * np.outer(self.z[-1], self.z[-1]) + b * self.last_q(theta)
        if method == "R":
            now = scaled(now)
        out = np.empty((horizon, self.n, self.n))
        for h in range(horizon):
            if h:
                now = (1.0 - a - b) * self.target + push[h] + (a + b) * now
            out[h] = scaled(now)
        return out

    def long_run(self, theta: Array, nuisance: Array, driver: Array) -> Array:
        r"""Correlations (P,) that stay where they are when the drivers stay at ``driver`` (M,).

        With news at their expectation, :math:`zz'\to R`, and :math:`D=\sum_m c_m(x_m-\bar x_m)K_m`,

        .. math:: q_{ii}=1+\frac{D_{ii}}{1-b},\qquad
                  q_{ij}=\frac{(1-a-b)\bar Q_{ij}+D_{ij}}{1-b-a/\sqrt{q_{ii}q_{jj}}} .
        """
        a, b, c, _, _ = self.split(theta)
        push = np.einsum("m,mij->ij", c * (driver - self.center), self.blocks)
        rows, cols = self.pairs
        with np.errstate(invalid="ignore"):
            root = np.sqrt(1.0 + np.diag(push) / (1.0 - b))
            scale = root[rows] * root[cols]
            rho = ((1.0 - a - b) * nuisance + push[rows, cols]) / ((1.0 - b) * scale - a)
        return np.where(np.abs(rho) <= 1.0, rho, np.nan)

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> PathModel:
        """Return the same model on other residuals: target, center and range of the drivers are kept."""
        return DrivenLikelihood(
            z,
            dist="t" if self.student else "normal",
            driver=np.empty((z.shape[0], 0)) if driver is None else driver,
            blocks=self.blocks,
            names=self.names,
            target=self.target if nuisance is None else matrix_of(nuisance, self.n),
            center=self.center,
            layout=self.layout,
        )


def scaled(q: Array) -> Array:
    """Correlation matrix of ``q``."""
    root = np.sqrt(np.diag(q))
    out: Array = q / np.outer(root, root)
    return out


class FisherLikelihood(PathModel):
    r"""Gaussian or t log-likelihood of a pair whose Fisher z moves with scores and exogenous variables.

    .. math::

        \rho_t=\tanh f_t,\qquad f_t=\lambda+b(f_{t-1}-\lambda)+a\,s_{t-1}+\sum_m c_m(x_{mt}-\bar x_m),

    :math:`s_t` the score of date t in :math:`f_t` divided by its information: a martingale difference, so that
    :math:`\lambda` is the level of f whatever a and b are. Valid for any c and any driver.
    """

    polish = 3

    def __init__(
        self,
        z: Array,
        *,
        dist: str,
        driver: Array,
        names: Sequence[str] | None = None,
        center: Array | None = None,
    ) -> None:
        super().__init__(z, dist=dist, names=names, driver=driver)
        if self.n != 2:
            raise SpecError(f"form='fisher' is for two columns, not {self.n}; form='q' takes any number.")
        self.driver = np.ascontiguousarray(driver, float)
        self.center: Array = self.driver.mean(axis=0) if center is None else center
        self.x: Array = np.ascontiguousarray(self.driver - self.center)
        self.drivers = self.x.shape[1]
        blocks = [interval("dccx.a", 0.0, 1.0), interval("dccx.b", 0.0, PERSISTENCE_CAP)]
        blocks += [real(*effect_names(self.drivers))] if self.drivers else []
        blocks.append(interval("dccx.level", -4.0, 4.0))
        self.layout = Layout([*blocks, nu_block("dccx.nu")] if self.student else blocks)

    def split(self, theta: Array) -> tuple[float, float, float, Array, float, Array]:
        """Parameters level, a, b, c (M,), nu (0 for the normal) and the density's constants."""
        c = np.ascontiguousarray(theta[2 : 2 + self.drivers], float)
        return float(theta[2 + self.drivers]), float(theta[0]), float(theta[1]), c, *self.density(theta)

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) of z and scores (T, K)."""
        loglik, _, score, _ = fisher_filter(*self.split(theta), self.z, self.x, want)
        return loglik, score

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlation of the pair, (T, pairs); of a column with itself, ones."""
        rho = np.tanh(fisher_filter(*self.split(theta), self.z, self.x, 0)[1])
        return spread_pair(rho, rows, cols)

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, 2); there is no nuisance."""
        return fisher_adjoint(*self.split(theta), self.z, self.x), np.empty(0)

    def starts(self) -> Iterator[Array]:
        """A grid of news and persistence, without effects and with effects of either sign."""
        tail = (8.0,) if self.student else ()
        moment = self.z.T @ self.z
        level = float(np.arctanh(0.99 * moment[0, 1] / np.sqrt(moment[0, 0] * moment[1, 1])))
        spread = self.x.std(axis=0)
        for a, b in ((0.02, 0.98), (0.03, 0.95), (0.05, 0.9), (0.05, 0.7), (0.02, 0.3)):
            yield np.array([a, b, *(0.0,) * self.drivers, level, *tail])
            for m in range(self.drivers):
                for shift in (-0.2, 0.2):
                    c = np.zeros(self.drivers)
                    c[m] = shift * (1.0 - b) / spread[m]
                    yield np.array([a, b, *c, level, *tail])

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
        level, a, b, c, nu, const = self.split(theta)
        if driver is None and self.drivers:
            raise SpecError("a driven model simulates with its drivers: pass driver=, one row a date.")
        x = np.empty((shocks.shape[0], 0)) if driver is None else np.ascontiguousarray(driver - self.center)
        before, step = level, 0.0
        if warm:
            _, f, _, step = fisher_filter(level, a, b, c, nu, const, self.z, self.x, 0)
            before = float(f[-1])
        z, f = fisher_simulate(level, a, b, c, nu, np.ascontiguousarray(shocks), x, before, step)
        return z, spread_pair(np.tanh(f), rows, cols)

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        r"""Correlations at the expected f, (H, 2, 2): :math:`\tanh\operatorname{E}_Tf_{T+h}`, for either method."""
        del method
        level, _, b, c, _, _ = self.split(theta)
        first = self.ahead(theta, driver)[0, 1]
        push = np.zeros(horizon) if driver is None else (driver - self.center) @ c
        f = np.empty(horizon)
        f[0] = np.arctanh(first)
        for h in range(1, horizon):
            f[h] = level + b * (f[h - 1] - level) + push[h]
        out = np.broadcast_to(np.eye(2), (horizon, 2, 2)).copy()
        out[:, 0, 1] = out[:, 1, 0] = np.tanh(f)
        return out

    def long_run(self, theta: Array, nuisance: Array, driver: Array) -> Array:
        """Correlation (1,) at which f stays when the drivers stay at ``driver`` (M,)."""
        del nuisance
        level, _, b, c, _, _ = self.split(theta)
        return np.array([np.tanh(level + c @ (driver - self.center) / (1.0 - b))])

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> PathModel:
        """Return the same model on other residuals, drivers centered as before."""
        del nuisance
        return FisherLikelihood(
            z,
            dist="t" if self.student else "normal",
            driver=np.empty((z.shape[0], 0)) if driver is None else driver,
            names=self.names,
            center=self.center,
        )


def spread_pair(rho: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
    """Path of one pair under the pairs asked for, (T, pairs)."""
    same = np.asarray(rows) == np.asarray(cols)
    out: Array = np.where(same[None, :], 1.0, rho[:, None])
    return out
