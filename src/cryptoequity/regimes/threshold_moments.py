"""Sums below every candidate threshold: least squares and LM statistics for all of them at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..estimation.inference import sandwich
from ..estimation.params import Array
from .transition_sample import TransitionSample

__all__ = ["Moments", "Split", "candidates", "least_squares_covariance"]


@dataclass(frozen=True, eq=False)
class Split:
    """Candidates for a threshold: rows sorted by the driver, and how many of them lie at or below each candidate.

    Attributes
    ----------
    order : (T,) rows by ascending driver. counts : (G,) observations at or below. values : (G,) the candidates.
    """

    order: npt.NDArray[np.int64] = field(repr=False)
    counts: npt.NDArray[np.int64] = field(repr=False)
    values: Array = field(repr=False)


def candidates(sample: TransitionSample, trim: float, most: int | None = None) -> Split:
    """Observed values of the driver that leave at least ``trim`` of the sample on either side, at most ``most``.

    Raises
    ------
    DataError : none does.
    """
    nobs = sample.nobs
    order = np.argsort(sample.s, kind="stable")
    ranked = sample.s[order]
    ends = np.flatnonzero(np.append(np.diff(ranked) > 0, False)) + 1  # observations at or below each distinct value
    least = max(int(np.ceil(trim * nobs - 1e-9)), sample.x.shape[1] + 1)
    counts = ends[(ends >= least) & (nobs - ends >= least)]
    if not counts.size:
        raise DataError(
            f"driver {sample.driver!r}: no value leaves {least} of {nobs} observations on either side "
            f"({ends.size + 1} distinct values); use a smaller trim or another driver."
        )
    if most is not None and counts.size > most:
        counts = counts[np.unique(np.linspace(0, counts.size - 1, most).round().astype(int))]
    return Split(order, counts, ranked[counts - 1])


@dataclass(frozen=True, eq=False)
class Moments:
    """What does not change between draws of a bootstrap with fixed regressors: everything but the errors.

    Regressors are scaled by their root mean squares, which changes no statistic and spares the inverses.
    """

    x: Array = field(repr=False)  # (T, K), sorted by the driver
    v: Array = field(repr=False)  # (T, q), those that vary
    counts: npt.NDArray[np.int64] = field(repr=False)
    inverse: Array = field(repr=False)  # (X'X)^{-1}
    lean: Array = field(repr=False)  # (G, K, q), (X'X)^{-1} sum below of x v'
    weight: Array = field(repr=False)  # (G, q, q), W'W
    sound: npt.NDArray[np.bool_] = field(repr=False)  # candidates at which the coefficients are identified

    @classmethod
    def of(cls, sample: TransitionSample, split: Split) -> Moments:
        """Sums below every candidate."""
        scale = np.sqrt(np.mean(sample.x**2, axis=0))
        x = np.ascontiguousarray((sample.x / scale)[split.order])
        v = np.ascontiguousarray(x[:, sample.varies])
        inverse = np.linalg.inv(x.T @ x)
        below = np.cumsum(x[:, :, None] * v[:, None, :], axis=0)[split.counts - 1]
        lean = inverse @ below
        weight = below[:, sample.varies] - np.einsum("gkq,gkr->gqr", below, lean)
        weight = 0.5 * (weight + weight.transpose(0, 2, 1))
        values = np.linalg.eigvalsh(weight)
        sound = values[:, 0] > 1e-10 * sample.nobs
        return cls(x, v, split.counts, inverse, lean, weight, sound)

    def residual(self, y: Array) -> Array:
        """Residuals (T,) of ``y``, sorted by the driver, on all regressors."""
        out: Array = y - self.x @ (self.inverse @ (self.x.T @ y))
        return out

    def path(self, e: Array, robust: bool) -> Array:
        """LM statistics (G,) of residuals ``e``, sorted by the driver; NaN where nothing is identified."""
        ve = self.v * e[:, None]
        score = np.cumsum(ve, axis=0)[self.counts - 1]
        if robust:
            xe = self.x * e[:, None]
            below = np.cumsum(xe[:, :, None] * ve[:, None, :], axis=0)[self.counts - 1]  # (G, K, q)
            whole = xe.T @ xe
            mixed = np.einsum("gkq,gkr->gqr", below, self.lean)
            own = np.cumsum(ve[:, :, None] * ve[:, None, :], axis=0)[self.counts - 1]
            variance = own - mixed - mixed.transpose(0, 2, 1)
            variance += np.einsum("gkq,kl,glr->gqr", self.lean, whole, self.lean)
        else:
            variance = self.weight * float(e @ e / e.size)
        out = np.full(self.counts.size, np.nan)
        good = self.sound
        solved = np.linalg.solve(variance[good], score[good][:, :, None])[:, :, 0]
        out[good] = np.einsum("gq,gq->g", score[good], solved)
        return out

    def gain(self, e: Array) -> Array:
        """Fall of the sum of squares (G,) from the linear regression with residuals ``e``, sorted by the driver."""
        return self.path(e, False) * float(e @ e / e.size)


def least_squares_covariance(design: Array, errors: Array, cov_type: str, lags: int | None, dof: int) -> Array:
    """Covariance of (nonlinear) least squares from the derivatives of the fit ``design`` (T, P).

    "classic" divides the sum of squares by T - ``dof``; "robust" is White's (1980) without correction, "hac" Newey and
    West's.
    """
    nobs = design.shape[0]
    if cov_type == "classic":
        out: Array = np.linalg.inv(design.T @ design) * float(errors @ errors) / (nobs - dof)
        return out
    return sandwich(-(design.T @ design) / nobs, design * errors[:, None], cov_type, lags)
