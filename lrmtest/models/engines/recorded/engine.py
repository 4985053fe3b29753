"""The recorded engine: outputs that were generated earlier, by whatever."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from lrmtest.errors import EngineError, LrmtestError, ModelError
from lrmtest.models.engines.base import Deliver, Delivery, EngineInfo, Progress, Request
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.recorded.completion import recorded_completion
from lrmtest.models.engines.recorded.finish_reason import Ends
from lrmtest.models.engines.recorded.recording import Recording, open_recording
from lrmtest.models.spec import ModelSpec

_JOIN_SECONDS = 30.0


class RecordedEngine:
    """Answers from a `Recording`, in the order of submission.

    What the recording does not say is worked out: the finish reason by `finish_reason_of`, token
    counts with `options.tokenizer`, or from the text's length when there is none. Prompt,
    seed and sampling of a request play no part. A request that the recording has no output for
    gets an engine error; ask `Recording.has` before planning it.

    Args:
        spec: the model; its location is the recorded file or folder.
        options: only `tokenizer`, `budget`, `finish_reason` and `finish_column` matter.
    """

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        self._spec = spec
        self._options = options
        self._recording: Recording | None = None
        self._count: Callable[[str], int] | None = None
        self._progress = Progress()
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def progress(self) -> Progress:
        """Live counters."""
        return self._progress

    @property
    def recording(self) -> Recording:
        """What is recorded; opened and checked on first use.

        Raises:
            DataError: it is missing or malformed.
        """
        if self._recording is None:
            found = open_recording(self._spec.location, self._options.finish_column)
            placing = self._spec.placing
            self._recording = found if placing is None else found.placed(placing)
        return self._recording

    def start(self, planned: Sequence[Request], deliver: Deliver) -> EngineInfo:
        """Open the recording.

        Raises:
            DataError: it is missing or malformed.
            ModelError: the engine was started or closed before.
        """
        if self._thread is not None or self._closed.is_set():
            raise ModelError("an engine can be started only once", hint="make a new one")
        recording = self.recording
        if recording.ends is not None:
            self._options.tell(f"{self._spec.name}: {recording.ends.line()}")
        if self._options.tokenizer:
            from lrmtest.models.engines.tokenizers.counter import load_counter

            self._count = load_counter(self._options.tokenizer)
        self._thread = threading.Thread(
            target=self._run, args=(deliver,), name=f"lrmtest-recorded-{self._spec.name}"
        )
        self._thread.daemon = True
        self._thread.start()
        return EngineInfo(
            engine="recorded",
            details={
                "files": [path.name for path in recording.files],
                "outputs": len(recording),
                "tokenizer": self._options.tokenizer,
            },
        )

    def submit(self, requests: Sequence[Request]) -> None:
        """Queue requests; returns at once."""
        for request in requests:
            self._queue.put(request)

    def close(self) -> None:
        """End the thread; what it has not read is not delivered."""
        self._closed.set()
        self._queue.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_SECONDS)

    def _run(self, deliver: Deliver) -> None:
        with self.recording.kept_open():
            while (request := self._queue.get()) is not None and not self._closed.is_set():
                delivery = self._delivery(request)
                if not self._closed.is_set():
                    deliver(delivery)

    def _delivery(self, request: Request) -> Delivery:
        place = request.place
        try:
            output = self.recording.read(place.suite, place.question_id, place.sample)
            if output is None:
                return Delivery(request, error=self._not_recorded(request))
            completion = recorded_completion(
                output,
                tags=self._spec.reasoning_tags,
                ends=Ends(
                    budget=self._options.budget or self._spec.card.max_tokens,
                    assumed=request.sampling.max_tokens,
                    told=self._options.finish_reason,
                ),
                count=self._count,
            )
        except LrmtestError as error:
            return Delivery(request, error=EngineError(error.message, hint=error.hint))
        except Exception as error:  # one output's accident must not end the others
            words = f"unexpected {type(error).__name__}: {error}"
            return Delivery(request, error=EngineError(f"{self._spec.location}: {words}"))
        self._progress.tokens += completion.completion_tokens
        return Delivery(request, completion=completion)

    def _not_recorded(self, request: Request) -> EngineError:
        place = request.place
        there = self.recording.samples(place.suite, place.question_id)
        question = f"question {place.question_id!r} of suite {place.suite!r}"
        if there:
            return EngineError(
                f"{self._spec.location} has {there} samples of {question}, and sample "
                f"{place.sample + 1} was asked for",
                hint=f"ask for at most {there} samples",
            )
        return EngineError(f"{self._spec.location} has no output for {question}")
