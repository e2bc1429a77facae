"""The dossier of a verdict: one page, its parts for a paper, and the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import plots
from ..claim import Verdict
from ..claim.specifications import SpecificationCurve
from ..correlation import CorrelationFit
from ..errors import SpecError, check_option
from ..plots.claims import null_panels
from ..plots.forest import forest
from ..plots.placebos import placebos
from ..plots.timeline import timeline as draw_timeline
from ..table import Table
from . import alternatives, tables
from .blocks import Block, Code, Heading, Paragraph, Picture, Points, to_html, to_markdown
from .folder import check_folder, put_files
from .latex import document, methods_latex, table_latex
from .methods import methods, references
from .references import to_plain
from .timeline import DESCRIPTION, Timeline, fit_timeline, timeline_table

__all__ = ["write_report"]

_TABLES = (
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
_FIGURES = (
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
# what an earlier dossier may have left: replaced or removed, never anything else
OWN_FILES = (
    "index.html",
    "report.md",
    "verdict.json",
    "references.bib",
    "methods.tex",
    "dossier.tex",
    *(f"tables/{name}.tex" for name in _TABLES),
    *(f"figures/{name}.{form}" for name in (*_FIGURES, "hypotheses") for form in plots.FORMATS),
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

    ``index.html`` is one page that needs nothing else (pictures embedded, no network) and reads on a phone and in
    print; ``report.md`` says the same in Markdown. For a paper there are ``tables/*.tex`` (booktabs, notes below),
    ``figures/*``, ``methods.tex`` with citations of ``references.bib``, and ``dossier.tex``, a document of all of
    them. ``verdict.json`` holds every number with plan, seed, versions and hashes. The same verdict gives the same
    bytes.

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
    timeline = fit_timeline(verdict)
    # the rotations are the plan's own: this is the verdict's curve again, with its joint law
    curve = None if verdict.specifications.empty else SpecificationCurve.fit(verdict.plan, verdict.sample)
    paragraphs = methods(verdict, timeline)
    cited = (timeline.regimes, timeline.breaks, curve)
    fits = (one.cite() for one in cited if one is not None and not isinstance(one, str))
    bib = references(verdict, paragraphs, *fits)
    drawn = _draw(verdict, fit, timeline, curve)
    pictures = {name: plots.render(figure, "png") for name, figure in drawn.items()}
    files: dict[str, bytes] = {}
    for form in figures:
        for name, figure in drawn.items():
            files[f"figures/{name}.{form}"] = pictures[name] if form == "png" else plots.render(figure, form)
    latex = _latex(verdict, fit, timeline, curve)
    for name, text in latex.items():
        files[f"tables/{name}.tex"] = text.encode()
    blocks = _blocks(verdict, fit, drawn, timeline, curve, tuple(map(to_plain, paragraphs)), bib)
    title = f"{verdict.plan.crypto} and {verdict.plan.equity}: the re-rating claim"
    paths = {name: f"figures/{name}.{form}" for form in reversed(list(figures)) for name in drawn}
    captions = {block.name: block.caption for block in blocks if isinstance(block, Picture)}
    # what LaTeX reads: vectors where there are some
    readable = [form for form in ("pdf", "png") if form in figures][:1]
    included = {name: (f"figures/{name}.{form}", captions[name]) for form in readable for name in captions}
    files["verdict.json"] = verdict.to_json().encode()
    files["references.bib"] = bib.encode()
    files["methods.tex"] = methods_latex(paragraphs).encode()
    files["dossier.tex"] = document(title, list(latex), included).encode()
    files["report.md"] = to_markdown(title, blocks, paths).encode()
    files["index.html"] = to_html(title, blocks, pictures).encode()
    return put_files(folder, files, stale=OWN_FILES)


def _draw(
    verdict: Verdict, fit: CorrelationFit, timeline: Timeline, curve: SpecificationCurve | None
) -> dict[str, Any]:
    drawn = {
        "forest": forest(verdict),
        "timeline": draw_timeline(verdict, timeline.path, timeline.regimes, timeline.breaks),
        "correlation": plots.pair_path(verdict, fit),
        "null": plots.null_distribution(verdict),
        "nulls": null_panels(verdict),
        "prices": plots.prices_and_relative_strength(verdict),
    }
    if verdict.sample.break_date is not None:
        drawn["correlation-full"] = plots.pair_path(verdict, timeline.path)
    if verdict.plan.placebos:
        drawn["placebos"] = placebos(verdict)
    if curve is not None:
        drawn["specifications"] = plots.specification_curve(curve)
    return drawn


def _latex(
    verdict: Verdict, fit: CorrelationFit, timeline: Timeline, curve: SpecificationCurve | None
) -> dict[str, str]:
    content: dict[str, list[Table]] = {
        "verdict": [tables.verdict_table(verdict)],
        "reasons": [tables.reasons_table(verdict)],
        "naive": [verdict.naive_table()],
        "power": [tables.power_table(verdict)],
        "placement": [tables.placement_table(verdict)],
        "definitions": [tables.definitions_table(verdict)],
        "placebos": [tables.placebo_table(verdict)] if verdict.plan.placebos else [],
        "specifications": [] if curve is None else [curve.summary(), tables.specification_table(verdict)],
        "timeline": [timeline_table(timeline)],
        "dcc": [fit.summary()],
        "margins": tables.margin_tables(fit),
        "evidence": [tables.evidence_table(verdict)],
    }
    return {
        name: "\n".join(
            table_latex(table, f"tab:{name}{f'-{k}' if len(parts) > 1 else ''}") for k, table in enumerate(parts, 1)
        )
        for name, parts in content.items()
        if parts
    }


def _blocks(
    verdict: Verdict,
    fit: CorrelationFit,
    drawn: dict[str, Any],
    timeline: Timeline,
    curve: SpecificationCurve | None,
    paragraphs: Sequence[str],
    bib: str,
) -> list[Block]:
    plan = verdict.plan
    out: list[Block] = [Paragraph(verdict.sentence, lead=True), tables.verdict_table(verdict)]
    out += [
        Picture(
            "forest",
            "Estimates with 90 % (thick) and 95 % intervals; triangles mark the smallest effect each test would find "
            "with 80 % power, the dotted line the smallest effect of interest. H2p is a difference of shares of days.",
            alternatives.forest_words(verdict),
        ),
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
        Heading("Correlation, episodes, regimes and breaks"),
        Picture(
            "timeline",
            f"Correlation of {plan.crypto} and {plan.equity} on the whole sample, the probability of the regime of "
            f"high correlation, and breaks in the mean product of standardized residuals; the episodes "
            f"'{plan.episodes.name}' are shaded. {DESCRIPTION}",
            alternatives.timeline_words(verdict, timeline),
        ),
        timeline_table(timeline),
        Picture("correlation", _path_caption(verdict, "the tested window"), alternatives.path_words(verdict, fit)),
    ]
    if "correlation-full" in drawn:
        out.append(
            Picture(
                "correlation-full",
                _path_caption(verdict, "the full sample")
                + " Its target mixes both sides of the break; for the eye only.",
                alternatives.path_words(verdict, timeline.path),
            )
        )
    levels = "Levels rebuilt from the tested returns"
    ratio = ", and technology over the market" if plan.tech is not None and plan.market is not None else ""
    out.append(Picture("prices", f"{levels}{ratio}; episodes shaded.", alternatives.price_words(verdict)))
    out += [Heading("What the usual tests say, and why it is not evidence"), verdict.naive_table()]
    out += [
        Heading("Null law, power and placement"),
        Picture(
            "null",
            "The headline statistic in samples of a world without episode effects, its critical value, the value in "
            "the data, and where it falls on average when the effect is the smallest this design could see.",
            alternatives.null_words(verdict),
        ),
        Picture(
            "nulls",
            "Statistics of further hypotheses in samples without episode effects, with critical values and the values "
            "in the data. H7 asks for both of its sides.",
            alternatives.panel_words(verdict),
        ),
        tables.power_table(verdict),
        tables.placement_table(verdict),
    ]
    if "placebos" in drawn:
        out += [
            Heading("Placebo assets"),
            Picture(
                "placebos",
                f"Contrast of the correlation of {plan.crypto} with the tested equity and with assets that should not "
                "show it, 95 % intervals from the draws of the null.",
                alternatives.placebo_words(verdict),
            ),
            tables.placebo_table(verdict),
        ]
    out += [Heading("Other definitions"), tables.definitions_table(verdict)]
    overlap = tables.overlap_table(verdict)
    out += [overlap] if overlap is not None else []
    if curve is not None:
        out += [
            Picture(
                "specifications",
                "The contrast under every choice that could have been made, sorted, with the choices marked below; "
                "filled points have a shift p-value at most the level, the diamond is the plan's own.",
                alternatives.curve_words(curve),
            ),
            curve.summary(),
            tables.specification_table(verdict),
        ]
    out.append(tables.spells_table(verdict))
    out += [Heading("Methods"), *map(Paragraph, paragraphs)]
    out += [Heading("Evidence in detail"), tables.evidence_table(verdict)]
    out += [Heading("Fitted models"), fit.summary(), *tables.margin_tables(fit)]
    out += [Heading("Plan"), tables.plan_table(verdict), Heading("Data"), tables.policy_table(verdict)]
    note = verdict.main.coverage.note
    out += [Paragraph(f"On the episodes: {note}.")] if note else []
    out += [Heading("Record"), tables.record_table(verdict), tables.versions_table(verdict)]
    out += [Heading("References"), Code(bib)]
    return out


def _path_caption(verdict: Verdict, where: str) -> str:
    plan = verdict.plan
    return (
        f"Conditional correlation of {plan.crypto} and {plan.equity} on {where}, with a 95 % band for estimated "
        f"parameters where it can be computed, and the episodes '{plan.episodes.name}'."
    )
