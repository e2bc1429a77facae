r"""The likelihood of CCC and DCC on arrays of standardized residuals, and its stacked covariance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..estimation.inference import FreePart, free_part, sandwich
from ..estimation.optimize import Optimum
from ..estimation.params import Array, Block, Layout, interval, subsimplex
from ..kernels.dcc import dcc_adjoint, dcc_adjoint_pair, dcc_filter, dcc_filter_pair, dcc_path
from ..volatility.density import t_constants
from ..volatility.likelihood import ewma_backcast

__all__ = ["CorrelationLikelihood", "second_moment_target", "stacked_covariance", "stacked_moments"]

_GRID = tuple((a, total - a) for total in (0.999, 0.99, 0.97, 0.9) for a in (0.005, 0.015, 0.04, 0.1))
_LAYOUTS: dict[tuple[bool, bool], Layout] = {}


def second_moment_target(z: Array) -> tuple[Array, Array]:
    """Uncentred second moment of ``z`` (T, N) scaled to unit diagonal, and the unscaled diagonal."""
    moment = z.T @ z / z.shape[0]
    root = np.sqrt(np.diag(moment))
    target = moment / np.outer(root, root)
    np.fill_diagonal(target, 1.0)
    return target, root**2


def _layout(dynamic: bool, student: bool) -> Layout:
    key = (dynamic, student)
    if key not in _LAYOUTS:
        prefix = "dcc" if dynamic else "ccc"
        blocks: list[Block] = [subsimplex("dcc.a", "dcc.b")] if dynamic else []
        if student:
            blocks.append(interval(f"{prefix}.nu", 2.05, 500.0, log_from=2.0))
        _LAYOUTS[key] = Layout(blocks)
    return _LAYOUTS[key]


class CorrelationLikelihood:
    r"""Gaussian or t log-likelihood of z (T, N) under CCC (``dynamic=False``) or DCC(1,1).

    ``presample`` is "target" (:math:`Q_1=\bar Q`) or "ewma" (the MFE toolbox: a 0.94-weighted mean of the
    first :math:`\lfloor\sqrt T\rfloor+1` outer products stands for both :math:`z_0z_0'` and :math:`Q_0`).
    """

    def __init__(
        self,
        z: Array,
        *,
        dynamic: bool,
        dist: str,
        target: Array | None = None,
        presample: str = "target",
    ) -> None:
        self.z = np.ascontiguousarray(z, float)
        self.dynamic, self.student, self.presample = dynamic, dist == "t", presample
        self.n = z.shape[1]
        sample, self.diagonal = second_moment_target(self.z)
        self.target: Array = sample if target is None else np.ascontiguousarray(target, float)
        self.layout = _layout(dynamic, self.student)
        if presample == "ewma":
            self.weights = 0.94 ** np.arange(int(np.sqrt(self.z.shape[0])) + 1)
            self.weights /= self.weights.sum()
            head = self.z[: self.weights.size]
            squares = head[:, :, None] * head[:, None, :]
            self.start: Array = ewma_backcast(squares, 0.94, self.weights.size)
        else:
            self.start = self.target
        self._normal = np.array([-0.5 * self.n * np.log(2.0 * np.pi), 0.0])
        rows, cols = np.tril_indices(2)
        self._pair = (self.target[rows, cols].copy(), self.start[rows, cols].copy()) if self.n == 2 else None

    def split(self, theta: Array) -> tuple[float, float, float, Array]:
        """Parameters a, b, nu (0 for the normal) and the density's constants."""
        a, b = (float(theta[0]), float(theta[1])) if self.dynamic else (0.0, 0.0)
        if not self.student:
            return a, b, 0.0, self._normal
        nu = float(theta[-1])
        return a, b, nu, np.array(t_constants(nu, self.n))

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) of z and scores (T, K)."""
        a, b, nu, const = self.split(theta)
        if self._pair is not None:
            target, start = self._pair
            loglik, _, score = dcc_filter_pair(a, b, nu, const, self.z, target, start, start, want)
        else:
            loglik, score, _ = dcc_filter(a, b, nu, const, self.z, self.target, self.start, self.start, want)
        return loglik, (score if self.dynamic else score[:, 2:])

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the pairs at t = 1 … T+1, (T+1, K)."""
        a, b, _, _ = self.split(theta)
        return dcc_path(  # type: ignore[no-any-return]
            a,
            b,
            self.z,
            self.target,
            self.start,
            self.start,
            np.asarray(rows, np.int64),
            np.asarray(cols, np.int64),
        )

    def next_q(self, theta: Array) -> Array:
        """Q_{T+1}, (N, N)."""
        a, b, nu, const = self.split(theta)
        return dcc_filter(a, b, nu, const, self.z, self.target, self.start, self.start, 0)[2]  # type: ignore[no-any-return]

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, N), target held fixed, and by the target (N, N)."""
        a, b, nu, const = self.split(theta)
        if self._pair is not None:
            target, start = self._pair
            out = dcc_adjoint_pair(a, b, nu, const, self.z, target, start, start)
        else:
            out = dcc_adjoint(a, b, nu, const, self.z, self.target, self.start, self.start)
        dz, dtarget, dstart, dstart_q = out
        if self.presample == "target":
            return dz, dtarget + dstart + dstart_q
        head = self.weights.size
        dz[:head] += 2.0 * self.weights[:, None] * (self.z[:head] @ (dstart + dstart_q))
        return dz, dtarget

    def starts(self) -> Iterator[Array]:
        """A grid of news and persistence."""
        tail = (8.0,) if self.student else ()
        if not self.dynamic:
            yield np.array(tail)
            return
        for a, b in _GRID:
            yield np.array([a, b, *tail])


def stacked_covariance(
    lik: CorrelationLikelihood,
    optimum: Optimum | None,
    parts: Sequence[FreePart],
    dzs: Sequence[Array],
    *,
    cov_type: str,
    target_noise: str,
    lags: int | None = None,
) -> tuple[Array, FreePart | None]:
    r"""Covariance of margins, target and correlation parameters from their stacked moment conditions.

    The moments are the margins' scores :math:`s_{it}`, the target's influence
    :math:`m_{ij,t}=z_iz_j/\sqrt{M_{ii}M_{jj}}-\tfrac12\bar R_{ij}(z_i^2/M_{ii}+z_j^2/M_{jj})` and the scores
    :math:`u_t` of the correlation parameters; their mean derivative is block lower triangular,

    .. math:: A=\begin{pmatrix}A_{11}&&\\A_{21}&-I&\\A_{31}&A_{32}&A_{33}\end{pmatrix},\qquad
              V=A^{-1}BA^{-\top}/T .

    :math:`A_{31},A_{32}` come from differencing the adjoint pass in the correlation parameters
    (Newey & McFadden 1994, theorem 6.1; Engle & Sheppard 2001).

    The target's influence is autocorrelated, for :math:`\operatorname{E}_{t-1}m_t=R_t-\bar R`. Summing the
    recursion gives :math:`\sum m_t\approx\frac{1-b}{1-a-b}\sum\{m_t-(R_t-\bar R)\}`, whose terms are martingale
    differences, and it is these that enter :math:`B`: at a persistence of .97 the error of the target is
    more than twice what :math:`m_t` itself would say, and Newey–West with the usual few lags is no cure.

    ``target_noise`` is "exact" (as above), "moment" (:math:`m_t` itself, and the diagonal that scales the target
    taken as known in :math:`m_t` but not in :math:`A_{21}`, as the MFE toolbox does: at a correlation of .9 its
    errors of the target are three times too large) or "none" (target taken as known). With "classic" each
    step has minus its inverse Hessian, blind to the steps before it.

    Returns
    -------
    covariance over (free margin coordinates, target if ``target_noise``, free correlation coordinates),
    and the correlation step's `FreePart` (None when it has no parameters).
    """
    bread, moments, last, edges = stacked_moments(lik, optimum, parts, dzs, target_noise)
    if cov_type == "classic":
        steps = np.zeros_like(bread)
        for first, stop in pairwise(edges):
            steps[first:stop, first:stop] = bread[first:stop, first:stop]
        bread = steps
    return sandwich(bread, moments, cov_type, lags), last


def stacked_moments(
    lik: CorrelationLikelihood,
    optimum: Optimum | None,
    parts: Sequence[FreePart],
    dzs: Sequence[Array],
    target_noise: str,
) -> tuple[Array, Array, FreePart | None, list[int]]:
    """A (K, K) and the moments (T, K) of `stacked_covariance`, the last step, and where each step begins."""
    z, n, nobs = lik.z, lik.n, lik.z.shape[0]
    rows, cols = np.tril_indices(n, -1)
    sizes = [part.hessian.shape[0] for part in parts]
    k1 = sum(sizes)
    k2 = 0 if target_noise == "none" else rows.size
    last = free_part(lik, optimum) if optimum is not None else None
    k3 = 0 if last is None else last.hessian.shape[0]
    bread = np.zeros((k1 + k2 + k3, k1 + k2 + k3))
    moments = np.empty((nobs, k1 + k2 + k3))
    ends: list[int] = np.cumsum([0, *sizes]).tolist()
    for part, first, stop in zip(parts, ends[:-1], ends[1:], strict=True):
        bread[first:stop, first:stop] = part.hessian
        moments[:, first:stop] = part.score
    if k2:
        scale = np.sqrt(lik.diagonal)
        w = z / scale
        r = lik.target[rows, cols]
        center = r if target_noise == "moment" else 0.5 * r * (w[:, rows] ** 2 + w[:, cols] ** 2)
        moments[:, k1 : k1 + k2] = w[:, rows] * w[:, cols] - center
        if target_noise == "exact" and optimum is not None and lik.dynamic:
            a, b, _, _ = lik.split(optimum.theta)
            surprise = moments[:, k1 : k1 + k2] - (lik.path(optimum.theta, rows, cols)[:-1] - r)
            moments[:, k1 : k1 + k2] = (1.0 - b) / (1.0 - a - b) * surprise
        bread[k1 : k1 + k2, k1 : k1 + k2] = -np.eye(k2)
        for k, (i, j) in enumerate(zip(rows.tolist(), cols.tolist(), strict=True)):
            for one, other in ((i, j), (j, i)):
                slope = (w[:, other] - r[k] * w[:, one]) / scale[one] / nobs
                bread[k1 + k, ends[one] : ends[one + 1]] += slope @ dzs[one]
    if last is not None and optimum is not None:
        bottom = k1 + k2
        moments[:, bottom:] = last.score
        bread[bottom:, bottom:] = last.hessian
        for k, j in enumerate(np.flatnonzero(last.free).tolist()):
            sides = []
            for sign in (1.0, -1.0):
                point = optimum.box.copy()
                point[j] = np.clip(point[j] + sign * last.steps[j], lik.layout.lower[j], lik.layout.upper[j])
                sides.append((point[j], *lik.adjoint(lik.layout.natural(point))))
            gap = (sides[0][0] - sides[1][0]) * nobs
            by_z = (sides[0][1] - sides[1][1]) / gap
            by_target = (sides[0][2] - sides[1][2]) / gap
            for i, dz in enumerate(dzs):
                bread[bottom + k, ends[i] : ends[i + 1]] = by_z[:, i] @ dz
            if k2:
                bread[bottom + k, k1:bottom] = 2.0 * by_target[rows, cols]
    return bread, moments, last, [*ends, k1 + k2, k1 + k2 + k3]
