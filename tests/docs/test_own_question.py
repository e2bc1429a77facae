"""The programs of the page on one's own question: short, whole, and with the answers the page talks about."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from pathlib import Path

import pytest

import cryptoequity as ce

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "your-own-question.md"
LONGEST = 15


def programs() -> list[str]:
    """Code cells a reader sees; the hidden one only changes the folder."""
    cells = re.findall(r"```\{code-cell\}[^\n]*\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [cell.strip() for cell in cells if "remove-cell" not in cell]


# what the text below each program says of its answer
SAID = (
    ("(2826, 7)",),
    ("INCONCLUSIVE for COIN and SMALL_TECH", "not testable"),
    ("43% of 1470 sessions, 5 spells", "SUPPORTED for COIN and SMALL_TECH"),
    ("'relative strength'", "INCONCLUSIVE"),
    ("'my rule'", "INCONCLUSIVE"),
    ("H9: inconclusive - associational", "given FEAR"),
    ("for ALTCOIN and SMALL_TECH", "H6: "),
    ("CONTRADICTED for COIN and GOLD", "may be the highest: ['SMALL_TECH', 'LARGE_TECH']"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A reader's folder after the first program, which makes the files."""
    where = tmp_path_factory.mktemp("reader")
    with contextlib.chdir(where):
        output = run(programs()[0])
    return where, output


def run(program: str) -> str:
    """Output of a program in names of its own."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(program, PAGE.name, "exec"), {"__name__": "__main__"})
    return out.getvalue()


def test_every_program_is_listed():
    assert len(programs()) == len(SAID)


@pytest.mark.parametrize("place", range(len(SAID)))
def test_programs_are_short_and_whole(place):
    program = programs()[place]
    assert len(program.splitlines()) <= LONGEST
    assert max(map(len, program.splitlines())) <= 120
    assert program.startswith("import cryptoequity as ce")
    public = {
        node.attr
        for node in ast.walk(ast.parse(program))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ce"
    }
    assert public <= set(ce.__all__)
    assert "from cryptoequity" not in program


@pytest.mark.parametrize("place", range(len(SAID)))
def test_programs_say_what_the_page_says_they_say(place, folder):
    where, first = folder
    with contextlib.chdir(where):
        output = run(programs()[place]) if place else first
    for part in SAID[place]:
        assert part in output


def test_the_first_program_makes_the_files_the_others_read(folder):
    where, _ = folder
    read = set(re.findall(r'"(\w+\.csv)"', "\n".join(programs()[1:])))
    assert read == {path.name for path in where.glob("*.csv")}
