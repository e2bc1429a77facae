"""What two regimes of GARCH find in data of one: likelihood ratios and choices by BIC, by the law of the errors.

Samples are GARCH(1,1) with omega .05, alpha .08, beta .90 and normal or t(5) shocks, and a two-regime model with normal
or t errors is fitted to each. Written to results/switching_garch.csv: nobs, shocks, errors of the fit, samples, the
share in which the log-likelihood gains more than half of chi-squared's 5 % point with as many degrees of freedom as
there are parameters more ("chi2"), the share in which BIC prefers two regimes ("bic"), the mean ratio.
A sample in which every climb ends without a second regime of ten observations counts as a ratio of zero.

    python benchmarks/switching_garch.py [samples]      # 30 by default
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from cryptoequity.errors import ConvergenceError
from cryptoequity.estimation.optimize import maximize
from cryptoequity.estimation.params import Array, Layout
from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.recursion_search import climb_recursions
from cryptoequity.regimes.switching_garch import GarchRegimes, SwitchingGarchLikelihood


class OneRegime:
    """The same likelihood with all regimes alike."""

    def __init__(self, lik: SwitchingGarchLikelihood) -> None:
        self.lik = lik
        own = lik.emission
        names = [name for name in own.layout.names if not name.endswith("[2]")]
        blocks = [block for block in own.blocks() if not block.names[0].endswith("[2]")]
        self.layout = Layout(blocks)
        self.where = np.array([names.index(name.replace("[2]", "[1]")) for name in own.layout.names])

    def evaluate(self, theta: Array, want: int) -> tuple[Array, Array]:
        """Log-likelihood by date and scores."""
        loglik, score = self.lik.evaluate(np.concatenate([theta[self.where], [0.1, 0.1]]), want)
        if not want:
            return loglik, score
        out = np.zeros((len(loglik), self.layout.size))
        for n, at in enumerate(self.where):
            out[:, at] += score[:, n]
        return loglik, out


def sample(nobs: int, shocks: str, rng: np.random.Generator) -> Array:
    """One GARCH(1,1) path (T, 1)."""
    z = rng.standard_normal(nobs + 500) if shocks == "normal" else rng.standard_t(5, nobs + 500) * np.sqrt(0.6)
    y, h = np.empty(nobs + 500), 2.5
    for t in range(y.size):
        y[t] = np.sqrt(h) * z[t]
        h = 0.05 + 0.08 * y[t] ** 2 + 0.90 * h
    return y[500:, None]


def main(samples: int) -> None:
    """Run every cell and write the table."""
    rows = []
    for nobs in (1500,):
        for shocks, errors in (("normal", "normal"), ("t5", "normal"), ("t5", "t")):
            ratios = []
            for seed in range(samples):
                y = sample(nobs, shocks, np.random.default_rng([nobs, seed]))
                own = GarchRegimes(y, ("y",), 2, student=errors == "t")
                lik = SwitchingGarchLikelihood(own, Chain(2, np.ones((nobs, 1))))
                one = OneRegime(lik)
                start = own.begin(np.full((nobs, 2), 0.5), 0.05, 0.9)
                short = np.array([start[own.layout.names.index(name)] for name in one.layout.names])
                null = maximize(one, [short])
                try:
                    optimum, _ = climb_recursions(lik, 8, seed)
                except ConvergenceError:  # no second regime with ten observations anywhere: one regime it is
                    ratios.append(0.0)
                    continue
                ratios.append(2.0 * (optimum.loglik - null.loglik))
            more = lik.layout.size - one.layout.size
            lr = np.array(ratios)
            rows.append(
                {
                    "nobs": nobs,
                    "shocks": shocks,
                    "errors": errors,
                    "samples": samples,
                    "chi2": (lr > stats.chi2.isf(0.05, more)).mean(),
                    "bic": (lr > more * np.log(nobs)).mean(),
                    "mean_lr": lr.mean(),
                }
            )
            print(rows[-1], flush=True)
    out = Path(__file__).parent / "results" / "switching_garch.csv"
    pd.DataFrame(rows).to_csv(out, index=False, float_format="%.4g")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
