"""Explosive roots in a panel: the mean over series of backward supremum Dickey–Fuller statistics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.bootstrap import pvalue as share_beyond
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from .explosive_null import FEWEST_DRAWS, MULTIPLIERS, BootstrapWalk, both_paths, sieve_walk, threads, wild_walk
from .explosive_paths import explosive_paths, read_lag, read_levels, read_window
from .limits import LEVELS
from .results import BreakTest
from .sample import Series

__all__ = ["panel_gsadf_test"]


@dataclass(frozen=True, eq=False)
class PanelWalk:
    """The walks of several series, multiplied by the same numbers at the same dates."""

    walks: tuple[BootstrapWalk, ...]

    def mean_path(self, seed: np.random.SeedSequence, lag: int, window: int) -> Array:
        """Mean over the series of the backward suprema of one draw, (M,)."""
        # one seed for all: the walks have equally many shocks, and so get the same multipliers
        paths = [both_paths(walk.draw(np.random.default_rng(seed)), lag, window)[1] for walk in self.walks]
        out: Array = np.mean(paths, axis=0)
        return out


def _draw(seed: np.random.SeedSequence, world: PanelWalk, lag: int, window: int) -> Array:
    return world.mean_path(seed, lag, window)


def panel_gsadf_test(
    frame: pd.DataFrame,
    *,
    lag: int = 0,
    window: int | None = None,
    pvalue: str = "wild",
    draws: int = 499,
    multiplier: str = "rademacher",
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> BreakTest:
    r"""Test unit roots in all series against explosive stretches that they share (Pavlidis and others 2016).

    With :math:`\mathrm{BSADF}_{i,t}` of series i (see `gsadf_test`) the statistic is

    .. math:: \sup_t\ \frac1N\sum_{i\le N}\mathrm{BSADF}_{i,t}.

    Every draw multiplies the changes of all series at a date by the same random number: correlation between them and
    the order of their volatility stay as they are. A panel rejection needs explosions at the same dates; it does not
    say in which series.

    Parameters
    ----------
    frame : (T, N) levels by column, without missing values.
    lag, window, draws, multiplier, rng, n_jobs : as in `gsadf_test`.
    pvalue : "wild" or "sieve".

    Returns
    -------
    BreakTest : ``path`` is the mean sequence, ``boundary`` the constant it stays below at all dates with probability
        95 % under the null; ``position`` is where it peaks.

    Notes
    -----
    The law is that of `gsadf_test` with the wild bootstrap, column by column, and so is its conduct under GARCH; its
    size was not measured on its own.

    Raises
    ------
    DataError : fewer than two columns, and as `gsadf_test`.
    SpecError : an unknown option.

    Examples
    --------
    >>> import numpy as np, pandas as pd, cryptoequity as ce
    >>> walks = np.random.default_rng(1).standard_normal((150, 3)).cumsum(axis=0)
    >>> ce.panel_gsadf_test(pd.DataFrame(walks, columns=list("abc")), draws=99).nobs
    150
    """
    check_option("pvalue", pvalue, ("wild", "sieve"))
    check_option("multiplier", multiplier, MULTIPLIERS)
    if not isinstance(draws, int | np.integer) or isinstance(draws, bool) or draws < FEWEST_DRAWS:
        raise SpecError(f"draws={draws!r}: critical values down to 1 % need a whole number of at least {FEWEST_DRAWS}.")
    series = _columns(frame)
    first = series[0]
    lags = read_lag(first.values, lag, None)
    rows = read_window(first, window, lags)
    mean: Array = np.mean([explosive_paths(one, lags, rows).bsadf for one in series], axis=0)
    changes = [np.diff(one.values) for one in series]
    walks = [wild_walk(d, multiplier) if pvalue == "wild" else sieve_walk(d, lags, multiplier) for d in changes]
    world = PanelWalk(tuple(walks))
    with threads(n_jobs):
        paths = map_draws(partial(_draw, world=world, lag=lags, window=rows), spawn(rng, int(draws)), n_jobs=n_jobs)
    drawn = np.fmax.reduce(np.stack(paths), axis=1)
    critical = {level: float(np.nanquantile(drawn, 1.0 - level)) for level in LEVELS}
    index = first.index[lags + rows :]
    position = lags + rows + int(np.argmax(mean))
    statistic = float(mean.max())
    return BreakTest(
        name="Panel GSADF test of explosive roots",
        null="a unit root throughout in every series; volatility may change.",
        statistic=statistic,
        pvalue=share_beyond(statistic, drawn),
        reference=f"{pvalue} bootstrap, {drawn.size} draws",
        detail={"series": len(series), "lag": lags, "window, rows": rows},
        alternative="roots are above one in some stretch of the sample that the series share.",
        critical_values=critical,
        path=pd.Series(mean, index, name="mean bsadf"),
        boundary=pd.Series(critical[0.05], index, name="boundary"),
        position=position,
        break_date=first.index[position],
        last_date=first.index[position - 1],
        nobs=first.nobs,
        options={"lag": lags, "window": rows, "pvalue": pvalue, "draws": draws, "multiplier": multiplier},
        robustness="Multipliers shared by the series keep their correlation and the order of their volatility.",
        keys=("pavlidis2016", "phillipsshiyu2015", "hlst2016" if pvalue == "wild" else "phillipsshi2020"),
    )


def _columns(frame: Any) -> list[Series]:
    if not isinstance(frame, pd.DataFrame) or frame.shape[1] < 2:
        raise DataError("a panel is a DataFrame of at least two columns; use gsadf_test for one series.")
    return [read_levels(frame.iloc[:, i]) for i in range(frame.shape[1])]
