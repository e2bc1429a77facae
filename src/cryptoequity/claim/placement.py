"""Placement tests: is the coincidence in *time* surprising? Episodes are moved, data stay."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import DataError, check_option
from ..estimation.bootstrap import pvalue
from ..estimation.params import Array
from ..estimation.results import TestResult
from .rerating import ReRating
from .statistics import contrast

__all__ = ["placebo_test", "shift_contrasts", "shift_test"]


def shift_contrasts(series: Array, dummy: Array) -> Array:
    """Mean inside minus outside at every circular shift of the episodes, (T,); entry 0 is unshifted.

    One fast Fourier transform gives all T shifts.
    """
    inside = float(dummy.sum())
    centered = series - series.mean()
    total = np.fft.irfft(np.fft.rfft(centered) * np.conj(np.fft.rfft(dummy)), series.size)
    # sum inside at shift k; the outside sum is minus it because the series is centered
    out: Array = total * (1.0 / inside + 1.0 / (series.size - inside))
    return out


def shift_test(series: Array, dummy: Array, *, kind: str = "circular", what: str = "series") -> TestResult:
    r"""Test that the level of a series has nothing to do with where the episodes lie.

    ``kind="circular"`` compares with every rotation of the episodes: exact when the series is exchangeable
    under rotation, close for a stationary one, and badly oversized for one that drifts. ``"linear"`` keeps
    the middle three fifths of the series and slides the episodes over it by up to a fifth of the
    sample either way, without wrapping round, with the conservative p-value :math:`m/(N+1)` of Harris (2020),
    m the number of the 2N + 1 contrasts that reach the unshifted one.

    Not valid for episodes dated from the tested series or anything that shares its volatility: re-date them in
    a bootstrap instead.

    Parameters
    ----------
    series : (T,) score or product of residuals. dummy : (T,) zeros and ones.
    kind : "circular" or "linear". what : how the series is called.

    Returns
    -------
    TestResult, one-sided: larger inside. ``detail["null"]`` holds the shifted contrasts.

    Raises
    ------
    DataError : series and dummy of different lengths, blanks in the series, a dummy that is not one.

    Examples
    --------
    >>> import numpy as np
    >>> import cryptoequity as ce
    >>> inside = np.repeat([0.0, 1.0, 0.0], [40, 20, 40])
    >>> series = np.random.default_rng(1).standard_normal(100) + 2.0 * inside
    >>> ce.shift_test(series, inside).pvalue
    0.01
    """
    check_option("kind", kind, ("circular", "linear"))
    series, dummy = _checked(series, dummy, what)
    null = f"the placement of the episodes has nothing to do with the level of the {what}"
    blank = int(np.isnan(dummy).sum())
    reason = ""
    if blank:
        reason = f"a guard band leaves {blank} sessions to neither side; drop them from series and dummy"
    elif not 0 < dummy.sum() < dummy.size:
        reason = "the episodes cover none or all of the sample"
    if reason:
        return TestResult(f"{kind} shift", null, float("nan"), float("nan"), "", reason=reason)
    if kind == "circular":
        values = shift_contrasts(series, dummy)
        # rotations by zero count once, as the statistic itself: p is never zero
        pvalue = float(np.mean(values >= values[0] - 1e-12 * abs(values[0])))
        reference = f"{series.size} rotations of the episodes"
        observed = float(values[0])
    else:
        reach = series.size // 5
        middle = series[reach : series.size - reach]
        values = np.array([_plain_contrast(middle, dummy[k : k + middle.size]) for k in range(2 * reach + 1)])
        observed = float(values[reach])
        if np.isnan(observed):
            return TestResult(
                "linear shift",
                null,
                float("nan"),
                float("nan"),
                "",
                reason="the middle three fifths of the sample lie wholly inside or outside the episodes",
            )
        reached = int(np.sum(values[~np.isnan(values)] >= observed))
        pvalue = min(1.0, reached / (reach + 1))
        reference = f"{2 * reach + 1} shifts without wrapping, conservative"
    return TestResult(f"{kind} shift", null, observed, pvalue, reference, {"null": values})


def _checked(series: Array, dummy: Array, what: str) -> tuple[Array, Array]:
    """Return both as float arrays, or say what is wrong with them."""
    series, dummy = np.asarray(series, dtype=np.float64), np.asarray(dummy, dtype=np.float64)
    if series.ndim != 1 or series.shape != dummy.shape:
        raise DataError(
            f"the {what} has shape {series.shape} and the dummy {dummy.shape}: they must be one number a session each; "
            "build the dummy on the index of the series, e.g. episodes.dummy(index)."
        )
    bad = np.flatnonzero(~np.isfinite(series))
    if bad.size:
        raise DataError(
            f"the {what} has {bad.size} missing or infinite values, the first in row {bad[0]}; drop these sessions "
            "from series and dummy."
        )
    other = np.flatnonzero(~(np.isnan(dummy) | (dummy == 0.0) | (dummy == 1.0)))
    if other.size:
        raise DataError(
            f"the dummy is {dummy[other[0]]:g} in row {other[0]}; it must be 1 inside an episode and 0 outside."
        )
    return series, dummy


def _plain_contrast(series: Array, dummy: Array) -> float:
    inside = dummy == 1.0
    if inside.all() or not inside.any():
        return float("nan")
    return float(series[inside].mean() - series[~inside].mean())


def placebo_test(
    series: Array,
    episodes: ReRating,
    index: pd.DatetimeIndex,
    *,
    draws: int = 499,
    rng: int | np.random.SeedSequence | np.random.Generator,
    guard: str = "0D",
    what: str = "series",
) -> TestResult:
    """Compare the contrast with that of placebo episodes: the same spells and gaps in another order and place.

    Where the shift tests move the list as a whole, `ReRating.simulate` also breaks up its pattern. Like them it is
    for fixed episodes and a stationary series. With few long spells the placebo lists resemble each other more
    than the list itself, and the test rejects true nulls about twice as often as it says (measured with three
    spells over 71 % of the sample; see ``benchmarks/size_power.py``): read it as a description.

    Parameters
    ----------
    series : (T,) score or product of residuals on ``index``. draws : placebo lists. rng : their seed.
    guard : guard band around every edge, as in `ReRating.dummy`.

    Returns
    -------
    TestResult, one-sided: larger inside. ``detail["null"]`` holds the placebo contrasts.
    """
    generator = np.random.default_rng(rng)
    observed = contrast(series, episodes.dummy(index, guard=guard).to_numpy(float))
    null = np.array(
        [
            contrast(series, episodes.simulate(index, generator).dummy(index, guard=guard).to_numpy(float))
            for _ in range(draws)
        ]
    )
    p = pvalue(observed, null)
    return TestResult(
        "placebo episodes",
        f"the placement of the episodes has nothing to do with the level of the {what}",
        observed,
        p,
        f"{draws} placebo lists with the same spells and gaps",
        {"null": null},
        "the contrast is not defined on this sample" if np.isnan(p) else "",
    )
