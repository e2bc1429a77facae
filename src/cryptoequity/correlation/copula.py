r"""Copula DCC: any margins, joined by a Gaussian or t copula whose correlation follows a DCC.

.. math::

    p(z_t\mid\mathcal F_{t-1}) = c\{F_1(z_{1t}),\dots,F_N(z_{Nt});R_t\}\prod_i f_i(z_{it}), \qquad
    x_{it}=G^{-1}\{F_i(z_{it})\},

with :math:`G` the standard normal or the unit-variance t, and :math:`R_t` the DCC of :math:`x_t` (Patton 2006;
Jondeau & Rockinger 2006).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from ..errors import DataError, SpecError, check_option
from ..estimation.params import Array, Block, Layout, subsimplex
from ..kernels.copula import dcc_tangent
from ..volatility import EGARCH, GARCH, Margins
from ..volatility.density import CODE
from ..volatility.pit import MarginLaw, empirical_scores, law_of, log_normal, log_t
from .copula_scores import FARTHEST, normal_scores, t_scores
from .fit import CorrelationFit
from .likelihood import CorrelationLikelihood, grid_starts
from .model import PathModel, TargetModel, matrix_of, nu_block, second_moment_target
from .spec import CorrelationSpec

__all__ = ["CopulaDCC", "CopulaFit", "CopulaLikelihood", "tail_dependence"]


@functools.lru_cache(maxsize=2)
def _layout(student: bool) -> Layout:
    blocks: list[Block] = [subsimplex("copula.a", "copula.b")]
    return Layout([*blocks, nu_block("copula.nu")] if student else blocks)


class CopulaLikelihood(TargetModel):
    r"""Log density of z (T, N): copula density and margins' densities.

    The copula is that of `CorrelationLikelihood` on the scores x, less their own densities. Under a t copula x, and
    with it the target, moves with :math:`\nu`; scores are total derivatives.

    Parameters
    ----------
    laws : distributions of the margins. ranks : each column's sorted residuals, (T, N), when it is their ranks that
        are transformed; the laws then serve for the densities only.
    jacobians : of each margin, d shape / d free coordinates of its parameters, (S_i, K_i).
    """

    def __init__(
        self,
        z: Array,
        *,
        laws: Sequence[MarginLaw],
        dist: str,
        names: Sequence[str] | None = None,
        target: Array | None = None,
        jacobians: Sequence[Array] = (),
        ranks: Array | None = None,
    ) -> None:
        super().__init__(z, dist=dist, names=names, target=target)
        self.layout = _layout(self.student)
        self.laws, self.jacobians, self.ranks = tuple(laws), tuple(jacobians), ranks
        self.given = target is not None
        densities = [law.log_density(self.z[:, i]) for i, law in enumerate(self.laws)]
        self.marginal: Array = np.sum([value for value, _ in densities], axis=0)
        self._marginal_slope = np.stack([slope for _, slope in densities], axis=1)
        if ranks is None:
            columns = [law.scores(self.z[:, i], slopes=False)[0] for i, law in enumerate(self.laws)]
        else:
            columns = [empirical_scores(ranks[:, i], self.z[:, i]) for i in range(self.n)]
        self.normal: Array = np.ascontiguousarray(np.stack(columns, axis=1))
        self._known: tuple[float, int, tuple[Array, Array, Array]] | None = None
        self.settle(next(self.starts()))

    # --- scores

    def _scores(self, theta: Array, want: int) -> tuple[Array, Array, Array]:
        """Copula scores x (T, N), their slopes by the normal scores, and by nu where wanted."""
        if not self.student:
            return self.normal, np.ones_like(self.normal), np.empty(0)
        nu = float(theta[-1])
        if self._known is None or self._known[0] != nu or self._known[1] < want:
            self._known = (nu, want, t_scores(self.normal, nu, want))
        return self._known[2]

    def correlated(self, theta: Array) -> Array:
        """Copula scores x (T, N)."""
        return self._scores(theta, 0)[0]

    @property
    def moving(self) -> bool:
        """Whether the target moves with theta."""
        return self.student and not self.given

    def _dcc(self, theta: Array) -> CorrelationLikelihood:
        """The DCC of the scores, its target that of ``theta``."""
        x = self._scores(theta, 0)[0]
        return CorrelationLikelihood(
            x,
            dynamic=True,
            dist="t" if self.student else "normal",
            names=self.names,
            target=self.target if self.given else None,
        )

    def settle(self, theta: Array) -> None:
        """Put the target of ``theta`` where the fit, its table and its errors read it."""
        self._at = np.array(theta)
        if not self.given:
            self.target, self.diagonal = second_moment_target(self._scores(theta, 0)[0])
            self.nuisance = self.target[self.pairs]

    def _own(self, x: Array, nu: float) -> tuple[Array, Array, Array]:
        """Log density of every score by itself, with its slopes by x and nu (zero for the normal)."""
        return log_t(x, nu) if nu > 0 else (log_normal(x), -x, np.zeros(1))

    # --- likelihood

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log density of each z_t (T,) and total scores (T, K)."""
        dcc = self._dcc(theta)
        x, _, by_nu = self._scores(theta, want)
        nu, const = self.density(theta)
        loglik, score = dcc.evaluate(theta, want)
        own, own_x, own_nu = self._own(x, nu)
        loglik = loglik - own.sum(axis=1) + self.marginal
        if want and self.student:
            a, b = float(theta[0]), float(theta[1])
            turn = np.zeros((self.n, self.n)) if self.given else _moment_slope(x, by_nu, dcc.target, dcc.diagonal)
            moved = dcc_tangent(a, b, nu, const, dcc.z, np.ascontiguousarray(by_nu), dcc.target, turn)
            score = score.copy()
            score[:, 2] += moved - (own_x * by_nu + own_nu).sum(axis=1)
        return loglik, score

    def path(self, theta: Array, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Array:
        """Correlations of the scores, (T, pairs)."""
        return self._dcc(theta).path(theta, rows, cols)

    def memory(self, theta: Array) -> float:
        """Return (1 - b) / (1 - a - b)."""
        return float((1.0 - theta[1]) / (1.0 - theta[0] - theta[1]))

    def _by_normal(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log copula density by the normal scores (T, N), target held, and by the target."""
        dcc = self._dcc(theta)
        x, by_n, _ = self._scores(theta, 0)
        by_x, by_target = dcc.adjoint(theta)
        return (by_x - self._own(x, self.density(theta)[0])[1]) * by_n, by_target

    def adjoint(self, theta: Array) -> tuple[Array, Array]:
        """Gradient of the total log-likelihood by z (T, N), target held, and by the target's pairs (P,)."""
        by_normal, by_target = self._by_normal(theta)
        return by_normal * self._by_z + self._marginal_slope, by_target

    @functools.cached_property
    def _by_z(self) -> Array:
        """Slope dn/dz (T, N); for ranks that of a smoothed distribution function."""
        if self.ranks is None:
            return np.stack([law.scores(self.z[:, i])[1] for i, law in enumerate(self.laws)], axis=1)
        smooth = [_smooth_density(self.z[:, i]) for i in range(self.n)]
        out: Array = np.stack(smooth, axis=1) * np.exp(-log_normal(self.normal))
        return out

    # --- what the stacked covariance asks

    def _moves(self, dzs: Sequence[Array]) -> list[Array]:
        """Movement of each column of normal scores with its margin's parameters, (T, K_i)."""
        out = []
        for i, dz in enumerate(dzs):
            if self.ranks is None:
                move = self._by_z[:, [i]] * dz
                if CODE[self.laws[i].dist] and len(self.jacobians):
                    move = move + self.laws[i].scores(self.z[:, i])[2] @ self.jacobians[i]
            else:
                # ranks only see what moves a residual against others of its size: dz less E[dz | z], linear in z
                basis = np.stack([np.ones(self.nobs), self.z[:, i]], axis=1)
                move = self._by_z[:, [i]] * (dz - basis @ np.linalg.lstsq(basis, dz, rcond=None)[0])
            out.append(move)
        return out

    def _tangent(self, theta: Array, moves: Sequence[Array]) -> list[Array]:
        """Derivative of the target along movements of the normal scores, (P, K_i)."""
        by_n = self._scores(theta, 0)[1]
        return self._dcc(theta).nuisance_tangent(theta, [by_n[:, [i]] * move for i, move in enumerate(moves)])

    def by_margins(self, theta: Array, dzs: Sequence[Array]) -> tuple[list[Array], Array]:
        """Gradient by the margins' parameters through residuals and shapes, and by the target.

        Where the target moves with theta, what it has moved since the estimate moves with the margins too. The
        margins' own densities do not depend on theta and are left out.
        """
        by_normal, by_target = self._by_normal(theta)
        moves = self._moves(dzs)
        out = [by_normal[:, i] @ move for i, move in enumerate(moves)]
        if self.moving:
            now, then = self._tangent(theta, moves), self._tangent(self._at, moves)
            out = [one + by_target @ (new - old) for one, new, old in zip(out, now, then, strict=True)]
        return out, by_target

    def nuisance_moments(self, theta: Array, noise: str) -> Array:
        """Influence on the target, that of the scores' second moment."""
        return self._dcc(theta).nuisance_moments(theta, noise)

    def nuisance_tangent(self, theta: Array, dzs: Sequence[Array]) -> list[Array]:
        """Derivative of the target along each margin's parameters."""
        return self._tangent(theta, self._moves(dzs))

    def nuisance_slope(self, theta: Array) -> Array | None:
        """Derivative of the target by (a, b, nu), (P, 3), under a t copula."""
        if not self.moving:
            return None
        x, _, by_nu = self._scores(theta, 1)
        out = np.zeros((self.nuisance.size, 3))
        out[:, 2] = _moment_slope(x, by_nu, *second_moment_target(x))[self.pairs]
        return out

    def margin_noise(self, theta: Array) -> tuple[Array, Array] | None:
        r"""Noise of the ranks (Genest, Ghoudi & Rivest 1995; Chen & Fan 2006).

        Summed over columns i, :math:`\frac1T\sum_s D_{is}\{1(z_{it}\le z_{is})-u_{is}\}` with :math:`D_{is}` the
        derivative of target or score by :math:`u_{is}`.
        """
        if self.ranks is None:
            return None
        weights = np.eye(self.nuisance.size)
        target = np.stack([self._rank_influence(self._pull(theta, row) * self.nobs) for row in weights], axis=1)
        own = np.zeros((self.nobs, self.layout.size))
        room = 1.0 - theta[0] - theta[1]
        sizes = [min(theta[0], room), min(theta[1], room), *(theta[2:] - 2.0)]
        for k, size in enumerate(sizes):
            step = 1e-4 * float(size)
            if not step > 0.0:
                continue  # on its bound: it has no error to add to
            sides = []
            for sign in (1.0, -1.0):
                point = np.array(theta)
                point[k] += sign * step
                by_normal, by_target = self._by_normal(point)
                if self.moving:
                    by_normal = by_normal + self._pull(point, by_target) - self._pull(theta, by_target)
                sides.append(by_normal)
            own[:, k] = self._rank_influence((sides[0] - sides[1]) / (2.0 * step))
        return target, own

    def _pull(self, theta: Array, weights: Array) -> Array:
        """Derivative of ``weights`` (P,) times the target by the normal scores, (T, N)."""
        x, by_n, _ = self._scores(theta, 0)
        target, diagonal = second_moment_target(x)
        v = matrix_of(weights, self.n)
        np.fill_diagonal(v, 0.0)
        w = x / np.sqrt(diagonal)
        out: Array = (w @ v - w * (v * target).sum(axis=1)) / np.sqrt(diagonal) * by_n / self.nobs
        return out

    def _rank_influence(self, slopes: Array) -> Array:
        """Influence of each observation through the ranks, (T,), of a sum with ``slopes`` (T, N) by normal scores."""
        total = np.zeros(self.nobs)
        for i in range(self.n):
            by_u = slopes[:, i] * np.exp(-log_normal(self.normal[:, i]))
            order = np.argsort(self.z[:, i], kind="stable")
            above = np.empty(self.nobs)
            above[order] = np.cumsum(by_u[order][::-1])[::-1]
            total += above - by_u @ special.ndtr(self.normal[:, i])
        out: Array = total / self.nobs
        return out

    # --- the rest

    def starts(self) -> Iterator[Array]:
        """A grid of news and persistence."""
        yield from grid_starts(self.student)

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
        """Residuals with the margins' distributions, and correlations of the scores; see `PathModel.simulate`.

        Under rank margins residuals are interpolated between those of the sample and stay within its extremes.
        """
        x, path = self._dcc(theta).simulate(theta, shocks, rows, cols, driver=driver, warm=warm)
        n = normal_scores(x, float(theta[-1])) if self.student else x
        if self.ranks is None:
            columns = [law.quantile(n[:, i]) for i, law in enumerate(self.laws)]
        else:
            place = special.ndtr(n) * (len(self.ranks) + 1.0)
            grid = np.arange(1.0, len(self.ranks) + 1.0)
            columns = [np.interp(place[:, i], grid, self.ranks[:, i]) for i in range(self.n)]
        return np.stack(columns, axis=1), path

    def expected(self, theta: Array, horizon: int, method: str, driver: Array | None = None) -> Array:
        """The approximations of DCC."""
        del driver
        return self._dcc(theta).expected(theta, horizon, method)

    def fixed(self, z: Array, driver: Array | None = None, nuisance: Array | None = None) -> PathModel:
        """Return the same copula and margins on other residuals, the target kept; `settle` must have run."""
        del driver
        return CopulaLikelihood(
            z,
            laws=self.laws,
            dist="t" if self.student else "normal",
            names=self.names,
            target=self.target if nuisance is None else matrix_of(nuisance, z.shape[1]),
            jacobians=self.jacobians,
            ranks=self.ranks,
        )

    def reshaped(self, margins: Sequence[Array]) -> PathModel:
        """Return the model with the shapes at the end of these margins' parameters."""
        if self.ranks is not None:
            return self
        laws = [
            MarginLaw(law.dist, theta[theta.size - CODE[law.dist] :])
            for law, theta in zip(self.laws, margins, strict=True)
        ]
        return CopulaLikelihood(
            self.z,
            laws=laws,
            dist="t" if self.student else "normal",
            names=self.names,
            target=self.target if self.given else None,
            jacobians=self.jacobians,
        )


def _moment_slope(x: Array, dx: Array, target: Array, diagonal: Array) -> Array:
    """Derivative of the scaled second moment of ``x`` (T, N) along ``dx``, (N, N)."""
    root = np.sqrt(diagonal)
    cross = dx.T @ x / x.shape[0]
    moved = (cross + cross.T) / np.outer(root, root)
    own = 0.5 * np.diag(moved)
    out: Array = moved - target * (own[:, None] + own[None, :])
    np.fill_diagonal(out, 0.0)
    return out


def _smooth_density(z: Array) -> Array:
    """Gaussian kernel density of the sample ``z`` (T,) at its own points, Silverman's width."""
    spread = min(float(z.std()), float(np.subtract(*np.percentile(z, [75, 25]))) / 1.349)
    width = 0.9 * spread * z.size**-0.2
    size = max(1, 2_000_000 // z.size)
    parts = [
        np.exp(log_normal((z[first : first + size, None] - z[None, :]) / width)).mean(axis=1) / width
        for first in range(0, z.size, size)
    ]
    out: Array = np.concatenate(parts)
    return out


def tail_dependence(correlation: Array, nu: float) -> Array:
    r"""Tail dependence of a t copula, :math:`2G_{\nu+1}\{-\sqrt{(\nu+1)(1-\rho)/(1+\rho)}\}`; zero for ``nu`` = 0.

    The probability that one column is beyond its q-quantile given that the other is, as q goes to 0 or 1; the two
    tails of an elliptical copula are alike (Demarta & McNeil 2005). The Gaussian copula has none for any correlation
    below one.
    """
    rho = np.asarray(correlation, float)
    if not nu > 0:
        return np.zeros(rho.shape)
    out: Array = 2.0 * stats.t.cdf(-np.sqrt((nu + 1.0) * (1.0 - rho) / (1.0 + rho)), nu + 1.0)
    return out


@dataclass(frozen=True, eq=False)
class CopulaFit(CorrelationFit):
    """A fitted copula DCC.

    ``correlation`` is that of the scores x, the parameter of the copula. Under margins that are far from the copula's
    own distribution the linear correlation of the residuals is a little smaller; simulate for covariances.
    """

    def tail_dependence(self, i: str, j: str) -> pd.Series:
        """Tail dependence of two columns by date, (T,); zero under the Gaussian copula."""
        rho = self.correlation(i, j)
        nu = self.likelihood.density(self.theta)[0]
        return pd.Series(tail_dependence(rho.to_numpy(), nu), rho.index, name=f"tail({i}, {j})")


@dataclass(frozen=True)
class CopulaDCC(CorrelationSpec):
    r"""DCC of a Gaussian or t copula on any margins (Patton 2006; Jondeau & Rockinger 2006).

    Residuals are transformed by their margin's distribution function and read as scores
    :math:`x_{it}=G^{-1}\{F_i(z_{it})\}`, whose correlation follows a DCC(1,1). Margins may be as skewed and
    heavy-tailed as they are, each in its own way, which the joint t of ``DCC(dist="t")`` does not allow. With normal
    margins the Gaussian copula is DCC-normal.

    Parameters
    ----------
    dist : "t" or "normal", the copula.
    pit : "parametric" uses the margins' own distributions, shape parameters and their errors included; "rank" the ranks
        of the residuals (semiparametric), whose noise is counted. Densities of the margins in the likelihood are
        their fitted ones in both.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.CopulaDCC().fit(returns[["COIN", "SMALL_TECH"]], margins=ce.GARCH(dist="skewt"))
    >>> fit.tail_dependence("COIN", "SMALL_TECH").name
    'tail(COIN, SMALL_TECH)'
    """

    dist: str = "t"
    pit: str = "parametric"
    result: ClassVar[type[CorrelationFit]] = CopulaFit
    references: ClassVar[tuple[str, ...]] = ("patton2006", "jondeaurockinger2006", "engle2002", "demartamcneil2005")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("pit", self.pit, ("parametric", "rank"))

    @property
    def name(self) -> str:
        """Name with the copula."""
        return f"Copula-DCC(1,1)-{self.dist}{', rank margins' if self.pit == 'rank' else ''}"

    def model(
        self,
        z: Array,
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
        target: Array | None = None,
        margins: Margins | None = None,
    ) -> CopulaLikelihood:
        """Build the likelihood on ``z`` (T, N).

        Raises
        ------
        SpecError : no margins for a parametric transform, or a distribution of theirs that is not known.
        DataError : a residual so far out that its margin leaves no tail probability.
        """
        del driver
        jacobians: list[Array] = []
        if margins is not None and self.pit == "parametric":
            laws = [law_of(fit) for fit in margins.fits]
            for fit, law in zip(margins.fits, laws, strict=True):
                jacobian = fit.part.jacobian
                jacobians.append(jacobian[jacobian.shape[0] - CODE[law.dist] :])
        elif self.pit == "rank":
            # the density is a convention here: that of the margin where it is known, else the normal
            laws = [MarginLaw("normal", np.empty(0))] * z.shape[1]
            if margins is not None:
                laws = [_known_law(margins, k) for k in range(z.shape[1])]
        else:
            raise SpecError(f"{self.name} reads the margins' distributions: pass fitted margins, or use pit='rank'.")
        return self.on(z, laws, names=names, target=target, jacobians=jacobians)

    def model_of(
        self,
        z: Array,
        margins: Sequence[GARCH | EGARCH],
        thetas: Sequence[Array],
        *,
        names: Sequence[str] | None = None,
        driver: Array | None = None,
    ) -> CopulaLikelihood:
        """Build the likelihood for margins known by specification and parameters."""
        del driver
        laws = [
            MarginLaw(one.dist, theta[theta.size - CODE[one.dist] :])
            for one, theta in zip(margins, thetas, strict=True)
        ]
        return self.on(z, laws, names=names)

    def on(
        self,
        z: Array,
        laws: Sequence[MarginLaw],
        *,
        names: Sequence[str] | None = None,
        target: Array | None = None,
        jacobians: Sequence[Array] = (),
    ) -> CopulaLikelihood:
        """Build the likelihood for margins of these laws."""
        ranks = np.sort(z, axis=0) if self.pit == "rank" else None
        labels = tuple(names) if names is not None else tuple(str(i) for i in range(z.shape[1]))
        if ranks is None:
            for i, law in enumerate(laws):
                n = law.scores(np.ascontiguousarray(z[:, i]), slopes=False)[0]
                worst = int(np.argmax(np.abs(n)))
                if not np.abs(n[worst]) < FARTHEST:
                    raise DataError(
                        f"{labels[i]!r}: the residual {z[worst, i]:.1f} of observation {worst} has no probability left "
                        f"under its {law.dist} margin; fit it with dist='t' or 'skewt', or use pit='rank'."
                    )
        return CopulaLikelihood(
            z, laws=laws, dist=self.dist, names=labels, target=target, jacobians=jacobians, ranks=ranks
        )


def _known_law(margins: Margins, k: int) -> MarginLaw:
    """Law of a margin, or the normal where it has none that is known here."""
    try:
        return law_of(margins.fits[k])
    except SpecError:
        return MarginLaw("normal", np.empty(0))
