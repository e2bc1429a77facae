"""A fitted `RSDC`: margins and regimes together. Paths, forecasts, simulated returns, bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..correlation.bands import _feasible, _residuals_at, _square_root
from ..data.checks import check_returns
from ..errors import DataError, SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import mark_filtered
from ..volatility import ArchMargin, MarginFit, Margins
from ..volatility.garch import simulate_margin
from ..volatility.margins import gather
from .chain_fit import KINDS
from .fit import RegimeFit, RegimeForecast, draw_states
from .gaussian import GaussianEmission
from .likelihood import infer
from .scaled import ScaledEmission
from .stored import Found, found

__all__ = ["RSDCFit", "RSDCForecast"]

TRIES = 50  # draws of the parameters per draw that is feasible; beyond, a band would describe a bound


@dataclass(frozen=True)
class RSDCForecast(RegimeForecast):
    """Forecasts made at the last date, horizons 1 to H; see `RegimeForecast`.

    Attributes
    ----------
    volatility : (H, N) percent, square root of E[sigma^2]. method : how covariances beyond one step were obtained.
    """

    volatility: pd.DataFrame = field(default_factory=pd.DataFrame)
    method: str = "R"


@dataclass(frozen=True, eq=False)
class RSDCFit(RegimeFit):
    """A fitted `RSDC`; see `RegimeFit`. Parameters are those of the margins, the correlations and the chain.

    ``theta`` holds those of the correlations and the chain; moments and paths named ``conditional_...`` are of the
    returns, and ``pit`` and what follows from it of the standardized residuals, which have the same transforms.

    Attributes
    ----------
    margins : the fitted margins.
    """

    margins: Margins = field(default_factory=lambda: Margins((), pd.DataFrame(), pd.DataFrame()), repr=False)

    # --- margins

    @property
    def loglik_obs(self) -> pd.Series:
        """Joint log-likelihood by date."""
        jacobian = np.log(self.volatility.to_numpy(float)).sum(axis=1)
        return pd.Series(self.inference.loglik - jacobian, self.index, name="loglik")

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
        columns = [self._own(fit).returns.loc[self.index] for fit in self.margins.fits]
        return pd.DataFrame(np.column_stack(columns), self.index, list(self.names))

    @property
    def converged(self) -> bool:
        """Whether this step and every margin converged."""
        return super().converged and self.margins.converged

    def _own(self, fit: MarginFit | ArchMargin) -> MarginFit:
        if isinstance(fit, ArchMargin):
            raise SpecError(f"{fit.name}: this needs our own margins, not an arch result.")
        return fit

    def _reference_keys(self) -> tuple[str, ...]:
        margins = tuple(key for fit in self.margins.fits for key in fit._reference_keys())
        return (*self.spec.references, *margins)

    # --- correlations and paths

    @property
    def strengths(self) -> pd.Series:
        """Shares lambda of the correlation matrix by regime, (k,), of the scaled structure."""
        if not isinstance(self.emission, ScaledEmission):
            raise SpecError("strengths: each regime has a matrix of its own; structure='scaled' has strengths.")
        values = self.emission.strengths(self.likelihood.split(self.theta)[0])
        return pd.Series(values, self.regime_names, name="lambda")

    def correlations(self) -> pd.DataFrame:
        """Correlation of every pair in each regime, (pairs, k)."""
        corr = self.regime_correlations()
        rows, cols = np.triu_indices(len(self.names), 1)
        return pd.DataFrame(corr[:, rows, cols].T, self._pairs(), self.regime_names)

    def regime_correlations(self) -> Array:
        """Correlation matrices of the regimes, (k, N, N)."""
        return self.emission.moments(self.likelihood.split(self.theta)[0])[1]

    def _pairs(self) -> pd.MultiIndex:
        rows, cols = np.triu_indices(len(self.names), 1)
        return pd.MultiIndex.from_tuples([(self.names[i], self.names[j]) for i, j in zip(rows, cols, strict=True)])

    def correlation(self, i: str, j: str, kind: str = "predicted") -> pd.Series:
        """Correlation of two columns by date, (T,): "predicted" knows the past only, "smoothed" the future too."""
        check_option("kind", kind, KINDS)
        a, b = self._position(i), self._position(j)
        path = self._states(kind) @ self.regime_correlations()[:, a, b]
        return mark_filtered(pd.Series(path, self.index, name=f"corr({i}, {j})"))

    def conditional_correlation(self, i: str, j: str, kind: str = "predicted") -> pd.Series:
        """See `correlation`."""
        return self.correlation(i, j, kind)

    def conditional_mean(self, kind: str = "predicted") -> pd.DataFrame:
        """Means of the margins, percent, (T, N); regimes have none of their own."""
        check_option("kind", kind, KINDS)
        return self.returns - self.volatility * self.std_resid

    def conditional_covariance(self, kind: str = "predicted") -> Array:
        """Covariances of the returns, D_t R_t D_t with the mixture of the regimes' R, percent squared, (T, N, N)."""
        sigma = self.volatility.to_numpy(float)
        corr = np.einsum("tk,kij->tij", self._states(kind), self.regime_correlations())
        out: Array = corr * sigma[:, :, None] * sigma[:, None, :]
        return out

    def covariance_at(self, date: Any, kind: str = "predicted") -> pd.DataFrame:
        """The covariance matrix of one date, percent squared, (N, N)."""
        at = self.index.get_loc(date)
        return pd.DataFrame(self.conditional_covariance(kind)[at], list(self.names), list(self.names))

    def correlation_band(
        self,
        i: str,
        j: str,
        *,
        kind: str = "predicted",
        level: float = 0.95,
        draws: int = 500,
        rng: int | np.random.Generator = 0,
    ) -> pd.DataFrame:
        r"""Pointwise band of a correlation path for parameters that are estimated, (T, 3): lower, estimate, upper.

        Parameters of margins, correlations and chain are drawn together from :math:`N(\hat\theta,\hat V)`, the returns
        are filtered again under each draw, and the band runs between quantiles of the paths at each date. Draws outside
        the parameter space are rejected and drawn anew, parameters without a standard error stay. Margins of the
        ``arch`` package move linearly with their parameters.

        The band is about parameters. That the regime of a date is not known is in the path itself, which lies between
        the regimes' correlations, and not in the band.

        Raises
        ------
        SpecError : unknown columns, a level outside (0, 1), fewer than 50 draws.
        DataError : fewer than one draw in fifty is feasible.
        """
        if not 0.0 < level < 1.0:
            raise SpecError(f"level={level}: a level lies between 0 and 1, e.g. 0.95.")
        if not isinstance(draws, int) or draws < 50:
            raise SpecError(f"draws={draws!r}: quantiles of fewer than 50 paths are noise.")
        estimate = self.correlation(i, j, kind)
        if i == j:
            raise SpecError(f"the correlation of {i!r} with itself is 1 and has no band.")
        a, b = self._position(i), self._position(j)
        filters = [_residuals_at(fit) for fit in self.margins.fits]
        ends = np.cumsum([0, *(len(fit.estimate.names) for fit in self.margins.fits)]).tolist()
        center, cov = self.estimate.theta, self.estimate.cov
        free = np.isfinite(np.diag(cov))
        root = _square_root(cov[np.ix_(free, free)])
        generator = np.random.default_rng(rng)
        paths: list[Array] = []
        tried = 0
        while len(paths) < draws:
            if tried >= TRIES * draws:
                raise DataError(
                    f"only {len(paths)} of {tried:,} draws of the parameters are feasible: the estimates sit at a "
                    "bound with wide errors; the path has no band by this route."
                )
            tried += 1
            theta = center.copy()
            theta[free] += root @ generator.standard_normal(int(free.sum()))
            own = theta[ends[-1] :]
            if not _feasible(self.likelihood.layout, own):
                continue
            columns = [run(theta[ends[n] : ends[n + 1]]) for n, run in enumerate(filters)]
            if any(column is None for column in columns):
                continue
            paths.append(self._path(np.column_stack(columns), own, kind, a, b))  # type: ignore[arg-type]
        tail = 0.5 * (1.0 - level)
        lower, upper = np.quantile(np.array(paths), [tail, 1.0 - tail], axis=0)
        band = pd.DataFrame({"lower": lower, "estimate": estimate.to_numpy(), "upper": upper}, self.index)
        band.attrs = {"level": level, "draws": draws, "rejected": tried - draws}
        return band

    def _path(self, z: Array, theta: Array, kind: str, a: int, b: int) -> Array:
        """Correlation of columns ``a`` and ``b`` under other residuals and parameters, (T,)."""
        old = self.emission
        assert isinstance(old, GaussianEmission)
        structure = "scaled" if isinstance(old, ScaledEmission) else "full"
        emission = emission_of(z, self.names, self.k, structure=structure, student=old.student)
        inner, outer = self.likelihood.split(theta)
        first = self.chain.start(outer, self.likelihood.best_first)[0]
        run = infer(emission.density(inner), self.chain.matrices(outer), first)
        states: Array = run.smooth()[0] if kind == "smoothed" else getattr(run, kind)
        out: Array = states @ emission.moments(inner)[1][:, a, b]
        return out

    # --- ahead

    def forecast(
        self,
        horizon: int = 1,
        *,
        drivers: pd.DataFrame | pd.Series | None = None,
        method: str = "R",
        paths: int = 1000,
        rng: int | np.random.Generator | None = None,
    ) -> RSDCForecast:
        r"""Probabilities, means, volatilities, correlations and covariances 1 to ``horizon`` dates after the last.

        Probabilities follow the chain, and :math:`\operatorname{E}R_{T+h}` is their mixture of the regimes' matrices:
        exact at every horizon, where drivers are known. ``method="R"`` multiplies it by the margins' volatility
        forecasts, which is exact one date ahead; ``"simulation"`` averages ``paths`` simulated paths, because
        :math:`\operatorname{E}\sigma_i\sigma_j\rho` is not the product of the three beyond, and needs ``rng``.

        Parameters
        ----------
        drivers : rows of future drivers, row h acting on date T + h (lag them beforehand); needed with drivers.
        """
        check_option("method", method, ("R", "simulation"))
        if not isinstance(horizon, int) or isinstance(horizon, bool) or horizon < 1:
            raise SpecError(f"horizon={horizon!r}: a whole number of dates, at least 1.")
        probabilities = self._ahead(horizon, drivers)
        fits = [self._own(fit) for fit in self.margins.fits]
        corr = np.einsum("hk,kij->hij", probabilities, self.regime_correlations())
        if method == "simulation":
            if rng is None:
                raise SpecError("method='simulation' draws paths: pass rng.")
            if not isinstance(paths, int) or paths < 1:
                raise SpecError(f"paths={paths!r}: at least one path.")
            volatility, covs = self._simulated(horizon, paths, np.random.default_rng(rng), drivers, fits)
        else:
            volatility = np.sqrt(np.stack([fit.variance_forecast(horizon) for fit in fits], axis=1))
            covs = corr * volatility[:, :, None] * volatility[:, None, :]
        rows, cols = np.triu_indices(len(self.names), 1)
        steps = pd.RangeIndex(1, horizon + 1, name="horizon")
        names = list(self.names)
        return RSDCForecast(
            pd.DataFrame(probabilities, steps, self.regime_names),
            pd.DataFrame(np.stack([mean_forecast(fit, horizon) for fit in fits], axis=1), steps, names),
            covs,
            pd.DataFrame(corr[:, rows, cols], steps, self._pairs()),
            pd.DataFrame(volatility, steps, names),
            method,
        )

    def _simulated(
        self,
        horizon: int,
        paths: int,
        rng: np.random.Generator,
        drivers: pd.DataFrame | pd.Series | None,
        fits: Sequence[MarginFit],
    ) -> tuple[Array, Array]:
        """Volatilities (H, N) and covariances (H, N, N), means over simulated paths of regimes and residuals."""
        inner, _ = self.likelihood.split(self.theta)
        moves = self._matrices_ahead(horizon, drivers)
        first = self.inference.filtered[-1] @ moves[0]
        corr = self.regime_correlations()
        n = len(self.names)
        variances, outer = np.zeros((horizon, n)), np.zeros((horizon, n, n))
        for _ in range(paths):
            states = draw_states(moves, first, horizon, rng)
            z = self.emission.simulate(inner, states, rng)
            variance = np.stack([fit.conditional_variances(z[:, i]) for i, fit in enumerate(fits)], axis=1)
            sigma = np.sqrt(variance)
            variances += variance
            outer += corr[states] * sigma[:, :, None] * sigma[:, None, :]
        return np.sqrt(variances / paths), outer / paths

    def simulate(self, nobs: int | None = None, *, rng: int | np.random.Generator) -> tuple[pd.DataFrame, pd.Series]:
        """Draw percent returns (nobs, N) and regimes (nobs,), numbered from 1; drivers stay as observed.

        Regimes start at the law of the first state, variances at the sample's mean.
        """
        fits = [self._own(fit) for fit in self.margins.fits]
        z, states = super().simulate(nobs, rng=rng)
        columns = {}
        for i, fit in enumerate(fits):
            shocks = np.ascontiguousarray(z.to_numpy()[:, i])
            columns[fit.name] = simulate_margin(fit.spec, fit.estimate.theta, shocks, fit.start_variance)[0]
        return pd.DataFrame(columns, z.index), states

    def filter(self, data: Any, **inputs: Any) -> RSDCFit:
        """Run new percent returns through this fit's parameters: volatilities, residuals, probabilities, paths.

        Volatilities start by back-casting on the new data and regimes at the law of the first state of the fit.
        Estimates and their covariance are carried over unchanged. For dates after the sample give the old returns with
        the new ones behind them: up to the last old date everything is then what it was, but for the back-cast.

        Parameters
        ----------
        data : percent returns with the columns of the fit. inputs : ``drivers=`` for the dates of ``data``.

        Raises
        ------
        DataError : a column of the fit is missing, or returns that cannot be used.
        """
        unknown = sorted(set(inputs) - {"drivers"})
        if unknown:
            raise SpecError(f"{unknown[0]}=: filter takes returns and drivers=.")
        frame = check_returns(data)
        missing = [name for name in self.names if name not in frame.columns]
        if missing:
            raise DataError(f"column {missing[0]!r} of the fit is not in the new returns.")
        margins = gather([self._own(fit).filter(frame[fit.name]) for fit in self.margins.fits])
        with found(Found(self.spec, self.estimate, (), True, self.inference.first)):
            out = self.spec.fit(margins, starts=1, **inputs)
        assert isinstance(out, RSDCFit)
        return out


def mean_forecast(fit: MarginFit, horizon: int) -> Array:
    """Means of the dates after the sample, percent, (horizon,)."""
    if fit.spec.mean == "zero":
        return np.zeros(horizon)
    theta, lags = fit.estimate.theta, fit.spec.lags
    past = list(fit.returns.to_numpy(float)[-lags:]) if lags else []
    for _ in range(horizon):
        past.append(float(theta[0]) + sum(float(theta[1 + i]) * past[-1 - i] for i in range(lags)))
    return np.array(past[-horizon:])


def emission_of(z: Array, names: tuple[str, ...], k: int, *, structure: str, student: bool) -> GaussianEmission:
    """Densities of standardized residuals ``z`` (T, N) with free matrices or one of switching strength."""
    if structure == "scaled":
        return ScaledEmission(z, names, k, student=student)
    return GaussianEmission(z, names, k, mean="zero", scale="unit", student=student, order_by="correlation")
