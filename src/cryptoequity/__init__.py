"""How crypto and equities move together: dynamic correlation and an honest test of the re-rating claim.

Names are imported on first use, so ``import cryptoequity`` compiles nothing and draws nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import plots
    from .claim import Coverage, Evidence, Plan, ReRating, Verdict, check_coverage, shift_test, test_claim
    from .correlation import (
        ADCC,
        AGDCC,
        BEKK,
        CCC,
        CDCC,
        DCC,
        DCCMIDAS,
        DCCX,
        DECO,
        DSTCC,
        EWMA,
        GOGARCH,
        OGARCH,
        STCC,
        BerbenJansen,
        CopulaDCC,
        CorrelationFit,
        CorrelationSpec,
        CorrelationTarget,
        CovarianceFit,
        Forecast,
        HedgingEffectiveness,
        RiskMetrics2006,
        RollingFit,
        ScoreDriven,
        acerbi_szekely_test,
        bera_kim_test,
        berben_jansen_test,
        christoffersen_test,
        compare,
        correlation_target,
        driver_effect_test,
        driver_test,
        engle_sheppard_test,
        expected_shortfall,
        hedge_ratio,
        hedging_effectiveness,
        hosking_test,
        kupiec_test,
        li_mcleod_test,
        likelihood_ratio_test,
        ling_li_test,
        mcneil_frey_test,
        minimum_variance_weights,
        news_impact,
        partial_correlation,
        portfolio_returns,
        portfolio_volatility,
        roll,
        second_transition_test,
        stcc_test,
        tse_test,
        value_at_risk,
        wald_test,
    )
    from .data import (
        DownloadError,
        at_close,
        check_prices,
        check_returns,
        load_multiples,
        load_sample,
        load_truth,
        read_prices,
        sources,
        to_returns,
    )
    from .errors import (
        BoundaryWarning,
        ConvergenceError,
        ConvergenceWarning,
        CryptoEquityError,
        CryptoEquityWarning,
        DataError,
        LevelsWarning,
        SpecError,
    )
    from .report import write_report
    from .volatility import EGARCH, GARCH, ArchMargin, MarginFit, Margins, fit_margins

# public name -> room, in reading order
_ROOMS: dict[str, str] = {
    "read_prices": "data",
    "check_prices": "data",
    "to_returns": "data",
    "at_close": "data",
    "check_returns": "data",
    "load_sample": "data",
    "load_multiples": "data",
    "load_truth": "data",
    "sources": "data",
    "DownloadError": "data",
    "GARCH": "volatility",
    "EGARCH": "volatility",
    "fit_margins": "volatility",
    "Margins": "volatility",
    "MarginFit": "volatility",
    "ArchMargin": "volatility",
    "CCC": "correlation",
    "DCC": "correlation",
    "CDCC": "correlation",
    "ADCC": "correlation",
    "AGDCC": "correlation",
    "DECO": "correlation",
    "ScoreDriven": "correlation",
    "STCC": "correlation",
    "DSTCC": "correlation",
    "BerbenJansen": "correlation",
    "DCCX": "correlation",
    "DCCMIDAS": "correlation",
    "CopulaDCC": "correlation",
    "EWMA": "correlation",
    "RiskMetrics2006": "correlation",
    "BEKK": "correlation",
    "OGARCH": "correlation",
    "GOGARCH": "correlation",
    "CorrelationSpec": "correlation",
    "CorrelationFit": "correlation",
    "CovarianceFit": "correlation",
    "Forecast": "correlation",
    "CorrelationTarget": "correlation",
    "correlation_target": "correlation",
    "roll": "correlation",
    "RollingFit": "correlation",
    "compare": "correlation",
    "wald_test": "correlation",
    "likelihood_ratio_test": "correlation",
    "news_impact": "correlation",
    "engle_sheppard_test": "correlation",
    "tse_test": "correlation",
    "bera_kim_test": "correlation",
    "stcc_test": "correlation",
    "berben_jansen_test": "correlation",
    "second_transition_test": "correlation",
    "driver_test": "correlation",
    "driver_effect_test": "correlation",
    "hosking_test": "correlation",
    "li_mcleod_test": "correlation",
    "ling_li_test": "correlation",
    "hedge_ratio": "correlation",
    "hedging_effectiveness": "correlation",
    "HedgingEffectiveness": "correlation",
    "minimum_variance_weights": "correlation",
    "partial_correlation": "correlation",
    "portfolio_returns": "correlation",
    "portfolio_volatility": "correlation",
    "value_at_risk": "correlation",
    "expected_shortfall": "correlation",
    "kupiec_test": "correlation",
    "christoffersen_test": "correlation",
    "acerbi_szekely_test": "correlation",
    "mcneil_frey_test": "correlation",
    "ReRating": "claim",
    "check_coverage": "claim",
    "Coverage": "claim",
    "Plan": "claim",
    "test_claim": "claim",
    "Verdict": "claim",
    "Evidence": "claim",
    "shift_test": "claim",
    "write_report": "report",
    "CryptoEquityError": "errors",
    "DataError": "errors",
    "SpecError": "errors",
    "ConvergenceError": "errors",
    "CryptoEquityWarning": "errors",
    "LevelsWarning": "errors",
    "ConvergenceWarning": "errors",
    "BoundaryWarning": "errors",
}

__all__ = [*_ROOMS, "__version__", "plots"]


def __getattr__(name: str) -> object:
    if name == "plots":  # a room of functions, used as ``ce.plots.correlation_path(...)``
        return import_module(f"{__name__}.plots")
    if name in _ROOMS:
        return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
