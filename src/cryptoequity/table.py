"""A table is plain data with renderings: the same fit always prints the same text."""

from __future__ import annotations

import html as _html
import math
import unicodedata
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
    "Δ": r"$\Delta$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≠": r"$\ne$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "√": r"$\surd$",
    "∈": r"$\in$",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "\u00a0": "~",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    **{
        letter: f"$\\{name}$"
        for letter, name in zip(
            "αγεζηθικλμνξπστυφψω",
            (
                *("alpha", "gamma", "varepsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu"),
                *("xi", "pi", "sigma", "tau", "upsilon", "varphi", "psi", "omega"),
            ),
            strict=True,
        )
    },
}
# combining mark -> LaTeX accent, so that the text needs no input encoding
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
    "\u0328": "k",
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
    """LaTeX that prints ``text``; letters without a name there stay as they are, for engines that read UTF-8."""
    return "".join(_latex_character(character) for character in unicodedata.normalize("NFC", text))


def _latex_character(character: str) -> str:
    if character in _LATEX or character.isascii():
        return _LATEX.get(character, character)
    base, *marks = list(unicodedata.normalize("NFD", character))
    if len(marks) == 1 and marks[0] in _ACCENTS and base.isascii():
        return f"\\{_ACCENTS[marks[0]]}{{{base}}}"
    return character


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
        """Render as an HTML table; every cell is escaped, every header says what it heads."""

        def head(cells: Sequence[str]) -> str:
            # an empty header heads nothing
            return "".join(f'<th scope="col">{_html.escape(cell)}</th>' if cell else "<td></td>" for cell in cells)

        def line(cells: Sequence[str]) -> str:
            first = f'<th scope="row">{_html.escape(cells[0])}</th>'
            return f"<tr>{first}{''.join(f'<td>{_html.escape(cell)}</td>' for cell in cells[1:])}</tr>"

        notes = "".join(f'<p class="note">{_html.escape(note)}</p>' for note in self.notes)
        return (
            f"<table><caption>{_html.escape(self.title)}</caption><thead><tr>{head(self.head)}</tr></thead>"
            f"<tbody>{''.join(map(line, self.rows))}</tbody></table>{notes}"
        )

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()
