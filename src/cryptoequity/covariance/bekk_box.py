r"""The feasible set of a targeted BEKK as a box.

The intercept :math:`C=\bar S-A'\bar SA-G'\bar NG-B'\bar SB` must be positive semi-definite. What is taken from
:math:`\bar S` grows with the square of all weights together, so the set is star-shaped about zero: in the direction of
weights :math:`w` it ends where the *load*

.. math:: \lambda(w)=\lambda_{\max}\{\bar S^{-1/2}(A'\bar SA+G'\bar NG+B'\bar SB)\bar S^{-1/2}\}

is one. Hence :math:`\theta=r\,w/\sqrt{\lambda(w)}` with :math:`0\le r<1` and a free direction :math:`w`, normalized to
:math:`\operatorname{tr}B=N`, reaches every feasible point with :math:`\operatorname{tr}B>0`, and the edge at the bound
of r.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import eigh

from ..estimation.params import PERSISTENCE_CAP, Array, Block, Layout, interval, real

_FARTHEST = 1e100  # largest weight relative to the mean of B's diagonal whose square is still a number to compute with

__all__ = ["TargetedLayout", "relative_eigen"]


def relative_eigen(x: Array, target: Array) -> tuple[Array, Array]:
    r"""Eigenvalues of :math:`\bar S^{-1/2}X\bar S^{-1/2}`, ascending, and vectors v with Xv = value times Sv, v'Sv = 1.

    Columns are brought to one scale first, so that units do not matter.
    """
    root = np.sqrt(np.diag(target))
    size = np.outer(root, root)
    values, vectors = eigh(x / size, target / size)
    return values, vectors / root[:, None]


class TargetedLayout(Layout):
    """Weights of a diagonal or full BEKK inside the set where its targeted intercept is positive semi-definite.

    Parameters
    ----------
    names : names of the weights, families one after the other, B last; matrices by columns.
    bases : the target that each family multiplies, (N, N).
    full : whether the weights are matrices rather than their diagonals.
    tail : blocks of parameters that follow the weights.
    """

    def __init__(self, names: Sequence[str], bases: Sequence[Array], target: Array, full: bool, tail: Sequence[Block]):
        self._count = len(names)
        self._width = self._count // len(bases)
        self._bases, self._target, self._full = tuple(bases), target, full
        n = target.shape[0]
        self._diagonal = self._count - self._width + np.arange(n) * (n + 1 if full else 1)  # of B
        first = int(self._diagonal[0])
        # w = base + turn v, where v leaves out the first element of B: it is what the others leave of the trace
        self._base = np.zeros(self._count)
        self._base[first] = n
        self._keep = np.delete(np.arange(self._count), first)
        self._turn = np.zeros((self._count, self._count - 1))
        self._turn[self._keep, np.arange(self._count - 1)] = 1.0
        self._turn[first, np.isin(self._keep, self._diagonal)] = -1.0
        cap = float(np.sqrt(PERSISTENCE_CAP))
        super().__init__([interval("load", 0.0, cap), real(*(names[int(i)] for i in self._keep)), *tail])
        self.names = (*names, *self.names[self._count :])

    def load(self, w: Array) -> tuple[float, Array]:
        """Return lambda(w) and its gradient, 2 (base M v) v' for the matrix M of a family, v the eigenvector."""
        n = self._target.shape[0]
        taken = np.zeros((n, n))
        parts = [w[k * self._width : (k + 1) * self._width] for k in range(len(self._bases))]
        shaped = [part.reshape(n, n).T if self._full else np.diag(part) for part in parts]
        for m, base in zip(shaped, self._bases, strict=True):
            taken += m.T @ base @ m
        values, vectors = relative_eigen(0.5 * (taken + taken.T), self._target)
        v = vectors[:, -1]
        slopes = [2.0 * (base @ (m @ v)) for m, base in zip(shaped, self._bases, strict=True)]
        by_part = [np.outer(v, slope).ravel() if self._full else slope * v for slope in slopes]
        return float(values[-1]), np.concatenate(by_part)

    def map(self, u: Array) -> tuple[Array, Array]:
        """Theta (K,) and its Jacobian (K, K) at box coordinates ``u``: the load's root, the direction, and the rest."""
        raw, raw_jac = super().map(u)
        count = self._count
        w = self._base + self._turn @ raw[1:count]
        if not np.abs(w).max() < _FARTHEST:
            # a step of the optimiser that no arithmetic follows; the likelihood calls it infeasible
            return np.full(self.size, np.nan), np.zeros((self.size, self.size))
        value, gradient = self.load(w)
        scale = 1.0 / np.sqrt(value)
        theta = np.concatenate([raw[0] * scale * w, raw[count:]])
        jac = np.zeros((self.size, self.size))
        jac[:count, 0] = scale * w
        jac[:count, 1:count] = raw[0] * scale * (self._turn - np.outer(w, gradient @ self._turn) / (2.0 * value))
        jac[count:, count:] = raw_jac[count:, count:]
        return theta, jac

    def box(self, theta: Array) -> Array:
        """Box coordinates of ``theta``; weights beyond the edge shrink to it along their direction."""
        theta = np.asarray(theta, float)
        weights = theta[: self._count].copy()
        lacking = 1e-4 * float(np.abs(weights).max()) - float(weights[self._diagonal].mean())
        if lacking > 0:  # a B without a positive trace is the far end of every direction: stay short of it
            weights[self._diagonal] += lacking
        value = self.load(weights)[0]
        w = weights * (self._diagonal.size / weights[self._diagonal].sum())
        return super().box(np.concatenate([[np.sqrt(value)], w[self._keep], theta[self._count :]]))

    def mirrored(self, flip: Array) -> Array:
        """Signs of the box coordinates when those of theta are ``flip``; B keeps its own."""
        return np.concatenate([[1.0], flip[: self._count][self._keep], flip[self._count :]])
