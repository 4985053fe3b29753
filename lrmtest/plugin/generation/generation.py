"""One model's generation: its run, its engine, and what has arrived.

The engine's thread writes each completion to the store and then puts its key on a queue, so
whoever hears of a completion can read it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from lrmtest.errors import EngineError, LrmtestError
from lrmtest.models.engines import create_engine
from lrmtest.models.engines.base import Delivery, Engine, EngineInfo, Progress, Request
from lrmtest.models.engines.pool import EnginePool, pinned
from lrmtest.models.engines.tokenizers.counter import load_counter
from lrmtest.models.hardware import known_sizes, this_machine
from lrmtest.models.spec import ModelSpec
from lrmtest.options.settings import Settings
from lrmtest.plugin.generation import selftest
from lrmtest.plugin.generation.order import longest_first
from lrmtest.plugin.generation.protocol import AskedQuestion, GenerationPlan, Status, Watcher
from lrmtest.runs.environment import environment
from lrmtest.runs.manifest import EngineSection, SelfTestSection, SizeSection
from lrmtest.runs.records import RunHead, RunTiming
from lrmtest.runs.run import Run, open_run
from lrmtest.runs.store import Store


class Generation:
    """The generation of one model in this process.

    Args:
        settings: what the user asked for.
        store: where completions go.
        say: prints one line for the user, for slow steps.
    """

    def __init__(self, settings: Settings, store: Store, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._store = store
        self._say = say
        self._spec: ModelSpec | None = None
        self._run: Run | None = None
        self._watcher: Watcher | None = None
        self._engine: Engine | None = None
        self._failure: LrmtestError | None = None
        # Held while requests go to an engine, which must not be closed meanwhile.
        self._submitting = threading.RLock()
        # Guards everything below: the engine's thread, the run loop and xdist's workers meet here.
        self._changed = threading.Condition()
        self._errors: dict[str, EngineError] = {}
        self._fresh: set[str] = set()
        self._planned: set[str] = set()
        self._outstanding: dict[str, Request] = {}
        self._dropped: set[str] = set()
        self._planned_out = 0
        self._arrivals: queue.SimpleQueue[str | LrmtestError] = queue.SimpleQueue()
        self._probed: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._submitted_at = 0.0
        self._last_arrival_at = 0.0
        self._startup_seconds = 0.0
        self._generated_tokens = 0

    def begin(self, plan: GenerationPlan, watcher: Watcher | None = None) -> None:
        """Open the run and submit what the store lacks; the engine starts only if it must.

        Args:
            plan: what to generate.
            watcher: orders the requests and may end their generation early.

        Raises:
            UsageError: a setting that the model cannot meet.
            ModelError: the model cannot be started.
            StoreError: the store cannot be written.
        """
        self._spec = plan.spec
        self._watcher = watcher
        self._run = open_run(
            self._store,
            plan.spec.name,
            replace(plan.manifest, environment=environment(this_machine().to_json())),
            fresh=self._settings.fresh_run,
        )
        if sizes := known_sizes(plan.spec.card, plan.spec.engine):
            self._run.describe(replace(self._run.manifest, size=SizeSection.from_json(sizes)))
        self._planned = {request.key for request in plan.requests}
        missing = self._missing(plan.requests, plan.questions)
        stored = self._planned - missing
        if any(self._not_needed_after(key) for key in stored):
            self._drop(missing)
        else:
            self._submit([request for request in plan.requests if request.key in missing])
        for key in stored:
            self._arrivals.put(key)

    def _missing(self, requests: Sequence[Request], questions: Iterable[AskedQuestion]) -> set[str]:
        """The keys of those requests that the store does not have."""
        self._the_run.add_questions(questions)
        return self._the_run.missing(
            [request.key for request in requests], adopt=not self._settings.fresh_run
        )

    def _submit(self, wanted: Sequence[Request]) -> None:
        """Submit those requests that the engine does not work on already."""
        if not wanted:
            return
        with self._submitting:
            engine = self._started_engine(wanted)
            with self._changed:
                wanted = [request for request in wanted if request.key not in self._outstanding]
                keys = {request.key for request in wanted}
                self._outstanding |= {request.key: request for request in wanted}
                self._fresh |= keys
                self._planned_out += len(keys & self._planned)
                for key in keys:
                    self._errors.pop(key, None)
            self._submitted_at = self._submitted_at or time.monotonic()
            if self._watcher is not None:
                engine.submit(self._watcher.in_order(wanted))
            else:
                expected = self._store.expected_tokens(self.head.model)
                engine.submit(longest_first(wanted, expected))

    def _not_needed_after(self, key: str) -> bool:
        """Tell the watcher of a sample; whether no more are needed."""
        if self._watcher is None:
            return False
        stored = self._store.completion(self.run_id, key)
        return self._watcher.arrived(key, None if stored is None else stored.completion)

    def _stop(self) -> None:
        """Stop generating what was planned; a test may wait for what was not."""
        with self._submitting:
            self.close()
            with self._changed:
                planned = self._planned.intersection(self._outstanding)
                for key in planned:
                    del self._outstanding[key]
                others = list(self._outstanding.values())
            self._drop(planned)
            if others:
                self._started_engine(others).submit(others)

    def _drop(self, keys: set[str]) -> None:
        """Let nobody wait for planned samples that are not generated any more."""
        with self._changed:
            self._dropped |= keys
        for key in keys:
            self._arrivals.put(key)

    def _started_engine(self, planned: Sequence[Request]) -> Engine:
        """The engine, started on first use; a start that failed fails again at once."""
        if self._failure is not None:
            raise self._failure
        if self._engine is None:
            spec = self._spec
            assert spec is not None
            begun = time.monotonic()
            engine = self._make_engine(spec)
            self._say(f"{spec.name}: starting the {spec.engine} engine")
            try:
                info = engine.start(planned, self._deliver)
            except BaseException as error:
                engine.close()
                if isinstance(error, LrmtestError):
                    self._failure = error
                raise
            self._engine = engine
            self._startup_seconds = time.monotonic() - begun
            described = EngineSection(
                engine=info.engine,
                version=info.version,
                seeded=info.seeded,
                details=info.details,
            )
            self._the_run.describe(replace(self.head.manifest, engine=described))
            if len(planned) >= selftest.LONG_RUN_SAMPLES and spec.engine != "recorded":
                self._self_test(engine, info, planned[0])
        return self._engine

    def _make_engine(self, spec: ModelSpec) -> Engine:
        options = replace(self._settings.engine_options, tell=self._tell)
        engines = self._settings.engines
        if engines == 1:
            return create_engine(spec, options)
        gpus = len(this_machine().gpus)
        return EnginePool(
            [partial(create_engine, spec, each) for each in pinned(options, engines, gpus)]
        )

    def _self_test(self, engine: Engine, info: EngineInfo, like: Request) -> None:
        """Generate a few short completions, check them, and tell what is odd."""
        assert self._spec is not None
        probes = selftest.probes(like)
        engine.submit(probes)
        arrived: dict[str, Delivery] = {}
        while len(arrived) < len(probes):
            outcome = self._probed.get()
            arrived[outcome.request.key] = outcome
        tokenizer = self._settings.engine_options.tokenizer
        found = selftest.findings(
            [arrived[probe.key] for probe in probes],
            info,
            self._spec.card.reasoning_tags,
            load_counter(tokenizer) if tokenizer else None,
        )
        self._the_run.describe(
            replace(self.head.manifest, self_test=SelfTestSection.from_json(found))
        )
        for warning in found["warnings"]:
            self._say(f"{self._spec.name}: {warning}")

    def _tell(self, line: str) -> None:
        """What the engine tells: said at once while it starts, else by whoever waits for it.

        Once it runs, it tells on a thread of its own, which must not print between tests.
        """
        if self._engine is None:
            self._say(line)
        else:
            self._told.put(line)

    def _say_what_was_told(self) -> None:
        while not self._told.empty():
            self._say(self._told.get())

    def _deliver(self, delivery: Delivery) -> None:
        """On the engine's thread: store first, then tell."""
        request, completion, error = delivery.request, delivery.completion, delivery.error
        if request.key.startswith(selftest.KEY_PREFIX):
            self._probed.put(delivery)
            return
        try:
            if completion is not None:
                self._the_run.completion_arrived(request.place, completion)
            elif error is not None:
                self._the_run.error_arrived(request.place, error)
        except LrmtestError as failure:
            # The store cannot be written: whoever waits must know, for nothing is safe any more.
            self._arrivals.put(failure)
            with self._changed:
                self._failure = failure
                self._changed.notify_all()
            return
        with self._changed:
            if completion is not None:
                self._generated_tokens += completion.completion_tokens
                self._last_arrival_at = time.monotonic()
            elif error is not None:
                self._errors[request.key] = error
            if request.key in self._dropped:
                return
            self._outstanding.pop(request.key, None)
            self._planned_out -= request.key in self._planned
            self._changed.notify_all()
        if request.key in self._planned:
            self._arrivals.put(request.key)

    def next_arrival(self, timeout: float) -> str | None:
        """The key of the next planned sample that is there or failed; None after `timeout` s.

        Each planned key is told once.

        Raises:
            StoreError: a completion could not be stored.
        """
        self._say_what_was_told()
        try:
            arrival = self._arrivals.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(arrival, LrmtestError):
            raise arrival
        # What was stored before has been watched before anything was submitted.
        watched = arrival in self._fresh and not self._dropped
        if watched and self._not_needed_after(arrival):
            self._stop()
        return arrival

    # What tests ask for

    @property
    def run_id(self) -> str:
        """The run's id in the store."""
        return self._the_run.run_id

    def status_of(self, keys: Sequence[str]) -> Status:
        """What is known of `keys`, none of which is still being generated."""
        with self._changed:
            return Status(
                errors={key: self._errors[key] for key in keys if key in self._errors},
                fresh=frozenset(self._fresh.intersection(keys)),
                dropped=frozenset(self._dropped.intersection(keys)),
            )

    def generate_now(
        self, requests: Sequence[Request], questions: Sequence[AskedQuestion]
    ) -> Status:
        """Generate what the store lacks of `requests`; returns when all is there or failed.

        Raises:
            ModelError: the engine cannot be started.
            StoreError: a completion could not be stored.
        """
        out = self._missing(requests, questions)
        self._submit([request for request in requests if request.key in out])
        with self._changed:
            # Woken at times without need, so that Ctrl-C is heard.
            while not out.isdisjoint(self._outstanding) and self._failure is None:
                self._changed.wait(1.0)
        if self._failure is not None:
            raise self._failure
        return self.status_of([request.key for request in requests])

    # Looking at it

    @property
    def head(self) -> RunHead:
        """The run, as it is in the store."""
        return self._the_run.head

    @property
    def progress(self) -> Progress:
        """The engine's live counters."""
        return self._engine.progress if self._engine is not None else Progress()

    @property
    def samples_planned(self) -> int:
        """Samples of all planned questions."""
        return len(self._planned)

    @property
    def samples_done(self) -> int:
        """Planned samples that have a completion or an engine error."""
        return len(self._planned) - self._planned_out

    @property
    def samples_fresh(self) -> int:
        """Samples that the store did not have."""
        return len(self._fresh)

    @property
    def complete(self) -> bool:
        """Whether every planned sample has its completion."""
        with self._changed:
            return not self._outstanding and not self._errors and not self._dropped

    @property
    def dropped(self) -> frozenset[str]:
        """Keys of planned samples that were not generated, because they were not needed."""
        with self._changed:
            return frozenset(self._dropped)

    def timing(self) -> RunTiming:
        """How long generation took so far; nothing for recorded outputs, which were only read."""
        if self._spec is not None and self._spec.engine == "recorded":
            return RunTiming()
        wall = max(0.0, self._last_arrival_at - self._submitted_at) if self._submitted_at else 0.0
        return RunTiming(wall, self._startup_seconds, self._generated_tokens)

    @property
    def begun(self) -> bool:
        """Whether its run is open."""
        return self._run is not None

    def finish(self) -> None:
        """Note in the store that everything planned is there, if it is."""
        if self.complete:
            self._the_run.finish()

    def close(self) -> None:
        """Stop the engine. What had arrived is in the store."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
            self._say_what_was_told()

    @property
    def _the_run(self) -> Run:
        assert self._run is not None, "begin() comes first"
        return self._run
