"""Size and power of contrasts of connectedness and of lead-lag tests.

    python benchmarks/connectedness_sizes.py                  # all cells, about two hours on two cores
    python benchmarks/connectedness_sizes.py --cells contrast.dcc.1250
    python benchmarks/connectedness_sizes.py --quick          # smoke run, prints only

A cell is a group of tests in a world over T days: ``group.world.T``. Returns are GARCH(1,1) in percent with t(6) shocks
("iid" has none), correlation .3 throughout, or DCC around it; episodes are four spells over 40 % of the days, or, in
"contrast-press", three over 72 % as those of the press are after March 2020. "lift" adds .2 to the correlation inside,
"step" raises it from 0 to .4 at a third of the sample, with all spells after it. The worlds "hours-…" of the group
"lead" are made of 24 steps a day, with equity's day ending at 20:00 and crypto's at 24:00; in "hours-lead" a third of
crypto's step is passed on to the equity a day later. The table holds rates of p-values at or below 1, 5 and 10 %.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

import cryptoequity as ce
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.dependence.closing_times import crypto_leads_test
from cryptoequity.dependence.connectedness_contrast import connectedness_contrast_test
from cryptoequity.dependence.lead_lag import lead_lag_test
from cryptoequity.dependence.variance_series import log_variances
from cryptoequity.estimation.parallel import map_draws
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility.garch import simulate_margin

RESULTS = Path(__file__).parent / "results"
Array = npt.NDArray[np.float64]
SEED = 20261122
RHO = 0.3
LEVELS = (0.01, 0.05, 0.10)
HOURS, CLOSE = 24, 20
# first and last share of the sample of every spell
SPELLS = ((0.05, 0.15), (0.30, 0.40), (0.55, 0.65), (0.80, 0.90))
PRESS = ((0.0, 0.34), (0.37, 0.53), (0.78, 1.0))
LATE = ((0.40, 0.50), (0.60, 0.70), (0.80, 0.90))


@dataclass(frozen=True)
class Cell:
    """``samples`` of a group of tests in a world over ``nobs`` days; ``draws`` of every null."""

    group: str
    world: str
    nobs: int
    samples: int
    draws: int


def cells() -> dict[str, Cell]:
    made: list[Cell] = []
    for nobs in (1250, 2500):
        made += [
            Cell("contrast", world, nobs, 300, 199) for world in ("iid", "garch", "dcc", "dcc-slow", "lift", "step")
        ]
        made += [Cell("contrast-press", world, nobs, 300, 199) for world in ("garch", "dcc", "dcc-slow", "lift")]
    made += [Cell("contrast-tail", world, 1250, 150, 99) for world in ("garch", "dcc", "lift")]
    made += [Cell("contrast-variance", world, 2500, 300, 299) for world in ("garch", "dcc")]
    worlds = ("iid", "garch", "dcc", "dcc-slow", "hours-even", "hours-garch", "hours-lead")
    made += [Cell("lead", world, nobs, 500, 199) for world in worlds for nobs in (1250, 2500)]
    return {f"{cell.group}.{cell.world}.{cell.nobs}": cell for cell in made}


CELLS = cells()
SEEDED = sorted(CELLS)


def inside(cell: Cell) -> Array:
    spells = PRESS if cell.group == "contrast-press" else LATE if cell.world == "step" else SPELLS
    dummy = np.zeros(cell.nobs)
    for first, last in spells:
        dummy[int(first * cell.nobs) : int(last * cell.nobs)] = 1.0
    return dummy


def returns(cell: Cell, rng: np.random.Generator) -> pd.DataFrame:
    """Percent returns of two columns."""
    nobs, world = cell.nobs, cell.world
    shocks = draw_shocks(rng, nobs, 2, 0.0 if world == "iid" else 6.0)
    if world.startswith("dcc"):
        a, b = (0.03, 0.95) if world == "dcc" else (0.02, 0.97)
        target = np.array([[1.0, RHO], [RHO, 1.0]])
        shocks = dcc_simulate(a, b, target, shocks, target)
    else:
        rho: float | Array = RHO
        if world == "lift":
            rho = RHO + 0.2 * inside(cell)
        if world == "step":
            rho = np.where(np.arange(nobs) < nobs // 3, 0.0, 0.4)
        shocks[:, 1] = rho * shocks[:, 0] + np.sqrt(1.0 - np.square(rho)) * shocks[:, 1]
    if world != "iid":
        theta = np.array([0.0, 1.44 * 0.02, 0.08, 0.90])
        shocks = np.stack(
            [simulate_margin(ce.GARCH(), theta, np.ascontiguousarray(z), 1.44)[0] for z in shocks.T], axis=1
        )
    return frame(shocks)


def frame(values: Array) -> pd.DataFrame:
    return pd.DataFrame(values, pd.bdate_range("2015-01-05", periods=len(values)), ["COIN", "TECH"])


def contrast(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """Connectedness inside against outside, of returns and of residuals of estimated margins."""
    data, dummy = returns(cell, rng), inside(cell)
    z = ce.fit_margins(data, ce.GARCH(dist="t")).std_resid
    seed = int(rng.integers(2**31))
    out: dict[str, float] = {}
    for what, series in (("returns", data), ("residuals", z)):
        for how in ("shift", "block"):
            test = connectedness_contrast_test(series, dummy, pvalue=how, draws=cell.draws, rng=seed)
            for name in ("total", "forward", "net"):
                out[f"{name}, {what}, {how}"] = float(test.estimates.loc[name, "P"])  # type: ignore[arg-type]
    short = connectedness_contrast_test(z, dummy, pvalue="block", block=20, draws=cell.draws, rng=seed)
    out["total, residuals, block of 20"] = short.pvalue
    return out


def contrast_tail(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """The same at quantiles, of residuals."""
    z = ce.fit_margins(returns(cell, rng), ce.GARCH(dist="t")).std_resid
    seed = int(rng.integers(2**31))
    return {
        f"total at {tau:g}, {how}": connectedness_contrast_test(
            z, inside(cell), tau=tau, pvalue=how, draws=cell.draws, rng=seed
        ).pvalue
        for tau in (0.05, 0.5, 0.95)
        for how in ("shift", "block")
    }


def contrast_variance(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """Weekly log variances; a week is inside if most of it is."""
    weekly = log_variances(returns(cell, rng))
    weeks = len(weekly)
    dummy = (inside(cell)[-5 * weeks :].reshape(weeks, 5).mean(axis=1) > 0.5).astype(float)
    seed = int(rng.integers(2**31))
    return {
        f"total, log variances, {how}": connectedness_contrast_test(
            weekly, dummy, pvalue=how, draws=cell.draws, rng=seed
        ).pvalue
        for how in ("shift", "block")
    }


def hours(cell: Cell, rng: np.random.Generator) -> pd.DataFrame:
    """Daily returns of crypto to 24:00 and of equity to 20:00 from hourly steps correlated within the hour."""
    n = (cell.nobs + 1) * HOURS
    u = rng.standard_normal((n, 2)) / np.sqrt(HOURS)
    if cell.world == "hours-garch":
        level = np.zeros(cell.nobs + 1)
        for t in range(1, level.size):
            level[t] = 0.98 * level[t - 1] + np.sqrt(1 - 0.98**2) * rng.standard_normal()
        u *= np.exp(0.5 * np.repeat(level, HOURS))[:, None]
    c = u[:, 0]
    e = 0.5 * u[:, 0] + np.sqrt(0.75) * u[:, 1]
    if cell.world == "hours-lead":
        e[HOURS:] += c[:-HOURS] / 3.0
    path = np.concatenate([[0.0], np.cumsum(e)])
    return frame(np.column_stack([c.reshape(-1, HOURS).sum(axis=1)[1:], np.diff(path[CLOSE::HOURS])]))


def lead(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """Who moves first."""
    data = hours(cell, rng) if cell.world.startswith("hours") else returns(cell, rng)
    z = ce.fit_margins(data, ce.GARCH(dist="t")).std_resid
    seed = int(rng.integers(2**31))
    out: dict[str, float] = {}
    for leader in ("crypto", "equity"):
        for weights in ("equal", "bartlett"):
            for how in ("wild", "asymptotic"):
                out[f"{leader} leads, {weights}, {how}"] = lead_lag_test(
                    z["COIN"],
                    z["TECH"],
                    filter=None,
                    leader=leader,
                    weights=weights,
                    pvalue=how,
                    draws=cell.draws,
                    rng=seed,
                ).pvalue
    plain = {"filter": None, "pvalue": "asymptotic"}
    out["crypto leads from lag 2"] = lead_lag_test(z["COIN"], z["TECH"], first_lag=2, **plain).pvalue  # type: ignore[arg-type]
    out["crypto leads, returns"] = lead_lag_test(data["COIN"], data["TECH"], **plain).pvalue  # type: ignore[arg-type]
    out["variance of crypto leads"] = lead_lag_test(z["COIN"], z["TECH"], of="variance", **plain).pvalue  # type: ignore[arg-type]
    for overlap in (0.0, 3 / 24, 4 / 24):
        test = crypto_leads_test(data["COIN"], data["TECH"], overlap=overlap)
        out[f"crypto leads beyond {overlap:.3f}"] = test.pvalue
    return out


GROUPS: dict[str, Callable[[Cell, np.random.Generator], dict[str, float]]] = {
    "contrast": contrast,
    "contrast-press": contrast,
    "contrast-tail": contrast_tail,
    "contrast-variance": contrast_variance,
    "lead": lead,
}


def one_sample(task: tuple[Cell, np.random.SeedSequence]) -> dict[str, float]:
    cell, seed = task
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GROUPS[cell.group](cell, np.random.default_rng(seed))


def run(names: list[str], samples: int | None, jobs: int) -> pd.DataFrame:
    rows = []
    for name in names:
        cell = CELLS[name]
        begun = time.perf_counter()
        seeds = np.random.SeedSequence([SEED, SEEDED.index(name)]).spawn(samples or cell.samples)
        records = pd.DataFrame(map_draws(one_sample, [(cell, seed) for seed in seeds], n_jobs=jobs))
        for test in records.columns:
            values = records[test].dropna().to_numpy()
            rates = {f"rate at {a:.0%}": float(np.mean(values <= a)) for a in LEVELS}
            row = {"group": cell.group, "world": cell.world, "T": cell.nobs, "test": test}
            rows.append({**row, "samples": values.size, **rates})
        print(f"{name}: {len(seeds)} samples, {time.perf_counter() - begun:.0f} s", flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="*", default=list(CELLS), choices=list(CELLS), metavar="CELL")
    parser.add_argument("--samples", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two samples of one cell a group, nothing written")
    options = parser.parse_args()
    if options.quick:
        first = {cell.group: name for name, cell in reversed(CELLS.items())}
        print(run(list(first.values()), 2, 1).to_string())
        return
    table = run(options.cells, options.samples, options.jobs)
    target = RESULTS / "connectedness_sizes.csv"
    if target.exists():
        # cells that were not run now keep their rows
        old = pd.read_csv(target)
        done = {(CELLS[name].group, CELLS[name].world, CELLS[name].nobs) for name in options.cells}
        keep = [key not in done for key in zip(old["group"], old["world"], old["T"], strict=True)]
        table = pd.concat([old[keep], table])
    table.sort_values(["group", "T", "world"], kind="stable").to_csv(target, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
