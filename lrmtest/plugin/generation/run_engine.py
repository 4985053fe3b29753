"""A run's engine: started on first use, measured, tested before a long run, and described."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from lrmtest.errors import LrmtestError, MachineryError
from lrmtest.masking import masked_values
from lrmtest.models.engines.base import (
    Delivery,
    Engine,
    EngineInfo,
    Progress,
    ReplicaState,
    Request,
)
from lrmtest.models.engines.kinds import create_engine, kind_of
from lrmtest.models.engines.pool import EnginePool, pinned
from lrmtest.models.engines.token_counts import ESTIMATED, TOTALS
from lrmtest.models.engines.tokenizers.counter import load_counter
from lrmtest.models.engines.watched import WatchedEngine
from lrmtest.models.hardware import this_machine
from lrmtest.models.request_fields import LEFT_OUT
from lrmtest.models.spec import ModelSpec
from lrmtest.options.settings import Settings
from lrmtest.plugin.generation import selftest
from lrmtest.plugin.generation.same_model import difference_now
from lrmtest.progress import Tell
from lrmtest.runs.adapted import ADAPTED, REPLICAS
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
        self._starting: WatchedEngine | None = None
        self._probed: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._noted: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()
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
            engine = self._starting = WatchedEngine(self._made())
            self._say(f"{self._spec.name}: starting the {self._spec.engine} engine")
            try:
                info = engine.start(planned, self._deliver)
            except BaseException as error:
                engine.close()
                if isinstance(error, LrmtestError):
                    self.failure = error
                raise
            finally:
                self._starting = None
            self._engine = engine
            self.startup_seconds = time.monotonic() - begun
            described = EngineSection(
                engine=info.engine,
                version=info.version,
                seeded=info.seeded,
                details={**masked_values(info.details), **self._adapted_before()},
            )
            self._run.describe(replace(self._run.manifest, engine=described))
            if len(planned) >= selftest.LONG_RUN_SAMPLES and kind_of(self._spec).generates:
                try:
                    self._test(engine, info, planned[0])
                except LrmtestError as error:
                    self.failure = error
                    self.close()
                    raise
        return self._engine

    @property
    def progress(self) -> Progress:
        """The engine's live counters."""
        return self._engine.progress if self._engine is not None else Progress()

    @property
    def replicas(self) -> tuple[ReplicaState, ...]:
        """The servers that the engine asks, where these are several; else empty."""
        return self._engine.replicas if self._engine is not None else ()

    @property
    def runs(self) -> bool:
        """Whether it was started, and not closed."""
        return self._engine is not None

    @property
    def log_line(self) -> str:
        """The last line of the log of an engine that starts; empty without one, and hostile."""
        starting = self._starting
        return starting.log_line if starting is not None else ""

    def look(self) -> None:
        """See whether it still can do what it was asked; if not, its requests become errors."""
        if (engine := self._engine) is not None:
            engine.look()

    def say_what_was_told(self) -> None:
        """Print what the engine has told since it runs, and write down what it has noted."""
        while not self._told.empty():
            self._say(self._told.get())
        while not self._noted.empty():
            self._describe(*self._noted.get())

    def note_replicas(self) -> None:
        """Write down what each replica has done, where there are several."""
        if noted := [
            {
                "url": one.url,
                "completions": one.completions,
                "tokens": one.tokens,
                "seconds": round(one.seconds, 1),
                **({"reason": one.reason} if one.reason else {}),
            }
            for one in self.replicas
        ]:
            self._describe(REPLICAS, noted)

    def close(self) -> None:
        """Stop it, if it runs."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
            self.say_what_was_told()

    def _made(self) -> Engine:
        options = replace(
            self._settings.engine_options,
            tell=self._tell,
            note=lambda name, value: self._noted.put((name, value)),
            model_difference=self._model_difference,
        )
        engines = self._settings.engines
        if engines == 1:
            return create_engine(self._spec, options)
        gpus = len(this_machine().gpus)
        return EnginePool(
            [partial(create_engine, self._spec, each) for each in pinned(options, engines, gpus)]
        )

    def _adapted_before(self) -> dict[str, Any]:
        """What earlier sessions of the run have noted of requests and counts that it has."""
        details = self._run.manifest.engine.details or {}
        return {name: details[name] for name in (*ADAPTED, TOTALS) if name in details}

    def _describe(self, name: str, value: object) -> None:
        """Put what an engine noted of itself into the manifest."""
        engine = self._run.manifest.engine
        if name == LEFT_OUT and isinstance(value, list):
            before = (engine.details or {}).get(name)
            value = list(dict.fromkeys([*(before if isinstance(before, list) else []), *value]))
        if name == TOTALS and (engine.details or {}).get(name) == ESTIMATED:
            value = ESTIMATED
        without_seed = name == LEFT_OUT and isinstance(value, list) and "seed" in value
        described = replace(
            engine,
            details={**(engine.details or {}), name: value},
            seeded=False if without_seed else engine.seeded,
        )
        self._run.describe(replace(self._run.manifest, engine=described))

    def _deliver(self, delivery: Delivery) -> None:
        if delivery.request.key.startswith(selftest.KEY_PREFIX):
            self._probed.put(delivery)
        else:
            self._deliver_to_run(delivery)

    def _test(self, engine: WatchedEngine, info: EngineInfo, like: Request) -> None:
        """Generate a few short completions, check them, and tell what is odd.

        Raises:
            ModelError: the engine answers other prompts than it was asked.
        """
        probes, echoes = selftest.probes(like), selftest.echoes(like)
        arrived = self._probe(engine, [*probes, *(echo.request for echo in echoes)])
        if arrived is None:
            found: dict[str, Any] = {"warnings": ["the self-test took too long and was left out"]}
        else:
            tokenizer = self._settings.engine_options.tokenizer
            found = selftest.findings(
                arrived[: len(probes)],
                info,
                self._spec.reasoning_tags,
                load_counter(tokenizer) if tokenizer else None,
            )
            outcomes = arrived[len(probes) :]
            found["prompts"] = selftest.prompts_found(echoes, outcomes, found["warnings"])
            if self._mixes_up(engine, echoes, selftest.answers_of(echoes, outcomes)):
                found["prompts"] = "mixed up"
        self._run.describe(replace(self._run.manifest, self_test=SelfTestSection.from_json(found)))
        self.say_what_was_told()
        for warning in found["warnings"]:
            self._say(f"{self._spec.name}: {warning}")
        if found.get("prompts") == "mixed up":
            raise MachineryError(
                f"{self._spec.name} gives to one prompt the answer to another: asked side by side "
                "to repeat different words, it mixed them up",
                hint="look at what is between here and the model (a proxy, a cache), and at the "
                "server's version; one request at a time, --concurrency 1, may be right",
            )

    def _mixes_up(
        self, engine: WatchedEngine, echoes: Sequence[selftest.Echo], together: selftest.Answers
    ) -> bool:
        """Whether the engine answers other prompts; to be sure, each is asked again, alone."""
        if selftest.names_another(together):
            return True
        if not selftest.wandered(together):
            return False
        asked = selftest.again(echoes)
        alone = [self._probe(engine, [echo.request]) for echo in asked]
        outcomes = [delivery for one in alone if one for delivery in one]
        if len(outcomes) < len(asked):
            return False
        answers = selftest.answers_of(asked, outcomes)
        return len(answers) == len(asked) and selftest.mixed_up(together, answers)

    def _probe(self, engine: WatchedEngine, requests: Sequence[Request]) -> list[Delivery] | None:
        """The outcomes of the self-test's requests, in their order; None if they take too long."""
        self._probed = queue.SimpleQueue()  # of an engine that was closed, something may be left
        until = time.monotonic() + self._settings.engine_options.self_test_seconds
        engine.submit(requests)
        arrived: dict[str, Delivery] = {}
        while len(arrived) < len(requests):
            left = until - time.monotonic()
            if left <= 0:
                return None
            engine.look()
            with suppress(queue.Empty):
                delivery = self._probed.get(timeout=min(left, 1.0))
                arrived[delivery.request.key] = delivery
        return [arrived[request.key] for request in requests]

    def _model_difference(self, url: str) -> str:
        """In what the model of the endpoint there differs from the run's; empty for in nothing."""
        spec = replace(self._spec, location=url)
        return difference_now(spec, self._settings, self._run.manifest)

    def _tell(self, line: str) -> None:
        """What the engine tells: said at once while it starts, else by whoever waits for it.

        Once it runs, it tells on a thread of its own, which must not print between tests.
        """
        if self._engine is None:
            self._say(line)
        else:
            self._told.put(line)
