"""Size and power of the tests of a moving correlation, of peaks inside episodes, and of a dose and its response.

    python benchmarks/claim_paths.py            # 400 worlds a cell, writes results/claim_paths.csv
    python benchmarks/claim_paths.py --quick    # 10 worlds a cell, prints only
    python benchmarks/claim_paths.py --regimes  # with the regime model of the dose (tens of seconds a world)

Four columns, T = 1250, GARCH-t margins, t(6) shocks, five episodes that cover two fifths. Cells:

* constant: constant correlations;
* joint: one DCC(.03, .92) for all columns;
* pair: the equities are correlated constantly, the crypto asset's correlation with them wanders, DCC(.03, .95);
* pair, slow: the same with DCC(.02, .97);
* peaks: "pair" with .20 more inside the episodes;
* dose: "pair" with .08 more for each standard deviation of the 126-session relative strength.

Rejections at 5 % of every one-sided statistic, 39 draws a world; "score, joint world" is that of the headline contrast
with draws of one DCC fitted to all columns, "score, own world" with draws that have the tested pair's a and b.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cryptoequity.claim.coverage import Coverage
from cryptoequity.claim.dose import Dose, DoseStrength, RegimeDose
from cryptoequity.claim.dynamics import STATISTICS, Constancy, ConstantDraw, constant_world, joint_pvalue
from cryptoequity.claim.headline import Headline, headline_pair
from cryptoequity.claim.peaks_inside import PeaksInside
from cryptoequity.claim.pipeline import Draws, PairFit, Pipeline, attach, own_world
from cryptoequity.claim.statistics import score_contrast
from cryptoequity.claim.world import NullWorld
from cryptoequity.estimation.bootstrap import pvalue
from cryptoequity.estimation.parallel import map_draws, spawn
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility import GARCH
from cryptoequity.volatility.garch import simulate_margin

RESULTS = Path(__file__).parent / "results"
NOBS, SEED, DRAWS, NU = 1250, 20261122, 39, 6.0
NAMES = ("COIN", "EQUITY", "TECH", "MARKET")
SPECS = {name: GARCH(asymmetric=name != "COIN", dist="t") for name in NAMES}
THETA = {
    "COIN": np.array([0.10, 0.3675, 0.09, 0.88, NU]),
    "EQUITY": np.array([0.035, 0.0867, 0.03, 0.10, 0.89, NU]),
    "TECH": np.array([0.04, 0.0631, 0.03, 0.12, 0.88, NU]),
    "MARKET": np.array([0.03, 0.0363, 0.03, 0.14, 0.87, NU]),
}
VARIANCE = {"COIN": 12.25, "EQUITY": 2.89, "TECH": 2.1, "MARKET": 1.21}
TARGET = np.array([[1.0, 0.35, 0.30, 0.28], [0.35, 1.0, 0.80, 0.82], [0.30, 0.80, 1.0, 0.92], [0.28, 0.82, 0.92, 1.0]])
CELLS = ("constant", "joint", "pair", "pair, slow", "peaks", "dose")


def episodes() -> np.ndarray:
    """Episode signs, (T,)."""
    out = np.zeros(NOBS)
    for k, first in enumerate((60, 330, 560, 800, 1080)):
        out[first : first + 100] = 1.0 if k % 2 == 0 else -1.0
    return out


@dataclass(frozen=True)
class Score:
    """The headline contrast, as an extra."""

    names = ("own.score",)

    def __call__(self, z: np.ndarray, returns: np.ndarray, signed: np.ndarray, fit: PairFit) -> dict[str, float]:
        """Score contrast."""
        del z, returns
        return {"own.score": score_contrast(fit.score, fit.information, np.abs(signed))}


def sample(cell: str, rng: np.random.Generator) -> np.ndarray:
    """Percent returns, (T, 4)."""
    shocks = rng.standard_normal((NOBS, 4)) * np.sqrt((NU - 2.0) / rng.chisquare(NU, (NOBS, 1)))
    if cell in ("constant", "joint"):
        a, b = (0.0, 0.0) if cell == "constant" else (0.03, 0.92)
        z = dcc_simulate(a, b, TARGET, shocks, TARGET)
    else:
        a, b = (0.02, 0.97) if cell == "pair, slow" else (0.03, 0.95)
        low = np.linalg.cholesky(TARGET[1:, 1:])
        z = np.empty((NOBS, 4))
        z[:, 1:] = shocks[:, 1:] @ low.T
        shift = np.zeros(NOBS)
        if cell == "peaks":
            shift = 0.20 * np.abs(episodes())
    columns = []
    for i in range(3, -1, -1):
        if i == 0 and cell not in ("constant", "joint"):
            if cell == "dose":
                x = DoseStrength(np.zeros(1), 1, 0)(np.stack([columns[0], columns[1]], axis=1))
                known = np.isfinite(x)
                shift = np.where(known, 0.08 * (x - x[known].mean()) / x[known].std(), 0.0)
            z[:, 0] = coin(z[:, 1], shocks[:, 0], a, b, shift - shift.mean())
        name = NAMES[i]
        theta = THETA[name]
        columns.append(simulate_margin(SPECS[name], theta, np.ascontiguousarray(z[:, i]), VARIANCE[name])[0])
    return np.stack(columns[::-1], axis=1)


def coin(z: np.ndarray, u: np.ndarray, a: float, b: float, shift: np.ndarray) -> np.ndarray:
    """Residuals (T,) whose correlation with ``z`` is a DCC path plus ``shift``, which does not feed back."""
    out = np.empty(z.size)
    q11 = q22 = 1.0
    q12 = rho0 = TARGET[0, 1]
    for t in range(z.size):
        if t:
            null = rho0 * z[t - 1] + np.sqrt(1.0 - rho0**2) * u[t - 1]
            q11 = 1.0 - a - b + a * null**2 + b * q11
            q12 = (1.0 - a - b) * TARGET[0, 1] + a * null * z[t - 1] + b * q12
            q22 = 1.0 - a - b + a * z[t - 1] ** 2 + b * q22
            rho0 = q12 / np.sqrt(q11 * q22)
        rho = float(np.clip(rho0 + shift[t], -0.95, 0.95))
        out[t] = rho * z[t] + np.sqrt(1.0 - rho**2) * u[t]
    return out


def world_pvalues(task: tuple[str, bool, np.random.SeedSequence]) -> dict[str, float]:
    """One-sided p-values of one world."""
    cell, regimes, seed = task
    drawing, joint, own, constant, slow = spawn(seed, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        index = pd.bdate_range("2020-03-16", periods=NOBS)
        returns = pd.DataFrame(sample(cell, np.random.default_rng(drawing)), index, list(NAMES))
        world = NullWorld.fit(returns, SPECS)
        signed = episodes()
        pipeline = Pipeline(world, signed, None, "t", 0, 1, minimal=True)
        observed, pairs = pipeline.observed()
        pipeline = replace(pipeline, warm={key: pair.optimum for key, pair in pairs.items()})
        results = map_draws(pipeline, spawn(joint, DRAWS))
        draws = Draws({name: np.array([one[name] for one in results]) for name in observed})
        inside = int(np.abs(signed).sum())
        coverage = Coverage(inside / NOBS, inside, NOBS, 5, "")
        main = Headline(pipeline, observed, draws, pairs, coverage, index)
        strength = DoseStrength(np.zeros(1), 2, 3)
        extras = (Score(), PeaksInside(), Dose(strength), Constancy("t"))
        attach(main, extras, own)
        out = {"score, joint world": main.pvalue("score"), "score, own world": main.pvalue("own.score")}
        out["peaks, maxima"], out["peaks, days"] = main.pvalue("peaks.maxima"), main.pvalue("peaks.days")
        out["peaks, both"] = max(out["peaks, maxima"], out["peaks, days"])
        for name in ("score", "correlation", "dccx", "stcc", "dstcc"):
            out[f"dose, {name}"] = main.pvalue(f"dose.{name}")
        still = ConstantDraw(constant_world(headline_pair(main).world), "t")
        null = np.array(map_draws(still, spawn(constant, DRAWS)))
        out["moves"] = joint_pvalue(np.array([main.statistics[name] for name in STATISTICS]), null)
        for k, name in enumerate(STATISTICS):
            out[name] = pvalue(main.statistics[name], null[:, k])
        if regimes:
            model = RegimeDose(replace(pipeline, world=own_world(main)), strength)
            search, drawn = spawn(slow, 2)
            effect, _ = model.effect(world.z[:, :2], strength(world.returns), search)
            out["dose, rsdc"] = pvalue(effect, np.array(map_draws(model, spawn(drawn, DRAWS))))
    return out


def main() -> None:
    """Run the cells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 worlds a cell, nothing written")
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=CELLS)
    parser.add_argument("--regimes", action="store_true", help="with the regime model of the dose")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    count = 10 if options.quick else options.worlds
    rows = {}
    for cell in options.cells:
        seeds = spawn(np.random.SeedSequence(SEED, spawn_key=(CELLS.index(cell),)), count)
        tasks = [(cell, options.regimes, seed) for seed in seeds]
        found = pd.DataFrame(map_draws(world_pvalues, tasks, n_jobs=options.jobs, progress=True, label=cell))
        rows[cell] = (found <= 0.05).where(found.notna()).mean()
        print(cell, count, flush=True)
        print(rows[cell].round(3).to_string(), flush=True)
    frame = pd.DataFrame(rows).T.rename_axis("cell")
    frame.insert(0, "worlds", count)
    if not options.quick:
        frame.round(4).to_csv(RESULTS / "claim_paths.csv")


if __name__ == "__main__":
    main()
