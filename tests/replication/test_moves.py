"""Bitcoin's signs in the largest weeks of tech on real prices, 23 March 2020 to 29 January 2025."""

import os
from pathlib import Path

import pandas as pd
import pytest

import cryptoequity as ce
from cryptoequity.dependence.moves import move_concordance_test

DATA = Path(os.environ.get("CRYPTOEQUITY_DATA", Path(__file__).parents[3] / "shared" / "data"))
COLUMNS = ["XLK", "SPY", "QQQ"]


@pytest.fixture(scope="module")
def returns() -> pd.DataFrame:
    if not all((DATA / name).exists() for name in ("crypto_daily.csv", "equity_daily.csv")):
        pytest.skip("the real prices are not here: they belong to their vendors; point CRYPTOEQUITY_DATA at a copy")
    coins = ce.read_prices(DATA / "crypto_daily.csv", columns=["BTC"])
    equities = ce.read_prices(DATA / "equity_daily.csv", columns=COLUMNS)
    prices = coins.join(equities, how="outer")
    return ce.to_returns(prices, sessions="SPY", span="common").loc["2020-03-23":"2025-01-29"]


@pytest.mark.parametrize(("events", "agreements"), [(10, 4), (20, 9), (40, 18)])
def test_relative_moves_of_tech_have_no_echo(returns, events, agreements):
    found = move_concordance_test(returns["BTC"], returns["XLK"], returns["SPY"], events=events)
    # the last three sessions are no whole week; with them the fortieth event is another
    assert found.detail["sessions left out at the ends"] == 3
    assert found.detail["agreements"] == agreements
    assert found.pvalue > 0.7
    assert found.detail["p-value, binomial, one half"] > 0.7
    assert found.detail["share, 95% upper"] < 0.75


@pytest.mark.parametrize(("events", "agreements", "half"), [(10, 7, 0.172), (20, 14, 0.058), (40, 31, 0.0003)])
def test_moves_of_tech_with_the_market_do(returns, events, agreements, half):
    found = move_concordance_test(returns["BTC"], returns["QQQ"], events=events)
    assert found.detail["agreements"] == agreements
    assert found.detail["p-value, binomial, one half"] == pytest.approx(half, abs=5e-4)
    assert found.detail["share, 95% upper"] < 1.0  # "every" it is not
