"""`lrmtest import`: a run from a file, or a log of another tool as a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lrmtest.cli.output import complain, say
from lrmtest.counted import counted
from lrmtest.errors import UsageError
from lrmtest.grading.split import Tags
from lrmtest.models.engines.recorded.finish_reason import Ends
from lrmtest.options.common import add_data_options, at_least_1, read_data_options
from lrmtest.options.engine import add_finish_reason_option, read_finish_reason
from lrmtest.reports.escape import one_line
from lrmtest.reports.imported import imported_lines, new_ones
from lrmtest.runs.formats.assign import LogQuestions, OwnQuestions, SuiteQuestions, choose_suite
from lrmtest.runs.formats.detect import detect_format
from lrmtest.runs.formats.imported import check_log, write_log
from lrmtest.runs.formats.jsonl import import_run
from lrmtest.runs.formats.log import Log
from lrmtest.runs.formats.reading import read_logs
from lrmtest.runs.store import STORE_NAME, Store
from lrmtest.suites import suite_named

_REASON_LIMIT = 300
_OF_LOGS = ("suite", "kind", "name", "tags", "max_tokens", "finish_reason")


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "import",
        parents=[store],
        help="read a run, or a log of lm-evaluation-harness, inspect_ai, lighteval or evalscope, "
        "and grade it here",
    )
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="the file, or a folder of another tool's logs"
    )
    parser.add_argument(
        "--format",
        choices=("auto", "jsonl", "lm-eval", "inspect", "lighteval", "evalscope"),
        default="auto",
        help="what FILE is: a run that was exported, samples_*.jsonl of lm-evaluation-harness, a "
        "log of inspect_ai, details_*.parquet of lighteval or predictions of evalscope (default: "
        "see by its content)",
    )
    parser.add_argument("--suite", metavar="NAME", help="the suite that a log's questions are in")
    parser.add_argument(
        "--kind",
        metavar="KIND",
        help="grade a log by its own targets, as answers of this kind; `marked`: do not grade it, "
        "its own marks count, as of programs that were run there",
    )
    parser.add_argument("--name", metavar="NAME", help="the model's name in reports")
    parser.add_argument(
        "--tags",
        nargs=2,
        metavar=("OPEN", "CLOSE"),
        help="the model's reasoning tags (default: those that its texts show)",
    )
    parser.add_argument(
        "--max-tokens",
        type=at_least_1,
        metavar="N",
        help="the token limit that a log's texts were generated with, where the log does not say",
    )
    add_finish_reason_option(parser.add_argument)
    add_data_options(parser.add_argument)
    parser.set_defaults(run=_import)


def _import(arguments: argparse.Namespace) -> int:
    file: Path = arguments.file
    chosen = None if arguments.format == "auto" else arguments.format
    if chosen is None and not file.is_dir():
        chosen = detect_format(file)
    if chosen == "jsonl":
        named = [
            f"--{name.replace('_', '-')}"
            for name in _OF_LOGS
            if getattr(arguments, name) is not None
        ]
        if named:
            raise UsageError(
                f"{', '.join(named)}: {file} is an exported run, which says all of it",
                hint="leave these options out",
            )
        with _store_to_write(arguments) as store, store.transaction():
            before = store.completion_count()
            run, count = import_run(store, file)
            new = store.completion_count() - before
        say(
            f"{counted(count, 'completion')} of {run.run_id} read, {new_ones(new, count)}; "
            f"see: lrmtest show {run.run_id}"
        )
        return 0
    tags: Tags = tuple(arguments.tags) if arguments.tags else ()
    if not all(tags):
        raise UsageError("--tags: a tag is empty", hint="for example: --tags '[THINK]' '[/THINK]'")
    end, column = read_finish_reason(arguments.finish_reason)
    found = read_logs(file, chosen, tags, column)
    # All of them are read and checked before anything of one is written.
    told = Ends(budget=arguments.max_tokens, told=end, column=column)
    checked = [check_log(log, _assignment(log, arguments), tags, told) for log in found.logs]
    placed: dict[tuple[str, str], str] = {}
    for each in checked:
        log, suite = each.log, each.assignment.suite
        if (task := placed.setdefault((log.invocation, suite), log.task)) != log.task:
            raise UsageError(
                f"{file}: {task} and {log.task} are both of suite {suite}",
                hint="import their files one by one, each with a --name of its own",
            )
    with _store_to_write(arguments) as store, store.transaction():
        imported = [
            write_log(store, each, name=arguments.name or _short_name(each.log)) for each in checked
        ]
    for each, what in zip(checked, imported, strict=True):
        for line in imported_lines(each.log.tool, what):
            say(line)
    for reason in found.refused:
        say(f"left out: {one_line(reason, _REASON_LIMIT)}")
    return 0


def _store_to_write(arguments: argparse.Namespace) -> Store:
    path = arguments.reports_dir / STORE_NAME
    return Store(path, tell=complain)


def _short_name(log: Log) -> str:
    return log.model.rstrip("/").rpartition("/")[2] or "model"


def _assignment(log: Log, arguments: argparse.Namespace) -> LogQuestions:
    if arguments.kind is not None:
        if arguments.suite is not None:
            raise UsageError(
                "--suite and --kind are two ways to find the expected answers",
                hint="--suite: ours, for its questions; --kind: the log's own targets",
            )
        return OwnQuestions(log, arguments.kind)
    data = read_data_options(arguments)
    if arguments.suite is None:
        return choose_suite(log, data)
    suite = suite_named(arguments.suite)
    return SuiteQuestions(suite, suite.load(data))
