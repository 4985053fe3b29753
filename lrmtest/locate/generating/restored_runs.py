"""Questions generated again with modules of the variant really restored, and graded.

Each set of modules is a run in a store of its own, which any command reads that is given its
folder as ``--reports-dir``. A completion is in it before the next is waited for, so that whoever is
interrupted goes on. The weights are changed in the model that is at hand, and the engine that
generates is the one that ``--engine transformers`` is.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lrmtest.errors import EngineError, MachineryError
from lrmtest.grading import Verdict, grade
from lrmtest.locate.attribution.restoring import as_it_is, restored
from lrmtest.locate.generating.traced_questions import TracedQuestions
from lrmtest.models.description import describe_model
from lrmtest.models.engines.base import Delivery, Request
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.transformers.engine import TransformersEngine
from lrmtest.models.engines.transformers.stack import Stack
from lrmtest.models.engines.watched import WatchedEngine
from lrmtest.models.hardware import this_machine
from lrmtest.models.known_tags import known_tags
from lrmtest.models.spec import ModelSpec
from lrmtest.runs.baseline_traces import as_asked
from lrmtest.runs.environment import environment
from lrmtest.runs.manifest import EngineSection, Manifest, ModelSection
from lrmtest.runs.records import RunRecord
from lrmtest.runs.run import Run, open_run
from lrmtest.runs.store import STORE_NAME, Store

_LOOK_SECONDS = 1.0
"""So often it is seen to whether the engine is still there."""


def generate_restored(
    variant: ModelSpec,
    parent: ModelSpec,
    engine_options: EngineOptions,
    asked: TracedQuestions,
    stacks: Callable[[], tuple[Stack, Stack]],
    sets: Mapping[str, frozenset[str]],
    folder: Path,
    done: Callable[[int, int], None],
) -> dict[str, RunRecord]:
    """Generate what is not there yet, set by set, and grade it.

    Args:
        variant, parent: the models, their files on disk.
        engine_options: of the engine.
        asked: the questions.
        stacks: gives the variant and its parent, opened where something is to be generated.
        sets: by name, units that are restored together; none for the variant as it is.
        folder: where the store is made.
        done: is told how many completions there are, and how many there are to be.

    Returns:
        The run of each set.

    Raises:
        UsageError: a budget does not fit the model's context.
        ModelError: the parent's tokenizer or chat template cannot be read.
        MachineryError: some could not be generated; what could is kept.
        StoreError: the store cannot be written.
    """
    options = asked.options(engine_options)
    # Only weights are to differ: the parent's tokenizer and template make the prompts, since those
    # of a GGUF file, as transformers reads them, may cut the same text into other tokens.
    spec = replace(variant, location=parent.location)
    spec = replace(spec, reasoning=known_tags(spec, options))
    weights = {
        name: value
        for name, value in describe_model(parent, engine_options).items()
        if name in ("files", "dtype")
    }
    described = {**describe_model(variant, options), "prompts": "parent"}
    found: dict[str, RunRecord] = {}
    each = sum(asked.extent.values())
    total = len(sets) * each
    work = _Work(spec, options, asked, stacks)
    with Store(folder / STORE_NAME) as store:
        for number, (name, modules) in enumerate(sets.items()):
            model = dict(described)
            if modules:
                model["name"] = f"{spec.name}-restored-{name}"
                model["restored"] = {"modules": sorted(modules), "parent": weights}
            run = open_run(store, str(model["name"]), work.manifest(model))
            before = number * each
            work.generate(store, run, modules, partial(_done_after, before, total, done))
            found[name] = store.record(run.head, asked.extent)
    return found


def _done_after(before: int, total: int, done: Callable[[int, int], None], own: int) -> None:
    done(before + own, total)


class _Work:
    """Questions that are asked of one model with changing weights."""

    def __init__(
        self,
        spec: ModelSpec,
        options: EngineOptions,
        asked: TracedQuestions,
        stacks: Callable[[], tuple[Stack, Stack]],
    ) -> None:
        self._spec, self._options = spec, options
        self._asked, self._stacks = asked, stacks

    def manifest(self, model: Mapping[str, Any]) -> Manifest:
        """Of a run of a model that is described so."""
        of_run = self._asked.manifest
        manifest = Manifest(
            model=ModelSection.from_json(model),
            temperature=of_run.temperature,
            top_p=of_run.top_p,
            seed=of_run.seed or 0,
            suites=of_run.suites,
            selection=of_run.selection,
            environment=environment(this_machine().to_json()),
        )
        return as_asked(manifest, self._spec, self._options)

    def generate(
        self, store: Store, run: Run, modules: frozenset[str], done: Callable[[int], None]
    ) -> None:
        """Have all of a run there, graded."""
        requests = self._asked.requests(run.manifest.model.identity)
        self._store_questions(run)
        missing = run.missing([request.key for request in requests], adopt=False)
        left = [request for request in requests if request.key in missing]
        done(len(requests) - len(left))
        if left:
            with ExitStack() as held:
                model = self._restored(modules, held)
                self._run_engine(
                    model, run, left, lambda own: done(len(requests) - len(left) + own)
                )
        self._grade(store, run)
        run.finish()

    def _restored(self, modules: frozenset[str], held: ExitStack) -> Any:
        """The model, with the parent's weights in it until `held` is left."""
        variant, parent = self._stacks()
        model = held.enter_context(variant.whole_at_work())
        for index in range(len(variant.layers)):
            linears, parents = variant.linears(index), parent.linears(index)
            held.enter_context(restored(linears, parents, modules, as_it_is))
        return model

    def _run_engine(
        self, model: Any, run: Run, requests: Sequence[Request], done: Callable[[int], None]
    ) -> None:
        """Generate; each completion is written on the engine's thread as it comes."""
        arrived: queue.SimpleQueue[Delivery | Exception] = queue.SimpleQueue()

        def deliver(delivery: Delivery) -> None:
            try:
                run.arrived([delivery])
            except Exception as error:  # the engine's thread is no place for it
                arrived.put(error)
            else:
                arrived.put(delivery)

        engine = WatchedEngine(TransformersEngine(self._spec, self._options, model))
        failures: list[EngineError] = []
        try:
            info = engine.start(requests, deliver)
            section = EngineSection(info.engine, info.version, info.seeded, info.details)
            run.describe(replace(run.manifest, engine=section))
            engine.submit(requests)
            count = 0
            while count < len(requests):
                with suppress(queue.Empty):
                    one = arrived.get(timeout=_LOOK_SECONDS)
                    if isinstance(one, Exception):
                        raise one
                    count += 1
                    if one.error is not None:
                        failures.append(one.error)
                    done(count - len(failures))
                engine.look()
        finally:
            engine.close()
        if failures:
            raise MachineryError(
                f"{len(failures)} of {len(requests)} completions could not be generated: "
                f"{failures[0].message}",
                hint="the others are kept: repeat the command",
            )

    def _store_questions(self, run: Run) -> None:
        run.add_questions(
            (*key, stored.question, stored.prompt) for key, stored in self._asked.stored.items()
        )

    def _grade(self, store: Store, run: Run) -> None:
        spec, verdicts = self._spec, list[tuple[str, Verdict]]()
        for stored in store.completions(run.run_id):
            if stored.verdict is None and stored.place.question in self._asked.graders:
                verdict = grade(
                    self._asked.question(stored.place.question),
                    stored.completion,
                    spec.reasoning_tags,
                    self._asked.graders[stored.place.question],
                    opened=spec.opened_by_prompt,
                )
                verdicts.append((stored.place.key, verdict))
        store.set_verdicts(run.run_id, verdicts)
