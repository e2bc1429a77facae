"""How long a fit takes, against the package that does the same: CPU time, one thread, one process.

    python benchmarks/speed.py            # writes results/speed.csv
    python benchmarks/speed.py --quick    # smoke run, prints only

Ours and the peer's runs alternate, so that a slow minute of the machine hits both; the figure is the median of
`time.process_time` after one warm run of each (compilation is not part of a fit). Milliseconds belong to the
machine they were measured on; the ratio travels better.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads: CPU time must not count idle helper threads

import argparse
import gc
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from arch import arch_model
from arch.data import nasdaq, sp500

import cryptoequity.correlation as correlation
import cryptoequity.volatility as volatility
from cryptoequity import ReRating
from cryptoequity.claim.pipeline import Pipeline, Redating
from cryptoequity.claim.world import NullWorld
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.estimation.parallel import map_draws, spawn
from cryptoequity.kernels.dcc import dcc_simulate

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One line of the table: the same job done twice.

    ``ours`` and ``peer`` return the log-likelihood they reached, so that the table shows equal work.
    """

    job: str
    ours: Callable[[], float]
    peer: Callable[[], float]
    peer_name: str


def two_indices() -> pd.DataFrame:
    """Percent returns of the S&P 500 and the Nasdaq, 1999-2018, (5030, 2)."""
    closes = pd.DataFrame({"SP500": sp500.load()["Adj Close"], "NASDAQ": nasdaq.load()["Adj Close"]}).dropna()
    return 100 * closes.pct_change().dropna()


def margin_rows(returns: pd.DataFrame) -> Iterator[Row]:
    """One margin with robust standard errors, against arch."""
    kinds = {
        "GARCH(1,1)-normal": ({}, {}),
        "GARCH(1,1)-t": ({"dist": "t"}, {"dist": "t"}),
        "GJR(1,1,1)-t": ({"dist": "t", "asymmetric": True}, {"dist": "t", "o": 1}),
    }
    for name, (our_choices, arch_choices) in kinds.items():
        for column in returns.columns:
            series = returns[column]
            spec = volatility.GARCH(**our_choices)

            def ours(spec=spec, series=series) -> float:
                fit = spec.fit(series)
                return fit.loglikelihood + 0.0 * float(fit.std_err.sum())

            def peer(choices=arch_choices, series=series) -> float:
                fit = arch_model(series, rescale=False, **choices).fit(disp="off")
                return fit.loglikelihood + 0.0 * float(fit.std_err.sum())

            yield Row(f"margin {name}, {column}", ours, peer, "arch")


def dcc_rows(returns: pd.DataFrame) -> Iterator[Row]:
    """Margins, DCC(1,1) and the two-step standard errors, against pymgarch (which fits its margins with arch)."""
    import pymgarch

    for dist, peer_dist in (("normal", "norm"), ("t", "t")):

        def ours(dist=dist) -> float:
            fit = correlation.DCC(dist=dist).fit(returns)
            return fit.loglikelihood + 0.0 * float(fit.std_err.sum())

        def peer(dist=peer_dist) -> float:
            return float(pymgarch.DCC(dist=dist).fit(returns).loglikelihood)

        yield Row(f"DCC(1,1)-{dist} with margins and standard errors", ours, peer, "pymgarch")


def cpu(job: Callable[[], float]) -> tuple[float, float]:
    """CPU milliseconds of one call, and what it returned."""
    gc.collect()
    start = time.process_time()
    value = job()
    return 1e3 * (time.process_time() - start), value


def measure(row: Row, repeats: int) -> dict[str, object]:
    """Alternate the two programs ``repeats`` times."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        row.ours(), row.peer()  # warm: compile, load, fill caches
        ours, peer = [], []
        for _ in range(repeats):
            ms, our_value = cpu(row.ours)
            ours.append(ms)
            ms, peer_value = cpu(row.peer)
            peer.append(ms)
    mine, theirs = statistics.median(ours), statistics.median(peer)
    return {
        "job": row.job,
        "ours_ms": round(mine, 2),
        "peer_ms": round(theirs, 2),
        "ratio": round(theirs / mine, 1),
        "peer": f"{row.peer_name} {version(row.peer_name)}",
        "loglik_ours": round(our_value, 4),
        "loglik_peer": round(peer_value, 4),
    }


ROWS: tuple[Callable[[pd.DataFrame], Iterator[Row]], ...] = (margin_rows, dcc_rows)


def redated_pipeline(nobs: int = 1200, history: int = 600) -> Pipeline:
    """The headline's inner loop: re-date, refit two margins and DCC, statistic; four columns simulated, T = 1,200."""
    rng = np.random.default_rng(20261122)
    target = np.array([[1.0, 0.3, 0.3, 0.25], [0.3, 1.0, 0.8, 0.82], [0.3, 0.8, 1.0, 0.92], [0.25, 0.82, 0.92, 1.0]])
    z = dcc_simulate(0.02, 0.97, target, draw_shocks(rng, nobs + history, 4, 6.0), target)
    scale = np.array([3.5, 1.7, 1.45, 1.1])
    index = pd.bdate_range("2018-01-01", periods=nobs + history)
    returns = pd.DataFrame(z * scale, index, ["CRYPTO", "EQUITY", "TECH", "MARKET"])
    level = 100.0 * np.exp(returns.cumsum() / 100.0)
    episodes = ReRating.from_relative_strength(level["TECH"], level["MARKET"])
    ratio = np.log(level["TECH"] / level["MARKET"]).to_numpy()
    redating = Redating(episodes.dating, ratio, history, 2, 3)
    garch, gjr = volatility.GARCH(dist="t"), volatility.GARCH(asymmetric=True, dist="t")
    specs = {"CRYPTO": garch, "EQUITY": gjr, "TECH": gjr, "MARKET": gjr}
    world = NullWorld.fit(returns.iloc[history:], specs)
    signed = redating.dating.signed(ratio)[history:]
    pipeline = Pipeline(world, signed, redating, "t", 0, 1, minimal=True)
    _, pairs = pipeline.observed()
    return replace(pipeline, warm={key: pair.optimum for key, pair in pairs.items()})


def measure_pipeline(draws: int, repeats: int) -> pd.DataFrame:
    """Seconds for ``draws`` full-pipeline draws: CPU in one process, wall time on two workers."""
    pipeline, seeds = redated_pipeline(), spawn(7, draws)
    map_draws(pipeline, seeds[:4], n_jobs=1)
    map_draws(pipeline, seeds[:8], n_jobs=2, chunk=4)  # start and warm the workers
    rows = []
    cpu_s, wall_s = [], []
    for _ in range(repeats):
        begun = time.process_time()
        one = map_draws(pipeline, seeds, n_jobs=1)
        cpu_s.append(time.process_time() - begun)
        begun = time.perf_counter()
        two = map_draws(pipeline, seeds, n_jobs=2)
        wall_s.append(time.perf_counter() - begun)
        if one != two:
            raise SystemExit("one worker and two disagree")
    for workers, what, values in ((1, "CPU", cpu_s), (2, "wall", wall_s)):
        rows.append(
            {
                "job": "re-date, refit two margins and DCC-t, statistic; T = 1,200",
                "draws": draws,
                "workers": workers,
                "clock": what,
                "median_s": round(statistics.median(values), 2),
                "per_draw_ms": round(1e3 * statistics.median(values) / draws, 2),
            }
        )
    return pd.DataFrame(rows)


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one repeat of each row, nothing written")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args(arguments)
    returns = two_indices()
    table = pd.DataFrame(
        [measure(row, 1 if options.quick else options.repeats) for rows in ROWS for row in rows(returns)]
    )
    names = ("cryptoequity", "numpy", "scipy", "numba")
    table["versions"] = "; ".join(f"{name} {version(name)}" for name in names) + f"; Python {platform.python_version()}"
    print(table.drop(columns="versions").to_string(index=False))
    if not np.isfinite(table[["loglik_ours", "loglik_peer"]].to_numpy(float)).all():
        raise SystemExit("a program did not reach a finite log-likelihood")
    pipeline = measure_pipeline(20, 1) if options.quick else measure_pipeline(499, max(5, options.repeats))
    print(pipeline.to_string(index=False))
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        table.to_csv(RESULTS / "speed.csv", index=False)
        pipeline.to_csv(RESULTS / "pipeline.csv", index=False)
    return table


if __name__ == "__main__":
    main()
