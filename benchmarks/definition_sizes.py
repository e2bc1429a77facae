"""Size of the headline test under every definition of a re-rating that is dated from prices.

Worlds without any effect: GARCH margins, multivariate t(6) shocks, CCC or DCC. The tested equity is the technology
column itself, the case in which dates read off prices do most harm. Each definition is judged three ways: dated again
in every draw of the bootstrap, left where it is in the same bootstrap, and by circular shift.

    python benchmarks/definition_sizes.py              # 300 worlds a definition and world (hours on one core)
    python benchmarks/definition_sizes.py --quick      # a smoke run
    python benchmarks/definition_sizes.py --definitions explosive --worlds 100

Results: ``benchmarks/results/definition_sizes.csv``. A world in which the definition finds no episode, or nothing else,
has no p-value; ``judged`` counts the others and ``empty draws`` is the mean share of draws without a contrast.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import cryptoequity as ce
from cryptoequity.claim.pipeline import UNDATED, Pipeline, Redating
from cryptoequity.claim.placement import shift_test
from cryptoequity.claim.world import NullWorld
from cryptoequity.estimation.bootstrap import pvalue
from cryptoequity.estimation.parallel import map_draws, spawn
from size_power import CALENDAR, CELLS, SPECS, WINDOW, simulate

HERE = Path(__file__).parent
WORLDS = {"ccc": CELLS["ccc.dated"], "dcc": CELLS["dcc.dated"]}
USED = ["CRYPTO", "TECH", "MARKET"]

Maker = Callable[[pd.Series, pd.Series], ce.ReRating]
DEFINITIONS: dict[str, Maker] = {
    "relative strength": ce.ReRating.from_relative_strength,
    "explosive": ce.ReRating.from_explosive,
    "explosive, pointwise": lambda tech, market: ce.ReRating.from_explosive(tech, market, critical="pointwise"),
    "cycle, Pagan-Sossounov": ce.ReRating.from_cycle,
    "cycle, Lunde-Timmermann": lambda tech, market: ce.ReRating.from_cycle(tech, market, method="lunde-timmermann"),
    "Markov": ce.ReRating.from_markov,
}


def one_world(task: tuple[str, str, int, np.random.SeedSequence]) -> dict[str, float]:
    """P-values of one definition in one world; NaN where the definition leaves nothing to compare."""
    definition, world, draws, seed = task
    full = simulate(WORLDS[world], np.random.default_rng(seed))[USED]
    level = 100.0 * np.exp(full.cumsum() / 100.0)
    out = dict.fromkeys(("redated", "fixed", "shift", "coverage", "empty draws", "undated draws"), float("nan"))
    try:
        episodes = DEFINITIONS[definition](level["TECH"], level["MARKET"])
    except ce.CryptoEquityError:
        return out
    path = np.log(level["TECH"] / level["MARKET"]).to_numpy()
    redating = Redating(episodes.dating, path, int(np.sum(CALENDAR < WINDOW[0])), 1, 2)
    window = full.loc[WINDOW]
    null = NullWorld.fit(window, {name: SPECS[name] for name in USED})
    signed = redating.signed(null.returns)
    dummy = np.abs(signed)
    out["coverage"] = float(dummy.mean())
    if not 0.0 < dummy.mean() < 1.0:
        return out
    pipeline = Pipeline(null, signed, redating, "t", 0, 1, minimal=True)
    observed, pairs = pipeline.observed()
    pipeline = replace(pipeline, warm={key: pair.optimum for key, pair in pairs.items()})
    for way, one in (("redated", pipeline), ("fixed", replace(pipeline, redating=None))):
        results = [one(child) for child in spawn(seed, draws)]
        law = np.array([result["score"] for result in results])
        out[way] = pvalue(observed["score"], law)
        if way == "redated":
            out["empty draws"] = float(np.mean(~np.isfinite(law)))
            out["undated draws"] = float(np.mean([UNDATED in result for result in results]))
    out["shift"] = shift_test(pairs[0, 1].score, dummy, what="score").pvalue
    return out


def main() -> None:
    """Run the cells asked for and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two worlds of 19 draws; nothing is written")
    parser.add_argument("--definitions", nargs="+", choices=list(DEFINITIONS), default=list(DEFINITIONS))
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--draws", type=int, default=99)
    parser.add_argument("--rng", type=int, default=20261122)
    parser.add_argument("--jobs", type=int, default=None)
    options = parser.parse_args()
    worlds, draws = (2, 19) if options.quick else (options.worlds, options.draws)
    rows = []
    for world in WORLDS:
        for definition in options.definitions:
            tasks = [(definition, world, draws, seed) for seed in spawn(options.rng, worlds)]
            found = pd.DataFrame(map_draws(one_world, tasks, n_jobs=options.jobs, progress=True, label=definition))
            judged = found["redated"].notna()
            row = {"world": world, "definition": definition, "worlds": worlds, "judged": int(judged.sum())}
            for way in ("redated", "fixed", "shift"):
                row[f"{way}, rejections at 5 %"] = float((found.loc[judged, way] <= 0.05).mean())
            row |= {name: float(found[name].mean()) for name in ("coverage", "empty draws", "undated draws")}
            rows.append(row)
            print(row, flush=True)
    if not options.quick:
        folder = HERE / "results"
        folder.mkdir(exist_ok=True)
        pd.DataFrame(rows).round(4).to_csv(folder / "definition_sizes.csv", index=False)


if __name__ == "__main__":
    main()
