"""A verdict on one sheet."""

from __future__ import annotations

from typing import Any

from ..claim import Verdict
from ..claim.hypotheses import STATEMENTS
from .canvas import styled
from .claims import hypotheses, null_distribution, specification_curve
from .paths import correlation_path

__all__ = ["overview"]


@styled
def overview(verdict: Verdict, *, band: bool = True) -> Any:
    """Correlation with episodes, hypotheses, null law and specification curve on one sheet.

    Parameters
    ----------
    verdict : of `test_claim`. band : draw the band of the correlation path.

    Returns
    -------
    Figure
    """
    from .drawing import Drawing

    figure = Drawing(figsize=(8.0, 7.9), layout="constrained")
    panels = figure.subplots(2, 2, height_ratios=[1.0, 1.5])
    plan = verdict.plan
    correlation_path(
        verdict.dcc(), plan.crypto, plan.equity, episodes=plan.episodes, band=band, rng=plan.rng, ax=panels[0, 0]
    )
    hypotheses(verdict, ax=panels[0, 1])
    null_distribution(verdict, ax=panels[1, 0])
    if verdict.specifications.empty:
        panels[1, 1].set_axis_off()
    else:
        specification_curve(verdict, ax=panels[1, 1])
    answer = f"H2, {STATEMENTS['H2']}: {verdict.table.at['H2', 'verdict']!s}"
    figure.suptitle(f"{answer}, episodes '{plan.episodes.name}'", fontsize=10.0, x=0.01, ha="left")
    return figure
