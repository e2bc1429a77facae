"""Registered plans: written once, checked before anything runs, changed only with a reason that everyone sees."""

import datetime as dt
import hashlib
import json
from dataclasses import replace

import pytest

import cryptoequity as ce
from cryptoequity.claim.recipes import Recipe
from cryptoequity.claim.registration import check_registration, plan_changes, read_registration
from cryptoequity.errors import PlanChangedError

SPELLS = [(s["start"], s["end"], s["sign"]) for s in ce.load_truth("peaks")["spells"]]
PRICES = ce.load_sample("peaks")
PLAN = ce.Plan(
    crypto="COIN",
    equity="SMALL_TECH",
    episodes=ce.ReRating.from_dates(SPELLS, name="sample list"),
    start="2023-06-01",
    break_date=None,
    draws=19,
)


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "plan.lock.json"
    PLAN.register(path, time="2026-01-31")
    return path


# --- the file


def test_a_registration_holds_the_hash_the_plan_the_time_and_the_version(lock):
    content = json.loads(lock.read_text(encoding="utf-8"))
    assert content == {
        "format": 1,
        "sha256": PLAN.sha256,
        "version": ce.__version__,
        "time": "2026-01-31",
        "plan": PLAN.choices(),
    }
    # anyone can check it without this library
    text = json.dumps(content["plan"], sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == PLAN.sha256


@pytest.mark.parametrize(
    ("time", "said"),
    [
        (None, None),
        (" noon ", "noon"),
        (dt.date(2026, 1, 31), "2026-01-31"),
        (dt.datetime(2026, 1, 31, 9, tzinfo=dt.UTC), "2026-01-31T09:00:00+00:00"),
    ],
)
def test_the_time_is_what_the_caller_says(tmp_path, time, said):
    assert PLAN.register(tmp_path / "lock", time) == PLAN.sha256
    assert read_registration(tmp_path / "lock").time == said


@pytest.mark.parametrize("time", ["", "  ", 7, True])
def test_a_time_that_is_none(tmp_path, time):
    with pytest.raises(ce.SpecError, match="say it as a text"):
        PLAN.register(tmp_path / "lock", time)
    assert not (tmp_path / "lock").exists()


def test_a_registration_is_written_once(lock):
    before = lock.read_bytes()
    with pytest.raises(ce.SpecError, match=r"plan.lock.json exists: a registration is written once"):
        replace(PLAN, draws=999).register(lock)
    assert lock.read_bytes() == before


def test_no_series_are_in_it(tmp_path):
    rule = ce.ReRating.from_relative_strength(PRICES["TECH"], PRICES["MARKET"])
    plan = replace(PLAN, dose=rule, alternatives=(rule,))
    plan.register(tmp_path / "lock")
    assert "readings" not in {**json.loads((tmp_path / "lock").read_text())["plan"]["dose"]}
    assert (tmp_path / "lock").stat().st_size < 20_000
    # but which series they were is: by their hash
    other = ce.ReRating.from_relative_strength(PRICES["TECH"][:-100], PRICES["MARKET"][:-100])
    with pytest.raises(PlanChangedError, match="dose: "):
        check_registration(replace(plan, dose=other), tmp_path / "lock", None)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda c: {**c, "plan": {**c["plan"], "sesoi": 0.2}}, "the file was changed after it was written"),
        (lambda c: {**c, "sha256": "0" * 64}, "the file was changed after it was written"),
        (lambda c: {**c, "format": 2}, "no registration of format 1"),
        (lambda c: {key: value for key, value in c.items() if key != "plan"}, "it has no plan"),
        (lambda c: {**c, "sha256": 3}, "it has no sha256"),
        (lambda c: [], "no registration of format 1"),
    ],
)
def test_files_that_are_refused(lock, spoil, words):
    lock.write_text(json.dumps(spoil(json.loads(lock.read_text()))))
    with pytest.raises(ce.DataError, match=words):
        read_registration(lock)


def test_a_file_that_is_not_there_or_not_json(tmp_path):
    with pytest.raises(ce.DataError, match="there is no registration 'lock'"):
        read_registration(tmp_path / "lock")
    (tmp_path / "lock").write_text("{")
    with pytest.raises(ce.DataError, match="lock is no registration"):
        read_registration(tmp_path / "lock")


# --- the check


def test_the_registered_plan_passes(lock):
    found = check_registration(PLAN, lock, None)
    assert found.changes == ()
    assert found.sentence == f"Plan {PLAN.sha256[:12]} was registered on 2026-01-31 and not changed."


def test_another_plan_is_refused_by_name(lock):
    press = ce.ReRating.press()
    with pytest.raises(PlanChangedError) as stop:
        check_registration(replace(PLAN, sesoi=0.2, episodes=press, market="MARKET"), lock, None)
    text = str(stop.value)
    assert "sesoi: 0.1 → 0.2" in text
    assert 'market: null → "MARKET"' in text
    assert "episodes: 'sample list' (dates, " in text
    assert "→ 'press 2025-01-30' (press, " in text
    assert "draws" not in text
    assert isinstance(stop.value, ce.SpecError)


@pytest.mark.parametrize(
    "options",
    [
        {"draws": 20},
        {"rng": 3},
        {"alpha": 0.1},
        {"guard": "5D"},
        {"crypto_margin": ce.EGARCH(dist="t")},
        {"events": 21},
    ],
)
def test_every_choice_counts(lock, options):
    with pytest.raises(PlanChangedError, match=next(iter(options))):
        check_registration(replace(PLAN, **options), lock, None)


def test_a_choice_that_is_new_to_the_library_is_named(lock):
    content = json.loads(lock.read_text())
    del content["plan"]["events"]
    content["sha256"] = hashlib.sha256(json.dumps(content["plan"], sort_keys=True).encode()).hexdigest()
    lock.write_text(json.dumps(content))
    with pytest.raises(PlanChangedError, match=f"events: absent → {PLAN.events}"):
        check_registration(PLAN, lock, None)


def test_long_values_that_differ_late_are_told_apart():
    old, new = ({"placebos": [f"name{k}" for k in range(200)] + [last]} for last in ("A", "B"))
    (change,) = plan_changes(old, new)
    assert change.old != change.new
    assert len(str(change)) < 1000


@pytest.mark.parametrize(
    ("changed", "registered", "amendment", "words"),
    [
        (True, False, "why", "pass its file, registration="),
        (False, True, "why", "there is nothing to amend"),
        (True, True, "", "say in words"),
        (True, True, "  ", "say in words"),
        (True, True, 3, "say in words"),
    ],
)
def test_amendments_that_are_none(lock, changed, registered, amendment, words):
    plan = replace(PLAN, sesoi=0.2) if changed else PLAN
    with pytest.raises(ce.SpecError, match=words):
        check_registration(plan, lock if registered else None, amendment)


def test_a_recipe_stays_the_same_plan_on_later_prices(tmp_path):
    recipe = Recipe("relative-strength", "TECH", "MARKET", (("horizon", 100),))
    early, late = PRICES.iloc[:-250], PRICES
    plans = [
        replace(PLAN, tech="TECH", market="MARKET", episodes=recipe.date(prices, "SMALL_TECH"))
        for prices in (early, late)
    ]
    assert plans[0].episodes != plans[1].episodes
    plans[0].register(tmp_path / "lock")
    assert check_registration(plans[1], tmp_path / "lock", None).changes == ()
    other = Recipe("relative-strength", "TECH", "MARKET", (("horizon", 101),)).date(late, "SMALL_TECH")
    with pytest.raises(PlanChangedError, match=r'"horizon": 100.*"horizon": 101'):
        check_registration(replace(plans[1], episodes=other), tmp_path / "lock", None)


# --- what outputs say


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    path = tmp_path_factory.mktemp("locks") / "one.json"
    PLAN.register(path, time="2026-01-31")
    return path, ce.test_claim(PRICES, PLAN, registration=path)


def test_nothing_runs_under_a_changed_plan(lock, monkeypatch):
    from cryptoequity.claim import verdict

    def refuse(*args, **options):
        raise AssertionError("the data were looked at")

    monkeypatch.setattr(verdict, "to_returns", refuse)
    with pytest.raises(PlanChangedError):
        ce.test_claim(PRICES, replace(PLAN, sesoi=0.2), registration=lock)


def test_a_registered_verdict_says_so(pair):
    _, one = pair
    assert "was registered on 2026-01-31 and not changed" in one.summary().to_text()
    assert one.summary().to_text().endswith(f"plan {PLAN.sha256[:12]}, data {one.data_sha256[:12]}")
    assert one.plan.sha256[:12] in one.summary().to_latex()
    content = json.loads(one.to_json())
    assert content["registration"] == {
        "sha256": PLAN.sha256,
        "version": ce.__version__,
        "time": "2026-01-31",
        "changes": [],
        "amendment": "",
    }
    assert "registered" not in one.sentence


def test_an_amendment_is_in_every_output(pair):
    path, first = pair
    one = ce.test_claim(
        PRICES, replace(PLAN, sesoi=0.2), registration=path, amendment="a referee asked\nfor a larger one."
    )
    words = "AMENDED before this run (sesoi: 0.1 → 0.2), because: a referee asked for a larger one."
    assert words in one.sentence
    assert words in one.summary().notes[-2]
    assert "AMENDED before this run" in one.summary().to_latex()
    assert "AMENDED before this run" in one.summary().to_html()
    content = json.loads(one.to_json())["registration"]
    assert content["changes"] == [{"name": "sesoi", "old": "0.1", "new": "0.2"}]
    assert content["amendment"] == "a referee asked for a larger one."
    found = first.compare(one).set_index(["part", "what"])
    assert words in found.loc[("registration", "sentence"), "second"]


def test_an_extension_is_an_amendment(pair):
    _, one = pair
    longer = one.extend(25)
    assert "AMENDED before this run (draws: 19 → 25), because: extended from 19 to 25 draws." in longer.sentence
    assert one.registration.changes == ()
