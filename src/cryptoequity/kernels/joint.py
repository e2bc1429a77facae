r"""DCC(1,1) as a function of everything: scores by the margins' parameters and the target too, date by date.

With :math:`\theta_m` a parameter of margin i, only row i of :math:`\partial Q_t/\partial\theta_m` is not zero; it obeys
:math:`d_t=a(\dot z_{i,t-1}z_{t-1}+e_i\,z_{i,t-1}\dot z_{i,t-1})+b\,d_{t-1}`; the derivative by an element of
:math:`\bar Q` is a number :math:`k_t=(1-a-b)+bk_{t-1}` at that element, :math:`k_1=1`.
"""

import numpy as np

from . import kernel
from .dcc import _density_and_slope

__all__ = ["joint_filter"]


@kernel
def joint_filter(a, b, nu, const, z, dz, owner, target, want):
    """Log-density of z (T,) and its scores (T, M + P + 2 or 3): margins' parameters, pairs i < j, (a, b[, nu]).

    ``dz`` (T, M) is the derivative of z of column ``owner[m]`` by parameter m. Scores by the margins' parameters are
    those through z; the volatility's own part is not here.
    """
    nobs, n = z.shape
    width = dz.shape[1]
    pairs = n * (n - 1) // 2
    own = width + pairs
    loglik = np.empty(nobs)
    score = np.empty((nobs if want > 0 else 0, own + (3 if nu > 0.0 else 2)))
    q = target.copy()
    da = np.zeros((n, n))
    db = np.zeros((n, n))
    dm = np.zeros((width, n))
    grow = 1.0
    rest = 1.0 - a - b
    room = np.zeros((3, n, n))
    vectors = np.zeros((3, n))
    g = np.zeros((n, n))
    gz = np.zeros(n)
    for t in range(nobs):
        if t > 0:
            if want > 0:
                for m in range(width):
                    i = owner[m]
                    for j in range(n):
                        news = dz[t - 1, m] * z[t - 1, j]
                        if i == j:
                            news *= 2.0
                        dm[m, j] = a * news + b * dm[m, j]
                grow = rest + b * grow
            for i in range(n):
                for j in range(i + 1):
                    news = z[t - 1, i] * z[t - 1, j]
                    da[i, j] = news - target[i, j] + b * da[i, j]
                    db[i, j] = q[i, j] - target[i, j] + b * db[i, j]
                    q[i, j] = rest * target[i, j] + a * news + b * q[i, j]
                    q[j, i] = q[i, j]
        loglik[t], dnu = _density_and_slope(q, z[t], nu, const, room, vectors, g, gz, want)
        if want > 0:
            for m in range(width):
                i = owner[m]
                total = g[i, i] * dm[m, i]
                for j in range(n):
                    if j != i:
                        total += 2.0 * g[i, j] * dm[m, j]
                score[t, m] = total + gz[i] * dz[t, m]
            at = width
            for i in range(n):
                for j in range(i + 1, n):
                    score[t, at] = 2.0 * grow * g[i, j]
                    at += 1
            sa = 0.0
            sb = 0.0
            for i in range(n):
                sa += g[i, i] * da[i, i]
                sb += g[i, i] * db[i, i]
                for j in range(i):
                    sa += 2.0 * g[i, j] * da[i, j]
                    sb += 2.0 * g[i, j] * db[i, j]
            score[t, own] = sa
            score[t, own + 1] = sb
            if nu > 0.0:
                score[t, own + 2] = dnu
    return loglik, score
