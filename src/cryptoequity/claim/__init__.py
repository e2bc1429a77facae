"""The claim: episodes, evidence, and a verdict whose size has been measured."""

from .coverage import Coverage, check_coverage
from .rerating import ReRating

__all__ = ["Coverage", "ReRating", "check_coverage"]
