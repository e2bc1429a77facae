"""A verdict on one sheet."""

from __future__ import annotations

from typing import Any

from ..claim import Verdict
from ..claim.hypotheses import STATEMENTS
from ..correlation import CorrelationFit
from ..errors import DataError
from .canvas import styled
from .claims import hypotheses, null_distribution, specification_curve
from .paths import correlation_path

__all__ = ["overview", "pair_path"]


def pair_path(verdict: Verdict, fit: CorrelationFit, *, band: bool = True, ax: Any = None) -> Any:
    """Correlation of the tested pair with the plan's episodes; without its band where the parameters allow none.

    Parameters
    ----------
    verdict : of `test_claim`. fit : its ``dcc()`` or ``dcc_full()``. band : draw the band. ax : where to draw.

    Returns
    -------
    Axes
    """
    plan = verdict.plan
    if band:
        try:
            fit.correlation_band(plan.crypto, plan.equity, draws=50, rng=plan.rng)
        except DataError:  # estimates at a bound with wide errors: the path is drawn alone
            band = False
    return correlation_path(fit, plan.crypto, plan.equity, episodes=plan.episodes, band=band, rng=plan.rng, ax=ax)


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

    figure = Drawing(figsize=(8.6, 7.9), layout="constrained")
    panels = figure.subplots(2, 2, height_ratios=[1.0, 1.5])
    plan = verdict.plan
    pair_path(verdict, verdict.dcc(), band=band, ax=panels[0, 0])
    hypotheses(verdict, ax=panels[0, 1])
    null_distribution(verdict, ax=panels[1, 0])
    if verdict.specifications.empty:
        panels[1, 1].set_axis_off()
    else:
        specification_curve(verdict, ax=panels[1, 1])
    answer = f"H2, {STATEMENTS['H2']}: {verdict.table.at['H2', 'verdict']!s}"
    figure.suptitle(f"{answer}, episodes '{plan.episodes.name}'", fontsize=10.0, x=0.01, ha="left")
    return figure
