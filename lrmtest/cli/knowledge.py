"""`lrmtest knowledge`: what a model does not know against what it cannot compose."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import RenderableType

from lrmtest.analysis.knowledge import (
    compare_knowledge,
    knowledge,
    missing_contexts,
    sets_in,
)
from lrmtest.cli.named_run import add_whole_run_option, named_baseline, named_run
from lrmtest.cli.output import show
from lrmtest.errors import UsageError
from lrmtest.reports.knowledge import knowledge_change_report, knowledge_report
from lrmtest.runs.records import RunRecord

_ASK = "ask in every context: pytest suites/musique/*.py --model NAME (docs/suites.md)"


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "knowledge",
        parents=[store],
        help="what a model does not know, and what it cannot compose (MuSiQue in context)",
    )
    parser.add_argument(
        "run_name", metavar="RUN", help="a run's id, its beginning, `last`, or a baseline's file"
    )
    parser.add_argument("--baseline", metavar="RUN|FILE", help="another model's, to compare with")
    parser.add_argument("--ids", action="store_true", help="list the questions of every kind")
    add_whole_run_option(parser.add_argument)
    parser.set_defaults(run=_knowledge)


def _knowledge(arguments: argparse.Namespace) -> int:
    run = named_run(arguments.run_name, arguments)
    sets = _complete_sets(run)
    for questions in sets:
        result = knowledge(run.outcomes, questions)
        if result is None:
            raise _no_question(run, questions)
        show(knowledge_report(result, run.model, ids=arguments.ids))
    if arguments.baseline is not None:
        baseline = named_baseline(arguments.baseline, arguments, run)
        there = _complete_sets(baseline)
        shared = [questions for questions in sets if questions in there]
        if not shared:
            raise UsageError(f"run {baseline.run_id} asked none of {', '.join(sets)}", hint=_ASK)
        for questions in shared:
            print()
            show(_compared(baseline, run, questions))
    return 0


def _compared(baseline: RunRecord, run: RunRecord, questions: str) -> RenderableType:
    change = compare_knowledge(baseline.outcomes, run.outcomes, questions)
    if change is None:
        raise UsageError(
            f"runs {baseline.run_id} and {run.run_id} share no question of {questions} that has a "
            "verdict in every context",
            hint=_ASK,
        )
    names = (baseline.model, run.model)
    if names[0] == names[1]:
        names = (baseline.run_id, run.run_id)
    return knowledge_change_report(change, *names)


def _complete_sets(run: RunRecord) -> list[str]:
    """The sets that a run asked in all contexts.

    Raises:
        UsageError: there is none; says what is missing.
    """
    found = sets_in(run.outcomes)
    complete = [name for name in found if not missing_contexts(run.outcomes, name)]
    if complete:
        return complete
    lacks = "; ".join(
        f"it lacks {', '.join(missing_contexts(run.outcomes, name))}" for name in found
    )
    raise UsageError(
        f"run {run.run_id} did not ask its questions in every context"
        + (f": {lacks}" if lacks else ""),
        hint=f"{_ASK}; --whole-run takes in what earlier sessions asked" if run.left_out else _ASK,
    )


def _no_question(run: RunRecord, questions: str) -> UsageError:
    return UsageError(
        f"run {run.run_id} has no question of {questions} with a verdict in every context",
        hint=_ASK,
    )
