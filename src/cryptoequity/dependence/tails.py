r"""Dependence in the tails: the coefficients chi and chi-bar, and whether they are the same inside episodes.

With U and V the ranks of x and y over n + 1 and q a small share,

.. math:: \chi(q)=P(V\le q\mid U\le q),\qquad \bar\chi(q)=\frac{2\ln q}{\ln P(U\le q,V\le q)}-1

in the lower tail, and with 1 - U and 1 - V in the upper one (Coles, Heffernan & Tawn 1999, whose chi(u) differs from
this conditional probability by terms of order q). :math:`\chi(0)>0` is tail dependence; a normal copula has
:math:`\chi(0)=0` and :math:`\bar\chi(0)=\rho`. Theory: the page "Dependence in the tails".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import integrate, stats

from ..errors import DataError, SpecError, check_option
from ..estimation.bibliography import citation
from ..estimation.bootstrap import pvalue as drawn_pvalue
from ..estimation.bootstrap import stationary_draws
from ..estimation.parallel import map_draws, spawn
from ..estimation.params import Array
from ..estimation.results import TestResult
from ..regimes.episodes import read_episodes, spells_of
from ..regimes.shifts import resample_blocks
from ..table import Table
from ..volatility import EGARCH, GARCH
from .pair_world import PairWorld, draw_law, filter_pair
from .pairs import check_block, check_draws, check_share, pseudo_ranks, read_pair

__all__ = [
    "TailDependence",
    "TailEqualityTest",
    "copula_distance",
    "normal_tail_share",
    "tail_dependence",
    "tail_equality_test",
    "tail_share",
]

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2)
TAILS = ("lower", "upper", "both")
PVALUES = ("dcc", "block", "shift")
MEASURES = ("chi", "copula")
FEWEST_IN_TAIL = 5  # expected rows of one series beyond its quantile, in either state
ANGLES = np.deg2rad(np.linspace(9.0, 81.0, 9))
Bits = npt.NDArray[np.bool_]


# --- numbers on arrays


def tail_share(values: Array, q: float, tail: str = "lower") -> float:
    r"""Conditional probability :math:`\chi(q)` of a pair (n, 2); "both" is the mean of the two tails.

    The number of rows beyond is the whole number next to qn: the quantiles are those of these rows.
    """
    check_option("tail", tail, TAILS)
    nobs = values.shape[0]
    count = max(1, int(np.rint(q * nobs)))
    order = np.argsort(values, axis=0, kind="stable")
    parts = {"lower": (order[:count],), "upper": (order[-count:],), "both": (order[:count], order[-count:])}[tail]
    joint = 0
    for rows in parts:
        beyond = np.zeros(nobs, bool)
        beyond[rows[:, 0]] = True
        joint += int(beyond[rows[:, 1]].sum())
    return joint / (count * len(parts))


def normal_tail_share(rho: float, q: float) -> float:
    r""":math:`\chi(q)` of a normal copula: :math:`\Phi_2\{\Phi^{-1}(q),\Phi^{-1}(q);\rho\}/q`.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> [round(ce.normal_tail_share(0.5, q), 3) for q in (0.1, 0.01)]
    [0.324, 0.129]
    """
    if not -1.0 < rho < 1.0:
        raise SpecError(f"rho={rho!r}: a correlation strictly between -1 and 1.")
    check_share("q", q)
    edge, root = float(stats.norm.ppf(q)), float(np.sqrt(1.0 - rho * rho))
    joint = integrate.quad(
        lambda x: stats.norm.pdf(x) * stats.norm.cdf((edge - rho * x) / root), -np.inf, edge, epsabs=0.0, epsrel=1e-10
    )[0]
    return float(joint) / q


def copula_distance(inside: Array, outside: Array, q: float, tail: str = "lower") -> float:
    r"""Root mean square distance of two empirical tail copulas over directions (Bormann & Schienle 2020).

    :math:`\hat\Lambda(\phi)=\frac1k\#\{R_1\le k\cos\phi\sqrt2,\;R_2\le k\sin\phi\sqrt2\}`, k = qn, for nine angles from
    9 to 81 degrees. At 45 degrees it is :math:`\chi(q)`.

    Parameters
    ----------
    inside, outside : (n, 2) pairs. tail : "lower", "upper" or "both" (mean of the squares).
    """
    if tail == "both":
        parts = [copula_distance(inside, outside, q, one) for one in ("lower", "upper")]
        return float(np.sqrt(np.mean(np.square(parts))))
    gap = _tail_copula(inside, q, tail) - _tail_copula(outside, q, tail)
    return float(np.sqrt(np.mean(gap**2)))


def _tail_copula(values: Array, q: float, tail: str) -> Array:
    nobs = values.shape[0]
    k = q * nobs
    ranks = pseudo_ranks(values if tail == "lower" else -values) * (nobs + 1.0)
    reach = np.sqrt(2.0) * k
    # half a rank, so that whole thresholds do not hang on rounding
    one = ranks[:, :1] <= reach * np.cos(ANGLES) + 0.5
    two = ranks[:, 1:] <= reach * np.sin(ANGLES) + 0.5
    out: Array = (one & two).sum(axis=0) / k
    return out


def _latent_correlation(values: Array) -> float:
    """Correlation of the normal copula with the same Kendall's tau: sin(pi tau / 2)."""
    tau = float(stats.kendalltau(values[:, 0], values[:, 1]).statistic)
    return float(np.clip(np.sin(0.5 * np.pi * tau), -0.999, 0.999))


# --- the coefficients


@dataclass(frozen=True, eq=False)
class TailDependence:
    """Coefficients of tail dependence by tail and share, with those of a normal copula of the same Kendall's tau.

    Attributes
    ----------
    names : of the two series. table : tail, q, joint (rows in both tails), chi with lower and upper bound, normal chi,
        chibar with bounds. rho : correlation of the normal copula. nobs : rows. level, block, draws : of the intervals.
    """

    names: tuple[str, str]
    table: pd.DataFrame = field(repr=False)
    rho: float
    nobs: int
    level: float
    block: float
    draws: int

    def to_frame(self) -> pd.DataFrame:
        """The coefficients, one row a tail and share."""
        return self.table

    def summary(self) -> Table:
        """The coefficients as a table."""
        frame = self.table.drop(columns=["tail", "q"])
        frame.index = pd.Index([f"{tail} {q:g}" for tail, q in zip(self.table["tail"], self.table["q"], strict=True)])
        notes = [
            f"{self.nobs} rows; {self.level:.0%} intervals from {self.draws} stationary bootstraps, mean block "
            f"{self.block:g}",
            f"chi normal: of the normal copula with the same Kendall's tau (correlation {self.rho:.3f}); "
            "independence has chi = q and chibar = 0",
        ]
        return Table.of(
            f"Tail dependence of {self.names[0]} and {self.names[1]}", frame, digits=3, notes=notes, corner="tail, q"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        rows = self.table.astype(object).where(self.table.notna(), None)
        return {
            "names": list(self.names),
            "nobs": self.nobs,
            "normal correlation": self.rho,
            "level": self.level,
            "block": self.block,
            "draws": self.draws,
            "table": rows.to_dict("records"),
        }

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        return citation("coles1999", "poonrockingertawn2004", "politisromano1994")


@dataclass(frozen=True)
class _Shares:
    """chi of resampled rows, (2m,): lower tails, then upper."""

    levels: tuple[float, ...]

    def __call__(self, rows: Array) -> Array:
        return np.array([tail_share(rows, q, tail) for tail in ("lower", "upper") for q in self.levels])


def _chibar(chi: Any, q: float) -> Any:
    """chi-bar from chi = joint / q; -1 where no row is in both tails."""
    joint = np.asarray(chi, float) * q
    safe = np.where(joint > 0.0, joint, 0.5)
    return np.where(joint > 0.0, np.where(joint >= 1.0, 1.0, 2.0 * np.log(q) / np.log(safe) - 1.0), -1.0)


def tail_dependence(
    x: Any,
    y: Any,
    levels: Sequence[float] = LEVELS,
    *,
    margins: GARCH | EGARCH | None = None,
    level: float = 0.95,
    block: float | None = None,
    draws: int = 999,
    rng: int | np.random.Generator = 0,
) -> TailDependence:
    r"""Coefficients :math:`\chi(q)` and :math:`\bar\chi(q)` in both tails, with block-bootstrap intervals.

    Parameters
    ----------
    x, y : returns or residuals with the same rows.
    levels : shares q of each series that count as its tail; qT must be at least five.
    margins : filter both by this volatility model first; None takes them as they are.
    level : of the percentile intervals. block : mean block of the stationary bootstrap, by default the root of T.
    draws, rng : of the bootstrap; every draw is ranked anew.

    Returns
    -------
    TailDependence

    Notes
    -----
    Volatility that moves in both series puts their large moves on the same dates: raw returns with no dependence
    between shocks have tail dependence. Filter first to ask about shocks. No sample shows the limit q = 0: compare with
    the column ``normal`` at the same q, and read the intervals, which rest on qT rows. Percentile intervals of a few
    joint rows are coarse.

    Raises
    ------
    DataError : series that do not match, are too short, constant or blank; a share with fewer than five rows.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("peaks"))
    >>> found = ce.tail_dependence(returns["COIN"], returns["SMALL_TECH"], (0.05, 0.1), draws=99)
    >>> found.to_frame()["tail"].tolist()
    ['lower', 'lower', 'upper', 'upper']
    """
    grid = tuple(check_share("levels", q) for q in np.atleast_1d(np.asarray(levels, float)).tolist())
    pair = read_pair(x, y)
    check_draws(draws, 99)
    if not 0.5 <= level < 1.0:
        raise SpecError(f"level={level!r}: between .5 and 1, such as .95.")
    values = filter_pair(pair.values, margins)
    nobs = values.shape[0]
    if not grid or min(grid) * nobs < FEWEST_IN_TAIL:
        raise DataError(
            f"levels={levels!r}: {min(grid, default=0):g} of {nobs} rows is fewer than {FEWEST_IN_TAIL}; use a larger "
            "share or a longer sample."
        )
    length = check_block(block, nobs)
    shares = _Shares(grid)
    law = stationary_draws(shares, values, length, draws, rng)
    rho = _latent_correlation(values)
    rows = []
    ends = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    for at, ((tail, q), chi) in enumerate(
        zip([(tail, q) for tail in ("lower", "upper") for q in grid], shares(values), strict=True)
    ):
        low, high = np.quantile(law[:, at], ends)
        joint = int(np.rint(chi * max(1, int(np.rint(q * nobs)))))
        bar = [float(_chibar(one, q)) for one in (chi, low, high)]
        rows.append((tail, q, joint, float(chi), float(low), float(high), normal_tail_share(rho, q), *bar))
    columns = ["tail", "q", "joint", "chi", "chi lower", "chi upper", "chi normal",
               "chibar", "chibar lower", "chibar upper"]  # fmt: skip
    return TailDependence(pair.names, pd.DataFrame(rows, columns=columns), rho, nobs, level, length, draws)


# --- the same inside and outside?


@dataclass(frozen=True)
class TailEqualityTest(TestResult):
    """Outcome of `tail_equality_test`. Attributes are those of `TestResult`."""

    def cite(self) -> str:
        """BibTeX of the papers behind what was computed."""
        more = {"block": ("politisromano1994",), "dcc": ("engle2002",), "shift": ("harris2020",)}
        return citation("coles1999", "bormannschienle2020", *more.get(str(self.detail.get("p-value by")), ()))


@dataclass(frozen=True, eq=False)
class _Contrast:
    """Statistic of residuals (T, 2) and fixed episodes, (1,)."""

    inside: Bits = field(repr=False)
    q: float
    tail: str
    measure: str

    def __call__(self, values: Array) -> Array:
        one, two = values[self.inside], values[~self.inside]
        if self.measure == "copula":
            return np.array([copula_distance(one, two, self.q, self.tail)])
        return np.array([tail_share(one, self.q, self.tail) - tail_share(two, self.q, self.tail)])


@dataclass(frozen=True, eq=False)
class _BlockContrast:
    """The contrast of resampled rows under the episodes as they are."""

    values: Array = field(repr=False)
    contrast: _Contrast
    block: float

    def __call__(self, seed: np.random.SeedSequence) -> float:
        rows = resample_blocks(self.values.shape[0], self.block, np.random.default_rng(seed))
        return float(self.contrast(self.values[rows])[0])


def tail_equality_test(
    x: Any,
    y: Any,
    episodes: Any,
    q: float = 0.1,
    *,
    tail: str = "both",
    measure: str = "chi",
    side: str = "upper",
    margins: GARCH | EGARCH | None = None,
    pvalue: str = "dcc",
    block: float | None = None,
    draws: int = 499,
    rng: int | np.random.Generator = 0,
    n_jobs: int | None = None,
) -> TailEqualityTest:
    r"""Test that dependence in the tails is the same inside episodes as outside.

    The statistic is :math:`\hat\chi_{in}(q)-\hat\chi_{out}(q)`, or the distance of the two tail copulas over all
    directions (``measure="copula"``; Bormann & Schienle 2020). Jlassi and others (2023) ask the same of bitcoin with
    the martingale-transformed statistic of Can, Einmahl & Laeven (2023), whose law is for independent rows. Ranks are
    taken within the episodes and within the rest: neither a higher volatility nor a shifted mean inside is dependence.

    Parameters
    ----------
    x, y : returns or residuals with the same rows.
    episodes : 0/1 Series by date, spells (frame with start and end, or pairs of dates; both ends belong to them).
    q : share of each state that is its tail. tail : "lower", "upper" or "both" (their mean).
    measure : "chi" (signed) or "copula" (a distance; ``side`` does not apply).
    side : "upper" (more inside), "lower" or "two".
    margins : filter both by this volatility model first; None takes them for residuals.
    pvalue : "dcc": samples of margins with a DCC and t errors that know no episodes, the margins fitted again in each;
        "block": rows in random blocks under the episodes as they are; "shift": all circular shifts of the episodes.
    block : mean block of "block", by default the root of T. draws, rng, n_jobs : of "dcc" and "block".

    Returns
    -------
    TailEqualityTest : ``detail`` holds chi inside and outside, the contrast that normal copulas with the Kendall's
        tau of either state would show, the spells, and the draws under "null".

    Notes
    -----
    **Robustness.** A higher correlation inside raises chi at any q > 0 with no dependence particular to the tails:
    compare the statistic with ``detail["contrast of normal copulas"]`` before speaking of tails. Persistent correlation
    makes contrasts of a few spells vary much more than independent rows would; the three laws hold that persistence
    (sizes in ``benchmarks/dependence_sizes.py``). "dcc" and "block" ask that the dependence be stationary apart from
    the episodes: a break in correlation inside the sample is taken for an effect of episodes that lie on one side of
    it. Episodes dated from the tested series make every one of these p-values too small.

    Raises
    ------
    DataError : series that do not match, are too short or blank; fewer than five rows in a tail of either state.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> returns = ce.to_returns(ce.load_sample("peaks")).loc["2020-03-16":]
    >>> spells = [(one["start"], one["end"]) for one in ce.load_truth("peaks")["spells"]]
    >>> test = ce.tail_equality_test(returns["COIN"], returns["SMALL_TECH"], spells, pvalue="block", draws=99)
    >>> test.statistic > test.detail["contrast of normal copulas"] - 0.2
    True
    """
    check_option("tail", tail, TAILS)
    check_option("measure", measure, MEASURES)
    check_option("side", side, ("upper", "lower", "two"))
    check_option("pvalue", pvalue, PVALUES)
    check_share("q", q)
    check_draws(draws)
    pair = read_pair(x, y)
    inside = read_episodes(episodes, pair.index)
    values = filter_pair(pair.values, margins)
    inside = inside[inside.size - values.shape[0] :]  # rows that served as lags only have no residual
    nobs = int(values.shape[0])
    for rows, where in ((int(inside.sum()), "inside"), (int((~inside).sum()), "outside")):
        if q * rows < FEWEST_IN_TAIL:
            raise DataError(
                f"{rows} rows lie {where} the episodes and q={q:g} of them is fewer than {FEWEST_IN_TAIL}; "
                "use a larger q or longer episodes."
            )
    contrast = _Contrast(inside, float(q), tail, measure)
    observed = float(contrast(values)[0])
    one, two = values[inside], values[~inside]
    implied = [normal_tail_share(_latent_correlation(part), q) for part in (one, two)]
    detail: dict[str, Any] = {
        "chi inside": tail_share(one, q, tail),
        "chi outside": tail_share(two, q, tail),
        "chi inside, normal copula": implied[0],
        "chi outside, normal copula": implied[1],
        "contrast of normal copulas": implied[0] - implied[1],
        "rows inside": int(inside.sum()),
        "rows outside": int((~inside).sum()),
        "spells": len(spells_of(inside)),
        "p-value by": pvalue,
    }
    way = "upper" if measure == "copula" else side
    if pvalue == "shift":
        law = np.array([contrast(np.roll(values, -k, axis=0))[0] for k in range(nobs)])
        center = float(np.median(law))
        gap = {"upper": law - observed, "lower": observed - law,
               "two": np.abs(law - center) - abs(observed - center)}[way]  # fmt: skip
        # the unshifted placement is one of them: p is never zero
        chance = float(np.mean(gap >= -1e-12))
        reference = f"{nobs} circular shifts of {detail['spells']} spells"
        failed = 0
    else:
        if pvalue == "block":
            length = check_block(block, nobs)
            detail["mean block"] = length
            task = _BlockContrast(values, contrast, length)
            law = np.array(map_draws(task, spawn(rng, draws), n_jobs=n_jobs, label="null draws"), dtype=np.float64)
            kind = "stationary bootstraps of the rows"
        else:
            world = PairWorld.fit(pair.values, margins, "fhs")
            law = draw_law(world, contrast, draws, rng, n_jobs)[:, 0]
            detail["null converged"] = world.converged
            kind = world.reference
        failed = int((~np.isfinite(law)).sum())
        detail["draws that failed"] = failed
        chance = drawn_pvalue(observed, law, way)
        reference = f"{draws - failed} {kind}"
    detail["null"] = law
    reason = ""
    if failed > 0.1 * draws:
        chance, reason = float("nan"), f"{failed} of {draws} draws could not be computed"
    what = "tail copulas" if measure == "copula" else f"chi({q:g})"
    return TailEqualityTest(
        f"Equality of {what} inside and outside episodes",
        f"dependence in the {'tails' if tail == 'both' else tail + ' tail'} is the same inside the episodes as outside",
        observed,
        chance,
        reference,
        detail,
        reason,
    )
