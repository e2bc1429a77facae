"""The re-rating claim on real prices: every number and figure of docs/replication/jpmorgan.md, by one command.

    python docs/replication/jpmorgan.py                                  everything; resumes where --store has draws
    python docs/replication/jpmorgan.py --only BTC.IWM.press --draws 39 --out trial

Reads daily closes from the folder named by ``CRYPTOEQUITY_DATA`` and the plan from docs/replication/plans, and writes
docs/replication/results. The prices belong to their vendors and are not part of the project; what is computed from them
is. The dossier of the primary cell, which draws daily series, goes to docs/replication/dossier and is not kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats

import cryptoequity as ce
from cryptoequity.claim.battery import battery
from cryptoequity.claim.statistics import correlation, correlation_influence, forbes_rigobon
from cryptoequity.dependence import move_concordance_test
from cryptoequity.estimation.inference import ewc_test, t_interval
from cryptoequity.estimation.results import TestResult

HERE = Path(__file__).resolve().parent
OUT = HERE / "results"
DATA = Path(os.environ.get("CRYPTOEQUITY_DATA", HERE.parents[2] / "shared" / "data"))
FILES = (
    "crypto_daily.csv",
    "equity_daily.csv",
    "btc_nyclose_daily.csv",
    "rates_daily.csv",
    "valuation_monthly.csv",
    "ndx_pe_quarterly_unverified.csv",
)
PLAN = HERE / "plans" / "jpmorgan.toml"
REGISTRATION = HERE / "plans" / "jpmorgan.registration.json"

# --- what the plan file does not say: the cells around the primary one ----------------------------------------------
START, PUBLISHED = "2016-01-01", "2025-01-29"
# The first named episode begins on 23 March 2020. Five days of the crash, 16 to 20 March, would otherwise be the
# first days "outside"; the variant break-16-march has them.
BREAK = "2020-03-23"
SEED, DRAWS = 20261122, 199  # of every cell but the primary one
EQUITIES = ("PSCT", "IWM", "QQQ", "SPY")
GRID = (*EQUITIES, "XSW")
SMALL = ("PSCT", "IWM", "XSW")  # against QQQ in H5
PLACEBOS = ("GLD", "XLU", "XLP")
# Bitcoin is not in the basket, nor is SOL, which trades only from April 2020: a member that joins late makes a step.
# Each day the basket holds the same value of each coin, whatever its capitalization; coins that died are not in the
# files.
BASKET = ("ETH", "XRP", "LTC", "ADA", "DOGE", "TRX", "LINK", "BNB")
COINS = ("BTC", "ETH", "BASKET")
PRIMARY = "BTC.PSCT.press"
YEARS = (2020, 2022, 2024)
CRASH = ("2020-02-20", "2020-03-23")
YIELD = 21  # sessions over which the yield changes
FUNDS = ("PSCT", "XSW", "IWO", "IWM", "QQQ", "SPY", "ARKK", "XLU", "XLP", "GLD")  # of the descriptive tables
NY_CLOSE = "crypto: last trade of the hour before 16:00 New York on Bitstamp; equities: the exchange close"
FUND_CLOSE = "a bitcoin futures fund (BITO) and equities: the exchange close, 16:00 New York"


class Data(NamedTuple):
    """Prices by source; ``prices`` joins coins (24:00 UTC), the basket of them and equities (exchange close)."""

    prices: pd.DataFrame
    new_york: pd.DataFrame
    fund: pd.DataFrame
    multiples: pd.DataFrame
    drivers: pd.DataFrame


class Cell(NamedTuple):
    """One verdict to compute: what it is for, the prices, the plan."""

    role: str
    prices: pd.DataFrame
    plan: ce.Plan


def basket_of(coins: pd.DataFrame, members: Sequence[str] = BASKET) -> pd.Series:
    """Level of an equal-weighted basket, rebalanced daily, on the days on which every member has a close."""
    known = coins[list(members)].dropna()
    growth = known / known.shift(1)
    growth.iloc[0] = 1.0
    return growth.mean(axis=1).cumprod().rename("BASKET")


def read_data(folder: Path = DATA) -> Data:
    """Read the price files through `ce.read_prices`, which refuses what cannot be a price."""
    coins = ce.read_prices(folder / "crypto_daily.csv")
    coins = coins.join(basket_of(coins))
    every = ce.read_prices(folder / "equity_daily.csv")
    equities = every.drop(columns=["VIX", "COIN", "RUT", "NDX"])
    stamped = ce.read_prices(folder / "btc_nyclose_daily.csv", columns=["BTC_BSTP_1600ET", "BITO", "IBIT"])
    bitstamp = stamped["BTC_BSTP_1600ET"].dropna().rename("BTC")
    pair = coins[["BTC"]].rename(columns={"BTC": "BTC at 24:00 UTC"})
    # Bitstamp's span; both closes of bitcoin on the sessions on which both exist
    new_york = equities.join(bitstamp, how="inner").join(pair, how="left")
    fund = equities.join(stamped["BITO"].dropna(), how="inner").join(stamped["IBIT"], how="left").join(pair, how="left")
    ndx_pe = ce.read_prices(folder / FILES[5], columns=["NDX_PE_TTM_UNVERIFIED"]).iloc[:, 0]
    ndx_pe = ndx_pe.loc["2010-06-30":]  # PSCT, whose days are the sessions, trades from April 2010
    monthly = ce.read_prices(folder / FILES[4], columns=["SP500_PE_TTM"]).iloc[:, 0].dropna()
    months = ndx_pe.index.to_period("M").to_timestamp()  # Shiller's average of the month in which the quarter ends
    known = months.isin(monthly.index)
    market_pe = pd.Series(monthly.loc[months[known]].to_numpy(), ndx_pe.index[known])
    multiples = pd.DataFrame({"NDX": ndx_pe[known], "SP500": market_pe})
    sessions = equities.index[equities["SPY"].notna()]
    # yields are no prices (one was negative elsewhere), so they are read as they stand
    rates = pd.read_csv(folder / "rates_daily.csv", index_col="date", parse_dates=True)
    drivers = pd.DataFrame(
        {"VIX": every["VIX"].reindex(sessions), "change of TNX10Y": rates["TNX10Y"].reindex(sessions).diff(YIELD)}
    )
    return Data(coins.join(equities, how="outer"), new_york, fund, multiples, drivers)


def primary_plan(data: Data, draws: int | None = None) -> ce.Plan:
    """The plan of the file; another number of draws makes it an amended one."""
    return ce.Plan.from_toml(PLAN, prices=data.prices, draws=draws)


def episodes_of(data: Data) -> dict[str, ce.ReRating]:
    """The seven definitions: two from dates, five by rule. Options that are not named are the library's."""

    def rule(name: str, **options: Any) -> ce.ReRating:
        made = ce.Recipe(name, "XLK", "SPY", tuple(options.items()))
        return made.date(data.prices, "PSCT")

    multiple = ce.Recipe("valuation", "NDX", "SP500", (("report_lag", "45D"),), ("QQQ", "SPY"))
    return {
        "press": ce.ReRating.press(),
        "years": ce.ReRating.press(years=YEARS),
        "strength": rule("relative-strength"),
        "cycle": rule("cycle"),
        "markov": rule("markov"),
        "explosive": rule("explosive"),
        "valuation": multiple.date(data.prices, "PSCT", data.multiples),
    }


def cells(data: Data, draws: int | None = None, dated: dict[str, ce.ReRating] | None = None) -> dict[str, Cell]:
    """Every cell by name: coin.equity.definition[.variant]; ``draws`` None takes the declared numbers."""
    first = primary_plan(data, draws)
    dated = episodes_of(data) if dated is None else dated
    many = DRAWS if draws is None else draws
    # the pair, technology, the market and placebos; what needs more columns is asked of the primary cell alone
    slim: dict[str, Any] = {"altcoins": (), "sectors": (), "holders": (), "drivers": (), "volatility": None}
    slim |= {"alternatives": (), "draws": many}
    # the press list covers no day after publication, so there is nothing to confirm with it
    within = {"published": None, "end": PUBLISHED}

    def plan(coin: str, equity: str, definition: str, **changes: Any) -> ce.Plan:
        choices = {"crypto": coin, "equity": equity, "episodes": dated[definition]}
        large = "QQQ" if equity in SMALL else None
        return replace(first, **(slim | choices | {"large": large} | changes))

    prices = data.prices
    out = {PRIMARY: Cell("primary", prices, first)}
    for coin in COINS:
        for equity in GRID:
            name = f"{coin}.{equity}.press"
            if name != PRIMARY:
                out[name] = Cell("secondary", prices, plan(coin, equity, "press", **within))
    out["BTC.PSCT.years"] = Cell("variant", prices, plan("BTC", "PSCT", "years", **within))
    out["BTC.QQQ.years"] = Cell("variant", prices, plan("BTC", "QQQ", "years", **within))
    for definition in ("strength", "cycle", "markov", "explosive"):
        out[f"BTC.PSCT.{definition}"] = Cell("variant", prices, plan("BTC", "PSCT", definition))
    # the multiples end in 2025, so nothing after publication is dated by them
    out["BTC.PSCT.valuation"] = Cell("variant", prices, plan("BTC", "PSCT", "valuation", tech="QQQ", **within))
    for name, date in (("break-estimated", "estimate"), ("break-16-march", "2020-03-16")):
        out[f"{PRIMARY}.{name}"] = Cell("variant", prices, plan("BTC", "PSCT", "press", break_date=date, **within))
    needed = [*EQUITIES, "XLK", *PLACEBOS]
    for name, column in (("new-york-close", "BTC"), ("utc-close", "BTC at 24:00 UTC")):
        kept = data.new_york[[column, *needed]].rename(columns={column: "BTC"})
        if column == "BTC":
            kept.attrs["cryptoequity"] = {"close": NY_CLOSE}
        out[f"{PRIMARY}.{name}"] = Cell("variant", kept, plan("BTC", "PSCT", "press", start=None, **within))
    for name, column in (("fund-close", "BITO"), ("fund-span-utc", "BTC at 24:00 UTC")):
        kept = data.fund[[column, *needed]].rename(columns={column: "BTC"})
        if column == "BITO":
            kept.attrs["cryptoequity"] = {"close": FUND_CLOSE}
        changes = {"start": None, "break_date": None, **within}
        out[f"{PRIMARY}.{name}"] = Cell("variant", kept, plan("BTC", "PSCT", "press", **changes))
    return out


def describe(verdict: ce.Verdict, role: str, seconds: float) -> dict[str, Any]:
    """What is kept of a verdict: everything but the prices and series they could be rebuilt from."""
    record = verdict.to_dict()
    plan = {key: value for key, value in record["plan"].items() if key not in ("episodes", "alternatives", "dose")}
    window, full = verdict.sample.window, verdict.sample.full
    index = pd.DatetimeIndex(window.index)
    spells = verdict.plan.episodes.spells
    inside = verdict.plan.episodes.dummy(index).to_numpy()
    fit = verdict.dcc()
    test = verdict.sample.break_test
    return {
        "role": role,
        "seconds": round(seconds, 1),
        "sentence": verdict.sentence,
        "plan": plan | {"episodes": verdict.plan.episodes.name, "alternatives": len(verdict.plan.alternatives)},
        "plan_sha256": verdict.plan.sha256,
        "registration": record["registration"]
        and {key: record["registration"].get(key) for key in ("sha256", "time", "changes", "amendment")},
        "data_sha256": verdict.data_sha256,
        "versions": record["versions"],
        "failures": record["failures"],
        "close": record["returns_policy"]["close"],
        "first": str(index[0].date()),
        "last": str(index[-1].date()),
        "nobs": len(window),
        "full_first": str(full.index[0].date()),
        "nobs_full": len(full),
        "nobs_after": len(verdict.sample.after),
        "last_after": str(verdict.sample.after.index[-1].date()) if len(verdict.sample.after) else None,
        "break": None if verdict.sample.break_date is None else str(verdict.sample.break_date.date()),
        "break_test": None if test is None else {"statistic": test.statistic, "pvalue": test.pvalue},
        "circularity": verdict.plan.episodes.circularity,
        "episodes_sha256": verdict.plan.episodes.sha256,
        "spells": [
            [str(row.start.date()), str(row.end.date()), int(row.sign)]
            for row in spells.itertuples()
            if row.end >= index[0] and row.start <= index[-1]
        ],
        "correlation": sides(verdict, inside),
        "dcc": {name: [fit.params[name], fit.std_err[name]] for name in ("dcc.a", "dcc.b", "dcc.nu")},
        "trap": trap(verdict),
        **{key: record[key] for key in ("table", "evidence", "placement", "detectable", "statistic")},
        # the rates beside them are the library's, not this sample's: the page reads them when it is built
        "naive": {name: {"pvalue": row["pvalue"]} for name, row in record["naive"].items()},
        "null": [None if value is None else round(value, 6) for value in record["null"]],
    }


def sides(verdict: ce.Verdict, inside: np.ndarray) -> dict[str, float | None]:
    """Correlations inside and outside; None on a side with fewer than three sessions."""
    window = verdict.sample.window
    c, e = verdict.plan.crypto, verdict.plan.equity
    z = verdict.main.pipeline.world.z[:, [verdict.main.pipeline.crypto, verdict.main.pipeline.equity]]
    raw_in, raw_out, adjusted = forbes_rigobon(window[c].to_numpy(), window[e].to_numpy(), inside)
    found = {
        "residuals inside": correlation(*z[inside == 1.0].T),
        "residuals outside": correlation(*z[inside == 0.0].T),
        "returns inside": raw_in,
        "returns outside": raw_out,
        "returns inside, variance-adjusted": adjusted,
        "sessions inside": int(inside.sum()),
        "sessions outside": int((inside == 0.0).sum()),
    }
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def trap(verdict: ce.Verdict) -> dict[str, float]:
    """t of products of residuals on the episode dummy, Newey-West with 63 lags, on the full sample and after."""
    products = verdict.sample.residuals.prod(axis=1)
    dummy = verdict.plan.episodes.dummy(pd.DatetimeIndex(verdict.sample.full.index)).to_numpy()
    size = len(verdict.sample.window)
    out = {}
    for name, rows in (("full sample", slice(None)), ("after the break", slice(-size, None))):
        model = sm.OLS(products[rows], sm.add_constant(dummy[rows]))
        out[name] = float(model.fit(cov_type="HAC", cov_kwds={"maxlags": 63}).tvalues[1])
    return out


# --- description: correlations without a model --------------------------------------------------------------------
def session_returns(data: Data) -> pd.DataFrame:
    """Percent log returns of bitcoin and the equities on New York sessions, from November 2014."""
    names = [*dict.fromkeys([*FUNDS, "IJR", "IGV", "VBK", "XLK"])]
    late = data.prices.loc["2014-10-31":]  # ARKK's first day; nothing below looks back further
    return ce.to_returns(late[["BTC", *names]], equities=names, sessions="SPY", span="common")


def plain(
    returns: pd.DataFrame, pair: tuple[str, str], first: str, last: str, without: tuple[str, str] | None = None
) -> dict[str, Any]:
    """Correlation of two columns with n and dates."""
    part = returns.loc[first:last, list(pair)]
    if without is not None:
        part = part.drop(part.loc[without[0] : without[1]].index)
    value = float(part.corr().iloc[0, 1])
    return {"correlation": value, **dates(part)}


def dates(part: pd.DataFrame | pd.Series) -> dict[str, Any]:
    """How many sessions, from when to when."""
    return {"n": len(part), "first": str(part.index[0].date()), "last": str(part.index[-1].date())}


def published_figures(returns: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Figures others printed, on our prices; what they printed stands in the page with its source."""
    spy, qqq = ("BTC", "SPY"), ("BTC", "QQQ")
    out = {
        "imf.2017-2019": plain(returns, spy, "2017-01-01", "2019-12-31"),
        "imf.2020-2021": plain(returns, spy, "2020-01-01", "2021-12-31"),
        "imf.2020-2021 without the crash": plain(returns, spy, "2020-01-01", "2021-12-31", CRASH),
        "crash": plain(returns, spy, CRASH[0], "2020-03-20"),
    }
    for key, pair, window, when in (
        ("bloomberg.40d", spy, 40, "2024-09-20"),
        ("coindesk.30d", qqq, 30, "2024-11-15"),
    ):
        rows = returns.loc[:when].tail(window)
        out[key] = plain(rows, pair, str(rows.index[0].date()), when)
    return out


def calendar_years(returns: pd.DataFrame) -> pd.DataFrame:
    """Correlation with bitcoin by year; 2020 also from 23 March, which is what the years' tests use."""
    parts = {str(year): (f"{year}-01-01", f"{year}-12-31") for year in range(2016, 2026)}
    parts["2020 from 23 March"] = (BREAK, "2020-12-31")
    parts["2026 to July"] = ("2026-01-01", "2026-07-31")
    rows = {}
    for name, (first, last) in sorted(parts.items()):
        part = returns.loc[first:last]
        row = dates(part) | {other: part["BTC"].corr(part[other]) for other in FUNDS}
        for other in ("XLK", "QQQ"):
            row[f"{other}-SPY log return"] = float((part[other] - part["SPY"]).sum()) / 100.0
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("year")


def permute_years(years: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Exact permutation test of {2020, 2022, 2024} against {2021, 2023} on yearly correlations."""
    names = ["2020 from 23 March", "2021", "2022", "2023", "2024"]
    out = {}
    for column in FUNDS:
        values = years.loc[names, column].to_numpy()
        gaps = {
            chosen: values[list(chosen)].mean() - np.delete(values, list(chosen)).mean()
            for chosen in combinations(range(5), 3)
        }
        seen = gaps[0, 2, 4]
        p = sum(gap >= seen - 1e-12 for gap in gaps.values()) / len(gaps)
        out[column] = {"gap": float(seen), "pvalue": p, "smallest attainable": 1.0 / math.comb(5, 3)}
    return out


def spans() -> dict[str, tuple[str, str]]:
    """The windows the text speaks of, first and last day."""
    press = ce.ReRating.press().spells
    parts = {"2016 to the crash": (START, "2020-02-19"), "crash": (CRASH[0], "2020-03-20")}
    parts |= {f"episode {row.start.date()}": (str(row.start.date()), str(row.end.date())) for row in press.itertuples()}
    return parts | {"after the break": (BREAK, PUBLISHED), "after publication": ("2025-01-30", "2026-07-31")}


def windows(returns: pd.DataFrame) -> pd.DataFrame:
    """Correlations with bitcoin in these windows: of returns, and of residuals of margins fitted from June 2015."""
    kept = ["BTC", *FUNDS]
    part = returns.loc["2015-06-01":"2026-07-31", kept]
    specs = {name: ce.GARCH(dist="t") if name == "BTC" else ce.GARCH(asymmetric=True, dist="t") for name in kept}
    z = ce.fit_margins(part, specs).std_resid
    press = ce.ReRating.press()
    rows = {}
    for name, (first, last) in spans().items():
        rows[name] = part.loc[first:last].index
    late = part.loc[BREAK:PUBLISHED].index
    rows["outside the episodes"] = late[press.dummy(pd.DatetimeIndex(late)) == 0]
    frame = {}
    for name, days in rows.items():
        raw, clean = part.loc[days], z.loc[days]
        frame[name] = dates(raw) | {one: raw["BTC"].corr(raw[one]) for one in FUNDS}
        frame[name] |= {f"{one}, residuals": clean["BTC"].corr(clean[one]) for one in FUNDS}
    return pd.DataFrame.from_dict(frame, orient="index").rename_axis("window")


def synchrony(data: Data) -> pd.DataFrame:
    """Correlations of bitcoin's returns at 24:00 UTC with those at the exchange close, on the same sessions.

    At the exchange close: Bitstamp's last trade before 16:00 New York to March 2023, and the funds BITO (futures) and
    IBIT (spot) as long as they trade.
    """
    names = [*GRID, *PLACEBOS]
    sources = (
        ("Bitstamp, 16:00 New York", data.new_york, "BTC", BREAK, None),
        ("BITO", data.fund, "BITO", "2021-10-21", PUBLISHED),
        ("IBIT", data.fund, "IBIT", "2024-01-12", PUBLISHED),
    )
    rows = []
    for label, source, column, first, last in sources:
        both = source[[column, "BTC at 24:00 UTC", *names]].dropna()
        other = [*names, column] if column != "BTC" else names
        returns = ce.to_returns(both, equities=other, sessions="SPY", span="common").loc[first:last]
        late = returns["BTC at 24:00 UTC"]
        for name in names:
            near = returns[column].corr(returns[name])
            rows.append({"source": label, "fund": name, "exchange close": near, "24:00 UTC": late.corr(returns[name])})
            rows[-1] |= dates(returns)
    return pd.DataFrame(rows)


def gap(returns: pd.DataFrame, one: str, other: str, first: str, last: str) -> dict[str, Any]:
    """Correlation of bitcoin with one fund minus that with another, 95 % interval by equal-weighted cosines."""
    part = returns.loc[first:last, ["BTC", one, other]]
    coin, x, y = (part - part.mean()).to_numpy().T.copy()
    value = correlation(coin, x) - correlation(coin, y)
    error, df = ewc_test(correlation_influence(coin, x) - correlation_influence(coin, y))
    low, high = t_interval(value, error, df)
    return {"pair": f"{one} - {other}", **dates(part), "gap": value, "lower": low, "upper": high}


def overlap_with_bitcoin(returns: pd.DataFrame) -> list[dict[str, Any]]:
    """The Russell 2000 against the S&P 600, by MicroStrategy's membership of the former."""
    parts = (("before 2024", BREAK, "2023-12-31"), ("2024, MSTR in", "2024-01-01", "2024-06-28"))
    parts = (*parts, ("MSTR out", "2024-07-01", PUBLISHED))
    return [{"period": name, **gap(returns, "IWM", "IJR", first, last)} for name, first, last in parts]


def rankings(returns: pd.DataFrame) -> list[dict[str, Any]]:
    """Small against large technology in the windows in which the ranking was said to hold."""
    parts = {
        "after the break": (BREAK, PUBLISHED),
        "2020-2021": (BREAK, "2021-11-19"),
        "2022": ("2022-01-03", "2022-10-14"),
        "second half of 2024": ("2024-07-01", "2024-12-31"),
        "after publication": ("2025-01-30", "2026-07-31"),
    }
    rows = []
    for one, other in (("PSCT", "QQQ"), ("IWM", "QQQ"), ("XSW", "IGV"), ("IWM", "IJR")):
        rows += [{"period": name, **gap(returns, one, other, *span)} for name, span in parts.items()]
    return rows


def coin_gaps(data: Data, equity: str = "PSCT") -> dict[str, dict[str, Any]]:
    """Correlation of bitcoin's returns with the equity minus that of every other coin, on the coin's own sessions."""
    names = [name for name in data.prices.columns if name in (*BASKET, "SOL", "BASKET")]
    out = {}
    for name in names:
        three = data.prices[["BTC", name, equity]]
        part = ce.to_returns(three, equities=[equity], sessions=equity, span="common").loc[BREAK:PUBLISHED]
        table = part.corr()
        value = float(table.loc["BTC", equity] - table.loc[name, equity])
        out[name] = {"gap": value, **dates(part)}
    return out


def partials(returns: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Correlation with bitcoin given the market, or given technology: after the break, inside and outside."""
    part = returns.loc[BREAK:PUBLISHED]
    inside = ce.ReRating.press().dummy(pd.DatetimeIndex(part.index)).to_numpy() == 1.0
    out = {}
    for name, given in (("PSCT", "SPY"), ("XSW", "SPY"), ("QQQ", "SPY"), ("IWM", "SPY"), ("SPY", "QQQ")):
        row = {}
        for where, rows in (("all", inside | True), ("inside", inside), ("outside", ~inside)):
            r = part.loc[rows, ["BTC", name, given]].corr().to_numpy()
            top = r[0, 1] - r[0, 2] * r[1, 2]
            row[where] = float(top / math.sqrt((1.0 - r[0, 2] ** 2) * (1.0 - r[1, 2] ** 2)))
        out[f"{name} given {given}"] = row
    return out


def quarters(returns: pd.DataFrame) -> dict[str, Any]:
    """Rank correlation across quarters of the correlation with bitcoin and what might drive it."""
    part = returns.loc["2020-04-01":"2026-06-30"]
    period = pd.DatetimeIndex(part.index).to_period("Q")
    relative = (part["XLK"] - part["SPY"]).groupby(period).sum().abs()
    volatility = part["SPY"].groupby(period).std()
    out: dict[str, Any] = {"quarters": int(period.nunique())}
    for name in EQUITIES:
        rho = pd.Series({key: rows["BTC"].corr(rows[name]) for key, rows in part.groupby(period)})
        for label, other in (("size of the move of XLK against SPY", relative), ("volatility of SPY", volatility)):
            found = stats.spearmanr(rho, other.loc[rho.index])
            out[f"{name}, {label}"] = {"correlation": float(found.statistic), "pvalue": float(found.pvalue)}
    return out


def largest_moves(returns: pd.DataFrame) -> list[dict[str, Any]]:
    """How often bitcoin goes the way of technology's largest weekly moves: against the market, and by itself."""
    part = returns.loc[BREAK:PUBLISHED]
    rows = []
    for label, tech, market in (("XLK against SPY", "XLK", "SPY"), ("QQQ", "QQQ", None)):
        for events in (10, 20, 40):
            other = None if market is None else part[market]
            test = move_concordance_test(part["BTC"], part[tech], other, events=events)
            rows.append(
                {
                    "moves": label,
                    "events": events,
                    "agree": int(test.detail["agreements"]),
                    "pvalue": test.pvalue,
                    "coin p": float(stats.binom.sf(test.detail["agreements"] - 1, events, 0.5)),
                }
            )
    return rows


def always_positive(returns: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Share of sessions after the break with a positive 63-day correlation, and the lowest."""
    out = {}
    for name in EQUITIES:
        rolling = returns["BTC"].rolling(63).corr(returns[name])
        first = returns.loc[BREAK:].index[62]
        kept = rolling.loc[first:PUBLISHED]
        out[name] = {"positive": float((kept > 0).mean()), "lowest": float(kept.min())}
    return out


def peaks(returns: pd.DataFrame, equity: str, many: int = 5, window: int = 63) -> list[dict[str, Any]]:
    """The largest 63-day correlations after the break whose windows do not overlap, and whether they end inside."""
    rolling = returns["BTC"].rolling(window).corr(returns[equity])
    rolling = rolling.loc[rolling.index >= returns.loc[BREAK:].index[window - 1]].loc[:PUBLISHED]
    inside = ce.ReRating.press().dummy(pd.DatetimeIndex(rolling.index)).to_numpy()
    values, rows = rolling.to_numpy().copy(), []
    for _ in range(many):
        at = int(np.nanargmax(values))
        rows.append(
            {"date": str(rolling.index[at].date()), "correlation": float(values[at]), "inside": bool(inside[at])}
        )
        values[max(0, at - window + 1) : at + window] = np.nan
    return rows


def definitions(returns: pd.DataFrame, dated: dict[str, ce.ReRating]) -> dict[str, Any]:
    """Coverage, spells, agreement of every pair of definitions, and circularity, on the tested window."""
    part = returns.loc[BREAK:PUBLISHED]
    index = pd.DatetimeIndex(part.index)
    table = ce.overlap_table(dated.values(), index)
    names = {one.name: key for key, one in dated.items()}
    rows = {names[str(name)]: clean(row) for name, row in table.definitions.to_dict(orient="index").items()}
    pairs = [
        {"first": names[first], "second": names[second], **clean(row)}
        for (first, second), row in zip(table.to_frame().index, table.to_frame().to_dict(orient="records"), strict=True)
    ]
    circular = {}
    for key, one in dated.items():
        if one.by_data:
            found = one.diagnose_circularity(part[["BTC", "PSCT", "XLK", "GLD"]])
            circular[key] = {
                "stated": found.stated,
                "level": found.level,
                "assets": {str(name): clean(row) for name, row in found.table.to_dict(orient="index").items()},
            }
    return {"sessions": table.sessions, "rows": rows, "pairs": pairs, "circularity": circular}


def clean(row: Any) -> dict[str, Any]:
    """JSON-able copy of a row; missing numbers are None."""
    out = {}
    for key, value in dict(row).items():
        plain = value.item() if isinstance(value, np.generic) else value
        out[str(key)] = None if isinstance(plain, float) and not math.isfinite(plain) else plain
    return out


def descriptions(
    data: Data, years: pd.DataFrame, returns: pd.DataFrame, dated: dict[str, ce.ReRating]
) -> dict[str, Any]:
    """Everything on the page that is not a verdict and not a table of its own."""
    return {
        "published": published_figures(returns),
        "years": permute_years(years),
        "index overlap": overlap_with_bitcoin(returns),
        "rankings": rankings(returns),
        "coins": coin_gaps(data),
        "partials": partials(returns),
        "quarters": quarters(returns),
        "moves": largest_moves(returns),
        "positive": always_positive(returns),
        "peaks": {equity: peaks(returns, equity) for equity in EQUITIES},
        "definitions": definitions(returns, dated),
        "close": returns.attrs["cryptoequity"]["close"],
    }


def beside(cell: Cell, verdict: ce.Verdict, out: Path) -> dict[str, Any]:
    """What goes with the primary verdict and decides nothing: the whole curve, the battery, the dossier."""
    began = time.perf_counter()
    curve = ce.SpecificationCurve.fit(cell.plan, verdict.sample)
    frame = curve.to_frame()
    # the joint tests read the models and samples beside these rows too; the file holds what the page shows
    kept = ["definition", "equity", "edges", "coin", "sample", "model", "estimate", "pvalue", "sessions"]
    shown = frame[(frame["model"] == "correlation") | (frame["sample"] == "window")]
    shown[kept].round(3).to_csv(out / "specifications.csv", index=False)
    joint = {f"{family}, {name}": clean(row) for (family, name), row in curve.joint.iterrows()}
    tests: dict[str, TestResult] = {name: ce.specification_test(curve, name) for name in ("median", "share", "maximum")}
    found = battery(cell.plan, verdict.sample, verdict.main, cell.prices, np.random.SeedSequence(SEED))
    halfway = time.perf_counter()
    ce.write_report(verdict, HERE / "dossier" if out == OUT else out / "dossier", figures=("png",))
    return {
        "curve": {
            "specifications": len(frame),
            "rotations": len(curve.rotations),
            "own": curve.own,
            "joint": joint,
            "pvalues": {name: clean({"p": test.pvalue})["p"] for name, test in tests.items()},
            "failures": list(curve.failures),
            "unconverged": curve.unconverged,
        },
        "battery": found.to_dict(),
        "seconds": {"curve and battery": round(halfway - began, 1), "dossier": round(time.perf_counter() - halfway, 1)},
    }


# --- tables and figures --------------------------------------------------------------------------------------------
def verdict_table(records: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """One row a cell and hypothesis."""
    rows = []
    for cell, record in records.items():
        for key, row in record["table"].items():
            rows.append({"cell": cell, "hypothesis": key, **row})
    return pd.DataFrame(rows)


def draw_path(returns: pd.DataFrame, out: Path) -> None:
    """The full-sample DCC path of the primary pair: what the trap looks like."""
    import matplotlib.pyplot as plt

    part = returns.loc[START:PUBLISHED, ["BTC", "PSCT"]]
    margins = ce.fit_margins(part, {"BTC": ce.GARCH(dist="t"), "PSCT": ce.GARCH(asymmetric=True, dist="t")})
    path = ce.DCC(dist="t").fit(margins).correlation("BTC", "PSCT")
    rolling = part["BTC"].rolling(63).corr(part["PSCT"])
    figure, axes = plt.subplots(figsize=(9, 3.4), layout="constrained")
    for row in ce.ReRating.press().spells.itertuples():
        axes.axvspan(row.start, row.end, color="0.88" if row.sign > 0 else "#f4d9d0", lw=0)
    axes.plot(rolling.index, rolling, color="0.55", lw=0.8, label="63-day rolling")
    axes.plot(path.index, path, color="#b2182b", lw=1.1, label="DCC-t, full sample")
    axes.axvline(pd.Timestamp(BREAK), color="0.2", lw=0.9, ls="--")
    axes.axhline(0.0, color="0.6", lw=0.6)
    axes.set_ylabel("correlation, BTC and PSCT")
    axes.legend(frameon=False, loc="upper left")
    _save(figure, out / "path.png")


def draw_years(years: pd.DataFrame, out: Path) -> None:
    """Yearly correlations beside what technology did relative to the market."""
    import matplotlib.pyplot as plt

    rows = years.loc[[str(year) for year in range(2016, 2026)]]
    figure, panels = plt.subplots(2, 1, figsize=(9, 4.6), sharex=True, layout="constrained", height_ratios=(2, 1))
    place = np.arange(len(rows))
    named = [int(name) in YEARS for name in rows.index]
    panels[0].bar(place, rows["PSCT"], color=["#b2182b" if one else "0.7" for one in named], width=0.6)
    panels[0].plot(place, rows["GLD"], "D", color="#8c6d1f", ms=5, label="GLD (placebo)")
    panels[0].axhline(0.0, color="0.4", lw=0.6)
    panels[0].set_ylabel("correlation, BTC and PSCT")
    panels[0].legend(frameon=False, loc="upper left")
    panels[1].bar(place, 100 * rows["XLK-SPY log return"], color="#2166ac", width=0.6)
    panels[1].axhline(0.0, color="0.4", lw=0.6)
    panels[1].set_ylabel("XLK less SPY, %")
    panels[1].set_xticks(place, rows.index)
    _save(figure, out / "years.png")


def draw_null(records: dict[str, dict[str, Any]], out: Path) -> None:
    """Where the headline statistic falls among the draws of the null world, by definition."""
    import matplotlib.pyplot as plt

    wanted = (PRIMARY, "BTC.PSCT.years", "BTC.PSCT.strength")
    names = [name for name in wanted if name in records and records[name]["statistic"] is not None]
    if not names:
        return
    figure, panels = plt.subplots(
        1, len(names), figsize=(9, 2.7), sharex=True, sharey=False, layout="constrained", squeeze=False
    )
    for axes, name in zip(panels[0], names, strict=True):
        record = records[name]
        null = np.array([value for value in record["null"] if value is not None])
        p = record["table"]["H2"]["pvalue"]
        axes.hist(null, bins=30, color="0.75")
        axes.axvline(np.quantile(null, 0.95), color="0.3", lw=1.0, ls=":")
        axes.axvline(record["statistic"], color="#b2182b", lw=1.6)
        axes.set_title(f"{name}: p {'not defined' if p is None else f'= {p:.3f}'}", fontsize=10)
        axes.set_yticks([])
    figure.supxlabel("score contrast: null draws, their 95 % point (dotted), the data (red)", fontsize=9)
    _save(figure, out / "null.png")


def draw_specifications(curve: pd.DataFrame, out: Path) -> None:
    """The contrast under other definitions, edges, coins and equities on the tested window, sorted."""
    import matplotlib.pyplot as plt

    part = curve[(curve["sample"] == "window") & (curve["model"] == "correlation")].dropna(subset=["estimate"])
    rows = part.sort_values("estimate", ignore_index=True)
    figure, axes = plt.subplots(figsize=(9, 3.0), layout="constrained")
    shades = ("#b2182b", "#2166ac", "0.45", "#8c6d1f", "#5e3c99")
    for name, color in zip(rows["definition"].unique(), shades, strict=False):
        some = rows[rows["definition"] == name]
        axes.scatter(some.index, some["estimate"], color=color, s=8, label=name)
    axes.axhline(0.0, color="0.4", lw=0.7)
    axes.set_xlabel("specification, sorted")
    axes.set_ylabel("inside minus outside")
    axes.legend(frameon=False, loc="upper left", fontsize=8)
    _save(figure, out / "specifications.png")


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def file_hashes(folder: Path = DATA) -> dict[str, str]:
    """First sixteen digits of the SHA-256 of each file read."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()[:16] for name in FILES}


def written(content: dict[str, Any]) -> str:
    """JSON text, one line a cell's part, numbers to ten significant digits: what is asked of them is fewer."""

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: short(one) for key, one in value.items()}
        if isinstance(value, list):
            return [short(one) for one in value]
        return float(f"{value:.10g}") if isinstance(value, float) else value

    def lines(part: dict[str, Any], depth: int, deepest: int) -> str:
        pad = " " * (depth + 1)
        rows = []
        for key, value in part.items():
            nested = isinstance(value, dict) and value and depth < deepest
            text = lines(value, depth + 1, deepest) if nested else json.dumps(value, allow_nan=False)
            rows.append(f"{pad}{json.dumps(key)}: {text}")
        return "{\n" + ",\n".join(rows) + "\n" + " " * depth + "}"

    return lines(short(content), 0, 2) + "\n"


def main() -> None:
    """Compute what is asked for and write it."""
    import matplotlib

    matplotlib.use("Agg")
    parser = argparse.ArgumentParser(description="The re-rating claim on real prices.")
    parser.add_argument("--draws", type=int, help="of every cell; by default the plan's, and 199 around it")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="cells to recompute; the others are kept as they were written")
    parser.add_argument("--store", type=Path, help="folder of finished draws: a run that was stopped goes on from them")
    parser.add_argument("--list", action="store_true", help="name the cells and stop")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()

    data = read_data()
    dated = episodes_of(data)
    plans = cells(data, options.draws, dated)
    if options.list:
        print("\n".join(f"{name} ({cell.plan.draws} draws)" for name, cell in plans.items()))
        return
    unknown = sorted(set(options.only or ()) - set(plans))
    if unknown:
        parser.error(f"there is no cell {unknown[0]!r}; --list names them")
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "jpmorgan.json"
    registered = json.loads(REGISTRATION.read_text(encoding="utf-8"))
    print(f"registered plan {registered['sha256']}, this plan {plans[PRIMARY].plan.sha256}", flush=True)
    records: dict[str, dict[str, Any]] = {}
    extra: dict[str, Any] = {}
    if options.only is not None and file.exists():
        kept = json.loads(file.read_text(encoding="utf-8"))
        records, extra = kept["cells"], kept["beside"]
    returns = session_returns(data)
    years = calendar_years(returns)
    description = descriptions(data, years, returns, dated)
    for name in plans if options.only is None else options.only:
        cell = plans[name]
        whole = name == PRIMARY
        changed = whole and cell.plan.sha256 != registered["sha256"] and options.draws is not None
        began = time.perf_counter()
        verdict = ce.test_claim(
            cell.prices,
            cell.plan,
            n_jobs=options.jobs,
            drivers=data.drivers if whole else None,
            store=options.store,
            registration=REGISTRATION if whole else None,
            amendment=f"a trial with {options.draws} draws" if changed else None,
        )
        records[name] = describe(verdict, cell.role, time.perf_counter() - began)
        print(f"{name}, {records[name]['seconds']:.0f} s: {verdict.sentence}", flush=True)
        if whole:
            extra = beside(cell, verdict, options.out)
            print(f"beside it: {extra['seconds']}", flush=True)
        records = {key: records[key] for key in plans if key in records}
        content = {
            "data": {"sha256": file_hashes(), "rows": len(data.prices)},
            "primary": PRIMARY,
            "registered": {key: registered[key] for key in ("sha256", "version", "time")},
            "break": BREAK,
            "published": PUBLISHED,
            "basket": list(BASKET),
            "description": description,
            "beside": extra,
            "jobs": options.jobs,
            "seconds": round(sum(record["seconds"] for record in records.values()), 1),
            "cells": records,
        }
        file.write_text(written(content), encoding="utf-8")
    verdict_table(records).to_csv(options.out / "verdicts.csv", index=False, float_format="%.6f")
    years.to_csv(options.out / "calendar_years.csv", float_format="%.6f")
    windows(returns).to_csv(options.out / "windows.csv", float_format="%.6f")
    synchrony(data).to_csv(options.out / "synchrony.csv", index=False, float_format="%.6f")
    draw_path(returns, options.out)
    draw_years(years, options.out)
    draw_null(records, options.out)
    if (options.out / "specifications.csv").exists():
        draw_specifications(pd.read_csv(options.out / "specifications.csv"), options.out)


if __name__ == "__main__":
    main()
