"""Breaks: paths of tests with their boundaries, series with regimes and dates, explosive episodes, market phases."""

from __future__ import annotations

import warnings
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd

from ..breaks.bai_perron_fit import BaiPerronFit
from ..breaks.change_points import ChangePointsFit
from ..breaks.explosive import ExplosiveTest
from ..breaks.explosive_monitor import ExplosiveMonitoring
from ..breaks.galeano_wied import GaleanoWiedFit
from ..breaks.icss import ICSSFit
from ..breaks.interdependence import InterdependenceFit
from ..breaks.monitoring import MonitorFit
from ..breaks.phases import PhasesFit
from ..breaks.qu_perron import QuPerronFit
from ..breaks.results import BreakTest, DatedMixin, label
from ..errors import CryptoEquityWarning, SpecError
from ..estimation.params import Array
from .canvas import COLORS, date_axis, heading, key, paper, span, styled

__all__ = ["breaks", "explosive", "fluctuation", "interdependence", "monitoring", "phases", "segments"]

MOST_PAIRS = 4  # of correlations in one picture
BANDED = 1.959963984540054


def _ticks(index: pd.Index) -> Any:
    """Values of an index that an axis can hold."""
    return index.to_timestamp().to_numpy() if isinstance(index, pd.PeriodIndex) else index.to_numpy()


def _axis(ax: Any, index: pd.Index) -> None:
    date_axis(ax, index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index)


def _tail(pvalue: float) -> str:
    return f"p = {pvalue:.3f}" if pvalue >= 0.001 else "p < .001"


@styled
def fluctuation(result: BreakTest | MonitorFit | ICSSFit | GaleanoWiedFit, *, ax: Any = None) -> Any:
    """Path of a statistic over its candidates, the 5 % boundary, and the date it points to.

    Parameters
    ----------
    result : a test with a path, a monitor, or a fit by sums of squares or of correlations. ax : where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    SpecError : the test has no path.
    """
    if result.path is None or not len(result.path):
        raise SpecError(f"{_title(result)} has no path to draw; print its summary.")
    ax = paper(ax)
    path = result.path.dropna()
    ax.plot(_ticks(path.index), path.to_numpy(float), color=COLORS["blue"], lw=1.0, label="statistic")
    boundary = getattr(result, "boundary", None)
    if boundary is not None:
        line = boundary.reindex(path.index)
        level = getattr(getattr(result, "spec", None), "alpha", 0.05)
        ax.plot(
            _ticks(line.index),
            line.to_numpy(float),
            color=COLORS["vermillion"],
            ls="--",
            label=f"boundary, {level:.0%}",
        )
    when, words = _pointed(result)
    if when is not None:
        ax.axvline(_ticks(pd.Index([when]))[0], color=COLORS["black"], lw=0.8, ls=":", label=f"{words} {label(when)}")
    _axis(ax, path.index)
    ax.set_ylabel("statistic")
    value = getattr(result, "pvalue", None)
    heading(ax, _title(result), *([] if value is None or value != value else [_tail(value)]))
    key(ax, 2)
    return ax


def _title(result: Any) -> str:
    if isinstance(result, MonitorFit):
        return f"Monitoring by {result.spec.kind}"
    if isinstance(result, ICSSFit):
        return "Cumulative squares, whole sample"
    if isinstance(result, GaleanoWiedFit):
        return f"Correlation of {' and '.join(result.names)}, whole sample"
    return str(result.name)


def _pointed(result: Any) -> tuple[Any, str]:
    """The date a path points to, and what it is."""
    if isinstance(result, MonitorFit):
        return result.crossing_date, "first alarm"
    if isinstance(result, BreakTest):
        return (None, "") if result.position is None else (result.break_date, "new regime from")
    return None, ""


@styled
def monitoring(fit: MonitorFit | ExplosiveMonitoring, *, ax: Any = None) -> Any:
    """What a monitor has seen: its statistic against the boundary known beforehand, and the first alarm.

    Parameters
    ----------
    fit : of `Monitor` or `ExplosiveMonitor`, after an update. ax : where to draw.

    Returns
    -------
    Axes
    """
    if isinstance(fit, MonitorFit):
        return fluctuation(fit, ax=ax)
    if not len(fit.bsadf):
        raise SpecError("the monitor has seen nothing yet: update it with new observations.")
    ax = paper(ax)
    ticks = _ticks(fit.bsadf.index)
    ax.plot(ticks, fit.bsadf.to_numpy(), color=COLORS["blue"], label="BSADF")
    words = f"critical value, {fit.spec.level:.0%}"
    ax.plot(ticks, fit.critical.to_numpy(), color=COLORS["vermillion"], ls="--", label=words)
    if fit.alarm:
        when = _ticks(pd.Index([fit.first_alarm]))[0]
        ax.axvline(when, color=COLORS["black"], lw=0.8, ls=":", label=f"first alarm {label(fit.first_alarm)}")
    _axis(ax, fit.bsadf.index)
    ax.set_ylabel("statistic")
    heading(ax, f"Monitor for an explosive root: {fit.name}", f"{len(fit.bsadf)} dates watched")
    key(ax, 2)
    return ax


class _Panel:
    """What one panel shows: a series, lines by regime with bands, and words."""

    def __init__(self, title: str, ylabel: str) -> None:
        self.title, self.ylabel = title, ylabel
        self.series: pd.Series | None = None
        self.lines: list[tuple[str, Array, Array | None, Array | None]] = []


@singledispatch
def _panels(fit: Any) -> list[_Panel]:
    """Panels of a dated fit, the main one first; by default the series it keeps with the means of its regimes."""
    series = _series(fit)
    panel = _Panel(f"{series.name}: {_count(fit)}", str(series.name))
    panel.series = series
    means = [float(series.iloc[first:end].mean()) for first, end in fit.bounds]
    panel.lines.append(("mean of the regime", _spread(fit, np.array(means)), None, None))
    return [panel]


def _series(fit: Any) -> pd.Series:
    for name in ("series", "y", "returns", "prices", "data", "values"):
        value = getattr(fit, name, None)
        if isinstance(value, pd.DataFrame) and value.shape[1] >= 1:
            value = value.iloc[:, 0]
        if isinstance(value, np.ndarray):
            value = value if value.ndim == 1 else value[:, 0]
            value = pd.Series(value, fit.index, name=str(getattr(fit, "name", "series")))
        if isinstance(value, pd.Series) and len(value) == len(fit.index):
            return value if value.name is not None else value.rename("series")
    raise SpecError(f"a {type(fit).__name__} keeps no series to draw; print its summary.")


def _count(fit: Any) -> str:
    count = len(fit.positions)
    return f"{count} break{'' if count == 1 else 's'}"


def _spread(fit: Any, values: Array) -> Array:
    """Values of the regimes (m + 1,) by row."""
    return np.repeat(np.asarray(values, float), [end - first for first, end in fit.bounds])


@_panels.register
def _(fit: BaiPerronFit) -> list[_Panel]:
    panel = _Panel(f"{fit.name}: {_count(fit)}", fit.name)
    panel.series = pd.Series(fit.regression.y, fit.index)
    if tuple(fit.params.columns) == ("const",) and fit.common.empty:
        half = BANDED * fit.std_err["const"].to_numpy()
        mean = fit.params["const"].to_numpy()
        panel.lines.append(("mean, 95% band", _spread(fit, mean), _spread(fit, mean - half), _spread(fit, mean + half)))
        return [panel]
    panel.lines.append(("fitted", fit.fitted.to_numpy(float), None, None))
    out = [panel]
    for name in fit.params.columns:
        value, half = fit.params[name].to_numpy(), BANDED * fit.std_err[name].to_numpy()
        more = _Panel(f"Coefficient of {name}", name)
        more.lines.append(
            ("coefficient, 95% band", _spread(fit, value), _spread(fit, value - half), _spread(fit, value + half))
        )
        out.append(more)
    return out


@_panels.register
def _(fit: QuPerronFit) -> list[_Panel]:
    out = []
    constant = fit.system.x.shape[1] == 1
    fitted = np.empty((fit.nobs, len(fit.names)))
    for (first, end), one in zip(fit.bounds, fit.regimes.coefficients, strict=True):
        fitted[first:end] = fit.system.x[first:end] @ one.T
    for j, name in enumerate(fit.names):
        panel = _Panel(f"{name}: {_count(fit)}", name)
        panel.series = fit.data[name]
        wide = 2.0 * _spread(fit, fit.volatilities[name].to_numpy())
        words = "mean ± 2 sd" if constant else "fitted ± 2 sd"
        panel.lines.append((words, fitted[:, j], fitted[:, j] - wide, fitted[:, j] + wide))
        out.append(panel)
    pairs = fit.correlations
    if pairs.shape[1]:
        panel = _Panel("Correlations, 95% band", "correlation")
        for place in range(min(pairs.shape[1], MOST_PAIRS)):
            words = ", ".join(map(str, pairs.columns[place]))
            rho, half = pairs.iloc[:, place].to_numpy(), BANDED * fit.correlation_errors.iloc[:, place].to_numpy()
            low, high = np.maximum(rho - half, -1.0), np.minimum(rho + half, 1.0)
            panel.lines.append((words, _spread(fit, rho), _spread(fit, low), _spread(fit, high)))
        out.insert(0, panel) if fit.spec.changes == "covariance" else out.append(panel)
    return out


@_panels.register
def _(fit: GaleanoWiedFit) -> list[_Panel]:
    panel = _Panel(f"Correlation of {' and '.join(fit.names)}: {_count(fit)}", "correlation")
    frame = fit.regimes()
    rho, low, high = (_spread(fit, frame[name].to_numpy()) for name in ("correlation", "lower", "upper"))
    panel.lines.append(("correlation, 95% band", rho, low, high))
    return [panel]


@_panels.register
def _(fit: ICSSFit) -> list[_Panel]:
    panel = _Panel(f"{fit.returns.name}: {_count(fit)} in the variance", str(fit.returns.name))
    panel.series = fit.returns
    wide, center = 2.0 * fit.volatility.to_numpy(), np.full(len(fit.index), float(fit.returns.mean()))
    panel.lines.append(("± 2 sd", center, center - wide, center + wide))
    return [panel]


@_panels.register
def _(fit: ChangePointsFit) -> list[_Panel]:
    cost, data, levels = fit.spec.cost, fit.data, fit.levels
    words = f"{_count(fit)} by {fit.spec.method}, cost of {cost}"
    if cost == "correlation":
        panel = _Panel(f"Correlation of {' and '.join(map(str, data.columns))}: {words}", "correlation")
        panel.lines.append(("correlation", levels["correlation"].to_numpy(float), None, None))
        return [panel]
    out: list[_Panel] = []
    for name in data.columns:
        panel = _Panel(str(name) if out else f"{name}: {words}", str(name))
        panel.series = data[name]
        end = "" if data.shape[1] == 1 else f" {name}"
        if fit.exog is not None:
            fitted = np.sum(fit.exog.to_numpy(float) * levels.to_numpy(float), axis=1)
            panel.lines.append(("fitted", fitted, None, None))
        elif cost == "mean":
            panel.lines.append(("mean", levels[f"mean{end}"].to_numpy(float), None, None))
        else:
            # a change in variance alone is about the mean of the whole sample
            whole = np.full(len(data), float(data[name].mean()))
            mean = whole if cost == "variance" else levels[f"mean{end}"].to_numpy(float)
            wide = 2.0 * levels[f"sd{end}"].to_numpy(float)
            panel.lines.append(("mean ± 2 sd", mean, mean - wide, mean + wide))
        out.append(panel)
    return out


def _intervals(fit: Any, level: float) -> list[tuple[int, float, float]]:
    """Row, lower and upper row of every date within the sample; NaN where there is no interval."""
    if not hasattr(fit, "conf_int") or not fit.positions:
        return [(position, np.nan, np.nan) for position in fit.positions]
    with warnings.catch_warnings():
        # what is not pinned is not drawn; the table of intervals says why
        warnings.simplefilter("ignore", CryptoEquityWarning)
        frame = fit.conf_int(level)
    names = ("lower_position", "upper_position") if "lower_position" in frame else ("first_row", "last_row")
    low, high = (frame[name].to_numpy(float) for name in names)
    last = len(fit.index) - 1.0
    return [
        (position, float(np.clip(a, 0.0, last)), float(np.clip(b, 0.0, last)))
        for position, a, b in zip(fit.positions, low, high, strict=True)
    ]


def _draw(ax: Any, fit: Any, panel: _Panel, level: float, bars: bool) -> None:
    ticks = _ticks(fit.index)
    if panel.series is not None:
        ax.plot(ticks, panel.series.to_numpy(float), color=COLORS["gray"], lw=0.5, label="data")
    for (words, middle, low, high), name in zip(panel.lines, ("blue", "vermillion", "green", "purple"), strict=False):
        for number, (first, end) in enumerate(fit.bounds):
            rows = slice(first, end)
            if low is not None and high is not None:
                ax.fill_between(ticks[rows], low[rows], high[rows], color=COLORS[name], alpha=0.2, lw=0.0)
            ax.plot(ticks[rows], middle[rows], color=COLORS[name], lw=1.2, label=None if number else words)
    drawn = False
    for position, low_row, high_row in _intervals(fit, level):
        ax.axvline(ticks[position], color=COLORS["black"], lw=0.8, ls=":", zorder=1)
        if bars and low_row == low_row and high_row == high_row:
            ax.plot(
                ticks[[int(low_row), int(high_row)]],
                [0.03, 0.03],
                color=COLORS["black"],
                lw=2.4,
                solid_capstyle="butt",
                transform=ax.get_xaxis_transform(),
                label=None if drawn else f"date, {level:.0%} interval",
            )
            drawn = True
    _axis(ax, fit.index)
    ax.set_ylabel(panel.ylabel)


@styled
def breaks(fit: DatedMixin, *, panel: int | None = None, level: float = 0.95, ax: Any = None) -> Any:
    """Draw what the regimes of a fit are: series and fit, coefficients, volatilities or correlations, and the dates.

    Dotted lines are the first observations of new regimes; the bar at the bottom of each is its interval, where the
    fit has one.

    Parameters
    ----------
    fit : dated fit, such as of `BaiPerron`, `QuPerron`, `GaleanoWied` or `ICSS`.
    panel : number of one panel, from 0; all of them by default. level : of the dates' intervals.
    ax : draw one panel here, the first by default.

    Returns
    -------
    Axes, or Figure where there are several panels.

    Raises
    ------
    SpecError : a level outside (0, 1), a panel the fit does not have.
    """
    if not 0.0 < level < 1.0:
        raise SpecError(f"level={level}: a level lies between 0 and 1, e.g. 0.95.")
    found = _panels(fit)
    if panel is not None and not 0 <= panel < len(found):
        raise SpecError(f"panel={panel}: this fit has the panels 0 to {len(found) - 1}.")
    if panel is None and ax is None and len(found) > 1:
        from .drawing import Drawing

        figure = Drawing(figsize=(5.6, 0.7 + 1.6 * len(found)), layout="constrained")
        for place, (each, one) in enumerate(zip(figure.subplots(len(found), 1, sharex=True), found, strict=True)):
            _draw(each, fit, one, level, True)
            heading(each, one.title, *([span(fit.index)] if place == 0 else []))
            # two panels seldom draw the same things; a legend beside each says what is what
            each.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return figure
    one = found[panel or 0]
    ax = paper(ax)
    _draw(ax, fit, one, level, True)
    heading(ax, one.title, span(fit.index))
    key(ax, 3)
    return ax


@styled
def segments(fit: DatedMixin, *, ax: Any = None) -> Any:
    """Draw the regimes of a fit as alternating bands behind its first panel, without intervals.

    Parameters
    ----------
    fit : dated fit. ax : where to draw.

    Returns
    -------
    Axes
    """
    one = _panels(fit)[0]
    ax = paper(ax)
    _draw(ax, fit, one, 0.95, False)
    ticks = _ticks(fit.index)
    for number, (first, end) in enumerate(fit.bounds):
        if number % 2:
            right = ticks[end] if end < len(ticks) else ticks[-1]
            ax.axvspan(ticks[first], right, facecolor=COLORS["gray"], alpha=0.15, lw=0.0, zorder=0)
    heading(ax, one.title, span(fit.index))
    key(ax, 3)
    return ax


# (kind) -> color, hatch: kinds differ by hatch too, for gray print
_KINDS = {"up": ("sky", ""), "down": ("orange", "////"), "none": ("gray", "")}


def _band(ax: Any, first: Any, last: Any, kind: str, words: str | None) -> None:
    color, hatch = _KINDS[kind]
    ax.axvspan(
        first, last, facecolor=COLORS[color], alpha=0.3, hatch=hatch, edgecolor="white", lw=0.0, label=words, zorder=0
    )


@styled
def explosive(
    result: ExplosiveTest,
    *,
    critical: str = "pointwise",
    level: float = 0.05,
    min_duration: str | int = "log",
    ax: Any = None,
) -> Any:
    """Series above; below, the recursive statistic with its critical values; episodes shaded by the move of the series.

    Parameters
    ----------
    result : of `gsadf_test`. critical, level, min_duration : of the episodes, see `ExplosiveTest.episodes`.
    ax : draw the lower panel alone, here.

    Returns
    -------
    Figure, or ``ax``.
    """
    episodes = result.episodes(min_duration, critical, level)
    assert result.path is not None  # a test without a path has no episodes
    path = result.path
    figure = None
    if ax is None:
        from .drawing import Drawing

        figure = Drawing(figsize=(4.4, 4.2), layout="constrained")
        upper, ax = figure.subplots(2, 1, sharex=True, height_ratios=[1.0, 1.0])
        ticks = _ticks(result.levels.index)
        upper.plot(ticks, result.levels.to_numpy(), color=COLORS["black"], lw=0.9)
        upper.set_ylabel(str(result.levels.name))
        count = len(episodes)
        heading(upper, f"{result.levels.name}: {count} episode{'' if count == 1 else 's'}", span(result.levels.index))
    shown = [ax] if figure is None else [upper, ax]
    last = path.index[-1]
    for panel in shown:
        seen: set[str] = set()
        for start, end, move in zip(episodes["start"], episodes["last"], episodes["move"], strict=True):
            words = {"up": "explosive, up", "down": "explosive, down", "none": "explosive"}[move]
            edges = _ticks(pd.Index([start, min(end, last)]))
            _band(panel, edges[0], edges[1], move, None if move in seen else words)
            seen.add(move)
    ticks = _ticks(path.index)
    ax.plot(ticks, path.to_numpy(), color=COLORS["blue"], label=str(path.name).upper())
    for kind, color, style in (("pointwise", "vermillion", "--"), ("family", "purple", ":")):
        line = result.critical(kind, level)
        ax.plot(ticks, line.to_numpy(), color=COLORS[color], ls=style, label=f"{kind}, {level:.0%}")
    _axis(ax, result.levels.index if figure is not None else path.index)
    ax.set_ylabel("statistic")
    heading(ax, f"{result.name}: {result.statistic:.2f}, {_tail(result.pvalue)}")
    key(ax, 3)
    return ax if figure is None else figure


@styled
def phases(fit: PhasesFit, *, ax: Any = None) -> Any:
    """Price on a logarithmic axis (a linear one where it is not positive), bull and bear phases, peaks and troughs.

    Parameters
    ----------
    fit : of `PaganSossounov`, `BryBoschan` or `LundeTimmermann`. ax : where to draw.

    Returns
    -------
    Axes
    """
    ax = paper(ax, 4.4, 2.9)
    prices = fit.prices
    ticks, values = _ticks(fit.index), prices.to_numpy(float)
    seen: set[str] = set()
    frame = fit.phases
    for place, (kind, start) in enumerate(zip(frame["kind"], frame["start"], strict=True)):
        if kind not in ("bull", "bear"):
            continue  # no turn tells what this stretch is
        end = frame["start"].iloc[place + 1] if place + 1 < len(frame) else fit.index[-1]
        edges = _ticks(pd.Index([start, end]))
        _band(ax, edges[0], edges[1], "up" if kind == "bull" else "down", None if kind in seen else kind)
        seen.add(kind)
    ax.plot(ticks, values, color=COLORS["black"], lw=0.9)
    for kind, marker in (("peak", "v"), ("trough", "^")):
        rows = [row for row, name in zip(fit.rows, fit.kinds, strict=True) if name == kind]
        if rows:
            ax.plot(ticks[rows], values[rows], marker, ms=4.5, color=COLORS["black"], label=kind)
    if (values > 0).all():
        from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    _axis(ax, fit.index)
    ax.set_ylabel(str(prices.name))
    heading(ax, f"{fit.name}: {len(fit.rows)} turns", span(fit.index))
    key(ax, 4)
    return ax


@styled
def interdependence(fit: InterdependenceFit, *, ax: Any = None) -> Any:
    """Crisis correlation that unchanged dependence predicts, over the source's share of idiosyncratic variance.

    Parameters
    ----------
    fit : of `corsetti_pericoli_sbracia`. ax : where to draw.

    Returns
    -------
    Axes
    """
    ax = paper(ax)
    curve = fit.curve
    x = curve.index.to_numpy(float)
    ax.plot(x, curve["predicted"].to_numpy(), color=COLORS["blue"], label="predicted")
    ax.plot(x, curve["critical"].to_numpy(), color=COLORS["vermillion"], ls="--", label=f"critical, {fit.alpha:.0%}")
    ax.axhline(fit.correlation_crisis, color=COLORS["black"], lw=0.9, label="in the crisis")
    ax.axhline(fit.correlation_calm, color=COLORS["gray"], lw=0.9, ls=":", label="in the calm")
    if fit.threshold == fit.threshold:
        ax.axvline(fit.threshold, color=COLORS["black"], lw=0.7, ls=":")
    ax.set_xlim(x[0], x[-1])
    ax.set_xlabel("idiosyncratic over common variance of the source, λ")
    ax.set_ylabel("correlation")
    heading(ax, f"{fit.source} to {fit.target}: crisis correlation under interdependence")
    key(ax, 2)
    return ax
