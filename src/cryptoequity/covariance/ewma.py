r"""EWMA (RiskMetrics) and RiskMetrics 2006: covariances without parameters, or with one.

.. math::

    H_t = \sum_k w_k S_{k,t}, \quad S_{k,t} = (1-\lambda_k)\,\varepsilon_{t-1}\varepsilon_{t-1}' + \lambda_k S_{k,t-1} .
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import SpecError, check_option
from ..estimation.params import PERSISTENCE_CAP, Array, Layout, interval
from ..kernels.ewma import ewma_filter, ewma_path, ewma_simulate
from ..volatility.likelihood import ewma_backcast
from .fit import CovarianceSpec

__all__ = ["EWMA", "RiskMetrics2006", "SmoothedLikelihood"]

_FREE = Layout([interval("ewma.lambda", 0.01, PERSISTENCE_CAP)])
_FIXED = Layout([])
_STANDARD = 0.94


def backward_start(e: Array, decay: float) -> Array:
    """Backward EWMA of the outer products of e (T, N), over the dates that hold 99 % of its weight: (N, N).

    At least N dates enter, or the matrix would be singular.
    """
    count = max(int(np.log(0.01) / np.log(decay)), e.shape[1])
    head = e[: min(count, e.shape[0])]
    return ewma_backcast(head[:, :, None] * head[:, None, :], decay, head.shape[0])


class SmoothedLikelihood:
    """Gaussian log-likelihood of deviations (T, N) under a mixture of EWMAs.

    ``decay`` (K,) and ``weight`` (K,) are given, or ``decay`` is None and the one decay is the parameter.
    ``start`` is "backcast" or "sample"; see `EWMA`.
    """

    def __init__(self, e: Array, decay: Array | None, weight: Array, start: str) -> None:
        self.e = np.ascontiguousarray(e, float)
        self.decay, self.weight, self.rule = decay, weight, start
        self.layout = _FREE if decay is None else _FIXED
        self.moment: Array = self.e.T @ self.e / self.e.shape[0]
        decays = np.array([_STANDARD]) if decay is None else decay
        each = [self.moment if start == "sample" else backward_start(self.e, float(one)) for one in decays]
        self.start: Array = np.ascontiguousarray(np.stack(each))

    def decays(self, theta: Array) -> Array:
        """Decays (K,), given or estimated."""
        return np.asarray(theta, float) if self.decay is None else self.decay

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) and scores (T, K)."""
        loglik, score, _ = ewma_filter(self.decays(theta), self.weight, self.start, self.e, want * self.layout.size)
        return loglik, score[:, None] if self.layout.size else np.empty((self.e.shape[0] * want, 0))

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Covariances of the pairs, (T, pairs)."""
        i, j = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
        return ewma_path(self.decays(theta), self.weight, self.start, self.e, i, j)  # type: ignore[no-any-return]

    def _components(self, theta: Array) -> Array:
        """S_{k,T+1}, (K, N, N)."""
        return ewma_filter(self.decays(theta), self.weight, self.start, self.e, 0)[2]  # type: ignore[no-any-return]

    def next_covariance(self, theta: Array) -> Array:
        """H_{T+1}, (N, N)."""
        ahead: Array = self.expected(theta, 1)[0]
        return ahead

    def expected(self, theta: Array, horizon: int) -> Array:
        r"""E[H_{T+h}], (horizon, N, N): :math:`S_{k,T+h+1}=\lambda_kS_{k,T+h}+(1-\lambda_k)H_{T+h}` in expectation.

        One component stays where it is at every horizon; a mixture moves towards its slow components.
        """
        decay, state = self.decays(theta)[:, None, None], self._components(theta)
        out = np.empty((horizon, *state.shape[1:]))
        for h in range(horizon):
            out[h] = np.tensordot(self.weight, state, axes=1)
            state = decay * state + (1.0 - decay) * out[h]
        return out

    def simulate(self, theta: Array, shocks: Array, *, warm: bool = False) -> tuple[Array, Array | None]:
        """Deviations (H, N) and, when ``warm``, their covariances (H, N, N).

        An integrated model has no unconditional state: a cold start is at the sample's second moment.
        """
        decay = self.decays(theta)
        start = self._components(theta) if warm else np.repeat(self.moment[None], decay.size, axis=0)
        drawn, along = ewma_simulate(decay, self.weight, start, np.ascontiguousarray(shocks, float), int(warm))
        return drawn, along if warm else None

    def on(self, deviations: Array) -> SmoothedLikelihood:
        """Return the same model on other deviations."""
        return SmoothedLikelihood(deviations, self.decay, self.weight, self.rule)

    def starts(self) -> Iterator[Array]:
        """A grid of decays."""
        for decay in (0.8, 0.9, 0.94, 0.97, 0.99, 0.997):
            yield np.array([decay])


@dataclass(frozen=True)
class EWMA(CovarianceSpec):
    r"""Exponentially weighted covariance, :math:`H_t=(1-\lambda)\varepsilon_{t-1}\varepsilon_{t-1}'+\lambda H_{t-1}`.

    Parameters
    ----------
    lam : the decay, 0 < lam < 1 (RiskMetrics: 0.94 for daily data), or "qml" to estimate it by Gaussian
        quasi-maximum likelihood with a robust standard error.
    start : "backcast" (:math:`H_1` is a backward EWMA with decay ``lam`` over the dates that hold 99 % of its weight,
        as in the MFE toolbox; with "qml" its decay stays at 0.94, so that the likelihood is smooth in ``lam``) or
        "sample" (the second moment of the whole sample).
    demean : subtract the sample mean first.

    Notes
    -----
    The model is integrated and has no constant: forecasts are flat in the horizon, and a long simulation drifts
    towards zero variance. It is a smoother with a likelihood, not a stationary law.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.EWMA().fit(returns[["COIN", "SMALL_TECH"]])
    >>> fit.correlation("COIN", "SMALL_TECH").name
    'corr(COIN, SMALL_TECH)'
    """

    lam: float | str = 0.94
    start: str = "backcast"
    references: ClassVar[tuple[str, ...]] = ("riskmetrics1996",)

    def __post_init__(self) -> None:
        check_option("start", self.start, ("backcast", "sample"))
        if isinstance(self.lam, str):
            check_option("lam", self.lam, ("qml",))
        elif isinstance(self.lam, bool) or not 0.0 < self.lam < 1.0:
            raise SpecError(f"lam={self.lam!r}: give a decay strictly between 0 and 1, or 'qml' to estimate it.")

    @property
    def name(self) -> str:
        """Name with its decay."""
        return "EWMA(QML)" if isinstance(self.lam, str) else f"EWMA({self.lam:g})"

    def build(self, deviations: Array) -> SmoothedLikelihood:
        """Return the likelihood on deviations (T, N)."""
        decay = None if isinstance(self.lam, str) else np.array([float(self.lam)])
        return SmoothedLikelihood(deviations, decay, np.ones(1), self.start)


@dataclass(frozen=True)
class RiskMetrics2006(CovarianceSpec):
    r"""RiskMetrics 2006 (Zumbach 2007): a mixture of EWMAs whose weights fall with the logarithm of their time scale.

    .. math::

        \tau_k=\tau_1\rho^{k-1},\quad \lambda_k=e^{-1/\tau_k},\quad
        w_k\propto 1-\frac{\ln\tau_k}{\ln\tau_0},\quad \textstyle\sum_kw_k=1,\quad k=1,\dots,k_{\max} .

    Parameters
    ----------
    tau0 : days at which the weight would reach zero. tau1 : days of the fastest component.
    kmax : number of components. rho : ratio of successive time scales.
    demean : subtract the sample mean first.

    Notes
    -----
    Every component starts at its own backward EWMA, as in the MFE toolbox. Nothing is estimated.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.RiskMetrics2006().fit(returns[["COIN", "SMALL_TECH"]])
    >>> fit.correlation("COIN", "SMALL_TECH").name
    'corr(COIN, SMALL_TECH)'
    """

    tau0: float = 1560.0
    tau1: float = 4.0
    kmax: int = 14
    rho: float = 2.0**0.5
    references: ClassVar[tuple[str, ...]] = ("zumbach2007",)

    def __post_init__(self) -> None:
        if not isinstance(self.kmax, int) or isinstance(self.kmax, bool) or self.kmax < 1:
            raise SpecError(f"kmax={self.kmax!r}: give a whole number of components, at least 1.")
        for label, value, lower in (("tau0", self.tau0, 1.0), ("tau1", self.tau1, 0.0), ("rho", self.rho, 0.0)):
            if not value > lower:
                raise SpecError(f"{label}={value!r} must be greater than {lower:g}.")
        slowest = max(self.tau1, self.tau1 * self.rho ** (self.kmax - 1))
        if slowest >= self.tau0:
            raise SpecError(
                f"the slowest component has a scale of {slowest:g} days, tau0={self.tau0:g}: its weight is not "
                "positive; lower kmax, rho or tau1, or raise tau0."
            )

    @property
    def name(self) -> str:
        """Name in the field's terms."""
        return "RiskMetrics 2006"

    def mixture(self) -> tuple[Array, Array]:
        """Decays and weights, (kmax,) each."""
        scales = self.tau1 * self.rho ** np.arange(self.kmax)
        weights = 1.0 - np.log(scales) / np.log(self.tau0)
        return np.exp(-1.0 / scales), weights / weights.sum()

    def build(self, deviations: Array) -> SmoothedLikelihood:
        """Return the likelihood on deviations (T, N)."""
        return SmoothedLikelihood(deviations, *self.mixture(), "backcast")
