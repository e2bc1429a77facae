"""A figure that shows itself in notebooks without a window manager; alone in importing matplotlib outright."""

from __future__ import annotations

from matplotlib.figure import Figure

from .canvas import render

__all__ = ["Drawing"]


class Drawing(Figure):
    """`matplotlib.figure.Figure` with a rich display."""

    def _repr_png_(self) -> bytes:
        return render(self, "png", dpi=110)
