r"""The likelihood of BEKK(1,1) on arrays of deviations from the mean; theory in ``docs/theory/bekk.md``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..estimation.params import Array, Layout, interval, real, subsimplex
from ..kernels.bekk import bekk_adjoint, bekk_filter_elements, bekk_filter_full, bekk_path, bekk_simulate
from ..volatility.density import t_constants
from ..volatility.likelihood import ewma_backcast
from .bekk_box import TargetedLayout, relative_eigen
from .negative_parts import negative_moment, negative_slope

__all__ = ["LARGEST_FULL", "BEKKLikelihood", "Recursion"]

LARGEST_FULL = 5  # 2 N^2 parameters: beyond five columns a full BEKK is not estimated by anybody
_GRID = tuple((a, total - a) for total in (0.995, 0.98, 0.95, 0.85) for a in (0.01, 0.03, 0.06, 0.12))


class Recursion(NamedTuple):
    """A point in the model's own terms: intercept C, its factor L where it is estimated, and the three weights.

    ``a, g, b`` are the matrices A, G, B of the full model, and the element by element weights of the others.
    """

    c: Array
    low: Array
    a: Array
    g: Array
    b: Array
    weights: Array


class BEKKLikelihood:
    r"""Gaussian or t log-likelihood of deviations e (T, N) under BEKK(1,1).

    Parameters
    ----------
    kind : "scalar", "diagonal" or "full". asymmetric, targeting, dist, presample : as in `cryptoequity.BEKK`.
    second, negative : targets :math:`\bar S,\bar N`, (N, N); by default the second moments of ``deviations`` and of
        their negative parts.
    start : :math:`\varepsilon_0\varepsilon_0',\eta_0\eta_0',H_0` where they are given; overrides ``presample``.
    """

    def __init__(
        self,
        deviations: Array,
        *,
        kind: str = "scalar",
        asymmetric: bool = False,
        targeting: bool = True,
        dist: str = "normal",
        presample: str = "target",
        second: Array | None = None,
        negative: Array | None = None,
        start: tuple[Array, Array, Array] | None = None,
    ) -> None:
        self.e: Array = np.ascontiguousarray(deviations, float)
        self.nobs, self.n = self.e.shape
        self.kind, self.asymmetric, self.targeting = kind, asymmetric, targeting
        self.dist, self.presample, self._given = dist, presample, start
        if kind == "full" and self.n > LARGEST_FULL:
            raise DataError(
                f"kind='full' has {(3 if asymmetric else 2) * self.n**2} parameters for {self.n} columns and is "
                f"offered for at most {LARGEST_FULL}; use kind='diagonal' or 'scalar', or leave columns out."
            )
        falls = np.minimum(self.e, 0.0)
        self.second: Array = self.e.T @ self.e / self.nobs if second is None else second
        self.negative: Array = falls.T @ falls / self.nobs if negative is None else negative
        if asymmetric and not (np.diag(self.negative) > 0).all():
            where = int(np.flatnonzero(np.diag(self.negative) <= 0)[0])
            raise DataError(
                f"column number {where + 1} never falls below its mean, so bad news has no effect to estimate; "
                "use asymmetric=False."
            )
        self.fixed = presample == "target" and start is None
        if start is not None:
            self.start = tuple(np.ascontiguousarray(one, float) for one in start)
        elif presample == "ewma":
            self.start = self._backcast(falls)
        else:
            self.start = (self.second, self.negative, self.second)
        self.lead = 0 if targeting else self.n * (self.n + 1) // 2
        self.width = {"scalar": 1, "diagonal": self.n, "full": self.n**2}[kind]
        self.families = ("a", "g", "b") if asymmetric else ("a", "b")
        self.layout = self._layout()
        self._normal = np.array([-0.5 * self.n * np.log(2.0 * np.pi), 0.0])
        zero = np.zeros((self.n, self.n))
        self._bases = (self.second, self.negative) if targeting else (zero, zero)

    def _backcast(self, falls: Array) -> tuple[Array, Array, Array]:
        """The MFE toolbox: 0.94-weighted means of the first outer products, as many as the root of T rounded up."""
        count = int(np.ceil(np.sqrt(self.nobs)))
        news, bad = (ewma_backcast(x[:count, :, None] * x[:count, None, :], 0.94, count) for x in (self.e, falls))
        return news, bad, news

    def _layout(self) -> Layout:
        tail = [interval("bekk.nu", 2.05, 500.0, log_from=2.0)] if self.dist == "t" else []
        lead = [real(*(self._label("l", i, j) for j in range(self.n) for i in range(j, self.n)))] if self.lead else []
        if self.kind == "scalar":
            # with targeting C = (1-a-b)S - gN is positive semi-definite just where a + b + delta g <= 1; without it
            # the same set with delta = 1/2 is the stationary one
            scales = [1.0, 1.0]
            if self.asymmetric:
                scales = [1.0, 1.0 / self.badness if self.targeting else 2.0, 1.0]
            names = [f"bekk.{name}" for name in self.families]
            return Layout([*lead, subsimplex(*names, mix=np.diag(scales)), *tail])
        names = []
        for name in self.families:
            if self.kind == "diagonal":
                names += [f"bekk.{name}{i + 1}" for i in range(self.n)]
            else:
                names += [self._label(name, i, j) for j in range(self.n) for i in range(self.n)]
        if self.targeting:
            bases = [self.negative if name == "g" else self.second for name in self.families]
            return TargetedLayout(names, bases, self.second, self.kind == "full", tail)
        return Layout([*lead, real(*names), *tail])

    def _label(self, name: str, i: int, j: int) -> str:
        dot = "." if self.n > 9 else ""
        return f"bekk.{name}{i + 1}{dot}{j + 1}"

    @property
    def badness(self) -> float:
        r"""Largest eigenvalue of :math:`\bar S^{-1/2}\bar N\bar S^{-1/2}`: what a unit of g takes from C, at most."""
        return float(relative_eigen(self.negative, self.second)[0][-1])

    @property
    def half(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Rows and columns of the half-vectorization, down the columns of the lower triangle."""
        cols, rows = np.triu_indices(self.n)
        return rows, cols

    def density(self, theta: Array) -> tuple[float, Array]:
        """Degrees of freedom (0 for the normal) and the constants the kernels read."""
        if self.dist != "t":
            return 0.0, self._normal
        return float(theta[-1]), np.array(t_constants(float(theta[-1]), self.n))

    def recursion(self, theta: Array) -> Recursion:
        """Return the matrices at ``theta``."""
        n, lead, width = self.n, self.lead, self.width
        parts = {name: theta[lead + k * width : lead + (k + 1) * width] for k, name in enumerate(self.families)}
        weights = np.zeros((3, n if self.kind == "diagonal" else 0))
        found = []
        for k, name in enumerate(("a", "g", "b")):
            part = parts.get(name, np.zeros(width))
            if self.kind == "scalar":
                found.append(np.full((n, n), float(part[0])))
            elif self.kind == "diagonal":
                weights[k] = part
                found.append(np.outer(part, part))
            else:
                found.append(np.ascontiguousarray(part.reshape(n, n).T))
        a, g, b = found
        low = np.zeros((0, 0))
        if lead:
            low = np.zeros((n, n))
            low[self.half] = theta[:lead]
            c = low @ low.T
        else:
            second, negative = self.second, self.negative
            c = second - self._press(a, second) - self._press(g, negative) - self._press(b, second)
        return Recursion(c, low, a, g, b, weights)

    def _press(self, m: Array, x: Array) -> Array:
        """M'XM, or the element by element product."""
        out: Array = m.T @ x @ m if self.kind == "full" else m * x
        return 0.5 * (out + out.T)

    def slack(self, theta: Array) -> float:
        r"""Smallest eigenvalue of :math:`\bar S^{-1/2}C\bar S^{-1/2}`: negative where the targeted C is infeasible."""
        return float(relative_eigen(self.recursion(theta).c, self.second)[0][0])

    def persistence(self, theta: Array) -> float:
        r"""Spectral radius of :math:`A\otimes A+B\otimes B+\tfrac12G\otimes G`; covariance stationary below one.

        The one half is what symmetric errors give; for the scalar model it is :math:`a+b+g/2`.
        """
        _, _, a, g, b, _ = self.recursion(theta)
        if self.kind != "full":
            # the largest element lies on the diagonal
            return float(np.abs(np.diag(a + b + 0.5 * g)).max())
        total = np.kron(a, a) + np.kron(b, b) + 0.5 * np.kron(g, g)
        return float(np.abs(np.linalg.eigvals(total)).max())

    def _feasible(self, theta: Array) -> bool:
        """Whether C is positive semi-definite; the optimiser's box sees to it, other callers come from outside."""
        if not np.isfinite(theta).all():
            return False
        return not self.targeting or self.kind == "scalar" or self.slack(theta) >= 0

    def _filter(self, theta: Array, want: int) -> tuple[Array, Array, Array]:
        theta = np.asarray(theta, float)
        if not self._feasible(theta):
            score = np.zeros((self.nobs if want else 0, self.layout.size))
            return np.full(self.nobs, -np.inf), score, np.full((self.n, self.n), np.nan)
        point = self.recursion(theta)
        nu, const = self.density(theta)
        news = len(self.families) - 1
        tail = (*self._bases, nu, const, self.e, *self.start, self.fixed, want)
        if self.kind == "full":
            return bekk_filter_full(point.c, point.a, point.g, point.b, point.low, news, *tail)  # type: ignore[no-any-return]
        return bekk_filter_elements(  # type: ignore[no-any-return]
            point.c, point.a, point.g, point.b, point.low, point.weights, news, *tail
        )

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,), minus infinity where C or H_t is not positive definite, and scores (T, K)."""
        loglik, score, _ = self._filter(theta, want)
        return loglik, score

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """H_{ij,t} of the pairs at t = 1 … T, (T, pairs)."""
        c, _, a, g, b, _ = self.recursion(theta)
        pairs = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
        out: Array = bekk_path(self.kind == "full", c, a, g, b, self.e, *self.start, self.fixed, *pairs)[:-1]
        return out

    def next_covariance(self, theta: Array) -> Array:
        """H_{T+1}, (N, N)."""
        return self._filter(theta, 0)[2]

    def simulate(self, theta: Array, shocks: Array, *, warm: bool = False) -> tuple[Array, Array | None]:
        """Deviations (H, N) from unit-variance shocks, H_1 being the sample second moment or, ``warm``, H_{T+1}.

        A ``warm`` path, which is a forecast's, comes with its covariances (H, N, N); one from the start does not.
        """
        c, _, a, g, b, _ = self.recursion(theta)
        first = self.next_covariance(theta) if warm else self.second
        full, n = self.kind == "full", self.n
        drawn: Array = bekk_simulate(full, c, a, g, b, np.ascontiguousarray(shocks, float), first)
        if not warm:
            return drawn, None
        rows, cols = np.divmod(np.arange(n * n), n)
        start = (first, first, first)  # the last is H_1; with H_1 given the others are not read
        along: Array = bekk_path(full, c, a, g, b, drawn, *start, True, rows, cols)[:-1]
        return drawn, along.reshape(-1, n, n)

    def expected(self, theta: Array, horizon: int) -> Array:
        r"""E[H_{T+h}] given the sample, (horizon, N, N).

        Exact for the symmetric model, whose recursion is linear in :math:`\operatorname{E}\varepsilon\varepsilon'=
        \operatorname{E}H`. With the asymmetric term :math:`\operatorname{E}_{t-1}\eta_t\eta_t'` is `negative_moment` of
        :math:`H_t`: exact up to h = 2, and for the variances of the scalar and diagonal models at every h; beyond,
        the off-diagonal elements take that function at :math:`\operatorname{E}H`, for it is not linear in them.
        """
        c, _, a, g, b, _ = self.recursion(theta)
        out = np.empty((horizon, self.n, self.n))
        out[0] = self.next_covariance(theta)
        for h in range(1, horizon):
            before = out[h - 1]
            out[h] = c + self._press(a, before) + self._press(b, before)
            if self.asymmetric:
                out[h] += self._press(g, negative_moment(before))
        return out

    def on(self, deviations: Array) -> BEKKLikelihood:
        """Return the same model with the same targets on other deviations (T', N)."""
        return self._alike(self.kind, deviations)

    def simpler(self) -> BEKKLikelihood:
        """The model nested in this one on the same data: diagonal in full, scalar in diagonal."""
        return self._alike({"full": "diagonal", "diagonal": "scalar"}[self.kind], self.e)

    def _alike(self, kind: str, deviations: Array) -> BEKKLikelihood:
        return BEKKLikelihood(
            deviations,
            kind=kind,
            asymmetric=self.asymmetric,
            targeting=self.targeting,
            dist=self.dist,
            presample=self.presample,
            second=self.second,
            negative=self.negative,
            start=self._given,
        )

    def lifted(self, theta: Array) -> Array:
        """Parameters of `simpler` as parameters of this model."""
        below = self.simpler()
        parts = [theta[: self.lead]]
        for k in range(len(self.families)):
            part = theta[self.lead + k * below.width : self.lead + (k + 1) * below.width]
            # weights of the scalar model multiply products; those of the others are their factors
            parts.append(np.full(self.n, np.sqrt(part[0])) if self.kind == "diagonal" else np.diag(part).ravel())
        parts.append(theta[self.lead + len(self.families) * below.width :])
        return np.concatenate(parts)

    def starts(self) -> Iterator[Array]:
        """A grid of news and persistence, the same for every asset."""
        if self.kind != "scalar":
            for theta in self.simpler().starts():
                yield self.lifted(theta)
            return
        tail = (8.0,) if self.dist == "t" else ()
        for a, b in _GRID:
            inner = np.array([0.5 * a, 0.5 * a / max(self.badness, 0.5), b] if self.asymmetric else [a, b])
            low: Array = np.empty(0)
            if self.lead:
                low = np.asarray(np.linalg.cholesky((1.0 - a - b) * self.second)[self.half], float)
            yield np.concatenate([low, inner, tail])

    def adjoint(self, theta: Array) -> tuple[Array, Array, Array]:
        """Gradient of the total log-likelihood by the deviations (T, N), targets held fixed, and by both targets.

        Gradients by a target are (N, N), symmetric: the derivative along dX is ``sum(gradient * dX)``.
        """
        theta = np.asarray(theta, float)
        c, _, a, g, b, _ = self.recursion(theta)
        nu, const = self.density(theta)
        full = self.kind == "full"
        de, dc, dstart_s, dstart_n, dstart_h = bekk_adjoint(
            full, c, a, g, b, nu, const, self.e, *self.start, self.fixed
        )
        second, negative = np.zeros_like(c), np.zeros_like(c)
        if self.targeting:
            second += dc - self._pull(a, dc) - self._pull(b, dc)
            negative -= self._pull(g, dc)
        if self.fixed:
            second += dstart_h
        elif self._given is None:
            head = int(np.ceil(np.sqrt(self.nobs)))
            weights = 0.94 ** np.arange(head)
            weights /= weights.sum()
            first, falls = self.e[:head], np.minimum(self.e[:head], 0.0)
            de[:head] += 2.0 * weights[:, None] * (first @ (dstart_s + dstart_h))
            de[:head] += 2.0 * weights[:, None] * (falls @ dstart_n) * (first < 0)
        return de, second, negative

    def _pull(self, m: Array, x: Array) -> Array:
        """Adjoint of `_press`."""
        out: Array = m @ x @ m.T if self.kind == "full" else m * x
        return out

    # --- what the noise of the targets does

    def operator(self, m: Array) -> Array:
        """Matrix (M, M) of vech X -> vech `_press`(m, X)."""
        rows, cols = self.half
        if self.kind != "full":
            return np.diag(m[rows, cols])
        out = np.empty((rows.size, rows.size))
        for k, (i, j) in enumerate(zip(rows, cols, strict=True)):
            unit = np.zeros((self.n, self.n))
            unit[i, j] = unit[j, i] = 1.0
            out[:, k] = self._press(m, unit)[rows, cols]
        return out

    def influence(self, theta: Array, noise: str, demean: bool) -> Array:
        r"""Influence of every date on vech of the targets, (T, M) or, with the asymmetric term, (T, 2M).

        "moment" is :math:`s_t-\bar s` itself, :math:`s_t=\operatorname{vech}\varepsilon_t\varepsilon_t'`, which is
        autocorrelated. "exact" sums the recursion: with :math:`u_t=s_t-h_t` and the operators
        :math:`\mathcal A,\mathcal G,\mathcal B` of the three terms on half-vectorizations,

        .. math:: (I-\mathcal A-\mathcal B-\mathcal{GK})\sum(s_t-\bar s)
                  \approx (I-\mathcal B-\mathcal{GK})\sum u_t+\mathcal G\sum v_t ,\qquad
                  \sum(n_t-\bar n)\approx\sum v_t+\mathcal K\sum(s_t-\bar s-u_t) ,

        :math:`v_t=n_t-\bar n-\mathcal K(h_t-\bar s)`, where :math:`\mathcal K` is `negative_slope` at the target. The
        :math:`u_t` are martingale differences; the :math:`v_t` are so up to the curvature of `negative_moment` in the
        correlation. ``demean`` adds what the estimated mean does to :math:`\bar N`; to :math:`\bar S` it does nothing.
        """
        rows, cols = self.half
        e, falls = self.e, np.minimum(self.e, 0.0)
        s, center = e[:, rows] * e[:, cols], self.second[rows, cols]
        unit = np.eye(rows.size)
        _, _, a, g, b, _ = self.recursion(theta)
        exact = noise == "exact"
        x = s - center
        if exact:
            h = self.path(theta, rows, cols)
            u = s - h
        if not self.asymmetric:
            if exact and self.kind != "full":
                # diagonal operators: no matrix of size M x M
                news, decay = a[rows, cols], b[rows, cols]
                x = u * ((1.0 - decay) / (1.0 - news - decay))
            elif exact:
                carry = self.operator(b)
                x = u @ np.linalg.solve(unit - self.operator(a) - carry, unit - carry).T
            return x
        y = falls[:, rows] * falls[:, cols] - self.negative[rows, cols]
        if exact:
            slope, bad, carry = negative_slope(self.second), self.operator(g), self.operator(b)
            v = y - (h - center) @ slope.T
            carry = carry + bad @ slope
            right = u @ (unit - carry).T + v @ bad.T
            x = np.asarray(np.linalg.solve(unit - self.operator(a) - carry, right.T).T, float)
            y = v + (x - u) @ slope.T
        if demean:
            down = (e < 0).astype(float)
            tilt = down.T @ falls / self.nobs  # mean of 1[e_i < 0] min(e_j, 0)
            by_mean = np.zeros((rows.size, self.n))
            np.add.at(by_mean, (np.arange(rows.size), rows), -tilt[rows, cols])
            np.add.at(by_mean, (np.arange(rows.size), cols), -tilt[cols, rows])
            y = y + e @ by_mean.T
        return np.concatenate([x, y], axis=1)

    def target_slopes(self, theta: Array) -> Array:
        """Derivative of the mean score by vech of the targets, (K, M) or (K, 2M): the adjoint differenced in theta."""
        rows, cols = self.half
        double = np.where(rows == cols, 1.0, 2.0)

        def gradient(point: Array) -> Array | None:
            if not np.isfinite(self.evaluate(point, 0)[0][-1]):
                return None
            _, second, negative = self.adjoint(point)
            parts = [double * second[rows, cols]]
            if self.asymmetric:
                parts.append(double * negative[rows, cols])
            return np.concatenate(parts)

        out = np.empty((self.layout.size, rows.size * (2 if self.asymmetric else 1)))
        size = np.sqrt(np.mean(self.evaluate(theta, 1)[1] ** 2, axis=0))
        for k in range(self.layout.size):
            step = min(1e-5 * max(abs(theta[k]), 1e-2), 1e-4 / max(float(size[k]), 1e-300))
            ends = []
            for sign in (1.0, -1.0):
                point = theta.copy()
                point[k] += sign * step
                slope = gradient(point)
                if slope is None:  # over the edge of the feasible set: a one-sided difference
                    point = theta.copy()
                    slope = gradient(point)
                ends.append((point[k], slope))
            (up, high), (down, below) = ends
            out[k] = np.nan if high is None or below is None or up == down else (high - below) / (up - down)
        mean: Array = out / self.nobs
        return mean
