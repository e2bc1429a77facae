r"""O-GARCH and GO-GARCH: uncorrelated factors with GARCH variances behind the returns.

.. math::

    \varepsilon_t = Z f_t,\qquad Z = P\Lambda^{1/2}U,\qquad H_t = Z\operatorname{diag}(h_t)Z',\qquad
    h_{i,t} = (1-\alpha_i-\beta_i)+\alpha_if_{i,t-1}^2+\beta_ih_{i,t-1},

where :math:`S=P\Lambda P'` is the sample covariance. O-GARCH has :math:`U=I` (Alexander 2001), GO-GARCH a rotation
(van der Weide 2002) of :math:`N(N-1)/2` angles, :math:`U=\prod_{i<j}R_{ij}(\varphi_{ij})`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..errors import DataError, SpecError
from ..estimation.inference import newey_west_lags, newey_west_mean
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array
from .factors import FactorLikelihood, canonical, principal_axes, whitening_change
from .fit import CovarianceSpec, Targets

__all__ = ["GOGARCH", "OGARCH"]

_EQUAL = 1e-6  # relative gap below which two eigenvalues are one: their eigenvectors are then any pair in the plane


@dataclass(frozen=True)
class _Orthogonal(CovarianceSpec):
    """What O-GARCH and GO-GARCH share: the whitening, its checks and its noise."""

    rotate: ClassVar[bool] = False

    @property
    def factors(self) -> int | None:
        """Number of factors with dynamics; None for all."""
        return None

    def build(self, deviations: Array) -> FactorLikelihood:
        """Return the likelihood on deviations (T, N), or say why their principal axes cannot serve."""
        nobs, n = deviations.shape
        moving = n if self.factors is None else self.factors
        if moving > n:
            raise SpecError(f"n_factors={moving}, but {n} columns have {n} principal components.")
        values, vectors = principal_axes(deviations.T @ deviations / nobs)
        if not values[-1] > 1e-10 * values[0]:
            raise DataError(
                f"{self.name}: the principal components have variances from {values[0]:.3g} to {values[-1]:.3g}, a "
                "ratio that leaves no digits for the smallest; bring the columns to comparable scales, or drop one."
            )
        gaps = (values[:-1] - values[1:]) / values[:-1]
        for i in np.flatnonzero(gaps[:moving] < _EQUAL):
            raise DataError(
                f"{self.name}: principal components {i + 1} and {i + 2} have the same variance ({values[i]:.6g} and "
                f"{values[i + 1]:.6g}), so their directions are not defined; rescale one of the columns, or use DCC."
            )
        return FactorLikelihood(deviations, values, vectors, rotate=self.rotate, moving=moving)

    def climb(self, lik: FactorLikelihood, *, strict: bool = False) -> Optimum:
        """Maximise, put the rotation in its canonical form, and flag what alpha = 0 leaves unidentified."""
        optimum = maximize(lik, list(lik.starts()), polish=3, strict=strict)
        if self.rotate:
            theta = canonical(lik, optimum.theta)
            if not np.allclose(theta, optimum.theta, rtol=0, atol=1e-12):
                again = maximize(lik, [theta], strict=strict)
                optimum = replace(
                    again, agreement=optimum.agreement, evaluations=optimum.evaluations + again.evaluations
                )
        pinned = np.array(optimum.pinned)
        # in the box a factor is (alpha + beta, share of alpha)
        still = np.flatnonzero(optimum.theta[lik.planes :: 2] == 0.0)
        for i in still:
            pinned[lik.planes + 2 * i : lik.planes + 2 * i + 2] = True
        if still.size > 1:
            pinned[: lik.planes] = True  # two factors of constant variance: any rotation between them fits as well
        return replace(optimum, pinned=tuple(map(bool, pinned)))

    def targets(self, lik: FactorLikelihood, theta: Array, names: Sequence[str]) -> Targets:
        r"""Return the sample covariance, whose noise moves the whitening and so every factor.

        The influence of a date on :math:`S` is :math:`Z V_t Z'` with :math:`V_{ij,t}=f_if_j` off the diagonal, which is
        a martingale difference, and :math:`V_{ii,t}=\frac{1-\beta_i}{1-\alpha_i-\beta_i}(f_i^2-h_i)` on it: summing the
        recursion of :math:`h` shows that :math:`\sum_t(f_i^2-1)` is the sum of these, up to the ends of the sample.
        """
        cols, rows = np.triu_indices(lik.n)
        _, _, alpha, beta = lik.split(theta)
        f, h, z = lik.factors(theta), lik.variances(theta)[:-1], lik.mixing(theta)
        v = (1.0 - beta) / (1.0 - alpha - beta) * (f**2 - h)
        influence = np.empty((len(f), rows.size))
        ef = f @ z.T
        for k, (i, j) in enumerate(zip(rows, cols, strict=True)):
            # Z V Z' = (Zf)(Zf)' with the squares of f replaced
            influence[:, k] = ef[:, i] * ef[:, j] + (v - f**2) @ (z[i] * z[j])
        moment = (lik.vectors * lik.values) @ lik.vectors.T
        by_white = lik.whitening_slopes(theta)
        slopes = np.empty((theta.size, rows.size))
        for k, (i, j) in enumerate(zip(rows, cols, strict=True)):
            change = np.outer(lik.vectors[i], lik.vectors[j])
            turn = whitening_change(change + change.T if i != j else change, lik.values)
            slopes[:, k] = np.tensordot(by_white, turn, axes=2)
        labels = tuple(f"cov.{names[int(j)]}.{names[int(i)]}" for i, j in zip(rows, cols, strict=True))
        return Targets(labels, moment[rows, cols], influence, slopes)


@dataclass(frozen=True)
class OGARCH(_Orthogonal):
    r"""Orthogonal GARCH (Alexander 2001): GARCH(1,1) variances of the principal components.

    Parameters
    ----------
    n_factors : components with dynamics, largest first; None for all. The variance of the others is held constant, so
        that :math:`H_t` stays positive definite and its mean remains the sample covariance; how much of each column's
        variance that is, the summary says.
    demean : subtract the sample mean first.

    Notes
    -----
    Principal components depend on the units: rescaling one column changes the model. Standard errors count the noise of
    the sample covariance. Before the sample, variances are a 0.94-weighted back-cast, as in the MFE toolbox.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.OGARCH(n_factors=1).fit(returns[["COIN", "SMALL_TECH"]])
    >>> list(fit.params.index[-2:])
    ['factor1.alpha', 'factor1.beta']
    """

    n_factors: int | None = None
    references: ClassVar[tuple[str, ...]] = ("alexander2001", "bollerslev1986", "neweymcfadden1994")

    def __post_init__(self) -> None:
        if self.n_factors is not None and (
            not isinstance(self.n_factors, int) or isinstance(self.n_factors, bool) or self.n_factors < 1
        ):
            raise SpecError(f"n_factors={self.n_factors!r}: give a whole number of components, at least 1, or None.")

    @property
    def name(self) -> str:
        """Name in the field's terms."""
        return "O-GARCH" if self.n_factors is None else f"O-GARCH, {self.n_factors} factors"

    @property
    def factors(self) -> int | None:
        """Number of factors with dynamics; None for all."""
        return self.n_factors

    def concerns(self, lik: FactorLikelihood, names: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002
        """Name the pairs of components whose variances differ by less than two standard errors."""
        out = []
        for i in range(min(lik.moving, lik.n - 1)):
            w = lik.white[:, i] ** 2 - lik.white[:, i + 1] ** 2
            error = newey_west_mean(w, newey_west_lags(w.size))
            gap = float(np.log(lik.values[i] / lik.values[i + 1]))
            if gap < 2.0 * error:
                out.append(
                    f"the variances of principal components {i + 1} and {i + 2}, {lik.values[i]:.4g} and "
                    f"{lik.values[i + 1]:.4g}, differ by {gap / error:.1f} standard errors only: their directions are "
                    "hardly known, and O-GARCH depends on them"
                )
        return tuple(out)

    def remarks(self, lik: FactorLikelihood, names: Sequence[str]) -> tuple[str, ...]:
        """Say how much variance is held constant."""
        if lik.moving == lik.n:
            return ()
        rest = lik.vectors[:, lik.moving :] ** 2 @ lik.values[lik.moving :]
        share = rest / (lik.vectors**2 @ lik.values)
        listed = ", ".join(f"{name} {one:.1%}" for name, one in zip(names, share, strict=True))
        return (f"Share of the variance held constant, that of the components without dynamics: {listed}",)


@dataclass(frozen=True)
class GOGARCH(_Orthogonal):
    r"""Generalised orthogonal GARCH (van der Weide 2002): a rotation of the standardised principal components.

    :math:`\varepsilon_t=P\Lambda^{1/2}Uf_t`; the angles of :math:`U` and the GARCH(1,1) dynamics of the factors are
    estimated together by Gaussian quasi-maximum likelihood with analytic scores.

    Parameters
    ----------
    demean : subtract the sample mean first.

    Notes
    -----
    A factor has neither sign nor rank: they are ordered and signed so that :math:`U` is nearest to the identity, and
    factor i is the one nearest to principal component i. The model, unlike O-GARCH, does not depend on the units of the
    columns. The rotation is not identified when two factors have constant variances; the fit then says so. The angles
    are N(N-1)/2: beyond some fifteen columns the climb is long, and its climbs may end on different tops, which the
    summary shows as the share that agrees.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))
    >>> fit = ce.GOGARCH().fit(returns[["COIN", "SMALL_TECH"]])
    >>> list(fit.params.index[-5:])
    ['phi.1.2', 'factor1.alpha', 'factor1.beta', 'factor2.alpha', 'factor2.beta']
    """

    rotate: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("vanderweide2002", "bollerslev1986", "neweymcfadden1994")

    @property
    def name(self) -> str:
        """Name in the field's terms."""
        return "GO-GARCH"
