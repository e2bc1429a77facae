"""Regimes: probabilities by date, correlations with their levels, and the odds of leaving by driver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..claim import ReRating
from ..errors import SpecError, check_option
from ..estimation.params import Array
from ..regimes import RegimeFit
from .canvas import COLORS, cycle, date_axis, heading, key, paper, shade, span, styled

__all__ = ["regime_correlation", "regime_odds", "regime_overview", "regime_probabilities"]

# the numbers of regimes have an order, so have their colors: light to dark, which print keeps
LIGHT, DARK = (0.80, 0.89, 0.96), (0.03, 0.19, 0.42)
RARE = 1e-6  # the lowest probability a logarithmic axis shows
STEPS = 4  # values of a driver up to which it is drawn as points


def _ramp(k: int) -> list[tuple[float, float, float]]:
    """Colors of regimes 2 to k; the first is the paper."""
    shares = np.linspace(0.55, 1.0, k - 1) if k < 4 else np.linspace(0.15, 1.0, k - 1)
    return [
        (
            LIGHT[0] + share * (DARK[0] - LIGHT[0]),
            LIGHT[1] + share * (DARK[1] - LIGHT[1]),
            LIGHT[2] + share * (DARK[2] - LIGHT[2]),
        )
        for share in shares
    ]


def _regimes(fit: RegimeFit) -> RegimeFit:
    if not isinstance(fit, RegimeFit):
        raise SpecError(f"this picture is of a fitted regime model, not of a {type(fit).__name__}.")
    return fit


def _plain(index: pd.Index) -> pd.Index:
    """Index an axis can hold."""
    return index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index


def _short(value: float) -> str:
    """Write a correlation without its leading zero."""
    return f"{value:.2f}".replace("0.", ".", 1)


def _pair(fit: RegimeFit, i: str | None, j: str | None) -> tuple[str, str]:
    if len(fit.names) < 2:
        raise SpecError(f"a correlation takes two columns; this fit has {fit.names[0]!r} alone.")
    if (i is None) != (j is None):
        raise SpecError("name both columns of the pair, or neither.")
    pair = (fit.names[0], fit.names[1]) if i is None or j is None else (i, j)
    for name in pair:
        if name not in fit.names:
            raise SpecError(f"no column {name!r} in this fit; there are {', '.join(fit.names)}.")
    if pair[0] == pair[1]:
        raise SpecError(f"the correlation of {pair[0]!r} with itself is one; name two columns.")
    return pair


@styled
def regime_probabilities(
    fit: RegimeFit, *, episodes: ReRating | None = None, kind: str = "smoothed", ax: Any = None
) -> Any:
    """Probabilities of the regimes by date, stacked: the highest number darkest and lowest, the first left white.

    Parameters
    ----------
    fit : any regime model. episodes : spells to shade; they show through the first regime and above the stack.
    kind : "smoothed" knows the whole sample, "filtered" the data up to a date, "predicted" those before it.
    ax : where to draw.

    Returns
    -------
    Axes
    """
    fit = _regimes(fit)
    ax = paper(ax, 4.0, 2.4)
    frame = fit.probabilities(kind)
    index = _plain(frame.index)
    values = frame.to_numpy(float)
    shade(ax, episodes, index)
    floor = np.zeros(len(index))
    for j in range(values.shape[1] - 1, 0, -1):
        top = np.minimum(floor + values[:, j], 1.0)
        color = _ramp(values.shape[1])[j - 1]
        ax.fill_between(index.to_numpy(), floor, top, color=color, lw=0.0, label=str(frame.columns[j]))
        floor = top
    ax.axhline(1.0, color=COLORS["black"], lw=0.5)
    date_axis(ax, index)
    ax.set_ylim(0.0, 1.0 if episodes is None else 1.12)
    ax.set_yticks([0.0, 0.5, 1.0])
    ax.set_ylabel("probability")
    heading(ax, f"Regimes, {kind} probabilities", span(index))
    key(ax, 4)
    return ax


def _levels(fit: RegimeFit, i: str, j: str) -> Array | None:
    """Correlation of a pair in each regime, (k,); None where it moves with the past."""
    cov = fit._moments()[1]
    if cov.shape[0] > 1:
        return None
    a, b = fit.names.index(i), fit.names.index(j)
    out: Array = cov[0, :, a, b] / np.sqrt(cov[0, :, a, a] * cov[0, :, b, b])
    return out


def _level_errors(fit: RegimeFit, i: str, j: str) -> Array:
    """Standard errors of the levels where they are parameters, (k,); NaN else."""
    errors = fit.std_err
    out = np.full(fit.k, np.nan)
    for regime in range(fit.k):
        for pair in (f"{i},{j}", f"{j},{i}"):
            name = f"corr[{regime + 1}].{pair}"
            if name in errors.index:
                out[regime] = float(errors[name])
    return out


@styled
def regime_correlation(
    fit: RegimeFit,
    i: str | None = None,
    j: str | None = None,
    *,
    episodes: ReRating | None = None,
    kind: str | tuple[str, ...] = ("filtered", "smoothed"),
    level: float = 0.95,
    ax: Any = None,
) -> Any:
    """Correlation of a pair by date, with the level of each regime and its interval.

    The path is the correlation of the mixture of the regimes under their probabilities: smoothed ones know how
    the sample goes on, and move before the data do; for questions of timing read the filtered path.

    Parameters
    ----------
    fit : regime model of two columns or more. i, j : columns; the first two when left out. episodes : spells to shade.
    kind : one or several of "filtered", "predicted", "smoothed". level : of the intervals of the levels, which are
        drawn where levels are parameters with an error. ax : where to draw.

    Returns
    -------
    Axes
    """
    fit = _regimes(fit)
    first, second = _pair(fit, i, j)
    if not 0.0 < level < 1.0:
        raise SpecError(f"level={level}: a level lies between 0 and 1, e.g. 0.95.")
    kinds = (kind,) if isinstance(kind, str) else tuple(kind)
    if not kinds:
        raise SpecError("kind=(): name at least one of filtered, predicted, smoothed.")
    ax = paper(ax)
    index = _plain(fit.index)
    shade(ax, episodes, index)
    places = _levels(fit, first, second)
    half = float(stats.norm.isf(0.5 * (1.0 - level)))
    if places is not None:
        for place in places:
            ax.axhline(place, color=COLORS["green"], lw=0.8, ls="--", zorder=1.0)
    styles = {"filtered": ("gray", 0.6, "-"), "predicted": ("orange", 0.6, "-"), "smoothed": ("blue", 1.2, "-")}
    for one in kinds:
        check_option("kind", one, tuple(styles))
        color, width, dashes = styles[one]
        path = fit.conditional_correlation(first, second, one).to_numpy(float)
        ax.plot(index.to_numpy(), path, color=COLORS[color], lw=width, ls=dashes, label=one)
    ax.axhline(0.0, color=COLORS["black"], lw=0.5)
    date_axis(ax, index)
    words = [span(index)]
    if places is not None:
        errors = _level_errors(fit, first, second)
        _mark_levels(ax, places, half * errors)
        if np.isfinite(errors).any():
            words.append(f"right: levels of the regimes, {level:.0%} intervals")
    ax.set_ylabel("correlation")
    heading(ax, f"Correlation of {first} and {second}, {fit.k} regimes", *words)
    key(ax, 4)
    return ax


def _mark_levels(ax: Any, places: Array, errors: Array) -> None:
    """Intervals and numbers of the levels, right of the axes; numbers are moved apart where they would touch."""
    low, high = ax.get_ylim()
    ends = [np.clip(places + sign * errors, -1.0, 1.0) for sign in (-1.0, 1.0)]
    known = np.isfinite(errors)
    if known.any():
        low, high = min(low, float(ends[0][known].min())), max(high, float(ends[1][known].max()))
        ax.set_ylim(low, high)
    beside = ax.get_yaxis_transform()
    color = COLORS["green"]
    for regime, place in enumerate(places):
        x = 1.015 + 0.02 * regime
        ax.plot([x], [place], "o", ms=2.5, color=color, transform=beside, clip_on=False)
        if known[regime]:
            bar = [ends[0][regime], ends[1][regime]]
            ax.plot([x, x], bar, color=color, lw=0.9, transform=beside, clip_on=False)
    order = np.argsort(places, kind="stable")
    need = 0.085 * (high - low)
    spots = places[order].astype(float)
    for n in range(1, spots.size):
        spots[n] = max(spots[n], spots[n - 1] + need)
    # what was pushed over the top comes down again
    spots[-1] = min(spots[-1], high - 0.5 * need)
    for n in range(spots.size - 2, -1, -1):
        spots[n] = min(spots[n], spots[n + 1] - need)
    for spot, regime in zip(spots, order, strict=True):
        ax.text(
            1.02 + 0.02 * places.size,
            spot,
            f"{regime + 1}: {_short(float(places[regime]))}",
            transform=beside,
            va="center",
            ha="left",
            fontsize=7.0,
            color=color,
        )


def _leaving(fit: RegimeFit, z: Array, half: float) -> tuple[Array, Array, Array]:
    r"""Probability of leaving each regime at rows of regressors, and its interval on the log odds, three (M, k).

    With log odds :math:`\eta_i=\log\sum_{j\ne i}\exp(z'\delta_{ij})` the delta method takes
    :math:`\partial\eta_i/\partial\delta_{ij}=w_{ij}z`, w the shares of the destinations.
    """
    chain = fit.chain
    outer = fit.likelihood.split(fit.theta)[1]
    cov = fit.estimate.cov[-chain.size :, -chain.size :]
    k, q = fit.k, chain.z.shape[1]
    leave, lower, upper = (np.full((len(z), k), np.nan) for _ in range(3))
    for i in range(k):
        own = [n for n, (a, _) in enumerate(chain.pairs) if a == i]
        odds = np.stack([z @ outer[n * q : (n + 1) * q] for n in own])  # (k-1, M)
        eta = np.logaddexp.reduce(odds, axis=0)
        leave[:, i] = 1.0 / (1.0 + np.exp(-eta))
        share = np.exp(odds - eta)
        slope = np.zeros((len(z), chain.size))
        for n, weight in zip(own, share, strict=True):
            slope[:, n * q : (n + 1) * q] = weight[:, None] * z
        used = np.abs(slope).max(axis=0) > 0
        variance = np.einsum("ma,ab,mb->m", slope[:, used], cov[np.ix_(used, used)], slope[:, used])
        error = half * np.sqrt(np.where(variance >= 0, variance, np.nan))
        # log odds beyond 700 are zero or one to every digit
        lower[:, i] = 1.0 / (1.0 + np.exp(-np.clip(eta - error, -700.0, 700.0)))
        upper[:, i] = 1.0 / (1.0 + np.exp(-np.clip(eta + error, -700.0, 700.0)))
    return leave, lower, upper


@styled
def regime_odds(fit: RegimeFit, driver: str | None = None, *, level: float = 0.95, ax: Any = None) -> Any:
    """Probability of leaving each regime at the next date against a driver, others at their mean, over a rug.

    A driver of a few values, such as the dummy of an episode, is drawn as points with intervals. Intervals are
    by the delta method on the log odds; where a driver separates the transitions they span the whole axis
    or there are none, and neither is evidence of anything.

    Parameters
    ----------
    fit : regime model with drivers. driver : the one on the axis, the first by default. level : of the intervals.
    ax : where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    SpecError : no driver moves the odds of this fit.
    """
    fit = _regimes(fit)
    if not fit.chain.driven:
        raise SpecError("no driver moves the odds of this fit; fit it with drivers= to see them.")
    if not 0.0 < level < 1.0:
        raise SpecError(f"level={level}: a level lies between 0 and 1, e.g. 0.95.")
    names = fit.chain.names[1:]
    driver = names[0] if driver is None else driver
    check_option("driver", driver, names)
    ax = paper(ax, 3.4, 2.9)
    place = 1 + names.index(driver)
    values = fit.chain.z[:, place]
    steps = np.unique(values)
    few = steps.size <= STEPS
    x = steps if few else np.linspace(values.min(), values.max(), 121)
    z = np.repeat(fit.chain.z.mean(axis=0)[None], x.size, axis=0)
    z[:, place] = x
    leave, lower, upper = _leaving(fit, z, float(stats.norm.isf(0.5 * (1.0 - level))))
    marks = ("o", "s", "^", "D", "v", "P", "X", "*")
    width = 0.02 * float(x[-1] - x[0])
    for i, color in enumerate(cycle(fit.k)):
        line = np.maximum(leave[:, i], RARE)
        low, high = np.maximum(lower[:, i], RARE), np.maximum(upper[:, i], RARE)
        label = f"from regime {i + 1}"
        known = np.isfinite(low) & np.isfinite(high)
        if few:
            at = x + width * (i - 0.5 * (fit.k - 1))
            bars = np.where(known, np.stack([line - low, high - line]), 0.0)
            ax.errorbar(at, line, bars, fmt=marks[i % len(marks)], ms=4, color=color, lw=0.9, capsize=2, label=label)
        else:
            ax.fill_between(x, np.where(known, low, line), np.where(known, high, line), color=color, alpha=0.15, lw=0.0)
            ax.plot(x, line, color=color, ls=("-", "--", "-.", ":")[i % 4], label=label)
    ax.set_yscale("log")
    ax.set_ylim(RARE, 1.0)
    if few:
        ax.set_xticks(steps)
        ax.set_xlim(x[0] - 10.0 * width, x[-1] + 10.0 * width)
    else:
        rug = values if values.size <= 400 else np.quantile(values, (np.arange(400) + 0.5) / 400)
        height = np.full(rug.size, 0.015)
        ax.plot(rug, height, "|", color=COLORS["black"], ms=5, mew=0.3, alpha=0.6, transform=ax.get_xaxis_transform())
        ax.set_xlim(values.min(), values.max())
    ax.set_xlabel(f"{driver}, {fit.spec.driver_lag} before")
    ax.set_ylabel("probability of leaving")
    words = ["others at their mean"] if len(names) > 1 else []
    words.append(f"{level:.0%} intervals")
    if (leave < RARE).any():
        words.append(f"less than {RARE:.0e} at the bottom")
    heading(ax, "Leaving a regime", "; ".join(words))
    key(ax, 2 if fit.k < 4 else 3)
    return ax


@styled
def regime_overview(
    fit: RegimeFit,
    *,
    pair: tuple[str, str] | None = None,
    episodes: ReRating | None = None,
    kind: str = "smoothed",
) -> Any:
    """A regime model on one page: moments by date, probabilities, and, with drivers, the odds of leaving.

    Parameters
    ----------
    fit : any regime model. pair : columns whose correlation is drawn, the first two when left out; with one column
        it is the mean with a band of two deviations. episodes : spells to shade. kind : of the probabilities.

    Returns
    -------
    Figure
    """
    from .drawing import Drawing

    fit = _regimes(fit)
    if pair is not None and len(pair) != 2:
        raise SpecError(f"pair={pair!r}: two columns.")
    drivers = fit.chain.names[1:] if fit.chain.driven else ()
    across = max(1, min(len(drivers), 3))
    figure = Drawing(figsize=(5.6, 4.6 + 2.6 * bool(drivers)), layout="constrained")
    rows = 2 + bool(drivers)
    grid = figure.add_gridspec(rows, across, height_ratios=[1.15, 0.95, 1.1][:rows])
    upper = figure.add_subplot(grid[0, :])
    if len(fit.names) > 1:
        regime_correlation(fit, *(pair or ()), episodes=episodes, kind=(kind,), ax=upper)
    else:
        _spread(fit, kind, episodes, upper)
    regime_probabilities(fit, episodes=episodes, kind=kind, ax=figure.add_subplot(grid[1, :], sharex=upper))
    for n, driver in enumerate(drivers[:3]):
        panel = figure.add_subplot(grid[2, n])
        regime_odds(fit, driver, ax=panel)
    return figure


def _spread(fit: RegimeFit, kind: str, episodes: ReRating | None, ax: Any) -> None:
    """Mean of the mixture with a band of two deviations."""
    index = _plain(fit.index)
    mean = fit.conditional_mean(kind).to_numpy(float)[:, 0]
    sd = np.sqrt(fit.conditional_covariance(kind)[:, 0, 0])
    shade(ax, episodes, index)
    ax.fill_between(
        index.to_numpy(),
        mean - 2.0 * sd,
        mean + 2.0 * sd,
        color=COLORS["blue"],
        alpha=0.2,
        lw=0.0,
        label="± 2 deviations",
    )
    ax.plot(index.to_numpy(), mean, color=COLORS["blue"], lw=1.0, label=f"mean, {kind}")
    date_axis(ax, index)
    ax.set_ylabel(str(fit.names[0]))
    heading(ax, f"{fit.names[0]}, {fit.k} regimes", span(index))
    key(ax)
