"""Hypotheses: estimates with intervals and the effects the design could have seen."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np

from ..claim import Verdict
from .canvas import COLORS, heading, key, paper, span, styled

__all__ = ["MARKS", "forest", "what_is_estimated"]

# verdict -> marker and color: each is told by its marker alone
MARKS = {
    "supported": ("o", "green"),
    "contradicted": ("X", "vermillion"),
    "mechanical": ("s", "orange"),
    "inconclusive": ("D", "gray"),
    "not testable": ("|", "gray"),
}
# what the estimate of each row is; a row that is not here is named by its statement
_SHORT = {
    "H0m": "sd of the path",
    "H1": "level since the break",
    "H2": "inside − outside",
    "H2p": "highest days: share in",
    "H2x": "2 sd more of the dose",
    "H3": "the same, adjusted",
    "H4": "the same, given market",
    "H5": "small − large cap",
    "H6": "main coin − altcoins",
    "H7": "up − down",
    "H8": "the weakest episode",
    "H9": "the strongest driver",
    "H10": "beyond placebos",
    "H11": "after publication",
}
_ROW = 0.285  # inches
_REASON = 44  # characters of a line of a reason
_LABEL = 24


def what_is_estimated(hypothesis: str, statement: str) -> str:
    """Return a few words for what the estimate of a row is; those of its statement for a row known by that alone."""
    return _SHORT.get(hypothesis) or textwrap.shorten(statement, _LABEL, placeholder="…")


@styled
def forest(verdict: Verdict, *, ax: Any = None) -> Any:
    """Estimates with 90 % (thick) and 95 % intervals, one row a hypothesis, and the smallest effect each could see.

    Rows that could not be tested say why. H2p is a difference of shares of days, all others are in units of
    correlation.

    Parameters
    ----------
    verdict : of `test_claim`. ax : where to draw.

    Returns
    -------
    Axes
    """
    table = verdict.table
    ax = paper(ax, 4.0, 1.35 + _ROW * len(table))
    rows = np.arange(len(table))[::-1]
    seen = False
    for y, (name, row) in zip(rows, table.iterrows(), strict=True):
        kind = str(row["verdict"])
        if kind == "not testable" or math.isnan(row["estimate"]):
            _say_why(ax, y, kind, str(row["reason"]))
            continue
        marker, color = MARKS[kind]
        _interval(ax, y, row["lower"], row["upper"], COLORS[color], 1.1)
        one = verdict.evidence.get(str(name))
        if one is not None:
            _interval(ax, y, one.low90, one.high90, COLORS[color], 3.0)
        ax.plot(row["estimate"], y, marker, color=COLORS[color], mec="white", mew=0.5, ms=6.5, zorder=4)
        if not math.isnan(row["mde"]):
            ax.plot(row["mde"], y, "v", mfc="white", mec=COLORS["black"], mew=0.8, ms=4.5, zorder=3)
            seen = True
    for name, (marker, color) in MARKS.items():
        drawn = (table["verdict"] == name) & table["estimate"].notna()
        if name != "not testable" and drawn.any():
            ax.plot([], [], marker, color=COLORS[color], ms=5.5, label=name)
    if seen:
        ax.plot([], [], "v", mfc="white", mec=COLORS["black"], mew=0.8, ms=4.5, label="detectable")
    ax.axvline(0.0, color=COLORS["black"], lw=0.6, zorder=0)
    interest = f"of interest, {verdict.plan.sesoi:.2f}"
    ax.axvline(verdict.plan.sesoi, color=COLORS["black"], lw=0.9, ls=":", label=interest, zorder=0)
    names = [f"{name} {what_is_estimated(str(name), str(row['statement']))}" for name, row in table.iterrows()]
    ax.set_yticks(rows, names)
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.set_xlabel("difference, 90 and 95 % intervals")
    heading(ax, "Hypotheses", span(verdict.main.index))
    key(ax, 2)
    return ax


def _interval(ax: Any, y: float, lower: float, upper: float, color: str, width: float) -> None:
    if not (math.isnan(lower) or math.isnan(upper)):
        ax.plot([lower, upper], [y, y], color=color, lw=width, solid_capstyle="butt", zorder=2)


def _say_why(ax: Any, y: float, kind: str, reason: str) -> None:
    words = f"not testable: {reason}" if kind == "not testable" else f"{kind}: no estimate"
    lines = textwrap.wrap(words.replace("not testable: not testable", "not testable"), _REASON)
    if len(lines) > 2:
        lines = [lines[0], textwrap.shorten(" ".join(lines[1:]), _REASON, placeholder="…")]
    ax.text(
        0.0,
        y,
        "\n".join(lines),
        va="center",
        color=COLORS["black"],
        fontsize=7.5,
        linespacing=1.0,
        transform=ax.get_yaxis_transform(),
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )
