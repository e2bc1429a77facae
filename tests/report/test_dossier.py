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
FIGURES = (
    "forest",
    "timeline",
    "correlation",
    "correlation-full",
    "prices",
    "null",
    "nulls",
    "placebos",
    "specifications",
)
TEXTS = ("index.html", "report.md", "verdict.json", "references.bib", "methods.tex", "dossier.tex")
TABLES = (
    "verdict",
    "reasons",
    "naive",
    "power",
    "placement",
    "definitions",
    "placebos",
    "specifications",
    "timeline",
    "dcc",
    "margins",
    "evidence",
)


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
        self.headings: list[int] = []
        self.scopes: list[str | None] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.loads += [given[name] for name in ("src", "srcset", "data", "poster") if name in given]
        if tag in ("link", "script", "iframe", "object", "embed"):
            self.loads.append(tag)
        if tag == "a":
            self.links.append(given["href"])
        if tag == "img":
            self.alts.append(given["alt"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "th":
            self.scopes.append(given.get("scope"))
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
def timeline(verdict):
    return dossier.fit_timeline(verdict)


@pytest.fixture(scope="module")
def curve(verdict):
    return dossier.SpecificationCurve.fit(verdict.plan, verdict.sample)


class Kept:
    """What was fitted before."""

    def __init__(self, fitted):
        self.fitted = fitted

    def fit(self, *data):
        return self.fitted


@pytest.fixture
def cheap(verdict, timeline, curve, monkeypatch):
    """Pictures and fits are not the point: one picture for all, rendered once a format, and fits made before."""
    from cryptoequity import plots

    figure = plots.rerating(verdict.plan.episodes)
    bytes_of = {form: plots.render(figure, form) for form in plots.FORMATS}
    monkeypatch.setattr(dossier, "_draw", lambda *parts: dict.fromkeys(FIGURES, figure))
    monkeypatch.setattr(dossier, "fit_timeline", lambda verdict: timeline)
    monkeypatch.setattr(dossier, "SpecificationCurve", Kept(curve))
    monkeypatch.setattr(plots, "render", lambda figure, form="png", **options: bytes_of[form])


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
        *TEXTS,
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


def test_page_is_built_for_readers_of_every_kind(folder, page, verdict):
    # headings nest: one title, no level left out
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in zip(page.headings, page.headings[1:], strict=False))
    assert page.scopes
    assert set(page.scopes) == {"col", "row"}
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert '<html lang="en">' in text
    assert 'name="viewport" content="width=device-width' in text
    # every table scrolls in a box of its own that the keyboard reaches
    boxes = re.findall(r'<div class="wide" role="region" tabindex="0" aria-label="[^"]+"><table>', text)
    assert len(boxes) == text.count("<table>")
    assert "@media print" in text


def test_words_for_figures_have_their_numbers(page, folder, verdict):
    first = page.alts[0]
    for key, row in verdict.table.iterrows():
        assert re.search(rf"\b{key}\b", first)
        if row["verdict"] != "not testable":
            assert f"{row['estimate']:+.2f}" in first
    assert len(page.alts) == len(set(page.alts)) == len(FIGURES)
    assert all(re.search(r"\d", alt) for alt in page.alts)
    assert f"{verdict.statistic:.3f}" in " ".join(page.alts)
    # Markdown says the same
    text = (folder / "report.md").read_text(encoding="utf-8")
    found = [re.sub(r"\\(.)", r"\1", alt) for alt in re.findall(r"!\[((?:\\.|[^\]\\])*)\]\(figures/", text)]
    assert found == page.alts


def test_latex_is_balanced(folder):
    for path in [*sorted((folder / "tables").iterdir()), folder / "methods.tex", folder / "dossier.tex"]:
        text = path.read_text(encoding="utf-8")
        bare = re.sub(r"\\[\\{}$%&#_]", "", text)
        assert bare.count("{") == bare.count("}")
        assert bare.count("$") % 2 == 0
        assert not re.search(r"(?<!\\)[#%]", text)
        opened = []
        for what, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
            if what == "begin":
                opened.append(name)
            else:
                assert opened.pop() == name
        assert opened == []
        assert text.isascii()


def test_rows_of_latex_have_the_columns_of_their_head(folder):
    for name in TABLES:
        text = (folder / f"tables/{name}.tex").read_text(encoding="utf-8")
        spans = re.findall(r"\\begin\{(tabular|longtable)\}\{([^\n]*)\}\n(.*?)\\end\{\1\}", text, flags=re.DOTALL)
        assert spans
        for _, spec, body in spans:
            columns = len(re.findall(r"[lr]|p\{", re.sub(r">\{[^}]*\}|\\linewidth", "", spec)))
            rows = [line for line in body.splitlines() if line.endswith(r"\\") and "caption" not in line]
            assert rows
            assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in rows} == {columns}


def test_every_hypothesis_is_in_forest_and_latex(folder, verdict):
    for name in ("verdict", "reasons", "evidence"):
        text = (folder / f"tables/{name}.tex").read_text(encoding="utf-8")
        assert [key for key in verdict.table.index if not re.search(rf"^{key} &", text, flags=re.MULTILINE)] == []


@pytest.mark.usefixtures("cheap")
def test_document_reads_what_is_there(verdict, tmp_path):
    for forms, kind in ((("svg",), None), (("png", "svg"), "png"), (("png", "pdf"), "pdf")):
        write_report(verdict, tmp_path / "d", figures=forms)
        text = (tmp_path / "d" / "dossier.tex").read_text(encoding="utf-8")
        files = [f"{name}.tex" for name in re.findall(r"\\input\{([^}]+)\}", text)]
        assert "methods.tex" in files
        assert len(files) == 1 + len(TABLES)
        images = re.findall(r"\\includegraphics\[[^]]*\]\{([^}]+)\}", text)
        assert len(images) == (0 if kind is None else len(FIGURES))
        assert all(image.endswith(f".{kind}") for image in images)
        assert all((tmp_path / "d" / name).is_file() for name in (*files, *images))


def test_methods_cite_what_is_in_the_references(folder, page):
    text = (folder / "methods.tex").read_text(encoding="utf-8")
    keys = {key for group in re.findall(r"\\citep\{([^}]+)\}", text) for key in group.split(",")}
    entries = re.findall(r"^@\w+\{(\w+),", (folder / "references.bib").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {"engle2002", "pelletier2006", "baiperron1998", "holm1979"} <= keys <= set(entries)
    assert len(set(entries)) == len(entries)
    assert "(Engle 2002; Engle & Sheppard 2001)" in "".join(page.text)


def test_fits_that_fail_are_said_and_stop_nothing(verdict, tmp_path, monkeypatch):
    from cryptoequity.errors import ConvergenceError, DataError
    from cryptoequity.report import timeline as fits

    class Broken:
        def __init__(self, error):
            self.error = error

        def __call__(self, **options):
            return self

        def fit(self, *data, **options):
            raise self.error

    monkeypatch.setattr(fits, "RSDC", Broken(ConvergenceError("no climb of the regimes ended")))
    monkeypatch.setattr(fits, "BaiPerron", Broken(DataError("no break fits into 7 rows")))
    found = fits.fit_timeline(verdict)
    assert found.regimes == "regimes could not be fitted: no climb of the regimes ended"
    assert found.breaks == "breaks could not be dated: no break fits into 7 rows"
    folder = tmp_path / "d"

    def few(verdict, fit, timeline, curve):
        shown = dossier.draw_timeline(verdict, timeline.path, timeline.regimes, timeline.breaks)
        titles = [ax.get_title(loc="left") for ax in shown.axes]
        assert titles[1:] == ["Regimes: not fitted", "Breaks: not fitted"]
        return {**dict.fromkeys(FIGURES, forest), "timeline": shown}

    forest = dossier.forest(verdict)
    monkeypatch.setattr(dossier, "_draw", few)
    monkeypatch.setattr("cryptoequity.plots.render", lambda figure, form="png": b"picture")
    write_report(verdict, folder, figures=())
    for name in ("index.html", "report.md", "tables/timeline.tex"):
        text = (folder / name).read_text(encoding="utf-8")
        assert "no climb of the regimes ended" in text
        assert "no break fits into 7 rows" in text
    assert "Regimes and breaks could not be fitted." in (folder / "methods.tex").read_text(encoding="utf-8")


def test_json_and_references_load(folder, verdict):
    content = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    assert content["plan_sha256"] == verdict.plan.sha256
    assert len(content["null"]) == verdict.plan.draws
    entries = re.findall(r"^@\w+\{(\w+),", (folder / "references.bib").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {"engle2002", "holm1979"} <= set(entries)
    assert len(set(entries)) == len(entries)


def test_the_same_verdict_gives_the_same_bytes(verdict, folder, tmp_path):
    # the page holds every picture
    paths = write_report(verdict, tmp_path / "again", figures=())
    for name, path in paths.items():
        if name not in ("report.md", "dossier.tex"):  # these name the files of figures
            assert path.read_bytes() == (folder / name).read_bytes(), name
    assert set(paths) == {*TEXTS, *(f"tables/{name}.tex" for name in TABLES)}


@pytest.mark.usefixtures("cheap")
def test_other_formats_and_none(verdict, tmp_path):
    target = tmp_path / "d"
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
def test_a_broken_writer_leaves_no_file(verdict, timeline, curve, tmp_path, monkeypatch, stage, error):
    def broken(*args, **kwargs):
        raise error

    monkeypatch.setattr(dossier, "fit_timeline", lambda verdict: timeline)
    monkeypatch.setattr(dossier, "SpecificationCurve", Kept(curve))
    if stage != "_draw":  # pictures are not the point here
        monkeypatch.setattr(dossier, "_draw", lambda *parts: {})
        monkeypatch.setattr(dossier, "_blocks", lambda *parts: [])
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
