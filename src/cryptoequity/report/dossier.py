"""The dossier of a verdict: one page, its parts for a paper, and the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import plots
from ..claim import Verdict
from ..correlation import CorrelationFit
from ..errors import SpecError, check_option
from ..table import Table
from . import tables
from .blocks import Block, Code, Heading, Paragraph, Picture, Points, to_html, to_markdown
from .folder import check_folder, put_files

__all__ = ["write_report"]

_TABLES = ("verdict", "naive", "evidence", "dcc", "margins")
_FIGURES = ("correlation", "correlation-full", "hypotheses", "null", "prices", "specifications")
# what an earlier dossier may have left: replaced or removed, never anything else
OWN_FILES = (
    "index.html",
    "report.md",
    "verdict.json",
    "references.bib",
    *(f"tables/{name}.tex" for name in _TABLES),
    *(f"figures/{name}.{form}" for name in _FIGURES for form in plots.FORMATS),
)

READING = (
    "Each row of the verdict is a hypothesis, judged by a rule that was fixed with the plan before the data were "
    "fitted. 'Supported' means that the p-value, after Holm's correction where it belongs to the family, is at most "
    "the plan's level, and for the peak (H2) also that it survives the adjustment for volatility and for the market. "
    "'Contradicted' means that the 90 % interval holds zero and lies below the smallest effect of interest or, for "
    "H7, that the two sides differ. 'Mechanical' means that correlation is higher but volatility may explain it. "
    "'Inconclusive' means that the design could not tell: compare the smallest detectable effect (mde) with the "
    "effect you care about "
    "before reading it as absence."
)
WHEN_NOT = (
    "Do not rely on it when the sample holds fewer than three or four spells, when the episodes were chosen by looking "
    "at the correlation itself, or when the plan was changed after a verdict was seen: then no p-value means what it "
    "says. A correlation is no cause, the episodes share their time with whatever else happened in it, and a verdict "
    "holds for this pair, this sample and this definition of the episodes."
)


def write_report(verdict: Verdict, folder: str | Path, *, figures: Sequence[str] = ("png", "svg")) -> dict[str, Path]:
    """Write the dossier of ``verdict`` into ``folder``, all files or none.

    ``index.html`` is one page that needs nothing else (pictures embedded, no network); ``report.md`` says the same in
    Markdown; ``tables/*.tex`` and ``figures/*`` are for a paper; ``verdict.json`` holds every number with plan, seed,
    versions and hashes; ``references.bib`` cites what was computed. The same verdict gives the same bytes.

    Parameters
    ----------
    verdict : of `test_claim`.
    folder : made when missing. In an existing folder the files of an earlier dossier are replaced and everything
        else stays; an error or interrupt leaves it as it was.
    figures : formats of the files in ``figures/``, among "png", "svg" and "pdf"; may be empty.

    Returns
    -------
    dict from name within the folder to path.

    Raises
    ------
    SpecError : unknown format, or ``folder`` is a file.

    Examples
    --------
    >>> import cryptoequity as ce
    >>> ce.write_report(verdict, "dossier")["index.html"].name  # doctest: +SKIP
    'index.html'
    """
    if isinstance(figures, str):
        raise SpecError(f"figures={figures!r} is one text; pass a tuple of formats, ({figures!r},).")
    for form in figures:
        check_option("figures", form, plots.FORMATS)
    check_folder(folder)
    fit = verdict.dcc()
    drawn = _draw(verdict, fit)
    pictures = {name: plots.render(figure, "png") for name, figure in drawn.items()}
    files: dict[str, bytes] = {}
    for form in figures:
        for name, figure in drawn.items():
            files[f"figures/{name}.{form}"] = pictures[name] if form == "png" else plots.render(figure, form)
    for name, text in _latex(verdict, fit).items():
        files[f"tables/{name}.tex"] = text.encode()
    blocks = _blocks(verdict, fit, drawn)
    title = f"{verdict.plan.crypto} and {verdict.plan.equity}: the re-rating claim"
    paths = {name: f"figures/{name}.{form}" for form in reversed(list(figures)) for name in drawn}
    files["verdict.json"] = verdict.to_json().encode()
    files["references.bib"] = verdict.cite().encode()
    files["report.md"] = to_markdown(title, blocks, paths).encode()
    files["index.html"] = to_html(title, blocks, pictures).encode()
    return put_files(folder, files, stale=OWN_FILES)


def _draw(verdict: Verdict, fit: CorrelationFit) -> dict[str, Any]:
    drawn = {
        "correlation": plots.pair_path(verdict, fit),
        "hypotheses": plots.hypotheses(verdict),
        "null": plots.null_distribution(verdict),
        "prices": plots.prices_and_relative_strength(verdict),
    }
    if verdict.sample.break_date is not None:
        drawn["correlation-full"] = plots.pair_path(verdict, verdict.dcc_full())
    if not verdict.specifications.empty:
        drawn["specifications"] = plots.specification_curve(verdict)
    return drawn


def _latex(verdict: Verdict, fit: CorrelationFit) -> dict[str, str]:
    content: dict[str, list[Table]] = {
        "verdict": [verdict.summary()],
        "naive": [verdict.naive_table()],
        "evidence": [tables.evidence_table(verdict)],
        "dcc": [fit.summary()],
        "margins": tables.margin_tables(fit),
    }
    return {name: "\n".join(table.to_latex() for table in parts) for name, parts in content.items()}


def _blocks(verdict: Verdict, fit: CorrelationFit, drawn: dict[str, Any]) -> list[Block]:
    plan = verdict.plan
    out: list[Block] = [Paragraph(verdict.sentence, lead=True), tables.verdict_table(verdict)]
    out += [Picture("hypotheses", "Estimates with 95 % intervals; the dotted line is the smallest effect of interest.")]
    out += [
        Heading("Reasons"),
        Points(
            tuple(
                (f"{key}, {row['statement']}: {row['verdict']}", str(row["reason"]))
                for key, row in verdict.table.iterrows()
            )
        ),
        Heading("How to read this"),
        Paragraph(READING),
        Paragraph(WHEN_NOT),
        Heading("Correlation and episodes"),
        Picture("correlation", _path_caption(verdict, "the tested window")),
    ]
    if "correlation-full" in drawn:
        out.append(
            Picture(
                "correlation-full",
                _path_caption(verdict, "the full sample")
                + " Its target mixes both sides of the break; for the eye only.",
            )
        )
    out.append(
        Picture("prices", "Levels rebuilt from the tested returns, and technology over the market; episodes shaded.")
        if plan.tech is not None and plan.market is not None
        else Picture("prices", "Levels rebuilt from the tested returns; episodes shaded.")
    )
    out += [Heading("What the usual tests say, and why it is not evidence"), verdict.naive_table()]
    out += [
        Heading("Null law, power and placement"),
        Picture(
            "null",
            "The headline statistic in samples of a world without episode effects, its critical value, the value in "
            "the data, and where it falls on average when the effect is the smallest this design could see.",
        ),
        tables.power_table(verdict),
        tables.placement_table(verdict),
        Heading("Other definitions"),
        tables.definitions_table(verdict),
    ]
    overlap = tables.overlap_table(verdict)
    out += [overlap] if overlap is not None else []
    if "specifications" in drawn:
        out.append(
            Picture(
                "specifications",
                "Every definition, edge and equity; filled points have a shift p-value at most the level.",
            )
        )
        out.append(tables.specification_table(verdict))
    out.append(tables.spells_table(verdict))
    out += [Heading("Evidence in detail"), tables.evidence_table(verdict)]
    out += [Heading("Fitted models"), fit.summary(), *tables.margin_tables(fit)]
    out += [Heading("Plan"), tables.plan_table(verdict), Heading("Data"), tables.policy_table(verdict)]
    note = verdict.main.coverage.note
    out += [Paragraph(f"On the episodes: {note}.")] if note else []
    out += [Heading("Versions and seed"), tables.versions_table(verdict)]
    out += [Heading("References"), Code(verdict.cite())]
    return out


def _path_caption(verdict: Verdict, where: str) -> str:
    plan = verdict.plan
    return (
        f"Conditional correlation of {plan.crypto} and {plan.equity} on {where}, with a 95 % band for estimated "
        f"parameters where it can be computed, and the episodes '{plan.episodes.name}'."
    )
