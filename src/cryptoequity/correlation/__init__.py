"""Dynamic correlation: CCC and DCC with errors that count every estimation step."""

from .dcc import CCC, DCC
from .fit import CorrelationFit, Forecast
from .spec import CorrelationSpec

__all__ = ["CCC", "DCC", "CorrelationFit", "CorrelationSpec", "Forecast"]
