r"""DCC(p, q) and its asymmetric form ADCC(p, o, q) on arrays of standardized residuals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..estimation.params import PERSISTENCE_CAP, Array, Block, Layout, subsimplex
from ..kernels.family import family_adjoint, family_filter, family_path, family_simulate
from ..volatility.likelihood import ewma_backcast
from .likelihood import ewma_weights
from .model import PathModel, TargetModel, matrix_of, nu_block

__all__ = ["AsymmetricTarget", "OrdersLikelihood", "fall_moment", "fall_rate"]


def fall_moment(z: Array) -> Array:
    r"""Uncentred second moment :math:`\bar N` of n = min(z, 0), (N, N).

    Not the covariance of n: the mean of n is about -.4, and taking it away would shift the level of Q.
    """
    n = np.minimum(z, 0.0)
    out: Array = n.T @ n / z.shape[0]
    return out


def fall_rate(rho: Array) -> tuple[Array, Array]:
    r"""E[n_i n_j] for elliptical residuals of correlation rho, and its slope.

    .. math::

        h(\rho)=\frac{\sqrt{1-\rho^2}+\rho(\pi-\arccos\rho)}{2\pi},\qquad h'(\rho)=\frac{\pi-\arccos\rho}{2\pi}.
    """
    angle = np.pi - np.arccos(np.clip(rho, -1.0, 1.0))
    level = (np.sqrt(np.maximum(1.0 - rho**2, 0.0)) + rho * angle) / (2.0 * np.pi)
    return level, angle / (2.0 * np.pi)


class AsymmetricTarget(TargetModel):
    r"""A model with two targeted moments: the correlation :math:`\bar Q` and the moment of falls :math:`\bar N`.

    Subclasses give ``weights``: how news, falls and persistence enter each pair.
    """

    def __init__(
        self,
        z: Array,
        *,
        dist: str,
        names: Sequence[str] | None = None,
        target: Array | None = None,
        falls: Array | None = None,
    ) -> None:
        super().__init__(z, dist=dist, names=names, target=target)
        self.falls: Array = fall_moment(self.z) if falls is None else np.ascontiguousarray(falls, float)
        self.triangle = np.triu_indices(self.n)
        self.nuisance = np.concatenate([self.nuisance, self.falls[self.triangle]])

    def weights(self, theta: Array) -> tuple[Array, Array, Array]:
        """News, falls and persistence of every pair, each (P,) or a scalar array."""
        raise NotImplementedError

    def nuisance_names(self) -> tuple[str, ...]:
        """Return "corr.BTC.QQQ" ..., then "fall.BTC.BTC", "fall.BTC.QQQ" ..."""
        falls = (f"fall.{self.names[i]}.{self.names[j]}" for i, j in zip(*self.triangle, strict=True))
        return (*super().nuisance_names(), *falls)

    def nuisance_moments(self, theta: Array, noise: str) -> Array:
        r"""Influence on both targets.

        With :math:`x_t` and :math:`y_t` the surprises of :math:`zz'` and :math:`nn'`, and h' the slope of
        `fall_rate`, summing the recursion gives :math:`\sum(R_t-\bar R)\approx\{a\sum x_t+g\sum y_t\}/(1-a-b-gh')`,
        first order in the deviations.
        """
        rows, cols = self.pairs
        w = self.z / np.sqrt(self.diagonal)
        r = self.target[rows, cols]
        center = r if noise == "moment" else 0.5 * r * (w[:, rows] ** 2 + w[:, cols] ** 2)
        target = w[:, rows] * w[:, cols] - center
        n = np.minimum(self.z, 0.0)
        upper, right = self.triangle
        falls = n[:, upper] * n[:, right] - self.falls[upper, right]
        if noise != "exact":
            return np.hstack([target, falls])
        path = self.path(theta, rows, cols)
        x = target - (path - r)
        level = fall_rate(path)[0]
        slope = fall_rate(r)[1]
        of_pair = np.zeros((self.n, self.n), np.intp)
        of_pair[upper, right] = np.arange(upper.size)
        y = falls.copy()
        y[:, of_pair[rows, cols]] -= level - level.mean(axis=0)
        own = [y[:, of_pair[k, k]] for k in range(self.n)]
        bent = y[:, of_pair[rows, cols]] - 0.5 * r * np.stack(
            [own[i] + own[j] for i, j in zip(rows, cols, strict=True)], axis=1
        )
        a, g, b = self.weights(theta)
        drift = (a * x + g * bent) / (1.0 - a - b - g * slope)
        y[:, of_pair[rows, cols]] += slope * drift
        return np.hstack([x + drift, y])

    def nuisance_tangent(self, theta: Array, dzs: Sequence[Array]) -> list[Array]:
        """Derivatives of both moments along each margin's residuals."""
        n = np.minimum(self.z, 0.0)
        out = []
        for k, (first, dz) in enumerate(zip(super().nuisance_tangent(theta, dzs), dzs, strict=True)):
            more = np.zeros((self.triangle[0].size, dz.shape[1]))
            falling = (self.z[:, k] < 0.0)[:, None] * dz / self.nobs
            for m, (i, j) in enumerate(zip(*self.triangle, strict=True)):
                if k in (i, j):
                    more[m] = (2.0 if i == j else 1.0) * (n[:, j if k == i else i] @ falling)
            out.append(np.vstack([first, more]))
        return out

    def split_nuisance(self, nuisance: Array | None, n: int) -> tuple[Array, Array]:
        """Target and moment of falls as matrices."""
        if nuisance is None:
            return self.target, self.falls
        pairs = n * (n - 1) // 2
        falls = np.empty((n, n))
        rows, cols = np.triu_indices(n)
        falls[rows, cols] = falls[cols, rows] = nuisance[pairs:]
        return matrix_of(nuisance[:pairs], n), falls

    def flat(self, dtarget: Array, dfalls: Array) -> Array:
        """Gradient by the nuisance from symmetric gradients by both matrices."""
        twice = np.where(self.triangle[0] == self.triangle[1], 1.0, 2.0)
        return np.concatenate([2.0 * dtarget[self.pairs], twice * dfalls[self.triangle]])


class OrdersLikelihood(AsymmetricTarget):
    r"""Gaussian or t log-likelihood of z (T, N) under DCC(p, q), or ADCC(p, o, q) with ``o`` > 0.

    ``presample`` is "target" (:math:`zz'=Q=\bar Q`, :math:`nn'=\bar N` before the sample) or "ewma" (the MFE toolbox's
    0.94-weighted means of the first :math:`\lfloor\sqrt T\rfloor+1` outer products).
    """

    def __init__(
        self,
        z: Array,
        *,
        orders: tuple[int, int, int],
        dist: str,
        names: Sequence[str] | None = None,
        target: Array | None = None,
        falls: Array | None = None,
        presample: str = "target",
    ) -> None:
        super().__init__(z, dist=dist, names=names, target=target, falls=falls)
        self.orders, self.presample = orders, presample
        self.pairwise = orders[1] == 0
        if not orders[1]:
            self.nuisance = self.target[self.pairs]
        if presample == "ewma":
            self.head = ewma_weights(self.nobs)
            head = self.z[: self.head.size]
            low = np.minimum(head, 0.0)
            self.start_s: Array = ewma_backcast(head[:, :, None] * head[:, None, :], 0.94, self.head.size)
            self.start_n: Array = ewma_backcast(low[:, :, None] * low[:, None, :], 0.94, self.head.size)
        else:
            self.start_s, self.start_n = self.target, self.falls

    @cached_property
    def bound(self) -> float:
        r"""Largest eigenvalue of :math:`\bar Q^{-1/2}\bar N\bar Q^{-1/2}`: a + b + this times g is below one."""
        values = np.linalg.eigvals(np.linalg.solve(self.target, self.falls))
        return float(values.real.max())

    @cached_property
    def layout(self) -> Layout:  # type: ignore[override]
        """Names and constraints: everything non-negative, persistence with the bound on falls below one."""
        p, o, q = self.orders
        prefix = "adcc" if o else "dcc"
        names = [
            f"{prefix}.{letter}{k + 1 if order > 1 else ''}"
            for letter, order in (("a", p), ("g", o), ("b", q))
            for k in range(order)
        ]
        mix = np.diag([1.0] * p + [1.0 / self.bound] * o + [1.0] * q) if o else None
        blocks: list[Block] = [subsimplex(*names, mix=mix, cap=PERSISTENCE_CAP)]
        if self.student:
            blocks.append(nu_block(f"{prefix}.nu"))
        return Layout(blocks)

    def split(self, theta: Array) -> tuple[Array, Array, Array]:
        """News a (p,), falls g (o,), persistence b (q,)."""
        p, o, q = self.orders
        return theta[:p], theta[p : p + o], theta[p + o : p + o + q]

    def _mats(self) -> tuple[Array, Array, Array, Array, Array]:
        return self.target, self.falls, self.start_s, self.start_n, self.start_s

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) of z and scores (T, K)."""
        loglik, score, _ = family_filter(*self.split(theta), *self.density(theta), self.z, *self._mats(), want)
        return loglik, score

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the pairs, (T, pairs)."""
        pairs = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
        out: Array = family_path(*self.split(theta), self.z, *self._mats(), *pairs)[:-1]
        return out

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, N), both targets held fixed, and by the targets."""
        out = family_adjoint(*self.split(theta), *self.density(theta), self.z, *self._mats())
        dz, dtarget, dfalls, ds, dn, dq = out
        if self.presample == "target":
            dtarget, dfalls = dtarget + ds + dq, dfalls + dn
        else:
            head = self.head.size
            low = np.minimum(self.z[:head], 0.0)
            dz[:head] += 2.0 * self.head[:, None] * (self.z[:head] @ (ds + dq))
            dz[:head] += 2.0 * self.head[:, None] * (low @ dn) * (self.z[:head] < 0.0)
        if not self.orders[1]:
            return dz, 2.0 * dtarget[self.pairs]
        return dz, self.flat(dtarget, dfalls)

    def weights(self, theta: Array) -> tuple[Array, Array, Array]:
        """Sums over lags, the same for every pair."""
        a, g, b = self.split(theta)
        return a.sum(), g.sum(), b.sum()

    def memory(self, theta: Array) -> float:
        """Return (1 - b) / (1 - a - b) of the sums over lags."""
        a, _, b = self.weights(theta)
        return float((1.0 - b) / (1.0 - a - b))

    def nuisance_names(self) -> tuple[str, ...]:
        """Names of the target, and of the moment of falls where there is one."""
        return super().nuisance_names() if self.orders[1] else TargetModel.nuisance_names(self)

    def nuisance_moments(self, theta: Array, noise: str) -> Array:
        """Influence on the targets."""
        if self.orders[1]:
            return super().nuisance_moments(theta, noise)
        return TargetModel.nuisance_moments(self, theta, noise)

    def nuisance_tangent(self, theta: Array, dzs: Sequence[Array]) -> list[Array]:
        """Derivatives of the targets along each margin's residuals."""
        if self.orders[1]:
            return super().nuisance_tangent(theta, dzs)
        return TargetModel.nuisance_tangent(self, theta, dzs)

    def starts(self) -> Iterator[Array]:
        """A grid of news, falls and persistence, spread evenly over lags."""
        p, o, q = self.orders
        tail = (8.0,) if self.student else ()
        for total in (0.99, 0.97, 0.9):
            for a in (0.01, 0.03, 0.08):
                for g in (0.002, 0.02) if o else (0.0,):
                    b = total - a - self.bound * g
                    yield np.array([a / p] * p + [g / max(o, 1)] * o + [b / q] * q + [*tail])

    def lags(self, theta: Array) -> tuple[Array, Array, Array]:
        """The lags of zz', nn' and Q the date after the sample needs, newest first."""
        p, o, q = self.orders
        last = family_filter(*self.split(theta), *self.density(theta), self.z, *self._mats(), 0)[2]
        news = [np.outer(self.z[-1 - k], self.z[-1 - k]) for k in range(p)]
        low = np.minimum(self.z[-max(o, 1) :], 0.0)
        falls = [np.outer(low[-1 - k], low[-1 - k]) for k in range(o)]
        return _stack(news, self.n), _stack(falls, self.n), np.ascontiguousarray(last[1 : q + 1])

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
        del driver
        p, o, q = self.orders
        if warm:
            past = self.lags(theta)
        else:
            level = ((self.target, p), (self.falls, o), (self.target, q))
            news, falls, qs = (_stack([matrix] * lags, self.n) for matrix, lags in level)
            past = (news, falls, qs)
        pairs = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
        z, path = family_simulate(*self.split(theta), self.target, self.falls, shocks, *past, *pairs)
        return z, path

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        """Both approximations of Engle & Sheppard (2001); future falls stand at their mean."""
        del driver
        a, g, b = self.split(theta)
        news, falls, qs = (list(part) for part in self.lags(theta))
        level = (1.0 - a.sum() - b.sum()) * self.target - g.sum() * self.falls
        out = np.empty((horizon, self.n, self.n))
        for h in range(horizon):
            q = level.copy()
            for weight, lag in ((a, news), (g, falls), (b, qs)):
                for k in range(weight.size):
                    q += weight[k] * lag[k]
            root = np.sqrt(np.diag(q))
            out[h] = q / np.outer(root, root)
            # Q approximates the mean of future zz' in "Q", the normalised matrix does in "R"
            ahead = q if method == "Q" else out[h]
            news.insert(0, ahead)
            qs.insert(0, ahead)
            falls.insert(0, self.falls)
        return out

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> PathModel:
        """Return the same model on other residuals, both targets kept."""
        del driver
        n = z.shape[1]
        if self.orders[1]:
            target, falls = self.split_nuisance(nuisance, n)
        else:
            target, falls = (self.target if nuisance is None else matrix_of(nuisance, n)), np.zeros((n, n))
        return OrdersLikelihood(
            z,
            orders=self.orders,
            dist="t" if self.student else "normal",
            names=self.names,
            target=target,
            falls=falls,
            presample=self.presample,
        )


def _stack(matrices: list[Array], n: int) -> Array:
    """(L, N, N), also for no matrices at all."""
    return np.ascontiguousarray(np.array(matrices, float).reshape(len(matrices), n, n))
