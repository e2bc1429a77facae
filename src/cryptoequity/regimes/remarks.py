"""What a search says about itself: warnings that point at the line that asked for the fit."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

from ..errors import BoundaryWarning, ConvergenceError, ConvergenceWarning
from ..estimation.optimize import Optimum
from .likelihood import Start, replicated

__all__ = ["remark", "remark_on_search"]

PACKAGE = __name__.split(".", maxsplit=1)[0]


def remark(message: str, category: type[Warning]) -> None:
    """Warn at the first line outside the library, however deep inside it the cause is."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == PACKAGE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def remark_on_search(
    name: str, optimum: Optimum, tried: Sequence[Start], bounded: Sequence[str], *, strict: bool = False
) -> None:
    """Say what a reader of the fit must know of how it was found.

    Parameters
    ----------
    name : of the model. tried : every start. bounded : parameters without a standard error.

    Raises
    ------
    ConvergenceError : the optimizer stopped short and ``strict`` is set.
    """
    if not optimum.converged:
        if strict:
            raise ConvergenceError(optimum.reason)
        remark(f"{name}: {optimum.reason}", ConvergenceWarning)
    reached, climbs = replicated(tried)
    if len(tried) > 1 and reached == 1:
        others = f"of {climbs} climbs from {len(tried)} starts" if climbs > 1 else f"climb of {len(tried)} starts"
        remark(
            f"{name}: only one {others} reached the best log-likelihood; there may be a higher one. "
            f"Use starts={5 * len(tried)}, or fewer regimes.",
            ConvergenceWarning,
        )
    if bounded:
        remark(
            f"{name}: on the bound or not identified, no standard error: {', '.join(bounded)}",
            BoundaryWarning,
        )
