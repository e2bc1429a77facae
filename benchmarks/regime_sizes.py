"""Sizes of the tests of drivers and of concordance when chain and driver, or chain and episodes, are unrelated.

    python benchmarks/regime_sizes.py                  # all cells, about fifteen minutes of one core
    python benchmarks/regime_sizes.py --quick          # smoke run, prints only

Concordance: a two-state chain and fixed episodes of 60 days, T = 2000; upper-sided t-statistics with
no lags, with Newey and West's 4 (T/100)^(2/9), with the root of T, with 120; the fixed-b law of the library's default
lags; all circular shifts; the stationary bootstrap with 199 draws.

Drivers: two columns of normal returns with correlation .1 or .7, T = 1500, chances of staying .98 and .97; the driver
is white noise, an AR(1) with .98, or a 0/1 series of episodes of 60 days. Bootstrap sizes compare every sample with the
pooled draws, one from each sample's fitted null (Giacomini, Politis & White 2013). Samples are kept whatever the
warnings.

Threshold: y on a constant and the driver, T = 500, or on its own lag where errors are GARCH(.12, .87) with t(5) shocks;
"variance by driver" has standard deviations .7 and 2 on the two sides of zero. 60 candidates, 99 draws.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from cryptoequity.errors import ConvergenceError, CryptoEquityWarning
from cryptoequity.estimation.optimize import maximize
from cryptoequity.estimation.parallel import spawn
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.fit import draw_states
from cryptoequity.regimes.gaussian import GaussianEmission
from cryptoequity.regimes.likelihood import RegimeLikelihood
from cryptoequity.regimes.nested_chains import Contest, DrawnRatio
from cryptoequity.regimes.shifts import (
    correlation_of,
    fixed_b_pvalue,
    hac_tstat,
    mean_duration,
    resample_blocks,
    shift_pvalue,
)
from cryptoequity.regimes.smooth_transition import smooth_transition_test
from cryptoequity.regimes.spec import regime_covariance
from cryptoequity.regimes.threshold import threshold_test

RESULTS = Path(__file__).parent / "results"
SEED = 20261123
LEVEL = 0.05


def episodes(nobs, count, length=60):
    """0/1 series of ``count`` windows, one at random in each of as many equal parts; always the same ones."""
    rng = np.random.default_rng(count)
    out = np.zeros(nobs, bool)
    part = nobs // count
    for k in range(count):
        begin = k * part + int(rng.integers(0, part - length))
        out[begin : begin + length] = True
    return out


def two_states(nobs, stay, rng):
    p = np.array([[[stay[0], 1 - stay[0]], [1 - stay[1], stay[1]]]])
    away = 1.0 - np.array(stay)
    return draw_states(p, away[::-1] / away.sum(), nobs, rng)


def concordance_cell(stay, count, samples, nobs=2000):
    x = episodes(nobs, count)
    root = int(np.sqrt(nobs))
    default = max(root, 60)
    lags = {"HC0": 0, "Newey-West rule": int(4 * (nobs / 100) ** (2 / 9)), "root of T": root, "120 lags": 120}
    hits = {name: [] for name in (*lags, "fixed-b, default lags", "circular shifts", "blocks")}
    cut = stats.norm.isf(LEVEL)
    for n, seed in enumerate(spawn(SEED + count, samples)):
        rng = np.random.default_rng(seed)
        y = two_states(nobs, stay, rng).astype(bool)
        if y.all() or not y.any():
            continue
        for name, lag in lags.items():
            hits[name].append(hac_tstat(x, y, lag) > cut)
        share = (default + 1) / nobs
        hits["fixed-b, default lags"].append(fixed_b_pvalue(hac_tstat(x, y, default), share, "upper") <= LEVEL)
        hits["circular shifts"].append(shift_pvalue(x, y, "upper")[0] <= LEVEL)
        if n < samples // 2:
            length = max(2 * mean_duration(y), root)
            rho = correlation_of(x, y, np.sum(x & y))
            law = [y[resample_blocks(nobs, length, rng)] for _ in range(199)]
            drawn = np.array([0.0 if z.all() or not z.any() else correlation_of(x, z, np.sum(x & z)) for z in law])
            hits["blocks"].append((1 + np.sum(drawn >= rho)) / 200 <= LEVEL)
    case = f"stay .{100 * stay[0]:.0f}, .{100 * stay[1]:.0f}; {count} episodes"
    return [("concordance", case, name, len(one), float(np.mean(one))) for name, one in hits.items()]


def driver_cell(kind, samples, nobs=1500):
    ratios, walds, drawn = [], {"robust": [], "classic": []}, []
    for seed in spawn(SEED, samples):
        rng = np.random.default_rng(seed)
        state = two_states(nobs, (0.98, 0.97), rng)
        rho = np.where(state, 0.7, 0.1)
        z = rng.standard_normal((nobs, 2))
        z[:, 1] = rho * z[:, 0] + np.sqrt(1.0 - rho**2) * z[:, 1]
        if kind == "white noise":
            s = rng.standard_normal(nobs)
        elif kind == "AR(1), .98":
            s = rng.standard_normal(nobs)
            s[0] /= np.sqrt(1 - 0.98**2)
            for t in range(1, nobs):
                s[t] += 0.98 * s[t - 1]
        else:
            s = episodes(nobs, int(kind.split()[0])).astype(float)
        lagged = np.column_stack([np.ones(nobs), np.r_[s[0], s[:-1]]])
        wide = Chain(2, lagged, ("const", "driver"), True)
        contest = Contest(Chain(2, np.ones((nobs, 1))), wide, (1, 3), True)
        emission = GaussianEmission(z, ("A", "B"), 2, mean="zero", scale="common", order_by="correlation")
        try:
            value, null, theta = contest.ratio(emission, 2, rng)
            draw = DrawnRatio(contest, emission, null, 1)(rng.bit_generator.seed_seq.spawn(1)[0])
        except ConvergenceError:
            continue
        ratios.append(value)
        drawn.append(draw)
        lik = RegimeLikelihood(emission, wide)
        optimum = maximize(lik, [theta])
        places = [lik.inside + 1, lik.inside + 3]
        for cov_type, values in walds.items():
            cov = regime_covariance(lik, optimum, cov_type, None)[0][np.ix_(places, places)]
            if np.isfinite(cov).all():
                values.append(float(theta[places] @ np.linalg.solve(cov, theta[places])))
    cut = stats.chi2.isf(LEVEL, 2)
    ratios, drawn = np.array(ratios), np.array(drawn)
    rows = [("driver", kind, "likelihood ratio", ratios.size, float(np.mean(ratios > cut)))]
    for cov_type, values in walds.items():
        rows.append(("driver", kind, f"Wald, {cov_type}", len(values), float(np.mean(np.array(values) > cut))))
    drawn = drawn[np.isfinite(drawn)]
    rows.append(("driver", kind, "bootstrap", ratios.size, float(np.mean(ratios > np.quantile(drawn, 1 - LEVEL)))))
    return rows


def threshold_cell(world, samples, nobs=500):
    """Rejections of one linear regression by tests of a threshold and of a smooth transition."""
    hits = {}
    for seed in spawn(SEED + 7, samples):
        rng = np.random.default_rng(seed)
        e = rng.standard_normal(nobs) if world in ("normal", "variance by driver") else rng.standard_t(5, nobs)
        s = rng.standard_normal(nobs)
        own = world == "GARCH, own lag"
        if own:
            h = 1.0
            for t in range(nobs):
                e[t] *= np.sqrt(3 / 5 * h)
                h = 0.01 + 0.12 * e[t] ** 2 + 0.87 * h
        if world == "variance by driver":
            e *= np.where(s > 0, 2.0, 0.7)
        given = {"lags": 1} if own else {"exog": s, "driver": s, "delay": 0}
        y = e if own else 0.5 * s + e
        for robust in (True, False):
            name = "robust" if robust else "classic"
            found = threshold_test(y, **given, robust=robust, most=60, draws=99, rng=int(rng.integers(2**31)))
            hits.setdefault(f"sup-LM, {name}", []).append(found.pvalue <= LEVEL)
            for order in (1, 3):
                found = smooth_transition_test(y, **given, cov_type=name, order=order)
                hits.setdefault(f"smooth, order {order}, {name}", []).append(found.pvalue <= LEVEL)
    return [("threshold", world, name, len(one), float(np.mean(one))) for name, one in sorted(hits.items())]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=["concordance", "driver", "threshold"])
    options = parser.parse_args()
    warnings.simplefilter("ignore", CryptoEquityWarning)
    rows = []
    for stay in ((0.98, 0.95), (0.99, 0.98)) if options.only in (None, "concordance") else ():
        for count in (4, 8):
            begin = time.process_time()
            rows += concordance_cell(stay, count, 20 if options.quick else 1000)
            print(*rows[-7:], f"{time.process_time() - begin:.0f} s", sep="\n", flush=True)
    for kind in ("white noise", "AR(1), .98", "4 episodes", "8 episodes") if options.only in (None, "driver") else ():
        begin = time.process_time()
        rows += driver_cell(kind, 5 if options.quick else 160)
        print(*rows[-4:], f"{time.process_time() - begin:.0f} s", sep="\n", flush=True)
    for world in (
        ("normal", "t(5)", "GARCH, own lag", "variance by driver") if options.only in (None, "threshold") else ()
    ):
        begin = time.process_time()
        rows += threshold_cell(world, 5 if options.quick else 400)
        print(*rows[-6:], f"{time.process_time() - begin:.0f} s", sep="\n", flush=True)
    frame = pd.DataFrame(rows, columns=["test", "null world", "statistic", "samples", "rejected at 5 %"])
    frame["standard error"] = np.sqrt(0.05 * 0.95 / frame["samples"])
    if not options.quick:
        path = RESULTS / "regime_sizes.csv"
        if options.only and path.exists():
            old = pd.read_csv(path)
            frame = pd.concat([old[old["test"] != options.only], frame], ignore_index=True)
        frame.round(4).to_csv(path, index=False)


if __name__ == "__main__":
    main()
