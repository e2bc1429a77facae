r"""GARCH, GJR and EGARCH margins: specifications and fits.

.. math::

    r_t = \mu + \textstyle\sum_i \phi_i r_{t-i} + \varepsilon_t, \qquad \varepsilon_t=\sigma_t z_t,

with :math:`\sigma_t^2` as in `cryptoequity.kernels.garch`. Parameters and starting conventions are those of
the ``arch`` package, so that log-likelihoods agree at equal parameters.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..data.checks import check_returns
from ..errors import BoundaryWarning, ConvergenceWarning, SpecError, check_option
from ..estimation.inference import COV_TYPES, FreePart, free_part, sandwich, spread
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array
from ..estimation.results import Estimate, FitMixin
from ..kernels.garch import garch_simulate
from .density import CODE, quantile_shocks
from .likelihood import MarginLikelihood

__all__ = ["EGARCH", "GARCH", "MarginFit", "fit_margin"]

MEANS = ("constant", "zero", "ar")
PRESAMPLES = ("arch", "mfe")


class _Spec:
    """What GARCH and EGARCH specifications share: checks, labels and the fit."""

    p: int
    q: int
    asymmetric: bool
    mean: str
    lags: int
    dist: str
    presample: str
    exponential: ClassVar[bool]

    def __post_init__(self) -> None:
        check_option("mean", self.mean, MEANS)
        check_option("dist", self.dist, tuple(CODE))
        check_option("presample", self.presample, PRESAMPLES)
        for name in ("p", "q", "lags"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise SpecError(f"{name}={value!r}: an order is a whole number.")
        if self.p < 1 or self.q < 0:
            raise SpecError(f"p={self.p}, q={self.q}: p must be at least 1 and q at least 0.")
        if self.mean == "ar" and self.lags < 1:
            raise SpecError(f"lags={self.lags}: an autoregressive mean needs at least one lag.")
        if self.mean != "ar" and self.lags != 0:
            raise SpecError(f"lags={self.lags} needs mean='ar', not mean={self.mean!r}.")

    @property
    def o(self) -> int:
        """Order of the sign term: 1 when asymmetric."""
        return int(self.asymmetric)

    @property
    def name(self) -> str:
        """Name of the model in the field's terms."""
        if self.exponential:
            return f"EGARCH({self.p},{self.o},{self.q})-{self.dist}"
        head = "GJR" if self.asymmetric else "GARCH"
        order = f"({self.p},{self.o},{self.q})" if self.asymmetric else f"({self.p},{self.q})"
        return f"{head}{order}-{self.dist}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able choices; `spec_from_dict` reads them back."""
        return {"model": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]

    def fit(
        self,
        returns: pd.Series | pd.DataFrame,
        *,
        hold_back: int = 0,
        start: Sequence[float] | None = None,
        cov_type: str = "robust",
        strict: bool = False,
    ) -> MarginFit:
        """Fit by maximum likelihood.

        Parameters
        ----------
        returns : (T,) percent returns, a named series.
        hold_back : observations at the start used as lags only.
        start : starting parameters instead of the grid.
        cov_type : "robust" (Bollerslev–Wooldridge sandwich), "hac" or "classic".
        strict : raise `ConvergenceError` instead of reporting it on the fit.

        Raises
        ------
        DataError : the series cannot be used; the message says why and what to do.
        """
        check_option("cov_type", cov_type, COV_TYPES)
        frame = returns.to_frame(returns.name or "y") if isinstance(returns, pd.Series) else returns
        if frame.shape[1] != 1:
            raise SpecError(f"one series at a time, not {frame.shape[1]}; use fit_margins for a frame.")
        frame = check_returns(frame)
        fit = fit_margin(
            self,  # type: ignore[arg-type]
            frame.iloc[:, 0],
            hold_back=hold_back,
            start=start,
            cov_type=cov_type,
            strict=strict,
        )
        if not fit.converged:
            reason = fit.optimum.reason if fit.optimum else ""
            warnings.warn(f"{fit.name}: {reason}", ConvergenceWarning, stacklevel=2)
        if fit.at_bound:
            warnings.warn(
                f"{fit.name}: on the bound, no standard error: {', '.join(fit.at_bound)}",
                BoundaryWarning,
                stacklevel=2,
            )
        return fit


@dataclass(frozen=True)
class GARCH(_Spec):
    """GARCH(p, q), or GJR-GARCH with one sign term when ``asymmetric``.

    Parameters
    ----------
    asymmetric : add gamma, the extra news of negative returns (Glosten, Jagannathan & Runkle 1993).
    dist : "normal", "t" (Bollerslev 1987) or "skewt" (Hansen 1994), unit variance.
    p, q : orders of the news and of the lagged variance.
    mean : "constant", "zero" or "ar" (with ``lags``).
    presample : "arch" (0.94-weighted back-cast of the first 75 squares) or "mfe" (mean square for the
        news, 0.9-weighted back-cast for the variance, as in the MFE toolbox).

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.GARCH(asymmetric=True, dist="t").fit(returns["MARKET"])
    >>> list(fit.params.index)
    ['mu', 'omega', 'alpha', 'gamma', 'beta', 'nu']
    """

    asymmetric: bool = False
    dist: str = "normal"
    p: int = 1
    q: int = 1
    mean: str = "constant"
    lags: int = 0
    presample: str = "arch"
    exponential: ClassVar[bool] = False


@dataclass(frozen=True)
class EGARCH(_Spec):
    """EGARCH(p, 1 or 0, q) of Nelson (1991) in the parametrization of the ``arch`` package.

    Parameters as in `GARCH`; ``asymmetric`` is the sign term and is on by default.
    """

    asymmetric: bool = True
    dist: str = "normal"
    p: int = 1
    q: int = 1
    mean: str = "constant"
    lags: int = 0
    presample: str = "arch"
    exponential: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.presample == "mfe":
            raise SpecError("presample='mfe' is for GARCH and GJR; EGARCH starts as the arch package does.")


def spec_from_dict(choices: dict[str, Any]) -> GARCH | EGARCH:
    """Rebuild a specification from `to_dict`."""
    rest = {key: value for key, value in choices.items() if key != "model"}
    check_option("model", choices.get("model"), ("GARCH", "EGARCH"))
    return GARCH(**rest) if choices["model"] == "GARCH" else EGARCH(**rest)


def climb_margin(
    spec: GARCH | EGARCH,
    y: Array,
    *,
    hold_back: int = 0,
    start: Array | None = None,
    curvature: Array | None = None,
    tol: float = 1e-8,
) -> tuple[MarginLikelihood, Optimum]:
    """Maximise on arrays, without checks or standard errors: the bootstrap's inner loop."""
    lik = MarginLikelihood(spec, y, hold_back)
    starts = list(lik.starts()) if start is None else [start]
    return lik, maximize(lik, starts, polish=lik.climbs, tol=tol, curvature=curvature)


def fit_margin(
    spec: GARCH | EGARCH,
    series: pd.Series,
    *,
    hold_back: int = 0,
    start: Sequence[float] | None = None,
    cov_type: str = "robust",
    strict: bool = False,
) -> MarginFit:
    """Fit one checked series; `GARCH.fit` is the public door."""
    y = series.to_numpy(float)
    lik = MarginLikelihood(spec, y, hold_back)
    starts = list(lik.starts()) if start is None else [np.asarray(start, float)]
    if starts[0].shape != (lik.layout.size,):
        raise SpecError(f"start has {starts[0].size} values; {spec.name} needs {list(lik.layout.names)}.")
    optimum = maximize(lik, starts, polish=lik.climbs, strict=strict)
    return assemble(spec, series, lik, optimum, cov_type)


def assemble(
    spec: GARCH | EGARCH, series: pd.Series, lik: MarginLikelihood, optimum: Optimum, cov_type: str
) -> MarginFit:
    """Put standard errors and paths around an optimum."""
    _, variance, residual, score, dz = lik.filter(optimum.theta, 2)
    part = free_part(lik, optimum, score, lik.kinked)
    cov = spread(sandwich(part.hessian, part.score, cov_type), part.jacobian)
    names = lik.layout.names
    bounded = tuple(name for name, value in zip(names, np.diag(cov), strict=True) if np.isnan(value))
    estimate = Estimate(
        names, optimum.theta, cov, optimum.loglik, lik.y.size, lik.layout.size, cov_type, optimum, bounded
    )
    sigma = np.sqrt(variance)
    index = series.index[series.size - lik.y.size :]
    return MarginFit(
        spec=spec,
        name=str(series.name),
        _estimate=estimate,
        returns=series,
        volatility=pd.Series(sigma, index, name=str(series.name)),
        std_resid=pd.Series(residual / sigma, index, name=str(series.name)),
        part=part,
        dz=dz @ part.jacobian,
    )


@dataclass(frozen=True, eq=False)
class MarginFit(FitMixin):
    """A fitted margin.

    Attributes
    ----------
    spec : the specification; name : the column.
    volatility, std_resid : series over the sample less the held-back lags, percent and unitless.
    returns : the data. part, dz : what the two-step covariance of a correlation model reads.
    """

    _title: ClassVar[str] = "Margin"

    spec: GARCH | EGARCH
    name: str
    _estimate: Estimate = field(repr=False)
    returns: pd.Series = field(repr=False)
    volatility: pd.Series = field(repr=False)
    std_resid: pd.Series = field(repr=False)
    part: FreePart = field(repr=False)
    dz: Array = field(repr=False)

    @property
    def estimate(self) -> Estimate:
        """Named parameters and their covariance."""
        return self._estimate

    @property
    def hold_back(self) -> int:
        """Observations used as lags only."""
        return len(self.returns) - len(self.std_resid)

    def _title_line(self) -> str:
        return f"{self.spec.name}: {self.name}"

    def _reference_keys(self) -> tuple[str, ...]:
        head = "nelson1991" if self.spec.exponential else "bollerslev1986"
        keys = [head]
        if self.spec.asymmetric and not self.spec.exponential:
            keys.append("glosten1993")
        keys += {"normal": [], "t": ["bollerslev1987"], "skewt": ["hansen1994"]}[self.spec.dist]
        return tuple(keys)

    @property
    def persistence(self) -> float:
        """Persistence alpha + gamma/2 + beta, or sum(beta) for EGARCH."""
        p, o = self.spec.p, self.spec.o
        first = self._mean_count + 1
        theta = self.estimate.theta
        beta = float(theta[first + p + o : first + p + o + self.spec.q].sum())
        if self.spec.exponential:
            return beta
        return beta + float(theta[first : first + p].sum() + 0.5 * theta[first + p : first + p + o].sum())

    @property
    def _mean_count(self) -> int:
        return 0 if self.spec.mean == "zero" else 1 + self.spec.lags

    def variance_forecast(self, horizon: int) -> Array:
        r"""E[sigma^2_{T+h} | F_T], h = 1 … horizon, (horizon,); exact for GARCH, for EGARCH with h = 1.

        For EGARCH beyond one step the median path :math:`\exp E[\ln\sigma^2]` is returned; simulate for the mean.
        """
        return self._ahead(horizon, None)

    def conditional_variances(self, z: Array) -> Array:
        """Variances of the dates after the sample when their standardized residuals are ``z`` (H,)."""
        return self._ahead(z.size, z)

    def _ahead(self, horizon: int, z: Array | None) -> Array:
        """Roll the variance on, with given residuals or with the expectation of their news."""
        theta = self.estimate.theta
        p, o, q = self.spec.p, self.spec.o, self.spec.q
        first = self._mean_count
        omega = theta[first]
        alpha = theta[first + 1 : first + 1 + p]
        gamma = theta[first + 1 + p : first + 1 + p + o]
        beta = theta[first + 1 + p + o : first + 1 + p + o + q]
        keep = max(p, o, q, 1)
        sigma2, past = self.volatility.to_numpy()[-keep:] ** 2, self.std_resid.to_numpy()[-keep:]
        exponential = self.spec.exponential

        def news(variance: float, shock: float) -> tuple[float, float]:
            if exponential:
                return abs(shock) - float(np.sqrt(2 / np.pi)), shock
            return variance * shock**2, variance * shock**2 * (shock < 0)

        state = list(np.log(sigma2) if exponential else sigma2)
        pairs = [news(v, shock) for v, shock in zip(sigma2, past, strict=True)]
        for h in range(horizon):
            value = float(omega)
            value += sum(alpha[i] * pairs[-1 - i][0] for i in range(p))
            value += sum(gamma[i] * pairs[-1 - i][1] for i in range(o))
            value += sum(beta[i] * state[-1 - i] for i in range(q))
            state.append(value)
            if z is not None:
                pairs.append(news(np.exp(value) if exponential else value, float(z[h])))
            else:
                pairs.append((0.0, 0.0) if exponential else (value, 0.5 * value))
        out = np.array(state[-horizon:])
        return np.exp(out) if exponential else out

    def simulate(self, nobs: int, *, rng: int | np.random.Generator, shocks: Array | None = None) -> pd.DataFrame:
        """Simulate ``nobs`` percent returns and volatilities from the end of the sample.

        ``shocks`` (nobs,) replaces draws from the fitted density.
        """
        generator = np.random.default_rng(rng)
        theta = self.estimate.theta
        if shocks is None:
            shape = theta[theta.size - CODE[self.spec.dist] :]
            shocks = quantile_shocks(self.spec.dist, shape, generator, nobs)
        y, variance = simulate_margin(self.spec, theta, np.asarray(shocks, float), self.start_variance)
        return pd.DataFrame({"returns": y, "volatility": np.sqrt(variance)})

    @property
    def start_variance(self) -> float:
        """Where a simulation starts: the sample's mean variance (its log for EGARCH)."""
        mean = float(np.mean(self.volatility.to_numpy() ** 2))
        return float(np.log(mean)) if self.spec.exponential else mean

    def filter(self, series: pd.Series) -> MarginFit:
        """Run a new series through these parameters; estimates and covariance are carried over."""
        lik = MarginLikelihood(self.spec, series.to_numpy(float), self.hold_back)
        loglik, variance, residual, _, dz = lik.filter(self.estimate.theta, 2)
        sigma, index = np.sqrt(variance), series.index[series.size - lik.y.size :]
        estimate = replace(self.estimate, loglik=float(loglik.sum()), nobs=lik.y.size, optimum=None)
        return replace(
            self,
            _estimate=estimate,
            returns=series,
            volatility=pd.Series(sigma, index, name=self.name),
            std_resid=pd.Series(residual / sigma, index, name=self.name),
            dz=dz @ self.part.jacobian,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content: data, choices and estimates."""
        est = self.estimate
        return {
            "spec": self.spec.to_dict(),
            "name": self.name,
            "index": index_to_dict(self.returns.index),
            "returns": self.returns.to_list(),
            "hold_back": self.hold_back,
            "cov_type": est.cov_type,
            "theta": est.theta.tolist(),
            "optimum": None if est.optimum is None else optimum_to_dict(est.optimum),
        }

    def to_json(self) -> str:
        """JSON text; `MarginFit.from_json` gives the fit back."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> MarginFit:
        """Rebuild from `to_dict`: the data are filtered again with the stored parameters."""
        spec = spec_from_dict(content["spec"])
        index = index_from_dict(content["index"])
        series = pd.Series(content["returns"], index, dtype=float, name=content["name"])
        lik = MarginLikelihood(spec, series.to_numpy(), content["hold_back"])
        optimum = optimum_from_dict(content["optimum"])
        return assemble(spec, series, lik, optimum, content["cov_type"])

    @classmethod
    def from_json(cls, text: str) -> MarginFit:
        """Rebuild from `to_json`."""
        return cls.from_dict(json.loads(text))


def simulate_margin(spec: GARCH | EGARCH, theta: Array, shocks: Array, start_variance: float) -> tuple[Array, Array]:
    """Returns and variances (T,) on arrays; the AR part starts at the unconditional mean."""
    m = 0 if spec.mean == "zero" else 1 + spec.lags
    start = float(theta[0] / (1.0 - theta[1:m].sum())) if m else 0.0
    orders = np.array([spec.p, spec.o, spec.q], dtype=np.int64)
    return garch_simulate(  # type: ignore[no-any-return]
        theta, shocks, m, spec.lags, orders, spec.exponential, start, start_variance
    )


def index_to_dict(index: pd.Index) -> dict[str, Any]:
    """JSON-able index: dates as text, numbers as they are."""
    dated = isinstance(index, pd.DatetimeIndex)
    values = [str(item) for item in index] if dated else index.to_list()
    return {"name": index.name, "unit": index.unit if isinstance(index, pd.DatetimeIndex) else None, "values": values}


def index_from_dict(content: dict[str, Any]) -> pd.Index:
    """Rebuild an index from `index_to_dict`."""
    index: pd.Index = pd.Index(content["values"], name=content["name"])
    return index if content["unit"] is None else pd.DatetimeIndex(index).as_unit(content["unit"])


def optimum_to_dict(optimum: Optimum) -> dict[str, Any]:
    """JSON-able optimum."""
    out = asdict(optimum)
    out["theta"], out["box"] = optimum.theta.tolist(), optimum.box.tolist()
    out["curvature"] = optimum.curvature.tolist()
    return out


def optimum_from_dict(content: dict[str, Any]) -> Optimum:
    """Rebuild an optimum."""
    arrays = {key: np.asarray(content[key], float) for key in ("theta", "box", "curvature")}
    return Optimum(**{**content, **arrays, "pinned": tuple(content["pinned"])})
