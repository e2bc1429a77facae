"""Tail dependence: counts by hand, copulas in closed form, and contrasts that only episodes can make."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.dependence.pairs import pseudo_ranks
from cryptoequity.dependence.tails import (
    copula_distance,
    normal_tail_share,
    tail_dependence,
    tail_equality_test,
    tail_share,
)
from cryptoequity.errors import DataError, SpecError
from cryptoequity.volatility import GARCH

DATES = pd.bdate_range("2020-01-01", periods=1000)


def normal_pair(rho, nobs, seed):
    e = np.random.default_rng(seed).standard_normal((nobs, 2))
    e[:, 1] = rho * e[:, 0] + np.sqrt(1 - np.square(rho)) * e[:, 1]
    return e


def episodes():
    out = pd.Series(0, DATES)
    for first in (100, 400, 700):
        out.iloc[first : first + 150] = 1
    return out


def frame(e):
    return pd.DataFrame(e, DATES[: len(e)], ["COIN", "TECH"])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), q=st.floats(0.02, 0.45), tail=st.sampled_from(["lower", "upper"]))
def test_share_counts_rows_beyond_both_quantiles(seed, q, tail):
    e = normal_pair(0.5, 200, seed)
    count = max(1, round(q * 200))
    sign = 1 if tail == "lower" else -1
    edge = np.sort(sign * e, axis=0)[count - 1]
    assert tail_share(e, q, tail) == pytest.approx((sign * e <= edge).all(1).sum() / count)
    both = (tail_share(e, q, "lower") + tail_share(e, q, "upper")) / 2
    assert tail_share(e, q, "both") == pytest.approx(both)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_share_is_of_ranks(seed):
    e = normal_pair(0.3, 150, seed)
    assert tail_share(np.stack([np.exp(e[:, 0]), e[:, 1] ** 3], 1), 0.1) == tail_share(e, 0.1)
    assert tail_share(-e, 0.1, "upper") == tail_share(e, 0.1, "lower")


def test_share_of_ends():
    up = np.arange(100.0)
    assert tail_share(np.stack([up, up + 1], 1), 0.1) == 1.0
    assert tail_share(np.stack([up, -up], 1), 0.1) == 0.0


def test_ranks_are_those_of_scipy():
    e = normal_pair(0.3, 50, 1)
    np.testing.assert_allclose(pseudo_ranks(e), stats.rankdata(e, axis=0, method="ordinal") / 51)


@pytest.mark.parametrize(("rho", "q"), [(0.5, 0.1), (-0.3, 0.05), (0.9, 0.01)])
def test_normal_share_is_the_bivariate_law(rho, q):
    edge = stats.norm.ppf(q)
    joint = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([edge, edge])
    assert normal_tail_share(rho, q) == pytest.approx(joint / q, rel=1e-5)


def test_normal_share_vanishes_and_independence_is_q():
    assert normal_tail_share(0.0, 0.07) == pytest.approx(0.07)
    shares = [normal_tail_share(0.6, q) for q in (0.2, 0.05, 0.01, 0.001)]
    assert (np.diff(shares) < 0).all()
    with pytest.raises(SpecError, match="rho="):
        normal_tail_share(1.0, 0.1)
    with pytest.raises(SpecError, match="q="):
        normal_tail_share(0.1, 0.0)


def test_clayton_has_its_lower_tail():
    rng = np.random.default_rng(3)
    u, w = rng.random((2, 40_000))
    v = (u**-2.0 * (w ** (-2 / 3) - 1) + 1) ** -0.5  # Clayton, theta = 2: lower limit 2^(-1/2), upper 0
    e = np.stack([u, v], 1)
    assert tail_share(e, 0.01) == pytest.approx(2**-0.5, abs=0.03)
    assert tail_share(e, 0.01, "upper") < 0.1


def test_distance_at_one_angle_is_the_share():
    one, two = normal_pair(0.8, 600, 4), normal_pair(0.0, 400, 5)
    # q n whole on both sides; the middle of nine angles is 45 degrees, where the copula is chi
    assert copula_distance(one, one, 0.1) == 0.0
    far = copula_distance(one, two, 0.1)
    gap = abs(tail_share(one, 0.1) - tail_share(two, 0.1))
    assert gap / 3 <= far <= 1.0  # one of nine directions
    assert copula_distance(two, one, 0.1) == far
    parts = [copula_distance(one, two, 0.1, tail) for tail in ("lower", "upper")]
    assert copula_distance(one, two, 0.1, "both") == pytest.approx(np.sqrt(np.mean(np.square(parts))))


def test_coefficients_of_a_normal_pair():
    e = normal_pair(0.5, 1000, 6)
    found = tail_dependence(*e.T, (0.05, 0.1), draws=99)
    table = found.to_frame()
    assert found.rho == pytest.approx(0.5, abs=0.07)
    assert table["chi normal"].between(table["chi lower"], table["chi upper"]).all()
    chi = table["chi"].to_numpy()
    q = table["q"].to_numpy()
    np.testing.assert_allclose(table["chibar"], 2 * np.log(q) / np.log(chi * q) - 1)
    np.testing.assert_array_equal(table["joint"], np.rint(chi * np.rint(1000 * q)))
    assert json.loads(json.dumps(found.to_dict()))["nobs"] == 1000
    assert "lower 0.05" in str(found.summary())
    assert "coles1999" in found.cite()


def test_chibar_of_no_and_of_all_rows():
    e = np.stack([np.arange(200.0), -np.arange(200.0)], 1)
    noise = np.random.default_rng(1).permutation(200)
    e = e[noise]
    e[np.argsort(e[:, 0])[90:110], 1] += 0.25  # not the same series up to scale
    opposite = tail_dependence(*e.T, (0.1,), draws=99).to_frame()
    assert (opposite["chibar"] == -1).all()
    e[:, 1] = -e[:, 1]
    same = tail_dependence(*e.T, (0.1,), draws=99).to_frame()
    assert (same["chi"] == 1).all()
    assert (same["chibar"] == 1).all()


# --- inside and outside


@pytest.mark.parametrize("pvalue", ["block", "shift", "dcc"])
@pytest.mark.parametrize("measure", ["chi", "copula"])
def test_dependence_of_episodes_is_found(pvalue, measure):
    inside = episodes()
    data = frame(normal_pair(np.where(inside == 1, 0.85, 0.0), 1000, 7))
    test = tail_equality_test(data["COIN"], data["TECH"], inside, measure=measure, pvalue=pvalue, draws=39)
    assert test.pvalue <= 0.05
    assert test.detail["spells"] == 3
    assert "bormannschienle2020" in test.cite()
    assert test.detail["chi inside"] > test.detail["chi outside"] + 0.2
    # all of it is correlation: a normal copula shows the same
    assert test.detail["contrast of normal copulas"] == pytest.approx(
        test.detail["chi inside"] - test.detail["chi outside"], abs=0.12
    )
    json.dumps(test.to_dict())


@pytest.mark.parametrize("pvalue", ["block", "shift", "dcc"])
def test_volatility_of_episodes_is_not_dependence(pvalue):
    inside = episodes()
    calm = normal_pair(0.4, 1000, 9)
    loud = calm * np.where(inside == 1, 3.0, 1.0)[:, None] + np.where(inside == 1, 0.5, 0.0)[:, None]
    loud, calm = frame(loud / loud.std(0)), frame(calm)
    one, two = (
        tail_equality_test(e["COIN"], e["TECH"], inside, pvalue=pvalue, draws=19, tail="lower") for e in (calm, loud)
    )
    assert one.statistic == two.statistic
    assert one.pvalue > 0.05
    if pvalue == "shift":
        assert two.pvalue > 0.05


def test_shift_is_every_shift_of_the_episodes():
    inside = episodes().iloc[:300]
    e = normal_pair(0.3, 300, 10)
    data = frame(e)
    test = tail_equality_test(data["COIN"], data["TECH"], inside, pvalue="shift", side="two")
    bits = inside.to_numpy() == 1
    law = []
    for k in range(300):
        moved = np.roll(bits, k)
        law.append(tail_share(e[moved], 0.1, "both") - tail_share(e[~moved], 0.1, "both"))
    np.testing.assert_allclose(test.detail["null"], law, atol=1e-12)
    center = np.median(law)
    wanted = np.mean(np.abs(law - center) >= abs(law[0] - center) - 1e-12)
    assert test.pvalue == pytest.approx(wanted)


def test_sides_and_tails():
    inside = episodes()
    data = frame(normal_pair(np.where(inside == 1, 0.0, 0.8), 1000, 11))
    up, low, two = (
        tail_equality_test(data["COIN"], data["TECH"], inside, pvalue="block", draws=99, side=side).pvalue
        for side in ("upper", "lower", "two")
    )
    assert up > 0.9
    assert low <= 0.02
    assert two <= 0.02


def test_spells_and_series_are_the_same_episodes():
    inside = episodes()
    data = frame(normal_pair(0.3, 1000, 12))
    pairs = [(DATES[first], DATES[first + 149]) for first in (100, 400, 700)]
    one, two = (
        tail_equality_test(data["COIN"], data["TECH"], when, pvalue="block", draws=19, rng=4)
        for when in (inside, pairs)
    )
    assert one.to_dict() == two.to_dict()


def test_draws_do_not_depend_on_workers():
    inside = episodes().iloc[:400]
    data = frame(normal_pair(0.3, 400, 13))
    options = {"margins": GARCH(), "draws": 19, "rng": 8, "q": 0.15}
    one, two = (tail_equality_test(data["COIN"], data["TECH"], inside, n_jobs=n, **options) for n in (1, 2))
    np.testing.assert_array_equal(one.detail["null"], two.detail["null"])
    assert "margins fitted again" in one.reference


def test_lags_of_the_mean_shorten_the_episodes():
    inside = episodes().iloc[:400]
    data = frame(normal_pair(0.3, 400, 13))
    margins = GARCH(mean="ar", lags=2)
    test = tail_equality_test(data["COIN"], data["TECH"], inside, margins=margins, draws=19, q=0.15)
    assert test.detail["rows inside"] + test.detail["rows outside"] == 398
    assert test.detail["rows inside"] == int(inside.iloc[2:].sum())
    assert np.isfinite(test.detail["null"]).all()


def test_bad_input_is_refused():
    inside = episodes()
    data = frame(normal_pair(0.3, 1000, 14))
    x, y = data["COIN"], data["TECH"]
    with pytest.raises(SpecError, match="pvalue"):
        tail_equality_test(x, y, inside, pvalue="hac")
    with pytest.raises(SpecError, match="measure"):
        tail_equality_test(x, y, inside, measure="tau")
    with pytest.raises(SpecError, match=r"q=0\.7"):
        tail_equality_test(x, y, inside, 0.7)
    with pytest.raises(SpecError, match="draws=3"):
        tail_equality_test(x, y, inside, draws=3)
    with pytest.raises(SpecError, match="block="):
        tail_equality_test(x, y, inside, pvalue="block", block=5000)
    with pytest.raises(DataError, match="no date"):
        tail_equality_test(x, y, inside * 0)
    with pytest.raises(DataError, match="every date"):
        tail_equality_test(x, y, inside * 0 + 1)
    with pytest.raises(DataError, match="10 rows lie inside"):
        tail_equality_test(x, y, [(DATES[0], DATES[9])])
    with pytest.raises(DataError, match="fewer than 5"):
        tail_dependence(x, y, (0.001,))
    with pytest.raises(SpecError, match="levels="):
        tail_dependence(x, y, (0.0,))
    with pytest.raises(SpecError, match="draws=19"):
        tail_dependence(x, y, draws=19)
    with pytest.raises(DataError, match="missing or infinite"):
        tail_dependence(x.where(x < 2), y)
    with pytest.raises(DataError, match="too few"):
        tail_dependence(x.iloc[:40], y.iloc[:40])
