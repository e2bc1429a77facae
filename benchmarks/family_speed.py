"""How long correlation models take as N grows, against pymgarch and a plain NumPy loop: CPU time, one thread.

    python benchmarks/family_speed.py            # writes five tables to results/
    python benchmarks/family_speed.py --quick    # smoke run, prints only

Ours and the peer's runs alternate; figures are medians of `time.process_time` after one warm run of each. "without
errors" is ours through `climb_margin` and `climb_correlation`, the functions the bootstrap calls, and pymgarch's
``compute_se=False``. The NumPy loop evaluates the same log-likelihood date by date with ``slogdet`` and ``solve``.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads: CPU time must not count idle helper threads

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from arch.data import nasdaq, sp500

from cryptoequity.correlation import DCC
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.correlation.rolling import roll
from cryptoequity.correlation.spec import climb_correlation
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility import GARCH
from cryptoequity.volatility.garch import climb_margin, simulate_margin

RESULTS = Path(__file__).parent / "results"
Array = npt.NDArray[np.float64]
MARGIN = np.array([0.05, 0.05, 0.08, 0.88])


def two_indices() -> pd.DataFrame:
    """Percent returns of the S&P 500 and the Nasdaq, 1999-2018, (5030, 2)."""
    closes = pd.DataFrame({"SP500": sp500.load()["Adj Close"], "NASDAQ": nasdaq.load()["Adj Close"]}).dropna()
    return 100 * closes.pct_change().dropna()


def simulated(n: int, nobs: int) -> pd.DataFrame:
    """Percent returns of a DCC(.03, .95) with equal correlations of .4 and GARCH(1,1) margins, (nobs, n)."""
    rng = np.random.default_rng(20261122 + n)
    target = np.full((n, n), 0.4) + 0.6 * np.eye(n)
    z = dcc_simulate(0.03, 0.95, target, draw_shocks(rng, nobs, n, 0.0), target)
    columns = [simulate_margin(GARCH(), MARGIN, np.ascontiguousarray(z[:, i]), 1.25)[0] for i in range(n)]
    return pd.DataFrame(np.stack(columns, axis=1), pd.bdate_range("2000-01-03", periods=nobs)).add_prefix("A")


def bare(returns: pd.DataFrame) -> float:
    """Margins and DCC(1,1) without errors: the log-likelihood."""
    columns, logs = [], 0.0
    for name in returns.columns:
        y = returns[name].to_numpy()
        lik, optimum = climb_margin(GARCH(), y)
        _, variance, residual, _, _ = lik.filter(optimum.theta, 0)
        columns.append(residual / np.sqrt(variance))
        logs += 0.5 * float(np.log(variance).sum())
    _, optimum = climb_correlation(DCC(), np.ascontiguousarray(np.stack(columns, axis=1)))
    assert optimum is not None
    return optimum.loglik - logs


@dataclass(frozen=True)
class Row:
    """The same job done by us and by the peer; both return a log-likelihood."""

    job: str
    n: int
    nobs: int
    target: float
    ours: Callable[[], float]
    peer: Callable[[], float]
    repeats: int


def fit_rows(quick: bool) -> Iterator[Row]:
    """DCC(1,1)-normal with margins."""
    import pymgarch

    def pym(returns: pd.DataFrame, errors: bool) -> float:
        return float(pymgarch.DCC().fit(returns, compute_se=errors).loglikelihood)

    sizes = [(2, 5030, 10.0, 9)] if quick else [(2, 5030, 10.0, 11), (10, 3000, 4.0, 5), (30, 3000, 5.0, 3)]
    for n, nobs, target, repeats in sizes:
        returns = two_indices() if n == 2 else simulated(n, nobs)
        yield Row(
            "full likelihood, no errors",
            n,
            nobs,
            target,
            lambda returns=returns: bare(returns),
            lambda returns=returns: pym(returns, False),
            repeats,
        )
        yield Row(
            "full likelihood, with errors",
            n,
            nobs,
            20.0 if n == 30 else target,
            lambda returns=returns: DCC().fit(returns).loglikelihood,
            lambda returns=returns: pym(returns, True),
            1 if n == 30 else repeats,
        )
    if not quick:
        returns = simulated(30, 3000)
        yield Row(
            "composite likelihood, with errors (peer: without)",
            30,
            3000,
            4.0,
            lambda: DCC().fit(returns, method="composite").loglikelihood,
            lambda: pym_composite(returns),
            3,
        )


def pym_composite(returns: pd.DataFrame) -> float:
    """Pymgarch's composite likelihood over contiguous pairs, without errors."""
    import pymgarch

    return float(pymgarch.DCC().fit(returns, method="composite", compute_se=False).loglikelihood)


def loop(theta: tuple[float, float], z: Array, target: Array) -> float:
    """The log-likelihood of DCC(1,1) as one would write it in NumPy."""
    a, b = theta
    q = target.copy()
    total = 0.0
    for t in range(len(z)):
        if t:
            q = (1 - a - b) * target + a * np.outer(z[t - 1], z[t - 1]) + b * q
        root = np.sqrt(np.diag(q))
        r = q / np.outer(root, root)
        total -= 0.5 * (np.linalg.slogdet(r)[1] + z[t] @ np.linalg.solve(r, z[t]) + len(r) * np.log(2 * np.pi))
    return float(total)


def cpu(job: Callable[[], float]) -> tuple[float, float]:
    """CPU milliseconds of one call, and what it returned."""
    start = time.process_time()
    value = job()
    return 1e3 * (time.process_time() - start), value


def measure(row: Row) -> dict[str, object]:
    """Alternate the two programs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        row.ours()
        if row.repeats > 1:
            row.peer()
        ours, peer = [], []
        for _ in range(row.repeats):
            ms, mine = cpu(row.ours)
            ours.append(ms)
            ms, theirs = cpu(row.peer)
            peer.append(ms)
    a, b = statistics.median(ours), statistics.median(peer)
    return {
        "job": f"DCC(1,1)-normal, {row.job}",
        "N": row.n,
        "T": row.nobs,
        "ours_ms": round(a, 2),
        "peer_ms": round(b, 2),
        "ratio": round(b / a, 1),
        "wanted": row.target,
        "runs": row.repeats,
        "peer": f"pymgarch {version('pymgarch')}",
        "loglik_ours": round(mine, 3),
        "loglik_peer": round(theirs, 3),
    }


def evaluations(quick: bool) -> pd.DataFrame:
    """One evaluation of the log-likelihood against the NumPy loop."""
    rows = []
    for n, wanted in ((2, 1000.0), (10, 50.0), (20, 25.0)):
        nobs = 500 if quick else 3000
        rng = np.random.default_rng(n)
        target = np.full((n, n), 0.4) + 0.6 * np.eye(n)
        z = dcc_simulate(0.03, 0.95, target, rng.standard_normal((nobs, n)), target)
        model = DCC().model(z)
        theta = np.array([0.03, 0.95])
        many = 200 if n == 2 else 20

        def ours(model=model, theta=theta, many=many) -> float:
            for _ in range(many):
                total = float(model.evaluate(theta, 0)[0].sum())
            return total

        def slow(theta=theta, z=z, model=model) -> float:
            return loop((theta[0], theta[1]), z, model.target)

        ours()
        mine, theirs = [], []
        for _ in range(1 if quick else 7):
            ms, a = cpu(ours)
            mine.append(ms / many)
            ms, b = cpu(slow)
            theirs.append(ms)
        if abs(a - b) > 1e-8 * abs(b):
            raise SystemExit("the loop and the kernel disagree")
        x, y = statistics.median(mine), statistics.median(theirs)
        gradient = []
        for _ in range(5):
            ms, _ = cpu(lambda model=model, theta=theta: float(model.evaluate(theta, 1)[1].sum()))
            gradient.append(ms)
        rows.append(
            {
                "N": n,
                "T": nobs,
                "ours_ms": round(x, 4),
                "with_scores_ms": round(statistics.median(gradient), 4),
                "numpy_loop_ms": round(y, 2),
                "ratio": round(y / x),
                "wanted": wanted,
                "ns_per_date_and_square": round(1e6 * x / nobs / n**2, 2),
            }
        )
    return pd.DataFrame(rows)


def slopes(quick: bool) -> pd.DataFrame:
    """How the cost of one evaluation grows: slopes of log time on log size."""
    rows = []

    def seconds(model, theta: Array) -> float:
        model.evaluate(theta, 1)
        times = []
        for _ in range(3 if quick else 7):
            ms, _ = cpu(lambda: float(model.evaluate(theta, 1)[0].sum()))
            times.append(max(ms, 1e-3))
        return statistics.median(times)

    theta = np.array([0.03, 0.95])
    rng = np.random.default_rng(1)

    def full(nobs: int, n: int):
        return DCC().model(rng.standard_normal((nobs, n)))

    jobs: list[tuple[str, str, list[int], Callable[[int], object]]] = [
        (
            "full likelihood with scores",
            "T",
            [2000, 4000, 8000, 16000],
            lambda k: DCC().model(rng.standard_normal((k, 10))),
        ),
        ("full likelihood with scores", "N", [10, 20, 40, 60], lambda k: DCC().model(rng.standard_normal((1500, k)))),
    ]

    def composite(nobs: int, n: int):
        model = DCC().model(rng.standard_normal((nobs, n)))
        return model.composite(np.arange(n - 1), np.arange(1, n))

    jobs.append(("composite with scores", "T", [2000, 4000, 8000, 16000], lambda k: composite(k, 50)))
    jobs.append(("composite with scores", "N", [50, 100, 200, 400], lambda k: composite(2000, k)))
    for job, by, sizes, build in jobs:
        times = [seconds(build(k), theta) for k in sizes]
        slope = float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
        rows.append(
            {
                "job": job,
                "grows with": by,
                "sizes": ", ".join(map(str, sizes)),
                "ms": ", ".join(f"{t:.2f}" for t in times),
                "slope": round(slope, 2),
            }
        )
    return pd.DataFrame(rows)


def rolling(quick: bool) -> dict[str, object]:
    """Rolling refits of margins and DCC(1,1), window 1000, N = 2, one core."""
    refits = 20 if quick else 1000
    returns = two_indices().iloc[: 1000 + refits - 1]
    roll(DCC(), returns.iloc[:1010], window=1000, step=1)
    ms, done = cpu(lambda: float(len(roll(DCC(), returns, window=1000, step=1).params)))
    return {
        "job": "rolling refits with margins, window 1000, N = 2",
        "refits": int(done),
        "cpu_s": round(ms / 1e3, 2),
        "wanted_s": 5.0,
    }


_LARGE = """
import os
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
import resource, time, warnings
warnings.simplefilter("ignore")
import numpy as np
import pandas as pd
from cryptoequity.correlation import DCC
from cryptoequity.volatility import fit_margins
values = np.load({path!r})
returns = pd.DataFrame(values, pd.bdate_range("2000-01-03", periods=len(values))).add_prefix("A")
DCC().fit(returns.iloc[:300, :40], method="composite")
margins = fit_margins(returns)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = time.process_time()
fit = DCC().fit(margins, method="composite")
seconds = time.process_time() - start
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(seconds, before, after, fit.params["dcc.a"], fit.params["dcc.b"], fit.std_err["dcc.a"])
"""


def large(quick: bool) -> dict[str, object]:
    """N = 500: composite fit with errors after margins, in a process of its own so that its peak memory is its own."""
    n, nobs = (60, 400) if quick else (500, 3000)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "returns.npy")
        np.save(path, simulated(n, nobs).to_numpy())
        script = _LARGE.format(path=path)
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    out = run.stdout.split()
    seconds, before, after = (float(x) for x in out[:3])
    return {
        "job": "composite fit with errors, after margins",
        "N": n,
        "T": nobs,
        "cpu_s": round(seconds, 2),
        "wanted_s": 3.0,
        "peak_mb_process": round(after),
        "peak_mb_before_the_fit": round(before),
        "wanted_mb": 500,
        "a": round(float(out[3]), 4),
        "b": round(float(out[4]), 4),
        "error_of_a": round(float(out[5]), 5),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing written")
    options = parser.parse_args(arguments)
    tables = {
        "evaluation": evaluations(options.quick),
        "scaling": slopes(options.quick),
        "rolling": pd.DataFrame([rolling(options.quick)]),
        "large_composite": pd.DataFrame([large(options.quick)]),
        "family_speed": pd.DataFrame([measure(row) for row in fit_rows(options.quick)]),
    }
    for name, table in tables.items():
        print(f"--- {name}")
        print(table.to_string(index=False))
        if not options.quick:
            RESULTS.mkdir(exist_ok=True)
            table.to_csv(RESULTS / f"{name}.csv", index=False)


if __name__ == "__main__":
    main()
