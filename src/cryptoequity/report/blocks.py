"""A report as a list of blocks, and its two renderings."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..table import Table

__all__ = ["Block", "Code", "Heading", "Paragraph", "Picture", "Points", "to_html", "to_markdown"]


@dataclass(frozen=True)
class Heading:
    """A section begins."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Sentences; ``lead`` sets them large."""

    text: str
    lead: bool = False


@dataclass(frozen=True)
class Points:
    """A list of (term, text)."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Picture:
    """A figure by name, with its caption and what it shows in words and numbers; the caption where there are none."""

    name: str
    caption: str
    words: str = ""

    @property
    def alt(self) -> str:
        """Text for readers who do not see it."""
        return self.words or self.caption


@dataclass(frozen=True)
class Code:
    """Text shown as it is."""

    text: str


Block = Heading | Paragraph | Points | Picture | Code | Table

_CSS = """
:root { color-scheme: light; --line: #d8d8d8; --soft: #5a5a5a; --accent: #0072b2; }
body { max-width: 52rem; margin: 2.5rem auto; padding: 0 1.2rem; color: #1c1c1c; background: #fff;
  font: 16px/1.55 Georgia, "Times New Roman", serif; }
h1 { font-size: 1.65rem; line-height: 1.25; margin-bottom: .4rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; padding-top: .5rem; border-top: 1px solid var(--line); }
.lead { font-size: 1.12rem; border-left: 4px solid var(--accent); padding-left: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .8rem 0 .3rem; font: 13.5px/1.4 system-ui, sans-serif;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .35rem; }
th, td { padding: .22rem .7rem; text-align: right; vertical-align: top; }
tbody th { font-weight: 400; }
td:nth-child(2):last-child, th:nth-child(2):last-child { text-align: left; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal; }
thead th, thead td { border-top: 1.5px solid #333; border-bottom: 1px solid #333; font-weight: 600; }
tbody tr:last-child td, tbody tr:last-child th { border-bottom: 1.5px solid #333; }
.note, figcaption { color: var(--soft); font: 13px/1.45 system-ui, sans-serif; margin: .2rem 0; }
dt { font-weight: 600; margin-top: .6rem; }
dd { margin: .1rem 0 0 1.2rem; }
figure { margin: 1.2rem 0; break-inside: avoid; }
img { display: block; width: 100%; max-width: 34rem; height: auto; }
pre { font-size: 12.5px; line-height: 1.4; white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f6f6;
  padding: .7rem; }
nav { font: 13px/1.5 system-ui, sans-serif; }
nav a { color: var(--accent); margin-right: .9rem; white-space: nowrap; }
@media (max-width: 40rem) {
  body { margin: 1rem auto; padding: 0 .5rem; }
  h1 { font-size: 1.35rem; }
  dd { margin-left: .6rem; }
  nav a { display: inline-block; padding: .25rem 0; }
}
@media print {
  body { margin: 0; max-width: none; font-size: 11pt; }
  .wide { overflow: visible; }
  table { font-size: 8.5pt; }
  h2 { break-after: avoid; }
  tr { break-inside: avoid; }
  figure { break-before: page; }
  figure + figure { break-before: auto; }
  main a[href]::after { content: " (" attr(href) ")"; }
  nav a[href]::after { content: none; }
}
"""


def to_html(title: str, blocks: Sequence[Block], pictures: Mapping[str, bytes]) -> str:
    """One page that needs nothing else: style inside, ``pictures`` (PNG by name) embedded."""
    body = [f"<h1>{html.escape(title)}</h1>"]
    sections = [block.text for block in blocks if isinstance(block, Heading)]
    links = " ".join(f'<a href="#{_anchor(text)}">{html.escape(text)}</a>' for text in sections)
    for block in blocks:
        body.append(_html_block(block, pictures))
        if isinstance(block, Paragraph) and block.lead and links:
            body.append(f'<nav aria-label="Sections">{links}</nav>')
            links = ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _html_block(block: Block, pictures: Mapping[str, bytes]) -> str:
    if isinstance(block, Heading):
        return f'<h2 id="{_anchor(block.text)}">{html.escape(block.text)}</h2>'
    if isinstance(block, Paragraph):
        return f"<p{' class=lead' if block.lead else ''}>{html.escape(block.text)}</p>"
    if isinstance(block, Points):
        inner = "".join(f"<dt>{html.escape(term)}</dt><dd>{html.escape(text)}</dd>" for term, text in block.items)
        return f"<dl>{inner}</dl>"
    if isinstance(block, Picture):
        source = base64.b64encode(pictures[block.name]).decode("ascii")
        words, caption = html.escape(block.alt), html.escape(block.caption)
        return (
            f'<figure><img alt="{words}" src="data:image/png;base64,{source}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    if isinstance(block, Code):
        return f"<pre>{html.escape(block.text)}</pre>"
    # a box that scrolls must be reachable without a mouse
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{html.escape(block.title)}">{block.to_html()}</div>'
    )


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def to_markdown(title: str, blocks: Sequence[Block], paths: Mapping[str, str]) -> str:
    """Markdown; pictures link to ``paths`` (by name) or, without one, leave their caption."""
    parts = [f"# {_plain(title)}"]
    for block in blocks:
        if isinstance(block, Heading):
            parts.append(f"## {_plain(block.text)}")
        elif isinstance(block, Paragraph):
            parts.append(f"**{_plain(block.text)}**" if block.lead else _plain(block.text))
        elif isinstance(block, Points):
            parts.append("\n".join(f"- **{_plain(term)}** — {_plain(text)}" for term, text in block.items))
        elif isinstance(block, Picture):
            caption = f"*{_plain(block.caption)}*"
            if block.name in paths:
                parts.append(f"![{_plain(block.alt)}]({paths[block.name]})")
            elif block.words:
                caption = f"{caption}\n\n{_plain(block.words)}"
            parts.append(caption)
        elif isinstance(block, Code):
            parts.append(f"```\n{block.text.rstrip()}\n```")
        else:
            parts.append(block.to_markdown().rstrip())
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Keep Markdown from reading names such as SMALL_TECH as markup."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", text)
