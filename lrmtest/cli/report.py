"""`lrmtest report`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.cli.named_run import add_whole_run_option, named_baseline, named_run
from lrmtest.cli.output import say
from lrmtest.cli.stored_comparison import gated_comparison
from lrmtest.counted import counted
from lrmtest.errors import UsageError
from lrmtest.options.common import add_threshold_option
from lrmtest.options.gate import add_difference_options, add_margin_options, read_gate
from lrmtest.reports.html import write_report
from lrmtest.reports.numbers import size
from lrmtest.runs.records import RunRecord


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "report",
        parents=[store],
        help="write runs as one HTML file: figures, plots, every question and trace",
    )
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        help="a run's id, its beginning, `last`, `last:MODEL`, or a baseline's file",
    )
    parser.add_argument(
        "--baseline", metavar="RUN|FILE", help="compare the runs with this run or baseline file"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    add_threshold_option(parser.add_argument)
    add_whole_run_option(parser.add_argument)
    add_difference_options(parser.add_argument)
    add_margin_options(parser.add_argument)
    parser.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> int:
    gate = read_gate(arguments, allow_missing=arguments.allow_missing)
    runs = [named_run(name, arguments) for name in arguments.runs]
    baseline = _baseline(arguments, runs) if arguments.baseline else None
    candidates = _candidates(runs, baseline)
    compared: dict[str, ComparedRuns] = {}
    if baseline is not None:
        for run in candidates:
            compared[run.run_id] = gated_comparison(baseline, run, gate, arguments)
    shown = [*([baseline] if baseline is not None else []), *candidates]
    written = write_report(arguments.output, shown, compared, threshold=arguments.pass_threshold)
    say(f"{counted(len(shown), 'run')} written to {arguments.output}, {size(written)}")
    return 0


def _baseline(arguments: argparse.Namespace, runs: Sequence[RunRecord]) -> RunRecord:
    """The baseline, as far as it goes with any of the runs."""
    asked = replace(runs[0], samples=tuple(sample for run in runs for sample in run.samples))
    return named_baseline(arguments.baseline, arguments, asked)


def _candidates(runs: list[RunRecord], baseline: RunRecord | None) -> list[RunRecord]:
    """The runs without repeats and without the baseline.

    Raises:
        UsageError: none is left.
    """
    found = {run.run_id: run for run in runs}
    if baseline is not None:
        found.pop(baseline.run_id, None)
    if not found:
        raise UsageError(
            "the only run of the report is its own baseline",
            hint="`lrmtest runs` lists the others",
        )
    return list(found.values())
