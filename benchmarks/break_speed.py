"""How long break tests take, against the programs a user would pick: CPU time, one thread.

    python benchmarks/break_speed.py            # writes results/break_speed.csv and results/break_scaling.csv
    python benchmarks/break_speed.py --quick    # smoke run, prints only
    python benchmarks/break_speed.py --no-r     # leave R out

Ours and the peer's runs alternate; figures are medians of `time.process_time` after one warm run of each, R's are
medians of ``proc.time`` inside R. Peers: ruptures (exact dynamic programming, jump = 1), arch, a NumPy loop of least
squares, and strucchange's own R engine; those that are not installed are left out, with a word. The row in wall time
uses two workers.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads: CPU time must not count idle helper threads

import argparse
import importlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

import cryptoequity as ce
from cryptoequity.breaks.sample import Regression, read_regression
from cryptoequity.breaks.sup_wald import scan_regression, wald_path
from cryptoequity.kernels.correlation_breaks import correlation_peak
from cryptoequity.kernels.explosive import adf_paths
from cryptoequity.kernels.segment import segment_dp

RESULTS = Path(__file__).parent / "results"
Array = npt.NDArray[np.float64]
SEED = 20261122


def regression(nobs: int) -> tuple[Array, Array]:
    """A regression with a constant and one regressor whose slope breaks twice."""
    rng = np.random.default_rng(SEED + nobs)
    x = rng.standard_normal(nobs)
    slope = np.where(np.arange(nobs) < nobs // 3, 0.2, np.where(np.arange(nobs) < 2 * nobs // 3, 0.8, 0.4))
    return slope * x + rng.standard_normal(nobs), x


def walk(nobs: int) -> Array:
    """A random walk."""
    return np.random.default_rng(SEED + nobs).standard_normal(nobs).cumsum() + 100.0


def pair(nobs: int) -> pd.DataFrame:
    """Two series with correlation .4."""
    z = np.random.default_rng(SEED + nobs).standard_normal((nobs, 2))
    z[:, 1] = 0.4 * z[:, 0] + np.sqrt(1 - 0.16) * z[:, 1]
    return pd.DataFrame(z, columns=["A", "B"])


def nonrobust_path(reg: Regression) -> Array:
    """Path of sup-F statistics of a regression that has been read and checked, as the peers' arrays have."""
    size = int(0.15 * reg.nobs)
    return wald_path(reg, scan_regression(reg, size, reg.nobs - size), "nonrobust")


def wied_statistic(z: Array) -> float:
    """The statistic with Bartlett weights over log T lags."""
    x, y = np.ascontiguousarray(z[:, 0]), np.ascontiguousarray(z[:, 1])
    return float(correlation_peak(x, y, 10, float(int(np.log(x.size)) + 1), np.empty(x.size), np.empty(x.size))[0])


def explosive_statistics(y: Array, lag: int) -> float:
    """GSADF over the default window."""
    window = int((0.01 + 1.8 / np.sqrt(y.size)) * y.size)
    return float(np.nanmax(adf_paths(y, lag, window, lag + window)[1]))


@dataclass(frozen=True)
class Row:
    """The same job done by us and by a peer; ``target`` is the ratio or, without a peer, the seconds allowed."""

    job: str
    nobs: int
    ours: Callable[[], object]
    peer_name: str = ""
    peer: Callable[[], object] | None = None
    target: float = float("nan")
    repeats: int = 7
    peer_repeats: int = 3
    wall: bool = False


def clock(job: Callable[[], object], wall: bool) -> float:
    tick = time.perf_counter if wall else time.process_time
    begun = tick()
    job()
    return tick() - begun


def ruptures_dp(y: Array, x: Array, size: int, n_breaks: int) -> object:
    """Exact partition by ruptures: regression cost, every date a candidate."""
    import ruptures

    signal = np.column_stack([y, np.ones(y.size), x])
    return ruptures.Dynp(model="linear", min_size=size, jump=1).fit(signal).predict(n_bkps=n_breaks)


def least_squares_loop(y: Array, x: Array, size: int) -> float:
    """Sup-F by two least-squares fits at every date."""
    design = np.column_stack([np.ones(y.size), x])
    full = float(np.linalg.lstsq(design, y, rcond=None)[1][0])
    best = 0.0
    for date in range(size, y.size - size + 1):
        left = float(np.linalg.lstsq(design[:date], y[:date], rcond=None)[1][0])
        right = float(np.linalg.lstsq(design[date:], y[date:], rcond=None)[1][0])
        best = max(best, (full - left - right) / ((left + right) / (y.size - 4)))
    return best


def r_cpu(script: str, repeats: int) -> float:
    """Median CPU seconds of an expression in R, timed inside R."""
    timed = f"replicate({repeats}, {{s <- proc.time(); job(); e <- proc.time(); sum((e - s)[1:2])}})"
    code = f"{script}\nt <- {timed}\ncat(median(t))"
    done = subprocess.run(["Rscript", "--vanilla", "-e", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def r_rows() -> Iterator[tuple[str, int, Callable[[], object], str, float]]:
    """(job, T, ours, program, seconds in R)."""
    for nobs in (500, 1000):
        y, x = regression(nobs)
        design = np.column_stack([np.ones(nobs), x])
        size = int(0.15 * nobs)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "d.csv"
            pd.DataFrame({"y": y, "x": x}).to_csv(path, index=False)
            head = f"suppressMessages(library(strucchange)); d <- read.csv('{path}');"
            jobs = {
                "Bai-Perron dates, k = 2, all m to 5": (
                    "breakpoints(y ~ x, data = d, h = .15, breaks = 5)",
                    lambda y=y, d=design, h=size: segment_dp(y, d, h, 5),
                    1,
                ),
                "sup-F, k = 2: path of statistics": (
                    "Fstats(y ~ x, data = d, from = .15)",
                    partial(nonrobust_path, read_regression(y, x)),
                    3,
                ),
            }
            for job, (call, ours, repeats) in jobs.items():
                seconds = r_cpu(f"{head} job <- function() {call}", repeats)
                yield job, nobs, ours, "strucchange, R engine", seconds


def rows(quick: bool) -> Iterator[Row]:
    """Every job with its peer."""
    size = 300 if quick else 1000
    y, x = regression(size)
    h = int(0.15 * size)
    design = np.column_stack([np.ones(size), x])
    yield Row(
        "Bai-Perron dates, k = 2, all m to 5; the peer m = 2 alone",
        size,
        lambda: segment_dp(y, design, h, 5),
        "ruptures Dynp, jump 1",
        lambda: ruptures_dp(y, x, h, 2),
        200.0,
        peer_repeats=1,
    )
    yield Row(
        "Bai-Perron, k = 2: dates, tests, intervals, HC",
        size,
        lambda: ce.BaiPerron().fit(y, x),
        repeats=5,
    )
    long = 600 if quick else 3000
    y3, x3 = regression(long)
    design3 = np.column_stack([np.ones(long), x3])
    h3 = int(0.15 * long)
    reg3 = read_regression(y3, x3)
    yield Row("Bai-Perron dates, k = 2, all m to 5", long, lambda: segment_dp(y3, design3, h3, 5), target=0.2)
    yield Row(
        "sup-F, k = 2: path of statistics",
        long,
        lambda: nonrobust_path(reg3),
        "NumPy loop of least squares",
        lambda: least_squares_loop(y3, x3, h3),
        500.0,
    )
    yield Row("sup-F, k = 2: the whole test, p-value", long, lambda: ce.sup_wald_test(y3, x3, cov_type="nonrobust"))
    yield Row("sup-W with HC errors, k = 2: the whole test, p-value", long, lambda: ce.sup_wald_test(y3, x3), repeats=5)
    walk2 = walk(400 if quick else 2000)
    yield Row("GSADF, lag 1", walk2.size, lambda: explosive_statistics(walk2, 1), target=0.15)
    walk1 = walk(200 if quick else 1000)
    draws = 99 if quick else 999
    yield Row(
        f"GSADF, {draws} wild draws, two workers, wall time",
        walk1.size,
        lambda: ce.gsadf_test(walk1, draws=draws, n_jobs=2),
        target=30.0,
        repeats=1,
        wall=True,
    )
    z = pair(long)
    values = np.ascontiguousarray(z.to_numpy())
    yield Row("Wied-Krämer-Dehling statistic", long, lambda: wied_statistic(values), target=0.0003)
    yield Row(
        f"Wied-Krämer-Dehling, {draws} block draws",
        long,
        lambda: ce.wied_kraemer_dehling_test(z, filter=None, pvalue="block", draws=draws),
        target=0.3,
        repeats=3,
    )
    walk3 = walk(long)
    yield Row(
        "Zivot-Andrews, intercept, 2 lags",
        long,
        lambda: ce.zivot_andrews_test(walk3, lags=2),
        "arch ZivotAndrews",
        lambda: arch_zivot_andrews(walk3),
        50.0,
        peer_repeats=1 if quick else 3,
    )


def arch_zivot_andrews(y: Array) -> float:
    """The same test by arch, its p-value included."""
    from arch.unitroot import ZivotAndrews

    return float(ZivotAndrews(y, lags=2, trend="c").stat)


def scaling(quick: bool) -> pd.DataFrame:
    """Growth exponents in T: slopes of log CPU time on log T."""
    sizes = (200, 400) if quick else (500, 1000, 2000, 4000)
    out = []
    jobs: dict[str, Callable[[int], Callable[[], object]]] = {
        "Bai-Perron dates, k = 2": lambda n: partial(
            segment_dp, regression(n)[0], np.column_stack([np.ones(n), regression(n)[1]]), int(0.15 * n), 5
        ),
        "sup-F path, k = 2": lambda n: partial(nonrobust_path, read_regression(*regression(n))),
        "GSADF, lag 0": lambda n: partial(explosive_statistics, walk(n), 0),
        "GSADF, lag 1": lambda n: partial(explosive_statistics, walk(n), 1),
        "Wied-Krämer-Dehling statistic": lambda n: partial(wied_statistic, np.ascontiguousarray(pair(n).to_numpy())),
        "Zivot-Andrews, 2 lags": lambda n: partial(ce.zivot_andrews_test, walk(n), lags=2),
        "change points by PELT, mean": lambda n: partial(
            ce.ChangePoints(cost="mean", method="pelt").fit, regression(n)[0]
        ),
        "change points by DP, mean": lambda n: partial(ce.ChangePoints(cost="mean").fit, regression(n)[0]),
    }
    for name, make in jobs.items():
        seconds = [repeated(make(n)) for n in sizes]
        slope = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
        out.append({"job": name, **{f"T = {n}": s for n, s in zip(sizes, seconds, strict=True)}, "exponent": slope})
    return pd.DataFrame(out)


def repeated(job: Callable[[], object]) -> float:
    """Median seconds of a job after a warm run, short ones in loops of 20 ms."""
    job()
    loops = max(1, int(0.02 / max(clock(job, False), 1e-6)))

    def many() -> None:
        for _ in range(loops):
            job()

    return statistics.median(clock(many, False) / loops for _ in range(3))


def memory() -> float:
    """Megabytes that the partition of 3,000 rows adds to a process that has made one of 500."""
    code = (
        "import resource, numpy as np\n"
        "from cryptoequity.kernels.segment import segment_dp\n"
        "rng = np.random.default_rng(1)\n"
        "def run(n):\n"
        "    x = np.column_stack([np.ones(n), rng.standard_normal(n)])\n"
        "    segment_dp(rng.standard_normal(n), x, int(.15 * n), 5)\n"
        "run(500)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "run(3000)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure(row: Row) -> dict[str, object]:
    """Medians of alternated runs after one warm run of each."""
    peer = row.peer
    if peer is not None:
        try:
            importlib.import_module(row.peer_name.split()[0].lower())
        except ImportError:
            print(f"{row.peer_name} is not installed: left out")
            peer = None
    row.ours()
    once = clock(row.ours, row.wall)
    loops = max(1, int(0.01 / max(once, 1e-7))) if row.repeats > 1 else 1
    ours, theirs = [], []
    for number in range(max(row.repeats, row.peer_repeats if peer else 0)):
        if number < row.repeats:
            ours.append(clock(lambda: [row.ours() for _ in range(loops)], row.wall) / loops)
        if peer is not None and number < row.peer_repeats:
            theirs.append(clock(peer, row.wall))
    seconds = statistics.median(ours)
    other = statistics.median(theirs) if theirs else float("nan")
    return {
        "job": row.job,
        "T": row.nobs,
        "ours, s": seconds,
        "peer": row.peer_name,
        "peer, s": other,
        "ratio": other / seconds,
        "wanted": row.target,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-r", action="store_true", help="leave R out")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    table = [measure(row) for row in rows(options.quick)]
    if shutil.which("Rscript") and not options.no_r and not options.quick:
        for job, nobs, ours, name, seconds in r_rows():
            mine = measure(Row(job, nobs, ours))["ours, s"]
            assert isinstance(mine, float)
            table.append(
                {"job": job, "T": nobs, "ours, s": mine, "peer": name, "peer, s": seconds, "ratio": seconds / mine}
            )
    table.append(
        {
            "job": "Bai-Perron dates: memory added, MB",
            "T": 3000,
            "ours, s": float("nan"),
            "megabytes": memory(),
            "wanted": 20.0,
        }
    )
    speed, growth = pd.DataFrame(table), scaling(options.quick)
    print(speed.to_string(float_format="%.5g"))
    print(growth.to_string(float_format="%.4g"))
    if not options.quick:
        speed.to_csv(RESULTS / "break_speed.csv", index=False, float_format="%.6g")
        growth.to_csv(RESULTS / "break_scaling.csv", index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
