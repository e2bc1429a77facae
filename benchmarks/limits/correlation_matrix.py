r"""Limit laws of Wied's (2017) test of a constant correlation matrix.

Under the null the statistic tends to the largest L1 norm of d independent Brownian bridges,

    sup over s of |B_1(s)| + ... + |B_d(s)|,     d = N(N - 1) / 2.

One path of 45 bridges of N steps serves every d. Keys of the table: ``d1`` … ``d45``. The law of d1 is Kolmogorov's,
which measures what the steps cost: the peak of a discrete path lies below that of the continuous one.

Run: python benchmarks/limits/correlation_matrix.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import stats

from cryptoequity.breaks.limits import LimitLaw, write_limits
from cryptoequity.estimation.parallel import map_draws, spawn
from cryptoequity.kernels.correlation_breaks import bridge_norm_peaks

SEED = 20170401
STEPS = 4000
PATHS = 40_000
DIMENSIONS = 45
OUT = Path(__file__).parents[2] / "src" / "cryptoequity" / "breaks" / "tables" / "correlation_matrix.npz"


def peaks_of_path(task: tuple[np.random.SeedSequence, int]) -> np.ndarray:
    """Peaks (45,) of one path."""
    seed, steps = task
    return bridge_norm_peaks(np.random.default_rng(seed).standard_normal((DIMENSIONS, steps)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few short paths, printed and not written")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    paths, steps = (500, 500) if options.quick else (PATHS, STEPS)
    begin = time.perf_counter()
    tasks = [(seed, steps) for seed in spawn(SEED, paths)]
    peaks = np.stack(map_draws(peaks_of_path, tasks, n_jobs=options.jobs, label="paths", progress=True))
    laws = {f"d{d + 1}": LimitLaw.of_draws(peaks[:, d], steps) for d in range(DIMENSIONS)}
    print(f"{paths} paths of {steps} steps, {time.perf_counter() - begin:.0f} s")
    print("exact for d = 1:", {level: round(float(stats.kstwobign.isf(level)), 4) for level in (0.1, 0.05, 0.01)})
    for key in ("d1", "d3", "d6", "d10", "d45"):
        law = laws[key]
        print(
            key, {level: round(value, 4) for level, value in law.critical_values().items()}, f"± {law.precision():.4f}"
        )
    if not options.quick:
        OUT.parent.mkdir(exist_ok=True)
        write_limits(OUT, laws, SEED, "benchmarks/limits/correlation_matrix.py")


if __name__ == "__main__":
    main()
