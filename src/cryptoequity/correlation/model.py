r"""What every correlation model tells the shared machinery: the contract of estimation, errors, paths and simulation.

A model is the density of standardized residuals :math:`z_t` (T, N) given the past (and drivers),

.. math:: z_t \mid \mathcal F_{t-1} \sim (0, R_t(\theta,\tau)),

normal or Student's t with unit variances. :math:`\theta` are the parameters the optimiser moves; :math:`\tau` are
moments put in their place beforehand ("targeting"), here called the nuisance.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import SpecError
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array, Block, Layout, interval
from ..volatility.density import t_constants

# numbers of the largest block of paths held at a time
CELLS = 2_000_000

__all__ = ["CELLS", "PathModel", "TargetModel", "matrix_of", "nu_block", "second_moment_target"]


def nu_block(name: str) -> Block:
    """Degrees of freedom of joint t errors."""
    return interval(name, 2.05, 500.0, log_from=2.0)


def second_moment_target(z: Array) -> tuple[Array, Array]:
    """Uncentred second moment of ``z`` (T, N) scaled to unit diagonal, and the unscaled diagonal."""
    moment = z.T @ z / z.shape[0]
    root = np.sqrt(np.diag(moment))
    target = moment / np.outer(root, root)
    np.fill_diagonal(target, 1.0)
    return target, root**2


@functools.lru_cache(maxsize=64)
def _pairs(n: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns of the pairs i < j; the same arrays at every call: not to be written to."""
    rows, cols = np.triu_indices(n, 1)
    return rows, cols


def matrix_of(flat: Array, n: int) -> Array:
    """Correlation matrix (N, N) whose pairs (0, 1), (0, 2), ..., (1, 2), ... are ``flat``."""
    rows, cols = _pairs(n)
    out: Array = np.eye(n)
    out[rows, cols] = out[cols, rows] = flat
    return out


class PathModel:
    """Base of all models; subclasses write `evaluate`, `path`, `adjoint`, `starts`, `simulate` and `fixed`.

    Attributes
    ----------
    z : (T, N) residuals. n : N. student : whether errors are t, their degrees of freedom being the last parameter.
    layout : names and constraints of theta. names : column names, for labels.
    driver : (T, M) exogenous variables, row t acting on R_t; None for most models.
    nuisance : (P,) targeted moments; empty for models without a target.
    pairwise : whether the path of a pair depends on that pair's residuals, target and theta alone.
    polish : number of starts that are climbed from.
    timed : whether R_t depends on where in the sample t lies; see `since`.
    """

    layout: Layout
    pairwise: bool = False
    polish: int = 2
    timed: bool = False

    def __init__(self, z: Array, *, dist: str, names: Sequence[str] | None = None, driver: Array | None = None) -> None:
        self.z: Array = np.ascontiguousarray(z, float)
        self.nobs, self.n = self.z.shape
        self.student = dist == "t"
        self.names = tuple(names) if names is not None else tuple(str(i) for i in range(self.n))
        self.driver: Array | None = None if driver is None else np.ascontiguousarray(driver, float)
        self.nuisance: Array = np.empty(0)
        self._normal = np.array([-0.5 * self.n * np.log(2.0 * np.pi), 0.0])

    @property
    def dynamic(self) -> bool:
        """Whether the correlation moves at all."""
        return True

    def density(self, theta: Array) -> tuple[float, Array]:
        """Degrees of freedom (0 for the normal) and the constants the kernels read."""
        if not self.student:
            return 0.0, self._normal
        nu = float(theta[-1])
        return nu, np.array(t_constants(nu, self.n))

    # --- what a model may say about its estimate

    def loose(self, optimum: Optimum) -> tuple[bool, ...]:
        """Box coordinates without a standard error: on their bound or, as the model sees it, not identified."""
        return optimum.pinned

    def tied(self, optimum: Optimum) -> tuple[str, ...]:
        """Parameters at a limit that moves with the others: they follow these and have no error of their own."""
        del optimum
        return ()

    def concerns(self, optimum: Optimum) -> tuple[str, ...]:
        """Sentences on what the estimate does not identify: they go into the warning of the fit and its summary."""
        del optimum
        return ()

    def since(self, first: int) -> PathModel:
        """Return the model with its row 0 at row ``first`` of the sample it was fitted to; for a `timed` model."""
        del first
        return self

    # --- what a model must say

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-density of each z_t (T,) and, with ``want`` = 1, its scores (T, K).

        Scores are total derivatives: where the nuisance moves with theta, through the nuisance too.
        """
        raise NotImplementedError

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the pairs (rows[k], cols[k]) at every date of the sample, (T, pairs)."""
        raise NotImplementedError

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, N), nuisance held fixed, and by the nuisance (P,)."""
        raise NotImplementedError

    def starts(self) -> Iterator[Array]:
        """Starting values."""
        raise NotImplementedError

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
        """Residuals z (H, N) from uncorrelated unit-variance ``shocks`` (H, N), and correlations of pairs (H, pairs).

        z_t = L_t u_t with L_t the lower Cholesky factor of R_t. The recursion starts at its unconditional level, or,
        ``warm``, from the end of the sample: row 0 is then R_{T+1}. ``driver`` (H, M) where the model has one.
        """
        raise NotImplementedError

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> PathModel:
        """Return the same model on other residuals, with this nuisance (or another) instead of their own."""
        raise NotImplementedError

    # --- what has a general answer

    def climb(
        self,
        starts: Sequence[Array],
        *,
        polish: int | None = None,
        tol: float = 1e-8,
        curvature: Array | None = None,
        strict: bool = False,
    ) -> Optimum:
        """Maximise; a model with a feasible set that is no box may have its own way."""
        count = polish or self.polish
        best = maximize(self, starts, polish=count, tol=tol, curvature=curvature, strict=strict)
        if any(best.pinned) and len(starts) > count:
            # a bound may be where the nearest starts fell, not the top: look from further ones before believing it
            wide = maximize(self, starts, polish=3 * count, tol=tol, curvature=curvature, strict=strict)
            best = wide if wide.loglik > best.loglik + 1e-6 else best
        return best

    def settle(self, theta: Array) -> None:
        """Fix what a nuisance that moves with theta is at the estimate; nothing to do for most models."""

    def correlated(self, theta: Array) -> Array:
        """Variables (T, N) whose conditional correlation is R_t: the residuals, unless the model transforms them."""
        del theta
        return self.z

    def reshaped(self, margins: Sequence[Array]) -> PathModel:
        """Return the model for other parameters of its margins, where it reads more of them than residuals."""
        del margins
        return self

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        """Closed-form correlation forecasts (H, N, N); models without one refuse."""
        del theta, horizon, driver
        raise SpecError(f"method={method!r} has no closed form for this model; use method='simulation' with rng.")

    def ahead(self, theta: Array, driver: Array | None = None) -> Array:
        """R_{T+1}, (N, N), exact."""
        rows, cols = self.pairs
        future = None if driver is None else driver[:1]
        flat = self.simulate(theta, np.zeros((1, self.n)), rows, cols, driver=future, warm=True)[1][0]
        return self.matrix(flat)

    def matrix(self, flat: Array) -> Array:
        """Correlation matrix (N, N) of the elements of `pairs`."""
        return matrix_of(flat, self.n)

    @property
    def pairs(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """All pairs i < j: (0, 1), (0, 2), ..., (1, 2), ...; the order of every vector of correlations."""
        return _pairs(self.n)

    def pair_names(self, prefix: str) -> tuple[str, ...]:
        """Names such as "prefix.BTC.QQQ", in the order of `pairs`."""
        return tuple(f"{prefix}.{self.names[i]}.{self.names[j]}" for i, j in zip(*self.pairs, strict=True))

    # --- what the stacked covariance asks of a targeted model; none without a target

    def nuisance_names(self) -> tuple[str, ...]:
        """Names of the targeted moments, (P,)."""
        return ()

    def nuisance_moments(self, theta: Array, noise: str) -> Array:
        """Influence of every observation on the nuisance, (T, P); ``noise`` is "exact" or "moment"."""
        del theta, noise
        return np.empty((self.nobs, 0))

    def nuisance_tangent(self, theta: Array, dzs: Sequence[Array]) -> list[Array]:
        """Derivative of the nuisance by the parameters of each margin, theta fixed: (P, K_i) each."""
        del theta
        return [np.zeros((0, dz.shape[1])) for dz in dzs]

    def nuisance_slope(self, theta: Array) -> Array | None:
        """Derivative of the nuisance by theta, (P, K); None where it does not depend on theta."""
        del theta
        return None

    def contracted_moments(self, theta: Array, noise: str, weights: Array) -> Array:
        """`nuisance_moments` times the rows of ``weights`` (K, P): (T, K).

        A model of many assets overrides this and `contracted_tangent` so that no array T×P is built.
        """
        out: Array = self.nuisance_moments(theta, noise) @ weights.T
        return out

    def contracted_tangent(self, theta: Array, dzs: Sequence[Array], weights: Array) -> list[Array]:
        """``weights`` (K, P) times `nuisance_tangent`: (K, K_i) for each margin."""
        return [weights @ block for block in self.nuisance_tangent(theta, dzs)]

    def composite(self, rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64]) -> PathModel:
        """Return the model whose `evaluate` is the mean over these pairs of the bivariate likelihoods."""
        del rows, cols
        raise SpecError(
            f"{type(self).__name__} has no composite likelihood: use method='ml', or DCC, the model whose pairs "
            "follow the same recursion alone as together."
        )

    def margin_noise(self, theta: Array) -> tuple[Array, Array] | None:
        """What margins estimated without parameters (ranks) add to the influence on nuisance (T, P) and theta (T, K).

        None where margins have parameters, or enter through their residuals alone.
        """
        del theta
        return None

    def by_margins(self, theta: Array, dzs: Sequence[Array]) -> tuple[list[Array], Array]:
        """Gradient of the total log-likelihood by each margin's parameters through z, and by the nuisance.

        A model that reads more of its margins than their residuals (a copula) overrides this.
        """
        del_z, by_nuisance = self.adjoint(theta)
        return [del_z[:, i] @ dz for i, dz in enumerate(dzs)], by_nuisance


class TargetModel(PathModel):
    r"""A model that returns to a targeted correlation :math:`\bar R`: the second moment of z scaled to unit diagonal.

    Subclasses say how the target's influence sums up in `memory`: with
    :math:`x_t=z_tz_t'-\operatorname{E}_{t-1}z_tz_t'`, :math:`\sum(z_tz_t'-\bar R)\approx c\sum x_t`.
    """

    def __init__(
        self,
        z: Array,
        *,
        dist: str,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        shrink: float = 1.0,
    ) -> None:
        """``target`` replaces the second moment; ``shrink`` is its derivative by the second moment."""
        super().__init__(z, dist=dist, names=names, driver=driver)
        self.sample, self.diagonal = second_moment_target(self.z)
        self.target: Array = self.sample if target is None else np.ascontiguousarray(target, float)
        self.shrink = shrink
        self.nuisance = self.target[self.pairs]

    def take(self, method: str, weight: float) -> None:
        """Accept that the target is the sample's shrunk by ``method`` with ``weight``, or one that is given.

        The weight is a constant to the errors: it vanishes as the sample grows.
        """
        self.shrink = 1.0 - weight if method in ("identity", "constant") else 1.0

    def memory(self, theta: Array) -> float:
        """The factor c above."""
        raise NotImplementedError

    def expected_moments(self, theta: Array) -> Array:
        """E_{t-1} of the target's moment conditions, (T, P)."""
        out: Array = self.path(theta, *self.pairs) - self.target[self.pairs]
        return out

    def nuisance_names(self) -> tuple[str, ...]:
        """Return "corr.BTC.QQQ" and so on."""
        return self.pair_names("corr")

    def nuisance_moments(self, theta: Array, noise: str) -> Array:
        """Influence on the target; see `stacking.stacked_covariance`."""
        rows, cols = self.pairs
        w = self.z / np.sqrt(self.diagonal)
        r = self.sample[rows, cols]
        center = r if noise == "moment" else 0.5 * r * (w[:, rows] ** 2 + w[:, cols] ** 2)
        moments: Array = w[:, rows] * w[:, cols] - center
        if noise == "exact" and self.dynamic:
            moments = self.memory(theta) * (moments - self.expected_moments(theta))
        return self.shrink * moments

    def second_moment_contracted(self, theta: Array, noise: str, weights: Array) -> Array:
        r"""`contracted_moments` of the scaled second moment without an array T×P.

        With the weights of one row as a symmetric matrix V of zero diagonal and :math:`w_i=z_i/\sqrt{M_{ii}}`,
        :math:`\sum_{i<j}V_{ij}m_{ij}=\tfrac12w'Vw-\tfrac12\sum_iw_i^2(V\circ\bar R)_{i\cdot}1`.
        Expectations given the past are summed over blocks of the pairs that have a weight.
        """
        rows, cols = self.pairs
        w = self.z / np.sqrt(self.diagonal)
        out = np.empty((self.nobs, len(weights)))
        for k, flat in enumerate(weights):
            v = matrix_of(flat, self.n)
            np.fill_diagonal(v, 0.0)
            own = (v * self.sample).sum(axis=1)
            for first in range(0, self.nobs, 512):  # a few dates at a time
                some = w[first : first + 512]
                level = own.sum() if noise == "moment" else some**2 @ own
                out[first : first + 512, k] = 0.5 * (np.einsum("ti,ti->t", some @ v, some) - level)
        if noise == "exact" and self.dynamic:
            used = np.flatnonzero((weights != 0.0).any(axis=0))
            size = max(1, CELLS // self.nobs)
            for first in range(0, used.size, size):
                these = used[first : first + size]
                gap = self.path(theta, rows[these], cols[these]) - self.target[rows[these], cols[these]]
                out -= gap @ weights[:, these].T
            out *= self.memory(theta)
        return self.shrink * out

    def second_moment_tangent(self, dzs: Sequence[Array], weights: Array) -> list[Array]:
        """`contracted_tangent` of the scaled second moment without an array P×K."""
        scale = np.sqrt(self.diagonal)
        w = self.z / scale
        out = [np.empty((len(weights), dz.shape[1])) for dz in dzs]
        for k, flat in enumerate(weights):
            v = matrix_of(flat, self.n)
            np.fill_diagonal(v, 0.0)
            own = (v * self.sample).sum(axis=1)
            for first in range(0, self.n, 64):  # a few columns at a time: no second array T×N
                part = slice(first, first + 64)
                slope = (w @ v[:, part] - w[:, part] * own[part]) / scale[part] * (self.shrink / self.nobs)
                for i, dz in enumerate(dzs[part], first):
                    out[i][k] = slope[:, i - first] @ dz
        return out

    def nuisance_tangent(self, theta: Array, dzs: Sequence[Array]) -> list[Array]:
        """Derivative of the scaled second moment along each margin's residuals."""
        del theta
        rows, cols = self.pairs
        scale = np.sqrt(self.diagonal)
        w = self.z / scale
        r = self.sample[rows, cols]
        out = [np.zeros((rows.size, dz.shape[1])) for dz in dzs]
        for k, (i, j) in enumerate(zip(rows.tolist(), cols.tolist(), strict=True)):
            for one, other in ((i, j), (j, i)):
                slope = (w[:, other] - r[k] * w[:, one]) / scale[one] / self.nobs
                out[one][k] = self.shrink * (slope @ dzs[one])
        return out
