"""How far an intensity is a statement about the returns it is used to explain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptoequity.errors import DataError, SpecError
from cryptoequity.table import Table, format_number

if TYPE_CHECKING:
    from cryptoequity.claim.plan import Plan

__all__ = ["Circularity", "explain_driver", "rotations_of", "same_series_notes"]

Floats = NDArray[np.float64]

LOW, HIGH = 0.05, 0.20  # shares of Var(x) from which an asset explains the intensity a little, and a lot
ALPHA = 0.10  # of the rotations; wide, for to warn in vain costs less than not to
SAME = 0.9  # correlation of returns from which two columns are nearly one series
LEVELS = ("none", "low", "high")


@dataclass(frozen=True, eq=False)
class Circularity:
    r"""How much of the episodes' intensity is told by the volatility and the moves of the assets under test.

    With x the intensity, v the realized volatility of an asset over a window of sessions and m the size of its return
    over it, ``share`` is :math:`R^2` of x on (1, v, m), and its p-value compares it with every rotation of x in time.
    The level is "none" below 5 % and "high" from 20 %; a share that rotations reach in more than 10 % of cases counts
    one level lower. A low share does not make dates read off prices harmless: two regressors are not all there is.
    Under GARCH and persistent volatility the rotations keep the persistence of both sides; where both drift, they do
    not help.

    Attributes
    ----------
    name : of the episodes. stated : their label, what the definition says of itself.
    table : one row an asset: ``volatility`` and ``move``, correlations with x; ``share``; ``pvalue``; ``level``;
        ``nobs``.
    window : sessions of v and m.
    """

    name: str
    stated: str
    table: pd.DataFrame = field(repr=False)
    window: int

    @property
    def level(self) -> str:
        """The highest level of any asset; "" where the intensity never varies."""
        found = [LEVELS.index(level) for level in self.table["level"] if level]
        return LEVELS[max(found)] if found else ""

    @property
    def label(self) -> str:
        """What to go by: the higher of ``stated`` and `level`."""
        return LEVELS[max(LEVELS.index(self.stated), LEVELS.index(self.level or "none"))]

    @property
    def understated(self) -> bool:
        """Whether the data show more than the definition's label says."""
        return bool(self.level) and LEVELS.index(self.level) > LEVELS.index(self.stated)

    def __getitem__(self, column: str) -> pd.Series:
        """Return a column of the table."""
        return self.table[column]

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        rows = {
            str(asset): {
                key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()
            }
            for asset, row in self.table.to_dict("index").items()
        }
        return {
            "episodes": self.name,
            "stated": self.stated,
            "level": self.level,
            "label": self.label,
            "understated": self.understated,
            "window": self.window,
            "assets": rows,
        }

    def summary(self) -> Table:
        """Return the diagnosis as a table."""
        rows = tuple(
            (
                str(asset),
                *(format_number(float(row[key])) for key in ("volatility", "move", "share", "pvalue")),
                str(row["level"]),
                str(int(row["nobs"])),
            )
            for asset, row in self.table.iterrows()
        )
        notes = [
            f"Shares of the intensity's variance told by an asset's volatility and moves over {self.window} sessions; "
            "p-values by rotation.",
            f"The definition says {self.stated!r}, the data say {self.level or 'nothing'!r}; go by the higher.",
        ]
        if self.label == "high":
            notes.append("Test these assets only with the episodes dated again in every draw, or with other episodes.")
        head = ("asset", "volatility", "move", "share", "p-value", "level", "sessions")
        return Table(f"Circularity of '{self.name}'", head, rows, tuple(notes))

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary().to_html()


def explain_driver(driver: Floats, frame: pd.DataFrame, window: int) -> pd.DataFrame:
    """Correlate x_t with each asset's realised volatility v_t and move m_t, and regress it on both.

    Over the last w = ``window`` sessions v_t = sqrt(Σ r² / w) and m_t = |Σ r|; ``share`` is R² of x_t on
    (1, v_t, m_t), and ``pvalue`` the part of the rotations of x_t, the unrotated one among them, whose share is as
    large: right when x and the asset are unrelated and stationary, wide of the mark when both drift. A share under 5 %
    is level "none", from 20 % "high", and counts one level lower where the p-value is above 10 %.

    Parameters
    ----------
    driver : float64 (T,)
        x_t, NaN where unknown: those sessions are left out and ``nobs`` counts the rest.
    frame : DataFrame (T, N)
        Returns without gaps.
    window : int
        Sessions, at least 2.

    Returns
    -------
    DataFrame (N, 6)
        ``volatility``, ``move``, ``share``, ``pvalue``, ``level``, ``nobs``; NaN and "" where x_t is constant.
    """
    if isinstance(window, bool) or not isinstance(window, (int, np.integer)) or window < 2:
        raise SpecError(f"window={window!r} must be a whole number of sessions, at least 2.")
    rows = {}
    for column in frame.columns:
        r = frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
        if not np.isfinite(r).all():
            raise DataError(
                f"the returns {column!r} have {int((~np.isfinite(r)).sum())} missing or infinite values; drop them."
            )
        if r.size < window + 3:
            raise DataError(f"{r.size} returns are too few for windows of {window}; give at least {window + 3}.")
        views = np.lib.stride_tricks.sliding_window_view(r, int(window))
        features = np.column_stack([np.sqrt((views**2).mean(axis=1)), np.abs(views.sum(axis=1))])
        x = driver[window - 1 :]
        known = ~np.isnan(x)
        rows[column] = explained(x[known], features[known])
    columns = ["volatility", "move", "share", "pvalue", "level", "nobs"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).astype({"nobs": int})


def explained(x: Floats, features: Floats) -> tuple[float, float, float, float, str, int]:
    """Return corr(x, each of two features), R² of x on both, its p-value, the level and the rows."""
    nothing = float("nan")
    centered = x - x.mean() if x.size else x
    total = float(centered @ centered)
    if x.size < 4 or total == 0.0:
        return nothing, nothing, nothing, nothing, "", x.size
    z = features - features.mean(axis=0)
    size = np.sqrt((z**2).sum(axis=0) * total)
    with np.errstate(invalid="ignore", divide="ignore"):
        volatility, move = (z.T @ centered) / size
    shares = rotations_of(centered, z)
    share = float(shares[0])
    pvalue = float(np.mean(shares >= share - 1e-12))
    rank = int(share >= LOW) + int(share >= HIGH)
    level = LEVELS[max(0, rank - int(pvalue > ALPHA))]
    return float(volatility), float(move), share, pvalue, level, x.size


def rotations_of(x: Floats, z: Floats) -> Floats:
    """R² of each rotation of ``x`` (n,) on the columns of ``z`` (n, K), both centered; entry 0 is unrotated, (n,)."""
    q, r = np.linalg.qr(z)
    kept = np.abs(np.diag(r)) > 1e-10 * max(1e-300, float(np.abs(np.diag(r)).max(initial=0.0)))
    q = q[:, kept]
    spectrum = np.conj(np.fft.rfft(x))[:, None]
    inner = np.fft.irfft(np.fft.rfft(q, axis=0) * spectrum, x.size, axis=0)
    # the residual is formed for the unrotated x: no digits are lost on the number that is reported
    shares: Floats = (inner**2).sum(axis=1) / float(x @ x)
    rest = x - q @ (q.T @ x)
    shares[0] = 1.0 - float(rest @ rest) / float(x @ x)
    return shares


def same_series_notes(plan: Plan, returns: pd.DataFrame) -> tuple[str, ...]:
    """Say where a plan tests an asset against episodes dated from (nearly) the same series and left where they are.

    Episodes dated by a rule are dated again in every draw of the null world and pass. A fixed list whose circularity
    is "high" is not; when the tested equity is the tech column, its returns have a correlation above .9 with it, or no
    tech column is named, the episodes pick the days of the equity's own large moves, and every p-value is too small.

    Parameters
    ----------
    plan : the plan. returns : of its columns, by session.

    Returns
    -------
    One sentence a problem; empty without.
    """
    notes = []
    near = plan.tech is None or plan.equity == plan.tech
    how = "the tested equity is the series behind them" if plan.equity == plan.tech else "no tech column is named"
    if plan.tech is not None and not near and {plan.equity, plan.tech} <= set(returns.columns):
        pair = returns[[plan.equity, plan.tech]].dropna().to_numpy(dtype=np.float64)
        if len(pair) > 2 and float(np.ptp(pair, axis=0).min()) > 0.0:
            correlation = float(np.corrcoef(pair.T)[0, 1])
            near = correlation > SAME
            how = f"the returns of {plan.equity!r} and {plan.tech!r} have a correlation of {correlation:.2f}"
    if near and plan.episodes.circularity == "high" and not plan.episodes.by_data:
        notes.append(
            f"the episodes '{plan.episodes.name}' were read off prices and stay where they are in every draw, and "
            f"{how}: p-values are too small. Date them by a rule (from_relative_strength, from_valuation), which is "
            "dated again in every draw."
        )
    return tuple(notes)
