"""A fitted correlation model: paths, forecasts, simulation, filtering, JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from ..data.checks import check_returns
from ..errors import DataError, SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import Estimate, FitMixin, mark_filtered
from ..table import Table, format_number
from ..volatility import ArchMargin, MarginFit, Margins
from ..volatility.garch import optimum_from_dict, optimum_to_dict, simulate_margin
from ..volatility.margins import gather
from .composite import JOINT_MOST, Pairs, joint_loglik
from .model import CELLS, PathModel, TargetModel
from .named_covariance import FULL_MOST
from .targets import CorrelationTarget

if TYPE_CHECKING:
    from .spec import CorrelationSpec

__all__ = ["CorrelationFit", "Forecast", "draw_shocks", "whiten"]


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
    """A fitted correlation model.

    Attributes
    ----------
    spec : the specification. margins : the fitted margins. theta : the correlation step's own parameters.
    loglik_obs : (T,) joint log-likelihood of each date. driver : (T, M) what drives the correlation, or None.
    pairs : the pairs of a composite likelihood, or None.
    """

    _title: ClassVar[str] = "Correlation"

    spec: CorrelationSpec
    margins: Margins
    _estimate: Estimate = field(repr=False)
    theta: Array = field(repr=False)
    loglik_obs: pd.Series = field(repr=False)
    likelihood: PathModel = field(repr=False)
    options: tuple[str, str, int | None] = field(repr=False)
    driver: pd.DataFrame | None = field(default=None, repr=False)
    pairs: Pairs | None = None
    given: CorrelationTarget | None = field(default=None, repr=False)

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
    def returns(self) -> pd.DataFrame:
        """Percent returns on the dates of the residuals, (T, N)."""
        columns = [self._own_margin(fit).returns.loc[self.std_resid.index] for fit in self.margins.fits]
        return pd.DataFrame(np.column_stack(columns), self.std_resid.index, list(self.names))

    @property
    def mean(self) -> pd.DataFrame:
        """Conditional means, percent, (T, N)."""
        return self.returns - self.volatility * self.std_resid

    @property
    def target(self) -> pd.DataFrame:
        """The target correlation, (N, N), of a model that has one."""
        if not isinstance(self.likelihood, TargetModel):
            raise SpecError(f"{self.spec.name} returns to no target.")
        return pd.DataFrame(self.likelihood.target, list(self.names), list(self.names))

    @property
    def converged(self) -> bool:
        """Whether this step and every margin converged."""
        return super().converged and self.margins.converged

    @property
    def concerns(self) -> tuple[str, ...]:
        """Sentences on what the estimate does not identify."""
        return () if self.optimum is None else self.likelihood.concerns(self.optimum)

    def summary(self) -> Table:
        """Return the fit as a table; the same fit always gives the same text."""
        table = super().summary()
        rows, notes = table.rows, [*table.notes, *(f"Note: {concern}." for concern in self.concerns)]
        if self.pairs is not None:
            reached = format_number(self.pairs.loglik)
            notes.append(f"composite likelihood, mean of {self.pairs.text}: log-likelihood of the residuals {reached}")
            if len(self.names) > JOINT_MOST:
                notes.append(f"no joint log-likelihood: computed up to {JOINT_MOST} columns after a composite fit")
        if len(self.names) > FULL_MOST:
            rows = tuple(row for row in rows if row[0] in self.likelihood.layout.names)
            notes.append("margins: fit.margins.summary(); the target, fit.target, has no standard errors here")
        return replace(table, rows=rows, notes=tuple(notes))

    def _title_line(self) -> str:
        if len(self.names) > FULL_MOST:
            return f"{self.spec.name}: {len(self.names)} columns, {self.names[0]} to {self.names[-1]}"
        return f"{self.spec.name}: {', '.join(self.names)}"

    def _reference_keys(self) -> tuple[str, ...]:
        own = self.spec.references
        margins = tuple(key for fit in self.margins.fits for key in fit._reference_keys())
        pairs = () if self.pairs is None else ("pakel2021",)
        return (*own, *pairs, *margins, "neweymcfadden1994")

    def _position(self, name: str) -> int:
        if name not in self.names:
            raise SpecError(f"no column {name!r} in this fit; there are {', '.join(self.names)}.")
        return self.names.index(name)

    def correlation(self, i: str, j: str) -> pd.Series:
        """Conditional correlation of two columns by date, (T,): R_t uses information up to t - 1."""
        path = self.likelihood.path(self.theta, [self._position(i)], [self._position(j)])[:, 0]
        return mark_filtered(pd.Series(path, self.std_resid.index, name=f"corr({i}, {j})"))

    def correlation_band(
        self, i: str, j: str, *, level: float = 0.95, draws: int = 500, rng: int | np.random.Generator = 0
    ) -> pd.DataFrame:
        """Pointwise band of a path for estimated parameters; see `cryptoequity.correlation.bands.correlation_band`."""
        from .bands import correlation_band

        return correlation_band(self, i, j, level=level, draws=draws, rng=rng)

    def correlations(self) -> pd.DataFrame:
        """All pairs i < j as columns, (T, pairs)."""
        rows, cols = np.triu_indices(len(self.names), 1)
        path = self.likelihood.path(self.theta, rows, cols)
        columns = pd.MultiIndex.from_tuples([(self.names[i], self.names[j]) for i, j in zip(rows, cols, strict=True)])
        return pd.DataFrame(path, self.std_resid.index, columns)

    def correlation_at(self, date: Any) -> pd.DataFrame:
        """The correlation matrix of one date, (N, N)."""
        at = self.std_resid.index.get_loc(date)
        rows, cols = self.likelihood.pairs
        size = max(1, CELLS // self.nobs)
        blocks = [slice(first, first + size) for first in range(0, rows.size, size)]
        flat = np.concatenate([self.likelihood.path(self.theta, rows[part], cols[part])[at] for part in blocks])
        return pd.DataFrame(self.likelihood.matrix(flat), list(self.names), list(self.names))

    def covariance_at(self, date: Any) -> pd.DataFrame:
        """The covariance matrix of one date, percent squared, (N, N)."""
        sigma = self.volatility.loc[date].to_numpy(float)
        return self.correlation_at(date) * np.outer(sigma, sigma)

    def forecast(
        self,
        horizon: int = 1,
        *,
        method: str = "R",
        paths: int = 1000,
        driver: pd.DataFrame | pd.Series | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> Forecast:
        r"""Forecast from the last date.

        One step ahead is exact. Beyond it ``method="R"`` uses
        :math:`R_{T+h}\approx\bar R+(a+b)^{h-1}(R_{T+1}-\bar R)`, ``"Q"`` the same recursion on :math:`Q` before
        normalising (both Engle & Sheppard 2001), ``"simulation"`` averages ``paths`` simulated paths,
        which also gives covariances that are not products of expectations, and ``"bootstrap"`` does so with the
        sample's own whitened residuals instead of the model's density; both need ``rng``. A model that is driven
        needs the ``driver`` of the ``horizon`` dates ahead.
        """
        check_option("method", method, ("R", "Q", "simulation", "bootstrap"))
        if horizon < 1:
            raise SpecError(f"horizon={horizon}: forecast at least one step.")
        ahead = self._future_driver(driver, horizon)
        rows, cols = self.likelihood.pairs
        if method in ("simulation", "bootstrap"):
            if rng is None:
                raise SpecError(f"method={method!r} draws paths: pass rng.")
            generator = np.random.default_rng(rng)
            volatility, r, covariance = self._simulated_moments(horizon, paths, generator, method, ahead)
        else:
            volatility = np.sqrt(
                np.stack([self._own_margin(fit).variance_forecast(horizon) for fit in self.margins.fits], 1)
            )
            if horizon == 1:
                r = self.likelihood.ahead(self.theta, ahead)[None]
            else:
                r = self.likelihood.expected(self.theta, horizon, method, ahead)
            covariance = r * volatility[:, :, None] * volatility[:, None, :]
        steps = pd.RangeIndex(1, horizon + 1, name="h")
        pairs = pd.MultiIndex.from_tuples([(self.names[i], self.names[j]) for i, j in zip(rows, cols, strict=True)])
        return Forecast(
            pd.DataFrame(volatility, steps, list(self.names)),
            pd.DataFrame(r[:, rows, cols], steps, pairs),
            covariance,
            method,
        )

    def _future_driver(self, driver: pd.DataFrame | pd.Series | None, horizon: int) -> Array | None:
        """Values of the driver for dates to come, (H, M)."""
        if self.driver is None:
            if driver is not None:
                raise SpecError(f"{self.spec.name} takes no driver.")
            return None
        columns = [str(name) for name in self.driver.columns]
        if driver is None:
            raise SpecError(f"{self.spec.name} needs driver=: {', '.join(columns)} for the next {horizon} dates.")
        values = np.asarray(driver, float)
        values = values[:, None] if values.ndim == 1 else values
        if values.shape != (horizon, len(columns)):
            raise SpecError(
                f"driver has shape {values.shape}; the next {horizon} dates need ({horizon}, {len(columns)})."
            )
        if not np.isfinite(values).all():
            raise DataError("driver: values for the dates ahead must be finite.")
        return values

    def _own_margin(self, fit: MarginFit | ArchMargin) -> MarginFit:
        if isinstance(fit, ArchMargin):
            raise SpecError(f"{fit.name}: forecast and simulate need our own margins, not an arch result.")
        return fit

    def _simulated_moments(
        self, horizon: int, paths: int, rng: np.random.Generator, method: str, driver: Array | None
    ) -> tuple[Array, Array, Array]:
        n = len(self.names)
        rows, cols = self.likelihood.pairs
        nu = self.likelihood.density(self.theta)[0]
        pool = self.whitened() if method == "bootstrap" else None
        sigma2, outer, corr = np.zeros((horizon, n)), np.zeros((horizon, n, n)), np.zeros((horizon, n, n))
        fits = [self._own_margin(fit) for fit in self.margins.fits]
        for _ in range(paths):
            if pool is None:
                shocks = draw_shocks(rng, horizon, n, nu)
            else:
                shocks = pool[rng.integers(0, pool.shape[0], horizon)]
            z, flat = self.likelihood.simulate(self.theta, shocks, rows, cols, driver=driver, warm=True)
            variance = np.stack([fit.conditional_variances(z[:, i]) for i, fit in enumerate(fits)], axis=1)
            r = np.broadcast_to(np.eye(n), (horizon, n, n)).copy()
            r[:, rows, cols] = r[:, cols, rows] = flat
            s = np.sqrt(variance)
            sigma2 += variance
            corr += r
            outer += r * s[:, :, None] * s[:, None, :]
        return np.sqrt(sigma2 / paths), corr / paths, outer / paths

    def whitened(self) -> Array:
        """Shocks u_t = L_t^{-1} z_t with R_t = L_t L_t', (T, N): uncorrelated with unit variance under the model."""
        return whiten(self.likelihood, self.theta)

    def simulate(
        self, nobs: int, *, rng: int | np.random.Generator, driver: pd.DataFrame | pd.Series | None = None
    ) -> pd.DataFrame:
        """Simulate percent returns (nobs, N) from the fitted model, starting at its unconditional state.

        A driven model needs the ``driver`` of the ``nobs`` dates.
        """
        generator = np.random.default_rng(rng)
        nu = self.likelihood.density(self.theta)[0]
        shocks = draw_shocks(generator, nobs, len(self.names), nu)
        z, _ = self.likelihood.simulate(self.theta, shocks, driver=self._future_driver(driver, nobs))
        columns = {}
        for i, one in enumerate(self.margins.fits):
            fit = self._own_margin(one)
            columns[fit.name] = simulate_margin(
                fit.spec, fit.estimate.theta, np.ascontiguousarray(z[:, i]), fit.start_variance
            )[0]
        return pd.DataFrame(columns)

    def filter(self, returns: pd.DataFrame, *, driver: pd.DataFrame | pd.Series | None = None) -> CorrelationFit:
        """Run new ``returns`` through this fit's parameters: volatilities, residuals and correlations.

        The target stays the fitted one; the recursions start by back-casting on the new data.
        Estimates and their covariance are carried over unchanged. A driven model needs the new dates' ``driver``.
        """
        from .spec import check_driver

        frame = check_returns(returns)
        missing = [name for name in self.names if name not in frame.columns]
        if missing:
            raise DataError(f"column {missing[0]!r} of the fit is not in the new returns.")
        margins = gather([self._own_margin(fit).filter(frame[fit.name]) for fit in self.margins.fits])
        z = margins.std_resid.to_numpy(float)
        drivers = check_driver(driver, margins.std_resid.index, self.spec.drivers, self.spec.name)
        lik = self.likelihood.fixed(z, None if drivers is None else drivers.to_numpy(float))
        if lik.timed:
            lik = lik.since(self._place(margins.std_resid.index))
        loglik = joint_loglik(lik, self.theta, self.pairs) - np.log(margins.volatility.to_numpy()).sum(axis=1)
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
        return type(self)(
            spec=self.spec,
            margins=margins,
            _estimate=estimate,
            theta=self.theta,
            loglik_obs=pd.Series(loglik, margins.std_resid.index, name="loglik"),
            likelihood=lik,
            options=self.options,
            driver=drivers,
            pairs=self.pairs,
        )

    def _place(self, index: pd.Index) -> int:
        """Row of the fitted sample at which ``index`` begins."""
        known = self.std_resid.index
        place = int(known.get_indexer(index[:1])[0])
        if place < 0:
            raise DataError(
                f"{self.spec.name} is driven by time: the new returns begin at {index[0]}, which is none of the "
                f"{len(known)} dates from {known[0]} to {known[-1]}; begin them at one of these."
            )
        return place

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
                "driver": None if self.driver is None else {str(k): v.tolist() for k, v in self.driver.items()},
                "pairs": None if self.pairs is None else [self.pairs.kind, self.pairs.seed],
                "target": None if self.given is None else self.given.to_dict(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> CorrelationFit:
        """Rebuild from `to_json`: data are filtered again with the stored parameters."""
        from .spec import estimate_correlation, spec_from_dict

        content = json.loads(text)
        if content["options"][1] == "joint":
            from .joint import joint_from_dict

            return joint_from_dict(content)
        cov_type, target_noise, lags = content["options"]
        optimum, driver, pairs = content["optimum"], content["driver"], content.get("pairs")
        margins = Margins.from_dict(content["margins"])
        return estimate_correlation(
            spec_from_dict(content["spec"]),
            margins,
            cov_type,
            target_noise,
            lags,
            optimum=None if optimum is None else optimum_from_dict(optimum),
            driver=None if driver is None else pd.DataFrame(driver, margins.std_resid.index),
            pairs=None if pairs is None else Pairs(pairs[0], pairs[1]),
            target=None if content["target"] is None else CorrelationTarget.from_dict(content["target"]),
        )


def draw_shocks(rng: np.random.Generator, nobs: int, n: int, nu: float) -> Array:
    """Uncorrelated unit-variance shocks (nobs, n): normal, or jointly t when ``nu`` > 0."""
    shocks = rng.standard_normal((nobs, n))
    if nu > 0:
        shocks *= np.sqrt((nu - 2.0) / rng.chisquare(nu, nobs))[:, None]
    return shocks


def whiten(lik: PathModel, theta: Array) -> Array:
    """Shocks u_t = L_t^{-1} z_t with R_t = L_t L_t', (T, N), chunk by chunk: no array of T matrices is held."""
    rows, cols = lik.pairs
    flat = lik.path(theta, rows, cols)
    data = lik.correlated(theta)
    out = np.empty_like(data)
    size = max(1, 200_000 // lik.n**2)
    for first in range(0, lik.nobs, size):
        part = flat[first : first + size]
        r = np.broadcast_to(np.eye(lik.n), (len(part), lik.n, lik.n)).copy()
        r[:, rows, cols] = r[:, cols, rows] = part
        low = np.linalg.cholesky(r)
        out[first : first + size] = np.linalg.solve(low, data[first : first + size, :, None])[:, :, 0]
    return out
