"""`lrmtest export`: a run as a file, or into a tracker of experiments."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.analysis.summary import summarize
from lrmtest.cli.named_run import (
    add_whole_run_option,
    chosen_extent,
    named_baseline,
    named_run,
)
from lrmtest.cli.output import say
from lrmtest.cli.runs import open_store, question_rows
from lrmtest.cli.stored_comparison import gated_comparison
from lrmtest.counted import counted
from lrmtest.errors import UsageError
from lrmtest.options.common import add_threshold_option
from lrmtest.options.gate import add_difference_options, add_margin_options, read_gate
from lrmtest.reports.html import write_report
from lrmtest.reports.model_card import write_eval_results, write_model_card
from lrmtest.runs.formats.inspect_export import export_inspect
from lrmtest.runs.formats.jsonl import export_run
from lrmtest.runs.formats.parquet import export_parquet
from lrmtest.runs.records import RunRecord
from lrmtest.suites.registry import request_of

_BY_ENDING = {
    ".parquet": "parquet",
    ".json": "inspect",
    ".eval": "inspect",
    ".md": "model-card",
    ".yaml": "eval-results",
}
_FIGURES = ("model-card", "eval-results")
"""Formats that hold no text of a question."""


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "export", parents=[store], help="write a run to a file, a model card, W&B or MLflow"
    )
    parser.add_argument("run_name", metavar="RUN", help="a run's id, its beginning, or `last`")
    parser.add_argument(
        "file", metavar="FILE", type=Path, nargs="?", help="what is written; left out with --to"
    )
    parser.add_argument(
        "--format",
        choices=("jsonl", "parquet", "inspect", *_FIGURES),
        help="jsonl holds everything and is what `lrmtest import` reads back; parquet has a row "
        "for each sample; inspect is inspect_ai's log, .json or .eval, or a folder of .eval "
        "files for a run of several suites; model-card puts the figures into a README.md of the "
        "hub, eval-results is its .eval_results/*.yaml (default: by the file's ending, else jsonl)",
    )
    parser.add_argument(
        "--traces",
        action="store_true",
        help="with the traces that are kept (jsonl): the completions token by token",
    )
    add_whole_run_option(parser.add_argument)
    tracker = parser.add_argument_group("trackers of experiments")
    tracker.add_argument(
        "--to",
        choices=("wandb", "mlflow"),
        help="write the summary there, by its own client and where that client's settings say: "
        "figures with their intervals, the manifest, a row for each question without its texts",
    )
    tracker.add_argument(
        "--project",
        metavar="NAME",
        help="W&B's project, or MLflow's experiment (default: that of its settings, else lrmtest)",
    )
    tracker.add_argument(
        "--report", action="store_true", help="with the HTML report, which has all texts"
    )
    tracker.add_argument(
        "--baseline",
        metavar="RUN|FILE",
        help="with what has changed since this run or baseline file, and the gate's verdict",
    )
    add_threshold_option(tracker.add_argument)
    add_difference_options(tracker.add_argument)
    add_margin_options(tracker.add_argument)
    parser.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> int:
    if arguments.to is not None:
        return _track(arguments)
    if arguments.file is None:
        raise UsageError("FILE is missing", hint="or say --to wandb or --to mlflow")
    for name in ("project", "report", "baseline"):
        if getattr(arguments, name):
            raise UsageError(f"--{name} belongs to --to", hint="--to wandb or --to mlflow")
    file: Path = arguments.file
    chosen = arguments.format or _BY_ENDING.get(file.suffix, "jsonl")
    if arguments.traces and chosen != "jsonl":
        raise UsageError(
            f"--traces: {chosen} has no place for them",
            hint="export as jsonl, or write them with lrmtest baseline RUN -o FILE --save-traces "
            "FILE",
        )
    if chosen in _FIGURES:
        return _figures(arguments, chosen)
    files = [file]
    with open_store(arguments) as store:
        run = store.run(arguments.run_name)
        extent = chosen_extent(store, run, arguments)
        if chosen == "parquet":
            count = export_parquet(store, run, file, extent)
        elif chosen == "inspect":
            count, files = export_inspect(store, run, file, extent)
        else:
            count = export_run(store, run, file, extent, traces=arguments.traces)
    say(f"{count} completions of {run.run_id} written to {', '.join(map(str, files))}")
    for suite in run.manifest.suites:
        if request := request_of(suite):
            say(f"it holds questions of {suite}, whose authors ask: {request}")
    return 0


def _figures(arguments: argparse.Namespace, chosen: str) -> int:
    """Write evaluation results for the hub."""
    summary = summarize(named_run(arguments.run_name, arguments))
    left_out: tuple[str, ...] = ()
    if chosen == "model-card":
        count = write_model_card(arguments.file, summary)
    else:
        count, left_out = write_eval_results(arguments.file, summary)
    say(f"{counted(count, 'result')} of {summary.run_id} written to {arguments.file}")
    if left_out:
        say(f"left out, since no dataset on the hub is known for them: {', '.join(left_out)}")
    return 0


def _track(arguments: argparse.Namespace) -> int:
    """Write a run to a tracker."""
    for name in ("file", "format", "traces"):
        if getattr(arguments, name):
            said = "FILE" if name == "file" else f"--{name}"
            raise UsageError(f"{said} and --to are two places", hint="leave one of them out")
    # Imported here: the clients' settings count from then on, and no other command needs them.
    from lrmtest.reports.trackers.mlflow_run import log_to_mlflow
    from lrmtest.reports.trackers.tracked_run import tracked_run
    from lrmtest.reports.trackers.wandb_run import log_to_wandb

    run = named_run(arguments.run_name, arguments)
    compared = _compared(run, arguments)
    tracked = tracked_run(summarize(run), question_rows(run, {}), compared)
    log = log_to_wandb if arguments.to == "wandb" else log_to_mlflow
    with TemporaryDirectory(prefix="lrmtest-report-") as folder:
        report = _report(run, compared, Path(folder), arguments) if arguments.report else None
        for line in log(tracked, arguments.project, report):
            say(line)
    return 0


def _compared(run: RunRecord, arguments: argparse.Namespace) -> ComparedRuns | None:
    if arguments.baseline is None:
        return None
    gate = read_gate(arguments, allow_missing=arguments.allow_missing)
    baseline = named_baseline(arguments.baseline, arguments, run)
    if baseline.run_id == run.run_id:
        raise UsageError(
            f"{run.run_id} is its own baseline", hint="`lrmtest runs` lists the others"
        )
    return gated_comparison(baseline, run, gate, arguments)


def _report(
    run: RunRecord, compared: ComparedRuns | None, folder: Path, arguments: argparse.Namespace
) -> Path:
    """The report's file in `folder`.

    Raises:
        UsageError: it would have questions in it that are not to be put online.
    """
    for suite in run.manifest.suites:
        if request := request_of(suite):
            raise UsageError(
                f"--report: it holds questions of {suite}, whose authors ask: {request}",
                hint="leave it out; the figures and the table of questions hold no texts",
            )
    path = folder / "report.html"
    runs = [run] if compared is None else [compared.baseline, run]
    known = {} if compared is None else {run.run_id: compared}
    write_report(path, runs, known, threshold=arguments.pass_threshold)
    return path
