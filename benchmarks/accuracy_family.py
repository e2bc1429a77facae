"""Whether estimates of every correlation model centre on the truth, and whether their intervals hold it.

    python benchmarks/accuracy_family.py            # 200 samples a model, writes results/accuracy_family.csv
    python benchmarks/accuracy_family.py --quick    # 3 samples, prints only

Each sample is drawn from the model itself, with GARCH(1,1) margins, T = 2,000, and fitted from the returns up.
``converged`` and ``on_a_bound`` are shares of all samples; mean, spread and coverage are over the samples in which the
parameter has an error. ``median`` and ``mean_error / sd`` are for parameters whose law is far from normal. Drivers are
AR(1) with coefficient .97, drawn anew in each sample.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import signal

import cryptoequity as ce
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.correlation.model import PathModel
from cryptoequity.correlation.orders import fall_rate
from cryptoequity.correlation.spec import CorrelationSpec
from cryptoequity.estimation.parallel import map_draws, spawn
from cryptoequity.volatility.garch import simulate_margin

RESULTS = Path(__file__).parent / "results"
Array = npt.NDArray[np.float64]
NOBS, BURN, SEED = 2000, 300, 20261122
MARGIN = np.array([0.05, 0.05, 0.08, 0.88])  # mu, omega, alpha, beta
PAIR = np.array([[1.0, 0.4], [0.4, 1.0]])
THREE = np.array([[1.0, 0.5, 0.3], [0.5, 1.0, 0.4], [0.3, 0.4, 1.0]])
SIX = np.full((6, 6), 0.4) + 0.6 * np.eye(6)


def persistent(rng: np.random.Generator, nobs: int) -> Array:
    """An AR(1) with coefficient .97 and unit variance, (nobs, 1)."""
    noise = rng.standard_normal(nobs + 500) * np.sqrt(1 - 0.97**2)
    path: Array = signal.lfilter([1.0], [1.0, -0.97], noise)[500:, None]
    return path


def wave(rng: np.random.Generator, nobs: int) -> Array:
    """A bounded slow variable: six waves with a random phase, and noise, (nobs, 1)."""
    phase = np.linspace(0.0, 12.0 * np.pi, nobs) + rng.uniform(0.0, 2.0 * np.pi)
    out: Array = (np.sin(phase) + 0.3 * rng.uniform(-1.0, 1.0, nobs))[:, None]
    return out


@dataclass(frozen=True, eq=False)
class Design:
    """A model and its truth. ``target`` is what it returns to, or None; ``driver`` draws its exogenous variables."""

    spec: CorrelationSpec
    theta: Array
    n: int
    target: Array | None = None
    driver: Callable[[np.random.Generator, int], Array] | None = None
    fit_options: dict[str, object] = field(default_factory=dict)
    name: str = ""

    def sample(self, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """Percent returns (NOBS, N) and the driver by date."""
        # a model driven by time has no past to forget, and its time must be the sample's
        burn = 0 if self.timed else BURN
        total = NOBS + burn
        x = None if self.driver is None else self.driver(rng, total)
        seedling = self.seedling(rng, total, x)
        nuisance = None
        if self.target is not None:
            nuisance = self.target[np.triu_indices(self.n, 1)]
            if any(name.startswith("fall.") for name in seedling.nuisance_names()):
                falls = fall_rate(self.target)[0]
                np.fill_diagonal(falls, 0.5)
                nuisance = np.concatenate([nuisance, falls[np.triu_indices(self.n)]])
        model = seedling.fixed(seedling.z, x, nuisance)
        nu = model.density(self.theta)[0]
        z, _ = model.simulate(self.theta, draw_shocks(rng, total, self.n, nu), driver=x)
        index = pd.bdate_range("2015-01-01", periods=NOBS)
        columns = [simulate_margin(ce.GARCH(), MARGIN, np.ascontiguousarray(z[:, i]), 1.25)[0] for i in range(self.n)]
        returns = pd.DataFrame(np.stack(columns, axis=1)[burn:], index, self.columns)
        return returns, None if x is None else pd.DataFrame(x[burn:], index).add_prefix("x")

    def seedling(self, rng: np.random.Generator, nobs: int, x: Array | None) -> PathModel:
        """The model on noise; a copula also reads the law of its margins, here normal."""
        index = pd.bdate_range("2015-01-01", periods=nobs)
        noise = pd.DataFrame(rng.standard_normal((nobs, self.n)), index, self.columns)
        margins = None
        if isinstance(self.spec, ce.CopulaDCC):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                margins = ce.fit_margins(noise)
        return self.spec.model(noise.to_numpy(), names=self.columns, driver=x, target=self.target, margins=margins)

    @property
    def timed(self) -> bool:
        """Whether time is among the drivers."""
        return isinstance(self.spec, ce.BerbenJansen) or getattr(self.spec, "second", "") == "time"

    @property
    def columns(self) -> list[str]:
        """Names of the assets."""
        return list("ABCDEFGH"[: self.n])

    def truth(self) -> dict[str, float]:
        """True values by name: theta, and the target's pairs."""
        rng = np.random.default_rng(0)
        x = None if self.driver is None else self.driver(rng, 300)
        seedling = self.seedling(rng, 300, x)
        out = dict(zip(seedling.layout.names, self.theta.tolist(), strict=True))
        if self.target is not None:
            flat = self.target[np.triu_indices(self.n, 1)]
            out |= dict(zip(seedling.pair_names("corr"), flat.tolist(), strict=True))
        return out


def run_one(design: Design, seed: np.random.SeedSequence) -> tuple[dict[str, float], dict[str, float], bool]:
    """Estimates, errors and convergence of one sample."""
    returns, driver = design.sample(np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = design.spec.fit(returns, driver=driver, **design.fit_options)
    return fit.params.to_dict(), fit.std_err.to_dict(), fit.converged


@dataclass(frozen=True, eq=False)
class Study:
    """One draw of a design, as a function of its seed: what the parallel map calls."""

    name: str

    def __call__(self, seed: np.random.SeedSequence) -> tuple[dict[str, float], dict[str, float], bool]:
        """Sample and fit."""
        return run_one(designs()[self.name], seed)


def study(name: str, design: Design, draws: int, jobs: int) -> pd.DataFrame:
    """One model: a row for each of its parameters and targets."""
    seeds = spawn(SEED + sum(map(ord, name)), draws)
    rows = map_draws(Study(name), seeds, n_jobs=jobs)
    estimates = pd.DataFrame([row[0] for row in rows])
    errors = pd.DataFrame([row[1] for row in rows])
    converged = float(np.mean([row[2] for row in rows]))
    truth = design.truth()
    table = []
    for parameter, value in truth.items():
        if parameter not in estimates:
            continue
        known = np.isfinite(errors[parameter])
        e, s = estimates.loc[known, parameter], errors.loc[known, parameter]
        table.append(
            {
                "model": name,
                "parameter": parameter,
                "truth": value,
                "mean": e.mean(),
                "median": e.median(),
                "bias": e.mean() - value,
                "sd": e.std(ddof=1),
                "mean_error": s.mean(),
                "coverage": float((np.abs(e - value) <= 1.959964 * s).mean()),
                "on_a_bound": float((~known).mean()),
                "converged": converged,
                "N": design.n,
                "T": NOBS,
                "draws": draws,
            }
        )
    return pd.DataFrame(table)


def designs() -> dict[str, Design]:
    """Every model without a public reference program, and the plain one beside them."""
    return {
        "DCC(1,1)": Design(ce.DCC(), np.array([0.04, 0.93]), 3, THREE),
        "DCC(2,1)": Design(ce.DCC(p=2), np.array([0.03, 0.03, 0.9]), 3, THREE),
        "cDCC": Design(ce.CDCC(), np.array([0.05, 0.92]), 3, THREE),
        "cDCC-t": Design(ce.CDCC(dist="t"), np.array([0.05, 0.92, 7.0]), 3, THREE),
        "ADCC": Design(ce.ADCC(), np.array([0.03, 0.04, 0.91]), 3, THREE),
        "AG-DCC": Design(ce.AGDCC(), np.sqrt([0.03, 0.04, 0.05, 0.02, 0.03, 0.02, 0.92, 0.91, 0.9]), 3, THREE),
        "DECO": Design(ce.DECO(), np.array([0.05, 0.92]), 6, SIX),
        "score-driven": Design(ce.ScoreDriven(), np.array([0.4, 0.05, 0.96]), 2),
        "STCC": Design(ce.STCC(), np.array([0.2, 0.6, 3.0, 0.0]), 2, driver=persistent),
        "Berben-Jansen": Design(ce.BerbenJansen(), np.array([0.2, 0.6, 5.0, 0.5]), 2),
        "DSTCC, time": Design(
            ce.DSTCC(second="time"), np.array([0.1, 0.3, 0.5, 0.7, 3.0, 0.0, 8.0, 0.5]), 2, driver=persistent
        ),
        "DCC-X": Design(ce.DCCX(limit="sample"), np.array([0.03, 0.85, 0.02]), 2, PAIR, driver=wave),
        "DCC-X, Fisher": Design(ce.DCCX(form="fisher"), np.array([0.03, 0.9, 0.03, 0.4]), 2, driver=wave),
        "DCC-MIDAS": Design(ce.DCCMIDAS(lags=4, block=15), np.array([0.04, 0.85, 3.0]), 2),
        "DCC-MIDAS, driven": Design(
            ce.DCCMIDAS(lags=4, block=15), np.array([0.04, 0.8, 3.0, 0.4, 0.5]), 2, driver=wave
        ),
        "copula-t": Design(ce.CopulaDCC(dist="t"), np.array([0.04, 0.93, 7.0]), 2, PAIR),
        "composite": Design(ce.DCC(), np.array([0.04, 0.93]), 6, SIX, fit_options={"method": "composite"}),
        "joint": Design(ce.DCC(), np.array([0.04, 0.93]), 2, PAIR, fit_options={"method": "joint"}),
    }


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few samples, nothing written")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--only", nargs="*", help="models to run; the others' rows of the table are kept")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    chosen = {name: one for name, one in designs().items() if not options.only or name in options.only}
    tables = []
    for name, design in chosen.items():
        tables.append(study(name, design, 3 if options.quick else options.draws, options.jobs))
        print(tables[-1].drop(columns=["T", "draws"]).round(4).to_string(index=False), flush=True)
    table = pd.concat(tables, ignore_index=True).round(5)
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / "accuracy_family.csv"
        if options.only and path.exists():
            old = pd.read_csv(path)
            table = pd.concat([old[~old["model"].isin(chosen)], table], ignore_index=True)
        table.to_csv(path, index=False)
    return table


if __name__ == "__main__":
    main()
