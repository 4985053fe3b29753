"""`lrmtest baseline` and `lrmtest compare`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.text import Text

from lrmtest.analysis.foretold import Foretold
from lrmtest.analysis.run_reading import run_readings
from lrmtest.analysis.summary import summarize
from lrmtest.cli.named_run import (
    add_whole_run_option,
    chosen_extent,
    named_baseline,
    named_run,
)
from lrmtest.cli.output import (
    add_data_output_options,
    complain,
    print_csv,
    print_json,
    say,
    show,
)
from lrmtest.cli.runs import open_store
from lrmtest.cli.stored_comparison import gated_comparison, plain_comparison
from lrmtest.errors import UsageError
from lrmtest.options.common import add_threshold_option
from lrmtest.options.exit_codes import OK, exit_code
from lrmtest.options.gate import add_comparison_options, read_gate, read_look
from lrmtest.reports.comparison import comparison_view
from lrmtest.reports.foretold import foretold_said
from lrmtest.reports.runs_data import CHANGE_COLUMNS, change_cells
from lrmtest.reports.summary_json import summary_document
from lrmtest.runs.formats.baseline import refuse_incomplete, write_baseline
from lrmtest.runs.formats.traces_file import traces_written, write_traces
from lrmtest.runs.records import RunRecord
from lrmtest.runs.store import STORE_NAME, Store


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the commands to the parser's."""
    parser = commands.add_parser(
        "baseline", parents=[store], help="write a run as a baseline file, to be committed"
    )
    parser.add_argument(
        "run_name", metavar="RUN", help="a run's id, its beginning, `last` or `last:MODEL`"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--allow-incomplete",
        action="store_true",
        help="write it although completions are missing; comparisons will name their questions",
    )
    parser.add_argument(
        "--save-traces",
        type=Path,
        metavar="FILE",
        help="write the run's traces as well, where it was generated with --traces",
    )
    add_whole_run_option(parser.add_argument)
    parser.set_defaults(run=_baseline)

    parser = commands.add_parser(
        "compare", parents=[store], help="compare two runs question by question, with a gate"
    )
    parser.add_argument(
        "run_name", metavar="RUN", help="the candidate: a run, or a baseline's file"
    )
    parser.add_argument(
        "baseline",
        metavar="BASELINE",
        nargs="?",
        help="what it is compared with, a run or a baseline's file; the same as --baseline",
    )
    parser.add_argument(
        "--baseline",
        dest="named_baseline",
        metavar="RUN|FILE",
        help="what it is compared with, as in all other commands",
    )
    add_threshold_option(parser.add_argument)
    add_comparison_options(parser.add_argument)
    add_whole_run_option(parser.add_argument)
    add_data_output_options(parser, "question")
    parser.set_defaults(run=_compare)


def _baseline(arguments: argparse.Namespace) -> int:
    with open_store(arguments) as store:
        head = store.run(arguments.run_name)
        run = store.record(head, chosen_extent(store, head, arguments))
        if not arguments.allow_incomplete:
            refuse_incomplete(run)
        if arguments.save_traces is not None:
            mark = write_traces(arguments.save_traces, store, run)
            run = replace(run, traces=mark)
            for line in traces_written(mark, run, arguments.save_traces):
                say(line)
    write_baseline(arguments.output, run)
    say(f"{len(run.outcomes)} questions of {run.run_id} written to {arguments.output}")
    for each in run.lacking:
        complain(f"incomplete: {each}")
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    gate = read_gate(arguments, allow_missing=arguments.allow_missing)
    options = read_look(arguments)
    if arguments.given_baseline and not arguments.gate:
        raise UsageError("--given-baseline needs --gate", hint="it is the gate's rate")
    reference = _baseline_of(arguments)
    candidate = named_run(arguments.run_name, arguments)
    baseline = named_baseline(reference, arguments, candidate)
    if candidate.run_id == baseline.run_id:
        raise UsageError(
            f"{arguments.run_name} and {reference} are the same run",
            hint="`lrmtest runs` lists the others",
        )

    if arguments.gate:
        given = arguments.given_baseline
        compared = gated_comparison(baseline, candidate, gate, arguments, options, given=given)
    else:
        compared = plain_comparison(baseline, candidate, arguments)
    if arguments.json:
        print_json(summary_document([summarize(candidate)], [compared]))
    elif arguments.csv:
        print_csv(CHANGE_COLUMNS, [change_cells(flip) for flip in compared.flips])
    else:
        show(comparison_view(compared), crop=False)
        found = _foretold(arguments, baseline, candidate)
        if found is not None:
            show(Group(Text(), *map(Text, foretold_said(found))), crop=False)
    if compared.decision is None:
        return OK
    return exit_code(compared.decision.result, arguments.undecided)


def _baseline_of(arguments: argparse.Namespace) -> str:
    """The baseline's name, from one of the two places where it can stand.

    Raises:
        UsageError: it is in both, or in neither.
    """
    given = [name for name in (arguments.baseline, arguments.named_baseline) if name is not None]
    if len(given) != 1:
        raise UsageError(
            "two baselines are named" if given else "no baseline is named",
            hint="lrmtest compare RUN --baseline RUN|FILE",
        )
    return str(given[0])


def _foretold(
    arguments: argparse.Namespace, baseline: RunRecord, candidate: RunRecord
) -> Foretold | None:
    """What divergence says of the damage, where the candidate has read the baseline's traces."""
    path = arguments.reports_dir / STORE_NAME
    if not path.is_file():
        return None
    with Store(path, create=False) as store:
        found = run_readings(store, candidate, baseline)
        return found[0].foretold(baseline, candidate) if found else None
