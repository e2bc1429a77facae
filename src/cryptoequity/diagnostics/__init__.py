"""Tests of correlation models, and models side by side."""

from .comparison import compare
from .constancy import bera_kim_test, engle_sheppard_test, tse_test
from .impact import news_impact
from .portmanteau import hosking_test, li_mcleod_test, ling_li_test
from .restrictions import likelihood_ratio_test, wald_test
from .transition_tests import berben_jansen_test, driver_test, second_transition_test, stcc_test

__all__ = [
    "bera_kim_test",
    "berben_jansen_test",
    "compare",
    "driver_test",
    "engle_sheppard_test",
    "hosking_test",
    "li_mcleod_test",
    "likelihood_ratio_test",
    "ling_li_test",
    "news_impact",
    "second_transition_test",
    "stcc_test",
    "tse_test",
    "wald_test",
]
