"""Teach napoleon the house's one-line entries.

In numpydoc ``name : type`` is followed by an indented description. Here an entry often is one line, ``name : what it
is``, perhaps continued. In such a section the text after the colon is the description, not the type.
"""

from __future__ import annotations

import re
from typing import Any

SECTIONS = {"Parameters", "Attributes", "Other Parameters", "Raises", "Warns"}
ENTRY = re.compile(r"^(\*{0,2}[A-Za-z_][\w., *]*?) : (\S.*)$")
NEXT = re.compile(r"(?<=\.) (?=[a-z_][\w, ]* : )")  # "spec : the choices. margins : the fits."


def section_end(lines: list[str], start: int) -> int:
    """First line after the section whose body begins at ``start``."""
    for i in range(start, len(lines) - 1):
        if lines[i].strip() and re.fullmatch(r"-{3,}", lines[i + 1].strip()):
            return i
    return len(lines)


def entries(body: list[str]) -> list[tuple[str, list[str]]]:
    """The section's entries: heading line and what is indented under it."""
    found: list[tuple[str, list[str]]] = []
    for line in body:
        if line.strip() and not line.startswith(" "):
            found.append((line, []))
        elif found:
            found[-1][1].append(line)
    return found


def rewrite(body: list[str]) -> list[str]:
    """Put descriptions where napoleon looks for them; sections in the numpydoc style stay as they are."""
    parts = entries(body)
    bare = sum(not any(line.strip() for line in below) for _, below in parts)
    if not parts or 2 * bare < len(parts) or not any(ENTRY.match(head) for head, _ in parts):
        return body
    out: list[str] = []
    for head, below in parts:
        text = " ".join([head, *(line.strip() for line in below if line.strip())])
        for piece in NEXT.split(text):
            match = ENTRY.match(piece)
            if match is None:
                out.append(piece)
            else:
                out += [line for name in match[1].split(", ") for line in (name, f"    {match[2]}")]
    return [*out, ""]


def before_napoleon(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:  # noqa: ARG001
    """Rewrite the sections of one docstring in place."""
    i = 0
    while i < len(lines) - 1:
        if lines[i].strip() in SECTIONS and re.fullmatch(r"-{3,}", lines[i + 1].strip()):
            end = section_end(lines, i + 2)
            lines[i + 2 : end] = rewrite(lines[i + 2 : end])
        i += 1


def after_napoleon(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:  # noqa: ARG001
    """A property's first line may hold a colon; napoleon then takes what stands before it for a type."""
    if what not in ("property", "attribute", "data"):
        return
    for i, line in enumerate(lines):
        if line.startswith(":type: ") and lines:
            lines[0] = f"{line.removeprefix(':type: ')}: {lines[0]}"
            del lines[i]
            return


def setup(app: Any) -> dict[str, bool]:
    """Connect around napoleon, whose own listener has priority 500."""
    app.connect("autodoc-process-docstring", before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", after_napoleon, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
