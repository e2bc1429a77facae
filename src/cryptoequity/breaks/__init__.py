"""Structural breaks: regressions, variances, correlations, explosive roots, contagion, change points."""

from .results import BreakTest

__all__ = ["BreakTest"]
