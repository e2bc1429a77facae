"""Pictures of fits and verdicts; matplotlib is imported when one is drawn, and its settings stay as they were.

Every function takes ``ax`` and returns it, or makes a figure of its own that no window manager knows of: show it
by ending a notebook cell with ``.figure``, keep it with ``.figure.savefig(…)``. Pictures with several panels return
the figure. Colors are told apart by color-blind readers and in print, and the text can be read at 8 cm of width.
"""

from .breaks import breaks, explosive, fluctuation, interdependence, monitoring, phases, segments
from .canvas import FORMATS, render
from .claims import hypotheses, null_distribution, null_panels, specification_curve
from .correlations import correlation_paths, hedge_path, news_impact_surface, risk_backtest
from .dependence import (
    connectedness_path,
    connectedness_table,
    cross_day,
    exceedance_curve,
    overlap_matrix,
    tail_coefficients,
)
from .dispatch import draw
from .episodes import prices_and_relative_strength, rerating
from .forest import forest
from .paths import correlation_path, margin, volatilities
from .placebos import placebos
from .regimes import regime_correlation, regime_odds, regime_overview, regime_probabilities
from .timeline import timeline
from .transitions import transition, transition_curve, transition_path
from .verdict import overview, pair_path

__all__ = [
    "FORMATS",
    "breaks",
    "connectedness_path",
    "connectedness_table",
    "correlation_path",
    "correlation_paths",
    "cross_day",
    "draw",
    "exceedance_curve",
    "explosive",
    "fluctuation",
    "forest",
    "hedge_path",
    "hypotheses",
    "interdependence",
    "margin",
    "monitoring",
    "news_impact_surface",
    "null_distribution",
    "null_panels",
    "overlap_matrix",
    "overview",
    "pair_path",
    "phases",
    "placebos",
    "prices_and_relative_strength",
    "regime_correlation",
    "regime_odds",
    "regime_overview",
    "regime_probabilities",
    "render",
    "rerating",
    "risk_backtest",
    "segments",
    "specification_curve",
    "tail_coefficients",
    "timeline",
    "transition",
    "transition_curve",
    "transition_path",
    "volatilities",
]
