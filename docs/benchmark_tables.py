"""Show a committed benchmark table on a page; numbers are never typed into the text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from IPython.display import HTML

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"


def load(name: str) -> pd.DataFrame:
    """The table ``benchmarks/results/<name>.csv``; without it the page, and the build, fail."""
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}; make it with `python benchmarks/{name}.py` and commit it.")
    return pd.read_csv(path)


def show(table: pd.DataFrame, digits: int = 3) -> HTML:
    """Render a table, or a part of one."""
    return HTML(table.to_html(index=False, border=0, float_format=lambda value: f"{value:.{digits}f}", na_rep=""))
