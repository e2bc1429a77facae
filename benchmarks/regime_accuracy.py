"""Bias of RSDC estimates, coverage of their intervals with and without the first stage, sizes of density checks.

    python benchmarks/regime_accuracy.py                 # all cells, about ten minutes of one core
    python benchmarks/regime_accuracy.py --cells driven.t
    python benchmarks/regime_accuracy.py --quick         # smoke run, prints only

A cell is ``chain.law``. Two columns of T = 1,500 percent returns are GARCH(1,1) with alpha .08 and beta .90; the
correlation of their shocks, normal or t with six degrees of freedom, is .20 or .70. In "constant" cells regimes are
left with probability .02 (the low) and .03 (the high); in "driven" cells the log odds of leaving are -4 + x and
-3.5 - .5 x with x AR(1), .95, of unit variance, lagged by a day. Margins are estimated, with the density of the
correlation step; "constant.t-normal" fits normal densities to t shocks, "driven.t-penalty" has penalty=2.

``sd`` is the standard deviation of the estimates over the samples, ``stacked`` and ``second`` the median standard error
with the margins' scores stacked and of the correlation step alone, ``cover`` and ``cover second`` the share of 95 %
intervals with the truth in them. Intervals of probabilities are on the logit. ``lost`` counts samples without a
standard error of the parameter. Rows "check ..." hold shares of p-values at or below 5 % of ``fit.diagnostics()``.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import argparse
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

import cryptoequity as ce
from cryptoequity.errors import ConvergenceError
from cryptoequity.estimation.parallel import map_draws
from cryptoequity.regimes import RSDC, RSDCFit
from cryptoequity.regimes.fit import draw_states
from cryptoequity.regimes.spec import regime_covariance
from cryptoequity.volatility.garch import simulate_margin

RESULTS = Path(__file__).parent / "results"
Array = npt.NDArray[np.float64]
SEED = 20261123
NOBS = 1500
NU = 6.0
RHO = np.array([0.20, 0.70])
LEAVE = np.array([0.02, 0.03])
ODDS = np.array([[-4.0, 1.0], [-3.5, -0.5]])
GARCH_TRUTH = np.array([0.05, 0.03, 0.08, 0.90])
HALF = float(stats.norm.isf(0.025))


@dataclass(frozen=True)
class Cell:
    """Whether a driver moves the chain, the law of the shocks, the density of the fit and its penalty."""

    driven: bool
    student: bool
    dist: str
    penalty: float = float("inf")


CELLS = {
    "constant.normal": Cell(False, False, "normal"),
    "constant.t": Cell(False, True, "t"),
    "constant.t-normal": Cell(False, True, "normal"),
    "driven.normal": Cell(True, False, "normal"),
    "driven.t": Cell(True, True, "t"),
    "driven.t-penalty": Cell(True, True, "t", 2.0),
}


def truth(cell: Cell) -> dict[str, float]:
    """True parameters of the correlation step, and of one margin."""
    out = {"A.alpha": GARCH_TRUTH[2], "A.beta": GARCH_TRUTH[3]}
    out |= {f"corr[{j + 1}].A,B": RHO[j] for j in range(2)}
    if cell.dist == "t":
        out["nu"] = NU
    if cell.driven:
        for j, pair in enumerate(("1,2", "2,1")):
            out |= {f"delta[{pair}].const": ODDS[j, 0], f"delta[{pair}].x": ODDS[j, 1]}
    else:
        out |= {"p[1,2]": LEAVE[0], "p[2,1]": LEAVE[1]}
    return out


def draw(cell: Cell, rng: np.random.Generator, nobs: int) -> tuple[pd.DataFrame, pd.Series]:
    """Returns and the driver of one sample."""
    x = np.zeros(nobs)
    steps = rng.standard_normal(nobs)
    x[0] = steps[0]
    for t in range(1, nobs):
        x[t] = 0.95 * x[t - 1] + np.sqrt(1 - 0.95**2) * steps[t]
    before = np.concatenate([x[:1], x[:-1]])
    odds = ODDS[:, :1] + (ODDS[:, 1:] * before if cell.driven else 0.0)
    leave = 1.0 / (1.0 + np.exp(-odds)) if cell.driven else np.repeat(LEAVE[:, None], nobs, axis=1)
    moves = np.array([[1 - leave[0], leave[0]], [leave[1], 1 - leave[1]]]).transpose(2, 0, 1)
    states = draw_states(np.ascontiguousarray(moves), np.array([0.6, 0.4]), nobs, rng)
    u = rng.standard_normal((nobs, 2))
    if cell.student:
        u *= np.sqrt((NU - 2.0) / rng.chisquare(NU, nobs))[:, None]
    rho = RHO[states]
    z = np.column_stack([u[:, 0], rho * u[:, 0] + np.sqrt(1 - rho**2) * u[:, 1]])
    columns = [simulate_margin(ce.GARCH(), GARCH_TRUTH, np.ascontiguousarray(z[:, i]), 1.5)[0] for i in range(2)]
    dates = pd.bdate_range("2015-01-01", periods=nobs)
    return pd.DataFrame(np.column_stack(columns), dates, ["A", "B"]), pd.Series(x, dates, name="x")


def one(task: tuple[str, np.random.SeedSequence, int]) -> dict[str, tuple[float, ...]] | None:
    """Of one sample, by parameter: estimate, both errors, in both intervals; by check its p-value."""
    name, seed, nobs = task
    cell = CELLS[name]
    returns, x = draw(cell, np.random.default_rng(seed), nobs)
    drivers = x if cell.driven else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = RSDC(dist=cell.dist, penalty=cell.penalty).fit(
                returns, margins=ce.GARCH(dist=cell.dist), drivers=drivers, starts=8, rng=0
            )
    except ConvergenceError:
        return None
    alone = second_step(fit)
    bounds = fit.conf_int()
    out: dict[str, tuple[float, ...]] = {}
    for key, value in truth(cell).items():
        estimate, error = float(fit.params[key]), float(fit.std_err[key])
        inside = bool(bounds.loc[key, "lower"] <= value <= bounds.loc[key, "upper"])
        other = alone.get(key, np.nan)
        if key.startswith("p[") and 0.0 < estimate < 1.0:
            wide = HALF * other / (estimate * (1.0 - estimate))
            within = abs(np.log(value / (1 - value)) - np.log(estimate / (1 - estimate))) <= wide
        else:
            within = abs(estimate - value) <= HALF * other
        out[key] = (estimate, error, other, float(inside), float(within))
    checks = fit.diagnostics()["pvalue"]
    for series, check in checks.index:
        out[f"check {check}, {series}"] = (float(checks[series, check]),)
    run = 1.0 / np.mean(np.diff(fit.viterbi().to_numpy()) != 0) if (np.diff(fit.viterbi()) != 0).any() else np.nan
    out["days between switches"] = (float(run),)
    return out


def second_step(fit: RSDCFit) -> dict[str, float]:
    """Standard errors of the correlation step, margins taken for known."""
    assert fit.optimum is not None
    cov, _ = regime_covariance(fit.likelihood, fit.optimum, "robust", None)
    errors = np.sqrt(np.diag(cov))
    return dict(zip(fit.likelihood.layout.names, errors.tolist(), strict=True))


def run(name: str, samples: int, nobs: int, n_jobs: int | None) -> pd.DataFrame:
    """One row a parameter or check."""
    seeds = np.random.SeedSequence([SEED, list(CELLS).index(name)]).spawn(samples)
    found = map_draws(one, [(name, seed, nobs) for seed in seeds], n_jobs=n_jobs)
    kept = [draw for draw in found if draw is not None]
    rows = []
    known = truth(CELLS[name])
    for key in kept[0]:
        table = np.array([draw[key] for draw in kept])
        row: dict[str, object] = {"cell": name, "nobs": nobs, "parameter": key, "samples": len(kept)}
        if key in known:
            good = np.isfinite(table[:, 1])
            second = np.isfinite(table[:, 2])
            row |= {
                "truth": known[key],
                "bias": table[:, 0].mean() - known[key],
                "median": np.median(table[:, 0]),
                "sd": table[:, 0].std(ddof=1),
                "stacked": np.median(table[good, 1]),
                "second": np.median(table[second, 2]) if second.any() else np.nan,
                "cover": table[good, 3].mean(),
                "cover second": table[second, 4].mean() if second.any() else np.nan,
                "lost": int((~good).sum()),
            }
        elif key.startswith("check"):
            row["rate"] = float(np.mean(table[:, 0] <= 0.05))
        else:
            row["median"] = float(np.nanmedian(table[:, 0]))
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="*", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    path = RESULTS / "regime_accuracy.csv"
    for name in args.cells:
        began = time.process_time()
        table = run(name, 4 if args.quick else args.samples, 600 if args.quick else NOBS, args.jobs)
        print(table.to_string(), f"\n{name}: {time.process_time() - began:.0f} s", flush=True)
        if args.quick:
            continue
        if path.exists():
            old = pd.read_csv(path)
            table = pd.concat([old[old["cell"] != name], table])
        order = {cell: n for n, cell in enumerate(CELLS)}
        table.sort_values("cell", key=lambda cell: cell.map(order), kind="stable").round(4).to_csv(path, index=False)


if __name__ == "__main__":
    main()
