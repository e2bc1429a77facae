"""What pictures share: paper, colors, dates, shading, and their bytes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from ..errors import SpecError, check_option

if TYPE_CHECKING:
    from ..claim import ReRating

__all__ = ["COLORS", "FORMATS", "date_axis", "heading", "key", "paper", "render", "shade", "span", "styled"]

# Okabe and Ito's palette: told apart with any color vision
COLORS = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#222222",
    "gray": "#8A8A8A",
}
FORMATS = ("png", "svg", "pdf")
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.1,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.columnspacing": 1.0,
    "legend.borderaxespad": 0.2,
    "hatch.linewidth": 0.4,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
}
P = ParamSpec("P")
R = TypeVar("R")


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Draw under the house style and leave matplotlib's settings as they were."""

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl

        with mpl.rc_context(_STYLE):
            return function(*args, **kwargs)

    return inner


def paper(ax: Any, width: float = 4.0, height: float = 2.8) -> Any:
    """Return ``ax``, or the axes of a new figure of its own (inches)."""
    if ax is not None:
        return ax
    from .drawing import Drawing

    return Drawing(figsize=(width, height), layout="constrained").add_subplot()


def heading(ax: Any, first: str, *more: str) -> None:
    """Title of one sentence and further lines, broken to the width of the axes."""
    box = ax.get_position()
    # with the layout still open the axes will be narrower than the paper by their labels
    inches = max(1.5, ax.figure.get_figwidth() * min(box.width / 0.775, 1.0) - 0.45)
    characters = max(24, int(inches * 72.0 / (8.0 * 0.53)))
    lines = [piece for line in (first, *more) for piece in textwrap.wrap(line, characters)]
    ax.set_title("\n".join(lines), loc="left")


def span(index: pd.Index) -> str:
    """Dates and size of a sample."""
    if isinstance(index, pd.DatetimeIndex):
        return f"{index[0].date()} to {index[-1].date()}, n = {len(index):,}"
    return f"n = {len(index):,}"


def date_axis(ax: Any, index: pd.Index) -> None:
    """Few ticks, short labels, no margin at the ends."""
    if isinstance(index, pd.DatetimeIndex):
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=3, maxticks=7)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    ax.set_xlim(index[0], index[-1])


# (sign) -> label, color, hatch: up and down differ by hatch too, for gray print
_SIDES: dict[int, tuple[str, str, str]] = {
    1: ("re-rated up", COLORS["sky"], ""),
    -1: ("re-rated down", COLORS["orange"], "////"),
    0: ("episode", COLORS["gray"], ""),
}


def shade(ax: Any, episodes: ReRating | None, index: pd.Index) -> None:
    """Shade the spells that touch ``index``, one legend entry a direction."""
    if episodes is None:
        return
    if not isinstance(index, pd.DatetimeIndex):
        raise SpecError("episodes are dated, the path is not: its index holds no dates.")
    seen: set[int] = set()
    for spell in episodes.dated:
        first, last = max(pd.Timestamp(spell.start), index[0]), min(pd.Timestamp(spell.end), index[-1])
        if first > last:
            continue
        label, color, hatch = _SIDES[spell.sign]
        ax.axvspan(
            first,
            last,
            facecolor=(*_rgb(color), 0.25),
            edgecolor=(*_rgb(color), 0.55 if hatch else 0.0),
            hatch=hatch,
            linewidth=0.0,
            label=None if spell.sign in seen else label,
            zorder=0,
        )
        seen.add(spell.sign)


def _rgb(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[k : k + 2], 16) / 255.0 for k in (1, 3, 5))
    return red, green, blue


def key(ax: Any, columns: int = 3, *, handles: list[Any] | None = None, labels: list[str] | None = None) -> None:
    """Legend below the axes and their labels, where it covers nothing."""
    from matplotlib.transforms import ScaledTranslation

    if handles is None or labels is None:
        handles, labels = ax.get_legend_handles_labels()
    if not handles:
        return
    count = min(columns, len(handles))
    rows = int(np.ceil(len(handles) / count))
    # legends read down the columns; in rows of equal length they read like text
    order = [k for column in range(count) for k in range(column, len(handles), count)] if rows > 1 else None
    order = list(range(len(handles))) if order is None else order
    # under tick labels and the axis label, in points: the same gap whatever the height of the axes
    points = 6.0 + 11.0 * bool(len(ax.get_xticks())) + 13.0 * bool(ax.get_xlabel())
    ax.legend(
        [handles[k] for k in order],
        [labels[k] for k in order],
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=ax.transAxes + ScaledTranslation(0.0, -points / 72.0, ax.figure.dpi_scale_trans),
        ncols=count,
    )


def render(figure: Any, form: str = "png", *, dpi: int = 200) -> bytes:
    """Bytes of a figure; the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure or Axes. form : "png", "svg" or "pdf". dpi : of a PNG.
    """
    import matplotlib as mpl

    check_option("form", form, FORMATS)
    figure = getattr(figure, "figure", figure)
    metadata = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[form]
    out = io.BytesIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": "cryptoequity", "svg.fonttype": "path"}):
        figure.savefig(out, format=form, dpi=dpi, metadata=metadata)
    return out.getvalue()


def cycle(count: int) -> Sequence[str]:
    """Colors for ``count`` lines."""
    names = ("blue", "vermillion", "green", "purple", "orange", "sky", "black", "gray")
    return [COLORS[names[k % len(names)]] for k in range(count)]
