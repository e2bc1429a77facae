"""Sup, average and exponential Wald: against a fit at every date, their laws, their bootstrap, and bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config
from scipy import stats

from cryptoequity.breaks.chow import chow_test
from cryptoequity.breaks.limits import limit_laws
from cryptoequity.breaks.sample import read_regression
from cryptoequity.breaks.sup_wald import aggregate, scan_regression, sup_wald_test, wald_path
from cryptoequity.breaks.sup_wald_law import span_ratio, sup_wald_law, sup_wald_tail, tail_critical
from cryptoequity.errors import DataError, SpecError
from cryptoequity.estimation.long_run import LongRun


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(5)
    index = pd.bdate_range("2019-01-01", periods=120, name="date")
    x = pd.DataFrame(rng.standard_normal((120, 2)), index, ["a", "b"])
    y = 0.2 + x["a"] + 1.5 * x["b"] * (np.arange(120) >= 70) + rng.standard_normal(120) * (1 + x["a"].abs())
    return y.rename("y"), x


@pytest.mark.parametrize("vary", [None, ["b"], ["const", "b"]])
@pytest.mark.parametrize("cov_type", ["nonrobust", "HC", "HAC"])
def test_path_is_a_chow_test_at_every_date(sample, vary, cov_type):
    y, x = sample
    result = sup_wald_test(y, x, vary=vary, cov_type=cov_type, trim=0.2)
    assert list(result.path.index) == list(y.index[24:97])
    every = [chow_test(y, x, dates=int(d), vary=vary, cov_type=cov_type) for d in range(24, 97)]
    wanted = [one.detail["Wald"] if cov_type == "nonrobust" else one.statistic for one in every]
    np.testing.assert_allclose(result.path, wanted, rtol=1e-8)
    assert result.statistic == max(result.path)
    assert result.break_date == result.path.idxmax() == y.index[result.position]
    assert result.last_date == y.index[result.position - 1]


def test_three_statistics_of_one_path(sample):
    y, x = sample
    sup, ave, exp = (sup_wald_test(y, x, statistic=name) for name in ("sup", "ave", "exp"))
    path = sup.path.to_numpy()
    assert ave.statistic == pytest.approx(path.mean())
    assert exp.statistic == pytest.approx(np.log(np.mean(np.exp(path / 2))))
    assert sup.detail["ave W"] == ave.statistic
    assert sup.detail["exp W"] == exp.statistic
    assert ave.boundary is None
    assert (sup.boundary == sup.critical_values[0.05]).all()
    assert max(one.pvalue for one in (sup, ave, exp)) < 0.01
    assert abs(sup.position - 70) <= 5


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(1e-6, 1e6),
    cov_type=st.sampled_from(["nonrobust", "HC"]),
    only=st.booleans(),
)
def test_invariances(seed, scale, cov_type, only):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((60, 2)), rng.standard_normal(60)
    turn = rng.standard_normal((2, 2)) + 3 * np.eye(2)
    options = {"cov_type": cov_type, "vary": ["x1", "x2"] if only else None}
    one = sup_wald_test(y, x, **options)
    two = sup_wald_test(-scale * (y + 3 * x[:, 1]), x @ turn, **options)
    np.testing.assert_allclose(two.path, one.path, rtol=1e-6, atol=1e-9)
    sup, ave, exp = aggregate(one.path.to_numpy())
    assert sup >= one.path.max() >= ave
    assert ave / 2 <= exp <= sup / 2
    everything = sup_wald_test(y, x, cov_type=cov_type, vary=["const", "x1", "x2"])
    if not only:
        np.testing.assert_array_equal(everything.path, one.path)
    back = sup_wald_test(y[::-1], x[::-1], **options)
    # the date after row d is the date before it, seen from the end
    np.testing.assert_allclose(back.path.to_numpy()[::-1], one.path, rtol=1e-6, atol=1e-9)


def test_exponential_average_does_not_overflow():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(200)
    y = np.where(np.arange(200) < 100, 0.0, 1e4) * x + rng.standard_normal(200)
    result = sup_wald_test(y, x, statistic="exp", vary=["x1"])
    assert result.detail["sup W"] > 1e8
    assert result.statistic == pytest.approx(result.detail["sup W"] / 2 - np.log(result.path.size), rel=1e-9)
    assert 0 < result.pvalue < 1e-4


def test_rows_far_from_zero_cost_no_digits():
    rng = np.random.default_rng(8)
    x, y = rng.standard_normal((150, 1)), rng.standard_normal(150)
    plain = sup_wald_test(y, x).path
    np.testing.assert_allclose(sup_wald_test(y + 1e7, x + 1e5).path, plain, rtol=1e-6)


def test_trims_and_candidates(sample):
    y, x = sample
    result = sup_wald_test(y, x, trim=(0.2, 0.3))
    assert list(result.path.index) == list(y.index[24:85])
    assert result.detail["candidates"] == 61
    # .15 * 20 falls just below 3
    short = sup_wald_test(np.random.default_rng(0).standard_normal(20), cov_type="nonrobust")
    assert short.detail["candidates"] == 15


# --- laws


def test_tables_cover_what_they_say():
    laws = limit_laws("sup_wald")
    assert len(laws) == 3 * 20 * 11
    assert all(law.draws == 80_000 and law.steps == 3600 for law in laws.values())
    for name in ("sup", "ave", "exp"):
        critical = np.array(
            [[laws[f"{name}.q{q}.trim{t:.2f}"].critical(0.05) for t in (0.01, 0.15, 0.45)] for q in range(1, 21)]
        )
        assert (np.diff(critical, axis=0) > 0).all()
        if name == "sup":
            assert (np.diff(critical, axis=1) < 0).all()


def test_critical_values_near_published_ones():
    """Andrews (1993, 2003), Table 1, 15 %; his paths have 3600 steps and 10,000 draws."""
    published = {1: (7.17, 8.85, 12.35), 2: (10.01, 11.79, 15.51), 5: (16.53, 18.35, 22.60)}
    for q, wanted in published.items():
        law = sup_wald_law("sup", q)
        ours = [law.critical(level) for level in (0.10, 0.05, 0.01)]
        # three standard errors of 10,000 draws
        room = [3 * law.precision(level) * np.sqrt(law.draws / 10_000) for level in (0.10, 0.05, 0.01)]
        assert (np.abs(np.subtract(ours, wanted)) < np.maximum(room, 0.15)).all(), (q, ours)


def test_closed_form_is_near_the_simulated_law():
    for q in (1, 2, 5, 10, 20):
        for trim in (0.05, 0.15, 0.30):
            law, ratio = sup_wald_law("sup", q, trim, 1 - trim), span_ratio(trim, 1 - trim)
            for level in (0.10, 0.05, 0.01):
                at = law.critical(level)
                assert sup_wald_tail(at, q, ratio) == pytest.approx(level, rel=0.2), (q, trim, level)
                assert tail_critical(level, q, ratio) == pytest.approx(at, rel=0.07)
            assert sup_wald_tail(tail_critical(0.05, q, ratio), q, ratio) == pytest.approx(0.05)
    assert np.isnan(sup_wald_tail(3.0, 1, span_ratio(0.15, 0.85)))
    assert np.isnan(sup_wald_tail(0.1, 5, span_ratio(0.15, 0.85)))
    with pytest.raises(SpecError, match=r"at most \.30"):
        sup_wald_tail(9.0, 1, span_ratio(0.4, 0.6))
    with pytest.raises(SpecError, match="levels up to"):
        tail_critical(0.5, 1, span_ratio(0.15, 0.85))


def test_interpolated_law_lies_between_its_neighbors():
    for name in ("sup", "ave", "exp"):
        low, at, high = (sup_wald_law(name, 3, trim, 1 - trim).quantiles for trim in (0.15, 0.17, 0.20))
        assert (at <= np.maximum(low, high) + 1e-12).all()
        assert (at >= np.minimum(low, high) - 1e-12).all()
    np.testing.assert_array_equal(sup_wald_law("sup", 2).quantiles, limit_laws("sup_wald")["sup.q2.trim0.15"].quantiles)
    # the sup depends on the two ends through lambda alone
    start = 0.10
    odds = span_ratio(0.15, 0.85) * start / (1 - start)
    stop = odds / (1 + odds)
    assert sup_wald_law("sup", 2, start, stop).critical() == pytest.approx(sup_wald_law("sup", 2).critical())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sup_wald_law("sup", 21), "1 to 20"),
        (lambda: sup_wald_law("sup", 1, 0.002, 0.998), "like a trim of 0.0020"),
        (lambda: sup_wald_law("sup", 1, 0.49, 0.51), "like a trim of 0.4900"),
        (lambda: sup_wald_law("max", 1), "statistic"),
        (lambda: sup_wald_law("sup", 1, 0.6, 0.4), "inside"),
    ],
)
def test_laws_that_do_not_exist(call, message):
    with pytest.raises(SpecError, match=message):
        call()


@pytest.mark.parametrize("statistic", ["sup", "ave", "exp"])
def test_p_values_are_uniform_under_the_null(statistic):
    rng = np.random.default_rng(31)
    p = []
    for _ in range(400):
        x, y = rng.standard_normal(800), rng.standard_normal(800)
        reg = read_regression(y, x)
        values = aggregate(wald_path(reg, scan_regression(reg, 120, 680), "nonrobust"))
        p.append(sup_wald_law(statistic, 2).pvalue(values[("sup", "ave", "exp").index(statistic)]))
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_tail_and_simulated_p_values_agree():
    rng = np.random.default_rng(4)
    y = rng.standard_normal(300) + 0.4 * (np.arange(300) >= 150)
    one, two = (sup_wald_test(y, pvalue=how) for how in ("simulated", "tail"))
    assert one.statistic == two.statistic
    assert one.pvalue == pytest.approx(two.pvalue, rel=0.2, abs=1e-4)
    calm = sup_wald_test(np.tile([1.0, 0.0, -1.0], 100) + 0.1 * rng.standard_normal(300), pvalue="tail")
    assert np.isnan(calm.pvalue)
    assert "larger" in calm.reason


# --- bootstrap


@pytest.mark.parametrize("kind", ["bootstrap", "wild"])
def test_bootstrap_agrees_with_the_limit_law_under_its_conditions(kind):
    rng = np.random.default_rng(6)
    x = rng.standard_normal(600)
    y = x + rng.standard_normal(600) + 0.2 * (np.arange(600) >= 300)
    limit = sup_wald_test(y, x, cov_type="HC")
    drawn = sup_wald_test(y, x, cov_type="HC", pvalue=kind, draws=999)
    assert drawn.statistic == limit.statistic
    assert drawn.pvalue == pytest.approx(limit.pvalue, abs=0.06)
    assert drawn.critical_values[0.05] == pytest.approx(limit.critical_values[0.05], rel=0.15)
    assert drawn.detail["draws with a statistic"] == 999
    assert (drawn.boundary == drawn.critical_values[0.05]).all()


def test_wild_bootstrap_knows_a_regressor_whose_variance_breaks():
    """A regressor that is quiet before the middle: the limit law is for stationary ones."""
    rng = np.random.default_rng(7)
    spread = np.where(np.arange(400) < 200, 0.2, 2.0)
    x = rng.standard_normal(400) * spread
    y = rng.standard_normal(400) * spread
    test = sup_wald_test(y, x, pvalue="wild", draws=399)
    assert test.pvalue > 0.05
    assert test.critical_values[0.05] != pytest.approx(sup_wald_test(y, x).critical_values[0.05], rel=0.02)


def test_draws_do_not_depend_on_workers(sample):
    y, x = sample
    one = sup_wald_test(y, x, pvalue="wild", draws=60, rng=3)
    with parallel_config(backend="threading"):
        two = sup_wald_test(y, x, pvalue="wild", draws=60, rng=3, n_jobs=2)
    assert one.critical_values == two.critical_values
    assert one.pvalue == two.pvalue
    other = sup_wald_test(y, x, pvalue="wild", draws=60, rng=4)
    assert other.critical_values != one.critical_values


# --- what it refuses


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"statistic": "max"}, SpecError, "statistic="),
        ({"pvalue": "exact"}, SpecError, "pvalue="),
        ({"cov_type": "HC3"}, SpecError, "cov_type="),
        ({"statistic": "ave", "pvalue": "tail"}, SpecError, "closed form"),
        ({"pvalue": "wild", "cov_type": "HAC"}, SpecError, "serial correlation"),
        ({"pvalue": "wild", "draws": 5}, SpecError, "at least 19"),
        ({"long_run": LongRun()}, SpecError, "long_run"),
        ({"trim": 0.6}, SpecError, "trim=0.6"),
        ({"trim": (0.1, 0.1, 0.1)}, SpecError, "the shares before and after"),
        ({"trim": 0.02}, DataError, "cannot identify 3 coefficients"),
        ({"vary": ["z"]}, SpecError, "vary="),
    ],
)
def test_bad_choices(sample, options, error, message):
    with pytest.raises(error, match=message):
        sup_wald_test(*sample, **options)


def test_bad_data(sample):
    y, x = sample
    with pytest.raises(DataError, match="too few"):
        sup_wald_test(np.arange(10.0))
    with pytest.raises(DataError, match="missing or infinite"):
        sup_wald_test(y.where(y.index != y.index[3]), x)
    with pytest.raises(DataError, match="is constant at"):
        sup_wald_test(np.ones(100))
    late = x.assign(b=(np.arange(120) >= 60).astype(float))
    with pytest.raises(DataError, match=r"linearly dependent.*vary"):
        sup_wald_test(y, late)
    # at row 60 the shift of the constant is the column that does not break
    with pytest.raises(DataError, match=r"cannot be told from the coefficients that do not break"):
        sup_wald_test(y, late, vary=["const", "a"])
    assert np.isfinite(sup_wald_test(y, late, vary=["a"]).statistic)
    with pytest.raises(DataError, match="exactly"):
        sup_wald_test((2 * x["a"]).rename("y"), x)
    # two levels and no errors: with the break the fit is exact
    with pytest.raises(DataError, match="covariance is singular"):
        sup_wald_test(np.repeat([0.0, 1.0], 50))
    with pytest.raises(SpecError, match="1 to 20"):
        sup_wald_test(*_wide(21), trim=0.3)
    assert np.isfinite(sup_wald_test(*_wide(21), trim=0.3, pvalue="bootstrap", draws=19).pvalue)


def _wide(q: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(9)
    return rng.standard_normal(200), rng.standard_normal((200, q - 1))


def test_what_the_result_says(sample):
    y, x = sample
    result = sup_wald_test(y, x, vary=["b"])
    text = str(result.summary())
    assert "Sup-Wald test of one break" in text
    assert "first observation of the new regime" in text
    assert list(result.to_frame().columns) == ["statistic", "boundary"]
    assert result.to_dict()["options"]["vary"] == "b"
    assert "Andrews" in result.cite()
    assert "fixed-regressor" in sup_wald_test(y, x, pvalue="wild", draws=19).reference
