"""The tables of the dossier."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from ..claim import ReRating, Verdict
from ..claim.naive import measured_rates
from ..correlation import CorrelationFit
from ..plots.placebos import placebo_contrasts
from ..table import Table, format_number

__all__ = [
    "definitions_table",
    "evidence_table",
    "margin_tables",
    "overlap_table",
    "placebo_table",
    "placement_table",
    "plan_table",
    "policy_table",
    "power_table",
    "reasons_table",
    "record_table",
    "specification_table",
    "spells_table",
    "verdict_table",
    "versions_table",
]


def verdict_table(verdict: Verdict) -> Table:
    """The summary with a short title; reasons stand in the text."""
    full = verdict.summary()
    keys = tuple(f"{key}: " for key in verdict.table.index)
    notes = tuple(note for note in full.notes if not note.startswith(keys))
    return Table("Verdicts", full.head, full.rows, notes)


def reasons_table(verdict: Verdict) -> Table:
    """Verdict on every hypothesis, with its reason."""
    rows = tuple(
        (str(key), str(row["statement"]), str(row["verdict"]), str(row["reason"]))
        for key, row in verdict.table.iterrows()
    )
    return Table("Hypotheses, verdicts and reasons", ("", "hypothesis", "verdict", "reason"), rows)


def placebo_table(verdict: Verdict) -> Table:
    """Contrast of the tested pair and of every placebo; needs placebos in the plan."""
    frame = placebo_contrasts(verdict)
    notes = (
        f"Correlation with {verdict.plan.crypto}, inside minus outside; 95 % intervals and one-sided p-values of the "
        "score from the draws of the null. P-values of single placebos are not adjusted; H10 tests them together.",
    )
    digits = {"estimate": 2, "lower": 2, "upper": 2, "pvalue": 3}
    return Table.of("The tested equity and placebo assets", frame, digits=digits, notes=notes)


def record_table(verdict: Verdict) -> Table:
    """Draws made and lost by every loop, and whether the plan was registered."""
    failures = getattr(verdict, "failures", None)
    rows: list[tuple[str, ...]] = []
    if failures is not None:
        rows = [
            (str(name), str(row["draws"]), str(row["failed"]), str(row["first error"]) or "none")
            for name, row in failures.iterrows()
        ]
    registration = getattr(verdict, "registration", None)
    notes = ["The plan was not registered." if registration is None else str(registration.sentence)]
    return Table("Draws and registration", ("loop", "draws", "failed", "first error"), tuple(rows), tuple(notes))


def evidence_table(verdict: Verdict) -> Table:
    """Every number behind a row, by hypothesis."""
    rows = []
    for key, one in verdict.evidence.items():
        rows.append((key, "sessions", str(one.nobs)))
        if not math.isnan(one.low90):
            rows.append((key, "90 % interval", f"{one.low90:+.3f} to {one.high90:+.3f}"))
        rows += [(key, str(name), _number(value)) for name, value in one.detail.items()]
    notes = tuple(f"{key}: {one.method}." for key, one in verdict.evidence.items() if one.method != "none")
    return Table("Evidence in detail", ("", "what", "value"), tuple(rows), notes)


def placement_table(verdict: Verdict) -> Table:
    """Shift tests of the headline contrast, with measured rejection rates of true nulls."""
    rates = measured_rates()
    rows = []
    for name, test in verdict.placement.items():
        rate = rates.get(name, {})
        ends = dict.fromkeys(f"{rate[end]:.1%}" for end in ("low", "high")) if rate else ["not measured"]
        measured = "–".join(ends)
        rows.append((name, format_number(test.statistic), format_number(test.pvalue, 3), measured))
    notes = ["The episodes are moved, the data stay; one-sided. Rates at nominal 5 %: benchmarks/size_power.py."]
    notes += [f"{name}: {test.reason}." for name, test in verdict.placement.items() if test.reason]
    if verdict.plan.episodes.by_data:
        notes.append(
            "These episodes are dated from prices: moving them does not date them again, so read the bootstrap instead."
        )
    head = ("test", "statistic", "p-value", "rejects a true null")
    return Table("Placement tests of H2", head, tuple(rows), tuple(notes))


def power_table(verdict: Verdict) -> Table:
    """Simulated effects and where the statistic falls."""
    one = verdict.detectable
    null = verdict.null[pd.notna(verdict.null)]
    rows = [("0.00", format_number(float(null.mean())), format_number(float(null.std())))]
    rows += [
        (f"{delta:.2f}", format_number(mean), format_number(sd))
        for delta, mean, sd in zip(one.deltas, one.means, one.sds, strict=True)
    ]
    effect = (
        "none up to the largest that keeps the path a correlation" if math.isnan(one.effect) else f"{one.effect:.2f}"
    )
    notes = (
        f"Smallest effect found with {one.power:.0%} power at {verdict.plan.alpha:.0%}: {effect}, in units of "
        f"correlation. Smallest effect of interest in the plan: {verdict.plan.sesoi:.2f}.",
    )
    return Table("Power of the headline test", ("effect", "mean of the statistic", "its sd"), tuple(rows), notes)


def plan_table(verdict: Verdict) -> Table:
    """Every choice of the plan."""
    rows = [(name, _choice(value)) for name, value in verdict.plan.to_dict().items()]
    return Table("The plan", ("choice", "value"), tuple(rows), (f"sha256 {verdict.plan.sha256}",))


def _choice(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(_choice(one) for one in value) or "none"
    if isinstance(value, dict) and "spells" in value:
        return f"{value['name']} ({value['definition']}, {len(value['spells'])} spells, sha256 {value['sha256'][:12]})"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_choice(one)}" for key, one in value.items()) or "none"
    return str(value)


def _definitions(verdict: Verdict) -> list[tuple[str, ReRating]]:
    """Definitions of the episodes under labels that differ."""
    out: list[tuple[str, ReRating]] = []
    seen: dict[str, int] = {}
    for one in (verdict.plan.episodes, *verdict.plan.alternatives):
        seen[one.name] = seen.get(one.name, 0) + 1
        out.append((one.name if seen[one.name] == 1 else f"{one.name} ({seen[one.name]})", one))
    return out


def definitions_table(verdict: Verdict) -> Table:
    """Coverage of the tested window by each definition."""
    index = verdict.main.index
    rows = tuple(
        (
            label,
            one.definition,
            f"{one.coverage(index):.0%}",
            str(one.n_spells(index)),
            "yes" if one.real_time else "no",
            one.circularity,
        )
        for label, one in _definitions(verdict)
    )
    head = ("definition", "kind", "coverage", "spells", "real time", "circularity")
    notes = (
        "The first definition is the plan's; the others enter the specification curve alone.",
        "Circularity: how far the dates are read off the prices whose correlation is tested.",
    )
    return Table("Definitions of the episodes on the tested window", head, rows, notes)


def overlap_table(verdict: Verdict) -> Table | None:
    """Jaccard index of every pair of definitions on the tested window; None with a single definition."""
    named = _definitions(verdict)
    if len(named) < 2:
        return None
    index = verdict.main.index
    rows = tuple(
        (label, *(format_number(one.overlap(other, index)["jaccard"], 2) for _, other in named)) for label, one in named
    )
    return Table(
        "How far the definitions agree: Jaccard index",
        ("", *(label for label, _ in named)),
        rows,
        ("Sessions that both call an episode over sessions that either does; 1 is agreement.",),
    )


def spells_table(verdict: Verdict) -> Table:
    """Spells of the plan's episodes, in the tested window or not."""
    index = verdict.main.index
    rows = []
    for spell in verdict.plan.episodes.dated:
        inside = int(((index >= pd.Timestamp(spell.start)) & (index <= pd.Timestamp(spell.end))).sum())
        side = {1: "up", -1: "down", 0: "unsigned"}[spell.sign]
        rows.append((str(spell.start), str(spell.end), side, str(inside)))
    head = ("start", "end", "direction", "sessions tested")
    return Table(f"Spells of '{verdict.plan.episodes.name}'", head, tuple(rows), ("Both days belong to a spell.",))


def policy_table(verdict: Verdict) -> Table:
    """How prices became returns."""
    sample = verdict.sample
    policy = verdict.returns.attrs.get("cryptoequity", {})
    rows = [(str(key).replace("_", " "), _choice(value)) for key, value in policy.items()]
    rows.append(("sample", _window(sample.full)))
    rows.append(("break", "none" if sample.break_date is None else str(sample.break_date.date())))
    rows.append(("tested window", _window(sample.window)))
    rows.append(("after publication", _window(sample.after) if len(sample.after) else "none"))
    return Table("Data", ("", "value"), tuple(rows), (f"sha256 of the returns {verdict.data_sha256}",))


def _window(frame: pd.DataFrame) -> str:
    index = pd.DatetimeIndex(frame.index)
    return f"{index[0].date()} to {index[-1].date()}, {len(index)} sessions"


def specification_table(verdict: Verdict) -> Table:
    """The specification curve by definition and equity: range and how many p-values are small."""
    frame = verdict.specifications
    rows = []
    for (definition, equity), part in frame.groupby(["definition", "equity"], sort=False):
        low, high = part["estimate"].min(), part["estimate"].max()
        small = int((part["pvalue"] <= verdict.plan.alpha).sum())
        rows.append((str(definition), str(equity), f"{low:+.2f}", f"{high:+.2f}", f"{small} of {len(part)}"))
    head = ("definition", "equity", "lowest", "highest", f"shift p <= {verdict.plan.alpha:g}")
    notes = (
        "Edges moved by up to 21 sessions either way. The p-values of definitions dated from the tested sample are too "
        "small; none is picked out.",
    )
    return Table("Specification curve", head, tuple(rows), notes)


def margin_tables(fit: CorrelationFit) -> list[Table]:
    """Summary of each margin."""
    return [margin.summary() for margin in fit.margins.fits]


def versions_table(verdict: Verdict) -> Table:
    """Versions and seed."""
    rows = [*verdict.versions.items(), ("seed", str(verdict.plan.rng)), ("draws", str(verdict.plan.draws))]
    return Table("Versions", ("", "value"), tuple(rows))


def _number(value: Any) -> str:
    """Cell for a number or a text of the evidence; small numbers stay short."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, list | tuple):
        return ", ".join(map(_number, value)) or "none"
    if value == "":
        return "none"
    return "n/a" if isinstance(value, float) and math.isnan(value) else format_number(value)
