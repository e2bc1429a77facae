r"""Which parameters of an optimum the likelihood says anything about.

A driver that separates the transitions, or a regime that is hardly ever left, leaves directions in which the
likelihood is flat. The Hessian is then singular up to rounding, and its inverse may have any size and either sign: a
negative variance, or a standard error of nothing for what is not known at all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..estimation.inference import FreePart, free_part
from ..estimation.optimize import Likelihood, Optimum
from ..estimation.params import Array

__all__ = ["identified_part", "loose_coordinates", "without_negative"]

FLAT = 1e-10  # smallest eigenvalue of the information, every coordinate in its own unit, that is not rounding


def identified_part(lik: Likelihood, optimum: Optimum) -> FreePart:
    r"""Scores and Hessian over the box coordinates that are neither on a bound nor without information.

    Left out, one after the other and each given the others at their estimates, are coordinates along which the
    log-likelihood does not fall, the largest in a direction without curvature, and those whose standard error is wider
    than all of their box: :math:`\{(-TH)^{-1}\}_{ii}^{1/2}>u_i-l_i`.

    Parameters
    ----------
    lik : the likelihood. optimum : where it was left.
    """
    part = free_part(lik, optimum)
    where = np.flatnonzero(part.free)
    width = (lik.layout.upper - lik.layout.lower)[where]
    nobs = part.score.shape[0]
    outer = np.einsum("tk,tk->k", part.score, part.score) / nobs
    keep = np.arange(where.size)
    while keep.size:  # one coordinate fewer each time
        information = -part.hessian[np.ix_(keep, keep)]
        own = np.diag(information)
        if own.min() <= 0.0:
            keep = np.delete(keep, np.argmin(own / outer[keep]))
            continue
        unit = np.sqrt(own)
        scaled = information / np.outer(unit, unit)
        values, vectors = np.linalg.eigh(scaled)
        if values[0] <= FLAT:
            keep = np.delete(keep, np.argmax(np.abs(vectors[:, 0])))
            continue
        error = np.sqrt((vectors**2 / values).sum(axis=1) / nobs) / unit
        share = error / width[keep]
        if share.max() <= 1.0:
            break
        keep = np.delete(keep, np.argmax(share))
    free = np.zeros(part.free.size, bool)
    free[where[keep]] = True
    return replace(
        part,
        free=free,
        jacobian=part.jacobian[:, keep],
        score=part.score[:, keep],
        hessian=part.hessian[np.ix_(keep, keep)],
    )


def loose_coordinates(lik: Likelihood, optimum: Optimum) -> tuple[bool, ...]:
    """Box coordinates without a standard error: on a bound, or not in `identified_part`."""
    return tuple(map(bool, ~identified_part(lik, optimum).free))


def without_negative(cov: Array) -> Array:
    """The covariance with NaN in the rows and columns of variances below zero, which rounding and bad luck make."""
    out = cov.copy()
    bad = np.diag(cov) < 0.0
    out[bad, :] = np.nan
    out[:, bad] = np.nan
    return out
