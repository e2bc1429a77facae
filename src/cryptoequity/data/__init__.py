"""Read prices, align calendars, form returns; simulated samples with a known truth."""

from .checks import check_prices, check_returns
from .returns import to_returns
from .sample import load_multiples, load_sample, load_truth

__all__ = ["check_prices", "check_returns", "load_multiples", "load_sample", "load_truth", "to_returns"]
