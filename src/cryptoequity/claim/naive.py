"""The usual tests of the claim, computed so that their answer can be shown beside their false-positive rate."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pandas as pd
from scipy import stats

from ..estimation.inference import newey_west_mean
from ..estimation.params import Array
from ..volatility import GARCH
from .pipeline import fit_pair
from .world import residuals

__all__ = ["NAIVE", "measured_rates", "naive_pvalues", "rolling_correlation"]

WINDOW = 63
NAIVE = (
    "t-test on 63-day rolling correlations",
    "OLS on 63-day rolling correlations, Newey-West(8)",
    "OLS on the DCC path",
    "OLS on the DCC path, Newey-West(8)",
    "Fisher z of two raw correlations",
)


def rolling_correlation(x: pd.Series, y: pd.Series, window: int = WINDOW) -> pd.Series:
    """Correlation over the trailing ``window`` sessions; NaN before the first full one."""
    return x.rolling(window).corr(y)


def naive_pvalues(crypto: pd.Series, equity: pd.Series, dummy: pd.Series) -> dict[str, float]:
    """Two-sided p-values of "correlation is the same inside and outside" by the tests most papers use.

    Parameters
    ----------
    crypto, equity : (T,) percent returns. dummy : (T,) of 0 and 1.

    Notes
    -----
    None of these holds its size when correlations persist: overlapping windows and a filtered path make
    neighbouring values nearly equal, and the standard errors count them as news. See
    `measured_rates` for how often each rejects a true null.
    """
    z = np.stack(
        [
            residuals(GARCH(dist="t"), crypto.to_numpy(float))[0],
            residuals(GARCH(dist="t"), equity.to_numpy(float))[0],
        ],
        axis=1,
    )
    path = np.arctanh(fit_pair(z, "normal").path)
    inside = dummy.to_numpy(float)
    rolling = np.arctanh(rolling_correlation(crypto, equity).to_numpy())
    seen = np.isfinite(rolling)
    first, second = rolling[seen & (inside == 1)], rolling[seen & (inside == 0)]
    out = dict.fromkeys(NAIVE, float("nan"))
    if min(first.size, second.size) < 4:
        return out
    out[NAIVE[0]] = float(stats.ttest_ind(first, second, equal_var=False).pvalue)
    out[NAIVE[1]] = _dummy_regression(rolling[seen], inside[seen], 8)
    out[NAIVE[2]] = _dummy_regression(path, inside, 0)
    out[NAIVE[3]] = _dummy_regression(path, inside, 8)
    r = [float(np.corrcoef(crypto[inside == s], equity[inside == s])[0, 1]) for s in (1, 0)]
    error = np.sqrt(1.0 / (inside.sum() - 3) + 1.0 / ((1 - inside).sum() - 3))
    out[NAIVE[4]] = float(2.0 * stats.norm.sf(abs(np.arctanh(r[0]) - np.arctanh(r[1])) / error))
    return out


def _dummy_regression(series: Array, dummy: Array, lags: int) -> float:
    """Two-sided normal p-value of the slope on a dummy; Newey–West with ``lags``, 0 for White's."""
    centered = dummy - dummy.mean()
    square = float(centered @ centered)
    slope = float(centered @ series) / square
    moment = centered * (series - series.mean() - slope * centered)
    error = newey_west_mean(moment, lags) * series.size / square
    return float(2.0 * stats.norm.sf(abs(slope) / error))


def measured_rates() -> dict[str, dict[str, object]]:
    """Measured rejection rates of true nulls at nominal 5 %, by test; written by ``benchmarks/size_power.py``."""
    file = resources.files("cryptoequity.claim") / "measured.json"
    content: dict[str, dict[str, object]] = json.loads(file.read_text(encoding="utf-8"))
    return content
