"""Size and power of the tests that a driver has no effect on the correlation (DCC-X).

    python benchmarks/driver_effects.py            # 100 samples a cell, writes results/driver_effects.csv
    python benchmarks/driver_effects.py --quick    # 10 samples, prints only

Two assets, T = 1000, GARCH(1,1) margins, t(5) shocks, DCC with a = .03 and b = .94 around .4; fits are of the normal
quasi-likelihood, from the returns up, form "q" with limit="sample". Drivers: white noise, an autoregression with
coefficient .98, a step in the middle of the sample. An effect is one of DCC-X, c as given. Rejections at 5 % of the
bootstrapped score test (39 draws) and, where there is an effect, likelihood ratio; of both against χ²; and of the Wald
test. A Wald test that does not exist, because the effect is at the limit of positive definiteness, counts as no
rejection and is counted apart.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from cryptoequity.correlation.dccx import DCCX
from cryptoequity.correlation.driven import DrivenLikelihood
from cryptoequity.correlation.effects import effect_draws, wald_test
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.estimation.optimize import maximize
from cryptoequity.volatility import GARCH, fit_margins
from cryptoequity.volatility.garch import simulate_margin

RESULTS = Path(__file__).parent / "results"
NOBS, SEED, DRAWS = 1000, 20261122, 39
MARGIN = np.array([0.05, 0.05, 0.08, 0.88])  # mu, omega, alpha, beta
A, B, NU, RHO = 0.03, 0.94, 5.0, 0.4
CELLS = (
    ("fisher", "noise", 0.0),
    ("fisher", "persistent", 0.0),
    ("fisher", "step", 0.0),
    ("q", "noise", 0.0),
    ("q", "persistent", 0.0),
    ("q", "step", 0.0),
    ("fisher", "step", 0.016),
    ("q", "step", 0.016),
)


def driver_of(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Values of a driver, (T,)."""
    if kind == "step":
        return (np.arange(NOBS) >= NOBS // 2).astype(float)
    noise = rng.standard_normal(NOBS)
    if kind == "noise":
        return noise
    out = noise.copy()
    for t in range(1, NOBS):
        out[t] = 0.98 * out[t - 1] + np.sqrt(1 - 0.98**2) * noise[t]
    return out


def sample(kind: str, effect: float, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.Series]:
    """Percent returns (T, 2) and the driver."""
    x = driver_of(kind, rng)
    target = np.array([[1.0, RHO], [RHO, 1.0]])
    # the residuals of the model are not used: it only simulates
    model = DrivenLikelihood(
        np.ones((NOBS, 2)), dist="normal", driver=x[:, None], blocks=np.ones((1, 2, 2)), target=target
    )
    shocks = draw_shocks(rng, NOBS, 2, NU)
    z, _ = model.simulate(np.array([A, B, effect]), shocks, driver=x[:, None])
    y = [simulate_margin(GARCH(), MARGIN, np.ascontiguousarray(z[:, i]), 1.25)[0] for i in (0, 1)]
    index = pd.RangeIndex(NOBS)
    return pd.DataFrame(np.stack(y, axis=1), index, ["X", "Y"]), pd.Series(x, index, name="x")


def study(form: str, kind: str, effect: float, count: int) -> dict[str, object]:
    """Rejection rates of one cell."""
    rows = []
    for k in range(count):
        seed = np.random.SeedSequence(SEED, spawn_key=(len(kind), int(1000 * effect), k))
        returns, x = sample(kind, effect, np.random.default_rng(seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = DCCX(form=form, limit="sample").fit(fit_margins(returns), driver=x)
            law = effect_draws(fit, (0,), ("score", "lr") if effect else ("score",), DRAWS, k, 1)
            null = fit.spec.model(fit.likelihood.z)
            ratio = 2.0 * (fit.optimum.loglik - maximize(null, list(null.starts()), polish=null.polish).loglik)
            wald = wald_test(fit, (0,))[1]
        rows.append(
            {
                "score, bootstrap": law.pvalue("score") <= 0.05,
                "likelihood ratio, bootstrap": law.pvalue("lr") <= 0.05 if effect else np.nan,
                "score, chi2": stats.chi2.sf(law.observed["score"], 1) <= 0.05,
                "likelihood ratio, chi2": stats.chi2.sf(max(ratio, 0.0), 1) <= 0.05,
                "Wald": wald <= 0.05,
                "at the limit": np.isnan(wald),
            }
        )
    return {"form": form, "driver": kind, "effect": effect, **pd.DataFrame(rows).mean(), "samples": count}


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few samples, nothing written")
    parser.add_argument("--samples", type=int, default=100)
    options = parser.parse_args(arguments)
    count = 10 if options.quick else options.samples
    table = pd.DataFrame([study(*cell, count) for cell in CELLS])
    print(table.to_string(index=False))
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        table.to_csv(RESULTS / "driver_effects.csv", index=False)
    return table


if __name__ == "__main__":
    main()
