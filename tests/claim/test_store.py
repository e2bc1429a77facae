"""Kept draws: a run that stops goes on, one that is extended equals a longer one, and nothing foreign gets in."""

import functools
import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import cryptoequity as ce
from claim.worlds import fitted
from cryptoequity.claim import headline as headline_module
from cryptoequity.claim.fingerprint import fingerprint
from cryptoequity.claim.hypotheses import Evidence
from cryptoequity.claim.lost_draws import refuse_lost
from cryptoequity.claim.pipeline import Draws, Pipeline
from cryptoequity.claim.store import DrawStore, RunLedger, _decode, _encode
from cryptoequity.claim.verdict import _hash_beside
from cryptoequity.estimation.parallel import FailedDraw, map_draws, recording, spawn

SPELLS = [(s["start"], s["end"], s["sign"]) for s in ce.load_truth("peaks")["spells"]]
PLAN = ce.Plan(
    crypto="COIN",
    equity="SMALL_TECH",
    episodes=ce.ReRating.from_dates(SPELLS, name="sample list"),
    start="2023-06-01",
    break_date=None,
    draws=19,
    rng=5,
)
PRICES = ce.load_sample("peaks")


@functools.cache
def verdict(draws=19):
    return ce.test_claim(PRICES, replace(PLAN, draws=draws))


def content(one):
    """Everything a verdict says, but for what it was extended from."""
    out = one.to_dict()
    del out["extended_from"]
    return out


def number(seed, scale=1.0):
    return float(np.random.default_rng(seed).standard_normal() * scale)


def stops(seed, scale=1.0):
    """Like `number`; where it stops is no part of what it computes, so that stands in a global."""
    if seed.spawn_key[-1] in STOP:
        raise KeyboardInterrupt
    CALLS.append(seed.spawn_key[-1])
    return number(seed, scale)


def singular(seed, at=3):
    if seed.spawn_key[-1] < at:
        raise np.linalg.LinAlgError(f"draw {seed.spawn_key[-1]} is singular")
    return {"x": number(seed), "rows": np.ones(2)}


STOP: list[int] = []
CALLS: list[int] = []


@pytest.fixture(autouse=True)
def clean():
    STOP.clear()
    CALLS.clear()


def store(folder=None, plan=PLAN, data="d"):
    return DrawStore(folder, plan, data)


def shards(folder):
    return sorted(Path(folder).rglob("*.draws"))


# --- fingerprints


def test_equal_things_have_one_fingerprint_in_every_process(tmp_path):
    code = "from claim.worlds import fitted; from cryptoequity.claim.fingerprint import *; print(fingerprint(fitted()))"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONHASHSEED": "3"}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert out.stdout.strip() == fingerprint(fitted())


def test_a_number_elsewhere_is_another_fingerprint():
    base = fitted()
    signed = base.signed.copy()
    signed[7] = 1.0 - signed[7]
    others = [replace(base, signed=signed), replace(base, dist="normal"), replace(base, minimal=True)]
    assert len({fingerprint(one) for one in (base, *others)}) == 4


def test_what_is_remembered_between_calls_does_not_matter():
    rule = ce.ReRating.from_relative_strength(PRICES["TECH"], PRICES["MARKET"])
    before = fingerprint(rule)
    rule.dating.clock  # fills a cached property  # noqa: B018
    assert fingerprint(rule) == before


def test_values_of_different_kinds_differ():
    many = [None, 0, 0.0, False, "", "0", b"0", (), [], {}, (0,), (0, 0), [0], {0: 0}, np.zeros(1), np.zeros(2)]
    many += [np.zeros(1, int), 0.5, number, functools.partial(number, scale=2.0), float]
    many += [np.random.SeedSequence(1), np.random.SeedSequence(2), *spawn(1, 2), pd.Series([1.0]), pd.Series([2.0])]
    many += [pd.Series([1.0], ["a"]), pd.DataFrame({"a": [1.0]}), pd.DataFrame({"b": [1.0]})]
    assert None not in [fingerprint(one) for one in many]
    assert len({fingerprint(one) for one in many}) == len(many)


def test_what_cannot_be_told_has_none():
    holds_itself = []
    holds_itself.append(holds_itself)
    for one in (lambda: 1, np.random.default_rng(1), object(), np.array([object()]), holds_itself):
        assert fingerprint(one) is None


# --- shards

numbers = st.floats() | st.integers(-(10**20), 10**20) | st.booleans() | st.none() | st.text(max_size=3)
arrays = st.lists(st.floats(), max_size=4).map(np.array)
values = st.recursive(
    numbers | arrays,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def same(one, other):
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and one != one:
        return other != other
    return type(one) is type(other) and one == other and repr(one) == repr(other)


@given(values)
@settings(max_examples=150, deadline=None)
def test_results_read_back_to_the_same_bits(value):
    assert same(value, _decode(json.loads(json.dumps(_encode(value)))))


def test_draws_are_there_after_they_were_put(tmp_path):
    one = store(tmp_path)
    one.put(("label", "f"), {"a": 0.1, "b": np.array([np.nan, 1.0])})
    one.put(("label", "f"), {"c": FailedDraw("LinAlgError: singular")})
    again = store(tmp_path)
    assert again.counts() == {"label": 3}
    found = again.get(("label", "f"))
    assert found["a"] == 0.1
    assert_array_equal(found["b"], [np.nan, 1.0])
    assert found["c"] == FailedDraw("LinAlgError: singular")
    assert not list(tmp_path.rglob(".*"))  # drafts were renamed


def test_runs_have_places_of_their_own(tmp_path):
    store(tmp_path).put(("label", "f"), {"a": 1.0})
    for other in (store(tmp_path, data="e"), store(tmp_path, replace(PLAN, rng=6))):
        assert len(other) == 0
    # the number of draws is no part of what a draw is
    assert len(store(tmp_path, replace(PLAN, draws=999))) == 1
    assert len(list(tmp_path.iterdir())) == 3


def test_series_behind_a_rule_are_part_of_the_run(tmp_path):
    def rule(prices):
        return replace(PLAN, dose=ce.ReRating.from_relative_strength(prices["TECH"], prices["MARKET"]))

    assert store(None, rule(PRICES)).run != store(None, rule(PRICES.iloc[:-50])).run


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text.replace("0.25", "0.26"), "does not have the hash it states"),
        (lambda text: text[: len(text) // 2], "is damaged"),
        (lambda text: "", "is damaged"),
        (lambda text: "[]\n[]\n", "is damaged"),
        (lambda text: "\x00\x01", "is damaged"),
    ],
)
def test_damaged_shards_are_refused(tmp_path, spoil, words):
    store(tmp_path).put(("label", "f"), {"a": 0.25, "b": 0.5})
    (shard,) = shards(tmp_path)
    shard.write_text(spoil(shard.read_text()))
    with pytest.raises(ce.DataError, match=f"{shard.name}.*{words}.*delete this file|{words}"):
        store(tmp_path)
    shard.unlink()
    assert len(store(tmp_path)) == 0


def test_foreign_shards_are_refused(tmp_path):
    store(tmp_path / "one").put(("label", "f"), {"a": 0.25})
    other = store(tmp_path / "two", data="e")
    (shard,) = shards(tmp_path / "one")
    shard.rename(other.folder / shard.name)
    with pytest.raises(ce.DataError, match=r"is of another run.*move it away"):
        store(tmp_path / "two", data="e")


def test_two_results_of_one_draw_are_refused(tmp_path):
    one = store(tmp_path)
    one.put(("label", "f"), {"a": 0.25})
    one.put(("label", "f"), {"a": 0.5})
    with pytest.raises(ce.DataError, match="has another result for a draw of 'label'"):
        store(tmp_path)


def test_draws_of_another_version_are_refused(tmp_path):
    one = store(tmp_path)
    path = one.folder / "run.json"
    path.write_text(path.read_text().replace(ce.__version__, "0.0.9"))
    with pytest.raises(ce.DataError, match=r"another run: version is '0.0.9'"):
        store(tmp_path)
    path.write_text("{")
    with pytest.raises(ce.DataError, match=r"run.json of the store is damaged"):
        store(tmp_path)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ce.SpecError, match="is a file; the draws need a folder"):
        store(tmp_path / "file")


def test_an_open_store_serves_its_own_run_alone():
    with pytest.raises(ce.DataError, match="the store holds draws of run"):
        ce.test_claim(PRICES, replace(PLAN, rng=6), store=verdict().store)


def test_results_that_cannot_be_written_are_said_and_kept_in_memory(tmp_path):
    one = store(tmp_path)
    with pytest.warns(ce.CryptoEquityWarning, match="draws of 'label' cannot be kept on disk, for they hold a set"):
        one.put(("label", "f"), {"a": {1, 2}})
    assert one.get(("label", "f")) == {"a": {1, 2}}
    assert len(store(tmp_path)) == 0


# --- the ledger


def test_known_draws_are_not_made_again(tmp_path):
    seeds = spawn(3, 30)
    with recording(RunLedger(store(tmp_path))):
        first = map_draws(stops, seeds[:20], label="a")
        assert map_draws(stops, seeds[:20], label="a") == first
    assert sorted(CALLS) == list(range(20))
    ledger = RunLedger(store(tmp_path))
    with recording(ledger):
        longer = map_draws(stops, seeds, label="a")
        # another label or another function is another draw
        assert map_draws(stops, seeds, label="b") == longer
        assert map_draws(functools.partial(stops, scale=2.0), seeds, label="a") == [2.0 * x for x in longer]
    assert longer[:20] == first == map_draws(number, seeds[:20])
    assert len(CALLS) == 20 + 10 + 30 + 30
    assert ledger.recalled == {"a": 20, "b": 0}
    assert ledger.failures()["failed"].tolist() == [0, 0]


def test_an_interruption_alone_loses_the_running_draw(tmp_path):
    seeds = spawn(3, 40)
    STOP.append(33)
    with recording(RunLedger(store(tmp_path))), pytest.raises(KeyboardInterrupt):
        map_draws(stops, seeds, label="a", chunk=5)
    assert store(tmp_path).counts() == {"a": 33}
    STOP.clear()
    with recording(RunLedger(store(tmp_path))) as ledger:
        out = map_draws(stops, seeds, label="a")
    assert ledger.recalled == {"a": 33}
    assert out == map_draws(number, seeds)


def test_an_interruption_beside_workers_loses_the_running_chunks(tmp_path):
    class Stopping(RunLedger):
        chunks = 0

        def keep(self, handle, results):
            self.chunks += 1
            if self.chunks == 5:
                raise KeyboardInterrupt
            super().keep(handle, results)

    seeds = spawn(3, 40)
    with joblib.parallel_config(backend="threading"):
        with recording(Stopping(store(tmp_path))), pytest.raises(KeyboardInterrupt):
            map_draws(stops, seeds, label="a", n_jobs=2, chunk=5)
        assert store(tmp_path).counts() == {"a": 20}
        with recording(RunLedger(store(tmp_path))):
            out = map_draws(stops, seeds, label="a", n_jobs=2)
    assert out == map_draws(number, seeds)


def test_a_killed_process_loses_the_running_chunk_at_most(tmp_path):
    here = Path(__file__)
    code = f"""
    import os, sys
    sys.path[:0] = [{str(here.parents[1])!r}, {str(here.parent)!r}]
    import {stops.__module__} as own
    from cryptoequity.estimation.parallel import map_draws, recording, spawn

    class Killed(list):
        def __contains__(self, number):
            if number == 33:
                os.kill(os.getpid(), {int(signal.SIGKILL)})
            return False

    own.STOP = Killed()
    with recording(own.RunLedger(own.store({str(tmp_path)!r}))):
        map_draws(own.stops, spawn(3, 40), label="a", chunk=5)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    ledger = RunLedger(store(tmp_path))
    with recording(ledger):
        out = map_draws(stops, spawn(3, 40), label="a")
    assert out == map_draws(number, spawn(3, 40))
    assert ledger.recalled == {"a": 30}


def test_failed_draws_are_kept_with_their_error_and_counted(tmp_path):
    for _ in range(2):  # made, then read
        ledger = RunLedger(store(tmp_path))
        with recording(ledger):
            out = map_draws(singular, spawn(3, 20), label="a")
        assert [np.isnan(one["x"]) for one in out] == [True] * 3 + [False] * 17
        assert np.isnan(out[0]["rows"]).all()
        row = ledger.failures().loc["a"]
        assert (row["draws"], row["failed"], row["share"]) == (20, 3, 0.15)
        assert row["first error"] == "LinAlgError: draw 0 is singular"
    assert ledger.recalled == {"a": 20}


def test_functions_that_cannot_be_told_apart_are_run_every_time(tmp_path):
    runs = []
    for _ in range(2):
        with recording(RunLedger(store(tmp_path))) as ledger:
            runs.append(map_draws(lambda seed: number(seed), spawn(3, 4), label="a"))
        assert ledger.failures().loc["a", "draws"] == 4
    assert runs[0] == runs[1]
    assert not shards(tmp_path)


# --- p-values with draws missing


def evidence(key="H2", pvalue=0.03, **detail):
    return Evidence(key, 0.2, 0.1, 0.3, pvalue, 0.1, 500, "test", detail=detail)


class Bootstrap:
    """What `refuse_lost` reads of a bootstrap."""

    def __init__(self, count=100, missing=0, **others):
        score = np.arange(count, dtype=float)
        score[:missing] = np.nan
        self.draws = Draws({"score": score, **others})


def failures(**rows):
    frame = pd.DataFrame(
        [(key.replace("_", " "), 100, n, n / 100, "E: bad" if n else "") for key, n in rows.items()],
        columns=["label", "draws", "failed", "share", "first error"],
    )
    return frame.set_index("label")


@given(st.integers(0, 100), st.integers(1, 99), st.data())
@settings(max_examples=60, deadline=None)
def test_the_bounds_hold_whatever_the_missing_draws_say(reached, lost, data):
    """Against a p-value counted over all draws, for any statistics of the missing ones."""
    finite = 100 - lost
    k = min(reached, finite)
    one = evidence(pvalue=(1 + k) / (1 + finite))
    (judged,) = refuse_lost({"H2": one}, failures(bootstrap=lost), Bootstrap(missing=lost), None).values()
    others = data.draw(st.integers(0, lost))
    full = (1 + k + others) / 101
    assert judged.detail["pvalue lowest"] - 1e-12 <= full <= judged.detail["pvalue highest"] + 1e-12
    assert np.isnan(judged.pvalue) == (lost > 5)
    if lost > 5:
        assert f"{lost} of 100 draws" in judged.reason
        assert "the first with 'E: bad'" in judged.reason


def test_a_failing_loop_concerns_its_own_hypotheses():
    many = {key: evidence(key) for key in ("H1", "H2", "H3", "H6", "H9", "H11")}

    def gone(**rows):
        out = refuse_lost(many, failures(**rows), Bootstrap(), Bootstrap())
        return {key for key, one in out.items() if np.isnan(one.pvalue)}

    assert gone(bootstrap=5) == set()
    assert gone(bootstrap=6) == {"H1", "H2", "H3", "H9"}
    assert gone(altcoins=6) == {"H6"}
    assert gone(**{"break": 6}) == {"H1"}
    assert gone(after_publication=6) == {"H11"}
    assert gone(detectable_effect=50) == set()
    assert gone(further_statistics=6) == {"H3", "H9"}
    assert gone(H9_driver=6) == {"H9"}


def test_statistics_that_are_not_defined_count_as_lost():
    out = refuse_lost({"H2": evidence(), "H11": evidence("H11")}, failures(bootstrap=0), Bootstrap(missing=6), None)
    assert np.isnan(out["H2"].pvalue)
    assert not np.isnan(out["H11"].pvalue)
    noted = refuse_lost(
        {"H12": evidence("H12", **{"draws without a statistic": 9})}, failures(bootstrap=0), Bootstrap(), None
    )
    assert np.isnan(noted["H12"].pvalue)


# --- verdicts


def test_a_verdict_counts_its_draws():
    one = verdict()
    assert one.failures.loc[["bootstrap", "detectable effect"], "draws"].tolist() == [19, 200]
    assert one.failures["failed"].sum() == 0
    assert json.loads(one.to_json())["failures"]["bootstrap"]["failed"] == 0


def test_a_store_changes_no_number_and_a_second_run_draws_nothing(tmp_path, monkeypatch):
    first = ce.test_claim(PRICES, PLAN, store=tmp_path)
    assert first.to_json() == verdict().to_json()

    def refuse(*args):
        raise AssertionError("a draw was made")

    monkeypatch.setattr(Pipeline, "__call__", refuse)
    assert ce.test_claim(PRICES, PLAN, store=tmp_path).to_json() == first.to_json()


def test_an_extended_verdict_is_the_longer_one_bit_for_bit():
    short, long = verdict(), verdict(39)
    extended = short.extend(39)
    assert content(extended) == content(long)
    assert extended.compare(long).empty
    assert_array_equal(extended.null[:19], short.null)
    assert extended.extended_from == (19,)
    assert "Extended to 39 draws from 19." in extended.summary().to_text()
    assert "Extended to 45 draws from 19, then 39." in extended.extend(45).summary().to_text()
    assert short.plan.draws == 19


def test_drivers_and_holders_are_part_of_the_data_and_go_along():
    level = 20.0 + np.abs(np.random.default_rng(2).standard_normal(len(PRICES)))
    drivers = pd.DataFrame({"VIX": level, "OTHER": level}, PRICES.index)
    own = replace(PLAN, drivers=("VIX",), holders=("TECH",), start="2024-01-02")
    one = ce.test_claim(PRICES, own, drivers=drivers)
    longer = one.extend(22)
    assert longer.data_sha256 == one.data_sha256
    assert longer.verdict_of("H9") == one.verdict_of("H9") != "not testable"
    hashes = {one.data_sha256}
    for prices, more in (
        (PRICES, drivers + 1e-9),
        (PRICES.assign(TECH=PRICES["TECH"] * np.linspace(1.0, 1.1, len(PRICES))), drivers),
    ):
        hashes.add(_hash_beside("d", own, prices, more))
    assert _hash_beside("d", own, PRICES, drivers) not in hashes
    assert _hash_beside("d", own, PRICES, drivers.assign(OTHER=0.0)) == _hash_beside("d", own, PRICES, drivers)
    assert len(hashes) == 3


@pytest.mark.parametrize("draws", [19, 5, True, 39.0, None])
def test_extensions_that_add_nothing(draws):
    with pytest.raises(ce.SpecError, match="give the number in all, an int above the 19 there are"):
        verdict().extend(draws)


def test_a_verdict_interrupted_goes_on(tmp_path, monkeypatch):
    real = Pipeline.__call__

    def stopping(self, seed):
        if seed.spawn_key[-1] == 11:
            raise KeyboardInterrupt
        return real(self, seed)

    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "__call__", stopping)
        with pytest.raises(KeyboardInterrupt):
            ce.test_claim(PRICES, PLAN, store=tmp_path)
    seen = []

    def counting(self, seed):
        seen.append(seed.spawn_key[-1])
        return real(self, seed)

    monkeypatch.setattr(Pipeline, "__call__", counting)
    assert ce.test_claim(PRICES, PLAN, store=tmp_path).to_json() == verdict().to_json()
    assert seen[:8] == list(range(11, 19))  # of the bootstrap; later loops had not begun
    assert seen[8:] in ([], list(range(19)))


def failing(monkeypatch, below):
    real = Pipeline.__call__

    def fail(self, seed):
        if seed.spawn_key[-1] < below:
            raise np.linalg.LinAlgError("Singular matrix")
        return real(self, seed)

    monkeypatch.setattr(Pipeline, "__call__", fail)


def test_failed_draws_are_said(monkeypatch):
    failing(monkeypatch, 1)
    one = ce.test_claim(PRICES, replace(PLAN, draws=39))
    assert one.failures.loc["bootstrap", "failed"] == 1
    note = "1 of 39 draws of 'bootstrap' failed (2.6%), the first with: LinAlgError: Singular matrix"
    assert note in one.summary().to_text()
    assert one.null.size == 39
    assert np.isnan(one.null).sum() == 1
    detail = one.evidence["H2"].detail
    assert detail["pvalue lowest"] < one.table.loc["H2", "pvalue"] < detail["pvalue highest"]
    assert one.verdict_of("H2") != "not testable"


def test_too_many_failed_draws_leave_nothing_to_test(monkeypatch):
    failing(monkeypatch, 2)
    one = ce.test_claim(PRICES, PLAN)
    assert one.verdict_of("H2") == "not testable"
    assert np.isnan(one.table.loc["H2", "pvalue"])
    assert one.table.loc["H2", "reason"].startswith("2 of 19 draws (10.5%) gave no statistic, the first with 'LinAlg")
    assert "p lies between" in one.table.loc["H2", "reason"]
    assert "supported" not in set(one.table["verdict"])


def test_draws_that_all_fail_are_an_error(monkeypatch):
    failing(monkeypatch, 10**6)
    with pytest.raises(ce.ConvergenceError, match=r"all 19 draws of 'bootstrap' failed.*Singular matrix"):
        ce.test_claim(PRICES, PLAN)


def test_comparing_names_what_changed():
    short = verdict()
    assert short.compare(short).empty
    prices = PRICES.copy()
    prices.loc["2024-05-02", "COIN"] *= 1.01
    other = ce.test_claim(prices, replace(PLAN, sesoi=0.2))
    found = short.compare(other).set_index(["part", "what"])
    assert found.loc[("plan", "sesoi")].tolist() == ["0.1", "0.2"]
    assert found.loc[("data", "sha256")].tolist() == [short.data_sha256, other.data_sha256]
    assert found.loc[("H2", "estimate")].tolist() == [v.table.loc["H2", "estimate"] for v in (short, other)]
    assert "versions" not in found.index.get_level_values(0)
    with pytest.raises(ce.SpecError, match="not with a Plan"):
        short.compare(PLAN)


# --- the same numbers everywhere


def test_threads_and_a_store_give_the_same_numbers(tmp_path):
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert ce.test_claim(PRICES, PLAN, store=tmp_path).to_json() == verdict().to_json()


@pytest.mark.slow
def test_two_processes_and_a_store_give_the_same_numbers(tmp_path):
    assert ce.test_claim(PRICES, PLAN, store=tmp_path, n_jobs=2).to_json() == verdict().to_json()


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_verdict(tmp_path):
    distributed = pytest.importorskip("dask.distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        assert ce.test_claim(PRICES, PLAN, store=tmp_path).to_json() == verdict().to_json()


def test_headline_calls_the_map_that_records():
    # the loops of the claim go through the one map; another map would lose draws silently
    assert headline_module.map_draws is map_draws
