r"""Connectedness by variance decompositions (Diebold and Yilmaz), of means and of quantiles.

Theory, and what the numbers cannot say: the page "Connectedness".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.params import Array
from ..estimation.results import Drawn
from ..table import Table
from .quantile_var import fit_quantile_rows, read_tau
from .var import (
    Autoregression,
    fit_rows,
    lag_rows,
    moving_average,
    read_group,
    read_horizon,
    read_lags,
    read_system,
    spectral_radius,
)

__all__ = [
    "ConnectednessFit",
    "connectedness",
    "decompose",
    "fit_system",
    "group_share",
    "of_rows",
    "quantile_connectedness",
]

METHODS = ("generalized", "cholesky")


def decompose(fit: Autoregression, horizon: int, method: str = "generalized") -> Array:
    r"""Shares of forecast-error variances, (N, N): row i is the variance of column i, split by the shocks of each j.

    With :math:`A_h` the moving-average matrices and :math:`\Sigma` the covariance of the errors,

    .. math:: \theta_{ij}=\frac{\sigma_{jj}^{-1}\sum_{h<H}(e_i'A_h\Sigma e_j)^2}{\sum_{h<H}e_i'A_h\Sigma A_h'e_i}

    ("generalized", Pesaran and Shin 1998; rows are then divided by their sum, as Diebold and Yilmaz 2012 do), or with
    :math:`\Sigma=PP'` the share :math:`\sum(e_i'A_hPe_j)^2` of the same sum ("cholesky", which depends on the order).

    Parameters
    ----------
    fit : the autoregression. horizon : H. method : "generalized" or "cholesky".

    Raises
    ------
    DataError : errors without variance, or an explosive system whose variances overflow.
    """
    ma = moving_average(fit.coefficients, horizon)
    variance = np.diag(fit.cov)
    if not (variance > 0.0).all():
        raise DataError("an equation fits a column without error: its variance cannot be decomposed; drop the column.")
    if method == "generalized":
        impact: Array = fit.cov / np.sqrt(variance)
    else:
        try:
            impact = np.asarray(np.linalg.cholesky(fit.cov), dtype=np.float64)
        except np.linalg.LinAlgError as error:
            raise DataError("the errors are collinear: two columns carry the same information; drop one.") from error
    with np.errstate(over="ignore", invalid="ignore"):
        moved = ma @ impact
        total = np.einsum("hij,jk,hik->i", ma, fit.cov, ma)
        shares = np.einsum("hij,hij->ij", moved, moved) / total[:, None]
    if not np.isfinite(shares).all():
        raise DataError(
            f"the autoregression is explosive (largest root {spectral_radius(fit.coefficients):.4g}) and its forecast "
            f"variances overflow within {horizon} steps; use a shorter horizon, or difference the data."
        )
    if method == "generalized":
        shares = shares / shares.sum(axis=1, keepdims=True)
    out: Array = shares
    return out


def fit_system(target: Array, design: Array, tau: float | None, center: bool = True) -> Autoregression:
    """Least squares, or regression quantiles where ``tau`` is given, of rows made by `var.lag_rows`."""
    return fit_rows(target, design) if tau is None else fit_quantile_rows(target, design, tau, center=center)


@dataclass(frozen=True, eq=False)
class ConnectednessFit(Drawn):
    """A table of connectedness, in per cent of forecast-error variances.

    Attributes
    ----------
    table : (N, N) frame; row i says where the forecast-error variance of column i comes from, and sums to 100.
    lags, horizon, method : of the decomposition. tau : quantile of the autoregression, None for the mean.
    radius : largest modulus of the roots; one or more is not stationary. nobs : rows used.
    coefficients : (p, N, N). cov : (N, N) of the errors.
    """

    table: pd.DataFrame
    lags: int
    horizon: int
    method: str
    tau: float | None
    radius: float
    nobs: int
    coefficients: Array = field(repr=False)
    cov: Array = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(str(name) for name in self.table.columns)

    @property
    def _others(self) -> Array:
        values = self.table.to_numpy(float).copy()
        np.fill_diagonal(values, 0.0)
        return values

    @property
    def total(self) -> float:
        """Total connectedness: the mean share that comes from other columns, 0 to 100."""
        return float(self._others.sum() / len(self.table))

    @property
    def from_others(self) -> pd.Series:
        """Share of each column's variance that comes from the others; its mean is `total`."""
        return pd.Series(self._others.sum(axis=1), list(self.names), name="from others")

    @property
    def to_others(self) -> pd.Series:
        """Sum of the shares each column has in the variances of the others; may exceed 100."""
        return pd.Series(self._others.sum(axis=0), list(self.names), name="to others")

    @property
    def net(self) -> pd.Series:
        """Given minus received; sums to zero."""
        return (self.to_others - self.from_others).rename("net")

    @property
    def pairwise(self) -> pd.DataFrame:
        """Net pairwise: entry (i, j) is what i gives to j minus what j gives to i, antisymmetric."""
        values = self.table.to_numpy(float)
        return pd.DataFrame(values.T - values, list(self.names), list(self.names))

    def between(self, source: str | Sequence[str], target: str | Sequence[str]) -> float:
        """Share of the variance of an average column of ``target`` that comes from all of ``source``.

        Parameters
        ----------
        source, target : column names, without any in common.
        """
        one, two = read_group(source, self.names, "source"), read_group(target, self.names, "target")
        if one is None or two is None:
            raise SpecError("name the columns of both groups.")
        if np.intersect1d(one, two).size:
            raise SpecError(f"source={source!r} and target={target!r} have a column in common.")
        return group_share(self.table.to_numpy(float), one, two)

    def to_frame(self) -> pd.DataFrame:
        """The table with what each column receives ("from others"), gives ("to others") and their difference."""
        frame = self.table.copy()
        frame["from others"] = self.from_others
        frame.loc["to others"] = [*self.to_others, self.total * len(self.table)]
        frame.loc["net"] = [*self.net, np.nan]
        return frame

    def summary(self) -> Table:
        """Return the table with its margins."""
        model = "least squares" if self.tau is None else f"quantile {self.tau:g}"
        notes = [
            f"total connectedness {self.total:.2f} %; {self.method} decomposition {self.horizon} steps ahead of a "
            f"VAR({self.lags}) by {model}, {self.nobs} rows",
            "Rows receive, columns give. At zero lags the table is one of squared correlations.",
        ]
        if self.radius >= 1.0:
            notes.append(f"NOT STATIONARY: largest root {self.radius:.4f}; the decomposition depends on the horizon.")
        return Table.of("Connectedness, per cent of forecast-error variance", self.to_frame(), notes=notes, digits=2)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "names": list(self.names),
            "table": json.loads(json.dumps(self.table.to_numpy(float).tolist())),
            "total": self.total,
            "from_others": [float(value) for value in self.from_others],
            "to_others": [float(value) for value in self.to_others],
            "net": [float(value) for value in self.net],
            "lags": self.lags,
            "horizon": self.horizon,
            "method": self.method,
            "tau": self.tau,
            "radius": self.radius,
            "nobs": self.nobs,
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        keys = ["dieboldyilmaz2012", "pesaranshin1998"] if self.method == "generalized" else ["dieboldyilmaz2009"]
        if self.tau is not None:
            keys += ["ando2022", "koenkerbassett1978"]
        return citation(*keys)


def group_share(table: Array, source: Any, target: Any) -> float:
    """Mean over the rows ``target`` of the sum over the columns ``source``."""
    return float(table[np.ix_(target, source)].sum() / len(target))


def of_rows(
    target: Array,
    design: Array,
    names: Sequence[str],
    horizon: int,
    method: str = "generalized",
    tau: float | None = None,
    center: bool = True,
) -> ConnectednessFit:
    """Connectedness from rows made by `var.lag_rows`, or from some of them."""
    fit = fit_system(target, design, tau, center)
    table = 100.0 * decompose(fit, horizon, method)
    return ConnectednessFit(
        pd.DataFrame(table, list(names), list(names)),
        fit.lags,
        horizon,
        method,
        tau,
        spectral_radius(fit.coefficients),
        fit.nobs,
        fit.coefficients,
        fit.cov,
    )


def connectedness(
    returns: pd.DataFrame, *, lags: int | str = 1, horizon: int = 10, method: str = "generalized"
) -> ConnectednessFit:
    r"""Diebold and Yilmaz's (2012) table of connectedness: whose shocks make up whose forecast errors.

    A vector autoregression is fitted by least squares, and the H-step forecast-error variance of every column is split
    by the column whose shock it comes from (see `decompose` in the same module for the equation). The generalized
    decomposition does not depend on the order of the columns, and does not identify structural shocks either:
    two columns that move together within the day are "connected" both ways. Without lags
    :math:`\theta_{ij}=\rho_{ij}^2` before the rows are normalized, and daily returns have hardly any lags: on
    returns the table says in other words what their squared correlations say.

    Parameters
    ----------
    returns : (T, N) percent returns, standardized residuals, or log variances such as those of `log_variances`.
    lags : of the autoregression, or "aic", "bic", "hq" to choose among 0 to 10.
    horizon : steps ahead H. method : "generalized", or "cholesky" in the order of the columns (Diebold, Yilmaz 2009).

    Returns
    -------
    ConnectednessFit : with ``table``, ``total``, ``to_others``, ``from_others``, ``net``, ``pairwise``.

    Raises
    ------
    DataError : data a system cannot be fitted to. SpecError : an unknown choice.

    Notes
    -----
    The shares are squares, so that they are biased upwards by about :math:`1/n`, the more the shorter the sample: two
    samples of different length are not comparable without a test such as `connectedness_contrast_test`. Raw returns
    weight volatile days; standardized residuals (``fit_margins(returns).std_resid``) weight days alike.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.connectedness(returns[["COIN", "SMALL_TECH", "GOLD"]], lags=1, horizon=10)
    >>> bool(abs(fit.table.sum(axis=1) - 100).max() < 1e-9)
    True
    >>> fit.between("COIN", "SMALL_TECH") > fit.between("COIN", "GOLD")
    True
    """
    check_option("method", method, METHODS)
    y, frame = read_system(returns)
    target, design = lag_rows(y, read_lags(lags, y))
    return of_rows(target, design, [str(name) for name in frame.columns], read_horizon(horizon), method)


def quantile_connectedness(
    returns: pd.DataFrame, tau: float = 0.5, *, lags: int = 1, horizon: int = 10, center: bool = True
) -> ConnectednessFit:
    r"""Connectedness of an autoregression of conditional quantiles, after Ando, Greenwood-Nimmo and Shin (2022).

    Every equation is a regression quantile at ``tau``, so that the coefficients say how a fall (small ``tau``) or a
    rise of one column is propagated to the low or high quantile of another. The generalized decomposition is that of
    `connectedness`, of the covariance of the quantile residuals. The common factors of the paper are not extracted.

    Parameters
    ----------
    returns : (T, N) as for `connectedness`. tau : quantile, the same in every equation.
    lags : of the autoregression, at least one: without, the quantile has nothing to say. horizon : steps ahead.
    center : take the mean off the quantile residuals before their covariance is computed. False is what is often
        printed: the mean product of the residuals, which in the tails is mostly the product of their means and calls
        even independent columns connected (see the example).

    Returns
    -------
    ConnectednessFit : as `connectedness`, with ``tau``.

    Raises
    ------
    DataError, SpecError, ConvergenceError : data, choices, or a quantile regression that did not end.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import cryptoequity as ce
    >>> noise = np.random.default_rng(0).standard_normal((1000, 2))
    >>> unrelated = pd.DataFrame(noise, pd.bdate_range("2020", periods=1000), ["A", "B"])
    >>> ce.quantile_connectedness(unrelated, 0.05).total < 2
    True
    >>> ce.quantile_connectedness(unrelated, 0.05, center=False).total > 20
    True
    """
    y, frame = read_system(returns)
    count = read_lags(lags, y)
    if count < 1:
        raise SpecError("lags=0: a quantile autoregression without lags is a list of quantiles; use at least one.")
    target, design = lag_rows(y, count)
    names = [str(name) for name in frame.columns]
    return of_rows(target, design, names, read_horizon(horizon), "generalized", read_tau(tau), center)
