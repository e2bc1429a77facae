"""Switching GARCH against MSGARCH 2.51 for R: likelihood and volatilities at its estimates, and our own climbs.

Its recursions are the parallel ones from each regime's own stationary variance, and the first date is not in its
likelihood: ``variance_start="regime"``, ``hold=1``. Its forecasts beyond one date and its quantiles are simulated.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptoequity.regimes.chain import Chain
from cryptoequity.regimes.msgarch import MSGARCH
from cryptoequity.regimes.msgarch_fit import mixture_risk
from cryptoequity.regimes.recursion_search import climb_recursions
from cryptoequity.regimes.switching_garch import GarchRegimes, SwitchingGarchLikelihood

ROOT = Path(__file__).parents[2]
CASES = [("smi_sGARCH_std", "SMI", True), ("smi_sARCH_norm", "SMI", False), ("dem2gbp_sGARCH_norm", "dem2gbp", False)]


def series(name: str) -> np.ndarray:
    folder = Path(os.environ.get("CRYPTOEQUITY_DATA", ROOT.parent / "shared" / "reference" / "data"))
    path = folder / f"msgarch_{name}.csv"
    if not path.exists():
        pytest.skip(f"the series {name} of the R package MSGARCH is not here; point CRYPTOEQUITY_DATA at a copy")
    y = pd.read_csv(path).to_numpy(float)
    return y - y.mean() if name == "dem2gbp" else y


def likelihood(y: np.ndarray, student: bool) -> SwitchingGarchLikelihood:
    own = GarchRegimes(y, ("y",), 2, mean="zero", student=student, switching_nu=student, variance_start="regime")
    return SwitchingGarchLikelihood(own, Chain(2, np.ones((len(y), 1))), "parallel", 1)


def ours(par: dict[str, float], lik: SwitchingGarchLikelihood) -> np.ndarray:
    """Its parameters in our order; an ARCH is a GARCH without beta."""
    theta = []
    for name in lik.layout.names:
        root, number = name.removesuffix("]").split("[")
        if root == "p":
            theta.append(1.0 - par["P_1_1"] if number == "1,2" else par["P_2_1"])
        else:
            theta.append(par.get(f"{ {'omega': 'alpha0', 'alpha': 'alpha1'}.get(root, root) }_{number}", 0.0))
    return np.array(theta)


@pytest.mark.parametrize(("key", "name", "student"), CASES)
def test_at_its_estimates(key, name, student, oracle):
    wanted = oracle("msgarch")[key]
    lik = likelihood(series(name), student)
    theta = ours(wanted["par"], lik)
    assert lik.total(theta) == pytest.approx(wanted["loglik"], rel=1e-11)
    found, variance, _, _ = lik.run(theta, 0)
    volatility = np.sqrt((found.predicted * variance).sum(axis=1))
    np.testing.assert_allclose(volatility[:5], np.ravel(wanted["vol"]["first"]), rtol=1e-10)
    np.testing.assert_allclose(volatility[-5:], np.ravel(wanted["vol"]["last"]), rtol=1e-10)


def test_our_climb_ends_where_it_ends(oracle):
    wanted = oracle("msgarch")["dem2gbp_sGARCH_norm"]
    fit = MSGARCH(mean="zero", variance_start="regime", hold=1).fit(
        pd.DataFrame(series("dem2gbp"), columns=["DEMGBP"]), starts=10
    )
    assert fit.converged
    assert fit.loglikelihood == pytest.approx(wanted["loglik"], abs=1e-6)
    assert fit.aic == pytest.approx(wanted["AIC"], abs=1e-5)
    assert fit.bic == pytest.approx(wanted["BIC"], abs=1e-5)
    np.testing.assert_allclose(fit.theta, ours(wanted["par"], fit.likelihood), rtol=2e-3)
    ahead = np.sqrt(fit.forecast(10).covariance[:, 0, 0])
    assert ahead[0] == pytest.approx(wanted["forecast_vol10"][0], rel=1e-5)
    # simulated by the other program: what is left is the noise of its draws
    np.testing.assert_allclose(ahead, wanted["forecast_vol10"], rtol=0.03)
    assert fit.unconditional_moments()["volatility"] == pytest.approx(wanted["unc_vol"], rel=0.02)
    risk = fit.forecast_risk(0.05)
    assert risk["var"] == pytest.approx(wanted["VaR5_1step"], rel=0.03)
    assert risk["es"] == pytest.approx(wanted["ES5_1step"], rel=0.03)
    exact, _ = mixture_risk(0.05, fit._ahead(1, None), fit._next_variances(None, 1)[None], 0.0, None)
    assert exact[0] == risk["var"]


def test_t_errors_its_climb_stops_eleven_points_short(oracle):
    wanted = oracle("msgarch")["smi_sGARCH_std"]
    lik = likelihood(series("SMI"), True)
    optimum, _ = climb_recursions(lik, 10, 0)
    assert optimum.converged
    assert optimum.loglik == pytest.approx(wanted["loglik"] + 11.418, abs=0.01)
