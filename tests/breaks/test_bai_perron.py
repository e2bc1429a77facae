"""The fit of Bai and Perron's regression: what is selected, reported, refused and warned about."""

from __future__ import annotations

import itertools
import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoequity.breaks.bai_perron import BaiPerron
from cryptoequity.breaks.break_covariance import scaled_f
from cryptoequity.breaks.break_number import NumberOfBreaks, break_criteria, one_at_a_time
from cryptoequity.breaks.partitions import find_partitions, one_break
from cryptoequity.breaks.sample import read_regression
from cryptoequity.breaks.trimmed_laws import TrimmedLaw, trimmed_law
from cryptoequity.errors import CryptoEquityWarning, DataError, SpecError
from cryptoequity.estimation.long_run import LongRun
from cryptoequity.estimation.results import mark_filtered


@pytest.fixture(scope="module")
def stepped() -> pd.Series:
    rng = np.random.default_rng(4)
    values = rng.standard_normal(240) + np.repeat([0.0, 1.5, 0.5], 80)
    return pd.Series(values, pd.bdate_range("2020-01-01", periods=240), name="r")


@pytest.fixture(scope="module")
def fit(stepped):
    return BaiPerron(max_breaks=4).fit(stepped)


@pytest.fixture(scope="module")
def sloped() -> tuple[pd.Series, pd.DataFrame]:
    rng = np.random.default_rng(5)
    index = pd.bdate_range("2020-01-01", periods=300)
    x = pd.DataFrame(rng.standard_normal((300, 2)), index, ["market", "oil"])
    beta = np.repeat([0.5, 1.5], 150)
    return (0.2 + beta * x["market"] + 0.3 * x["oil"] + 0.5 * rng.standard_normal(300)).rename("coin"), x


# --- what is found


def test_two_steps_are_found(fit, stepped):
    assert fit.m == 2
    assert abs(fit.positions[0] - 80) <= 4
    assert abs(fit.positions[1] - 160) <= 12
    edges = (0, *fit.positions, 240)
    means = [stepped.iloc[a:b].mean() for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(fit.params["const"], means, rtol=1e-12)
    errors = [stepped.iloc[a:b].std() / np.sqrt(b - a) for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(fit.std_err["const"], errors, rtol=1e-12)
    assert fit.break_dates[0] == stepped.index[fit.positions[0]]
    assert fit.last_dates[0] == stepped.index[fit.positions[0] - 1]
    np.testing.assert_allclose(fit.ssr, fit.criteria.loc[2, "ssr"], rtol=1e-12)
    np.testing.assert_allclose(fit.fitted + fit.residuals, stepped, rtol=1e-12)
    assert fit.exact
    assert fit.converged


def test_tests_are_told_apart_by_name(fit):
    wanted = ["supF(1)", "supF(2)", "supF(3)", "supF(4)", "UDmax", "WDmax", "supF(2|1)", "supF(3|2)", "supF(4|3)"]
    assert list(fit.tests) == wanted
    for name, test in fit.tests.items():
        assert test.name == name
        if np.isfinite(test.statistic):
            assert 0 < test.pvalue <= 1
            if name == "WDmax":
                assert list(test.critical_values) == [0.05]
                continue
            assert test.critical_values[0.01] > test.critical_values[0.05] > test.critical_values[0.10] > 0
            for level, critical in test.critical_values.items():
                assert (test.statistic > critical) == (test.pvalue < level)
    singles = [fit.tests[f"supF({m})"].statistic for m in range(1, 5)]
    assert fit.tests["UDmax"].statistic == max(singles)
    assert fit.tests["WDmax"].statistic >= max(singles)
    assert fit.tests["supF(1)"].position == fit.partition.positions[1][0]
    assert fit.tests["supF(2|1)"].break_date in fit.with_breaks(2).break_dates


def test_critical_values_of_one_more_break_rise(fit):
    rows = [fit.tests[name].critical_values[0.05] for name in ("supF(1)", "supF(2|1)", "supF(3|2)", "supF(4|3)")]
    assert (np.diff(rows) > 0).all()


def test_selection(stepped, fit):
    for criterion in ("bic", "lwz", "kt"):
        one = BaiPerron(max_breaks=4, select=criterion).fit(stepped)
        assert one.m == int(one.criteria[criterion].idxmin())
        assert one.positions == one.partition.positions[one.m]
    assert BaiPerron(max_breaks=4, select=3).fit(stepped).positions == fit.partition.positions[3]
    assert BaiPerron(max_breaks=4, select=0).fit(stepped).positions == ()
    strict = BaiPerron(max_breaks=4, alpha=0.001).fit(stepped)
    assert strict.m <= fit.m


def test_no_break():
    y = np.random.default_rng(1).standard_normal(200)
    fit = BaiPerron().fit(y)
    assert fit.m == 0
    assert fit.positions == fit.sequential_positions == fit.repartition_positions == ()
    assert fit.conf_int().empty
    assert list(fit.break_dates) == []
    assert fit.params.shape == (1, 1)
    assert "0 break(s)" in str(fit.summary())
    json.dumps(fit.to_dict())


def test_one_at_a_time_and_repartition(stepped, fit):
    assert fit.sequential_positions[0] in range(70, 90)
    refined = fit.repartition_positions
    regression = read_regression(stepped)
    edges = (0, *fit.sequential_positions, 240)
    for i, where in enumerate(refined):
        sums, start = one_break(regression, fit.min_size, edges[i], edges[i + 2])
        assert where == start + int(np.argmin(sums))
    moved = fit.with_positions(refined)
    assert moved.positions == refined
    assert moved.ssr >= fit.partition.ssr[len(refined)] * (1 - 1e-12)


def test_with_breaks_is_the_fit_with_that_number(stepped, fit):
    one, other = fit.with_breaks(1), BaiPerron(max_breaks=4, select=1).fit(stepped)
    assert one.positions == other.positions
    pd.testing.assert_frame_equal(one.std_err, other.std_err)
    with pytest.raises(SpecError, match="breaks=7"):
        fit.with_breaks(7)
    with pytest.raises(SpecError, match="breaks=-1"):
        fit.with_breaks(-1)
    with pytest.raises(SpecError, match="every regime needs 36 of the 240 rows"):
        fit.with_positions((80, 90))


# --- partial change


def test_only_the_slope_breaks(sloped):
    y, x = sloped
    fit = BaiPerron(max_breaks=2, vary=["market"], cov_type="nonrobust").fit(y, x)
    assert fit.m == 1
    assert abs(fit.positions[0] - 150) <= 5
    assert list(fit.params) == ["market"]
    assert list(fit.common.index) == ["const", "oil"]
    np.testing.assert_allclose(fit.params["market"], [0.5, 1.5], atol=0.15)
    np.testing.assert_allclose(fit.common["params"], [0.2, 0.3], atol=0.1)
    assert (fit.common["std_err"] > 0).all()
    assert "oil (does not break)" in str(fit.summary())
    # three regimes have 1 + 1 breaking and common coefficients: the interval is that of the slope alone
    row = fit.conf_int().iloc[0]
    assert row["lower_position"] < fit.positions[0] < row["upper_position"]


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC", "HAC"])
def test_partial_change_with_every_covariance(sloped, cov_type):
    y, x = sloped
    fit = BaiPerron(max_breaks=1, vary=("const", "market"), cov_type=cov_type).fit(y, x)
    assert fit.m == 1
    assert fit.tests["supF(1)"].pvalue < 0.001
    assert np.isfinite(fit.std_err.to_numpy()).all()


# --- sup over the dates of the statistic


@given(st.integers(0, 10_000), st.sampled_from(["nonrobust", "HC"]))
@settings(max_examples=8, deadline=None)
def test_the_supremum_is_not_below_the_statistic_at_the_dates_of_least_squares(seed, cov_type):
    y = np.random.default_rng(seed).standard_t(5, 60)
    one = BaiPerron(max_breaks=2, cov_type=cov_type).fit(y)
    two = BaiPerron(max_breaks=2, cov_type=cov_type, sup="wald").fit(y)
    for name in ("supF(1)", "supF(2|1)", "UDmax"):
        assert two.tests[name].statistic >= one.tests[name].statistic * (1 - 1e-12)
    assert two.tests["supF(2)"].statistic == one.tests["supF(2)"].statistic
    path = two.tests["supF(1)"].path
    assert path.idxmax() == two.tests["supF(1)"].position
    assert path.size == 60 - 2 * 9 + 1
    regression = read_regression(y)
    np.testing.assert_allclose(path.iloc[3], scaled_f(regression, (12,), two.spec.covariance))
    assert (two.tests["supF(1)"].boundary == two.tests["supF(1)"].critical_values[0.05]).all()


def test_homoskedastic_supremum_is_at_the_least_sum_of_squares(stepped):
    options = {"max_breaks": 2, "cov_type": "nonrobust", "het_errors": False}
    one, two = BaiPerron(**options).fit(stepped), BaiPerron(**options, sup="wald").fit(stepped)
    for name in one.tests:
        np.testing.assert_allclose(one.tests[name].statistic, two.tests[name].statistic, rtol=1e-9)


# --- laws


def test_laws_between_tabulated_trimmings():
    low, high, middle = (trimmed_law("bai_perron", "supF.q1.m2", trim, scale=1.0) for trim in (0.10, 0.15, 0.12))
    weights = np.array([0.6, 0.4])
    for alpha in (0.1, 0.05, 0.01):
        np.testing.assert_allclose(middle.critical(alpha), weights @ [low.critical(alpha), high.critical(alpha)])
    np.testing.assert_allclose(middle.pvalue(7.0), weights @ [low.pvalue(7.0), high.pvalue(7.0)])
    assert trimmed_law("bai_perron", "supF.q1.m2", 0.03).reason.endswith("there are laws from 0.05 to 0.25.")
    assert "no law 'supF.q99.m1' was simulated" in trimmed_law("bai_perron", "supF.q99.m1", 0.15).reason
    assert trimmed_law("no such table", "supF.q1.m1", 0.15).reason
    # at .20 up to three breaks are tabulated, so that between .15 and .20 there is no law of four
    assert not trimmed_law("bai_perron", "supF.q1.m3", 0.17).reason
    assert trimmed_law("bai_perron", "supF.q1.m4", 0.17).reason
    missing = TrimmedLaw(reason="because")
    assert np.isnan(missing.pvalue(1.0))
    assert np.isnan(missing.critical(0.05))
    assert missing.critical_values() == {}


def test_a_law_that_is_missing_has_its_reason(stepped):
    fit = BaiPerron(max_breaks=2, min_size=8, select="bic").fit(stepped)
    assert np.isnan(fit.tests["supF(1)"].pvalue)
    assert "trimming of 0.033" in fit.tests["supF(1)"].reason
    assert fit.tests["supF(1)"].critical_values == {}
    assert np.isnan(fit.tests["UDmax"].pvalue)
    assert fit.tests["UDmax"].statistic > 0
    # the law of one break alone is known down to .01
    assert fit.tests["supF(2|1)"].pvalue > 0
    with pytest.raises(SpecError, match="supF\\(1\\) has no p-value"):
        BaiPerron(max_breaks=2, min_size=8).fit(stepped)


def test_more_breaks_than_tabulated(stepped):
    fit = BaiPerron(max_breaks=7, trim=0.10).fit(stepped)
    assert np.isnan(fit.tests["supF(6)"].pvalue)
    assert fit.tests["UDmax"].detail == {"most breaks": 5}
    assert fit.tests["UDmax"].pvalue > 0
    four = BaiPerron(max_breaks=4, trim=0.20).fit(stepped)
    assert four.tests["UDmax"].detail == {"most breaks": 3}


def test_double_maximum_of_one_break_is_that_test(stepped):
    fit = BaiPerron(max_breaks=1).fit(stepped)
    for name in ("UDmax", "WDmax"):
        assert fit.tests[name].statistic == fit.tests["supF(1)"].statistic
        np.testing.assert_allclose(fit.tests[name].pvalue, fit.tests["supF(1)"].pvalue, rtol=0.02)


def test_weighted_maximum_rejects_where_its_pvalue_is_below(stepped):
    """The p-value is the least level whose weights and critical value reject."""
    rng = np.random.default_rng(8)
    for _ in range(6):
        y = rng.standard_normal(100) + np.repeat([0.0, 0.6], 50)
        for alpha in (0.10, 0.05, 0.01):
            test = BaiPerron(max_breaks=3, alpha=alpha, select=0).fit(y).tests["WDmax"]
            assert (test.statistic >= test.critical_values[alpha]) == (test.pvalue <= alpha * 1.0001)


def test_scale_is_that_of_the_printed_tables(sloped):
    """q times F: about 11.5 at 5 % for two coefficients, one break, trimming .15."""
    y, x = sloped
    fit = BaiPerron(max_breaks=2).fit(y, x["market"])
    assert abs(fit.tests["supF(1)"].critical_values[0.05] - 11.47) < 0.2
    assert abs(fit.tests["supF(2)"].critical_values[0.05] - 9.75) < 0.2


def test_sequence_made_by_hand(stepped):
    regression = read_regression(stepped)
    spec = BaiPerron(max_breaks=3)
    number = NumberOfBreaks(regression, find_partitions(regression, 36, 3), spec.covariance, 36, 0.15)
    positions, made = one_at_a_time(number, 3)
    assert list(made)[: len(positions)] == ["supF(1)", "supF(2|1)"][: len(positions)]
    none, _ = one_at_a_time(NumberOfBreaks(regression, number.partitions, spec.covariance, 36, 0.15, alpha=1e-9), 3)
    assert none == ()


# --- intervals


def test_intervals_have_labels_where_there_are_rows(fit):
    frame = fit.conf_int()
    assert list(frame) == ["lower", "break", "upper", "lower_position", "position", "upper_position"]
    assert (frame["lower_position"] <= frame["position"]).all()
    assert (frame["upper_position"] >= frame["position"]).all()
    assert list(frame["break"]) == list(fit.break_dates)
    inside = frame["upper_position"] < 240
    assert frame.loc[inside, "upper"].tolist() == [fit.index[int(v)] for v in frame.loc[inside, "upper_position"]]
    wide = fit.conf_int(0.99)
    assert (wide["lower_position"] <= frame["lower_position"]).all()
    with pytest.raises(SpecError, match=r"level=1\.5"):
        fit.conf_int(1.5)
    with pytest.raises(SpecError, match="rounding"):
        fit.conf_int(rounding="up")


def test_an_interval_that_is_not_pinned_is_missing_with_a_warning():
    rng = np.random.default_rng(2)
    y = np.r_[0.05 * rng.standard_normal(100), 5.0 + 4.0 * rng.standard_normal(100)]
    fit = BaiPerron(max_breaks=1).fit(y)
    with pytest.warns(CryptoEquityWarning, match="does not pin an interval of 95%"):
        frame = fit.conf_int()
    assert frame[["lower_position", "upper_position"]].isna().all(axis=None)
    assert "interval not pinned" in str(fit.summary())


@pytest.mark.slow
def test_intervals_cover():
    """A clear break of a mean under normal errors: 95 % intervals hold the date in 90 to 100 % of 300 samples."""
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(300):
        y = rng.standard_normal(200) * np.repeat([1.0, 1.5], 100) + np.repeat([0.0, 1.2], 100)
        row = BaiPerron(max_breaks=1, select=1).fit(y).conf_int().iloc[0]
        held += row["lower_position"] <= 100 <= row["upper_position"]
    assert 0.90 <= held / 300 <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize("cov_type", ["nonrobust", "HC"])
def test_size(cov_type):
    """Rejections of supF(1) and UDmax under t(5) errors, 400 samples: within three standard errors of 5 %."""
    rng = np.random.default_rng(12)
    values = []
    for _ in range(400):
        tests = BaiPerron(max_breaks=3, cov_type=cov_type, select=0).fit(rng.standard_t(5, 300)).tests
        values.append([tests["supF(1)"].pvalue < 0.05, tests["UDmax"].pvalue < 0.05])
    assert (np.abs(np.mean(values, axis=0) - 0.05) < 0.033).all()


# --- rendering


def test_rendering(fit, stepped):
    text = str(fit.summary())
    for part in ("2 break(s) in r", "supF(1)", "UDmax", "95 % interval", "regimes of at least 36 rows"):
        assert part in text
    frame = fit.to_frame()
    assert list(frame) == ["r", "fitted", "residual", "regime"]
    assert frame.index.equals(stepped.index)
    assert sorted(frame["regime"].unique()) == [1, 2, 3]
    stored = json.loads(json.dumps(fit.to_dict()))
    assert stored["positions"] == list(fit.positions)
    assert stored["tests"]["supF(1)"]["statistic"] == fit.tests["supF(1)"].statistic
    for key in ("baiperron1998", "baiperron2003", "bai1997,"):
        assert key in fit.cite()
    assert "yao1988" in BaiPerron(select="bic", max_breaks=1).fit(stepped).cite()
    assert list(fit.tests_frame.columns)[:2] == ["statistic", "p-value"]
    parts = fit.partitions
    assert list(parts.index) == [0, 1, 2, 3, 4]
    assert parts.loc[2, "dates"] == tuple(fit.break_dates)
    assert str(fit.tests["supF(1)"].summary())


def test_criteria_by_hand(stepped):
    regression = read_regression(stepped)
    parts = find_partitions(regression, 36, 1)
    frame = break_criteria(regression, parts)
    log = np.log(240)
    a, b = stepped.iloc[: parts.positions[1][0]], stepped.iloc[parts.positions[1][0] :]
    rest = a.var(ddof=0) * a.size + b.var(ddof=0) * b.size
    np.testing.assert_allclose(frame.loc[1, "bic"], np.log(rest / 240) + 2 * log / 240)
    np.testing.assert_allclose(frame.loc[1, "lwz"], np.log(rest / 237) + 0.299 * 2 * log**2.1 / 240)
    kt = sum(part.size * np.log(part.var(ddof=0)) + np.log(part.size) for part in (a, b)) + 4 * log
    np.testing.assert_allclose(frame.loc[1, "kt"], kt)


# --- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_breaks": 0}, "max_breaks=0"),
        ({"max_breaks": True}, "max_breaks=True"),
        ({"select": "aic"}, "select='aic'"),
        ({"select": 6}, "between 0 and max_breaks=5"),
        ({"select": 1.5}, "select=1.5"),
        ({"alpha": 0.0}, "alpha=0.0"),
        ({"cov_type": "white"}, "cov_type='white'"),
        ({"sup": "lm"}, "sup='lm'"),
        ({"long_run": LongRun()}, "use cov_type='HAC'"),
        ({"het_errors": "yes"}, "het_errors='yes'"),
    ],
)
def test_choices_that_make_no_sense(options, message):
    with pytest.raises(SpecError, match=message.replace("(", "\\(")):
        BaiPerron(**options)


def test_samples_that_cannot_be_cut(stepped):
    with pytest.raises(DataError, match="at least 20 are needed"):
        BaiPerron().fit(stepped.iloc[:15])
    with pytest.raises(DataError, match="missing or infinite"):
        BaiPerron().fit(stepped.where(stepped.index != stepped.index[7]))
    with pytest.raises(DataError, match="constant at 2"):
        BaiPerron().fit(np.full(100, 2.0))
    with pytest.raises(DataError, match=r"5 break\(s\) with at least 48 observations"):
        BaiPerron(trim=0.2).fit(stepped)
    with pytest.raises(SpecError, match="one of trim"):
        BaiPerron(trim=0.2, min_size=30).fit(stepped)
    with pytest.raises(DataError, match="cannot identify"):
        BaiPerron(min_size=1).fit(stepped)
    with pytest.raises(DataError, match="too short for cov_type='HC'"):
        BaiPerron(min_size=3).fit(stepped)
    with pytest.raises(SpecError, match="vary"):
        BaiPerron(vary=["beta"]).fit(stepped)
    with pytest.raises(SpecError, match="vary"):
        BaiPerron(vary="const").fit(stepped)


def test_filtered_paths_are_refused(stepped):
    path = mark_filtered(stepped.clip(-1, 1) * 0.5)
    with pytest.raises(DataError, match="Test the residuals instead"):
        BaiPerron().fit(path)


def test_steps_without_noise_are_refused():
    with pytest.raises(DataError, match=r"fitted without error by 1 break\(s\) at \['50'\]"):
        BaiPerron(max_breaks=2).fit(np.repeat([0.0, 1.0], 50))


def test_singular_stretches_are_warned_about():
    rng = np.random.default_rng(0)
    dummy = pd.Series(np.r_[np.zeros(60), rng.standard_normal(60)], name="late")
    with pytest.warns(CryptoEquityWarning, match="have linearly dependent regressors"):
        fit = BaiPerron(max_breaks=1, select=1).fit(pd.Series(rng.standard_normal(120)), dummy)
    assert fit.positions[0] > 60


def test_nearly_dependent_regressors():
    """Products in an orthogonal basis bear what raw ones with lags do not, which is said and not taken for no break."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(300)
    pair = np.column_stack([x, x + 1e-7 * rng.standard_normal(300)])
    y = x * np.repeat([0.0, 1.0], 150) + rng.standard_normal(300)
    turned = np.column_stack([pair[:, 0], (pair[:, 1] - pair[:, 0]) * 1e7])
    one, two = (BaiPerron(max_breaks=2).fit(y, columns) for columns in (pair, turned))
    for name, test in one.tests.items():
        np.testing.assert_allclose(test.statistic, two.tests[name].statistic, rtol=1e-5)
    np.testing.assert_allclose(one.std_err["x2"], two.std_err["x2"] * 1e7, rtol=1e-5)
    with pytest.raises(SpecError, match=r"supF\(1\) has no p-value, the covariance .* is singular"):
        BaiPerron(max_breaks=2, cov_type="HAC").fit(y, pair)


def test_lags_in_short_regimes_are_warned_about(stepped):
    with pytest.warns(CryptoEquityWarning, match="15 %, better 20 %"):
        BaiPerron(cov_type="HAC", trim=0.1).fit(stepped)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BaiPerron(cov_type="HAC").fit(stepped)


def test_arrays_are_labeled_by_row(stepped, fit):
    one = BaiPerron(max_breaks=4).fit(stepped.to_numpy())
    assert one.positions == fit.positions
    assert list(one.break_dates) == list(fit.positions)
    assert one.name == "y"


def test_without_a_constant(sloped):
    y, x = sloped
    fit = BaiPerron(max_breaks=1, constant=False).fit(y, x["market"])
    assert list(fit.params) == ["market"]
