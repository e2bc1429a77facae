"""Pages, kernels, benchmarks and modules that the documentation lists are those that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from test_layers import FLOORS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SRC = ROOT / "src" / "cryptoequity"


def listed(page: Path) -> list[str]:
    """Entries of the page's tables of contents."""
    blocks = re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(":")]


@pytest.mark.parametrize("folder", ["how-to", "theory", "tutorials", "replication", "contributing"])
def test_every_page_stands_once_in_its_table_of_contents(folder):
    pages = sorted(page.stem for page in (DOCS / folder).glob("*.md") if page.stem != "index")
    assert sorted(listed(DOCS / folder / "index.md")) == pages


def test_every_kernel_file_stands_once_in_the_reference():
    text = (DOCS / "reference" / "kernels.md").read_text(encoding="utf-8")
    named = re.findall(r"automodule:: cryptoequity\.kernels\.(\w+)", text)
    files = [path.stem for path in (SRC / "kernels").glob("*.py") if path.stem != "__init__"]
    assert sorted(named) == sorted(files)


def test_readme_names_every_benchmark_and_no_other():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## What is measured")[1].split("\n## ")[0]
    named = set(re.findall(r"`(?:benchmarks/)?(\w+\.py)`", section))
    assert named == {path.name for path in (ROOT / "benchmarks").glob("*.py")}


def test_architecture_names_modules_that_exist():
    text = (DOCS / "contributing" / "architecture.md").read_text(encoding="utf-8")
    section = text.split("## How a verdict is made")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+\.py)(?:: \w+)?`", section))
    assert named
    assert not [name for name in named if not (SRC / "claim" / name).exists()]
    paths = set(re.findall(r"`((?:\w+/)+\w+\.py)`", text))
    roots = (SRC, SRC.parent, ROOT)
    assert not [path for path in paths if not any((root / path).exists() for root in roots)]


def test_architecture_has_the_floors_that_are_held():
    text = (DOCS / "contributing" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", text, re.MULTILINE)
    floors = {int(number): set(re.findall(r"`(\w+)(?:/|\.py)`", rooms)) for number, rooms in rows}
    beside = {"errors", "table"}
    assert floors == {level: rooms - beside for level, rooms in enumerate(FLOORS)}
