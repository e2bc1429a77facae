r"""Corrected DCC (Aielli 2013): the target is a moment of what it is the mean of, at every parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import SpecError
from ..estimation.params import Array, Block, Layout, subsimplex
from ..kernels.cdcc import cdcc_adjoint, cdcc_filter, cdcc_path, cdcc_simulate, cdcc_star, cdcc_star_adjoint
from ..volatility import Margins
from .likelihood import decaying, grid_starts
from .model import CELLS, PathModel, TargetModel, matrix_of, nu_block, second_moment_target
from .spec import CorrelationSpec

__all__ = ["CDCC", "CDCCLikelihood"]


class CDCCLikelihood(TargetModel):
    r"""Gaussian or t log-likelihood of z (T, N) under cDCC(1,1).

    Without a given target :math:`S(a,b)` is the second moment of :math:`z^*` scaled to unit diagonal, and the
    likelihood is that of (a, b) with S moving along; scores are total derivatives.
    """

    pairwise = True

    def __init__(
        self,
        z: Array,
        *,
        dist: str,
        names: Sequence[str] | None = None,
        target: Array | None = None,
        prefix: str = "cdcc",
    ) -> None:
        super().__init__(z, dist=dist, names=names, target=target)
        self.given, self.prefix = target is not None, prefix
        blocks: list[Block] = [subsimplex(f"{prefix}.a", f"{prefix}.b")]
        if self.student:
            blocks.append(nu_block(f"{prefix}.nu"))
        self.layout = Layout(blocks)

    def take(self, method: str, weight: float) -> None:
        """Take a matrix that is given; what is shrunk would have to be shrunk anew at every parameter."""
        del weight
        if method != "given":
            raise SpecError(f"target={method!r}: cDCC takes its target at every parameter; give a matrix or 'sample'.")

    def at(self, theta: Array, want: int) -> tuple[Array, Array, Array, Array, Array]:
        """z* (T, N), half log-derivatives of the diagonal (2, T, N), S and its derivatives by a and b."""
        a, b = float(theta[0]), float(theta[1])
        star, half = cdcc_star(a, b, self.z, want)
        none = np.zeros((self.n, self.n))
        if self.given:
            return star, half, self.target, none, none
        target, diagonal = second_moment_target(star)
        if not want:
            return star, half, target, none, none
        root = np.sqrt(diagonal)
        slopes = []
        for k in range(2):
            cross = (star * half[k]).T @ star / self.nobs
            moved = (cross + cross.T) / np.outer(root, root)
            own = 0.5 * np.diag(moved)
            slopes.append(np.ascontiguousarray(moved - target * (own[:, None] + own[None, :])))
        return star, half, target, slopes[0], slopes[1]

    def settle(self, theta: Array) -> None:
        """Put the target of ``theta`` where the fit, its table and its errors read it."""
        if not self.given:
            star, _, self.target, _, _ = self.at(theta, 0)
            self.diagonal = (star**2).mean(axis=0)
            self.nuisance = self.target[self.pairs]

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) of z and total scores (T, K)."""
        star, half, target, by_a, by_b = self.at(theta, want)
        a, b = float(theta[0]), float(theta[1])
        loglik, score, _ = cdcc_filter(
            a, b, *self.density(theta), self.z, star, half, np.ascontiguousarray(target), by_a, by_b, want
        )
        return loglik, score

    def _paths(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        star, _, target, _, _ = self.at(theta, 0)
        pairs = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
        out: Array = cdcc_path(float(theta[0]), float(theta[1]), star, target, *pairs)
        return out

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the pairs, (T, pairs)."""
        return self._paths(theta, rows, cols)[0, :-1]

    def next_q(self, theta: Array) -> Array:
        """Q_{T+1}, (N, N)."""
        star, half, target, by_a, by_b = self.at(theta, 0)
        a, b = float(theta[0]), float(theta[1])
        out: Array = cdcc_filter(a, b, *self.density(theta), self.z, star, half, target, by_a, by_b, 0)[2]
        return out

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, N), S held where ``theta`` puts it, and by S (P,)."""
        star, _, target, _, _ = self.at(theta, 0)
        dz, ds = cdcc_adjoint(float(theta[0]), float(theta[1]), *self.density(theta), self.z, star, target)
        return dz, 2.0 * ds[self.pairs]

    def memory(self, theta: Array) -> float:
        """Return (1 - b) / (1 - a - b)."""
        return float((1.0 - theta[1]) / (1.0 - theta[0] - theta[1]))

    def nuisance_moments(self, theta: Array, noise: str) -> Array:
        r"""Influence on S; :math:`\operatorname{E}_{t-1}z^*_tz^{*\prime}_t=Q_t` makes it exact, not linear in R."""
        rows, cols = self.pairs
        star, _, target, _, _ = self.at(theta, 0)
        scale = np.sqrt((star**2).mean(axis=0))
        w = star / scale
        r = target[rows, cols]
        center = r if noise == "moment" else 0.5 * r * (w[:, rows] ** 2 + w[:, cols] ** 2)
        moments: Array = w[:, rows] * w[:, cols] - center
        if noise == "exact":
            _, qij, qii, qjj = self._paths(theta, rows, cols)[:, :-1]
            qij = qij / (scale[rows] * scale[cols])
            expected = qij - 0.5 * r * (qii / scale[rows] ** 2 + qjj / scale[cols] ** 2)
            moments = self.memory(theta) * (moments - expected)
        return moments

    def nuisance_tangent(self, theta: Array, dzs: Sequence[Array]) -> list[Array]:
        """Derivative of S along each margin's residuals, through z*; columns of z* move on their own."""
        a, b = float(theta[0]), float(theta[1])
        rows, cols = self.pairs
        star, _, target, _, _ = self.at(theta, 0)
        scale = np.sqrt((star**2).mean(axis=0))
        w = star / scale
        r = target[rows, cols]
        out = [np.zeros((rows.size, dz.shape[1])) for dz in dzs]
        for i, dz in enumerate(dzs):
            mine = np.flatnonzero((rows == i) | (cols == i))
            other = np.where(rows[mine] == i, cols[mine], rows[mine])
            slope = (w[:, other] - r[mine] * w[:, [i]]) / scale[i] / self.nobs
            for m in range(dz.shape[1]):
                step = 1e-5 / max(float(np.abs(dz[:, m]).max()), 1e-300)
                ends = [
                    cdcc_star(a, b, np.ascontiguousarray(self.z[:, [i]] + sign * step * dz[:, [m]]), 0)[0][:, 0]
                    for sign in (1.0, -1.0)
                ]
                out[i][mine, m] = slope.T @ ((ends[0] - ends[1]) / (2.0 * step))
        return out

    def contracted_moments(self, theta: Array, noise: str, weights: Array) -> Array:
        """See `PathModel.contracted_moments`: no array T×P."""
        rows, cols = self.pairs
        star, _, target, _, _ = self.at(theta, 0)
        scale = np.sqrt((star**2).mean(axis=0))
        w = star / scale
        out = np.empty((self.nobs, len(weights)))
        owns = []
        for k, flat in enumerate(weights):
            v = matrix_of(flat, self.n)
            np.fill_diagonal(v, 0.0)
            owns.append((v * target).sum(axis=1))
            level = 0.5 * owns[k].sum() if noise == "moment" else 0.5 * (w**2 @ owns[k])
            out[:, k] = 0.5 * np.einsum("ti,ti->t", w @ v, w) - level
        if noise != "exact":
            return out
        used = np.flatnonzero((weights != 0.0).any(axis=0))
        size = max(1, CELLS // self.nobs)
        for first in range(0, used.size, size):
            some = used[first : first + size]
            qij = self._paths(theta, rows[some], cols[some])[1, :-1] / (scale[rows[some]] * scale[cols[some]])
            out -= qij @ weights[:, some].T
        each = np.arange(self.n)
        variances = self._paths(theta, each, each)[2, :-1] / scale**2
        out += 0.5 * variances @ np.stack(owns, axis=1)
        return self.memory(theta) * out

    def contracted_tangent(self, theta: Array, dzs: Sequence[Array], weights: Array) -> list[Array]:
        """See `PathModel.contracted_tangent`: back through z* once a row of weights."""
        star, _, target, _, _ = self.at(theta, 0)
        scale = np.sqrt((star**2).mean(axis=0))
        w = star / scale
        out = [np.empty((len(weights), dz.shape[1])) for dz in dzs]
        for k, flat in enumerate(weights):
            v = matrix_of(flat, self.n)
            np.fill_diagonal(v, 0.0)
            slope = (w @ v - w * (v * target).sum(axis=1)) / (scale * self.nobs)
            slope = cdcc_star_adjoint(float(theta[0]), float(theta[1]), self.z, slope)
            for i, dz in enumerate(dzs):
                out[i][k] = slope[:, i] @ dz
        return out

    def nuisance_slope(self, theta: Array) -> Array | None:
        """Derivative of S by (a, b[, nu]), (P, K)."""
        if self.given:
            return None
        _, _, _, by_a, by_b = self.at(theta, 1)
        columns = [by_a[self.pairs], by_b[self.pairs]]
        if self.student:
            columns.append(np.zeros(columns[0].size))
        out: Array = np.stack(columns, axis=1)
        return out

    def starts(self) -> Iterator[Array]:
        """The grid of DCC."""
        yield from grid_starts(self.student)

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
        target = self.at(theta, 0)[2]
        pairs = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
        first = self.next_q(theta) if warm else target
        z, path = cdcc_simulate(float(theta[0]), float(theta[1]), target, shocks, first, *pairs)
        return z, path

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        r"""Forecasts (H, N, N); on Q they need no approximation before the normalization, for E z*z*' = Q."""
        del driver
        decay = float(theta[0] + theta[1]) ** np.arange(horizon, dtype=float)
        return decaying(self.next_q(theta), self.at(theta, 0)[2], decay, method)

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> PathModel:
        """Return the same model on other residuals, S kept; `settle` must have run, as it has in a fit."""
        del driver
        target = self.target if nuisance is None else matrix_of(nuisance, z.shape[1])
        dist = "t" if self.student else "normal"
        return CDCCLikelihood(z, dist=dist, names=self.names, target=target, prefix=self.prefix)


@dataclass(frozen=True)
class CDCC(CorrelationSpec):
    r"""Corrected DCC(1,1) (Aielli 2013).

    .. math::

        Q_t=(1-a-b)S+a z^*_{t-1}z^{*\prime}_{t-1}+bQ_{t-1},\qquad z^*_{it}=z_{it}\sqrt{q_{ii,t}},\qquad
        \hat S(a,b)\propto\sum_t z^*_tz^{*\prime}_t .

    In DCC the mean of :math:`Q_t` is not quite the target, for :math:`\operatorname{E}_{t-1}z_tz_t'` is
    :math:`R_t` and not :math:`Q_t`; here it is. The cost is the same. Prefer it where a is large or the level of the
    correlation is itself of interest.

    Parameters
    ----------
    dist : "normal" or "t" errors of the standardized residuals.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.CDCC().fit(returns[["COIN", "SMALL_TECH"]])
    >>> list(fit.params.index[-3:])
    ['corr.COIN.SMALL_TECH', 'cdcc.a', 'cdcc.b']
    """

    dist: str = "normal"
    references: ClassVar[tuple[str, ...]] = ("aielli2013",)

    @property
    def name(self) -> str:
        """Name with its orders."""
        return f"cDCC(1,1)-{self.dist}"

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> CDCCLikelihood:
        """Build the likelihood on ``z`` (T, N)."""
        del driver, margins
        return CDCCLikelihood(z, dist=self.dist, names=names, target=target)
