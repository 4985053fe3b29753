"""`lrmtest plan`: how many samples a gate needs, and what they cost."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrmtest.analysis.compare import compared_metrics
from lrmtest.analysis.draft_plan import DraftPlan, drafts_from_readings, drafts_from_variation
from lrmtest.analysis.plan import plan
from lrmtest.analysis.reading_plan import plan_reading
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.analysis.table_plan import table_costs
from lrmtest.cli.named_run import add_whole_run_option, named_run
from lrmtest.cli.output import show
from lrmtest.options.common import add_set_option, number, read_set
from lrmtest.options.gate import add_margin_options, add_one_look_option, read_gate
from lrmtest.reports.plan import plan_view
from lrmtest.runs.looks import LookOptions, first_look
from lrmtest.runs.records import RunRecord
from lrmtest.runs.reference import part_of
from lrmtest.runs.store import STORE_NAME, Store


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "plan", parents=[store], help="how many samples a gate needs, and what they cost"
    )
    parser.add_argument(
        "--baseline",
        required=True,
        metavar="RUN|FILE",
        help="a run (an id, `last`, `last:MODEL`) or a baseline's file; one sample per question "
        "is enough",
    )
    parser.add_argument("--suite", metavar="NAME", help="one of its suites (default: all)")
    add_set_option(parser.add_argument, "only its questions in this set (`lrmtest suites --sets`)")
    parser.add_argument(
        "--tokens-per-second",
        type=number(float, "a number above 0", lambda x: x > 0),
        metavar="R",
        help="measured rate of the engine, for the times",
    )
    parser.add_argument(
        "--variation",
        type=number(float, "a number of at least 0", lambda x: x >= 0),
        metavar="S",
        help="total variation per trace, for whether --read would be enough, and with how many "
        "traces, and what --drafts would save (default: that of the last model that has read the "
        "baseline's)",
    )
    add_margin_options(parser.add_argument)
    add_one_look_option(parser.add_argument)
    add_whole_run_option(parser.add_argument)
    parser.set_defaults(run=_plan)


def _plan(arguments: argparse.Namespace) -> int:
    look = first_look(LookOptions(only=arguments.one_look))
    settings = replace(read_gate(arguments), look=look)
    baseline = named_run(arguments.baseline, arguments)
    if arguments.suite is not None:
        baseline = baseline.only_suite(arguments.suite)
    if (asked := read_set(arguments)) is not None:
        baseline = part_of(baseline, asked)
    metrics, _ = compared_metrics(baseline)
    if arguments.variation is None:
        drafts = _drafts_read(arguments.reports_dir / STORE_NAME, baseline)
    else:
        drafts = drafts_from_variation(arguments.variation)
    needed = plan(
        baseline.outcomes,
        settings,
        tokens_per_second=arguments.tokens_per_second,
        greedy=baseline.manifest.greedy,
        metrics=metrics,
        differ=None if drafts is None else drafts.left.high,
    )
    suites = list(dict.fromkeys(suite for suite, _ in baseline.outcomes))
    name = suites[0] if len(suites) == 1 else ALL_SUITES
    if asked is not None:
        name = f"{name} of set {asked.name}"
    reading = None
    if drafts is not None:
        reading = plan_reading(baseline.outcomes, settings, drafts.variation, metrics)
    greedy = baseline.manifest.greedy
    tables = () if greedy else table_costs(baseline.outcomes, settings, metrics=metrics)
    show(
        plan_view(
            needed,
            baseline.run_id,
            name,
            greedy=greedy,
            reading=reading,
            drafts=drafts,
            tables=tables,
        )
    )
    return 0


def _drafts_read(store: Path, baseline: RunRecord) -> DraftPlan | None:
    """How far the last model that read the baseline's traces is from it.

    None if nobody has, but for the baseline's own model.
    """
    if not store.is_file() or not baseline.run_id:
        return None
    with Store(store, create=False) as opened:
        for head in opened.readings.heads(run_id=baseline.run_id):
            if head.reader == baseline.model:
                continue  # the floor
            found = drafts_from_readings(opened.readings.each(head.reading_id))
            if found is not None:
                return found
    return None
