"""Error laws by regime, and what the densities of regressions on regimes have in common."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from ..estimation.params import Array, Block, Layout
from ..kernels.regime_regression import residual_distances, residual_moments, residual_slopes
from .emission import Integers
from .gaussian import GaussianEmission
from .student import best_freedom, log_density

__all__ = ["ErrorLaw", "RegressionDensities", "coefficient_places"]


class ErrorLaw(GaussianEmission):
    """Normal or t errors by regime; ``resid`` (T, N) of one regime set the scale the variances are bounded by."""

    def __init__(
        self,
        resid: Array,
        names: tuple[str, ...],
        k: int,
        *,
        scale: str,
        corr: str,
        student: bool,
        rank_by: str | int = "variance",
    ) -> None:
        order_by = "correlation" if rank_by == "correlation" else "variance"
        super().__init__(resid, names, k, mean="zero", scale=scale, corr=corr, student=student, order_by=order_by)
        # one series needs no name behind its parameters
        if self.n == 1:
            short = [tuple(name.removesuffix(f".{names[0]}") for name in block.names) for block in self._blocks]
            self._blocks = tuple(replace(block, names=new) for block, new in zip(self._blocks, short, strict=True))
        self.layout = Layout(self._blocks)

    def distances(self, e: Array, own: Integers, theta: Array) -> tuple[Array, Array]:
        """Squared distances (T, M) of residuals (T, M, N) and log-determinants (M,)."""
        _, sd, corr, _ = self.unpack(theta)
        factors = np.linalg.cholesky(corr) * sd[:, :, None]
        d = np.empty(e.shape[:2])
        residual_distances(e, np.linalg.inv(factors), own, d)
        logdet: Array = 2.0 * np.log(np.einsum("kii->ki", factors)).sum(axis=1)
        return d, logdet[own]

    def log_density(self, e: Array, own: Integers, theta: Array) -> Array:
        """Log-densities (T, M)."""
        try:
            d, logdet = self.distances(e, own, theta)
        except np.linalg.LinAlgError:
            return np.full(e.shape[:2], -np.inf)
        return log_density(d, logdet, self.n, float(theta[-1]) if self.student else 0.0)

    def pulls(self, e: Array, own: Integers, theta: Array, width: int) -> tuple[Array, Array]:
        """Derivatives of the log-densities by the mean (T, M, N), and (T, M, width + own) with the law's at the end."""
        _, sd, corr, nu = self.unpack(theta)
        n, size = self.n, self.layout.size
        base = 0.0
        if nu:
            base = 0.5 * (special.digamma((nu + n) / 2) - special.digamma(nu / 2)) - 0.5 * n / (nu - 2.0)
        pull, out = np.empty(e.shape), np.zeros((*e.shape[:2], width + size))
        _, scale, corrs = self._places
        last = width + size - 1
        residual_slopes(e, own, sd, np.linalg.inv(corr), nu, scale + width, corrs + width, last, float(base), pull, out)
        return pull, out

    def gains(self, e: Array, own: Integers, theta: Array) -> Array:
        """Weights (T, M) of t errors at ``theta``, ones for normal errors."""
        if not self.student:
            return np.ones(e.shape[:2])
        nu = float(theta[-1])
        out: Array = (nu + self.n) / (nu - 2.0 + self.distances(e, own, theta)[0])
        return out

    def precision(self, theta: Array | None) -> Array:
        """Inverse covariances (k, N, N); at a start those of one regime."""
        if theta is None:
            return np.repeat(np.diag(1.0 / self.sample_var)[None], self.k, axis=0)
        return np.asarray(np.linalg.inv(self.covariance(theta)), np.float64)

    def covariance(self, theta: Array) -> Array:
        """Covariances (k, N, N)."""
        return self.moments(theta)[1]

    def update(self, e: Array, own: Integers, weights: Array, gained: Array, theta: Array | None) -> Array:
        """M-step of the law given residuals; ``gained`` are ``weights`` times `gains`."""
        second = np.zeros((self.k, self.n, self.n))
        residual_moments(e, gained, own, second)
        count = np.maximum(np.bincount(own, weights.sum(axis=0), self.k), 1e-300)
        old, nu = None, 8.0 if self.student else 0.0
        if theta is not None:
            mean, sd, corr, nu = self.unpack(theta)
            old = mean, sd, corr
        sd, corr = self._spread(second / count[:, None, None], count, old)
        out = self.pack(np.zeros_like(sd), sd, corr, nu)
        if self.student and theta is not None:
            out[-1] = best_freedom(self.distances(e, own, out)[0], weights, self.n, nu)
        return out

    def draw(self, theta: Array, own: Integers, rng: np.random.Generator) -> Array:
        """Errors (T, N) of a path of regimes (T,)."""
        return self.simulate(theta, own, rng)

    def cdf(self, e: Array, own: Integers, theta: Array) -> Array:
        """Distribution functions (T, M, N) of the columns at residuals (T, M, N)."""
        _, sd, _, nu = self.unpack(theta)
        u = e / sd[own]
        out: Array = stats.t.cdf(u * np.sqrt(nu / (nu - 2.0)), nu) if nu else stats.norm.cdf(u)
        return out


class RegressionDensities:
    """Densities of residuals by state; a subclass says how residuals follow from coefficients.

    Attributes
    ----------
    y : (T, N). x : regressors. errors : law of the errors, whose parameters stand behind the ``inside`` coefficients.
    own : (k,) regime of each state. rank_by : what regimes are numbered by.
    """

    y: Array
    x: Array
    errors: ErrorLaw
    own: Integers
    inside: int
    rank_by: str | int
    _blocks: tuple[Block, ...]

    @property
    def nobs(self) -> int:
        """Dates, those that are conditioned on left out."""
        return len(self.y)

    def blocks(self) -> tuple[Block, ...]:
        """Names and constraints."""
        return self._blocks

    def coefficients(self, theta: Array) -> Array:
        """Coefficients (regimes, N, m)."""
        raise NotImplementedError

    def residuals(self, theta: Array) -> Array:
        """Residuals (T, k, N)."""
        raise NotImplementedError

    def error_covariance(self, theta: Array) -> Array:
        """Covariances of the errors by state, (k, N, N)."""
        out: Array = self.errors.covariance(theta[self.inside :])[self.own]
        return out

    def density(self, theta: Array) -> Array:
        """Log-densities (T, k)."""
        return self.errors.log_density(self.residuals(theta), self.own, theta[self.inside :])

    def moments(self, theta: Array) -> tuple[Array, Array]:
        """Means (T, k, N) and covariances (T, k, N, N) given the past and the state."""
        mean = self.y[:, None] - self.residuals(theta)
        cov = self.error_covariance(theta)
        return mean, np.broadcast_to(cov, (self.nobs, *cov.shape))

    def margins_cdf(self, theta: Array) -> Array:
        """Distribution functions (T, k, N) at the data."""
        return self.errors.cdf(self.residuals(theta), self.own, theta[self.inside :])

    def rank(self, theta: Array) -> Array:
        """What regimes are numbered by."""
        if self.rank_by in ("variance", "correlation"):
            return self.errors.rank(theta[self.inside :])
        part = self.coefficients(theta)
        if isinstance(self.rank_by, int):
            return np.asarray(part[:, :, self.rank_by].mean(axis=1))
        scaled: Array = (part @ self.x.mean(axis=0) / np.sqrt(self.errors.sample_var)).mean(axis=1)
        return scaled


def coefficient_places(k: int, n: int, switching: npt.NDArray[np.bool_]) -> Integers:
    """Positions (k, N, m) of coefficients: those that switch by regime and equation, then the common ones."""
    out = np.empty((k, n, switching.size), np.int64)
    own, shared = np.flatnonzero(switching), np.flatnonzero(~switching)
    width = n * own.size
    for a in range(n):
        for j in range(k):
            out[j, a, own] = j * width + a * own.size + np.arange(own.size)
        out[:, a, shared] = k * width + a * shared.size + np.arange(shared.size)
    return out
