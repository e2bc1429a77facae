"""Rolling refits: the past alone, the same for any workers, equal to fits of each window; failures as values."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from cryptoequity.correlation import CCC, DCC
from cryptoequity.correlation.copula import CopulaDCC
from cryptoequity.correlation.rolling import RollingFit, roll
from cryptoequity.correlation.score_driven import ScoreDriven
from cryptoequity.correlation.spec import CorrelationSpec
from cryptoequity.correlation.stcc import STCC
from cryptoequity.errors import DataError, SpecError
from cryptoequity.volatility import EGARCH, GARCH, fit_margins

SPECS = [
    (CCC(), GARCH()),
    (DCC(), GARCH(dist="t")),
    (DCC(dist="t", presample="ewma"), GARCH(mean="ar", lags=2)),
    (ScoreDriven(dist="t"), GARCH(asymmetric=True)),
    (CopulaDCC(), GARCH(dist="skewt")),
    (CopulaDCC(dist="normal", pit="rank"), EGARCH()),
]


@pytest.fixture(scope="module")
def returns(sim_dcc3) -> pd.DataFrame:
    return sim_dcc3[["A", "B"]].iloc[:700]


@pytest.fixture(scope="module", params=SPECS, ids=lambda pair: pair[0].name)
def rolled(request, returns) -> RollingFit:
    spec, margins = request.param
    return roll(spec, returns, window=600, step=30, margins=margins)


def test_shapes_and_dates(rolled, returns):
    dates = returns.index[600:]
    for frame in (rolled.volatility, rolled.mean, rolled.std_resid, rolled.correlations, rolled.log_density):
        pd.testing.assert_index_equal(frame.index, dates)
        assert np.isfinite(frame.to_numpy()).all()
    assert list(rolled.params.index) == list(returns.index[[599, 629, 659, 689]])
    assert rolled.converged.all()
    assert (rolled.reason == "").all()
    np.testing.assert_allclose(rolled.mean + rolled.volatility * rolled.std_resid, returns.iloc[600:])
    assert (rolled.correlation("B", "A").abs() < 1).all()
    covariances = rolled.covariances()
    assert np.linalg.eigvalsh(covariances).min() > 0
    np.testing.assert_allclose(rolled.covariance_at(dates[7]), covariances[7])
    assert "4 windows of 600 rows, 30 apart; 100 forecasts" in str(rolled.summary())


def test_every_window_is_the_fit_of_its_rows(rolled, returns):
    """Parameters by the public fit on the same rows; the first forecast is the fit's own."""
    for k, origin in enumerate((600, 630)):
        rows = returns.iloc[origin - 600 : origin]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = rolled.spec.fit(fit_margins(rows, rolled.margins))
        assert list(rolled.params.columns) == list(fit.params.index)
        # the window before may know of a higher point than the fit's own starting values
        assert rolled.loglikelihood.iloc[k] > fit.loglikelihood - 0.02
        if rolled.loglikelihood.iloc[k] > fit.loglikelihood + 0.02:
            continue
        ahead = fit.forecast(1)
        at = returns.index[origin]
        np.testing.assert_allclose(rolled.volatility.loc[at], ahead.volatility.iloc[0], rtol=5e-3)
        np.testing.assert_allclose(rolled.correlations.loc[at], ahead.correlation.iloc[0], atol=0.02)


def test_exact_forecasts_at_given_parameters(returns):
    """From the window's own parameters, filtering through `CorrelationFit` gives the same path and density."""
    rolled = roll(DCC(), returns, window=600, step=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = DCC().fit(fit_margins(returns.iloc[:600]))
    gap = np.abs(rolled.params.iloc[0] - fit.params) / fit.std_err
    assert gap.max() < 0.01
    later = fit.filter(returns)
    # the fit's filter back-casts from the longer mean; that is forgotten within the window
    np.testing.assert_allclose(rolled.correlation("A", "B"), later.correlation("A", "B").iloc[600:], atol=1e-3)
    np.testing.assert_allclose(rolled.log_density, later.loglik_obs.iloc[600:], atol=5e-3)


def test_the_future_changes_nothing(rolled, returns):
    other = returns.copy()
    other.iloc[665:] = -3.0 * other.iloc[665:].to_numpy()[::-1] + 0.5
    again = roll(rolled.spec, other, window=600, step=30, margins=rolled.margins)
    pd.testing.assert_frame_equal(again.params.iloc[:3], rolled.params.iloc[:3], check_exact=True)
    # the forecast of row 665 was made before it
    for name in ("volatility", "correlations", "mean"):
        one, two = getattr(again, name).iloc[:66], getattr(rolled, name).iloc[:66]
        if name == "mean":
            np.testing.assert_allclose(one, two, rtol=0, atol=1e-12)  # a mean is what is left of the return
        else:
            pd.testing.assert_frame_equal(one, two, check_exact=True)
    pd.testing.assert_series_equal(again.log_density.iloc[:65], rolled.log_density.iloc[:65], check_exact=True)
    assert not np.allclose(again.log_density.iloc[65:], rolled.log_density.iloc[65:])


def test_the_same_for_any_number_of_workers(returns):
    one = roll(DCC(), returns, window=600, step=10, chain=3, n_jobs=1)
    two = roll(DCC(), returns, window=600, step=10, chain=3, n_jobs=2)
    pd.testing.assert_frame_equal(one.params, two.params, check_exact=True)
    pd.testing.assert_frame_equal(one.correlations, two.correlations, check_exact=True)
    pd.testing.assert_series_equal(one.log_density, two.log_density, check_exact=True)


def test_warm_starts_end_where_cold_ones_do(returns):
    warm = roll(DCC(), returns, window=600, step=10)
    cold = roll(DCC(), returns, window=600, step=10, chain=1)
    np.testing.assert_allclose(warm.loglikelihood, cold.loglikelihood, atol=0.05)
    np.testing.assert_allclose(warm.correlations, cold.correlations, atol=0.02)


def test_a_driver_reaches_the_dates_to_come(returns):
    rng = np.random.default_rng(1)
    driver = pd.Series(rng.standard_normal(700).cumsum() / 10, returns.index, name="s")
    rolled = roll(STCC(), returns, window=600, step=50, driver=driver)
    assert np.isfinite(rolled.correlations.to_numpy()).all()
    moved = driver.copy()
    moved.iloc[640] += 50.0
    again = roll(STCC(), returns, window=600, step=50, driver=moved)
    gap = np.abs(again.correlations - rolled.correlations).iloc[:, 0]
    assert (gap.iloc[:40] == 0).all()
    assert gap.iloc[40] > 0
    assert (gap.iloc[41:50] == 0).all()


def test_three_columns(sim_dcc3):
    rolled = roll(DCC(), sim_dcc3.iloc[:640], window=600, step=20)
    assert list(rolled.correlations.columns) == [("A", "B"), ("A", "C"), ("B", "C")]
    assert rolled.params.columns[-2:].tolist() == ["dcc.a", "dcc.b"]
    assert rolled.covariances().shape == (40, 3, 3)


def test_a_window_that_cannot_be_fitted_is_a_row_with_its_reason(returns):
    """A residual of 26 deviations leaves a normal margin no probability: the copula of those windows is refused."""
    jolted = returns.copy()
    jolted.iloc[693, 1] = 400.0
    rolled = roll(CopulaDCC(), jolted, window=690, margins=GARCH(mean="zero"))
    failed = ~rolled.converged
    assert failed.to_list() == [False] * 4 + [True] * 6
    assert "'B': the residual" in rolled.reason.iloc[4]
    assert "has no probability left under its normal margin" in rolled.reason.iloc[4]
    assert rolled.params[failed].isna().all().all()
    assert rolled.correlations.iloc[4:].isna().all().all()
    assert np.isfinite(rolled.correlations.iloc[:4].to_numpy()).all()
    assert "6 refits did not converge; the first: 'B': the residual" in str(rolled.summary())


def test_stopping_short_is_said(returns, monkeypatch):
    from cryptoequity.volatility import garch

    climb = garch.maximize
    monkeypatch.setattr(garch, "maximize", lambda *args, **options: climb(*args, **{**options, "max_iter": 1}))
    rolled = roll(DCC(), returns, window=600, step=50)
    assert not rolled.converged.any()
    assert rolled.reason.str.contains("A: no convergence in 1 iterations").all()
    assert np.isfinite(rolled.correlations.to_numpy()).all()


def test_refusals(returns):
    with pytest.raises(DataError, match="window=700 leaves nothing to forecast: there are 700 rows"):
        roll(DCC(), returns, window=700)
    with pytest.raises(SpecError, match="step=0: give a whole number"):
        roll(DCC(), returns, window=500, step=0)
    with pytest.raises(DataError, match="there is only 'A'"):
        roll(DCC(), returns[["A"]], window=500)
    with pytest.raises(SpecError, match="'B' is missing or unknown"):
        roll(DCC(), returns, window=500, margins={"A": GARCH()})
    with pytest.raises(SpecError, match=r"pass GARCH\(...\) or EGARCH\(...\)"):
        roll(DCC(), returns, window=500, margins="garch")
    with pytest.raises(SpecError, match="takes no driver"):
        roll(DCC(), returns, window=500, driver=returns["A"])
    with pytest.raises(SpecError, match="a model of one pair"):
        roll(ScoreDriven(), returns.assign(C=returns["A"].to_numpy()[::-1]), window=500)
    rolled = roll(CCC(), returns, window=650, step=50)
    with pytest.raises(SpecError, match="no column 'Z' here"):
        rolled.correlation("A", "Z")
    assert isinstance(rolled.spec, CorrelationSpec)
