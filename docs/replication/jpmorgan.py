"""The re-rating claim on real prices: every number and figure of docs/replication/jpmorgan.md.

    python docs/replication/jpmorgan.py                  all cells, 499 draws; about half an hour on two cores
    python docs/replication/jpmorgan.py --only PSCT.press --draws 99 --out /tmp/trial

Reads daily closes from the folder named by ``CRYPTOEQUITY_DATA`` and writes docs/replication/results. The prices
belong to their vendors and are not part of the project; what is computed from them is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import statsmodels.api as sm

import cryptoequity as ce
from cryptoequity.claim.statistics import correlation, correlation_influence, forbes_rigobon
from cryptoequity.estimation.inference import ewc_test, t_interval

HERE = Path(__file__).resolve().parent
OUT = HERE / "results"
DATA = Path(os.environ.get("CRYPTOEQUITY_DATA", HERE.parents[2] / "shared" / "data"))
FILES = (
    "crypto_daily.csv",
    "equity_daily.csv",
    "btc_nyclose_daily.csv",
    "valuation_monthly.csv",
    "ndx_pe_quarterly_unverified.csv",
)

# --- the plan, written down before any cell was run -------------------------------------------------------------
SEED, DRAWS = 20261122, 499
START, PUBLISHED = "2016-01-01", "2025-01-29"
# The first named episode begins on 23 March 2020. Five days of the crash, 16 to 20 March, would otherwise be the
# first days "outside"; the variant PSCT.press.break-16-march has them.
BREAK = "2020-03-23"
COINS = ("ETH", "XRP", "LTC", "ADA", "DOGE", "SOL", "TRX", "LINK", "BNB")  # every other coin in the file
PLACEBOS = ("GLD", "XLU")
EQUITIES = ("PSCT", "IWM", "QQQ", "SPY")
PRIMARY = "PSCT.press"
YEARS = (2020, 2022, 2024)
CRASH = ("2020-02-20", "2020-03-23")
NY_CLOSE = "crypto: last trade of the hour before 16:00 New York on Bitstamp; equities: the exchange close"


class Data(NamedTuple):
    """Prices by source file; ``prices`` joins coins (24:00 UTC) and equities (exchange close)."""

    prices: pd.DataFrame
    new_york: pd.DataFrame
    ndx_pe: pd.Series
    market_pe: pd.Series


class Cell(NamedTuple):
    """One verdict to compute: what it is for, the prices, the plan."""

    role: str
    prices: pd.DataFrame
    plan: ce.Plan


def read_data(folder: Path = DATA) -> Data:
    """Read the price files through `ce.read_prices`, which refuses what cannot be a price."""
    coins = ce.read_prices(folder / "crypto_daily.csv")
    equities = ce.read_prices(folder / "equity_daily.csv", columns=[*EQUITIES, "XLK", "IJR", *PLACEBOS])
    stamped = ce.read_prices(folder / "btc_nyclose_daily.csv", columns=["BTC_BSTP_1600ET"])
    bitstamp = stamped["BTC_BSTP_1600ET"].dropna().rename("BTC")
    pair = coins[["BTC"]].rename(columns={"BTC": "BTC at 24:00 UTC"})
    # Bitstamp's span; both closes of bitcoin on the sessions on which both exist
    new_york = equities.join(bitstamp, how="inner").join(pair, how="left")
    ndx_pe = ce.read_prices(folder / FILES[4], columns=["NDX_PE_TTM_UNVERIFIED"]).iloc[:, 0]
    ndx_pe = ndx_pe.loc["2010-03-31":]  # prices start in 2010
    monthly = ce.read_prices(folder / FILES[3], columns=["SP500_PE_TTM"]).iloc[:, 0].dropna()
    months = ndx_pe.index.to_period("M").to_timestamp()  # Shiller's average of the month in which the quarter ends
    known = months.isin(monthly.index)
    market_pe = pd.Series(monthly.loc[months[known]].to_numpy(), ndx_pe.index[known], name="SP500_PE_TTM")
    return Data(coins.join(equities, how="outer"), new_york, ndx_pe[known], market_pe)


def episodes_of(data: Data) -> dict[str, ce.ReRating]:
    """The four definitions."""
    prices = data.prices
    sessions = prices[["XLK", "SPY", "QQQ"]].dropna()
    return {
        "press": ce.ReRating.press(),
        "years": ce.ReRating.press(years=YEARS),
        "strength": ce.ReRating.from_relative_strength(sessions["XLK"], sessions["SPY"], name="XLK against SPY"),
        "valuation": ce.ReRating.from_valuation(
            data.ndx_pe,
            data.market_pe,
            report_lag="45D",
            prices=(sessions["QQQ"], sessions["SPY"]),
            name="trailing P/E, Nasdaq-100 (unverified) against S&P 500",
        ),
    }


def cells(data: Data, draws: int = DRAWS) -> dict[str, Cell]:
    """Every cell by name: equity.definition[.variant]."""
    dated = episodes_of(data)

    def plan(equity: str, definition: str, **changes: Any) -> ce.Plan:
        choices: dict[str, Any] = {
            "crypto": "BTC",
            "equity": equity,
            "episodes": dated[definition],
            "tech": "XLK",
            "market": "SPY",
            "large": "QQQ" if equity in ("PSCT", "IWM") else None,
            "altcoins": COINS,
            "placebos": PLACEBOS,
            "alternatives": tuple(dated[name] for name in ("press", "years", "strength") if name != definition),
            "break_date": BREAK,
            "start": START,
            "published": PUBLISHED,
            "draws": draws,
            "rng": SEED,
        }
        return ce.Plan(**(choices | changes))

    prices = data.prices
    out: dict[str, Cell] = {}
    for definition in ("press", "years", "strength"):
        for equity in EQUITIES:
            role = "primary" if f"{equity}.{definition}" == PRIMARY else "secondary"
            if definition != "press":
                role = "variant"
            out[f"{equity}.{definition}"] = Cell(role, prices, plan(equity, definition))
    # the multiples end in 2025, so nothing after publication is dated by them
    short = {"end": PUBLISHED, "published": None, "tech": "QQQ", "alternatives": ()}
    out["PSCT.valuation"] = Cell("variant", prices, plan("PSCT", "valuation", **short))
    out["PSCT.press.break-estimated"] = Cell("variant", prices, plan("PSCT", "press", break_date="estimate"))
    out["PSCT.press.break-16-march"] = Cell("variant", prices, plan("PSCT", "press", break_date="2020-03-16"))
    no_coins = {"altcoins": (), "alternatives": (), "start": None}
    for name, column in (("new-york-close", "BTC"), ("utc-close", "BTC at 24:00 UTC")):
        kept = data.new_york[[column, *EQUITIES, "XLK", *PLACEBOS]].rename(columns={column: "BTC"})
        if column == "BTC":
            kept.attrs["cryptoequity"] = {"close": NY_CLOSE}
        out[f"PSCT.press.{name}"] = Cell("variant", kept, plan("PSCT", "press", **no_coins))
    return out


def describe(verdict: ce.Verdict, role: str) -> dict[str, Any]:
    """What is kept of a verdict: everything but the prices and series they could be rebuilt from."""
    record = verdict.to_dict()
    plan = {key: value for key, value in record["plan"].items() if key not in ("episodes", "alternatives")}
    window, full = verdict.sample.window, verdict.sample.full
    index = pd.DatetimeIndex(window.index)
    spells = verdict.plan.episodes.spells
    inside = verdict.plan.episodes.dummy(index).to_numpy()
    c, e = verdict.plan.crypto, verdict.plan.equity
    raw_in, raw_out, adjusted = forbes_rigobon(window[c].to_numpy(), window[e].to_numpy(), inside)
    z = verdict.main.pipeline.world.z[:, [verdict.main.pipeline.crypto, verdict.main.pipeline.equity]]
    fit = verdict.dcc()
    test = verdict.sample.break_test
    return {
        "role": role,
        "sentence": verdict.sentence,
        "plan": plan | {"episodes": verdict.plan.episodes.name, "alternatives": len(verdict.plan.alternatives)},
        "plan_sha256": verdict.plan.sha256,
        "data_sha256": verdict.data_sha256,
        "versions": record["versions"],
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
        "correlation": {
            "residuals inside": correlation(*z[inside == 1.0].T),
            "residuals outside": correlation(*z[inside == 0.0].T),
            "returns inside": raw_in,
            "returns outside": raw_out,
            "returns inside, variance-adjusted": adjusted,
            "sessions inside": int(inside.sum()),
            "sessions outside": int((inside == 0.0).sum()),
        },
        "dcc": {name: [fit.params[name], fit.std_err[name]] for name in ("dcc.a", "dcc.b", "dcc.nu")},
        "trap": trap(verdict),
        **{key: record[key] for key in ("table", "evidence", "placement", "detectable", "statistic")},
        # the rates beside them are the library's, not this sample's: the page reads them when it is built
        "naive": {name: {"pvalue": row["pvalue"]} for name, row in record["naive"].items()},
        "null": [None if value is None else round(value, 8) for value in record["null"]],
    }


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
    """Percent log returns of bitcoin and the equities on New York sessions, from 2013."""
    names = [*EQUITIES, "IJR", "XLK", *PLACEBOS]
    return ce.to_returns(data.prices[["BTC", *names]], equities=names, sessions="SPY", span="common")


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
        row = dates(part) | {other: part["BTC"].corr(part[other]) for other in (*EQUITIES, *PLACEBOS)}
        for other in ("XLK", "QQQ"):
            row[f"{other}-SPY log return"] = float((part[other] - part["SPY"]).sum()) / 100.0
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("year")


def permute_years(years: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Exact permutation test of {2020, 2022, 2024} against {2021, 2023} on yearly correlations."""
    names = ["2020 from 23 March", "2021", "2022", "2023", "2024"]
    out = {}
    for column in (*EQUITIES, *PLACEBOS):
        values = years.loc[names, column].to_numpy()
        gaps = {
            chosen: values[list(chosen)].mean() - np.delete(values, list(chosen)).mean()
            for chosen in combinations(range(5), 3)
        }
        seen = gaps[0, 2, 4]
        p = sum(gap >= seen - 1e-12 for gap in gaps.values()) / len(gaps)
        out[column] = {"gap": float(seen), "pvalue": p, "smallest attainable": 1.0 / math.comb(5, 3)}
    return out


def windows(returns: pd.DataFrame) -> pd.DataFrame:
    """Raw correlations in the windows the text speaks of."""
    press = ce.ReRating.press().spells
    parts = {"2016 to the crash": (START, "2020-02-19"), "crash": (CRASH[0], "2020-03-20")}
    parts |= {f"episode {row.start.date()}": (str(row.start.date()), str(row.end.date())) for row in press.itertuples()}
    parts["after publication"] = ("2025-01-30", "2026-07-31")
    rows = []
    for name, (first, last) in parts.items():
        rows.append((name, returns.loc[first:last]))
    late = returns.loc[BREAK:PUBLISHED]
    rows.insert(5, ("outside the episodes", late[ce.ReRating.press().dummy(pd.DatetimeIndex(late.index)) == 0]))
    frame = {
        name: dates(part) | {other: part["BTC"].corr(part[other]) for other in (*EQUITIES, *PLACEBOS)}
        for name, part in rows
    }
    return pd.DataFrame.from_dict(frame, orient="index").rename_axis("window")


def synchrony(data: Data) -> pd.DataFrame:
    """Bitcoin at 16:00 New York against 24:00 UTC, same sessions, correlations of returns."""
    names = [*EQUITIES, *PLACEBOS]
    both = data.new_york[["BTC", "BTC at 24:00 UTC", *names]]
    returns = ce.to_returns(both, equities=names, sessions="SPY", span="common").loc[BREAK:]
    table = {f"{close}": [returns[close].corr(returns[name]) for name in names] for close in both.columns[:2]}
    frame = pd.DataFrame(table, index=pd.Index(names, name="equity"))
    frame.columns = ["16:00 New York", "24:00 UTC"]
    return frame.assign(**dates(returns))


def overlap_with_bitcoin(returns: pd.DataFrame) -> list[dict[str, Any]]:
    """Correlation of bitcoin with the Russell 2000 minus that with the S&P 600, by MicroStrategy's membership."""
    parts = (("before 2024", BREAK, "2023-12-31"), ("2024, MSTR in", "2024-01-01", "2024-06-28"))
    parts = (*parts, ("MSTR out", "2024-07-01", PUBLISHED))
    rows = []
    for name, first, last in parts:
        part = returns.loc[first:last, ["BTC", "IWM", "IJR"]]
        btc, iwm, ijr = (part - part.mean()).to_numpy().T.copy()
        gap = correlation(btc, iwm) - correlation(btc, ijr)
        error, df = ewc_test(correlation_influence(btc, iwm) - correlation_influence(btc, ijr))
        low, high = t_interval(gap, error, df)
        rows.append(
            {"period": name, "n": len(part), "first": first, "last": last} | {"gap": gap, "lower": low, "upper": high}
        )
    return rows


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


def definitions(data: Data, returns: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Coverage, spells, overlap with the press list, and circularity of every definition on the tested window."""
    index = pd.DatetimeIndex(returns.loc[BREAK:PUBLISHED].index)
    dated = episodes_of(data)
    out = {}
    for name, one in dated.items():
        out[name] = {
            "name": one.name,
            "coverage": one.coverage(index),
            "spells": one.n_spells(index),
            "jaccard with press": one.overlap(dated["press"], index)["jaccard"],
            "kappa with press": one.overlap(dated["press"], index)["kappa"],
            "circularity": one.circularity,
        }
    explained = dated["strength"].diagnose_circularity(returns.loc[BREAK:PUBLISHED, ["PSCT", "XLK", "GLD"]])
    out["strength"]["explained by volatility and moves"] = explained["share"].to_dict()
    return out


def descriptions(data: Data, years: pd.DataFrame, returns: pd.DataFrame) -> dict[str, Any]:
    """Everything on the page that is not a verdict and not a table of its own."""
    return {
        "published": published_figures(returns),
        "years": permute_years(years),
        "index overlap": overlap_with_bitcoin(returns),
        "peaks": {equity: peaks(returns, equity) for equity in EQUITIES},
        "definitions": definitions(data, returns),
        "close": returns.attrs["cryptoequity"]["close"],
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

    names = [name for name in ("PSCT.press", "PSCT.years", "PSCT.strength") if name in records]
    figure, panels = plt.subplots(
        1, len(names), figsize=(9, 2.7), sharex=True, sharey=True, layout="constrained", squeeze=False
    )
    for axes, name in zip(panels[0], names, strict=True):
        record = records[name]
        null = np.array([value for value in record["null"] if value is not None])
        axes.hist(null, bins=30, color="0.75")
        axes.axvline(np.quantile(null, 0.95), color="0.3", lw=1.0, ls=":")
        axes.axvline(record["statistic"], color="#b2182b", lw=1.6)
        axes.set_title(f"{name}: p = {record['table']['H2']['pvalue']:.3f}", fontsize=10)
        axes.set_yticks([])
    figure.supxlabel("score contrast: null draws, their 95 % point (dotted), the data (red)", fontsize=9)
    _save(figure, out / "null.png")


def draw_specifications(curve: pd.DataFrame, out: Path) -> None:
    """The contrast under other definitions, edges and equities, sorted."""
    import matplotlib.pyplot as plt

    rows = curve.sort_values("estimate", ignore_index=True)
    colors = dict(zip(rows["definition"].unique(), ("#b2182b", "#2166ac", "0.45", "#8c6d1f"), strict=False))
    figure, axes = plt.subplots(figsize=(9, 3.0), layout="constrained")
    for name, color in colors.items():
        part = rows[rows["definition"] == name]
        axes.scatter(part.index, part["estimate"], color=color, s=18, label=name)
    axes.axhline(0.0, color="0.4", lw=0.7)
    axes.set_xlabel("specification, sorted")
    axes.set_ylabel("inside minus outside")
    axes.legend(frameon=False, loc="upper left")
    _save(figure, out / "specifications.png")


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def file_hashes(folder: Path = DATA) -> dict[str, str]:
    """First sixteen digits of the SHA-256 of each file read."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()[:16] for name in FILES}


def main() -> None:
    """Compute what is asked for and write it."""
    import matplotlib

    matplotlib.use("Agg")
    parser = argparse.ArgumentParser(description="The re-rating claim on real prices.")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="cells to recompute; the others are kept as they were written")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "jpmorgan.json"

    data = read_data()
    plans = cells(data, options.draws)
    wanted = list(plans) if options.only is None else options.only
    records = (
        json.loads(file.read_text(encoding="utf-8"))["cells"] if options.only is not None and file.exists() else {}
    )
    returns = session_returns(data)
    years = calendar_years(returns)
    description = descriptions(data, years, returns)
    for name in wanted:
        cell = plans[name]
        verdict = ce.test_claim(cell.prices, cell.plan, n_jobs=options.jobs)
        records[name] = describe(verdict, cell.role)
        print(f"{name}: {verdict.sentence}", flush=True)
        if name == PRIMARY:
            verdict.specifications.to_csv(options.out / "specifications.csv", index=False, float_format="%.6f")
        records = {key: records[key] for key in plans if key in records}
        content = {
            "data": {"sha256": file_hashes(), "rows": len(data.prices)},
            "primary": PRIMARY,
            "break": BREAK,
            "published": PUBLISHED,
            "description": description,
            "cells": records,
        }
        file.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
    verdict_table(records).to_csv(options.out / "verdicts.csv", index=False, float_format="%.6f")
    years.to_csv(options.out / "calendar_years.csv", float_format="%.6f")
    windows(returns).to_csv(options.out / "windows.csv", float_format="%.6f")
    synchrony(data).to_csv(options.out / "synchrony.csv", float_format="%.6f")
    draw_path(returns, options.out)
    draw_years(years, options.out)
    draw_null(records, options.out)
    draw_specifications(pd.read_csv(options.out / "specifications.csv"), options.out)


if __name__ == "__main__":
    main()
