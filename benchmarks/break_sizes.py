"""Size and power of break tests on daily returns, margins estimated where a test reads residuals.

    python benchmarks/break_sizes.py                       # all cells, about an hour on two cores
    python benchmarks/break_sizes.py --cells level.garch-t.1000 dcc.dcc.1000
    python benchmarks/break_sizes.py --quick               # smoke run, prints only

A cell is a group of tests in a world over T days: ``group.world.T``. Worlds have no break in what the group tests,
but for those called "step". Returns are GARCH(1,1) in percent with normal or t(5) shocks, or independent; "variance"
doubles the standard deviation of independent t(5) shocks half-way. Two columns have a correlation of .4 throughout;
"dcc" is DCC(.03, .95) and "dcc-slow" DCC(.02, .97) around it. The table holds the rate of p-values at or below 1, 5 and
10 %, and, under iid normal data, the p-value of a Kolmogorov-Smirnov test of their uniformity.
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
from scipy import stats

import cryptoequity as ce
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.estimation.long_run import LongRun
from cryptoequity.estimation.parallel import map_draws
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility.garch import simulate_margin

RESULTS = Path(__file__).parent / "results"
Array = npt.NDArray[np.float64]
SEED = 20261122
RHO = 0.4
# (omega, alpha, beta, degrees of freedom); a variance of 1.44 throughout
GARCHES = {
    "garch-n": (0.08, 0.90, 0.0),
    "garch-t": (0.08, 0.90, 5.0),
    "garch-t-high": (0.12, 0.87, 5.0),
    "dcc": (0.08, 0.90, 5.0),
    "dcc-slow": (0.08, 0.90, 5.0),
}
LEVELS = (0.01, 0.05, 0.10)


@dataclass(frozen=True)
class Cell:
    """``samples`` of a group of tests in a world over ``nobs`` days; ``draws`` of a bootstrap."""

    group: str
    world: str
    nobs: int
    samples: int
    draws: int = 0


SINGLE = ("iid-n", "iid-t", "garch-n", "garch-t", "garch-t-high", "variance")
PAIRS = (*SINGLE, "dcc", "dcc-slow")
STEPS = ("step.1", "step.2", "step.4")


def cells() -> dict[str, Cell]:
    made: list[Cell] = []
    some = ("iid-n", "garch-n", "garch-t-high", "variance")
    for nobs in (1000, 2500):
        made += [Cell("level", world, nobs, 500) for world in SINGLE]
        made += [Cell("beta", world, nobs, 300) for world in ("garch-n", "garch-t", "garch-t-high", "variance")]
        made += [Cell("unrelated", world, nobs, 300) for world in ("garch-n", "garch-t-high")]
        made += [Cell("variance", world, nobs, 300) for world in SINGLE]
        made += [Cell("correlation", world, nobs, 300, 199) for world in (*PAIRS, *STEPS)]
        made += [Cell("path", world, nobs, 100) for world in ("dcc", "dcc-slow")]
    made += [Cell("hac", world, 1000, 100) for world in some]
    made += [Cell("drawn", world, 1000, 200, 199) for world in ("iid-n", "iid-t", "garch-t-high", "variance")]
    made += [Cell("calibrated", world, 1000, 120, 99) for world in (*SINGLE, "variance-step")]
    made += [Cell("dcc", world, 1000, 100, 99) for world in ("garch-t", "dcc", "dcc-slow", "variance", *STEPS)]
    made += [Cell("contagion", world, 1000, 100, 99) for world in ("iid-n", "garch-n", "garch-t", "crisis", "crisis-t")]
    made += [
        Cell("explosive", world, 200, 250, 99) for world in ("iid-n", "garch-n", "garch-t-high", "variance", "bubble")
    ]
    made += [Cell("unit-root", world, 200, 300) for world in ("iid-n", "garch-n", "garch-t-high", "variance")]
    return {f"{cell.group}.{cell.world}.{cell.nobs}": cell for cell in made}


CELLS = cells()
SEEDED = sorted(CELLS)


def returns(world: str, nobs: int, n: int, rho: float | Array, rng: np.random.Generator) -> Array:
    """Percent returns (nobs, n); ``rho`` the correlation of two columns, by date where it moves."""
    nu = {"iid-n": 0.0, "iid-t": 5.0, "variance": 5.0, "variance-step": 5.0, "crisis": 0.0, "crisis-t": 5.0}.get(world)
    garch = GARCHES.get(world if world in GARCHES else "garch-t") if nu is None else None
    shocks = draw_shocks(rng, nobs, n, garch[2] if garch else float(nu or 0.0))
    if n == 2:
        if world.startswith("dcc"):
            a, b = (0.03, 0.95) if world == "dcc" else (0.02, 0.97)
            target = np.array([[1.0, RHO], [RHO, 1.0]])
            shocks = dcc_simulate(a, b, target, shocks, target)
        else:
            shocks[:, 1] = rho * shocks[:, 0] + np.sqrt(1.0 - np.square(rho)) * shocks[:, 1]
    if garch is not None:
        theta = np.array([0.0, 1.44 * (1 - garch[0] - garch[1]), garch[0], garch[1]])
        columns = [simulate_margin(ce.GARCH(), theta, np.ascontiguousarray(z), 1.44)[0] for z in shocks.T]
        return np.stack(columns, axis=1)
    scale = np.ones(nobs)
    if world == "variance":
        scale[nobs // 2 :] = 2.0
    if world == "variance-step":
        scale[nobs // 2 :] = 1.5
    if world.startswith("crisis"):
        scale[slice(*crisis_rows(nobs))] = 2.5
    return 1.2 * scale[:, None] * shocks


def crisis_rows(nobs: int) -> tuple[int, int]:
    return int(0.6 * nobs), int(0.75 * nobs)


def frame(values: Array) -> pd.DataFrame:
    return pd.DataFrame(values, pd.bdate_range("2015-01-05", periods=len(values)), list("AB")[: values.shape[1]])


def margins_of(data: pd.DataFrame) -> ce.Margins:
    return ce.fit_margins(data, ce.GARCH(dist="t"))


def level(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """A break in the mean of one column."""
    y = frame(returns(cell.world, cell.nobs, 1, 0.0, rng))["A"]
    half = y.index[cell.nobs // 2]
    out = {f"sup-W, {cov}": ce.sup_wald_test(y, cov_type=cov) for cov in ("nonrobust", "HC")}
    out |= {f"{kind}-W, HC": ce.sup_wald_test(y, statistic=kind) for kind in ("ave", "exp")}
    out["Chow at T/2, HC"] = ce.chow_test(y, dates=[half], cov_type="HC")
    out["Nyblom-Hansen, mean"] = ce.nyblom_hansen_test(y)
    out["Nyblom-Hansen, mean and variance"] = ce.nyblom_hansen_test(y, variance=True)
    out["OLS-CUSUM"] = ce.cusum_test(y)
    out["recursive CUSUM"] = ce.cusum_test(y, kind="recursive")
    out["OLS-MOSUM"] = ce.mosum_test(y)
    out["RE"] = ce.fluctuation_test(y)
    out["ME"] = ce.fluctuation_test(y, kind="moving")
    pvalues = {name: test.pvalue for name, test in out.items()}
    fit = ce.BaiPerron(max_breaks=3, cov_type="HC").fit(y)
    pvalues["Bai-Perron UDmax, HC"] = fit.tests["UDmax"].pvalue
    return pvalues


def beta(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """A break in the slope of one column on another: constant correlation, or (unrelated) a constant slope."""
    data = returns(cell.world, cell.nobs, 2, RHO if cell.group == "beta" else 0.0, rng)
    if cell.group == "unrelated":
        data[:, 1] += RHO * data[:, 0]
    both = frame(data)
    return {
        f"sup-W of the slope, {cov}": ce.sup_wald_test(both["B"], both["A"], vary=["A"], cov_type=cov).pvalue
        for cov in ("nonrobust", "HC")
    }


def hac(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """HAC forms of the sup tests of a mean, and of a slope under a constant correlation."""
    both = frame(returns(cell.world, cell.nobs, 2, RHO, rng))
    rule = LongRun("qs", "andrews", prewhiten=True)
    return {
        "sup-W, HAC": ce.sup_wald_test(both["A"], cov_type="HAC", long_run=rule).pvalue,
        "sup-W of the slope, HAC": ce.sup_wald_test(
            both["B"], both["A"], vary=["A"], cov_type="HAC", long_run=rule
        ).pvalue,
    }


def variance(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """A break in the variance of one column."""
    y = frame(returns(cell.world, cell.nobs, 1, 0.0, rng))["A"]
    out = {
        f"{test}, asymptotic": ce.variance_break_test(y, test=test, pvalue="asymptotic").pvalue
        for test in ("it", "kappa1", "kappa2")
    }
    out["CUSUM of squares"] = ce.cusum_test(y, kind="squares").pvalue
    residuals = margins_of(y.to_frame()).std_resid["A"]
    out["kappa2 of GARCH residuals, asymptotic"] = ce.variance_break_test(residuals, pvalue="asymptotic").pvalue
    return out


def calibrated(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """A break in the variance, against samples of the fitted GARCH."""
    y = frame(returns(cell.world, cell.nobs, 1, 0.0, rng))["A"]
    seed = int(rng.integers(2**31))
    return {
        f"{test}, GARCH null": ce.variance_break_test(y, test=test, draws=cell.draws, rng=seed).pvalue
        for test in ("it", "kappa2")
    }


def correlation(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """A break in the correlation of two columns, on returns and on residuals of estimated margins."""
    data, margins = two_columns(cell, rng)
    seed = int(rng.integers(2**31))
    half = data.index[cell.nobs // 2]
    prewhitened = LongRun("qs", "andrews", prewhiten=True)
    out = {
        "WKD, returns": ce.wied_kraemer_dehling_test(data, filter=None),
        "WKD": ce.wied_kraemer_dehling_test(margins),
        "WKD, Andrews prewhitened": ce.wied_kraemer_dehling_test(margins, long_run=prewhitened),
        "WKD, block": ce.wied_kraemer_dehling_test(margins, pvalue="block", draws=cell.draws, rng=seed),
        "WKD, multiplier": ce.wied_kraemer_dehling_test(margins, pvalue="multiplier", draws=cell.draws, rng=seed),
        "Wied's matrix test": ce.correlation_matrix_test(margins, draws=cell.draws, rng=seed),
        "Dette-Wu-Zhou, returns": ce.dette_wu_zhou_test(data, draws=cell.draws, rng=seed),
        "Dette-Wu-Zhou, residuals": ce.dette_wu_zhou_test(margins, draws=cell.draws, rng=seed),
        "equal correlations at T/2": ce.equal_correlation_test(margins, date=half),
        "Jennrich at T/2": ce.jennrich_test(margins, date=half),
        "Jennrich at T/2, returns": ce.jennrich_test(data, date=half, filter=None),
    }
    return {name: test.pvalue for name, test in out.items()}


def two_columns(cell: Cell, rng: np.random.Generator) -> tuple[pd.DataFrame, ce.Margins]:
    rho: float | Array = RHO
    if cell.world.startswith("step"):
        rho = np.where(np.arange(cell.nobs) < cell.nobs // 2, RHO, RHO + float(cell.world[4:]))
    data = frame(returns(cell.world, cell.nobs, 2, rho, rng))
    return data, margins_of(data)


def dcc(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """A break in the correlation beyond a DCC, margins fitted again in every draw."""
    _, margins = two_columns(cell, rng)
    seed = int(rng.integers(2**31))
    half = margins.std_resid.index[cell.nobs // 2]
    return {
        "WKD, DCC null": ce.wied_kraemer_dehling_test(margins, pvalue="dcc", draws=cell.draws, rng=seed).pvalue,
        "equal correlations at T/2, DCC null": ce.equal_correlation_test(
            margins, date=half, pvalue="dcc", draws=cell.draws, rng=seed
        ).pvalue,
    }


def drawn(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """Hansen's bootstraps of the sup test of a mean."""
    y = frame(returns(cell.world, cell.nobs, 1, 0.0, rng))["A"]
    seed = int(rng.integers(2**31))
    return {
        "sup-W, fixed regressors": ce.sup_wald_test(
            y, cov_type="nonrobust", pvalue="bootstrap", draws=cell.draws, rng=seed
        ).pvalue,
        "sup-W, HC, wild": ce.sup_wald_test(y, pvalue="wild", draws=cell.draws, rng=seed).pvalue,
    }


def contagion(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """Contagion in a window fixed beforehand, of high volatility in the worlds called crisis."""
    data = frame(returns(cell.world, cell.nobs, 2, RHO, rng))
    first, end = crisis_rows(cell.nobs)
    crisis = (data.index[first], data.index[end - 1])
    seed = int(rng.integers(2**31))
    out: dict[str, float] = {}
    for how in ("asymptotic", "block", "garch"):
        out[f"Forbes-Rigobon, {how}"] = ce.forbes_rigobon_test(
            data["A"], data["B"], crisis, pvalue=how, draws=cell.draws, rng=seed
        ).pvalue
    for moment in ("CS12", "CS21"):
        for robust, form in ((True, "asymptotic"), (False, "as published")):
            out[f"Fry-Martin-Tang {moment}, {form}"] = ce.fry_martin_tang_test(
                data["A"], data["B"], crisis, moment=moment, robust=robust, pvalue="asymptotic"
            ).pvalue
    out["Fry-Martin-Tang CS12, garch"] = ce.fry_martin_tang_test(
        data["A"], data["B"], crisis, draws=cell.draws, rng=seed
    ).pvalue
    return out


def explosive(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """An explosive root in a random walk of these returns."""
    if cell.world == "bubble":
        y = rng.standard_normal(cell.nobs)
        level = np.empty(cell.nobs)
        level[0] = 100.0
        for t in range(1, cell.nobs):
            level[t] = level[t - 1] * (1.03 if 80 <= t < 120 else 1.0) + y[t]
            if t == 120:
                level[t] = 100.0
    else:
        level = 100.0 + returns(cell.world, cell.nobs, 1, 0.0, rng)[:, 0].cumsum()
    seed = int(rng.integers(2**31))
    out = {
        f"GSADF, {how}": ce.gsadf_test(level, pvalue=how, draws=cell.draws, rng=seed).pvalue
        for how in ("wild", "sieve", "simulated")
    }
    out["GSADF, sieve resampled"] = ce.gsadf_test(
        level, pvalue="sieve", resample=True, draws=cell.draws, rng=seed
    ).pvalue
    return out


def unit_root(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """A unit root without a break, against stationarity around one."""
    level = 100.0 + returns(cell.world, cell.nobs, 1, 0.0, rng)[:, 0].cumsum()
    return {
        "Zivot-Andrews": ce.zivot_andrews_test(level, lags=0).pvalue,
        "Lee-Strazicich": ce.lee_strazicich_test(level, lags=0).pvalue,
    }


def path(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """How many breaks are found in a filtered path without any; not p-values but counts."""
    _, margins = two_columns(cell, rng)
    fitted = ce.DCC().fit(margins)
    rho = fitted.correlation("A", "B").to_numpy()  # an array carries no mark, so that the trap can be measured
    fisher = np.arctanh(rho)
    rolling = margins.std_resid["A"].rolling(60).corr(margins.std_resid["B"]).dropna().to_numpy()
    out = {}
    for name, series in (("DCC path", fisher), ("60-day rolling", np.arctanh(rolling))):
        for rule in ("bic", "lwz"):
            fit = ce.BaiPerron(max_breaks=5, cov_type="nonrobust", select=rule).fit(series)
            out[f"{rule.upper()} breaks, {name}"] = float(len(fit.positions))
        out[f"sup-W, nonrobust, {name}"] = ce.sup_wald_test(series, cov_type="nonrobust").pvalue
    return out


GROUPS: dict[str, Callable[[Cell, np.random.Generator], dict[str, float]]] = {
    "level": level,
    "beta": beta,
    "unrelated": beta,
    "hac": hac,
    "variance": variance,
    "calibrated": calibrated,
    "correlation": correlation,
    "dcc": dcc,
    "drawn": drawn,
    "contagion": contagion,
    "explosive": explosive,
    "unit-root": unit_root,
    "path": path,
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
            count = "breaks," in test
            ks = stats.kstest(values, "uniform").pvalue if cell.world == "iid-n" and values.size > 20 else np.nan
            rows.append(
                {
                    "group": cell.group,
                    "world": cell.world,
                    "T": cell.nobs,
                    "test": test,
                    "samples": values.size,
                    **{f"rate at {a:.0%}": np.nan if count else float(np.mean(values <= a)) for a in LEVELS},
                    "mean count": float(values.mean()) if count else np.nan,
                    "uniform": ks,
                }
            )
        print(f"{name}: {len(seeds)} samples, {time.perf_counter() - begun:.0f} s", flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="*", default=list(CELLS), choices=list(CELLS), metavar="CELL")
    parser.add_argument("--samples", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a few samples of one cell a group, nothing written")
    options = parser.parse_args()
    if options.quick:
        first = {cell.group: name for name, cell in reversed(CELLS.items())}
        print(run(list(first.values()), 2, 1).to_string())
        return
    table = run(options.cells, options.samples, options.jobs)
    target = RESULTS / "break_sizes.csv"
    if target.exists():
        # cells that were not run now keep their rows
        old = pd.read_csv(target)
        done = {(CELLS[name].group, CELLS[name].world, CELLS[name].nobs) for name in options.cells}
        keep = [key not in done for key in zip(old["group"], old["world"], old["T"], strict=True)]
        table = pd.concat([old[keep], table])
    table.sort_values(["group", "T", "world"], kind="stable").to_csv(target, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
