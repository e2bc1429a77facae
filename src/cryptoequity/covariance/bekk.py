r"""BEKK(1,1): the covariance matrix follows a recursion that cannot leave the positive definite matrices.

.. math::

    H_t = C + A'\varepsilon_{t-1}\varepsilon_{t-1}'A + G'\eta_{t-1}\eta_{t-1}'G + B'H_{t-1}B,
    \qquad \eta_t=\min(\varepsilon_t,0)

(Engle & Kroner 1995; the asymmetric term, Kroner & Ng 1998). Equations are numbered in ``docs/theory/bekk.md``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import BoundaryWarning, ConvergenceError, CryptoEquityWarning, SpecError, check_option
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array
from ..table import Table, format_number
from .bekk_box import TargetedLayout
from .bekk_likelihood import BEKKLikelihood
from .fit import CovarianceFit, CovarianceSpec, Targets

__all__ = ["BEKK", "BEKKFit"]

KINDS = ("scalar", "diagonal", "full")
# an intercept whose smallest eigenvalue relative to the target is below this is on the edge of what is feasible
_EDGE = 1e-5
# climbs of the full model beside those from the diagonal optimum and the grid
_TILTS = 8
# renewed climbs from where one stopped short
_AGAIN = 3


@dataclass(frozen=True)
class BEKK(CovarianceSpec):
    r"""BEKK(1,1) (Engle & Kroner 1995).

    Parameters
    ----------
    kind : "scalar" (one weight a term, :math:`H_t=C+a\,\varepsilon\varepsilon'+g\,\eta\eta'+b\,H_{t-1}`, also called
        scalar VT-vech; a, g, b multiply products, so a is the square of what other programs call a), "diagonal"
        (A, G, B diagonal) or "full" (at most five columns).
    asymmetric : add :math:`G'\eta\eta'G`, the extra effect of negative deviations.
    targeting : set :math:`C=\bar S-A'\bar SA-G'\bar NG-B'\bar SB` with :math:`\bar S,\bar N` the uncentred second
        moments of :math:`\varepsilon` and :math:`\eta`; otherwise :math:`C=LL'` is estimated.
    dist : "normal" or "t" errors, the latter jointly t.
    presample : "target" (:math:`H_1=\bar S`) or "ewma" (the MFE toolbox: a 0.94-weighted mean of the first
        :math:`\lceil\sqrt T\rceil` outer products stands for both :math:`\varepsilon_0\varepsilon_0'` and :math:`H_0`).
    target_noise : how the targets' sampling error enters the others': "exact" (their influence as martingale
        differences, summed from the recursion), "moment" (as it stands) or "none" (targets known, their errors zero).
    demean : subtract the sample mean first and count its noise.

    Notes
    -----
    Signs: the likelihood does not change with the sign of A, of G or of B as a whole. After the climb :math:`a_{11}`
    and :math:`g_{11}` are made positive, and so are the trace of B and the diagonal of L.

    With targeting C must be positive semi-definite; the optimiser moves in a box that is exactly that set. An optimum
    on its edge is reported with a warning, and its errors are those along the edge.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> fit = ce.BEKK(kind="diagonal").fit(returns)
    >>> fit.persistence < 1
    True
    """

    kind: str = "scalar"
    asymmetric: bool = False
    targeting: bool = True
    dist: str = "normal"
    presample: str = "target"
    target_noise: str = "exact"

    def __post_init__(self) -> None:
        check_option("kind", self.kind, KINDS)
        check_option("asymmetric", self.asymmetric, (False, True))
        check_option("targeting", self.targeting, (False, True))
        check_option("dist", self.dist, ("normal", "t"))
        check_option("presample", self.presample, ("target", "ewma"))
        check_option("target_noise", self.target_noise, ("exact", "moment", "none"))
        if self.target_noise != "exact" and not self.targeting:
            raise SpecError(f"target_noise={self.target_noise!r} without targeting: there is no target to count.")

    @property
    def name(self) -> str:
        """Name of the model in the field's terms."""
        words = [self.kind, "asymmetric" if self.asymmetric else "", "targeted" if self.targeting else ""]
        return f"BEKK(1,1)-{self.dist}, {' '.join(word for word in words if word)}"

    def build(self, deviations: Array) -> BEKKLikelihood:
        """Return the likelihood on deviations (T, N); refuse a full model of too many columns."""
        return BEKKLikelihood(
            deviations,
            kind=self.kind,
            asymmetric=self.asymmetric,
            targeting=self.targeting,
            dist=self.dist,
            presample=self.presample,
        )

    def climb(self, lik: BEKKLikelihood, *, strict: bool = False) -> Optimum:
        """Maximise from the model nested in this one, whose optimum is a point of it, and from a grid."""
        return climb_bekk(lik, strict=strict)

    def targets(self, lik: BEKKLikelihood, theta: Array, names: Sequence[str]) -> Targets | None:
        r"""Sample moments :math:`\bar S` (and :math:`\bar N`) with their influence; None without targeting."""
        if not self.targeting:
            return None
        rows, cols = lik.half
        labels = [f"cov.{names[j]}.{names[i]}" for i, j in zip(rows, cols, strict=True)]
        values = [lik.second[rows, cols]]
        if self.asymmetric:
            labels += [f"neg.{names[j]}.{names[i]}" for i, j in zip(rows, cols, strict=True)]
            values.append(lik.negative[rows, cols])
        if self.target_noise == "none":
            influence = np.zeros((lik.nobs, len(labels)))
            slopes = np.zeros((lik.layout.size, len(labels)))
        else:
            influence = lik.influence(theta, self.target_noise, self.demean)
            slopes = lik.target_slopes(theta)
        return Targets(tuple(labels), np.concatenate(values), influence, slopes)

    def fit(
        self,
        returns: pd.DataFrame,
        *,
        cov_type: str = "robust",
        hac_lags: int | None = None,
        strict: bool = False,
    ) -> BEKKFit:
        """Fit to returns; see `CovarianceSpec.fit`.

        Warns
        -----
        CryptoEquityWarning : the estimates imply no unconditional covariance (`BEKKFit.persistence` of one or more).
        BoundaryWarning : the targeted intercept is singular at the optimum; the likelihood rises beyond.
        """
        fit = BEKKFit.of(super().fit(returns, cov_type=cov_type, hac_lags=hac_lags, strict=strict))
        if fit.on_edge:
            warnings.warn(
                f"{self.name}: the optimum lies where the targeted intercept stops being positive semi-definite; "
                "standard errors are those along that edge. targeting=False has no such edge.",
                BoundaryWarning,
                stacklevel=2,
            )
        if fit.persistence >= 1.0:
            cure = "asymmetric=False" if self.targeting else "targeting=True"
            warnings.warn(
                f"{self.name}: persistence {fit.persistence:.6f}, so the model has no unconditional covariance and "
                f"forecasts do not settle; look for a single huge return or a break in volatility, or use {cure}.",
                CryptoEquityWarning,
                stacklevel=2,
            )
        return fit


@dataclass(frozen=True, eq=False)
class BEKKFit(CovarianceFit):
    """A fitted BEKK: a `CovarianceFit` with its matrices and persistence."""

    spec: BEKK
    likelihood: BEKKLikelihood

    @classmethod
    def of(cls, fit: CovarianceFit) -> BEKKFit:
        """Return ``fit`` as one of these."""
        return cls(**{one.name: getattr(fit, one.name) for one in fields(CovarianceFit)})

    @property
    def persistence(self) -> float:
        r"""Spectral radius of :math:`A\otimes A+B\otimes B+\tfrac12G\otimes G`; covariance stationary below one."""
        return self.likelihood.persistence(self.theta)

    @property
    def on_edge(self) -> bool:
        """Whether the targeted intercept is singular at the estimates."""
        return self.spec.targeting and self.likelihood.slack(self.theta) < _EDGE

    @property
    def matrices(self) -> dict[str, pd.DataFrame]:
        """C, A, B (and G) of the recursion, (N, N) each; for the scalar model A is the root of a times the identity.

        Element (i, j) of A is what a deviation of i does to the volatility of j.
        """
        point = self.likelihood.recursion(self.theta)
        names, n = list(self.names), len(self.names)
        found = {"C": point.c}
        for k, (label, full) in enumerate(zip("AGB", (point.a, point.g, point.b), strict=True)):
            if label == "G" and not self.spec.asymmetric:
                continue
            if self.spec.kind == "scalar":
                full = np.sqrt(full[0, 0]) * np.eye(n)
            elif self.spec.kind == "diagonal":
                full = np.diag(point.weights[k])
            found[label] = full
        return {label: pd.DataFrame(matrix, names, names) for label, matrix in found.items()}

    def summary(self) -> Table:
        """Return the fit as a table; the same fit always gives the same text."""
        table = super().summary()
        state = "stationary" if self.persistence < 1.0 else "NOT STATIONARY"
        note = f"persistence (spectral radius of the recursion) {format_number(self.persistence)}: {state}"
        edge = ("the targeted intercept is singular: errors are those along this edge",) if self.on_edge else ()
        return replace(table, notes=(*table.notes, note, *edge))

    def _reference_keys(self) -> tuple[str, ...]:
        keys = ["englekroner1995"]
        keys += ["kronerng1998"] if self.spec.asymmetric else []
        keys += ["pedersenrahbek2014"] if self.spec.targeting else []
        return (*keys, "neweymcfadden1994")

    def filter(self, returns: pd.DataFrame) -> BEKKFit:
        """Run new ``returns`` through this fit's parameters; see `CovarianceFit.filter`."""
        return BEKKFit.of(super().filter(returns))

    @classmethod
    def from_json(cls, text: str) -> BEKKFit:
        """Rebuild from `to_json`: data are filtered again with the stored parameters."""
        return cls.of(CovarianceFit.from_json(text))


def climb_bekk(lik: BEKKLikelihood, *, strict: bool = False, **options: Any) -> Optimum:
    """Maximise on arrays, without checks or standard errors; ``options`` go to `maximize`."""
    rows = list(lik.starts())
    polish = 2
    if lik.kind != "scalar":
        inner = lik.lifted(climb_bekk(lik.simpler()).theta)
        rows = [inner, *_tilted(lik, inner), rows[int(np.argmax([_total(lik, row) for row in rows]))]]
        polish = len(rows)
    optimum = maximize(lik, rows, polish=polish, **options)
    for _ in range(_AGAIN):
        if optimum.converged or not np.isfinite(optimum.loglik):
            break
        # near a singular intercept the curvature gathered along the way misleads: start it anew from the scores
        more = maximize(lik, [optimum.theta], **options)
        optimum = replace(more, agreement=optimum.agreement, evaluations=optimum.evaluations + more.evaluations)
    optimum = _signed(lik, optimum)
    if strict and not optimum.converged:
        raise ConvergenceError(optimum.reason)
    return optimum


def _total(lik: BEKKLikelihood, theta: Array) -> float:
    return float(lik.evaluate(theta, 0)[0].sum())


def _tilted(lik: BEKKLikelihood, inner: Array) -> list[Array]:
    """Starts of the full model with spill-overs, in units of the columns' own scales; always the same ones.

    The likelihood of a full BEKK has several tops, and the diagonal optimum leads to one of them only.
    """
    if lik.kind != "full":
        return []
    n = lik.n
    rng = np.random.default_rng(0)
    root = np.sqrt(np.diag(lik.second))
    ratio = (root[None, :] / root[:, None]).T.ravel()  # by columns: a_ij carries i's scale to j's
    off = ~np.eye(n, dtype=bool).ravel()
    out = []
    for _ in range(_TILTS if n <= 3 else 2):
        row = inner.copy()
        for k, name in enumerate(lik.families):
            part = slice(lik.lead + k * n * n, lik.lead + (k + 1) * n * n)
            row[part] += np.where(off, rng.normal(0.0, 0.02 if name == "b" else 0.08, n * n) * ratio, 0.0)
        out.append(row)
    return out


def _signed(lik: BEKKLikelihood, optimum: Optimum) -> Optimum:
    """Flip A and G to a positive first element, B to a positive trace, and the columns of L to a positive diagonal."""
    flip = np.ones(lik.layout.size)
    for k, name in enumerate(lik.families if lik.kind != "scalar" else ()):
        part = slice(lik.lead + k * lik.width, lik.lead + (k + 1) * lik.width)
        weights = optimum.theta[part]
        if name == "b":
            step = lik.n + 1 if lik.kind == "full" else 1
            negative = weights[::step].sum() < 0
        else:
            negative = weights[0] < 0
        if negative:
            flip[part] = -1.0
    if lik.lead:
        _, cols = lik.half
        low = lik.recursion(optimum.theta).low
        flip[: lik.lead] = np.where(np.diag(low) < 0, -1.0, 1.0)[cols]
    if (flip > 0).all():
        return optimum
    # the likelihood is even in each of them: theta, box and curvature turn together
    box = lik.layout.mirrored(flip) if isinstance(lik.layout, TargetedLayout) else flip
    return replace(
        optimum, theta=flip * optimum.theta, box=box * optimum.box, curvature=box[:, None] * optimum.curvature * box
    )
