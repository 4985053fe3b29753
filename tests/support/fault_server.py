"""A real HTTP server on loopback that answers like an OpenAI-compatible one, and misbehaves.

    with FaultServer(faults=FAULTS) as server:
        engine = OpenAIEngine(spec(location=server.url), options)

What it answers depends on the prompt and the seed alone, so a run with faults must end with the
very completions of a run without.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from answer_shapes import LIVELY, SHAPES, Wire

from lrmtest.models.engines.http.model_probe import QUESTIONS

FAULTS = (
    "429",
    "429-retry-after",
    "500",
    "disconnect",
    "disconnect-midway",
    "malformed-json",
    "empty-stream",
    "cut-stream",
    "idle",
    "error-event",
)
"""What can be injected once into a share of the requests."""

MODES = (
    "endless",
    "endless-comments",
    "huge-line",
    "html",
    "redirect",
    "context-error",
    "filtered",
    "unauthorized",
    "always-500",
    "always-idle",
    "drip",
)
"""What every request can be made to meet."""


def default_answer(prompt: str, seed: int) -> str:
    """Reasoning that a template's prefilled tag opened, its end, and an answer."""
    digest = hashlib.sha256(f"{prompt}/{seed}".encode("utf-8", "surrogatepass")).digest()
    thoughts = " ".join(f"step {byte}." for byte in digest[: 4 + digest[0] % 12])
    return f"{thoughts}\n</think>\n\nThe answer is {digest[1]}. Ünï 🎉"


def token_id(token: str) -> int:
    """The number that this server has for a token."""
    return zlib.crc32(token.encode("utf-8", "surrogatepass")) >> 12


def told_probability(token: str) -> float:
    """How probable it calls a token, whatever was before it."""
    return (1 + token_id(token) % 99) / 100


def tokens_of(text: str) -> list[str]:
    """What this server takes for tokens: the tags, and words with the space before them."""
    return re.findall(r"</?think>|\s*[^\s<]+|\s+|<", text)


class FaultServer:
    """Serves from `__enter__` to `__exit__`.

    Args:
        answer: completion text for a prompt and a seed.
        faults: kinds of fault to inject, from `FAULTS`, or answers that are none, from `SHAPES`
            and `LIVELY`.
        every: a fault for every so many requests, once each, all kinds in turn: a schedule, so
            that how many fall in a row is no matter of luck.
        always: one of `SHAPES` or `LIVELY` for every chat request, or empty.
        listing: one of `SHAPES` or `LIVELY` for the list of models, or empty.
        mode: one of `MODES` for every chat request, or empty.
        dead_after: number of chat requests after which the server stops existing.
        models: names it serves.
        owner: what ``owned_by`` says: ``vllm``, ``llamacpp``, ...
        context_length: what it tells of its context.
        slots: ``total_slots`` of a llama-server.
        split_reasoning: name of a separate reasoning field, or empty.
        usage: report token counts.
        running: report them with each piece, whether asked to or not, as some servers do: a
            completion that is stopped early is counted then, at whatever piece that was.
        stream: answer ``stream: true`` with a stream.
        tokens_per_piece: tokens sent together, at least.
        delay: seconds before each piece.
        together: no request is answered before so many are in flight.
        enough: chat requests that are answered; further ones wait until `go_on` is set.
        key: the API key it wants.
        port: where it listens; 0 for any.

    Attributes:
        entry: what the list of models says beside name and owner.
        version: its own, where its kind tells one.
        chat_template: what llama-server and vLLM tell of it.
        probe_answer: answer to a question of the model probe, and how often it was asked before.
            These questions are in no count, and meet no fault but `mode`.
        likeliest: with each of that answer's tokens, its own log-probability and another's; None
            for a server that gives none.
        refuses_logprobs: whether a request for log-probabilities is a bad one.
        refuses_probe: whether the model probe's questions are bad requests.
        probed: questions of the model probe received.
        tells_tokens: tells ids and probabilities where they are asked for, as llama-server does.
    """

    def __init__(
        self,
        *,
        answer: Callable[[str, int], str] = default_answer,
        faults: Sequence[str] = (),
        every: int = 3,
        always: str = "",
        listing: str = "",
        mode: str = "",
        dead_after: int | None = None,
        models: Sequence[str] = ("test-model",),
        owner: str = "test",
        context_length: int | None = None,
        slots: int | None = None,
        split_reasoning: str = "",
        usage: bool = True,
        running: bool = False,
        stream: bool = True,
        tokens_per_piece: int = 1,
        delay: float = 0.0,
        together: int = 1,
        enough: int | None = None,
        key: str | None = None,
        port: int = 0,
    ) -> None:
        self.answer = answer
        self.faults = tuple(faults)
        self.every = every
        self.always = always
        self.listing = listing
        self.mode = mode
        self.dead_after = dead_after
        self.models = tuple(models)
        self.owner = owner
        self.context_length = context_length
        self.slots = slots
        self.split_reasoning = split_reasoning
        self.usage = usage
        self.running = running
        self.stream = stream
        self.tokens_per_piece = tokens_per_piece
        self.delay = delay
        self.together = together
        self.enough = enough
        self.key = key
        self.port = port
        self.entry: dict[str, Any] = {}
        self.version = "1.2.3"
        self.chat_template: object = "{{ messages }}"
        self.probe_answer: Callable[[str, int], str] = lambda question, asked: default_answer(
            question, 0
        )
        self.likeliest: Callable[[str, int], tuple[float, float]] | None = None
        self.refuses_logprobs = False
        self.refuses_probe = False
        self.probed: Counter[str] = Counter()
        self.tells_tokens = False

        self.lock = threading.Lock()
        self.bodies: list[dict[str, Any]] = []
        self.injected: Counter[str] = Counter()
        self.paths: Counter[str] = Counter()
        self.in_flight = 0
        self.most_in_flight = 0
        self.dead = False
        self.waiting = 0
        self.go_on = threading.Event()
        self.stopping = threading.Event()
        self._all_there = threading.Event()
        self._asked: set[str] = set()

    @property
    def chats(self) -> int:
        """Chat requests received."""
        return len(self.bodies)

    def __enter__(self) -> FaultServer:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = _Server(("127.0.0.1", self.port), handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
        self._thread.join(5)

    def kill(self) -> None:
        """Stop existing: refuse connections and drop those that are open."""
        with self.lock:
            if self.dead:
                return
            self.dead = True
        self.stopping.set()
        self.go_on.set()
        self._all_there.set()
        self._http.shutdown()
        self._http.server_close()

    def fault_for(self, prompt: str, seed: int) -> str:
        """The fault that this request meets now, if any; each request meets one at most."""
        key = f"{prompt}/{seed}"
        with self.lock:
            if not self.faults or key in self._asked:
                return ""
            self._asked.add(key)
            turn, left = divmod(len(self._asked), self.every)
            if left:
                return ""
            fault = self.faults[turn % len(self.faults)]
            self.injected[fault] += 1
            return fault

    def refusal(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """What a chat request is refused with; None where it is taken."""
        return None

    def pause(self) -> None:
        """Before each piece of an answer."""
        time.sleep(self.delay)

    def admit(self, number: int) -> None:
        """Let a chat request wait for others, or for `go_on`.

        Args:
            number: of the request, the first being 1.
        """
        with self.lock:
            if self.in_flight >= self.together:
                self._all_there.set()
        self._all_there.wait(120)
        if self.enough is not None and number > self.enough:
            with self.lock:
                self.waiting += 1
            self.go_on.wait()
            with self.lock:
                self.waiting -= 1


class Picky(FaultServer):
    """Refuses some parameters, in the words of one server or another."""

    def __init__(self, refuse: dict[str, dict[str, Any]], **how: Any) -> None:
        super().__init__(**how)
        self.refuse = refuse

    def refusal(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """The words for the first of them that is there."""
        for name, words in self.refuse.items():
            if name in body:
                return words
        return None


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up on this server by design."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # As real servers: a piece does not wait for the client to say that it has the one before.
    disable_nagle_algorithm = True
    owner: FaultServer
    timeout = 30

    def log_message(self, *args: Any) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        server = self.owner
        server.paths[self.path] += 1
        if self._unauthorized():
            return
        if self.path == "/v1/models" and server.listing:
            self._send_wire({**SHAPES, **LIVELY}[server.listing]([]))
        elif self.path == "/v1/models":
            entry = {"object": "model", "owned_by": server.owner, **server.entry}
            if server.context_length and server.owner != "llamacpp":
                entry["max_model_len"] = server.context_length
            self._json(200, {"data": [{"id": name, **entry} for name in server.models]})
        elif self.path == "/health":
            self._json(200, {"status": "ok"})
        elif self.path == "/version" and server.owner == "vllm":
            self._json(200, {"version": server.version})
        elif self.path == "/tokenizer_info" and server.owner == "vllm":
            self._json(200, {"chat_template": server.chat_template})
        elif self.path == "/props" and server.owner == "llamacpp":
            self._json(
                200,
                {
                    "default_generation_settings": {"n_ctx": server.context_length},
                    "total_slots": server.slots,
                    "chat_template": server.chat_template,
                    "build_info": "b1234-abc",
                },
            )
        else:
            self._json(404, {"error": {"message": "not found", "code": 404}})

    def do_POST(self) -> None:
        server = self.owner
        server.paths[self.path] += 1
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self._unauthorized():
            return
        if self.path == "/tokenize" and server.owner == "llamacpp":
            self._json(200, {"tokens": [*map(token_id, tokens_of(body["content"]))]})
        elif self.path == "/apply-template" and server.owner == "llamacpp":
            self._json(200, {"prompt": body["messages"][-1]["content"]})
        elif self.path == "/tokenize" and server.owner == "vllm":
            text = body.get("prompt") or body["messages"][-1]["content"]
            self._json(200, {"count": len(tokens_of(text))})
        elif self.path == "/v1/chat/completions" and self._is_probe(body):
            self._probe(body)
        elif self.path == "/v1/chat/completions":
            with server.lock:
                server.bodies.append(dict(body))
                number = len(server.bodies)
                server.in_flight += 1
                server.most_in_flight = max(server.most_in_flight, server.in_flight)
                die = server.dead_after is not None and number > server.dead_after
            try:
                server.admit(number)
                refusal = server.refusal(body)
                if refusal is not None:
                    self._json(400, refusal)
                elif die or server.dead:
                    threading.Thread(target=server.kill, daemon=True).start()
                    self._hang_up()
                else:
                    self._chat(body)
            finally:
                with server.lock:
                    server.in_flight -= 1
        else:
            self._json(404, {"error": {"message": "not found", "code": 404}})

    def _is_probe(self, body: dict[str, Any]) -> bool:
        return body["messages"][-1]["content"] in QUESTIONS

    def _probe(self, body: dict[str, Any]) -> None:
        server = self.owner
        question = body["messages"][-1]["content"]
        with server.lock:
            asked = server.probed[question]
            server.probed[question] += 1
        if server.mode and self._misbehave(server.mode):
            return
        if server.refuses_probe or (server.refuses_logprobs and body.get("logprobs")):
            self._json(400, {"error": {"message": "that is not supported", "code": 400}})
            return
        text = server.probe_answer(question, asked)
        if server.likeliest is None or not body.get("logprobs"):
            self._answer(text, body, "", at_once=True)
            return
        places = []
        for number, token in enumerate(tokens_of(text)[: body["max_tokens"]]):
            own, other = server.likeliest(question, number + 100 * asked)
            named = [(token, own), (f"{token}'", other), ("?", other - 1)]
            top = [{"token": name, "logprob": value} for name, value in named]
            places.append({"token": token, "logprob": own, "top_logprobs": top})
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "logprobs": {"content": places},
            "finish_reason": "length",
        }
        self._json(200, {"choices": [choice]})

    def _chat(self, body: dict[str, Any]) -> None:
        server = self.owner
        prompt, seed = body["messages"][-1]["content"], body.get("seed", 0)
        body.setdefault("max_tokens", body.get("max_completion_tokens"))
        fault = server.always or server.fault_for(prompt, seed)
        shape = SHAPES.get(fault) or LIVELY.get(fault)
        if shape and fault not in FAULTS:
            self._send_wire(shape(tokens_of(server.answer(prompt, seed))[: body["max_tokens"]]))
            return
        if server.mode and self._misbehave(server.mode):
            return
        if fault in ("429", "429-retry-after"):
            headers = {"Retry-After": "0.05"} if fault == "429-retry-after" else {}
            self._json(429, {"error": {"message": "slow down"}}, headers)
        elif fault == "500":
            self._json(500, {"error": {"message": "out of memory"}})
        elif fault == "disconnect":
            self._hang_up()
        elif fault == "idle":
            server.stopping.wait(60)
            self._hang_up()
        else:
            self._answer(server.answer(prompt, seed), body, fault)

    def _answer(
        self, text: str, body: dict[str, Any], fault: str, *, at_once: bool = False
    ) -> None:
        server = self.owner
        tokens = tokens_of(text)
        reason = "stop" if len(tokens) < body["max_tokens"] else "length"
        tokens = tokens[: body["max_tokens"]]
        usage = {"prompt_tokens": 7, "completion_tokens": len(tokens) + (reason == "stop")}
        tells = server.tells_tokens and body.get("logprobs")
        if tells:
            usage["prompt_tokens"] = len(tokens_of(body["messages"][-1]["content"]))
        reasoning, content = [], tokens
        if server.split_reasoning:
            end = tokens.index("</think>") if "</think>" in tokens else len(tokens)
            reasoning, content = tokens[:end], tokens[end + 1 :]
        if not (server.stream and body.get("stream")):
            message = {"role": "assistant", "content": "".join(content)}
            if server.split_reasoning:
                message[server.split_reasoning] = "".join(reasoning)
            choice = {"index": 0, "message": message, "finish_reason": reason}
            self._json(200, {"choices": [choice], **({"usage": usage} if server.usage else {})})
            return
        self._start_stream()
        if fault == "empty-stream":
            self._end_stream()
            return
        asked = body.get("stream_options", {}).get("continuous_usage_stats")
        running = server.usage and (asked or server.running)
        self._event({"role": "assistant", "content": None})
        fields = [(server.split_reasoning, reasoning), ("content", content)]
        sent = 0
        joined = body.get("stream_interval", 1) if server.owner == "vllm" else 1
        joined = max(joined, server.tokens_per_piece)
        for field, part in fields:
            for begin in range(0, len(part), joined):
                piece = part[begin : begin + joined]
                if not at_once:
                    server.pause()
                if fault and sent >= len(tokens) // 2:
                    self._break(fault)
                    return
                sent += len(piece)
                count = {"prompt_tokens": 7, "completion_tokens": sent} if running else None
                if tells:
                    self._told(piece[0], sent)
                else:
                    self._event({field: "".join(piece)}, usage=count)
        if fault:
            self._break(fault)
            return
        self._event({}, finish_reason=reason)
        if server.usage:
            self._send(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n")
        self._send("data: [DONE]\n\n")
        self._end_stream()

    def _told(self, token: str, sent: int) -> None:
        """A piece of the answer as llama-server sends it when it is to tell of tokens."""
        one = {"id": token_id(token), "token": token, "prob": told_probability(token)}
        choice = {"delta": {"content": token}, "logprobs": {"content": [one]}}
        event = {"choices": [choice], "timings": {"predicted_n": sent}}
        self._send(f"data: {json.dumps(event)}\n\n")

    def _break(self, fault: str) -> None:
        if fault == "disconnect-midway":
            self._hang_up()
        elif fault == "malformed-json":
            self._send('data: {"choices": [{"delta": {"cont\x00\n\n')
            self._end_stream()
        elif fault == "error-event":
            self._send('data: {"error": {"message": "worker died", "code": 500}}\n\n')
            self._end_stream()
        else:
            self._end_stream()  # a proxy that closes the stream properly, but too early

    def _misbehave(self, mode: str) -> bool:
        stopping = self.owner.stopping
        if mode == "endless":
            self._start_stream()
            while not stopping.is_set():
                self._event({"content": " and" * 20})
        elif mode == "endless-comments":
            self._start_stream()
            while not stopping.is_set():
                self._send(": waiting\n" * 2000)
        elif mode == "drip":
            self._start_stream()
            while not stopping.is_set():
                self._send("x")
                time.sleep(0.02)
        elif mode == "huge-line":
            self._start_stream()
            while not stopping.is_set():
                self._send("data: " + "x" * 65536)
        elif mode == "html":
            self._body(200, "text/html", b"<html>\x1b[31m<h1>Sign in</h1></html>")
        elif mode == "redirect":
            self._body(307, "text/plain", b"", {"Location": "http://127.0.0.1:1/v1"})
        elif mode == "context-error":
            words = "This model's maximum context length is 4096 tokens.\x1b[2J\x00"
            self._json(400, {"error": {"message": words, "code": 400}})
        elif mode == "filtered":
            self._start_stream()
            self._event({"content": "I"})
            self._event({}, finish_reason="content_filter")
            self._end_stream()
        elif mode == "unauthorized":
            words = f"Incorrect API key: {self.headers.get('authorization')}"
            self._json(401, {"error": {"message": words}})
        elif mode == "always-500":
            self._json(500, {"error": {"message": "engine dead"}})
        elif mode == "always-idle":
            stopping.wait(60)
            self._hang_up()
        return True

    def _unauthorized(self) -> bool:
        if (
            self.owner.key is None
            or self.headers.get("authorization") == f"Bearer {self.owner.key}"
        ):
            return False
        self._json(401, {"error": {"message": f"bad key {self.headers.get('authorization')}"}})
        return True

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._body(status, "application/json", json.dumps(value).encode(), headers)

    def _body(
        self, status: int, kind: str, content: bytes, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _start_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _event(
        self,
        delta: dict[str, Any],
        finish_reason: str | None = None,
        usage: dict[str, int] | None = None,
    ) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        event = {"choices": [choice], **({"usage": usage} if usage else {})}
        self._send(f"data: {json.dumps(event)}\n\n")

    def _send(self, text: str) -> None:
        self._send_bytes(text.encode())

    def _send_bytes(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def _send_wire(self, wire: Wire) -> None:
        stopping = self.owner.stopping
        head = f"HTTP/1.1 {wire.status}\r\nTransfer-Encoding: chunked\r\n"
        head += f"Content-Type: {wire.kind}\r\n" if wire.kind else ""
        head += f"{wire.header}\r\n" if wire.header else ""
        self.wfile.write(f"{head}\r\n".encode())
        if wire.body:
            self._send_bytes(wire.body)
        if wire.then == "end":
            self._end_stream()
            return
        while not stopping.wait(0.05):
            if isinstance(wire.then, bytes):
                self._send_bytes(wire.then)
            elif wire.then == "reset":
                break
        self._hang_up()

    def _hang_up(self) -> None:
        """Reset the connection, as the death of a process does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RDWR)
