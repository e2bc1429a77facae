"""The likelihood of one margin on arrays: what the optimiser, the sandwich and the bootstrap share."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..estimation.params import Array, Layout, positive, real, subsimplex
from ..kernels.garch import garch_filter
from .density import CODE, constants, shape_blocks, shape_start

if TYPE_CHECKING:
    from .garch import EGARCH, GARCH

__all__ = ["MarginLikelihood", "ewma_backcast"]


def ewma_backcast(squares: Array, decay: float, count: int) -> Array:
    """Exponentially weighted mean of the first ``count`` rows, the first weighted most."""
    weights = decay ** np.arange(min(count, squares.shape[0]))
    weights /= weights.sum()
    mean: Array = np.tensordot(weights, squares[: weights.size], axes=1)
    return mean


class MarginLikelihood:
    """Log-likelihood, scores and standardized residuals of one return series under ``spec``.

    ``y`` is (T + hold_back,) percent returns; the first ``hold_back`` serve as lags only.
    """

    def __init__(self, spec: GARCH | EGARCH, y: Array, hold_back: int = 0) -> None:
        self.spec = spec
        lags = spec.lags if spec.mean == "ar" else 0
        hold_back = max(hold_back, lags)
        self.y = np.ascontiguousarray(y[hold_back:], float)
        columns = [] if spec.mean == "zero" else [np.ones(self.y.size)]
        columns += [y[hold_back - i : y.size - i] for i in range(1, lags + 1)]
        self.x = np.ascontiguousarray(np.stack(columns, axis=1)) if columns else np.empty((self.y.size, 0))
        self.exponential = spec.exponential
        self.orders = np.array([spec.p, spec.o, spec.q], dtype=np.int64)
        self.dist = CODE[spec.dist]
        self.kernel = garch_filter(self.x.shape[1], spec.p, spec.o, spec.q, self.exponential, self.dist)
        self.layout = layout_of(spec)
        self.mean_start: Array = np.linalg.lstsq(self.x, self.y, rcond=None)[0] if columns else np.empty(0)
        resid = self.y - self.x @ self.mean_start
        self.presample = self._presample(resid)
        self.scale = float(np.mean(resid**2))

    def _presample(self, resid: Array) -> Array:
        squares = resid**2
        if self.spec.presample == "mfe":
            count = int(np.sqrt(squares.size)) + 1
            return np.array([squares.mean(), float(ewma_backcast(squares, 0.9, count))])
        back = float(ewma_backcast(squares, 0.94, 75))
        return np.array([back, np.log(back) if self.exponential else back])

    def filter(self, theta: Array, want: int) -> tuple[Array, Array, Array, Array, Array]:
        """Return loglik, variance, residual, score, dz; see `kernels.garch.garch_filter`."""
        shape = theta[theta.size - self.dist :]
        const = constants(self.spec.dist, shape)
        theta = np.ascontiguousarray(theta, float)
        return self.kernel(theta, self.y, self.x, const, self.presample, want)  # type: ignore[no-any-return]

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) and scores (T, K)."""
        loglik, _, _, score, _ = self.filter(theta, want)
        return loglik, score

    @property
    def kinked(self) -> npt.NDArray[np.bool_]:
        """Parameters, (K,), in which the likelihood has kinks: the mean of an EGARCH, which reads |z|."""
        kinked: npt.NDArray[np.bool_] = (np.arange(self.layout.size) < self.x.shape[1]) & self.exponential
        return kinked

    @property
    def climbs(self) -> int:
        """How many starts to climb from: one, or all for an EGARCH with regressors: a climb may end in a kink."""
        return len(_GRID) if self.exponential and self.x.shape[1] > 1 else 1

    def starts(self) -> Iterator[Array]:
        """Mean by least squares, a grid of news and persistence for the variance."""
        p, o, q = self.orders
        shape = shape_start(self.spec.dist)
        for news, persistence in _GRID:
            if self.exponential:
                beta = [persistence / max(q, 1)] * int(q)
                omega = (1.0 - (persistence if q else 0.0)) * np.log(self.scale)
                variance = [omega, *[2.0 * news / p] * int(p), *[-0.5 * news / max(o, 1)] * int(o), *beta]
            else:
                beta = [(persistence - news) / max(q, 1)] * int(q)
                left = persistence if q else news
                # half of the news goes to the sign term when there is one
                alpha, gamma = (0.5 * news, news) if o else (news, 0.0)
                omega = self.scale * (1.0 - left)
                variance = [omega, *[alpha / p] * int(p), *[gamma / max(o, 1)] * int(o), *beta]
            yield np.array([*self.mean_start, *variance, *shape])


_GRID = (
    (0.03, 0.97),
    (0.05, 0.9),
    (0.05, 0.99),
    (0.1, 0.8),
    (0.1, 0.95),
    (0.1, 0.99),
    (0.2, 0.95),
    (0.2, 0.7),
)


@functools.lru_cache(maxsize=256)
def layout_of(spec: GARCH | EGARCH) -> Layout:
    """Names and constraints: positivity and covariance stationarity for GARCH, ``sum(beta) < 1`` for EGARCH."""
    mean = [] if spec.mean == "zero" else ["mu"]
    if spec.mean == "ar":
        mean += [f"ar.{i}" for i in range(1, spec.lags + 1)]
    blocks = [real(*mean)] if mean else []

    def order(name: str, count: int) -> list[str]:
        return [name] if count == 1 else [f"{name}.{i}" for i in range(1, count + 1)]

    alpha, gamma, beta = order("alpha", spec.p), order("gamma", spec.o), order("beta", spec.q)
    if spec.exponential:
        blocks.append(real("omega", *alpha, *gamma))
        if beta:
            blocks.append(subsimplex(*beta))
    else:
        blocks.append(positive("omega", upper=1e30))  # whatever units the returns are in
        blocks.append(subsimplex(*alpha, *gamma, *beta, mix=_mix(spec.p, spec.o, spec.q)))
    return Layout([*blocks, *shape_blocks(spec.dist)])


def _mix(p: int, o: int, q: int) -> Array | None:
    r"""Map (alpha+/2, alpha-/2, beta), which lie in the subsimplex, to (alpha, gamma, beta).

    With a sign term the news after good and bad returns are :math:`\alpha` and :math:`\alpha+\gamma`, both
    non-negative, and stationarity is :math:`\sum(\alpha+\gamma/2)+\sum\beta<1`.
    """
    if o == 0:
        return None
    mix = np.eye(p + o + q)
    for i in range(o):
        mix[i, i] = 2.0
        mix[p + i, i] = -2.0
        mix[p + i, p + i] = 2.0
    return mix
