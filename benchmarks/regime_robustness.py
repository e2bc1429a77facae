"""How often the search of a regime model finds the best log-likelihood known, over seeds.

    python benchmarks/regime_robustness.py            # writes results/regime_robustness.csv
    python benchmarks/regime_robustness.py --quick    # smoke run, prints only

Simulated columns have T = 3,000 and regimes that are left with probability .03 a day; "too many" fits three regimes to
data of two; "correlation" switches between .05 and .65 on unit variances. The S&P 500 is arch's, 1999-2018. ``best`` is
the highest log-likelihood over all runs of the same data and model, ``hits`` the seeds within 1e-3 of it, ``worst`` how
far the worst seed is below, ``alone`` the seeds whose best climb no other climb reached. A regime's smallest eigenvalue
may not fall below 1e-4 in units of the sample's variances: with too many regimes the maximum depends on that limit.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from arch.data import sp500

from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.gaussian import GaussianEmission
from cryptoequity.regimes.likelihood import RegimeLikelihood, climb_regimes

RESULTS = Path(__file__).parent / "results"
Array = npt.NDArray[np.float64]
SD = {2: np.array([0.8, 2.0]), 3: np.array([0.6, 1.5, 4.0])}


def simulated(n: int, k: int, seed: int = 0, nobs: int = 3000) -> Array:
    """Columns whose variances, and correlation where there are two, switch, (nobs, n)."""
    rng = np.random.default_rng(seed)
    ladder = np.full((k, k), 0.03 / (k - 1))
    np.fill_diagonal(ladder, 0.97)
    ladder, uniform = ladder.cumsum(axis=1), rng.random(nobs)
    state = np.zeros(nobs, int)
    for t in range(1, nobs):
        state[t] = min(int(np.searchsorted(ladder[state[t - 1]], uniform[t])), k - 1)
    z = rng.standard_normal((nobs, n))
    if n > 1:
        rho = np.array([0.1, 0.5, 0.8])[state]
        z[:, 1] = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
    return np.asarray(z * SD[k][state][:, None])


def correlated(nobs: int = 3000) -> Array:
    """Two columns of unit variance whose correlation alone switches."""
    shocks = simulated(1, 2, 7, nobs)[:, 0]
    rng = np.random.default_rng(8)
    state = np.zeros(nobs, int)
    for t in range(1, nobs):
        state[t] = state[t - 1] ^ int(rng.random() < 0.03)
    rho = np.where(state, 0.65, 0.05)
    z = rng.standard_normal((shocks.size, 2))
    z[:, 1] = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
    return z


def index_returns() -> Array:
    """Percent returns of the S&P 500, (5030, 1)."""
    return np.asarray(100 * sp500.load()["Adj Close"].pct_change().dropna(), float)[:, None]


def likelihood(y: Array, k: int, **options: str) -> RegimeLikelihood:
    """Normal densities with a constant chain."""
    emission = GaussianEmission(y, tuple("abc"[: y.shape[1]]), k, **options)  # type: ignore[arg-type]
    return RegimeLikelihood(emission, Chain(k, np.ones((len(y), 1))))


def main() -> None:
    """Run every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    unit = {"mean": "zero", "scale": "unit"}
    cases = [
        ("one column", likelihood(simulated(1, 2), 2), (20,)),
        ("one column", likelihood(simulated(1, 3), 3), (20,)),
        ("two columns", likelihood(simulated(2, 2), 2), (20,)),
        ("two columns", likelihood(simulated(2, 3), 3), (20,)),
        ("S&P 500", likelihood(index_returns(), 2), (20,)),
        ("S&P 500", likelihood(index_returns(), 3), (20,)),
        ("correlation", likelihood(correlated(), 2, **unit), (20,)),
        ("one column, too many", likelihood(simulated(1, 2, 1), 3), (20, 100, "replicated")),
        ("two columns, too many", likelihood(simulated(2, 2, 1), 3), (20, 100, "replicated")),
    ]
    rows = []
    for name, lik, family in cases:
        runs = []
        for starts in family:
            values, alone, used, seconds = [], 0, [], []
            for seed in range(2 if args.quick else args.seeds):
                before = time.process_time()
                optimum, tried = climb_regimes(lik, starts, seed)
                seconds.append(time.process_time() - before)
                values.append(optimum.loglik)
                used.append(len(tried))
                alone += sum(one.end is not None and one.end > optimum.loglik - 1e-4 for one in tried) < 2
            runs.append((starts, np.array(values), alone, statistics.median(used), statistics.median(seconds)))
        best = max(float(values.max()) for _, values, *_ in runs)
        for starts, values, alone, used_here, spent in runs:
            rows.append(
                {
                    "data": name,
                    "k": lik.k,
                    "starts": starts,
                    "used": used_here,
                    "seeds": values.size,
                    "best": round(best, 4),
                    "hits": int(np.sum(values > best - 1e-3)),
                    "worst": round(best - float(values.min()), 4),
                    "alone": alone,
                    "seconds": round(spent, 3),
                }
            )
            print(rows[-1], flush=True)
        if not args.quick:
            pd.DataFrame(rows).to_csv(RESULTS / "regime_robustness.csv", index=False)


if __name__ == "__main__":
    main()
