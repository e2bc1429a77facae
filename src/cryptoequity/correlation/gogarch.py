r"""O-GARCH and GO-GARCH: uncorrelated factors with GARCH variances behind the returns.

.. math::

    \varepsilon_t = Z f_t,\qquad Z = P\Lambda^{1/2}U,\qquad H_t = Z\operatorname{diag}(h_t)Z',\qquad
    h_{i,t} = (1-\alpha_i-\beta_i)+\alpha_if_{i,t-1}^2+\beta_ih_{i,t-1},

where :math:`S=P\Lambda P'` is the sample covariance. O-GARCH has :math:`U=I` (Alexander 2001), GO-GARCH a rotation
(van der Weide 2002) of :math:`N(N-1)/2` angles, :math:`U=\prod_{i<j}R_{ij}(\varphi_{ij})`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from ..errors import DataError, SpecError
from ..estimation.inference import newey_west_lags, newey_west_mean
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array, Layout, real, subsimplex
from ..kernels.gogarch import gogarch_filter, gogarch_simulate, gogarch_variance
from .covariance import CovarianceSpec, Targets

__all__ = ["GOGARCH", "OGARCH", "FactorLikelihood", "angles_of", "principal_axes", "rotation"]

_DECAY = 0.94
_EQUAL = 1e-6  # relative gap below which two eigenvalues are one: their eigenvectors are then any pair in the plane
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


@dataclass(frozen=True)
class _Orthogonal(CovarianceSpec):
    """What O-GARCH and GO-GARCH share: the whitening, its checks and its noise."""

    rotate: ClassVar[bool] = False

    @property
    def factors(self) -> int | None:
        """Number of factors with dynamics; None for all."""
        return None

    def build(self, deviations: Array) -> FactorLikelihood:
        """Return the likelihood on deviations (T, N), or say why their principal axes cannot serve."""
        nobs, n = deviations.shape
        moving = n if self.factors is None else self.factors
        if moving > n:
            raise SpecError(f"n_factors={moving}, but {n} columns have {n} principal components.")
        values, vectors = principal_axes(deviations.T @ deviations / nobs)
        if not values[-1] > 1e-10 * values[0]:
            raise DataError(
                f"{self.name}: the principal components have variances from {values[0]:.3g} to {values[-1]:.3g}, a "
                "ratio that leaves no digits for the smallest; bring the columns to comparable scales, or drop one."
            )
        gaps = (values[:-1] - values[1:]) / values[:-1]
        for i in np.flatnonzero(gaps[:moving] < _EQUAL):
            raise DataError(
                f"{self.name}: principal components {i + 1} and {i + 2} have the same variance ({values[i]:.6g} and "
                f"{values[i + 1]:.6g}), so their directions are not defined; rescale one of the columns, or use DCC."
            )
        return FactorLikelihood(deviations, values, vectors, rotate=self.rotate, moving=moving)

    def climb(self, lik: FactorLikelihood, *, strict: bool = False) -> Optimum:
        """Maximise, put the rotation in its canonical form, and flag what alpha = 0 leaves unidentified."""
        optimum = maximize(lik, list(lik.starts()), polish=3, strict=strict)
        if self.rotate:
            theta = canonical(lik, optimum.theta)
            if not np.allclose(theta, optimum.theta, rtol=0, atol=1e-12):
                again = maximize(lik, [theta], strict=strict)
                optimum = replace(
                    again, agreement=optimum.agreement, evaluations=optimum.evaluations + again.evaluations
                )
        pinned = np.array(optimum.pinned)
        # in the box a factor is (alpha + beta, share of alpha)
        still = np.flatnonzero(optimum.theta[lik.planes :: 2] == 0.0)
        for i in still:
            pinned[lik.planes + 2 * i : lik.planes + 2 * i + 2] = True
        if still.size > 1:
            pinned[: lik.planes] = True  # two factors of constant variance: any rotation between them fits as well
        return replace(optimum, pinned=tuple(map(bool, pinned)))

    def targets(self, lik: FactorLikelihood, theta: Array, names: Sequence[str]) -> Targets:
        r"""Return the sample covariance, whose noise moves the whitening and so every factor.

        The influence of a date on :math:`S` is :math:`Z V_t Z'` with :math:`V_{ij,t}=f_if_j` off the diagonal, which is
        a martingale difference, and :math:`V_{ii,t}=\frac{1-\beta_i}{1-\alpha_i-\beta_i}(f_i^2-h_i)` on it: summing the
        recursion of :math:`h` shows that :math:`\sum_t(f_i^2-1)` is the sum of these, up to the ends of the sample.
        """
        cols, rows = np.triu_indices(lik.n)
        _, _, alpha, beta = lik.split(theta)
        f, h, z = lik.factors(theta), lik.variances(theta)[:-1], lik.mixing(theta)
        v = (1.0 - beta) / (1.0 - alpha - beta) * (f**2 - h)
        influence = np.empty((len(f), rows.size))
        ef = f @ z.T
        for k, (i, j) in enumerate(zip(rows, cols, strict=True)):
            # Z V Z' = (Zf)(Zf)' with the squares of f replaced
            influence[:, k] = ef[:, i] * ef[:, j] + (v - f**2) @ (z[i] * z[j])
        moment = (lik.vectors * lik.values) @ lik.vectors.T
        by_white = lik.whitening_slopes(theta)
        slopes = np.empty((theta.size, rows.size))
        for k, (i, j) in enumerate(zip(rows, cols, strict=True)):
            change = np.outer(lik.vectors[i], lik.vectors[j])
            turn = whitening_change(change + change.T if i != j else change, lik.values)
            slopes[:, k] = np.tensordot(by_white, turn, axes=2)
        labels = tuple(f"cov.{names[int(j)]}.{names[int(i)]}" for i, j in zip(rows, cols, strict=True))
        return Targets(labels, moment[rows, cols], influence, slopes)


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


@dataclass(frozen=True)
class OGARCH(_Orthogonal):
    r"""Orthogonal GARCH (Alexander 2001): GARCH(1,1) variances of the principal components.

    Parameters
    ----------
    n_factors : components with dynamics, largest first; None for all. The variance of the others is held constant, so
        that :math:`H_t` stays positive definite and its mean remains the sample covariance; how much of each column's
        variance that is, the summary says.
    demean : subtract the sample mean first.

    Notes
    -----
    Principal components depend on the units: rescaling one column changes the model. Standard errors count the noise of
    the sample covariance. Before the sample, variances are a 0.94-weighted back-cast, as in the MFE toolbox.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.OGARCH(n_factors=1).fit(returns[["COIN", "SMALL_TECH"]])
    >>> list(fit.params.index[-2:])
    ['factor1.alpha', 'factor1.beta']
    """

    n_factors: int | None = None
    references: ClassVar[tuple[str, ...]] = ("alexander2001", "bollerslev1986", "neweymcfadden1994")

    def __post_init__(self) -> None:
        if self.n_factors is not None and (
            not isinstance(self.n_factors, int) or isinstance(self.n_factors, bool) or self.n_factors < 1
        ):
            raise SpecError(f"n_factors={self.n_factors!r}: give a whole number of components, at least 1, or None.")

    @property
    def name(self) -> str:
        """Name in the field's terms."""
        return "O-GARCH" if self.n_factors is None else f"O-GARCH, {self.n_factors} factors"

    @property
    def factors(self) -> int | None:
        """Number of factors with dynamics; None for all."""
        return self.n_factors

    def concerns(self, lik: FactorLikelihood, names: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002
        """Name the pairs of components whose variances differ by less than two standard errors."""
        out = []
        for i in range(min(lik.moving, lik.n - 1)):
            w = lik.white[:, i] ** 2 - lik.white[:, i + 1] ** 2
            error = newey_west_mean(w, newey_west_lags(w.size))
            gap = float(np.log(lik.values[i] / lik.values[i + 1]))
            if gap < 2.0 * error:
                out.append(
                    f"the variances of principal components {i + 1} and {i + 2}, {lik.values[i]:.4g} and "
                    f"{lik.values[i + 1]:.4g}, differ by {gap / error:.1f} standard errors only: their directions are "
                    "hardly known, and O-GARCH depends on them"
                )
        return tuple(out)

    def remarks(self, lik: FactorLikelihood, names: Sequence[str]) -> tuple[str, ...]:
        """Say how much variance is held constant."""
        if lik.moving == lik.n:
            return ()
        rest = lik.vectors[:, lik.moving :] ** 2 @ lik.values[lik.moving :]
        share = rest / (lik.vectors**2 @ lik.values)
        listed = ", ".join(f"{name} {one:.1%}" for name, one in zip(names, share, strict=True))
        return (f"Share of the variance held constant, that of the components without dynamics: {listed}",)


@dataclass(frozen=True)
class GOGARCH(_Orthogonal):
    r"""Generalised orthogonal GARCH (van der Weide 2002): a rotation of the standardised principal components.

    :math:`\varepsilon_t=P\Lambda^{1/2}Uf_t`; the angles of :math:`U` and the GARCH(1,1) dynamics of the factors are
    estimated together by Gaussian quasi-maximum likelihood with analytic scores.

    Parameters
    ----------
    demean : subtract the sample mean first.

    Notes
    -----
    A factor has neither sign nor rank: they are ordered and signed so that :math:`U` is nearest to the identity, and
    factor i is the one nearest to principal component i. The model, unlike O-GARCH, does not depend on the units of the
    columns. The rotation is not identified when two factors have constant variances; the fit then says so. The angles
    are N(N-1)/2: beyond some fifteen columns the climb is long, and its climbs may end on different tops, which the
    summary shows as the share that agrees.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.GOGARCH().fit(returns[["COIN", "SMALL_TECH"]])
    >>> list(fit.params.index[-5:])
    ['phi.1.2', 'factor1.alpha', 'factor1.beta', 'factor2.alpha', 'factor2.beta']
    """

    rotate: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("vanderweide2002", "bollerslev1986", "neweymcfadden1994")

    @property
    def name(self) -> str:
        """Name in the field's terms."""
        return "GO-GARCH"
