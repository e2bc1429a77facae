r"""Rotations by angles, and the likelihood of uncorrelated factors with GARCH variances.

.. math::

    \varepsilon_t = Z f_t,\qquad Z = P\Lambda^{1/2}U,\qquad H_t = Z\operatorname{diag}(h_t)Z',\qquad
    h_{i,t} = (1-\alpha_i-\beta_i)+\alpha_if_{i,t-1}^2+\beta_ih_{i,t-1} .
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from ..estimation.params import Array, Layout, real, subsimplex
from ..kernels.gogarch import gogarch_filter, gogarch_simulate, gogarch_variance

__all__ = ["FactorLikelihood", "angles_of", "canonical", "principal_axes", "rotation", "whitening_change"]

_DECAY = 0.94
_GRID = (*((a, total - a) for total in (0.995, 0.97, 0.9) for a in (0.02, 0.05, 0.1)), (0.02, 0.3))


def rotation(angles: Array, n: int) -> tuple[Array, Array]:
    r"""U (N, N), the product of the plane rotations :math:`R_{12}R_{13}\cdots R_{N-1,N}`, and its generators.

    :math:`R_{ij}` has cosines at (i, i), (j, j), minus the sine at (i, j) and the sine at (j, i). Factors are
    :math:`f=U'w`, and an angle moves them by :math:`\partial f/\partial\varphi_m=E_mf` with the skew
    :math:`E_m=-R_{>m}'J_mR_{>m}`, where :math:`R_{>m}` is the product of the rotations after the m-th; (M, N, N).
    """
    generators = np.zeros((angles.size, n, n))
    tail = np.eye(n)
    planes = list(zip(*np.triu_indices(n, 1), strict=True))
    for m in range(angles.size - 1, -1, -1):
        i, j = planes[m]
        # J is -1 at (i, j) and 1 at (j, i)
        generators[m] = np.outer(tail[i], tail[j]) - np.outer(tail[j], tail[i])
        c, s = np.cos(angles[m]), np.sin(angles[m])
        tail[[i, j]] = np.array([c * tail[i] - s * tail[j], s * tail[i] + c * tail[j]])
    return tail, generators


def angles_of(u: Array) -> Array:
    """Angles (M,) of a rotation ``u`` (N, N) with determinant one; the inverse of `rotation`."""
    n = u.shape[0]
    left, out = u.copy(), []
    for i in range(n - 1):
        # the first column left is (prod c, s_2 prod c_{>2}, …, s_N)
        column = left[:, 0]
        angles = np.array(
            [np.arctan2(column[j], np.sqrt(np.sum(column[1:j] ** 2) + column[0] ** 2)) for j in range(1, n - i)]
        )
        angles[0] = np.arctan2(column[1], column[0])
        out.append(angles)
        padded = np.zeros((n - i) * (n - i - 1) // 2)
        padded[: n - i - 1] = angles
        left = (rotation(padded, n - i)[0].T @ left)[1:, 1:]
    return np.concatenate(out)


def principal_axes(moment: Array) -> tuple[Array, Array]:
    """Eigenvalues (N,), largest first, and eigenvectors (N, N) whose largest element is positive."""
    values, vectors = np.linalg.eigh(moment)
    values, vectors = values[::-1], vectors[:, ::-1]
    peak = vectors[np.abs(vectors).argmax(axis=0), np.arange(values.size)]
    return values.copy(), np.ascontiguousarray(vectors * np.where(peak < 0, -1.0, 1.0))


@functools.lru_cache(maxsize=64)
def _layout(n: int, moving: int, rotate: bool) -> Layout:
    planes = zip(*np.triu_indices(n, 1), strict=True)
    blocks = [real(*(f"phi.{i + 1}.{j + 1}" for i, j in planes))] if rotate else []
    blocks += [subsimplex(f"factor{i + 1}.alpha", f"factor{i + 1}.beta") for i in range(moving)]
    return Layout(blocks)


class FactorLikelihood:
    """Gaussian log-likelihood of deviations (T, N) under O-GARCH (``rotate=False``) or GO-GARCH.

    ``values`` (N,) and ``vectors`` (N, N) are eigenvalues and eigenvectors of the sample covariance; the first
    ``moving`` factors have GARCH variances, the others variance one.
    """

    def __init__(self, e: Array, values: Array, vectors: Array, *, rotate: bool, moving: int | None = None) -> None:
        self.e = np.ascontiguousarray(e, float)
        self.values, self.vectors, self.rotate = values, vectors, rotate
        self.n = e.shape[1]
        self.moving = self.n if moving is None else moving
        self.layout = _layout(self.n, self.moving, rotate)
        self.white: Array = np.ascontiguousarray(self.e @ vectors / np.sqrt(values))
        raw = _DECAY ** np.arange(int(np.sqrt(e.shape[0])) + 1)
        self.weights: Array = raw / raw.sum()
        self.base = -0.5 * (self.n * np.log(2.0 * np.pi) + float(np.log(values).sum()))
        self.planes = self.n * (self.n - 1) // 2 if rotate else 0

    def split(self, theta: Array) -> tuple[Array, Array, Array, Array]:
        """Rotation U (N, N), its generators (M, N, N), alpha (N,) and beta (N,)."""
        angles = np.asarray(theta[: self.planes], float)
        u, generators = rotation(angles, self.n) if self.rotate else (np.eye(self.n), np.zeros((0, self.n, self.n)))
        alpha, beta = np.zeros(self.n), np.zeros(self.n)
        alpha[: self.moving], beta[: self.moving] = theta[self.planes :: 2], theta[self.planes + 1 :: 2]
        return u, generators, alpha, beta

    def mixing(self, theta: Array) -> Array:
        """Z (N, N), percent: returns deviate by Z f."""
        z: Array = (self.vectors * np.sqrt(self.values)) @ self.split(theta)[0]
        return z

    def factors(self, theta: Array) -> Array:
        """Factors f (T, N), uncorrelated in the sample with unit second moments."""
        return np.ascontiguousarray(self.white @ self.split(theta)[0])

    def variances(self, theta: Array) -> Array:
        """Conditional variances of the factors at t = 1 … T+1, (T+1, N)."""
        _, _, alpha, beta = self.split(theta)
        return gogarch_variance(alpha, beta, self.factors(theta), self.weights)  # type: ignore[no-any-return]

    def _filter(self, theta: Array, want: int) -> tuple[Array, Array, Array]:
        u, generators, alpha, beta = self.split(theta)
        f = np.ascontiguousarray(self.white @ u)
        turning = int(self.rotate)
        loglik, score, mean = gogarch_filter(alpha, beta, f, self.weights, turning, self.moving, self.base, want)
        if want > 0 and turning:
            # from skew changes of single pairs of factors to the angles
            rows, cols = np.tril_indices(self.n, -1)
            score[:, : self.planes] = score[:, : self.planes] @ generators[:, rows, cols].T
        return loglik, score, u @ mean @ u.T

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) and scores (T, K)."""
        loglik, score, _ = self._filter(theta, want)
        return loglik, score

    def whitening_slopes(self, theta: Array) -> Array:
        """Derivative of the mean score by a linear change of the whitened data, (K, N, N).

        By symmetry of the second derivative it is the parameters' derivative of the kernel's mean A.
        """
        out = np.empty((theta.size, self.n, self.n))
        for k in range(theta.size):
            ends = []
            for sign in (1.0, -1.0):
                point = theta.copy()
                point[k] += sign * 1e-5
                ends.append(self._filter(point, 1)[2])
            out[k] = (ends[0] - ends[1]) / 2e-5
        return out

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Covariances of the pairs, (T, pairs)."""
        z = self.mixing(theta)
        loads = z[np.asarray(rows, np.int64)] * z[np.asarray(cols, np.int64)]
        out: Array = self.variances(theta)[:-1] @ loads.T
        return out

    def next_covariance(self, theta: Array) -> Array:
        """H_{T+1}, (N, N)."""
        ahead: Array = self.expected(theta, 1)[0]
        return ahead

    def expected(self, theta: Array, horizon: int) -> Array:
        r"""E[H_{T+h}], (horizon, N, N): :math:`h_{i,T+h}=1+(\alpha_i+\beta_i)^{h-1}(h_{i,T+1}-1)` in expectation."""
        _, _, alpha, beta = self.split(theta)
        decay = (alpha + beta) ** np.arange(horizon)[:, None]
        h = 1.0 + decay * (self.variances(theta)[-1] - 1.0)
        return self._covariances(theta, h)

    def _covariances(self, theta: Array, h: Array) -> Array:
        z = self.mixing(theta)
        out: Array = (z * h[:, None, :]) @ z.T
        return out

    def simulate(self, theta: Array, shocks: Array, *, warm: bool = False) -> tuple[Array, Array | None]:
        """Deviations (H, N) and, when ``warm``, their covariances (H, N, N); a cold start has unit variances."""
        _, _, alpha, beta = self.split(theta)
        first = self.variances(theta)[-1] if warm else np.ones(self.n)
        f, h = gogarch_simulate(alpha, beta, first, np.ascontiguousarray(shocks, float))
        return f @ self.mixing(theta).T, self._covariances(theta, h) if warm else None

    def on(self, deviations: Array) -> FactorLikelihood:
        """Return the same model with the same whitening on other deviations."""
        return FactorLikelihood(deviations, self.values, self.vectors, rotate=self.rotate, moving=self.moving)

    def dynamics_start(self, u: Array) -> Array:
        """Best of a grid of (alpha, beta) for each factor of U'w: (2 moving,)."""
        f = np.ascontiguousarray(self.white @ u)
        fits = []
        for a, b in _GRID:
            h = gogarch_variance(np.full(self.n, a), np.full(self.n, b), f, self.weights)[:-1]
            fits.append(-0.5 * (np.log(h) + f**2 / h).sum(axis=0))
        best = np.argmax(np.stack(fits), axis=0)[: self.moving]
        return np.array([value for k in best for value in _GRID[k]])

    def starts(self) -> Iterator[Array]:
        """Principal axes; for a rotation also its moment estimates and, for a pair, a grid of angles."""
        if not self.rotate:
            yield self.dynamics_start(np.eye(self.n))
            return
        candidates = [np.eye(self.n), *(proper(self._moment_axes(lags)) for lags in (1, 5, 20))]
        if self.n == 2:
            candidates += [rotation(np.array([angle]), 2)[0] for angle in np.pi * np.array([0.125, 0.25, 0.375])]
        for u in candidates:
            yield np.concatenate([angles_of(u), self.dynamics_start(u)])

    def _moment_axes(self, lags: int) -> Array:
        r"""Eigenvectors of :math:`\sum_k\sum_tY_tY_{t-k}`, :math:`Y_t=w_tw_t'-I`: consistent for U's columns."""
        w = self.white
        total = np.zeros((self.n, self.n))
        for lag in range(1, lags + 1):
            now, past = w[lag:], w[:-lag]
            inner = np.einsum("ti,ti->t", now, past)
            gamma = (now * inner[:, None]).T @ past - now.T @ now - past.T @ past + len(now) * np.eye(self.n)
            total += gamma + gamma.T
        return np.linalg.eigh(total)[1]


def proper(u: Array) -> Array:
    """Reorder and turn the columns of an orthogonal matrix: nearest to the identity, determinant one."""
    out = u[:, nearest(u)]
    out *= np.where(np.diag(out) < 0, -1.0, 1.0)
    if np.linalg.det(out) < 0:
        out[:, np.abs(np.diag(out)).argmin()] *= -1.0
    return out


def nearest(u: Array) -> npt.NDArray[np.int64]:
    """Order of the columns that makes the sum of absolute diagonal elements largest."""
    rows, cols = linear_sum_assignment(-np.abs(u))
    return np.asarray(cols[np.argsort(rows)], np.int64)


def whitening_change(turned: Array, values: Array) -> Array:
    r"""Return :math:`\Psi` in :math:`W(S+dS)=(I+\Psi)W(S)`, :math:`W=\Lambda^{-1/2}P'`, given :math:`P'dSP`; (N, N).

    :math:`\Psi_{ii}=-\frac{(P'dSP)_{ii}}{2\lambda_i}`, :math:`\Psi_{ij}=\frac{(P'dSP)_{ij}}{\lambda_i-\lambda_j}
    \sqrt{\lambda_j/\lambda_i}`: the closer two eigenvalues, the faster their axes turn.
    """
    gap = values[:, None] - values[None, :]
    np.fill_diagonal(gap, 1.0)
    out: Array = turned / gap * np.sqrt(values[None, :] / values[:, None])
    np.fill_diagonal(out, -0.5 * np.diag(turned) / values)
    return out


def canonical(lik: FactorLikelihood, theta: Array) -> Array:
    """Return the same model with factors ordered and signed so that U is nearest to the identity, (K,)."""
    u = lik.split(theta)[0]
    dynamics = theta[lik.planes :].reshape(-1, 2)[nearest(u)]
    return np.concatenate([angles_of(proper(u)), dynamics.ravel()])
