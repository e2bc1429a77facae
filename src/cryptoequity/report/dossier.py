"""Write the dossier of a verdict."""

from __future__ import annotations

from pathlib import Path

from ..claim import Verdict
from .folder import put_files

__all__ = ["write_report"]


def write_report(verdict: Verdict, folder: str | Path) -> dict[str, Path]:
    """Write the verdict as Markdown and JSON into ``folder``, all files or none."""
    report = f"{verdict.summary().to_markdown()}\n{verdict.naive_table().to_markdown()}"
    return put_files(folder, {"report.md": report.encode(), "verdict.json": verdict.to_json().encode()})
