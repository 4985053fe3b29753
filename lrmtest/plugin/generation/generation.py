"""One model's generation: its run, its engine, and what has arrived.

What the engine delivers is written to the store, and then its key is put on a queue, so whoever
hears of a completion can read it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from lrmtest.counted import counted
from lrmtest.errors import EngineError, LrmtestError, StoreError
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Delivery, Engine, Progress, ReplicaState, Request
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.hardware import this_machine
from lrmtest.models.spec import ModelSpec
from lrmtest.options.settings import Settings
from lrmtest.plugin.generation.backlog import Backlog
from lrmtest.plugin.generation.described import with_model_known, with_texts_seen
from lrmtest.plugin.generation.expected import BaselineTokens, Expectations, no_baseline
from lrmtest.plugin.generation.kept import KeptCompletions
from lrmtest.plugin.generation.order import longest_first
from lrmtest.plugin.generation.outlook import Outlook
from lrmtest.plugin.generation.protocol import (
    GenerationPlan,
    PromptedQuestion,
    SampleStatus,
    StoppingRule,
)
from lrmtest.plugin.generation.run_engine import RunEngine
from lrmtest.plugin.generation.same_model import verified
from lrmtest.plugin.generation.sharing import Sharing
from lrmtest.plugin.generation.telling import Telling
from lrmtest.progress import Tell, Tick, silent
from lrmtest.runs.claims import beginning
from lrmtest.runs.environment import environment
from lrmtest.runs.extent import EVERYTHING, Extent, extent_of, reaches, selected
from lrmtest.runs.kept_turnings import KeptTurnings
from lrmtest.runs.live import LivePage
from lrmtest.runs.reasoning import ReasoningSeen
from lrmtest.runs.records import RunHead, RunTiming
from lrmtest.runs.run import Run, open_run
from lrmtest.runs.store import Store

if TYPE_CHECKING:
    from lrmtest.runs.drafts import Drafts

FindDrafts = Callable[[GenerationPlan, str, Collection[Request]], "Drafts"]
"""Finds the drafts of a plan's model, for its run of this id and some of its samples."""

Prepare = Callable[[GenerationPlan], StoppingRule | None]
"""Looks at a plan before anything is generated; may give a rule that ends it early."""

_SOON_SECONDS = 0.5
_SETTLE_SECONDS = 10.0
"""So long a session that ends waits for a locked store with what had arrived."""
_LONGEST_REST = 1.0


class Generation:
    """The generation of one model in this process.

    Args:
        settings: what the user asked for.
        store: where completions go.
        say: prints one line for the user, for slow steps.
        notice: prints one that must be seen, even with -q.
        drafts: finds what samples may begin with, when the first is to be generated; None where
            they begin with nothing.
        baseline_tokens: the mean tokens of each question in what a model is compared with.

    Attributes:
        notes: why something stored is not reused, or is reused unseen, in one line each.
        outlook: what it has measured of its speed, and how long it takes yet.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        say: Tell,
        notice: Tell = silent,
        drafts: FindDrafts | None = None,
        baseline_tokens: BaselineTokens = no_baseline,
    ) -> None:
        self._find_drafts = drafts
        self._baseline_tokens = baseline_tokens
        self._drafts: Drafts | None = None
        self._plan: GenerationPlan | None = None
        self._settings = settings
        self._store = store
        self._say = say
        self._notice = notice
        self._backlog = Backlog(
            self._write,
            self._written,
            self._cannot_be_written,
            patience=settings.lock_timeout,
            tell=notice,
        )
        self._spec: ModelSpec | None = None
        self._sharing: Sharing | None = None
        self.notes: list[str] = []
        self._run: Run | None = None
        self._extent: Extent = EVERYTHING
        self._stopping_rule: StoppingRule | None = None
        self._engine: RunEngine | None = None
        self._unsafe: LrmtestError | None = None
        # Held while requests go to an engine, which must not be closed meanwhile.
        self._submitting = threading.RLock()
        # Guards everything below: the engine's thread, the run loop and xdist's workers meet here.
        self._changed = threading.Condition()
        self._errors: dict[str, EngineError] = {}
        self._fresh: set[str] = set()
        self._planned: set[str] = set()
        self._outstanding: dict[str, Request] = {}
        self._dropped: set[str] = set()
        self._from_others: set[str] = set()
        self._keeps = False
        self._kept = KeptCompletions()
        self._later = 0
        self._taken_on = False
        self._planned_out = 0
        self._arrivals: queue.SimpleQueue[str | LrmtestError] = queue.SimpleQueue()
        self._only_reads = False
        self._hurried = 0
        self._submitted_at = 0.0
        self._last_arrival_at = 0.0
        self._generated_tokens = 0
        self._drafted_tokens = 0
        self.outlook = Outlook(settings.engine_options.concurrency)
        self._telling: Telling | None = None
        self._expectations: Expectations | None = None
        self._stored = 0
        self._undrafted = 0
        self._untraced = 0

    def begin(
        self,
        plan: GenerationPlan,
        prepare: Prepare | None = None,
        *,
        keep: bool = False,
        ticked: Tick | None = None,
    ) -> None:
        """Open the run and submit what the store lacks; the engine starts only if it must.

        An endpoint is asked for its model first: another one makes another run.

        Args:
            plan: what to generate.
            prepare: is given the plan, its manifest complete, before anything is generated, and
                gives what orders the requests and may end their generation early.
            keep: tests of this process wait for the completions, which need not be read again.
            ticked: called about once a second, on a thread of its own, for as long as it generates.

        Raises:
            UsageError: a setting that the model cannot meet.
            ModelError: the model cannot be started.
            StoreError: the store cannot be written.
        """
        self._spec, self._plan = plan.spec, plan
        self._keeps = keep
        for line in plan.notices:
            self._notice(line)
        self._only_reads = not kind_of(plan.spec).generates
        keys = [request.key for request in plan.requests]
        with beginning(self._store.path, plan.spec.location):
            model = verified(
                plan.spec, self._settings, self._store, plan.manifest, keys, self._note
            )
            plan = replace(plan, manifest=model.manifest)
            self._extent = selected(plan.manifest)
            self._stopping_rule = prepare(plan) if prepare is not None else None
            self._run = open_run(
                self._store,
                plan.spec.name,
                replace(plan.manifest, environment=environment(this_machine().to_json())),
                fresh=self._settings.regenerate,
            )
        self._expectations = Expectations(self._store, plan.spec.name, self._baseline_tokens)
        self._engine = RunEngine(plan.spec, self._settings, self._run, self._deliver, self._say)
        self._run.describe(
            with_model_known(self._run.manifest, plan.spec, self._settings, self._store)
        )
        self._later = plan.later
        page = LivePage(self._store.path, self._run.run_id)
        self._telling = Telling(page, self, ticked)
        self._sharing = Sharing(
            self._store,
            self._run,
            generates=kind_of(plan.spec).generates,
            adopt=not self._settings.regenerate,
            of=model.reusable,
            changed=self._changed,
            notice=self._notice,
        )
        self._take_on(plan.questions, plan.requests)

    def extend(self, questions: Sequence[PromptedQuestion], requests: Sequence[Request]) -> None:
        """Go on with what was to be planned later.

        Raises:
            StoreError: the store cannot be written.
        """
        self._later -= len(requests)
        self._take_on(questions, requests)

    def _take_on(self, questions: Sequence[PromptedQuestion], requests: Sequence[Request]) -> None:
        """Tell what the store has of planned requests, and submit the others."""
        sharing, keys = self._the_sharing, {request.key for request in requests}
        self._planned |= keys
        self._taken_on = False
        self.add_questions(questions)
        own, others = sharing.claimed(requests)
        missing = {request.key for request in own} | others.keys()
        stored = keys - missing
        self._stored += len(stored)
        if self._telling is not None:
            self._telling.now()
        self._say_untraced(stored)
        decided = any(self._not_needed_after(key) for key in stored)
        if decided or (self._stopping_rule is not None and self._stopping_rule.decided):
            self._drop(missing)
        else:
            sharing.wait_for(requests, others)
            self._submit(own)
        self._taken_on = True
        for key in stored:
            self._arrivals.put(key)

    def add_questions(self, questions: Iterable[PromptedQuestion]) -> None:
        """Note in the run what it is asked.

        Raises:
            StoreError: the store cannot be written.
        """
        self._the_run.add_questions(
            (one.suite, one.question_id, one.question, one.messages) for one in questions
        )

    def _select_also(self, requests: Sequence[Request]) -> None:
        """What a test asks for that was not planned belongs to what this session selects."""
        with self._changed:
            more = [one.place for one in requests if not reaches(self._extent, one.place)]
            self._extent = {**self._extent, **extent_of(more)} if more else self._extent
        if more:
            self._the_run.select_also(more)

    def _look_at_others(self) -> None:
        """Take what other sessions have generated, and take over what they have left."""
        if self._sharing is None or not self._sharing.due:
            return
        if not self._submitting.acquire(blocking=False):
            return  # another thread is at it
        try:
            arrived, left = self._sharing.look()
            with self._changed:
                self._from_others |= arrived
            for key in arrived & self._planned:
                self._arrivals.put(key)
            self._submit(left)
        finally:
            self._submitting.release()

    def _note(self, line: str) -> None:
        self.notes.append(line)
        self._say(line)

    def _say_untraced(self, stored: set[str]) -> None:
        """Say how many samples are there without the traces that are asked for.

        They are not generated again: what a run has cost is not spent anew without a word, and the
        completions of a key are one and the same, traced or not.
        """
        generates = self._spec is not None and kind_of(self._spec).generates
        if not self._settings.engine_options.traces or not stored or not generates:
            return
        lacking = len(stored - self._store.traced(self.run_id))
        if lacking:
            self._notice(
                f"{self.head.model}: {lacking} of the {len(stored)} samples that are stored "
                "already have no trace, and are not generated again; --regenerate generates all "
                "of them anew"
            )

    def _submit(self, wanted: Sequence[Request]) -> None:
        """Submit those requests that the engine does not work on already."""
        with self._submitting:
            with self._changed:
                wanted = [request for request in wanted if request.key not in self._outstanding]
            if not wanted:
                return
            wanted = self._with_drafts(wanted)
            expected = self._expectations
            assert expected is not None, "begin() comes first"
            if self._stopping_rule is not None:
                wanted = self._stopping_rule.in_order(wanted)
            else:
                wanted = longest_first(wanted, expected.tokens)
            # How long it takes is told while the engine starts, too.
            rate = None if self._engine_runs else expected.rate()
            if not self._only_reads:
                self.outlook.submitted(wanted, expected.tokens, rate)
            engine = self._started_engine(wanted)
            with self._changed:
                keys = {request.key for request in wanted}
                self._outstanding |= {request.key: request for request in wanted}
                self._fresh |= keys
                self._planned_out += len(keys & self._planned)
                for key in keys:
                    self._errors.pop(key, None)
            self._submitted_at = self._submitted_at or time.monotonic()
            engine.submit(wanted)

    def _with_drafts(self, wanted: Sequence[Request]) -> Sequence[Request]:
        """The requests with what they may begin with; it is found when it is first needed.

        Raises:
            UsageError: it cannot be found or used.
        """
        planned = [request for request in wanted if request.key in self._planned]
        if self._find_drafts is None or not planned:
            return wanted
        if self._drafts is None:
            assert self._plan is not None, "begin() comes first"
            self._drafts = self._find_drafts(self._plan, self.run_id, planned)
            run = self._the_run
            run.describe(replace(run.manifest, drafts=self._drafts.section))
        return self._drafts.given(wanted)

    def _not_needed_after(self, key: str) -> bool:
        """Tell the stopping rule of a sample; whether no more are needed."""
        if self._stopping_rule is None:
            return False
        completion = self._kept.get(key)
        if completion is None and (stored := self._store.completion(self.run_id, key)) is not None:
            completion = stored.completion
        return self._stopping_rule.arrived(key, completion)

    def _stop(self) -> None:
        """Stop generating what was planned; a test may wait for what was not."""
        with self._submitting:
            self._close_engine()
            sharing = self._the_sharing
            with self._changed:
                planned = self._planned.intersection({*self._outstanding, *sharing.awaited})
                for key in planned:
                    self._outstanding.pop(key, None)
                self.outlook.forget(planned)
                sharing.forget(planned)
                others = list(self._outstanding.values())
            self._drop(planned)
            if others:
                self._started_engine(others).submit(others)

    def _drop(self, keys: set[str]) -> None:
        """Let nobody wait for planned samples that are not generated any more."""
        with self._changed:
            self._dropped |= keys
        with self._submitting:
            self._the_sharing.release(keys)
        for key in keys:
            self._arrivals.put(key)

    def _started_engine(self, planned: Sequence[Request]) -> Engine:
        """The engine, started on first use; a start that failed fails again at once."""
        if self._unsafe is not None:
            raise self._unsafe
        assert self._engine is not None, "begin() comes first"
        if self._engine_runs:
            return self._engine.started(planned)
        self.outlook.starts()
        try:
            engine = self._engine.started(planned)
        finally:
            self.outlook.runs(self._engine.progress)
        return engine

    @property
    def _engine_runs(self) -> bool:
        return self._engine is not None and self._engine.runs

    @property
    def _failure(self) -> LrmtestError | None:
        """Why nothing more will arrive; None while all is well."""
        return self._unsafe or (self._engine.failure if self._engine is not None else None)

    def _deliver(self, delivery: Delivery) -> None:
        """On the engine's thread: store first, then tell."""
        if not self._only_reads:
            self._backlog.add(delivery)
            return
        waiting = len(self._backlog)
        with self._changed:
            more = len(self._outstanding) > waiting + 1
        self._backlog.add(delivery, more=more)
        if delivery.error is None and not len(self._backlog):
            self._rest()

    def _rest(self) -> None:
        """On the thread of an engine that only reads: let the tests go on with what is there.

        Two busy threads hand the interpreter to each other at every system call, some ten times a
        question, which costs more than the reading.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._hurried or self._arrivals.empty(), _LONGEST_REST)

    @contextmanager
    def _hurry(self) -> Iterator[None]:
        """Somebody waits for more than the tests that were planned, or for the engine to end."""
        with self._changed:
            self._hurried += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._hurried -= 1

    def _write(self, deliveries: Sequence[Delivery], patience: float) -> None:
        if not self._the_run.arrived(deliveries, patience=patience) or not self._keeps:
            return  # what another session has written before is what counts
        for delivery in deliveries:
            if delivery.completion is not None:
                self._kept.add(delivery.request.key, delivery.completion)

    def _cannot_be_written(self, failure: LrmtestError) -> None:
        """Whoever waits must know, for nothing is safe any more."""
        self._arrivals.put(failure)
        with self._changed:
            self._unsafe = failure
            self._changed.notify_all()

    def _written(self, deliveries: Sequence[Delivery]) -> None:
        """Deliveries are in the store."""
        told = []
        with self._changed:
            for delivery in deliveries:
                key, completion = delivery.request.key, delivery.completion
                if completion is not None:
                    self._untraced += delivery.trace is None
                    drafted = completion.drafted_tokens
                    self._undrafted += delivery.request.draft is not None and drafted is None
                    self._generated_tokens += completion.generated_tokens
                    self._drafted_tokens += drafted or 0
                    self._last_arrival_at = time.monotonic()
                elif delivery.error is not None:
                    self._errors[key] = delivery.error
                if not self._only_reads:
                    self.outlook.arrived(key, completion)
                if key in self._dropped:
                    continue
                self._outstanding.pop(key, None)
                if key in self._planned:
                    self._planned_out -= 1
                    told.append(key)
            self._changed.notify_all()
        for key in told:
            self._arrivals.put(key)

    def next_arrival(self, timeout: float) -> str | None:
        """The key of the next planned sample that is there or failed; None after `timeout` s.

        Each planned key is told once.

        Raises:
            StoreError: a completion could not be stored.
        """
        self._look_at_others()
        try:
            arrival = self._arrivals.get_nowait()
        except queue.Empty:
            if self._only_reads:
                with self._changed:
                    self._changed.notify_all()
            if self._engine is not None:
                self._engine.say_what_was_told()
                self._engine.look()
            try:
                arrival = self._arrivals.get(timeout=timeout)
            except queue.Empty:
                if self._only_reads:  # nothing followed what waits to be written together
                    self._backlog.settle(0.0)
                return None
        if isinstance(arrival, LrmtestError):
            raise arrival
        # What was stored before has been told before anything was submitted.
        later = arrival in self._fresh or arrival in self._from_others
        untold = later and not self._dropped
        if untold and self._not_needed_after(arrival):
            self._stop()
        return arrival

    # What tests ask for

    @property
    def run_id(self) -> str:
        """The run's id in the store."""
        return self._the_run.run_id

    def status_of(self, keys: Sequence[str]) -> SampleStatus:
        """What is known of `keys`, none of which is still being generated."""
        rule = self._stopping_rule
        graded = {} if rule is None else {key: rule.verdict_of(key) for key in keys}
        with self._changed:
            return SampleStatus(
                errors={key: self._errors[key] for key in keys if key in self._errors},
                fresh=frozenset(self._fresh.intersection(keys)),
                dropped=frozenset(self._dropped.intersection(keys)),
                why=rule.not_needed if rule is not None and self._dropped else "",
                verdicts={key: verdict for key, verdict in graded.items() if verdict},
            )

    def taken(self, key: str) -> Completion | None:
        """A stored completion that is still in memory, where it is not kept any longer."""
        return self._kept.take(key)

    def generate_now(
        self, requests: Sequence[Request], questions: Sequence[PromptedQuestion]
    ) -> SampleStatus:
        """Generate what the store lacks of `requests`; returns when all is there or failed.

        Raises:
            ModelError: the engine cannot be started.
            StoreError: a completion could not be stored.
        """
        self.add_questions(questions)
        self._select_also(requests)
        sharing = self._the_sharing
        with self._submitting:
            own, others = sharing.claimed(requests)
            sharing.wait_for(requests, others)
            self._submit(own)
        out = {request.key for request in own} | others.keys()
        with self._hurry():
            while self._failure is None:
                with self._changed:
                    if out.isdisjoint(self._outstanding) and not sharing.awaits(out):
                        break
                    # Woken at times without need, so that Ctrl-C is heard.
                    self._changed.wait(1.0)
                if self._engine is not None:
                    self._engine.look()
                self._look_at_others()
        if (failure := self._failure) is not None:
            raise failure
        return self.status_of([request.key for request in requests])

    # Looking at it

    @property
    def head(self) -> RunHead:
        """The run, as it is in the store."""
        return self._the_run.head

    @property
    def extent(self) -> Extent:
        """What this session selects of the run."""
        with self._changed:
            return self._extent

    @property
    def progress(self) -> Progress:
        """The engine's live counters."""
        return self._engine.progress if self._engine is not None else Progress()

    @property
    def replicas(self) -> tuple[ReplicaState, ...]:
        """The servers that the engine asks, where these are several; else empty."""
        return self._engine.replicas if self._engine is not None else ()

    @property
    def spec(self) -> ModelSpec | None:
        """The model; None before `begin`."""
        return self._spec

    @property
    def submitted_at(self) -> float | None:
        """When the first requests went to the engine, in monotonic seconds; None before."""
        return self._submitted_at or None

    @property
    def log_line(self) -> str:
        """The last line of the log of an engine that starts; empty without one, and hostile."""
        return self._engine.log_line if self._engine is not None else ""

    @property
    def samples_planned(self) -> int:
        """Samples of all planned questions, and of those that will be."""
        return len(self._planned) + self._later

    @property
    def samples_done(self) -> int:
        """Planned samples that have a completion or an engine error."""
        with self._changed:
            awaited = len(self._planned.intersection(self._the_sharing.awaited))
        return len(self._planned) - self._planned_out - awaited

    @property
    def samples_stored(self) -> int:
        """Planned samples that the store had before."""
        return self._stored

    @property
    def awaits_others(self) -> bool:
        """Whether another session generates what is asked for here."""
        return self._sharing is not None and bool(self._sharing.awaited)

    @property
    def samples_failed(self) -> int:
        """Samples that ended in an engine error."""
        with self._changed:
            return len(self._errors)

    @property
    def samples_fresh(self) -> int:
        """Samples that the store did not have."""
        return len(self._fresh)

    @property
    def complete(self) -> bool:
        """Whether every planned sample has its completion."""
        with self._changed:
            left = self._outstanding or self.awaits_others
            lacks = left or self._later or self._errors or self._dropped
            return self._taken_on and not lacks

    @property
    def dropped(self) -> frozenset[str]:
        """Keys of planned samples that were not generated, because they were not needed."""
        with self._changed:
            return frozenset(self._dropped)

    def timing(self) -> RunTiming:
        """How long generation took so far; nothing for recorded outputs, which were only read."""
        if self._spec is not None and not kind_of(self._spec).generates:
            return RunTiming()
        wall = max(0.0, self._last_arrival_at - self._submitted_at) if self._submitted_at else 0.0
        startup = self._engine.startup_seconds if self._engine is not None else 0.0
        return RunTiming(wall, startup, self._generated_tokens, self._drafted_tokens)

    @property
    def begun(self) -> bool:
        """Whether its run is open."""
        return self._run is not None

    def finish(self, seen: ReasoningSeen | None = None) -> None:
        """Note in the store that everything planned is there, if it is.

        Another session that still generates for the run will do so.

        Args:
            seen: what the texts show that were graded here.
        """
        if self._engine is not None:
            self._engine.note_replicas()
            self._engine.say_what_was_told()  # it may belong into the manifest of what is finished
        with self._changed:
            untraced, self._untraced = self._untraced, 0
            undrafted, self._undrafted = self._undrafted, 0
        if undrafted:
            self._notice(
                f"{self.head.model}: {counted(undrafted, 'sample')} generated from the start, "
                "since the model is asked with other prompt tokens than the trace begins with"
            )
        if untraced and self._settings.engine_options.traces:
            self._notice(
                f"{self.head.model}: {counted(untraced, 'completion')} came without a trace, which "
                "the engine does not tell"
            )
        # A store that has failed is told of by what failed.
        if not len(self._backlog):
            with suppress(StoreError):
                self._look_at_texts(seen)
        if self.complete and not self._the_sharing.others_generate:
            self._the_run.finish()
            KeptTurnings(self._store.path, self.run_id).forget()

    def _look_at_texts(self, seen: ReasoningSeen | None) -> None:
        """Put into the manifest what the run's texts show of its reasoning's form."""
        if self._spec is None:
            return
        run = self._the_run
        manifest = with_texts_seen(run.head, self._spec, self._store, seen)
        if manifest.reasoning.to_json() != run.manifest.reasoning.to_json():
            run.describe(manifest)

    def close(self) -> None:
        """Stop the engine, and leave to other sessions what has not arrived."""
        self._close_engine()
        if self._telling is not None:
            self._telling.close()
            self._telling = None
        if self._sharing is not None:
            self._sharing.close()

    def _close_engine(self) -> None:
        """Stop the engine. What had arrived is in the store."""
        if self._engine is not None:
            with self._hurry():
                self._engine.close()
        if self._backlog.settle(_SOON_SECONDS):
            self._notice("waiting for the locked store, to write what had arrived")
            if lost := self._backlog.settle(_SETTLE_SECONDS):
                self._notice(f"{lost} completions could not be written and are lost")

    @property
    def _the_sharing(self) -> Sharing:
        assert self._sharing is not None, "begin() comes first"
        return self._sharing

    @property
    def _the_run(self) -> Run:
        assert self._run is not None, "begin() comes first"
        return self._run
