"""Samples drawn from a fitted null: what is drawn, what is refitted, and that neither workers nor order matter."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from cryptoequity.correlation import CCC, DCC
from cryptoequity.correlation.bootstrap import draws_from, null_draws
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.bootstrap import pvalue
from cryptoequity.volatility import EGARCH, GARCH, fit_margins


def moments(z, driver, warm):
    return {"corr": float(np.mean(z[:, 0] * z[:, 1])), "second": float(np.mean(z[:, 0] ** 2)), "rows": float(len(z))}


def driven(z, driver, warm):
    return float(np.sum(z[:, 0] * z[:, 1] * driver[:, 0])) + warm


def often_fails(z, driver, warm):
    if z[0, 0] > 0:
        raise DataError("not on this sample")
    return float(z[0, 0])


@pytest.fixture(scope="module")
def fit(sim_dcc3):
    return DCC().fit(sim_dcc3.iloc[:600, :2])


def test_draws_center_on_the_null(fit):
    law = null_draws(fit, moments, 60, 1)
    assert law.refitted
    assert law.observed["corr"] == pytest.approx(np.mean(fit.likelihood.z.prod(axis=1)))
    assert (law.values["rows"] == 600).all()
    assert law.failed == {"corr": 0, "second": 0, "rows": 0}
    corr = law.values["corr"]
    assert abs(corr.mean() - law.observed["corr"]) < 4 * corr.std() / np.sqrt(60) + 0.01
    # margins refitted: quasi-maximum likelihood gives every draw residuals with a second moment close to one
    assert np.median(np.abs(law.values["second"] - 1)) < 0.01


@pytest.mark.parametrize("shocks", ["fhs", "parametric"])
def test_numbers_do_not_depend_on_the_workers(fit, shocks):
    one = null_draws(fit, moments, 19, 7, n_jobs=1, shocks=shocks)
    two = null_draws(fit, moments, 19, 7, n_jobs=2, shocks=shocks)
    for name, values in one.values.items():
        np.testing.assert_array_equal(values, two.values[name])
    other = null_draws(fit, moments, 19, 8, shocks=shocks)
    assert not np.array_equal(one.values["corr"], other.values["corr"])
    assert len(np.unique(one.values["corr"])) == 19


def test_resampled_shocks_keep_fat_tails_and_parametric_ones_do_not():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_t(3.5, (800, 2)), columns=["X", "Y"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = CCC().fit(frame, margins=GARCH(mean="zero"))

    def fourth(z, driver, warm):
        return float(np.mean(z**4))

    assert null_draws(fit, fourth, 19, 1).values["statistic"].mean() > 4.5
    assert null_draws(fit, fourth, 19, 1, shocks="parametric").values["statistic"].mean() < 4.0


def test_driver_and_warm_start_reach_the_statistic(fit):
    driver = np.linspace(0, 1, 600)[:, None]
    law = null_draws(fit, driven, 19, 1, driver=driver, warm=100.0)
    assert law.observed["statistic"] == pytest.approx(driven(fit.likelihood.z, driver, 100.0))
    assert law.pvalue() == pvalue(law.observed["statistic"], law.values["statistic"])
    assert law.quantile(0.5) == pytest.approx(np.median(law.values["statistic"]))
    assert "19 samples" in law.reference


def test_lags_of_the_mean_are_drawn_as_well(sim_dcc3):
    specs = {"A": GARCH(mean="ar", lags=2), "B": EGARCH()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = DCC().fit(sim_dcc3.iloc[:500, :2], margins=specs)
    law = null_draws(fit, moments, 19, 1)
    assert (law.values["rows"] == 498).all()


def test_a_statistic_that_fails_is_counted(fit):
    law = null_draws(fit, often_fails, 40, 3, warm=None) if fit.likelihood.z[0, 0] <= 0 else None
    if law is None:
        pytest.skip("the first residual is positive")
    assert law.failed["statistic"] == int(np.isnan(law.values["statistic"]).sum()) > 0


def test_refusals(fit, sim_dcc3):
    with pytest.raises(SpecError, match="fewer than 19"):
        null_draws(fit, moments, 5)
    with pytest.raises(SpecError, match="shocks="):
        null_draws(fit, moments, 19, shocks="normal")
    with pytest.raises(SpecError, match="filtered"):
        null_draws(fit.filter(sim_dcc3.iloc[600:900, :2]), moments, 19)


def test_residuals_of_another_program_are_taken_for_data(sim_dcc3):
    from arch import arch_model

    results = {name: arch_model(sim_dcc3[name].iloc[:500]).fit(disp="off") for name in ("A", "B")}
    margins = fit_margins(results)
    fit = DCC().fit(margins)
    law = null_draws(fit, moments, 19, 1)
    assert not law.refitted
    assert "taken for data" in law.reference
    same = draws_from(margins, fit.likelihood, fit.theta, moments, 19, 1)
    np.testing.assert_array_equal(same.values["corr"], law.values["corr"])
