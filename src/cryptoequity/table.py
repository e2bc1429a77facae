"""A table is plain data with renderings: the same fit always prints the same text."""

from __future__ import annotations

import html as _html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

__all__ = ["Table", "format_number"]

_LATEX = {
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "ρ": r"$\rho$",
    "δ": r"$\delta$",
    "β": r"$\beta$",
    "χ": r"$\chi$",
    "²": r"\textsuperscript{2}",
    "≥": r"$\ge$",
    "≤": r"$\le$",
    "−": r"$-$",
    "→": r"$\to$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def format_number(value: object, digits: int = 4) -> str:
    """Text for a cell: ``digits`` significant decimals, blank for a missing number."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return ""
    if value != 0 and (abs(value) >= 1e6 or abs(value) < 10.0 ** (-digits)):
        return f"{value:.{max(digits - 1, 1)}e}"
    return f"{value:.{digits}f}"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


@dataclass(frozen=True)
class Table:
    """Rows of text under a title, with notes below; renders as text, LaTeX, HTML or Markdown.

    Parameters
    ----------
    title : str
        One line above the table.
    head : tuple of str
        Column names; the first names the rows.
    rows : tuple of tuple of str
        Cells already rounded for the reader.
    notes : tuple of str
        Sentences below the table.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def of(
        cls,
        title: str,
        frame: pd.DataFrame,
        *,
        digits: int | Mapping[str, int] = 4,
        notes: Sequence[str] = (),
        corner: str = "",
    ) -> Table:
        """Round a frame into a table; ``digits`` may differ by column."""

        def cell(column: object, value: object) -> str:
            places = digits if isinstance(digits, int) else digits.get(str(column), 4)
            if hasattr(value, "item") and not isinstance(value, str):
                value = value.item()
            return format_number(value, places)

        rows = tuple(
            (str(label), *(cell(column, value) for column, value in zip(frame.columns, row, strict=True)))
            for label, row in zip(frame.index, frame.itertuples(index=False, name=None), strict=True)
        )
        return cls(title, (corner, *map(str, frame.columns)), rows, tuple(notes))

    def to_frame(self) -> pd.DataFrame:
        """Return the cells as a frame of text, rows labelled by the first column."""
        return pd.DataFrame(
            [row[1:] for row in self.rows],
            index=pd.Index([row[0] for row in self.rows], name=self.head[0] or None),
            columns=list(self.head[1:]),
        )

    def to_text(self) -> str:
        """Render for a terminal."""
        grid = [self.head, *self.rows]
        width = [max(len(row[i]) for row in grid) for i in range(len(self.head))]

        def line(row: Sequence[str]) -> str:
            first = row[0].ljust(width[0])
            return "  ".join([first, *(c.rjust(w) for c, w in zip(row[1:], width[1:], strict=True))]).rstrip()

        rule = "─" * (sum(width) + 2 * (len(width) - 1))
        body = [self.title, rule, line(self.head), rule, *map(line, self.rows), rule, *self.notes]
        return "\n".join(part for part in body if part != "" or part is self.title)

    def to_markdown(self) -> str:
        """Render as a Markdown pipe table."""

        def line(row: Sequence[str]) -> str:
            return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"

        align = "|" + "|".join([":---", *["---:"] * (len(self.head) - 1)]) + "|"
        parts = [f"**{self.title}**", "", line(self.head), align, *map(line, self.rows)]
        if self.notes:
            parts += ["", *(f"{note}  " for note in self.notes)]
        return "\n".join(parts) + "\n"

    def to_latex(self) -> str:
        """Render as a ``table`` with booktabs rules."""
        spec = "l" + "r" * (len(self.head) - 1)

        def line(row: Sequence[str]) -> str:
            return " & ".join(map(_latex, row)) + r" \\"

        parts = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex(self.title)}}}",
            rf"\begin{{tabular}}{{{spec}}}",
            r"\toprule",
            line(self.head),
            r"\midrule",
            *map(line, self.rows),
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\footnotesize {_latex(note)}" for note in self.notes),
            r"\end{table}",
        ]
        return "\n".join(parts) + "\n"

    def to_html(self) -> str:
        """Render as an HTML table; every cell is escaped."""

        def row(cells: Sequence[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{_html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        notes = "".join(f'<p class="note">{_html.escape(note)}</p>' for note in self.notes)
        return (
            f"<table><caption>{_html.escape(self.title)}</caption><thead>{row(self.head, 'th')}</thead>"
            f"<tbody>{''.join(row(cells, 'td') for cells in self.rows)}</tbody></table>{notes}"
        )

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()
