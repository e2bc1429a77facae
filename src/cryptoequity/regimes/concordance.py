r"""Do regimes coincide with dated episodes? Harding–Pagan concordance and peaks, by shifts of the calendar.

With :math:`S_{yt}=1` in the regime and :math:`S_{xt}=1` in an episode,

.. math:: I=\frac1T\sum_t\{S_{xt}S_{yt}+(1-S_{xt})(1-S_{yt})\}
           =1+2\rho_S\sigma_x\sigma_y+2\mu_x\mu_y-\mu_x-\mu_y ,

which is large whenever both states are common: only :math:`\rho_S` speaks of a link. Both are persistent, and the
effective sample is the handful of episodes. The default p-value shifts the episodes around the calendar by every number
of dates. Theory: the page "Concordance".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ConvergenceError, DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.bootstrap import pvalue as drawn_pvalue
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import Drawn, TestResult
from .episodes import Bits, read_episodes, read_states, spells_of
from .fit import RegimeFit, draw_states
from .likelihood import RegimeLikelihood, climb_regimes
from .nested_chains import rebuild, require_rebuild
from .shifts import correlation_of, fixed_b_pvalue, hac_tstat, mean_duration, resample_blocks, shift_pvalue

__all__ = ["ConcordanceTest", "concordance_index", "concordance_test"]

PVALUES = ("shift", "hac", "block", "bootstrap")
FEWEST_EPISODES = 5  # below it no asymptotic p-value is given
KEYS = ("hardingpagan2002", "hardingpagan2006")


def concordance_index(x: Any, y: Any) -> float:
    """Share of dates on which two 0/1 series agree, in [0, 1]; see the module for why it is no measure of a link.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> ce.concordance_index([1, 1, 0, 0], [1, 0, 0, 0])
    0.75
    """
    a, b = np.asarray(x, float), np.asarray(y, float)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise DataError(f"two series of the same length are wanted, not shapes {a.shape} and {b.shape}.")
    for values in (a, b):
        if not np.isin(values, (0.0, 1.0)).all():
            raise DataError("a concordance is of zeros and ones.")
    return float(np.mean(a == b))


# --- draws


@dataclass(frozen=True, eq=False)
class BlockDraw:
    """Correlation of the episodes with states whose blocks are put in random order."""

    x: Bits
    y: Bits
    length: float

    def __call__(self, seed: np.random.SeedSequence) -> float:
        """Correlation of the draw of ``seed``; zero where all states are alike."""
        y = self.y[resample_blocks(self.y.size, self.length, np.random.default_rng(seed))]
        return 0.0 if y.all() or not y.any() else correlation_of(self.x, y, float(np.sum(self.x & y)))


@dataclass(frozen=True, eq=False)
class RefitDraw:
    """Correlation of the episodes with the states of a refit to data drawn from the fit, which knows no episodes."""

    x: Bits
    fit: RegimeFit
    kind: str
    regime: int
    threshold: float
    min_length: int
    starts: int

    def __call__(self, seed: np.random.SeedSequence) -> float:
        """Correlation of the draw of ``seed``; zero where all states are alike, NaN where nothing can be fitted."""
        rng = np.random.default_rng(seed)
        lik = self.fit.likelihood
        inner, outer = lik.split(self.fit.theta)
        states = draw_states(lik.chain.matrices(outer), self.fit.inference.first, lik.nobs, rng)
        fresh = RegimeLikelihood(rebuild(lik.emission, lik.emission.simulate(inner, states, rng)), lik.chain)
        try:
            theta = climb_regimes(fresh, self.starts, rng, warm=self.fit.theta)[0].theta
        except ConvergenceError:
            return float("nan")
        theta = theta[fresh.ordered(theta)[0]]
        found = fresh.infer(theta)
        p = found.filtered if self.kind == "filtered" else found.smooth()[0]
        y = p[:, self.regime - 1] > self.threshold
        for first, last in spells_of(y) if self.min_length > 1 else []:
            if last - first + 1 < self.min_length:
                y[first : last + 1] = False
        return 0.0 if y.all() or not y.any() else correlation_of(self.x, y, float(np.sum(self.x & y)))


# --- the test


@dataclass(frozen=True, eq=False)
class ConcordanceTest(TestResult, Drawn):
    """Outcome of `concordance_test`.

    Attributes
    ----------
    states, episodes : 0/1 by date. spells : first, last and nobs of each episode, with the share of its dates spent in
        the regime.
    draws : correlations under the null (by shift, or by draw).
    """

    states: pd.Series = field(default_factory=lambda: pd.Series(dtype=float), repr=False)
    episodes: pd.Series = field(default_factory=lambda: pd.Series(dtype=float), repr=False)
    spells: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    draws: Array = field(default_factory=lambda: np.empty(0), repr=False)

    def to_frame(self) -> pd.DataFrame:
        """The episodes with the share of their dates in the regime."""
        return self.spells

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        more = {"hac": ("kiefervogelsang2005",), "block": ("politisromano1994",)}
        return citation(*KEYS, *more.get(str(self.detail.get("p-value by")), ()))


def concordance_test(
    states: RegimeFit | pd.Series,
    episodes: Any,
    *,
    pvalue: str = "shift",
    kind: str = "filtered",
    regime: int | None = None,
    side: str = "upper",
    threshold: float = 0.5,
    min_length: int = 1,
    lags: int | None = None,
    block: float | None = None,
    draws: int = 999,
    starts: int = 6,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> ConcordanceTest:
    r"""Test whether a regime coincides with dated episodes: :math:`\rho_S=0` (Harding & Pagan 2006).

    The statistic is the correlation :math:`\rho_S` of the two 0/1 series; the concordance index I is in ``detail``
    with the value it has under independence.

    Parameters
    ----------
    states : a fit, whose ``regime`` (numbered from 1; the last by default) is on where its probability exceeds
        ``threshold``; or a Series by date of 0/1 or of probabilities.
    episodes : 0/1 Series by date, spells (frame with start and end, or pairs; both ends belong to them).
    pvalue : "shift": all T circular shifts of the episodes, the one observed among them; "hac": t-statistic with
        Bartlett weights on its fixed-b law; "block": states in random blocks (stationary bootstrap); "bootstrap": data
        drawn from the fit, which is fitted again. The HAC p-value is in ``detail`` beside each of them.
    kind : "filtered" or "smoothed" probabilities of a fit. Claims about timing need the filtered ones; smoothed ones
        know what comes after a date.
    side : "upper", "lower" or "two".
    min_length : spells of the regime shorter than this are taken as noise and switched off.
    lags : of the HAC; by default the larger of the root of T and the longest episode.
    block : mean block; by default twice the longer mean duration of the two states, at least the root of T.
    draws, rng, n_jobs : of "block" and "bootstrap". starts : of each refit, beside the estimates themselves.

    Returns
    -------
    ConcordanceTest : with "hac", a NaN p-value and the reason below five episodes.

    Notes
    -----
    **Robustness.** Heteroskedasticity and fat tails matter only through the states: a regime of high variance that is
    taken for one of high correlation will coincide with crises (fit residuals, `RSDC`). What spoils the textbook test
    is persistence. With chains independent of 4 or 8 episodes of 60 days, T = 2000, true nulls are rejected at 5 % in
    34 to 38 % of 1000 samples without HAC, 16 to 22 % with Newey and West's :math:`4(T/100)^{2/9}` lags, 5.5 to 8.2 %
    with :math:`\sqrt T`, 4.6 to 7.2 % with the default lags on the fixed-b law, 4.1 to 4.6 % by shifts and 4.4 to 5.6 %
    by blocks (``benchmarks/regime_sizes.py``, the page "Concordance"). Shifts ask that the states be stationary: do not
    use them where the regime is a break that happens once, in which case E episodes on one side of it prove nothing.
    With few episodes the p-value is not small whatever the sample. Episodes must be dated before the correlations are
    seen.
    "bootstrap" alone counts that states are estimated.

    Raises
    ------
    DataError : states or episodes that never change, dates that do not match. SpecError : "bootstrap" without a fit.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("step"))[["COIN", "SMALL_TECH"]]
    >>> fit = ce.MarkovCovariance(order_by="correlation").fit(returns, starts=4)
    >>> found = ce.concordance_test(fit, ce.ReRating.press().spells)
    >>> 0 < found.pvalue <= 1
    True
    """
    check_option("pvalue", pvalue, PVALUES)
    check_option("side", side, ("upper", "lower", "two"))
    y, index = read_states(states, kind=kind, regime=regime, threshold=threshold, min_length=min_length)
    x = read_episodes(episodes, index)
    spells = spells_of(x)
    longest = max(last - first + 1 for first, last in spells)
    width = max(int(np.sqrt(x.size)), longest) if lags is None else lags
    if not isinstance(width, int | np.integer) or isinstance(width, bool) or not 0 <= width < x.size:
        raise SpecError(f"lags={lags!r}: a whole number from 0 to {x.size - 1}.")
    if pvalue in ("block", "bootstrap") and (not isinstance(draws, int) or isinstance(draws, bool) or draws < 19):
        raise SpecError(f"draws={draws!r}: at least 19, the fewest that can reach 5 %.")
    rho = correlation_of(x, y, float(np.sum(x & y)))
    tstat = hac_tstat(x, y, int(width))
    few = len(spells) < FEWEST_EPISODES
    hac = float("nan") if few else fixed_b_pvalue(tstat, (width + 1.0) / x.size, side)
    mx, my = float(x.mean()), float(y.mean())
    detail: dict[str, Any] = {
        "concordance index": concordance_index(x, y),
        "index under independence": mx * my + (1.0 - mx) * (1.0 - my),
        "episodes": len(spells),
        "longest episode": longest,
        "share of dates in episodes": mx,
        "share of dates in the regime": my,
        "HAC t": tstat,
        "HAC lags": int(width),
        "HAC p-value": hac,
        "p-value by": pvalue,
    }
    reason, law = "", np.empty(0)
    if pvalue == "shift":
        chance, law = shift_pvalue(x, y, side)
        reference = f"{x.size} circular shifts of {len(spells)} episodes"
    elif pvalue == "hac":
        chance = hac
        reference = f"fixed-b, Bartlett, {width} lags, {len(spells)} episodes"
        if few:
            reason = (
                f"{len(spells)} episodes are too few for an asymptotic p-value ({FEWEST_EPISODES} at least); "
                "use pvalue='shift'"
            )
    elif pvalue == "block":
        length = max(2.0 * mean_duration(y), np.sqrt(x.size)) if block is None else block
        if not 1.0 <= length < x.size:
            raise SpecError(f"block={length!r}: a mean block lies between 1 and the {x.size} dates.")
        detail["mean block"] = float(length)
        law = np.array(map_draws(BlockDraw(x, y, float(length)), spawn(rng, draws), n_jobs=n_jobs))
        chance = _extreme(rho, law, side)
        reference = f"{draws} stationary bootstraps of the states, {len(spells)} episodes"
    else:
        if not isinstance(states, RegimeFit):
            raise SpecError("pvalue='bootstrap' draws from a fit and fits again; pass the fit, not its states.")
        require_rebuild(states.emission)
        _check_null(states, x)
        number = states.k if regime is None else regime
        one = RefitDraw(x, states, kind, number, threshold, min_length, starts)
        law = np.array(map_draws(one, spawn(rng, draws), n_jobs=n_jobs))
        failed = int(np.sum(~np.isfinite(law)))
        if failed > 0.1 * draws:
            raise ConvergenceError(f"{failed} of {draws} draws cannot be fitted; use fewer regimes.")
        detail["draws that failed"] = failed
        chance = _extreme(rho, law, side)
        reference = f"{draws - failed} refits to data from the fit, {len(spells)} episodes"
    frame = pd.DataFrame(
        [(index[a], index[b], b - a + 1, float(y[a : b + 1].mean())) for a, b in spells],
        columns=["first", "last", "nobs", "share in regime"],
    )
    return ConcordanceTest(
        "Harding–Pagan test of concordance",
        "regime and episodes are unrelated: their correlation is zero.",
        rho,
        chance,
        reference,
        detail,
        reason,
        pd.Series(y.astype(int), index, name="regime"),
        pd.Series(x.astype(int), index, name="episode"),
        frame,
        law,
    )


def _extreme(rho: float, law: Array, side: str) -> float:
    return drawn_pvalue(abs(rho), np.abs(law)) if side == "two" else drawn_pvalue(rho, law, side)


def _check_null(fit: RegimeFit, x: Bits) -> None:
    """Refuse a fit whose transitions the episodes drive: data drawn from it are not drawn from the null."""
    if fit.drivers is None:
        return
    for name in fit.drivers.columns:
        link = abs(float(np.corrcoef(fit.drivers[name].to_numpy(float), x)[0, 1]))
        if link > 0.9:
            raise SpecError(
                f"the driver {name!r} of this fit is the episodes (correlation {link:.2f}); the null has none. Pass a "
                "fit without it, or use regime_driver_test."
            )
