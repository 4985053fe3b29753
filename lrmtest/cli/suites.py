"""`lrmtest suites`: what is asked, whether it can be had here, and how to ask it."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lrmtest.analysis.expected_power import power_of
from lrmtest.cli.output import print_json, say, show
from lrmtest.counted import counted
from lrmtest.options.common import add_data_options, read_data_options
from lrmtest.questions import DataOptions, Question
from lrmtest.questions.hub import cache_folder
from lrmtest.reports.sets import DROPS, set_lines, set_notes, sets_table
from lrmtest.reports.suites import missing_lines, sources_table, suite_lines, suites_table
from lrmtest.suites.listing import SuiteRow, suite_rows
from lrmtest.suites.own import own_suites
from lrmtest.suites.packaged import how_to_ask
from lrmtest.suites.registry import suite_named
from lrmtest.suites.set_listing import SetRow, set_rows
from lrmtest.suites.sets import load_sets, set_named
from lrmtest.suites.suite import Suite


def add_commands(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "suites",
        help="list the suites, or explain one",
        description="Lists all suites: lrmtest's own, those of installed packages, and those that "
        "test files in suites/, tests/ and this folder make with `suite_from_jsonl` or "
        "`suite_from_hub`. Nothing is "
        "fetched to find out which questions are here.",
    )
    parser.add_argument("names", nargs="*", metavar="SUITE", help="explain these")
    parser.add_argument(
        "--sets",
        action="store_true",
        help="the named sets instead, for `pytest --set NAME`; with names, these in full",
    )
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    add_data_options(parser.add_argument)
    parser.set_defaults(run=_suites)


def _suites(arguments: argparse.Namespace) -> int:
    data = read_data_options(arguments)
    if arguments.sets:
        return _sets(arguments, data)
    rows = suite_rows(data, arguments.names, Path())
    if arguments.json:
        print_json([_as_json(row) for row in rows])
    elif arguments.names:
        for number, row in enumerate(rows):
            _explain(row, data, first=number == 0)
    else:
        show(suites_table(rows))
        say("")
        show(sources_table(rows))
        say("")
        for line in _footer(rows, data):
            say(line)
    return 0


def _sets(arguments: argparse.Namespace, data: DataOptions) -> int:
    there = load_sets(Path("pyproject.toml"))
    chosen = [set_named(name, there) for name in arguments.names] or list(there.values())
    rows = set_rows(chosen, data, Path())
    if arguments.json:
        print_json([_set_as_json(row) for row in rows])
        return 0
    if arguments.names:
        for row in rows:
            for line in (*set_lines(row), ""):
                say(line)
    show(sets_table(rows))
    say("")
    for line in set_notes(rows):
        say(line)
    return 0


def _set_as_json(row: SetRow) -> dict[str, Any]:
    """The row's fields, with what is computed of them; power by the drop in points."""
    power = {f"{100 * drop:g}": power_of(row, drop) for drop in DROPS}
    return {**asdict(row), "questions": row.questions, "tokens": row.tokens, "power": power}


def _as_json(row: SuiteRow) -> dict[str, Any]:
    """The row's fields, with what is computed of them."""
    return {**asdict(row), "answer": row.answer, "run": _commands(row)}


def _explain(row: SuiteRow, data: DataOptions, *, first: bool) -> None:
    own = {each.suite.name: each.suite for each in own_suites(Path())}
    suite = own[row.name] if row.place else suite_named(row.name)
    if not first:
        say("")
    lines = suite_lines(row, suite, _example(suite, data), asks_hub=data.data_dir is None)
    for line in (*lines, "", "to ask it:", "", *(f"  {each}" for each in _commands(row))):
        say(line)


def _commands(row: SuiteRow) -> list[str]:
    if row.place:
        return [f"pytest {row.place.rpartition(':')[0]} --model NAME"]
    return how_to_ask(row.name)


def _example(suite: Suite, data: DataOptions) -> Question | None:
    """The first question of a generated suite; a benchmark's are not for showing."""
    if suite.family is None:
        return None
    return suite.load(replace(data, fresh_count=1)).questions[0]


def _footer(rows: tuple[SuiteRow, ...], data: DataOptions) -> list[str]:
    lines = [f"data: {_looked_in(data)}"]
    if missing := missing_lines(rows, asks_hub=data.data_dir is None):
        lines += ["", "not here:", *(f"  {line}" for line in missing)]
    count = sum(bool(row.readable) for row in rows)
    return [
        *lines,
        "",
        f"{counted(count, 'suite')} can be asked here now without a network",
        "one in full: lrmtest suites aime",
        f"to ask one:  {how_to_ask('fresh-temporal')[-1].replace('NAME', 'tiny-lrm')}",
    ]


def _looked_in(data: DataOptions) -> str:
    if data.data_dir is None:
        return (
            f"no folder is given (--data-dir, LRMTEST_DATA_DIR); the hub's cache {cache_folder()}"
        )
    named = os.environ.get("LRMTEST_DATA_DIR")
    by = "LRMTEST_DATA_DIR" if named and Path(named) == data.data_dir else "--data-dir"
    return f"{data.data_dir} ({by}), and nowhere else"
