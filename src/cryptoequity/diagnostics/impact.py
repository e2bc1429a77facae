r"""News impact: the correlation of tomorrow as a function of the shocks of today.

.. math:: (z_i,z_j)\mapsto\rho_{ij,t+1}\ \text{given the state of date } t \text{ at its unconditional value}

(Kroner & Ng 1998). A DCC answers to the product of the shocks and, through the scaling, to their squares; an
asymmetric model answers more to two negative ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..correlation.model import matrix_of
from ..errors import DataError, SpecError
from ..estimation.params import Array

if TYPE_CHECKING:
    from ..correlation.fit import CorrelationFit

__all__ = ["impact_surface", "news_impact", "next_correlation"]

NextCorrelation = Callable[[Array], float]


def impact_surface(
    function: NextCorrelation,
    grid: npt.ArrayLike | None = None,
    *,
    names: Sequence[str] = ("i", "j"),
) -> pd.DataFrame:
    """Evaluate a function of two shocks over a grid.

    Parameters
    ----------
    function : takes shocks (2,) in standard deviations and returns the correlation of the next date.
    grid : (G,) increasing shocks, used for both; by default 33 from -4 to 4. names : of the pair.

    Returns
    -------
    DataFrame (G, G) : rows are shocks to the first, columns shocks to the second.

    Raises
    ------
    SpecError : a grid that is not increasing. DataError : the function leaves [-1, 1] or returns no number.
    """
    shocks = np.linspace(-4.0, 4.0, 33) if grid is None else np.asarray(grid, float)
    if shocks.ndim != 1 or shocks.size < 2 or not np.all(np.diff(shocks) > 0):
        raise SpecError("grid: give at least two shocks in increasing order, e.g. numpy.linspace(-4, 4, 33).")
    if len(names) != 2:
        raise SpecError(f"names={tuple(names)!r}: a pair has two.")
    values = np.array([[float(function(np.array([one, other]))) for other in shocks] for one in shocks])
    bad = np.argwhere(~(np.abs(values) <= 1.0))
    if bad.size:
        i, j = bad[0]
        raise DataError(
            f"the next correlation after shocks ({shocks[i]:g}, {shocks[j]:g}) is {values[i, j]}; it must "
            "lie in [-1, 1]."
        )
    first, second = (pd.Index(shocks, name=f"shock to {name}") for name in names)
    return pd.DataFrame(values, first, second)


def news_impact(
    fit: CorrelationFit,
    i: str,
    j: str,
    grid: npt.ArrayLike | None = None,
    *,
    driver: npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """News-impact surface of a pair under a fitted model; see `next_correlation` and `impact_surface`.

    Parameters
    ----------
    fit : a fitted correlation model. i, j : columns. grid : (G,) shocks in standard deviations.
    driver : (M,) what drives the model, held still; by default its sample mean. For models with a driver only.

    Returns
    -------
    DataFrame (G, G) : rows are shocks to ``i``, columns shocks to ``j``.
    """
    return impact_surface(next_correlation(fit, i, j, driver=driver), grid, names=(i, j))


def next_correlation(fit: CorrelationFit, i: str, j: str, *, driver: npt.ArrayLike | None = None) -> NextCorrelation:
    r"""Return the function from shocks of date t to :math:`\rho_{ij,t+1}`, the state of date t being unconditional.

    It asks the model's own recursion, through its ``simulate``: date t is the first date of a path that starts
    unconditionally with correlation :math:`R_1`, the uncorrelated shocks :math:`u=L_1^{-1}z` put the wanted residuals
    there, and the correlation of the second date is the answer. Columns other than the pair stand at their
    expectation given it, :math:`R_{o,ij}R_{ij,ij}^{-1}z`.

    Parameters
    ----------
    fit : a fitted correlation model. i, j : columns. driver : (M,) as in `news_impact`.

    Raises
    ------
    SpecError : unknown columns, the same one twice, or a driver for a model that has none.
    """
    for name in (i, j):
        if name not in fit.names:
            raise SpecError(f"no column {name!r} in this fit; there are {', '.join(fit.names)}.")
    if i == j:
        raise SpecError(f"the correlation of {i!r} with itself is always 1.")
    pair = [fit.names.index(i), fit.names.index(j)]
    others = [k for k in range(len(fit.names)) if k not in pair]
    n = len(fit.names)
    held = _held_driver(fit, driver)
    rows, cols = np.triu_indices(n, 1)
    flat = fit.likelihood.simulate(fit.theta, np.zeros((1, n)), rows, cols, driver=_rows(held, 1))[1][0]
    start = matrix_of(flat, n)
    factor = np.linalg.cholesky(start)
    carry = np.linalg.solve(start[np.ix_(pair, pair)], start[np.ix_(pair, others)]).T

    def function(z: Array) -> float:
        wanted = np.empty(n)
        wanted[pair] = z
        wanted[others] = carry @ z
        shocks = np.zeros((2, n))
        shocks[0] = np.linalg.solve(factor, wanted)
        out = fit.likelihood.simulate(fit.theta, shocks, pair[:1], pair[1:], driver=_rows(held, 2))
        return float(out[1][1, 0])

    return function


def _held_driver(fit: CorrelationFit, driver: npt.ArrayLike | None) -> Array | None:
    known = fit.likelihood.driver
    if known is None:
        if driver is not None:
            raise SpecError("driver= belongs to a model that has one; this fit has none.")
        return None
    mean: Array = known.mean(axis=0)
    if driver is None:
        return mean
    values = np.atleast_1d(np.asarray(driver, float))
    if values.shape != mean.shape or not np.isfinite(values).all():
        raise SpecError(f"driver of shape {values.shape}: give {mean.size} finite numbers, one a driver of the fit.")
    return values


def _rows(driver: Array | None, count: int) -> Array | None:
    return None if driver is None else np.tile(driver, (count, 1))
