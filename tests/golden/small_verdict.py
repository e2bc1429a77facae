"""A small verdict shared by the tests of plots, report and command line, and the golden texts made from it.

python tests/golden/small_verdict.py        writes the golden texts anew, after a change that is meant
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import cryptoequity as ce
from cryptoequity.claim import Verdict
from cryptoequity.report import tables
from cryptoequity.table import Table

HERE = Path(__file__).parent
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?")


@functools.cache
def small_verdict() -> Verdict:
    """``step``, 19 draws, every hypothesis that the sample can answer."""
    prices, truth, multiples = ce.load_sample("step"), ce.load_truth("step"), ce.load_multiples("step")
    tech, market = prices["TECH"], prices["MARKET"]
    plan = ce.Plan(
        crypto="COIN",
        equity="SMALL_TECH",
        tech="TECH",
        market="MARKET",
        large="LARGE_TECH",
        altcoins=("ALTCOIN",),
        placebos=("GOLD",),
        episodes=ce.ReRating.from_dates(
            [(s["start"], s["end"], s["sign"]) for s in truth["spells"]], name="sample list"
        ),
        alternatives=(
            ce.ReRating.from_valuation(multiples["TECH_PE"], multiples["MARKET_PE"], prices=(tech, market)),
            ce.ReRating.from_relative_strength(tech, market),
        ),
        draws=19,
    )
    return ce.test_claim(prices, plan)


def texts(verdict: Verdict) -> dict[str, str]:
    """Golden texts by file name; the hash of the data stands aside, for it turns on the last bit of a logarithm."""
    naive = verdict.naive_table()
    # measured rates and coverage are the benchmark's to change
    pvalues = Table(naive.title, naive.head[:2], tuple(row[:2] for row in naive.rows))
    summary = verdict.summary()
    notes = tuple(note for note in summary.notes if not note.startswith("The 95 % intervals of H2 covered"))
    overlap = tables.overlap_table(verdict)
    assert overlap is not None
    parts = {
        "verdict.txt": Table(summary.title, summary.head, summary.rows, notes).to_text(),
        "naive.txt": pvalues.to_text(),
        "evidence.tex": tables.evidence_table(verdict).to_latex(),
        "episodes.md": "\n".join(
            table.to_markdown() for table in (tables.definitions_table(verdict), overlap, tables.spells_table(verdict))
        ),
        "plan.md": tables.plan_table(verdict).to_markdown(),
        "dcc.txt": verdict.dcc().summary().to_text(),
    }
    return {name: text.replace(verdict.data_sha256[:12], "DATA") + "\n" for name, text in parts.items()}


def differences(found: str, golden: str) -> list[str]:
    """Where two texts differ: words must agree, numbers to two units of their last printed digit."""
    out = []
    lines, kept = found.splitlines(), golden.splitlines()
    if len(lines) != len(kept):
        out.append(f"{len(lines)} lines, {len(kept)} expected")
    for k, (line, expected) in enumerate(zip(lines, kept, strict=False), 1):
        words, numbers = NUMBER.split(line), NUMBER.findall(line)
        others, targets = NUMBER.split(expected), NUMBER.findall(expected)
        # padding follows the width of the numbers
        same = ["".join(word.split()) for word in words] == ["".join(word.split()) for word in others]
        if not same or not all(map(_close, numbers, targets)):
            out.append(f"line {k}: {line!r}, expected {expected!r}")
    return out


def _close(found: str, golden: str) -> bool:
    mantissa, _, power = golden.partition("e")
    places = len(mantissa.partition(".")[2])
    unit = 10.0 ** (int(power or 0) - places)
    # whole numbers count things and must agree
    return found == golden if "." not in mantissa else abs(float(found) - float(golden)) <= 2.0 * unit * (1 + 1e-9)


if __name__ == "__main__":
    for name, text in texts(small_verdict()).items():
        (HERE / name).write_text(text, encoding="utf-8")
        print(name)
