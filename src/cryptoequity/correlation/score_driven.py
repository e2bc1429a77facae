r"""Score-driven (GAS) correlation of a pair.

The correlation moves along the score of its own density (Creal, Koopman & Lucas 2011, 2013; Harvey 2013): with
:math:`\rho_t=\tanh f_t`,

.. math::

    f_{t+1} = \omega(1-b) + b f_t + a\,I_t^{-1}\nabla_t, \qquad
    \nabla_t = \partial\ln p(z_t\mid f_t)/\partial f_t, \qquad I_t=\operatorname{E}_{t-1}\nabla_t^2 .

Under t errors the score counts a day on which everything crashed for less, which :math:`z_{t-1}z_{t-1}'` of a DCC
does not.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import DataError, SpecError, check_option
from ..estimation.params import PERSISTENCE_CAP, Array, Block, Layout, interval
from ..kernels.gas import gas_adjoint, gas_filter, gas_simulate
from ..volatility import Margins
from .model import PathModel, nu_block, second_moment_target
from .spec import CorrelationSpec

__all__ = ["ScoreDriven", "ScoreDrivenLikelihood"]

SCALINGS = {"inverse": 1.0, "root": 0.5, "unit": 0.0}
# tanh(5) = .9999: as close to one as the partial correlations of other models may come
_HIGHEST = 5.0
_GRID = tuple((a, b) for b in (0.999, 0.99, 0.97, 0.9) for a in (0.005, 0.015, 0.04, 0.1))


@functools.lru_cache(maxsize=2)
def _layout(student: bool) -> Layout:
    blocks: list[Block] = [
        interval("gas.omega", -_HIGHEST, _HIGHEST),
        interval("gas.a", 0.0, 1.0),
        interval("gas.b", 0.0, PERSISTENCE_CAP),
    ]
    return Layout([*blocks, nu_block("gas.nu")] if student else blocks)


class ScoreDrivenLikelihood(PathModel):
    """Gaussian or t log-likelihood of z (T, 2) whose correlation is driven by its score.

    There is no target: the level omega is estimated with the rest, for a pair has one level only.
    """

    def __init__(self, z: Array, *, dist: str, names: Sequence[str] | None = None, scaling: str = "inverse") -> None:
        super().__init__(z, dist=dist, names=names)
        self.scaling = scaling
        self._power = SCALINGS[scaling]
        self.layout = _layout(self.student)

    def _split(self, theta: Array) -> tuple[float, float, float, float, Array]:
        """Parameters omega, a, b, nu (0 for the normal) and the density's constants."""
        return float(theta[0]), float(theta[1]), float(theta[2]), *self.density(theta)

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) of z and scores (T, K)."""
        loglik, _, score = gas_filter(*self._split(theta), self._power, self.z, want)
        return loglik, score

    def link(self, theta: Array) -> Array:
        """Return f_1, ..., f_{T+1}, (T+1,)."""
        return gas_filter(*self._split(theta), self._power, self.z, 0)[1]  # type: ignore[no-any-return]

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the pairs, (T, pairs)."""
        rho = np.tanh(self.link(theta)[:-1])
        same = np.asarray(rows) == np.asarray(cols)
        out: Array = np.where(same[None, :], 1.0, rho[:, None])
        return out

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, 2); there is no nuisance."""
        return gas_adjoint(*self._split(theta), self._power, self.z), np.empty(0)

    def starts(self) -> Iterator[Array]:
        """The sample correlation, and a grid of news and persistence."""
        level = float(np.clip(np.arctanh(second_moment_target(self.z)[0][0, 1]), -_HIGHEST + 1.0, _HIGHEST - 1.0))
        tail = (8.0,) if self.student else ()
        for a, b in _GRID:
            yield np.array([level, a, b, *tail])

    def simulate(
        self,
        theta: Array,
        shocks: Array,
        rows: npt.ArrayLike = (),
        cols: npt.ArrayLike = (),
        *,
        driver: Array | None = None,
        warm: bool = False,
    ) -> tuple[Array, Array]:
        """Residuals and correlations; see `PathModel.simulate`."""
        del driver
        omega, a, b, nu, _ = self._split(theta)
        first = float(self.link(theta)[-1]) if warm else omega
        z, f = gas_simulate(omega, a, b, nu, self._power, np.ascontiguousarray(shocks), first)
        if not np.isfinite(f).all() or not np.isfinite(z).all():
            raise DataError(
                f"a simulated correlation reached one after {int(np.isfinite(z).all(axis=1).sum())} dates: "
                f"gas.a={a:.3g} is too large for {'t' if self.student else 'normal'} errors of this size."
            )
        same = np.asarray(rows) == np.asarray(cols)
        return z, np.where(same[None, :], 1.0, np.tanh(f)[:, None]) if same.size else np.empty((f.size, 0))

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        r"""Forecasts by :math:`\operatorname{E}f_{T+h}=\omega+b^{h-1}(f_{T+1}-\omega)`, which is exact for f.

        "Q" gives the correlation at that expectation; "R" decays the correlation itself, to tanh(omega).
        """
        del driver
        omega, b = float(theta[0]), float(theta[2])
        first = float(self.link(theta)[-1])
        decay = b ** np.arange(horizon, dtype=float)
        if method == "R":
            rho = np.tanh(omega) + decay * (np.tanh(first) - np.tanh(omega))
        else:
            rho = np.tanh(omega + decay * (first - omega))
        out: Array = np.broadcast_to(np.eye(2), (horizon, 2, 2)).copy()
        out[:, 0, 1] = out[:, 1, 0] = rho
        return out

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> PathModel:
        """Return the same model on other residuals."""
        del driver, nuisance
        return ScoreDrivenLikelihood(z, dist="t" if self.student else "normal", names=self.names, scaling=self.scaling)


@dataclass(frozen=True)
class ScoreDriven(CorrelationSpec):
    r"""Score-driven correlation of two columns with a Fisher-z link (Creal, Koopman & Lucas 2013).

    :math:`\operatorname{artanh}\rho_{t+1}=\omega(1-b)+b\operatorname{artanh}\rho_t+a s_t` with :math:`s_t` the
    scaled score.

    Parameters
    ----------
    dist : "normal" or "t" errors of the standardized residuals.
    scaling : "inverse" scales the score by its inverse information, "root" by the root of it (then a is the
        standard deviation of the news), "unit" not at all.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> gas = ce.ScoreDriven(dist="t").fit(returns[["COIN", "SMALL_TECH"]], margins=ce.GARCH(dist="t"))
    >>> list(gas.params.index[-4:])
    ['gas.omega', 'gas.a', 'gas.b', 'gas.nu']
    """

    dist: str = "normal"
    scaling: str = "inverse"
    references: ClassVar[tuple[str, ...]] = ("creal2013", "creal2011", "harvey2013")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("scaling", self.scaling, tuple(SCALINGS))

    @property
    def name(self) -> str:
        """Name with its orders."""
        return f"GAS(1,1)-{self.dist}"

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> ScoreDrivenLikelihood:
        """Build the likelihood on ``z`` (T, 2).

        Raises
        ------
        SpecError : more than two columns, or a target.
        """
        del driver, margins
        if z.shape[1] != 2:
            raise SpecError(
                f"{self.name} is a model of one pair and there are {z.shape[1]} columns: the Fisher-z link keeps each "
                "pair inside (-1, 1) but not the matrix positive definite. Use DCC for several columns, or fit the "
                "pairs one by one with margins.select(i, j)."
            )
        if target is not None:
            raise SpecError(f"{self.name} estimates its level, gas.omega; it has no target to give.")
        return ScoreDrivenLikelihood(z, dist=self.dist, names=names, scaling=self.scaling)
