"""Second-order scores of random switching, summed, and their sums of squares off the space of the scores."""

from __future__ import annotations

import numpy as np

from . import kernel

__all__ = ["switching_surface"]


@kernel
def switching_surface(lead, second, basis, rhos, weights, out):
    r"""Fill out (R, H) with :math:`\Gamma/\sqrt{\hat\varepsilon'\hat\varepsilon}` for each rho and direction.

    ``lead`` (T, D) are the scores of the D parameters that may switch, ``second`` (T, P) the second derivatives plus
    products of scores of the P = D(D+1)/2 pairs, ``basis`` (T, M) an orthonormal basis of all scores, ``weights``
    (H, P) the products h_a h_b of the directions, twice where a != b. Zero where nothing is left off the scores.
    """
    nobs, width = lead.shape
    pairs = second.shape[1]
    size = basis.shape[1]
    past = np.empty(width)
    row = np.empty(pairs)
    total = np.empty(pairs)
    inner = np.empty((size, pairs))
    square = np.empty((pairs, pairs))
    for r in range(rhos.size):
        past[:] = 0.0
        total[:] = 0.0
        inner[:] = 0.0
        square[:] = 0.0
        for t in range(nobs):
            n = 0
            for a in range(width):
                for b in range(a, width):
                    row[n] = 0.5 * second[t, n] + 0.5 * (lead[t, a] * past[b] + lead[t, b] * past[a])
                    n += 1
            for a in range(width):
                past[a] = rhos[r] * (past[a] + lead[t, a])
            for n in range(pairs):
                total[n] += row[n]
                for m in range(size):
                    inner[m, n] += basis[t, m] * row[n]
                for k in range(n + 1):
                    square[n, k] += row[n] * row[k]
        for h in range(weights.shape[0]):
            gain = 0.0
            whole = 0.0
            left = 0.0
            for n in range(pairs):
                gain += weights[h, n] * total[n]
                for k in range(pairs):
                    both = square[n, k] if k <= n else square[k, n]
                    whole += weights[h, n] * weights[h, k] * both
            for m in range(size):
                part = 0.0
                for n in range(pairs):
                    part += weights[h, n] * inner[m, n]
                left += part * part
            rest = whole - left
            out[r, h] = gain / np.sqrt(rest) if rest > 1e-10 * whole else 0.0
