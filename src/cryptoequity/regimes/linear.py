r"""Regressions with coefficients and error laws that switch: the densities of `MarkovRegression` and of Markov VARs.

.. math:: y_t=B_{S_t}x_t+Dw_t+u_t,\qquad u_t\mid S_t=j\sim(0,\Sigma_j)

The M-step of the coefficients solves one weighted least squares problem for switching and common coefficients together;
common coefficients by ordinary least squares, beside it, would not raise the likelihood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import special, stats

from ..errors import DataError
from ..estimation.params import Array, Block, Layout, real
from ..kernels.regime_regression import residual_distances, residual_moments, residual_slopes
from .emission import Integers, responsibilities, rolling_splits
from .gaussian import GaussianEmission, best_freedom, log_density
from .system import extend, run_path

__all__ = ["ErrorLaw", "LinearEmission", "least_squares", "regression_splits", "solve_normal"]

STAYS = (0.95, 0.6)  # chances of staying that starts begin with, in turn: regimes of a regression need not last
EXACT = 1e-12  # share of the variance that least squares may leave before the fit counts as exact


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


class LinearEmission:
    """See the module; ``x`` (T, m) holds the regressors of every equation, those of ``lags`` last.

    Parameters
    ----------
    labels : of the regressors. switching : (m,) which coefficients switch. scale, corr : of the errors, "switching" or
        "common". rank_by : "variance", "correlation", "mean" or the number of a regressor.
    presample : (p, N) values before the first date when the last p * N regressors are lags, lag 1 of every column
        first.
    """

    stays = STAYS

    def __init__(
        self,
        y: Array,
        x: Array,
        names: tuple[str, ...],
        labels: tuple[str, ...],
        k: int,
        *,
        switching: Array,
        scale: str = "common",
        corr: str = "common",
        student: bool = False,
        rank_by: str | int = "mean",
        presample: Array | None = None,
    ) -> None:
        self.y, self.x = np.ascontiguousarray(y), np.ascontiguousarray(x)
        self.names, self.labels, self.k = names, labels, k
        self.switching = np.asarray(switching, bool)
        self.n, self.m = y.shape[1], x.shape[1]
        self.presample = np.empty((0, self.n)) if presample is None else presample
        self.order, self.memory = len(self.presample), 0
        self.plain = self.m - self.order * self.n  # regressors that are not lags
        self.rank_by = rank_by
        self.resid = least_squares(self.y, self.x, names, labels)[1]
        self.errors = ErrorLaw(self.resid, names, k, scale=scale, corr=corr, student=student, rank_by=rank_by)
        self.own = np.arange(k)
        self.at = self._make_places()
        self.inside = int(self.at.max()) + 1 if self.at.size else 0
        self._blocks = (*self._coefficient_blocks(), *self.errors.blocks())

    @property
    def nobs(self) -> int:
        """Dates."""
        return len(self.y)

    # --- parameters

    def _make_places(self) -> Integers:
        """Position of each coefficient, (k, N, m)."""
        out = np.empty((self.k, self.n, self.m), np.int64)
        own, shared = np.flatnonzero(self.switching), np.flatnonzero(~self.switching)
        width = self.n * own.size
        for a in range(self.n):
            for j in range(self.k):
                out[j, a, own] = j * width + a * own.size + np.arange(own.size)
            out[:, a, shared] = self.k * width + a * shared.size + np.arange(shared.size)
        return out

    def _coefficient_blocks(self) -> tuple[Block, ...]:
        tail = [""] if self.n == 1 else [f".{name}" for name in self.names]
        names = [""] * self.inside
        for j in range(self.k):
            for a in range(self.n):
                for m, label in enumerate(self.labels):
                    tag = f"[{j + 1}]" if self.switching[m] else ""
                    names[self.at[j, a, m]] = f"{label}{tag}{tail[a]}"
        return (real(*names),) if names else ()

    def blocks(self) -> tuple[Block, ...]:
        """Names and constraints."""
        return self._blocks

    def coefficients(self, theta: Array) -> Array:
        """Coefficients (k, N, m)."""
        out: Array = theta[: self.inside][self.at]
        return out

    def residuals(self, theta: Array) -> Array:
        """Residuals (T, k, N)."""
        part = self.coefficients(theta).reshape(-1, self.m)
        return self.y[:, None] - (self.x @ part.T).reshape(self.nobs, self.k, self.n)

    # --- likelihood and EM

    def density(self, theta: Array) -> Array:
        """Log-densities (T, k)."""
        return self.errors.log_density(self.residuals(theta), self.own, theta[self.inside :])

    def slopes(self, theta: Array) -> Array:
        """Derivatives of the log-densities, (T, k, E)."""
        pull, out = self.errors.pulls(self.residuals(theta), self.own, theta[self.inside :], self.inside)
        for j in range(self.k):
            for a in range(self.n):
                out[:, j, self.at[j, a]] = pull[:, j, a, None] * self.x
        return out

    def mstep(self, weights: Array, theta: Array | None) -> Array:
        """Weighted least squares, then the law of the errors; under t errors a conditional step (Liu & Rubin 1995)."""
        law = None if theta is None else theta[self.inside :]
        gained = weights
        if theta is not None and law is not None:
            gained = weights * self.errors.gains(self.residuals(theta), self.own, law)
        out = np.empty(self.inside + self.errors.layout.size)
        out[: self.inside] = self._solve(gained, self.errors.precision(law))
        out[self.inside :] = self.errors.update(self.residuals(out), self.own, weights, gained, law)
        return out

    def _solve(self, weights: Array, precision: Array) -> Array:
        """Generalised least squares for all coefficients at once."""
        out = np.zeros(self.inside)
        if not self.m:
            return out
        left, right = np.zeros((self.inside, self.inside)), np.zeros(self.inside)
        for j in range(self.k):
            weighted = self.x * weights[:, j, None]
            xx, xy = weighted.T @ self.x, weighted.T @ self.y
            if self.switching.all():
                # every equation has the same regressors: the covariance cancels
                out[self.at[j]] = solve_normal(xx, xy).T
                continue
            for a in range(self.n):
                for b in range(self.n):
                    left[np.ix_(self.at[j, a], self.at[j, b])] += precision[j, a, b] * xx
                    right[self.at[j, a]] += precision[j, a, b] * xy[:, b]
        return out if self.switching.all() else solve_normal(left, right[:, None])[:, 0]

    def weak(self, theta: Array, weights: Array) -> str:
        """Collapsed variances and empty regimes."""
        return self.errors.weak(theta[self.inside :], weights)

    def splits(self, count: int, rng: np.random.Generator) -> Iterator[Array]:
        """Bands of residuals, of their squares and of their products with regressors that switch."""
        regressors = self.x[:, np.flatnonzero(self.switching)]
        return regression_splits(self.errors, self.resid, regressors, self.k, count, rng)

    # --- what a fit reads

    def lag_matrices(self, theta: Array) -> Array:
        """Matrices of the lags by state, (k, p, N, N)."""
        part = self.coefficients(theta)[:, :, self.plain :]
        return np.ascontiguousarray(part.reshape(self.k, self.n, self.order, self.n).transpose(0, 2, 1, 3))

    def error_covariance(self, theta: Array) -> Array:
        """Covariances of the errors by state, (k, N, N)."""
        return self.errors.covariance(theta[self.inside :])

    def level(self, theta: Array, x: Array) -> Array:
        """What is not lags, by state, at rows of regressors (H, plain): (H, k, N)."""
        part = self.coefficients(theta)[:, :, : self.plain]
        return np.ascontiguousarray(np.einsum("tm,knm->tkn", x, part))

    @property
    def regressors(self) -> Array:
        """Rows of regressors that are not lags, (T, plain)."""
        return np.ascontiguousarray(self.x[:, : self.plain])

    @property
    def past(self) -> Array:
        """The last values a forecast goes on from, (p, N), newest last."""
        return np.vstack([self.presample, self.y])[len(self.y) :]

    def moments(self, theta: Array) -> tuple[Array, Array]:
        """Means (T, k, N) and covariances (T, k, N, N) given the past and the regime."""
        mean = self.y[:, None] - self.residuals(theta)
        cov = self.error_covariance(theta)
        return mean, np.broadcast_to(cov, (self.nobs, *cov.shape))

    def margins_cdf(self, theta: Array) -> Array:
        """Distribution functions (T, k, N) at the data."""
        return self.errors.cdf(self.residuals(theta), self.own, theta[self.inside :])

    def simulate(self, theta: Array, states: Integers, rng: np.random.Generator) -> Array:
        """Data (len(states), N) given the regressors and the values before the first date."""
        x = self.regressors
        if states.size > self.nobs:
            x = extend(x, states.size)
        return run_path(self, theta, self.level(theta, x[: states.size]), states, rng)

    # --- labels

    def rank(self, theta: Array) -> Array:
        """What regimes are numbered by."""
        if self.rank_by in ("variance", "correlation"):
            return self.errors.rank(theta[self.inside :])
        part = self.coefficients(theta)
        if isinstance(self.rank_by, int):
            return np.asarray(part[:, :, self.rank_by].mean(axis=1))
        scaled: Array = (part @ self.x.mean(axis=0) / np.sqrt(self.errors.sample_var)).mean(axis=1)
        return scaled

    def relabel(self, order: Integers) -> Integers:
        """Positions of the parameters under new numbers."""
        out = np.arange(self.inside + self.errors.layout.size)
        for new, old in enumerate(order):
            out[self.at[new]] = self.at[int(old)]
        out[self.inside :] = self.inside + self.errors.relabel(order)
        return out


def least_squares(y: Array, x: Array, names: tuple[str, ...], labels: tuple[str, ...]) -> tuple[Array, Array]:
    """Coefficients (m, N) and residuals (T, N) of one regime.

    Raises
    ------
    DataError : regressors that are a combination of others, named; a column that they fit exactly.
    """
    scale = np.sqrt((x**2).mean(axis=0))
    for m in range(x.shape[1]):
        if not scale[m] > 0:
            raise DataError(f"the regressor {labels[m]!r} is zero on every date; leave it out.")
        rest = x[:, :m] / scale[:m]
        own = x[:, m] / scale[m]
        left = own - rest @ np.linalg.lstsq(rest, own, rcond=None)[0] if m else own
        if np.sqrt((left**2).mean()) < 1e-9:
            raise DataError(f"the regressor {labels[m]!r} is a linear combination of those before it; leave it out.")
    coefficients = np.linalg.lstsq(x / scale, y, rcond=None)[0] / scale[:, None]
    resid: Array = y - x @ coefficients
    for a, name in enumerate(names):
        if not (resid[:, a] ** 2).mean() > EXACT * max(float((y[:, a] ** 2).mean()), 1e-300):
            raise DataError(f"{name!r} is fitted exactly by its regressors (or constant): there is no error to model.")
    return coefficients, resid


def solve_normal(left: Array, right: Array) -> Array:
    """Solve normal equations; where they are singular (a regressor that is zero in a regime), the shortest solution."""
    root = np.sqrt(np.maximum(np.diag(left), 0.0))
    scale = np.where(root > 0, root, 1.0)
    scaled = left / scale[:, None] / scale
    solved = np.linalg.lstsq(scaled, right / scale[:, None], rcond=1e-13)[0]
    out: Array = solved / scale[:, None]
    return out


def regression_splits(
    errors: ErrorLaw, resid: Array, regressors: Array, k: int, count: int, rng: np.random.Generator
) -> Iterator[Array]:
    """Starts from residuals of one regime: smoothed bands, and every third the bands of single dates.

    Regimes of a regression need not last: a band of single dates finds those that do not.
    """
    e = resid / np.sqrt(errors.sample_var)
    scores = [e[:, a] * x / np.sqrt((x**2).mean()) for x in regressors.T[:6] for a in range(errors.n)]
    if errors.scale == "switching":
        scores.insert(0, (e**2).sum(axis=1))
    if errors.n > 1 and errors.corr == "switching":
        scores.append((e[:, errors.rows] * e[:, errors.cols]).sum(axis=1))
    smooth = rolling_splits(scores, k, count, rng)
    for number, weights in enumerate(smooth):
        if number % 3 == 2:
            score = scores[number // 3 % len(scores)]
            cuts = (
                None
                if number < 3 * len(scores)
                else np.clip(np.sort(rng.dirichlet(np.ones(k)).cumsum()[:-1]), 0.02, 0.98)
            )
            yield responsibilities(score, k, cuts)
        else:
            yield weights
