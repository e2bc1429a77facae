"""Dynamic correlation: the DCC family, and the models in which something drives it."""

from .asymmetric import ADCC, AGDCC
from .cdcc import CDCC
from .copula import CopulaDCC
from .dcc import CCC, DCC
from .dccx import DCCX
from .deco import DECO
from .driver_effect import driver_effect_test
from .fit import CorrelationFit, Forecast
from .midas import DCCMIDAS
from .rolling import RollingFit, roll
from .score_driven import ScoreDriven
from .spec import CorrelationSpec
from .stcc import DSTCC, STCC, BerbenJansen
from .targets import CorrelationTarget, correlation_target

__all__ = [
    "ADCC",
    "AGDCC",
    "CCC",
    "CDCC",
    "DCC",
    "DCCMIDAS",
    "DCCX",
    "DECO",
    "DSTCC",
    "STCC",
    "BerbenJansen",
    "CopulaDCC",
    "CorrelationFit",
    "CorrelationSpec",
    "CorrelationTarget",
    "Forecast",
    "RollingFit",
    "ScoreDriven",
    "correlation_target",
    "driver_effect_test",
    "roll",
]
