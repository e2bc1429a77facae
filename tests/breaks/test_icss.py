"""Breaks in a variance: statistics written out, the segmentation, the GARCH null, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config
from scipy.special import kolmogorov

from cryptoequity.breaks.icss import ICSS, variance_break_test
from cryptoequity.breaks.variance_sums import calibrate, fit_null, peak, rescaled, segment, variance_process
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.long_run import LongRun
from cryptoequity.volatility import EGARCH, GARCH

TESTS = ("it", "kappa1", "kappa2")


def garch(seed, nobs, alpha=0.08, beta=0.90):
    z = np.random.default_rng(seed).standard_normal(nobs + 500)
    e, h = np.empty(z.size), 1.0
    for t in range(z.size):
        e[t] = np.sqrt(h) * z[t]
        h = 1.0 - alpha - beta + alpha * e[t] ** 2 + beta * h
    return e[500:]


def steps(seed, nobs=900, factor=2.5):
    e = np.random.default_rng(seed).standard_normal(nobs)
    e[nobs // 3 : 2 * nobs // 3] *= factor
    return e


def test_statistics_written_out():
    e = steps(0, 200)
    squares = e**2
    total = squares.sum()
    for k in (1, 57, 199):
        center = squares[:k].sum() - k / 200 * total
        it = np.sqrt(100) * (squares[:k].sum() / total - k / 200)
        np.testing.assert_allclose(variance_process(e, "it")[k - 1], it, atol=1e-12)
        fourth = np.mean(e**4) - np.mean(squares) ** 2
        np.testing.assert_allclose(variance_process(e, "kappa1")[k - 1], center / np.sqrt(200 * fourth), atol=1e-12)
        for lags in (0, 5):
            wide = LongRun("bartlett", lags + 1.0).covariance((squares - squares.mean())[:, None])[0, 0]
            np.testing.assert_allclose(
                variance_process(e, "kappa2", lags)[k - 1], center / np.sqrt(200 * wide), atol=1e-12
            )
    np.testing.assert_allclose(variance_process(e, "kappa2", 0), variance_process(e, "kappa1"), atol=1e-12)
    np.testing.assert_allclose(variance_process(e, "kappa2"), variance_process(e, "kappa2", 4), atol=1e-12)
    assert variance_process(e, "kappa2", "andrews").shape == (199,)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(0.001, 1000), st.sampled_from(TESTS))
def test_invariances(seed, scale, test):
    e = steps(seed, 300)
    path = variance_process(e, test)
    np.testing.assert_allclose(variance_process(-scale * e, test), path, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(variance_process(e[::-1], test), -path[::-1], rtol=1e-8, atol=1e-10)
    one, two = (ICSS(test=test, calibration="asymptotic").fit(x) for x in (e, scale * e + 3.0 * scale))
    assert one.positions == two.positions


@pytest.mark.parametrize("test", TESTS)
def test_finds_two_dates(test):
    dates = pd.date_range("2015-01-01", periods=900)
    fit = ICSS(test=test, calibration="asymptotic", alpha=0.01).fit(pd.Series(steps(3), dates, name="r"))
    assert len(fit.positions) == 2
    np.testing.assert_allclose(fit.positions, [300, 600], atol=12)
    assert fit.converged
    assert list(fit.break_dates) == [dates[at] for at in fit.positions]
    assert list(fit.last_dates) == [dates[at - 1] for at in fit.positions]
    np.testing.assert_allclose(fit.variances["sd"], [1.0, 2.5, 1.0], rtol=0.15)
    assert fit.variances["nobs"].sum() == 900
    np.testing.assert_allclose(fit.volatility.iloc[[0, 450, 899]], fit.variances["sd"])
    assert (fit.tests["statistic"] > fit.tests["critical"]).all()
    assert (fit.tests["pvalue"] <= 0.01).all()
    assert fit.pvalue == pytest.approx(kolmogorov(fit.path.max()))
    assert (fit.boundary == fit.boundary.iloc[0]).all()
    assert fit.to_frame().equals(fit.variances)
    assert "ICSS" in str(fit.summary())
    assert fit.to_dict()["break_dates"] == [str(when.date()) for when in fit.break_dates]
    assert fit.cite().count("@article") == (1 if test == "it" else 2)


def test_one_break_has_one_convention():
    e = np.random.default_rng(1).standard_normal(600)
    e[400:] *= 5
    test = variance_break_test(e, pvalue="asymptotic")
    fit = ICSS(calibration="asymptotic").fit(e)
    assert test.position == fit.positions[0] == 400
    assert (test.break_date, test.last_date) == (400, 399)
    assert test.path.idxmax() == 400
    assert test.detail["variance after"] > 15 * test.detail["variance before"]
    assert test.pvalue == pytest.approx(kolmogorov(test.statistic))
    assert ((test.path > test.boundary).any()) == (test.pvalue < 0.05)


def test_segmentation_by_hand():
    """A statistic that knows the dates 30, 50 and 80 of 100 rows: all of them, whatever the order it names them in."""

    def knows(first, end):
        inside = [at for at in (30, 50, 80) if first < at < end]
        return (inside[len(inside) // 2], 2.0, 1.0) if inside else (first + 1, 0.0, 1.0)

    assert segment(knows, 100, 5) == ([30, 50, 80], 1, True)
    assert segment(lambda first, end: (first + 1, 0.0, 1.0), 100, 5) == ([], 1, True)


def test_segmentation_is_bounded():
    """A date that wanders by more than two rows at every look never settles, and the fit says so."""
    calls = [0]

    def wanders(first, end):
        if (first, end) != (0, 100):
            return first + 1, 0.0, 1.0
        calls[0] += 1
        return (40 if calls[0] % 2 else 50), 2.0, 1.0

    positions, passes, converged = segment(wanders, 100, 5, passes=7)
    assert not converged
    assert passes == 7
    assert len(positions) == 1


def test_regimes_have_their_least_size():
    e = np.random.default_rng(2).standard_normal(300)
    e[:8] *= 20
    for size in (5, 30):
        fit = ICSS(calibration="asymptotic", min_size=size).fit(e)
        assert (fit.variances["nobs"] >= size).all()
        assert variance_break_test(e, pvalue="asymptotic", min_size=size).position >= size


def test_garch_null_knows_that_variances_wander():
    """Under a persistent GARCH Kolmogorov's law rejects most samples; the calibrated p-values do not."""
    asymptotic, calibrated = [], []
    for seed in range(10):
        e = garch(seed, 700)
        asymptotic.append(variance_break_test(e, pvalue="asymptotic").pvalue)
        calibrated.append(variance_break_test(e, draws=59, rng=seed).pvalue)
    assert np.mean(np.array(asymptotic) < 0.05) > 0.4
    assert np.mean(np.array(calibrated) < 0.05) < 0.3
    assert np.mean(calibrated) > np.mean(asymptotic) + 0.2


def test_a_break_is_absorbed_by_the_garch_fitted_through_it():
    """What the docstring warns of: independent returns around a break are fitted by a variance that never returns."""
    e = np.random.default_rng(9).standard_normal(1000)
    e[500:] *= 2
    through = variance_break_test(e, draws=99)
    split = variance_break_test(e, draws=99, pvalue="garch-split")
    assert through.detail["persistence of the fitted null"] > 0.99
    assert split.detail["persistence of the fitted null"] < 0.8
    assert through.critical_values[0.05] > 1.3 * split.critical_values[0.05]
    assert through.pvalue >= split.pvalue == pytest.approx(0.01)


def test_draws_do_not_depend_on_workers():
    e = garch(3, 300)
    options = {"draws": 39, "rng": 5}
    one = variance_break_test(e, n_jobs=1, **options).pvalue
    with parallel_config(backend="threading"):
        two = variance_break_test(e, n_jobs=2, **options).pvalue
    assert one == two
    assert variance_break_test(e, draws=39, rng=np.random.default_rng(5)).pvalue <= 1


def test_calibration_by_length():
    e = garch(4, 600)
    law = calibrate(
        e, "garch", "kappa2", None, 20, null=GARCH(), center=True, draws=99, rng=0, n_jobs=None, segments=True
    )
    assert law.lengths[0] == 600
    assert law.lengths[-1] == 40
    assert law.draws.shape == (99, law.lengths.size)
    assert law.failed == 0
    for nobs in (600, 300, 41):
        critical = law.critical(nobs, 0.05)
        at_length = [law.critical(int(n), 0.05) for n in law.lengths]
        assert min(at_length) <= critical <= max(at_length)
        assert law.pvalue(0.0, nobs) == pytest.approx(1.0)
        assert law.pvalue(50.0, nobs) == pytest.approx(0.01)
    # a statistic rejects where its p-value is at most the level
    exact = law.critical(600, 0.05)
    assert law.pvalue(exact * (1 + 1e-9), 600) <= 0.05 < law.pvalue(exact * (1 - 1e-9), 600) + 0.011
    with pytest.raises(SpecError, match="do not reach"):
        law.critical(600, 0.001)
    assert "GARCH(1,1)-normal" in law.words


@pytest.mark.parametrize("calibration", ["garch", "garch-split", "residuals"])
def test_icss_with_every_law(calibration):
    e = steps(5, 600, 6.0)
    fit = ICSS(calibration=calibration, draws=59).fit(e)
    assert fit.calibration.null is not None
    assert 0 < fit.calibration.null.persistence <= 1.001
    assert list(fit.calibration.null.params.index)[-1] == "nu"
    assert "persistence" in str(fit.summary())
    assert 0 < fit.pvalue <= 1
    assert len(fit.tests) == len(fit.positions)


def test_null_models():
    e = garch(6, 400)
    for null in (GARCH(), GARCH(asymmetric=True, dist="t"), EGARCH()):
        fitted = fit_null(e, null)
        assert fitted.pool.mean() == pytest.approx(0.0, abs=1e-12)
        assert np.mean(fitted.pool**2) == pytest.approx(1.0)
        assert 0.3 < fitted.persistence < 1.0
        sample = fitted.sample(np.random.default_rng(0), 500)
        assert sample is not None
        assert 0.3 < sample.std() < 3.0
    with pytest.raises(SpecError, match="mean='ar'"):
        fit_null(e, GARCH(mean="ar", lags=1))


def test_rescaled_returns_have_one_variance():
    e = np.random.default_rng(9).standard_normal(500)
    e[300:] *= 3
    flat = rescaled(e, "kappa1", None, 20, True)
    at, before = peak(e - e.mean(), "kappa1", None, 20)
    assert at == pytest.approx(300, abs=10)
    assert flat[:at].std() == pytest.approx(flat[at:].std(), rel=0.02)
    assert flat.std() == pytest.approx(e.std(), rel=0.02)
    assert peak(flat - flat.mean(), "kappa1", None, 20)[1] < 1.2 < before


def test_two_splits_take_out_a_rise_and_a_fall():
    e = steps(5, 900, 3.0)
    one, two = (rescaled(e, "kappa2", None, 20, True, splits) for splits in (1, 2))
    assert abs(two[300:600].std() / two[:300].std() - 1) < 0.2 < abs(one[300:600].std() / one[:300].std() - 1)
    null = [ICSS(calibration="garch-split", splits=splits, draws=59).fit(e) for splits in (1, 2)]
    assert null[1].calibration.null.persistence < null[0].calibration.null.persistence
    np.testing.assert_allclose(null[1].positions, [300, 600], atol=20)


def test_refusals():
    e = steps(0, 100)
    with pytest.raises(SpecError, match="test="):
        variance_break_test(e, test="k2")
    with pytest.raises(SpecError, match="for test='kappa2'"):
        variance_break_test(e, test="it", bandwidth=3)
    with pytest.raises(SpecError, match="whole number of lags"):
        ICSS(bandwidth=-1)
    with pytest.raises(SpecError, match="bandwidth="):
        ICSS(bandwidth="auto")
    with pytest.raises(SpecError, match="calibration="):
        variance_break_test(e, pvalue="bootstrap")
    with pytest.raises(SpecError, match="calibration="):
        ICSS(calibration="bootstrap")
    with pytest.raises(SpecError, match="fewer than 19"):
        variance_break_test(e, draws=9)
    with pytest.raises(SpecError, match="needs 100"):
        ICSS(alpha=0.01, draws=49)
    with pytest.raises(SpecError, match="splits="):
        ICSS(splits=0)
    with pytest.raises(SpecError, match="for calibration='garch-split'"):
        ICSS(splits=2)
    with pytest.raises(SpecError, match="alpha="):
        ICSS(alpha=0.0)
    with pytest.raises(SpecError, match="min_size"):
        variance_break_test(e, min_size=1)
    with pytest.raises(DataError, match="two regimes of 60"):
        variance_break_test(e, min_size=60)
    with pytest.raises(DataError, match="too few"):
        variance_break_test(e[:10])
    with pytest.raises(DataError, match="constant"):
        variance_break_test(np.ones(100))
    with pytest.raises(DataError, match="missing"):
        variance_break_test(np.where(np.arange(100) == 3, np.nan, e))
    with pytest.raises(DataError, match="squares do not vary"):
        variance_break_test(np.random.default_rng(0).choice([1.0, -1.0], 100), pvalue="asymptotic", center=False)
