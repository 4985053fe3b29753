"""`lrmtest triage`: what broke, one question in two runs, and asking just these again."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from lrmtest.analysis.divergence import Divergence
from lrmtest.analysis.run_reading import RunReading, run_readings
from lrmtest.analysis.shaded_trace import ShadedTrace
from lrmtest.analysis.triage import (
    TriagedQuestion,
    by_divergence,
    by_size_of_change,
    of_kinds,
    triage,
)
from lrmtest.analysis.triage_kinds import CHANGE_KINDS, NEED_BASELINE, TRIAGE_KINDS, TriageKind
from lrmtest.cli.named_run import add_whole_run_option, chosen_extent, named_baseline
from lrmtest.cli.output import print_json, say, show
from lrmtest.cli.question import MOST_SHOWN, find_question, sample_views
from lrmtest.cli.runs import open_store
from lrmtest.errors import UsageError
from lrmtest.options.common import add_threshold_option
from lrmtest.reports.shaded import (
    TRACES_GONE,
    TRACES_WITHOUT_TEXTS,
    shaded_legend,
    shaded_view,
)
from lrmtest.reports.side_by_side import side_by_side
from lrmtest.reports.triage import triage_document, triage_view
from lrmtest.runs.command import can_be_rerun, is_packaged, pytest_ids, rerun_arguments
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.records import RunHead, RunRecord
from lrmtest.runs.store import Store

_REPORTS = Path("reports")
_MOST_SHADED = 1500
"""Characters of a shaded trace, without --full."""


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "triage",
        parents=[store],
        help="which questions broke and how, and both answers to one of them",
    )
    parser.add_argument(
        "run_name", metavar="RUN", help="a run's id, its beginning, `last` or `last:MODEL`"
    )
    parser.add_argument("question", metavar="QUESTION", nargs="?", help="a question's id")
    parser.add_argument("--suite", help="only this suite")
    parser.add_argument("--baseline", metavar="RUN|FILE", help="what the run is compared with")
    parser.add_argument(
        "--kind",
        action="append",
        default=[],
        choices=TRIAGE_KINDS,
        metavar="KIND",
        help="only questions of this kind; repeat it. One of: " + ", ".join(TRIAGE_KINDS),
    )
    parser.add_argument(
        "--change",
        action="append",
        default=[],
        choices=CHANGE_KINDS,
        metavar="CHANGE",
        help="only questions that changed like this since the baseline; repeat it. One of: "
        + ", ".join(CHANGE_KINDS),
    )
    parser.add_argument(
        "--sort",
        choices=("run", "size", "divergence"),
        default="run",
        metavar="ORDER",
        help="run: as the run asked them; size: the largest change first; divergence: those of "
        "which reading says that the models are furthest apart first (default: run)",
    )
    add_threshold_option(parser.add_argument)
    add_whole_run_option(parser.add_argument)
    parser.add_argument(
        "--json", action="store_true", help="print the questions as JSON, with their changes"
    )
    parser.add_argument(
        "--ids", action="store_true", help="print test ids alone, one a line, for pytest"
    )
    parser.add_argument("--full", action="store_true", help="do not shorten long texts")
    parser.add_argument(
        "--rerun",
        action="store_true",
        help="ask these questions anew with pytest, the run's own model and settings",
    )
    parser.add_argument(
        "--pytest-arg",
        action="append",
        default=[],
        metavar="ARG",
        help="with --rerun: a further argument for pytest, such as --pytest-arg=--seed=1; "
        "repeat it",
    )
    parser.set_defaults(run=_triage)


def _triage(arguments: argparse.Namespace) -> int:
    _refuse_without_baseline(arguments)
    with open_store(arguments) as store:
        run = store.run(arguments.run_name)
        record = store.record(run, chosen_extent(store, run, arguments))
        baseline = _baseline(arguments, record)
        if arguments.question is not None:
            suite, _ = find_question(store, run, arguments.question, arguments.suite)
            if arguments.rerun:
                return _rerun(run, [(suite, arguments.question)], arguments)
            _show_question(store, run, suite, baseline, arguments)
            return 0
        questions = _questions(record, baseline, arguments)
        read = _read(store, record, baseline, arguments)
        divergences = {} if read is None else read.divergences
    chosen = _chosen(questions, divergences, arguments)
    if arguments.rerun:
        if not (arguments.kind or arguments.change):
            chosen = of_kinds(chosen, [_most_wanted(chosen, compared=baseline is not None)])
        return _rerun(run, _keys(chosen), arguments)
    if arguments.ids:
        return _print_ids(run, _keys(chosen))
    found = None if read is None or baseline is None else read.foretold(baseline, record)
    if arguments.json:
        document = triage_document(
            run.run_id,
            None if baseline is None else baseline.run_id,
            questions,
            chosen,
            divergences,
            found,
        )
        print_json(document)
        return 0
    against = f" against {_called(baseline)}" if baseline is not None else ""
    show(
        triage_view(
            questions,
            title=f"{run.model} ({run.run_id}){against}",
            compared=baseline is not None,
            kinds=arguments.kind or arguments.change,
            chosen=chosen,
            reading="" if read is None else _reading_said(read),
            divergences=divergences,
            foretold=found,
            next_steps=_next_steps(run, questions, arguments),
        ),
        crop=False,
    )
    return 0


def _refuse_without_baseline(arguments: argparse.Namespace) -> None:
    """Refuse what only a comparison can tell.

    Raises:
        UsageError: there is none.
    """
    if arguments.baseline is not None:
        return
    asked = [f"--change {change}" for change in arguments.change]
    asked += [f"--kind {kind}" for kind in sorted(NEED_BASELINE.intersection(arguments.kind))]
    asked += ["--sort size"] if arguments.sort == "size" else []
    if asked:
        raise UsageError(
            f"{asked[0]} needs --baseline",
            hint="compare with another run: --baseline RUN (`lrmtest runs` lists them)",
        )


def _chosen(
    questions: list[TriagedQuestion],
    divergences: Mapping[QuestionKey, Divergence],
    arguments: argparse.Namespace,
) -> list[TriagedQuestion]:
    """Those of the kinds and of the changes that were asked for, in the order asked for."""
    for asked in (arguments.kind, arguments.change):
        questions = of_kinds(questions, asked) if asked else questions
    if arguments.sort == "divergence":
        return by_divergence(questions, divergences)
    return by_size_of_change(questions) if arguments.sort == "size" else questions


def _read(
    store: Store, run: RunRecord, baseline: RunRecord | None, arguments: argparse.Namespace
) -> RunReading | None:
    """The reading that questions are sorted by; None where there is none.

    Raises:
        UsageError: there is none, and the order is to be by it.
    """
    found = run_readings(store, run, baseline, arguments.baseline)
    if not found and arguments.sort == "divergence":
        parent, reader = (run, "MODEL") if baseline is None else (baseline, run.model)
        raise UsageError(
            f"no model has read the traces of {parent.run_id}"
            if baseline is None
            else f"{run.model} has not read the traces of {parent.run_id}",
            hint=f"lrmtest read {reader} --traces {arguments.baseline or arguments.run_name}",
        )
    return found[0] if found else None


def _reading_said(read: RunReading) -> str:
    """Whose divergence the column S is."""
    return f"S: {read.reader} reads {read.writer.model} ({read.writer.run_id})"


def _most_wanted(questions: list[TriagedQuestion], *, compared: bool) -> TriageKind:
    """The kind that most wants looking at, of those that there are."""
    wanted: tuple[TriageKind, ...] = ("broken", "worse", "fell") if compared else ("failed",)
    return next((kind for kind in wanted if of_kinds(questions, [kind])), wanted[0])


def _baseline(arguments: argparse.Namespace, run: RunRecord) -> RunRecord | None:
    if arguments.baseline is None:
        return None
    baseline = named_baseline(arguments.baseline, arguments, run)
    if baseline.run_id == run.run_id:
        raise UsageError(
            f"{arguments.run_name} and {arguments.baseline} are the same run",
            hint="`lrmtest runs` lists the others",
        )
    return baseline


def _questions(
    run: RunRecord, baseline: RunRecord | None, arguments: argparse.Namespace
) -> list[TriagedQuestion]:
    """The run's questions, of one suite if so asked.

    Raises:
        UsageError: the run has no such suite.
    """
    if arguments.suite is not None:
        run = run.only_suite(arguments.suite)
    return triage(run, baseline, arguments.pass_threshold)


def _keys(questions: list[TriagedQuestion]) -> list[QuestionKey]:
    return [question.outcome.key for question in questions]


def _print_ids(run: RunHead, keys: list[QuestionKey]) -> int:
    """Print test ids, and nothing else, so that they can be handed to pytest.

    Raises:
        UsageError: the run does not say which tests asked them.
    """
    for key in keys:
        tests = pytest_ids(run.manifest, key)
        if not tests:
            raise UsageError(
                f"run {run.run_id} does not say which test asks suite {key[0]!r}",
                hint=f"it was made by an older lrmtest; select by id: -k '[{key[1]}]'",
            )
        for test in tests:
            say(test)
    return 0


def _next_steps(
    run: RunHead, questions: list[TriagedQuestion], arguments: argparse.Namespace
) -> list[str]:
    """Commands to go on with, for the kind that most wants looking at."""
    kind = _most_wanted(questions, compared=arguments.baseline is not None)
    found = of_kinds(questions, [kind])
    if not found:
        return []
    options = [] if arguments.baseline is None else ["--baseline", arguments.baseline]
    if arguments.whole_run:
        options.append("--whole-run")
    if arguments.reports_dir != _REPORTS:
        options += ["--reports-dir", str(arguments.reports_dir)]
    command = ["lrmtest", "triage", arguments.run_name]
    option = "--change" if kind in CHANGE_KINDS else "--kind"
    one = [*command, found[0].outcome.question_id, *options]
    ids = [*command, *options, option, kind, "--ids"]
    steps = [f"one question:     {shlex.join(one)}"]
    if can_be_rerun(run.manifest):
        again = [*command, *options, option, kind, "--rerun"]
        steps.append(f"ask these again:  {shlex.join(again)}")
    return [*steps, f"their test ids:   {shlex.join(ids)}"]


def _called(run: RunRecord) -> str:
    return f"{run.model} ({run.run_id})"


def _show_question(
    store: Store,
    run: RunHead,
    suite: str,
    baseline: RunRecord | None,
    arguments: argparse.Namespace,
) -> None:
    question_id = arguments.question
    asked = store.question(run.run_id, suite, question_id)
    assert asked is not None
    sides = {"candidate": sample_views(store, run, suite, question_id)}
    notes = []
    against = ""
    if baseline is not None:
        against = f" against the baseline {baseline.run_id}"
        before = baseline.outcomes.get((suite, question_id))
        if baseline.store is None:
            passed = f"{before.passes} of {before.count} samples passed" if before else "not asked"
            notes.append(
                f"the baseline is a file and holds no texts; there this question: {passed}"
            )
        elif before is None:
            notes.append("the baseline did not ask this question")
        else:
            of_baseline = sample_views(store, store.run(baseline.run_id), suite, question_id)
            sides = {"baseline": of_baseline, **sides}
            other = store.question(baseline.run_id, suite, question_id)
            if other is not None and other.prompt != asked.prompt:
                notes.append("the baseline asked it with another prompt")
    length = 1500 if max(map(len, sides.values())) <= 2 else 500
    if arguments.full:
        length = MOST_SHOWN
    show(
        side_by_side(
            title=f"{suite} {question_id}: {run.run_id}{against}",
            prompt=asked.prompt,
            expected=asked.question.expected if asked.question is not None else "",
            sides=sides,
            notes=notes,
            head=length,
            tail=length,
        )
    )
    readings = run_readings(store, run, baseline, arguments.baseline)
    most = MOST_SHOWN if arguments.full else _MOST_SHADED
    parts = [part for each in readings for part in _shaded(each, (suite, question_id), most)]
    if parts:
        show(Group(*parts))


def _shaded(read: RunReading, question: QuestionKey, most: int) -> list[RenderableType]:
    """The traces of a question as a model sees them that has read them."""
    if not read.read.texts:
        return [Text(TRACES_WITHOUT_TEXTS.format(read.reader), style="yellow")]
    parts: list[RenderableType] = []
    seen: dict[tuple[str, ...], tuple[ShadedTrace, list[int]]] = {}
    for sample, trace in read.shaded(question):
        if trace is None:
            return [Text(TRACES_GONE.format(read.writer.run_id), style="yellow")]
        words = tuple(token.text for token in trace.tokens)
        seen.setdefault(words, (trace, []))[1].append(sample)
    for trace, samples in seen.values():
        parts += shaded_view(
            trace, reader=read.reader, writer=read.writer.model, samples=samples, most=most
        )
    return [*parts, Text(), *(shaded_legend(trace) for trace, _ in [*seen.values()][:1])]


def _rerun(run: RunHead, keys: list[QuestionKey], options: argparse.Namespace) -> int:
    """Ask questions anew, and say with which command.

    Returns:
        pytest's exit status; of several commands, the first that is not 0.

    Raises:
        UsageError: there is nothing to ask, or the run cannot be made again from here.
    """
    if not keys:
        raise UsageError(
            f"run {run.run_id} has no such question: nothing to ask again",
            hint="`lrmtest triage RUN` shows what there is; --kind chooses",
        )
    codes = []
    extra = list(options.pytest_arg)
    if options.reports_dir != _REPORTS:
        extra = [f"--reports-dir={options.reports_dir}", *extra]
    for arguments in rerun_arguments(run.run_id, run.manifest, keys, extra):
        files = dict.fromkeys(
            argument.split("::")[0]
            for argument in arguments
            if "::" in argument and not is_packaged(argument)
        )
        gone = [file for file in files if not Path(file).is_file()]
        if gone:
            raise UsageError(
                f"there is no test file {gone[0]} here",
                hint="give the command in the folder that pytest was run in",
            )
        say(f"$ {shlex.join(['pytest', *arguments])}")
        codes.append(subprocess.run([sys.executable, "-m", "pytest", *arguments]).returncode)
    return next((code for code in codes if code), 0)
