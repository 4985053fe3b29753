"""`lrmtest noise`: measure an engine's own noise, what two greedy runs of one model differ in."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from lrmtest.analysis.noise import Repeated, measure
from lrmtest.cli.output import complain, show
from lrmtest.cli.session import add_asked_options, asked_words, run_session, split_words
from lrmtest.counted import counted
from lrmtest.errors import LrmtestError, UsageError
from lrmtest.models.engines.kinds import can_generate
from lrmtest.models.resolve import resolve
from lrmtest.options.common import add_model_options, at_least_1, number, read_cards
from lrmtest.reports.noise import noise_view
from lrmtest.runs.manifest import NoiseSection
from lrmtest.runs.noise import NOISE_NAME, add_noise
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.records import RunRecord
from lrmtest.runs.store import STORE_NAME, Store, utc_now

_FOLDER = "noise"
"""Of the reports folder, where the repeats are kept, out of the way of other runs."""


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "noise",
        parents=[store],
        help="measure what two greedy runs of one model differ in: the engine's own noise",
        description="Runs suites at temperature 0 again and again, each time with half as many "
        "completions at once and in another order, and compares text by text. What it finds is "
        f"kept in {NOISE_NAME} of the reports folder; runs at temperature 0 with the same model, "
        "files and engine settings carry it in their manifest.",
    )
    parser.add_argument("model", metavar="NAME", help="as for pytest's --model")
    add_asked_options(parser.add_argument)
    parser.add_argument(
        "--limit",
        type=at_least_1,
        default=50,
        metavar="N",
        help="most questions of each test (default: %(default)s)",
    )
    parser.add_argument(
        "--repeats",
        type=number(int, "an integer of at least 2", lambda n: n >= 2),
        default=2,
        metavar="N",
        help="how often each is asked (default: %(default)s)",
    )
    parser.add_argument(
        "--concurrency",
        type=at_least_1,
        default=8,
        metavar="N",
        help="completions at once in the first repeat; each further has half (default: 8)",
    )
    add_model_options(parser.add_argument)
    parser.add_argument(
        "--pytest",
        action="append",
        default=[],
        metavar="WORDS",
        help="further options for pytest, the same as of the runs to come, such as "
        "--pytest='--max-tokens 2048'; repeat it",
    )
    parser.set_defaults(run=_noise)


def _noise(arguments: argparse.Namespace) -> int:
    cards = read_cards(arguments)
    spec = resolve(arguments.model, cards, engine=arguments.engine)
    if not can_generate(spec.engine):
        raise UsageError(
            f"{spec.name} is of recorded outputs: there is no engine to measure",
            hint="name the model that made them",
        )
    asked = asked_words(arguments)
    more = [word for text in arguments.pytest for word in split_words(text)]
    if arguments.engine is not None:
        more += ["--engine", arguments.engine]
    folder = arguments.reports_dir / _FOLDER
    at_once = [max(1, arguments.concurrency >> repeat) for repeat in range(arguments.repeats)]
    runs = []
    for repeat, concurrency in enumerate(at_once, start=1):
        complain(f"repeat {repeat} of {arguments.repeats}: {concurrency} at once")
        greedy = ["--temperature", "0", "--samples", "1", "--limit", str(arguments.limit)]
        greedy += ["--concurrency", str(concurrency), "--regenerate"]
        runs.append(
            run_session(arguments.model, asked, [*more, *greedy], folder, arguments.cards, cards)
        )
    with Store(folder / STORE_NAME, create=False) as store:
        records = [store.record(store.run(run.run_id), run.extent) for run in runs]
        noise, left_out = _measured(store, records)
    manifest = records[0].manifest
    noise = replace(
        noise,
        concurrency=tuple(map(str, at_once)),
        suites=tuple(manifest.suites),
        max_tokens=max((suite.max_tokens or 0 for suite in manifest.suites.values()), default=0),
        engine_version=manifest.engine.version,
        created=utc_now(),
    )
    path = arguments.reports_dir / NOISE_NAME
    add_noise(path, manifest.model, noise)
    show(noise_view(noise, records[0].model, path))
    if left_out:
        complain(f"{counted(left_out, 'question')} left out: a repeat ended in an engine error")
    return 0


def _measured(store: Store, runs: Sequence[RunRecord]) -> tuple[NoiseSection, int]:
    """The noise, and how many questions were left out because a repeat is missing.

    Raises:
        LrmtestError: the repeats are of different models, or have no question in common.
    """
    if len({run.manifest.model.generator for run in runs}) > 1:
        raise LrmtestError(
            f"the model of {runs[0].model} changed between the repeats",
            hint="its files or its endpoint were replaced; measure again",
        )
    outcomes = [run.outcomes for run in runs]
    asked = list(dict.fromkeys(key for each in outcomes for key in each))
    common = [key for key in asked if all(key in each and each[key].count for each in outcomes)]
    if not common:
        raise LrmtestError(
            "no question was answered in every repeat", hint="see above for what the engine said"
        )
    return measure(_repeats(store, runs, common)), len(asked) - len(common)


def _repeats(
    store: Store, runs: Sequence[RunRecord], keys: Sequence[QuestionKey]
) -> Iterator[list[Repeated]]:
    """Every question's repeats, one question's texts at a time."""
    places = [
        {sample.place.question: sample.place for sample in run.samples if sample.outcome}
        for run in runs
    ]
    for key in keys:
        repeats = []
        for run, of_run in zip(runs, places, strict=True):
            stored = store.completion(run.run_id, of_run[key].key)
            assert stored is not None
            (outcome,) = run.outcomes[key].samples.values()
            repeats.append(Repeated(stored.completion.text, outcome.failure))
        yield repeats
