"""The methods paragraph says what was chosen and run, and nothing else."""

from __future__ import annotations

import dataclasses

import pytest

import cryptoequity as ce
from cryptoequity.claim.registration import Change, Registration
from cryptoequity.estimation.results import TestResult
from cryptoequity.report.methods import methods, references
from cryptoequity.report.references import cited
from cryptoequity.report.timeline import Timeline, fit_timeline, timeline_table


@pytest.fixture(scope="module")
def timeline(verdict):
    return fit_timeline(verdict)


def told(verdict, timeline, **changes):
    return " ".join(methods(dataclasses.replace(verdict, **changes), timeline))


def planned(verdict, **choices):
    return dataclasses.replace(verdict.plan, **choices)


def test_every_hypothesis_is_told_once_or_said_not_to_be_testable(verdict, timeline):
    text = told(verdict, timeline)
    apart = text[text.index("Not testable:") :]
    for key, row in verdict.table.iterrows():
        if row["verdict"] == "not testable":
            assert f"{key} (" in apart
            assert f"{key}, {row['statement']}:" not in text
        elif key != "H2":
            assert f"{key}, {row['statement']}: {verdict.evidence[key].method}" in text


def test_models_are_those_of_the_plan(verdict, timeline):
    text = told(verdict, timeline)
    assert "GARCH(1,1) with Student t errors [@bollerslev1986; @bollerslev1987] for crypto" in text
    assert "GJR-GARCH(1,1) with Student t errors [@glosten1993; @bollerslev1987] for equities" in text
    other = planned(verdict, crypto_margin=ce.EGARCH(dist="skewt"), equity_margin=ce.GARCH(), dist="normal")
    text = told(verdict, timeline, plan=other)
    assert "EGARCH(1,1) with skewed t errors [@nelson1991; @hansen1994] for crypto" in text
    assert "GARCH(1,1) with normal errors [@bollerslev1986] for equities" in text
    assert "DCC(1,1) with normal errors" in text
    assert "dropped" in told(verdict, timeline, plan=planned(verdict, weekend="drop"))


def test_the_break_is_the_plans_or_found_or_none(verdict, timeline):
    assert "placed at 2020-03-16 by the plan" in told(verdict, timeline)
    sample = verdict.sample
    found = dataclasses.replace(sample, break_test=TestResult("sup-F", "none", 9.0, 0.01, "draws"))
    text = told(verdict, timeline, sample=found)
    assert "[@andrews1993]; it has p = 0.010 by simulation and cuts the sample" in text
    none = dataclasses.replace(found, break_date=None)
    assert "is not significant, and the whole sample is tested" in told(verdict, timeline, sample=none)
    assert "break in the level" not in told(
        verdict, timeline, sample=dataclasses.replace(sample, break_test=None, break_date=None)
    )


def test_what_was_registered_changed_and_lost_is_said(verdict, timeline):
    assert "The plan was not registered." in told(verdict, timeline)
    change = Change("alpha", "0.05", "0.1")
    registration = Registration("a" * 64, "1.0", "2024-06-30", (change,), "the first was a slip")
    text = told(verdict, timeline, registration=registration)
    assert "AMENDED before this run (alpha: 0.05 → 0.1), because: the first was a slip." in text
    failures = verdict.failures.copy()
    failures.iloc[0, failures.columns.get_loc("failed")] = 3
    made = int(failures["draws"].sum())
    assert f"Of {made:,} draws in all loops 3 failed." in told(verdict, timeline, failures=failures)


def test_only_fits_that_were_made_are_described_and_cited(verdict, timeline):
    assert {"pelletier2006", "baiperron1998"} <= set(cited(told(verdict, timeline)))
    half = Timeline(timeline.path, "regimes could not be fitted: flat", timeline.breaks)
    text = told(verdict, half)
    assert "two regimes" not in text
    assert "baiperron1998" in cited(text)
    table = timeline_table(half)
    assert "regimes could not be fitted: flat." in table.notes
    assert [row[0] for row in table.rows] == ["break 2020-03-03"]


def test_table_of_the_timeline_has_levels_and_dates(timeline):
    table = timeline_table(timeline)
    levels = timeline.regimes.correlations().iloc[0]
    assert [row[1] for row in table.rows[:2]] == [f"correlation {level:.2f}" for level in levels]
    ends = timeline.breaks.conf_int().iloc[0]
    assert table.rows[2][2] == f"{ends['lower'].date()} to {ends['upper'].date()}"
    spans = [float(row[2].split("%")[0]) for row in table.rows[:2]]
    assert sum(spans) == pytest.approx(100.0, abs=1.01)


def test_references_hold_each_paper_once(verdict, timeline):
    paragraphs = methods(verdict, timeline)
    text = references(verdict, paragraphs, timeline.regimes.cite(), verdict.cite())
    keys = [line.split("{")[1].split(",")[0] for line in text.splitlines() if line.startswith("@")]
    assert len(keys) == len(set(keys))
    assert set(cited(" ".join(paragraphs))) <= set(keys)
    assert "forbesrigobon2002" in keys
