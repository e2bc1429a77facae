"""Whether the estimates center on the truth, and whether 95 % intervals hold it 95 times in a hundred.

    python benchmarks/accuracy.py            # 400 samples a design, writes results/accuracy.csv
    python benchmarks/accuracy.py --quick    # 20 samples, prints only

Two assets, T = 1500, GARCH(1,1) margins, DCC(1,1), normal or joint t errors; every sample is fitted from the
returns up. Beside our default errors ("exact") stand two that are in use: the target's moment with its scale
taken as known ("moment", the MFE toolbox), and the stacked sandwich whose second bread lacks its transpose
("untransposed", rmgarch).
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.linalg import block_diag

from cryptoequity.correlation import DCC, CorrelationFit
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.correlation.stacking import stacked_moments
from cryptoequity.estimation.inference import mean_outer
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.garch import simulate_margin

RESULTS = Path(__file__).parent / "results"
NOBS, BURN, SEED = 1500, 300, 20261122
MARGIN = np.array([0.05, 0.05, 0.08, 0.88])  # mu, omega, alpha, beta
A, B, NU = 0.04, 0.93, 7.0
DESIGNS = (("normal", 0.5), ("normal", 0.9), ("t", 0.5))


def sample(dist: str, rho: float, rng: np.random.Generator) -> pd.DataFrame:
    """Percent returns (NOBS, 2) of the model itself."""
    target = np.array([[1.0, rho], [rho, 1.0]])
    z = dcc_simulate(A, B, target, draw_shocks(rng, NOBS + BURN, 2, NU if dist == "t" else 0.0), target)
    variance = MARGIN[1] / (1 - MARGIN[2] - MARGIN[3])
    columns = [simulate_margin(GARCH(), MARGIN, np.ascontiguousarray(z[:, i]), variance)[0][BURN:] for i in (0, 1)]
    return pd.DataFrame(np.stack(columns, axis=1), columns=["X", "Y"])


def untransposed(fit: CorrelationFit) -> npt.NDArray[np.float64]:
    """Errors of A^-1 B A^-1 / T: right only where A is symmetric, which stacked steps are not."""
    lik, margins = fit.likelihood, fit.margins.fits
    parts = [one.part for one in margins]
    bread, moments, last, _ = stacked_moments(lik, fit.optimum, parts, [one.dz for one in margins], "exact")
    inverse = np.linalg.inv(bread)
    wrong = inverse @ mean_outer(moments) @ inverse / len(moments)
    jacobian = block_diag(*(part.jacobian for part in parts), np.eye(1), last.jacobian)
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.diag(jacobian @ wrong @ jacobian.T))  # NaN where this "variance" is negative


def study(dist: str, rho: float, draws: int) -> pd.DataFrame:
    """One design: a row for each parameter."""
    truth_of = {"X": MARGIN, "Y": MARGIN}
    estimates, errors = [], {"exact": [], "moment": [], "untransposed": []}
    bounds = 0
    for seed in np.random.SeedSequence(SEED, spawn_key=(len(dist), int(100 * rho))).spawn(draws):
        returns = sample(dist, rho, np.random.default_rng(seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            margins = fit_margins(returns, GARCH(dist=dist))
            fit = DCC(dist=dist).fit(margins)
            moment = DCC(dist=dist).fit(margins, target_noise="moment")
        if fit.at_bound:  # no errors there: the sample counts for nothing but the share of bounds
            bounds += 1
            continue
        estimates.append(fit.params)
        errors["exact"].append(fit.std_err.to_numpy())
        errors["moment"].append(moment.std_err.to_numpy())
        errors["untransposed"].append(untransposed(fit))
    frame = pd.DataFrame(estimates)
    truth = pd.Series(index=frame.columns, dtype=float)
    for name, theta in truth_of.items():
        truth[[f"{name}.{part}" for part in ("mu", "omega", "alpha", "beta")]] = theta
    truth["corr.X.Y"], truth["dcc.a"], truth["dcc.b"] = rho, A, B
    if dist == "t":
        truth[["X.nu", "Y.nu", "dcc.nu"]] = NU
    table = pd.DataFrame(
        {
            "dist": dist,
            "correlation": rho,
            "parameter": frame.columns,
            "truth": truth.to_numpy(),
            "mean": frame.mean().to_numpy(),
            "bias": (frame.mean() - truth).to_numpy(),
            "sd": frame.std(ddof=1).to_numpy(),
        }
    )
    for kind, rows in errors.items():
        stack = np.array(rows)
        table[f"mean_error_{kind}"] = np.nanmean(stack, axis=0)
        inside = np.abs(frame.to_numpy() - truth.to_numpy()) <= 1.959964 * stack
        table[f"coverage_{kind}"] = inside.mean(axis=0)
    table["nobs"], table["draws"], table["on_a_bound"] = NOBS, len(frame), bounds
    return table


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few samples, nothing written")
    parser.add_argument("--draws", type=int, default=400)
    options = parser.parse_args(arguments)
    draws = 20 if options.quick else options.draws
    table = pd.concat([study(dist, rho, draws) for dist, rho in DESIGNS], ignore_index=True).round(5)
    print(table.drop(columns=["mean", "nobs"]).to_string(index=False))
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        table.to_csv(RESULTS / "accuracy.csv", index=False)
    return table


if __name__ == "__main__":
    main()
