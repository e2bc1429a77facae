r"""Regressions with coefficients and error laws that switch: the densities of `MarkovRegression` and of Markov VARs.

.. math:: y_t=B_{S_t}x_t+Dw_t+u_t,\qquad u_t\mid S_t=j\sim(0,\Sigma_j)

The M-step of the coefficients solves one weighted least squares problem for switching and common coefficients together;
common coefficients by ordinary least squares, beside it, would not raise the likelihood.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import DataError
from ..estimation.params import Array, Block, real
from .emission import Integers, responsibilities, rolling_splits
from .error_law import ErrorLaw, RegressionDensities, coefficient_places
from .system import extend, run_path

__all__ = ["LinearEmission", "least_squares", "regression_splits", "solve_normal"]

STAYS = (0.95, 0.6)  # chances of staying that starts begin with, in turn: regimes of a regression need not last
EXACT = 1e-12  # share of the variance that least squares may leave before the fit counts as exact


class LinearEmission(RegressionDensities):
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
        self.at = coefficient_places(k, self.n, self.switching)
        self.inside = int(self.at.max()) + 1 if self.at.size else 0
        self._blocks = (*self._coefficient_blocks(), *self.errors.blocks())

    # --- parameters

    def _coefficient_blocks(self) -> tuple[Block, ...]:
        tail = [""] if self.n == 1 else [f".{name}" for name in self.names]
        names = [""] * self.inside
        for j in range(self.k):
            for a in range(self.n):
                for m, label in enumerate(self.labels):
                    tag = f"[{j + 1}]" if self.switching[m] else ""
                    names[self.at[j, a, m]] = f"{label}{tag}{tail[a]}"
        return (real(*names),) if names else ()

    def coefficients(self, theta: Array) -> Array:
        """Coefficients (k, N, m)."""
        out: Array = theta[: self.inside][self.at]
        return out

    def residuals(self, theta: Array) -> Array:
        """Residuals (T, k, N)."""
        part = self.coefficients(theta).reshape(-1, self.m)
        return self.y[:, None] - (self.x @ part.T).reshape(self.nobs, self.k, self.n)

    # --- likelihood and EM

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

    def simulate(self, theta: Array, states: Integers, rng: np.random.Generator) -> Array:
        """Data (len(states), N) given the regressors and the values before the first date."""
        x = self.regressors
        if states.size > self.nobs:
            x = extend(x, states.size)
        return run_path(self, theta, self.level(theta, x[: states.size]), states, rng)

    # --- labels

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
