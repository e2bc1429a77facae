"""Dynamic correlation: the DCC family, driven correlation, covariance models, tests, and what one does with a fit."""

from .asymmetric import ADCC, AGDCC
from .backtests import acerbi_szekely_test, christoffersen_test, kupiec_test, mcneil_frey_test
from .bekk import BEKK
from .cdcc import CDCC
from .comparison import compare
from .constancy import bera_kim_test, engle_sheppard_test, tse_test
from .copula import CopulaDCC
from .covariance import CovarianceFit
from .dcc import CCC, DCC
from .dccx import DCCX
from .deco import DECO
from .driver_effect import driver_effect_test
from .ewma import EWMA, RiskMetrics2006
from .fit import CorrelationFit, Forecast
from .gogarch import GOGARCH, OGARCH
from .hedging import (
    HedgingEffectiveness,
    hedge_ratio,
    hedging_effectiveness,
    minimum_variance_weights,
    partial_correlation,
    portfolio_returns,
    portfolio_volatility,
)
from .impact import news_impact
from .midas import DCCMIDAS
from .portmanteau import hosking_test, li_mcleod_test, ling_li_test
from .restrictions import likelihood_ratio_test, wald_test
from .risk import expected_shortfall, value_at_risk
from .rolling import RollingFit, roll
from .score_driven import ScoreDriven
from .spec import CorrelationSpec
from .stcc import DSTCC, STCC, BerbenJansen
from .targets import CorrelationTarget, correlation_target
from .transition_tests import berben_jansen_test, driver_test, second_transition_test, stcc_test

__all__ = [
    "ADCC",
    "AGDCC",
    "BEKK",
    "CCC",
    "CDCC",
    "DCC",
    "DCCMIDAS",
    "DCCX",
    "DECO",
    "DSTCC",
    "EWMA",
    "GOGARCH",
    "OGARCH",
    "STCC",
    "BerbenJansen",
    "CopulaDCC",
    "CorrelationFit",
    "CorrelationSpec",
    "CorrelationTarget",
    "CovarianceFit",
    "Forecast",
    "HedgingEffectiveness",
    "RiskMetrics2006",
    "RollingFit",
    "ScoreDriven",
    "acerbi_szekely_test",
    "bera_kim_test",
    "berben_jansen_test",
    "christoffersen_test",
    "compare",
    "correlation_target",
    "driver_effect_test",
    "driver_test",
    "engle_sheppard_test",
    "expected_shortfall",
    "hedge_ratio",
    "hedging_effectiveness",
    "hosking_test",
    "kupiec_test",
    "li_mcleod_test",
    "likelihood_ratio_test",
    "ling_li_test",
    "mcneil_frey_test",
    "minimum_variance_weights",
    "news_impact",
    "partial_correlation",
    "portfolio_returns",
    "portfolio_volatility",
    "roll",
    "second_transition_test",
    "stcc_test",
    "tse_test",
    "value_at_risk",
    "wald_test",
]
