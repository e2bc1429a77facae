r"""The likelihood of CCC and DCC(1,1) on arrays of standardized residuals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import SpecError
from ..estimation.optimize import Optimum
from ..estimation.params import Array, Block, Layout, subsimplex
from ..kernels.dcc import (
    dcc_adjoint,
    dcc_adjoint_pair,
    dcc_filter,
    dcc_filter_pair,
    dcc_last,
    dcc_path,
    dcc_simulate,
    dcc_total_pair,
)
from .model import PathModel, TargetModel, matrix_of, nu_block, second_moment_target

__all__ = ["CorrelationLikelihood", "decaying", "ewma_weights", "grid_starts", "second_moment_target"]

# columns from which the search for a start is the composite likelihood's
_MANY = 6
_GRID = tuple((a, total - a) for total in (0.999, 0.99, 0.97, 0.9) for a in (0.005, 0.015, 0.04, 0.1))
_LAYOUTS: dict[tuple[bool, bool], Layout] = {}


def grid_starts(student: bool) -> Iterator[Array]:
    """Starting values (a, b[, nu]) of every recursion with one news and one persistence."""
    tail = (8.0,) if student else ()
    for a, b in _GRID:
        yield np.array([a, b, *tail])


def ewma_weights(nobs: int) -> Array:
    """The MFE toolbox's weights of the first outer products."""
    weights = 0.94 ** np.arange(int(np.sqrt(nobs)) + 1)
    out: Array = weights / weights.sum()
    return out


def _layout(dynamic: bool, student: bool) -> Layout:
    key = (dynamic, student)
    if key not in _LAYOUTS:
        prefix = "dcc" if dynamic else "ccc"
        blocks: list[Block] = [subsimplex("dcc.a", "dcc.b")] if dynamic else []
        if student:
            blocks.append(nu_block(f"{prefix}.nu"))
        _LAYOUTS[key] = Layout(blocks)
    return _LAYOUTS[key]


class CorrelationLikelihood(TargetModel):
    r"""Gaussian or t log-likelihood of z (T, N) under CCC (``dynamic=False``) or DCC(1,1).

    ``presample`` is "target" (:math:`Q_1=\bar Q`) or "ewma" (the MFE toolbox: a 0.94-weighted mean of the
    first :math:`\lfloor\sqrt T\rfloor+1` outer products stands for both :math:`z_0z_0'` and :math:`Q_0`).
    """

    pairwise = True

    def __init__(
        self,
        z: Array,
        *,
        dynamic: bool,
        dist: str,
        names: Sequence[str] | None = None,
        target: Array | None = None,
        shrink: float = 1.0,
        presample: str = "target",
    ) -> None:
        super().__init__(z, dist=dist, names=names, target=target, shrink=shrink)
        self._dynamic, self.presample = dynamic, presample
        self.layout = _layout(dynamic, self.student)
        if presample == "ewma":
            self.weights = ewma_weights(self.nobs)
            head = self.z[: self.weights.size]
            start = (self.weights[:, None] * head).T @ head
            self.start: Array = 0.5 * (start + start.T)  # symmetric to the last bit
        else:
            self.start = self.target
        rows, cols = np.tril_indices(2)
        self._pair = (self.target[rows, cols].copy(), self.start[rows, cols].copy()) if self.n == 2 else None

    @property
    def dynamic(self) -> bool:
        """False for CCC."""
        return self._dynamic

    def split(self, theta: Array) -> tuple[float, float, float, Array]:
        """Parameters a, b, nu (0 for the normal) and the density's constants."""
        a, b = (float(theta[0]), float(theta[1])) if self._dynamic else (0.0, 0.0)
        return a, b, *self.density(theta)

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) of z and scores (T, K)."""
        a, b, nu, const = self.split(theta)
        if self._pair is not None:
            target, start = self._pair
            loglik, _, score = dcc_filter_pair(a, b, nu, const, self.z, target, start, start, want)
        else:
            loglik, score, _ = dcc_filter(a, b, nu, const, self.z, self.target, self.start, self.start, want)
        return loglik, (score if self._dynamic else score[:, 2:])

    def total(self, theta: Array) -> float:
        """Log-likelihood of all dates: what the grid of starting values asks for, many times."""
        if self._pair is None:
            return float(self.evaluate(theta, 0)[0].sum())
        a, b, nu, const = self.split(theta)
        target, start = self._pair
        return float(dcc_total_pair(a, b, nu, const, self.z, target, start, start))

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the pairs, (T, pairs)."""
        a, b, _, _ = self.split(theta)
        out: Array = dcc_path(
            a,
            b,
            self.z,
            self.target,
            self.start,
            self.start,
            np.asarray(rows, np.int64),
            np.asarray(cols, np.int64),
        )
        return out[:-1]

    def next_q(self, theta: Array) -> Array:
        """Q_{T+1}, (N, N)."""
        a, b, _, _ = self.split(theta)
        return dcc_last(a, b, self.z, self.target, self.start, self.start)  # type: ignore[no-any-return]

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, N), target held fixed, and by the target's pairs (P,)."""
        dz, dtarget, dstart, dstart_q = self._adjoint(theta)
        if self.presample == "target":
            dtarget = dtarget + dstart + dstart_q
        else:
            head = self.weights.size
            dz[:head] += 2.0 * self.weights[:, None] * (self.z[:head] @ (dstart + dstart_q))
        return dz, 2.0 * dtarget[self.pairs]

    def _adjoint(self, theta: Array) -> tuple[Array, Array, Array, Array]:
        """Gradients by z (T, N), target, z_0 z_0' and Q_0, (N, N) each."""
        a, b, nu, const = self.split(theta)
        if self._pair is not None:
            target, start = self._pair
            return dcc_adjoint_pair(a, b, nu, const, self.z, target, start, start)  # type: ignore[no-any-return]
        return dcc_adjoint(a, b, nu, const, self.z, self.target, self.start, self.start)  # type: ignore[no-any-return]

    def contracted_moments(self, theta: Array, noise: str, weights: Array) -> Array:
        """See `PathModel.contracted_moments`."""
        return self.second_moment_contracted(theta, noise, weights)

    def contracted_tangent(self, theta: Array, dzs: Sequence[Array], weights: Array) -> list[Array]:
        """See `PathModel.contracted_tangent`."""
        del theta
        return self.second_moment_tangent(dzs, weights)

    def composite(self, rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64]) -> PathModel:
        """Return the mean over pairs of their bivariate likelihoods."""
        from .composite import CompositeLikelihood

        if not self._dynamic:
            raise SpecError("CCC is its target and has nothing to gain from pairs: use method='ml'.")
        return CompositeLikelihood(
            self.z,
            rows,
            cols,
            dist="t" if self.student else "normal",
            names=self.names,
            target=self.target,
            shrink=self.shrink,
            presample=self.presample,
        )

    def climb(
        self,
        starts: Sequence[Array],
        *,
        polish: int | None = None,
        tol: float = 1e-8,
        curvature: Array | None = None,
        strict: bool = False,
    ) -> Optimum:
        """Maximise; with many columns the search is the composite likelihood's, and its optimum the start of one climb.

        Where the composite's climbs disagree, stop short or end on a bound, the starts are all tried here.
        """
        if self._dynamic:
            starts = self.searched(starts, tol)
        return super().climb(starts, polish=polish, tol=tol, curvature=curvature, strict=strict)

    def searched(self, starts: Sequence[Array], tol: float) -> Sequence[Array]:
        """Return the composite likelihood's optimum as the one start where columns are many and it is beyond doubt."""
        if self.n < _MANY or len(starts) < 2:
            return starts
        first = np.arange(self.n - 1)
        found = self.composite(first, first + 1).climb(starts, tol=tol)
        sound = found.converged and found.agreement == 1.0 and not any(found.pinned)
        return [found.theta] if sound else starts

    def memory(self, theta: Array) -> float:
        """Return (1 - b) / (1 - a - b)."""
        a, b, _, _ = self.split(theta)
        return (1.0 - b) / (1.0 - a - b)

    def starts(self) -> Iterator[Array]:
        """A grid of news and persistence."""
        if self._dynamic:
            yield from grid_starts(self.student)
        else:
            yield np.array((8.0,) if self.student else ())

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
        a, b, _, _ = self.split(theta)
        first = self.next_q(theta) if warm else self.target
        z = dcc_simulate(a, b, self.target, shocks, first)
        pairs = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
        # the recursion from Q_1 = first, told as Q_0 = first with news and target that leave it where it is
        before = first + (1.0 - a - b) / (a + b) * (first - self.target) if a + b > 0 else first
        path: Array = dcc_path(a, b, z, self.target, before, before, *pairs)[:-1]
        return z, path

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        """Both approximations of Engle & Sheppard (2001), on R and on Q."""
        del driver
        a, b, _, _ = self.split(theta)
        return decaying(self.next_q(theta), self.target, (a + b) ** np.arange(horizon, dtype=float), method)

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> PathModel:
        """Return the same model on other residuals, the target kept."""
        del driver
        target = self.target if nuisance is None else matrix_of(nuisance, z.shape[1])
        return CorrelationLikelihood(
            z,
            dynamic=self._dynamic,
            dist="t" if self.student else "normal",
            target=target,
            presample=self.presample,
            shrink=self.shrink,
        )


def decaying(q: Array, target: Array, decay: Array, method: str) -> Array:
    """Correlations that return from Q_{T+1} to the target at the rate ``decay`` (H,): on R or on Q, (H, N, N)."""
    root = np.sqrt(np.diag(q))
    weight = decay[:, None, None]
    if method == "R":
        out: Array = target + weight * (q / np.outer(root, root) - target)
        return out
    ahead = target + weight * (q - target)
    roots = np.sqrt(np.einsum("hii->hi", ahead))
    normalized: Array = ahead / (roots[:, :, None] * roots[:, None, :])
    return normalized
