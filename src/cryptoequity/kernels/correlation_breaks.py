r"""Loops of tests of constant correlation: correlations of growing samples, their peaks, resampled peaks, local lines.

With :math:`\hat\rho_j` the correlation of the first j pairs, the fluctuation at j is
:math:`T^{-1/2}j(\hat\rho_j-\hat\rho_T)`. Means and products are updated pair by pair (Welford), so that levels far from
zero cost no digits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryptoequity.kernels import kernel

__all__ = [
    "block_correlations",
    "block_matrix_peaks",
    "block_peaks",
    "bridge_norm_peaks",
    "correlation_peak",
    "grow_correlation",
    "grow_correlations",
    "local_lines",
    "matrix_peak",
    "multiplier_peaks",
    "window_multiplier_peaks",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def grow_correlation(x: Floats, y: Floats, out: Floats) -> tuple[float, float, float, float]:
    """Fill ``out`` (T,) with the correlations of the first 1, 2, … pairs; NaN while a column has not moved.

    Returns
    -------
    means of x and y, and their standard deviations (divisor T).
    """
    mx, my, sxx, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(x.size):
        share = 1.0 / (t + 1.0)
        dx, dy = x[t] - mx, y[t] - my
        mx += dx * share
        my += dy * share
        after = y[t] - my
        sxx += dx * (x[t] - mx)
        syy += dy * after
        sxy += dx * after
        out[t] = sxy / np.sqrt(sxx * syy) if sxx > 0.0 and syy > 0.0 else np.nan
    return mx, my, np.sqrt(sxx / x.size), np.sqrt(syy / x.size)


@kernel
def correlation_peak(
    x: Floats, y: Floats, first: int, bandwidth: float, path: Floats, psi: Floats
) -> tuple[float, int, float]:
    """Largest fluctuation from ``first`` pairs on, over the Bartlett long-run deviation of the influence function.

    Parameters
    ----------
    path, psi : (T,) work space: correlations of growing samples, and the influence of each pair.

    Returns
    -------
    statistic, pairs before the peak, long-run variance; NaN where a growing correlation is not defined.
    """
    nobs = x.size
    mx, my, sx, sy = grow_correlation(x, y, path)
    rho = path[nobs - 1]
    for t in range(nobs):
        zx, zy = (x[t] - mx) / sx, (y[t] - my) / sy
        psi[t] = zx * zy - 0.5 * rho * (zx * zx + zy * zy)
    variance = 0.0
    for t in range(nobs):
        variance += psi[t] * psi[t]
    last = min(nobs - 1, int(np.ceil(bandwidth)) - 1)
    for lag in range(1, last + 1):
        # four sums at once: one alone would wait for its own last addition at every date
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        t = lag
        while t + 3 < nobs:
            a += psi[t] * psi[t - lag]
            b += psi[t + 1] * psi[t + 1 - lag]
            c += psi[t + 2] * psi[t + 2 - lag]
            d += psi[t + 3] * psi[t + 3 - lag]
            t += 4
        while t < nobs:
            a += psi[t] * psi[t - lag]
            t += 1
        variance += 2.0 * (1.0 - lag / bandwidth) * (a + b + c + d)
    variance /= nobs
    best, where = -1.0, -1
    for j in range(first, nobs):
        move = j * abs(path[j - 1] - rho)
        if np.isnan(move):
            return np.nan, -1, variance
        if move > best:
            best, where = move, j
    return best / np.sqrt(nobs * variance), where, variance


@kernel
def block_peaks(x: Floats, y: Floats, starts: Ints, length: int, first: int, bandwidth: float) -> Floats:
    """`correlation_peak` of samples of moving blocks of pairs.

    Parameters
    ----------
    starts : (B, ⌈T/length⌉) first rows of the blocks of each draw; the last block is cut at T.
    """
    nobs = x.size
    ax, ay, path, psi = np.empty(nobs), np.empty(nobs), np.empty(nobs), np.empty(nobs)
    out = np.empty(starts.shape[0])
    for draw in range(starts.shape[0]):
        t = 0
        for block in range(starts.shape[1]):
            begin = starts[draw, block]
            for step in range(min(length, nobs - t)):
                ax[t], ay[t] = x[begin + step], y[begin + step]
                t += 1
        out[draw] = correlation_peak(ax, ay, first, bandwidth, path, psi)[0]
    return out


@kernel
def multiplier_peaks(psi: Floats, normals: Floats, length: int, first: int) -> Floats:
    r"""Largest :math:`T^{-1/2}|S_k-(k/T)S_T|`, :math:`S_k=\sum_{t\le k}\psi_t\eta_{\lceil t/l\rceil}`, by draw.

    Parameters
    ----------
    normals : (B, ⌈T/length⌉), one multiplier a block.
    """
    nobs = psi.size
    total = np.empty(nobs)
    out = np.empty(normals.shape[0])
    for draw in range(normals.shape[0]):
        run, block, left = 0.0, 0, length
        for t in range(nobs):
            if left == 0:
                block += 1
                left = length
            run += psi[t] * normals[draw, block]
            left -= 1
            total[t] = run
        best = 0.0
        for t in range(first - 1, nobs):
            best = max(best, abs(total[t] - (t + 1.0) / nobs * run))
        out[draw] = best / np.sqrt(nobs)
    return out


@kernel
def window_multiplier_peaks(sums: Floats, normals: Floats, scale: float) -> Floats:
    r"""Largest :math:`|\Phi_i-(i/n)\Phi_n|`, :math:`\Phi_i=s\sum_{j\le i}S_jR_j`, by draw; ``normals`` (B, n)."""
    size = sums.size
    total = np.empty(size)
    out = np.empty(normals.shape[0])
    for draw in range(normals.shape[0]):
        run = 0.0
        for j in range(size):
            run += sums[j] * normals[draw, j]
            total[j] = run
        best = 0.0
        for j in range(size):
            best = max(best, abs(total[j] - (j + 1.0) / size * run))
        out[draw] = scale * best
    return out


@kernel
def grow_correlations(z: Floats, out: Floats) -> None:
    """Fill ``out`` (T, d) with the correlations i < j of the first 1, 2, … rows of ``z`` (T, N), d = N(N-1)/2."""
    nobs, n = z.shape
    mean = np.zeros(n)
    before, after = np.empty(n), np.empty(n)
    products = np.zeros((n, n))
    for t in range(nobs):
        share = 1.0 / (t + 1.0)
        for i in range(n):
            before[i] = z[t, i] - mean[i]
            mean[i] += before[i] * share
            after[i] = z[t, i] - mean[i]
        for i in range(n):
            for j in range(i, n):
                products[i, j] += before[i] * after[j]
        k = 0
        for i in range(n):
            for j in range(i + 1, n):
                power = products[i, i] * products[j, j]
                out[t, k] = products[i, j] / np.sqrt(power) if power > 0.0 else np.nan
                k += 1


@kernel
def matrix_peak(path: Floats, root: Floats, first: int, out: Floats) -> int:
    r"""Fill ``out`` (T,) with :math:`jT^{-1/2}\lVert R(\hat\rho_j-\hat\rho_T)\rVert_1`; return the j of the peak.

    Entries before ``first`` are zero; -1 where a growing correlation is not defined.
    """
    nobs, width = path.shape
    gap = np.empty(width)
    out[:] = 0.0
    best, where = -1.0, -1
    for j in range(first, nobs):
        for k in range(width):
            gap[k] = path[j - 1, k] - path[nobs - 1, k]
        norm = 0.0
        for row in range(width):
            one = 0.0
            for k in range(width):
                one += root[row, k] * gap[k]
            norm += abs(one)
        out[j] = j * norm / np.sqrt(nobs)
        if np.isnan(out[j]):
            return -1
        if out[j] > best:
            best, where = out[j], j
    return where


@kernel
def gather_blocks(z: Floats, starts: Ints, length: int, out: Floats) -> None:
    """Rows of ``z`` in blocks that begin at ``starts``, into ``out`` (T, N)."""
    nobs, n = z.shape
    t = 0
    for block in range(starts.size):
        for step in range(min(length, nobs - t)):
            for i in range(n):
                out[t, i] = z[starts[block] + step, i]
            t += 1


@kernel
def block_correlations(z: Floats, starts: Ints, length: int) -> Floats:
    """Correlations (B, d) of samples of moving blocks of rows."""
    nobs, n = z.shape
    sample = np.empty((nobs, n))
    path = np.empty((nobs, n * (n - 1) // 2))
    out = np.empty((starts.shape[0], path.shape[1]))
    for draw in range(starts.shape[0]):
        gather_blocks(z, starts[draw], length, sample)
        grow_correlations(sample, path)
        out[draw] = path[nobs - 1]
    return out


@kernel
def block_matrix_peaks(z: Floats, starts: Ints, length: int, root: Floats, first: int) -> Floats:
    """Peaks of `matrix_peak` in samples of moving blocks of rows, with ``root`` as it is."""
    nobs, n = z.shape
    sample = np.empty((nobs, n))
    path = np.empty((nobs, n * (n - 1) // 2))
    norms = np.empty(nobs)
    out = np.empty(starts.shape[0])
    for draw in range(starts.shape[0]):
        gather_blocks(z, starts[draw], length, sample)
        grow_correlations(sample, path)
        where = matrix_peak(path, root, first, norms)
        out[draw] = norms[where] if where >= 0 else np.nan
    return out


@kernel
def bridge_norm_peaks(steps: Floats) -> Floats:
    r"""Largest :math:`\lVert B\rVert_1` of the first 1, …, D bridges made of ``steps`` (D, n) normals, (D,)."""
    width, size = steps.shape
    norm = np.zeros(size)
    out = np.empty(width)
    for i in range(width):
        end = 0.0
        for t in range(size):
            end += steps[i, t]
        run, best = 0.0, 0.0
        for t in range(size):
            run += steps[i, t]
            norm[t] += abs(run - (t + 1.0) / size * end)
            best = max(best, norm[t])
        out[i] = best / np.sqrt(size)
    return out


@kernel
def local_lines(y: Floats, reach: int, out: Floats) -> float:
    """Fill ``out`` (T, K) with lines fitted around every row, weights 1 - (distance / reach)²; return the trace.

    The trace of the smoother is the number of parameters the lines stand for.
    """
    nobs, width = y.shape
    weight = np.empty(reach)
    for k in range(reach):
        weight[k] = 1.0 - (k / reach) ** 2
    trace = 0.0
    sums = np.empty((2, width))
    for t in range(nobs):
        s0, s1, s2 = 0.0, 0.0, 0.0
        sums[:] = 0.0
        for u in range(max(0, t - reach + 1), min(nobs, t + reach)):
            gap = u - t
            w = weight[abs(gap)]
            s0 += w
            s1 += w * gap
            s2 += w * gap * gap
            for i in range(width):
                sums[0, i] += w * y[u, i]
                sums[1, i] += w * gap * y[u, i]
        det = s0 * s2 - s1 * s1
        for i in range(width):
            out[t, i] = (s2 * sums[0, i] - s1 * sums[1, i]) / det
        trace += s2 / det
    return trace
