r"""One correlation matrix whose strength switches: :math:`R_j=\Gamma\lambda_j+I(1-\lambda_j)` (Pelletier 2006).

All correlations of a regime are the same share :math:`\lambda_j\in[0,1]` of :math:`\Gamma`. The scale of :math:`\Gamma`
is not identified, hence the strongest regime, which is the last one, has :math:`\lambda_k=1`; with N columns there are
:math:`N(N-1)/2+k-1` parameters where free matrices take :math:`kN(N-1)/2`. A mixture of :math:`\Gamma` and the identity
is a correlation matrix, so all of the box is feasible. With two columns the model is the free one, as long as the
regimes' correlations share a sign.
"""

from __future__ import annotations

import numpy as np

from ..estimation.params import Array, Block, correlation, interval
from .emission import Integers
from .gaussian import FIRST_STEPS, NEXT_STEPS, GaussianEmission
from .student import NU_RANGE
from .unit_moments import HALVINGS, fit_value, slope_and_information

__all__ = ["ScaledEmission"]


class ScaledEmission(GaussianEmission):
    """Standardised residuals ``y`` (T, N) with correlations of one shape and k strengths."""

    def __init__(self, y: Array, names: tuple[str, ...], k: int, *, student: bool = False) -> None:
        self.free = GaussianEmission(
            y, names, k, mean="zero", scale="unit", student=student, order_by="correlation"
        )  # the same densities with a matrix of their own in each regime
        super().__init__(y, names, k, mean="zero", scale="unit", student=student, order_by="correlation")

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
        k, n, pairs = self.k, self.n, self.rows.size
        share = count / count.sum()
        start = self.free._spread(second, count, None)[1] if old is None else old[2]
        theta = self._shape_of(start)
        value = self._value(theta, second, share)
        for _ in range(FIRST_STEPS if old is None else NEXT_STEPS):
            slope, information = self._slope(theta, second, share)
            held = np.zeros(theta.size, bool)
            at = theta[pairs:]
            held[pairs:] = ((at <= 0.0) & (slope[pairs:] < 0)) | ((at >= 1.0) & (slope[pairs:] > 0))
            free = np.flatnonzero(~held)
            step = np.zeros(theta.size)
            step[free] = np.linalg.solve(information[np.ix_(free, free)], slope[free])
            if float(slope @ step) < 1e-14:
                break
            length = 1.0
            for _ in range(HALVINGS):
                trial = theta + length * step
                trial[pairs:] = np.clip(trial[pairs:], 0.0, 1.0)
                new = self._value(trial, second, share)
                if new > value:
                    break
                length *= 0.5
            else:
                break
            theta, value = trial, new
        return np.ones((k, n)), self._matrices(theta)

    def _value(self, theta: Array, second: Array, share: Array) -> float:
        """Weighted log-likelihood of moments (k, N, N) but for constants; -inf outside the feasible set."""
        return float(sum(w * fit_value(r, s) for w, r, s in zip(share, self._matrices(theta), second, strict=True)))

    def _slope(self, theta: Array, second: Array, share: Array) -> tuple[Array, Array]:
        """Slope and information of `_value` by the matrix and the strengths, by the chain rule."""
        pairs = self.rows.size
        size = pairs + self.k - 1
        slope, information = np.zeros(size), 1e-10 * np.eye(size)
        strengths = self.strengths(theta)
        for j, corr in enumerate(self._matrices(theta)):
            own, inside = slope_and_information(corr, second[j], (self.rows, self.cols))
            turn = np.zeros((pairs, size))
            turn[:, :pairs] = strengths[j] * np.eye(pairs)
            if j < self.k - 1:
                turn[:, pairs + j] = theta[:pairs]
            slope += share[j] * (own @ turn)
            information += share[j] * (turn.T @ inside @ turn)
        return slope, information

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
