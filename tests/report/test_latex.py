"""Text of anyone's making in LaTeX, and citations in running text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoequity.errors import SpecError
from cryptoequity.estimation.bibliography import bibliography
from cryptoequity.report.latex import LONG, document, table_latex
from cryptoequity.report.references import author_year, cited, to_natbib, to_plain
from cryptoequity.table import Table, _latex

# what each escape stands for, read the other way round
BACK = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textbar{}": "|",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    **{rf"\{c}": c for c in "&%$#_{}"},
}


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_escapes_can_be_read_back(text):
    found = _latex(text)
    pattern = "|".join(map(re.escape, sorted(BACK, key=len, reverse=True)))
    assert re.sub(pattern, lambda m: BACK[m.group(0)], found) == text
    # nothing that LaTeX would act upon is left bare
    assert not re.search(r"[&%$#_{}~^\\|<>]", re.sub(pattern, "", found))


def test_accents_and_greek_are_ascii():
    assert _latex("Krämer, Terasvirta é ő š ç ß ø") == (r"Kr\"{a}mer, Terasvirta \'{e} \H{o} \v{s} \c{c} \ss{} \o{}")
    assert _latex("γ α ω λ μ ν ρ Δ").isascii()
    # written with a combining mark it is the same letter
    assert _latex("a\u0308") == r"\"{a}"
    # a letter LaTeX has no accent for stays, for engines that read it
    assert _latex("日") == "日"


def test_names_of_columns_in_every_cell():
    nasty = "A&B_50%#1"
    table = Table(nasty, ("", nasty), ((nasty, "1.0"),), (nasty,))
    text = table_latex(table, "tab:x")
    assert text.count(r"A\&B\_50\%\#1") == 4
    assert nasty not in text
    assert r"\begin{tabular}{lr}" in text
    assert nasty not in document(nasty, ["x"], {"f": ("figures/f.png", nasty)})


@pytest.mark.parametrize("rows", [0, 1, LONG, LONG + 1])
def test_long_tables_break_across_pages_and_short_ones_float(rows):
    table = Table("t", ("", "number", "words"), tuple((str(k), "-0.50", "w" * 40) for k in range(rows)), ("note",))
    text = table_latex(table, "tab:t")
    assert (r"\begin{longtable}" in text) == (rows > LONG)
    assert (r"\begin{threeparttable}" in text) == (rows <= LONG)
    assert text.count("note") >= 1
    assert text.count(r"\label{tab:t}") == 1
    assert len(re.findall(r"^\d+ & ", text, flags=re.MULTILINE)) == rows
    if rows:
        assert re.search(r"r>\{\\raggedright\\arraybackslash\}p\{0\.\d\d\\linewidth\}", text)


def test_a_row_that_begins_with_a_bracket_is_no_option():
    text = table_latex(Table("t", ("", "a"), (("x", "1"), ("[n/a]", "2"), ("*", "3")), ()), "tab:t")
    assert "\n{}[n/a] & 2" in text
    assert "\n{}* & 3" in text


def test_every_paper_has_authors_and_a_year():
    for key in bibliography():
        text = author_year(key)
        assert re.fullmatch(r"[^\\{}]+ \d{4}", text), (key, text)
    assert author_year("engle2002") == "Engle 2002"
    assert author_year("englesheppard2001") == "Engle & Sheppard 2001"
    assert author_year("glosten1993") == "Glosten et al. 1993"
    assert author_year("silvennoinenterasvirta2015") == "Silvennoinen & Teräsvirta 2015"
    assert author_year("riskmetrics1996") == "J.P. Morgan and Reuters 1996"
    with pytest.raises(SpecError, match="no bibliography entry for 'nobody1900'"):
        author_year("nobody1900")


def test_marks_become_citations():
    text = "A model [@engle2002; @holm1979] of 5 % [not a mark]."
    assert cited(text + " [@holm1979]") == ["engle2002", "holm1979"]
    assert to_natbib(text) == r"A model \citep{engle2002,holm1979} of 5 \% [not a mark]."
    assert to_plain(text) == "A model (Engle 2002; Holm 1979) of 5 % [not a mark]."
