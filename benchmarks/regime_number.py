"""Size and power of the tests of the number of regimes, one against two.

    python benchmarks/regime_number.py            # all cells, about ten minutes of one core
    python benchmarks/regime_number.py --quick    # smoke run, prints only

T = 500. Worlds: independent normal or t(5) values; GARCH(.08, .90), normal; independent normal with a standard
deviation that doubles half-way; two regimes of the variance (standard deviations 1 and 2, chances of staying .98 and
.95); two regimes of the mean (-1 and 1, .98 and .95). Of two columns: correlation .4, normal or t(6); GARCH returns
with that correlation whose margins are estimated; regimes of correlation .1 and .7 (.98 and .97).

Likelihood ratios: every sample has one draw from its own fitted null, and all samples of a cell are compared with the
pooled draws (Giacomini, Politis & White 2013). Without lags the statistics of Carrasco, Hu & Ploberger and of Dufour &
Luger do not depend on the parameters, so that all samples share one law of 1999 draws. Rejections at 5 %; "two errors"
counts samples and draws.
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
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from cryptoequity.estimation.bootstrap import pvalue
from cryptoequity.estimation.parallel import map_draws, spawn
from cryptoequity.regimes.chp import chp_surface, directions, summarize
from cryptoequity.regimes.fit import draw_states
from cryptoequity.regimes.gaussian import GaussianEmission
from cryptoequity.regimes.moment_tests import REFERENCE, combined, mixture_moments, normal_moments
from cryptoequity.regimes.one_regime import fit_autoregression
from cryptoequity.regimes.ratio_draws import Match, NullDraw
from cryptoequity.volatility import GARCH, fit_margins

RESULTS = Path(__file__).parent / "results"
NOBS, SEED, STARTS, LAW = 500, 20261124, 3, 1999
WIDE = (0.0, 0.98)
PAPER = (-0.7, 0.7)


def states_of(stay: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Path of two regimes, from 0."""
    p = np.array([[stay[0], 1 - stay[0]], [1 - stay[1], stay[1]]])
    law = np.array([1 - stay[1], 1 - stay[0]]) / (2 - sum(stay))
    return draw_states(p[None], law, NOBS, rng)


def garch(shocks: np.ndarray) -> np.ndarray:
    """GARCH(1,1) returns of variance one, columns of ``shocks``."""
    out, variance = np.empty_like(shocks), np.ones(shocks.shape[1])
    for t, z in enumerate(shocks):
        out[t] = np.sqrt(variance) * z
        variance = 0.02 + 0.08 * out[t] ** 2 + 0.90 * variance
    return out


def sample(world: str, rng: np.random.Generator) -> np.ndarray:
    """Data (T, N) of a world."""
    if world.startswith("two"):
        z = rng.standard_normal((NOBS, 2))
        rho = np.where(states_of((0.98, 0.97), rng), 0.7, 0.1) if world == "two-regimes" else 0.4
        z[:, 1] = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
        if world == "two-t":
            z *= np.sqrt(4.0 / rng.chisquare(6, NOBS))[:, None]
        if world == "two-garch":
            frame = pd.DataFrame(garch(z), columns=["a", "b"])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                z = fit_margins(frame, GARCH(), cov_type="classic").std_resid.to_numpy(float)
        return z
    e = rng.standard_normal((NOBS, 1))
    if world == "iid-t":
        return e * np.sqrt(3.0 / rng.chisquare(5, NOBS))[:, None]
    if world == "garch-n":
        return garch(e)
    if world == "variance-break":
        e[NOBS // 2 :] *= 2.0
    if world == "regimes of variance":
        e[states_of((0.98, 0.95), rng) == 1] *= 2.0
    if world == "regimes of mean":
        e[:, 0] += np.where(states_of((0.98, 0.95), rng), 1.0, -1.0)
    if world == "ar":
        e[:, 0] = lfilter([1.0], [1.0, -0.2], e[:, 0])
    return e


MODELS: dict[str, dict[str, object]] = {
    "LR, mean and variance": {},
    "LR, mean and variance, t": {"student": True},
    "LR, mean": {"scale": "common"},
    "LR, correlation": {"mean": "zero", "scale": "unit", "order_by": "correlation"},
    "LR, correlation, t": {"mean": "zero", "scale": "unit", "order_by": "correlation", "student": True},
}


@dataclass(frozen=True)
class Task:
    """One sample: its ratio, and one of a draw from its fitted null."""

    world: str
    model: str

    def __call__(self, seed: np.random.SeedSequence) -> tuple[float, float]:
        """Pair of ratios of the sample of ``seed``."""
        rng = np.random.default_rng(seed)
        y = sample(self.world, rng)
        match = Match(GaussianEmission(y, tuple("ab"[: y.shape[1]]), 2, **MODELS[self.model]), 1, 2, STARTS)
        found = match.ratio(y, rng)
        return found.value, NullDraw(match, found.null.theta)(spawn(rng, 1)[0])[0]


LR_CELLS = [
    ("iid-n", "LR, mean and variance", 300),
    ("two-n", "LR, correlation", 200),
    ("iid-n", "LR, mean", 200),
    ("garch-n", "LR, mean and variance", 60),
    ("regimes of variance", "LR, mean and variance", 60),
    ("two-garch", "LR, correlation", 100),
    ("two-regimes", "LR, correlation", 60),
    ("two-t", "LR, correlation, t", 100),
    ("iid-t", "LR, mean and variance", 60),
]
QUICK_WORLDS = ("iid-n", "iid-t", "garch-n", "variance-break", "regimes of variance", "regimes of mean")


def ratios(count: int | None, jobs: int) -> list[dict[str, object]]:
    """Rows of the likelihood ratios."""
    rows = []
    for n, (world, model, samples) in enumerate(LR_CELLS):
        begin = time.time()
        seeds = np.random.SeedSequence(SEED, spawn_key=(n,)).spawn(count or samples)
        pairs = np.array(map_draws(Task(world, model), seeds, n_jobs=jobs))
        rows.append(row(world, model, [pvalue(value, pairs[:, 1]) for value in pairs[:, 0]], len(pairs), begin))
        rows[-1] |= {"median ratio": np.nanmedian(pairs[:, 0]), "95 % of draws": np.nanquantile(pairs[:, 1], 0.95)}
        if count is None:  # what is done is kept
            pd.DataFrame(rows).to_csv(RESULTS / "regime_number_lr.part", index=False)
    return rows


def row(world: str, test: str, chances: list[float], law: int, begin: float) -> dict[str, object]:
    """A row of the table."""
    rate = float(np.mean(np.array(chances) <= 0.05))
    out = {"world": world, "test": test, "T": NOBS, "samples": len(chances), "rate at 5%": rate}
    out["two errors"] = 2.0 * float(np.sqrt(0.05 * 0.95 * (1.0 / len(chances) + 1.0 / law)))
    print(f"{world:20s} {test:40s} {len(chances):4d} {rate:6.3f}  {time.time() - begin:6.0f} s", flush=True)
    return out


def score(y: np.ndarray, switching: str, ends: tuple[float, float], statistic: str) -> float:
    """Statistic of Carrasco, Hu and Ploberger."""
    rhos = np.linspace(*ends, int(np.ceil((ends[1] - ends[0]) / 0.025)) + 1)
    return summarize(chp_surface(fit_autoregression(y, 0), switching, rhos, directions(switching)[1]), statistic)


def scores(count: int | None) -> list[dict[str, object]]:
    """Rows of the tests that need the null only."""
    tests = {
        f"CHP, {switching}, {statistic}TS, {label}": partial(score, switching=switching, ends=ends, statistic=statistic)
        for switching in ("both", "mean", "variance")
        for label, ends in (("rho to .7", PAPER), ("rho to .98", WIDE))
        for statistic in (("sup", "exp") if switching == "variance" else ("sup",))
    }
    rng = np.random.default_rng(SEED)
    reference = np.sort(normal_moments(NOBS, REFERENCE, rng), axis=0)
    for combine in ("product", "min"):
        tests[f"Dufour–Luger, {combine}"] = partial(moment, reference=reference, combine=combine)
    draws = [rng.standard_normal(NOBS) for _ in range(LAW if count is None else 99)]
    laws = {name: np.array([test(y) for y in draws]) for name, test in tests.items()}
    rows = []
    for w, world in enumerate(QUICK_WORLDS):
        seeds = np.random.SeedSequence(SEED, spawn_key=(99, w)).spawn(count or (1000 if world == "iid-n" else 400))
        data = [sample(world, np.random.default_rng(seed))[:, 0] for seed in seeds]
        for name, test in tests.items():
            begin = time.time()
            rows.append(row(world, name, [pvalue(test(y), laws[name]) for y in data], len(draws), begin))
    return rows


def moment(y: np.ndarray, reference: np.ndarray, combine: str) -> float:
    """Statistic of Dufour and Luger."""
    return float(combined(mixture_moments((y - y.mean())[None]), reference, combine)[0])


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few samples, nothing written")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    count = 6 if options.quick else None
    table = pd.DataFrame([*ratios(count, options.jobs), *scores(count)])
    if not options.quick:
        (RESULTS / "regime_number_lr.part").unlink()
        table.to_csv(RESULTS / "regime_number.csv", index=False, float_format="%.4g")
    return table


if __name__ == "__main__":
    main()
