r"""DCC-X: exogenous variables move the correlation.

``form="q"`` puts them into the intercept of DCC,

.. math:: Q_t=(1-a-b)\bar Q+\sum_m c_m(x_{mt}-\bar x_m)K_m+a\,z_{t-1}z_{t-1}'+b\,Q_{t-1},

``form="fisher"`` into Fisher's z of a pair,

.. math:: \rho_t=\tanh f_t,\qquad f_t=\lambda+b(f_{t-1}-\lambda)+a\,s_{t-1}+\sum_m c_m(x_{mt}-\bar x_m).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, check_option
from ..estimation.params import Array
from ..volatility import Margins
from .driven import DrivenLikelihood, FisherLikelihood
from .effects import effect_frame
from .fit import CorrelationFit, Forecast
from .spec import CorrelationSpec

__all__ = ["DCCX", "DCCXFit"]

FORMS = ("q", "fisher")
LIMITS = ("range", "sample")


@dataclass(frozen=True, eq=False)
class DCCXFit(CorrelationFit):
    """A fitted DCC-X; see `CorrelationFit` for what every correlation fit has."""

    def driver_effects(self, level: float = 0.95) -> pd.DataFrame:
        """Long-run change of each correlation when a driver rises by one standard deviation around its mean.

        The driver moves for good from half a standard deviation below its mean to half above, the others stay at their
        means. Errors are by the delta method from the covariance of the fit, drivers taken as given, parameters on
        their bounds (a = 0, say) taken as known.

        Returns
        -------
        DataFrame by (driver, i, j) : ``effect``, ``std err``, ``t``, ``lower``, ``upper`` at ``level``, and the two
        values of the driver, ``from`` and ``to``. An effect is NaN where Q cannot bear these values of the driver
        (they are more extreme than any of the sample), its error where an effect is at its limit.
        """
        return effect_frame(self, level)

    def forecast(
        self,
        horizon: int = 1,
        *,
        method: str = "R",
        paths: int = 1000,
        driver: pd.DataFrame | pd.Series | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> Forecast:
        """Forecast under given drivers of the dates ahead; see `CorrelationFit.forecast`.

        Raises
        ------
        DataError : drivers so far outside the range of the sample that Q is not positive definite.
        """
        out = super().forecast(horizon, method=method, paths=paths, driver=driver, rng=rng)
        inside = (out.correlation.abs() <= 1.0).all(axis=1).to_numpy()
        if not inside.all():
            raise self._refusal(f"step {int(np.argmin(inside)) + 1} of the forecast")
        return out

    def simulate(
        self, nobs: int, *, rng: int | np.random.Generator, driver: pd.DataFrame | pd.Series | None = None
    ) -> pd.DataFrame:
        """Simulate percent returns under given drivers; see `CorrelationFit.simulate`."""
        out = super().simulate(nobs, rng=rng, driver=driver)
        lost = out.isna().any(axis=1).to_numpy()
        if lost.any():
            raise self._refusal(f"row {int(np.argmax(lost))} of the simulation")
        return out

    def filter(self, returns: pd.DataFrame, *, driver: pd.DataFrame | pd.Series | None = None) -> CorrelationFit:
        """Run new returns and drivers through this fit's parameters; see `CorrelationFit.filter`."""
        out = super().filter(returns, driver=driver)
        lost = ~np.isfinite(out.loglik_obs.to_numpy())
        if lost.any():
            raise self._refusal(str(out.loglik_obs.index[int(np.argmax(lost))]))
        return out

    def _reference_keys(self) -> tuple[str, ...]:
        root = "creal2013" if isinstance(self.likelihood, FisherLikelihood) else "engle2002"
        return tuple(dict.fromkeys((root, *(key for key in super()._reference_keys() if key != "engle2002"))))

    def _refusal(self, where: str) -> DataError:
        frame = self.driver if self.driver is not None else pd.DataFrame()
        ranges = ", ".join(f"{name} {one.min():g} to {one.max():g}" for name, one in frame.items())
        return DataError(
            f"{self.spec.name}: at {where} the drivers leave no valid correlation; the fit knows them over {ranges}. "
            "Keep them inside, or use form='fisher', which takes any value short of a correlation of one."
        )


@dataclass(frozen=True)
class DCCX(CorrelationSpec):
    r"""Dynamic conditional correlation with one to eight exogenous drivers.

    Drivers enter as deviations from their sample means, so that the level of the correlation stays that of the target.
    Row t of a driver acts on the correlation of date t: lag it beforehand where it is not known before the return.

    Parameters
    ----------
    dist : "normal" or "t" errors of the standardized residuals.
    form : "q" (any number of columns; effects of either sign are bounded by the range of the drivers, so that
        :math:`Q_t` is positive definite) or "fisher" (two columns; no bounds).
    block : which correlations move, for ``form="q"``: None for all (K is a matrix of ones), a tuple of column names
        (ones among these), or a positive semidefinite matrix as a tuple of rows. One for all drivers, or a tuple of
        them, one a driver.
    limit : for which drivers :math:`Q_t` must be positive definite, for ``form="q"``: "range" (any inside the range of
        the sample's, so that forecasts may use them in any order; a narrow set for drivers that come and go from day
        to day) or "sample" (those of the sample in their order; drivers ahead are refused where they break it).

    Notes
    -----
    A positive effect with a block of ones draws all correlations of the block towards one; see the theory page for a
    matrix that moves two columns apart.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> driver = pd.Series(np.linspace(0, 1, len(returns)), returns.index, name="trend")
    >>> fit = ce.DCCX(form="fisher").fit(returns, driver=driver)
    >>> effect = fit.driver_effects().loc[("trend", "COIN", "SMALL_TECH")]
    >>> bool(effect["lower"] < effect["effect"] < effect["upper"])
    True
    """

    dist: str = "normal"
    form: str = "q"
    block: Any = None
    limit: str = "range"
    drivers: ClassVar[tuple[int, int]] = (1, 8)
    result: ClassVar[type[CorrelationFit]] = DCCXFit
    references: ClassVar[tuple[str, ...]] = ("engle2002", "vargas2010")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("form", self.form, FORMS)
        check_option("limit", self.limit, LIMITS)
        object.__setattr__(self, "block", _frozen(self.block))
        if self.form == "fisher" and self.block is not None:
            raise SpecError("block= is for form='q'; with form='fisher' there is one correlation to move.")

    @property
    def name(self) -> str:
        """Name with its form."""
        return f"DCC-X({self.form})-{self.dist}"

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> DrivenLikelihood | FisherLikelihood:
        """Build the likelihood on ``z`` (T, N); without drivers it is that of the null of no effect."""
        del margins
        x = np.empty((z.shape[0], 0)) if driver is None else driver
        if self.form == "fisher":
            if target is not None:
                raise SpecError("form='fisher' estimates its level and has no target; leave target= out.")
            return FisherLikelihood(z, dist=self.dist, driver=x, names=names)
        labels = tuple(names) if names is not None else tuple(str(i) for i in range(z.shape[1]))
        blocks = block_matrices(self.block, labels, x.shape[1])
        return DrivenLikelihood(
            z, dist=self.dist, driver=x, blocks=blocks, names=names, target=target, limit=self.limit
        )

    def without(self, drop: Sequence[int], count: int) -> DCCX:
        """Return the specification that is left when drivers ``drop`` of ``count`` are taken out."""
        if not _one_each(self.block):
            return self
        kept = tuple(one for m, one in enumerate(self.block) if m not in drop)
        if len(self.block) != count:
            raise SpecError(f"block= has {len(self.block)} blocks for {count} driver(s).")
        return replace(self, block=kept or None)


def _frozen(block: Any) -> Any:
    """Lists and arrays as nested tuples: a specification is hashed, compared and written to JSON."""
    if isinstance(block, np.ndarray | pd.DataFrame):
        block = np.asarray(block, float).tolist()
    if isinstance(block, list | tuple):
        return tuple(_frozen(item) for item in block)
    if block is None or isinstance(block, str):
        return block
    if isinstance(block, int | float | np.number) and not isinstance(block, bool):
        return float(block)
    raise SpecError(f"block={block!r}: pass None, column names, a matrix as a tuple of rows, or a tuple of these.")


def _is_matrix(block: Any) -> bool:
    rows = isinstance(block, tuple) and len(block) > 0 and all(isinstance(row, tuple) and row for row in block)
    return rows and all(isinstance(value, float) for row in block for value in row)


def _one_each(block: Any) -> bool:
    """Whether ``block`` is a tuple of blocks, one a driver."""
    if block is None or _is_matrix(block):
        return False
    return isinstance(block, tuple) and not all(isinstance(item, str) for item in block)


def block_matrices(block: Any, names: Sequence[str], drivers: int) -> Array:
    """Return the K_m, (M, N, N)."""
    if _one_each(block):
        if len(block) != drivers:
            raise SpecError(f"block= has {len(block)} blocks for {drivers} driver(s): give one each, or one for all.")
        parts = [_matrix(one, names) for one in block]
    else:
        parts = [_matrix(block, names)] * drivers
    return np.stack(parts) if parts else np.empty((0, len(names), len(names)))


def _matrix(block: Any, names: Sequence[str]) -> Array:
    n = len(names)
    if block is None:
        return np.ones((n, n))
    if _is_matrix(block):
        sizes = {len(row) for row in block}
        if len(block) != n or sizes != {n}:
            raise SpecError(f"block= is a matrix with {len(block)} rows; {n} columns need ({n}, {n}).")
        out: Array = np.array(block, float)
        if not np.isfinite(out).all() or not np.allclose(out, out.T, rtol=0.0, atol=1e-12 * np.abs(out).max()):
            raise DataError("block: the matrix must be finite and symmetric.")
        values = np.linalg.eigvalsh(out)
        if not values[-1] > 0.0 or values[0] < -1e-10 * values[-1]:
            raise DataError(
                f"block: the matrix is not positive semidefinite (eigenvalues from {values[0]:.3g} to "
                f"{values[-1]:.3g}); it need not be negative for a negative effect: effects have either sign."
            )
        return out
    if not isinstance(block, tuple) or not all(isinstance(item, str) for item in block):
        raise SpecError(f"block={block!r}: pass None, a tuple of column names, or a matrix as a tuple of rows.")
    lost = [item for item in block if item not in names]
    if lost:
        raise SpecError(f"block: no column {lost[0]!r}; there are {', '.join(names)}.")
    if len(set(block)) < 2:
        raise SpecError(f"block={block!r}: a correlation needs two columns.")
    inside = np.array([float(name in block) for name in names])
    return np.outer(inside, inside)
