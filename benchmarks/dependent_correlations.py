"""Size of tests that two equities correlate alike with a coin, of the best-sector set, and of the specification curve.

    python benchmarks/dependent_correlations.py            # writes results/dependent_correlations.csv
    python benchmarks/dependent_correlations.py --quick    # 20 samples a cell, prints only

T = 1000. Paired and set: three columns (five for the set) with equal correlations .35 with the coin and .7 among the
equities; shocks normal or joint t(5); GARCH(.08, .90) volatilities with estimated margins; correlations constant or a
DCC with (a, b) = (.02, .97). "rejects" is the share of samples in which a true null is rejected at a two-sided 5 %
(for the set: in which a tied sector is left out of the 95 % set). Specification curve: three spells of 120 sessions,
a coin with three equities and one definition moved by five steps, one-sided 5 % by all rotations.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from cryptoequity.claim.headline import prepare
from cryptoequity.claim.paired import dependent_correlations_test
from cryptoequity.claim.plan import Plan
from cryptoequity.claim.rerating import ReRating
from cryptoequity.claim.sectors import best_sector_test
from cryptoequity.claim.specifications import STATISTICS, SpecificationCurve
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility import GARCH
from cryptoequity.volatility.garch import simulate_margin

RESULTS = Path(__file__).parent / "results"
NOBS, SEED = 1000, 20261122
MARGIN = np.array([0.05, 0.05, 0.08, 0.90])
SHOCKS = {"normal": 0.0, "t(5)": 5.0}
PATHS = {"constant": (0.0, 0.0), "DCC(.02, .97)": (0.02, 0.97)}
PAIRED = ("steiger", "williams", "hac", "bootstrap", "dcc")
DRAWS = {"bootstrap": 199, "dcc": 99}


def sample(width: int, nu: float, path: tuple[float, float], rng: np.random.Generator) -> pd.DataFrame:
    """Percent returns of a coin and ``width`` equities that all correlate alike with it."""
    n = width + 1
    target = np.full((n, n), 0.7)
    target[0], target[:, 0] = 0.35, 0.35
    np.fill_diagonal(target, 1.0)
    u = rng.standard_normal((NOBS, n))
    if nu > 0.0:
        u *= np.sqrt((nu - 2.0) / rng.chisquare(nu, (NOBS, 1)))
    z = dcc_simulate(*path, target, u, target)
    start = MARGIN[1] / (1.0 - MARGIN[2] - MARGIN[3])
    columns = [simulate_margin(GARCH(), MARGIN, np.ascontiguousarray(z[:, i]), start)[0] for i in range(n)]
    index = pd.bdate_range("2018-01-02", periods=NOBS, name="date")
    return pd.DataFrame(np.stack(columns, axis=1), index, ["COIN", *(f"E{i}" for i in range(width))])


def paired(returns: pd.DataFrame, how: str, seed: int) -> bool:
    """Whether the true null of equal correlations falls."""
    test = dependent_correlations_test(
        returns, "COIN", "E0", "E1", pvalue=how, side="two", draws=DRAWS.get(how, 99), rng=seed
    )
    return test.pvalue <= 0.05


def left_out(returns: pd.DataFrame, how: str, seed: int) -> bool:
    """Whether one of the tied sectors is missing from the 95 % set."""
    names = list(returns.columns[1:])
    test = best_sector_test(returns, "COIN", names, pvalue=how, draws=DRAWS[how], rng=seed)
    return len(test.members) < len(names)


def curve(returns: pd.DataFrame) -> dict[str, bool]:
    """Whether the joint tests of the specification curve reject, by statistic."""
    index = pd.DatetimeIndex(returns.index)
    spells = [(index[a], index[a + 119], 1) for a in (150, 420, 700)]
    plan = Plan(
        crypto="COIN",
        equity="E0",
        large="E1",
        market="E2",
        episodes=ReRating.from_dates(spells),
        break_date=None,
        draws=19,
    )
    found = SpecificationCurve.fit(plan, prepare(returns, plan)).joint.loc["fixed"]["pvalue"]
    return {name: bool(found[name] <= 0.05) for name in STATISTICS}


def measure(samples: int, model_samples: int) -> pd.DataFrame:
    """All cells."""
    rows = []
    for shocks, nu in SHOCKS.items():
        for path, ab in PATHS.items():
            hits: dict[tuple[str, str], list[bool]] = {}
            for k in range(samples):
                rng = np.random.default_rng([SEED, k])
                returns = sample(2, nu, ab, rng)
                for how in PAIRED:
                    if how != "dcc" or k < model_samples:
                        hits.setdefault(("paired", how), []).append(paired(returns, how, k))
                wide = sample(4, nu, ab, rng)
                for how in DRAWS:
                    if how != "dcc" or k < model_samples:
                        hits.setdefault(("best sector", how), []).append(left_out(wide, how, k))
                for name, hit in curve(wide).items():
                    hits.setdefault(("specification curve", name), []).append(hit)
            for (test, how), found in hits.items():
                rows.append((test, how, shocks, path, float(np.mean(found)), len(found)))
    return pd.DataFrame(rows, columns=["test", "law", "shocks", "correlation", "rejects", "samples"])


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Size of paired tests, best-sector sets and specification curves.")
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # margins of some samples end on a bound
        table = measure(20, 3) if quick else measure(400, 100)
    print(table.to_string(index=False))
    if not quick:
        table.to_csv(RESULTS / "dependent_correlations.csv", index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
