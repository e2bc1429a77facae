"""Read prices, align calendars, form returns; simulated samples with a known truth."""

from . import sources
from .cache import DownloadError
from .checks import check_prices, check_returns
from .closes import at_close
from .io import read_prices
from .returns import to_returns
from .sample import load_multiples, load_sample, load_truth

__all__ = [
    "DownloadError",
    "at_close",
    "check_prices",
    "check_returns",
    "load_multiples",
    "load_sample",
    "load_truth",
    "read_prices",
    "sources",
    "to_returns",
]
