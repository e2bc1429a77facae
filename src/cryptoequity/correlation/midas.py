r"""DCC-MIDAS: a fast correlation around a slow one.

.. math::

    Q_t=(1-a-b)M_{\tau(t)}+a\,z_{t-1}z_{t-1}'+b\,Q_{t-1},\qquad
    M_\tau=\sum_{l=1}^K\varphi_l(w)\,C_{\tau-l}\quad\text{or}\quad
    M_{12,\tau}=\tanh\Bigl(m+\theta\sum_{l=1}^K\varphi_l(w)\,X_{\tau-l}\Bigr),

with :math:`C_k` the realized correlation of block k, a run of L dates, and :math:`X_k` the mean of a driver over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import pandas as pd

from ..errors import DataError, SpecError
from ..estimation.params import Array
from ..table import Table
from ..volatility import Margins
from .effects import effect_frame
from .fit import CorrelationFit
from .slow import DrivenSlowLikelihood, RealizedSlowLikelihood, SlowModel
from .spec import CorrelationSpec

__all__ = ["DCCMIDAS", "DCCMIDASFit"]


@dataclass(frozen=True, eq=False)
class DCCMIDASFit(CorrelationFit):
    """A fitted DCC-MIDAS; see `CorrelationFit` for what every correlation fit has."""

    @property
    def _slow(self) -> SlowModel:
        if not isinstance(self.likelihood, SlowModel):
            raise SpecError(f"{self.spec.name} has no slow correlation.")
        return self.likelihood

    @property
    def presample_dates(self) -> int:
        """Dates at the start whose slow correlation counts blocks before the sample; they are in the likelihood."""
        return self._slow.leaning

    def slow_correlation(self, i: str, j: str) -> pd.Series:
        """The slow correlation of two columns by date, (T,): constant over blocks, known when a block begins."""
        path = self._slow.slow_path(self.theta, [self._position(i)], [self._position(j)])[:, 0]
        return pd.Series(path, self.std_resid.index, name=f"slow corr({i}, {j})")

    def slow_correlations(self) -> pd.DataFrame:
        """Slow correlations of all pairs i < j as columns, (T, pairs)."""
        rows, cols = self.likelihood.pairs
        columns = pd.MultiIndex.from_tuples([(self.names[i], self.names[j]) for i, j in zip(rows, cols, strict=True)])
        return pd.DataFrame(self._slow.slow_path(self.theta, rows, cols), self.std_resid.index, columns)

    def driver_effects(self, level: float = 0.95) -> pd.DataFrame:
        """Change of the slow correlation when the driver's block mean is one standard deviation higher in all lags.

        From half a standard deviation of the block means below the driver's mean to half above; see
        `DCCXFit.driver_effects` for the columns.
        """
        if not isinstance(self.likelihood, DrivenSlowLikelihood):
            raise SpecError(f"{self.spec.name} is not driven by anything; fit it with driver=.")
        return effect_frame(self, level, self.likelihood.spread)

    def summary(self) -> Table:
        """Return the fit as a table; the same fit always gives the same text."""
        table = super().summary()
        what = "mean of the driver" if isinstance(self.likelihood, DrivenSlowLikelihood) else "correlation"
        note = (
            f"{self._slow.lags} blocks of {self._slow.size} dates; for blocks before the sample stands the {what} of "
            f"the whole sample, on which the first {self.presample_dates} of {self.nobs} dates lean."
        )
        return replace(table, notes=(*table.notes, note))


@dataclass(frozen=True)
class DCCMIDAS(CorrelationSpec):
    r"""DCC around a slow correlation (Colacito, Engle & Ghysels 2011).

    Without a driver the slow correlation is a weighted average of the realized correlations of the last ``lags`` blocks
    of ``block`` dates, any number of columns. With one driver, for two columns, it is the hyperbolic tangent of a
    weighted average of the driver's block means. The weights are beta weights with one shape parameter w >= 1.

    Blocks are counted from the first date of the sample and enter when they are complete: the slow correlation of a
    block uses earlier blocks only, and a driver needs no lagging beforehand. Nothing is cut off the sample: for the
    ``lags`` blocks before it stands the correlation of the whole sample (the mean of the driver), and the fit says how
    many dates lean on that.

    Parameters
    ----------
    dist : "normal" or "t" errors of the standardized residuals.
    lags : number of blocks K, at least 2. block : dates in a block, at least 2.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "MARKET"]]
    >>> fit = ce.DCCMIDAS(dist="t", lags=6, block=22).fit(returns)
    >>> fit.presample_dates
    132
    >>> list(fit.params.index[-4:])
    ['midas.a', 'midas.b', 'midas.w', 'midas.nu']
    """

    dist: str = "normal"
    lags: int = 12
    block: int = 22
    drivers: ClassVar[tuple[int, int]] = (0, 1)
    result: ClassVar[type[CorrelationFit]] = DCCMIDASFit
    references: ClassVar[tuple[str, ...]] = ("colacito2011", "engle2002")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("lags", "block"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 2:
                raise SpecError(f"{name}={value!r}: a whole number of at least 2.")

    @property
    def name(self) -> str:
        """Name with its lags."""
        return f"DCC-MIDAS({self.lags} x {self.block})-{self.dist}"

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> RealizedSlowLikelihood | DrivenSlowLikelihood:
        """Build the likelihood on ``z`` (T, N)."""
        del margins
        if target is not None:
            raise SpecError("DCC-MIDAS returns to a slow correlation, not to a target; leave target= out.")
        needed = (self.lags + 1) * self.block
        if z.shape[0] < needed:
            raise DataError(
                f"{self.lags} lags of {self.block} dates need {needed} observations at least, and better several times "
                f"as many; there are {z.shape[0]}. Use fewer lags or shorter blocks."
            )
        if self.lags * self.block < z.shape[1]:
            raise DataError(
                f"an average over {self.lags * self.block} dates of {z.shape[1]} columns is singular: use more lags, "
                "longer blocks or fewer columns."
            )
        if driver is None:
            return RealizedSlowLikelihood(z, dist=self.dist, lags=self.lags, size=self.block, names=names)
        return DrivenSlowLikelihood(z, dist=self.dist, lags=self.lags, size=self.block, driver=driver, names=names)
