r"""Dynamic equicorrelation, DECO, and its blocks (Engle & Kelly 2012)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import SpecError, check_option
from ..estimation.optimize import Optimum
from ..estimation.params import Array, Block, Layout, subsimplex
from ..kernels.cdcc import cdcc_path
from ..kernels.deco import deco_adjoint, deco_filter, deco_path, deco_simulate
from ..volatility import Margins
from .cdcc import CDCCLikelihood
from .likelihood import CorrelationLikelihood, decaying, grid_starts
from .model import PathModel, TargetModel, matrix_of, nu_block
from .spec import CorrelationSpec

__all__ = ["DECO", "DECOLikelihood"]

Ints = npt.NDArray[np.int64]


class DECOLikelihood(TargetModel):
    r"""Gaussian or t log-likelihood of z (T, N) whose correlations are block means of those of DCC or cDCC.

    ``whole`` is the model that drives Q_t: it owns the target, and how the target depends on data and parameters.
    ``block`` (N,) numbers the block of each column from 0.
    """

    def __init__(
        self,
        z: Array,
        *,
        dist: str,
        correction: str,
        block: Ints | None = None,
        names: Sequence[str] | None = None,
        target: Array | None = None,
    ) -> None:
        super().__init__(z, dist=dist, names=names, target=target)
        self.correction = correction
        self.block: Ints = np.zeros(self.n, np.int64) if block is None else np.ascontiguousarray(block, np.int64)
        self.sizes: Array = np.bincount(self.block).astype(float)
        self.whole: CDCCLikelihood | CorrelationLikelihood
        if correction == "cdcc":
            self.whole = CDCCLikelihood(self.z, dist=dist, names=names, target=target)
        else:
            self.whole = CorrelationLikelihood(self.z, dynamic=True, dist=dist, names=names, target=target)
        blocks: list[Block] = [subsimplex("deco.a", "deco.b")]
        if self.student:
            blocks.append(nu_block("deco.nu"))
        self.layout = Layout(blocks)

    def _drive(self, theta: Array, want: int) -> tuple[Array, Array, int, Array, Array, Array]:
        """News (T, N), its half log-slopes, whether it is cDCC's, the target and its slopes by a and b."""
        if isinstance(self.whole, CDCCLikelihood):
            star, half, target, by_a, by_b = self.whole.at(theta, want)
            return star, half, 1, np.ascontiguousarray(target), by_a, by_b
        none = np.zeros((self.n, self.n))
        return self.z, np.zeros((2, 1, 1)), 0, self.target, none, none

    def settle(self, theta: Array) -> None:
        """Put the target of ``theta`` where the fit, its table and its errors read it."""
        self.whole.settle(theta)
        self.target, self.diagonal, self.nuisance = self.whole.target, self.whole.diagonal, self.whole.nuisance
        if isinstance(self.whole, CDCCLikelihood):
            self.sample = self.target

    def take(self, method: str, weight: float) -> None:
        """Accept a target that is shrunk or given; cDCC takes no shrunk one."""
        self.whole.take(method, weight)
        self.shrink = self.whole.shrink

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) of z and total scores (T, K)."""
        drive = self._drive(theta, want)
        a, b = float(theta[0]), float(theta[1])
        return deco_filter(  # type: ignore[no-any-return]
            a, b, *self.density(theta), self.z, *drive, self.block, self.sizes, want
        )

    def block_path(self, theta: Array) -> tuple[Array, Array]:
        """Correlations of the blocks, (T+1, K, K), the diagonal within blocks; and Q_{T+1}."""
        star, _, _, target, _, _ = self._drive(theta, 0)
        return deco_path(  # type: ignore[no-any-return]
            float(theta[0]), float(theta[1]), star, target, self.block, self.sizes
        )

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the pairs, (T, pairs)."""
        path = self.block_path(theta)[0][:-1]
        return self._spell(path, np.asarray(rows, np.int64), np.asarray(cols, np.int64))

    def _spell(self, path: Array, rows: Ints, cols: Ints) -> Array:
        """Correlations of pairs (T, pairs) from those of blocks (T, K, K)."""
        out: Array = path[:, self.block[rows], self.block[cols]]
        if (rows == cols).any():
            out[:, rows == cols] = 1.0
        return out

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, N), target held where it is, and by its pairs (P,)."""
        star, _, corrected, target, _, _ = self._drive(theta, 0)
        a, b = float(theta[0]), float(theta[1])
        dz, ds = deco_adjoint(a, b, *self.density(theta), self.z, star, corrected, target, self.block, self.sizes)
        return dz, 2.0 * ds[self.pairs]

    def memory(self, theta: Array) -> float:
        """Return (1 - b) / (1 - a - b)."""
        return float((1.0 - theta[1]) / (1.0 - theta[0] - theta[1]))

    # --- the target's noise

    def _pair_blocks(self) -> tuple[Ints, Array]:
        """Number of the block of pairs each pair is in (P,), and how many pairs each has."""
        rows, cols = self.pairs
        first, last = np.minimum(self.block[rows], self.block[cols]), np.maximum(self.block[rows], self.block[cols])
        code = first * self.sizes.size + last
        counts = np.bincount(code, minlength=self.sizes.size**2).astype(float)
        return code, np.maximum(counts, 1.0)

    def _roots(self, theta: Array) -> tuple[Array, Array]:
        """News over its scale (T, N), and the root of its variance given the past, (T, N) or (1, N) of ones."""
        star, _, corrected, _, _, _ = self._drive(theta, 0)
        scale = np.sqrt((star**2).mean(axis=0))
        if not corrected:
            return star / scale, np.ones((1, self.n))
        each = np.arange(self.n, dtype=np.int64)
        variances = cdcc_path(float(theta[0]), float(theta[1]), star, self.target, each, each)[2, :-1]
        return star / scale, np.sqrt(variances) / scale

    def nuisance_moments(self, theta: Array, noise: str) -> Array:
        r"""Influence on the target.

        Pairs of a block share their dynamics, so it is the block mean of the moments that has the memory
        :math:`(1-b)/(1-a-b)`; how a pair differs from the mean of its block does not move, and its noise counts as it
        is.
        """
        if noise != "exact":
            return self.whole.nuisance_moments(theta, noise)
        rows, cols = self.pairs
        code, counts = self._pair_blocks()
        group = np.zeros((code.size, counts.size))
        group[np.arange(code.size), code] = 1.0
        w, h = self._roots(theta)
        r, level = self.sample[rows, cols], self.target[rows, cols]
        moments = w[:, rows] * w[:, cols] - 0.5 * r * (w[:, rows] ** 2 + w[:, cols] ** 2)
        expected = self.path(theta, rows, cols) * h[:, rows] * h[:, cols]
        expected -= 0.5 * level * (h[:, rows] ** 2 + h[:, cols] ** 2)
        shared = self.memory(theta) * (moments - expected) - moments
        out: Array = moments + (shared @ group / counts)[:, code]
        return self.shrink * out

    def contracted_moments(self, theta: Array, noise: str, weights: Array) -> Array:
        """See `PathModel.contracted_moments`; the expectations of a block are summed from its one correlation."""
        if noise != "exact":
            return self.whole.contracted_moments(theta, noise, weights)
        code, counts = self._pair_blocks()
        w, h = self._roots(theta)
        path = self.block_path(theta)[0][:-1]
        kinds = self.sizes.size
        sums = np.stack([h[:, self.block == k].sum(axis=1) for k in range(kinds)], axis=1)
        squares = np.stack([(h[:, self.block == k] ** 2).sum(axis=1) for k in range(kinds)], axis=1)
        out = np.empty((self.nobs, len(weights)))
        for row, flat in enumerate(weights):
            means = np.bincount(code, flat, minlength=counts.size) / counts
            level = 0.5 * h**2 @ (matrix_of(means[code], self.n) * self.target - np.eye(self.n)).sum(axis=1)
            shared = self.memory(theta) * (self._products(w, means[code]) + level)
            for k in range(kinds):
                for m in range(k, kinds):
                    products = sums[:, k] * sums[:, m] if m > k else 0.5 * (sums[:, k] ** 2 - squares[:, k])
                    shared -= self.memory(theta) * means[k * kinds + m] * path[:, k, m] * products
            out[:, row] = shared + self._products(w, flat - means[code])
        return self.shrink * out

    def _products(self, w: Array, flat: Array) -> Array:
        r"""Weighted sums over pairs of :math:`w_iw_j-\tfrac12\bar R_{ij}(w_i^2+w_j^2)`, (T,)."""
        v = matrix_of(flat, self.n)
        np.fill_diagonal(v, 0.0)
        out: Array = 0.5 * (np.einsum("ti,ti->t", w @ v, w) - w**2 @ (v * self.sample).sum(axis=1))
        return out

    def nuisance_tangent(self, theta: Array, dzs: Sequence[Array]) -> list[Array]:
        """See `PathModel.nuisance_tangent`."""
        return self.whole.nuisance_tangent(theta, dzs)

    def contracted_tangent(self, theta: Array, dzs: Sequence[Array], weights: Array) -> list[Array]:
        """See `PathModel.contracted_tangent`."""
        return self.whole.contracted_tangent(theta, dzs, weights)

    def nuisance_slope(self, theta: Array) -> Array | None:
        """See `PathModel.nuisance_slope`."""
        return self.whole.nuisance_slope(theta)

    # --- estimation, simulation, forecasts

    def starts(self) -> Iterator[Array]:
        """The grid of DCC."""
        yield from grid_starts(self.student)

    def climb(
        self,
        starts: Sequence[Array],
        *,
        polish: int | None = None,
        tol: float = 1e-8,
        curvature: Array | None = None,
        strict: bool = False,
    ) -> Optimum:
        """Maximise; with many columns from the optimum of the composite likelihood of DCC, as DCC itself does."""
        given = self.target if isinstance(self.whole, CorrelationLikelihood) or self.whole.given else None
        dist = "t" if self.student else "normal"
        pairs = CorrelationLikelihood(self.z, dynamic=True, dist=dist, target=given)
        starts = pairs.searched(starts, tol)
        return super().climb(starts, polish=polish, tol=tol, curvature=curvature, strict=strict)

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
        corrected, target = self._drive(theta, 0)[2:4]
        first = self.block_path(theta)[1] if warm else target
        a, b = float(theta[0]), float(theta[1])
        z, path = deco_simulate(a, b, target, shocks, first, corrected, self.block, self.sizes)
        return z, self._spell(path, np.asarray(rows, np.int64), np.asarray(cols, np.int64))

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        """Block means of the forecasts of DCC, on R or on Q, (H, N, N)."""
        del driver
        target = self._drive(theta, 0)[3]
        decay = float(theta[0] + theta[1]) ** np.arange(horizon, dtype=float)
        whole = decaying(self.block_path(theta)[1], target, decay, method)
        rows, cols = self.pairs
        code, counts = self._pair_blocks()
        out = np.empty_like(whole)
        for step, matrix in enumerate(whole):
            means = np.bincount(code, matrix[rows, cols], minlength=counts.size) / counts
            out[step] = self.matrix(means[code])
        return out

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> PathModel:
        """Return the same model on other residuals, the target kept; `settle` must have run, as it has in a fit."""
        del driver
        return DECOLikelihood(
            z,
            dist="t" if self.student else "normal",
            correction=self.correction,
            block=self.block,
            names=self.names,
            target=self.target if nuisance is None else matrix_of(nuisance, z.shape[1]),
        )


@dataclass(frozen=True)
class DECO(CorrelationSpec):
    r"""Dynamic equicorrelation (Engle & Kelly 2012): at every date all pairs, or all pairs of a block, correlate alike.

    .. math::

        R_t=(1-\rho_t)I+\rho_t\iota\iota',\qquad
        \rho_t=\frac{\iota'R_t^{\mathrm{DCC}}\iota-N}{N(N-1)},\qquad -\tfrac1{N-1}<\rho_t<1 .

    A mean of the correlations of a positive definite matrix is itself in that range, blocks included, so R_t is
    positive definite without further constraints. The likelihood has no matrix to factor, so a hundred columns take
    a fraction of what DCC takes.

    Parameters
    ----------
    dist : "normal" or "t" errors of the standardized residuals.
    correction : "cdcc" (the recursion of Aielli 2013, as in the paper) or "dcc" for what drives Q_t.
    blocks : names of the columns in each block, every column in one; by default one block. Within and between blocks
        pairs share one correlation. Blocks of one column each are DCC.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.DECO().fit(returns[["COIN", "SMALL_TECH", "GOLD"]])
    >>> list(fit.params.index[-2:])
    ['deco.a', 'deco.b']
    """

    dist: str = "normal"
    correction: str = "cdcc"
    blocks: tuple[tuple[str, ...], ...] | None = None
    references: ClassVar[tuple[str, ...]] = ("englekelly2012",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("correction", self.correction, ("dcc", "cdcc"))
        cited = ["englekelly2012", "aielli2013"] if self.correction == "cdcc" else ["englekelly2012", "engle2002"]
        cited += ["archakovhansen2024"] if self.blocks is not None else []
        object.__setattr__(self, "references", tuple(cited))
        if self.blocks is None:
            return
        given: object = self.blocks
        if not isinstance(given, tuple | list) or not all(isinstance(names, tuple | list) for names in given):
            raise SpecError(
                f"blocks={self.blocks!r}: pass tuples of column names, as (('BTC', 'ETH'), ('SPY', 'QQQ'))."
            )
        # JSON brings lists
        object.__setattr__(self, "blocks", tuple(tuple(names) for names in self.blocks))
        flat = [name for names in self.blocks for name in names]
        twice = next((name for name in flat if flat.count(name) > 1), None)
        if twice is not None:
            raise SpecError(f"blocks: {twice!r} is in more than one place; every column has one block.")
        if not flat or not all(self.blocks):
            raise SpecError("blocks: a block without columns.")

    @property
    def name(self) -> str:
        """Name with the number of blocks."""
        blocks = "" if self.blocks is None else f"({len(self.blocks)} blocks)"
        return f"DECO{blocks}-{self.dist}"

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> DECOLikelihood:
        """Build the likelihood on ``z`` (T, N)."""
        del driver, margins
        block = None
        if self.blocks is not None:
            columns = tuple(str(i) for i in range(z.shape[1])) if names is None else tuple(names)
            block = _numbers(self.blocks, columns)
        return DECOLikelihood(z, dist=self.dist, correction=self.correction, block=block, names=names, target=target)


def _numbers(blocks: tuple[tuple[str, ...], ...], columns: tuple[str, ...]) -> Ints:
    """Block of each column, (N,)."""
    where = {name: k for k, names in enumerate(blocks) for name in names}
    missing = [name for name in columns if name not in where]
    unknown = [name for name in where if name not in columns]
    if missing or unknown:
        raise SpecError(
            f"blocks must hold every column once: missing {missing or 'none'}, unknown {unknown or 'none'}."
        )
    return np.array([where[name] for name in columns], np.int64)
