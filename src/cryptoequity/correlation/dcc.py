r"""CCC and DCC(p, q).

CCC (Bollerslev 1990) keeps :math:`R_t=\bar R`; DCC (Engle 2002) has
:math:`Q_t=(1-a-b)\bar Q+a z_{t-1}z_{t-1}'+bQ_{t-1}` and
:math:`R_t=\operatorname{diag}(Q_t)^{-1/2}Q_t\operatorname{diag}(Q_t)^{-1/2}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..errors import SpecError, check_option
from ..estimation.params import Array
from ..volatility import Margins
from .likelihood import CorrelationLikelihood
from .orders import OrdersLikelihood
from .spec import CorrelationSpec

__all__ = ["CCC", "DCC"]


@dataclass(frozen=True)
class CCC(CorrelationSpec):
    """Constant conditional correlation (Bollerslev 1990).

    Parameters
    ----------
    dist : "normal" or "t" errors of the standardized residuals.
    """

    dist: str = "normal"
    references: ClassVar[tuple[str, ...]] = ("bollerslev1990",)

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> CorrelationLikelihood:
        """Build the likelihood on ``z`` (T, N)."""
        del driver, margins
        return CorrelationLikelihood(z, dynamic=False, dist=self.dist, names=names, target=target)


@dataclass(frozen=True)
class DCC(CorrelationSpec):
    r"""Dynamic conditional correlation, DCC(p, q) (Engle 2002).

    The target :math:`\bar Q` is the uncentred second moment of the residuals scaled to unit diagonal.

    Parameters
    ----------
    dist : "normal" or "t" errors of the standardized residuals.
    presample : "target" (:math:`Q_1=\bar Q`) or "ewma" (the MFE toolbox's back-cast).
    p, q : lags of the news and of Q.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> dcc = ce.DCC(dist="t").fit(returns[["COIN", "SMALL_TECH"]], margins=ce.GARCH(dist="t"))
    >>> dcc.correlation("COIN", "SMALL_TECH").name
    'corr(COIN, SMALL_TECH)'
    """

    dist: str = "normal"
    presample: str = "target"
    p: int = 1
    q: int = 1
    references: ClassVar[tuple[str, ...]] = ("engle2002", "englesheppard2001")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("presample", self.presample, ("target", "ewma"))
        for name, least in (("p", 1), ("q", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise SpecError(f"{name}={value!r}: a whole number, at least {least}.")

    @property
    def name(self) -> str:
        """Name with its orders."""
        return f"DCC({self.p},{self.q})-{self.dist}"

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> CorrelationLikelihood | OrdersLikelihood:
        """Build the likelihood on ``z`` (T, N)."""
        del driver, margins
        if (self.p, self.q) != (1, 1):
            orders = (self.p, 0, self.q)
            return OrdersLikelihood(
                z, orders=orders, dist=self.dist, names=names, target=target, presample=self.presample
            )
        return CorrelationLikelihood(
            z, dynamic=True, dist=self.dist, names=names, target=target, presample=self.presample
        )
