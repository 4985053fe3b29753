"""A stand-in for vLLM on a GPU: it streams at a GPU's rate, on a fraction of one CPU core.

    python benchmarks/gpu_stand_in.py [--port 8123] [--rate 20000] [--max-num-seqs 256]

All running requests make a step together, one token each, every --max-num-seqs / --rate seconds,
as a GPU's batch does: with all of them running that is the rate, and fewer make proportionally
less. Further requests wait. On the wire every token is an event of its own in an HTTP chunk of its
own, in vLLM's form. Above 25,000 writes a second the chunks of several steps are written at once.

What keeps it cheap: the events are made once per text, and a tick hands each stream a slice of
them. Texts are drawn from a vocabulary with a seed, so that no tail repeats (--loops has some fall
into a loop), by the prompt and, above temperature 0, the request's seed. A text begins with the
prompt's last word, and ends with it as the answer if it ends before its budget (--length).

/metrics has vLLM's counters, and beside them the times that `measured_server` reads: when the last
token was made, how long requests have been running, and how late steps were for want of a CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import random
import signal
import time
import zlib
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

VERSION = "0.32.0"
"""The vLLM whose answers these are, field for field."""

CONTEXT = 32_768
TEXTS = 64
"""So many different texts; their events take about 330 bytes a token."""
MOST_WRITES = 25_000
"""Writes a second, all streams together: about half a core."""

_BLOCK = 512  # tokens by which a text's events are extended
_LOOP_PERIOD = 24
_LIKELIEST = 20
_CREATED = int(time.time())

_CHAT = '"delta":{"content":%s},"logprobs":%s,"finish_reason":%s'
_TEXT = '"text":%s,"logprobs":%s,"finish_reason":%s'


def _vocabulary() -> list[str]:
    """Made-up words of two to four syllables, each a token with the space before it."""
    draw = random.Random(1)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er")]
    words = {
        " " + "".join(draw.choices(syllables, k=draw.choice((1, 2, 2, 3)))) for _ in range(9000)
    }
    return sorted(words)


_VOCABULARY = _vocabulary()


@dataclass(eq=False)
class Text:
    """Tokens without an end, extended as they are needed.

    Attributes:
        number: the seed.
        loops: from its 129th token on it repeats itself.
        tokens: those made so far.
    """

    number: int
    loops: bool
    tokens: list[str] = field(default_factory=list)

    def extend(self, length: int) -> None:
        """Make at least `length` tokens."""
        while len(self.tokens) < length:
            if self.loops and len(self.tokens) >= 128:
                self.tokens += self.tokens[-_LOOP_PERIOD:]
                continue
            draw = random.Random(self.number << 20 | len(self.tokens))
            self.tokens += draw.choices(_VOCABULARY, k=128)


@dataclass(frozen=True)
class Form:
    """How a stream's events look.

    Attributes:
        chat: of /v1/chat/completions; else of /v1/completions.
        counted: every event has the counts up to it (`continuous_usage_stats`).
        prompt_tokens: of the request.
        interval: tokens that an event holds (`--stream-interval`); the first has one.
    """

    chat: bool
    counted: bool
    prompt_tokens: int
    interval: int

    def event(
        self,
        name: str,
        content: str,
        tokens: int,
        *,
        finish: str | None = None,
        logprobs: object = None,
        role: bool = False,
    ) -> bytes:
        """One event in an HTTP chunk; `tokens` is the count up to its end."""
        if role:
            choice = (
                '"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null'
            )
        else:
            choice = (_CHAT if self.chat else _TEXT) % (
                json.dumps(content),
                json.dumps(logprobs),
                json.dumps(finish),
            )
        choice += ',"stop_reason":null' if finish else ""
        choice += "" if role else ',"token_ids":null'
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        counts = {**self.usage(tokens), "completion_tokens_details": None}
        usage = ',"usage":' + json.dumps(counts, separators=(",", ":")) if self.counted else ""
        usage += ',"prompt_token_ids":null,"prompt_text":null' if role else ""
        return _chunk(
            f'data: {{"id":"{name}","object":"{kind}","created":{_CREATED},"model":"{Server.name}",'
            f'"choices":[{{"index":0,{choice}}}]{usage}}}\n\n'
        )

    def usage(self, tokens: int) -> dict[str, int]:
        """The counts up to a token."""
        prompt = self.prompt_tokens
        return {
            "prompt_tokens": prompt,
            "total_tokens": prompt + tokens,
            "completion_tokens": tokens,
        }


def _chunk(text: str) -> bytes:
    data = text.encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


class Wire:
    """The events of one text in one form, in one run of bytes.

    The first token's event is not among them: it is the request's own.
    """

    def __init__(self, text: Text, form: Form) -> None:
        self._text, self._form = text, form
        self._data = b""
        self._ends = [0, 0]  # by number of tokens, where the events of so many end
        self._pending = 0  # tokens since the last event
        kind = "chatcmpl" if form.chat else "cmpl"
        self._name = f"{kind}-{random.Random(text.number).randbytes(8).hex()}"

    @property
    def name(self) -> str:
        """The answer's id."""
        return self._name

    def extend(self, length: int) -> None:
        """Make the events of the first `length` tokens."""
        if len(self._ends) > length:
            return
        length += _BLOCK
        self._text.extend(length)
        tokens = self._text.tokens
        parts = []
        place = self._ends[-1]
        for count in range(len(self._ends), length + 1):
            self._pending += 1
            if self._pending == self._form.interval:
                content = "".join(tokens[count - self._pending : count])
                parts.append(self._form.event(self._name, content, count))
                place += len(parts[-1])
                self._pending = 0
            self._ends.append(place)
        self._data = self._data + b"".join(parts)
        self._view = memoryview(self._data)

    def slice(self, first: int, last: int) -> memoryview:
        """The events that complete when `first` tokens become `last`."""
        return self._view[self._ends[first] : self._ends[last]]

    def held_back(self, count: int) -> str:
        """What no event has of the first `count` tokens."""
        return "".join(self._text.tokens[count - (count - 1) % self._form.interval : count])


@dataclass(eq=False)
class Answer:
    """One request's answer.

    Attributes:
        length: tokens it has in the end.
        own_end: it ends before its budget.
        echo: the prompt's last word.
        likeliest: log-probabilities asked for at every token; None for none.
        asked: CRC-32 of the prompt.
        sent: tokens so far.
    """

    connection: Connection
    text: Text
    form: Form
    stream: bool
    length: int
    own_end: bool
    echo: str
    likeliest: int | None
    with_usage: bool
    asked: int
    sent: int = 0

    def __post_init__(self) -> None:
        self.wire = _wire(self.text, self.form)
        if self.stream and self.likeliest is None:
            self.wire.extend(self.length)
        else:
            self.text.extend(self.length)

    @property
    def finish(self) -> str:
        """Why it ends."""
        return "stop" if self.own_end else "length"

    def advance(self, steps: int) -> int:
        """Make so many tokens, or those that are left; how many."""
        before = self.sent
        self.sent = min(before + steps, self.length)
        if self.stream:
            self.connection.write(self._events(before))
        elif self.sent == self.length:
            self.connection.answer(self._whole())
        if self.sent == self.length:
            self.connection.finished()
        return self.sent - before

    def _events(self, before: int) -> bytes | memoryview:
        """The events from one step to the next."""
        parts: list[bytes | memoryview] = []
        if not before:
            if self.form.chat:
                parts.append(self.form.event(self.wire.name, "", 0, role=True))
            parts.append(self._event(self.echo, 1))
            before = 1
        last = self.sent == self.length
        until = self.sent - 1 if last else self.sent
        if until > before:
            if self.likeliest is None:
                parts.append(self.wire.slice(before, until))
            else:
                for count in range(before + 1, until + 1):
                    parts.append(self._event(self.text.tokens[count - 1], count))
        if last:
            held = "" if self.likeliest is not None else self.wire.held_back(max(until, 1))
            parts.append(self._event(held + self._end(), self.length, finish=self.finish))
            if self.with_usage:
                usage = json.dumps(self.form.usage(self.length), separators=(",", ":"))
                kind = "chat.completion.chunk" if self.form.chat else "text_completion"
                parts.append(
                    _chunk(
                        f'data: {{"id":"{self.wire.name}","object":"{kind}","created":{_CREATED},'
                        f'"model":"{Server.name}","choices":[],"usage":{usage}}}\n\n'
                    )
                )
            parts.append(_chunk("data: [DONE]\n\n") + b"0\r\n\r\n")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _event(self, content: str, count: int, finish: str | None = None) -> bytes:
        logprobs = None if self.likeliest is None else {"content": [self._place(content)]}
        name = self.wire.name
        return self.form.event(name, content, count, finish=finish, logprobs=logprobs)

    def _end(self) -> str:
        """The last token's text."""
        if self.length == 1:
            return ""
        return f"\n\nAnswer: {self.echo}" if self.own_end else self.text.tokens[self.length - 1]

    def _place(self, token: str) -> dict[str, Any]:
        """The log-probabilities at a token: the same for the same one."""
        draw = random.Random(token)
        least = draw.random() / 4
        names = [token, *draw.sample(_VOCABULARY, max(self.likeliest or 0, 1) - 1)]
        likeliest = [
            {"token": name, "logprob": -least - 2.0 * rank, "bytes": list(name.encode())}
            for rank, name in enumerate(names)
        ]
        return {**likeliest[0], "top_logprobs": likeliest if self.likeliest else []}

    def _whole(self) -> dict[str, Any]:
        tokens = [self.echo, *self.text.tokens[1 : self.length - 1], self._end()]
        content = "".join(tokens)
        logprobs = None
        if self.likeliest is not None:
            logprobs = {"content": [self._place(token) for token in tokens]}
        choice: dict[str, Any] = {"index": 0, "logprobs": logprobs, "finish_reason": self.finish}
        if self.form.chat:
            unused = ("refusal", "annotations", "audio", "function_call", "reasoning")
            choice["message"] = {"role": "assistant", "content": content, **dict.fromkeys(unused)}
        else:
            choice["text"] = content
        return {
            "id": self.wire.name,
            "object": "chat.completion" if self.form.chat else "text_completion",
            "created": _CREATED,
            "model": Server.name,
            "choices": [choice],
            "usage": self.form.usage(self.length),
        }


@lru_cache(maxsize=4 * TEXTS)
def _wire(text: Text, form: Form) -> Wire:
    return Wire(text, form)


class RefusedError(Exception):
    """A request that vLLM would refuse, too."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Server:
    """The batch: who runs, who waits, and what has been made.

    Args:
        options: of the command line.
    """

    name = "bench"

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        Server.name = options.name
        self.step = options.max_num_seqs / options.rate
        self.tick = max(self.step, options.max_num_seqs / MOST_WRITES)
        looping = round(options.loops * TEXTS)
        first = options.weights * TEXTS
        self.texts = [Text(first + number, number < looping) for number in range(TEXTS)]
        self.journal = options.journal.open("a", buffering=1) if options.journal else None
        lengths = options.lengths.read_text() if options.lengths else "[]"
        self.lengths: list[int] = json.loads(lengths)
        self.running: dict[Answer, None] = {}
        self.waiting: deque[Answer] = deque()
        self.work = asyncio.Event()
        self.tokens = self.prompt_tokens = self.requests = 0
        self.last_token = self.busy_seconds = self.late_seconds = 0.0
        self.ticks = 0

    def add(self, answer: Answer) -> None:
        """Let a request wait for its turn."""
        self.waiting.append(answer)
        self.note("began", answer)
        self.prompt_tokens += answer.form.prompt_tokens
        self.requests += 1
        self.work.set()

    def note(self, what: str, answer: Answer) -> None:
        """Write down what becomes of a request, where that is wanted."""
        if self.journal is not None:
            print(time.time(), what, answer.asked, answer.length, file=self.journal)

    def drop(self, answer: Answer) -> None:
        """Forget a request whose client is gone."""
        self.running.pop(answer, None)
        if answer in self.waiting:
            self.waiting.remove(answer)

    async def run(self) -> None:
        """Make steps for as long as there is something to do."""
        while True:
            self.work.clear()
            await self.work.wait()
            begun = time.perf_counter()
            steps = ticks = 0
            while self.running or self.waiting:
                while self.waiting and len(self.running) < self.options.max_num_seqs:
                    self.running[self.waiting.popleft()] = None
                ticks = max(ticks + 1, int((time.perf_counter() - begun) / self.tick) + 1)
                await asyncio.sleep(begun + ticks * self.tick - time.perf_counter())
                now = time.perf_counter()
                self.ticks += 1
                self.late_seconds += max(now - begun - ticks * self.tick, 0.0)
                new = int((now - begun) / self.step + 1e-6) - steps
                steps += new
                self._advance(new)
            self.busy_seconds += time.perf_counter() - begun

    def _advance(self, steps: int) -> None:
        made = 0
        for answer in list(self.running) if steps else ():
            made += answer.advance(steps)
            if answer.sent == answer.length:
                self.running.pop(answer, None)
                self.note("ended", answer)
        if made:
            self.tokens += made
            self.last_token = time.time()

    def metrics(self) -> str:
        """In Prometheus' form."""
        label = f'{{engine="0",model_name="{self.name}"}}'
        values = {
            f"vllm:num_requests_running{label}": len(self.running),
            f"vllm:num_requests_waiting{label}": len(self.waiting),
            f"vllm:prompt_tokens_total{label}": self.prompt_tokens,
            f"vllm:generation_tokens_total{label}": self.tokens,
            "process_cpu_seconds_total": time.process_time(),
            "stand_in:requests_total": self.requests,
            "stand_in:last_token_timestamp_seconds": self.last_token,
            "stand_in:busy_seconds_total": self.busy_seconds,
            "stand_in:late_seconds_total": self.late_seconds,
            "stand_in:ticks_total": self.ticks,
        }
        return "".join(f"{name} {value!r}\n" for name, value in values.items())


class Connection(asyncio.Protocol):
    """One client's connection: requests one after the other."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""
        self._answer: Answer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport: Any = transport
        # A slow reader delays nobody else: what it has not read is kept for it.
        self.write = self._transport.write

    def connection_lost(self, _: Exception | None) -> None:
        """Give the place in the batch free."""
        if self._answer is not None:
            self._server.drop(self._answer)
            self._answer = None

    def data_received(self, data: bytes) -> None:
        """Take bytes, cut anywhere."""
        self._received += data
        self._next()

    def finished(self) -> None:
        """The answer has been sent; the next request may be there already."""
        self._answer = None
        if self._received:
            asyncio.get_running_loop().call_soon(self._next)

    def answer(self, value: object, status: int = 200, kind: str = "application/json") -> None:
        """Send a whole answer: JSON, or text."""
        data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.write(
            b"HTTP/1.1 %d OK\r\ndate: now\r\nserver: uvicorn\r\ncontent-length: %d\r\n"
            b"content-type: %b\r\n\r\n%b" % (status, len(data), kind.encode(), data)
        )

    def _next(self) -> None:
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if self._answer is not None or not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        body, self._received = rest[:length], rest[length:]
        method, path, _ = first.split(" ", 2)
        try:
            self._handle(method, path.partition("?")[0], body)
        except RefusedError as error:
            said = {"message": str(error), "type": "BadRequestError", "code": error.status}
            self.answer({"error": said}, error.status)
        if self._answer is None and self._received:
            self._next()

    def _handle(self, method: str, path: str, body: bytes) -> None:
        if method == "GET":
            self._tell(path)
            return
        try:
            request = json.loads(body)
        except ValueError:
            raise RefusedError(400, "the body is not JSON") from None
        if not isinstance(request, dict):
            raise RefusedError(400, "the body is not an object")
        if path == "/tokenize":
            count = _prompt(request)[1]
            self.answer({"count": count, "max_model_len": CONTEXT, "tokens": list(range(count))})
        elif path in ("/v1/chat/completions", "/v1/completions"):
            self._complete(request, chat="chat" in path)
        else:
            raise RefusedError(404, "Not Found")

    def _tell(self, path: str) -> None:
        if path == "/v1/models":
            entry = {"id": Server.name, "object": "model", "created": int(time.time())}
            entry |= {"owned_by": "vllm", "root": Server.name, "parent": None}
            entry |= {"max_model_len": CONTEXT, "permission": []}
            self.answer({"object": "list", "data": [entry]})
        elif path == "/version":
            self.answer({"version": VERSION})
        elif path == "/health":
            self.answer("")
        elif path == "/metrics":
            self.answer(self._server.metrics(), kind="text/plain; version=0.0.4")
        else:
            raise RefusedError(404, "Not Found")

    def _complete(self, request: dict[str, Any], *, chat: bool) -> None:
        """Queue an answer; its head is sent at once, as vLLM does."""
        if request.get("model", Server.name) != Server.name:
            raise RefusedError(404, f"The model `{request['model']}` does not exist.")
        if request.get("n", 1) != 1 or request.get("echo"):
            raise RefusedError(400, "one completion at a time, without its prompt")
        if request.get("logprobs") and not chat:
            raise RefusedError(400, "log-probabilities only of chats")
        words, prompt_tokens = _prompt(request)
        budget = request.get("max_completion_tokens") or request.get("max_tokens")
        budget = budget or (CONTEXT - prompt_tokens if chat else 16)
        if not isinstance(budget, int) or not 0 < budget <= CONTEXT - prompt_tokens:
            raise RefusedError(400, f"max_tokens {budget!r} is not within the context of {CONTEXT}")
        drawn = zlib.crc32(words.encode())
        asked = drawn
        if request.get("temperature") != 0:
            seed = request.get("seed")
            drawn = zlib.crc32(str(random.random() if seed is None else seed).encode(), drawn)
        length, luck = self._server.options.length, asked
        if self._server.lengths:
            length, luck = self._server.lengths[asked % len(self._server.lengths)], drawn
        if length:
            spread = self._server.options.spread
            length = max(2, round(length * (1 + spread * (2 * (luck % 1009) / 1008 - 1))))
        wanted = request.get("stream_options") or {}
        counted = bool(wanted.get("continuous_usage_stats"))
        likeliest = None
        if request.get("logprobs"):
            likeliest = min(int(request.get("top_logprobs") or 0), _LIKELIEST)
        stream = bool(request.get("stream"))
        self._answer = Answer(
            connection=self,
            text=self._server.texts[drawn % TEXTS],
            form=Form(chat, counted, prompt_tokens, self._server.options.stream_interval),
            stream=stream,
            length=min(length, budget) if length else budget,
            own_end=bool(length) and length < budget,
            echo=words.split()[-1].strip(".,:;?!") if words.split() else "",
            likeliest=likeliest,
            with_usage=bool(wanted.get("include_usage")),
            asked=asked,
        )
        if stream:
            self.write(
                b"HTTP/1.1 200 OK\r\ndate: now\r\nserver: uvicorn\r\ncontent-type: "
                b"text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
            )
        self._server.add(self._answer)


def _prompt(request: dict[str, Any]) -> tuple[str, int]:
    """A request's prompt, and its number of tokens: of words, and four for each turn."""
    turns = request.get("messages")
    if turns is None:
        prompt = str(request.get("prompt", ""))
        return prompt, max(len(prompt.split()), 1)
    try:
        contents = [turn["content"] for turn in turns]
        texts = [
            each if isinstance(each, str) else "".join(part["text"] for part in each)
            for each in contents
        ]
    except (TypeError, KeyError):
        raise RefusedError(400, "messages are objects with a content") from None
    words = "\n".join(texts)
    return words, len(words.split()) + 4 * len(texts)


def add_stand_in_options(parser: argparse.ArgumentParser) -> None:
    """What shapes the answers, without the port and the rate."""
    parser.add_argument("--max-num-seqs", type=int, default=256, help="requests that run at once")
    parser.add_argument("--length", type=int, help="tokens of an answer; else its whole budget")
    parser.add_argument(
        "--lengths",
        type=Path,
        metavar="FILE",
        help="JSON list of lengths, of which a prompt has one",
    )
    parser.add_argument(
        "--spread", type=float, default=0.1, help="lengths differ by up to this share of --length"
    )
    parser.add_argument("--weights", type=int, default=0, help="another number, another model")
    parser.add_argument(
        "--journal", type=Path, metavar="FILE", help="a line when a request begins and when it ends"
    )
    parser.add_argument("--loops", type=float, default=0.0, help="share of texts that loop")
    parser.add_argument("--stream-interval", type=int, default=1, help="tokens an event holds")


async def serve(options: argparse.Namespace) -> None:
    server = Server(options)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: Connection(server), "127.0.0.1", options.port, backlog=2048
    )
    port = listening.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    await server.run()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="of this machine only; 0: a free one")
    parser.add_argument("--name", default="bench", help="the model's")
    parser.add_argument("--rate", type=float, default=20_000, help="tokens a second in all")
    add_stand_in_options(parser)
    options = parser.parse_args()
    gc.freeze()
    gc.disable()  # nothing here makes cycles that last, and a pause would show
    with contextlib.suppress(KeyboardInterrupt, RuntimeError):  # the loop was stopped
        asyncio.run(serve(options))


if __name__ == "__main__":
    main()
