"""Breaks in the correlation of bitcoin with four equity series, and explosive episodes: the numbers of breaks.md.

    python docs/replication/breaks.py                     all pairs, 199 draws; about ten minutes
    python docs/replication/breaks.py --draws 19 --out /tmp/trial

Reads daily closes as `jpmorgan.py` does and writes docs/replication/results/break_dates.csv, break_tests.csv and
explosive_episodes.csv. Residuals are those of GARCH-t (bitcoin) and GJR-t (equities) margins, from 2016.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jpmorgan import EQUITIES, OUT, START, read_data

import cryptoequity as ce

SEED, DRAWS = 20261122, 199
PANDEMIC = pd.Timestamp("2020-02-24")  # first session of the fall of February 2020
BOUNDS = {"trim": 0.15}  # fewest days of a regime, a share of the sample


def interval_of(fit: Any, date: pd.Timestamp, number: int) -> tuple[Any, Any]:
    """95 % interval of a break, whatever the fit labels its rows by."""
    table = fit.conf_int()
    row = table.loc[date] if date in table.index else table.iloc[number]
    return row["lower"], row["upper"]


def dated(method: str, fit: Any, chosen: str) -> Iterator[dict[str, Any]]:
    """One row a break."""
    with_interval = hasattr(fit, "conf_int")
    for number, date in enumerate(fit.break_dates):
        lower, upper = interval_of(fit, date, number) if with_interval else (pd.NaT, pd.NaT)
        yield {"method": method, "chosen": chosen, "break": number + 1, "date": date, "lower": lower, "upper": upper}


def dates_of(margins: ce.Margins) -> Iterator[dict[str, Any]]:
    """Dates by every method: one break for all, and as many as each finds."""
    z = margins.std_resid
    product = z.prod(axis=1).rename("product of residuals")
    one = ce.GaleanoWied(alpha=0.499, min_size=126).fit(margins)
    peak = one.path.idxmax()
    yield {
        "method": "Wied-Krämer-Dehling, peak",
        "chosen": "one",
        "break": 1,
        "date": peak,
        "lower": pd.NaT,
        "upper": pd.NaT,
    }
    local = ce.dette_wu_zhou_test(z, filter=None, draws=199, rng=SEED)
    yield {
        "method": "Dette-Wu-Zhou, peak",
        "chosen": "one",
        "break": 1,
        "date": local.break_date,
        "lower": pd.NaT,
        "upper": pd.NaT,
    }
    for chosen, select in (("one", 1), ("found", "sequential")):
        most = {"max_breaks": 1} if select == 1 else {"max_breaks": 3}
        bai = ce.BaiPerron(cov_type="HAC", select=select, **most, **BOUNDS).fit(product)
        yield from dated("Bai-Perron on products, HAC", bai, chosen)
        system = ce.QuPerron(changes="covariance", select=select, **most, **BOUNDS).fit(margins)
        yield from dated("Qu-Perron, covariance", system, chosen)
    yield from dated("Galeano-Wied", ce.GaleanoWied(min_size=126).fit(margins), "found")
    for chosen, count in (("one", 1), ("found", None)):
        points = ce.ChangePoints(cost="correlation", n_breaks=count, min_size=126).fit(z)
        yield from dated("least cost, correlation", points, chosen)


def tests_of(margins: ce.Margins, draws: int) -> Iterator[dict[str, Any]]:
    """P-values of a constant correlation, against every law."""
    for law in ("asymptotic", "block", "multiplier", "dcc"):
        test = ce.wied_kraemer_dehling_test(margins, pvalue=law, draws=draws, rng=SEED)
        yield {"test": "Wied-Krämer-Dehling", "law": law, "statistic": test.statistic, "pvalue": test.pvalue}
    test = ce.dette_wu_zhou_test(margins, draws=draws, rng=SEED)
    yield {"test": "Dette-Wu-Zhou", "law": "multiplier", "statistic": test.statistic, "pvalue": test.pvalue}
    for law in ("asymptotic", "dcc"):
        test = ce.equal_correlation_test(margins, date=PANDEMIC, pvalue=law, draws=draws, rng=SEED)
        yield {
            "test": "equal before and after 2020-02-24",
            "law": law,
            "statistic": test.statistic,
            "pvalue": test.pvalue,
        }


def explosive(prices: pd.DataFrame, draws: int) -> tuple[list[dict[str, Any]], list[pd.DataFrame]]:
    """GSADF of log bitcoin and of log technology over the market, with dates."""
    series = {
        "log BTC": np.log(prices["BTC"]),
        "log XLK / SPY": np.log(prices["XLK"] / prices["SPY"]),
    }
    rows, episodes = [], []
    for name, levels in series.items():
        levels = levels.loc[START:].dropna().rename(name)
        test = ce.gsadf_test(levels, lag=1, draws=draws, rng=SEED)
        rows.append(
            {"equity": name, "test": "GSADF, lag 1", "law": "wild", "statistic": test.statistic, "pvalue": test.pvalue}
        )
        for critical in ("family", "psy"):
            found = test.episodes(critical=critical)
            found.insert(0, "critical", critical)
            found.insert(0, "series", name)
            episodes.append(found)
    return rows, episodes


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", nargs="*", help="equities")
    options = parser.parse_args(arguments)
    prices = read_data().prices
    dates: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    for equity in options.only or EQUITIES:
        returns = ce.to_returns(prices[["BTC", equity]].dropna().loc[START:])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            margins = ce.fit_margins(returns, {"BTC": ce.GARCH(dist="t"), equity: ce.GARCH(asymmetric=True, dist="t")})
            index = margins.std_resid.index
            home = index.searchsorted(PANDEMIC)
            for row in dates_of(margins):
                held = row["lower"] <= PANDEMIC <= row["upper"] if pd.notna(row["lower"]) else None
                away = int(index.searchsorted(row["date"]) - home)
                dates.append({"equity": equity, **row, "sessions from 2020-02-24": away, "holds it": held})
            tests += [{"equity": equity, **row} for row in tests_of(margins, options.draws)]
        print(equity, flush=True)
    rows, episodes = explosive(prices, options.draws)
    options.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(dates).to_csv(options.out / "break_dates.csv", index=False)
    pd.DataFrame(tests + rows).to_csv(options.out / "break_tests.csv", index=False, float_format="%.6g")
    pd.concat(episodes).to_csv(options.out / "explosive_episodes.csv", index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
