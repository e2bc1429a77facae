"""Citations in running text: marks [@key], and what becomes of them in LaTeX and in plain sentences."""

from __future__ import annotations

import re
import unicodedata

from ..errors import SpecError
from ..estimation.bibliography import bibliography
from ..table import _latex

__all__ = ["author_year", "cited", "to_natbib", "to_plain"]

_MARK = re.compile(r"\[@([a-z0-9_,@; ]+)\]")
# LaTeX accent -> combining mark
_ACCENTS = {"`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308", "v": "\u030c", "c": "\u0327",
            "r": "\u030a", "H": "\u030b", "u": "\u0306", "=": "\u0304", ".": "\u0307", "k": "\u0328"}  # fmt: skip
_LETTERS = {"ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "i": "ı", "oe": "œ"}


def _keys(mark: re.Match[str]) -> list[str]:
    return [key.strip().removeprefix("@") for key in re.split("[;,]", mark.group(1))]


def cited(text: str) -> list[str]:
    """Keys of the marks in a text, in order and once each."""
    return list(dict.fromkeys(key for mark in _MARK.finditer(text) for key in _keys(mark)))


def to_natbib(text: str) -> str:
    r"""LaTeX of a text, its marks as ``\citep``."""
    parts, last = [], 0
    for mark in _MARK.finditer(text):
        parts += [_latex(text[last : mark.start()]), rf"\citep{{{','.join(_keys(mark))}}}"]
        last = mark.end()
    return "".join([*parts, _latex(text[last:])])


def to_plain(text: str) -> str:
    """Sentence with authors and years in the place of its marks."""
    return _MARK.sub(lambda mark: f"({'; '.join(map(author_year, _keys(mark)))})", text)


def author_year(key: str) -> str:
    """Authors and year of an entry of the bibliography: "Engle & Sheppard 2001".

    Raises
    ------
    SpecError : an unknown key.
    """
    entries = bibliography()
    if key not in entries:
        raise SpecError(f"no bibliography entry for {key!r}.")
    names = [_family(name) for name in _people(_field(entries[key], "author"))]
    who = names[0] if len(names) == 1 else " & ".join(names) if len(names) == 2 else f"{names[0]} et al."
    return f"{who} {_field(entries[key], 'year')}"


def _field(entry: str, name: str) -> str:
    """Content of a field, its outer braces left off."""
    start = re.search(rf"\b{name}\s*=\s*\{{", entry)
    if start is None:
        raise SpecError(f"the bibliography entry {entry[:40]!r}… has no {name}.")
    depth, at = 1, start.end()
    while depth and at < len(entry):
        depth += {"{": 1, "}": -1}.get(entry[at], 0)
        at += 1
    return entry[start.end() : at - 1]


def _people(authors: str) -> list[str]:
    """Names between the "and" that no braces hold together."""
    out, depth, last = [], 0, 0
    for at, character in enumerate(authors):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0 and authors.startswith(" and ", at):
            out.append(authors[last:at])
            last = at + 5
    return [*out, authors[last:]]


def _family(name: str) -> str:
    """Family name without LaTeX."""
    text = name if name.startswith("{") and name.endswith("}") else name.split(",")[0]
    text = re.sub(r"\{?\\([`'^~\"=.])\{?\\?([A-Za-z])\}?\}?", lambda m: _accented(m.group(2), m.group(1)), text)
    text = re.sub(r"\{?\\([vcrHuk])(?:\{([A-Za-z])\}|\s+([A-Za-z]))\}?",
                  lambda m: _accented(m.group(2) or m.group(3), m.group(1)), text)  # fmt: skip
    text = re.sub(r"\{?\\([A-Za-z]+)(?:\{\})?\s*\}?", lambda m: _LETTERS.get(m.group(1), m.group(1)), text)
    return re.sub(r"[{}]", "", text).strip()


def _accented(letter: str, accent: str) -> str:
    return unicodedata.normalize("NFC", letter + _ACCENTS[accent])
