"""What the library says in worlds whose truth is known: counts of each verdict by world and hypothesis.

Some worlds hold the claim, some hold nothing, and most are built to fool: a step that the episodes all come after,
volatility without a link, market beta, index holdings, episodes dated from the tested prices, common crashes, sell-offs
alone. The column to read is ``supported`` where ``holds`` is not True.

    python benchmarks/truth_table.py                          # all worlds
    python benchmarks/truth_table.py --list                   # the worlds, their truth and what a sample costs
    python benchmarks/truth_table.py --worlds step volatility --samples 50
    python benchmarks/truth_table.py --quick                  # two samples of 19 draws in four worlds, nothing written

Finished samples are appended to ``benchmarks/results/truth_table.jsonl``, so an interrupted run goes on where it was;
lines of another plan, world, seed or number of draws are not used. Samples that a former state of the library drew are
used and counted aloud: delete the file after a change that matters. Results: ``benchmarks/results/truth_table.csv`` and
``truth_mde.csv`` (the smallest detectable effect the verdicts print, against the one of the simulated power curve).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, stats

import cryptoequity as ce
from cryptoequity.claim import evidence, verdict
from cryptoequity.claim.design import OneSample, Power
from cryptoequity.claim.detectable import Detectable
from cryptoequity.claim.hypotheses import VERDICTS, Evidence, not_testable
from cryptoequity.claim.worlds import World
from cryptoequity.estimation.parallel import map_draws, spawn

RESULTS = Path(__file__).parent / "results"
BREAK = "2020-03-23"
PRESS = ce.ReRating.press()
# the tested window alone: no break to look at, and half the cost of the margins
AFTER: dict[str, Any] = {"start": BREAK, "break_date": None, "market": "MARKET"}
ALONE: dict[str, Any] = {"start": BREAK, "break_date": None}
WHOLE: dict[str, Any] = {"break_date": BREAK, "market": "MARKET"}
EVERYTHING: dict[str, Any] = {
    **WHOLE,
    "large": "LARGE_TECH",
    "altcoins": ("ALTCOIN",),
    "placebos": ("GOLD",),
}


@dataclass(frozen=True)
class Case:
    """A world and the plan asked in it.

    ``share`` of the samples, fewer where less is at stake; ``dated`` by relative strength; ``movement`` where H0m is
    asked too; ``mde`` where the smallest detectable effect is simulated, which enters no verdict.
    """

    world: World
    plan: dict[str, Any] = field(default_factory=lambda: dict(AFTER))
    share: float = 1.0
    dated: bool = False
    mde: bool = False
    movement: bool = False

    @property
    def cost(self) -> float:
        """CPU-seconds a sample with 119 draws, roughly, as timed on one core of a laptop."""
        seconds = 1.4 + 0.6 * (self.plan["break_date"] is not None) + 0.4 * (self.plan["break_date"] == "estimate")
        return seconds + 0.7 * sum(name in self.plan for name in ("large", "altcoins", "placebos")) + 1.2 * self.mde


@dataclass(frozen=True, eq=False)
class Bare(OneSample):
    """A sample without what no verdict depends on: specification curve, naive and placement tests, perhaps the MDE.

    All of these have seeds of their own or none, so every other number stays.
    """

    reach: bool = True
    movement: bool = True

    def __call__(self, seed: np.random.SeedSequence) -> list[dict[str, Any]]:
        """As `OneSample`."""
        kept = (evidence.detectable_effect, evidence._placement, verdict.specification_curve, verdict._naive)
        moving = (evidence.Constancy, evidence.varies)
        if not self.movement:
            evidence.Constancy, evidence.varies = _NoStatistics, _not_asked
        if not self.reach:
            evidence.detectable_effect = _unknown_reach
        evidence._placement = _nothing
        verdict.specification_curve = verdict._naive = _empty
        try:
            return super().__call__(seed)
        finally:
            evidence.detectable_effect, evidence._placement, verdict.specification_curve, verdict._naive = kept
            evidence.Constancy, evidence.varies = moving


class _NoStatistics:
    """An extra of the pipeline without statistics."""

    names: tuple[str, ...] = ()

    def __init__(self, *_: Any) -> None:
        pass

    def __call__(self, *_: Any) -> dict[str, float]:
        """Nothing."""
        return {}


def _not_asked(*_: Any, **__: Any) -> Evidence:
    return not_testable("H0m", "not asked in this world.")


def _nothing(*_: Any, **__: Any) -> dict[str, Any]:
    return {}


def _empty(*_: Any, **__: Any) -> pd.DataFrame:
    return pd.DataFrame()


def _unknown_reach(*_: Any, **__: Any) -> Detectable:
    nan = (math.nan, math.nan)
    return Detectable(math.nan, 0.8, nan, nan, nan)


def _rule() -> ce.ReRating:
    """Return episodes by relative strength; every sample dates them again from its own prices."""
    prices = World.nothing().simulate(0)
    return ce.ReRating.from_relative_strength(prices["TECH"], prices["MARKET"])


WANDER = World.persistent(0.02, 0.97)
CASES: dict[str, Case] = {
    "step": Case(World.step(), WHOLE),
    "volatility": Case(World.step() + World.volatility(2.0)),
    "sell-offs": Case(World.step() + World.peaks(0.30, "down"), ALONE),
    "crashes": Case(World.step() + World.crashes(8, 4.0), {**ALONE, "tech": "TECH"}),
    "unrelated peaks": Case(World.step() + World.unrelated(0.30), ALONE),
    "index holdings in episodes": Case(
        World.step() + World.contamination(0.05, "episodes"),
        {**ALONE, "large": "LARGE_TECH", "holders": ("HOLDER",)},
    ),
    "peaks .25": Case(World.step() + World.peaks(0.25), {**AFTER, "tech": "TECH"}, mde=True, movement=True),
    "market": Case(World.step() + World.market(0.35)),
    "volatility clusters, dated": Case(World.step() + World.clusters(2.0, 60), {**AFTER, "tech": "TECH"}, dated=True),
    "small and coin": Case(
        World.step() + World.small(0.10) + World.altcoins(0.10),
        {**ALONE, "large": "LARGE_TECH", "altcoins": ("ALTCOIN",)},
    ),
    "wandering": Case(WANDER, {**WHOLE, "large": "LARGE_TECH", "placebos": ("GOLD",)}, movement=True),
    "step, estimated": Case(World.step(), {**WHOLE, "break_date": "estimate"}),
    "index holdings": Case(
        World.step() + World.contamination(0.05),
        {**ALONE, "large": "LARGE_TECH", "holders": ("HOLDER",)},
    ),
    "dose, dated": Case(World.step() + World.dose(0.15), {**AFTER, "tech": "TECH"}, dated=True, share=0.5),
    "peaks .35": Case(World.step() + World.peaks(0.35), mde=True, share=0.5),
    "peaks .15": Case(World.step() + World.peaks(0.15), mde=True, share=0.5),
    "wandering, peaks .35": Case(
        WANDER + World.step() + World.peaks(0.35), {**AFTER, "tech": "TECH", "placebos": ("GOLD",)}, share=0.5
    ),
    "wandering, dated": Case(WANDER, {**AFTER, "tech": "TECH"}, share=0.5, dated=True),
    "wandering, fat tails": Case(WANDER + World.fat_tails(4.0), share=0.5),
    "nothing": Case(World.nothing(), EVERYTHING, share=0.5, movement=True),
    "coin leads": Case(World.step() + World.leads(0.20), share=0.5),
    "late closes": Case(World.step() + World.closes(8.0), share=0.5),
    "trend": Case(World.trend(), WHOLE, share=0.5),
    "rises": Case(World.step() + World.peaks(0.30, "up"), share=0.5),
    "step, ignored": Case(World.step(), {**WHOLE, "break_date": None}, share=0.5),
}


def plan_of(case: Case, draws: int) -> ce.Plan:
    """The plan asked in a world."""
    episodes = _rule() if case.dated else PRESS
    return ce.Plan(crypto="COIN", equity="SMALL_TECH", episodes=episodes, draws=draws, **case.plan)


def key_of(plan: ce.Plan, world: World, seed: int) -> str:
    """Hash of everything a sample depends on but its number."""
    content = json.dumps([plan.to_dict(), world.to_dict(), seed], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def code_hash() -> str:
    """Hash of the library's source, kept with every sample."""
    digest = hashlib.sha256()
    for one in sorted(Path(ce.__file__).parent.rglob("*.py")):
        digest.update(one.read_bytes())
    return digest.hexdigest()[:12]


def finished(path: Path, key: str) -> dict[int, list[dict[str, Any]]]:
    """Samples of this key that a former run wrote; a torn last line is passed over."""
    done: dict[int, list[dict[str, Any]]] = {}
    now, other = code_hash(), 0
    if not path.exists():
        return done
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            one = json.loads(line)
        except json.JSONDecodeError:
            continue
        if one["key"] == key:
            done[one["sample"]] = one["records"]
            other += one.get("code") != now
    if other:
        print(f"  {other} samples on disk were drawn by another state of the library", flush=True)
    return done


def run_case(name: str, samples: int, draws: int, jobs: int, seed: int, path: Path | None) -> Power:
    """Every sample of a world that is not on disk yet, and what all of them say."""
    case = CASES[name]
    plan, wanted = plan_of(case, draws), max(1, round(samples * case.share))
    code = code_hash()
    task, key = Bare(plan, case.world, reach=case.mde, movement=case.movement), key_of(plan, case.world, seed)
    # a sample's seed depends on its world and number, not on how many are drawn
    seeds = spawn(np.random.SeedSequence([seed, int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)]), wanted)
    done = {} if path is None else finished(path, key)
    left = [k for k in range(wanted) if k not in done]
    begun, size = time.perf_counter(), max(2, 5 * jobs)
    for first in range(0, len(left), size):
        part = left[first : first + size]
        results = map_draws(task, [seeds[k] for k in part], n_jobs=jobs, label=name, chunk=1)
        done.update(zip(part, results, strict=True))
        if path is not None:
            with path.open("a", encoding="utf-8") as stream:
                for k, records in zip(part, results, strict=True):
                    line = {"world": name, "key": key, "code": code, "sample": k, "records": records}
                    stream.write(json.dumps(line) + "\n")
    spent = time.perf_counter() - begun
    power = Power.of(plan, case.world, [done[k] for k in range(wanted)])
    each = f"{spent * jobs / len(left):.1f} worker-seconds a sample" if left else "all from disk"
    print(f"{name}: {wanted} samples, {len(left)} drawn now, {spent:.0f} s, {each}", flush=True)
    frame = power.to_frame()
    if len(frame):
        print(frame[["holds", "contrast", *VERDICTS, "rejects", "estimate", "covers"]].round(2).to_string(), flush=True)
    for text in sorted(set(power.failures)):
        print(f"  failed {power.failures.count(text)} times: {text}", flush=True)
    return power


def rows_of(name: str, power: Power) -> list[dict[str, Any]]:
    """Rows of the truth table."""
    rows = []
    for hypothesis, row in power.to_frame().iterrows():
        rows.append(
            {
                "world": name,
                "effects": str(power.world),
                "hypothesis": hypothesis,
                "holds": row["holds"],
                "effect": row["effect"],
                "contrast": row["contrast"],
                "samples": int(row["n"]),
                "failed": len(power.failures),
                "draws": power.plan.draws,
                **{answer: round(row[answer] * row["n"]) for answer in VERDICTS},
                "share supported": row["supported"],
                "se": row["se"],
                "rejects": row["rejects"],
                "estimate": row["estimate"],
                "bias": row["bias"],
                "bias se": row["bias se"],
                "covers": row["covers"],
                "mde printed": row["mde printed"],
            }
        )
    return rows


def power_curve(effects: np.ndarray, rates: np.ndarray, counts: np.ndarray) -> float:
    r"""Effect of power .8 by a probit curve :math:`\Phi(c+s\delta)` fitted by maximum likelihood."""

    def loss(theta: np.ndarray) -> float:
        p = np.clip(stats.norm.cdf(theta[0] + theta[1] * effects), 1e-9, 1 - 1e-9)
        return -float(np.sum(counts * (rates * np.log(p) + (1.0 - rates) * np.log(1.0 - p))))

    found = optimize.minimize(loss, np.array([-1.6, 8.0]), method="Nelder-Mead")
    if not found.success or found.x[1] <= 0.0:
        return math.nan
    return float((stats.norm.ppf(0.8) - found.x[0]) / found.x[1])


def mde_rows(powers: dict[str, Power]) -> list[dict[str, Any]]:
    """Printed against simulated smallest effect of H2, one row a world and one for the curve over all of them."""
    rows, points = [], []
    for name, power in powers.items():
        if not CASES[name].mde or "H2" not in power.to_frame().index:
            continue
        row = power.to_frame().loc["H2"]
        mine = power.records[power.records["hypothesis"] == "H2"]
        low, high = mine["mde"].quantile([0.1, 0.9])
        points.append((row["contrast"], row["rejects"], row["n"]))
        rows.append(
            {
                "world": name,
                "contrast": row["contrast"],
                "samples": int(row["n"]),
                "rejects": row["rejects"],
                "rejects se": math.sqrt(row["rejects"] * (1.0 - row["rejects"]) / row["n"]),
                "mde printed": row["mde printed"],
                "mde printed 10 %": low,
                "mde printed 90 %": high,
                "mde not printed": int(mine["mde"].isna().sum()),
                "mde simulated": row["mde simulated"],
            }
        )
    if len({point[0] for point in points}) > 2:
        effects, rates, counts = (np.array(column, dtype=float) for column in zip(*points, strict=True))
        curve = power_curve(effects, rates, counts)
        rows.append({"world": "probit curve over these", "samples": int(counts.sum()), "mde simulated": curve})
    return rows


def write(path: Path, rows: list[dict[str, Any]], replaced: set[str]) -> None:
    """Write rows, keeping those of worlds that were not run now."""
    table = pd.DataFrame(rows)
    if path.exists():
        old = pd.read_csv(path, keep_default_na=True)
        table = pd.concat([old[~old["world"].isin(replaced)], table])
    order = {name: i for i, name in enumerate(CASES)}
    table = table.assign(_o=table["world"].map(order).fillna(len(order))).sort_values("_o", kind="stable")
    table.drop(columns="_o").to_csv(path, index=False, float_format="%.4f", lineterminator="\n")


def main() -> None:
    """Parse the command line, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--samples", type=int, default=200, help="in a world of share 1")
    parser.add_argument("--draws", type=int, default=119, help="of every bootstrap; Holm over six needs 119")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--list", action="store_true", help="say what there is and what it costs")
    parser.add_argument("--quick", action="store_true", help="2 samples, 19 draws, of four worlds or those named")
    options = parser.parse_args()
    if options.list:
        total = 0.0
        for name in options.worlds:
            case = CASES[name]
            many = max(1, round(options.samples * case.share))
            total += many * case.cost * options.draws / 119 / 60
            truth = {
                key: row["holds"] for key, row in case.world.truth.items() if key in ("H1", "H2", "H4", "H5", "H6")
            }
            print(f"{name}: {many} x {case.cost:.1f} CPU-seconds; {case.world}; {truth}")
        print(f"about {total:.0f} CPU-minutes")
        return
    if options.quick:
        for name in options.worlds if len(options.worlds) < len(CASES) else options.worlds[:4]:
            run_case(name, max(2, round(2 / CASES[name].share)), 19, 1, options.seed, None)
        return
    out: Path = options.out
    out.mkdir(exist_ok=True)
    powers = {
        name: run_case(name, options.samples, options.draws, options.jobs, options.seed, out / "truth_table.jsonl")
        for name in options.worlds
    }
    rows = [row for name, power in powers.items() for row in rows_of(name, power)]
    write(out / "truth_table.csv", rows, set(powers))
    reach = mde_rows(powers)
    if reach:
        write(out / "truth_mde.csv", reach, {str(row["world"]) for row in reach})


if __name__ == "__main__":
    main()
