"""Connectedness over moving windows: a path to look at."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ConvergenceError, DataError, SpecError
from ..estimation.bibliography import citation
from ..estimation.parallel import map_draws
from ..estimation.params import Array
from ..estimation.results import Drawn, mark_filtered
from ..table import Table
from .decomposition import decompose, fit_system
from .quantile_var import read_tau
from .var import lag_rows, read_horizon, read_lags, read_system

__all__ = ["RollingConnectedness", "rolling_connectedness"]


@dataclass(frozen=True, eq=False)
class RollingConnectedness(Drawn):
    """Connectedness over moving windows: a filtered path, to be looked at and not to be tested.

    Attributes
    ----------
    total : percent by the last date of the window, marked as filtered. to_others, from_others : frames alike.
    window, step, lags, horizon : of the windows. tau : quantile, None for the mean.
    failed : windows without a decomposition; their rows are NaN. reason : of the first of them.
    """

    total: pd.Series = field(repr=False)
    to_others: pd.DataFrame = field(repr=False)
    from_others: pd.DataFrame = field(repr=False)
    window: int
    step: int
    lags: int
    horizon: int
    tau: float | None
    failed: int = 0
    reason: str = ""

    @property
    def net(self) -> pd.DataFrame:
        """Given minus received, by date."""
        out = self.to_others - self.from_others
        out.attrs = dict(self.to_others.attrs)
        return out

    def to_frame(self) -> pd.DataFrame:
        """Total, then what each column gives and receives, by date."""
        parts = {"total": self.total.to_frame("all"), "to others": self.to_others, "from others": self.from_others}
        out = pd.concat(parts, axis=1)
        out.attrs = dict(self.total.attrs)
        return out

    def summary(self) -> Table:
        """Where the path lies."""
        frame = self.to_frame().describe().T[["mean", "std", "min", "50%", "max"]]
        frame.index = pd.Index([": ".join(key) for key in frame.index])
        notes = [
            f"{len(self.total)} windows of {self.window} rows, {self.step} apart; VAR({self.lags}), {self.horizon} "
            "steps",
            "Neighboring windows share their observations: the path moves slowly by construction. Do not regress it "
            "on anything nor test it for breaks; connectedness_contrast_test compares the observations themselves.",
        ]
        if self.failed:
            notes.append(f"{self.failed} windows have no decomposition; the first: {self.reason}")
        return Table.of("Rolling connectedness, per cent", frame, notes=notes, digits=2)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; the path itself is in `to_frame`."""
        return {
            "window": self.window,
            "step": self.step,
            "lags": self.lags,
            "horizon": self.horizon,
            "tau": self.tau,
            "windows": len(self.total),
            "failed": self.failed,
            "reason": self.reason,
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation("dieboldyilmaz2012", "pesaranshin1998", *(["ando2022"] if self.tau is not None else []))


def _one_window(first: int, *, y: Array, window: int, lags: int, horizon: int, tau: float | None) -> Array | str:
    try:
        target, design = lag_rows(y[first : first + window], lags)
        return 100.0 * decompose(fit_system(target, design, tau), horizon)
    except (DataError, ConvergenceError) as error:
        return str(error)


def rolling_connectedness(
    returns: pd.DataFrame,
    *,
    window: int = 250,
    step: int = 1,
    lags: int | str = 1,
    horizon: int = 10,
    tau: float | None = None,
    n_jobs: int | None = None,
) -> RollingConnectedness:
    """Connectedness over moving windows, each named by its last date.

    The path is marked as filtered: break tests of this library refuse it, because windows that share observations move
    slowly by construction and a step of the path is no step of the market. Short windows are also biased upwards.

    Parameters
    ----------
    returns : (T, N) as for `connectedness`. window : rows of a window. step : rows between windows.
    lags : of every window, or a criterion that chooses them once from all rows. horizon : steps ahead.
    tau : quantile, None for the mean.
    n_jobs : workers; the numbers do not depend on them.

    Returns
    -------
    RollingConnectedness; a window that cannot be decomposed is a row of NaN, counted in ``failed``.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> rolling = ce.rolling_connectedness(returns[["COIN", "SMALL_TECH"]], window=250, step=50)
    >>> bool((rolling.total >= 0).all()), rolling.failed
    (True, 0)
    """
    y, frame = read_system(returns)
    for label, value in (("window", window), ("step", step)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
            raise SpecError(f"{label}={value!r}: give a whole number of at least one.")
    count, steps = read_lags(lags, y), read_horizon(horizon)
    quantile = None if tau is None else read_tau(tau)
    least = 2 * (1 + y.shape[1] * count + y.shape[1])
    if not least <= window <= len(y):
        raise SpecError(
            f"window={window}: between {least} rows, for {y.shape[1]} columns and {count} lags, and the {len(y)} rows."
        )
    firsts = list(range(0, len(y) - window + 1, step))
    task = functools.partial(_one_window, y=y, window=int(window), lags=count, horizon=steps, tau=quantile)
    done = map_draws(task, firsts, n_jobs=n_jobs, label="windows")
    blank = np.full((y.shape[1], y.shape[1]), np.nan)
    tables = np.stack([blank if isinstance(one, str) else one for one in done])
    reasons = [one for one in done if isinstance(one, str)]
    diagonal = np.einsum("wii->wi", tables)
    index = frame.index[np.array(firsts) + int(window) - 1]
    names = [str(name) for name in frame.columns]
    received = pd.DataFrame(tables.sum(axis=2) - diagonal, index, names)
    given = pd.DataFrame(tables.sum(axis=1) - diagonal, index, names)
    total = mark_filtered(received.mean(axis=1, skipna=False).rename("total connectedness"))
    for part in (received, given):
        part.attrs = dict(total.attrs)
    return RollingConnectedness(
        total,
        given,
        received,
        int(window),
        int(step),
        count,
        steps,
        quantile,
        len(reasons),
        reasons[0] if reasons else "",
    )
