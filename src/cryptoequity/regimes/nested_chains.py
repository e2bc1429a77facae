"""Two chains over the same densities, one nested in the other: likelihood ratios and their draws from the null."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import ConvergenceError, SpecError
from ..estimation.optimize import maximize
from ..estimation.params import Array
from .chain import FARTHEST, Chain
from .effects import Held
from .emission import Emission
from .fit import draw_states
from .gaussian import GaussianEmission
from .likelihood import RegimeLikelihood, climb_regimes
from .scaled import ScaledEmission

__all__ = ["Contest", "DrawnRatio", "embed", "project", "rebuild", "require_rebuild"]


def embed(theta: Array, narrow: Chain, wide: Chain) -> Array:
    """Parameters of the wide chain that are those of a chain with some of its regressors (or none)."""
    k, q = wide.k, wide.z.shape[1]
    out = np.zeros(wide.size)
    if not narrow.driven:
        p = np.clip(narrow.matrices(theta)[0], 1e-7, 1.0)
        for n, (i, j) in enumerate(wide.pairs):
            out[n * q] = np.log(p[i, j] / p[i, i])
    else:
        where = [wide.names.index(name) for name in narrow.names]
        for n in range(k * (k - 1)):
            out[n * q + np.array(where)] = theta[n * len(where) : (n + 1) * len(where)]
    return np.clip(out, -FARTHEST, FARTHEST) if not narrow.driven else out


def project(theta: Array, wide: Chain, narrow: Chain) -> Array:
    """Parameters of the narrow chain nearest to those of the wide one: dropped regressors at their means."""
    k, q = wide.k, wide.z.shape[1]
    if not narrow.driven:
        p = wide.at(theta, wide.z.mean(axis=0)[None])[0]
        return np.array([p[i, j] for i, j in narrow.pairs])
    where = [wide.names.index(name) for name in narrow.names]
    dropped = [r for r in range(q) if r not in where]
    out = []
    for n in range(k * (k - 1)):
        own = theta[n * q : (n + 1) * q].copy()
        own[0] += own[dropped] @ wide.z[:, dropped].mean(axis=0)
        out.append(own[where])
    return np.concatenate(out)


@dataclass(frozen=True, eq=False)
class Contest:
    """Two chains over the same densities, and the coefficients (positions in the wide one) the null sets to zero."""

    narrow: Chain
    wide: Chain
    held: tuple[int, ...]
    whole: bool  # the null drops the tested drivers everywhere, so that it is the narrow chain

    def ratio(
        self,
        emission: Emission,
        starts: int,
        rng: np.random.Generator,
        warm: tuple[Array, Array] | None = None,
        known: bool = False,
    ) -> tuple[float, Array, Array]:
        """Likelihood ratio, and the parameters of null and alternative in those of the wide chain.

        ``warm`` are parameters of the narrow and the wide model to start from besides; ``known`` says that they are
        the optima, so that only the crossed climbs are left to do. Each model is climbed from the other's optimum,
        so that a ratio is neither negative nor the price of a local maximum of the null.
        """
        small, large = RegimeLikelihood(emission, self.narrow), RegimeLikelihood(emission, self.wide)
        if known:
            assert warm is not None
            first, second = warm
        else:
            first = climb_regimes(small, starts, rng, warm=None if warm is None else warm[0])[0].theta
            second = climb_regimes(large, starts, rng, warm=self._widen(small, first))[0].theta
        for lik, theta in ((small, first), (large, second)):
            lik.settle(theta)
        inner, outer = large.split(second)
        crossed = np.concatenate([inner, project(outer, self.wide, self.narrow)])
        best = maximize(small, [first, crossed], polish=2)
        first, null = best.theta, best.loglik
        if self.whole:
            restricted = self._widen(small, first)
        else:
            held = dict.fromkeys((large.inside + position for position in self.held), 0.0)
            zeroed = second.copy()
            zeroed[list(held)] = 0.0
            null, restricted = Held(large, held).climb([zeroed, self._widen(small, first)])
        top = maximize(large, [second, restricted], polish=2)
        return 2.0 * (top.loglik - null), restricted, top.theta

    def _widen(self, small: RegimeLikelihood, theta: Array) -> Array:
        inner, outer = small.split(theta)
        return np.concatenate([inner, embed(outer, self.narrow, self.wide)])


def require_rebuild(emission: Emission) -> None:
    """Refuse densities that cannot be put on simulated data: those whose past or regressors are data themselves."""
    if type(emission) not in (GaussianEmission, ScaledEmission):
        raise SpecError(
            f"{type(emission).__name__}: these densities cannot be put on simulated data, so there is nothing to "
            "refit; use an asymptotic p-value."
        )


def rebuild(emission: Emission, y: Array) -> Emission:
    """The same densities on other data of the same shape.

    Raises
    ------
    SpecError : densities that cannot be put on simulated data.
    """
    require_rebuild(emission)
    assert isinstance(emission, GaussianEmission)
    if isinstance(emission, ScaledEmission):
        return ScaledEmission(y, emission.names, emission.k, student=emission.student)
    return GaussianEmission(
        y,
        emission.names,
        emission.k,
        mean=emission.mean,
        scale=emission.scale,
        corr=emission.corr,
        student=emission.student,
        order_by=emission.order_by,
    )


@dataclass(frozen=True, eq=False)
class DrawnRatio:
    """One bootstrap draw: data from the null, both models fitted again, their ratio (NaN where a fit fails)."""

    contest: Contest
    emission: Emission
    null: Array
    starts: int

    def __call__(self, seed: np.random.SeedSequence) -> float:
        """Ratio of the draw of ``seed``."""
        rng = np.random.default_rng(seed)
        wide = self.contest.wide
        lik = RegimeLikelihood(self.emission, wide)
        inner, outer = lik.split(self.null)
        states = draw_states(wide.matrices(outer), wide.start(outer)[0], lik.nobs, rng)
        fresh = rebuild(self.emission, self.emission.simulate(inner, states, rng))
        small = np.concatenate([inner, project(outer, wide, self.contest.narrow)])
        try:
            return self.contest.ratio(fresh, self.starts, rng, (small, self.null))[0]
        except (ConvergenceError, np.linalg.LinAlgError):
            return float("nan")
