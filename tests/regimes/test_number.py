"""How many regimes: models of one regime, ratios that cannot be negative, p-values, refusals."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cryptoequity.errors import BoundaryWarning, ConvergenceError, DataError, SpecError
from cryptoequity.regimes import RSDC, MarkovCovariance
from cryptoequity.regimes.gaussian import GaussianEmission
from cryptoequity.regimes.linear import LinearEmission
from cryptoequity.regimes.number import regime_number_test
from cryptoequity.regimes.one_regime import OneRegime, fit_one, place
from cryptoequity.regimes.ratio_draws import Match, NullDraw, Ratio
from cryptoequity.regimes.selection import select_regimes
from cryptoequity.volatility import GARCH, fit_margins


def quiet(nobs=150, seed=0):
    return pd.Series(np.random.default_rng(seed).standard_normal(nobs), name="x")


def loud(nobs=150, factor=4.0, seed=0):
    y = quiet(nobs, seed).copy()
    y.iloc[nobs // 3 : nobs // 3 + nobs // 4] *= factor
    return y


@pytest.fixture(scope="module")
def margins():
    z = np.random.default_rng(5).standard_normal((300, 2))
    z[:, 1] = 0.4 * z[:, 0] + np.sqrt(1 - 0.16) * z[:, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)  # noise has no GARCH
        return fit_margins(pd.DataFrame(z, columns=["a", "b"]), GARCH(), cov_type="classic")


# --- one regime


def test_one_normal_regime_is_the_sample():
    y = np.random.default_rng(1).standard_normal((120, 2)) @ np.array([[1.0, 0.5], [0.0, 2.0]])
    fit = fit_one(place(GaussianEmission(y, ("a", "b"), 2), y, 1))
    cov = np.cov(y.T, bias=True)
    density = stats.multivariate_normal(y.mean(axis=0), cov).logpdf(y).sum()
    assert fit.converged
    assert fit.loglik == pytest.approx(density, rel=1e-10)


@pytest.mark.parametrize("options", [{"student": True}, {"mean": "zero", "scale": "unit", "student": True}])
def test_one_regime_under_t_errors_is_a_maximum(options):
    y = np.random.default_rng(2).standard_t(5, (300, 2))
    emission = place(GaussianEmission(y, ("a", "b"), 2, **options), y, 1)
    fit = fit_one(emission)
    score = OneRegime(emission).evaluate(fit.theta, 1)[1].sum(axis=0) @ OneRegime(emission).layout.jacobian(fit.box)
    assert fit.converged
    assert np.abs(score).max() < 0.1


def test_one_correlation_of_unit_residuals():
    y = np.random.default_rng(3).standard_normal((200, 2))
    y[:, 1] += 0.7 * y[:, 0]
    fit = fit_one(place(GaussianEmission(y, ("a", "b"), 2, mean="zero", scale="unit"), y, 1))
    grid = np.linspace(-0.9, 0.9, 181)
    best = max(stats.multivariate_normal([0, 0], [[1, r], [r, 1]]).logpdf(y).sum() for r in grid)
    assert best <= fit.loglik < best + 0.1


def test_lags_are_those_of_the_new_data():
    rng = np.random.default_rng(4)
    whole = rng.standard_normal((202, 1))
    x = np.column_stack([np.ones(200), whole[1:-1], whole[:-2]])
    emission = LinearEmission(
        whole[2:], x, ("y",), ("const", "L1", "L2"), 2, switching=np.array([True, False, False]), presample=whole[:2]
    )
    y = rng.standard_normal((200, 1))
    fresh = place(emission, y, 1)
    full = np.vstack([whole[:2], y])[:, 0]
    np.testing.assert_array_equal(fresh.x, np.column_stack([np.ones(200), full[1:-1], full[:-2]]))
    fit = fit_one(fresh)
    resid = y[:, 0] - fresh.x @ np.linalg.lstsq(fresh.x, y[:, 0], rcond=None)[0]
    assert fit.loglik == pytest.approx(-100 * (np.log(2 * np.pi * np.mean(resid**2)) + 1), rel=1e-9)


def test_densities_nobody_knows_are_refused():
    class Other(GaussianEmission):
        pass

    y = np.zeros((10, 1)) + np.arange(10.0)[:, None]
    with pytest.raises(SpecError, match="Other cannot be put"):
        place(Other(y, ("a",), 2), y, 1)


# --- ratios


def test_a_ratio_is_that_of_the_two_fits_and_free_of_units():
    y = loud().to_numpy()[:, None]
    match = Match(GaussianEmission(y, ("x",), 2), 1, 2, 4)
    found = match.ratio(y, np.random.default_rng(0))
    fit = MarkovCovariance().fit(pd.Series(y[:, 0], name="x"), cov_type="none")
    plain = stats.norm(y.mean(), y.std()).logpdf(y).sum()
    assert found.value == pytest.approx(2 * (fit.loglikelihood - plain), abs=1e-4)
    scaled = Match(GaussianEmission(100 * y + 7, ("x",), 2), 1, 2, 4).ratio(100 * y + 7, np.random.default_rng(0))
    assert scaled.value == pytest.approx(found.value, abs=1e-4)


def test_ratios_are_never_negative_and_their_law_does_not_depend_on_the_parameters():
    y = quiet(150).to_numpy()[:, None]
    match = Match(GaussianEmission(y, ("x",), 2), 1, 2, 2)
    for seed in np.random.SeedSequence(3).spawn(5):
        value, _, degenerate = NullDraw(match, np.array([0.0, 1.0]))(seed)
        other = NullDraw(match, np.array([5.0, 30.0]))(seed)[0]
        assert value >= 0.0
        assert (value == 0.0) or not degenerate
        assert other == pytest.approx(value, abs=1e-3)


def test_the_wider_model_is_not_below_the_narrower():
    y = loud(200).to_numpy()[:, None]
    for wide in (3, 4):
        match = Match(GaussianEmission(y, ("x",), wide), 2, wide, 1)
        assert match.ratio(y, np.random.default_rng(wide)).value >= 0.0


# --- the test


def test_two_regimes_are_found_and_one_is_left_alone():
    found = regime_number_test(loud(), MarkovCovariance(), draws=19, starts=2)
    assert found.pvalue == 0.05
    assert found.statistic > found.critical_value(0.05)
    assert found.fit is not None
    assert found.fit.k == 2
    assert found.draws.shape == (19,)
    assert 0.0 <= found.detail["invalid chi-squared p-value, for comparison"] < 1e-6
    none = regime_number_test(quiet(seed=1), MarkovCovariance(), draws=19, starts=2)
    assert none.pvalue > 0.1
    assert none.pvalue == regime_number_test(quiet(seed=1), MarkovCovariance(), draws=19, starts=2).pvalue
    assert "carrasco" not in none.cite()
    assert {"statistic", "pvalue", "quantile 95%"} <= set(none.to_frame().index)


def test_two_regimes_are_enough():
    found = regime_number_test(loud(200, seed=2), MarkovCovariance(k=3), draws=19, starts=1)
    assert found.detail["null regimes"] == 2
    assert found.pvalue > 0.05
    assert found.null_fit is not None
    assert found.null_fit.k == 2
    assert list(found.null_params.index)[-2:] == ["p[1,2]", "p[2,1]"]


def test_common_parts_and_t_errors():
    spec = MarkovCovariance(dist="t", mean="common")
    assert regime_number_test(loud(factor=8.0), spec, draws=19, starts=2).pvalue == 0.05


def test_maximized_pvalue_is_not_below_that_at_the_estimates(margins):
    options = {"draws": 19, "starts": 1}
    plain = regime_number_test(margins, RSDC(dist="normal"), **options)
    found = regime_number_test(margins, RSDC(dist="normal"), method="mmc", points=2, **options)
    assert found.detail["p-value at the estimates"] == plain.pvalue
    assert found.pvalue == found.search["pvalue"].max() >= plain.pvalue
    assert found.search.shape == (2, 2)
    rho = found.search.iloc[:, 1]
    assert (rho.iloc[1:] != rho.iloc[0]).all()
    assert (rho - rho.iloc[0]).abs().max() < 3.0 / np.sqrt(300)


@pytest.mark.slow
def test_numbers_do_not_depend_on_workers():
    one, two = (regime_number_test(quiet(), MarkovCovariance(), draws=19, starts=1, n_jobs=n).draws for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_refusals(margins):
    y = quiet()
    with pytest.raises(SpecError, match="fewer than the 2 regimes"):
        regime_number_test(y, MarkovCovariance(), 2)
    with pytest.raises(SpecError, match="draws=5"):
        regime_number_test(y, MarkovCovariance(), draws=5)
    with pytest.raises(SpecError, match="drop drivers"):
        regime_number_test(y, MarkovCovariance(), drivers=y)
    with pytest.raises(SpecError, match="belong to one k"):
        regime_number_test(y, MarkovCovariance(initial=(0.5, 0.5)))
    with pytest.raises(SpecError, match="method"):
        regime_number_test(y, MarkovCovariance(), method="chi2")
    with pytest.raises(SpecError, match="regime specification"):
        regime_number_test(y, "two")
    with pytest.raises(DataError, match=r"NaN|missing|finite"):
        regime_number_test(y.where(y.index != 40), MarkovCovariance())
    with pytest.raises(DataError, match="too few"):
        regime_number_test(y.iloc[:30], MarkovCovariance())
    with pytest.raises(DataError, match="two columns"):
        regime_number_test(margins.select("a"), RSDC())


def still():
    """A market that hardly moves for a while: a regime without variance."""
    y = quiet(200).copy()
    y.iloc[60:160] *= 1e-6
    return y


def test_a_regime_without_variance_is_no_evidence(monkeypatch):
    y = quiet(120).to_numpy()[:, None]
    null = fit_one(place(GaussianEmission(y, ("x",), 2), y, 1))
    for ratio, message in (
        (Ratio(0.0, null, None, 2, 1, "a variance collapses to nothing."), "hardly move"),
        (Ratio(0.0, null, None, 2, 1), "1 are enough"),
    ):
        monkeypatch.setattr(Match, "ratio", lambda *_, ratio=ratio: ratio)
        spec = MarkovCovariance(k=2 if ratio.reason else 3)
        with pytest.raises(ConvergenceError, match=message):
            regime_number_test(loud(150), spec, draws=19, starts=1)


def test_a_null_with_an_empty_regime_is_the_smaller_one():
    y = np.random.default_rng(8).uniform(-1, 1, (60, 1))  # lighter tails than any mixture of normals
    match = Match(GaussianEmission(y, ("x",), 3, mean="common"), 2, 3, 1)
    found = match.ratio(y, np.random.default_rng(0))
    assert found.value >= 0.0
    assert 1 <= found.regimes <= 2


# --- selection


def test_selection_counts_every_parameter():
    y = loud(200)
    found = select_regimes(y, MarkovCovariance(), k_max=3, starts=6)
    assert found.table.index.tolist() == [1, 2, 3]
    assert found.table["parameters"].tolist() == [2, 6, 12]
    plain = stats.norm(y.mean(), y.std(ddof=0)).logpdf(y).sum()
    assert found.table.loc[1, "loglik"] == pytest.approx(plain, rel=1e-10)
    fit = MarkovCovariance().fit(y, cov_type="none")
    assert found.table.loc[2, ["loglik", "AIC", "BIC", "HQC"]].to_numpy(float) == pytest.approx(
        [fit.loglikelihood, fit.aic, fit.bic, fit.hqc], abs=1e-3
    )
    assert found.best() == 2
    assert found.table["loglik"].is_monotonic_increasing
    assert "criteria are not tests" in str(found.summary())
    with pytest.raises(SpecError, match="criterion"):
        found.best("R2")


def test_selection_of_correlations_counts_the_margins(margins):
    found = select_regimes(margins, RSDC(dist="normal"), k_max=2, starts=3)
    parameters = sum(one.estimate.theta.size for one in margins.fits)
    assert found.table.loc[1, "parameters"] == parameters + 1
    if 2 in found.fits:
        assert found.table.loc[2, "parameters"] == parameters + 4
        assert found.table.loc[2, "loglik"] > found.table.loc[1, "loglik"] - 1e-6
    else:
        assert np.isnan(found.table.loc[2, "AIC"])


def test_selection_reports_what_has_no_fit():
    found = select_regimes(still(), MarkovCovariance(mean="common"), k_max=2, starts=2)
    assert np.isnan(found.table.loc[2, "BIC"])
    assert "degenerate" in found.reasons[2]
    assert found.best() == 1


def test_selection_refuses():
    with pytest.raises(SpecError, match="k_max"):
        select_regimes(quiet(), MarkovCovariance(), k_max=1)
    with pytest.raises(SpecError, match="drop drivers"):
        select_regimes(quiet(), MarkovCovariance(), drivers=quiet())
    with pytest.raises(SpecError, match="belong to one k"):
        select_regimes(quiet(), replace(MarkovCovariance(), initial=(0.5, 0.5)))
