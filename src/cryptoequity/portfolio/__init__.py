"""What one does with a covariance path: hedges, weights, value at risk, backtests."""

from .backtests import acerbi_szekely_test, christoffersen_test, kupiec_test, mcneil_frey_test
from .hedging import (
    HedgingEffectiveness,
    hedge_ratio,
    hedging_effectiveness,
    minimum_variance_weights,
    partial_correlation,
    portfolio_returns,
    portfolio_volatility,
)
from .risk import expected_shortfall, value_at_risk

__all__ = [
    "HedgingEffectiveness",
    "acerbi_szekely_test",
    "christoffersen_test",
    "expected_shortfall",
    "hedge_ratio",
    "hedging_effectiveness",
    "kupiec_test",
    "mcneil_frey_test",
    "minimum_variance_weights",
    "partial_correlation",
    "portfolio_returns",
    "portfolio_volatility",
    "value_at_risk",
]
