"""The replicas reader: traces are read by several servers of one model, as completions are made.

Each replica has a thread, which makes sure that it serves the model, takes traces as long as it has
room for them, and tries again later when it is gone. What a replica had when it broke is read by
another. Whoever reads gets everything on its own thread.
"""

from __future__ import annotations

import queue
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lrmtest.errors import DataError, LrmtestError, MachineryError, in_words
from lrmtest.masking import masked_url
from lrmtest.models.engines.base import Conversation
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.reading.endpoint import EndpointReader
from lrmtest.models.engines.replicas.absence import none_works, patience
from lrmtest.models.engines.replicas.joining import of_one_replica, refuse_another_model
from lrmtest.models.engines.replicas.places import ReplicaPlaces
from lrmtest.models.engines.replicas.told import ToldOnce
from lrmtest.models.engines.trace_reader import DeliverReading, ReaderInfo
from lrmtest.models.reading import Reading, Written

if TYPE_CHECKING:
    from lrmtest.models.spec import ModelSpec

_TICK = 0.25
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_MOST_IN_VAIN = 3
"""So often in a row a replica may break without having read a trace; then it is asked no more."""


@dataclass(slots=True)
class _Member:
    """One replica.

    Attributes:
        url: where it is.
        named: whether it is to be asked.
        joining: whether it is being looked at.
        reader: asks it; None while it cannot be asked.
        error: why it cannot.
        tries: how often in a row it could not be used.
        in_vain: how often in a row it broke without having read a trace.
        out: what it reads now, by key.
    """

    url: str
    named: bool = True
    joining: bool = True
    reader: EndpointReader | None = None
    error: LrmtestError | None = None
    tries: int = 0
    in_vain: int = 0
    out: dict[str, Written] = field(default_factory=dict)

    @property
    def hopeless(self) -> bool:
        """Whether it is asked no more."""
        return self.in_vain >= _MOST_IN_VAIN

    @property
    def wait(self) -> float:
        """Seconds until it is looked at again."""
        return min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(self.tries, 10))


class ReplicasReader:
    """Reads with several servers. See `lrmtest.models.engines.trace_reader.TraceReader`.

    Args:
        spec: the reader; its location is one of `ReplicaPlaces`.
        options: as for an endpoint's reader, for each of them; `start_timeout` is how long a file
            of replicas may name none that works.
        parent: must be None: a server has one model.
    """

    def __init__(
        self, spec: ModelSpec, options: EngineOptions, parent: ModelSpec | None = None
    ) -> None:
        assert parent is None
        self._spec = spec
        self._options = options
        self._places = ReplicaPlaces(spec.location)
        self._came: queue.SimpleQueue[Reading] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._tell = ToldOnce(spec.name, self._told.put)
        self._changed = threading.Condition()  # guards everything below
        self._members: dict[str, _Member] = {}
        self._waiting: deque[Written] = deque()
        self._planned: Sequence[Written] = ()
        self._info: ReaderInfo | None = None
        self._refusal: LrmtestError | None = None
        self._ended = False

    def start(self, planned: Sequence[Written]) -> ReaderInfo:
        """Reach the replicas; the first one that can read is enough.

        Raises:
            UsageError: a trace does not fit their context, or they cannot show what they think of
                given tokens.
            ModelError: none can be reached, or none serves the model.
            DataError: the file of replicas cannot be read.
        """
        self._planned = planned
        until = time.monotonic() + self._options.start_timeout
        while self._info is None:
            self._look_at_places()
            with self._changed:
                joining = any(one.joining for one in self._members.values())
                waits = self._places.file is not None and time.monotonic() < until
                if self._info is None and not joining and not waits:
                    raise self._none_reads()
                if self._info is None:
                    self._changed.wait(_TICK)
            self._say()
        details = {
            name: value for name, value in self._info.engine.details.items() if name != "url"
        }
        return replace(
            self._info, engine=replace(self._info.engine, engine="replicas", details=details)
        )

    def prompts(self, conversations: Sequence[Conversation]) -> list[array[int] | None]:
        """See `RendersPrompts.prompts`; the first replica that answers tells all of them.

        Raises:
            MachineryError: none answers.
            ModelError: the template refuses a conversation.
        """
        failure: LrmtestError | None = None
        with self._changed:
            readers = [one.reader for one in self._members.values() if one.reader is not None]
        for reader in readers:
            try:
                return reader.prompts(conversations)
            except MachineryError as error:
                failure = failure or error
        raise failure or self._none_reads()

    def read(self, written: Sequence[Written], deliver: DeliverReading) -> None:
        """See `TraceReader.read`.

        Raises:
            MachineryError: no replica is left that answers.
            ModelError: one refuses to read a trace.
        """
        with self._changed:
            self._waiting.extend(sorted(written, key=lambda one: -one.length))
            self._changed.notify_all()
        left = len(written)
        there_at = looked_at = time.monotonic()
        while left:
            try:
                deliver(self._came.get(timeout=_TICK), None)
                left -= 1
            except queue.Empty:
                pass
            now = time.monotonic()
            if now - looked_at >= _TICK:
                looked_at = now
                there_at = self._looked_after(there_at, now)
        self._say()

    def close(self) -> None:
        """Drop every connection and end the threads."""
        with self._changed:
            self._ended = True
            readers = [one.reader for one in self._members.values() if one.reader is not None]
            self._changed.notify_all()
        for reader in readers:
            reader.close()

    def _looked_after(self, there_at: float, now: float) -> float:
        """Look after the replicas while they read; when one was last there.

        Raises:
            LrmtestError: one refuses a trace, or none has been there for too long.
        """
        self._say()
        self._look_at_places()
        with self._changed:
            if self._refusal is not None:
                raise self._refusal
            members = [one for one in self._members.values() if one.named]
            if any(one.reader is not None or one.joining for one in members):
                return now
            hopeless = members and all(one.hopeless for one in members)
            if hopeless or now - there_at > patience(self._options, self._places):
                raise self._none_reads()
        return there_at

    def _say(self) -> None:
        while not self._told.empty():
            self._options.tell(self._told.get())

    def _none_reads(self) -> LrmtestError:
        with self._changed:
            errors = {one.url: one.error for one in self._members.values() if one.error}
        return none_works(
            self._spec.name,
            "read",
            self._places,
            errors.values(),
            {masked_url(url): each.message for url, each in errors.items()},
        )

    def _look_at_places(self) -> None:
        """Take up replicas that have come, and let go those that are not named any more.

        Raises:
            DataError: the file of replicas cannot be read, and none is known yet.
        """
        try:
            urls = self._places.now()
        except DataError:
            if not self._members:
                raise
            return  # its replicas stay as they are
        with self._changed:
            for url, member in self._members.items():
                if member.named != (url in urls):
                    member.named = url in urls
                    self._changed.notify_all()
            for url in urls:
                if url not in self._members:
                    self._members[url] = member = _Member(url)
                    threading.Thread(
                        target=self._work, args=(member,), name="lrmtest-replicas-read", daemon=True
                    ).start()

    # What follows runs on a replica's own thread.

    def _work(self, member: _Member) -> None:
        """Have one replica read as long as there is something to read."""
        while self._until(lambda: member.named):
            try:
                self._join(member)
                while self._until(lambda: bool(self._waiting) or not member.named):
                    if not member.named:
                        break
                    self._read_with(member)
            except Exception as problem:
                # Whatever becomes of one, the others read on.
                error = in_words(problem, f"replica {masked_url(member.url)} cannot read")
                if not self._put_aside(member, error):
                    return
                self._until(lambda: False, member.wait)
            else:
                self._let_go(member)
            with self._changed:
                member.joining = member.named
        self._let_go(member)

    def _until(self, true: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until something is true; whether it is, and nothing was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or true(), seconds)
            return not self._ended and true()

    def _join(self, member: _Member) -> None:
        """Make sure that it serves the model and can read.

        Raises:
            LrmtestError: it does not.
        """
        refuse_another_model(self._options, member.url)
        with self._changed:
            urls = list(self._members)
        reader = EndpointReader(*of_one_replica(self._spec, self._options, member.url, urls))
        try:
            info = reader.start(self._planned)
        except BaseException:
            reader.close()
            raise
        with self._changed:
            if self._ended:
                reader.close()
                return
            member.reader, member.error, member.joining = reader, None, False
            self._info = self._info or info
            self._changed.notify_all()

    def _read_with(self, member: _Member) -> None:
        """Read until nothing waits, and nothing is out at it."""
        assert member.reader is not None

        def deliver(reading: Reading, _: Reading | None) -> None:
            with self._changed:
                member.out.pop(reading.place.key)
                member.tries = member.in_vain = 0
            self._came.put(reading)

        member.reader.read_from(self._taken(member), deliver)

    def _taken(self, member: _Member) -> Iterator[Written]:
        """What it is to read next; called for by its reader whenever there is room."""
        while True:
            with self._changed:
                if not self._waiting or not member.named or self._ended:
                    return
                written = self._waiting.popleft()
                member.out[written.place.key] = written
            yield written

    def _put_aside(self, member: _Member, error: LrmtestError) -> bool:
        """What it had is read by others; whether it is looked at again."""
        broke = member.reader is not None
        self._let_go(member)
        with self._changed:
            member.error, member.joining = error, False
            member.tries += 1
            member.in_vain += broke
            lost = list(member.out.values())
            member.out.clear()
            self._waiting.extendleft(reversed(lost))
            if broke and not isinstance(error, MachineryError):
                self._refusal = error  # what one refuses, all of them refuse
            self._changed.notify_all()
            ended = self._ended
        if not ended:
            self._tell(f"replica {masked_url(member.url)} does not read for now: {error.message}")
        return not ended and not member.hopeless

    def _let_go(self, member: _Member) -> None:
        with self._changed:
            reader, member.reader = member.reader, None
        if reader is not None:
            reader.close()
