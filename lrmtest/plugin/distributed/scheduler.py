"""An xdist scheduler that hands out tests in order of completion."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from xdist.workermanage import WorkerController

from lrmtest.errors import LrmtestError, in_words
from lrmtest.plugin.distributed.broker import Broker, ModelPlan
from lrmtest.plugin.ending.guard import is_refused
from lrmtest.plugin.generation.generation import Generation
from lrmtest.plugin.generation.pending import PendingSamples
from lrmtest.plugin.progress_line import ShownProgress
from lrmtest.plugin.session import LrmtestSession

# A worker runs a test once it knows the next one, so one test would never run.
_AHEAD = 2


@dataclass(slots=True)
class _Phase:
    """A stretch of the session: tests without a model, or those of one model."""

    ready: deque[int] = field(default_factory=deque)
    waiting: set[int] = field(default_factory=set)

    @property
    def over(self) -> bool:
        return not (self.ready or self.waiting)


class CompletionScheduling:
    """Gives each test to the least busy worker once its completions are there.

    Implements xdist's `Scheduling`. Models are taken one after the other, so that only one
    engine is up at a time.

    Args:
        config: pytest's configuration.
        session: the session's parts.

    Attributes:
        refused: why the only model's tests are not run: it was asked for what cannot be.
        progress: what shows how far a generation is, once pytest has its terminal.
    """

    def __init__(self, config: pytest.Config, session: LrmtestSession) -> None:
        self._session = session
        self._expected = len(config.getvalue("tx"))
        self.broker = Broker(session.generations, self._planned, session.notice)
        # xdist calls from its loop, arrivals come on threads: all state is behind this lock.
        self._lock = threading.RLock()
        self._collection: list[str] | None = None
        self._collected: dict[WorkerController, list[str]] = {}
        self._pending: dict[WorkerController, list[int]] = {}
        self._plans: Sequence[ModelPlan] | None = None
        self._phase = _Phase()
        # By test, the first completion it waits for; by that, the worker that has the verdict.
        self._asks: dict[int, str] = {}
        self._graders: dict[str, WorkerController] = {}
        self._left: list[ModelPlan] = []
        self._generation: Generation | None = None
        self._begun = False
        self.refused: LrmtestError | None = None
        self.progress: ShownProgress | None = None

    # What xdist asks

    @property
    def nodes(self) -> list[WorkerController]:
        """The workers there are."""
        with self._lock:
            return list(self._pending)

    @property
    def collection_is_completed(self) -> bool:
        """Whether all workers have collected."""
        with self._lock:
            return self._collection is not None

    @property
    def tests_finished(self) -> bool:
        """Whether every test was handed out and at most one per worker has not run."""
        with self._lock:
            if not self._begun or self._left or not self._phase.over:
                return False
            return all(len(pending) < _AHEAD for pending in self._pending.values())

    @property
    def has_pending(self) -> bool:
        """Whether any worker has tests."""
        with self._lock:
            return any(self._pending.values())

    def add_node(self, node: WorkerController) -> None:
        """A worker came up; it will collect."""
        with self._lock:
            self._pending[node] = []

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """A worker has collected."""
        with self._lock:
            self._collected[node] = list(collection)
            if self._collection is None and len(self._collected) >= self._expected:
                self._collection = list(collection)

    def schedule(self) -> None:
        """Begin, or give work to a worker that replaces a crashed one."""
        with self._lock:
            if self._collection is not None and any(
                collected != self._collection for collected in self._collected.values()
            ):
                raise pytest.UsageError(
                    "the workers collected different tests; make the collection deterministic"
                )
            self._advance()

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        """A worker has run a test."""
        with self._lock:
            self._pending[node].remove(item_index)
            self._advance()

    def mark_test_pending(self, item: str) -> None:
        """Run a test once more."""
        with self._lock:
            assert self._collection is not None
            self._phase.ready.appendleft(self._collection.index(item))
            self._advance()

    def remove_pending_tests_from_node(
        self, node: WorkerController, indices: Sequence[int]
    ) -> None:
        """Never asked for: nothing is stolen."""
        raise NotImplementedError

    def remove_node(self, node: WorkerController) -> str | None:
        """A worker is gone; what it had not begun goes to the others.

        Returns:
            The test during which it crashed, if it had any.
        """
        with self._lock:
            pending = self._pending.pop(node)
            self._collected.pop(node, None)
            if not pending:
                return None
            crashed, *rest = pending
            self._phase.ready.extendleft(reversed(rest))
            self._advance()
            assert self._collection is not None
            return self._collection[crashed]

    # Phases

    def _advance(self) -> None:
        """Do what can be done now; called whenever something has changed."""
        self._begin_when_possible()
        self._hand_out()
        self._next_phase_when_done()

    def _planned(self, plans: Sequence[ModelPlan]) -> None:
        with self._lock:
            self._plans = plans
            self._advance()

    def _begin_when_possible(self) -> None:
        """Tests without a model are ready at once; the models follow."""
        if self._begun or self._collection is None or self._plans is None:
            return
        self._begun = True
        of_models = {test for plan in self._plans for test in (*plan.tests, *plan.own_prompts)}
        self._left = list(self._plans)
        self._phase = _Phase(
            ready=deque(n for n, test in enumerate(self._collection) if test not in of_models)
        )

    def _next_phase_when_done(self) -> None:
        """When all of a phase has run but for what workers hold back, begin the next model."""
        while self._begun and self._left and self._phase.over:
            if any(len(pending) >= _AHEAD for pending in self._pending.values()):
                return
            self.finish()
            plan = self._left.pop(0)
            assert self._collection is not None
            index = {test: n for n, test in enumerate(self._collection)}
            self._phase = _Phase(waiting={index[test] for test in (*plan.tests, *plan.own_prompts)})
            self._asks = {index[test]: keys[0] for test, keys in plan.tests.items() if keys}
            threading.Thread(
                target=self._generate, args=(plan, index), name="lrmtest-generation", daemon=True
            ).start()

    def finish(self) -> None:
        """Note in the store that the current model's run is complete, and stop its engine."""
        if self._generation is not None:
            self._generation.finish()
            self._generation.close()
            self._generation = None

    def _generate(self, plan: ModelPlan, index: dict[str, int]) -> None:
        """On a thread: generate for one model and release its tests as they become ready."""
        try:
            if isinstance(plan.plan, LrmtestError):
                raise plan.plan
            generation = self._session.generations.of(plan.model)
            progress = self.progress
            assert progress is not None  # it was made before there was anything to schedule
            with progress.beginning(generation) as ticked:
                generation.begin(plan.plan, self._session.comparisons.prepare, ticked=ticked)
            self._generation = generation
            pending = PendingSamples(plan.tests)
            while pending:
                key = generation.next_arrival(timeout=0.25)
                for test in pending.arrived(key) if key is not None else ():
                    self._release([index[test]])
                progress.update(generation, len(plan.tests), len(pending))
            progress.finish(generation, len(plan.tests))
        except Exception as error:
            failure = in_words(error, f"{plan.model} cannot be asked")
            self._session.generations.failures[plan.model] = failure
            if len(self._session.models.names) == 1 and is_refused(failure):
                self._refuse(failure)
                return
            # Its tests become errors with the cause: they ask for it before they run.
            self._release([index[test] for test in plan.tests])
        self._release([index[test] for test in plan.own_prompts])

    def _refuse(self, failure: LrmtestError) -> None:
        """Send the workers home; the session ends when the first of them is gone."""
        with self._lock:
            self.refused = failure
            for node in self._collected:
                node.shutdown()

    def _release(self, indices: Sequence[int]) -> None:
        with self._lock:
            fresh = [n for n in indices if n in self._phase.waiting]
            self._phase.waiting.difference_update(fresh)
            self._phase.ready.extend(fresh)
            self._advance()

    def _hand_out(self) -> None:
        """Send ready tests to the least busy workers, a few ahead each."""
        nodes = [node for node in self._collected if not node.shutting_down]
        ready = self._phase.ready
        while ready and nodes:
            node = min(nodes, key=lambda node: len(self._pending[node]))
            if len(self._pending[node]) >= 2 * _AHEAD:
                return
            number = ready.popleft()
            # Tests of one question go to one worker, which grades its completions once.
            if key := self._asks.get(number):
                grader = self._graders.get(key)
                if grader is not None and grader in nodes:
                    node = grader
                self._graders[key] = node
            self._pending[node].append(number)
            node.send_runtest_some([number])
        if self.tests_finished:
            # Each worker holds one test back until it knows that there is no other.
            for node in nodes:
                node.shutdown()
