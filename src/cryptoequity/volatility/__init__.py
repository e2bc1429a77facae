"""Margins: GARCH, GJR and EGARCH on our own kernels, or any fitted `arch` result."""

from .adapter import ArchMargin
from .garch import EGARCH, GARCH, MarginFit
from .margins import Margins, fit_margins

__all__ = ["EGARCH", "GARCH", "ArchMargin", "MarginFit", "Margins", "fit_margins"]
