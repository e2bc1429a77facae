"""The shape all regime specifications share: choices, a likelihood on arrays, and the fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..data.checks import check_returns
from ..errors import DataError, SpecError, check_option
from ..estimation.inference import sandwich, spread
from ..estimation.optimize import Optimum
from ..estimation.params import Array
from ..estimation.results import Estimate
from .chain import INITIAL, Chain
from .emission import Emission
from .fit import RegimeFit
from .identification import identified_part, without_negative
from .likelihood import RegimeLikelihood, Start, climb_regimes
from .remarks import remark_on_search
from .stored import found_for, remember, taken

__all__ = ["RegimeSpec", "estimate_regimes", "make_chain", "reorder", "spec_from_dict"]

_KINDS: dict[str, type[RegimeSpec]] = {}
COV_TYPES = ("robust", "hac", "classic", "opg", "none")
DISTS = ("normal", "t")
ON_BOUND = 1e-12  # distance from a bound that rounding makes
REPEATED = 0.01  # share of values equal to the day before; more is a filled calendar


class RegimeSpec:
    """Base of every regime specification: a frozen record that knows how to build its densities and to fit them.

    A subclass is a frozen dataclass with the fields below (with defaults) and writes `emission`.

    Attributes
    ----------
    k : regimes. dist : "normal" or "t". initial : law of the first state, see `Chain`.
    penalty : standard deviation of a normal penalty on drivers' effects per standard deviation; infinite for none.
    driver_lag : dates a driver is lagged; 1 lets yesterday's driver act on the transition into today.
    order_by : what regimes are numbered by, ascending.
    """

    k: int
    dist: str
    initial: str | tuple[float, ...]
    penalty: float
    driver_lag: int
    order_by: str
    orders: ClassVar[tuple[str, ...]] = ("variance", "mean", "correlation")
    references: ClassVar[tuple[str, ...]] = ("hamilton1989",)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _KINDS[cls.__name__] = cls
        if "fit" in cls.__dict__:
            cls.fit = remember(cls.__dict__["fit"])  # type: ignore[method-assign]

    def fit(self, *args: Any, **options: Any) -> RegimeFit:
        """Fit to data; every specification says to which."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        if not isinstance(self.k, int | np.integer) or isinstance(self.k, bool) or not 2 <= self.k <= 8:
            raise SpecError(f"k={self.k!r}: between 2 and 8 regimes.")
        check_option("dist", self.dist, DISTS)
        check_option("order_by", self.order_by, self.orders)
        if isinstance(self.initial, str):
            check_option("initial", self.initial, INITIAL)
        if not isinstance(self.driver_lag, int) or isinstance(self.driver_lag, bool) or self.driver_lag < 1:
            raise SpecError(
                f"driver_lag={self.driver_lag!r}: at least 1. A driver of the same date may answer to the regime, and "
                "the likelihood then says nothing about what drives it."
            )
        if not self.penalty > 0:
            raise SpecError(f"penalty={self.penalty!r}: a positive standard deviation, or infinity for none.")

    @property
    def name(self) -> str:
        """Name of the model in the field's terms."""
        return f"{type(self).__name__}-{self.dist}"

    def climbs(self, starts: int | str) -> int:
        """How many of ``starts`` are climbed to the end."""
        del starts
        return 3

    def to_dict(self) -> dict[str, Any]:
        """JSON-able choices."""
        return {"model": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]


def spec_from_dict(choices: dict[str, Any]) -> RegimeSpec:
    """Rebuild a specification from `RegimeSpec.to_dict`."""
    check_option("model", choices.get("model"), tuple(_KINDS))
    rest = {key: tuple(value) if isinstance(value, list) else value for key, value in choices.items() if key != "model"}
    return _KINDS[choices["model"]](**rest)


def check_columns(data: Any, *, what: str, min_obs: int = 100) -> pd.DataFrame:
    """A frame of returns or residuals fit for a regime model.

    Raises
    ------
    DataError : what `check_returns` refuses, and a column that repeats more than 1 % of its values: a calendar filled
        over closed days has exact repeats, whose regime has a variance of zero and an unbounded likelihood.
    """
    frame = check_returns(data, what=what, min_obs=min_obs)
    for name in frame.columns:
        values = frame[name].to_numpy(float)
        share = float(np.mean(np.diff(values) == 0.0))
        zeros = float(np.mean(values == 0.0))
        if max(share, zeros) > REPEATED:
            raise DataError(
                f"{what}: column {name!r} has {max(share, zeros):.1%} exact zeros or repeats; closes were filled over "
                "days the market was shut, and a regime of their own with no variance would win. Use the sessions "
                "both markets share (to_returns)."
            )
    return frame


def make_chain(
    spec: RegimeSpec, index: pd.Index, drivers: pd.DataFrame | pd.Series | None
) -> tuple[Chain, pd.DataFrame | None]:
    """Chain of a specification, with drivers lagged onto the dates of ``index``.

    The first ``driver_lag`` dates take the first driver there is: the transition into the first date is not in the
    likelihood, and with a lag of one nothing else is touched.

    Raises
    ------
    DataError : a date without a driver, a driver that is not finite or constant.
    """
    initial: str | Array = spec.initial if isinstance(spec.initial, str) else np.asarray(spec.initial, float)
    if drivers is None:
        return Chain(spec.k, np.ones((len(index), 1)), initial=initial), None
    frame = drivers.to_frame(drivers.name or "driver") if isinstance(drivers, pd.Series) else drivers
    if not isinstance(frame, pd.DataFrame):
        raise SpecError("drivers: pass a pandas Series or DataFrame indexed by date.")
    missing = index.difference(frame.index)
    if len(missing):
        raise DataError(
            f"drivers: no row for {len(missing)} of the {len(index)} dates, first {missing[0]}; give every date one."
        )
    frame = frame.loc[index].astype(float)
    for name in frame.columns:
        bad = ~np.isfinite(frame[name].to_numpy())
        if bad.any():
            raise DataError(f"driver {name!r}: not finite at {index[bad][0]}; start the sample after it.")
    lagged = frame.shift(spec.driver_lag).bfill()
    z = np.column_stack([np.ones(len(index)), lagged.to_numpy()])
    names = ("const", *map(str, frame.columns))
    return Chain(spec.k, z, names, True, initial, spec.penalty), lagged


def reorder(lik: RegimeLikelihood, optimum: Optimum) -> Optimum:
    """The optimum with its regimes numbered by the emission's rank."""
    where, _ = lik.ordered(optimum.theta)
    theta = optimum.theta[where]
    box = lik.layout.box(theta)
    pinned = tuple(optimum.pinned[i] for i in where)
    if any(pinned):
        # rows of three and more probabilities are broken like a stick, whose pieces do not move with the labels: which
        # coordinates are on a bound is asked anew
        lower, upper = lik.layout.lower, lik.layout.upper
        box = np.where(box - lower < ON_BOUND, lower, np.where(upper - box < ON_BOUND, upper, box))
        lik.settle(theta)
        slope = lik.evaluate(theta, 1)[1].sum(axis=0) @ lik.layout.jacobian(box)
        pinned = tuple(((box <= lower) & (slope < 0)) | ((box >= upper) & (slope > 0)))
    return replace(
        optimum,
        theta=theta,
        box=box,
        pinned=tuple(map(bool, pinned)),
        curvature=optimum.curvature[np.ix_(where, where)],
    )


def estimate_regimes(
    spec: RegimeSpec,
    emission: Emission,
    index: pd.Index,
    names: tuple[str, ...],
    *,
    drivers: pd.DataFrame | pd.Series | None,
    starts: int | str,
    rng: int | np.random.Generator,
    cov_type: str,
    hac_lags: int | None,
    strict: bool,
    result: type[RegimeFit] = RegimeFit,
    warm: Array | None = None,
    made: tuple[Chain, pd.DataFrame | None] | None = None,
    build: Callable[[Any, Chain], RegimeLikelihood] = RegimeLikelihood,
    climb: Callable[..., tuple[Optimum, list[Start]]] = climb_regimes,
    **extra: Any,
) -> RegimeFit:
    """Estimate, number the regimes, and put standard errors around the parameters.

    ``made`` is a chain with its lagged drivers, where `make_chain` on ``index`` would not give it; ``build`` puts
    densities and chain together and ``climb`` maximises, where the plain ones would not do.
    """
    check_option("cov_type", cov_type, COV_TYPES)
    chain, lagged = make_chain(spec, index, drivers) if made is None else made
    lik = build(emission, chain)
    known = found_for(spec, lik.layout.names)
    if known is not None:
        if known.first is not None:
            lik = build(emission, replace(chain, initial=known.first))
        lik.settle(known.estimate.theta)
        estimate = taken(known, lik)
        return result(spec, estimate, estimate.theta, lik, index, names, known.starts, lagged, **extra)
    optimum, tried = climb(lik, starts, rng, warm=warm, keep=spec.climbs(starts))
    optimum = reorder(lik, optimum)
    lik.settle(optimum.theta)
    loglik = float(lik.infer(optimum.theta).loglik.sum())
    cov, bounded = regime_covariance(lik, optimum, cov_type, hac_lags)
    estimate = Estimate(
        lik.layout.names, optimum.theta, cov, loglik, lik.nobs, lik.layout.size, cov_type, optimum, bounded
    )
    remark_on_search(spec.name, optimum, tried, bounded, strict=strict)
    return result(spec, estimate, optimum.theta, lik, index, names, tuple(tried), lagged, **extra)


def regime_covariance(
    lik: RegimeLikelihood, optimum: Optimum, cov_type: str, hac_lags: int | None
) -> tuple[Array, tuple[str, ...]]:
    """Covariance of the estimates and the names of those on a bound.

    "classic" is the inverse Hessian, "opg" the inverse outer product of the scores, "robust" the sandwich of the two
    and "hac" the sandwich with Newey–West, since scores are martingale differences only when the model is right.
    """
    size = lik.layout.size
    if cov_type == "none":
        return np.full((size, size), np.nan), ()
    part = identified_part(lik, optimum)
    if cov_type == "opg":
        inner = np.asarray(np.linalg.inv(part.score.T @ part.score), np.float64)
    else:
        inner = sandwich(part.hessian, part.score, cov_type, hac_lags)
    cov = without_negative(spread(inner, part.jacobian))
    bounded = tuple(name for name, sd in zip(lik.layout.names, np.diag(cov), strict=True) if np.isnan(sd))
    return cov, bounded
