r"""What a test of the correlation reads: margins and a correlation model fitted under its null, on arrays.

Write :math:`v_{ij,t}=\partial\ell_t/\partial\rho_{ij,t}` for the score of the second step in the correlations of
date t. Given the past its expectation is zero when the model is right, whatever the density of the residuals. A test
asks whether it still moves with something known before the date; it needs :math:`v_t` and how :math:`v_t` moves
with everything that was estimated to get it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..correlation.fit import CorrelationFit
from ..correlation.likelihood import CorrelationLikelihood
from ..correlation.model import PathModel
from ..correlation.spec import _check_collinear
from ..correlation.stacking import stacked_moments
from ..errors import DataError, SpecError
from ..estimation.inference import FreePart, free_part
from ..estimation.optimize import Optimum
from ..estimation.params import Array
from ..kernels.garch import garch_filter
from ..kernels.scores import path_score
from ..volatility import ArchMargin, MarginFit, Margins
from ..volatility.density import constants
from ..volatility.likelihood import MarginLikelihood

__all__ = ["Column", "NullFit", "constant_null", "fitted_null", "margins_of"]

# central differences: steps in units of what they move, small enough for 1e-9 and large enough for rounding
_STEP = 1e-5

Observe = Callable[[PathModel, Array], Array]


@dataclass(frozen=True, eq=False)
class Column:
    """One margin: its residuals, and on demand what its estimation adds to the noise of a test.

    Attributes
    ----------
    name : the column. z, volatility : (T,). theta : parameters.
    likelihood, optimum : of a margin of this library; None for one of the ``arch`` package.
    given : part and dz, where they are known already. gaussian : whether its density is normal.
    held : observations used as lags only.
    """

    name: str
    z: Array = field(repr=False)
    volatility: Array = field(repr=False)
    theta: Array = field(repr=False)
    likelihood: MarginLikelihood | None = field(repr=False)
    optimum: Optimum | None = field(repr=False)
    given: tuple[FreePart, Array] | None = field(repr=False)
    gaussian: bool
    held: int = 0

    @classmethod
    def of(cls, fit: MarginFit | ArchMargin) -> Column:
        """Read a fitted margin; one that was only filtered has no scores on these dates and is refused."""
        z = fit.std_resid.to_numpy(float)
        if fit.part.score.shape[0] != z.size or (isinstance(fit, MarginFit) and fit.optimum is None):
            raise SpecError(
                f"{fit.name}: the margin was filtered, not fitted, on these {z.size} dates; fit it on them."
            )
        likelihood = None
        if isinstance(fit, MarginFit):
            likelihood = MarginLikelihood(fit.spec, fit.returns.to_numpy(float), fit.hold_back)
            gaussian = fit.spec.dist == "normal"
        else:
            gaussian = fit.spec.endswith("/ Normal")
        return cls(
            fit.name,
            z,
            fit.volatility.to_numpy(float),
            fit.estimate.theta,
            likelihood,
            fit.estimate.optimum,
            (fit.part, fit.dz),
            gaussian,
            fit.hold_back if isinstance(fit, MarginFit) else 0,
        )

    @classmethod
    def drawn(cls, name: str, likelihood: MarginLikelihood, optimum: Optimum, held: int = 0) -> Column:
        """Margin fitted on arrays: the bootstrap's inner loop."""
        _, variance, residual, _, _ = likelihood.filter(optimum.theta, 0)
        sigma = np.sqrt(variance)
        gaussian = likelihood.spec.dist == "normal"
        return cls(name, residual / sigma, sigma, optimum.theta, likelihood, optimum, None, gaussian, held)

    @cached_property
    def _both(self) -> tuple[FreePart, Array]:
        if self.given is not None:
            return self.given
        if self.likelihood is None or self.optimum is None:
            raise SpecError(f"{self.name}: a margin without its likelihood has no scores.")
        _, _, _, score, dz = self.likelihood.filter(self.theta, 2)
        part = free_part(self.likelihood, self.optimum, score, self.likelihood.kinked)
        return part, dz @ part.jacobian

    @property
    def part(self) -> FreePart:
        """Scores and Hessian over the free coordinates."""
        return self._both[0]

    @property
    def dz(self) -> Array:
        """Derivative of z by the free coordinates, (T, F)."""
        return self._both[1]

    @cached_property
    def log_slope(self) -> Array:
        r"""Derivative of :math:`\ln\sigma_t` by the free coordinates, (T, F).

        The Gaussian score is :math:`-\partial\ln\sigma_t-z_t\,\partial z_t`; for another density one pass with the
        normal instead gives it, for the variance recursion does not read the density.
        """
        if self.gaussian:
            return np.asarray(-self.part.score - self.z[:, None] * self.dz)
        lik = self.likelihood
        if lik is None:
            raise SpecError(
                f"{self.name}: robust=False is built from Gaussian scores, which an arch margin with another density "
                "does not carry; use robust=True, or a margin of this library."
            )
        p, o, q = (int(order) for order in lik.orders)
        normal = garch_filter(lik.x.shape[1], p, o, q, lik.exponential, 0)
        kept = np.ascontiguousarray(self.theta[: self.theta.size - lik.dist], float)
        _, _, _, score, dz = normal(kept, lik.y, lik.x, constants("normal", kept), lik.presample, 2)
        slope = np.zeros((self.z.size, self.theta.size))
        slope[:, : kept.size] = -score - self.z[:, None] * dz
        return np.asarray(slope @ self.part.jacobian)


@dataclass(frozen=True, eq=False)
class NullFit:
    """Margins and a correlation model at their estimates.

    Attributes
    ----------
    columns : the margins. model : the correlation model on their residuals. theta : its own parameters.
    optimum : how they were found, None where there are none. noise : how the target's own noise counts.
    given : whether the target is other than the sample's.
    """

    columns: tuple[Column, ...]
    model: PathModel = field(repr=False)
    theta: Array
    optimum: Optimum | None = field(repr=False)
    noise: str = "exact"
    given: bool = False

    @property
    def z(self) -> Array:
        """Standardized residuals, (T, N)."""
        return self.model.z

    @cached_property
    def residuals(self) -> Array:
        """Residuals in percent, sigma times z, (T, N)."""
        return np.stack([one.z * one.volatility for one in self.columns], axis=1)

    @cached_property
    def scores(self) -> tuple[Array, Array]:
        """Scores by every correlation, (T, P), and minus the scores by z, (T, N)."""
        return observe_scores(self.model, self.theta)

    @cached_property
    def _stacked(self) -> tuple[Array, Array, FreePart | None, list[int]]:
        parts, dzs = [one.part for one in self.columns], [one.dz for one in self.columns]
        return stacked_moments(self.model, self.optimum, parts, dzs, self.noise)

    @property
    def bread(self) -> Array:
        """Mean derivative of the moments that gave the estimates, (K, K)."""
        return self._stacked[0]

    @property
    def moments(self) -> Array:
        """The moments that gave the estimates, (T, K)."""
        return self._stacked[1]

    @property
    def own_part(self) -> FreePart | None:
        """Scores and Hessian of the correlation step, None without parameters."""
        return self._stacked[2]

    def joint_scores(self) -> Array:
        r"""Scores of the joint likelihood by the margins, (T, sum of F_i).

        :math:`-\partial\ln\sigma_{it}-\omega_ty_{it}\,\partial z_{it}`, where no correlation depends on past residuals.
        """
        weighted = self.scores[1]
        return np.concatenate(
            [-one.log_slope - weighted[:, [i]] * one.dz for i, one in enumerate(self.columns)], axis=1
        )

    def variations(self, observe: Observe) -> Iterator[Array]:
        """Derivatives of ``observe(model, theta)`` by every estimated coordinate, in the order of `moments`."""
        model, theta = self.model, self.theta
        nuisance = model.nuisance
        for i, one in enumerate(self.columns):
            for k in range(one.dz.shape[1]):
                move = one.dz[:, k]
                size = float(np.sqrt(np.mean(move**2)))
                step = _STEP / size if size > 0.0 else 1.0
                ends = []
                for sign in (1.0, -1.0):
                    z = self.z.copy()
                    z[:, i] += sign * step * move
                    ends.append(observe(model.fixed(z, model.driver, nuisance), theta))
                yield (ends[0] - ends[1]) / (2.0 * step)
        if self.noise != "none":
            for k in range(nuisance.size):
                ends = []
                for sign in (1.0, -1.0):
                    moved = nuisance.copy()
                    moved[k] += sign * _STEP
                    ends.append(observe(model.fixed(self.z, model.driver, moved), theta))
                yield (ends[0] - ends[1]) / (2.0 * _STEP)
        part, optimum = self.own_part, self.optimum
        if part is None or optimum is None:
            return
        follow = model.nuisance_slope(theta) if self.noise != "none" else None
        for j in np.flatnonzero(part.free).tolist():
            sides = []
            for sign in (1.0, -1.0):
                point = optimum.box.copy()
                point[j] = np.clip(point[j] + sign * part.steps[j], model.layout.lower[j], model.layout.upper[j])
                there = model.layout.natural(point)
                moved = nuisance if follow is None else nuisance + follow @ (there - theta)
                sides.append((point[j], observe(model.fixed(self.z, model.driver, moved), there)))
            yield (sides[0][1] - sides[1][1]) / (sides[0][0] - sides[1][0])

    def score_slope(self, project: Callable[[Array], Array]) -> Array:
        """Mean derivative (L, K) of ``project(v)`` (T, L), a linear function of the scores, by what was estimated."""
        columns = [project(dv).mean(axis=0) for dv in self.variations(lambda *at: observe_scores(*at)[0])]
        return np.stack(columns, axis=1)

    def weighted_slope(self, weights: Array) -> Array:
        r"""`score_slope` of :math:`x_{ij,t}v_{ij,t}`, weights (T, P): in closed form for a constant correlation.

        With :math:`y=R^{-1}z`, :math:`\partial v_{ij}/\partial z_k=R^{ik}y_j+R^{jk}y_i`, and in expectation, which is
        all that a mean keeps, :math:`\partial v_{ij}/\partial\rho_{kl}=-(R^{ik}R^{jl}+R^{il}R^{jk})`.
        """
        model = self.model
        if model.dynamic or model.student or not isinstance(model, CorrelationLikelihood):
            return self.score_slope(lambda dv: weights * dv)
        rows, cols = model.pairs
        inverse = np.linalg.inv(model.target)
        y = self.scores[1]
        blocks = []
        for i, one in enumerate(self.columns):
            slope = weights * (y[:, cols] * inverse[rows, i] + y[:, rows] * inverse[cols, i])
            blocks.append(slope.T @ one.dz / model.nobs)
        if self.noise != "none":
            expected = inverse[np.ix_(rows, rows)] * inverse[np.ix_(cols, cols)]
            expected += inverse[np.ix_(rows, cols)] * inverse[np.ix_(cols, rows)]
            blocks.append(-weights.mean(axis=0)[:, None] * expected)
        return np.concatenate(blocks, axis=1)


def observe_scores(model: PathModel, theta: Array) -> tuple[Array, Array]:
    """Scores of ``model`` by every correlation, (T, P), and minus the scores by z, (T, N)."""
    nu, _ = model.density(theta)
    path = np.ascontiguousarray(model.path(theta, *model.pairs))
    return path_score(model.z, path, nu)  # type: ignore[no-any-return]


def margins_of(fit: Margins | CorrelationFit) -> Margins:
    """The margins under a test, checked: two columns or more, none a combination of the others."""
    margins = fit.margins if isinstance(fit, CorrelationFit) else fit
    if not isinstance(margins, Margins):
        raise SpecError(f"pass margins (fit_margins) or a fitted correlation model, not {type(fit).__name__}.")
    if len(margins.names) < 2:
        raise DataError(f"a correlation needs two columns; there is only {margins.names[0]!r}.")
    _check_collinear(margins)
    return margins


def constant_null(columns: tuple[Column, ...]) -> NullFit:
    """A constant correlation, the sample's, on the residuals of ``columns``."""
    z = np.stack([one.z for one in columns], axis=1)
    model = CorrelationLikelihood(z, dynamic=False, dist="normal", names=[one.name for one in columns])
    return NullFit(columns, model, np.empty(0), None)


def fitted_null(fit: CorrelationFit) -> NullFit:
    """A fitted correlation model as the null.

    Raises
    ------
    SpecError : a fit on other dates than its own, in one step, by composite likelihood, or of a copula.
    """
    columns = tuple(Column.of(one) for one in margins_of(fit).fits)
    name = fit.spec.name
    if fit.theta.size and fit.optimum is None:
        raise SpecError(f"{name}: the model was filtered, not fitted, on these dates; fit it on them.")
    if fit.options[1] == "joint" or fit.pairs is not None:
        how = "in one step" if fit.pairs is None else "by composite likelihood"
        raise SpecError(f"{name} was fitted {how}; a test counts the errors of two steps: fit it with method='ml'.")
    if type(fit.likelihood).by_margins is not PathModel.by_margins:
        raise SpecError(f"{name} reads more of its margins than their residuals; these tests do not.")
    return NullFit(columns, fit.likelihood, fit.theta, fit.optimum, fit.options[1], fit.given is not None)
