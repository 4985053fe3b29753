"""`lrmtest compute`: what tokens buy."""

from __future__ import annotations

import argparse
from typing import Any

from lrmtest.analysis.compute import (
    Compute,
    ComputeChange,
    compare_compute,
    compute,
    compute_outcomes,
)
from lrmtest.cli.output import show
from lrmtest.cli.runs import open_store
from lrmtest.errors import UsageError
from lrmtest.reports.compute import compute_change_report, compute_report
from lrmtest.runs.baseline import Baseline, is_file, is_greedy, load_baseline, only_suite
from lrmtest.runs.outcomes import Outcomes
from lrmtest.runs.store import STORE_NAME


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "compute",
        parents=[store],
        help="what tokens buy: length against correctness, pass rate by token budget, cost",
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
    parser.set_defaults(run=_compute)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**9):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of tokens")
    return int(text)


def _compute(arguments: argparse.Namespace) -> int:
    path = arguments.reports_dir / STORE_NAME
    run = load_baseline(arguments.run_name, path)
    suites = _suites(run, arguments.suite)
    budgets = sorted(set(arguments.budget)) if arguments.budget else None
    results = _results(arguments, run, suites, budgets)
    if not results:
        raise UsageError(
            f"run {run.name} has no token counts",
            hint="recorded outputs get theirs with --tokenizer (docs/engines.md)",
        )
    title = f"{run.model} ({run.name})"
    show(compute_report(results, title, estimated=run.tokens_estimated))
    if arguments.baseline is not None:
        _compare(run, suites, load_baseline(arguments.baseline, path), arguments.suite, budgets)
    return 0


def _results(
    arguments: argparse.Namespace,
    run: Baseline,
    suites: dict[str, Outcomes],
    budgets: list[int] | None,
) -> dict[str, Compute]:
    """What tokens buy in each suite that has token counts."""
    found: dict[str, Compute | None]
    if is_file(arguments.run_name) or is_greedy(run.manifest):
        # A file has no more than the outcomes; of a greedy run they leave out the copies.
        found = {name: compute_outcomes(part.values(), budgets) for name, part in suites.items()}
    else:
        with open_store(arguments) as store:
            records = store.sample_records(store.run(run.name))
        found = {
            name: compute([record for record in records if record.suite == name], budgets)
            for name in suites
        }
    return {name: result for name, result in found.items() if result is not None}


def _compare(
    run: Baseline,
    suites: dict[str, Outcomes],
    baseline: Baseline,
    suite: str | None,
    budgets: list[int] | None,
) -> None:
    """Show two runs at equal budgets.

    Raises:
        UsageError: they cannot be compared.
    """
    if baseline.name == run.name:
        raise UsageError(f"{run.name} is compared with itself", hint="name another --baseline")
    if baseline.tokens_estimated != run.tokens_estimated:
        raise UsageError(
            f"the tokens of one of {baseline.name} and {run.name} were counted, of the other "
            "estimated from text length",
            hint="give recorded outputs a --tokenizer",
        )
    before = _suites(baseline, suite)
    changes: dict[str, ComputeChange] = {}
    for name, outcomes in suites.items():
        change = compare_compute(before.get(name, {}), outcomes, budgets)
        if change is not None:
            changes[name] = change
    if not changes:
        raise UsageError(
            f"runs {baseline.name} and {run.name} share no question with token counts",
            hint="compare runs of the same suites",
        )
    print()
    show(compute_change_report(changes, f"{run.model} against {baseline.model} ({baseline.name})"))


def _suites(run: Baseline, only: str | None) -> dict[str, Outcomes]:
    """The run's outcomes by suite.

    Raises:
        UsageError: the run has no suite of the name `only`.
    """
    if only is not None:
        return {only: only_suite(run, only).outcomes}
    names = dict.fromkeys(suite for suite, _ in run.outcomes)
    return {name: only_suite(run, name).outcomes for name in names}
