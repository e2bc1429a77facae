r"""One correlation matrix whose strength switches: :math:`R_j=\Gamma\lambda_j+I(1-\lambda_j)` (Pelletier 2006).

All correlations of a regime are the same share :math:`\lambda_j\in[0,1]` of :math:`\Gamma`. The scale of :math:`\Gamma`
is not identified, hence the strongest regime, which is the last one, has :math:`\lambda_k=1`; with N columns there are
:math:`N(N-1)/2+k-1` parameters where free matrices take :math:`kN(N-1)/2`. A mixture of :math:`\Gamma` and the identity
is a correlation matrix, so all of the box is feasible. With two columns the model is the free one, as long as the
regimes' correlations share a sign.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize

from ..estimation.params import Array, Block, Layout, correlation, interval
from .emission import Integers
from .gaussian import NU_RANGE, GaussianEmission

__all__ = ["ScaledEmission"]

STEPS = 25  # of the climb within one M-step: it must rise, and EM repeats it


class ScaledEmission(GaussianEmission):
    """Standardised residuals ``y`` (T, N) with correlations of one shape and k strengths."""

    def __init__(self, y: Array, names: tuple[str, ...], k: int, *, student: bool = False) -> None:
        self.free = GaussianEmission(
            y, names, k, mean="zero", scale="unit", student=student, order_by="correlation"
        )  # the same densities with a matrix of their own in each regime
        super().__init__(y, names, k, mean="zero", scale="unit", student=student, order_by="correlation")
        self.shape = Layout(self._blocks[:k])  # the matrix and the strengths, without the degrees of freedom

    def _make_blocks(self) -> tuple[Block, ...]:
        pairs = [f"{self.names[i]},{self.names[j]}" for i, j in zip(self.rows, self.cols, strict=True)]
        out = [correlation(*(f"corr.{pair}" for pair in pairs))]
        out += [interval(f"lambda[{j + 1}]", 0.0, 1.0) for j in range(self.k - 1)]
        if self.student:
            out.append(interval("nu", *NU_RANGE, log_from=2.0))
        return tuple(out)

    def strengths(self, theta: Array) -> Array:
        """Shares of the matrix that regimes have, (k,), the last of them one."""
        at = self.rows.size
        return np.append(theta[at : at + self.k - 1], 1.0)

    def unpack(self, theta: Array) -> tuple[Array, Array, Array, float]:
        """Means, deviations, correlation matrices (k, N, N) and degrees of freedom."""
        k, n = self.k, self.n
        corr = np.repeat(np.eye(n)[None], k, axis=0)
        flat = self.strengths(theta)[:, None] * theta[: self.rows.size]
        corr[:, self.rows, self.cols] = corr[:, self.cols, self.rows] = flat
        return np.zeros((k, n)), np.ones((k, n)), corr, float(theta[-1]) if self.student else 0.0

    def pack(self, mean: Array, sd: Array, corr: Array, nu: float) -> Array:
        """Inverse of `unpack` for matrices of this form; the strengths of a unit matrix are one half."""
        del mean, sd
        flat = corr[:, self.rows, self.cols]
        length = float(flat[-1] @ flat[-1])
        shares = flat[:-1] @ flat[-1] / length if length > 0 else np.full(self.k - 1, 0.5)
        theta = np.concatenate([flat[-1], np.clip(shares, 0.0, 1.0)])
        return np.append(theta, nu) if self.student else theta

    def slopes(self, theta: Array) -> Array:
        """Derivatives of the log-densities, (T, k, E), by the chain rule from those of free matrices."""
        pairs = self.rows.size
        strength = self.strengths(theta)
        full = self.free.slopes(self.free.pack(*self.unpack(theta)))
        out = np.zeros((self.nobs, self.k, self.layout.size))
        for j in range(self.k):
            own = full[:, j, j * pairs : (j + 1) * pairs]
            out[:, j, :pairs] = strength[j] * own
            if j < self.k - 1:
                out[:, j, pairs + j] = own @ theta[:pairs]
        if self.student:
            out[:, :, -1] = full[:, :, -1]
        return out

    def mstep(self, weights: Array, theta: Array | None) -> Array:
        """As for free matrices; a start puts the regime of the largest correlations last, where the strength is one."""
        if theta is None:
            products = self.y[:, self.rows] * self.y[:, self.cols]
            squares = self.y[:, self.rows] ** 2 + self.y[:, self.cols] ** 2
            size = np.abs(weights.T @ products / (weights.T @ squares)).mean(axis=1)
            weights = weights[:, np.argsort(size, kind="stable")]
        return super().mstep(weights, theta)

    def _spread(self, second: Array, count: Array, old: tuple[Array, Array, Array] | None) -> tuple[Array, Array]:
        """Unit deviations and the correlations (k, N, N) of this form that explain the weighted moments best."""
        k, n = self.k, self.n
        share = count / count.sum()
        if old is None:
            _, start = self.free._spread(second, count, None)
        else:
            start = old[2]
        begin = self.shape.box(self._shape_of(start))

        def lost(box: Array) -> tuple[float, Array]:
            theta, jac = self.shape.map(box)
            corr = self._matrices(theta)
            inverse = np.linalg.inv(corr)
            value = 0.5 * float(share @ (np.linalg.slogdet(corr)[1] + np.einsum("kij,kij->k", inverse, second)))
            # by an element of R_j above the diagonal, which stands below it as well
            by = share[:, None] * (inverse - inverse @ second @ inverse)[:, self.rows, self.cols]
            strength = self.strengths(theta)
            slope = np.concatenate([strength @ by, by[:-1] @ theta[: self.rows.size]])
            return value, slope @ jac

        bounds = list(zip(self.shape.lower, self.shape.upper, strict=True))
        found = optimize.minimize(
            lost, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS, "ftol": 1e-13}
        )
        best = found.x if found.fun <= lost(begin)[0] else begin
        return np.ones((k, n)), self._matrices(self.shape.natural(best))

    def _shape_of(self, corr: Array) -> Array:
        theta = self.pack(np.empty(0), np.empty(0), corr, 0.0)
        return theta[:-1] if self.student else theta

    def _matrices(self, theta: Array) -> Array:
        return self.unpack(np.append(theta, 0.0) if self.student else theta)[2]

    def rank(self, theta: Array) -> Array:
        """Regimes are numbered by their strength."""
        return self.strengths(theta)

    def relabel(self, order: Integers) -> Integers:
        """Positions of the parameters under new numbers; the strongest regime stays the last."""
        if int(order[-1]) != self.k - 1:
            raise ValueError("the strongest regime is the last one: its strength is no parameter")
        out = np.arange(self.layout.size)
        out[self.rows.size : self.rows.size + self.k - 1] = self.rows.size + order[:-1]
        return out
