"""The claim: episodes, evidence, and a verdict whose size has been measured."""

from .battery import break_matching_test
from .circularity import Circularity
from .coverage import Coverage, check_coverage
from .design import Power, power
from .hypotheses import Evidence
from .multiplicity import MultipleTest, romano_wolf_test
from .overlap import Overlap, overlap_table
from .paired import altcoins_test, dependent_correlations_test, holder_projection_test, project_holders
from .placement import shift_test
from .plan import Plan
from .recipes import Recipe
from .registration import Registration
from .rerating import ReRating
from .sectors import SectorTest, best_sector_test
from .specifications import SpecificationCurve, specification_test
from .verdict import Verdict, test_claim
from .worlds import World

__all__ = [
    "Circularity",
    "Coverage",
    "Evidence",
    "MultipleTest",
    "Overlap",
    "Plan",
    "Power",
    "ReRating",
    "Recipe",
    "Registration",
    "SectorTest",
    "SpecificationCurve",
    "Verdict",
    "World",
    "altcoins_test",
    "best_sector_test",
    "break_matching_test",
    "check_coverage",
    "dependent_correlations_test",
    "holder_projection_test",
    "overlap_table",
    "power",
    "project_holders",
    "romano_wolf_test",
    "shift_test",
    "specification_test",
    "test_claim",
]
