"""Fluctuation processes and tests against strucchange for R (on the Nile) and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.datasets import nile
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.diagnostic import breaks_cusumolsresid, recursive_olsresiduals

from cryptoequity.breaks import fluctuation_processes as processes
from cryptoequity.breaks.fluctuation import cusum_test, fluctuation_test, mosum_test
from cryptoequity.breaks.fluctuation_laws import law_of_moving_sums

TESTS = {
    "Rec-CUSUM": lambda y, functional: cusum_test(y, kind="recursive", functional=functional),
    "OLS-CUSUM": lambda y, functional: cusum_test(y, functional=functional),
    "Rec-MOSUM": lambda y, functional: mosum_test(y, kind="recursive", functional=functional),
    "OLS-MOSUM": lambda y, functional: mosum_test(y, functional=functional),
    "RE": lambda y, functional: fluctuation_test(y, functional=functional),
    "Score-CUSUM": lambda y, functional: fluctuation_test(y, kind="score", variance=True, functional=functional),
    "Score-MOSUM": lambda y, functional: fluctuation_test(y, kind="score-moving", variance=True, functional=functional),
}
MOVING = ("Rec-MOSUM", "OLS-MOSUM", "Score-MOSUM")


@pytest.fixture(scope="module")
def flow():
    return nile.load_pandas().data.set_index("year")["volume"]


@pytest.mark.parametrize("kind", list(TESTS))
def test_processes_and_statistics(kind, flow, oracle):
    wanted = oracle("strucchange_efp")[kind]
    for functional, figures in wanted["functionals"].items():
        test = TESTS[kind](flow, functional)
        np.testing.assert_allclose(test.statistic, figures["stat"], rtol=1e-12)
        process = test.detail["process"].to_numpy()
        assert len(process) == wanted["process"]["n"]
        np.testing.assert_allclose(process[:3], wanted["process"]["first"], atol=1e-12)
        np.testing.assert_allclose(process[-3:], wanted["process"]["last"], atol=1e-12)
        np.testing.assert_allclose(process.mean(axis=0), np.ravel(wanted["process"]["mean"]), atol=1e-12)


@pytest.mark.parametrize("kind", [kind for kind in TESTS if kind not in MOVING])
def test_exact_laws(kind, flow, oracle):
    wanted = oracle("strucchange_efp")[kind]
    for functional, figures in wanted["functionals"].items():
        test = TESTS[kind](flow, functional)
        if functional == "meanL2":
            # their table ends at .005
            assert test.pvalue < figures["p"] == 0.005
        else:
            # they sum a hundred terms of the series, and round their 5 % point to six digits
            np.testing.assert_allclose(test.pvalue, figures["p"], rtol=1e-6)
            bound = test.critical_values[0.05]
            if functional == "max":
                shape = 3.0 if kind == "Rec-CUSUM" else 1.0
                np.testing.assert_allclose([bound, shape * bound], wanted["boundary"], rtol=2e-6)


@pytest.mark.parametrize("kind", MOVING)
def test_simulated_laws(kind, flow, oracle):
    """Their tables are of paths on a grid, ours of continuous paths: the difference is that of a grid of a thousand.

    The maximum over a grid of N steps falls short by .5826 times the standard deviation of a step, root of 2/N
    (Chernoff 1965).
    """
    wanted = oracle("strucchange_efp")[kind]
    test = TESTS[kind](flow, "max")
    short = 0.5826 * np.sqrt(2 / 1000)
    gap = test.critical_values[0.05] - wanted["boundary"][0]
    assert 0 < gap < short
    if kind == "Score-MOSUM":
        np.testing.assert_allclose(test.pvalue, wanted["functionals"]["max"]["p"], atol=0.003)
    else:
        assert test.pvalue < wanted["functionals"]["max"]["p"] == 0.01  # their table ends there


def test_their_law_of_the_range_of_moving_sums_is_another(flow, oracle):
    """They print .0488 for OLS-MOSUM; the statistic of normal samples exceeds this value ten times less often."""
    figures = oracle("strucchange_efp")["OLS-MOSUM"]["functionals"]["range"]
    rng = np.random.default_rng(0)
    path = np.zeros((4000, 1001))
    np.cumsum(rng.standard_normal((4000, 1000)), axis=1, out=path[:, 1:])
    path -= path[:, -1:] * np.linspace(0.0, 1.0, 1001)
    ranges = np.ptp(path[:, 150:] - path[:, :-150], axis=1) / np.sqrt(1000)
    drawn = float(np.mean(ranges > figures["stat"]))
    ours = mosum_test(flow, functional="range").pvalue
    assert figures["p"] > 0.04
    assert drawn < 0.01
    # what 1000 steps lack is lost at both ends of a range
    limit = law_of_moving_sums("range", 0.15).critical(0.05)
    assert abs(np.quantile(ranges, 0.95) + 2 * 0.5826 * np.sqrt(2 / 1000) - limit) < 0.03
    assert drawn <= ours + 3 * np.sqrt(ours / 4000)


def test_statsmodels_cusum(flow):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((240, 2))
    y = x @ [0.4, -1.0] + rng.standard_normal(240)
    fit = OLS(y, np.column_stack([np.ones(240), x])).fit()
    statistic, pvalue, critical = breaks_cusumolsresid(fit.resid, ddof=3)
    test = cusum_test(y, x)
    np.testing.assert_allclose([test.statistic, test.pvalue], [statistic, pvalue], rtol=1e-10)
    for percent, value in critical:
        np.testing.assert_allclose(test.critical_values[percent / 100], value, atol=0.005)


def test_statsmodels_recursive_residuals():
    rng = np.random.default_rng(4)
    x = np.column_stack([np.ones(150), rng.standard_normal((150, 2))])
    y = x @ [0.1, 0.4, -1.0] + rng.standard_normal(150)
    *_, scaled, cusum, _ = recursive_olsresiduals(OLS(y, x).fit())
    w, coefficients = processes.recursive_part(y, x)
    np.testing.assert_allclose(w, scaled[3:], atol=1e-10)
    np.testing.assert_allclose(coefficients[-1], np.linalg.lstsq(x, y, rcond=None)[0], atol=1e-12)
    # it divides by the standard deviation alone, and its sum begins one row earlier, at zero
    test = cusum_test(y, x[:, 1:], kind="recursive")
    np.testing.assert_allclose(test.detail["process"].iloc[:, 0] * np.sqrt(147), cusum, atol=1e-10)
