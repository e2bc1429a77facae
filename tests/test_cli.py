"""The command line: what it runs, what it says, how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cryptoequity as ce
from cryptoequity import claim, cli
from golden.small_verdict import small_verdict


@pytest.fixture
def planned(monkeypatch):
    """Runs that stop at the plan: every call of `test_claim` is kept, the answer is the small verdict."""
    calls = []

    def pretend(prices, plan, **options):
        calls.append((prices, plan, options))
        return small_verdict()

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
    assert f"Dossier: {tmp_path / 'd' / 'index.html'} and 20 more files" in out
    assert len([path for path in (tmp_path / "d").rglob("*") if path.is_file()]) == 21
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
