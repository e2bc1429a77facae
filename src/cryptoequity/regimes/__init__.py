"""Regime switching: hidden Markov models of returns, covariances and correlations, and their tests."""

from .autoregression import MarkovAutoregression
from .checks import berkowitz_test
from .chp import SwitchingTest, carrasco_hu_ploberger_test
from .concordance import ConcordanceTest, concordance_index, concordance_test
from .covariance import MarkovCovariance
from .driver_tests import RegimeDriverTest, regime_driver_test
from .duration import DurationDependence, DurationFit
from .duration_tests import DurationTest, duration_dependence_test
from .effects import ProfileInterval, driver_interval, expected_transitions, transition_effects
from .fit import RegimeFit, RegimeForecast
from .moment_tests import MomentTest, dufour_luger_test
from .msdcc import MSDCC
from .msdcc_fit import MSDCCFit
from .msgarch import MSGARCH
from .msgarch_fit import MSGARCHFit
from .number import RegimeNumberTest, regime_number_test
from .peaks import PeaksTest, correlation_peaks_test
from .regression import MarkovRegression
from .rsdc import RSDC
from .rsdc_fit import RSDCFit, RSDCForecast
from .selection import RegimeSelection, select_regimes
from .smooth_transition import (
    SmoothTransitionFit,
    SmoothTransitionRegression,
    SmoothTransitionTest,
    smooth_transition_test,
)
from .threshold import ThresholdFit, ThresholdRegression, ThresholdTest, threshold_test
from .vector import MarkovVAR

__all__ = [
    "MSDCC",
    "MSGARCH",
    "RSDC",
    "ConcordanceTest",
    "DurationDependence",
    "DurationFit",
    "DurationTest",
    "MSDCCFit",
    "MSGARCHFit",
    "MarkovAutoregression",
    "MarkovCovariance",
    "MarkovRegression",
    "MarkovVAR",
    "MomentTest",
    "PeaksTest",
    "ProfileInterval",
    "RSDCFit",
    "RSDCForecast",
    "RegimeDriverTest",
    "RegimeFit",
    "RegimeForecast",
    "RegimeNumberTest",
    "RegimeSelection",
    "SmoothTransitionFit",
    "SmoothTransitionRegression",
    "SmoothTransitionTest",
    "SwitchingTest",
    "ThresholdFit",
    "ThresholdRegression",
    "ThresholdTest",
    "berkowitz_test",
    "carrasco_hu_ploberger_test",
    "concordance_index",
    "concordance_test",
    "correlation_peaks_test",
    "driver_interval",
    "dufour_luger_test",
    "duration_dependence_test",
    "expected_transitions",
    "regime_driver_test",
    "regime_number_test",
    "select_regimes",
    "smooth_transition_test",
    "threshold_test",
    "transition_effects",
]
