"""Covariance models: BEKK, O-GARCH and GO-GARCH, exponential smoothing."""

from .bekk import BEKK
from .ewma import EWMA, RiskMetrics2006
from .fit import CovarianceFit
from .gogarch import GOGARCH, OGARCH

__all__ = [
    "BEKK",
    "EWMA",
    "GOGARCH",
    "OGARCH",
    "CovarianceFit",
    "RiskMetrics2006",
]
