"""Dependent correlations: formulas against their law, drawn laws, altcoins as a family, and membership worlds."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

import cryptoequity as ce
from cryptoequity.breaks.correlation_null import influence
from cryptoequity.claim.paired import (
    altcoins_test,
    dependent_correlations_test,
    holder_projection_test,
    project_holders,
    rolling_slopes,
    steiger_statistic,
    williams_statistic,
)
from cryptoequity.errors import DataError, SpecError

DATES = pd.bdate_range("2020-01-01", periods=3000)


def frame(values, *names):
    return pd.DataFrame(values, DATES[: len(values)], list(names))


def test_published_example():
    """Steiger (1980), case A as restated in R's psych: r = .4, .5, .1, n = 103 gives t = -.89."""
    assert williams_statistic(0.4, 0.5, 0.1, 103) == pytest.approx(-0.89, abs=0.005)
    assert steiger_statistic(0.4, 0.5, 0.1, 103) == pytest.approx(-0.89, abs=0.01)


rho = st.integers(-90, 90).map(lambda k: k / 100)
correlations = st.tuples(rho, rho, rho).filter(
    lambda r: np.linalg.eigvalsh([[1, r[0], r[1]], [r[0], 1, r[2]], [r[1], r[2], 1]])[0] > 0.02
)


@given(correlations, st.integers(20, 3000))
@settings(max_examples=80, deadline=None)
def test_formulas_change_sign_with_the_order(r, nobs):
    r12, r13, r23 = r
    for function in (steiger_statistic, williams_statistic):
        value = function(r12, r13, r23, nobs)
        assert np.isfinite(value)
        assert np.sign(value) == np.sign(r12 - r13)
        assert_allclose(value, -function(r13, r12, r23, nobs), rtol=1e-9)


@pytest.mark.parametrize("r", [(0.4, 0.4, 0.8), (0.1, 0.1, 0.3), (0.6, 0.6, 0.5)])
def test_formulas_have_unit_variance_on_normal_rows(r):
    rng = np.random.default_rng(1)
    r12, r13, r23 = r
    root = np.linalg.cholesky([[1, r12, r13], [r12, 1, r23], [r13, r23, 1]])
    found = []
    for _ in range(1500):
        z = rng.standard_normal((300, 3)) @ root.T
        c = np.corrcoef(z.T)
        one = c[0, 1], c[0, 2], c[1, 2]
        psi, _ = influence(z)
        apart = psi[:, 0] - psi[:, 1]
        found.append(
            [
                steiger_statistic(*one, 300),
                williams_statistic(*one, 300),
                (one[0] - one[1]) / (apart.std() / np.sqrt(300)),
            ]
        )
    # the standard deviation of 1500 numbers from N(0, 1) has standard error .018
    assert_allclose(np.std(found, axis=0), 1.0, atol=4 * 0.018 + 0.01)
    assert stats.kstest(np.array(found)[:, 0], "norm").pvalue > 0.005


def three(nobs, seed, r=(0.5, 0.3, 0.7)):
    root = np.linalg.cholesky([[1, r[0], r[1]], [r[0], 1, r[2]], [r[1], r[2], 1]])
    return frame(np.random.default_rng(seed).standard_normal((nobs, 3)) @ root.T, "C", "A", "B")


@pytest.mark.parametrize("how", ["hac", "steiger", "williams", "bootstrap"])
def test_laws_agree_on_normal_rows(how):
    data = three(1200, 2, (0.40, 0.36, 0.7))
    rho = data.corr()
    expected = stats.norm.sf(steiger_statistic(rho.loc["C", "A"], rho.loc["C", "B"], rho.loc["A", "B"], 1200))
    test = dependent_correlations_test(data, "C", "A", "B", pvalue=how, filter=None, draws=999)
    assert test.detail["difference"] == pytest.approx(rho.loc["C", "A"] - rho.loc["C", "B"])
    assert test.pvalue == pytest.approx(expected, abs=0.05)
    reverse = dependent_correlations_test(data, "C", "B", "A", pvalue=how, filter=None, draws=999, side="lower")
    assert reverse.pvalue == pytest.approx(test.pvalue, abs=0.03 if how == "bootstrap" else 1e-12)
    two = dependent_correlations_test(data, "C", "A", "B", pvalue=how, filter=None, draws=999, side="two")
    assert two.pvalue == pytest.approx(2 * min(test.pvalue, 1 - test.pvalue), abs=0.03)
    if how in ("hac", "bootstrap"):
        assert test.detail["lower"] < test.detail["difference"] < test.detail["upper"]


@pytest.mark.filterwarnings("ignore:.*squares are autocorrelated")  # one sample in a thousand looks so
def test_fat_tails_mislead_the_textbook_and_not_the_influence():
    """Joint t(5) rows with equal correlations: Steiger's rejects well above 5 %, the influence functions do not."""
    rng = np.random.default_rng(3)
    root = np.linalg.cholesky([[1, 0.6, 0.6], [0.6, 1, 0.4], [0.6, 0.4, 1]])
    rejected = np.zeros(2)
    worlds = 300
    for _ in range(worlds):
        z = (rng.standard_normal((500, 3)) @ root.T) * np.sqrt(3 / rng.chisquare(5, (500, 1)))
        data = frame(z, "C", "A", "B")
        for k, how in enumerate(("steiger", "hac")):
            test = dependent_correlations_test(data, "C", "A", "B", pvalue=how, filter=None, side="two")
            rejected[k] += test.pvalue <= 0.05
    assert rejected[0] / worlds > 0.12
    assert rejected[1] / worlds < 0.05 + 4 * 0.0126 + 0.015


def test_draws_of_a_dcc():
    returns = ce.to_returns(ce.load_sample("peaks")).loc["2021":"2022"]
    names = ["COIN", "SMALL_TECH", "GOLD"]
    test = dependent_correlations_test(returns, *names, draws=99, rng=3)
    again = dependent_correlations_test(returns[names], *names, draws=99, rng=3, n_jobs=1)
    assert test.pvalue == again.pvalue == pytest.approx(0.01)
    assert test.detail["lower"] > 0.0
    assert "DCC" in test.reference
    assert test.detail["draws lost"] == 0
    margins = ce.fit_margins(returns[[*names, "MARKET"]], ce.GARCH(dist="t"))
    other = dependent_correlations_test(margins, "COIN", "GOLD", "SMALL_TECH", draws=99, side="lower")
    assert other.pvalue == pytest.approx(0.01)
    assert other.detail["difference"] == pytest.approx(-test.detail["difference"])


def test_altcoins_as_a_family():
    rng = np.random.default_rng(4)
    main = rng.standard_normal(900)
    twin = 0.6 * main + 0.8 * rng.standard_normal(900)
    equity = 0.35 * (main + twin) + rng.standard_normal(900)  # correlates with both alike
    alts = np.column_stack([twin, main[:, None] + 1.5 * rng.standard_normal((900, 3))])
    names = ["TWIN", "A", "B", "D"]
    data = frame(np.column_stack([main, equity, alts]), "C", "E", *names)
    result = altcoins_test(data, "C", "E", names, filter=None, pvalue="bootstrap", draws=399)
    rows = result.frame
    assert list(rows.index) == [*names, "basket, inverse volatility", "basket, equal weights"]
    rho = data.corr()["E"]
    for name in names:
        assert rows.loc[name, "statistic"] == pytest.approx(rho["C"] - rho[name])
    # "equal weights" weighs each by its own scale: the plain sum of the columns
    assert rows.loc["basket, equal weights", "statistic"] == pytest.approx(
        rho["C"] - np.corrcoef(data[names].sum(axis=1), equity)[0, 1]
    )
    unit = data[names] / np.sqrt((data[names] ** 2).mean())
    assert rows.loc["basket, inverse volatility", "statistic"] == pytest.approx(
        rho["C"] - np.corrcoef(unit.sum(axis=1), equity)[0, 1]
    )
    assert set(result.rejected(0.05)) >= {"A", "B", "D"}
    assert "TWIN" not in result.rejected(0.05)
    # noise that is each coin's own averages out in the basket
    assert rows.loc["basket, equal weights", "statistic"] < rows.loc[["A", "B", "D"], "statistic"].min()
    assert (rows["romano_wolf"] >= rows["pvalue"]).all()


def test_one_altcoin_has_no_basket():
    returns = ce.to_returns(ce.load_sample("peaks")).loc["2021":"2022"]
    result = altcoins_test(returns, "COIN", "SMALL_TECH", ["ALTCOIN"], draws=99)
    assert list(result.frame.index) == ["ALTCOIN"]
    assert result.draws == 99


# --- holders


@given(st.integers(0, 2**31), st.integers(1, 3), st.integers(20, 40))
@settings(max_examples=20, deadline=None)
def test_rolling_slopes_by_least_squares(seed, width, window):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((80, width)), rng.standard_normal(80)
    found = rolling_slopes(y, x, window)
    assert np.isnan(found[:window]).all()
    for t in (window, window + 7, 79):
        past = slice(t - window, t)
        design = np.column_stack([np.ones(window), x[past]])
        assert_allclose(found[t], np.linalg.lstsq(design, y[past], rcond=None)[0][1:], atol=1e-9)


def test_rolling_slopes_do_not_see_the_day_or_later():
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((100, 1)), rng.standard_normal(100)
    before = rolling_slopes(y, x, 30)
    y[60:] += 100.0
    x[60:] *= -3.0
    assert_allclose(rolling_slopes(y, x, 30)[: 60 + 1], before[: 60 + 1])


def world(kind, seed=6, nobs=1500):
    """``member``: small is large plus a holder's weight. ``own``: small loads on the coin, no membership."""
    rng = np.random.default_rng(seed)
    coin = rng.standard_normal(nobs)
    tech = 0.3 * coin + rng.standard_normal(nobs)
    holder = coin + 0.9 * rng.standard_normal(nobs)
    small = tech + 0.4 * rng.standard_normal(nobs)
    small += 0.5 * holder if kind == "member" else 0.5 * coin
    return frame(np.column_stack([coin, small, tech, holder]), "C", "SMALL", "LARGE", "HOLD")


def test_membership_vanishes_and_a_link_of_its_own_does_not():
    options = {"pvalue": "bootstrap", "draws": 399, "filter": None}
    member = holder_projection_test(world("member"), "C", "SMALL", "LARGE", ["HOLD"], **options)
    assert member.detail["pvalue"] < 0.01
    assert member.pvalue > 0.05
    assert member.detail["mechanical"] is True
    own = holder_projection_test(world("own"), "C", "SMALL", "LARGE", ["HOLD"], **options)
    assert own.detail["pvalue"] < 0.01
    assert own.pvalue < 0.01
    assert own.detail["mechanical"] is False
    # but the projection takes some of it too, as the docstring says
    assert 0.0 < own.detail["left"] < 1.0
    assert member.detail["sessions"] == 1500 - 126


def test_known_weights_are_removed_exactly():
    data = world("own")
    mixed = data.copy()
    mixed["SMALL"] = 0.9 * data["SMALL"] + 0.1 * data["HOLD"]
    back = project_holders(mixed, ["SMALL"], ["HOLD"], how="weights", weights={"HOLD": 0.1})
    assert_allclose(back["SMALL"], data["SMALL"])
    pd.testing.assert_frame_equal(back.drop(columns="SMALL"), data.drop(columns="SMALL"))


def test_dynamic_projection_leaves_no_correlation():
    returns = ce.to_returns(ce.load_sample("peaks")).loc["2021":"2022", ["SMALL_TECH", "TECH", "GOLD"]]
    for how, rows in (("rolling", len(returns) - 63), ("dcc", len(returns))):
        net = project_holders(returns, ["SMALL_TECH"], ["TECH"], how=how, window=63)
        assert len(net) == rows
        assert returns[["SMALL_TECH", "TECH"]].corr().iloc[0, 1] > 0.5
        assert abs(net[["SMALL_TECH", "TECH"]].corr().iloc[0, 1]) < 0.15
        pd.testing.assert_series_equal(net["GOLD"], returns.loc[net.index, "GOLD"])


def test_refusals():
    data = three(400, 7)
    with pytest.raises(SpecError, match="three different"):
        dependent_correlations_test(data, "C", "A", "A")
    with pytest.raises(SpecError, match="pvalue"):
        dependent_correlations_test(data, "C", "A", "B", pvalue="iid")
    with pytest.raises(SpecError, match="draws"):
        dependent_correlations_test(data, "C", "A", "B", pvalue="bootstrap", draws=19)
    with pytest.raises(DataError, match="no column 'X'"):
        dependent_correlations_test(data, "C", "A", "X", pvalue="hac")
    with pytest.raises(DataError, match="30"):
        dependent_correlations_test(data.iloc[:30], "C", "A", "B", pvalue="hac", filter=None)
    with pytest.raises(DataError, match="'B'"):
        dependent_correlations_test(data.assign(B=1.0), "C", "A", "B", pvalue="hac", filter=None)
    with pytest.raises(DataError, match="'B'"):
        dependent_correlations_test(data.assign(B=np.nan), "C", "A", "B", pvalue="hac", filter=None)
    with pytest.raises(SpecError, match="altcoins"):
        altcoins_test(data, "C", "A", [])
    with pytest.raises(SpecError, match="altcoins"):
        altcoins_test(data, "C", "A", ["C"])


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"how": "static"}, SpecError, "how"),
        ({"holders": "HOLD"}, SpecError, "lists of names"),
        ({"holders": []}, SpecError, "one of each"),
        ({"holders": ["SMALL"]}, SpecError, "different names"),
        ({"holders": ["X"]}, DataError, "no column 'X'"),
        ({"window": 5}, SpecError, "window"),
        ({"window": 299}, DataError, "too few"),
        ({"weights": {"HOLD": 0.1}}, SpecError, "belongs"),
        ({"how": "weights"}, SpecError, "share"),
        ({"how": "weights", "weights": {"HOLD": 1.2}}, SpecError, "less than one"),
    ],
)
def test_projection_refusals(options, error, match):
    data = world("own", nobs=300)
    with pytest.raises(error, match=match):
        project_holders(data, ["SMALL"], **{"holders": ["HOLD"], **options})
