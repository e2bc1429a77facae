"""A fitted correlation model: paths, forecasts, simulation, filtering, JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from ..data.checks import check_returns
from ..errors import DataError, SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import Estimate, FitMixin
from ..kernels.dcc import dcc_simulate
from ..volatility import ArchMargin, MarginFit, Margins
from ..volatility.garch import optimum_from_dict, optimum_to_dict, simulate_margin
from ..volatility.margins import gather
from .likelihood import CorrelationLikelihood

if TYPE_CHECKING:
    from .dcc import CCC, DCC

__all__ = ["CorrelationFit", "Forecast", "draw_shocks"]


@dataclass(frozen=True)
class Forecast:
    """Forecasts made at the last date.

    Attributes
    ----------
    volatility : (H, N) percent, square root of E[sigma^2].
    correlation : (H, pairs) columns (i, j).
    covariance : (H, N, N) percent squared.
    method : how the correlation beyond one step was obtained.
    """

    volatility: pd.DataFrame
    correlation: pd.DataFrame
    covariance: Array = field(repr=False)
    method: str = "R"


@dataclass(frozen=True, eq=False)
class CorrelationFit(FitMixin):
    """A fitted CCC or DCC.

    Attributes
    ----------
    spec : the specification. margins : the fitted margins. theta : correlation parameters, (a, b[, nu]).
    loglik_obs : (T,) joint log-likelihood of each date.
    """

    _title: ClassVar[str] = "Correlation"

    spec: CCC | DCC
    margins: Margins
    _estimate: Estimate = field(repr=False)
    theta: Array = field(repr=False)
    loglik_obs: pd.Series = field(repr=False)
    likelihood: CorrelationLikelihood = field(repr=False)
    options: tuple[str, str, int | None] = field(repr=False)

    @property
    def estimate(self) -> Estimate:
        """Named parameters and their covariance."""
        return self._estimate

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return self.margins.names

    @property
    def std_resid(self) -> pd.DataFrame:
        """Standardized residuals z, (T, N)."""
        return self.margins.std_resid

    @property
    def volatility(self) -> pd.DataFrame:
        """Conditional volatilities, percent, (T, N)."""
        return self.margins.volatility

    @property
    def target(self) -> pd.DataFrame:
        """The target correlation, (N, N)."""
        return pd.DataFrame(self.likelihood.target, list(self.names), list(self.names))

    @property
    def converged(self) -> bool:
        """Whether this step and every margin converged."""
        return super().converged and self.margins.converged

    def _title_line(self) -> str:
        return f"{self.spec.name}: {', '.join(self.names)}"

    def _reference_keys(self) -> tuple[str, ...]:
        own = ("engle2002", "englesheppard2001") if self.spec.dynamic else ("bollerslev1990",)
        margins = tuple(key for fit in self.margins.fits for key in fit._reference_keys())
        return (*own, *margins, "neweymcfadden1994")

    def _position(self, name: str) -> int:
        if name not in self.names:
            raise SpecError(f"no column {name!r} in this fit; there are {', '.join(self.names)}.")
        return self.names.index(name)

    def correlation(self, i: str, j: str) -> pd.Series:
        """Conditional correlation of two columns by date, (T,): R_t uses information up to t - 1."""
        path = self.likelihood.path(self.theta, [self._position(i)], [self._position(j)])[:-1, 0]
        return pd.Series(path, self.std_resid.index, name=f"corr({i}, {j})")

    def correlation_band(
        self, i: str, j: str, *, level: float = 0.95, draws: int = 500, rng: int | np.random.Generator = 0
    ) -> pd.DataFrame:
        """Pointwise band of a path for estimated parameters; see `cryptoequity.correlation.bands.correlation_band`."""
        from .bands import correlation_band

        return correlation_band(self, i, j, level=level, draws=draws, rng=rng)

    def correlations(self) -> pd.DataFrame:
        """All pairs i < j as columns, (T, pairs)."""
        rows, cols = np.triu_indices(len(self.names), 1)
        path = self.likelihood.path(self.theta, rows, cols)[:-1]
        columns = pd.MultiIndex.from_tuples([(self.names[i], self.names[j]) for i, j in zip(rows, cols, strict=True)])
        return pd.DataFrame(path, self.std_resid.index, columns)

    def forecast(
        self,
        horizon: int = 1,
        *,
        method: str = "R",
        paths: int = 1000,
        rng: int | np.random.Generator | None = None,
    ) -> Forecast:
        r"""Forecast from the last date.

        One step ahead is exact. Beyond it ``method="R"`` uses
        :math:`R_{T+h}\approx\bar R+(a+b)^{h-1}(R_{T+1}-\bar R)`, ``"Q"`` the same recursion on :math:`Q` before
        normalising (both Engle & Sheppard 2001), and ``"simulation"`` averages ``paths`` simulated paths,
        which also gives covariances that are not products of expectations; it needs ``rng``.
        """
        check_option("method", method, ("R", "Q", "simulation"))
        if horizon < 1:
            raise SpecError(f"horizon={horizon}: forecast at least one step.")
        n = len(self.names)
        rows, cols = np.triu_indices(n, 1)
        if method == "simulation":
            if rng is None:
                raise SpecError("method='simulation' draws paths: pass rng.")
            volatility, r, covariance = self._simulated_moments(horizon, paths, np.random.default_rng(rng))
        else:
            volatility = np.sqrt(
                np.stack([self._own_margin(fit).variance_forecast(horizon) for fit in self.margins.fits], 1)
            )
            q = self.likelihood.next_q(self.theta)
            a, b, _, _ = self.likelihood.split(self.theta)
            root = np.sqrt(np.diag(q))
            one, bar = q / np.outer(root, root), self.likelihood.target
            decay = (a + b) ** np.arange(horizon)[:, None, None]
            if method == "R":
                r = bar + decay * (one - bar)
            else:
                ahead = bar + decay * (q - bar)
                roots = np.sqrt(np.einsum("hii->hi", ahead))
                r = ahead / (roots[:, :, None] * roots[:, None, :])
            covariance = r * volatility[:, :, None] * volatility[:, None, :]
        steps = pd.RangeIndex(1, horizon + 1, name="h")
        pairs = pd.MultiIndex.from_tuples([(self.names[i], self.names[j]) for i, j in zip(rows, cols, strict=True)])
        return Forecast(
            pd.DataFrame(volatility, steps, list(self.names)),
            pd.DataFrame(r[:, rows, cols], steps, pairs),
            covariance,
            method,
        )

    def _own_margin(self, fit: MarginFit | ArchMargin) -> MarginFit:
        if isinstance(fit, ArchMargin):
            raise SpecError(f"{fit.name}: forecast and simulate need our own margins, not an arch result.")
        return fit

    def _simulated_moments(self, horizon: int, paths: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        n = len(self.names)
        a, b, nu, _ = self.likelihood.split(self.theta)
        q = self.likelihood.next_q(self.theta)
        sigma2, outer, corr = np.zeros((horizon, n)), np.zeros((horizon, n, n)), np.zeros((horizon, n, n))
        fits = [self._own_margin(fit) for fit in self.margins.fits]
        for _ in range(paths):
            shocks = draw_shocks(rng, horizon, n, nu)
            z = dcc_simulate(a, b, self.likelihood.target, shocks, q)
            variance = np.stack([fit.conditional_variances(z[:, i]) for i, fit in enumerate(fits)], axis=1)
            r = self._paths_from(z, a, b, q)
            s = np.sqrt(variance)
            sigma2 += variance
            corr += r
            outer += r * s[:, :, None] * s[:, None, :]
        return np.sqrt(sigma2 / paths), corr / paths, outer / paths

    def _paths_from(self, z: Array, a: float, b: float, q: Array) -> Array:
        out = np.empty((z.shape[0], *q.shape))
        for t in range(z.shape[0]):
            if t:
                q = (1 - a - b) * self.likelihood.target + a * np.outer(z[t - 1], z[t - 1]) + b * q
            root = np.sqrt(np.diag(q))
            out[t] = q / np.outer(root, root)
        return out

    def simulate(self, nobs: int, *, rng: int | np.random.Generator) -> pd.DataFrame:
        """Simulate percent returns (nobs, N) from the fitted model, starting at its unconditional state."""
        generator = np.random.default_rng(rng)
        a, b, nu, _ = self.likelihood.split(self.theta)
        shocks = draw_shocks(generator, nobs, len(self.names), nu)
        z = dcc_simulate(a, b, self.likelihood.target, shocks, self.likelihood.target)
        columns = {}
        for i, one in enumerate(self.margins.fits):
            fit = self._own_margin(one)
            columns[fit.name] = simulate_margin(
                fit.spec, fit.estimate.theta, np.ascontiguousarray(z[:, i]), fit.start_variance
            )[0]
        return pd.DataFrame(columns)

    def filter(self, returns: pd.DataFrame) -> CorrelationFit:
        """Run new ``returns`` through this fit's parameters: volatilities, residuals and correlations.

        The target stays the fitted one; the recursions start by back-casting on the new data.
        Estimates and their covariance are carried over unchanged.
        """
        frame = check_returns(returns)
        missing = [name for name in self.names if name not in frame.columns]
        if missing:
            raise DataError(f"column {missing[0]!r} of the fit is not in the new returns.")
        margins = gather([self._own_margin(fit).filter(frame[fit.name]) for fit in self.margins.fits])
        z = margins.std_resid.to_numpy(float)
        lik = CorrelationLikelihood(
            z,
            dynamic=self.spec.dynamic,
            dist=self.spec.dist,
            target=self.likelihood.target,
            presample=self.spec.start_rule,
        )
        loglik = lik.evaluate(self.theta, 0)[0] - np.log(margins.volatility.to_numpy()).sum(axis=1)
        old = self.estimate
        estimate = Estimate(
            old.names,
            old.theta,
            old.cov,
            float(loglik.sum()),
            z.shape[0],
            old.free_count,
            old.cov_type,
            None,
            old.bounded,
        )
        return CorrelationFit(
            spec=self.spec,
            margins=margins,
            _estimate=estimate,
            theta=self.theta,
            loglik_obs=pd.Series(loglik, margins.std_resid.index, name="loglik"),
            likelihood=lik,
            options=self.options,
        )

    def to_json(self) -> str:
        """JSON text; `CorrelationFit.from_json` gives the fit back."""
        optimum = self.estimate.optimum
        if optimum is None and self.theta.size:
            raise SpecError("a filtered path has no optimum to write; write the fit it came from.")
        return json.dumps(
            {
                "spec": self.spec.to_dict(),
                "margins": self.margins.to_dict(),
                "optimum": None if optimum is None else optimum_to_dict(optimum),
                "options": list(self.options),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> CorrelationFit:
        """Rebuild from `to_json`: data are filtered again with the stored parameters."""
        from .dcc import estimate_correlation, spec_from_dict

        content = json.loads(text)
        cov_type, target_noise, lags = content["options"]
        optimum = content["optimum"]
        return estimate_correlation(
            spec_from_dict(content["spec"]),
            Margins.from_dict(content["margins"]),
            cov_type,
            target_noise,
            lags,
            optimum=None if optimum is None else optimum_from_dict(optimum),
        )


def draw_shocks(rng: np.random.Generator, nobs: int, n: int, nu: float) -> Array:
    """Uncorrelated unit-variance shocks (nobs, n): normal, or jointly t when ``nu`` > 0."""
    shocks = rng.standard_normal((nobs, n))
    if nu > 0:
        shocks *= np.sqrt((nu - 2.0) / rng.chisquare(nu, nobs))[:, None]
    return shocks
