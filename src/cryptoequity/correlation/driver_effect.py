"""One door to the tests of a driver's effect."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import SpecError
from ..estimation.results import TestResult
from .effects import score_effect_test
from .fit import CorrelationFit
from .stcc import TransitionFit
from .transition_effect import transition_effect_test

__all__ = ["driver_effect_test"]


def driver_effect_test(
    fit: CorrelationFit,
    *columns: str,
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
    shocks: str = "fhs",
    progress: bool = False,
    **choices: Any,
) -> TestResult:
    """Bootstrap test that a driver does not move the correlation, whatever the model it is in.

    For STCC, DSTCC and Berben-Jansen the sup-LR test of `transition_effect.transition_effect_test` (choice ``null``),
    for DCC-X the score or LR test of `effects.score_effect_test` (choice ``statistic``). Both draw from a fitted DCC
    in which the driver has no part, refit margins and models on every draw, and hold the driver fixed: it must come
    from outside the returns.

    Parameters
    ----------
    fit : a fitted STCC, DSTCC, BerbenJansen or DCCX.
    columns : drivers to test; all by default. Of two transitions one may be named, and is tested given the other.
    draws : samples, 19 at least. rng : seed or generator; the result does not depend on ``n_jobs``.
    shocks : "fhs" (resampled) or "parametric". progress : show a bar.
    choices : further keywords of the function that does it.

    Returns
    -------
    TestResult : statistic, p-value (1 + draws at least as large) / (1 + draws), and the draws in ``detail``.

    Raises
    ------
    SpecError : a model without a driver, a filtered fit, an unknown column.
    """
    common: dict[str, Any] = {"draws": draws, "rng": rng, "n_jobs": n_jobs, "shocks": shocks, "progress": progress}
    if isinstance(fit, TransitionFit):
        if len(columns) > 1:
            raise SpecError(
                f"columns={columns}: name one transition to test given the other, or none to test them all."
            )
        return transition_effect_test(fit, columns[0] if columns else None, **common, **choices)
    return score_effect_test(fit, *columns, **common, **choices)
