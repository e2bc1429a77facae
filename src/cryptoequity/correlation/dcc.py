r"""CCC and DCC(1,1): specifications and their fit.

.. math::

    r_t = \mu_t + D_t z_t,\quad D_t=\operatorname{diag}(\sigma_{1t},\dots,\sigma_{Nt}),\quad
    \operatorname{E}_{t-1}z_tz_t' = R_t .

CCC (Bollerslev 1990) keeps :math:`R_t=\bar R`; DCC (Engle 2002) has
:math:`Q_t=(1-a-b)\bar Q+a z_{t-1}z_{t-1}'+bQ_{t-1}` and
:math:`R_t=\operatorname{diag}(Q_t)^{-1/2}Q_t\operatorname{diag}(Q_t)^{-1/2}`.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..data.checks import check_returns
from ..errors import BoundaryWarning, ConvergenceWarning, DataError, SpecError, check_option
from ..estimation.inference import COV_TYPES, spread
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array
from ..estimation.results import Estimate
from ..volatility import EGARCH, GARCH, Margins, fit_margins
from ..volatility.margins import residual_arrays
from .fit import CorrelationFit
from .likelihood import CorrelationLikelihood, second_moment_target, stacked_covariance

__all__ = ["CCC", "DCC", "climb_correlation", "spec_from_dict"]

DISTS = ("normal", "t")
TARGET_NOISE = ("exact", "moment", "none")


class _Spec:
    """What CCC and DCC share: checks and the fit."""

    dist: str
    dynamic: ClassVar[bool]

    def __post_init__(self) -> None:
        check_option("dist", self.dist, DISTS)

    @property
    def start_rule(self) -> str:
        """How the recursion starts; DCC may choose."""
        return "target"

    @property
    def name(self) -> str:
        """Name of the model in the field's terms."""
        return f"{'DCC(1,1)' if self.dynamic else 'CCC'}-{self.dist}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able choices."""
        return {"model": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]

    def fit(
        self,
        data: Margins | pd.DataFrame,
        *,
        margins: GARCH | EGARCH | dict[str, GARCH | EGARCH] | None = None,
        cov_type: str = "robust",
        target_noise: str = "exact",
        hac_lags: int | None = None,
        strict: bool = False,
    ) -> CorrelationFit:
        """Fit to margins, or to returns whose margins are fitted first.

        Parameters
        ----------
        data : `Margins`, or (T, N) percent returns.
        margins : margin specification(s) when ``data`` are returns; ``GARCH()`` by default.
        cov_type : "robust", "hac" (Newey–West, ``hac_lags`` or the integer part of 1.2 T^(1/3)) or "classic".
        target_noise : "exact", "moment" or "none"; see `likelihood.stacked_covariance`.
        strict : raise `ConvergenceError` where an optimiser stops short.

        Raises
        ------
        DataError : fewer than two columns, collinear columns, returns that cannot be used.
        """
        check_option("cov_type", cov_type, COV_TYPES)
        check_option("target_noise", target_noise, TARGET_NOISE)
        if not isinstance(data, Margins):
            # a frame is checked where its margins are fitted; anything else is refused here, in words
            frame = data if isinstance(data, pd.DataFrame) else check_returns(data)
            data = fit_margins(frame, margins, cov_type=cov_type, strict=strict)
        elif margins is not None:
            raise SpecError("margins= is for returns; the data passed are fitted margins already.")
        if len(data.names) < 2:
            raise DataError(f"a correlation needs two columns; there is only {data.names[0]!r}.")
        _check_collinear(data)
        fit = estimate_correlation(self, data, cov_type, target_noise, hac_lags, strict)
        if not fit.converged and fit.optimum is not None:
            warnings.warn(f"{self.name}: {fit.optimum.reason}", ConvergenceWarning, stacklevel=2)
        own = [name for name in fit.at_bound if name.startswith(("dcc.", "ccc."))]
        if own:
            warnings.warn(
                f"{self.name}: on the bound or not identified, no standard error: {', '.join(own)}",
                BoundaryWarning,
                stacklevel=2,
            )
        return fit


@dataclass(frozen=True)
class CCC(_Spec):
    """Constant conditional correlation (Bollerslev 1990).

    Parameters
    ----------
    dist : "normal" or "t" errors of the standardized residuals.
    """

    dist: str = "normal"
    dynamic: ClassVar[bool] = False


@dataclass(frozen=True)
class DCC(_Spec):
    r"""Dynamic conditional correlation, DCC(1,1) (Engle 2002).

    The target :math:`\bar Q` is the uncentred second moment of the residuals scaled to unit diagonal.

    Parameters
    ----------
    dist : "normal" or "t" errors of the standardized residuals.
    presample : "target" (:math:`Q_1=\bar Q`) or "ewma" (the MFE toolbox's back-cast).

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> dcc = ce.DCC(dist="t").fit(returns[["COIN", "SMALL_TECH"]], margins=ce.GARCH(dist="t"))
    >>> dcc.correlation("COIN", "SMALL_TECH").name
    'corr(COIN, SMALL_TECH)'
    """

    dist: str = "normal"
    presample: str = "target"
    dynamic: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("presample", self.presample, ("target", "ewma"))

    @property
    def start_rule(self) -> str:
        """How the recursion starts."""
        return self.presample


def spec_from_dict(choices: dict[str, Any]) -> CCC | DCC:
    """Rebuild a specification from `to_dict`."""
    check_option("model", choices.get("model"), ("CCC", "DCC"))
    rest = {key: value for key, value in choices.items() if key != "model"}
    return CCC(**rest) if choices["model"] == "CCC" else DCC(**rest)


def _check_collinear(margins: Margins) -> None:
    z = margins.std_resid.to_numpy(float)
    values, vectors = np.linalg.eigh(second_moment_target(z)[0])
    if values[0] < 1e-8:
        guilty = np.argsort(np.abs(vectors[:, 0]))[::-1][:2]
        pair = " and ".join(repr(margins.names[i]) for i in sorted(guilty))
        raise DataError(
            f"the residuals of {pair} are collinear (smallest eigenvalue of the correlation {values[0]:.1e}); "
            "drop one of the columns."
        )


def climb_correlation(
    spec: CCC | DCC | _Spec,
    z: Array,
    *,
    start: Array | None = None,
    curvature: Array | None = None,
    tol: float = 1e-8,
    strict: bool = False,
) -> tuple[CorrelationLikelihood, Optimum | None]:
    """Maximise on arrays, without checks or standard errors: the bootstrap's inner loop."""
    lik = CorrelationLikelihood(z, dynamic=spec.dynamic, dist=spec.dist, presample=spec.start_rule)
    if lik.layout.size == 0:
        return lik, None
    starts = list(lik.starts()) if start is None else [start]
    return lik, maximize(lik, starts, polish=2, tol=tol, curvature=curvature, strict=strict)


def estimate_correlation(
    spec: CCC | DCC | _Spec,
    margins: Margins,
    cov_type: str,
    target_noise: str,
    hac_lags: int | None,
    strict: bool = False,
    optimum: Optimum | None = None,
) -> CorrelationFit:
    """Estimate (unless ``optimum`` is given) and put standard errors around it."""
    z, volatility = residual_arrays(margins)
    if optimum is None:
        lik, optimum = climb_correlation(spec, z, strict=strict)
    else:
        lik = CorrelationLikelihood(z, dynamic=spec.dynamic, dist=spec.dist, presample=spec.start_rule)
    theta = np.empty(0) if optimum is None else optimum.theta
    parts = [fit.part for fit in margins.fits]
    cov, last = stacked_covariance(
        lik,
        optimum,
        parts,
        [fit.dz for fit in margins.fits],
        cov_type=cov_type,
        target_noise=target_noise,
        lags=hac_lags,
    )
    rows, cols = np.tril_indices(lik.n, -1)
    order = np.lexsort((rows, cols))  # pairs as (0,1), (0,2), …, (1,2), …
    names = [f"{fit.name}.{name}" for fit in margins.fits for name in fit.estimate.names]
    targets = [f"corr.{margins.names[cols[k]]}.{margins.names[rows[k]]}" for k in order]
    noisy = target_noise != "none"
    blocks = [part.jacobian for part in parts]
    target_block = np.eye(rows.size)[order] if noisy else np.zeros((rows.size, 0))
    blocks.append(target_block)
    blocks.append(np.zeros((lik.layout.size, 0)) if last is None else last.jacobian)
    height, width = sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)
    jacobian = np.zeros((height, width))
    i = j = 0
    for block in blocks:
        jacobian[i : i + block.shape[0], j : j + block.shape[1]] = block
        i, j = i + block.shape[0], j + block.shape[1]
    full = np.concatenate([*(fit.estimate.theta for fit in margins.fits), lik.target[rows, cols][order], theta])
    full_cov = spread(cov, jacobian)
    all_names = (*names, *targets, *lik.layout.names)
    bounded = tuple(
        name
        for name, variance in zip(all_names, np.diag(full_cov), strict=True)
        if np.isnan(variance) and not (name in targets and not noisy)
    )
    loglik_obs = lik.evaluate(theta, 0)[0] - np.log(volatility).sum(axis=1)
    estimate = Estimate(
        all_names,
        full,
        full_cov,
        float(loglik_obs.sum()),
        z.shape[0],
        full.size,
        cov_type if cov_type == "classic" else f"{cov_type}, target noise {target_noise}",
        optimum,
        bounded,
    )
    return CorrelationFit(
        spec=spec,  # type: ignore[arg-type]
        margins=margins,
        _estimate=estimate,
        theta=theta,
        loglik_obs=pd.Series(loglik_obs, margins.std_resid.index, name="loglik"),
        likelihood=lik,
        options=(cov_type, target_noise, hac_lags),
    )
