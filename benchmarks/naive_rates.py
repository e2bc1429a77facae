"""How often the usual test of each hypothesis "confirms" it in a world in which it is false, at nominal 5 %.

    python benchmarks/naive_rates.py             # 500 samples a world, a few minutes on one core
    python benchmarks/naive_rates.py --quick     # a smoke run, prints only

Worlds are `cryptoequity.World`: daily prices from 2016 to January 2025, GARCH margins, t(6) shocks, the press episodes.
Tests see the window from 23 March 2020, and are run as papers run them: on rolling or filtered correlations, with
standard errors of a few lags, or on raw returns as if they were independent. A two-sided test counts when it rejects
in the claim's direction. Result: ``benchmarks/results/naive_rates.csv``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats

import cryptoequity as ce
from cryptoequity.claim.pipeline import PairFit, fit_pair
from cryptoequity.claim.statistics import correlation
from cryptoequity.claim.world import residuals
from cryptoequity.claim.worlds import World
from cryptoequity.estimation.parallel import map_draws, spawn

RESULTS = Path(__file__).parent / "results" / "naive_rates.csv"
SEED = 20261123
WINDOW = 63
LATER = 377  # sessions after publication on the real sample


@dataclass(frozen=True, eq=False)
class Sample:
    """One simulated sample after the break, and what several tests share."""

    prices: pd.DataFrame
    inside: np.ndarray
    signed: np.ndarray
    rng: np.random.Generator

    @cached_property
    def returns(self) -> pd.DataFrame:
        """Percent returns of the window; prices may reach further back, for moves that need a past."""
        return (100.0 * np.log(self.prices).diff()).iloc[-self.inside.size :]

    def z(self, name: str) -> np.ndarray:
        """Residuals of a column."""
        return residuals(ce.GARCH(dist="t"), self.returns[name].to_numpy())[0]

    def pair(self, name: str) -> PairFit:
        """DCC of the coin and a column, normal errors."""
        return fit_pair(np.stack([self.coin, self.z(name)], axis=1), "normal")

    @cached_property
    def coin(self) -> np.ndarray:
        """Residuals of the coin."""
        return self.z("COIN")

    @cached_property
    def path(self) -> np.ndarray:
        """Fisher z of the DCC path."""
        return np.arctanh(self.pair("SMALL_TECH").path)

    @cached_property
    def rolling(self) -> np.ndarray:
        """Fisher z of the rolling correlation of raw returns."""
        return np.arctanh(self.returns["COIN"].rolling(WINDOW).corr(self.returns["SMALL_TECH"]).to_numpy())


def slope_p(y: np.ndarray, x: np.ndarray, lags: int) -> float:
    """One-sided p-value of a positive slope with Newey-West errors."""
    seen = np.isfinite(y) & np.isfinite(x)
    fit = sm.OLS(y[seen], sm.add_constant(x[seen])).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    return float(stats.norm.sf(fit.tvalues[1]))


def varies(s: Sample) -> bool:
    """Likelihood ratio of DCC against a constant correlation, normal errors, chi2(2)."""
    fit = s.pair("SMALL_TECH")
    z = fit.likelihood.z
    rho = correlation(z[:, 0], z[:, 1])
    quadratic = (z[:, 0] ** 2 - 2 * rho * z[:, 0] * z[:, 1] + z[:, 1] ** 2) / (1 - rho**2)
    constant = -0.5 * np.sum(np.log(1 - rho**2) + quadratic)
    path = fit.path
    moving = -0.5 * np.sum(
        np.log(1 - path**2) + (z[:, 0] ** 2 - 2 * path * z[:, 0] * z[:, 1] + z[:, 1] ** 2) / (1 - path**2)
    )
    return bool(stats.chi2.sf(2 * (moving - constant), 2) <= 0.05)


def breaks(s: Sample) -> bool:
    """Sup-F for a break in the mean product of residuals, tabulated law."""
    product = pd.Series(s.coin * s.z("SMALL_TECH"), s.returns.index)
    return bool(ce.sup_wald_test(product, cov_type="nonrobust").pvalue <= 0.05)


def contrast_path(s: Sample, lags: int = 8) -> bool:
    """OLS of the DCC path on the episodes, Newey-West(8)."""
    return slope_p(s.path, s.inside, lags) <= 0.025


def contrast_rolling(s: Sample) -> bool:
    """t-test on 63-day rolling correlations."""
    seen = np.isfinite(s.rolling)
    first, second = s.rolling[seen & (s.inside == 1)], s.rolling[seen & (s.inside == 0)]
    return bool(stats.ttest_ind(first, second, equal_var=False, alternative="greater").pvalue <= 0.025)


def highest(s: Sample) -> bool:
    """The highest 63-day correlation lies inside an episode."""
    return bool(s.inside[int(np.nanargmax(s.rolling))] == 1.0)


def dose(s: Sample) -> bool:
    """OLS of the DCC path on the lagged 126-day relative move of tech, Newey-West(8)."""
    ratio = np.log(s.prices["TECH"] / s.prices["MARKET"])
    x = ratio.diff(126).abs().shift(1).loc[s.returns.index].to_numpy()
    return slope_p(s.path, x, 8) <= 0.025


def fisher(s: Sample) -> bool:
    """Fisher z of raw correlations inside and outside."""
    r, n = [], []
    for state in (1.0, 0.0):
        part = s.returns[s.inside == state]
        r.append(part["COIN"].corr(part["SMALL_TECH"]))
        n.append(len(part))
    z = (np.arctanh(r[0]) - np.arctanh(r[1])) / np.sqrt(1 / (n[0] - 3) + 1 / (n[1] - 3))
    return bool(stats.norm.sf(z) <= 0.025)


def steiger(s: Sample, first: tuple[str, str], second: tuple[str, str], shared: tuple[str, str]) -> bool:
    """Steiger's z of two dependent raw correlations, independent normal errors."""
    a, b, c = (s.returns[x].corr(s.returns[y]) for x, y in (first, second, shared))
    n, mean = len(s.returns), (a + b) / 2
    psi = c * (1 - 2 * mean**2) - 0.5 * mean**2 * (1 - 2 * mean**2 - c**2)
    z = (np.arctanh(a) - np.arctanh(b)) * np.sqrt((n - 3) / (2 - 2 * psi / (1 - mean**2) ** 2))
    return bool(stats.norm.sf(z) <= 0.025)


def moves(s: Sample) -> bool:
    """The 40 largest weekly moves of technology share their sign with the coin: binomial test."""
    weekly = np.log(s.prices[["COIN", "LARGE_TECH"]]).resample("W-FRI").last().diff().dropna()
    top = weekly.loc[weekly["LARGE_TECH"].abs().nlargest(40).index]
    agree = int((np.sign(top["COIN"]) == np.sign(top["LARGE_TECH"])).sum())
    return bool(stats.binomtest(agree, len(top), 0.5, alternative="greater").pvalue <= 0.025)


def driver(s: Sample) -> bool:
    """OLS of the DCC path on an unrelated persistent variable (autoregression of .98), Newey-West(8)."""
    x = np.zeros(s.path.size)
    for t, step in enumerate(s.rng.standard_normal(x.size)):
        x[t] = 0.98 * x[t - 1] + step if t else step
    return slope_p(s.path, x, 8) <= 0.025


def specific(s: Sample) -> bool:
    """Significant for technology and not for gold, OLS of DCC paths, Newey-West(8)."""
    gold = np.arctanh(s.pair("GOLD").path)
    return contrast_path(s) and slope_p(gold, s.inside, 8) > 0.025


def again(s: Sample) -> bool:
    """t-test on 63-day rolling correlations over the last 377 sessions."""
    seen = np.isfinite(s.rolling) & (np.arange(s.rolling.size) >= s.rolling.size - LATER)
    first, second = s.rolling[seen & (s.inside == 1)], s.rolling[seen & (s.inside == 0)]
    if min(first.size, second.size) < 4:
        return False
    return bool(stats.ttest_ind(first, second, equal_var=False, alternative="greater").pvalue <= 0.025)


Test = Callable[[Sample], bool]
_SMALL = partial(
    steiger, first=("COIN", "SMALL_TECH"), second=("COIN", "LARGE_TECH"), shared=("SMALL_TECH", "LARGE_TECH")
)
_COINS = partial(steiger, first=("COIN", "SMALL_TECH"), second=("ALTCOIN", "SMALL_TECH"), shared=("COIN", "ALTCOIN"))
WANDERING = World.nothing() + World.persistent()
WORLDS: dict[str, tuple[World, dict[str, tuple[str, Test]]]] = {
    "constant, t(4)": (
        World.nothing() + World.fat_tails(4),
        {"H0m": ("likelihood ratio of DCC against a constant, chi2", varies)},
    ),
    "DCC(.02, .97)": (
        WANDERING,
        {
            "H1": ("sup-F of the mean product, tabulated law", breaks),
            "H2": ("OLS of the DCC path on the episodes, Newey-West(8)", contrast_path),
            "H2p": ("the highest 63-day correlation lies inside", highest),
            "H2x": ("OLS of the DCC path on the dose, Newey-West(8)", dose),
            "H5": ("Steiger's z of raw correlations", _SMALL),
            "H6": ("Steiger's z of raw correlations", _COINS),
            "H8": ("signs of the 40 largest weekly moves, binomial", moves),
            "H9": ("OLS of the DCC path on a persistent driver, Newey-West(8)", driver),
            "H10": ("significant for technology, not for gold", specific),
            "H11": ("t-test on rolling correlations, later sample", again),
        },
    ),
    "volatility doubles inside": (World.volatility(2.0), {"H3": ("Fisher z of raw correlations", fisher)}),
    "market beta only": (
        World.market(0.35),
        {"H4": ("t-test on rolling correlations with small-cap technology", contrast_rolling)},
    ),
    "sell-offs only": (
        World.peaks(0.30, "down"),
        {"H7": ("t-test on rolling correlations, up and down pooled", contrast_rolling)},
    ),
}


def one_sample(task: tuple[str, np.random.SeedSequence]) -> dict[str, bool]:
    """Which tests confirm their hypothesis in one sample."""
    name, seed = task
    rng = np.random.default_rng(seed)
    world, tests = WORLDS[name]
    prices = world.simulate(rng)
    late = prices.index >= pd.Timestamp("2020-03-23")
    index = prices.index[late]
    press = ce.ReRating.press()
    inside = press.dummy(index).to_numpy(float)
    up = press.dummy(index, side="up").to_numpy(float)
    sample = Sample(prices, inside, np.where(inside == 1.0, np.where(up == 1.0, 1.0, -1.0), 0.0), rng)
    return {key: test(sample) for key, (_, test) in tests.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    samples = 3 if options.quick else options.samples
    rows = []
    for number, (name, (world, tests)) in enumerate(WORLDS.items()):
        seeds = spawn(np.random.SeedSequence(SEED, spawn_key=(number,)), samples)
        found = pd.DataFrame(map_draws(one_sample, [(name, seed) for seed in seeds], n_jobs=options.jobs))
        for key, (what, _) in tests.items():
            rows.append((key, what, name, str(world), samples, float(found[key].mean())))
    head = ["hypothesis", "naive test", "world", "effects", "samples", "confirms"]
    table = pd.DataFrame(rows, columns=head)
    print(table.to_string(index=False))
    if not options.quick:
        table.to_csv(RESULTS, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
