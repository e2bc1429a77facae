"""Size and power of the tests of constant correlation and of specification, over simulated worlds.

Every sample has GARCH(1,1) margins that are estimated, by Gaussian quasi-likelihood, before anything is tested; all
tests of a sample share that fit. Residuals are normal or t(5), pairs are equally correlated.

    OMP_NUM_THREADS=1 python benchmarks/constancy.py     # all cells (about 20 minutes of one core)
    python benchmarks/constancy.py --quick               # a smoke run, nothing written
    python benchmarks/constancy.py --cells ccc.normal.2.1000 --samples 2000

The matrices are small: linear algebra on several threads takes several times longer.

Results: ``benchmarks/results/constancy.csv``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from scipy.signal import lfilter

import cryptoequity as ce
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.correlation.spec import climb_correlation
from cryptoequity.correlation.stcc import STCC
from cryptoequity.diagnostics import portmanteau
from cryptoequity.diagnostics.constancy import bera_kim_statistic, engle_sheppard_statistic, tse_statistic
from cryptoequity.diagnostics.driver_directions import driver_statistic, standardized
from cryptoequity.diagnostics.null_fit import Column, NullFit, constant_null
from cryptoequity.diagnostics.null_statistics import satterthwaite_tail
from cryptoequity.diagnostics.null_world import NullWorld
from cryptoequity.diagnostics.transition_tests import (
    _second_transition_statistic,
    _transition_statistic,
)
from cryptoequity.estimation.bootstrap import pvalue
from cryptoequity.estimation.parallel import map_draws, spawn
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility.garch import climb_margin, simulate_margin

HERE = Path(__file__).parent
SPEC = ce.GARCH()
THETA = np.array([0.05, 0.04, 0.08, 0.90])
VARIANCE = 2.0
LEVEL = 0.4
LEVELS = (0.01, 0.05, 0.10)
LAGS = 5
NU = {"normal": 0.0, "t(5)": 5.0}
# where products are many, their covariance is dear: Hosking and Li–McLeod on this many samples only
FEW = 200


@dataclass(frozen=True)
class Cell:
    """One world: ``world`` is ccc, dcc, stcc, step or dstcc; ``draws`` of the bootstrap instead of asymptotics."""

    world: str
    dist: str
    n: int
    nobs: int
    samples: int
    draws: int = 0

    @property
    def name(self) -> str:
        """Key on the command line."""
        tail = ".bootstrap" if self.draws else ""
        return f"{self.world}.{self.dist}.{self.n}.{self.nobs}{tail}"


def cells() -> dict[str, Cell]:
    made = []
    for nobs in (1000, 2500):
        for dist in NU:
            made += [Cell("ccc", dist, n, nobs, 1000) for n in (2, 3, 5)]
            made += [Cell(world, dist, n, nobs, 300) for world in ("dcc", "step") for n in (2, 3)]
            made += [
                Cell("stcc", dist, 2, nobs, 400),
                Cell("stcc", dist, 3, nobs, 300),
                Cell("dstcc", dist, 2, nobs, 300),
            ]
    made.append(Cell("ccc", "t(5)", 2, 1000, 250, draws=99))
    made.append(Cell("step", "normal", 2, 1000, 100, draws=99))
    made += [Cell("ccc", "t(5)", n, 1000, 100, draws=99) for n in (3, 5)]
    made += [Cell(world, dist, 2, 1000, 100, draws=99) for world in ("dcc", "stcc") for dist in NU]
    return {cell.name: cell for cell in made}


CELLS = cells()
# the position of a cell is its seed: what is added later goes last
ADDED = (
    "step.normal.2.1000.bootstrap",
    *(f"ccc.t(5).{n}.1000.bootstrap" for n in (3, 5)),
    *(f"{world}.{dist}.2.1000.bootstrap" for world in ("dcc", "stcc") for dist in NU),
)
SEEDED = [*sorted(name for name in CELLS if name not in ADDED), *ADDED]


def persistent(nobs: int, rng: np.random.Generator) -> np.ndarray:
    """AR(1) with coefficient .98 and unit variance, from its stationary law."""
    start = rng.standard_normal()
    return lfilter([1.0], [1.0, -0.98], np.sqrt(1 - 0.98**2) * rng.standard_normal(nobs), zi=[0.98 * start])[0]


def logistic(s: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-5.0 * s))


def equicorrelated(rho: np.ndarray, n: int, nu: float, rng: np.random.Generator) -> np.ndarray:
    """Residuals (T, n) with common correlation ``rho`` (T,) >= 0: one factor and n idiosyncratic shocks."""
    u = draw_shocks(rng, rho.size, n + 1, nu)
    return np.sqrt(rho)[:, None] * u[:, :1] + np.sqrt(1.0 - rho)[:, None] * u[:, 1:]


def simulate(cell: Cell, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Percent returns by column, the driver and a second one."""
    nobs, n, nu = cell.nobs, cell.n, NU[cell.dist]
    first, second = persistent(nobs, rng), persistent(nobs, rng)
    if cell.world == "dcc":
        target = np.full((n, n), LEVEL) + (1.0 - LEVEL) * np.eye(n)
        z = dcc_simulate(0.03, 0.95, target, draw_shocks(rng, nobs, n, nu), target)
    else:
        rho = np.full(nobs, LEVEL)
        if cell.world == "step":
            rho = np.where(np.arange(nobs) < nobs // 2, 0.3, 0.6)
        elif cell.world == "stcc":
            rho = 0.3 + 0.3 * logistic(first)
        elif cell.world == "dstcc":
            rho = 0.15 + 0.3 * logistic(first) + 0.3 * logistic(second)
        z = equicorrelated(rho, n, nu, rng)
    returns = [simulate_margin(SPEC, THETA, np.ascontiguousarray(z[:, i]), VARIANCE)[0] for i in range(n)]
    return returns, first, second


def tail(statistic: float, df: int) -> float:
    return float(stats.chi2.sf(statistic, df))


def constancy_statistics(null: NullFit, driver: np.ndarray, robust: bool) -> dict[str, tuple[float, int]]:
    """Statistic and degrees of freedom of every test of a constant correlation."""
    n, nobs = null.model.n, null.model.nobs
    pairs = n * (n - 1) // 2
    clock = np.arange(1, nobs + 1) / nobs
    out = {
        "Engle–Sheppard": (engle_sheppard_statistic(null, LAGS, robust), LAGS),
        "Tse, residuals": (tse_statistic(null, "residuals", robust), pairs),
        "Tse, standardized": (tse_statistic(null, "standardized", robust), pairs),
        "STCC": (_transition_statistic(null, standardized(driver)[None], robust), pairs),
        "Berben–Jansen": (_transition_statistic(null, standardized(clock)[None], robust), pairs),
    }
    if n == 2:
        out["Bera–Kim"] = (bera_kim_statistic(null, robust), 1)
    return out


def portmanteau_pvalues(null: NullFit, dear: bool) -> dict[str, float]:
    out = {}
    kinds = (("Ling–Li", "length"), ("Hosking", "products"), ("Li–McLeod", "products"), ("Hosking", "levels"))
    weights: dict[str, tuple[float, float]] = {}
    for kind, of in kinds:
        if of == "products" and not dear:
            continue
        value = portmanteau._statistic(null, kind, LAGS, of, False)
        k = portmanteau.observed(null.model, null.theta, of).shape[1]
        if of not in weights:
            weights[of] = portmanteau.weights_of(null, of, LAGS)
        label = kind if kind == "Ling–Li" else f"{kind}, {of}"
        out[f"{label}|uncorrected"] = tail(value, LAGS * k * k)
        out[f"{label}|corrected"] = satterthwaite_tail(value, *weights[of])
    out["Ling–Li|weighted"] = tail(portmanteau._statistic(null, "Ling–Li", LAGS, "length", True), LAGS)
    return out


def one_sample(task: tuple[Cell, int, np.random.SeedSequence]) -> dict[str, float]:
    """P-values of one sample by "test|version"."""
    cell, number, seed = task
    returns, first, second = simulate(cell, np.random.default_rng(seed))
    columns = tuple(Column.drawn(str(i), *climb_margin(SPEC, y)) for i, y in enumerate(returns))
    null = constant_null(columns)
    if cell.draws and cell.world in ("dcc", "stcc"):
        return fitted_pvalues(cell, columns, null.z, first, second, seed)
    if cell.draws:
        return bootstrap_pvalues(cell, null, first, seed)
    out: dict[str, float] = {}
    if cell.world != "dstcc":
        for robust, version in ((True, "robust"), (False, "classic")):
            for test, (value, df) in constancy_statistics(null, first, robust).items():
                out[f"{test}|{version}"] = tail(value, df)
        out |= portmanteau_pvalues(null, cell.n < 5 or number < FEW)
    if cell.n == 2 and cell.world in ("dcc", "stcc"):
        spec = ce.DCC()
        model, optimum = climb_correlation(spec, null.z)
        fitted = NullFit(columns, model, optimum.theta, optimum)
        for robust, version in ((True, "robust"), (False, "classic")):
            out[f"DCC-X|{version}"] = tail(driver_statistic(fitted, first, np.ones((1, 2, 2)), robust), 1)
    if cell.n == 2 and cell.world in ("stcc", "dstcc"):
        model, optimum = climb_correlation(STCC(), null.z, driver=first[:, None])
        fitted = NullFit(columns, model, optimum.theta, optimum)
        for robust, version in ((True, "robust"), (False, "classic")):
            for additive, df, name in ((True, 1, "additive"), (False, 2, "both regimes")):
                value = _second_transition_statistic(fitted, second, additive, robust)
                out[f"second transition, {name}|{version}"] = tail(value, df)
    return out


def bootstrap_pvalues(cell: Cell, null: NullFit, driver: np.ndarray, seed: np.random.SeedSequence) -> dict[str, float]:
    """P-values from samples of the fitted constant-correlation world; tests read the same samples.

    Shocks are resampled, but for Bera and Kim's test, which would be tested against its own moment.
    """

    def from_resampled(one: NullFit) -> dict[str, float]:
        values = {}
        for robust, version in ((True, "robust"), (False, "classic")):
            for test, (value, _) in constancy_statistics(one, driver, robust).items():
                if test != "Bera–Kim":
                    values[f"{test}|bootstrap of {version}"] = value
        for kind, of in (("Ling–Li", "length"), ("Hosking", "products"), ("Hosking", "levels")):
            label = kind if kind == "Ling–Li" else f"{kind}, {of}"
            values[f"{label}|bootstrap"] = portmanteau._statistic(one, kind, LAGS, of, False)
        return values

    def from_density(one: NullFit) -> dict[str, float]:
        return {
            f"Bera–Kim|bootstrap of {version}": bera_kim_statistic(one, robust)
            for robust, version in ((True, "robust"), (False, "classic"))
        }

    out: dict[str, float] = {}
    measures = (("fhs", from_resampled), ("parametric", from_density))
    for shocks, measure in measures if cell.n == 2 else measures[:1]:  # Bera and Kim's test is of a pair
        out |= drawn_pvalues(NullWorld.of(null, None, shocks), null, measure, cell.draws, seed)
    return out


def fitted_pvalues(
    cell: Cell,
    columns: tuple[Column, ...],
    z: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    seed: np.random.SeedSequence,
) -> dict[str, float]:
    """P-values of the tests whose null is a fitted DCC or STCC, from samples of that fit, refitted on each."""
    spec = ce.DCC() if cell.world == "dcc" else STCC()
    model, optimum = climb_correlation(spec, z, driver=None if cell.world == "dcc" else first[:, None])
    null = NullFit(columns, model, optimum.theta, optimum)

    def measure(one: NullFit) -> dict[str, float]:
        out = {}
        for robust, version in ((True, "bootstrap of robust"), (False, "bootstrap of classic")):
            if cell.world == "dcc":
                out[f"DCC-X|{version}"] = driver_statistic(one, first, np.ones((1, 2, 2)), robust)
                continue
            for additive, name in ((True, "additive"), (False, "both regimes")):
                value = _second_transition_statistic(one, second, additive, robust)
                out[f"second transition, {name}|{version}"] = value
        return out

    return drawn_pvalues(NullWorld.of(null, spec, "fhs"), null, measure, cell.draws, seed)


def drawn_pvalues(
    world: NullWorld,
    null: NullFit,
    measure: Callable[[NullFit], dict[str, float]],
    count: int,
    seed: np.random.SeedSequence,
) -> dict[str, float]:
    """P-values of all that ``measure`` reads off a sample, by ``count`` samples of ``world``."""
    draws = [measure(world.refit(world.draw(np.random.default_rng(child)))) for child in spawn(seed, count)]
    return {name: pvalue(value, np.array([draw[name] for draw in draws])) for name, value in measure(null).items()}


def is_null(world: str, test: str) -> bool:
    """Whether the world belongs to the null of the test."""
    if test == "DCC-X":
        return world == "dcc"
    if test.startswith("second transition"):
        return world == "stcc"
    return world == "ccc" or test == "Hosking, levels"


def run(names: list[str], samples: int | None, n_jobs: int, seed: int) -> pd.DataFrame:
    """Rejection rates by cell, test and version."""
    rows = []
    for name in names:
        cell = CELLS[name]
        begun = time.perf_counter(), time.process_time()
        count = cell.samples if samples is None else samples
        key = np.random.SeedSequence([seed, SEEDED.index(name)])
        tasks = [(cell, number, child) for number, child in enumerate(spawn(key, count))]
        table = pd.DataFrame(map_draws(one_sample, tasks, n_jobs=n_jobs, progress=True, label=name, chunk=10))
        for column in table.columns:
            test, version = column.split("|")
            values = table[column].dropna()
            row = {"world": cell.world, "residuals": cell.dist, "N": cell.n, "T": cell.nobs, "test": test}
            row |= {"version": version, "null": is_null(cell.world, test), "samples": len(values)}
            row |= {f"rate at {100 * level:.0f} %": float((values <= level).mean()) for level in LEVELS}
            rows.append(row)
        print(
            f"{name}: {count} samples, {time.perf_counter() - begun[0]:.0f} s, "
            f"{time.process_time() - begun[1]:.0f} s of this process",
            flush=True,
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Parse the command line, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three cells, 3 samples each, nothing written")
    parser.add_argument("--cells", nargs="*", default=list(CELLS), choices=list(CELLS), metavar="CELL")
    parser.add_argument("--samples", type=int, default=None, help="instead of each cell's own number")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args()
    if options.quick:
        print(run(["ccc.t(5).3.1000", "stcc.normal.2.1000", "dcc.normal.2.1000"], 3, 1, options.seed).to_string())
        return
    table = run(options.cells, options.samples, options.jobs, options.seed)
    path = HERE / "results" / "constancy.csv"
    path.parent.mkdir(exist_ok=True)
    keys = ["world", "residuals", "N", "T", "test", "version"]
    if path.exists():
        old = pd.read_csv(path)
        again = set(table[keys].itertuples(index=False, name=None))
        kept = [row not in again for row in old[keys].itertuples(index=False, name=None)]
        table = pd.concat([old[kept], table])
    order = {world: i for i, world in enumerate(("ccc", "dcc", "stcc", "dstcc", "step"))}
    table = table.assign(order=table["world"].map(order)).sort_values(["order", "residuals", "N", "T"], kind="stable")
    table.drop(columns="order").to_csv(path, index=False, float_format="%.4f", lineterminator="\n")


if __name__ == "__main__":
    main()
