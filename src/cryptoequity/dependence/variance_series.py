"""Log variances of returns, the series of a connectedness of volatilities."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..volatility import GARCH, Margins, fit_margins
from .var import read_system

__all__ = ["log_variances"]


def log_variances(
    returns: pd.DataFrame | Margins, *, method: str = "realized", window: int = 5, margin: GARCH | None = None
) -> pd.DataFrame:
    r"""Log variances of every column, to ask who passes on volatility rather than returns.

    Parameters
    ----------
    returns : (T, N) percent returns, or margins already fitted (for "garch").
    method : "realized", :math:`\ln\sum r_t^2` over disjoint periods of ``window`` rows; or "garch",
        :math:`\ln h_t` of a fitted GARCH, daily and very persistent.
    window : rows of a period. Periods end with the last row; rows at the start that do not fill one are left out, and
        their number is ``attrs["cryptoequity"]["rows left out"]``.
    margin : specification for "garch"; by default GARCH(1,1) with t errors.

    Returns
    -------
    DataFrame of log variances (of percent returns); periods are named by their last date.

    Raises
    ------
    DataError : a period without any movement, whose log variance is minus infinity, by column and date.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> weekly = ce.log_variances(returns[["COIN", "TECH"]])
    >>> len(weekly) == len(returns) // 5
    True
    """
    check_option("method", method, ("realized", "garch"))
    if method == "garch":
        if isinstance(returns, Margins):
            margins = returns
        else:
            margins = fit_margins(returns, GARCH(dist="t") if margin is None else margin)
        garch = margins.volatility
        out = pd.DataFrame(2.0 * np.log(garch.to_numpy(float)), garch.index, garch.columns)
        out.attrs["cryptoequity"] = {"log variances": "GARCH"}
        return out
    if isinstance(returns, Margins):
        raise SpecError("method='realized' takes percent returns, not margins.")
    if not isinstance(window, int | np.integer) or isinstance(window, bool) or window < 1:
        raise SpecError(f"window={window!r}: a whole number of rows of at least one.")
    y, frame = read_system(returns)
    periods = len(y) // window
    if periods < 2:
        raise DataError(f"{len(y)} rows give fewer than two periods of {window}; use a shorter window.")
    left = len(y) - periods * window
    sums = (y[left:] ** 2).reshape(periods, window, y.shape[1]).sum(axis=1)
    index = frame.index[left + window - 1 :: window]
    still = np.argwhere(sums == 0.0)
    if still.size:
        row, column = map(int, still[0])
        raise DataError(
            f"returns: column {frame.columns[column]!r} does not move in the {window} rows up to {index[row]} "
            f"({len(still)} such periods): their log variance is minus infinity; use a longer window."
        )
    variances = pd.DataFrame(np.log(sums), index, list(frame.columns))
    variances.attrs["cryptoequity"] = {"log variances": f"sums of {window} squared returns", "rows left out": left}
    return variances
