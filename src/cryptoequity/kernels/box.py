r"""From box coordinates to parameters, with the Jacobian; see `cryptoequity.estimation.params`.

``kind`` codes each coordinate: 0 identity, 1 ``shift + exp(u)``, 2 the head of a stick-breaking group (the
sum), 3 a share of what is left, 4 the head of a correlation matrix, 5 its further coordinates. ``mix`` (K, K)
is applied last.
"""

import math

import numpy as np

from . import kernel

__all__ = ["box_to_natural"]


@kernel
def _correlations(u, first, n, v, jac):
    """Fill v and jac with the correlations of n variables, given partial correlations u[first:], pairs i < j by rows.

    R = U'U with U upper triangular: column j holds p_ij times the root of what the rows above left of its length.
    """
    up = np.zeros((n, n))
    slope = np.zeros((n, n, n))  # slope[j, k, m] = d U_kj / d p_mj
    for j in range(n):
        left = 1.0
        for k in range(j):
            at = first + k * n - k * (k + 1) // 2 + j - k - 1
            p = u[at]
            up[k, j] = p * math.sqrt(left)
            for m in range(k):
                before = u[first + m * n - m * (m + 1) // 2 + j - m - 1]
                slope[j, k, m] = -up[k, j] * before / (1.0 - before * before)
            slope[j, k, k] = math.sqrt(left)
            left *= 1.0 - p * p
        up[j, j] = math.sqrt(left)
        for m in range(j):
            before = u[first + m * n - m * (m + 1) // 2 + j - m - 1]
            slope[j, j, m] = -up[j, j] * before / (1.0 - before * before)
    for i in range(n):
        for j in range(i + 1, n):
            at = first + i * n - i * (i + 1) // 2 + j - i - 1
            total = 0.0
            for k in range(i + 1):
                total += up[k, i] * up[k, j]
            v[at] = total
            for m in range(j):
                by_j = 0.0
                by_i = 0.0
                for k in range(i + 1):
                    by_j += up[k, i] * slope[j, k, m]
                    if m < i:
                        by_i += slope[i, k, m] * up[k, j]
                jac[at, first + m * n - m * (m + 1) // 2 + j - m - 1] = by_j
                if m < i:
                    jac[at, first + m * n - m * (m + 1) // 2 + i - m - 1] = by_i


@kernel
def box_to_natural(u, kind, shift, mix):
    """Theta (K,) and d theta / d u (K, K)."""
    k = u.shape[0]
    v = np.empty(k)
    jac = np.zeros((k, k))
    left = 0.0
    head = 0
    dleft = np.zeros(k)
    for i in range(k):
        if kind[i] == 0:
            v[i] = u[i]
            jac[i, i] = 1.0
        elif kind[i] == 1:
            v[i] = shift[i] + math.exp(u[i])
            jac[i, i] = v[i] - shift[i]
        elif kind[i] == 4:
            pairs = 1
            while i + pairs < k and kind[i + pairs] == 5:
                pairs += 1
            _correlations(u, i, int(0.5 + math.sqrt(0.25 + 2.0 * pairs)), v, jac)
        elif kind[i] != 5:
            # coordinate i of the group takes share u[i + 1] of what is left; the last takes it all
            if kind[i] == 2:
                left = u[i]
                head = i
                for j in range(k):
                    dleft[j] = 0.0
                dleft[i] = 1.0
            if i + 1 < k and kind[i + 1] == 3:
                share = u[i + 1]
                v[i] = left * share
                for j in range(head, i + 1):
                    jac[i, j] = dleft[j] * share
                    dleft[j] *= 1.0 - share
                jac[i, i + 1] = left
                dleft[i + 1] = -left
                left *= 1.0 - share
            else:
                v[i] = left
                for j in range(head, i + 1):
                    jac[i, j] = dleft[j]
    theta = np.zeros(k)
    out = np.zeros((k, k))
    for i in range(k):
        for m in range(k):
            if mix[i, m] != 0.0:
                theta[i] += mix[i, m] * v[m]
                for j in range(k):
                    out[i, j] += mix[i, m] * jac[m, j]
    return theta, out
