"""Show a committed benchmark table on a page; numbers are never typed into the text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from IPython.display import HTML, Markdown

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def load(name: str) -> pd.DataFrame | None:
    """The table ``benchmarks/results/<name>.csv``, or None where it has not been made."""
    path = RESULTS / f"{name}.csv"
    return pd.read_csv(path) if path.exists() else None


def show(name: str, frame: pd.DataFrame | None = None, digits: int = 3) -> HTML | Markdown:
    """Render ``frame``, a part of the table, or the whole table."""
    table = load(name) if frame is None else frame
    if table is None:
        return Markdown(f"*The table is made by* `python benchmarks/{name}.py` *and is not in this checkout.*")
    return HTML(table.to_html(index=False, border=0, float_format=lambda value: f"{value:.{digits}f}", na_rep=""))
