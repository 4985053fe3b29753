"""A run's engine: started on first use, measured, tested before a long run, and described."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from lrmtest.errors import LrmtestError
from lrmtest.models.engines.base import Delivery, Engine, EngineInfo, Progress, Request
from lrmtest.models.engines.kinds import create_engine, kind_of
from lrmtest.models.engines.pool import EnginePool, pinned
from lrmtest.models.engines.tokenizers.counter import load_counter
from lrmtest.models.engines.watched import WatchedEngine
from lrmtest.models.hardware import this_machine
from lrmtest.models.spec import ModelSpec
from lrmtest.options.settings import Settings
from lrmtest.plugin.generation import selftest
from lrmtest.progress import Tell
from lrmtest.runs.manifest import EngineSection, SelfTestSection
from lrmtest.runs.run import Run


class RunEngine:
    """What generates a run's completions; it can be started again after `close`.

    Args:
        spec: the model, its files on disk.
        settings: what the user asked for.
        run: its manifest is told of the engine and of the self-test.
        deliver: called with every delivery but the self-test's, on the engine's thread.
        say: prints one line for the user, for slow steps.

    Attributes:
        failure: why it could not be started; it is not tried twice.
        startup_seconds: how long its last start took, in seconds.
    """

    def __init__(
        self,
        spec: ModelSpec,
        settings: Settings,
        run: Run,
        deliver: Callable[[Delivery], None],
        say: Tell,
    ) -> None:
        self._spec = spec
        self._settings = settings
        self._run = run
        self._deliver_to_run = deliver
        self._say = say
        self._engine: WatchedEngine | None = None
        self._probed: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.failure: LrmtestError | None = None
        self.startup_seconds = 0.0

    def started(self, planned: Sequence[Request]) -> Engine:
        """The engine, started on first use.

        Args:
            planned: what it is started for; many requests are worth a self-test.

        Raises:
            LrmtestError: it cannot be started, or could not be before.
        """
        if self.failure is not None:
            raise self.failure
        if self._engine is None:
            begun = time.monotonic()
            engine = WatchedEngine(self._made())
            self._say(f"{self._spec.name}: starting the {self._spec.engine} engine")
            try:
                info = engine.start(planned, self._deliver)
            except BaseException as error:
                engine.close()
                if isinstance(error, LrmtestError):
                    self.failure = error
                raise
            self._engine = engine
            self.startup_seconds = time.monotonic() - begun
            described = EngineSection(
                engine=info.engine,
                version=info.version,
                seeded=info.seeded,
                details=info.details,
            )
            self._run.describe(replace(self._run.manifest, engine=described))
            if len(planned) >= selftest.LONG_RUN_SAMPLES and kind_of(self._spec).generates:
                self._test(engine, info, planned[0])
        return self._engine

    @property
    def progress(self) -> Progress:
        """The engine's live counters."""
        return self._engine.progress if self._engine is not None else Progress()

    def look(self) -> None:
        """See whether it still can do what it was asked; if not, its requests become errors."""
        if (engine := self._engine) is not None:
            engine.look()

    def say_what_was_told(self) -> None:
        """Print what the engine has told since it runs."""
        while not self._told.empty():
            self._say(self._told.get())

    def close(self) -> None:
        """Stop it, if it runs."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
            self.say_what_was_told()

    def _made(self) -> Engine:
        options = replace(self._settings.engine_options, tell=self._tell)
        engines = self._settings.engines
        if engines == 1:
            return create_engine(self._spec, options)
        gpus = len(this_machine().gpus)
        return EnginePool(
            [partial(create_engine, self._spec, each) for each in pinned(options, engines, gpus)]
        )

    def _deliver(self, delivery: Delivery) -> None:
        if delivery.request.key.startswith(selftest.KEY_PREFIX):
            self._probed.put(delivery)
        else:
            self._deliver_to_run(delivery)

    def _test(self, engine: WatchedEngine, info: EngineInfo, like: Request) -> None:
        """Generate a few short completions, check them, and tell what is odd."""
        probes = selftest.probes(like)
        engine.submit(probes)
        arrived: dict[str, Delivery] = {}
        while len(arrived) < len(probes):
            engine.look()
            with suppress(queue.Empty):
                delivery = self._probed.get(timeout=1.0)
                arrived[delivery.request.key] = delivery
        tokenizer = self._settings.engine_options.tokenizer
        found = selftest.findings(
            [arrived[probe.key] for probe in probes],
            info,
            self._spec.card.reasoning_tags,
            load_counter(tokenizer) if tokenizer else None,
        )
        self._run.describe(replace(self._run.manifest, self_test=SelfTestSection.from_json(found)))
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
