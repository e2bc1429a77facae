"""Size and power of the bootstrap sup-LR test that a driver does not move the correlation (STCC).

    python benchmarks/transitions.py            # writes results/transitions.csv
    python benchmarks/transitions.py --quick    # 5 samples a cell, prints only

Two assets, T = 1000, GARCH(1,1) margins fitted from the returns up; the driver is an autoregression with coefficient
.98, a new one in every sample, held fixed in its draws. The correlation is constant at .4, moves with the driver from
.4 - e/2 to .4 + e/2 (gamma = 3, c = 0), or by itself (a DCC around .4, which the driver has no part in). ``null`` is
the world the draws come from. Fits are of the normal quasi-likelihood; 39 resampled draws. "chi2" is the same statistic
against the χ² that takes gamma and c for known.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.correlation.stcc import STCC
from cryptoequity.correlation.transition_effect import transition_effect_test
from cryptoequity.kernels.dcc import dcc_simulate
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.garch import simulate_margin

RESULTS = Path(__file__).parent / "results"
NOBS, SEED, DRAWS = 1000, 20261122, 39
MARGIN = np.array([0.05, 0.05, 0.08, 0.88])  # mu, omega, alpha, beta
# null, degrees of freedom of the shocks (0: normal), effect e, the correlation's own (a, b), samples
CELLS: tuple[tuple[str, float, float, tuple[float, float] | None, int], ...] = (
    ("dcc", 0.0, 0.0, None, 80),
    ("dcc", 5.0, 0.0, None, 80),
    ("dcc", 0.0, 0.0, (0.03, 0.95), 80),
    ("dcc", 0.0, 0.0, (0.02, 0.97), 80),
    ("dcc", 0.0, 0.3, None, 40),
    ("constant", 0.0, 0.0, None, 80),
    ("constant", 5.0, 0.0, None, 80),
    ("constant", 0.0, 0.0, (0.03, 0.95), 80),
    ("constant", 0.0, 0.0, (0.02, 0.97), 80),
)


def sample(
    nu: float, effect: float, moving: tuple[float, float] | None, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.Series]:
    """Percent returns (T, 2) and the driver."""
    news = rng.standard_normal(NOBS)
    s = news.copy()
    for t in range(1, NOBS):
        s[t] = 0.98 * s[t - 1] + news[t]
    rho = 0.4 + effect * (expit(3.0 * s / s.std()) - 0.5)
    u = draw_shocks(rng, NOBS, 2, nu)
    if moving is not None:
        target = np.array([[1.0, 0.4], [0.4, 1.0]])
        z = dcc_simulate(*moving, target, u, target)
    else:
        z = np.stack([u[:, 0], rho * u[:, 0] + np.sqrt(1.0 - rho**2) * u[:, 1]], axis=1)
    y = [simulate_margin(GARCH(), MARGIN, np.ascontiguousarray(z[:, i]), 1.25)[0] for i in (0, 1)]
    return pd.DataFrame(np.stack(y, axis=1), columns=["X", "Y"]), pd.Series(s, name="s")


def study(null: str, nu: float, effect: float, moving: tuple[float, float] | None, count: int) -> dict[str, object]:
    """Rejection rates of one cell."""
    rows = []
    for k in range(count):
        seed = np.random.SeedSequence(
            SEED, spawn_key=(int(nu), int(100 * effect), 0 if moving is None else int(1000 * moving[0]), k)
        )
        returns, s = sample(nu, effect, moving, np.random.default_rng(seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = STCC().fit(fit_margins(returns), driver=s)
            test = transition_effect_test(fit, draws=DRAWS, rng=k, n_jobs=1, null=null)
        naive = float(test.detail["χ² p-value, gamma and c taken for known"])
        rows.append({"5 %": test.pvalue <= 0.05, "10 %": test.pvalue <= 0.1, "5 %, chi2": naive <= 0.05})
    law = "normal" if nu == 0.0 else f"t({nu:.0f})"
    path = f"DCC({moving[0]}, {moving[1]})" if moving else "driven" if effect else "constant"
    return {
        "null": null,
        "correlation": path,
        "shocks": law,
        "effect": effect,
        **pd.DataFrame(rows).mean(),
        "samples": count,
        "draws": DRAWS,
    }


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few samples, nothing written")
    options = parser.parse_args(arguments)
    rows = []
    for null, nu, effect, moving, count in CELLS[2:3] if options.quick else CELLS:
        rows.append(study(null, nu, effect, moving, 3 if options.quick else count))
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        table.to_csv(RESULTS / "transitions.csv", index=False)
    return table


if __name__ == "__main__":
    main()
