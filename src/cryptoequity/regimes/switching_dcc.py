r"""DCC recursions by regime as one likelihood with the chain, with its slopes by the margins before it.

.. math:: Q_{j,t}=(1-a_j-b_j)\bar R_j+a_jz_{t-1}z_{t-1}'+b_j\tilde Q_{j,t-1},\qquad
          z_t\mid S_t=j\sim\bigl(0,\operatorname{corr}(Q_{j,t})\bigr)

See `kernels.regime_dcc` for :math:`\tilde Q` under parallel recursions and under Kim's collapse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from ..estimation.params import Array, Block, Layout, correlation, interval, subsimplex
from ..kernels.regime_dcc import switching_dcc, switching_dcc_simulate
from ..volatility.density import t_constants
from .chain import Chain
from .emission import Integers, rolling_splits
from .gaussian import unit_correlation
from .likelihood import Inference
from .recursion_search import RecursiveLikelihood
from .rsdc import RSDCLikelihood
from .student import NU_RANGE

__all__ = ["METHODS", "DccRegimes", "SwitchingDCCLikelihood"]

METHODS = {"parallel": 0, "collapse": 1}
SWITCHING = ("all", "level")
FEWEST = 10.0  # expected observations of a regime beyond its columns
SMALLEST_ROOT = 1e-4  # smallest eigenvalue of a regime's level


class DccRegimes:
    """Parameters, labels and starts of k DCC recursions on residuals ``z`` (T, N).

    Not an `Emission`: the matrices may depend on the chain, so the densities are `SwitchingDCCLikelihood`'s.

    Parameters
    ----------
    switching : "all", levels and dynamics; "level", the levels alone. student : joint t errors.

    Attributes
    ----------
    dynamics : pairs of (a, b) that starts begin with.
    """

    dynamics = ((0.03, 0.90), (0.02, 0.60), (0.05, 0.80))

    def __init__(self, z: Array, names: tuple[str, ...], k: int, *, switching: str, student: bool) -> None:
        self.z, self.names, self.k = np.ascontiguousarray(z), names, k
        self.switching, self.student = switching, student
        self.n = z.shape[1]
        self.rows, self.cols = np.triu_indices(self.n, 1)
        self._blocks = self._make_blocks()
        self.layout = Layout(self._blocks)
        width = self.rows.size
        self.at_level = np.arange(k * width).reshape(k, width)
        first = k * width
        own = first + 2 * np.arange(k) if switching == "all" else np.full(k, first)
        self.at_ab = np.stack([own, own + 1], axis=1)

    @property
    def nobs(self) -> int:
        """Dates."""
        return len(self.z)

    def _make_blocks(self) -> tuple[Block, ...]:
        pairs = [f"{self.names[i]},{self.names[j]}" for i, j in zip(self.rows, self.cols, strict=True)]
        tags = [f"[{j + 1}]" for j in range(self.k)]
        out = [correlation(*(f"level{tag}.{pair}" for pair in pairs)) for tag in tags]
        out += [subsimplex(f"a{tag}", f"b{tag}") for tag in (tags if self.switching == "all" else [""])]
        if self.student:
            out.append(interval("nu", *NU_RANGE, log_from=2.0))
        return tuple(out)

    def blocks(self) -> tuple[Block, ...]:
        """Names and constraints."""
        return self._blocks

    def unpack(self, theta: Array) -> tuple[Array, Array, Array, float]:
        """Levels (k, N, N), a (k,), b (k,), degrees of freedom (0 for normal)."""
        level = np.repeat(np.eye(self.n)[None], self.k, axis=0)
        level[:, self.rows, self.cols] = level[:, self.cols, self.rows] = theta[self.at_level]
        ab = theta[self.at_ab]
        nu = float(theta[self.layout.size - 1]) if self.student else 0.0
        return level, np.ascontiguousarray(ab[:, 0]), np.ascontiguousarray(ab[:, 1]), nu

    def begin(self, weights: Array, a: float, b: float) -> Array:
        """Start with the correlations of ``weights`` (T, k) as levels."""
        theta = np.empty(self.layout.size)
        for j in range(self.k):
            moment = (self.z * weights[:, j, None]).T @ self.z / weights[:, j].sum()
            theta[self.at_level[j]] = unit_correlation(moment, None)[self.rows, self.cols]
        theta[self.at_ab] = a, b
        if self.student:
            theta[-1] = 8.0
        return theta

    def splits(self, count: int, rng: np.random.Generator) -> Iterator[Array]:
        """Bands of rolling products."""
        return rolling_splits([(self.z[:, self.rows] * self.z[:, self.cols]).sum(axis=1)], self.k, count, rng)

    def margins_cdf(self, theta: Array) -> Array:
        """Distribution functions of each column, the same in every regime, (T, k, N)."""
        nu = self.unpack(theta)[3]
        one = stats.t.cdf(self.z * np.sqrt(nu / (nu - 2.0)), nu) if nu else stats.norm.cdf(self.z)
        return np.repeat(np.asarray(one, np.float64)[:, None], self.k, axis=1)

    def shocks(self, theta: Array, nobs: int, rng: np.random.Generator) -> Array:
        """Uncorrelated errors of unit variance (T, N), jointly t where the model is."""
        out = np.asarray(rng.standard_normal((nobs, self.n)), np.float64)
        if self.student:
            nu = self.unpack(theta)[3]
            out *= np.sqrt((nu - 2.0) / rng.chisquare(nu, nobs))[:, None]
        return out

    def rank(self, theta: Array) -> Array:
        """Mean correlation of the levels."""
        out: Array = theta[self.at_level].mean(axis=1)
        return out

    def relabel(self, order: Integers) -> Integers:
        """Positions of the parameters under new numbers."""
        out = np.arange(self.layout.size)
        for new, old in enumerate(order):
            out[self.at_level[new]] = self.at_level[int(old)]
            if self.switching == "all":
                out[self.at_ab[new]] = self.at_ab[int(old)]
        return out


class SwitchingDCCLikelihood(RSDCLikelihood, RecursiveLikelihood):
    """Recursions and chain together; ``method`` is "parallel" or "collapse"."""

    emission: DccRegimes  # type: ignore[assignment]  # densities and matrices are this class's, not the emission's

    def __init__(self, emission: DccRegimes, chain: Chain, method: str) -> None:
        super().__init__(emission, chain)  # type: ignore[arg-type]
        self.method = method

    @property
    def n(self) -> int:
        """Columns."""
        return int(self.emission.n)

    def run(
        self,
        theta: Array,
        want: int,
        first: Array | None = None,
        dz: Array | None = None,
        column: Integers | None = None,
        *,
        paths: bool = False,
    ) -> tuple[Inference, Array, Array, Array] | None:
        """Filter with correlations (T, k, N, N) if ``paths``, the last Q (k, N, N) and scores.

        Scores (T, K + E) end with the derivatives along ``dz`` (T, E), each a direction of one ``column`` (E,) of z.
        None where a density is not finite.
        """
        own, chain = self.emission, self.chain
        nobs, k, n = own.nobs, own.k, own.n
        inner, outer = self.split(theta)
        level, a, b, nu = own.unpack(inner)
        const = np.array(t_constants(nu, n) if nu else (-0.5 * n * np.log(2.0 * np.pi), 0.0))
        dstart = np.zeros((k, self.layout.size))
        if first is None:
            first, dstart[:, self.inside :] = chain.start(outer, self.best_first)
        p = chain.matrices(outer)
        dz = np.zeros((nobs, 0)) if dz is None else dz
        column = np.zeros(0, np.int64) if column is None else column
        loglik, predicted, filtered = np.zeros(nobs), np.zeros((nobs, k)), np.zeros((nobs, k))
        density, corr = np.zeros((nobs, k)), np.zeros((nobs if paths else 0, k, n, n))
        last, score = np.zeros((k, n, n)), np.zeros((nobs if want else 0, self.layout.size + dz.shape[1]))
        at_nu = own.layout.size - 1 if own.student else -1
        sound = switching_dcc(
            own.z, level, a, b, nu, const, own.rows, own.cols, own.at_level, own.at_ab, at_nu, p, chain.z,
            chain.driven, self.inside, first, dstart, dz, column, METHODS[self.method], want,
            loglik, predicted, filtered, density, corr, last, score,
        )  # fmt: skip
        if not sound:
            return None
        return Inference(loglik, predicted, filtered, density, p, first), corr, last, score

    def by_margins(self, theta: Array, dzs: Sequence[Array]) -> tuple[list[Array], Array]:
        """Derivative of the total log-likelihood by the parameters of each margin, through residuals and recursions.

        Carried forward with the filter, so that it holds under the collapse too, where no smoothed mean would do.
        """
        sizes = [dz.shape[1] for dz in dzs]
        column = np.repeat(np.arange(len(dzs)), sizes)
        found = self.run(theta, 1, None, np.ascontiguousarray(np.column_stack(dzs)), column)
        assert found is not None
        total = found[3][:, self.layout.size :].sum(axis=0)
        return np.split(total, np.cumsum(sizes)[:-1]), np.empty(0)

    def weakness(self, theta: Array) -> str:
        """Why an optimum is degenerate, or ""."""
        found = self.run(theta, 0)
        if found is None:
            return "the likelihood is not finite"
        count = found[0].smooth()[0].sum(axis=0)
        if count.min() < FEWEST + self.n:
            return f"a regime is left with {count.min():.1f} observations"
        level = self.emission.unpack(self.split(theta)[0])[0]
        if float(np.linalg.eigvalsh(level).min()) < SMALLEST_ROOT:
            return f"an eigenvalue of a regime's correlations falls below {SMALLEST_ROOT:g}"
        return ""

    def draw(
        self,
        theta: Array,
        states: Integers,
        rng: np.random.Generator,
        onward: tuple[Array, Array, int] | None = None,
    ) -> tuple[Array, Array]:
        """Residuals (T, N) and correlations (T, N, N) of a path of regimes.

        ``onward`` goes on from (Q (k, N, N), the residuals before, the regime before); otherwise Q begins at the level.
        Under the collapse the path-dependent model is drawn from, which the collapse approximates.
        """
        inner, _ = self.split(theta)
        level, a, b, _ = self.emission.unpack(inner)
        q, before, yesterday = (level, np.zeros(self.n), 0) if onward is None else onward
        z, corr = np.empty((states.size, self.n)), np.empty((states.size, self.n, self.n))
        shocks = self.emission.shocks(inner, states.size, rng)
        begun = int(onward is not None)
        switching_dcc_simulate(level, a, b, states, shocks, q, before, METHODS[self.method], begun, yesterday, z, corr)
        return z, corr
