r"""Unit-root t-statistics at every break date or pair of dates, each date an update of the sums of the one before.

Dickey–Fuller form: the fixed regressors are an orthonormal basis, and what a break dummy adds to them are sums over
the rows from the break on, which grow by one row a date. LM form: detrending is by the mean of the differences within
each regime, so that every cross product is a difference of sums over all rows but for the few rows behind a break,
whose lags reach over it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryptoequity.kernels import kernel

__all__ = ["df_pairs", "df_scan", "lm_pairs", "lm_products", "lm_row", "lm_statistic"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXACT = 1e-20  # share of the squares of the differences below which nothing is left to explain
ROUNDING = 1e-13  # the same of the running sums, which keep fewer digits
SINGULAR = 1e-11  # share of a dummy's squares the fixed regressors must leave, for it to be told apart from them


@kernel
def df_scan(q: Floats, x: Floats, y: Floats, shift: int, low: int, high: int, form: int, out: Floats) -> None:
    """Write the t-statistic and the sum of squares at every break date into ``out``.

    Parameters
    ----------
    q : (n, m) orthonormal columns, the fixed regressors. x, y : (n,) lagged level and difference, orthogonal to them.
    shift : date of row 0. low, high : first and last date, ``shift`` < low, high < shift + n.
    form : 0 a step, 1 a change of slope, 2 both.
    out : (2, high - low + 1); NaN where the dummy cannot be told from the fixed regressors, -inf and 0 where the series
        is a broken trend without noise.
    """
    n, m = q.shape
    step_q, ramp_q = np.zeros(m), np.zeros(m)
    step_x, step_y, ramp_x, ramp_y = 0.0, 0.0, 0.0, 0.0
    xx, xy, yy = 0.0, 0.0, 0.0
    for t in range(n):
        xx += x[t] * x[t]
        xy += x[t] * y[t]
        yy += y[t] * y[t]
    columns = 2 if form == 2 else 1
    df = n - m - columns - 1
    for row in range(n - 1, low - shift - 1, -1):
        for j in range(m):
            step_q[j] += q[row, j]
            ramp_q[j] += step_q[j]
        step_x += x[row]
        step_y += y[row]
        ramp_x += step_x
        ramp_y += step_y
        if row > high - shift:
            continue
        at = row + shift - low
        out[0, at] = np.nan
        out[1, at] = np.nan
        count = float(n - row)
        square = count if form != 1 else count * (count + 1.0) * (2.0 * count + 1.0) / 6.0
        # first dummy: the step, or the ramp where it is alone
        size = square
        for j in range(m):
            size -= (step_q[j] if form != 1 else ramp_q[j]) ** 2
        if size <= SINGULAR * square:
            continue
        one_x = step_x if form != 1 else ramp_x
        one_y = step_y if form != 1 else ramp_y
        now_xx = xx - one_x * one_x / size
        now_xy = xy - one_x * one_y / size
        now_yy = yy - one_y * one_y / size
        if form == 2:
            square = count * (count + 1.0) * (2.0 * count + 1.0) / 6.0
            cross = count * (count + 1.0) / 2.0
            left = square
            for j in range(m):
                left -= ramp_q[j] * ramp_q[j]
                cross -= ramp_q[j] * step_q[j]
            left -= cross * cross / size
            if left <= SINGULAR * square:
                continue
            two_x = ramp_x - cross / size * step_x
            two_y = ramp_y - cross / size * step_y
            now_xx -= two_x * two_x / left
            now_xy -= two_x * two_y / left
            now_yy -= two_y * two_y / left
        if df < 1:
            continue
        # a level, or a difference, that is an exact function of the broken trend has no t-value
        ssr = now_yy - now_xy * now_xy / now_xx if now_xx > SINGULAR * xx else 0.0
        if ssr <= EXACT * yy:
            out[0, at] = -np.inf
            out[1, at] = 0.0
            continue
        out[0, at] = now_xy / np.sqrt(ssr / df * now_xx)
        out[1, at] = ssr


@kernel
def extend(q: Floats, x: Floats, y: Floats, kept: int, row: int, form: int) -> int:
    """Add the dummies of a break at ``row`` to the basis ``q[:, :kept]`` in place; return the new width.

    -1 where a dummy is a combination of the basis. ``x`` and ``y`` are made orthogonal to them.
    """
    n = q.shape[0]
    for kind in range(2):
        if (form == 0 and kind == 1) or (form == 1 and kind == 0):
            continue
        square = 0.0
        for t in range(n):
            value = 0.0
            if t >= row:
                value = 1.0 if kind == 0 else float(t - row + 1)
            q[t, kept] = value
            square += value * value
        # twice: once leaves rounding where the dummy is nearly a combination of the others
        for _ in range(2):
            for j in range(kept):
                product = 0.0
                for t in range(n):
                    product += q[t, j] * q[t, kept]
                for t in range(n):
                    q[t, kept] -= product * q[t, j]
        left = 0.0
        for t in range(n):
            left += q[t, kept] * q[t, kept]
        if left <= SINGULAR * square:
            return -1
        scale = 1.0 / np.sqrt(left)
        along_x, along_y = 0.0, 0.0
        for t in range(n):
            q[t, kept] *= scale
            along_x += q[t, kept] * x[t]
            along_y += q[t, kept] * y[t]
        for t in range(n):
            x[t] -= along_x * q[t, kept]
            y[t] -= along_y * q[t, kept]
        kept += 1
    return kept


@kernel
def df_pairs(
    q: Floats, x: Floats, y: Floats, shift: int, low: int, highs: Ints, gap: int, form: int, best: Floats, where: Ints
) -> None:
    """For every first date, the smallest t-statistic over second dates up to each of ``highs``, and where it is.

    Parameters
    ----------
    q, x, y, shift, form : as in `df_scan`. low : earliest first date. highs : (J,) latest second dates, increasing.
    gap : fewest rows from the first date to the second.
    best, where : (highs[-1] - low + 1, J), by first date; inf and -1 where there is no second date.
    """
    n, m = q.shape
    width = m + (2 if form == 2 else 1)
    last = highs[-1]
    basis = np.empty((n, width))
    left_x, left_y = np.empty(n), np.empty(n)
    out = np.empty((2, last - low + 1))
    best[:] = np.inf
    where[:] = -1
    for first in range(low, last - gap + 1):
        basis[:, :m] = q
        left_x[:] = x
        left_y[:] = y
        if extend(basis, left_x, left_y, m, first - shift, form) != width:
            continue
        df_scan(basis, left_x, left_y, shift, first + gap, last, form, out)
        least, at, j = np.inf, -1, 0
        for second in range(first + gap, last + 1):
            while highs[j] < second:
                best[first - low, j] = least
                where[first - low, j] = at
                j += 1
            value = out[0, second - first - gap]
            if value < least:
                least = value
                at = second
        while j < highs.size:
            best[first - low, j] = least
            where[first - low, j] = at
            j += 1


@kernel
def lm_products(d: Floats, lags: int, start: int) -> tuple[Floats, Floats]:
    """Rows (d_t, d_{t-1}, …, d_{t-k}, C_{t-1}, t - 1 - T/2, 1) and the running sums of their cross products.

    Parameters
    ----------
    d : (T,) differences by date, ``d[0]`` unused; their mean removed, so that C, their sum, is a bridge.
    lags : k. start : first date of the regression, above k.

    Returns
    -------
    (T, k + 4) rows, zero before ``start``; (T + 1, k + 4, k + 4) sums over the dates before each.
    """
    nobs = d.size
    width = lags + 4
    rows = np.zeros((nobs, width))
    level = 0.0
    for t in range(1, nobs):
        if t >= start:
            rows[t, 0] = d[t]
            for i in range(1, lags + 1):
                rows[t, i] = d[t - i]
            rows[t, lags + 1] = level
            rows[t, lags + 2] = t - 1 - 0.5 * nobs
            rows[t, lags + 3] = 1.0
        level += d[t]
    sums = np.zeros((nobs + 1, width, width))
    for t in range(nobs):
        for i in range(width):
            for j in range(i + 1):
                sums[t + 1, i, j] = sums[t, i, j] + rows[t, i] * rows[t, j]
    return rows, sums


@kernel
def lm_statistic(
    rows: Floats, sums: Floats, level: Floats, start: int, dates: Ints, trend: int, work: Floats, out: Floats
) -> None:
    """t-statistic of the LM regression and its sum of squares, with breaks at ``dates``, into ``out`` (2,).

    NaN where columns are linearly dependent, -inf and 0 where the series is a broken trend without noise.

    Parameters
    ----------
    rows, sums : of `lm_products`. level : (T,) the sum of the differences up to and with each date.
    dates : (m,) increasing first dates of new regimes, may be empty. trend : 1 if the slope breaks too.
    work : (4, k + 3, k + 3) scratch; at most two breaks.
    """
    nobs, width = rows.shape
    lags = width - 4
    size = lags + 2  # the lags, the detrended level, the response
    breaks = dates.size
    gram, part = work[0], work[1]
    total, mean, vector, mu, alpha = work[2, 0], work[2, 1], work[2, 2], work[3, 0], work[3, 1]
    gram[:] = 0.0
    total[:] = 0.0
    out[0] = np.nan
    out[1] = np.nan
    # means of the differences, the dates of the breaks left out
    if trend == 1:
        for s in range(breaks + 1):
            first = 1 if s == 0 else dates[s - 1] + 1
            end = nobs if s == breaks else dates[s]
            if end <= first:
                return
            mu[s] = (level[end - 1] - level[first - 1]) / (end - first)
    else:
        drift = level[nobs - 1]
        for b in range(breaks):
            drift -= level[dates[b]] - level[dates[b] - 1]
        mu[:] = drift / (nobs - 1 - breaks)
    # S_t = C_t + alpha_s - mu_s t within regime s
    alpha[0] = 0.0
    for s in range(1, breaks + 1):
        p = dates[s - 1]
        before = level[p - 1] + alpha[s - 1] - mu[s - 1] * (p - 1)
        alpha[s] = before - level[p] + mu[s] * p
    count_all = 0.0
    for s in range(breaks + 1):
        first = start if s == 0 else dates[s - 1] + 1
        end = nobs if s == breaks else dates[s]
        if end <= first:
            return
        plain = first if s == 0 else min(first + lags, end)
        part[:] = 0.0
        mean[:] = 0.0
        # rows whose lags lie in the same regime: from the running sums
        if end > plain:
            c0 = alpha[s] - mu[s] * 0.5 * nobs
            one, tc, cc = lags + 3, lags + 2, lags + 1
            high, base = sums[end], sums[plain]
            count = high[one, one] - base[one, one]
            sum_d = high[one, 0] - base[one, 0]
            sum_c = high[one, cc] - base[one, cc]
            sum_t = high[one, tc] - base[one, tc]
            sum_s = sum_c - mu[s] * sum_t + c0 * count
            for i in range(1, lags + 1):
                sum_i = high[one, i] - base[one, i]
                mean[i - 1] = sum_i - mu[s] * count
                for j in range(1, i + 1):
                    sum_j = high[one, j] - base[one, j]
                    part[i - 1, j - 1] = high[i, j] - base[i, j] - mu[s] * (sum_i + sum_j) + mu[s] * mu[s] * count
                raw = (high[cc, i] - base[cc, i]) - mu[s] * (high[tc, i] - base[tc, i]) + c0 * sum_i
                part[lags, i - 1] = raw - mu[s] * sum_s
                part[lags + 1, i - 1] = high[i, 0] - base[i, 0] - mu[s] * sum_d
            mean[lags] = sum_s
            mean[lags + 1] = sum_d
            ct = high[tc, cc] - base[tc, cc]
            part[lags, lags] = (
                (high[cc, cc] - base[cc, cc])
                - 2.0 * mu[s] * ct
                + mu[s] * mu[s] * (high[tc, tc] - base[tc, tc])
                + 2.0 * c0 * (sum_c - mu[s] * sum_t)
                + c0 * c0 * count
            )
            part[lags + 1, lags] = (high[cc, 0] - base[cc, 0]) - mu[s] * (high[tc, 0] - base[tc, 0]) + c0 * sum_d
            part[lags + 1, lags + 1] = high[0, 0] - base[0, 0]
        # rows behind a break: one by one
        for t in range(first, plain):
            for i in range(1, lags + 1):
                when = t - i
                regime = s
                is_break = False
                while regime > 0 and when <= dates[regime - 1]:
                    if when == dates[regime - 1]:
                        is_break = True
                    regime -= 1
                vector[i - 1] = 0.0 if is_break else rows[t, i] - mu[regime]
            vector[lags] = level[t - 1] + alpha[s] - mu[s] * (t - 1)
            vector[lags + 1] = rows[t, 0]
            for i in range(size):
                mean[i] += vector[i]
                for j in range(i + 1):
                    part[i, j] += vector[i] * vector[j]
        rows_here = float(end - first)
        count_all += rows_here
        for i in range(size):
            total[i] += mean[i]
            for j in range(i + 1):
                gram[i, j] += part[i, j] - (mean[i] * mean[j] / rows_here if trend == 1 else 0.0)
    if trend == 0:
        for i in range(size):
            for j in range(i + 1):
                gram[i, j] -= total[i] * total[j] / count_all
    df = int(count_all) - (1 + breaks if trend == 1 else 1) - lags - 1
    if df < 1:
        return
    # Cholesky; the last row holds the fit
    levels, moves = sums[nobs, lags + 1, lags + 1], sums[nobs, 0, 0]
    for i in range(size):
        for j in range(i + 1):
            value = gram[i, j]
            for k in range(j):
                value -= part[i, k] * part[j, k]
            if i == j:
                # no detrended level, or nothing to explain: a broken trend without noise
                if (i == lags and value <= ROUNDING * levels) or (i > lags and value <= ROUNDING * moves):
                    out[0] = -np.inf
                    out[1] = 0.0
                    return
                if value <= SINGULAR * gram[i, i] and i <= lags:
                    return
                part[i, i] = np.sqrt(value)
            else:
                part[i, j] = value / part[j, j]
    ssr = part[lags + 1, lags + 1] ** 2
    out[0] = part[lags + 1, lags] / np.sqrt(ssr / df)
    out[1] = ssr


@kernel
def lm_row(
    rows: Floats, sums: Floats, level: Floats, start: int, fixed: int, low: int, high: int, trend: int, out: Floats
) -> None:
    """Statistics at every last date from ``low`` to ``high``, behind a first break at ``fixed`` (none if negative).

    ``out`` : (2, high - low + 1).
    """
    size = rows.shape[1] - 1
    work = np.empty((4, size, size))
    pair = np.empty(2)
    dates = np.empty(1 if fixed < 0 else 2, np.int64)
    if fixed >= 0:
        dates[0] = fixed
    for date in range(low, high + 1):
        dates[-1] = date
        lm_statistic(rows, sums, level, start, dates, trend, work, pair)
        out[0, date - low] = pair[0]
        out[1, date - low] = pair[1]


@kernel
def lm_pairs(
    rows: Floats,
    sums: Floats,
    level: Floats,
    start: int,
    low: int,
    highs: Ints,
    gap: int,
    trend: int,
    best: Floats,
    where: Ints,
) -> None:
    """For every first date the smallest statistic over second dates up to each of ``highs``, as `df_pairs`."""
    last = highs[-1]
    out = np.empty((2, last - low + 1))
    best[:] = np.inf
    where[:] = -1
    for first in range(low, last - gap + 1):
        lm_row(rows, sums, level, start, first, first + gap, last, trend, out)
        least, at, j = np.inf, -1, 0
        for second in range(first + gap, last + 1):
            while highs[j] < second:
                best[first - low, j] = least
                where[first - low, j] = at
                j += 1
            value = out[0, second - first - gap]
            if value < least:
                least = value
                at = second
        while j < highs.size:
            best[first - low, j] = least
            where[first - low, j] = at
            j += 1
