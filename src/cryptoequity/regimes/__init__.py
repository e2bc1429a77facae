"""Regime switching: hidden Markov models of returns, covariances and correlations."""

from .covariance import MarkovCovariance
from .fit import RegimeFit
from .rsdc import RSDC, RSDCFit

__all__ = ["RSDC", "MarkovCovariance", "RSDCFit", "RegimeFit"]
