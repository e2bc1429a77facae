"""How far an intensity is a statement about the returns it is used to explain."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptoequity.errors import DataError, SpecError

__all__ = ["explain_driver"]


def explain_driver(driver: NDArray[np.float64], frame: pd.DataFrame, window: int) -> pd.DataFrame:
    """Correlate x_t with each asset's realised volatility v_t and move m_t, and regress it on both.

    Over the last w = ``window`` sessions v_t = sqrt(Σ r² / w) and m_t = |Σ r|; ``share`` is R² of x_t on
    (1, v_t, m_t).

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
    DataFrame (N, 4)
        ``volatility``, ``move``, ``share``, ``nobs``; NaN where x_t is constant.
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
    columns = ["volatility", "move", "share", "nobs"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).astype({"nobs": int})


def explained(x: NDArray[np.float64], features: NDArray[np.float64]) -> tuple[float, float, float, int]:
    """Return corr(x, each of two features), R² of x on both, and the rows; NaN where x is constant."""
    centered = x - x.mean() if x.size else x
    total = float(centered @ centered)
    if x.size < 4 or total == 0.0:
        return float("nan"), float("nan"), float("nan"), x.size
    z = features - features.mean(axis=0)
    size = np.sqrt((z**2).sum(axis=0) * total)
    with np.errstate(invalid="ignore", divide="ignore"):
        volatility, move = (z.T @ centered) / size
    rest = centered - z @ np.linalg.lstsq(z, centered, rcond=None)[0]
    return float(volatility), float(move), 1.0 - float(rest @ rest) / total, x.size
