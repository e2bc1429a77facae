"""Size and power of the tests of dependence in the tails, of joint jumps and of large moves.

    python benchmarks/dependence_sizes.py             # writes results/dependence_sizes.csv
    python benchmarks/dependence_sizes.py --quick     # few samples of the cheap p-values, prints only
    python benchmarks/dependence_sizes.py --jobs 2

Two assets, T = 1257 sessions (as from 23 March 2020 to 29 January 2025) and three spells that cover 72 % of them, or
five that cover 43 %. GARCH(1,1) margins with drift. Worlds:

* "dcc": joint t(6) shocks, DCC with a = .02, b = .97 around .3; nothing happens in spells. The size of every test but
  those of independence.
* "independent": the same without correlation, volatility clusters in either series. The size of the tests of
independence. * "skewed": a Clayton copula with normal margins, theta = 1. Power of the test of symmetry.
* "higher": correlation .25 outside and .50 inside, joint t(6). Power of the contrasts.
* "tails": joint t(3) inside, normal outside, the same correlation .3. Power of the contrasts when correlation is the
same. * "jumps": independent, and on 2 % of days both jump by 3 in one direction. Power of the counts.

Rejections at 5 % of every p-value, with the standard error of the share. Tests with p-values from draws take 99 draws.
"p-value by" "dcc" fits margins and DCC to every sample and the margins to every draw; it gets fewer samples.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.dependence.every_spell import every_spell_test
from cryptoequity.dependence.exceedance import hong_tu_zhou_test
from cryptoequity.dependence.jumps import cojump_episode_test, cojump_test
from cryptoequity.dependence.moves import move_concordance_test
from cryptoequity.dependence.pair_world import PairWorld, draw_law, filter_pair
from cryptoequity.dependence.tails import tail_equality_test
from cryptoequity.errors import CryptoEquityError
from cryptoequity.estimation.parallel import map_draws, spawn
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility import GARCH
from cryptoequity.volatility.garch import simulate_margin

RESULTS = Path(__file__).parent / "results"
NOBS, SEED, DRAWS = 1257, 20261123, 99
MARGIN = np.array([0.08, 0.05, 0.08, 0.90])  # mu, omega, alpha, beta: variance 2.5
DATES = pd.bdate_range("2020-03-23", periods=NOBS)
SPELLS = {
    "three": ((0, 433), (463, 666), (985, 1239)),
    "five": ((60, 170), (300, 410), (560, 670), (800, 910), (1090, 1190)),
}


def dummy(name: str) -> pd.Series:
    """Episodes by date."""
    out = pd.Series(0, DATES)
    for first, end in SPELLS[name]:
        out.iloc[first:end] = 1
    return out


def residuals(world: str, spells: str, rng: np.random.Generator) -> np.ndarray:
    """Standardized residuals (T, 2) of a world."""
    inside = dummy(spells).to_numpy() == 1
    if world == "dcc":
        target = np.array([[1.0, 0.3], [0.3, 1.0]])
        return dcc_simulate(0.02, 0.97, target, draw_shocks(rng, NOBS, 2, 6.0), target)
    if world in ("independent", "jumps"):
        z = np.stack([draw_shocks(rng, NOBS, 1, 6.0)[:, 0] for _ in range(2)], axis=1)
        if world == "jumps":
            days = rng.random(NOBS) < 0.02
            z[days] += 3.0 * rng.choice([-1.0, 1.0], (int(days.sum()), 1))
        return z
    if world == "skewed":
        u = rng.random((NOBS, 2))
        v = (u[:, 0] ** -1.0 * (u[:, 1] ** -0.5 - 1.0) + 1.0) ** -1.0  # conditional inverse, theta = 1
        return stats.norm.ppf(np.stack([u[:, 0], v], axis=1))
    rho = np.where(inside, 0.5, 0.25) if world == "higher" else np.full(NOBS, 0.3)
    e = draw_shocks(rng, NOBS, 2, 6.0)
    if world == "tails":
        e = np.where(inside[:, None], draw_shocks(rng, NOBS, 2, 3.0), draw_shocks(rng, NOBS, 2, 0.0))
    return np.stack([e[:, 0], rho * e[:, 0] + np.sqrt(1.0 - rho**2) * e[:, 1]], axis=1)


def sample(world: str, spells: str, rng: np.random.Generator) -> pd.DataFrame:
    """Percent returns (T, 2)."""
    z = residuals(world, spells, rng)
    y = [simulate_margin(GARCH(), MARGIN, np.ascontiguousarray(z[:, i]), 2.5)[0] for i in (0, 1)]
    return pd.DataFrame(np.stack(y, axis=1), DATES, ["COIN", "TECH"])


@dataclass(frozen=True)
class SpellLevels:
    """Mean product of residuals in each spell less that outside all, (K,)."""

    spells: str

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Levels of one sample."""
        product = z[:, 0] * z[:, 1]
        outside = product[dummy(self.spells).to_numpy() == 0].mean()
        return np.array([product[a:b].mean() - outside for a, b in SPELLS[self.spells]])


def every(returns: pd.DataFrame, spells: str, seed: int) -> dict[str, float]:
    """P-value of the intersection-union test, and whether any spell is called a counter-example."""
    world = PairWorld.fit(returns.to_numpy(), GARCH(dist="t"), "fhs")
    levels = SpellLevels(spells)
    law = draw_law(world, levels, DRAWS + 100, seed, 1, len(SPELLS[spells]))
    found = every_spell_test(levels(world.z), law)
    return {
        "every spell": found.pvalue,
        "every spell, any counter-example": 0.0 if found.detail["counter-examples"] else 1.0,
    }


def cheap(returns: pd.DataFrame, spells: str, seed: int) -> dict[str, float]:
    """P-values that need no model draws, of residuals of fitted margins or of returns."""
    x, y, when = returns["COIN"], returns["TECH"], dummy(spells)
    z = filter_pair(returns.to_numpy(), GARCH(dist="t"))
    u, v = pd.Series(z[:, 0], DATES), pd.Series(z[:, 1], DATES)
    out: dict[str, float] = {}
    for name, grid in (("0", (0.0,)), ("0, .25, .5", (0.0, 0.25, 0.5))):
        for variance in ("influence", "htz"):
            test = hong_tu_zhou_test(x, y, grid, pvalue="asymptotic", variance=variance)
            out[f"Hong-Tu-Zhou at {name}, chi2, variance {variance}"] = test.pvalue
        out[f"Hong-Tu-Zhou at {name}, block"] = hong_tu_zhou_test(x, y, grid, draws=DRAWS, rng=seed).pvalue
    for measure in ("chi", "copula"):
        for how in ("block", "shift") if measure == "chi" else ("block",):
            test = tail_equality_test(u, v, when, measure=measure, pvalue=how, draws=DRAWS, rng=seed)
            out[f"tail equality, {measure}, {how}"] = test.pvalue
    for how in ("block", "shift"):
        out[f"joint jumps inside, {how}"] = cojump_episode_test(u, v, when, pvalue=how, draws=DRAWS, rng=seed).pvalue
    for how in ("shift", "hypergeometric"):
        out[f"joint jumps, {how}, residuals"] = cojump_test(u, v, pvalue=how).pvalue
        out[f"joint jumps, {how}, returns"] = cojump_test(x, y, pvalue=how).pvalue
    for how in ("shift", "binomial"):
        out[f"large moves, {how}"] = move_concordance_test(x, y, events=20, pvalue=how).pvalue
    return out


def drawn(returns: pd.DataFrame, spells: str, seed: int) -> dict[str, float]:
    """P-values from samples of the fitted margins and DCC."""
    law = GARCH(dist="t")
    x, y, when = returns["COIN"], returns["TECH"], dummy(spells)
    options = {"margins": law, "pvalue": "dcc", "draws": DRAWS, "rng": seed, "n_jobs": 1}
    return {
        "Hong-Tu-Zhou at 0, .25, .5, dcc": hong_tu_zhou_test(x, y, (0.0, 0.25, 0.5), **options).pvalue,
        "tail equality, chi, dcc": tail_equality_test(x, y, when, **options).pvalue,
        "joint jumps inside, dcc": cojump_episode_test(x, y, when, **options).pvalue,
        "joint jumps, dcc": cojump_test(x, y, **options).pvalue,
        **every(returns, spells, seed),
    }


@dataclass(frozen=True)
class Study:
    """All p-values of one sample, as a picklable task; a test that refuses a sample counts as failed."""

    world: str
    spells: str
    measure: Callable[[pd.DataFrame, str, int], dict[str, float]]

    def __call__(self, seed: np.random.SeedSequence) -> dict[str, float]:
        """P-values by test."""
        returns = sample(self.world, self.spells, np.random.default_rng(seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return self.measure(returns, self.spells, int(seed.generate_state(1)[0]))
            except CryptoEquityError as error:
                return {f"failed: {type(error).__name__}": 0.0}


CELLS = (
    ("dcc", "three"), ("dcc", "five"), ("independent", "three"),
    ("skewed", "three"), ("higher", "five"), ("tails", "five"), ("jumps", "three"),
)  # fmt: skip


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few samples of the cheap p-values, nothing written")
    parser.add_argument("--samples", type=int, default=400, help="samples of the cheap p-values")
    parser.add_argument("--drawn", type=int, default=200, help="samples of the p-values from the fitted DCC")
    parser.add_argument("--jobs", type=int, default=None)
    options = parser.parse_args(arguments)
    plan = [(cheap, 10 if options.quick else options.samples)]
    if not options.quick:
        plan.append((drawn, options.drawn))
    rows = []
    for number, (world, spells) in enumerate(CELLS):
        for measure, count in plan:
            seeds = spawn(np.random.SeedSequence([SEED, number]), count)
            found = pd.DataFrame(map_draws(Study(world, spells, measure), seeds, n_jobs=options.jobs))
            for name in found.columns:
                values = found[name].dropna()
                share = float((values <= 0.05).mean())
                rows.append(
                    {
                        "world": world,
                        "spells": spells,
                        "test": name,
                        "rejections at 5%": share,
                        "standard error": float(np.sqrt(share * (1.0 - share) / len(values))),
                        "samples": len(values),
                    }
                )
    table = pd.DataFrame(rows)
    print(table.to_string(index=False, float_format="%.3f"))
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        table.to_csv(RESULTS / "dependence_sizes.csv", index=False, float_format="%.4f")
    return table


if __name__ == "__main__":
    main()
