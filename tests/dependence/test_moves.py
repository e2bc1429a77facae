"""Signs of large moves: weeks by hand, p-values by enumeration, drift that is not agreement."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cryptoequity.dependence.moves import move_concordance_test, period_moves
from cryptoequity.errors import DataError, SpecError

DATES = pd.bdate_range("2020-03-23", periods=1250)  # a Monday


def returns(rho=0.0, seed=1, drift=0.0, nobs=1250):
    e = np.random.default_rng(seed).standard_normal((nobs, 2))
    e[:, 0] = rho * e[:, 1] + np.sqrt(1 - rho**2) * e[:, 0]
    return pd.DataFrame(e + drift, DATES[:nobs], ["COIN", "TECH"])


def test_weeks_end_on_friday_and_ends_must_be_whole():
    data = returns().iloc[2:-2]  # from a Wednesday to a Wednesday: both ends have three sessions
    moves, left_out = period_moves(data)
    assert left_out == 6
    assert (moves.index.day_of_week == 4).all()
    wanted = data.resample("W-FRI").sum().iloc[1:-1]
    np.testing.assert_allclose(moves, wanted, rtol=1e-12)
    whole, none = period_moves(returns())
    assert none == 0
    assert len(whole) == 250


def test_holidays_inside_stay_and_are_labelled_by_their_last_session():
    data = returns().drop(DATES[[4, 5, 6, 7, 8]])  # a Friday and the four days after it
    moves, left_out = period_moves(data)
    assert left_out == 0
    assert moves.index[0] == DATES[3]
    assert moves.index[1] == DATES[9]  # one session of its week
    assert moves["COIN"].iloc[1] == data["COIN"].loc[DATES[9]]


def test_months_and_rows():
    data = returns()
    months, left_out = period_moves(data, "M")
    assert left_out == 7 + int(sum(DATES >= "2025-01-01")) * (sum(DATES >= "2025-01-01") < 15)
    assert months["COIN"].iloc[0] == pytest.approx(data.loc["2020-04", "COIN"].sum())
    same, none = period_moves(data, "D")
    assert same is data
    assert none == 0
    zoned = data.tz_localize("UTC")
    np.testing.assert_array_equal(period_moves(zoned)[0], period_moves(data)[0])
    with pytest.raises(DataError, match="needs rows with dates"):
        period_moves(data.reset_index(drop=True))


def test_events_are_the_largest_moves():
    data = returns(0.3)
    found = move_concordance_test(data["COIN"], data["TECH"], events=15)
    weeks = data.resample("W-FRI").sum()
    top = weeks["TECH"].abs().sort_values(ascending=False).index[:15]
    assert list(found.events.index) == list(top)
    agree = np.sign(weeks.loc[top, "COIN"]) == np.sign(weeks.loc[top, "TECH"])
    assert found.detail["agreements"] == agree.sum()
    assert found.statistic == pytest.approx(agree.mean())
    assert found.events["agree"].tolist() == agree.tolist()
    assert found.to_frame() is found.events
    json.dumps(found.to_dict())
    assert "clopperpearson1934" in found.cite()


def test_less_the_market_is_the_difference():
    data = returns(0.3)
    market = pd.Series(np.random.default_rng(9).standard_normal(1250), DATES, name="SPY")
    one = move_concordance_test(data["COIN"], data["TECH"], market)
    two = move_concordance_test(data["COIN"], (data["TECH"] - market).rename("x"))
    assert one.pvalue == two.pvalue
    assert one.events.columns[0] == "TECH less SPY"
    np.testing.assert_allclose(one.events.iloc[:, 0], two.events.iloc[:, 0])


def test_shift_is_every_shift():
    data = returns(0.2, 3, nobs=400)
    found = move_concordance_test(data["COIN"], data["TECH"], events=10)
    weeks = data.resample("W-FRI").sum()
    c, m = np.sign(weeks["COIN"].to_numpy()), weeks["TECH"].to_numpy()
    top = np.argsort(-np.abs(m))[:10]
    law = np.array([(np.roll(c, -k)[top] == np.sign(m[top])).sum() for k in range(len(c))])
    np.testing.assert_allclose(found.detail["null"] * 10, law)
    assert found.pvalue == np.mean(law >= law[0])


def test_binomial_against_chance_and_against_one_half():
    data = returns(0.5, 4, drift=0.3)
    found = move_concordance_test(data["COIN"], data["TECH"], pvalue="binomial")
    k, n = found.detail["agreements"], 20
    assert found.detail["p-value, binomial, one half"] == pytest.approx(stats.binom.sf(k - 1, n, 0.5))
    up = (data.resample("W-FRI").sum()["COIN"] > 0).mean()
    ups = found.detail["events up"]
    chance = (ups * up + (n - ups) * (1 - up)) / n
    assert found.detail["share expected by chance"] == pytest.approx(chance)
    assert found.pvalue == pytest.approx(stats.binom.sf(k - 1, n, chance))
    low = found.detail["share, 95% lower"]
    high = found.detail["share, 95% upper"]
    assert stats.binom.sf(k - 1, n, low) == pytest.approx(0.025)
    assert stats.binom.cdf(k, n, high) == pytest.approx(0.025)


def test_common_drift_is_not_agreement():
    # both rise in most weeks: one half is the wrong chance, and shifts know it
    half, shift = [], []
    for seed in range(60):
        data = returns(0.0, 100 + seed, drift=0.45, nobs=600)
        found = move_concordance_test(data["COIN"], data["TECH"], events=30)
        half.append(found.detail["p-value, binomial, one half"] <= 0.05)
        shift.append(found.pvalue <= 0.05)
    assert np.mean(half) > 0.5
    assert np.mean(shift) < 0.15


def test_agreement_is_found_on_either_side():
    data = returns(0.8, 5)
    assert move_concordance_test(data["COIN"], data["TECH"]).pvalue < 0.01
    assert move_concordance_test(-data["COIN"], data["TECH"]).pvalue > 0.5
    assert move_concordance_test(-data["COIN"], data["TECH"], side="lower").pvalue < 0.01
    assert move_concordance_test(-data["COIN"], data["TECH"], side="two").pvalue < 0.05
    perfect = move_concordance_test(data["TECH"] + 1e-3 * data["COIN"], data["TECH"], events=10)
    assert perfect.statistic == 1.0
    assert perfect.detail["share, 95% upper"] == 1.0
    assert perfect.detail["share, 95% lower"] == pytest.approx(0.025 ** (1 / 10))


def test_a_week_without_a_move_agrees_with_nothing():
    data = returns(0.8, 5)
    weeks = data.resample("W-FRI").sum()
    largest = weeks["TECH"].abs().idxmax()
    coin = data["COIN"].where(~((data.index > largest - pd.Timedelta("7D")) & (data.index <= largest)), 0.0)
    found = move_concordance_test(coin, data["TECH"])
    assert found.detail["crypto moves of zero"] == 1
    assert not found.events["agree"].iloc[0]


def test_refusals():
    data = returns()
    x, y = data["COIN"], data["TECH"]
    with pytest.raises(SpecError, match="events=3"):
        move_concordance_test(x, y, events=3)
    with pytest.raises(SpecError, match="at most 125"):
        move_concordance_test(x, y, events=200)
    with pytest.raises(SpecError, match="frequency"):
        move_concordance_test(x, y, frequency="Q")
    with pytest.raises(SpecError, match="pvalue"):
        move_concordance_test(x, y, pvalue="normal")
    with pytest.raises(DataError, match="periods at frequency='M'"):
        move_concordance_test(x.iloc[:200], y.iloc[:200], frequency="M", events=5)
    with pytest.raises(DataError, match="are both 2 in size"):
        move_concordance_test(x, np.sign(y) * np.where(np.arange(1250) % 2, 1, 2), frequency="D")
    with pytest.raises(DataError, match="different rows"):
        move_concordance_test(x, y, y.iloc[1:])
    with pytest.raises(DataError, match="missing"):
        move_concordance_test(x.where(x < 2), y)
    with pytest.raises(DataError, match="constant"):
        move_concordance_test(x * 0, y)
    with pytest.raises(DataError, match="too few"):
        move_concordance_test(x.iloc[:9], y.iloc[:9])
