r"""Where to begin the climb of a smooth-transition model: regimes concentrated out on a grid of transitions.

The likelihood has several peaks in :math:`(\gamma,c)`, more of them the faster the transition: at large
:math:`\gamma` every observed value of the driver is a possible switch. So (i) a grid over both is searched for its
local maxima, the regimes at each point fitted by regressing the products :math:`z_iz_j` on the weights of the regimes,
and (ii) abrupt switches are compared at *every* observed value, by cumulative sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..estimation.params import Array
from ..kernels.stcc import transition_moments, transition_weights
from .model import second_moment_target

if TYPE_CHECKING:
    from .transition import TransitionLikelihood

__all__ = ["transition_starts"]

_SPEEDS = (0.7, 2.0, 5.0, 15.0)
_PLACES = tuple(np.linspace(0.1, 0.9, 11).tolist())
_ABRUPT = (50.0, 400.0)
_SHORTLIST, _APART = 60, 5
_NU = (3.0, 4.0, 6.0, 8.0, 12.0, 25.0, 100.0)


def transition_starts(lik: TransitionLikelihood) -> Iterator[Array]:
    """Starting values of ``lik``, at most `TransitionLikelihood.polish` of them climbed from."""
    search = _Search(lik)
    if lik.count == 0:
        yield search.theta(np.empty(0), np.empty(0))
    elif lik.count == 1:
        for gamma, c in search.single(0):
            yield search.theta(np.array([gamma]), np.array([c]))
    else:
        yield from search.double()


class _Search:
    """The residuals' products, tempered for t errors, and the grid over them."""

    def __init__(self, lik: TransitionLikelihood) -> None:
        self.lik = lik
        rows, cols = np.triu_indices(lik.n)
        self.rows, self.cols = rows, cols
        self.diagonal, self.off, self.pairs = np.flatnonzero(rows == cols), np.flatnonzero(rows < cols), lik.pairs
        self.products: Array = np.ascontiguousarray(lik.z[:, rows] * lik.z[:, cols])
        self.nu = np.empty(0)
        if lik.student:
            # degrees of freedom, and the weight a t likelihood gives each date, under a constant correlation
            flat = second_moment_target(lik.z)[0][lik.pairs]
            flat *= 0.999  # inside the bounds of the partial correlations
            constant = lik.constant()
            values = [float(constant.evaluate(np.append(flat, nu), 0)[0].sum()) for nu in _NU]
            nu = _NU[int(np.argmax(values))]
            self.nu = np.array([nu])
            quad = np.einsum("ti,ti->t", lik.z, np.linalg.solve(lik.matrix(flat), lik.z.T).T)
            self.products *= ((nu + lik.n) / (nu - 2.0 + quad))[:, None]

    def theta(self, gamma: Array, c: Array) -> Array:
        """Parameters with the regimes that fit these transitions (M,)."""
        lik = self.lik
        weights = transition_weights(gamma, c / lik.frame.scale, lik.x)[1]
        square, cross = transition_moments(weights, self.products)
        ridge = 1e-6 * np.trace(square) / len(square)
        flat = self._correlations(np.linalg.solve(square + ridge * np.eye(len(square)), cross))
        return self._stack(flat, gamma, c)

    def _stack(self, flat: Array, gamma: Array, c: Array) -> Array:
        return np.concatenate([flat.ravel(), np.column_stack([gamma, c]).ravel(), self.nu])

    def _correlations(self, moments: Array) -> Array:
        """Correlations (K, P) of second moments (K, N(N+1)/2), drawn to the identity where they are none."""
        size = moments[:, self.diagonal]  # (K, N)
        root = np.sqrt(np.maximum(size, 0.2 * np.abs(size).mean()))
        i, j = self.pairs
        flat: Array = moments[:, self.off] / (root[:, i] * root[:, j])
        lowest = 1.0 - np.abs(flat[:, 0]) if self.lik.n == 2 else np.linalg.eigvalsh(self._matrices(flat))[:, 0]
        flat *= np.where(lowest < 0.05, 0.95 / (1.0 - np.minimum(lowest, 0.05)), 1.0)[:, None]
        return flat

    def _matrices(self, flat: Array) -> Array:
        """Matrices (K, N, N) of correlations (K, P)."""
        i, j = self.pairs
        out: Array = np.tile(np.eye(self.lik.n), (len(flat), 1, 1))
        out[:, i, j] = out[:, j, i] = flat
        return out

    def value(self, theta: Array) -> float:
        """Log-likelihood, minus infinity where it has none."""
        total = float(self.lik.evaluate(theta, 0)[0].sum())
        return total if np.isfinite(total) else -np.inf

    def single(self, m: int) -> list[tuple[float, float]]:
        """Local maxima (gamma, c) of the grid over transition ``m`` alone, best first, then the abrupt switches."""
        lik = self.lik.alone(m)
        own = self if lik is self.lik else _Search(lik)
        places = np.quantile(lik.states[:, 0], _PLACES)
        grid = np.array([[own.value(own.theta(np.array([g]), np.array([c]))) for c in places] for g in _SPEEDS])
        padded = np.pad(grid, 1, constant_values=-np.inf)
        neighbors = np.stack(
            [
                padded[1 + a : 1 + a + grid.shape[0], 1 + b : 1 + b + grid.shape[1]]
                for a in (-1, 0, 1)
                for b in (-1, 0, 1)
            ]
        )
        peaks = np.argwhere(grid >= neighbors.max(axis=0))
        ranked = sorted(peaks.tolist(), key=lambda at: -grid[at[0], at[1]])
        found = [(_SPEEDS[a], float(places[b])) for a, b in ranked[:3]]
        return found + [(speed, c) for c in own.switches(4) for speed in _ABRUPT]

    def switches(self, count: int) -> list[float]:
        """Places (midway between observed values) of the ``count`` best abrupt switches, not next to each other."""
        lik = self.lik
        s = lik.states[:, 0]
        order = np.argsort(s, kind="stable")
        known = s[order]
        sums = np.cumsum(self.products[order], axis=0)
        low, high = float(lik.frame.lower[0]), float(lik.frame.upper[0])
        cut = np.flatnonzero((known[:-1] < known[1:]) & (known[:-1] >= low) & (known[1:] <= high))
        if not cut.size:
            return []
        total = np.zeros(cut.size)
        for count_k, sum_k in ((cut + 1.0, sums[cut]), (known.size - cut - 1.0, sums[-1] - sums[cut])):
            moment = sum_k / count_k[:, None]
            flat = self._correlations(moment)
            r = self._matrices(flat)
            full = np.empty_like(r)
            full[:, self.rows, self.cols] = full[:, self.cols, self.rows] = moment
            fit = np.einsum("kii->k", np.linalg.solve(r, full))
            total -= 0.5 * count_k * (np.linalg.slogdet(r)[1] + fit)
        # the best by these sums, then by the likelihood itself
        best = np.argsort(total)[::-1][:_SHORTLIST]
        places = 0.5 * (known[cut[best]] + known[cut[best] + 1])
        exact = [self.value(self.theta(np.array([_ABRUPT[-1]]), np.array([c]))) for c in places]
        found: list[int] = []
        for k in np.argsort(exact)[::-1].tolist():
            if all(abs(int(cut[best[k]] - cut[best[other]])) >= _APART for other in found):
                found.append(k)
        return places[found[:count]].tolist()  # type: ignore[no-any-return]

    def double(self) -> Iterator[Array]:
        """Pairs of the single transitions' maxima, and each one's best with a coarse grid over the other."""
        singles = [self.single(m) for m in (0, 1)]
        pairs = [(one, two) for one in singles[0] for two in singles[1]]
        for m in (0, 1):
            for speed in (2.0, 10.0):
                for place in np.quantile(self.lik.states[:, 1 - m], (0.15, 0.3, 0.5, 0.7, 0.85)).tolist():
                    for mine in singles[m][:2]:
                        pairs.append((mine, (speed, place)) if m == 0 else ((speed, place), mine))
        for one, two in pairs:
            yield self.theta(np.array([one[0], two[0]]), np.array([one[1], two[1]]))
