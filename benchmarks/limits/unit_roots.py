r"""Laws of the unit-root tests with breaks under a random walk with independent normal steps, no break and no lags.

The statistics themselves are drawn, at several T, with the kernels of the tests. Stored are quantiles of minus the
statistic, so that the upper tail rejects. Keys of the table:

    za:{intercept,trend,both}:{T}:{trim}       Zivot-Andrews
    lp:{intercept,trend,both}:{T}:{trim}       Lumsdaine-Papell
    ls1:{crash,trend}:{T}:{trim}, ls2:…        Lee-Strazicich, one and two breaks

Run: python benchmarks/limits/unit_roots.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from cryptoequity.breaks.lee_strazicich import BREAKS, GAPS, lm_parts, lm_path
from cryptoequity.breaks.limits import LimitLaw, write_limits
from cryptoequity.breaks.unit_root_search import FAMILY
from cryptoequity.breaks.unit_roots import FORMS, df_parts
from cryptoequity.estimation.parallel import map_draws, spawn
from cryptoequity.kernels.unit_root_breaks import df_pairs, df_scan, lm_pairs

SEED = 19920703
ONE = (0.0, 0.05, 0.10, 0.15, 0.20, 0.25)  # trims of Zivot-Andrews; the others have no 0
TWO = (0.05, 0.10, 0.15, 0.20)
CHUNK = 50
# T and draws: one break, two breaks
SIZES_ONE = {40: 40_000, 70: 40_000, 100: 40_000, 200: 40_000, 500: 40_000, 1000: 30_000}
SIZES_TWO = {40: 15_000, 70: 15_000, 100: 15_000, 200: 8_000, 400: 3_000}
OUT = Path(__file__).parents[2] / "src" / "cryptoequity" / "breaks" / "tables" / f"{FAMILY}.npz"


def edges(nobs: int, trims: tuple[float, ...]) -> list[int]:
    """Fewest rows of a regime at each trim."""
    return [max(1, int(trim * nobs + 1e-9)) for trim in trims]


def one_break(y: np.ndarray) -> dict[str, float]:
    """Every statistic with one break."""
    nobs, found = y.size, {}
    q, x, dy = df_parts(y, 0, 1)
    for name, form in FORMS.items():
        out = np.empty((2, nobs - 2))
        df_scan(q, x, dy, 1, 2, nobs - 1, form, out)
        for trim, least in zip(ONE, edges(nobs, ONE), strict=True):
            found[f"za:{name}:{nobs}:{trim:g}"] = float(np.nanmin(out[0, max(least, 2) - 2 : nobs - least - 1]))
    low = edges(nobs, TWO)[0]
    for name, trend in BREAKS.items():
        path = lm_path(y, 0, 1, low, nobs - low, trend)[0]
        for trim, least in zip(TWO, edges(nobs, TWO), strict=True):
            found[f"ls1:{name}:{nobs}:{trim:g}"] = float(np.nanmin(path[least - low : nobs - least - low + 1]))
    return found


def two_breaks(y: np.ndarray) -> dict[str, float]:
    """Every statistic with two breaks."""
    nobs, found = y.size, {}
    least = edges(nobs, TWO)
    low = least[0]
    # latest second dates increase, so trims come from the largest down
    highs = np.array([nobs - h for h in least[::-1]])
    size = highs[-1] - low + 1
    best, where = np.empty((size, len(TWO))), np.empty((size, len(TWO)), np.int64)

    def keep(stem: str) -> None:
        for j, trim in enumerate(TWO):
            found[f"{stem}:{nobs}:{trim:g}"] = float(best[least[j] - low :, len(TWO) - 1 - j].min())

    q, x, dy = df_parts(y, 0, 1)
    for name, form in FORMS.items():
        df_pairs(q, x, dy, 1, low, highs, 2, form, best, where)
        keep(f"lp:{name}")
    for name, trend in BREAKS.items():
        lm_pairs(*lm_parts(y, 0, 1), 1, low, highs, GAPS[trend], trend, best, where)
        keep(f"ls2:{name}")
    return found


def chunk_of(task: tuple[np.random.SeedSequence, int], statistics) -> tuple[list[str], np.ndarray]:
    """Statistics of `CHUNK` random walks."""
    seed, nobs = task
    rng = np.random.default_rng(seed)
    rows = [statistics(np.cumsum(rng.standard_normal(nobs))) for _ in range(CHUNK)]
    return list(rows[0]), np.array([list(row.values()) for row in rows])


def main() -> None:
    """Draw, print the 10, 5 and 1 % points at a trim of .15 (Lee-Strazicich .10), store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few draws at small T; prints, writes nothing")
    parser.add_argument("--n-jobs", type=int, default=1)
    args = parser.parse_args()
    laws: dict[str, LimitLaw] = {}
    plan = [(one_break, SIZES_ONE), (two_breaks, SIZES_TWO)]
    seeds = iter(np.random.SeedSequence(SEED).spawn(sum(len(sizes) for _, sizes in plan)))
    for statistics, sizes in plan:
        for nobs, draws in sizes.items():
            seed = next(seeds)
            if args.quick:
                if nobs > 100:
                    continue
                draws = 200
            begun = time.perf_counter()
            tasks = [(one, nobs) for one in spawn(seed, draws // CHUNK)]
            parts = map_draws(partial(chunk_of, statistics=statistics), tasks, n_jobs=args.n_jobs)
            values = np.concatenate([part[1] for part in parts])
            for j, key in enumerate(parts[0][0]):
                laws[key] = LimitLaw.of_draws(-values[:, j])
                shown = ":0.1" if key.startswith("ls") else ":0.15"
                if key.endswith(shown):
                    points = " ".join(f"{-laws[key].critical(level):7.3f}" for level in (0.10, 0.05, 0.01))
                    print(f"{key:24s} {points}   s.e. {laws[key].precision(0.05):.3f}", flush=True)
            print(f"T = {nobs}: {draws} draws, {time.perf_counter() - begun:.1f} s", flush=True)
    if not args.quick:
        OUT.parent.mkdir(exist_ok=True)
        write_limits(OUT, laws, SEED, "benchmarks/limits/unit_roots.py")


if __name__ == "__main__":
    main()
