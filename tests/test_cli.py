"""The command line: what it runs, what it says, how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cryptoequity as ce
import cryptoequity.claim.registration
from cryptoequity import claim, cli
from golden.small_verdict import small_verdict


@pytest.fixture
def planned(monkeypatch):
    """Runs that stop at the plan: every call of `test_claim` is kept, the answer is the small verdict."""
    calls = []
    answer = small_verdict()  # before the test it calls is replaced

    def pretend(prices, plan, **options):
        calls.append((prices, plan, options))
        return answer

    monkeypatch.setattr(claim, "test_claim", pretend)
    return calls


@pytest.fixture(scope="module")
def csv(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("prices") / "prices.csv"
    ce.load_sample("step").to_csv(path)
    return path


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = cli.main(["verdict", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_sample_prints_the_verdict_and_writes_the_dossier(capsys, tmp_path):
    code, out, err = run(capsys, "--sample", "step", "--draws", 19, "--out", tmp_path / "d", "--jobs", 1)
    assert (code, err) == (0, "")
    verdict = small_verdict()
    words = " ".join(out.split())
    assert words.startswith(" ".join(verdict.sentence.split()))
    assert "Not evidence: the usual tests of H2" in words
    for row in verdict.summary().rows:
        assert " ".join(cell for cell in row if cell) in words
    assert f"Dossier: {tmp_path / 'd' / 'index.html'} and 35 more files" in out
    assert len([path for path in (tmp_path / "d").rglob("*") if path.is_file()]) == 36
    assert max(map(len, out.splitlines())) < 125


def test_sample_plan(capsys, planned, tmp_path):
    code, out, _ = run(capsys, "--sample", "peaks", "--no-report", "--out", tmp_path / "d")
    assert code == 0
    assert "Dossier" not in out
    assert list(tmp_path.iterdir()) == []
    prices, plan, options = planned[0]
    assert prices.equals(ce.load_sample("peaks"))
    assert (plan.draws, plan.placebos, plan.altcoins) == (499, ("GOLD",), ("ALTCOIN",))
    assert [one.name for one in (plan.episodes, *plan.alternatives)] == [
        "sample list",
        "relative multiple",
        "relative strength",
    ]
    assert options == {"n_jobs": 1, "progress": False}
    assert small_verdict().plan.sha256 != plan.sha256


def test_small_verdict_is_what_the_command_runs(capsys, planned):
    run(capsys, "--sample", "step", "--draws", 19, "--no-report")
    assert planned[0][1].sha256 == small_verdict().plan.sha256


@pytest.mark.parametrize(
    ("episodes", "first", "count"),
    [("press", "press 2025-01-30", 3), ("relative-strength", "relative strength", 2)],
)
def test_sample_with_other_episodes(capsys, planned, episodes, first, count):
    run(capsys, "--sample", "step", "--episodes", episodes, "--no-report")
    plan = planned[0][1]
    assert plan.episodes.name == first
    assert len(plan.alternatives) == count
    assert first not in [one.name for one in plan.alternatives]


def test_every_option_reaches_the_plan(capsys, planned, csv):
    code, *_ = run(
        *(capsys, "--prices", csv, "--crypto", "COIN", "--equity", "SMALL_TECH", "--tech", "TECH"),
        *(
            "--market",
            "MARKET",
            "--large",
            "LARGE_TECH",
            "--alt",
            "ALTCOIN",
            "--placebo",
            "GOLD",
            "--episodes",
            "years",
        ),
        *("--break-date", "2020-02-03", "--published", "2024-12-31", "--start", "2016-01-04", "--end", "2025-06-30"),
        *("--draws", 4000, "--seed", 7, "--quiet", "--no-report", "--jobs", 3),
    )
    assert code == 0
    prices, plan, options = planned[0]
    assert prices.shape == (2826, 7)
    expected = ce.Plan(
        crypto="COIN",
        equity="SMALL_TECH",
        tech="TECH",
        market="MARKET",
        large="LARGE_TECH",
        altcoins=("ALTCOIN",),
        placebos=("GOLD",),
        episodes=ce.ReRating.press(years=(2020, 2022, 2024)),
        alternatives=(ce.ReRating.press(),),
        break_date="2020-02-03",
        published="2024-12-31",
        start="2016-01-04",
        end="2025-06-30",
        draws=4000,
        rng=7,
    )
    assert plan.sha256 == expected.sha256
    assert options["n_jobs"] == 3


def test_relative_strength_is_dated_from_the_prices(capsys, planned, csv):
    columns = ("--crypto", "COIN", "--equity", "SMALL_TECH", "--tech", "TECH", "--market", "MARKET")
    run(capsys, "--prices", csv, *columns, "--episodes", "relative-strength", "--no-report")
    prices = ce.load_sample("step")
    assert planned[0][1].episodes == ce.ReRating.from_relative_strength(prices["TECH"], prices["MARKET"])


@pytest.mark.parametrize(("said", "date"), [("none", None), ("estimate", "estimate"), (None, "2020-03-16")])
def test_break_date(capsys, planned, said, date):
    run(capsys, "--sample", "step", "--no-report", *(() if said is None else ("--break-date", said)))
    assert planned[0][1].break_date == date


def test_plan_file_and_options_that_win_over_it(capsys, planned, csv, tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(
        'crypto = "COIN"\nequity = "SMALL_TECH"\ntech = "TECH"\nmarket = "MARKET"\ndraws = 99\nsesoi = 0.05\n'
        "[episodes]\nyears = [2022, 2024]\n"
    )
    run(capsys, "--prices", csv, "--plan", path, "--draws", 199, "--no-report")
    run(
        capsys,
        "--prices",
        csv,
        "--plan",
        path,
        "--episodes",
        "relative-strength",
        "--break-date",
        "none",
        "--no-report",
    )
    first, second = planned[0][1], planned[1][1]
    assert (first.draws, first.sesoi, first.episodes) == (199, 0.05, ce.ReRating.press(years=(2022, 2024)))
    assert first.break_date == "2020-03-16"
    assert (second.draws, second.break_date, second.episodes.name) == (99, None, "relative strength")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--prices", "nowhere.csv", "--crypto", "A", "--equity", "B"), "there is no file 'nowhere.csv'"),
        (("--prices", "CSV"), "--crypto is missing"),
        (("--prices", "CSV", "--crypto", "COIN"), "--equity is missing"),
        (("--prices", "CSV", "--crypto", "BTC", "--equity", "TECH"), "the plan names column 'BTC'"),
        (
            ("--prices", "CSV", "--crypto", "COIN", "--equity", "TECH", "--episodes", "relative-strength"),
            "name the columns with --tech and --market",
        ),
        (("--sample", "step", "--tech", "XLK"), "the prices have no column 'XLK'"),
        (("--sample", "step", "--start", "soon"), "start='soon' is not a date"),
        (("--sample", "step", "--draws", "5"), "draws=5: fewer"),
        (("--sample", "step", "--jobs", "0"), "--jobs 0"),
        (("--sample", "step", "--plan", "nowhere.toml"), "there is no file 'nowhere.toml'"),
        (("--sample", "step", "--end", "2015-06-30", "--draws", "19"), "the tests need at least 250"),
        (("--sample", "step", "--out", "CSV"), "is a file, the dossier needs a folder"),
    ],
)
def test_refusals_are_one_line_and_two(capsys, csv, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *(csv if part == "CSV" else part for part in arguments))
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [(), ("--sample", "step", "--prices", "x.csv"), ("--sample", "moon")])
def test_usage(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        run(capsys, *arguments)
    assert stop.value.code == 2
    assert "usage: cryptoequity verdict" in capsys.readouterr().err


def test_interrupt_leaves_nothing(capsys, tmp_path, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(claim, "test_claim", interrupted)
    code, out, err = run(capsys, "--sample", "step", "--out", tmp_path / "d")
    assert (code, out, err) == (130, "", "interrupted: nothing was written\n")
    assert list(tmp_path.iterdir()) == []


def test_interrupt_says_where_the_draws_are(capsys, tmp_path, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(claim, "test_claim", interrupted)
    code, _, err = run(capsys, "--sample", "step", "--no-report", "--store", tmp_path / "s")
    assert (code, err) == (130, f"interrupted: finished draws are in {tmp_path / 's'}; run this again to go on\n")


# --- kept draws and registered plans

BARE = ("--sample", "peaks", "--start", "2023-06-01", "--break-date", "none", "--draws", 19, "--no-report")


def test_store_and_resume(capsys, tmp_path):
    folder = tmp_path / "draws"
    code, _, err = run(capsys, *BARE, "--store", folder, "--resume")
    assert code == 2
    assert "has no draws of plan" in err
    first = run(capsys, *BARE, "--store", folder)
    kept = sorted(path.name for path in folder.rglob("*.draws"))
    assert (first[0], bool(kept)) == (0, True)
    assert run(capsys, *BARE, "--store", folder, "--resume") == first
    assert sorted(path.name for path in folder.rglob("*.draws")) == kept
    # another number of draws goes on from the same draws
    assert run(capsys, *BARE[:-2], 25, "--no-report", "--store", folder, "--resume")[0] == 0
    code, _, err = run(capsys, *BARE, "--seed", 3, "--store", folder, "--resume")
    assert code == 2
    assert (
        run(capsys, *BARE, "--resume")[2]
        == "error: --resume goes on from kept draws: say where they are with --store.\n"
    )


def test_options_of_the_run_reach_the_test(capsys, planned, tmp_path):
    run(
        *(capsys, "--sample", "step", "--no-report", "--store", tmp_path, "--registration", "lock"),
        *("--amendment", "a longer sample"),
    )
    assert planned[0][2] == {
        "n_jobs": 1,
        "progress": False,
        "store": str(tmp_path),
        "registration": "lock",
        "amendment": "a longer sample",
    }


def command(capsys, *arguments):
    code = cli.main(["plan", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_plan_is_written_registered_and_run(capsys, planned, csv, tmp_path):
    columns = ("--crypto", "COIN", "--equity", "SMALL_TECH", "--tech", "TECH", "--market", "MARKET")
    file, lock = tmp_path / "plan.toml", tmp_path / "lock.json"
    rule = ("--episodes", "relative-strength", "--draws", 99)
    code, out, err = command(
        *(capsys, "--prices", csv, *columns, *rule, "--write", file, "--register", lock, "--time", "2026-01-31")
    )
    assert (code, err) == (0, "")
    assert 'rule = "relative-strength"' in file.read_text()
    assert planned == []
    run(capsys, "--prices", csv, "--plan", file, "--no-report")
    plan = planned[0][1]
    assert f"plan {plan.sha256} registered in {lock}" in out
    assert claim.registration.check_registration(plan, lock, None).time == "2026-01-31"
    run(capsys, "--prices", csv, "--plan", file, "--draws", 199, "--no-report")
    with pytest.raises(ce.SpecError, match="draws: 99 → 199"):
        claim.registration.check_registration(planned[1][1], lock, None)


def test_a_changed_plan_is_refused_unless_amended(capsys, tmp_path):
    lock = tmp_path / "lock.json"
    assert command(capsys, *BARE[:-1], "--register", lock)[0] == 0
    assert run(capsys, *BARE, "--registration", lock)[0] == 0
    code, out, err = run(capsys, *BARE, "--seed", 3, "--registration", lock)
    assert (code, out) == (2, "")
    assert "rng: 20261122 → 3" in err
    assert err.count("\n") == 1
    code, out, _ = run(capsys, *BARE, "--seed", 3, "--registration", lock, "--amendment", "the seed was a date")
    assert code == 0
    assert " ".join(out.split()).count("because: the seed was a date") == 2


def test_a_plan_is_printed(capsys, tmp_path):
    code, out, _ = command(capsys, "--crypto", "BTC", "--equity", "PSCT")
    assert code == 0
    (tmp_path / "plan.toml").write_text(out)
    assert ce.Plan.from_toml(tmp_path / "plan.toml") == ce.Plan(
        crypto="BTC",
        equity="PSCT",
        episodes=ce.ReRating.press(),
        alternatives=(ce.ReRating.press(years=(2020, 2022, 2024)),),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--crypto", "BTC"), "--equity is missing"),
        (("--crypto", "BTC", "--equity", "PSCT", "--time", "now"), "--time is that of a registration"),
        (("--crypto", "BTC", "--equity", "PSCT", "--write", "CSV"), "exists; choose another name"),
        (("--crypto", "BTC", "--equity", "PSCT", "--register", "CSV"), "a registration is written once"),
        (
            *(("--crypto", "A", "--equity", "B", "--tech", "C", "--market", "D", "--episodes", "relative-strength"),),
            "dates the episodes from prices: pass --prices",
        ),
        (("--plan", "nowhere.toml"), "there is no file 'nowhere.toml'"),
    ],
)
def test_plans_that_are_refused(capsys, csv, arguments, message):
    before = csv.read_bytes()
    code, out, err = command(capsys, *(csv if part == "CSV" else part for part in arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert csv.read_bytes() == before


def test_warnings_are_lines_without_a_place_in_the_code(capsys, monkeypatch):
    import warnings

    def warning(*args, **options):
        warnings.warn("the estimate sits on its bound", ce.BoundaryWarning, stacklevel=2)
        return small_verdict()

    monkeypatch.setattr(claim, "test_claim", warning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, _, err = run(capsys, "--sample", "step", "--no-report")
    assert code == 0
    assert err == "warning: the estimate sits on its bound\n"


def test_a_reader_who_leaves_early_still_gets_the_dossier(planned, tmp_path, monkeypatch):
    class Closed:
        def write(self, text):
            raise BrokenPipeError

        def flush(self):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    assert cli.main(["verdict", "--sample", "step", "--out", str(tmp_path / "d")]) == 0
    assert (tmp_path / "d" / "index.html").is_file()


def test_a_terminal_that_knows_ascii_only():
    code = "import cryptoequity.cli as c; from golden.small_verdict import small_verdict as s; c._print(s())"
    out = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); {code}"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
    )
    assert b"H2, correlation peaks" in out.stdout


def test_workers_wait_for_work_worth_it(capsys, planned, monkeypatch):
    monkeypatch.setattr(cli.os, "cpu_count", lambda: 8)
    run(capsys, "--sample", "step", "--no-report")
    run(capsys, "--sample", "step", "--no-report", "--draws", 9999)
    assert [options["n_jobs"] for _, _, options in planned] == [1, 8]


def test_module_and_version():
    out = subprocess.run(
        [sys.executable, "-m", "cryptoequity", "--version"], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == f"cryptoequity {ce.__version__}"
    bare = subprocess.run([sys.executable, "-m", "cryptoequity"], capture_output=True, text=True, check=False)
    assert bare.returncode == 2
    assert "verdict" in bare.stdout
