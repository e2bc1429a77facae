r"""Parameters with their names and constraints in one object.

Every constraint set becomes a *box*: a smooth map :math:`\theta(u)` from :math:`l\le u\le h` onto the feasible
set that reaches its boundary exactly. An optimiser that respects the box can therefore stop *on* the
boundary and say so, where an unbounded transform would only creep towards it.

A capped sum :math:`v_i\ge0,\ \sum v_i\le c` is broken like a stick: :math:`u_1=\sum v_i`, and :math:`u_{i+1}` is the
share of what is left that :math:`v_i` takes. A correlation matrix is :math:`R=U'U` with the columns of :math:`U` built
from partial correlations in :math:`(-1,1)`, whatever they are (Lewandowski, Kurowicka & Joe 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..kernels.box import box_to_natural

Array = npt.NDArray[np.float64]

__all__ = ["Array", "Block", "Layout", "correlation", "interval", "positive", "real", "subsimplex"]

# how close to one a persistence may come: beyond it the recursion has no finite moments to speak of
PERSISTENCE_CAP = 1.0 - 1e-6
_IDENTITY, _LOG, _STICK, _SHARE, _PAIR, _MORE_PAIRS = range(6)


@dataclass(frozen=True, eq=False)
class Block:
    """One group of parameters that share a constraint; build it with the functions below.

    ``kind`` codes each coordinate as in `cryptoequity.kernels.box`; ``lower`` and ``upper`` bound the box.
    """

    names: tuple[str, ...]
    kind: tuple[int, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    shift: float = 0.0
    mix: Array | None = None

    def box(self, theta: Array) -> Array:
        """Box coordinates of ``theta``."""
        if self.kind[0] == _LOG:
            tiny = np.finfo(float).tiny  # a value at or below the shift: the clip to the box takes it from here
            return np.log(np.maximum(theta - self.shift, tiny))
        if self.kind[0] == _IDENTITY:
            return theta.copy()
        if self.kind[0] == _PAIR:
            return _partial_correlations(theta)
        v = theta if self.mix is None else np.linalg.solve(self.mix, theta)
        u = np.empty(v.size)
        left = u[0] = v.sum()
        for i in range(1, v.size):
            u[i] = v[i - 1] / left if left > 0 else 0.5
            left -= v[i - 1]
        return u


def real(*names: str) -> Block:
    """Unrestricted parameters."""
    n = len(names)
    return Block(names, (_IDENTITY,) * n, (-np.inf,) * n, (np.inf,) * n)


def positive(*names: str, lower: float = 1e-10, upper: float = 1e10) -> Block:
    """Positive parameters on a log scale."""
    n = len(names)
    return Block(names, (_LOG,) * n, (float(np.log(lower)),) * n, (float(np.log(upper)),) * n)


def interval(name: str, lower: float, upper: float, *, log_from: float | None = None) -> Block:
    """Return one parameter in [lower, upper]; ``log_from`` makes the scale ``log(theta - log_from)``."""
    if log_from is None:
        return Block((name,), (_IDENTITY,), (lower,), (upper,))
    ends = tuple(float(np.log(end - log_from)) for end in (lower, upper))
    return Block((name,), (_LOG,), ends[:1], ends[1:], shift=log_from)


def subsimplex(*names: str, cap: float = PERSISTENCE_CAP, mix: Array | None = None) -> Block:
    """Coordinates that are non-negative and sum to at most ``cap``; theta = ``mix`` @ coordinates."""
    n = len(names)
    return Block(names, (_STICK, *(_SHARE,) * (n - 1)), (0.0,) * n, (cap, *(1.0,) * (n - 1)), mix=mix)


def correlation(*names: str, bound: float = 0.9999) -> Block:
    """Elements of one correlation matrix, pairs (0, 1), (0, 2), ..., (1, 2), ...; positive definite in all of its box.

    The box holds partial correlations within ``bound`` of zero: a matrix on that bound is close to singular.
    """
    n = len(names)
    if n < 1 or _size_of(n) * (_size_of(n) - 1) // 2 != n:
        raise ValueError(f"{n} names: a correlation matrix of N variables has N(N-1)/2 elements")
    return Block(names, (_PAIR, *(_MORE_PAIRS,) * (n - 1)), (-bound,) * n, (bound,) * n)


def _size_of(pairs: int) -> int:
    """Number of variables with this many pairs."""
    return int(0.5 + np.sqrt(0.25 + 2.0 * pairs))


def _partial_correlations(theta: Array) -> Array:
    """Inverse of the map of `correlation`; a matrix that is not positive definite is first drawn to the identity."""
    n = _size_of(theta.size)
    rows, cols = np.triu_indices(n, 1)
    matrix = np.eye(n)
    matrix[rows, cols] = matrix[cols, rows] = theta
    lowest = float(np.linalg.eigvalsh(matrix)[0])
    if lowest < 1e-8:
        weight = (1e-6 - lowest) / (1.0 - lowest)
        matrix[rows, cols] = matrix[cols, rows] = (1.0 - weight) * theta
    up = np.linalg.cholesky(matrix).T
    left = 1.0 - np.cumsum(np.vstack([np.zeros(n), up[:-1] ** 2]), axis=0)
    out: Array = up[rows, cols] / np.sqrt(np.maximum(left[rows, cols], 1e-300))
    return out


class Layout:
    """A tuple of blocks: names, box, transforms and Jacobian of the whole parameter vector."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = tuple(blocks)
        self.names: tuple[str, ...] = tuple(name for block in self.blocks for name in block.names)
        self.size = len(self.names)
        self.lower: Array = np.array([bound for block in self.blocks for bound in block.lower])
        self.upper: Array = np.array([bound for block in self.blocks for bound in block.upper])
        ends = np.cumsum([0, *(len(block.names) for block in self.blocks)])
        self._slices = tuple(slice(int(a), int(b)) for a, b in pairwise(ends))
        self._kind = np.array([code for block in self.blocks for code in block.kind], dtype=np.int64)
        self._shift: Array = np.array([block.shift for block in self.blocks for _ in block.names])
        self._mix: Array = np.eye(self.size)
        for block, part in zip(self.blocks, self._slices, strict=True):
            if block.mix is not None:
                self._mix[part, part] = block.mix

    def map(self, u: Array) -> tuple[Array, Array]:
        """Theta (K,) and its Jacobian (K, K) at box coordinates ``u``."""
        return box_to_natural(u, self._kind, self._shift, self._mix)  # type: ignore[no-any-return]

    def natural(self, u: Array) -> Array:
        """Theta (K,) from box coordinates (K,)."""
        return self.map(u)[0]

    def jacobian(self, u: Array) -> Array:
        """Derivative of theta by u, (K, K), block diagonal."""
        return self.map(u)[1]

    def box(self, theta: Array) -> Array:
        """Box coordinates of ``theta``; values outside the feasible set go to its boundary."""
        theta = np.asarray(theta, float)
        parts = [block.box(theta[part]) for block, part in zip(self.blocks, self._slices, strict=True)]
        return np.clip(np.concatenate(parts), self.lower, self.upper)
