"""Second moments of the negative parts of elliptical variables, as functions of their covariance."""

from __future__ import annotations

import numpy as np

from ..estimation.params import Array

__all__ = ["negative_moment", "negative_slope"]


def negative_moment(h: Array) -> Array:
    r"""E[min(x,0) min(x,0)'] for x elliptical about zero with covariance ``h`` (…, N, N).

    :math:`\sqrt{h_{ii}h_{jj}}\,J(\rho)` with
    :math:`J(\rho)=[\sqrt{1-\rho^2}+\rho(\tfrac\pi2+\arcsin\rho)]/2\pi`, so half the variance on the diagonal. The same
    for every elliptical law with that covariance: radius and direction are independent.
    """
    root = np.sqrt(np.einsum("...ii->...i", h))
    size = root[..., :, None] * root[..., None, :]
    rho = np.clip(h / size, -1.0, 1.0)  # the diagonal may exceed one by its last bit
    out: Array = size * (np.sqrt(1.0 - rho**2) + rho * (0.5 * np.pi + np.arcsin(rho))) / (2.0 * np.pi)
    return out


def negative_slope(h: Array) -> Array:
    r"""Derivative of vech of `negative_moment` by vech h at ``h`` (N, N): (M, M).

    :math:`\partial/\partial h_{ij}=(\tfrac\pi2+\arcsin\rho)/2\pi` and
    :math:`\partial/\partial h_{ii}=\tfrac12\sqrt{h_{jj}/h_{ii}}\sqrt{1-\rho^2}/2\pi`; one half on the diagonal.
    """
    n = h.shape[0]
    cols, rows = np.triu_indices(n)
    at = np.empty((n, n), dtype=int)
    at[rows, cols] = at[cols, rows] = np.arange(rows.size)
    root = np.sqrt(np.diag(h))
    out = np.zeros((rows.size, rows.size))
    for k, (i, j) in enumerate(zip(rows.tolist(), cols.tolist(), strict=True)):
        if i == j:
            out[k, k] = 0.5
            continue
        rho = np.clip(h[i, j] / (root[i] * root[j]), -1.0, 1.0)
        out[k, k] = (0.5 * np.pi + np.arcsin(rho)) / (2.0 * np.pi)
        side = 0.5 * np.sqrt(1.0 - rho**2) / (2.0 * np.pi)
        out[k, at[i, i]], out[k, at[j, j]] = side * root[j] / root[i], side * root[i] / root[j]
    return out
