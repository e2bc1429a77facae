"""LaTeX of the dossier: tables with notes, the methods, and a document that shows them all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..table import Table, _latex
from .references import to_natbib

__all__ = ["document", "methods_latex", "table_latex"]

LONG = 34  # rows beyond which a table breaks across pages
WIDE = 30  # characters beyond which a column is set as paragraphs
_NUMBER = re.compile(r"[-+−]?[\d.,]*\d(e[-+]\d+)?\s?%?|n/a|")


def table_latex(table: Table, label: str) -> str:
    r"""LaTeX of a table with its notes below it; needs booktabs, threeparttable, longtable and array.

    Numbers are set to the right, words to the left, long ones as paragraphs; a long table breaks across pages.

    Parameters
    ----------
    table : what is shown. label : for ``\ref``.
    """
    columns = "".join(_column(table, k) for k in range(len(table.head)))
    head = rf"{_line(table.head)}"
    body = [_line(row) for row in table.rows]
    caption = rf"\caption{{{_latex(table.title)}}}\label{{{label}}}"
    if len(table.rows) <= LONG:
        notes = [r"\begin{tablenotes}[flushleft]\footnotesize", *(rf"\item {_latex(note)}" for note in table.notes),
                 r"\end{tablenotes}"] if table.notes else []  # fmt: skip
        lines = [r"\begin{table}[htbp]", r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
                 r"\begin{threeparttable}", caption, rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule",
                 *body, r"\bottomrule", r"\end{tabular}", *notes, r"\end{threeparttable}", r"\end{table}"]  # fmt: skip
    else:
        lines = [r"\begingroup\footnotesize\setlength{\tabcolsep}{3pt}", rf"\begin{{longtable}}{{{columns}}}",
                 caption + r" \\", r"\toprule", head, r"\midrule", r"\endfirsthead", r"\toprule", head, r"\midrule",
                 r"\endhead", r"\bottomrule", r"\endfoot", *body, r"\end{longtable}",
                 *(rf"\noindent {_latex(note)}\par" for note in table.notes), r"\endgroup"]  # fmt: skip
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    # a bracket at the start of a row would be read as an option of the line break before it
    texts = [_latex(cell) for cell in cells]
    texts[0] = "{}" + texts[0] if texts[0][:1] in ("[", "*") else texts[0]
    return " & ".join(texts) + r" \\"


def _column(table: Table, k: int) -> str:
    cells = [row[k] for row in table.rows]
    widest = max(map(len, cells), default=0)
    if widest > WIDE:
        # paragraphs share what the short columns leave of the line
        wide = [n for n in range(len(table.head)) if max((len(row[n]) for row in table.rows), default=0) > WIDE]
        short = sum(max(len(head), *(len(row[n]) for row in table.rows)) for n, head in enumerate(table.head)
                    if n not in wide)  # fmt: skip
        share = max(0.9 - 0.012 * short, 0.25) / len(wide)
        return rf">{{\raggedright\arraybackslash}}p{{{share:.2f}\linewidth}}"
    return "r" if k and all(_NUMBER.fullmatch(cell) for cell in cells) else "l"


def methods_latex(paragraphs: Sequence[str]) -> str:
    """LaTeX of the methods, citations by natbib."""
    return "\n\n".join(map(to_natbib, paragraphs)) + "\n"


def document(title: str, tables: Sequence[str], figures: Mapping[str, tuple[str, str]]) -> str:
    """Document that holds the methods, every table and every figure; a start for a paper.

    Parameters
    ----------
    title : of the document. tables : names of files in ``tables/``. figures : file in ``figures/`` and caption by name;
        LaTeX reads PDF and PNG.
    """
    parts = [r"\documentclass[11pt]{article}", r"\usepackage[T1]{fontenc}", r"\usepackage[utf8]{inputenc}",
             r"\usepackage[margin=25mm]{geometry}", r"\usepackage{array,booktabs,longtable,threeparttable}",
             r"\usepackage{graphicx}", r"\usepackage[round]{natbib}",
             rf"\title{{{_latex(title)}}}", r"\author{}", r"\date{}", r"\begin{document}", r"\maketitle",
             r"\section{Methods}", r"\input{methods}", r"\section{Tables}"]  # fmt: skip
    parts += [rf"\input{{tables/{name}}}" for name in tables]
    if figures:
        parts += [r"\clearpage", r"\section{Figures}"]
    for name, (file, caption) in figures.items():
        parts += [r"\begin{figure}[htbp]", r"\centering", rf"\includegraphics[width=.8\linewidth]{{{file}}}",
                  rf"\caption{{{_latex(caption)}}}\label{{fig:{name}}}", r"\end{figure}"]  # fmt: skip
    parts += [r"\clearpage", r"\bibliographystyle{plainnat}", r"\bibliography{references}", r"\end{document}"]
    return "\n".join(parts) + "\n"
