r"""Composite likelihood of DCC(1,1): the mean over pairs of bivariate log densities, and its adjoint.

.. math::

    \ell^C_t = \frac1P\sum_{(i,j)}\ell(z_{it},z_{jt};\rho_{ij,t}),\qquad
    \rho_{ij,t} = q_{ij,t}/\sqrt{q_{ii,t}q_{jj,t}},

with :math:`q` of the DCC recursion, element by element (Pakel, Shephard, Sheppard & Engle 2021). No matrix is
factored: time is O(T P), memory O(T + N + P). Dates run outside and pairs inside, so that the pairs of a date share
their diagonals and one logarithm serves many pairs; the sums run in one order whatever the machine.
"""

import math

import numpy as np

from . import kernel
from .dcc import dcc_adjoint_pair

__all__ = ["composite_adjoint", "composite_filter"]

# pairs of one sweep over the dates: their state stays in the cache
CHUNK = 2048
# a product of determinants is turned into a logarithm before it leaves this range
LARGE = 1e100


@kernel
def composite_filter(a, b, nu, const, z, target, start, start_q, rows, cols, want):
    """Mean over pairs: loglik (T,) and score (T, 2 or 3) or (0, ·); -inf where a correlation leaves (-1, 1).

    ``target``, ``start`` and ``start_q`` are (N, N) as in `dcc_filter`; pairs are (rows[k], cols[k]).
    """
    nobs, n = z.shape
    npairs = rows.shape[0]
    k = 3 if nu > 0.0 else 2
    loglik = np.zeros(nobs)
    score = np.zeros((nobs if want > 0 else 0, k))
    c = 1.0 - a - b
    # variances: q_ii, its slopes, 1/sqrt(q_ii), half the log slopes
    state = np.empty((4, n))
    logs = np.zeros((2, n))
    pair = np.empty((4, min(CHUNK, npairs)))
    for first in range(0, npairs, CHUNK):
        count = min(CHUNK, npairs - first)
        for i in range(n):
            state[0, i] = start_q[i, i]
            state[1, i] = 0.0
            state[2, i] = 0.0
        for m in range(count):
            i, j = rows[first + m], cols[first + m]
            pair[0, m] = start_q[i, j]
            pair[1, m] = 0.0
            pair[2, m] = 0.0
            pair[3, m] = target[i, j]
        for t in range(nobs):
            for i in range(n):
                shock = start[i, i] if t == 0 else z[t - 1, i] * z[t - 1, i]
                if want > 0:
                    state[1, i] = shock - target[i, i] + b * state[1, i]
                    state[2, i] = state[0, i] - target[i, i] + b * state[2, i]
                q = c * target[i, i] + a * shock + b * state[0, i]
                state[0, i] = q
                state[3, i] = 1.0 / math.sqrt(q)
                if want > 0:
                    logs[0, i] = 0.5 * state[1, i] / q
                    logs[1, i] = 0.5 * state[2, i] / q
            total = 0.0
            sa = 0.0
            sb = 0.0
            snu = 0.0
            dets = 1.0
            tails = 1.0
            dead = False
            for m in range(count):
                i, j = rows[first + m], cols[first + m]
                shock = start[i, j] if t == 0 else z[t - 1, i] * z[t - 1, j]
                level = pair[3, m]
                if want > 0:
                    pair[1, m] = shock - level + b * pair[1, m]
                    pair[2, m] = pair[0, m] - level + b * pair[2, m]
                q = c * level + a * shock + b * pair[0, m]
                pair[0, m] = q
                per_root = state[3, i] * state[3, j]
                rho = q * per_root
                det = (1.0 - rho) * (1.0 + rho)
                z1, z2 = z[t, i], z[t, j]
                per_det = 1.0 / det
                quad = (z1 * z1 - 2.0 * rho * z1 * z2 + z2 * z2) * per_det
                if not det > 0.0:
                    dead = True
                    continue
                dets *= det
                if dets < 1.0 / LARGE:
                    total -= 0.5 * math.log(dets)
                    dets = 1.0
                weight = 1.0
                if nu > 0.0:
                    tails *= 1.0 + quad / (nu - 2.0)
                    weight = (nu + 2.0) / (nu - 2.0 + quad)
                    snu += 0.5 * weight * quad / (nu - 2.0)
                    if tails > LARGE:
                        grow = math.log(tails)
                        total -= 0.5 * (nu + 2.0) * grow
                        snu -= 0.5 * grow
                        tails = 1.0
                else:
                    total -= 0.5 * quad
                if want > 0:
                    drho = (rho + weight * (z1 * z2 - rho * quad)) * per_det
                    sa += drho * (pair[1, m] * per_root - rho * (logs[0, i] + logs[0, j]))
                    sb += drho * (pair[2, m] * per_root - rho * (logs[1, i] + logs[1, j]))
            grow = math.log(tails)
            total -= 0.5 * math.log(dets) + 0.5 * (nu + 2.0) * grow
            snu -= 0.5 * grow
            if dead:
                total = -np.inf
            loglik[t] += (total + count * const[0]) / npairs
            if want > 0:
                score[t, 0] += sa / npairs
                score[t, 1] += sb / npairs
                if nu > 0.0:
                    score[t, 2] += (snu + count * const[1]) / npairs
    return loglik, score


@kernel
def composite_adjoint(a, b, nu, const, z, target, start, start_q, rows, cols):
    """Gradient of the total composite log-likelihood in what the parameters do not hold.

    Pair by pair through `dcc_adjoint_pair`, whose scratch space is O(T).

    Returns
    -------
    dz : (T, N); dtarget, dstart, dstart_q : (N, N) symmetric, zero for pairs that are not used; see `dcc_adjoint`.
    """
    nobs, n = z.shape
    npairs = rows.shape[0]
    columns = np.ascontiguousarray(z.T)
    dz = np.zeros((n, nobs))
    grads = np.zeros((3, n, n))
    two = np.empty((nobs, 2))
    corners = np.empty((3, 3))
    at = np.empty(2, np.int64)
    for k in range(npairs):
        at[0], at[1] = rows[k], cols[k]
        i, j = at[0], at[1]
        for t in range(nobs):
            two[t, 0] = columns[i, t]
            two[t, 1] = columns[j, t]
        corners[0, 0], corners[0, 1], corners[0, 2] = target[i, i], target[i, j], target[j, j]
        corners[1, 0], corners[1, 1], corners[1, 2] = start[i, i], start[i, j], start[j, j]
        corners[2, 0], corners[2, 1], corners[2, 2] = start_q[i, i], start_q[i, j], start_q[j, j]
        by_z, by_target, by_start, by_q = dcc_adjoint_pair(a, b, nu, const, two, corners[0], corners[1], corners[2])
        for t in range(nobs):
            dz[i, t] += by_z[t, 0]
            dz[j, t] += by_z[t, 1]
        for r in range(2):
            for s in range(2):
                grads[0, at[r], at[s]] += by_target[r, s]
                grads[1, at[r], at[s]] += by_start[r, s]
                grads[2, at[r], at[s]] += by_q[r, s]
    out = np.empty((nobs, n))
    for t in range(nobs):
        for i in range(n):
            out[t, i] = dz[i, t] / npairs
    return out, grads[0] / npairs, grads[1] / npairs, grads[2] / npairs
