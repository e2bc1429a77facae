"""Rendered tables against texts kept in tests/golden."""

from __future__ import annotations

import pytest

from golden.small_verdict import HERE, differences, texts

NAMES = ("verdict.txt", "naive.txt", "evidence.tex", "episodes.md", "plan.md", "dcc.txt")


@pytest.fixture(scope="module")
def rendered(verdict):
    return texts(verdict)


def test_every_golden_text_is_compared(rendered):
    assert set(rendered) == set(NAMES)
    kept = {path.name for path in HERE.iterdir() if path.suffix in (".txt", ".tex", ".md")}
    assert kept == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_text_is_golden(rendered, name):
    found = differences(rendered[name], (HERE / name).read_text(encoding="utf-8"))
    assert not found, "\n".join([*found, "if this is meant: python tests/golden/small_verdict.py"])


def test_comparison_sees_words_counts_and_digits():
    assert differences("H1  0.31 up 5", "H1 0.30 up 5") == []
    assert differences("H1 0.33", "H1 0.30")
    assert differences("H1 5", "H1 6")
    assert differences("H1 5 up", "H1 5 down")
    assert differences("1.59e-09", "1.60e-09") == []
    assert differences("1.59e-08", "1.59e-09")
    assert differences("a\nb", "a")
