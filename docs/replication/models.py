"""Every correlation model on bitcoin against four equity series: the numbers of docs/replication/models.md.

    python docs/replication/models.py                     all pairs, 199 draws; some tens of minutes on two cores
    python docs/replication/models.py --draws 19 --out /tmp/trial

Reads daily closes as `jpmorgan.py` does and writes docs/replication/results/models.csv and model_parameters.csv.
Two samples: all sessions from 2016, and those from 23 March 2020 on, after the level of the correlation moved.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jpmorgan import BREAK, EQUITIES, OUT, START, read_data

import cryptoequity as ce

SEED, DRAWS = 20261122, 199
LAG, WINDOW = 1, 126
DRIVER = "move of technology against the market over half a year, percent"


def driver_of(prices: pd.DataFrame) -> pd.Series:
    """|126-day log change of XLK over SPY|, percent, known at the close before.

    The claim is of re-ratings up and down, hence the absolute value; it is computed from no crypto price.
    """
    ratio = np.log(prices["XLK"] / prices["SPY"]).dropna()
    return (100.0 * ratio.diff(WINDOW).abs()).shift(LAG).dropna().rename("strength")


def specs() -> dict[str, tuple[Any, bool]]:
    """Name -> (specification, whether it takes the driver); t errors wherever the model has them."""
    return {
        "CCC": (ce.CCC(dist="t"), False),
        "EWMA .94": (ce.EWMA(), False),
        "EWMA QML": (ce.EWMA(lam="qml"), False),
        "RiskMetrics 2006": (ce.RiskMetrics2006(), False),
        "DCC": (ce.DCC(dist="t"), False),
        "DCC normal": (ce.DCC(), False),
        "DCC(2,1)": (ce.DCC(dist="t", p=2), False),
        "cDCC": (ce.CDCC(dist="t"), False),
        "ADCC": (ce.ADCC(dist="t"), False),
        "G-DCC": (ce.AGDCC(dist="t", asymmetric=False), False),
        "AG-DCC": (ce.AGDCC(dist="t"), False),
        "DECO": (ce.DECO(dist="t"), False),
        "score-driven": (ce.ScoreDriven(dist="t"), False),
        "DCC-MIDAS": (ce.DCCMIDAS(dist="t"), False),
        "copula DCC normal": (ce.CopulaDCC(dist="normal"), False),
        "copula DCC t": (ce.CopulaDCC(dist="t"), False),
        "scalar BEKK": (ce.BEKK(), False),
        "diagonal BEKK": (ce.BEKK(kind="diagonal"), False),
        "full BEKK": (ce.BEKK(kind="full"), False),
        "asymmetric BEKK": (ce.BEKK(asymmetric=True), False),
        "O-GARCH": (ce.OGARCH(), False),
        "GO-GARCH": (ce.GOGARCH(), False),
        "STCC": (ce.STCC(dist="t"), True),
        "DSTCC, time": (ce.DSTCC(dist="t", second="time"), True),
        "Berben-Jansen": (ce.BerbenJansen(dist="t"), False),
        "DCC-X": (ce.DCCX(dist="t", limit="sample"), True),
        "DCC-X, Fisher": (ce.DCCX(dist="t", form="fisher"), True),
    }


def one_model(
    name: str, spec: Any, driven: bool, returns: pd.DataFrame, margins: ce.Margins, driver: pd.Series, draws: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A row of the table of models, and rows of the table of parameters."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        options = {"driver": driver} if driven else {}
        data = margins if isinstance(spec, ce.CorrelationSpec) else returns
        fit = spec.fit(data, **options)
    coin, equity = returns.columns
    path = fit.correlation(coin, equity)
    row: dict[str, Any] = {
        "loglik": fit.loglikelihood,
        "parameters": fit.estimate.free_count,
        "bic": fit.bic,
        "nobs": fit.nobs,
        "converged": fit.converged,
        "mean": path.mean(),
        "sd": path.std(),
        "last": path.iloc[-1],
    }
    spells = ce.ReRating.press().spells
    inside = pd.Series(False, path.index)
    for k, spell in enumerate(spells.itertuples(), start=1):
        here = (path.index >= spell.start) & (path.index <= spell.end)
        inside |= here
        row[f"episode {k}"] = path[here].mean() if here.any() else np.nan
    row["outside"] = path[~inside].mean()
    row["remark"] = "; ".join(str(one.message).split(": ", 1)[-1] for one in said)
    if name in ("STCC", "Berben-Jansen"):
        effect = fit.driver_effect()
        row["effect"], row["effect_error"] = effect["estimate"].iloc[0], effect["std_err"].iloc[0]
    if name.startswith("DCC-X"):
        effect = fit.driver_effects()
        row["effect"], row["effect_error"] = effect["effect"].iloc[0], effect["std err"].iloc[0]
    if name in ("STCC", "Berben-Jansen", "DCC-X", "DCC-X, Fisher") and draws:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            test = ce.driver_effect_test(fit, draws=draws, rng=SEED)
        row["statistic"], row["bootstrap_p"], row["failed_draws"] = test.statistic, test.pvalue, test.detail["failed"]
    marginal = {f"{one.name}.{parameter}" for one in margins.fits for parameter in one.estimate.names}
    parameters = [
        {"parameter": label, "estimate": value, "error": fit.std_err[label], "at_bound": label in fit.at_bound}
        for label, value in fit.params.items()
        if label not in marginal or not isinstance(spec, ce.CorrelationSpec)
    ]
    return row, parameters


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", nargs="*", help="equities")
    options = parser.parse_args(arguments)
    prices = read_data().prices
    driver = driver_of(prices)
    rows, parameters = [], []
    for equity in options.only or EQUITIES:
        closes = prices[["BTC", equity]].dropna()
        for label, start in (("from 2016", START), ("from March 2020", BREAK)):
            returns = ce.to_returns(closes.loc[start:])
            returns = returns.loc[returns.index.isin(driver.index)]
            margins_of = {"BTC": ce.GARCH(dist="t"), equity: ce.GARCH(asymmetric=True, dist="t")}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                margins = ce.fit_margins(returns, margins_of)
            for name, (spec, driven) in specs().items():
                begun = time.perf_counter()
                row, found = one_model(name, spec, driven, returns, margins, driver, options.draws)
                span = {"first": returns.index[0].date(), "last": returns.index[-1].date()}
                rows.append({"equity": equity, "sample": label, **span, "model": name, **row})
                parameters += [{"equity": equity, "sample": label, "model": name, **one} for one in found]
                print(
                    f"{equity} {label} {name}: {row['loglik']:.2f} {row.get('bootstrap_p', '')} "
                    f"{time.perf_counter() - begun:.1f} s",
                    flush=True,
                )
    options.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).round(5).to_csv(options.out / "models.csv", index=False)
    pd.DataFrame(parameters).round(6).to_csv(options.out / "model_parameters.csv", index=False)


if __name__ == "__main__":
    main()
