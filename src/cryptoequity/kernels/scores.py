r"""Scores of a path of correlation matrices that is given pair by pair.

With :math:`y_t=R_t^{-1}z_t` and :math:`\omega_t` equal to 1 for the normal and to
:math:`(\nu+N)/(\nu-2+z_t'R_t^{-1}z_t)` for Student's t,

.. math::

    \frac{\partial\ell_t}{\partial\rho_{ij,t}} = \omega_t y_{it}y_{jt} - (R_t^{-1})_{ij},\qquad
    \frac{\partial\ell_t}{\partial z_t} = -\omega_t y_t .
"""

import numpy as np

from . import kernel
from .dcc import _density_and_slope

__all__ = ["path_score"]


@kernel
def path_score(z, path, nu):
    """Scores by every correlation (T, P) and minus the scores by z (T, N).

    z (T, N) residuals; path (T, P) correlations of the pairs (0, 1), (0, 2), …, (1, 2), …; nu degrees of freedom, 0 for
    the normal. A matrix that is not positive definite gives NaN on its date.
    """
    nobs, n = z.shape
    score = np.empty(path.shape)
    weighted = np.empty((nobs, n))
    r = np.eye(n)
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    g = np.zeros((n, n))
    gz = np.zeros(n)
    const = np.zeros(2)  # of the density's value, which is not asked for
    for t in range(nobs):
        p = 0
        for i in range(n):
            for j in range(i + 1, n):
                r[i, j] = path[t, p]
                r[j, i] = path[t, p]
                p += 1
        value, _ = _density_and_slope(r, z[t], nu, const, room, vectors, g, gz, 1)
        fine = value > -np.inf
        p = 0
        for i in range(n):
            weighted[t, i] = -gz[i] if fine else np.nan
            for j in range(i + 1, n):
                score[t, p] = 2.0 * g[i, j] if fine else np.nan
                p += 1
    return score, weighted
