r"""Models of the covariance path :math:`H_t` of returns, without a correlation recursion of their own.

.. math::

    r_t = \mu + \varepsilon_t, \qquad \operatorname{E}_{t-1}\varepsilon_t\varepsilon_t' = H_t .

A model is a `CovarianceSpec` (choices) that builds a `CovarianceLikelihood` (numbers on arrays); its `fit` gives a
`CovarianceFit`, which answers to the same names as `CorrelationFit`. Estimation has up to three steps: the mean
:math:`\hat\mu`, targets such as the sample covariance, and the parameters of the likelihood; `stacked_covariance`
counts the noise of the earlier steps in the later ones.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..correlation.fit import Forecast, draw_shocks
from ..data.checks import check_returns
from ..errors import BoundaryWarning, ConvergenceWarning, CryptoEquityWarning, DataError, SpecError, check_option
from ..estimation.inference import COV_TYPES, spread
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array
from ..estimation.results import Estimate, FitMixin, mark_filtered
from ..table import Table
from ..volatility.garch import index_from_dict, index_to_dict, optimum_from_dict, optimum_to_dict
from .steps import CovarianceLikelihood, Targets, stacked_covariance

__all__ = ["CovarianceFit", "CovarianceLikelihood", "CovarianceSpec", "Targets", "spec_from_dict"]

_MODELS: dict[str, type[CovarianceSpec]] = {}


@dataclass(frozen=True)
class CovarianceSpec:
    """What all models of H_t share: the mean, the checks and the fit. Subclasses register themselves by name.

    Parameters
    ----------
    demean : subtract the sample mean first and count its noise; else the mean is taken to be zero.
    """

    demean: bool = field(default=True, kw_only=True)
    references: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _MODELS[cls.__name__] = cls

    @property
    def name(self) -> str:
        """Name of the model in the field's terms."""
        return type(self).__name__

    def build(self, deviations: Array) -> CovarianceLikelihood:
        """Return the likelihood on deviations (T, N); raise `DataError` where the model cannot be formed."""
        raise NotImplementedError

    def climb(self, lik: Any, *, strict: bool = False) -> Optimum | None:
        """Maximise; None for a model without parameters."""
        if lik.layout.size == 0:
            return None
        return maximize(lik, list(lik.starts()), polish=2, strict=strict)

    def targets(self, lik: Any, theta: Array, names: Sequence[str]) -> Targets | None:  # noqa: ARG002
        """Return the targets with their influence, None for a model without any."""
        return None

    def concerns(self, lik: Any, names: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002
        """Return what is uncertain about the model on these data: warnings of the fit, notes of the summary."""
        return ()

    def remarks(self, lik: Any, names: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002
        """Further notes of the summary."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able choices; `spec_from_dict` reads them back."""
        return {"model": type(self).__name__, **asdict(self)}

    def fit(
        self,
        returns: pd.DataFrame,
        *,
        cov_type: str = "robust",
        hac_lags: int | None = None,
        strict: bool = False,
    ) -> CovarianceFit:
        """Fit to returns.

        Parameters
        ----------
        returns : (T, N) percent returns, N >= 2.
        cov_type : "robust", "hac" (Newey–West, ``hac_lags`` or the integer part of 1.2 T^(1/3)) or "classic"
            (minus the inverse Hessian of each step, blind to the steps before it).
        strict : raise `ConvergenceError` where the optimiser stops short.

        Raises
        ------
        DataError : fewer than two columns, no more dates than columns, collinear columns, returns that cannot
            be used; the message names the column, the number and the cure.
        """
        check_option("cov_type", cov_type, COV_TYPES)
        fit = estimate_covariance(self, _checked(returns), cov_type, hac_lags, strict)
        if not fit.converged and fit.optimum is not None:
            warnings.warn(f"{self.name}: {fit.optimum.reason}", ConvergenceWarning, stacklevel=2)
        if fit.at_bound:
            warnings.warn(
                f"{self.name}: on the bound or not identified, no standard error: {', '.join(fit.at_bound)}",
                BoundaryWarning,
                stacklevel=2,
            )
        for concern in fit.concerns:
            warnings.warn(f"{self.name}: {concern}", CryptoEquityWarning, stacklevel=2)
        return fit


def spec_from_dict(choices: dict[str, Any]) -> CovarianceSpec:
    """Rebuild a specification from `CovarianceSpec.to_dict`; its module must have been imported."""
    check_option("model", choices.get("model"), tuple(_MODELS))
    return _MODELS[choices["model"]](**{key: value for key, value in choices.items() if key != "model"})


def _checked(returns: pd.DataFrame) -> pd.DataFrame:
    if isinstance(returns, pd.DataFrame) and returns.shape[1] >= returns.shape[0]:
        raise DataError(
            f"returns: {returns.shape[1]} columns on only {returns.shape[0]} dates, so their covariance is singular; "
            "use a longer sample or fewer columns."
        )
    frame = check_returns(returns)
    if frame.shape[1] < 2:
        raise DataError(f"a covariance model needs two columns; there is only {frame.columns[0]!r}.")
    return frame


@dataclass(frozen=True, eq=False)
class CovarianceFit(FitMixin):
    """A fitted model of the covariance path.

    Attributes
    ----------
    spec : the specification. returns : (T, N) percent.
    center : (N,) mean subtracted before the likelihood. theta : parameters of the likelihood.
    loglik_obs : (T,) log-likelihood of each date.
    options : cov_type and hac_lags of the fit; None for a path filtered with given parameters.
    """

    _title: ClassVar[str] = "Covariance"

    spec: CovarianceSpec
    returns: pd.DataFrame = field(repr=False)
    center: Array = field(repr=False)
    _estimate: Estimate = field(repr=False)
    theta: Array = field(repr=False)
    loglik_obs: pd.Series = field(repr=False)
    likelihood: CovarianceLikelihood = field(repr=False)
    options: tuple[str, int | None] | None = field(default=None, repr=False)

    @property
    def estimate(self) -> Estimate:
        """Named parameters and their covariance."""
        return self._estimate

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(map(str, self.returns.columns))

    @property
    def mean(self) -> pd.DataFrame:
        """Conditional means, percent, (T, N): constant here."""
        return pd.DataFrame(np.tile(self.center, (len(self.returns), 1)), self.returns.index, list(self.names))

    @property
    def volatility(self) -> pd.DataFrame:
        """Conditional volatilities, percent, (T, N)."""
        each = np.arange(len(self.names))
        return pd.DataFrame(np.sqrt(self.likelihood.path(self.theta, each, each)), self.returns.index, list(self.names))

    @property
    def std_resid(self) -> pd.DataFrame:
        """Deviations from the mean over the volatility, (T, N)."""
        return (self.returns - self.center) / self.volatility

    def _title_line(self) -> str:
        return f"{self.spec.name}: {', '.join(self.names)}"

    @property
    def concerns(self) -> tuple[str, ...]:
        """Sentences on what is uncertain about the model on these data."""
        return self.spec.concerns(self.likelihood, self.names)

    def summary(self) -> Table:
        """Return the fit as a table; the same fit always gives the same text."""
        table = super().summary()
        concerns = tuple(f"Note: {text}." for text in self.concerns)
        return replace(table, notes=(*table.notes, *concerns, *self.spec.remarks(self.likelihood, self.names)))

    def _reference_keys(self) -> tuple[str, ...]:
        return self.spec.references

    def _position(self, name: str) -> int:
        if name not in self.names:
            raise SpecError(f"no column {name!r} in this fit; there are {', '.join(self.names)}.")
        return self.names.index(name)

    def correlation(self, i: str, j: str) -> pd.Series:
        """Conditional correlation of two columns by date, (T,): H_t uses information up to t - 1."""
        a, b = self._position(i), self._position(j)
        path = self._correlation_paths([a], [b])[:, 0]
        return mark_filtered(pd.Series(path, self.returns.index, name=f"corr({i}, {j})"))

    def correlations(self) -> pd.DataFrame:
        """All pairs i < j as columns, (T, pairs)."""
        rows, cols = np.triu_indices(len(self.names), 1)
        return pd.DataFrame(self._correlation_paths(rows, cols), self.returns.index, self._pairs(rows, cols))

    def _correlation_paths(self, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        i, j = np.asarray(rows), np.asarray(cols)
        each = np.arange(len(self.names))
        sigma = np.sqrt(self.likelihood.path(self.theta, each, each))
        out: Array = self.likelihood.path(self.theta, i, j) / (sigma[:, i] * sigma[:, j])
        out[:, i == j] = 1.0
        return out

    def _pairs(self, rows: npt.ArrayLike, cols: npt.ArrayLike) -> pd.MultiIndex:
        pairs = zip(np.asarray(rows), np.asarray(cols), strict=True)
        return pd.MultiIndex.from_tuples([(self.names[i], self.names[j]) for i, j in pairs])

    def covariance_at(self, date: Any) -> pd.DataFrame:
        """H_t of one date of the sample, percent squared, (N, N)."""
        try:
            where = self.returns.index.get_loc(date)
        except KeyError:
            where = None
        if not isinstance(where, int):
            first, last = self.returns.index[0], self.returns.index[-1]
            raise SpecError(f"{date!r} is no single date of the sample, which runs from {first} to {last}.")
        each = np.arange(len(self.names))
        # one column after the other: nothing of size T x N x N is held
        columns = [self.likelihood.path(self.theta, each, np.full(each.size, j))[where] for j in each]
        return pd.DataFrame(np.column_stack(columns), list(self.names), list(self.names))

    def correlation_at(self, date: Any) -> pd.DataFrame:
        """The correlation matrix of one date, (N, N)."""
        h = self.covariance_at(date)
        return pd.DataFrame(_scaled(h.to_numpy()[None])[0], h.index, h.columns)

    def whitened(self) -> Array:
        """Shocks u_t = L_t^{-1} (r_t - mu) with H_t = L_t L_t', (T, N): uncorrelated with unit variance if true."""
        n = len(self.names)
        rows, cols = np.tril_indices(n)
        flat = self.likelihood.path(self.theta, rows, cols)
        deviations = self.returns.to_numpy(float) - self.center
        out = np.empty_like(deviations)
        size = max(1, 200_000 // n**2)  # dates at a time: no array of T matrices is held
        for first in range(0, len(out), size):
            part = flat[first : first + size]
            h = np.empty((len(part), n, n))
            h[:, rows, cols] = h[:, cols, rows] = part
            low = np.linalg.cholesky(h)
            out[first : first + size] = np.linalg.solve(low, deviations[first : first + size, :, None])[:, :, 0]
        return out

    def forecast(
        self,
        horizon: int = 1,
        *,
        method: str = "analytic",
        paths: int = 1000,
        rng: int | np.random.Generator | None = None,
    ) -> Forecast:
        r"""Forecast from the last date.

        ``"analytic"`` gives :math:`\operatorname{E}_TH_{T+h}` from the model's own recursion, the correlation being
        its ratio :math:`\operatorname{E}H_{ij}/\sqrt{\operatorname{E}H_{ii}\operatorname{E}H_{jj}}`. ``"simulation"``
        averages the covariances and the correlations of ``paths`` simulated paths and needs ``rng``; for a model that
        does not hand out covariances along a path, it averages outer products of simulated deviations.
        """
        check_option("method", method, ("analytic", "simulation"))
        if horizon < 1:
            raise SpecError(f"horizon={horizon}: forecast at least one step.")
        n = len(self.names)
        rows, cols = np.triu_indices(n, 1)
        if method == "simulation":
            if rng is None:
                raise SpecError("method='simulation' draws paths: pass rng.")
            covariance, r = self._simulated_moments(horizon, paths, np.random.default_rng(rng))
        else:
            covariance = self.likelihood.expected(self.theta, horizon)
            r = _scaled(covariance)
        steps = pd.RangeIndex(1, horizon + 1, name="h")
        return Forecast(
            pd.DataFrame(np.sqrt(np.einsum("hii->hi", covariance)), steps, list(self.names)),
            pd.DataFrame(r[:, rows, cols], steps, self._pairs(rows, cols)),
            covariance,
            method,
        )

    @property
    def _nu(self) -> float:
        """Degrees of freedom of the shocks, 0 for the normal."""
        found = [v for name, v in zip(self.likelihood.layout.names, self.theta, strict=True) if name.endswith("nu")]
        return float(found[0]) if found else 0.0

    def _simulated_moments(self, horizon: int, paths: int, rng: np.random.Generator) -> tuple[Array, Array]:
        n = len(self.names)
        covariance, corr = np.zeros((horizon, n, n)), np.zeros((horizon, n, n))
        handed = True
        for _ in range(paths):
            drawn, along = self.likelihood.simulate(self.theta, draw_shocks(rng, horizon, n, self._nu), warm=True)
            handed = along is not None
            moment = drawn[:, :, None] * drawn[:, None, :] if along is None else along
            covariance += moment
            if handed:
                corr += _scaled(moment)
        covariance /= paths
        return covariance, corr / paths if handed else _scaled(covariance)

    def simulate(self, nobs: int, *, rng: int | np.random.Generator) -> pd.DataFrame:
        """Simulate percent returns (nobs, N) from the fitted model, starting at its unconditional state."""
        shocks = draw_shocks(np.random.default_rng(rng), nobs, len(self.names), self._nu)
        drawn, _ = self.likelihood.simulate(self.theta, shocks)
        return pd.DataFrame(drawn + self.center, columns=list(self.names))

    def filter(self, returns: pd.DataFrame) -> CovarianceFit:
        """Run new ``returns`` through this fit's parameters.

        The mean and the targets stay the fitted ones; the recursions start by back-casting on the new data.
        Estimates and their covariance are carried over unchanged.
        """
        frame = check_returns(returns)
        missing = [name for name in self.names if name not in frame.columns]
        if missing:
            raise DataError(f"column {missing[0]!r} of the fit is not in the new returns.")
        frame = frame[list(self.names)]
        lik = self.likelihood.on(np.ascontiguousarray(frame.to_numpy(float) - self.center))
        loglik = lik.evaluate(self.theta, 0)[0]
        old = self.estimate
        estimate = Estimate(
            old.names,
            old.theta,
            old.cov,
            float(loglik.sum()),
            len(frame),
            old.free_count,
            old.cov_type,
            None,
            old.bounded,
        )
        return CovarianceFit(
            spec=self.spec,
            returns=frame,
            center=self.center,
            _estimate=estimate,
            theta=self.theta,
            loglik_obs=pd.Series(loglik, frame.index, name="loglik"),
            likelihood=lik,
        )

    def to_json(self) -> str:
        """JSON text; `CovarianceFit.from_json` gives the fit back."""
        if self.options is None:
            raise SpecError("a filtered path has no optimum to write; write the fit it came from.")
        optimum = self.estimate.optimum
        return json.dumps(
            {
                "spec": self.spec.to_dict(),
                "index": index_to_dict(self.returns.index),
                "columns": list(self.names),
                "returns": self.returns.to_numpy(float).tolist(),
                "optimum": None if optimum is None else optimum_to_dict(optimum),
                "options": list(self.options),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> CovarianceFit:
        """Rebuild from `to_json`: data are filtered again with the stored parameters."""
        content = json.loads(text)
        frame = pd.DataFrame(content["returns"], index_from_dict(content["index"]), content["columns"], dtype=float)
        optimum = content["optimum"]
        cov_type, lags = content["options"]
        return estimate_covariance(
            spec_from_dict(content["spec"]),
            frame,
            cov_type,
            lags,
            optimum=None if optimum is None else optimum_from_dict(optimum),
        )


def _scaled(covariance: Array) -> Array:
    """Correlations (H, N, N) of covariances."""
    root = np.sqrt(np.einsum("hii->hi", covariance))
    out: Array = covariance / (root[:, :, None] * root[:, None, :])
    return out


def estimate_covariance(
    spec: CovarianceSpec,
    frame: pd.DataFrame,
    cov_type: str,
    hac_lags: int | None,
    strict: bool = False,
    optimum: Optimum | None = None,
) -> CovarianceFit:
    """Estimate (unless ``optimum`` is given) and put standard errors around it."""
    values = frame.to_numpy(float)
    names = [str(name) for name in frame.columns]
    center = values.mean(axis=0) if spec.demean else np.zeros(values.shape[1])
    deviations = np.ascontiguousarray(values - center)
    lik = spec.build(deviations)
    if optimum is None:
        optimum = spec.climb(lik, strict=strict)
    theta = np.empty(0) if optimum is None else optimum.theta
    loglik = lik.evaluate(theta, 0)[0]
    if not np.isfinite(loglik).all():
        when = frame.index[int(np.flatnonzero(~np.isfinite(loglik))[0])]
        raise DataError(
            f"{spec.name}: the covariance of {when} is singular at these parameters, so the log-likelihood is minus "
            "infinity; use fewer columns, or a start that averages more dates."
        )
    targets = spec.targets(lik, theta, names)
    cov, jacobian = stacked_covariance(lik, optimum, deviations, spec.demean, targets, cov_type, hac_lags)
    full_cov = spread(cov, jacobian)
    labels = [f"{name}.mu" for name in names] if spec.demean else []
    target_names: tuple[str, ...] = () if targets is None else targets.names
    full = np.concatenate(
        [center if spec.demean else np.empty(0), np.empty(0) if targets is None else targets.values, theta]
    )
    all_names = (*labels, *target_names, *lik.layout.names)
    bounded = tuple(name for name, v in zip(all_names, np.diag(full_cov), strict=True) if np.isnan(v))
    estimate = Estimate(
        all_names, full, full_cov, float(loglik.sum()), values.shape[0], full.size, cov_type, optimum, bounded
    )
    return CovarianceFit(
        spec=spec,
        returns=frame,
        center=center,
        _estimate=estimate,
        theta=theta,
        loglik_obs=pd.Series(loglik, frame.index, name="loglik"),
        likelihood=lik,
        options=(cov_type, hac_lags),
    )
