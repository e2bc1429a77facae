"""The dossier: complete, self-contained, the same every time, whole or not at all."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

import cryptoequity.report.dossier as dossier
from cryptoequity.errors import SpecError
from cryptoequity.report import write_report
from cryptoequity.table import Table

VOID = {"meta", "img", "br", "hr", "link", "input"}
FIGURES = ("correlation", "correlation-full", "hypotheses", "null", "prices", "specifications")
TABLES = ("verdict", "naive", "evidence", "dcc", "margins")


class Page(HTMLParser):
    """Balanced tags, what is loaded, what is linked, what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.alts: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.loads += [given[name] for name in ("src", "srcset", "data", "poster") if name in given]
        if tag in ("link", "script", "iframe", "object", "embed"):
            self.loads.append(tag)
        if tag == "a":
            self.links.append(given["href"])
        if tag == "img":
            self.alts.append(given["alt"])
        if "id" in given:
            assert given["id"] not in self.anchors
            self.anchors.add(given["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


@pytest.fixture(scope="module")
def folder(verdict, tmp_path_factory):
    target = tmp_path_factory.mktemp("report") / "dossier"
    write_report(verdict, target)
    return target


@pytest.fixture(scope="module")
def page(folder):
    parsed = Page()
    parsed.feed((folder / "index.html").read_text(encoding="utf-8"))
    parsed.close()
    return parsed


def test_files(folder):
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {
        "index.html",
        "report.md",
        "verdict.json",
        "references.bib",
        *(f"tables/{name}.tex" for name in TABLES),
        *(f"figures/{name}.{form}" for name in FIGURES for form in ("png", "svg")),
    }
    for name in FIGURES:
        assert (folder / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        svg = (folder / f"figures/{name}.svg").read_text(encoding="utf-8")
        assert "<svg" in svg
        assert "<dc:date>" not in svg


def test_page_needs_nothing_else(folder, page):
    assert page.open == []
    assert len(page.loads) == len(FIGURES)
    assert all(source.startswith("data:image/png;base64,") for source in page.loads)
    assert {link.removeprefix("#") for link in page.links} <= page.anchors
    assert all(page.alts)
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|https?://", text)


def test_page_says_what_it_must(page, verdict):
    text = re.sub(r"\s+", " ", " ".join(page.text))
    assert verdict.sentence in text
    # the answer before anything else
    assert text.index(verdict.sentence) < text.index("Verdicts")
    for key, row in verdict.table.iterrows():
        assert f"{key}, {row['statement']}: {row['verdict']}" in text
        assert row["reason"] in text
    for piece in (
        verdict.plan.sha256,
        verdict.data_sha256,
        "Not evidence: the usual tests of H2",
        "rejects a true null",
        "Smallest effect found with 80% power",
        "circular shift, score",
        "Jaccard index",
        "relative strength",
        "tested window",
        "Do not rely on it when",
        "24:00 UTC",
        verdict.versions["numpy"],
        str(verdict.plan.rng),
    ):
        assert piece in text
    for choice in verdict.plan.to_dict():
        assert choice in text


def test_markdown_links_its_figures(folder, verdict):
    text = (folder / "report.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert sorted(links) == sorted(f"figures/{name}.png" for name in FIGURES)
    assert all((folder / link).is_file() for link in links)
    assert text.index("H2, correlation peaks") < text.index("| H1 |")
    # every row of a table has the columns of its head
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_latex_is_balanced(folder):
    for name in TABLES:
        text = (folder / f"tables/{name}.tex").read_text(encoding="utf-8")
        bare = re.sub(r"\\[\\{}$%&#_]", "", text)
        assert bare.count("{") == bare.count("}")
        assert bare.count("$") % 2 == 0
        assert re.findall(r"\\begin\{(\w+)\}", text).count("table") == text.count(r"\end{table}")
        for rows in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, flags=re.DOTALL):
            spec, body = rows
            for line in body.splitlines():
                if line.endswith(r"\\"):
                    assert len(re.findall(r"(?<!\\)&", line)) == len(spec) - 1
        assert re.fullmatch(r"[\x00-\x7fγαωνλμ]*", text)


def test_json_and_references_load(folder, verdict):
    content = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    assert content["plan_sha256"] == verdict.plan.sha256
    assert len(content["null"]) == verdict.plan.draws
    entries = re.findall(r"^@\w+\{(\w+),", (folder / "references.bib").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {"engle2002", "holm1979"} <= set(entries)
    assert len(set(entries)) == len(entries)


def test_the_same_verdict_gives_the_same_bytes(verdict, folder, tmp_path):
    paths = write_report(verdict, tmp_path / "again")
    for name, path in paths.items():
        assert path.read_bytes() == (folder / name).read_bytes(), name


def test_other_formats_and_none(verdict, tmp_path, monkeypatch):
    from cryptoequity import plots

    target = tmp_path / "d"
    cheap = plots.rerating(verdict.plan.episodes)
    monkeypatch.setattr(dossier, "_draw", lambda verdict, fit: dict.fromkeys(FIGURES, cheap))
    write_report(verdict, target, figures=("png",))
    (target / "figures" / "mine.png").write_bytes(b"mine")
    paths = write_report(verdict, target, figures=())
    # an earlier dossier's figures go, the reader's own file stays, the page keeps its pictures
    assert [path.name for path in (target / "figures").iterdir()] == ["mine.png"]
    assert not any(name.startswith("figures/") for name in paths)
    assert "data:image/png" in paths["index.html"].read_text(encoding="utf-8")
    assert "](figures/" not in paths["report.md"].read_text(encoding="utf-8")


@pytest.mark.parametrize("error", [RuntimeError("broken writer"), KeyboardInterrupt()])
@pytest.mark.parametrize("stage", ["_draw", "_latex", "to_markdown", "to_html", "put_files"])
def test_a_broken_writer_leaves_no_file(verdict, tmp_path, monkeypatch, stage, error):
    def broken(*args, **kwargs):
        raise error

    if stage != "_draw":  # pictures are not the point here
        monkeypatch.setattr(dossier, "_draw", lambda verdict, fit: {})
        monkeypatch.setattr(dossier, "_blocks", lambda verdict, fit, drawn: [])
    monkeypatch.setattr(dossier, stage, broken)
    with pytest.raises(type(error)):
        write_report(verdict, tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


def test_refusals(verdict, tmp_path):
    with pytest.raises(SpecError, match="figures='gif'"):
        write_report(verdict, tmp_path / "d", figures=("gif",))
    with pytest.raises(SpecError, match="is one text"):
        write_report(verdict, tmp_path / "d", figures="png")
    (tmp_path / "f").write_text("")
    with pytest.raises(SpecError, match="is a file"):
        write_report(verdict, tmp_path / "f")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_names_cannot_break_out_of_the_page():
    from cryptoequity.report.blocks import Code, Heading, Paragraph, Points, to_html, to_markdown

    nasty = "<script>alert('x')</script> & \"q\" | _a_ *b*"
    blocks = [
        Paragraph(nasty, lead=True),
        Heading(nasty),
        Points(((nasty, nasty),)),
        Table(nasty, ("", nasty), ((nasty, nasty),), (nasty,)),
        Code(nasty),
    ]
    page = Page()
    page.feed(to_html(nasty, blocks, {}))
    page.close()
    assert page.open == []
    assert page.loads == []
    assert "".join(page.text).count("<script>alert('x')</script>") == 13
    text = to_markdown(nasty, blocks, {})
    assert r"\<script\>" in text
    assert r"\_a\_ \*b\*" in text
