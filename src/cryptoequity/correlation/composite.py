r"""Composite likelihood: a model of many assets estimated from its pairs.

.. math:: \ell^C_t(\theta)=\frac1P\sum_{(i,j)\in\mathcal P}\ell(z_{it},z_{jt};\theta,\bar R_{ij})

The pairs are all of them, or the N - 1 neighbours of one order of the assets. Nothing of size N×N is
inverted, and the bias that the full likelihood has when N is not small against T is absent
(Pakel, Shephard, Sheppard & Engle 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import SpecError, check_option
from ..estimation.params import Array
from ..kernels.composite import composite_adjoint, composite_filter
from ..volatility.density import t_constants
from .likelihood import CorrelationLikelihood
from .model import PathModel

__all__ = ["JOINT_MOST", "CompositeLikelihood", "Pairs", "composite_pairs", "joint_loglik"]

PAIRS = ("contiguous", "all")
# columns up to which a composite fit also reports the joint log-likelihood
JOINT_MOST = 100


@dataclass(frozen=True)
class Pairs:
    """Which pairs a composite likelihood averages over, and what it reached.

    Attributes
    ----------
    kind : "contiguous" or "all". seed : order of the assets, None as they come. count : number of pairs.
    loglik : composite log-likelihood of the residuals, the mean over pairs summed over dates.
    """

    kind: str
    seed: int | None
    count: int = 0
    loglik: float = float("nan")

    @property
    def text(self) -> str:
        """The choice in words."""
        if self.kind == "all":
            return f"all {self.count:,} pairs"
        order = "in the order of the columns" if self.seed is None else f"in the order drawn by seed {self.seed}"
        return f"{self.count:,} contiguous pairs {order}"


def composite_pairs(
    n: int, kind: str = "contiguous", seed: int | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions (rows, cols) of the pairs of ``n`` assets.

    Parameters
    ----------
    kind : "contiguous" for the n - 1 neighbours, "all" for the n (n - 1) / 2 pairs.
    seed : "contiguous" only: draw the order of the assets, for the estimate depends on who is whose neighbour.

    Raises
    ------
    SpecError : an unknown kind, or a seed where the order does not matter.
    """
    check_option("pairs", kind, PAIRS)
    if kind == "all":
        if seed is not None:
            raise SpecError("pair_seed= orders contiguous pairs; with pairs='all' the order does not matter.")
        rows, cols = np.triu_indices(n, 1)
        return rows.astype(np.int64), cols.astype(np.int64)
    order = np.arange(n) if seed is None else np.random.default_rng(seed).permutation(n)
    ends = np.sort(np.stack([order[:-1], order[1:]]), axis=0)
    return np.ascontiguousarray(ends[0], np.int64), np.ascontiguousarray(ends[1], np.int64)


def joint_loglik(lik: PathModel, theta: Array, pairs: Pairs | None) -> Array:
    """Log-likelihood of each z_t (T,), all columns together.

    After a composite fit of more than `JOINT_MOST` columns it is NaN: one evaluation would cost more than the whole
    estimation did.
    """
    if pairs is not None and lik.n > JOINT_MOST:
        return np.full(lik.nobs, np.nan)
    return lik.evaluate(theta, 0)[0]


class CompositeLikelihood(CorrelationLikelihood):
    """DCC(1,1) on z (T, N) whose likelihood is the mean over the pairs (rows[k], cols[k]).

    Paths, target and its influence are those of the whole model; `evaluate` and `adjoint` are the composite's.
    """

    def __init__(
        self,
        z: Array,
        rows: npt.NDArray[np.int64],
        cols: npt.NDArray[np.int64],
        *,
        dist: str,
        names: Sequence[str] | None = None,
        target: Array | None = None,
        shrink: float = 1.0,
        presample: str = "target",
    ) -> None:
        super().__init__(z, dynamic=True, dist=dist, names=names, target=target, shrink=shrink, presample=presample)
        self.rows, self.cols = rows, cols
        self._normal = np.array([-np.log(2.0 * np.pi), 0.0])

    climb = PathModel.climb

    def density(self, theta: Array) -> tuple[float, Array]:
        """Degrees of freedom (0 for the normal) and the constants of a pair."""
        if not self.student:
            return 0.0, self._normal
        nu = float(theta[-1])
        return nu, np.array(t_constants(nu, 2))

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Mean over pairs of the log-likelihood (T,) and its scores (T, K)."""
        a, b, nu, const = self.split(theta)
        return composite_filter(  # type: ignore[no-any-return]
            a, b, nu, const, self.z, self.target, self.start, self.start, self.rows, self.cols, want
        )

    def _adjoint(self, theta: Array) -> tuple[Array, Array, Array, Array]:
        a, b, nu, const = self.split(theta)
        return composite_adjoint(  # type: ignore[no-any-return]
            a, b, nu, const, self.z, self.target, self.start, self.start, self.rows, self.cols
        )
