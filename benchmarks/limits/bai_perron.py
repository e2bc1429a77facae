r"""Limit laws of Bai and Perron's tests of m breaks: sup F(m), UDmax, WDmax.

Under the null, with W a q-dimensional Brownian motion and partitions whose segments are at least a share of the path,

    F(m) -> sup  1/(mq) sum_i |l_i W(l_{i+1}) - l_{i+1} W(l_i)|^2 / {l_i l_{i+1} (l_{i+1} - l_i)},

which is the gain in fit of a segmented mean of q-dimensional white noise over its overall mean, divided by mq. It is
maximized exactly, over all partitions of a path of N steps, by the dynamic program of
``cryptoequity.kernels.limit_paths``; one path serves every q, m and trim. Keys of the table:

    supF.q{q}.m{m}.trim{trim}
    UDmax.q{q}.trim{trim}              max over m of sup F(m), up to the most breaks of that trim (5, 5, 5, 3, 2)
    UDmax.q{q}.trim{trim}.max{M}       up to M breaks
    WDmax.q{q}.trim{trim}@{level}      max over m of sup F(m) c(level, 1) / c(level, m), weights fixed at a level
    WDmax.q{q}.trim{trim}[.max{M}]     not a law of one statistic: its entry at probability 1 - a is the critical value
                                       at level a of the statistic with the weights of level a

Run: python benchmarks/limits/bai_perron.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from cryptoequity.breaks.limits import LEVELS, LimitLaw, write_limits
from cryptoequity.breaks.partition_laws import DIMENSIONS, FAMILY, MOST, TRIMS, gains_of_path, of_draws
from cryptoequity.estimation.parallel import map_draws, spawn

SEED = 20030101
STEPS = 1000  # as in Bai and Perron (1998)
PATHS = 30_000
OUT = Path(__file__).parents[2] / "src" / "cryptoequity" / "breaks" / "tables" / f"{FAMILY}.npz"


def laws_of(drawn: np.ndarray, steps: int) -> dict[str, LimitLaw]:
    """Every law from gains ``drawn`` (R, 10, trims, 5)."""
    laws: dict[str, LimitLaw] = {}
    for q in range(1, DIMENSIONS + 1):
        for k, (trim, most) in enumerate(zip(TRIMS, MOST, strict=True)):
            values = drawn[:, q - 1, k, :most].astype(float) / (q * np.arange(1, most + 1))
            name = f"q{q}.trim{trim:.2f}"
            for limit in range(2, most + 1):
                found = of_draws(values[:, :limit], q, trim, steps)
                end = "" if limit == most else f".max{limit}"
                laws[f"UDmax.{name}{end}"] = found.largest
                laws[f"WDmax.{name}{end}"] = found.weighted
            for m, law in enumerate(found.single, 1):
                laws[f"supF.q{q}.m{m}.trim{trim:.2f}"] = law
            for level in LEVELS:
                fixed = np.max(values * found.weights(level), axis=1)
                laws[f"WDmax.{name}@{level}"] = LimitLaw.of_draws(fixed, steps)
    return laws


def gains(seed: np.random.SeedSequence, steps: int) -> np.ndarray:
    """Gains of one path under every q, trim and number of breaks."""
    return gains_of_path(seed, steps, DIMENSIONS, TRIMS, MOST).astype(np.float32)


def main() -> None:
    """Simulate, print the 5 % values at a trim of .15, and store unless --quick."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few short paths; prints, writes nothing")
    quick = parser.parse_args().quick
    paths, steps = (200, 200) if quick else (PATHS, STEPS)
    start = time.process_time()
    drawn = map_draws(partial(gains, steps=steps), spawn(SEED, paths), n_jobs=1 if quick else 2, progress=not quick)
    laws = laws_of(np.stack(drawn), steps)
    for q in (1, 2, 3):
        line = [laws[f"supF.q{q}.m{m}.trim0.15"].critical(0.05) for m in range(1, 6)]
        print(f"q={q}", *(f"{value:.2f}" for value in line), end="  ")
        print(f"UDmax {laws[f'UDmax.q{q}.trim0.15'].critical(0.05):.2f}", end="  ")
        print(f"WDmax {laws[f'WDmax.q{q}.trim0.15'].critical(0.05):.2f}")
    print(f"{paths} paths of {steps} steps, {len(laws)} laws, {time.process_time() - start:.0f} s CPU here")
    if not quick:
        OUT.parent.mkdir(exist_ok=True)
        write_limits(OUT, laws, SEED, "benchmarks/limits/bai_perron.py")


if __name__ == "__main__":
    main()
