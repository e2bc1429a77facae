"""The command line: ``cryptoequity verdict`` tests the claim, ``cryptoequity plan`` writes and registers a plan."""

from __future__ import annotations

import argparse
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CryptoEquityError, DataError, SpecError

if TYPE_CHECKING:
    import pandas as pd

    from .claim import Plan, ReRating, Verdict
    from .table import Table

__all__ = ["main"]

SAMPLE_ROLES: dict[str, Any] = {
    "crypto": "COIN",
    "equity": "SMALL_TECH",
    "tech": "TECH",
    "market": "MARKET",
    "large": "LARGE_TECH",
    "altcoins": ("ALTCOIN",),
    "placebos": ("GOLD",),
}
EPISODES = ("press", "years", "relative-strength")
# below this many draws the start of worker processes costs more than they save
DRAWS_FOR_WORKERS = 1000
MAX_WIDTH = 100

EXAMPLES = """
examples:
  cryptoequity verdict --sample step
  cryptoequity verdict --prices prices.csv --crypto BTC --equity PSCT --tech XLK --market SPY \\
      --large QQQ --alt ETH --placebo GLD --published 2025-01-30 --out dossier
  cryptoequity verdict --prices prices.csv --plan plan.toml --registration plan.lock.json --store draws --jobs 8
"""
PLAN_EXAMPLES = """
examples:
  cryptoequity plan --prices prices.csv --crypto BTC --equity PSCT --tech XLK --market SPY \\
      --episodes relative-strength --write plan.toml
  cryptoequity plan --plan plan.toml --register plan.lock.json --time 2026-01-31
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0 done, 2 refused with a message, 130 interrupted."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.command is None:
        parser.print_help()
        return 2
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            (_plan if options.command == "plan" else _verdict)(options)
    except (CryptoEquityError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        store = getattr(options, "store", None)
        kept = "nothing was written" if store is None else f"finished draws are in {store}; run this again to go on"
        print(f"interrupted: {kept}", file=sys.stderr)
        return 130
    return 0


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    import cryptoequity

    parser = argparse.ArgumentParser(
        prog="cryptoequity",
        description="Test the claim that crypto and equities move together when technology is re-rated.",
    )
    parser.add_argument("--version", action="version", version=f"cryptoequity {cryptoequity.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    one = commands.add_parser(
        "verdict",
        help="test the claim on prices and write a dossier",
        description="Test the claim on prices, print the verdict and write a dossier.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_choices(one, needs_data=True)
    run = one.add_argument_group("run")
    run.add_argument("--out", default="dossier", metavar="DIR", help="folder of the dossier (default: dossier)")
    run.add_argument("--no-report", action="store_true", help="print the verdict, write nothing")
    run.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help=f"worker processes (default: one up to {DRAWS_FOR_WORKERS:,} draws, then one a processor)",
    )
    run.add_argument("--quiet", action="store_true", help="no progress bars")
    run.add_argument("--store", metavar="DIR", help="keep draws in DIR as they finish, and go on from those there")
    run.add_argument("--resume", action="store_true", help="refuse to start when --store has no draws of this plan")
    run.add_argument("--registration", metavar="FILE", help="refuse a plan other than the one registered in FILE")
    run.add_argument(
        "--amendment", metavar="TEXT", help="why the plan differs from the registered one; shown everywhere"
    )
    other = commands.add_parser(
        "plan",
        help="write a plan to a file, or register it",
        description="Write the plan that these options make, or register it; no test is run.",
        epilog=PLAN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_choices(other, needs_data=False)
    files = other.add_argument_group("files")
    files.add_argument("--write", metavar="FILE", help="plan file to write, TOML (default: print it)")
    files.add_argument("--register", metavar="FILE", help="registration to write, a new file")
    files.add_argument("--time", metavar="TEXT", help="time of the registration, as you want it read")
    return parser


def _add_choices(parser: argparse.ArgumentParser, *, needs_data: bool) -> None:
    """Options that make a plan."""
    source = parser.add_argument_group("data, one of")
    either = source.add_mutually_exclusive_group(required=needs_data)
    either.add_argument("--sample", choices=("step", "peaks"), help="a simulated world that ships with the library")
    either.add_argument("--prices", metavar="FILE", help="daily closes, CSV or parquet, one column an asset")
    source.add_argument("--multiples", metavar="FILE", help="valuation multiples, for a plan whose rule reads them")
    roles = parser.add_argument_group("columns of the prices")
    for name, text in (
        ("crypto", "coin of the tested pair"),
        ("equity", "equity of the tested pair"),
        ("tech", "technology sector, for episodes dated from prices"),
        ("market", "equity market, for H4 and for episodes dated from prices"),
        ("large", "large-cap technology, for H5"),
    ):
        roles.add_argument(f"--{name}", metavar="NAME", help=text)
    roles.add_argument("--alt", dest="altcoins", action="append", metavar="NAME", help="altcoin, for H6; repeatable")
    roles.add_argument("--placebo", dest="placebos", action="append", metavar="NAME", help="for H10; repeatable")
    choices = parser.add_argument_group("choices")
    choices.add_argument("--plan", metavar="FILE", help="plan file; options given here win over it")
    choices.add_argument(
        "--episodes",
        choices=EPISODES,
        help="when technology was re-rated (default: press; with --sample its own list)",
    )
    choices.add_argument(
        "--break-date",
        metavar="DATE",
        help='first day of the new correlation level, "estimate" or "none" (default: 2020-03-16)',
    )
    choices.add_argument("--published", metavar="DATE", help="last day of the sample the claim was made on, for H11")
    choices.add_argument("--start", metavar="DATE", help="first day of the sample")
    choices.add_argument("--end", metavar="DATE", help="last day of the sample")
    choices.add_argument("--draws", type=int, metavar="N", help="bootstrap draws (default: 499)")
    choices.add_argument("--seed", dest="rng", type=int, metavar="N", help="of everything random")


def _verdict(options: argparse.Namespace) -> None:
    if options.jobs is not None and options.jobs < 1:
        raise SpecError(f"--jobs {options.jobs}: at least one worker is needed.")
    if not options.no_report:
        from .report import check_folder

        check_folder(options.out)  # before the work, not after it
    from .claim import test_claim

    prices, plan = _load(options)
    assert prices is not None  # the parser asks for data
    kept: dict[str, Any] = {
        "store": options.store,
        "registration": options.registration,
        "amendment": options.amendment,
    }
    if options.resume:
        _check_store(options.store, plan)
    jobs = options.jobs or (1 if plan.draws < DRAWS_FOR_WORKERS else os.cpu_count() or 1)
    progress = not options.quiet and sys.stderr.isatty()
    kept = {name: value for name, value in kept.items() if value is not None}
    verdict = test_claim(prices, plan, n_jobs=jobs, progress=progress, **kept)
    _print(verdict)
    if not options.no_report:
        from .report import write_report

        files = write_report(verdict, options.out)
        where = Path(options.out) / "index.html"
        _say(f"\nDossier: {where} and {len(files) - 1} more files")


def _check_store(folder: str | None, plan: Plan) -> None:
    """Refuse to resume what was not begun."""
    if folder is None:
        raise SpecError("--resume goes on from kept draws: say where they are with --store.")
    if not any(Path(folder).glob(f"{plan.law_sha256[:12]}-*/*.draws")):
        raise DataError(f"--resume: {folder!r} has no draws of plan {plan.sha256[:12]}; check folder and plan.")


def _plan(options: argparse.Namespace) -> None:
    if options.time is not None and options.register is None:
        raise SpecError("--time is that of a registration: say where with --register.")
    _, plan = _load(options)
    if options.write is not None:
        try:
            with Path(options.write).open("x", encoding="utf-8") as file:
                file.write(plan.to_toml())
        except FileExistsError as error:
            raise SpecError(f"{options.write} exists; choose another name or remove it.") from error
        _say(f"plan {plan.sha256[:12]} written to {options.write}")
    if options.register is not None:
        plan.register(options.register, options.time)
        _say(f"plan {plan.sha256} registered in {options.register}")
    if options.write is None and options.register is None:
        _say(plan.to_toml())


def _load(options: argparse.Namespace) -> tuple[pd.DataFrame | None, Plan]:
    from .claim import Plan

    chosen = {name: getattr(options, name) for name in (*SAMPLE_ROLES, "published", "start", "end", "draws", "rng")}
    chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    unbroken = options.break_date == "none"
    if options.break_date is not None and not unbroken:
        chosen["break_date"] = options.break_date
    prices, multiples = _data(options)
    if options.sample is not None and options.plan is None:
        chosen = {**SAMPLE_ROLES, **chosen}
    if options.plan is not None:
        if options.episodes is not None:
            chosen["episodes"] = _episodes(options.episodes, prices, {**_planned(options.plan), **chosen})
        plan = Plan.from_toml(_existing(options.plan), prices=prices, multiples=multiples, **chosen)
    else:
        absent = [name for name in ("crypto", "equity") if name not in chosen]
        if absent:
            raise SpecError(f"--{absent[0]} is missing: name the column of the prices, or pass --plan.")
        first, *others = _definitions(options, prices, chosen)
        plan = Plan(episodes=first, alternatives=tuple(others), **chosen)
    return prices, replace(plan, break_date=None) if unbroken else plan


def _data(options: argparse.Namespace) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Prices and multiples, as far as they are given."""
    from .data import load_multiples, load_sample, read_prices

    if options.sample is not None:
        own = None if options.multiples is None else read_prices(_existing(options.multiples))
        return load_sample(options.sample), load_multiples(options.sample) if own is None else own
    prices, multiples = (
        None if path is None else read_prices(_existing(path)) for path in (options.prices, options.multiples)
    )
    return prices, multiples


def _existing(path: str) -> Path:
    if not Path(path).is_file():
        raise DataError(f"there is no file {path!r}; check the path.")
    return Path(path)


def _planned(path: str) -> dict[str, Any]:
    """Columns that a plan file names, for episodes dated from them."""
    import tomllib

    try:
        return tomllib.loads(_existing(path).read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{Path(path).name} is not TOML: {error}") from error


def _definitions(options: argparse.Namespace, prices: pd.DataFrame | None, roles: dict[str, Any]) -> list[ReRating]:
    """The tested definition of the episodes, then those of the specification curve."""
    from .claim import ReRating

    if options.sample is not None:
        from .data import load_multiples, load_truth

        assert prices is not None  # it is the sample

        tech, market = (prices[_column(prices, roles[name])] for name in ("tech", "market"))
        multiples = load_multiples(options.sample)
        spells = load_truth(options.sample)["spells"]
        named = {
            "sample": ReRating.from_dates([(s["start"], s["end"], s["sign"]) for s in spells], name="sample list"),
            "valuation": ReRating.from_valuation(multiples["TECH_PE"], multiples["MARKET_PE"], prices=(tech, market)),
            "relative-strength": ReRating.from_relative_strength(tech, market),
        }
        chosen = options.episodes or "sample"
        if chosen not in named:
            named[chosen] = _episodes(chosen, prices, roles)
        return [named.pop(chosen), *named.values()]
    chosen = options.episodes or "press"
    others = [name for name in ("press", "years") if name != chosen]
    return [_episodes(name, prices, roles) for name in (chosen, *others)]


def _episodes(name: str, prices: pd.DataFrame | None, roles: dict[str, Any]) -> ReRating:
    from .claim import ReRating
    from .claim.recipes import Recipe

    if name == "press":
        return ReRating.press()
    if name == "years":
        return ReRating.press(years=(2020, 2022, 2024))
    absent = [role for role in ("tech", "market") if roles.get(role) is None]
    if absent:
        raise SpecError(f"--episodes {name} dates the episodes from prices: name the columns with --tech and --market.")
    if roles.get("equity") is None:
        raise SpecError(f"--episodes {name} dates the episodes on the sessions of the equity: name it with --equity.")
    if prices is None:
        raise SpecError(f"--episodes {name} dates the episodes from prices: pass --prices.")
    return Recipe(name, roles["tech"], roles["market"]).date(prices, roles["equity"])


def _column(prices: pd.DataFrame, name: str) -> str:
    if name not in prices.columns:
        raise DataError(f"the prices have no column {name!r}; they have {', '.join(map(str, prices.columns))}.")
    return name


def _print(verdict: Verdict) -> None:
    _say(f"{_wrapped(verdict.summary())}\n\n{_wrapped(verdict.naive_table())}")


def _say(text: str) -> None:
    """Print; letters the terminal cannot show become question marks, a closed pipe is no error."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "replace").decode(encoding), flush=True)
    except BrokenPipeError:
        # nobody reads on: the dossier is still written, and the interpreter must not stumble at exit
        sys.stdout = open(os.devnull, "w", encoding="utf-8")


def _wrapped(table: Table) -> str:
    """Text of a table with its title and notes broken into lines; rows stay whole."""
    lines = table.to_text().split("\n")
    rules = [k for k, line in enumerate(lines) if line.startswith("─")]
    width = min(MAX_WIDTH, max(80, len(lines[rules[0]])))
    out: list[str] = []
    for k, line in enumerate(lines):
        if rules[0] <= k <= rules[-1]:
            out.append(line)
        else:
            hang = "    " if re.match(r"H\d+: ", line) else ""
            out += textwrap.wrap(line, width, subsequent_indent=hang, break_long_words=False) or [""]
    return "\n".join(out)
