r"""The shape all correlation specifications share: choices, a model on arrays, and the fit.

.. math::

    r_t = \mu_t + D_t z_t,\quad D_t=\operatorname{diag}(\sigma_{1t},\dots,\sigma_{Nt}),\quad
    \operatorname{E}_{t-1}z_tz_t' = R_t .
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..data.checks import check_returns
from ..errors import BoundaryWarning, ConvergenceWarning, DataError, SpecError, check_option
from ..estimation.inference import COV_TYPES
from ..estimation.optimize import Optimum
from ..estimation.params import Array
from ..estimation.results import Estimate
from ..volatility import EGARCH, GARCH, Margins, fit_margins
from ..volatility.margins import residual_arrays
from .composite import Pairs, composite_pairs, joint_loglik
from .fit import CorrelationFit
from .model import PathModel, TargetModel, second_moment_target
from .named_covariance import FULL_MOST, named_covariance
from .targets import CorrelationTarget, correlation_target

__all__ = ["CorrelationSpec", "check_driver", "climb_correlation", "estimate_correlation", "spec_from_dict"]

DISTS = ("normal", "t")
METHODS = ("ml", "composite", "joint")
TARGET_NOISE = ("exact", "moment", "none")
_KINDS: dict[str, type[CorrelationSpec]] = {}


class CorrelationSpec:
    """Base of every correlation specification: a frozen record that knows how to build its model and to fit it.

    A subclass is a frozen dataclass with at least ``dist``; it writes `model`, and says how many driver columns
    it takes. Its name in JSON is its class name.

    Attributes
    ----------
    dist : "normal" or "t". drivers : least and most driver columns. references : bibliography keys.
    result : the type of its fits.
    """

    dist: str
    drivers: ClassVar[tuple[int, int]] = (0, 0)
    result: ClassVar[type[CorrelationFit]] = CorrelationFit
    references: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _KINDS[cls.__name__] = cls

    def __post_init__(self) -> None:
        check_option("dist", self.dist, DISTS)

    @property
    def name(self) -> str:
        """Name of the model in the field's terms."""
        return f"{type(self).__name__}-{self.dist}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able choices."""
        return {"model": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> PathModel:
        """Build the model on residuals ``z`` (T, N); ``driver`` (T, M) is checked already."""
        raise NotImplementedError

    def model_of(
        self,
        z: Array,
        margins: Sequence[GARCH | EGARCH],
        thetas: Sequence[Array],
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
    ) -> PathModel:
        """Build the model on ``z`` with margins known by specification and parameters only, as in rolling windows."""
        del margins, thetas
        return self.model(z, names=names, driver=driver)

    def fit(
        self,
        data: Margins | pd.DataFrame,
        *,
        margins: GARCH | EGARCH | dict[str, GARCH | EGARCH] | None = None,
        driver: pd.Series | pd.DataFrame | None = None,
        target: str | pd.DataFrame | Array = "sample",
        cov_type: str = "robust",
        target_noise: str = "exact",
        hac_lags: int | None = None,
        strict: bool = False,
        method: str = "ml",
        pairs: str = "contiguous",
        pair_seed: int | None = None,
    ) -> CorrelationFit:
        """Fit to margins, or to returns whose margins are fitted first.

        Parameters
        ----------
        data : `Margins`, or (T, N) percent returns.
        margins : margin specification(s) when ``data`` are returns; ``GARCH()`` by default.
        driver : exogenous variable(s) by date, for the models that take them; row t acts on the correlation of
            date t, so lag it beforehand where it is not known before the return.
        target : "sample" (the second moment scaled to unit diagonal), "identity" or "constant" (linear shrinkage
            towards no or equal correlation), "nonlinear" (Ledoit & Wolf 2020), or an (N, N) matrix, which is taken as
            known; see `targets.correlation_target`. For models that have a target.
        cov_type : "robust", "hac" (Newey–West, ``hac_lags`` or the integer part of 1.2 T^(1/3)) or "classic".
        target_noise : "exact", "moment" or "none"; see `stacking.stacked_covariance`.
        strict : raise `ConvergenceError` where an optimiser stops short.
        method : "ml"; "composite": maximise the mean log-likelihood of pairs (Pakel, Shephard, Sheppard & Engle
            2021), for many columns; DCC(1,1) supports it. "joint": margins, target and correlation in one step, for up
            to five columns of CCC or DCC(1,1); see `joint.fit_joint`.
        pairs : of the composite likelihood: "contiguous" (neighbours in the order of the columns) or "all".
        pair_seed : draw the order that makes neighbours, instead of the columns' own.

        Notes
        -----
        With more than 30 columns the target's elements are not listed, and covariances between a margin's parameters
        and others are not computed; see `correlation.named_covariance`.

        Raises
        ------
        DataError : fewer than two columns, collinear columns, returns or drivers that cannot be used.
        """
        check_option("cov_type", cov_type, COV_TYPES)
        check_option("target_noise", target_noise, TARGET_NOISE)
        chosen = _as_pairs(method, pairs, pair_seed)
        if not isinstance(data, Margins):
            # a frame is checked where its margins are fitted; anything else is refused here, in words
            frame = data if isinstance(data, pd.DataFrame) else check_returns(data)
            data = fit_margins(frame, margins, cov_type=cov_type, strict=strict)
        elif margins is not None:
            raise SpecError("margins= is for returns; the data passed are fitted margins already.")
        if len(data.names) < 2:
            raise DataError(f"a correlation needs two columns; there is only {data.names[0]!r}.")
        drivers = check_driver(driver, data.std_resid.index, self.drivers, self.name)
        chosen_target = _choose_target(self.name, target, data)
        if chosen_target is not None and chosen_target.method == "given":
            target_noise = "none"
        _check_collinear(data, given=chosen_target is not None)
        fit = estimate_correlation(
            self,
            data,
            cov_type,
            target_noise,
            hac_lags,
            strict,
            driver=drivers,
            target=chosen_target,
            pairs=chosen,
        )
        if method == "joint":
            from .joint import fit_joint

            if chosen_target is not None:
                raise SpecError("method='joint' estimates the correlation's level; leave target='sample'.")
            fit = fit_joint(fit, cov_type=cov_type, hac_lags=hac_lags, strict=strict)
        if not fit.converged and fit.optimum is not None:
            warnings.warn(f"{self.name}: {fit.optimum.reason}", ConvergenceWarning, stacklevel=2)
        own = [name for name in fit.at_bound if name in fit.likelihood.layout.names]
        found = [f"on the bound or not identified, no standard error: {', '.join(own)}"] if own else []
        found += fit.concerns
        if found:
            warnings.warn(f"{self.name}: {'; '.join(found)}", BoundaryWarning, stacklevel=2)
        return fit


def spec_from_dict(choices: dict[str, Any]) -> CorrelationSpec:
    """Rebuild a specification from `CorrelationSpec.to_dict`."""
    check_option("model", choices.get("model"), tuple(_KINDS))
    rest = {key: tuple(value) if isinstance(value, list) else value for key, value in choices.items() if key != "model"}
    return _KINDS[choices["model"]](**rest)


def check_driver(
    driver: pd.Series | pd.DataFrame | None, index: pd.Index, columns: tuple[int, int], model: str
) -> pd.DataFrame | None:
    """Driver on the dates of the residuals, (T, M): every date present, finite, not constant.

    Raises
    ------
    SpecError : a driver where none is taken, none where one is needed, or the wrong number of columns.
    DataError : a date without a value, a value that is not finite, a constant column.
    """
    least, most = columns
    if driver is None:
        if least > 0:
            raise SpecError(f"{model} needs driver=: {least} column(s) by date that may drive the correlation.")
        return None
    frame = driver.to_frame(driver.name or "driver") if isinstance(driver, pd.Series) else driver
    if not isinstance(frame, pd.DataFrame):
        raise SpecError("driver: pass a pandas Series or DataFrame indexed by date.")
    if most == 0:
        raise SpecError(f"{model} takes no driver; STCC, DSTCC, DCCX and DCCMIDAS do.")
    if not least <= frame.shape[1] <= most:
        raise SpecError(f"{model} takes {least} to {most} driver column(s), not {frame.shape[1]}.")
    if frame.index.has_duplicates:
        twice = frame.index[frame.index.duplicated()][0]
        raise DataError(f"driver: {twice} occurs twice; keep one row a date.")
    missing = index.difference(frame.index)
    if len(missing):
        raise DataError(
            f"driver: no row for {len(missing)} of the {len(index)} dates of the residuals, first {missing[0]}; "
            "give every date its value (as known then), or fit on the dates both have."
        )
    out = frame.loc[index].astype(float)
    for name in out.columns:
        values = out[name].to_numpy()
        if not np.isfinite(values).all():
            bad = index[~np.isfinite(values)][0]
            raise DataError(
                f"driver {name!r}: not finite at {bad}; start the sample after it, or fill it with what was known."
            )
        if float(np.ptp(values)) <= 1e-12 * float(np.abs(values).max()):
            raise DataError(f"driver {name!r} is constant ({values[0]:g}): it cannot drive anything.")
    return out


def _as_pairs(method: str, pairs: str, seed: int | None) -> Pairs | None:
    """Pairs of the composite likelihood asked for, or None for the full likelihood."""
    check_option("method", method, METHODS)
    composite_pairs(2, pairs, seed)  # refuses what it does not know
    if method == "composite":
        return Pairs(pairs, seed)
    if pairs != "contiguous" or seed is not None:
        raise SpecError("pairs= and pair_seed= choose the pairs of a composite likelihood: add method='composite'.")
    return None


def _choose_target(model: str, target: str | pd.DataFrame | Array, margins: Margins) -> CorrelationTarget | None:
    """Target other than the sample's; None for the sample's."""
    if isinstance(target, str) and target == "sample":
        return None
    if isinstance(target, pd.DataFrame | np.ndarray | str):
        return correlation_target(margins.std_resid, target)
    raise SpecError(f"target={type(target).__name__}: {model} takes a method's name or an (N, N) matrix.")


def _check_collinear(margins: Margins, *, given: bool = False) -> None:
    z = margins.std_resid.to_numpy(float)
    if given:
        return
    if z.shape[1] >= z.shape[0]:
        raise DataError(
            f"{z.shape[1]} columns and {z.shape[0]} observations: the sample correlation is singular; use a longer "
            "sample, fewer columns, or a shrinkage target (target=)."
        )
    values, vectors = np.linalg.eigh(second_moment_target(z)[0])
    if values[0] < 1e-8:
        guilty = np.argsort(np.abs(vectors[:, 0]))[::-1][:2]
        pair = " and ".join(repr(margins.names[i]) for i in sorted(guilty))
        raise DataError(
            f"the residuals of {pair} are collinear (smallest eigenvalue of the correlation {values[0]:.1e}); "
            "drop one of the columns."
        )


def climb_correlation(
    spec: CorrelationSpec,
    z: Array,
    *,
    start: Array | None = None,
    curvature: Array | None = None,
    tol: float = 1e-8,
    strict: bool = False,
    driver: Array | None = None,
) -> tuple[PathModel, Optimum | None]:
    """Maximise on arrays, without checks or standard errors: the bootstrap's inner loop."""
    lik = spec.model(z, driver=driver)
    return lik, _climb(lik, start, curvature, tol, strict)


def _climb(
    lik: PathModel,
    start: Array | None = None,
    curvature: Array | None = None,
    tol: float = 1e-8,
    strict: bool = False,
) -> Optimum | None:
    if lik.layout.size == 0:
        return None
    starts = list(lik.starts()) if start is None else [start]
    return lik.climb(starts, tol=tol, curvature=curvature, strict=strict)


def estimate_correlation(
    spec: CorrelationSpec,
    margins: Margins,
    cov_type: str,
    target_noise: str,
    hac_lags: int | None,
    strict: bool = False,
    optimum: Optimum | None = None,
    driver: pd.DataFrame | None = None,
    target: CorrelationTarget | None = None,
    pairs: Pairs | None = None,
) -> CorrelationFit:
    """Estimate (unless ``optimum`` is given) and put standard errors around it."""
    z, volatility = residual_arrays(margins)
    lik = spec.model(
        z,
        names=margins.names,
        driver=None if driver is None else driver.to_numpy(float),
        target=None if target is None else target.correlation,
        margins=margins,
    )
    if target is not None:
        if not isinstance(lik, TargetModel):
            raise SpecError(f"{spec.name} has no target: leave target='sample'.")
        lik.take(target.method, target.weight)
    objective = lik
    if pairs is not None:
        rows, cols = composite_pairs(lik.n, pairs.kind, pairs.seed)
        objective = lik.composite(rows, cols)
    if optimum is None:
        optimum = _climb(objective, strict=strict)
    theta = np.empty(0) if optimum is None else optimum.theta
    lik.settle(theta)
    if objective is not lik:
        objective.settle(theta)
    names, full, cov = named_covariance(
        objective, optimum, margins, cov_type=cov_type, target_noise=target_noise, lags=hac_lags
    )
    for place in [names.index(name) for name in (() if optimum is None else lik.tied(optimum))]:
        cov[place, :] = cov[:, place] = np.nan
    targets = set(lik.nuisance_names()) if target_noise == "none" and lik.n <= FULL_MOST else set()
    bounded = tuple(
        name for name, value in zip(names, np.diag(cov), strict=True) if np.isnan(value) and name not in targets
    )
    loglik_obs = joint_loglik(lik, theta, pairs) - np.log(volatility).sum(axis=1)
    if pairs is not None and optimum is not None:
        pairs = replace(pairs, count=rows.size, loglik=optimum.loglik)
    estimate = Estimate(
        names,
        full,
        cov,
        float(loglik_obs.sum()),
        z.shape[0],
        sum(fit.estimate.theta.size for fit in margins.fits) + lik.nuisance.size + theta.size,
        cov_type if cov_type == "classic" else f"{cov_type}, target noise {target_noise}",
        optimum,
        bounded,
    )
    return spec.result(
        spec=spec,
        margins=margins,
        _estimate=estimate,
        theta=theta,
        loglik_obs=pd.Series(loglik_obs, margins.std_resid.index, name="loglik"),
        likelihood=lik,
        options=(cov_type, target_noise, hac_lags),
        driver=driver,
        pairs=pairs,
        given=target,
    )
