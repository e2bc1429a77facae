"""Dependence beyond correlation: tails, exceedances, joint jumps, connectedness, and who moves first."""

from .closing_times import CrossDayCorrelation, aggregated_correlation, crypto_leads_test, overlapping_correlation
from .connectedness_contrast import ConnectednessContrast, connectedness_contrast_test
from .decomposition import ConnectednessFit, connectedness, quantile_connectedness
from .every_spell import EverySpellTest, every_spell_test
from .exceedance import (
    ExceedanceCorrelation,
    HongTuZhouTest,
    exceedance_correlation,
    hong_tu_zhou_test,
    normal_exceedance_correlation,
)
from .jumps import CojumpTest, cojump_episode_test, cojump_test
from .lead_lag import LeadLagTest, lead_lag_test
from .moves import MoveConcordanceTest, move_concordance_test
from .rolling_decomposition import RollingConnectedness, rolling_connectedness
from .tails import TailDependence, TailEqualityTest, normal_tail_share, tail_dependence, tail_equality_test
from .variance_series import log_variances

__all__ = [
    "CojumpTest",
    "ConnectednessContrast",
    "ConnectednessFit",
    "CrossDayCorrelation",
    "EverySpellTest",
    "ExceedanceCorrelation",
    "HongTuZhouTest",
    "LeadLagTest",
    "MoveConcordanceTest",
    "RollingConnectedness",
    "TailDependence",
    "TailEqualityTest",
    "aggregated_correlation",
    "cojump_episode_test",
    "cojump_test",
    "connectedness",
    "connectedness_contrast_test",
    "crypto_leads_test",
    "every_spell_test",
    "exceedance_correlation",
    "hong_tu_zhou_test",
    "lead_lag_test",
    "log_variances",
    "move_concordance_test",
    "normal_exceedance_correlation",
    "normal_tail_share",
    "overlapping_correlation",
    "quantile_connectedness",
    "rolling_connectedness",
    "tail_dependence",
    "tail_equality_test",
]
