"""Regimes in the correlation of bitcoin with four equity series, found without the episodes: numbers of regimes.md.

    python docs/replication/regimes.py                     all pairs, 39 draws; a quarter of an hour of one core
    python docs/replication/regimes.py --draws 19 --only QQQ --out /tmp/trial

Reads daily closes as `jpmorgan.py` does, with the VIX besides, and writes regime_models, _numbers, _dates,
_driver_tests, _driver_coefficients, _concordance and _peaks.csv to docs/replication/results, with regime_paths.png and
regime_odds.png. Residuals are those of GARCH-t (bitcoin) and GJR-t (equities) margins; regimes are
those of RSDC with t errors. Every driver acts with one session's delay.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jpmorgan import BREAK, DATA, EQUITIES, OUT, PUBLISHED, START, read_data

import cryptoequity as ce
from cryptoequity.errors import ConvergenceError
from cryptoequity.plots.canvas import render, styled
from cryptoequity.plots.drawing import Drawing
from cryptoequity.plots.regimes import regime_correlation, regime_odds
from cryptoequity.regimes import RSDC
from cryptoequity.regimes.concordance import concordance_test
from cryptoequity.regimes.driver_tests import regime_driver_test
from cryptoequity.regimes.fit import RegimeFit
from cryptoequity.regimes.number import regime_number_test
from cryptoequity.regimes.peaks import correlation_peaks_test

# --- the plan, written down before any fit of this page was kept ------------------------------------------------
SEED, DRAWS, STARTS = 20261122, 39, 20
SHORTEST = 20  # sessions; shorter spells of a regime are given to the one before
SAMPLES = (("from 2016", START), ("from March 2020", BREAK))
SETS = (("press",), ("strength",), ("VIX",), ("strength", "VIX"))
# (drivers in the model, the one tested, whether its law is drawn)
TESTS: tuple[tuple[tuple[str, ...], str, bool], ...] = (
    (("press",), "press", True),
    (("strength",), "strength", False),
    (("VIX",), "VIX", False),
    (("strength", "VIX"), "strength", True),
)
SUSPECT = 0.10  # the law is drawn where the chi-squared's p-value is at most this; drawn ones were above it throughout


def drivers_of(prices: pd.DataFrame) -> pd.DataFrame:
    """Candidates for what moves the odds, by session: the delay is left to the model.

    press: 1 within the episodes the press named. strength: |126-session log change of XLK over SPY| in standard
    deviations of its own past, as `ReRating.from_relative_strength` measures it. VIX: its logarithm.
    """
    sessions = prices[["XLK", "SPY"]].dropna()
    # the rule's own delay is one session; the model's is too, and one is enough
    strength = ce.ReRating.from_relative_strength(sessions["XLK"], sessions["SPY"], lag=0, name="strength")
    vix = ce.read_prices(DATA / "equity_daily.csv", columns=["VIX"])["VIX"].dropna()
    index = vix.index.intersection(sessions.index)
    return pd.DataFrame(
        {
            "press": ce.ReRating.press().dummy(index),
            "strength": strength.driver(index),
            "VIX": np.log(vix.loc[index]),
        }
    ).dropna()


def model_row(fit: RegimeFit, coin: str, equity: str) -> dict[str, Any]:
    """One row of the table of models."""
    row: dict[str, Any] = {
        "model": f"RSDC-t, {fit.k} regimes",
        "loglik": fit.loglikelihood,
        "parameters": fit.estimate.free_count,
        "bic": fit.bic,
        "converged": fit.converged,
        "climbs": fit.n_climbs,
        "agree": fit.n_best_replicated,
        "degenerate starts": fit.n_degenerate,
        "rcm": fit.rcm()["baele"],
    }
    durations = fit.expected_durations()
    smoothed = fit.smoothed_probabilities.to_numpy()
    for j in range(fit.k):
        name = f"corr[{j + 1}].{coin},{equity}"
        row[f"level {j + 1}"], row[f"error {j + 1}"] = fit.params[name], fit.std_err[name]
        row[f"duration {j + 1}"] = durations["duration"].iloc[j]
        row[f"share {j + 1}"] = smoothed[:, j].mean()
    return row


def number_of(margins: ce.Margins, draws: int) -> dict[str, Any]:
    """Two regimes against a constant correlation, by draws from it."""
    test = regime_number_test(margins, RSDC(k=2), draws=draws, starts=STARTS // 2, rng=SEED, n_jobs=2)
    return {
        "statistic": test.statistic,
        "p": test.pvalue,
        "draws": int(np.isfinite(test.draws).sum()),
        "median of draws": np.nanmedian(test.draws),
        "largest draw": np.nanmax(test.draws),
        "invalid chi2 p": test.detail["invalid chi-squared p-value, for comparison"],
    }


def dates_of(fit: RegimeFit) -> Iterator[dict[str, Any]]:
    """Spells of the most probable regime of at least `SHORTEST` sessions."""
    for _, spell in fit.regime_dates(min_length=SHORTEST).iterrows():
        yield {"k": fit.k, **spell}


def concordance_of(fit: RegimeFit, dated: dict[str, ce.ReRating]) -> Iterator[dict[str, Any]]:
    """Overlap of the highest regime with episodes; p-values by all shifts of the calendar.

    To publication, because nobody has said which of the later sessions are episodes of the press; and to the end,
    counting them as none.
    """
    for name, episodes in dated.items():
        for until, end in (("publication", PUBLISHED), ("end", None)):
            for kind in ("filtered", "smoothed"):
                high = fit.probabilities(kind).iloc[:, -1].loc[:end]
                row: dict[str, Any] = {"dated by": name, "until": until, "kind": kind, "nobs": len(high)}
                try:
                    test = concordance_test(high, episodes.spells)
                except ce.DataError as error:
                    yield {**row, "remark": str(error)}
                    continue
                within = test.episodes.to_numpy(bool)
                if name == "press":
                    for number, (_, spell) in enumerate(test.spells.iterrows(), start=1):
                        row[f"episode {number}"] = spell["share in regime"]
                yield {
                    **row,
                    "episodes": test.detail["episodes"],
                    "inside": test.states[within].mean(),
                    "outside": test.states[~within].mean(),
                    "rho": test.statistic,
                    "p": test.pvalue,
                }


def peaks_of(fit: RegimeFit, coin: str, equity: str) -> Iterator[dict[str, Any]]:
    """Filtered correlation in and out of the episodes of the press to publication, and whether it peaks in them."""
    path = fit.conditional_correlation(coin, equity, "filtered").loc[:PUBLISHED]
    test = correlation_peaks_test(path, ce.ReRating.press().spells)
    for part, row in test.parts.iterrows():
        yield {"nobs": len(path), "part": part, **row}


def transitions_of(fit: RegimeFit) -> float:
    """Expected transitions between two regimes, given all data."""
    return float(fit.inference.smooth()[1].sum(axis=0)[~np.eye(2, dtype=bool)].sum())


def tests_of(
    margins: ce.Margins, drivers: pd.DataFrame, draws: int
) -> Iterator[tuple[tuple[str, ...], str, Any, float, str]]:
    """(drivers, the one tested, test, chi-squared p-value, remarks) of two regimes; the test holds both fits."""
    for used, tested, drawn in TESTS:
        options: dict[str, Any] = {"tested": [tested], "starts": STARTS, "rng": SEED}
        given = drivers[list(used)]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            test = regime_driver_test(margins, RSDC(k=2), given, method="lr", **options)
            chance, remark = test.pvalue, "; ".join(str(one.message) for one in said)
            if drawn and draws and chance <= SUSPECT:
                try:
                    test = regime_driver_test(
                        margins, RSDC(k=2), given, method="bootstrap", draws=draws, n_jobs=2, **options
                    )
                except ConvergenceError as error:
                    remark = f"{remark}; no law: {error}"
        yield used, tested, test, chance, remark


def one_cell(
    returns: pd.DataFrame,
    label: str,
    drivers: pd.DataFrame,
    dated: dict[str, ce.ReRating],
    draws: int,
    tables: dict[str, list[dict[str, Any]]],
) -> tuple[RegimeFit, RegimeFit]:
    """Everything for one pair and sample, into ``tables``; returns the two-regime fit without drivers, and with."""
    coin, equity = returns.columns
    span = {"first": returns.index[0].date(), "last": returns.index[-1].date(), "nobs": len(returns)}
    head = {"equity": equity, "sample": label}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        margins = ce.fit_margins(returns, {coin: ce.GARCH(dist="t"), equity: ce.GARCH(asymmetric=True, dist="t")})
        for name, spec in (("constant, t", ce.CCC(dist="t")), ("DCC-t", ce.DCC(dist="t"))):
            fit = spec.fit(margins)
            row = {"model": name, "loglik": fit.loglikelihood, "parameters": fit.estimate.free_count, "bic": fit.bic}
            level = fit.correlation(coin, equity).mean()
            tables["models"].append({**head, **span, "drivers": "none", **row, "level 1": level})
        if draws:
            tables["numbers"].append({**head, **number_of(margins, draws)})
    alone: list[RegimeFit] = []
    for k in (2, 3):
        for used in ((), *SETS):
            if k == 2 and used:
                continue  # those fits come with the tests below
            row = {"drivers": ", ".join(used) or "none"}
            try:
                with warnings.catch_warnings(record=True) as said:
                    warnings.simplefilter("always")
                    chosen = drivers[list(used)] if used else None
                    found = RSDC(k=k).fit(margins, drivers=chosen, starts=STARTS, rng=SEED)
            except ConvergenceError as error:
                tables["models"].append(
                    {**head, **span, **row, "model": f"RSDC-t, {k} regimes", "converged": False, "remark": str(error)}
                )
                continue
            remark = "; ".join(str(one.message).split(": ", 1)[-1] for one in said)
            tables["models"].append({**head, **span, **row, **model_row(found, coin, equity), "remark": remark})
            if not used:
                alone.append(found)
                tables["dates"] += [{**head, **spell} for spell in dates_of(found)]
    base = alone[0]
    tables["concordance"] += [{**head, **row} for row in concordance_of(base, dated)]
    tables["peaks"] += [{**head, **row} for row in peaks_of(base, coin, equity)]
    driven: RegimeFit = base
    for used, tested, test, chi, remark in tests_of(margins, drivers, draws):
        if test.fit is None or test.null_fit is None:
            raise RuntimeError("the test holds no fit.")
        row = {"drivers": ", ".join(used)}
        tables["models"].append({**head, **span, **row, **model_row(test.fit, coin, equity), "remark": remark})
        tables["tests"].append(
            {
                **head,
                **row,
                "tested": tested,
                "statistic": test.statistic,
                "df": test.detail["df"],
                "chi2 p": chi,
                "bootstrap p": test.pvalue if len(test.draws) else np.nan,
                "draws": test.detail.get("draws"),
                "median of draws": np.nanmedian(test.draws) if len(test.draws) else np.nan,
                "fewest transitions": test.detail["smallest expected transitions"],
                "transitions": transitions_of(test.null_fit),
            }
        )
        tables["coefficients"] += [
            {
                **head,
                **row,
                "coefficient": name,
                "estimate": one["estimate"],
                "error": one["std_err"],
                "wald p": one["pvalue"],
            }
            for name, one in test.coefficients.iterrows()
        ]
        if used == ("VIX",):
            driven = test.fit
    return base, driven


@styled
def pictures(found: dict[str, RegimeFit], driven: dict[str, RegimeFit], folder: Path) -> None:
    """Paths by pair, and the odds of leaving by the VIX."""
    episodes = ce.ReRating.press()
    figure = Drawing(figsize=(7.2, 2.55 * ((len(found) + 1) // 2)), layout="constrained")
    axes = figure.subplots((len(found) + 1) // 2, min(2, len(found)), squeeze=False).ravel()
    for ax, (equity, fit) in zip(axes, found.items(), strict=False):
        regime_correlation(fit, "BTC", equity, episodes=episodes, ax=ax)
    (folder / "regime_paths.png").write_bytes(render(figure, dpi=100))
    figure = Drawing(figsize=(7.2, 2.7 * ((len(driven) + 1) // 2)), layout="constrained")
    axes = figure.subplots((len(driven) + 1) // 2, min(2, len(driven)), squeeze=False).ravel()
    for ax, (equity, fit) in zip(axes, driven.items(), strict=False):
        regime_odds(fit, "VIX", ax=ax)
        ax.set_title(f"BTC and {equity}: leaving a regime, 95% intervals", loc="left", fontsize=8)
    (folder / "regime_odds.png").write_bytes(render(figure, dpi=100))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=DRAWS, help="at least 19, or 0 for none")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", nargs="*", help="equities")
    options = parser.parse_args(arguments)
    prices = read_data().prices
    drivers = drivers_of(prices)
    sessions = prices[["XLK", "SPY"]].dropna()
    dated = {
        "press": ce.ReRating.press(),
        "strength": ce.ReRating.from_relative_strength(sessions["XLK"], sessions["SPY"], name="XLK against SPY"),
    }
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("models", "numbers", "dates", "tests", "coefficients", "concordance", "peaks")
    }
    found, driven = {}, {}
    for equity in options.only or EQUITIES:
        for label, start in SAMPLES:
            begun = time.perf_counter()
            closes = prices[["BTC", equity]].dropna().loc[start : drivers.index[-1]]
            returns = ce.to_returns(closes)
            found[equity], driven[equity] = one_cell(returns, label, drivers, dated, options.draws, tables)
            print(f"{equity} {label}: {time.perf_counter() - begun:.0f} s", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    files = {"tests": "driver_tests", "coefficients": "driver_coefficients"}
    for name, rows in tables.items():
        path = options.out / f"regime_{files.get(name, name)}.csv"
        pd.DataFrame(rows).to_csv(path, index=False, float_format="%.6g")
    pictures(found, driven, options.out)


if __name__ == "__main__":
    main()
