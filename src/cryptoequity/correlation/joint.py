r"""One-step estimation: margins, target and dynamics by the likelihood of the returns themselves.

.. math::

    \ell_t(\theta)=-\sum_i\ln\sigma_{it}(\theta_i)+\ln f\{z_t(\theta);R_t(\theta)\},

with f the joint normal or t density. Efficient where the model is true, and the only estimator whose likelihood ratios
are :math:`\chi^2`; the price is a climb over all parameters at once, hence few columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import SpecError
from ..estimation.inference import free_part, sandwich, spread
from ..estimation.optimize import Optimum, maximize
from ..estimation.params import Array, Block, Layout, correlation, subsimplex
from ..estimation.results import Estimate
from ..kernels.joint import joint_filter
from ..volatility import MarginFit
from ..volatility.density import t_constants
from ..volatility.garch import assemble, optimum_from_dict
from ..volatility.likelihood import MarginLikelihood
from ..volatility.margins import gather
from .fit import CorrelationFit
from .likelihood import CorrelationLikelihood
from .model import matrix_of, nu_block

if TYPE_CHECKING:
    from .spec import CorrelationSpec

__all__ = ["MOST_COLUMNS", "JointLikelihood", "fit_joint", "joint_from_dict"]

MOST_COLUMNS = 5


@dataclass(eq=False)
class JointLikelihood:
    """Log-likelihood of returns (T, N) in all parameters: margins, pairs i < j, (a, b)[, nu].

    Attributes
    ----------
    parts : the margins' likelihoods, of normal density: only their volatilities are read.
    dynamic : DCC(1,1), else CCC. student : joint t density.
    """

    names: tuple[str, ...]
    parts: tuple[MarginLikelihood, ...]
    dynamic: bool
    student: bool
    layout: Layout = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.names)
        rows, cols = np.triu_indices(n, 1)
        blocks: list[Block] = [
            replace(block, names=tuple(f"{name}.{one}" for one in block.names))
            for name, part in zip(self.names, self.parts, strict=True)
            for block in part.layout.blocks
        ]
        pairs = (f"corr.{self.names[i]}.{self.names[j]}" for i, j in zip(rows, cols, strict=True))
        blocks.append(correlation(*pairs))
        if self.dynamic:
            blocks.append(subsimplex("dcc.a", "dcc.b"))
        if self.student:
            blocks.append(nu_block("dcc.nu" if self.dynamic else "ccc.nu"))
        self.layout = Layout(blocks)
        self.sizes = [part.layout.size for part in self.parts]
        self.owner = np.repeat(np.arange(n), self.sizes)

    def split(self, theta: Array) -> tuple[list[Array], Array, Array]:
        """Parameters of each margin, pairs, and (a, b)[, nu]."""
        ends = np.cumsum([0, *self.sizes]).tolist()
        pairs = len(self.names) * (len(self.names) - 1) // 2
        margins = [theta[i:j] for i, j in pairwise(ends)]
        return margins, theta[ends[-1] : ends[-1] + pairs], theta[ends[-1] + pairs :]

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood (T,) of the returns and scores (T, K)."""
        margins, pairs, own = self.split(theta)
        zs, dzs, by_volatility = [], [], []
        volatility = np.zeros(self.parts[0].y.size)
        for part, point in zip(self.parts, margins, strict=True):
            _, variance, residual, score, dz = part.filter(point, 2 if want else 0)
            z = residual / np.sqrt(variance)
            zs.append(z)
            volatility = volatility + 0.5 * np.log(variance)
            if want:
                dzs.append(dz)
                # the normal score is -d ln(sigma) - z dz: the first part is what the joint density keeps
                by_volatility.append(score + z[:, None] * dz)
        z = np.ascontiguousarray(np.stack(zs, axis=1))
        dz = np.ascontiguousarray(np.hstack(dzs)) if want else np.empty((z.shape[0], 0))
        n = z.shape[1]
        a, b = (float(own[0]), float(own[1])) if self.dynamic else (0.0, 0.0)
        nu = float(own[-1]) if self.student else 0.0
        const = np.array(t_constants(nu, n)) if nu else np.array([-0.5 * n * np.log(2.0 * np.pi), 0.0])
        owner = self.owner if want else np.empty(0, np.int64)
        loglik, score = joint_filter(a, b, nu, const, z, dz, owner, matrix_of(pairs, n), want)
        if want:
            score[:, : dz.shape[1]] += np.hstack(by_volatility)
            if not self.dynamic:
                first = dz.shape[1] + pairs.size
                score = np.delete(score, [first, first + 1], axis=1)
        return loglik - volatility, score

    def starts(self, fit: CorrelationFit) -> Iterator[Array]:
        """The stepwise estimate."""
        yield np.concatenate([*(one.estimate.theta for one in fit.margins.fits), fit.likelihood.nuisance, fit.theta])


def fit_joint(
    stepwise: CorrelationFit, *, cov_type: str = "robust", hac_lags: int | None = None, strict: bool = False
) -> CorrelationFit:
    """One-step estimate of a CCC or DCC(1,1), climbed to from its stepwise fit.

    Raises
    ------
    SpecError : another model, more than five columns, margins that are not ours or whose density is not normal.
    """
    lik = stepwise.likelihood
    if not isinstance(lik, CorrelationLikelihood) or lik.presample != "target":
        raise SpecError(f"method='joint' is for CCC and DCC(1,1) started at the target, not {stepwise.spec.name}.")
    if lik.n > MOST_COLUMNS:
        raise SpecError(
            f"method='joint' climbs over all parameters at once and takes up to {MOST_COLUMNS} columns, not {lik.n}; "
            "use method='ml'."
        )
    fits: list[MarginFit] = []
    for fit in stepwise.margins.fits:
        if not isinstance(fit, MarginFit):
            raise SpecError(f"{fit.name}: method='joint' refits the margins and needs our own, not an arch result.")
        if fit.spec.dist != "normal":
            raise SpecError(
                f"{fit.name}: its density is {fit.spec.dist}; with method='joint' the joint density is the only one. "
                "Use margins with dist='normal' and dist='t' on the correlation model."
            )
        fits.append(fit)
    joint = _joint(fits, dynamic=lik.dynamic, student=lik.student)
    optimum = maximize(joint, list(joint.starts(stepwise)), strict=strict)
    return assemble_joint(stepwise.spec, fits, joint, optimum, cov_type, hac_lags)


def joint_from_dict(content: dict[str, Any]) -> CorrelationFit:
    """Rebuild a one-step fit from its JSON content."""
    from .spec import spec_from_dict

    cov_type, _, lags = content["options"]
    spec = spec_from_dict(content["spec"])
    fits = [MarginFit.from_dict(part) for part in content["margins"]]
    joint = _joint(fits, dynamic="p" in content["spec"], student=spec.dist == "t")
    return assemble_joint(spec, fits, joint, optimum_from_dict(content["optimum"]), cov_type, lags)


def _joint(fits: Sequence[MarginFit], *, dynamic: bool, student: bool) -> JointLikelihood:
    parts = tuple(MarginLikelihood(fit.spec, fit.returns.to_numpy(float), fit.hold_back) for fit in fits)
    return JointLikelihood(tuple(fit.name for fit in fits), parts, dynamic, student)


def assemble_joint(
    spec: CorrelationSpec,
    olds: Sequence[MarginFit],
    joint: JointLikelihood,
    optimum: Optimum,
    cov_type: str,
    hac_lags: int | None,
) -> CorrelationFit:
    """Paths and errors around a one-step optimum; the margins are those of the joint estimate."""
    part = free_part(joint, optimum)
    cov = spread(sandwich(part.hessian, part.score, cov_type, hac_lags), part.jacobian)
    names = joint.layout.names
    bounded = tuple(name for name, value in zip(names, np.diag(cov), strict=True) if np.isnan(value))
    points, pairs, own = joint.split(optimum.theta)
    fits = []
    for old, lik, point in zip(olds, joint.parts, points, strict=True):
        # an optimum of the joint likelihood, not of the margin's own
        here = replace(
            optimum,
            theta=point,
            box=lik.layout.box(point),
            loglik=float(lik.evaluate(point, 0)[0].sum()),
            pinned=(False,) * point.size,
            curvature=np.eye(point.size),
        )
        fits.append(assemble(old.spec, old.returns, lik, here, cov_type))
    margins = gather(fits)
    z = np.ascontiguousarray(margins.std_resid.to_numpy(float))
    loglik_obs = joint.evaluate(optimum.theta, 0)[0]
    estimate = Estimate(
        names,
        optimum.theta,
        cov,
        float(loglik_obs.sum()),
        z.shape[0],
        optimum.theta.size,
        f"{cov_type}, one step",
        optimum,
        bounded,
    )
    return CorrelationFit(
        spec=spec,
        margins=margins,
        _estimate=estimate,
        theta=own,
        loglik_obs=pd.Series(loglik_obs, margins.std_resid.index, name="loglik"),
        likelihood=spec.model(z, names=joint.names, target=matrix_of(pairs, z.shape[1])),
        options=(cov_type, "joint", hac_lags),
    )
