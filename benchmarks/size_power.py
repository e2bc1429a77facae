"""Size and power of the headline test and of the tests it replaces, over simulated worlds.

Every world is a sample of daily percent returns with GARCH margins and multivariate t(6) shocks. The
headline test re-estimates everything in every bootstrap draw: margins, DCC, the episodes when they were
dated from the data, and the score statistic.

    python benchmarks/size_power.py              # all cells, 400 worlds each (hours on one core)
    python benchmarks/size_power.py --quick      # a smoke run
    python benchmarks/size_power.py --cells dcc.fixed step.fixed --worlds 1000

Results: ``benchmarks/results/size_power.csv`` and, for the rates printed beside the naive tests,
``src/cryptoequity/claim/measured.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import cryptoequity as ce
from cryptoequity.claim.level import Level, LevelWorld, find_break, level_contrast, level_draws
from cryptoequity.claim.naive import naive_pvalues
from cryptoequity.claim.pipeline import Pipeline, Redating
from cryptoequity.claim.placement import placebo_test, shift_test
from cryptoequity.claim.statistics import correlation
from cryptoequity.claim.world import NullWorld, residuals
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.estimation.bootstrap import null_interval, pvalue
from cryptoequity.estimation.parallel import map_draws, spawn
from cryptoequity.kernels.dcc import dcc_simulate, pair_shift_simulate
from cryptoequity.volatility.garch import simulate_margin

HERE = Path(__file__).parent
CRYPTO, EQUITY, TECH, MARKET = range(4)
NAMES = ["CRYPTO", "EQUITY", "TECH", "MARKET"]
SPECS = {
    "CRYPTO": ce.GARCH(dist="t"),
    "EQUITY": ce.GARCH(asymmetric=True, dist="t"),
    "TECH": ce.GARCH(asymmetric=True, dist="t"),
    "MARKET": ce.GARCH(asymmetric=True, dist="t"),
}
# daily percent, close to fits of bitcoin, small-cap tech, large-cap tech and the market
THETA = {
    "CRYPTO": np.array([0.10, 0.3675, 0.09, 0.88]),
    "EQUITY": np.array([0.035, 0.0867, 0.03, 0.10, 0.89]),
    "TECH": np.array([0.04, 0.0631, 0.03, 0.12, 0.88]),
    "MARKET": np.array([0.03, 0.0363, 0.03, 0.14, 0.87]),
}
VARIANCE = {"CRYPTO": 12.25, "EQUITY": 2.89, "TECH": 2.1, "MARKET": 1.21}
TARGET = np.array([[1.0, 0.30, 0.30, 0.25], [0.30, 1.0, 0.80, 0.82], [0.30, 0.80, 1.0, 0.92], [0.25, 0.82, 0.92, 1.0]])
NU = 6.0
# the press dates as business days: 2016–2024 in all, the tested window from 23 March 2020
CALENDAR = pd.bdate_range("2016-01-04", "2025-01-29")
WINDOW = CALENDAR[CALENDAR >= "2020-03-23"]
PRESS = ce.ReRating.press()


@dataclass(frozen=True)
class Cell:
    """One world and one way of having episodes.

    ``a, b`` of the DCC (0, 0 is CCC); ``delta`` of the episodes; ``step`` makes correlation rise from .02 to
    .40 once, in March 2020; ``dated`` from the data by the relative-strength rule instead of a fixed list;
    ``levels`` also runs the tests of H1, H5 and H6.
    """

    name: str
    a: float
    b: float
    delta: float = 0.0
    step: bool = False
    dated: bool = False
    levels: bool = False


CELLS = {
    cell.name: cell
    for cell in (
        Cell("ccc.fixed", 0.0, 0.0, levels=True),
        Cell("dcc.fixed", 0.02, 0.97, levels=True),
        Cell("fast-dcc.fixed", 0.05, 0.90, levels=True),
        Cell("step.fixed", 0.0, 0.0, step=True, levels=True),
        Cell("step-dcc.fixed", 0.02, 0.95, step=True),
        Cell("ccc.dated", 0.0, 0.0, dated=True, levels=True),
        Cell("dcc.dated", 0.02, 0.97, dated=True, levels=True),
        Cell("step.dated", 0.0, 0.0, step=True, dated=True),
        Cell("power.15.fixed", 0.02, 0.97, delta=0.15),
        Cell("power.25.fixed", 0.02, 0.97, delta=0.25),
        Cell("power.35.fixed", 0.02, 0.97, delta=0.35),
        Cell("power.15.fixed-ccc", 0.0, 0.0, delta=0.15),
        Cell("power.25.fixed-ccc", 0.0, 0.0, delta=0.25),
    )
}


def returns_of(z: np.ndarray, names: list[str]) -> np.ndarray:
    """Percent returns (T, N) from standardized residuals."""
    return np.stack(
        [simulate_margin(SPECS[n], THETA[n], z[:, i].copy(), VARIANCE[n])[0] for i, n in enumerate(names)], axis=1
    )


def simulate(cell: Cell, rng: np.random.Generator) -> pd.DataFrame:
    """Full calendar of percent returns: 2 columns, or 4 when the episodes are dated from the data."""
    nobs, names = len(CALENDAR), NAMES if cell.dated else NAMES[:2]
    n = len(names)
    post = np.asarray(CALENDAR >= "2020-03-23")
    target = TARGET[:n, :n].copy()
    shocks = draw_shocks(rng, nobs, n, NU)
    if cell.delta:
        dummy = PRESS.dummy(CALENDAR).to_numpy()
        shift = cell.delta * np.where(post, dummy - dummy[post].mean(), 0.0)
        z, _ = pair_shift_simulate(cell.a, cell.b, target[0, 1], shocks, shift)
    elif cell.step:
        parts = []
        for part, level in ((~post, 0.02), (post, 0.40)):
            before = target.copy()
            before[0, 1:] = before[1:, 0] = level * target[0, 1:] / target[0, 1]
            parts.append(dcc_simulate(cell.a, cell.b, before, shocks[part], before))
        z = np.concatenate(parts)
    else:
        z = dcc_simulate(cell.a, cell.b, target, shocks, target)
    return pd.DataFrame(returns_of(z, names), CALENDAR, names)


def one_world(task: tuple[Cell, int, np.random.SeedSequence]) -> dict[str, float]:
    """P-values and estimates in one world."""
    cell, draws, seed = task
    rng = np.random.default_rng(seed)
    full = simulate(cell, rng)
    window = full.loc[WINDOW]
    redating = None
    if cell.dated:
        level = 100.0 * np.exp(full.cumsum() / 100.0)
        episodes = ce.ReRating.from_relative_strength(level["TECH"], level["MARKET"])
        ratio = np.log(level["TECH"] / level["MARKET"]).to_numpy()
        redating = Redating(episodes.dating, ratio, int(np.argmax(CALENDAR >= WINDOW[0])), TECH, MARKET)
        signed = redating.dating.signed(ratio)[-len(window) :]
        whole = np.abs(redating.dating.signed(ratio))
    else:
        signed = PRESS.dummy(WINDOW).to_numpy()
        whole = PRESS.dummy(CALENDAR).to_numpy()
    if not 0 < np.abs(signed).sum() < signed.size:
        return {"untestable": 1.0}
    world = NullWorld.fit(window, SPECS)
    pipeline = Pipeline(world, signed, redating, "t", CRYPTO, EQUITY, minimal=True)
    stats, fits = pipeline.observed()
    pipeline = Pipeline(
        world, signed, redating, "t", CRYPTO, EQUITY, minimal=True, warm={k: f.optimum for k, f in fits.items()}
    )
    null = [pipeline(child) for child in spawn(seed, draws)]
    out = {"untestable": 0.0, "coverage": float(np.abs(signed).mean())}
    for name in ("score", "correlation", "product") if draws else ():
        values = np.array([draw[name] for draw in null])
        out[f"bootstrap {name}"] = pvalue(stats[name], values)
        if name == "correlation":
            low, high = null_interval(stats[name], values)
            out["interval covers"] = float(low <= cell.delta <= high)
            out["estimate"] = stats[name]
    dummy = np.abs(signed)
    pair = fits[CRYPTO, EQUITY]
    product = world.z[:, CRYPTO] * world.z[:, EQUITY]
    for kind in ("circular", "linear"):
        out[f"{kind} shift, score"] = shift_test(pair.score, dummy, kind=kind).pvalue
        out[f"{kind} shift, product"] = shift_test(product, dummy, kind=kind).pvalue
    if not cell.dated:
        test = placebo_test(pair.score, PRESS, WINDOW, draws=199, rng=seed.spawn(1)[0])
        out["placebo episodes, score"] = test.pvalue
    out["level contrast, product (cosine t)"] = level_contrast(product, dummy).pvalue
    for name, value in naive_pvalues(window["CRYPTO"], window["EQUITY"], pd.Series(dummy, WINDOW)).items():
        out[f"naive: {name}"] = value
    if cell.levels and draws:
        out.update(level_pvalues(cell, full, world, draws, seed))
    if cell.step:
        for name, value in naive_pvalues(full["CRYPTO"], full["EQUITY"], pd.Series(whole, CALENDAR)).items():
            out[f"naive, full sample: {name}"] = value
    return out


def level_pvalues(
    cell: Cell, full: pd.DataFrame, world: NullWorld, draws: int, seed: np.random.SeedSequence
) -> dict[str, float]:
    """P-values of H1's break and of H5's and H6's paired difference, as the verdict computes them."""
    if cell.dated:
        # EQUITY and TECH are equally correlated with CRYPTO in every world: the null of H5 and H6
        pairs = ((CRYPTO, EQUITY), (CRYPTO, TECH))
        values = level_draws(LevelWorld(world, pairs, (None, None), len(WINDOW)), spawn(seed.spawn(1)[0], draws))
        gap = correlation(world.z[:, 0], world.z[:, 1]) - correlation(world.z[:, 0], world.z[:, 2])
        return {"paired difference": Level(gap, values[:, 0] - values[:, 1]).upper_pvalue()}
    late = np.asarray(full.index >= WINDOW[0])
    z = np.stack([residuals(SPECS[name], full[name].to_numpy())[0] for name in NAMES[:2]], axis=1)
    step = LevelWorld(world, ((0, 1), (0, 1)), (late, ~late), len(full), with_break=True)
    values = level_draws(step, spawn(seed.spawn(1)[0], draws))
    estimate = correlation(z[late, 0], z[late, 1]) - correlation(z[~late, 0], z[~late, 1])
    label = "power of the " if cell.step else ""
    return {
        f"{label}step at a known date": pvalue(estimate, values[:, 0] - values[:, 1]),
        f"{label}step at an unknown date": pvalue(find_break(z[:, 0] * z[:, 1]).statistic, values[:, 2]),
    }


def run(cells: list[str], worlds: int, draws: int, n_jobs: int, seed: int) -> pd.DataFrame:
    """Rejection rates by cell and test."""
    rows = []
    for name in cells:
        cell = CELLS[name]
        begun = time.perf_counter()
        key = np.random.SeedSequence([seed, sorted(CELLS).index(name)])
        tasks = [(cell, draws, child) for child in spawn(key, worlds)]
        table = pd.DataFrame(map_draws(one_world, tasks, n_jobs=n_jobs, progress=True, label=name, chunk=5))
        usable = table[table["untestable"] == 0.0]
        for column in usable.columns.drop("untestable"):
            values = usable[column].dropna()
            is_rate = column not in ("coverage", "interval covers", "estimate")
            rows.append(
                {
                    "cell": name,
                    "a": cell.a,
                    "b": cell.b,
                    "delta": cell.delta,
                    "test": column,
                    "worlds": len(values),
                    "draws": draws,
                    "rate at 5 %": float((values <= 0.05).mean()) if is_rate else float("nan"),
                    "rate at 10 %": float((values <= 0.10).mean()) if is_rate else float("nan"),
                    "mean": float("nan") if is_rate else float(values.mean()),
                    "sd": float(values.std()) if column == "estimate" else float("nan"),
                }
            )
        print(f"{name}: {len(usable)} of {worlds} worlds, {time.perf_counter() - begun:.0f} s", flush=True)
        mine = pd.DataFrame([row for row in rows if row["cell"] == name])
        print(mine[["test", "rate at 5 %", "rate at 10 %", "mean", "sd"]].to_string(index=False), flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Parse the command line, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two cells, 4 worlds, 19 draws, nothing written")
    parser.add_argument("--cells", nargs="*", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--draws", type=int, default=199, help="0: only the tests that need no bootstrap")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args()
    if options.quick:
        run(["dcc.fixed", "ccc.dated"], 4, 19, 1, options.seed)
        return
    table = run(options.cells, options.worlds, options.draws, options.jobs, options.seed)
    path = HERE / "results" / "size_power.csv"
    path.parent.mkdir(exist_ok=True)
    if path.exists():
        old = pd.read_csv(path)
        again = set(zip(table["cell"], table["test"], strict=True))
        kept = [pair not in again for pair in zip(old["cell"], old["test"], strict=True)]
        table = pd.concat([old[kept], table])
    table["order"] = table["cell"].map({name: i for i, name in enumerate(CELLS)})
    table = table.sort_values("order", kind="stable").drop(columns="order")
    table.to_csv(path, index=False, float_format="%.4f", lineterminator="\n")
    write_measured(table)


def write_measured(table: pd.DataFrame) -> None:
    """The rates a verdict prints beside the naive tests: worst and best over the null cells."""
    powers = table["test"].str.startswith("power of")
    nulls = table[(table["delta"] == 0.0) & table["rate at 5 %"].notna() & ~powers]
    rates = {}
    for test, group in nulls.groupby("test"):
        rates[str(test)] = {
            "low": round(float(group["rate at 5 %"].min()), 3),
            "high": round(float(group["rate at 5 %"].max()), 3),
            "worlds": int(group["worlds"].min()),
            "cells": list(group["cell"]),
        }
    covers = table[table["test"] == "interval covers"]
    rates["interval covers"] = {
        "low": round(float(covers["mean"].min()), 3),
        "high": round(float(covers["mean"].max()), 3),
        "worlds": int(covers["worlds"].min()),
        "cells": list(covers["cell"]),
    }
    path = HERE.parent / "src" / "cryptoequity" / "claim" / "measured.json"
    path.write_text(json.dumps(rates, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
