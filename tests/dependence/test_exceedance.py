"""Exceedance correlations: truncated normal moments by integration, J by loops, laws that make both tails alike."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from cryptoequity.dependence.exceedance import (
    exceedance_correlation,
    hong_tu_zhou_test,
    normal_exceedance_correlation,
    symmetry_statistic,
)
from cryptoequity.dependence.pair_world import PairWorld, draw_law, filter_pair
from cryptoequity.errors import DataError, FilteredSeriesWarning, LevelsWarning, SpecError
from cryptoequity.estimation.results import mark_filtered
from cryptoequity.volatility import GARCH


def normal_pair(rho, nobs, seed):
    e = np.random.default_rng(seed).standard_normal((nobs, 2))
    e[:, 1] = rho * e[:, 0] + np.sqrt(1 - rho**2) * e[:, 1]
    return e


def crashing_pair(nobs, seed):
    """Together in falls, apart in rises."""
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((nobs, 2))
    common = rng.standard_normal(nobs)
    down = common < 0
    e[down] = 0.9 * common[down, None] + np.sqrt(1 - 0.81) * e[down]
    return e


def truncated_correlation(rho, c):
    """By integrating the bivariate density over the quadrant."""
    density = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).pdf

    def moment(f):
        return integrate.dblquad(lambda y, x: f(x, y) * density([x, y]), c, 9, c, 9, epsabs=1e-11, epsrel=1e-9)[0]

    mass = moment(lambda x, y: 1.0)
    mean, square = moment(lambda x, y: x) / mass, moment(lambda x, y: x * x) / mass
    return (moment(lambda x, y: x * y) / mass - mean**2) / (square - mean**2)


@pytest.mark.parametrize(("rho", "c"), [(0.5, 0.0), (0.3, 1.0), (-0.4, 0.5)])
def test_normal_curve_is_the_integral(rho, c):
    assert normal_exceedance_correlation(rho, c) == pytest.approx(truncated_correlation(rho, c), abs=1e-7)


def test_normal_curve_is_a_tent():
    curve = [normal_exceedance_correlation(0.5, c) for c in (-6.0, 0.0, 0.5, 1.0, 2.0, 4.0)]
    assert curve[0] == pytest.approx(0.5, abs=1e-4)  # nothing is cut off
    assert (np.diff(curve) < 0).all()
    assert curve[-1] > 0
    assert normal_exceedance_correlation(0.0, 1.3) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("rho", "c"), [(1.0, 0.0), (-1.2, 0.0), (0.5, 7.0), (0.5, np.nan)])
def test_normal_curve_refuses(rho, c):
    with pytest.raises(SpecError, match=r"rho=|threshold="):
        normal_exceedance_correlation(rho, c)


def test_curve_is_of_the_rows_beyond():
    e = normal_pair(0.6, 1500, 1)
    found = exceedance_correlation(e[:, 0], e[:, 1], (0.0, 1.0), draws=99)
    z = (e - e.mean(0)) / e.std(0)
    table = found.to_frame()
    assert table["tail"].tolist() == ["lower", "lower", "upper", "upper"]
    assert table["threshold"].tolist() == [1.0, 0.0, 0.0, 1.0]
    wanted = [(z < -1).all(1), (z < 0).all(1), (z > 0).all(1), (z > 1).all(1)]
    assert table["nobs"].tolist() == [int(rows.sum()) for rows in wanted]
    np.testing.assert_allclose(table["correlation"], [np.corrcoef(e[rows].T)[0, 1] for rows in wanted], rtol=1e-12)
    assert (table["lower"] < table["correlation"]).all()
    assert (table["correlation"] < table["upper"]).all()
    assert table["normal"].between(table["lower"], table["upper"]).all()


def test_curve_prints_cites_and_serializes():
    e = normal_pair(0.3, 300, 2)
    found = exceedance_correlation(
        pd.Series(e[:, 0], name="COIN"), pd.Series(e[:, 1], name="TECH"), (0.0, 3.0), draws=99
    )
    content = json.loads(json.dumps(found.to_dict()))
    assert content["names"] == ["COIN", "TECH"]
    assert content["table"][0]["correlation"] is None  # three standard deviations: no rows
    assert found.failed[0] == 99
    text = str(found.summary())
    assert "below -3.00" in text
    assert "too few rows" in text
    assert "longinsolnik2001" in found.cite()


def test_intervals_do_not_depend_on_the_call():
    e = normal_pair(0.3, 300, 2)
    one, two = (exceedance_correlation(e[:, 0], e[:, 1], (0.0,), draws=99, rng=5).to_frame() for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


# --- J


def loop_j(z, thresholds, lags, htz):
    """The statistic of the paper by loops over dates."""
    z = (z - z.mean(0)) / z.std(0)
    nobs, m = len(z), len(thresholds)
    xi, gap = np.zeros((nobs, m)), np.zeros(m)
    for i, c in enumerate(thresholds):
        for sign in (1, -1):
            rows = [t for t in range(nobs) if sign * z[t, 0] > c and sign * z[t, 1] > c]
            part = z[rows]
            a, b = ((part[:, k] - part[:, k].mean()) / part[:, k].std() for k in (0, 1))
            rho = np.mean(a * b)
            gap[i] += sign * rho
            for t, u, v in zip(rows, a, b, strict=True):
                own = u * v - rho if htz else u * v - rho / 2 * (u * u + v * v)
                xi[t, i] += sign * own * nobs / len(rows)
    omega = np.zeros((m, m))
    for lag in range(-lags, lags + 1):
        for t in range(nobs):
            if 0 <= t - lag < nobs:
                omega += (1 - abs(lag) / (lags + 1)) * np.outer(xi[t], xi[t - lag]) / nobs
    return nobs * gap @ np.linalg.solve(omega, gap)


@pytest.mark.parametrize("variance", ["influence", "htz"])
def test_statistic_is_that_of_the_paper(variance):
    e = crashing_pair(400, 3)
    value, found, counts = symmetry_statistic(e, (0.0, 0.5), 4, variance)
    assert value == pytest.approx(loop_j(e, (0.0, 0.5), 4, variance == "htz"), rel=1e-9)
    assert found.shape == counts.shape == (2, 2)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100), shift=st.floats(-50, 50), flip=st.booleans())
def test_statistic_has_no_units_and_no_sides(seed, scale, shift, flip):
    e = normal_pair(0.4, 250, seed)
    value, found, _ = symmetry_statistic(e, (0.0,), 3)
    other = e * [scale, 1.0] + [shift, 0.0]
    again, swapped, _ = symmetry_statistic(-other if flip else other, (0.0,), 3)
    assert again == pytest.approx(value, rel=1e-6, abs=1e-8)
    np.testing.assert_allclose(swapped[:, ::-1] if flip else swapped, found, rtol=1e-7, atol=1e-9)


def test_influence_is_the_derivative():
    # the covariance of the default is that of what one more row does to the difference
    e = normal_pair(0.7, 4000, 4)
    laws = [symmetry_statistic(normal_pair(0.7, 400, 1000 + k), (0.0,), 0) for k in range(200)]
    gaps = np.array([found[0, 0] - found[0, 1] for _, found, _ in laws])
    value, found, _ = symmetry_statistic(e, (0.0,), 0)
    implied = (found[0, 0] - found[0, 1]) ** 2 / value * 4000 / 400  # variance of the difference at T = 400
    assert gaps.var() == pytest.approx(implied, rel=0.35)
    htz, _, _ = symmetry_statistic(e, (0.0,), 0, "htz")
    assert htz < 0.8 * value  # the paper's variance is too large when correlations are not small


@pytest.mark.parametrize("pvalue", ["asymptotic", "block", "dcc"])
def test_asymmetry_is_found_and_symmetry_is_not(pvalue):
    bad, good = crashing_pair(1200, 5), normal_pair(0.5, 1200, 7)
    draws = 39 if pvalue == "dcc" else 199
    found = hong_tu_zhou_test(bad[:, 0], bad[:, 1], pvalue=pvalue, draws=draws)
    assert found.pvalue <= 0.05
    assert "hongtuzhou2007" in found.cite()
    assert found.detail["correlation below 0"] > found.detail["correlation above 0"] + 0.2
    assert hong_tu_zhou_test(good[:, 0], good[:, 1], pvalue=pvalue, draws=draws).pvalue > 0.05


@pytest.mark.parametrize("pvalue", ["block", "dcc"])
def test_draws_do_not_depend_on_workers(pvalue):
    e = normal_pair(0.5, 300, 7)
    one, two = (hong_tu_zhou_test(e[:, 0], e[:, 1], pvalue=pvalue, draws=19, rng=3, n_jobs=n) for n in (1, 2))
    np.testing.assert_array_equal(one.detail["null"], two.detail["null"])
    assert one.pvalue == two.pvalue > 0
    json.dumps(one.to_dict())


def test_drawn_law_makes_both_tails_alike():
    e = crashing_pair(1500, 9)
    world = PairWorld.fit(e / e.std(0), None, "symmetric")
    law = draw_law(world, TailGap(), 60, 1, None)[:, 0]
    assert abs(law.mean()) < 3 * law.std() / np.sqrt(60)
    kept = draw_law(PairWorld.fit(e / e.std(0), None, "fhs"), TailGap(), 60, 1, None)[:, 0]
    assert kept.mean() < -0.2  # rows resampled as they are keep the asymmetry


class TailGap:
    def __call__(self, z):
        found = symmetry_statistic(z, (0.0,), 0)[1]
        return np.array([found[0, 0] - found[0, 1]])


def test_margins_are_filtered_before_anything():
    rng = np.random.default_rng(10)
    sigma = np.exp(np.cumsum(rng.standard_normal(900)) * 0.03)
    e = normal_pair(0.4, 900, 10) * sigma[:, None]
    x, y = pd.Series(e[:, 0], name="a"), pd.Series(e[:, 1], name="b")
    z = filter_pair(e, GARCH())
    direct = hong_tu_zhou_test(z[:, 0], z[:, 1], pvalue="asymptotic")
    filtered = hong_tu_zhou_test(x, y, margins=GARCH(), pvalue="asymptotic")
    assert filtered.statistic == pytest.approx(direct.statistic, rel=1e-10)


def test_bad_choices_are_refused():
    e = normal_pair(0.4, 300, 1)
    x, y = e.T
    with pytest.raises(SpecError, match="thresholds="):
        hong_tu_zhou_test(x, y, (1.0, 0.5))
    with pytest.raises(SpecError, match="thresholds="):
        exceedance_correlation(x, y, (-1.0,))
    with pytest.raises(SpecError, match="thresholds="):
        exceedance_correlation(x, y, "many")
    with pytest.raises(SpecError, match="pvalue"):
        hong_tu_zhou_test(x, y, pvalue="chi2")
    with pytest.raises(SpecError, match="lags="):
        hong_tu_zhou_test(x, y, lags=-1)
    with pytest.raises(SpecError, match="draws=5"):
        hong_tu_zhou_test(x, y, draws=5)
    with pytest.raises(SpecError, match="block=0"):
        hong_tu_zhou_test(x, y, block=0)
    with pytest.raises(SpecError, match="level="):
        exceedance_correlation(x, y, level=0.1)
    with pytest.raises(SpecError, match="margins=str"):
        hong_tu_zhou_test(x, y, margins="garch")
    with pytest.raises(DataError, match="20 are needed"):
        hong_tu_zhou_test(x, y, 2.5)
    with pytest.raises(DataError, match="standard deviations are 9"):
        hong_tu_zhou_test(9.0 * x / x.std(), y, pvalue="dcc")
    with pytest.raises(DataError, match="it needs 250"):
        hong_tu_zhou_test(x[:200], y[:200], margins=GARCH())


def test_bad_pairs_are_refused():
    e = normal_pair(0.4, 300, 1)
    x, y = pd.Series(e[:, 0], name="COIN"), pd.Series(e[:, 1], name="TECH")
    blank = x.copy()
    blank.iloc[7] = np.nan
    with pytest.raises(DataError, match="'COIN' has 1 missing or infinite value"):
        exceedance_correlation(blank, y)
    with pytest.raises(DataError, match="different rows"):
        exceedance_correlation(x.iloc[1:], y)
    with pytest.raises(DataError, match="300 rows and"):
        exceedance_correlation(e[:, 0], e[:-1, 1])
    with pytest.raises(DataError, match="too few"):
        exceedance_correlation(x.iloc[:50], y.iloc[:50])
    with pytest.raises(DataError, match="too few"):
        exceedance_correlation([], [])
    with pytest.raises(DataError, match="constant"):
        exceedance_correlation(x * 0 + 3, y)
    with pytest.raises(DataError, match="the same series"):
        exceedance_correlation(x, 2 * x + 1)
    with pytest.raises(DataError, match="not numbers"):
        exceedance_correlation(["a"] * 300, y)
    with pytest.raises(DataError, match="shape"):
        exceedance_correlation(e, y)
    with pytest.raises(DataError, match="2 columns"):
        exceedance_correlation(pd.DataFrame(e), y)
    with pytest.raises(DataError, match="appears twice"):
        exceedance_correlation(x.rename(lambda k: k // 2), y)
    with pytest.raises(DataError, match="sort_index"):
        exceedance_correlation(x.iloc[::-1], y.iloc[::-1])


def test_paths_and_levels_are_flagged():
    e = normal_pair(0.4, 300, 1)
    walk = np.cumsum(e, axis=0) + 1000
    with pytest.warns(LevelsWarning, match="price level"):
        exceedance_correlation(walk[:, 0], e[:, 1], (0.0,), draws=99)
    path = mark_filtered(pd.Series(e[:, 0], name="path"))
    with pytest.warns(FilteredSeriesWarning, match="not a series of observations"):
        exceedance_correlation(path, pd.Series(e[:, 1], name="y"), (0.0,), draws=99)
