"""`lrmtest runs`, `lrmtest show` and `lrmtest regrade`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Group
from rich.text import Text

from lrmtest.analysis.summary import summarize
from lrmtest.cli.named_run import add_whole_run_option, chosen_extent, named_run
from lrmtest.cli.output import add_data_output_options, print_csv, print_json, show
from lrmtest.cli.question import MOST_SHOWN, find_question, sample_views
from lrmtest.errors import UsageError
from lrmtest.grading import Verdict, grade
from lrmtest.natural_order import in_order, natural
from lrmtest.reports.by_suite import COLUMNS, ModelsBySuite, by_suite_cells
from lrmtest.reports.escape import one_line
from lrmtest.reports.runs_data import (
    QUESTION_COLUMNS,
    RUN_COLUMNS,
    asked_document,
    question_cells,
    question_document,
    run_cells,
    run_document,
)
from lrmtest.reports.runs_table import (
    QuestionRow,
    RunRow,
    question_view,
    run_table,
    runs_table,
)
from lrmtest.reports.so_far import so_far_document, so_far_line
from lrmtest.reports.summary_json import summary_document
from lrmtest.reports.terminal import summary_table
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.reasoning import ReasoningSeen, with_seen
from lrmtest.runs.records import RunHead, RunRecord, by_question
from lrmtest.runs.so_far import RunSoFar, so_far
from lrmtest.runs.store import STORE_NAME, Store
from lrmtest.suites.stored_graders import stored_grader

_MOST_CHANGES = 50


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the commands to the parser's."""
    parser = commands.add_parser("runs", parents=[store], help="list the runs in the store")
    parser.add_argument(
        "run_names",
        metavar="RUN",
        nargs="*",
        help="these runs, by suite: ids, their beginnings, `last:MODEL`, a baseline's file",
    )
    parser.add_argument(
        "--by-suite",
        action="store_true",
        help="the newest run of each model with a column for each suite: pass rates, tokens",
    )
    add_whole_run_option(parser.add_argument)
    add_data_output_options(parser, "run, or by suite for each run and suite,")
    parser.set_defaults(run=_runs)

    parser = commands.add_parser(
        "show", parents=[store], help="show a run, or one question with all that was said"
    )
    parser.add_argument("run_name", metavar="RUN", help="a run's id, its beginning, or `last`")
    parser.add_argument("question", metavar="QUESTION", nargs="?", help="a question's id")
    parser.add_argument("--suite", help="the question's suite, when several have that id")
    parser.add_argument("--full", action="store_true", help="do not shorten long texts")
    add_whole_run_option(parser.add_argument)
    add_data_output_options(parser, "question")
    parser.set_defaults(run=_show)

    parser = commands.add_parser(
        "regrade", parents=[store], help="grade a run again, without the model"
    )
    parser.add_argument("run_name", metavar="RUN", help="a run's id, its beginning, or `last`")
    parser.set_defaults(run=_regrade)


def open_store(arguments: argparse.Namespace) -> Store:
    """The store that a command names.

    Raises:
        StoreError: it is not there.
    """
    return Store(arguments.reports_dir / STORE_NAME, create=False)


def read_store(arguments: argparse.Namespace) -> Store:
    """The same to be read alone: who writes to it is never in its way, nor it in theirs.

    Raises:
        StoreError: it is not there.
    """
    return Store(arguments.reports_dir / STORE_NAME, create=False, read_only=True)


def _runs(arguments: argparse.Namespace) -> int:
    if arguments.run_names or arguments.by_suite:
        return _by_suite(arguments)
    with read_store(arguments) as store:
        rows = [_run_row(store, run) for run in store.runs()]
    if arguments.json:
        print_json([run_document(row) for row in rows])
    elif arguments.csv:
        print_csv(RUN_COLUMNS, [run_cells(row) for row in rows])
    else:
        show(runs_table(rows))
    return 0


def _by_suite(arguments: argparse.Namespace) -> int:
    """Show runs side by side: those that are named, or the newest of each model."""
    names = list(dict.fromkeys(arguments.run_names))
    if not names:
        with read_store(arguments) as store:
            models = sorted({run.model for run in store.runs()}, key=natural)
        names = [f"last:{model}" for model in models]
        if not names:
            raise UsageError("there is no run yet", hint="pytest --model NAME makes one")
    summaries = [summarize(named_run(name, arguments)) for name in names]
    if arguments.json:
        print_json(summary_document(summaries))
    elif arguments.csv:
        print_csv(COLUMNS, list(by_suite_cells(summaries)))
    else:
        show(ModelsBySuite(summaries))
    return 0


def _run_row(store: Store, run: RunHead) -> RunRow:
    record = store.record(run)
    total = summarize(record).total
    now = so_far(store, run)
    there = now.total
    return RunRow(
        run_id=run.run_id,
        model=run.model,
        created=run.created,
        suites=tuple(record.manifest.suites),
        others=bool(record.left_out),
        questions=total.questions,
        samples=total.samples,
        errors=total.errors,
        pass_rate=total.strict,
        state=now.state,
        done=there.done,
        wanted=there.wanted,
        tokens=there.tokens,
    )


def _show(arguments: argparse.Namespace) -> int:
    if arguments.csv and arguments.question is not None:
        raise UsageError(
            "--csv is a line for each question of a run",
            hint="leave out the question, or have it with --json",
        )
    with read_store(arguments) as store:
        run = store.run(arguments.run_name)
        if arguments.question is None:
            extent = chosen_extent(store, run, arguments)
            now = so_far(store, run, extent)
            record = store.record(run, extent)
            expected = {
                (suite, question_id): asked.question.expected
                for suite, question_id, asked in store.questions(run.run_id)
                if asked.question is not None
            }
            _show_run(record, now, question_rows(record, expected), arguments)
            return 0
        _show_question(store, run, arguments)
    return 0


def _show_run(
    record: RunRecord,
    now: RunSoFar,
    rows: Sequence[QuestionRow],
    arguments: argparse.Namespace,
) -> None:
    if arguments.csv:
        print_csv(QUESTION_COLUMNS, [question_cells(row) for row in rows])
        return
    summary = summarize(record)
    if arguments.json:
        document = summary_document([summary])
        document["runs"][0]["so_far"] = so_far_document(now)
        document["runs"][0]["questions"] = [question_document(row) for row in rows]
        print_json(document)
    else:
        state = [] if now.state == "complete" else [so_far_line(now), Text()]
        show(Group(*state, run_table(rows), Text(), summary_table([summary])))


def question_rows(record: RunRecord, expected: Mapping[QuestionKey, str]) -> list[QuestionRow]:
    """The questions of a run, its suites in the order in which it asked them.

    Args:
        record: the run.
        expected: reference answers, as far as they are to be shown.
    """
    asked = by_question(record.samples)
    rows = []
    for suite, question_id in in_order(asked):
        samples = asked[suite, question_id]
        graded = [(sample, sample.verdict) for sample in samples if sample.verdict is not None]
        tokens = [sample.tokens for sample, _ in graded]
        failures = [verdict.failure for _, verdict in graded if verdict.failure is not None]
        rows.append(
            QuestionRow(
                suite=suite,
                question_id=question_id,
                passes=sum(verdict.correct for _, verdict in graded),
                samples=len(graded),
                errors=len(samples) - len(graded),
                expected=expected.get((suite, question_id), ""),
                extracted=tuple(verdict.extracted for _, verdict in graded),
                failures={failure: failures.count(failure) for failure in failures},
                tokens=sum(tokens) / len(tokens) if any(tokens) else None,
                tokens_estimated=not record.manifest.totals_counted
                and any(sample.tokens_estimated for sample, _ in graded),
            )
        )
    return rows


def _show_question(store: Store, run: RunHead, arguments: argparse.Namespace) -> None:
    suite, asked = find_question(store, run, arguments.question, arguments.suite)
    expected = asked.question.expected if asked.question is not None else ""
    samples = sample_views(store, run, suite, arguments.question)
    if arguments.json:
        print_json(asked_document(suite, arguments.question, asked.prompt, expected, samples))
        return
    length = MOST_SHOWN if arguments.full else 1500
    show(
        question_view(
            title=f"{suite} {arguments.question} in {run.run_id}",
            prompt=asked.prompt,
            expected=expected,
            samples=samples,
            head=length,
            tail=length,
        )
    )


def _regrade(arguments: argparse.Namespace) -> int:
    with open_store(arguments) as store:
        run = store.run(arguments.run_name)
        questions = {
            (suite, question_id): asked.question
            for suite, question_id, asked in store.questions(run.run_id)
        }
        verdicts: list[tuple[str, Verdict]] = []
        changes = []
        seen = ReasoningSeen(run.manifest.reasoning_tags)
        for stored in store.completions(run.run_id):
            seen.look_at(stored.completion.text)
            question = questions.get(stored.place.question)
            if question is None:
                continue
            answer_kinds = run.manifest.suite(stored.place.suite).answer_kinds or ()
            grader = stored_grader(stored.place.suite, question.kind, answer_kinds)
            verdict = grade(
                question,
                stored.completion,
                run.manifest.reasoning_tags,
                grader,
                opened=bool(run.manifest.reasoning.prefilled),
            )
            verdicts.append((stored.place.key, verdict))
            if stored.verdict is not None and verdict != stored.verdict:
                changes.append(
                    f"{' '.join(stored.place.question)} sample {stored.place.sample}: "
                    f"{_brief(stored.verdict)} -> {_brief(verdict)}"
                )
        store.set_verdicts(run.run_id, verdicts)
        _note_tags(store, run, seen)
        run = store.run(run.run_id)
        lines = [f"{len(verdicts)} completions graded again, {len(changes)} verdicts changed"]
        lines += changes[:_MOST_CHANGES]
        if len(changes) > _MOST_CHANGES:
            lines.append(f"... and {len(changes) - _MOST_CHANGES} more")
        show(
            Group(
                *(Text(one_line(line, 200)) for line in lines),
                Text(),
                summary_table([summarize(store.record(run))]),
            )
        )
    return 0


def _note_tags(store: Store, run: RunHead, seen: ReasoningSeen) -> None:
    """Put into a run's manifest what its texts show of its reasoning tags."""
    section = run.manifest.reasoning
    known_by = section.known_by or ("card" if seen.tags else "texts")
    section = with_seen(replace(section, tags=seen.tags, known_by=known_by), seen)
    if section.to_json() == run.manifest.reasoning.to_json():
        return
    store.update_manifest(run.run_id, replace(run.manifest, reasoning=section))


def _brief(verdict: Verdict) -> str:
    return f"{'correct' if verdict.correct else verdict.failure} ({verdict.extracted!r})"
