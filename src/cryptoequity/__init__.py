"""How crypto and equities move together: dynamic correlation and an honest test of the re-rating claim.

Names are imported on first use, so ``import cryptoequity`` compiles nothing and draws nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import plots
    from .breaks import BreakTest
    from .claim import Coverage, Evidence, Plan, ReRating, Verdict, check_coverage, shift_test, test_claim
    from .correlation import (
        ADCC,
        AGDCC,
        CCC,
        CDCC,
        DCC,
        DCCMIDAS,
        DCCX,
        DECO,
        DSTCC,
        STCC,
        BerbenJansen,
        CopulaDCC,
        CorrelationFit,
        CorrelationSpec,
        CorrelationTarget,
        Forecast,
        RollingFit,
        ScoreDriven,
        correlation_target,
        driver_effect_test,
        roll,
    )
    from .covariance import (
        BEKK,
        EWMA,
        GOGARCH,
        OGARCH,
        CovarianceFit,
        RiskMetrics2006,
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
    from .diagnostics import (
        bera_kim_test,
        berben_jansen_test,
        compare,
        driver_test,
        engle_sheppard_test,
        hosking_test,
        li_mcleod_test,
        likelihood_ratio_test,
        ling_li_test,
        news_impact,
        second_transition_test,
        stcc_test,
        tse_test,
        wald_test,
    )
    from .errors import (
        BoundaryWarning,
        ConvergenceError,
        ConvergenceWarning,
        CryptoEquityError,
        CryptoEquityWarning,
        DataError,
        FilteredSeriesWarning,
        LevelsWarning,
        SpecError,
    )
    from .portfolio import (
        HedgingEffectiveness,
        acerbi_szekely_test,
        christoffersen_test,
        expected_shortfall,
        hedge_ratio,
        hedging_effectiveness,
        kupiec_test,
        mcneil_frey_test,
        minimum_variance_weights,
        partial_correlation,
        portfolio_returns,
        portfolio_volatility,
        value_at_risk,
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
    "EWMA": "covariance",
    "RiskMetrics2006": "covariance",
    "BEKK": "covariance",
    "OGARCH": "covariance",
    "GOGARCH": "covariance",
    "CorrelationSpec": "correlation",
    "CorrelationFit": "correlation",
    "CovarianceFit": "covariance",
    "Forecast": "correlation",
    "CorrelationTarget": "correlation",
    "correlation_target": "correlation",
    "roll": "correlation",
    "RollingFit": "correlation",
    "compare": "diagnostics",
    "wald_test": "diagnostics",
    "likelihood_ratio_test": "diagnostics",
    "news_impact": "diagnostics",
    "engle_sheppard_test": "diagnostics",
    "tse_test": "diagnostics",
    "bera_kim_test": "diagnostics",
    "stcc_test": "diagnostics",
    "berben_jansen_test": "diagnostics",
    "second_transition_test": "diagnostics",
    "driver_test": "diagnostics",
    "driver_effect_test": "correlation",
    "hosking_test": "diagnostics",
    "li_mcleod_test": "diagnostics",
    "ling_li_test": "diagnostics",
    "hedge_ratio": "portfolio",
    "hedging_effectiveness": "portfolio",
    "HedgingEffectiveness": "portfolio",
    "minimum_variance_weights": "portfolio",
    "partial_correlation": "portfolio",
    "portfolio_returns": "portfolio",
    "portfolio_volatility": "portfolio",
    "value_at_risk": "portfolio",
    "expected_shortfall": "portfolio",
    "kupiec_test": "portfolio",
    "christoffersen_test": "portfolio",
    "acerbi_szekely_test": "portfolio",
    "mcneil_frey_test": "portfolio",
    "BreakTest": "breaks",
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
    "FilteredSeriesWarning": "errors",
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
