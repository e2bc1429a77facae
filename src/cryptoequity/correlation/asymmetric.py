r"""ADCC and the diagonal AG-DCC (Cappiello, Engle & Sheppard 2006): correlations that rise more when both fall."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import SpecError, check_option
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array, Block, Layout, interval
from ..kernels.agdcc import agdcc_adjoint, agdcc_filter, agdcc_path, agdcc_simulate
from ..volatility import Margins
from .model import PathModel, nu_block
from .orders import AsymmetricTarget, OrdersLikelihood
from .spec import CorrelationSpec

__all__ = ["ADCC", "AGDCC", "AGDCCLikelihood"]

# the root of the persistence cap of a single pair
_LARGEST = 0.999999


@dataclass(frozen=True)
class ADCC(CorrelationSpec):
    r"""Asymmetric DCC (Cappiello, Engle & Sheppard 2006): joint falls move the correlation more.

    .. math::

        Q_t=(1-a-b)\bar Q-g\bar N+a z_{t-1}z_{t-1}'+g n_{t-1}n_{t-1}'+bQ_{t-1},\qquad n_t=\min(z_t,0),

    with :math:`\bar N` the uncentred second moment of n, and :math:`a+b+\delta g<1`, :math:`\delta` the largest
    eigenvalue of :math:`\bar Q^{-1/2}\bar N\bar Q^{-1/2}`. Both targets count in the standard errors.

    Parameters
    ----------
    dist : "normal" or "t" errors. p, o, q : lags of news, falls and Q.
    presample : "target" or "ewma" (the MFE toolbox's back-cast).

    Examples
    --------
    >>> import warnings, cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> with warnings.catch_warnings():  # the sample has no asymmetry: g may end on its bound
    ...     warnings.simplefilter("ignore")
    ...     fit = ce.ADCC().fit(returns[["COIN", "SMALL_TECH"]])
    >>> list(fit.params.index[-3:])
    ['adcc.a', 'adcc.g', 'adcc.b']
    """

    dist: str = "normal"
    p: int = 1
    o: int = 1
    q: int = 1
    presample: str = "target"
    references: ClassVar[tuple[str, ...]] = ("cappiello2006",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("presample", self.presample, ("target", "ewma"))
        for name, least in (("p", 1), ("o", 1), ("q", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise SpecError(f"{name}={value!r}: a whole number, at least {least}.")

    @property
    def name(self) -> str:
        """Name with its orders."""
        return f"ADCC({self.p},{self.o},{self.q})-{self.dist}"

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> OrdersLikelihood:
        """Build the likelihood on ``z`` (T, N)."""
        del driver, margins
        return OrdersLikelihood(
            z,
            orders=(self.p, self.o, self.q),
            dist=self.dist,
            names=names,
            target=target,
            presample=self.presample,
        )


class AGDCCLikelihood(AsymmetricTarget):
    """Gaussian or t log-likelihood of z (T, N) under the diagonal AG-DCC(1,1,1), or without falls."""

    polish = 3

    def __init__(
        self,
        z: Array,
        *,
        dist: str,
        asymmetric: bool,
        names: Sequence[str] | None = None,
        target: Array | None = None,
        falls: Array | None = None,
    ) -> None:
        super().__init__(z, dist=dist, names=names, target=target, falls=falls)
        self.asymmetric = asymmetric
        self.barrier = 0.0
        letters = ("a", "g", "b") if asymmetric else ("a", "b")
        blocks: list[Block] = [
            interval(f"agdcc.{letter}.{name}", 0.0, _LARGEST) for letter in letters for name in self.names
        ]
        if self.student:
            blocks.append(nu_block("agdcc.nu"))
        self.layout = Layout(blocks)

    def split(self, theta: Array) -> tuple[Array, Array, Array]:
        """Roots of news, falls and persistence, (N,) each."""
        n = self.n
        if self.asymmetric:
            return theta[:n], theta[n : 2 * n], theta[2 * n : 3 * n]
        return theta[:n], np.zeros(n), theta[n : 2 * n]

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) of z and scores (T, K); -inf where the intercept is not positive definite."""
        loglik, score, _ = agdcc_filter(*self.split(theta), *self.density(theta), self.z, self.target, self.falls, want)
        if not self.asymmetric:
            score = np.delete(score, np.s_[self.n : 2 * self.n], axis=1)
        if self.barrier and np.isfinite(loglik[0]):
            value, slope = self._log_det(theta)
            loglik = loglik + self.barrier * value / self.nobs
            if want:
                score[:, : slope.size] += self.barrier * slope / self.nobs
        return loglik, score

    def intercept(self, theta: Array) -> Array:
        """The matrix C, (N, N)."""
        a, g, b = self.split(theta)
        out: Array = (1.0 - np.outer(a, a) - np.outer(b, b)) * self.target - np.outer(g, g) * self.falls
        return out

    def _log_det(self, theta: Array) -> tuple[float, Array]:
        """ln|C| and its slope by the roots."""
        c = self.intercept(theta)
        inverse = np.linalg.inv(c)
        a, g, b = self.split(theta)
        parts = [(a, self.target), (g, self.falls), (b, self.target)]
        slopes = [-2.0 * (inverse * moment) @ root for root, moment in parts]
        if not self.asymmetric:
            del slopes[1]
        return float(np.linalg.slogdet(c)[1]), np.concatenate(slopes)

    def climb(
        self,
        starts: Sequence[Array],
        *,
        polish: int | None = None,
        tol: float = 1e-8,
        curvature: Array | None = None,
        strict: bool = False,
    ) -> Optimum:
        """Climb behind a fading barrier ln|C|: the feasible set is curved, and many optima lie on its edge.

        One start is the scalar model, whose likelihood the general one must at least reach.
        """
        points = list(starts)
        if curvature is None:
            scalar = OrdersLikelihood(
                self.z,
                orders=(1, int(self.asymmetric), 1),
                dist="t" if self.student else "normal",
                target=self.target,
                falls=self.falls,
            )
            best = scalar.climb(list(scalar.starts()))
            kinds = 3 if self.asymmetric else 2
            # a little inside: a root of zero has no slope
            roots = np.sqrt(np.maximum(best.theta[:kinds], 1e-5))
            points.append(np.array([*np.repeat(roots, self.n), *best.theta[kinds:]]))
        try:
            for self.barrier in (1.0, 0.1, 0.01, 1e-3):
                optimum = maximize(self, points, polish=polish or self.polish, tol=max(tol, 1e-6))
                points = [optimum.theta]
        finally:
            self.barrier = 0.0
        last = maximize(self, points, polish=1, tol=tol, strict=strict and not self.on_edge(points[0]))
        if not last.converged and self.on_edge(last.theta):
            return replace(last, converged=True, reason="")
        return last

    def on_edge(self, theta: Array) -> bool:
        """Whether the intercept is about to lose definiteness."""
        values = np.linalg.eigvalsh(self.intercept(theta))
        return bool(values[0] < 1e-3 * values[-1])

    def concerns(self, optimum: Optimum) -> tuple[str, ...]:
        """What the reader must know of a solution on the edge."""
        if not self.on_edge(optimum.theta):
            return ()
        lowest = float(np.linalg.eigvalsh(self.intercept(optimum.theta))[0])
        return (
            f"the intercept is at the edge of the positive definite matrices (smallest eigenvalue {lowest:.1e}): "
            "standard errors take the edge for open country and are not valid",
        )

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the pairs, (T, pairs)."""
        pairs = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
        out: Array = agdcc_path(*self.split(theta), self.z, self.target, self.falls, *pairs)[:-1]
        return out

    def next_q(self, theta: Array) -> Array:
        """Q_{T+1}, (N, N)."""
        parts = (*self.split(theta), *self.density(theta))
        out: Array = agdcc_filter(*parts, self.z, self.target, self.falls, 0)[2]
        return out

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, N), both targets held fixed, and by the targets."""
        parts = (*self.split(theta), *self.density(theta))
        dz, dtarget, dfalls = agdcc_adjoint(*parts, self.z, self.target, self.falls)
        return dz, self.flat(dtarget, dfalls)

    def weights(self, theta: Array) -> tuple[Array, Array, Array]:
        """Products over each pair."""
        rows, cols = self.pairs
        a, g, b = self.split(theta)
        return a[rows] * a[cols], g[rows] * g[cols], b[rows] * b[cols]

    def starts(self) -> Iterator[Array]:
        """A grid in which every asset starts alike; the optimiser lets them part."""
        tail = (8.0,) if self.student else ()
        one = np.ones(self.n)
        for total in (0.99, 0.97, 0.9):
            for a in (0.01, 0.03, 0.08):
                if not self.asymmetric:
                    yield np.array([*(np.sqrt(a) * one), *(np.sqrt(total - a) * one), *tail])
                    continue
                for g in (0.002, 0.02):
                    b = total - a - g
                    yield np.array([*(np.sqrt(a) * one), *(np.sqrt(g) * one), *(np.sqrt(b) * one), *tail])

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
        pairs = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
        first = self.next_q(theta) if warm else self.target
        z, path = agdcc_simulate(*self.split(theta), self.target, self.falls, shocks, first, *pairs)
        return z, path

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        """Both approximations of Engle & Sheppard (2001), pair by pair; future falls stand at their mean."""
        del driver
        a, _, b = self.split(theta)
        decay = np.outer(a, a) + np.outer(b, b)
        q = self.next_q(theta)
        out = np.empty((horizon, self.n, self.n))
        for h in range(horizon):
            root = np.sqrt(np.diag(q))
            out[h] = q / np.outer(root, root)
            q = self.target + decay * ((q if method == "Q" else out[h]) - self.target)
        return out

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> PathModel:
        """Return the same model on other residuals, both targets kept."""
        del driver
        target, falls = self.split_nuisance(nuisance, z.shape[1])
        dist = "t" if self.student else "normal"
        return AGDCCLikelihood(z, dist=dist, asymmetric=self.asymmetric, names=self.names, target=target, falls=falls)


@dataclass(frozen=True)
class AGDCC(CorrelationSpec):
    r"""Diagonal (asymmetric) generalized DCC (Cappiello, Engle & Sheppard 2006): every asset its own dynamics.

    .. math::

        Q_{ij,t}=(1-a_ia_j-b_ib_j)\bar Q_{ij}-g_ig_j\bar N_{ij}
        +a_ia_jz_{i,t-1}z_{j,t-1}+g_ig_jn_{i,t-1}n_{j,t-1}+b_ib_jQ_{ij,t-1}.

    The intercept must be positive definite; the likelihood is minus infinity where it is not. :math:`a_i^2` compares
    with the a of a DCC. With one pair only the products enter the correlation's numerator, and single roots are weakly
    identified: use it from three assets on.

    Parameters
    ----------
    dist : "normal" or "t" errors. asymmetric : whether falls have their own weights g.
    """

    dist: str = "normal"
    asymmetric: bool = True
    references: ClassVar[tuple[str, ...]] = ("cappiello2006",)

    @property
    def name(self) -> str:
        """Name of the model."""
        return f"{'AG' if self.asymmetric else 'G'}-DCC(diagonal)-{self.dist}"

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> AGDCCLikelihood:
        """Build the likelihood on ``z`` (T, N)."""
        del driver, margins
        return AGDCCLikelihood(z, dist=self.dist, asymmetric=self.asymmetric, names=names, target=target)
