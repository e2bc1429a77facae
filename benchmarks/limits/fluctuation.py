"""Limit laws of moving sums and of monitoring, simulated: ``src/cryptoequity/breaks/tables/fluctuation.npz``.

    python benchmarks/limits/fluctuation.py           # about six minutes of one core
    python benchmarks/limits/fluctuation.py --quick   # seconds; prints, writes nothing

Maxima over a grid fall short of maxima over an interval by a term of the order of the root of the step. Every path is
read on its grid and on every fourth point of it; the quantiles written are twice the fine ones less the coarse ones,
which removes that term.

Laws, with W a Brownian motion, B a Brownian bridge, Z(t) = W(t) - t W(1):

* increments-motion-max-h: sup over t in [0, 1 - h] of |W(t + h) - W(t)|;
* increments-bridge-max-h, -range-h: sup and range of B(t + h) - B(t);
* monitor-moving-h-p: sup over t in (1, p] of |Z(t) - Z(t - h)| / sqrt(2 log+ t), log+ = max(1, log);
* monitor-cumulative-p: the root of sup over u in (0, 1 - 1/p] of B(u)^2 / u + log u, the smallest constant of Chu,
  Stinchcombe and White's boundary that is not crossed; B(u), u = 1 - 1/t, is Z(t) / t.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cryptoequity.breaks.fluctuation_laws import BANDWIDTHS, MONITOR_BANDWIDTHS, PERIODS
from cryptoequity.breaks.limits import PROBABILITIES, LimitLaw, write_limits
from cryptoequity.estimation.parallel import spawn

SEED = 20261122
OUT = Path(__file__).parents[2] / "src" / "cryptoequity" / "breaks" / "tables" / "fluctuation.npz"
STRIDES = (1, 4)
Values = dict[str, np.ndarray]


def increments(rng: np.random.Generator, draws: int, steps: int, stride_values: list[Values]) -> None:
    path = np.zeros((draws, steps + 1))
    np.cumsum(rng.standard_normal((draws, steps)) / np.sqrt(steps), axis=1, out=path[:, 1:])
    bridge = path - path[:, -1:] * np.linspace(0.0, 1.0, steps + 1)
    for stride, values in zip(STRIDES, stride_values, strict=True):
        w, b = np.ascontiguousarray(path[:, ::stride]), np.ascontiguousarray(bridge[:, ::stride])
        for h in BANDWIDTHS:
            width = round(h * steps / stride)
            rise = w[:, width:] - w[:, :-width]
            values[f"increments-motion-max-{h:g}"] = np.maximum(rise.max(axis=1), -rise.min(axis=1))
            rise = b[:, width:] - b[:, :-width]
            high, low = rise.max(axis=1), rise.min(axis=1)
            values[f"increments-bridge-max-{h:g}"] = np.maximum(high, -low)
            values[f"increments-bridge-range-{h:g}"] = high - low


def moving(rng: np.random.Generator, draws: int, unit: int, stride_values: list[Values]) -> None:
    steps = round(PERIODS[-1] * unit)
    path = np.zeros((draws, steps + 1))
    np.cumsum(rng.standard_normal((draws, steps)) / np.sqrt(unit), axis=1, out=path[:, 1:])
    path -= path[:, unit : unit + 1] * (np.arange(steps + 1) / unit)
    for stride, values in zip(STRIDES, stride_values, strict=True):
        z, one = np.ascontiguousarray(path[:, ::stride]), unit // stride
        times = np.arange(one, z.shape[1]) / one
        weight = 1.0 / np.sqrt(2.0 * np.maximum(1.0, np.log(times)))
        for h in MONITOR_BANDWIDTHS:
            width = round(h * one)
            ratio = z[:, one:] - z[:, one - width : -width]
            ratio *= weight
            np.abs(ratio, out=ratio)
            top, start = np.zeros(draws), 0
            for p in PERIODS:
                end = round((p - 1.0) * one) + 1
                top = np.maximum(top, ratio[:, start:end].max(axis=1))
                values[f"monitor-moving-{h:g}-{p:g}"] = top
                start = end


def cumulative(rng: np.random.Generator, draws: int, step: float, stride_values: list[Values]) -> None:
    # from u = exp(-16), where a crossing has probability 1e-6, to the end of the longest period, evenly in log u, every
    # end of a period being a point of the grid
    last = 0.0
    pieces: list[np.ndarray] = []
    ends: list[int] = []
    count = 0
    begin = -16.0
    for p in PERIODS:
        last = np.log(1.0 - 1.0 / p)
        n = 4 * max(1, round((last - begin) / (4 * step)))
        pieces.append(np.linspace(begin, last, n + 1)[(0 if not pieces else 1) :])
        count += n
        ends.append(count)
        begin = last
    log_u = np.concatenate(pieces)
    u = np.exp(log_u)
    path = np.empty((draws, u.size))
    scale = np.sqrt(np.diff(u, prepend=0.0))
    np.cumsum(rng.standard_normal((draws, u.size)) * scale, axis=1, out=path)
    path *= path
    path /= u
    path += log_u
    for stride, values in zip(STRIDES, stride_values, strict=True):
        top, start = np.full(draws, -np.inf), 0
        for p, end in zip(PERIODS, ends, strict=True):
            top = np.maximum(top, path[:, start : end + 1 : stride].max(axis=1))
            values[f"monitor-cumulative-{p:g}"] = np.sqrt(np.maximum(top, 0.0))
            start = end


def simulate(
    draw: Callable[[np.random.Generator, int, list[Values]], None], seed: np.random.SeedSequence, draws: int, chunk: int
) -> tuple[Values, Values]:
    parts: list[list[Values]] = []
    for child in spawn(seed, draws // chunk):
        values: list[Values] = [{}, {}]
        draw(np.random.default_rng(child), chunk, values)
        parts.append(values)
    fine, coarse = ({key: np.concatenate([part[i][key] for part in parts]) for key in parts[0][0]} for i in (0, 1))
    return fine, coarse


def extrapolated(fine: np.ndarray, coarse: np.ndarray, steps: int) -> LimitLaw:
    quantiles = 2.0 * np.quantile(fine, PROBABILITIES) - np.quantile(coarse, PROBABILITIES)
    # the two sets of order statistics are those of the same paths, but the difference may not be monotone to the last
    return LimitLaw(PROBABILITIES, np.maximum.accumulate(quantiles), fine.size, steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few short paths; prints, writes nothing")
    quick = parser.parse_args().quick
    root = spawn(SEED, 3)
    plans = [
        (lambda r, n, v: increments(r, n, 1000 if quick else 4000, v), 1000 if quick else 100_000, 4000),
        (lambda r, n, v: moving(r, n, 400 if quick else 2000, v), 500 if quick else 40_000, 40_000),
        (lambda r, n, v: cumulative(r, n, 0.01 if quick else 0.001, v), 1000 if quick else 50_000, 16_000),
    ]
    laws: dict[str, LimitLaw] = {}
    for (draw, draws, steps), seed in zip(plans, root, strict=True):
        began = time.process_time()
        fine, coarse = simulate(draw, seed, draws, 100)
        laws |= {key: extrapolated(fine[key], coarse[key], steps) for key in fine}
        print(f"{draws} paths, {len(fine)} laws, {time.process_time() - began:.0f} s", flush=True)
    for key, law in laws.items():
        print(f"{key:32s}", "  ".join(f"{level}: {value:.4f}" for level, value in law.critical_values().items()))
    if not quick:
        OUT.parent.mkdir(exist_ok=True)
        write_limits(OUT, laws, SEED, "benchmarks/limits/fluctuation.py")


if __name__ == "__main__":
    main()
