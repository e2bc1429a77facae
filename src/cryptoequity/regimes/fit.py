"""A fitted regime model: probabilities, durations, dates, moments, paths, forecasts, simulation."""

from __future__ import annotations

import inspect
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from ..errors import SpecError, check_option
from ..estimation.params import Array
from ..estimation.results import mark_filtered
from ..table import Table, format_number
from .chain import Chain
from .chain_fit import KINDS, ChainFit
from .checks import density_checks, normal_quantiles, rosenblatt
from .gaussian import GaussianEmission
from .stored import (
    Found,
    decode,
    encode,
    estimate_from_dict,
    estimate_to_dict,
    found,
    starts_from_list,
    starts_to_list,
)

if TYPE_CHECKING:
    pass

__all__ = ["RegimeFit", "RegimeForecast"]


@dataclass(frozen=True)
class RegimeForecast:
    """Forecasts made at the last date, horizons 1 to H.

    Attributes
    ----------
    probabilities : (H, k). mean : (H, N). covariance : (H, N, N), of the mixture. correlation : (H, pairs).
    """

    probabilities: pd.DataFrame
    mean: pd.DataFrame
    covariance: Array = field(repr=False)
    correlation: pd.DataFrame = field(repr=False)


@dataclass(frozen=True, eq=False)
class RegimeFit(ChainFit):
    """A fitted hidden Markov model; regimes are numbered from 1 by the specification's order.

    Attributes
    ----------
    spec : the specification. theta : densities' parameters, then the chain's. index, names : labels of rows and
        columns. likelihood : the model on arrays. starts : every start of the search.
    drivers : (T, M) what moves the odds of date t, already lagged, or None.
    """

    _title: ClassVar[str] = "Regimes"

    # --- moments and paths

    def _moments(self) -> tuple[Array, Array]:
        """Means (1 or T, k, N) and covariances (1 or T, k, N, N)."""
        mean, cov = self.emission.moments(self.likelihood.split(self.theta)[0])
        return (mean[None], cov[None]) if mean.ndim == 2 else (mean, cov)

    def regime_moments(self) -> pd.DataFrame:
        """Mean, deviation and correlations of each regime; averaged over dates where they move with the past."""
        mean, cov = (part.mean(axis=0) for part in self._moments())
        sd = np.sqrt(np.einsum("kii->ki", cov))
        rows: dict[str, Array] = {}
        for i, name in enumerate(self.names):
            rows[f"mean {name}"], rows[f"sd {name}"] = mean[:, i], sd[:, i]
        for i, j in itertools.combinations(range(len(self.names)), 2):
            rows[f"corr {self.names[i]}, {self.names[j]}"] = cov[:, i, j] / (sd[:, i] * sd[:, j])
        return pd.DataFrame(rows, self.regime_names).T

    def _states(self, kind: str) -> Array:
        """Probabilities of the chain's states, (T, states)."""
        check_option("kind", kind, KINDS)
        out: Array = self.inference.smooth()[0] if kind == "smoothed" else getattr(self.inference, kind)
        return out

    def _mixture(self, kind: str) -> tuple[Array, Array]:
        """Mean (T, N) and covariance (T, N, N) of the mixture over the regimes."""
        mean, cov = self._moments()
        return mix(self._states(kind), mean, cov)

    def conditional_mean(self, kind: str = "predicted") -> pd.DataFrame:
        """Mean of the mixture, (T, N)."""
        return pd.DataFrame(self._mixture(kind)[0], self.index, list(self.names))

    def conditional_covariance(self, kind: str = "predicted") -> Array:
        """Covariance of the mixture, (T, N, N)."""
        return self._mixture(kind)[1]

    def conditional_correlation(self, i: str, j: str, kind: str = "predicted") -> pd.Series:
        """Correlation of two columns by date, (T,): "predicted" knows the past only, "smoothed" the future too."""
        a, b = self._position(i), self._position(j)
        cov = self._mixture(kind)[1]
        path = cov[:, a, b] / np.sqrt(cov[:, a, a] * cov[:, b, b])
        return mark_filtered(pd.Series(path, self.index, name=f"corr({i}, {j})"))

    def _position(self, name: str) -> int:
        if name not in self.names:
            raise SpecError(f"no column {name!r} in this fit; there are {', '.join(self.names)}.")
        return self.names.index(name)

    # --- residuals

    def pit(self, joint: bool = False) -> pd.DataFrame:
        """Probability integral transforms given the past, (T, N): uniform and independent when the model is right.

        Parameters
        ----------
        joint : given the past and the columns before it (Rosenblatt 1952), which tests the correlations too.
        """
        inner, _ = self.likelihood.split(self.theta)
        if joint:
            if not isinstance(self.emission, GaussianEmission):
                raise SpecError(f"{self.spec.name}: no joint transforms; this model has those of each column only.")
            values = rosenblatt(self.emission, inner, self.inference.predicted)
        else:
            values = np.einsum("tk,tkn->tn", self.inference.predicted, self.emission.margins_cdf(inner))
        return pd.DataFrame(values, self.index, list(self.names))

    def generalized_residuals(self, joint: bool = False) -> pd.DataFrame:
        """Normal quantiles of `pit`, (T, N): standard normal and independent when the model is right."""
        return pd.DataFrame(normal_quantiles(self.pit(joint).to_numpy()), self.index, list(self.names))

    def diagnostics(self, lags: int = 10) -> pd.DataFrame:
        r"""Tests of the predictive densities by (series, test): statistic and pvalue.

        On `generalized_residuals`, which are independent and standard normal when the model is right: Ljung–Box with
        ``lags`` on them and on their squares, Kolmogorov–Smirnov, and Berkowitz (2001), of which see
        `checks.berkowitz_test`. With several columns the residuals are the joint ones, column n given those before it,
        and the Ljung–Box test of products of two columns sees correlation that moves in another way than the model's
        (switching regressions have residuals of each column only, and no such test).

        Notes
        -----
        Parameters count as known, although they were estimated on the same dates. Measured on `RSDC` with T = 1,500 and
        GARCH margins, right in every part: at 5 % the Ljung–Box tests reject in 2 to 9 % of the samples,
        Kolmogorov–Smirnov and Berkowitz in 0 to 2 %, so a pass of these two is no praise. Under t shocks with normal
        densities Kolmogorov–Smirnov rejects in 35 to 71 %, and the others hardly ever. Nothing here replaces a look at
        dates the fit has not seen (`filter`).
        """
        joint = len(self.names) > 1 and isinstance(self.emission, GaussianEmission)
        return density_checks(self.generalized_residuals(joint), lags, products=joint)

    # --- ahead

    def forecast(self, horizon: int = 1, *, drivers: pd.DataFrame | pd.Series | None = None) -> RegimeForecast:
        """Probabilities, mean, covariance and correlation 1 to ``horizon`` dates after the last.

        Parameters
        ----------
        drivers : rows of future drivers, row h acting on date T + h (lag them beforehand); needed with drivers.
        """
        path = self._ahead(horizon, drivers)
        mean, cov = self.emission.moments(self.likelihood.split(self.theta)[0])
        if mean.ndim != 2:
            raise SpecError(f"{self.spec.name}: moments move with the past; this model has a forecast of its own.")
        means, covs = mix(path, mean[None], cov[None])
        return self._forecast_frames(path, means, covs)

    def _forecast_frames(self, path: Array, means: Array, covs: Array) -> RegimeForecast:
        """Label probabilities (H, k), means (H, N) and covariances (H, N, N) ahead."""
        steps = pd.RangeIndex(1, len(path) + 1, name="horizon")
        rows, cols = np.triu_indices(len(self.names), 1)
        sd = np.sqrt(np.einsum("hii->hi", covs))
        labels = [(self.names[i], self.names[j]) for i, j in zip(rows, cols, strict=True)]
        pairs = pd.MultiIndex.from_tuples(labels) if labels else None  # one column has none
        correlation = covs[:, rows, cols] / (sd[:, rows] * sd[:, cols])
        return RegimeForecast(
            pd.DataFrame(path, steps, self.regime_names),
            pd.DataFrame(means, steps, list(self.names)),
            covs,
            pd.DataFrame(correlation, steps, pairs),
        )

    def _ahead(self, horizon: int, drivers: pd.DataFrame | pd.Series | None) -> Array:
        """Probabilities (H, k) of the regimes of the next dates."""
        p = self._matrices_ahead(horizon, drivers)
        out = np.empty((horizon, self.k))
        now = self.chain.marginal(self.inference.filtered[-1:])[0]
        for h in range(horizon):
            now = now @ p[h]
            out[h] = now
        return out

    def _matrices_ahead(self, horizon: int, drivers: pd.DataFrame | pd.Series | None) -> Array:
        """Transition matrices (H, k, k) into the next dates."""
        if not isinstance(horizon, int) or isinstance(horizon, bool) or horizon < 1:
            raise SpecError(f"horizon={horizon!r}: a whole number of dates, at least 1.")
        outer = self.likelihood.split(self.theta)[1]
        if not self.chain.driven:
            return np.repeat(self.chain.matrices(outer), horizon, axis=0)
        if drivers is None:
            raise SpecError(
                f"the odds move with {', '.join(self.chain.names[1:])}: give drivers= for every date ahead."
            )
        frame = drivers.to_frame() if isinstance(drivers, pd.Series) else drivers
        values = np.asarray(frame, float)
        wanted = (horizon, len(self.chain.names) - 1)
        if values.shape != wanted or not np.isfinite(values).all():
            raise SpecError(f"drivers must be finite and of shape {wanted}, not {values.shape}.")
        return self.chain.at(outer, np.column_stack([np.ones(horizon), values]))

    def simulate(self, nobs: int | None = None, *, rng: int | np.random.Generator) -> tuple[pd.DataFrame, pd.Series]:
        """Draw data (nobs, N) and regimes (nobs,), numbered from 1; drivers stay as observed."""
        generator = np.random.default_rng(rng)
        count = len(self.index) if nobs is None else nobs
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise SpecError(f"nobs={nobs!r}: a whole number of dates, at least 1.")
        if self.chain.driven and count > len(self.index):
            raise SpecError(f"nobs={count}: the drivers are known for {len(self.index)} dates only.")
        inner, outer = self.likelihood.split(self.theta)
        states = draw_states(self.inference.transitions, self.inference.first, count, generator)
        del outer
        data = self.emission.simulate(inner, states, generator)
        index = self.index if count == len(self.index) else pd.RangeIndex(count)
        return pd.DataFrame(data, index, list(self.names)), pd.Series(self.chain.now[states] + 1, index, name="regime")

    # --- words

    def summary(self) -> Table:
        """Return the fit as a table; the same fit always gives the same text."""
        plain = super().summary()
        durations = self.expected_durations()["duration"]
        shares = self.ergodic_probabilities
        notes = [
            *plain.notes,
            "expected durations "
            + ", ".join(f"{name}: {format_number(float(durations[name]), 1)}" for name in durations.index),
            "long-run shares " + ", ".join(f"{name}: {format_number(float(one), 3)}" for name, one in shares.items()),
            f"regime classification measure {format_number(self.rcm()['baele'], 1)} (0 sure, 100 blind)",
        ]
        if self.starts:
            notes.append(
                f"{len(self.starts)} starts, {self.n_degenerate} of them degenerate; the best was reached by "
                f"{self.n_best_replicated} of the climbs"
            )
        return Table(plain.title, plain.head, plain.rows, tuple(notes))

    def _title_line(self) -> str:
        return f"{self.spec.name}, {self.k} regimes: {', '.join(self.names)}"

    def _reference_keys(self) -> tuple[str, ...]:
        return self.spec.references

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content: specification, parameters and covariance."""
        est = self.estimate
        return {
            "spec": self.spec.to_dict(),
            "columns": list(self.names),
            "names": list(est.names),
            "theta": est.theta.tolist(),
            "cov": [[None if np.isnan(value) else value for value in row] for row in est.cov.tolist()],
            "loglik": est.loglik,
            "nobs": est.nobs,
            "cov_type": est.cov_type,
            "bounded": list(est.bounded),
        }

    def to_json(self) -> str:
        """JSON text; `RegimeFit.from_json` gives the fit back.

        Raises
        ------
        SpecError : a fit that was given what has no JSON form (margins of the arch package), or a filtered path.
        """
        if self.estimate.optimum is None:
            raise SpecError("a filtered path has no optimum to write; write the fit it came from.")
        inputs = {k: one for k, one in self._given().items() if not isinstance(one, np.random.Generator)}
        content = {
            "spec": self.spec.to_dict(),
            "inputs": {key: encode(value) for key, value in inputs.items()},
            "estimate": estimate_to_dict(self.estimate),
            "starts": starts_to_list(self.starts),
        }
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str) -> RegimeFit:
        """Rebuild from `to_json`: the data are filtered again with the stored parameters."""
        from .spec import spec_from_dict

        content = json.loads(text)
        spec = spec_from_dict(content["spec"])
        inputs = {key: decode(value) for key, value in content["inputs"].items()}
        with found(Found(spec, estimate_from_dict(content["estimate"]), starts_from_list(content["starts"]))):
            out: RegimeFit = spec.fit(**inputs)
        return out

    def _given(self) -> dict[str, Any]:
        """What ``fit`` was given, with fitted margins in the place of returns."""
        margins = getattr(self, "margins", None)
        if margins is None:
            return self._inputs
        rest = {key: value for key, value in self._inputs.items() if key not in ("data", "margins")}
        return {"data": margins, **rest}

    def filter(self, data: Any, **inputs: Any) -> RegimeFit:
        """Run new data through this fit's parameters: probabilities, paths, residuals.

        The law of the first state is that of the fit. Estimates and their covariance are carried over unchanged. For
        dates after the sample give the old data with the new ones behind them: the filter then goes on where it was.

        Parameters
        ----------
        data, inputs : what ``fit`` of the specification takes, in its words, e.g. ``drivers=``.
        """
        if isinstance(data, pd.DataFrame) and set(self.names) <= set(map(str, data.columns)):
            data = data[[name for own in self.names for name in data.columns if str(name) == own]]
        names = list(inspect.signature(type(self.spec).fit).parameters)
        first = self.inference.first if type(self.chain) is Chain else None
        given = {"starts": 1, **inputs} if "starts" in names else inputs
        with found(Found(self.spec, self.estimate, (), True, first)):
            out: RegimeFit = self.spec.fit(data, **given)
        return out


def mix(probabilities: Array, mean: Array, cov: Array) -> tuple[Array, Array]:
    """Mean (T, N) and covariance (T, N, N) of mixtures of regimes with ``mean`` (1 or T, k, N) and ``cov``."""
    mean = np.broadcast_to(mean, (probabilities.shape[0], *mean.shape[1:]))
    cov = np.broadcast_to(cov, (probabilities.shape[0], *cov.shape[1:]))
    center = np.einsum("tk,tkn->tn", probabilities, mean)
    apart = mean - center[:, None]
    spread = np.einsum("tk,tkij->tij", probabilities, cov) + np.einsum("tk,tki,tkj->tij", probabilities, apart, apart)
    return center, spread


def draw_states(transitions: Array, first: Array, nobs: int, rng: np.random.Generator) -> Any:
    """Draw a path of regimes (nobs,), from 0."""
    uniform = rng.random(nobs)
    states = np.empty(nobs, np.int64)
    law = np.cumsum(first)
    ladder = np.cumsum(transitions, axis=2)
    k = first.size
    for t in range(nobs):
        if t:
            law = ladder[min(t, ladder.shape[0] - 1), states[t - 1]]
        states[t] = min(int(np.searchsorted(law, uniform[t], side="right")), k - 1)
    return states
