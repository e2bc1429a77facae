"""One door: draw anything by its type."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from ..breaks.explosive import ExplosiveTest
from ..breaks.explosive_monitor import ExplosiveMonitoring
from ..breaks.interdependence import InterdependenceFit
from ..breaks.monitoring import MonitorFit
from ..breaks.phases import PhasesFit
from ..breaks.results import BreakTest, DatedMixin
from ..claim import ReRating, Verdict
from ..claim.overlap import Overlap
from ..claim.specifications import SpecificationCurve
from ..correlation import CorrelationFit
from ..correlation.stcc import TransitionFit
from ..covariance import CovarianceFit
from ..dependence import (
    ConnectednessFit,
    CrossDayCorrelation,
    ExceedanceCorrelation,
    RollingConnectedness,
    TailDependence,
)
from ..errors import SpecError
from ..estimation.results import TestResult
from ..regimes import RegimeFit
from ..volatility import ArchMargin, MarginFit, Margins
from .breaks import breaks, explosive, fluctuation, interdependence, monitoring, phases, segments
from .claims import null_distribution, specification_curve
from .correlations import correlation_paths
from .dependence import (
    connectedness_path,
    connectedness_table,
    cross_day,
    exceedance_curve,
    overlap_matrix,
    tail_coefficients,
)
from .episodes import rerating
from .paths import correlation_path, margin, volatilities
from .regimes import regime_overview
from .transitions import transition
from .verdict import overview

__all__ = ["draw"]


@singledispatch
def draw(thing: object, **options: Any) -> Any:  # noqa: ARG001 - named for the registered functions
    """Draw a fit, a test, episodes or a verdict; ``options`` are those of the function for its type.

    ========================= ================================
    `MarginFit`               `margin`
    `Margins`                 `volatilities`
    `CorrelationFit`          `correlation_path`, with ``pair=(i, j)``
    `TransitionFit`           `transition`, with ``pair=(i, j)``
    `CovarianceFit`           `correlation_paths`, with ``pair=(i, j)``
    `ReRating`                `rerating`
    `TestResult`              `null_distribution`
    `BreakTest`               `fluctuation`; `null_distribution` where there is no path
    `ExplosiveTest`           `explosive`
    `MonitorFit`              `monitoring`
    `ExplosiveMonitoring`     `monitoring`
    `PhasesFit`               `phases`
    `InterdependenceFit`      `interdependence`
    other dated fits          `breaks`; `segments` where dates have no intervals
    `RegimeFit`               `regime_overview`, with ``pair=(i, j)``
    `ConnectednessFit`        `connectedness_table`
    `RollingConnectedness`    `connectedness_path`
    `ExceedanceCorrelation`   `exceedance_curve`
    `TailDependence`          `tail_coefficients`
    `CrossDayCorrelation`     `cross_day`
    `Overlap`                 `overlap_matrix`
    `SpecificationCurve`      `specification_curve`
    `Verdict`                 `overview`
    ========================= ================================

    Returns
    -------
    Axes, or Figure where there are several panels.

    Raises
    ------
    SpecError : nothing is known to draw for this type.
    """
    raise SpecError(
        f"there is no picture of a {type(thing).__name__}; draw margins, correlation fits, breaks, regimes, episodes, "
        "dependence, tests or verdicts."
    )


@draw.register
def _(thing: MarginFit, **options: Any) -> Any:
    return margin(thing, **options)


@draw.register
def _(thing: ArchMargin, **options: Any) -> Any:
    return margin(thing, **options)


@draw.register
def _(thing: Margins, **options: Any) -> Any:
    return volatilities(thing, **options)


@draw.register
def _(thing: CorrelationFit, *, pair: tuple[str, str] | None = None, **options: Any) -> Any:
    return correlation_path(thing, *(pair or ()), **options)


@draw.register
def _(thing: TransitionFit, *, pair: tuple[str, str] | None = None, **options: Any) -> Any:
    return transition(thing, *(pair or ()), **options)


@draw.register
def _(thing: CovarianceFit, *, pair: tuple[str, str] | None = None, **options: Any) -> Any:
    return correlation_paths({thing.spec.name: thing}, *(pair or thing.names[:2]), **options)


@draw.register
def _(thing: ReRating, **options: Any) -> Any:
    return rerating(thing, **options)


@draw.register
def _(thing: TestResult, **options: Any) -> Any:
    return null_distribution(thing, **options)


@draw.register
def _(thing: BreakTest, **options: Any) -> Any:
    return null_distribution(thing, **options) if thing.path is None else fluctuation(thing, **options)


@draw.register
def _(thing: ExplosiveTest, **options: Any) -> Any:
    return explosive(thing, **options)


@draw.register(MonitorFit)
@draw.register(ExplosiveMonitoring)
def _(thing: MonitorFit | ExplosiveMonitoring, **options: Any) -> Any:
    return monitoring(thing, **options)


@draw.register
def _(thing: DatedMixin, **options: Any) -> Any:
    return breaks(thing, **options) if hasattr(thing, "conf_int") else segments(thing, **options)


@draw.register
def _(thing: PhasesFit, **options: Any) -> Any:
    return phases(thing, **options)


@draw.register
def _(thing: InterdependenceFit, **options: Any) -> Any:
    return interdependence(thing, **options)


@draw.register
def _(thing: RegimeFit, **options: Any) -> Any:
    return regime_overview(thing, **options)


@draw.register
def _(thing: Verdict, **options: Any) -> Any:
    return overview(thing, **options)


@draw.register
def _(thing: ConnectednessFit, **options: Any) -> Any:
    return connectedness_table(thing, **options)


@draw.register
def _(thing: RollingConnectedness, **options: Any) -> Any:
    return connectedness_path(thing, **options)


@draw.register
def _(thing: ExceedanceCorrelation, **options: Any) -> Any:
    return exceedance_curve(thing, **options)


@draw.register
def _(thing: TailDependence, **options: Any) -> Any:
    return tail_coefficients(thing, **options)


@draw.register
def _(thing: CrossDayCorrelation, **options: Any) -> Any:
    return cross_day(thing, **options)


@draw.register
def _(thing: Overlap, **options: Any) -> Any:
    return overlap_matrix(thing, **options)


@draw.register
def _(thing: SpecificationCurve, **options: Any) -> Any:
    return specification_curve(thing, **options)
