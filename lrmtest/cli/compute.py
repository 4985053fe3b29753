"""`lrmtest compute`: what tokens buy."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.text import Text

from lrmtest.analysis.compute import (
    Compute,
    ComputeChange,
    compare_compute,
    compute,
    compute_outcomes,
)
from lrmtest.analysis.several_samples import SeveralSamples, several_samples
from lrmtest.cli.named_run import add_whole_run_option, named_baseline, named_run
from lrmtest.cli.output import show
from lrmtest.errors import UsageError
from lrmtest.reports.compute import compute_change_report, compute_report
from lrmtest.reports.several_samples import MEANING, several_table
from lrmtest.runs.records import RunRecord


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "compute",
        parents=[store],
        help="what tokens buy: length against correctness, pass rate by token budget, cost, and "
        "what several samples do",
    )
    parser.add_argument(
        "run_name",
        metavar="RUN",
        help="a run's id, its beginning, `last` or `last:MODEL`, or a baseline's file",
    )
    parser.add_argument("--baseline", metavar="RUN|FILE", help="compare at equal budgets")
    parser.add_argument("--suite", help="only this suite")
    parser.add_argument(
        "--budget",
        type=_positive,
        action="append",
        metavar="N",
        help="a token budget to look at; repeat it (default: powers of 2)",
    )
    add_whole_run_option(parser.add_argument)
    parser.set_defaults(run=_compute)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**9):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of tokens")
    return int(text)


def _compute(arguments: argparse.Namespace) -> int:
    run = named_run(arguments.run_name, arguments)
    suites = _suites(run, arguments.suite)
    budgets = sorted(set(arguments.budget)) if arguments.budget else None
    results = _results(suites, budgets)
    if not results:
        raise UsageError(
            f"run {run.run_id} has no token counts",
            hint="recorded outputs get theirs with --tokenizer (docs/engines.md)",
        )
    title = f"{run.model} ({run.run_id})"
    show(compute_report(results, title, estimated=run.tokens_estimated))
    several = {name: found for name, part in suites.items() if (found := _several(part))}
    if several:
        show(Group(Text(), several_table(several), Text(), Text(MEANING, style="dim")))
    if arguments.baseline is not None:
        baseline = named_baseline(arguments.baseline, arguments, run)
        _compare(run, suites, baseline, arguments.suite, budgets)
    return 0


def _results(suites: Mapping[str, RunRecord], budgets: list[int] | None) -> dict[str, Compute]:
    """What tokens buy in each suite that has token counts."""
    found = {
        # Of a greedy run the outcomes leave out the copies.
        name: compute_outcomes(part.outcomes.values(), budgets)
        if part.manifest.greedy
        else compute(part.samples, budgets)
        for name, part in suites.items()
    }
    return {name: result for name, result in found.items() if result is not None}


def _several(run: RunRecord) -> tuple[SeveralSamples, ...]:
    """What several samples buy; nothing at temperature 0, where all are alike."""
    if run.manifest.greedy:
        return ()
    return several_samples(outcome.samples.values() for outcome in run.outcomes.values())


def _compare(
    run: RunRecord,
    suites: dict[str, RunRecord],
    baseline: RunRecord,
    suite: str | None,
    budgets: list[int] | None,
) -> None:
    """Show two runs at equal budgets.

    Raises:
        UsageError: they cannot be compared.
    """
    if baseline.run_id == run.run_id:
        raise UsageError(f"{run.run_id} is compared with itself", hint="name another --baseline")
    if baseline.tokens_estimated != run.tokens_estimated:
        raise UsageError(
            f"the tokens of one of {baseline.run_id} and {run.run_id} were counted, of the other "
            "estimated from text length",
            hint="give recorded outputs a --tokenizer",
        )
    before = _suites(baseline, suite)
    changes: dict[str, ComputeChange] = {}
    for name, part in suites.items():
        asked = before[name].outcomes if name in before else {}
        change = compare_compute(asked, part.outcomes, budgets)
        if change is not None:
            changes[name] = change
    if not changes:
        raise UsageError(
            f"runs {baseline.run_id} and {run.run_id} share no question with token counts",
            hint="compare runs of the same suites",
        )
    print()
    show(
        compute_change_report(changes, f"{run.model} against {baseline.model} ({baseline.run_id})")
    )


def _suites(run: RunRecord, only: str | None) -> dict[str, RunRecord]:
    """The run's parts by suite.

    Raises:
        UsageError: the run has no suite of the name `only`.
    """
    names = [only] if only is not None else dict.fromkeys(suite for suite, _ in run.outcomes)
    return {name: run.only_suite(name) for name in names}
