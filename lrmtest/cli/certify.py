"""`lrmtest certify`: a gate's ok from reading a baseline's traces, without generating a token."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lrmtest.analysis.run_certificate import certify_run, out_of_reach
from lrmtest.cli.named_run import add_whole_run_option, named_run
from lrmtest.cli.output import complain, say, show
from lrmtest.cli.reading_models import (
    notes_on_tokens,
    parent_model,
    read_shown,
    reading_model,
)
from lrmtest.errors import UsageError
from lrmtest.options.common import add_model_options, add_set_option, read_cards, read_set
from lrmtest.options.engine import add_reader_options, read_reader_options
from lrmtest.options.exit_codes import OK, UNDECIDED
from lrmtest.options.gate import add_margin_options, add_unknown_ends_option, read_gate
from lrmtest.reports.certificate import certificate_document, certificate_view
from lrmtest.runs.baseline_traces import as_asked, baseline_traces
from lrmtest.runs.files import write_whole
from lrmtest.runs.looks import READING_SHARE
from lrmtest.runs.records import RunRecord
from lrmtest.runs.reference import part_of
from lrmtest.runs.store import STORE_NAME, Store


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "certify",
        parents=[store],
        help="whether reading a baseline's traces is enough to say that a model is no worse",
        description="Reads the baseline's traces with MODEL, which generates nothing, and bounds "
        "every drop that a gate would ask about. Ends with 0 where all are excluded, with 10 where "
        "reading cannot settle it: it never says that a model is worse.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="the candidate, as for pytest's --model")
    add(
        "--baseline",
        required=True,
        metavar="RUN|FILE",
        help="a run (an id, `last`, `last:MODEL`) or a baseline's file",
    )
    add(
        "--traces",
        metavar="RUN|FILE",
        help="the baseline's traces (default: the run's own, or those beside its file)",
    )
    add(
        "--parent",
        metavar="MODEL",
        help="the model that wrote the traces, to read them too: where they do not tell how "
        "probable their tokens were, and for exact total variations on transformers",
    )
    add("--suite", metavar="NAME", help="one of its suites (default: all)")
    add_set_option(add, "only its questions in this set (`lrmtest suites --sets`)")
    add("--json", type=Path, metavar="FILE", help="write all figures as JSON")
    add_model_options(add)
    add_reader_options(add)
    add_margin_options(add)
    add_unknown_ends_option(add)
    add_whole_run_option(add)
    parser.set_defaults(run=_certify)


def _certify(arguments: argparse.Namespace) -> int:
    gate = read_gate(arguments)
    cards = read_cards(arguments)
    options = replace(read_reader_options(arguments), tell=complain)
    baseline = _baseline(arguments)
    asked = [key for key, question in baseline.outcomes.items() if question.count]
    traces = baseline_traces(
        baseline,
        arguments.baseline,
        arguments.reports_dir / STORE_NAME,
        asked,
        arguments.traces,
        reread=arguments.parent is not None,
    )
    reader = reading_model(arguments.model, cards, arguments.engine, options)
    parent = None
    if arguments.parent is not None:
        parent = parent_model(arguments.parent, cards, reader, options)
    certify = partial(
        certify_run,
        baseline,
        as_asked(baseline.manifest, reader.spec, options),
        asked,
        settings=gate,
        level=(level := (1 - gate.power) * READING_SHARE),
        recipe=reader.spec.card.compression.recipe,
    )
    reading = None
    if hopeless := out_of_reach(baseline, asked, traces.ended, gate, level=level):
        certificate = certify(readings=(), ended={}, hopeless=hopeless)
    else:
        for line in notes_on_tokens(reader, parent, traces, cards):
            complain(line)
        with Store(arguments.reports_dir / STORE_NAME, tell=complain) as store:
            done = read_shown(store, traces, reader, parent, only_same_prompts=True)
            reading = done.reading.reading_id
            certificate = certify(
                readings=store.readings.each(reading), ended=traces.ended, prompts=done.prompts
            )
    heading = f"{reader.spec.name} reads the traces of {baseline.model} ({baseline.run_id})"
    show(certificate_view(certificate, heading), crop=False)
    if arguments.json is not None:
        document = {
            "model": reader.spec.name,
            "baseline": {"run_id": baseline.run_id, "model": baseline.model},
            "reading": reading,
            "certificate": certificate_document(certificate),
        }
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        write_whole(arguments.json, text, what="the certificate")
        say(f"written: {arguments.json}")
    return OK if certificate.certified else UNDECIDED


def _baseline(arguments: argparse.Namespace) -> RunRecord:
    """The baseline, as far as it is asked for."""
    baseline = named_run(arguments.baseline, arguments)
    if arguments.suite is not None:
        baseline = baseline.only_suite(arguments.suite)
    if (asked := read_set(arguments)) is not None:
        baseline = part_of(baseline, asked)
    if not any(question.count for question in baseline.outcomes.values()):
        raise UsageError(
            f"{arguments.baseline} has no verdict",
            hint="a baseline whose completions were graded is what a candidate is compared with",
        )
    return baseline
