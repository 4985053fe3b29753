"""The model probe on a real llama-server: its cost, its false alarms, and what it detects.

    python benchmarks/probe.py MODEL.gguf [OTHER.gguf ...] [--starts 200] [--load 2]

MODEL is measured once on an idle server. Then it is asked again as at so many starts, while
`--load` conversations of random lengths run beside on the same server, which is started anew for
every 20 starts: each time that it counts as another model is a false alarm. Each OTHER is then
served in its place and must count as another one. What the server tells of itself is left out
here: all that counts are answers. Both rules are applied, that of servers with log-probabilities
and that of servers without.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager, suppress
from itertools import count
from pathlib import Path

import httpx
from measured_server import NAME, Server, serving

from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.model_probe import (
    CHANGED_ANSWERS,
    LEAST_TOLERANCE,
    MOST_ASKS,
    ModelProbe,
    ProbeAnswers,
    ProbeReference,
    distance,
)
from lrmtest.models.engines.http.server_facts import probe as facts_of

_STARTS_PER_SERVER = 20


async def _probe(url: str) -> ModelProbe:
    def client() -> ChatClient:
        return ChatClient(Endpoint.parse(url), timeout=600)

    async with aclosing(client()) as asking:
        facts = await facts_of(asking, None)
    return ModelProbe(client, facts)


class Reference:
    """What a run would keep of the model, under both rules."""

    def __init__(self, url: str) -> None:
        async def measured() -> ProbeReference:
            return await (await _probe(url)).measure()

        self.places = asyncio.run(measured())
        texts = (tuple(answers) for answers in self.places.answers)
        self.words = ProbeReference.of(
            [tuple(type(answer)(answer.text) for answer in answers) for answers in texts]
        )

    def distance(self, later: ProbeAnswers) -> float:
        """How far later answers are from the nearest first ones, in nats."""
        return min(distance(answers, later) for answers in self.places.answers)

    def asked(self, url: str) -> tuple[float, bool, int, int]:
        """One start: the first distance, both rules' verdicts, and how often it was asked."""

        async def start() -> tuple[float, bool, int, int]:
            probe = await _probe(url)
            changed = set(range(4))
            first, near = 0.0, False
            for asks in range(1, MOST_ASKS + 1):
                answers = await probe.ask()
                far = self.distance(answers)
                first = first if asks > 1 else far
                near = near or far <= self.places.tolerance
                changed &= set(self.words.changed(answers))
                if near and len(changed) < CHANGED_ANSWERS:
                    break
            return first, not near, len(changed), asks

        return asyncio.run(start())


@contextmanager
def _load(url: str, conversations: int) -> Iterator[None]:
    """Conversations side by side, each as soon as the last has ended."""
    stopping = threading.Event()
    drawn = random.Random(0)

    def talk() -> None:
        with httpx.Client(timeout=600) as client:
            while not stopping.is_set():
                words = " ".join(str(drawn.random()) for _ in range(drawn.randint(1, 12)))
                with (
                    suppress(httpx.HTTPError),  # llama-server hangs up on idle connections
                    client.stream(
                        "POST",
                        f"{url}/chat/completions",
                        json={
                            "model": NAME,
                            "messages": [{"role": "user", "content": words}],
                            "max_tokens": drawn.randint(1, 48),
                            "stream": True,
                        },
                    ) as response,
                ):
                    for _ in response.iter_raw():
                        if stopping.is_set():
                            break

    threads = [threading.Thread(target=talk, daemon=True) for _ in range(conversations)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path)
    parser.add_argument("others", nargs="*", type=Path)
    parser.add_argument("--starts", type=int, default=200)
    parser.add_argument("--load", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of the server")
    parser.add_argument("--vllm", help="as in measured_server.py")
    given = parser.parse_args()

    def server(model: Path) -> AbstractContextManager[Server]:
        return serving(
            str(model), 8 + given.load, vllm=given.vllm, threads=given.threads, prompt_cache=True
        )

    with server(given.model) as running:
        begun, tokens = time.monotonic(), running.metrics()[0]
        reference = Reference(running.url)
        seconds, spent = time.monotonic() - begun, running.metrics()[0] - tokens
        begun, tokens = time.monotonic(), running.metrics()[0]
        reference.asked(running.url)
        again, spent_again = time.monotonic() - begun, running.metrics()[0] - tokens
    places = reference.places
    print(f"{given.model.name}: first measurement {spent} tokens, {seconds:.1f} s; a later start")
    print(f"  {spent_again} tokens, {again:.1f} s; no load")
    print(f"  noise {places.noise:.4f} nats, tolerance {places.tolerance:.3f}", flush=True)

    alarms = word_alarms = most_changed = asked_again = done = 0
    distances: list[float] = []
    times: list[float] = []
    while done < given.starts:
        with server(given.model) as running, _load(running.url, given.load):
            for _ in range(min(_STARTS_PER_SERVER, given.starts - done)):
                begun = time.monotonic()
                far, alarm, changed, asks = reference.asked(running.url)
                times.append(time.monotonic() - begun)
                distances.append(far)
                alarms += alarm
                word_alarms += changed >= CHANGED_ANSWERS
                most_changed = max(most_changed, changed)
                asked_again += asks > 1
                done += 1
        print(
            f"  {done} starts under load: {alarms} false alarms by log-probabilities, "
            f"{word_alarms} by words; distance at most {max(distances):.4f}; at most "
            f"{most_changed} of 4 answers changed; {asked_again} asked again; "
            f"{sorted(times)[len(times) // 2]:.1f} s median, {max(times):.1f} s at most",
            flush=True,
        )

    for number, other in zip(count(1), given.others):
        with server(other) as running, _load(running.url, given.load):
            far, alarm, changed, _ = reference.asked(running.url)
        found = "another model" if alarm else "THE SAME"
        by_words = "another model" if changed >= CHANGED_ANSWERS else "the same"
        print(
            f"  {number}. {other.name}: distance {far:.3f}: {found}; {changed} of 4 answers "
            f"changed: {by_words}",
            flush=True,
        )
    print(f"  (least tolerance {LEAST_TOLERANCE} nats)")


if __name__ == "__main__":
    main()
