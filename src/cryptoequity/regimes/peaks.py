r"""Does a path of correlations peak in dated episodes? Level, peaks and profile, by shifts of the calendar."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.ndimage import maximum_filter1d

from ..errors import DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.params import Array
from ..estimation.results import Drawn, TestResult
from ..table import Table, format_number
from .concordance import KEYS
from .episodes import SHORTEST, Bits, read_episodes, spells_of
from .fit import RegimeFit
from .shifts import holm, shifted_matches

__all__ = ["PeaksTest", "correlation_peaks_test", "local_peaks"]


@dataclass(frozen=True, eq=False)
class PeaksTest(TestResult, Drawn):
    """Outcome of `correlation_peaks_test`.

    Attributes
    ----------
    parts : statistic, pvalue and holm (adjusted) of each part.
    profile : by days from the first day of an episode: mean path, and the band that holds 95 % of the
        shifted profiles on any one day (columns profile, lower, upper).
    path, episodes : by date. peaks : dates of the local maxima.
    """

    parts: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    profile: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    path: pd.Series = field(default_factory=lambda: pd.Series(dtype=float), repr=False)
    episodes: pd.Series = field(default_factory=lambda: pd.Series(dtype=float), repr=False)
    peaks: pd.Index = field(default_factory=lambda: pd.Index([]), repr=False)

    def to_frame(self) -> pd.DataFrame:
        """The parts."""
        return self.parts

    def summary(self) -> Table:
        """Return the test as a table."""
        plain = super().summary()
        rows = [
            (str(name), f"{format_number(float(row['statistic']))} (p {format_number(float(row['pvalue']), 3)})")
            for name, row in self.parts.iterrows()
        ]
        return Table(plain.title, plain.head, (*plain.rows, *rows), plain.notes)

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation(*KEYS, "holm1979")


def correlation_peaks_test(
    path: RegimeFit | pd.Series,
    episodes: object,
    *,
    pair: tuple[str, str] | None = None,
    kind: str = "filtered",
    reach: int = 20,
    horizon: int = 60,
    others: dict[str, float] | None = None,
) -> PeaksTest:
    r"""Test whether a path of correlations peaks in dated episodes, by all circular shifts of the episodes.

    Four statistics, each one-sided and with the p-value of the same shifts, then Holm-adjusted:

    * ``higher inside``: mean of the path inside the episodes less its mean outside;
    * ``episodes with a peak``: share of the episodes that contain a local maximum, a date that is the highest within
      ``reach`` dates on either side;
    * ``highest date inside``: whether the highest date of all lies in an episode;
    * ``rise at the start``: mean of the path from the first day of an episode to ``horizon`` dates after it, less that
      of the ``horizon`` dates before, averaged over the episodes that leave so much room at either end.

    Parameters
    ----------
    path : a Series by date, or a fit, whose conditional correlation of ``pair`` (its first two columns by default) is
        taken with ``kind`` "filtered" or "predicted"; "smoothed" knows what comes after an episode begins.
    episodes : see `concordance_test`. reach, horizon : dates, see above.
    others : p-values of further tests of the same claim (e.g. of a driver of the transitions), to be adjusted together.

    Returns
    -------
    PeaksTest : ``statistic`` is the first of the four, ``pvalue`` the smallest after adjustment.

    Notes
    -----
    **Robustness.** A path of correlations is persistent by construction, and t-statistics of its level inside and
    outside are worthless; the shifts keep its dependence whatever it is, and need it to be stationary. The seam where
    the end of the sample meets its beginning is one jump in T. With E episodes there is little to learn however
    long the sample; the second and third statistic take few values, and their p-values err on the large side. The band
    around the profile holds for one day at a time: it is a picture, not a test. Evenly spaced episodes are mapped onto
    each other by some shifts, which costs power. Do not use it on a path that trends or breaks once: every late episode
    then looks high.

    Raises
    ------
    DataError : a path that is constant or not finite; episodes that never change.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> path = ce.DCC().fit(returns).correlation("COIN", "SMALL_TECH")
    >>> found = ce.correlation_peaks_test(path, ce.ReRating.press().spells)
    >>> list(found.parts.columns)
    ['statistic', 'pvalue', 'holm']
    """
    values, index = _read_path(path, pair, kind)
    for name, number, least in (("reach", reach, 1), ("horizon", horizon, 1)):
        if not isinstance(number, int) or isinstance(number, bool) or number < least or 2 * number >= values.size:
            raise SpecError(f"{name}={number!r}: a whole number of dates from {least} to {(values.size - 1) // 2}.")
    x = read_episodes(episodes, index)
    spells = spells_of(x)
    nobs, inside = values.size, int(x.sum())
    center = float(values.mean())
    # higher inside: the total is fixed, so the sum inside says it all
    sums = shifted_matches(x.astype(float), values - center)
    gaps = sums * (1.0 / inside + 1.0 / (nobs - inside))
    tops = local_peaks(values, reach)
    counts = np.concatenate([[0], np.cumsum(np.concatenate([tops, tops]))])
    shifts = np.arange(nobs)
    hits = np.zeros(nobs)
    for first, last in spells:
        begin = (first + shifts) % nobs
        hits += counts[begin + last - first + 1] > counts[begin]
    hits /= len(spells)
    summit = int(np.argmax(values))
    caught = x[(summit - shifts) % nobs].astype(float)
    whole = [first for first, _ in spells if first >= horizon and first + horizon < nobs]
    rows: dict[str, tuple[float, float]] = {
        "higher inside": (float(gaps[0]), _by_shift(gaps)),
        "episodes with a peak": (float(hits[0]), _by_shift(hits)),
        "highest date inside": (float(caught[0]), _by_shift(caught)),
    }
    days = np.arange(-horizon, horizon + 1)
    profile = pd.DataFrame(index=pd.Index(days, name="day"), columns=["profile", "lower", "upper"], dtype=float)
    if whole:
        around = np.mean([np.roll(values, -first) for first in whole], axis=0)  # at shift s, day d: around[s + d]
        sums = np.concatenate([[0.0], np.cumsum(np.tile(around, 3))])
        here = shifts + nobs
        rise = (sums[here + horizon + 1] - sums[here]) / (horizon + 1) - (sums[here] - sums[here - horizon]) / horizon
        rows["rise at the start"] = (float(rise[0]), _by_shift(rise))
        profile["profile"] = around[days % nobs]
        profile["lower"], profile["upper"] = np.quantile(around, [0.025, 0.975])
    chances = {name: chance for name, (_, chance) in rows.items()}
    for name, chance in (others or {}).items():
        if not 0.0 <= chance <= 1.0:
            raise SpecError(f"others[{name!r}]={chance!r}: a p-value lies between 0 and 1.")
        rows[name] = (float("nan"), float(chance))
        chances[name] = float(chance)
    parts = pd.DataFrame.from_dict(rows, orient="index", columns=["statistic", "pvalue"])
    parts["holm"] = holm(parts["pvalue"].to_numpy())
    detail = {
        "episodes": len(spells),
        "episodes in the profile": len(whole),
        "local maxima": int(tops.sum()),
        "smallest p-value before adjustment": float(parts["pvalue"].min()),
    }
    return PeaksTest(
        "Test of peaks of a correlation in episodes",
        "the path of the correlation is unrelated to the episodes.",
        float(gaps[0]),
        float(parts["holm"].min()),
        f"{nobs} circular shifts of {len(spells)} episodes, Holm over {len(parts)}",
        detail,
        "" if whole else f"no episode begins {horizon} dates from either end; there is no profile",
        parts,
        profile,
        pd.Series(values, index, name="path"),
        pd.Series(x.astype(int), index, name="episode"),
        index[tops],
    )


def _read_path(path: RegimeFit | pd.Series, pair: tuple[str, str] | None, kind: str) -> tuple[Array, pd.Index]:
    if isinstance(path, RegimeFit):
        check_option("kind", kind, ("filtered", "predicted", "smoothed"))
        if pair is None:
            if len(path.names) < 2:
                raise SpecError(f"{path.spec.name}: one column has no correlation.")
            pair = path.names[0], path.names[1]
        path = path.conditional_correlation(*pair, kind=kind)
    elif not isinstance(path, pd.Series):
        raise SpecError(f"path: a pandas Series by date or a fit, not {type(path).__name__}.")
    values = path.to_numpy(dtype=float, na_value=np.nan)
    bad = ~np.isfinite(values)
    if bad.any():
        raise DataError(f"path: {int(bad.sum())} values are not finite, the first at {path.index[bad][0]}; drop them.")
    if values.size < SHORTEST:
        raise DataError(f"path: {values.size} dates are too few, at least {SHORTEST} are needed.")
    if not float(np.ptp(values)) > 1e-12:
        raise DataError(f"path: constant at {values[0]:.6g}; it has no peaks.")
    return np.ascontiguousarray(values), path.index


def local_peaks(values: Array, reach: int) -> Bits:
    """Dates that are the highest within ``reach`` on either side, ends excluded; the first of equal ones."""
    top = values == maximum_filter1d(values, 2 * reach + 1, mode="nearest")
    top[:reach] = top[values.size - reach :] = False
    where = np.flatnonzero(top)
    for early, late in pairwise(where):
        if late - early <= reach:  # equal values within reach of each other
            top[late] = False
    return np.asarray(top)


def _by_shift(law: Array) -> float:
    """Share of the shifts with at least the observed value, up to rounding."""
    return float(np.mean(law >= law[0] - 1e-9 * (1.0 + abs(float(law[0])))))
