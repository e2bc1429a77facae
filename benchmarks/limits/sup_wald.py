r"""The law of sup, average and exponential Wald statistics of one break at an unknown date.

With :math:`B_q` a q-dimensional Brownian bridge on N steps and :math:`Q_q(\lambda)=\|B_q\|^2/(\lambda(1-\lambda))`: the
sup, the mean and the log of the mean of :math:`e^{Q/2}` over :math:`[\pi_0,1-\pi_0]`, for q = 1..20 and eleven
trims :math:`\pi_0`. One set of 20 bridges gives all q and all trims of a draw.

    OMP_NUM_THREADS=1 python benchmarks/limits/sup_wald.py     # about two minutes of one core
    python benchmarks/limits/sup_wald.py --quick               # a smoke run, nothing written

Result: ``src/cryptoequity/breaks/tables/sup_wald.npz``, keys such as ``sup.q2.trim0.15``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import cryptoequity.breaks
from cryptoequity.breaks.limits import LimitLaw, write_limits
from cryptoequity.estimation.parallel import spawn
from cryptoequity.kernels.sup_wald import limit_functionals

SEED = 19930713
STEPS = 3600
DRAWS = 80_000
Q = 20
TRIMS = (0.01, 0.02, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45)
NAMES = ("sup", "ave", "exp")


def simulate(draws: int, steps: int) -> np.ndarray:
    """Functionals (draws, 3, Q, trims), trims increasing."""
    # nested windows are run through from the inside out
    edges = np.array([round(trim * steps) for trim in TRIMS[::-1]])
    out = np.empty((draws, 3, Q, edges.size), np.float32)
    for draw, seed in enumerate(spawn(SEED, draws)):
        normals = np.random.default_rng(seed).standard_normal((Q, steps))
        out[draw] = limit_functionals(normals, edges)
    return out[..., ::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="200 draws of 400 steps, printed and not written")
    quick = parser.parse_args().quick
    begin = time.process_time()
    steps, count = (400, 200) if quick else (STEPS, DRAWS)
    draws = simulate(count, steps)
    laws = {
        f"{name}.q{q + 1}.trim{trim:.2f}": LimitLaw.of_draws(draws[:, i, q, j], steps)
        for i, name in enumerate(NAMES)
        for q in range(Q)
        for j, trim in enumerate(TRIMS)
    }
    for q in (1, 2, 5):
        print(q, {name: round(laws[f"{name}.q{q}.trim0.15"].critical(0.05), 2) for name in NAMES})
    print(f"{time.process_time() - begin:.0f} s of processor time")
    if not quick:
        tables = Path(next(iter(cryptoequity.breaks.__path__))) / "tables"
        tables.mkdir(exist_ok=True)
        write_limits(tables / "sup_wald.npz", laws, SEED, "benchmarks/limits/sup_wald.py")


if __name__ == "__main__":
    main()
