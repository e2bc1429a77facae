r"""From box coordinates to parameters, with the Jacobian; see `cryptoequity.estimation.params`.

``kind`` codes each coordinate: 0 identity, 1 ``shift + exp(u)``, 2 the head of a stick-breaking group (the
sum), 3 a share of what is left. ``mix`` (K, K) is applied last.
"""

import math

import numpy as np

from . import kernel

__all__ = ["box_to_natural"]


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
        else:
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
