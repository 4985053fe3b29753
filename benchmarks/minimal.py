"""The search for the smallest failing question, many questions at a time against one at a time.

    python benchmarks/minimal.py --model NAME [--against NAME] [--family hops] [--seeds 3]

NAME is what `pytest --model` takes: a card, a folder, a .gguf file or a URL. Three ways find a
generated question that the model fails, and passes with the other one if there is one, and make
it as small as they can, at temperature 0:

(a) hypothesis alone: `hypothesis.find` on the family's strategy, one question at a time;
(b) lrmtest's search, one question at a time;
(c) lrmtest's search in rounds of --concurrency questions.

Each way starts from nothing, on engines started anew, whose start is not counted. No way asks a
question twice, and none asks for more than --generations completions. --seeds repeats all of it
with other draws. Sizes are draws and their sum; the smaller, the simpler the question.
"""

from __future__ import annotations

import argparse
import queue
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from random import Random

import hypothesis
from rich.console import Console
from rich.table import Table

from lrmtest.grading import grade
from lrmtest.models.cards import load_cards
from lrmtest.models.engines.base import Delivery, Message, Request, Sampling
from lrmtest.models.engines.kinds import create_engine, engine_names, kind_of
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.fetch.files import fetch
from lrmtest.models.resolve import resolve
from lrmtest.models.spec import ModelSpec
from lrmtest.questions import Question, render_prompt
from lrmtest.questions.fresh import DIFFICULTIES, FAMILIES
from lrmtest.questions.fresh.search import Search
from lrmtest.questions.fresh.space import DrawnQuestion, Space
from lrmtest.questions.fresh.strategies import drawn_questions
from lrmtest.questions.place import Place
from lrmtest.suites import suite_named


class Spent(BaseException):
    """No more completions are allowed; hypothesis lets it pass."""


class AskedModel:
    """A model that is asked for greedy completions, on an engine of its own."""

    def __init__(self, spec: ModelSpec, options: argparse.Namespace, space: Space) -> None:
        self._tags = spec.card.reasoning_tags
        self._system = spec.card.system_prompt
        self._budget = options.max_tokens
        self._suite = suite_named(space.suite)
        self._arrived: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self.completions = 0
        self.tokens = 0
        self._engine = create_engine(spec, EngineOptions(concurrency=options.concurrency))
        planned = [space.seeded(0, index).question for index in range(options.concurrency)]
        self._engine.start([self._request(question) for question in planned], self._arrived.put)

    def close(self) -> None:
        """Stop its engine."""
        self._engine.close()

    def passes(self, questions: Sequence[Question]) -> dict[str, bool]:
        """By id, whether each is answered rightly; all are in flight together."""
        by_key = {question.id: question for question in questions}
        self._engine.submit([self._request(question) for question in questions])
        found = {}
        for _ in questions:
            outcome = self._arrived.get()
            if outcome.completion is None:
                sys.exit(f"the engine failed: {outcome.error}")
            self.completions += 1
            self.tokens += outcome.completion.completion_tokens
            question = by_key[outcome.request.key]
            found[question.id] = grade(question, outcome.completion, self._tags).correct
        return found

    def _request(self, question: Question) -> Request:
        system = () if self._system is None else (Message("system", self._system),)
        user = Message("user", render_prompt(self._suite.prompt, question))
        sampling = Sampling(self._budget, 0.0, 1.0)
        return Request(Place(question.id, "", question.id, 0), (*system, user), sampling, seed=0)


@dataclass
class Found:
    """What one way came to."""

    completions: int = 0
    tokens: int = 0
    rounds: int = 0
    seconds: float = 0.0
    finished: bool = True
    failing: list[DrawnQuestion] = field(default_factory=list)

    @property
    def first(self) -> DrawnQuestion | None:
        """The first question that was seen to fail."""
        return self.failing[0] if self.failing else None

    @property
    def smallest(self) -> DrawnQuestion | None:
        """The smallest that fails."""
        return min(self.failing, key=lambda drawn: drawn.size, default=None)


class Models:
    """The model under test and the one that it is searched against."""

    def __init__(self, models: Sequence[AskedModel], generations: int) -> None:
        self._models = models
        self._generations = generations
        self._known: dict[str, bool] = {}
        self.found = Found()

    @property
    def completions(self) -> int:
        """Completions asked for, of both."""
        return sum(model.completions for model in self._models)

    @property
    def room(self) -> int:
        """How many more questions may be asked."""
        return max(0, (self._generations - self.completions) // len(self._models))

    def fails(self, drawn: Sequence[DrawnQuestion]) -> list[bool]:
        """Whether each question fails here and passes with the other model."""
        model, *others = self._models
        asked = [one.question for one in drawn if one.question.id not in self._known]
        if len(asked) > self.room:
            raise Spent
        self.found.rounds += bool(asked)
        for name, passed in model.passes(asked).items() if asked else ():
            self._known[name] = not passed
        for other in others:
            suspects = [question for question in asked if self._known[question.id]]
            self._known |= other.passes(suspects) if suspects else {}
        verdicts = [self._known[one.question.id] for one in drawn]
        self.found.failing += [one for one, failed in zip(drawn, verdicts, strict=True) if failed]
        return verdicts


def hypothesis_alone(models: Models, space: Space, options: argparse.Namespace, seed: int) -> None:
    """(a) hypothesis's own search and shrinker, as anybody would use them."""
    settings = hypothesis.settings(
        max_examples=options.generations,
        deadline=None,
        database=None,
        verbosity=hypothesis.Verbosity.quiet,
    )
    with suppress(hypothesis.errors.NoSuchExample):
        hypothesis.find(
            drawn_questions(space),
            lambda drawn: models.fails([drawn])[0],
            settings=settings,
            random=Random(seed),
        )


def in_rounds_of(at_once: int) -> Callable[[Models, Space, argparse.Namespace, int], None]:
    """(b) and (c) lrmtest's search."""

    def search(models: Models, space: Space, options: argparse.Namespace, seed: int) -> None:
        findings = Search(
            space, models.fails, room=lambda: models.room, at_once=at_once, seed=seed
        ).run()
        models.found.finished = findings.finished

    return search


@contextmanager
def started(
    specs: Sequence[ModelSpec], options: argparse.Namespace, space: Space
) -> Iterator[list[AskedModel]]:
    """The models, each on an engine that has seen nothing yet."""
    models: list[AskedModel] = []
    try:
        for spec in specs:
            models.append(AskedModel(spec, options, space))
        yield models
    finally:
        for model in models:
            model.close()


def run(
    way: Callable[[Models, Space, argparse.Namespace, int], None],
    specs: Sequence[ModelSpec],
    options: argparse.Namespace,
    space: Space,
    seed: int,
) -> Found:
    """One way, timed from its first question to its result."""
    with started(specs, options, space) as asked:
        models = Models(asked, options.generations)
        begun = time.perf_counter()
        try:
            way(models, space, options, seed)
        except Spent:
            models.found.finished = False
        models.found.seconds = time.perf_counter() - begun
        models.found.completions = models.completions
        models.found.tokens = sum(model.tokens for model in asked)
    return models.found


def spec_of(given: str, engine: str | None) -> ModelSpec:
    spec = resolve(given, load_cards(), engine=engine)
    return replace(spec, location=str(fetch(spec))) if kind_of(spec).has_files else spec


def size(drawn: DrawnQuestion | None) -> str:
    return "none" if drawn is None else f"{len(drawn.draws)}, {sum(drawn.draws)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", required=True, metavar="NAME")
    parser.add_argument("--against", metavar="NAME")
    parser.add_argument("--engine", choices=engine_names())
    parser.add_argument("--family", choices=list(FAMILIES), default="hops")
    parser.add_argument("--difficulty", type=int, choices=DIFFICULTIES, default=1)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--generations", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    # As Ctrl-C does: servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    given = [options.model, *([options.against] if options.against else [])]
    specs = [spec_of(name, options.engine) for name in given]
    space = Space(f"fresh-{options.family}", FAMILIES[options.family], options.difficulty)
    ways = {
        "(a) hypothesis alone": hypothesis_alone,
        "(b) search, one at a time": in_rounds_of(1),
        f"(c) search, rounds of {options.concurrency}": in_rounds_of(options.concurrency),
    }
    table = Table(title=f"{' against '.join(spec.name for spec in specs)}, {space.suite}")
    for column in (
        "seed",
        "way",
        "seconds",
        "rounds",
        "completions",
        "tokens",
        "first",
        "smallest",
    ):
        table.add_column(column, justify="left" if column == "way" else "right")
    seconds: dict[str, list[float]] = {label: [] for label in ways}
    for seed in range(options.seeds):
        for label, way in ways.items():
            found = run(way, specs, options, space, seed)
            seconds[label].append(found.seconds)
            smallest = size(found.smallest) + ("" if found.finished else ", unfinished")
            table.add_row(
                *(str(seed), label, f"{found.seconds:.1f}", str(found.rounds)),
                *(str(found.completions), str(found.tokens)),
                *(size(found.first), smallest),
            )
            print(f"seed {seed}, {label}: {found.seconds:.1f} s", file=sys.stderr, flush=True)
            if found.smallest is not None:
                print(f"  {found.smallest.question.material}", file=sys.stderr, flush=True)
    console = Console(width=110)
    console.print(table)
    alone, one, many = (statistics.median(times) for times in seconds.values())
    console.print(f"median seconds: (a) / (c) {alone / many:.1f}, (b) / (c) {one / many:.1f}")


if __name__ == "__main__":
    main()
