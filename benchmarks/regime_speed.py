"""Time of a regime fit against statsmodels and hmmlearn: CPU time, one thread, medians of alternated runs.

    python benchmarks/regime_speed.py            # writes results/regime_speed.csv
    python benchmarks/regime_speed.py --quick    # smoke run, prints only

T = 3,000. "fit" is our search of twenty starts with its climbs against one default `MarkovRegression` fit with
switching variances, both without standard errors; "fit with errors" is `MarkovCovariance.fit` with robust errors
against the default fit with its own. "iteration" is one of EM on two columns with full covariances against hmmlearn's
two implementations.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads: CPU time must not count idle helper threads

import argparse
import importlib
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from cryptoequity.regimes import MarkovCovariance
from cryptoequity.regimes.likelihood import begin, climb_regimes, run_em
from regime_robustness import likelihood, simulated

RESULTS = Path(__file__).parent / "results"


def seconds(*jobs: Callable[[], object], rounds: int) -> list[float]:
    """Median CPU seconds of every job; the jobs alternate, after one run of each to warm up."""
    spent: list[list[float]] = [[] for _ in jobs]
    for number in range(rounds + 1):
        for job, own in zip(jobs, spent, strict=True):
            before = time.process_time()
            job()
            if number:
                own.append(time.process_time() - before)
    return [statistics.median(own) for own in spent]


def peer(name: str) -> object | None:
    """A module, or None with a message where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed: its rows are left out")
        return None


def main() -> None:
    """Run every comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rounds = 1 if args.quick else 3
    rows: list[dict[str, object]] = []

    def note(task: str, k: int, ours: float, other: float, name: str) -> None:
        rows.append({"task": task, "k": k, "ours": ours, "peer": other, "ratio": round(other / ours, 1), "of": name})
        print(rows[-1], flush=True)

    regressions = peer("statsmodels.tsa.regime_switching.markov_regression")
    for k in (2, 3) if regressions is not None else ():
        y = simulated(1, k)
        lik = likelihood(y, k)
        frame = pd.DataFrame(y, columns=["a"])
        model = regressions.MarkovRegression(y[:, 0], k, switching_variance=True)  # type: ignore[union-attr]
        ours, full, other, with_errors = seconds(
            lambda lik=lik: climb_regimes(lik),  # type: ignore[misc]
            lambda k=k, frame=frame: MarkovCovariance(k=k).fit(frame),  # type: ignore[misc]
            lambda model=model: model.fit(cov_type="none", disp=False),  # type: ignore[misc]
            lambda model=model: model.fit(disp=False).bse,  # type: ignore[misc]
            rounds=rounds,
        )
        name = f"statsmodels {version('statsmodels')}"
        note("fit", k, ours, other, name)
        note("fit with errors", k, full, with_errors, name)
    hidden = peer("hmmlearn.hmm")
    for k in (2, 3) if hidden is not None else ():
        y = simulated(2, k)
        lik = likelihood(y, k)
        theta = begin(lik, next(lik.emission.splits(1, np.random.default_rng(0))))

        def em(kind: str, y: np.ndarray = y, k: int = k) -> None:
            model = hidden.GaussianHMM(k, "full", n_iter=20, tol=-np.inf, implementation=kind, random_state=0)  # type: ignore[union-attr]
            model.fit(y)

        ours, log, scaling = seconds(
            lambda lik=lik, theta=theta, k=k: run_em(lik, theta, np.full(k, 1 / k), 20, -np.inf),  # type: ignore[misc]
            lambda em=em: em("log"),  # type: ignore[misc]
            lambda em=em: em("scaling"),  # type: ignore[misc]
            rounds=rounds,
        )
        note("iteration", k, ours / 20, log / 20, f"hmmlearn {version('hmmlearn')} log")
        note("iteration", k, ours / 20, scaling / 20, f"hmmlearn {version('hmmlearn')} scaling")
    if not args.quick:
        pd.DataFrame(rows).to_csv(RESULTS / "regime_speed.csv", index=False, float_format="%.6f")


if __name__ == "__main__":
    main()
