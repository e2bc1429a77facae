"""What many columns cost: climb and errors in CPU time, arrays held at the peak, as N and T grow. One thread.

    python benchmarks/large_n.py            # writes results/large_n.csv
    python benchmarks/large_n.py --quick    # smoke run, prints only

Returns are simulated from a DCC(.03, .95) with equal correlations of .4. Margins are fitted beforehand and not counted:
they are N univariate fits whatever follows. ``arrays_mb`` is what NumPy holds at most during the correlation step,
beyond the margins, by `tracemalloc` in a run of its own.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads: CPU time must not count idle helper threads

import argparse
import platform
import statistics
import time
import tracemalloc
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from cryptoequity.correlation import DCC
from cryptoequity.correlation.composite import composite_pairs
from cryptoequity.correlation.deco import DECO
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility import Margins, fit_margins

RESULTS = Path(__file__).parent / "results"
JOBS = {
    "DCC": (DCC(), {}),
    "DCC, composite": (DCC(), {"method": "composite"}),
    "DCC, composite, all pairs": (DCC(), {"method": "composite", "pairs": "all"}),
    "DECO": (DECO(), {}),
}
# (job, N, T); the full likelihood and all pairs stop at a hundred columns, the N^2 of DECO at two hundred
SIZES = [
    *((job, n, 3000) for n in (10, 30, 100) for job in JOBS),
    *((job, 200, 3000) for job in ("DCC, composite", "DECO")),
    ("DCC, composite", 500, 3000),
    *((job, 100, nobs) for nobs in (1000, 6000) for job in ("DCC, composite", "DECO")),
]


def margins_of(n: int, nobs: int) -> Margins:
    """Fitted margins of simulated residuals, (nobs, n)."""
    rng = np.random.default_rng(20261122 + n)
    target = np.full((n, n), 0.4) + 0.6 * np.eye(n)
    if n <= 100:
        z = dcc_simulate(0.03, 0.95, target, rng.standard_normal((nobs, n)), target)
    else:  # factoring 500 columns at every date is not what is measured: a common factor whose loading moves
        level = 0.6 + 0.1 * np.sin(np.arange(nobs) / 200.0)[:, None]
        z = level * rng.standard_normal((nobs, 1)) + np.sqrt(1.0 - level**2) * rng.standard_normal((nobs, n))
    frame = pd.DataFrame(z, pd.bdate_range("2000-01-03", periods=nobs)).add_prefix("A")
    return fit_margins(frame)


def measure(job: str, margins: Margins, repeats: int) -> dict[str, object]:
    """Median CPU seconds of the climb and of the whole fit, and the arrays held."""
    spec, options = JOBS[job]
    whole, climbs = [], []
    for _ in range(repeats):
        begun = time.process_time()
        fit = spec.fit(margins, **options)
        whole.append(time.process_time() - begun)
        lik = fit.likelihood
        if fit.pairs is not None:
            lik = lik.composite(*composite_pairs(lik.n, fit.pairs.kind, fit.pairs.seed))
        begun = time.process_time()
        lik.climb(list(lik.starts()))
        climbs.append(time.process_time() - begun)
    tracemalloc.start()
    spec.fit(margins, **options)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "model": job,
        "N": len(margins.names),
        "T": len(margins.std_resid),
        "climb_s": round(statistics.median(climbs), 3),
        "with_errors_s": round(statistics.median(whole), 3),
        "arrays_mb": round(held / 1e6, 1),
    }


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, one repeat, nothing written")
    options = parser.parse_args(arguments)
    sizes = [(job, n, 600) for n in (5, 40) for job in JOBS] if options.quick else SIZES
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warm = margins_of(4, 500)
        for spec, choices in JOBS.values():  # compile before the clock runs
            spec.fit(warm, **choices)
        for n, nobs in dict.fromkeys((n, nobs) for _, n, nobs in sizes):
            margins = margins_of(n, nobs)
            for job, *size in sizes:
                if size == [n, nobs]:
                    rows.append(measure(job, margins, 1 if options.quick or n >= 100 else 3))
                    print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    names = ("cryptoequity", "numpy", "scipy", "numba")
    table["versions"] = "; ".join(f"{name} {version(name)}" for name in names) + f"; Python {platform.python_version()}"
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        table.to_csv(RESULTS / "large_n.csv", index=False)
    return table


if __name__ == "__main__":
    main()
