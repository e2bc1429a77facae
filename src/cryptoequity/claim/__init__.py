"""The claim: episodes, evidence, and a verdict whose size has been measured."""

from .coverage import Coverage, check_coverage
from .hypotheses import Evidence
from .placement import shift_test
from .plan import Plan
from .rerating import ReRating
from .verdict import Verdict, test_claim

__all__ = ["Coverage", "Evidence", "Plan", "ReRating", "Verdict", "check_coverage", "shift_test", "test_claim"]
