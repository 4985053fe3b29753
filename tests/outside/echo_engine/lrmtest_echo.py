"""The echo engine: answers every prompt with its own last line."""

import queue
import threading

from lrmtest import Completion
from lrmtest.models.engines.base import Delivery, EngineInfo, Progress
from lrmtest.models.engines.kinds import EngineKind


class EchoEngine:
    """Answers one request after the other, on a thread of its own."""

    def __init__(self, spec, options):
        self.progress = Progress()  # read by others while this engine works
        self._requests = queue.SimpleQueue()
        self._closed = threading.Event()

    def start(self, planned, deliver):
        threading.Thread(target=self._work, args=(deliver,), daemon=True).start()
        return EngineInfo(engine="echo", version="0.1")

    def submit(self, requests):  # returns at once: all requests are in flight together
        for request in requests:
            self._requests.put(request)

    def close(self):  # may be called at any time, even twice
        self._closed.set()
        self._requests.put(None)

    def _work(self, deliver):
        while (request := self._requests.get()) and not self._closed.is_set():
            prompt = request.messages[-1].content
            answer = prompt.splitlines()[-1]
            completion = Completion(
                answer,
                finish_reason="stop",
                prompt_tokens=len(prompt.split()),
                completion_tokens=len(answer.split()),
            )
            self.progress.tokens += completion.completion_tokens
            deliver(Delivery(request, completion=completion))


ECHO = EngineKind(name="echo", factory=EchoEngine)
